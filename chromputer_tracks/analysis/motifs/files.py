"""The files of ``chromputer motifs``: BED of seqlets and hits, motifs, tables and logos."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from chromputer_tracks.analysis.filters.files import Value, table
from chromputer_tracks.analysis.logos import information, logo_file
from chromputer_tracks.analysis.motifs.results import LabelResult, PatternResult
from chromputer_tracks.io.atomic import output_errors
from chromputer_tracks.io.bed import BedTable
from chromputer_tracks.io.meme import MemeMotif, write_meme

MEME = "patterns.meme"
PATTERNS, MATCHES, MATRICES = "patterns.tsv", "matches.tsv", "matrices.tsv"
SEQLETS, HITS, HITS_TABLE = "seqlets.bed", "hits.bed", "hits.tsv"
RESULT = "modisco.h5"
"""modisco-lite's own result file, in each label's folder."""

_Row = tuple[str, int, int, str, int, str]


def write_files(
    results: Sequence[LabelResult],
    sites: Sequence[BedTable],
    folder: Path,
    q: float,
    database: str,
) -> list[str]:
    """Write all but the page, ``run.json`` and modisco-lite's own files.

    Args:
        results: of each label.
        sites: its sites, in the order of its windows.
        folder: exists; the labels' folders are made.
        q: false discovery rate up to which a match names a pattern.
        database: what patterns were matched to; empty for none.

    Returns:
        names of the files, relative to ``folder``.

    Raises:
        OutputError: a file cannot be written.
    """
    found = [(item, result) for result in results for item in result.patterns]
    texts = {
        PATTERNS: table(_pattern_row(item, result, q) for item, result in found),
        MATRICES: table(row for item, _ in found for row in _matrix_rows(item)),
    }
    if database:
        texts[MATCHES] = table(
            (row for item, _ in found for row in _match_rows(item)), f"Tomtom against {database}"
        )
    for result, beds in zip(results, sites, strict=True):
        texts[f"{result.label}/{SEQLETS}"] = bed(_seqlet_rows(result))
        texts[f"{result.label}/{HITS}"] = bed(_hit_rows(result))
        texts[f"{result.label}/{HITS_TABLE}"] = table(_hit_table(result, beds))
    for item, _ in found:
        texts[f"logos/{item.pattern.name}.svg"] = logo_file(item.logo(describe(item)))
    with output_errors(folder):
        for name, text in texts.items():
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if found:
        write_meme(folder / MEME, [_motif(item, q) for item, _ in found])
        texts[MEME] = ""
    return list(texts)


def describe(item: PatternResult) -> str:
    """A pattern in words: ``Reb1.pos.1, CGGGTAA, 557 seqlets``."""
    pattern = item.pattern
    return f"{pattern.name}, {pattern.consensus}, {len(pattern.seqlets):,} seqlets"


def bed(rows: Iterable[_Row]) -> str:
    """BED6 text, sorted as bedToBigBed wants it: by contig name, start and end."""
    ordered = sorted(rows, key=lambda row: (row[0].encode(), *row[1:]))
    return "".join("\t".join(map(str, row)) + "\n" for row in ordered)


def _seqlet_rows(result: LabelResult) -> Iterator[_Row]:
    for item in result.patterns:
        spans = item.seqlets
        scores = item.scores(spans.contribution)
        for chrom, start, end, reverse, score in zip(
            spans.chrom, spans.start, spans.end, spans.reverse, scores, strict=True
        ):
            yield str(chrom), int(start), int(end), item.pattern.name, int(score), _strand(reverse)


def _hit_rows(result: LabelResult) -> Iterator[_Row]:
    for item in result.patterns:
        hits = item.hits
        scores = item.scores(hits.contribution)
        for chrom, start, end, reverse, score in zip(
            hits.chrom, hits.start, hits.end, hits.reverse, scores, strict=True
        ):
            yield str(chrom), int(start), int(end), item.pattern.name, int(score), _strand(reverse)


def _strand(reverse: bool | np.bool_) -> str:
    return "-" if reverse else "+"


def _hit_table(result: LabelResult, sites: BedTable) -> list[dict[str, Value]]:
    """Hits in the order of their BED file, with the numbers behind them and their sites."""
    names = sites.names or ["."] * len(sites)
    rows: list[dict[str, Value]] = []
    for item in result.patterns:
        hits = item.hits
        scores = item.scores(hits.contribution)
        for k in range(len(hits)):
            site = int(hits.row[k])
            rows.append(
                {
                    "chrom": str(hits.chrom[k]),
                    "start": int(hits.start[k]),
                    "end": int(hits.end[k]),
                    "pattern": item.pattern.name,
                    "score": int(scores[k]),
                    "strand": _strand(hits.reverse[k]),
                    "contribution": float(hits.contribution[k]),
                    "similarity": float(hits.similarity[k]),
                    "p": float(hits.p[k]),
                    "offset": float(item.offsets[k]),
                    "site_row": site,
                    "site_name": names[site],
                }
            )
    columns = ("chrom", "start", "end", "pattern", "score", "strand")
    rows.sort(key=lambda row: (str(row["chrom"]).encode(), *(row[name] for name in columns[1:])))
    return rows


def _pattern_row(item: PatternResult, result: LabelResult, q: float) -> dict[str, Value]:
    pattern, hits, core = item.pattern, item.hits, item.pattern.core
    best = item.matches[0] if item.matches else None
    match = item.known(q)
    inside = np.abs(item.offsets) <= result.window / 2
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
        "hit_contribution_mean": float(hits.contribution.mean()) if len(hits) else float("nan"),
        "sites": result.sites,
        "sites_with_hit": item.sites,
        "offset_median": float(np.median(item.offsets[inside])) if inside.any() else float("nan"),
        "offset_median_absolute": (
            float(np.median(np.abs(item.offsets[inside]))) if inside.any() else float("nan")
        ),
        "looks_like": match.target.title if match else "",
        "best_match": best.target.title if best else "",
        "q": best.q if best else float("nan"),
    }


def _match_rows(item: PatternResult) -> Iterator[dict[str, Value]]:
    """Matches; ``start`` counts columns of the pattern's core, from 0."""
    for rank, match in enumerate(item.matches, 1):
        yield {
            "pattern": item.pattern.name,
            "rank": rank,
            "motif": match.target.name,
            "name": match.target.alternate,
            "strand": _strand(match.reverse),
            "start": match.start,
            "overlap": match.overlap,
            "p": match.p,
            "q": match.q,
            "e": match.e,
        }


def _matrix_rows(item: PatternResult) -> Iterator[dict[str, Value]]:
    pattern = item.pattern
    core = pattern.core
    for kind, matrix in (
        ("frequency", pattern.frequencies),
        ("contribution", pattern.contributions),
        ("hypothetical", pattern.hypothetical),
    ):
        for column, values in enumerate(matrix.T):
            row: dict[str, Value] = {
                "pattern": pattern.name,
                "matrix": kind,
                "column": column,
                "core": int(core.start <= column < core.stop),
            }
            yield row | {base: float(v) for base, v in zip("ACGT", values, strict=True)}


def _motif(item: PatternResult, q: float) -> MemeMotif:
    """The core's frequencies under the pattern's name, with that of the known motif."""
    pattern, match = item.pattern, item.known(q)
    known = "_".join((match.target.alternate or match.target.name).split()) if match else ""
    return MemeMotif(
        pattern.name, pattern.frequencies[:, pattern.core], known, len(pattern.seqlets)
    )
