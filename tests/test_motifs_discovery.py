"""TF-MoDISco on planted motifs: what is found, where, and the same each time."""

import os
import sys

import h5py
import numba
import numpy as np
import pytest
from modiscolite.io import write_meme_from_h5
from modiscolite.util import MemeDataType
from planted_motifs import REB1, Genome, Plant

from chromputer_tracks.analysis.motifs.discovery import (
    SeqletCount,
    count_seqlets,
    discover,
    use_threads,
)
from chromputer_tracks.errors import InputError
from chromputer_tracks.io.meme import read_meme

LENGTH, WINDOW = 260, 200
SITES = 130


def planted():
    """A Reb1 motif in each site, alternating in strand; heights differ as real ones do."""
    rng = np.random.default_rng(4)
    plants, starts = [], []
    for site in range(SITES):
        first = 300 * site + 10
        starts.append(("chrI", first))
        offset = int(rng.integers(90, 160))
        plants.append(
            Plant(REB1, "chrI", first + offset, "+-"[site % 2], rng.uniform(0.6, 1.4), 0.2)
        )
    return Genome({"chrI": 300 * SITES + 20}, plants, seed=4, noise=0.05).windows(
        starts, LENGTH
    ), plants


@pytest.fixture(scope="module")
def windows():
    return planted()


@pytest.fixture(scope="module")
def discovery(windows):
    found, _ = windows
    return discover("TF", found.sequences, found.hypothetical, window=WINDOW, max_seqlets=20_000)


def test_the_planted_motif_is_the_pattern_and_its_seqlets_lie_on_it(windows, discovery):
    found, plants = windows
    pattern = discovery.patterns[0]
    assert (pattern.name, pattern.sign) == ("TF.pos.1", 1)
    assert pattern.consensus in (REB1, "CCGGGTAA")
    turned = pattern.consensus != REB1
    assert len(pattern.seqlets) > 0.8 * SITES
    assert discovery.positive.used == discovery.positive.found >= len(pattern.seqlets)
    assert discovery.negative.used == 0
    core = pattern.core
    hit = 0
    for row, start, reverse in zip(
        pattern.seqlets.row, pattern.seqlets.start, pattern.seqlets.reverse, strict=True
    ):
        offset = pattern.width - core.stop if reverse else core.start
        plant = plants[row]
        hit += found.start[row] + start + offset == plant.start
        assert bool(reverse) == ((plant.strand == "-") != turned)
    assert hit == len(pattern.seqlets)
    height = pattern.contributions[:, core].sum(axis=0)
    np.testing.assert_allclose(height, 1.0, atol=0.1)
    assert (pattern.hypothetical[:, core].sum(axis=0) < 0.3).all()


def test_the_result_file_is_modiscos_own_and_the_same_each_time(windows, discovery, tmp_path):
    found, _ = windows
    again = discover("TF", found.sequences, found.hypothetical, window=WINDOW, max_seqlets=20_000)
    discovery.save(tmp_path / "a.h5")
    again.save(tmp_path / "b.h5")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    pattern = discovery.patterns[0]
    with h5py.File(tmp_path / "a.h5") as file:
        assert file.attrs["window_size"] == WINDOW
        group = file["pos_patterns"]["pattern_0"]
        np.testing.assert_array_equal(group["sequence"][:].T, pattern.frequencies)
        np.testing.assert_array_equal(group["contrib_scores"][:].T, pattern.contributions)
        np.testing.assert_array_equal(group["hypothetical_contribs"][:].T, pattern.hypothetical)
        seqlets = group["seqlets"]
        np.testing.assert_array_equal(seqlets["example_idx"][:], pattern.seqlets.row)
        np.testing.assert_array_equal(seqlets["is_revcomp"][:], pattern.seqlets.reverse)
        # Its positions count from the central bases.
        first = (LENGTH - WINDOW) // 2
        np.testing.assert_array_equal(seqlets["start"][:] + first, pattern.seqlets.start)
        # (k, width, 4)
        for k in range(3):
            row, start = pattern.seqlets.row[k], pattern.seqlets.start[k]
            bases = found.sequences[row, :, start : start + pattern.width].T
            turned = bases[::-1, ::-1] if pattern.seqlets.reverse[k] else bases
            np.testing.assert_array_equal(seqlets["sequence"][k], turned)


