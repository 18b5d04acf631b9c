"""Aggregates around sites, normalised and compared, against loops over fragments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import tiny_spec
from toy_genome import ToyGenome, toy_genome

from chromputer_tracks.analysis.vplots.fragments import (
    bed_background,
    fragment_means,
    genome_background,
    input_means,
    locus_table,
    random_background,
    sites_table,
)
from chromputer_tracks.analysis.vplots.images import (
    VplotAxes,
    fold,
    genome_mean,
    log2_ratio,
)
from chromputer_tracks.analysis.vplots.sites import VplotSites, random_sites
from chromputer_tracks.data.labels import UNKNOWN, Mask
from chromputer_tracks.errors import InputError
from chromputer_tracks.intervals import Interval
from chromputer_tracks.io.fragment_store import FragmentStore

EDGES = (20, 100, 150, 400)
AXES = VplotAxes.around_site(200, 20, EDGES)
NOTHING = Mask({}, {})
CONTIGS = ("chr2", "chr1")
SITES = VplotSites(
    CONTIGS,
    np.array([0, 1, 1, 0, 1]),
    np.array([500, 90, 6100, 4000, 3000]),
    np.array([1, -1, 1, -1, 1]),
    ("a", "b"),
    np.array([0, 0, 1, 1, UNKNOWN]),
)


@pytest.fixture(scope="module")
def toy() -> ToyGenome:
    return toy_genome()


@pytest.fixture(scope="module")
def store(toy: ToyGenome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FragmentStore]:
    _, fragments = toy.write(tmp_path_factory.mktemp("toy"))
    with FragmentStore.build(fragments, toy.sizes) as opened:
        yield opened


def loop(toy: ToyGenome, rows: list[tuple[str, int, int]], axes: VplotAxes = AXES) -> np.ndarray:
    """Mean counts: one site and one fragment at a time; rows are contig, border, strand."""
    image = np.zeros(axes.shape)
    half = axes.bin * axes.bins // 2
    for chrom, centre, strand in rows:
        for start, end in zip(toy.starts[chrom], toy.ends[chrom], strict=True):
            offset = (start + end) // 2 - centre  # of the base, from the border left of 0
            if strand < 0:
                offset = -1 - offset
            if -half <= offset < half:
                for row in range(len(axes.edges) - 1):
                    if axes.edges[row] <= end - start < axes.edges[row + 1]:
                        image[row, (offset + half) // axes.bin] += 1
    return image / len(rows)


def rows_of(sites: VplotSites, code: int) -> list[tuple[str, int, int]]:
    return [
        (sites.contigs[sites.contig[i]], int(sites.centre[i]), int(sites.strand[i]))
        for i in np.flatnonzero(sites.code == code)
    ]


def drawn(store: FragmentStore, sites: VplotSites = SITES, **changes: Any):
    means = fragment_means(store, store.sizes, AXES)
    return sites_table(means, store, sites, AXES, "sites.bed", **changes)


def test_fragments_per_class_and_strand(toy: ToyGenome, store: FragmentStore) -> None:
    table = drawn(store)
    assert [(row.name, row.sites) for row in table.rows] == [("a", 2), ("b", 2)]
    for code, row in enumerate(table.rows):
        expected = loop(toy, rows_of(SITES, code))
        assert expected.sum() > 3
        (image,) = row.images
        np.testing.assert_allclose(image.values, expected, rtol=1e-12)
        np.testing.assert_allclose(image.profile, expected.sum(0) / 20)
        np.testing.assert_allclose(image.lengths, expected.sum(1) / [80, 50, 250])
    straight = replace(SITES, strand=np.ones(5, dtype=np.int64))
    assert (drawn(store, straight).rows[0].images[0].values != expected).any()


def test_depth_is_per_million_fragments(store: FragmentStore) -> None:
    raw = drawn(store).rows[1].images[0]
    per_million = drawn(store, normalise="depth").rows[1].images[0]
    np.testing.assert_allclose(per_million.values, raw.values * 1e6 / store.total)
    np.testing.assert_allclose(per_million.profile, raw.profile * 1e6 / store.total)


def test_lengths_are_over_the_genome_s_mean(store: FragmentStore) -> None:
    raw = drawn(store).rows[0].images[0].values
    found = drawn(store, normalise="lengths", prior=0.5).rows[0].images[0]
    expected = store.length_density(EDGES) / 1000 * 20  # in a bin of 20 bp
    for row in range(3):
        for column in range(10):
            over, under = 2 * raw[row, column] + 0.5, 2 * expected[row] + 0.5
            assert found.values[row, column] == pytest.approx(over / under)
    whole = (2 * raw[:, 3].sum() + 0.5) / (2 * expected.sum() + 0.5)
    assert found.profile[3] == pytest.approx(whole)
    of_length = (2 * raw[1].sum() + 0.5) / (2 * expected[1] * 10 + 0.5)
    assert found.lengths[1] == pytest.approx(of_length)


def test_ratios_by_hand() -> None:
    values, mean = np.array([[0.0, 3.0], [1.0, 0.0]]), np.array([[0.0, 1.0], [1.0, 1.0]])
    found = fold(values, 2, mean, prior=2)
    np.testing.assert_allclose(found.values, [[1, 2], [1, 0.5]])
    np.testing.assert_allclose(found.profile, [1, 8 / 6])
    np.testing.assert_allclose(found.lengths, [8 / 4, 4 / 6])
    np.testing.assert_allclose(log2_ratio(values, 2, mean, 2).values, [[0, 1], [0, -1]])
    with pytest.raises(InputError, match="above 0"):
        fold(values, 2, mean, 0)


def test_backgrounds(toy: ToyGenome, store: FragmentStore, tmp_path: Path) -> None:
    raw = [row.images[0].values for row in drawn(store).rows]
    means = fragment_means(store, store.sizes, AXES)
    table = drawn(store, background=genome_background(store, AXES))
    expected = log2_ratio(raw[1], 2, genome_mean(store, AXES))
    np.testing.assert_allclose(table.rows[1].images[1].values, expected.values)
    assert table.quantities[1].shown == "log2 ratio to the genome's mean"

    places = random_background(means, SITES, store.sizes, AXES, NOTHING, 3)
    table = drawn(store, background=places, compare="difference")
    places = random_sites(SITES, store.sizes, 200, NOTHING, 10_000, 3)
    base = means(places)[0]
    np.testing.assert_allclose(table.rows[0].images[1].values, raw[0] - base)
    np.testing.assert_allclose(table.rows[0].images[1].profile, (raw[0] - base).sum(0) / 20)
    assert table.quantities[1].signed

    other = tmp_path / "other.bed"
    other.write_text("chr1\t99\t101\tx\t0\t-\nchr2\t3000\t3002\tx\t0\t+\n")
    sites = bed_background(other, means, store.sizes, "summit", NOTHING)
    table = drawn(store, background=sites, compare="difference")
    base = loop(toy, [("chr1", 100, -1), ("chr2", 3001, 1)])
    np.testing.assert_allclose(table.rows[1].images[1].values, raw[1] - base)
    hidden = Mask.from_intervals([Interval("chr1", 0, 200), Interval("chr2", 3000, 3100)])
    with pytest.raises(InputError, match="all of its sites are excluded"):
        bed_background(other, means, store.sizes, "summit", hidden)


def test_what_a_model_reads(toy: ToyGenome) -> None:
    spec = tiny_spec()
    item = spec.inputs[1]
    features = toy.features(spec)
    axes = VplotAxes.around_site(spec.window, item.bin, item.length_edges)
    found = input_means(features, item, axes)(SITES)
    for code in range(2):
        total = np.zeros(axes.shape)
        for chrom, centre, strand in rows_of(SITES, code):
            image = features.arrays(Interval(chrom, centre - 150, centre + 150))["atac"]
            total += image[:, ::-1] if strand < 0 else image
        np.testing.assert_allclose(found[code], total / 2)
        # Its normalisation is the count times its reference over the toy's density, 1 and 1.
        np.testing.assert_allclose(found[code], loop(toy, rows_of(SITES, code), axes), rtol=1e-6)


def test_a_locus(toy: ToyGenome, store: FragmentStore) -> None:
    table = locus_table(store, Interval("chr1", 3000, 3200), 20, EDGES, "here")
    (row,) = table.rows
    np.testing.assert_array_equal(row.images[0].values, loop(toy, [("chr1", 3100, 1)]))
    middles, lengths = row.points
    assert len(middles) == row.images[0].values.sum() > 3
    assert ((middles >= 3000) & (middles < 3200) & (lengths >= 20) & (lengths < 400)).all()
    assert (table.axes.contig, table.axes.positions[1], row.sites) == ("chr1", 3020, 1)
    with pytest.raises(InputError, match=r"toy.fragments.tsv.gz: no fragment of 999 to 1000 bp"):
        locus_table(store, Interval("chr1", 3000, 3200), 20, (999, 1000), "here")


def test_no_fragments_in_any_window(store: FragmentStore) -> None:
    means = fragment_means(store, store.sizes, VplotAxes.around_site(200, 20, (900, 901)))
    with pytest.raises(InputError, match="in any of the 5 windows of 200 bp .* of sites.bed"):
        sites_table(means, store, SITES, AXES, "sites.bed")


@settings(max_examples=25)
@given(st.integers(-300, 300), st.integers(1, 12), st.sampled_from([-1, 1]))
def test_shifting_fragments_shifts_the_picture(shift: int, bins: int, strand: int) -> None:
    rng = np.random.default_rng(bins)
    starts = rng.integers(2000, 2400, 60)
    ends = starts + rng.integers(20, 400, 60)
    bases = {"c": np.full(6000, ord("A"), np.uint8)}
    sites = replace(
        SITES,
        contigs=("c",),
        contig=np.zeros(1, dtype=np.int64),
        centre=np.array([2250]),
        strand=np.array([strand]),
        classes=("all",),
        code=np.zeros(1, dtype=np.int64),
    )
    axes = VplotAxes.around_site(600, 10, EDGES)

    def image(by: int, centre: int) -> np.ndarray:
        moved = ToyGenome(bases, {"c": starts + by}, {"c": ends + by})
        means = fragment_means(moved, moved.sizes, axes)
        return means(replace(sites, centre=np.array([centre])))[0]

    still = image(0, 2250)
    np.testing.assert_array_equal(still, image(shift, 2250 + shift))
    # Fragments moved by whole bins move the picture by as many columns, the other way if turned.
    moved = image(10 * bins, 2250)
    if strand > 0:
        np.testing.assert_array_equal(moved[:, bins:], still[:, :-bins])
    else:
        np.testing.assert_array_equal(moved[:, :-bins], still[:, bins:])
