"""The table of the regions that ``predict`` was asked for, against the bigWigs of the same run."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet
import pyBigWig
import pytest
from predict_command import fails, predict, toy_inputs
from tiny_models import tiny_spec, write_linear_model
from toy_genome import toy_genome

from chromputer_tracks.errors import OptionError
from chromputer_tracks.inference.genome import region_bins
from chromputer_tracks.inference.session import load_model
from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.io.bed import read_bed
from chromputer_tracks.io.bigwig import BigWigWriter
from chromputer_tracks.options.fields import SampleFiles
from chromputer_tracks.options.predict import PredictOptions
from chromputer_tracks.spec import HeadSpec, Label
from chromputer_tracks.tracks import region_table

STRIDE = 50
COLUMNS = [
    "region", "chrom", "start", "end", "name", "head", "label", "maximum", "mean", "summit",
    "share", "called",
]  # fmt: skip

# Unsorted, overlapping, twice the same, up to a contig's end, of a single base.
PLACES = [
    ("chr2", 4_000, 4_321), ("chr1", 120, 980), ("edge", 0, 300), ("chr1", 100, 101),
    ("chr1", 500, 2_000), ("chr10", 949, 1_000), ("chr1", 120, 980), ("tiny", 36, 37),
]  # fmt: skip


def bed_rows(form: str) -> list[str]:
    """Lines of a dialect, with the name that each has."""
    rows = []
    for number, (chrom, start, end) in enumerate(PLACES):
        place = f"{chrom}\t{start}\t{end}"
        rows.append(
            {
                "bare": place,
                "class in column 5": f"{place}\tpeak {number}\tpromoter\t+",
                "scores over 1000": f"{place}\tpeak {number}\t{1_500 + number}",
                "narrowPeak": f"{place}\tpeak {number}\t9999\t.\t3.5\t4.25\t-1\t{number % 2 - 1}",
            }[form]
        )
    return rows


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model of states, binary and continuous labels."""
    folder = tmp_path_factory.mktemp("table")
    toy = toy_genome()
    found = toy_inputs(folder, toy)
    spec = tiny_spec(sizes_digest=toy.sizes.digest())
    signal = HeadSpec("continuous", "signal", (Label("H3", "H3", (0, 0, 0), 0.02),), "log")
    model = write_linear_model(
        folder / "linear",
        tiny_spec(name="linear", heads=(*spec.heads, signal), sizes_digest=toy.sizes.digest()),
    )
    return found | {"model": model}


