"""What a new user does wrong ends in one message that says where, what, and how to mend it."""

from __future__ import annotations

import os
from pathlib import Path

import pyBigWig
import pysam
import pytest
import torch
from tiny_models import write_tiny_model
from typer.testing import CliRunner

from chromputer_tracks.analysis.dataset.report import show_dataset
from chromputer_tracks.cli.main import app
from chromputer_tracks.errors import (
    ChromputerError,
    ConfigError,
    ContigError,
    InputError,
    OutputError,
    SpecError,
)
from chromputer_tracks.inference.session import load_model
from chromputer_tracks.io.atomic import check_folder
from chromputer_tracks.model import training
from chromputer_tracks.model.checkpoints import LAST, Progress, open_run
from chromputer_tracks.model.config_file import load_config
from chromputer_tracks.model.experiment import Experiment
from chromputer_tracks.model.sources import open_sources
from chromputer_tracks.model.training import train_model
from chromputer_tracks.options.train import DatasetOptions, TrainOptions

CONFIG = """
name = "lab"
assembly = "toy"
TOP
[data]
fasta = "genome.fa"
[splits]
train = ["chr1"]
validation = ["chr2"]
test = ["chr3"]
[inputs]
vplots = []
[[binary]]
name = "Reb1"
peaks = ["one.bed"]
LABEL
"""


def config_error(folder: Path, text: str) -> str:
    """What loading the configuration says; each file that is named ``.bed`` or ``.fa`` is there."""
    for name in ("genome.fa", "one.bed", "two.bed"):
        (folder / name).touch()
    (folder / "peaks").mkdir(exist_ok=True)
    path = folder / "config.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    return str(caught.value)


def filled(top: str = "", label: str = "") -> str:
    return CONFIG.replace("TOP", top).replace("LABEL", label)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (filled("sead = 2"), "line 4: unknown key 'sead'; did you mean 'seed'?"),
        (filled("epochs = 2"), "notes; a key of this name belongs into [fit]"),
        (filled("bed = 'x'"), "belongs into [states]"),
        (filled(label="tilte = 'x'"), "unknown key 'binary[0].tilte'; did you mean 'title'?"),
        (filled("[fit]\nepochs = '8'"), "line 5: fit.epochs must be a whole number, got '8'"),
    ],
)
def test_a_wrong_key_or_value_is_told_what_is_meant(tmp_path, text, message):
    assert message in config_error(tmp_path, text)


def test_a_folder_is_no_file(tmp_path):
    text = filled().replace('"genome.fa"', '"peaks"')
    assert f"line 6: data.fasta: {tmp_path / 'peaks'} is a folder; name a file" in config_error(
        tmp_path, text
    )


def test_a_contig_twice_in_a_split(tmp_path):
    text = filled().replace('["chr3"]', '["chr3", "chr3"]')
    assert config_error(tmp_path, text).endswith("line 10: chr3 is twice in splits.test")


@pytest.mark.parametrize("how", ["rank", "intersection"])
def test_agreement_of_one_file(tmp_path, how):
    said = config_error(tmp_path, filled(label=f"agreement = '{how}'"))
    assert f"line 16: agreement '{how}' of label 'Reb1' needs the peaks of two replicates" in said


def test_one_file_as_two_replicates(tmp_path):
    text = filled(label="agreement = 'intersection'").replace("one.bed", 'one.bed", "one.bed')
    said = config_error(tmp_path, text)
    assert f"line 15: label 'Reb1' has the file {tmp_path / 'one.bed'} twice" in said


def test_two_files_may_agree(tmp_path):
    for name in ("genome.fa", "one.bed", "two.bed"):
        (tmp_path / name).touch()
    path = tmp_path / "config.toml"
    path.write_text(filled(label="agreement = 'rank'").replace("one.bed", 'one.bed", "two.bed'))
    assert len(load_config(path).binary[0].peaks) == 2


def test_an_unknown_motif_is_found_before_training(tmp_path):
    said = config_error(tmp_path, filled(label="motif = 'MA9999'"))
    assert "line 16: JASPAR has no motif 'MA9999'; give a matrix ID such as MA0363" in said


def test_peaks_of_matched_sites_go_into_their_table(tmp_path):
    said = config_error(tmp_path, filled("[sites]\nkind = 'matched'\npeaks = 'one.bed'"))
    assert said.endswith("accessible regions of the kind 'matched' are sites.matched.peaks")
    assert "line 6: " in said


