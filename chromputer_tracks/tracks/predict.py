"""From fragments, a genome and a model to a folder of tracks: the run and its writers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.errors import InputError, OutputError, counted
from chromputer_tracks.inference.genome import (
    covered_bases,
    drain,
    predict_regions,
    region_bins,
)
from chromputer_tracks.inference.sample import (
    announce,
    input_roles,
    model_records,
    open_genome,
    open_sample,
)
from chromputer_tracks.inference.session import Model, load_model, open_session
from chromputer_tracks.intervals import ChromSizes, Interval, format_span, parse_region
from chromputer_tracks.io.atomic import output_errors
from chromputer_tracks.io.bed import BedTable, Rgb, read_bed
from chromputer_tracks.io.bigbed import read_rows, write_bigbed
from chromputer_tracks.io.bigwig import BigWigWriter
from chromputer_tracks.io.record import Report, RunRecord, Silent, file_record
from chromputer_tracks.io.run import Run, run
from chromputer_tracks.io.threads import Workers
from chromputer_tracks.options.fields import recorded
from chromputer_tracks.options.predict import TABLE, PredictOptions
from chromputer_tracks.spec import HeadSpec, Label, ModelSpec
from chromputer_tracks.tracks.confidence import CONFIDENCE, Confidence, is_measured
from chromputer_tracks.tracks.region_table import write_region_table
from chromputer_tracks.tracks.resume import Finished, Plan, find_finished, read_finished

KIND = "predict"
"""What ``run.json`` says of the command."""
LARGEST_SIGNAL = 2.0**48
"""Larger values of continuous labels are refused (2.8e14): zoom levels of bigWig files hold sums of
squares as float32."""
RESOLUTION = 2.0**-17
"""Probabilities are rounded to multiples of it (7.6e-6) before anything is written, so that sums
are exact, all tracks agree with one another, and the files compress well."""
STATES_BED, STATES_BIGBED = "states.bed", "states.bb"
"""Files of the states in a run's folder."""
GREY: Rgb = (200, 200, 200)
"""Colour of states where the sample is too thin to say."""
_TITLE_LENGTH = 60
"""Most characters of a title in a comment of autoSql."""


def label_file(head: HeadSpec, label: Label, suffix: str) -> str:
    """Where a label's file lies in a run's folder: ``states/STATE.bw``, else ``HEAD/LABEL.SUFFIX``.

    Args:
        head: the label's.
        label: itself.
        suffix: ``bw``, or ``bed`` for the calls of a binary label.
    """
    folder = "states" if head.kind == "states" else head.name
    return f"{folder}/{label.name}.{suffix}"


def rgb_text(color: Rgb) -> str:
    """The colour as BED files, track hubs and IGV write it."""
    return ",".join(map(str, color))


@dataclass(frozen=True, slots=True)
class StateShare:
    """How much of the predicted bases a state takes; ``share`` is between 0 and 1."""

    name: str
    title: str
    bases: int
    share: float


@dataclass(frozen=True, slots=True)
class CallCount:
    """Calls of a binary label: their number and the bases in them."""

    name: str
    title: str
    calls: int
    bases: int


@dataclass(frozen=True, slots=True)
class TrackSummary:
    """What the tracks hold.

    Attributes:
        bases: bp predicted.
        states: one for each state, in the head's order; empty without a states head.
        calls: one for each binary label, in the heads' order.
    """

    bases: int
    states: tuple[StateShare, ...]
    calls: tuple[CallCount, ...]


@dataclass(frozen=True, slots=True)
class Prediction:
    """What ``run.json`` says of a prediction beside what every record does.

    Attributes:
        predicted_bases: bp that have values.
        summary: shares of states and calls by label.
    """

    predicted_bases: int
    summary: TrackSummary


@dataclass(frozen=True, slots=True)
class PredictResult:
    """What a run gave: the model used, what is in the tracks, and the record."""

    model: Model
    summary: TrackSummary
    record: RunRecord


