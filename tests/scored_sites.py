"""Simulated sites: three states, two binary labels, a continuous one; some labels unknown."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from chromputer_tracks.data.labels import UNKNOWN
from chromputer_tracks.evaluation.sites import BLOCK, LabelledSites
from chromputer_tracks.spec import HeadSpec, Label


def simulated(n: int = 3000, seed: int = 0, per_block: int = 50) -> LabelledSites:
    """``n`` sites on two contigs, ``per_block`` to a bootstrap block, with informative logits."""
    rng = np.random.default_rng(seed)
    states = rng.integers(-1, 3, n)
    logits = rng.normal(0, 1, (6, n))
    logits[states.clip(0), np.arange(n)] += 1.5 * (states >= 0)
    binary = (rng.random((2, n)) < [[0.1], [0.02]]).astype(np.int64)
    logits[3:5] += 2 * binary
    binary[:, ::7] = UNKNOWN
    continuous = rng.poisson(np.exp(logits[5:] + rng.normal(0, 0.5, n))).astype(np.float32)
    continuous[:, ::11] = np.nan
    contig = (np.arange(n) >= n // 2).astype(np.int64)
    within = np.arange(n) - contig * (n // 2)
    return LabelledSites(
        ("chr1", "chr2"),
        contig,
        within * (BLOCK // per_block) + BLOCK // per_block // 2,
        logits.astype(np.float32),
        states,
        binary,
        continuous,
        3,
    )


def heads() -> tuple[HeadSpec, ...]:
    """The heads of :func:`simulated`, with calibration."""
    colour = (10, 20, 30)
    return (
        HeadSpec("states", "states", tuple(Label(f"S{k}", "", colour, 0.8) for k in range(3))),
        HeadSpec(
            "binary",
            "tfs",
            (Label("A", "", colour, 1.2, -2.0, 0.2), Label("B", "", colour, 0.9, -4.0, 0.1)),
        ),
        HeadSpec("continuous", "signal", (Label("C", "", colour),), "log"),
    )


def plain_sites(
    logits: ArrayLike, states: ArrayLike | None = None, binary: ArrayLike | None = None
) -> LabelledSites:
    """Sites one block each on one contig; as many states as logits beyond the binary labels."""
    rows = np.asarray(logits, dtype=np.float32)
    n = rows.shape[1]
    labels = np.zeros((0, n)) if binary is None else np.asarray(binary)
    return LabelledSites(
        ("chr1",),
        np.zeros(n, dtype=np.int64),
        np.arange(n) * BLOCK,
        rows,
        (np.full(n, UNKNOWN) if states is None else np.asarray(states)).astype(np.int64),
        labels.astype(np.int64),
        np.zeros((0, n), dtype=np.float32),
        len(rows) - len(labels),
    )


def load_sites(path: Path) -> tuple[LabelledSites, tuple[HeadSpec, ...]]:
    """What ``evaluation.sites.save_sites`` wrote: any reader of .npz can."""
    with np.load(path, allow_pickle=False) as file:
        about = json.loads(str(file["about"]))
        arrays = {name: file[name] for name in file.files if name != "about"}
    heads = tuple(
        HeadSpec(
            **head
            | {"labels": tuple(Label(**x | {"color": (*x["color"],)}) for x in head["labels"])}
        )
        for head in about["heads"]
    )
    contigs, states = tuple(about["contigs"]), about["number_of_states"]
    return LabelledSites(contigs=contigs, number_of_states=states, **arrays), heads
