"""``chromputer dataset``: counts against loops over every bin, page and table, warnings."""

import csv
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyBigWig
import pytest
from toy_genome import toy_genome
from typer.testing import CliRunner

from chromputer_tracks.analysis.dataset.counts import (
    AssayDepth,
    ClassCounts,
    ContigCounts,
    DatasetCounts,
    DatasetLabel,
    LabelCounts,
    PeakCounts,
    SampleSummary,
    count_dataset,
    dataset_warnings,
)
from chromputer_tracks.analysis.dataset.report import (
    _thinned,
    dataset_tables,
    dataset_vplots,
)
from chromputer_tracks.cli.main import app
from chromputer_tracks.data.negatives import Balance
from chromputer_tracks.model.config_file import load_config
from chromputer_tracks.model.sources import open_sources
from chromputer_tracks.spec import Label

SIZES = {"chr1": 9_150, "chr2": 6_000, "chr3": 5_300, "chr4": 4_000, "chrM": 700}


WIDTH = 200


FLANK = 150


CONFIG = """\
name = "toy"
assembly = "toy1"
label_bin = 200
[data]
fasta = "toy.fa"
fragments = "toy.fragments.tsv.gz"
blacklist = "blacklist.bed"
[splits]
train = ["chr1", "chr2"]
validation = ["chr3"]
test = ["chr4"]
[fit]
flank = 150
[states]
bed = "states.bed"
table = "states.tsv"
[[binary]]
name = "Reb1"
title = "Reb1 (factor)"
peaks = "Reb1.bed"
[[binary]]
name = "Open"
title = "<open> & shut"
peaks = "Open.bed"
"""


