"""FragmentStore against slow loops over the same fragments."""

from __future__ import annotations

import io
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from fragment_files import CONTIGS, PLAIN, SIZES, Pair, random_pairs, write_bedpe, write_pairs
from hypothesis import given, settings
from hypothesis import strategies as st

from chromputer_tracks.errors import ContigError, FormatError, OutputError
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io import fragment_store, scratch
from chromputer_tracks.io import fragments as reasons
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.fragment_convert import convert_fragments
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.io.fragments import FragmentOptions

BIG = ChromSizes({"chrA": 60_000, "chrB": 9_000, "chrC": 100}, "g.fa")
KEEP = FragmentOptions(drop_duplicates=False)


def write_rows(path: Path, rows) -> Path:
    path.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
    return path


spans = st.tuples(
    st.integers(0, 8_000),
    st.one_of(st.integers(1, 400), st.sampled_from([1_999, 2_000, 2_001, 30_000])),
)


@settings(max_examples=60)
@given(
    rows=st.lists(spans, min_size=1, max_size=40),
    windows=st.lists(st.tuples(st.integers(-3_000, 62_000), st.integers(1, 3_000)), min_size=1),
)
def test_queries_against_a_loop(tmp_path_factory, rows, windows):
    fragments = sorted((s, s + n) for s, n in rows)
    path = write_rows(
        tmp_path_factory.mktemp("store") / "a.tsv",
        [("chrB", 5, 50)] + [("chrA", s, e) for s, e in fragments],
    )
    with FragmentStore.build(path, BIG, KEEP) as store:
        assert store.counts == {"chrA": len(rows), "chrB": 1, "chrC": 0}
        assert store.total == len(rows) + 1
        for start, width in windows:
            end = start + width
            found = store.fetch(Interval("chrA", start, end))
            expected = [(s, e) for s, e in fragments if s < end and e > start]
            assert list(zip(*map(np.ndarray.tolist, found), strict=True)) == expected
            found = store.midpoints(Interval("chrA", start, end))
            assert found.midpoints.dtype == found.lengths.dtype == np.int32
            middles = sorted(((s + e) // 2, e - s) for s, e in fragments)
            assert list(zip(*map(np.ndarray.tolist, found), strict=True)) == [
                (m, n) for m, n in middles if start <= m < end
            ]
        assert len(store.fetch(Interval("chrC", 0, 100)).starts) == 0


def test_edges_of_a_query(tmp_path):
    path = write_rows(tmp_path / "a.tsv", [("chrA", 100, 151), ("chrA", 200, 5_000)])
    with FragmentStore.build(path, BIG, KEEP) as store:
        for start, end, expected in (
            (90, 100, []),
            (90, 101, [100]),
            (150, 151, [100]),
            (151, 200, []),
            (151, 201, [200]),
            (4_999, 5_050, [200]),
            (5_000, 5_050, []),
        ):
            assert store.fetch(Interval("chrA", start, end)).starts.tolist() == expected
        for start, end, expected in ((124, 125, []), (125, 126, [125]), (126, 2_600, [])):
            found = store.midpoints(Interval("chrA", start, end))
            assert found.midpoints.tolist() == expected
        assert store.midpoints(Interval("chrA", 2_600, 2_601)).lengths.tolist() == [4_800]


@pytest.mark.parametrize("buffer", [1, 500, 1 << 20])
def test_each_contigs_rows_come_back_in_order(tmp_path, monkeypatch, buffer):
    monkeypatch.setattr(fragment_store, "_BUFFER_BYTES", buffer)
    rng = np.random.default_rng(2)
    with fragment_store.ContigRows(tmp_path, np.dtype(np.int64)) as by_contig:
        expected = {code: [] for code in range(4)}
        for size in (0, 3, 17, 1, 40, 5):
            codes = rng.integers(0, 3, size).astype(np.int32)
            rows = rng.integers(0, 10**12, size)
            by_contig.add(codes, rows)
            for code, row in zip(codes.tolist(), rows.tolist(), strict=True):
                expected[code].append(row)
        assert {code: by_contig.pop(code).tolist() for code in expected} == expected
        assert list(tmp_path.iterdir()) == []


def contents(store: FragmentStore) -> dict[str, list[tuple[int, int]]]:
    found = {}
    for chrom, size in store.sizes.items():
        starts, ends = store.fetch(Interval(chrom, 0, size))
        found[chrom] = list(zip(starts.tolist(), ends.tolist(), strict=True))
    return found


@pytest.fixture(scope="module")
def pairs() -> list[Pair]:
    return random_pairs(5, 3_000, 60)


@pytest.mark.parametrize("small_buffer", [False, True])
def test_same_fragments_in_any_order_and_format(tmp_path, pairs, monkeypatch, small_buffer):
    if small_buffer:
        monkeypatch.setattr(fragment_store, "_BUFFER_BYTES", 1_000)
    unique = sorted({(p.chrom, p.start, p.start + p.length) for p in pairs})
    expected = {c: [(s, e) for chrom, s, e in unique if chrom == c] for c in CONTIGS}
    shuffled = pairs[:]
    random.Random(6).shuffle(shuffled)
    assert len(unique) < len(pairs)
    for path in (
        write_pairs(tmp_path / "a.bam", pairs),
        write_pairs(tmp_path / "b.bam", shuffled),
        write_bedpe(tmp_path / "a.bedpe", shuffled),
        write_rows(tmp_path / "a.tsv", unique[::-1]),
        write_rows(tmp_path / "b.tsv", [(p.chrom, p.start, p.start + p.length) for p in shuffled]),
    ):
        with FragmentStore.build(path, SIZES, PLAIN) as store:
            assert contents(store) == expected
            assert store.summary.kept == store.total == len(unique)
            if path.name != "a.tsv":
                assert store.summary.removed[reasons.IDENTICAL] == len(pairs) - len(unique)


def test_both_routes_hold_the_same_fragments_whatever_the_barcodes(tmp_path, pairs):
    rng = random.Random(8)
    rows = [(p.chrom, p.start, p.start + p.length, rng.choice("AB")) for p in pairs]
    one = [(*row[:3], "A") for row in rows]
    for name, given_rows, kept in (
        ("none", [row[:3] for row in rows], {row[:3] for row in rows}),
        ("one", one, {row[:3] for row in rows}),
        ("two", rows, set(rows)),
    ):
        text = write_rows(tmp_path / f"{name}.tsv", given_rows)
        convert_fragments(text, tmp_path / f"{name}.tsv.gz", SIZES, PLAIN)
        found = []
        for path in (text, tmp_path / f"{name}.tsv.gz"):
            with FragmentStore.build(path, SIZES, PLAIN) as store:
                found.append(contents(store))
                assert store.summary.read == (len(rows) if path == text else len(kept))
        expected = Counter(row[:3] for row in kept)
        assert found[0] == found[1]
        assert Counter((c, s, e) for c, part in found[0].items() for s, e in part) == expected


def test_keep_duplicates(tmp_path, pairs):
    expected = Counter((p.chrom, p.start, p.start + p.length) for p in pairs)
    keep = FragmentOptions(min_mapq=0, drop_duplicates=False, tn5_shift=False)
    bam = write_pairs(tmp_path / "a.bam", pairs)
    text = write_rows(tmp_path / "a.tsv", expected.elements())
    for path in (bam, text):
        with FragmentStore.build(path, SIZES, keep) as store:
            assert store.total == len(pairs)
            found = Counter((c, s, e) for c, rows in contents(store).items() for s, e in rows)
            assert found == expected


def test_density_is_the_weighted_median(tmp_path):
    sizes = ChromSizes({"a": 4_000, "b": 5_000, "m": 1_000, "none": 50_000})
    rows = [("a", i, i + 9) for i in range(8)] + [("b", i, i + 9) for i in range(20)]
    rows += [("m", i, i + 9) for i in range(900)]
    with FragmentStore.build(write_rows(tmp_path / "a.tsv", rows), sizes) as store:
        assert store.density == 4.0
        assert store.counts["none"] == 0


def assert_in_scratch(folder: Path) -> None:
    """Open files take their room in a folder, which shows none of them."""
    opened = [str(item.readlink()) for item in Path("/proc/self/fd").iterdir() if item.is_symlink()]
    assert any(name.startswith(f"{folder}/") and name.endswith("(deleted)") for name in opened)
    assert list(folder.iterdir()) == []


def test_progress_and_scratch(tmp_path, pairs):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    seen = []
    path = write_pairs(tmp_path / "a.bam", pairs)
    with FragmentStore.build(path, SIZES, PLAIN, progress=seen.append, scratch=scratch) as store:
        assert seen[-1] == len(pairs)
        assert store.total
        assert_in_scratch(scratch)
    assert list(scratch.iterdir()) == []


def test_a_failed_build_leaves_no_scratch(tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    path = tmp_path / "a.tsv"
    path.write_text("chr1\t1\t20\nchr1\t5\t5\n")
    with pytest.raises(FormatError, match="line 2"):
        FragmentStore.build(path, SIZES, scratch=scratch)
    assert list(scratch.iterdir()) == []
    with pytest.raises(
        OutputError, match=r"scratch folder .*gone: No such file.* --scratch or TMPDIR"
    ):
        FragmentStore.build(path, SIZES, scratch=tmp_path / "gone")


def test_full_scratch_disk(tmp_path, pairs, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    path = write_rows(tmp_path / "a.tsv", [("chr1", 1, 20)])

    class FullDisk(io.BytesIO):
        """A scratch file that takes nothing: what is buffered fails when it is flushed."""

        flush = full

    monkeypatch.setattr(scratch.tempfile, "TemporaryFile", lambda **_: FullDisk())
    with pytest.raises(
        OutputError,
        match=rf"{tmp_path}: No space left on device; name one .* --scratch or TMPDIR",
    ):
        FragmentStore.build(path, SIZES, scratch=tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.tsv"]


def test_unknown_contig(tmp_path):
    path = write_rows(tmp_path / "a.tsv", [("chr1", 1, 20)])
    with FragmentStore.build(path, SIZES) as store, pytest.raises(ContigError, match="'chr9'"):
        store.midpoints(Interval("chr9", 0, 5))


def test_real_file(shared_yeast):
    with Fasta(shared_yeast / "sacCer3.fa.gz") as fasta:
        sizes = fasta.sizes
    path = shared_yeast / "atac_SRR1822137.fragments.tsv.gz"
    with FragmentStore.build(path, sizes) as store:
        assert store.total == 414_968
        assert list(store.counts) == list(sizes)
        assert store.density == pytest.approx(1000 * 28_750 / 1_090_940, rel=0.15)
        tiles = [
            len(store.midpoints(Interval("chrIV", at, at + 10_000)).midpoints)
            for at in range(-10_000, 1_540_000, 10_000)
        ]
        assert sum(tiles) == store.counts["chrIV"] == 34_653


def test_a_walk_lets_go_of_what_it_has_read(tmp_path, monkeypatch):
    monkeypatch.setattr("chromputer_tracks.io.fragment_store._READ_BEFORE_NEW_MAP", 3)
    rows = [("chrA", s, s + 100) for s in range(0, 5_000, 7)]
    with FragmentStore.build(write_rows(tmp_path / "a.tsv", rows), BIG) as store:
        first = store._midpoints
        found = [
            store.midpoints(Interval("chrA", s, s + 50)).midpoints for s in range(0, 6_000, 50)
        ]
        assert np.concatenate(found).tolist() == [s + 50 for _, s, _ in rows]
        assert store._midpoints is not first


@settings(max_examples=60)
@given(
    rows=st.lists(spans, min_size=1, max_size=40),
    positions=st.lists(st.integers(-(2**33), 2**33) | st.integers(-100, 40_000)),
)
def test_cumulative_counts_midpoints_below(tmp_path_factory, rows, positions):
    path = write_rows(
        tmp_path_factory.mktemp("store") / "a.tsv",
        [("chrB", s, s + 10) for s in range(5)] + [("chrA", s, s + n) for s, n in rows],
    )
    with FragmentStore.build(path, BIG, KEEP) as store:
        found = store.cumulative("chrA", np.array(positions, dtype=np.int64))
        assert found.dtype == np.float64
        assert found.tolist() == [sum(s + n // 2 < at for s, n in rows) for at in positions]
        assert store.cumulative("chrB", np.array([8, 6, 7])).tolist() == [3, 1, 2]
        assert store.cumulative("chrC", np.array([0, 100])).tolist() == [0, 0]
        with pytest.raises(ContigError, match="'chr9'"):
            store.cumulative("chr9", np.array([5]))


def test_cumulative_lets_go_of_what_it_has_read(tmp_path, monkeypatch):
    monkeypatch.setattr("chromputer_tracks.io.fragment_store._READ_BEFORE_NEW_MAP", 3)
    rows = [("chrB", 1, 3), *(("chrA", s, s + 100) for s in range(0, 5_000, 7))]
    with FragmentStore.build(write_rows(tmp_path / "a.tsv", rows), BIG) as store:
        first = store._midpoints
        for start in range(0, 6_000, 50):
            found = store.cumulative("chrA", np.array([start, start + 50]))
            assert found.tolist() == [
                sum(s + 50 < at for _, s, _ in rows[1:]) for at in (start, start + 50)
            ]
        assert store._midpoints is not first


def test_length_density_is_the_weighted_median_of_each_class(tmp_path, monkeypatch):
    monkeypatch.setattr("chromputer_tracks.io.fragment_store._CHUNK", 7)
    sizes = ChromSizes({"a": 4_000, "b": 5_000, "m": 1_000, "none": 50_000})
    # Fragments of 9, 10 and 19 bp; 20 bp is the open end.
    rows = [("a", i, i + 9) for i in range(8)] + [("b", i, i + 9) for i in range(20)]
    rows += [("m", i, i + 9) for i in range(900)]
    rows += [("a", i, i + n) for i in range(12) for n in (10, 19)] + [("b", 0, 20)]
    with FragmentStore.build(write_rows(tmp_path / "a.tsv", rows), sizes) as store:
        assert store.length_density((9, 10)).tolist() == [4.0]
        # b, half of the bases, holds nothing from 10 to 19 bp, m neither.
        assert store.length_density((1, 9, 10, 20, 30)).tolist() == [0, 4, 0, 0]
        found = store.length_density((1, 30))
        assert found.tolist() == [store.density] == [4.2]
        assert store.per_bp == pytest.approx(0.0042)
        found[:] = -1
        assert store.length_density((1, 30)).tolist() == [4.2]


def test_length_density_reads_once(tmp_path, monkeypatch):
    path = write_rows(tmp_path / "a.tsv", [("chrA", 1, 20), ("chrB", 1, 30)])
    with FragmentStore.build(path, BIG, KEEP) as store:
        first = store.length_density((10, 20, 40)).tolist()
        assert first == pytest.approx([1 / 60, 0])
        monkeypatch.setattr(scratch.os, "pread", None)
        assert store.length_density((10, 20, 40)).tolist() == first


def test_real_length_density(shared_yeast):
    with Fasta(shared_yeast / "sacCer3.fa.gz") as fasta:
        sizes = fasta.sizes
    path = shared_yeast / "atac_SRR1822137.fragments.tsv.gz"
    with FragmentStore.build(path, sizes) as store:
        edges = (20, 100, 180, 247, 1_000)
        found = store.length_density(edges)
        length = {c: store.midpoints(Interval(c, 0, size)).lengths for c, size in sizes.items()}
    for row, density in enumerate(found):
        # The median over all bases of the density of their contig.
        per_kb = [
            np.repeat(((n >= edges[row]) & (n < edges[row + 1])).sum() / sizes[c] * 1000, sizes[c])
            for c, n in length.items()
        ]
        assert density == pytest.approx(np.median(np.concatenate(per_kb)))
