"""The network's first part: a trunk per input, from its own resolution to cells.

A *cell* is ``stride`` bases, aligned with the output bins. Each trunk gives cells and says how many
it lost at both ends together.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from chromputer_tracks.errors import ConfigError
from chromputer_tracks.model.network_config import FINE, NetworkConfig
from chromputer_tracks.model.shape import DnaShape
from chromputer_tracks.spec import InputSpec

# Positions (of 10 bp) that the V-plot trunk's three layers read beyond their output.
_SMOOTH, _CONV, _COLLAPSE = 5, 7, 6
# The same for the two layers of a signal's trunk.
_WIDE, _NARROW = 11, 6


class Crop(nn.Module):
    """Cuts the same number of positions off both ends."""

    def __init__(self, positions: int) -> None:
        super().__init__()
        if positions < 0:
            raise ConfigError("the window is too short for the layers; lengthen it")
        self.positions = positions

    def forward(self, x: Tensor) -> Tensor:
        """(..., L) -> (..., L - 2 * positions)."""
        return x[..., self.positions : -self.positions] if self.positions else x


class BaseDropout(nn.Module):
    """Hides random bases in training, all four channels at once; passes them on otherwise."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, sequence: Tensor) -> Tensor:
        """(n, 4, L) -> the same."""
        if not self.training or not self.share:
            return sequence
        n, _, length = sequence.shape
        return sequence * (torch.rand(n, 1, length, device=sequence.device) >= self.share)


class StrandMotifs(nn.Module):
    """Filters over bases and shape, the same on both strands, the best match per 10 bp taken.

    Args:
        filters: number of filters.
        width: bp of a filter.
        bases: rows of the input that are one-hot bases, 4 or 0; they come first.
        shape: rows that follow and read the same on both strands.
    """

    def __init__(self, filters: int, width: int, bases: int = 4, shape: int = 0) -> None:
        super().__init__()
        self.bases = bases
        self.weight = nn.Parameter(torch.empty(filters, bases + shape, width))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)
        self.norm = nn.BatchNorm1d(filters)

    def both_strands(self) -> Tensor:
        """The filters as they are, then as they read on the other strand: (2 * filters, ...)."""
        backward = self.weight.flip(2)
        if self.bases:
            # A, C, G, T backwards are their complements.
            complement = backward[:, : self.bases].flip(1)
            backward = torch.cat([complement, backward[:, self.bases :]], 1)
        return torch.cat([self.weight, backward])

    def forward(self, sequence: Tensor) -> Tensor:
        """(n, bases + shape, L) -> (n, filters, (L - width + 1) / 10)."""
        both = self.both_strands()
        if self.training and not sequence.is_cuda:
            found = _conv1d_by_matrix_product(sequence, both)
        else:
            found = functional.conv1d(sequence, both)
        best = functional.max_pool1d(found, FINE)
        one, other = best.chunk(2, dim=1)
        return functional.relu(self.norm(torch.maximum(one, other)))


def _conv1d_by_matrix_product(x: Tensor, weight: Tensor) -> Tensor:
    """``conv1d`` for few input channels; on CPUs several times faster with its gradient."""
    channels, rows, width = weight.shape
    patches = x.unfold(2, width, 1).permute(0, 2, 1, 3)  # (n, positions, rows, width)
    n, positions = patches.shape[:2]
    found = patches.reshape(n * positions, rows * width) @ weight.reshape(channels, -1).t()
    return found.view(n, positions, channels).transpose(1, 2)


