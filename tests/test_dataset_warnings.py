"""What a scientist is told about a dataset before training on it."""

import re
from dataclasses import replace

import numpy as np
import pytest

from chromputer_tracks.analysis.dataset.counts import (
    AssayDepth,
    ClassCounts,
    ContigCounts,
    DatasetCounts,
    DatasetLabel,
    LabelCounts,
    PeakCounts,
    SampleSummary,
)
from chromputer_tracks.analysis.dataset.report import dataset_warnings
from chromputer_tracks.data.negatives import Balance
from chromputer_tracks.spec import Label


def made(train, validation=None, test=None, **more):
    """A dataset of binary labels: (positives, negatives) by label on one contig a split."""
    names = [chr(ord("A") + i) for i in range(len(train))]
    contigs = tuple(
        ContigCounts("s", f"chr{i}", split, 1000, 99, 0, 0, 99, 9,
                     tuple(LabelCounts(p, n, 0) for p, n in counts), ())
        for i, (split, counts) in enumerate(
            (("train", train), ("validation", validation or train), ("test", test or train))
        )
    )  # fmt: skip
    sizes = np.array([p for p, _ in train])
    data = DatasetCounts(
        200,
        (SampleSummary("s", True, (AssayDepth("atac", 10, 1.0),)),),
        tuple(DatasetLabel("binary", "binary", Label(n, n, (0, 0, 0))) for n in names),
        (),
        contigs,
        (),
        np.diag(sizes),
        0,
        {},
    )
    return replace(data, **more)


def test_a_sound_dataset_has_no_warnings():
    assert dataset_warnings(made([(50, 950), (500, 500)])) == ()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (
            made(
                [(100, 900)],
                samples=(SampleSummary("s", True, (AssayDepth("atac", 10, 0.84),)),),
            ),
            r"^atac has 0\.84 fragments per kb, fewer than 1: .* right file",
        ),
        (made([(49, 9000)], [(60, 9000)]), "label A has 49 positive bins in train, fewer than 50"),
        (made([(60, 60)], [(0, 9)]), "label A has no positive bin in validation: .* calibrated"),
        (made([(60, 60)], None, [(0, 9)]), "label A has no positive bin in test: .* scored"),
        (
            made([(500, 500)], [(90, 910)]),
            r"label A is 5\.6 times as frequent in train \(50\.00%\) as in validation \(9\.00%\)",
        ),
        (
            made([(100, 900), (110, 890)], shared=np.array([[100, 98], [98, 105]])),
            r"label A and label B are nearly the same bins \(Jaccard index 0\.92\)",
        ),
        (
            made(
                [(100, 900)],
                peaks=(PeakCounts("s", "A", 210, 10, 14), PeakCounts("s", "B", 900, 0, 1)),
            ),
            r"drops 15 of 1,100 peaks .* \(1\.4%\); most of all of A 7%$",
        ),
        (
            made([(100, 900)], unused={"chrX": 1_500_000}),
            r"1 contig is in no split: chrX \(1\.50 Mb\)",
        ),
        (
            made([(100, 900)], unused={f"u{i}": 10**6 for i in range(10)}),
            r"10 contigs are in no split: u0, .*, u7 and 2 more \(10\.00 Mb\)",
        ),
        (
            made([(100, 900)], classes=(ClassCounts("s", "train", (9, 9, 9, 9), 3, 1234),)),
            r"train lacks 1,234 of the random bins .* sites\.per_positive",
        ),
        (
            made([(100, 900)], balance=(("s", Balance("GC share", 0.5, 0.4, 0.26, 0.3)),)),
            r"random bins do not match the positives in GC share \(means 0\.4 and 0\.5\)",
        ),
    ],
)
def test_each_warning(data, words):
    (warning,) = dataset_warnings(data)
    assert re.search(words, warning), warning


def test_contigs_without_labels_are_named():
    data = made([(100, 900)])

    def warning(**changes):
        more = replace(data.contigs[2], **changes)
        (found,) = dataset_warnings(replace(data, contigs=(*data.contigs, more)))
        return found

    found = warning(contig="c9", sites=0, labels=(LabelCounts(0, 0, 0),))
    assert found.startswith("c9 (test) has no known label in any bin: leave it out")
    found = warning(contig="c8", labels=(LabelCounts(0, 200, 0),))
    assert found.startswith("label A has no positive bin on c8 (test), where its prevalence")
    assert "gives 19:" in found
