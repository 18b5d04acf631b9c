"""What activates filters: motifs and patterns against slow counting over a small genome."""

from __future__ import annotations

import numpy as np
import pytest
from filters_toy import turned
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from chromputer_tracks.analysis.filters.scan import (
    FilterMatch,
    FilterMotifs,
    FilterPatches,
    MotifLayer,
    MotifScan,
    PatchLayer,
    PatchScan,
    owned_ranges,
    patch_activations,
    window_batches,
)
from chromputer_tracks.data.features import one_hot
from chromputer_tracks.intervals import Interval

WINDOW, WIDTH, MARGIN, BIN = 100, 7, 12, 10
MOTIF = "ACGTTAC"


class Genome:
    """Bases, and one fixed V-plot value for each length class and bp, averaged by bin."""

    def __init__(self, bases: str, seed: int = 0) -> None:
        self.bases = bases
        rng = np.random.default_rng(seed)
        self.pixels = rng.random((4, 2000)) ** 6

    def text(self, interval: Interval) -> str:
        return "".join(
            self.bases[i] if 0 <= i < len(self.bases) else "N"
            for i in range(interval.start, interval.end)
        )

    def arrays(self, interval: Interval) -> dict[str, NDArray[np.float32]]:
        text = np.frombuffer(self.text(interval).encode(), np.uint8)
        places = np.arange(interval.start, interval.end) + 200
        return {
            "dna": one_hot(text),
            "v": self.pixels[:, places].reshape(4, -1, BIN).mean(axis=2).astype(np.float32),
        }


def planted(size: int, places: dict[int, str], seed: int = 1) -> str:
    """A and C at random (the motif has both others), with words at their places."""
    letters = np.random.default_rng(seed).choice(list("AC"), size)
    for at, word in places.items():
        letters[at : at + len(word)] = list(word)
    return "".join(letters)


def motif_layer(words: list[str]) -> MotifLayer:
    """Filters that count the letters of a word; active from 4 of 7 letters on."""
    weight = np.stack([one_hot(np.frombuffer(word.encode(), np.uint8)) for word in words])
    ones = np.ones(len(words), np.float32)
    return MotifLayer(weight, ones, -3 * ones, MARGIN)


def scan(
    layer: MotifLayer, genome: Genome, windows: list[Interval], batch: int = 2
) -> FilterMotifs:
    windows = sorted(set(windows))
    owned = owned_ranges(windows)
    found = MotifScan(layer)
    for _, arrays in window_batches(genome, windows, batch):
        found.measure(arrays["dna"])
    for part, arrays in window_batches(genome, windows, batch):
        found.count(arrays["dna"], windows[part], owned[part])
    return found.result()


def score(layer: MotifLayer, kind: int, text: str) -> float:
    return float(
        sum(layer.weight[kind]["ACGT".index(b), i] for i, b in enumerate(text) if b != "N")
    )


def slow_counts(
    layer: MotifLayer, genome: Genome, windows: list[Interval]
) -> tuple[NDArray[np.int64], list[set[tuple[int, str]]]]:
    """One window, one 10-bp position, one strand, one base at a time; also the places counted."""
    windows = sorted(set(windows))
    cells = []  # window, filter, activation, place, strand, text
    for number, window in enumerate(windows):
        text = genome.text(window)
        for first in range(MARGIN, WINDOW - MARGIN - WIDTH + 1 - 9, 10):
            for kind in range(layer.filters):
                options = []
                for strand in "+-":
                    for at in range(first, first + 10):
                        word = text[at : at + WIDTH]
                        word = word if strand == "+" else turned(word)
                        options.append((score(layer, kind, word), at, strand, word))
                best = max(options, key=lambda option: option[0])
                value = best[0] * layer.scale[kind] + layer.shift[kind]
                cells.append((number, kind, max(value, 0), best[1] + window.start, *best[2:]))
    top = [max(c[2] for c in cells if c[1] == kind) for kind in range(layer.filters)]
    counts = np.zeros((layer.filters, 4, WIDTH), np.int64)
    places: list[set[tuple[int, str]]] = [set() for _ in range(layer.filters)]
    for number, kind, value, at, strand, word in cells:
        if value <= top[kind] / 2:
            continue
        middle = at + WIDTH // 2
        distances = [abs(middle - window.centre) for window in windows]
        owner = min(range(len(windows)), key=lambda i: (distances[i], i))
        if owner != number:
            continue
        places[kind].add((at, strand))
        for i, base in enumerate(word):
            if base != "N":
                counts[kind, "ACGT".index(base), i] += 1
    return counts, places


WINDOWS = [Interval("c", start, start + WINDOW) for start in (-40, 30, 90, 95, 260, 400, 470)]
PLACES = {3: MOTIF, 61: turned(MOTIF), 118: MOTIF, 300: MOTIF, 333: turned(MOTIF), 455: MOTIF}


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_motifs_equal_slow_counting(batch: int) -> None:
    genome = Genome(planted(520, PLACES)[:200] + "NNNN" + planted(520, PLACES)[204:])
    layer = motif_layer([MOTIF, "CCACCAA", "NNGTNNN", "AAAAAAA"])
    found = scan(layer, genome, WINDOWS, batch)
    counts, places = slow_counts(layer, genome, WINDOWS)
    np.testing.assert_array_equal(found.counts, counts)
    assert found.subsequences.tolist() == [len(place) for place in places]
    assert found.subsequences[0] >= 6
    assert found.positions == 7 * 7


