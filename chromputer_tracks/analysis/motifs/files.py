"""The files of ``chromputer motifs``: tables, BED, motifs, logos and a page without scripts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from chromputer_tracks import __version__
from chromputer_tracks.analysis.logos import (
    aligned_logo,
    glyphs,
    information,
    logo_file,
    small_logo,
)
from chromputer_tracks.analysis.motifs.hits import (
    Hits,
    LabelMotifs,
    PatternResult,
    SeqletSpans,
    outcome,
)
from chromputer_tracks.analysis.pages import Page, Value, write_rows, write_texts
from chromputer_tracks.analysis.report.blocks import MISSING, Fact, signed
from chromputer_tracks.errors import InputError
from chromputer_tracks.figures import ACCENT, MUTED, canvas, to_svg
from chromputer_tracks.io.bed import BedTable
from chromputer_tracks.io.meme import MemeMotif, write_meme
from chromputer_tracks.io.record import ModelRecord, RunRecord
from chromputer_tracks.io.text import tsv_lines
from chromputer_tracks.options.explain import MotifsOptions

MEME = "patterns.meme"
PATTERNS, MATCHES, MATRICES = "patterns.tsv", "matches.tsv", "matrices.tsv"
SEQLETS, HITS, HITS_TABLE = "seqlets.bed", "hits.bed", "hits.tsv"
RESULT = "modisco.h5"
"""modisco-lite's own result file, in each label's folder."""
PAGE = "motifs.html"

_SHOWN = 3
"""Known motifs shown of each pattern on the page."""
_BARS = 41
_MINUS = "\N{MINUS SIGN}"


def write_files(
    results: Sequence[LabelMotifs], sites: Sequence[BedTable], folder: Path, q: float, database: str
) -> None:
    """Write all but the page, ``run.json`` and modisco-lite's own files.

    The sites of each label are in the order of its windows. The folder exists; the labels' folders
    are made. Up to the false discovery rate ``q`` a match names a pattern; ``database`` is what
    patterns were matched to, empty for none.

    Raises:
        OutputError: a file cannot be written.
    """
    found = [(item, result) for result in results for item in result.patterns]
    write_rows(folder / PATTERNS, (_pattern_row(item, result, q) for item, result in found))
    write_rows(folder / MATRICES, (row for item, _ in found for row in _matrix_rows(item)))
    if database:
        matches = (row for item, _ in found for row in _match_rows(item))
        write_rows(folder / MATCHES, matches, f"Tomtom against {database}")
    for result, beds in zip(results, sites, strict=True):
        seqlets = [row for item in result.patterns for row in _bed_rows(item, item.seqlets)]
        hits = _hit_rows(result, beds)
        texts = {SEQLETS: _bed(sorted(seqlets, key=_place)), HITS: _bed(hits)}
        write_texts(folder, {f"{result.label}/{name}": text for name, text in texts.items()})
        write_rows(folder / result.label / HITS_TABLE, hits)
    logos = {f"logos/{item.pattern.name}.svg": item.logo(item.description) for item, _ in found}
    write_texts(folder, {name: logo_file(logo) for name, logo in logos.items()})
    if found:
        write_meme(folder / MEME, [_motif(item, q) for item, _ in found])


# ---- What ``run.json`` says of motifs.


@dataclass(frozen=True, slots=True)
class ExplainedRecord:
    """What was explained, and how; None where the folder's record is missing or damaged."""

    folder: Path
    model: ModelRecord | None = None
    method: str | None = None
    references: int | None = None
    seed: int | None = None

    @classmethod
    def of(cls, folder: Path) -> ExplainedRecord:
        """From the record of ``explain``."""
        try:
            record = RunRecord.read(folder)
        except InputError:
            return cls(folder)
        names = ("method", "references", "seed")
        return cls(folder, record.model, *(record.options.get(name) for name in names))


@dataclass(frozen=True, slots=True)
class MotifsRecord:
    """What ``run.json`` says of motifs beside what every record does.

    Seqlets have a core, whose contribution is summed, and a flank on either side, bp;
    ``hit_weakest`` is the share of a pattern's seqlets that may be weaker than a hit; patterns of
    fewer than ``fewest_named`` seqlets, or whose core contributes less than ``least_contribution``
    times what any base does, are weak. Versions are
    by library, what was found by label.
    """

    explained: ExplainedRecord
    seqlet_core: int
    seqlet_flank: int
    seqlet_fdr: float
    leiden_runs: int
    hit_weakest: float
    fewest_named: int
    least_contribution: float
    motif_database: str | None
    known_motifs: int | None
    libraries: dict[str, str]
    labels: dict[str, dict[str, Any]]


