"""Fitting a network: losses, optimiser, averaged weights, and the best validation epoch."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from chromputer_tracks.data.labels import UNKNOWN
from chromputer_tracks.model.config import FitConfig
from chromputer_tracks.model.network import Chromputer

Report = Callable[[str], None]
Validate = Callable[[Chromputer], dict[str, float]]


@dataclass(frozen=True, slots=True)
class Losses:
    """How a batch is scored.

    Attributes:
        inputs: names of the network's inputs in a batch, in graph order.
        states: how many outputs are states.
        weights: float32 (labels,), weight of each binary label's loss.
    """

    inputs: list[str]
    states: int
    weights: Tensor


def fit_network(
    network: Chromputer,
    loader: DataLoader[dict[str, Tensor]],
    losses: Losses,
    fit: FitConfig,
    validate: Validate,
    folder: Path,
    report: Report,
) -> Chromputer:
    """Train a network.

    Args:
        network: changed in place.
        loader: batches of segments; its sampler's epoch is set before each epoch.
        losses: how a batch is scored.
        fit: optimisation.
        validate: figures of a network after each epoch; the largest ``score`` is kept.
        folder: for the checkpoint and ``metrics.csv``.
        report: told a line an epoch.

    Returns:
        The network of the best epoch, on the CPU: the averaged weights where ``fit.average`` says
        so.
    """
    module = _Module(network, losses, fit, len(loader))
    checkpoint = ModelCheckpoint(
        folder, "best", monitor="score", mode="max", enable_version_counter=False
    )
    callbacks: list[Callback] = [_Validate(validate, report), checkpoint]
    on_terminal = sys.stderr.isatty()
    if on_terminal:
        callbacks.append(RichProgressBar(console_kwargs={"stderr": True}))
    trainer = lightning.Trainer(
        max_epochs=fit.epochs,
        accelerator="auto",
        devices=1,
        precision=fit.precision,
        gradient_clip_val=fit.gradient_clip,
        deterministic=True,
        logger=CSVLogger(folder, name="", version=""),
        callbacks=callbacks,
        enable_progress_bar=on_terminal,
        # Else Lightning requeues a job that a scheduler ends.
        plugins=[LightningEnvironment()],
        enable_model_summary=False,
        log_every_n_steps=min(50, len(loader)),
    )
    with warnings.catch_warnings():
        # Arrays are made faster than batches are computed, without worker processes.
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*lr_scheduler.step.*")
        warnings.filterwarnings("ignore", message=".*`isinstance\\(treespec, LeafSpec\\)`.*")
        warnings.filterwarnings("ignore", message=".*exists and is not empty.*")
        trainer.fit(module, loader)
    best = torch.load(checkpoint.best_model_path, map_location="cpu", weights_only=True)
    module.load_state_dict(best["state_dict"])
    score = best["callbacks"][checkpoint.state_key]["best_model_score"]
    report(f"best epoch: {best['epoch'] + 1}, mean validation AUPRC {float(score):.3f}")
    return module.result().cpu()


class _Module(lightning.LightningModule):
    """Losses and optimiser around the network."""

    weights: Tensor

    def __init__(self, network: Chromputer, losses: Losses, fit: FitConfig, steps: int) -> None:
        super().__init__()
        self.network, self._losses, self._fit, self._steps = network, losses, fit, steps
        self.register_buffer("weights", losses.weights, persistent=False)
        self.average: AveragedModel | None = None
        if fit.average:
            decay = get_ema_multi_avg_fn(fit.average)  # type: ignore[no-untyped-call]
            self.average = AveragedModel(network, multi_avg_fn=decay, use_buffers=True)

    def result(self) -> Chromputer:
        """The network to validate and keep."""
        kept = self.network if self.average is None else self.average.module
        if not isinstance(kept, Chromputer):
            raise TypeError(f"averaged {type(kept).__name__}")
        return kept

    def training_step(self, batch: dict[str, Tensor], index: int) -> Tensor:
        """Masked cross-entropy of the states plus the labels' summed masked binary losses."""
        logits, _ = self.network(*(batch[name] for name in self._losses.inputs))
        return masked_loss(
            logits.float(), batch["states"], batch["binary"], self._losses.states, self.weights
        )

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Update the averaged weights; the first steps average over fewer."""
        if self.average is not None:
            self.average.update_parameters(self.network)

    def configure_optimizers(self) -> Any:
        """AdamW on a one-cycle schedule."""
        fit = self._fit
        optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=fit.learning_rate, weight_decay=fit.weight_decay
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, fit.learning_rate, total_steps=fit.epochs * self._steps, pct_start=0.2
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


def masked_loss(
    logits: Tensor, states: Tensor, binary: Tensor, number_of_states: int, weights: Tensor
) -> Tensor:
    """Cross-entropy over known states plus binary cross-entropy over known binary labels.

    Args:
        logits: float32 (n, outputs, positions), states first.
        states: int64 (n, positions), ``UNKNOWN`` where there is no label.
        binary: int64 (n, labels, positions), likewise.
        number_of_states: how many outputs are states.
        weights: float32 (labels,), weight of each binary label's mean over known positions.
    """
    loss = logits.sum() * 0.0
    if number_of_states and (states != UNKNOWN).any():
        loss = loss + functional.cross_entropy(
            logits[:, :number_of_states], states, ignore_index=UNKNOWN
        )
    if binary.shape[1]:
        known = (binary != UNKNOWN).float()
        each = functional.binary_cross_entropy_with_logits(
            logits[:, number_of_states:], (binary == 1).float(), reduction="none"
        )
        per_label = (each * known).sum(dim=(0, 2)) / known.sum(dim=(0, 2)).clamp(min=1)
        loss = loss + (weights * per_label).sum()
    return loss


class _Validate(Callback):
    """Scores the network after each epoch, before the checkpoint looks at the score."""

    def __init__(self, validate: Validate, report: Report) -> None:
        self._validate, self._report = validate, report

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Log the figures and report them in a line."""
        figures = self._validate(pl_module.result())
        pl_module.train()
        pl_module.log_dict(figures)
        shown = ", ".join(f"{name} {value:.3f}" for name, value in figures.items())
        self._report(f"epoch {trainer.current_epoch + 1}: validation {shown}")
