"""First-layer activations in numpy against the trained network's own layers in torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from chromputer_tracks.analysis.filters.scan import (
    MotifLayer,
    PatchLayer,
    activations,
    match_scores,
    patch_activations,
    smoothed_kernel,
)
from chromputer_tracks.inference.explain import FirstLayer
from chromputer_tracks.model.config import NetworkConfig
from chromputer_tracks.model.network import SequenceTrunk, SignalTrunk, VplotTrunk
from chromputer_tracks.spec import InputSpec, Normalisation

WINDOW = 300
CONFIG = NetworkConfig(
    window=WINDOW, motif_filters=7, motif_width=15, sequence_channels=5, vplot_channels=(6, 5)
)
VPLOT = InputSpec("vplot", "v", 10, (20, 60, 100, 140, 180, 300), Normalisation((1.0,)), "atac")
SIGNAL = InputSpec("signal", "s", 10, (), Normalisation((1.0,)), "atac", "cuts")


def random_norm(norm: torch.nn.BatchNorm1d | torch.nn.BatchNorm2d, seed: int) -> None:
    """Statistics as after a training, scales of both signs."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for values, low, high in (
            (norm.weight, -1.0, 1.0),
            (norm.bias, 0.5, 2.0),
            (norm.running_mean, -0.5, 0.5),
            (norm.running_var, 0.2, 2.0),
        ):
            values.uniform_(low, high, generator=generator)


def folded(norm: torch.nn.BatchNorm1d) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    shift = norm.bias - scale * norm.running_mean
    return scale.detach().numpy(), shift.detach().numpy()


def random_bases(n: int, seed: int, length: int = WINDOW) -> NDArray[np.float32]:
    codes = np.random.default_rng(seed).integers(0, 5, (n, 1, length))
    return (codes == np.arange(4)[:, None]).astype(np.float32)


def sequence_layer(seed: int = 0) -> tuple[SequenceTrunk, FirstLayer]:
    torch.manual_seed(seed)
    trunk = SequenceTrunk(InputSpec("sequence", "dna"), np.zeros((1024, 6)), CONFIG).eval()
    random_norm(trunk.motifs.norm, seed)
    weight = trunk.motifs.weight.detach().numpy()
    scale, shift = folded(trunk.motifs.norm)
    bias = np.zeros(len(weight), np.float32)
    return trunk, FirstLayer(weight, bias, scale, shift)


def test_sequence_activations_equal_the_networks() -> None:
    trunk, layer = sequence_layer()
    bases = random_bases(5, 1)
    ours = MotifLayer.of(layer, CONFIG.stride)
    found = activations(ours, match_scores(ours, bases))
    with torch.no_grad():
        expected, _ = trunk(torch.from_numpy(bases))
    assert found.shape == (5, 25, 7)
    assert (found > 0).any(axis=(0, 1)).all()
    np.testing.assert_allclose(found.transpose(0, 2, 1), expected.numpy(), atol=1e-5)


def test_a_bias_before_the_maximum_counts() -> None:
    _, layer = sequence_layer()
    bias = np.linspace(-1, 1, 7, dtype=np.float32)
    with_bias = FirstLayer(layer.weight, bias, layer.scale, layer.shift)
    folded_in = FirstLayer(layer.weight, 0 * bias, layer.scale, layer.scale * bias + layer.shift)
    bases = random_bases(2, 2)
    one, other = (
        activations(item, match_scores(item, bases))
        for item in (MotifLayer.of(with_bias, 50), MotifLayer.of(folded_in, 50))
    )
    np.testing.assert_array_equal(one, other)


def test_shape_beside_bases_counts_as_average() -> None:
    _, layer = sequence_layer()
    rng = np.random.default_rng(0)
    more = rng.normal(size=(7, 2, 15)).astype(np.float32)
    both = FirstLayer(
        np.concatenate([layer.weight, more], axis=1), layer.bias, layer.scale, layer.shift
    )
    np.testing.assert_array_equal(MotifLayer.of(both, 50).weight, layer.weight)


def test_vplot_activations_equal_the_networks() -> None:
    torch.manual_seed(3)
    trunk = VplotTrunk(VPLOT.channels, CONFIG).eval()
    conv, norm = trunk.conv[0], trunk.conv[1]
    random_norm(norm, 4)
    scale, shift = folded(norm)
    weight = conv.weight.detach().numpy()[:, 0] * scale[:, None, None]
    bias = scale * conv.bias.detach().numpy() + shift
    one, nothing = np.ones(6, np.float32), np.zeros(6, np.float32)
    layer = PatchLayer.of(FirstLayer(weight, bias, one, nothing), VPLOT)
    assert layer.kernel.shape == (6, 3, 11)
    images = np.random.default_rng(5).random((4, 5, 30)).astype(np.float32)
    with torch.no_grad():
        smooth = trunk.smooth(torch.from_numpy(images).unsqueeze(1))
        expected = trunk.conv[:3](smooth).numpy()  # (n, filters, lengths, positions)
    found = patch_activations(layer, images)
    assert (expected > 0).any()
    np.testing.assert_allclose(found.transpose(0, 3, 1, 2), expected, atol=1e-5)


def test_signal_activations_equal_the_networks() -> None:
    torch.manual_seed(6)
    trunk = SignalTrunk(CONFIG).eval()
    random_norm(trunk.layers[2], 7)
    scale, shift = folded(trunk.layers[2])
    weight = trunk.layers[1].weight.detach().numpy() * scale[:, None, None]
    bias = scale * trunk.layers[1].bias.detach().numpy() + shift
    one, nothing = np.ones(len(bias), np.float32), np.zeros(len(bias), np.float32)
    layer = PatchLayer.of(FirstLayer(weight, bias, one, nothing), SIGNAL)
    signal = np.random.default_rng(8).normal(size=(4, 1, 30)).astype(np.float32)
    with torch.no_grad():
        expected = trunk.layers[:4](torch.from_numpy(signal)).numpy()
    found = patch_activations(layer, signal)
    assert found.shape == (4, 1, 20, len(bias))
    np.testing.assert_allclose(found[:, 0].transpose(0, 2, 1), expected, atol=1e-5)


@pytest.mark.parametrize("box", [1, 5])
def test_a_smoothed_kernel_reads_the_mean(box: int) -> None:
    rng = np.random.default_rng(9)
    weight = rng.normal(size=(2, 3, 7)).astype(np.float32)
    patch = rng.normal(size=(3, 7 + box - 1))
    means = np.stack([patch[:, i : i + box].mean(axis=1) for i in range(7)], axis=1)
    found = (smoothed_kernel(weight, box) * patch).sum(axis=(1, 2))
    np.testing.assert_allclose(found, (weight * means).sum(axis=(1, 2)), rtol=1e-5)
