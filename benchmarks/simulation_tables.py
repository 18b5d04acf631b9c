"""Tables and pictures of docs/simulation.md from the results of simulation.py."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.evaluation.metrics import DRAWS, Estimate, bootstrap
from chromputer_tracks.figures import Line, depth_curves
from chromputer_tracks.io.atomic import atomic_path

BEGIN, END = "<!-- {}: written by benchmarks/simulation.py -->", "<!-- end of {} -->"
CURVES = (
    "best both",
    "best fragments",
    "V-plot",
    "random forest",
)
CONDITIONS = ("depth", "depth, thinned", "local", "local, thinned")
TITLES = {
    "best both": "best, fragments + sequence",
    "best fragments": "best, fragments",
    "V-plot": "network, V-plot",
    "random forest": "random forest",
}

Values = dict[str, Any]


def estimate(values: Values, name: str, key: str = "accuracy") -> Estimate:
    return Estimate(**values[name][key])


def rights(values: Values, name: str) -> NDArray[np.bool_]:
    """Whether each bin was called right."""
    packed = np.frombuffer(bytes.fromhex(values[name]["right"]), dtype=np.uint8)
    return np.unpackbits(packed, count=sum(values[name]["bins_by_block"])).astype(np.bool_)


def difference(values: Values, one: str, other: str) -> Estimate:
    """Accuracy of the first minus that of the second on the same bins, paired."""
    sizes = values[one]["bins_by_block"]
    blocks = np.repeat(np.arange(len(sizes)), sizes)
    first, second = rights(values, one), rights(values, other)
    return bootstrap(blocks, lambda i: float(first[i].mean() - second[i].mean()), DRAWS)


def shown(figure: Estimate) -> str:
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def points(figure: Estimate) -> str:
    return f"{100 * figure.value:.1f} [{100 * figure.low:.1f}, {100 * figure.high:.1f}]"


def rows(header: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def depths(values: Values, what: str) -> list[float]:
    """Depths, ascending, at which there is a figure of this."""
    names = [name.split(": ") for name in values if name.startswith("depth ")]
    return sorted(float(at.split()[1]) for at, found in names if found == what)


def depth_row(values: Values, at: str) -> list[str]:
    cells = []
    for best, model in (("best fragments", "V-plot"), ("best both", "V-plot + sequence")):
        cells.append(shown(estimate(values, f"{at}: {best}")))
        name = f"{at}: {model}"
        there = name in values
        cells.append(shown(estimate(values, name)) if there else "")
        cells.append(points(estimate(values, name, "below_best")) if there else "")
        if model == "V-plot":
            cells.append(shown(estimate(values, f"{at}: random forest")))
    return cells


HEADER = (
    *("best, fragments", "network, V-plot", "short by, points", "random forest"),
    *("best, both", "network, V-plot + sequence", "short by, points"),
)


def depth_table(values: Values) -> str:
    """Accuracy by depth: best, network and what it is short of, forest."""
    body = [
        [f"{depth:g}", *depth_row(values, f"depth {depth:g}")] for depth in depths(values, "V-plot")
    ]
    return rows(["fragments per kb", *HEADER], body)


def size_table(values: Values) -> str:
    """The same at one depth with more genome to train on."""
    large = next(name.split(": ")[0] for name in values if name.startswith("large, "))
    small = large.removeprefix("large, ")
    named = (("as above", small), ("four times", large))
    return rows(["genome", *HEADER[:4]], [[name, *depth_row(values, at)[:4]] for name, at in named])


def cross_table(values: Values) -> str:
    """Trained on, scored on, by normalisation, and the loss against training on the same."""
    header = ["normalisation", "trained on", "on A", "on B", "loss on the other, points"]
    body = []
    for kind in CONDITIONS:
        for source, other in (("A", "B"), ("B", "A")):
            loss = difference(values, f"{kind}: {other} on {other}", f"{kind}: {source} on {other}")
            cells = [shown(estimate(values, f"{kind}: {source} on {cell}")) for cell in "AB"]
            body.append([kind, source, *cells, points(loss)])
    best = [shown(estimate(values, f"best on {cell}")) for cell in "AB"]
    return rows(header, [*body, ["best possible", "", *best, ""]])


def replace_between(text: str, name: str, content: str) -> str:
    first, last = BEGIN.format(name), END.format(name)
    before, _, rest = text.partition(first)
    _, _, after = rest.partition(last)
    return f"{before}{first}\n\n{content}\n\n{last}{after}"


def write_tables(values: Values, page: Path) -> None:
    """Put the tables into the page and the pictures beside it."""
    text = page.read_text()
    for name, content in (
        ("depth", depth_table(values)),
        ("size", size_table(values)),
        ("cells", cross_table(values)),
    ):
        text = replace_between(text, name, content)
    with atomic_path(page.with_name("simulation-depth.svg")) as path:
        path.write_text(depth_picture(values))
    with atomic_path(page) as path:
        path.write_text(text)


def depth_picture(values: Values) -> str:
    lines = []
    for name in CURVES:
        at = depths(values, name)
        figures = (estimate(values, f"depth {depth:g}: {name}") for depth in at)
        lines.append(Line(TITLES[name], tuple(at), tuple(figures)))
    return depth_curves(lines, "fragments per kb", "accuracy")
