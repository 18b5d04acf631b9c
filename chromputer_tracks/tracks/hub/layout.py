"""Which tracks a hub shows of a model's predictions, and how each looks at first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chromputer_tracks.inference.registry import find_label, model_labels
from chromputer_tracks.io.bed import Rgb
from chromputer_tracks.io.contributions import SITES_BED
from chromputer_tracks.spec import HeadSpec, Label
from chromputer_tracks.tracks.browser_tracks import COVERAGE as COVERAGE_SHADE
from chromputer_tracks.tracks.browser_tracks import NEGATIVE, contribution_colors
from chromputer_tracks.tracks.explain.layout import ImportanceTrack, importance_tracks
from chromputer_tracks.tracks.hub.files import Coverage, FromBed, Kept, calls_autosql, sites_autosql
from chromputer_tracks.tracks.hub.text import (
    LONG,
    Names,
    Settings,
    identifier,
    long_label,
    plain,
    short_label,
    shorten,
)
from chromputer_tracks.tracks.hub.tracks import (
    BIGBED6,
    BIGBED9,
    BIGWIG,
    FOLDER,
    OVERLAY,
    Member,
    Range,
    SubGroup,
    Track,
    composite,
)
from chromputer_tracks.tracks.runs import AssayInput, ModelRuns, Run, Sample
from chromputer_tracks.tracks.states import STATES_BIGBED
from chromputer_tracks.tracks.writer import label_file

# ---- What the tracks of a hub are made of, and what all of them share.

DENSE: Settings = (("visibility", "dense"),)
FULL: Settings = (("visibility", "full"),)
HIDE: Settings = (("visibility", "hide"),)
FREE: Settings = (("autoScale", "on"), ("alwaysZero", "on"), ("maxHeightPixels", "100:32:8"))
"""Scaled to what is shown, from 0."""

LOW, TALL, THIN = 20, 6, 40
"""Most tracks of a kind that are drawn at first: of 32 pixels, of 64, and of a line."""


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What the tracks of one model are made of.

    Attributes:
        runs: of the model.
        names: of all tracks of the hub.
        folders: of the samples' files in the hub, by sample.
        model: what the model is called where a hub shows several, each otherwise; else empty.
        many: whether the hub shows several samples.
        models: how many models it shows, which share what is drawn at first.
    """

    runs: ModelRuns
    names: Names
    folders: Mapping[str, str]
    model: str
    many: bool
    models: int = 1

    def shown(self, sample: Sample) -> str:
        """A sample's name in labels."""
        return sample.name if self.many else ""

    def file(self, sample: Sample, run: Run, name: str) -> Kept:
        """A file of a run, under its name in the hub."""
        return Kept(self.target(sample, run, name), run.file(name))

    def target(self, sample: Sample, run: Run, name: str) -> str:
        """The name of a run's file in the hub: one folder a sample, without further folders."""
        parts = [self.model, "explain" if run.labels() else "", name.replace("/", ".")]
        return f"{self.folders[sample.name]}/{'.'.join(part for part in parts if part)}"

    def short(self, text: str) -> str:
        """Short label of a track that the hub lists."""
        return short_label(text, self.model)

    def predicted(self) -> Iterator[tuple[Sample, Run]]:
        """Samples with a prediction."""
        for sample in self.runs.samples:
            if sample.predict is not None:
                yield sample, sample.predict

    def explained(self) -> Iterator[tuple[Sample, Run, str, Label]]:
        """Samples, runs and labels (as the run names them), each label in all samples."""
        found = [
            (sample, run, name)
            for sample in self.runs.samples
            for run in sample.explain
            for name in run.labels()
        ]
        for wanted in dict.fromkeys(name for _, _, name in found):
            label = find_label(self.runs.spec, wanted).label
            for sample, run, name in found:
                if name == wanted:
                    yield sample, run, name, label

    def labels(self, kind: str) -> Iterator[tuple[Sample, Run, HeadSpec, str, Label]]:
        """Predicted labels of the heads of a kind, with their keys, each in all samples."""
        for item in model_labels(self.runs.spec):
            if item.head.kind == kind:
                for sample, run in self.predicted():
                    yield sample, run, item.head, item.key, item.label

    def page(self, kind: str) -> str:
        """Stem of the description page of a kind of track."""
        return identifier(self.model, kind)

    def first(self, most: int) -> int:
        """How many tracks of a kind are drawn at first, of the most of all models together."""
        return max(1, most // self.models)

    def long(self, text: str) -> str:
        """Long label of a track that the hub lists."""
        return shorten(f"{text} ({self.runs.spec.name})", LONG)

    def composite(
        self,
        kind: str,
        labels: tuple[str, str],
        members: Sequence[Member],
        groups: Sequence[SubGroup],
        settings: Settings,
        most: int,
        limits: Range | None = None,
    ) -> Track | None:
        """The tracks of a kind; None where there is none.

        Args:
            kind: names the track and its page.
            labels: short and long label.
            members: their last choice is the sample.
            groups: subgroups of the other choices.
            settings: of all members.
            most: :data:`LOW` ...
            limits: of values; None: those of the data.
        """
        if not members:
            return None
        short, long = labels
        samples = {sample.name: sample.name for sample in self.runs.samples}
        return composite(
            self.names.new(self.model, kind) if len(members) > 1 else "",
            (self.short(short), self.long(long)),
            members,
            (*groups, SubGroup("sample", "Sample", samples)),
            settings,
            self.page(kind),
            self.first(most),
            limits,
        )


def color(shade: Rgb, key: str = "color") -> tuple[str, str]:
    """The setting of a colour."""
    return key, ",".join(map(str, shade))


# ---- Which tracks a hub shows of what was explained, and of the samples' inputs.

COVERAGE = "coverage"
"""Stem of the page of the inputs."""

_LETTERS = (("autoScale", "on"), ("alwaysZero", "on"), ("maxHeightPixels", "128:64:16"))
_TOGETHER = (("autoScale", "group"), ("alwaysZero", "on"), ("maxHeightPixels", "100:32:8"))


def importance(plan: Plan) -> Track | None:
    """Contributions of bases, which the browser draws as letters."""
    members = [
        Member(_explained(plan, item, sample, run, name, label, label.color), (name, sample.name))
        for item in importance_tracks(plan.runs.spec)
        if item.kind == "sequence"
        for sample, run, name, label in plan.explained()
    ]
    settings = (*FULL, ("logo", "on"), *_LETTERS, ("windowingFunction", "mean"))
    return plan.composite(
        "importance", ("Importance", "Importance of each base, drawn as letters"),
        members, (_explained_group(plan),), settings, TALL,
    )  # fmt: skip


def contributions(plan: Plan) -> Track | None:
    """Contributions of fragments by class, signals and DNA shape."""
    items = [item for item in importance_tracks(plan.runs.spec) if item.kind != "sequence"]
    colors = contribution_colors(plan.runs.spec)
    members = [
        Member(
            _explained(plan, item, sample, run, name, label, colors[item.name]),
            (item.name, name, sample.name),
        )
        for sample, run, name, label in plan.explained()
        for item in items
    ]
    parts = {item.name: item.name.replace(".", " ") for item in items}
    scaling = _TOGETHER if len(members) > 1 else FREE
    settings = (*FULL, *scaling, ("windowingFunction", "mean"))
    return plan.composite(
        "contributions", ("Contributions", "Contributions of fragments and other inputs"),
        members, (SubGroup("part", "Input", parts), _explained_group(plan)), settings, LOW,
    )  # fmt: skip


def _explained(
    plan: Plan,
    item: ImportanceTrack,
    sample: Sample,
    run: Run,
    name: str,
    label: Label,
    shade: Rgb,
) -> Track:
    shown, letters = plan.shown(sample), item.kind == "sequence"
    short = name
    if not letters:
        # Labels are short: sub, mono and di.
        short += f" {item.name.split('.')[-1].removesuffix('nucleosomal')}"
    what = "importance of each base" if letters else item.name.replace(".", " ")
    return Track(
        plan.names.new(plan.model, item.name, name, shown),
        short_label(short, shown),
        long_label(f"{name}: {what}", shown),
        BIGWIG,
        plan.file(sample, run, f"{name}/{item.name}.bw"),
        settings=(color(shade), color(NEGATIVE, "altColor")),
        noun="importance" if letters else "contributions",
    )


def _explained_group(plan: Plan) -> SubGroup:
    return SubGroup("label", "Label", {name: name for _, _, name, _ in plan.explained()})


def sites(plan: Plan) -> Track | None:
    """Where labels were explained: elsewhere there are no contributions."""
    members = []
    for sample, run, name, label in plan.explained():
        shown = plan.shown(sample)
        file = FromBed(
            plan.target(sample, run, f"{name}.sites.bb"),
            run.file(f"{name}/{SITES_BED}"),
            sites_autosql(label),
            overlap=True,
        )
        track = Track(
            plan.names.new(plan.model, "sites", name, shown),
            short_label(name if shown else f"{name} sites", shown),
            long_label(f"{name}: explained sites", shown),
            BIGBED6,
            file,
            settings=(color(label.color),),
            noun="sites",
        )
        members.append(Member(track, (name, sample.name)))
    return plan.composite(
        "sites", ("Explained sites", "Sites at which labels were explained"),
        members, (_explained_group(plan),), DENSE, THIN,
    )  # fmt: skip


def coverage_track(
    inputs: Sequence[tuple[str, AssayInput, Path]],
    names: Names,
    folders: Mapping[str, str],
    *,
    many: bool,
) -> Track | None:
    """The samples' inputs as a track.

    Args:
        inputs: sample, its input, and where the file is.
        names: of all tracks of the hub.
        folders: of the samples' files in the hub, by sample.
        many: whether the hub shows several samples.
    """
    members = []
    files: Counter[tuple[str, str]] = Counter()
    for sample, item, path in inputs:
        shown = sample if many else ""
        what = "fragments over each base" if item.fragments is not None else "input signal"
        # Runs of a sample may have read different files, where the user says that they are of one.
        files[sample, item.assay] += 1
        place = files[sample, item.assay]
        number, key = ("", item.assay) if place == 1 else (str(place), f"{item.assay} {place}")
        track = Track(
            names.new("coverage", item.assay, shown),
            short_label(key if shown else f"{key} input", shown),
            long_label(f"{key}: {what}", shown),
            BIGWIG,
            Coverage(f"{folders[sample]}/coverage{number}.{item.assay}.bw", path, item),
            settings=(color(COVERAGE_SHADE),),
            noun="input",
        )
        members.append(Member(track, (key, sample)))
    if not members:
        return None
    assays = {member.choices[0]: member.choices[0] for member in members}
    samples = {sample: sample for sample, _, _ in inputs}
    return composite(
        names.new("coverage") if len(members) > 1 else "",
        ("Input coverage", "Coverage of the inputs from which all tracks were predicted"),
        members,
        (SubGroup("assay", "Assay", assays), SubGroup("sample", "Sample", samples)),
        (*FULL, *FREE, ("windowingFunction", "mean")),
        COVERAGE,
        LOW,
    )


KINDS = (
    "states",
    "state_probabilities",
    "calls",
    "probabilities",
    "signals",
    "importance",
    "contributions",
    "sites",
)
"""Kinds of tracks that a model's runs may make; each has a description page."""

_PROBABILITY = (0.0, 1.0)
_SCALED = (("autoScale", "off"), ("viewLimits", "0:1"), ("maxHeightPixels", "100:32:8"))


def model_tracks(plan: Plan) -> list[Track]:
    """The tracks of one model, in the order in which they are drawn."""
    made: list[Track | None] = [
        _states(plan),
        _state_probabilities(plan),
        _calls(plan),
        _probabilities(plan),
        _signals(plan),
        importance(plan),
        contributions(plan),
        sites(plan),
    ]
    return [track for track in made if track is not None]


def _states(plan: Plan) -> Track | None:
    head = _states_head(plan)
    if head is None:
        return None
    members = [
        Member(
            Track(
                plan.names.new(plan.model, "states", plan.shown(sample)),
                short_label("States", plan.shown(sample)),
                long_label("Most likely chromatin state", plan.shown(sample)),
                BIGBED9,
                plan.file(sample, run, STATES_BIGBED),
            ),
            (sample.name,),
        )
        for sample, run in plan.predicted()
    ]
    # In filters a comma ends a value and | its name.
    values = [f"{label.name}|{plain(label.title).replace(',', ';')}" for label in head.labels]
    settings = [
        *DENSE,
        ("itemRgb", "on"),
        ("filterValues.name", ",".join(values)),
        ("filterLabel.name", "State"),
        ("mouseOver", "${name}: mean probability ${score}/1000"),
    ]
    labels = ("Chromatin states", "Most likely chromatin state")
    return plan.composite("states", labels, members, (), settings, THIN)


def _states_head(plan: Plan) -> HeadSpec | None:
    return next((head for head in plan.runs.spec.heads if head.kind == "states"), None)


def _state_probabilities(plan: Plan) -> Track | None:
    """All states of a sample stacked; their probabilities sum to 1."""
    head = _states_head(plan)
    samples = list(plan.predicted())
    if head is None or not samples or len(head.labels) < 2:
        return None
    page = plan.page("state_probabilities")
    name = plan.names.new(page)
    settings = (
        ("aggregate", "stacked"),
        ("showSubtrackColorOnUi", "on"),
        *_SCALED,
        ("windowingFunction", "mean"),
    )
    stacks = []
    for place, (sample, run) in enumerate(samples):
        shown = plan.shown(sample)
        stacks.append(
            Track(
                plan.names.new(page, shown) if len(samples) > 1 else name,
                short_label("Prob." if shown else "States, prob.", shown),
                long_label("Probability of each chromatin state, stacked", shown),
                BIGWIG,
                children=tuple(
                    Track(
                        plan.names.new(plan.model, "stacked", label.name, shown),
                        short_label(label.name, shown),
                        long_label(f"{label.name} {label.title}: probability", shown),
                        BIGWIG,
                        plan.file(sample, run, label_file(head, label, "bw")),
                        settings=(color(label.color), ("priority", str(number))),
                        limits=_PROBABILITY,
                        noun="probability",
                    )
                    for number, label in enumerate(head.labels, 1)
                ),
                kind=OVERLAY,
                settings=(*(FULL if place < plan.first(LOW) else HIDE), *settings),
                limits=_PROBABILITY,
                page=page,
            )
        )
    if len(stacks) == 1:
        return stacks[0]
    return Track(
        name,
        plan.short("States, prob."),
        plan.long("Probability of each chromatin state"),
        "",
        children=tuple(stacks),
        kind=FOLDER,
        page=page,
    )


def _calls(plan: Plan) -> Track | None:
    members = []
    for sample, run, head, key, label in plan.labels("binary"):
        name = label_file(head, label, "bed")
        path = run.file(name)
        if not path.stat().st_size:
            continue
        shown = plan.shown(sample)
        target = plan.target(sample, run, name.removesuffix(".bed") + ".calls.bb")
        track = Track(
            plan.names.new(plan.model, "calls", key, shown),
            short_label(key if shown else f"{key} calls", shown),
            long_label(f"{label.title}: calls", shown),
            BIGBED9,
            FromBed(target, path, calls_autosql(label), overlap=False),
            settings=(color(label.color),),
            noun="calls",
        )
        members.append(Member(track, (head.name, key, sample.name)))
    settings = (
        *DENSE,
        ("itemRgb", "on"),
        ("thickDrawItem", "on"),
        ("mouseOver", "${name}: largest probability ${score}/1000"),
    )
    return plan.composite(
        "calls", ("Calls", "Calls: where labels are at or above their thresholds"),
        members, _heads(plan), settings, THIN,
    )  # fmt: skip


def _probabilities(plan: Plan) -> Track | None:
    binary = list(plan.labels("binary"))
    members = []
    for sample, run, head, key, label in [*binary, *plan.labels("states")]:
        shown = plan.shown(sample)
        states = head.kind == "states"
        what = f"{label.name} {label.title}" if states else label.title
        line = [] if states else [("yLineMark", f"{label.threshold:g}"), ("yLineOnOff", "on")]
        track = Track(
            plan.names.new(plan.model, "prob", key, shown),
            short_label(key, shown),
            long_label(f"{what}: probability", shown),
            BIGWIG,
            plan.file(sample, run, label_file(head, label, "bw")),
            settings=(color(label.color), *line),
            limits=_PROBABILITY,
            on=not (binary and states),
            noun="probability",
        )
        members.append(Member(track, (head.name, key, sample.name)))
    # Without other labels these are the states again, one by one.
    settings = (*(FULL if binary else HIDE), *_SCALED, ("windowingFunction", "maximum"))
    return plan.composite(
        "probabilities", ("Probabilities", "Probabilities of labels and states"),
        members, _heads(plan), settings, LOW, _PROBABILITY,
    )  # fmt: skip


def _signals(plan: Plan) -> Track | None:
    members = []
    for sample, run, head, key, label in plan.labels("continuous"):
        shown = plan.shown(sample)
        track = Track(
            plan.names.new(plan.model, "signal", key, shown),
            short_label(key, shown),
            long_label(f"{label.title}: predicted signal", shown),
            BIGWIG,
            plan.file(sample, run, label_file(head, label, "bw")),
            settings=(color(label.color),),
            noun="signal",
        )
        members.append(Member(track, (head.name, key, sample.name)))
    settings = (*FULL, *FREE, ("windowingFunction", "mean"))
    return plan.composite(
        "signals", ("Predicted signals", "Predicted signals"),
        members, _heads(plan), settings, LOW,
    )  # fmt: skip


def _heads(plan: Plan) -> tuple[SubGroup, SubGroup]:
    heads = plan.runs.spec.heads
    labels = {
        item.key: f"{item.label.name} " * (item.head.kind == "states") + item.label.title
        for item in model_labels(plan.runs.spec)
    }
    return (
        SubGroup("head", "Head", {head.name: head.name for head in heads}),
        SubGroup("label", "Label", labels),
    )
