"""Figures of explained sites: shares of the inputs, and whether contributions add up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.inference.explain import Arrays, Contributions

COMPLETE = 1e-3
"""Relative error of completeness above which a user is warned."""
_LEAST_DIFFERENCE = 0.1
"""Differences in logit below it count as this much: where a site differs hardly from its
references, rounding in the sums of thousands of float32 would else pass for an error."""
COMPLETENESS = f"|sum of contributions - difference| / max(|difference|, {_LEAST_DIFFERENCE})"


@dataclass(frozen=True, slots=True)
class Completeness:
    """How well contributions add up to the difference in logit, by :data:`COMPLETENESS`.

    Attributes:
        median: over sites.
        maximum: over sites.
        above: number of sites above :data:`COMPLETE`.
    """

    median: float
    maximum: float
    above: int


@dataclass(frozen=True, slots=True)
class LabelSummary:
    """What was found of a label.

    Attributes:
        label: its name.
        title: its full name.
        sites: number of windows.
        bases: bp that have a value in the tracks.
        mean_logit: of the explained logit over sites.
        mean_difference: of its difference from the references; None for ``gradient*input``.
        shares: share of each part (``sequence``, ``shape``, V-plots and signals by name) in the sum
            of all contributions without their signs.
        completeness: None for ``gradient*input``.
    """

    label: str
    title: str
    sites: int
    bases: int
    mean_logit: float
    mean_difference: float | None
    shares: dict[str, float]
    completeness: Completeness | None


class Tally:
    """Adds up the figures of a label's sites, a batch at a time."""

    def __init__(self) -> None:
        self._logits: list[NDArray[np.float32]] = []
        self._differences: list[NDArray[np.float32]] = []
        self._errors: list[NDArray[np.float32]] = []
        self._sizes: dict[str, float] = {}

    def add(self, found: Contributions, total: NDArray[np.float32]) -> Arrays:
        """Take a batch.

        Args:
            found: of n sites.
            total: float32 (n,), the sum of each site's contributions.

        Returns:
            float32 (n,) by column: ``contribution.PART`` and ``share.PART`` of each part, the share
            being of the contributions without their signs (0 where all are 0), and
            ``completeness_error``, NaN for ``gradient*input``.
        """
        signed, sizes = found.parts(), _magnitudes(found)
        for name, values in sizes.items():
            self._sizes[name] = self._sizes.get(name, 0.0) + float(values.sum(dtype=np.float64))
        whole = np.sum(list(sizes.values()), axis=0)
        whole[whole == 0] = 1
        error = np.abs(total - found.difference)
        error /= np.maximum(np.abs(found.difference), np.float32(_LEAST_DIFFERENCE))
        self._logits.append(found.logit)
        self._differences.append(found.difference)
        self._errors.append(error)
        columns = {f"contribution.{name}": values for name, values in signed.items()}
        columns |= {f"share.{name}": values / whole for name, values in sizes.items()}
        return columns | {"completeness_error": error}

    def summary(self, label: str, title: str, bases: int) -> LabelSummary:
        """Figures of all sites.

        Args:
            label: name.
            title: full name.
            bases: bp that have a value in the tracks.
        """
        logits = np.concatenate(self._logits)
        differences, errors = np.concatenate(self._differences), np.concatenate(self._errors)
        whole = sum(self._sizes.values()) or 1.0
        complete = difference = None
        if not np.isnan(differences).all():
            difference = float(differences.mean(dtype=np.float64))
            complete = Completeness(
                float(np.median(errors)), float(errors.max()), int((errors > COMPLETE).sum())
            )
        return LabelSummary(
            label=label,
            title=title,
            sites=len(logits),
            bases=bases,
            mean_logit=float(logits.mean(dtype=np.float64)),
            mean_difference=difference,
            shares={name: size / whole for name, size in self._sizes.items()},
            completeness=complete,
        )


def _magnitudes(found: Contributions) -> Arrays:
    """Sums of contributions without signs, float32 (n,) by part, as ``parts()`` names them."""
    sizes: Arrays = {}
    if found.sequence is not None:
        sizes["sequence"] = np.abs(found.sequence).sum(axis=1)
    if found.shape is not None:
        sizes["shape"] = np.abs(found.shape).sum(axis=(1, 2))
    return sizes | {name: np.abs(values).sum(axis=(1, 2)) for name, values in found.inputs.items()}
