"""Training: how much of the device's time goes into waiting for data.

python benchmarks/loading.py CONFIG --data DATA [--workers N]

Windows per second of the dataset alone, of the network alone (forward and backward on one batch
over and over) and of both together. Each round measures all three, in the order of the line before;
the ratios are medians over the rounds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import torch

from chromputer_tracks.model.config_file import load_config
from chromputer_tracks.model.experiment import Experiment
from chromputer_tracks.model.fitting import FitModule
from chromputer_tracks.model.processes import describe_device, find_accelerator
from chromputer_tracks.model.sources import open_sources

Batch = dict[str, torch.Tensor]


def windows(batch: Batch) -> int:
    return batch["states"].numel()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--workers", type=int, help="instead of the configuration's")
    parser.add_argument("--steps", type=int, default=10, help="of a measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    config = load_config(args.config, args.data)
    fit = config.fit if args.workers is None else replace(config.fit, workers=args.workers)
    config = replace(config, fit=fit)
    accelerator = find_accelerator(fit)
    if fit.threads:
        torch.set_num_threads(fit.threads)
    torch.manual_seed(config.seed)
    with open_sources(config) as sources:
        experiment = Experiment(config, sources)
        loader = experiment.loader()
        module = FitModule(
            experiment.network(), loader, experiment.losses(), fit, config.seed, 0, len(loader)
        ).to(accelerator)
        dtype = torch.bfloat16 if fit.precision == "bf16-mixed" else torch.float16
        mixed = torch.autocast(accelerator, dtype) if "mixed" in fit.precision else nullcontext()

        def batches() -> Iterator[Batch]:
            while True:
                yield from loader

        def learn(batch: Batch) -> None:
            module.zero_grad()
            with mixed:
                loss = module.training_step(
                    {name: value.to(accelerator) for name, value in batch.items()}, 0
                )
            loss.backward()

        def rate(*, load: bool, train: bool) -> float:
            given = batches()
            batch = next(given)
            # Workers that have filled their queues before the clock starts would flatter the rate.
            if train:
                learn(batch)
            begin, seen = time.perf_counter(), 0
            for _ in range(args.steps):
                if load:
                    batch = next(given)
                if train:
                    learn(batch)
                seen += windows(batch)
            if accelerator == "cuda":
                torch.cuda.synchronize()
            return seen / (time.perf_counter() - begin)

        rounds = [
            (
                rate(load=True, train=False),
                rate(load=False, train=True),
                rate(load=True, train=True),
            )
            for _ in range(args.rounds)
        ]
    data, network, both = (statistics.median(each) for each in zip(*rounds, strict=True))
    figures = {
        "device": describe_device(fit, accelerator),
        "workers": fit.workers,
        "data alone, windows/s": round(data),
        "network alone, windows/s": round(network),
        "both, windows/s": round(both),
        "data / network": round(statistics.median(r[0] / r[1] for r in rounds), 1),
        "both / network": round(statistics.median(r[2] / r[1] for r in rounds), 3),
    }
    for key, value in figures.items():
        print(f"{key:32} {value}")
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
