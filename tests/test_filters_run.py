"""What ``filters`` finds and writes on a toy genome, against slow oracles."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from filters_toy import (
    DNA,
    DNA_AND_SHAPE,
    SHAPE,
    SIGNAL,
    VPLOT,
    WORDS,
    Bench,
    filter_contributions,
    rows,
    toy_layers,
    toy_spec,
    turned,
)
from notes import Notes
from run_records import write_record
from tiny_models import WINDOW
from toy_genome import ToyGenome, toy_genome

from chromputer_tracks.analysis.filters.results import FilterKey
from chromputer_tracks.errors import InputError, OutputError
from chromputer_tracks.inference.explain import head_weights
from chromputer_tracks.intervals import Interval
from chromputer_tracks.io.meme import MemeMotif, read_meme, write_meme
from chromputer_tracks.spec import InputSpec

CLASSES = ["S0", "S1", "S2", "TF1", "TF2", "H3"]
SITES = ("chr1 1000 1002 a 5 +", "chr1 1010 1012 b 5 -", "chr2 0 2 c 1 .", "edge 100 200 d 1 .")


@pytest.fixture(scope="module")
def toy() -> ToyGenome:
    genome = toy_genome()
    for chrom, at, word in (("chr1", 1040, WORDS[0]), ("chr1", 940, turned(WORDS[0]))):
        genome.bases[chrom][at : at + len(word)] = np.frombuffer(word.encode(), np.uint8)
    return genome


@pytest.fixture
def drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy: ToyGenome) -> Bench:
    return Bench.make(tmp_path, monkeypatch, toy)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy: ToyGenome) -> Bench:
    Bench.without_figures(monkeypatch)
    return Bench.make(tmp_path, monkeypatch, toy)


def test_contributions_are_means_over_the_sites(bench: Bench) -> None:
    run = bench.run(regions=bench.bed(*SITES))
    table = rows(bench.folder / "out" / "contributions.tsv")
    assert [row["class"] for row in table] == CLASSES
    windows = [
        Interval.centred(chrom, centre, WINDOW)
        for chrom, centre in (("chr1", 1001), ("chr1", 1011), ("chr2", 1), ("edge", 150))
    ]
    from contextlib import ExitStack

    from chromputer_tracks.inference.sample import open_sample
    from chromputer_tracks.inference.session import load_model
    from chromputer_tracks.io.fasta import Fasta

    with ExitStack() as stack:
        model = load_model(bench.folder / "input" / "tiny")
        fasta = stack.enter_context(Fasta(bench.files.fasta))
        features = open_sample(stack, model, fasta, bench.files, Notes()).features
        arrays = [features.arrays(window) for window in windows]
    layers = toy_layers(bench.spec)
    for line, item in zip(table, run.results.contributions, strict=True):
        row = int(head_weights(bench.spec, line["class"]).argmax())
        assert line["sites"] == "4"
        for name, layer in layers.items():
            for number in range(len(layer.weight)):
                values = [
                    filter_contributions(
                        {key: value[None] for key, value in one.items()}, layers, row
                    )[name][0, number]
                    for one in arrays
                ]
                mean = sum(values) / 4
                spread = sum((value - mean) ** 2 for value in values) / 3
                assert float(line[f"{name}.f{number}"]) == pytest.approx(mean, rel=1e-4, abs=1e-7)
                assert item.mean[name][number] == pytest.approx(mean, rel=1e-5, abs=1e-7)
                assert item.error[name][number] == pytest.approx((spread / 4) ** 0.5, rel=1e-4)
                share = sum(value > 0 for value in values) / 4
                assert item.positive[name][number] == share
    ranking = [row for row in rows(bench.folder / "out" / "ranking.tsv") if row["class"] == "TF1"]
    means = {key: float(value) for key, value in table[3].items() if ".f" in key}
    assert [row["filter"] for row in ranking] == sorted(means, key=lambda key: -means[key])
    assert [int(row["rank"]) for row in ranking] == list(range(1, 12))


def test_the_motif_of_a_planted_word(bench: Bench) -> None:
    bench.run(regions=bench.bed(*SITES[:2]))
    out = bench.folder / "out"
    first, _, dead = rows(out / "dna.filters.tsv")
    assert first["best_sequence"] == WORDS[0]
    assert first["consensus"] == WORDS[0]
    assert first["subsequences"] == "2"
    assert first["max_activation"] == "6"
    assert first["threshold"] == "3"
    assert (first["best_chrom"], first["best_start"], first["best_end"]) == ("chr1", "940", "951")
    assert first["best_strand"] == "-"
    assert (dead["subsequences"], dead["max_activation"], dead["best_sequence"]) == ("0", "0", "")
    motifs = {motif.name: motif for motif in read_meme(out / "filters.meme")}
    assert "dna.f2" not in motifs
    assert motifs["dna.f0"].sites == 2
    letters = "".join("ACGT"[row] for row in motifs["dna.f0"].matrix.argmax(axis=0))
    assert letters == WORDS[0]


def test_known_motifs_are_named(bench: Bench) -> None:
    rng = np.random.default_rng(0)
    known = [
        MemeMotif(f"M{i}", rng.dirichlet(np.full(4, 0.3), 10).T, f"NAME{i}") for i in range(40)
    ]
    word = np.array([[float(base == letter) for letter in WORDS[0]] for base in "ACGT"])
    known.append(MemeMotif("M40", 0.97 * word[::-1, ::-1] + 0.01, "PLANTED"))
    path = bench.folder / "known.meme"
    write_meme(path, known)
    run = bench.run(regions=bench.bed(*SITES[:2]), motifs=path)
    out = bench.folder / "out"
    match = run.results.looks_like(FilterKey("dna", 0))
    assert match is not None and match.reverse and match.target.name == "M40"
    assert run.results.matches[2] == ()
    assert rows(out / "dna.filters.tsv")[0]["looks_like"] == "PLANTED (M40)"
    best = rows(out / "matches.tsv")[0]
    assert (best["filter"], best["rank"], best["motif"], best["strand"]) == (
        "dna.f0", "1", "M40", "-",
    )  # fmt: skip
    assert {motif.alternate for motif in read_meme(out / "filters.meme")} >= {"PLANTED"}
    assert "PLANTED" in (out / "filters.html").read_text()
    assert run.record.results["motif_database"] == "known.meme, 41 motifs"


def test_patterns(bench: Bench) -> None:
    run = bench.run(regions=bench.bed(*SITES))
    out = bench.folder / "out"
    table = rows(out / "atac.patterns.tsv")
    assert {row["kind"] for row in table} == {"weight", "patch", "all_lengths"}
    layer, found = run.results.patches["atac"]
    values = {
        (row["filter"], row["kind"], int(row["length_class"]), int(row["offset_bp"])): row["value"]
        for row in table
    }
    assert float(values["atac.f0", "weight", 1, -50]) == pytest.approx(
        layer.kernel[0, 2, 0], rel=1e-5
    )
    mean = found.top[1].patch.mean(axis=0)
    assert float(values["atac.f1", "patch", -1, 50]) == pytest.approx(mean[0, 10], rel=1e-5)
    assert ("atac.f3", "patch", 0, 0) not in values
    assert [row["patches"] for row in rows(out / "cuts.filters.tsv")][3] == "0"
    weights = rows(out / "cuts.weights.tsv")
    assert len(weights) == 4 * 11
    assert float(weights[0]["weight"]) == pytest.approx(
        toy_layers(bench.spec)["cuts"].weight[0, 0, 0], rel=1e-5
    )


def test_everything_is_written_and_recorded(drawn: Bench) -> None:
    notes, bench = Notes(), drawn
    run = bench.run(notes=notes, heads=("TF1", "S1"), top=2)
    out = bench.folder / "out"
    record = json.loads((out / "run.json").read_text())
    on_disk = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert set(record["outputs"]) == on_disk - {"run.json"}
    assert record["kind"] == "filters"
    assert list(record["classes"]) == ["S1", "TF1"]
    assert record["classes"]["TF1"]["completeness"]["maximum"] == 0
    assert len(record["classes"]["TF1"]["top"]) == 2
    assert record["never_active"] == ["dna.f2", "atac.f3", "cuts.f3"]
    assert record["windows"] == len(run.results.windows)
    assert "doi" in record["rules"]["motifs"]
    assert max(notes.stages["scanning"]) == 2 * record["windows"]
    assert max(notes.stages["explaining"]) == sum(i["sites"] for i in record["classes"].values())
    names = [line.split("\t")[3] for line in (out / "sites.bed").read_text().splitlines()]
    assert sum("TF1" in name for name in names) == record["classes"]["TF1"]["sites"]
    assert names.count("sample") >= 8
    for line in (out / "sites.bed").read_text().splitlines():
        chrom, start, end, _ = line.split("\t")
        assert 0 <= int(start) < int(end) <= len(bench.toy.bases[chrom])
    for path in out.rglob("*.svg"):
        ElementTree.fromstring(path.read_text())
    assert {"logos/dna.f0.svg", "patterns/atac.f3.svg", "patterns/cuts.f0.svg"} <= on_disk
    assert "logos/dna.f2.svg" not in on_disk


def test_the_page_stands_alone(bench: Bench) -> None:
    bench.run(top=3)
    text = (bench.folder / "out" / "filters.html").read_text()
    assert "<script" not in text
    assert not re.findall(r'(?:src|href)="(?!#|data:)', text)
    assert "factor &lt;2&gt;" in text
    assert "factor <2>" not in text
    assert "Never active in any of the windows: dna.f2, atac.f3, cuts.f3." in text
    # A symbol for each picture, and none that nothing defines.
    used = set(re.findall(r'<use href="#(filter-[^"]+)"', text))
    assert used and used <= set(re.findall(r'<symbol id="(filter-[^"]+)"', text))
    # TF2 is called nowhere.
    assert "The model calls it nowhere" in text


def test_a_second_run_takes_the_place_of_the_first(bench: Bench) -> None:
    bench.run()
    one = {p: p.read_bytes() for p in (bench.folder / "out").rglob("*") if p.is_file()}
    bench.run()
    for path, content in one.items():
        if path.name != "run.json":
            assert path.read_bytes() == content, path
    bench.run(regions=bench.bed("chr1 3000 3300"), heads=("TF1",))
    assert [row["class"] for row in rows(bench.folder / "out" / "contributions.tsv")] == ["TF1"]


@pytest.mark.parametrize(
    ("inputs", "absent"),
    [
        ((DNA,), "#vplots"),
        ((VPLOT,), "#sequence"),
        ((SIGNAL, VPLOT), "#sequence"),
        ((SHAPE, VPLOT), "#sequence"),
        ((DNA_AND_SHAPE,), "#vplots"),
    ],
)
def test_models_of_any_inputs(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    toy: ToyGenome,
    inputs: tuple[InputSpec, ...],
    absent: str,
) -> None:
    Bench.without_figures(monkeypatch)
    bench = Bench.make(tmp_path, monkeypatch, toy, toy_spec(*inputs))
    run = bench.run(regions=bench.bed(*SITES), method="gradient*input")
    out = bench.folder / "out"
    text = (out / "filters.html").read_text()
    assert f'href="{absent}"' not in text
    assert (out / "filters.meme").is_file() == any(
        item.bases for item in inputs if item.kind == "sequence"
    )
    assert run.record.results["classes"]["TF1"]["completeness"] is None
    for item in inputs:
        assert len(rows(out / f"{item.name}.filters.tsv")) == (3 if item.kind == "sequence" else 4)
    assert ("taken to be average" in text) == (DNA_AND_SHAPE in inputs)
    if SHAPE in inputs:
        weights = rows(out / "dna.weights.tsv")
        assert [row["row"] for row in weights[:22]] == ["MGW"] * 11 + ["Roll"] * 11
        assert "dna.f0" in run.record.results["classes"]["TF1"]["top"]


def test_a_stretch_of_n_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    genome = toy_genome({"chr1": 2000})
    genome.bases["chr1"][:] = ord("N")
    Bench.without_figures(monkeypatch)
    bench = Bench.make(tmp_path, monkeypatch, genome)
    run = bench.run(regions=bench.bed("chr1 900 1000"))
    assert [str(key) for key in run.results.dead()[:3]] == ["dna.f0", "dna.f1", "dna.f2"]
    assert not (bench.folder / "out" / "filters.meme").exists()


def fails(bench: Bench, kind: type[Exception], match: str, **more: Any) -> None:
    with pytest.raises(kind, match=match):
        bench.run(**more)
    assert not (bench.folder / "out").exists()


def test_mistakes(bench: Bench) -> None:
    fails(bench, InputError, r"no label 'CTCF'; it has S0, .*H3", heads=("CTCF",))
    fails(bench, InputError, "sites.bed is empty", regions=bench.bed())
    fails(bench, InputError, "chr99", regions=bench.bed("chr99 1 2"))
    sites = bench.bed("chr1 1000 1001")
    fails(
        bench,
        InputError,
        r"each of its sites \(1\) lies within 300 bp of a region of .*exclude.bed",
        regions=sites,
        exclude=bench.bed("chr1 1100 1101", name="exclude.bed"),
    )
    fails(bench, InputError, r"--jaspar .bacteria. is not one of fungi", jaspar="bacteria")
    fails(bench, InputError, "either --motifs or --jaspar", motifs=sites, jaspar="fungi")
    fails(
        bench,
        InputError,
        "there is no site to look at",
        exclude=bench.bed(*(f"{c} 0 {n}" for c, n in bench.toy.sizes.items()), name="all.bed"),
    )


def test_another_commands_folder_is_refused(bench: Bench) -> None:
    out = bench.folder / "out"
    out.mkdir()
    write_record(out, "explain", outputs=["kept"])
    (out / "kept").write_text("")
    match = "results of `chromputer explain`, which `chromputer filters` would replace"
    with pytest.raises(OutputError, match=match):
        bench.run()
    assert (out / "kept").exists()


def test_few_known_motifs_are_warned_of(bench: Bench) -> None:
    path, notes = bench.folder / "few.meme", Notes()
    uniform = np.full((4, 8), 0.25)
    write_meme(path, [MemeMotif("M1", uniform), MemeMotif("M2", uniform)])
    bench.run(notes=notes, regions=bench.bed(*SITES[:1]), motifs=path)
    assert any("has 2 motifs: with fewer than 25" in line for line in notes.lines)
