"""A sample's files: told apart by what they hold; a bigWig as a source of values."""

from __future__ import annotations

import shutil
import threading
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path

import numpy as np
import pyBigWig
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toy_genome import ToyGenome, toy_genome

from chromputer_tracks.data.features import local_ratio
from chromputer_tracks.errors import ContigError, FormatError, InputError, OutputError
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io import assays
from chromputer_tracks.io.assays import BigWigSource, is_bigwig, open_assay
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.io.fragments import FragmentOptions
from chromputer_tracks.spec import Normalisation

OPTIONS = FragmentOptions()


@pytest.fixture
def toy() -> ToyGenome:
    return toy_genome()


@pytest.fixture
def bigwig(tmp_path: Path, toy: ToyGenome) -> Path:
    path = tmp_path / "signal.bw"
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader(sorted(toy.sizes.items()))
        file.addEntries(["chr1"], [100], ends=[300], values=[2.5])
    return path


@pytest.fixture
def fragments(tmp_path: Path, toy: ToyGenome) -> Path:
    return toy.write(tmp_path)[1]


def test_the_content_counts_not_the_name(tmp_path, toy, bigwig, fragments):
    misnamed = tmp_path / "coverage.tsv"
    shutil.copy(bigwig, misnamed)
    shutil.copy(fragments, tmp_path / "fragments.bw")
    with ExitStack() as stack:
        source = open_assay(stack, misnamed, toy.sizes, OPTIONS)
        assert isinstance(source, BigWigSource)
        assert source.means(Interval("chr1", 90, 110), 10).tolist() == [0, 2.5]
        store = open_assay(stack, tmp_path / "fragments.bw", toy.sizes, OPTIONS)
        assert isinstance(store, FragmentStore)
        assert store.total == sum(map(len, toy.starts.values()))


def test_both_byte_orders_and_other_files(tmp_path, bigwig, fragments):
    assert is_bigwig(bigwig)
    assert not is_bigwig(fragments)
    for head, expected in ((b"\x88\x8f\xfc\x26", True), (b"\x88\x8f", False), (b"", False)):
        path = tmp_path / "head"
        path.write_bytes(head)
        assert is_bigwig(path) is expected
    with pytest.raises(InputError, match="cannot read .*none: No such file"):
        is_bigwig(tmp_path / "none")
    with pytest.raises(InputError, match="cannot read .*: Is a directory"):
        is_bigwig(tmp_path)


def test_options_and_progress_are_passed_on(toy, fragments):
    told: list[int] = []
    kept = sum(map(len, toy.starts.values())) - len(toy.starts["chr2"])
    with ExitStack() as stack:
        options = FragmentOptions(exclude=("chr2",))
        store = open_assay(stack, fragments, toy.sizes, options, told.append)
        assert store.total == kept
        assert not len(store.fetch(Interval("chr2", 0, 4000)).starts)
    assert told[-1] == kept


