"""Tables of text and numbers on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

    from chromputer_tracks.analysis.report.data import PlainTable

_NUMBER_STARTS = "+-–0123456789<"
_GAP = len(" ┃ ")


def terminal_table(table: PlainTable, width: int, rows: int | None = None) -> Group:
    """A table whose first columns name the row and whose columns of numbers stand to the right.

    One that is too wide has no frame around it, and its text breaks between words. Where that does
    not do, further columns follow below, beside the names again: figures are never cut.

    Args:
        table: caption, header and cells.
        width: of the terminal, in characters.
        rows: most rows to show; None: all.
    """
    from rich.console import Group

    cells = [[str(cell) for cell in row] for row in (table.header, *table.rows[:rows])]
    numbers = [
        place > 0 and all(str(row[place])[:1] in _NUMBER_STARTS for row in table.rows)
        for place in range(len(table.header))
    ]
    columns = list(zip(*cells, strict=True))
    whole = [max(map(len, column)) for column in columns]
    if sum(whole) + _GAP * len(whole) + 1 <= width:
        return Group(_table(table.caption, columns, numbers, whole, frame=True))
    least = [
        max(map(len, (*_words(name), *(rest if number else _words(*rest)))))
        for (name, *rest), number in zip(columns, numbers, strict=True)
    ]
    names = numbers.index(True) if True in numbers else len(numbers)
    return Group(
        *(
            _table(
                f"{table.caption}, continued" if part else table.caption,
                [columns[place] for place in places],
                [numbers[place] for place in places],
                [least[place] for place in places],
                frame=False,
            )
            for part, places in enumerate(_parts(least, names, width))
        )
    )


def _words(*texts: str) -> list[str]:
    return " ".join(texts).split() or [""]


def _parts(sizes: Sequence[int], names: int, width: int) -> list[list[int]]:
    """Which columns to show together: the first ``names``, and as many others as there is room."""
    parts: list[list[int]] = [[]]
    for place in range(names, len(sizes)):
        shown = [*range(names), *parts[-1], place]
        if parts[-1] and sum(sizes[other] + _GAP for other in shown) - _GAP > width:
            parts.append([])
        parts[-1].append(place)
    return [[*range(names), *part] for part in parts]


def _table(
    caption: str,
    columns: Sequence[Sequence[str]],
    numbers: Sequence[bool],
    least: Sequence[int],
    *,
    frame: bool,
) -> Table:
    """One table; each column is its header and cells, at least so wide."""
    from rich.table import Table
    from rich.text import Text

    shown = Table(
        title=Text(caption),
        title_justify="left",
        title_style="bold",
        show_edge=frame,
        pad_edge=frame,
    )
    for (name, *_), number, size in zip(columns, numbers, least, strict=True):
        header = "\n".join(wrap(name, size)) if number else name
        shown.add_column(
            header, justify="right" if number else "left", no_wrap=number, min_width=size
        )
    for row in list(zip(*columns, strict=True))[1:]:
        shown.add_row(*row)
    return shown
