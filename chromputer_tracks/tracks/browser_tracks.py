"""The tracks of runs as a browser shows them: which, in what order, colours and scales.

The page of ``chromputer view`` and the sessions of igv.js and IGV desktop are made from this one
list, so that they look alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Literal

from chromputer_tracks.errors import InputError
from chromputer_tracks.inference.registry import ModelLabel, find_label, model_labels
from chromputer_tracks.io.bed import Rgb
from chromputer_tracks.io.contributions import SITES_BED
from chromputer_tracks.spec import Label, ModelSpec
from chromputer_tracks.tracks.explain.layout import (
    FragmentClass,
    fragment_classes,
    importance_tracks,
)
from chromputer_tracks.tracks.runs import ModelRuns, Run, Sample
from chromputer_tracks.tracks.states import STATES_BIGBED
from chromputer_tracks.tracks.writer import label_file

# ---- Colours that no model names: the same in hubs, in sessions and on the page.

NEUTRAL: Rgb = (110, 110, 110)
"""Of signals and features of shape, and of files that the user added."""
NEGATIVE: Rgb = (120, 120, 120)
"""Of contributions below 0, where they are drawn as bars."""
COVERAGE: Rgb = (89, 99, 110)
SPAN_COLORS: tuple[Rgb, ...] = ((0, 114, 178), (213, 94, 0), (0, 158, 115))
"""Of short, middle and long fragments: blue, vermilion and green of Okabe and Ito's palette."""


def contribution_colors(spec: ModelSpec) -> dict[str, Rgb]:
    """Colour of what an explanation has beside the bases, by the stem of the file's name."""
    found = {}
    others = [item for item in importance_tracks(spec) if item.kind != "sequence"]
    for (kind, _), items in groupby(others, key=lambda item: (item.kind, item.source)):
        for place, item in enumerate(items):
            spans = kind == "vplot"
            found[item.name] = SPAN_COLORS[place % len(SPAN_COLORS)] if spans else NEUTRAL
    return found


Kind = Literal[
    "features", "states", "calls", "sites", "probability", "signal", "importance", "contribution"
]
"""``features``: a file that the user added; ``sites``: where a label was explained;
``contribution``: of a V-plot's fragments, a signal or DNA shape."""

PROBABILITY = (0.0, 1.0)
IMPORTANCE = "importance"

STATES_GROUP = "Chromatin states"
STATE_PROBABILITIES = "State probabilities"

_HEIGHTS: dict[Kind, int] = {
    "features": 45,
    "states": 36,
    "calls": 20,
    "sites": 20,
    "probability": 35,
    "signal": 35,
    "importance": 90,
    "contribution": 35,
}
_PACKED = (".gz", ".bgz")
_ADDED = {
    ".bed": "bed",
    ".narrowpeak": "narrowPeak",
    ".broadpeak": "broadPeak",
    ".gff": "gff3",
    ".gff3": "gff3",
    ".gtf": "gtf",
    ".bb": "bigbed",
    ".bigbed": "bigbed",
    ".bw": "bigwig",
    ".bigwig": "bigwig",
}
_INDEXES = (".tbi", ".csi")


@dataclass(frozen=True, slots=True)
class BrowserTrack:
    """One track.

    Attributes:
        path: its file.
        name: shown beside it.
        about: what it shows, a sentence of plain text.
        group: what it belongs to: a label, the states ...
        kind: what it is.
        format: ``bigwig``, ``bigbed``, ``bed`` ..., as igv.js names it.
        color: None: the file's own.
        negative: colour of values below 0; None: ``color``.
        limits: least and greatest value shown; None: fitted to what is in view.
        scale_group: tracks with the same text share a scale; empty for none.
        index: of a bgzipped text file; None where there is none.
        sample: and its model, as the names of tracks begin with them; empty where there is one.
    """

    path: Path
    name: str
    about: str
    group: str
    kind: Kind
    format: str
    color: Rgb | None = None
    negative: Rgb | None = None
    limits: tuple[float, float] | None = None
    scale_group: str = ""
    index: Path | None = None
    sample: str = ""

    @property
    def height(self) -> int:
        """Pixels."""
        return _HEIGHTS[self.kind]


def browser_tracks(
    models: Sequence[ModelRuns], added: Iterable[Path] = ()
) -> tuple[BrowserTrack, ...]:
    """All tracks, from top to bottom.

    First the files that the user added, then of each sample its states; the labels that are
    explained, each with its probability, calls and contributions; the other labels; the
    probabilities of the states. Names begin with the model's and the sample's where there are
    several.

    Args:
        models: runs of one genome.
        added: other files: BED, GFF, GTF, bigBed or bigWig.

    Raises:
        InputError: a file is missing, or an added one is of another kind.
    """
    found = [_added(path) for path in added]
    for runs in models:
        for sample in runs.samples:
            words = [runs.spec.name] * (len(models) > 1)
            words += [sample.name] * (sum(len(other.samples) for other in models) > 1)
            prefix = "".join(f"{word} " for word in words)
            found += [
                replace(
                    track,
                    name=prefix + track.name,
                    scale_group=track.scale_group and prefix + track.scale_group,
                    sample=prefix.rstrip(),
                )
                for track in _sample_tracks(runs.spec, sample)
            ]
    return tuple(found)


