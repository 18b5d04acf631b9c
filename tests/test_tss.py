"""Start sites: the first transcribed base, whatever stands in the score column."""

import gzip

import pytest

from chromputer_tracks.errors import BoundsError, ContigError, FormatError, InputError
from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.io.bed import read_tss

SIZES = ChromSizes({"chrI": 1000, "chrII": 500})
GENES = (
    "# genes\n"
    "chrI\t100\t400\tG1\tclass A\t+\n"
    "chrI\t150\t300\tG2\t0\t-\textra\n"
    "chrII\t7\t8\tG3\t03_TFO\t-\n"
    "chrI\t100\t200\tG4\t.\t+\n"
)


def write(folder, text, name="genes.bed"):
    path = folder / name
    path.write_text(text)
    return path


def test_start_sites_by_strand(tmp_path):
    found = read_tss(write(tmp_path, GENES), SIZES)
    assert len(found) == 4
    assert found.contigs == ("chrI", "chrII")
    assert found.contig.tolist() == [0, 0, 1, 0]
    assert found.position.tolist() == [100, 299, 7, 100]
    assert found.forward.tolist() == [True, False, False, True]
    assert found.on("chrI", forward=True).tolist() == [100]
    assert found.on("chrI", forward=False).tolist() == [299]
    assert found.on("chrII", forward=True).tolist() == []
    assert found.on("chrIII", forward=True).tolist() == []


def test_gzip(tmp_path):
    path = tmp_path / "genes.bed.gz"
    path.write_bytes(gzip.compress(GENES.encode()))
    assert read_tss(path).position.tolist() == [100, 299, 7, 100]


@pytest.mark.parametrize(
    ("line", "error", "message"),
    [
        ("chrI\t1\t2\tG", FormatError, r"genes.bed line 2 has 4 tab-separated columns; .*needs 6"),
        ("chrI 1 2 G 0 +", FormatError, "line 2 has 1 tab-separated column; "),
        ("chrI\tone\t2\tG\t0\t+", FormatError, r"line 2: columns 2 and 3 \(one, 2\)"),
        ("chrI\t-1\t2\tG\t0\t+", FormatError, r"columns 2 and 3 \(-1, 2\)"),
        ("chrI\t2\t2\tG\t0\t+", FormatError, r"columns 2 and 3 \(2, 2\)"),
        ("chrI\t1\t2\tG\t0\t.", FormatError, r"line 2: column 6 is '\.', but a start site needs"),
        ("\t1\t2\tG\t0\t+", FormatError, "line 2: the contig is empty"),
        (
            "chrI\t1\t1001\tG\t0\t+",
            BoundsError,
            r"line 2: column 3 \(1001\) ends past chrI \(1,000 bp",
        ),
        ("2\t1\t2\tG\t0\t+", ContigError, "genes.bed: '2' not in"),
    ],
)
def test_a_line_that_cannot_be_used(tmp_path, line, error, message):
    path = write(tmp_path, "chrI\t1\t2\tG\t0\t+\n" + line + "\n")
    with pytest.raises(error, match=message):
        read_tss(path, SIZES)


def test_no_gene_and_no_file(tmp_path):
    with pytest.raises(InputError, match="genes.bed is empty: it holds no gene"):
        read_tss(write(tmp_path, "# nothing\n"))
    with pytest.raises(InputError, match="cannot read"):
        read_tss(tmp_path / "none.bed")


def test_yeast(shared_yeast):
    found = read_tss(shared_yeast / "tss.bed")
    assert len(found) == 5378
    assert found.forward.sum() == 2692
