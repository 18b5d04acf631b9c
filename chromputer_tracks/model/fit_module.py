"""A network with its losses, optimiser and averaged weights, as Lightning trains it."""

from __future__ import annotations

from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from chromputer_tracks.model.fit_config import FitConfig
from chromputer_tracks.model.losses import Losses, continuous_loss, masked_loss, state_weights
from chromputer_tracks.model.processes import set_epoch, shard
from chromputer_tracks.model.schedule import learning_rates


class FitModule(lightning.LightningModule):
    """Losses and optimiser around a network.

    Args:
        network: what is trained.
        loader: of the whole epoch, for all processes.
        losses: how a batch is scored.
        fit: optimisation.
        seed: of dropout.
        first_epoch: where training begins, 0-based.
        steps: of each epoch, in each process.
    """

    weights: Tensor
    class_weights: Tensor | None

    def __init__(
        self,
        network: nn.Module,
        loader: DataLoader[dict[str, Tensor]],
        losses: Losses,
        fit: FitConfig,
        seed: int,
        first_epoch: int,
        steps: int,
    ) -> None:
        super().__init__()
        self.network, self._losses, self._fit = network, losses, fit
        self._loader, self._first_epoch = loader, first_epoch
        self._seed, self._steps = seed, steps
        self.windows = 0
        self.loss_sum: Tensor | float = 0.0
        self.register_buffer("weights", losses.weights, persistent=False)
        weighted = None
        if fit.class_weights != "none" and losses.class_frequencies is not None:
            weighted = state_weights(losses.class_frequencies, fit.class_weights)
        self.register_buffer("class_weights", weighted, persistent=False)
        self.average: AveragedModel | None = None
        if fit.average:
            decay = get_ema_multi_avg_fn(fit.average)  # type: ignore[no-untyped-call]
            self.average = AveragedModel(network, multi_avg_fn=decay, use_buffers=True)
            # Else several processes would wait for its gradients.
            self.average.requires_grad_(False)

    def result(self) -> nn.Module:
        """The network to validate and keep."""
        return self.network if self.average is None else self.average.module

    def train_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        """This process's share of the segments."""
        share = shard(self._loader, self.trainer.global_rank, self.trainer.world_size)
        # Worker processes ask for the first segments before Lightning sets the epoch.
        set_epoch(share.sampler, self._first_epoch)
        return share

    def on_fit_start(self) -> None:
        """Set the CPU threads, which Lightning changes when it starts processes."""
        if self._fit.threads:
            torch.set_num_threads(self._fit.threads)

    def on_train_epoch_start(self) -> None:
        """Count from 0."""
        self.windows, self.loss_sum = 0, torch.zeros((), device=self.device)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Dropout follows from the seed, the epoch, the step and the process alone."""
        place = [self._seed, self.current_epoch, batch_idx, self.global_rank]
        torch.manual_seed(int(np.random.SeedSequence(place).generate_state(1, np.uint64)[0]))

    def training_step(self, batch: dict[str, Tensor], index: int) -> Tensor:
        """The summed losses of all heads."""
        losses, fit = self._losses, self._fit
        logits = self.network(*(batch[name] for name in losses.inputs))[0].float()
        loss = masked_loss(
            logits,
            batch["states"],
            batch["binary"],
            losses.states,
            self.weights,
            class_weights=self.class_weights,
            focal=fit.focal,
        )
        if losses.continuous:
            last = logits[:, losses.states + len(losses.weights) :]
            loss = loss + fit.continuous_weight * continuous_loss(
                last, batch["continuous"], losses.continuous
            )
        self.windows += logits.shape[0] * logits.shape[2]
        self.loss_sum = self.loss_sum + loss.detach()
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Update the averaged weights; the first steps average over fewer."""
        if self.average is not None:
            self.average.update_parameters(self.network)

    def configure_optimizers(self) -> Any:
        """AdamW on its schedule."""
        fit = self._fit
        optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=fit.learning_rate, weight_decay=fit.weight_decay
        )
        schedule = learning_rates(optimizer, fit, fit.epochs * self._steps)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }
