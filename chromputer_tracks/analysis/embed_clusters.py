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

from chromputer_tracks.analysis.embed_map import one_thread
from chromputer_tracks.errors import InputError
from chromputer_tracks.spec import Label, ModelSpec

MOST_CLUSTERS = 15
"""That are tried when their number is to be found."""
STRENGTH = 0.8
"""Prediction strength from which on clusters count as there; 0.8 to 0.9 in its paper."""
MEDOIDS = 5
"""Representative sites of a cluster."""

_STARTS = 10
_TRIAL_STARTS = 3
_SPLITS = 5
_TRIAL_SITES = 4_000
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
        strengths: number of clusters to prediction strength (mean and standard error over halves of
            the sites), of the numbers tried; empty where the number was given.
    """

    codes: NDArray[np.int64]
    centres: NDArray[np.float64]
    strengths: dict[int, tuple[float, float]]

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
        states: float64 (states,), share of its sites predicted to be of each state.
        means: float64 (outputs,), mean probability (value of a continuous label).
        folds: float64 (outputs,), ``means`` relative to the mean of all sites; NaN where that is 0.
        enriched: outputs of binary and continuous labels that stand out, the most enriched first.
        medoids: rows of its most typical sites, the most typical first.
    """

    name: str
    sites: int
    share: float
    states: NDArray[np.float64]
    means: NDArray[np.float64]
    folds: NDArray[np.float64]
    enriched: tuple[int, ...]
    medoids: tuple[int, ...]


def find_clusters(scores: NDArray[np.float64], number: int | None, seed: int) -> Clustering:
    """Cluster sites.

    Without a number it is the largest, up to 15, whose clusters come back: the sites are halved at
    random, both halves clustered, and the prediction strength is the share of pairs of a test
    cluster that the other half's means put together, too, in the cluster where it is least
    (Tibshirani and Walther 2005, doi:10.1198/106186005X59243). It counts as there when its mean
    over halves plus its standard error is 0.8 or more.

    Args:
        scores: float64 (n, components), of :func:`~chromputer_tracks.analysis.embed_map`.
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
    strengths: dict[int, tuple[float, float]] = {}
    with one_thread():
        if number is None:
            most = min(MOST_CLUSTERS, distinct // _SITES_PER_CLUSTER)
            strengths = {k: _strength(scores, k, seed) for k in range(2, most + 1)}
            there = [k for k, (mean, error) in strengths.items() if mean + error >= STRENGTH]
            number = max(there, default=1)
        fitted = KMeans(number, n_init=_STARTS, random_state=seed).fit(scores)
    found = fitted.labels_.astype(np.int64)
    sizes = np.bincount(found, minlength=number)
    first = np.array([int(np.argmax(found == code)) for code in range(number)])
    order = np.lexsort((first, -sizes))
    rank = np.empty(number, dtype=np.int64)
    rank[order] = np.arange(number)
    codes: NDArray[np.int64] = rank[found]
    centres = np.array([scores[codes == code].mean(axis=0) for code in range(number)])
    return Clustering(codes, centres, strengths)


def _strength(scores: NDArray[np.float64], k: int, seed: int) -> tuple[float, float]:
    """Mean and standard error of the prediction strength over random halves, both ways."""
    rng = np.random.default_rng((seed, k))
    found = []
    for _ in range(_SPLITS):
        drawn = rng.permutation(len(scores))[:_TRIAL_SITES]
        half = len(drawn) // 2
        parts = [scores[drawn[:half]], scores[drawn[half:]]]
        fits = [KMeans(k, n_init=_TRIAL_STARTS, random_state=seed).fit(part) for part in parts]
        for test, training in ((0, 1), (1, 0)):
            found.append(
                prediction_strength(fits[test].labels_, fits[training].predict(parts[test]), k)
            )
    return float(np.mean(found)), float(np.std(found, ddof=1) / np.sqrt(len(found)))


def prediction_strength(own: NDArray[np.integer], predicted: NDArray[np.integer], k: int) -> float:
    """The share of pairs of one cluster that are predicted to be of one, in the worst cluster.

    Args:
        own: int (n,), clusters of the test sites, 0 to k - 1.
        predicted: int (n,), those that other sites' means put them in, 0 to k - 1.
        k: number of clusters; one of fewer than two sites counts as 0.
    """
    table = np.zeros((k, k))
    np.add.at(table, (own, predicted), 1)
    sizes = table.sum(axis=1)
    together = (table * (table - 1)).sum(axis=1)
    pairs = sizes * (sizes - 1)
    return float(np.divide(together, pairs, out=np.zeros(k), where=pairs > 0).min())


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
