"""The files of ``chromputer filters``: tables and motifs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from chromputer_tracks.analysis.filters.results import (
    PATCH_RULE,
    RANK_RULE,
    FilterKey,
    FilterResults,
)
from chromputer_tracks.analysis.filters.scan import SHARE
from chromputer_tracks.analysis.logos import consensus, information, motif_columns
from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.io.atomic import output_errors
from chromputer_tracks.io.meme import MemeMotif, write_meme

Value = str | int | float
MEME = "filters.meme"


def write_files(
    results: FilterResults, pictures: Mapping[str, str], folder: Path, sizes: ChromSizes
) -> list[str]:
    """Write all but the page and ``run.json``.

    Args:
        results: what was found.
        pictures: from :func:`~.filters.pictures.draw_pictures`.
        folder: exists; files get their final names in it.
        sizes: the genome's contigs.

    Returns:
        names of the files, relative to ``folder``.

    Raises:
        OutputError: a file cannot be written.
    """
    texts = {
        "sites.bed": "".join(_bed(results, sizes)),
        "contributions.tsv": table(_contribution_rows(results), RANK_RULE),
        "ranking.tsv": table(_ranking_rows(results), RANK_RULE),
    }
    for name in results.layers:
        rows, rule = _filter_rows(results, name)
        texts[f"{name}.filters.tsv"] = table(rows, rule)
        texts[f"{name}.weights.tsv"] = table(_weight_rows(results, name))
    if results.database:
        texts["matches.tsv"] = table(
            _match_rows(results), f"Tomtom (memelite) against {results.database}"
        )
    for name in results.patches:
        texts[f"{name}.patterns.tsv"] = table(_pattern_rows(results, name), PATCH_RULE)
    texts |= pictures
    with output_errors(folder):
        for name, text in texts.items():
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    motifs = _motifs(results)
    if motifs:
        write_meme(folder / MEME, motifs)
        texts[MEME] = ""
    return list(texts)


def table(rows: Iterable[dict[str, Value]], comment: str = "") -> str:
    """Rows as tab-separated text with a header; a comment goes before it, behind ``#``."""
    lines = list(rows)
    buffer = io.StringIO()
    if comment:
        buffer.write(f"# {comment}\n")
    if lines:
        writer = csv.DictWriter(buffer, lines[0], dialect="excel-tab", lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: _text(v) for k, v in line.items()} for line in lines)
    return buffer.getvalue()


def _text(value: Value) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _bed(results: FilterResults, sizes: ChromSizes) -> Iterator[str]:
    """The windows, cut at their contigs' ends, with the classes that they speak for."""
    classes: dict[object, list[str]] = {window: [] for window in results.windows}
    for name, windows in results.sites.by_class.items():
        for window in windows:
            classes[window].append(name)
    for window in results.windows:
        name = ",".join(classes[window]) or "sample"
        start, end = max(window.start, 0), min(window.end, sizes[window.chrom])
        yield f"{window.chrom}\t{start}\t{end}\t{name}\n"


def _contribution_rows(results: FilterResults) -> Iterator[dict[str, Value]]:
    """One row a class, one column a filter."""
    keys = [key for name in results.layers for key in results.keys(name)]
    for item in results.contributions:
        row: dict[str, Value] = {"class": item.name, "sites": item.sites, "mean_logit": item.logit}
        yield row | {str(key): float(item.mean[key.input][key.number]) for key in keys}


def _ranking_rows(results: FilterResults) -> Iterator[dict[str, Value]]:
    for item in results.contributions:
        for rank, key in enumerate(results.ranking(item.name), 1):
            place = (key.input, key.number)
            match = results.known(key.number) if key.input == results.sequence else None
            yield {
                "class": item.name,
                "rank": rank,
                "filter": str(key),
                "mean_contribution": float(item.mean[place[0]][place[1]]),
                "standard_error": float(item.error[place[0]][place[1]]),
                "share_of_sites_above_0": float(item.positive[place[0]][place[1]]),
                "sites": item.sites,
                "reads": results.says(key),
                "looks_like": match.target.title if match else "",
            }


def _filter_rows(results: FilterResults, name: str) -> tuple[list[dict[str, Value]], str]:
    """One row a filter, and the rule by which its motif or pattern was found."""
    if name == results.sequence:
        return [_sequence_row(results, key) for key in results.keys(name)], results.motif_rule
    if name in results.patches:
        return [_patch_row(results, key) for key in results.keys(name)], PATCH_RULE
    return [_common(results, key) for key in results.keys(name)], "These filters read no bases."