def test_a_data_folder_that_is_not_there(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(filled())
    with pytest.raises(ConfigError, match="--data .*gone is not a folder"):
        load_config(path, tmp_path / "gone")


def write_lab(folder: Path, **files: str) -> Path:
    """A lab's files: three contigs, two replicates of one label, fragments; some of them changed.

    Args:
        folder: to write into.
        files: name (``one`` for ``one.bed``, ...) to content.

    Returns:
        the configuration.
    """
    contigs = ("chr1", "chr2", "chr3")
    bases = "ACGT" * 1500
    (folder / "genome.fa").write_text("".join(f">{name}\n{bases}\n" for name in contigs))
    pysam.faidx(str(folder / "genome.fa"))
    peaks = [(name, at) for name in contigs for at in range(100, 5800, 100)]
    rows = [f"{name}\t{at}\t{at + 50}\tp\t{at % 1000}\t.\n" for name, at in peaks]
    atac = [f"{name}\t{at}\t{at + 50}\n" for name, at in peaks]
    texts = {"one": "".join(rows), "two": "".join(rows), "atac": "".join(atac)} | files
    for name, text in texts.items():
        (folder / f"{name}.bed").write_text(text)
    path = folder / "config.toml"
    text = filled(label="agreement = 'rank'").replace("one.bed", 'one.bed", "two.bed')
    text = text.replace('"genome.fa"', '"genome.fa"\nfragments = "atac.bed"')
    path.write_text(text.replace("vplots = []", ""))
    return path


def lab_error(folder: Path, **files: str) -> str:
    """What opening the files says, notes included."""
    config = load_config(write_lab(folder, **files))
    with pytest.raises(ChromputerError) as caught, open_sources(config):
        pass
    return " ".join([str(caught.value), *getattr(caught.value, "__notes__", [])])


def test_the_lab_is_right(tmp_path):
    with open_sources(load_config(write_lab(tmp_path))) as sources:
        assert sources.samples[0].assays["atac"].total == 171


def test_an_empty_replicate_is_told_with_its_label(tmp_path):
    said = lab_error(tmp_path, two="")
    assert f"{tmp_path / 'two.bed'} is empty" in said
    assert "label Reb1, replicates " in said


def test_a_header_line(tmp_path):
    said = lab_error(tmp_path, one="chrom\tstart\tend\nchr1\t5\t9\n")
    assert (
        f"{tmp_path / 'one.bed'} line 1: columns 2 and 3 (start, end) are not a start of at least 0"
        in said
    )
    assert "a line of column names must begin with #" in said


def test_windows_line_ends_are_taken(tmp_path):
    plain = load_config(write_lab(tmp_path))
    with open_sources(plain) as sources:
        expected = sources.samples[0].scored.binary[0].centres
    for name in ("one", "two", "atac"):
        path = tmp_path / f"{name}.bed"
        path.write_text(path.read_text().replace("\n", "\r\n"), newline="")
    with open_sources(plain) as sources:
        found = sources.samples[0].scored.binary[0].centres
        assert sources.samples[0].assays["atac"].total == 171
    assert {name: row.tolist() for name, row in found.items()} == {
        name: row.tolist() for name, row in expected.items()
    }


def test_ranks_need_scores_and_name_the_files(tmp_path):
    rows = [f"chr1\t{at}\t{at + 50}\tp\t0\t.\t0\t-1\t-1\t10\n" for at in range(0, 5000, 100)]
    said = lab_error(tmp_path, one="".join(rows))
    assert "all peaks of replicate 1 have the score 0; rank agreement needs scores" in said
    assert f"label Reb1, replicates {tmp_path / 'one.bed'}, {tmp_path / 'two.bed'}" in said
    said = lab_error(tmp_path, one="".join(rows), two="".join(rows))
    assert "all peaks of replicate 1 have the signalValue 0, the p-value -1, the score 0" in said


def test_replicates_that_agree_on_nothing(tmp_path):
    config = write_lab(tmp_path, one="chr1\t5\t9\n", two="chr2\t5\t9\nchr3\t5\t9\n")
    config.write_text(config.read_text().replace("'rank'", "'intersection'"))
    with (
        pytest.raises(InputError, match="agree on no peak .agreement 'intersection', within 100"),
        open_sources(load_config(config)),
    ):
        pass


def test_fragments_of_one_contig_only(tmp_path):
    rows = [f"chr2\t{at}\t{at + 50}\n" for at in range(0, 5000, 100)]
    said = lab_error(tmp_path, atac="".join(rows))
    assert said.startswith(f"splits.train: no fragment of {tmp_path / 'atac.bed'} lies on chr1: ")
    assert "leave the contig out of the splits" in said


@pytest.mark.parametrize("use", ["input", "label"])
def test_a_bigwig_of_some_contigs(tmp_path, use):
    path = write_lab(tmp_path)
    with pyBigWig.open(str(tmp_path / "signal.bw"), "w") as file:
        file.addHeader([("chr1", 6000), ("chr2", 6000)])
        file.addEntries(["chr1", "chr2"], [0, 0], ends=[6000, 6000], values=[1.0, 2.0])
    text = path.read_text()
    if use == "input":
        signal = '[[inputs.signals]]\nname = "s"\nassay = "s"\nmeasure = "values"\n'
        text = text.replace("[[binary]]", f"{signal}[[binary]]")
        text = text.replace("[splits]", 'assays = { s = "signal.bw" }\n[splits]')
    else:
        text += '[[continuous]]\nname = "s"\nbigwig = "signal.bw"\n'
    path.write_text(text)
    message = f"splits.test: no value above 0 of {tmp_path / 'signal.bw'} lies on chr3"
    with pytest.raises(ConfigError, match=message), open_sources(load_config(path)):
        pass


def test_a_label_without_training_peaks(tmp_path):
    rows = [f"chr{n}\t{at}\t{at + 50}\n" for n in (2, 3) for at in range(0, 5000, 100)]
    path = write_lab(tmp_path, other="".join(rows))
    path.write_text(path.read_text() + '[[binary]]\nname = "Abf1"\npeaks = "other.bed"\n')
    config = load_config(path)
    message = r"label 'Abf1' has no peak in any training bin \(chr1\)"
    with open_sources(config) as sources, pytest.raises(ConfigError, match=message):
        Experiment(config, sources)


def test_a_blacklist_of_everything(tmp_path):
    rows = "".join(f"chr{n}\t0\t6000\ta\n" for n in (1, 2, 3))
    path = write_lab(tmp_path, black="chr1\t0\t6000\n", states=rows)
    text = path.read_text().replace("[splits]", 'blacklist = "black.bed"\n[splits]')
    (tmp_path / "states.tsv").write_text("state\tname\tcolor\na\tA\t1,2,3\nb\tB\t4,5,6\n")
    path.write_text(text + '[states]\nbed = "states.bed"\ntable = "states.tsv"\n')
    config = load_config(path)
    message = r"no training bin has a known state \(chr1\): is all of it in the blacklist"
    with open_sources(config) as sources, pytest.raises(ConfigError, match=message):
        Experiment(config, sources)


def test_a_stopped_run_is_not_removed_unasked(tmp_path):
    path, model = write_lab(tmp_path), tmp_path / "model"
    folder = model / "training"
    folder.mkdir(parents=True)
    (folder / "last.ckpt").write_text("of a run")
    with pytest.raises(ConfigError, match="go on with --resume, or start .* with --force"):
        train_model(TrainOptions(config=path, out=model))
    assert (folder / "last.ckpt").read_text() == "of a run"
    # A model that came of it ends it.
    (model / "predict.onnx").touch()
    message = r"model holds a finished model: train a new one in its place with --force .*--resume"
    with pytest.raises(ConfigError, match=message):
        train_model(TrainOptions(config=path, out=model))
    os.utime(model / "predict.onnx", (1, 1))
    with pytest.raises(ConfigError, match="was stopped before its end, beside a finished model"):
        train_model(TrainOptions(config=path, out=model))
    (folder / "last.ckpt").unlink()
    with pytest.raises(ConfigError, match=r"with --force \(it stays until the new one is done\)$"):
        train_model(TrainOptions(config=path, out=model))
    with pytest.raises(ConfigError, match="no checkpoint of a run to go on with"):
        train_model(TrainOptions(config=path, out=model, resume=True))
    assert sorted(item.name for item in model.iterdir()) == ["predict.onnx", "training"]
    result = CliRunner().invoke(app, ["train", str(path), "--out", "m", "--resume", "--force"])
    assert result.exit_code == 2


@pytest.mark.parametrize("text", ["accelerator = 'gpu'", "batch = 4000"])
def test_what_cannot_be_trained_leaves_no_folder(tmp_path, monkeypatch, text):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    path = write_lab(tmp_path)
    path.write_text(f"{path.read_text()}[fit]\n{text}\nkmers_per_label = 0\n")
    with pytest.raises(ConfigError, match="fit.accelerator is 'gpu'|do not fill one batch of 4000"):
        train_model(TrainOptions(config=path, out=tmp_path / "model"))
    assert not (tmp_path / "model").exists()


def test_a_parent_that_may_not_be_written_into(tmp_path, monkeypatch):
    """Also on a read-only disk, where permissions say nothing."""
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    message = f"cannot write {tmp_path / 'new'}: no permission to write into the folder {tmp_path},"
    with pytest.raises(OutputError, match=message):
        check_folder(tmp_path / "new")
    (tmp_path / "there").mkdir()
    check_folder(tmp_path / "there")


@pytest.mark.parametrize("there", [True, False])
def test_a_stopped_training_says_how_to_go_on(tmp_path, monkeypatch, there):
    out = tmp_path / "model"

    def stopped(*_: object, **__: object) -> None:
        if there:
            (out / "training").mkdir(parents=True)
            (out / "training" / LAST).touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "train_model", stopped)
    result = CliRunner().invoke(app, ["train", str(write_lab(tmp_path)), "--out", str(out)])
    assert result.exit_code == 130
    said = "The same command with --resume goes on after the last whole epoch" in result.stderr
    assert said == there


