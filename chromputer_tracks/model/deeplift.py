"""The network that explains: inputs to contributions, by DeepLIFT or by gradient times input.

A *multiplier* is what a change of a layer's output is worth in the explained logit. Beside each
layer stands its rule, which takes the multipliers of its output to those of its input. With
references it follows DeepLIFT (Shrikumar et al. 2017, arXiv:1704.02685): linear layers as they are,
the rescale rule for ReLU, and for a maximum the rule of SHAP's DeepExplainer. Without references it
gives the gradient. Each rule shares out the whole difference of its output from the reference's, so
that the contributions of all inputs add up to the difference of the logit, up to rounding. All of
it is plain tensor arithmetic, no autograd, so that it exports to ONNX.

Windows come as (n, ...), references as (rows * r, ...): r references a window where ``rows`` is n,
or the same r for all where it is 1. Multipliers have n * r rows, window by window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from chromputer_tracks.model.config import FINE
from chromputer_tracks.model.network import (
    Chromputer,
    ContextLayer,
    Crop,
    SequenceTrunk,
    SignalTrunk,
    VplotTrunk,
)
from chromputer_tracks.spec import InputSpec, explain_outputs

# ---- A layer and its rule.

EPSILON = 1e-10
"""Below this difference of a layer's input the gradient takes the place of the ratio."""


@dataclass(frozen=True, slots=True)
class Activations:
    """What went into a rule and came out of it, of windows or of references.

    Attributes:
        input: its input.
        output: its output.
        inner: what else its backward pass needs: of a rule made of rules, theirs.
    """

    input: Tensor
    output: Tensor
    inner: Any = None


@dataclass(frozen=True, slots=True)
class ActivationPair:
    """What a rule makes of the windows and of their references.

    Attributes:
        window: what the windows give.
        reference: what the references give; None for the gradient.
        rows: number of windows that have references of their own, or 1.
    """

    window: Activations
    reference: Activations | None
    rows: int

    def both(self, name: str) -> tuple[Tensor, Tensor]:
        """One of their tensors, windows as (n, 1, ...) and references as (rows, r, ...)."""
        if self.reference is None:
            raise TypeError("the gradient has no references")
        return getattr(self.window, name).unsqueeze(1), grouped(
            getattr(self.reference, name), self.rows
        )

    def part(self, place: int) -> ActivationPair:
        """The pair of one of the rules that a rule is made of."""
        reference = None if self.reference is None else self.reference.inner[place]
        return ActivationPair(self.window.inner[place], reference, self.rows)


def grouped(x: Tensor, rows: int) -> Tensor:
    """(rows * r, ...) -> (rows, r, ...)."""
    return x.reshape(rows, -1, *x.shape[1:])


class Rule(nn.Module):
    """A layer whose backward pass is written out."""

    def run(self, x: Tensor) -> Activations:
        """The forward pass."""
        return Activations(x, self(x))

    def back(self, multiplier: Tensor, pair: ActivationPair) -> Tensor:
        """Multipliers of the output to those of the input."""
        raise TypeError(type(self).__name__)


class Linear(Rule):
    """A valid convolution, 1D or 2D, with its batch norm folded in.

    Args:
        weight: float32 (out, in, width) or (out, in, height, width).
        bias: float32 (out,).
        dilation: dilation of the last axis.
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

    def back(self, multiplier: Tensor, pair: ActivationPair) -> Tensor:
        """The transposed convolution."""
        # Output differences are sums of input differences times weights, whatever the reference:
        # the bias cancels, and the multipliers are the gradient.
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

    def back(self, multiplier: Tensor, pair: ActivationPair) -> Tensor:
        """Times the factor."""
        return multiplier * self.factor


class Relu(Rule):
    """Rectification, by the rescale rule: the ratio of the differences of output and input.

    Where the reference's unit is on and the window's is off, the gradient is 0 although that makes
    a difference; the ratio tells it.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return functional.relu(x)

    def back(self, multiplier: Tensor, pair: ActivationPair) -> Tensor:
        """Times the ratio."""
        if pair.reference is None:
            # The gradient: 1 where the unit is on, 0 where it is off.
            return multiplier * (pair.window.input > 0).to(multiplier.dtype)
        x, r = pair.both("input")
        y, s = pair.both("output")
        return multiplier * _ratio(y - s, x - r, x > 0).flatten(0, 1)


