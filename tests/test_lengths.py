"""Peaks and ripples of fragment lengths, planted and in real samples."""

from __future__ import annotations

import numpy as np
import pytest

from chromputer_tracks.data.fitness import length_counts, nuclear
from chromputer_tracks.data.lengths import length_peaks
from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.io.fragment_store import FragmentStore

X = np.arange(1001)
SHAPE = np.where(X >= 30, np.exp(-(X - 30) / 45), 0) * (1 - np.exp(-(((X - 30) / 18) ** 2)))
FREE = int(SHAPE.argmax())


def drawn(total=200_000, ripple=0.0, period=10.4, nucleosomes=0.35, seed=1):
    """Exponential free DNA from 30 bp on, Gaussian peaks at 190 and 380 bp, and ripples."""
    density = SHAPE / SHAPE.sum() * (1 - nucleosomes)
    for place, share, wide in ((190, 0.7, 25), (380, 0.3, 35)):
        peak = np.exp(-0.5 * ((X - place) / wide) ** 2)
        density += nucleosomes * share * peak / peak.sum()
    density *= 1 + ripple * np.cos(2 * np.pi * X / period)
    return np.random.default_rng(seed).multinomial(total, density / density.sum())


@pytest.mark.parametrize("period", [9.6, 10.4, 11.2])
def test_planted_peaks_and_ripples_are_found(period):
    found = length_peaks(drawn(ripple=0.15, period=period))
    assert found.free == pytest.approx(FREE, abs=6)
    assert found.mono == pytest.approx(190, abs=10)
    assert found.di == pytest.approx(380, abs=25)
    assert found.tri is None
    assert found.ripple == pytest.approx(period, abs=0.15)


def test_noise_is_no_ripple():
    powers = [length_peaks(drawn(seed=seed)).ripple_power for seed in range(30)]
    assert max(powers) < 12
    assert length_peaks(drawn()).ripple is None


def test_no_nucleosomes_no_peaks_of_them():
    found = length_peaks(drawn(nucleosomes=0.0))
    assert (found.mono, found.di, found.tri) == (None, None, None)
    assert found.free == pytest.approx(FREE, abs=6)
    empty = length_peaks(np.zeros(1001, dtype=np.int64))
    assert (empty.free, empty.mono, empty.ripple) == (None, None, None)


def test_real_samples(shared_yeast):
    human = shared_yeast.parent / "human" / "sc_chr22.fragments.tsv.gz"
    with FragmentStore.build(human, ChromSizes({"chr22": 50_818_468})) as store:
        found = length_peaks(length_counts(store, nuclear(store.sizes)))
    # One nucleosome and its linkers; every further one of man adds some 190 bp.
    assert found.mono == pytest.approx(185, abs=15)
    assert found.di == pytest.approx(385, abs=20)
    assert found.ripple == pytest.approx(10.5, abs=0.5)
