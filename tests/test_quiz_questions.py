"""Sites that may be asked, the questions drawn from them, and what their pictures show."""

from __future__ import annotations

import base64
import math
import statistics
from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from quiz_toy import pixels
from scipy.ndimage import gaussian_filter
from toy_genome import ToyGenome, toy_genome

from chromputer_tracks.analysis.quiz import questions as quiz_questions
from chromputer_tracks.analysis.quiz.questions import (
    EDGES,
    QuizSites,
    QuizSubject,
    SitePictures,
    color_table,
    draw_questions,
    fragment_limit,
)
from chromputer_tracks.data.labels import UNKNOWN, LabelSet, Mask
from chromputer_tracks.errors import InputError
from chromputer_tracks.evaluation.sites import LabelledSites
from chromputer_tracks.records import to_plain
from chromputer_tracks.spec import Label

SIZES = {"b": 30_000, "a": 8_000, "short": 900}
WINDOW = 1000


def sites_at(contigs: tuple[str, ...], contig: list[int], centre: list[int]) -> LabelledSites:
    n = len(centre)
    return LabelledSites(
        contigs,
        np.array(contig, dtype=np.int64),
        np.array(centre, dtype=np.int64),
        np.zeros((0, n), dtype=np.float32),
        np.full(n, UNKNOWN, dtype=np.int64),
        np.zeros((0, n), dtype=np.int64),
        np.zeros((0, n), dtype=np.float32),
        0,
    )


