"""Baselines in one run: each place gets its own predictions, calibration comes from validation."""

import dataclasses

import numpy as np
import pytest
from scored_sites import heads, simulated

from chromputer_tracks.evaluation import baselines
from chromputer_tracks.evaluation.baselines import (
    Place,
    gene_proximity,
    majority,
    motif_odds,
    motif_scans,
    random_forest,
    run_baselines,
)
from chromputer_tracks.evaluation.calibration import calibrate
from chromputer_tracks.evaluation.scores import uncalibrated
from chromputer_tracks.evaluation.site_features import fragment_features, gene_features
from chromputer_tracks.evaluation.sites import pool_sites
from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.io.bed import TssTable


class Store:
    """Fragments at random on any contig."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        self.all = np.sort(rng.integers(0, 1_200_000, 40_000)).astype(np.int32)
        self.lengths = rng.integers(30, 600, 40_000).astype(np.int32)
        self.density = 40.0

    def midpoints(self, interval):
        inside = (self.all >= interval.start) & (self.all < interval.end)
        return self.all[inside], self.lengths[inside]


class Letters:
    """Random bases on any contig."""

    sizes = ChromSizes({"chr1": 1_300_000, "chr2": 1_300_000})

    def __init__(self):
        letters = np.frombuffer(b"ACGT", np.uint8)
        self.bases = np.random.default_rng(0).choice(letters, 1_300_000)

    def fetch(self, interval):
        out = np.full(len(interval), ord("N"), np.uint8)
        first = max(interval.start, 0)
        piece = self.bases[first : interval.end]
        out[first - interval.start : first - interval.start + len(piece)] = piece
        return out


@pytest.fixture(scope="module")
def found():
    """What the run gave, what it was given, and what it said."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(baselines._FOREST, "n_estimators", 10)
        rng = np.random.default_rng(0)
        position = np.sort(rng.integers(0, 1_200_000, 600))
        strand = rng.random(600) < 0.5
        genes = TssTable(("chr1", "chr2"), rng.integers(0, 2, 600), position, strand)
        place = {
            name: Place(simulated(n, seed), (Store(seed), Store(seed + 10)))
            for seed, (name, n) in enumerate(
                {"train": 900, "more": 600, "validation": 500, "here": 200, "there": 300}.items()
            )
        }
        matrices = {1: rng.normal(size=(4, 7)).astype(np.float32)}
        said = []
        results = run_baselines(
            [place["train"], place["more"]],
            [place["validation"]],
            [place["here"], place["there"]],
            heads(),
            200,
            Letters(),
            matrices,
            genes,
            seed=4,
            report=said.append,
        )
        yield {item.name: item for item in results}, place, genes, matrices, said


def expected(name, found, place):
    """Predictions at one place by calling the baseline itself."""
    _, places, genes, matrices, _ = found
    train = [places["train"], places["more"]]
    known = pool_sites([item.sites for item in train], ["0", "1"])

    def features(make):
        return np.concatenate([make(item) for item in train]), make(place)

    def fragments(item):
        return np.concatenate([fragment_features(item.sites, f) for f in item.fragments], axis=1)

    if name == "majority class":
        return majority(known, place.sites)
    if name == "gene proximity":
        seen, new = features(lambda item: gene_features(item.sites, genes))
        return gene_proximity(known, seen, place.sites, new, seed=4)
    if name == "random forest":
        seen, new = features(fragments)
        return random_forest(known, seen, place.sites, new, seed=4)
    seen, new = features(lambda item: motif_scans(item.sites, Letters(), matrices, 200).T)
    return motif_odds(known, seen.T, place.sites, new.T)


NAMES = ["majority class", "gene proximity", "random forest", "motif scan"]


@pytest.mark.parametrize("name", NAMES)
def test_each_place_has_its_predictions(found, name):
    results, places, *_ = found
    assert list(results) == NAMES
    assert len(results[name].sites) == 2
    for sites, place in zip(results[name].sites, ("here", "there"), strict=True):
        alone = expected(name, found, places[place])
        np.testing.assert_allclose(sites.logits, alone.logits, rtol=1e-6)
        np.testing.assert_array_equal(sites.binary, places[place].sites.binary)
        assert sites.contigs == places[place].sites.contigs
    # The places differ, so that a mix-up would be seen.
    assert results[name].sites[0].logits.shape != results[name].sites[1].logits.shape


@pytest.mark.parametrize("name", NAMES)
def test_calibration_is_that_of_the_validation_sites(found, name):
    results, places, *_ = found
    plain = uncalibrated(heads())
    if name != "majority class":
        predicted = expected(name, found, places["validation"])
        plain = calibrate(plain, predicted, (0.0, 0.0))
    for one, other in zip(results[name].heads, plain, strict=True):
        for label, same in zip(one.labels, other.labels, strict=True):
            assert dataclasses.astuple(label)[3:] == pytest.approx(dataclasses.astuple(same)[3:])
    assert results[name].heads[0] != heads()[0]


def test_what_is_learnt_is_said(found):
    assert found[-1] == [
        "gene proximity: learning from 1,494 sites and 600 genes",
        "random forest: learning from 1,494 sites",
        "motif scan: 1 motif",
    ]


def test_baselines_without_their_files_are_left_out():
    place = Place(simulated(300))
    results = run_baselines([place], [place], [place], heads(), 200, Letters(), {}, None)
    assert [item.name for item in results] == ["majority class"]
