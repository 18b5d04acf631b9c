"""Everything that centres a site on a place centres it by the one rule of ``io/bed.py``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from test_user_errors import write_lab
from tiny_models import tiny_spec

from chromputer_tracks.analysis.quiz.questions import binary_subject
from chromputer_tracks.analysis.vplots.sites import read_sites
from chromputer_tracks.api import centres
from chromputer_tracks.data.labels import PeakLabels
from chromputer_tracks.data.peaks import reproducible_peaks
from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.io.bed import read_bed, read_site_table
from chromputer_tracks.model.config_file import load_config
from chromputer_tracks.model.sources import open_sources
from chromputer_tracks.tracks.browser_tracks import BrowserTrack
from chromputer_tracks.tracks.explain.sites import region_sites
from chromputer_tracks.tracks.view.run import site_lists

SIZES = ChromSizes({"chr1": 6000, "chr2": 6000, "chr3": 6000}, "genome.fa")


def of_labels(path: Path) -> list[int]:
    config = write_lab(path.parent, one=path.read_text())
    text = config.read_text().replace('"one.bed", "two.bed"', '"one.bed"')
    config.write_text(text.replace("agreement = 'rank'", ""))
    with open_sources(load_config(config)) as sources:
        (found,) = sources.samples[0].scored.binary
    assert isinstance(found, PeakLabels)
    return found.centres["chr1"].tolist()


def of_replicates(path: Path) -> list[int]:
    peaks = [read_bed(path, SIZES).peaks(ranked=False)] * 2
    return [at for chrom, at in reproducible_peaks(peaks, "union", 0) if chrom == "chr1"]


def of_quiz(path: Path) -> list[int]:
    (found,) = binary_subject(tiny_spec(), "TF1", path, SIZES, []).labels.binary
    assert isinstance(found, PeakLabels)
    return found.centres["chr1"].tolist()


def of_python(path: Path) -> list[int]:
    return [at for chrom, at in centres(path, SIZES) if chrom == "chr1"]


def of_explain(path: Path) -> list[int]:
    return [site.centre for site in region_sites(path, SIZES).sites if site.chrom == "chr1"]


def of_embed(path: Path) -> list[int]:
    table = read_site_table(path, SIZES)
    return table.centre[table.contig == table.contigs.index("chr1")].tolist()


def of_vplot(path: Path) -> list[int]:
    sites = read_sites(path, SIZES)
    return sites.centre[sites.contig == sites.contigs.index("chr1")].tolist()


def of_view(path: Path) -> list[int]:
    track = BrowserTrack(path, "TF calls", "about", "TF", "calls", "bed")
    (found,) = site_lists([track], SIZES)
    return [at for chrom, at in found.places if chrom == "chr1"]


@pytest.mark.parametrize(
    ("line", "centre"),
    [
        ("100\t300", 200),
        ("100\t301", 200),
        ("100\t300\tn\t5\t+\t150\t160\t0,0,0", 155),
        ("100\t300\tn\t5\t+\t150\t161", 155),
        ("100\t300\tn\t5\t+\t100\t300\t0", 200),
        ("100\t300\tn\t5\t+\t120\t120\t0", 200),
        ("100\t300\tn\t5\t.\t3.5\t-1\t-1\t20", 120),
        ("100\t300\tn\t5\t.\t150\t160\t2\t-1", 200),
        ("100\t300\tn\t5\t+\t150\t160\t0\t1\t200,\t0,", 155),
        ("100\t300\tn\t5\t.\t3.5\t-1\t-1\t20\tmore", 120),
        ("100\t300\t.\t540\t.\t5.5\t6.6\t7.7\t20\t1.3\t1.5\t1\t2\t3\t4\t5\t6\t7\t8", 120),
        ("100\t300\tn\t84\t.\t8.20787\t11.2\t8.4", 200),
        ("100\t300\tn\t84\t.\t0\t0\t0\t1\t200\t0\t8.2\t11.2\t8.4", 200),
    ],
)
@pytest.mark.parametrize(
    "consumer",
    [of_labels, of_replicates, of_quiz, of_python, of_explain, of_embed, of_vplot, of_view],
)
def test_a_site_has_one_centre(
    tmp_path: Path, consumer: Callable[[Path], list[int]], line: str, centre: int
) -> None:
    path = tmp_path / "sites.bed"
    path.write_text("".join(f"{name}\t{line}\n" for name in SIZES))
    assert consumer(path) == [centre]
