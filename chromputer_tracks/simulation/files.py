"""A simulated genome on disk: sequence, fragments, labels, a training configuration, the truth."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from chromputer_tracks import __version__
from chromputer_tracks.errors import OutputError
from chromputer_tracks.io.atomic import PARTIAL, check_folder, output_errors
from chromputer_tracks.simulation.best import best_accuracy
from chromputer_tracks.simulation.config_text import (
    GENOME,
    TABLE,
    TSS,
    config_text,
    fragments_name,
    splits,
)
from chromputer_tracks.simulation.genome import Plan, draw_sites
from chromputer_tracks.simulation.writers import (
    Progress,
    state_table,
    write_fragments,
    write_genome,
    write_labels,
    write_tss,
)

TRUTH, CONFIG = "truth.json", "config.toml"
CURVE = (2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 400.0)
"""Depths, fragments per kb, at which the best possible accuracy is computed."""

_OPTIMUM_BASES = 5_000_000
_SAMPLE = 1_000_000


def simulate(
    plan: Plan, out: Path, progress: Progress, *, force: bool = False, optimum: bool = True
) -> dict[str, Any]:
    """Write a simulated genome.

    Memory holds one contig. Files appear under their final names when all of them are complete,
    ``truth.json`` last; those of an earlier simulation are replaced.

    Args:
        plan: parameters; at least three contigs.
        out: folder; made if its parent exists.
        progress: told how far it is.
        force: write into a folder that holds other files.
        optimum: compute the best possible accuracy.

    Returns:
        what ``truth.json`` holds.

    Raises:
        InputError: the plan has too few contigs.
        OutputError: the folder cannot be used or written.
    """
    use = splits(plan.sizes)
    with _staging(out, force=force) as (folder, publish):
        total = sum(plan.sizes.values())
        sites = {name: draw_sites(plan, name) for name in plan.sizes}
        write_genome(plan, sites, folder / GENOME, progress)
        (folder / TABLE).write_text(state_table(plan))
        (folder / CONFIG).write_text(config_text(plan))
        write_tss(plan, sites, folder / TSS)
        counts = {}
        for number, cell in enumerate(plan.cells):
            write_labels(plan, sites, number, folder)
            counts[cell.name] = write_fragments(
                plan, sites, cell, folder / fragments_name(cell.name), progress
            )
        truth: dict[str, Any] = {
            "chromputer_tracks": __version__,
            "plan": asdict(plan),
            "splits": use,
            "sites": {name: len(item) for name, item in sites.items()},
            "fragments": counts,
            "fragments_per_kb": {name: n / total * 1000 for name, n in counts.items()},
        }
        if optimum:
            truth["best_accuracy"] = _optimum(plan, use["test"], progress)
        names = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
        truth["files"] = [*names, TRUTH]
        (folder / TRUTH).write_text(json.dumps(truth, indent=2) + "\n")
        publish(truth["files"])
    return truth


def _optimum(plan: Plan, test: list[str], progress: Progress) -> dict[str, Any]:
    """Best possible accuracy by cell type and depth, on the test contigs.

    Where they are long, a contig of 1 Mb with the same parameters stands for them.
    """
    contigs = list(test)
    if sum(plan.sizes[name] for name in contigs) > _OPTIMUM_BASES:
        contigs = ["optimum"]
        plan = replace(plan, sizes={"optimum": _SAMPLE})
    found: dict[str, Any] = {"contigs": contigs}
    work = len(plan.cells) * (1 + len(CURVE))
    done = 0
    for cell in plan.cells:
        found[cell.name] = {"here": asdict(best_accuracy(plan, cell, contigs, windows=True))}
        curve = []
        for depth in CURVE:
            done += 1
            progress("best possible accuracy", done, work)
            curve.append(asdict(best_accuracy(plan, replace(cell, depth=depth), contigs)))
        found[cell.name]["by_depth"] = curve
        done += 1
    progress("best possible accuracy", work, work)
    return found


@contextmanager
def _staging(out: Path, *, force: bool) -> Iterator[tuple[Path, Callable[[list[str]], None]]]:
    """A hidden folder in ``out``, and how to move what it holds to final names."""
    check_folder(out)
    made = not out.exists()
    with output_errors(out):
        out.mkdir(exist_ok=True)
        earlier = _earlier(out, force=force)
        folder = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=out))

    def publish(names: list[str]) -> None:
        (out / TRUTH).unlink(missing_ok=True)
        for name in names:
            (out / name).parent.mkdir(exist_ok=True)
            (folder / name).replace(out / name)
        for name in earlier - set(names):
            (out / name).unlink(missing_ok=True)

    try:
        with output_errors(out):
            yield folder, publish
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if made:
            # It stays when anything was published.
            with suppress(OSError):
                out.rmdir()


def _earlier(out: Path, *, force: bool) -> set[str]:
    """Files of the earlier simulation that ``out`` holds; an error where it holds other things."""
    truth = out / TRUTH
    if truth.is_file():
        try:
            names: list[str] = json.loads(truth.read_text(encoding="utf-8"))["files"]
            inside = [name for name in names if not Path(name).is_absolute()]
            return {name for name in inside if ".." not in Path(name).parts}
        except (ValueError, KeyError, TypeError) as error:
            if not force:
                raise OutputError(
                    f"{truth} is not the record of an earlier simulation ({error!r}): name another "
                    f"folder, or pass --force"
                ) from error
    elif not force and not all(item.name.startswith(PARTIAL) for item in out.iterdir()):
        raise OutputError(
            f"{out} holds files that are not of an earlier simulation (it has no {TRUTH}): name "
            f"another folder, or pass --force"
        )
    return set()
