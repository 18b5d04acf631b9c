"""Training into a folder that holds a model: nothing of it goes before the new one is done."""

from __future__ import annotations

import dataclasses
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from toy_training import Lines, Toy, make_toy, shorter

from chromputer_tracks.errors import ConfigError, ExportError
from chromputer_tracks.model import checkpoints, training
from chromputer_tracks.model.checkpoints import choose_folder, keep_run, run_folders
from chromputer_tracks.model.training import Trained, train_model
from chromputer_tracks.options.train import TrainOptions
from chromputer_tracks.spec import ModelSpec

EPOCHS = 3


@pytest.fixture(scope="module")
def toy(tmp_path_factory) -> Toy:
    toy = make_toy(tmp_path_factory.mktemp("toy"))
    text = (toy.folder / "toy.toml").read_text()
    text = re.sub(r"(?s)\[auxiliary\].*?(?=\[inputs\])", "", text)
    (toy.folder / "toy.toml").write_text(text)
    return toy


def exported(network: torch.nn.Module, spec: ModelSpec, folder: Path) -> float:
    """In place of the export, which takes longer than the training: the weights as they are."""
    torch.save(network.state_dict(), folder / "predict.onnx")
    (folder / "model.json").write_text(spec.to_json())
    return 0.0


@pytest.fixture(autouse=True)
def no_export(monkeypatch):
    monkeypatch.setattr(training, "export_network", exported)
    monkeypatch.setattr(training, "export_explain", lambda network, spec, folder: 0.0)
    yield
    torch.use_deterministic_algorithms(False)


def train(
    toy: Toy, out: Path, *, epochs: int = EPOCHS, seed: int = 3, lines: Lines | None = None, **how
) -> Trained:
    options = TrainOptions(config=toy.folder / "toy.toml", out=out, measure="no", **how)
    config = dataclasses.replace(shorter(toy.config(), epochs), seed=seed)
    trained = train_model(options, lines, config)
    assert trained is not None
    return trained


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(".lock")
    }


