"""Which file is what: genome, fragments, peaks, states and the rest, by name and by content."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from chromputer_tracks.errors import InputError
from chromputer_tracks.io.fasta import is_fasta
from chromputer_tracks.io.text import file_kind, read_columns
from chromputer_tracks.options.train import InitOptions

_FASTA = (".fa", ".fasta", ".fna")
_FRAGMENTS = (".bam", ".bedpe", ".fragments.tsv", "fragments.tsv")
_PEAKS = (".narrowpeak", ".broadpeak", ".gappedpeak", ".bed")
_SIGNALS = (".bw", ".bigwig")
_DEPTH, _MOST = 3, 20_000
"""Folders below the one that is named, and files, that are looked at."""
_REPLICATE = re.compile(r"(?i)[._-]+(?:(?:bio)?rep(?:licate)?|br|tr|r)?[._-]?([0-9]{1,2})$")
_ENDINGS = re.compile(r"(?i)(?:[._-](?:peaks?|summits?|idr|optimal|conservative|sorted))+$")


@dataclass(slots=True)
class Files:
    """What a configuration is made of.

    Attributes:
        fasta: genome.
        fragments: of the sample; None: none.
        peaks: label to its files, one a replicate, sorted by name.
        states: segments of chromatin states.
        state_table: their names and colours.
        signals: label to its bigWig.
        tss: genes or start sites.
        blacklist: regions to leave out.
        chosen: files that were named, not found: what is wrong with them is an error.
        peak_folder: the folder that holds the most peak files.
        unused: files of a kind that several are of, or bigWigs that were found.
    """

    fasta: Path
    fragments: Path | None = None
    peaks: dict[str, list[Path]] = field(default_factory=dict)
    states: Path | None = None
    state_table: Path | None = None
    signals: dict[str, Path] = field(default_factory=dict)
    tss: Path | None = None
    blacklist: Path | None = None
    chosen: set[Path] = field(default_factory=set)
    peak_folder: Path | None = None
    unused: list[Path] = field(default_factory=list)


def find_files(options: InitOptions) -> Files:
    """The files of a configuration: those that were named, else those of a folder.

    Raises:
        InputError: there is no genome, or there are several files of a kind and none is named.
    """
    there = [] if options.folder is None else list(_walk(options.folder))
    beds = [path for path in there if _ends(path, _PEAKS)]

    def words(path: Path) -> str:
        return path.name.lower()

    blacklists = [p for p in beds if "blacklist" in words(p) or "exclu" in words(p)]
    genes = [p for p in beds if re.search(r"tss|genes?\b|refseq|gencode", words(p))]
    states = [p for p in beds if re.search(r"states?|chromhmm|segments", words(p))]
    other = {*blacklists, *genes, *states}
    peaks = [path for path in beds if path not in other and _holds_peaks(path)]
    genomes = [path for path in there if _ends(path, _FASTA) and is_fasta(path)]
    fragments = [path for path in there if _ends(path, _FRAGMENTS)]
    fasta = options.fasta or _only(genomes, "genome", "--fasta")
    if fasta is None:
        where = f" in {options.folder}" if options.folder else ""
        raise InputError(f"no genome{where}: name the FASTA with --fasta")
    found = Files(
        fasta,
        options.fragments or _only(fragments, "file of fragments", "--fragments"),
        states=options.states or _only(states, "BED of states", "--states"),
        tss=options.tss or _only(genes, "BED of genes", "--tss"),
        blacklist=options.blacklist or _only(blacklists, "blacklist", "--blacklist"),
    )
    named = [path for item in options.peaks for path in _peaks_of(item)]
    found.peaks = by_label(named or peaks)
    if options.labels:
        found.peaks = _wanted(found.peaks, options.labels)
    used = [path for paths in found.peaks.values() for path in paths]
    folders = [path.parent for path in used]
    found.peak_folder = max(folders, key=folders.count, default=None)
    found.signals = {name: paths[0] for name, paths in by_label(options.signals).items()}
    found.state_table = options.state_table
    if found.state_table is None and found.states is not None:
        tables = [path for path in there if path.suffix in (".tsv", ".txt") and _is_table(path)]
        found.state_table = _only(tables, "table of states", "--state-table")
    single = (options.fasta, options.fragments, options.states, options.state_table)
    found.chosen = {path for path in (*single, options.tss, options.blacklist, *named) if path}
    found.unused = [path for path in there if _ends(path, _SIGNALS)]
    return found


def by_label(paths: Sequence[Path]) -> dict[str, list[Path]]:
    """Label to its files: ``CTCF_rep1.narrowPeak`` and ``CTCF_rep2.narrowPeak`` are replicates.

    A file alone keeps the number in its label: ``Reb1.bed`` is no replicate of ``Reb``.
    """
    stems = {path: _stem(path) for path in dict.fromkeys(paths)}
    bases = {path: _REPLICATE.sub("", stem) or stem for path, stem in stems.items()}
    several = {base for base in bases.values() if list(bases.values()).count(base) > 1}
    labels: dict[str, list[Path]] = {}
    for path in sorted(stems, key=str):
        name = bases[path] if bases[path] in several else stems[path]
        label = re.sub(r"[^\w.-]+", "_", name).strip("._-") or "label"
        labels.setdefault(label, []).append(path)
    return labels


def _stem(path: Path) -> str:
    """A file's name without what says what kind of file it is."""
    name = path.name.removesuffix(".gz")
    for ending in (*_PEAKS, *_SIGNALS):
        if name.lower().endswith(ending):
            name = name[: -len(ending)]
    return _ENDINGS.sub("", name) or name


