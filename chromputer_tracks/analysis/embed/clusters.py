"""Classes of sites: k-means on the principal components of the embedding.

Clusters are found in the embedding, not on the map, whose distances beyond a neighbourhood mean
nothing. There the sites of a genome form a continuum without empty space between dense places, of
which density-based methods (HDBSCAN) call most sites noise; k-means cuts it into compact classes,
as many as are asked for, each with a mean that stands for it.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from chromputer_tracks.errors import DependencyError, InputError
from chromputer_tracks.options.explain import MapMethod
from chromputer_tracks.spec import Label, ModelSpec

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

# ---- From an embedding to a map of two dimensions: principal components, then t-SNE or UMAP.

SHARE = 0.95
"""Least part of the variance that the principal components that are kept hold."""
MOST_COMPONENTS = 50
PERPLEXITY = 30.0
"""About as many neighbours are kept together by t-SNE; a third of the sites where they are few."""
NEIGHBOURS = 15
"""UMAP's."""
LEAST_SITES = 4
"""Fewer have no neighbourhoods to keep, and are laid out by their principal components."""

_one_thread = partial(threadpool_limits, limits=1)
"""How partial sums are split over threads changes their last bits, and t-SNE and UMAP turn those
into another map."""
_INITIAL_SPREAD = 1e-4
"""Standard deviation of t-SNE's start, as openTSNE and scikit-learn set it."""


@dataclass(frozen=True, slots=True, eq=False)
class PrincipalComponents:
    """Principal components of an embedding.

    Attributes:
        scores: float64 (n, k), a row a site; the greatest loading sets the signs.
        explained: float64 (k,), share of the variance.
    """

    scores: Float64
    explained: Float64


@dataclass(frozen=True, slots=True, eq=False)
class MapLayout:
    """Where sites lie on a map, float64 (n, 2), and what laid them out.

    ``method`` is ``pca`` where there are too few sites for another, ``library`` has its version,
    and ``perplexity``, t-SNE's, is 0 otherwise.
    """

    xy: Float64
    method: MapMethod
    library: str
    perplexity: float = 0.0


def check_method(method: MapMethod) -> None:
    """Raise a DependencyError where umap-learn is asked for and missing."""
    if method == "umap" and importlib.util.find_spec("umap") is None:
        raise DependencyError(
            "--method umap needs umap-learn: pip install umap-learn, or take --method tsne"
        )


def principal_components(
    embedding: NDArray[np.float32], share: float = SHARE, most: int = MOST_COMPONENTS
) -> PrincipalComponents:
    """The first principal components of an embedding, float32 (n, d), centred and not scaled.

    At most ``most``, as many as hold ``share`` of the variance together. At least two are returned,
    of zeros where the sites have fewer.
    """
    n, d = embedding.shape
    scores = np.zeros((n, 2))
    if n < 2 or not np.ptp(embedding, axis=0).any():
        return PrincipalComponents(scores, np.zeros(2))
    values = embedding.astype(np.float64)
    with _one_thread():
        pca = PCA(min(n - 1, d, most), svd_solver="full")
        found = pca.fit_transform(values)
    explained = pca.explained_variance_ratio_
    kept = int(np.searchsorted(np.cumsum(explained), share)) + 1
    kept = min(max(kept, 2), found.shape[1])
    scores = np.zeros((n, max(kept, 2)))
    scores[:, :kept] = found[:, :kept]
    shares = np.zeros(scores.shape[1])
    shares[:kept] = explained[:kept]
    return PrincipalComponents(scores, shares)


def lay_out(components: PrincipalComponents, method: MapMethod, seed: int) -> MapLayout:
    """Lay sites out in two dimensions.

    t-SNE (van der Maaten and Hinton 2008) starts from the first two principal components, which
    keeps the large-scale order (Kobak and Berens 2019, doi:10.1038/s41467-019-13056-x); openTSNE
    makes it where it is installed, else scikit-learn. The same sites, method, seed and libraries
    give the same map.

    Raises:
        DependencyError: ``umap`` without umap-learn.
    """
    check_method(method)
    scores = components.scores
    n = len(scores)
    if method == "pca" or n < LEAST_SITES or not scores.any():
        return MapLayout(scores[:, :2].copy(), "pca", _version("scikit-learn"))
    with _one_thread():
        return _umap(scores, seed) if method == "umap" else _tsne(scores, seed)


