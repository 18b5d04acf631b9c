"""Fitting a network: optimiser, averaged weights, and the best validation epoch."""

from __future__ import annotations

import dataclasses
import math
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from chromputer_tracks.errors import ConfigError
from chromputer_tracks.io.record import Silent
from chromputer_tracks.model.checkpoints import (
    LAST,
    PROGRESS,
    AtomicCheckpoints,
    Logs,
    Progress,
    Row,
    clear_run,
    open_run,
)
from chromputer_tracks.model.config import FitConfig
from chromputer_tracks.model.losses import Losses, continuous_loss, masked_loss, state_weights
from chromputer_tracks.model.processes import (
    describe_device,
    find_accelerator,
    find_environment,
    process_rank,
    set_epoch,
    shard,
)

# ---- The learning rate by step.


def learning_rates(optimizer: Optimizer, fit: FitConfig, steps: int) -> LRScheduler:
    """The schedule that a configuration asks for; it is to be moved on after every step.

    Args:
        optimizer: the optimiser, whose rate is the maximum.
        fit: ``schedule``, ``warmup`` and ``learning_rate`` of it are used.
        steps: steps of the whole training, at least 1.
    """
    warm = round(fit.warmup * steps)
    if fit.schedule == "one-cycle":
        # Its first phase ends at step share * steps - 1, which must not be its first step, 0.
        share = fit.warmup if abs(fit.warmup * steps - 1) > 1e-6 else 0.0
        return OneCycleLR(optimizer, fit.learning_rate, total_steps=steps, pct_start=share)

    def factor(step: int) -> float:
        if step < warm:
            return (step + 1) / (warm + 1)
        if fit.schedule == "constant":
            return 1.0
        return 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))

    return LambdaLR(optimizer, factor)


# ---- A network with its losses, optimiser and averaged weights, as Lightning trains it.


class FitModule(lightning.LightningModule):
    """Losses and optimiser around a network.

    Args:
        network: what is trained.
        loader: loads the whole epoch, for all processes.
        losses: how a batch is scored.
        fit: optimisation.
        seed: seed of dropout.
        first_epoch: where training begins, 0-based.
        steps: steps of each epoch, in each process.
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
        # (n, states | binary, auxiliary ones last | continuous, positions); in float32, as the
        # losses' logarithms need it, whatever the network computes in.
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
            # ``weights`` has one a binary label, auxiliary ones too: what follows is continuous.
            last = logits[:, losses.states + len(losses.weights) :]
            loss = loss + fit.continuous_weight * continuous_loss(
                last, batch["continuous"], losses.continuous
            )
        self.windows += logits.shape[0] * logits.shape[2]
        # Stays on the device: to read it at each step would make the GPU wait.
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
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


Network = TypeVar("Network", bound=nn.Module)
Report = Callable[[str], None]
Validate = Callable[[Any], dict[str, float]]
Steps = Callable[[int, int, str], None]
"""Is told how far training is: steps done, steps in all, and what they are called."""

_IN_LINE = {"accuracy": "accuracy", "macro_f1": "macro-F1"}
"""Figures that an epoch's line shows beside the score, and how it calls them."""