def _ratio(output: Tensor, inputs: Tensor, gradient: Tensor) -> Tensor:
    """Differences of outputs over those of inputs, and where these vanish their limit."""
    # Window and reference that agree give 0 / 0. The ratio's limit as they come together is the
    # derivative, which is the multiplier that DeepLIFT has there.
    small = inputs.abs() < EPSILON
    return torch.where(
        small,
        gradient.to(output.dtype),
        # Both branches are computed: no division by 0 in the one that is not taken.
        output / torch.where(small, torch.ones_like(inputs), inputs),
    )


class Maximum(Rule):
    """The largest of each group of ``width`` inputs; subclasses say what the groups are.

    Of the two places where the window and the reference have their maximum, the one with the larger
    maximum carries the whole difference (Lundberg and Lee's DeepExplainer, as Captum has it). Of
    several equal inputs the first one is the maximum, as in PyTorch.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def largest(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Maxima, and their places in the flattened item, int64."""
        raise TypeError(type(self).__name__)

    def forward(self, x: Tensor) -> Tensor:
        """The maxima."""
        return self.largest(x)[0]

    def run(self, x: Tensor) -> Activations:
        """The forward pass; keeps the places."""
        return Activations(x, *self.largest(x))

    def back(self, multiplier: Tensor, pair: ActivationPair) -> Tensor:
        """All of it to one place of each group."""
        window, reference = pair.window, pair.reference
        shape = window.input.shape[1:]
        size = shape.numel()
        if reference is None:
            # The gradient of a maximum is 1 where it is taken from, and 0 elsewhere.
            return _scatter(multiplier, window.inner, size).reshape(-1, *shape)
        x, r = pair.both("output")
        here, there = pair.both("inner")
        # Where the larger of the two maxima is, the inputs differ by at least as much as the maxima
        # do, as the other's input there is at most the other's maximum: the ratio is in 0 to 1.
        larger = x >= r
        place = torch.where(larger, here, there)  # (n, r, ...)
        inputs = _take(window.input, place, window.input.shape[0])
        inputs = inputs - _take(reference.input, place, pair.rows)
        # At no difference: 1 at the window's own maximum, else 0, as the gradient is.
        ratio = _ratio(x - r, inputs, larger)
        return _scatter(multiplier * ratio.flatten(0, 1), place.flatten(0, 1), size).reshape(
            -1, *shape
        )


def _take(items: Tensor, place: Tensor, rows: int) -> Tensor:
    """Values of items (rows * r, ...) at places (n, r, ...) inside each."""
    values = items.flatten()
    starts = torch.arange(items.shape[0]) * items.shape[1:].numel()
    return values[place + starts.reshape(rows, -1, *[1] * (place.dim() - 2))]


def _scatter(values: Tensor, place: Tensor, size: int) -> Tensor:
    """Items of ``size`` values that are 0 but at places inside each, (n, size)."""
    items = torch.zeros(values.shape[0] * size, dtype=values.dtype)
    starts = torch.arange(values.shape[0]) * size
    where = place + starts.reshape(-1, *[1] * (place.dim() - 1))
    return items.scatter(0, where.flatten(), values.flatten())


class StrandMaximum(Maximum):
    """The best match on either strand within ``width`` positions."""

    def largest(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 2 * filters, L) -> (n, filters, L / width), twice."""
        length = x.shape[2]
        filters = x.shape[1] // 2
        pools = length // self.width
        # (n, strands, filters, pools), twice
        best, offset = x.reshape(-1, 2, filters, pools, self.width).max(-1)
        # Equal matches, as those of a palindrome, are the forward strand's. The backward strand's
        # channels follow all those of the forward one.
        forward = best[:, 0] >= best[:, 1]
        place = torch.where(forward, offset[:, 0], offset[:, 1] + filters * length)
        place = place + length * torch.arange(filters).reshape(-1, 1)
        return torch.maximum(best[:, 0], best[:, 1]), place + self.width * torch.arange(pools)


class PositionMaximum(Maximum):
    """The largest of ``width`` positions."""

    def largest(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(n, channels, L) -> (n, channels, L / width), twice."""
        channels, length = x.shape[1:]
        pools = length // self.width
        best, place = x.reshape(-1, channels, pools, self.width).max(-1)
        place = place + length * torch.arange(channels).reshape(-1, 1)
        return best, place + self.width * torch.arange(pools)


