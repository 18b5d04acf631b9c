"""A simulated genome on disk: sequence, fragments, labels, a training configuration, the truth."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pysam

from chromputer_tracks import __version__
from chromputer_tracks.errors import InputError
from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.io.atomic import output_errors
from chromputer_tracks.io.fragment_convert import convert_fragments
from chromputer_tracks.io.fragments import BULK_BARCODE, FragmentOptions
from chromputer_tracks.io.record import Report, RunRecord, Silent
from chromputer_tracks.io.run import run
from chromputer_tracks.options.train import SimulateOptions
from chromputer_tracks.simulation.genome import (
    ELEMENTS,
    QUIESCENT_COLOR,
    QUIESCENT_TITLE,
    STEP,
    CellType,
    GenomePlan,
    SimulatedSites,
    draw_fragments,
    draw_sites,
    equal_contigs,
    first_cell,
    second_cell,
    state_steps,
)
from chromputer_tracks.simulation.motifs import (
    LETTERS,
    draw_bases,
    motif_starts,
    motifs_of,
    planted,
)
from chromputer_tracks.simulation.optimum import best_accuracy

# ---- A training configuration for a simulated genome, in TOML.

GENOME, TSS, TABLE = "genome.fa.gz", "tss.bed", "states.tsv"

_LEAST_CONTIGS = 3


def fragments_name(cell: str) -> str:
    """File of a cell type's fragments."""
    return f"{cell}.fragments.tsv.gz"


def states_name(cell: str) -> str:
    """File of its states."""
    return f"{cell}.states.bed"


def peaks_name(cell: str, motif: str) -> str:
    """File of a factor's peaks in it."""
    return f"{cell}.peaks/{motif}.bed"


