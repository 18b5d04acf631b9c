"""Contributions as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.api.inputs import (
    AssayFile,
    FragmentFile,
    Genome,
    Regions,
    assay_sources,
    centres,
    contigs,
    genome_path,
    open_features,
    open_model,
    warn_of,
)
from chromputer_tracks.data.features import Features
from chromputer_tracks.errors import InputError
from chromputer_tracks.inference.baselines import mean_baselines
from chromputer_tracks.inference.explain import (
    DEFAULT_REFERENCES,
    Contributions,
    Explainer,
    Method,
    head_weights,
    open_explainer,
)
from chromputer_tracks.inference.registry import Model
from chromputer_tracks.inference.session import ProviderChoice
from chromputer_tracks.intervals import Interval
from chromputer_tracks.wording import counted


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Explanation:
    """Contributions to one label's logit at n windows.

    Attributes:
        label: what is explained.
        windows: the model's windows, in the order of the arrays; they may leave their contigs.
        arrays: the model's inputs, by input name, float32 (n, channels, positions); DNA is one-hot
            A, C, G, T, and N is all zero.
        contributions: in units of the logit; see ``Contributions``.
    """

    label: str
    windows: tuple[Interval, ...]
    arrays: dict[str, NDArray[np.float32]]
    contributions: Contributions

    def __repr__(self) -> str:
        """What is explained and the shapes of the inputs, in a line."""
        shapes = ", ".join(f"{name} {values.shape}" for name, values in self.arrays.items())
        return f"<Explanation of {self.label} at {counted(len(self.windows), 'window')}: {shapes}>"


def explain(
    model: Model | str | Path,
    label: str,
    *,
    fasta: Genome,
    regions: Regions,
    fragments: FragmentFile | None = None,
    assays: Mapping[str, AssayFile] | None = None,
    method: Method = "deeplift",
    references: int = DEFAULT_REFERENCES,
    baseline: Literal["zero", "mean"] = "zero",
    seed: int = 0,
    provider: ProviderChoice = "auto",
    threads: int | None = None,
) -> Explanation:
    """Explain a label at the middle of each region.

    Args:
        model: as in ``predict``.
        label: a state, binary or continuous label; ``HEAD.LABEL`` where several heads have it.
        fasta: as in ``predict``.
        regions: as in ``predict``. One window of the model is centred on each: on an interval's
            ``centre``, on the summit of a narrowPeak. All are held in memory, some 0.1 MB each for
            a window of 2 kb.
        fragments: as in ``predict``.
        assays: as in ``predict``.
        method: ``deeplift`` or ``gradient*input``.
        references: dinucleotide shuffles of each window's sequence, for ``deeplift``.
        baseline: reference of V-plots and signals: nothing, or the genome's mean.
        seed: of the shuffles; a window's result depends on it and on no other window.
        provider: as in ``predict``.
        threads: as in ``predict``.

    Raises:
        SpecError: the model cannot be used or explained.
        InputError: there is no such label, no region, or a file that cannot be used.
        ProviderError: the provider does not work here.
    """
    used = open_model(model)
    weights = head_weights(used.spec, label)
    if baseline not in ("zero", "mean"):
        raise InputError(f"baseline {baseline!r} is not one of zero, mean")
    sizes = contigs(fasta)
    windows = [
        Interval.centred(chrom, centre, used.spec.window)
        for chrom, centre in centres(regions, sizes)
    ]
    sources = assay_sources(used, fragments, assays, sizes)
    explainer = open_explainer(
        used, method, references=references, seed=seed, provider=provider, threads=threads
    )
    warn_of(used, sizes, fragments)
    with ExitStack() as stack:
        features = open_features(stack, used.spec, genome_path(fasta), sources)
        if baseline == "mean":
            explainer = explainer.with_baselines(mean_baselines(used.spec, features, sizes))
        return _explanation(explainer, features, windows, label, weights)


def _explanation(
    explainer: Explainer,
    features: Features,
    windows: list[Interval],
    label: str,
    weights: NDArray[np.float32],
) -> Explanation:
    arrays: list[dict[str, NDArray[np.float32]]] = []
    parts: list[Contributions] = []
    for _, batch, contributions in explainer.stream(features, windows, weights):
        arrays.append(batch)
        parts.append(contributions)
    joined: dict[str, Any] = {
        item.name: _joined([getattr(part, item.name) for part in parts])
        for item in fields(Contributions)
    }
    return Explanation(label, tuple(windows), _joined(arrays), Contributions(**joined))


def _joined(parts: list[Any]) -> Any:
    """Arrays of batches as one, also where they lie in dicts; None of Nones."""
    first = parts[0]
    if first is None:
        return None
    if isinstance(first, dict):
        return {name: _joined([part[name] for part in parts]) for name in first}
    return np.concatenate(parts)
