"""How much of a site's importance the bases of a known motif hold, against shifted places.

python benchmarks/motif_share.py MODEL DATA [--label Reb1]

The sites are ChIP-exo peaks on the model's test contigs within 50 bp of a motif match that was made
without the model (``reb1_motifs.bed``, ``abf1_motifs.bed``).
"""

from __future__ import annotations

import argparse
import json
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.cli.console import Reporter
from chromputer_tracks.evaluation.metrics import bootstrap
from chromputer_tracks.inference.explain import Method, head_weights, open_explainer
from chromputer_tracks.inference.sample import open_sample
from chromputer_tracks.inference.session import load_model
from chromputer_tracks.intervals import Interval
from chromputer_tracks.io.bed import read_bed
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.options.fields import SampleFiles

NEAR = 50
CENTRE = 200
METHODS: tuple[Method, ...] = ("deeplift", "gradient*input")


def shares(importance: NDArray[np.float32], motif: NDArray[np.bool_]) -> dict[str, float]:
    """The motif's share of a window's importance, by several measures."""
    size, middle = (
        abs(importance),
        slice(len(motif) // 2 - CENTRE // 2, len(motif) // 2 + CENTRE // 2),
    )
    return {
        "net": float(importance[motif].sum() / importance.sum()),
        "absolute, 200 bp": float(size[middle][motif[middle]].sum() / size[middle].sum()),
        "absolute, window": float(size[motif].sum() / size.sum()),
        "squared, window": float((size[motif] ** 2).sum() / (size**2).sum()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("data", type=Path, help="folder that holds yeast/")
    parser.add_argument("--label", default="Reb1")
    args = parser.parse_args()
    yeast = args.data / "yeast"
    model = load_model(args.model)
    weights = head_weights(model.spec, args.label)
    rng = np.random.default_rng(0)
    with ExitStack() as stack:
        reporter = stack.enter_context(Reporter())
        fasta = stack.enter_context(Fasta(yeast / "sacCer3.fa.gz"))
        files = SampleFiles(fasta.path, yeast / "atac_SRR1822137.fragments.tsv.gz")
        features = open_sample(stack, model, fasta, files, reporter).features
        test = model.spec.splits["test"]
        peaks, motifs = (
            [r.interval for r in read_bed(yeast / name, fasta.sizes) if r.interval.chrom in test]
            for name in (f"peaks/{args.label}.bed", f"{args.label.lower()}_motifs.bed")
        )
        windows, masks = [], []
        for peak in peaks:
            near = [m for m in motifs if m.chrom == peak.chrom]
            best = min(near, key=lambda m: abs(m.centre - peak.centre))
            if abs(best.centre - peak.centre) <= NEAR:
                window = Interval.centred(peak.chrom, peak.centre, model.spec.window)
                place = np.arange(window.start, window.end)
                windows.append(window)
                masks.append((place >= best.start) & (place < best.end))
        blocks = np.unique(
            [f"{w.chrom}:{w.centre // 20_000}" for w in windows], return_inverse=True
        )
        result = {
            "label": args.label,
            "peaks": len(peaks),
            "sites": len(windows),
            "bases of the motif": float(np.mean([mask.sum() for mask in masks])),
        }
        for method in METHODS:
            explainer = open_explainer(model, method)
            rows = []
            for first, _, found in explainer.stream(features, windows, weights):
                for row, importance in enumerate(found.sequence):
                    mask = masks[first + row]
                    moved = np.roll(mask, rng.integers(50, len(mask) - 50))
                    rows.append([shares(importance, mask), shares(importance, moved)])
            for measure in rows[0][0]:
                for place, name in enumerate(("motif", "shifted")):
                    values = np.array([row[place][measure] for row in rows])
                    found = bootstrap(blocks[1], lambda sites, v=values: float(np.median(v[sites])))
                    result[f"{method}, {measure}, {name}"] = (
                        f"{found.value:.4f} [{found.low:.4f}, {found.high:.4f}]"
                    )
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
