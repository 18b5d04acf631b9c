"""Contributions and V-plots as arrays, with the shipped model and the yeast example."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from fragment_files import open_in
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import chromputer_tracks as ct
from chromputer_tracks.cli.main import app
from chromputer_tracks.data.features import Features
from chromputer_tracks.inference.explain import head_weights, mean_baselines, open_explainer
from chromputer_tracks.io.contributions import read_contributions

WINDOW = 2000


@pytest.fixture(scope="module")
def model() -> ct.Model:
    return ct.load_model("yeast-atac")


@pytest.fixture(scope="module")
def genome(example: Path) -> Iterator[ct.Fasta]:
    with ct.open_genome(example / "sacCer3.fa.gz") as fasta:
        yield fasta


@pytest.fixture(scope="module")
def fragments(example: Path, genome: ct.Fasta) -> Iterator[ct.FragmentStore]:
    with ct.open_fragments(example / "atac.fragments.tsv.gz", genome) as store:
        yield store


@pytest.mark.parametrize("baseline", ["zero", "mean"])
@pytest.mark.parametrize("method", ["deeplift", "gradient*input"])
def test_contributions_are_the_explainers(model, genome, fragments, method, baseline):
    regions = [
        ct.Interval("chrVII", 40_000, 40_201),
        "chrI:1-100",
        ct.Interval("chrII", 70, 79),
        "chrVII:500,001-500,002",
    ]
    found = ct.explain(
        model,
        "Reb1",
        fasta=genome,
        fragments=fragments,
        regions=regions,
        method=method,
        references=7,
        baseline=baseline,
        seed=3,
        provider="cpu",
        threads=2,
    )
    centres = (("chrVII", 40_100), ("chrI", 50), ("chrII", 74), ("chrVII", 500_001))
    windows = [ct.Interval(chrom, at - 1000, at + 1000) for chrom, at in centres]
    assert found.label == "Reb1"
    assert list(found.windows) == windows
    features = Features(model.spec.inputs, genome, {"atac": fragments})
    explainer = open_explainer(model, method, references=7, seed=3, provider="cpu", threads=1)
    if baseline == "mean":
        means = mean_baselines(model.spec, features, genome.sizes)
        explainer = explainer.with_baselines(means)
    weights = head_weights(model.spec, "Reb1")
    # One window at a time, where the interface ran batches.
    for row, window in enumerate(windows):
        arrays = features.arrays(window)
        for name, values in arrays.items():
            np.testing.assert_array_equal(found.arrays[name][row], values)
        batch = {name: values[None] for name, values in arrays.items()}
        one = explainer.explain(batch, weights, [window])
        for item in fields(ct.Contributions):
            theirs, ours = getattr(one, item.name), getattr(found.contributions, item.name)
            if theirs is None:
                assert ours is None
            elif isinstance(theirs, dict):
                assert theirs.keys() == ours.keys()
                for name, values in theirs.items():
                    np.testing.assert_allclose(ours[name][row], values[0], rtol=1e-4, atol=1e-5)
            else:
                np.testing.assert_allclose(ours[row], theirs[0], rtol=1e-4, atol=1e-5)
    if method == "deeplift":
        difference = found.contributions.difference
        np.testing.assert_allclose(found.contributions.total(), difference, atol=1e-3)


@pytest.mark.parametrize("method", ["deeplift", "gradient*input"])
def test_contributions_are_those_that_the_command_writes(
    model, example, genome, fragments, tmp_path, method
):
    bed = tmp_path / "sites.bed"
    bed.write_text("chrII\t50\t51\nchrVII\t40000\t40201\nchrXIII\t195900\t195950\n")
    options = {"references": 3, "seed": 5, "baseline": "mean", "threads": 1, "provider": "cpu"}
    args = ["explain", "yeast-atac", "--label", "Reb1", "--images", "0", "--method", method]
    args += ["--fasta", str(genome.path), "--fragments", str(example / "atac.fragments.tsv.gz")]
    args += ["--regions", str(bed), "--out", str(tmp_path / "out")]
    args += [part for name, value in options.items() for part in (f"--{name}", str(value))]
    result = CliRunner().invoke(app, args)
    assert result.exit_code == 0, result.output
    written = read_contributions(tmp_path / "out" / "Reb1")
    found = ct.explain(
        model, "Reb1", fasta=genome, fragments=fragments, regions=bed, method=method, **options
    )
    ours = found.contributions
    places = zip(written.chrom.tolist(), written.start.tolist(), strict=True)
    assert [(place.chrom, place.start) for place in found.windows] == list(places)
    np.testing.assert_array_equal(found.arrays["sequence"], written.sequences())
    np.testing.assert_array_equal(found.arrays["vplot"], written.values("vplot"))
    for mine, theirs in (
        (ours.hypothetical, written.hypothetical()),
        (ours.sequence, written.importance()),
        (ours.inputs["vplot"], written.contributions("vplot")),
        (ours.filters["vplot"], written.filter_contributions("vplot")),
        (ours.logit, written.logit),
        (ours.difference, written.difference),
        (ours.total(), written.total),
    ):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)


def test_a_cell_that_ends_with_an_explanation_shows_a_line(model, genome, fragments):
    def shown(*regions: str) -> str:
        return repr(
            ct.explain(
                model,
                "Reb1",
                fasta=genome,
                fragments=fragments,
                regions=regions,
                method="gradient*input",
                provider="cpu",
            )
        )

    assert shown("chrI:1-9") == (
        "<Explanation of Reb1 at 1 window: sequence (1, 4, 2000), vplot (1, 16, 200)>"
    )
    assert "2 windows: sequence (2, 4, 2000)" in shown("chrI:1-9", "chrM")


def test_what_is_open_shows_a_line(model, genome, fragments):
    for item, words in (
        (model, "<Model yeast-atac of sacCer3: sequence, vplot of 2,000 bp to states (8), bin"),
        (genome, f"<Fasta {genome.path}: 17 contigs, 12,157,105 bp>"),
        (genome.sizes, f"<ChromSizes of {genome.path}: 17 contigs, 12,157,105 bp>"),
        (fragments, f"<FragmentStore of {fragments.summary.path}: {fragments.total:,} fragments>"),
    ):
        assert repr(item).startswith(words)
        assert "\n" not in repr(item)
        assert len(repr(item)) < len(words) + 200
    # Not all of its metrics.
    assert len(repr(model.spec)) < 5_000


def test_windows_are_centred_as_the_command_centres_them(model, genome, fragments, tmp_path):
    """On the summit of a narrowPeak, on the thick part of a BED9."""
    peaks = tmp_path / "sites.narrowPeak"
    peaks.write_text("chrII\t5000\t6000\ta\t0\t.\t5\t-1\t-1\t300\n")
    calls = tmp_path / "calls.bed"
    calls.write_text("chrII\t5000\t6000\ta\t0\t.\t5850\t5900\t0,0,0\n")
    for path, centre in ((peaks, 5300), (str(calls), 5875)):
        found = ct.explain(
            model,
            "S2",
            fasta=genome,
            fragments=fragments,
            regions=path,
            method="gradient*input",
            provider="cpu",
        )
        assert found.windows == (ct.Interval("chrII", centre - 1000, centre + 1000),)


@pytest.mark.parametrize(
    ("label", "options", "message"),
    [
        ("Reb2", {}, "has no label 'Reb2'; did you mean 'Reb1'\\? It has S1, .*Reb1"),
        ("Reb1", {"method": "lime"}, "method 'lime' is not one of deeplift"),
        ("Reb1", {"baseline": "median"}, "baseline 'median' is not one of zero, mean"),
        ("Reb1", {"references": 0}, "references 0 must be at least 1"),
        ("Reb1", {"regions": []}, "no region"),
        ("Reb1", {"fragments": None}, "reads atac fragments: give a BAM"),
    ],
)
def test_what_cannot_be_explained(model, genome, fragments, label, options, message):
    given = {"fasta": genome, "fragments": fragments, "regions": "chrI:1-9", **options}
    with pytest.raises(ct.InputError, match=message):
        ct.explain(model, label, **given)


@given(
    start=st.integers(-500, 3000),
    bins=st.integers(1, 60),
    bin_size=st.integers(1, 30),
    edges=st.lists(st.integers(0, 500), min_size=2, max_size=6, unique=True).map(sorted),
)
def test_vplots_count_fragments(fragments, start, bins, bin_size, edges):
    interval = ct.Interval("chrI", start, start + bins * bin_size)
    found = ct.vplot(fragments, interval, bin_size=bin_size, length_edges=tuple(edges))
    counted = np.zeros((len(edges) - 1, bins), dtype=np.float32)
    everything = fragments.fetch(ct.Interval("chrI", 0, fragments.sizes["chrI"]))
    for first, last in zip(*(column[:400].tolist() for column in everything), strict=True):
        place = (first + last) // 2 - start
        for row, (low, high) in enumerate(zip(edges, edges[1:], strict=False)):
            if low <= last - first < high and 0 <= place < bins * bin_size:
                counted[row, place // bin_size] += 1
    assert everything.starts[400] > 7000
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, counted)


def test_vplots_of_a_region_and_what_is_refused(fragments):
    plain = ct.vplot(fragments, "chrI:1,001-3,000")
    assert plain.shape == (16, 200)
    np.testing.assert_array_equal(plain, ct.vplot(fragments, ct.Interval("chrI", 1000, 3000)))
    for message, options in (
        ("is 2,000 bp, which is not a multiple of bins of 300 bp", {"bin_size": 300}),
        ("not a multiple of bins of 0 bp", {"bin_size": 0}),
        ("length_edges must be at least two that ascend", {"length_edges": (50,)}),
        ("length_edges must be at least two that ascend", {"length_edges": (50, 50)}),
    ):
        with pytest.raises(ct.InputError, match=message):
            ct.vplot(fragments, "chrI:1,001-3,000", **options)
    with pytest.raises(ct.ContigError, match="'chrXX' is not in"):
        ct.vplot(fragments, "chrXX:1-10")
    with pytest.raises(ct.InputError, match="fragments: give what open_fragments returns, .* str"):
        ct.vplot("atac.bam", "chrI:1-10")
    with pytest.raises(ct.InputError, match=r"interval: \('chrI', 0, 10\) is no region"):
        ct.vplot(fragments, ("chrI", 0, 10))


def test_options_say_which_fragments_count(example, genome, tmp_path):
    path = example / "atac.fragments.tsv.gz"
    options = ct.FragmentOptions(exclude=("chrI",))
    with ct.open_fragments(
        str(path), str(example / "sacCer3.fa.gz"), options, scratch=str(tmp_path)
    ) as store:
        assert open_in(tmp_path)
        assert not store.counts["chrI"]
        assert store.total == store.summary.kept > 200_000
    del store  # what is mapped stays readable as long as it is there
    assert not open_in(tmp_path)
