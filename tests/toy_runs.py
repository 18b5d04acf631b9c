"""Folders of ``predict`` and ``explain`` on a toy genome, for hubs and browsers.

The fixtures ``runs`` and ``demo`` of ``conftest.py``; a test that changes one copies it.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from explain_run import Bench, Notes, explained_spec
from tiny_models import write_linear_model
from toy_genome import ToyGenome, toy_genome

from chromputer_tracks.io.outputs import output_files
from chromputer_tracks.io.record import RUN_JSON
from chromputer_tracks.options.fields import SampleFiles
from chromputer_tracks.options.predict import HubOptions, PredictOptions, ViewOptions
from chromputer_tracks.tracks.hub.run import HubResult, make_hub
from chromputer_tracks.tracks.predict import predict_tracks
from chromputer_tracks.tracks.runs import ModelRuns, read_runs
from chromputer_tracks.tracks.view.run import View, read_view

EMAIL = "me@example.org"


@dataclass(frozen=True)
class HubRuns:
    """Folders of runs: two samples, one of them explained, and one by another model, too.

    Attributes:
        folder: of all of them.
        toy: the genome and the fragments of the first sample.
        first: prediction of the first sample.
        second: prediction of the second sample.
        explained: TF1 and S1 in the first sample.
        other_model: prediction of the first sample by another model, without signals.
    """

    folder: Path
    toy: ToyGenome
    first: Path
    second: Path
    explained: Path
    other_model: Path

    @property
    def fasta(self) -> Path:
        return self.folder / "input" / "toy.fa"

    @property
    def fragments(self) -> Path:
        return self.folder / "input" / "toy.fragments.tsv.gz"

    @property
    def model(self) -> Path:
        return self.folder / "input" / "tiny"


def hub_runs(folder: Path) -> HubRuns:
    """The runs; their inputs and models are in ``input`` and ``other``."""
    toy = toy_genome()
    with pytest.MonkeyPatch.context() as patch:
        bench = Bench.make(folder, patch, toy)
        where, second = folder / "input", folder / "other"
        second.mkdir()
        toy_genome(seed=6).write(second)
        spec = replace(bench.spec, name="other-model", heads=bench.spec.heads[:2])
        write_linear_model(where / "other", spec)
        for name, model, fragments in (
            ("first", "tiny", where),
            ("second", "tiny", second),
            ("other_model", "other", where),
        ):
            files = SampleFiles(where / "toy.fa", fragments / "toy.fragments.tsv.gz")
            options = PredictOptions(
                model=where / model, sample=files, out=folder / name, provider="cpu", threads=1
            )
            predict_tracks(options, Notes())
        sites = bench.bed("chr1 2000 2200 a 700 +", "chr1 1900 2900 b 900 -", "chr2 900 1000 c 0 .")
        bench.run("explained", heads=("TF1", "S1"), regions=sites)
    names = ("first", "second", "explained", "other_model")
    return HubRuns(folder, toy, *(folder / name for name in names))


def hub(
    runs: HubRuns, out: Path, notes: Notes | None = None, **changes: object
) -> tuple[HubResult, Path]:
    """A hub, and the folder of its genome."""
    folders = (runs.first, runs.second, runs.explained)
    options = HubOptions(folders=folders, out=out, assembly="toy1", email=EMAIL)
    result = make_hub(replace(options, **changes), notes or Notes())  # type: ignore[arg-type]
    return result, out / "toy1"


def copied(runs: HubRuns, folder: Path) -> HubRuns:
    """Runs that a test may change; their records still lead to the original inputs."""
    shutil.copytree(runs.folder, folder)
    names = ("first", "second", "explained", "other_model")
    return HubRuns(folder, runs.toy, *(folder / name for name in names))


def edit(folder: Path, old: str, new: str) -> None:
    path = folder / "run.json"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@dataclass(frozen=True)
class ViewRuns:
    """A prediction, and the explanation of a factor, a state and a signal.

    ``folder`` holds all; nothing in it refers to a place outside.
    """

    folder: Path
    toy: ToyGenome

    @property
    def predicted(self) -> Path:
        return self.folder / "predicted"

    @property
    def explained(self) -> Path:
        return self.folder / "explained"

    @property
    def fasta(self) -> Path:
        return self.folder / "input" / "toy.fa"

    def runs(self) -> tuple[ModelRuns, ...]:
        return read_runs([self.predicted, self.explained], [])

    def view(self, **more: object) -> View:
        given = {"folders": (self.predicted, self.explained)} | more
        return read_view(ViewOptions(**given))


def view_runs(folder: Path) -> ViewRuns:
    with pytest.MonkeyPatch.context() as patch:
        bench = Bench.make(folder, patch, toy_genome(), explained_spec())
        sites = bench.bed("chr2 1000 1100 a 10 .", "chr2 3000 3100 b 900 .", "chr1 500 600 c 900 .")
        bench.run("explained", heads=("TF1", "S1", "H3"), regions=sites)
        given = bench.options()
        out = folder / "predicted"
        predict_tracks(
            PredictOptions(model=given.model, sample=given.sample, out=out, threads=1), Notes()
        )
    return ViewRuns(folder, bench.toy)


def as_made(folder: Path) -> None:
    """Let the record of a folder tell of its files as they are now."""
    record = json.loads((folder / RUN_JSON).read_text())
    made = output_files(folder, [name for name in record["outputs"] if (folder / name).exists()])
    record["checksums"] = {
        name: {"bytes": told.bytes, "sha256": told.sha256} for name, told in made.items()
    }
    (folder / RUN_JSON).write_text(json.dumps(record))