def _sample_tracks(spec: ModelSpec, sample: Sample) -> list[BrowserTrack]:
    states: list[BrowserTrack] = []
    predicted: dict[str, list[BrowserTrack]] = {}
    probabilities: dict[str, list[BrowserTrack]] = {}
    if sample.predict is not None:
        for item in model_labels(spec):
            if item.head.kind == "states":
                probabilities[item.key] = [_state_probability(sample.predict, item)]
            else:
                predicted[item.key] = list(_label_tracks(sample.predict, item))
        if STATES_BIGBED in sample.predict.outputs:
            states.append(_states(sample.predict))
    found = states
    for run in sample.explain:
        for name in run.labels():
            item = find_label(spec, name)
            own = predicted.pop(item.key, []) or probabilities.pop(item.key, [])
            found += [replace(track, group=item.key) for track in own]
            found += _contributions(run, name, item.label, item.key)
    for rest in (*predicted.values(), *probabilities.values()):
        found += rest
    return found


def _states(run: Run) -> BrowserTrack:
    about = f"The most likely chromatin state by model {run.spec.name}"
    path = run.file(STATES_BIGBED)
    return BrowserTrack(path, "Chromatin states", about, STATES_GROUP, "states", "bigbed")


def _state_probability(run: Run, item: ModelLabel) -> BrowserTrack:
    label, key = item.label, item.key
    about = f"Probability of state {key}, {label.title}, by model {run.spec.name}"
    path = run.file(label_file(item.head, label, "bw"))
    return BrowserTrack(
        path,
        f"{key} {label.title}",
        about,
        STATE_PROBABILITIES,
        "probability",
        "bigwig",
        label.color,
        limits=PROBABILITY,
    )


def _label_tracks(run: Run, item: ModelLabel) -> Iterator[BrowserTrack]:
    """Probability and calls, or the signal of a continuous label."""
    head, label, key = item.head, item.label, item.key
    path, color = run.file(label_file(head, label, "bw")), label.color
    if head.kind == "continuous":
        about = f"{label.title}: signal predicted by model {run.spec.name}"
        yield BrowserTrack(path, key, about, key, "signal", "bigwig", color)
        return
    about = (
        f"{label.title}: probability that a peak's centre lies in the {run.spec.label_bin} bp "
        f"around, by model {run.spec.name}"
    )
    name = f"{key} probability"
    yield BrowserTrack(path, name, about, key, "probability", "bigwig", color, limits=PROBABILITY)
    path = run.file(label_file(head, label, "bed"))
    # igv.js takes an empty file for a broken one.
    if path.stat().st_size:
        about = f"{label.title}: merged bins with a probability of {label.threshold:.3g} or more"
        yield BrowserTrack(path, f"{key} calls", about, key, "calls", "bed", color)


def _contributions(run: Run, name: str, label: Label, key: str) -> Iterator[BrowserTrack]:
    """Importance of the bases, then of each V-plot's fragments, signals and features of shape.

    Args:
        run: of ``explain``.
        name: the label's folder.
        label: the label.
        key: how it is shown.
    """
    places = [PurePosixPath(output) for output in run.outputs]
    files = {place.stem for place in places if place.suffix == ".bw" and place.parent.name == name}

    def track(file: str, shown: str, what: str, kind: Kind, color: Rgb) -> BrowserTrack:
        files.remove(file)
        about = f"{label.title}: what {what} contributes to the logit"
        path = run.file(f"{name}/{file}.bw")
        called = f"{key} {shown}"
        return BrowserTrack(path, called, about, key, kind, "bigwig", color, negative=NEGATIVE)

    if IMPORTANCE in files:
        what = "each base (as letters, from close by)"
        yield track(IMPORTANCE, IMPORTANCE, what, "importance", label.color)
    several = sum(item.kind == "vplot" for item in run.spec.inputs) > 1
    colors = contribution_colors(run.spec)
    for source, part in _fragment_classes(run.spec):
        file = f"{source}.{part.name}" if part.name else source
        if file in files:
            lengths = f"{part.shortest}-{part.longest - 1} bp"
            shown = f"{source} fragments {lengths}" if several else f"fragments {lengths}"
            what = f"each fragment of {lengths}, at its middle,"
            found = track(file, shown, what, "contribution", colors[file])
            yield replace(found, scale_group=f"{key} {source}")
    for file in sorted(files):
        yield track(file, file, file, "contribution", colors[file])
    if PurePosixPath(name, SITES_BED) in places:
        about = f"{label.title}: the explained sites; there is no importance far from them"
        path = run.file(f"{name}/{SITES_BED}")
        yield BrowserTrack(path, f"{key} explained sites", about, key, "sites", "bed", label.color)


def _fragment_classes(spec: ModelSpec) -> Iterator[tuple[str, FragmentClass]]:
    """Of each V-plot: its name and its classes, short to long."""
    for item in spec.inputs:
        if item.kind == "vplot":
            for part in fragment_classes(item.length_edges):
                yield item.name, part


def _added(path: Path) -> BrowserTrack:
    packed = path.suffix.lower() in _PACKED
    suffix = Path(path.stem).suffix if packed else path.suffix
    kind = _ADDED.get(suffix.lower())
    if kind is None or (packed and kind.startswith("big")):
        raise InputError(f"{path}: a track must be a {', '.join(_ADDED)} file")
    if not path.is_file():
        raise InputError(f"{path}: no such file to show as a track")
    indexes = [path.with_name(path.name + ending) for ending in _INDEXES]
    index = next((item for item in indexes if item.is_file()), None)
    name = path.with_suffix("").stem if packed else path.stem
    signal = kind == "bigwig"
    return BrowserTrack(
        path,
        name,
        str(path),
        name,
        "signal" if signal else "features",
        kind,
        NEUTRAL if signal else None,
        index=index if packed else None,
    )