def bed(path, rows):
    path.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """Folder with a configuration and its files, and their rows."""
    folder = tmp_path_factory.mktemp("toy")
    rng = np.random.default_rng(7)
    toy_genome(SIZES).write(folder)
    rows = {
        "states.bed": [
            (c, at, at + 200, f"S{rng.integers(1, 4)}")
            for c in ("chr1", "chr2", "chr3", "chr4")
            for at in range(200, SIZES[c] - 300, 200)
        ],
        "blacklist.bed": [("chr1", 0, 320), ("chr2", 4_000, 4_150), ("chr4", 1_090, 1_101)],
    }
    for name, many in (("Reb1.bed", 30), ("Open.bed", 12)):
        places = [(str(rng.choice(list(SIZES))), int(rng.integers(0, 690))) for _ in range(many)]
        places += [(c, int(rng.integers(0, SIZES[c]))) for c in SIZES for _ in range(many // 5)]
        rows[name] = [(c, at, at + 1) for c, at in dict.fromkeys(places)]
    for name, lines in rows.items():
        bed(folder / name, lines)
    (folder / "states.tsv").write_text(
        "state\tname\tcolor\nS1\tQuiet\t200,200,200\nS2\tBusy\t255,0,0\nS3\tOdd\t0,0,255\n"
    )
    (folder / "toy.toml").write_text(CONFIG)
    return folder, rows


def counted(folder, text=None):
    path = folder / "other.toml"
    path.write_text(CONFIG if text is None else text)
    config = load_config(path)
    with open_sources(config) as sources:
        return count_dataset(config, sources)


def inside(rows, chrom, at):
    return [row for row in rows if row[0] == chrom and row[1] <= at < row[2]]


def oracle(rows, chrom):
    """One dict a bin that is not masked: state, and 1, 0 or 'near' for each binary label."""
    bins, masked = [], 0
    for start in range(0, SIZES[chrom] - WIDTH + 1, WIDTH):
        centre = start + WIDTH // 2
        if inside(rows["blacklist.bed"], chrom, centre):
            masked += 1
            continue
        found = {"state": next((r[3] for r in inside(rows["states.bed"], chrom, centre)), None)}
        for name in ("Reb1", "Open"):
            places = [r[1] for r in rows[f"{name}.bed"] if r[0] == chrom]
            found[name] = 0
            if any(start - FLANK <= at < start + WIDTH + FLANK for at in places):
                found[name] = "near"
            if any(start <= at < start + WIDTH for at in places):
                found[name] = 1
        bins.append(found)
    return bins, masked


def test_counts_against_the_oracle(toy):
    folder, rows = toy
    data = counted(folder)
    assert [(row.contig, row.split) for row in data.contigs] == [
        ("chr1", "train"),
        ("chr2", "train"),
        ("chr3", "validation"),
        ("chr4", "test"),
    ]
    names = ["S1", "S2", "S3", "Reb1", "Open"]
    assert [item.label.name for item in data.labels] == names
    shared = np.zeros((5, 5), dtype=int)
    for row in data.contigs:
        bins, masked = oracle(rows, row.contig)
        assert (row.size, row.bins) == (SIZES[row.contig], SIZES[row.contig] // WIDTH)
        assert (row.masked, row.left_out, row.sites) == (masked, 0, len(bins))
        assert row.positive == sum(1 in (b["Reb1"], b["Open"]) for b in bins)
        for name, count in zip(names, row.labels, strict=True):
            if name.startswith("S"):
                known = [b["state"] for b in bins if b["state"]]
                hits = known.count(name)
                assert count == LabelCounts(hits, len(known) - hits, 0)
            else:
                values = [b[name] for b in bins]
                near = values.count("near")
                assert count == LabelCounts(values.count(1), values.count(0) + near, near)
        for b in bins:
            has = [b["state"] == n if n.startswith("S") else b[n] == 1 for n in names]
            shared += np.outer(has, has)
    assert data.shared.tolist() == shared.tolist()
    assert sum(count.ambiguous for count in data.counts("train")) > 5
    either = shared[3, 3] + shared[4, 4] - shared[3, 4]
    assert data.jaccard[3, 4] == shared[3, 4] / either
    assert data.unused == {"chrM": 700}
    for peaks in data.peaks:
        places = rows[f"{peaks.label}.bed"]
        used = [r for r in places if r[0] != "chrM"]
        hidden = [r for r in used if inside(rows["blacklist.bed"], r[0], r[1])]
        assert (peaks.total, peaks.outside) == (len(places), len(places) - len(used))
        assert peaks.masked == len(hidden)


def test_sites_that_are_peaks(toy):
    folder, rows = toy
    data = counted(folder, CONFIG + '[sites]\nkind = "peaks"\npeaks = "Open.bed"\n')
    for row in data.contigs:
        bins, masked = oracle(rows, row.contig)
        sites = [b for b in bins if b["Open"] == 1]
        assert row.masked == masked
        assert row.sites == len(sites)
        assert row.left_out == len(bins) - len(sites)


def test_samples_and_signals(toy):
    """A second sample without states, scored only; a signal that only the first has."""
    folder, rows = toy
    with pyBigWig.open(str(folder / "signal.bw"), "w") as file:
        file.addHeader(list(SIZES.items()))
        for chrom, size in SIZES.items():
            file.addEntries([chrom], [0], ends=[size // 2], values=[3.0])
    lines = CONFIG.replace('fragments = "toy.fragments.tsv.gz"\n', "")
    for name in ("Reb1", "Open"):
        lines = lines.replace(f'peaks = "{name}.bed"\n', "")
    lines = (
        lines.replace('bed = "states.bed"\n', "")
        + """
[[continuous]]
name = "Input"
[[samples]]
name = "one"
assays = { atac = "toy.fragments.tsv.gz" }
states = "states.bed"
peaks = { Reb1 = ["Reb1.bed"], Open = ["Open.bed"] }
signals = { Input = "signal.bw" }
[[samples]]
name = "two"
assays = { atac = "toy.fragments.tsv.gz" }
peaks = { Reb1 = ["Open.bed"] }
use = "test"
"""
    )
    data = counted(folder, lines)
    assert [(s.name, s.train) for s in data.samples] == [("one", True), ("two", False)]
    assert [(r.sample, r.contig) for r in data.contigs][-2:] == [("one", "chr4"), ("two", "chr4")]
    alone = counted(folder)
    one, two = data.contigs[-2:]
    assert one.labels == alone.contigs[-1].labels
    assert two.labels[3] == replace(one.labels[4], ambiguous=two.labels[3].ambiguous)
    assert two.labels[0] == two.labels[4] == LabelCounts(0, 0, 0)
    signal = data.contigs[0].signals[0]
    half = SIZES["chr1"] // 2
    values = [3.0 * (at < half) for at in range(WIDTH // 2, SIZES["chr1"] - 100, WIDTH)][2:]
    assert signal.bins == len(values) == data.contigs[0].sites
    assert signal.total == pytest.approx(sum(values), abs=3)
    assert signal.zeros == pytest.approx(values.count(0), abs=1)
    assert two.signals[0].bins == 0
    tables = {table.header[0]: table for table in dataset_tables(data)}
    assert tables["signal"].rows[0][:2] == ("Input", "Input")
    assert [row[0] for row in dataset_tables(data)[0].rows] == ["one", "two"]
    assert [peaks.sample for peaks in data.peaks] == ["one", "one", "two"]


def test_vplots_are_of_training_sites(toy):
    folder, rows = toy
    config = load_config(folder / "toy.toml")
    with open_sources(config) as sources:
        (plots,) = dataset_vplots(config, sources)
    assert plots.title == "atac"
    assert [pair.label.name for pair in plots.pairs] == ["S1", "S2", "S3", "Reb1", "Open"]
    bins = [b for chrom in ("chr1", "chr2") for b in oracle(rows, chrom)[0]]
    assert [pair.sites for pair in plots.pairs[:3]] == [
        sum(b["state"] == name for b in bins) for name in ("S1", "S2", "S3")
    ]
    genome = toy_genome(SIZES)
    for name, pair in zip(("Reb1", "Open"), plots.pairs[3:], strict=True):
        places = [
            r[:2]
            for r in rows[f"{name}.bed"]
            if r[0] in ("chr1", "chr2") and not inside(rows["blacklist.bed"], *r[:2])
        ]
        assert pair.sites == len(places)
        total = 0
        for chrom, at in places:
            length = genome.ends[chrom] - genome.starts[chrom]
            middle = genome.starts[chrom] + length // 2
            window = (middle >= at - 1000) & (middle < at + 1000)
            total += np.sum(window & (length >= 20) & (length < 400))
        assert pair.observed.sum() == pytest.approx(total / len(places))


def test_thinned_sites_are_spread(monkeypatch):
    monkeypatch.setattr("chromputer_tracks.analysis.dataset.report._MOST_SITES", 4)
    rows = [("a", at) for at in range(11)]
    assert _thinned(rows) == [("a", at) for at in (0, 2, 5, 8)]
    assert _thinned(rows[:4]) == rows[:4]


def test_matched_sites_are_shown(toy):
    folder, rows = toy
    path = folder / "matched.toml"
    path.write_text(
        CONFIG + '[sites]\nkind = "matched"\n[sites.matched]\nper_positive = 0.2\nmax_n = 0.9\n'
    )
    config = load_config(path)
    with open_sources(config) as sources:
        chosen = sources.samples[0].matched
        data = count_dataset(config, sources)
    assert chosen is not None
    assert [(row.contig, row.sites) for row in data.contigs] == [
        (chrom, len(sites.bins)) for chrom, sites in chosen.contigs.items()
    ]
    assert [row.positive for row in data.contigs] == [
        len(sites.positive) for sites in chosen.contigs.values()
    ]
    train = [chosen.contigs[chrom] for chrom in ("chr1", "chr2")]
    assert data.classes[0].bins[0] == sum(len(row.positive) for row in train)
    assert data.classes[0].bins[3] == sum(len(row.matched) for row in train)
    tables = {table.header[:2]: table for table in dataset_tables(data)}
    row = tables["split", "positive"].rows[0]
    assert row[:2] == ("train", f"{data.classes[0].bins[0]:,}")
    assert [row[0] for row in tables["property", "positives"].rows] == [
        "GC share",
        "fragments in and around the bin",
    ]


def run(*words):
    return CliRunner().invoke(app, ["dataset", *map(str, words)])


def test_the_command_writes_and_shows(toy, tmp_path):
    folder, rows = toy
    out = tmp_path / "shown"
    done = run(folder / "toy.toml", "--out", out)
    assert done.exit_code == 0, done.output
    assert done.stdout == ""
    assert "Reb1 (factor)" in done.stderr
    assert "warning: 1 contig is in no split: chrM" in done.stderr
    assert sorted(path.name for path in out.iterdir()) == [
        "dataset.html",
        "dataset.tables.tsv",
        "dataset.tsv",
        "run.json",
    ]
    with (out / "dataset.tsv").open(newline="") as file:
        table = list(csv.DictReader(file, delimiter="\t"))
    assert len(table) == 4 * 5
    data = counted(folder)
    for row, (contig, item, count) in zip(
        table,
        [(c, i, n) for c in data.contigs for i, n in zip(data.labels, c.labels, strict=True)],
        strict=True,
    ):
        assert row["contig"] == contig.contig
        assert (row["split"], row["head"]) == (contig.split, item.head)
        assert row["label"] == item.label.name
        figures = [int(row[key]) for key in ("positives", "negatives", "ambiguous")]
        assert LabelCounts(*figures) == count
    page = (out / "dataset.html").read_text()
    assert "&lt;open&gt; &amp; shut" in page
    assert "<open>" not in page
    assert "1 contig is in no split: chrM (0.00 Mb)." in page
    assert page.count("<svg") >= 5 + 3
    assert "label_bin = 200" in page
    # Again into the same folder.
    assert run(folder / "toy.toml", "--out", out).exit_code == 0


def test_mistakes_are_told(toy, tmp_path):
    folder, _ = toy
    done = run(tmp_path / "none.toml", "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert "none.toml" in done.stderr
    (tmp_path / "file").touch()
    done = run(folder / "toy.toml", "--out", tmp_path / "file")
    assert done.exit_code == 1
    assert "it is a file" in done.stderr
    small = folder / "small.toml"
    small.write_text(CONFIG.replace("label_bin = 200", "label_bin = 10000"))
    done = run(small, "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert "label_bin" in done.stderr
    assert not (tmp_path / "out").exists()


def test_yeast(shared_yeast):
    """The shipped configuration: what its card says of labels, and nothing on the final test."""
    config = load_config(
        Path(__file__).parents[1] / "models" / "yeast-atac.toml", shared_yeast.parent
    )
    config = replace(config, auxiliary=None, inputs=replace(config.inputs, vplots=()))
    with open_sources(config) as sources:
        data = count_dataset(config, sources)
    assert {"chrIV", "chrXV", "chrM"} == set(data.unused)
    warnings = dataset_warnings(data)
    assert any(w.startswith("label Gcn4 has 27 positive bins in train") for w in warnings)
    totals = {
        i.label.name: c.positives for i, c in zip(data.labels, data.counts("test"), strict=True)
    }
    assert (totals["Reb1"], totals["Htz1"]) == (195, 945)


# ---- What a scientist is told about a dataset before training on it.


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
