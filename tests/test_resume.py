"""A run that was killed and resumed ends as one that was not."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import fit_toy
import pytest
import torch
from fit_toy import FIT, ToyData, ToyNetwork, ToyPlan
from fit_toy import fit_toy as fit
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from chromputer_tracks.errors import ConfigError, InputError
from chromputer_tracks.io.atomic import PARTIAL
from chromputer_tracks.model import fitting
from chromputer_tracks.model.checkpoints import LAST, AtomicCheckpoints, Progress, open_run

# A checkpoint must bring back averages, moments, a schedule, the best epoch and the patience.
SETTINGS = replace(FIT, epochs=4, patience=3, focal=1.0, schedule="cosine")
TIMES = ("seconds", "windows_per_second")


class Killed(BaseException):
    """Ends a run within the process, with nothing caught on its way."""


def figures(folder: Path) -> list[dict[str, str]]:
    """``metrics.csv`` without the times."""
    with (folder / "metrics.csv").open(newline="") as file:
        return [
            {name: value for name, value in row.items() if name not in TIMES}
            for row in csv.DictReader(file)
        ]


def equal(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    a, b = one.state_dict(), other.state_dict()
    assert a.keys() == b.keys()
    return all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory) -> tuple[ToyNetwork, Path, list[str]]:
    folder = tmp_path_factory.mktemp("unbroken")
    lines: list[str] = []
    return fit(folder, SETTINGS, lines=lines), folder, lines


def kill(folder: Path, item: int, settings: fit_toy.FitConfig) -> None:
    """A run in a process of its own that ends by SIGKILL at an item."""
    changed = {
        name: getattr(settings, name)
        for name in settings.__slots__
        if getattr(settings, name) != getattr(FIT, name)
    }
    script = [sys.executable, fit_toy.__file__, folder, "--kill", str(item)]
    done = subprocess.run([*script, "--fit", json.dumps(changed)], capture_output=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


def test_a_killed_and_resumed_run_is_as_an_unbroken_one(unbroken, tmp_path):
    network, whole, _ = unbroken
    # 16 items an epoch: in the middle of the second.
    kill(tmp_path, 16 + 9, SETTINGS)
    assert figures(tmp_path) == figures(whole)[:1]
    # As if it had been killed while writing.
    (tmp_path / f"{PARTIAL}0123abcd-last.ckpt").write_bytes(b"half")
    lines: list[str] = []
    data = ToyData()
    told: list[tuple[int, int, str]] = []
    resumed = fit(
        *(tmp_path, SETTINGS),
        **{"data": data, "resume": True, "lines": lines},
        progress=lambda *steps: told.append(steps),
    )
    # Of the whole training, with what was done before.
    assert told[0][:2] == (5, 16)
    assert told[-1][:2] == (16, 16)
    assert data.seen == [n for epoch in (1, 2, 3) for n in ToyPlan.numbers(epoch)[:16]]
    assert equal(resumed, network)
    assert figures(tmp_path) == figures(whole)
    assert len(figures(whole)) == 4
    assert lines[0] == "resuming after epoch 1 of 4"
    assert lines[-1] == unbroken[2][-1]
    states = [torch.load(folder / "last.ckpt", weights_only=True) for folder in (tmp_path, whole)]
    for name in ("state_dict", "optimizer_states", "lr_schedulers"):
        assert str(states[0][name]) == str(states[1][name])
    best = [torch.load(folder / "best.ckpt", weights_only=True) for folder in (tmp_path, whole)]
    assert str(best[0]) == str(best[1])
    names = {path.name.partition(".out.")[0] for path in tmp_path.iterdir()}
    assert names == {"last.ckpt", "best.ckpt", "metrics.csv", "events"}
    events = EventAccumulator(str(tmp_path)).Reload()
    assert [point.step for point in events.Scalars("validation/score")] == [1, 2, 3, 4]


def break_off(folder: Path, monkeypatch: pytest.MonkeyPatch, epoch: int, place: str) -> None:
    """End a run in the course of an epoch's end: before or after its checkpoint is written."""
    save, add = AtomicCheckpoints.save_checkpoint, fitting.Logs.add
    done = []

    def failing(original, *args, **keywords):
        done.append(0)
        if len(done) == epoch:
            raise Killed
        return original(*args, **keywords)

    with monkeypatch.context() as patch:
        if place == "checkpoint":
            patch.setattr(
                AtomicCheckpoints, "save_checkpoint", lambda *a, **k: failing(save, *a, **k)
            )
        else:
            patch.setattr(fitting.Logs, "add", lambda *a, **k: failing(add, *a, **k))
        with pytest.raises(Killed):
            fit(folder, SETTINGS)


