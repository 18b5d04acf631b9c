"""V-plots of what ``chromputer explain`` wrote."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_models import tiny_spec

from chromputer_tracks.analysis.vplots.explained import explained_table
from chromputer_tracks.errors import InputError
from chromputer_tracks.io.contributions import Batch, ContributionWriter, Site

SPEC = tiny_spec()
ITEM = SPEC.inputs[1]
STRANDS = "+-.-+"
CHROMS = ("chr1", "chr1", "chr1", "chr2", "chr2")


def write(folder: Path, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """One label's folder; its V-plots and their contributions."""
    rng = np.random.default_rng(seed)
    n, shape = 5, (5, ITEM.channels, SPEC.window // ITEM.bin)
    values = rng.poisson(0.3, shape).astype(np.float32)
    given = (values * rng.normal(size=shape)).astype(np.float32)
    numbers = np.zeros(n, dtype=np.float32)
    batch = Batch(
        np.zeros((n, 4, SPEC.window), dtype=np.int8),
        np.zeros((n, 4, SPEC.window), dtype=np.float32),
        {"atac": values},
        {"atac": given},
        {name: np.zeros((n, 2), dtype=np.float32) for name in ("dna", "atac")},
        numbers,
        numbers,
        numbers,
        {},
    )
    sites = [
        Site(chrom, 500 * i, 500 * i, 500 * i + 1, "ab"[i % 2], 0.0, strand)
        for i, (chrom, strand) in enumerate(zip(CHROMS, STRANDS, strict=True))
    ]
    folder.mkdir(parents=True)
    with ContributionWriter(folder, sites, SPEC.window, SPEC.inputs) as writer:
        writer.add(batch)
    return values, given


def mean(array: np.ndarray, rows: list[int]) -> np.ndarray:
    total = np.zeros(array.shape[1:])
    for row in rows:
        total += array[row][:, ::-1] if STRANDS[row] == "-" else array[row]
    return total / len(rows)


def test_means_by_label_turned_by_strand(tmp_path: Path) -> None:
    values, given = write(tmp_path / "S1", 1)
    write(tmp_path / "TF1", 2)
    table = explained_table(tmp_path, SPEC, ITEM)
    assert [(row.name, row.title, row.sites) for row in table.rows] == [
        ("S1", "S1 state 1", 5),
        ("TF1", "TF1 factor 1", 5),
    ]
    assert [quantity.name for quantity in table.quantities] == ["input", "contribution"]
    assert table.rows[0].color == (10, 0, 255)
    read, contribution = table.rows[0].images
    np.testing.assert_allclose(read.values, mean(values, [0, 1, 2, 3, 4]), rtol=1e-6)
    expected = mean(given, [0, 1, 2, 3, 4])
    np.testing.assert_allclose(contribution.values, expected, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(contribution.profile, expected.sum(0), atol=1e-6)
    assert (contribution.values != given.mean(axis=0)).any()
    alone = explained_table(tmp_path / "S1", SPEC, ITEM)
    np.testing.assert_array_equal(alone.rows[0].images[1].values, contribution.values)
    assert [row.name for row in explained_table(tmp_path, SPEC, ITEM, ["TF1"]).rows] == ["TF1"]


def test_classes_and_contigs(tmp_path: Path) -> None:
    _, given = write(tmp_path / "S1", 1)
    table = explained_table(tmp_path, SPEC, ITEM, by="name")
    assert [(row.name, row.sites) for row in table.rows] == [("S1.a", 3), ("S1.b", 2)]
    expected = mean(given, [1, 3])
    np.testing.assert_allclose(table.rows[1].images[1].values, expected, rtol=1e-5, atol=1e-8)
    table = explained_table(tmp_path, SPEC, ITEM, by="strand", chroms=["chr2"])
    assert [(row.title, row.sites) for row in table.rows] == [("S1, +", 1), ("S1, -", 1)]
    table = explained_table(tmp_path, SPEC, ITEM, chroms=["chr2"])
    expected = mean(given, [3, 4])
    np.testing.assert_allclose(table.rows[0].images[1].values, expected, rtol=1e-5, atol=1e-8)


def test_refused(tmp_path: Path) -> None:
    write(tmp_path / "S1", 1)
    with pytest.raises(InputError, match="no label 'S2', only S1"):
        explained_table(tmp_path, SPEC, ITEM, ["S2"])
    with pytest.raises(InputError, match="column 'score': choose name, strand or chrom"):
        explained_table(tmp_path, SPEC, ITEM, by="score")
    with pytest.raises(InputError, match="no site of S1 lies on chr9"):
        explained_table(tmp_path, SPEC, ITEM, chroms=["chr9"])
    with pytest.raises(InputError, match="no input 'mnase'"):
        explained_table(tmp_path, SPEC, replace(ITEM, name="mnase"))
    with pytest.raises(InputError, match=r"of shape \(3, 30\), but the model's has \(2, 30\)"):
        explained_table(tmp_path, SPEC, replace(ITEM, length_edges=(1, 50, 400)))
    with pytest.raises(InputError, match="holds no explained label"):
        explained_table(tmp_path / "S1" / "images", SPEC, ITEM)
