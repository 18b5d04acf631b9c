"""``chromputer evaluate``: what it refuses, and what it says of models that fit in part."""

import dataclasses
import re

import pytest
from evaluate_toy import CONFIG, SPLITS, make_toy, run
from scored_sites import load_sites
from tiny_models import tiny_spec, write_tiny_model

from chromputer_tracks.analysis.evaluate.run import _check_bins
from chromputer_tracks.errors import InputError


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return make_toy(tmp_path_factory.mktemp("toy"))


def test_validation_contigs_are_noted_and_training_contigs_refused(toy, tmp_path):
    common = (toy / "tiny", "--config", toy / "toy.toml", "--draws", 10, "--out", tmp_path / "out")
    found = run(*common, "--split", "validation")
    assert found.exit_code == 0, found.output
    assert "tiny was tuned and calibrated on chr2" in found.stderr.replace("\n", " ")
    sites, _ = load_sites(tmp_path / "out" / "sites.npz")
    assert sites.contigs == ("chr2",)
    refused = run(*common, "--contigs", "chr3,chr1")
    assert refused.exit_code == 1
    assert "model tiny was trained on chr1" in refused.stderr.replace("\n", " ")
    allowed = run(*common, "--contigs", "chr3,chr1", "--allow-training-contigs")
    assert allowed.exit_code == 0, allowed.output
    assert "its figures there are too good" in allowed.stderr.replace("\n", " ")
    sites, _ = load_sites(tmp_path / "out" / "sites.npz")
    assert sites.contigs == ("chr3", "chr1")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--contigs", "chr9"), r"chr9.*--contigs stands for splits.test here"),
        (("--contigs", "chr4"), r"chr4.*--contigs stands for splits.test here"),
        (("--sample", "HSC"), "--sample HSC: .*toy.toml has no such sample; it has sample"),
        (("--replicate", "TF7=x.bed"), "--replicate TF7: .*no such binary label; it has TF2, TF9"),
        (("--replicate-states", "none.bed"), "cannot read none.bed"),
        (("--baselines", "--tss", "none.bed"), "cannot read none.bed"),
    ],
)
def test_what_cannot_be_scored_is_one_clear_error(toy, tmp_path, arguments, message):
    found = run(
        *(toy / "tiny", "--config", toy / "toy.toml", "--out", tmp_path / "out", "--draws", 10),
        *arguments,
    )
    assert found.exit_code == 1
    assert re.search(message, found.stderr.replace("\n", " ")), found.stderr
    assert "predicting" not in found.stderr  # it is found before
    assert not (tmp_path / "out").exists()


def test_models_that_speak_for_other_bins(toy, tmp_path):
    config = tmp_path / "wide.toml"
    config.write_text("label_bin = 400\n" + CONFIG)
    common = ("--data", toy, "--out", tmp_path / "out")
    found = run(toy / "tiny", "--config", config, *common)
    assert found.exit_code == 1
    message = "speaks for bins of 200 bp, but the configuration's label_bin is 400"
    assert message in found.stderr.replace("\n", " ")
    with pytest.raises(InputError, match="stride of 30 bp, which does not divide label_bin"):
        _check_bins("tiny", tiny_spec(stride=30), 200)


def test_models_without_the_labels(toy, tmp_path):
    spec = tiny_spec(splits=SPLITS)
    names = {"S0": "A", "S1": "B", "S2": "C", "TF1": "X", "TF2": "Y"}
    heads = tuple(
        dataclasses.replace(
            head,
            labels=tuple(dataclasses.replace(item, name=names[item.name]) for item in head.labels),
        )
        for head in spec.heads
    )
    write_tiny_model(tmp_path / "strange", dataclasses.replace(spec, heads=heads))
    common = ("--config", toy / "toy.toml", "--out", tmp_path / "out", "--draws", 10)
    found = run(tmp_path / "strange", *common)
    assert found.exit_code == 1
    assert "predicts none of the configuration's labels" in found.stderr.replace("\n", " ")
    # Two of three states are no shares of three; the factors are scored.
    states, factors = spec.heads
    renamed = (dataclasses.replace(states.labels[0], name="Q"), *states.labels[1:])
    heads = (dataclasses.replace(states, labels=renamed), factors)
    write_tiny_model(tmp_path / "half", dataclasses.replace(spec, heads=heads, assembly="hg"))
    found = run(tmp_path / "half", *common)
    assert found.exit_code == 0, found.output
    text = found.stderr.replace("\n", " ")
    assert "does not predict S0, S1, S2, TF9: not scored" in text
    assert "no labels for Q, S1, S2 of tiny: not scored" in text
    assert "trained on another assembly (hg)" in text
    assert not (tmp_path / "out" / "states.tsv").exists()


def test_names_of_models(toy, tmp_path):
    spec = tiny_spec(splits=SPLITS)
    for name in ("a", "b/a", "c"):
        write_tiny_model(tmp_path / name, spec)
    common = ("--config", toy / "toy.toml", "--out", tmp_path / "out", "--draws", 10)
    found = run(tmp_path / "a", tmp_path / "c", *common)
    assert found.exit_code == 0, found.output
    assert (tmp_path / "out" / "sites-a.npz").exists()
    assert (tmp_path / "out" / "sites-c.npz").exists()
    found = run(tmp_path / "c", tmp_path / "c", *common)
    assert found.exit_code == 1
    assert "is given twice" in found.stderr.replace("\n", " ")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--contigs", "chr3,,chr2"),
        ("--contigs", "chr3,chr3"),
        ("--replicate", "TF1"),
        ("--replicate", "=x"),
        ("--replicate", "TF1=a", "--replicate", "TF1=b"),
        ("--draws", "0"),
        ("--split", "train"),
    ],
)
def test_a_wrong_command_line(toy, tmp_path, arguments):
    found = run(toy / "tiny", "--config", toy / "toy.toml", "--out", tmp_path / "out", *arguments)
    assert found.exit_code == 2
    assert not (tmp_path / "out").exists()