def test_a_planted_motif_is_found_on_both_strands_and_turned_round() -> None:
    genome = Genome(planted(520, PLACES))
    found = scan(motif_layer([MOTIF]), genome, [Interval("c", 0, 100), Interval("c", 270, 370)])
    # 3 lies before the first base that is read; 61, 300 and 333 do not.
    exact = one_hot(np.frombuffer(MOTIF.encode(), np.uint8))
    assert found.subsequences.tolist() == [3]
    np.testing.assert_array_equal(found.counts[0], 3 * exact)
    assert found.best == (FilterMatch(Interval("c", 61, 68), "-", MOTIF),)
    assert found.maximum.tolist() == [4.0]


def test_a_site_in_overlapping_windows_counts_once() -> None:
    genome = Genome(planted(520, {300: MOTIF}))
    windows = [Interval("c", start, start + WINDOW) for start in range(230, 290, 3)]
    assert scan(motif_layer([MOTIF]), genome, windows).subsequences.tolist() == [1]


def test_a_filter_that_is_never_active_says_so() -> None:
    genome = Genome(planted(520, {}))
    layer = motif_layer([MOTIF, MOTIF])
    layer.shift[0] = -8
    found = scan(layer, genome, [Interval("c", 100, 200)])
    assert found.maximum[0] == 0 < found.maximum[1]
    assert found.active[0] == found.subsequences[0] == found.counts[0].sum() == 0
    assert found.best[0] is None


def test_a_stretch_of_n_activates_nothing() -> None:
    found = scan(motif_layer([MOTIF]), Genome("N" * 300), [Interval("c", 100, 200)])
    assert found.maximum.tolist() == [0.0]
    assert found.subsequences.tolist() == [0]


@given(st.lists(st.integers(-50, 300), min_size=1, max_size=12))
def test_every_base_of_the_windows_has_one_owner(starts: list[int]) -> None:
    windows = sorted({Interval("ab"[start % 2], start, start + 41 * 2) for start in starts})
    owned = owned_ranges(windows)
    for chrom in "ab":
        here = [i for i, window in enumerate(windows) if window.chrom == chrom]
        for base in range(-60, 400):
            owners = [i for i in here if owned[i, 0] <= base < owned[i, 1]]
            covering = [i for i in here if windows[i].start <= base < windows[i].end]
            nearest = sorted(covering, key=lambda i: (abs(windows[i].centre - base), i))
            assert owners == nearest[:1]


def patch_layer(seed: int = 2) -> PatchLayer:
    rng = np.random.default_rng(seed)
    kernel = rng.normal(size=(5, 3, 5)).astype(np.float32)
    return PatchLayer(kernel, np.array([0, -1, 0.5, -100, 0], np.float32), BIN)


def scan_patches(
    layer: PatchLayer, genome: Genome, windows: list[Interval], batch: int, top: int
) -> FilterPatches:
    windows = sorted(set(windows))
    owned = owned_ranges(windows)
    found = PatchScan(layer, 4, top)
    for part, arrays in window_batches(genome, windows, batch):
        found.add(arrays["v"], windows[part], owned[part], part.start)
    return found.result()


@pytest.mark.parametrize(("batch", "top"), [(1, 100), (2, 6), (100, 6), (100, 100)])
def test_patterns_equal_slow_search(batch: int, top: int) -> None:
    genome, layer = Genome(""), patch_layer()
    windows = sorted(WINDOWS)
    found = scan_patches(layer, genome, WINDOWS, batch, top)
    for kind in range(layer.filters):
        patches = []
        for number, window in enumerate(windows):
            image = genome.arrays(window)["v"]
            padded = np.vstack([np.zeros(10), image, np.zeros(10)])
            values = np.array(
                [
                    [
                        (padded[h : h + 3, x : x + 5] * layer.kernel[kind]).sum() + layer.bias[kind]
                        for x in range(6)
                    ]
                    for h in range(4)
                ]
            )
            for h in range(4):
                for x in range(6):
                    near = values[max(h - 1, 0) : h + 2, max(x - 2, 0) : x + 3]
                    middle = window.start + (x + 2) * BIN
                    distances = [abs(middle - other.centre) for other in windows]
                    owner = min(range(len(windows)), key=lambda i: (distances[i], i))
                    if values[h, x] > 0 and values[h, x] == near.max() and owner == number:
                        patches.append((values[h, x], number, x, h, padded[h : h + 3, x : x + 5]))
        patches.sort(key=lambda patch: -patch[0])
        own = found.top[kind]
        assert len(own) == min(top, len(patches))
        for row, (value, number, x, h, patch) in enumerate(patches[:top]):
            assert own.activation[row] == pytest.approx(value, rel=1e-4)
            assert (own.window[row], own.position[row], own.length[row]) == (number, x, h)
            np.testing.assert_allclose(own.patch[row], patch, rtol=1e-6)
            image = genome.arrays(windows[number])["v"]
            np.testing.assert_array_equal(own.context[row], image[:, x : x + 5])
            start = windows[number].start + 10 * x
            assert own.interval(row, windows, layer) == Interval("c", start, start + 50)
    assert len(found.top[3]) == found.active[3] == 0
    assert len(found.top[0]) >= 6
    assert found.pixels == 7 * 4 * 6


def test_of_equal_neighbours_the_first_counts() -> None:
    layer = PatchLayer(np.ones((1, 1, 3), np.float32), np.zeros(1, np.float32), BIN)
    image = np.zeros((1, 1, 12), np.float32)
    image[0, 0, 5] = 2
    windows = [Interval("c", 0, 120)]
    found = PatchScan(layer, 1)
    found.add(image, windows, owned_ranges(windows))
    (own,) = found.result().top
    # Positions 3, 4 and 5 see the same; each is within one position of the next.
    assert patch_activations(layer, image)[0, 0, :, 0].tolist() == [0, 0, 0, 2, 2, 2, 0, 0, 0, 0]
    assert own.position.tolist() == [3]
    assert own.patch.tolist() == [[[0, 0, 2]]]
