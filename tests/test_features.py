"""A network's input arrays, against loops and from the real files' text; what its logits say."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyBigWig
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_genome import LENGTHS, ToyGenome, toy_genome

from chromputer_tracks.data.features import (
    DEFAULT_BIN,
    DEFAULT_LENGTH_EDGES,
    Assay,
    Features,
    probabilities,
    reverse_strand,
    vplot,
)
from chromputer_tracks.errors import ContigError, InputError
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.assays import BigWigSource
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.spec import HeadSpec, InputSpec, Label, Normalisation

CLASSES = (20, 50, 51, 100, 180)


def oracle(fragments, interval, bin_size, edges):
    """One fragment at a time, one class at a time."""
    counts = np.zeros((len(edges) - 1, len(interval) // bin_size), dtype=np.float32)
    for start, end in fragments:
        midpoint = (start + end) // 2
        if not interval.start <= midpoint < interval.end:
            continue
        for row in range(len(edges) - 1):
            if edges[row] <= end - start < edges[row + 1]:
                counts[row, (midpoint - interval.start) // bin_size] += 1
    return counts


def image(fragments, interval, bin_size=DEFAULT_BIN, edges=CLASSES):
    midpoints = np.array([(start + end) // 2 for start, end in fragments], dtype=np.int32)
    lengths = np.array([end - start for start, end in fragments], dtype=np.int32)
    return vplot(midpoints, lengths, interval, bin_size, edges)


@st.composite
def cases(draw):
    bin_size = draw(st.sampled_from([1, 5, 10, 25]))
    start = draw(st.integers(-300, 300))
    interval = Interval("chr1", start, start + bin_size * draw(st.integers(1, 30)))
    fragments = draw(
        st.lists(
            st.tuples(st.integers(-50, 250), st.integers(interval.start - 60, interval.end + 60)),
            max_size=40,
        )
    )
    # Lengths from the edges' neighbourhood, from 0 on, placed by their start.
    rows = [(at, at + abs(length)) for length, at in fragments]
    edges = tuple(sorted(draw(st.sets(st.integers(1, 250), min_size=2, max_size=8))))
    return rows, interval, bin_size, edges


@given(cases())
def test_pixels_against_the_oracle(case):
    fragments, interval, bin_size, edges = case
    found = image(fragments, interval, bin_size, edges)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, oracle(fragments, interval, bin_size, edges))


@given(cases(), st.integers(-10_000, 10_000))
def test_shifting_fragments_and_interval_changes_nothing(case, shift):
    fragments, interval, bin_size, edges = case
    moved = [(start + shift, end + shift) for start, end in fragments]
    np.testing.assert_array_equal(
        image(fragments, interval, bin_size, edges),
        image(moved, interval.shift(shift), bin_size, edges),
    )


@given(cases(), st.integers(0, 12))
def test_shifting_fragments_by_bins_shifts_the_image(case, bins):
    fragments, interval, bin_size, edges = case
    moved = [(start + bins * bin_size, end + bins * bin_size) for start, end in fragments]
    before = image(fragments, interval, bin_size, edges)
    after = image(moved, interval, bin_size, edges)
    width = before.shape[1]
    kept = max(width - bins, 0)
    np.testing.assert_array_equal(after[:, width - kept :], before[:, :kept])


def test_every_edge_is_in_the_class_that_it_opens():
    # (length, row): below the first edge and at the last one there is no row.
    at = {19: None, 20: 0, 49: 0, 50: 1, 51: 2, 99: 2, 100: 3, 179: 3, 180: None}
    for length, row in at.items():
        found = vplot(np.array([15]), np.array([length]), Interval("c", 0, 30), 10, CLASSES)
        expected = np.zeros((4, 3))
        if row is not None:
            expected[row, 1] = 1
        assert found.tolist() == expected.tolist(), length


def test_midpoints_at_the_interval_s_ends():
    interval = Interval("c", 100, 130)
    found = vplot(np.array([99, 100, 129, 130]), np.full(4, 60), interval, 10, CLASSES)
    assert found[2].tolist() == [1, 0, 1]
    assert found.sum() == 2


def test_no_fragments_is_an_empty_image():
    none = np.empty(0, dtype=np.int32)
    found = vplot(none, none, Interval("c", -20, 30))
    assert found.shape == (len(DEFAULT_LENGTH_EDGES) - 1, 5)
    assert not found.any()


def test_default_classes_resolve_nucleosomes():
    edges = np.array(DEFAULT_LENGTH_EDGES)
    sub, mono, di = (int(np.searchsorted(edges, x, side="right")) for x in (60, 170, 340))
    assert len({sub, mono, di}) == 3
    assert (np.diff(edges) > 0).all()


# ---- Feature arrays: toy sources against loops, the real yeast files against their own text.

SEQUENCE = InputSpec("sequence", "dna")
VPLOT = InputSpec("vplot", "atac", 10, (20, 100, 250), Normalisation((25.0,)), "atac")
GENOME = toy_genome()
COMPLEMENT = str.maketrans("ACGTN", "TGCAN")


def toy_features(*inputs: InputSpec) -> Features:
    return Features(inputs, GENOME, {"atac": GENOME})


def test_an_interval_must_be_whole_bins():
    with pytest.raises(InputError, match=r"chr1:1-55 is 55 bp.*'atac'.*10 bp"):
        toy_features(VPLOT).arrays(Interval("chr1", 0, 55))


def sequence_oracle(bases: str, interval: Interval) -> np.ndarray:
    rows = np.zeros((4, len(interval)), dtype=np.float32)
    for column, position in enumerate(range(interval.start, interval.end)):
        letter = bases[position] if 0 <= position < len(bases) else "N"
        if letter in "ACGT":
            rows["ACGT".index(letter), column] = 1
    return rows


@given(st.sampled_from(["chr2", "chr1", "tiny"]), st.integers(-400, 6300), st.integers(1, 40))
def test_arrays_of_the_toy_genome(chrom, start, bins):
    interval = Interval(chrom, start, start + 10 * bins)
    arrays = toy_features(SEQUENCE, VPLOT).arrays(interval)
    bases = GENOME.bases[chrom].tobytes().decode()
    np.testing.assert_array_equal(arrays["dna"], sequence_oracle(bases, interval))
    fragments = list(zip(GENOME.starts[chrom], GENOME.ends[chrom], strict=True))
    counts = oracle(fragments, interval, 10, VPLOT.length_edges)
    np.testing.assert_allclose(arrays["atac"], np.log1p(counts * 25.0), rtol=1e-6)
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.float32)}


def test_reverse_strand():
    interval = Interval("chr1", 300, 500)
    features = toy_features(SEQUENCE, VPLOT)
    arrays = features.arrays(interval)
    reversed_arrays = reverse_strand(features.inputs, arrays)
    bases = GENOME.bases["chr1"][300:500].tobytes().decode()
    backwards = bases.translate(COMPLEMENT)[::-1]
    expected = sequence_oracle(backwards, Interval("c", 0, 200))
    np.testing.assert_array_equal(reversed_arrays["dna"], expected)
    for row in range(2):
        assert reversed_arrays["atac"][row].tolist() == arrays["atac"][row].tolist()[::-1]
    assert all(array.flags.c_contiguous for array in reversed_arrays.values())
    again = reverse_strand(features.inputs, reversed_arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(again[name], array)


@given(st.sampled_from(["chr2", "chr1", "tiny"]), st.integers(-600, 6400), st.integers(1, 12))
def test_normalisation_by_length_class_and_background(chrom, start, bins):
    """A count becomes asinh(count * reference / density / local), each as its text says."""
    how = Normalisation((5.0, 2.0), "asinh", background=700, prior=300)
    item = InputSpec("vplot", "atac", 10, (20, 100, 250), how, "atac")
    interval = Interval(chrom, start, start + 10 * bins)
    source = ByClass(GENOME)
    found = Features((item,), GENOME, {"atac": source}).arrays(interval)["atac"]
    fragments = list(zip(GENOME.starts[chrom], GENOME.ends[chrom], strict=True))
    counts = oracle(fragments, interval, 10, item.length_edges)
    expected = np.zeros_like(counts)
    size = len(GENOME.bases[chrom])
    for column in range(bins):
        centre = start + 10 * column + 5
        low, high = max(centre - 350, 0), min(centre + 350, size)
        local = 1.0
        if low < high:
            inside = sum(low <= (s + e) // 2 < high for s, e in fragments)
            local = (inside / 0.02 + 300) / (high - low + 300)
        for row, (reference, density) in enumerate(((5.0, 8.0), (2.0, 3.0))):
            expected[row, column] = np.arcsinh(counts[row, column] * reference / density / local)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


class ByClass:
    """The toy genome's fragments, as if 8 and 3 per kb in two classes and 20 in all."""

    density, per_bp = 20.0, 0.02

    def __init__(self, genome) -> None:
        self.midpoints, self.cumulative = genome.midpoints, genome.cumulative

    def length_density(self, edges):
        assert edges == (20, 100, 250)
        return np.array([8.0, 3.0])


