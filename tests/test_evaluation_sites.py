"""Sites: blocks, selection, common bins, and files."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scored_sites import heads, simulated

from chromputer_tracks.errors import FormatError, InputError, OutputError
from chromputer_tracks.evaluation.sites import BLOCK, common, in_order, load_sites, save_sites


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
    with pytest.raises(InputError, match=r"100 sites from chr1:200-201 on.*have no bin in common"):
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


def test_files_that_cannot_be_used(tmp_path):
    with pytest.raises(InputError, match="cannot read .*none.npz: No such file"):
        load_sites(tmp_path / "none.npz")
    text = tmp_path / "text.npz"
    text.write_text("not an archive")
    with pytest.raises(FormatError, match="text.npz is not a file of sites"):
        load_sites(text)
    other = tmp_path / "other.npz"
    np.savez(other, x=np.zeros(3))
    with pytest.raises(FormatError, match="other.npz is not a file of sites"):
        load_sites(other)
    good = tmp_path / "good.npz"
    save_sites(good, simulated(1000), heads())
    cut = tmp_path / "cut.npz"
    cut.write_bytes(good.read_bytes()[:-200])
    with pytest.raises(FormatError, match="cut.npz is not a file of sites"):
        load_sites(cut)
    with pytest.raises(OutputError, match="does not exist"):
        save_sites(tmp_path / "no" / "sites.npz", simulated(10), heads())
