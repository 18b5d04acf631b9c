"""Description pages of a hub's tracks: what they are, how they were made, how to read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from chromputer_tracks import __version__
from chromputer_tracks.options.predict import HubOptions
from chromputer_tracks.spec import InputSpec, ModelSpec, model_labels
from chromputer_tracks.tracks.explain.importance import fragment_classes
from chromputer_tracks.tracks.hub.files import COVERAGE_BIN
from chromputer_tracks.tracks.hub.layout import HubModel
from chromputer_tracks.tracks.hub.stanzas import HubTrack, tracks_with_data
from chromputer_tracks.tracks.igv import JSON_NAME, XML_NAME
from chromputer_tracks.tracks.runs import AssayInput, told_verdicts

_REFERENCES = {
    "dynseq": (
        "Nair S et al. The dynseq browser track shows context-specific features at nucleotide "
        "resolution. Nature Genetics 54:1581 (2022).",
        "10.1038/s41588-022-01194-w",
    ),
    "deeplift": (
        "Shrikumar A, Greenside P, Kundaje A. Learning important features through propagating "
        "activation differences. arXiv (2017).",
        "10.48550/arXiv.1704.02685",
    ),
    "vplot": (
        "Henikoff JG et al. Epigenome characterization at single base-pair resolution. PNAS "
        "108:18318 (2011).",
        "10.1073/pnas.1110731108",
    ),
    "atac": (
        "Buenrostro JD et al. Transposition of native chromatin for fast and sensitive epigenomic "
        "profiling of open chromatin, DNA-binding proteins and nucleosome position. Nature Methods "
        "10:1213 (2013).",
        "10.1038/nmeth.2688",
    ),
    "hub": (
        "Raney BJ et al. Track data hubs enable visualization of user-defined genome-wide "
        "annotations on the UCSC Genome Browser. Bioinformatics 30:1003 (2014).",
        "10.1093/bioinformatics/btt637",
    ),
}
_SOURCES: Mapping[str, tuple[str, ...]] = {
    "importance": ("dynseq", "deeplift"),
    "contributions": ("deeplift", "vplot"),
    "sites": ("deeplift",),
    "coverage": ("atac", "hub"),
}
"""References of a kind of page; the others name those of V-plots and ATAC-seq."""
_MERGE = {
    "centre": "mean weighted to window centres",
    "mean": "mean",
    "max": "the value of the largest magnitude",
}

Inputs = Sequence[tuple[str, AssayInput, Path]]
"""Sample, its input, and where the file is."""


def render(template: str, context: Mapping[str, Any]) -> str:
    """A page from a template, which is named without its suffix; text of the context is escaped.

    It is ASCII alone, as the browser puts it into a page of an encoding of its own.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("chromputer_tracks.tracks.hub", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "grouped": lambda number: f"{number:,}",
        "percent": lambda share: f"{share:.1%}",
        "number": _number,
        "estimate": _estimate,
        "input_in_words": _input_in_words,
    }
    page = environment.get_template(f"{template}.html.j2").render(**context)
    return page.lstrip().encode("ascii", "xmlcharrefreplace").decode()


def _number(value: float | None) -> str:
    return "not known" if value is None else f"{value:.3f}"


def _estimate(item: Mapping[str, float | None]) -> str:
    low, high = _number(item["low"]), _number(item["high"])
    return f"{_number(item['value'])} [{low}, {high}]"


def _input_in_words(item: InputSpec) -> str:
    if item.kind == "sequence":
        parts = ["the bases"] if item.bases else []
        if item.shape:
            parts.append(f"the shape ({', '.join(item.shape)})")
        return f"DNA: {' and '.join(parts)}"
    if item.kind == "vplot":
        return (
            f"the V-plot of {item.assay} fragments: their midpoints in {item.bin}-bp bins by "
            f"{item.channels} classes of fragment length from {item.length_edges[0]} to "
            f"{item.length_edges[-1] - 1} bp"
        )
    return f"{item.measure} of {item.assay} in {item.bin}-bp bins"


# ---- The page of the whole hub, which stands alone.


def overview_page(
    title: str,
    options: HubOptions,
    models: Sequence[HubModel],
    tracks: Sequence[HubTrack],
    links: Sequence[tuple[str, str]],
) -> str:
    """The page of the whole hub, whose long label is ``title``.

    ``tracks`` are all that it lists; ``links`` are text and address of where to see it.
    """
    context = {
        "title": title,
        "assembly": options.assembly,
        "models": [model.runs.spec.name for model in models],
        "verdicts": told_verdicts([model.runs for model in models]),
        "samples": list(dict.fromkeys(s.name for model in models for s in model.runs.samples)),
        "tracks": [(track, sum(1 for _ in tracks_with_data([track]))) for track in tracks],
        "links": links,
        "sessions": {"xml": XML_NAME, "json": JSON_NAME},
        "email": options.email,
        "version": __version__,
    }
    return render("overview", context)


