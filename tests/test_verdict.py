"""Whether a sample is fit for a model: limits on constructed samples, verdicts on real ones."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
from predict_command import fails, predict, toy_inputs
from tiny_models import tiny_spec
from toy_genome import toy_genome
from typer.testing import CliRunner

from chromputer_tracks.cli.main import app
from chromputer_tracks.data.fitness import Bases, TssProfile
from chromputer_tracks.data.verdict import (
    Asked,
    Look,
    count_asked,
    expected_accuracy,
    judge,
    length_distance,
    look_at,
    preferences,
    refuse,
    sentences,
    summary,
)
from chromputer_tracks.errors import InputError
from chromputer_tracks.inference.session import load_model
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.depth import Depth
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.io.fragments import FragmentOptions
from chromputer_tracks.io.record import RunRecord, Verdict
from chromputer_tracks.records import to_plain
from chromputer_tracks.spec import DepthAccuracy, Fitness, SampleProfile

SIZES = ChromSizes({"chr1": 1_000_000, "chr2": 500_000, "short": 300, "chrM": 16_000}, "g.fa")
FLANK = 16
RNG = np.random.default_rng(8)
SHARES = RNG.dirichlet((8, 8, 8, 8), 2 * FLANK + 1)
"""Shares of the bases around the cut sites of an enzyme."""


def bases(shares=SHARES, left=0, right=0, number=100_000):
    """As if the cut sites lay so far from the ends."""
    sides = [np.roll(shares, by, axis=0) for by in (left, right)]
    return Bases(np.rint(np.stack(sides) * number).astype(np.int64), np.ones(25, dtype=np.int64))


def lengths(mean=100.0):
    counts = np.zeros(1001, dtype=np.int64)
    x = np.arange(20, 600)
    counts[20:600] = np.rint(4e4 * np.exp(-x / mean))
    return counts


def shares_of(counts):
    found = np.append(counts[:1000].reshape(-1, 10).sum(axis=1), counts[1000])
    return tuple(found / found.sum())


def depth_of(per_kb, how="genome", **more):
    return Depth(per_kb, how, **more)


def look(**changes):
    if isinstance(changes.get("depth"), int | float):
        changes["depth"] = depth_of(changes["depth"])
    counts = {"chr1": 20_000, "chr2": 10_000, "short": 0, "chrM": 1000}
    made = Look(
        "a.bam",
        SIZES,
        31_000,
        depth_of(20.0),
        counts,
        lengths(),
        bases(),
        900,
        800.0,
        1000 / 31_000,
    )
    return dataclasses.replace(made, **changes)


DEPTHS = (
    DepthAccuracy(1, 20, (0.8, 0.75, 0.85), (0.6, 0.5, 0.7), (0.5, 0.4, 0.6)),
    DepthAccuracy(0.5, 10, (0.78, 0.7, 0.8), (0.52, 0.4, 0.6), (0.45, 0.3, 0.5)),
    DepthAccuracy(0.1, 2, (0.7, 0.6, 0.8), (0.3, 0.2, 0.4), (0.35, 0.3, 0.5)),
)


@pytest.fixture(scope="module")
def spec():
    profile = SampleProfile(
        31_000,
        20.0,
        shares_of(lengths()),
        tuple(map(tuple, SHARES[FLANK - 10 : FLANK + 11])),
        3.0,
        0.03,
    )
    fitness = Fitness(("chr2",), {"atac": profile}, DEPTHS)
    return tiny_spec(sizes_digest=SIZES.digest(), fitness=fitness)


def levels(verdict: Verdict) -> dict[str, str]:
    return {item.subject: item.level for item in verdict.findings if item.level != "ok"}


def told(verdict: Verdict, subject: str) -> str:
    return next(item.text for item in verdict.findings if item.subject == subject)


def test_a_sample_as_the_training_sample_is_fit(spec):
    verdict = judge(look(), spec)
    assert (verdict.level, levels(verdict)) == ("ok", {})
    assert [item.subject for item in verdict.findings] == (
        ["genome", "kind", "lengths", "ends", "depth", "contigs", "mitochondria"]
    )
    assert summary(verdict, "m") == (
        "sample: fit for m; at 20 fragments per kb expect 80% of the states right, macro-F1 0.60, "
        "mean AUPRC 0.50 (as on held-out chr2)"
    )
    assert sentences(verdict, "m", "atac") == [f"atac: {summary(verdict, 'm')}"]
    refuse(verdict, "m", "a.bam")


def test_accuracy_goes_with_the_logarithm_of_the_depth():
    found = expected_accuracy(DEPTHS, math.sqrt(10 * 20), ("chr2",))
    assert found.accuracy == pytest.approx((0.8 + 0.78) / 2)
    assert found.macro_f1 == pytest.approx((0.6 + 0.52) / 2)
    assert expected_accuracy(DEPTHS, 10, ()).auprc == 0.45
    weight = math.log(5 / 2) / math.log(10 / 2)
    assert expected_accuracy(DEPTHS, 5, ()).accuracy == pytest.approx(0.7 + weight * 0.08, abs=1e-4)
    assert expected_accuracy(DEPTHS, 900, ()).accuracy == 0.8
    assert expected_accuracy(DEPTHS, 1.99, ()) is None
    assert expected_accuracy((), 5, ()) is None
    binary = tuple(dataclasses.replace(item, accuracy=None, macro_f1=None) for item in DEPTHS)
    assert expected_accuracy(binary, 20, ()).accuracy is None


@pytest.mark.parametrize(
    ("depth", "level", "words"),
    [
        (81, "warning", "4 times the training sample's and more than the model was measured on (2"),
        (79, None, "within what the model was measured on (2 to 20)"),
        # At 8 per kb the macro-F1 is 0.49, below the interval of 0.5 to 0.7 at full depth.
        (10, None, ""),
        (8, "warning", "the states' macro-F1 falls from 0.60 to 0.49;"),
        (2, "warning", "(10 per kb lose nothing that could be measured)"),
        (1.9, "unfit", "thinner than anything that the model was measured on (2 to 20)"),
    ],
)
def test_depth(spec, depth, level, words):
    verdict = judge(look(depth=depth), spec)
    assert levels(verdict).get("depth") == level
    assert words in told(verdict, "depth")
    assert (verdict.expected is None) == (level == "unfit")


def test_lengths_against_training(spec):
    profile = spec.fitness.samples["atac"]
    distance, noise = length_distance(lengths(170), profile)
    one, other = np.array(shares_of(lengths(170))), np.array(profile.lengths)
    assert distance == pytest.approx(np.maximum(one - other, 0).sum())
    assert noise < 0.005
    drawn = np.random.default_rng(1).multinomial(300, lengths() / lengths().sum(), 200)
    far = [length_distance(row, profile) for row in drawn]
    assert np.mean([row[0] for row in far]) == pytest.approx(far[0][1], rel=0.1)
    assert levels(judge(look(lengths=lengths(170)), spec)) == {"lengths": "warning"}
    assert levels(judge(look(lengths=lengths(120)), spec)) == {}
    long = np.roll(lengths(), 250)
    assert levels(judge(look(lengths=long), spec)) == {"kind": "unfit", "lengths": "unfit"}


@pytest.mark.parametrize(
    ("left", "right", "words"),
    [
        (4, 5, "are not shifted by +4/-5 bp"),
        (-4, -5, "are shifted twice by +4/-5 bp"),
        (3, 3, "make the fragments anew"),
        (0, 1, None),
    ],
)
def test_where_fragments_end(spec, left, right, words):
    verdict = judge(look(bases=bases(left=left, right=right)), spec)
    assert levels(verdict) == ({} if words is None else {"ends": "warning"})
    assert (words or "fragments end where") in told(verdict, "ends")
    rows = preferences(bases(left=left, right=right), spec.fitness.samples["atac"])
    assert [int(row.argmax()) - 6 for row in rows] == [left, right]


def test_another_enzyme_or_nucleosomes_alone(spec):
    other = np.random.default_rng(3).dirichlet((8, 8, 8, 8), 2 * FLANK + 1)
    verdict = judge(look(bases=bases(other)), spec)
    assert levels(verdict) == {"kind": "unfit"}
    assert told(verdict, "kind").startswith("this is no ATAC-seq: the bases at its cut sites corr")
    assert verdict.expected is None
    few = bases(other, number=900)
    assert levels(judge(look(bases=few), spec)) == {}
    cut = lengths()
    cut[:100] = 0
    # Without a profile, the name of the assay says what to expect.
    assert levels(judge(look(lengths=cut))) == {"kind": "unfit"}
    assert levels(judge(look(lengths=cut), assay="mnase")) == {}


def test_intervals_that_are_no_fragments(spec):
    grid = np.zeros(1001, dtype=np.int64)
    grid[[200, 400, 600]] = 50
    alike = lengths()
    alike[50] = alike.sum() // 3
    for changes, words in (
        ({"lengths": grid}, "the lengths of all 150 intervals are multiples of 200 bp"),
        ({"lengths": alike}, "25% of the intervals are 50 bp long"),
        ({"overlaps": 0}, "no interval overlaps the next, where 800 of the pairs"),
    ):
        verdict = judge(look(**changes), spec)
        assert levels(verdict) == {"kind": "unfit"}
        assert words in told(verdict, "kind")
        assert len(verdict.findings) == 2
    assert levels(judge(look(overlaps=0, by_chance=19), spec)) == {}
    grid[200] = 0
    grid[[400, 600]] = 49
    assert judge(look(lengths=grid)).level == "ok"  # too few to tell


def test_contigs_without_fragments(spec):
    counts = {"chr1": 20_000, "chr2": 0, "short": 0, "chrM": 9}
    verdict = judge(look(counts=counts), spec)
    assert levels(verdict) == {"contigs": "warning"}
    assert told(verdict, "contigs").startswith("no fragment on 1 contig (chr2; 33% of the bases")
    elsewhere = {"chr1": Asked(1000, 4), "chrM": Asked(500, 0)}
    assert levels(judge(look(counts=counts), spec, asked=elsewhere)) == {}
    asked = judge(look(counts=counts), spec, asked={"chr2": Asked(50, 0)})
    assert levels(asked) == {"contigs": "unfit"}
    assert "a.bam has no fragment where tracks were asked for (chr2)" in told(asked, "contigs")
    # 20 per kb: 499 bp may hold none by chance, 500 may not.
    for bases_, found in ((499, {}), (500, {"contigs": "unfit"})):
        assert levels(judge(look(), spec, asked={"chr1": Asked(bases_, 0)})) == found


@pytest.fixture
def sample_of_one(tmp_path):
    rows = tmp_path / "one.tsv"
    rows.write_text("".join(f"chr1\t{at}\t{at + 90 + at % 7}\n" for at in range(0, 4000, 20)))
    with FragmentStore.build(rows, ChromSizes({"chr1": 5000, "chr2": 900})) as store:
        yield store


def test_fragments_of_the_regions_asked_for(sample_of_one):
    regions = [Interval("chr1", 100, 200), Interval("chr2", -50, 40), Interval("chr1", 0, 30)]
    middles = [at + (90 + at % 7) // 2 for at in range(0, 4000, 20)]
    inside = sum(100 <= at < 200 or 0 <= at < 30 for at in middles)
    found = count_asked(sample_of_one, regions)
    assert found == {"chr1": Asked(130, inside), "chr2": Asked(90, 0)}


def test_confined_coverage_and_a_depth_in_doubt(spec):
    confined = depth_of(19.0, "confined", bases=1500, pieces=3)
    verdict = judge(look(depth=confined), spec)
    assert levels(verdict) == {"coverage": "warning"}
    words = "coverage is confined to 1.5 kb in 3 regions (0.10% of the genome)"
    assert told(verdict, "coverage").startswith(words)
    asked = {"chr1": Asked(900, 20)}
    assert levels(judge(look(depth=confined), spec, asked=asked)) == {}
    doubt = depth_of(19.0, "confined", bases=1500, pieces=3, doubt="it is too uneven")
    verdict = judge(look(depth=doubt), spec, asked=asked)
    assert levels(verdict) == {"depth": "unfit"}
    assert told(verdict, "depth").startswith("it is too uneven: give the depth by --depth")


def test_mitochondria_blacklist_and_start_sites(spec):
    assert levels(judge(look(mitochondrial=0.31), spec)) == {"mitochondria": "warning"}
    verdict = judge(look(mitochondrial=None), spec, blacklisted=0.05)
    assert levels(verdict) == {}
    assert told(verdict, "blacklist") == "5.0% of the fragments lie in the blacklist"
    assert levels(judge(look(), spec, blacklisted=0.21)) == {"blacklist": "warning"}
    cuts = np.full(4001, 10)
    flat = TssProfile(50, cuts, np.ones((20, 40), dtype=np.int64))
    assert levels(judge(look(), spec, tss=flat)) == {"tss": "warning"}
    cuts = cuts.copy()
    cuts[1900:2101] = 25
    high = TssProfile(50, cuts, np.ones((20, 40), dtype=np.int64))
    verdict = judge(look(), spec, tss=high)
    assert levels(verdict) == {}
    assert told(verdict, "tss") == "TSS enrichment 2.50 (training sample: 3.00)"


def test_another_genome_has_no_known_accuracy(spec):
    verdict = judge(look(), dataclasses.replace(spec, sizes_digest="0" * 64))
    assert levels(verdict) == {"genome": "warning"}
    assert verdict.expected is None
    # Commands tell of it before they open the sample.
    assert sentences(verdict, "m") == ["sample: fit in part for m"]


def test_a_model_without_a_profile(spec):
    verdict = judge(look(), dataclasses.replace(spec, fitness=None))
    assert (verdict.level, verdict.compared) == ("ok", False)
    assert summary(verdict, "m") == (
        "sample: nothing was found against it; m brings no profile of its training sample to "
        "compare with"
    )


def test_strict_names_all_faults(spec):
    verdict = judge(look(depth=1, lengths=lengths(170)), spec)
    lines = sentences(verdict, "m")
    assert lines[0].startswith("warning: unfit, depth: 1 fragments per kb, thinner than")
    assert lines[1].startswith("warning: lengths: fragment lengths differ")
    assert lines[2].startswith("sample: unfit for m, no accuracy can be expected")
    with pytest.raises(InputError, match=r"^a\.bam is not fit for model m.*\(1\) 1 frag.*\(2\) fr"):
        refuse(verdict, "m", "a.bam")


def test_predict_tells_records_and_refuses(tmp_path, monkeypatch):
    toy = toy_genome()
    inputs = toy_inputs(tmp_path, toy)
    result = predict(inputs)
    assert result.exit_code == 0, result.output
    line = "sample: nothing was found against it; tiny brings no profile of its training sample"
    assert line in result.stderr
    record = RunRecord.read(inputs["out"])
    assert record.verdicts["atac"].level == "ok"
    plain = json.loads((inputs["out"] / "run.json").read_text())["verdicts"]["atac"]
    assert plain == to_plain(record.verdicts["atac"])
    assert "judging the sample" in record.stages["phases"]
    assert "strict" not in record.options
    # A file without a fragment on the contig that is asked for.
    rows = tmp_path / "one.tsv"
    rows.write_text("".join(f"chr1\t{at}\t{at + 90 + at % 7}\n" for at in range(0, 6000, 20)))
    inputs |= {"fragments": rows, "out": tmp_path / "one"}
    message = fails(inputs, "--chrom", "chr2", "--strict")
    assert "one.tsv is not fit for model tiny, and --strict was given: (1) one.tsv has" in message
    assert "has no fragment where tracks were asked for (chr2): nothing can be said" in message
    result = predict(inputs, "--chrom", "chr2")
    assert result.exit_code == 0
    assert "warning: unfit, contigs: one.tsv has no fragment where" in result.stderr
    assert RunRecord.read(inputs["out"]).verdicts["atac"].level == "unfit"


REAL = {
    "atac_SRR1822137.bam": ("ok", {}),
    "atac_nucleoatac_19loci.bam": (
        "warning",
        {"depth": "warning", "contigs": "warning", "coverage": "warning"},
    ),
    "mnase_chrII/mnase_G2.fragments.tsv.gz": (
        "unfit",
        {"kind": "unfit", "lengths": "unfit", "depth": "warning", "contigs": "warning"},
    ),
    "mnase_henikoff2011.fragments.tsv.gz": (
        "unfit",
        {"kind": "unfit", "lengths": "warning", "depth": "unfit", "coverage": "warning"},
    ),
    "states8.bed": ("unfit", {"kind": "unfit"}),
    # The BAM's fragments, whose ends lie where the aligner saw them.
    "atac_SRR1822137.fragments.tsv.gz": ("warning", {"ends": "warning"}),
}


@pytest.fixture(scope="module")
def yeast(shared_yeast):
    """The genome, the shipped model's spec, and the verdict on 5 % of its training sample."""
    spec = load_model("yeast-atac").spec
    with Fasta(shared_yeast / "sacCer3.fa.gz") as fasta:
        with FragmentStore.build(shared_yeast / "atac_SRR1822137.bam", fasta.sizes) as store:
            with store.thinned(0.05, 0) as thin:
                five = judge(look_at(thin, fasta), spec)
        yield fasta, spec, five


