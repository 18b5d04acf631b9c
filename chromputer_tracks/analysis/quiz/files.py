"""The files of a quiz: its page, and beside it its questions and scores."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

from chromputer_tracks import __version__
from chromputer_tracks.analysis.pages import Page
from chromputer_tracks.analysis.quiz.answers import Quiz, QuizQuestion
from chromputer_tracks.analysis.quiz.questions import EDGES, color_table, shown_vplot
from chromputer_tracks.data.features import DEFAULT_BIN
from chromputer_tracks.evaluation.metrics import Estimate
from chromputer_tracks.figures import css
from chromputer_tracks.intervals import format_region
from chromputer_tracks.io.text import write_tsv
from chromputer_tracks.records import to_plain
from chromputer_tracks.spec import InputSpec, ModelSpec

# ---- The page: one HTML file with its questions, scripts and styles, that opens offline.

_STYLES = ("report.css", "quiz.css")
_SCRIPTS = ("quiz_plot.js", "quiz_end.js", "quiz.js")
_KINDS = {"sequence": "DNA sequence", "vplot": "V-plot", "signal": "signal"}
_PLACES, _LOGIT_PLACES = 4, 3


def payload(quiz: Quiz) -> dict[str, Any]:
    """What the page's script reads."""
    model, draw = quiz.model, quiz.draw
    return {
        "model": model.name,
        "reads": [_reads(item) for item in model.spec.inputs],
        "title": quiz.subject.title,
        "question": quiz.subject.question,
        "classes": [
            {"name": label.name, "title": label.title, "color": css(label.color)}
            for label in quiz.subject.classes
        ],
        "offered": draw.offered,
        "choices": draw.choices,
        "window": quiz.window,
        "bin": DEFAULT_BIN,
        "edges": EDGES,
        "colors": color_table(),
        "questions": [
            {
                "choices": item.choices,
                "picture": to_plain(item.picture),
                "sealed": b64encode(json.dumps(_answer(item)).encode()).decode(),
            }
            for item in quiz.questions
        ],
        "seen": _contribution_names(model.spec),
        "lessons": [
            to_plain(lesson) | {"fragments": round(lesson.fragments, 1)} for lesson in quiz.examples
        ],
        "score": {
            "sites": quiz.score.sites,
            **_estimate(quiz.score.accuracy),
            "eligible": [int(quiz.eligible[code]) for code in draw.offered],
            "recall": [round(value, _PLACES) for value in quiz.score.recall],
        },
    }


def _answer(item: QuizQuestion) -> dict[str, Any]:
    """What is shown when a question has been answered.

    The page holds it as base64, so that it does not stand there before; it is no secret from those
    who look for it.
    """
    seen = None
    if item.contributions is not None:
        parts = item.contributions.parts.items()
        rounded = {name: round(value, _LOGIT_PLACES) for name, value in parts}
        seen = to_plain(item.contributions) | {"parts": rounded}
    return {
        "site": format_region(item.site),
        "truth": item.truth,
        "model": item.answer,
        "commonest": item.most_common,
        "seen": seen,
        "probabilities": [round(float(value), _PLACES) for value in item.probabilities],
        "odds": [round(float(value), _PLACES) for value in item.balanced],
    }


def _contribution_names(spec: ModelSpec) -> dict[str, Any] | None:
    """How the page draws and names what an answer holds under the same key."""
    vplot = shown_vplot(spec)
    if vplot is None:
        return None
    names = {item.name: _reads(item) for item in spec.inputs if item.kind != "sequence"}
    names |= {"sequence": _KINDS["sequence"], "shape": "DNA shape"}
    return {"edges": vplot.length_edges, "names": names}


def _reads(item: InputSpec) -> str:
    """What an input is, in words."""
    kind = _KINDS[item.kind]
    return f"{kind} ({item.assay})" if item.assay else kind


def _estimate(item: Estimate) -> dict[str, float]:
    return {name: round(getattr(item, name), _PLACES) for name in ("value", "low", "high")}


def render_quiz(quiz: Quiz) -> str:
    """The page, HTML5; every text of ``quiz`` is escaped."""
    page = Page("quiz.html.j2")
    return page.render(
        quiz=quiz,
        payload=payload(quiz),
        style=page.own(*_STYLES),
        script=page.own(*_SCRIPTS),
        version=__version__,
    )


def write_questions(table: Path, quiz: Quiz) -> None:
    """Write a row for each question."""
    names = [label.name for label in quiz.subject.classes]
    header = ["chrom", "start", "end", "fragments", "choices", "truth", "model", "most_common"]
    header += [f"{kind}_{name}" for kind in ("probability", "quiz") for name in names]
    write_tsv(
        table,
        header,
        (
            [
                *(item.site.chrom, item.site.start, item.site.end, item.picture.fragments),
                ",".join(names[code] for code in item.choices),
                *(names[code] for code in (item.truth, item.answer, item.most_common)),
                *(*item.probabilities, *item.balanced),
            ]
            for item in quiz.questions
        ),
    )


def quiz_record(quiz: Quiz) -> dict[str, Any]:
    """What the record says of a quiz beside what every record does.

    ``held_out`` is whether the model has not seen the contigs, ``choices`` how many answers there
    are to choose from, ``outliers`` the sites of too many fragments, on these and the training
    contigs, which are left out, ``right`` counts the questions that the model, and the choice of
    the most frequent class, answer rightly. Of each class sites are ``labelled``, may be asked (are
    ``eligible``) and are ``asked``; ``model_right`` is None of a class that is not asked.
    """
    draw, score = quiz.draw, quiz.score
    recall = dict(zip(draw.offered, score.recall, strict=True))
    return {
        "subject": quiz.subject.title,
        "contigs": quiz.contigs,
        "held_out": quiz.held_out,
        "choices": draw.choices,
        "outliers": {"fragments_above": quiz.outliers.most, "sites": quiz.outliers.sites},
        "questions": len(quiz.questions),
        "right": {"model": quiz.right("model"), "most_common": quiz.right("most_common")},
        "model_on_all_sites": {
            "sites": score.sites,
            "accuracy": score.accuracy,
            "by_chance": 1 / draw.choices,
        },
        "classes": [
            {
                "name": label.name,
                "title": label.title,
                "labelled": int(quiz.labelled[code]),
                "eligible": int(quiz.eligible[code]),
                "asked": sum(item.truth == code for item in quiz.questions),
                "model_right": recall.get(code),
            }
            for code, label in enumerate(quiz.subject.classes)
        ],
    }
