"""The shipped model on held-out chromosomes, through the command line and the tracks it writes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyBigWig
import pytest
from sklearn.metrics import average_precision_score
from typer.testing import CliRunner

from chromputer_tracks.cli.main import app
from chromputer_tracks.data.labels import UNKNOWN, LabelSet, Mask, PeakLabels, StateLabels
from chromputer_tracks.inference.session import load_model
from chromputer_tracks.intervals import Interval
from chromputer_tracks.io.bed import read_bed
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.spec import HeadSpec, ModelSpec

MODEL = "yeast-atac"


@pytest.fixture(scope="module")
def spec() -> ModelSpec:
    return load_model(MODEL).spec


def head(spec: ModelSpec, kind: str) -> HeadSpec:
    (found,) = [item for item in spec.heads if item.kind == kind]
    return found


def figures(spec: ModelSpec, of: str) -> dict[str, Any]:
    """The card's scores on the test contigs, of the model or of a baseline."""
    test = spec.metrics["test"]
    found: dict[str, Any] = test["model"] if of == "model" else test["baselines"][of]
    return found


def auprc(spec: ModelSpec, of: str) -> dict[str, dict[str, float]]:
    """Binary label to the estimate of its AUPRC."""
    return {item["name"]: item["auprc"] for item in figures(spec, of)["binary"]}


@pytest.fixture(scope="module")
def tracks(spec: ModelSpec, example: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shipped") / "out"
    args = ["predict", MODEL, "--provider", "cpu", "--out", str(out)]
    args += ["--fasta", str(example / "sacCer3.fa.gz")]
    args += ["--fragments", str(example / "atac.fragments.tsv.gz")]
    for chrom in spec.splits["test"]:
        args += ["--chrom", chrom]
    result = CliRunner().invoke(app, args)
    assert result.exit_code == 0, result.output
    return out


@pytest.fixture(scope="module")
def labels(spec: ModelSpec, shared_yeast: Path, example: Path) -> LabelSet:
    with Fasta(example / "sacCer3.fa.gz") as fasta:
        sizes = fasta.sizes
    codes = {label.name: row for row, label in enumerate(head(spec, "states").labels)}
    states = StateLabels.from_segments(
        (item.chrom, item.start, item.end, codes[str(item.name)])
        for item in read_bed(shared_yeast / "states8.bed", sizes)
    )
    peaks = tuple(
        PeakLabels.from_peaks(
            read_bed(shared_yeast / "peaks" / f"{label.name}.bed", sizes).places,
            spec.label_bin,
            0,
        )
        for label in head(spec, "binary").labels
    )
    masked = Mask.from_intervals(
        item.interval for item in read_bed(shared_yeast / "blacklist.bed", sizes)
    )
    return LabelSet(states, peaks, masked)


def sites(spec: ModelSpec, size: int) -> np.ndarray:
    """Centres of every fourth output bin: one in each label bin."""
    return np.arange(spec.stride // 2 + spec.stride, size - spec.label_bin, spec.label_bin)


def values(path: Path, spec: ModelSpec) -> np.ndarray:
    with pyBigWig.open(str(path)) as file:
        return np.concatenate(
            [
                np.array(file.values(chrom, 0, file.chroms(chrom)))[sites(spec, file.chroms(chrom))]
                for chrom in spec.splits["test"]
            ]
        )


def truth(spec: ModelSpec, labels: LabelSet, example: Path) -> tuple[np.ndarray, np.ndarray]:
    with Fasta(example / "sacCer3.fa.gz") as fasta:
        parts = [labels.at(c, sites(spec, fasta.sizes[c])) for c in spec.splits["test"]]
    states = np.concatenate([part.states for part in parts])
    return states, np.concatenate([part.binary for part in parts], axis=1)


def test_splits_keep_the_final_test_chromosomes_out(spec: ModelSpec) -> None:
    assert spec.splits["validation"] == ("chrII",)
    assert spec.splits["test"] == ("chrVII", "chrXIII")
    assert not {"chrIV", "chrXV"} & {c for contigs in spec.splits.values() for c in contigs}


def test_states_are_as_good_as_the_card_says(
    spec: ModelSpec, tracks: Path, labels: LabelSet, example: Path
) -> None:
    found = np.array(
        [values(tracks / "states" / f"{s.name}.bw", spec) for s in head(spec, "states").labels]
    )
    np.testing.assert_allclose(found.sum(axis=0), 1, atol=1e-4)
    states, _ = truth(spec, labels, example)
    known = states != UNKNOWN
    accuracy = float((found.argmax(axis=0) == states)[known].mean())
    card = figures(spec, "model")["states"]["accuracy"]
    # Other bins than the card's, half a label bin apart at most.
    assert card["low"] - 0.01 < accuracy < card["high"] + 0.01
    majority = figures(spec, "majority class")["states"]["accuracy"]
    assert accuracy > majority["value"] + 0.05


def test_binding_is_as_good_as_the_card_says(
    spec: ModelSpec, tracks: Path, labels: LabelSet, example: Path
) -> None:
    _, binary = truth(spec, labels, example)
    binding = head(spec, "binary")
    card = auprc(spec, "model")
    for row, label in enumerate(binding.labels):
        found = values(tracks / binding.name / f"{label.name}.bw", spec)
        known = binary[row] != UNKNOWN
        positive = binary[row][known] == 1
        score = average_precision_score(positive, found[known])
        assert card[label.name]["low"] - 0.05 < score < card[label.name]["high"] + 0.05, label.name
        # Calibrated: about as many sites expected as there are, rare ones with their scatter.
        allowed = 1.7 if positive.sum() >= 50 else 3
        assert 1 / allowed < found[known].sum() / positive.sum() < allowed, label.name


@pytest.mark.parametrize("name", ["Reb1", "Abf1", "Rap1", "Cbf1"])
def test_strong_motifs_beat_the_motif_scan(spec: ModelSpec, name: str) -> None:
    scan = auprc(spec, "motif scan")[name]
    assert auprc(spec, "model")[name]["value"] > 0.9 * scan["value"]


def test_calls_lie_on_motifs(spec: ModelSpec, tracks: Path, example: Path) -> None:
    """Reb1 binds GGGTAA; most calls hold it, and far more than places 5 kb away."""
    calls = list(read_bed(tracks / head(spec, "binary").name / "Reb1.bed"))
    word = re.compile(rb"GGGTAA|TTACCC")
    with Fasta(example / "sacCer3.fa.gz") as fasta:

        def share(shift: int) -> float:
            around = [
                Interval(call.chrom, call.start + shift - 50, call.end + shift + 50)
                for call in calls
            ]
            found = [bool(word.search(fasta.fetch(place).tobytes())) for place in around]
            return sum(found) / len(found)

        assert len(calls) > 100
        assert share(0) > 0.5
        assert share(0) > 3 * max(share(5000), share(-5000))


@pytest.mark.parametrize("name", ["predict.onnx", "explain.onnx"])
def test_the_graphs_hold_no_traces_of_the_machine_that_made_them(name: str):
    path = load_model(MODEL).path.with_name(name)
    graph = onnx.load(path).graph
    parts = [graph, *graph.node]
    for node in graph.node:
        for attribute in node.attribute:
            parts += attribute.g.node
    assert len(parts) > 40
    assert not any(part.metadata_props or part.doc_string for part in parts)
    assert b"site-packages" not in path.read_bytes()
