"""DNA shape in the network against its definition in plain Python, and its table of pentamers."""

from __future__ import annotations

import gzip
import itertools
import math
import statistics
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from chromputer_tracks.data.features import one_hot
from chromputer_tracks.errors import FormatError, InputError
from chromputer_tracks.io.text import COLUMNS, read_shape_table
from chromputer_tracks.model.network import DnaShape
from chromputer_tracks.spec import SHAPES

PENTAMERS = ["".join(word) for word in itertools.product("ACGT", repeat=5)]
COMPLEMENT = str.maketrans("ACGTN", "TGCAN")

Table = dict[str, dict[str, float]]
"""Pentamer to column to value."""


def reverse(word: str) -> str:
    return word.translate(COMPLEMENT)[::-1]


def symmetric_table(seed: int = 3) -> Table:
    """Random values that read the same on both strands, as those of DNA do."""
    rng = np.random.default_rng(seed)
    table: Table = {}
    for word in PENTAMERS:
        other = table.get(reverse(word))
        if other is None:
            row = dict(zip(COLUMNS, rng.normal(3, 2, 6).tolist(), strict=True))
        else:
            row = {
                "MGW": other["MGW"],
                "ProT": other["ProT"],
                "Roll1": other["Roll2"],
                "Roll2": other["Roll1"],
                "HelT1": other["HelT2"],
                "HelT2": other["HelT1"],
            }
        table[word] = row
    return table


def as_array(table: Table) -> np.ndarray:
    return np.array([[table[word][name] for name in COLUMNS] for word in PENTAMERS])


def standardised(table: Table, feature: str) -> Table:
    """Less the mean over the pentamers, by their standard deviation; N pentamers are 0."""
    members = [name for name in COLUMNS if name.rstrip("12") == feature]
    means = [statistics.fmean(table[word][name] for name in members) for word in PENTAMERS]
    centre, spread = statistics.fmean(means), statistics.pstdev(means)
    return {
        word: {name: (table[word][name] - centre) / spread for name in members}
        for word in PENTAMERS
    }


def oracle(bases: str, scaled: Table, feature: str) -> list[float]:
    """The feature of each base but the three at each end, from the definition."""

    def of(centre: int, name: str) -> float:
        word = bases[centre - 2 : centre + 3]
        return scaled[word][name] if word in scaled else 0.0

    def step(first: int) -> float:
        """Between the bases first and first + 1: the second step of one, the first of the next."""
        return (of(first, f"{feature}2") + of(first + 1, f"{feature}1")) / 2

    inner = range(3, len(bases) - 3)
    if feature in ("MGW", "ProT"):
        return [of(base, feature) for base in inner]
    return [(step(base - 1) + step(base)) / 2 for base in inner]


TABLE = symmetric_table()
SCALED = {feature: standardised(TABLE, feature) for feature in SHAPES}
LAYER = DnaShape(as_array(TABLE), SHAPES)
dna = st.text("ACGTN", min_size=7, max_size=60)


def encoded(*sequences: str) -> Tensor:
    rows = [one_hot(np.frombuffer(bases.encode(), np.uint8)) for bases in sequences]
    return torch.from_numpy(np.stack(rows))


@given(dna)
def test_every_feature_against_the_definition(bases):
    found = LAYER(encoded(bases))
    assert found.shape == (1, 4, len(bases) - 6)
    assert found.dtype == torch.float32
    for row, feature in enumerate(SHAPES):
        expected = oracle(bases, SCALED[feature], feature)
        np.testing.assert_allclose(found[0, row].numpy(), expected, atol=1e-5)


@given(dna)
def test_the_other_strand_has_the_same_shape(bases):
    forward, backward = LAYER(encoded(bases)), LAYER(encoded(reverse(bases)))
    torch.testing.assert_close(backward, forward.flip(2), rtol=0, atol=1e-6)


def test_features_come_in_the_order_asked_for():
    sequence = encoded("ACGTTGCATTACGGATCCANACGT", "GGATTCCATTACGNATCCATACGA")
    both = LAYER(sequence)
    turned = DnaShape(as_array(TABLE), ("HelT", "MGW"))(sequence)
    torch.testing.assert_close(turned, both[:, [3, 0]], rtol=0, atol=0)


