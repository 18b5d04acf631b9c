"""Which tracks a hub shows of predictions, explanations and inputs, in what order, how named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from chromputer_tracks.spec import Label, find_label, model_labels
from chromputer_tracks.tracks.browser_tracks import (
    COVERAGE,
    BrowserTrack,
    Kind,
    explained_tracks,
    predicted_tracks,
)
from chromputer_tracks.tracks.explain.importance import importance_tracks
from chromputer_tracks.tracks.hub.stanzas import (
    FOLDER,
    LONG,
    OVERLAY,
    HubTrack,
    SubGroup,
    UniqueNames,
    composite,
    identifier,
    long_label,
    short_label,
    shorten,
)
from chromputer_tracks.tracks.runs import (
    AssayInput,
    ExplainFolder,
    ModelRuns,
    PredictFolder,
    SampleRuns,
)

LOW, TALL, THIN = 20, 6, 40
"""Most tracks of a kind that are drawn at first: of 32 pixels, of 64, and of a line."""

COVERAGE_PAGE = "coverage"
"""Stem of the page of the inputs."""
STACKS = "state_probabilities"

_KINDS: dict[str, tuple[Kind, str, str]] = {
    "states": ("states", "Chromatin states", "Most likely chromatin state"),
    "confidence": ("confidence", "Confidence", "Accuracy to expect of the states"),
    STACKS: ("probability", "States, prob.", "Probability of each chromatin state"),
    "calls": ("calls", "Calls", "Calls: where labels are at or above their thresholds"),
    "probabilities": ("probability", "Probabilities", "Probabilities of labels and states"),
    "signals": ("signal", "Predicted signals", "Predicted signals"),
    "importance": ("importance", "Importance", "Importance of each base, drawn as letters"),
    "contributions": (
        "contribution",
        "Contributions",
        "Contributions of fragments and other inputs",
    ),
    "sites": ("sites", "Explained sites", "Sites at which labels were explained"),
}
"""What a model's runs may make, in the order in which it is drawn: the stem of its name and of its
description page, the kind of its tracks, its short and its long label."""
PAGES = tuple(_KINDS)


@dataclass(frozen=True, slots=True, eq=False)
class HubModel:
    """The runs of one model in a hub, and the names that they take there.

    ``names`` gives those of all tracks of the hub, ``folders`` has that of a sample's files, by
    sample. ``name`` is what the model is called where a hub shows several, each otherwise, else
    empty; ``many`` is whether the hub shows several samples. Of its ``models`` each draws a share
    at first.
    """

    runs: ModelRuns
    names: UniqueNames
    folders: Mapping[str, str]
    name: str
    many: bool
    models: int = 1

    def page(self, stem: str) -> str:
        """Stem of the description page of what a stem of :data:`PAGES` names."""
        return identifier(self.name, stem)

    def first(self, most: int) -> int:
        """How many tracks of a kind are drawn at first, of the most of all models together."""
        return max(1, most // self.models)

    def predicted(self) -> Iterator[tuple[SampleRuns, PredictFolder]]:
        """Samples with a prediction."""
        for sample in self.runs.samples:
            if sample.predict is not None:
                yield sample, sample.predict

    def explained(self) -> Iterator[tuple[SampleRuns, ExplainFolder, str, Label]]:
        """Samples, runs and labels (as the run names them), each label in all samples."""
        found = [
            (sample, run, name)
            for sample in self.runs.samples
            for run in sample.explain
            for name in run.results.labels
        ]
        for wanted in dict.fromkeys(name for _, _, name in found):
            label = find_label(self.runs.spec, wanted).label
            for sample, run, name in found:
                if name == wanted:
                    yield sample, run, name, label


def sample_names(runs: Sequence[ModelRuns]) -> list[str]:
    """Names of all samples, each once."""
    return list(dict.fromkeys(sample.name for model in runs for sample in model.samples))


def lay_out(
    runs: Sequence[ModelRuns], inputs: Sequence[tuple[str, AssayInput, Path]]
) -> tuple[list[HubModel], list[HubTrack]]:
    """The models of a hub, and all its tracks in the order in which they are drawn.

    ``inputs`` are a sample, its input, and where the file is.

    Raises:
        InputError: a file of a run is missing.
    """
    samples = sample_names(runs)
    many, names, folders, called = len(samples) > 1, UniqueNames(), UniqueNames(), UniqueNames()
    placed = {sample: folders.new(sample) for sample in samples}
    models = [
        HubModel(
            model,
            names,
            placed,
            called.new(model.spec.name) if len(runs) > 1 else "",
            many,
            len(runs),
        )
        for model in runs
    ]
    covered = _coverage(inputs, names, placed, many=many)
    tracks = [track for model in models for track in _model_tracks(model)]
    return models, tracks if covered is None else [covered, *tracks]


# ---- What one model predicted and explained.


def _model_tracks(model: HubModel) -> list[HubTrack]:
    predicted = [
        (sample.name, track) for sample, run in model.predicted() for track in predicted_tracks(run)
    ]
    # A label is shown in all samples, one beside the other.
    predicted.sort(key=lambda item: -1 if item[1].label is None else item[1].label.row)
    explained = [
        (sample.name, track)
        for sample, run, name, _ in model.explained()
        for track in explained_tracks(run, name)
    ]
    binary = any(head.kind == "binary" for head in model.runs.spec.heads)
    found = []
    for stem, (kind, _, _) in _KINDS.items():
        shown = [(sample, track) for sample, track in predicted + explained if track.kind == kind]
        if stem == "probabilities":
            # Without other labels these are the states again, one by one.
            shown.sort(key=lambda item: _of_state(item[1]))
            found.append(_together(model, stem, shown, on=binary))
        elif stem == STACKS:
            found.append(_stacks(model, [item for item in shown if _of_state(item[1])]))
        else:
            found.append(_together(model, stem, shown))
    return [track for track in found if track is not None]


def _of_state(track: BrowserTrack | None) -> bool:
    return track is not None and track.label is not None and track.label.head.kind == "states"


def _together(
    model: HubModel, stem: str, tracks: Sequence[tuple[str, BrowserTrack]], *, on: bool = True
) -> HubTrack | None:
    """The tracks of a kind, each with the name of its sample; None where there is none."""
    if not tracks:
        return None
    kind, short, long = _KINDS[stem]
    members = [_track(model, sample, track) for sample, track in tracks]
    if stem == "probabilities" and on:
        # Beside other labels the states are a click away.
        members = [replace(item, on=not _of_state(item.shown)) for item in members]
    most = {"importance": TALL, "states": THIN, "calls": THIN, "sites": THIN}.get(kind, LOW)
    return composite(
        model.names.new(model.name, stem) if len(members) > 1 else "",
        _labels(model, short, long),
        members,
        _subgroups(model, kind, [track for _, track in tracks]),
        model.page(stem),
        model.first(most),
        on=on,
        one_scale=kind == "contribution",
    )


def _labels(model: HubModel, short: str, long: str) -> tuple[str, str]:
    """Labels of what the hub lists."""
    return short_label(short, model.name), shorten(f"{long} ({model.runs.spec.name})", LONG)


def _subgroups(model: HubModel, kind: Kind, tracks: Sequence[BrowserTrack]) -> list[SubGroup]:
    """The ways to choose among the tracks of a kind, in the order of a track's choices."""
    groups = [SubGroup("sample", "Sample", {item.name: item.name for item in model.runs.samples})]
    spec = model.runs.spec
    if kind in ("calls", "probability", "signal"):
        labels = {
            item.key: f"{item.label.name} " * (item.head.kind == "states") + item.label.title
            for item in model_labels(spec)
        }
        heads = {head.name: head.name for head in spec.heads}
        return [SubGroup("head", "Head", heads), SubGroup("label", "Label", labels), *groups]
    if kind not in ("states", "confidence"):
        names = {name: name for name in (_explained(track)[0] for track in tracks)}
        groups.insert(0, SubGroup("label", "Label", names))
    if kind == "contribution":
        parts = {item.name: item.name.replace(".", " ") for item in importance_tracks(spec)}
        groups.insert(0, SubGroup("part", "Input", parts))
    return groups


