"""The FASTA reader against a slow reading of the text, and its refusals."""

from __future__ import annotations

import gzip
import multiprocessing
import os
import struct
from pathlib import Path

import numpy as np
import pysam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chromputer_tracks.errors import ContigError, FileIndexError, FormatError, InputError
from chromputer_tracks.intervals import Interval
from chromputer_tracks.io.fasta import BgzfReader, Fasta

SEQUENCES = {
    "chrB": "ACGTacgtNNRY" * 11 + "ACG",
    "chrA": "TTTTT",
    "chrC": "GATTACA" * 30,
    "chrM": "C" * 60,
}


def write_fasta(path: Path, sequences: dict[str, str], width: int = 30) -> None:
    with path.open("w") as file:
        for name, bases in sequences.items():
            file.write(f">{name} some words\n")
            file.writelines(bases[i : i + width] + "\n" for i in range(0, len(bases), width))


def make(folder: Path, *, packed: bool) -> Path:
    plain = folder / "genome.fa"
    write_fasta(plain, SEQUENCES)
    path = plain
    if packed:
        path = folder / "genome.fa.gz"
        pysam.tabix_compress(str(plain), str(path), force=True)
    pysam.faidx(str(path))
    return path


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "bgzip"])
def genome(request, tmp_path_factory) -> Path:
    return make(tmp_path_factory.mktemp("fasta"), packed=request.param)


def slow(interval: Interval) -> bytes:
    bases = SEQUENCES[interval.chrom].upper()
    inside = range(len(bases))
    return "".join(
        bases[i] if i in inside else "N" for i in range(interval.start, interval.end)
    ).encode()


def test_sizes_in_file_order(genome):
    with Fasta(genome) as fasta:
        assert list(fasta.sizes.items()) == [(n, len(s)) for n, s in SEQUENCES.items()]
        assert fasta.sizes.source == str(genome)


@settings(max_examples=200)
@given(
    chrom=st.sampled_from(list(SEQUENCES)),
    start=st.integers(-60, 300),
    length=st.integers(1, 300),
)
def test_fetch_equals_the_text(genome, chrom, start, length):
    interval = Interval(chrom, start, start + length)
    with Fasta(genome) as fasta:
        found = fasta.fetch(interval)
    assert found.dtype == np.uint8
    assert found.shape == (length,)
    assert found.tobytes() == slow(interval)


def test_unknown_contig(genome):
    with Fasta(genome) as fasta, pytest.raises(ContigError, match=r"'M' is not in .*'chrM'"):
        fasta.fetch(Interval("M", 0, 5))


def test_line_lengths_that_divide_the_sequence_or_not(tmp_path):
    for width in (1, 4, 5, 6, 60):
        path = tmp_path / f"w{width}.fa"
        write_fasta(path, SEQUENCES, width)
        pysam.faidx(str(path))
        with Fasta(path) as fasta:
            assert fasta.fetch(Interval("chrA", 0, 5)).tobytes() == b"TTTTT"


def test_no_newline_at_the_end_and_windows_newlines(tmp_path):
    path = tmp_path / "a.fa"
    path.write_bytes(b">a\r\nACGT\r\nAC\r\n>b\r\nGG")
    pysam.faidx(str(path))
    with Fasta(path) as fasta:
        assert dict(fasta.sizes) == {"a": 6, "b": 2}
        assert fasta.fetch(Interval("a", 3, 7)).tobytes() == b"TACN"


def test_missing_indexes(tmp_path):
    path = make(tmp_path, packed=True)
    gzi = path.with_name(path.name + ".gzi")
    saved = gzi.read_bytes()
    gzi.unlink()
    told: list[str] = []
    Fasta(path, note=told.append).close()
    assert gzi.read_bytes() == saved
    fai = path.with_name(path.name + ".fai")
    saved = fai.read_bytes()
    fai.unlink()
    Fasta(path, note=told.append).close()
    assert fai.read_bytes() == saved
    assert told == [
        f"note: {path} has no index genome.fa.gz.{kind}: made beside it" for kind in ("gzi", "fai")
    ]
    assert sorted(item.name for item in tmp_path.iterdir()) == [
        "genome.fa", "genome.fa.gz", "genome.fa.gz.fai", "genome.fa.gz.gzi"
    ]  # fmt: skip


