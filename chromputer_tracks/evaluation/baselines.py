"""What a network is measured against, at the same sites and with the same labels.

Each baseline learns from the sites of the training contigs and gives logits of its probabilities at
other sites; rows that it does not predict (continuous labels, labels without a motif or without a
training positive) are NaN. Thresholds are then chosen as for the network, by
:func:`~chromputer_tracks.evaluation.sites.calibrate` on the validation contigs.

None of them sees more than the network: the forest sees its fragments without the sequence, the
scan the sequence without the fragments, gene proximity neither.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.data.features import one_hot
from chromputer_tracks.data.labels import UNKNOWN
from chromputer_tracks.errors import ConfigError, DependencyError, counted
from chromputer_tracks.evaluation.sites import LabelledSites, calibrate, pool_sites, uncalibrated
from chromputer_tracks.intervals import Interval
from chromputer_tracks.io.bed import TssTable
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.spec import HeadSpec

# ---- All baselines in one go: learnt on training sites, calibrated on validation sites, at others.

MAJORITY, GENES, FOREST, MOTIF = (
    "majority class",
    "gene proximity",
    "random forest",
    "motif scan",
)


class MidpointSource(Protocol):
    """Where fragments come from; ``io.fragment_store.FragmentStore`` is one."""

    @property
    def density(self) -> float:
        """Fragments per kb, genome-wide."""

    def midpoints(self, interval: Interval) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Midpoints (bp, 0-based) and lengths of the fragments whose midpoint is inside."""


@dataclass(frozen=True, slots=True)
class SampleSites:
    """Labelled sites of one sample.

    Attributes:
        sites: labels; predictions are not looked at.
        fragments: the sample's fragment files, of the same assays in the same order in each sample.
    """

    sites: LabelledSites
    fragments: tuple[MidpointSource, ...] = ()


@dataclass(frozen=True, slots=True)
class Baseline:
    """A baseline's predictions.

    Attributes:
        name: how tables call it.
        heads: heads with the calibration and thresholds that it gets on the validation sites.
        sites: predictions, one entry for each sample to predict.
    """

    name: str
    heads: tuple[HeadSpec, ...]
    sites: tuple[LabelledSites, ...]


