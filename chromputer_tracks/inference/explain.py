"""Contributions of a model's inputs at windows, by ``explain.onnx``."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.data.features import Features
from chromputer_tracks.data.shuffles import shuffle_windows, window_rng
from chromputer_tracks.errors import ChromputerError, InputError, SpecError
from chromputer_tracks.inference.session import (
    Model,
    Provider,
    ProviderChoice,
    Session,
    open_session,
)
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.threads import Workers
from chromputer_tracks.options.explain import ExplainOptions, FiltersOptions, VplotOptions
from chromputer_tracks.options.fields import Method as Method
from chromputer_tracks.spec import (
    DEEPLIFT,
    EXPLAIN,
    WEIGHTS,
    ModelSpec,
    explain_outputs,
    find_label,
    layer_name,
    reference_name,
)

Arrays = dict[str, NDArray[np.float32]]

DEFAULT_REFERENCES = 20
"""Dinucleotide shuffles of a window's sequence."""

_PAIRS = 20
"""Pairs of a window and a reference in one run of the graph, 5 MiB each."""
_GPU_PAIRS = 400
"""The same on a GPU, which needs more work at once."""
_TRIAL_DIFFERENCE = 1e-3
"""Relative difference of logits from which on two graphs are not of one model."""


@dataclass(frozen=True, slots=True, eq=False)
class Contributions:
    """What the inputs of n windows contribute to the explained logit, in its units.

    Attributes:
        sequence: float32 (n, window), of the base that is there; 0 at N. None where the model reads
            no bases.
        hypothetical: float32 (n, 4, window): what A, C, G and T would contribute there. The
            contributions of the bases that are there are among them.
        shape: float32 (n, features, window), of DNA shape, as an input of its own; else None.
        inputs: float32 (n, channels, positions) of each V-plot and signal, by input name.
        filters: float32 (n, filters) of each input's first layer, summed over positions, by name.
        logit: float32 (n,), what is explained.
        difference: float32 (n,), its difference from the mean of the references, to which the
            contributions should add up; NaN for ``gradient*input``, where there is no such promise.
    """

    sequence: NDArray[np.float32] | None
    hypothetical: NDArray[np.float32] | None
    shape: NDArray[np.float32] | None
    inputs: Arrays
    filters: Arrays
    logit: NDArray[np.float32]
    difference: NDArray[np.float32]

    def parts(self) -> Arrays:
        """What each input of each window contributes.

        Returns:
            float32 (n,) by ``sequence``, ``shape`` and the names of V-plots and signals.
        """
        found: Arrays = {}
        if self.sequence is not None:
            found["sequence"] = self.sequence.sum(axis=1)
        if self.shape is not None:
            found["shape"] = self.shape.sum(axis=(1, 2))
        return found | {name: values.sum(axis=(1, 2)) for name, values in self.inputs.items()}

    def total(self) -> NDArray[np.float32]:
        """The sum of all contributions of each window, float32 (n,)."""
        summed: NDArray[np.float32] = np.sum(list(self.parts().values()), axis=0)
        return summed


