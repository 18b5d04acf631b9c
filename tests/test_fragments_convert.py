"""``chromputer fragments``: what it writes, read back by pysam, and how it fails."""

from __future__ import annotations

import gzip
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pysam
import pytest
import typer
from fragment_files import CONTIGS, PLAIN, SIZES, Pair, random_pairs, write_bedpe, write_pairs
from typer.testing import CliRunner

from chromputer_tracks.cli.fragments import fragments
from chromputer_tracks.errors import ContigError, FormatError, InputError, OutputError
from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.io import fragment_convert
from chromputer_tracks.io import fragments as reasons
from chromputer_tracks.io.fragment_convert import convert_fragments
from chromputer_tracks.io.fragments import FragmentOptions


def rows_of(path: Path) -> list[tuple[str, int, int, str, int]]:
    with gzip.open(path, "rt") as file:
        rows = [line.rstrip("\n").split("\t") for line in file]
    return [(c, int(s), int(e), b, int(k)) for c, s, e, b, k in rows]


@pytest.fixture(scope="module")
def pairs() -> list[Pair]:
    return random_pairs(11, 3_000, 60)


@pytest.mark.parametrize("kind", ["bam", "bedpe"])
def test_pairs_become_sorted_counted_fragments(tmp_path, pairs, kind):
    writer = write_pairs if kind == "bam" else write_bedpe
    path = writer(tmp_path / f"a.{kind}", pairs)
    out = tmp_path / "out.fragments.tsv.gz"
    summary = convert_fragments(path, out, SIZES, PLAIN)
    counts = Counter((p.chrom, p.start, p.start + p.length) for p in pairs)
    order = list(CONTIGS)
    expected = sorted(counts, key=lambda row: (order.index(row[0]), *row[1:]))
    assert rows_of(out) == [(*row, "bulk", counts[row]) for row in expected]
    assert summary.kept == len(counts)
    assert summary.removed[reasons.IDENTICAL] == len(pairs) - len(counts)
    assert summary.read == len(pairs)
    assert sorted(p.name for p in tmp_path.iterdir()) == [path.name, out.name, out.name + ".tbi"]


def test_index_answers_queries(tmp_path, pairs):
    out = tmp_path / "out.tsv.gz"
    convert_fragments(write_pairs(tmp_path / "a.bam", pairs), out, SIZES, PLAIN)
    with pysam.TabixFile(str(out)) as file:
        assert list(file.contigs) == list(CONTIGS)
        found = [tuple(map(int, r.split("\t")[1:3])) for r in file.fetch("chr2", 100, 103)]
    everything = [r for r in rows_of(out) if r[0] == "chr2"]
    assert found == [(s, e) for _, s, e, _, _ in everything if s < 103 and e > 100]
    assert found