def pool(truth: list[int], usable: list[bool], n_classes: int, step: int = 200) -> QuizSites:
    """Sites ``step`` bp apart, half on each of two contigs."""
    n = len(truth)
    contig = [int(k >= n // 2) for k in range(n)]
    centre = [100 + step * (k - c * (n // 2)) for k, c in enumerate(contig)]
    return QuizSites(
        sites_at(("a", "b"), contig, centre),
        np.array(truth, dtype=np.int64),
        np.array(usable, dtype=bool),
        n_classes,
        np.arange(n, dtype=np.int64),
    )


@pytest.fixture(scope="module")
def genome() -> ToyGenome:
    return toy_genome(SIZES)


@given(
    st.lists(st.tuples(st.integers(-1, 4), st.booleans()), min_size=1, max_size=120),
    st.integers(2, 12),
    st.sampled_from([None, 2, 3, 9]),
    st.integers(1, 2000),
    st.integers(0, 5),
)
def test_questions_are_balanced_apart_and_can_be_answered(rows, questions, choices, window, seed):
    given_pool = pool([code for code, _ in rows], [use and code >= 0 for code, use in rows], 5)
    try:
        draw = draw_questions(given_pool, questions, choices, window, seed)
    except InputError as error:
        assert "sites of at least two classes" in str(error)
        return
    again = draw_questions(given_pool, questions, choices, window, seed)
    assert again == draw
    assert len(draw.questions) == questions
    asked = Counter(int(given_pool.truth[item.site]) for item in draw.questions)
    assert set(asked) <= set(draw.offered)
    counts = [asked[code] for code in draw.offered]
    assert max(counts) - min(counts) <= 1
    assert draw.choices == min(choices or 9, len(draw.offered))
    for item in draw.questions:
        assert given_pool.usable[item.site]
        assert int(given_pool.truth[item.site]) in item.choices
        assert len(item.choices) == len(set(item.choices)) == draw.choices
        assert list(item.choices) == sorted(item.choices)
        assert set(item.choices) <= set(draw.offered)
    for one in draw.questions:
        for other in draw.questions:
            if one is not other:
                here, there = given_pool.place(one.site), given_pool.place(other.site)
                assert here[0] != there[0] or abs(here[1] - there[1]) >= window
    for code, count in draw.left_out.items():
        assert code not in draw.offered
        assert count == (given_pool.usable & (given_pool.truth == code)).sum()
    assert sorted([*draw.offered, *draw.left_out]) == list(range(5))


def test_every_site_is_asked_sooner_or_later_and_every_wrong_answer_offered():
    given_pool = pool([k % 3 for k in range(30)], [True] * 30, 3)
    drawn, wrong = Counter(), Counter()
    for seed in range(200):
        for item in draw_questions(given_pool, 3, 2, 1, seed).questions:
            drawn[item.site] += 1
            truth = int(given_pool.truth[item.site])
            wrong.update((truth, other) for other in item.choices if other != truth)
    assert set(drawn) == set(range(30))
    assert min(drawn.values()) > 5
    assert set(wrong) == {(a, b) for a in range(3) for b in range(3) if a != b}
    assert min(wrong.values()) > 60


def test_rare_classes_do_not_lose_their_places_to_common_ones():
    # The one site of class 1 lies among sites of class 0.
    for seed in range(20):
        given_pool = pool([0] * 5 + [1] + [0] * 14, [True] * 20, 2)
        draw = draw_questions(given_pool, 2, None, 600, seed)
        assert sorted(given_pool.truth[item.site] for item in draw.questions) == [0, 1]


def test_sites_a_window_apart_do_not_overlap():
    assert len(draw_questions(pool([0, 1, 0, 1], [True] * 4, 2), 4, None, 200, 0).questions) == 4
    with pytest.raises(InputError):
        draw_questions(pool([0, 1, 0, 1], [True] * 4, 2), 4, None, 201, 0)


def test_the_error_names_what_was_found():
    with pytest.raises(InputError, match="have 3, 0, 1 sites .*1,000 bp apart"):
        draw_questions(pool([0, 0, 0, 2], [True] * 4, 3), 10, None, 1000, 0)


@example([(0, 499), (0, 500), (0, 29_500), (0, 29_501), (2, 450)])
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 29_999)), min_size=1, max_size=20))
def test_fragments_of_a_picture_against_a_slow_count(places):
    genome, names = _GENOME, tuple(SIZES)
    places = [(code, min(at, SIZES[names[code]] - 1)) for code, at in places]
    sites = sites_at(names, [code for code, _ in places], [at for _, at in places])
    viewer = SitePictures(genome, genome.sizes, WINDOW)
    expected = []
    for code, centre in places:
        name, start = names[code], centre - WINDOW // 2
        if start < 0 or start + WINDOW > SIZES[name]:
            expected.append(-1)
            continue
        rows = zip(genome.starts[name].tolist(), genome.ends[name].tolist(), strict=True)
        expected.append(
            sum(
                start <= (s + e) // 2 < start + WINDOW and EDGES[0] <= e - s < EDGES[-1]
                for s, e in rows
            )
        )
        assert viewer.picture(name, centre).fragments == expected[-1]
    assert viewer.fragments(sites).tolist() == expected


_GENOME = toy_genome(SIZES)


def test_a_picture_of_very_many_fragments_is_thinned(genome, monkeypatch):
    viewer = SitePictures(genome, genome.sizes, WINDOW)
    whole = viewer.picture("b", 5_000)
    monkeypatch.setattr(quiz_questions, "_MOST_FRAGMENTS", 40)
    thin = viewer.picture("b", 5_000)
    assert thin == viewer.picture("b", 5_000)
    assert thin.fragments == whole.fragments > 40
    assert (len(whole.steps), len(thin.steps)) == (whole.fragments, 40)
    data = {"edges": EDGES, "window": WINDOW, "bin": 10}
    assert (pixels(to_plain(thin), data) <= pixels(to_plain(whole), data)).all()


def test_a_lesson_is_the_smoothed_mean_of_the_middle_of_its_sites(genome):
    centres = list(range(600, 29_000, 200))
    sites = sites_at(("b",), [0] * len(centres), centres)
    truth = np.arange(len(centres)) % 3
    usable = np.arange(len(centres)) % 5 > 0
    viewer = SitePictures(genome, genome.sizes, WINDOW)
    fragments = viewer.fragments(sites)
    found = viewer.class_examples(QuizSites(sites, truth, usable, 3, fragments), (0, 2), 0)
    assert [lesson.code for lesson in found] == [0, 2]
    data = {"edges": EDGES, "window": WINDOW, "bin": 10}
    for lesson in found:
        rows = [c for c, t, u in zip(centres, truth, usable, strict=True) if u and t == lesson.code]
        # One of 20 sites or more has the fewest fragments, one the most.
        deep = sorted(rows, key=lambda at: viewer.picture("b", at).fragments)
        cut = len(rows) // 20
        assert 1 <= cut <= 3
        images = [pixels(to_plain(viewer.picture("b", at)), data) for at in deep[cut:-cut]]
        mean = np.mean(images, axis=0)
        assert lesson.sites == len(rows)
        assert lesson.fragments == pytest.approx(mean.sum())
        smooth = gaussian_filter(mean, 1.0, mode="nearest")
        expected = 255 * np.sqrt(np.minimum(smooth / np.percentile(smooth, 99.7), 1))
        levels = np.frombuffer(base64.b64decode(lesson.mean), np.uint8).reshape(mean.shape)
        assert np.abs(levels - expected).max() <= 0.5 + 1e-9
        singles = [viewer.picture("b", at) for at in rows]
        assert len(lesson.examples) == 3
        assert all(picture in singles for picture in lesson.examples)
    one = QuizSites(sites, truth, usable & (truth == 0), 3, fragments)
    assert [lesson.code for lesson in viewer.class_examples(one, (0, 2), 0)] == [0]


def test_a_repeat_does_not_stand_for_its_class(genome):
    """One site in 25 with a hundred times the fragments: the mean is that of the others."""
    centres = np.arange(600, 29_000, 400)
    sites = sites_at(("b",), [0] * len(centres), centres.tolist())
    viewer = SitePictures(genome, genome.sizes, WINDOW)
    fragments = viewer.fragments(sites)
    repeat = np.arange(len(centres)) % 25 == 24
    deep = np.where(repeat, 100 * fragments, fragments)
    truth = np.zeros(len(centres), dtype=np.int64)
    every = QuizSites(sites, truth, np.ones(len(centres), dtype=bool), 1, deep)
    (lesson,) = viewer.class_examples(every, (0,), 0)
    kept = np.sort(deep)[len(deep) // 20 : -(len(deep) // 20)]
    assert lesson.fragments == pytest.approx(kept.mean())
    assert kept.max() < 100
    limit = fragment_limit(every.labelled)
    assert limit is not None
    assert fragments.max() <= limit < deep[repeat].min()
    assert (every.up_to(limit).usable == ~repeat).all()
    assert every.up_to(int(deep.max())).usable.all()


@given(st.lists(st.integers(0, 100_000), max_size=60))
def test_the_limit_is_where_the_modified_z_score_is_3_5(values):
    limit = fragment_limit(np.array(values, dtype=np.int64))
    logs = sorted(math.log(value + 1) for value in values)
    spread = 0.0
    if logs:
        middle = statistics.median(logs)
        spread = statistics.median(abs(value - middle) for value in logs)
    if not spread:
        assert limit is None
        return
    assert limit is not None
    for value, outlier in ((limit, False), (limit + 1, True)):
        # 0.6745 / MAD is the paper's 1 / (1.4826 MAD).
        score = (math.log(value + 1) - middle) / (1.4826 * spread)
        assert score > 3.5 - 1e-9 if outlier else score <= 3.5 + 1e-9


def test_colours_go_from_dark_to_light():
    table = np.frombuffer(base64.b64decode(color_table()), np.uint8).reshape(256, 3)
    assert table[0].tolist() == [0, 0, 4]
    assert table[-1].tolist() == [252, 253, 191]


def test_a_pool_keeps_sites_of_known_class_that_show_enough(genome):
    centres = [400, 600, 5_000, 9_000, 29_600]
    sites = sites_at(("b",), [0] * 5, centres)
    classes = tuple(Label(f"S{k}", "", (0, 0, 0)) for k in range(3))
    labels = LabelSet(None, (), Mask({}, {}))
    subject = QuizSubject("states", "which?", classes, labels, slice(0, 3))
    truth = np.array([0, 1, UNKNOWN, 2, 1])
    labelled = LabelledSites(
        sites.contigs, sites.contig, sites.centre, sites.logits, truth, sites.binary,
        sites.continuous, 3,
    )  # fmt: skip
    viewer = SitePictures(genome, genome.sizes, WINDOW)
    counts = viewer.fragments(labelled)
    found = QuizSites.of(labelled, subject, viewer, int(counts[1]))
    # The first and the last are cut by the contig's ends.
    assert found.usable.tolist() == [False, True, False, bool(counts[3] >= counts[1]), False]
    assert not QuizSites.of(labelled, subject, viewer, int(counts.max()) + 1).usable.any()
    assert found.counts(usable=False).tolist() == [1, 2, 1]
    expected = np.bincount(truth[found.usable], minlength=3) + 1
    np.testing.assert_allclose(found.frequencies(), expected / expected.sum())
