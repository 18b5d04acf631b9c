"""What ``chromputer filters`` found, and its files: tables and motifs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.analysis.filters.scan import (
    SHARE,
    TOP,
    FilterMotifs,
    FilterPatches,
    PatchLayer,
)
from chromputer_tracks.analysis.filters.sites import FilterClass, FilterSites
from chromputer_tracks.analysis.known_motifs import MotifMatch, MotifSet, match_motifs, named
from chromputer_tracks.analysis.logos import consensus, frequencies, information, motif_columns
from chromputer_tracks.analysis.pages import Value, write_rows, write_texts
from chromputer_tracks.data.features import Features
from chromputer_tracks.inference.explain import Explainer, FirstLayer
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.meme import MemeMotif, write_meme
from chromputer_tracks.spec import InputSpec, ModelSpec
from chromputer_tracks.tracks.explain.run import Completeness, Tally

Float64 = NDArray[np.float64]

# ---- Filters ranked by what they contribute to each class: the top scoring filters for a label.


@dataclass(frozen=True, slots=True, eq=False)
class ClassContributions:
    """What the filters contribute to one class, by input name float64 (filters,).

    Attributes:
        sites: number of sites averaged over.
        mean: mean contribution per site, in units of the logit; NaN without sites.
        error: standard error of that mean over the sites; NaN with fewer than two.
        positive: share of the sites where the contribution is above 0.
        logit: mean logit of the sites; NaN without any.
        completeness: how well contributions add up; None for a method that does not promise it, or
            without sites.
    """

    name: str
    sites: int
    mean: dict[str, Float64]
    error: dict[str, Float64]
    positive: dict[str, Float64]
    logit: float
    completeness: Completeness | None


def class_contributions(
    explainer: Explainer,
    features: Features,
    item: FilterClass,
    windows: Sequence[Interval],
    filters: dict[str, int],
    progress: Callable[[int], None] = lambda done: None,
) -> ClassContributions:
    """Average the contributions of the filters over the sites of a class.

    That of a filter is summed over all positions of a window: DeepLIFT counts the activations of a
    layer as it counts inputs, what they add beyond what they are at the references.

    ``windows`` are around its sites, one each; ``filters`` is the number of filters of each input,
    by name; ``progress`` is told the number of sites done.

    Raises:
        ChromputerError: what the features or the explainer raise.
    """
    found = {name: np.zeros((len(windows), number)) for name, number in filters.items()}
    tally = Tally()
    for first, _, contributions in explainer.stream(features, windows, item.weights):
        rows = slice(first, first + len(contributions.logit))
        for name, values in contributions.filters.items():
            found[name][rows] = values
        tally.add(contributions, contributions.total())
        progress(rows.stop)
    nothing = {name: np.full(number, np.nan) for name, number in filters.items()}
    if not windows:
        return ClassContributions(item.name, 0, nothing, nothing, nothing, float("nan"), None)
    summary = tally.record(item.name, item.label.title, 0)
    error = nothing
    if len(windows) > 1:
        root = np.sqrt(len(windows))
        error = {name: values.std(axis=0, ddof=1) / root for name, values in found.items()}
    return ClassContributions(
        item.name,
        len(windows),
        {name: values.mean(axis=0) for name, values in found.items()},
        error,
        {name: (values > 0).mean(axis=0) for name, values in found.items()},
        summary.mean_logit,
        summary.completeness,
    )


@dataclass(frozen=True, slots=True, order=True)
class FilterKey:
    """A filter: the input that it reads, and its number from 0."""

    input: str
    number: int

    def __str__(self) -> str:
        return f"{self.input}.f{self.number}"


def ranked(item: ClassContributions) -> list[FilterKey]:
    """All filters of all inputs, the highest mean contribution first; ties in the model's order.

    Empty where the class has no sites.
    """
    if not item.sites:
        return []
    keys = [FilterKey(name, i) for name, values in item.mean.items() for i in range(len(values))]
    values = np.concatenate(list(item.mean.values()))
    return [keys[place] for place in np.argsort(-values, kind="stable").tolist()]


MATCHES = 5
"""Known motifs of each filter that are kept."""
MOTIF_RULE = (
    f"Counted are the subsequences whose activation is above {SHARE:g} of the filter's largest "
    "over the windows scanned (as in DeepBind, doi:10.1038/nbt.3300, and Basset, "
    "doi:10.1101/gr.200535.115): of each 10 bp the best match of both strands, as the filter reads "
    "it, each place of the genome once; N adds to no base."
)
PATCH_RULE = (
    f"A pattern is the mean of the {TOP} patches of the input that activate the filter most, none "
    "of them within half a patch of a higher one, each place of the genome once, in what the model "
    "reads (normalised values)."
)
RANK_RULE = (
    "Contributions of a filter to a class's logit, summed over the positions of a window and "
    "averaged over the class's sites; the filters of an input add up to what the input adds. A "
    "state's logit is taken relative to the mean of all states."
)


@dataclass(frozen=True, slots=True, eq=False)
class FilterResults:
    """What was found.

    Attributes:
        classes: what filters are ranked for.
        windows: all windows scanned, sorted, distinct.
        layers: the first layer of each input, by name.
        motifs: what activates the sequence's filters; None where the model reads no bases.
        patches: layer and patterns of each V-plot and signal, by name.
        top: how many filters are shown of each class.
        q: false discovery rate up to which a known motif is named.
        method: how contributions were computed.
        matches: known motifs that each sequence filter looks like, the best first; empty where none
            were looked for, or the filter has no motif.
        database: where these are from, and how many there are; empty where none were looked for.
    """

    spec: ModelSpec
    classes: tuple[FilterClass, ...]
    sites: FilterSites
    windows: tuple[Interval, ...]
    layers: dict[str, FirstLayer]
    motifs: FilterMotifs | None
    patches: dict[str, tuple[PatchLayer, FilterPatches]]
    contributions: tuple[ClassContributions, ...]
    top: int
    q: float
    method: str
    matches: tuple[tuple[MotifMatch, ...], ...] = ()
    database: str = ""

    def item(self, name: str) -> InputSpec:
        """An input by name."""
        return next(item for item in self.spec.inputs if item.name == name)

    @property
    def sequence(self) -> str | None:
        """Name of the sequence input whose filters have motifs; None without one."""
        if self.motifs is None:
            return None
        return next(item.name for item in self.spec.inputs if item.kind == "sequence")

    @property
    def motif_rule(self) -> str:
        """How motifs were found."""
        if self.sequence is None or not self.item(self.sequence).shape:
            return MOTIF_RULE
        return f"{MOTIF_RULE} The DNA shape that the filters read, too, is taken to be average."

    def keys(self, name: str) -> list[FilterKey]:
        """The filters of an input."""
        return [FilterKey(name, number) for number in range(len(self.layers[name].weight))]

    def pwm(self, number: int) -> Float64:
        """Base frequencies of a sequence filter over its whole width, float64 (4, width)."""
        if self.motifs is None:
            raise ValueError("the model reads no bases")
        return frequencies(self.motifs.counts[number])

    def motif(self, number: int) -> Float64:
        """The same without the flanks that say nothing; (4, 0) where nothing is left."""
        pwm = self.pwm(number)
        return pwm[:, motif_columns(pwm)]

    def maximum(self, key: FilterKey) -> float:
        """A filter's largest activation; 0 for one that was never active.

        NaN where it was not looked for: filters that read DNA shape alone.
        """
        if key.input in self.patches:
            top = self.patches[key.input][1].top[key.number]
            return float(top.activation[0]) if len(top) else 0.0
        return float("nan") if self.motifs is None else float(self.motifs.maximum[key.number])

    def dead(self) -> list[FilterKey]:
        """Filters that were active nowhere."""
        return [key for name in self.layers for key in self.keys(name) if self.maximum(key) == 0]

    def looks_like(self, key: FilterKey) -> MotifMatch | None:
        """The known motif that a sequence filter looks like, None without one at the rate asked."""
        if key.input != self.sequence or not self.matches:
            return None
        return named(self.matches[key.number], self.q)

    def reads(self, key: FilterKey) -> str:
        """What a filter reads, in a word: its consensus, or the usual fragment lengths."""
        if self.maximum(key) == 0:
            return "never active"
        if key.input == self.sequence:
            return consensus(self.motif(key.number)) or "no motif"
        if key.input not in self.patches:
            return "DNA shape"
        item = self.item(key.input)
        if item.kind == "signal":
            return item.measure
        low, high = self.usual_lengths(key)
        return f"{low}–{high} bp"

    def usual_lengths(self, key: FilterKey) -> tuple[int, int]:
        """Fragment lengths, bp, that hold the middle half of a V-plot filter's top patches."""
        edges = self.item(key.input).length_edges
        length = np.sort(self.patches[key.input][1].top[key.number].length)
        low, high = length[len(length) // 4], length[len(length) * 3 // 4]
        return edges[low], edges[high + 1]

    def ranking(self, name: str) -> list[FilterKey]:
        """All filters of all inputs for a class, the highest mean contribution first."""
        return ranked(next(item for item in self.contributions if item.name == name))

    def contribution(self, key: FilterKey) -> Float64:
        """Mean contribution of a filter to each class, float64 (classes,)."""
        return np.array([item.mean[key.input][key.number] for item in self.contributions])

    def best_class(self, key: FilterKey) -> tuple[str, float]:
        """The class that a filter adds most to, and how much; empty and NaN without any sites."""
        values = self.contribution(key)
        if np.isnan(values).all():
            return "", float("nan")
        place = int(np.nanargmax(values))
        return self.contributions[place].name, float(values[place])


def with_matches(results: FilterResults, known: MotifSet) -> FilterResults:
    """The results of a model that reads bases, with the known motifs that its filters look like."""
    if results.motifs is None:
        raise ValueError("the model reads no bases")
    motifs = [results.motif(number) for number in range(len(results.motifs.maximum))]
    found = iter(match_motifs([motif for motif in motifs if motif.shape[1]], known.motifs, MATCHES))
    return replace(
        results,
        matches=tuple(next(found) if motif.shape[1] else () for motif in motifs),
        database=f"{known.name}, {len(known.motifs):,} motifs",
    )


# ---- The files of ``chromputer filters``: tables and motifs.

MEME = "filters.meme"


def write_files(
    results: FilterResults, pictures: dict[str, str], folder: Path, sizes: ChromSizes
) -> None:
    """Write all but the page and ``run.json``; OutputError where a file cannot be written."""
    write_texts(folder, {"sites.bed": "".join(_bed(results, sizes))} | pictures)
    write_rows(folder / "contributions.tsv", _contribution_rows(results), RANK_RULE)
    write_rows(folder / "ranking.tsv", _ranking_rows(results), RANK_RULE)
    for name in results.layers:
        write_rows(folder / f"{name}.filters.tsv", *_filter_rows(results, name))
        write_rows(folder / f"{name}.weights.tsv", _weight_rows(results, name))
    if results.database:
        about = f"Tomtom (memelite) against {results.database}"
        write_rows(folder / "matches.tsv", _match_rows(results), about)
    for name in results.patches:
        write_rows(folder / f"{name}.patterns.tsv", _pattern_rows(results, name), PATCH_RULE)
    motifs = _motifs(results)
    if motifs:
        write_meme(folder / MEME, motifs)


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
            match = results.looks_like(key)
            yield {
                "class": item.name,
                "rank": rank,
                "filter": str(key),
                "mean_contribution": float(item.mean[key.input][key.number]),
                "standard_error": float(item.error[key.input][key.number]),
                "share_of_sites_above_0": float(item.positive[key.input][key.number]),
                "sites": item.sites,
                "reads": results.reads(key),
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
    match, best = results.looks_like(key), found.best[number]
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
            key = FilterKey(results.sequence or "", number)
            yield {"filter": str(key), "rank": rank, **match.row()}


def _motifs(results: FilterResults) -> list[MemeMotif]:
    """The sequence filters that have a motif, without its flanks."""
    if results.motifs is None or results.sequence is None:
        return []
    found = []
    for key in results.keys(results.sequence):
        pwm, match = results.motif(key.number), results.looks_like(key)
        if pwm.shape[1]:
            name = match.meme_name if match else ""
            sites = int(results.motifs.subsequences[key.number])
            found.append(MemeMotif(str(key), pwm, name, sites))
    return found