@pytest.mark.parametrize("place", ["checkpoint", "logs"])
@pytest.mark.parametrize("epoch", [1, 2, 4])
def test_wherever_an_epochs_end_is_cut_off(unbroken, tmp_path, monkeypatch, epoch, place):
    network, whole, _ = unbroken
    break_off(tmp_path, monkeypatch, epoch, place)
    data = ToyData()
    assert equal(fit(tmp_path, SETTINGS, data=data, resume=True), network)
    left = 4 - epoch + (place == "checkpoint")
    assert len(data.seen) == 16 * left
    assert figures(tmp_path) == figures(whole)
    best = [torch.load(folder / "best.ckpt", weights_only=True) for folder in (tmp_path, whole)]
    assert str(best[0]) == str(best[1])


def test_worker_processes_draw_the_epochs_own_segments(unbroken, tmp_path, monkeypatch):
    network, whole, _ = unbroken
    break_off(tmp_path, monkeypatch, 2, "logs")
    # How many make the arrays changes nothing, so they may be others.
    assert equal(fit(tmp_path, replace(SETTINGS, workers=1), resume=True), network)
    assert figures(tmp_path) == figures(whole)


def test_ctrl_c_stays_what_it_is(unbroken, tmp_path):
    network, _, _ = unbroken
    left = [fit_toy.validate]

    def interrupted(found):
        if not left:
            raise KeyboardInterrupt
        return left.pop()(found)

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path, SETTINGS, validate=interrupted)
    assert signal.getsignal(signal.SIGINT) is handler
    assert equal(fit(tmp_path, SETTINGS, resume=True), network)


def test_patience_holds_over_a_break(tmp_path, monkeypatch):
    settings = replace(FIT, epochs=9, patience=2)

    def validation(values):
        left = list(values)
        return lambda network: {"score": left.pop(0)}

    save = fitting.Logs.add

    def stop(logs, row, **keywords):
        save(logs, row, **keywords)
        if row["epoch"] == 2:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(fitting.Logs, "add", stop)
        with pytest.raises(Killed):
            fit(tmp_path, settings, validate=validation([0.5, 0.4]))
    lines: list[str] = []
    left = validation([0.3, 0.9])
    fit(tmp_path, settings, validate=left, resume=True, lines=lines)
    assert [line.split(":")[0] for line in lines] == [
        "resuming after epoch 2 of 9",
        "training on the CPU, 1 thread, precision 32-true",
        "epoch 3 of 9",
        "best epoch",
    ]
    assert left(None) == {"score": 0.9}
    # It has ended, though not after nine epochs.
    again: list[str] = []
    fit(tmp_path, settings, validate=validation([]), resume=True, lines=again)
    assert again == [
        "resuming after epoch 3 of 9, which was the last",
        "best epoch: 1, validation score 0.500",
    ]


def test_resuming_a_finished_run_reads_it(unbroken):
    network, whole, lines = unbroken
    data, told = ToyData(), []
    names = ("last.ckpt", "best.ckpt", "metrics.csv")
    before = [(whole / name).read_bytes() for name in names]
    assert equal(fit(whole, SETTINGS, data=data, resume=True, lines=told), network)
    assert data.seen == []
    assert told == ["resuming after epoch 4 of 4, which was the last", lines[-1]]
    assert [(whole / name).read_bytes() for name in names] == before