def splits(contigs: Iterable[str]) -> dict[str, list[str]]:
    """Contigs by use: the last quarter tests, the eighth before it validates.

    Raises:
        InputError: there are fewer than three.
    """
    names = list(contigs)
    if len(names) < _LEAST_CONTIGS:
        raise InputError(
            f"{len(names)} contigs cannot be split into training, validation and test: "
            f"give at least {_LEAST_CONTIGS}"
        )
    test = max(1, len(names) // 4)
    held = test + max(1, len(names) // 8)
    return {"train": names[:-held], "validation": names[-held:-test], "test": names[-test:]}


def config_text(plan: GenomePlan) -> str:
    """The configuration: one sample a cell type, a small network that trains in minutes."""
    binary = motifs_of(plan)
    lines = [
        "# Made by chromputer simulate. Train with",
        "#   chromputer train config.toml --out MODEL",
        'name = "simulated"',
        'assembly = "simulated"',
        f"seed = {plan.seed}",
        "",
        "[data]",
        f"fasta = {_text(GENOME)}",
        f"tss = {_text(TSS)}",
        "",
        "[splits]",
        *(f"{use} = {_text(names)}" for use, names in splits(plan.sizes).items()),
        "",
        "[states]",
        f"table = {_text(TABLE)}",
        "",
        *_NETWORK,
    ]
    for cell in plan.cells:
        lines += [
            "",
            "[[samples]]",
            f"name = {_text(cell.name)}",
            f"assays = {{ atac = {_text(fragments_name(cell.name))} }}",
            f"states = {_text(states_name(cell.name))}",
            "",
            "[samples.peaks]",
            *(f"{item.name} = [{_text(peaks_name(cell.name, item.name))}]" for item in binary),
        ]
    for item in binary:
        lines += ["", "[[binary]]", f"name = {_text(item.name)}", f"color = {list(item.color)}"]
    return "\n".join(lines) + "\n"


_NETWORK = (
    "[network]",
    "motif_filters = 32",
    "sequence_channels = 32",
    "vplot_channels = [16, 32]",
    "context_channels = 48",
    "hidden = 64",
    "dilations = [1, 2, 4]",
    "pixel_dropout = 0.0",
    "base_dropout = 0.15",
    "",
    "[fit]",
    "epochs = 12",
    "batch = 16",
    "weight_decay = 0.05",
    'precision = "32-true"',
    "threads = 1",
)


def _text(value: object) -> str:
    """A string or a list of strings: JSON's form of them is TOML's, too."""
    return json.dumps(value)


# ---- The files of a simulated genome, one at a time: sequence, fragments, labels.

_LINE = 100
_PROMOTER = 1
_ROWS = 1 << 20


def write_genome(
    plan: GenomePlan, sites: Mapping[str, SimulatedSites], path: Path, report: Report
) -> None:
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
            report.progress("genome", done, total, "bp")
    pysam.faidx(str(path))


def write_fragments(
    plan: GenomePlan,
    sites: Mapping[str, SimulatedSites],
    cell: CellType,
    path: Path,
    report: Report,
) -> int:
    """Write a cell type's fragments with their index, by way of plain text beside them.

    Args:
        plan: parameters.
        sites: the sites of each contig.
        cell: one of the plan's cell types.
        path: the new file, ``*.tsv.gz``.
        report: told how far it is.

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
            report.progress(f"fragments of {cell.name}", done, total, "bp")
    keep = FragmentOptions(drop_duplicates=False, tn5_shift=False)
    summary = convert_fragments(plain, path, ChromSizes(plan.sizes), keep, scratch=path.parent)
    plain.unlink()
    return summary.kept


def state_table(plan: GenomePlan) -> str:
    """Codes, names and colours of the states, as training wants them."""
    rows = [("S1", QUIESCENT_TITLE, QUIESCENT_COLOR)]
    for number, element in enumerate(ELEMENTS[: plan.states - 1], 2):
        rows.append((f"S{number}", element.title, element.color))
    text = "".join(f"{code}\t{title}\t{r},{g},{b}\n" for code, title, (r, g, b) in rows)
    return "state\tname\tcolor\n" + text


def write_labels(
    plan: GenomePlan, sites: Mapping[str, SimulatedSites], number: int, folder: Path
) -> None:
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


def write_start_sites(sites: Mapping[str, SimulatedSites], path: Path) -> None:
    """Start sites: the middles of the promoters' sites, whatever their state in a cell type."""
    with path.open("w") as file:
        for name, item in sites.items():
            promoter = np.flatnonzero(item.classes == _PROMOTER)
            for index in promoter.tolist():
                at = int(item.centres[index])
                strand = "-" if item.reverse[index] else "+"
                file.write(f"{name}\t{at}\t{at + 1}\t{name}_gene{index + 1}\t0\t{strand}\n")


KIND = "simulate"
"""What ``run.json`` says of the command."""

TRUTH, CONFIG = "truth.json", "config.toml"
CURVE = (2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 400.0)
"""Depths, fragments per kb, at which the best possible accuracy is computed."""

_OPTIMUM_BASES = 5_000_000
_SAMPLE = 1_000_000


@dataclass(frozen=True, slots=True)
class SimulateRecord:
    """What ``run.json`` says of a simulation beside what every record does.

    Attributes:
        fragments: number of fragments of each cell type.
        sites: number of sites of each contig.
    """

    fragments: dict[str, int]
    sites: dict[str, int]


@dataclass(frozen=True, slots=True)
class SimulateResult:
    """A simulated genome: its parameters, what ``truth.json`` holds, and the record of the run."""

    plan: GenomePlan
    truth: dict[str, Any]
    record: RunRecord


def simulate(options: SimulateOptions, report: Report | None = None) -> SimulateResult:
    """Write a simulated genome into ``options.out``.

    Raises:
        InputError: the parameters are outside their limits.
        OutputError: the folder cannot be used or written.
    """
    report = report or Silent()
    cells = [first_cell(options.depth)]
    if options.second_cell_type or options.second_depth is not None:
        depth = options.depth / 2 if options.second_depth is None else options.second_depth
        cells.append(second_cell(depth))
    sizes = equal_contigs(options.size, options.contigs)
    plan = GenomePlan(sizes, options.states, tuple(cells), seed=options.seed)
    with run(KIND, options, report) as work, work.stages.phase("simulating"):
        truth = write_simulation(plan, work.folder, report, optimum=options.optimum)
        work.describe(SimulateRecord(truth["fragments"], truth["sites"]))
    return SimulateResult(plan, truth, work.record)


def write_simulation(
    plan: GenomePlan, folder: Path, report: Report, *, optimum: bool = True
) -> dict[str, Any]:
    """Write the files of a simulated genome into an empty folder; memory holds one contig.

    Args:
        plan: parameters; at least three contigs.
        folder: is there.
        report: told how far it is.
        optimum: compute the best possible accuracy.

    Returns:
        what ``truth.json`` holds.

    Raises:
        InputError: the plan has too few contigs.
        OutputError: a file cannot be written.
    """
    use = splits(plan.sizes)
    with output_errors(folder):
        total = sum(plan.sizes.values())
        sites = {name: draw_sites(plan, name) for name in plan.sizes}
        write_genome(plan, sites, folder / GENOME, report)
        (folder / TABLE).write_text(state_table(plan))
        (folder / CONFIG).write_text(config_text(plan))
        write_start_sites(sites, folder / TSS)
        counts = {}
        for number, cell in enumerate(plan.cells):
            write_labels(plan, sites, number, folder)
            counts[cell.name] = write_fragments(
                plan, sites, cell, folder / fragments_name(cell.name), report
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
            truth["best_accuracy"] = _optimum(plan, use["test"], report)
        names = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
        truth["files"] = [*names, TRUTH]
        (folder / TRUTH).write_text(json.dumps(truth, indent=2) + "\n")
    return truth


def _optimum(plan: GenomePlan, test: list[str], report: Report) -> dict[str, Any]:
    """Best possible accuracy by cell type and depth, on the test contigs.

    Where they are long, a contig of 1 Mb with the same parameters stands for them.
    """
    contigs = list(test)
    if sum(plan.sizes[name] for name in contigs) > _OPTIMUM_BASES:
        contigs = ["optimum"]
        plan = replace(plan, sizes={"optimum": _SAMPLE})
    found: dict[str, Any] = {"contigs": contigs}
    stage, work, done = "best possible accuracy", len(plan.cells) * (1 + len(CURVE)), 0
    for cell in plan.cells:
        found[cell.name] = {"here": asdict(best_accuracy(plan, cell, contigs, windows=True))}
        curve = []
        for depth in CURVE:
            done += 1
            report.progress(stage, done, work, "depths")
            curve.append(asdict(best_accuracy(plan, replace(cell, depth=depth), contigs)))
        found[cell.name]["by_depth"] = curve
        done += 1
    report.progress(stage, work, work, "depths")
    return found
