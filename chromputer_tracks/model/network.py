"""The Chromputer: a trunk per input, fused, several heads, written as a sliding network.

A window model that is run at every ``stride`` bases does most of its work again and again. This
network gives for a long stretch, at once, exactly what the window model gives one window at a time,
because every layer is translation-equivariant: convolutions have no padding, crops have a constant
width, and the strides of the pooling layers multiply to the model's stride, so that all pools of
all windows fall on one grid. The dense layer that would end a window model is a convolution over
what one window leaves.

::

    sequence  bases -> 10-bp positions -> cells \
    V-plot             10-bp positions -> cells  > the same cells, fused, context, embedding, heads
    signal             10-bp positions -> cells /

A *cell* is ``stride`` bases, aligned with the output bins; the cell in the middle of a window is
the bin that its output speaks for. In shapes, ``n`` is the batch and ``L`` a length in bp.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from chromputer_tracks.errors import ConfigError
from chromputer_tracks.io.text import COLUMNS
from chromputer_tracks.model.config import FINE, NetworkConfig
from chromputer_tracks.spec import InputSpec

# ---- DNA shape from sequence, inside the network.

_MEMBERS = {
    "MGW": ("MGW",),
    "ProT": ("ProT",),
    "Roll": ("Roll1", "Roll2"),
    "HelT": ("HelT1", "HelT2"),
}
"""Feature to its columns: of a base, or of the steps before and after it."""


class DnaShape(nn.Module):
    """Shape features of each base from a pentamer table, as DNAshape computes them.

    Zhou et al. 2013 (doi:10.1093/nar/gkt437): groove width and propeller twist of a base are those
    of the pentamer around it; the roll or helix twist of a step is the mean of what the two
    pentamers around its bases say. A base gets the mean of its two steps, so that every feature
    reads the same on both strands. Features are standardised over the 1,024 pentamers; a pentamer
    with an N counts as 0, the mean.

    Args:
        table: float64 (1024, 6), from :func:`chromputer_tracks.io.text.read_shape_table`.
        features: which of ``MGW``, ``ProT``, ``Roll``, ``HelT``, in this order.
    """

    table: Tensor
    MARGIN = 3
    """Bases lost at each end."""

    def __init__(self, table: NDArray[np.float64], features: tuple[str, ...]) -> None:
        super().__init__()
        columns = []
        for feature in features:
            members = table[:, [COLUMNS.index(name) for name in _MEMBERS[feature]]]
            # By the mean of a pentamer's one or two values: its spread is the feature's.
            scaled = (members - members.mean()) / members.mean(axis=1).std()
            before, after = scaled[:, 0], scaled[:, -1]
            nothing = np.zeros(len(table))
            # What a base takes from the pentamers around the base before it, itself, and the next.
            if len(_MEMBERS[feature]) == 1:
                columns += [nothing, before, nothing]
            else:
                # Quarters: a base is the mean of its two steps, and a step is the mean of what the
                # pentamers around its two bases say of it, the first one's ``after`` and the
                # second one's ``before``.
                columns += [after / 4, (before + after) / 4, before / 4]
        stacked = np.stack(columns, axis=1).astype(np.float32)  # (1024, 3 * features)
        self.register_buffer("table", torch.from_numpy(stacked))

    def forward(self, sequence: Tensor) -> Tensor:
        """One-hot (n, 4, L) -> (n, features, L - 6)."""
        # Sums and products of small whole numbers, not a convolution: exact at any precision.
        code = (sequence[:, 1] + 2 * sequence[:, 2] + 3 * sequence[:, 3]).long()  # (n, L)
        known = sequence.sum(1)  # (n, L), 0 at an N
        index, complete = code[:, :-4], known[:, :-4]
        for offset in range(1, 5):
            # Ends counted from the right: the exporter cannot tell the length of others.
            end = offset - 4 or None
            index = index * 4 + code[:, offset:end]  # (n, L - 4), the pentamer's row of the table
            complete = complete * known[:, offset:end]  # (n, L - 4), 0 if it has an N
        found = self.table[index] * complete.unsqueeze(2)  # (n, L - 4, 3 * features)
        n, length, _ = found.shape
        parts = found.view(n, length, -1, 3)  # (n, L - 4, features, 3)
        summed = parts[:, :-2, :, 0] + parts[:, 1:-1, :, 1] + parts[:, 2:, :, 2]
        return summed.transpose(1, 2)  # (n, features, L - 6)


# ---- The network's first part: a trunk per input, from its own resolution to cells. Each says how
# many cells it lost at both ends together.

# Positions (of 10 bp) that the V-plot trunk's three layers read, and the two of a signal's trunk.
# Both lose 15 positions in all: 3 cells of 50 bp, or 5 of 30 bp. A window is an even number of
# cells with a bin in its middle, so it begins in the middle of a cell; only where an odd number of
# cells is lost, half of them on each side, do a trunk's cells lie on the bins of the output.
_SMOOTH, _CONV, _COLLAPSE = 5, 7, 6
_WIDE, _NARROW = 11, 6


class Crop(nn.Module):
    """Cuts the same number of positions off both ends, which is what sliding allows."""

    def __init__(self, positions: int) -> None:
        super().__init__()
        if positions < 0:
            raise ConfigError("the window is too short for the layers; lengthen it", key="window")
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
        # An N reads as all zero, so a hidden base looks to the filters like one that is not known.
        n, _, length = sequence.shape
        return sequence * (torch.rand(n, 1, length, device=sequence.device) >= self.share)


class StrandMotifs(nn.Module):
    """Filters over bases and shape, the same on both strands, the best match per 10 bp taken.

    A TF binds either strand, and few peaks must teach its motif: sharing each filter between the
    strands doubles what it learns from, and taking the larger match makes the layer's output the
    same whichever strand the motif is on.

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
        return torch.cat([self.weight, backward])  # (2 * filters, bases + shape, width)

    def forward(self, sequence: Tensor) -> Tensor:
        """(n, bases + shape, L) -> (n, filters, (L - width + 1) / 10)."""
        both = self.both_strands()
        if self.training and not sequence.is_cuda:
            found = _conv1d_by_matrix_product(sequence, both)
        else:
            found = functional.conv1d(sequence, both)  # (n, 2 * filters, L - width + 1)
        # Pooled before the strands are compared: the same maximum, at a tenth of the work.
        best = functional.max_pool1d(found, FINE)  # (n, 2 * filters, positions)
        one, other = best.chunk(2, dim=1)  # (n, filters, positions) each
        # Normalised after the maximum, so that both strands share one mean and one spread.
        return functional.relu(self.norm(torch.maximum(one, other)))


