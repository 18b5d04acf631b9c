"""A FASTA without an index gets one; what samtools reads is read; files that are swapped are told.

samtools' own index of the same file is the yardstick.
"""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pysam
import pytest
from predict_command import fails, predict, toy_inputs
from toy_genome import toy_genome

from chromputer_tracks.errors import FileIndexError, FormatError, InputError
from chromputer_tracks.intervals import Interval
from chromputer_tracks.io import fasta_index
from chromputer_tracks.io.fasta import Fasta, check_swapped
from chromputer_tracks.io.text import file_kind

TEXT = ">chrI words\nACGTACGTAC\nGTAC\n>chrII\nGGGG\nCC\n"


def make(folder: Path, text: str = TEXT, *, packed: bool = False) -> Path:
    path = folder / "g.fa"
    path.write_text(text)
    if packed:
        pysam.tabix_compress(str(path), f"{path}.gz")
        path.unlink()
        path = folder / "g.fa.gz"
    return path


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("packed", [False, True])
def test_an_index_is_made_as_samtools_makes_it(tmp_path: Path, packed: bool) -> None:
    path = make(tmp_path, packed=packed)
    told: list[str] = []
    with Fasta(path, note=told.append) as fasta:
        assert dict(fasta.sizes) == {"chrI": 14, "chrII": 6}
        assert fasta.fetch(Interval("chrI", 9, 12)).tobytes() == b"CGT"
    names = f"{path.name}.fai and {path.name}.gzi" if packed else "g.fa.fai"
    assert told == [f"note: {path} has no index {names}: made beside it"]
    made = {item: (tmp_path / item).read_bytes() for item in listing(tmp_path)}
    for suffix in (".fai", ".gzi")[: 1 + packed]:
        (tmp_path / (path.name + suffix)).unlink()
    pysam.faidx(str(path))
    assert {item: (tmp_path / item).read_bytes() for item in listing(tmp_path)} == made
    told.clear()
    Fasta(path, note=told.append).close()
    assert told == []


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("how", ["no permission", "read-only"])
def test_in_scratch_where_the_folder_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bool, how: str
) -> None:
    place, scratch = tmp_path / "genomes", tmp_path / "scratch"
    place.mkdir(), scratch.mkdir()
    path = make(place, packed=packed)
    if how == "no permission":
        # Permissions do not bind root, so the answer is simulated.
        monkeypatch.setattr(fasta_index, "_can_write", lambda _: False)
    else:
        touch = Path.touch

        def refused(self: Path) -> None:
            if self.parent == place:
                raise OSError(errno.EROFS, "Read-only file system")
            touch(self)

        monkeypatch.setattr(Path, "touch", refused)
    told: list[str] = []
    fasta = Fasta(path, scratch, told.append)
    assert dict(fasta.sizes) == {"chrI": 14, "chrII": 6}
    assert fasta.fetch(Interval("chrII", 3, 6)).tobytes() == b"GCC"
    assert f"its folder cannot be written into: made in {scratch} for this run" in told[-1]
    assert listing(place) == [path.name] and len(listing(scratch)) == 1
    fasta.close()
    assert listing(place) == [path.name] and listing(scratch) == []


def test_nowhere_to_put_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fasta_index, "_can_write", lambda _: False)
    with pytest.raises(FileIndexError, match=r"no index g.fa.fai, and none can be made: .*faidx"):
        Fasta(make(tmp_path), tmp_path / "no scratch")


def test_runs_that_make_it_at_once(tmp_path: Path) -> None:
    path = make(tmp_path, "".join(f">c{n}\n{'ACGT' * 50}\n" for n in range(500)), packed=True)
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(Fasta(path).sizes.total)) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [100_000] * 6
    assert listing(tmp_path) == ["g.fa.gz", "g.fa.gz.fai", "g.fa.gz.gzi"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (">a\nACGT\nAC\nACGT\n", r"line 4 follows a line of another length in a \(line 3\)"),
        (">a\nACGT\nACGTA\n>b\nA\n", r"line 3 is longer than those before it in a; .*seqkit seq"),
    ],
)
def test_what_cannot_be_indexed_says_where(tmp_path: Path, text: str, message: str) -> None:
    path = make(tmp_path, text)
    with pytest.raises(FormatError, match=message):
        Fasta(path)
    assert listing(tmp_path) == ["g.fa"]


def test_a_sequence_without_a_name(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"g.fa: the sequence that begins at byte 10 has no name"):
        Fasta(make(tmp_path, ">a\nACGT\n>\nAC\n"))


