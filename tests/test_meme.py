"""MEME's motif format, read and written."""

import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from memelite.io import read_meme as memelite_read

from chromputer_tracks.errors import FormatError, InputError, OutputError
from chromputer_tracks.io.meme import MemeMotif, read_meme, write_meme

HEAD = "MEME version 4\n\nALPHABET= ACGT\n\nstrands: + -\n\n"
REB1 = (
    "MOTIF MA0363.3 REB1\n"
    "letter-probability matrix: alength= 4 w= 3 nsites= 17 E= 4.1e-009\n"
    " 0.1 0.2 0.3 0.4\n"
    "0.000000\t0.000000\t0.000000\t1.000000\n"
    "  0.25  0.25  0.25  0.25 \n"
)
MATRIX = [[0.1, 0.0, 0.25], [0.2, 0.0, 0.25], [0.3, 0.0, 0.25], [0.4, 1.0, 0.25]]


def meme_file(tmp_path, text):
    path = tmp_path / "motifs.meme"
    path.write_text(text)
    return path


def test_a_motif_is_read(tmp_path):
    (motif,) = read_meme(meme_file(tmp_path, HEAD + REB1 + "URL http://jaspar.org/MA0363.3\n"))
    assert (motif.name, motif.alternate, motif.sites) == ("MA0363.3", "REB1", 17)
    assert motif.url == "http://jaspar.org/MA0363.3"
    assert (motif.width, motif.title) == (3, "REB1 (MA0363.3)")
    np.testing.assert_array_equal(motif.matrix, MATRIX)


def test_attributes_may_be_missing_and_the_rows_then_end_with_the_numbers(tmp_path):
    text = HEAD + "MOTIF only\nletter-probability matrix:\n1 0 0 0\n0 1 0 0\n\nMOTIF two\n"
    first, second = read_meme(meme_file(tmp_path, text + REB1.split("\n", 1)[1]))
    assert (first.name, first.alternate, first.sites, first.title) == ("only", "", 20, "only")
    np.testing.assert_array_equal(first.matrix, np.eye(4)[:, :2])
    np.testing.assert_array_equal(second.matrix, MATRIX)


def test_the_full_output_of_meme_is_read(tmp_path):
    """Its MOTIF lines go on with statistics, and a log-odds matrix comes before."""
    text = (
        "*****\nMEME - Motif discovery tool\n*****\nMEME version 5.5.5 (Release date)\n"
        "ALPHABET= ACGT\nMOTIF TTACCCG MEME-1\twidth =   2  sites =  17  llr = 1  E-value = 1e-3\n"
        "\tMotif TTACCCG MEME-1 Description\n-----\nSimplified  A  :::\n"
        "log-odds matrix: alength= 4 w= 2 n= 100 bayes= 3 E= 1\n -10 20 30 -50\n 1 2 3 4\n----\n"
        "letter-probability matrix: alength= 4 w= 2 nsites= 17.0 E= 1e-3\n"
        " 0.5 0.5 0 0\n 0 0 0.5 0.5\n-----\n\tTime 1.0 secs.\n"
    )
    (motif,) = read_meme(meme_file(tmp_path, text))
    assert (motif.name, motif.alternate, motif.sites) == ("TTACCCG", "MEME-1", 17)
    np.testing.assert_array_equal(motif.matrix.T, [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]])


