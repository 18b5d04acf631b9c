"""What the tracks of a hub are made of, and what all of them share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from chromputer_tracks.inference.model_labels import find_label, model_labels
from chromputer_tracks.io.bed import Rgb
from chromputer_tracks.spec import HeadSpec, Label
from chromputer_tracks.tracks.hub.composite import Member, SubGroup, composite
from chromputer_tracks.tracks.hub.files import Kept
from chromputer_tracks.tracks.hub.text import (
    LONG,
    Names,
    Settings,
    identifier,
    short_label,
    shorten,
)
from chromputer_tracks.tracks.hub.tracks import Range, Track
from chromputer_tracks.tracks.runs import ModelRuns, Run, Sample

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
