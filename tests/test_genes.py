"""Genes of four formats against what their lines say, and what cannot be read."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromputer_tracks.errors import BoundsError, ContigError, FormatError, InputError
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.genes import Gene, gene_format, read_genes, refflat_text

SIZES = ChromSizes({"chrB": 50_000, "chrA": 9_000})

SGD = """##gff-version 3
chrB	SGD	chromosome	1	50000	.	.	.	ID=chrB;Name=chrB
chrB	SGD	ARS	300	400	.	.	.	ID=ARS1;Name=ARS1
chrB	SGD	CDS	1001	1100	.	-	0	Parent=YBR020W_mRNA;Name=YBR020W_CDS
chrB	SGD	CDS	1201	1500	.	-	0	Parent=YBR020W_mRNA;Name=YBR020W_CDS
chrB	SGD	gene	1001	1500	.	-	.	ID=YBR020W;Name=YBR020W;gene=GAL%31;Alias=GAL1
chrB	SGD	mRNA	1001	1500	.	-	.	ID=YBR020W_mRNA;Name=YBR020W_mRNA;Parent=YBR020W
chrA	SGD	tRNA_gene	11	80	.	+	.	ID=tP(UGG)A;Name=tP(UGG)A
###
##FASTA
>chrB
ACGT
"""
ENSEMBL = """chrB	sgd	gene	1001	1500	.	+	.	ID=gene:YBR020W;Name=GAL1
chrB	sgd	mRNA	1001	1500	.	+	.	ID=transcript:YBR020W_mRNA;Parent=gene:YBR020W
chrB	sgd	exon	1001	1500	.	+	.	Parent=transcript:YBR020W_mRNA;Name=e1
chrB	sgd	CDS	1051	1450	.	+	0	ID=CDS:YBR020W;Parent=transcript:YBR020W_mRNA
"""
GTF = """chrB	x	exon	101	200	.	+	.	gene_id "ENSG1.2"; transcript_id "T1";
chrB	x	exon	301	400	.	+	.	gene_id "ENSG1.2"; transcript_id "T1"; gene_name "MYC";
chrB	x	exon	51	90	.	+	.	gene_id "ENSG1.2"; transcript_id "T2"; gene_name "MYC";
chrB	x	CDS	151	350	.	+	.	gene_id "ENSG1.2"; transcript_id "T1";
"""
BED = """track name=genes
chrB	100	400	MYC	0	+	150	350	0	2	100,100,	0,200,
chrA	5	9	short
"""
REFFLAT = "GAL1\tYBR020W\tchrB\t-\t1000\t1500\t1000\t1500\t2\t1000,1200,\t1100,1500,\n"
GAL1 = Gene("GAL1", "YBR020W", "chrB", 1000, 1500, "-", (1000, 1500), ((1000, 1100), (1200, 1500)))


def read(tmp_path, name, text):
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    return read_genes(path, SIZES)


@pytest.mark.parametrize("name", ["sgd.gff", "sgd.gff3.gz"])
def test_gff_of_sgd_in_any_order(tmp_path, name):
    trna = Gene("tP(UGG)A", "tP(UGG)A", "chrA", 10, 80, "+", (80, 80), ((10, 80),))
    assert read(tmp_path, name, SGD).genes == (GAL1, trna)


def test_gff_of_ensembl(tmp_path):
    assert read(tmp_path, "e.gff3", ENSEMBL).genes == (
        Gene("GAL1", "YBR020W", "chrB", 1000, 1500, "+", (1050, 1450), ((1000, 1500),)),
    )


def test_gtf_takes_the_transcript_with_most_bases(tmp_path):
    assert read(tmp_path, "g.gtf", GTF).genes == (
        Gene("MYC", "ENSG1.2", "chrB", 100, 400, "+", (150, 350), ((100, 200), (300, 400))),
    )


def test_bed_with_blocks_and_without(tmp_path):
    assert read(tmp_path, "b.bed", BED).genes == (
        Gene("MYC", "MYC", "chrB", 100, 400, "+", (150, 350), ((100, 200), (300, 400))),
        Gene("short", "short", "chrA", 5, 9, ".", (9, 9), ((5, 9),)),
    )


def test_refflat_is_read_as_it_is_written(tmp_path):
    assert read(tmp_path, "refFlat.txt.gz", REFFLAT).genes == (GAL1,)
    assert refflat_text([GAL1]) == REFFLAT


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1).filter(
    lambda text: not text.startswith(("#", "track", "browser"))
)


@given(
    NAMES,
    NAMES,
    st.sampled_from("+-."),
    st.lists(st.integers(0, 49_000), min_size=2, max_size=8, unique=True),
)
def test_writing_and_reading_are_inverses(tmp_path_factory, name, other, strand, borders):
    borders.sort()
    exons = tuple(zip(borders[::2], borders[1::2], strict=False))
    start, end = exons[0][0], exons[-1][1]
    gene = Gene(name, other, "chrB", start, end, strand, (start, end), exons)
    path = tmp_path_factory.getbasetemp() / "genes.refflat"
    path.write_text(refflat_text([gene]))
    assert read_genes(path, SIZES).genes == (gene,)


def test_genes_of_other_contigs_are_counted(tmp_path):
    table = read(tmp_path, "b.bed", BED + "scaffold_9\t1\t5\tother\n")
    assert (len(table), table.dropped) == (2, 1)


@pytest.mark.parametrize(
    ("name", "text", "kind", "message"),
    [
        ("g.txt", "", InputError, r"g\.txt: genes are read from"),
        ("g.bed", "", InputError, "holds no gene"),
        ("g.bed", "B\t1\t5\tx\n", ContigError, "'B' not in the genome"),
        ("g.bed", "chrA\t1\t9001\tx\n", BoundsError, "gene x ends at chrA:9,001, past"),
        ("g.bed", "chrA\t1\t5\n", FormatError, "line 1: 3 columns"),
        ("g.bed", "chrA\t5\t5\tx\n", FormatError, "line 1: 5 to 5 is no stretch"),
        ("g.bed", "chrA\t1\tx\tx\n", FormatError, "line 1: 'x' is no position"),
        ("g.bed", "chrA\t1\t5\tx\t0\t*\n", FormatError, "line 1: '\\*' is no strand"),
        ("g.gff", "chrA\ts\tgene\t0\t5\t.\t+\t.\tID=x\n", FormatError, "0 to 5 is no stretch"),
        ("g.gff", "chrA\ts\tgene\t1\t5\n", FormatError, "line 1: 5 columns .* not 9"),
        ("g.gtf", "chrA\ts\texon\t1\t5\t.\t+\t.\tx 1\n", FormatError, "line 1: no gene_id"),
        ("g.refflat", REFFLAT.replace("1100,1500,", "1100,"), FormatError, "2 starts of exons"),
        ("g.refflat", REFFLAT.replace("1200,", "900,"), FormatError, "outside of it"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path, name, text, kind, message):
    with pytest.raises(kind, match=message):
        read(tmp_path, name, text)


def test_formats_by_name(tmp_path):
    names = {"a.GFF3.gz": "gff3", "a.gtf": "gtf", "b.bed.bgz": "bed", "refFlat.txt": "refflat"}
    assert {name: gene_format(tmp_path / name) for name in names} == names


def test_the_genes_that_ship_are_those_of_saccer3(example):
    with Fasta(example / "sacCer3.fa.gz") as fasta:
        table = read_genes(example / "genes.refflat.gz", fasta.sizes)
        bases = fasta.fetch
        found = {gene.name: gene for gene in table.genes}
        # SGD's coordinates of R64: https://www.yeastgenome.org/locus/GAL1
        assert found["GAL1"] == Gene(
            "GAL1", "YBR020W", "chrII", 279_020, 280_607, "+", (279_020, 280_607),
            ((279_020, 280_607),),
        )  # fmt: skip
        assert found["ACT1"].id == "YFL039C"
        assert found["ACT1"].exons == ((53_259, 54_377), (54_686, 54_696))
        assert table.dropped == 0
        assert len(table) == 7218
        # Nearly all begin with ATG: the places are those of this genome.
        starts = 0
        coding = [gene for gene in table.genes if gene.coding[0] < gene.coding[1]]
        for gene in coding:
            at = gene.coding[0] if gene.strand == "+" else gene.coding[1] - 3
            word = bytes(bases(Interval(gene.chrom, at, at + 3))).upper()
            starts += word == (b"ATG" if gene.strand == "+" else b"CAT")
        assert starts / len(coding) > 0.99