def _ends(path: Path, endings: Sequence[str]) -> bool:
    return path.name.lower().removesuffix(".gz").endswith(tuple(endings))


def _walk(folder: Path) -> Iterator[Path]:
    """The files of a folder and those below it, sorted, without hidden ones."""
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder: name the one that holds your files")
    waiting, seen = [(folder, 0)], 0
    while waiting:
        place, depth = waiting.pop(0)
        for path in sorted(place.iterdir()):
            if path.name.startswith("."):
                continue
            seen += 1
            if seen > _MOST:
                raise InputError(
                    f"{folder} holds more than {_MOST:,} files: name the folder of this experiment"
                )
            if path.is_dir():
                if depth < _DEPTH and not (path / "run.json").exists():
                    waiting.append((path, depth + 1))
            elif path.is_file():
                yield path


def _peaks_of(path: Path) -> list[Path]:
    """The peak files of a folder, or a file itself."""
    if not path.is_dir():
        return [path]
    found = [item for item in sorted(path.iterdir()) if _ends(item, _PEAKS) and item.is_file()]
    if not found:
        raise InputError(f"--peaks {path}: the folder holds no BED or narrowPeak file")
    return found


def _wanted(peaks: dict[str, list[Path]], labels: Sequence[str]) -> dict[str, list[Path]]:
    from chromputer_tracks.errors import meant

    for label in labels:
        if label not in peaks:
            raise InputError(
                f"--label {label}: no peak file has this name; there are "
                f"{', '.join(list(peaks)[:20]) or 'none'}{meant(label, peaks)}"
            )
    return {label: peaks[label] for label in dict.fromkeys(labels)}


def _holds_peaks(path: Path) -> bool:
    """Whether a BED is taken for peaks: a narrowPeak, or one in a folder whose name says so."""
    is_bed = path.name.lower().removesuffix(".gz").endswith(".bed")
    where = path.parent.name.lower()
    told = not is_bed or "peak" in path.name.lower() or re.search(r"peak|chip|label|tf", where)
    return bool(told) and file_kind(path) == "a table of intervals"


def _is_table(path: Path) -> bool:
    """Whether a file is a table of states."""
    try:
        next(read_columns(path, ("state", "name", "color")), None)
    except InputError:
        return False
    return True


def _only(paths: Sequence[Path], what: str, option: str) -> Path | None:
    if len(paths) > 1:
        shown = ", ".join(str(path) for path in paths[:5]) + (", ..." if len(paths) > 5 else "")
        raise InputError(f"more than one {what}: {shown}; name the one that is meant with {option}")
    return paths[0] if paths else None
