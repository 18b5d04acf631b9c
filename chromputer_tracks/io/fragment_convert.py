"""Any fragment format to a sorted, bgzipped, tabix-indexed fragment file."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pysam
from numpy.typing import NDArray

from chromputer_tracks.errors import OutputError
from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.io.atomic import atomic_path, check_folder, made_parents, output_errors
from chromputer_tracks.io.fragment_store import ContigRows
from chromputer_tracks.io.fragments import (
    BULK_BARCODE,
    IDENTICAL,
    FragmentOptions,
    FragmentReader,
    FragmentSummary,
    open_fragments,
)
from chromputer_tracks.io.run import only_run

_DEFAULT = FragmentOptions()
_FIELDS = ("start", "end", "barcode", "count")
_ROW = np.dtype([(name, np.int64 if name == "count" else np.int32) for name in _FIELDS])
_Rows = NDArray[np.void]
_SLICE = 1 << 19
_TBI_LIMIT = 1 << 29


def convert_fragments(
    path: Path,
    out: Path,
    sizes: ChromSizes | None = None,
    options: FragmentOptions = _DEFAULT,
    progress: Callable[[int], None] | None = None,
    scratch: Path | None = None,
) -> FragmentSummary:
    """Write the fragments of ``path`` as a 10x fragment file with its ``.tbi``.

    Five columns: contig, start, end, barcode (``bulk`` where the input has none), read pairs.
    Sorted by contig (order of ``sizes``, else of the BAM header, else by first appearance), start,
    end and barcode. With ``drop_duplicates``, rows of equal contig, start, end and barcode become
    one, their read pairs summed. A contig longer than 512 Mb gets a ``.csi`` in place of the
    ``.tbi``, which cannot hold it. Memory holds one contig.

    Args:
        path: BAM, fragment file or BEDPE.
        out: the new file, ``*.gz``.
        sizes: the genome's contigs, to order by and check against.
        options: which fragments to keep.
        progress: called after each batch with the number of fragments read and kept so far.
        scratch: folder for scratch files (20 bytes a fragment); None: TMPDIR.

    Raises:
        InputError, FormatError, ContigError, BoundsError: see :meth:`FragmentReader.batches`.
        OutputError: ``out`` or the scratch folder cannot be written, or the file written does not
            hold what it should.
    """
    path, out = Path(path), Path(out)
    if out.suffix != ".gz":
        raise OutputError(f"{out} is written with bgzip: give it a name that ends in .gz")
    if out.exists() and path.exists() and out.samefile(path):
        raise OutputError(f"{out} is the input itself; choose another name")
    check_folder(out.parent)
    with made_parents(out), only_run(out), atomic_path(out) as temporary:
        reader = open_fragments(path, sizes, options, barcodes=True)
        with ContigRows(scratch, _ROW) as by_contig:
            for batch in reader.batches():
                rows = np.empty(len(batch), dtype=_ROW)
                rows["start"], rows["end"] = batch.starts, batch.ends
                rows["barcode"] = 0 if batch.barcodes is None else batch.barcodes
                rows["count"] = 1 if batch.counts is None else batch.counts
                by_contig.add(batch.contigs, rows)
                if progress is not None:
                    progress(reader.kept)
            written, longest = _write(temporary, reader, by_contig, sizes)
        suffix, other = (".csi", ".tbi") if longest > _TBI_LIMIT else (".tbi", ".csi")
        pysam.tabix_index(str(temporary), preset="bed", force=True, csi=suffix == ".csi")
        _check_written(temporary, temporary.with_name(temporary.name + suffix), out, written)
    with output_errors(out):
        out.with_name(out.name + other).unlink(missing_ok=True)
    removed = dict(reader.removed)
    if options.drop_duplicates:
        removed[IDENTICAL] = reader.kept - sum(written.values())
    return FragmentSummary(path, reader.kind, sum(written.values()), removed)


def _write(
    temporary: Path, reader: FragmentReader, by_contig: ContigRows, sizes: ChromSizes | None
) -> tuple[dict[str, int], int]:
    """Write contig by contig; returns the rows of each contig that has any, and the largest end."""
    codes = {name: code for code, name in enumerate(reader.names)}
    barcodes = reader.barcode_names or [BULK_BARCODE]
    rank = np.argsort(np.argsort(np.array(barcodes))).astype(np.int32)
    written: dict[str, int] = {}
    longest = 0
    with pysam.BGZFile(str(temporary), "wb", None) as file:
        for name in codes if sizes is None else (name for name in sizes if name in codes):
            rows = by_contig.pop(codes[name])
            if not len(rows):
                continue
            rows = rows[np.lexsort((rank[rows["barcode"]], rows["end"], rows["start"]))]
            if reader.options.drop_duplicates:
                rows = _collapsed(rows)
            for text in _lines(name, rows, barcodes):
                file.write(text)
            written[name] = len(rows)
            longest = max(longest, int(rows["end"].max()))
    return written, longest


def _collapsed(rows: _Rows) -> _Rows:
    """Sorted rows with equal neighbours made one, their counts summed."""
    spot = rows[["start", "end", "barcode"]]
    first = np.flatnonzero(np.concatenate([[True], spot[1:] != spot[:-1]]))
    unique = rows[first]
    unique["count"] = np.add.reduceat(rows["count"], first)
    return unique


def _lines(name: str, rows: _Rows, barcodes: list[str]) -> Iterator[bytes]:
    options = pa_csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")
    words = pa.array(barcodes, pa.string())
    for begin in range(0, len(rows), _SLICE):
        part = rows[begin : begin + _SLICE]
        start, end, barcode, count = (np.ascontiguousarray(part[field]) for field in _FIELDS)
        contig = pa.DictionaryArray.from_arrays(np.zeros(len(part), np.int32), [name])
        columns = [contig, start, end, words.take(pa.array(barcode)), count]
        table = pa.table(columns, ["contig", *_FIELDS])
        text = io.BytesIO()
        pa_csv.write_csv(table, text, options)
        yield text.getvalue()


def _check_written(temporary: Path, index: Path, out: Path, written: dict[str, int]) -> None:
    """Read the file back: rows of each contig, and the index's contigs."""
    found: Counter[str] = Counter()
    keep_all = FragmentOptions(min_mapq=0, drop_duplicates=False, tn5_shift=False)
    reader = open_fragments(temporary, None, keep_all)
    for batch in reader.batches():
        for code, count in enumerate(np.bincount(batch.contigs).tolist()):
            if count:
                found[reader.names[code]] += count
    with pysam.TabixFile(str(temporary), index=str(index)) as indexed:
        contigs = list(indexed.contigs)
    if found != written or contigs != list(written):
        raise OutputError(
            f"{out} was not written whole: {sum(found.values()):,} fragments on {len(contigs)} "
            f"contigs were read back, {sum(written.values()):,} on {len(written)} were written"
        )