def expected(out: Path, spec_heads: tuple[HeadSpec, ...], sizes: ChromSizes) -> list[dict]:
    """Rows by loops over the bigWigs' bases."""
    tracks = {}
    for head in spec_heads:
        for label in head.labels:
            folder = "states" if head.kind == "states" else head.name
            with pyBigWig.open(str(out / folder / f"{label.name}.bw")) as file:
                for chrom, size in file.chroms().items():
                    tracks[label.name, chrom] = file.values(chrom, 0, size)
    rows = []
    for number, (chrom, start, end) in enumerate(PLACES, 1):
        states = [
            label.name for head in spec_heads if head.kind == "states" for label in head.labels
        ]
        most = [
            max(states, key=lambda name: (tracks[name, chrom][base], -states.index(name)))
            for base in range(start, end)
        ]
        for head in spec_heads:
            for label in head.labels:
                values = tracks[label.name, chrom]
                low = start // STRIDE * STRIDE
                high = min(-(-end // STRIDE) * STRIDE, sizes[chrom])
                largest = max(values[low:high])
                bin_start = values.index(largest, low) // STRIDE * STRIDE
                share = most.count(label.name) / (end - start) if head.kind == "states" else None
                called = None
                if head.kind == "binary":
                    called = largest >= label.threshold
                if head.kind == "states":
                    winner = max(states, key=lambda name: (most.count(name), -states.index(name)))
                    called = winner == label.name
                rows.append(
                    {
                        "region": number, "chrom": chrom, "start": start, "end": end,
                        "head": head.name, "label": label.name, "maximum": largest,
                        "mean": math.fsum(values[start:end]) / (end - start),
                        "summit": (bin_start + min(bin_start + STRIDE, sizes[chrom])) // 2,
                        "share": share, "called": called,
                    }
                )  # fmt: skip
    return rows


def check(rows: list[dict], found: list[dict], names: list[str | None]) -> None:
    assert len(found) == len(rows)
    for row, other in zip(rows, found, strict=True):
        assert list(other) == COLUMNS
        # Text has the digits that tell a 32-bit float.
        other["maximum"] = float(np.float32(other["maximum"]))
        assert other.pop("name") == names[row["region"] - 1]
        for key in ("mean", "share"):
            assert other.pop(key) == (
                None if row[key] is None else pytest.approx(row[key], abs=1e-6)
            )
        assert other == {key: value for key, value in row.items() if key not in ("mean", "share")}


def as_rows(table: pd.DataFrame) -> list[dict]:
    return [
        {key: None if pd.isna(value) else value for key, value in row.items()}
        for row in table.astype(object).to_dict("records")
    ]


@pytest.mark.parametrize("form", ["bare", "class in column 5", "scores over 1000", "narrowPeak"])
def test_the_table_says_what_the_tracks_do(inputs, tmp_path, form):
    spec = load_model(inputs["model"]).spec
    bed = tmp_path / "peaks.bed"
    bed.write_text("".join(f"{row}\n" for row in bed_rows(form)))
    sizes = toy_genome().sizes
    names = [None if form == "bare" else f"peak {number}" for number in range(len(PLACES))]
    for options, file in (([], "regions.tsv"), (["--table", "mine.parquet"], "mine.parquet")):
        run = inputs | {"out": tmp_path / file}
        result = predict(run, "--regions", str(bed), *options)
        assert result.exit_code == 0, result.output
        assert f"{file}: 48 rows, one for each of 8 regions and label" in result.stderr
        rows = expected(run["out"], spec.heads, sizes)
        assert len({row["label"] for row in rows}) * len(PLACES) == len(rows) == 48
        assert {row["called"] for row in rows} == {True, False, None}
        if file.endswith(".tsv"):
            table = pd.read_csv(run["out"] / file, sep="\t", dtype={"name": object})
            check(rows, as_rows(table), names)
        else:
            found = pyarrow.parquet.read_table(run["out"] / file)
            assert found.schema.equals(region_table.SCHEMA)
            check(rows, found.to_pylist(), names)
            assert pd.read_parquet(run["out"] / file).shape == (48, 12)
        assert not (run["out"] / "regions.tsv").exists() or file == "regions.tsv"


def test_long_runs_are_read_in_parts(tmp_path, monkeypatch):
    """Values of a contig's bins, of whatever is read at once."""
    rng = np.random.default_rng(3)
    sizes = ChromSizes({"a": 60_020, "b": 9_000}, "g.fa")
    spec = tiny_spec(heads=(HeadSpec("binary", "f", (Label("X", "X", (0, 0, 0), threshold=0.9),)),))
    path = tmp_path / "x.bw"
    values = {
        name: rng.random(-(-size // STRIDE), dtype=np.float32) for name, size in sizes.items()
    }
    with BigWigWriter(path, sizes, STRIDE) as writer:
        for name, size in sizes.items():
            writer.add(name, 0, size, values[name])
    bed = tmp_path / "r.bed"
    regions = [("a", 0, 60_020), ("b", 10, 8_990), ("a", 60_001, 60_020), ("b", 4_999, 5_001)]
    regions += [("a", int(at), int(at) + 700) for at in rng.integers(0, 59_000, 30)]
    bed.write_text("".join(f"{c}\t{s}\t{e}\n" for c, s, e in regions))
    table = read_bed(bed, sizes)
    for most, near in ((1, 0), (7, 3), (1 << 15, 40)):
        monkeypatch.setattr(region_table, "_MOST", most)
        monkeypatch.setattr(region_table, "_NEAR", near)
        monkeypatch.setattr(region_table, "_ROWS", most)
        bins = region_bins([record.interval for record in table], sizes, spec.grid)
        out = tmp_path / "t.parquet"
        assert region_table.write_region_table(out, [path], spec, table, bins, sizes) == len(
            regions
        )
        found = pyarrow.parquet.read_table(out).to_pylist()
        for row, (chrom, start, end) in zip(found, regions, strict=True):
            here = values[chrom][start // STRIDE : -(-end // STRIDE)]
            each = np.repeat(values[chrom].astype(float), STRIDE)[start:end]
            assert row["maximum"] == here.max()
            assert row["mean"] == pytest.approx(each.mean(), rel=1e-6)
            first = (start // STRIDE + int(here.argmax())) * STRIDE
            assert row["summit"] == (first + min(first + STRIDE, sizes[chrom])) // 2
            assert (row["called"], row["share"]) == (bool(here.max() >= np.float32(0.9)), None)


def test_what_a_table_cannot_be(inputs, tmp_path):
    bed = tmp_path / "peaks.bed"
    bed.write_text("chr1\t5\t90\n")
    given = {"out": tmp_path / "out", "model": "m", "sample": SampleFiles(tmp_path / "g.fa")}
    for name in ("x.csv", "a/b.tsv", ".tsv", "..parquet", "x", "C:\\x.tsv"):
        with pytest.raises(OptionError, match="is not the name of a file in the folder"):
            PredictOptions(**given, regions=bed, table=name)
    with pytest.raises(OptionError, match="give these, too"):
        PredictOptions(**given, table="x.tsv")
    assert predict(inputs, "--table", "x.tsv").exit_code == 2
    assert not predict(inputs, "--chrom", "tiny").exit_code
    assert not (inputs["out"] / "regions.tsv").exists()
    bed.write_text("chr1\t5\t90\nchr9\t1\t2\n")
    assert "chr9" in fails(inputs, "--regions", str(bed), "--force")
