"""2bit files read back by a slow reader of the format's description, and by py2bit."""

from __future__ import annotations

from pathlib import Path

import pysam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twobit_reader import read

from chromputer_tracks.errors import OutputError
from chromputer_tracks.io import twobit
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.twobit import write_twobit

YEAST = Path(__file__).parents[1] / "examples/yeast/sacCer3.fa.gz"


def write(folder: Path, contigs: dict[str, str]) -> Path:
    fasta = folder / "g.fa"
    fasta.write_text("".join(f">{name}\n{bases}\n" for name, bases in contigs.items()))
    (folder / "g.fa.fai").unlink(missing_ok=True)
    pysam.faidx(str(fasta))
    path = folder / "g.2bit"
    with Fasta(fasta) as genome:
        write_twobit(path, genome)
    return path


def expected(bases: str) -> str:
    """What 2bit can hold: other letters are N of their case."""
    return "".join(b if b in "ACGTNacgtn" else "N" if b.isupper() else "n" for b in bases)


CONTIGS = {
    "chr2": "ACGTTGCANNNNacgtnnnnRYT",
    "one": "G",
    "two": "NN",
    "lower": "acgta",
    "name.with-all_1": "TTTTCCCCAAAAGGGG",
}


def test_a_small_genome(tmp_path):
    path = write(tmp_path, CONTIGS)
    found = read(path)
    assert list(found) == list(CONTIGS)
    assert found == {name: expected(bases) for name, bases in CONTIGS.items()}
    # TCAG is 00011011, the description's own example.
    assert write(tmp_path, {"a": "TCAG"}).read_bytes()[-1] == 0b00011011


@settings(max_examples=60, deadline=None)
@given(
    contigs=st.lists(st.text("ACGTNacgtnRW", min_size=1, max_size=60), min_size=1, max_size=4),
    chunk=st.sampled_from([4, 8, 12, 1 << 22]),
)
def test_any_genome_in_any_pieces(tmp_path_factory, contigs, chunk):
    named = {f"c{i}": bases for i, bases in enumerate(contigs)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(twobit, "_CHUNK", chunk)
        path = write(tmp_path_factory.mktemp("genome"), named)
    assert read(path) == {name: expected(bases) for name, bases in named.items()}


def test_py2bit_reads_the_same(tmp_path):
    py2bit = pytest.importorskip("py2bit", reason="py2bit is not installed")
    with Fasta(YEAST) as genome, pysam.FastaFile(str(YEAST)) as source:
        path = tmp_path / "yeast.2bit"
        write_twobit(path, genome)
        file = py2bit.open(str(path), True)
        assert file.chroms() == dict(genome.sizes)
        for name in ("chrI", "chrM"):
            assert file.sequence(name) == source.fetch(name)
        file.close()
    file = py2bit.open(str(write(tmp_path, CONTIGS)), True)
    # It gives each N in upper case.
    assert {name: file.sequence(name) for name in file.chroms()} == {
        name: expected(bases).replace("n", "N") for name, bases in CONTIGS.items()
    }
    assert file.softMaskedBlocks("chr2") == [(12, 20)]
    assert file.hardMaskedBlocks("chr2") == [(8, 12), (16, 22)]
    file.close()


def test_a_name_that_does_not_fit(tmp_path):
    with pytest.raises(OutputError, match="has 256 bytes, and 2bit holds 255"):
        write(tmp_path, {"a" * 256: "ACGT"})
    assert not (tmp_path / "g.2bit").exists()


def test_a_genome_that_does_not_fit(tmp_path, monkeypatch):
    monkeypatch.setattr(twobit, "_LARGEST", 60)
    with pytest.raises(OutputError, match="faToTwoBit -long"):
        write(tmp_path, {"a": "ACGT" * 20, "b": "ACGT"})
    assert [item.name for item in tmp_path.iterdir()] == ["g.fa", "g.fa.fai"]


@pytest.mark.parametrize("damage", ["cut", "longer", "other"])
def test_a_file_that_reads_back_differently_is_refused(tmp_path, monkeypatch, damage):
    check = twobit._check

    def damaged(temporary: Path, path: Path, sizes: object) -> None:
        raw = temporary.read_bytes()
        made = {"cut": raw[:-1], "longer": raw + b"x", "other": raw.replace(b"chr2", b"chr3")}
        temporary.write_bytes(made[damage])
        check(temporary, path, sizes)

    monkeypatch.setattr(twobit, "_check", damaged)
    with pytest.raises(OutputError, match="read back"):
        write(tmp_path, CONTIGS)
    assert not (tmp_path / "g.2bit").exists()
