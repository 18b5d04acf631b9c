"""The training loop on a tiny network: which epoch is kept, schedules, logs, settings."""

from __future__ import annotations

import csv
import math
import re
from dataclasses import replace
from pathlib import Path

import fit_toy
import pytest
import torch
from fit_toy import FIT, ToyData, ToyNetwork, ToyPlan
from fit_toy import fit_toy as fit
from hypothesis import given
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from chromputer_tracks.errors import ConfigError, InputError
from chromputer_tracks.model import fitting
from chromputer_tracks.model.config import FitConfig
from chromputer_tracks.model.fitting import learning_rates
from chromputer_tracks.model.losses import Losses, continuous_loss, masked_loss, state_weights
from chromputer_tracks.records import check_limits


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def scores(*values: float):
    """A validation with given scores, which keeps the weights that it is shown."""
    left = list(values)
    shown: list[dict[str, torch.Tensor]] = []

    def validate(network: nn.Module) -> dict[str, float]:
        shown.append({name: value.clone() for name, value in network.state_dict().items()})
        return {"score": left.pop(0)}

    return validate, shown


def same(network: nn.Module, weights: dict[str, torch.Tensor]) -> bool:
    found = network.state_dict()
    assert found.keys() == weights.keys()
    return all(torch.equal(found[name], weights[name]) for name in weights)


def test_training_lowers_the_loss_and_learns(tmp_path):
    before = fit_toy.validate(ToyNetwork())["accuracy"]
    network = fit(tmp_path, replace(FIT, epochs=20, average=0.0))
    assert fit_toy.validate(network)["accuracy"] > max(0.8, before + 0.1)
    losses = [float(row["train_loss"]) for row in rows(tmp_path)]
    assert losses[-1] < 0.7 * losses[0]


def test_every_step_is_told_with_its_loss(tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "_TELL_EVERY", 0)
    told: list[tuple[int, int, str]] = []
    fit(tmp_path, replace(FIT, epochs=2), progress=lambda *steps: told.append(steps))
    assert [step for step, _, _ in told] == list(range(1, 9))
    assert {steps for _, steps, _ in told} == {8}
    losses = []
    for step, _, what in told:
        (epoch, loss) = re.fullmatch(r"steps, epoch (\d) of 2, loss (\d\.\d{3})", what).groups()
        assert int(epoch) == 1 + (step > 4)
        losses.append(float(loss))
    for epoch, row in enumerate(rows(tmp_path)):
        of = losses[4 * epoch : 4 * epoch + 4]
        assert sum(of) / 4 == pytest.approx(float(row["train_loss"]), abs=6e-4)
        assert len(set(of)) == 4


def test_between_its_ends_an_epoch_is_told_now_and_then(tmp_path, monkeypatch):
    """The loss is then the mean over the steps since."""
    monkeypatch.setattr(fitting, "_TELL_EVERY", 3600)
    told: list[tuple[int, int, str]] = []
    fit(tmp_path, replace(FIT, epochs=2), progress=lambda *steps: told.append(steps))
    assert [step for step, _, _ in told] == [1, 4, 8]
    first, rest, second = (float(what.split("loss ")[1]) for _, _, what in told)
    losses = [float(row["train_loss"]) for row in rows(tmp_path)]
    assert (first + 3 * rest) / 4 == pytest.approx(losses[0], abs=2e-3)
    assert second == pytest.approx(losses[1], abs=6e-4)


def test_the_best_epoch_is_kept_and_ties_go_to_the_first(tmp_path):
    validate, shown = scores(0.1, math.nan, 0.4, 0.4, 0.3)
    lines: list[str] = []
    network = fit(tmp_path, replace(FIT, epochs=5), validate=validate, lines=lines)
    assert len(shown) == 5
    assert [same(network, weights) for weights in shown] == [False, False, True, False, False]
    assert lines[-1] == "best epoch: 3, validation score 0.400"
    best = torch.load(tmp_path / "best.ckpt", weights_only=True)
    assert (best["epoch"], best["score"]) == (3, 0.4)
    assert same(network, best["state_dict"])


