"""``chromputer explain`` from the command line: options, messages, exit codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from explain_run import Bench, FakeExplainer
from toy_genome import ToyGenome, toy_genome
from typer.testing import CliRunner, Result

from chromputer_tracks.cli import explain as command
from chromputer_tracks.cli.main import app
from chromputer_tracks.errors import DependencyError
from chromputer_tracks.options.explain import ExplainOptions


@pytest.fixture(scope="module")
def toy() -> ToyGenome:
    return toy_genome()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy: ToyGenome) -> Bench:
    return Bench.make(tmp_path, monkeypatch, toy)


def invoke(bench: Bench, *more: str) -> Result:
    where = bench.folder / "input"
    args = ["explain", str(where / "tiny"), "--fasta", str(where / "toy.fa")]
    args += ["--fragments", str(where / "toy.fragments.tsv.gz"), "--out", str(bench.folder / "out")]
    return CliRunner().invoke(app, [*args, "--provider", "cpu", *more])


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[ExplainOptions]:
    """The options that reach the library, which is not run."""
    seen: list[ExplainOptions] = []

    def remembers(options: ExplainOptions, report: Any) -> None:
        seen.append(options)
        raise DependencyError("not run")

    monkeypatch.setattr("chromputer_tracks.tracks.explain.run.explain_tracks", remembers)
    return seen


def test_a_run_and_its_summary(bench: Bench) -> None:
    bench.use(FakeExplainer(bench.spec, error=1e-5))
    regions = str(bench.bed("chr1 100 200 a 5", "chr1 2000 2100 b 6"))
    result = invoke(bench, "--regions", regions, "--label", "TF1", "--label", "S1", "--images", "0")
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert "TF1: 2 sites" in lines
    assert "explaining S1: 100%, 2 of 2 sites" in lines
    (row,) = [line for line in lines if line.startswith("│ TF1")]
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    assert cells[1] == "2"
    shares = [float(cell.rstrip("%")) for cell in cells[3:7]]
    assert sum(shares) == pytest.approx(100, abs=0.3)
    assert cells[7:] == ["1.0e-05", "1.0e-05"]
    assert "4 sites explained in" in lines[-1]
    names = {path.name for path in (bench.folder / "out").iterdir()}
    assert names == {"TF1", "S1", "run.json"}


def test_gradient_times_input_shows_no_error(bench: Bench) -> None:
    regions = str(bench.bed("chr1 100 200 a 5"))
    result = invoke(
        bench, "--regions", regions, "--label", "TF1", "--images", "0", "--method", "gradient*input"
    )
    assert result.exit_code == 0, result.output
    assert "error" not in result.stderr
    assert "\n1 site explained in" in result.stderr


def test_the_strongest_are_announced(bench: Bench) -> None:
    plain = str(bench.bed("chr1 100 200", "chr1 300 400", "chr1 900 950"))
    options = ("--label", "TF1", "--images", "0", "--max-sites", "2")
    result = invoke(bench, "--regions", plain, *options)
    assert "TF1: 2 of 3 sites, drawn at random, as they have no score" in result.stderr
    result = invoke(bench, "--calls", *options)
    assert ("TF1: 2 of " in result.stderr) and (" calls, the strongest" in result.stderr)


def test_every_option_reaches_the_library(bench: Bench, asked: list[ExplainOptions]) -> None:
    invoke(bench, "--calls", "--label", "TF1")
    invoke(
        bench,
        *("--regions", "a.bed", "--label", "all", "--label", "S1", "--chrom", "chr1", "--chrom"),
        *("chr2:1-50", "--max-sites", "7", "--step", "25", "--method", "gradient*input"),
        *("--references", "3", "--seed", "9", "--baseline", "mean", "--merge", "max", "--images"),
        *("2", "--threads", "2", "--min-mapq", "5", "--force"),
    )
    default, full = asked
    assert default.regions is None
    assert default.heads == ("TF1",)
    assert (default.method, default.references, default.seed) == ("deeplift", 20, 0)
    assert (default.baseline, default.merge, default.images) == ("zero", "centre", 6)
    assert (default.step, default.max_sites, default.chroms) == (None, None, ())
    assert full.regions == Path("a.bed")
    assert full.heads == ("all", "S1")
    assert full.chroms == ("chr1", "chr2:1-50")
    assert (full.max_sites, full.step, full.method) == (7, 25, "gradient*input")
    assert (full.references, full.seed, full.baseline, full.merge) == (3, 9, "mean", "max")
    assert (full.images, full.threads, full.force) == (2, 2, True)
    assert full.sample.fragment_options.min_mapq == 5
    assert full.command[0] == "chromputer"


@pytest.mark.parametrize("more", [(), ("--calls", "--regions", "a.bed")])
def test_sites_come_from_one_source(
    bench: Bench, asked: list[ExplainOptions], more: tuple[str, ...]
) -> None:
    result = invoke(bench, "--label", "TF1", *more)
    assert result.exit_code == 2
    assert "give either --regions BED or --calls" in " ".join(result.stderr.split())
    assert not asked


@pytest.mark.parametrize(
    "more",
    [
        ("--method", "shap"),
        ("--references", "0"),
        ("--seed", "-1"),
        ("--max-sites", "0"),
        ("--step", "0"),
        ("--merge", "sum"),
    ],
)
def test_impossible_values_are_usage_errors(bench: Bench, more: tuple[str, ...]) -> None:
    assert invoke(bench, "--calls", "--label", "TF1", *more).exit_code == 2


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--calls", "--label", "Reb1"), "no label 'Reb1'; it has S0, S1, S2, TF1, TF2, H3"),
        (("--regions", "EMPTY", "--label", "TF1"), "empty.bed is empty"),
        (("--regions", "OTHER", "--label", "TF1"), "other.bed: '1' not in"),
        (("--regions", "GOOD", "--label", "TF1", "--chrom", "chr2"), "none of its 1 regions"),
        (("--calls", "--label", "TF1", "--chrom", "chrX"), "contig 'chrX' is not in"),
    ],
)
def test_user_errors_are_one_message(bench: Bench, more: tuple[str, ...], message: str) -> None:
    files = {
        "EMPTY": bench.bed(name="empty.bed"),
        "OTHER": bench.bed("1 5 10", name="other.bed"),
        "GOOD": bench.bed("chr1 5 10"),
    }
    result = invoke(bench, *(str(files.get(word, word)) for word in more))
    assert result.exit_code == 1
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert message in last
    assert not (bench.folder / "out").exists()


def test_a_model_that_cannot_be_explained(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from chromputer_tracks.inference.explain import explainer_of

    monkeypatch.setattr("chromputer_tracks.tracks.explain.run.explainer_of", explainer_of)
    (bench.folder / "input" / "tiny" / "explain.onnx").unlink()
    result = invoke(bench, "--calls", "--label", "TF1", "--images", "0")
    assert result.exit_code == 1
    assert "explain.onnx is not there" in result.stderr
    assert not (bench.folder / "out").exists()


def test_pictures_need_what_draws_them(
    bench: Bench, asked: list[ExplainOptions], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(what: str, modules: Any, extra: str) -> None:
        assert (modules, extra) == (("logomaker", "matplotlib"), "analysis")
        raise DependencyError(f"{what} needs logomaker")

    monkeypatch.setattr(command, "require", missing)
    result = invoke(bench, "--calls", "--label", "TF1")
    assert "note: no pictures of sites: drawing sites (--images) needs logomaker" in result.stderr
    assert [options.images for options in asked] == [0]
    result = invoke(bench, "--calls", "--label", "TF1", "--images", "3")
    assert result.exit_code == 1
    assert "error: drawing sites (--images) needs logomaker" in result.stderr
    invoke(bench, "--calls", "--label", "TF1", "--images", "0")
    assert len(asked) == 2
