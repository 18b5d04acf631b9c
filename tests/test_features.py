"""Feature arrays: toy sources against loops, the real yeast files against their own text."""

import gzip
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_genome import toy_genome

from chromputer_tracks.data.features import (
    DEFAULT_BIN,
    DEFAULT_LENGTH_EDGES,
    Features,
    reverse_strand,
)
from chromputer_tracks.errors import ContigError, InputError
from chromputer_tracks.intervals import Interval
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.spec import InputSpec, Normalisation

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


def vplot_oracle(fragments, interval, bin_size, edges) -> np.ndarray:
    counts = np.zeros((len(edges) - 1, len(interval) // bin_size))
    for start, end in fragments:
        column = ((start + end) // 2 - interval.start) // bin_size
        for row in range(len(edges) - 1):
            if edges[row] <= end - start < edges[row + 1] and 0 <= column < counts.shape[1]:
                counts[row, column] += 1
    return counts


@given(st.sampled_from(["chr2", "chr1", "tiny"]), st.integers(-400, 6300), st.integers(1, 40))
def test_arrays_of_the_toy_genome(chrom, start, bins):
    interval = Interval(chrom, start, start + 10 * bins)
    arrays = toy_features(SEQUENCE, VPLOT).arrays(interval)
    bases = GENOME.bases[chrom].tobytes().decode()
    np.testing.assert_array_equal(arrays["dna"], sequence_oracle(bases, interval))
    fragments = list(zip(GENOME.starts[chrom], GENOME.ends[chrom], strict=True))
    counts = vplot_oracle(fragments, interval, 10, VPLOT.length_edges)
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
    counts = vplot_oracle(fragments, interval, 10, item.length_edges)
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
                counts = vplot_oracle(near, interval, DEFAULT_BIN, DEFAULT_LENGTH_EDGES)
                expected = counts * (25.0 / density)
                np.testing.assert_allclose(arrays["atac"], expected, rtol=1e-5)
                counted += counts.sum()
        assert counted > 1000
        with pytest.raises(ContigError, match="chr99"):
            features.arrays(Interval("chr99", 0, 2000))