def test_each_sequence_of_a_batch_has_its_own():
    words = ["ACGTTGCATTA", "NNNNNNNNNNN", "TTTTTAAAAAC"]
    together = LAYER(encoded(*words))
    for row, word in enumerate(words):
        torch.testing.assert_close(together[row : row + 1], LAYER(encoded(word)), rtol=0, atol=0)
    assert not together[1].any()
    assert together[0].any()


def test_one_n_reaches_two_or_three_bases():
    bases = "ACGTTGCATTACGGATCCAGT"
    changed = (LAYER(encoded(bases)) != LAYER(encoded(bases[:10] + "N" + bases[11:])))[0]
    first = 10 - LAYER.MARGIN
    # Of groove width and propeller twist: the five pentamers that hold it. Of steps: one more.
    for row, reach in ((0, 2), (1, 2), (2, 3), (3, 3)):
        expected = range(first - reach, first + reach + 1)
        assert torch.nonzero(changed[row]).flatten().tolist() == list(expected)


def test_a_pentamer_of_n_is_the_mean():
    """Over all pentamers the features have mean 0; groove width and twist deviation 1, too."""
    values = torch.cat([LAYER(encoded(f"N{word}N")) for word in PENTAMERS], 2)[0]
    for row in range(2):
        assert values[row].mean().item() == pytest.approx(0, abs=1e-5)
        assert values[row].std(correction=0).item() == pytest.approx(1, rel=1e-4)
    for row in range(2, 4):
        assert values[row].mean().item() == pytest.approx(0, abs=1e-5)


def test_half_precision_takes_the_same_pentamers():
    bases = "ACGTTGCATTACGGATCCANACGT"
    half = LAYER(encoded(bases).to(torch.bfloat16))
    torch.testing.assert_close(half, LAYER(encoded(bases)), rtol=0, atol=1e-6)


def write(path: Path, columns=("pentamer", *COLUMNS), table=TABLE, words=PENTAMERS) -> Path:
    def field(word: str, name: str) -> str:
        return word if name == "pentamer" else repr(table[word][name])

    lines = ["\t".join(columns)]
    lines += ["\t".join(field(word, name) for name in columns) for word in words]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_table_is_read_whatever_its_order(tmp_path):
    expected = as_array(TABLE)
    np.testing.assert_array_equal(read_shape_table(write(tmp_path / "a.tsv")), expected)
    columns = ("HelT2", "MGW", "pentamer", "Roll2", "ProT", "HelT1", "Roll1")
    turned = write(tmp_path / "b.tsv", columns, words=PENTAMERS[::-1])
    np.testing.assert_array_equal(read_shape_table(turned), expected)
    packed = tmp_path / "c.tsv.gz"
    packed.write_bytes(gzip.compress(b"# a note\n" + turned.read_bytes().replace(b"\n", b"\r\n")))
    np.testing.assert_array_equal(read_shape_table(packed), expected)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("pentamer\tMGW", "word\tMGW", "header must name .*; it lacks pentamer$"),
        ("MGW\tProT\tRoll1", "MGW\tPROT\tRoll", "it lacks ProT, Roll1$"),
        ("\nAAAAC\t", "\nAAAAN\t", "line 3: 'AAAAN' is not a pentamer of A, C, G, T"),
        ("\nAAAAC\t", "\naaaac\t", "line 3: 'aaaac' is not a pentamer"),
        ("\nAAAAC\t", "\n\t", "line 3: '' is not a pentamer"),
        ("\nAAAAG\t", "\nAAAAA\t", "line 4: pentamer AAAAA is there twice"),
        ("\nAAAAC\t", "\nAAAAC\tx", "line 3: could not convert string to float: 'x"),
        ("\nAAAAC\t", "\nAAAAC\tnan\t", "line 3: 8 fields, the header has 7"),
        ("\nAAAAC\t", "\nAAAAC", "line 3: 6 fields, the header has 7"),
    ],
)
def test_a_table_that_is_none(tmp_path, old, new, message):
    path = write(tmp_path / "shape.tsv")
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    with pytest.raises(FormatError, match=f"shape.tsv.*{message}"):
        read_shape_table(path)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_values_must_be_finite(tmp_path, value):
    table = {**TABLE, "AAAAG": {**TABLE["AAAAG"], "Roll2": float(value)}}
    path = write(tmp_path / "shape.tsv", table=table)
    with pytest.raises(FormatError, match="line 4: a value of AAAAG is not finite"):
        read_shape_table(path)