def label_record(result: LabelMotifs, q: float) -> dict[str, Any]:
    """What ``run.json`` says of a label: its sites, seqlets of each sign, and patterns."""
    patterns = []
    for item in result.patterns:
        match = item.known(q)
        patterns.append(
            {
                "name": item.pattern.name,
                "consensus": item.pattern.consensus,
                "seqlets": len(item.pattern.seqlets),
                "hits": len(item.hits),
                "sites_with_hit": item.sites,
                "weak": item.weak or None,
                "looks_like": match.target.title if match else None,
                "q": match.q if match else None,
            }
        )
    seqlets = {"positive": result.positive, "negative": result.negative}
    return {"sites": result.sites, "seqlets": seqlets, "patterns": patterns}


# ---- BED and tables.

_BED6 = ("chrom", "start", "end", "pattern", "score", "strand")


def _bed_rows(item: PatternResult, spans: SeqletSpans | Hits) -> Iterator[dict[str, Value]]:
    """The fields of a BED6 line of each stretch of a pattern."""
    scores = item.scores(spans.contribution).tolist()
    places = zip(spans.chrom.tolist(), spans.start.tolist(), spans.end.tolist(), strict=True)
    strands = ("-" if reverse else "+" for reverse in spans.reverse)
    for place, score, strand in zip(places, scores, strands, strict=True):
        fields = (*place, item.pattern.name, score, strand)
        yield dict(zip(_BED6, fields, strict=True))


def _place(row: Mapping[str, Value]) -> tuple[Any, ...]:
    """Sorts as bedToBigBed wants it: by contig name, start and end."""
    return str(row["chrom"]).encode(), *(row[name] for name in _BED6[1:])


def _bed(rows: Sequence[Mapping[str, Value]]) -> str:
    return "".join(tsv_lines([row[name] for name in _BED6] for row in rows))


def _hit_rows(result: LabelMotifs, sites: BedTable) -> list[dict[str, Value]]:
    """Hits in the order of their BED file, with the numbers behind them and their sites."""
    names = sites.names or ["."] * len(sites)
    rows: list[dict[str, Value]] = []
    for item in result.patterns:
        hits = item.hits
        for k, fields in enumerate(_bed_rows(item, hits)):
            more: dict[str, Value] = {
                "contribution": float(hits.contribution[k]),
                "similarity": float(hits.similarity[k]),
                "p": float(hits.p[k]),
                "offset": float(item.offsets[k]),
                "site_row": int(hits.row[k]),
                "site_name": names[int(hits.row[k])],
            }
            rows.append(fields | more)
    return sorted(rows, key=_place)


def _pattern_row(item: PatternResult, result: LabelMotifs, q: float) -> dict[str, Value]:
    pattern, hits, core = item.pattern, item.hits, item.pattern.core
    best = item.matches[0] if item.matches else None
    match = item.known(q)
    inside = item.offsets[np.abs(item.offsets) <= result.window / 2]
    nothing = float("nan")
    return {
        "pattern": pattern.name,
        "label": result.label,
        "sign": pattern.sign,
        "consensus": pattern.consensus,
        "width": pattern.width,
        "core_start": core.start,
        "core_end": core.stop,
        "core_bits": float(information(pattern.frequencies[:, core]).sum()),
        "seqlets": len(pattern.seqlets),
        "seqlet_contribution_median": float(np.median(item.seqlets.contribution)),
        "hits": len(hits),
        "hit_contribution_mean": float(hits.contribution.mean()) if len(hits) else nothing,
        "sites": result.sites,
        "sites_with_hit": item.sites,
        "offset_median": float(np.median(inside)) if len(inside) else nothing,
        "offset_median_absolute": float(np.median(np.abs(inside))) if len(inside) else nothing,
        "looks_like": match.target.title if match else "",
        "best_match": best.target.title if best else "",
        "q": best.q if best else nothing,
        "core_contribution_ratio": item.contribution,
        "weak": item.weak,
    }


def _match_rows(item: PatternResult) -> Iterator[dict[str, Value]]:
    """Matches; ``start`` counts columns of the pattern's core, from 0."""
    for rank, match in enumerate(item.matches, 1):
        yield {"pattern": item.pattern.name, "rank": rank, **match.row()}


def _matrix_rows(item: PatternResult) -> Iterator[dict[str, Value]]:
    pattern, core = item.pattern, item.pattern.core
    for kind, matrix in (
        ("frequency", pattern.frequencies),
        ("contribution", pattern.contributions),
        ("hypothetical", pattern.hypothetical),
    ):
        for column, values in enumerate(matrix.T.tolist()):
            yield {
                "pattern": pattern.name,
                "matrix": kind,
                "column": column,
                "core": int(core.start <= column < core.stop),
                **dict(zip("ACGT", values, strict=True)),
            }


def _motif(item: PatternResult, q: float) -> MemeMotif:
    """The core's frequencies under the pattern's name, with that of the known motif."""
    pattern, match = item.pattern, item.known(q)
    known = match.meme_name if match else ""
    return MemeMotif(
        pattern.name, pattern.frequencies[:, pattern.core], known, len(pattern.seqlets)
    )


