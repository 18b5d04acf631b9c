"""What the page of ``chromputer view`` asks for while it is moved: coverage, V-plots, notes.

The fragments of each sample are read once, when they are first asked for, into a
:class:`~chromputer_tracks.io.fragment_store.FragmentStore`, and only if they are the file that the
run read: its size and SHA-256 are those of the record. A folder of results from elsewhere therefore
cannot have another file of this machine read and shown.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyBigWig
from numpy.typing import NDArray

from chromputer_tracks.data.features import (
    DEFAULT_LENGTH_EDGES,
    FINE_LENGTH_EDGES,
    fragment_signal,
    vplot,
)
from chromputer_tracks.errors import ChromputerError, FormatError, InputError, counted
from chromputer_tracks.intervals import ChromSizes, Interval, format_region
from chromputer_tracks.io.assays import is_bigwig
from chromputer_tracks.io.contributions import ExplainedSites, read_contributions
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.io.record import file_record
from chromputer_tracks.options.explain import MergeRule
from chromputer_tracks.spec import InputSpec, Normalisation
from chromputer_tracks.tracks.explain.importance import fragment_classes, window_weights
from chromputer_tracks.tracks.runs import AssayInput, ExplainFolder, ModelRuns
from chromputer_tracks.tracks.view.server import Content

Float64 = NDArray[np.float64]
Query = Mapping[str, str]

MOST_BASES = 50_000
"""bp of the widest V-plot."""
MOST_COLUMNS = 250
"""Position bins of a V-plot."""
BINS = (2, 5, 10, 20, 50, 100, 200)
"""bp of a position bin: the smallest that makes few enough of them is taken."""
MOST_VALUES = 20_000
"""Bins of coverage in one answer."""
_WAIT_SECONDS = 2.0
"""A question waits so long for the fragments before it is told to come again."""
_LABELS_IN_MEMORY = 4
_DIGITS = 5
"""Significant digits of what is sent; a picture shows two."""
_SHOWN_CONTIGS = 8
_MONONUCLEOSOMAL = "mononucleosomal"


class NotReady(Exception):  # noqa: N818
    """What is asked for is not there yet; the text says what is being done."""


# ---- Fragments of a sample, read when they are first asked for.


class LiveFragments:
    """The fragments of a sample, read in a thread of their own; closed with the server.

    Args:
        name: shown.
        item: what the record says of the file.
        path: where it lies now.
        sizes: the genome's contigs.
        scratch: folder for the sorted fragments; None: the system's.
        edges: length classes of the model's V-plot, which say what is nucleosomal.
    """

    def __init__(
        self,
        name: str,
        item: AssayInput,
        path: Path,
        sizes: ChromSizes,
        scratch: Path | None,
        edges: tuple[int, ...],
    ) -> None:
        self.name, self.path = name, path
        self._item, self._sizes, self._scratch = item, sizes, scratch
        classes = {part.name: part for part in fragment_classes(edges)}
        part = classes.get(_MONONUCLEOSOMAL)
        self.nucleosomal = (140, 300) if part is None else (part.shortest, part.longest)
        self._lock, self._done = threading.Lock(), threading.Event()
        self._thread: threading.Thread | None = None
        self._store: FragmentStore | None = None
        self._fault: ChromputerError | None = None
        self._closed, self._read = False, 0

    @property
    def missing(self) -> str:
        """Why there are no fragments to read, known without reading them; else empty."""
        if not self.path.is_file():
            return f"{self.path}, which the run read, is not there any more"
        if self.path.stat().st_size != self._item.bytes:
            return f"{self.path} is not the file any more that the run read (its size differs)"
        return ""

    def store(self, wait: float = _WAIT_SECONDS) -> FragmentStore:
        """The fragments.

        Raises:
            NotReady: they are still being read after ``wait`` seconds.
            InputError: they cannot be read, or are not those of the run.
        """
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True)
                self._thread.start()
        if not self._done.wait(wait):
            raise NotReady(f"reading {self.path.name}: {counted(self._read, 'fragment')} so far")
        if self._store is None:
            raise self._fault or InputError(f"{self.path} is not open any more")
        return self._store

    def close(self) -> None:
        """Stop reading, and remove the scratch files."""
        self._closed = True
        if self._thread is not None:
            self._thread.join()
        if self._store is not None:
            self._store.close()
            self._store = None

    def _run(self) -> None:
        try:
            if self.missing:
                raise InputError(self.missing)
            if file_record(self.path).sha256 != self._item.sha256:
                raise InputError(
                    f"{self.path} is not the file any more that the run read (SHA-256 "
                    f"{self._item.sha256[:12]}...)"
                )
            self._store = FragmentStore.build(
                self.path, self._sizes, self._item.options, self._count, self._scratch
            )
        except _Closed:
            pass
        except ChromputerError as error:
            self._fault = error
        except Exception as error:
            self._fault = InputError(f"{self.path} cannot be read: {error}")
            raise
        finally:
            self._done.set()

    def _count(self, kept: int) -> None:
        self._read = kept
        if self._closed:
            raise _Closed


class _Closed(Exception):  # noqa: N818
    """The page is not served any more."""


# ---- Contributions of the V-plot at explained sites.


@dataclass(frozen=True, slots=True, eq=False)
class LiveContributions:
    """What the pixels of a V-plot contribute to a label at its explained sites.

    ``name`` is shown; ``folder`` is the label's; ``item`` is the V-plot, ``rule`` says how
    windows that overlap are merged.
    """

    name: str
    folder: Path
    item: InputSpec
    rule: MergeRule

    def image(self, span: Interval, bin_size: int) -> Float64:
        """Contributions to the logit of each pixel.

        What a bin of the network contributes is spread evenly over its bases; of windows that
        overlap a base has the mean by the run's rule, as in its tracks.

        Args:
            span: of whole bins; may leave its contig.
            bin_size: bp.

        Returns:
            float64 (length classes, bins); NaN where nothing was explained.

        Raises:
            InputError, FormatError: the folder cannot be read.
        """
        sites, values = _explained(self.folder, self.item.name)
        near = np.flatnonzero(
            (sites.chrom == span.chrom)
            & (sites.start < span.end)
            & (sites.start + sites.window > span.start)
        )
        weights = window_weights(self.rule, sites.window)
        total = np.zeros((self.item.channels, len(span)))
        weight = np.zeros(len(span))
        for row in near:
            start = int(sites.start[row])
            first, last = max(start, span.start), min(start + sites.window, span.end)
            inside = slice(first - start, last - start)
            there = slice(first - span.start, last - span.start)
            bases = np.repeat(values[row] / self.item.bin, self.item.bin, axis=1)[:, inside]
            if self.rule == "max":
                larger = np.abs(bases) > np.abs(total[:, there])
                np.copyto(total[:, there], bases, where=larger)
                weight[there] = 1
            else:
                total[:, there] += bases * weights[inside]
                weight[there] += weights[inside]
        np.divide(total, weight, out=total, where=weight > 0)
        shape = (self.item.channels, -1, bin_size)
        known = (weight > 0).reshape(-1, bin_size).any(axis=1)
        return np.where(known, total.reshape(shape).sum(axis=2), np.nan)


@lru_cache(maxsize=_LABELS_IN_MEMORY)
def _explained(folder: Path, name: str) -> tuple[ExplainedSites, NDArray[np.float32]]:
    sites = read_contributions(folder)
    return sites, sites.contributions(name)


# ---- What there is to ask for.


@dataclass(frozen=True, slots=True, eq=False)
class Live:
    """Answers to the questions of the page; it is closed by the server."""

    sizes: ChromSizes
    models: tuple[ModelRuns, ...]
    fragments: tuple[LiveFragments, ...]
    contributions: tuple[LiveContributions, ...]

    def close(self) -> None:
        """Stop reading, and remove scratch files."""
        for item in self.fragments:
            item.close()

    def routes(self) -> dict[str, Callable[[Query], Content]]:
        """What answers each URL path."""
        return {
            "/live/coverage": self._told(self.coverage),
            "/live/vplot": self._told(self.vplot),
            "/live/contributions": self._told(self.pixels),
            "/live/where": self._told(self.where),
        }

    def about(self) -> dict[str, Any]:
        """What the page offers: fragments and contributions by their places, and how wide."""
        return {
            "fragments": [
                {"name": item.name, "missing": item.missing, "nucleosomal": item.nucleosomal}
                for item in self.fragments
            ],
            "contributions": [item.name for item in self.contributions],
            "most": MOST_BASES,
        }

    def coverage(self, query: Query) -> dict[str, Any]:
        """``values`` by bins of ``bin`` bp from ``start``: ``cuts`` or ``nucleosomes`` per bp."""
        source = _of(self.fragments, query)
        span, bin_size = self._span(query), max(1, _integer(query, "bin"))
        bins = -(-len(span) // bin_size)
        if bins > MOST_VALUES:
            raise InputError(f"{bins:,} bins are more than {MOST_VALUES:,}")
        kind = query.get("kind")
        if kind not in ("cuts", "nucleosomes"):
            raise InputError(f"kind {kind!r} is neither cuts nor nucleosomes")
        item = InputSpec(
            "signal",
            "live",
            bin_size,
            source.nucleosomal if kind == "nucleosomes" else (),
            Normalisation((1.0,)),
            "sample",
            "cuts" if kind == "cuts" else "coverage",
        )
        wide = Interval(span.chrom, span.start, span.start + bins * bin_size)
        values = fragment_signal(source.store(), wide, item).astype(np.float64)
        return {"start": span.start, "bin": bin_size, "values": _plain(values)}

    def vplot(self, query: Query) -> dict[str, Any]:
        """Counts of fragments by length class (rows, short ones first) and position bin."""
        source = _of(self.fragments, query)
        span, bin_size = self._pixels(query)
        if span is None:
            return self._too_wide()
        midpoints, lengths = source.store().midpoints(span)
        counts = vplot(midpoints, lengths, span, bin_size, FINE_LENGTH_EDGES)
        return _image(span, bin_size, FINE_LENGTH_EDGES, counts.astype(int).tolist()) | {
            "total": int(counts.sum())
        }

    def pixels(self, query: Query) -> dict[str, Any]:
        """Contributions likewise, by the length classes of the network; null: not explained."""
        source = _of(self.contributions, query)
        span, bin_size = self._pixels(query)
        if span is None:
            return self._too_wide()
        values = source.image(span, bin_size)
        rows = [_plain(row) for row in values]
        return _image(span, bin_size, source.item.length_edges, rows) | {
            "explained": bool(np.isfinite(values).any())
        }

    def where(self, query: Query) -> dict[str, Any]:
        """``notes`` on what is in view, and what the models had of this contig in training."""
        span = self._span(query)
        notes = [
            note for model in self.models for note in _prediction_notes(model, span, self.sizes)
        ]
        return {"notes": notes, "split": [*self._splits(span.chrom)]}

    def _splits(self, chrom: str) -> list[str]:
        found = []
        for name, digest, splits in dict.fromkeys(
            (
                model.spec.name,
                model.spec.sizes_digest,
                tuple((key, tuple(names)) for key, names in model.spec.splits.items()),
            )
            for model in self.models
        ):
            if digest != self.sizes.digest():
                continue
            for key, names in splits:
                if chrom in names:
                    found.append(
                        _SPLITS.get(key, "{name}: {chrom} is of its split " + key).format(
                            name=name, chrom=chrom
                        )
                    )
        return found

    def _too_wide(self) -> dict[str, Any]:
        return {"message": f"Zoom in to at most {MOST_BASES // 1000} kb to see the V-plot."}

    def _span(self, query: Query) -> Interval:
        chrom = query.get("chrom", "")
        size = self.sizes.require(chrom, "the page")
        start, end = max(0, _integer(query, "start")), min(size, _integer(query, "end"))
        if start >= end:
            raise InputError(f"{chrom}: {start:,} to {end:,} is no stretch of bases")
        return Interval(chrom, start, end)

    def _pixels(self, query: Query) -> tuple[Interval | None, int]:
        """What is in view, in whole bins from its start; None where it is too wide."""
        span = self._span(query)
        bin_size = next((item for item in BINS if len(span) <= item * MOST_COLUMNS), 0)
        if not bin_size or len(span) > MOST_BASES:
            return None, 0
        bins = -(-len(span) // bin_size)
        return Interval(span.chrom, span.start, span.start + bins * bin_size), bin_size

    def _told(self, answer: Callable[[Query], dict[str, Any]]) -> Callable[[Query], Content]:
        """An answer as JSON: ``wait`` or ``message`` where there is nothing to show."""

        def told(query: Query) -> Content:
            try:
                found = answer(query)
            except NotReady as error:
                found = {"wait": str(error)}
            except ChromputerError as error:
                found = {"message": str(error)}
            text = json.dumps(found, allow_nan=False, separators=(",", ":"))
            return Content(text.encode(), "application/json")

        return told


def open_live(models: Sequence[ModelRuns], sizes: ChromSizes, scratch: Path | None = None) -> Live:
    """What can be asked for of runs; nothing is read yet.

    Names begin with the sample's where there are several; of contributions with the model's, too.
    """
    many = len({sample.name for model in models for sample in model.samples}) > 1
    fragments: dict[tuple[str, str, str], LiveFragments] = {}
    contributions = []
    for model in models:
        images = [item for item in model.spec.inputs if item.kind == "vplot"]
        edges = {item.assay: item.length_edges for item in images}
        for sample in model.samples:
            prefix = f"{sample.name} " * many
            for run in sample.runs:
                for item in run.inputs:
                    key = (sample.name, item.assay, item.sha256)
                    # A bigWig has no fragments, which its record says where the file is gone.
                    if item.fragments is None or (item.path.is_file() and is_bigwig(item.path)):
                        continue
                    classes = edges.get(item.assay, DEFAULT_LENGTH_EDGES)
                    name = f"{prefix}{item.assay}"
                    fragments.setdefault(
                        key, LiveFragments(name, item, item.path, sizes, scratch, classes)
                    )
            for explained in sample.explain:
                who = f"{model.spec.name} " * (len(models) > 1) + prefix
                contributions += [
                    LiveContributions(
                        f"{who}{label}" + f" {image.name}" * (len(images) > 1),
                        explained.folder / label,
                        image,
                        _rule(explained),
                    )
                    for label in explained.results.labels
                    for image in images
                ]
    return Live(sizes, tuple(models), tuple(fragments.values()), tuple(contributions))


def _rule(run: ExplainFolder) -> MergeRule:
    rule = run.record.options["merge"]
    return "max" if rule == "max" else "mean" if rule == "mean" else "centre"


# ---- What the page is told about the place in view.

_SPLITS = {
    "train": "{name} was trained on {chrom}: its tracks look better here than on new data",
    "validation": "{name} was tuned on {chrom}: its tracks may look better here than on new data",
    "test": "{chrom} was kept out of the training of {name}",
}


def _prediction_notes(model: ModelRuns, span: Interval, sizes: ChromSizes) -> list[str]:
    notes = []
    for sample in model.samples:
        run = sample.predict
        if run is None:
            continue
        path = next(
            (run.folder / name for name in run.record.outputs if name.endswith(".bw")), None
        )
        if path is None or not path.is_file():
            continue
        contigs = _predicted_contigs(path)
        if span.chrom not in contigs:
            shown = ", ".join(contigs[:_SHOWN_CONTIGS]) + ", ..." * (len(contigs) > _SHOWN_CONTIGS)
            notes.append(
                f"{span.chrom} was not predicted in {sample.name}: its tracks are empty here, "
                f"which does not mean 0. Predicted: {shown or 'nothing'}."
            )
            continue
        part = _share(path, span)
        if part < _ALL:
            some = "Only part of" if part else "Nothing of"
            notes.append(
                f"{some} {format_region(span)} was predicted in {sample.name}: where its tracks "
                "are empty, that does not mean 0."
            )
    return notes


_ALL = 0.999
_BIGWIG = threading.Lock()


@lru_cache
def _predicted_contigs(path: Path) -> list[str]:
    """Contigs with a value, in the file's order."""
    with _BIGWIG, _opened(path) as file:
        return [name for name in file.chroms() if file.stats(name, type="max")[0] is not None]


