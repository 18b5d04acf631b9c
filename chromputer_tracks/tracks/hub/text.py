"""Texts of a track hub: stanzas, labels within the genome browser's limits, and names.

A hub's files are stanzas of ``setting value`` lines with blank lines between them; see
https://genome.ucsc.edu/goldenPath/help/trackDb/trackDbHub.html for the settings and their limits.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from chromputer_tracks.intervals import Interval

SHORT, LONG = 17, 76
"""Most characters of a track's short and long label."""
HUB_SHORT, HUB_LONG = 19, 69
"""Most characters of a hub's own labels: "under 20" and "under 70"."""

Settings = Sequence[tuple[str, str]]

_CUT = ".."
_LEAST_SAMPLE = 6
"""Characters that a sample's name keeps beside a long text."""
_NAME = 100
"""Most characters of a name, which is part of file names."""
_MARKUP = str.maketrans({"&": "and", "<": "(", ">": ")", '"': "'", "\\": "/", "|": "/"})


def plain(text: str) -> str:
    """One line of ASCII without markup, which every browser shows as it stands."""
    # Wide forms of < and the like become plain ones.
    decomposed = unicodedata.normalize("NFKD", text).translate(_MARKUP)
    kept = "".join(c for c in decomposed if not unicodedata.combining(c))
    ascii_text = kept.encode("ascii", "replace").decode()
    return " ".join("".join(c if c.isprintable() else " " for c in ascii_text).split())


def shorten(text: str, limit: int) -> str:
    """The text as :func:`plain` gives it, cut at the end where it is longer than ``limit``."""
    text = plain(text)
    return text if len(text) <= limit else text[: limit - len(_CUT)].rstrip() + _CUT


def short_label(text: str, sample: str) -> str:
    """A track's short label.

    Args:
        text: what the track shows.
        sample: its sample; empty where there is one only.
    """
    return _with_sample(text, sample, " ", SHORT)


def long_label(text: str, sample: str) -> str:
    """A track's long label; see :func:`short_label`."""
    return _with_sample(text, sample, ", ", LONG)


def _with_sample(text: str, sample: str, joint: str, limit: int) -> str:
    """Names of samples tend to differ at both ends, so they are cut in the middle."""
    text, sample = plain(text), plain(sample)
    if not sample:
        return shorten(text, limit)
    whole = f"{text}{joint}{sample}"
    if len(whole) <= limit:
        return whole
    text = shorten(text, limit - len(joint) - min(len(sample), _LEAST_SAMPLE))
    room = limit - len(joint) - len(text)
    if len(sample) > room:
        tail = (room - len(_CUT)) // 2
        sample = sample[: room - len(_CUT) - tail] + _CUT + sample[len(sample) - tail :]
    return f"{text}{joint}{sample}"


def word(text: str) -> str:
    """A text as one word: blanks become ``_``, which the browser shows as blanks; no ``=``."""
    return plain(text).replace("=", "-").replace(" ", "_") or "_"


def identifier(*parts: str) -> str:
    """The parts joined by ``_``, of letters, digits, ``_`` and ``-``, begun with a letter."""
    joined = "_".join(part for part in parts if part)
    name = re.sub(r"[^A-Za-z0-9_-]", "_", plain(joined))
    return name if name[:1].isalpha() else f"t{name}"


class Names:
    """Gives each thing another name, also where case does not count."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def new(self, *parts: str) -> str:
        """:func:`identifier` of the parts, cut, with a number behind it where that is taken."""
        base = identifier(*parts)[:_NAME]
        name, number = base, 1
        while name.casefold() in self._given:
            number += 1
            name = f"{base}_{number}"
        self._given.add(name.casefold())
        return name


def stanza(settings: Settings, depth: int = 0) -> str:
    """Lines of a stanza, without the blank line behind it.

    Args:
        settings: the first names the stanza.
        depth: levels of indentation.
    """
    return "".join(f"{'    ' * depth}{key} {value}\n" for key, value in settings)


def file_text(stanzas: Iterable[str]) -> str:
    """A file of stanzas."""
    return "\n".join(stanzas)


def browser_position(interval: Interval) -> str:
    """A position as browsers and hubs write it: 1-based, both ends included."""
    return f"{interval.chrom}:{interval.start + 1}-{interval.end}"