@pytest.mark.parametrize("packed", [False, True])
def test_an_older_index_that_fits_is_taken(tmp_path, packed):
    path = make(tmp_path, packed=packed)
    index = path.with_name(path.name + ".fai")
    stamp = path.stat().st_mtime - 3600
    os.utime(index, (stamp, stamp))
    with Fasta(path) as fasta:
        assert fasta.fetch(Interval("chrM", 0, 4)).tobytes() == SEQUENCES["chrM"][:4].encode()


def test_gzi_with_one_block_moved(tmp_path):
    plain = tmp_path / "big.fa"
    write_fasta(plain, {"chrA": "ACGTTGCA" * 40_000})
    path = tmp_path / "big.fa.gz"
    pysam.tabix_compress(str(plain), str(path), force=True)
    pysam.faidx(str(path))
    gzi = path.with_name(path.name + ".gzi")
    whole = gzi.read_bytes()
    assert int.from_bytes(whole[:8], "little") >= 4
    Fasta(path).close()
    for at in (8 + 16, 8 + 16 + 8):  # the second block's offset in the file, then in the text
        moved = int.from_bytes(whole[at : at + 8], "little") + 1
        gzi.write_bytes(whole[:at] + moved.to_bytes(8, "little") + whole[at + 8 :])
        with pytest.raises(FileIndexError, match=r"big.fa.gz.gzi does not belong to"):
            Fasta(path)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        lambda s: {**s, "chrB": s["chrB"] + "A"},
        lambda s: {**s, "chrM": s["chrM"] + "A"},
        lambda s: {**s, "chrM": s["chrM"][:-1]},
        lambda s: {("chrX" if n == "chrC" else n): b for n, b in s.items()},
        lambda s: {n: s[n] for n in ("chrA", "chrB", "chrC", "chrM")},
        lambda s: {n: b for n, b in s.items() if n != "chrM"},
        lambda s: {**s, "chrN": "ACGT"},
    ],
)
def test_index_of_another_fasta(tmp_path, packed, change):
    old = tmp_path / "old"
    new = tmp_path / "new"
    old.mkdir()
    new.mkdir()
    path = make(old, packed=packed)
    plain = new / "genome.fa"
    write_fasta(plain, change(SEQUENCES))
    target = plain
    if packed:
        target = new / "genome.fa.gz"
        pysam.tabix_compress(str(plain), str(target), force=True)
    for suffix in (".fai", ".gzi") if packed else (".fai",):
        index = path.with_name(path.name + suffix)
        target.with_name(target.name + suffix).write_bytes(index.read_bytes())
    with pytest.raises(FileIndexError, match=r"does not belong to .*samtools faidx"):
        Fasta(target)


@pytest.mark.parametrize("raw", ["", "chrA\t5\n", "chrA\tfive\t3\t4\t5\n"])
def test_broken_fai(tmp_path, raw):
    path = make(tmp_path, packed=False)
    path.with_name(path.name + ".fai").write_text(raw)
    with pytest.raises(FileIndexError, match=r"samtools faidx"):
        Fasta(path)


def test_gzip_that_is_not_bgzip(tmp_path):
    path = tmp_path / "g.fa.gz"
    path.write_bytes(gzip.compress(b">a\nACGT\n"))
    with pytest.raises(InputError, match=r"compressed with gzip.*gunzip .*bgzip .*g\.fa "):
        Fasta(path)


def test_empty_missing_and_other_files(tmp_path):
    empty = tmp_path / "e.fa"
    empty.write_bytes(b"")
    with pytest.raises(InputError, match="is empty"):
        Fasta(empty)
    with pytest.raises(InputError, match="cannot read .*none.fa: No such file"):
        Fasta(tmp_path / "none.fa")
    other = tmp_path / "o.fa"
    other.write_bytes(b"chr1\t5\n")
    with pytest.raises(FormatError, match="is not FASTA: it starts with b'c'"):
        Fasta(other)


def test_truncated_bgzip(tmp_path):
    path = make(tmp_path, packed=True)
    path.write_bytes(path.read_bytes()[:-28])
    with pytest.raises(FormatError, match="truncated"):
        Fasta(path)


