"""Which tracks a hub shows of a model's predictions, and how each looks at first."""

from __future__ import annotations

from chromputer_tracks.inference.model_labels import model_labels
from chromputer_tracks.spec import HeadSpec
from chromputer_tracks.tracks.hub.composite import Member, SubGroup
from chromputer_tracks.tracks.hub.explained import contributions, importance, sites
from chromputer_tracks.tracks.hub.files import FromBed, calls_autosql
from chromputer_tracks.tracks.hub.plan import DENSE, FREE, FULL, HIDE, LOW, THIN, Plan, color
from chromputer_tracks.tracks.hub.text import long_label, plain, short_label
from chromputer_tracks.tracks.hub.tracks import BIGBED9, BIGWIG, FOLDER, OVERLAY, Track
from chromputer_tracks.tracks.states import STATES_BIGBED
from chromputer_tracks.tracks.writer import label_file

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
