"""Explaining by ``explain.onnx`` against Captum, tangermeme, torch and in-silico mutagenesis.

python benchmarks/explain.py MODEL CONFIG

All explain the same real windows of the yeast example, with the same model, references and number
of threads, and their results are compared in the run. Times are the best of several rounds, in each
of which everybody is measured once, so that what else runs on the machine meets all alike.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from captum.attr import DeepLift
from numpy.typing import NDArray
from tangermeme.deep_lift_shap import deep_lift_shap

from chromputer_tracks.cli.demo import example_folder
from chromputer_tracks.data.features import Features
from chromputer_tracks.data.shuffles import shuffle_windows, window_rng
from chromputer_tracks.inference.explain import Explainer, head_weights, open_explainer
from chromputer_tracks.inference.sample import open_sample
from chromputer_tracks.inference.session import Model, Session, load_model, open_session
from chromputer_tracks.intervals import Interval
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.options.fields import SampleFiles

# The twin of plain modules that the libraries can hook lies with the tests that hold it.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from explain_oracle import Packed, pack, quiet  # noqa: E402
from explain_oracle_networks import network_of  # noqa: E402
from explain_oracle_twin import Twin  # noqa: E402

Arrays = dict[str, NDArray[np.float32]]
Row = NDArray[np.float32]
Tensors = Sequence[torch.Tensor]
PAIRS = (5, 20)
"""Pairs of window and reference in a batch of the libraries; the faster counts."""
BATCH = 16
"""Windows in a batch of the gradient and of mutagenesis."""
RATIOS = (
    ("DeepLIFT", "Captum"),
    ("DeepLIFT", "tangermeme"),
    ("gradient", "autograd"),
    ("DeepLIFT", "mutagenesis"),
    ("gradient", "mutagenesis"),
)
"""What is compared with what; the first three are of the same contributions."""
LIMIT = 1e-3
"""Of the largest contribution of a window: the difference that 99.9 % of contributions keep."""


class Silent:
    def note(self, text: str) -> None: ...

    def progress(self, stage: str, done: int, total: int | None, unit: str) -> None: ...


@dataclass(frozen=True)
class Made:
    """Input arrays that were made before, in the place of the sample's features."""

    made: dict[Interval, Arrays]

    def arrays(self, window: Interval) -> Arrays:
        return self.made[window]

    def stacked(self, windows: Sequence[Interval]) -> list[torch.Tensor]:
        """In graph order."""
        arrays = [self.made[window] for window in windows]
        return [torch.from_numpy(np.stack([item[name] for item in arrays])) for name in arrays[0]]


@dataclass(frozen=True)
class Found:
    """Contributions of the bases that are there, (n, window), and of the other input, (n, ...)."""

    parts: tuple[NDArray[np.float32], ...]

    @classmethod
    def joined(cls, batches: Sequence[Sequence[torch.Tensor | NDArray[np.float32]]]) -> Found:
        """Batches of (n, 4, window) or (n, window), and of (n, ...)."""
        parts = [
            np.concatenate([np.asarray(x) for x in part]) for part in zip(*batches, strict=True)
        ]
        if parts[0].ndim == 3:
            parts[0] = parts[0].sum(axis=1)
        return cls(tuple(parts))