class SequenceTrunk(nn.Module):
    """Motifs, then their arrangement: bases to 10-bp positions to cells.

    The motif layer with its crop reads one cell beyond its output; the arrangement layer reads
    ``motif_context - 1`` positions more, which must make whole cells.
    """

    def __init__(self, item: InputSpec, table: NDArray[np.float64], config: NetworkConfig) -> None:
        super().__init__()
        per_cell = config.stride // FINE
        spread = config.motif_context - 1
        if (config.stride - config.motif_width + 1) % 2 or config.motif_width > config.stride:
            raise ConfigError(
                f"motif_width {config.motif_width} must be odd and at most {config.stride}"
            )
        if spread % (2 * per_cell):
            raise ConfigError(
                f"motif_context {config.motif_context} must be 1 plus a multiple of {2 * per_cell}"
            )
        self.cells_lost = 1 + spread // per_cell
        margin = (config.stride - config.motif_width + 1) // 2
        self.channels = config.sequence_channels
        self.hide = BaseDropout(config.base_dropout) if item.bases else None
        self.crop = Crop(margin)
        self.shape: nn.Module | None = None
        if item.shape:
            if margin < DnaShape.MARGIN:
                raise ConfigError(
                    f"motif_width {config.motif_width} leaves no room for the DNA shape: it must "
                    f"be at most {config.stride + 1 - 2 * DnaShape.MARGIN}"
                )
            self.shape = nn.Sequential(DnaShape(table, item.shape), Crop(margin - DnaShape.MARGIN))
        self.motifs = StrandMotifs(
            config.motif_filters, config.motif_width, 4 * item.bases, len(item.shape)
        )
        self.arrangement = nn.Sequential(
            nn.Conv1d(config.motif_filters, config.sequence_channels, config.motif_context),
            nn.BatchNorm1d(config.sequence_channels),
            nn.ReLU(),
            nn.MaxPool1d(per_cell),
        )

    def forward(self, sequence: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 4, L) -> (n, filters, L / 10 - 1 cell) and (n, channels, cells - cells_lost)."""
        rows = []
        if self.hide is not None:
            rows.append(self.crop(self.hide(sequence)))
        if self.shape is not None:
            rows.append(self.shape(sequence))
        motifs = self.motifs(rows[0] if len(rows) == 1 else torch.cat(rows, 1))
        return motifs, self.arrangement(motifs)


class VplotTrunk(nn.Module):
    """2D convolutions over the V-plot after a smoothing pool; collapses the length axis."""

    def __init__(self, lengths: int, config: NetworkConfig) -> None:
        super().__init__()
        first, second = config.vplot_channels
        per_cell = config.stride // FINE
        self.channels = second
        self.cells_lost = _cells(_SMOOTH + _CONV + _COLLAPSE - 3, config, "V-plot")
        self.thin = nn.Dropout(config.pixel_dropout)
        # A single site's V-plot is sparse: smooth it along the positions first.
        self.smooth = nn.AvgPool2d((1, _SMOOTH), stride=1)
        self.conv = nn.Sequential(
            nn.Conv2d(1, first, (3, _CONV), padding=(1, 0)),
            nn.BatchNorm2d(first),
            nn.ReLU(),
            nn.MaxPool2d((2, 1), ceil_mode=True),
        )
        self.collapse = nn.Sequential(
            nn.Conv2d(first, second, (-(-lengths // 2), _COLLAPSE)),
            nn.BatchNorm2d(second),
            nn.ReLU(),
        )
        self.pool = nn.AvgPool1d(per_cell)

    def forward(self, vplot: Tensor) -> Tensor:
        """(n, lengths, positions) -> (n, channels, cells - cells_lost)."""
        image = self.smooth(self.thin(vplot).unsqueeze(1))  # (n, 1, lengths, positions - 4)
        image = self.conv(image)  # (n, first, lengths / 2, positions - 10)
        rows: Tensor = self.pool(self.collapse(image).squeeze(2))
        return rows


class SignalTrunk(nn.Module):
    """1D convolutions over one signal: positions to cells."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        first, second = config.signal_channels
        self.channels = second
        self.cells_lost = _cells(_WIDE + _NARROW - 2, config, "signal")
        self.layers = nn.Sequential(
            nn.Dropout(config.pixel_dropout),
            nn.Conv1d(1, first, _WIDE),
            nn.BatchNorm1d(first),
            nn.ReLU(),
            nn.Conv1d(first, second, _NARROW),
            nn.BatchNorm1d(second),
            nn.ReLU(),
            nn.AvgPool1d(config.stride // FINE),
        )

    def forward(self, signal: Tensor) -> Tensor:
        """(n, 1, positions) -> (n, channels, cells - cells_lost)."""
        rows: Tensor = self.layers(signal)
        return rows


def _cells(positions: int, config: NetworkConfig, what: str) -> int:
    """Whole cells of the positions that a trunk's layers lose, so that its cells stay aligned."""
    per_cell = config.stride // FINE
    if positions % per_cell or positions // per_cell % 2 == 0:
        raise ConfigError(f"stride {config.stride} does not fit the {what} trunk; 50 and 30 do")
    return positions // per_cell
