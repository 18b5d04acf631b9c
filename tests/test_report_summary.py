"""The first section of a report: headlines, and how its parts are said."""

from dataclasses import replace

import pytest
from report_example import FOREST, MAJORITY, MODEL, NAN, STATES, TFS, binary, sites, spec

from chromputer_tracks.analysis.report.blocks import (
    HeadlinesBlock,
    ModelReport,
    ReportData,
    TextBlock,
    interval,
    label_cell,
    number,
    share,
    signed,
    strip,
)
from chromputer_tracks.analysis.report.page import render_report
from chromputer_tracks.analysis.report.sections import sections
from chromputer_tracks.evaluation.scores import (
    Estimate,
    Scores,
)
from chromputer_tracks.spec import HeadSpec


def headlines(**changes):
    fields = {"title": "t", "kind": "evaluation", **changes}
    for section in sections(ReportData(**fields)):
        for block in section.blocks:
            if isinstance(block, HeadlinesBlock):
                return [(h.name, h.text, h.gain, h.against, h.better) for h in block.headlines]
    return []


def test_headlines_stand_beside_the_best_baseline():
    models = (ModelReport("net", MODEL),)
    assert headlines(models=models, baselines=(("forest", FOREST), ("majority", MAJORITY))) == [
        ("States: accuracy", "0.750", "+0.050", "forest 0.700", True),
        ("States: macro-F1", "0.400", "+0.000", "forest 0.400", False),
        # No baseline scored Abf1, the lower of two: its prevalence stands in.
        ("Abf1: AUPRC (median label)", "0.300", "+0.295", "a random ranking 0.005", True),
    ]


def test_headlines_without_states_are_the_weakest_the_median_and_the_strongest_label():
    found = Scores(None, tuple(binary(n, v) for n, v in (("A", 0.5), ("B", 0.9), ("C", 0.1))), ())
    assert [name for name, *_ in headlines(models=(ModelReport("m", found),))] == [
        "C: AUPRC (weakest label)",
        "A: AUPRC (median label)",
        "B: AUPRC (strongest label)",
    ]
    one = Scores(None, (binary("A", 0.01, 20),), ())
    (found,) = headlines(models=(ModelReport("m", one),))
    assert found == ("A: AUPRC", "0.010", "−0.010", "a random ranking 0.020", False)


def test_one_label_is_one_label():
    one = replace(
        spec(), heads=(HeadSpec("states", "states", STATES), HeadSpec("binary", "tf", TFS[:1]))
    )
    data = ReportData("t", "training", models=(ModelReport("m", MAJORITY, one),))
    assert "2 chromatin states and 1 label<" in render_report(data)


@pytest.mark.parametrize(
    ("contigs", "words"),
    [
        (("chrVII",), []),
        (("chrI", "chrVII"), ["include chrI. The model was trained on them"]),
        (("chrII",), ["include chrII. They chose the epoch"]),
    ],
)
def test_scoring_what_was_trained_on_is_said(contigs, words):
    data = ReportData("t", "evaluation", models=(ModelReport("m", MODEL, spec(), sites(*contigs)),))
    found = [b.text for b in sections(data)[0].blocks if isinstance(b, TextBlock) and b.warning]
    assert len(found) == len(words)
    assert all(one in text for one, text in zip(words, found, strict=True))


def test_forms_of_numbers():
    assert (number(0.74951), number(-0.02), number(NAN)) == ("0.750", "−0.020", "–")
    assert (signed(0.0525), signed(-1.0)) == ("+0.052", "−1.000")
    assert (share(0.0203), share(0.00060), share(0.5), share(NAN)) == (
        "0.0203",
        "0.000600",
        "0.500",
        "–",
    )
    assert interval(Estimate(0.5, 0.4, 0.6)) == "[0.400, 0.600]"
    assert interval(Estimate(0.5, NAN, 0.6)) == ""
    cut = strip(Estimate(0.5, -0.2, NAN), (NAN, 1.5))
    assert (cut.value, cut.low, cut.high, cut.marks) == (0.5, 0.0, 0.5, (1.0,))


def test_full_names_do_not_repeat_the_short_one():
    assert label_cell("Reb1", "Reb1 (a factor)", (1, 2, 3)).note == "a factor"
    assert label_cell("S5", "Active promoter (PIC)", (1, 2, 3)).note == "Active promoter (PIC)"
    assert label_cell("S5", "S5", (1, 2, 3)).note == ""
    assert label_cell("S5", "S5", (1, 2, 255)).color == "#0102ff"
