"""Logits to calibrated probabilities, the one place where it is done."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.spec import ModelSpec


def probabilities(logits: NDArray[np.float32], spec: ModelSpec) -> NDArray[np.float32]:
    """Apply each label's calibration, then its head's softmax or sigmoid.

    Args:
        logits: float32 (..., outputs, positions), channels in the order of ``spec.heads``.
        spec: the model's heads; the calibrated logit is ``logit * scale + bias``.

    Returns:
        float32, the shape of ``logits``; a states head sums to 1 over its labels.
    """
    labels = [label for head in spec.heads for label in head.labels]
    scale = np.array([label.scale for label in labels], dtype=np.float32)[:, None]
    bias = np.array([label.bias for label in labels], dtype=np.float32)[:, None]
    result: NDArray[np.float32] = logits * scale + bias
    slices = spec.head_slices()
    for head in spec.heads:
        rows = result[..., slices[head.name], :]
        if head.kind == "states":
            rows -= rows.max(axis=-2, keepdims=True)
            np.exp(rows, out=rows)
            rows /= rows.sum(axis=-2, keepdims=True)
        else:
            # exp overflows to infinity below -88, which gives the right limit, 0.
            with np.errstate(over="ignore"):
                np.exp(-rows, out=rows)
            rows += 1
            np.reciprocal(rows, out=rows)
    return result
