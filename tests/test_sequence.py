"""DNA as arrays, against letters; its shuffles, against every order."""

from __future__ import annotations

from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import chisquare

from chromputer_tracks.data.features import one_hot, reverse_complement
from chromputer_tracks.data.shuffles import shuffle_windows, window_rng
from chromputer_tracks.errors import InputError

DNA = st.text(alphabet="ACGTN", min_size=1, max_size=60)
COMPLEMENT = str.maketrans("ACGTN", "TGCAN")


def encode(text: str):
    return one_hot(np.frombuffer(text.encode(), dtype=np.uint8))


def test_one_hot_has_rows_a_c_g_t():
    expected = [[1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 0]]
    found = encode("ACGTN")
    assert found.dtype == np.float32
    assert found.tolist() == expected


@given(st.text(alphabet="ACGTNRYSWKMacgt-", min_size=0, max_size=60))
def test_one_hot_against_an_oracle(text):
    found = encode(text)
    assert found.shape == (4, len(text))
    for position, letter in enumerate(text):
        for row, base in enumerate("ACGT"):
            assert found[row, position] == (letter == base)


@given(DNA)
def test_reverse_complement_equals_that_of_the_string(text):
    backwards = text.translate(COMPLEMENT)[::-1]
    np.testing.assert_array_equal(reverse_complement(encode(text)), encode(backwards))


@given(DNA)
def test_reverse_complement_is_an_involution(text):
    once = reverse_complement(encode(text))
    np.testing.assert_array_equal(reverse_complement(once), encode(text))


def test_reverse_complement_of_a_batch_is_done_item_by_item():
    batch = np.stack([encode("AACGTN"), encode("TTTTGC")])
    expected = np.stack([encode("NACGTT"), encode("GCAAAA")])
    np.testing.assert_array_equal(reverse_complement(batch), expected)


def decode(array: NDArray[np.float32]) -> str:
    return "".join("ACGT"[column.argmax()] if column.any() else "N" for column in array.T)


def shuffles(text: str, number: int, seed: int = 0) -> list[str]:
    (made,) = shuffle_windows(encode(text)[None], number, [np.random.default_rng(seed)])
    assert made.dtype == np.float32
    assert made.shape == (number, 4, len(text))
    assert ((made == 0) | (made == 1)).all()
    return [decode(array) for array in made]


def pairs(text: str) -> Counter[str]:
    """Dinucleotides, those with N left out."""
    return Counter(text[i : i + 2] for i in range(len(text) - 1) if "N" not in text[i : i + 2])


def all_orders(text: str) -> set[str]:
    """All orders of a run's bases with its ends and dinucleotides, by trying every permutation."""
    middle = set(permutations(text[1:-1]))
    candidates = (text[0] + "".join(inner) + text[-1] for inner in middle)
    return {item for item in candidates if pairs(item) == pairs(text)}


@given(DNA, st.integers(1, 4), st.integers(0, 2**32))
@settings(max_examples=200, deadline=None)
def test_runs_keep_their_dinucleotides_ends_and_n(text: str, number: int, seed: int) -> None:
    for made in shuffles(text, number, seed):
        assert len(made) == len(text)
        assert [i for i, c in enumerate(made) if c == "N"] == [
            i for i, c in enumerate(text) if c == "N"
        ]
        before, after = text.split("N"), made.split("N")
        for run, shuffled in zip(before, after, strict=True):
            assert pairs(shuffled) == pairs(run)
            assert (shuffled[:1], shuffled[-1:]) == (run[:1], run[-1:])


@pytest.mark.parametrize("text", ["ACAGATAACG", "CGTACGGATC", "CAATTACAGT", "AACAAAGACA"])
def test_every_order_is_equally_likely(text: str) -> None:
    orders = sorted(all_orders(text))
    assert len(orders) > 8
    seen = Counter(shuffles(text, 400 * len(orders), seed=3))
    assert set(seen) == set(orders)
    assert chisquare([seen[item] for item in orders]).pvalue > 1e-3


def test_runs_are_shuffled_independently() -> None:
    run = "ACAGATAG"
    orders = sorted(all_orders(run))
    made = [item.split("NN") for item in shuffles(f"{run}NN{run}", 20_000, seed=5)]
    left = np.array([orders.index(item[0]) for item in made])
    right = np.array([orders.index(item[1]) for item in made])
    table = np.bincount(left * len(orders) + right, minlength=len(orders) ** 2)
    assert table.min() > 0
    assert chisquare(table).pvalue > 1e-3


@pytest.mark.parametrize(
    "text", ["", "A", "AC", "ACG", "AAG", "AAAAAAAA", "NNNN", "NANCNGTN", "ACACACAC", "ACGT"]
)
def test_what_has_one_order_is_left_as_it_is(text: str) -> None:
    assert shuffles(text, 3) == [text] * 3


def test_long_windows_are_shuffled_well() -> None:
    rng = np.random.default_rng(2)
    text = "".join(rng.choice(list("ACGT"), size=2000, p=[0.3, 0.2, 0.2, 0.3]))
    for made in shuffles(text, 20):
        same = np.mean([a == b for a, b in zip(made, text, strict=True)])
        assert same == pytest.approx(0.26, abs=0.06)
        assert pairs(made) == pairs(text)


@given(st.lists(st.text("ACGTN", min_size=30, max_size=30), min_size=1, max_size=5))
@settings(max_examples=50, deadline=None)
def test_a_window_does_not_depend_on_the_others(texts: list[str]) -> None:
    windows = np.stack([encode(text) for text in texts])
    together = shuffle_windows(windows, 3, [window_rng(7, "chrI", i) for i in range(len(texts))])
    for index, window in enumerate(windows):
        (alone,) = shuffle_windows(window[None].astype(np.int8), 3, [window_rng(7, "chrI", index)])
        np.testing.assert_array_equal(together[index], alone)


def test_generators_differ_by_seed_contig_and_start() -> None:
    places = [(0, "chrI", 0), (1, "chrI", 0), (0, "chrII", 0), (0, "chrI", 1), (0, "chrI", -1)]
    drawn = {window_rng(*place).integers(2**62) for place in places}
    assert len(drawn) == len(places)
    assert window_rng(3, "chrIV", -50).bit_generator.random_raw() == 13797561339622833701


@pytest.mark.parametrize(
    ("shape", "number", "generators"),
    [((1, 5, 8), 2, 1), ((4, 8), 2, 4), ((2, 4, 8), 2, 1), ((1, 4, 8), 0, 1)],
)
def test_what_cannot_be_shuffled_is_refused(
    shape: tuple[int, ...], number: int, generators: int
) -> None:
    rngs = [np.random.default_rng(0)] * generators
    with pytest.raises(InputError, match="shuffl"):
        shuffle_windows(np.zeros(shape, dtype=np.float32), number, rngs)


def test_negative_seeds_are_refused() -> None:
    with pytest.raises(InputError, match="seed -1 must be at least 0"):
        window_rng(-1, "chrI", 0)
