"""What a map is coloured by: keys, classes, numbers, and their colours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_models import tiny_spec

from chromputer_tracks.analysis.embed.clusters import Clustering
from chromputer_tracks.analysis.embed.site_map import (
    MISSING,
    MISSING_COLOR,
    MOST_CLASSES,
    ClassColoring,
    Coloring,
    ValueColoring,
    category_color,
    coloring_keys,
    colorings,
    resolve_key,
)
from chromputer_tracks.errors import InputError
from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.io.bed import SiteTable, read_site_table
from chromputer_tracks.spec import HeadSpec, Label

SIZES = ChromSizes({"chr1": 100_000}, "toy.fa")
SPEC = tiny_spec()


def sites(tmp_path: Path, *columns: list[str], header: str = "") -> SiteTable:
    """A BED whose columns from the fourth on are given."""
    rows = [
        f"chr1\t{10 * i}\t{10 * i + 5}\t" + "\t".join(r)
        for i, r in enumerate(zip(*columns, strict=True))
    ]
    path = tmp_path / "sites.bed"
    path.write_text(header + "\n".join(rows) + "\n")
    return read_site_table(path, SIZES)


def colored(table: SiteTable, key: str) -> Coloring:
    n = len(table)
    rng = np.random.default_rng(1)
    values = rng.random((n, SPEC.outputs)).astype(np.float32)
    clustering = Clustering(np.arange(n) % 2, np.zeros((2, 2)), np.ones(2), {})
    found = colorings(SPEC, table, values, clustering)
    return next(one for one in found if one.key == resolve_key(key, SPEC, table.columns))


def classes(table: SiteTable, key: str) -> ClassColoring:
    found = colored(table, key)
    assert isinstance(found, ClassColoring)
    return found


def numbers(table: SiteTable, key: str) -> ValueColoring:
    found = colored(table, key)
    assert isinstance(found, ValueColoring)
    return found


def test_states_have_the_model_s_names_and_colours() -> None:
    values = np.array([[0.1, 0.2, 0.7, 0, 1], [0.5, 0.3, 0.2, 0.25, 0]], np.float32)
    table = SiteTable(
        ("chr1",), np.zeros(2, int), np.array([0, 5]), np.array([2, 7]), np.array([1, 6]),
        np.zeros(2, int), ("", ""),
    )  # fmt: skip
    clustering = Clustering(np.array([1, 0]), np.zeros((2, 2)), np.ones(2), {})
    found = colorings(SPEC, table, values, clustering)
    assert [one.key for one in found] == ["state", "cluster", "S0", "S1", "S2", "TF1", "TF2"]
    assert [one.key for one in found] == coloring_keys(SPEC, ())
    state, cluster, *labels = found
    assert isinstance(state, ClassColoring) and isinstance(cluster, ClassColoring)
    assert state.names == ("S0", "S1", "S2")
    assert state.titles == ("state 0", "state 1", "state 2")
    assert state.colors == ((0, 0, 255), (10, 0, 255), (20, 0, 255))
    assert state.codes.tolist() == [2, 0] and state.counts == [1, 0, 1]
    assert cluster.names == ("C1", "C2") and cluster.codes.tolist() == [1, 0]
    tf1 = labels[3]
    assert isinstance(tf1, ValueColoring)
    assert tf1.values.tolist() == [0, 0.25] and (tf1.low, tf1.high) == (0, 1)
    assert tf1.title == "probability of TF1"


def test_values_of_continuous_labels_have_their_own_scale() -> None:
    head = HeadSpec("continuous", "signals", (Label("X", "x", (0, 0, 0)),), "log1p")
    spec = tiny_spec(heads=(head,))
    table = SiteTable(
        ("chr1",), np.zeros(5, int), np.arange(5), np.arange(5) + 1, np.arange(5),
        np.zeros(5, int), ("",) * 5,
    )  # fmt: skip
    values = np.array([[0], [10], [20], [30], [40]], np.float32)
    clustering = Clustering(np.zeros(5, int), np.zeros((1, 2)), np.ones(1), {})
    found = colorings(spec, table, values, clustering)
    assert [one.key for one in found] == ["cluster", "X"]
    assert resolve_key(None, spec, ()) == "cluster"
    x = found[1]
    assert isinstance(x, ValueColoring)
    np.testing.assert_allclose((x.low, x.high), np.percentile(values, (1, 99)))


def test_labels_of_one_name_go_by_head() -> None:
    label = Label("S1", "again", (0, 0, 0))
    heads = (*SPEC.heads[:1], HeadSpec("binary", "more", (label, Label("state", "x", (1, 1, 1)))))
    spec = tiny_spec(heads=heads)
    assert coloring_keys(spec, ()) == [
        "state", "cluster", "S0", "chromatin.S1", "S2", "more.S1", "more.state",
    ]  # fmt: skip
    assert resolve_key("more.S1", spec, ()) == "more.S1"
    with pytest.raises(InputError, match="--color-by S1: .*chromatin.S1"):
        resolve_key("S1", spec, ())


def test_keys_of_columns(tmp_path: Path) -> None:
    header = "#chrom\tstart\tend\tgene\tscore\tstrand\tTF1\n"
    table = sites(tmp_path, ["a"], ["1"], ["+"], ["x"], header=header)
    assert resolve_key("gene", SPEC, table.columns) == "gene"
    assert resolve_key("4", SPEC, table.columns) == "gene"
    # The model's own names go first; the column still has its number.
    assert resolve_key("TF1", SPEC, table.columns) == "TF1"
    assert resolve_key("7", SPEC, table.columns) == "column 7"
    assert isinstance(colored(table, "TF1"), ValueColoring)
    assert classes(table, "7").names == ("x",)
    assert resolve_key(None, SPEC, table.columns) == "state"
    with pytest.raises(InputError) as caught:
        resolve_key("colour", SPEC, table.columns)
    assert str(caught.value) == (
        "--color-by colour: neither a label of model tiny nor a column of the sites; name one of "
        "state, cluster, S0, S1, S2, TF1, TF2, gene, score, strand, column 7 or the column number "
        "4, 5, 6, 7"
    )
    with pytest.raises(InputError, match="--color-by 8"):
        resolve_key("8", SPEC, table.columns)
    with pytest.raises(InputError, match="one of state, cluster, S0, S1, S2, TF1, TF2$"):
        resolve_key("name", SPEC, ())


def test_columns_of_one_name_go_by_number(tmp_path: Path) -> None:
    table = sites(tmp_path, ["a"], ["b"], header="#chrom\tstart\tend\tx\tx\n")
    assert coloring_keys(SPEC, table.columns)[-2:] == ["column 4", "column 5"]
    assert classes(table, "5").names == ("b",)
    assert classes(table, "column 4").names == ("a",)
    with pytest.raises(InputError, match="--color-by x: .* column 4, column 5"):
        resolve_key("x", SPEC, table.columns)


def test_numbers_with_gaps(tmp_path: Path) -> None:
    texts = ["1.5", ".", "NA", "-2", "nan", "1e3", "inf"]
    found = numbers(sites(tmp_path, ["n"] * 7, texts), "score")
    np.testing.assert_array_equal(found.values, [1.5, *[np.nan] * 2, -2, np.nan, 1000, np.nan])
    np.testing.assert_allclose((found.low, found.high), np.percentile([1.5, -2, 1000], (1, 99)))


def test_one_number_still_has_a_scale(tmp_path: Path) -> None:
    found = numbers(sites(tmp_path, ["n"] * 3, ["0"] * 3, ["."] * 3, ["2.5", "2.5", "."]), "7")
    assert (found.low, found.high) == (2.5, 3.5)


def test_few_whole_numbers_are_classes(tmp_path: Path) -> None:
    table = sites(tmp_path, ["n"] * 4, ["0"] * 4, ["+"] * 4, ["10", "2", "10", "."])
    found = classes(table, "7")
    assert found.names == ("2", "10", MISSING)
    assert found.codes.tolist() == [1, 0, 1, 2]
    assert found.colors == (category_color(0), category_color(1), MISSING_COLOR)
    # A score is a number, but for one that is the same everywhere.
    assert numbers(sites(tmp_path, ["n"] * 3, ["1", "2", "3"]), "score").values.tolist() == [
        1,
        2,
        3,
    ]
    assert classes(table, "score").names == ("0",)


def test_columns_without_any_value(tmp_path: Path) -> None:
    found = classes(sites(tmp_path, [".", "", "NA"]), "name")
    assert found.names == (MISSING,) and found.codes.tolist() == [0, 0, 0]
    assert found.colors == (MISSING_COLOR,)


def test_rare_classes_share_a_colour(tmp_path: Path) -> None:
    names = [f"k{i}" for i in range(MOST_CLASSES + 3) for _ in range(2 if i < 15 else 1)]
    found = classes(sites(tmp_path, names), "name")
    assert found.names == (*(f"k{i}" for i in range(15)), "4 rarer")
    assert found.counts == [*[2] * 15, 4]
    assert found.colors[-1] == MISSING_COLOR and len(set(found.colors)) == 16
    exactly = classes(sites(tmp_path, [f"k{i}" for i in range(MOST_CLASSES)]), "name")
    assert exactly.names == tuple(f"k{i}" for i in range(MOST_CLASSES))


def test_a_bed9_brings_its_own_colours(tmp_path: Path) -> None:
    def bed9(rgb: list[str]) -> SiteTable:
        n = len(rgb)
        starts, ends = [str(10 * i) for i in range(n)], [str(10 * i + 5) for i in range(n)]
        return sites(tmp_path, ["S2", "S1", "S2"], ["0"] * n, ["."] * n, starts, ends, rgb)

    assert classes(bed9(["1,2,3", "4,5,6", "1,2,3"]), "name").colors == ((4, 5, 6), (1, 2, 3))
    usual = (category_color(0), category_color(1))
    for other in (["1,2,3", "4,5,6", "7,8,9"], ["0", "0", "0"], ["1,2,300", "4,5,6", "1,2,300"]):
        assert classes(bed9(other), "name").colors == usual


def test_strand_is_a_class(tmp_path: Path) -> None:
    found = classes(sites(tmp_path, ["n"] * 3, ["0"] * 3, ["+", "-", "+"]), "strand")
    assert found.names == ("+", "-") and found.counts == [2, 1]


def test_colours_of_classes_differ() -> None:
    assert len({category_color(index) for index in range(60)}) == 60
    assert category_color(0) == (0, 0x72, 0xB2)
    assert all(0 <= part <= 255 for index in range(60) for part in category_color(index))