@pytest.fixture(scope="module")
def yeast_text(shared_yeast: Path):
    """Bases and fragments by contig, read with nothing but gzip."""
    bases: dict[str, list[str]] = {}
    with gzip.open(shared_yeast / "sacCer3.fa.gz", "rt") as file:
        for line in file:
            if line.startswith(">"):
                name = line[1:].split()[0]
                bases[name] = []
            else:
                bases[name].append(line.strip().upper())
    fragments: dict[str, list[tuple[int, int]]] = {name: [] for name in bases}
    with gzip.open(shared_yeast / "atac_SRR1822137.fragments.tsv.gz", "rt") as file:
        for line in file:
            if not line.startswith("#"):
                chrom, start, end = re.split("\t", line, maxsplit=3)[:3]
                fragments[chrom].append((int(start), int(end)))
    return {name: "".join(rows) for name, rows in bases.items()}, fragments


def test_arrays_of_the_yeast_genome(shared_yeast: Path, yeast_text):
    bases, fragments = yeast_text
    fragment_file = shared_yeast / "atac_SRR1822137.fragments.tsv.gz"
    inputs = (
        SEQUENCE,
        InputSpec(
            "vplot",
            "atac",
            DEFAULT_BIN,
            DEFAULT_LENGTH_EDGES,
            Normalisation((25.0,), "none"),
            "atac",
        ),
    )
    rng = np.random.default_rng(8)
    with (
        Fasta(shared_yeast / "sacCer3.fa.gz") as fasta,
        FragmentStore.build(fragment_file, fasta.sizes) as store,
    ):
        # Fragments per kb: the smallest density that half of the bases do not exceed.
        rows = sorted(
            (len(fragments[c]) / len(bases[c]) * 1000, len(bases[c])) for c in bases if fragments[c]
        )
        total = sum(size for _, size in rows)
        density = min(d for d, _ in rows if sum(size for e, size in rows if e <= d) >= total / 2)
        assert store.density == pytest.approx(density, rel=1e-12)
        features = Features(inputs, fasta, {"atac": store})
        counted = 0.0
        for chrom, text in bases.items():
            size = len(text)
            starts = [-1000, -10, 0, size - 2000, size - 1000, size - 10]
            starts += rng.integers(0, size - 2000, 3).tolist()
            for start in starts:
                interval = Interval(chrom, start, start + 2000)
                arrays = features.arrays(interval)
                np.testing.assert_array_equal(arrays["dna"], sequence_oracle(text, interval))
                near = [f for f in fragments[chrom] if f[1] > start and f[0] < start + 2000]
                counts = oracle(near, interval, DEFAULT_BIN, DEFAULT_LENGTH_EDGES)
                expected = counts * (25.0 / density)
                np.testing.assert_allclose(arrays["atac"], expected, rtol=1e-5)
                counted += counts.sum()
        assert counted > 1000
        with pytest.raises(ContigError, match="chr99"):
            features.arrays(Interval("chr99", 0, 2000))


