"""Peaks of replicates against loops over every peak."""

import tempfile
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pybedtools.helpers import BEDToolsError

from chromputer_tracks.data.peaks import (
    LEAST_PEAKS,
    reproducibility,
    reproducible_peaks,
)
from chromputer_tracks.errors import DependencyError, InputError
from chromputer_tracks.io.bed import Peak, read_bed

FEW = settings(max_examples=40)


def point(chrom, at, score=None):
    return Peak(chrom, at, score)


CENTRES = st.lists(
    st.tuples(st.sampled_from(["b", "a"]), st.integers(0, 60)), min_size=1, max_size=9
)


def rounded(positions):
    return int(np.floor(sum(positions) / len(positions) + 0.5))


def union_oracle(replicates, within):
    found = []
    for chrom in ("a", "b"):
        here = sorted(at for peaks in replicates for name, at in peaks if name == chrom)
        chain = here[:1]
        for at in here[1:]:
            if at - chain[-1] > within:
                found.append((chrom, rounded(chain)))
                chain = []
            chain.append(at)
        if chain:
            found.append((chrom, rounded(chain)))
    return found


def nearest(at, others):
    return min(others, key=lambda other: (abs(other - at), other))


def intersection_oracle(replicates, within):
    """Every combination of one peak from each replicate."""
    found = []
    for chrom in ("a", "b"):
        places = [sorted({at for name, at in peaks if name == chrom}) for peaks in replicates]
        for row in product(*places):
            pairs = [(i, j) for i in range(len(row)) for j in range(len(row)) if i != j]
            if all(
                nearest(row[i], places[j]) == row[j] and abs(row[i] - row[j]) <= within
                for i, j in pairs
            ):
                found.append((chrom, rounded(row)))
    return sorted(found)


@FEW
@given(st.lists(CENTRES, min_size=2, max_size=3), st.integers(0, 15))
def test_the_union_against_the_oracle(replicates, within):
    records = [[point(*peak) for peak in peaks] for peaks in replicates]
    assert reproducible_peaks(records, "union", within) == union_oracle(replicates, within)


@given(st.lists(CENTRES, min_size=2, max_size=4), st.integers(0, 15))
def test_the_intersection_against_the_oracle(replicates, within):
    records = [[point(*peak) for peak in peaks] for peaks in replicates]
    found = reproducible_peaks(records, "intersection", within)
    assert found == intersection_oracle(replicates, within)


def test_the_summit_of_a_narrow_peak_is_its_place(tmp_path):
    one, other = tmp_path / "1.narrowPeak", tmp_path / "2.bed"
    one.write_text("chr2\t0\t80\tp\t5\t.\t1\t2\t3\t70\n")
    other.write_text("chr2\t60\t75\n")
    replicates = [read_bed(path).peaks(ranked=False) for path in (one, other)]
    assert reproducible_peaks(replicates, "intersection", 3) == [("chr2", 69)]
    assert reproducible_peaks(replicates, "union", 3) == [("chr2", 69)]
    assert reproducible_peaks(replicates, "intersection", 2) == []


def simulated(count, share, mean=2.5, deviation=1.0, correlation=0.84, seed=1):
    """Whether each peak is reproducible and its latent scores in two replicates."""
    rng = np.random.default_rng(seed)
    real = rng.random(count) < share
    one, other = rng.standard_normal((2, count))
    other = np.where(real, correlation * one + np.sqrt(1 - correlation**2) * other, other)
    return real, *(np.where(real, mean + deviation * z, z) for z in (one, other))


@pytest.mark.parametrize("share", [0.3, 0.6])
def test_the_mixture_is_found_and_its_rate_holds(share):
    real, one, other = simulated(8000, share)
    found = reproducibility(one, other)
    mixture = found.mixture
    assert mixture.share == pytest.approx(share, abs=0.03)
    assert mixture.correlation == pytest.approx(0.84, abs=0.05)
    assert mixture.mean == pytest.approx(2.5, abs=0.2)
    for keep in (0.02, 0.05, 0.1, 0.2):
        kept = found.rate <= keep
        assert kept.sum() > 0.7 * real.sum()
        assert np.mean(~real[kept]) == pytest.approx(keep, abs=0.02)
        # The rate is the mean of the local rates of what is kept.
        assert found.local[kept].mean() <= keep
        assert found.local[kept].max() <= found.local[~kept].min()


def test_only_ranks_count():
    _, one, other = simulated(300, 0.5)
    first = reproducibility(one, other)
    second = reproducibility(np.exp(one), 1000 + other**3)
    assert np.array_equal(first.rate, second.rate)
    order = np.random.default_rng(2).permutation(300)
    shuffled = reproducibility(one[order], other[order])
    assert np.allclose(shuffled.rate, first.rate[order], atol=1e-6)


def test_the_replicates_are_alike():
    _, one, other = simulated(300, 0.5)
    assert np.allclose(reproducibility(one, other).rate, reproducibility(other, one).rate)


def test_independent_scores_are_not_reproducible():
    _, one, other = simulated(3000, 0.0)
    assert (reproducibility(one, other).rate > 0.05).all()


def test_peaks_of_equal_scores_stand_or_fall_together():
    _, one, other = simulated(400, 0.5)
    one, other = np.round(one), np.round(other)
    rate = reproducibility(one, other).rate
    for pair in {(a, b) for a, b in zip(one, other, strict=True)}:
        assert len(set(rate[(one == pair[0]) & (other == pair[1])])) == 1