def test_order_of_contigs(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("chr2\t5\t9\nchr1\t7\t9\nchr2\t1\t9\n")
    convert_fragments(path, tmp_path / "a.gz")
    assert [r[:2] for r in rows_of(tmp_path / "a.gz")] == [("chr2", 1), ("chr2", 5), ("chr1", 7)]
    convert_fragments(path, tmp_path / "b.gz", SIZES)
    assert [r[:2] for r in rows_of(tmp_path / "b.gz")] == [("chr1", 7), ("chr2", 1), ("chr2", 5)]


def test_barcodes_and_counts_are_kept(tmp_path):
    path = tmp_path / "a.tsv"
    lines = ["chr1\t5\t90\tT\t2", "chr1\t5\t90\tA\t1", "chr1\t5\t90\tT\t3", "chr1\t1\t90\t.\t1"]
    path.write_text("\n".join(lines) + "\n")
    out = tmp_path / "b.gz"
    summary = convert_fragments(path, out)
    expected = [("chr1", 1, 90, ".", 1), ("chr1", 5, 90, "A", 1), ("chr1", 5, 90, "T", 5)]
    assert rows_of(out) == expected
    assert summary.removed == {reasons.IDENTICAL: 1}
    again = tmp_path / "c.gz"
    assert convert_fragments(out, again, SIZES).kept == 3
    assert rows_of(again) == expected
    keep = FragmentOptions(drop_duplicates=False)
    assert convert_fragments(path, out, None, keep).kept == 4
    assert [r[4] for r in rows_of(out)] == [1, 1, 2, 3]


def test_shift_by_format(tmp_path):
    bam = write_pairs(tmp_path / "a.bam", [Pair("chr1", 10, 100)])
    convert_fragments(bam, tmp_path / "a.gz")
    assert rows_of(tmp_path / "a.gz") == [("chr1", 14, 105, "bulk", 1)]
    convert_fragments(tmp_path / "a.gz", tmp_path / "b.gz")
    assert rows_of(tmp_path / "b.gz") == [("chr1", 14, 105, "bulk", 1)]


def test_contigs_past_the_reach_of_tbi(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("chr1\t7\t9\n")
    convert_fragments(path, tmp_path / "a.gz")
    assert (tmp_path / "a.gz.tbi").exists()
    path.write_text("chr1\t700000000\t700000100\n")
    convert_fragments(path, tmp_path / "a.gz")
    assert not (tmp_path / "a.gz.tbi").exists()
    with pysam.TabixFile(str(tmp_path / "a.gz"), index=str(tmp_path / "a.gz.csi")) as file:
        assert len(list(file.fetch("chr1", 700_000_000, 700_000_001))) == 1


def test_failure_leaves_nothing_and_keeps_what_was_there(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    out = folder / "a.gz"
    out.write_bytes(b"earlier")
    path = tmp_path / "a.tsv"
    path.write_text("chr1\t5\t90\nchr1\t5\tx\n")
    with pytest.raises(FormatError, match="line 2"):
        convert_fragments(path, out)
    path.write_text("chr1\t5\t90\nother\t5\t9\n")
    with pytest.raises(ContigError, match="--exclude-contig"):
        convert_fragments(path, out, SIZES)
    path.write_text("")
    with pytest.raises(InputError, match="holds no fragments"):
        convert_fragments(path, out)
    assert [p.name for p in folder.iterdir()] == ["a.gz"]
    assert out.read_bytes() == b"earlier"


def test_bad_output_names(tmp_path):
    path = tmp_path / "a.tsv.gz"
    path.write_text("chr1\t5\t90\n")
    with pytest.raises(OutputError, match="is the input itself"):
        convert_fragments(path, path)
    with pytest.raises(OutputError, match=r"ends in \.gz"):
        convert_fragments(path, tmp_path / "out.tsv")
    with pytest.raises(OutputError, match="is a file; name a folder"):
        convert_fragments(path, path / "out.gz")
    convert_fragments(path, tmp_path / "none" / "deep" / "out.gz")
    assert (tmp_path / "none" / "deep" / "out.gz.tbi").is_file()
    with pytest.raises(InputError, match=r"none\.bam: No such file"):
        convert_fragments(tmp_path / "none.bam", path)
    assert path.read_text() == "chr1\t5\t90\n"


def test_a_file_that_lacks_rows_is_not_renamed(tmp_path, monkeypatch):
    real = fragment_convert._lines

    def short(name, rows, barcodes):
        return real(name, rows[:-1], barcodes)

    monkeypatch.setattr(fragment_convert, "_lines", short)
    path = tmp_path / "a.tsv"
    path.write_text("chr1\t5\t90\nchr1\t6\t90\n")
    with pytest.raises(OutputError, match="was not written whole: 1 fragments on 1 contigs"):
        convert_fragments(path, tmp_path / "out.gz")
    assert [p.name for p in tmp_path.iterdir()] == ["a.tsv"]


@pytest.mark.parametrize(
    ("limit", "message"), [(100_000, "cannot use scratch folder"), (400_000, "(is the disk full?)")]
)
def test_disk_full(tmp_path, limit, message):
    # 16 bytes a fragment in the scratch files; more than that, by its barcode, in the output.
    rng = random.Random(7)
    path = tmp_path / "a.tsv"
    path.write_text(
        "".join(f"chr1\t{i}\t{i + 90}\t{rng.randbytes(30).hex()}\n" for i in range(20_000))
    )
    script = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from chromputer_tracks.errors import OutputError\n"
        "from chromputer_tracks.io.fragment_convert import convert_fragments\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        "try:\n"
        "    convert_fragments(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "except OutputError as error:\n"
        "    print(error)\n"
    )
    command = [sys.executable, "-c", script, str(path), str(tmp_path / "out.gz")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert message in done.stdout
    assert [p.name for p in tmp_path.iterdir()] == ["a.tsv"]


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    app.command()(fragments)
    return app


def test_command(tmp_path, app):
    path = write_pairs(
        tmp_path / "a.bam",
        [Pair("chr1", 10, 100), Pair("chr1", 10, 100, mapq=7), Pair("chrUn", 1, 50)],
    )
    fasta = tmp_path / "g.fa"
    fasta.write_text(">chr2\n" + "A" * 2_000 + "\n>chr1\n" + "C" * 3_000 + "\n")
    pysam.faidx(str(fasta))
    out = tmp_path / "a.fragments.tsv.gz"
    arguments = [str(path), "-o", str(out), "--fasta", str(fasta), "--exclude-contig", "chrUn"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    for text in ("a.bam: 3 read pairs", "low mapping quality", "excluded contig", "+4/-5"):
        assert text in result.stderr
    assert rows_of(out) == [("chr1", 14, 105, "bulk", 1)]

    arguments += ["--scratch", str(tmp_path / "gone")]
    result = CliRunner().invoke(app, arguments)
    assert "gone: No such file or directory" in str(result.exception)
    (tmp_path / "gone").mkdir()

    arguments += ["--min-mapq", "0", "--keep-duplicates", "--no-tn5-shift"]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert rows_of(out) == [("chr1", 10, 110, "bulk", 1)] * 2


def test_real_fragment_file_comes_back_byte_for_byte(shared_yeast, tmp_path):
    path = shared_yeast / "atac_SRR1822137.fragments.tsv.gz"
    sizes = ChromSizes(dict.fromkeys(pysam.TabixFile(str(path)).contigs, 2_000_000))
    out = tmp_path / "a.fragments.tsv.gz"
    assert convert_fragments(path, out, sizes).kept == 414_968
    with gzip.open(path) as ours, gzip.open(out) as theirs:
        assert ours.read() == theirs.read()
