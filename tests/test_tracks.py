"""The folder of tracks: against a slow oracle, however tiles are cut, and when things fail."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pybigtools
import pyBigWig
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from limits import file_size_limit
from numpy.typing import NDArray

from chromputer_tracks.errors import ContigError, OutputError
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.bed import read_bed
from chromputer_tracks.io.record import Silent
from chromputer_tracks.io.run import run
from chromputer_tracks.options.fields import RunOptions
from chromputer_tracks.spec import HeadSpec, InputSpec, Label, ModelSpec
from chromputer_tracks.tracks.predict import (
    LARGEST_SIGNAL,
    Call,
    CallCount,
    StateMerger,
    StateShare,
    TrackWriter,
    _rounded_signal,
)

STRIDE = 50
SIZES = ChromSizes({"chr2": 1320, "chr10": 600, "chr1": 1005, "tiny": 7}, "g.fa")
STATES = HeadSpec(
    "states",
    "chromatin",
    (Label("S1", "one", (1, 2, 3)), Label("S2", "two", (0, 0, 9)), Label("S3", "three", (9, 9, 9))),
)
BINARY = HeadSpec(
    "binary",
    "factors",
    (
        Label("Reb1", "Reb1", (255, 0, 0), threshold=0.5),
        Label("Htz1", "H2A.Z", (0, 255, 0), threshold=0.25),
    ),
)

Probabilities = NDArray[np.float32]
Piece = tuple[str, int, int, Probabilities]


def spec(*heads: HeadSpec) -> ModelSpec:
    return ModelSpec(
        "toy", 300, STRIDE, 200, (InputSpec("sequence", "dna"),), heads, "toy", "0", {}
    )


BOTH = spec(STATES, BINARY)


def probabilities(bins: int, seed: int) -> Probabilities:
    """Coarse values, so that ties, equal neighbours and values at the threshold are common."""
    rng = np.random.default_rng(seed)
    return (rng.integers(0, 5, (5, bins)) / 4).astype(np.float32)


def whole_genome(seed: int = 0) -> list[Piece]:
    return [
        (chrom, 0, SIZES[chrom], probabilities(-(-SIZES[chrom] // STRIDE), seed + i))
        for i, chrom in enumerate(sorted(SIZES))
    ]


@contextmanager
def track_writer(
    out: Path, model: ModelSpec = BOTH, sizes: ChromSizes = SIZES, threads: int = 1
) -> Iterator[TrackWriter]:
    """A writer in a run that publishes its tracks, as that of ``predict``."""
    with (
        run("predict", RunOptions(out=out), Silent()) as work,
        TrackWriter(work.folder, model, sizes, threads=threads) as writer,
    ):
        yield writer


def write(out: Path, pieces: list[Piece], model: ModelSpec = BOTH, threads: int = 1) -> TrackWriter:
    with track_writer(out, model, threads=threads) as writer:
        for piece in pieces:
            writer.write(*piece)
    return writer


def cut(pieces: list[Piece], data: st.DataObject) -> list[Piece]:
    out: list[Piece] = []
    for chrom, start, end, values in pieces:
        bins = values.shape[1]
        bounds = sorted({0, bins, *data.draw(st.lists(st.integers(0, bins), max_size=5))})
        for first, last in zip(bounds, bounds[1:], strict=False):
            stop = min(start + last * STRIDE, end)
            out.append((chrom, start + first * STRIDE, stop, values[:, first:last]))
    return out


def bins_of(pieces: list[Piece]) -> list[tuple[str, int, int, Probabilities]]:
    """One (contig, start, end, values of all outputs) a bin."""
    return [
        (c, s + k * STRIDE, min(s + (k + 1) * STRIDE, e), v[:, k])
        for c, s, e, v in pieces
        for k in range(v.shape[1])
    ]


def states_oracle(pieces: list[Piece]) -> list[str]:
    runs: list[tuple[str, int, int, int, Fraction]] = []
    for chrom, start, end, values in bins_of(pieces):
        state = max(range(3), key=lambda i: (values[i], -i))
        total = Fraction(float(values[state])) * (end - start)
        if runs and runs[-1][0] == chrom and runs[-1][2] == start and runs[-1][3] == state:
            _, begin, _, _, before = runs.pop()
            runs.append((chrom, begin, end, state, before + total))
        else:
            runs.append((chrom, start, end, state, total))
    lines = []
    for chrom, start, end, state, total in runs:
        label = STATES.labels[state]
        score = round(1000 * total / (end - start))
        color = ",".join(map(str, label.color))
        lines.append(f"{chrom}\t{start}\t{end}\t{label.name}\t{score}\t.\t{start}\t{end}\t{color}")
    return lines


def calls_oracle(pieces: list[Piece], row: int, label: Label) -> list[str]:
    runs: list[list[tuple[str, int, int, float]]] = []
    for chrom, start, end, values in bins_of(pieces):
        if values[row] >= label.threshold:
            item = (chrom, start, end, float(values[row]))
            if runs and runs[-1][-1][0] == chrom and runs[-1][-1][2] == start:
                runs[-1].append(item)
            else:
                runs.append([item])
    lines = []
    for call in runs:
        _, low, high, top = max(call, key=lambda item: (item[3], -item[1]))
        color = ",".join(map(str, label.color))
        lines.append(
            f"{call[0][0]}\t{call[0][1]}\t{call[-1][2]}\t{label.name}\t{round(top * 1000)}\t.\t"
            f"{low}\t{high}\t{color}"
        )
    return lines


def contents(out: Path) -> dict[str, bytes]:
    """The files of a folder but the record, which says when they were made."""
    found = {str(p.relative_to(out)): p for p in out.rglob("*") if p.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if name != "run.json"}


@st.composite
def layouts(draw: st.DrawFn) -> list[Piece]:
    pieces: list[Piece] = []
    for chrom in draw(
        st.lists(st.sampled_from(sorted(SIZES)), min_size=1, unique=True).map(sorted)
    ):
        size = SIZES[chrom]
        bins = -(-size // STRIDE)
        marks = sorted(draw(st.sets(st.integers(0, bins), min_size=2, max_size=6)))
        for first, last in zip(marks[::2], marks[1::2], strict=False):
            stop = min(last * STRIDE, size)
            values = probabilities(last - first, draw(st.integers(0, 9999)))
            pieces.append((chrom, first * STRIDE, stop, values))
    return pieces


@given(layouts(), st.data())
@settings(
    deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_oracle_and_any_cutting(tmp_path: Path, pieces: list[Piece], data: st.DataObject) -> None:
    write(tmp_path / "one", pieces)
    one = contents(tmp_path / "one")
    assert one["states.bed"].decode().splitlines() == states_oracle(pieces)
    for row, label in enumerate(BINARY.labels, 3):
        lines = one[f"factors/{label.name}.bed"].decode().splitlines()
        assert lines == calls_oracle(pieces, row, label)
    write(tmp_path / "two", cut(pieces, data), threads=data.draw(st.sampled_from([1, 3])))
    two = contents(tmp_path / "two")
    assert one.keys() == two.keys()
    for name in one:
        # pybigtools writes blocks in the order in which its threads finish.
        if name != "states.bb":
            assert one[name] == two[name], name


def test_every_base_once_in_every_track(tmp_path: Path) -> None:
    pieces = whole_genome()
    write(tmp_path / "out", pieces)
    assert set(contents(tmp_path / "out")) == {
        "states.bed",
        "states.bb",
        *(f"states/S{i}.bw" for i in (1, 2, 3)),
        *(f"factors/{name}.{kind}" for name in ("Reb1", "Htz1") for kind in ("bw", "bed")),
    }
    names = [f"states/S{i}" for i in (1, 2, 3)] + ["factors/Reb1", "factors/Htz1"]
    for row, name in enumerate(names):
        with pybigtools.open(str(tmp_path / "out" / f"{name}.bw")) as file:
            assert file.chroms() == dict(SIZES)
            for chrom, _, size, values in pieces:
                records = list(file.records(chrom))
                assert [s for s, _, _ in records] == list(range(0, size, STRIDE))
                assert [e for _, e, _ in records] == [*range(STRIDE, size, STRIDE), size]
                assert [v for _, _, v in records] == values[row].tolist()
    with pyBigWig.open(str(tmp_path / "out" / "states.bb")) as file:
        assert file.isBigBed()
        assert '"S1 one; S2 two; S3 three"' in file.SQL().decode()
        lines = [
            f"{chrom}\t{start}\t{end}\t{rest}"
            for chrom in sorted(SIZES)
            for start, end, rest in file.entries(chrom, 0, SIZES[chrom])
        ]
    assert lines == (tmp_path / "out" / "states.bed").read_text().splitlines()
    covered = {chrom: np.zeros(size, int) for chrom, size in SIZES.items()}
    for line in lines:
        chrom, start, end = line.split("\t")[:3]
        covered[chrom][int(start) : int(end)] += 1
    assert all((bases == 1).all() for bases in covered.values())


def test_summary(tmp_path: Path) -> None:
    pieces = whole_genome(5)
    summary = write(tmp_path / "out", pieces).summary
    assert summary.bases == SIZES.total
    rows = [line.split("\t") for line in states_oracle(pieces)]
    for label, share in zip(STATES.labels, summary.states, strict=True):
        bases = sum(int(r[2]) - int(r[1]) for r in rows if r[3] == label.name)
        assert share == StateShare(label.name, label.title, bases, bases / SIZES.total)
    for row, (label, count) in enumerate(zip(BINARY.labels, summary.calls, strict=True), 3):
        calls = [line.split("\t") for line in calls_oracle(pieces, row, label)]
        bases = sum(int(c[2]) - int(c[1]) for c in calls)
        assert count == CallCount(label.name, label.title, len(calls), bases)


def test_field_tools_accept_the_beds(tmp_path: Path) -> None:
    write(tmp_path / "out", whole_genome())
    genome = tmp_path / "sizes"
    genome.write_text("".join(f"{c}\t{SIZES[c]}\n" for c in sorted(SIZES)))
    for name in ("states.bed", "factors/Reb1.bed", "factors/Htz1.bed"):
        path = tmp_path / "out" / name
        sort = ["sort", "-c", "-k1,1", "-k2,2n", str(path)]
        subprocess.run(sort, check=True, env={**os.environ, "LC_ALL": "C"})
        bedtools = shutil.which("bedtools")
        if bedtools:
            done = subprocess.run(
                [bedtools, "genomecov", "-i", str(path), "-g", str(genome), "-bga"],
                check=True,
                capture_output=True,
                text=True,
            )
            assert done.stderr == ""
            depths = {line.split("\t")[3] for line in done.stdout.splitlines()}
            assert depths == ({"1"} if name == "states.bed" else {"0", "1"})


def test_values_are_rounded_once_and_tracks_agree(tmp_path: Path) -> None:
    values = np.array([[0.4999999], [0.5], [1e-6], [0.4999999], [0.1234567]], np.float32)
    write(tmp_path / "out", [("tiny", 0, 7, values)])
    found = []
    for name in ("states/S1", "states/S2", "states/S3", "factors/Reb1", "factors/Htz1"):
        with pyBigWig.open(str(tmp_path / "out" / f"{name}.bw")) as file:
            found += file.values("tiny", 0, 1)
    np.testing.assert_allclose(found, values[:, 0], atol=2**-18)
    assert found == [0.5, 0.5, 0, 0.5, 16182 / 2**17]
    # As the bigWig files have it: a tie of states, and a call at the threshold.
    assert (tmp_path / "out" / "states.bed").read_text().split("\t")[3] == "S1"
    assert (tmp_path / "out" / "factors" / "Reb1.bed").read_text() == (
        "tiny\t0\t7\tReb1\t500\t.\t0\t7\t255,0,0\n"
    )
    calls = read_bed(tmp_path / "out" / "factors" / "Reb1.bed", SIZES)
    assert [call.interval for call in calls] == [Interval("tiny", 0, 7)]
    assert (calls.scores, calls.colors) == ([500], [(255, 0, 0)])


@pytest.mark.parametrize(
    ("heads", "files"),
    [
        ((STATES,), {"states.bed", "states.bb", "states/S1.bw", "states/S2.bw", "states/S3.bw"}),
        ((BINARY,), {f"factors/{n}.{k}" for n in ("Reb1", "Htz1") for k in ("bed", "bw")}),
    ],
)
def test_models_without_one_kind_of_head(
    tmp_path: Path, heads: tuple[HeadSpec, ...], files: set[str]
) -> None:
    model = spec(*heads)
    writer = write(tmp_path / "out", [("tiny", 0, 7, np.zeros((model.outputs, 1), "f4"))], model)
    assert set(contents(tmp_path / "out")) == files
    assert len(writer.summary.states) == 3 * (heads == (STATES,))
    if heads == (BINARY,):
        assert (tmp_path / "out" / "factors" / "Reb1.bed").read_bytes() == b""
        assert writer.summary.calls[0] == CallCount("Reb1", "Reb1", 0, 0)


def test_earlier_results_are_replaced_at_the_end(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, whole_genome(1))
    (out / "notes.txt").write_text("mine")
    before = contents(out)
    with track_writer(out) as writer:
        for piece in whole_genome(2):
            writer.write(*piece)
        assert {n: b for n, b in contents(out).items() if n[0] != "."} == before
    after = contents(out)
    assert after.keys() == before.keys()
    assert after["notes.txt"] == b"mine"
    assert after["states.bed"] != before["states.bed"]


# ---- Continuous heads: values of any size, rounded to one part in 2,000.

SIGNAL = HeadSpec(
    "continuous",
    "signal",
    (Label("H3", "H3 coverage", (0, 0, 0)), Label("Pol2", "Pol II", (9, 9, 9))),
    "log",
)
MODEL = spec(STATES, BINARY, SIGNAL)


def values(bins: int, seed: int = 0) -> np.ndarray:
    """Probabilities, then two signals of many orders of magnitude."""
    rng = np.random.default_rng(seed)
    signal = np.exp(rng.normal(0, 6, (2, bins)))
    return np.concatenate([rng.random((5, bins)), signal]).astype(np.float32)


def test_values_read_back_within_one_part_in_2000(tmp_path):
    rows = values(12)
    rows[5:, :4] = [[0, 1e-30, 2.0**48, 1], [1.0005, 2047, 2048, 4095.9]]
    writer = write(tmp_path / "out", [("chr10", 0, 600, rows)], MODEL)
    names = set(contents(tmp_path / "out"))
    # No calls: a signal has no threshold.
    assert {name for name in names if name.startswith("signal/")} == {
        "signal/H3.bw",
        "signal/Pol2.bw",
    }
    for row, label in ((5, "H3"), (6, "Pol2")):
        with pyBigWig.open(str(tmp_path / "out" / "signal" / f"{label}.bw")) as file:
            found = np.array([value for _, _, value in file.intervals("chr10")])
        np.testing.assert_allclose(found, rows[row], rtol=1 / 2000, atol=0)
        with pybigtools.open(str(tmp_path / "out" / "signal" / f"{label}.bw")) as file:
            assert [value for _, _, value in file.records("chr10")] == found.tolist()
    # The other heads are what they were: multiples of 2**-17.
    with pyBigWig.open(str(tmp_path / "out" / "factors" / "Reb1.bw")) as file:
        found = np.array([value for _, _, value in file.intervals("chr10")])
    np.testing.assert_allclose(found, rows[3], rtol=0, atol=2**-18)
    assert [call.name for call in writer.summary.calls] == ["Reb1", "Htz1"]
    assert [state.name for state in writer.summary.states] == ["S1", "S2", "S3"]


@given(st.floats(0, LARGEST_SIGNAL, width=32))
def test_rounding_keeps_11_bits(value):
    (found,) = _rounded_signal(np.array([value], np.float32)).tolist()
    assert found == pytest.approx(value, rel=1 / 2048, abs=1e-44)
    # 11 significant bits: whole at some power of two.
    mantissa, _ = np.frexp(found)
    assert mantissa * 2048 == int(mantissa * 2048)
    assert _rounded_signal(np.array([found], np.float32)).tolist() == [found]


@settings(max_examples=15)
@given(st.lists(st.integers(0, 27), max_size=4), st.sampled_from([1, 3]))
def test_any_cutting_gives_the_same_bytes(tmp_path_factory, cuts, threads):
    folder = tmp_path_factory.mktemp("cut")
    rows = values(27)
    write(folder / "one", [("chr2", 0, 1320, rows)], MODEL)
    bounds = sorted({0, 27, *cuts})
    pieces = [
        ("chr2", first * STRIDE, min(last * STRIDE, 1320), rows[:, first:last])
        for first, last in zip(bounds, bounds[1:], strict=False)
    ]
    write(folder / "two", pieces, MODEL, threads)
    one, two = contents(folder / "one"), contents(folder / "two")
    assert one.keys() == two.keys()
    # pybigtools writes blocks in the order in which its threads finish.
    assert all(one[name] == two[name] for name in one if name != "states.bb")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1e-6, 2.0**49])
@pytest.mark.parametrize("row", [5, 6])
def test_values_that_are_no_signal_are_refused(tmp_path, value, row):
    rows = values(4)
    rows[row, 2] = value
    with pytest.raises(OutputError, match=r"chr1:1-200: .* no signal from 0 to 2\.8e\+14 \("):
        write(tmp_path / "out", [("chr1", 0, 200, rows)], MODEL)
    assert list(tmp_path.iterdir()) == []


def test_a_probability_above_1_is_refused_beside_a_signal(tmp_path):
    rows = values(4)
    rows[4, 1] = 1.5
    with pytest.raises(OutputError, match="a value that is no probability"):
        write(tmp_path / "out", [("chr1", 0, 200, rows)], MODEL)


def test_zoom_levels_of_the_largest_values_are_finite(tmp_path):
    """Sums of squares are held as float32 in the file."""
    size = 200_000_000
    sizes = ChromSizes({"chr1": size})
    model = spec(SIGNAL)
    bins = 20_000
    rows = np.full((2, bins), LARGEST_SIGNAL, np.float32)
    with track_writer(tmp_path / "out", model, sizes) as writer:
        writer.write("chr1", 0, bins * STRIDE, rows)
    with pyBigWig.open(str(tmp_path / "out" / "signal" / "H3.bw")) as file:
        assert file.stats("chr1", 0, bins * STRIDE) == [LARGEST_SIGNAL]
        assert file.stats("chr1", 0, bins * STRIDE, type="std") == [0]
        assert file.header()["sumSquared"] == pytest.approx(LARGEST_SIGNAL**2 * bins * STRIDE)


def test_a_model_of_signals_alone(tmp_path):
    writer = write(tmp_path / "out", [("tiny", 0, 7, values(1)[5:])], spec(SIGNAL))
    assert set(contents(tmp_path / "out")) == {"signal/H3.bw", "signal/Pol2.bw"}
    assert (writer.summary.bases, writer.summary.states, writer.summary.calls) == (7, (), ())


def test_a_head_named_of_dots_stays_in_the_folder(tmp_path):
    # One named ".." is refused by the spec.
    model = spec(HeadSpec("continuous", "...", SIGNAL.labels, "log"))
    write(tmp_path / "out", [("tiny", 0, 7, values(1)[5:])], model)
    assert set(contents(tmp_path / "out")) == {".../H3.bw", ".../Pol2.bw"}


def test_a_head_named_like_a_file_of_the_states(tmp_path):
    model = spec(STATES, HeadSpec("continuous", "states.bed", SIGNAL.labels, "log"))
    with pytest.raises(OutputError, match=r"cannot write .*states\.bed/H3\.bw: File exists"):
        write(tmp_path / "out", [("tiny", 0, 7, values(1)[[0, 1, 2, 5, 6]])], model)
    assert list(tmp_path.iterdir()) == []


# ---- When things fail: nothing under a final name, what stood there stays.

FAILURES = [
    ([("chr1", 0, 100, np.zeros((4, 2)))], OutputError, r"\(4, 2\) values for 5 tracks"),
    ([("chr1", 0, 100, np.zeros((5, 3)))], OutputError, "values for 5 tracks"),
    ([("chr1", 0, 100, np.full((5, 2), np.nan))], OutputError, "a value that is no probability"),
    ([("chr1", 0, 100, np.full((5, 2), 1.1))], OutputError, "a value that is no probability"),
    ([("chr1", 0, 100, np.full((5, 2), -0.1))], OutputError, "a value that is no probability"),
    ([("1", 0, 100, np.zeros((5, 2)))], ContigError, "contig '1' is not in g.fa, which calls it"),
    (
        [("chr2", 0, 50, np.zeros((5, 1))), ("chr10", 0, 50, np.zeros((5, 1)))],
        OutputError,
        "not sorted",
    ),
    ([("chr1", 25, 75, np.zeros((5, 1)))], OutputError, "must start after a multiple of 50"),
    ([], OutputError, "nothing was predicted"),
]


@pytest.mark.parametrize(("pieces", "kind", "message"), FAILURES)
@pytest.mark.parametrize("state", ["new", "empty", "used"])
def test_failure_leaves_the_folder_as_it_was(
    tmp_path: Path, pieces: list[Piece], kind: type[Exception], message: str, state: str
) -> None:
    out = tmp_path / "out"
    if state == "empty":
        out.mkdir()
    elif state == "used":
        write(out, whole_genome())
    before = contents(out)
    with pytest.raises(kind, match=message):
        write(out, [(c, s, e, v.astype(np.float32)) for c, s, e, v in pieces])
    assert (contents(out), out.exists()) == (before, state != "new")
    if state == "empty":
        assert list(out.iterdir()) == []


def test_foreign_errors_come_through(tmp_path: Path) -> None:
    for failure in (FileNotFoundError("genome.fa"), KeyboardInterrupt()):
        with pytest.raises(type(failure)) as caught, track_writer(tmp_path / "o") as w:
            w.write(*whole_genome()[0])
            raise failure
        assert caught.value is failure
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("limit", [0, 300, 1000, 2500, 20_000])
def test_full_disk(tmp_path: Path, limit: int) -> None:
    sizes = ChromSizes({"chr1": 6000 * STRIDE})
    rng = np.random.default_rng(0)
    values = rng.random((5, 6000)).astype(np.float32)
    with pytest.raises(OutputError, match="^cannot write .*(File too large|disk full)"):
        with file_size_limit(limit), track_writer(tmp_path / "out", BOTH, sizes) as writer:
            for first in range(0, 6000, 500):
                part = values[:, first : first + 500]
                writer.write("chr1", first * STRIDE, (first + 500) * STRIDE, part)
    assert list(tmp_path.iterdir()) == []


def test_failed_move_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    write(out, [(c, s, e, v[:3]) for c, s, e, v in whole_genome(1)], spec(STATES))
    # Beside a file of the user's the tracks are moved one by one.
    (out / "notes.txt").write_text("mine")
    before = contents(out)
    replace = Path.replace

    def failing(self: Path, target: Path) -> Path:
        if self.name == "Htz1.bed" and ".partial-" in str(self):
            raise OSError(28, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(OutputError, match=r"cannot write .*out: No space left on device"):
        write(out, whole_genome(2))
    assert contents(out) == before
    assert not (out / "factors").exists()


@pytest.mark.parametrize(
    ("kind", "method", "name"),
    [(Call, "line", r"factors/Reb1\.bed"), (StateMerger, "_line", r"states\.bed")],
)
def test_lost_rows_are_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type, method: str, name: str
) -> None:
    line, lost = getattr(kind, method), iter([True])

    def short(self: Any, run: Any) -> str:
        text: str = line(self, run)
        return "" if next(lost, False) else text

    monkeypatch.setattr(kind, method, short)
    with pytest.raises(OutputError, match=rf"{name}: [0-9,]+ of [0-9,]+ rows read back"):
        write(tmp_path / "out", whole_genome())
    assert list(tmp_path.iterdir()) == []


def test_refused_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(out: Path, message: str) -> None:
        with pytest.raises(OutputError, match=message), track_writer(out):
            pytest.fail("entered")

    (tmp_path / "file").write_text("x")
    refuse(tmp_path / "file" / "out", "file is a file; name a folder")
    refuse(tmp_path / "file", "it is a file; name a folder")
    (tmp_path / "locked").mkdir()
    # Permissions do not bind root, so the answer is simulated.
    monkeypatch.setattr(os, "access", lambda *_: False)
    refuse(tmp_path / "locked", "no permission to write into the folder")
    monkeypatch.undo()

    def denied(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", denied)
    refuse(tmp_path / "locked", "cannot write .*locked: Permission denied")
    refuse(tmp_path / "new", "cannot write .*new: Permission denied")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "locked"]
    assert list((tmp_path / "locked").iterdir()) == []


def test_labels_that_would_share_a_file(tmp_path: Path) -> None:
    other = HeadSpec("binary", "Factors", (Label("REB1", "again", (0, 0, 0)),))
    with pytest.raises(OutputError, match=r"Factors/REB1\.bw: two labels have this name"):
        write(tmp_path / "out", [], spec(BINARY, other))
    assert list(tmp_path.iterdir()) == []
