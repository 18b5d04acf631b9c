"""One label explained at its sites: a stream from the explainer to the label's files."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.data.features import Features
from chromputer_tracks.inference.explain import Arrays, Contributions, Explainer
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.bigwig import BigWigWriter
from chromputer_tracks.io.contributions import Batch, ContributionWriter, Site
from chromputer_tracks.tracks.explain.layout import (
    MergeRule,
    Stretch,
    WindowMerge,
    importance_tracks,
    track_values,
)

# ---- Figures of explained sites: shares of the inputs, and whether contributions add up.

COMPLETE = 1e-3
"""Relative error of completeness above which a user is warned."""
_LEAST_DIFFERENCE = 0.1
"""Differences in logit below it count as this much: where a site differs hardly from its
references, rounding in the sums of thousands of float32 would else pass for an error."""
COMPLETENESS = f"|sum of contributions - difference| / max(|difference|, {_LEAST_DIFFERENCE})"


@dataclass(frozen=True, slots=True)
class Completeness:
    """How well contributions add up to the difference in logit, by :data:`COMPLETENESS`.

    Attributes:
        median: over sites.
        maximum: over sites.
        above: number of sites above :data:`COMPLETE`.
    """

    median: float
    maximum: float
    above: int


@dataclass(frozen=True, slots=True)
class LabelSummary:
    """What was found of a label.

    Attributes:
        label: its name.
        title: its full name.
        sites: number of windows.
        bases: bp that have a value in the tracks.
        mean_logit: of the explained logit over sites.
        mean_difference: of its difference from the references; None for ``gradient*input``.
        shares: share of each part (``sequence``, ``shape``, V-plots and signals by name) in the sum
            of all contributions without their signs.
        completeness: None for ``gradient*input``.
    """

    label: str
    title: str
    sites: int
    bases: int
    mean_logit: float
    mean_difference: float | None
    shares: dict[str, float]
    completeness: Completeness | None


class Tally:
    """Adds up the figures of a label's sites, a batch at a time."""

    def __init__(self) -> None:
        self._logits: list[NDArray[np.float32]] = []
        self._differences: list[NDArray[np.float32]] = []
        self._errors: list[NDArray[np.float32]] = []
        self._sizes: dict[str, float] = {}

    def add(self, found: Contributions, total: NDArray[np.float32]) -> Arrays:
        """Take a batch.

        Args:
            found: of n sites.
            total: float32 (n,), the sum of each site's contributions.

        Returns:
            float32 (n,) by column: ``contribution.PART`` and ``share.PART`` of each part, the share
            being of the contributions without their signs (0 where all are 0), and
            ``completeness_error``, NaN for ``gradient*input``.
        """
        signed, sizes = found.parts(), _magnitudes(found)
        for name, values in sizes.items():
            self._sizes[name] = self._sizes.get(name, 0.0) + float(values.sum(dtype=np.float64))
        whole = np.sum(list(sizes.values()), axis=0)
        whole[whole == 0] = 1
        error = np.abs(total - found.difference)
        error /= np.maximum(np.abs(found.difference), np.float32(_LEAST_DIFFERENCE))
        self._logits.append(found.logit)
        self._differences.append(found.difference)
        self._errors.append(error)
        columns = {f"contribution.{name}": values for name, values in signed.items()}
        columns |= {f"share.{name}": values / whole for name, values in sizes.items()}
        return columns | {"completeness_error": error}

    def summary(self, label: str, title: str, bases: int) -> LabelSummary:
        """Figures of all sites.

        Args:
            label: name.
            title: full name.
            bases: bp that have a value in the tracks.
        """
        logits = np.concatenate(self._logits)
        differences, errors = np.concatenate(self._differences), np.concatenate(self._errors)
        whole = sum(self._sizes.values()) or 1.0
        complete = difference = None
        if not np.isnan(differences).all():
            difference = float(differences.mean(dtype=np.float64))
            complete = Completeness(
                float(np.median(errors)), float(errors.max()), int((errors > COMPLETE).sum())
            )
        return LabelSummary(
            label=label,
            title=title,
            sites=len(logits),
            bases=bases,
            mean_logit=float(logits.mean(dtype=np.float64)),
            mean_difference=difference,
            shares={name: size / whole for name, size in self._sizes.items()},
            completeness=complete,
        )


def _magnitudes(found: Contributions) -> Arrays:
    """Sums of contributions without signs, float32 (n,) by part, as ``parts()`` names them."""
    sizes: Arrays = {}
    if found.sequence is not None:
        sizes["sequence"] = np.abs(found.sequence).sum(axis=1)
    if found.shape is not None:
        sizes["shape"] = np.abs(found.shape).sum(axis=(1, 2))
    return sizes | {name: np.abs(values).sum(axis=(1, 2)) for name, values in found.inputs.items()}


@dataclass(frozen=True, slots=True, eq=False)
class SiteView:
    """What a picture of a site shows.

    Attributes:
        site: where it is.
        window: its window.
        logit: explained.
        sequence: float32 (4, window), the bases; None where the model reads none.
        importance: float32 (window,), what they contribute; likewise.
        shape: float32 (features, window), contributions of DNA shape, or None.
        values: input name to float32 (channels, positions) of each V-plot and signal.
        inputs: their contributions.
    """

    site: Site
    window: Interval
    logit: float
    sequence: NDArray[np.float32] | None
    importance: NDArray[np.float32] | None
    shape: NDArray[np.float32] | None
    values: Arrays
    inputs: Arrays


