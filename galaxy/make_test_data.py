"""Make the small files in ``test-data/`` from ``examples/yeast``: contig chrI, and a toy model.

Run with the training extra installed: ``python galaxy/make_test_data.py``.
"""

from __future__ import annotations

import gzip
import json
import re
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pysam
import torch

from chromputer_tracks.data.features import one_hot
from chromputer_tracks.intervals import Interval
from chromputer_tracks.io.bed import read_bed
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.model.config import NetworkConfig
from chromputer_tracks.model.export import export_explain, export_network
from chromputer_tracks.model.network import Chromputer
from chromputer_tracks.options.explain import ExplainOptions
from chromputer_tracks.options.fields import SampleFiles
from chromputer_tracks.options.predict import PredictOptions
from chromputer_tracks.spec import PREDICT, HeadSpec, InputSpec, Label, ModelSpec, Normalisation
from chromputer_tracks.tracks.explain.run import explain_tracks
from chromputer_tracks.tracks.predict import predict_tracks

EXAMPLES = Path(__file__).parents[1] / "examples/yeast"
FOLDER = Path(__file__).parent / "test-data"
CONTIG = "chrI"
READ = 36
"""bp of each read of the BAM."""
SHIFT = (4, 5)
"""bp by which the fragments' ends were moved inwards, for Tn5; the BAM has them where they were."""
SITES = 4
REGION = "chrI:80,001-110,000"
"""What the packed runs are of; one of the sites lies in it."""
THINNED = 3
"""A second sample has every so many of the fragments."""
MIXED = 20
"""Fragments of each of the two names of the contig."""
EPOCH = (2026, 1, 1, 0, 0, 0)

LABELS = (
    ("S1", "Toy state 1", (90, 90, 90)),
    ("S2", "Toy state 2", (0, 120, 0)),
    ("S3", "Toy state 3", (0, 0, 200)),
    ("TF1", "Toy factor", (200, 0, 0)),
)
LEARNT = 60_000
"""bp on which the toy model's probabilities are spread."""

Row = tuple[int, int]


def main() -> None:
    """Write all files."""
    rows = list(fragments())
    fasta = write_fasta()
    (FOLDER / f"{CONTIG}.fragments.tsv").write_text(table(CONTIG, rows))
    pysam.tabix_compress(
        str(FOLDER / f"{CONTIG}.fragments.tsv"),
        str(FOLDER / f"{CONTIG}.fragments.tsv.gz"),
        force=True,
    )
    (FOLDER / f"{CONTIG}.fragments.tsv").unlink()
    mixed = FOLDER / "mixed_names.fragments.tsv"
    mixed.write_text(table("I", rows[:MIXED]) + table(CONTIG, rows[:MIXED]))
    write_bam(FOLDER / f"{CONTIG}.bam", rows)
    write_genes(FOLDER / f"{CONTIG}.genes.bed")
    sample = SampleFiles(fasta, FOLDER / f"{CONTIG}.fragments.tsv.gz")
    write_sites(sample, FOLDER / "reb1_sites.bed")
    with tempfile.TemporaryDirectory() as made:
        model = Path(made) / "toy"
        model.mkdir()
        write_model(model)
        write_runs(model, sample)
        thinned = Path(made) / "thinned.fragments.tsv"
        thinned.write_text(table(CONTIG, rows[::THINNED]))
        write_prediction(model, SampleFiles(fasta, thinned), "thinned", "thinned_run.zip")


def fragments() -> Iterator[Row]:
    """0-based start and exclusive end of the contig's fragments, sorted."""
    with pysam.TabixFile(str(EXAMPLES / "atac.fragments.tsv.gz")) as table:
        for line in table.fetch(CONTIG):
            _, start, end, *_ = line.split("\t")
            yield int(start), int(end)


def write_fasta() -> Path:
    """The contig, bgzipped and indexed."""
    plain, packed = FOLDER / f"{CONTIG}.fa", FOLDER / f"{CONTIG}.fa.gz"
    with pysam.FastaFile(str(EXAMPLES / "sacCer3.fa.gz")) as genome:
        bases = genome.fetch(CONTIG)
    lines = (bases[at : at + 60] for at in range(0, len(bases), 60))
    plain.write_text("\n".join([f">{CONTIG}", *lines]) + "\n")
    pysam.tabix_compress(str(plain), str(packed), force=True)
    plain.unlink()
    pysam.faidx(str(packed))
    return packed


def table(contig: str, rows: Iterable[Row]) -> str:
    """Lines of a fragment file, of five columns."""
    return "".join(f"{contig}\t{start}\t{end}\tbulk\t1\n" for start, end in rows)


def write_bam(path: Path, rows: Iterable[Row]) -> None:
    """Proper pairs of the fragments before the Tn5 shift, sorted, without bases."""
    with Fasta(FOLDER / f"{CONTIG}.fa.gz") as fasta:
        size = fasta.sizes[CONTIG]
    header = pysam.AlignmentHeader.from_dict(
        {
            "HD": {"VN": "1.6", "SO": "coordinate"},
            "SQ": [{"SN": CONTIG, "LN": size}],
        }
    )
    reads: list[pysam.AlignedSegment] = []
    for number, (first, last) in enumerate(rows):
        start, end = first - SHIFT[0], min(last + SHIFT[1], size)
        length = end - start
        width = min(READ, length)
        for flag, here, mate, span in (
            (0x63, start, end - width, length),
            (0x93, end - width, start, -length),
        ):
            read = pysam.AlignedSegment(header)
            read.query_name, read.flag, read.mapping_quality = f"f{number}", flag, 42
            read.reference_id = read.next_reference_id = 0
            read.reference_start, read.next_reference_start = here, mate
            read.template_length, read.cigarstring = span, f"{width}M"
            read.set_tag("MQ", 42)
            reads.append(read)
    reads.sort(key=lambda read: read.reference_start)
    with pysam.AlignmentFile(str(path), "wb", header=header) as file:
        for read in reads:
            file.write(read)