def test_a_run_of_other_settings_is_told_in_short(tmp_path):
    identity = "\n".join(f"label{row} = 1" for row in range(6))
    torch.save({"callbacks": {"progress": Progress(identity).state()}}, tmp_path / LAST)
    changed = identity.replace("= 1", "= 2")
    message = (
        "label3 was 1, now 2; and 2 more. Train as it was, or from the beginning, with --force"
    )
    with pytest.raises(ConfigError, match=message):
        open_run(tmp_path, changed, resume=True)


def test_a_folder_of_other_things_is_not_trained_into(tmp_path):
    path = write_lab(tmp_path)
    (tmp_path / "README.md").write_text("my project")
    with pytest.raises(OutputError, match="holds files that are not of a model .*pass --force"):
        train_model(TrainOptions(config=path, out=tmp_path))
    assert (tmp_path / "README.md").read_text() == "my project"
    assert not (tmp_path / "training").exists()


def test_a_configuration_from_windows(tmp_path):
    path = write_lab(tmp_path)
    plain = load_config(path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert load_config(path) == plain
    path.write_bytes(path.read_bytes() + b"[fti]\r\nepochs = 2\r\n")
    with pytest.raises(ConfigError, match=r"line 18: unknown key 'fti'; did you mean 'fit'\?"):
        load_config(path)


def test_start_sites_are_checked_with_the_dataset(tmp_path):
    path = write_lab(tmp_path, genes="1\t5\t6\ta\t0\t+\n")
    text = path.read_text().replace("[splits]", 'tss = "genes.bed"\n[splits]')
    path.write_text(text.replace("agreement = 'rank'", ""))
    with pytest.raises(ContigError, match="genes.bed: '1' not in .*has 'chr1'"):
        show_dataset(DatasetOptions(config=path, out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", [None, "{"])
def test_a_graph_stands_in_for_its_spec(tmp_path, text):
    folder = write_tiny_model(tmp_path / "tiny")
    (folder / "model.json").unlink()
    if text is not None:
        (folder / "model.json").write_text(text)
    with pytest.raises(SpecError, match="model.json: ") as caught:
        load_model(folder)
    (note,) = caught.value.__notes__
    assert note.startswith(f"{folder / 'predict.onnx'} carries the spec")
    assert load_model(folder / "predict.onnx").name == "tiny"
    # Not where it is of no help.
    (folder / "predict.onnx").write_text("no graph")
    with pytest.raises(SpecError, match="model.json: ") as caught:
        load_model(folder)
    assert not hasattr(caught.value, "__notes__")
