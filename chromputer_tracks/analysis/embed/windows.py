"""The network over the sites of a map: its embedding and its predictions, one window a site."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.data.features import reverse_strand
from chromputer_tracks.data.probabilities import probabilities
from chromputer_tracks.inference.genome import Arrays, ArraySource
from chromputer_tracks.io.site_table import SiteTable
from chromputer_tracks.spec import ModelSpec

Strands = Literal["auto", "forward", "site", "both"]
"""Which strand of a window is read; see :func:`read_windows`."""

BATCH = 32
"""Windows per run of the session: more are no faster."""
_AHEAD = 2
"""Batches that wait for a worker, so that none waits for arrays."""

_OUTPUTS = ("logits", "embedding")
_Pair = tuple[NDArray[np.float32], NDArray[np.float32]]


class OutputSource(Protocol):
    """What runs the graph; :class:`chromputer_tracks.inference.session.Session` is one."""

    @property
    def workers(self) -> int:
        """How many threads may call :meth:`fetch` at the same time."""

    def fetch(
        self, outputs: Sequence[str], inputs: Mapping[str, NDArray[Any]]
    ) -> list[NDArray[np.float32]]:
        """The named outputs, float32 (n, channels, bins) each."""


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """What the network says of sites.

    Attributes:
        embedding: float32 (n, hidden), the layer before the heads.
        probabilities: float32 (n, outputs), calibrated; values of continuous labels.
        strands: which strand of the windows was read, never ``auto``.
    """

    embedding: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    strands: Strands


def chosen_strands(sites: SiteTable, strands: Strands) -> Strands:
    """What ``auto`` stands for: ``site`` where all sites have a strand, else ``both``."""
    if strands != "auto":
        return strands
    return "site" if len(sites) and bool((sites.strand != 0).all()) else "both"


def read_windows(
    session: OutputSource,
    spec: ModelSpec,
    features: ArraySource,
    sites: SiteTable,
    strands: Strands = "auto",
    *,
    batch: int = BATCH,
    progress: Callable[[int], None] | None = None,
) -> Readings:
    """Run the network on the window around each site.

    The network tells the strands of a window apart, so that a map of unstranded sites read as the
    genome has them shows each asymmetric element (a promoter and its gene) twice, as its mirror
    image too. ``both`` takes the mean of the embeddings, and of the probabilities, of both strands,
    which no turning around changes; ``site`` reads sites of the - strand on their own strand;
    ``forward`` reads all as the genome has them; ``auto``: see :func:`chosen_strands`.

    Each window is computed by itself: a row does not depend on the sites beside it, their order,
    or the batch size.

    Args:
        session: of ``predict.onnx``.
        spec: of the model.
        features: makes the input arrays; N and zero coverage beyond the contigs' ends.
        sites: at least one.
        strands: see above.
        batch: windows per run of the session.
        progress: told how many sites are done.

    Raises:
        ProviderError: ONNX Runtime failed.
    """
    read = chosen_strands(sites, strands)
    embeddings, values = [], []
    done = 0
    for embedding, value in _stream(session, spec, features, sites, read, batch):
        embeddings.append(embedding)
        values.append(value)
        done += len(embedding)
        if progress is not None:
            progress(done)
    return Readings(np.concatenate(embeddings), np.concatenate(values), read)


def _stream(
    session: OutputSource,
    spec: ModelSpec,
    features: ArraySource,
    sites: SiteTable,
    strands: Strands,
    batch: int,
) -> Iterator[_Pair]:
    """Embedding and probabilities of each batch, in order."""

    def run(arrays: Arrays) -> _Pair:
        logits, embedding = session.fetch(_OUTPUTS, arrays)
        return embedding[:, :, 0], probabilities(logits, spec.heads)[:, :, 0]

    def compute(arrays: Arrays) -> _Pair:
        one = run(arrays)
        if strands != "both":
            return one
        other = run(reverse_strand(spec.inputs, arrays))
        half = np.float32(0.5)
        return (one[0] + other[0]) * half, (one[1] + other[1]) * half

    def made(row: int) -> Arrays:
        arrays = features.arrays(sites.window(row, spec.window))
        turned = strands == "site" and sites.strand[row] < 0
        return reverse_strand(spec.inputs, arrays) if turned else arrays

    running: deque[Future[_Pair]] = deque()
    pool = ThreadPoolExecutor(session.workers, "chromputer-embed")
    try:
        for first in range(0, len(sites), batch):
            rows = [made(row) for row in range(first, min(first + batch, len(sites)))]
            arrays = {name: np.stack([item[name] for item in rows]) for name in rows[0]}
            running.append(pool.submit(compute, arrays))
            if len(running) > session.workers + _AHEAD:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
