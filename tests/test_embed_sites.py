"""Sites from BED files with any columns, and the elements that stand in for them."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import tiny_spec

from chromputer_tracks.analysis.embed_elements import find_elements
from chromputer_tracks.analysis.embed_sites import SiteTable, read_site_table
from chromputer_tracks.errors import BoundsError, ContigError, FormatError, InputError
from chromputer_tracks.inference.genome import Prediction, region_bins
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.spec import HeadSpec, Label

SIZES = ChromSizes({"chr1": 5000, "chr2": 3000}, "toy.fa")


def table(tmp_path: Path, text: str) -> SiteTable:
    path = tmp_path / "sites.bed"
    path.write_text(text)
    return read_site_table(path, SIZES)


def test_bed3_has_nothing_but_places(tmp_path: Path) -> None:
    sites = table(tmp_path, "chr2\t10\t21\nchr1\t0\t1\n")
    assert sites.contigs == ("chr2", "chr1")
    assert sites.chroms == ["chr2", "chr1"]
    assert sites.centre.tolist() == [15, 0]
    assert sites.strand.tolist() == [0, 0]
    assert sites.names == ("", "")
    assert sites.columns == ()
    assert sites.loci == ["chr2:11-21", "chr1:1-1"]
    assert sites.window(1, 300) == Interval("chr1", -150, 150)


def test_columns_have_numbers_and_names(tmp_path: Path) -> None:
    sites = table(
        tmp_path,
        "##made by hand\n"
        "#chrom\tstart\tend\tgene\tscore\tstrand\tclass\n"
        "track name=x\n"
        "chr1\t100\t200\tA\t7\t-\tRP\n"
        "chr1\t300\t400\t.\t.\t+\tSTM\n",
    )
    assert [(c.number, c.name) for c in sites.columns] == [
        (4, "gene"), (5, "score"), (6, "strand"), (7, "class"),
    ]  # fmt: skip
    assert sites.columns[3].values == ("RP", "STM")
    assert sites.names == ("A", "")
    assert sites.strand.tolist() == [-1, 1]


def test_columns_without_a_header(tmp_path: Path) -> None:
    sites = table(tmp_path, "chr1\t1\t2\tA\t01_RP\t.\tx\ny\n".replace("\ny", ""))
    # A fifth column of words is no score.
    assert [c.name for c in sites.columns] == ["name", "column 5", "strand", "column 7"]
    assert [c.name for c in table(tmp_path, "chr1\t1\t2\tA\t0.5\n").columns] == ["name", "score"]


def test_a_header_of_other_width_names_nothing(tmp_path: Path) -> None:
    sites = table(tmp_path, "#chrom\tstart\tend\nchr1\t1\t2\tA\n")
    assert [c.name for c in sites.columns] == ["name"]


@pytest.mark.parametrize(
    ("line", "centre"),
    [
        ("chr1\t100\t201", 150),
        ("chr1\t100\t200\tn\t0\t+\t120\t131\t0,0,0", 125),  # thick part
        ("chr1\t100\t200\tn\t0\t+\t100\t100\t0,0,0", 150),  # an empty one
        ("chr1\t100\t200\tn\t0\t+\t20\t131\t0,0,0", 150),  # two numbers that are none
        ("chr1\t100\t200\tn\t0\t+\tx\ty", 150),
        ("chr1\t100\t200\tn\t0\t.\t5.5\t3\t2\t7", 107),  # narrowPeak
        ("chr1\t100\t200\tn\t0\t.\t5.5\t3\t2\t-1", 150),
        ("chr1\t100\t200\tn\t0\t.\t5.5\t3\t2\t100", 150),  # a summit outside: no narrowPeak
        ("chr1\t100\t200\tn\t0\t.\t5.5\tz\t2\t7", 150),
    ],
)
def test_centre(tmp_path: Path, line: str, centre: int) -> None:
    assert table(tmp_path, line + "\n").centre.tolist() == [centre]


def test_columns_7_and_8_are_a_thick_part_in_all_lines_or_in_none(tmp_path: Path) -> None:
    thick = "chr1\t100\t200\tn\t0\t+\t120\t130\n"
    both = table(tmp_path, thick + thick)
    assert both.centre.tolist() == [125, 125]
    assert [c.number for c in both.columns] == [4, 5, 6]
    mixed = table(tmp_path, thick + "chr1\t100\t200\tn\t0\t+\t120\tNA\n")
    assert mixed.centre.tolist() == [150, 150]
    assert [c.number for c in mixed.columns] == [4, 5, 6, 7, 8]


def test_gzip(tmp_path: Path) -> None:
    path = tmp_path / "sites.bed.gz"
    path.write_bytes(gzip.compress(b"#a\tb\tc\td\nchr1\t5\t8\tq\n"))
    sites = read_site_table(path, SIZES)
    assert sites.columns[0].name == "d"
    assert sites.centre.tolist() == [6]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("", InputError, "is empty: it holds no site"),
        ("# nothing\n\n", InputError, "is empty: it holds no site"),
        ("chr1\t5\n", FormatError, "line 1 has 2 tab-separated columns; a site needs 3"),
        ("chr1 5 8\n", FormatError, "columns must be separated by tabs"),
        ("chr1\t5\t8\nchr1\t5\t8\tx\n", FormatError, "line 2 has 4 columns, .*first site has 3"),
        ("chr1\t8\t8\n", FormatError, r"line 1: columns 2 and 3 \(8, 8\) are not a start"),
        ("chr1\t-1\t8\n", FormatError, "are not a start of at least 0"),
        ("chr1\tstart\tend\n", FormatError, "are not a start of at least 0"),
        ("\t1\t8\n", FormatError, "line 1: the contig is empty"),
        ("chr1\t1\t8\ta\t0\tplus\n", FormatError, "column 6 is 'plus', not a strand"),
        ("chr1\t1\t5001\n", BoundsError, r"chr1:1-5,001 ends past chr1 \(5,000 bp in toy.fa\)"),
        ("1\t1\t8\n", ContigError, "'1' not in toy.fa; toy.fa has 'chr1'"),
    ],
)
def test_refusals_name_the_line(
    tmp_path: Path, text: str, error: type[InputError], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        table(tmp_path, text)
    assert "sites.bed" in str(caught.value)


def test_a_sample_is_seeded_and_keeps_the_order(tmp_path: Path) -> None:
    text = "".join(f"chr1\t{at}\t{at + 2}\tn{at}\n" for at in range(0, 400, 4))
    sites = table(tmp_path, text)
    some = sites.sample(30, 5)
    assert len(some) == 30
    assert (np.diff(some.start) > 0).all()
    assert some.names == tuple(f"n{at}" for at in some.start.tolist())
    assert some.columns[0].values == some.names
    assert (sites.sample(30, 5).start == some.start).all()
    assert (sites.sample(30, 6).start != some.start).any()
    assert sites.sample(100, 5) is sites


def predictions(values: np.ndarray, cuts: list[int], chrom: str = "chr1") -> list[Prediction]:
    """Bins of 50 bp of one contig of 5,000 bp, handed over in parts."""
    edges = [0, *sorted(set(cuts) - {0, values.shape[1]}), values.shape[1]]
    return [
        Prediction(chrom, 50 * a, min(50 * b, SIZES[chrom]), values[:, a:b])
        for a, b in zip(edges[:-1], edges[1:], strict=True)
    ]


def slow_elements(states: list[int], tops: list[float]) -> list[tuple[int, int, int, int]]:
    """Start bin, end bin, state and bin of the first maximum of each run."""
    runs, at = [], 0
    while at < len(states):
        end = at
        while end < len(states) and states[end] == states[at]:
            end += 1
        best = max(range(at, end), key=lambda k: (tops[k], -k))
        runs.append((at, end, states[at], best))
        at = end
    return runs


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3)), min_size=2, max_size=60),
    st.integers(1, 9),
)
def test_elements_are_runs_whatever_the_tiles(bins: list[tuple[int, int]], step: int) -> None:
    values = np.zeros((5, len(bins)), np.float32)
    for k, (state, height) in enumerate(bins):
        values[:3, k] = 0.05
        values[state, k] = 0.3 + height / 10
    states, tops = [s for s, _ in bins], values[:3].max(axis=0).tolist()
    runs = slow_elements(states, tops)
    bases = [sum(b - a for a, b, s, _ in runs if s == state) for state in range(3)]
    background = bases.index(max(bases))
    kept = [run for run in runs if run[2] != background]
    spec = tiny_spec()
    tiles = predictions(values, list(range(step, len(bins), step)))
    if not kept:
        with pytest.raises(InputError, match="predicts no element here .* --regions"):
            find_elements(spec, tiles, {}, SIZES)
        return
    found = find_elements(spec, tiles, {}, SIZES)
    assert found.rule == f"runs of one most likely state, without S{background}"
    sites = found.sites
    got = zip(sites.start, sites.end, sites.names, sites.centre, strict=True)
    assert [(int(a), int(b), n, int(c)) for a, b, n, c in got] == [
        (50 * a, 50 * b, f"S{state}", 50 * best + 25) for a, b, state, best in kept
    ]


def test_elements_end_with_their_contig_and_stay_on_it() -> None:
    spec = tiny_spec()
    values = np.full((5, 2), 0.1, np.float32)
    values[1] = 0.6
    tiles = [
        Prediction("chr1", 4900, 5000, values),
        Prediction("chr2", 0, 90, values),
        Prediction("chr2", 500, 8000, np.repeat(np.eye(5, dtype=np.float32)[:, :1], 150, 1)),
    ]
    sites = find_elements(spec, tiles, {}, SIZES).sites
    assert sites.chroms == ["chr1", "chr2"]
    assert list(zip(sites.start, sites.end, strict=True)) == [(4900, 5000), (0, 90)]
    assert sites.centre.tolist() == [4925, 25]


def test_without_states_an_element_is_a_run_of_calls() -> None:
    spec = tiny_spec(heads=tiny_spec().heads[1:])
    threshold = [label.threshold for label in spec.heads[0].labels]
    assert threshold == [0.6, 0.5]
    tf1 = [0.1, 0.7, 0.65, 0.1, 0.0, 0.6]
    tf2 = [0.2, 0.4, 0.90, 0.4, 0.4, 0.4]
    values = np.array([tf1, tf2], np.float32)
    found = find_elements(spec, predictions(values, [2]), {}, SIZES)
    sites = found.sites
    assert list(zip(sites.start, sites.end, sites.names, sites.centre, strict=True)) == [
        (50, 150, "TF2", 125), (250, 300, "TF1", 275),
    ]  # fmt: skip


def test_of_continuous_labels_alone_all_bins_are_sites() -> None:
    head = HeadSpec("continuous", "signals", (Label("X", "x", (0, 0, 0)),), "log1p")
    spec = tiny_spec(heads=(head,))
    bins = region_bins([Interval("chr2", 2450, 3000), Interval("chr1", 0, 50)], SIZES, spec.grid)
    found = find_elements(spec, iter(()), bins, SIZES)
    assert found.rule == "all bins of 200 bp"
    assert list(zip(found.sites.chroms, found.sites.start, found.sites.end, strict=True)) == [
        ("chr1", 0, 50), ("chr2", 2450, 2650), ("chr2", 2650, 2850), ("chr2", 2850, 3000),
    ]  # fmt: skip