class RowMaximum(Maximum):
    """The larger of ``width`` = 2 rows of an image; an odd last row stands alone."""

    def largest(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(n, channels, rows, positions) -> (n, channels, rows / 2, positions), twice."""
        channels, rows, width = x.shape[1:]
        pairs = -(-rows // 2)
        if rows % 2:
            # Never the larger: an odd last row stands alone, as the network's ceil_mode has it.
            x = functional.pad(x, (0, 0, 0, 1), value=-torch.inf)
        best, place = x.reshape(-1, channels, pairs, 2, width).max(3)
        row = 2 * torch.arange(pairs).reshape(-1, 1)
        row = row + rows * torch.arange(channels).reshape(-1, 1, 1)
        return best, (place + row) * width + torch.arange(width)


class Mean(Rule):
    """The mean of ``width`` positions, ``stride`` apart: 1 or ``width``."""

    def __init__(self, width: int, stride: int) -> None:
        super().__init__()
        self.width, self.stride = width, stride

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, L) -> (n, channels, (L - width) / stride + 1)."""
        return functional.avg_pool1d(x, self.width, self.stride)

    def back(self, multiplier: Tensor, pair: ActivationPair) -> Tensor:
        """An equal share to each position."""
        if self.stride == self.width:
            return multiplier.repeat_interleave(self.width, -1) / self.width
        # A position is in the means of up to ``width`` neighbours: their mean, 0 beyond the ends.
        return self.forward(functional.pad(multiplier, (self.width - 1, self.width - 1)))


class Cut(Crop, Rule):
    """The network's crop."""

    def back(self, multiplier: Tensor, pair: ActivationPair) -> Tensor:
        """Nothing to what was cut off."""
        return functional.pad(multiplier, (self.positions, self.positions))


class AddAxis(Rule):
    """An image of one channel."""

    def forward(self, x: Tensor) -> Tensor:
        """(n, rows, positions) -> (n, 1, rows, positions)."""
        return x.unsqueeze(1)

    def back(self, multiplier: Tensor, pair: ActivationPair) -> Tensor:
        """Without the channel."""
        return multiplier.squeeze(1)


class DropAxis(Rule):
    """An image of one row as positions."""

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, 1, positions) -> (n, channels, positions)."""
        return x.squeeze(2)

    def back(self, multiplier: Tensor, pair: ActivationPair) -> Tensor:
        """With the row."""
        return multiplier.unsqueeze(2)


class Chain(Rule):
    """Rules one after the other."""

    rules: Any
    """A ``nn.ModuleList``, whose type does not say what it holds."""

    def __init__(self, *rules: Rule) -> None:
        super().__init__()
        self.rules = nn.ModuleList(rules)

    def forward(self, x: Tensor) -> Tensor:
        """All of them."""
        return self.run(x).output

    def run(self, x: Tensor) -> Activations:
        """All of them; keeps what each makes."""
        first, inner = x, []
        for rule in self.rules:
            inner.append(rule.run(x))
            x = inner[-1].output
        return Activations(first, x, inner)

    def back(self, multiplier: Tensor, pair: ActivationPair, to: int = 0) -> Tensor:
        """All of them, from the last down to one of these places."""
        for place in reversed(range(to, len(self.rules))):
            multiplier = self.rules[place].back(multiplier, pair.part(place))
        return multiplier


class Residual(Rule):
    """A chain that loses positions, added to what went into it."""

    def __init__(self, lost: int, chain: Chain) -> None:
        super().__init__()
        self.cut, self.chain = Cut(lost), chain

    def run(self, x: Tensor) -> Activations:
        """(n, channels, L) -> (n, channels, L - 2 * lost)."""
        record = self.chain.run(x)
        return Activations(x, self.cut(x) + record.output, [record])

    def back(self, multiplier: Tensor, pair: ActivationPair) -> Tensor:
        """Through the chain and past it."""
        # What is added has the same multipliers as the sum.
        past: Tensor = self.cut.back(multiplier, pair)
        return past + self.chain.back(multiplier, pair.part(0))


# ---- A trained network as rules.

_BASES = 4


class Explain(nn.Module):
    """Contributions of every input to a weighted sum of the logits, of exactly one window.

    Built from a trained :class:`~chromputer_tracks.model.network.Chromputer`, layer by layer, with
    batch norms folded into what stands before them and dropout left out. DNA shape counts as an
    input of its own: its contributions are not passed on to the bases.

    Logits are explained, not probabilities, which saturate. A softmax does not change when all of
    its logits rise together, so of a state's logit the mean of all states' is taken off (DeepLIFT,
    arXiv:1605.01713, eqn. 21): the weights of the states are then 1 - 1/k and -1/k.

    Args:
        network: trained; it is not changed.
        inputs: the network's inputs, in graph order.
    """

    heads: Tensor
    bias: Tensor

    def __init__(self, network: Chromputer, inputs: tuple[InputSpec, ...]) -> None:
        super().__init__()
        self.names = [item.name for item in inputs]
        self.output_names = explain_outputs(inputs)
        self.row = network.sequence_row
        self.shape: nn.Module | None = None
        self.reads_bases = False
        channels, trunks = [], []
        for trunk, crop in zip(network.trunks, network.crops, strict=True):
            if not isinstance(crop, Crop):
                raise TypeError(type(crop).__name__)
            if isinstance(trunk, SequenceTrunk):
                self.shape = trunk.shape
                self.reads_bases = trunk.motifs.bases > 0
                self.margin = Cut(trunk.crop.positions)
                chains = _sequence_chains(trunk)
            elif isinstance(trunk, VplotTrunk):
                chains = _vplot_chains(trunk)
            elif isinstance(trunk, SignalTrunk):
                chains = _signal_chains(trunk)
            else:
                raise TypeError(type(trunk).__name__)
            # Its first layer, the rest, and the crop to the common cells.
            trunks.append(Chain(*chains, Cut(crop.positions)))
            channels.append(trunk.channels)
        self.channels = channels
        self.trunks = nn.ModuleList(trunks)
        context = [_context(layer) for layer in network.context]
        embed = _linear_relu(list(network.embed))
        self.fused = Chain(*_linear_relu(list(network.fuse)), *context, *embed)
        self.hidden = len(embed[0].bias)
        self.local = _local(network.local)
        heads = (network.states_head, network.binary_head, network.continuous_head)
        present = [head for head in heads if isinstance(head, nn.Conv1d)]
        # One matrix of all heads: columns of the embedding, then of the local features, which are
        # 0 where a head does not read them.
        columns = max(head.in_channels for head in present)
        matrices = [
            functional.pad(head.weight.detach()[:, :, 0], (0, columns - head.in_channels))
            for head in present
        ]
        biases = [head.bias.detach() for head in present if head.bias is not None]
        self.register_buffer("heads", torch.cat(matrices))
        self.register_buffer("bias", torch.cat(biases))

    def forward(
        self, windows: Sequence[Tensor], references: Sequence[Tensor] | None, weights: Tensor
    ) -> tuple[Tensor, ...]:
        """Explain a batch.

        Args:
            windows: in graph order, float32 (n, channels, window / bin) each.
            references: the sequence's (n, r, 4, window), the others' (1, channels, window / bin);
                None: gradient times input.
            weights: float32 (n, outputs), of the logits in what is explained.

        Returns:
            what :func:`~chromputer_tracks.spec.explain_outputs` names, in its order:
            contributions to the weighted logit, means over the references. Without references the
            difference is that from 0.
        """
        n = windows[0].shape[0]
        # References of a sequence are shuffles of it, the window's own; the others' are the same
        # for all windows.
        own = self.row is not None
        rows = n if own else 1
        of_windows = [self._run_trunk(place, x) for place, x in enumerate(windows)]
        window = self._run_top(of_windows, n)
        of_references: list[Activations | None] = [None] * len(windows)
        reference, per = None, 1
        difference = logit = (window.output * weights).sum(1)
        if references is not None:
            if self.row is not None:
                per = references[self.row].shape[1]
            trunks = [self._run_trunk(place, x) for place, x in enumerate(references)]
            reference = self._run_top(trunks, n * per if own else 1)
            of_references = [*trunks]
            before = (grouped(reference.output, rows) * weights.unsqueeze(1)).sum(2)
            difference = logit - before.mean(1)
        # From the logits down: the heads are linear, so their multipliers are the weighted rows.
        each = weights.unsqueeze(1).expand(-1, per, -1).flatten(0, 1)  # (n * per, outputs)
        top = functional.linear(each, self.heads.t()).unsqueeze(2)  # (n * per, features, 1)
        top_pair = ActivationPair(window, reference, rows)
        cells = self.fused.back(top[:, : self.hidden], top_pair.part(0))
        results = {"explain.logit": logit, "explain.difference": difference}
        for place, part in enumerate(torch.split(cells, self.channels, 1)):
            if place == self.row:
                pair = ActivationPair(of_windows[place], of_references[place], rows)
                matched = self._trunk(place).back(part, pair, 1)
                if self.local is not None:
                    # The binary labels read the motifs a second time, near the centre.
                    matched = matched + self.local.back(top[:, self.hidden :], top_pair.part(1))
                results |= self._sequence(matched, pair, n)
            else:
                # The input has one reference, so that all of a window's references have the same
                # ratios from here on, and the mean may be taken first.
                part = grouped(part, n).mean(1)
                pair = ActivationPair(of_windows[place], of_references[place], 1)
                results |= self._other(place, part, pair)
        return tuple(results[name] for name in self.output_names)

    def _trunk(self, place: int) -> Chain:
        trunk = self.trunks[place]
        if not isinstance(trunk, Chain):
            raise TypeError(type(trunk).__name__)
        return trunk

    def _run_trunk(self, place: int, x: Tensor) -> Activations:
        if place != self.row:
            return self._trunk(place).run(x)
        sequence = x.flatten(0, 1) if x.dim() == 4 else x
        rows = [self.margin(sequence)] if self.reads_bases else []
        if self.shape is not None:
            rows.append(self.shape(sequence))
        return self._trunk(place).run(torch.cat(rows, 1))

    def _run_top(self, trunks: Sequence[Activations], batch: int) -> Activations:
        """What the fused layers and the heads make of the trunks; one reference serves all.

        Its parts are the fused layers and, where there are any, the binary labels' own features;
        its output are the logits (n, outputs).
        """
        cells = [
            record.output if place == self.row else record.output.expand(batch, -1, -1)
            for place, record in enumerate(trunks)
        ]
        joined = torch.cat(cells, 1)
        parts = [self.fused.run(joined)]
        if self.local is not None and self.row is not None:
            parts.append(self.local.run(trunks[self.row].inner[0].output))
        features = torch.cat([part.output for part in parts], 1)
        return Activations(
            joined, functional.linear(features.squeeze(2), self.heads, self.bias), parts
        )

    def _sequence(self, multiplier: Tensor, pair: ActivationPair, n: int) -> dict[str, Tensor]:
        """Contributions of bases, shape and motifs, from the multipliers of the motifs."""
        name = self.names[self.row or 0]
        first = pair.part(0)
        results = {f"filters.{name}": _contributions(multiplier, first, "output", n).sum(2)}
        multiplier = self._trunk(self.row or 0).rules[0].back(multiplier, first)
        pad = self.margin.positions
        if self.reads_bases:
            # Hypothetical contributions: what any base b would add if it stood there, where the
            # reference has base a. The difference is 1 in row b and -1 in row a: m_b - m_a. Of the
            # base that is there it is the contribution itself.
            bases = multiplier[:, :_BASES]
            if first.reference is not None:
                there = first.reference.input[:, :_BASES]
                bases = bases - (bases * there).sum(1, keepdim=True)
            bases = functional.pad(grouped(bases, n).mean(1), (pad, pad))
            results[f"hypothetical.{name}"] = bases
            x = functional.pad(first.window.input[:, :_BASES], (pad, pad))
            results[f"contributions.{name}"] = (bases * x).sum(1)
        if self.shape is not None:
            skip = _BASES * self.reads_bases
            shape = _contributions(multiplier, first, "input", n)[:, skip:]
            results[f"shape.{name}"] = functional.pad(shape, (pad, pad))
        return results

    def _other(self, place: int, multiplier: Tensor, pair: ActivationPair) -> dict[str, Tensor]:
        """Contributions of a V-plot or signal and of its filters, from its cells' multipliers."""
        name, trunk, n = self.names[place], self._trunk(place), multiplier.shape[0]
        multiplier, first = trunk.back(multiplier, pair, 1), pair.part(0)
        found = _contributions(multiplier, first, "output", n)
        multiplier = trunk.rules[0].back(multiplier, first)
        return {
            f"filters.{name}": found.flatten(2).sum(2),
            f"contributions.{name}": _contributions(multiplier, first, "input", n),
        }


