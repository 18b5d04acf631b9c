"""The model card's Markdown: its tables, read back, hold the spec's figures."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from scored_sites import heads, simulated

from chromputer_tracks.evaluation.metrics import Estimate
from chromputer_tracks.evaluation.scores import score, split_metrics
from chromputer_tracks.evaluation.sites import uncalibrated
from chromputer_tracks.inference.session import load_model
from chromputer_tracks.model.card import model_card
from chromputer_tracks.spec import (
    DepthAccuracy,
    Fitness,
    HeadSpec,
    InputSpec,
    Label,
    LocalAccuracy,
    ModelSpec,
    Normalisation,
    SampleProfile,
)

Table = list[dict[str, str]]

INPUTS = (
    InputSpec("sequence", "sequence", shape=("MGW", "Roll")),
    InputSpec(
        "vplot", "vplot_atac", 10, (20, 100, 200), Normalisation((7.5, 2.5), "asinh", 5000), "atac"
    ),
    InputSpec("vplot", "vplot_mnase", 10, (20, 200), Normalisation((10.0,), "none"), "mnase"),
    InputSpec(
        "signal", "cuts", 10, (20, 100), Normalisation((1000.0,), "sqrt"), "atac", "cuts", 50
    ),
    InputSpec("signal", "h3", 10, (), Normalisation((1.0,)), "h3", "values"),
)


def described() -> ModelSpec:
    """States, two binary heads and two continuous ones, scored on simulated sites."""
    states, binary, signal = heads()
    first, second = binary.labels
    states = dataclasses.replace(
        states,
        labels=tuple(
            dataclasses.replace(label, title=f"state {label.name} | quiet")
            for label in states.labels
        ),
    )
    # A label that is called as a state is, and one that is rarely called.
    first = dataclasses.replace(first, name="S0", title="factor")
    second = dataclasses.replace(second, threshold=0.0000321)
    squared = HeadSpec("continuous", "squared", (Label("D", "depth", (0, 0, 0)),), "log1p")
    every = (
        states,
        dataclasses.replace(binary, labels=(first,)),
        HeadSpec("binary", "marks", (second,)),
        signal,
        squared,
    )
    metrics = {}
    for split, seed in (("validation", 1), ("test", 2)):
        sites = simulated(600, seed)
        sites = dataclasses.replace(
            sites,
            logits=np.concatenate([sites.logits, sites.logits[5:] + 1]),
            continuous=np.concatenate([sites.continuous, sites.continuous]),
        )
        other = dataclasses.replace(sites, logits=-sites.logits)
        other.logits[3] = np.nan  # as a motif scan of labels without a motif
        metrics[split] = split_metrics(
            score(sites, every, draws=50),
            {
                "majority class": score(other, uncalibrated(every), draws=50),
                "motif scan": score(
                    dataclasses.replace(
                        other, logits=np.where([[0]] * 3 + [[1]] * 4, other.logits, np.nan)
                    ),
                    uncalibrated(every),
                    draws=50,
                ),
            },
        )
    return ModelSpec(
        name="toy",
        window=2000,
        stride=50,
        label_bin=200,
        inputs=INPUTS,
        heads=every,
        assembly="toy1",
        sizes_digest="0" * 64,
        splits={"train": ("chr1", "chr2"), "validation": ("chr3",), "test": ("chr4", "chr5")},
        metrics=metrics,
        provenance={
            "chromputer_tracks": "1.2.3",
            "seed": 4,
            "command": "chromputer train toy.toml",
            "inputs": {
                "fasta": {"file": "toy.fa", "sha256": "ab" * 32},
                "auxiliary x": {"file": "x.bed", "sha256": "cd" * 32},
            },
        },
    )


SPEC = described()
CARD = model_card(SPEC, "What it is.", "## Notes\n\nWhat was tried.")


def tables(text: str) -> list[Table]:
    """Every Markdown table, a dict a row; escaped bars are letters."""
    found: list[Table] = []
    for block in re.findall(r"(?:^\|.*\|\n?)+", text, re.MULTILINE):
        rows = [
            [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            for line in block.splitlines()
        ]
        columns, rule, *rest = rows
        assert set("".join(rule)) == {"-"}
        found.append([dict(zip(columns, row, strict=True)) for row in rest])
    return found


def after(heading: str) -> list[Table]:
    """The tables between a heading and the next one."""
    text = CARD.split(f"\n{heading}", 1)[1]
    return tables(re.split(r"\n#+ ", text)[0])


def assert_shows(cell: str, estimate: dict[str, float] | Estimate) -> None:
    value, low, high = (float(number) for number in re.findall(r"-?[\d.]+", cell))
    shown = estimate if isinstance(estimate, dict) else dataclasses.asdict(estimate)
    assert (value, low, high) == pytest.approx(
        (shown["value"], shown["low"], shown["high"]), abs=0.00051
    )


def test_the_card_begins_and_ends_as_told():
    assert CARD.startswith("# toy\n\nWhat it is.\n\n## Inputs and outputs\n\nReads 2,000 bp")
    assert CARD.endswith("\n\n## Notes\n\nWhat was tried.\n")
    assert "- train: chr1, chr2\n- validation: chr3\n- test: chr4, chr5" in CARD
    assert "- chromputer_tracks: 1.2.3\n- seed: 4\n- command: `chromputer train toy.toml`" in CARD
    assert "1 auxiliary peak set, listed below" in CARD
    assert "\n\n\n" not in CARD


def test_every_input_is_told():
    lines = [line for line in CARD.splitlines() if line.startswith("- `")]
    assert lines == [
        "- `sequence`: DNA (one-hot bases, MGW, Roll)",
        "- `vplot_atac`: V-plot of atac fragments, midpoints in 10-bp bins by 2 length classes "
        "(edges 20, 100, 200 bp); scaled by length class, 10 fragments per kb the reference, then "
        "divided by the local background of 5,000 bp, then asinh",
        "- `vplot_mnase`: V-plot of mnase fragments, midpoints in 10-bp bins by 1 length class "
        "(edges 20, 200 bp); scaled to the sample's depth, 10 fragments per kb the reference",
        "- `cuts`: cuts of atac in 10-bp bins, fragments of 20 to 99 bp, averaged over 50 bp; "
        "scaled to the sample's depth, then sqrt",
        "- `h3`: h3 in 10-bp bins; scaled to the sample's depth, then log1p",
    ]


def test_every_head_has_its_table():
    states, first, second, signal, squared = after("## Inputs and outputs")
    assert [row["state"] for row in states] == ["S0", "S1", "S2"]
    assert states[1]["name"] == "state S1 | quiet"
    assert states[0]["colour"] == "10,20,30"
    assert first == [
        {
            "label": "S0",
            "name": "factor",
            "calling threshold": "0.2",
            "scale": "1.200",
            "bias": "-2.000",
        }
    ]
    # A rare label's threshold is not shown as 0.
    assert float(second[0]["calling threshold"]) == 0.0000321
    assert (signal[0]["label"], signal[0]["bias"]) == ("C", "+0.000")
    assert squared == [{"label": "D", "name": "depth", "bias": "+0.000"}]
    for name, what in (
        ("states", "softmax"),
        ("tfs", "sigmoid per label"),
        ("marks", "sigmoid per label"),
        ("signal", "exp(logit + bias)"),
        ("squared", "expm1(logit), at least 0"),
    ):
        assert re.search(rf"Head `{name}` \(.*{re.escape(what)}", CARD)


@pytest.mark.parametrize(
    ("split", "heading"),
    [("test", "### Test contigs (chr4, chr5)"), ("validation", "### Validation contigs (chr3)")],
)
def test_every_figure_is_in_its_table(split, heading):
    overall, states, binary, continuous = after(heading)
    model, baselines = SPEC.metrics[split]["model"], SPEC.metrics[split]["baselines"]
    # The motif scan knows no states and no label S0.
    assert list(overall[0]) == ["states", "model", "majority class"]
    for row, key in zip(overall, ("accuracy", "macro_f1"), strict=False):
        assert row["states"] == key.replace("_f1", "-F1")
        assert_shows(row["model"], model["states"][key])
        assert_shows(row["majority class"], baselines["majority class"]["states"][key])
    assert overall[2]["states"] == "calibration error"
    assert_shows(overall[2]["model"], model["states"]["reliability"]["error"])
    assert overall[2]["majority class"] == ""

    assert [row["state"] for row in states] == ["S0", "S1", "S2"]
    for row, item in zip(states, model["states"]["labels"], strict=True):
        # Not the title of the label that is named alike.
        assert row["name"] == f"state {row['state']} | quiet"
        for column, key in (("AUPRC", "auprc"), ("AUROC", "auroc"), ("F1", "f1")):
            assert_shows(row[column], item[key])
        assert float(row["prevalence"]) == pytest.approx(
            item["positives"] / item["sites"], abs=6e-4
        )

    assert [row["label"] for row in binary] == ["S0", "B"]
    for row, item in zip(binary, model["binary"], strict=True):
        assert_shows(row["AUPRC"], item["auprc"])
        assert_shows(row["AUROC"], item["auroc"])
        assert_shows(row["recall at precision 0.5"], item["recall_at"]["0.5"])
        assert_shows(row["calibration error"], item["reliability"]["error"])
        assert row["positives"] == str(item["positives"])
        assert float(row["prevalence"]) == pytest.approx(
            item["positives"] / item["sites"], abs=6e-5
        )
    for name in ("majority class", "motif scan"):
        assert binary[0][f"AUPRC, {name}"] == ""
        (known,) = baselines[name]["binary"]
        assert_shows(binary[1][f"AUPRC, {name}"], known["auprc"])

    assert [row["label"] for row in continuous] == ["C", "D"]
    for row, item in zip(continuous, model["continuous"], strict=True):
        assert_shows(row["Pearson (log1p)"], item["pearson"])
        assert_shows(row["Spearman"], item["spearman"])
        assert_shows(row["explained deviance"], item["explained"])


def test_input_files_are_listed():
    (files,) = after("## Data and splits")
    assert files == [
        {"input": "fasta", "file": "toy.fa", "SHA-256": f"`{'ab' * 32}`"},
        {"input": "auxiliary x", "file": "x.bed", "SHA-256": f"`{'cd' * 32}`"},
    ]


def test_a_model_without_states_or_labels_has_no_such_tables():
    spec = dataclasses.replace(
        SPEC,
        heads=SPEC.heads[3:4],
        metrics={
            split: {
                "model": {
                    "states": None,
                    "binary": [],
                    "continuous": of["model"]["continuous"][:1],
                },
                "baselines": {"majority class": {"states": None, "binary": [], "continuous": []}},
            }
            for split, of in SPEC.metrics.items()
        },
    )
    found = tables(model_card(spec, "", ""))
    # The head, the files, and the figures of two splits.
    assert [list(table[0])[:2] for table in found] == [
        ["label", "name"],
        ["input", "file"],
        ["label", "Pearson (log1p)"],
        ["label", "Pearson (log1p)"],
    ]


def test_a_figure_without_an_interval_is_shown_alone():
    metrics = {split: dict(of) for split, of in SPEC.metrics.items()}
    (item, *_) = metrics["test"]["model"]["continuous"]
    lone = {**item, "pearson": {"value": 0.5, "low": None, "high": None}}
    lone["spearman"] = {"value": None, "low": None, "high": None}
    metrics["test"]["model"] = {"states": None, "binary": [], "continuous": [lone]}
    card = model_card(dataclasses.replace(SPEC, metrics=metrics), "", "")
    assert "| C | 0.500 |  |" in card


def test_the_card_says_which_bins_are_sites():
    every, matched = (
        model_card(
            dataclasses.replace(described(), provenance={"sites": kind, "inputs": {}}), "", ""
        )
        for kind in ("bins", "matched")
    )
    assert "outside the blacklist. Areas" in every
    assert "outside the blacklist that hold a positive or are a chosen negative" in matched


FITNESS = Fitness(
    ("chr4", "chr5"),
    {
        "atac": SampleProfile(287518, 21.39, (1.0,), (), 2.142, 0.04958),
        "mnase": SampleProfile(1000, 3.0, (1.0,)),
    },
    (
        DepthAccuracy(1.0, 21.39, (0.7427, 0.7168, 0.7659), (0.4, 0.3, 0.5), (0.5, 0.4, 0.6), 0.7),
        DepthAccuracy(0.02, 0.4409, (0.6769, 0.649, 0.7), (0.25, 0.2, 0.3), (0.3, 0.2, 0.4), 0.8),
    ),
    (LocalAccuracy(0.0, 0.1948, 11862), LocalAccuracy(132.2, 0.4314, 2924)),
)


def test_the_accuracy_by_depth_is_in_its_tables():
    card = model_card(dataclasses.replace(SPEC, fitness=FITNESS), "", "## Notes")
    part = card.split("\n### Thinner samples\n", 1)[1].split("\n## ")[0]
    assert "the test contigs (chr4, chr5) predicted from a part of the training" in part
    assert [line for line in part.splitlines() if line.startswith("- ")] == [
        "- `atac` of the training samples (mean): 287,518 fragments, 21.4 per kb, TSS enrichment "
        "2.14, 5.0% of all on organelles' contigs",
        "- `mnase` of the training samples (mean): 1,000 fragments, 3 per kb",
    ]
    majority = SPEC.metrics["test"]["baselines"]["majority class"]["states"]
    (sentence,) = re.findall(r"Without any fragment, the majority class reaches (.*)\.\n", part)
    accuracy, macro_f1 = re.fullmatch(r"accuracy (.*), macro-F1 (.*)", sentence).groups()
    assert_shows(accuracy, majority["accuracy"])
    assert_shows(macro_f1, majority["macro_f1"])
    depths, local = tables(part)
    assert_depths(depths, FITNESS)
    assert_local(local, FITNESS)


def assert_depths(table: Table, fitness: Fitness) -> None:
    for row, item in zip(table, fitness.depths, strict=True):
        assert row["fragments"] == f"{item.share * 100:g}%"
        assert float(row["per kb"]) == pytest.approx(item.depth, rel=6e-3)
        for column, values in (
            ("states: accuracy", item.accuracy),
            ("states: macro-F1", item.macro_f1),
            ("labels: mean AUPRC", item.auprc),
        ):
            assert_shows(row[column], Estimate(*values))
        assert float(row["mean probability of the called state"]) == pytest.approx(
            item.confidence, abs=6e-4
        )


def assert_local(table: Table, fitness: Fitness) -> None:
    for row, item in zip(table, fitness.local, strict=True):
        assert float(row["fragments in the window"]) == pytest.approx(item.fragments, rel=6e-3)
        assert float(row["states: balanced accuracy"]) == pytest.approx(item.accuracy, abs=6e-4)
        assert row["sites"] == f"{item.sites:,}"


def test_a_model_of_labels_alone_shows_theirs_by_depth():
    fitness = Fitness(("chr4",), {}, (DepthAccuracy(1.0, 3.0, auprc=(0.5, 0.4, 0.6)),))
    card = model_card(dataclasses.replace(SPEC, fitness=fitness), "", "")
    part = card.split("\n### Thinner samples\n", 1)[1]
    assert tables(part) == [
        [{"fragments": "100%", "per kb": "3", "labels: mean AUPRC": "0.500 [0.400, 0.600]"}]
    ]
    assert "calibrated at the full depth" not in part


@pytest.mark.parametrize("fitness", [None, Fitness(("chr4",), {})])
def test_what_was_not_measured_is_not_in_the_card(fitness):
    card = model_card(dataclasses.replace(SPEC, fitness=fitness), "", "")
    assert "Thinner samples" not in card


def test_the_shipped_card_shows_the_shipped_spec():
    model = load_model("yeast-atac")
    fitness = model.spec.fitness
    assert fitness is not None
    assert [item.share for item in fitness.depths] == [1, 0.5, 0.25, 0.1, 0.05, 0.02]
    card = model.path.with_name("README.md").read_text(encoding="utf-8")
    part = card.split("\n### Thinner samples\n", 1)[1].split("\n## ")[0]
    depths, local = tables(part)
    assert_depths(depths, fitness)
    assert_local(local, fitness)
    (sample,) = fitness.samples.values()
    assert sample.depth == fitness.depths[0].depth
    assert f"- `atac` of the training samples (mean): {sample.fragments:,} fragments" in part
    # The whole sample is scored as the test contigs are above.
    (test,) = [model.spec.metrics["test"]["model"]]
    for key in ("accuracy", "macro_f1"):
        value = test["states"][key]
        assert getattr(fitness.depths[0], key) == pytest.approx(
            (value["value"], value["low"], value["high"]), abs=2e-4
        )
    each = [item["auprc"]["value"] for item in test["binary"]]
    assert fitness.depths[0].auprc[0] == pytest.approx(np.mean(each), abs=2e-4)
    # Thinner samples are worse.
    for key in ("accuracy", "macro_f1", "auprc"):
        values = [getattr(item, key)[0] for item in fitness.depths]
        assert values == sorted(values, reverse=True)
