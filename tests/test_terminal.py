"""What the terminal shows: tables of any width, and the last lines of a training."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from chromputer_tracks.analysis.report.blocks import PlainTable
from chromputer_tracks.cli.console import terminal_table
from chromputer_tracks.cli.train import _headline
from chromputer_tracks.data.labels import UNKNOWN
from chromputer_tracks.evaluation.metrics import Curve, Estimate, Reliability
from chromputer_tracks.evaluation.scores import BinaryScores, ContinuousScores, Scores, StatesScores
from chromputer_tracks.evaluation.sites import LabelledSites

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
