"""The folder of an explained label: what is written comes back, however it was cut."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from chromputer_tracks.errors import ChromputerError, FormatError, InputError, OutputError
from chromputer_tracks.io import contributions as layout
from chromputer_tracks.io.contributions import (
    Batch,
    ContributionWriter,
    Site,
    explained_labels,
    read_contributions,
)
from chromputer_tracks.io.npz import ArrayShape, NpzWriter, array_names, read_array
from chromputer_tracks.spec import InputSpec, Normalisation

HOW = Normalisation((1.0,))
DNA = InputSpec("sequence", "dna")
VPLOT = InputSpec("vplot", "atac", 10, (20, 100, 200, 300), HOW, "atac")
CUTS = InputSpec("signal", "cuts", 20, (), HOW, "atac", "cuts")
WINDOW = 40
SITES = [
    Site("chr1", 5, 0, 10, "a", 3.25, "+"),
    Site("chr1", 500, 400, 700),
    Site("chr2", 30, 20, 40, "peak 3", 1500, "-"),
    Site("chr2", 31, 20, 42, "b"),
    Site("chrUn_1", 100_000, 90_000, 110_001),
]


def made(rows: int = 5, seed: int = 0) -> Batch:
    rng = np.random.default_rng(seed)

    def floats(*shape: int) -> np.ndarray:
        return rng.normal(size=(rows, *shape)).astype(np.float32)

    codes = rng.integers(0, 5, size=(rows, WINDOW))
    return Batch(
        (codes[:, None] == np.arange(4)[:, None]).astype(np.float32),
        floats(4, WINDOW),
        {"atac": floats(3, 4), "cuts": floats(1, 2)},
        {"atac": floats(3, 4), "cuts": floats(1, 2)},
        {"dna": floats(7), "atac": floats(2), "cuts": floats(3)},
        floats(),
        floats(),
        floats(),
        {"share.dna": floats()},
    )


def cut(batch: Batch, first: int, last: int) -> Batch:
    def part(value):
        if isinstance(value, dict):
            return {name: array[first:last] for name, array in value.items()}
        return None if value is None else value[first:last]

    return Batch(**{name: part(getattr(batch, name)) for name in Batch.__dataclass_fields__})


def write(folder: Path, batch: Batch, cuts=(0, 5), inputs=(DNA, VPLOT, CUTS), sites=SITES) -> Path:
    folder.mkdir(parents=True)
    with ContributionWriter(folder, sites, WINDOW, inputs) as writer:
        for first, last in zip(cuts, cuts[1:], strict=False):
            writer.add(cut(batch, first, last))
    assert sorted(writer.names) == sorted(path.name for path in folder.iterdir())
    return folder


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    batch = made()
    found = read_contributions(write(tmp_path / "out" / "Reb1", batch))
    assert (found.label, len(found), found.window, found.has_bases) == ("Reb1", 5, WINDOW, True)
    assert found.chrom.tolist() == [site.chrom for site in SITES]
    assert found.start.dtype == np.int64
    assert found.start.tolist() == [site.centre - 20 for site in SITES]
    assert found.start[0] == -15
    assert found.inputs == ("atac", "cuts")
    assert found.filters == ("dna", "atac", "cuts")
    for name in ("logit", "difference", "total"):
        np.testing.assert_array_equal(getattr(found, name), getattr(batch, name))
    assert found.sequences().dtype == np.int8
    np.testing.assert_array_equal(found.sequences(), batch.sequence)
    np.testing.assert_array_equal(found.hypothetical(), batch.hypothetical)
    for name in found.inputs:
        np.testing.assert_array_equal(found.contributions(name), batch.inputs[name])
        np.testing.assert_array_equal(found.values(name), batch.values[name])
    for name in found.filters:
        np.testing.assert_array_equal(found.filter_contributions(name), batch.filters[name])
    expected = [
        [
            sum(b * h for b, h in zip(base, hyp, strict=True))
            for base, hyp in zip(s.T, c.T, strict=True)
        ]
        for s, c in zip(batch.sequence, batch.hypothetical, strict=True)
    ]
    np.testing.assert_allclose(found.importance(), expected)


def test_the_tables(tmp_path: Path) -> None:
    batch = made()
    folder = write(tmp_path / "x", batch)
    rows = [line.split("\t") for line in (folder / "sites.bed").read_text().splitlines()]
    assert rows[0] == ["chr1", "0", "10", "a", "3.25", "+"]
    assert rows[1] == ["chr1", "400", "700", ".", "0", "."]
    assert rows[2] == ["chr2", "20", "40", "peak 3", "1000", "-"]
    header, *lines = [line.split("\t") for line in (folder / "sites.tsv").read_text().splitlines()]
    assert header[6:] == ["centre", "window_start", "logit", "difference", "total", "share.dna"]
    for site, row, line, logit, share in zip(
        SITES, rows, lines, batch.logit, batch.columns["share.dna"], strict=True
    ):
        assert line[:6] == row
        assert line[6:8] == [str(site.centre), str(site.centre - 20)]
        assert float(line[8]) == pytest.approx(logit, rel=1e-5)
        assert float(line[11]) == pytest.approx(share, rel=1e-5)


def test_modisco_can_load_them(tmp_path: Path) -> None:
    """As modisco-lite's command does: the first array of the file."""
    batch = made()
    folder = write(tmp_path / "x", batch)
    for name, array in (("sequences", batch.sequence), ("hypothetical", batch.hypothetical)):
        np.testing.assert_array_equal(np.load(folder / f"{name}.npz")["arr_0"], array)


