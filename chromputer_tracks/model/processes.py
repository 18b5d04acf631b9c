"""Where a network is trained: the device, the processes, and each process's share of an epoch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from typing import Any, Literal, TypeVar

import torch
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from torch.utils.data import DataLoader, Sampler

from chromputer_tracks.errors import ConfigError, counted
from chromputer_tracks.model.config import FitConfig

Segment = TypeVar("Segment")


class ShardedPlan(Sampler[Segment]):
    """Every ``world``-th segment of a plan, from the ``rank``-th on.

    The processes' segments are disjoint and equally many; together they are the epoch's, without
    the last ``len(plan) % world``.

    Args:
        plan: the sampler of the whole epoch, the same in all processes.
        rank: which process this is, 0-based.
        world: number of processes.
    """

    def __init__(self, plan: Sampler[Segment], rank: int, world: int) -> None:
        self._plan, self._rank, self._world = plan, rank, world

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose segments are drawn."""
        set_epoch(self._plan, epoch)

    def __len__(self) -> int:
        return len(self._plan) // self._world  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Segment]:
        return islice(iter(self._plan), self._rank, len(self) * self._world, self._world)


def set_epoch(sampler: object, epoch: int) -> None:
    """Choose the epoch of a sampler that has any."""
    choose = getattr(sampler, "set_epoch", None)
    if choose is not None:
        choose(epoch)


def shard(loader: DataLoader[Any], rank: int, world: int) -> DataLoader[Any]:
    """One process's share of a loader; the loader itself where there is one process."""
    plan = loader.sampler
    if world == 1 or not isinstance(plan, Sampler):
        return loader
    return DataLoader(
        loader.dataset,
        loader.batch_size,
        sampler=ShardedPlan(plan, rank, world),
        drop_last=loader.drop_last,
        num_workers=loader.num_workers,
        collate_fn=loader.collate_fn,
        pin_memory=loader.pin_memory,
        timeout=loader.timeout,
        worker_init_fn=loader.worker_init_fn,
        multiprocessing_context=loader.multiprocessing_context,
        prefetch_factor=loader.prefetch_factor,
        persistent_workers=loader.persistent_workers,
    )


def find_accelerator(fit: FitConfig) -> Literal["cpu", "cuda"]:
    """The device to train on.

    Raises:
        ConfigError: the GPUs that were asked for are not there, or the precision needs one.
    """
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if fit.accelerator == "gpu" and not there:
        built = torch.version.cuda or torch.version.hip
        reason = "finds none" if built else "is a build for the CPU"
        raise ConfigError(
            f"fit.accelerator is 'gpu', but PyTorch {torch.__version__} {reason}; "
            f"set it to 'auto' or 'cpu' to train on the CPU"
        )
    on_gpu = there > 0 and fit.accelerator != "cpu"
    if on_gpu and fit.devices > there:
        raise ConfigError(f"fit.devices is {fit.devices}, but this machine has {there} usable GPUs")
    if fit.precision == "16-mixed" and not on_gpu:
        raise ConfigError(
            "fit.precision '16-mixed' needs a GPU and training is on the CPU; "
            "take 'bf16-mixed' or '32-true'"
        )
    return "cuda" if on_gpu else "cpu"


def describe_device(fit: FitConfig, accelerator: str) -> str:
    """A line that says where the network is trained."""
    if accelerator == "cuda":
        device = torch.cuda.get_device_name()
    else:
        threads = fit.threads or torch.get_num_threads()
        device = f"the CPU, {counted(threads, 'thread')}"
    several = f", {fit.processes} processes" if fit.processes > 1 else ""
    return f"training on {device}{several}, precision {fit.precision}"


def find_environment(fit: FitConfig) -> ClusterEnvironment:
    """What starts the training processes: torchrun, SLURM, or the command itself.

    Raises:
        ConfigError: the processes that were started are not those of the configuration.
    """
    asked = f"fit.devices x fit.nodes is {fit.devices} x {fit.nodes}"
    if TorchElasticEnvironment.detect():
        started = int(os.environ["WORLD_SIZE"])
        if started != fit.processes:
            raise ConfigError(f"{asked}, but torchrun started {started} processes")
        return TorchElasticEnvironment()
    tasks, per_node = (_number(f"SLURM_NTASKS{tail}") for tail in ("", "_PER_NODE"))
    if fit.processes > 1 and tasks == fit.processes and per_node == fit.devices:
        # Requeueing is the user's: Lightning's starts a job that was ended again.
        return SLURMEnvironment(auto_requeue=False)
    missing = {"MASTER_ADDR", "MASTER_PORT", "NODE_RANK"} - set(os.environ)
    if fit.nodes > 1 and missing:
        raise ConfigError(
            f"{asked}, but nothing tells which of the nodes this is: start the command by srun "
            f"with --nodes={fit.nodes} --ntasks-per-node={fit.devices}, by torchrun, or set "
            f"{', '.join(sorted(missing))} in its environment"
        )
    return LightningEnvironment()


def process_rank(fit: FitConfig) -> int:
    """Which of the training processes this is; only process 0 writes files and reports.

    Raises:
        ConfigError: the processes that were started are not those of the configuration.
    """
    if fit.processes == 1:
        return 0
    environment = find_environment(fit)
    if isinstance(environment, LightningEnvironment):
        return environment.node_rank() * fit.devices + environment.local_rank()
    return environment.global_rank()


def _number(variable: str) -> int | None:
    value = os.environ.get(variable, "")
    return int(value) if value.isdecimal() else None
