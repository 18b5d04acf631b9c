"""The tracks of runs as a browser shows them: which, in what order, colours and scales.

One typed list, from which the page of ``chromputer view``, the sessions of igv.js and IGV desktop,
and the stanzas of a UCSC hub are printed, so that they look alike.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from chromputer_tracks.errors import InputError
from chromputer_tracks.io.bed import Rgb
from chromputer_tracks.io.contributions import SITES_BED
from chromputer_tracks.spec import Label, ModelLabel, find_label, model_labels
from chromputer_tracks.tracks.confidence import CONFIDENCE
from chromputer_tracks.tracks.explain.importance import importance_tracks
from chromputer_tracks.tracks.predict import STATES_BIGBED, label_file
from chromputer_tracks.tracks.runs import (
    ExplainFolder,
    ModelRuns,
    PredictFolder,
    RunFolder,
    SampleRuns,
)

# ---- Colours that no model names.

NEUTRAL: Rgb = (110, 110, 110)
"""Signals and features of shape have it, and files that the user added."""
NEGATIVE: Rgb = (120, 120, 120)
"""Contributions below 0 have it where they are drawn as bars."""
COVERAGE: Rgb = (89, 99, 110)
GENE_COLOR: Rgb = (44, 62, 110)
SPAN_COLORS: tuple[Rgb, ...] = ((0, 114, 178), (213, 94, 0), (0, 158, 115))
"""Short, middle and long fragments: blue, vermilion and green of Okabe and Ito's palette."""


def css_color(color: Rgb) -> str:
    """The colour as CSS writes it."""
    red, green, blue = color
    return f"rgb({red},{green},{blue})"


# ---- One track.

Kind = Literal[
    "features", "states", "confidence", "calls", "sites", "probability", "signal", "importance",
    "contribution", "coverage",
]  # fmt: skip
"""``features``: genes, or a file that the user added; ``confidence``: the accuracy to expect of the
states; ``sites``: where a label was explained;
``contribution``: of a V-plot's fragments, a signal or DNA shape; ``coverage``: a sample's input."""

PROBABILITY = (0.0, 1.0)
STATES_GROUP = "Chromatin states"
STATE_PROBABILITIES = "State probabilities"

