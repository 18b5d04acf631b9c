"""Going on with a prediction whose process was killed: what it was, and what it had finished.

Nothing is written for it but a note of what a run reads and how (:class:`Plan`): the bigWig files
under way hold every value so far, with a checksum a block. A later run of the same plan reads the
contigs that are whole in all of them, puts them through the same writer and predicts the rest, so
that its files are those of an unbroken run, byte for byte. A run of another plan is refused.
"""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.errors import FormatError, InputError, OutputError
from chromputer_tracks.inference.genome import covered_bases
from chromputer_tracks.intervals import ChromSizes, Grid
from chromputer_tracks.io.bigwig import Values, read_unfinished
from chromputer_tracks.io.record import versions
from chromputer_tracks.io.threads import Workers
from chromputer_tracks.records import from_plain, to_plain

Bins = Mapping[str, list[tuple[int, int]]]
"""What is to be predicted, from :func:`~chromputer_tracks.inference.genome.region_bins`."""

_DIFFERENT_ANYWAY = ("platform",)
"""Versions that do not matter: a kernel may be updated."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All that the bytes of a prediction depend on.

    Attributes:
        model: SHA-256 of its graph.
        genome: digest of its contigs.
        inputs: bytes and time of the last change (ns) of each file that is read.
        options: the command's, as its record tells them.
        computing: provider, threads, and the machine's architecture.
        versions: of the package and the libraries.
    """

    model: str
    genome: str
    inputs: dict[str, tuple[int, int]]
    options: dict[str, Any]
    computing: dict[str, str]
    versions: dict[str, str]

    @classmethod
    def of(
        cls,
        model: str,
        genome: str,
        files: Mapping[str, Path],
        options: Mapping[str, Any],
        provider: str,
        threads: int,
    ) -> Plan:
        """Look at the files that a run is about to read.

        Raises:
            InputError: one is not there.
        """
        inputs = {}
        for role, path in files.items():
            try:
                found = path.stat()
            except OSError as error:
                raise InputError(f"cannot read {path}: {error.strerror}") from error
            inputs[role] = (found.st_size, found.st_mtime_ns)
        computing = {
            "provider": provider,
            "threads": str(threads),
            "machine": platform.machine(),
        }
        libraries = {k: v for k, v in versions().items() if k not in _DIFFERENT_ANYWAY}
        # As a file tells them, to be compared with what one tells.
        told = json.loads(json.dumps(to_plain(dict(options))))
        return cls(model, genome, inputs, told, computing, libraries)

    def to_json(self) -> str:
        """The text that an unfinished run leaves of itself."""
        return json.dumps(to_plain(self), indent=1) + "\n"

    @classmethod
    def read(cls, path: Path) -> Plan:
        """Read that text.

        Raises:
            FormatError: it is none of this release.
        """
        try:
            return from_plain(cls, json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, RecursionError, FormatError) as error:
            raise FormatError(f"its plan cannot be read ({error})") from error

    def difference(self, other: Plan) -> str | None:
        """What is not the same in another plan, as a phrase; None: nothing."""
        for item in fields(self):
            then, now = getattr(other, item.name), getattr(self, item.name)
            if then == now:
                continue
            if not isinstance(now, dict):
                return f"it was of another {item.name}"
            key = next(key for key in {**then, **now} if then.get(key) != now.get(key))
            if item.name == "inputs":
                return f"its {key} has changed since"
            return f"its {key} was {then.get(key, 'not known')}, now {now.get(key, 'not known')}"
        return None


class Finished(NamedTuple):
    """An unfinished run's folder, and the contigs that are whole in it, in order."""

    folder: Path
    contigs: tuple[str, ...]


def find_finished(
    marked: Sequence[Path],
    plan: Plan,
    names: Sequence[str],
    bins: Bins,
    sizes: ChromSizes,
    grid: Grid,
    threads: int,
) -> Finished | None:
    """The unfinished run of a plan that came farthest; None: there is no unfinished run.

    Args:
        marked: files with the plans of unfinished runs, each in its run's folder.
        plan: of the run that goes on.
        names: bigWig files of the model's outputs, relative to the folder.
        bins: what is to be predicted.
        sizes: the genome's contigs.
        grid: where the outputs lie.
        threads: files that are read at once.

    Raises:
        InputError: there are unfinished runs, but none of this plan.
    """
    found: list[Finished] = []
    reasons: list[str] = []
    for path in marked:
        try:
            reason = plan.difference(Plan.read(path))
        except FormatError as error:
            reason = str(error)
        if reason is None:
            contigs = _whole_contigs(path.parent, names, bins, sizes, grid, threads)
            found.append(Finished(path.parent, contigs))
        else:
            reasons.append(f"the unfinished run in {path.parent} cannot be gone on with: {reason}")
    if reasons and not found:
        raise InputError(
            f"{reasons[0]}; repeat its command, or leave out --resume to remove it and begin anew"
        )
    return max(found, key=lambda item: len(item.contigs), default=None)


def _whole_contigs(
    folder: Path, names: Sequence[str], bins: Bins, sizes: ChromSizes, grid: Grid, threads: int
) -> tuple[str, ...]:
    """Contigs whose every base is in every file."""
    ranked = sorted(sizes, key=str.encode)

    def bases(name: str) -> Counter[str]:
        counts: Counter[str] = Counter()
        if (folder / name).parent.is_dir():
            for item in _blocks(folder, name, grid):
                counts[ranked[item.contig]] += item.end - item.start
        return counts

    wanted = {chrom: covered_bases({chrom: runs}, sizes, grid) for chrom, runs in bins.items()}
    with Workers(threads, "chromputer-resume") as pool:
        counted = list(pool.map(bases, names))
    return tuple(
        takewhile(
            lambda chrom: all(counts[chrom] == wanted[chrom] for counts in counted), sorted(bins)
        )
    )


def _blocks(folder: Path, name: str, grid: Grid) -> Iterator[Values]:
    try:
        yield from read_unfinished(folder / name, grid.stride)
    except OutputError as error:
        # Killed before the file was made.
        if not isinstance(error.__cause__, FileNotFoundError):
            raise


def read_finished(
    finished: Finished, names: Sequence[str], sizes: ChromSizes, grid: Grid
) -> Iterator[tuple[str, int, int, NDArray[np.float32]]]:
    """The values of the contigs that are whole, in order, block by block.

    Yields:
        contig, start (0-based), end (exclusive) and float32 (outputs, bins), as the writer of
        tracks takes them.

    Raises:
        OutputError: the files cannot be read, or do not belong together.
    """
    ranked, wanted = sorted(sizes, key=str.encode), set(finished.contigs)
    every = [_blocks(finished.folder, name, grid) for name in names]
    # Behind the whole contigs the files end at different places.
    for blocks in zip(*every, strict=False):
        contig, start, end = blocks[0][:3]
        chrom = ranked[contig]
        if chrom not in wanted:
            return
        if any(block[:3] != (contig, start, end) for block in blocks):
            raise OutputError(
                f"the files in {finished.folder} do not belong together at {chrom}:{start + 1:,}: "
                "leave out --resume to begin anew"
            )
        yield chrom, start, end, np.stack([block.values for block in blocks])