@dataclass(frozen=True, slots=True, eq=False)
class FirstLayer:
    """The first layer of an input, with batch norms folded in.

    A filter's response is ``sum(weight * patch) + bias``. Of a sequence, the layer takes the
    largest response of both strands (the other reads the reverse complement of the bases' rows and
    the reversed rows of shape) within 10 bp, then ``scale * largest + shift``. A ReLU follows.

    Attributes:
        weight: float32 (filters, rows, width): bases A, C, G, T and shape by bp; for a V-plot
            length classes by positions, after the mean of 5 positions; for a signal
            (filters, 1, width).
        bias: float32 (filters,).
        scale: float32 (filters,), 1 but for a sequence.
        shift: float32 (filters,), 0 but for a sequence.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    scale: NDArray[np.float32]
    shift: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Explainer:
    """A model opened for explaining.

    Attributes:
        spec: the model, its inputs and labels.
        method: how contributions are computed.
        references: dinucleotide shuffles a window; they are drawn by ``seed`` and the window's
            contig and start, so that a result depends on no other window.
        seed: what is drawn depends on it; at least 0.
        session: runs ``explain.onnx``.
        baselines: the reference of each V-plot and signal, float32 (channels, positions); those
            that are not named are all zero.
    """

    spec: ModelSpec
    method: Method
    references: int
    seed: int
    session: Session
    baselines: Arrays = field(default_factory=dict)

    @property
    def provider(self) -> Provider:
        """What it runs on."""
        return self.session.provider

    @property
    def workers(self) -> int:
        """How many threads may call :meth:`explain` at the same time."""
        return self.session.workers

    def with_baselines(self, baselines: Mapping[str, NDArray[np.float32]]) -> Explainer:
        """The same with other references of V-plots and signals; see :func:`mean_baselines`.

        Raises:
            InputError: a name that is no V-plot or signal of the model, or a wrong shape.
        """
        items = {item.name: item for item in self.spec.inputs if item.kind != "sequence"}
        for name, values in baselines.items():
            if name not in items:
                raise InputError(f"model {self.spec.name} has no V-plot or signal {name!r}")
            shape = (items[name].channels, self.spec.window // items[name].bin)
            if values.shape != shape:
                raise InputError(f"the baseline of {name!r} has shape {values.shape}, not {shape}")
        return replace(self, baselines=dict(baselines))

    def explain(
        self,
        arrays: Mapping[str, NDArray[np.float32]],
        weights: NDArray[np.float32],
        windows: Sequence[Interval],
    ) -> Contributions:
        """Explain one batch.

        Args:
            arrays: input name to float32 (n, channels, window / bin).
            weights: float32 (outputs,) or (n, outputs): of the logits in what is explained; see
                :func:`head_weights`.
            windows: the n intervals that the arrays are of.

        Raises:
            ProviderError: ONNX Runtime failed.
        """
        n = len(windows)
        deeplift = self.method == "deeplift"
        feed: dict[str, NDArray[np.float32] | NDArray[np.bool_]] = {}
        for item in self.spec.inputs:
            feed[item.name] = arrays[item.name]
            shape = arrays[item.name].shape[1:]
            if item.kind != "sequence":
                reference = self.baselines.get(item.name, np.zeros(shape, dtype=np.float32))[None]
            elif deeplift:
                # Drawn by the window's place, so that neither batches nor other windows matter.
                rngs = [window_rng(self.seed, place.chrom, place.start) for place in windows]
                reference = shuffle_windows(arrays[item.name], self.references, rngs)
            else:
                reference = np.zeros((n, 0, *shape), dtype=np.float32)
            feed[reference_name(item.name)] = reference
        feed[WEIGHTS] = np.broadcast_to(weights, (n, self.spec.outputs)).astype(np.float32)
        feed[DEEPLIFT] = np.array(deeplift)
        names = explain_outputs(self.spec.inputs)
        found = dict(zip(names, self.session.fetch(names, feed), strict=True))
        difference = found["explain.difference"]
        of_bases = next((i.name for i in self.spec.inputs if i.kind == "sequence"), "")
        return Contributions(
            sequence=found.get(f"contributions.{of_bases}"),
            hypothetical=found.get(f"hypothetical.{of_bases}"),
            shape=found.get(f"shape.{of_bases}"),
            inputs={
                item.name: found[f"contributions.{item.name}"]
                for item in self.spec.inputs
                if item.kind != "sequence"
            },
            filters={item.name: found[f"filters.{item.name}"] for item in self.spec.inputs},
            logit=found["explain.logit"],
            difference=difference if deeplift else np.full_like(difference, np.nan),
        )

    def stream(
        self, features: Features, windows: Sequence[Interval], weights: NDArray[np.float32]
    ) -> Iterator[tuple[int, Arrays, Contributions]]:
        """Explain windows, a batch at a time, in order, in all the session's threads.

        Args:
            features: makes the inputs.
            windows: each as long as the model's; they may leave their contigs.
            weights: float32 (outputs,), or (windows, outputs).

        Yields:
            the batch's first window, its input arrays and its contributions.

        Raises:
            InputError: a window of another length.
            ProviderError: ONNX Runtime failed.
        """
        for window in windows:
            if len(window) != self.spec.window:
                raise InputError(
                    f"{window} is not {self.spec.window:,} bp, as the model's windows are"
                )
        # A window is paired with each of its references, and the graph runs once over all pairs of
        # a batch: few on the CPU, where each worker has a batch of its own, and many on a GPU.
        pairs = _PAIRS if self.provider == "cpu" else _GPU_PAIRS
        size = max(1, pairs // self._pairs)
        rows = np.broadcast_to(weights, (len(windows), self.spec.outputs))
        running: deque[tuple[int, Arrays, Future[Contributions]]] = deque()
        pool = Workers(self.workers, "chromputer-explain")
        try:
            for first in range(0, len(windows), size):
                batch = windows[first : first + size]
                made = [features.arrays(window) for window in batch]
                arrays = {name: np.stack([item[name] for item in made]) for name in made[0]}
                task = pool.submit(self.explain, arrays, rows[first : first + size], batch)
                running.append((first, arrays, task))
                # One more than can run, so that no thread waits for the next arrays.
                if len(running) > self.workers + 1:
                    yield _done(running)
            while running:
                yield _done(running)
        finally:
            pool.shutdown(cancel_futures=True)

    @property
    def _pairs(self) -> int:
        """References of one window."""
        shuffles = any(item.kind == "sequence" for item in self.spec.inputs)
        return self.references if shuffles and self.method == "deeplift" else 1

    def first_layers(self) -> dict[str, FirstLayer]:
        """The first layer of each input, by name."""
        feed: dict[str, NDArray[np.float32] | NDArray[np.bool_]] = dict(_zeros(self.spec))
        feed[DEEPLIFT] = np.array(False)
        parts = tuple(FirstLayer.__dataclass_fields__)
        names = [layer_name(item.name, part) for item in self.spec.inputs for part in parts]
        found = dict(zip(names, self.session.fetch(names, feed), strict=True))
        return {
            item.name: FirstLayer(**{part: found[layer_name(item.name, part)] for part in parts})
            for item in self.spec.inputs
        }


def _done(
    running: deque[tuple[int, Arrays, Future[Contributions]]],
) -> tuple[int, Arrays, Contributions]:
    first, arrays, task = running.popleft()
    return first, arrays, task.result()


def _zeros(spec: ModelSpec) -> Arrays:
    """One empty window, its references and weights."""
    feed = {}
    for item in spec.inputs:
        x = np.zeros((1, item.channels, spec.window // item.bin), dtype=np.float32)
        feed[item.name] = x
        feed[reference_name(item.name)] = x[None] if item.kind == "sequence" else x
    return feed | {WEIGHTS: np.zeros((1, spec.outputs), dtype=np.float32)}


def open_explainer(
    model: Model,
    method: Method = "deeplift",
    *,
    references: int = DEFAULT_REFERENCES,
    seed: int = 0,
    provider: ProviderChoice = "auto",
    threads: int | None = None,
) -> Explainer:
    """Open a model's ``explain.onnx``, after a trial run has shown that it fits ``predict.onnx``.

    Args:
        model: from :func:`~chromputer_tracks.inference.session.load_model`.
        method: how contributions are computed.
        references: dinucleotide shuffles a window, at least 1.
        seed: what the shuffles depend on, at least 0.
        provider: see :func:`~chromputer_tracks.inference.session.open_session`.
        threads: likewise.

    Raises:
        InputError: an unknown method, no reference, or a negative seed.
        SpecError: the model has no ``explain.onnx``, or one of another model.
        ProviderError: the provider does not work here.
    """
    if method not in get_args(Method):
        raise InputError(f"method {method!r} is not one of {', '.join(get_args(Method))}")
    if references < 1 or seed < 0:
        raise InputError(f"references {references} must be at least 1, seed {seed} at least 0")
    path = model.path.with_name(EXPLAIN)
    if not path.is_file():
        raise SpecError(
            f"{path} is not there, so that model {model.name} cannot be explained: name its model "
            f"folder, or train it again with this release, which writes {EXPLAIN} too"
        )
    session = open_session(path, provider, threads)
    _check_graph(model, path, session)
    return Explainer(model.spec, method, references, seed, session)


def explainer_of(
    model: Model, options: ExplainOptions | FiltersOptions | VplotOptions
) -> Explainer:
    """:func:`open_explainer` as a command's options say."""
    return open_explainer(
        model,
        options.method,
        references=options.references,
        seed=options.seed,
        provider=options.provider,
        threads=options.threads,
    )


