"""Patterns' cores, seqlets in the genome, sites with a hit, and the files made of them."""

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pybigtools
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted_motifs import REB1, Genome, Plant, pattern_of, write_explained

from chromputer_tracks.analysis.known_motifs import MotifMatch
from chromputer_tracks.analysis.motifs import hits as hits_module
from chromputer_tracks.analysis.motifs.discovery import (
    NARROWEST_CORE,
    Discovery,
    SeqletCount,
    Seqlets,
    core_columns,
    smoothed,
)
from chromputer_tracks.analysis.motifs.files import (
    ExplainedRecord,
    MotifsRecord,
    label_record,
    render_page,
    write_files,
)
from chromputer_tracks.analysis.motifs.hits import (
    find_hits,
    label_motifs,
    outcome,
    seqlet_spans,
    sites_with_hit,
)
from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.io.bed import read_bed
from chromputer_tracks.io.bigbed import read_rows, write_bigbed
from chromputer_tracks.io.contributions import read_contributions
from chromputer_tracks.io.meme import MemeMotif, read_meme
from chromputer_tracks.io.text import read_columns
from chromputer_tracks.options.explain import MotifsOptions

SIZES = {"chrI": 3000, "chrII": 900}
PLANTS = [
    Plant(REB1, "chrI", 2, "-", 0.9),
    Plant(REB1, "chrI", 500, "+", 1.0),
    Plant(REB1, "chrI", 560, "-", 1.2),
    Plant(REB1, "chrI", 2988, "+", 1.1),
    Plant(REB1, "chrII", 450, "-", 0.8, 0.1),
]
STARTS = [("chrI", -195), ("chrI", 300), ("chrI", 380), ("chrI", 2790), ("chrII", 250)]
STRANDS = [".", "+", "-", ".", "-"]
LENGTH = 400


@pytest.fixture(scope="module")
def windows():
    return Genome(SIZES, PLANTS).windows(STARTS, LENGTH)


@pytest.fixture(scope="module")
def pattern(windows):
    return pattern_of(windows, PLANTS)


def found(windows, *patterns, matches=(), strands=STRANDS):
    discovery = Discovery(patterns, SeqletCount(150, 150), SeqletCount(7, 0), 200, (None, None))
    return label_motifs("TF", discovery, windows, strands, find_hits(patterns, windows), matches)


@given(
    st.lists(st.floats(-5, 5), min_size=1, max_size=40).filter(lambda x: any(x)),
)
def test_a_core_holds_all_strong_columns_and_is_wide_enough(heights):
    contributions = np.zeros((4, len(heights)))
    contributions[1] = heights
    core = core_columns(contributions)
    size = np.abs(heights)
    strong = [i for i in range(len(heights)) if size[i] >= 0.3 * size.max()]
    width = core.stop - core.start
    assert 0 <= core.start <= strong[0] <= strong[-1] < core.stop <= len(heights)
    assert width == max(strong[-1] + 1 - strong[0], min(NARROWEST_CORE, len(heights)))


@pytest.mark.parametrize(("at", "core"), [(0, (0, 6)), (9, (7, 13)), (19, (14, 20))])
def test_a_narrow_core_is_widened_on_both_sides(at, core):
    contributions = np.zeros((4, 20))
    contributions[2, at] = -1
    assert core_columns(contributions) == slice(*core)


def test_smoothing_adds_one_count_a_column():
    frequencies = np.array([[1.0, 0.5, 0.0], [0, 0.5, 0], [0, 0, 0], [0, 0, 0.6]])
    smooth = smoothed(frequencies, 9)
    np.testing.assert_allclose(smooth[:, 0], np.array([9.25, 0.25, 0.25, 0.25]) / 10)
    np.testing.assert_allclose(smooth[:, 1], np.array([4.75, 4.75, 0.25, 0.25]) / 10)
    np.testing.assert_allclose(smooth.sum(axis=0), 1)


def test_a_pattern_reads_as_its_consensus(pattern):
    assert pattern.consensus == REB1
    blank = replace(pattern, frequencies=np.full((4, 18), 0.25))
    assert blank.consensus == "N"


def test_seqlets_lie_at_their_places_without_the_bases_beyond_the_contig(windows, pattern):
    """4 bases before and 6 behind the motif, on its strand; contigs end at 0 and 3,000."""
    spans = seqlet_spans(pattern, windows)
    assert [
        (str(c), int(s), int(e), bool(r))
        for c, s, e, r in zip(spans.chrom, spans.start, spans.end, spans.reverse, strict=True)
    ] == [
        ("chrI", 0, 14, True),
        ("chrI", 496, 514, False),
        ("chrI", 554, 572, True),
        ("chrI", 2984, 3000, False),
        ("chrII", 444, 462, True),
    ]
    for plant, value in zip(PLANTS, spans.contribution, strict=True):
        assert value == pytest.approx(8 * plant.height, abs=0.7)


