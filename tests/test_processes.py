"""Devices and processes: which are found, how segments are shared, two processes as one."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import fit_toy
import pytest
import torch
from fit_toy import FIT, ToyData, ToyNetwork, ToyPlan
from fit_toy import fit_toy as fit
from hypothesis import given
from hypothesis import strategies as st
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from torch.utils.data import DataLoader

from chromputer_tracks.errors import ConfigError
from chromputer_tracks.model.processes import (
    ShardedPlan,
    find_accelerator,
    find_environment,
    process_rank,
    shard,
)


def test_a_gpu_that_is_not_there_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert find_accelerator(replace(FIT, accelerator="auto")) == "cpu"
    with pytest.raises(ConfigError, match=r"fit.accelerator is 'gpu', but PyTorch .* set it to"):
        fit(tmp_path, replace(FIT, accelerator="gpu"))
    with pytest.raises(ConfigError, match=r"'16-mixed' needs a GPU and training is on the CPU"):
        fit(tmp_path, replace(FIT, precision="16-mixed"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for accelerator in ("auto", "gpu"):
        found = replace(FIT, accelerator=accelerator, devices=2, precision="16-mixed")
        assert find_accelerator(found) == "cuda"
    with pytest.raises(ConfigError, match=r"fit.devices is 3, but this machine has 2 usable GPUs"):
        find_accelerator(replace(FIT, accelerator="gpu", devices=3))
    assert find_accelerator(replace(FIT, devices=3)) == "cpu"


VARIABLES = ("LOCAL_RANK", "RANK", "WORLD_SIZE", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT")
VARIABLES += ("TORCHELASTIC_RUN_ID", "SLURM_NTASKS", "SLURM_NTASKS_PER_NODE", "SLURM_PROCID")


@pytest.mark.parametrize(
    ("devices", "nodes", "variables", "kind", "rank"),
    [
        (1, 1, {}, LightningEnvironment, 0),
        (2, 1, {}, LightningEnvironment, 0),
        (2, 1, {"LOCAL_RANK": "1"}, LightningEnvironment, 1),
        # A scheduler's job of one task that starts its processes itself.
        (2, 1, {"SLURM_NTASKS": "1", "SLURM_PROCID": "0"}, LightningEnvironment, 0),
        (1, 1, {"SLURM_NTASKS": "8", "SLURM_PROCID": "3"}, LightningEnvironment, 0),
        (
            2,
            2,
            {"SLURM_NTASKS": "4", "SLURM_NTASKS_PER_NODE": "2", "SLURM_PROCID": "3"},
            SLURMEnvironment,
            3,
        ),
        (
            2,
            3,
            {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "6", "RANK": "4"},
            TorchElasticEnvironment,
            4,
        ),
        (
            2,
            2,
            {"MASTER_ADDR": "a", "MASTER_PORT": "1", "NODE_RANK": "1", "LOCAL_RANK": "1"},
            LightningEnvironment,
            3,
        ),
    ],
)
def test_who_started_the_processes(monkeypatch, devices, nodes, variables, kind, rank):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    asked = replace(FIT, devices=devices, nodes=nodes)
    found = find_environment(asked)
    assert type(found) is kind
    assert process_rank(asked) == rank
    if isinstance(found, SLURMEnvironment):
        assert not found.auto_requeue


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, r"2 x 2, but nothing tells which .* srun with --nodes=2 --ntasks-per-node=2, by"),
        ({"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2"}, "2 x 2, but nothing tells"),
        ({"MASTER_ADDR": "a", "MASTER_PORT": "1"}, "or set NODE_RANK in its environment"),
        ({"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "2"}, "but torchrun started 2 processes"),
    ],
)
def test_processes_that_are_not_those_asked_for(monkeypatch, variables, message):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=message):
        find_environment(replace(FIT, devices=2, nodes=2))


@given(world=st.integers(1, 6), epoch=st.integers(0, 3))
def test_the_shares_are_disjoint_and_equal(world, epoch):
    shares = [ShardedPlan(ToyPlan(), rank, world) for rank in range(world)]
    for share in shares:
        share.set_epoch(epoch)
    drawn = [list(share) for share in shares]
    assert {len(numbers) for numbers in drawn} == {len(share) for share in shares}
    together = [number for numbers in zip(*drawn, strict=True) for number in numbers]
    whole = ToyPlan.numbers(epoch)
    assert together == whole[: len(together)]
    assert len(whole) - len(together) < world


def test_a_share_of_a_loader_is_as_the_loader():
    loader = DataLoader(ToyData(), 4, sampler=ToyPlan(), drop_last=True, num_workers=0)
    assert shard(loader, 0, 1) is loader
    share = shard(loader, 1, 2)
    assert (share.dataset, share.batch_size, share.drop_last) == (loader.dataset, 4, True)
    assert len(share) == 2  # 8 of the 17 segments


def test_segments_for_no_batch_are_an_error(tmp_path):
    with pytest.raises(ConfigError, match="do not fill one batch of 9 in each of 2 processes"):
        fit(tmp_path, replace(FIT, batch=9, devices=2))


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> tuple[list[dict], Path]:
    """A run in two processes on the CPU, of a network that averages nothing over a batch."""
    folder = tmp_path_factory.mktemp("two")
    script = [sys.executable, "-W", "error", fit_toy.__file__, folder, "--plain"]
    settings = '{"devices": 2, "patience": 1}'
    environment = {k: v for k, v in os.environ.items() if k not in VARIABLES}
    subprocess.run(
        [*script, "--fit", settings], check=True, capture_output=True, env=environment, timeout=120
    )
    return [torch.load(folder / f"rank-{rank}.pt") for rank in range(2)], folder


def test_two_processes_train_as_one_with_their_batches_together(two, tmp_path):
    ranks, folder = two
    # Validation scores 0.5 and 0.4: both end after the second epoch, though only one knows them.
    first, second = (result["seen"] for result in ranks)
    for epoch in range(2):
        shares = first[8 * epoch : 8 * epoch + 8], second[8 * epoch : 8 * epoch + 8]
        assert [n for pair in zip(*shares, strict=True) for n in pair] == ToyPlan.numbers(epoch)[
            :16
        ]
    assert len(first) == len(second) == 16
    traces = [result["trace"] for result in ranks]
    assert len(traces[0]) == len(traces[1]) == 4
    for one, other in zip(*traces, strict=True):
        assert torch.equal(one, other)
    torch.manual_seed(7)
    network = ToyNetwork(plain=True)
    left = [0.4, 0.5]
    lone = replace(FIT, batch=8, patience=1)
    fit(tmp_path, lone, network=network, validate=lambda _: {"score": left.pop()})
    assert len(network.trace) == 4
    for one, other in zip(network.trace, traces[0], strict=True):
        assert torch.allclose(one, other, atol=1e-6)
    ours, theirs = (
        list(csv.DictReader((where / "metrics.csv").read_text().splitlines()))
        for where in (tmp_path, folder)
    )
    for one, other in zip(ours, theirs, strict=True):
        assert float(one["train_loss"]) == pytest.approx(float(other["train_loss"]), rel=1e-5)
        assert one["validation_score"] == other["validation_score"]


def test_one_process_reports_and_validates(two):
    ranks, _ = two
    assert ranks[1]["lines"] == []
    assert ranks[0]["lines"][0] == "training on the CPU, 1 thread, 2 processes, precision 32-true"
    assert [line[:7] for line in ranks[0]["lines"][1:]] == ["epoch 1", "epoch 2", "best ep"]
