"""Odd, damaged and hostile files: each is read as samtools, bedtools or MACS read it, or refused.

Every row of ``docs/faults.md`` is a case here. After a change ``python tests/test_faults.py`` (with
the package on ``PYTHONPATH``) writes the page anew.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pysam
import pytest
from fragment_files import record, write_bam
from predict_command import toy_inputs
from toy_genome import toy_genome
from typer.testing import CliRunner

from chromputer_tracks.cli.main import app
from chromputer_tracks.io.text import MOST_COLUMNS

PAGE = Path(__file__).parents[1] / "docs" / "faults.md"
ROW = "chr1\t10\t200\tbulk\t1\n"
SIZE = 4_000
READ = ""


@dataclass(frozen=True)
class Fault:
    """A file or value that is given.

    Attributes:
        given: what it is, for the page.
        made: writes it into the case's folder (which holds the toy's files) and returns the
            command's words.
        said: a part of the message; empty where it is read.
        then: what happens where it is read, for the page.
    """

    given: str
    made: Callable[[Case], list[object]]
    said: str = READ
    then: str = ""

    @property
    def row(self) -> str:
        """The case as a row of the page."""
        said = f"refused: `{self.said}`".replace("|", "\\|")
        return f"| {self.given} | {said if self.said else self.then} |"


@dataclass(frozen=True)
class Case:
    """A folder of a toy's files."""

    folder: Path
    model: Path
    fasta: Path
    fragments: Path

    def file(self, name: str, content: str | bytes) -> Path:
        """Write a file."""
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def convert(self, path: object, *more: object) -> list[object]:
        """``chromputer fragments`` of it."""
        return ["fragments", path, "-o", self.folder / "o.tsv.gz", *more]

    def predict(self, *more: object, fasta: object = None) -> list[object]:
        """``chromputer predict`` of the toy."""
        given = ["--fasta", fasta or self.fasta, "--fragments", self.fragments]
        return ["predict", self.model, *given, "-o", self.folder / "out", *more]

    def regions(self, content: str | bytes) -> list[object]:
        """``chromputer predict`` of these regions."""
        return self.predict("--regions", self.file("r.bed", content))

    def genome(self, content: str | bytes, fai: str | bytes | None = None) -> list[object]:
        """``chromputer predict`` of a genome, and its index where one is given."""
        if fai is not None:
            self.file("x.fa.fai", fai)
        return self.predict(fasta=self.file("x.fa", content))

    def dataset(self, content: str | bytes) -> list[object]:
        """``chromputer dataset`` of a configuration."""
        return ["dataset", self.file("c.toml", content), "-o", self.folder / "out"]

    def loaded(self, content: str | bytes) -> list[object]:
        """``chromputer predict`` with a model whose ``model.json`` holds this."""
        model = self.folder / "changed"
        shutil.copytree(self.model, model)
        (model / "model.json").write_bytes(
            content.encode() if isinstance(content, str) else content
        )
        return ["predict", model, "--fasta", self.fasta, "-o", self.folder / "out"]

    def hub(self, content: str | bytes) -> list[object]:
        """``chromputer hub`` of a folder whose ``run.json`` holds this."""
        folder = self.folder / "run"
        folder.mkdir()
        (folder / "run.json").write_bytes(content.encode() if isinstance(content, str) else content)
        words = ["--assembly", "toy", "--email", "me@example.org", "-o", self.folder / "out"]
        return ["hub", folder, *words, "--fasta", self.fasta]

    def bam(self, change: Callable[[bytes], bytes]) -> list[object]:
        """``chromputer fragments`` of a BAM whose bytes are changed."""

        def reads(header: pysam.AlignmentHeader) -> Iterator[pysam.AlignedSegment]:
            for at in range(0, 3_000, 3):
                yield record(header, f"p{at}", 99, "chr1", at, at + 80, 100)
                yield record(header, f"p{at}", 147, "chr1", at + 80, at, -100)

        path = write_bam(self.folder / "x.bam", reads, {"chr1": SIZE})
        path.write_bytes(change(path.read_bytes()))
        return self.convert(path)


def packed(unit: bytes, mebibytes: int) -> bytes:
    """So many MiB of the same bytes, as a gzip file of some kB."""
    return gzip.compress(unit * (mebibytes << 20), 1)


