"""Layers with their backward passes written out, for DeepLIFT and for the gradient.

A *multiplier* is what a change of a layer's output is worth in the explained logit. Each rule takes
the multipliers of its output to those of its input. With references it follows DeepLIFT (Shrikumar
et al. 2017, arXiv:1704.02685): linear layers as they are, the rescale rule for ReLU, and for a
maximum the rule of SHAP's DeepExplainer. Without references it gives the gradient. All of it is
plain tensor arithmetic, so that it exports to ONNX.

Windows come as (n, ...), references as (rows * r, ...): r references a window where ``rows`` is n,
or the same r for all where it is 1. Multipliers have n * r rows, window by window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

EPSILON = 1e-10
"""Below this difference of a layer's input the gradient takes the place of the ratio."""


@dataclass(frozen=True, slots=True)
class Record:
    """What a rule saw of windows or of references.

    Attributes:
        given: its input.
        made: its output.
        more: what else its backward pass needs.
    """

    given: Tensor
    made: Tensor
    more: Any = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What a rule saw of both.

    Attributes:
        window: of the windows.
        reference: of the references; None for the gradient.
        rows: number of windows that have references of their own, or 1.
    """

    window: Record
    reference: Record | None
    rows: int

    def pair(self, name: str) -> tuple[Tensor, Tensor]:
        """One of the records' tensors, windows as (n, 1, ...) and references as (rows, r, ...)."""
        if self.reference is None:
            raise TypeError("the gradient has no references")
        return getattr(self.window, name).unsqueeze(1), grouped(
            getattr(self.reference, name), self.rows
        )

    def part(self, place: int) -> Seen:
        """What one of a rule's own rules saw, where ``more`` holds their records."""
        reference = None if self.reference is None else self.reference.more[place]
        return Seen(self.window.more[place], reference, self.rows)


def grouped(x: Tensor, rows: int) -> Tensor:
    """(rows * r, ...) -> (rows, r, ...)."""
    return x.reshape(rows, -1, *x.shape[1:])


class Rule(nn.Module):
    """A layer that is given its input and, later, the multipliers of its output."""

    def run(self, x: Tensor) -> Record:
        """The forward pass."""
        return Record(x, self(x))

    def back(self, multiplier: Tensor, seen: Seen) -> Tensor:
        """Multipliers of the output to those of the input."""
        raise TypeError(type(self).__name__)


class Linear(Rule):
    """A valid convolution, 1D or 2D, with its batch norm folded in.

    Args:
        weight: float32 (out, in, width) or (out, in, height, width).
        bias: float32 (out,).
        dilation: of the last axis.
        padding: rows of zeros above and below (2D).
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor, dilation: int = 1, padding: int = 0) -> None:
        super().__init__()
        self.register_buffer("weight", weight.detach().float().clone())
        self.register_buffer("bias", bias.detach().float().clone())
        self.dilation, self.padding = dilation, padding

    def forward(self, x: Tensor) -> Tensor:
        """(n, in, L) -> (n, out, L - (width - 1) * dilation)."""
        if self.weight.dim() == 3:
            return functional.conv1d(x, self.weight, self.bias, dilation=self.dilation)
        return functional.conv2d(x, self.weight, self.bias, padding=(self.padding, 0))

    def back(self, multiplier: Tensor, seen: Seen) -> Tensor:
        """The transposed convolution."""
        if self.weight.dim() == 3:
            return functional.conv_transpose1d(multiplier, self.weight, dilation=self.dilation)
        return functional.conv_transpose2d(multiplier, self.weight, padding=(self.padding, 0))


class Scale(Rule):
    """A factor and a shift a channel: a batch norm that nothing linear stands before."""

    factor: Tensor
    offset: Tensor

    def __init__(self, factor: Tensor, offset: Tensor) -> None:
        super().__init__()
        self.register_buffer("factor", factor.detach().float().clone().unsqueeze(1))
        self.register_buffer("offset", offset.detach().float().clone().unsqueeze(1))

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, L) -> the same."""
        return x * self.factor + self.offset

    def back(self, multiplier: Tensor, seen: Seen) -> Tensor:
        """Times the factor."""
        return multiplier * self.factor


