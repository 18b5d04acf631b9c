"""The network as a chain of plain modules, which libraries for DeepLIFT can hook.

An independent reading of the architecture: copies of the trained layers in its own order, each
maximum and each rectifier a module of its own that is used once. DNA shape is an input of its own:
contributions stop there.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from chromputer_tracks.model.network import Chromputer, SequenceTrunk, SignalTrunk, VplotTrunk

Arrays = Sequence[Tensor]
"""A twin's inputs: of a sequence the bases, if they are read, then the shape, if it is read."""


def reverse_complement_filters(weight: Tensor, bases: int) -> Tensor:
    """The filters (filters, bases + shape, width) of the other strand, row by row."""
    rows = [3 - row if row < bases else row for row in range(weight.shape[1])]
    return torch.stack([weight[:, row].flip(1) for row in rows], 1)


class PlainMotifs(nn.Module):
    """Both strands by one convolution, then one maximum over 2 strands x 10 positions."""

    def __init__(self, trunk: SequenceTrunk) -> None:
        super().__init__()
        weight = trunk.motifs.weight.detach()
        filters, rows, width = weight.shape
        self.conv = nn.Conv1d(rows, 2 * filters, width, bias=False)
        other = reverse_complement_filters(weight, trunk.motifs.bases)
        self.conv.weight.data = torch.cat([weight, other])
        self.pool = nn.MaxPool2d((2, 10))
        self.norm = copy.deepcopy(trunk.motifs.norm)
        self.relu = nn.ReLU()

    def forward(self, rows: Tensor) -> Tensor:
        """(n, rows, positions) -> (n, filters, positions / 10)."""
        found = self.conv(rows)
        n, filters, positions = found.shape
        strands = found.view(n, 2, filters // 2, positions).transpose(1, 2)
        matched: Tensor = self.relu(self.norm(self.pool(strands).squeeze(2)))
        return matched


class Cut(nn.Module):
    """Cuts positions off both ends."""

    def __init__(self, positions: int) -> None:
        super().__init__()
        self.positions = positions

    def forward(self, x: Tensor) -> Tensor:
        """(..., L) -> (..., L - 2 * positions)."""
        return x[..., self.positions : x.shape[-1] - self.positions]


class Apart(nn.Module):
    """Copies its input, so that a rectifier's output is not the tensor that a maximum reads.

    Captum 0.9 hooks both on that one tensor, the rectifier first: it then sees the gradient before
    the maximum's rule has replaced it, and the contributions do not add up.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(...) -> the same."""
        return x.clone()


class Lift(nn.Module):
    """(n, lengths, positions) -> (n, 1, lengths, positions), or back where ``lower``."""

    def __init__(self, lower: bool = False) -> None:
        super().__init__()
        self.lower = lower

    def forward(self, x: Tensor) -> Tensor:
        return x.squeeze(2) if self.lower else x.unsqueeze(1)


def linear(block: nn.Module) -> list[nn.Module]:
    """Copies of the layers of a block that have parameters: convolutions and batch norms."""
    kept = (nn.Conv1d, nn.Conv2d, nn.BatchNorm1d, nn.BatchNorm2d)
    return [copy.deepcopy(layer) for layer in block.modules() if isinstance(layer, kept)]


class Residual(nn.Module):
    """The context layer: the middle of its input plus what a dilated convolution finds."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*linear(block), nn.ReLU())
        self.cut = Cut(self.layers[0].dilation[0])

    def forward(self, x: Tensor) -> Tensor:
        summed: Tensor = self.cut(x) + self.layers(x)
        return summed


class Twin(nn.Module):
    """A network's logits for one window, shape taken as an input.

    Args:
        network: copied, in evaluation mode.
        weights: float32 (outputs,) or None. With them the twin gives (n, 1), the weighted logit;
            without them (n, outputs).
    """

    def __init__(self, network: Chromputer, weights: Tensor | None = None) -> None:
        super().__init__()
        self.explained = weights
        self.motifs: PlainMotifs | None = None
        self.margins: list[int] = []
        trunks: list[nn.Module] = []
        for trunk in network.trunks:
            if isinstance(trunk, SequenceTrunk):
                width = trunk.motifs.weight.shape[2]
                per_cell = trunk.arrangement[3].kernel_size
                margin = (10 * per_cell - width + 1) // 2
                self.margins = [margin] * (trunk.hide is not None)
                self.margins += [margin - 3] * (trunk.shape is not None)
                self.motifs = PlainMotifs(trunk)
                arrangement = linear(trunk.arrangement)
                trunks.append(
                    nn.Sequential(*arrangement, nn.ReLU(), Apart(), nn.MaxPool1d(per_cell))
                )
            elif isinstance(trunk, VplotTrunk):
                layers = [Lift(), nn.AvgPool2d((1, 5), stride=1), *linear(trunk.conv), nn.ReLU()]
                layers += [Apart(), nn.MaxPool2d((2, 1), ceil_mode=True), *linear(trunk.collapse)]
                layers += [nn.ReLU(), Lift(lower=True), nn.AvgPool1d(trunk.pool.kernel_size)]
                trunks.append(nn.Sequential(*layers))
            elif isinstance(trunk, SignalTrunk):
                one, norm, two, other = linear(trunk.layers)
                layers = [one, norm, nn.ReLU(), two, other, nn.ReLU()]
                trunks.append(nn.Sequential(*layers, copy.deepcopy(trunk.layers[-1])))
            else:
                raise TypeError(type(trunk).__name__)
        self.trunks = nn.ModuleList(trunks)
        self.kinds = [type(trunk) for trunk in network.trunks]
        lost = [trunk.cells_lost for trunk in network.trunks]
        self.cuts = nn.ModuleList(Cut((max(lost) - cells) // 2) for cells in lost)
        self.fuse = nn.Sequential(*linear(network.fuse), nn.ReLU())
        self.context = nn.Sequential(*(Residual(block) for block in network.context))
        self.embed = nn.Sequential(*linear(network.embed), nn.ReLU())
        self.local: nn.Module | None = None
        if network.local is not None:
            extent = network.local[1].kernel_size
            cut = Cut(network.local[0].positions)
            layers = [cut, nn.MaxPool1d(extent), *linear(network.local), nn.ReLU()]
            self.local = nn.Sequential(*layers)
        heads = (network.states_head, network.binary_head, network.continuous_head)
        self.states, self.binary, self.continuous = (copy.deepcopy(head) for head in heads)
        self.eval()

    def forward(self, *inputs: Tensor) -> Tensor:
        """Arrays of one window's length -> (n, outputs), or (n, 1) with weights."""
        given = iter(inputs)
        cells, motifs = [], None
        for kind, trunk, cut in zip(self.kinds, self.trunks, self.cuts, strict=True):
            if kind is SequenceTrunk:
                rows = [Cut(margin)(next(given)) for margin in self.margins]
                motifs = self.motifs(torch.cat(rows, 1))
                cells.append(cut(trunk(motifs)))
            else:
                cells.append(cut(trunk(next(given))))
        embedding = self.embed(self.context(self.fuse(torch.cat(cells, 1))))
        logits = [] if self.states is None else [self.states(embedding)]
        if self.binary is not None:
            local = [] if self.local is None else [self.local(motifs)]
            logits.append(self.binary(torch.cat([embedding, *local], 1)))
        if self.continuous is not None:
            logits.append(self.continuous(embedding))
        found = torch.cat(logits, 1).squeeze(2)
        return found if self.explained is None else found @ self.explained[:, None].to(found)

    def first_layers(self) -> list[nn.Module]:
        """The first rectifier of each trunk."""
        return [
            self.motifs.relu
            if kind is SequenceTrunk
            else next(layer for layer in trunk if isinstance(layer, nn.ReLU))
            for kind, trunk in zip(self.kinds, self.trunks, strict=True)
        ]


def twin_arrays(network: Chromputer, inputs: Arrays) -> list[Tensor]:
    """A network's inputs as its twin takes them."""
    arrays = []
    for trunk, x in zip(network.trunks, inputs, strict=True):
        if not isinstance(trunk, SequenceTrunk):
            arrays.append(x)
            continue
        if trunk.hide is not None:
            arrays.append(x)
        if trunk.shape is not None:
            arrays.append(trunk.shape[0](x))
    return arrays