def write_genes(path: Path) -> None:
    """The contig's genes with their strands."""
    with gzip.open(EXAMPLES / "genes.refflat.gz", "rt") as file:
        rows = [line.split("\t") for line in file]
    path.write_text(
        "".join(
            f"{chrom}\t{start}\t{end}\t{name}\t0\t{strand}\n"
            for name, _, chrom, strand, start, end, *_ in rows
            if chrom == CONTIG
        )
    )


def write_model(folder: Path) -> None:
    """A toy of random weights, as a zipped folder and as one graph."""
    torch.manual_seed(4)
    torch.set_num_threads(1)
    config = NetworkConfig(
        window=600,
        motif_filters=4,
        motif_width=11,
        motif_context=11,
        sequence_channels=4,
        local_extent=150,
        local_hidden=4,
        vplot_channels=(3, 4),
        context_channels=4,
        dilations=(1,),
        hidden=4,
    )
    inputs = (
        InputSpec("sequence", "sequence"),
        InputSpec("vplot", "vplot", 10, (20, 140, 300, 700), Normalisation((1.0,)), "atac"),
    )
    with Fasta(FOLDER / f"{CONTIG}.fa.gz") as fasta:
        digest = fasta.sizes.digest()
        bases = torch.tensor(one_hot(fasta.fetch(Interval(CONTIG, 0, LEARNT))))
    network = Chromputer(inputs, 3, 1, 0, config).eval()
    with torch.no_grad():
        logits = network(bases[None], torch.zeros(1, 3, LEARNT // 10))[0][0].double()
    # Probabilities are spread evenly, so that all states and some calls come up.
    scales = [float(2 / row.std()) for row in logits]
    biases = [-scale * float(row.median()) for scale, row in zip(scales, logits, strict=True)]
    labels = [
        Label(name, title, color, scale, bias)
        for (name, title, color), scale, bias in zip(LABELS, scales, biases, strict=True)
    ]
    heads = (
        HeadSpec("states", "states", tuple(labels[:3])),
        HeadSpec("binary", "factors", tuple(labels[3:])),
    )
    spec = ModelSpec(
        "toy", config.window, config.stride, 200, inputs, heads, "sacCer3", digest, {"train": ()}
    )
    export_network(network, spec, folder)
    export_explain(network, spec, folder)
    (FOLDER / "toy_model.onnx").write_bytes((folder / PREDICT).read_bytes())
    _pack(FOLDER / "toy_model.zip", folder, folder.name)


def write_sites(sample: SampleFiles, path: Path) -> None:
    """The strongest calls of Reb1 by the shipped model."""
    with tempfile.TemporaryDirectory() as made:
        out = Path(made) / "tracks"
        predict_tracks(
            PredictOptions(model="yeast-atac", sample=sample, out=out, provider="cpu"), _Silent()
        )
        calls = read_bed(out / "binary/Reb1.bed")
    order = sorted(range(len(calls)), key=lambda row: -calls.scores[row])[:SITES]
    strongest = [list(calls)[row] for row in order]
    strongest.sort(key=lambda row: row.start)
    path.write_text(
        "".join(f"{row.chrom}\t{row.start}\t{row.end}\t{row.name}\n" for row in strongest)
    )


def write_prediction(model: Path, sample: SampleFiles, name: str, file: str) -> None:
    """A small run of ``predict``, whose folder has a name."""
    with tempfile.TemporaryDirectory() as made:
        out = Path(made) / name
        predict_tracks(
            PredictOptions(model=model, sample=sample, out=out, chroms=(REGION,), provider="cpu"),
            _Silent(),
        )
        _pack_run(out, FOLDER / file)


def write_runs(model: Path, sample: SampleFiles) -> None:
    """Small runs of ``predict`` and ``explain``, zipped as the tools do."""
    write_prediction(model, sample, CONTIG, "predict_run.zip")
    with tempfile.TemporaryDirectory() as made:
        out = Path(made) / CONTIG
        options = ExplainOptions(
            model=model,
            sample=sample,
            out=out,
            heads=("TF1",),
            regions=FOLDER / "reb1_sites.bed",
            chroms=(REGION,),
            references=2,
            provider="cpu",
        )
        explain_tracks(options, _Silent())
        _pack_run(out, FOLDER / "explain_run.zip")


def _pack_run(folder: Path, path: Path) -> None:
    """All but the arrays, and ``run.json`` without what it tells of this machine."""
    record = folder / "run.json"
    held = json.loads(record.read_text())
    held["versions"]["platform"] = "Linux"
    held["provider"]["reason"] = "asked for"
    held["model"]["path"] = "toy/predict.onnx"
    if "explain" in held["model"]:
        held["model"]["explain"]["path"] = "toy/explain.onnx"
    text = re.sub(r'"/[^"]*/', '"', json.dumps(held, indent=2))
    record.write_text(text)
    _pack(path, folder, folder.name)


def _pack(path: Path, folder: Path, name: str) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for item in sorted(folder.rglob("*")):
            if item.is_file() and item.suffix != ".npz":
                entry = zipfile.ZipInfo(f"{name}/{item.relative_to(folder)}", EPOCH)
                packed.writestr(entry, item.read_bytes(), zipfile.ZIP_DEFLATED)


class _Silent:
    """A report that says nothing."""

    def note(self, text: str) -> None:
        """Nothing."""

    def progress(self, stage: str, done: int, total: int | None, unit: str) -> None:
        """Nothing."""


if __name__ == "__main__":
    main()