def test_scratch_files_are_where_they_should_be_until_the_end(tmp_path, toy, fragments):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with ExitStack() as stack:
        store = open_assay(stack, fragments, toy.sizes, OPTIONS, None, scratch)
        numbers = [item for item in Path("/proc/self/fd").iterdir() if item.is_symlink()]
        assert any(str(item.readlink()).startswith(f"{scratch}/") for item in numbers)
        assert list(scratch.iterdir()) == []  # without a name, nothing of them can stay
        middle = np.sort((toy.starts["chr1"] + toy.ends["chr1"]) // 2)
        found = store.midpoints(Interval("chr1", 0, 6150)).midpoints
        assert found.tolist() == middle.tolist()
    assert list(scratch.iterdir()) == []


# ---- BigWigSource against one value a base, on files that pyBigWig wrote.

SIZES = ChromSizes({"chrA": 1_234, "chrB": 700, "chrC": 100}, "g.fa")


def write(path: Path, sizes, rows) -> Path:
    """Rows of contig, start, end, value, sorted; contigs in the header in the order of sizes."""
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader(list(sizes.items()))
        for chrom, group in groupby(rows, key=lambda row: row[0]):
            part = list(group)
            file.addEntries(
                [chrom] * len(part),
                [row[1] for row in part],
                ends=[row[2] for row in part],
                values=[float(row[3]) for row in part],
            )
    return path


def by_base(rows, sizes=SIZES):
    values = {chrom: np.zeros(size) for chrom, size in sizes.items()}
    for chrom, start, end, value in rows:
        values[chrom][start:end] = np.float32(value)
    return values


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(8)
    rows = []
    for chrom, size in (("chrA", 1_234), ("chrB", 700)):
        cuts = np.unique([*rng.integers(0, size, 60), 0, size]).tolist()
        # A third of the stretches has no value, not the first and the last.
        rows += [
            (chrom, start, end, rng.choice([1, 2.5, 0.1]))
            for start, end in zip(cuts, cuts[1:], strict=False)
            if rng.random() > 1 / 3 or start == 0 or end == size
        ]
    return rows


@pytest.fixture(scope="module")
def source(tmp_path_factory, rows):
    path = write(tmp_path_factory.mktemp("bw") / "a.bw", SIZES, rows)
    with BigWigSource.open(path, SIZES) as source:
        yield source


@st.composite
def places(draw):
    chrom = draw(st.sampled_from(["chrA", "chrB", "chrC"]))
    bin_size = draw(st.sampled_from([1, 7, 10, 50]))
    start = draw(st.integers(-600, 1_500))
    return Interval(chrom, start, start + bin_size * draw(st.integers(1, 60))), bin_size


@given(places())
def test_means_against_one_value_a_base(source, rows, place):
    interval, bin_size = place
    base = by_base(rows)[interval.chrom]
    padded = np.concatenate([np.zeros(5_000), base, np.zeros(5_000)])
    expected = [
        padded[5_000 + at : 5_000 + at + bin_size].sum() / bin_size
        for at in range(interval.start, interval.end, bin_size)
    ]
    np.testing.assert_allclose(source.means(interval, bin_size), expected, rtol=1e-9, atol=1e-12)


@given(st.sampled_from(["chrA", "chrB", "chrC"]), st.lists(st.integers(-2_000, 3_000)))
def test_cumulative_against_one_value_a_base(source, rows, chrom, positions):
    found = source.cumulative(chrom, np.array(positions, dtype=np.int64))
    assert found.dtype == np.float64
    sums = np.concatenate([[0], np.cumsum(by_base(rows)[chrom])])
    knots = [*range(0, SIZES[chrom], 100), SIZES[chrom]]
    np.testing.assert_allclose(found, np.interp(positions, knots, sums[knots]), rtol=1e-9)
    # The same whatever else is asked for.
    alone = [source.cumulative(chrom, np.array([at]))[0] for at in positions]
    assert found.tolist() == alone


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.floats(0, 1e6, width=32), min_size=1, max_size=25), st.integers(1, 3))
def test_sums_over_many_chunks(tmp_path_factory, monkeypatch, values, hundreds):
    monkeypatch.setattr(assays, "_CHUNK", 100 * hundreds)
    rows = [("chrA", 49 * i, 49 * i + 30, value) for i, value in enumerate(values)]
    rows.append(("chrB", 0, 700, 1.0))
    path = write(tmp_path_factory.mktemp("bw") / "a.bw", SIZES, rows)
    with BigWigSource.open(path, SIZES) as source:
        total = sum(float(np.float32(value)) * 30 for value in values)
        found = source.cumulative("chrA", np.array([0, 1_234, 9_999]))
        np.testing.assert_allclose(found, [0, total, total], rtol=1e-9)
        assert source.cumulative("chrB", np.array([50, 700])).tolist() == [50, 700]


def test_density_is_the_weighted_median(tmp_path):
    sizes = ChromSizes({"a": 4_000, "b": 5_000, "m": 1_000, "none": 50_000, "left_out": 70_000})
    rows = [("a", 0, 2_000, 1), ("b", 0, 5_000, 4), ("m", 0, 1_000, 900), ("none", 0, 9, 0)]
    listed = {name: size for name, size in sizes.items() if name != "left_out"}
    with BigWigSource.open(write(tmp_path / "a.bw", listed, rows), sizes) as source:
        assert source.density == source.per_bp == 4.0
        assert source.absent == ("left_out",)
        assert source.means(Interval("left_out", 0, 20), 10).tolist() == [0, 0]
        assert source.cumulative("left_out", np.array([5])).tolist() == [0]
        assert source.means(Interval("none", -10, 20), 10).tolist() == [0, 0, 0]
        with pytest.raises(ContigError, match=r"a\.bw: contig 'zz' is not in"):
            source.means(Interval("zz", 0, 20), 10)
        with pytest.raises(ContigError, match="'zz'"):
            source.cumulative("zz", np.array([5]))


def test_local_ratio_of_a_bigwig(tmp_path):
    # 3 on half of 1,000 bp, elsewhere 1: a mean of 2.
    sizes = ChromSizes({"a": 1_000})
    path = write(tmp_path / "a.bw", sizes, [("a", 0, 500, 3), ("a", 500, 1_000, 1)])
    how = Normalisation((1.0,), background=200, prior=100)
    with BigWigSource.open(path, sizes) as source:
        assert source.density == 2.0
        for start, expected in (
            (200, (600 / 2 + 100) / 300),
            (495, (400 / 2 + 100) / 300),
            (-5, (300 / 2 + 100) / 200),
        ):
            found = local_ratio(source, 1_000, Interval("a", start, start + 10), 10, how)
            assert found.tolist() == pytest.approx([expected])


def test_contigs_must_be_those_of_the_genome(tmp_path):
    rows = [("chrA", 0, 9, 1)]
    path = write(tmp_path / "a.bw", {"chrA": 1_233, "chrB": 700}, rows)
    with pytest.raises(ContigError, match=r"a\.bw: chrA is 1,233 bp, but 1,234 bp in g\.fa"):
        BigWigSource.open(path, SIZES)
    path = write(tmp_path / "b.bw", {"A": 1_234}, [("A", 0, 9, 1)])
    with pytest.raises(ContigError, match=r"b\.bw: 'A' not in g\.fa"):
        BigWigSource.open(path, SIZES)
    # A contig without values does no harm.
    path = write(tmp_path / "c.bw", {"chrA": 1_234, "other": 5}, rows)
    with BigWigSource.open(path, SIZES) as source:
        assert source.absent == ("chrB", "chrC")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -0.5])