@dataclass(frozen=True, slots=True, eq=False)
class LabelResult:
    """What :func:`explain_label` gives.

    Attributes:
        summary: figures.
        names: of the files in the folder.
        views: of the sites with the highest logits, the highest first.
    """

    summary: LabelSummary
    names: tuple[str, ...]
    views: tuple[SiteView, ...]


def explain_label(
    explainer: Explainer,
    features: Features,
    sites: Sequence[Site],
    weights: NDArray[np.float32],
    folder: Path,
    sizes: ChromSizes,
    *,
    rule: MergeRule,
    label: tuple[str, str],
    views: int,
    progress: Callable[[int], None],
) -> LabelResult:
    """Explain a label and write its folder, in memory that does not grow with its arrays.

    Args:
        explainer: computes the contributions.
        features: makes the input arrays.
        sites: sorted.
        weights: float32 (outputs,), see :func:`~chromputer_tracks.inference.explain.head_weights`.
        folder: exists.
        sizes: the genome's contigs.
        rule: how overlapping windows are merged.
        label: name and full name.
        views: how many sites are to be pictured.
        progress: told the number of sites done.

    Raises:
        OutputError: a file cannot be written or does not pass its check.
        ProviderError: ONNX Runtime failed.
    """
    spec = explainer.spec
    windows = [Interval.centred(site.chrom, site.centre, spec.window) for site in sites]
    bases = next((item.name for item in spec.inputs if item.kind == "sequence" and item.bases), "")
    tally, top = Tally(), _Highest(views)
    with ExitStack() as stack:
        tracks = stack.enter_context(_Tracks(explainer, folder, sizes, rule))
        writer = stack.enter_context(ContributionWriter(folder, sites, spec.window, spec.inputs))
        for first, arrays, found in explainer.stream(features, windows, weights):
            total = found.total()
            batch = Batch(
                sequence=arrays[bases] if bases else None,
                hypothetical=found.hypothetical,
                values={name: arrays[name] for name in found.inputs},
                inputs=found.inputs,
                filters=found.filters,
                logit=found.logit,
                difference=found.difference,
                total=total,
                columns=tally.add(found, total),
            )
            writer.add(batch)
            done = first + len(total)
            tracks.add(windows[first:done], found)
            top.add(sites[first:done], windows[first:done], batch, found)
            progress(done)
    summary = tally.summary(*label, bases=tracks.bases)
    return LabelResult(summary, (*writer.names, *tracks.names), top.views())


class _Tracks:
    """The bigWigs of a label; a context manager that finishes them.

    Args:
        explainer: says which there are.
        folder: exists.
        sizes: the genome's contigs.
        rule: how overlapping windows are merged.

    Attributes:
        names: of the files.
        bases: bp written to each.
    """

    def __init__(
        self, explainer: Explainer, folder: Path, sizes: ChromSizes, rule: MergeRule
    ) -> None:
        self._tracks = importance_tracks(explainer.spec)
        self._sizes = sizes
        self._merge = WindowMerge(rule, explainer.spec.window, len(self._tracks))
        self._writers = [
            BigWigWriter(folder / f"{track.name}.bw", sizes, step=1) for track in self._tracks
        ]
        self.names = tuple(writer.path.name for writer in self._writers)
        self.bases = 0

    def __enter__(self) -> _Tracks:
        with ExitStack() as stack:
            for writer in self._writers:
                stack.enter_context(writer)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._stack.__exit__(kind, error, trace)
            return
        with self._stack:
            for stretch in self._merge.finish():
                self._write(stretch)

    def add(self, windows: Sequence[Interval], found: Contributions) -> None:
        """Take the next windows."""
        for window, values in zip(windows, track_values(self._tracks, found), strict=True):
            for stretch in self._merge.add(window.chrom, window.start, values):
                self._write(stretch)

    def _write(self, stretch: Stretch) -> None:
        """Write what lies inside the contig."""
        start = max(stretch.start, 0)
        end = min(stretch.start + stretch.values.shape[1], self._sizes[stretch.chrom])
        if end <= start:
            return
        for writer, values in zip(self._writers, stretch.values, strict=True):
            inside = values[start - stretch.start : end - stretch.start]
            writer.add(stretch.chrom, start, end, inside)
        self.bases += end - start


class _Highest:
    """Keeps the sites with the highest logits; of equal ones those that come first."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._kept: list[tuple[float, int, SiteView]] = []
        self._seen = 0

    def add(
        self,
        sites: Sequence[Site],
        windows: Sequence[Interval],
        batch: Batch,
        found: Contributions,
    ) -> None:
        """Take the next sites."""
        for row, logit in enumerate(batch.logit.tolist()):
            self._seen += 1
            full = len(self._kept) >= self._number
            if full and (not self._kept or logit <= self._kept[0][0]):
                continue
            view = SiteView(
                site=sites[row],
                window=windows[row],
                logit=logit,
                sequence=None if batch.sequence is None else batch.sequence[row].copy(),
                importance=None if found.sequence is None else found.sequence[row].copy(),
                shape=None if found.shape is None else found.shape[row].copy(),
                values={name: array[row].copy() for name, array in batch.values.items()},
                inputs={name: array[row].copy() for name, array in batch.inputs.items()},
            )
            item = (logit, -self._seen, view)
            if full:
                heapq.heapreplace(self._kept, item)
            else:
                heapq.heappush(self._kept, item)

    def views(self) -> tuple[SiteView, ...]:
        """The highest logit first."""
        return tuple(view for _, _, view in sorted(self._kept, key=lambda item: item[:2])[::-1])