# ---- The pages of tracks.


def coverage_page(inputs: Inputs, email: str, *, many: bool) -> str:
    """The page of the samples' inputs."""
    own = {"model": None, "runs": "", "coverage_bin": COVERAGE_BIN}
    return render("coverage", _shared("coverage", email, inputs, many=many) | own)


def track_page(kind: str, model: HubModel, email: str) -> str:
    """The page of a kind of track (``states`` ...); ``email`` is of whom to ask."""
    spec = model.runs.spec
    runs = [run for sample in model.runs.samples for run in sample.runs]
    inputs = [
        (sample.name, item, item.path)
        for sample in model.runs.samples
        for item in {item.sha256: item for run in sample.runs for item in run.inputs}.values()
    ]
    made = {
        f"chromputer-tracks {run.record.versions['chromputer-tracks']} on {run.record.started[:10]}"
        for run in runs
    }
    context = _shared(kind, email, inputs, many=model.many) | {
        "model": spec,
        "held_out": ", ".join(spec.splits.get("test", ())),
        "verdicts": told_verdicts([model.runs]),
        "same_genome": all(run.genome.digest == spec.sizes_digest for run in runs),
        "runs": ", ".join(sorted(made)),
        "samples": [sample.name for sample, _ in model.predicted()],
        "states": _labels(model, "states"),
        "labels": _labels(model, "binary"),
        "signals": _labels(model, "continuous"),
    }
    return render(kind, context | _accuracy(spec) | _explained(model))


def _shared(kind: str, email: str, inputs: Inputs, *, many: bool) -> dict[str, Any]:
    return {
        "email": email,
        "version": __version__,
        "many": many,
        "inputs": inputs,
        "references": [_REFERENCES[key] for key in _SOURCES.get(kind, ("vplot", "atac"))],
    }


def _labels(model: HubModel, kind: str) -> list[dict[str, Any]]:
    """Labels of a kind of head, with what each sample has of them: shares of states, or calls."""
    summaries = [run.results.summary for _, run in model.predicted()]
    found: Sequence[Sequence[object]] = ()
    if kind != "continuous":
        found = [item.states if kind == "states" else item.calls for item in summaries]
    # A run counts in the order of the heads, which may have labels of the same name.
    items = [item for item in model_labels(model.runs.spec) if item.head.kind == kind]
    return [
        {"item": item, "found": [sample[place] for sample in found]}
        for place, item in enumerate(items)
    ]


def _accuracy(spec: ModelSpec) -> dict[str, Any]:
    """Figures on the test chromosomes, as ``evaluation.scores.split_metrics`` has them."""
    metrics = spec.metrics.get("test", {})
    found = metrics.get("model", {})
    states = found.get("states")
    majority = metrics.get("baselines", {}).get("majority class", {}).get("states")
    return {
        "state_accuracy": states if majority is not None else None,
        "majority": majority,
        "state_scores": [] if states is None else states["labels"],
        "label_scores": found.get("binary", []),
        "signal_scores": found.get("continuous", []),
    }


def _explained(model: HubModel) -> dict[str, Any]:
    """What was explained, and how."""
    rows: list[dict[str, Any]] = []
    how: dict[Path, dict[str, Any]] = {}
    parts: dict[str, None] = {}
    heads = [head for head in model.runs.spec.heads if head.kind == "states"]
    for sample, run, name, label in model.explained():
        found, options = run.results.labels[name], run.record.options
        parts |= dict.fromkeys(found.shares)
        what = "of the model's calls" if run.results.sites == "calls" else "of the given regions"
        which = f"all {what}"
        if found.sites < found.candidates:
            which = f"the strongest {found.sites:,} {what} ({found.candidates:,})"
        row = {"sample": sample.name, "name": name, "label": label, "found": found, "which": which}
        rows.append(row)
        how[run.folder] = {
            "sample": sample.name,
            "labels": ", ".join(run.results.labels),
            "method": _method(options),
            "complete": options["method"] == "deeplift",
            "merge": _MERGE.get(options["merge"], options["merge"]),
        }
    return {
        "explained": rows,
        "explaining": list(how.values()),
        "explained_states": any(row["label"] in head.labels for row in rows for head in heads),
        "parts": list(parts),
        "classes": [
            (item.name, part)
            for item in model.runs.spec.inputs
            if item.kind == "vplot"
            for part in fragment_classes(item.length_edges)
        ],
    }


def _method(options: Mapping[str, Any]) -> str:
    if options["method"] != "deeplift":
        return "gradient times input"
    baseline = "zero (no fragments)" if options["baseline"] == "zero" else "the genome's mean"
    return (
        f"DeepLIFT (rescale rule): the sequence against {options['references']} dinucleotide "
        f"shuffles of it, other inputs against {baseline}"
    )
