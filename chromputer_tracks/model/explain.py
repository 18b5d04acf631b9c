"""The network that explains: inputs to contributions, by DeepLIFT or by gradient times input.

Built from a trained :class:`~chromputer_tracks.model.network.Chromputer`, layer by layer, with
batch norms folded into what stands before them and dropout left out. It takes exactly one window.
DNA shape counts as an input of its own: its contributions are not passed on to the bases.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from chromputer_tracks.model.config import FINE
from chromputer_tracks.model.deeplift import (
    AddAxis,
    Chain,
    Cut,
    DropAxis,
    Linear,
    Mean,
    PositionMaximum,
    Record,
    Relu,
    Residual,
    RowMaximum,
    Scale,
    Seen,
    StrandMaximum,
    grouped,
)
from chromputer_tracks.model.network import (
    Chromputer,
    ContextLayer,
    Crop,
    SequenceTrunk,
    SignalTrunk,
    VplotTrunk,
)
from chromputer_tracks.spec import InputSpec, explain_outputs

_BASES = 4


class ExplainedTrunk(nn.Module):
    """A trunk as rules: its first layer, the rest, and the crop to the common cells."""

    def __init__(self, first: Chain, rest: Chain, cells: int) -> None:
        super().__init__()
        self.first, self.rest, self.cut = first, rest, Cut(cells)

    def run(self, x: Tensor) -> Record:
        """Input to cells, with the records of its three parts."""
        first = self.first.run(x)
        rest = self.rest.run(first.made)
        cut = self.cut.run(rest.made)
        return Record(x, cut.made, (first, rest, cut))

    def back_to_first(self, multiplier: Tensor, seen: Seen) -> Tensor:
        """Multipliers of the cells to those of the first layer's output."""
        multiplier = self.cut.back(multiplier, seen.part(2))
        return self.rest.back(multiplier, seen.part(1))

    def back_to_input(self, multiplier: Tensor, seen: Seen) -> Tensor:
        """Multipliers of the first layer's output to those of the input."""
        return self.first.back(multiplier, seen.part(0))


