"""Predictions at sites, and the model card's figures: against scikit-learn and by hand."""

import numpy as np
import pytest
import torch
from scored_sites import simulated
from sklearn.metrics import average_precision_score
from torch import nn
from toy_genome import toy_genome

from chromputer_tracks.data.features import Features
from chromputer_tracks.data.labels import UNKNOWN, LabelSet, Mask, PeakLabels, StateLabels
from chromputer_tracks.errors import ConfigError
from chromputer_tracks.evaluation.metrics import softmax
from chromputer_tracks.intervals import Grid
from chromputer_tracks.model.dataset import SegmentDataset, site_segments
from chromputer_tracks.model.evaluation import predict_sites, score_sites
from chromputer_tracks.spec import InputSpec


def test_score_sites():
    sites = simulated()
    scan = (sites.logits[4] + 1).astype(np.float32)
    lenient = np.where(np.roll(sites.binary, 1, axis=1) == 1, UNKNOWN, sites.binary)
    figures = score_sites(sites, lenient, ["S1", "S2", "S3"], ["A", "B"], 1, {"B": scan})
    states, binary = figures["states"], figures["binary"]
    known = sites.states != UNKNOWN
    called = sites.logits[:3].argmax(axis=0)
    assert states["sites"] == known.sum()
    value, low, high = states["accuracy"]
    assert value == pytest.approx((called == sites.states)[known].mean(), abs=1e-4)
    assert low < value < high
    assert states["majority_accuracy"] == pytest.approx((sites.states[known] == 1).mean(), abs=1e-4)
    prevalence = (sites.states[known] == 1).mean()
    assert states["majority_macro_f1"] == pytest.approx(
        2 * prevalence / (1 + prevalence) / 3, abs=1e-4
    )
    for row, name in enumerate(["S1", "S2", "S3"]):
        entry = states["per_state"][name]
        expected = average_precision_score(
            sites.states[known] == row, softmax(sites.logits[:3])[row][known]
        )
        assert entry["auprc"][0] == pytest.approx(expected, abs=1e-4)
        assert entry["prevalence"] == pytest.approx((sites.states[known] == row).mean(), abs=1e-5)
    for row, name in enumerate(["A", "B"]):
        truth = sites.binary[row]
        kept = truth != UNKNOWN
        assert binary[name]["positives"] == (truth == 1).sum()
        assert binary[name]["prevalence"] == pytest.approx(truth[kept].mean(), abs=1e-5)
        expected = average_precision_score(truth[kept], sites.logits[3 + row][kept])
        assert binary[name]["auprc"][0] == pytest.approx(expected, abs=1e-4)
        kept = lenient[row] != UNKNOWN
        expected = average_precision_score(lenient[row][kept], sites.logits[3 + row][kept])
        assert binary[name]["auprc_flanks_masked"][0] == pytest.approx(expected, abs=1e-4)
    assert "motif_scan_auprc" not in binary["A"]
    assert binary["B"]["motif_scan_auprc"] == binary["B"]["auprc"]


class CountsBase(nn.Module):
    """Logit k: how often base k occurs in the window; a sliding model with a known answer."""

    def __init__(self, window: int, stride: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.eye(4)[:, :, None].repeat(1, 1, window))
        self.stride = stride

    def forward(self, sequence):
        counts = nn.functional.conv1d(sequence, self.weight, stride=self.stride)
        return counts, counts


def test_predicted_sites_belong_to_their_bins():
    genome = toy_genome({"a": 41_050, "b": 950})
    grid = Grid(300, 50)
    states = StateLabels.from_segments([("a", 0, 20_000, 1), ("b", 400, 800, 0)])
    peaks = (PeakLabels.from_peaks([("a", 5_000), ("b", 399)], 200, 0),)
    labels = LabelSet(states, peaks, Mask({}, {}))
    features = Features((InputSpec("sequence", "dna"),), genome)
    dataset = SegmentDataset(features, labels, genome.sizes, grid)
    network = CountsBase(300, 50).train()
    segments = site_segments(genome.sizes, ["a", "b"], 200, 50, sites=30)
    found = predict_sites(network, dataset, segments, ["dna"], 50, 200, 3)
    assert not network.training
    centres = [("a", 100 + 200 * k) for k in range(205)] + [("b", 100 + 200 * k) for k in range(4)]
    assert found.logits.shape == (4, len(centres))
    assert found.number_of_states == 3
    for index, (chrom, centre) in enumerate(centres):
        bases = genome.bases[chrom][max(centre - 150, 0) : centre + 150].tobytes()
        assert found.logits[:, index].tolist() == [bases.count(b) for b in (b"A", b"C", b"G", b"T")]
        if chrom == "a":
            assert found.states[index] == (1 if centre < 20_000 else UNKNOWN)
        else:
            assert found.states[index] == (0 if centre in (500, 700) else UNKNOWN)
        assert found.binary[0, index] == ((chrom, centre) in {("a", 5100), ("b", 300)})
    expected = [c // 20_000 if chrom == "a" else 3 for chrom, c in centres]
    assert found.blocks.tolist() == expected


def test_contigs_without_a_whole_bin_are_an_error():
    with pytest.raises(ConfigError, match="hold no whole bin of 200 bp"):
        predict_sites(CountsBase(300, 50), None, [], ["dna"], 50, 200, 0)  # type: ignore[arg-type]
