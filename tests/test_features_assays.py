"""Arrays of several assays: which file each input reads, and the same bins in every tile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyBigWig
import pytest
from toy_genome import LENGTHS, ToyGenome, toy_genome

from chromputer_tracks.data.features import DEFAULT_LENGTH_EDGES, Assay, Features, reverse_strand
from chromputer_tracks.errors import InputError
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.assays import BigWigSource
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.spec import InputSpec, Normalisation

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