# ---- What samtools reads.


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("text", "twice"),
    [
        (TEXT + ">chrI\nTTTTTTTTTT\nTT\n", ["chrI"]),
        (">chrI\nACGTACGTAC\nGTAC\n>chrI\nTT\n>chrII\nGGGG\nCC\n", ["chrI"]),
        (TEXT.replace(">chrII", ">empty\n>chrII"), []),
        (">first\n" + TEXT.replace(">chrII", ">e\n\n>f\n>chrII"), []),
        ("\n\n" + TEXT, []),
        (TEXT.replace(">chrII", "\n>chrII") + "\n\n", []),
        (TEXT + ">chrI\nTT\n>chrII\nA\nA\n", ["chrI", "chrII"]),
    ],
)
def test_what_samtools_reads_is_read_alike(
    tmp_path: Path, text: str, twice: list[str], packed: bool
) -> None:
    path = make(tmp_path, text, packed=packed)
    told: list[str] = []
    for _ in range(2):  # the index made here, and one that lies there
        told.clear()
        with Fasta(path, note=told.append) as fasta:
            assert dict(fasta.sizes) == {"chrI": 14, "chrII": 6}
            for name in fasta.sizes:
                whole = fasta.fetch(Interval(name, 0, fasta.sizes[name])).tobytes()
                pysam.faidx(str(path), name, "-o", str(tmp_path / "samtools.fa"))
                lines = (tmp_path / "samtools.fa").read_text().splitlines()[1:]
                assert whole.decode() == "".join(lines)
    others = f", and {len(twice) - 1} others" if len(twice) > 1 else ""
    assert told == [
        f"note: {path} holds {name} twice{others}; the first is read, as samtools does"
        for name in twice[:1]
    ]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + ">chrIII\nAC\n",  # appended
        lambda text: text.replace(">chrII", ">chrX\nAC\n>chrII"),  # inserted
        lambda text: text.replace("GTAC\n", "GTACA\n"),
        lambda text: text.replace("chrII", "chrIV"),
        lambda text: text.replace("chrII\n", "chrII\n>chrI\n"),
        lambda text: text[:-2],
    ],
)
def test_an_index_of_another_file_is_refused_and_deleting_it_helps(tmp_path: Path, change) -> None:
    path = make(tmp_path)
    Fasta(path).close()
    path.write_text(change(TEXT))
    index = tmp_path / "g.fa.fai"
    with pytest.raises(FileIndexError, match=r"does not belong to .*; delete it, or make it again"):
        Fasta(path)
    index.unlink()
    Fasta(path).close()


# ---- Files that are swapped.


def test_swapped_files_are_told_by_what_they_hold(tmp_path: Path) -> None:
    inputs = toy_inputs(tmp_path, toy_genome())
    fasta, fragments = inputs["fasta"], inputs["fragments"]
    message = fails({**inputs, "fasta": fragments, "fragments": fasta})
    assert message == (
        f"error: --fasta and --fragments are swapped: {fragments} is a table of intervals, and "
        f"{fasta} is a FASTA; give each the other's file"
    )
    check_swapped(fasta, fragments)
    check_swapped(fasta, fasta)
    with pytest.raises(InputError, match="--fasta and IN are swapped"):
        check_swapped(fragments, fasta, "IN")
    # A pipe is not opened: it could be read only once.
    os.mkfifo(tmp_path / "pipe")
    check_swapped(tmp_path / "pipe", fasta)


def test_an_index_is_made_by_a_command(tmp_path: Path) -> None:
    inputs = toy_inputs(tmp_path, toy_genome())
    index = inputs["fasta"].with_name(inputs["fasta"].name + ".fai")
    whole = index.read_bytes()
    index.unlink()
    result = predict(inputs)
    assert result.exit_code == 0, result.output
    assert f"note: {inputs['fasta']} has no index {index.name}: made beside it" in result.stderr
    assert index.read_bytes() == whole


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b">a\nACGT\n", "a FASTA"),
        (b"\n\n>a\nACGT\n", "a FASTA"),
        (b"@HD\tVN:1.6\n", "a SAM or FASTQ"),
        (b"CRAM\x03\x00", "a CRAM"),
        (b"# words\nchr1\t5\t90\tbulk\t1\n", "a table of intervals"),
        (b"\x26\xfc\x8f\x88\x04\x00", "a bigWig"),
        (b"\x43\x27\x41\x1a", "a 2bit file"),
        (b"<!DOCTYPE html>", "a web page or XML"),
        (b"words", None),
        (b"", None),
    ],
)
def test_what_a_file_looks_like(tmp_path: Path, content: bytes, kind: str | None) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    assert file_kind(path) == kind
    if kind is not None and kind != "a FASTA":
        with pytest.raises(FormatError, match=rf"is not FASTA: .*\(it looks like {kind}\)"):
            Fasta(path)


def test_a_bam_is_told(tmp_path: Path) -> None:
    with pysam.AlignmentFile(
        str(tmp_path / "a.bam"), "wb", reference_names=["a"], reference_lengths=[9]
    ):
        pass
    assert file_kind(tmp_path / "a.bam") == "a BAM"
    assert file_kind(tmp_path / "none") is None