def _check_graph(model: Model, path: Path, session: Session) -> None:
    """Whether the explaining graph is of the model: the logits of an empty window are equal."""
    spec = model.spec
    feed = _zeros(spec)
    weights = np.random.default_rng(0).normal(size=(1, spec.outputs)).astype(np.float32)
    flag = {DEEPLIFT: np.array(False)}
    try:
        found = session.fetch(explain_outputs(spec.inputs), feed | flag | {WEIGHTS: weights})[0]
    except ChromputerError as error:
        raise SpecError(
            f"{path} is not of the model {model.name}: train it again: {error}"
        ) from error
    arrays = {item.name: feed[item.name] for item in spec.inputs}
    logits = open_session(model.path, "cpu", 1).run(arrays)
    expected = (weights * logits[:, :, 0]).sum()
    if not abs(found[0] - expected) <= _TRIAL_DIFFERENCE * (
        1 + np.abs(weights * logits[:, :, 0]).sum()
    ):
        raise SpecError(
            f"{path} is of another model than {model.path.name} beside it: their logits differ "
            f"({found[0]:.4g} and {expected:.4g}); copy or train the model again"
        )


def head_weights(spec: ModelSpec, name: str) -> NDArray[np.float32]:
    """The weights that make a label's logit of all logits, float32 (outputs,).

    Of a binary or continuous label that is its calibrated logit, but for its constant. Of a state
    it is its calibrated logit minus the mean over all states, so that what raises all states alike
    counts for none (Shrikumar et al. 2016, arXiv:1605.01713, equation 21).

    Args:
        spec: the model, its inputs and labels.
        name: a label; ``HEAD.LABEL`` where several heads have one of that name.

    Raises:
        InputError: there is no such label, or more than one.
    """
    found = find_label(spec, name)
    weights = np.zeros(spec.outputs, dtype=np.float32)
    if found.head.kind == "states":
        scales = np.array([item.scale for item in found.head.labels], dtype=np.float32)
        weights[spec.head_slices()[found.head.name]] = -scales / len(scales)
    weights[found.row] += found.label.scale
    return weights