def _conv1d_by_matrix_product(x: Tensor, weight: Tensor) -> Tensor:
    """``conv1d`` for few input channels; on CPUs several times faster with its gradient."""
    channels, rows, width = weight.shape
    patches = x.unfold(2, width, 1).permute(0, 2, 1, 3)  # (n, positions, rows, width)
    n, positions = patches.shape[:2]
    found = patches.reshape(n * positions, rows * width) @ weight.reshape(channels, -1).t()
    return found.view(n, positions, channels).transpose(1, 2)  # (n, channels, positions)


def _activated(convolution: nn.Conv1d | nn.Conv2d) -> tuple[nn.Module, nn.Module, nn.Module]:
    """A convolution, its batch norm, and its ReLU."""
    norm = nn.BatchNorm2d if isinstance(convolution, nn.Conv2d) else nn.BatchNorm1d
    return convolution, norm(convolution.out_channels), nn.ReLU()


class SequenceTrunk(nn.Module):
    """Motifs, then their arrangement: bases to 10-bp positions to cells.

    The motif layer with its crop reads one cell beyond its output; the arrangement layer reads
    ``motif_context - 1`` positions more, which must make whole cells.
    """

    def __init__(
        self, item: InputSpec, table: NDArray[np.float64] | None, config: NetworkConfig
    ) -> None:
        super().__init__()
        per_cell = config.stride // FINE
        spread = config.motif_context - 1  # positions that the arrangement layer loses
        if (config.stride - config.motif_width + 1) % 2 or config.motif_width > config.stride:
            raise ConfigError(
                f"motif_width {config.motif_width} must be odd and at most {config.stride}",
                key="motif_width",
            )
        if spread % (2 * per_cell):
            raise ConfigError(
                f"motif_context {config.motif_context} must be 1 plus a multiple of {2 * per_cell}",
                key="motif_context",
            )
        self.cells_lost = 1 + spread // per_cell
        # Cut off each end, so that crop and filters lose one cell, half of it on each side: the
        # pools of 10 bp then begin where cells do.
        margin = (config.stride - config.motif_width + 1) // 2
        self.channels = config.sequence_channels
        self.hide = BaseDropout(config.base_dropout) if item.bases else None
        self.crop = Crop(margin)
        self.shape: nn.Module | None = None
        if item.shape:
            if table is None:
                raise ConfigError("DNA shape needs a table: give inputs.shape_table")
            if margin < DnaShape.MARGIN:
                raise ConfigError(
                    f"motif_width {config.motif_width} leaves no room for the DNA shape: it must "
                    f"be at most {config.stride + 1 - 2 * DnaShape.MARGIN}",
                    key="motif_width",
                )
            # Shape needs the bases beside it, so it is computed before the crop, and cut to match.
            self.shape = nn.Sequential(DnaShape(table, item.shape), Crop(margin - DnaShape.MARGIN))
        self.motifs = StrandMotifs(
            config.motif_filters, config.motif_width, 4 * item.bases, len(item.shape)
        )
        self.arrangement = nn.Sequential(
            *_activated(
                nn.Conv1d(config.motif_filters, config.sequence_channels, config.motif_context)
            ),
            nn.MaxPool1d(per_cell),
        )

    def forward(self, sequence: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 4, L) -> (n, filters, L / 10 - 1 cell) and (n, channels, cells - cells_lost)."""
        rows = []
        if self.hide is not None:
            rows.append(self.crop(self.hide(sequence)))  # (n, 4, L - 2 * margin)
        if self.shape is not None:
            rows.append(self.shape(sequence))  # (n, features, L - 2 * margin)
        motifs = self.motifs(rows[0] if len(rows) == 1 else torch.cat(rows, 1))
        # The motifs go on by themselves, too: binary labels read them near the centre.
        return motifs, self.arrangement(motifs)  # (n, filters, positions), (n, channels, cells)


class VplotTrunk(nn.Module):
    """2D convolutions over the V-plot after a smoothing pool; collapses the length axis.

    Positions stay at 10 bp up to the last layer: what tells a bound TF from a nucleosome is where
    short fragments lie beside long ones, a V some tens of bp wide, which cells of 50 bp would blur.
    Fragment lengths are not slid over, so their axis may be padded, halved, and at last read whole.
    """

    def __init__(self, lengths: int, config: NetworkConfig) -> None:
        super().__init__()
        first, second = config.vplot_channels
        per_cell = config.stride // FINE
        self.channels = second
        self.cells_lost = _cells(_SMOOTH + _CONV + _COLLAPSE - 3, config, "V-plot")
        # Dropped pixels are like fragments that were not sequenced.
        self.thin = nn.Dropout(config.pixel_dropout)
        # A single site's V-plot is sparse: smooth it along the positions first.
        self.smooth = nn.AvgPool2d((1, _SMOOTH), stride=1)
        self.conv = nn.Sequential(
            # Padded along the lengths alone.
            *_activated(nn.Conv2d(1, first, (3, _CONV), padding=(1, 0))),
            nn.MaxPool2d((2, 1), ceil_mode=True),
        )
        height = -(-lengths // 2)
        self.collapse = nn.Sequential(*_activated(nn.Conv2d(first, second, (height, _COLLAPSE))))
        self.pool = nn.AvgPool1d(per_cell)

    def forward(self, vplot: Tensor) -> Tensor:
        """(n, lengths, positions) -> (n, channels, cells - cells_lost)."""
        image = self.thin(vplot).unsqueeze(1)  # (n, 1, lengths, positions)
        image = self.smooth(image)  # (n, 1, lengths, positions - 4)
        image = self.conv(image)  # (n, first, lengths / 2, positions - 10)
        image = self.collapse(image)  # (n, second, 1, positions - 15)
        rows: Tensor = self.pool(image.squeeze(2))  # (n, second, cells - cells_lost)
        return rows


class SignalTrunk(nn.Module):
    """1D convolutions over one signal: positions to cells."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        first, second = config.signal_channels
        self.channels = second
        self.cells_lost = _cells(_WIDE + _NARROW - 2, config, "signal")
        self.layers = nn.Sequential(
            nn.Dropout(config.pixel_dropout),  # (n, 1, positions)
            *_activated(nn.Conv1d(1, first, _WIDE)),  # (n, first, positions - 10)
            *_activated(nn.Conv1d(first, second, _NARROW)),  # (n, second, positions - 15)
            nn.AvgPool1d(config.stride // FINE),  # (n, second, cells - cells_lost)
        )

    def forward(self, signal: Tensor) -> Tensor:
        """(n, 1, positions) -> (n, channels, cells - cells_lost)."""
        rows: Tensor = self.layers(signal)
        return rows


def _cells(positions: int, config: NetworkConfig, what: str) -> int:
    """Whole cells of the positions that a trunk's layers lose, so that its cells stay aligned."""
    per_cell = config.stride // FINE
    if positions % per_cell or positions // per_cell % 2 == 0:
        raise ConfigError(
            f"stride {config.stride} does not fit the {what} trunk; 50 and 30 do", key="stride"
        )
    return positions // per_cell


class ContextLayer(nn.Module):
    """A dilated convolution over cells with a residual connection, no padding.

    The input is cropped to what the convolution leaves before the two are added: padding would let
    an output know how far the end of its stretch is, and sliding would no longer be exact.
    """

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.crop = Crop(dilation)
        self.layer = nn.Sequential(*_activated(nn.Conv1d(channels, channels, 3, dilation=dilation)))

    def forward(self, cells: Tensor) -> Tensor:
        """(n, channels, cells) -> (n, channels, cells - 2 * dilation)."""
        summed: Tensor = self.crop(cells) + self.layer(cells)
        return summed


class Chromputer(nn.Module):
    """Inputs to logits and embedding.

    Args:
        inputs: the inputs in graph order; at most one of kind ``sequence``.
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
                f"{config.window} an even number of strides",
                key="stride",
            )
        if not inputs:
            raise ConfigError("the network needs at least one input")
        if sum(item.kind == "sequence" for item in inputs) > 1:
            raise ConfigError(
                "the network takes one input of sequence; it may have bases and shape"
            )
        if not (states or binary or continuous):
            raise ConfigError("the network needs at least one head")
        # From here on the order of the layers is that of their random initial weights.
        trunks = [_trunk(item, config, shape_table) for item in inputs]
        self.trunks = nn.ModuleList(trunks)
        self.sequence_row = next(
            (row for row, item in enumerate(inputs) if item.kind == "sequence"), None
        )
        cells = config.window // config.stride
        # All trunks lose odd numbers of cells, half on each side: cut to the shortest, cell k of
        # each is the same stretch of genome.
        lost = max(trunk.cells_lost for trunk in trunks)
        self.crops = nn.ModuleList(Crop((lost - trunk.cells_lost) // 2) for trunk in trunks)
        channels = config.context_channels
        self.fuse = nn.Sequential(
            *_activated(nn.Conv1d(sum(trunk.channels for trunk in trunks), channels, 1)),
            nn.Dropout(config.cell_dropout),
        )
        self.context = nn.Sequential(*(ContextLayer(channels, d) for d in config.dilations))
        # What is left of one window is read whole, as a dense layer would: one output a window.
        left = cells - lost - 2 * sum(config.dilations)
        if left < 1:
            raise ConfigError(
                f"window {config.window} is too short for dilations {config.dilations}",
                key="window",
            )
        self.embed = nn.Sequential(*_activated(nn.Conv1d(channels, config.hidden, left)))
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
        # Auxiliary labels come last and are only learnt from; the others' outputs do not change.
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
            inputs: arrays in graph order, float32 (n, channels, L / bin) each; see ``InputSpec``.

        Returns:
            logits float32 (n, states + binary + continuous, (L - window) / stride + 1) and the
            embedding (n, hidden, the same).
        """
        rows = []
        motifs = None
        for place, (trunk, crop, x) in enumerate(zip(self.trunks, self.crops, inputs, strict=True)):
            if place == self.sequence_row:
                motifs, x = trunk(x)  # (n, filters, positions), (n, channels, cells - cells_lost)
                rows.append(crop(x))
            else:
                rows.append(crop(trunk(x)))  # (n, channels, cells - lost)
        cells = self.fuse(torch.cat(rows, 1))  # (n, context_channels, cells - lost)
        cells = self.context(cells)  # (n, context_channels, cells - lost - 2 * sum(dilations))
        embedding = self.embed(cells)  # (n, hidden, outputs)
        features = self.dropout(embedding)
        logits = []
        if self.states_head is not None:
            logits.append(self.states_head(features))  # (n, states, outputs)
        if self.binary_head is not None:
            read = features
            if self.local is not None:
                # (n, hidden + local_hidden, outputs)
                read = torch.cat([features, self.local(motifs)], 1)
            logits.append(self.binary_head(read))  # (n, binary, outputs)
        if self.continuous_head is not None:
            logits.append(self.continuous_head(features))  # (n, continuous, outputs)
        return torch.cat(logits, 1), embedding


def _trunk(
    item: InputSpec, config: NetworkConfig, shape_table: NDArray[np.float64] | None
) -> SequenceTrunk | VplotTrunk | SignalTrunk:
    if item.kind == "sequence":
        return SequenceTrunk(item, shape_table, config)
    if item.bin != FINE:
        raise ConfigError(
            f"input {item.name!r}: bin {item.bin}; the network reads {item.kind}s in bins of "
            f"{FINE} bp"
        )
    return VplotTrunk(item.channels, config) if item.kind == "vplot" else SignalTrunk(config)


def _local(config: NetworkConfig) -> nn.Module:
    """The binary labels' own sequence features: the best match of each motif near the centre.

    A label with some hundred peaks does not learn its motif through layers that mix the whole
    window; reading the motif layer near the centre directly, it does.
    """
    extent = config.local_extent // FINE
    fine = (config.window - config.stride) // FINE  # positions of a window's motifs
    if extent < 1 or config.local_extent % FINE or (fine - extent) % 2:
        raise ConfigError(
            f"local_extent {config.local_extent} must be an {'odd' if fine % 2 else 'even'} number "
            f"of {FINE} bp when the stride is {config.stride}",
            key="local_extent",
        )
    return nn.Sequential(
        # The central positions of the first window to those of the last, ...
        Crop((fine - extent) // 2),
        # ... then the best of each window's extent: pools overlap, but are a stride apart, so they
        # slide as the outputs do.
        nn.MaxPool1d(extent, stride=config.stride // FINE),
        *_activated(nn.Conv1d(config.motif_filters, config.local_hidden, 1)),
        nn.Dropout(config.local_dropout),
    )
