"""The Chromputer: a trunk per input, fused, several heads, written as a sliding network.

Every layer is translation-equivariant (valid convolutions, crops of constant width) and every
pooling stride divides the model's stride, so that a long stretch gives at once what the window
model gives one window at a time. The unit of the later layers is the *cell*: ``stride`` bases,
aligned with the output bins; the cell in the middle of a window is the bin its output speaks for.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from chromputer_tracks.errors import ConfigError
from chromputer_tracks.intervals import Grid

FINE = 10
"""bp per position of the trunks before cells; also the bin of the V-plot input."""

# Positions (of 10 bp) that the V-plot trunk's three layers read beyond their output.
_SMOOTH, _CONV, _COLLAPSE = 5, 7, 6


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Sizes of the network.

    Attributes:
        window: bp read by one output.
        stride: bp between outputs; a multiple of 10.
        motif_filters: first-layer sequence filters, each applied to both strands.
        motif_width: bp of a filter, odd, at most ``stride``.
        motif_context: width of the second sequence layer, in 10-bp positions.
        sequence_channels: channels of the second sequence layer.
        local_extent: bp around the centre that the binary labels' own sequence features read.
        local_hidden: units of these features.
        vplot_channels: channels of the two V-plot layers.
        context_channels: channels of the fused layers over cells.
        dilations: dilation of each fused layer, in cells.
        hidden: units of the embedding.
        base_dropout: share of bases that are hidden (as N) in training.
        pixel_dropout: dropout of V-plot pixels, which thins the fragments.
        dropout: dropout of the embedding before the heads.
        cell_dropout: dropout of the fused cells before the context layers.
        local_dropout: dropout of the binary labels' own sequence features.
    """

    window: int = 2000
    stride: int = 50
    motif_filters: int = 96
    motif_width: int = 21
    motif_context: int = 11
    sequence_channels: int = 64
    local_extent: int = 250
    local_hidden: int = 64
    vplot_channels: tuple[int, int] = (16, 48)
    context_channels: int = 96
    dilations: tuple[int, ...] = (1, 2, 4)
    hidden: int = 128
    base_dropout: float = 0.1
    pixel_dropout: float = 0.3
    dropout: float = 0.4
    cell_dropout: float = 0.3
    local_dropout: float = 0.1

    @property
    def grid(self) -> Grid:
        """Where the outputs lie."""
        return Grid(self.window, self.stride)


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
    """Filters over one-hot DNA, the same on both strands, the best match per 10 bp taken."""

    def __init__(self, filters: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(filters, 4, width))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)
        self.norm = nn.BatchNorm1d(filters)

    def forward(self, sequence: Tensor) -> Tensor:
        """(n, 4, L) -> (n, filters, (L - width + 1) / 10)."""
        both = torch.cat([self.weight, self.weight.flip(1, 2)])
        if self.training and not sequence.is_cuda:
            found = _conv1d_by_matrix_product(sequence, both)
        else:
            found = functional.conv1d(sequence, both)
        best = functional.max_pool1d(found, FINE)
        forward, backward = best.chunk(2, dim=1)
        return functional.relu(self.norm(torch.maximum(forward, backward)))


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

    def __init__(self, config: NetworkConfig) -> None:
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
        self.hide = BaseDropout(config.base_dropout)
        self.crop = Crop((config.stride - config.motif_width + 1) // 2)
        self.motifs = StrandMotifs(config.motif_filters, config.motif_width)
        self.arrangement = nn.Sequential(
            nn.Conv1d(config.motif_filters, config.sequence_channels, config.motif_context),
            nn.BatchNorm1d(config.sequence_channels),
            nn.ReLU(),
            nn.MaxPool1d(per_cell),
        )

    def forward(self, sequence: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 4, L) -> (n, filters, L / 10 - 1 cell) and (n, channels, cells - cells_lost)."""
        motifs = self.motifs(self.crop(self.hide(sequence)))
        return motifs, self.arrangement(motifs)


class VplotTrunk(nn.Module):
    """2D convolutions over the V-plot after a smoothing pool; collapses the length axis."""

    def __init__(self, lengths: int, config: NetworkConfig) -> None:
        super().__init__()
        first, second = config.vplot_channels
        per_cell = config.stride // FINE
        lost = _SMOOTH + _CONV + _COLLAPSE - 3
        if lost % per_cell:
            raise ConfigError(f"stride {config.stride} does not fit the V-plot trunk")
        self.cells_lost = lost // per_cell
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


class ContextLayer(nn.Module):
    """A dilated convolution over cells with a residual connection, no padding."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.crop = Crop(dilation)
        self.layer = nn.Sequential(
            nn.Conv1d(channels, channels, 3, dilation=dilation),
            nn.BatchNorm1d(channels),
            nn.ReLU(),
        )

    def forward(self, cells: Tensor) -> Tensor:
        """(n, channels, cells) -> (n, channels, cells - 2 * dilation)."""
        summed: Tensor = self.crop(cells) + self.layer(cells)
        return summed


class Chromputer(nn.Module):
    """Inputs to logits and embedding.

    Args:
        sequence: whether DNA sequence is an input.
        lengths: length classes of the V-plot input; 0 for no such input.
        states: number of chromatin states; 0 for no such head.
        binary: number of binary labels; 0 for no such head.
        config: sizes.

    Raises:
        ConfigError: the sizes do not fit each other.
    """

    def __init__(
        self, sequence: bool, lengths: int, states: int, binary: int, config: NetworkConfig
    ) -> None:
        super().__init__()
        if config.stride % FINE or config.window % (2 * config.stride):
            raise ConfigError(
                f"stride {config.stride} must be a multiple of {FINE}, and window "
                f"{config.window} an even number of strides"
            )
        if not (sequence or lengths):
            raise ConfigError("the network needs at least one input: DNA sequence or a V-plot")
        if not (states or binary):
            raise ConfigError("the network needs at least one head: states or binary labels")
        cells = config.window // config.stride
        self.sequence = SequenceTrunk(config) if sequence else None
        self.vplot = VplotTrunk(lengths, config) if lengths else None
        trunks = [trunk for trunk in (self.sequence, self.vplot) if trunk is not None]
        lost = max(trunk.cells_lost for trunk in trunks)
        self.crops = nn.ModuleList(Crop((lost - trunk.cells_lost) // 2) for trunk in trunks)
        channels = config.context_channels
        width = config.sequence_channels * sequence + config.vplot_channels[1] * bool(lengths)
        self.fuse = nn.Sequential(
            nn.Conv1d(width, channels, 1),
            nn.BatchNorm1d(channels),
            nn.ReLU(),
            nn.Dropout(config.cell_dropout),
        )
        self.context = nn.Sequential(*(ContextLayer(channels, d) for d in config.dilations))
        left = cells - lost - 2 * sum(config.dilations)
        if left < 1:
            raise ConfigError(
                f"window {config.window} is too short for dilations {config.dilations}"
            )
        self.embed = nn.Sequential(
            nn.Conv1d(channels, config.hidden, left), nn.BatchNorm1d(config.hidden), nn.ReLU()
        )
        self.dropout = nn.Dropout(config.dropout)
        self.states_head = nn.Conv1d(config.hidden, states, 1) if states else None
        self.local: nn.Module | None = None
        self.binary_head: nn.Module | None = None
        if binary:
            if sequence:
                extent = config.local_extent // FINE
                fine = (config.window - config.stride) // FINE
                if extent < 1 or config.local_extent % FINE or (fine - extent) % 2:
                    raise ConfigError(
                        f"local_extent {config.local_extent} must be an "
                        f"{'odd' if fine % 2 else 'even'} number of {FINE} bp when the stride is "
                        f"{config.stride}"
                    )
                self.local = nn.Sequential(
                    Crop((fine - extent) // 2),
                    nn.MaxPool1d(extent, stride=config.stride // FINE),
                    nn.Conv1d(config.motif_filters, config.local_hidden, 1),
                    nn.BatchNorm1d(config.local_hidden),
                    nn.ReLU(),
                    nn.Dropout(config.local_dropout),
                )
            features = config.hidden + config.local_hidden * sequence
            self.binary_head = nn.Conv1d(features, binary, 1)

    def keep_binary(self, labels: int) -> None:
        """Forget all but the first ``labels`` binary labels."""
        head = self.binary_head
        if isinstance(head, nn.Conv1d) and labels < head.out_channels:
            kept = nn.Conv1d(head.in_channels, labels, 1) if labels else None
            if kept is not None and head.bias is not None and kept.bias is not None:
                kept.weight.data = head.weight.data[:labels].clone()
                kept.bias.data = head.bias.data[:labels].clone()
            self.binary_head = kept

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Run the network.

        Args:
            inputs: in graph order, the sequence float32 (n, 4, L), the V-plot float32
                (n, lengths, L / 10), those of the two that the network has.

        Returns:
            logits float32 (n, states + binary, (L - window) / stride + 1) and the embedding
            (n, hidden, the same).
        """
        pending = list(inputs)
        trunks = []
        motifs = None
        if self.sequence is not None:
            motifs, arrangement = self.sequence(pending.pop(0))
            trunks.append(arrangement)
        if self.vplot is not None:
            trunks.append(self.vplot(pending.pop(0)))
        cells = torch.cat([crop(x) for crop, x in zip(self.crops, trunks, strict=True)], 1)
        embedding = self.embed(self.context(self.fuse(cells)))
        features = self.dropout(embedding)
        logits = []
        if self.states_head is not None:
            logits.append(self.states_head(features))
        if self.binary_head is not None:
            if self.local is not None:
                features = torch.cat([features, self.local(motifs)], 1)
            logits.append(self.binary_head(features))
        return torch.cat(logits, 1), embedding
