"""What the model looked at: contributions of the V-plot to its answers."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.analysis.quiz.subject import Subject
from chromputer_tracks.data.features import Features
from chromputer_tracks.inference.explain import Explainer, head_weights
from chromputer_tracks.intervals import Interval

_PLACES = 3


@dataclass(frozen=True, slots=True)
class Seen:
    """Why the model gave an answer.

    Attributes:
        code: class whose logit is explained, minus the mean of all states' logits where the classes
            are states.
        parts: what each input contributes in all, in units of that logit, by ``sequence``,
            ``shape`` and the names of V-plots and signals.
        pixels: base64 of int8 (lengths, positions): contribution of each pixel of the V-plot, from
            -127 to 127, which is the largest magnitude.
    """

    code: int
    parts: dict[str, float]
    pixels: str

    def to_json(self) -> dict[str, Any]:
        """As the page takes it."""
        parts = {name: round(value, _PLACES) for name, value in self.parts.items()}
        return {"code": self.code, "parts": parts, "pixels": self.pixels}


def explain_answers(
    explainer: Explainer,
    features: Features,
    subject: Subject,
    vplot: str,
    places: Sequence[tuple[str, int]],
    answers: Sequence[int],
) -> list[Seen]:
    """Explain the model's answers.

    Args:
        explainer: of the model.
        features: of the sample.
        subject: what is asked.
        vplot: name of the input whose pixels are shown.
        places: contig and centre (bp, 0-based) of each site.
        answers: the model's class at each.

    Raises:
        ProviderError: ONNX Runtime failed.
    """
    spec = explainer.spec
    windows = [Interval.centred(chrom, centre, spec.window) for chrom, centre in places]
    # A binary label has one logit, which speaks for it.
    codes = [1 if subject.binary else code for code in answers]
    weights = np.stack([head_weights(spec, subject.output(spec, code)) for code in codes])
    found = []
    for first, _, batch in explainer.stream(features, windows, weights):
        parts = batch.parts()
        for row, pixels in enumerate(batch.inputs[vplot]):
            sums = {name: float(values[row]) for name, values in parts.items()}
            found.append(Seen(codes[first + row], sums, _levels(pixels)))
    return found


def _levels(values: NDArray[np.float32]) -> str:
    """Contributions as base64 of int8, on a scale of their own."""
    top = float(np.abs(values).max()) or 1.0
    return b64encode(np.round(values / top * 127).astype(np.int8).tobytes()).decode()