def _contributions(multiplier: Tensor, pair: ActivationPair, name: str, n: int) -> Tensor:
    """Multipliers times differences (or values), means over the references, (n, ...)."""
    if pair.reference is None:
        values: Tensor = getattr(pair.window, name)
        return multiplier * values
    x, r = pair.both(name)
    return (grouped(multiplier, n) * (x - r)).mean(1)


def _sequence_chains(trunk: SequenceTrunk) -> tuple[Chain, Chain]:
    motifs = trunk.motifs
    # The norm comes after the maximum here, and a negative factor would turn it into a minimum: it
    # stays a layer of its own.
    factor, offset = _scale(motifs.norm)
    both = motifs.both_strands().detach()
    first = Chain(
        Linear(both, torch.zeros(len(both))), StrandMaximum(FINE), Scale(factor, offset), Relu()
    )
    arrangement = list(trunk.arrangement)
    return first, Chain(*_linear_relu(arrangement), PositionMaximum(_width(arrangement[3])))


def _vplot_chains(trunk: VplotTrunk) -> tuple[Chain, Chain]:
    conv, collapse = _linear_relu(list(trunk.conv)), _linear_relu(list(trunk.collapse))
    cell = _width(trunk.pool)
    first = Chain(Mean(_width(trunk.smooth), 1), AddAxis(), *conv, RowMaximum(2))
    return first, Chain(*collapse, DropAxis(), Mean(cell, cell))


