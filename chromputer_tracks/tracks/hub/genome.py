"""The genome of a hub: one that UCSC's browser has, or one that the hub brings along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chromputer_tracks.errors import FormatError, InputError
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.bed import read_bed
from chromputer_tracks.io.contributions import SITES_BED
from chromputer_tracks.io.text import numbered_lines
from chromputer_tracks.tracks.hub.layout import Plan
from chromputer_tracks.tracks.hub.pages import render
from chromputer_tracks.tracks.hub.text import browser_position, plain, stanza
from chromputer_tracks.tracks.writer import label_file

GROUP = "chromputer"
"""The group of all tracks where the hub brings its own genome."""
GROUPS, SIZES, PAGE = "groups.txt", "chrom.sizes", "description.html"
"""Files of such a genome, beside its 2bit."""

_FLANK = 5_000
_START = 100_000
_ORDER = "4800"


@dataclass(frozen=True, slots=True)
class OwnGenome:
    """A genome that UCSC's browser lacks.

    Attributes:
        name: of the assembly.
        fasta: with its ``.fai``.
        sha256: of the FASTA.
        sizes: its contigs.
        organism: common name.
        scientific_name: empty for none.
        description: of the assembly.
    """

    name: str
    fasta: Path
    sha256: str
    sizes: ChromSizes
    organism: str
    scientific_name: str
    description: str

    @property
    def twobit(self) -> str:
        """Name of its sequence file."""
        return f"{self.name}.2bit"

    def settings(self, base: str, position: Interval) -> list[tuple[str, str]]:
        """Its lines in ``genomes.txt``.

        Args:
            base: leads to the genome's folder, with a ``/`` behind it.
            position: shown at first.
        """
        lines = [
            ("groups", base + GROUPS),
            ("description", plain(self.description)),
            ("twoBitPath", base + self.twobit),
            ("chromSizes", base + SIZES),
            ("organism", plain(self.organism)),
            ("defaultPos", browser_position(position)),
            ("orderKey", _ORDER),
            ("htmlPath", base + PAGE),
        ]
        if self.scientific_name:
            lines.insert(-1, ("scientificName", plain(self.scientific_name)))
        return lines

    def texts(self) -> dict[str, str]:
        """The genome's text files by name."""
        group = [
            ("name", GROUP),
            ("label", "Chromputer"),
            ("priority", "1"),
            ("defaultIsClosed", "0"),
        ]
        sizes = self.sizes
        longest = max(sizes, key=lambda name: sizes[name])
        page = render(
            "assembly",
            {
                "organism": self.organism,
                "description": self.description,
                "contigs": f"{len(sizes):,}",
                "bases": f"{sizes.total:,}",
                "longest": f"{longest}, {sizes[longest]:,} bp",
                "fasta": self.fasta.name,
                "sha256": self.sha256,
            },
        )
        lines = "".join(f"{name}\t{size}\n" for name, size in sizes.items())
        return {GROUPS: stanza(group), SIZES: lines, PAGE: page}


def read_sizes(path: Path) -> ChromSizes:
    """Contigs and their lengths from a ``chrom.sizes`` or ``.fai`` file.

    Raises:
        InputError: it cannot be read or holds no line.
        FormatError: a line has no name and length, or a name comes twice.
    """
    sizes: dict[str, int] = {}
    for line in numbered_lines(path):
        name, *rest = line.fields
        if not (name and rest and rest[0].isdecimal()):
            raise FormatError(
                f"{path} line {line.number} is not a name and a length with a tab between them"
            )
        if name in sizes:
            raise FormatError(f"{path} line {line.number}: {name} comes twice")
        sizes[name] = int(rest[0])
    if not sizes:
        raise InputError(f"{path} is empty; give a chrom.sizes or .fai file")
    return ChromSizes(sizes, source=str(path))


def first_position(plans: Sequence[Plan], sizes: ChromSizes) -> Interval:
    """What a browser shows at first: the strongest explained site or call, else a contig's start.

    Args:
        plans: the hub's models.
        sizes: the genome's contigs.
    """
    beds = [
        run.file(f"{name}/{SITES_BED}") for plan in plans for _, run, name, _ in plan.explained()
    ]
    beds += [
        run.file(label_file(head, label, "bed"))
        for plan in plans
        for _, run, head, _, label in plan.labels("binary")
    ]
    for path in beds:
        if path.stat().st_size:
            table = read_bed(path, sizes)
            row = 0 if table.scores is None else int(table.scores.argmax())
            chrom, centre = table.places[row]
            start = max(centre - _FLANK, 0)
            return Interval(chrom, start, min(start + 2 * _FLANK, sizes[chrom]))
    chrom = next(iter(sizes))
    return Interval(chrom, 0, min(sizes[chrom], _START))
