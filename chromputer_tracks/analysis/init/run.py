"""Write a commented training configuration of the files at hand, and check it."""

from __future__ import annotations

import colorsys
import importlib.util
import json
import re
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chromputer_tracks.analysis.init.files import Files, find_files
from chromputer_tracks.analysis.init.splits import Splits, main_contigs, propose_splits
from chromputer_tracks.errors import InputError, OutputError, counted
from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.io.assays import BigWigSource
from chromputer_tracks.io.atomic import atomic_path, check_folder, made_parents
from chromputer_tracks.io.bed import read_bed, read_tss
from chromputer_tracks.io.fasta import Fasta, check_swapped
from chromputer_tracks.io.fragments import open_fragments
from chromputer_tracks.io.record import Report, Silent
from chromputer_tracks.io.text import write_tsv
from chromputer_tracks.model.config import FitConfig, TrainConfig
from chromputer_tracks.model.config_file import load_config
from chromputer_tracks.options.train import InitOptions

FEW_TRAINING, FEW_SCORED = 100, 20
"""Peaks of a label on the training contigs, and on those of validation or test, below which a user
is warned."""
MOST_LABELS = 60
"""More peak files than this are rarely all meant."""
_MOST_STATES = 100
# Okabe and Ito's colours for those who see red and green alike, without their black.
_COLORS = (
    (0, 114, 178),
    (213, 94, 0),
    (0, 158, 115),
    (204, 121, 167),
    (230, 159, 0),
    (86, 180, 233),
)


@dataclass(frozen=True, slots=True)
class InitResult:
    """What was written.

    Attributes:
        path: the configuration.
        config: as it is read back.
        splits: contigs by use, and those in none.
        peaks: label to its peaks by use.
        shares: use to its share of the genome's bases.
        warnings: what a scientist should know, a sentence each.
        commands: what to run next.
    """

    path: Path
    config: TrainConfig
    splits: Splits
    peaks: dict[str, dict[str, int]]
    shares: dict[str, float]
    warnings: tuple[str, ...]
    commands: tuple[str, ...]


def init_config(options: InitOptions, report: Report | None = None) -> InitResult:
    """Write a commented configuration of the files at hand, and check it.

    Every file is opened and compared with the genome; a peak file that was found in the folder, not
    named, and does not fit is left out with a note. Needs no PyTorch; only the sizes of the network
    are not checked without it.

    Raises:
        InputError: a file is missing, does not fit the genome or is not one of its kind; there is
            nothing to learn; or it is not clear which file is meant.
        OutputError: the configuration is there already, or cannot be written.
    """
    report, out = report or Silent(), options.out
    if out.exists() and not options.force:
        raise OutputError(f"{out} is there already: name another file with --out, or pass --force")
    check_folder(out.parent)
    files = find_files(options)
    check_swapped(files.fasta, files.fragments)
    with Fasta(files.fasta, note=report.note) as fasta:
        sizes = fasta.sizes
    warnings = list(_check_inputs(files, sizes))
    counts = _count_peaks(files, sizes, report)
    if not (files.peaks or files.states or files.signals):
        raise InputError(
            "there is nothing to learn: name peaks with --peaks, states with --states or a bigWig "
            "with --signal"
        )
    held = _labelled(files, sizes, counts)
    usable = {name for name in sizes if all(name in names for names in held.values())}
    splits = propose_splits(sizes, counts, options.validation, options.test, usable)
    for what, names in held.items():
        without = [name for name in main_contigs(sizes) if name not in names]
        if without:
            warnings.append(f"{', '.join(without)}: no {what} there, so in no split")
    by_use = {
        label: {use: sum(map(found.__getitem__, names)) for use, names in splits.uses().items()}
        for label, found in counts.items()
    }
    warnings += _few(by_use, files)
    total = sum(sizes[name] for names in splits.uses().values() for name in names)
    shares = {
        use: sum(map(sizes.__getitem__, names)) / total for use, names in splits.uses().items()
    }
    name = options.name or re.sub(r"[^\w.-]+", "_", out.stem)
    assembly = options.assembly or files.fasta.name.split(".")[0]
    with made_parents(out):
        states = _states_table(files, sizes, out)
        text = "".join(_text(files, splits, shares, states, name, assembly, out))
        with atomic_path(out) as temporary:
            temporary.write_text(text, encoding="utf-8")
            config = load_config(temporary)
    return InitResult(
        out, config, splits, by_use, shares, tuple(warnings), tuple(_commands(out, name))
    )


# ---- The files, compared with the genome.


