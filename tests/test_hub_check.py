"""Files that a browser could not draw are found before a hub names them."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pyBigWig
import pytest

from chromputer_tracks.errors import ContigError, FormatError, InputError
from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.io.bbi import check_bbi
from chromputer_tracks.io.bigbed import write_bigbed
from chromputer_tracks.io.bigwig import BigWigWriter
from chromputer_tracks.tracks.hub.genome import check_known, check_names

SIZES = ChromSizes({"chr1": 2_000_000, "chr2": 1_000}, "sizes")
SQL = """table t
"t"
    (
    string chrom;      "c"
    uint   chromStart; "s"
    uint   chromEnd;   "e"
    string name;       "n"
    )
"""


@pytest.fixture
def bigwig(tmp_path: Path) -> Path:
    path = tmp_path / "a.bw"
    values = np.linspace(-1, 2, 100_000, dtype=np.float32)
    with BigWigWriter(path, SIZES, 10) as writer:
        writer.add("chr1", 0, 1_000_000, values)
        writer.add("chr2", 0, 1_000, values[:100])
    return path


def foreign(path: Path, *, zooms: int) -> Path:
    """Many blocks of single values, written by another library."""
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader(list(SIZES.items()), maxZooms=zooms)
        starts = np.arange(0, 1_000_000, 4)
        file.addEntries(
            ["chr1"] * len(starts), starts, ends=starts + 3, values=np.ones(len(starts))
        )
    return path


def bigbed(path: Path, count: int = 3) -> Path:
    write_bigbed(path, SIZES, [("chr1", 10 * i, 10 * i + 5, "a") for i in range(count)], SQL)
    return path


def test_contigs_and_range_of_a_bigwig(bigwig):
    found = check_bbi(bigwig, "bigWig", SIZES)
    assert found.contigs == dict(SIZES)
    assert (found.low, found.high) == pytest.approx((-1, 2))
    assert check_bbi(bigwig, "bigWig", None) == found


def test_a_bigbed_has_the_columns_of_its_type(tmp_path):
    path = bigbed(tmp_path / "a.bb")
    assert check_bbi(path, "bigBed 4 .", SIZES).contigs.items() <= SIZES.items()
    with pytest.raises(FormatError, match="has 4 columns, 4 of them of BED, but .* bigBed 9"):
        check_bbi(path, "bigBed 9 .", SIZES)


def test_small_files_need_no_zoom_levels(tmp_path):
    check_bbi(bigbed(tmp_path / "a.bb", 2), "bigBed 4 .", SIZES)
    check_bbi(bigbed(tmp_path / "b.bb", 20_000), "bigBed 4 .", SIZES)


def test_zoom_levels(tmp_path):
    check_bbi(foreign(tmp_path / "with.bw", zooms=5), "bigWig", SIZES)
    with pytest.raises(FormatError, match="without.bw has no zoom levels"):
        check_bbi(foreign(tmp_path / "without.bw", zooms=0), "bigWig", SIZES)


def test_another_kind(bigwig, tmp_path):
    with pytest.raises(FormatError, match="a.bw is not a bigBed"):
        check_bbi(bigwig, "bigBed 4 .", SIZES)
    with pytest.raises(FormatError, match="a.bb is not a bigWig"):
        check_bbi(bigbed(tmp_path / "a.bb"), "bigWig", SIZES)
    (tmp_path / "empty.bw").write_bytes(b"")
    with pytest.raises(FormatError, match="empty.bw is not a bigWig: it starts with b''"):
        check_bbi(tmp_path / "empty.bw", "bigWig", SIZES)
    with pytest.raises(InputError, match="cannot read .*none.bw"):
        check_bbi(tmp_path / "none.bw", "bigWig", SIZES)


def test_contigs(bigwig):
    check_bbi(bigwig, "bigWig", ChromSizes({**SIZES, "chr3": 5}))
    with pytest.raises(ContigError, match="'chr2' not in small"):
        check_bbi(bigwig, "bigWig", ChromSizes({"chr1": 2_000_000}, "small"))
    with pytest.raises(ContigError, match="chr2 is 1,000 bp, but 999 bp in short"):
        check_bbi(bigwig, "bigWig", ChromSizes({**SIZES, "chr2": 999}, "short"))


def test_an_unsorted_index(bigwig):
    raw = bytearray(bigwig.read_bytes())
    (index,) = struct.unpack_from("<Q", raw, 24)
    # The tree's head, the node's head, and leaves of 32 bytes.
    first = index + 48 + 4
    leaves = raw[first : first + 64]
    raw[first : first + 64] = leaves[32:] + leaves[:32]
    bigwig.write_bytes(raw)
    with pytest.raises(FormatError, match="a.bw is not sorted by contig and start"):
        check_bbi(bigwig, "bigWig", SIZES)


def test_a_deep_index_is_walked_in_order(tmp_path):
    """More than 256 blocks give the tree two levels."""
    path = tmp_path / "deep.bw"
    sizes = ChromSizes({f"c{i:03d}": 20_000 for i in range(300)})
    with BigWigWriter(path, sizes, 10) as writer:
        for name in sizes:
            writer.add(name, 0, 20_000, np.ones(2_000, np.float32))
    assert check_bbi(path, "bigWig", sizes).high == 1


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9, 0.99])
def test_a_truncated_file(bigwig, share):
    raw = bigwig.read_bytes()
    bigwig.write_bytes(raw[: int(len(raw) * share)])
    with pytest.raises(FormatError, match="a.bw is (truncated or damaged|not a bigWig)"):
        check_bbi(bigwig, "bigWig", SIZES)


@pytest.mark.parametrize("place", [2**62, 2**63 - 1, 2**64 - 1])
def test_an_index_that_leads_nowhere(tmp_path, place):
    path = foreign(tmp_path / "a.bw", zooms=5)
    raw = bytearray(path.read_bytes())
    # The header of the first zoom level ends with the place of its index.
    struct.pack_into("<Q", raw, 64 + 16, place)
    path.write_bytes(raw)
    with pytest.raises(FormatError, match="a.bw is truncated or damaged"):
        check_bbi(path, "bigWig", SIZES)


@pytest.mark.parametrize("name", ["1", "X", "MT", "IV", "2L", "Mito"])
def test_names_that_ucsc_has_not(name):
    with pytest.raises(ContigError) as caught:
        check_names({"chr9": 5, name: 7}, "sacCer3", "tracks.bw")
    assert str(caught.value).startswith(
        f"tracks.bw: contig {name!r} is called 'chr{name}' in UCSC's sacCer3, where these tracks "
        "would stay empty"
    )
    check_names({name: 7}, "GCF_000146045.2", "tracks.bw")


def test_names_that_ucsc_may_have():
    check_names({"chr1": 5, "chrM": 7, "NC_045512v2": 8, "scaffold_1": 3}, "hg38", "tracks.bw")


@pytest.mark.parametrize(
    ("contigs", "assembly", "message"),
    [
        ({"chr1": 249_250_621}, "hg38", "hg38: chr1 has 249,250,621 bp, as in hg19; give"),
        ({"chrI": 230_218}, "hg38", "hg38: chrI has 230,218 bp, as in sacCer3; give"),
        ({"chr1": 100}, "mm10", "mm10: chr1 has 100 bp, in mm10 195,471,971 bp; give"),
    ],
)
def test_tracks_of_another_assembly(contigs, assembly, message):
    with pytest.raises(ContigError) as caught:
        check_known(contigs, assembly, "a.bw")
    assert f"a.bw is not of UCSC's {message}" in str(caught.value)


def test_tracks_of_a_known_assembly():
    assert check_known({"chr1": 248_956_422, "chrM": 16_569}, "hg38", "a.bw")
    # Parts of genomes, and assemblies that are not in the table, are not compared.
    assert not check_known({"chr21": 46_709_983}, "hg38", "a.bw")
    assert not check_known({"chrI": 230_218}, "myYeast", "a.bw")


def test_an_index_that_leads_back_to_itself(tmp_path):
    path = foreign(tmp_path / "a.bw", zooms=0)
    data = bytearray(path.read_bytes())
    (index,) = struct.unpack_from("<Q", data, 24)
    root = index + 48
    is_leaf, _, count = struct.unpack_from("<BBH", data, root)
    assert not is_leaf and count
    struct.pack_into("<Q", data, root + 4 + 16, root)
    path.write_bytes(data)
    with pytest.raises(FormatError, match="its index leads back to itself"):
        check_bbi(path, "bigWig", None)