@pytest.mark.parametrize("name", REAL)
def test_real_samples(shared_yeast, yeast, name):
    fasta, spec, _ = yeast
    with FragmentStore.build(shared_yeast / name, fasta.sizes) as store:
        verdict = judge(look_at(store, fasta), spec)
    level, found = REAL[name]
    assert levels(verdict) == found
    assert verdict.level == level


def test_five_per_cent_of_the_training_sample(yeast):
    _, spec, verdict = yeast
    assert levels(verdict) == {"depth": "warning"}
    measured = next(item for item in spec.fitness.depths if item.share == 0.05)
    assert verdict.expected.accuracy == pytest.approx(measured.accuracy[0], abs=0.002)


def test_ends_shifted_twice(shared_yeast, yeast, tmp_path):
    fasta, spec, _ = yeast
    rows = tmp_path / "shifted.tsv"
    with FragmentStore.build(shared_yeast / "atac_nucleoatac_19loci.bam", fasta.sizes) as store:
        rows.write_text(
            "".join(
                f"{name}\t{middle - size // 2}\t{middle - size // 2 + size}\n"
                for name, (middles, sizes) in store.stretches(fasta.sizes, 1000, 1000)
                for middle, size in zip(middles.tolist(), sizes.tolist(), strict=True)
            )
        )
    for shift, expected in ((False, None), (True, "shifted twice")):
        options = FragmentOptions(tn5_shift=shift)
        with FragmentStore.build(rows, fasta.sizes, options) as store:
            verdict = judge(look_at(store, fasta), spec)
        assert (expected or "fragments end where") in told(verdict, "ends")