def fit_network(
    network: Network,
    loader: DataLoader[dict[str, Tensor]],
    losses: Losses,
    fit: FitConfig,
    validate: Validate,
    folder: Path,
    report: Report,
    *,
    seed: int = 0,
    resume: bool = False,
    fingerprint: str = "",
    progress: Steps | None = None,
) -> Network:
    """Train a network.

    The run's whole state is written at the end of every epoch. A run that was killed and is resumed
    does the epoch it was in again, from its beginning, and ends with the same weights and figures,
    to the bit on the same machine; only the times differ.

    Each of several training processes calls this function; process 0 alone validates, reports
    and writes.

    Args:
        network: maps a batch's inputs to logits float32 (n, outputs, positions) and anything else;
            changed in place.
        loader: batches of segments; its sampler is that of the whole epoch, whose number is set
            before each, from 0. With several processes each takes its share of it.
        losses: how a batch is scored.
        fit: optimisation.
        validate: figures of a network after each epoch; the largest ``score`` is kept.
        folder: for the checkpoints, ``metrics.csv`` and TensorBoard's events; made if its parent
            exists. What an earlier run left there is removed, unless it is resumed.
        report: told a line an epoch.
        seed: seed of all that is random in training.
        resume: take up the run in ``folder`` where its last whole epoch ended; a finished one is
            only read.
        fingerprint: what is trained on, a line ``name = value`` for each setting; a run with
            another one, another ``fit`` (``workers`` apart) or ``seed`` is not resumed.
        progress: told now and then which step training is at, and the loss.

    Returns:
        The network of the best epoch, on the CPU: the averaged weights where ``fit.average`` says
        so. In all processes the same.

    Raises:
        ConfigError: the device is not there, the run to resume is another one, an epoch has no
            batch, or the loss became infinite.
        InputError: the checkpoint to resume from cannot be read.
        OutputError: the folder cannot be written.
    """
    accelerator, environment = find_accelerator(fit), find_environment(fit)
    if process_rank(fit) != 0:
        report = Silent().note
    steps = len(shard(loader, 0, fit.processes))
    if steps < 1:
        raise ConfigError(
            f"an epoch's segments do not fill one batch of {fit.batch} in each of {fit.processes} "
            f"processes: lower fit.batch or fit.devices"
        )
    identity = _identity(fit, fingerprint, seed, accelerator)
    so_far = open_run(folder, identity, resume=resume)
    if process_rank(fit) == 0:
        clear_run(folder, keep=so_far is not None)
    if so_far is None:
        so_far, last = Progress(identity), None
        if resume:
            report(f"no checkpoint in {folder}: training starts from the beginning")
    else:
        last = folder / LAST
        ended = ", which was the last" if so_far.finished(fit) else ""
        report(f"resuming after epoch {len(so_far.history)} of {fit.epochs}{ended}")
    if not so_far.finished(fit):
        report(describe_device(fit, accelerator))
        callbacks: list[Callback] = []
        if progress is not None and process_rank(fit) == 0:
            # First, so that an epoch's last step is told before its line.
            callbacks.append(_Steps(progress, fit.epochs))
        callbacks.append(_Epochs(so_far, fit, validate, folder, report))
        several = fit.processes > 1 or fit.strategy == "ddp"
        with _without_advice():
            trainer = lightning.Trainer(
                max_epochs=fit.epochs,
                accelerator=accelerator,
                devices=fit.devices,
                num_nodes=fit.nodes,
                # While process 0 validates, the others wait.
                strategy=DDPStrategy(timeout=timedelta(days=1)) if several else "auto",
                use_distributed_sampler=False,
                precision=fit.precision,
                gradient_clip_val=fit.gradient_clip,
                deterministic=True,
                logger=False,
                callbacks=callbacks,
                enable_checkpointing=False,
                enable_progress_bar=False,
                plugins=[environment, AtomicCheckpoints()],
                enable_model_summary=False,
            )
            module = FitModule(network, loader, losses, fit, seed, len(so_far.history), steps)
            _run(trainer, module, last)
    elif process_rank(fit) == 0:
        # A kill may have come after the last checkpoint and before its row.
        Logs(folder, so_far).close()
    network.load_state_dict(so_far.best)
    report(f"best epoch: {so_far.best_epoch}, validation score {so_far.best_score:.3f}")
    return network.cpu()


@contextmanager
def _without_advice() -> Iterator[None]:
    """Keep Lightning from saying what does not concern the user."""
    with warnings.catch_warnings():
        # Arrays are made faster than batches are computed, without worker processes.
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        # A cluster's login node, or one process of a job.
        warnings.filterwarnings("ignore", message=".*`srun` command is available.*")
        warnings.filterwarnings("ignore", message=".*lr_scheduler.step.*")
        warnings.filterwarnings("ignore", message=".*`isinstance\\(treespec, LeafSpec\\)`.*")
        yield


_TELL_EVERY = 0.5
"""Seconds between two readings of the loss, for each of which a GPU has to wait."""


