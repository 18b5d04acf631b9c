"""The page of a quiz: one HTML file with its questions, scripts and styles, that opens offline.

Its content security policy forbids loading anything. What a question's answer gives away is sealed:
base64 that the page opens when the question is answered, so that it does not stand in the page
before; it is no secret from those who look for it.
"""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

from chromputer_tracks import __version__
from chromputer_tracks.analysis.figures.style import css
from chromputer_tracks.analysis.pages import Page
from chromputer_tracks.analysis.quiz.options import shown_vplot
from chromputer_tracks.analysis.quiz.pictures import EDGES, color_table
from chromputer_tracks.analysis.quiz.run import Asked, Quiz
from chromputer_tracks.data.vplot import DEFAULT_BIN
from chromputer_tracks.evaluation.scores import Estimate
from chromputer_tracks.intervals import format_region
from chromputer_tracks.io.atomic import atomic_path
from chromputer_tracks.spec import InputSpec, ModelSpec

_STYLES = ("report.css", "quiz.css")
_SCRIPTS = ("quiz_plot.js", "quiz_end.js", "quiz.js")
_KINDS = {"sequence": "DNA sequence", "vplot": "V-plot", "signal": "signal"}
_PLACES = 4


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
                "picture": item.picture.to_json(),
                "sealed": b64encode(json.dumps(_answer(item)).encode()).decode(),
            }
            for item in quiz.questions
        ],
        "seen": _seen(model.spec),
        "lessons": [lesson.to_json() for lesson in quiz.lessons],
        "score": {
            "sites": quiz.score.sites,
            **_estimate(quiz.score.accuracy),
            "eligible": [int(quiz.eligible[code]) for code in draw.offered],
            "recall": [round(value, _PLACES) for value in quiz.score.recall],
        },
    }


def _answer(item: Asked) -> dict[str, Any]:
    """What is shown when a question has been answered."""
    return {
        "site": format_region(item.site),
        "truth": item.truth,
        "model": item.answer,
        "commonest": item.commonest,
        "seen": None if item.seen is None else item.seen.to_json(),
        "probabilities": [round(float(value), _PLACES) for value in item.probabilities],
        "odds": [round(float(value), _PLACES) for value in item.odds],
    }


def _seen(spec: ModelSpec) -> dict[str, Any] | None:
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


def write_quiz(path: Path, quiz: Quiz) -> None:
    """Write the page; it appears only when it is complete.

    Raises:
        OutputError: it cannot be written.
    """
    page = render_quiz(quiz)
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
