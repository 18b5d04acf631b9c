"""Training segments and scored sites: what is drawn, and what an item holds."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_genome import ToyGenome, toy_genome

from chromputer_tracks.data.features import Features
from chromputer_tracks.data.labels import UNKNOWN, LabelSet, Mask, PeakLabels, StateLabels
from chromputer_tracks.intervals import ChromSizes, Grid, Interval
from chromputer_tracks.model.dataset import (
    Segment,
    SegmentConfig,
    SegmentDataset,
    SegmentPlan,
    site_segments,
)
from chromputer_tracks.spec import DepthNormalisation, InputSpec

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


def plan(config=None, seed=1, labels=LABELS, contigs=TRAIN) -> SegmentPlan:
    return SegmentPlan(
        SIZES, contigs, labels, STRIDE, config or SegmentConfig(outputs=8, jitter=150), seed
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


def test_no_peak_no_balanced_segments():
    labels = LabelSet(None, PEAKS[2:], NO_MASK)
    assert all(s.uniform for s in plan(labels=labels).segments(0))


def test_only_segments_with_sites_are_drawn():
    sites = Mask.from_intervals([Interval("chr1", 2000, 2200)])
    labels = LabelSet(None, (), NO_MASK, sites)
    drawn = plan(labels=labels)
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
    InputSpec("vplot", "atac", 10, (20, 100, 250), DepthNormalisation(1.0)),
)


def toy_dataset(genome: ToyGenome = GENOME) -> SegmentDataset:
    states = StateLabels.from_segments(
        [(c, at, at + 130, at // 130 % 3) for c in genome.bases for at in range(0, 6000, 130)]
    )
    peaks = tuple(
        PeakLabels.from_peaks([(c, p) for c in genome.bases for p in range(at, 6000, 777)], 100, 50)
        for at in (11, 400)
    )
    features = Features(INPUTS, genome, genome)
    return SegmentDataset(features, LabelSet(states, peaks, NO_MASK), genome.sizes, GRID)


SEGMENTS = st.builds(
    Segment,
    st.sampled_from(["chr1", "chr10", "edge"]),
    st.integers(-400, 6300),
    st.integers(1, 20),
    reverse=st.just(False),
    uniform=st.just(True),
)


@given(SEGMENTS)
@settings(max_examples=60)
def test_a_reversed_item_is_the_forward_one_backwards(segment):
    dataset = toy_dataset()
    forward, backward = dataset[segment], dataset[segment._replace(reverse=True)]
    assert backward.keys() == forward.keys() == {"dna", "atac", "states", "binary"}
    torch.testing.assert_close(backward["dna"], forward["dna"].flip(0, 1), rtol=0, atol=0)
    torch.testing.assert_close(backward["atac"], forward["atac"].flip(1), rtol=0, atol=0)
    assert backward["states"].tolist() == forward["states"].flip(0).tolist()
    assert backward["binary"].tolist() == forward["binary"].flip(1).tolist()


@given(SEGMENTS)
@settings(max_examples=60)
def test_an_item_s_arrays_and_labels_belong_to_its_centres(segment):
    item = toy_dataset()[segment]
    size = GENOME.sizes[segment.chrom]
    features = Features(INPUTS, GENOME, GENOME)
    assert item["dna"].shape == (4, 300 + 50 * (segment.outputs - 1))
    for index in range(segment.outputs):
        centre = segment.first + 50 * index
        window = features.arrays(Interval.centred(segment.chrom, centre, 300))
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


def test_a_balanced_segment_teaches_no_states():
    segment = Segment("chr1", 400, 6)
    uniform, balanced = (toy_dataset()[segment._replace(uniform=u)] for u in (True, False))
    assert (uniform["states"] != UNKNOWN).all()
    assert (balanced["states"] == UNKNOWN).all()
    assert torch.equal(uniform["binary"], balanced["binary"])


@given(
    st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(1, 9000), min_size=1, max_size=3),
    st.sampled_from([(200, 50), (50, 50), (100, 20)]),
    st.integers(1, 12),
)
def test_sites_are_the_centres_of_the_whole_bins_each_once(lengths, sizes, sites):
    label_bin, stride = sizes
    step = label_bin // stride
    found: dict[str, list[int]] = {name: [] for name in lengths}
    segments = site_segments(ChromSizes(lengths), list(lengths), label_bin, stride, sites)
    for segment in segments:
        centres = segment.centres(stride)[::step]
        assert 1 <= len(centres) <= sites
        # No output after the last site is computed in vain.
        assert centres[-1] == segment.centres(stride)[-1]
        found[segment.chrom] += centres.tolist()
    for name, size in lengths.items():
        bins = size // label_bin
        assert found[name] == [k * label_bin + label_bin // 2 for k in range(bins)]


def test_sites_and_genome_outputs_share_their_bins():
    # With label_bin = stride, site k is what the genome stream computes as output k.
    grid = Grid(300, 50)
    (segment,) = site_segments(ChromSizes({"a": 500}), ["a"], 50, 50)
    for index, centre in enumerate(segment.centres(50)):
        assert Interval.centred("a", int(centre), 300) == grid.span("a", index, index + 1)