def _common(results: FilterResults, key: FilterKey) -> dict[str, Value]:
    best, contribution = results.best_class(key)
    return {
        "filter": str(key),
        "best_class": best,
        "mean_contribution": contribution,
        "max_activation": results.maximum(key),
    }


def _sequence_row(results: FilterResults, key: FilterKey) -> dict[str, Value]:
    found, layer = results.motifs, results.layers[key.input]
    if found is None:
        raise ValueError(f"{key.input} has no bases")
    number = key.number
    pwm = results.pwm(number)
    part = motif_columns(pwm)
    match, best = results.known(number), found.best[number]
    return {
        **_common(results, key),
        "threshold": SHARE * float(found.maximum[number]),
        "subsequences": int(found.subsequences[number]),
        "active_share": float(found.active[number] / max(found.positions, 1)),
        "scale": float(layer.scale[number]),
        "motif_start": part.start,
        "motif_end": part.stop,
        "information_bits": float(information(pwm)[part].sum()) if best else 0.0,
        "consensus": consensus(pwm[:, part]),
        "looks_like": match.target.title if match else "",
        "q": match.q if match else float("nan"),
        "best_sequence": best.sequence if best else "",
        "best_chrom": best.interval.chrom if best else "",
        "best_start": best.interval.start if best else "",
        "best_end": best.interval.end if best else "",
        "best_strand": best.strand if best else "",
    }


def _patch_row(results: FilterResults, key: FilterKey) -> dict[str, Value]:
    layer, found = results.patches[key.input]
    top = found.top[key.number]
    row: dict[str, Value] = {
        **_common(results, key),
        "bias": float(layer.bias[key.number]),
        "patches": len(top),
        "least_activation": float(top.activation[-1]) if len(top) else 0.0,
        "active_share": float(found.active[key.number] / max(found.pixels, 1)),
    }
    if results.item(key.input).kind == "vplot":
        low, high = results.usual_lengths(key) if len(top) else (0, 0)
        row |= {"length_from": low, "length_to": high}
    place = top.interval(0, results.windows, layer) if len(top) else None
    return row | {
        "best_chrom": place.chrom if place else "",
        "best_start": place.start if place else "",
        "best_end": place.end if place else "",
    }


def _weight_rows(results: FilterResults, name: str) -> Iterator[dict[str, Value]]:
    """The first layer's weights as the model has them."""
    item = results.item(name)
    layer = results.layers[name]
    names: Sequence[str] = [
        str(row - layer.weight.shape[1] // 2) for row in range(layer.weight.shape[1])
    ]
    if item.kind == "sequence":
        names = [*"ACGT" * item.bases, *item.shape]
    for (number, row, column), value in np.ndenumerate(layer.weight):
        yield {
            "filter": str(FilterKey(name, number)),
            "row": names[row],
            "position": column,
            "weight": float(value),
        }


def _pattern_rows(results: FilterResults, name: str) -> Iterator[dict[str, Value]]:
    """Kernel, mean patch, and the mean of all length classes at the patches' positions."""
    layer, found = results.patches[name]
    for key, kernel, top in zip(results.keys(name), layer.kernel, found.top, strict=True):
        parts = {"weight": kernel}
        if len(top):
            parts |= {"patch": top.patch.mean(axis=0), "all_lengths": top.context.mean(axis=0)}
        for kind, values in parts.items():
            first = 0 if kind == "all_lengths" else -(layer.rows // 2)
            for (row, column), value in np.ndenumerate(values):
                yield {
                    "filter": str(key),
                    "kind": kind,
                    "length_class": first + row,
                    "offset_bp": (column - layer.span // 2) * layer.bin,
                    "value": float(value),
                }


def _match_rows(results: FilterResults) -> Iterator[dict[str, Value]]:
    for number, matches in enumerate(results.matches):
        for rank, match in enumerate(matches, 1):
            yield {
                "filter": str(FilterKey(results.sequence or "", number)),
                "rank": rank,
                "motif": match.target.name,
                "name": match.target.alternate,
                "strand": "-" if match.reverse else "+",
                "start": match.start,
                "overlap": match.overlap,
                "p": match.p,
                "q": match.q,
                "e": match.e,
            }


def _motifs(results: FilterResults) -> list[MemeMotif]:
    """The sequence filters that have a motif, without its flanks."""
    if results.motifs is None or results.sequence is None:
        return []
    found = []
    for key in results.keys(results.sequence):
        pwm, match = results.motif(key.number), results.known(key.number)
        if pwm.shape[1]:
            name = "_".join((match.target.alternate or match.target.name).split()) if match else ""
            sites = int(results.motifs.subsequences[key.number])
            found.append(MemeMotif(str(key), pwm, name, sites))
    return found
