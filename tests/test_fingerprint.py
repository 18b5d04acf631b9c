"""What a resumed run must share with the one before, and where a model says it comes from."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from toy_training import Toy, make_samples, make_toy

from chromputer_tracks.errors import InputError
from chromputer_tracks.io.record import file_record
from chromputer_tracks.model.config import SignalConfig, SitesConfig, TrainConfig
from chromputer_tracks.model.config_file import load_config
from chromputer_tracks.model.sources import open_sources
from chromputer_tracks.model.training import fingerprint, run_provenance


@pytest.fixture(scope="module")
def toy(tmp_path_factory) -> Toy:
    return make_toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def samples(toy) -> TrainConfig:
    return load_config(make_samples(toy))


def lines(config: TrainConfig) -> dict[str, str]:
    """The fingerprint's lines by name."""
    with open_sources(config) as sources:
        text = fingerprint(config, run_provenance(config, sources, "any"))
    found = dict(line.partition(" = ")[::2] for line in text.splitlines())
    assert len(found) == len(text.splitlines())
    return found


def changed(one: dict[str, str], other: dict[str, str]) -> set[str]:
    return {name for name in one | other if one.get(name) != other.get(name)}


@pytest.fixture(scope="module")
def before(toy) -> dict[str, str]:
    return lines(toy.config())


def test_every_setting_has_its_line(toy, before):
    config = toy.config()
    assert before["seed"] == "3"
    assert before["network.hidden"] == "16"
    assert before["inputs.length_edges"] == "[20, 100, 200, 400]"
    assert before["splits.train"] == '["chr1"]'
    assert before["binary[1].name"] == '"Odd"'
    assert before["segments.jitter"] == "300"
    assert before["auxiliary.minimum"] == "10"
    assert before["sites.kind"] == '"bins"'
    digest = hashlib.sha256(config.data.fasta.read_bytes()).hexdigest()
    assert before["SHA-256 of fasta"] == digest
    assert not [name for name in before if name.startswith(("fit", "description", "name"))]
    assert not [name for name in before if str(toy.folder) in before[name]]


def test_names_and_texts_of_the_model_do_not_matter(toy, before):
    notes = toy.folder / "notes.md"
    notes.write_text("tried")
    config = replace(toy.config(), name="other", description="another", notes=notes)
    assert lines(config) == before


def test_files_may_be_moved(toy, before, tmp_path):
    shutil.copytree(toy.folder, tmp_path / "moved")
    assert lines(load_config(tmp_path / "moved" / "toy.toml")) == before


def test_each_change_is_named(toy, before, tmp_path):
    config = toy.config()
    network, inputs = config.network, config.inputs
    for change, names in (
        ({"seed": 4}, {"seed"}),
        ({"label_bin": 100}, {"label_bin"}),
        ({"network": replace(network, dilations=(1, 2))}, {"network.dilations"}),
        ({"inputs": replace(inputs, sequence=False)}, {"inputs.sequence"}),
        ({"inputs": replace(inputs, vplots=())}, {"inputs.vplots", "SHA-256 of atac"}),
        ({"segments": replace(config.segments, outputs=16)}, {"segments.outputs"}),
        (
            {"sites": SitesConfig("peaks", toy.folder / "peaks" / "Odd.bed")},
            {"sites.kind", "SHA-256 of sites"},
        ),
        (
            {"splits": replace(config.splits, test=("chr2",), validation=("chr3",))},
            {"splits.test", "splits.validation"},
        ),
    ):
        assert changed(before, lines(replace(config, **change))) == names


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("toy.fragments.tsv", "atac"),
        ("states.bed", "states"),
        ("states.tsv", "state table"),
        ("peaks/TF.bed", "TF"),
        ("pol2.bw", "Pol2"),
        ("blacklist.bed", "blacklist"),
        ("peaks/Even.bed", "auxiliary Even"),
    ],
)
def test_what_a_file_holds_is_named(toy, before, tmp_path, file, name):
    """The digest of each file is told under its own name."""
    digest = hashlib.sha256((toy.folder / file).read_bytes()).hexdigest()
    assert before[f"SHA-256 of {name}"] == digest
    if file.endswith(".bw"):
        return
    shutil.copytree(toy.folder, tmp_path / "other")
    path = tmp_path / "other" / file
    rows = path.read_text().splitlines(keepends=True)
    # A colour of the last state, the first end of the blacklist; a row less elsewhere.
    instead = {"states.tsv": ("90,90,90", "91,91,91"), "blacklist.bed": ("1000", "900")}
    last = [rows[-1].replace(*instead[file])] if file in instead else []
    path.write_text("".join([*rows[:-1], *last]))
    found = lines(load_config(tmp_path / "other" / "toy.toml"))
    assert changed(before, found) == {f"SHA-256 of {name}"}


def test_samples_have_lines_of_their_own(samples):
    one = lines(samples)
    assert {"SHA-256 of A atac", "SHA-256 of B Pol2", "samples[1].name", "samples[2].use"} < set(
        one
    )
    # Two samples' files exchanged are other files.
    first, second, third = samples.samples
    swapped = replace(
        samples,
        samples=(
            replace(first, assays=second.assays),
            replace(second, assays=first.assays),
            third,
        ),
    )
    assert changed(one, lines(swapped)) == {"SHA-256 of A atac", "SHA-256 of B atac"}
    assert changed(one, lines(replace(samples, samples=(first, second)))) == {
        *("samples[2].name", "samples[2].use"),
        *(f"SHA-256 of C {name}" for name in ("atac", "TF", "Pol2")),
    }


def test_no_file_hides_another(toy):
    """A label that is called as an assay, and replicates of a label."""
    config = toy.config()
    factor, odd = config.binary
    twice = (toy.folder / "peaks" / "TF.bed", toy.folder / "peaks" / "Odd.bed")
    config = replace(
        config,
        auxiliary=None,
        binary=(replace(factor, name="atac"), replace(odd, peaks=twice)),
        inputs=replace(config.inputs, signals=(SignalConfig("cuts", "atac"),)),
    )
    with open_sources(config) as sources:
        inputs = run_provenance(config, sources, "any")["inputs"]
    assert {name: item["file"] for name, item in inputs.items()} == {
        "fasta": "toy.fa",
        "blacklist": "blacklist.bed",
        "state table": "states.tsv",
        "atac": "toy.fragments.tsv",
        "states": "states.bed",
        "atac (2)": "TF.bed",
        "Odd 1": "TF.bed",
        "Odd 2": "Odd.bed",
        "Pol2": "pol2.bw",
    }


def test_where_a_model_comes_from(toy):
    config = replace(toy.config(), auxiliary=None)
    with open_sources(config) as sources:
        found = run_provenance(config, sources, "chromputer train toy.toml")
    assert set(found) == {
        *("chromputer_tracks", "torch", "lightning", "python"),
        *("date", "seed", "command", "inputs", "sites"),
    }
    assert (found["seed"], found["sites"]) == (3, "bins")
    assert found["command"] == "chromputer train toy.toml"


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*none.bed: No such file"):
        file_record(tmp_path / "none.bed")
    assert file_record(Path(__file__)).path == __file__
