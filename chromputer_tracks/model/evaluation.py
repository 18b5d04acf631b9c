"""Scoring on held-out contigs: predictions at sites, metrics, and bootstrap over blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from chromputer_tracks.data.labels import UNKNOWN
from chromputer_tracks.errors import ConfigError
from chromputer_tracks.evaluation.bootstrap import bootstrap
from chromputer_tracks.evaluation.metrics import average_precision, softmax, state_scores
from chromputer_tracks.evaluation.sites import Sites
from chromputer_tracks.model.dataset import Segment, SegmentDataset


def predict_sites(
    network: nn.Module,
    dataset: SegmentDataset,
    segments: Sequence[Segment],
    input_names: Sequence[str],
    stride: int,
    label_bin: int,
    number_of_states: int,
) -> Sites:
    """Run the network over site segments; the network is left in evaluation mode.

    Args:
        network: takes the inputs in order, returns logits and embedding.
        dataset: gives arrays and labels.
        segments: from :func:`site_segments`.
        input_names: in graph order.
        stride: bp between outputs.
        label_bin: bp between sites.
        number_of_states: see :class:`Sites`.

    Raises:
        ConfigError: there are no segments, as every contig is shorter than a bin.
    """
    if not segments:
        raise ConfigError(
            f"the contigs to score hold no whole bin of {label_bin} bp: choose longer ones in "
            f"splits.validation and splits.test"
        )
    step = label_bin // stride
    network.eval()
    device = next(network.parameters()).device
    logits, states, binary, contig, centres = [], [], [], [], []
    contigs: dict[str, int] = {}
    with torch.no_grad():
        for segment in segments:
            item = dataset[segment]
            out, _ = network(*(item[name][None].to(device) for name in input_names))
            logits.append(out[0, :, ::step].float().cpu().numpy())
            states.append(item["states"].numpy()[::step])
            binary.append(item["binary"].numpy()[:, ::step])
            centres.append(segment.centres(stride)[::step])
            index = contigs.setdefault(segment.chrom, len(contigs))
            contig.append(np.full(len(centres[-1]), index, dtype=np.int64))
    count = sum(map(len, centres))
    return Sites(
        tuple(contigs),
        np.concatenate(contig),
        np.concatenate(centres),
        np.concatenate(logits, axis=1),
        np.concatenate(states),
        np.concatenate(binary, axis=1),
        np.empty((0, count), dtype=np.float32),
        number_of_states,
    )


def score_sites(
    sites: Sites,
    lenient: NDArray[np.int64],
    state_names: Sequence[str],
    binary_names: Sequence[str],
    majority: int | None,
    scans: dict[str, NDArray[np.float32]],
) -> dict[str, dict[str, object]]:
    """All figures of a model card.

    Args:
        sites: predictions on held-out contigs.
        lenient: int64 (labels, n), ``sites.binary`` with the bins beside a positive one masked.
        state_names: codes of the states, may be empty.
        binary_names: codes of the binary labels.
        majority: the most frequent state of the training contigs; None without states.
        scans: label to motif-scan scores, float32 (n,), at the same sites.

    Returns:
        ``states``: accuracy, macro_f1, majority_accuracy, and per state ``auprc`` and
        ``prevalence``; ``binary``: per label ``auprc``, ``auprc_flanks_masked`` (of the lenient
        labels), ``prevalence``, ``positives`` and, where scanned, ``motif_scan_auprc``. Each
        estimate is ``[value, low, high]``.
    """

    def estimate(score: Callable[[NDArray[np.intp]], float]) -> list[float]:
        found = bootstrap(sites.blocks, score)
        return [round(found.value, 4), round(found.low, 4), round(found.high, 4)]

    def auprc(truth: NDArray[np.int64], scores: NDArray[np.floating]) -> list[float]:
        return estimate(lambda index: average_precision(truth[index], scores[index]))

    figures: dict[str, dict[str, object]] = {}
    n = len(state_names)
    if n:
        logits, states = sites.logits[:n], sites.states
        known = states != UNKNOWN
        probabilities = softmax(logits)

        def state_score(name: str) -> list[float]:
            return estimate(lambda index: state_scores(logits[:, index], states[index])[name])

        figures["states"] = {name: state_score(name) for name in ("accuracy", "macro_f1")}
        constant = np.zeros_like(logits)
        constant[majority] = 1
        for name, value in state_scores(constant, states).items():
            figures["states"][f"majority_{name}"] = round(value, 4)
        figures["states"]["sites"] = int(known.sum())
        figures["states"]["per_state"] = {
            name: {
                "auprc": auprc(
                    np.where(known, (states == row).astype(np.int64), UNKNOWN), probabilities[row]
                ),
                "prevalence": round(float((states[known] == row).mean()), 5),
            }
            for row, name in enumerate(state_names)
        }
    figures["binary"] = {}
    for row, name in enumerate(binary_names):
        truth = sites.binary[row]
        entry: dict[str, object] = {
            "auprc": auprc(truth, sites.logits[n + row]),
            "auprc_flanks_masked": auprc(lenient[row], sites.logits[n + row]),
            "prevalence": round(float((truth[truth != UNKNOWN] == 1).mean()), 5),
            "positives": int((truth == 1).sum()),
        }
        if name in scans:
            entry["motif_scan_auprc"] = auprc(truth, scans[name])
        figures["binary"][name] = entry
    return figures