def _explained(track: BrowserTrack) -> tuple[str, str]:
    """The label, as the run names it, and the part of the inputs that a track tells of."""
    name, _, file = track.file.partition("/")
    return name, file.removesuffix(".bw")


def _track(model: HubModel, sample: str, track: BrowserTrack, *, stacked: bool = False) -> HubTrack:
    """A track with data; ``stacked`` where it is part of a stack."""
    shown = sample if model.many else ""
    name: tuple[str, ...] = ("states",)
    choices: tuple[str, ...] = (sample,)
    if track.kind == "states":
        short, long = "States", "Most likely chromatin state"
    elif track.kind == "confidence":
        name, short, long = ("confidence",), "Confidence", "Accuracy to expect of the states"
    elif track.label is not None and track.kind in ("calls", "probability", "signal"):
        label, key = track.label.label, track.label.key
        choices = (track.label.head.name, key, sample)
        what = f"{label.name} {label.title}" if _of_state(track) else label.title
        name, short, long = {
            "calls": (("calls", key), key if shown else f"{key} calls", f"{what}: calls"),
            "probability": (("prob", key), key, f"{what}: probability"),
            "signal": (("signal", key), key, f"{what}: predicted signal"),
        }[track.kind]
        if stacked:
            name, short = ("stacked", label.name), label.name
    else:
        key, part = _explained(track)
        choices = (part, key, sample) if track.kind == "contribution" else (key, sample)
        # Labels are short: sub, mono and di.
        last = part.split(".")[-1].removesuffix("nucleosomal")
        name, short, long = {
            "importance": ((part, key), key, f"{key}: importance of each base"),
            "contribution": ((part, key), f"{key} {last}", f"{key}: {part.replace('.', ' ')}"),
            "sites": (("sites", key), key if shown else f"{key} sites", f"{key}: explained sites"),
        }[track.kind]
    return HubTrack(
        model.names.new(model.name, *name, shown),
        short_label(short, shown),
        long_label(long, shown),
        replace(track, scale_group=""),
        _file(model, sample, track),
        choices=choices,
    )


