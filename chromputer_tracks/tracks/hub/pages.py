"""Description pages of a hub's tracks: what they are, how they were made, how to read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from chromputer_tracks import __version__
from chromputer_tracks.inference.registry import model_labels
from chromputer_tracks.options.predict import HubOptions
from chromputer_tracks.spec import InputSpec, Label, ModelSpec
from chromputer_tracks.tracks.explain.layout import fragment_classes
from chromputer_tracks.tracks.explain.run import LabelRecord
from chromputer_tracks.tracks.hub.files import COVERAGE_BIN
from chromputer_tracks.tracks.hub.layout import HubModel
from chromputer_tracks.tracks.hub.stanzas import HubTrack, tracks_with_data
from chromputer_tracks.tracks.igv import JSON_NAME, XML_NAME
from chromputer_tracks.tracks.runs import AssayInput, RunFolder

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


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("chromputer_tracks.tracks.hub", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(template: str, context: Mapping[str, Any]) -> str:
    """A page; ASCII alone, as the browser puts it into a page of an encoding of its own.

    Args:
        template: name, without its suffix.
        context: its values; their text is escaped.
    """
    page = _environment().get_template(f"{template}.html.j2").render(**context)
    return page.lstrip().encode("ascii", "xmlcharrefreplace").decode()


def track_page(kind: str, model: HubModel, email: str) -> str:
    """The page of a kind of track.

    Args:
        kind: ``states``, ``probabilities`` ...
        model: whose tracks they are.
        email: of whom to ask.
    """
    spec = model.runs.spec
    runs = [run for sample in model.runs.samples for run in sample.runs]
    inputs = [
        (sample.name, item, item.path)
        for sample in model.runs.samples
        for item in {item.sha256: item for run in sample.runs for item in run.inputs}.values()
    ]
    context = {
        **_shared(kind, email, inputs, many=model.many),
        "model": _model(spec, all(run.genome.digest == spec.sizes_digest for run in runs)),
        "runs": _made(runs),
        "samples": [sample.name for sample, _ in model.predicted()],
        **_predicted(model),
        **_accuracy(spec),
        **_explained(model),
    }
    return render(kind, context)


def coverage_page(inputs: Inputs, email: str, *, many: bool) -> str:
    """The page of the samples' inputs."""
    context = _shared("coverage", email, inputs, many=many)
    return render("coverage", {**context, "model": None, "runs": "", "coverage_bin": COVERAGE_BIN})


def overview_page(
    title: str,
    options: HubOptions,
    models: Sequence[HubModel],
    tracks: Sequence[HubTrack],
    links: Sequence[tuple[str, str]],
) -> str:
    """The page of the whole hub, which stands alone.

    Args:
        title: long label of the hub.
        options: of the hub.
        models: its models.
        tracks: all that it lists.
        links: text and address of where to see it.
    """
    samples = dict.fromkeys(sample.name for model in models for sample in model.runs.samples)
    rows = [
        {
            "page": f"{options.assembly}/{track.page}.html",
            "short": track.short,
            "long": track.long,
            "files": f"{sum(1 for _ in tracks_with_data([track])):,}",
        }
        for track in tracks
    ]
    context = {
        "title": title,
        "assembly": options.assembly,
        "models": [model.runs.spec.name for model in models],
        "samples": list(samples),
        "many": len(samples) > 1,
        "tracks": rows,
        "links": links,
        "sessions": {"xml": XML_NAME, "json": JSON_NAME},
        "email": options.email,
        "version": __version__,
    }
    return render("overview", context)


def _shared(kind: str, email: str, inputs: Inputs, *, many: bool) -> dict[str, Any]:
    return {
        "email": email,
        "version": __version__,
        "many": many,
        "inputs": [_input(sample, item, path) for sample, item, path in inputs],
        "references": [_REFERENCES[key] for key in _SOURCES.get(kind, ("vplot", "atac"))],
    }


def _input(sample: str, item: AssayInput, path: Path) -> dict[str, str]:
    fragments = item.fragments is not None
    return {
        "sample": sample,
        "assay": item.assay,
        "file": path.name,
        "fragments": f"{item.fragments:,}" if fragments else "",
        "depth": f"{item.depth:.3g} per {'kb' if fragments else 'bp'}",
    }


def _model(spec: ModelSpec, same_genome: bool) -> dict[str, Any]:
    return {
        "name": spec.name,
        "window": f"{spec.window:,}",
        "stride": spec.stride,
        "label_bin": spec.label_bin,
        "assembly": spec.assembly,
        "held_out": ", ".join(spec.splits.get("test", ())),
        "inputs": [_reads(item) for item in spec.inputs],
        "same_genome": same_genome,
    }


def _reads(item: InputSpec) -> str:
    """What an input is, in words."""
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


def _made(runs: Sequence[RunFolder]) -> str:
    """Versions and dates of runs."""
    found = {
        f"chromputer-tracks {run.record.versions['chromputer-tracks']} on {run.record.started[:10]}"
        for run in runs
    }
    return ", ".join(sorted(found))


