"""The files of a quiz: its page, and beside it its questions and scores."""

from __future__ import annotations

import csv
import json
from base64 import b64encode
from dataclasses import asdict
from pathlib import Path
from typing import Any

from chromputer_tracks import __version__
from chromputer_tracks.analysis.pages import Page
from chromputer_tracks.analysis.quiz.questions import EDGES, color_table, shown_vplot
from chromputer_tracks.analysis.quiz.run import Quiz, QuizOptions, QuizQuestion
from chromputer_tracks.data.features import DEFAULT_BIN
from chromputer_tracks.evaluation.scores import Estimate
from chromputer_tracks.figures.style import css
from chromputer_tracks.inference.run import Checksums, versions
from chromputer_tracks.inference.sample import input_roles
from chromputer_tracks.intervals import format_region
from chromputer_tracks.io.atomic import atomic_path
from chromputer_tracks.spec import InputSpec, ModelSpec

# ---- The files of a quiz: its page, and beside it its questions and scores.

# ---- The page of a quiz: one HTML file with its questions, scripts and styles, that opens offline.

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
        "seen": _contribution_names(model.spec),
        "lessons": [lesson.to_json() for lesson in quiz.examples],
        "score": {
            "sites": quiz.score.sites,
            **_estimate(quiz.score.accuracy),
            "eligible": [int(quiz.eligible[code]) for code in draw.offered],
            "recall": [round(value, _PLACES) for value in quiz.score.recall],
        },
    }


def _answer(item: QuizQuestion) -> dict[str, Any]:
    """What is shown when a question has been answered."""
    return {
        "site": format_region(item.site),
        "truth": item.truth,
        "model": item.answer,
        "commonest": item.most_common,
        "seen": None if item.contributions is None else item.contributions.to_json(),
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


def write_quiz(path: Path, quiz: Quiz) -> None:
    """Write the page; it appears only when it is complete.

    Raises:
        OutputError: it cannot be written.
    """
    page = render_quiz(quiz)
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def write_files(
    quiz: Quiz, options: QuizOptions, page: Path, command: str, *, tables: bool
) -> list[Path]:
    """Write the page and, under its name, the questions (.tsv) and the scores (.json).

    Args:
        quiz: what was asked.
        options: how it was made.
        page: its path.
        command: for the provenance.
        tables: write the two other files.

    Returns:
        the files.

    Raises:
        OutputError: one cannot be written.
        InputError: an input cannot be read for its checksum.
    """
    write_quiz(page, quiz)
    if not tables:
        return [page]
    table, scores = page.with_suffix(".tsv"), page.with_suffix(".json")
    _write_questions(table, quiz)
    with Checksums(_inputs(quiz, options)) as checksums:
        about = {"command": command, "versions": versions(), "inputs": checksums.result()}
    with atomic_path(scores) as temporary:
        temporary.write_text(json.dumps(_record(quiz) | about, indent=2) + "\n")
    return [page, table, scores]


def _inputs(quiz: Quiz, options: QuizOptions) -> dict[str, Path]:
    """Role to path of all that was read."""
    roles = ("states", "state_table", "peaks", "blacklist")
    others = {role: getattr(options, role) for role in roles}
    return input_roles(quiz.model, options.sample, **others)


def _write_questions(table: Path, quiz: Quiz) -> None:
    names = [label.name for label in quiz.subject.classes]
    with atomic_path(table) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(
            ["chrom", "start", "end", "fragments", "choices", "truth", "model", "most_common"]
            + [f"probability_{name}" for name in names]
            + [f"quiz_{name}" for name in names]
        )
        for item in quiz.questions:
            answers = (item.truth, item.answer, item.most_common)
            writer.writerow(
                [
                    *(item.site.chrom, item.site.start, item.site.end, item.picture.fragments),
                    ",".join(names[code] for code in item.choices),
                    *(names[code] for code in answers),
                    *(f"{value:.6g}" for value in (*item.probabilities, *item.balanced)),
                ]
            )


def _record(quiz: Quiz) -> dict[str, Any]:
    draw, classes = quiz.draw, quiz.subject.classes
    recall = dict(zip(draw.offered, quiz.score.recall, strict=True))
    return {
        "model": quiz.model.name,
        "subject": quiz.subject.title,
        "contigs": quiz.contigs,
        "held_out": quiz.held_out,
        "seed": quiz.seed,
        "choices": draw.choices,
        "min_fragments": quiz.min_fragments,
        "questions": len(quiz.questions),
        "right": {"model": quiz.right("model"), "most_common": quiz.right("most_common")},
        "model_on_all_sites": {
            "sites": quiz.score.sites,
            "accuracy": asdict(quiz.score.accuracy),
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
            for code, label in enumerate(classes)
        ],
    }
