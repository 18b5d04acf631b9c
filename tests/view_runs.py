"""Folders of ``predict`` and ``explain`` on a toy genome, for browsers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from explain_run import Bench, Notes, explained_spec
from toy_genome import ToyGenome, toy_genome

from chromputer_tracks.options.predict import PredictOptions, ViewOptions
from chromputer_tracks.tracks.predict import predict_tracks
from chromputer_tracks.tracks.runs import ModelRuns, read_runs
from chromputer_tracks.tracks.view.run import View, read_view


@dataclass(frozen=True)
class ToyRuns:
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


def toy_runs(folder: Path) -> ToyRuns:
    with pytest.MonkeyPatch.context() as patch:
        bench = Bench.make(folder, patch, toy_genome(), explained_spec())
        sites = bench.bed("chr2 1000 1100 a 10 .", "chr2 3000 3100 b 900 .", "chr1 500 600 c 900 .")
        bench.run("explained", heads=("TF1", "S1", "H3"), regions=sites)
        given = bench.options()
        out = folder / "predicted"
        predict_tracks(
            PredictOptions(model=given.model, sample=given.sample, out=out, threads=1), Notes()
        )
    return ToyRuns(folder, bench.toy)
