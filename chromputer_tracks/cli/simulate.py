"""``chromputer simulate``: a random genome with fragments whose best possible accuracy is known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from chromputer_tracks.simulation.genome import GenomePlan


def simulate(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write.")],
    size: Annotated[
        int, typer.Option("--size", min=1, metavar="BP", help="Bases of the whole genome.")
    ] = 4_000_000,
    contigs: Annotated[
        int, typer.Option("--contigs", min=3, help="Contigs of equal size, chr1, chr2 ...")
    ] = 8,
    depth: Annotated[
        float, typer.Option("--depth", help="Expected fragments per kb of the first cell type.")
    ] = 25.0,
    states: Annotated[
        int, typer.Option("--states", min=4, max=8, help="Chromatin states, quiescent included.")
    ] = 6,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of everything random.")] = 1,
    second_cell_type: Annotated[
        bool,
        typer.Option(
            "--second-cell-type",
            help="A second sample: other states at some sites, over-digested, with regional bias "
            "and more background.",
        ),
    ] = False,
    second_depth: Annotated[
        float | None,
        typer.Option("--second-depth", help="Its fragments per kb; half of --depth if not given."),
    ] = None,
    optimum: Annotated[
        bool,
        typer.Option("--optimum/--no-optimum", help="Compute the best possible accuracy by depth."),
    ] = True,
    force: Annotated[
        bool, typer.Option("--force", help="Write into a folder that holds other files.")
    ] = False,
) -> None:
    """Simulate a genome with motifs, chromatin states and fragments, and a configuration."""
    from chromputer_tracks.cli.console import Reporter
    from chromputer_tracks.simulation.files import CONFIG, TRUTH
    from chromputer_tracks.simulation.files import simulate as write
    from chromputer_tracks.simulation.genome import (
        GenomePlan,
        equal_contigs,
        first_cell,
        second_cell,
    )

    cells = [first_cell(depth)]
    if second_cell_type or second_depth is not None:
        cells.append(second_cell(depth / 2 if second_depth is None else second_depth))
    plan = GenomePlan(equal_contigs(size, contigs), states, tuple(cells), seed=seed)
    with Reporter() as reporter:
        truth = write(
            plan,
            out,
            lambda stage, done, total: reporter.progress(
                stage, done, total, "depths" if stage.startswith("best") else "bp"
            ),
            force=force,
            optimum=optimum,
        )
    if optimum:
        reporter.console.print(_table(plan, truth))
    reporter.note(
        f"{sum(truth['fragments'].values()):,} fragments and {sum(truth['sites'].values()):,} "
        f"sites in {out}; what is true is in {TRUTH}. Train with: chromputer train "
        f"{out / CONFIG} --out MODEL"
    )


def _table(plan: GenomePlan, truth: dict[str, Any]) -> Table:
    from rich.table import Table

    table = Table(title="best possible accuracy of the states", title_justify="left")
    for name in ("cell type", "fragments per kb", "fragments", "sequence", "both"):
        table.add_column(name, justify="left" if name == "cell type" else "right")
    for cell in plan.cells:
        for row in truth["best_accuracy"][cell.name]["by_depth"]:
            figures = (f"{row[key]['value']:.3f}" for key in ("fragments", "sequence", "both"))
            table.add_row(cell.name, f"{row['depth']:g}", *figures)
    return table