@pytest.mark.parametrize("cuts", [(0, 1, 2, 3, 4, 5), (0, 3, 3, 5), (0, 4, 5)])
def test_bytes_do_not_depend_on_batches(tmp_path: Path, cuts: tuple[int, ...]) -> None:
    one, other = write(tmp_path / "one", made()), write(tmp_path / "other", made(), cuts)
    assert digests(one) == digests(other)


def test_models_without_bases_or_assays(tmp_path: Path) -> None:
    full = made()
    no_bases = Batch(
        None, None, full.values, full.inputs, full.filters, full.logit, full.logit, full.logit, {}
    )
    shape_only = InputSpec("sequence", "dna", bases=False, shape=("MGW",))
    found = read_contributions(write(tmp_path / "a", no_bases, inputs=(shape_only, VPLOT, CUTS)))
    assert not found.has_bases
    with pytest.raises(InputError, match="the model reads no bases"):
        found.hypothetical()
    found = read_contributions(write(tmp_path / "b", full, inputs=(DNA,)))
    assert found.inputs == ()
    with pytest.raises(InputError, match="no input 'atac' of this kind, only none"):
        found.contributions("atac")


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ((DNA, VPLOT), "0 of 5 sites"),
        (
            (VPLOT, InputSpec("signal", "atac.values", 20, (), HOW, "atac", "cuts")),
            "would have the same name",
        ),
    ],
)
def test_unfinished_and_ambiguous_folders_are_refused(
    tmp_path: Path, inputs: tuple[InputSpec, ...], message: str
) -> None:
    with (
        pytest.raises(OutputError, match=message),
        ContributionWriter(tmp_path, SITES, WINDOW, inputs),
    ):
        pass


def test_too_few_sites_or_arrays_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="3 of 5"):
        write(tmp_path / "few", made(), (0, 3))
    with pytest.raises(OutputError, match="do not fit into array 'arr_0'"):
        write(tmp_path / "many", made(), (0, 5), sites=SITES[:4])
    assert not list((tmp_path / "many").glob("*.npz"))