_HEIGHTS: dict[Kind, int] = {
    "features": 58, "states": 36, "calls": 20, "sites": 20, "importance": 90,
}  # fmt: skip
_HEIGHT = 35
_PACKED = (".gz", ".bgz")
_FORMATS = {
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
        kind: what it shows, see :data:`Kind`.
        format: ``bigwig``, ``bigbed``, ``bed`` ..., as igv.js names it.
        color: None: the file's own.
        negative: colour of values below 0; None: ``color``.
        limits: least and greatest value shown; None: fitted to what is in view.
        scale_group: tracks with the same text share a scale; empty for none.
        index: index of a bgzipped text file; None where there is none.
        sample: names of the model and the sample with which its name begins; empty where there is
            one of each.
        file: name in the folder of its run; empty where it is of no run.
        label: the label that is predicted or explained; None where it is none, or all states.
        states: the labels of the states, whose colours are in the file.
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
    file: str = ""
    label: ModelLabel | None = None
    states: tuple[Label, ...] = ()

    @property
    def is_signal(self) -> bool:
        """Whether it has a value for each base; else it has features."""
        return self.format == "bigwig"

    @property
    def letters(self) -> bool:
        """Whether bases are drawn as letters, as high as their values."""
        return self.kind == "importance"

    @property
    def height(self) -> int:
        """Pixels."""
        return _HEIGHTS.get(self.kind, _HEIGHT)


# ---- The tracks of one run.


def predicted_tracks(run: PredictFolder) -> Iterator[BrowserTrack]:
    """States, then of each label in the model's order its probability and calls, or its signal.

    Raises:
        InputError: a file is missing.
    """
    by = f"by model {run.spec.name}"
    for head in run.spec.heads:
        if head.kind == "states":
            about = f"The most likely chromatin state {by}"
            name = "Chromatin states"
            yield _track(
                run, STATES_BIGBED, name, about, STATES_GROUP, "states", states=head.labels
            )
    # Runs of earlier releases, and of models of which it is not known, have none.
    if CONFIDENCE in run.record.outputs:
        about = (
            f"Accuracy to expect of the states {by}, given how many fragments lie around: balanced "
            "over the states, as measured on held-out chromosomes"
        )
        more: dict[str, Any] = {"color": NEUTRAL, "limits": PROBABILITY}
        yield _track(run, CONFIDENCE, "Confidence", about, STATES_GROUP, "confidence", **more)
    for item in model_labels(run.spec):
        head, label, key = item.head, item.label, item.key
        file = label_file(head, label, "bw")
        more = {"color": label.color, "label": item}
        if head.kind == "continuous":
            about = f"{label.title}: signal predicted {by}"
            yield _track(run, file, key, about, key, "signal", **more)
            continue
        name, group = f"{key} probability", key
        about = (
            f"{label.title}: probability that a peak's centre lies in the {run.spec.label_bin} bp "
            f"around, {by}"
        )
        if head.kind == "states":
            name, group = f"{key} {label.title}", STATE_PROBABILITIES
            about = f"Probability of state {key}, {label.title}, {by}"
        yield _track(run, file, name, about, group, "probability", limits=PROBABILITY, **more)
        if head.kind == "binary":
            about = (
                f"{label.title}: merged bins with a probability of {label.threshold:.3g} or more"
            )
            calls = _track(
                run, label_file(head, label, "bed"), f"{key} calls", about, key, "calls", **more
            )
            # igv.js takes an empty file for a broken one.
            if calls.path.stat().st_size:
                yield calls


def explained_tracks(run: ExplainFolder, name: str) -> Iterator[BrowserTrack]:
    """What the inputs contribute to a label, in the model's order, and the explained sites.

    ``name`` is that of the label's folder.

    Raises:
        InputError: a file is missing.
    """
    item = find_label(run.spec, name)
    key, title, color = item.key, item.label.title, item.label.color
    edges = {part.name: part.length_edges for part in run.spec.inputs if part.kind == "vplot"}
    classes: Counter[str] = Counter()
    for part in importance_tracks(run.spec):
        kind: Kind = "contribution"
        shown = what = part.name
        shade, scale_group = NEUTRAL, ""
        if part.kind == "sequence":
            kind, shade, what = "importance", color, "each base (as letters, from close by)"
        elif part.kind == "vplot":
            lengths = f"{edges[part.source][part.first]}-{edges[part.source][part.last] - 1} bp"
            shown = f"{part.source} " * (len(edges) > 1) + f"fragments {lengths}"
            what = f"each fragment of {lengths}, at its middle,"
            shade = SPAN_COLORS[classes[part.source] % len(SPAN_COLORS)]
            scale_group = f"{key} {part.source}"
            classes[part.source] += 1
        yield _track(
            run,
            f"{name}/{part.name}.bw",
            f"{key} {shown}",
            f"{title}: what {what} contributes to the logit",
            key,
            kind,
            color=shade,
            negative=NEGATIVE,
            scale_group=scale_group,
            label=item,
        )
    about = f"{title}: the explained sites; there is no importance far from them"
    file = f"{name}/{SITES_BED}"
    yield _track(run, file, f"{key} explained sites", about, key, "sites", color=color, label=item)


def _track(
    run: RunFolder, file: str, name: str, about: str, group: str, kind: Kind, **more: Any
) -> BrowserTrack:
    form = _FORMATS[PurePosixPath(file).suffix]
    return BrowserTrack(run.file(file), name, about, group, kind, form, file=file, **more)


# ---- The tracks of several runs, and files that the user added.


def browser_tracks(
    models: Sequence[ModelRuns], added: Iterable[Path] = ()
) -> tuple[BrowserTrack, ...]:
    """All tracks of the runs of one genome, from top to bottom.

    First the files that the user added (BED, GFF, GTF, bigBed or bigWig), then of each sample its
    states; the labels that are explained, each with its probability, calls and contributions; the
    other labels; the probabilities of the states. Names begin with the model's and the sample's
    where there are several.

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
                for track in _sample_tracks(sample)
            ]
    return tuple(found)


def _sample_tracks(sample: SampleRuns) -> list[BrowserTrack]:
    predicted = [] if sample.predict is None else list(predicted_tracks(sample.predict))
    found = [track for track in predicted if track.label is None]
    of_label: dict[str, list[BrowserTrack]] = {}
    for track in predicted:
        if track.label is not None:
            of_label.setdefault(track.label.key, []).append(track)
    for run in sample.explain:
        for name in run.results.labels:
            key = find_label(run.spec, name).key
            found += [replace(track, group=key) for track in of_label.pop(key, [])]
            found += sorted(explained_tracks(run, name), key=_from_top)
    others = [track for tracks in of_label.values() for track in tracks]
    return found + sorted(others, key=lambda track: track.group == STATE_PROBABILITIES)


def _from_top(track: BrowserTrack) -> tuple[int, str]:
    """Bases, then fragments, then signals and features of shape by name, then the sites."""
    if track.kind == "contribution" and not track.scale_group:
        return 2, track.name
    return {"importance": 0, "contribution": 1, "sites": 3}[track.kind], ""


GENES = "Genes"
"""Name and group of the track of genes."""


def genes_track(path: Path, about: str) -> BrowserTrack:
    """The track of genes that :mod:`chromputer_tracks.io.genes` wrote as refFlat."""
    return BrowserTrack(path, GENES, about, GENES, "features", "refflat", GENE_COLOR)


def _added(path: Path) -> BrowserTrack:
    packed = path.suffix.lower() in _PACKED
    suffix = Path(path.stem).suffix if packed else path.suffix
    kind = _FORMATS.get(suffix.lower())
    if kind is None or (packed and kind.startswith("big")):
        raise InputError(f"{path}: a track must be a {', '.join(_FORMATS)} file")
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
