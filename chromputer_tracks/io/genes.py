"""Genes of an annotation (GFF3, GTF, BED, refFlat), one model a gene, and written as refFlat.

Annotations come in four formats and many dialects of attributes, in files of up to a gigabyte that
a browser would have to read whole. Here each is read once into the little that a browser shows of a
gene: two names, a strand, the exons of one transcript and what of them is translated.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from chromputer_tracks.errors import BoundsError, FormatError, InputError
from chromputer_tracks.intervals import ChromSizes, check_contigs
from chromputer_tracks.io.text import Line, numbered_lines, parse_int32

GeneFormat = Literal["gff3", "gtf", "bed", "refflat"]
_PACKED = (".gz", ".bgz")
_FORMATS: dict[str, GeneFormat] = {
    ".gff": "gff3", ".gff3": "gff3", ".gtf": "gtf", ".bed": "bed", ".refflat": "refflat",
}  # fmt: skip
_REFFLAT = "refflat"

_GENES = re.compile(r"(?:.*_)?gene(?:_segment)?|ORF", re.IGNORECASE)
_TRANSCRIPTS = re.compile(r".*(?:RNA|transcript).*|pseudogenic_transcript", re.IGNORECASE)
_EXONS = {"exon", "noncoding_exon", "pseudogenic_exon"}
_CODING = {"CDS", "start_codon", "stop_codon"}
_NAMES = ("gene", "gene_name", "Name", "gene_id", "ID")
"""Attributes that hold a gene's usual name: SGD and NCBI, Ensembl and GENCODE, others."""
_IDS = ("locus_tag", "gene_id", "Name", "ID")
"""Of these the first that is not the name is the systematic one."""
_GTF = re.compile(r'\s*([\w.-]+)\s+(?:"([^"]*)"|([^";\s]+))\s*(?:;|$)')
_PREFIX = re.compile(r"^(?:gene|transcript|CDS|rna)[:-]", re.IGNORECASE)

Block = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Gene:
    """One gene.

    Attributes:
        name: the usual one, such as GAL1.
        id: the systematic one, such as YBR020W; the name where there is no other.
        chrom: contig.
        start: bp, 0-based.
        end: bp, exclusive.
        strand: ``+``, ``-`` or ``.``.
        coding: first and last (exclusive) translated base; the end twice where nothing is.
        exons: first and last (exclusive) base of each, ascending, of the transcript that has most
            bases in exons; the whole gene where the file names none.
    """

    name: str
    id: str
    chrom: str
    start: int
    end: int
    strand: str
    coding: Block
    exons: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class GeneTable:
    """Genes by contig, in the genome's order, and position; ``dropped`` are on contigs it lacks."""

    genes: tuple[Gene, ...]
    dropped: int

    def __len__(self) -> int:
        return len(self.genes)


def gene_format(path: Path) -> GeneFormat:
    """What a file of genes is, by its name; ``refFlat.txt`` is UCSC's.

    Raises:
        InputError: none of them.
    """
    plain = path.with_suffix("") if path.suffix.lower() in _PACKED else path
    kind = _FORMATS.get(plain.suffix.lower())
    if kind is None and plain.name.lower() == f"{_REFFLAT}.txt":
        kind = "refflat"
    if kind is None:
        raise InputError(
            f"{path}: genes are read from .gff, .gff3, .gtf, .bed, .refflat or refFlat.txt, plain "
            "or .gz"
        )
    return kind


def read_genes(path: Path, sizes: ChromSizes) -> GeneTable:
    """Read genes.

    Args:
        path: GFF3, GTF, BED of four columns or more (blocks and thick parts of a BED12 are exons
            and what is translated) or refFlat, plain or gzip.
        sizes: the genome's contigs. Genes on others are dropped and counted.

    Raises:
        InputError: the file cannot be read, is of another kind or holds no gene.
        FormatError: a malformed line, with its number.
        BoundsError: a gene ends past its contig.
        ContigError: not one of its contigs is the genome's.
    """
    kind = gene_format(path)
    match kind:
        case "bed":
            found = [_bed_gene(path, line) for line in numbered_lines(path)]
        case "refflat":
            found = [_refflat_gene(path, line) for line in numbered_lines(path)]
        case _:
            found = list(_annotated(path, kind))
    if not found:
        raise InputError(f"{path} holds no gene: give another file of genes")
    contigs = dict.fromkeys(gene.chrom for gene in found)
    known = [gene for gene in found if gene.chrom in sizes]
    if not known:
        check_contigs(list(contigs), str(path), sizes)
    for gene in known:
        if gene.end > sizes[gene.chrom]:
            raise BoundsError(
                f"{path}: gene {gene.name} ends at {gene.chrom}:{gene.end:,}, past the contig's "
                f"{sizes[gene.chrom]:,} bp: it is of another assembly"
            )
    order = {name: place for place, name in enumerate(sizes)}
    known.sort(key=lambda gene: (order[gene.chrom], gene.start, gene.end, gene.name))
    return GeneTable(tuple(known), len(found) - len(known))


