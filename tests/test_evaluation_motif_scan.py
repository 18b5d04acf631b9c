"""The motif scan against string matching and a loop over words; JASPAR's matrices."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chromputer_tracks.errors import ConfigError
from chromputer_tracks.evaluation.site_features import jaspar_matrix, motif_scan
from chromputer_tracks.intervals import Interval

COMPLEMENT = str.maketrans("ACGTN", "TGCAN")


class Text:
    """A contig given as letters."""

    def __init__(self, bases: str) -> None:
        self.bases = bases

    def fetch(self, interval: Interval) -> np.ndarray:
        letters = [
            self.bases[i] if 0 <= i < len(self.bases) else "N"
            for i in range(interval.start, interval.end)
        ]
        return np.frombuffer("".join(letters).encode(), dtype=np.uint8)


def score(matrix, word):
    return sum(matrix["ACGT".index(c), i] for i, c in enumerate(word) if c != "N")


def oracle(bases, centre, matrix, width):
    """Best of every word, on either strand, whose middle lies in the bin."""
    motif = matrix.shape[1]
    best = -np.inf
    for middle in range(centre - width // 2, centre - width // 2 + width):
        start = middle - motif // 2
        word = "".join(
            bases[i] if 0 <= i < len(bases) else "N" for i in range(start, start + motif)
        )
        backwards = word.translate(COMPLEMENT)[::-1]
        best = max(best, score(matrix, word), score(matrix, backwards))
    return best


@given(
    st.text(alphabet="ACGTN", min_size=30, max_size=120),
    st.integers(1, 9),
    st.sampled_from([4, 10, 20]),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=60)
def test_scan_against_the_oracle(bases, motif, width, seed):
    rng = np.random.default_rng(seed)
    matrix = rng.normal(0, 2, (4, motif)).astype(np.float32)
    # From the first base to the last: bins that leave the contig are there, too.
    step = int(rng.integers(1, 12))
    centres = np.arange(0, len(bases) + 1, step, dtype=np.int64)
    found = motif_scan(Text(bases), "chr1", centres, matrix, width)
    assert found.dtype == np.float32
    expected = [oracle(bases, int(centre), matrix, width) for centre in centres]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


WORD = "TTACCCGT"


def word_matrix() -> np.ndarray:
    matrix = np.full((4, len(WORD)), -1, dtype=np.float32)
    for column, letter in enumerate(WORD):
        matrix["ACGT".index(letter), column] = 1
    return matrix


@pytest.mark.parametrize("at", [0, 37, 92])
@pytest.mark.parametrize("word", [WORD, WORD.translate(COMPLEMENT)[::-1]])
def test_a_planted_word_is_found_in_its_bin_only(at, word):
    bases = "G" * at + word + "G" * (100 - at - len(word))
    centres = np.arange(5, 100, 10, dtype=np.int64)
    found = motif_scan(Text(bases), "chr1", centres, word_matrix(), 10)
    assert np.flatnonzero(found == len(WORD)).tolist() == [(at + len(WORD) // 2) // 10]


def consensus(matrix) -> str:
    return "".join("ACGT"[row] for row in matrix.argmax(axis=0))


def test_reb1_s_matrix_has_its_consensus():
    matrix = jaspar_matrix("MA0363")
    assert matrix.dtype == np.float32
    assert matrix.shape[0] == 4
    word = consensus(matrix)
    assert any(core in word for core in ("TTACCCG", "CGGGTAA")), word


def test_log_odds_are_those_of_the_counts():
    from pyjaspar import jaspardb

    matrix = jaspar_matrix("MA0265.3")
    motif = jaspardb().fetch_motif_by_id("MA0265.3")
    assert matrix.shape == (4, motif.length)
    for column in range(motif.length):
        counts = [motif.counts[base][column] for base in "ACGT"]
        for row, count in enumerate(counts):
            share = (count + 0.2) / (sum(counts) + 0.8)
            assert matrix[row, column] == pytest.approx(np.log2(share / 0.25), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("matrix_id", ["MA9999999", "Reb1", "MA0363.99"])
def test_an_unknown_matrix_is_an_error(matrix_id):
    with pytest.raises(ConfigError, match=f"no motif {matrix_id!r}"):
        jaspar_matrix(matrix_id)
