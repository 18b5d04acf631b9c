"""Prediction on the real yeast genome and real ATAC-seq."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pybigtools
import pytest
from tiny_models import BIN, EDGES, SCALE, tiny_spec, write_linear_model, write_tiny_model
from typer.testing import CliRunner

from chromputer_tracks.cli.main import app
from chromputer_tracks.data.features import Features
from chromputer_tracks.inference.genome import predict_regions
from chromputer_tracks.inference.session import Model, load_model, open_session, shipped_models
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.spec import HeadSpec, InputSpec, Label, ModelSpec, Normalisation


def local_spec() -> ModelSpec:
    """Every input is normalised to its surroundings; a signal is predicted, too."""
    how = Normalisation((25.0,), "asinh", 10_000, 1000)
    by_class = Normalisation((9.0, 7.0, 3.0), "log1p", 5_000, 500)
    heads = (
        *tiny_spec().heads,
        HeadSpec("continuous", "signal", (Label("H3", "H3", (0, 0, 0), SCALE),), "log"),
    )
    inputs = (
        InputSpec("vplot", "atac", BIN, EDGES, by_class, "atac"),
        InputSpec("sequence", "dna"),
        InputSpec("signal", "cuts", BIN, (), how, "atac", "cuts", 150),
        InputSpec("signal", "coverage", BIN, (100, 200), how, "atac", "coverage", 50),
    )
    return tiny_spec(name="local", inputs=inputs, heads=heads)


@pytest.fixture(scope="module", params=["tiny", "local", *shipped_models()])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    if request.param == "tiny":
        return load_model(write_tiny_model(tmp_path_factory.mktemp("models") / "tiny"))
    if request.param == "local":
        folder = tmp_path_factory.mktemp("models") / "local"
        return load_model(write_linear_model(folder, local_spec()))
    return load_model(request.param)


@pytest.fixture(scope="module")
def genome(example: Path) -> Iterator[Fasta]:
    with Fasta(example / "sacCer3.fa.gz") as fasta:
        yield fasta


@pytest.fixture(scope="module")
def fragments(example: Path, genome: Fasta) -> Iterator[FragmentStore]:
    with FragmentStore.build(example / "atac.fragments.tsv.gz", genome.sizes) as store:
        yield store


def test_sliding_equals_one_window_at_a_time(
    model: Model, genome: Fasta, fragments: FragmentStore
) -> None:
    grid, sizes = model.spec.grid, genome.sizes
    session = open_session(model.path, "cpu")
    features = Features(model.spec.inputs, genome, {"atac": fragments})
    bins = {}
    for chrom in ("chrI", "chrVII", "chrM"):
        last = grid.count(sizes[chrom])
        bins[chrom] = [(0, 60), (last // 2, last // 2 + 40), (last - 60, last)]

    def values(tile: int) -> dict[tuple[str, int], np.ndarray]:
        found = {}
        for item in predict_regions(session, model.spec, features, bins, sizes, tile=tile):
            for k in range(item.probabilities.shape[1]):
                found[item.chrom, item.start + k * grid.stride] = item.probabilities[:, k]
        return found

    windows, tiles = values(1), values(256)
    assert len(windows) == 3 * 160
    assert windows.keys() == tiles.keys()
    for place, rows in windows.items():
        np.testing.assert_allclose(tiles[place], rows, rtol=1e-5, atol=1e-4)


def test_every_base_of_every_chromosome(
    model: Model, shared_yeast: Path, genome: Fasta, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    args = ["predict", str(model.path.parent), "--provider", "cpu", "--out", str(out)]
    args += ["--fasta", str(shared_yeast / "sacCer3.fa.gz")]
    args += ["--fragments", str(shared_yeast / "atac_SRR1822137.bam")]
    result = CliRunner().invoke(app, args)
    assert result.exit_code == 0, result.output
    sizes = dict(genome.sizes)
    for head in model.spec.heads:
        for label in head.labels:
            folder = "states" if head.kind == "states" else head.name
            with pybigtools.open(str(out / folder / f"{label.name}.bw")) as file:
                assert file.chroms() == sizes
                covered = {
                    chrom: sum(end - start for start, end, _ in file.records(chrom))
                    for chrom in sizes
                }
            assert covered == sizes
    record = json.loads((out / "run.json").read_text())
    assert record["predicted_bases"] == genome.sizes.total
    assert record["assays"]["atac"]["format"] == "bam"
    assert record["assays"]["atac"]["kept"] > 250_000
