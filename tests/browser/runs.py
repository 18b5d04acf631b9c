"""What a user has after ``chromputer demo`` and a short ``chromputer explain``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from explain_run import Notes

from chromputer_tracks.options.explain import ExplainOptions
from chromputer_tracks.options.fields import SampleFiles
from chromputer_tracks.options.predict import PredictOptions
from chromputer_tracks.tracks.explain.run import explain_tracks
from chromputer_tracks.tracks.predict import predict_tracks

MODEL = "yeast-atac"
EXPLAINED = "chrXIII:20,701-35,700"
"""Has five calls of Reb1, on a chromosome that the model has not seen."""
REGION = ("chrXIII", 22_000, 32_000)
MOTIF = "CGGGTAA"
"""Of Reb1: its core (MacIsaac et al. 2006), on the forward strand at the strongest site."""


@dataclass(frozen=True)
class DemoRuns:
    folder: Path
    fasta: Path

    @property
    def predicted(self) -> Path:
        return self.folder / "demo-output"

    @property
    def explained(self) -> Path:
        return self.folder / "explained"


def demo_runs(folder: Path, example: Path) -> DemoRuns:
    files = SampleFiles(example / "sacCer3.fa.gz", example / "atac.fragments.tsv.gz")
    made = DemoRuns(folder, files.fasta)
    predict_tracks(
        PredictOptions(
            model=MODEL, sample=files, out=made.predicted, chroms=(REGION[0],), threads=1
        ),
        Notes(),
    )
    explain_tracks(
        ExplainOptions(
            model=MODEL,
            sample=files,
            out=made.explained,
            heads=("Reb1",),
            calls=True,
            chroms=(EXPLAINED,),
            references=5,
            threads=1,
        ),
        Notes(),
    )
    return made
