"""Labels at positions against loops over every segment, peak, interval and base."""

import numpy as np
import pyBigWig
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chromputer_tracks.data.labels import (
    UNKNOWN,
    LabelSet,
    Mask,
    PeakLabels,
    Segment,
    SignalLabels,
    StateLabels,
    site_segments,
)
from chromputer_tracks.errors import InputError
from chromputer_tracks.intervals import ChromSizes, Grid, Interval
from chromputer_tracks.io.assays import BigWigSource

CONTIGS = ("chr1", "chr2")
POSITIONS = np.arange(-30, 260, dtype=np.int64)
SPAN = st.tuples(st.sampled_from(CONTIGS), st.integers(0, 200), st.integers(1, 60))
PEAKS = st.lists(st.tuples(st.sampled_from(CONTIGS), st.integers(0, 240)), max_size=12)


@st.composite
def segmentations(draw):
    """Disjoint segments with gaps, shuffled."""
    rows = []
    for chrom in CONTIGS:
        cuts = sorted(draw(st.sets(st.integers(0, 220), max_size=10)))
        for start, end in zip(cuts, cuts[1:], strict=False):
            if draw(st.booleans()):
                rows.append((chrom, start, end, draw(st.integers(0, 4))))
    return draw(st.permutations(rows))


def state_oracle(rows, chrom, position):
    for name, start, end, code in rows:
        if name == chrom and start <= position < end:
            return code
    return UNKNOWN


def peak_oracle(peaks, chrom, position, width, flank):
    label = 0
    for name, centre in peaks:
        if name != chrom:
            continue
        if position - width // 2 <= centre < position + width // 2:
            return 1
        if position - width // 2 - flank <= centre < position + width // 2 + flank:
            label = UNKNOWN
    return label


@given(segmentations())
def test_states_against_the_oracle(rows):
    labels = StateLabels.from_segments(rows)
    for chrom in (*CONTIGS, "chr3"):
        found = labels.at(chrom, POSITIONS)
        assert found.dtype == np.int64
        assert found.tolist() == [state_oracle(rows, chrom, p) for p in POSITIONS]


def test_no_state_where_the_contig_is_missing():
    labels = StateLabels.from_segments([("chr1", 0, 100, 2)])
    assert labels.at("chr9", POSITIONS).tolist() == [UNKNOWN] * len(POSITIONS)


def test_overlapping_states_are_refused():
    rows = [("chr2", 0, 50, 1), ("chr1", 100, 200, 0), ("chr1", 0, 101, 1)]
    with pytest.raises(InputError, match=r"chr1:1-101 and chr1:101-200"):
        StateLabels.from_segments(rows)


@given(PEAKS, st.integers(1, 40).map(lambda half: 2 * half), st.integers(0, 50))
def test_peaks_against_the_oracle(peaks, width, flank):
    labels = PeakLabels.from_peaks(peaks, width, flank)
    for chrom in (*CONTIGS, "chr3"):
        found = labels.at(chrom, POSITIONS)
        assert found.dtype == np.int64
        assert found.tolist() == [peak_oracle(peaks, chrom, p, width, flank) for p in POSITIONS]


def test_peaks_by_hand():
    labels = PeakLabels.from_peaks([("chr1", 1000)], width=200, flank=100)
    at = {799: 0, 800: 0, 801: UNKNOWN, 900: UNKNOWN, 901: 1, 1000: 1, 1100: 1, 1101: UNKNOWN}
    at |= {1200: UNKNOWN, 1201: 0}
    found = labels.at("chr1", np.array(list(at)))
    assert found.tolist() == list(at.values())


