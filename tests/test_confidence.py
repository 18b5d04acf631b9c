"""The accuracy to expect of the states, by the fragments around a bin."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyBigWig
import pytest
from predict_command import fails, predict, toy_inputs, tracks
from tiny_models import tiny_spec, write_tiny_model
from toy_genome import ToyGenome, toy_genome
from typer.testing import CliRunner

from chromputer_tracks.cli.main import app
from chromputer_tracks.inference.session import load_model
from chromputer_tracks.spec import Fitness, LocalAccuracy
from chromputer_tracks.tracks.browser_tracks import browser_tracks
from chromputer_tracks.tracks.runs import read_runs

ROWS = [(0.0, 0.3), (4.0, 0.35), (20.5, 0.35), (24.0, 0.75), (31.0, 0.8)]
LOCAL = tuple(LocalAccuracy(fragments, accuracy, 10) for fragments, accuracy in ROWS)
FITNESS = Fitness(("chr1",), {}, (), LOCAL)
GREY = "200,200,200"


@pytest.fixture(scope="module")
def toy() -> ToyGenome:
    """No fragments on the right of chr1."""
    made = toy_genome()
    here = made.ends["chr1"] < 3_000
    made.starts["chr1"], made.ends["chr1"] = made.starts["chr1"][here], made.ends["chr1"][here]
    return made


@pytest.fixture(scope="module")
def inputs(toy: ToyGenome, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("confidence")
    found = toy_inputs(folder, toy)
    spec = tiny_spec(name="measured", fitness=FITNESS, sizes_digest=toy.sizes.digest())
    return found | {"measured": write_tiny_model(folder / "measured", spec)}


@pytest.fixture(scope="module")
def out(inputs: dict[str, Path]) -> Path:
    """A run that draws states grey below 0.5."""
    run = inputs | {"model": inputs["measured"]}
    result = predict(run, "--grey-below", "0.5", "--depth", "90")
    assert result.exit_code == 0, result.output
    return inputs["out"]


def expected(toy: ToyGenome, chrom: str, start: int) -> float:
    """Of the bin that begins there, by a count and the two rows around it."""
    grid = tiny_spec().grid
    low = start + grid.stride // 2 - grid.window // 2
    middles = (toy.starts[chrom] + toy.ends[chrom]) // 2
    around = sum(low <= middle < low + grid.window for middle in middles.tolist())
    if around >= ROWS[-1][0]:
        return ROWS[-1][1]
    for (x, y), (right, top) in zip(ROWS, ROWS[1:], strict=False):
        if x <= around < right:
            return y + (top - y) * (around - x) / (right - x)
    raise AssertionError(around)


def test_each_bin_has_the_accuracy_of_sites_with_as_many_fragments_around(toy, out):
    seen = set()
    stride = tiny_spec().stride
    with pyBigWig.open(str(out / "confidence.bw")) as file:
        assert dict(file.chroms()) == dict(toy.sizes)
        for chrom, size in toy.sizes.items():
            values = file.values(chrom, 0, size, numpy=True)
            for start in range(0, size, stride):
                here = values[start : start + stride]
                assert (here == here[0]).all()
                assert here[0] == np.float32(expected(toy, chrom, start)), (chrom, start)
                seen.add(float(here[0]))
    assert len(seen) > 10
    assert {float(np.float32(0.3)), float(np.float32(0.35))} < seen


def test_states_are_grey_where_too_little_is_expected(toy, inputs, out, tmp_path):
    plain = tmp_path / "plain"
    run = inputs | {"model": inputs["measured"], "out": plain}
    assert predict(run, "--depth", "90").exit_code == 0
    rows = [line.split("\t") for line in (out / "states.bed").read_text().splitlines()]
    stride = tiny_spec().stride
    for chrom, start, end, *_, color in rows:
        for at in range(int(start), int(end), stride):
            assert (color == GREY) is (expected(toy, chrom, at) < 0.5)
    assert {row[8] for row in rows} > {GREY}

    def bases(folder: Path) -> dict[tuple[str, int], str]:
        lines = (line.split("\t") for line in (folder / "states.bed").read_text().splitlines())
        return {(c, at): name for c, s, e, name, *_ in lines for at in range(int(s), int(e))}

    # The states themselves are the same, and nothing is grey that was not asked to be.
    assert bases(out) == bases(plain)
    assert GREY not in (plain / "states.bed").read_text()
    for name in ("confidence.bw", "states/S1.bw", "factors/TF1.bed"):
        assert (out / name).read_bytes() == (plain / name).read_bytes()
    for one, two in zip(rows, rows[1:], strict=False):
        assert (one[0], one[2], one[3], one[8]) != (two[0], two[1], two[3], two[8])
    # The score is the mean probability over the row's own bases.
    probability = tracks(out)
    for chrom, start, end, name, score, *_ in rows:
        values = probability[chrom][f"states/{name}"][int(start) : int(end)]
        assert int(score) == round(1000 * float(values.astype(float).mean()))
    record = json.loads((out / "run.json").read_text())
    assert record["options"]["grey_below"] == 0.5
    assert "confidence.bw" in record["outputs"]


def test_a_part_of_the_genome_has_the_values_of_the_whole(inputs, out, tmp_path):
    run = inputs | {"model": inputs["measured"], "out": tmp_path / "part"}
    assert predict(run, "--chrom", "chr1:1,001-4,000", "--tile", "7").exit_code == 0
    with (
        pyBigWig.open(str(out / "confidence.bw")) as whole,
        pyBigWig.open(str(tmp_path / "part" / "confidence.bw")) as part,
    ):
        assert part.values("chr1", 1_000, 4_000) == whole.values("chr1", 1_000, 4_000)


def test_models_that_do_not_know_have_no_track(inputs, tmp_path):
    run = inputs | {"out": tmp_path / "out"}
    assert "does not tell the accuracy of its states" in fails(run, "--grey-below", "0.5")
    assert predict(run).exit_code == 0
    assert not (tmp_path / "out" / "confidence.bw").exists()
    assert predict(run, "--grey-below", "1.5").exit_code == 2
    bare = tiny_spec(name="bare", fitness=Fitness(("chr1",), {}))
    model = write_tiny_model(tmp_path / "bare", bare)
    assert predict(run | {"model": model}, "--force").exit_code == 0
    assert not (tmp_path / "out" / "confidence.bw").exists()


def test_browsers_show_it(out, tmp_path):
    shown = browser_tracks(read_runs([out], []))
    assert [track.kind for track in shown][:2] == ["states", "confidence"]
    track = shown[1]
    assert (track.name, track.limits) == ("Confidence", (0.0, 1.0))
    assert track.path == out / "confidence.bw"
    args = [
        "hub",
        str(out),
        "--assembly",
        "toy",
        "--email",
        "a@b.org",
        "--no-coverage",
        "--any-assembly",
    ]
    made = CliRunner().invoke(app, [*args, "--out", str(tmp_path / "hub")])
    assert made.exit_code == 0, made.output
    (stanzas,) = (tmp_path / "hub").rglob("trackDb.txt")
    block = next(b for b in stanzas.read_text().split("\n\n") if "confidence.bw" in b)
    assert "type bigWig" in block
    assert "viewLimits 0:1" in block
    file = next(line for line in block.splitlines() if "bigDataUrl" in line).split()[1]
    assert (stanzas.parent / file).read_bytes() == (out / "confidence.bw").read_bytes()
    page = next((tmp_path / "hub").rglob("*confidence*.html")).read_text()
    assert "too thin to say" in page


def test_the_shipped_model_knows():
    spec = load_model("yeast-atac").spec
    assert spec.fitness is not None
    assert spec.fitness.local