def _tsne(scores: Float64, seed: int) -> MapLayout:
    perplexity = min(PERPLEXITY, (len(scores) - 1) / 3)
    start = scores[:, :2] / scores[:, 0].std() * _INITIAL_SPREAD
    if importlib.util.find_spec("openTSNE") is not None:
        import openTSNE

        made = openTSNE.TSNE(
            n_components=2,
            perplexity=perplexity,
            initialization=start,
            neighbors="exact",
            n_jobs=1,
            random_state=seed,
        ).fit(scores)
        return MapLayout(np.array(made, dtype=np.float64), "tsne", _version("openTSNE"), perplexity)
    xy = TSNE(
        n_components=2, perplexity=perplexity, init=start.astype(np.float32), random_state=seed
    ).fit_transform(scores)
    return MapLayout(xy.astype(np.float64), "tsne", _version("scikit-learn"), perplexity)


def _umap(scores: Float64, seed: int) -> MapLayout:
    import umap

    xy = umap.UMAP(
        n_components=2,
        n_neighbors=min(NEIGHBOURS, len(scores) - 1),
        init=scores[:, :2] / np.abs(scores[:, :2]).max() * 10,
        random_state=seed,
        n_jobs=1,
    ).fit_transform(scores)
    return MapLayout(np.array(xy, dtype=np.float64), "umap", _version("umap-learn"))


def _version(name: str) -> str:
    return f"{name} {importlib.metadata.version(name)}"


# ---- Clusters, how stable they are, and what is in them.

MOST_CLUSTERS = 15
"""Largest number that is tried when it is to be found."""
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
    """Sites in k clusters.

    Attributes:
        codes: int64 (n,), 0 to k - 1; the largest cluster is 0.
        centres: float64 (k, components), the means.
        stability: float64 (k,), 0 to 1; see :func:`find_clusters`.
        tried: the stability of the least stable cluster by the number of clusters that was tried;
            empty where the number was given.
    """

    codes: Int64
    centres: Float64
    stability: Float64
    tried: dict[int, float]

    @property
    def k(self) -> int:
        """The number of clusters."""
        return len(self.centres)


@dataclass(frozen=True, slots=True, eq=False)
class ClusterSummary:
    """What is in a cluster: ``C1`` is the largest.

    Attributes:
        states: float64 (states,), share of its sites predicted to be in each state.
        means: float64 (outputs,), mean probability (value of a continuous label).
        folds: float64 (outputs,), ``means`` relative to the mean of all sites; NaN where that is 0.
        enriched: outputs of binary and continuous labels that stand out, the most enriched first.
        medoids: rows of its most typical sites, the most typical first.
    """

    name: str
    sites: int
    share: float
    stability: float
    states: Float64
    means: Float64
    folds: Float64
    enriched: tuple[int, ...]
    medoids: tuple[int, ...]


def find_clusters(scores: Float64, number: int | None, seed: int) -> Clustering:
    """Cluster sites by their principal components, float64 (n, components).

    A cluster's stability is how well it comes back when half of the sites, drawn at random, are
    clustered: the Jaccard index with the cluster of the half that is most like it, the mean over
    halves (Hennig 2007, doi:10.1016/j.csda.2006.11.025, there with bootstrap samples). Without a
    number it is the largest, up to 15, of which all clusters are highly stable.

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
    with _one_thread():
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


def _fit(scores: Float64, k: int, seed: int, starts: int = _STARTS) -> Int64:
    found: Int64 = KMeans(k, n_init=starts, random_state=seed).fit(scores).labels_.astype(np.int64)
    return found


def _by_size(codes: Int64) -> Int64:
    """The same clusters, the largest first; of equal ones that of the first site."""
    sizes = np.bincount(codes)
    first = np.array([int(np.argmax(codes == code)) for code in range(len(sizes))])
    rank = np.empty(len(sizes), dtype=np.int64)
    rank[np.lexsort((first, -sizes))] = np.arange(len(sizes))
    return rank[codes]


def _stability(scores: Float64, codes: Int64, seed: int) -> Float64:
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


def best_jaccard(codes: Int64, others: Int64, k: int) -> Float64:
    """The Jaccard index of each cluster with the one of another clustering that is most like it.

    Both are int64 (n,), 0 to k - 1; a cluster without sites gets 0.
    """
    shared = np.zeros((k, k))
    np.add.at(shared, (codes, others), 1)
    either = shared.sum(axis=1)[:, None] + shared.sum(axis=0) - shared
    ratio = np.divide(shared, either, out=np.zeros((k, k)), where=either > 0)
    return np.asarray(ratio.max(axis=1), dtype=np.float64)


def summarise(
    spec: ModelSpec, scores: Float64, probabilities: NDArray[np.float32], clustering: Clustering
) -> tuple[ClusterSummary, ...]:
    """What is in each cluster.

    A medoid, the site with the least sum of squared distances to the sites of its cluster, is the
    one nearest to their mean; the next ones are those next to it. Distances are those of the
    components, ``scores``; ``probabilities`` are float32 (n, outputs).
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
    head = spec.states_head
    return (slice(0, 0), ()) if head is None else (spec.head_slices()[head.name], head.labels)
