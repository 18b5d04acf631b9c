"""Training segments: what is drawn, and what an item holds."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_genome import ToyGenome, toy_genome

from chromputer_tracks.data.features import Features
from chromputer_tracks.data.labels import (
    UNKNOWN,
    LabelSet,
    Mask,
    PeakLabels,
    Segment,
    SignalLabels,
    StateLabels,
)
from chromputer_tracks.intervals import ChromSizes, Grid, Interval
from chromputer_tracks.model.config import SegmentConfig
from chromputer_tracks.model.dataset import SegmentDataset, SegmentPlan
from chromputer_tracks.spec import InputSpec, Normalisation

SIZES = ChromSizes({"chr1": 6150, "chr2": 4321, "chr3": 2000, "chr4": 333})
TRAIN = ("chr1", "chr4", "chr2")
NO_MASK = Mask({}, {})
PEAKS = (
    PeakLabels.from_peaks([("chr1", 500), ("chr2", 4000), ("chr3", 100)], 200, 100),
    PeakLabels.from_peaks([("chr1", 5000), ("chr3", 900)], 200, 100),
    PeakLabels.from_peaks([("chr3", 700)], 200, 100),
)
LABELS = LabelSet(None, PEAKS, NO_MASK)
STRIDE = 50


def plan(config=None, seed=1, labels=LABELS, contigs=TRAIN, balanced=3) -> SegmentPlan:
    samples = labels if isinstance(labels, list) else [labels]
    return SegmentPlan(
        SIZES, contigs, samples, balanced, STRIDE, config or SegmentConfig(8, jitter=150), seed
    )


def test_a_plan_is_fixed_by_seed_and_epoch():
    one, other = plan(), plan()
    assert one.segments(0) == other.segments(0)
    assert one.segments(7) == other.segments(7)
    assert one.segments(0) != one.segments(1)
    assert one.segments(0) != plan(seed=2).segments(0)
    # The order of asking changes nothing.
    assert other.segments(0) == plan().segments(0)


def test_iterating_gives_the_chosen_epoch():
    drawn = plan()
    for epoch in (0, 3, 1):
        drawn.set_epoch(epoch)
        assert list(drawn) == drawn.segments(epoch)
        assert list(drawn) == list(drawn)


@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(0, 5))
@settings(max_examples=50)
def test_an_epoch_covers_every_base_of_every_training_contig(seed, outputs, epoch):
    drawn = plan(SegmentConfig(outputs=outputs, balanced=0.0), seed)
    for chrom in TRAIN:
        segments = sorted(s for s in drawn.segments(epoch) if s.chrom == chrom)
        assert segments[0].first <= 0
        assert segments[-1].first + outputs * STRIDE >= SIZES[chrom]
        steps = {b.first - a.first for a, b in zip(segments, segments[1:], strict=False)}
        assert steps <= {outputs * STRIDE}


@given(st.integers(0, 10_000), st.integers(1, 40), st.sampled_from([0.0, 0.3, 1.0, 2.5]))
@settings(max_examples=50)
def test_an_epoch_s_length_is_constant_and_its_balanced_share_right(seed, outputs, balanced):
    drawn = plan(SegmentConfig(outputs, balanced, jitter=150), seed)
    for epoch in range(4):
        drawn.set_epoch(epoch)
        segments = list(drawn)
        assert len(segments) == len(drawn)
        uniform = sum(s.uniform for s in segments)
        assert len(segments) - uniform == round(uniform * balanced)


def test_a_segment_never_touches_a_contig_outside_the_split():
    drawn = plan(SegmentConfig(outputs=8, balanced=3.0, jitter=10))
    used = {s.chrom for epoch in range(20) for s in drawn.segments(epoch)}
    assert used == set(TRAIN)


def test_balanced_segments_lie_around_peaks_each_label_equally_often():
    config = SegmentConfig(outputs=8, balanced=30.0, jitter=40)
    segments = [s for s in plan(config).segments(0) if not s.uniform]
    middles = {("chr1", 500): 0, ("chr2", 4000): 0, ("chr1", 5000): 0}
    misses = []
    for segment in segments:
        middle = segment.first + 8 * STRIDE // 2
        near = [k for k in middles if k[0] == segment.chrom and abs(middle - k[1]) <= 40]
        assert len(near) == 1
        middles[near[0]] += 1
        misses.append(middle - near[0][1])
    total = len(segments)
    assert total > 700
    # The second label has one peak, the first two, the third none in the split.
    assert middles["chr1", 5000] == pytest.approx(total / 2, rel=0.15)
    assert middles["chr1", 500] == pytest.approx(total / 4, rel=0.2)
    assert middles["chr2", 4000] == pytest.approx(total / 4, rel=0.2)
    assert (min(misses), max(misses)) == (-40, 40)


def test_both_strands_are_drawn():
    strands = [s.reverse for epoch in range(10) for s in plan().segments(epoch)]
    assert 0.4 < np.mean(strands) < 0.6


def middles(segments) -> dict[tuple[int, str, int], int]:
    """Sample, contig and middle of the balanced segments, and how often each was drawn."""
    found: dict[tuple[int, str, int], int] = {}
    for segment in segments:
        if not segment.uniform:
            key = segment.sample, segment.chrom, segment.first + 8 * STRIDE // 2
            found[key] = found.get(key, 0) + 1
    return found


def test_no_peak_no_balanced_segments():
    labels = LabelSet(None, PEAKS[2:], NO_MASK)
    assert all(s.uniform for s in plan(labels=labels, balanced=1).segments(0))
    assert all(s.uniform for s in plan(balanced=0).segments(0))


def test_auxiliary_labels_are_not_balanced_over():
    drawn = middles(plan(SegmentConfig(8, 30.0, 0), balanced=1).segments(0))
    assert set(drawn) == {(0, "chr1", 500), (0, "chr2", 4000)}


def test_peaks_that_are_masked_or_off_the_sites_are_not_balanced_over():
    config = SegmentConfig(8, 30.0, 0)
    masked = Mask.from_intervals([Interval("chr1", 400, 501), Interval("chr2", 4001, 4002)])
    labels = LabelSet(None, PEAKS, masked)
    assert set(middles(plan(config, labels=labels).segments(0))) == {
        (0, "chr1", 5000),
        (0, "chr2", 4000),
    }
    sites = Mask.from_intervals([Interval("chr1", 400, 501), Interval("chr2", 4001, 4300)])
    labels = LabelSet(None, PEAKS, NO_MASK, sites)
    assert set(middles(plan(config, labels=labels).segments(0))) == {(0, "chr1", 500)}


def test_each_sample_has_the_genome_and_its_own_peaks():
    other = LabelSet(None, (PEAKS[1], None, PEAKS[0]), NO_MASK)
    few = LabelSet(None, (None, None, None), NO_MASK, Mask.from_intervals([Interval("chr2", 0, 9)]))
    drawn = plan(SegmentConfig(8, 10.0, 0), labels=[LABELS, other, few])
    segments = [s for epoch in range(4) for s in drawn.segments(epoch)]
    span = 8 * STRIDE
    for sample in (0, 1):
        for chrom in TRAIN:
            of = [s for s in segments if s.uniform and (s.sample, s.chrom) == (sample, chrom)]
            # One more than fit, in each of four epochs.
            assert len(of) == 4 * (-(-SIZES[chrom] // span) + 1)
    assert {s.chrom for s in segments if s.sample == 2} == {"chr2"}
    found = middles(segments)
    total = sum(found.values())
    # The label first, each equally often; then one of its peaks in any sample.
    expected = {
        (0, "chr1", 500): 1 / 9,
        (0, "chr2", 4000): 1 / 9,
        (1, "chr1", 5000): 1 / 9,
        (0, "chr1", 5000): 1 / 3,
        (1, "chr1", 500): 1 / 6,
        (1, "chr2", 4000): 1 / 6,
    }
    assert set(found) == set(expected)
    for key, share in expected.items():
        assert found[key] / total == pytest.approx(share, rel=0.15)


def test_only_segments_with_sites_are_drawn():
    sites = Mask.from_intervals([Interval("chr1", 2000, 2200)])
    labels = LabelSet(None, (), NO_MASK, sites)
    drawn = plan(labels=labels, balanced=0)
    span = 8 * STRIDE
    for epoch in range(10):
        segments = drawn.segments(epoch)
        assert segments
        for segment in segments:
            assert segment.chrom == "chr1"
            assert segment.first < 2200
            assert segment.first + span > 2000
        drawn.set_epoch(epoch)
        assert len(list(drawn)) == len(drawn)


GENOME = toy_genome()
GRID = Grid(300, 50)
INPUTS = (
    InputSpec("sequence", "dna"),
    InputSpec("vplot", "atac", 10, (20, 100, 250), Normalisation((1.0,)), "atac"),
)


def toy_features(genome: ToyGenome = GENOME) -> Features:
    return Features(INPUTS, genome, {"atac": genome})


class Ramp:
    """A signal that is its position, in hundreds."""

    def means(self, interval, bin_size):
        starts = np.arange(interval.start, interval.end, bin_size)
        return (starts + (bin_size - 1) / 2) / 100


def toy_dataset() -> SegmentDataset:
    """Two samples: the second knows one binary label only, and reads other fragments."""
    states = StateLabels.from_segments(
        [(c, at, at + 130, at // 130 % 3) for c in GENOME.bases for at in range(0, 6000, 130)]
    )
    peaks = tuple(
        PeakLabels.from_peaks([(c, p) for c in GENOME.bases for p in range(at, 6000, 777)], 100, 50)
        for at in (11, 400)
    )
    labels = LabelSet(states, peaks, NO_MASK, None, (SignalLabels(Ramp(), 50),))
    fewer = LabelSet(None, (None, peaks[0]), NO_MASK, None, (None,))
    other = toy_genome(seed=6)
    features = [toy_features(), Features(INPUTS, GENOME, {"atac": other})]
    return SegmentDataset(features, [labels, fewer], GENOME.sizes, GRID)


SEGMENTS = st.builds(
    Segment,
    st.sampled_from(["chr1", "chr10", "edge"]),
    st.integers(-400, 6300),
    st.integers(1, 20),
    reverse=st.just(False),
    uniform=st.just(True),
    sample=st.sampled_from([0, 1]),
)
LABELLED = {"states", "binary", "continuous"}


def assert_same(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)


@given(SEGMENTS)
@settings(max_examples=60)
def test_a_reversed_item_is_the_forward_one_backwards(segment):
    dataset = toy_dataset()
    forward, backward = dataset[segment], dataset[segment._replace(reverse=True)]
    assert backward.keys() == forward.keys() == {"dna", "atac"} | LABELLED
    torch.testing.assert_close(backward["dna"], forward["dna"].flip(0, 1), rtol=0, atol=0)
    torch.testing.assert_close(backward["atac"], forward["atac"].flip(1), rtol=0, atol=0)
    assert backward["states"].tolist() == forward["states"].flip(0).tolist()
    assert backward["binary"].tolist() == forward["binary"].flip(1).tolist()
    assert_same(backward["continuous"], forward["continuous"].flip(1))


@given(SEGMENTS)
@settings(max_examples=60)
def test_an_item_s_arrays_and_labels_belong_to_its_centres(segment):
    item = toy_dataset()[segment._replace(sample=0)]
    size = GENOME.sizes[segment.chrom]
    assert item["dna"].shape == (4, 300 + 50 * (segment.outputs - 1))
    assert {name: item[name].dtype for name in LABELLED} == {
        "states": torch.int64,
        "binary": torch.int64,
        "continuous": torch.float32,
    }
    for index in range(segment.outputs):
        centre = segment.first + 50 * index
        window = toy_features().arrays(Interval.centred(segment.chrom, centre, 300))
        assert np.array_equal(item["dna"][:, 50 * index :][:, :300], window["dna"])
        assert np.array_equal(item["atac"][:, 5 * index :][:, :30], window["atac"])
        inside = 0 <= centre < size
        known = inside and centre < 6110
        expected = centre // 130 % 3 if known else UNKNOWN
        assert item["states"][index] == expected
        for row, start in enumerate((11, 400)):
            distances = [(p - centre) for p in range(start, 6000, 777)]
            label = 0
            if any(-100 <= d < 100 for d in distances):
                label = UNKNOWN
            if any(-50 <= d < 50 for d in distances):
                label = 1
            assert item["binary"][row, index] == (label if inside else UNKNOWN)
        value = item["continuous"][0, index].item()
        assert value == pytest.approx((centre - 0.5) / 100, abs=1e-4) if inside else np.isnan(value)


@given(SEGMENTS)
@settings(max_examples=30)
def test_a_segment_names_its_sample(segment):
    first, second = (toy_dataset()[segment._replace(sample=sample)] for sample in (0, 1))
    assert torch.equal(second["dna"], first["dna"])
    # What the second sample does not know is unknown, and its labels keep their rows.
    assert (second["states"] == UNKNOWN).all()
    assert (second["binary"][0] == UNKNOWN).all()
    assert torch.equal(second["binary"][1], first["binary"][0])
    assert second["continuous"].isnan().all()
    other = Features(INPUTS, GENOME, {"atac": toy_genome(seed=6)})
    start = segment.first - 150
    interval = Interval(segment.chrom, start, start + 300 + 50 * (segment.outputs - 1))
    assert np.array_equal(second["atac"], other.arrays(interval)["atac"])


def test_a_balanced_segment_teaches_binary_labels_only():
    segment = Segment("chr1", 400, 6)
    uniform, balanced = (toy_dataset()[segment._replace(uniform=u)] for u in (True, False))
    assert (uniform["states"] != UNKNOWN).all()
    assert (balanced["states"] == UNKNOWN).all()
    assert not uniform["continuous"].isnan().any()
    assert balanced["continuous"].isnan().all()
    assert torch.equal(uniform["binary"], balanced["binary"])
