"""Enriched patterns: counts against a loop, planted motifs found, filters written."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from chromputer_tracks.data.labels import PeakLabels
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.model.network import StrandMotifs
from chromputer_tracks.model.seeding import (
    SHAPES,
    alike,
    count_patterns,
    enriched_patterns,
    seed_motifs,
)


def other_strand(text: str) -> str:
    return text.translate(str.maketrans("ACGT", "TGCA"))[::-1]


def counts_oracle(text: str, shape: tuple[int, ...]) -> dict[str, int]:
    found: dict[str, int] = {}
    for strand in (text, other_strand(text)):
        for start in range(len(strand) - shape[-1]):
            letters = "".join(strand[start + at] for at in shape)
            if set(letters) <= set("ACGT"):
                found[letters] = found.get(letters, 0) + 1
    return found


@given(st.text("ACGTN", min_size=0, max_size=60))
def test_counts_against_a_loop(text):
    counts = count_patterns(np.frombuffer(text.encode(), dtype=np.uint8))
    for shape, found in zip(SHAPES, counts, strict=True):
        expected = counts_oracle(text, shape)
        assert found.sum() == sum(expected.values())
        for letters, count in expected.items():
            code = sum("ACGT".index(c) * 4**i for i, c in enumerate(reversed(letters)))
            assert found[code] == count


class Genome:
    """Random bases with a site planted at every peak, on either strand."""

    def __init__(self, site: str) -> None:
        rng = np.random.default_rng(3)
        bases = rng.choice(list("ACGT"), size=40_000)
        self.centres = np.arange(200, 39_900, 400)
        for number, centre in enumerate(self.centres):
            text = site if number % 2 else other_strand(site)
            # The gap's letters stay random.
            for offset, letter in enumerate(text):
                if letter != "N":
                    bases[centre - len(site) // 2 + offset] = letter
        self._bases = np.frombuffer("".join(bases).encode(), dtype=np.uint8)
        self.sizes = ChromSizes({"c": len(bases)})

    def fetch(self, interval: Interval) -> np.ndarray:
        return self._bases[interval.start : interval.end]


@pytest.mark.parametrize("site", ["CGGGTAAC", "TCANNNNNNACG"])
def test_planted_site_seeds_the_first_filter(site):
    genome = Genome(site)
    torch.manual_seed(0)
    layer = StrandMotifs(8, 21)
    before = layer.weight.detach().clone()
    labels = [PeakLabels({"c": genome.centres}, 200, 0)]
    written = seed_motifs(layer, genome, genome.sizes, ["c"], labels, 3)
    assert 1 <= written <= 3
    weight = layer.weight.detach().numpy()
    start = (21 - len(site)) // 2
    best = "".join("ACGT"[i] for i in weight[0, :, start : start + len(site)].argmax(axis=0))
    known = [i for i, letter in enumerate(site) if letter != "N"]
    assert any(all(best[i] == text[i] for i in known) for text in (site, other_strand(site))), best
    strength = weight[0].max(axis=0) - weight[0].min(axis=0)
    inside = np.zeros(21, dtype=bool)
    inside[[start + i for i in known]] = True
    assert strength[inside].min() > 2 * strength[~inside].max()
    torch.testing.assert_close(layer.weight.detach()[written:], before[written:])


def test_filters_that_read_dna_shape_start_from_words_in_their_bases_only():
    genome = Genome("CGGGTAAC")
    torch.manual_seed(0)
    layer = StrandMotifs(8, 21, shape=2)
    before = layer.weight.detach().clone()
    labels = [PeakLabels({"c": genome.centres}, 200, 0)]
    written = seed_motifs(layer, genome, genome.sizes, ["c"], labels, 3)
    assert written >= 1
    after = layer.weight.detach()
    best = "".join("ACGT"[i] for i in after[0, :4, 6:14].argmax(dim=0))
    assert best in ("CGGGTAAC", "GTTACCCG")
    torch.testing.assert_close(after[:written, 4:], 0.1 * before[:written, 4:])


def test_no_peak_and_runs_of_one_letter_seed_nothing():
    genome = Genome("A" * 20)
    layer = StrandMotifs(8, 21)
    before = layer.weight.detach().clone()
    nothing = [PeakLabels({}, 200, 0)]
    assert seed_motifs(layer, genome, genome.sizes, ["c"], nothing, 3) == 0
    torch.testing.assert_close(layer.weight.detach(), before)
    background = count_patterns(genome.fetch(Interval("c", 0, 40_000)))
    around = np.concatenate([genome.fetch(Interval("c", c - 50, c + 50)) for c in genome.centres])
    chosen = enriched_patterns(count_patterns(around), background, 4)
    assert all(len(set(text) - {"N"}) > 1 for text in chosen)


def test_alike():
    assert alike("CGGGTAAC", "GTTACCCG")  # the other strand
    assert alike("CGGGTAAC", "GGGTAACT")  # shifted
    assert alike("CGGGTAAC", "CGGCTAAC")  # one letter differs
    assert alike("ACGTGACC", "GTGNCCA") is alike("GTGNCCA", "ACGTGACC")
    assert not alike("CGGGTAAC", "CACGTGAC")
    assert not alike("TCANNNNNNACG", "TCANNNNNNNACG")