def test_bad_values_are_named(tmp_path, value):
    rows = [("chrA", 0, 9, 1), ("chrB", 120, 150, value), ("chrB", 160, 260, 1e3)]
    path = write(tmp_path / "a.bw", SIZES, rows)
    with pytest.raises(FormatError, match=rf"a\.bw: chrB:121-150 has the value {value:g};"):
        BigWigSource.open(path, SIZES)


def test_all_zero(tmp_path):
    path = write(tmp_path / "a.bw", SIZES, [("chrA", 0, 9, 0)])
    with pytest.raises(InputError, match=r"a\.bw holds no value above 0"):
        BigWigSource.open(path, SIZES)


def test_no_bigwig(tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*none\.bw: No such file"):
        BigWigSource.open(tmp_path / "none.bw", SIZES)
    with pytest.raises(InputError, match="cannot read .*: Is a directory"):
        BigWigSource.open(tmp_path, SIZES)
    path = tmp_path / "a.bw"
    path.write_bytes(b"")
    with pytest.raises(FormatError, match=r"a\.bw is not a bigWig: it is empty"):
        BigWigSource.open(path, SIZES)
    path.write_text("chrA\t1\t20\n")
    with pytest.raises(FormatError, match=r"not a bigWig: it starts with b'chrA'"):
        BigWigSource.open(path, SIZES)


def test_truncated_at_every_place_that_is_read(tmp_path, rows):
    whole = write(tmp_path / "a.bw", SIZES, rows).read_bytes()
    index = int.from_bytes(whole[24:32], "little")
    for cut in (4, 10, 63, 64, 100, 200, index // 2, index - 1, index, index + 20, index + 60):
        path = tmp_path / f"cut{cut}.bw"
        path.write_bytes(whole[:cut])
        with pytest.raises(FormatError, match=rf"cut{cut}\.bw is truncated or damaged: .*again"):
            BigWigSource.open(path, SIZES)


def test_damaged_block(tmp_path, rows, capfd):
    path = write(tmp_path / "a.bw", SIZES, rows)
    raw = bytearray(path.read_bytes())
    data = int.from_bytes(raw[16:24], "little")
    raw[data + 40 : data + 80] = bytes(40)
    path.write_bytes(raw)
    with pytest.raises(FormatError, match=r"a\.bw is truncated or damaged: cannot read chrA:1-1,"):
        BigWigSource.open(path, SIZES)
    capfd.readouterr()  # what the reader prints


@pytest.mark.parametrize("name", ["a.bigWig", "a.BW", "dataset_1.dat", "a"])
def test_any_name(tmp_path, rows, source, name):
    path = write(tmp_path / name, SIZES, rows)
    interval = Interval("chrA", 0, 1_230)
    with BigWigSource.open(path, SIZES) as other:
        assert other.means(interval, 10).tolist() == source.means(interval, 10).tolist()


def test_scratch(tmp_path, rows):
    path = write(tmp_path / "a.bw", SIZES, rows)
    with pytest.raises(
        OutputError, match=r"scratch folder .*gone: No such file.* --scratch or TMPDIR"
    ):
        BigWigSource.open(path, SIZES, scratch=tmp_path / "gone")
    with BigWigSource.open(path, SIZES, scratch=tmp_path):
        pass
    assert [file.name for file in tmp_path.iterdir()] == ["a.bw"]


def test_two_threads(source):
    interval, positions = Interval("chrA", -50, 1_350), np.arange(-50, 1_300)
    expected = source.means(interval, 10).tolist(), source.cumulative("chrB", positions).tolist()
    wrong = []

    def read():
        for _ in range(100):
            found = source.means(interval, 10).tolist()
            sums = source.cumulative("chrB", positions).tolist()
            if (found, sums) != expected:
                wrong.append(found)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("fork", [False, True])
def test_the_file_is_opened_anew(tmp_path, rows, monkeypatch, fork):
    """After much reading, and in a forked process, which would share the place in the file."""
    path, interval = write(tmp_path / "a.dat", SIZES, rows), Interval("chrA", 0, 1_230)
    opened = []
    real = assays.pybigtools.open
    monkeypatch.setattr(assays.pybigtools, "open", lambda path: opened.append(path) or real(path))
    with BigWigSource.open(path, SIZES) as source:
        expected = source.means(interval, 10).tolist()
        assert source.means(interval, 10).tolist() == expected
        assert len(opened) == 1
        if fork:
            monkeypatch.setattr(assays.os, "getpid", lambda: -1)
        else:
            monkeypatch.setattr(assays, "_READ_BEFORE_NEW_FILE", 2_000)
        assert source.means(interval, 10).tolist() == expected
        assert len(opened) == 2
        assert source.means(interval, 10).tolist() == expected
        assert len(opened) == 2