def refflat_text(genes: Iterable[Gene]) -> str:
    """Genes as UCSC's refFlat, one a line.

    Columns: name, id, contig, strand, start, end, first and last translated base, number of exons,
    their starts and ends; 0-based, ends exclusive.
    """
    return "".join("\t".join(_refflat_fields(gene)) + "\n" for gene in genes)


def _refflat_fields(gene: Gene) -> tuple[str, ...]:
    starts, ends = ("".join(f"{pair[i]}," for pair in gene.exons) for i in (0, 1))
    numbers = (gene.start, gene.end, *gene.coding, len(gene.exons))
    return (gene.name, gene.id, gene.chrom, gene.strand, *map(str, numbers), starts, ends)


# ---- BED and refFlat: a gene is a line.


def _bed_gene(path: Path, line: Line) -> Gene:
    fields = line.fields
    if len(fields) < 4:
        raise _wrong(path, line, f"{len(fields)} columns; a gene needs contig, start, end and name")
    start, end = _span(path, line, fields[1], fields[2], base=0)
    strand = fields[5] if len(fields) > 5 else "."
    coding: Block = (end, end)
    exons: tuple[Block, ...] = ((start, end),)
    if len(fields) >= 8 and fields[6:8] != [fields[1], fields[1]]:
        thick = _numbers(path, line, fields[6:8])
        coding = (thick[0], thick[1]) if thick[1] > thick[0] else (end, end)
    if len(fields) >= 12:
        sizes = _numbers(path, line, fields[10].rstrip(",").split(","))
        starts = _numbers(path, line, fields[11].rstrip(",").split(","))
        if len(sizes) != len(starts):
            raise _wrong(path, line, f"{len(sizes)} sizes of blocks, but {len(starts)} starts")
        exons = tuple(
            (start + at, start + at + size) for at, size in zip(starts, sizes, strict=True)
        )
    name, span = fields[3], (start, end)
    return _checked(path, line, name, name, fields[0], span, strand, coding, exons)


def _refflat_gene(path: Path, line: Line) -> Gene:
    fields = line.fields
    if len(fields) < 11:
        raise _wrong(path, line, f"{len(fields)} columns; refFlat has 11")
    name, other, chrom, strand = fields[:4]
    start, end = _span(path, line, fields[4], fields[5], base=0)
    first, last = _numbers(path, line, fields[6:8])
    starts = _numbers(path, line, fields[9].rstrip(",").split(","))
    ends = _numbers(path, line, fields[10].rstrip(",").split(","))
    if len(starts) != len(ends):
        raise _wrong(path, line, f"{len(starts)} starts of exons, but {len(ends)} ends")
    coding = (first, last) if last > first else (end, end)
    exons = tuple(zip(starts, ends, strict=True))
    return _checked(path, line, name or other, other, chrom, (start, end), strand, coding, exons)


def _checked(
    path: Path,
    line: Line,
    name: str,
    other: str,
    chrom: str,
    span: Block,
    strand: str,
    coding: Block,
    exons: tuple[Block, ...],
) -> Gene:
    start, end = span
    inside = all(start <= low < high <= end for low, high in exons)
    if strand not in ("+", "-", "."):
        raise _wrong(path, line, f"{strand!r} is no strand")
    if not inside or not start <= coding[0] <= coding[1] <= end:
        raise _wrong(path, line, "parts of the gene lie outside of it")
    return Gene(name or other, other or name, chrom, start, end, strand, coding, exons)


# ---- GFF3 and GTF: a gene is several lines, in any order.


@dataclass(slots=True)
class _Parts:
    """Lines of a gene as they come; ``exons`` and ``coding`` are by transcript."""

    names: dict[str, str] = field(default_factory=dict)
    chrom: str = ""
    strand: str = "."
    start: int = -1
    end: int = -1
    exons: dict[str, list[Block]] = field(default_factory=dict)
    coding: dict[str, list[Block]] = field(default_factory=dict)

    def widen(self, chrom: str, strand: str, start: int, end: int) -> None:
        self.chrom, self.strand = self.chrom or chrom, strand if self.strand == "." else self.strand
        self.start = start if self.start < 0 else min(self.start, start)
        self.end = max(self.end, end)


