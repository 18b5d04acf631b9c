"""``chromputer vplot`` from the command line: pictures, their numbers, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from predict_command import toy_inputs
from toy_genome import ToyGenome, toy_genome
from typer.testing import CliRunner, Result
from vplot_toy import LinearExplainer, VplotNumbers, read_numbers, write_explained

from chromputer_tracks.analysis.vplots import run as vplot_run
from chromputer_tracks.cli.main import app
from chromputer_tracks.inference.session import open_session

SITES = "chr1\t1000\t1001\ta\tx\t+\nchr1\t3000\t3001\tb\ty\t-\nchr2\t2000\t2001\ta\tx\t.\n"
STATES = "chr1\t0\t6000\tS2\nchr2\t0\t1000\tS0\nchr2\t1000\t4321\tS2\n"


@dataclass(frozen=True)
class Files:
    """Toy files, and a folder to draw into."""

    inputs: dict[str, Path]
    sites: Path
    states: Path
    out: Path
    toy: ToyGenome

    def run(self, *more: str, out: str = "x.png", sample: bool = True) -> Result:
        args = ["vplot", "--out", str(self.out / out)]
        if sample:
            for name in ("fasta", "fragments"):
                args += [f"--{name}", str(self.inputs[name])]
        return CliRunner().invoke(app, [*args, *more])

    def draw(self, *more: str, out: str = "x.png", sample: bool = True) -> VplotNumbers:
        """The numbers of a run that succeeds."""
        result = self.run(*more, out=out, sample=sample)
        assert result.exit_code == 0, result.output
        assert result.stdout == ""
        stem = self.out / Path(out).stem
        assert (self.out / out).stat().st_size > 3000
        return read_numbers(stem.with_suffix(".tsv"))

    def fails(self, *more: str, out: str = "x.png", sample: bool = True) -> str:
        """The message of a run that fails cleanly."""
        result = self.run(*more, out=out, sample=sample)
        assert result.exit_code == 1, result.output
        assert not list(self.out.iterdir())
        message = result.stderr.strip().splitlines()[-1]
        assert message.startswith("error: ")
        return message

    def record(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.out / "x.json").read_text())
        return found


@pytest.fixture
def files(tmp_path: Path) -> Files:
    toy = toy_genome()
    inputs = toy_inputs(tmp_path, toy)
    for name, text in (("sites.bed", SITES), ("states.bed", STATES)):
        (tmp_path / name).write_text(text)
    (tmp_path / "drawn").mkdir()
    return Files(
        inputs, tmp_path / "sites.bed", tmp_path / "states.bed", tmp_path / "drawn", toy
    )  # fmt: skip


def count(toy: ToyGenome, chrom: str, start: int, end: int, low: int, high: int) -> int:
    """Fragments with their midpoint in [start, end) and a length in [low, high)."""
    starts, ends = toy.starts[chrom], toy.ends[chrom]
    middle, length = (starts + ends) // 2, ends - starts
    inside = (middle >= start) & (middle < end) & (length >= low) & (length < high)
    return int(inside.sum())


def test_any_bed(files: Files) -> None:
    found = files.draw("--regions", str(files.sites), "--by", "name", "--lengths", "20,150,400",
                       "--window", "400", "--bin", "200")  # fmt: skip
    assert found.edges == (20, 150, 400)
    assert found.positions == (-200, 0, 200)
    assert found.sites == {"a": 2, "b": 1}
    toy = files.toy
    for row, (low, high) in enumerate([(20, 150), (150, 400)]):
        # b lies on the - strand: what is right of its base comes first.
        expected = [
            count(toy, "chr1", 3001, 3201, low, high),
            count(toy, "chr1", 2801, 3001, low, high),
        ]
        assert found.images["b", "fragments"][row].tolist() == expected
        left = count(toy, "chr1", 800, 1000, low, high) + count(toy, "chr2", 1800, 2000, low, high)
        assert found.images["a", "fragments"][row, 0] == left / 2
    record = files.record()
    assert record["classes"] == [
        {"name": "a", "title": "a", "sites": 2},
        {"name": "b", "title": "b", "sites": 1},
    ]
    assert set(record["inputs"]) == {"regions", "fasta", "fragments"}
    assert record["options"]["edges"] == [20, 150, 400]
    assert record["options"]["min_mapq"] == 30


def test_the_title_of_one_class_is_the_file_s_name_or_the_given(files: Files) -> None:
    files.draw("--regions", str(files.sites), "--centre", "start", out="x.svg")
    text = (files.out / "x.svg").read_text()
    assert ">sites<" in text
    assert "3 sites" in text
    assert "bp from the start" in text
    files.draw("--regions", str(files.sites), "--title", "My sites", "--zero", "TSS", out="x.svg")
    text = (files.out / "x.svg").read_text()
    assert "My sites" in text
    assert "bp from the TSS" in text


def test_backgrounds_and_normalisations(files: Files) -> None:
    regions = ("--regions", str(files.sites), "--window", "400")
    found = files.draw(*regions, "--background", "random", "--seed", "3", "--prior", "2")
    assert {quantity for _, quantity in found.images} == {"fragments", "log2_ratio"}
    again = files.draw(*regions, "--background", "random", "--seed", "3", "--prior", "2")
    for key, image in found.images.items():
        np.testing.assert_array_equal(image, again.images[key])
    found = files.draw(*regions, "--normalise", "depth", "--background", str(files.sites),
                       "--compare", "difference")  # fmt: skip
    assert not found.images["all", "fragments_per_million_difference"].any()
    assert "background" in files.record()["inputs"]
    found = files.draw(*regions, "--normalise", "lengths")
    assert found.images["all", "fold"].min() > 0
    found = files.draw(
        *regions, "--normalise", "model", "--model", str(files.inputs["model"]), "--chrom", "chr2"
    )
    assert found.edges == (1, 100, 200, 400)
    assert found.sites == {"all": 1}
    assert found.images["all", "input"].any()


def test_a_locus(files: Files) -> None:
    found = files.draw("--site", "chr1:2,001-2,400", "--lengths", "20:400:20", out="x.pdf")
    assert found.positions[0] == 2000
    assert found.positions[-1] == 2400
    assert found.images["locus", "fragments"].sum() == count(files.toy, "chr1", 2000, 2400, 20, 400)
    found = files.draw("--site", "chr1:2,001", "--window", "100")
    assert (found.positions[0], found.positions[-1]) == (1950, 2050)


def test_sites_left_out(files: Files, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden.bed"
    hidden.write_text("chr1\t900\t1100\n")
    regions = ("--regions", str(files.sites), "--by", "name", "--blacklist", str(hidden))
    result = files.run(*regions)
    assert f"2 sites of {files.sites} (not: 1 in {hidden})" in result.stderr.replace("\n", "")
    assert read_numbers(files.out / "x.tsv").sites == {"a": 1, "b": 1}
    found = files.draw(*regions, "--chrom", "chr1:2,000-4,000")
    assert found.sites == {"b": 1}
    assert files.draw("--regions", str(files.sites), "--by", "4", "--only", "b").sites == {"b": 1}
    (files.out / "x.png").unlink()
    (files.out / "x.tsv").unlink()
    (files.out / "x.json").unlink()
    hidden.write_text("chr1\t0\t6000\nchr2\t0\t4000\n")
    assert "no site is left of 3 (3 in " in files.fails(*regions)


def test_turned_by_genes(files: Files, tmp_path: Path) -> None:
    genes = tmp_path / "genes.bed"
    genes.write_text("chr1\t900\t950\tg\tclass\t-\nchr2\t100\t200\tg\tclass\t-\n")
    one = ("--regions", str(files.sites), "--by", "name", "--chrom", "chr1:900-1,100")
    plain = files.draw(*one, "--window", "400").images["a", "fragments"]
    turned = files.draw(*one, "--window", "400", "--orient", str(genes)).images["a", "fragments"]
    assert (plain != turned).any()
    np.testing.assert_array_equal(plain, turned[:, ::-1])
    far = ("--orient", str(genes), "--orient-within", "20")
    still = files.draw(*one, "--window", "400", *far).images["a", "fragments"]
    np.testing.assert_array_equal(plain, still)


@dataclass(frozen=True)
class Opened:
    """A fake explainer with the session that is announced."""

    session: Any

    def stream(self, features: Any, windows: Any, weights: Any) -> Iterator[Any]:
        yield from LinearExplainer(3).stream(features, windows, weights)


@pytest.fixture
def fake(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(model: Any, *_: Any, **__: Any) -> Opened:
        return Opened(open_session(model.path, "cpu", 1))

    monkeypatch.setattr(vplot_run, "explainer_of", opened)


@pytest.mark.usefixtures("fake")
def test_by_true_state(files: Files) -> None:
    model = ("--model", str(files.inputs["model"]), "--provider", "cpu")
    found = files.draw(*model, "--states", str(files.states), "--min-sites", "6")
    # Bins of 200 bp: 30 of chr1, 5 and 16 of chr2.
    assert found.sites == {"S2": 46}
    assert {quantity for _, quantity in found.images} == {
        "input",
        "contribution",
        "probability_change",
    }
    found = files.draw(
        *model, "--states", str(files.states), "--min-sites", "5", "--max-sites", "7"
    )
    assert found.sites == {"S0": 5, "S2": 7}
    found = files.draw(*model, "--states", str(files.states), "--regions", str(files.sites),
                       "--min-sites", "1")  # fmt: skip
    assert found.sites == {"S2": 3}
    change = found.images["S2", "probability_change"]
    assert 0 < np.abs(change).max() < 2 / 3
    result = files.run(*model, "--states", str(files.states), "--min-sites", "6")
    assert "left out, with fewer than 6 sites: S0 (5)" in result.stderr


@pytest.mark.usefixtures("fake")
def test_by_predicted_state(files: Files) -> None:
    model = ("--model", str(files.inputs["model"]), "--provider", "cpu", "--min-sites", "1")
    found = files.draw(*model, "--chrom", "chr1", "--max-sites", "1000")
    assert sum(found.sites.values()) == 30
    assert len(found.sites) > 1
    only = next(iter(found.sites))
    again = files.draw(*model, "--chrom", "chr1", "--max-sites", "1000", "--only", only)
    assert again.sites == {only: found.sites[only]}
    for key, image in again.images.items():
        np.testing.assert_array_equal(image, found.images[key])
    found = files.draw(*model, "--regions", str(files.sites))
    assert sum(found.sites.values()) == 3


def test_explained_sites(files: Files, tmp_path: Path) -> None:
    write_explained(tmp_path / "explained" / "S1", 1)
    found = files.draw("--model", str(files.inputs["model"]), "--contributions",
                       str(tmp_path / "explained"), sample=False)  # fmt: skip
    assert found.sites == {"S1": 5}
    assert {quantity for _, quantity in found.images} == {"input", "contribution"}


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((), "give sites with --regions, or one locus with --site"),
        (("--regions", "SITES", "--by", "9"), "sites.bed has no column '9': it has 6"),
        (("--regions", "SITES", "--by", "name", "--only", "c"), "has no class 'c', only a, b"),
        (("--regions", "SITES", "--lengths", "900:1000:10"), "no fragment of 900 to 1000 bp"),
        (("--regions", "SITES", "--window", "205"), "must be even and a multiple"),
        (("--regions", "SITES", "--background", "random", "--prior", "0"), "above 0"),
        (("--regions", "EMPTY"), "empty.bed is empty: it holds no site"),
        (("--regions", "OTHER"), "toy.fa has 'chr1': rename the contigs"),
        (("--regions", "NONE"), "none.bed: No such file or directory"),
        (("--site", "chr1:1-200", "--lengths", "5:9:4"), "no fragment of 5 to 9 bp"),
        (
            ("--model", "MODEL", "--states", "WRONG"),
            "wrong.bed line 1: state 'S9' is not among the states",
        ),
        (("--model", "MODEL", "--states", "STATES"), "explain.onnx is not there"),
        (("--model", "no-such"), "no such folder or .onnx file"),
    ],
)
def test_refused(files: Files, tmp_path: Path, args: tuple[str, ...], words: str) -> None:
    (tmp_path / "empty.bed").write_text("")
    (tmp_path / "other.bed").write_text("1\t5\t9\n")
    (tmp_path / "wrong.bed").write_text("chr1\t0\t200\tS9\n")
    paths = {
        "SITES": files.sites,
        "STATES": files.states,
        "MODEL": files.inputs["model"],
        "EMPTY": tmp_path / "empty.bed",
        "WRONG": tmp_path / "wrong.bed",
        "OTHER": tmp_path / "other.bed",
        "NONE": tmp_path / "none.bed",
    }
    assert words in files.fails(*(str(paths.get(text, text)) for text in args))


def test_where_and_what_to_write(files: Files) -> None:
    regions = ("--regions", str(files.sites))
    assert "must end in .png, .svg or .pdf" in files.fails(*regions, out="x.jpg")
    below = str(files.sites / "x.png")
    assert f"cannot write {files.sites}: it is a file" in files.fails(*regions, out=below)
    assert "give the genome with --fasta" in files.fails(*regions, sample=False)
    assert files.run(*regions, "--centre", "left").exit_code == 2


def test_a_missing_matplotlib_is_named(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    from chromputer_tracks.cli import console

    monkeypatch.setattr(console.importlib.util, "find_spec", lambda name: None)
    message = files.fails("--regions", str(files.sites))
    assert "needs matplotlib: pip install 'chromputer-tracks[analysis]'" in message


def test_promoters_of_yeast_show_their_plus_one_nucleosome(
    shared_yeast: Path, tmp_path: Path
) -> None:
    """The shipped model's contributions at start sites of the promoter state, both strands."""
    args = [
        "vplot", "--model", "yeast-atac", "--fasta", str(shared_yeast / "sacCer3.fa.gz"),
        "--fragments", str(shared_yeast / "atac_SRR1822137.fragments.tsv.gz"),
        "--regions", str(shared_yeast / "tss.bed"), "--centre", "start",
        "--states", str(shared_yeast / "states8.bed"), "--chrom", "chrVII", "--only", "S5",
        "--max-sites", "40", "--method", "gradient*input", "--provider", "cpu", "--threads", "1",
        "--out", str(tmp_path / "x.png"),
    ]  # fmt: skip
    result = CliRunner().invoke(app, args)
    assert result.exit_code == 0, result.output
    found = read_numbers(tmp_path / "x.tsv")
    assert found.sites == {"S5": 40}
    image = found.images["S5", "probability_change"]
    nucleosome = np.array([160 <= edge < 250 for edge in found.edges[:-1]])
    short = np.array([edge < 120 for edge in found.edges[:-1]])
    where = np.array(found.positions[:-1])

    def mean(rows: np.ndarray, low: int, high: int) -> float:
        return float(image[rows][:, (where >= low) & (where < high)].mean())

    # Nucleosomal fragments count at +1, and in the free region before it only short ones.
    assert mean(nucleosome, 0, 120) > 3 * mean(nucleosome, -100, -20)
    assert mean(short, -150, -50) > 3 * mean(short, 100, 300)
