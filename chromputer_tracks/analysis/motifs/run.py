"""From contributions to motifs, their known names and their instances: a whole run."""

from __future__ import annotations

import importlib.metadata
import json
import shlex
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

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
from chromputer_tracks.analysis.motifs.files import PAGE, RESULT, render_page, write_files
from chromputer_tracks.analysis.motifs.hits import (
    P_LIMIT,
    WEAKEST,
    ExplainedWindows,
    LabelMotifs,
    find_hits,
    label_motifs,
    outcome,
)
from chromputer_tracks.errors import InputError, counted
from chromputer_tracks.inference.run import (
    RUN_JSON,
    Checksums,
    output_folder,
    remove_stale,
    versions,
    write_run_json,
)
from chromputer_tracks.inference.stages import Stages
from chromputer_tracks.io.atomic import Staging
from chromputer_tracks.io.bed import BedTable
from chromputer_tracks.io.contributions import (
    HYPOTHETICAL,
    SEQUENCES,
    explained_labels,
    read_contributions,
)
from chromputer_tracks.io.run import Report

# ---- What ``chromputer motifs`` is asked.

DEFAULT_WINDOW = 400
DEFAULT_SEQLETS = 20_000
DEFAULT_Q = 0.01


@dataclass(frozen=True, slots=True)
class MotifsOptions:
    """Where to look for motifs, and how.

    Attributes:
        explained: folder that ``chromputer explain`` wrote.
        out: folder of the results; made when only its parent exists.
        heads: labels; empty: all that were explained.
        motifs: MEME file of known motifs; None: see ``jaspar``.
        jaspar: taxon of JASPAR CORE to match to; None: no database.
        window: bp around the sites' summits in which patterns are sought.
        max_seqlets: of each label and sign.
        q: false discovery rate up to which a known motif names a pattern.
        hit_p: limit of the p-value of a hit's sequence.
        threads: None: those that numba takes, all of the process.
        force: write into a folder that holds other things than an earlier run.
        command: the command line, for ``run.json``.
    """

    explained: Path
    out: Path
    heads: tuple[str, ...] = ()
    motifs: Path | None = None
    jaspar: str | None = None
    window: int = DEFAULT_WINDOW
    max_seqlets: int = DEFAULT_SEQLETS
    q: float = DEFAULT_Q
    hit_p: float = P_LIMIT
    threads: int | None = None
    force: bool = False
    command: tuple[str, ...] = ()


KIND = "motifs"
"""What ``run.json`` says wrote the folder."""
MOST_MATCHES = 10
"""Known motifs listed for each pattern."""

_LIBRARIES = ("modisco-lite", "memelite", "numba", "leidenalg", "pyjaspar")


@dataclass(frozen=True, slots=True, eq=False)
class MotifsRun:
    """What a run gave.

    Attributes:
        out: folder of the results.
        results: of each label.
        database: what patterns were matched to; empty for none.
        record: what ``run.json`` holds.
    """

    out: Path
    results: tuple[LabelMotifs, ...]
    database: str
    record: dict[str, Any]