def _check_inputs(files: Files, sizes: ChromSizes) -> Iterator[str]:
    """Open what is not a label; tells what is unusual."""
    if files.fragments is None:
        yield (
            "no fragments were found: the model reads DNA alone, and says the same of every cell "
            "type; name them with --fragments"
        )
    else:
        # The first fragments tell the format, and whether the contigs fit.
        next(open_fragments(files.fragments, sizes).batches(), None)
    if files.tss is not None:
        read_tss(files.tss, sizes)
    if files.blacklist is not None:
        read_bed(files.blacklist, sizes)
    else:
        yield (
            "no blacklist: places of extreme depth (rDNA, repeats) are learnt from like any other; "
            "name a BED with --blacklist"
        )


def _count_peaks(files: Files, sizes: ChromSizes, report: Report) -> dict[str, Counter[str]]:
    """Label to peaks by contig, the mean over its replicates; files that do not fit are left out.

    Raises:
        InputError: a file that was named does not fit.
    """
    found: dict[str, Counter[str]] = {}
    for label, paths in list(files.peaks.items()):
        tables = []
        for path in list(paths):
            try:
                tables.append(read_bed(path, sizes))
            except InputError as error:
                if path in files.chosen:
                    raise
                report.note(f"note: left out: {error}")
                paths.remove(path)
        if not tables:
            del files.peaks[label]
            continue
        every = Counter(chrom for table in tables for chrom in table.chroms)
        found[label] = Counter({name: round(n / len(tables)) for name, n in every.items()})
    return found


def _labelled(
    files: Files, sizes: ChromSizes, counts: Mapping[str, Counter[str]]
) -> dict[str, set[str]]:
    """What labels there are (states, peaks, signals), and the contigs that have any of them."""
    held: dict[str, set[str]] = {}
    if files.states is not None:
        held["state"] = set(read_bed(files.states, sizes).contigs)
    if counts:
        held["peak of any label"] = {name for found in counts.values() for name in found}
    for label, path in files.signals.items():
        with BigWigSource.open(path, sizes) as signal:
            held[f"value of {label}"] = set(sizes) - set(signal.absent)
    return held


def _few(by_use: Mapping[str, Mapping[str, int]], files: Files) -> Iterator[str]:
    """Labels with few peaks to learn from or to be scored by."""
    for label, peaks in by_use.items():
        for use, least, why in (
            ("train", FEW_TRAINING, "few to learn from"),
            ("validation", FEW_SCORED, "too few to calibrate by"),
            ("test", FEW_SCORED, "intervals will be wide"),
        ):
            if peaks[use] < least:
                yield f"{label} has {counted(peaks[use], 'peak')} on the {use} contigs: {why}"
    if len(by_use) > MOST_LABELS:
        yield (
            f"{len(by_use)} labels: name those that you want with --label; the others may teach as "
            f"[auxiliary] (folder = {files.peak_folder})"
        )


def _states_table(files: Files, sizes: ChromSizes, out: Path) -> Path | None:
    """The table of the states, written where there is none; their codes are checked."""
    if files.states is None:
        return None
    bed = read_bed(files.states, sizes)
    if bed.names is None:
        raise InputError(f"--states {files.states}: column 4, the state's code, is missing")
    colors = dict(zip(bed.names, bed.colors or [None] * len(bed), strict=True))
    if not 2 <= len(colors) <= _MOST_STATES:
        raise InputError(
            f"--states {files.states}: column 4 has {counted(len(colors), 'different name')}, such "
            f"as {next(iter(colors))!r}; a BED of states has 2 to {_MOST_STATES} (its codes)"
        )
    if files.state_table is not None:
        return files.state_table
    table = out.with_name(f"{out.stem}.states.tsv")
    rows = []
    for row, code in enumerate(sorted(colors, key=_natural)):
        color = colors[code] or _color(row, len(colors))
        rows.append((code, code, ",".join(map(str, color))))
    write_tsv(table, ("state", "name", "color"), rows)
    return table


def _color(row: int, number: int) -> tuple[int, ...]:
    """A colour of its own for each of a number of labels."""
    if number <= len(_COLORS):
        return _COLORS[row]
    values = colorsys.hsv_to_rgb(row / number, 0.75, 0.85 if row % 2 else 0.65)
    return tuple(round(255 * value) for value in values)


def _natural(text: str) -> list[tuple[int, str]]:
    """``S2`` before ``S10``."""
    parts = re.split("([0-9]+)", text)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


# ---- The text.


def _path(path: Path, out: Path) -> str:
    """A path as TOML: relative to the configuration where it lies below its folder."""
    # Links stay as they are: a folder of links is how a lab lays out its data.
    full, folder = Path.cwd() / path, Path.cwd() / out.parent
    return _quoted(str(full.relative_to(folder)) if full.is_relative_to(folder) else str(full))


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _list(names: Sequence[str]) -> str:
    return f"[{', '.join(map(_quoted, names))}]"