def run_baselines(
    train: Sequence[SampleSites],
    validation: Sequence[SampleSites],
    test: Sequence[SampleSites],
    heads: tuple[HeadSpec, ...],
    label_bin: int,
    sequence: Fasta,
    motifs: Mapping[int, NDArray[np.float32]],
    tss: TssTable | None,
    seed: int = 0,
    jobs: int = 1,
    report: Callable[[str], None] = lambda _: None,
) -> Iterator[Baseline]:
    """The baselines that can be had, in the order of what they know.

    Args:
        train: sites to learn from, one entry a sample.
        validation: sites to calibrate on, likewise.
        test: sites to predict.
        heads: heads of the labels.
        label_bin: bp of a bin.
        sequence: the genome.
        motifs: row of the binary labels to its motif, float32 (4, width); may be empty.
        tss: start sites; None: no gene proximity.
        seed: makes what is random reproducible.
        jobs: threads of the forest.
        report: told what is being learnt, a line at a time.
    """
    heads = uncalibrated(heads)
    # Predicted together: one pass over features and models, taken apart again below.
    asked = [*validation, *test]
    known, at = _pooled(train), _pooled(asked)

    def features(
        make: Callable[[SampleSites], NDArray[np.float32]],
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Features of the sites to learn from and of those to predict."""
        return np.concatenate([*map(make, train)]), np.concatenate([*map(make, asked)])

    def baseline(name: str, predicted: LabelledSites, *, calibrated: bool = True) -> Baseline:
        ends = list(accumulate(len(item.sites) for item in asked))
        own = heads
        if calibrated:
            seen = predicted.select(np.arange(ends[len(validation) - 1]))
            own = calibrate(heads, seen, (0.0,) * len(predicted.binary))
        parts = [
            replace(item.sites, logits=predicted.logits[:, end - len(item.sites) : end])
            for item, end in zip(asked, ends, strict=True)
        ]
        return Baseline(name, own, tuple(parts[len(validation) :]))

    # Its frequencies are calibrated; the best threshold for F1 would call every site.
    yield baseline(MAJORITY, majority(known, at), calibrated=False)
    learnt = counted(int(known.labelled.sum()), "site")
    if tss is not None:
        report(f"gene proximity: learning from {learnt} and {counted(len(tss), 'gene')}")
        seen, new = features(lambda item: gene_features(item.sites, tss))
        yield baseline(GENES, gene_proximity(known, seen, at, new, seed))
    if train[0].fragments:
        report(f"random forest: learning from {learnt}")
        seen, new = features(_all_fragment_features)
        yield baseline(FOREST, random_forest(known, seen, at, new, seed, jobs))
    if motifs:
        report(f"motif scan: {counted(len(motifs), 'motif')}")
        seen, new = features(lambda item: motif_scans(item.sites, sequence, motifs, label_bin).T)
        yield baseline(MOTIF, motif_odds(known, seen.T, at, new.T))


def _all_fragment_features(item: SampleSites) -> NDArray[np.float32]:
    return np.concatenate([fragment_features(item.sites, of) for of in item.fragments], axis=1)


def _pooled(samples: Sequence[SampleSites]) -> LabelledSites:
    # Contigs of two samples stay apart.
    return pool_sites([item.sites for item in samples], [str(n) for n in range(len(samples))])


# ---- Each baseline: learnt from training sites, logits at others.

_LEAST = 1e-5
"""Probabilities are kept this far from 0 and 1, where logits would be infinite."""

TREES = 500
_FOREST = {"n_estimators": TREES, "min_samples_leaf": 5, "max_samples": 0.5}
"""Chosen on yeast's training contigs by threefold cross-validation over whole contigs (100 trees).

States: accuracy 0.690, mean AUPRC 0.312; with balanced class weights 0.639 and 0.303 (but macro-F1
0.31 in place of 0.24), with 30 % of the features a split 0.689 and 0.309. Labels: mean AUPRC 0.177
from one forest for all of them; 0.172 from one forest each, 0.145 with balanced class weights. Half
of the sites a tree is as good as all of them (0.689; 0.177) in half the time.
"""

_BOOSTING = {"max_iter": 100, "max_leaf_nodes": 15, "min_samples_leaf": 50, "early_stopping": False}


def majority(train: LabelledSites, at: LabelledSites) -> LabelledSites:
    """The training contigs' frequencies at every site: calls the most frequent state, no label."""
    logits = _nothing(at)
    n = at.number_of_states
    if n:
        counts = np.bincount(train.states[train.states != UNKNOWN], minlength=n) + 0.5
        logits[:n] = np.log(counts / counts.sum())[:, None]
    for row, truth in enumerate(train.binary, n):
        positives = (truth == 1).sum() + 0.5
        logits[row] = np.log(positives / ((truth == 0).sum() + 0.5))
    return replace(at, logits=logits)


def gene_proximity(
    train: LabelledSites,
    train_features: NDArray[np.float32],
    at: LabelledSites,
    features: NDArray[np.float32],
    seed: int = 0,
) -> LabelledSites:
    """Gradient boosting on distances to start sites and strand: what an annotation alone tells.

    Args:
        train: sites to learn from.
        train_features: float32 (sites, 5), from ``gene_features``.
        at: sites to predict.
        features: the same for ``at``.
        seed: makes the boosting reproducible.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    logits = _nothing(at)
    n = at.number_of_states
    for row, truth in enumerate([train.states, *train.binary], n - 1):
        known = truth != UNKNOWN
        if len(np.unique(truth[known])) < 2:
            continue
        model = HistGradientBoostingClassifier(**_BOOSTING, random_state=seed)
        model.fit(train_features[known], truth[known])
        shares = model.predict_proba(features)
        if row < n:
            logits[:n] = np.log(_all_states(shares, model.classes_, n))
        else:
            logits[row] = _log_odds(shares[:, 1])
    return replace(at, logits=logits)


def random_forest(
    train: LabelledSites,
    train_features: NDArray[np.float32],
    at: LabelledSites,
    features: NDArray[np.float32],
    seed: int = 0,
    jobs: int = 1,
) -> LabelledSites:
    """Random forests on V-plot and coverage features: one for the states, one for all labels.

    Args:
        train: sites to learn from; those where all binary labels are known, for the labels.
        train_features: float32 (sites, features), from ``fragment_features``.
        at: sites to predict.
        features: the same for ``at``.
        seed: makes the forests reproducible.
        jobs: threads; the result does not depend on them.
    """
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(**_FOREST, random_state=seed, n_jobs=jobs)
    logits = _nothing(at)
    n = at.number_of_states
    known = train.states != UNKNOWN
    if n and known.any():
        forest.fit(train_features[known], train.states[known])
        logits[:n] = np.log(_all_states(forest.predict_proba(features), forest.classes_, n))
    known = (train.binary != UNKNOWN).all(axis=0)
    rows = [row for row, truth in enumerate(train.binary) if len(np.unique(truth[known])) == 2]
    if rows:
        truth = train.binary[rows][:, known]
        forest.fit(train_features[known], truth.T if len(rows) > 1 else truth[0])
        shares = forest.predict_proba(features)
        # A list with an array for each label, but one array where there is one label only.
        for row, share in zip(rows, shares if len(rows) > 1 else [shares], strict=True):
            logits[n + row] = _log_odds(share[:, 1])
    return replace(at, logits=logits)


def motif_odds(
    train: LabelledSites,
    train_scores: NDArray[np.float32],
    at: LabelledSites,
    scores: NDArray[np.float32],
) -> LabelledSites:
    """Log odds of a label given its motif's best match, by logistic regression on that one score.

    The ranking is that of the scores.

    Args:
        train: sites to learn from.
        train_scores: float32 (labels, sites), from :func:`motif_scans`.
        at: sites to predict.
        scores: the same for ``at``.
    """
    from sklearn.linear_model import LogisticRegression

    logits = _nothing(at)
    for row, (truth, seen, new) in enumerate(
        zip(train.binary, train_scores, scores, strict=True), at.number_of_states
    ):
        known = (truth != UNKNOWN) & np.isfinite(seen)
        if len(np.unique(truth[known])) == 2:
            model = LogisticRegression(C=1e6).fit(seen[known][:, None], truth[known])
            logits[row] = model.decision_function(new[:, None])
    return replace(at, logits=logits)


def _nothing(at: LabelledSites) -> NDArray[np.float32]:
    return np.full(
        (at.number_of_states + len(at.binary) + len(at.continuous), len(at)),
        np.nan,
        dtype=np.float32,
    )


def _all_states(
    shares: NDArray[np.float64], classes: NDArray[np.int64], states: int
) -> NDArray[np.float64]:
    """Shares (n, classes) as (states, n), above 0; states not learnt from have the least."""
    full = np.zeros((states, len(shares)))
    full[classes] = shares.T
    return np.maximum(full, _LEAST)


def _log_odds(share: NDArray[np.float64]) -> NDArray[np.float64]:
    share = share.clip(_LEAST, 1 - _LEAST)
    odds: NDArray[np.float64] = np.log(share / (1 - share))
    return odds


# ---- Features of sites: the fragments around them, and where genes start.

LENGTH_EDGES = (20, 100, 150, 200, 300, 450, 700)
"""Fragment-length classes, bp: of the transcription factor, between, one nucleosome (two classes),
two, three; class i holds ``edges[i] <= length < edges[i + 1]``."""

FINE, COARSE, IMAGE = (50, 500), (200, 2000), (100, 400)
"""Bin and reach to either side of the site, bp: of all fragments, near and far, and of each length
class."""

EXTENTS = (100, 200, 500, 1000, 2000)
"""bp around the site in which each length class is counted, from noisy and local to smooth."""


def fragment_features(sites: LabelledSites, fragments: MidpointSource) -> NDArray[np.float32]:
    """V-plot and coverage features of each site.

    The density of fragment midpoints, relative to the sample's mean, so that depth does not matter:
    of all fragments in bins of 50 bp to 500 bp around the site's centre and of 200 bp to 2 kb, and
    of each class of :data:`LENGTH_EDGES` in bins of 100 bp to 400 bp (the V-plot) and in the
    :data:`EXTENTS`; then the share of each class and the mean length within 500 bp.

    Args:
        sites: places to describe.
        fragments: the sample's fragments.

    Returns:
        float32 (n, features).
    """
    parts = [
        _contig_features(sites.centre[rows], contig, fragments)
        for contig, rows in _by_contig(sites)
    ]
    return _in_order(parts, sites)


def _by_contig(sites: LabelledSites) -> list[tuple[str, NDArray[np.intp]]]:
    return [
        (contig, np.flatnonzero(sites.contig == code)) for code, contig in enumerate(sites.contigs)
    ]


def _in_order(parts: list[NDArray[np.float32]], sites: LabelledSites) -> NDArray[np.float32]:
    """Rows made contig by contig, in the order of the sites."""
    result = np.empty((len(sites), parts[0].shape[1]), dtype=np.float32)
    for part, (_, rows) in zip(parts, _by_contig(sites), strict=True):
        result[rows] = part
    return result


def _contig_features(
    centres: NDArray[np.int64], contig: str, fragments: MidpointSource
) -> NDArray[np.float32]:
    reach = max(COARSE[1], *(extent // 2 for extent in EXTENTS))
    if len(centres):
        around = Interval(contig, int(centres.min()) - reach, int(centres.max()) + reach)
        midpoints, lengths = fragments.midpoints(around)
    else:
        midpoints, lengths = (np.empty(0, dtype=np.int32),) * 2
    classes = np.searchsorted(LENGTH_EDGES, lengths, side="right") - 1
    whole = np.sort(midpoints)
    by_class = [np.sort(midpoints[classes == k]) for k in range(len(LENGTH_EDGES) - 1)]

    columns = [*_binned(whole, centres, *FINE), *_binned(whole, centres, *COARSE)]
    for chosen in by_class:
        columns += _binned(chosen, centres, *IMAGE)
    nested = [
        [_counts(chosen, centres, -(extent // 2), extent // 2) / extent for extent in EXTENTS]
        for chosen in by_class
    ]
    columns += [column for row in nested for column in row]
    per_bp = fragments.density / 1000
    densities = np.stack(columns) / per_bp
    middle = np.stack([row[EXTENTS.index(1000)] for row in nested])
    shares = middle / np.maximum(middle.sum(axis=0), 1e-9)
    typical = np.array(
        [(a + b) / 2 for a, b in zip(LENGTH_EDGES[:-1], LENGTH_EDGES[1:], strict=True)]
    )
    return np.concatenate([densities, shares, [typical @ shares]]).T.astype(np.float32)


def _binned(
    midpoints: NDArray[np.int32], centres: NDArray[np.int64], width: int, reach: int
) -> list[NDArray[np.float64]]:
    """Midpoints per bp in bins of ``width`` from ``-reach`` to ``reach`` around each centre."""
    return [
        _counts(midpoints, centres, start, start + width) / width
        for start in range(-reach, reach, width)
    ]


def _counts(
    midpoints: NDArray[np.int32], centres: NDArray[np.int64], start: int, end: int
) -> NDArray[np.int64]:
    """Midpoints (ascending) in ``[centre + start, centre + end)`` of each centre."""
    counts: NDArray[np.int64] = np.searchsorted(midpoints, centres + end) - np.searchsorted(
        midpoints, centres + start
    )
    return counts


def gene_features(sites: LabelledSites, tss: TssTable) -> NDArray[np.float32]:
    """Distances of each site to the genes' start sites, seen from the nearest gene.

    Five columns, bp: how far the site lies downstream of the nearest start site (negative:
    upstream), then the distances to the nearest start site behind and ahead of it on the nearest
    gene's strand, and to those behind and ahead on the other strand; ``behind`` is where the gene
    runs towards the site. NaN where there is none. The same site has the same features when the
    genome is read on the other strand.

    Returns:
        float32 (n, 5).
    """
    parts = [_gene_distances(sites.centre[rows], contig, tss) for contig, rows in _by_contig(sites)]
    return _in_order(parts, sites)


def _gene_distances(centres: NDArray[np.int64], contig: str, tss: TssTable) -> NDArray[np.float32]:
    forward = _behind_and_ahead(centres, tss.on(contig, forward=True))
    backward = _behind_and_ahead(-centres, -tss.on(contig, forward=False)[::-1])
    distances = np.stack([*forward, *backward])  # (4, n)
    with np.errstate(invalid="ignore"):
        nearest = np.where(np.isnan(distances), np.inf, distances).argmin(axis=0)
    columns = np.arange(len(centres))
    signed = np.where(nearest % 2 == 0, 1, -1) * distances[nearest, columns]
    own = np.where(nearest < 2, distances[:2], distances[2:])
    other = np.where(nearest < 2, distances[2:], distances[:2])
    return np.concatenate([signed[None], own, other]).T.astype(np.float32)


def _behind_and_ahead(
    centres: NDArray[np.int64], starts: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distance to the last start at or before each centre, and to the first after it; NaN: none."""
    padded = np.concatenate([[np.nan], starts, [np.nan]])
    after = np.searchsorted(starts, centres, side="right") + 1
    return centres - padded[after - 1], padded[after] - centres


# ---- Motif scans, the field's usual predictor of TF binding: the best match of a matrix.

PSEUDOCOUNT = 0.8
"""Counts added per column, spread over the bases."""


def jaspar_matrix(matrix_id: str) -> NDArray[np.float32]:
    """Log-odds of a JASPAR motif against equal base frequencies.

    Args:
        matrix_id: such as ``MA0363`` (latest version) or ``MA0363.2``.

    Returns:
        float32 (4, width), log2, rows A, C, G, T.

    Raises:
        DependencyError: pyjaspar is not installed.
        ConfigError: no such motif.
    """
    try:
        from pyjaspar import jaspardb
    except ImportError as error:
        raise DependencyError(
            "motif baselines need pyjaspar: pip install 'chromputer-tracks[train]'"
        ) from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what the error below says
        motif = jaspardb().fetch_motif_by_id(matrix_id)
    if motif is None:
        raise ConfigError(
            f"JASPAR has no motif {matrix_id!r}; give a matrix ID such as MA0363 or MA0363.3"
        )
    counts = np.array([motif.counts[base] for base in "ACGT"], dtype=np.float64)
    counts += PSEUDOCOUNT / 4
    log_odds: NDArray[np.float64] = np.log2(counts / counts.sum(axis=0) / 0.25)
    return log_odds.astype(np.float32)


def motif_scan(
    sequence: Fasta,
    chrom: str,
    centres: NDArray[np.int64],
    matrix: NDArray[np.float32],
    width: int,
) -> NDArray[np.float32]:
    """Best log-odds of either strand whose middle lies in the bin around each centre.

    Args:
        sequence: the genome.
        chrom: contig.
        centres: int64 (n,), bp, 0-based, ascending.
        matrix: float32 (4, motif width), log-odds.
        width: bp of the bin.

    Returns:
        float32 (n,).
    """
    motif = matrix.shape[1]
    start = int(centres[0]) - width // 2 - motif // 2
    end = int(centres[-1]) + width // 2 + motif
    bases = one_hot(sequence.fetch(Interval(chrom, start, end)))
    length = bases.shape[1] - motif + 1
    scores = np.full(length, -np.inf, dtype=np.float32)
    for strand in (matrix, matrix[::-1, ::-1]):
        total = np.zeros(length, dtype=np.float32)
        for offset in range(motif):
            total += strand[:, offset] @ bases[:, offset : offset + length]
        np.maximum(scores, total, out=scores)
    # scores[i] is the match whose middle is at start + i + motif // 2.
    windows = np.lib.stride_tricks.sliding_window_view(scores, width)
    best: NDArray[np.float32] = windows[centres - centres[0]].max(axis=1)
    return best


def motif_scans(
    at: LabelledSites,
    sequence: Fasta,
    matrices: Mapping[int, NDArray[np.float32]],
    width: int,
) -> NDArray[np.float32]:
    """Best log-odds of each label's motif in each site's bin.

    Args:
        at: sites on contigs of the genome.
        sequence: the genome.
        matrices: row of ``at.binary`` to float32 (4, motif width).
        width: bp of a bin.

    Returns:
        float32 (labels, n); NaN for labels without a motif.
    """
    scores = np.full((len(at.binary), len(at)), np.nan, dtype=np.float32)
    for code, contig in enumerate(at.contigs):
        here = np.flatnonzero(at.contig == code)
        here = here[np.argsort(at.centre[here], kind="stable")]
        if len(here):
            for row, matrix in matrices.items():
                scores[row, here] = motif_scan(sequence, contig, at.centre[here], matrix, width)
    return scores