class Explain(nn.Module):
    """Contributions of every input to a weighted sum of the logits.

    Args:
        network: trained; it is not changed.
        inputs: of the network, in graph order.
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
            trunks.append(ExplainedTrunk(*chains, crop.positions))
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
        # One matrix of all heads: columns of the embedding, then of the local features.
        columns = max(head.in_channels for head in present)
        self.register_buffer(
            "heads",
            torch.cat(
                [
                    functional.pad(head.weight.detach()[:, :, 0], (0, columns - head.in_channels))
                    for head in present
                ]
            ),
        )
        self.register_buffer(
            "bias", torch.cat([head.bias.detach() for head in present if head.bias is not None])
        )

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
        own = self.row is not None
        rows = n if own else 1
        ahead = [self._ahead(place, x) for place, x in enumerate(windows)]
        window = self._top(ahead, n)
        behind: list[Record | None] = [None] * len(windows)
        reference, per = None, 1
        difference = logit = (window.made * weights).sum(1)
        if references is not None:
            if self.row is not None:
                per = references[self.row].shape[1]
            records = [self._ahead(place, x) for place, x in enumerate(references)]
            reference = self._top(records, n * per if own else 1)
            behind = [*records]
            before = (grouped(reference.made, rows) * weights.unsqueeze(1)).sum(2)
            difference = logit - before.mean(1)
        each = weights.unsqueeze(1).expand(-1, per, -1).flatten(0, 1)  # (n * per, outputs)
        top = functional.linear(each, self.heads.t()).unsqueeze(2)  # (n * per, features, 1)
        pair = Seen(window, reference, rows)
        cells = self.fused.back(top[:, : self.hidden], pair.part(0))
        results = {"explain.logit": logit, "explain.difference": difference}
        for place, part in enumerate(torch.split(cells, self.channels, 1)):
            if place == self.row:
                seen = Seen(ahead[place], behind[place], rows)
                matched = self._trunk(place).back_to_first(part, seen)
                if self.local is not None:
                    matched = matched + self.local.back(top[:, self.hidden :], pair.part(1))
                results |= self._sequence(matched, seen, n)
            else:
                # Below this all is linear with the same coefficients for each reference.
                part = grouped(part, n).mean(1)
                results |= self._other(place, part, Seen(ahead[place], behind[place], 1))
        return tuple(results[name] for name in self.output_names)

    def _trunk(self, place: int) -> ExplainedTrunk:
        trunk = self.trunks[place]
        if not isinstance(trunk, ExplainedTrunk):
            raise TypeError(type(trunk).__name__)
        return trunk

    def _ahead(self, place: int, x: Tensor) -> Record:
        if place != self.row:
            return self._trunk(place).run(x)
        sequence = x.flatten(0, 1) if x.dim() == 4 else x
        rows = [self.margin(sequence)] if self.reads_bases else []
        if self.shape is not None:
            rows.append(self.shape(sequence))
        return self._trunk(place).run(torch.cat(rows, 1))

    def _top(self, trunks: Sequence[Record], batch: int) -> Record:
        """What the fused layers and the heads make of the trunks; one reference serves all.

        Its parts are the fused layers and, where there are any, the binary labels' own features;
        what it made are the logits (n, outputs).
        """
        cells = [
            record.made if place == self.row else record.made.expand(batch, -1, -1)
            for place, record in enumerate(trunks)
        ]
        joined = torch.cat(cells, 1)
        parts = [self.fused.run(joined)]
        if self.local is not None and self.row is not None:
            parts.append(self.local.run(trunks[self.row].more[0].made))
        features = torch.cat([part.made for part in parts], 1)
        return Record(joined, functional.linear(features.squeeze(2), self.heads, self.bias), parts)

    def _sequence(self, multiplier: Tensor, seen: Seen, n: int) -> dict[str, Tensor]:
        """Contributions of bases, shape and motifs, from the multipliers of the motifs."""
        name = self.names[self.row or 0]
        trunk = self._trunk(self.row or 0)
        first = seen.part(0)
        results = {f"filters.{name}": _contributions(multiplier, first, "made", n).sum(2)}
        multiplier = trunk.back_to_input(multiplier, seen)
        pad = self.margin.positions
        if self.reads_bases:
            # What base b would add where the reference has base a: m_b - m_a.
            bases = multiplier[:, :_BASES]
            if first.reference is not None:
                there = first.reference.given[:, :_BASES]
                bases = bases - (bases * there).sum(1, keepdim=True)
            bases = functional.pad(grouped(bases, n).mean(1), (pad, pad))
            results[f"hypothetical.{name}"] = bases
            x = functional.pad(first.window.given[:, :_BASES], (pad, pad))
            results[f"contributions.{name}"] = (bases * x).sum(1)
        if self.shape is not None:
            skip = _BASES * self.reads_bases
            shape = _contributions(multiplier, first, "given", n)[:, skip:]
            results[f"shape.{name}"] = functional.pad(shape, (pad, pad))
        return results

    def _other(self, place: int, multiplier: Tensor, seen: Seen) -> dict[str, Tensor]:
        """Contributions of a V-plot or signal and of its filters, from its cells' multipliers."""
        name, trunk, n = self.names[place], self._trunk(place), multiplier.shape[0]
        multiplier = trunk.back_to_first(multiplier, seen)
        first = seen.part(0)
        found = _contributions(multiplier, first, "made", n)
        multiplier = trunk.back_to_input(multiplier, seen)
        return {
            f"filters.{name}": found.flatten(2).sum(2),
            f"contributions.{name}": _contributions(multiplier, first, "given", n),
        }


def _contributions(multiplier: Tensor, seen: Seen, name: str, n: int) -> Tensor:
    """Multipliers times differences (or values), means over the references, (n, ...)."""
    if seen.reference is None:
        values: Tensor = getattr(seen.window, name)
        return multiplier * values
    x, r = seen.pair(name)
    return (grouped(multiplier, n) * (x - r)).mean(1)


def _sequence_chains(trunk: SequenceTrunk) -> tuple[Chain, Chain]:
    motifs = trunk.motifs
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
    first = Chain(Mean(_width(trunk.smooth), 1), AddAxis(), *conv, RowMaximum())
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
    return Linear(scaled, bias, convolution.dilation[-1], _rows(convolution)), Relu()


def _rows(convolution: nn.Conv1d | nn.Conv2d) -> int:
    return int(convolution.padding[0]) if isinstance(convolution, nn.Conv2d) else 0


def _scale(norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Factor and offset of a batch norm in evaluation, float64."""
    if not isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
        raise TypeError(type(norm).__name__)
    if norm.running_mean is None or norm.running_var is None:
        raise TypeError("a batch norm without running statistics")
    factor = norm.weight.detach().double() / (norm.running_var.double() + norm.eps).sqrt()
    return factor, norm.bias.detach().double() - factor * norm.running_mean.double()
