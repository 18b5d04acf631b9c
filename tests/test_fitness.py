"""How a sample's fragments look: counts against plain loops over all fragments."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_genome import toy_genome

from chromputer_tracks.data import fitness
from chromputer_tracks.data.fitness import (
    LONGEST,
    count_bases,
    length_counts,
    length_shares,
    mean_profile,
    nuclear,
    organelles,
    profile_sample,
    tss_profile,
)
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.bed import read_tss
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.spec import TSS_VPLOT_LENGTHS, SampleProfile

LENGTHS = {"chr2": 9000, "chr10": 5200, "chrM": 3000, "tiny": 37}
COMPLEMENT = dict(zip("ACGTN", "TGCAN", strict=True))


@pytest.fixture(scope="module")
def genome():
    return toy_genome(LENGTHS, seed=3)


@pytest.fixture(scope="module")
def files(genome, tmp_path_factory):
    return genome.write(tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="module")
def sample(files):
    with Fasta(files[0]) as fasta, FragmentStore.build(files[1], fasta.sizes) as store:
        yield fasta, store


def rows_of(genome, contigs):
    return [
        (name, int(start), int(end))
        for name in contigs
        for start, end in zip(genome.starts[name], genome.ends[name], strict=True)
    ]


def test_contigs_of_organelles():
    sizes = ChromSizes({"chrI": 10, "chrM": 5, "Pt": 5, "chrMT": 4, "chrC": 1, "chrMito2": 9})
    assert organelles(sizes) == ("chrM", "Pt", "chrMT", "chrC")
    assert nuclear(sizes) == ("chrI", "chrMito2")
    assert nuclear(ChromSizes({"MT": 7})) == ("MT",)


@given(number=st.integers(1, 40), size=st.integers(1, 60), left_out=st.sets(st.sampled_from("ab")))
def test_stretches_are_parts_of_their_contigs(sample, number, size, left_out):
    store = sample[1]
    contigs = {"chr2", "chr10", "tiny", "chrM"} - {{"a": "chr2", "b": "chrM"}[x] for x in left_out}
    whole = {
        name: np.stack(store.midpoints(Interval(name, -9, length + 9)))
        for name, length in LENGTHS.items()
    }
    total = sum(store.counts[name] for name in contigs)
    at = dict.fromkeys(LENGTHS, 0)
    found = list(store.stretches(contigs, number, size))
    for name, (midpoints, lengths) in found:
        assert name in contigs
        assert 1 <= len(midpoints) <= size
        later = [
            begin
            for begin in range(at[name], store.counts[name] - len(midpoints) + 1)
            if (whole[name][0, begin : begin + len(midpoints)] == midpoints).all()
            and (whole[name][1, begin : begin + len(midpoints)] == lengths).all()
        ]
        at[name] = later[0] + len(midpoints)
    seen = sum(len(part.midpoints) for _, part in found)
    if total <= number * size:
        assert seen == total
    else:
        assert number - 1 <= len(found) <= number + len(contigs)
        # Only ends of contigs cut a stretch.
        assert seen >= (number - 1 - len(contigs)) * size


def test_lengths_are_all_counted(genome, sample):
    counts = length_counts(sample[1], ["chr2", "chr10"])
    lengths = [end - start for _, start, end in rows_of(genome, ["chr2", "chr10"])]
    assert counts.sum() == len(lengths)
    assert counts[lengths[0]] == lengths.count(lengths[0])
    shares = length_shares(counts)
    assert shares[13] == pytest.approx(sum(130 <= x < 140 for x in lengths) / len(lengths))
    assert length_shares(np.eye(LONGEST + 1, dtype=np.int64)[LONGEST])[-1] == 1


def slow_bases(genome, contigs, flank):
    ends = np.zeros((2, 2 * flank + 1, 4), dtype=int)
    gc = np.zeros(25, dtype=int)
    for name, start, end in rows_of(genome, contigs):
        text = "N" * flank + bytes(genome.bases[name]).decode() + "N" * (flank + 1)
        left = text[start : start + 2 * flank + 1]
        right = "".join(COMPLEMENT[c] for c in reversed(text[end : end + 2 * flank + 1]))
        for side, bases in enumerate((left, right)):
            for place, base in enumerate(bases):
                if base != "N":
                    ends[side, place, "ACGT".index(base)] += 1
        inside = text[start + flank : end + flank].replace("N", "")
        if inside:
            strong = inside.count("G") + inside.count("C")
            gc[min(strong * 25 // len(inside), 24)] += 1
    return ends, gc


def test_bases_against_a_loop(genome, sample):
    fasta, store = sample
    found = count_bases(store, fasta, ["chr2", "chr10", "tiny"], flank=13)
    ends, gc = slow_bases(genome, ["chr2", "chr10", "tiny"], 13)
    np.testing.assert_array_equal(found.ends, ends)
    np.testing.assert_array_equal(found.gc, gc)
    pooled = ends[0, 13 - 10 + 2 : 13 + 11 + 2] + ends[1, 13 - 10 - 3 : 13 + 11 - 3]
    np.testing.assert_allclose(
        found.shares(2, -3), pooled / pooled.sum(axis=1, keepdims=True), atol=1e-15
    )


def test_pieces_far_apart_give_the_same_bases(genome, sample, monkeypatch):
    fasta, store = sample
    monkeypatch.setattr(fitness, "_GAP", 20)
    found = count_bases(store, fasta, ["chr2"])
    np.testing.assert_array_equal(found.ends, slow_bases(genome, ["chr2"], 10)[0])
    monkeypatch.setattr(fitness, "_BUDGET", 20 * (1 << 16))
    part = count_bases(store, fasta, ["chr2"])
    assert 20 <= part.gc.sum() < found.gc.sum()


def test_sites_of_transcription_against_a_loop(genome, sample, tmp_path):
    fasta, store = sample
    genes = [("chr2", 3000, 3500, "+"), ("chr2", 4100, 5001, "-"), ("chr10", 2100, 2400, "+")]
    near_an_end = [("chr2", 100, 400, "+"), ("chr10", 5000, 5100, "-"), ("chrM", 2000, 2100, "+")]
    path = tmp_path / "tss.bed"
    path.write_text("".join(f"{c}\t{s}\t{e}\tg\t.\t{d}\n" for c, s, e, d in genes + near_an_end))
    found = tss_profile(store, read_tss(path, fasta.sizes))
    cuts = np.zeros(4001, dtype=int)
    vplot = np.zeros((len(TSS_VPLOT_LENGTHS) - 1, 40), dtype=int)
    for chrom, start, end, strand in genes:
        site, sense = (start, 1) if strand == "+" else (end - 1, -1)
        for name, first, stop in rows_of(genome, [chrom]):
            assert name == chrom
            for cut in (first, stop - 1):
                if abs(cut - site) <= 2000:
                    cuts[(cut - site) * sense + 2000] += 1
            offset = ((first + stop) // 2 - site) * sense + 1000
            if 0 <= offset < 2000:
                for row, (low, high) in enumerate(pairwise(TSS_VPLOT_LENGTHS)):
                    vplot[row, offset // 50] += low <= stop - first < high
    assert found.sites == 3
    np.testing.assert_array_equal(found.cuts, cuts)
    np.testing.assert_array_equal(found.vplot, vplot)
    background = (cuts[:100].sum() + cuts[-100:].sum()) / 200
    assert found.enrichment == pytest.approx(cuts[1950:2051].mean() / background)
    relative = found.relative_cuts()
    assert relative.shape == (80,)
    assert relative[38] == pytest.approx(cuts[1900:1950].mean() / background)


def test_a_profile_and_its_mean(genome, sample):
    fasta, store = sample
    found = profile_sample(store, fasta)
    assert found.fragments == store.total == len(rows_of(genome, LENGTHS))
    assert found.depth == pytest.approx(store.density, rel=1e-3)
    assert sum(found.lengths) == pytest.approx(1, abs=1e-3)
    assert found.mitochondrial == pytest.approx(store.counts["chrM"] / store.total, rel=1e-3)
    assert (found.tss_enrichment, found.tss_cuts, found.tss_vplot) == (None, (), ())
    ends, gc = slow_bases(genome, ["chr2", "chr10", "tiny"], 10)
    pooled = ends.sum(axis=0)
    np.testing.assert_allclose(
        found.cut_bases, pooled / pooled.sum(axis=1, keepdims=True), rtol=1e-3
    )
    np.testing.assert_allclose(found.gc, gc / gc.sum(), rtol=1e-3)
    other = SampleProfile(10, 1.0, tuple(np.eye(101)[5]), tss_enrichment=3.0)
    mean = mean_profile([found, other])
    assert mean.fragments == round((store.total + 10) / 2)
    assert mean.lengths[5] == pytest.approx((found.lengths[5] + 1) / 2, rel=1e-3)
    assert (mean.cut_bases, mean.gc, mean.tss_enrichment) == ((), (), None)
    assert mean_profile([found]) == found


def test_a_genome_of_n_has_no_bases(sample, tmp_path, files):
    import pysam

    path = tmp_path / "n.fa"
    path.write_text("".join(f">{name}\n{'N' * size}\n" for name, size in LENGTHS.items()))
    pysam.faidx(str(path))
    with Fasta(path) as fasta:
        found = profile_sample(sample[1], fasta)
    assert (found.cut_bases, found.gc) == ((), ())
    assert sum(found.lengths) == pytest.approx(1, abs=1e-3)


YEAST = Path(__file__).parents[2] / "shared" / "data" / "yeast"


@pytest.mark.skipif(not YEAST.exists(), reason="needs the real yeast data beside the checkout")
def test_cut_sites_of_real_fragments_have_the_known_preference_of_tn5():
    lines = (YEAST.parent / "tn5_bias" / "Yeast.PWM.txt").read_text().splitlines()
    at = lines.index("#mat") + 1
    known = np.array([line.split("\t") for line in lines[at : at + 4]], dtype=float).T
    with (
        Fasta(YEAST / "sacCer3.fa.gz") as fasta,
        FragmentStore.build(YEAST / "atac_SRR1822137.bam", fasta.sizes) as store,
    ):
        bases = count_bases(store, fasta, nuclear(fasta.sizes), 16)
    found = bases.shares()

    def fit(left, right):
        shifted = np.log(bases.shares(left, right) / found.mean(axis=0))
        return np.corrcoef(shifted.ravel(), np.log(known).ravel())[0, 1]

    # NucleoATAC's matrix of yeast lies on the same base and strand, and on no other.
    assert fit(0, 0) > 0.85
    others = [move for move in range(-6, 7) if move]
    assert max(fit(a, b) for a in others for b in others) < 0.5
    assert max(fit(a, 0) for a in others) < 0.8
    # Symmetric about the middle base of the 9 that are duplicated.
    np.testing.assert_allclose(found, found[::-1, ::-1], atol=0.04)