@given(st.data())
def test_sites_with_a_hit_are_counted_as_a_loop_counts_them(data):
    chrom = st.sampled_from(["a", "b"])
    sites = data.draw(st.lists(st.tuples(chrom, st.integers(0, 80)), min_size=1, max_size=6))
    spans = data.draw(st.lists(st.tuples(chrom, st.integers(0, 80), st.integers(1, 9)), max_size=6))
    window = data.draw(st.integers(1, 30))
    zeros = np.zeros(len(spans))
    hits = find_hits([], Genome({"a": 5}).windows([("a", 0)], 5)).take(np.zeros(0, dtype=np.int64))
    made = type(hits)(
        zeros.astype(int), zeros.astype(int),
        np.array([s[0] for s in spans], dtype=np.str_),
        np.array([s[1] for s in spans], dtype=np.int64),
        np.array([s[1] + s[2] for s in spans], dtype=np.int64),
        zeros.astype(bool), zeros, zeros, zeros,
    )  # fmt: skip
    expected = 0
    for name, centre in sites:
        first = centre - window // 2
        expected += any(
            other == name and first <= start + width / 2 < first + window
            for other, start, width in spans
        )
    count = sites_with_hit(
        np.array([s[0] for s in sites]), np.array([s[1] for s in sites]), window, made
    )
    assert count == expected


def test_offsets_count_along_the_sites_strand(windows, pattern):
    """Hits at chrI:500 and 560 belong to the windows with centres 500 (+) and 580 (-)."""
    result = found(windows, pattern)
    (item,) = result.patterns
    assert item.hits.start.tolist() == [2, 500, 560, 2988, 450]
    assert item.hits.row.tolist() == [0, 1, 2, 3, 4]
    assert item.offsets.tolist() == [0.5, 3.5, 16.5, 1.5, -3.5]
    assert item.sites == 5
    assert found(windows, pattern, strands=["."] * 5).patterns[0].offsets.tolist() == [
        0.5, 3.5, -16.5, 1.5, 3.5,
    ]  # fmt: skip


def test_a_score_is_500_at_the_median_seqlet(windows, pattern):
    (item,) = found(windows, pattern).patterns
    median = float(np.median(item.seqlets.contribution))
    scores = item.scores(np.array([median, 2 * median, 9 * median, median / 10, 0, -1]))
    assert scores.tolist() == [500, 1000, 1000, 50, 0, 0]


def test_patterns_are_sorted_by_seqlets_and_the_outcome_is_said(windows, pattern):
    few = pattern_of(windows, PLANTS[:2], "TF.pos.2")
    result = found(windows, few, pattern)
    assert [item.pattern.name for item in result.patterns] == ["TF.pos.1", "TF.pos.2"]
    assert outcome(result) == "2 patterns of 150 positive and 7 negative seqlets, 5 hits"
    none = found(windows)
    assert outcome(none) == "no pattern recurs among 150 positive and 7 negative seqlets"


def test_too_few_seqlets_are_said(windows):
    discovery = Discovery((), SeqletCount(100, 0), SeqletCount(7, 0), 200, (None, None))
    result = label_motifs("TF", discovery, windows, STRANDS, find_hits([], windows), ())
    assert outcome(result) == (
        "no pattern: 100 positive and 7 negative seqlets, but patterns are only sought in more "
        "than 100; explain more sites"
    )


def reb1_match(pattern):
    known = MemeMotif("MA0363.3", pattern.frequencies[::-1, ::-1], "REB1")
    return MotifMatch(known, 1e-9, 1e-7, 2e-7, True, -2, 7)


@pytest.fixture(scope="module")
def written(windows, pattern, tmp_path_factory):
    folder = tmp_path_factory.mktemp("motifs")
    sites = read_contributions(write_explained(folder / "explained/TF", windows, STRANDS)).sites
    with pytest.MonkeyPatch.context() as patch:
        # So that five planted motifs are enough for a name.
        patch.setattr(hits_module, "FEWEST_NAMED", 5)
        result = found(windows, pattern, matches=[(reb1_match(pattern),)])
    out = folder / "out"
    out.mkdir()
    write_files([result], [sites], out, 0.01, "a database")
    return out


