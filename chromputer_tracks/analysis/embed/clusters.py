"""Classes of sites: k-means on the principal components of the embedding.

Clusters are found in the embedding, not on the map, whose distances beyond a neighbourhood mean
nothing. There the sites of a genome form a continuum without empty space between dense places, of
which density-based methods (HDBSCAN) call most sites noise; k-means cuts it into compact classes,
as many as are asked for, each with a mean that stands for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from chromputer_tracks.analysis.embed.map import one_thread
from chromputer_tracks.errors import InputError
from chromputer_tracks.spec import Label, ModelSpec

MOST_CLUSTERS = 15
"""That are tried when their number is to be found."""
STABLE = 0.85
"""Stability from which on Hennig calls a cluster highly stable."""
MEDOIDS = 5
"""Representative sites of a cluster."""

_STARTS = 10
_HALF_STARTS = 5
_HALVES = 10
_MOST_HALF = 4_000
"""Sites of a half at most."""
_SITES_PER_CLUSTER = 20
"""Sites that there must be for each cluster that is tried."""

_FOLD, _MEAN = 1.5, 0.02
"""A label is enriched from this many times the mean of all sites on, and from this mean on."""


@dataclass(frozen=True, slots=True, eq=False)
class Clustering:
    """Sites in clusters.

    Attributes:
        codes: int64 (n,), 0 to k - 1; the largest cluster is 0.
        centres: float64 (k, components), the means.
        stability: float64 (k,), of each cluster, 0 to 1; see :func:`find_clusters`.
        tried: number of clusters to the stability of the least stable one, of the numbers tried;
            empty where the number was given.
    """

    codes: NDArray[np.int64]
    centres: NDArray[np.float64]
    stability: NDArray[np.float64]
    tried: dict[int, float]

    @property
    def k(self) -> int:
        """The number of clusters."""
        return len(self.centres)


@dataclass(frozen=True, slots=True, eq=False)
class ClusterSummary:
    """What is in a cluster.

    Attributes:
        name: ``C1``, the largest, and so on.
        sites: how many.
        share: of all sites.
        stability: how well the cluster comes back in half of the sites, 0 to 1.
        states: float64 (states,), share of its sites predicted to be of each state.
        means: float64 (outputs,), mean probability (value of a continuous label).
        folds: float64 (outputs,), ``means`` relative to the mean of all sites; NaN where that is 0.
        enriched: outputs of binary and continuous labels that stand out, the most enriched first.
        medoids: rows of its most typical sites, the most typical first.
    """

    name: str
    sites: int
    share: float
    stability: float
    states: NDArray[np.float64]
    means: NDArray[np.float64]
    folds: NDArray[np.float64]
    enriched: tuple[int, ...]
    medoids: tuple[int, ...]


def find_clusters(scores: NDArray[np.float64], number: int | None, seed: int) -> Clustering:
    """Cluster sites.

    A cluster's stability is how well it comes back when half of the sites, drawn at random, are
    clustered: the Jaccard index with the cluster of the half that is most like it, the mean over
    halves (Hennig 2007, doi:10.1016/j.csda.2006.11.025, there with bootstrap samples). Without a
    number it is the largest, up to 15, of which all clusters are highly stable.

    Args:
        scores: float64 (n, components), of :func:`~chromputer_tracks.analysis.embed.map`.
        number: of clusters; None: it is found.
        seed: of the starts and halves, at least 0.

    Raises:
        InputError: there are fewer different sites than ``number``.
    """
    distinct = len(np.unique(scores, axis=0))
    if number is not None and number > distinct:
        raise InputError(
            f"--clusters {number} is more than there are different sites ({distinct:,}); give a "
            "smaller number, or auto"
        )
    tried: dict[int, float] = {}
    with one_thread():
        if number is None:
            number = 1
            for k in range(2, min(MOST_CLUSTERS, distinct // _SITES_PER_CLUSTER) + 1):
                tried[k] = float(_stability(scores, _fit(scores, k, seed), seed).min())
                if tried[k] >= STABLE:
                    number = k
        codes = _by_size(_fit(scores, number, seed))
        stability = _stability(scores, codes, seed)
    centres = np.array([scores[codes == code].mean(axis=0) for code in range(number)])
    return Clustering(codes, centres, stability, tried)


def _fit(
    scores: NDArray[np.float64], k: int, seed: int, starts: int = _STARTS
) -> NDArray[np.int64]:
    found: NDArray[np.int64] = (
        KMeans(k, n_init=starts, random_state=seed).fit(scores).labels_.astype(np.int64)
    )
    return found


def _by_size(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same clusters, the largest first; of equal ones that of the first site."""
    sizes = np.bincount(codes)
    first = np.array([int(np.argmax(codes == code)) for code in range(len(sizes))])
    rank = np.empty(len(sizes), dtype=np.int64)
    rank[np.lexsort((first, -sizes))] = np.arange(len(sizes))
    return rank[codes]


