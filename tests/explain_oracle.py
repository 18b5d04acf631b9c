"""What Captum, tangermeme and torch say that each input contributes.

The libraries are given one window at a time, repeated beside each of its references (*pairs*), so
that every window can have weights of its own.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from captum.attr import DeepLift, LayerDeepLift
from explain_oracle_networks import Case
from explain_oracle_twin import Arrays, Twin, twin_arrays
from tangermeme.deep_lift_shap import deep_lift_shap, hypothetical_attributions
from torch import Tensor, nn

Explained = dict[str, Tensor]
"""Contributions by the names of :func:`chromputer_tracks.spec.explain_outputs`."""


@contextmanager
def quiet(*messages: str) -> Iterator[None]:
    """Without the warnings that begin so."""
    with warnings.catch_warnings():
        for message in messages:
            warnings.filterwarnings("ignore", message=message)
        yield


def one_window(case: Case, row: int) -> tuple[Twin, list[Tensor], list[Tensor]]:
    """A window's weighted twin, and its pairs with each of its references."""
    twin = Twin(case.network, case.weights[row])
    references = [r[row] if r.dim() == 4 else r for r in case.references]
    per = max(len(r) for r in references)
    behind = [r.expand(per, -1, -1) for r in references]
    inputs = [x[row : row + 1].expand(per, -1, -1) for x in case.windows]
    return twin, twin_arrays(case.network, inputs), twin_arrays(case.network, behind)


def named(case: Case, arrays: Arrays) -> Explained:
    """A twin's arrays by the explaining network's names; shape in the window's length."""
    given, found = iter(arrays), {}
    for item in case.items:
        if item.bases:
            found[f"contributions.{item.name}"] = next(given)
        if item.shape:
            found[f"shape.{item.name}"] = nn.functional.pad(next(given), (3, 3))
    return found


def bases_of(case: Case) -> tuple[str, int] | None:
    """The input whose bases are read, and its place among the twin's inputs."""
    item = next((item for item in case.items if item.kind == "sequence" and item.bases), None)
    # Only what precedes it counts, and that has one array an input.
    return None if item is None else (item.name, case.items.index(item))


def joined(case: Case, windows: Sequence[Explained]) -> Explained:
    """Arrays of each window's pairs -> (n, ...): means over the references, bases summed."""
    found = {name: torch.stack([w[name].mean(0).detach() for w in windows]) for name in windows[0]}
    bases = bases_of(case)
    if bases is not None:
        name = f"contributions.{bases[0]}"
        found[name] = found[name].sum(1)
    return found


def captum(case: Case) -> Explained:
    """DeepLIFT by Captum: contributions in batches, hypothetical ones a pair at a time.

    Where an input of a maximum does not differ from the reference, Captum 0.9 takes the gradient of
    the batch's *first* pair (github.com/meta-pytorch/captum/issues/1276). Contributions do not
    change by it, as nothing differs there; hypothetical ones do.
    """
    found, bases = [], bases_of(case)
    with quiet("Setting forward, backward hooks"):
        for row in range(len(case.weights)):
            twin, given, behind = one_window(case, row)
            inputs = tuple(x.clone().requires_grad_() for x in given)
            references = tuple(behind)
            explainer = DeepLift(twin)
            window = named(case, explainer.attribute(inputs, references, target=0))
            if bases is not None:
                name, place = bases
                pairs = [
                    explainer.attribute(
                        tuple(x[k : k + 1] for x in inputs),
                        tuple(r[k : k + 1] for r in references),
                        target=0,
                        custom_attribution_func=lambda slopes, _inputs, _references: slopes,
                    )[place]
                    for k in range(len(inputs[0]))
                ]
                values = hypothetical(torch.cat(pairs), references[place])
                window[f"hypothetical.{name}"] = values
            for item, layer in zip(case.items, twin.first_layers(), strict=True):
                values = LayerDeepLift(twin, layer).attribute(inputs, references, target=0)
                window[f"filters.{item.name}"] = values.flatten(2).sum(2)
            found.append(window)
    return joined(case, found)


class Packed(nn.Module):
    """A twin of one array, (n, rows of all inputs, longest), as tangermeme explains only one."""

    def __init__(self, twin: Twin, arrays: Arrays) -> None:
        super().__init__()
        self.twin = twin
        self.shapes = [tuple(x.shape[1:]) for x in arrays]
        # tangermeme leaves all modules in the mode in which it found the outermost.
        self.eval()

    def forward(self, packed: Tensor) -> Tensor:
        """Logits (n, 1)."""
        result: Tensor = self.twin(*self.unpack(packed))
        return result

    def unpack(self, packed: Tensor) -> list[Tensor]:
        """The reverse of :func:`pack`."""
        arrays, row = [], 0
        for rows, positions in self.shapes:
            arrays.append(packed[..., row : row + rows, :positions])
            row += rows
        return arrays


def pack(arrays: Arrays) -> Tensor:
    """(n, rows, positions) of each input -> (n, rows of all, longest), zeros between."""
    longest = max(x.shape[-1] for x in arrays)
    return torch.cat([nn.functional.pad(x, (0, longest - x.shape[-1])) for x in arrays], -2)


def tangermeme(case: Case) -> Explained:
    """DeepLIFT by tangermeme, which takes V-plots and signals for odd bases and warns of them."""
    found, bases = [], bases_of(case)
    with quiet("X must be one-hot", "references must be one-hot"):
        for row in range(len(case.weights)):
            twin, inputs, references = one_window(case, row)
            packed = Packed(twin, inputs)
            slopes = deep_lift_shap(
                packed,
                pack(inputs)[:1],
                references=pack(references).unsqueeze(0),
                raw_outputs=True,
                only_warn=True,
                device="cpu",
            )
            arrays = zip(packed.unpack(slopes[0]), inputs, references, strict=True)
            window = named(case, [slope * (x - r) for slope, x, r in arrays])
            if bases is not None:
                name, place = bases
                slope = packed.unpack(slopes[0])[place]
                window[f"hypothetical.{name}"] = hypothetical(slope, references[place])
            found.append(window)
    return joined(case, found)


def hypothetical(multipliers: Tensor, references: Tensor) -> Tensor:
    """tangermeme's hypothetical contributions of pairs (n, 4, L)."""
    # The bases themselves do not enter but for their shape.
    (found,) = hypothetical_attributions((multipliers,), (references,), (references,))
    return found


def autograd(case: Case) -> Explained:
    """Gradient times input by torch; the hypothetical contributions are the gradient."""
    found, bases = [], bases_of(case)
    for row in range(len(case.weights)):
        twin = Twin(case.network, case.weights[row])
        given = twin_arrays(case.network, [x[row : row + 1] for x in case.windows])
        inputs = [x.clone().requires_grad_() for x in given]
        made: dict[nn.Module, Tensor] = {}
        for layer in twin.first_layers():
            layer.register_forward_hook(lambda layer, _given, x, made=made: made.update({layer: x}))
        logit = twin(*inputs).sum()
        # In the order of the inputs, not of the forward pass.
        tensors = [*inputs, *(made[layer] for layer in twin.first_layers())]
        slopes = torch.autograd.grad(logit, tensors)
        values = [x * slope for x, slope in zip(tensors, slopes, strict=True)]
        window = named(case, values[: len(inputs)])
        if bases is not None:
            name, place = bases
            window[f"hypothetical.{name}"] = slopes[place]
        for item, filters in zip(case.items, values[len(inputs) :], strict=True):
            window[f"filters.{item.name}"] = filters.flatten(2).sum(2)
        found.append(window)
    return joined(case, found)