def test_beds_are_sorted_scored_and_stranded(written):
    hits = read_bed(written / "TF/hits.bed", require_sorted=True)
    assert [
        (r.chrom, r.start, r.end, r.name, s) for r, s in zip(hits, hits.strands, strict=True)
    ] == [
        ("chrI", 2, 10, "TF.pos.1", "-"),
        ("chrI", 500, 508, "TF.pos.1", "+"),
        ("chrI", 560, 568, "TF.pos.1", "-"),
        ("chrI", 2988, 2996, "TF.pos.1", "+"),
        ("chrII", 450, 458, "TF.pos.1", "-"),
    ]
    assert [s == int(s) and 0 < s <= 1000 for s in hits.scores] == [True] * 5
    assert hits.scores[2] > hits.scores[1] > hits.scores[0]
    seqlets = read_bed(written / "TF/seqlets.bed", require_sorted=True)
    assert [(r.start, r.end) for r in seqlets] == [
        (0, 14), (496, 514), (554, 572), (2984, 3000), (444, 462),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["hits.bed", "seqlets.bed"])
def test_beds_become_bigbed(written, name, tmp_path):
    sizes = ChromSizes(dict(SIZES), "sizes")
    sql = 'table hits "hits"\n(\n' + "".join(
        f'{kind} {field}; "{field}"\n'
        for kind, field in (
            ("string", "chrom"), ("uint", "chromStart"), ("uint", "chromEnd"),
            ("string", "name"), ("uint", "score"), ("char[1]", "strand"),
        )
    ) + ")"  # fmt: skip
    rows = read_rows(written / "TF" / name)
    assert write_bigbed(tmp_path / "x.bb", sizes, rows, sql, overlap=True) == 5
    with pybigtools.open(str(tmp_path / "x.bb")) as file:
        assert next(iter(file.records("chrII")))[0] in (450, 444)


def test_tables_hold_the_numbers(written):
    columns = ("start", "strand", "contribution", "offset", "site_row", "site_name")
    rows = [row for _, row in read_columns(written / "TF/hits.tsv", columns)]
    assert [(r[0], r[1], r[3], r[4], r[5]) for r in rows] == [
        ("2", "-", "0.5", "0", "site0"),
        ("500", "+", "3.5", "1", "site1"),
        ("560", "-", "16.5", "2", "site2"),
        ("2988", "+", "1.5", "3", "site3"),
        ("450", "-", "-3.5", "4", "site4"),
    ]
    assert float(rows[1][2]) == pytest.approx(8, abs=0.3)
    columns = ("pattern", "consensus", "seqlets", "hits", "sites_with_hit", "looks_like", "q")
    ((_, row),) = read_columns(written / "patterns.tsv", columns)
    assert row == ["TF.pos.1", REB1, "5", "5", "5", "REB1 (MA0363.3)", "1e-07"]
    ((_, row),) = read_columns(
        written / "matches.tsv", ("motif", "name", "strand", "start", "overlap", "p", "q", "e")
    )
    assert row == ["MA0363.3", "REB1", "-", "-2", "7", "1e-09", "1e-07", "2e-07"]
    rows = [row for _, row in read_columns(written / "matrices.tsv", ("matrix", "core", *"ACGT"))]
    assert len(rows) == 3 * 18
    assert sum(int(row[1]) for row in rows) == 3 * 8
    assert [float(x) for x in rows[6][2:]] == [1, 0, 0, 0]  # TTACCCGG from column 4


def motifs_record(folder, database, known):
    libraries = {"modisco-lite": "3", "memelite": "1"}
    explained = ExplainedRecord(folder)
    return MotifsRecord(explained, 20, 5, 0.05, 2, 0.01, 50, 2.0, database, known, libraries, {})


def test_without_a_database_a_pattern_has_no_name(windows, pattern, tmp_path):
    sites = read_contributions(write_explained(tmp_path / "explained/TF", windows)).sites
    result = found(windows, pattern)
    write_files([result], [sites], tmp_path, 0.01, "")
    assert not (tmp_path / "matches.tsv").exists()
    ((_, row),) = read_columns(tmp_path / "patterns.tsv", ("looks_like", "best_match", "q"))
    assert row == ["", "", "nan"]
    options = MotifsOptions(explained=tmp_path, out=tmp_path, window=200, max_seqlets=500)
    record = motifs_record(tmp_path, None, None)
    page = render_page([result], options, record)
    assert "looks like" not in page
    assert "Tomtom" not in page
    assert "TF.pos.1" in page


