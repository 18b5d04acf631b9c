"""Tracks of continuous heads: values of any size, rounded to one part in 2,000."""

from __future__ import annotations

import numpy as np
import pybigtools
import pyBigWig
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_tracks import BINARY, STATES, STRIDE, contents, spec, track_writer, write

from chromputer_tracks.errors import OutputError
from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.spec import HeadSpec, Label
from chromputer_tracks.tracks.writer import LARGEST_SIGNAL, _rounded_signal

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
