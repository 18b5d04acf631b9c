"""The Chromputer: a trunk per input, fused, several heads, written as a sliding network.

Every layer is translation-equivariant (valid convolutions, crops of constant width) and every
pooling stride divides the model's stride, so that a long stretch gives at once what the window
model gives one window at a time. The unit of the layers after the trunks is the *cell*: ``stride``
bases, aligned with the output bins; the cell in the middle of a window is the bin its output speaks
for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from chromputer_tracks.errors import ConfigError
from chromputer_tracks.model.network_config import FINE, NetworkConfig
from chromputer_tracks.model.trunks import (
    Crop,
    SequenceTrunk,
    SignalTrunk,
    StrandMotifs,
    VplotTrunk,
)
from chromputer_tracks.spec import InputSpec


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
        inputs: in graph order; at most one of kind ``sequence``.
        states: number of chromatin states; 0 for no such head.
        binary: number of binary labels; 0 for none.
        continuous: number of continuous labels; 0 for none.
        config: sizes.
        shape_table: float64 (1024, 6), where an input has DNA shape.

    Raises:
        ConfigError: the sizes do not fit each other.
    """

    def __init__(
        self,
        inputs: Sequence[InputSpec],
        states: int,
        binary: int,
        continuous: int,
        config: NetworkConfig,
        shape_table: NDArray[np.float64] | None = None,
    ) -> None:
        super().__init__()
        if config.stride % FINE or config.window % (2 * config.stride):
            raise ConfigError(
                f"stride {config.stride} must be a multiple of {FINE}, and window "
                f"{config.window} an even number of strides"
            )
        if not inputs:
            raise ConfigError("the network needs at least one input")
        if sum(item.kind == "sequence" for item in inputs) > 1:
            raise ConfigError(
                "the network takes one input of sequence; it may have bases and shape"
            )
        if not (states or binary or continuous):
            raise ConfigError("the network needs at least one head")
        trunks = [_trunk(item, config, shape_table) for item in inputs]
        self.trunks = nn.ModuleList(trunks)
        self.sequence_row = next(
            (row for row, item in enumerate(inputs) if item.kind == "sequence"), None
        )
        cells = config.window // config.stride
        lost = max(trunk.cells_lost for trunk in trunks)
        self.crops = nn.ModuleList(Crop((lost - trunk.cells_lost) // 2) for trunk in trunks)
        channels = config.context_channels
        self.fuse = nn.Sequential(
            nn.Conv1d(sum(trunk.channels for trunk in trunks), channels, 1),
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
            features = config.hidden
            if self.sequence_row is not None:
                self.local = _local(config)
                features += config.local_hidden
            self.binary_head = nn.Conv1d(features, binary, 1)
        self.continuous_head = nn.Conv1d(config.hidden, continuous, 1) if continuous else None

    @property
    def motifs(self) -> StrandMotifs | None:
        """The first sequence layer."""
        if self.sequence_row is None:
            return None
        trunk = self.trunks[self.sequence_row]
        if not isinstance(trunk, SequenceTrunk):
            raise TypeError(type(trunk).__name__)
        return trunk.motifs

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
            inputs: in graph order, float32 (n, channels, L / bin) each; see ``InputSpec``.

        Returns:
            logits float32 (n, states + binary + continuous, (L - window) / stride + 1) and the
            embedding (n, hidden, the same).
        """
        rows = []
        motifs = None
        for place, (trunk, crop, x) in enumerate(zip(self.trunks, self.crops, inputs, strict=True)):
            if place == self.sequence_row:
                motifs, x = trunk(x)
                rows.append(crop(x))
            else:
                rows.append(crop(trunk(x)))
        embedding = self.embed(self.context(self.fuse(torch.cat(rows, 1))))
        features = self.dropout(embedding)
        logits = []
        if self.states_head is not None:
            logits.append(self.states_head(features))
        if self.binary_head is not None:
            seen = features
            if self.local is not None:
                seen = torch.cat([features, self.local(motifs)], 1)
            logits.append(self.binary_head(seen))
        if self.continuous_head is not None:
            logits.append(self.continuous_head(features))
        return torch.cat(logits, 1), embedding


def _trunk(
    item: InputSpec, config: NetworkConfig, shape_table: NDArray[np.float64] | None
) -> SequenceTrunk | VplotTrunk | SignalTrunk:
    if item.kind == "sequence":
        if shape_table is None:
            if item.shape:
                raise ConfigError("DNA shape needs a table: give inputs.shape_table")
            shape_table = np.zeros((1024, 6))
        return SequenceTrunk(item, shape_table, config)
    if item.bin != FINE:
        raise ConfigError(
            f"input {item.name!r}: bin {item.bin}; the network reads {item.kind}s in bins of "
            f"{FINE} bp"
        )
    return VplotTrunk(item.channels, config) if item.kind == "vplot" else SignalTrunk(config)


def _local(config: NetworkConfig) -> nn.Module:
    """The binary labels' own sequence features: the best match of each motif near the centre."""
    extent = config.local_extent // FINE
    fine = (config.window - config.stride) // FINE
    if extent < 1 or config.local_extent % FINE or (fine - extent) % 2:
        raise ConfigError(
            f"local_extent {config.local_extent} must be an {'odd' if fine % 2 else 'even'} number "
            f"of {FINE} bp when the stride is {config.stride}"
        )
    return nn.Sequential(
        Crop((fine - extent) // 2),
        nn.MaxPool1d(extent, stride=config.stride // FINE),
        nn.Conv1d(config.motif_filters, config.local_hidden, 1),
        nn.BatchNorm1d(config.local_hidden),
        nn.ReLU(),
        nn.Dropout(config.local_dropout),
    )
