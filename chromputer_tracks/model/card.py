"""The model card: what the model is, what it was trained on, and how good it is."""

from __future__ import annotations

from typing import Any

from chromputer_tracks.spec import HeadSpec, InputSpec, ModelSpec


def model_card(spec: ModelSpec, description: str, notes: str) -> str:
    """Markdown for ``README.md`` of a model folder.

    Args:
        spec: with metrics and provenance, as training makes it.
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
        f"Sites are the {spec.label_bin}-bp bins of the contigs outside the blacklist. Areas under "
        "the precision-recall curve (AUPRC, average precision) stand beside the prevalence, which "
        "a random ranking would reach. Brackets: 95 % intervals from a bootstrap over 20-kb "
        "blocks. A prediction one bin beside a peak counts as wrong; where flanks are masked, "
        f"the {spec.label_bin // 2} bp on each side of a positive bin are not scored.",
        f"### Test contigs ({', '.join(spec.splits['test'])})",
        *_accuracy(spec, "test"),
        f"### Validation contigs ({', '.join(spec.splits['validation'])})",
        "They chose the epoch and calibrated the probabilities, so these figures are optimistic.",
        *_accuracy(spec, "validation"),
        notes.strip(),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _input_line(item: InputSpec) -> str:
    if item.kind == "sequence":
        return f"- `{item.name}`: DNA, one-hot"
    depth = item.normalisation
    scaled = (
        f"; counts scaled to {depth.reference:g} fragments per kb genome-wide"
        f"{', then log1p' if depth.transform == 'log1p' else ''}"
        if depth
        else ""
    )
    return (
        f"- `{item.name}`: V-plot of paired-end ATAC-seq fragments, midpoints in {item.bin}-bp "
        f"bins by {item.channels} length classes (edges "
        f"{', '.join(map(str, item.length_edges))} bp){scaled}"
    )


def _head_table(head: HeadSpec) -> str:
    if head.kind == "states":
        rows = [
            f"| {label.name} | {label.title} | {','.join(map(str, label.color))} |"
            for label in head.labels
        ]
        return "\n".join(
            [f"Head `{head.name}` (softmax):", "", "| state | name | colour |", "|---|---|---|"]
            + rows
        )
    rows = [
        f"| {label.name} | {label.title} | {label.threshold:.3f} | {label.scale:.3f} | "
        f"{label.bias:+.3f} |"
        for label in head.labels
    ]
    return "\n".join(
        [
            f"Head `{head.name}` (sigmoid per label; calibrated probability = "
            "sigmoid(scale x logit + bias)):",
            "",
            "| label | name | calling threshold | scale | bias |",
            "|---|---|---|---|---|",
        ]
        + rows
    )


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
            f"- learnt beside the labels and then forgotten: {auxiliary} auxiliary peak sets, "
            "listed below"
        )
    table = [
        "",
        "<details><summary>Input files (SHA-256)</summary>",
        "",
        "| input | file | SHA-256 |",
        "|---|---|---|",
        *(f"| {name} | {item['file']} | `{item['sha256']}` |" for name, item in files.items()),
        "",
        "</details>",
    ]
    return "\n".join(lines + table)


def _accuracy(spec: ModelSpec, split: str) -> list[str]:
    parts = []
    states = spec.metrics[split].get("states")
    if states:
        per_state = states["per_state"]
        titles = {label.name: label.title for head in spec.heads for label in head.labels}
        parts.append(
            "\n".join(
                [
                    "| states | model | majority class |",
                    "|---|---|---|",
                    f"| accuracy | {_estimate(states['accuracy'])} | "
                    f"{states['majority_accuracy']:.3f} |",
                    f"| macro-F1 | {_estimate(states['macro_f1'])} | "
                    f"{states['majority_macro_f1']:.3f} |",
                ]
            )
        )
        parts.append(
            "\n".join(
                ["| state | name | AUPRC | prevalence |", "|---|---|---|---|"]
                + [
                    f"| {name} | {titles[name]} | {_estimate(item['auprc'])} | "
                    f"{item['prevalence']:.3f} |"
                    for name, item in per_state.items()
                ]
            )
        )
    binary = spec.metrics[split].get("binary")
    if binary:
        parts.append(
            "\n".join(
                [
                    "| label | AUPRC | motif scan's AUPRC | prevalence | positives | AUPRC, "
                    "flanks masked |",
                    "|---|---|---|---|---|---|",
                ]
                + [
                    f"| {name} | {_estimate(item['auprc'])} | "
                    f"{_estimate(item.get('motif_scan_auprc'))} | {item['prevalence']:.4f} | "
                    f"{item['positives']} | {_estimate(item['auprc_flanks_masked'])} |"
                    for name, item in binary.items()
                ]
            )
        )
    return parts


def _estimate(values: list[float] | None) -> str:
    if values is None:
        return ""
    value, low, high = values
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"
