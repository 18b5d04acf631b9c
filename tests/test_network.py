"""The sliding network: equal to its windows, strand-symmetric where it says so, masked loss."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional

from chromputer_tracks.data.labels import UNKNOWN
from chromputer_tracks.errors import ConfigError
from chromputer_tracks.model.fitting import masked_loss
from chromputer_tracks.model.network import (
    Chromputer,
    NetworkConfig,
    StrandMotifs,
    _conv1d_by_matrix_product,
)

LENGTHS = 7
SMALL = NetworkConfig(
    window=1000,
    stride=50,
    motif_filters=6,
    motif_width=11,
    motif_context=11,
    sequence_channels=5,
    local_extent=250,
    local_hidden=4,
    vplot_channels=(3, 4),
    context_channels=8,
    dilations=(1, 2),
    hidden=9,
)


def small(**changes: object) -> NetworkConfig:
    return dataclasses.replace(SMALL, **changes)  # type: ignore[arg-type]


def inputs(sequence: bool, lengths: int, batch: int, length: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    arrays = []
    if sequence:
        codes = rng.integers(0, 5, size=(batch, length))
        arrays.append((codes[:, None] == np.arange(4)[:, None]).astype(np.float32))
    if lengths:
        arrays.append(np.log1p(rng.poisson(0.1, (batch, lengths, length // 10))))
    return [torch.from_numpy(array.astype(np.float32)) for array in arrays]


def network(sequence=True, lengths=LENGTHS, states=3, binary=2, config=SMALL) -> Chromputer:
    """In evaluation mode, its batch norms with statistics of some data, not the identity."""
    torch.manual_seed(4)
    made = Chromputer(sequence, lengths, states, binary, config)
    with torch.no_grad():
        for seed in range(3):
            length = config.window + 10 * config.stride
            made(*inputs(sequence, lengths, 4, length, seed))
    return made.eval()


CASES = {
    "both inputs, both heads": (True, LENGTHS, 3, 2, SMALL),
    "sequence only": (True, 0, 3, 2, SMALL),
    "V-plot only": (False, LENGTHS, 3, 2, SMALL),
    "states only": (True, LENGTHS, 4, 0, SMALL),
    "binary only": (True, LENGTHS, 0, 3, SMALL),
    "V-plot and binary only": (False, LENGTHS, 0, 3, SMALL),
    "window 2000": (True, LENGTHS, 3, 2, small(window=2000, dilations=(1, 2, 4))),
    "no arrangement width": (True, LENGTHS, 3, 2, small(motif_context=1)),
    "wide arrangement, narrow local": (
        True,
        16,
        3,
        2,
        small(motif_context=21, motif_width=21, local_extent=50),
    ),
    "stride 10": (True, LENGTHS, 2, 1, small(stride=10, motif_width=9, window=600)),
    "stride 100, sequence only": (
        True,
        0,
        3,
        2,
        small(stride=100, motif_context=21, local_extent=200, window=2000),
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_sliding_equals_one_window_at_a_time(case):
    sequence, lengths, states, binary, config = case
    made = network(*case)
    outputs, window, stride = 9, config.window, config.stride
    arrays = inputs(sequence, lengths, 2, window + (outputs - 1) * stride, seed=9)
    with torch.no_grad():
        logits, embedding = made(*arrays)
        assert logits.shape == (2, states + binary, outputs)
        assert embedding.shape == (2, config.hidden, outputs)
        for index in range(outputs):
            windows = []
            for array in arrays:
                unit = window // 10 if array.shape[1] == lengths else window
                at = index * stride * unit // window
                windows.append(array[:, :, at : at + unit])
            one, one_embedding = made(*windows)
            torch.testing.assert_close(one[..., 0], logits[..., index], rtol=1e-5, atol=1e-5)
            torch.testing.assert_close(
                one_embedding[..., 0], embedding[..., index], rtol=1e-5, atol=1e-5
            )
    # The windows differ, so that equality says something.
    assert logits.std(dim=2).min() > 1e-4


def test_an_output_reads_its_window_and_no_more():
    made = network()
    length = SMALL.window + 2 * SMALL.stride
    sequence, vplot = (x.requires_grad_() for x in inputs(True, LENGTHS, 1, length))
    made(sequence, vplot)[0][0, :, 1].sum().backward()
    for gradient, unit in ((sequence.grad, 1), (vplot.grad, 10)):
        touched = np.flatnonzero(gradient[0].abs().sum(0).numpy()) * unit
        # Of the middle one of three outputs, [stride, stride + window).
        assert touched.min() >= SMALL.stride
        assert touched.max() < SMALL.stride + SMALL.window
        assert touched.max() - touched.min() > SMALL.window * 0.8


def test_motifs_are_the_same_on_both_strands():
    torch.manual_seed(1)
    layer = StrandMotifs(6, 11).eval()
    (sequence,) = inputs(True, 0, 3, 310)
    flipped = sequence.flip(1, 2)
    with torch.no_grad():
        torch.testing.assert_close(layer(flipped), layer(sequence).flip(2), rtol=0, atol=1e-6)


def test_a_motif_filter_scores_its_own_word_on_either_strand():
    word = "ACCGTTGACTA"
    layer = StrandMotifs(1, len(word)).eval()
    columns = torch.tensor(["ACGT".index(letter) for letter in word])
    with torch.no_grad():
        layer.weight[0] = functional.one_hot(columns, 4).t().float()
        sequence = torch.zeros(1, 4, 40)  # 30 starts, three groups of ten
        sequence[0, columns, 13 + torch.arange(11)] = 1
        forward = layer(sequence)
        backward = layer(sequence.flip(1, 2))
    # 11 matches, divided by the batch norm's sqrt(1 + eps); start 13 is in the second ten, and
    # so is 40 - 11 - 13 = 16 on the other strand.
    assert forward[0, 0, 1].item() == pytest.approx(11, rel=1e-4)
    assert backward[0, 0, 1].item() == pytest.approx(11, rel=1e-4)
    assert forward[0, 0, [0, 2]].max() < 11


def test_local_features_are_the_same_on_both_strands():
    made = network()
    assert made.sequence is not None
    assert made.local is not None
    (sequence,) = inputs(True, 0, 2, SMALL.window + 5 * SMALL.stride)
    with torch.no_grad():
        forward = made.local(made.sequence(sequence)[0])
        backward = made.local(made.sequence(sequence.flip(1, 2))[0])
    assert forward.shape == (2, SMALL.local_hidden, 6)
    assert forward.std() > 0
    torch.testing.assert_close(backward, forward.flip(2), rtol=0, atol=1e-5)


def test_matrix_product_is_conv1d_with_its_gradients():
    generator = torch.Generator().manual_seed(3)
    found, expected = [], []
    for function, results in (
        (_conv1d_by_matrix_product, found),
        (functional.conv1d, expected),
    ):
        generator.manual_seed(3)
        x = torch.randn(3, 4, 50, generator=generator, dtype=torch.float64, requires_grad=True)
        weight = torch.randn(8, 4, 9, generator=generator, dtype=torch.float64, requires_grad=True)
        y = function(x, weight)
        (y * torch.linspace(-1, 2, y.numel()).view_as(y)).sum().backward()
        results += [y.detach(), x.grad, weight.grad]
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def test_training_and_evaluation_use_the_same_convolution():
    torch.manual_seed(1)
    layer = StrandMotifs(6, 11)
    (sequence,) = inputs(True, 0, 2, 160)
    layer.norm.eval()  # the same statistics, whichever convolution ran
    in_training = layer(sequence)
    layer.eval()
    torch.testing.assert_close(in_training, layer(sequence), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stride": 45}, "stride 45 must be a multiple of 10"),
        ({"window": 1050}, "window 1050 an even number of strides"),
        ({"motif_width": 12}, "motif_width 12 must be odd"),
        ({"motif_width": 51}, "motif_width 51 must be odd and at most 50"),
        ({"motif_context": 12}, "motif_context 12 must be 1 plus a multiple of 10"),
        ({"local_extent": 260}, "local_extent 260 must be an odd number of 10 bp"),
        ({"local_extent": 255}, "local_extent 255 must be an odd number of 10 bp"),
        ({"local_extent": 0}, "local_extent 0 must be an odd number of 10 bp"),
        ({"local_extent": 1010}, "too short"),
        ({"dilations": (4, 8)}, r"window 1000 is too short for dilations \(4, 8\)"),
        ({"stride": 100, "window": 2000, "motif_context": 21}, "stride 100 does not fit"),
    ],
)
def test_sizes_that_do_not_fit(changes, message):
    with pytest.raises(ConfigError, match=message):
        Chromputer(True, LENGTHS, 3, 2, small(**changes))


def test_the_local_extent_s_parity_follows_the_stride():
    config = small(stride=100, window=2000, motif_context=21)
    with pytest.raises(ConfigError, match="local_extent 250 must be an even number of 10 bp"):
        Chromputer(True, 0, 3, 2, config)


def test_a_network_needs_an_input_and_a_head():
    with pytest.raises(ConfigError, match="at least one input"):
        Chromputer(False, 0, 3, 2, SMALL)
    with pytest.raises(ConfigError, match="at least one head"):
        Chromputer(True, 0, 0, 0, SMALL)


@pytest.mark.parametrize("kept", [0, 1, 2, 5])
def test_keep_binary_keeps_the_first_logits(kept):
    made = network(binary=5)
    arrays = inputs(True, LENGTHS, 2, SMALL.window + 3 * SMALL.stride)
    with torch.no_grad():
        before, _ = made(*arrays)
        made.keep_binary(kept)
        after, _ = made(*arrays)
    assert after.shape == (2, 3 + kept, 4)
    torch.testing.assert_close(after, before[:, : 3 + kept], rtol=0, atol=1e-6)


def batch(n=2, states=3, labels=2, positions=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(n, states + labels, positions, generator=generator)
    truth = torch.randint(-1, states, (n, positions), generator=generator)
    binary = torch.randint(-1, 2, (n, labels, positions), generator=generator)
    return logits.requires_grad_(), truth, binary


@pytest.mark.parametrize("seed", range(5))
def test_masked_loss_against_a_loop(seed):
    logits, truth, binary = batch(seed=seed)
    weights = torch.tensor([1.0, 0.25])
    found = masked_loss(logits, truth, binary, 3, weights)
    x = logits.detach().double().numpy()
    cross = [
        np.log(np.exp(x[i, :3, p]).sum()) - x[i, truth[i, p], p]
        for i in range(2)
        for p in range(5)
        if truth[i, p] != UNKNOWN
    ]
    expected = np.mean(cross)
    for label, weight in enumerate((1.0, 0.25)):
        losses = [
            np.log1p(np.exp(-z if binary[i, label, p] == 1 else z))
            for i in range(2)
            for p in range(5)
            for z in [x[i, 3 + label, p]]
            if binary[i, label, p] != UNKNOWN
        ]
        expected += weight * np.mean(losses)
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_unknown_labels_give_no_gradient():
    logits, truth, binary = batch()
    masked_loss(logits, truth, binary, 3, torch.ones(2)).backward()
    assert logits.grad is not None
    assert not logits.grad[:, :3].permute(0, 2, 1)[truth == UNKNOWN].any()
    assert not logits.grad[:, 3:][binary == UNKNOWN].any()
    assert logits.grad[:, 3:][binary != UNKNOWN].all()
    assert logits.grad[:, :3].permute(0, 2, 1)[truth != UNKNOWN].all()


def test_the_loss_is_0_where_nothing_is_known():
    logits, truth, binary = batch()
    unknown = torch.full_like(truth, UNKNOWN), torch.full_like(binary, UNKNOWN)
    loss = masked_loss(logits, *unknown, 3, torch.ones(2))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_the_loss_of_one_head_alone():
    logits, truth, binary = batch()
    states_only = masked_loss(logits[:, :3], truth, binary[:, :0], 3, torch.ones(0))
    expected = functional.cross_entropy(logits[:, :3], truth, ignore_index=UNKNOWN)
    assert states_only.item() == pytest.approx(expected.item(), rel=1e-6)
    binary_only = masked_loss(logits[:, 3:], truth, binary, 0, torch.ones(2))
    both = masked_loss(logits, truth, binary, 3, torch.ones(2))
    assert binary_only.item() == pytest.approx(both.item() - states_only.item(), rel=1e-4)
