"""Components, maps and clusters of an embedding."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.manifold import trustworthiness
from tiny_models import tiny_spec

from chromputer_tracks.analysis.embed.clusters import (
    MEDOIDS,
    STABLE,
    Clustering,
    PrincipalComponents,
    best_jaccard,
    check_method,
    find_clusters,
    lay_out,
    principal_components,
    summarise,
)
from chromputer_tracks.errors import DependencyError, InputError
from chromputer_tracks.options.explain import EmbedOptions
from chromputer_tracks.options.fields import SampleFiles


def blobs(k: int, each: int, d: int = 6, seed: int = 3, far: float = 12) -> NDArray[np.float32]:
    """Sites of k kinds, the kinds one after the other."""
    rng = np.random.default_rng(seed)
    middles = far * rng.normal(size=(k, d))
    return np.concatenate([m + rng.normal(size=(each, d)) for m in middles]).astype(np.float32)


def test_components_are_those_of_the_covariance() -> None:
    x = blobs(3, 40)
    found = principal_components(x)
    values, vectors = np.linalg.eigh(np.cov(x.astype(np.float64), rowvar=False))
    values, vectors = values[::-1], vectors[:, ::-1]
    shares = values / values.sum()
    k = len(found.explained)
    assert shares[: k - 1].sum() < 0.95 <= shares[:k].sum() or k == 2
    np.testing.assert_allclose(found.explained, shares[:k], rtol=1e-9)
    expected = (x - x.mean(axis=0, dtype=np.float64)) @ vectors[:, :k]
    np.testing.assert_allclose(np.abs(found.scores), np.abs(expected), atol=1e-4)
    assert principal_components(x, share=1.0).scores.shape == (120, 6)
    assert principal_components(x, share=1.0, most=3).scores.shape == (120, 3)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_components_of_few_sites(n: int) -> None:
    x = blobs(1, n)
    found = principal_components(x)
    assert found.scores.shape[0] == n and found.scores.shape[1] >= 2
    between = cdist(x, x)
    np.testing.assert_allclose(cdist(found.scores, found.scores), between, atol=1e-4)


def test_components_of_equal_sites_are_zero() -> None:
    found = principal_components(np.full((5, 4), 0.3, np.float32))
    assert not found.scores.any() and not found.explained.any()
    layout = lay_out(found, "tsne", 0)
    assert (layout.xy == 0).all() and layout.method == "pca"
    clustering = find_clusters(found.scores, None, 0)
    assert clustering.codes.tolist() == [0] * 5
    with pytest.raises(InputError, match=r"--clusters 2 .* different sites \(1\)"):
        find_clusters(found.scores, 2, 0)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_too_few_sites_for_tsne_are_laid_out_by_components(n: int) -> None:
    found = principal_components(blobs(1, n))
    layout = lay_out(found, "tsne", 0)
    assert layout.method == "pca" and layout.xy.shape == (n, 2)
    assert (layout.xy == found.scores[:, :2]).all()


@pytest.mark.parametrize(("n", "perplexity"), [(4, 1.0), (7, 2.0), (61, 20.0), (120, 30.0)])
def test_perplexity_is_cut_to_the_sites(n: int, perplexity: float) -> None:
    layout = lay_out(principal_components(blobs(1, n)), "tsne", 0)
    assert layout.method == "tsne" and layout.perplexity == perplexity
    assert np.isfinite(layout.xy).all() and len(np.unique(layout.xy, axis=0)) == n


def test_tsne_keeps_neighbours_and_is_the_same_again() -> None:
    found = principal_components(blobs(4, 40))
    one = lay_out(found, "tsne", 1)
    assert (lay_out(found, "tsne", 1).xy == one.xy).all()
    assert trustworthiness(found.scores, one.xy, n_neighbors=10) > 0.9
    kind = np.repeat(np.arange(4), 40)
    near = cdist(one.xy, one.xy).argsort(axis=1)[:, 1:6]
    assert (kind[near] == kind[:, None]).mean() > 0.99


def test_pca_is_the_first_two_components() -> None:
    found = principal_components(blobs(2, 20))
    layout = lay_out(found, "pca", 0)
    assert (layout.xy == found.scores[:, :2]).all()
    assert layout.perplexity == 0.0


def fake_module(
    monkeypatch: pytest.MonkeyPatch, name: str, made: dict[str, object], **content: object
) -> None:
    module = ModuleType(name)
    module.__spec__ = importlib.util.spec_from_loader(name, None)
    for key, value in content.items():
        setattr(module, key, value)
    monkeypatch.setitem(sys.modules, name, module)
    real = importlib.metadata.version
    monkeypatch.setattr(
        importlib.metadata,
        "version",
        lambda asked: "9.9" if asked in ("openTSNE", "umap-learn") else real(asked),
    )
    made.clear()


def test_open_tsne_is_taken_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[str, object] = {}

    class TSNE:
        def __init__(self, **options: object) -> None:
            made.update(options)

        def fit(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
            return scores[:, :2] + 1

    fake_module(monkeypatch, "openTSNE", made, TSNE=TSNE)
    found = principal_components(blobs(2, 20))
    layout = lay_out(found, "tsne", 7)
    assert layout.library == "openTSNE 9.9"
    assert (layout.xy == found.scores[:, :2] + 1).all()
    assert made["random_state"] == 7 and made["n_jobs"] == 1 and made["perplexity"] == 13.0
    start = made["initialization"]
    assert isinstance(start, np.ndarray)
    np.testing.assert_allclose(start[:, 0].std(), 1e-4)


def test_umap(monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[str, object] = {}

    def umap(**options: object) -> SimpleNamespace:
        made.update(options)
        return SimpleNamespace(fit_transform=lambda scores: scores[:, :2].astype(np.float32))

    found = principal_components(blobs(1, 10))
    fake_module(monkeypatch, "umap", made, UMAP=umap)
    layout = lay_out(found, "umap", 3)
    assert (layout.method, layout.library, layout.xy.shape) == ("umap", "umap-learn 9.9", (10, 2))
    assert made["n_neighbors"] == 9 and made["random_state"] == 3


def test_umap_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DependencyError, match="--method umap needs umap-learn: pip install"):
        check_method("umap")
    sample = SampleFiles(Path("x.fa"))
    with pytest.raises(InputError, match="'mds' is not one of tsne, umap, pca"):
        EmbedOptions(model="m", sample=sample, out=Path("out"), method="mds")


def test_clusters_are_found_and_the_largest_comes_first() -> None:
    x = np.concatenate([blobs(1, 30, seed=1), blobs(1, 90, seed=2) + 40, blobs(1, 60, seed=3) - 40])
    found = find_clusters(principal_components(x).scores, None, 0)
    assert found.k == 3
    assert found.codes.tolist() == [2] * 30 + [0] * 90 + [1] * 60
    assert (found.stability == 1).all()
    assert set(found.tried) == set(range(2, 10))  # 20 sites a cluster
    assert found.tried[3] == 1 and all(found.tried[k] < STABLE for k in range(4, 10))
    again = find_clusters(principal_components(x).scores, None, 0)
    assert (again.codes == found.codes).all() and again.tried == found.tried


def test_one_cloud_is_one_cluster() -> None:
    cloud = np.random.default_rng(0).normal(size=(400, 15)).astype(np.float32)
    found = find_clusters(principal_components(cloud).scores, None, 0)
    assert found.k == 1 and found.stability.tolist() == [1.0]
    assert max(found.tried.values()) < STABLE


def test_a_number_of_clusters_is_kept_to() -> None:
    scores = principal_components(blobs(3, 20)).scores
    found = find_clusters(scores, 5, 0)
    assert found.k == 5 and found.tried == {} and sorted(set(found.codes.tolist())) == [*range(5)]
    for code in range(5):
        np.testing.assert_allclose(found.centres[code], scores[found.codes == code].mean(axis=0))
    # k-means: each site is nearest to its own mean.
    assert (cdist(scores, found.centres).argmin(axis=1) == found.codes).all()
    assert find_clusters(scores, 1, 0).codes.tolist() == [0] * 60


def test_few_sites() -> None:
    scores = principal_components(blobs(3, 1)).scores
    assert find_clusters(scores, None, 0).k == 1
    found = find_clusters(scores, 3, 0)
    assert sorted(found.codes.tolist()) == [0, 1, 2] and found.stability.tolist() == [0, 0, 0]
    with pytest.raises(InputError, match=r"--clusters 4 .* \(3\); give a smaller number, or auto"):
        find_clusters(scores, 4, 0)


def test_best_jaccard_against_sets() -> None:
    rng = np.random.default_rng(4)
    one, other = rng.integers(0, 4, 50), rng.integers(0, 3, 50)
    sets = [{i for i in range(50) if one[i] == k} for k in range(4)]
    others = [{i for i in range(50) if other[i] == k} for k in range(3)]
    expected = [max(len(a & b) / len(a | b) for b in others) for a in sets]
    np.testing.assert_allclose(best_jaccard(one, other, 4), expected)
    assert best_jaccard(np.array([0, 0]), np.array([1, 1]), 2).tolist() == [1.0, 0.0]


def test_summaries_against_slow_loops() -> None:
    spec = tiny_spec()
    rng = np.random.default_rng(8)
    n = 60
    scores = rng.normal(size=(n, 3))
    codes = np.sort(rng.integers(0, 3, n))
    values = rng.random((n, 5)).astype(np.float32)
    values[:, 3] *= np.where(codes == 1, 1.0, 0.2)
    values[:, 4] = 0
    centres = np.array([scores[codes == k].mean(axis=0) for k in range(3)])
    found = summarise(
        spec, scores, values, Clustering(codes, centres, np.array([0.9, 0.8, 0.7]), {})
    )
    assert [one.name for one in found] == ["C1", "C2", "C3"]
    for k, one in enumerate(found):
        rows = [i for i in range(n) if codes[i] == k]
        assert one.sites == len(rows) and one.share == len(rows) / n
        assert one.stability == [0.9, 0.8, 0.7][k]
        states = [int(max(range(3), key=lambda s, i=i: values[i, s])) for i in rows]
        assert one.states.tolist() == [states.count(s) / len(rows) for s in range(3)]
        for output in range(5):
            mean = sum(float(values[i, output]) for i in rows) / len(rows)
            overall = sum(float(v) for v in values[:, output]) / n
            np.testing.assert_allclose(one.means[output], mean)
            if output == 4:
                assert np.isnan(one.folds[output])
            else:
                np.testing.assert_allclose(one.folds[output], mean / overall)
        assert one.enriched == ((3,) if k == 1 else ())
        # A medoid has the least sum of squared distances to the sites of its cluster.
        cost = {i: sum(((scores[i] - scores[j]) ** 2).sum() for j in rows) for i in rows}
        assert list(one.medoids) == sorted(rows, key=lambda i: cost[i])[:MEDOIDS]


def test_components_without_clusters_have_all_sites_in_one() -> None:
    found = PrincipalComponents(np.zeros((4, 2)), np.zeros(2))
    assert find_clusters(found.scores, None, 0).codes.tolist() == [0, 0, 0, 0]