def _text(
    files: Files,
    splits: Splits,
    shares: Mapping[str, float],
    states: Path | None,
    name: str,
    assembly: str,
    out: Path,
) -> Iterator[str]:
    """The configuration, in pieces."""
    yield (
        "# Written by `chromputer init`. Relative paths start from this file's folder, or from\n"
        "# --data; ~ and $NAME are read as in a shell. All keys: docs/training.md.\n"
        f"name = {_quoted(name)}\n"
        f"assembly = {_quoted(assembly)}\n"
        "seed = 1\n"
        'description = ""                # for the model card: what was measured, where and how\n'
        "\n[data]\n"
        f"fasta = {_path(files.fasta, out)}\n"
    )
    for key, path, about in (
        ("fragments", files.fragments, "BAM, fragments.tsv.gz or BEDPE"),
        ("blacklist", files.blacklist, "places of extreme depth, left out"),
        ("tss", files.tss, "genes or start sites, for the gene-proximity baseline"),
    ):
        known = path is not None
        value = _path(path, out) if path is not None else _quoted(f"{key}.bed")
        yield f"{'' if known else '# '}{key} = {value}  # {about}\n"
    yield (
        "\n[splits]  # whole contigs; what is in no split is not touched\n"
        f"train = {_list(splits.train)}  # {shares['train']:.0%} of these bases\n"
        f"validation = {_list(splits.validation)}  # {shares['validation']:.0%}: chooses the "
        "epoch, calibrates\n"
        f"test = {_list(splits.test)}  # {shares['test']:.0%}: only scored\n"
    )
    if splits.left:
        shown = ", ".join(splits.left[:8]) + (", ..." if len(splits.left) > 8 else "")
        yield f"# in none: {shown}\n"
    if files.fragments is None:
        yield "\n[inputs]\nvplots = []  # no fragments: DNA alone\n"
    else:
        yield (
            "\n[inputs]\n"
            "sequence = true\n"
            'vplots = ["atac"]  # fragments by midpoint and length\n'
            "# per_length = true    # with several samples: scale each class of fragment lengths\n"
            "# background = 10000   # divide by the local coverage (copy number, background)\n"
        )
    if files.states is not None and states is not None:
        yield (
            "\n[states]  # a softmax over the states\n"
            f"bed = {_path(files.states, out)}\n"
            f"table = {_path(states, out)}  # state, name, color: write full names here\n"
        )
    for row, (label, paths) in enumerate(files.peaks.items()):
        yield f"\n[[binary]]\nname = {_quoted(label)}\n"
        yield f"# title = {_quoted(label)}  # full name, for legends\n"
        if len(paths) == 1:
            yield f"peaks = {_path(paths[0], out)}\n"
        else:
            each = "".join(f"  {_path(path, out)},\n" for path in paths)
            yield (
                f"peaks = [\n{each}]  # replicates\n"
                'agreement = "intersection"  # or "rank" (IDR, by scores), or "union"\n'
            )
        yield f"color = {list(_color(row, len(files.peaks)))}\n"
        if row == 0:
            yield '# motif = "MA0000.1"  # its JASPAR matrix, for the motif-scan baseline\n'
    for row, (label, path) in enumerate(files.signals.items()):
        yield (
            f"\n[[continuous]]  # the mean of a signal\nname = {_quoted(label)}\n"
            f"bigwig = {_path(path, out)}\n"
            f"color = {list(_COLORS[-1 - row % len(_COLORS)])}\n"
        )
    unused = [path for path in files.unused if path not in files.signals.values()]
    if unused:
        yield "\n# bigWigs that were found; to predict one (or: chromputer init --signal FILE):\n"
        for path in unused[:8]:
            yield f"# [[continuous]]\n# name = {_quoted(path.stem)}\n"
            yield f"# bigwig = {_path(path, out)}\n"
    if files.peak_folder is not None:
        yield (
            "\n# Further peak sets of the same cells can teach the shared layers, unpredicted:\n"
            f"# [auxiliary]\n# folder = {_path(files.peak_folder, out)}\n"
        )
    fit = FitConfig()
    yield (
        "\n[fit]  # the values here are those that are taken without them\n"
        f"epochs = {fit.epochs}\n"
        f"batch = {fit.batch}\n"
        f"learning_rate = {fit.learning_rate}\n"
        "# threads = 4          # of the CPU; 0: PyTorch's choice\n"
    )


def _commands(out: Path, name: str) -> Iterator[str]:
    """What to run next."""
    if importlib.util.find_spec("torch") is None:
        yield "pip install 'chromputer-tracks[train]'"
    quoted = shlex.quote(str(out))
    yield f"chromputer dataset {quoted} --out {shlex.quote(f'{name}-dataset')}"
    yield f"chromputer train {quoted} --out {shlex.quote(f'models/{name}')}"