def test_the_alphabet_may_be_spelt_out_and_the_file_packed(tmp_path):
    text = 'MEME version 5\n\nALPHABET "DNA" DNA-LIKE\nA "Adenine" CC0000 ~ T\nEND ALPHABET\n'
    path = tmp_path / "motifs.meme.gz"
    path.write_bytes(gzip.compress((text + REB1).encode()))
    np.testing.assert_array_equal(read_meme(path)[0].matrix, MATRIX)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("", FormatError, "is not MEME text: no line begins with 'MEME version'"),
        (">MA0363.3\tREB1\nA [1 2]\n", FormatError, "jaspar2meme"),
        (HEAD, InputError, "holds no motif"),
        (HEAD.replace("ACGT", "ACGU"), FormatError, "line 3: the alphabet is 'ACGU', but only DNA"),
        (HEAD + "MOTIF\n", FormatError, "line 7: MOTIF has no name"),
        (HEAD + "MOTIF x\n1 0 0 0\n", FormatError, "line 7: motif 'x' has no letter-probability"),
        (HEAD + REB1 + REB1, FormatError, "line 12: motif 'MA0363.3' is there twice"),
        (HEAD + REB1.replace("= 4 ", "= 20 "), FormatError, "line 8: alength= 20"),
        (HEAD + REB1.replace("w= 3", "w= 4"), FormatError, "line 8: the matrix has 3 rows of num"),
        (HEAD + REB1.replace("w= 3", "w= x"), FormatError, "line 8: w= x is not a number"),
        (HEAD + REB1.replace("0.1 0.2", "0.1"), FormatError, "line 9: 3 numbers, but a row has 4"),
        (HEAD + REB1.replace("0.3 ", "0.2 "), FormatError, "line 9: the probabilities sum to 0.9,"),
        (HEAD + REB1.replace("0.1 0.2", "-0.1 0.4"), FormatError, "line 9: a probability is not"),
        (HEAD + REB1.replace("0.1 ", "nan "), FormatError, "line 9: a probability is not"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path, text, error, message):
    path = meme_file(tmp_path, text)
    with pytest.raises(error) as raised:
        read_meme(path)
    assert str(path) in str(raised.value)
    assert message in str(raised.value)


def test_a_missing_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*none\.meme"):
        read_meme(tmp_path / "none.meme")


names = st.text(
    st.characters(codec="utf-8", exclude_categories=("Z", "C")), min_size=1, max_size=12
).filter(lambda text: text.split() == [text] and text != "width")
columns = st.lists(st.integers(0, 1000), min_size=4, max_size=4).filter(sum)
drawn = st.builds(
    lambda name, rows, alternate, sites: MemeMotif(
        name, (np.array(rows) / np.sum(rows, axis=1, keepdims=True)).T, alternate, sites
    ),
    names,
    st.lists(columns, min_size=1, max_size=9),
    st.just("") | names,
    st.integers(0, 10_000),
)


@given(st.lists(drawn, min_size=1, max_size=4, unique_by=lambda motif: motif.name))
def test_what_is_written_is_read_back(tmp_path_factory, motifs):
    folder = tmp_path_factory.mktemp("meme")
    write_meme(folder / "a.meme", motifs)
    found = read_meme(folder / "a.meme")
    assert [(m.name, m.alternate, m.sites) for m in found] == [
        (m.name, m.alternate, m.sites) for m in motifs
    ]
    for motif, again in zip(motifs, found, strict=True):
        np.testing.assert_allclose(again.matrix, motif.matrix, atol=5.1e-7)
    write_meme(folder / "b.meme", found)
    assert (folder / "b.meme").read_bytes() == (folder / "a.meme").read_bytes()


def test_a_second_library_reads_what_is_written(tmp_path):
    matrix = np.random.default_rng(0).dirichlet([1, 1, 1, 1], size=7).T
    motifs = [MemeMotif("a", matrix, url="http://x"), MemeMotif("b", matrix[::-1, ::-1], "B", 5)]
    write_meme(tmp_path / "a.meme", motifs)
    found = memelite_read(str(tmp_path / "a.meme"))
    assert list(found) == ["a", "b B"]
    np.testing.assert_allclose(found["a"], matrix, atol=5.1e-7)
    np.testing.assert_allclose(found["b B"], matrix[::-1, ::-1], atol=5.1e-7)


def test_names_that_could_not_be_read_back_are_refused(tmp_path):
    for motif in (MemeMotif("a b", np.eye(4)), MemeMotif("", np.eye(4))):
        with pytest.raises(FormatError, match="no white space"):
            write_meme(tmp_path / "a.meme", [motif])
    with pytest.raises(OutputError, match="does not exist"):
        write_meme(tmp_path / "none" / "a.meme", [MemeMotif("a", np.eye(4))])
    assert list(tmp_path.iterdir()) == []
