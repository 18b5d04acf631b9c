"""What a training run leaves in its folder, so that it can be taken up again after a kill.

``last.ckpt`` alone holds a run's whole state at the end of an epoch: Lightning's (weights, averaged
weights, optimiser, schedule, scaler) and a :class:`Progress`. Everything else is written from it:
``best.ckpt``, ``metrics.csv`` and the TensorBoard events. All random numbers follow from the seed,
the epoch and the step, so that an epoch that was cut off is done again with the same result.
"""

from __future__ import annotations

import csv
import math
import pickle
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from chromputer_tracks.errors import ConfigError, InputError
from chromputer_tracks.io.atomic import PARTIAL, atomic_path, output_errors
from chromputer_tracks.model.config import RENAMED, FitConfig
from chromputer_tracks.spec import PREDICT

TRAINING = "training"
"""Folder of a model folder that keeps a run's logs, checkpoints and predictions."""
RUN_FOLDERS = (TRAINING, f"{TRAINING}-[1-9]*")
"""Names of the folders of runs in a model folder, as patterns."""
_NAME = re.compile(rf"{TRAINING}(-[1-9]\d*)?")
LAST, BEST, METRICS = "last.ckpt", "best.ckpt", "metrics.csv"
VALIDATION, TEST, REPORT = "validation.npz", "test.npz", "report.html"
TABLES = "report.tables.tsv"
_EVENTS = "events.out.tfevents.*"
RUN_FILES = (f"{PARTIAL}*", LAST, BEST, METRICS, VALIDATION, TEST, REPORT, TABLES, _EVENTS)
"""What a run leaves in its folder, as patterns."""
PROGRESS = "progress"
"""Name of a run's :class:`Progress` in its checkpoint."""
_SHOWN = 4
"""Differences from another run that a message names."""
Row = dict[str, float]


@dataclass(slots=True)
class Progress:
    """How far a run is.

    Attributes:
        identity: what the run is of, a line ``name = value`` for each setting.
        history: a row for each epoch that is done: ``epoch`` (from 1), ``step``, ``train_loss``,
            ``learning_rate``, ``seconds``, ``windows_per_second``, and the validation figures,
            whose names begin with ``validation_``.
        best_epoch: the epoch with the largest validation score, the first of equal ones; 0 before
            there is any.
        best: the kept network's weights after that epoch, on the CPU.
    """

    identity: str
    history: list[Row] = field(default_factory=list)
    best_epoch: int = 0
    best: dict[str, Tensor] = field(default_factory=dict)

    @property
    def best_score(self) -> float:
        """The best epoch's validation score; not a number counts as minus infinity."""
        return _score(self.history[self.best_epoch - 1]) if self.best_epoch else -math.inf

    def add(self, row: Row, weights: Callable[[], dict[str, Tensor]]) -> bool:
        """Note an epoch; whether it is the best one yet, whose weights are then taken."""
        better = not self.history or _score(row) > self.best_score
        self.history.append(row)
        if better:
            self.best_epoch, self.best = len(self.history), weights()
        return better

    def finished(self, fit: FitConfig) -> bool:
        """Whether all epochs are done, or the patience is at its end."""
        done = len(self.history)
        return done >= fit.epochs or (0 < fit.patience <= done - self.best_epoch and done > 0)

    def state(self) -> dict[str, Any]:
        """What :meth:`load` takes, of plain types and tensors."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    def load(self, state: dict[str, Any]) -> None:
        """Take over a state."""
        self.identity, self.history = state["identity"], state["history"]
        self.best_epoch, self.best = state["best_epoch"], state["best"]


class AtomicCheckpoints(TorchCheckpointIO):
    """Checkpoints that appear whole or not at all.

    Lightning's own writes to the system's temporary folder and moves the file, which copies it
    where that folder lies on another disk.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint beside its final name, then rename it."""
        _save(checkpoint, Path(path))


class Logs:
    """``metrics.csv``, ``best.ckpt`` and TensorBoard events of a run, written from its progress.

    Args:
        folder: where they lie; those of earlier runs are gone.
        progress: how far a run is that is taken up again, or an empty one.
    """

    def __init__(self, folder: Path, progress: Progress) -> None:
        self._folder, self._progress = folder, progress
        for path in folder.glob(_EVENTS):
            path.unlink()
        self._events = SummaryWriter(folder)
        for row in progress.history:
            self._draw(row)
        if progress.history:
            self._write(new_best=True)

    def add(self, row: Row, *, new_best: bool) -> None:
        """Add an epoch's row, and the best weights where they are new."""
        self._draw(row)
        self._write(new_best=new_best)

    def _write(self, *, new_best: bool) -> None:
        if new_best:
            state = {"epoch": self._progress.best_epoch, "score": self._progress.best_score}
            _save(state | {"state_dict": self._progress.best}, self._folder / BEST)
        with atomic_path(self._folder / METRICS) as path, path.open("w", newline="") as file:
            rows = self._progress.history
            names = dict.fromkeys(name for row in rows for name in row)
            writer = csv.DictWriter(file, list(names), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)

    def close(self) -> None:
        """Close the event file."""
        self._events.close()

    def _draw(self, row: Row) -> None:
        for name, value in row.items():
            if name not in ("epoch", "step"):
                head, _, tail = name.partition("_")
                tag = f"validation/{tail}" if head == "validation" else f"training/{name}"
                self._events.add_scalar(tag, value, int(row["epoch"]))
        self._events.flush()


