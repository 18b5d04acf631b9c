"""Logits to calibrated probabilities and values, the one place where it is done."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.spec import HeadSpec


def probabilities(logits: NDArray[np.float32], heads: tuple[HeadSpec, ...]) -> NDArray[np.float32]:
    """Apply each label's calibration, then what its head makes of a logit.

    A ``states`` head is a softmax, a ``binary`` one a sigmoid per label; a ``continuous`` one gives
    the value that the logit stands for: ``exp(logit)``, or ``expm1(logit)`` but at least 0.

    Args:
        logits: float32 (..., outputs, positions), channels in the order of ``heads``.
        heads: the model's heads; the calibrated logit is ``logit * scale + bias``.

    Returns:
        float32, the shape of ``logits``; a states head sums to 1 over its labels.
    """
    labels = [label for head in heads for label in head.labels]
    scale = np.array([label.scale for label in labels], dtype=np.float32)[:, None]
    bias = np.array([label.bias for label in labels], dtype=np.float32)[:, None]
    result: NDArray[np.float32] = logits * scale + bias
    first = 0
    for head in heads:
        rows = result[..., first : first + len(head.labels), :]
        first += len(head.labels)
        if head.kind == "states":
            rows -= rows.max(axis=-2, keepdims=True)
            np.exp(rows, out=rows)
            rows /= rows.sum(axis=-2, keepdims=True)
            continue
        # Beyond 88 exp overflows to infinity, whose reciprocal is the right limit, 0.
        with np.errstate(over="ignore"):
            if head.kind == "binary":
                np.exp(-rows, out=rows)
                rows += 1
                np.reciprocal(rows, out=rows)
            elif head.transform == "log":
                np.exp(rows, out=rows)
            else:
                np.maximum(np.expm1(rows), 0, out=rows)
    return result