class Relu(Rule):
    """Rectification, by the rescale rule."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return functional.relu(x)

    def back(self, multiplier: Tensor, seen: Seen) -> Tensor:
        """Times the ratio of the differences of output and input."""
        if seen.reference is None:
            return multiplier * (seen.window.given > 0).to(multiplier.dtype)
        x, r = seen.pair("given")
        y, s = seen.pair("made")
        return multiplier * _ratio(y - s, x - r, x > 0).flatten(0, 1)


def _ratio(output: Tensor, inputs: Tensor, gradient: Tensor) -> Tensor:
    small = inputs.abs() < EPSILON
    return torch.where(
        small,
        gradient.to(output.dtype),
        output / torch.where(small, torch.ones_like(inputs), inputs),
    )


class Maximum(Rule):
    """The largest of each group of inputs; subclasses say what the groups are.

    Of the two places where the window and the reference have their maximum, the one with the larger
    maximum carries the whole difference (Lundberg and Lee's DeepExplainer, as Captum has it).
    """

    def largest(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Maxima, and their places in the flattened item, int64."""
        raise TypeError(type(self).__name__)

    def forward(self, x: Tensor) -> Tensor:
        """The maxima."""
        return self.largest(x)[0]

    def run(self, x: Tensor) -> Record:
        """The forward pass; keeps the places."""
        made, places = self.largest(x)
        return Record(x, made, places)

    def back(self, multiplier: Tensor, seen: Seen) -> Tensor:
        """All of it to one place of each group."""
        window, reference = seen.window, seen.reference
        shape = window.given.shape[1:]
        size = shape.numel()
        if reference is None:
            return _scatter(multiplier, window.more, size).reshape(-1, *shape)
        x, r = seen.pair("made")
        here, there = seen.pair("more")
        larger = x >= r
        place = torch.where(larger, here, there)  # (n, r, ...)
        inputs = _take(window.given, place, window.given.shape[0])
        inputs = inputs - _take(reference.given, place, seen.rows)
        ratio = _ratio(x - r, inputs, larger)
        return _scatter(multiplier * ratio.flatten(0, 1), place.flatten(0, 1), size).reshape(
            -1, *shape
        )


def _take(items: Tensor, place: Tensor, rows: int) -> Tensor:
    """Values of items (rows * r, ...) at places (n, r, ...) inside each."""
    return items.flatten()[place + _starts(items, rows, place.dim())]


def _scatter(values: Tensor, place: Tensor, size: int) -> Tensor:
    """Items of ``size`` values that are 0 but for the given ones, (n, size)."""
    items = torch.zeros(values.shape[0] * size, dtype=values.dtype)
    starts = torch.arange(values.shape[0]) * size
    where = place + starts.reshape(-1, *[1] * (place.dim() - 1))
    return items.scatter(0, where.flatten(), values.flatten())


def _starts(items: Tensor, rows: int, axes: int) -> Tensor:
    """Where each of the flattened items begins, as (rows, r, 1, ...)."""
    starts = torch.arange(items.shape[0]) * items.shape[1:].numel()
    return starts.reshape(rows, -1, *[1] * (axes - 2))


class StrandMaximum(Maximum):
    """The best match on either strand within ``width`` positions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def largest(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 2 * filters, L) -> (n, filters, L / width), twice."""
        length = x.shape[2]
        filters = x.shape[1] // 2
        pools = length // self.width
        best, offset = x.reshape(-1, 2, filters, pools, self.width).max(-1)
        forward = best[:, 0] >= best[:, 1]
        place = torch.where(forward, offset[:, 0], offset[:, 1] + filters * length)
        place = place + length * torch.arange(filters).reshape(-1, 1)
        return torch.maximum(best[:, 0], best[:, 1]), place + self.width * torch.arange(pools)


class PositionMaximum(Maximum):
    """The largest of ``width`` positions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def largest(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(n, channels, L) -> (n, channels, L / width), twice."""
        channels, length = x.shape[1:]
        pools = length // self.width
        best, place = x.reshape(-1, channels, pools, self.width).max(-1)
        place = place + length * torch.arange(channels).reshape(-1, 1)
        return best, place + self.width * torch.arange(pools)


class RowMaximum(Maximum):
    """The larger of two rows of an image; an odd last row stands alone."""

    def largest(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(n, channels, rows, positions) -> (n, channels, rows / 2, positions), twice."""
        channels, rows, width = x.shape[1:]
        pairs = -(-rows // 2)
        if rows % 2:
            x = functional.pad(x, (0, 0, 0, 1), value=-torch.inf)
        best, place = x.reshape(-1, channels, pairs, 2, width).max(3)
        row = 2 * torch.arange(pairs).reshape(-1, 1) + rows * torch.arange(channels).reshape(
            -1, 1, 1
        )
        return best, (place + row) * width + torch.arange(width)


class Mean(Rule):
    """The mean of ``width`` positions, ``stride`` apart: 1 or ``width``."""

    def __init__(self, width: int, stride: int) -> None:
        super().__init__()
        self.width, self.stride = width, stride

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, L) -> (n, channels, (L - width) / stride + 1)."""
        return functional.avg_pool1d(x, self.width, self.stride)

    def back(self, multiplier: Tensor, seen: Seen) -> Tensor:
        """An equal share to each position."""
        if self.stride == self.width:
            return multiplier.repeat_interleave(self.width, -1) / self.width
        return self.forward(functional.pad(multiplier, (self.width - 1, self.width - 1)))


class Cut(Rule):
    """Cuts the same number of positions off both ends."""

    def __init__(self, positions: int) -> None:
        super().__init__()
        self.positions = positions

    def forward(self, x: Tensor) -> Tensor:
        """(..., L) -> (..., L - 2 * positions)."""
        return x[..., self.positions : -self.positions] if self.positions else x

    def back(self, multiplier: Tensor, seen: Seen) -> Tensor:
        """Nothing to what was cut off."""
        return functional.pad(multiplier, (self.positions, self.positions))


class AddAxis(Rule):
    """An image of one channel."""

    def forward(self, x: Tensor) -> Tensor:
        """(n, rows, positions) -> (n, 1, rows, positions)."""
        return x.unsqueeze(1)

    def back(self, multiplier: Tensor, seen: Seen) -> Tensor:
        """Without the channel."""
        return multiplier.squeeze(1)


class DropAxis(Rule):
    """An image of one row as positions."""

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, 1, positions) -> (n, channels, positions)."""
        return x.squeeze(2)

    def back(self, multiplier: Tensor, seen: Seen) -> Tensor:
        """With the row."""
        return multiplier.unsqueeze(2)


class Chain(Rule):
    """Rules one after the other."""

    def __init__(self, *rules: Rule) -> None:
        super().__init__()
        self.rules = nn.ModuleList(rules)

    def forward(self, x: Tensor) -> Tensor:
        """All of them."""
        return self.run(x).made

    def run(self, x: Tensor) -> Record:
        """All of them, with their records."""
        given, records = x, []
        for rule in self.rules:
            records.append(rule.run(x))  # type: ignore[operator]
            x = records[-1].made
        return Record(given, x, records)

    def back(self, multiplier: Tensor, seen: Seen) -> Tensor:
        """All of them, from the last."""
        for place in reversed(range(len(self.rules))):
            multiplier = self.rules[place].back(multiplier, seen.part(place))  # type: ignore[operator]
        return multiplier


class Residual(Rule):
    """A chain that loses positions, added to what went into it."""

    def __init__(self, lost: int, chain: Chain) -> None:
        super().__init__()
        self.cut, self.chain = Cut(lost), chain

    def run(self, x: Tensor) -> Record:
        """(n, channels, L) -> (n, channels, L - 2 * lost)."""
        record = self.chain.run(x)
        return Record(x, self.cut(x) + record.made, [record])

    def back(self, multiplier: Tensor, seen: Seen) -> Tensor:
        """Through the chain and past it."""
        past: Tensor = self.cut.back(multiplier, seen)
        return past + self.chain.back(multiplier, seen.part(0))
