"""Sites: blocks, selection, common bins, files; predictions at the label bins of contigs."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scored_sites import heads, load_sites, simulated
from toy_genome import toy_genome

from chromputer_tracks.data.features import Features
from chromputer_tracks.data.labels import (
    UNKNOWN,
    LabelSet,
    Mask,
    PeakLabels,
    SignalLabels,
    StateLabels,
)
from chromputer_tracks.errors import ConfigError, InputError, OutputError
from chromputer_tracks.evaluation.sites import (
    BLOCK,
    common,
    in_order,
    label_sites,
    pool_sites,
    predict_sites,
    save_sites,
)
from chromputer_tracks.intervals import Grid
from chromputer_tracks.spec import InputSpec, Normalisation


def same(one, other):
    for field in dataclasses.fields(one):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5 * BLOCK)), min_size=1, max_size=30))
def test_blocks_are_stretches_of_a_contig(places):
    n = len(places)
    sites = dataclasses.replace(
        simulated(n),
        contigs=("a", "b", "c"),
        contig=np.array([contig for contig, _ in places]),
        centre=np.array([centre for _, centre in places]),
    )
    blocks = sites.blocks
    assert set(blocks.tolist()) == set(range(blocks.max() + 1))
    for i in range(n):
        for j in range(n):
            together = places[i][0] == places[j][0]
            together &= places[i][1] // BLOCK == places[j][1] // BLOCK
            assert (blocks[i] == blocks[j]) == together


def test_select_and_on_keep_columns_together():
    sites = simulated(100)
    keep = np.array([3, 70, 71])
    found = sites.select(keep)
    assert len(found) == 3
    for name in ("contig", "centre", "states"):
        np.testing.assert_array_equal(getattr(found, name), getattr(sites, name)[keep])
    for name in ("logits", "binary", "continuous"):
        np.testing.assert_array_equal(getattr(found, name), getattr(sites, name)[:, keep])
    same(sites.on(["chr2", "chrM"]), sites.select(np.arange(50, 100)))
    same(sites.on(["chr2", "chr1"]), sites)
    assert len(sites.on(["chr3"])) == 0


def test_heads_come_in_the_order_of_the_rows():
    states, binary, continuous = heads()
    assert in_order((continuous, binary, states)) == (states, binary, continuous)


def test_common_bins_of_two_models():
    sites = simulated(100)
    first = sites.select(np.arange(0, 80))
    renamed = dataclasses.replace(sites, contigs=("chr2", "chr1"), contig=1 - sites.contig)
    second = renamed.select(np.random.default_rng(0).permutation(np.arange(40, 100)))
    one, other = common(first, second)
    same(one, sites.select(np.arange(40, 80)))
    np.testing.assert_array_equal(other.centre, one.centre)
    np.testing.assert_array_equal(other.logits, one.logits)
    assert [other.contigs[i] for i in other.contig] == [one.contigs[i] for i in one.contig]


def test_nothing_in_common_is_an_error():
    sites = simulated(100)
    moved = dataclasses.replace(sites, centre=sites.centre + 50)
    with pytest.raises(InputError, match=r"100 sites from chr1:201 on.*have no bin in common"):
        common(sites, moved)


@pytest.mark.parametrize("name", ["states", "binary", "continuous"])
def test_a_label_that_differs_is_an_error(name):
    sites = simulated(100)
    values = getattr(sites, name).copy()
    values[..., 1] = 7
    with pytest.raises(InputError, match=f"{name} labels differ"):
        common(sites, dataclasses.replace(sites, **{name: values}))


def test_a_file_of_sites_is_read_back(tmp_path):
    sites = simulated(100)
    sites.logits[2, 4] = np.nan
    path = tmp_path / "sites.npz"
    save_sites(path, sites, heads())
    found, found_heads = load_sites(path)
    same(found, sites)
    for field in dataclasses.fields(sites):
        one, other = getattr(found, field.name), getattr(sites, field.name)
        assert getattr(one, "dtype", None) == getattr(other, "dtype", None)
    assert found_heads == heads()
    assert [item.name for item in tmp_path.iterdir()] == ["sites.npz"]


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(OutputError, match="does not exist"):
        save_sites(tmp_path / "no" / "sites.npz", simulated(10), heads())


# ---- Predictions and labels at the label bins of contigs: against counts of bases, and pooled.


GENOME = toy_genome({"a": 41_050, "b": 950, "short": 130})
GRID = Grid(300, 50)
INPUTS = (
    InputSpec("sequence", "dna"),
    InputSpec("vplot", "reads", 10, (0, 1000), Normalisation((1.0,), "none"), "atac"),
)
FEATURES = Features(INPUTS, GENOME, {"atac": GENOME})


class Position:
    """A signal that is its position."""

    def means(self, interval, bin_size):
        return np.arange(interval.start, interval.end, bin_size) + (bin_size - 1) / 2


LABELS = LabelSet(
    StateLabels.from_segments([("a", 0, 20_000, 1), ("b", 400, 800, 0)]),
    (PeakLabels.from_peaks([("a", 5_000), ("b", 399)], 200, 0), None),
    Mask({}, {}),
    None,
    (SignalLabels(Position(), 20),),
)


def count(arrays):
    """A sliding network with a known answer: bases A, C, G, T and fragments of the window."""
    assert {name: array.shape[:2] for name, array in arrays.items()} == {
        "dna": (1, 4),
        "reads": (1, 1),
    }
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.float32)}
    length = arrays["dna"].shape[2]
    rows = [arrays["dna"][0], np.repeat(arrays["reads"][0] / 10, 10, axis=1)]
    table = np.concatenate(rows)
    windows = [table[:, at : at + 300].sum(axis=1) for at in range(0, length - 300 + 1, 50)]
    return np.stack(windows, axis=1).round().astype(np.float32)


def centres(*contigs):
    """Contig and centre of every whole bin of 200 bp."""
    return [(c, 100 + 200 * k) for c in contigs for k in range(GENOME.sizes[c] // 200)]


def test_predicted_sites_belong_to_their_bins():
    found = predict_sites(
        count, FEATURES, LABELS, GENOME.sizes, ["b", "short", "a"], GRID, 200, states=1
    )
    places = centres("b", "a")
    assert found.contigs == ("b", "a")
    assert [found.contigs[code] for code in found.contig] == [chrom for chrom, _ in places]
    assert found.centre.tolist() == [centre for _, centre in places]
    assert found.logits.shape == (5, 209)
    assert (found.number_of_states, found.logits.dtype) == (1, np.float32)
    for index, (chrom, centre) in enumerate(places):
        first, last = centre - 150, centre + 150
        bases = GENOME.bases[chrom][max(first, 0) : last].tobytes()
        middles = (GENOME.starts[chrom] + GENOME.ends[chrom]) // 2
        expected = [bases.count(letter) for letter in (b"A", b"C", b"G", b"T")]
        expected.append(int(((middles >= first) & (middles < last)).sum()))
        assert found.logits[:, index].tolist() == expected
        if chrom == "a":
            assert found.states[index] == (1 if centre < 20_000 else UNKNOWN)
        else:
            assert found.states[index] == (0 if centre in (500, 700) else UNKNOWN)
        assert found.binary[0, index] == ((chrom, centre) in {("a", 5100), ("b", 300)})
        assert found.binary[1, index] == UNKNOWN
        assert found.continuous[0, index] == pytest.approx(centre - 0.5)


def test_label_sites_are_those_of_predict_sites_with_nothing_predicted():
    args = (LABELS, GENOME.sizes, ["b", "a"], GRID, 200, 3)
    labels, predicted = label_sites(*args), predict_sites(count, FEATURES, *args)
    assert labels.contigs == predicted.contigs
    for name in ("contig", "centre", "states", "binary", "continuous"):
        np.testing.assert_array_equal(getattr(labels, name), getattr(predicted, name))
    # A row an output: 3 states, 2 binary labels, 1 continuous.
    assert labels.logits.shape == (6, 209)
    assert np.isnan(labels.logits).all()


def test_contigs_without_a_whole_bin_are_an_error():
    with pytest.raises(ConfigError, match="hold no whole bin of 200 bp"):
        predict_sites(count, FEATURES, LABELS, GENOME.sizes, ["short"], GRID, 200, 3)
    with pytest.raises(ConfigError, match="no contig of short holds a whole bin of 200 bp"):
        label_sites(LABELS, GENOME.sizes, ["short"], GRID, 200, 3)


def test_stretches_of_a_contig_are_pooled_by_its_name():
    whole = simulated(40)
    parts = [whole.select(np.arange(first, first + 10)) for first in (0, 10, 20, 30)]
    found = pool_sites(parts)
    assert found.contigs == ("chr1", "chr2")
    for name in ("contig", "centre", "logits", "states", "binary", "continuous"):
        np.testing.assert_array_equal(getattr(found, name), getattr(whole, name))


def test_samples_keep_their_contigs_apart():
    one, other = simulated(40, seed=1), simulated(20, seed=2)
    found = pool_sites([one, other], ["A", "K 562"])
    assert found.contigs == ("chr1 (A)", "chr2 (A)", "chr1 (K 562)", "chr2 (K 562)")
    assert found.contig.tolist() == [0] * 20 + [1] * 20 + [2] * 10 + [3] * 10
    np.testing.assert_array_equal(found.logits[:, 40:], other.logits)
    np.testing.assert_array_equal(found.on(["chr2 (A)"]).states, one.states[20:])
    # Blocks of the bootstrap, too.
    assert len(np.unique(found.blocks)) == sum(len(np.unique(part.blocks)) for part in (one, other))


def test_contigs_in_another_order_keep_their_sites():
    one = simulated(40)
    swapped = one.select(np.arange(39, -1, -1))
    found = pool_sites([one.on(["chr2"]), swapped])
    assert [found.contigs[code] for code in found.contig[20:]] == ["chr2"] * 20 + ["chr1"] * 20