def _css(label: Label) -> str:
    return ", ".join(map(str, label.color))


def _predicted(model: HubModel) -> dict[str, Any]:
    """Rows of states and labels, with what each sample has of them."""
    found = [run.results.summary for _, run in model.predicted()]
    shares = [[f"{row.share:.1%}" for row in item.states] for item in found]
    calls = [[(f"{row.calls:,}", f"{row.bases:,}") for row in item.calls] for item in found]

    def rows(kind: str) -> Iterator[dict[str, Any]]:
        items = [item for item in model_labels(model.runs.spec) if item.head.kind == kind]
        # A run counts in the order of the heads, which may have labels of the same name.
        for place, item in enumerate(items):
            yield {
                "name": item.key,
                "title": item.label.title,
                "color": _css(item.label),
                "threshold": f"{item.label.threshold:#.3g}",
                "shares": [of[place] for of in shares] if kind == "states" else [],
                "calls": [of[place] for of in calls] if kind == "binary" else [],
            }

    return {
        "states": list(rows("states")),
        "labels": list(rows("binary")),
        "signals": list(rows("continuous")),
    }


def _accuracy(spec: ModelSpec) -> dict[str, Any]:
    """Figures on the test chromosomes, as the spec has them (``evaluation.scores``)."""
    metrics = spec.metrics.get("test", {})
    found = metrics.get("model", {})
    states = found.get("states")
    majority = metrics.get("baselines", {}).get("majority class", {}).get("states")
    overall = None
    if states is not None and majority is not None:
        overall = {
            "accuracy": _estimate(states["accuracy"]),
            "macro_f1": _estimate(states["macro_f1"]),
            "majority": _number(majority["accuracy"]["value"]),
        }
    return {
        "overall": overall,
        "state_scores": _scores([] if states is None else states["labels"]),
        "label_scores": _scores(found.get("binary", [])),
        "signal_scores": [
            {
                "name": item["name"],
                "pearson": _estimate(item["pearson"]),
                "spearman": _estimate(item["spearman"]),
            }
            for item in found.get("continuous", [])
        ],
    }


def _number(value: float | None) -> str:
    return "not known" if value is None else f"{value:.3f}"


def _estimate(item: Mapping[str, float | None]) -> str:
    low, high = _number(item["low"]), _number(item["high"])
    return f"{_number(item['value'])} [{low}, {high}]"


def _scores(labels: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    return [
        {
            "name": item["name"],
            "value": _number(item["auprc"]["value"]),
            "interval": f"{_number(item['auprc']['low'])} to {_number(item['auprc']['high'])}",
            "share": f"{item['positives'] / item['sites']:.3f}",
        }
        for item in labels
    ]


def _explained(model: HubModel) -> dict[str, Any]:
    """Rows of what was explained, and how."""
    rows: list[dict[str, Any]] = []
    how: dict[Path, dict[str, Any]] = {}
    parts: dict[str, None] = {}
    states = [
        label for head in model.runs.spec.heads if head.kind == "states" for label in head.labels
    ]
    for sample, run, name, label in model.explained():
        found, options = run.results.labels[name], run.record.options
        parts |= dict.fromkeys(found.shares)
        rows.append(
            {
                "sample": sample.name,
                "name": name,
                "title": label.title,
                "state": label in states,
                "color": _css(label),
                "sites": f"{found.sites:,}",
                "bases": f"{found.bases:,}",
                "logit": f"{found.mean_logit:.2f}",
                "shares": found.shares,
                "which": _which(found, run.results.sites),
            }
        )
        how[run.folder] = {
            "sample": sample.name,
            "labels": ", ".join(run.results.labels),
            "method": _method(options),
            "complete": options["method"] == "deeplift",
            "merge": _MERGE.get(options["merge"], options["merge"]),
        }
    for row in rows:
        row["shares"] = [f"{row['shares'].get(part, 0):.1%}" for part in parts]
    return {
        "explained": rows,
        "explaining": list(how.values()),
        "explained_states": any(row["state"] for row in rows),
        "parts": list(parts),
        "classes": [
            {
                "input": item.name,
                "name": part.name or "all",
                "lengths": f"{part.shortest} to {part.longest - 1}",
            }
            for item in model.runs.spec.inputs
            if item.kind == "vplot"
            for part in fragment_classes(item.length_edges)
        ],
    }


def _which(found: LabelRecord, sites: str) -> str:
    what = "of the model's calls" if sites == "calls" else "of the given regions"
    if found.sites < found.candidates:
        return f"the strongest {found.sites:,} {what} ({found.candidates:,})"
    return f"all {what}"


def _method(options: Mapping[str, Any]) -> str:
    if options["method"] != "deeplift":
        return "gradient times input"
    baseline = "zero (no fragments)" if options["baseline"] == "zero" else "the genome's mean"
    return (
        f"DeepLIFT (rescale rule): the sequence against {options['references']} dinucleotide "
        f"shuffles of it, other inputs against {baseline}"
    )
