"""What a wrong word may stand for: labels, models, states and contigs."""

from __future__ import annotations

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from chromputer_tracks.cli.main import app
from chromputer_tracks.errors import ContigError, InputError, SpecError, meant
from chromputer_tracks.inference.session import load_model, shipped_models
from chromputer_tracks.intervals import ChromSizes, check_contigs
from chromputer_tracks.spec import find_label

YEAST = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X")
ROMAN = ChromSizes({**{f"chr{name}": 9 for name in YEAST}, "chrM": 9}, "sacCer3.fa")
ENSEMBL = ChromSizes({**{str(n): 9 for n in range(1, 23)}, "X": 9, "MT": 9}, "GRCh38.fa")
UCSC = ChromSizes({**{f"chr{n}": 9 for n in range(1, 23)}, "chrX": 9, "chrM": 9}, "hg38.fa")


@pytest.mark.parametrize(
    ("sizes", "name", "other"),
    [
        (ROMAN, "chr1", "chrI"),
        (ROMAN, "4", "chrIV"),
        (ROMAN, "IX", "chrIX"),
        (ROMAN, "chr09", "chrIX"),
        (ROMAN, "chrMT", "chrM"),
        (ROMAN, "Mito", "chrM"),
        (ROMAN, "chromosome_2", "chrII"),
        (ROMAN, "chr11", None),
        (ENSEMBL, "chr1", "1"),
        (ENSEMBL, "chrX", "X"),
        (ENSEMBL, "chrM", "MT"),
        (UCSC, "22", "chr22"),
        (UCSC, "Chr7", "chr7"),
        (UCSC, "chrX", None),
        (UCSC, "chr23", None),
    ],
)
def test_what_a_genome_calls_a_contig(sizes: ChromSizes, name: str, other: str | None) -> None:
    if name in sizes:
        return
    assert sizes.other_name(name) == other
    with pytest.raises(ContigError) as caught:
        sizes.require(name, "--chrom")
    if other is not None:
        assert str(caught.value) == (
            f"--chrom: contig {name!r} is not in {sizes.source}, which calls it {other!r}: use one "
            "name for it"
        )
    with pytest.raises(ContigError) as caught:
        check_contigs([name], "peaks.bed", sizes)
    assert (f"has {other!r}: rename the contigs" in str(caught.value)) is (other is not None)


@given(st.integers(1, 49))
def test_roman_numbers_are_read_and_written_alike(number: int) -> None:
    from chromputer_tracks.intervals import _roman

    assert ChromSizes({f"chr{_roman(number)}": 1}).other_name(f"{number}") == f"chr{_roman(number)}"
    assert ChromSizes({f"{number}": 1}).other_name(f"chr{_roman(number)}") == f"{number}"


def test_a_slip_in_a_contig_is_told_but_no_neighbour() -> None:
    with pytest.raises(ContigError, match="; did you mean 'chr21'[?]"):
        UCSC.require("chm21", "--chrom")
    for name in ("chr23", "chr0", "chrN"):
        with pytest.raises(ContigError) as caught:
            UCSC.require(name, "--chrom")
        assert "did you mean" not in str(caught.value)


@pytest.mark.parametrize(
    ("word", "known", "told"),
    [
        ("reb1", ["Abf1", "Reb1"], "; did you mean 'Reb1'?"),
        ("Rebl", ["Abf1", "Reb1"], "; did you mean 'Reb1'?"),
        ("CTCF", ["Abf1", "Reb1"], ""),
        ("x", [], ""),
    ],
)
def test_words_that_are_spelt_alike(word: str, known: list[str], told: str) -> None:
    assert meant(word, known) == told


def test_labels_and_models_of_the_shipped_model() -> None:
    spec = load_model("yeast-atac").spec
    with pytest.raises(InputError, match=r"no label 'rebl'; did you mean 'Reb1'\? It has S1, S2"):
        find_label(spec, "rebl")
    with pytest.raises(InputError, match=r"no label 'CTCF'; it has S1, S2"):
        find_label(spec, "CTCF")
    assert "yeast-atac" in shipped_models()
    with pytest.raises(SpecError, match=r"\(shipped: .*yeast-atac.*\); did you mean 'yeast-atac'"):
        load_model("yeast_atak")


def test_commands_and_options() -> None:
    for words, told in (
        (["predcit"], "Did you mean 'predict'?"),
        (["predict", "--fragment", "x"], "--fragments"),
    ):
        result = CliRunner().invoke(app, words, env={"COLUMNS": "200"})
        assert result.exit_code == 2
        assert told in result.stderr
    assert "predict" in typer.main.get_command(app).commands  # type: ignore[attr-defined]