def _annotated(path: Path, kind: GeneFormat) -> Iterator[Gene]:
    found: dict[str, _Parts] = {}
    # Of GFF3: the parent of each transcript, which may come after its exons.
    parents: dict[str, str] = {}
    waiting: list[tuple[str, str, tuple[str, str, int, int], dict[str, str]]] = []
    for line in numbered_lines(path):
        fields = line.fields
        if fields[0].startswith(">"):
            break  # the sequence of the genome, behind ##FASTA
        if not "".join(fields).strip():
            continue
        if len(fields) != 9:
            raise _wrong(path, line, f"{len(fields)} columns separated by tabs, not 9")
        chrom, _, type_, first, last, _, strand, _, text = fields
        genic = _GENES.fullmatch(type_) or _TRANSCRIPTS.fullmatch(type_)
        if not (genic or type_ in _EXONS or type_ in _CODING):
            continue
        start, end = _span(path, line, first, last, base=1)
        place = (chrom, strand if strand in ("+", "-") else ".", start, end)
        about = _gtf_attributes(text) if kind == "gtf" else _gff_attributes(text)
        if kind == "gtf":
            gene = about.get("gene_id", "")
            if not gene:
                raise _wrong(path, line, "no gene_id")
            _take(found.setdefault(gene, _Parts()), type_, about.get("transcript_id", ""), place)
            found[gene].names = about | found[gene].names
        else:
            own, parent = about.get("ID", ""), about.get("Parent", "").partition(",")[0]
            if genic and own and parent:
                parents[own] = parent
            waiting.append((type_, parent or own or about.get("Name", ""), place, about))
    for type_, parent, place, about in waiting:
        root = parent
        seen = {root}
        while root in parents and parents[root] not in seen:
            root = parents[root]
            seen.add(root)
        parts = found.setdefault(root, _Parts())
        own = about.get("ID", "")
        _take(parts, type_, own if type_ not in _EXONS | _CODING else parent, place)
        if _GENES.fullmatch(type_) or not parts.names:
            parts.names = about
    for key, parts in found.items():
        yield _gene_of(key, parts)


def _take(parts: _Parts, type_: str, transcript: str, place: tuple[str, str, int, int]) -> None:
    chrom, strand, start, end = place
    parts.widen(chrom, strand, start, end)
    if type_ in _EXONS:
        parts.exons.setdefault(transcript, []).append((start, end))
    elif type_ in _CODING:
        parts.coding.setdefault(transcript, []).append((start, end))


def _gene_of(key: str, parts: _Parts) -> Gene:
    names = {name: _PREFIX.sub("", value) for name, value in parts.names.items()}
    name = next((names[item] for item in _NAMES if names.get(item)), key)
    ids = (names.get(item, "") for item in _IDS)
    other = next((value for value in ids if value not in ("", name)), name)
    # Some files, as SGD's, have the translated parts of what is no transcript of its own.
    models = parts.exons or parts.coding
    best = max(models, key=lambda item: sum(b - a for a, b in _merged(models[item])), default=None)
    exons = [(parts.start, parts.end)] if best is None else _merged(models[best])
    coding = parts.coding.get(best or "", [])
    span = (min(a for a, _ in coding), max(b for _, b in coding)) if coding else (parts.end,) * 2
    start, end = (exons[0][0], exons[-1][1]) if best is not None else (parts.start, parts.end)
    return Gene(name, other, parts.chrom, start, end, parts.strand,
                span if coding else (end, end), tuple(exons))  # fmt: skip


def _merged(blocks: Iterable[Block]) -> list[Block]:
    """Blocks in order, those that touch or overlap as one."""
    found: list[Block] = []
    for start, end in sorted(blocks):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def _gtf_attributes(text: str) -> dict[str, str]:
    return {name: quoted or plain for name, quoted, plain in _GTF.findall(text)}


def _gff_attributes(text: str) -> dict[str, str]:
    pairs = (item.partition("=") for item in text.split(";") if "=" in item)
    return {name.strip(): _plain(unquote(value.strip())) for name, _, value in pairs}


def _plain(text: str) -> str:
    """Without what would begin another field or line."""
    return re.sub(r"[\t\r\n]", " ", text)


# ---- Numbers of a line.


def _wrong(path: Path, line: Line, what: str) -> FormatError:
    return FormatError(f"{path} line {line.number}: {what}")


def _numbers(path: Path, line: Line, texts: Iterable[str]) -> list[int]:
    found = []
    for text in texts:
        number = parse_int32(text)
        if number is None or number < 0:
            raise _wrong(path, line, f"{text!r} is no position")
        found.append(number)
    return found


def _span(path: Path, line: Line, first: str, last: str, *, base: int) -> Block:
    start, end = _numbers(path, line, (first, last))
    if not base <= start < end + base:
        raise _wrong(path, line, f"{first} to {last} is no stretch of bases")
    return start - base, end