@pytest.mark.parametrize("block", [0, 2])
def test_damaged_block(tmp_path, block):
    bases = np.random.default_rng(3).choice(np.frombuffer(b"ACGT", np.uint8), 300_000)
    plain, path = tmp_path / "g.fa", tmp_path / "g.fa.gz"
    write_fasta(plain, {"a": bases.tobytes().decode()})
    pysam.tabix_compress(str(plain), str(path), force=True)
    pysam.faidx(str(path))
    raw = bytearray(path.read_bytes())
    index = np.frombuffer(Path(f"{path}.gzi").read_bytes(), "<u8")
    raw[(0 if block == 0 else int(index[2 * block - 1])) + 30] ^= 0xFF
    path.write_bytes(raw)
    with pytest.raises(InputError, match=r"g\.fa\.gz"), Fasta(path) as fasta:
        fasta.fetch(Interval("a", 0, len(bases)))


def test_bgzf_reader_across_blocks(tmp_path):
    rng = np.random.default_rng(1)
    data = rng.integers(0, 256, 300_000, dtype=np.uint8).tobytes()
    plain, path = tmp_path / "d", tmp_path / "d.gz"
    plain.write_bytes(data)
    pysam.tabix_compress(str(plain), str(path))
    # The index, made by hand: block offsets found by walking the BC fields.
    raw, at, total, entries = path.read_bytes(), 0, 0, []
    while at < len(raw):
        size = struct.unpack_from("<H", raw, at + 16)[0] + 1
        plain_size = struct.unpack_from("<I", raw, at + size - 4)[0]
        at, total = at + size, total + plain_size
        entries.append((at, total))
    entries = entries[:-2]
    path.with_name("d.gz.gzi").write_bytes(
        struct.pack("<Q", len(entries)) + b"".join(struct.pack("<QQ", *e) for e in entries)
    )
    with BgzfReader(path) as reader:
        assert reader.size() == len(data)
        for offset, count in ((0, 10), (65_270, 40), (65_000, 200_000), (299_990, 50), (5, 1)):
            assert reader.read(offset, count) == data[offset : offset + count]


def test_real_genome(shared_yeast):
    path = shared_yeast / "sacCer3.fa.gz"
    with Fasta(path) as fasta, pysam.FastaFile(str(path)) as other:
        assert fasta.sizes.total == 12_157_105
        assert list(fasta.sizes)[:2] == ["chrI", "chrII"]
        piece = fasta.fetch(Interval("chrIV", 1_400_000, 1_600_000))
        text = other.fetch("chrIV", 1_400_000, 1_531_933).upper()
        assert piece[:131_933].tobytes().decode() == text
        assert set(piece[131_933:].tobytes()) == {ord("N")}


@pytest.mark.parametrize("packed", [False, True])
def test_forked_processes_read_at_the_same_time(tmp_path, packed):
    bases = np.random.default_rng(5).choice(np.frombuffer(b"ACGT", np.uint8), 400_000)
    plain = path = tmp_path / "g.fa"
    write_fasta(plain, {"a": bases.tobytes().decode()}, 60)
    if packed:
        path = tmp_path / "g.fa.gz"
        pysam.tabix_compress(str(plain), str(path), force=True)
    pysam.faidx(str(path))
    context = multiprocessing.get_context("fork")

    def read(seed: int, wrong: multiprocessing.SimpleQueue) -> None:
        rng = np.random.default_rng(seed)
        count = 0
        for start in rng.integers(0, len(bases) - 500, 1000).tolist():
            found = fasta.fetch(Interval("a", start, start + 500))
            count += not np.array_equal(found, bases[start : start + 500])
        wrong.put(count)

    with Fasta(path) as fasta:
        fasta.fetch(Interval("a", 0, 10))
        wrong = context.SimpleQueue()
        children = [context.Process(target=read, args=(seed, wrong)) for seed in range(3)]
        for child in children:
            child.start()
        read(9, wrong)
        for child in children:
            child.join(60)
        assert [child.exitcode for child in children] == [0, 0, 0]
        assert [wrong.get() for _ in range(4)] == [0, 0, 0, 0]


def test_a_closed_file_stays_closed(genome):
    fasta = Fasta(genome)
    fasta.close()
    with pytest.raises(InputError, match=r"cannot read chrA:1-5 of .*genome\.fa"):
        fasta.fetch(Interval("chrA", 0, 5))
