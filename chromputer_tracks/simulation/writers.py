"""The files of a simulated genome, one at a time: sequence, fragments, labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pysam

from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.io.fragment_batch import BULK_BARCODE, FragmentOptions
from chromputer_tracks.io.fragment_convert import convert_fragments
from chromputer_tracks.simulation.architecture import (
    ELEMENTS,
    QUIESCENT_COLOR,
    QUIESCENT_TITLE,
    STEP,
)
from chromputer_tracks.simulation.config_text import peaks_name, states_name
from chromputer_tracks.simulation.genome import CellType, Plan, Sites, state_steps
from chromputer_tracks.simulation.motifs import (
    LETTERS,
    draw_bases,
    motif_starts,
    motifs_of,
    planted,
)
from chromputer_tracks.simulation.sampling import draw_fragments

_LINE = 100
_PROMOTER = 1
_ROWS = 1 << 20

Progress = Callable[[str, int, int], None]
"""Told the stage, how many bp of it are done, and how many there are."""


def write_genome(plan: Plan, sites: Mapping[str, Sites], path: Path, progress: Progress) -> None:
    """Write the sequence, bgzipped, with its ``.fai`` and ``.gzi``."""
    done, total = 0, sum(plan.sizes.values())
    with pysam.BGZFile(str(path), "wb", None) as file:
        for name, size in plan.sizes.items():
            bases = draw_bases(plan, name, sites[name])
            file.write(f">{name}\n".encode())
            for begin in range(0, size, _LINE << 16):
                letters = LETTERS[bases[begin : begin + (_LINE << 16)]]
                full = len(letters) // _LINE * _LINE
                lines = np.full((full // _LINE, _LINE + 1), ord("\n"), dtype=np.uint8)
                lines[:, :_LINE] = letters[:full].reshape(-1, _LINE)
                file.write(lines.tobytes())
                if full < len(letters):
                    file.write(letters[full:].tobytes() + b"\n")
            done += size
            progress("genome", done, total)
    pysam.faidx(str(path))


def write_fragments(
    plan: Plan, sites: Mapping[str, Sites], cell: CellType, path: Path, progress: Progress
) -> int:
    """Write a cell type's fragments with their index, by way of plain text beside them.

    Args:
        plan: parameters.
        sites: of each contig.
        cell: which of the plan's cell types.
        path: the new file, ``*.tsv.gz``.
        progress: told how far it is.

    Returns:
        the number of fragments.
    """
    done, total = 0, sum(plan.sizes.values())
    plain = path.with_suffix("")
    options = pa_csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")
    with plain.open("wb") as file:
        for name, size in plan.sizes.items():
            drawn = draw_fragments(plan, name, sites[name], cell)
            for begin in range(0, len(drawn.starts), _ROWS):
                part = slice(begin, begin + _ROWS)
                rows = len(drawn.starts[part])
                table = pa.table(
                    {
                        "contig": pa.array([name]).take(pa.array(np.zeros(rows, np.int32))),
                        "start": drawn.starts[part],
                        "end": drawn.ends[part],
                        "barcode": pa.array([BULK_BARCODE] * rows),
                        "count": np.ones(rows, np.int32),
                    }
                )
                pa_csv.write_csv(table, file, options)
            done += size
            progress(f"fragments of {cell.name}", done, total)
    keep = FragmentOptions(drop_duplicates=False, tn5_shift=False)
    summary = convert_fragments(plain, path, ChromSizes(plan.sizes), keep, scratch=path.parent)
    plain.unlink()
    return summary.kept


def state_table(plan: Plan) -> str:
    """Codes, names and colours of the states, as training wants them."""
    rows = [("S1", QUIESCENT_TITLE, QUIESCENT_COLOR)]
    for number, element in enumerate(ELEMENTS[: plan.states - 1], 2):
        rows.append((f"S{number}", element.title, element.color))
    text = "".join(f"{code}\t{title}\t{r},{g},{b}\n" for code, title, (r, g, b) in rows)
    return "state\tname\tcolor\n" + text


def write_labels(plan: Plan, sites: Mapping[str, Sites], number: int, folder: Path) -> None:
    """Write the states and the bound factors of the cell type with this number."""
    cell = plan.cells[number].name
    with (folder / states_name(cell)).open("w") as file:
        for name, size in plan.sizes.items():
            states = state_steps(plan, name, sites[name], number)
            change = np.flatnonzero(np.diff(states)) + 1
            starts = np.concatenate([[0], change])
            ends = np.append(change * STEP, size)
            codes = states[starts] + 1
            rows = zip((starts * STEP).tolist(), ends.tolist(), codes.tolist(), strict=True)
            file.writelines(f"{name}\t{a}\t{b}\tS{code}\n" for a, b, code in rows)
    for motif in motifs_of(plan):
        path = folder / peaks_name(cell, motif.name)
        path.parent.mkdir(exist_ok=True)
        with path.open("w") as file:
            for name, item in sites.items():
                # Bound where the site has its class's state in this cell type.
                bound = planted(plan, name, item, motif) & (item.states[number] == motif.kind)
                middles = (motif_starts(item, motif) + motif.width // 2)[bound]
                strands = np.where(item.reverse[bound], "-", "+")
                file.writelines(
                    f"{name}\t{at}\t{at + 1}\t{motif.name}\t0\t{strand}\n"
                    for at, strand in zip(middles.tolist(), strands.tolist(), strict=True)
                )


def write_tss(plan: Plan, sites: Mapping[str, Sites], path: Path) -> None:
    """Start sites: the middles of the promoters' sites, whatever their state in a cell type."""
    with path.open("w") as file:
        for name, item in sites.items():
            promoter = np.flatnonzero(item.classes == _PROMOTER)
            for index in promoter.tolist():
                at = int(item.centres[index])
                strand = "-" if item.reverse[index] else "+"
                file.write(f"{name}\t{at}\t{at + 1}\t{name}_gene{index + 1}\t0\t{strand}\n")
