"""Chromatin states at ATAC-seq peaks: the shipped network against gradient boosting.

python benchmarks/states_at_peaks.py MODEL --config models/yeast-atac.toml --data DATA

Both see the same fragments and are scored on the same held-out sites. The reference is
scikit-learn's histogram gradient boosting on a coarse V-plot of 4 length classes by 40 position
bins of 50 bp around each peak, fitted on the training contigs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import f1_score

from chromputer_tracks.data.features import FragmentSource
from chromputer_tracks.data.labels import UNKNOWN
from chromputer_tracks.data.vplot import vplot
from chromputer_tracks.evaluation.bootstrap import bootstrap
from chromputer_tracks.evaluation.sites import BLOCK
from chromputer_tracks.inference.registry import load_model
from chromputer_tracks.inference.session import open_session
from chromputer_tracks.intervals import Interval
from chromputer_tracks.io.fragment_batch import FragmentOptions
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.model.config_file import load_config
from chromputer_tracks.model.sources import open_sources

LENGTHS = (20, 100, 180, 300, 700)
BIN, WINDOW = 50, 2000
SPACING = 500


def peaks(store: FragmentSource, chrom: str, size: int) -> NDArray[np.int64]:
    """Maxima of sub-nucleosomal fragment midpoints in 200 bp, thrice the genome's density."""
    midpoints, lengths = store.midpoints(Interval(chrom, 0, size))
    counts = np.bincount(midpoints[lengths < LENGTHS[1]] // 10, minlength=size // 10 + 1)
    smooth = np.convolve(counts, np.ones(20), mode="same")
    floor = 3 * max(1.0, float(np.mean(smooth)))
    found: list[int] = []
    taken = np.zeros(len(smooth), dtype=bool)
    reach = SPACING // 10
    for at in np.argsort(-smooth, kind="stable"):
        if smooth[at] < floor:
            break
        if not taken[at]:
            found.append(int(at) * 10 + 5)
            taken[max(0, at - reach) : at + reach] = True
    return np.array(sorted(found), dtype=np.int64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--config", type=Path, default=Path("models/yeast-atac.toml"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    args = parser.parse_args()
    config = load_config(args.config, args.data)
    model = load_model(args.model)
    session = open_session(model.path, "cpu")
    options = FragmentOptions(min_mapq=config.data.min_mapq)
    number = sum(len(head.labels) for head in model.spec.heads if head.kind == "states")
    with (
        open_sources(config) as sources,
        FragmentStore.build(config.data.fragments, sources.sizes, options) as store,
    ):
        sets = {}
        for use in ("train", "test"):
            plots, windows, states, blocks = [], [], [], []
            for index, chrom in enumerate(getattr(config.splits, use)):
                centres = peaks(store, chrom, sources.sizes[chrom])
                labels, _ = sources.scored.at(chrom, centres)
                for centre, state in zip(centres, labels, strict=True):
                    if state == UNKNOWN:
                        continue
                    around = Interval.centred(chrom, int(centre), WINDOW)
                    plots.append(vplot(*store.midpoints(around), around, BIN, LENGTHS).ravel())
                    states.append(state)
                    blocks.append(index * 10**6 + centre // BLOCK)
                    if use == "test":
                        windows.append(sources.features.arrays(around))
            sets[use] = (np.array(plots), windows, np.array(states), np.array(blocks))
    forest = HistGradientBoostingClassifier(random_state=1, max_iter=100, learning_rate=0.05)
    plots, _, states, _ = sets["train"]
    forest.fit(plots, states)
    majority = int(np.bincount(states).argmax())
    plots, windows, truth, blocks = sets["test"]
    logits = [session.run({k: v[None] for k, v in each.items()})[0, :number, 0] for each in windows]
    called = {
        "majority class": np.full(len(truth), majority),
        "gradient boosting": forest.predict(plots),
        model.name: np.array(logits).argmax(axis=1),
    }
    _, blocks = np.unique(blocks, return_inverse=True)
    print(f"{len(states):,} training and {len(truth):,} test peaks, {number} states")
    print(f"{'':20} {'accuracy':24} macro-F1")
    for name, guess in called.items():
        scores = [
            bootstrap(blocks, lambda i, g=guess: float((g[i] == truth[i]).mean())),
            bootstrap(
                blocks,
                lambda i, g=guess: float(
                    f1_score(truth[i], g[i], average="macro", zero_division=0)
                ),
            ),
        ]
        print(f"{name:20}", *(f"{s.value:.3f} [{s.low:.3f}, {s.high:.3f}]    " for s in scores))


if __name__ == "__main__":
    main()