@given(PEAKS, st.sampled_from([20, 40]))
def test_a_peak_is_in_just_one_bin(peaks, width):
    labels = PeakLabels.from_peaks(peaks, width, 0)
    centres = np.arange(width // 2, 280, width)
    for chrom in CONTIGS:
        found = labels.at(chrom, centres)
        bins = {centre // width for name, centre in peaks if name == chrom}
        assert np.flatnonzero(found == 1).tolist() == sorted(bins)


@given(st.lists(SPAN, max_size=12), st.integers(-20, 260), st.integers(1, 80))
def test_masks_against_the_oracle(spans, start, width):
    mask = Mask.from_intervals(Interval(c, at, at + length) for c, at, length in spans)
    for chrom in (*CONTIGS, "chr3"):
        inside = {p for name, at, length in spans if name == chrom for p in range(at, at + length)}
        assert mask.at(chrom, POSITIONS).tolist() == [int(p) in inside for p in POSITIONS]
        touched = not inside.isdisjoint(range(start, start + width))
        assert mask.touches(chrom, start, start + width) is touched


def test_a_short_interval_inside_a_long_one_hides_nothing():
    mask = Mask.from_intervals([Interval("chr1", 0, 100), Interval("chr1", 10, 20)])
    assert mask.at("chr1", np.array([15, 50, 99, 100])).tolist() == [True, True, True, False]
    assert mask.touches("chr1", 60, 70)


class Bases:
    """A signal whose value at a base is known; nothing beyond its contig's ends."""

    SIZE = 230

    def value(self, chrom, base):
        return (CONTIGS.index(chrom) + 1) * (base % 7) if 0 <= base < self.SIZE else 0.0

    def means(self, interval, bin_size):
        values = [self.value(interval.chrom, base) for base in range(interval.start, interval.end)]
        return np.array(values, dtype=np.float64).reshape(-1, bin_size).mean(axis=1)


def signal_oracle(chrom, position, width, scale=1.0):
    around = range(position - width // 2, position - width // 2 + width)
    return scale * sum(Bases().value(chrom, base) for base in around) / width


@given(
    st.sampled_from(CONTIGS),
    st.integers(-400, 400),
    st.lists(st.integers(0, 9).map(lambda tens: 10 * tens), max_size=8),
    st.integers(1, 12).map(lambda tens: 10 * tens),
    st.sampled_from([1.0, 0.125]),
)
def test_signals_against_one_base_at_a_time(chrom, start, steps, width, scale):
    positions = start + np.cumsum([0, *steps])
    found = SignalLabels(Bases(), width, scale).at(chrom, positions)
    assert (found.dtype, found.shape) == (np.float32, positions.shape)
    expected = [signal_oracle(chrom, int(p), width, scale) for p in positions]
    assert found == pytest.approx(expected, abs=1e-5)


@given(st.data())
@settings(max_examples=25)
def test_signals_of_a_bigwig_against_its_values(tmp_path_factory, data):
    sizes = {"chr1": 1230, "chr2": 90}
    path = tmp_path_factory.mktemp("bigwig") / "x.bw"
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    rows = {name: rng.integers(1, 50, size).astype(float) for name, size in sizes.items()}
    rows["chr1"][200:400] = 0
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader(list(sizes.items()))
        for name, values in rows.items():
            file.addEntries(name, 0, values=values.tolist(), span=1, step=1)
    chrom = data.draw(st.sampled_from(list(sizes)))
    width = data.draw(st.sampled_from([10, 50, 200]))
    positions = data.draw(st.integers(-150, 1300)) + 50 * np.arange(4)
    with BigWigSource.open(path, ChromSizes(sizes)) as source:
        found = SignalLabels(source, width).at(chrom, positions)
    padded = np.concatenate([np.zeros(500), rows[chrom], np.zeros(2000)])
    for value, position in zip(found, positions, strict=True):
        first = 500 + position - width // 2
        assert value == pytest.approx(padded[first : first + width].mean(), abs=1e-4)


@given(
    segmentations() | st.none(),
    st.lists(PEAKS | st.none(), max_size=3),
    st.lists(SPAN, max_size=4),
    st.none() | st.lists(SPAN, max_size=4),
    st.lists(st.sampled_from([10, 40]) | st.none(), max_size=2),
)
@settings(max_examples=50)
def test_label_sets_against_the_oracle(rows, peak_sets, masked, sites, widths):
    def mask(spans):
        return Mask.from_intervals(Interval(c, at, at + length) for c, at, length in spans)

    labels = LabelSet(
        None if rows is None else StateLabels.from_segments(rows),
        tuple(None if p is None else PeakLabels.from_peaks(p, 40, 10) for p in peak_sets),
        mask(masked),
        None if sites is None else mask(sites),
        tuple(None if width is None else SignalLabels(Bases(), width) for width in widths),
    )

    def holds(spans, chrom, position):
        return any(c == chrom and at <= position < at + length for c, at, length in spans)

    positions = POSITIONS[::10]
    for chrom in CONTIGS:
        found = labels.at(chrom, positions)
        assert found.states.shape == positions.shape
        assert found.binary.shape == (len(peak_sets), len(positions))
        assert found.continuous.shape == (len(widths), len(positions))
        assert found.continuous.dtype == np.float32
        for index, position in enumerate(positions.tolist()):
            hidden = holds(masked, chrom, position) or (
                sites is not None and not holds(sites, chrom, position)
            )
            unknown = hidden or rows is None
            expected = UNKNOWN if unknown else state_oracle(rows, chrom, position)
            assert found.states[index] == expected
            for row, peaks in enumerate(peak_sets):
                unknown = hidden or peaks is None
                expected = UNKNOWN if unknown else peak_oracle(peaks, chrom, position, 40, 10)
                assert found.binary[row, index] == expected
            for row, width in enumerate(widths):
                value = found.continuous[row, index]
                if hidden or width is None:
                    assert np.isnan(value)
                else:
                    assert value == pytest.approx(signal_oracle(chrom, position, width), abs=1e-5)


def test_a_set_without_states_knows_none():
    labels = LabelSet(None, (PeakLabels.from_peaks([("chr1", 5)], 20, 0), None), Mask({}, {}))
    states, binary, continuous = labels.at("chr1", np.array([0, 100]))
    assert states.tolist() == [UNKNOWN, UNKNOWN]
    assert binary.tolist() == [[1, 0], [UNKNOWN, UNKNOWN]]
    assert continuous.shape == (0, 2)
    assert labels.any_site("chr1", 0, 1)


def test_sites_are_found_by_touch():
    everywhere = Mask({}, {})
    labels = LabelSet(None, (), everywhere, Mask.from_intervals([Interval("chr1", 100, 200)]))
    assert not labels.any_site("chr1", 0, 100)
    assert labels.any_site("chr1", 0, 101)
    assert labels.any_site("chr1", 199, 300)
    assert not labels.any_site("chr1", 200, 300)
    assert not labels.any_site("chr2", 0, 300)


# ---- Segments that cover the whole label bins of contigs, for scoring.


@given(st.integers(-500, 500), st.integers(1, 20), st.integers(1, 80))
def test_centres_are_a_stride_apart(first, outputs, stride):
    centres = Segment("a", first, outputs).centres(stride)
    assert centres.tolist() == [first + stride * index for index in range(outputs)]


@given(
    st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(1, 9000), min_size=1, max_size=3),
    st.sampled_from([(200, 50), (50, 50), (100, 20)]),
    st.integers(1, 12),
)
def test_sites_are_the_centres_of_the_whole_bins_each_once(lengths, sizes, sites):
    label_bin, stride = sizes
    step = label_bin // stride
    found: dict[str, list[int]] = {name: [] for name in lengths}
    segments = site_segments(ChromSizes(lengths), list(lengths), label_bin, stride, 3, sites)
    for segment in segments:
        assert (segment.sample, segment.reverse) == (3, False)
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