@pytest.mark.parametrize(
    ("seqlets", "ratio", "words"),
    [
        (50, 2.0, ""),
        (49, 22.6, "49 seqlets, too few to name"),
        (1, 22.6, "1 seqlet, too few to name"),
        (500, 1.99, "its bases contribute 2.0 times what any base does, too little"),
        (21, 1.19, "21 seqlets, too few to name; its bases contribute 1.2 times what any base "
         "does, too little"),
    ],
)  # fmt: skip
def test_when_a_pattern_is_weak(seqlets, ratio, words):
    assert hits_module.weakness(seqlets, ratio) == words


def test_the_ratio_of_contributions_against_a_loop(windows, pattern):
    (item,) = found(windows, pattern).patterns
    values = []
    for row in range(len(STARTS)):
        for at in range(100, 300):
            for base in range(4):
                if windows.sequences[row, base, at]:
                    values.append(abs(float(windows.hypothetical[row, base, at])))
    # Bases of the first window before the contig, and of the fourth behind it, are not known.
    assert len(values) == 5 * 200 - 95 - 90
    height = np.abs(pattern.contributions[:, 4:12].sum(axis=0)).mean()
    assert item.contribution == pytest.approx(height / np.mean(values))
    assert item.contribution > 5


def test_bases_without_contributions_are_no_motif(monkeypatch):
    """The same bases at five places, which contribute no more than any others do."""
    monkeypatch.setattr(hits_module, "FEWEST_NAMED", 5)
    plants = [replace(plant, height=0.0, noise=0.0) for plant in PLANTS]
    windows = Genome(SIZES, plants).windows(STARTS, LENGTH)
    own = pattern_of(windows, plants)
    (item,) = found(windows, own, matches=[(reb1_match(own),)]).patterns
    assert own.consensus != "N"
    assert item.contribution < 1.2
    assert item.weak.startswith("its bases contribute 0.")
    assert item.known(0.01) is None


def test_a_weak_pattern_is_flagged_and_not_named(windows, pattern, tmp_path):
    sites = read_contributions(write_explained(tmp_path / "explained/TF", windows)).sites
    result = found(windows, pattern, matches=[(reb1_match(pattern),)])
    write_files([result], [sites], tmp_path, 0.01, "a database")
    columns = ("looks_like", "best_match", "q", "weak")
    ((_, row),) = read_columns(tmp_path / "patterns.tsv", columns)
    assert row == ["", "REB1 (MA0363.3)", "1e-07", "5 seqlets, too few to name"]
    ((_, row),) = read_columns(tmp_path / "matches.tsv", ("motif", "name"))
    assert row == ["MA0363.3", "REB1"]
    (motif,) = read_meme(tmp_path / "patterns.meme")
    assert motif.alternate == ""
    (told,) = label_record(result, 0.01)["patterns"]
    assert (told["weak"], told["looks_like"]) == ("5 seqlets, too few to name", None)
    options = MotifsOptions(explained=tmp_path, out=tmp_path, window=200, max_seqlets=500)
    record = motifs_record(tmp_path, "a database", 1)
    page = render_page([result], options, record)
    assert "Weak: 5 seqlets, too few to name." in page
    assert "A pattern this weak is not named; the nearest known motifs are" in page
    assert "Known motifs that it looks like" not in page
    assert "<dt>Look like a known motif</dt><dd>0</dd>" in page


def test_the_cores_are_a_meme_file(written, pattern):
    (motif,) = read_meme(written / "patterns.meme")
    assert (motif.name, motif.alternate, motif.sites) == ("TF.pos.1", "REB1", 5)
    np.testing.assert_allclose(motif.matrix, pattern.frequencies[:, 4:12])


def test_a_logo_file_is_a_drawing_of_its_own(written):
    root = ElementTree.fromstring(Path(written / "logos/TF.pos.1.svg").read_text())
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "TTACCCGG, 5 seqlets" in root.attrib["aria-label"]
    links = {element.attrib["href"] for element in root.iter() if "href" in element.attrib}
    ids = {"#" + element.attrib["id"] for element in root.iter() if "id" in element.attrib}
    assert links <= ids


def test_a_seqlet_needs_no_room_on_the_left(windows):
    """A pattern that begins with the window."""
    pattern = pattern_of(windows, [PLANTS[1]])
    at_zero = Seqlets(np.array([1]), np.array([0]), np.array([True]))
    moved = replace(pattern, seqlets=at_zero)
    spans = seqlet_spans(moved, windows)
    assert (spans.start.tolist(), spans.end.tolist()) == ([300], [318])
