"""The page of ``chromputer motifs``: one HTML file that opens offline, without scripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from chromputer_tracks import __version__
from chromputer_tracks.analysis.known_motifs import MotifMatch
from chromputer_tracks.analysis.logos import aligned_logo, glyphs, small_logo
from chromputer_tracks.analysis.motifs.files import describe
from chromputer_tracks.analysis.motifs.results import LabelResult, PatternResult, outcome
from chromputer_tracks.analysis.pages import Page
from chromputer_tracks.analysis.report.blocks import MISSING, Fact, signed
from chromputer_tracks.figures.style import ACCENT, MUTED, canvas, to_svg

# ---- Where a pattern's hits lie relative to the sites, as a small figure.

_BARS = 41
_MINUS = "\N{MINUS SIGN}"


def offset_figure(offsets: NDArray[np.float64], window: int, description: str) -> str:
    """Histogram of hits by their distance from the site's summit, SVG.

    Args:
        offsets: float64 (h,), bp; those beyond the window are not shown.
        window: bp around the summit.
        description: for those who cannot see it.
    """
    half = window / 2
    with canvas(3.1, 1.45) as figure:
        axes = figure.add_subplot()
        counts, edges = np.histogram(offsets, bins=_BARS, range=(-half, half))
        axes.bar(
            (edges[:-1] + edges[1:]) / 2, counts, width=0.86 * window / _BARS, color=ACCENT,
            linewidth=0,
        )  # fmt: skip
        axes.axvline(0, color=MUTED, linewidth=0.7, dashes=(3, 3), zorder=0)
        axes.set(xlim=(-half, half), ylim=(0, None), ylabel="hits")
        axes.set_xlabel("bp from the summit", labelpad=2)
        axes.set_xticks((-half, 0, half), (f"{_MINUS}{half:g}", "0", f"+{half:g}"))
        axes.grid(axis="x", visible=False)
        axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
        return to_svg(figure, description)


PAGE = "motifs.html"

_SHOWN = 3
"""Known motifs shown of each pattern."""


@dataclass(frozen=True, slots=True, eq=False)
class PageData:
    """What the page is made from.

    Attributes:
        results: of each label.
        record: of the run, as ``run.json`` will hold it.
        database: what patterns were matched to; empty for none.
        q: false discovery rate up to which a match names a pattern.
    """

    results: tuple[LabelResult, ...]
    record: Mapping[str, Any]
    database: str
    q: float


@dataclass(frozen=True, slots=True)
class KnownMotif:
    """A row of a pattern's known motifs.

    Attributes:
        logo: aligned with the pattern's.
        name: of the motif.
        identifier: in its database.
        url: of its description; empty for none.
        strand: ``as it is`` or ``reverse complement``.
        p: of the match.
        q: likewise.
        e: likewise.
        sure: whether q is low enough.
    """

    logo: str
    name: str
    identifier: str
    url: str
    strand: str
    p: str
    q: str
    e: str
    sure: bool


@dataclass(frozen=True, slots=True)
class PatternCard:
    """A pattern as the page shows it.

    Attributes:
        name: of the pattern.
        consensus: of its core.
        against: whether its bases speak against the label.
        known: name of the known motif that it looks like; empty for none.
        q: of that match; empty for none.
        small: its contributions, as a row of a table shows them.
        logo: its matrices.
        offsets: where its hits lie.
        core: its information, aligned with the known motifs'.
        motifs: known motifs, the best first.
        seqlets: how many.
        hits: how many.
        sites: how many have one, and their share.
        contribution: mean of a hit.
    """

    name: str
    consensus: str
    against: bool
    known: str
    q: str
    small: str
    logo: str
    offsets: str
    core: str
    motifs: tuple[KnownMotif, ...]
    seqlets: str
    hits: str
    sites: str
    contribution: str


@dataclass(frozen=True, slots=True)
class LabelSection:
    """A label with its patterns; ``outcome`` describe what was found."""

    name: str
    outcome: str
    cards: tuple[PatternCard, ...]


def render_page(data: PageData) -> str:
    """The page, HTML5; every text is escaped, and nothing is loaded from elsewhere."""
    page = Page("motifs.html.j2")
    return page.render(
        title=", ".join(result.label for result in data.results),
        facts=_facts(data),
        sections=[_section(result, data) for result in data.results],
        database=data.database,
        q=f"{data.q:g}",
        settings=data.record,
        glyphs=Markup(glyphs()),  # noqa: S704
        style=page.own("report.css", "motifs.css"),
        version=__version__,
    )


def _facts(data: PageData) -> list[Fact]:
    explained = data.record["explained"]
    patterns = [item for result in data.results for item in result.patterns]
    facts = [Fact("Patterns", f"{len(patterns):,}")]
    if data.database:
        named = sum(item.known(data.q) is not None for item in patterns)
        facts.append(Fact("Look like a known motif", f"{named:,}"))
        facts.append(Fact("Known motifs", f"{data.database}, {data.record['known_motifs']:,}"))
    sites = {result.sites for result in data.results}
    facts.append(Fact("Sites of each label", " to ".join(f"{n:,}" for n in _ends(sites))))
    facts.append(Fact("Bases looked at", f"{data.record['window']:,} bp around each summit"))
    if "model" in explained:
        facts.append(Fact("Model", explained["model"]["name"]))
    if "method" in explained:
        references = explained.get("references")
        by = f", {references} references" if explained["method"] == "deeplift" else ""
        facts.append(Fact("Contributions", f"{explained['method']}{by}"))
    return facts


def _ends(values: set[int]) -> list[int]:
    return sorted({min(values), max(values)})


def _section(result: LabelResult, data: PageData) -> LabelSection:
    return LabelSection(
        result.label,
        outcome(result),
        tuple(_card(item, result, data) for item in result.patterns),
    )


def _card(item: PatternResult, result: LabelResult, data: PageData) -> PatternCard:
    pattern, hits = item.pattern, item.hits
    match = item.known(data.q)
    core, motifs = _known_motifs(item, data.q)
    share = item.sites / result.sites
    return PatternCard(
        name=pattern.name,
        consensus=pattern.consensus,
        against=pattern.sign < 0,
        known=(match.target.alternate or match.target.name) if match else "",
        q=scientific(match.q) if match else "",
        small=small_logo(
            pattern.contributions[:, pattern.core], f"mean contributions of {describe(item)}"
        ),
        logo=item.logo(
            f"{describe(item)}: mean contributions, mean hypothetical contributions and information"
        ),
        offsets=offset_figure(
            item.offsets,
            result.window,
            f"Distance of {len(hits):,} hits of {pattern.name} from the summits of their sites",
        ),
        core=core,
        motifs=motifs,
        seqlets=f"{len(pattern.seqlets):,}",
        hits=f"{len(hits):,}",
        sites=f"{item.sites:,} of {result.sites:,} ({share:.0%})",
        contribution=signed(float(np.mean(hits.contribution))) if len(hits) else MISSING,
    )


def _known_motifs(item: PatternResult, q: float) -> tuple[str, tuple[KnownMotif, ...]]:
    """The core's logo, and those of known motifs where they lie below it."""
    pattern = item.pattern
    frequencies = pattern.frequencies[:, pattern.core]
    shown: Sequence[MotifMatch] = item.matches[:_SHOWN]
    columns = slice(
        min([0, *(match.start for match in shown)]),
        max([frequencies.shape[1], *(match.start + match.target.width for match in shown)]),
    )
    rows = tuple(
        KnownMotif(
            logo=aligned_logo(match.matrix, match.start, columns, f"logo of {match.target.title}"),
            name=match.target.alternate or match.target.name,
            identifier=match.target.name if match.target.alternate else "",
            url=match.target.url if match.target.url.startswith(("http://", "https://")) else "",
            strand="reverse complement" if match.reverse else "as it is",
            p=scientific(match.p),
            q=scientific(match.q),
            e=scientific(match.e),
            sure=match.q <= q,
        )
        for match in shown
    )
    return aligned_logo(frequencies, 0, columns, f"logo of the core of {pattern.name}"), rows


def scientific(value: float) -> str:
    """``0.034`` or, below 0.001, ``5.2×10⁻⁸``."""
    if value >= 1e-3 or value == 0:
        return f"{value:.2g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    digits = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{mantissa}×10{digits}"
