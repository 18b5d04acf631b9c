"""Which tracks a hub shows of what was explained, and of the samples' inputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from chromputer_tracks.io.bed import Rgb
from chromputer_tracks.io.contributions import SITES_BED
from chromputer_tracks.spec import Label
from chromputer_tracks.tracks.colors import COVERAGE as COVERAGE_SHADE
from chromputer_tracks.tracks.colors import NEGATIVE, contribution_colors
from chromputer_tracks.tracks.explain.layout import ImportanceTrack, importance_tracks
from chromputer_tracks.tracks.hub.composite import Member, SubGroup, composite
from chromputer_tracks.tracks.hub.files import Coverage, FromBed, sites_autosql
from chromputer_tracks.tracks.hub.plan import DENSE, FREE, FULL, LOW, TALL, THIN, Plan, color
from chromputer_tracks.tracks.hub.text import Names, long_label, short_label
from chromputer_tracks.tracks.hub.tracks import BIGBED6, BIGWIG, Track
from chromputer_tracks.tracks.runs import AssayInput, Run, Sample

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
