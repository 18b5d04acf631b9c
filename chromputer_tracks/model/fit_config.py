"""Settings of the optimisation: the ``[fit]`` table of a training configuration."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from chromputer_tracks.errors import ConfigError


@dataclass(frozen=True, slots=True)
class FitConfig:
    """Optimisation.

    Attributes:
        epochs: passes over the training contigs, at most.
        batch: segments per step and process.
        learning_rate: maximum of the schedule.
        schedule: ``one-cycle`` (Smith & Topin 2017, arXiv 1708.07120), ``cosine`` (warm-up, then
            half a cosine down to 0) or ``constant`` (warm-up, then the maximum).
        warmup: share of the steps in which the rate rises to its maximum.
        weight_decay: of AdamW.
        binary_weight: weight of the binary labels' summed loss beside the states' loss.
        continuous_weight: weight of the continuous labels' summed loss beside the states' loss.
        class_weights: how much a site of each state counts: ``none`` the same, ``balanced`` by the
            inverse of the state's frequency, ``sqrt`` by its square root; mean 1 over the sites.
        focal: exponent of the focal loss of states and binary labels (Lin et al. 2017,
            arXiv 1708.02002), which takes weight off sites that are predicted well; 0 is
            cross-entropy.
        flank: bp on each side of a positive bin that are masked in training.
        words_per_label: motif filters that start from words enriched around a label's training
            peaks, at most, see :mod:`chromputer_tracks.model.seeding`; 0 starts all at random.
        average: decay per step of the exponential moving average of the weights that is kept in
            place of the last ones; 0 keeps the last.
        patience: epochs without a better validation score after which training ends; 0 trains all
            epochs.
        gradient_clip: largest gradient norm.
        precision: ``bf16-mixed``, ``16-mixed`` (on a GPU only) or ``32-true``, as Lightning names
            them.
        accelerator: ``auto`` takes a GPU (CUDA or ROCm) where PyTorch finds one, else the CPU;
            ``gpu`` fails where there is none.
        devices: training processes on each node: as many GPUs, or processes on the CPU. More than
            one train in step (distributed data parallel); the batch of a step is ``batch`` times
            the processes, and the learning rate is not scaled to it.
        nodes: machines. With more than one, each must see the same files, and the processes are
            started by SLURM (``srun``, with ``--nodes`` and ``--ntasks-per-node`` equal to
            ``nodes`` and ``devices``), by ``torchrun --nnodes NODES --nproc-per-node DEVICES``, or
            by one plain command on each node with the environment variables ``MASTER_ADDR`` and
            ``MASTER_PORT`` (of the first node, a free port) and ``NODE_RANK`` (0, 1, ...). On one
            node the command starts its other processes itself.
        strategy: ``auto`` is ``ddp`` for several processes and none for one.
        workers: processes that make the arrays, for each training process; 0 makes them in the
            training process.
        threads: CPU threads of the network; 0 leaves PyTorch's choice.
    """

    epochs: int = 12
    batch: int = 16
    learning_rate: float = 3e-3
    schedule: Literal["one-cycle", "cosine", "constant"] = "one-cycle"
    warmup: float = 0.2
    weight_decay: float = 1e-2
    binary_weight: float = 1.0
    continuous_weight: float = 1.0
    class_weights: Literal["none", "balanced", "sqrt"] = "none"
    focal: float = 0.0
    flank: int = 100
    words_per_label: int = 6
    average: float = 0.0
    patience: int = 0
    gradient_clip: float = 5.0
    precision: Literal["bf16-mixed", "16-mixed", "32-true"] = "bf16-mixed"
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    devices: int = 1
    nodes: int = 1
    strategy: Literal["auto", "ddp"] = "auto"
    workers: int = 0
    threads: int = 0

    @property
    def processes(self) -> int:
        """Training processes on all nodes."""
        return self.devices * self.nodes

    def check(self) -> None:
        """Check the numbers, which the types alone do not.

        Raises:
            ConfigError: names the key, its value and the limit.
        """
        for least, keys in ((1, _AT_LEAST_1), (0, _NOT_NEGATIVE)):
            for key in keys:
                value = getattr(self, key)
                if not least <= value < math.inf:
                    raise ConfigError(f"fit.{key} is {value}; it must be at least {least}")
        if not 0 < self.learning_rate < math.inf:
            raise ConfigError(f"fit.learning_rate is {self.learning_rate}; it must be above 0")
        for key in _SHARES:
            value = getattr(self, key)
            if not 0 <= value < 1:
                raise ConfigError(f"fit.{key} is {value}; it must be in 0 to 1, 1 excluded")


_AT_LEAST_1 = ("epochs", "batch", "devices", "nodes")
_NOT_NEGATIVE = (
    *("weight_decay", "binary_weight", "continuous_weight", "focal", "flank"),
    *("words_per_label", "patience", "gradient_clip", "workers", "threads"),
)
_SHARES = ("warmup", "average")