# ---- Arrays of several assays: which file each input reads, and the same bins in every tile.

EDGES = (20, 100, 250)
PLAIN = Normalisation((1.0,), "none")


def signal(name: str, assay: str, measure: str, how: Normalisation = PLAIN, smooth: int = 0):
    return InputSpec("signal", name, 10, (), how, assay, measure, smooth)  # type: ignore[arg-type]


def write_bigwig(path: Path, sizes: ChromSizes, seed: int) -> Path:
    """Values of every 7 bases; the last contig has none."""
    rng = np.random.default_rng(seed)
    names = sorted(sizes)
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader([(name, sizes[name]) for name in names])
        for name in names[:-1]:
            starts = np.arange(0, sizes[name] - 7, 7)
            values = rng.poisson(2, len(starts)).astype(float)
            file.addEntries(name, starts.tolist(), values=values.tolist(), span=7, step=7)
    return path


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ToyGenome, dict[str, Assay]]]:
    """A genome, fragments of two assays and a bigWig; ``edge`` has no coverage in any."""
    genome, other = toy_genome(), toy_genome(seed=6)
    folders = [tmp_path_factory.mktemp(name) for name in ("atac", "mnase", "h3")]
    for item in (genome, other):
        item.starts["edge"] = item.ends["edge"] = np.array([], dtype=np.int64)
    ordered = ChromSizes({n: LENGTHS[n] for n in ("chr1", "chr10", "chr2", "tiny")})
    path = write_bigwig(folders[2] / "h3.bw", ordered, 3)
    with (
        FragmentStore.build(genome.write(folders[0])[1], genome.sizes) as atac,
        FragmentStore.build(other.write(folders[1])[1], genome.sizes) as mnase,
        BigWigSource.open(path, genome.sizes) as h3,
    ):
        yield genome, {"atac": atac, "mnase": mnase, "h3": h3}