def test_modiscos_own_tools_read_the_result_file(discovery, tmp_path):
    discovery.save(tmp_path / "a.h5")
    write_meme_from_h5(tmp_path / "a.h5", MemeDataType.PFM, tmp_path / "a.meme", True)
    motifs = read_meme(tmp_path / "a.meme")
    assert [motif.name for motif in motifs] == [
        f"pos_patterns.pattern_{k}" for k in range(len(discovery.patterns))
    ]
    for motif, pattern in zip(motifs, discovery.patterns, strict=True):
        np.testing.assert_allclose(motif.matrix, pattern.frequencies, atol=1e-5)


def test_motifs_of_both_signs_and_as_many_seqlets_as_asked_for(windows):
    """Against the label: the same windows upside down, with half of the sites of each sign."""
    found, _ = windows
    sign = np.where(np.arange(SITES) < SITES // 2, 1, -1)[:, None, None].astype(np.float32)
    importance = (found.sequences * found.hypothetical * sign).sum(axis=1)[:, 30:230]
    positive, negative = count_seqlets(importance, 101)
    assert SITES // 2 <= positive.found
    assert SITES // 2 <= negative.found
    assert positive.used in (0, 101)
    up, down = count_seqlets(-importance, 101)
    assert up.found == pytest.approx(negative.found, abs=5)
    assert down.found == pytest.approx(positive.found, abs=5)


def test_few_sites_have_no_pattern_but_say_how_many_seqlets(windows, tmp_path):
    found, _ = windows
    few = discover(
        "TF", found.sequences[:60], found.hypothetical[:60], window=WINDOW, max_seqlets=500
    )
    assert few.patterns == ()
    assert 50 <= few.positive.found <= 100
    assert few.positive.used == 0
    few.save(tmp_path / "few.h5")
    with h5py.File(tmp_path / "few.h5") as file:
        assert list(file) == []


def test_the_count_is_what_modisco_uses(windows, capsys):
    from modiscolite.tfmodisco import TFMoDISco

    found, _ = windows
    part = slice(30, 230)
    importance = (found.sequences * found.hypothetical).sum(axis=1)[:, part]
    positive, _ = count_seqlets(importance, 110)
    assert positive == SeqletCount(positive.found, 110)
    TFMoDISco(
        one_hot=found.sequences[:, :, part].transpose(0, 2, 1).astype(np.float32),
        hypothetical_contribs=found.hypothetical[:, :, part].transpose(0, 2, 1),
        sliding_window_size=20,
        flank_size=5,
        target_seqlet_fdr=0.05,
        n_leiden_runs=1,
        verbose=True,
        max_seqlets_per_metacluster=20_000,
    )
    assert f"Using {positive.found} positive seqlets" in capsys.readouterr().out


def test_threads_are_bounded_before_and_after_numba_is_there(monkeypatch):
    before = numba.get_num_threads()
    try:
        use_threads(1)
        assert numba.get_num_threads() == 1
        use_threads(10_000)
        assert numba.get_num_threads() == numba.config.NUMBA_NUM_THREADS
    finally:
        numba.set_num_threads(before)
    monkeypatch.setenv("NUMBA_NUM_THREADS", str(numba.config.NUMBA_NUM_THREADS))
    monkeypatch.delitem(sys.modules, "numba")
    use_threads(3)
    assert os.environ["NUMBA_NUM_THREADS"] == "3"


@pytest.mark.parametrize("window", [59, 261])
def test_a_window_that_does_not_fit_is_refused(windows, window):
    found, _ = windows
    with pytest.raises(InputError, match=rf"--window {window}: TF was explained in windows of 260"):
        discover("TF", found.sequences, found.hypothetical, window=window, max_seqlets=500)


@pytest.mark.parametrize("factor", [0, "positive"])
def test_contributions_without_both_signs_are_refused(windows, factor):
    found, _ = windows
    values = np.abs(found.hypothetical) if factor == "positive" else found.hypothetical * 0
    with pytest.raises(InputError, match=r"no motif can be found .* must be of both signs"):
        discover("TF", found.sequences, values, window=WINDOW, max_seqlets=500)
