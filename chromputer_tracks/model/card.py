"""The model card: what the model is, what it was trained on, and how good it is."""

from __future__ import annotations

from typing import Any

from chromputer_tracks.errors import counted
from chromputer_tracks.spec import Fitness, HeadSpec, InputSpec, ModelSpec, SampleProfile

_WHICH = {
    "bins": "",
    "peaks": " that touch one of the chosen regions",
    "matched": " that hold a positive or are a chosen negative: another accessible region, a "
    "flank, or a random bin of like GC and accessibility",
}
"""Kind of ``[sites]`` to what narrows the bins."""


def model_card(spec: ModelSpec, description: str, notes: str) -> str:
    """Markdown for ``README.md`` of a model folder.

    Args:
        spec: the model, with metrics and provenance as training makes them.
        description: first paragraph.
        notes: Markdown that is appended.
    """
    parts = [
        f"# {spec.name}",
        description.strip(),
        "## Inputs and outputs",
        f"Reads {spec.window:,} bp and speaks for the {spec.stride} bp in the middle; assembly of "
        f"training: {spec.assembly}.",
        "\n".join(_input_line(item) for item in spec.inputs),
        *(_head_table(head) for head in spec.heads),
        "## Data and splits",
        "\n".join(f"- {use}: {', '.join(contigs)}" for use, contigs in spec.splits.items()),
        _provenance(spec.provenance),
        "## Accuracy",
        f"Sites are the {spec.label_bin}-bp bins of the contigs outside the blacklist"
        f"{_WHICH[spec.provenance.get('sites', 'bins')]}. Areas under "
        "the precision-recall curve (AUPRC, average precision) stand beside the prevalence, which "
        "a random ranking would reach. Brackets: 95 % intervals from a bootstrap over 20-kb "
        "blocks. A prediction one bin beside a peak counts as wrong. Calibration error: the mean "
        "distance between predicted and observed share of positives, over bins of equal numbers "
        "of sites.",
        f"### Test contigs ({', '.join(spec.splits['test'])})",
        *_accuracy(spec, "test"),
        f"### Validation contigs ({', '.join(spec.splits['validation'])})",
        "They chose the epoch and calibrated the probabilities, so these figures are optimistic.",
        *_accuracy(spec, "validation"),
        *_by_depth(spec.fitness, spec.metrics["test"]["baselines"]),
        notes.strip(),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _input_line(item: InputSpec) -> str:
    if item.kind == "sequence":
        read = (["one-hot bases"] if item.bases else []) + list(item.shape)
        return f"- `{item.name}`: DNA ({', '.join(read)})"
    if item.kind == "vplot":
        what = (
            f"V-plot of {item.assay} fragments, midpoints in {item.bin}-bp bins by {item.channels} "
            f"length class{'es' if item.channels != 1 else ''} "
            f"(edges {', '.join(map(str, item.length_edges))} bp)"
        )
    else:
        of = "" if item.measure == "values" else f"{item.measure} of "
        what = f"{of}{item.assay} in {item.bin}-bp bins"
        if item.length_edges:
            what += f", fragments of {item.length_edges[0]} to {item.length_edges[1] - 1} bp"
        if item.smooth:
            what += f", averaged over {item.smooth} bp"
    return f"- `{item.name}`: {what}; {_normalised(item)}"


def _normalised(item: InputSpec) -> str:
    how = item.normalisation
    if how is None:
        return "as it is"
    parts = ["scaled by length class" if len(how.reference) > 1 else "scaled to the sample's depth"]
    if item.kind == "vplot":
        parts[0] += f", {sum(how.reference):g} fragments per kb the reference"
    if how.background:
        parts.append(f"divided by the local background of {how.background:,} bp")
    if how.transform != "none":
        parts.append(how.transform)
    return ", then ".join(parts)


def _head_table(head: HeadSpec) -> str:
    labels = head.labels
    if head.kind == "states":
        what, columns = "softmax", ["state", "name", "colour"]
        rows = [[item.name, item.title, ",".join(map(str, item.color))] for item in labels]
    elif head.kind == "continuous":
        value = "exp(logit + bias)" if head.transform == "log" else "expm1(logit), at least 0"
        what, columns = f"a value per label, {value}", ["label", "name", "bias"]
        rows = [[item.name, item.title, f"{item.bias:+.3f}"] for item in labels]
    else:
        what = "sigmoid per label; calibrated probability = sigmoid(scale x logit + bias)"
        columns = ["label", "name", "calling threshold", "scale", "bias"]
        rows = [
            # Digits that count: a rare label's threshold is small.
            [item.name, item.title, f"{item.threshold:.3g}", f"{item.scale:.3f}"]
            + [f"{item.bias:+.3f}"]
            for item in labels
        ]
    return f"Head `{head.name}` ({what}):\n\n{_table(columns, rows)}"


def _provenance(provenance: dict[str, Any]) -> str:
    lines = [
        f"- {name}: {provenance[name]}"
        for name in ("chromputer_tracks", "torch", "date", "seed")
        if name in provenance
    ]
    if provenance.get("command"):
        lines.append(f"- command: `{provenance['command']}`")
    files = provenance.get("inputs", {})
    auxiliary = sum(name.startswith("auxiliary ") for name in files)
    if auxiliary:
        lines.append(
            f"- learnt beside the labels and then forgotten: "
            f"{counted(auxiliary, 'auxiliary peak set')}, listed below"
        )
    table = [
        "",
        "<details><summary>Input files (SHA-256)</summary>",
        "",
        _table(
            ["input", "file", "SHA-256"],
            [[name, item["file"], f"`{item['sha256']}`"] for name, item in files.items()],
        ),
        "",
        "</details>",
    ]
    return "\n".join(lines + table)


def _accuracy(spec: ModelSpec, split: str) -> list[str]:
    metrics = spec.metrics[split]
    model, baselines = metrics["model"], metrics["baselines"]
    parts = []
    if model["states"]:
        states = [head for head in spec.heads if head.kind == "states"]
        titles = {label.name: label.title for head in states for label in head.labels}
        others = {name: of["states"] for name, of in baselines.items() if of["states"]}
        rows = [
            [what, *(_estimate(of[key]) for of in (model["states"], *others.values()))]
            for what, key in (("accuracy", "accuracy"), ("macro-F1", "macro_f1"))
        ]
        rows.append(
            ["calibration error", _estimate(model["states"]["reliability"]["error"])]
            + [""] * len(others)
        )
        parts.append(_table(["states", "model", *others], rows))
        parts.append(
            _table(
                ["state", "name", "AUPRC", "AUROC", "F1", "prevalence"],
                [
                    [item["name"], titles[item["name"]]]
                    + [_estimate(item[key]) for key in ("auprc", "auroc", "f1")]
                    + [f"{item['positives'] / item['sites']:.3f}"]
                    for item in model["states"]["labels"]
                ],
            )
        )
    if model["binary"]:
        found = {
            name: {item["name"]: item for item in of["binary"]} for name, of in baselines.items()
        }
        named = [name for name, of in found.items() if of]
        rows = [
            [item["name"], _estimate(item["auprc"])]
            + [_estimate(found[name].get(item["name"], {}).get("auprc")) for name in named]
            + [_estimate(item["auroc"]), _estimate(item["recall_at"]["0.5"])]
            + [f"{item['positives'] / item['sites']:.4f}", str(item["positives"])]
            + [_estimate(item["reliability"]["error"])]
            for item in model["binary"]
        ]
        parts.append(
            _table(
                ["label", "AUPRC", *(f"AUPRC, {name}" for name in named), "AUROC"]
                + ["recall at precision 0.5", "prevalence", "positives", "calibration error"],
                rows,
            )
        )
    if model["continuous"]:
        rows = [
            [item["name"], *(_estimate(item[key]) for key in ("pearson", "spearman", "explained"))]
            for item in model["continuous"]
        ]
        parts.append(_table(["label", "Pearson (log1p)", "Spearman", "explained deviance"], rows))
    return parts


def _by_depth(fitness: Fitness | None, baselines: dict[str, Any]) -> list[str]:
    """The accuracy to expect of thinner samples, beside that of the baselines."""
    if fitness is None or not fitness.depths:
        return []
    shown = {
        "accuracy": ("states: accuracy", _interval),
        "macro_f1": ("states: macro-F1", _interval),
        "confidence": ("mean probability of the called state", lambda value: f"{value:.3f}"),
        "auprc": ("labels: mean AUPRC", _interval),
    }
    columns = {
        key: how
        for key, how in shown.items()
        if any(getattr(item, key) is not None for item in fitness.depths)
    }
    rows = []
    for item in fitness.depths:
        cells = [
            "" if getattr(item, key) is None else show(getattr(item, key))
            for key, (_, show) in columns.items()
        ]
        rows.append([f"{item.share:.0%}", f"{item.depth:.3g}", *cells])
    parts = [
        "### Thinner samples",
        f"What to expect of a sample with fewer fragments: the test contigs "
        f"({', '.join(fitness.contigs)}) predicted from a part of the training sample's fragments, "
        "drawn at random (each part out of the larger ones) and scaled by its own density, as "
        "that of a new sample is; all else as above.",
        "\n".join(_sample_line(assay, item) for assay, item in fitness.samples.items()),
        _table(
            ["fragments", "per kb", *(name for name, _ in columns.values())],
            rows,
        ),
    ]
    for name, of in baselines.items():
        if of["states"] and "accuracy" in columns:
            figures = ", ".join(
                f"{what} {_estimate(of['states'][key])}"
                for what, key in (("accuracy", "accuracy"), ("macro-F1", "macro_f1"))
            )
            parts.append(f"Without any fragment, the {name} reaches {figures}.")
    if "confidence" in columns:
        parts.append(
            "The probabilities were calibrated at the full depth: where the mean probability of "
            "the called states is above their accuracy, the model is surer than it should be."
        )
    if fitness.local:
        parts += [
            "By the fragments whose midpoints lie in the window around a site, the sites of all of "
            "these samples together, in groups. Balanced accuracy: the mean over the states of the "
            "share of their sites that are called right, smoothed so that it never falls with more "
            "fragments. Where nothing is seen the most frequent state is called, and often right, "
            "so that the plain accuracy would be highest there.",
            _table(
                ["fragments in the window", "states: balanced accuracy", "sites"],
                [
                    [f"{item.fragments:.3g}", f"{item.accuracy:.3f}", f"{item.sites:,}"]
                    for item in fitness.local
                ],
            ),
        ]
    return parts


def _sample_line(assay: str, sample: SampleProfile) -> str:
    figures = [f"{sample.fragments:,} fragments, {sample.depth:.3g} per kb"]
    if sample.tss_enrichment is not None:
        figures.append(f"TSS enrichment {sample.tss_enrichment:.2f}")
    if sample.mitochondrial is not None:
        figures.append(f"{sample.mitochondrial:.1%} of all on organelles' contigs")
    return f"- `{assay}` of the training samples (mean): {', '.join(figures)}"


def _interval(values: tuple[float, float, float]) -> str:
    value, low, high = values
    return _estimate({"value": value, "low": low, "high": high})


def _table(columns: list[str], rows: list[list[str]]) -> str:
    lines = []
    for cells in (columns, ["---"] * len(columns), *rows):
        lines.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |")
    return "\n".join(lines)


def _estimate(values: dict[str, float | None] | None) -> str:
    if values is None or values["value"] is None:
        return ""
    low, high = values["low"], values["high"]
    shown = f"{values['value']:.3f}"
    return shown if low is None or high is None else f"{shown} [{low:.3f}, {high:.3f}]"
