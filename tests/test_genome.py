import threading
import time
from collections.abc import Generator, Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tiny_models import tiny_spec, weights, write_tiny_model
from toy_genome import LENGTHS, ToyGenome, toy_genome

from chromputer_tracks.errors import InputError, OutputError, ProviderError
from chromputer_tracks.inference.genome import (
    Prediction,
    drain,
    padded_width,
    predict_regions,
    region_bins,
)
from chromputer_tracks.inference.session import Session, open_session
from chromputer_tracks.intervals import ChromSizes, Grid, Interval
from chromputer_tracks.io.record import Stages

SPEC = tiny_spec()


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    folder = write_tiny_model(tmp_path_factory.mktemp("model") / "tiny")
    return open_session(folder / "predict.onnx", "cpu", 1)


@pytest.fixture(scope="module")
def toy() -> ToyGenome:
    return toy_genome()


def oracle(toy: ToyGenome, chrom: str, start: int) -> NDArray[np.float64]:
    """Probabilities of the bin at ``start``, base by base and fragment by fragment."""
    w_dna, w_atac = weights()
    logits = np.zeros(len(w_dna))
    left = start + SPEC.stride // 2 - SPEC.window // 2
    row = toy.bases[chrom]
    for i in range(SPEC.window):
        if 0 <= left + i < len(row) and chr(row[left + i]) in "ACGT":
            logits += w_dna[:, "ACGT".index(chr(row[left + i])), i]
    for s, e in zip(toy.starts[chrom], toy.ends[chrom], strict=True):
        middle, length = (s + e) // 2, e - s
        if left <= middle < left + SPEC.window and 1 <= length < 400:
            lengths = 0 if length < 100 else 1 if length < 200 else 2
            logits += w_atac[:, lengths, (middle - left) // 10] / toy.density
    labels = [label for head in SPEC.heads for label in head.labels]
    z = np.array([v * b.scale + b.bias for v, b in zip(logits, labels, strict=True)])
    states = np.exp(z[:3]) / np.exp(z[:3]).sum()
    return np.concatenate([states, 1 / (1 + np.exp(-z[3:]))])


def run(
    session: Session, toy: ToyGenome, regions: list[Interval] | None = None, **options: object
) -> dict[str, NDArray[np.float32]]:
    """Contig to (outputs, all bins), NaN where nothing was predicted."""
    grid, sizes = SPEC.grid, toy.sizes
    out = {c: np.full((5, grid.count(n)), np.nan, np.float32) for c, n in sizes.items()}
    bins = region_bins(regions, sizes, grid)
    for item in predict_regions(session, SPEC, toy.features(SPEC), bins, sizes, **options):
        first, last = grid.bins(item.start, item.end)
        assert item.start % grid.stride == 0
        assert item.end % grid.stride == 0 or item.end == sizes[item.chrom]
        assert np.isnan(out[item.chrom][:, first:last]).all()
        out[item.chrom][:, first:last] = item.probabilities
    return out


def test_every_bin_of_every_contig_equals_the_oracle(session: Session, toy: ToyGenome) -> None:
    got = run(session, toy, tile=17, batch=2)
    assert list(got) == list(LENGTHS)
    for chrom, length in LENGTHS.items():
        assert got[chrom].shape == (5, -(-length // 50))
        bins = range(got[chrom].shape[1])
        # All of the ends, and every fifth in between.
        for k in [k for k in bins if k < 8 or k >= len(bins) - 8 or k % 5 == 0]:
            np.testing.assert_allclose(got[chrom][:, k], oracle(toy, chrom, 50 * k), atol=1e-5)


def test_sliding_equals_one_window_at_a_time(session: Session, toy: ToyGenome) -> None:
    sliding, windows = run(session, toy, tile=1000), run(session, toy, tile=1)
    for chrom in LENGTHS:
        np.testing.assert_allclose(sliding[chrom], windows[chrom], atol=1e-5)


@pytest.mark.parametrize("tile", [2, 7, 16, 64])
@pytest.mark.parametrize("batch", [1, 3])
def test_tile_and_batch_change_nothing(
    session: Session, toy: ToyGenome, tile: int, batch: int
) -> None:
    one, other = run(session, toy), run(session, toy, tile=tile, batch=batch)
    for chrom in LENGTHS:
        np.testing.assert_allclose(one[chrom], other[chrom], atol=1e-5)


def test_threads_change_nothing(tmp_path: Path, session: Session, toy: ToyGenome) -> None:
    path = write_tiny_model(tmp_path / "tiny") / "predict.onnx"
    one, other = run(session, toy), run(open_session(path, "cpu", 3), toy)
    for chrom in LENGTHS:
        np.testing.assert_allclose(one[chrom], other[chrom], atol=1e-5)


def test_order_and_coverage(session: Session, toy: ToyGenome) -> None:
    bins = region_bins(None, toy.sizes, SPEC.grid)
    items = list(
        predict_regions(session, SPEC, toy.features(SPEC), bins, toy.sizes, tile=16, batch=4)
    )
    chroms = [item.chrom for item in items]
    assert chroms == sorted(chroms)
    for chrom, length in LENGTHS.items():
        spans = [(item.start, item.end) for item in items if item.chrom == chrom]
        assert spans[0][0] == 0
        assert spans[-1][1] == length
        assert all(a[1] == b[0] for a, b in zip(spans, spans[1:], strict=False))


def test_regions_equal_the_same_part_of_the_whole(session: Session, toy: ToyGenome) -> None:
    whole = run(session, toy)
    regions = [
        Interval("chr2", 4301, 4321),
        Interval("chr1", 49, 51),
        Interval("chr1", 60, 75),
        Interval("chr1", 3000, 4000),
        Interval("chr1", 3500, 4100),
    ]
    part = run(session, toy, regions, tile=8)
    wanted = {"chr2": {86}, "chr1": {0, 1, *range(60, 82)}}
    for chrom in LENGTHS:
        done = set(np.flatnonzero(~np.isnan(part[chrom][0])).tolist())
        assert done == wanted.get(chrom, set())
        columns = sorted(done)
        np.testing.assert_allclose(part[chrom][:, columns], whole[chrom][:, columns], atol=1e-5)


def test_average_strands_is_the_mean_over_both_strands(session: Session, toy: ToyGenome) -> None:
    mirrored = ToyGenome(
        {
            c: np.frombuffer(row.tobytes().translate(bytes.maketrans(b"ACGT", b"TGCA")), np.uint8)[
                ::-1
            ]
            for c, row in toy.bases.items()
        },
        # A midpoint m becomes size - 1 - m, which needs odd lengths; see below.
        {c: LENGTHS[c] - toy.ends[c] for c in toy.bases},
        {c: LENGTHS[c] - toy.starts[c] for c in toy.bases},
    )
    odd = {c: (toy.ends[c] - toy.starts[c]) % 2 == 1 for c in toy.bases}
    toy, mirrored = (
        ToyGenome(
            g.bases,
            {c: g.starts[c][odd[c]] for c in odd},
            {c: g.ends[c][odd[c]] for c in odd},
        )
        for g in (toy, mirrored)
    )
    mean = run(session, toy, average_strands=True, tile=8, batch=2)
    forward, back = run(session, toy), run(session, mirrored)
    checked = 0
    for chrom, length in LENGTHS.items():
        if length % 50 == 0:
            wanted = (forward[chrom] + back[chrom][:, ::-1]) / 2
            np.testing.assert_allclose(mean[chrom], wanted, atol=1e-5)
            assert abs(mean[chrom] - forward[chrom]).max() > 0.01
            checked += 1
    assert checked == 3


@given(
    st.lists(st.tuples(st.integers(0, 499), st.integers(1, 200)), max_size=8),
    st.sampled_from([1, 7, 50]),
)
def test_region_bins_are_the_touched_bins(rows: list[tuple[int, int]], stride: int) -> None:
    regions = [Interval("c", start, min(start + n, 500)) for start, n in rows]
    runs = region_bins(regions, ChromSizes({"c": 500}), Grid(stride, stride)).get("c", [])
    got = [k for first, last in runs for k in range(first, last)]
    touched = {p // stride for region in regions for p in range(region.start, region.end)}
    assert got == sorted(touched)
    assert all(a[1] < b[0] for a, b in zip(runs, runs[1:], strict=False))


@settings(max_examples=200)
@given(st.integers(1, 3000), st.integers(1, 3000))
def test_padded_width_holds_and_is_not_wasteful(outputs: int, tile: int) -> None:
    outputs = min(outputs, tile)
    width = padded_width(outputs, tile)
    assert outputs <= width <= tile
    assert width <= outputs * 3 / 2 + 3


def test_few_widths() -> None:
    assert len({padded_width(n, 1024) for n in range(1, 1025)}) <= 20


class Broken:
    """Features, session and sink that fail at the fifth call."""

    def __init__(self, toy: ToyGenome, session: Session, error: Exception) -> None:
        self.calls = 0
        self.features = toy.features(SPEC)
        self.session = session
        self.workers = session.workers
        self.error = error

    def _count(self) -> None:
        self.calls += 1
        if self.calls == 5:
            raise self.error

    def arrays(self, interval: Interval) -> dict[str, NDArray[np.float32]]:
        self._count()
        return self.features.arrays(interval)

    def run(self, inputs: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        self._count()
        return self.session.run(inputs)

    def write(self, chrom: str, start: int, end: int, rows: NDArray[np.float32]) -> None:
        self._count()


def threads() -> set[str]:
    return {t.name for t in threading.enumerate() if t.name.startswith("chromputer-")}


def test_failing_features_reach_the_caller(session: Session, toy: ToyGenome) -> None:
    broken = Broken(toy, session, InputError("bad block"))
    written: list[str] = []
    with pytest.raises(InputError, match="bad block") as caught:
        drain(
            predict_regions(
                session, SPEC, broken, region_bins(None, toy.sizes, SPEC.grid), toy.sizes, tile=8
            ),
            lambda chrom, *rest: written.append(chrom),
        )
    # chr1: the fifth tile of 8 outputs, with 125 bp of flank on both sides.
    assert caught.value.__notes__ == ["while making the input of chr1:1,476-2,125"]
    assert written == ["chr1"] * len(written)
    assert threads() == set()


def test_failing_session_reaches_the_caller(session: Session, toy: ToyGenome) -> None:
    broken = Broken(toy, session, ProviderError("no memory"))
    bins = region_bins(None, toy.sizes, SPEC.grid)
    with pytest.raises(ProviderError, match="no memory"):
        drain(
            predict_regions(broken, SPEC, toy.features(SPEC), bins, toy.sizes, tile=8),
            lambda *_: None,
        )
    assert threads() == set()


def test_failing_writer_reaches_the_caller_and_stops_the_rest(
    session: Session, toy: ToyGenome
) -> None:
    counting = Broken(toy, session, AssertionError("never"))
    counting.calls = 100
    broken = Broken(toy, session, OutputError("disk full"))
    bins = region_bins(None, toy.sizes, SPEC.grid)
    with pytest.raises(OutputError, match="disk full") as caught:
        drain(
            predict_regions(counting, SPEC, toy.features(SPEC), bins, toy.sizes, tile=1),
            broken.write,
        )
    assert caught.value.__notes__ == ["while writing chr1:201-250"]
    assert counting.calls - 100 < 20
    assert threads() == set()


def test_interrupt_stops_all_threads(session: Session, toy: ToyGenome) -> None:
    def progress(bases: int) -> None:
        if bases > 500:
            raise KeyboardInterrupt

    bins = region_bins(None, toy.sizes, SPEC.grid)
    with pytest.raises(KeyboardInterrupt):
        drain(
            predict_regions(session, SPEC, toy.features(SPEC), bins, toy.sizes, tile=1),
            lambda *_: None,
            progress=progress,
        )
    assert threads() == set()


def test_progress_and_stages(session: Session, toy: ToyGenome) -> None:
    seen: list[int] = []
    stages = Stages()
    bins = region_bins(None, toy.sizes, SPEC.grid)
    with stages.phase("predict"):
        drain(
            predict_regions(
                session, SPEC, toy.features(SPEC), bins, toy.sizes, tile=16, stages=stages
            ),
            lambda *_: None,
            stages,
            seen.append,
        )
    assert seen == sorted(seen)
    assert seen[-1] == sum(LENGTHS.values())
    report = stages.report()
    assert set(report["parts_of_predicting"]) == {
        "arrays",
        "session",
        "writing",
        "waiting for arrays",
        "waiting for the session",
        "waiting for the writer",
    }
    assert (
        report["phases"]["predict"]["seconds"]
        >= report["parts_of_predicting"]["session"]["seconds"]
    )
    assert 10 < report["phases"]["predict"]["peak_mb"] < 100_000
    assert stages.peak_mb() == stages.phases["predict"].peak_mb


@pytest.mark.parametrize(("tile", "batch"), [(0, 1), (1, 0)])
def test_tile_and_batch_must_be_positive(
    session: Session, toy: ToyGenome, tile: int, batch: int
) -> None:
    with pytest.raises(InputError, match=f"tile {tile} and batch {batch}"):
        predict_regions(session, SPEC, toy.features(SPEC), {}, toy.sizes, tile=tile, batch=batch)


def test_nothing_to_predict_writes_nothing(session: Session, toy: ToyGenome) -> None:
    written: list[str] = []
    drain(
        predict_regions(session, SPEC, toy.features(SPEC), {}, toy.sizes),
        lambda chrom, *rest: written.append(chrom),
    )
    assert written == []


def pieces(made: list[int], number: int) -> Generator[Prediction, None, None]:
    for index in range(number):
        made.append(index)
        yield Prediction("chr1", index, index + 1, np.zeros((1, 1), dtype=np.float32))


def test_the_writer_gets_all_in_order_and_few_wait_for_it() -> None:
    made: list[int] = []
    written: list[int] = []

    def slow(chrom: str, start: int, *_: object) -> None:
        time.sleep(0.002)
        assert len(made) - start <= 6
        written.append(start)

    drain(pieces(made, 50), slow)
    assert written == made == list(range(50))
    assert threads() == set()


def test_nothing_is_written_behind_a_failure() -> None:
    made: list[int] = []
    tried: list[int] = []

    def full(chrom: str, start: int, *_: object) -> None:
        tried.append(start)
        if start == 3:
            time.sleep(0.02)
            raise OutputError("disk full")

    with pytest.raises(OutputError, match="disk full"):
        drain(pieces(made, 50), full)
    assert tried == [0, 1, 2, 3]
    assert len(made) <= 9
    assert threads() == set()


def test_predictions_can_be_abandoned(session: Session, toy: ToyGenome) -> None:
    bins = region_bins(None, toy.sizes, SPEC.grid)
    stream: Generator[Prediction, None, None] = predict_regions(
        session, SPEC, toy.features(SPEC), bins, toy.sizes, tile=1
    )
    assert next(stream).chrom == "chr1"
    stream.close()
    assert threads() == set()