# References of V-plots and signals: the genome's mean.


def mean_baselines(
    spec: ModelSpec, features: Features, sizes: ChromSizes, windows: int = 500
) -> dict[str, NDArray[np.float32]]:
    """The genome's mean V-plot and signals, the same at all positions.

    Args:
        spec: the model, its inputs and labels.
        features: makes the inputs.
        sizes: the genome's contigs.
        windows: how many, evenly spaced over the genome, the mean is taken of.

    Returns:
        input name to float32 (channels, window / bin).
    """
    items = [item for item in spec.inputs if item.kind != "sequence"]
    sums = {item.name: np.zeros(item.channels) for item in items}
    starts = np.cumsum([0, *sizes.values()])
    names = list(sizes)
    places = (np.arange(windows) + 0.5) * starts[-1] / windows
    for place in places.astype(np.int64):
        contig = int(np.searchsorted(starts, place, side="right")) - 1
        centre = int(place - starts[contig])
        arrays = features.arrays(Interval.centred(names[contig], centre, spec.window))
        for item in items:
            sums[item.name] += arrays[item.name].mean(axis=1, dtype=np.float64)
    return {
        item.name: np.repeat(
            (sums[item.name] / windows).astype(np.float32)[:, None], spec.window // item.bin, axis=1
        )
        for item in items
    }