def open_run(folder: Path, identity: str, *, resume: bool) -> Progress | None:
    """The progress of the run in a folder, if it is to be taken up again and there is any.

    Args:
        folder: where the run's files lie; it need not be there yet.
        identity: what the run should be of, a line ``name = value`` for each setting.
        resume: take it up again.

    Raises:
        ConfigError: the run in the folder is of something else; names the settings that differ.
        InputError: its checkpoint cannot be read.
    """
    last = folder / LAST
    if not resume or not last.exists():
        return None
    try:
        stored = torch.load(last, map_location="cpu", weights_only=True)
        progress = Progress("")
        progress.load(stored["callbacks"][PROGRESS])
    except (OSError, RuntimeError, EOFError, KeyError, pickle.UnpicklingError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no checkpoint of a run"
        raise InputError(
            f"cannot read {last}: {reason}; start from the beginning, with --force in place of "
            f"--resume"
        ) from error
    different = _differences(progress.identity, identity)
    if different:
        if len(different) > _SHOWN:
            different[_SHOWN:] = [f"and {len(different) - _SHOWN} more"]
        raise ConfigError(
            f"cannot resume: {last} is of another run: {'; '.join(different)}. Train as it was, or "
            f"from the beginning, with --force in place of --resume"
        )
    return progress


# ---- The folders of runs in a model folder: ``training`` of the first and of the one that made the
# model, ``training-2`` and so on of those that were begun beside it and are not at their end.


def run_folders(model: Path) -> list[Path]:
    """The folders of runs in a model folder that hold a checkpoint, the newest first."""
    found = [
        path.parent
        for path in model.glob(f"{TRAINING}*/{LAST}")
        if _NAME.fullmatch(path.parent.name)
    ]
    return sorted(found, key=lambda path: (path / LAST).stat().st_mtime_ns, reverse=True)


def choose_folder(model: Path, *, resume: bool, force: bool) -> Path:
    """The folder of a run; nothing in it is of an earlier one, unless it is resumed.

    Args:
        model: the model folder; it need not be there.
        resume: go on with the newest run.
        force: begin a new one, whatever is there.

    Raises:
        ConfigError: there is a model or a run that was stopped, and neither was asked for; or there
            is a model and nothing to resume.
    """
    found, made = run_folders(model), (model / PREDICT).exists()
    stopped = bool(found) and not (made and _is_newer(model / PREDICT, found[0] / LAST))
    if resume and found:
        return found[0]
    if resume and made:
        raise ConfigError(
            f"{model} holds a finished model and no checkpoint of a run to go on with: train a new "
            f"one in its place with --force, in place of --resume"
        )
    if stopped and not force:
        beside = ", beside a finished model" if made else ""
        raise ConfigError(
            f"{found[0]} holds a run that was stopped before its end{beside}: go on with --resume, "
            f"or start from the beginning with --force; what is there stays until the new run is "
            f"done"
        )
    if made and not force:
        raise ConfigError(
            f"{model} holds a finished model: train a new one in its place with --force (it stays "
            f"until the new one is done)"
            + (", or export it once more with --resume" if found else "")
        )
    folder, number = model / TRAINING, 1
    # Without a checkpoint there is nothing to keep, but in the folder of a model: its report.
    while (folder / LAST).exists() or (number == 1 and made and folder.exists()):
        number += 1
        folder = model / f"{TRAINING}-{number}"
    return folder


def _is_newer(one: Path, other: Path) -> bool:
    return one.stat().st_mtime >= other.stat().st_mtime


def keep_run(folder: Path, earlier: Iterable[Path]) -> None:
    """Let a run that is done have the name ``training``, and remove what earlier ones left.

    Files that no run makes stay where they are.

    Args:
        folder: of the run, in the model folder.
        earlier: folders of the runs before it.

    Raises:
        OutputError: a file cannot be moved or removed.
    """
    place = folder.with_name(TRAINING)
    with output_errors(place):
        for other in {*earlier, place} - {folder}:
            _clear(other, RUN_FILES)
        if folder != place:
            place.mkdir(exist_ok=True)
            # The checkpoint last: until then the run is found where it was.
            for path in sorted(_matching(folder, RUN_FILES), key=lambda path: path.name == LAST):
                path.replace(place / path.name)
        for other in {*earlier, folder} - {place}:
            # It stays when anything else is in it.
            with suppress(OSError):
                other.rmdir()


def _matching(folder: Path, names: Iterable[str]) -> list[Path]:
    return [path for name in names for path in folder.glob(name)]


def _clear(folder: Path, names: Iterable[str]) -> None:
    for path in _matching(folder, names):
        path.unlink()


def clear_run(folder: Path, *, keep: bool) -> None:
    """Make the folder of a run ready.

    Args:
        folder: made if its parent exists.
        keep: only what a killed run left half written goes; else all that a run leaves.
    """
    folder.mkdir(exist_ok=True)
    _clear(folder, [f"{PARTIAL}*"] if keep else [f"{PARTIAL}*", LAST, BEST, METRICS, _EVENTS])


def _save(state: dict[str, Any], path: Path) -> None:
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        torch.save(state, file)


def _score(row: Row) -> float:
    score = row["validation_score"]
    return -math.inf if math.isnan(score) else score


def _differences(then: str, now: str) -> list[str]:
    before, after = (
        {RENAMED.get(name, name): value for name, _, value in lines}
        for lines in ((line.partition(" = ") for line in text.splitlines()) for text in (then, now))
    )
    return [
        f"{name} was {before.get(name, 'not there')}, now {after.get(name, 'not there')}"
        for name in before | after
        if before.get(name) != after.get(name)
    ]
