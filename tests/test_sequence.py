"""One-hot DNA and its reverse complement, against letters."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from chromputer_tracks.data.sequence import one_hot, reverse_complement

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
