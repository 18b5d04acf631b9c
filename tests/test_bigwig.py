"""bigWig files read back with pybigtools and pyBigWig against one value a base."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pybigtools
import pyBigWig
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from limits import file_size_limit
from numpy.typing import NDArray

from chromputer_tracks.errors import ContigError, FormatError, OutputError
from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.io import bbi
from chromputer_tracks.io.bigwig import SECTION, BigWigWriter

Values = NDArray[np.float32]
Piece = tuple[str, int, int, Values]
"""Contig, start, end and one value a bin."""


def write(path: Path, sizes: ChromSizes, step: int, pieces: list[Piece]) -> None:
    with BigWigWriter(path, sizes, step) as writer:
        for piece in pieces:
            writer.add(*piece)


def dense(sizes: ChromSizes, step: int, pieces: list[Piece]) -> dict[str, Values]:
    """One value a base, NaN where there is none."""
    out = {chrom: np.full(size, np.nan, np.float32) for chrom, size in sizes.items()}
    for chrom, start, end, values in pieces:
        out[chrom][start:end] = np.repeat(values, step)[: end - start]
    return out


def read_pybigtools(path: Path, sizes: ChromSizes) -> dict[str, Values]:
    out = {chrom: np.full(size, np.nan, np.float32) for chrom, size in sizes.items()}
    with pybigtools.open(str(path)) as file:
        assert file.chroms() == dict(sizes)
        for chrom, values in out.items():
            for start, end, value in file.records(chrom):
                # Exactly once.
                assert np.isnan(values[start:end]).all()
                assert end <= len(values)
                values[start:end] = value
    return out


def read_pybigwig(path: Path, sizes: ChromSizes) -> dict[str, Values]:
    with pyBigWig.open(str(path)) as file:
        assert file.chroms() == dict(sizes)
        return {chrom: file.values(chrom, 0, size, numpy=True) for chrom, size in sizes.items()}


def assert_same(one: dict[str, Values], two: dict[str, Values]) -> None:
    assert one.keys() == two.keys()
    for chrom in one:
        np.testing.assert_array_equal(one[chrom], two[chrom])


def random_values(count: int, seed: int = 0) -> Values:
    return np.random.default_rng(seed).random(count).astype(np.float32)


@st.composite
def layouts(draw: st.DrawFn) -> tuple[ChromSizes, int, list[Piece]]:
    step = draw(st.sampled_from([1, 3, 50]))
    names = draw(st.lists(st.sampled_from(["chr10", "chr2", "chrM", "a"]), min_size=1, unique=True))
    sizes = ChromSizes({name: draw(st.integers(1, 120 * step)) for name in names})
    pieces: list[Piece] = []
    for chrom in sorted(sizes):
        size = sizes[chrom]
        marks = draw(st.lists(st.integers(0, size), max_size=8).map(lambda x: sorted(set(x))))
        for start, end in zip(marks[::2], marks[1::2], strict=False):
            start -= start % step
            if not pieces or pieces[-1][0] != chrom or start >= pieces[-1][2]:
                count = -(-(end - start) // step)
                pieces.append((chrom, start, end, random_values(count, end)))
    if not pieces:
        pieces = [(min(sizes), 0, 1, random_values(1))]
    return sizes, step, pieces


@given(layouts(), st.data())
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_values_come_back_and_cutting_changes_no_byte(
    tmp_path: Path, layout: tuple[ChromSizes, int, list[Piece]], data: st.DataObject
) -> None:
    sizes, step, pieces = layout
    path, other = tmp_path / "x.bw", tmp_path / "y.bw"
    write(path, sizes, step, pieces)
    wanted = dense(sizes, step, pieces)
    assert_same(read_pybigtools(path, sizes), wanted)
    assert_same(read_pybigwig(path, sizes), wanted)
    cut: list[Piece] = []
    for chrom, start, end, values in pieces:
        cuts = data.draw(st.lists(st.integers(0, len(values)), max_size=4))
        bounds = sorted({0, len(values), *cuts})
        for first, last in zip(bounds, bounds[1:], strict=False):
            stop = min(start + last * step, end)
            cut.append((chrom, start + first * step, stop, values[first:last]))
    write(other, sizes, step, cut)
    assert path.read_bytes() == other.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.bw", "y.bw"]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ChromSizes, int, list[Piece]]:
    """More blocks than an index node holds, more zoom levels than a batch makes, and gaps."""
    step = 2
    bins = 258 * SECTION + 77
    sizes = ChromSizes({"chr2": 3 * SECTION, "chr1": bins * step - 1})
    gap = 5 * SECTION + 100
    values = random_values(bins)
    small = random_values(SECTION - 9, 1)
    pieces: list[Piece] = [
        ("chr1", 0, gap * step - 1, values[:gap]),
        ("chr1", (gap + 333) * step, sizes["chr1"], values[gap + 333 :]),
        ("chr2", 18, 18 + 2 * len(small), small),
    ]
    path = tmp_path_factory.mktemp("large") / "x.bw"
    write(path, sizes, step, pieces)
    return path, sizes, step, pieces


def test_large_values(large: tuple[Path, ChromSizes, int, list[Piece]]) -> None:
    path, sizes, step, pieces = large
    wanted = dense(sizes, step, pieces)
    assert_same(read_pybigwig(path, sizes), wanted)
    assert_same(read_pybigtools(path, sizes), wanted)
    with pyBigWig.open(str(path)) as file:
        for start in (0, 10 * SECTION - 5, 400 * SECTION + 1, sizes["chr1"] - 30):
            np.testing.assert_array_equal(
                file.values("chr1", start, start + 30, numpy=True), wanted["chr1"][start:][:30]
            )


def test_zooms_against_bases(large: tuple[Path, ChromSizes, int, list[Piece]]) -> None:
    path, sizes, step, pieces = large
    wanted = dense(sizes, step, pieces)
    with pybigtools.open(str(path)) as file:
        levels = file.zooms()
        assert levels == [16 * step * 4**k for k in range(9)]
        for level in levels:
            for chrom, bases in wanted.items():
                records = list(file.zoom_records(level, chrom))
                at = 0
                for number in range(-(-len(bases) // level)):
                    begin = number * level
                    part = bases[begin : begin + level].astype(np.float64)
                    covered = np.flatnonzero(~np.isnan(part))
                    if not len(covered):
                        continue
                    start, end, summary = records[at]
                    at += 1
                    assert (start, end) == (begin + covered[0], begin + covered[-1] + 1)
                    assert summary["bases_covered"] == len(covered)
                    assert summary["min_val"] == np.nanmin(part)
                    assert summary["max_val"] == np.nanmax(part)
                    assert summary["sum"] == pytest.approx(np.nansum(part), rel=1e-6)
                    assert summary["sum_squares"] == pytest.approx(np.nansum(part**2), rel=1e-6)
                assert at == len(records)


def test_zooms_serve_statistics(large: tuple[Path, ChromSizes, int, list[Piece]]) -> None:
    path, sizes, _, _ = large
    with pyBigWig.open(str(path)) as file:
        for kind in ("mean", "max", "min", "coverage"):
            rough = file.stats("chr1", 0, sizes["chr1"], type=kind, nBins=7)
            exact = file.stats("chr1", 0, sizes["chr1"], type=kind, nBins=7, exact=True)
            np.testing.assert_allclose(rough, exact, atol=0.01)


def test_totals(large: tuple[Path, ChromSizes, int, list[Piece]]) -> None:
    path, sizes, step, pieces = large
    bases = np.concatenate(list(dense(sizes, step, pieces).values())).astype(np.float64)
    bases = bases[~np.isnan(bases)]
    with pybigtools.open(str(path)) as file:
        summary = file.info()["summary"]
    assert summary["basesCovered"] == len(bases)
    assert (summary["min"], summary["max"]) == (bases.min(), bases.max())
    assert summary["sum"] == pytest.approx(bases.sum(), rel=1e-12)
    assert summary["std"] == pytest.approx(bases.std(), rel=1e-6)
    with pyBigWig.open(str(path)) as file:
        assert file.header()["nBasesCovered"] == len(bases)


@pytest.mark.parametrize("count", [1, 256, 257, 70_000])
def test_many_contigs(tmp_path: Path, count: int) -> None:
    sizes = ChromSizes({f"scaffold_{i}": 100 + i for i in range(count)})
    chosen = sorted({"scaffold_0", f"scaffold_{count // 2}", f"scaffold_{count - 1}"})
    pieces: list[Piece] = [(c, 0, sizes[c], random_values(-(-sizes[c] // 50))) for c in chosen]
    path = tmp_path / "x.bw"
    write(path, sizes, 50, pieces)
    with pybigtools.open(str(path)) as file:
        assert file.chroms() == dict(sizes)
        for chrom, _, end, values in pieces:
            records = list(file.records(chrom))
            assert [value for _, _, value in records] == values.tolist()
            assert records[-1][1] == end


def tree_leaves(raw: bytes, offset: int) -> Iterator[tuple[int, ...]]:
    """Every leaf of a range tree, checking that parents span their children."""

    def walk(at: int) -> Iterator[tuple[int, ...]]:
        is_leaf, _, count = struct.unpack_from("<BBH", raw, at - offset)
        for i in range(count):
            if is_leaf:
                yield struct.unpack_from("<IIIIQQ", raw, at - offset + 4 + 32 * i)
            else:
                *span, child = struct.unpack_from("<IIIIQ", raw, at - offset + 4 + 24 * i)
                below = list(walk(child))
                assert span == [*below[0][:2], *below[-1][2:4]]
                yield from below

    return walk(offset + 48)


@pytest.mark.parametrize("count", [1, 256, 257, 65_536, 65_537])
def test_range_tree_reaches_every_leaf(count: int) -> None:
    leaves = np.zeros(count, bbi.LEAF)
    rank = np.arange(count)
    leaves["first_contig"] = leaves["last_contig"] = rank // 1000
    leaves["start"] = rank % 1000 * 50
    leaves["end"] = leaves["start"] + 50
    leaves["offset"] = rank * 9
    leaves["size"] = 9
    raw = bbi.range_tree(leaves, 1234, 99)
    assert list(tree_leaves(raw, 1234)) == [tuple(leaf) for leaf in leaves.tolist()]


SIZES = ChromSizes({"chr2": 500, "chr1": 1020}, "g.fa")


def test_short_contig_and_cut_bin(tmp_path: Path) -> None:
    sizes = ChromSizes({"tiny": 7, "exact": 100, "cut": 101})
    pieces = [(c, 0, sizes[c], random_values(-(-sizes[c] // 50))) for c in sorted(sizes)]
    write(tmp_path / "x.bw", sizes, 50, pieces)
    with pybigtools.open(str(tmp_path / "x.bw")) as file:
        spans = {c: [(s, e) for s, e, _ in file.records(c)] for c in sizes}
        assert len(file.zooms()) == 1
    assert spans == {
        "tiny": [(0, 7)],
        "exact": [(0, 50), (50, 100)],
        "cut": [(0, 50), (50, 100), (100, 101)],
    }


@pytest.mark.parametrize(
    ("calls", "message"),
    [
        ([("chr1", 0, 100, 2, np.nan)], "chr1:1-100 has a value that is not finite"),
        ([("chr1", 0, 100, 2, np.inf)], "has a value that is not finite"),
        ([("chr1", 0, 100, 3, 0)], r"does not take values of \(3,\)"),
        ([("chr1", 25, 75, 1, 0)], "must start after a multiple of 50 and end by 1,020"),
        ([("chr1", 1000, 1050, 1, 0)], "end by 1,020"),
        ([("chr1", 50, 50, 0, 0)], "must start"),
        ([("chr1", -50, 50, 2, 0)], "must start"),
        ([("chr1", 100, 200, 2, 0), ("chr1", 150, 200, 1, 0)], "up to 200: not sorted"),
        ([("chr2", 0, 50, 1, 0), ("chr1", 0, 50, 1, 0)], "comes after chr2 up to 50: not sorted"),
        ([], "no values to write"),
    ],
)
def test_refused(
    tmp_path: Path, calls: list[tuple[str, int, int, int, float]], message: str
) -> None:
    with pytest.raises(OutputError, match=message):
        with BigWigWriter(tmp_path / "x.bw", SIZES, 50) as writer:
            for chrom, start, end, count, value in calls:
                writer.add(chrom, start, end, np.full(count, value, np.float32))
    assert list(tmp_path.iterdir()) == []


def test_unknown_contig_and_foreign_errors(tmp_path: Path) -> None:
    def unknown(writer: BigWigWriter) -> None:
        writer.add("1", 0, 50, random_values(1))

    def foreign(writer: BigWigWriter) -> None:
        writer.add("chr1", 0, 50, random_values(1))
        raise FileNotFoundError("another file")

    cases: list[tuple[Callable[[BigWigWriter], None], type[Exception], str]] = [
        (unknown, ContigError, "x.bw: contig '1' is not in g.fa, which calls it 'chr1'"),
        (foreign, FileNotFoundError, "another file"),
    ]
    (tmp_path / "x.bw").write_text("old")
    for action, kind, message in cases:
        with pytest.raises(kind, match=message), BigWigWriter(tmp_path / "x.bw", SIZES, 50) as w:
            action(w)
    assert [p.read_text() for p in tmp_path.iterdir()] == ["old"]
    with pytest.raises(FormatError), BigWigWriter(tmp_path / "x.bw", ChromSizes({"a": 0}), 50):
        pass


@pytest.mark.parametrize("limit", [100, 10_000, 400_000, 600_000])
def test_full_disk(tmp_path: Path, limit: int) -> None:
    sizes = ChromSizes({"chr1": 150_000 * 50})
    with pytest.raises(OutputError, match=r"cannot write .*x\.bw: File too large"):
        with file_size_limit(limit), BigWigWriter(tmp_path / "x.bw", sizes, 50) as writer:
            writer.add("chr1", 0, sizes["chr1"], random_values(150_000))
    assert list(tmp_path.iterdir()) == []


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="does not exist; make it first"):
        with BigWigWriter(tmp_path / "gone" / "x.bw", SIZES, 50):
            pass


@pytest.mark.parametrize("loss", ["last block", "first value", "header"])
def test_damage_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loss: str) -> None:
    original = BigWigWriter._write_run

    def lossy(self: BigWigWriter, origin: int, begin: int, stop: int) -> None:
        if loss == "last block" and stop == 21:
            return
        if loss == "first value" and begin == 0:
            self._values[0] = 0.5
        original(self, origin, begin, stop)

    monkeypatch.setattr(BigWigWriter, "_write_run", lossy)
    if loss == "header":
        monkeypatch.setattr(bbi, "header", lambda **_: bytes(64))
    with pytest.raises(OutputError, match=r"x\.bw: .*read back"):
        write(tmp_path / "x.bw", SIZES, 50, [("chr1", 0, 1020, np.zeros(21, np.float32))])
    assert list(tmp_path.iterdir()) == []


def test_many_open_at_once(tmp_path: Path) -> None:
    writers = [BigWigWriter(tmp_path / f"{i}.bw", SIZES, 50) for i in range(60)]
    values = [random_values(21, i) for i in range(60)]
    for writer in writers:
        writer.__enter__()
    for writer, row in zip(writers, values, strict=True):
        writer.add("chr1", 0, 1020, row)
    for writer in writers:
        writer.__exit__(None, None, None)
    for i, row in enumerate(values):
        with pybigtools.open(str(tmp_path / f"{i}.bw")) as file:
            assert [value for _, _, value in file.records("chr1")] == row.tolist()
