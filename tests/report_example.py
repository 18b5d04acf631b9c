"""A report with everything in it, and the scores that it is made of."""

import numpy as np

from chromputer_tracks.analysis.report.blocks import (
    DatasetReport,
    PlainTable,
    ReportData,
    ScoredModel,
    Transfer,
)
from chromputer_tracks.analysis.vplots.aggregate import VplotPair, VplotSet
from chromputer_tracks.evaluation.metrics import Curve, Estimate, Reliability
from chromputer_tracks.evaluation.scores import (
    BinaryScores,
    ContinuousScores,
    Difference,
    PairedTest,
    Scores,
    StatesScores,
)
from chromputer_tracks.evaluation.sites import LabelledSites
from chromputer_tracks.spec import HeadSpec, InputSpec, Label, ModelSpec, Normalisation

NAN = float("nan")


NONE = Estimate(NAN, NAN, NAN)


EVIL = "<script>alert('x')</script>&\"'"


STATES = (Label("S1", "Quiescent", (230, 230, 230)), Label("S2", EVIL, (255, 195, 77)))


TFS = (Label("Reb1", "Reb1 (a factor)", (178, 24, 43)), Label("Abf1", "Abf1", (214, 96, 77)))


def around(value):
    return Estimate(value, value - 0.05, value + 0.05)


RELIABILITY = Reliability((0.1, 0.8), (0.2, 0.7), (90, 10), around(0.1))


def binary(name, auprc, positives=20):
    curve = Curve((0.0, 0.5, 1.0), (1.0, 0.7, 0.2))
    recall = {"0.5": around(0.6), "0.9": NONE}
    return BinaryScores(
        name, 1000, positives, around(auprc), around(0.9), around(0.5), recall, curve, RELIABILITY
    )


def states(accuracy):
    labels = (binary("S1", 0.9, 700), binary("S2", 0.5, 300))
    table = ((650, 50), (120, 180))
    return StatesScores(1000, around(accuracy), around(0.4), table, RELIABILITY, labels)


def spec(**splits):
    return ModelSpec(
        "net",
        2000,
        50,
        200,
        (
            InputSpec("vplot", "v", 10, (20, 60, 100), Normalisation((25.0,)), assay="atac"),
            InputSpec("sequence", "dna", shape=("MGW",)),
        ),
        (HeadSpec("states", "states", STATES), HeadSpec("binary", "binding", TFS)),
        "sacCer3",
        "0" * 64,
        splits or {"train": ("chrI",), "validation": ("chrII",), "test": ("chrVII",)},
    )


def sites(*contigs):
    n = len(contigs)
    return LabelledSites(
        (*contigs, "unused"), np.arange(n), np.full(n, 100), np.zeros((4, n), np.float32),
        np.zeros(n, np.int64), np.zeros((2, n), np.int64), np.zeros((0, n), np.float32), 2,
    )  # fmt: skip


MODEL = Scores(
    states(0.75),
    (binary("Reb1", 0.56), binary("Abf1", 0.3, 5)),
    (ContinuousScores("Htz1", 1000, around(0.7), around(0.6), around(-0.01)),),
)


FOREST = Scores(states(0.7), (binary("Reb1", 0.6),), ())


MAJORITY = Scores(states(0.64), (), ())


def vplot_set():
    image = np.arange(20.0).reshape(2, 10)
    pairs = tuple(VplotPair(label, 10, image, 7, image[:, ::-1]) for label in STATES)
    return VplotSet(f"ATAC {EVIL}", 100, (20, 30, 40), pairs)


def full():
    return ReportData(
        title=f"Run {EVIL}",
        kind="training",
        subtitle="of a test",
        summary="First part.\n\nSecond\npart.",
        models=(ScoredModel("net", MODEL, spec(), sites("chrVII")), ScoredModel("other", FOREST)),
        baselines=(ScoredModel("forest", FOREST), ScoredModel("majority", MAJORITY)),
        ceiling=ScoredModel("replicates", Scores(states(0.95), (), ())),
        paired=(
            PairedTest(
                "",
                "net",
                "other",
                (
                    Difference("accuracy", "", Estimate(0.05, 0.01, 0.09), 0.012),
                    Difference("auprc", "Reb1", Estimate(-0.04, -0.1, 0.02), 0.3),
                ),
            ),
        ),
        history=(
            {"epoch": 1, "train_loss": 2.0, "validation_score": 0.1, "validation_Reb1": 0.2},
            {"epoch": 2, "train_loss": 1.0, "validation_score": 0.4, "learning_rate": 1e-3},
        ),
        best_epoch=2,
        vplots=(vplot_set(),),
        transfer=Transfer("accuracy", ("A", "B"), ("A",), ((around(0.8),), (NONE,))),
        dataset=DatasetReport(
            (("chrI", "train"), ("chrVII", "test")), (100, 40), STATES, ((70, 30), (20, 20)),
            TFS, ((5, 3), (2, 1)), ("Reb1", "Abf1"), ((1.0, 0.25), (0.25, 1.0)),
        ),
        tables=(PlainTable("Depths.", ("sample", "fragments"), (("HSC", 1234567),)),),
        config=f"name = '{EVIL}'\n[fit]\nepochs = 2\n",
        provenance={
            "seed": 1,
            "command": "chromputer train x.toml",
            "inputs": {"fasta": {"path": "a.fa", "bytes": 12345, "sha256": "ab" * 32}},
            "versions": {"torch": "2.6"},
            "files": {f"f{i}": {"sha256": f"{i:064x}"} for i in range(20)},
        },
        notes="A note.",
    )  # fmt: skip
