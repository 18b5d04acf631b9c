"""Sizes of the network: the ``[network]`` table of a training configuration."""

from __future__ import annotations

from dataclasses import dataclass

from chromputer_tracks.intervals import Grid

FINE = 10
"""bp per position of the trunks before cells; also the bin of V-plot and signal inputs."""


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
        vplot_channels: channels of the two layers of each V-plot's trunk.
        signal_channels: channels of the two layers of each signal's trunk.
        context_channels: channels of the fused layers over cells.
        dilations: dilation of each fused layer, in cells.
        hidden: units of the embedding.
        base_dropout: share of bases that are hidden (as N) in training; their shape is not.
        pixel_dropout: dropout of V-plot pixels and signal bins, which thins the fragments.
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
    signal_channels: tuple[int, int] = (16, 32)
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
