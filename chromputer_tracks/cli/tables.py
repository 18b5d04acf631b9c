"""Tables of text and numbers on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.table import Table

    from chromputer_tracks.analysis.report_data import PlainTable

_NUMBER_STARTS = "+-–0123456789<"


def terminal_table(table: PlainTable, width: int, rows: int | None = None) -> Table:
    """A table whose first column names the row and whose columns of numbers stand to the right.

    One that is too wide has no frame around it; what then is too long goes on in the next line.

    Args:
        table: caption, header and cells.
        width: of the terminal, in characters.
        rows: most rows to show; None: all.
    """
    from rich.table import Table
    from rich.text import Text

    cells = [table.header, *table.rows[:rows]]
    columns = [max(len(str(cell)) for cell in column) for column in zip(*cells, strict=True)]
    fits = sum(columns) + len(" ┃ ") * len(columns) + 1 <= width
    shown = Table(
        title=Text(table.caption),
        title_justify="left",
        title_style="bold",
        show_edge=fits,
        pad_edge=fits,
    )
    for place, name in enumerate(table.header):
        numbers = place and all(str(row[place])[:1] in _NUMBER_STARTS for row in table.rows)
        side: Literal["left", "right"] = "right" if numbers else "left"
        shown.add_column(name, justify=side, no_wrap=bool(numbers), overflow="fold")
    for row in table.rows[:rows]:
        shown.add_row(*map(str, row))
    return shown