def _file(model: HubModel, sample: str, track: BrowserTrack) -> str:
    """The name of a track's file in the hub: one folder a sample, without further folders."""
    name = track.file.replace("/", ".")
    if track.kind in ("calls", "sites"):
        name = name.removesuffix(".bed") + (".calls.bb" if track.kind == "calls" else ".bb")
    explained = track.kind in ("importance", "contribution", "sites")
    parts = [model.name, "explain" if explained else "", name]
    return f"{model.folders[sample]}/{'.'.join(part for part in parts if part)}"


def _stacks(model: HubModel, tracks: Sequence[tuple[str, BrowserTrack]]) -> HubTrack | None:
    """All states of a sample stacked; their probabilities sum to 1."""
    samples = list(dict.fromkeys(sample for sample, _ in tracks))
    if len(tracks) < 2 * len(samples) or not samples:
        return None
    page = model.page(STACKS)
    name = model.names.new(page)
    stacks = []
    for place, sample in enumerate(samples):
        shown = sample if model.many else ""
        own = model.names.new(page, shown) if len(samples) > 1 else name
        children = [_track(model, of, track, stacked=True) for of, track in tracks if of == sample]
        stacks.append(
            HubTrack(
                own,
                short_label("Prob." if shown else "States, prob.", shown),
                long_label("Probability of each chromatin state, stacked", shown),
                children[0].shown,
                children=tuple(children),
                kind=OVERLAY,
                on=place < model.first(LOW),
                page=page,
            )
        )
    if len(stacks) == 1:
        return stacks[0]
    _, short, long = _KINDS[STACKS]
    labels = _labels(model, short, long)
    return HubTrack(name, *labels, children=tuple(stacks), kind=FOLDER, page=page)


# ---- The samples' inputs.


def _coverage(
    inputs: Sequence[tuple[str, AssayInput, Path]],
    names: UniqueNames,
    folders: Mapping[str, str],
    *,
    many: bool,
) -> HubTrack | None:
    """The samples' inputs as a track; None where there is none."""
    members = []
    files: Counter[tuple[str, str]] = Counter()
    for sample, item, path in inputs:
        shown = sample if many else ""
        what = "fragments over each base" if item.fragments is not None else "input signal"
        # Runs of a sample may have read different files, where the user says that they are of one.
        files[sample, item.assay] += 1
        place = files[sample, item.assay]
        number, key = ("", item.assay) if place == 1 else (str(place), f"{item.assay} {place}")
        members.append(
            HubTrack(
                names.new("coverage", item.assay, shown),
                short_label(key if shown else f"{key} input", shown),
                long_label(f"{key}: {what}", shown),
                BrowserTrack(path, key, what, COVERAGE_PAGE, "coverage", "bigwig", COVERAGE),
                f"{folders[sample]}/coverage{number}.{item.assay}.bw",
                item,
                choices=(key, sample),
            )
        )
    if not members:
        return None
    assays = {key: key for key, _ in (member.choices for member in members)}
    samples = {sample: sample for sample, _, _ in inputs}
    return composite(
        names.new("coverage") if len(members) > 1 else "",
        ("Input coverage", "Coverage of the inputs from which all tracks were predicted"),
        members,
        (SubGroup("assay", "Assay", assays), SubGroup("sample", "Sample", samples)),
        COVERAGE_PAGE,
        LOW,
    )