def _share(path: Path, span: Interval) -> float:
    """Share of the bases that have a value."""
    with _BIGWIG, _opened(path) as file:
        return float(file.stats(span.chrom, span.start, span.end, type="coverage")[0] or 0)


def _opened(path: Path) -> Any:
    try:
        return pyBigWig.open(str(path))
    except RuntimeError as error:
        raise FormatError(f"{path} cannot be read as bigWig ({error}): run it again") from error


# ---- Questions and answers.


def _of(items: Sequence[Any], query: Query) -> Any:
    place = _integer(query, "source")
    if not 0 <= place < len(items):
        raise InputError(f"source {place} is none of {len(items)}")
    return items[place]


def _integer(query: Query, name: str) -> int:
    text = query.get(name, "")
    if not text.removeprefix("-").isascii() or not text.removeprefix("-").isdecimal():
        raise InputError(f"{name} {text!r} is no integer")
    if len(text) > _MOST_DIGITS:
        raise InputError(f"{name} {text[:20]}... is too large")
    return int(text)


_MOST_DIGITS = 12


def _plain(values: Float64) -> list[float | None]:
    """Rounded for sending; None where there is no value."""
    return [float(f"{value:.{_DIGITS}g}") if value == value else None for value in values.tolist()]


def _image(
    span: Interval, bin_size: int, edges: tuple[int, ...], rows: list[Any]
) -> dict[str, Any]:
    return {
        "chrom": span.chrom,
        "start": span.start,
        "end": span.end,
        "bin": bin_size,
        "edges": list(edges),
        "rows": rows,
    }
