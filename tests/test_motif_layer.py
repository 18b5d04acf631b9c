"""The first sequence layer: words on either strand, with and without DNA shape."""

import pytest
import torch
from network_inputs import DNA, random_arrays, reverse_complement
from torch.nn import functional

from chromputer_tracks.model.network import BaseDropout, StrandMotifs, _conv1d_by_matrix_product


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
