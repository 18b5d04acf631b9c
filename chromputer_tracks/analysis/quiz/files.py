"""The files of a quiz: its page, and beside it its questions and scores."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from chromputer_tracks.analysis.quiz.options import QuizOptions
from chromputer_tracks.analysis.quiz.page import write_quiz
from chromputer_tracks.analysis.quiz.run import Quiz
from chromputer_tracks.inference.provenance import Checksums, versions
from chromputer_tracks.inference.sample import input_roles
from chromputer_tracks.io.atomic import atomic_path


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
            answers = (item.truth, item.answer, item.commonest)
            writer.writerow(
                [
                    *(item.site.chrom, item.site.start, item.site.end, item.picture.fragments),
                    ",".join(names[code] for code in item.choices),
                    *(names[code] for code in answers),
                    *(f"{value:.6g}" for value in (*item.probabilities, *item.odds)),
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
        "right": {"model": quiz.right("model"), "most_common": quiz.right("commonest")},
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