def test_missing_pentamers(tmp_path):
    path = write(tmp_path / "shape.tsv", words=[w for w in PENTAMERS if w[:2] != "CG"])
    with pytest.raises(FormatError, match=r"no row for CGAAA \(64 of 1,024 are missing\)"):
        read_shape_table(path)


def test_files_that_are_no_table(tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*none\.tsv: No such file"):
        read_shape_table(tmp_path / "none.tsv")
    (tmp_path / "empty.tsv").write_text("")
    with pytest.raises(FormatError, match=r"empty\.tsv: the header must name"):
        read_shape_table(tmp_path / "empty.tsv")
    # One line of 200 kb, as of a genome.
    (tmp_path / "long.fa").write_text(">a\n" + "ACGT" * 50_000)
    with pytest.raises(FormatError, match=r"long\.fa: the header must name"):
        read_shape_table(tmp_path / "long.fa")
    (tmp_path / "binary").write_bytes(bytes(range(256)) * 10)
    with pytest.raises(FormatError, match="binary: the header must name"):
        read_shape_table(tmp_path / "binary")


@pytest.fixture(scope="module")
def real_table(shared_yeast: Path) -> np.ndarray:
    path = shared_yeast.parent / "dna_shape_pentamers.tsv"
    if not path.is_file():
        pytest.skip("the table of DNA shape is not beside the checkout")
    return read_shape_table(path)


def named(table: np.ndarray) -> Table:
    return {
        word: dict(zip(COLUMNS, row, strict=True))
        for word, row in zip(PENTAMERS, table.tolist(), strict=True)
    }


def test_the_real_table_reads_the_same_on_both_strands(real_table):
    table = named(real_table)
    for word, row in table.items():
        other = table[reverse(word)]
        assert (row["MGW"], row["ProT"]) == (other["MGW"], other["ProT"])
        assert (row["Roll1"], row["HelT1"]) == (other["Roll2"], other["HelT2"])


@settings(max_examples=5)
@given(bases=dna)
def test_the_real_table_against_the_definition(real_table, bases):
    found = DnaShape(real_table, SHAPES)(encoded(bases))[0].numpy()
    for row, feature in enumerate(SHAPES):
        expected = oracle(bases, standardised(named(real_table), feature), feature)
        np.testing.assert_allclose(found[row], expected, atol=1e-5)


def test_what_is_known_of_dna(real_table):
    """Rohs et al. 2009 (doi:10.1038/nature08473); roll of the steps: Olson et al. 1998."""
    layer = DnaShape(real_table, ("MGW", "ProT", "Roll"))

    def middle(bases: str) -> list[float]:
        values: Tensor = layer(encoded(bases))[0]
        return values[:, values.shape[1] // 2].tolist()

    # A-tracts have a narrow minor groove and strongly twisted pairs, G-tracts do not.
    narrow, twist, _ = middle("AAAAAAAAA")
    wide, flat, _ = middle("GCGCGCGCG")
    assert narrow < -1 < wide
    assert twist < -1 < 0 < flat
    # The step TpA opens towards the minor groove far more than ApA.
    table = named(real_table)

    def roll(step: str) -> float:
        first = [table[w]["Roll2"] for w in PENTAMERS if w[2:4] == step]
        second = [table[w]["Roll1"] for w in PENTAMERS if w[1:3] == step]
        return math.fsum(first + second) / 128

    assert roll("TA") > roll("AA") + 5
    assert roll("CG") > roll("GC")
    assert middle("TATATATAT")[2] > middle("AAAAAAAAA")[2] + 1
