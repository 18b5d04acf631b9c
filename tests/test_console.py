"""What commands share at the terminal: progress, tables, and the packages that they ask for."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from chromputer_tracks.analysis.report.blocks import PlainTable
from chromputer_tracks.cli import console as module
from chromputer_tracks.cli.console import TRAINING, require, terminal_table
from chromputer_tracks.cli.main import app
from chromputer_tracks.cli.train import _headline
from chromputer_tracks.data.labels import UNKNOWN
from chromputer_tracks.errors import DependencyError
from chromputer_tracks.evaluation.metrics import Curve, Estimate, Reliability
from chromputer_tracks.evaluation.scores import BinaryScores, ContinuousScores, Scores, StatesScores
from chromputer_tracks.evaluation.sites import LabelledSites

Progress = Callable[[float, int], list[str]]


@pytest.fixture
def progress(monkeypatch: pytest.MonkeyPatch) -> Progress:
    """Tell of so many of 100 at a second; returns all lines until then."""
    text, clock = io.StringIO(), [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    reporter = module.Reporter(Console(file=text, width=200))

    def tell(second: float, done: int) -> list[str]:
        clock[0] = second
        reporter.progress("reading", done, 100, "files")
        return text.getvalue().splitlines()

    return tell


def test_a_short_stage_has_one_line(progress: Progress) -> None:
    for done in range(100):
        assert progress(done / 50, done) == []
    assert progress(2, 100) == ["reading: 100%, 100 of 100 files"]
    assert len(progress(9, 100)) == 1


def test_every_tenth_but_not_within_five_seconds(progress: Progress) -> None:
    lines = [progress(second, second) for second in range(0, 101)][-1]
    assert [line.split()[1] for line in lines] == [f"{share}%," for share in range(10, 101, 10)]
    assert lines[2] == "reading:  30%, 30 of 100 files"


def test_thirty_seconds_without_progress(progress: Progress) -> None:
    progress(0, 3)
    assert progress(29, 3) == []
    assert progress(30, 3) == ["reading:   3%, 3 of 100 files"]
    assert len(progress(59, 4)) == 1
    assert len(progress(60, 4)) == 2
    # Ten per cent at once after the last line wait for five seconds.
    assert len(progress(61, 50)) == 2
    assert progress(65, 51)[-1] == "reading:  51%, 51 of 100 files"


# Tables of any width, and the last lines of a training.

WIDE = PlainTable(
    "sites",
    ("label", "name", "bins to train on", "validation", "test"),
    (
        ("S1", "Weak transcription / cohesin", "1,913 (58.0%)", "492 (61.7%)", "785 (57.8%)"),
        ("S2", "Quiescent", "525 (15.9%)", "134 (16.8%)", "–"),
    ),
)


@pytest.mark.parametrize(
    ("width", "tables", "lines"), [(87, 1, 7), (86, 1, 6), (65, 1, 8), (64, 2, 12), (40, 3, 20)]
)
def test_tables_that_are_too_wide(width, tables, lines):
    """Frame, then names in several lines, then several tables; no figure is ever cut."""
    console = Console(width=width, file=io.StringIO())
    console.print(terminal_table(WIDE, width))
    shown = console.file.getvalue().splitlines()
    assert [line.strip() for line in shown if line.startswith("sites")] == [
        "sites",
        *["sites, continued"] * (tables - 1),
    ]
    assert len(shown) == lines
    assert max(len(line.rstrip()) for line in shown) <= width
    text = "\n".join(shown)
    for row in WIDE.rows:
        for cell in row[2:]:
            assert cell in text
        assert text.count(row[0]) >= tables
    for word in " ".join(WIDE.header).split():
        assert word in text
    assert "transcription" in text
    assert "…" not in text


def test_a_training_ends_with_its_figures():
    def label(value: float) -> BinaryScores:
        one = Estimate(value, 0.0, 1.0)
        return BinaryScores("a", 9, 3, one, one, one, {}, Curve((), ()), flat)

    flat = Reliability((), (), (), Estimate(0.0, 0.0, 0.0))
    accuracy = Estimate(0.81, 0.7, 0.9)
    states = StatesScores(9, accuracy, Estimate(0.5, 0.4, 0.6), (), flat, ())
    signal = ContinuousScores("s", 9, Estimate(0.25, 0.0, 1.0), accuracy, accuracy)
    assert _headline(Scores(states, (label(0.2), label(0.4)), (signal,))) == (
        "accuracy 0.810 [0.700, 0.900], macro-F1 0.500 [0.400, 0.600], mean AUPRC of 2 labels "
        "0.300, Pearson 0.250"
    )
    assert _headline(Scores(None, (label(0.2),), ())) == "AUPRC 0.200"
    assert _headline(Scores(None, (), ())) == "no label can be scored"


def test_sites_without_a_label_are_not_counted():
    sites = LabelledSites(
        ("chr1",),
        np.zeros(4, dtype=np.int64),
        np.arange(4) * 200 + 100,
        np.zeros((4, 4), dtype=np.float32),
        np.array([0, UNKNOWN, UNKNOWN, UNKNOWN]),
        np.array([[UNKNOWN, 0, UNKNOWN, UNKNOWN]]),
        np.array([[np.nan, np.nan, 0, np.nan]], dtype=np.float32),
        2,
    )
    assert sites.labelled.tolist() == [True, True, True, False]
    assert not replace(sites, continuous=sites.continuous[:0]).labelled[2:].any()


# Packages that are not there.


def without(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """As if modules were not installed."""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in names else find(name)
    )


def test_all_is_there():
    require("training", TRAINING)


def test_missing_packages_are_named_as_pip_calls_them(monkeypatch):
    without(monkeypatch, "sklearn", "onnx")
    with pytest.raises(DependencyError) as caught:
        require("training", TRAINING)
    assert str(caught.value) == (
        "training needs onnx, scikit-learn: pip install 'chromputer-tracks[train]'"
    )
    require("training", ["torch"])


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["train", "no.toml", "--out", "no"], "training"),
        (["ablate", "no.toml", "--out", "no"], "an ablation"),
        (["evaluate", "no", "--config", "no.toml", "--out", "no"], "evaluating"),
        (["dataset", "no.toml", "--out", "no"], "showing a dataset"),
    ],
)
def test_commands_say_so_before_they_read_anything(monkeypatch, arguments, what):
    without(monkeypatch, "lightning")
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1
    assert done.stderr == (
        f"error: {what} needs lightning: pip install 'chromputer-tracks[train]'\n"
    )