def places(model: Model, count: int) -> list[Interval]:
    """Windows evenly over the two test chromosomes of the shipped model."""
    return [
        Interval.centred(chrom, 5_000 + 880_000 * k // count, model.spec.window)
        for k in range(count // 2)
        for chrom in ("chrVII", "chrXIII")
    ]


def ours(
    explainer: Explainer, features: Made | Features, windows: Sequence[Interval], weights: Row
) -> Found:
    stream = explainer.stream(features, windows, weights)  # type: ignore[arg-type]
    return Found.joined([(c.sequence, *c.inputs.values()) for _, _, c in stream])


def by_captum(
    twin: Twin, made: Made, windows: Sequence[Interval], references: Tensors, pairs: int
) -> Found:
    """Pairs of one window at a time, with as many references in a batch."""
    found = []
    with quiet("Setting forward, backward hooks"):
        explainer = DeepLift(twin)
        for window, behind in zip(windows, references, strict=True):
            x = made.stacked([window])
            parts = []
            for some in behind.split(pairs):
                inputs = [v.repeat(len(some), 1, 1).requires_grad_() for v in x]
                zeros = [torch.zeros_like(v) for v in inputs[1:]]
                values = explainer.attribute(tuple(inputs), (some, *zeros), target=0)
                parts.append([v.detach() for v in values])
            found.append([torch.cat(v).mean(0, keepdim=True) for v in zip(*parts, strict=True)])
    return Found.joined(found)


def by_tangermeme(
    twin: Twin, made: Made, windows: Sequence[Interval], references: Tensors, pairs: int
) -> Found:
    bases, *others = made.stacked(windows)
    behind = torch.stack(list(references))
    zeros = [torch.zeros(*behind.shape[:2], *x.shape[1:]) for x in others]
    packed = Packed(twin, [bases, *others])
    with quiet("X must be one-hot", "references must be one-hot"):
        slopes = deep_lift_shap(
            packed,
            pack([bases, *others]),
            references=pack([behind, *zeros]),
            batch_size=pairs,
            raw_outputs=True,
            only_warn=True,
            device="cpu",
        )
    arrays = zip(packed.unpack(slopes), [bases, *others], [behind, *zeros], strict=True)
    return Found.joined([[(m * (x.unsqueeze(1) - r)).mean(1) for m, x, r in arrays]])


def by_autograd(twin: Twin, made: Made, windows: Sequence[Interval]) -> Found:
    found = []
    for at in range(0, len(windows), BATCH):
        inputs = [x.requires_grad_() for x in made.stacked(windows[at : at + BATCH])]
        slopes = torch.autograd.grad(twin(*inputs).sum(), inputs)
        found.append([(x * m).detach() for x, m in zip(inputs, slopes, strict=True)])
    return Found.joined(found)


def by_mutagenesis(
    session: Session, made: Made, window: Interval, weights: Row
) -> NDArray[np.float32]:
    """The change of the logit by each other base, float32 (window * 3,)."""
    arrays = {name: x[None] for name, x in made.arrays(window).items()}
    bases = arrays["sequence"][0]
    mutations = np.argwhere(bases == 0)  # base, position

    def logits(batch: NDArray[np.int64]) -> NDArray[np.float32]:
        feed = {name: np.repeat(x, len(batch), axis=0) for name, x in arrays.items()}
        rows = np.arange(len(batch))
        feed["sequence"][rows, :, batch[:, 1]] = 0
        feed["sequence"][rows, batch[:, 0], batch[:, 1]] = 1
        return session.run(feed)[:, :, 0] @ weights

    batches = [mutations[at : at + BATCH] for at in range(0, len(mutations), BATCH)]
    before = session.run(arrays)[0, :, 0] @ weights
    with ThreadPoolExecutor(session.workers) as pool:
        return np.concatenate(list(pool.map(logits, batches))) - before


def shuffles(explainer: Explainer, made: Made, windows: Sequence[Interval]) -> list[torch.Tensor]:
    """The references that the explainer draws, (r, 4, window) of each window."""
    rngs = [window_rng(explainer.seed, window.chrom, window.start) for window in windows]
    bases = made.stacked(windows)[0].numpy()
    return list(torch.from_numpy(shuffle_windows(bases, explainer.references, rngs)))


def compare(name: str, one: Found, other: Found) -> dict[str, str]:
    """How far apart two results are, of the largest contribution of the same window and input."""
    apart = []
    for a, b in zip(one.parts, other.parts, strict=True):
        a, b = a.reshape(len(a), -1), b.reshape(len(b), -1)
        largest = abs(b).max(axis=1, keepdims=True)
        # A window without any fragment has no V-plot contributions.
        apart.append((abs(a - b) / np.where(largest > 0, largest, 1)).ravel())
    values = np.concatenate(apart)
    most = np.quantile(values, 0.999)
    if not most <= LIMIT:
        sys.exit(f"the contributions differ from {name}'s by {most:.2g} of the largest")
    return {f"difference from {name}": f"{most:.1e} (99.9 %), {values.max():.1e} (largest)"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("config", type=Path, help="the model's training configuration")
    parser.add_argument("--label", default="Reb1")
    parser.add_argument("--windows", type=int, default=8, help="that DeepLIFT explains")
    parser.add_argument("--references", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model = load_model(args.model)
    weights = head_weights(model.spec, args.label)
    deeplift, gradient = (
        open_explainer(
            model, method, references=args.references, provider="cpu", threads=args.threads
        )
        for method in ("deeplift", "gradient*input")
    )
    network = network_of(model.spec, model.path, args.config)
    twin = Twin(network, torch.from_numpy(weights)).requires_grad_(False)
    session = open_session(model.path, "cpu", args.threads)
    few, many = places(model, args.windows), places(model, 32 * args.windows)
    with ExitStack() as stack:
        folder = example_folder()
        files = SampleFiles(folder / "sacCer3.fa.gz", folder / "atac.fragments.tsv.gz")
        fasta = stack.enter_context(Fasta(files.fasta))
        features = open_sample(stack, model, fasta, files, Silent()).features
        made = Made({window: features.arrays(window) for window in {*few, *many}})
        references = shuffles(deeplift, made, few)
        work: list[tuple[str, int, Callable[[], Any]]] = [
            ("DeepLIFT", len(few), lambda: ours(deeplift, made, few, weights)),
            ("gradient", len(many), lambda: ours(gradient, made, many, weights)),
            (
                "gradient, making its inputs",
                len(many),
                lambda: ours(gradient, features, many, weights),
            ),
            ("autograd", len(many), lambda: by_autograd(twin, made, many)),
            ("mutagenesis", 1, lambda: by_mutagenesis(session, made, few[0], weights)),
        ]
        for pairs in PAIRS:
            given = (twin, made, few, references, pairs)
            work.append(("Captum", len(few), partial(by_captum, *given)))
            work.append(("tangermeme", len(few), partial(by_tangermeme, *given)))
        rates: dict[str, float] = {}
        results: dict[str, Any] = {}
        for _ in range(args.rounds):
            for name, windows, task in work:
                begin = time.perf_counter()
                results[name] = task()
                rate = windows / (time.perf_counter() - begin)
                rates[name] = max(rate, rates.get(name, 0.0))
    figures: dict[str, object] = {
        "model": model.name,
        "label": args.label,
        "threads": args.threads,
        "references": args.references,
    }
    figures |= {f"{name}: windows/s": float(f"{rate:.3g}") for name, rate in rates.items()}
    for one, other in RATIOS:
        figures[f"{one} is faster than {other} by"] = round(rates[one] / rates[other], 1)
    for one, other in RATIOS[:3]:
        figures |= compare(other, results[one], results[other])
    for key, value in figures.items():
        print(f"{key:44} {value}")
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