def _signal_chains(trunk: SignalTrunk) -> tuple[Chain, Chain]:
    layers = list(trunk.layers)
    cell = _width(layers[7])
    return Chain(*_linear_relu(layers[1:])), Chain(*_linear_relu(layers[4:]), Mean(cell, cell))


def _context(layer: nn.Module) -> Residual:
    if not isinstance(layer, ContextLayer):
        raise TypeError(type(layer).__name__)
    return Residual(layer.crop.positions, Chain(*_linear_relu(list(layer.layer))))


def _local(local: nn.Module | None) -> Chain | None:
    if not isinstance(local, nn.Sequential):
        return None
    crop, pool, *rest = local
    if not isinstance(crop, Crop):
        raise TypeError(type(crop).__name__)
    return Chain(Cut(crop.positions), PositionMaximum(_width(pool)), *_linear_relu(rest))


def _width(pool: nn.Module) -> int:
    """Positions of a pool."""
    if not isinstance(pool, nn.MaxPool1d | nn.AvgPool1d | nn.AvgPool2d):
        raise TypeError(type(pool).__name__)
    size = pool.kernel_size
    return size if isinstance(size, int) else size[-1]


def _linear_relu(layers: Sequence[nn.Module]) -> tuple[Linear, Relu]:
    """A convolution with the batch norm after it folded in, and its ReLU."""
    convolution, norm, relu = layers[:3]
    if not (isinstance(convolution, nn.Conv1d | nn.Conv2d) and isinstance(relu, nn.ReLU)):
        raise TypeError(type(convolution).__name__)
    factor, offset = _scale(norm)
    weight = convolution.weight.detach().double()
    scaled = weight * factor.reshape(-1, *[1] * (weight.dim() - 1))
    bias = offset if convolution.bias is None else offset + factor * convolution.bias.detach()
    rows = int(convolution.padding[0]) if isinstance(convolution, nn.Conv2d) else 0
    return Linear(scaled, bias, convolution.dilation[-1], rows), Relu()


def _scale(norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Factor and offset of a batch norm in evaluation, float64."""
    if not isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
        raise TypeError(type(norm).__name__)
    if norm.running_mean is None or norm.running_var is None:
        raise TypeError("a batch norm without running statistics")
    factor = norm.weight.detach().double() / (norm.running_var.double() + norm.eps).sqrt()
    return factor, norm.bias.detach().double() - factor * norm.running_mean.double()
