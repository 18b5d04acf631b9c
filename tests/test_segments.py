"""Segments that cover the whole label bins of contigs, for scoring."""

from hypothesis import given
from hypothesis import strategies as st

from chromputer_tracks.data.labels import Segment, site_segments
from chromputer_tracks.intervals import ChromSizes, Grid, Interval


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