def replicates_of(*scores, spacing=1000):
    """Peaks at the same places up to 7 bp, in other orders, with scores above 0."""
    rng = np.random.default_rng(3)
    found = []
    for column in scores:
        peaks = [
            point("chr1", place * spacing + int(rng.integers(8)), float(np.exp(score)))
            for place, score in enumerate(column)
        ]
        found.append([peaks[i] for i in rng.permutation(len(peaks))])
    return found


def test_rank_agreement_keeps_the_reproducible_peaks():
    real, one, other = simulated(2000, 0.5)
    replicates = replicates_of(one, other)
    alone = [point("chr1", 500, 9.0), *replicates[0]]
    kept = reproducible_peaks([alone, replicates[1]], "rank", 10)
    rows = np.array([round(centre / 1000) for _, centre in kept])
    assert len(rows) > 0.85 * real.sum()
    assert np.mean(~real[rows]) < 0.07
    expected = np.flatnonzero(reproducibility(one, other).rate <= 0.05)
    assert rows.tolist() == expected.tolist()
    # A third replicate that agrees with neither decides.
    third = np.random.default_rng(4).standard_normal(2000)
    assert len(reproducible_peaks(replicates_of(one, other, third), "rank", 10)) < 20
    assert len(reproducible_peaks(replicates_of(one, other, one), "rank", 10)) >= len(rows)


def test_rank_agreement_says_what_it_needs():
    plain = [point("chr1", 1000 * i) for i in range(50)]
    flat = [point("chr1", 1000 * i, 7.0) for i in range(50)]
    good = [point("chr1", 1000 * i, float(i)) for i in range(50)]
    with pytest.raises(InputError, match=r"replicate 2 have no score.*column 5.*intersection"):
        reproducible_peaks([good, plain], "rank", 10)
    with pytest.raises(InputError, match=r"replicate 1 have the score 7;"):
        reproducible_peaks([flat, good], "rank", 10)
    with pytest.raises(InputError, match=f"at least {LEAST_PEAKS} peaks .* got 19"):
        reproducible_peaks([good[:19], good], "rank", 10)
    with pytest.raises(InputError, match="got 0"):
        reproducible_peaks([good, [point("chr2", 5, 1.0), point("chr2", 7, 2.0)]], "rank", 10)
    with pytest.raises(InputError, match="all equal"):
        reproducibility(np.zeros(30), np.arange(30.0))


def test_narrow_peaks_are_ranked_by_their_signal(tmp_path):
    """Column 5 is capped at 1,000 by peak callers; the signal, else the p-value, tells more."""
    _, one, other = simulated(300, 0.5)
    expected = np.flatnonzero(reproducibility(one, other).rate <= 0.05).tolist()
    for columns in ("{0}\t-1", "0\t{0}"):
        replicates = []
        for number, column in enumerate((one, other)):
            path = tmp_path / f"{number}.narrowPeak"
            path.write_text(
                "".join(
                    f"chr1\t{1000 * at}\t{1000 * at + 100}\tp\t1000\t.\t"
                    f"{columns.format(10 + value)}\t-1\t50\n"
                    for at, value in enumerate(column)
                )
            )
            replicates.append(read_bed(path).peaks(ranked=True))
        kept = reproducible_peaks(replicates, "rank", 10)
        assert [centre // 1000 for _, centre in kept] == expected
    mixed = [replicates[0], replicates_of(one)[0]]
    with pytest.raises(InputError, match="replicate 1 have the score 1000"):
        reproducible_peaks(mixed, "rank", 10)


def test_wrong_arguments_are_named():
    good = [point("chr1", 5)]
    with pytest.raises(InputError, match="at least two replicates, got 1"):
        reproducible_peaks([good], "union", 10)
    with pytest.raises(InputError, match="replicate 2 holds no peak"):
        reproducible_peaks([good, []], "union", 10)
    with pytest.raises(InputError, match="-1 bp"):
        reproducible_peaks([good, good], "union", -1)
    with pytest.raises(InputError, match=r"1\.5"):
        reproducible_peaks([good, good], "union", 1, keep=1.5)
    with pytest.raises(InputError, match="'both'"):
        reproducible_peaks([good, good], "both", 1)


def test_without_bedtools_it_is_asked_for(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DependencyError, match=r"bedtools.*conda install"):
        reproducible_peaks([[point("chr1", 0)]] * 2, "union", 1)


@pytest.mark.parametrize("fails", [False, True])
def test_no_temporary_file_stays(tmp_path, monkeypatch, fails):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    peaks = [[point("chr2", 5), point("chr2" if not fails else "chr2\tx", 6)]] * 2
    if fails:
        with pytest.raises(BEDToolsError):
            reproducible_peaks(peaks, "union", 1)
    else:
        assert reproducible_peaks(peaks, "union", 1) == [("chr2", 6)]
    assert list(Path(tmp_path).iterdir()) == []


def test_real_peaks_of_one_complex_agree(shared_yeast):
    """Two factors of one complex, as two replicates: far more partners than moved peaks have."""
    one, other = (
        read_bed(shared_yeast / "peaks" / f"{name}.bed").peaks(ranked=True)
        for name in ("Taf1", "Taf4")
    )
    moved = [replace(peak, centre=peak.centre + 2000) for peak in other]
    together = reproducible_peaks([one, other], "intersection", 50)
    by_chance = reproducible_peaks([one, moved], "intersection", 50)
    assert len(together) > 3 * len(by_chance)