def find_motifs(options: MotifsOptions, report: Report) -> MotifsRun:
    """Find the motifs of explained labels and write them.

    Everything that can be checked is checked first. A run that fails leaves nothing under a final
    name, and removes the folder if it made it.

    Args:
        options: what to do.
        report: told what happens; it must not run a thread, see :mod:`.motifs.discovery`.

    Raises:
        InputError: the folder is none that ``explain`` wrote, a label was not explained or its
            contributions cannot be used, or the known motifs cannot be read.
        OutputError: the results cannot be written.
    """
    started = datetime.now(UTC)
    stages = Stages()
    if options.threads is not None:
        use_threads(options.threads)
    with ExitStack() as stack:
        folders = _folders(options)
        known = known_motifs(options.motifs, options.jaspar, report)
        if known is None:
            report.note(
                "note: neither --motifs nor --jaspar: patterns are not matched to known motifs"
            )
        earlier = stack.enter_context(output_folder(options.out, KIND, force=options.force))
        with Checksums(_roles(options, folders)) as checksums:
            inputs = checksums.result()
        found: list[tuple[LabelMotifs, Discovery, BedTable]] = []
        for label, folder in folders.items():
            found.append(_label_motifs(label, folder, options, known, stages, report))
        results = tuple(result for result, _, _ in found)
        record: dict[str, Any] = {
            "kind": KIND,
            "command": shlex.join(options.command),
            "started": started.isoformat(timespec="seconds"),
            "versions": versions()
            | {name: importlib.metadata.version(name) for name in _LIBRARIES},
            "explained": {"folder": str(options.explained), **_explained_by(options.explained)},
            "inputs": inputs,
            **_settings(options, known),
            "labels": {result.label: _label_record(result, options.q) for result in results},
        }
        database = known.name if known else ""
        with stages.phase("writing"), Staging(options.out) as staging:
            beds = [sites for _, _, sites in found]
            outputs = write_files(results, beds, staging.folder, options.q, database)
            for result, discovery, _ in found:
                name = f"{result.label}/{RESULT}"
                discovery.save(staging.folder / name)
                outputs.append(name)
            page = render_page(results, record, database, options.q)
            (staging.folder / PAGE).write_text(page, encoding="utf-8")
            outputs.append(PAGE)
            staging.publish_when_done(outputs)
        record |= {
            "outputs": sorted(outputs),
            "seconds": round((datetime.now(UTC) - started).total_seconds(), 3),
            "peak_mb": round(stages.peak_mb(), 1),
            "stages": stages.report(),
        }
        write_run_json(options.out, record)
    remove_stale(options.out, earlier - set(outputs))
    return MotifsRun(options.out, results, database, record)


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
            f"--head {unknown[0]}: {options.explained} holds no such label; it has "
            f"{', '.join(there)}"
        )
    return {name: there[name] for name in dict.fromkeys(options.heads)} or there


def _roles(options: MotifsOptions, folders: Mapping[str, Path]) -> dict[str, Path]:
    """The files that a result depends on."""
    roles = {
        f"{label}/{name}": folder / name
        for label, folder in folders.items()
        for name in (SEQUENCES, HYPOTHETICAL)
        if (folder / name).is_file()
    }
    return roles if options.motifs is None else roles | {"motifs": options.motifs}


def _explained_by(folder: Path) -> dict[str, Any]:
    """Model and method from the record of ``explain``; nothing where it is missing or damaged."""
    try:
        record = json.loads((folder / RUN_JSON).read_text(encoding="utf-8"))
        keys = ("model", "method", "references", "seed")
        return {key: record[key] for key in keys if key in record}
    except (OSError, ValueError, TypeError):
        return {}


def _settings(options: MotifsOptions, known: MotifSet | None) -> dict[str, Any]:
    return {
        "window": options.window,
        "max_seqlets": options.max_seqlets,
        "seqlet_core": SEQLET_CORE,
        "seqlet_flank": SEQLET_FLANK,
        "seqlet_fdr": SEQLET_FDR,
        "leiden_runs": LEIDEN_RUNS,
        "hit_p": options.hit_p,
        "hit_weakest": WEAKEST,
        "q": options.q,
        "motif_database": known.name if known else None,
        "known_motifs": len(known.motifs) if known else None,
    }


def _label_record(result: LabelMotifs, q: float) -> dict[str, Any]:
    return {
        "sites": result.sites,
        "seqlets": {
            sign: {"found": count.found, "used": count.used}
            for sign, count in (("positive", result.positive), ("negative", result.negative))
        },
        "patterns": [
            {
                "name": item.pattern.name,
                "consensus": item.pattern.consensus,
                "seqlets": len(item.pattern.seqlets),
                "hits": len(item.hits),
                "sites_with_hit": item.sites,
                "looks_like": match.target.title if (match := item.known(q)) else None,
                "q": match.q if match else None,
            }
            for item in result.patterns
        ],
    }
