"""What a hub is asked to be."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from chromputer_tracks.errors import InputError
from chromputer_tracks.intervals import Interval
from chromputer_tracks.tracks.hub.stanzas import (
    HUB_LONG,
    HUB_SHORT,
    browser_position,
    identifier,
    shorten,
)
from chromputer_tracks.tracks.igv import JSON_NAME

HUB = "hub.txt"
"""The file that a browser is given."""
BROWSER = "https://genome.ucsc.edu/cgi-bin/hgTracks"
IGV = "https://igv.org/app/"

_EMAIL = re.compile(r"[^@\s<>\"]+@[^@\s<>\"]+")
_ASSEMBLY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class HubOptions:
    """What a hub is made of, and how.

    Attributes:
        folders: runs whose samples are told from the files that they read.
        out: folder of the hub; made when only its parent exists.
        assembly: name at UCSC, or with ``fasta`` any name.
        email: of whom to ask.
        samples: name and folder of further runs.
        url: where the folder is to be served, for links; None: not known yet.
        name: of the hub, one word; None: made of the assembly.
        short: label of the hub; None: made of the samples.
        long: label of the hub; None: made of the models.
        one_file: write all settings into ``hub.txt``.
        link: link to the runs' files where they are kept as they are.
        fasta: genome that the hub brings along; None: UCSC has it.
        organism: of ``fasta``; None: the assembly's name.
        scientific_name: of ``fasta``; None: none.
        description: of ``fasta``'s assembly; None: made of the names.
        sizes: ``chrom.sizes`` or ``.fai`` of the assembly, to check contigs; None: not checked.
        position: region shown at first; None: the strongest site or call.
        coverage: show the samples' inputs, too.
        inputs: the samples' inputs where they are not where the runs found them.
        models: models that are not where the runs found them.
        scratch: folder for temporary files; None: the system's.
        force: write into a folder that holds other things than an earlier hub.
    """

    folders: tuple[Path, ...]
    out: Path
    assembly: str
    email: str
    samples: tuple[tuple[str, Path], ...] = ()
    url: str | None = None
    name: str | None = None
    short: str | None = None
    long: str | None = None
    one_file: bool = False
    link: bool = False
    fasta: Path | None = None
    organism: str | None = None
    scientific_name: str | None = None
    description: str | None = None
    sizes: Path | None = None
    position: str | None = None
    coverage: bool = True
    inputs: tuple[Path, ...] = ()
    models: tuple[str | Path, ...] = ()
    scratch: Path | None = None
    force: bool = False

    def __post_init__(self) -> None:
        if not (self.folders or self.samples):
            raise InputError(
                "no results to show: name a folder that `chromputer predict` or `explain` wrote"
            )
        if not _EMAIL.fullmatch(self.email):
            raise InputError(f"--email {self.email!r} is not an address such as me@example.org")
        if not _ASSEMBLY.fullmatch(self.assembly):
            raise InputError(
                f"--assembly {self.assembly!r}: use letters, digits, '.', '_' and '-', as UCSC's "
                "sacCer3"
            )
        if self.name is not None and not _NAME.fullmatch(self.name):
            raise InputError(
                f"--name {self.name!r}: use letters, digits, '_' and '-', begun with a letter"
            )
        for option, text, most in (
            ("--label", self.short, HUB_SHORT),
            ("--long-label", self.long, HUB_LONG),
        ):
            if text is not None and not 0 < len(text.strip()) <= most:
                raise InputError(f"{option} {text!r} must have 1 to {most} characters")
        for option, value in (
            ("--organism", self.organism),
            ("--scientific-name", self.scientific_name),
            ("--description", self.description),
        ):
            if value is not None and self.fasta is None:
                raise InputError(f"{option} tells of a genome that the hub brings: add --fasta")
        if self.url is not None:
            _check_address(self.url)

    @property
    def folder_url(self) -> str | None:
        """Address of the hub's folder, with a ``/`` behind it."""
        return None if self.url is None else f"{self.url.removesuffix('/' + HUB).rstrip('/')}/"

    @property
    def hub_url(self) -> str | None:
        """Address of ``hub.txt``."""
        return None if self.folder_url is None else self.folder_url + HUB

    def hub_name(self) -> str:
        """The hub's name, one word."""
        return self.name or identifier("chromputer", self.assembly.replace(".", "_"))

    def labels(self, models: Sequence[str], samples: Sequence[str]) -> tuple[str, str]:
        """Short and long label of the hub.

        Args:
            models: names.
            samples: names.
        """
        # A folder's name tells something only beside others.
        one = samples[0] if len(samples) == 1 and self.samples else ""
        of = f"of {one}, " if one else f"of {len(samples)} samples, " * (len(samples) > 1)
        by = ", ".join(models)
        return (
            shorten(self.short or f"Chromputer {one or 'tracks'}", HUB_SHORT),
            shorten(self.long or f"Chromatin tracks {of}predicted by {by}", HUB_LONG),
        )

    def links(self, position: Interval) -> tuple[tuple[str, str], ...]:
        """What the hub is seen with, and its address; nothing without a URL."""
        if self.hub_url is None:
            return ()
        known = self.fasta is None and not self.assembly.startswith(("GCA_", "GCF_"))
        query = {
            "db" if known else "genome": self.assembly,
            "hubUrl": self.hub_url,
            "position": browser_position(position),
        }
        session = {"sessionURL": f"{self.folder_url}{JSON_NAME}"}
        return (
            ("UCSC genome browser", f"{BROWSER}?{urlencode(query)}"),
            ("IGV-Web", f"{IGV}?{urlencode(session)}"),
        )


def _check_address(url: str) -> None:
    try:
        parts = urlsplit(url)
        whole = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        whole = False
    # A path is put behind it, so that it has neither query nor fragment, not even empty ones.
    if not whole or not url.isprintable() or {"?", "#"} & set(url):
        raise InputError(
            f"--url {url!r} is not the address of a folder, such as https://example.org/hub"
        )