def test_each_input_reads_its_own_assay(toys):
    genome, assays = toys
    other = toy_genome(seed=6)
    inputs = (
        InputSpec("vplot", "a", 10, EDGES, PLAIN, "atac"),
        InputSpec("vplot", "m", 10, EDGES, PLAIN, "mnase"),
        signal("cuts", "mnase", "cuts"),
        signal("h3", "h3", "values"),
        InputSpec("sequence", "dna", bases=False, shape=("MGW",)),
    )
    interval = Interval("chr1", 2000, 2400)
    arrays = Features(inputs, genome, assays).arrays(interval)
    assert list(arrays) == ["a", "m", "cuts", "h3", "dna"]
    shapes = {name: array.shape for name, array in arrays.items()}
    assert shapes == {"a": (2, 40), "m": (2, 40), "cuts": (1, 40), "h3": (1, 40), "dna": (4, 400)}
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.float32)}
    for name, source, density in (("a", genome, "atac"), ("m", other, "mnase")):
        middle = (source.starts["chr1"] + source.ends["chr1"]) // 2
        length = source.ends["chr1"] - source.starts["chr1"]
        inside = (middle >= 2000) & (middle < 2400) & (length >= 20) & (length < 250)
        total = inside.sum() / assays[density].density
        assert arrays[name].sum() == pytest.approx(total, rel=1e-5)
    ends = np.concatenate([other.starts["chr1"], other.ends["chr1"] - 1])
    cuts = ((ends >= 2000) & (ends < 2400)).sum() / 10 / assays["mnase"].density
    assert arrays["cuts"].sum() == pytest.approx(cuts, rel=1e-5)
    with pyBigWig.open(str(assays["h3"].path)) as file:
        values = np.nan_to_num(file.values("chr1", 2000, 2400, numpy=True)).reshape(40, 10)
    expected = values.mean(axis=1) / assays["h3"].density
    np.testing.assert_allclose(arrays["h3"][0], expected, rtol=1e-5, atol=1e-6)


def test_a_missing_assay(toys):
    genome, assays = toys
    with pytest.raises(InputError, match="input 'cuts' reads the assay 'dnase': give its file"):
        Features((signal("cuts", "dnase", "cuts"),), genome, assays)
    only_dna = Features((InputSpec("sequence", "dna"),), genome, {})
    assert set(only_dna.arrays(Interval("chr1", 0, 50))) == {"dna"}


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (
            signal("s", "atac", "values"),
            "assay 'atac' holds fragments, but the model's input 's' reads a bigWig",
        ),
        (
            signal("s", "h3", "coverage"),
            "assay 'h3' holds a bigWig, but the model's input 's' reads fragments",
        ),
        (
            InputSpec("vplot", "s", 10, EDGES, PLAIN, "h3"),
            "assay 'h3' holds a bigWig, but the model's input 's' reads fragments",
        ),
    ],
)
def test_a_file_of_the_other_kind(toys, item, message):
    genome, assays = toys
    with pytest.raises(InputError, match=message):
        Features((item,), genome, assays)