@pytest.mark.parametrize(
    ("patience", "epochs"), [(0, 6), (1, 3), (2, 6), (3, 6)], ids=lambda value: str(value)
)
def test_patience(tmp_path, patience, epochs):
    validate, shown = scores(0.1, 0.3, 0.2, 0.4, 0.4, 0.1)
    network = fit(tmp_path, replace(FIT, epochs=6, patience=patience), validate=validate)
    assert len(shown) == epochs
    assert same(network, shown[3 if epochs == 6 else 1])
    assert len(rows(tmp_path)) == epochs


def test_averaged_weights_are_those_of_the_formula(tmp_path):
    validate, shown = scores(1.0, 2.0)
    network = ToyNetwork(plain=True)
    fit(
        tmp_path,
        replace(FIT, epochs=2, average=0.75),
        network=network,
        validate=validate,
        losses=Losses(["sequence"], 2, torch.ones(1)),
    )
    # The first step copies the weights; ``trace`` has them before each step. An epoch has 4.
    after = network.trace[1:]
    average = after[0]
    for weights in after[1:4]:
        average = 0.75 * average + 0.25 * weights
    assert torch.allclose(shown[0]["head.weight"], average, atol=1e-6)
    assert not torch.allclose(shown[0]["head.weight"], after[3], atol=1e-3)


def test_one_step_of_all_losses_is_adamw_on_their_sum(tmp_path):
    """One epoch of one step, against the same step by hand."""

    class Data(ToyData):
        def __getitem__(self, number):
            item = super().__getitem__(number)
            generator = torch.Generator().manual_seed(number)
            item["continuous"] = torch.rand(2, 8, generator=generator) * 4
            return item

    settings = replace(
        FIT,
        epochs=1,
        batch=16,
        average=0.0,
        schedule="constant",
        warmup=0.0,
        focal=1.5,
        class_weights="sqrt",
        continuous_weight=0.5,
        gradient_clip=0.3,
        weight_decay=0.1,
    )
    frequencies = torch.tensor([0.2, 0.8])
    losses = Losses(["sequence"], 2, torch.tensor([2.0]), frequencies, ("log", "log1p"))
    torch.manual_seed(3)
    network, by_hand = ToyNetwork(5, plain=True), ToyNetwork(5, plain=True)
    by_hand.load_state_dict(network.state_dict())
    fit(tmp_path, settings, data=Data(), network=network, losses=losses)
    items = [Data()[number] for number in ToyPlan.numbers(0)[:16]]
    batch = {name: torch.stack([item[name] for item in items]) for name in items[0]}
    logits = by_hand(batch["sequence"])[0]
    loss = masked_loss(
        logits,
        batch["states"],
        batch["binary"],
        2,
        torch.tensor([2.0]),
        class_weights=state_weights(frequencies, "sqrt"),
        focal=1.5,
    )
    loss = loss + 0.5 * continuous_loss(logits[:, 3:], batch["continuous"], ("log", "log1p"))
    loss.backward()
    assert nn.utils.clip_grad_norm_(by_hand.parameters(), 0.3) > 0.3
    torch.optim.AdamW(by_hand.parameters(), lr=0.03, weight_decay=0.1).step()
    for name, value in by_hand.state_dict().items():
        assert torch.allclose(network.state_dict()[name], value, atol=1e-7), name
    assert float(rows(tmp_path)[0]["train_loss"]) == pytest.approx(loss.item(), rel=1e-6)


def rates(fit_config: FitConfig, steps: int) -> list[float]:
    parameter = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.AdamW([parameter], lr=fit_config.learning_rate)
    schedule = learning_rates(optimizer, fit_config, steps)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        parameter.grad = torch.ones(1)
        optimizer.step()
        # As Lightning, which moves the schedule on after the last step, too.
        if len(found) < steps:
            schedule.step()
    return found


def test_the_schedules():
    base = FitConfig(learning_rate=0.1, warmup=0.2)
    constant = rates(replace(base, schedule="constant"), 20)
    assert constant == pytest.approx([0.02, 0.04, 0.06, 0.08] + [0.1] * 16)
    cosine = rates(replace(base, schedule="cosine"), 20)
    expected = [0.02, 0.04, 0.06, 0.08]
    expected += [0.05 * (1 + math.cos(math.pi * k / 16)) for k in range(16)]
    assert cosine == pytest.approx(expected)
    cycle = rates(base, 20)
    # OneCycleLR's own defaults: from 1/25 of the maximum to 1/250,000.
    assert cycle[0] == pytest.approx(0.004)
    assert max(cycle) == cycle[3] == pytest.approx(0.1)
    assert cycle[-1] == pytest.approx(0.1 / 25 / 1e4)