# ---- The page.


def render_page(
    results: Sequence[LabelMotifs], options: MotifsOptions, record: MotifsRecord
) -> str:
    """The page, HTML5; every text is escaped, and nothing is loaded from elsewhere."""
    page = Page("motifs.html.j2")
    return page.render(
        title=", ".join(result.label for result in results),
        facts=_facts(results, options, record),
        sections=[
            {
                "name": result.label,
                "outcome": outcome(result),
                "cards": [_card(item, result, options.q) for item in result.patterns],
            }
            for result in results
        ],
        database=record.motif_database,
        q=f"{options.q:g}",
        options=options,
        record=record,
        glyphs=Markup(glyphs()),  # noqa: S704
        style=page.own("report.css", "motifs.css"),
        version=__version__,
    )


def _facts(
    results: Sequence[LabelMotifs], options: MotifsOptions, record: MotifsRecord
) -> list[Fact]:
    explained = record.explained
    patterns = [item for result in results for item in result.patterns]
    facts = [Fact("Patterns", f"{len(patterns):,}")]
    if weak := sum(bool(item.weak) for item in patterns):
        facts.append(Fact("Too weak to name", f"{weak:,}"))
    if record.motif_database:
        named = sum(item.known(options.q) is not None for item in patterns)
        facts.append(Fact("Look like a known motif", f"{named:,}"))
        facts.append(Fact("Known motifs", f"{record.motif_database}, {record.known_motifs:,}"))
    sites = [result.sites for result in results]
    ends = sorted({min(sites), max(sites)})
    facts.append(Fact("Sites of each label", " to ".join(f"{n:,}" for n in ends)))
    facts.append(Fact("Bases looked at", f"{options.window:,} bp around each summit"))
    if explained.model is not None:
        facts.append(Fact("Model", explained.model.name))
    if explained.method is not None:
        by = f", {explained.references} references" if explained.method == "deeplift" else ""
        facts.append(Fact("Contributions", f"{explained.method}{by}"))
    return facts


def _card(item: PatternResult, result: LabelMotifs, q: float) -> dict[str, Any]:
    """A pattern as the page shows it."""
    pattern, hits = item.pattern, item.hits
    match = item.known(q)
    core, motifs = _known_motifs(item, q)
    said = item.description
    return {
        "name": pattern.name,
        "consensus": pattern.consensus,
        "against": pattern.sign < 0,
        "weak": item.weak,
        "known": match.name if match else "",
        "q": scientific(match.q) if match else "",
        "small": small_logo(
            pattern.contributions[:, pattern.core], f"mean contributions of {said}"
        ),
        "logo": item.logo(
            f"{said}: mean contributions, mean hypothetical contributions and information"
        ),
        "offsets": offset_figure(
            item.offsets,
            result.window,
            f"Distance of {len(hits):,} hits of {pattern.name} from the summits of their sites",
        ),
        "core": core,
        "motifs": motifs,
        "seqlets": f"{len(pattern.seqlets):,}",
        "hits": f"{len(hits):,}",
        "sites": f"{item.sites:,} of {result.sites:,} ({item.sites / result.sites:.0%})",
        "contribution": signed(float(np.mean(hits.contribution))) if len(hits) else MISSING,
    }


def _known_motifs(item: PatternResult, q: float) -> tuple[str, list[dict[str, Any]]]:
    """The core's logo, and the known motifs with theirs where they lie below it."""
    pattern = item.pattern
    frequencies = pattern.frequencies[:, pattern.core]
    shown = item.matches[:_SHOWN]
    columns = slice(
        min([0, *(match.start for match in shown)]),
        max([frequencies.shape[1], *(match.start + match.target.width for match in shown)]),
    )
    rows = []
    for match in shown:
        target = match.target
        title = f"logo of {target.title}"
        rows.append(
            {
                "logo": aligned_logo(match.matrix, match.start, columns, title),
                "name": match.name,
                "identifier": target.name if target.alternate else "",
                "url": target.url if target.url.startswith(("http://", "https://")) else "",
                "strand": "reverse complement" if match.reverse else "as it is",
                "p": scientific(match.p),
                "q": scientific(match.q),
                "e": scientific(match.e),
                "sure": match.q <= q and not item.weak,
            }
        )
    return aligned_logo(frequencies, 0, columns, f"logo of the core of {pattern.name}"), rows


def offset_figure(offsets: NDArray[np.float64], window: int, description: str) -> str:
    """Histogram of hits by their distance from the site's summit, bp, SVG.

    Offsets, float64 (h,), beyond the window around the summit are not shown.
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


def scientific(value: float) -> str:
    """``0.034`` or, below 0.001, ``5.2×10⁻⁸``."""
    if value >= 1e-3 or value == 0:
        return f"{value:.2g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    digits = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{mantissa}×10{digits}"