def _stability(
    scores: NDArray[np.float64], codes: NDArray[np.int64], seed: int
) -> NDArray[np.float64]:
    """Stability of each cluster, float64 (k,); 0 where half of the sites are too few for it."""
    k = int(codes.max()) + 1
    if k == 1:
        return np.ones(1)
    half = min(len(scores) // 2, _MOST_HALF)
    rng = np.random.default_rng((seed, k))
    found = np.zeros((_HALVES, k))
    for row in range(_HALVES):
        drawn = rng.permutation(len(scores))[:half]
        if len(np.unique(scores[drawn], axis=0)) >= k:
            again = _fit(scores[drawn], k, seed, _HALF_STARTS)
            found[row] = best_jaccard(codes[drawn], again, k)
    return np.asarray(found.mean(axis=0), dtype=np.float64)


def best_jaccard(
    codes: NDArray[np.int64], others: NDArray[np.int64], k: int
) -> NDArray[np.float64]:
    """The Jaccard index of each cluster with the one of another clustering that is most like it.

    Args:
        codes: int64 (n,), 0 to k - 1.
        others: int64 (n,), 0 to k - 1, of the same sites.
        k: number of clusters; one without sites gets 0.
    """
    shared = np.zeros((k, k))
    np.add.at(shared, (codes, others), 1)
    either = shared.sum(axis=1)[:, None] + shared.sum(axis=0) - shared
    ratio = np.divide(shared, either, out=np.zeros((k, k)), where=either > 0)
    return np.asarray(ratio.max(axis=1), dtype=np.float64)


def summarise(
    spec: ModelSpec,
    scores: NDArray[np.float64],
    probabilities: NDArray[np.float32],
    clustering: Clustering,
) -> tuple[ClusterSummary, ...]:
    """What is in each cluster.

    A medoid, the site with the least sum of squared distances to the sites of its cluster, is the
    one nearest to their mean; the next ones are those next to it.

    Args:
        spec: of the model.
        scores: float64 (n, components), in which distances are taken.
        probabilities: float32 (n, outputs).
        clustering: of the sites.
    """
    values = probabilities.astype(np.float64)
    overall = values.mean(axis=0)
    rows, _ = states_of(spec)
    state = values[:, rows].argmax(axis=1) if rows.stop > rows.start else None
    others = np.ones(spec.outputs, dtype=bool)
    others[rows] = False
    summaries = []
    for code in range(clustering.k):
        here = np.flatnonzero(clustering.codes == code)
        means = values[here].mean(axis=0)
        folds = np.divide(means, overall, out=np.full_like(means, np.nan), where=overall > 0)
        stand_out = np.flatnonzero(others & (folds >= _FOLD) & (means >= _MEAN))
        distance = ((scores[here] - clustering.centres[code]) ** 2).sum(axis=1)
        count = np.zeros(rows.stop - rows.start)
        if state is not None:
            count = np.bincount(state[here], minlength=len(count)) / len(here)
        summaries.append(
            ClusterSummary(
                f"C{code + 1}",
                len(here),
                len(here) / len(scores),
                float(clustering.stability[code]),
                count,
                means,
                folds,
                tuple(stand_out[np.argsort(-folds[stand_out], kind="stable")].tolist()),
                tuple(here[np.argsort(distance, kind="stable")[:MEDOIDS]].tolist()),
            )
        )
    return tuple(summaries)


def states_of(spec: ModelSpec) -> tuple[slice, tuple[Label, ...]]:
    """Rows and labels of the states head; an empty slice and no labels without one."""
    for head in spec.heads:
        if head.kind == "states":
            return spec.head_slices()[head.name], head.labels
    return slice(0, 0), ()
