"""Known motifs and Tomtom's matches."""

import numpy as np
import pytest
from pyjaspar import jaspardb

from chromputer_tracks.analysis.known_motifs import (
    FEWEST_TARGETS,
    JASPAR_TAXA,
    jaspar_motifs,
    match_motifs,
)
from chromputer_tracks.errors import InputError


@pytest.fixture(scope="module")
def fungi():
    return jaspar_motifs("fungi")


def motif(found, name):
    return next(item for item in found.motifs if item.alternate == name)


def benjamini_hochberg(p):
    """Slow: the smallest rate at which each p-value would still be taken."""
    n = len(p)
    return [
        min(p[j] * n / sum(x <= p[j] for x in p) for j in range(n) if p[j] >= p[i])
        for i in range(n)
    ]


def test_jaspar_has_the_motifs_of_a_taxon(fungi):
    assert fungi.name.startswith("JASPAR20")
    assert fungi.name.endswith(" CORE fungi")
    assert len(fungi.motifs) > 150
    reb1 = motif(fungi, "REB1")
    assert reb1.name.split(".")[0] == "MA0363"
    assert reb1.url.endswith(reb1.name)
    counts = jaspardb().fetch_motif_by_id(reb1.name).counts
    for row, base in enumerate("ACGT"):
        total = sum(counts[letter][4] for letter in "ACGT")
        assert reb1.matrix[row, 4] == pytest.approx(counts[base][4] / total)
    assert reb1.sites == pytest.approx(total, abs=1)
    for item in fungi.motifs:
        np.testing.assert_allclose(item.matrix.sum(axis=0), 1)
        assert item.alternate.split() == [item.alternate]


def test_each_taxon_has_enough_motifs_for_a_background():
    for taxon in ("insects", "nematodes", "urochordates"):
        found = jaspar_motifs(taxon).motifs
        assert len(found) >= FEWEST_TARGETS
        assert len({item.name for item in found}) == len(found)
    database = jaspardb()
    counted = database.conn.execute(
        "select VAL, count(*) from MATRIX_ANNOTATION where TAG = 'tax_group' group by VAL"
    )
    counts = dict(counted.fetchall())
    database.conn.close()
    assert all(counts[taxon] >= FEWEST_TARGETS for taxon in JASPAR_TAXA)


def test_an_unknown_taxon_is_refused_with_those_there_are():
    with pytest.raises(InputError, match="no taxon 'yeast'.*fungi, vertebrates"):
        jaspar_motifs("yeast")


@pytest.mark.parametrize("name", ["REB1", "ABF1", "RAP1", "CBF1"])
def test_a_known_motif_finds_itself_where_it_lies_on_both_strands(fungi, name):
    target = motif(fungi, name)
    flank = np.full((4, 3), 0.25)
    query = np.concatenate([flank, target.matrix, flank[:, :1]], axis=1)
    forward, backward = match_motifs([query, query[::-1, ::-1]], fungi.motifs, top=3)
    for first, start, turned in ((forward[0], 3, query), (backward[0], 1, query[::-1, ::-1])):
        assert first.target is target
        assert (first.start, first.overlap) == (start, target.width)
        lies = turned[:, first.start : first.start + target.width]
        np.testing.assert_allclose(lies, first.matrix, atol=0.1 if name == "CBF1" else 1e-9)
        assert first.q < 1e-6
        assert first.e == pytest.approx(first.p * len(fungi.motifs))
    if name != "CBF1":  # which is a palindrome
        assert [forward[0].reverse, backward[0].reverse] == [False, True]
    assert len(forward) == len(backward) == 3


def test_a_target_that_begins_before_the_query_has_a_negative_start(fungi):
    target = motif(fungi, "RAP1")
    (found,) = match_motifs([target.matrix[:, 2:]], fungi.motifs, top=1)
    assert (found[0].target.alternate, found[0].start) == ("RAP1", -2)
    assert found[0].overlap == target.width - 2


def test_q_values_are_of_benjamini_and_hochberg_over_all_targets(fungi):
    targets = fungi.motifs[:60]
    query = np.random.default_rng(1).dirichlet([0.4] * 4, size=9).T
    (found,) = match_motifs([query], targets)
    assert len(found) == 60
    p = [item.p for item in found]
    assert p == sorted(p)
    np.testing.assert_allclose([item.q for item in found], benjamini_hochberg(p))
    assert {item.target.name for item in found} == {item.name for item in targets}


def test_a_match_depends_neither_on_other_queries_nor_on_the_scale_of_columns(fungi):
    reb1, abf1 = (motif(fungi, name).matrix for name in ("REB1", "ABF1"))
    alone = match_motifs([reb1], fungi.motifs, top=2)[0]
    among = match_motifs([abf1, reb1 * 0.5], fungi.motifs, top=2)[1]
    assert [item.target.name for item in alone] == [item.target.name for item in among]
    np.testing.assert_allclose([item.p for item in alone], [item.p for item in among])


def test_few_targets_and_unknown_columns_are_no_error(fungi):
    query = np.array(motif(fungi, "REB1").matrix)
    query[:, 0] = 0
    (found,) = match_motifs([query], [motif(fungi, "REB1"), motif(fungi, "ABF1")])
    assert [item.target.alternate for item in found] == ["REB1", "ABF1"]
    assert match_motifs([], fungi.motifs) == []
