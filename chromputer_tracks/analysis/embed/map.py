"""From an embedding to a map of two dimensions: principal components, then t-SNE or UMAP.

All of it runs in one thread: how partial sums are split over threads changes their last bits, and
t-SNE and UMAP turn those into another map.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from chromputer_tracks.errors import DependencyError, InputError

Method = Literal["tsne", "umap", "pca"]

SHARE = 0.95
"""Of the variance, which the principal components that are kept hold at least."""
MOST_COMPONENTS = 50
PERPLEXITY = 30.0
"""About as many neighbours are kept together by t-SNE; a third of the sites where they are few."""
NEIGHBOURS = 15
"""UMAP's."""
LEAST_SITES = 4
"""Fewer have no neighbourhoods to keep, and are laid out by their principal components."""

_INITIAL_SPREAD = 1e-4
"""Standard deviation of t-SNE's start, as openTSNE and scikit-learn set it."""


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """Principal components of an embedding.

    Attributes:
        scores: float64 (n, k), of each site; the signs are set by the greatest loading.
        explained: float64 (k,), share of the variance.
    """

    scores: NDArray[np.float64]
    explained: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """A map.

    Attributes:
        xy: float64 (n, 2).
        method: that it was made by; ``pca`` where there are too few sites for another.
        library: what made it, with its version.
        perplexity: of t-SNE; 0 otherwise.
    """

    xy: NDArray[np.float64]
    method: Method
    library: str
    perplexity: float = 0.0


def check_method(method: str) -> None:
    """Check that a method is known and its library installed.

    Raises:
        InputError: it is unknown.
        DependencyError: it needs umap-learn.
    """
    if method not in get_args(Method):
        raise InputError(f"method {method!r} is not one of {', '.join(get_args(Method))}")
    if method == "umap" and importlib.util.find_spec("umap") is None:
        raise DependencyError(
            "--method umap needs umap-learn: pip install umap-learn, or take --method tsne"
        )


@contextmanager
def one_thread() -> Iterator[None]:
    """Let BLAS and OpenMP run in one thread; see the module's docstring."""
    with threadpool_limits(limits=1):
        yield


def principal_components(
    embedding: NDArray[np.float32], share: float = SHARE, most: int = MOST_COMPONENTS
) -> Components:
    """The first principal components, centred and not scaled.

    Args:
        embedding: float32 (n, d).
        share: of the variance that they hold at least.
        most: how many at most.

    Returns:
        two components at least, of zeros where the sites have fewer.
    """
    n, d = embedding.shape
    scores = np.zeros((n, 2))
    if n < 2 or not np.ptp(embedding, axis=0).any():
        return Components(scores, np.zeros(2))
    values = embedding.astype(np.float64)
    with one_thread():
        pca = PCA(min(n - 1, d, most), svd_solver="full")
        found = pca.fit_transform(values)
    explained = pca.explained_variance_ratio_
    kept = int(np.searchsorted(np.cumsum(explained), share)) + 1
    kept = min(max(kept, 2), found.shape[1])
    scores = np.zeros((n, max(kept, 2)))
    scores[:, :kept] = found[:, :kept]
    shares = np.zeros(scores.shape[1])
    shares[:kept] = explained[:kept]
    return Components(scores, shares)


def lay_out(components: Components, method: Method, seed: int) -> Layout:
    """Lay sites out in two dimensions.

    t-SNE (van der Maaten and Hinton 2008) starts from the first two principal components, which
    keeps the large-scale order (Kobak and Berens 2019, doi:10.1038/s41467-019-13056-x); openTSNE
    makes it where it is installed, else scikit-learn. The same sites, method, seed and libraries
    give the same map.

    Args:
        components: of the sites.
        method: see :data:`Method`.
        seed: at least 0.

    Raises:
        DependencyError: ``umap`` without umap-learn.
    """
    check_method(method)
    scores = components.scores
    n = len(scores)
    if method == "pca" or n < LEAST_SITES or not scores.any():
        return Layout(scores[:, :2].copy(), "pca", _version("scikit-learn"))
    with one_thread():
        return _umap(scores, seed) if method == "umap" else _tsne(scores, seed)


def _tsne(scores: NDArray[np.float64], seed: int) -> Layout:
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
        return Layout(np.array(made, dtype=np.float64), "tsne", _version("openTSNE"), perplexity)
    xy = TSNE(
        n_components=2, perplexity=perplexity, init=start.astype(np.float32), random_state=seed
    ).fit_transform(scores)
    return Layout(xy.astype(np.float64), "tsne", _version("scikit-learn"), perplexity)


def _umap(scores: NDArray[np.float64], seed: int) -> Layout:
    import umap

    xy = umap.UMAP(
        n_components=2,
        n_neighbors=min(NEIGHBOURS, len(scores) - 1),
        init=scores[:, :2] / np.abs(scores[:, :2]).max() * 10,
        random_state=seed,
        n_jobs=1,
    ).fit_transform(scores)
    return Layout(np.array(xy, dtype=np.float64), "umap", _version("umap-learn"))


def _version(name: str) -> str:
    return f"{name} {importlib.metadata.version(name)}"