@pytest.mark.parametrize(
    "name", ["sites.bed", "sequences.npz", "hypothetical.npz", "inputs.npz", "filters.npz"]
)
def test_missing_files_are_named(tmp_path: Path, name: str) -> None:
    folder = write(tmp_path / "x", made())
    (folder / name).unlink()
    with pytest.raises(InputError, match=f"{name} is missing"):
        read_contributions(folder)


@pytest.mark.parametrize(
    "name", ["windows.npz", "sequences.npz", "hypothetical.npz", "inputs.npz", "filters.npz"]
)
@pytest.mark.parametrize("how", ["truncated", "garbled", "empty"])
def test_damaged_files_are_named(tmp_path: Path, name: str, how: str) -> None:
    path = write(tmp_path / "x", made()) / name
    data = bytearray(path.read_bytes())
    if how == "truncated":
        data = data[: len(data) * 2 // 3]
    elif how == "garbled":
        data[60:160] = bytes(100)
    else:
        data = bytearray()
    path.write_bytes(data)
    with pytest.raises(ChromputerError, match=f"{name} is truncated or damaged"):
        found = read_contributions(path.parent)
        found.sequences(), found.hypothetical(), found.contributions("atac")
        found.filter_contributions("dna")


def test_files_of_two_runs_are_refused(tmp_path: Path) -> None:
    one = write(tmp_path / "one", made())
    other = write(tmp_path / "other", made(4), (0, 4), sites=SITES[:4])
    for name, read in (
        (layout.SITES_BED, lambda: read_contributions(one)),
        (layout.SEQUENCES, lambda: read_contributions(one).sequences()),
        (layout.INPUTS, lambda: read_contributions(one).values("cuts")),
        (layout.FILTERS, lambda: read_contributions(one).filter_contributions("dna")),
    ):
        kept = (one / name).read_bytes()
        (one / name).write_bytes((other / name).read_bytes())
        with pytest.raises(FormatError, match=f"{name}: .*has 4 rows, but windows.npz has 5"):
            read()
        (one / name).write_bytes(kept)


def test_labels_of_a_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no explained label"):
        explained_labels(tmp_path)
    for name in ("S5", "Reb1"):
        write(tmp_path / name, made())
    (tmp_path / "images").mkdir()
    assert explained_labels(tmp_path) == {"Reb1": tmp_path / "Reb1", "S5": tmp_path / "S5"}
    with pytest.raises(InputError, match="images is no folder of an explained label"):
        read_contributions(tmp_path / "images")


def test_npz_arrays_row_by_row(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    rng = np.random.default_rng(1)
    arrays = {"a": rng.normal(size=(6, 2, 3)), "b": rng.integers(0, 9, size=(4,)).astype(np.int16)}
    shapes = {name: ArrayShape(array.shape, array.dtype) for name, array in arrays.items()}
    with NpzWriter(path, shapes) as writer:
        writer.add("a", arrays["a"][:1])
        writer.add("b", arrays["b"])
        writer.add("a", arrays["a"][1:])
        assert list(tmp_path.iterdir()) == []
    assert array_names(path) == ("a", "b")
    with np.load(path) as file:
        for name, array in arrays.items():
            assert file[name].dtype == array.dtype
            np.testing.assert_array_equal(file[name], array)
    with pytest.raises(FormatError, match="a.npz has no array 'c', only a, b"):
        read_array(path, "c")
    with pytest.raises(InputError, match="b.npz is missing"):
        array_names(tmp_path / "b.npz")


def test_npz_of_a_failed_block_does_not_appear(tmp_path: Path) -> None:
    shapes = {"a": ArrayShape((2,), np.int8)}
    with pytest.raises(KeyError), NpzWriter(tmp_path / "a.npz", shapes) as writer:
        writer.add("a", np.zeros(2, np.int8))
        raise KeyError
    with pytest.raises(OutputError, match="array 'a' got 0 of 2 rows"):
        with NpzWriter(tmp_path / "a.npz", shapes):
            pass
    assert list(tmp_path.iterdir()) == []