def test_hub_and_view_tell_the_verdict_again(tmp_path):
    inputs = toy_inputs(tmp_path, toy_genome())
    rows = tmp_path / "one.tsv"
    rows.write_text("".join(f"chr1\t{at}\t{at + 90 + at % 7}\n" for at in range(0, 6000, 20)))
    assert predict(inputs | {"fragments": rows, "out": tmp_path / "good"}).exit_code == 0
    bad = inputs | {"fragments": rows, "out": tmp_path / "bad"}
    assert predict(bad, "--chrom", "chr2").exit_code == 0
    told = "bad (atac): unfit for tiny, no accuracy can be expected; do not use such tracks"
    hub = ["hub", str(bad["out"]), "--assembly", "toy", "--any-assembly", "--email", "a@b.org"]
    result = CliRunner().invoke(app, [*hub, "--out", str(tmp_path / "hub")])
    assert result.exit_code == 0, result.output
    assert f"warning: {told}; contigs: one.tsv has no fragment" in result.stderr
    overview = (tmp_path / "hub" / "hub.html").read_text()
    assert "<li><b>bad</b> (atac): unfit for tiny, no accuracy can be expected" in overview
    assert "<li>unfit, contigs: one.tsv has no fragment" in overview
    page = (tmp_path / "hub" / "toy" / "states.html").read_text()
    assert "<p><b>bad</b> (atac): unfit for tiny" in page
    session = ["view", "--sample", f"bad={bad['out']}", "--write-session", str(tmp_path / "view")]
    result = CliRunner().invoke(app, session)
    assert result.exit_code == 0, result.output
    assert f"warning: {told}" in result.stderr
