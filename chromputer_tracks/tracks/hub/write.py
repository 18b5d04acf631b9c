"""Writes the files of a hub into a folder, each checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from chromputer_tracks.inference.sample import Report
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.atomic import output_errors
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.twobit import write_twobit
from chromputer_tracks.tracks.hub.check import check_bbi
from chromputer_tracks.tracks.hub.files import is_kept, make_file
from chromputer_tracks.tracks.hub.genome import GROUP, OwnGenome
from chromputer_tracks.tracks.hub.options import HUB, HubOptions
from chromputer_tracks.tracks.hub.text import file_text, stanza
from chromputer_tracks.tracks.hub.tracks import Range, Track, track_stanzas

GENOMES, TRACKS, OVERVIEW = "genomes.txt", "trackDb.txt", "hub.html"


class HubWriter:
    """Makes the files in a folder from which they are published.

    Args:
        options: of the hub.
        folder: exists.
        sizes: the genome's contigs.
        report: told how far it is.

    Attributes:
        names: of the files made, relative to the hub.
    """

    def __init__(
        self, options: HubOptions, folder: Path, sizes: ChromSizes, report: Report
    ) -> None:
        self._options = options
        self._folder = folder
        self._sizes = sizes
        self._report = report
        self.names: list[str] = []

    def data(self, tracks: Sequence[Track]) -> dict[str, Range]:
        """Make and check the data of all tracks; returns the range of values by file name.

        Several tracks may show the same file.

        Raises:
            InputError: what a file is made of cannot be used.
            FormatError: a file is damaged, not sorted or lacks zoom levels.
            ContigError: its contigs are not those of the genome.
            OutputError: it cannot be written.
        """
        shown = [item for track in tracks for item in track.walk()]
        wanted = {item.file.name: (item.file, item.type) for item in shown if item.file is not None}
        ranges = {}
        for number, (name, (file, kind)) in enumerate(wanted.items(), 1):
            path = self._new(f"{self._options.assembly}/{name}")
            final = self._options.out / self._options.assembly / name
            make_file(
                file,
                path,
                final,
                self._sizes,
                self._report,
                link=self._options.link,
                scratch=self._options.scratch,
            )
            # A link leads from its final place only; and an error names what the user knows.
            found = check_bbi(file.path if is_kept(file) else path, kind, self._sizes)
            ranges[name] = (found.low, found.high)
            self._report.progress("files", number, len(wanted), "files")
        return ranges

    def texts(self, texts: Mapping[str, str]) -> None:
        """Write text files by name.

        Raises:
            OutputError: one cannot be written.
        """
        for name, text in texts.items():
            with output_errors(self._options.out / name):
                self._new(name).write_text(text, encoding="utf-8", newline="\n")

    def genome(self, own: OwnGenome) -> None:
        """Write the sequence and the text files of a genome that the hub brings.

        Raises:
            InputError: the FASTA cannot be read.
            OutputError: a file cannot be written.
        """
        self._report.note(f"writing {own.twobit}")
        with Fasta(own.fasta) as fasta:
            write_twobit(self._new(f"{own.name}/{own.twobit}"), fasta)
        self.texts({f"{own.name}/{name}": text for name, text in own.texts().items()})

    def _new(self, name: str) -> Path:
        """Where a file is made."""
        path = self._folder / name
        with output_errors(self._options.out / name):
            path.parent.mkdir(parents=True, exist_ok=True)
        self.names.append(name)
        return path


def hub_texts(
    options: HubOptions,
    labels: tuple[str, str],
    tracks: Sequence[Track],
    ranges: Mapping[str, Range],
    own: OwnGenome | None,
    position: Interval,
) -> dict[str, str]:
    """The files of settings by name: three, or one.

    Args:
        options: of the hub.
        labels: short and long label of the hub.
        tracks: in the order in which the browser is to show them.
        ranges: of each bigWig, by the name of its file.
        own: the genome where the hub brings it.
        position: shown at first where it does.
    """
    base = f"{options.assembly}/"
    short, long = labels
    hub = [("hub", options.hub_name()), ("shortLabel", short), ("longLabel", long)]
    hub.append(("useOneFile", "on") if options.one_file else ("genomesFile", GENOMES))
    hub += [("email", options.email), ("descriptionUrl", OVERVIEW)]
    genome = [("genome", options.assembly)]
    if not options.one_file:
        genome.append(("trackDb", base + TRACKS))
    if own is not None:
        genome += own.settings(base, position)
    group = "" if own is None else GROUP
    if options.one_file:
        stanzas = track_stanzas(tracks, ranges, base=base, group=group)
        return {HUB: file_text([stanza(hub), stanza(genome), *stanzas])}
    return {
        HUB: stanza(hub),
        GENOMES: stanza(genome),
        base + TRACKS: file_text(track_stanzas(tracks, ranges, group=group)),
    }
