"""Tables of text and numbers on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from chromputer_tracks.analysis.report_data import PlainTable

_NUMBER_STARTS = "+-–0123456789<"


def terminal_table(table: PlainTable, rows: int | None = None) -> Table:
    """A table whose first column names the row and whose columns of numbers stand to the right.

    Args:
        table: caption, header and cells.
        rows: most rows to show; None: all.
    """
    from rich.table import Table
    from rich.text import Text

    shown = Table(title=Text(table.caption), title_justify="left", title_style="bold")
    for place, name in enumerate(table.header):
        numbers = place and all(str(row[place])[:1] in _NUMBER_STARTS for row in table.rows)
        shown.add_column(name, justify="right" if numbers else "left", no_wrap=bool(numbers))
    for row in table.rows[:rows]:
        shown.add_row(*map(str, row))
    return shown
