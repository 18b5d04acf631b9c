"""From contributions to motifs, their known names and their instances: a whole run."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from chromputer_tracks.analysis.known_motifs import MotifMatch, MotifSet, known_motifs, match_motifs
from chromputer_tracks.analysis.motifs.discovery import (
    LEIDEN_RUNS,
    SEQLET_CORE,
    SEQLET_FDR,
    SEQLET_FLANK,
    Discovery,
    discover,
    use_threads,
)
from chromputer_tracks.analysis.motifs.files import (
    PAGE,
    RESULT,
    ExplainedRecord,
    MotifsRecord,
    label_record,
    render_page,
    write_files,
)
from chromputer_tracks.analysis.motifs.hits import (
    FEWEST_NAMED,
    LEAST_CONTRIBUTION,
    WEAKEST,
    ExplainedWindows,
    LabelMotifs,
    find_hits,
    label_motifs,
    outcome,
)
from chromputer_tracks.analysis.pages import write_texts
from chromputer_tracks.errors import InputError, counted, meant
from chromputer_tracks.io.bed import BedTable
from chromputer_tracks.io.contributions import (
    HYPOTHETICAL,
    SEQUENCES,
    explained_labels,
    read_contributions,
)
from chromputer_tracks.io.record import Report, RunRecord, Silent, Stages
from chromputer_tracks.io.run import run
from chromputer_tracks.options.explain import MotifsOptions

MOST_MATCHES = 10
"""Known motifs listed for each pattern."""

_LIBRARIES = ("modisco-lite", "memelite", "numba", "leidenalg", "pyjaspar")


@dataclass(frozen=True, slots=True, eq=False)
class MotifsResult:
    """What was found for each label, what patterns were matched to (or empty), and the record."""

    labels: tuple[LabelMotifs, ...]
    database: str
    record: RunRecord


def find_motifs(options: MotifsOptions, report: Report | None = None) -> MotifsResult:
    """Find the motifs of explained labels and write them.

    Everything that can be checked is checked first. A run that fails leaves what was there. The
    report must not run a thread, see :mod:`.motifs.discovery`.

    Raises:
        InputError: the folder is none that ``explain`` wrote, a label was not explained or its
            contributions cannot be used, or the known motifs cannot be read.
        OutputError: the results cannot be written.
    """
    report = report or Silent()
    if options.threads is not None:
        use_threads(options.threads)
    with run("motifs", options, report) as work:
        folders = _folders(options)
        known = known_motifs(options.motifs, options.jaspar, report)
        if known is None:
            report.note(
                "note: neither --motifs nor --jaspar: patterns are not matched to known motifs"
            )
        found: list[tuple[LabelMotifs, Discovery, BedTable]] = []
        for label, folder in folders.items():
            found.append(_label_motifs(label, folder, options, known, work.stages, report))
        # Not before: checksums are made in a thread, beside which modisco-lite compiles nothing.
        work.read(_inputs(options, folders))
        labels = tuple(result for result, _, _ in found)
        database = known.name if known else ""
        record = MotifsRecord(
            explained=ExplainedRecord.of(options.explained),
            seqlet_core=SEQLET_CORE,
            seqlet_flank=SEQLET_FLANK,
            seqlet_fdr=SEQLET_FDR,
            leiden_runs=LEIDEN_RUNS,
            hit_weakest=WEAKEST,
            fewest_named=FEWEST_NAMED,
            least_contribution=LEAST_CONTRIBUTION,
            motif_database=known.name if known else None,
            known_motifs=len(known.motifs) if known else None,
            libraries={name: importlib.metadata.version(name) for name in _LIBRARIES},
            labels={result.label: label_record(result, options.q) for result in labels},
        )
        with work.stages.phase("writing"):
            write_files(labels, [sites for _, _, sites in found], work.folder, options.q, database)
            for result, discovery, _ in found:
                discovery.save(work.folder / result.label / RESULT)
            page = render_page(labels, options, record)
            write_texts(work.folder, {PAGE: page})
        work.describe(record)
    return MotifsResult(labels, database, work.record)


def _label_motifs(
    label: str,
    folder: Path,
    options: MotifsOptions,
    known: MotifSet | None,
    stages: Stages,
    report: Report,
) -> tuple[LabelMotifs, Discovery, BedTable]:
    explained = read_contributions(folder)
    with stages.phase("reading"):
        windows = ExplainedWindows(
            explained.chrom, explained.start, explained.sequences(), explained.hypothetical()
        )
    report.note(
        f"{label}: {counted(len(explained), 'site')}; TF-MoDISco in their {options.window:,} bp"
    )
    with stages.phase("finding patterns"):
        discovery = discover(
            label,
            windows.sequences,
            windows.hypothetical,
            window=options.window,
            max_seqlets=options.max_seqlets,
        )
    for sign, count in (("positive", discovery.positive), ("negative", discovery.negative)):
        if 0 < count.used < count.found:
            report.note(
                f"note: {count.found:,} {sign} seqlets; the first {count.used:,}, in the order of "
                f"the sites, are used (--max-seqlets)"
            )
    with stages.phase("finding hits"):
        hits = find_hits(discovery.patterns, windows, options.hit_p)
    matches: list[tuple[MotifMatch, ...]] = []
    if known is not None:
        with stages.phase("matching"):
            cores = [item.frequencies[:, item.core] for item in discovery.patterns]
            matches = match_motifs(cores, known.motifs, MOST_MATCHES)
    strands = explained.sites.strands or ["."] * len(explained)
    result = label_motifs(label, discovery, windows, strands, hits, matches)
    report.note(f"{label}: {outcome(result)}")
    return result, discovery, explained.sites


def _folders(options: MotifsOptions) -> dict[str, Path]:
    """Label to folder of those asked for.

    Raises:
        InputError: the folder is of another kind, or a label was not explained.
    """
    if not options.explained.is_dir():
        raise InputError(
            f"{options.explained} is no folder: name the one that `chromputer explain` wrote"
        )
    there = explained_labels(options.explained)
    unknown = [name for name in options.heads if name not in there]
    if unknown:
        raise InputError(
            f"--label {unknown[0]}: {options.explained} holds no such label; it has "
            f"{', '.join(there)}{meant(unknown[0], there)}"
        )
    return {name: there[name] for name in dict.fromkeys(options.heads)} or there


def _inputs(options: MotifsOptions, folders: Mapping[str, Path]) -> dict[str, Path]:
    """The files that a result depends on."""
    roles = {
        f"{label}/{name}": folder / name
        for label, folder in folders.items()
        for name in (SEQUENCES, HYPOTHETICAL)
        if (folder / name).is_file()
    }
    return roles if options.motifs is None else roles | {"motifs": options.motifs}
