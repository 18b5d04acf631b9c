"""Which sites are explained: summits, pieces, calls, and the strongest of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyBigWig
import pytest
from explain_run import Bench, Notes, explained_spec
from hypothesis import given
from hypothesis import strategies as st
from toy_genome import LENGTHS, ToyGenome, toy_genome

from chromputer_tracks.errors import BoundsError, ContigError, InputError
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.bed import read_bed
from chromputer_tracks.io.contributions import Site, read_contributions
from chromputer_tracks.options.fields import SampleFiles
from chromputer_tracks.options.predict import PredictOptions
from chromputer_tracks.tracks.explain.sites import Candidates, region_sites
from chromputer_tracks.tracks.predict import predict_tracks

SIZES = ChromSizes({"chr1": 10_000, "chr2": 5_000}, "g.fa")


@pytest.fixture(scope="module")
def toy() -> ToyGenome:
    return toy_genome()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy: ToyGenome) -> Bench:
    return Bench.make(tmp_path, monkeypatch, toy)


def bed(folder: Path, *lines: str) -> Path:
    path = folder / "a.bed"
    path.write_text("".join("\t".join(line.split()) + "\n" for line in lines))
    return path


def test_summits_of_narrow_peaks(tmp_path: Path) -> None:
    path = bed(
        tmp_path,
        "chr1 100 300 p1 2500 . 7.5 -1 -1 20",
        "chr1 400 500 p2 10 - 9.5 -1 -1 -1",
    )
    found = region_sites(path, SIZES)
    assert found.sites == [
        Site("chr1", 120, 100, 300, "p1", 2500, "."),
        Site("chr1", 450, 400, 500, "p2", 10, "-"),
    ]
    assert found.strength.tolist() == [7.5, 9.5]


def test_thick_parts_of_bed9(tmp_path: Path) -> None:
    path = bed(
        tmp_path,
        "chr1 100 300 part 5 + 110 160 0",
        "chr1 100 300 whole 6 + 100 300 0",
        "chr1 100 300 none 7 + 100 100 0",
        "chr1 100 301 end 8 + 300 301 0",
    )
    table = read_bed(path, SIZES)
    assert table.thick is not None
    assert table.thick[0].tolist() == [110, 100, 100, 300]
    assert table.thick[1].tolist() == [160, 300, 100, 301]
    found = region_sites(path, SIZES)
    assert [site.centre for site in found.sites] == [135, 200, 200, 300]
    assert found.strength.tolist() == [5, 6, 7, 8]


def test_middles_of_plain_regions(tmp_path: Path) -> None:
    found = region_sites(bed(tmp_path, "chr2 0 5", "chr2 0 4", "chr1 7 8"), SIZES)
    assert found.sites == [
        Site("chr2", 2, 0, 5),
        Site("chr2", 2, 0, 4),
        Site("chr1", 7, 7, 8),
    ]
    assert found.strength.tolist() == [0, 0, 0]
    assert read_bed(bed(tmp_path, "chr2 0 5")).thick is None


def test_what_is_no_score_counts_as_none(tmp_path: Path) -> None:
    path = bed(
        tmp_path,
        "chr1 100 101 YAL068C 03_TFO -",
        "chr1 200 201 . . +",
        "chr1 300 301 b 1200.5 .",
        "chr1 400 401 c -3 +",
    )
    found = region_sites(path, SIZES)
    assert found.sites == [
        Site("chr1", 100, 100, 101, "YAL068C", 0, "-"),
        Site("chr1", 200, 200, 201, ".", 0, "+"),
        Site("chr1", 300, 300, 301, "b", 1200.5, "."),
        Site("chr1", 400, 400, 401, "c", 0, "+"),
    ]
    assert found.strength.tolist() == [0, 0, 1200.5, -3]


@given(
    regions=st.lists(st.tuples(st.integers(0, 4000), st.integers(1, 900)), min_size=1, max_size=5),
    step=st.integers(1, 300),
)
def test_steps_cut_a_region_into_pieces(
    tmp_path_factory: pytest.TempPathFactory, regions: list[tuple[int, int]], step: int
) -> None:
    folder = tmp_path_factory.mktemp("steps")
    path = bed(folder, *(f"chr2 {s} {s + n} r{i} 3" for i, (s, n) in enumerate(regions)))
    found = region_sites(path, SIZES, step=step).sites
    for i, (start, length) in enumerate(regions):
        pieces = [site for site in found if site.name == f"r{i}"]
        assert [b for site in pieces for b in range(site.start, site.end)] == [
            *range(start, start + length)
        ]
        assert all(site.end - site.start == step for site in pieces[:-1])
        assert all(site.centre == (site.start + site.end) // 2 for site in pieces)


def test_only_sites_centred_in_the_places_asked_for(tmp_path: Path) -> None:
    path = bed(tmp_path, "chr1 0 100 a", "chr1 90 112 b", "chr1 100 120 c", "chr2 100 120 d")
    within = [Interval("chr1", 101, 110), Interval("chr1", 30, 51)]
    assert [site.name for site in region_sites(path, SIZES, within).sites] == ["a", "b"]
    with pytest.raises(InputError, match=r"a.bed: none of its 4 regions is centred in chr2:1-50"):
        region_sites(path, SIZES, [Interval("chr2", 0, 50)])


@pytest.mark.parametrize("text", ["", "\n", "# only a comment\n", "track name=x\n"])
def test_an_empty_bed_is_an_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "empty.bed"
    path.write_text(text)
    with pytest.raises(InputError, match=r"empty.bed is empty: .*give a BED .* or --calls"):
        region_sites(path, SIZES)


def test_regions_that_do_not_fit_the_genome(tmp_path: Path) -> None:
    with pytest.raises(ContigError, match=r"a.bed: '2' not in g.fa; g.fa has 'chr2'"):
        region_sites(bed(tmp_path, "2 0 10"), SIZES)
    with pytest.raises(BoundsError, match=r"a.bed line 1: column 3 \(5001\) ends past chr2"):
        region_sites(bed(tmp_path, "chr2 0 5001"), SIZES)


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9), st.integers(0, 3))),
    st.one_of(st.none(), st.integers(1, 12)),
    st.randoms(),
)
def test_the_strongest_do_not_depend_on_the_order(rows, limit, random) -> None:
    def chosen() -> list[Site]:
        sites = [Site(chrom, at, at, at + 1, f"{at}/{score}") for chrom, at, score in rows]
        scores = np.array([score for _, _, score in rows], dtype=float)
        return Candidates(sites, scores).strongest(limit, 5)

    first = chosen()
    assert first == sorted(first)
    assert len(first) == (len(rows) if limit is None else min(limit, len(rows)))
    taken = sorted((int(site.name.split("/")[1]) for site in first), reverse=True)
    assert taken == sorted((score for *_, score in rows), reverse=True)[: len(taken)]
    random.shuffle(rows)
    assert chosen() == first


def test_which_of_equally_strong_sites_is_drawn_by_the_seed() -> None:
    sites = [Site("a", at, at, at + 1) for at in range(200)]
    found = Candidates(sites, np.zeros(200))
    drawn = [found.strongest(20, seed) for seed in range(3)]
    assert drawn[0] != drawn[1] != drawn[2]
    assert found.strongest(20, 0) == drawn[0]
    assert max(site.centre for site in drawn[0]) > 100


def predicted(bench: Bench, chroms: tuple[str, ...]) -> Path:
    out = bench.folder / "predicted"
    where = bench.folder / "input"
    files = SampleFiles(where / "toy.fa", where / "toy.fragments.tsv.gz")
    options = PredictOptions(
        model=where / "tiny", sample=files, out=out, chroms=chroms, provider="cpu", threads=1
    )
    predict_tracks(options, Notes())
    return out


@pytest.mark.parametrize("chroms", [(), ("chr2:101-3,000", "chr10")])
def test_calls_are_those_of_predict(bench: Bench, chroms: tuple[str, ...]) -> None:
    out = predicted(bench, chroms)
    bench.run(heads=("TF1", "TF2", "S1"), chroms=chroms)
    for name in ("TF1", "TF2"):
        calls = read_bed(out / "factors" / f"{name}.bed")
        assert calls.thick is not None
        assert calls.scores is not None
        rows = sorted(
            (record.chrom, (int(first) + int(last)) // 2, record.start, record.end, score)
            for record, first, last, score in zip(calls, *calls.thick, calls.scores, strict=True)
        )
        found = read_contributions(bench.folder / "out" / name)
        scores = found.sites.scores
        sites = [(s.chrom, s.start, s.end, x) for s, x in zip(found.sites, scores, strict=True)]
        assert sites == [(chrom, start, end, score) for chrom, _, start, end, score in rows]
        assert (found.start + found.window // 2).tolist() == [centre for _, centre, *_ in rows]
        assert len(found) > 3


def test_a_state_s_sites_are_its_segments_at_their_best_bins(bench: Bench) -> None:
    out = predicted(bench, ())
    bench.run(heads=("S1",))
    segments = [record for record in read_bed(out / "states.bed") if record.name == "S1"]
    found = read_contributions(bench.folder / "out" / "S1")
    rows = list(found.sites)
    assert sorted((r.chrom, r.start, r.end) for r in rows) == sorted(
        (r.chrom, r.start, r.end) for r in segments
    )
    with pyBigWig.open(str(out / "states" / "S1.bw")) as file:
        for row, start, score in zip(rows, found.start.tolist(), found.sites.scores, strict=True):
            values = file.values(row.chrom, row.start, row.end, numpy=True)
            centre = start + found.window // 2
            assert values[centre - row.start] == values.max()
            best = int(values.argmax()) + row.start
            assert centre == (best + min(best + 50, LENGTHS[row.chrom])) // 2
            assert score == round(1000 * values.max())


def test_the_highest_calls(bench: Bench) -> None:
    result = bench.run("all", heads=("TF1",))
    every = sorted(read_contributions(bench.folder / "all" / "TF1").sites.scores)
    bench.run("few", heads=("TF1",), max_sites=3)
    few = read_contributions(bench.folder / "few" / "TF1")
    assert sorted(few.sites.scores) == every[-3:]
    assert result.record.results["labels"]["TF1"]["candidates"] == len(every)


def test_what_has_no_calls(bench: Bench) -> None:
    with pytest.raises(InputError, match="H3 is a signal, which has no calls"):
        bench.run(heads=("TF1", "H3"))
    with pytest.raises(InputError, match="--step cuts the regions of --regions"):
        bench.run(step=50)


def test_a_label_without_a_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy: ToyGenome
) -> None:
    states, factors, _ = explained_spec().heads
    never = replace(factors, labels=(replace(factors.labels[0], threshold=1.0),))
    bench = Bench.make(tmp_path, monkeypatch, toy, explained_spec(heads=(states, never)))
    with pytest.raises(InputError, match="TF1 has no call in the 1,037 bp predicted; .*--regions"):
        bench.run(chroms=("tiny", "chr10"))
    assert not (tmp_path / "out").exists()


def test_labels_that_do_not_exist_are_refused_with_the_list(bench: Bench) -> None:
    with pytest.raises(
        InputError, match="model tiny has no label 'Reb1'; it has S0, S1, S2, TF1, TF2, H3"
    ):
        bench.run(heads=("TF1", "Reb1"), regions=bench.bed("chr1 0 10"))
    with pytest.raises(InputError, match="no label to explain: name one of S0, .* with --label"):
        bench.run(heads=())


def test_pieces_of_regions_are_explained(bench: Bench) -> None:
    bench.run(regions=bench.bed("chr1 1000 2010 long"), step=250)
    found = read_contributions(bench.folder / "out" / "TF1")
    assert [(s.start, s.end) for s in found.sites] == [
        (1000, 1250),
        (1250, 1500),
        (1500, 1750),
        (1750, 2000),
        (2000, 2010),
    ]
    assert (found.start + 150).tolist() == [1125, 1375, 1625, 1875, 2005]
