"""``chromputer models``: the models that come with the package."""

from __future__ import annotations


def models() -> None:
    """List the shipped models."""
    from rich.console import Console
    from rich.table import Table

    from chromputer_tracks.inference.session import read_spec, shipped_models

    table = Table("name", "inputs", "heads", "window", "trained on")
    for name, folder in shipped_models().items():
        spec = read_spec(folder)
        inputs = ", ".join(
            item.name if item.name == item.kind else f"{item.name} ({item.kind})"
            for item in spec.inputs
        )
        heads = "\n".join(
            f"{head.name} ({head.kind}): {', '.join(label.name for label in head.labels)}"
            for head in spec.heads
        )
        table.add_row(name, inputs, heads, f"{spec.window:,} / {spec.stride} bp", spec.assembly)
    console = Console(markup=False, highlight=False)
    if table.row_count:
        console.print(table)
    else:
        console.print("No model is shipped with this installation.")