def folder_at(path: Path) -> Path:
    """A folder where a file is meant."""
    path.mkdir()
    return path


def looped(path: Path) -> Path:
    """A link to itself."""
    path.symlink_to(path)
    return path


FASTA = f">chr1\n{'ACGT' * (SIZE // 4)}\n"
FAI = f"chr1\t{SIZE}\t6\t{SIZE}\t{SIZE + 1}\n"
BED = "chr1\t100\t900\n"
DEEP = "[" * 100_000 + "]" * 100_000
RUN = '{"kind": "predict", "command": "", "directory": "/", "started": "", "seconds": 1, '
RUN += '"versions": {}, "options": {}, "inputs": {}, "outputs": [], "peak_mb": 1, "stages": {}'

FAULTS = {
    "Fragments": [
        Fault("an empty file", lambda c: c.convert(c.file("x.tsv", "")), "is empty"),
        Fault("comments alone", lambda c: c.convert(c.file("x.tsv", "#\n" * 9)), "no line of data"),
        Fault("a folder", lambda c: c.convert(folder_at(c.folder / "x.tsv")), "Is a directory"),
        Fault("no such file", lambda c: c.convert(c.folder / "x.tsv"), "No such file or directory"),
        Fault(
            "a link to itself", lambda c: c.convert(looped(c.folder / "x")), "levels of symbolic"
        ),
        Fault(
            "random bytes",
            lambda c: c.convert(c.file("x", bytes(range(128, 256)) * 9)),
            "has 1 tab-separated columns",
        ),
        Fault(
            "gzip, cut off",
            lambda c: c.convert(c.file("x.gz", gzip.compress(ROW.encode() * 9)[:-12])),
            "is truncated: its gzip stream ends early",
        ),
        Fault(
            "gzip, a wrong checksum",
            lambda c: c.convert(c.file("x.gz", gzip.compress(ROW.encode())[:-8] + b"\0" * 8)),
            "is damaged: CRC check failed",
        ),
        Fault(
            "gzip of 64 MiB without a line's end",
            lambda c: c.convert(c.file("x.gz", packed(b"A", 64))),
            "line 1 is longer than 1,048,576 bytes",
        ),
        Fault(
            "gzip of 64 MiB of tabs",
            lambda c: c.convert(c.file("x.gz", packed(b"\t", 64))),
            "line 1 is longer than 1,048,576 bytes",
        ),
        Fault(
            "gzip of 64 MiB of empty lines",
            lambda c: c.convert(c.file("x.gz", packed(b"\n", 64))),
            "has no line of data among lines 1 to 1,000,001",
        ),
        Fault(
            "a line without an end behind good ones",
            lambda c: c.convert(
                c.file("x.gz", gzip.compress(ROW.encode() * 9 + b"A" * (9 << 20), 1))
            ),
            "line 10 is longer than 1,048,576 bytes",
        ),
        Fault(
            f"more than {MOST_COLUMNS:,} columns",
            lambda c: c.convert(c.file("x.tsv", "chr1\t1\t9" + "\t9" * MOST_COLUMNS)),
            "at most 10,000 are read",
        ),
        Fault(
            "spaces in place of tabs",
            lambda c: c.convert(c.file("x.tsv", "chr1 10 200\n")),
            "has 1 tab-separated columns",
        ),
        Fault(
            "line ends of old Macs (CR)",
            lambda c: c.convert(c.file("x.tsv", ROW.replace("\n", "\r") * 3)),
            "not an integer",
        ),
        Fault(
            "line ends of Windows (CRLF)",
            lambda c: c.convert(c.file("x.tsv", ROW.replace("\n", "\r\n") * 3)),
            READ,
            "read",
        ),
        Fault(
            "UTF-16",
            lambda c: c.convert(c.file("x.tsv", ROW.encode("utf-16"))),
            "is not UTF-8 text",
        ),
        Fault(
            "names in Latin-1",
            lambda c: c.convert(c.file("x.tsv", ROW.replace("bulk", "b\xfclk").encode("latin-1"))),
            "is not UTF-8 text",
        ),
        Fault(
            "a NUL byte",
            lambda c: c.convert(c.file("x.tsv", ROW.replace("00", "0\0"))),
            "not an integer",
        ),
        Fault(
            "a contig's name of 500 kB",
            lambda c: c.convert(c.file("x.tsv", "c" * 500_000 + ROW), "--fasta", c.fasta),
            "cccc...cccc",
        ),
        Fault(
            "a start below 0",
            lambda c: c.convert(c.file("x.tsv", "chr1\t-5\t90\n")),
            "(-5, 90) start before 0",
        ),
        Fault(
            "an end before the start",
            lambda c: c.convert(c.file("x.tsv", "chr1\t90\t5\n")),
            "are empty or reversed",
        ),
        Fault(
            "an end of 2^31",
            lambda c: c.convert(c.file("x.tsv", "chr1\t5\t2147483648\n")),
            "column 3 is '2147483648', not an integer",
        ),
        Fault(
            "an end of 20 digits",
            lambda c: c.convert(c.file("x.tsv", "chr1\t5\t" + "9" * 20)),
            "not an integer",
        ),
        Fault(
            "coordinates as 1e2",
            lambda c: c.convert(c.file("x.tsv", "chr1\t1e2\t2e2\n")),
            "column 2 is '1e2', not an integer",
        ),
        Fault(
            "a contig that the FASTA lacks",
            lambda c: c.convert(
                c.file("x.tsv", ROW + "KI270.1\t1\t9\n".replace("\n", "\tbulk\t1\n")),
                "--fasta",
                c.fasta,
            ),
            "--only-fasta-contigs",
        ),
        Fault(
            "the same, with `--only-fasta-contigs`",
            lambda c: c.convert(
                c.file("x.tsv", ROW + "KI270.1\t1\t9\tbulk\t1\n"),
                "--fasta",
                c.fasta,
                "--only-fasta-contigs",
            ),
            READ,
            "left out and counted",
        ),
        Fault(
            "a file's name with a line break, quotes and brackets",
            lambda c: c.convert(c.file("a\nb 'c\" [bold] \u00fc.tsv", ROW)),
            READ,
            "read",
        ),
        Fault(
            "a path of 300 letters",
            lambda c: c.convert(c.folder / ("x" * 300)),
            "has 300 bytes; files' names have at most 255",
        ),
        Fault(
            "a path that is not UTF-8",
            lambda c: c.convert(c.folder / os.fsdecode(b"caf\xe9.tsv")),
            "the name is not UTF-8; rename the file or the folder",
        ),
    ],
    "BAM": [
        Fault(
            "cut off in the middle",
            lambda c: c.bam(lambda data: data[: len(data) // 2]),
            "end-of-file block is missing",
        ),
        Fault(
            "cut off, with an end-of-file block behind",
            lambda c: c.bam(lambda data: data[: len(data) // 2] + data[-28:]),
            "damaged",
        ),
        Fault(
            "without its end-of-file block",
            lambda c: c.bam(lambda data: data[:-28]),
            "end-of-file block is missing",
        ),
        Fault(
            "one byte changed",
            lambda c: c.bam(lambda data: data[:3_000] + bytes([data[3_000] ^ 255]) + data[3_001:]),
            "truncated or damaged",
        ),
        Fault(
            "packed with gzip",
            lambda c: c.bam(lambda data: gzip.compress(gzip.decompress(data))),
            "is a BAM packed with gzip, not bgzip",
        ),
        Fault(
            "SAM text under this name",
            lambda c: c.bam(lambda _: b"@HD\tVN:1.6\n"),
            "is SAM text; convert it with: samtools view",
        ),
        Fault(
            "CRAM under this name",
            lambda c: c.bam(lambda _: b"CRAM" + bytes(99)),
            "is CRAM, which is not read; convert it with",
        ),
        Fault(
            "text under this name",
            lambda c: c.bam(lambda _: ROW.encode()),
            "is not a BAM: it does not start with a bgzip block",
        ),
    ],
    "BED (`--regions`)": [
        Fault("an empty file", lambda c: c.regions(""), "is empty: it holds no BED line"),
        Fault(
            "names in column 5", lambda c: c.regions("chr1\t100\t900\ta\tclassy\t+\n"), READ, "read"
        ),
        Fault(
            "unsorted, with scores over 1000 and fractions",
            lambda c: c.regions("chr1\t900\t990\ta\t19684\nchr1\t100\t300\tb\t3.5\n"),
            READ,
            "read",
        ),
        Fault(
            "infinite and missing numbers in columns that are not needed",
            lambda c: c.regions("chr1\t100\t300\tb\tinf\t.\t1e999\tnan\t-1\t5\n"),
            READ,
            "read",
        ),
        Fault(
            "UTF-8 with a byte-order mark",
            lambda c: c.regions(b"\xef\xbb\xbf" + BED.encode()),
            READ,
            "read",
        ),
        Fault(
            "line ends of Windows (CRLF)",
            lambda c: c.regions(BED.replace("\n", "\r\n")),
            READ,
            "read",
        ),
        Fault("UTF-16", lambda c: c.regions(BED.encode("utf-16")), "is not UTF-8 text"),
        Fault(
            "column names without #",
            lambda c: c.regions("chrom\tstart\tend\n" + BED),
            "a line of column names must begin with #",
        ),
        Fault(
            "a start below 0",
            lambda c: c.regions("chr1\t-5\t90\n"),
            "are not a start of at least 0",
        ),
        Fault(
            "an end of 20 digits",
            lambda c: c.regions("chr1\t5\t" + "9" * 20),
            "are not a start of at least 0",
        ),
        Fault(
            "an end past the contig",
            lambda c: c.regions("chr1\t5\t99999\n"),
            "ends past chr1 (4,000 bp in",
        ),
        Fault(
            "lines of 3 and of 4 columns",
            lambda c: c.regions(BED + BED.replace("\n", "\tx\n")),
            "line 2 has 4 columns, but the first line has 3",
        ),
        Fault(
            "100,000 tabs",
            lambda c: c.regions("\t" * 100_000),
            "has 100,001 columns; at most 10,000 are read",
        ),
    ],
    "FASTA and its index": [
        Fault("an empty FASTA", lambda c: c.genome(""), "is empty"),
        Fault("random bytes", lambda c: c.genome(bytes(range(128, 256))), "is not FASTA"),
        Fault("UTF-16", lambda c: c.genome(FASTA.encode("utf-16")), "is not FASTA"),
        Fault(
            "packed with gzip",
            lambda c: c.genome(gzip.compress(FASTA.encode())),
            "compress it with bgzip",
        ),
        Fault(
            "line ends of Windows (CRLF)",
            lambda c: c.genome(FASTA.replace("\n", "\r\n")),
            READ,
            "read",
        ),
        Fault("an empty first line", lambda c: c.genome("\n" + FASTA), READ, "read"),
        Fault(
            "a record without sequence",
            lambda c: c.genome(">empty\n" + FASTA),
            READ,
            "read without it, as samtools does",
        ),
        Fault(
            "lines of different lengths", lambda c: c.genome(">chr1\nACGT\nACGTACGT\nAC\n"), "chr1"
        ),
        Fault("a header without a name", lambda c: c.genome(">\nACGT\n"), "name"),
        Fault(
            "an index with a contig of 3,000,000,000 bp",
            lambda c: c.genome(FASTA, "chr1\t3000000000\t6\t60\t61\n"),
            "x.fa.fai",
        ),
        Fault(
            "an index with a contig of 20 digits",
            lambda c: c.genome(FASTA, "chr1\t99999999999999999999\t6\t60\t61\n"),
            "x.fa.fai",
        ),
        Fault(
            "an index with a length below 0",
            lambda c: c.genome(FASTA, "chr1\t-5\t6\t60\t61\n"),
            "is not a .fai line",
        ),
        Fault(
            "an index with lines of 0 bases",
            lambda c: c.genome(FASTA, "chr1\t4000\t6\t0\t0\n"),
            "x.fa.fai",
        ),
        Fault("an index with a contig twice", lambda c: c.genome(FASTA, FAI * 2), "x.fa.fai"),
        Fault(
            "an index of another FASTA",
            lambda c: c.genome(FASTA, FAI.replace("chr1", "chr2")),
            "does not belong to",
        ),
        Fault("an empty index", lambda c: c.genome(FASTA, ""), "is empty"),
        Fault(
            "an index with a NUL byte",
            lambda c: c.genome(FASTA, FAI.replace("r1", "r\0")),
            "x.fa.fai",
        ),
    ],
    "`model.json`": [
        Fault("an empty file", lambda c: c.loaded(""), "not JSON"),
        Fault("a list", lambda c: c.loaded("[1]"), "model spec version None is unknown"),
        Fault("100,000 lists in each other", lambda c: c.loaded(DEEP), "not JSON"),
        Fault("UTF-16", lambda c: c.loaded("{}".encode("utf-16")), "model.json"),
        Fault(
            "a number of 10,000 digits",
            lambda c: c.loaded('{"version": ' + "9" * 10_000 + "}"),
            "not JSON",
        ),
    ],
    "`run.json` of results (`hub`, `view`)": [
        Fault("an empty file", lambda c: c.hub(""), "is not the record of a run"),
        Fault("a list", lambda c: c.hub("[]"), "it holds no table but []"),
        Fault("a number", lambda c: c.hub("5"), "it holds no table but 5"),
        Fault("NaN", lambda c: c.hub("NaN"), "it holds no table but nan"),
        Fault(
            "100,000 lists in each other",
            lambda c: c.hub('{"kind": ' + DEEP + "}"),
            "is not the record of a run",
        ),
        Fault(
            "a number of 10,000 digits",
            lambda c: c.hub('{"seconds": ' + "9" * 10_000 + "}"),
            "is not the record of a run",
        ),
        Fault(
            "bytes that are not UTF-8",
            lambda c: c.hub(b'{"kind": "\xff"}'),
            "is not the record of a run",
        ),
        Fault(
            "a list for a text",
            lambda c: c.hub(RUN.replace('"predict"', "[1]") + "}"),
            "kind must be text",
        ),
        Fault(
            "a number for a table",
            lambda c: c.hub(RUN.replace('"options": {}', '"options": 3') + "}"),
            "options must be a table, got 3",
        ),
        Fault(
            "a text for a list",
            lambda c: c.hub(RUN.replace('"inputs": {}', '"inputs": "x"') + "}"),
            "inputs must be a table, got 'x'",
        ),
        Fault("nothing of the model", lambda c: c.hub(RUN + "}"), "is not the record of a run"),
    ],
    "Training configuration": [
        Fault("an empty file", lambda c: c.dataset(""), "is missing"),
        Fault("100,000 lists in each other", lambda c: c.dataset("x = " + DEEP), "is not TOML"),
        Fault("UTF-16", lambda c: c.dataset('name = "x"\n'.encode("utf-16")), "is not TOML"),
        Fault("a NUL byte", lambda c: c.dataset('name = "\0"\n'), "is not TOML"),
        Fault(
            "a number of 10,000 digits",
            lambda c: c.dataset("seed = " + "9" * 10_000),
            "is not TOML",
        ),
        Fault("17 MB", lambda c: c.dataset("#" * 17_000_000), "is larger than 16,777,216 bytes"),
    ],
    "Options": [
        Fault("`--tile` of 10^12", lambda c: c.predict("--tile", 10**12), "--tile"),
        Fault("`--batch` of 10^12", lambda c: c.predict("--batch", 10**12), "--batch"),
        Fault("`--threads` of 10^9", lambda c: c.predict("--threads", 10**9), "--threads"),
        Fault("`--min-mapq` of 10^6", lambda c: c.predict("--min-mapq", 10**6), "--min-mapq"),
        Fault(
            "`--depth` of nan",
            lambda c: c.predict("--depth", "nan"),
            "--depth nan must be a number above 0",
        ),
        Fault(
            "`--chrom` of 23 digits",
            lambda c: c.predict("--chrom", "chr1:1-" + "9" * 23),
            "ends past chr1 (4,000 bp)",
        ),
        Fault("`--chrom` of nothing", lambda c: c.predict("--chrom", ""), "'' is not a region"),
        Fault(
            "`--seed` of -1", lambda c: ["simulate", "-o", c.folder / "s", "--seed", "-1"], "--seed"
        ),
        Fault(
            "`--seed` of 2^70",
            lambda c: ["simulate", "-o", c.folder / "s", "--seed", 2**70],
            "--seed",
        ),
        Fault("`--port` of 70,000", lambda c: ["view", c.folder, "--port", "70000"], "--port"),
    ],
}
ELSEWHERE = {
    "Samples that are not what the model learnt from": [
        (
            "MNase-seq",
            "told to be unfit: no ATAC-seq; refused with `--strict`",
            "test_verdict.py::test_real_samples",
        ),
        (
            "a BED of states or peaks",
            "told to be unfit: no fragments",
            "test_verdict.py::test_intervals_that_are_no_fragments",
        ),
        (
            "5 % of the training sample",
            "warned of, with the accuracy to expect",
            "test_verdict.py::test_five_per_cent_of_the_training_sample",
        ),
        (
            "fragments of 19 loci",
            "depth taken over the loci; warned of",
            "test_verdict.py::test_confined_coverage_and_a_depth_in_doubt",
        ),
        (
            "no fragment where tracks are asked for",
            "told to be unfit",
            "test_verdict.py::test_predict_tells_records_and_refuses",
        ),
        (
            "ends shifted twice, or not at all",
            "warned of, with the option",
            "test_verdict.py::test_ends_shifted_twice",
        ),
    ],
    "Streams": [
        (
            "a pipe, `<(zcat ...)`, `-`",
            "read whole, into a file without a name",
            "test_pipes.py::test_all_rows_arrive_and_nothing_stays",
        ),
        (
            "a pipe, in Python",
            "refused at once",
            "test_pipes.py::test_python_refuses_a_pipe_at_once",
        ),
        (
            "a pipe that nobody writes to",
            "waits; Ctrl-C and SIGTERM end it",
            "test_stopping.py::test_a_pipe_that_nobody_writes_to",
        ),
    ],
    "More of BAM and bigWig": [
        (
            "ten headers that samtools reads and the specification does not allow",
            "read",
            "test_fragments_bam.py::test_headers_that_samtools_reads",
        ),
        (
            "`MQ` tags of another type",
            "read without them",
            "test_fragments_bam.py::test_a_mate_quality_of_another_type_is_no_mate_quality",
        ),
        (
            "a pair without a place, whatever its flag",
            "counted as unmapped",
            "test_fragments_bam.py::test_a_pair_that_lost_its_place_is_unmapped_whatever_its_flag",
        ),
        (
            "1 % of the rows of a text file past the contig's end",
            "left out and counted; more are refused",
            "test_fragments_text.py::"
            "test_a_few_rows_past_the_contigs_end_are_left_out_and_more_are_an_error",
        ),
        (
            "a bigWig cut off anywhere",
            "refused",
            "test_assays.py::test_truncated_at_every_place_that_is_read",
        ),
        ("a damaged block of a bigWig", "refused", "test_assays.py::test_damaged_block"),
    ],
    "A stranger's model and results": [
        (
            "loops, other domains, external data, unknown operators",
            "refused before it can run",
            "test_graph.py::test_what_no_model_of_ours_does_is_refused_before_it_can_run",
        ),
        (
            "any byte of a graph changed",
            "one sentence, or a graph that passes every check",
            "test_graph.py::test_any_damage_is_one_sentence",
        ),
        (
            "a graph that asks for more memory than there is",
            "ends in one sentence",
            "test_graph.py::test_a_graph_gets_no_more_memory_than_there_is",
        ),
        (
            "a network that takes hours, in many steps or in one",
            "Ctrl-C and SIGTERM end it within seconds",
            "test_stopping.py::test_a_network_that_takes_hours",
        ),
        (
            "a `run.json` that names a model",
            "never opened",
            "test_runs.py::test_a_model_that_a_record_names_is_never_opened",
        ),
        (
            "a `run.json` or a link that names files elsewhere",
            "not shown, not copied",
            "test_runs.py::test_files_outside_of_a_folder_are_none_of_its_results",
        ),
        (
            "a `run.json` that claims the user's files",
            "a rerun removes only what is proven to be a run's own",
            "test_run.py::test_files_of_the_user_that_a_record_claims_stay",
        ),
        (
            "a result that was changed after its run",
            "refused by name",
            "test_runs.py::test_a_file_that_the_run_did_not_make",
        ),
        (
            "HTML in names of tracks and features",
            "shown as text",
            "browser/test_view_names_in_chromium.py::test_names_are_text",
        ),
        (
            "another user of the machine asks `view`",
            "403 without the token",
            "test_view_server.py::test_without_the_token_nothing_is_sent",
        ),
    ],
    "Values in a configuration": [
        (
            "a seed below 0 or above 2^32 - 1, and any other value out of bounds",
            "refused with the file, the line, the key and what would be right",
            "test_config_checks.py::test_errors_of_one_sample",
        ),
    ],
    "Runs that die": [
        (
            "SIGKILL at a random moment of predict, explain, train, fragments, hub",
            "nothing lost, nothing mixed, no litter; a rerun equals an unbroken run",
            "test_kills.py::test_a_kill_at_any_moment",
        ),
        (
            "SIGKILL while results are published",
            "the earlier or the new results, whole",
            "test_run.py::test_a_run_killed_while_it_publishes",
        ),
        (
            "SIGKILL of `predict`, then `--resume`",
            "the same bytes as an unbroken run",
            "test_predict_resume.py::test_killed_again_and_again",
        ),
        (
            "SIGKILL of `train --force`",
            "the earlier model is whole",
            "test_train_again.py::test_a_killed_new_run_leaves_the_model_whole",
        ),
        (
            "two runs into one folder",
            "the second is refused and names the first",
            "test_run.py::test_a_second_run_into_the_folder_waits_for_no_one",
        ),
        (
            "a full disk",
            "one sentence; what was there stays",
            "test_lost_ground.py::test_a_full_disk",
        ),
        (
            "an output folder that vanishes",
            "one sentence",
            "test_lost_ground.py::test_a_folder_that_vanishes_during_the_run",
        ),
        (
            "too little memory, too few threads",
            "one sentence with the limit that is set",
            "test_stopping.py::test_a_system_that_gives_no_more",
        ),
    ],
}
"""Rows whose tests are in other files: what is given, what happens, and which test."""
CASES = [(group, fault) for group, faults in FAULTS.items() for fault in faults]


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return toy_inputs(tmp_path_factory.mktemp("toy"), toy_genome({"chr1": SIZE}))


@pytest.fixture
def case(toy: dict[str, Path], tmp_path: Path) -> Iterator[Case]:
    yield Case(tmp_path, toy["model"], toy["fasta"], toy["fragments"])


@pytest.mark.parametrize(
    ("group", "fault"), CASES, ids=[f"{group}: {fault.given}" for group, fault in CASES]
)
def test_a_fault_is_one_sentence_and_an_odd_file_is_read(case: Case, group: str, fault: Fault):
    words = [*map(str, fault.made(case))]
    before = sorted(case.folder.rglob("*"))
    result = CliRunner().invoke(app, words, env={"COLUMNS": "2000", "TERM": "dumb"})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    if not fault.said:
        assert result.exit_code == 0, result.stderr
        return
    assert result.exit_code in (1, 2), result.stderr
    message = result.stderr.strip()
    assert fault.said in message
    if result.exit_code == 1:
        assert len(message) < 5_000
        assert message.splitlines()[-1].startswith("error: ")
    # An index of a FASTA, and nothing else, may have been made before.
    after = [path for path in sorted(case.folder.rglob("*")) if path.name != "x.fa.fai"]
    assert after == [path for path in before if path.name != "x.fa.fai"]


def tables() -> str:
    """The page's tables."""
    parts = []
    for group, faults in FAULTS.items():
        rows = "\n".join(fault.row for fault in faults)
        parts.append(f"## {group}\n\n| What is given | What happens |\n|---|---|\n{rows}\n")
    for group, others in ELSEWHERE.items():
        rows = "\n".join(f"| {given} | {then} |" for given, then, _ in others)
        parts.append(f"## {group}\n\n| What is given | What happens |\n|---|---|\n{rows}\n")
    return "\n".join(parts)


@pytest.mark.parametrize("test", [row[2] for rows in ELSEWHERE.values() for row in rows])
def test_the_other_tests_are_there(test: str) -> None:
    name, _, function = test.partition("::")
    text = (Path(__file__).parent / name).read_text(encoding="utf-8")
    assert f"\ndef {function}(" in text


def test_the_page_shows_the_cases() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page[page.index("## ") :] == tables(), "run: python tests/test_faults.py"


def test_rows_are_told_apart() -> None:
    for faults in FAULTS.values():
        given = [fault.given for fault in faults]
        assert len(set(given)) == len(given)
    assert json.dumps(tables())


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(text[: text.index("## ")] + tables(), encoding="utf-8")
    sys.stdout.write(f"{PAGE}: {len(CASES)} cases\n")
