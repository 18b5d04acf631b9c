"""The depth of a sample: over the genome, or where its coverage is confined."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from predict_command import fails, predict, toy_inputs
from toy_genome import toy_genome

import chromputer_tracks as ct
from chromputer_tracks.data.features import Features
from chromputer_tracks.errors import InputError, OptionError
from chromputer_tracks.inference.genome import predict_regions, region_bins
from chromputer_tracks.inference.session import load_model, open_session
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io import depth as rule
from chromputer_tracks.io.depth import Depth, Pieces, estimate, weighted_median
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.options.fields import FragmentOptions, SampleFiles, parse_depth

KEEP = FragmentOptions(drop_duplicates=False)


def depth_of(rows: dict[str, list[int]], sizes: dict[str, int]) -> tuple[Depth, Pieces]:
    arrays = [np.array(sorted(rows.get(name, [])), dtype=np.int32) for name in sizes]
    return estimate(lambda contig: arrays[contig], list(map(len, arrays)), ChromSizes(sizes, "g"))


# ---- The rule, with loops and lists.


def slow_median(pairs: list[tuple[float, int]], share: float = 0.5) -> float:
    total = sum(size for _, size in pairs)
    return min(d for d, _ in pairs if sum(s for e, s in pairs if e <= d) >= total * share)


def slow_occupied(pieces: list[tuple[str, int, int, list[int]]], tile: int) -> float:
    covered = 0
    for _, start, end, points in pieces:
        for at in range(start, end, tile):
            if any(at <= point < at + tile for point in points):
                covered += min(at + tile, end) - at
    return covered / sum(end - start for _, start, end, _ in pieces)


def slow_depth(rows: dict[str, list[int]], sizes: dict[str, int]) -> tuple[str, float, int, bool]:
    """How, fragments per kb, bp, and whether it is sure."""
    pieces = [(c, 0, sizes[c], sorted(points)) for c, points in rows.items() if points]
    total = sum(len(points) for *_, points in pieces)

    def median(found: list[tuple[str, int, int, list[int]]], less: int) -> float:
        return slow_median([((len(p) - less) / ((e - s) / 1000), e - s) for _, s, e, p in found])

    def confined(found: list[tuple[str, int, int, list[int]]], per_kb: float) -> bool:
        for expected in (1, 10):
            tile = max(2000, int(np.ceil(1000 * expected / per_kb)))
            mean = tile * per_kb / 1000
            if slow_occupied(found, tile) < 0.5 * mean / (1 + mean):
                return True
        return False

    per_kb = median(pieces, 0)
    bases = sum(e - s for _, s, e, _ in pieces)
    if total < 10 or not confined(pieces, per_kb):
        return "genome", per_kb, bases, total >= 10
    while True:
        gap, finer = max(1000, int(np.ceil(10_000 / per_kb))), []
        for chrom, _, _, points in pieces:
            run = [points[0]]
            for point in points[1:]:
                if point - run[-1] >= gap:
                    finer.append((chrom, run[0], run[-1], run))
                    run = []
                run.append(point)
            finer.append((chrom, run[0], run[-1], run))
        finer = [piece for piece in finer if piece[2] > piece[1]]
        progress = sum(e - s for _, s, e, _ in finer) < bases
        if finer:
            pieces, per_kb = finer, median(finer, 1)
            bases = sum(e - s for _, s, e, _ in pieces)
        tile = max(2000, int(np.ceil(10_000 / per_kb)))
        whole = slow_occupied(pieces, tile) >= 0.75
        if not finer or not progress or (whole and confined(pieces, per_kb)):
            return "confined", per_kb, bases, False
        if whole:
            break
    long = [piece for piece in pieces if piece[2] - piece[1] >= 2500]
    held = sum(e - s for _, s, e, _ in long)
    if held < 0.75 * bases:
        return "confined", per_kb, bases, False
    pairs = [((len(p) - 1) / ((e - s) / 1000), e - s) for _, s, e, p in long]
    enough = held >= 20_000 and sum(len(p) for *_, p in long) >= 200
    even = slow_median(pairs, 0.75) <= 5 * slow_median(pairs, 0.25)
    return "confined", slow_median(pairs), held, enough and even


@st.composite
def samples(draw: st.DrawFn) -> tuple[dict[str, list[int]], dict[str, int]]:
    """Blocks of fragments, of any density, on contigs of up to 400 kb."""
    sizes = {f"c{k}": draw(st.integers(500, 400_000)) for k in range(draw(st.integers(1, 3)))}
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    rows: dict[str, list[int]] = {name: [] for name in sizes}
    for _ in range(draw(st.integers(1, 12))):
        name = draw(st.sampled_from(list(sizes)))
        width = draw(st.sampled_from([1, 300, 3_000, 9_000, 60_000, 400_000]))
        many = draw(st.sampled_from([1, 3, 12, 40, 150]))
        begin = int(rng.integers(0, sizes[name]))
        rows[name] += rng.integers(begin, min(begin + width, sizes[name]), many).tolist()
    return rows, sizes


@settings(max_examples=150)
@given(sample=samples())
def test_the_rule_against_loops(sample):
    rows, sizes = sample
    depth, pieces = depth_of(rows, sizes)
    how, per_kb, bases, sure = slow_depth(rows, sizes)
    assert (depth.how, depth.bases) == (how, bases)
    assert depth.per_kb == pytest.approx(per_kb, rel=1e-12)
    assert (not depth.doubt) is sure
    assert depth.pieces == len(pieces)
    assert int(pieces.bases.sum()) == bases


def uniform(rng, sizes: dict[str, int], per_kb: float) -> dict[str, list[int]]:
    return {
        name: rng.integers(0, size, rng.poisson(size / 1000 * per_kb)).tolist()
        for name, size in sizes.items()
    }


def test_regions_of_uniform_coverage_have_its_density():
    rng = np.random.default_rng(1)
    sizes = {"c1": 1_000_000, "c2": 500_000, "none": 10_000_000}
    rows = {
        "c1": [
            p for at in range(50_000, 950_000, 90_000) for p in rng.integers(at, at + 4_000, 800)
        ],
        "c2": [p for at in (9_000, 300_000) for p in rng.integers(at, at + 4_000, 800)],
    }
    depth, pieces = depth_of(rows, sizes)
    assert (depth.how, depth.pieces, depth.doubt) == ("confined", 12, "")
    assert depth.per_kb == pytest.approx(200, rel=0.02)
    assert depth.bases == pytest.approx(48_000, rel=0.01)
    assert str(depth).endswith(f"kb in {len(pieces)} regions to which coverage is confined")


@pytest.mark.parametrize("per_kb", [20.0, 0.5, 0.02, 0.004])
@pytest.mark.parametrize("unmappable", [0.0, 0.2, 0.4])
def test_blocks_of_n_do_not_make_a_genome_confined(per_kb, unmappable):
    rng = np.random.default_rng(5)
    sizes = {"c1": 3_000_000, "c2": 2_000_000, "c3": 1_000_000}
    rows = {
        name: [p for p in points if not 0.3 < p / sizes[name] < 0.3 + unmappable]
        for name, points in uniform(rng, sizes, per_kb).items()
    }
    depth, _ = depth_of(rows, sizes)
    assert depth.how == "genome"
    assert not depth.doubt


def test_what_is_too_little_or_too_uneven_is_said():
    rng = np.random.default_rng(3)
    sizes = {"c1": 5_000_000}

    def doubt(points: list[int]) -> str:
        return depth_of({"c1": points}, sizes)[0].doubt

    assert doubt(list(range(9))) == "9 fragments are too few to tell how deep the sample is"
    locus = rng.integers(70_000, 73_000, 900).tolist()
    assert "confined to 1 region of 2,9" in doubt(locus)
    assert "too little to tell how deep the genome would be covered" in doubt(locus)
    peaks = [p for at in range(0, 5_000_000, 50_000) for p in rng.integers(at, at + 400, 50)]
    assert "confined to 100 regions of typically 3" in doubt(peaks)
    assert "too short to hold peaks and the background between them" in doubt(peaks)
    uneven = [
        p
        for k, at in enumerate(range(0, 5_000_000, 500_000))
        for p in rng.integers(at, at + 5_000, 4_000 if k % 2 else 100)
    ]
    assert "too uneven" in doubt(uneven)


# ---- In a store: what is given, and classes of length.

SIZES = ChromSizes({"a": 100_000, "b": 50_000}, "g.fa")


def write_rows(path: Path, rows: list[tuple[str, int, int]]) -> Path:
    path.write_text("".join(f"{c}\t{s}\t{e}\n" for c, s, e in rows))
    return path


@pytest.fixture(scope="module")
def rows() -> list[tuple[str, int, int]]:
    rng = np.random.default_rng(8)
    return [
        ("a" if rng.random() < 0.7 else "b", start, start + int(rng.integers(30, 300)))
        for start in rng.integers(0, 49_000, 4_000).tolist()
    ]


EDGES = (50, 100, 147, 250)


def test_a_given_depth_is_shared_out_by_length(tmp_path, rows):
    with FragmentStore.build(write_rows(tmp_path / "a.tsv", rows), SIZES, KEEP, depth=450) as store:
        assert store.depth == Depth(450.0, "given")
        assert (store.density, store.per_bp) == (450.0, 0.45)
        shares = [
            sum(a <= e - s < b for _, s, e in rows) / len(rows)
            for a, b in zip(EDGES, EDGES[1:], strict=False)
        ]
        assert store.length_density(EDGES) == pytest.approx(450 * np.array(shares))
        with store.thinned(0.5, 1) as half:
            assert half.density == 450 * half.total / store.total
    for wrong in (0, -1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="must be a number above 0"):
            FragmentStore.build(tmp_path / "a.tsv", SIZES, KEEP, depth=wrong)


def test_a_depth_over_regions_counts_midpoints_once(tmp_path, rows):
    regions = [
        Interval("b", 3_000, 9_000),
        Interval("a", 5_000, 9_000),
        Interval("a", 8_000, 11_000),
    ]
    bases = {*(("a", p) for p in range(5_000, 11_000)), *(("b", p) for p in range(3_000, 9_000))}
    path = write_rows(tmp_path / "a.tsv", rows)
    with FragmentStore.build(path, SIZES, KEEP, depth=regions) as store:
        inside = [e - s for c, s, e in rows if (c, (s + e) // 2) in bases]
        assert store.depth == Depth(len(inside) / 12, "regions", 12_000, 2)
        per_kb = [
            sum(a <= n < b for n in inside) / 12 for a, b in zip(EDGES, EDGES[1:], strict=False)
        ]
        assert store.length_density(EDGES) == pytest.approx(per_kb)
    with pytest.raises(InputError, match=r"none of its 4,000 fragments has .* 1,000 bp"):
        FragmentStore.build(path, SIZES, KEEP, depth=[Interval("a", 90_000, 91_000)])


def test_classes_of_length_follow_the_rule_where_coverage_is_confined(tmp_path):
    rng = np.random.default_rng(4)
    sizes = ChromSizes({"a": 2_000_000}, "g.fa")
    rows = [
        ("a", start, start + size)
        for at in range(100_000, 2_000_000, 200_000)
        for start in rng.integers(at, at + 5_000, 600).tolist()
        for size in (int(rng.choice([60, 120, 200], p=[0.2, 0.3, 0.5])),)
    ]
    with FragmentStore.build(write_rows(tmp_path / "a.tsv", rows), sizes, KEEP) as store:
        assert store.depth.how == "confined"
        assert store.density == pytest.approx(120, rel=0.05)
        assert store.length_density((1, 1_000)) == pytest.approx([store.density])
        pieces: list[list[tuple[int, int]]] = []
        for middle, size in sorted(((s + e) // 2, e - s) for _, s, e in rows):
            if not pieces or middle - pieces[-1][-1][0] >= 1_000:
                pieces.append([])
            pieces[-1].append((middle, size))
        assert len(pieces) == store.depth.pieces == 10
        for (low, high), found in zip(
            [(50, 100), (100, 147), (147, 250)], store.length_density(EDGES), strict=True
        ):
            pairs = []
            for piece in pieces:
                bases = piece[-1][0] - piece[0][0]
                many = sum(low <= size < high for _, size in piece)
                pairs.append((many * (len(piece) - 1) / len(piece) / (bases / 1000), bases))
            assert found == pytest.approx(slow_median(pairs))


def test_python_gives_a_depth_or_regions(tmp_path, rows):
    genome = tmp_path / "g.fa"
    genome.write_text(f">a\n{'A' * 100_000}\n>b\n{'C' * 50_000}\n")
    (tmp_path / "g.fa.fai").write_text(
        "a\t100000\t3\t100000\t100001\nb\t50000\t100007\t50000\t50001\n"
    )
    path = write_rows(tmp_path / "a.tsv", rows)
    bed = write_rows(tmp_path / "r.bed", [("b", 3_000, 9_000)])
    with ct.open_fragments(path, genome, KEEP, depth=450) as store:
        assert store.density == 450
    inside = sum(c == "b" and 3_000 <= (s + e) // 2 < 9_000 for c, s, e in rows)
    for regions in (bed, "b:3,001-9,000", [Interval("b", 3_000, 9_000)]):
        with ct.open_fragments(path, genome, KEEP, depth=regions) as store:
            assert store.density == inside / 6


@pytest.mark.parametrize(
    ("text", "found"),
    [("450", 450.0), ("atac=4.5,mnase=30", {"atac": 4.5, "mnase": 30.0}), ("a=b=2", {"a=b": 2.0})],
)
def test_a_depth_as_text(text, found):
    assert parse_depth(text) == found


@pytest.mark.parametrize("text", ["", "x", "1,2", "a=", "=3", "a=1,2", "a=1,a=2", "a=1,"])
def test_no_depth_as_text(text):
    with pytest.raises(ValueError, match=r"is not a number|is neither a number"):
        parse_depth(text)


def test_a_depth_is_above_0_and_given_in_one_way():
    with pytest.raises(OptionError, match="not both"):
        SampleFiles(Path("g.fa"), depth=4, depth_regions=Path("r.bed"))
    for wrong in (0, -3, float("nan"), {"atac": 0}):
        with pytest.raises(OptionError, match="above 0"):
            SampleFiles(Path("g.fa"), depth=wrong)


# ---- At the command line.


def test_predict_takes_a_depth_and_records_it(tmp_path):
    toy = toy_genome()
    inputs = toy_inputs(tmp_path, toy)
    bed = write_rows(tmp_path / "r.bed", [("chr2", 1_000, 3_000), ("chr10", 100, 900)])
    inside = sum(
        ((toy.starts[c] + toy.ends[c]) // 2 >= s).sum()
        - ((toy.starts[c] + toy.ends[c]) // 2 >= e).sum()
        for c, s, e in [("chr2", 1_000, 3_000), ("chr10", 100, 900)]
    )
    for options, per_kb, how, line in (
        (["--depth", "45"], 45, {"how": "given"}, "45 per kb as given"),
        (["--depth", "atac=45"], 45, {"how": "given"}, "45 per kb as given"),
        (
            ["--depth-regions", str(bed)],
            inside / 2.8,
            {"how": "regions", "bases": 2_800, "regions": 2},
            "per kb over the 2.8 kb of the regions given",
        ),
        ([], None, {"how": "genome", "bases": 11_771, "regions": 4}, "per kb\n"),
    ):
        result = predict(inputs, *options, "--force")
        assert result.exit_code == 0, result.output
        assert line in result.stderr
        record = json.loads((inputs["out"] / "run.json").read_text())
        assert record["assays"]["atac"]["depth"] == how
        if per_kb is not None:
            assert record["assays"]["atac"]["per_kb"] == pytest.approx(per_kb)
        assert ("depth regions" in record["inputs"]) is ("--depth-regions" in options)
    empty = write_rows(tmp_path / "e.bed", [])
    assert "holds no BED line" in fails(inputs, "--depth-regions", str(empty))
    assert "the assays of fragments are atac" in fails(inputs, "--depth", "dnase=3")
    for usage in (
        ["--depth", "0"],
        ["--depth", "x"],
        ["--depth", "3", "--depth-regions", str(bed)],
    ):
        assert predict(inputs, *usage).exit_code == 2


def test_predict_refuses_fragments_of_one_locus(tmp_path):
    toy = toy_genome({"chr1": 200_000, "chr2": 3_000})
    for name in toy.starts:
        here = (toy.starts[name] > 60_000) & (toy.ends[name] < 63_000)
        toy.starts[name], toy.ends[name] = toy.starts[name][here], toy.ends[name][here]
    inputs = toy_inputs(tmp_path, toy)
    message = fails(inputs)
    assert "toy.fragments.tsv.gz: its fragments are confined to 1 region of 2," in message
    assert "--depth FRAGMENTS_PER_KB" in message
    assert "--depth-regions BED" in message
    assert predict(inputs, "--depth", "100").exit_code == 0


# ---- Real samples.


@pytest.fixture(scope="module")
def genome(shared_yeast):
    with Fasta(shared_yeast / "sacCer3.fa.gz") as fasta:
        yield fasta


def test_a_yeast_library_is_never_confined_however_thin(shared_yeast, genome):
    path = shared_yeast / "atac_SRR1822137.bam"
    with FragmentStore.build(path, genome.sizes) as store:
        used = [name for name, count in store.counts.items() if count]
        size = np.array([genome.sizes[name] for name in used])
        many = np.array([store.counts[name] for name in used])
        assert store.depth.how == "genome"
        # To the bit what it was when whole contigs were all that was looked at.
        assert store.density == weighted_median((many / (size / 1000))[:, None], size)[0]
        for share in (0.2, 0.02, 0.002, 0.0004):
            with store.thinned(share, 7) as thin:
                assert thin.depth.how == "genome"
                assert not thin.depth.doubt
                assert thin.density == pytest.approx(store.density * share, rel=0.3)


def test_files_of_some_contigs_have_the_density_of_those(shared_yeast, genome):
    for name in ("G2", "M"):
        path = shared_yeast / "mnase_chrII" / f"mnase_{name}.fragments.tsv.gz"
        with FragmentStore.build(path, genome.sizes) as store:
            size = genome.sizes["chrII"]
            assert store.total == store.counts["chrII"]
            assert store.depth == Depth(store.total / (size / 1000), "genome", size, 1)
    human = shared_yeast.parent / "human"
    sizes = ChromSizes({"chr22": 50_818_468}, "hg38")
    with FragmentStore.build(human / "sc_chr22.fragments.tsv.gz", sizes) as store:
        assert store.depth == Depth(store.total / 50_818.468, "genome", 50_818_468, 1)


def test_files_of_short_stretches_are_refused(shared_yeast, genome):
    """MNase-seq around motifs, and ATAC-seq within 1 kb of the promoters of a chromosome."""
    human = shared_yeast.parent / "human" / "GL1_chr1.hg19.bam"
    chr1 = ChromSizes({"chr1": 249_250_621}, "hg19")
    for path, sizes in (
        (shared_yeast / "mnase_henikoff2011.fragments.tsv.gz", genome.sizes),
        (human, chr1),
    ):
        with FragmentStore.build(path, sizes) as store:
            assert store.depth.how == "confined"
            with pytest.raises(InputError, match="too short to hold peaks and the background"):
                store.sure_depth()


def test_a_file_of_19_loci_predicts_what_the_genome_does(shared_yeast, genome):
    """States and probabilities within the loci, against another library of the whole genome."""
    model = load_model("yeast-atac")
    session = open_session(model.path, "cpu")
    with (
        FragmentStore.build(shared_yeast / "atac_nucleoatac_19loci.bam", genome.sizes) as loci,
        FragmentStore.build(shared_yeast / "atac_SRR1822137.bam", genome.sizes) as whole,
    ):
        depth = loci.sure_depth()
        assert (depth.how, depth.pieces, depth.bases) == ("confined", 19, 77_919)
        names = list(genome.sizes)
        inner = [
            Interval(names[contig], start + 1_000, start + bases - 1_000)
            for contig, start, bases in zip(
                *(loci._pieces.table[row].tolist() for row in (0, 3, 4)), strict=True
            )
        ]
        bins = region_bins(inner, genome.sizes, model.spec.grid)

        def probabilities(store: FragmentStore) -> np.ndarray:
            features = Features(model.spec.inputs, genome, {"atac": store})
            found = predict_regions(session, model.spec, features, bins, genome.sizes)
            return np.concatenate([part.probabilities for part in found], axis=1)

        mine, other = probabilities(loci), probabilities(whole)
        states = model.spec.head_slices()["states"]
        agree = (mine[states].argmax(0) == other[states].argmax(0)).mean()
        assert agree >= 0.88
        labels = [label.name for head in model.spec.heads for label in head.labels]
        for name in ("Reb1", "Htz1", "Sua7"):
            row = labels.index(name)
            assert np.corrcoef(mine[row], other[row])[0, 1] >= 0.97, name


def test_the_constants_are_those_of_the_loops():
    assert (rule.FEW, rule.MANY, rule.SHORTEST_TILE, rule.SHORTEST_GAP) == (1, 10, 2_000, 1_000)
