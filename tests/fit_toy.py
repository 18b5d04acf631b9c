"""A tiny network, its data and a run of it; as a script, a run in processes of its own.

python tests/fit_toy.py FOLDER [--fit JSON] [--resume] [--kill ITEM] [--plain]

The script writes what each process saw and ended with to ``FOLDER/rank-N.pt``.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Sampler

from chromputer_tracks.model.config import FitConfig
from chromputer_tracks.model.fitting import fit_network
from chromputer_tracks.model.losses import Losses
from chromputer_tracks.model.processes import process_rank

SEGMENTS = 17
"""Of an epoch: an odd number, so that neither two processes nor batches of 4 take all."""
FIT = FitConfig(
    epochs=3,
    batch=4,
    learning_rate=0.03,
    average=0.8,
    precision="32-true",
    accelerator="cpu",
    threads=1,
)


class ToyNetwork(nn.Module):
    """2 states, 1 binary label; with dropout and batch normalisation, unless ``plain``.

    ``trace`` are the head's weights at each training step.
    """

    def __init__(self, outputs: int = 3, *, plain: bool = False) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv1d(4, 8, 5), nn.ReLU()]
        if not plain:
            layers += [nn.BatchNorm1d(8), nn.Dropout(0.3)]
        self.body = nn.Sequential(*layers)
        self.head = nn.Conv1d(8, outputs, 1)
        self.trace: list[Tensor] = []

    def forward(self, sequence: Tensor) -> tuple[Tensor, Tensor]:
        if self.training:
            self.trace.append(self.head.weight.detach().clone())
        embedding = self.body(sequence)
        return self.head(embedding), embedding


class ToyData(Dataset[dict[str, Tensor]]):
    """An item for every number; the process ends by SIGKILL when it asks for the ``kill``-th."""

    def __init__(self, kill: int = 0) -> None:
        self.kill, self.asked = kill, 0
        self.seen: list[int] = []

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        self.asked += 1
        self.seen.append(number)
        if self.asked == self.kill:
            os.kill(os.getpid(), signal.SIGKILL)
        generator = torch.Generator().manual_seed(number)
        sequence = torch.randn(4, 12, generator=generator)
        inside = sequence[:, 2:-2]
        return {
            "sequence": sequence,
            "states": (inside[0] > inside[1]).long(),
            "binary": (inside[2:3] > 0.8).long(),
        }


class ToyPlan(Sampler[int]):
    """Other numbers in each epoch."""

    def __init__(self) -> None:
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return SEGMENTS

    def __iter__(self) -> Iterator[int]:
        return iter(self.numbers(self.epoch))

    @staticmethod
    def numbers(epoch: int) -> list[int]:
        generator = torch.Generator().manual_seed(epoch)
        return [1000 * epoch + int(k) for k in torch.randperm(SEGMENTS, generator=generator)]


def validate(network: nn.Module) -> dict[str, float]:
    """Minus the loss on items that training never sees."""
    network.eval()
    with torch.no_grad():
        batch = [ToyData()[number] for number in range(10**6, 10**6 + 20)]
        logits = network(torch.stack([item["sequence"] for item in batch]))[0]
        truth = torch.stack([item["states"] for item in batch])
        loss = nn.functional.cross_entropy(logits[:, :2], truth).item()
        accuracy = (logits[:, :2].argmax(1) == truth).float().mean().item()
    # Uses up random numbers, as a validation may.
    torch.rand(3)
    return {"score": -loss, "accuracy": accuracy}


def fit_toy(
    folder: Path,
    fit: FitConfig = FIT,
    *,
    data: ToyData | None = None,
    network: ToyNetwork | None = None,
    lines: list[str] | None = None,
    **options: Any,
) -> ToyNetwork:
    """Train the toy."""
    torch.manual_seed(7)
    loader = DataLoader(
        ToyData() if data is None else data,
        fit.batch,
        sampler=ToyPlan(),
        drop_last=True,
        num_workers=fit.workers,
    )
    given = {"losses": Losses(["sequence"], 2, torch.ones(1)), "validate": validate, "seed": 5}
    try:
        return fit_network(
            network=ToyNetwork() if network is None else network,
            loader=loader,
            fit=fit,
            folder=folder,
            report=[].append if lines is None else lines.append,
            **given | options,
        )
    finally:
        torch.use_deterministic_algorithms(False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--fit", type=json.loads, default={})
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--kill", type=int, default=0)
    parser.add_argument("--plain", action="store_true")
    args = parser.parse_args()
    fit = replace(FIT, **args.fit)
    torch.manual_seed(7)
    data, network = ToyData(args.kill), ToyNetwork(plain=args.plain)
    lines: list[str] = []
    scores = iter([0.5, 0.4, 0.3, 0.2, 0.1])
    fit_toy(
        args.folder,
        fit,
        data=data,
        network=network,
        lines=lines,
        resume=args.resume,
        # Plain runs are compared at their end, the others by their best epoch.
        validate=(lambda _: {"score": next(scores)}) if args.plain else validate,
    )
    result = {"lines": lines, "seen": data.seen, "trace": network.trace}
    torch.save(result, args.folder / f"rank-{process_rank(fit)}.pt")


if __name__ == "__main__":
    main()