def test_nothing_to_resume_is_a_start(unbroken, tmp_path):
    network, whole, lines = unbroken
    folder = tmp_path / "new"
    told: list[str] = []
    assert equal(fit(folder, SETTINGS, resume=True, lines=told), network)
    assert told[0] == f"no checkpoint in {folder}: training starts from the beginning"
    assert figures(folder) == figures(whole)


def test_without_resume_nothing_of_an_earlier_run_stays(unbroken, tmp_path):
    network, whole, _ = unbroken
    fit(tmp_path, replace(FIT, epochs=2, learning_rate=0.001), seed=9)
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / f"{PARTIAL}0123abcd-last.ckpt").write_bytes(b"half")
    assert equal(fit(tmp_path, SETTINGS), network)
    assert figures(tmp_path) == figures(whole)
    assert len(list(tmp_path.glob("events.*"))) == 1
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert not list(tmp_path.glob(f"{PARTIAL}*"))


def test_another_run_is_not_resumed(tmp_path):
    settings = replace(FIT, epochs=1)
    fit(tmp_path, settings, fingerprint="data.fasta = a.fa\nlabel_bin = 200")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for change, options, message in [
        (
            {},
            {"fingerprint": "data.fasta = b.fa\nlabel_bin = 200"},
            "data.fasta was a.fa, now b.fa",
        ),
        ({}, {"fingerprint": "data.fasta = a.fa"}, "label_bin was 200, now not there"),
        ({"batch": 2, "epochs": 3}, {}, "fit.epochs was 1, now 3; fit.batch was 4, now 2"),
        ({}, {"seed": 6}, "seed was 5, now 6"),
    ]:
        options = {"fingerprint": "data.fasta = a.fa\nlabel_bin = 200"} | options
        with pytest.raises(ConfigError, match=rf"last.ckpt is of another run: {message}\. Train"):
            fit(tmp_path, replace(settings, **change), resume=True, **options)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("content", [b"", b"no checkpoint", None])
def test_a_checkpoint_that_cannot_be_read(tmp_path, content):
    fit(tmp_path, replace(FIT, epochs=1))
    last = tmp_path / "last.ckpt"
    if content is None:
        content = last.read_bytes()[: last.stat().st_size // 2]
    last.write_bytes(content)
    with pytest.raises(InputError, match="cannot read .*last.ckpt: .* start from the beginning"):
        fit(tmp_path, replace(FIT, epochs=1), resume=True)
    torch.save({"state_dict": {}}, last)
    with pytest.raises(InputError, match="cannot read .*last.ckpt: .* start from the beginning"):
        fit(tmp_path, replace(FIT, epochs=1), resume=True)


def test_another_seed_is_another_run(unbroken, tmp_path):
    network, whole, _ = unbroken
    assert not equal(fit(tmp_path, SETTINGS, seed=6), network)
    assert figures(tmp_path)[0]["train_loss"] != figures(whole)[0]["train_loss"]


def test_a_checkpoint_is_written_beside_its_name(tmp_path, monkeypatch):
    path = tmp_path / "last.ckpt"
    AtomicCheckpoints().save_checkpoint({"a": 1}, path)
    seen = []

    def cut_off(state, file):
        seen.append([item.name for item in tmp_path.iterdir()])
        file.write(b"half")
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", cut_off)
        with pytest.raises(Killed):
            AtomicCheckpoints().save_checkpoint({"a": 2}, path)
    assert len(seen[0]) == 2
    assert torch.load(path) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_a_setting_that_was_called_otherwise_is_the_same(tmp_path):
    then = Progress("fit.words_per_label = 6")
    torch.save({"callbacks": {"progress": then.state()}}, tmp_path / LAST)
    assert open_run(tmp_path, "fit.kmers_per_label = 6", resume=True) is not None
    with pytest.raises(ConfigError, match=r"fit\.kmers_per_label was 6, now 5"):
        open_run(tmp_path, "fit.kmers_per_label = 5", resume=True)
