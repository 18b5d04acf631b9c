"""The data files of a hub: copied, linked, or made of what the runs left."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chromputer_tracks.data.features import fragment_signal
from chromputer_tracks.errors import InputError
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.assays import is_bigwig
from chromputer_tracks.io.atomic import output_errors
from chromputer_tracks.io.bed import BedTable, read_bed
from chromputer_tracks.io.bigbed import Row, write_bigbed
from chromputer_tracks.io.bigwig import BigWigWriter
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.io.run import Report
from chromputer_tracks.spec import InputSpec, Label, Normalisation
from chromputer_tracks.tracks.hub.text import plain
from chromputer_tracks.tracks.runs import AssayInput, file_digest

COVERAGE_BIN = 10
"""bp of a value of a coverage track."""

_CHUNK = COVERAGE_BIN * 100_000
_COVERAGE = InputSpec(
    "signal", "coverage", COVERAGE_BIN, (), Normalisation((1.0,)), "sample", "coverage"
)


@dataclass(frozen=True, slots=True)
class Kept:
    """A file of a run, as it is.

    Attributes:
        name: in the genome's folder of the hub.
        path: of the run.
    """

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class FromBed:
    """A bigBed made of a BED file.

    Attributes:
        name: in the genome's folder of the hub.
        path: BED6 or BED9 of the run.
        autosql: what its columns are.
        overlap: whether its rows may overlap.
    """

    name: str
    path: Path
    autosql: str
    overlap: bool


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many fragments lie over the bases of each :data:`COVERAGE_BIN`, or a bigWig as it is.

    Attributes:
        name: in the genome's folder of the hub.
        path: where the file is now.
        input: what the run said of it.
    """

    name: str
    path: Path
    input: AssayInput


HubFile = Kept | FromBed | Coverage


def is_kept(item: HubFile) -> bool:
    """Whether a file is shown as it is.

    Raises:
        InputError: it cannot be read.
    """
    return isinstance(item, Kept) or (isinstance(item, Coverage) and is_bigwig(item.path))


def make_file(
    item: HubFile,
    path: Path,
    final: Path,
    sizes: ChromSizes,
    report: Report,
    *,
    link: bool,
    scratch: Path | None,
) -> None:
    """Make one file.

    Args:
        item: what it is.
        path: where it is made; its folder exists.
        final: where it will lie, to which a link is relative.
        sizes: the genome's contigs.
        report: told what was read.
        link: link to files that are kept as they are.
        scratch: folder for temporary files; None: the system's.

    Raises:
        InputError: what it is made of cannot be read, or is not the file that the run read.
        OutputError: it cannot be written.
    """
    if isinstance(item, FromBed):
        _make_bigbed(item, path, sizes)
        return
    if isinstance(item, Coverage):
        _check_input(item)
        if not is_kept(item):
            _make_coverage(item, path, sizes, report, scratch)
            return
    _keep(item.path, path, final, link=link)


def _keep(source: Path, path: Path, final: Path, *, link: bool) -> None:
    with output_errors(final):
        if link:
            path.symlink_to(os.path.relpath(source.resolve(), final.parent.resolve()))
            return
        # A copy shares its blocks with the original where the disk can.
        shutil.copyfile(source, path)
        with suppress(OSError):
            path.chmod(0o644)


def _make_bigbed(item: FromBed, path: Path, sizes: ChromSizes) -> None:
    rows = _rows(read_bed(item.path, sizes))
    rows.sort(key=lambda row: (row[0].encode(), row[1], row[2]))
    write_bigbed(path, sizes, rows, item.autosql, overlap=item.overlap)


def _rows(table: BedTable) -> list[Row]:
    """The rows with the columns that the BED file has: BED6, or BED9 with thick parts."""
    count, scores, thick, colors = len(table), table.scores, table.thick, table.colors
    columns: list[Iterable[object]] = [
        table.names or ["."] * count,
        [0] * count if scores is None else map(round, scores.tolist()),
        table.strands or ["."] * count,
    ]
    if thick is not None and colors is not None:
        columns += [
            thick[0].tolist(),
            thick[1].tolist(),
            (",".join(map(str, rgb or (0, 0, 0))) for rgb in colors),
        ]
    rest = ("\t".join(map(str, row)) for row in zip(*columns, strict=True))
    places = (table.chroms, table.start.tolist(), table.end.tolist())
    return list(zip(*places, rest, strict=True))


def _check_input(item: Coverage) -> None:
    found = item.path.stat().st_size if item.path.is_file() else -1
    if found != item.input.bytes or file_digest(item.path) != item.input.sha256:
        raise InputError(
            f"{item.path} is not the file any more that the run read as its {item.input.assay} "
            f"(SHA-256 {item.input.sha256[:12]}...): say where that is with --input, or leave "
            "coverage out with --no-coverage"
        )


def _make_coverage(
    item: Coverage, path: Path, sizes: ChromSizes, report: Report, scratch: Path | None
) -> None:
    options = item.input.options
    with FragmentStore.build(
        item.path,
        sizes,
        options,
        lambda kept: report.progress(f"reading {item.path.name}", kept, None, "fragments"),
        scratch,
    ) as store:
        write_coverage(path, store, sizes)


def write_coverage(path: Path, store: FragmentStore, sizes: ChromSizes) -> None:
    """Write a bigWig of the mean number of fragments over the bases of each bin.

    Args:
        path: the file.
        store: the fragments.
        sizes: the genome's contigs; each is written whole.

    Raises:
        OutputError: it cannot be written.
    """
    with BigWigWriter(path, sizes, COVERAGE_BIN) as writer:
        for chrom in sorted(sizes, key=str.encode):
            size = sizes[chrom]
            for start in range(0, size, _CHUNK):
                end = min(start + _CHUNK, size)
                bins = -(-(end - start) // COVERAGE_BIN)
                span = Interval(chrom, start, start + bins * COVERAGE_BIN)
                values = fragment_signal(store, span, _COVERAGE)
                # Fragments end with their contig: the last bin is the mean of the bases it has.
                values[-1] *= np.float32(COVERAGE_BIN / (end - span.end + COVERAGE_BIN))
                writer.add(chrom, start, end, values)


def calls_autosql(label: Label) -> str:
    """AutoSql of a label's calls, BED9."""
    what = plain(label.title).replace(";", ",")
    return f"""table calls
"Calls of {what}"
    (
    string chrom;       "Contig"
    uint   chromStart;  "Start, 0-based"
    uint   chromEnd;    "End, exclusive"
    string name;        "Label"
    uint   score;       "Largest probability, times 1000"
    char[1] strand;     "Always ."
    uint   thickStart;  "Start of the bin with the largest probability, 0-based"
    uint   thickEnd;    "Its end, exclusive"
    uint   reserved;    "Colour of the label"
    )
"""


def sites_autosql(label: Label) -> str:
    """AutoSql of a label's explained sites, BED6."""
    what = plain(label.title).replace(";", ",")
    return f"""table explainedSites
"Sites at which {what} was explained"
    (
    string chrom;       "Contig"
    uint   chromStart;  "Start, 0-based"
    uint   chromEnd;    "End, exclusive"
    string name;        "Name of the site"
    uint   score;       "Its score as given, for calls 1000 times their probability"
    char[1] strand;     "Strand, or . for none"
    )
"""
