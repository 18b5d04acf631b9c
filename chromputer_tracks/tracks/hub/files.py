"""The data files of a hub: copied, linked, or made of what the runs left."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from chromputer_tracks.data.features import fragment_signal
from chromputer_tracks.errors import InputError
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.assays import is_bigwig
from chromputer_tracks.io.atomic import output_errors
from chromputer_tracks.io.bbi import check_bbi
from chromputer_tracks.io.bed import BedTable, read_bed
from chromputer_tracks.io.bigbed import Row, write_bigbed
from chromputer_tracks.io.bigwig import BigWigWriter
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.io.record import Report, file_record
from chromputer_tracks.options.predict import HubOptions
from chromputer_tracks.spec import InputSpec, Normalisation
from chromputer_tracks.tracks.hub.stanzas import HubTrack, Range, plain, tracks_with_data
from chromputer_tracks.tracks.predict import rgb_text
from chromputer_tracks.tracks.runs import AssayInput

COVERAGE_BIN = 10
"""bp of a value of a coverage track."""

_CHUNK = COVERAGE_BIN * 100_000
_COVERAGE = InputSpec(
    "signal", "coverage", COVERAGE_BIN, (), Normalisation((1.0,)), "sample", "coverage"
)
_AUTOSQL = {
    "calls": """table calls
"Calls of {}"
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
""",
    "sites": """table explainedSites
"Sites at which {} was explained"
    (
    string chrom;       "Contig"
    uint   chromStart;  "Start, 0-based"
    uint   chromEnd;    "End, exclusive"
    string name;        "Name of the site"
    uint   score;       "Its score as given, for calls 1000 times their probability"
    char[1] strand;     "Strand, or . for none"
    )
""",
}
"""Columns of the bigBeds that are made of a run's BED files, by the kind of track; a label's full
name goes into each."""


def make_data(
    tracks: Sequence[HubTrack], options: HubOptions, folder: Path, sizes: ChromSizes, report: Report
) -> dict[str, Range]:
    """Make and check the data of all tracks of a hub; returns the range of values by file name.

    Several tracks may show the same file. ``folder`` is that in which the hub is made.

    Raises:
        InputError: what a file is made of cannot be used, or is not what the run read.
        FormatError: a file is damaged, not sorted or lacks zoom levels.
        ContigError: its contigs are not those of the genome.
        OutputError: it cannot be written.
    """
    wanted = {track.file: (track, shown) for track, shown in tracks_with_data(tracks)}
    ranges = {}
    for number, (name, (track, shown)) in enumerate(wanted.items(), 1):
        path = folder / options.assembly / name
        with output_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        source, item = shown.path, track.input
        if item is not None:
            _check_input(source, item)
        if shown.label is not None and shown.kind in _AUTOSQL:
            autosql = _AUTOSQL[shown.kind].format(plain(shown.label.label.title).replace(";", ","))
            _make_bigbed(source, path, sizes, autosql, overlap=shown.kind == "sites")
        elif item is not None and not is_bigwig(source):
            _make_coverage(source, item, path, sizes, options.scratch, report)
        else:
            _keep(source, path, options.out / options.assembly / name, link=options.link)
            # A link leads from its final place only; and an error names what the user knows.
            path = source
        found = check_bbi(path, track.type, sizes)
        ranges[name] = (found.low, found.high)
        report.progress("files", number, len(wanted), "files")
    return ranges


def _keep(source: Path, path: Path, final: Path, *, link: bool) -> None:
    with output_errors(final):
        if link:
            path.symlink_to(os.path.relpath(source.resolve(), final.parent.resolve()))
            return
        # A copy shares its blocks with the original where the disk can.
        shutil.copyfile(source, path)
        with suppress(OSError):
            path.chmod(0o644)


def _make_bigbed(bed: Path, path: Path, sizes: ChromSizes, autosql: str, *, overlap: bool) -> None:
    rows = _rows(read_bed(bed, sizes))
    rows.sort(key=lambda row: (row[0].encode(), row[1], row[2]))
    write_bigbed(path, sizes, rows, autosql, overlap=overlap)


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
            (rgb_text(rgb or (0, 0, 0)) for rgb in colors),
        ]
    rest = ("\t".join(map(str, row)) for row in zip(*columns, strict=True))
    places = (table.chroms, table.start.tolist(), table.end.tolist())
    return list(zip(*places, rest, strict=True))


def _check_input(path: Path, item: AssayInput) -> None:
    size = path.stat().st_size if path.is_file() else -1
    if size != item.bytes or file_record(path).sha256 != item.sha256:
        raise InputError(
            f"{path} is not the file any more that the run read as its {item.assay} (SHA-256 "
            f"{item.sha256[:12]}...): say where that is with --input, or leave coverage out with "
            "--no-coverage"
        )


def _make_coverage(
    source: Path,
    item: AssayInput,
    path: Path,
    sizes: ChromSizes,
    scratch: Path | None,
    report: Report,
) -> None:
    def read(kept: int) -> None:
        report.progress(f"reading {source.name}", kept, None, "fragments")

    with FragmentStore.build(source, sizes, item.options, read, scratch) as store:
        write_coverage(path, store, sizes)


def write_coverage(path: Path, store: FragmentStore, sizes: ChromSizes) -> None:
    """Write a bigWig of the mean number of fragments over the bases of each bin, of whole contigs.

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