class _Steps(Callback):
    """Tells the step within the whole training, and the mean loss since it was last told."""

    def __init__(self, progress: Steps, epochs: int) -> None:
        self._progress, self._epochs = progress, epochs
        self._told = -math.inf
        self._step, self._sum = 0, 0.0

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """The loss is summed anew."""
        self._step, self._sum = 0, 0.0

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Tell it, if some time has passed or the epoch is at its end."""
        step, steps, now = batch_idx + 1, trainer.num_training_batches, time.perf_counter()
        if step < steps and now - self._told < _TELL_EVERY:
            return
        total = float(pl_module.loss_sum)
        loss = (total - self._sum) / (step - self._step)
        self._told, self._step, self._sum = now, step, total
        epoch = trainer.current_epoch
        self._progress(
            epoch * steps + step,
            self._epochs * steps,
            f"steps, epoch {epoch + 1} of {self._epochs}, loss {loss:.3f}",
        )


def _run(trainer: lightning.Trainer, module: FitModule, checkpoint: Path | None) -> None:
    """Train; Ctrl-C stays a ``KeyboardInterrupt``."""
    on_interrupt = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(module, ckpt_path=checkpoint)
    except SystemExit as end:
        # Lightning's answer to Ctrl-C: it ignores further ones and exits with 1.
        if not isinstance(end.__context__, KeyboardInterrupt):
            raise
        signal.signal(signal.SIGINT, on_interrupt)
        raise KeyboardInterrupt from None


class _Epochs(Callback):
    """Validates after each epoch, keeps the best weights, logs, and writes the run's state."""

    state_key = PROGRESS

    def __init__(
        self, progress: Progress, fit: FitConfig, validate: Validate, folder: Path, report: Report
    ) -> None:
        self._progress, self._fit, self._validate = progress, fit, validate
        self._folder, self._report = folder, report
        self._logs: Logs | None = None
        self._begin, self._rate = 0.0, 0.0

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint; read back before the trainer is made."""
        return self._progress.state()

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Write what a resumed run has logged so far."""
        if trainer.is_global_zero:
            self._logs = Logs(self._folder, self._progress)

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Start the clock."""
        self._begin = time.perf_counter()

    def on_train_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note the step's learning rate."""
        self._rate = trainer.optimizers[0].param_groups[0]["lr"]

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Validate, note the epoch, and write it."""
        steps = trainer.num_training_batches
        loss = float(trainer.strategy.reduce(pl_module.loss_sum, reduce_op="mean")) / steps
        trained = time.perf_counter() - self._begin
        epoch = trainer.current_epoch + 1
        if not math.isfinite(loss):
            raise ConfigError(
                f"the training loss is {loss} in epoch {epoch}: lower fit.learning_rate, or set "
                f"fit.precision to '32-true'"
            )
        figures = self._validate(pl_module.result()) if trainer.is_global_zero else {}
        pl_module.train()
        row: Row = {
            "epoch": epoch,
            "step": trainer.global_step,
            "train_loss": loss,
            "learning_rate": self._rate,
            "seconds": time.perf_counter() - self._begin,
            "windows_per_second": pl_module.windows * trainer.world_size / trained,
        }
        row |= {f"validation_{name}": float(value) for name, value in figures.items()}
        row = trainer.strategy.broadcast(row)
        progress = self._progress
        new_best = progress.add(row, lambda: _copied(pl_module.result()))
        trainer.should_stop = progress.finished(self._fit)
        trainer.save_checkpoint(self._folder / LAST, weights_only=False)
        if self._logs is not None:
            self._logs.add(row, new_best=new_best)
        self._report(_line(row, self._fit.epochs))

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Give all processes what process 0 has."""
        self._progress.load(trainer.strategy.broadcast(self._progress.state()))

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Close the logs, however training ended."""
        if self._logs is not None:
            self._logs.close()
            self._logs = None


def _copied(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}


def _line(row: Row, epochs: int) -> str:
    beside = ", ".join(
        f"{shown} {row[f'validation_{name}']:.3f}"
        for name, shown in _IN_LINE.items()
        if f"validation_{name}" in row
    )
    score = f"{row['validation_score']:.3f}" + (f" ({beside})" if beside else "")
    return (
        f"epoch {row['epoch']} of {epochs}: loss {row['train_loss']:.3f}, "
        f"validation score {score}, "
        f"{row['seconds']:.0f} s, {row['windows_per_second']:,.0f} windows/s"
    )


def _identity(fit: FitConfig, fingerprint: str, seed: int, accelerator: str) -> str:
    settings = {
        f"fit.{item.name}": getattr(fit, item.name)
        for item in dataclasses.fields(fit)
        if item.name != "workers"
    }
    settings |= {"seed": seed, "device": accelerator}
    lines = [f"{name} = {value}" for name, value in settings.items()]
    return "\n".join([*lines, *fingerprint.splitlines()])