LOCAL = Normalisation((2.0,), "log1p", background=1000, prior=200)
BY_CLASS = Normalisation((2.0, 3.0), "asinh", background=450, prior=100)
INPUTS = (
    InputSpec("vplot", "a", 10, EDGES, BY_CLASS, "atac"),
    signal("cuts", "atac", "cuts", LOCAL, smooth=150),
    signal("coverage", "mnase", "coverage", LOCAL, smooth=30),
    signal("midpoints", "mnase", "midpoints", Normalisation((1.0,), "sqrt", 10_000)),
    signal("h3", "h3", "values", LOCAL, smooth=50),
    InputSpec("sequence", "dna"),
)


@pytest.mark.parametrize("chrom", LENGTHS)
def test_without_coverage_and_beyond_the_ends_all_is_finite(toys, chrom):
    genome, assays = toys
    features = Features(INPUTS, genome, assays)
    size = LENGTHS[chrom]
    for start in (-3000, -500, 0, size - 200, size + 100):
        arrays = features.arrays(Interval(chrom, start, start + 1000))
        assert all(np.isfinite(array).all() for array in arrays.values())
        for item in INPUTS:
            array = arrays[item.name]
            assert (array >= 0).all()
            if chrom == "edge" and item.kind != "sequence":
                assert not array.any()
            # Beyond the ends nothing but what a smoothing box or a fragment reaches.
            bins = range(0, 1000 // item.bin)
            beyond = [k for k in bins if not -600 < start + k * item.bin < size + 600]
            assert not array[:, beyond].any()


def test_the_other_strand_of_every_kind(toys):
    genome, assays = toys
    features = Features(INPUTS, genome, assays)
    arrays = features.arrays(Interval("chr2", 1000, 1500))
    turned = reverse_strand(features.inputs, arrays)
    for item in INPUTS:
        expected = arrays[item.name][:, ::-1]
        if item.kind == "sequence":
            expected = expected[::-1]
        np.testing.assert_array_equal(turned[item.name], expected)
        assert turned[item.name].flags.c_contiguous


@pytest.fixture(scope="module")
def yeast(
    shared_yeast: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Fasta, dict[str, Assay]]]:
    """The genome, two samples of fragments (the second covers little) and a bigWig."""
    with Fasta(shared_yeast / "sacCer3.fa.gz") as fasta:
        sizes = fasta.sizes
        some = ChromSizes({name: sizes[name] for name in ("chrI", "chrIII", "chrM", "chrVI")})
        path = write_bigwig(tmp_path_factory.mktemp("yeast") / "h3.bw", some, 4)
        with (
            FragmentStore.build(shared_yeast / "atac_SRR1822137.fragments.tsv.gz", sizes) as atac,
            FragmentStore.build(
                shared_yeast / "mnase_henikoff2011.fragments.tsv.gz", sizes
            ) as mnase,
            BigWigSource.open(path, sizes) as h3,
        ):
            yield fasta, {"atac": atac, "mnase": mnase, "h3": h3}


YEAST_INPUTS = (
    InputSpec(
        "vplot",
        "a",
        10,
        DEFAULT_LENGTH_EDGES,
        Normalisation(tuple(0.5 + 0.1 * k for k in range(16)), "asinh", 10_000, 1000),
        "atac",
    ),
    InputSpec("vplot", "m", 10, EDGES, Normalisation((9.0,), "log1p", 2_345, 777), "mnase"),
    signal("cuts", "atac", "cuts", Normalisation((25.0,), "log1p", 10_000), smooth=150),
    signal("coverage", "atac", "coverage", Normalisation((25.0,), "asinh", 5_000), smooth=70),
    signal("midpoints", "mnase", "midpoints", Normalisation((25.0,), "sqrt", 20_000)),
    signal("h3", "h3", "values", Normalisation((1.0,), "log1p", 10_001), smooth=210),
    InputSpec("sequence", "dna", shape=("MGW", "Roll")),
)


@pytest.mark.parametrize("chrom", ["chrI", "chrVI", "chrXVI", "chrM"])
@pytest.mark.parametrize("where", ["start", "middle", "end"])
def test_a_tile_is_its_parts_side_by_side(yeast, chrom, where):
    """Bit for bit, in whatever tiles a stretch is read; at the ends, too."""
    fasta, assays = yeast
    features = Features(YEAST_INPUTS, fasta, assays)
    size = fasta.sizes[chrom]
    start = {"start": -1000, "middle": size // 2 + 3, "end": size - 9003}[where]
    whole = features.arrays(Interval(chrom, start, start + 10_000))
    cuts = [0, 10, 20, 1000, 1050, 3970, 8990, 9010, 10_000]
    parts = [
        features.arrays(Interval(chrom, start + first, start + last))
        for first, last in zip(cuts, cuts[1:], strict=False)
    ]
    for item in YEAST_INPUTS:
        array = whole[item.name]
        assert array.shape == (item.channels, 10_000 // item.bin)
        assert np.isfinite(array).all()
        joined = np.concatenate([part[item.name] for part in parts], axis=1)
        np.testing.assert_array_equal(array, joined)
        if item.name in ("a", "cuts", "coverage", "dna"):
            assert array.any()


def test_coverage_and_its_background_on_the_real_genome(yeast):
    """One bin counted from all fragments of its contig."""
    fasta, assays = yeast
    features = Features((YEAST_INPUTS[2],), fasta, assays)
    chrom, centre = "chrVI", 54_005
    found = features.arrays(Interval(chrom, 54_000, 54_010))["cuts"][0, 0]
    rows = assays["atac"].fetch(Interval(chrom, 0, fasta.sizes[chrom]))
    starts, ends = np.asarray(rows.starts, dtype=int), np.asarray(rows.ends, dtype=int)
    low, high = centre - 75, centre + 75
    cuts = sum(((p >= low) & (p < high)).sum() for p in (starts, ends - 1)) / 150
    middle = (starts + ends) // 2
    near = ((middle >= centre - 5000) & (middle < centre + 5000)).sum()
    per_kb = assays["atac"].density
    local = (near / (per_kb / 1000) + 1000) / (10_000 + 1000)
    assert cuts > 0
    assert found == pytest.approx(np.log1p(cuts * 25 / per_kb / local), rel=1e-5)


# ---- What becomes of logits, head by head, against float64 formulas.

RED = (255, 0, 0)
HEADS = (
    HeadSpec("continuous", "a", (Label("A", "", RED, 0.5, 1.0), Label("B", "", RED)), "log"),
    HeadSpec("states", "s", (Label("S", "", RED, 2.0), Label("T", "", RED, 2.0))),
    HeadSpec("continuous", "c", (Label("C", "", RED, 1.0, -0.5),), "log1p"),
    HeadSpec("binary", "b", (Label("D", "", RED, 3.0, 1.0),)),
)


def test_each_head_has_its_own_link():
    logits = np.random.default_rng(0).normal(0, 3, (4, 6, 9)).astype(np.float32)
    given = logits.copy()
    found = probabilities(logits, HEADS)
    np.testing.assert_array_equal(logits, given)
    assert found.dtype == np.float32
    z = logits.astype(np.float64)
    np.testing.assert_allclose(found[:, 0], np.exp(z[:, 0] * 0.5 + 1), rtol=1e-5)
    np.testing.assert_allclose(found[:, 1], np.exp(z[:, 1]), rtol=1e-5)
    weights = np.exp(2 * z[:, 2:4])
    np.testing.assert_allclose(found[:, 2:4], weights / weights.sum(1, keepdims=True), rtol=1e-4)
    np.testing.assert_allclose(found[:, 4], np.maximum(np.expm1(z[:, 4] - 0.5), 0), rtol=1e-4)
    assert (found[:, 4] == 0).any()
    np.testing.assert_allclose(found[:, 5], 1 / (1 + np.exp(-3 * z[:, 5] - 1)), rtol=1e-4)


@pytest.mark.parametrize("value", [1e4, -1e4])
def test_extreme_logits_have_their_limits(value):
    found = probabilities(np.full((6, 1), value, dtype=np.float32), HEADS)[:, 0]
    up = value > 0
    assert found.tolist() == [
        *([np.inf if up else 0.0] * 2),
        0.5,
        0.5,
        np.inf if up else 0.0,
        float(up),
    ]