def predict_tracks(options: PredictOptions, report: Report | None = None) -> PredictResult:
    """Predict tracks and write them with ``run.json`` into ``options.out``.

    Everything that can be checked is checked before the fragments are read. A run that fails
    leaves what was there.

    Raises:
        SpecError: the model cannot be used.
        InputError: an input cannot be used, or does not fit the genome.
        ProviderError: the provider does not work here.
        OutputError: the tracks cannot be written.
    """
    report, files = report or Silent(), options.sample
    with (
        run(KIND, options, report, resume=options.resume) as work,
        _telling_how_to_go_on(work, report),
        ExitStack() as stack,
    ):
        stages = work.stages
        with stages.phase("checking"):
            model = load_model(options.model)
            fasta = open_genome(stack, files, report)
            sizes = fasta.sizes
            regions = _regions(options, sizes)
            if options.grey_below is not None and not is_measured(model.spec):
                raise InputError(
                    f"--grey-below {options.grey_below:g}: model {model.name} does not tell the "
                    "accuracy of its states by the fragments around; leave it out, or measure that "
                    "with `chromputer train --measure only`"
                )
            places = _intervals(regions)
            bins = region_bins(places, sizes, model.spec.grid)
            roles = input_roles(model, files, regions=options.regions)
            work.read(roles)
            session = open_session(model.path, options.provider, options.threads)
            plan = Plan.of(
                file_record(model.path).sha256,
                sizes.digest(),
                roles,
                recorded(options),
                session.provider,
                session.threads,
            )
            names = track_files(model.spec)
            threads = max(1, session.threads // 2)
            finished = find_finished(
                work.unfinished, plan, names, bins, sizes, model.spec.grid, threads
            )
            work.go_on_with(None if finished is None else finished.folder)
            work.plan(plan.to_json())
        announce(model, session, sizes, files, report)
        sample = open_sample(stack, model, fasta, files, report, stages, places)
        total = covered_bases(bins, sizes, model.spec.grid)
        writing = stack.enter_context(ExitStack())
        writer = writing.enter_context(
            TrackWriter(
                work.folder,
                model.spec,
                sizes,
                threads=threads,
                kept=work.is_kept,
                confidence=Confidence.of(model.spec, sample.assays),
                grey_below=options.grey_below,
            )
        )
        work.is_worth_keeping = lambda: writer.contigs > 1
        if options.resume:
            _say_where(finished, bins, report)
        before = 0
        if finished is not None:
            with stages.phase("reading what was finished"):
                for item in read_finished(finished, names, sizes, model.spec.grid):
                    writer.write(*item)
                    before += item[2] - item[1]
                    report.progress("reading what was finished", before, None, "bp")
        with stages.phase("predicting"):
            drain(
                predict_regions(
                    session,
                    model.spec,
                    sample.features,
                    bins,
                    sizes,
                    tile=options.tile,
                    batch=options.batch,
                    average_strands=options.average_strands,
                    done=() if finished is None else finished.contigs,
                    stages=stages,
                ),
                writer.write,
                stages,
                lambda bases: report.progress("predicting", before + bases, total, "bp"),
            )
        with stages.phase("finishing tracks"):
            writing.close()
            if isinstance(regions, BedTable):
                name = options.table or TABLE
                rows = write_region_table(
                    work.folder / name,
                    [work.folder / track for track in names],
                    model.spec,
                    regions,
                    bins,
                    sizes,
                )
                many = counted(len(regions), "region")
                report.note(f"{name}: {rows:,} rows, one for each of {many} and label")
        work.describe(
            Prediction(total, writer.summary), **model_records(model, session, sizes, sample)
        )
    return PredictResult(model, writer.summary, work.record)


def track_files(spec: ModelSpec) -> list[str]:
    """The bigWig file of each of a model's outputs, in their order."""
    return [label_file(head, label, "bw") for head in spec.heads for label in head.labels]


def _say_where(finished: Finished | None, bins: Mapping[str, object], report: Report) -> None:
    if finished is None:
        report.note("nothing unfinished to go on with: beginning anew")
    else:
        report.note(f"going on behind {len(finished.contigs):,} of {counted(len(bins), 'contig')}")


@contextmanager
def _telling_how_to_go_on(work: Run, report: Report) -> Iterator[None]:
    """Say what stays of a run that fails, what it takes, and how to go on with it."""
    try:
        yield
    except BaseException:
        if work.is_kept():
            files = [path for path in work.folder.rglob("*") if path.is_file()]
            size = sum(path.stat().st_size for path in files) / 2**20
            report.note(
                f"note: the contigs that are done stay in {work.folder} ({size:,.0f} MiB): the "
                "same command with --resume goes on behind them, without it they are removed"
            )
        raise


def _regions(options: PredictOptions, sizes: ChromSizes) -> list[Interval] | BedTable | None:
    """The regions asked for, inside their contigs; None: the whole genome."""
    if options.regions is not None and options.chroms:
        raise InputError("give either --regions or --chrom, not both")
    if options.chroms:
        return [parse_region(text, sizes) for text in dict.fromkeys(options.chroms)]
    if options.regions is None:
        return None
    return read_bed(options.regions, sizes)


def _intervals(regions: list[Interval] | BedTable | None) -> list[Interval] | None:
    if isinstance(regions, BedTable):
        return [record.interval for record in regions]
    return regions


# The files of a folder of tracks, in a stream.


@dataclass(slots=True)
class _CallFile:
    """The BED of a label's calls, and what is in it."""

    row: int
    name: str
    file: IO[str]
    merger: CallMerger
    count: int = 0
    bases: int = 0

    @property
    def label(self) -> Label:
        return self.merger.label

    def write(self, calls: Sequence[Call]) -> None:
        self.file.writelines(call.line(self.label) for call in calls)
        self.count += len(calls)
        self.bases += sum(call.end - call.start for call in calls)


class TrackWriter:
    """Writes a folder of tracks; use it as a context manager.

    Written are ``states.bed``, ``states.bb``, ``states/STATE.bw``, and for each binary or
    continuous head ``HEAD/NAME.bw``, for binary ones ``HEAD/NAME.bed``, too; ``confidence.bw``
    where that is known. At the clean end of the block every file has passed its check.

    Args:
        out: an empty folder.
        spec: the model's spec.
        sizes: the genome's contigs.
        threads: threads that compress bigWig data.
        kept: whether bigWig files stay as far as they are written when the block ends with an
            error, see :class:`~chromputer_tracks.io.bigwig.BigWigWriter`.

    Attributes:
        summary: what the tracks hold (after the block).
        contigs: how many contigs were begun.

    Raises:
        OutputError: ``out`` is not writable, the disk is full, a file does not pass its check, two
            labels would share a file, or a head's name would lead out of the folder.
    """

    summary: TrackSummary

    def __init__(
        self,
        out: Path,
        spec: ModelSpec,
        sizes: ChromSizes,
        *,
        threads: int = 1,
        kept: Callable[[], bool] | None = None,
        confidence: Confidence | None = None,
        grey_below: float | None = None,
    ) -> None:
        self._out = out
        self._confidence, self._grey_below = confidence, grey_below
        self._expected: BigWigWriter | None = None
        self._kept = kept
        self.contigs = 0
        self._chrom = ""
        self._spec = spec
        self._sizes = sizes
        self._threads = threads
        self._names: list[str] = []
        self._beds: list[IO[str]] = []
        self._bigwigs: list[tuple[int, BigWigWriter]] = []
        self._states: StateMerger | None = None
        self._state_rows = slice(0)
        self._calls: list[_CallFile] = []
        self._continuous: list[int] = []
        self._bases = 0

    def __enter__(self) -> TrackWriter:
        with ExitStack() as stack:
            self._map = (
                stack.enter_context(Workers(self._threads)).map if self._threads > 1 else map
            )
            row = 0
            for head in self._spec.heads:
                if head.kind == "states":
                    self._state_rows = slice(row, row + len(head.labels))
                    self._states = StateMerger(
                        self._bed(stack, STATES_BED), head.labels, self._spec.stride
                    )
                for label in head.labels:
                    name = label_file(head, label, "bw")
                    writer = BigWigWriter(
                        self._path(name), self._sizes, self._spec.stride, self._kept
                    )
                    self._bigwigs.append((row, stack.enter_context(writer)))
                    if head.kind == "binary":
                        name = label_file(head, label, "bed")
                        calls = CallMerger(label, self._spec.stride)
                        self._calls.append(_CallFile(row, name, self._bed(stack, name), calls))
                    if head.kind == "continuous":
                        self._continuous.append(row)
                    row += 1
            if self._confidence is not None:
                path = self._path(CONFIDENCE)
                writer = BigWigWriter(path, self._sizes, self._spec.stride, self._kept)
                self._expected = stack.enter_context(writer)
            self._stack = stack.pop_all()
        return self

    def _path(self, name: str) -> Path:
        """Where the file is made; each name is used once, also where case does not count."""
        if name.casefold() in (other.casefold() for other in self._names):
            raise OutputError(f"cannot write {self._out / name}: two labels have this name")
        self._names.append(name)
        path = self._out / name
        with output_errors(path):
            path.parent.mkdir(exist_ok=True)
        return path

    def _bed(self, stack: ExitStack, name: str) -> IO[str]:
        path = self._path(name)
        with output_errors(path):
            file = path.open("w", encoding="utf-8", newline="\n")
        self._beds.append(stack.enter_context(file))
        return self._beds[-1]

    def write(self, chrom: str, start: int, end: int, values: NDArray[np.float32]) -> None:
        """Write the next bins of all tracks.

        Args:
            chrom: contigs come in the order of their names (bytes).
            start: 0-based, a multiple of the model's stride, not before the last end.
            end: exclusive; cuts the last bin.
            values: float32 (outputs, bins) in the order of the model's outputs: probabilities,
                and values of continuous labels.

        Raises:
            OutputError: a value is not a probability or signal, the order is wrong, or the disk is
                full.
            ContigError: the contig is unknown.
        """
        where = format_span(chrom, start, end)
        stride, outputs = self._spec.stride, self._spec.outputs
        if values.shape != (outputs, -(-(end - start) // stride)):
            raise OutputError(f"{where}: {values.shape} values for {outputs} tracks")
        limits = np.ones((outputs, 1), dtype=np.float32)
        limits[self._continuous] = LARGEST_SIGNAL
        # Comparisons with NaN are false.
        if not ((values >= 0) & (values <= limits)).all():
            raise OutputError(
                f"{where}: the model gave a value that is no probability, or no signal from 0 to "
                f"{LARGEST_SIGNAL:.2g} ({values.min()} to {values.max()}); is the model file "
                f"damaged?"
            )
        rounded = np.rint(values * np.float32(1 / RESOLUTION))
        rounded *= np.float32(RESOLUTION)
        for row in self._continuous:
            rounded[row] = _rounded_signal(values[row])
        list(
            self._map(lambda item: item[1].add(chrom, start, end, rounded[item[0]]), self._bigwigs)
        )
        grey = None
        if self._confidence is not None and self._expected is not None:
            expected = self._confidence.bins(chrom, start, end)
            self._expected.add(chrom, start, end, expected)
            if self._grey_below is not None:
                grey = expected < self._grey_below
        with output_errors(self._out):
            if self._states is not None:
                self._states.add(chrom, start, end, rounded[self._state_rows], grey)
            for calls in self._calls:
                calls.write(calls.merger.add(chrom, start, end, rounded[calls.row]))
        self._bases += end - start
        if chrom != self._chrom:
            self._chrom = chrom
            self.contigs += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            # A full disk fails again on closing; the first error is the one to show.
            with suppress(OSError, OutputError):
                self._stack.__exit__(kind, error, trace)
            return
        with self._stack:
            if not self._bases:
                raise OutputError(f"cannot write tracks to {self._out}: nothing was predicted")
            self._finish_beds()
        self.summary = self._summarise()

    def _finish_beds(self) -> None:
        with output_errors(self._out):
            if self._states is not None:
                self._states.finish()
            for calls in self._calls:
                calls.write(calls.merger.finish())
            for file in self._beds:
                file.close()
        for calls in self._calls:
            rows = sum(1 for _ in read_rows(self._out / calls.name))
            self._check_rows(calls.name, rows, calls.count)
        if self._states is not None:
            table = f"Chromatin states predicted by {self._spec.name}"
            rows = write_bigbed(
                self._path(STATES_BIGBED),
                self._sizes,
                read_rows(self._out / STATES_BED),
                states_autosql(self._states.labels, table),
            )
            self._check_rows(STATES_BED, rows, self._states.rows)

    def _check_rows(self, name: str, found: int, written: int) -> None:
        if found != written:
            raise OutputError(
                f"cannot write {self._out / name}: {found:,} of {written:,} rows read back; is the "
                "disk full?"
            )

    def _summarise(self) -> TrackSummary:
        states = self._states
        return TrackSummary(
            self._bases,
            tuple(
                StateShare(label.name, label.title, count, count / self._bases)
                for label, count in (
                    zip(states.labels, states.bases, strict=True) if states else ()
                )
            ),
            tuple(
                CallCount(calls.label.name, calls.label.title, calls.count, calls.bases)
                for calls in self._calls
            ),
        )


def _rounded_signal(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """To 11 significant bits (one part in 2,000), so that the files compress well."""
    mantissa, exponent = np.frexp(values)
    rounded: NDArray[np.float32] = np.ldexp(np.rint(mantissa * 2048) / 2048, exponent)
    return rounded


# Chromatin states as a segmentation: BED9 and bigBed.


@dataclass(slots=True)
class _Segment:
    """Consecutive bins of one state, all grey or none.

    ``total`` is the sum of its probability over their bases.
    """

    chrom: str
    start: int
    end: int
    state: int
    total: float
    grey: bool


class StateMerger:
    """Merges equal consecutive states and writes them as BED9, across calls.

    Name: the state's short name; score: 1000 times its mean probability over the segment's bases;
    thick part: the segment; colour: the state's, or :data:`GREY`.

    Args:
        file: text, written to in genome order.
        labels: the states, in the order of the rows of probabilities.
        step: bp per bin.
    """

    def __init__(self, file: IO[str], labels: Sequence[Label], step: int) -> None:
        self._file = file
        self._step = step
        self.labels = labels
        self._colors = [rgb_text(label.color) for label in labels]
        self._segment: _Segment | None = None
        self.bases = [0] * len(labels)
        self.rows = 0

    def add(
        self,
        chrom: str,
        start: int,
        end: int,
        probabilities: NDArray[np.float32],
        grey: NDArray[np.bool_] | None = None,
    ) -> None:
        """Take the next bins.

        Args:
            chrom: contig; calls come in genome order.
            start: 0-based; a gap after the last call's end ends a segment.
            end: exclusive; cuts the last bin.
            probabilities: float32 (states, bins), multiples of 2**-17 (TrackWriter rounds
                them), so that sums over bases are exact and the same however calls are cut.
            grey: bool (bins,), which to draw grey; these are segments of their own. None: none.
        """
        step = self._step
        states = probabilities.argmax(0)
        weighted = probabilities.max(0).astype(np.float64) * step
        cut = start + len(states) * step - end
        weighted[-1] *= (step - cut) / step
        shade = np.zeros(len(states), dtype=np.bool_) if grey is None else grey
        firsts = np.flatnonzero(np.diff(2 * states + shade, prepend=-1))
        totals = np.add.reduceat(weighted, firsts).tolist()
        codes = zip(states[firsts].tolist(), shade[firsts].tolist(), strict=True)
        starts = (start + firsts * step).tolist()
        ends = [*starts[1:], end]
        lines: list[str] = []
        last = self._segment
        for begin, stop, (code, dim), total in zip(starts, ends, codes, totals, strict=True):
            if last and (last.chrom, last.end, last.state, last.grey) == (chrom, begin, code, dim):
                last.end = stop
                last.total += total
                continue
            if last:
                lines.append(self._line(last))
            last = _Segment(chrom, begin, stop, code, total, dim)
        self._segment = last
        self._file.write("".join(lines))

    def finish(self) -> None:
        """Write the last segment."""
        if self._segment is not None:
            self._file.write(self._line(self._segment))
            self._segment = None

    def _line(self, segment: _Segment) -> str:
        chrom, start, end, state = segment.chrom, segment.start, segment.end, segment.state
        self.bases[state] += end - start
        self.rows += 1
        score = round(1000 * segment.total / (end - start))
        name = self.labels[state].name
        color = rgb_text(GREY) if segment.grey else self._colors[state]
        return f"{chrom}\t{start}\t{end}\t{name}\t{score}\t.\t{start}\t{end}\t{color}\n"


def states_autosql(labels: Sequence[Label], table: str) -> str:
    """AutoSql of the states' BED9; the comment on ``name`` lists the full names."""
    legend = "; ".join(f"{label.name} {_plain(label.title)}" for label in labels)
    return f"""table chromatinStates
"{_plain(table)}"
    (
    string chrom;       "Contig"
    uint   chromStart;  "Start, 0-based"
    uint   chromEnd;    "End, exclusive"
    string name;        "{legend}"
    uint   score;       "Mean probability of the state, times 1000"
    char[1] strand;     "Always ."
    uint   thickStart;  "Start, 0-based"
    uint   thickEnd;    "End, exclusive"
    uint   reserved;    "Colour of the state"
    )
"""


def _plain(text: str) -> str:
    """Text that an autoSql comment can hold: no quotes, line breaks or semicolons, not long."""
    words = " ".join(text.replace('"', "'").replace(";", ",").split())
    return words if len(words) <= _TITLE_LENGTH else words[: _TITLE_LENGTH - 3] + "..."


# Calls of a binary label: merged bins at and above its threshold, as BED9.


@dataclass(slots=True)
class Call:
    """Consecutive called bins, half-open bp: the largest probability and the bin that has it."""

    chrom: str
    start: int
    end: int
    maximum: float
    peak_start: int
    peak_end: int

    def line(self, label: Label) -> str:
        """Its row of a BED9, whose thick part is the bin of the largest probability."""
        return (
            f"{self.chrom}\t{self.start}\t{self.end}\t{label.name}\t{round(1000 * self.maximum)}"
            f"\t.\t{self.peak_start}\t{self.peak_end}\t{rgb_text(label.color)}\n"
        )


class CallMerger:
    """Merges consecutive bins with probability >= threshold into calls, across pieces.

    A call is given out when the first bin behind it is known.

    Args:
        label: gives the threshold.
        step: bp per bin.
    """

    def __init__(self, label: Label, step: int) -> None:
        self.label = label
        self._step = step
        self._last: Call | None = None

    def add(
        self, chrom: str, start: int, end: int, probabilities: NDArray[np.float32]
    ) -> list[Call]:
        """Take the next bins; returns the calls that are complete.

        Args:
            chrom: contig; pieces come in genome order.
            start: 0-based; a gap after the last end ends a call.
            end: exclusive; cuts the last bin.
            probabilities: float32 (bins,).
        """
        called = probabilities >= self.label.threshold
        if not called.any():
            return []
        padded = np.zeros(len(called) + 2, np.bool_)
        padded[1:-1] = called
        edges = np.flatnonzero(padded[1:] != padded[:-1])
        complete = []
        for first, last in edges.reshape(-1, 2).tolist():
            top = first + int(probabilities[first:last].argmax())
            call = Call(
                chrom,
                start + first * self._step,
                min(start + last * self._step, end),
                float(probabilities[top]),
                start + top * self._step,
                min(start + (top + 1) * self._step, end),
            )
            before = self._last
            if before and (before.chrom, before.end) == (chrom, call.start):
                before.end = call.end
                if call.maximum > before.maximum:
                    before.maximum = call.maximum
                    before.peak_start, before.peak_end = call.peak_start, call.peak_end
                continue
            complete += self.finish()
            self._last = call
        return complete

    def finish(self) -> list[Call]:
        """The call that no piece has ended, if there is one."""
        complete = [self._last] if self._last is not None else []
        self._last = None
        return complete