@given(
    steps=st.integers(1, 60),
    warmup=st.sampled_from([0.0, 0.05, 0.1, 0.2, 0.25, 0.5, 0.99]),
    kind=st.sampled_from(["one-cycle", "cosine", "constant"]),
)
def test_every_schedule_stays_within_0_and_its_maximum(steps, warmup, kind):
    found = rates(FitConfig(learning_rate=0.1, warmup=warmup, schedule=kind), steps)
    assert all(0 <= rate <= 0.1 * (1 + 1e-9) for rate in found)
    assert max(found) > 0


def test_the_logs_have_every_epoch_and_figure(tmp_path):
    def validate(network: nn.Module) -> dict[str, float]:
        return {"score": 0.25, "accuracy": 0.75, "macro_f1": 0.5, "epoch": 0.125}

    lines: list[str] = []
    fit(tmp_path, validate=validate, lines=lines)
    table = rows(tmp_path)
    assert [row["epoch"] for row in table] == ["1", "2", "3"]
    assert [row["step"] for row in table] == ["4", "8", "12"]
    # A label may have any name.
    assert {row["validation_epoch"] for row in table} == {"0.125"}
    for row in table:
        # 4 batches of 4 segments with 8 windows each.
        trained = 128 / float(row["windows_per_second"])
        assert 0 < trained <= float(row["seconds"])
    assert lines[1].startswith("epoch 1 of 3: loss ")
    assert ", validation score 0.250 (accuracy 0.750, macro-F1 0.500), 0 s, " in lines[1]
    assert lines[1].endswith(" windows/s")
    events = EventAccumulator(str(tmp_path)).Reload()
    assert "validation/macro_f1" in events.Tags()["scalars"]
    for tag, column in [("training/train_loss", "train_loss"), ("validation/score", None)]:
        drawn = events.Scalars(tag)
        assert [point.step for point in drawn] == [1, 2, 3]
        values = [float(row[column or "validation_score"]) for row in table]
        assert [point.value for point in drawn] == pytest.approx(values)


def test_a_loss_that_is_no_number_ends_training(tmp_path):
    with pytest.raises(ConfigError, match="loss is nan in epoch 1: lower fit.learning_rate"):
        fit(tmp_path, losses=Losses(["sequence"], 2, torch.tensor([math.nan])))


@pytest.mark.parametrize(
    ("key", "value", "limit"),
    [
        ("epochs", 0, "must be at least 1"),
        ("batch", 0, "must be at least 1"),
        ("devices", 0, "must be at least 1"),
        ("nodes", -1, "must be at least 1"),
        ("patience", -1, "must be at least 0"),
        ("workers", -1, "must be at least 0"),
        ("focal", -0.5, "must be at least 0"),
        ("continuous_weight", math.nan, "must be at least 0"),
        ("gradient_clip", math.inf, "must be at least 0"),
        ("learning_rate", 0.0, "must be above 0"),
        ("learning_rate", math.nan, "must be above 0"),
        ("warmup", 1.0, "must be in 0 to 1, 1 excluded"),
        ("average", -0.1, "must be in 0 to 1, 1 excluded"),
    ],
)
def test_wrong_settings(key, value, limit):
    check_limits(FitConfig())
    with pytest.raises(InputError, match=rf"^fit\.{key} is {value}; it {limit}$"):
        check_limits(replace(FitConfig(), **{key: value}), "fit")


def test_mixed_precision_on_the_cpu(tmp_path):
    full = fit(tmp_path / "full", replace(FIT, epochs=1))
    mixed = fit(tmp_path / "mixed", replace(FIT, epochs=1, precision="bf16-mixed"))
    difference = (full.head.weight - mixed.head.weight).abs().max().item()
    assert 0 < difference < 0.02
