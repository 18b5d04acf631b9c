"""The sliding network: equal to its windows for every choice of inputs and heads, and its sizes."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from network_inputs import (
    ATAC,
    CUTS,
    DNA,
    DNA_AND_SHAPE,
    MNASE,
    SHAPE,
    VALUES,
    random_arrays,
    reverse_complement,
    shape_table,
)
from torch import Tensor
from torch.nn import functional

from chromputer_tracks.errors import ConfigError
from chromputer_tracks.model.config import NetworkConfig
from chromputer_tracks.model.network import (
    BaseDropout,
    Chromputer,
    StrandMotifs,
    _conv1d_by_matrix_product,
)
from chromputer_tracks.spec import InputSpec

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
    signal_channels=(3, 2),
    context_channels=8,
    dilations=(1, 2),
    hidden=9,
)
BOTH = (DNA, ATAC)
ALL = (CUTS, ATAC, DNA_AND_SHAPE, MNASE, VALUES)
TABLE = shape_table()


def small(**changes: object) -> NetworkConfig:
    return dataclasses.replace(SMALL, **changes)  # type: ignore[arg-type]


def network(
    inputs: Sequence[InputSpec] = BOTH,
    states: int = 3,
    binary: int = 2,
    continuous: int = 0,
    config: NetworkConfig = SMALL,
) -> Chromputer:
    """In evaluation mode, its batch norms with statistics of some data, not the identity."""
    torch.manual_seed(4)
    made = Chromputer(inputs, states, binary, continuous, config, TABLE)
    with torch.no_grad():
        for seed in range(3):
            made(*random_arrays(inputs, 4, config.window + 10 * config.stride, seed))
    return made.eval()


CASES = {
    "both inputs, two heads": (BOTH, 3, 2, 0, SMALL),
    "all heads": (BOTH, 3, 2, 2, SMALL),
    "bases only": ((DNA,), 3, 2, 0, SMALL),
    "shape only": ((SHAPE,), 3, 2, 0, SMALL),
    "bases and shape": ((DNA_AND_SHAPE,), 3, 2, 0, SMALL),
    "V-plot only": ((ATAC,), 3, 2, 0, SMALL),
    "V-plots of two assays": ((MNASE, ATAC), 3, 0, 1, SMALL),
    "signal only": ((CUTS,), 3, 2, 1, SMALL),
    "two signals and bases": ((CUTS, DNA, VALUES), 3, 2, 0, SMALL),
    "all inputs, all heads": (ALL, 2, 2, 1, SMALL),
    "states only": (BOTH, 4, 0, 0, SMALL),
    "binary only": (BOTH, 0, 3, 0, SMALL),
    "continuous only": (BOTH, 0, 0, 2, SMALL),
    "V-plot and binary only": ((ATAC,), 0, 3, 0, SMALL),
    "window 2000": (ALL, 3, 2, 1, small(window=2000, dilations=(1, 2, 4))),
    "no arrangement width": (ALL, 3, 2, 0, small(motif_context=1)),
    "wide arrangement, narrow local": (
        (ATAC, DNA_AND_SHAPE),
        3,
        2,
        0,
        small(motif_context=21, motif_width=21, local_extent=50),
    ),
    "stride 10": (ALL, 2, 1, 1, small(stride=10, motif_width=5, window=600)),
    "stride 30": (ALL, 2, 1, 1, small(stride=30, window=900, motif_context=7)),
    "stride 100, sequence only": (
        (DNA,),
        3,
        2,
        0,
        small(stride=100, motif_context=21, local_extent=200, window=2000),
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_sliding_equals_one_window_at_a_time(case):
    inputs, *counts, config = case
    made = network(*case)
    outputs, window, stride = 9, config.window, config.stride
    arrays = random_arrays(inputs, 2, window + (outputs - 1) * stride, seed=9)
    with torch.no_grad():
        logits, embedding = made(*arrays)
        assert logits.shape == (2, sum(counts), outputs)
        assert embedding.shape == (2, config.hidden, outputs)
        for index in range(outputs):
            start, end = index * stride, index * stride + window
            windows = [
                array[:, :, start // item.bin : end // item.bin]
                for item, array in zip(inputs, arrays, strict=True)
            ]
            one, one_embedding = made(*windows)
            torch.testing.assert_close(one[..., 0], logits[..., index], rtol=1e-5, atol=1e-5)
            torch.testing.assert_close(
                one_embedding[..., 0], embedding[..., index], rtol=1e-5, atol=1e-5
            )
    # The windows differ, so that equality says something.
    assert logits.std(dim=2).min() > 1e-4


@pytest.mark.parametrize("place", range(len(ALL)), ids=[item.name for item in ALL])
def test_an_output_reads_its_window_and_no_more(place):
    made = network(ALL, 3, 2, 1)
    window, stride, item = SMALL.window, SMALL.stride, ALL[place]
    arrays = random_arrays(ALL, 30, window + 2 * stride)
    (other,) = random_arrays((item,), 30, window + 2 * stride, seed=8)
    first, last = stride // item.bin, (stride + window) // item.bin

    def changed(start: int, end: int) -> Tensor:
        """Largest change of each of the three outputs when part of one input is another."""
        altered = [array.clone() for array in arrays]
        altered[place][..., start:end] = other[..., start:end]
        difference: Tensor = made(*altered)[0] - made(*arrays)[0]
        return difference.abs().amax(dim=(0, 1))

    with torch.no_grad():
        assert changed(0, first)[1] < 1e-6
        assert changed(last, other.shape[2])[1] < 1e-6
        # A tenth of the window at either end and the middle matter.
        tenth = window // 10 // item.bin
        for start in (first, first + 4 * tenth, last - tenth):
            assert changed(start, start + tenth)[1] > 1e-5


@pytest.mark.parametrize("item", [DNA, ATAC, CUTS], ids=lambda item: item.name)
def test_the_bases_read_lie_around_the_centre(item):
    """As far to the left as to the right, to a base or bin of the array."""
    made = network((item,), 3, 0, 0)
    # So many that the maxima of each window cover all places.
    (array,) = random_arrays((item,), 100, SMALL.window)
    array.requires_grad_()
    made(array)[0].sum().backward()
    touched = torch.nonzero(array.grad.abs().sum((0, 1))).flatten()
    left, right = touched.min().item(), array.shape[2] - 1 - touched.max().item()
    assert left == right
    assert left * item.bin < SMALL.window * 0.1


@pytest.mark.parametrize("extent", [50, 250, 450])
def test_local_features_read_the_centre(extent):
    made = network((DNA,), 0, 2, config=small(local_extent=extent, motif_filters=64))
    (sequence,) = random_arrays((DNA,), 1, SMALL.window)
    sequence.requires_grad_()
    made.local(made.trunks[0](sequence)[0]).sum().backward()
    touched = torch.nonzero(sequence.grad[0].abs().sum(0)).flatten()
    # The best match of each filter in the extent, half a motif wider on both sides.
    reach = extent // 2 + SMALL.motif_width // 2
    centre = SMALL.window // 2
    assert centre - reach <= touched.min() < centre - reach + 40
    assert centre + reach - 40 <= touched.max() < centre + reach


@pytest.mark.parametrize("item", [DNA, SHAPE, DNA_AND_SHAPE], ids=["bases", "shape", "both"])
def test_motifs_and_local_features_of_the_other_strand_are_mirrored(item):
    made = network((item,), 3, 2)
    assert made.local is not None
    (sequence,) = random_arrays((item,), 2, SMALL.window + 5 * SMALL.stride)
    with torch.no_grad():
        forward, backward = (
            made.trunks[0](strand)[0] for strand in (sequence, reverse_complement(sequence))
        )
        assert forward.shape == (2, SMALL.motif_filters, 120)
        assert forward.std() > 0
        torch.testing.assert_close(backward, forward.flip(2), rtol=0, atol=1e-5)
        local = made.local(forward)
        assert local.shape == (2, SMALL.local_hidden, 6)
        torch.testing.assert_close(made.local(backward), local.flip(2), rtol=0, atol=1e-5)


def test_the_order_of_heads():
    made = network(BOTH, 3, 2, 1)
    with torch.no_grad():
        for head, value in (
            (made.states_head, 1),
            (made.binary_head, 2),
            (made.continuous_head, 3),
        ):
            head.weight.zero_()
            head.bias.fill_(value)
        logits, _ = made(*random_arrays(BOTH, 1, SMALL.window))
    assert logits[0, :, 0].tolist() == [1, 1, 1, 2, 2, 3]


def test_inputs_go_to_their_own_trunks():
    """The same network with its inputs in another order, as specs and as arrays."""
    order = (DNA_AND_SHAPE, VALUES, ATAC)
    turned = (ATAC, DNA_AND_SHAPE, VALUES)
    one, other = network(order, 3, 2), network(turned, 3, 2)
    for place, item in enumerate(turned):
        other.trunks[place].load_state_dict(one.trunks[order.index(item)].state_dict())
    widths = [one.trunks[order.index(item)].channels for item in turned]
    starts = [sum(t.channels for t in one.trunks[: order.index(item)]) for item in turned]
    columns = np.concatenate([np.arange(s, s + w) for s, w in zip(starts, widths, strict=True)])
    rest = {k: v for k, v in one.state_dict().items() if not k.startswith("trunks.")}
    rest["fuse.0.weight"] = rest["fuse.0.weight"][:, columns]
    other.load_state_dict(rest, strict=False)
    arrays = random_arrays(order, 2, SMALL.window + SMALL.stride)
    with torch.no_grad():
        expected = one(*arrays)[0]
        found = other(*(arrays[order.index(item)] for item in turned))[0]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_hidden_bases_keep_their_shape():
    """In training bases are hidden; the shape is that of the whole sequence."""
    made = Chromputer((DNA_AND_SHAPE,), 3, 0, 0, small(base_dropout=0.999), TABLE).trunks[0]
    seen: list[Tensor] = []
    made.motifs.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    (sequence,) = random_arrays((DNA,), 1, SMALL.window)
    for training in (True, False):
        made.train(training)(sequence)
    margin = (SMALL.window - seen[0].shape[2]) // 2
    assert torch.equal(seen[1][:, :4], sequence[..., margin:-margin])
    assert seen[0][:, :4].sum() < 20 < seen[1][:, :4].sum()
    assert torch.equal(seen[0][:, 4:], seen[1][:, 4:])
    assert (seen[0][:, 4:] != 0).any()


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
        (
            {"stride": 100, "window": 2000, "motif_context": 21},
            "stride 100 does not fit the V-plot trunk; 50 and 30 do",
        ),
    ],
)
def test_sizes_that_do_not_fit(changes, message):
    with pytest.raises(ConfigError, match=message):
        Chromputer(BOTH, 3, 2, 0, small(**changes))


def test_the_shape_needs_room_beside_the_motif():
    Chromputer((DNA_AND_SHAPE,), 1, 0, 0, small(motif_width=45), TABLE)
    with pytest.raises(ConfigError, match="motif_width 47 leaves no room .* at most 45"):
        Chromputer((DNA_AND_SHAPE,), 1, 0, 0, small(motif_width=47), TABLE)


def test_the_local_extent_s_parity_follows_the_stride():
    config = small(stride=100, window=2000, motif_context=21)
    with pytest.raises(ConfigError, match="local_extent 250 must be an even number of 10 bp"):
        Chromputer((DNA,), 3, 2, 0, config)


def test_a_signal_s_stride():
    config = small(stride=100, window=2000, motif_context=21)
    with pytest.raises(ConfigError, match="stride 100 does not fit the signal trunk"):
        Chromputer((CUTS,), 3, 0, 0, config)


@pytest.mark.parametrize("item", [ATAC, CUTS], ids=["vplot", "signal"])
def test_bins_of_10_bp(item):
    with pytest.raises(ConfigError, match=f"{item.name!r}: bin 25; .* {item.kind}s in bins of 10"):
        Chromputer((dataclasses.replace(item, bin=25),), 3, 0, 0, SMALL)


def test_a_network_needs_an_input_and_a_head():
    with pytest.raises(ConfigError, match="at least one input"):
        Chromputer((), 3, 2, 0, SMALL)
    with pytest.raises(ConfigError, match="at least one head"):
        Chromputer(BOTH, 0, 0, 0, SMALL)


def test_one_sequence_with_its_table():
    with pytest.raises(ConfigError, match="one input of sequence"):
        Chromputer((DNA, dataclasses.replace(SHAPE, name="shape")), 3, 2, 0, SMALL, TABLE)
    with pytest.raises(ConfigError, match="DNA shape needs a table"):
        Chromputer((SHAPE,), 3, 2, 0, SMALL)


@pytest.mark.parametrize("kept", [0, 1, 2, 5])
def test_keep_binary_keeps_the_first_labels(kept):
    made = network(binary=5, continuous=1)
    arrays = random_arrays(BOTH, 2, SMALL.window + 3 * SMALL.stride)
    with torch.no_grad():
        before, _ = made(*arrays)
        made.keep_binary(kept)
        after, _ = made(*arrays)
    assert after.shape == (2, 3 + kept + 1, 4)
    torch.testing.assert_close(after[:, :-1], before[:, : 3 + kept], rtol=0, atol=1e-6)
    torch.testing.assert_close(after[:, -1], before[:, -1], rtol=0, atol=1e-6)


# ---- The first sequence layer: words on either strand, with and without DNA shape.


def test_motifs_are_the_same_on_both_strands():
    torch.manual_seed(1)
    layer = StrandMotifs(6, 11).eval()
    (sequence,) = random_arrays((DNA,), 3, 310)
    with torch.no_grad():
        forward, backward = layer(sequence), layer(reverse_complement(sequence))
    assert forward.std() > 0
    torch.testing.assert_close(backward, forward.flip(2), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("bases", "shape"), [(4, 2), (0, 3)])
def test_shape_is_mirrored_and_not_complemented(bases, shape):
    torch.manual_seed(2)
    layer = StrandMotifs(5, 7, bases, shape).eval()
    rows = torch.cat([random_arrays((DNA,), 2, 206)[0][:, :bases], torch.randn(2, shape, 206)], 1)
    mirrored = torch.cat([rows[:, :bases].flip(1, 2), rows[:, bases:].flip(2)], 1)
    with torch.no_grad():
        forward = layer(rows)
        assert forward.shape == (2, 5, 20)
        torch.testing.assert_close(layer(mirrored), forward.flip(2), rtol=0, atol=1e-5)
        # Shape rows that changed places are another shape.
        wrong = torch.cat([mirrored[:, :bases], mirrored[:, bases:].flip(1)], 1)
        assert (layer(wrong) - forward.flip(2)).abs().max() > 0.1


def test_a_motif_filter_scores_its_own_word_on_either_strand():
    word = "ACCGTTGACTA"
    layer = StrandMotifs(1, len(word)).eval()
    columns = torch.tensor(["ACGT".index(letter) for letter in word])
    with torch.no_grad():
        layer.weight[0] = functional.one_hot(columns, 4).t().float()
        sequence = torch.zeros(1, 4, 40)  # 30 starts, three groups of ten
        sequence[0, columns, 13 + torch.arange(11)] = 1
        forward = layer(sequence)
        backward = layer(reverse_complement(sequence))
    # 11 matches, divided by the batch norm's sqrt(1 + eps); start 13 is in the second ten, and
    # so is 40 - 11 - 13 = 16 on the other strand.
    assert forward[0, 0, 1].item() == pytest.approx(11, rel=1e-4)
    assert backward[0, 0, 1].item() == pytest.approx(11, rel=1e-4)
    assert forward[0, 0, [0, 2]].max() < 11


def test_matrix_product_is_conv1d_with_its_gradients():
    generator = torch.Generator()
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


@pytest.mark.parametrize("shape", [0, 2])
def test_training_and_evaluation_use_the_same_convolution(shape):
    torch.manual_seed(1)
    layer = StrandMotifs(6, 11, 4, shape)
    rows = torch.cat([random_arrays((DNA,), 2, 160)[0], torch.randn(2, shape, 160)], 1)
    layer.norm.eval()  # the same statistics, whichever convolution ran
    in_training = layer(rows)
    layer.eval()
    torch.testing.assert_close(in_training, layer(rows), rtol=1e-5, atol=1e-5)


def test_base_dropout_hides_whole_bases_in_training_only():
    torch.manual_seed(6)
    (sequence,) = random_arrays((DNA,), 4, 2000)
    layer = BaseDropout(0.3)
    hidden = layer(sequence)
    kept = hidden.sum(1) == sequence.sum(1)
    assert torch.equal(hidden, sequence * kept[:, None])
    assert 0.65 < kept.float().mean().item() < 0.75
    assert not torch.equal(kept[0], kept[1])
    assert layer.eval()(sequence) is sequence
    assert BaseDropout(0.0)(sequence) is sequence