def weights(model: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = torch.load(model / "predict.onnx")
    return found


def same(one: Path, other: Path) -> bool:
    a, b = weights(one), weights(other)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


class Stopped(BaseException):
    """Ends a run in the middle."""


def stop_after(monkeypatch, epochs: int) -> pytest.MonkeyPatch:
    """Have the run end after the checkpoint of so many epochs."""
    add = checkpoints.Logs.add

    def added(self, row, *, new_best):
        add(self, row, new_best=new_best)
        if row["epoch"] == epochs:
            raise Stopped

    monkeypatch.setattr(checkpoints.Logs, "add", added)
    return monkeypatch


@pytest.fixture
def model(toy, tmp_path) -> Path:
    """A finished model, with a report and a file of its user's."""
    out = tmp_path / "model"
    train(toy, out)
    (out / "training" / "report.html").write_text("the report")
    (out / "training" / "notes.txt").write_text("mine")
    return out


def test_a_stopped_new_run_leaves_the_model_whole_and_goes_on(toy, model, tmp_path, monkeypatch):
    before = content(model)
    with monkeypatch.context() as patch, pytest.raises(Stopped):
        stop_after(patch, 2)
        train(toy, model, seed=4, force=True)
    after = content(model)
    new = {name for name in after if name.startswith("training-2/")}
    assert "training-2/last.ckpt" in new
    assert {name: data for name, data in after.items() if name not in new} == before
    with pytest.raises(ConfigError, match=r"training-2 holds a run that was stopped .*--resume"):
        train(toy, model, seed=4)
    # The new run goes on, not the one of the model.
    lines = Lines()
    train(toy, model, seed=4, resume=True, lines=lines)
    assert "resuming after epoch 2 of 3" in lines.lines
    train(toy, tmp_path / "unbroken", seed=4)
    assert same(model, tmp_path / "unbroken")
    left = {name for name in content(model) if not name.startswith("training/events")}
    assert left == {
        *("README.md", "model.json", "predict.onnx", "run.json"),
        *(f"training/{name}.npz" for name in ("validation", "test")),
        *(f"training/{name}.ckpt" for name in ("last", "best")),
        *("training/metrics.csv", "training/notes.txt"),
    }
    assert (model / "training" / "notes.txt").read_text() == "mine"
    assert run_folders(model) == [model / "training"]
    with pytest.raises(ConfigError, match="holds a finished model"):
        train(toy, model, seed=4)


def test_each_new_run_has_a_folder_of_its_own_until_one_is_done(toy, model, monkeypatch):
    for seed in (4, 5):
        with monkeypatch.context() as patch, pytest.raises(Stopped):
            stop_after(patch, 1)
            train(toy, model, seed=seed, force=True)
    assert run_folders(model) == [model / name for name in ("training-3", "training-2", "training")]
    train(toy, model, seed=6, force=True)
    assert run_folders(model) == [model / "training"]
    assert not list(model.glob("training-*"))


def test_a_first_run_that_is_started_anew_keeps_the_old_one_until_it_is_done(
    toy, tmp_path, monkeypatch
):
    out = tmp_path / "model"
    for force in (False, True):
        with monkeypatch.context() as patch, pytest.raises(Stopped):
            stop_after(patch, 1 + force)
            train(toy, out, force=force)
    assert run_folders(out) == [out / "training-2", out / "training"]
    train(toy, out, resume=True)
    assert run_folders(out) == [out / "training"]
    assert (out / "predict.onnx").exists()


def test_a_failed_publication_leaves_the_model_whole(toy, model, monkeypatch):
    before = content(model)

    def full(network, spec, folder):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(training, "export_network", full)
        train(toy, model, seed=4, force=True)
    after = content(model)
    assert {name: data for name, data in after.items() if "training-2/" not in name} == before
    # The weights are not lost: the export is all that is left to do.
    lines = Lines()
    train(toy, model, seed=4, resume=True, lines=lines)
    assert "resuming after epoch 3 of 3, which was the last" in lines.lines


def test_a_graph_that_is_refused_costs_no_weights(toy, tmp_path, monkeypatch):
    out = tmp_path / "model"

    def differs(network, spec, folder):
        raise ExportError("toy: the exported graph differs")

    with monkeypatch.context() as patch, pytest.raises(ExportError, match="differs") as caught:
        patch.setattr(training, "export_network", differs)
        train(toy, out)
    (note,) = caught.value.__notes__
    assert note.startswith(f"the network is trained and kept in {out / 'training'}: the same comm")
    assert {item.name for item in out.iterdir()} == {"training"}
    lines = Lines()
    train(toy, out, resume=True, lines=lines)
    assert "resuming after epoch 3 of 3, which was the last" in lines.lines


def test_a_model_that_cannot_be_explained_predicts(toy, model, monkeypatch):
    def differs(network, spec, folder):
        raise ExportError("toy: the explaining graph differs")

    (model / "explain.onnx").write_text("of the earlier model")
    before = weights(model)
    with monkeypatch.context() as patch, pytest.raises(ExportError, match="explaining") as caught:
        patch.setattr(training, "export_explain", differs)
        train(toy, model, seed=4, force=True)
    (note,) = caught.value.__notes__
    assert note.startswith(f"the model is in {model} and predicts, but has no explain.onnx")
    assert not (model / "explain.onnx").exists()
    assert any(not torch.equal(item, before[name]) for name, item in weights(model).items())
    assert run_folders(model) == [model / "training"]

    def explains(network, spec, folder):
        (folder / "explain.onnx").write_text("of this model")
        return 0.0

    monkeypatch.setattr(training, "export_explain", explains)
    train(toy, model, seed=4, resume=True)
    assert (model / "explain.onnx").read_text() == "of this model"


SCRIPT = """
import sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_train_again import train, exported
from toy_training import Toy
from chromputer_tracks.model import checkpoints, training
training.export_network = exported
training.export_explain = lambda network, spec, folder: 0.0
add = checkpoints.Logs.add
def added(self, row, *, new_best):
    add(self, row, new_best=new_best)
    print("epoch", flush=True)
    time.sleep(60)
checkpoints.Logs.add = added
train(Toy(Path({toy!r}), {{}}), Path({out!r}), seed=4, force=True)
"""


def test_a_killed_new_run_leaves_the_model_whole(toy, model):
    before = content(model)
    script = SCRIPT.format(tests=str(Path(__file__).parent), toy=str(toy.folder), out=str(model))
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"epoch\n"
        process.send_signal(signal.SIGKILL)
    after = content(model)
    assert {name: data for name, data in after.items() if "training-2/" not in name} == before
    lines = Lines()
    train(toy, model, seed=4, resume=True, lines=lines)
    assert "resuming after epoch 1 of 3" in lines.lines
    assert not list(model.glob("training-2"))
    assert not list(model.parent.glob(".partial-*"))


def touch(path: Path, at: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (at, at))
    return path


def test_the_newest_run_is_resumed(tmp_path):
    now = time.time()
    for number, at in (("", 5), ("-2", 9), ("-10", 7)):
        touch(tmp_path / f"training{number}" / "last.ckpt", now + at)
    # Names that are not of runs.
    for name in ("training-old", "training-0", "trainings"):
        touch(tmp_path / name / "last.ckpt", now + 20)
    assert [path.name for path in run_folders(tmp_path)] == [
        "training-2",
        "training-10",
        "training",
    ]
    chosen = choose_folder(tmp_path, resume=True, force=False)
    assert chosen == tmp_path / "training-2"
    assert choose_folder(tmp_path, resume=False, force=True) == tmp_path / "training-3"


def test_a_run_that_was_killed_before_its_first_checkpoint_is_nothing_to_keep(tmp_path):
    touch(tmp_path / "training" / "events.out.tfevents.1", 1)
    for resume, force in ((False, False), (True, False), (False, True)):
        assert choose_folder(tmp_path, resume=resume, force=force) == tmp_path / "training"
    # But with a model there it is the model's.
    touch(tmp_path / "predict.onnx", 1)
    assert choose_folder(tmp_path, resume=False, force=True) == tmp_path / "training-2"


def test_what_a_kept_run_leaves(tmp_path):
    for name in ("last.ckpt", "report.html", "mine.txt", "sub/x"):
        touch(tmp_path / "training" / name, 1)
    for name in ("last.ckpt", "best.ckpt", "metrics.csv", "mine.txt"):
        touch(tmp_path / "training-2" / name, 2)
    touch(tmp_path / "training-3" / "last.ckpt", 3)
    earlier = [tmp_path / name for name in ("training-3", "training-2", "training")]
    keep_run(tmp_path / "training-2", earlier)
    assert set(content(tmp_path)) == {
        *(f"training/{name}" for name in ("last.ckpt", "best.ckpt", "metrics.csv")),
        *("training/mine.txt", "training/sub/x", "training-2/mine.txt"),
    }
    assert (tmp_path / "training" / "last.ckpt").stat().st_mtime == 2
