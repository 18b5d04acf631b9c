"""A configuration with its files open: what is fitted, predicted and scored with it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from chromputer_tracks.data.labels import UNKNOWN, PeakLabels, Segment
from chromputer_tracks.errors import ConfigError, counted
from chromputer_tracks.evaluation.metrics import (
    average_precision,
    mean_average_precision,
    state_scores,
)
from chromputer_tracks.evaluation.sites import (
    LabelledSites,
    Predict,
    calibrate,
    label_sites,
    pool_sites,
    predict_sites,
    prior_shift,
)
from chromputer_tracks.io.bed import TssTable
from chromputer_tracks.model.config import TrainConfig
from chromputer_tracks.model.dataset import SegmentDataset, SegmentPlan
from chromputer_tracks.model.fitting import Report, Steps, fit_network
from chromputer_tracks.model.losses import Losses
from chromputer_tracks.model.network import Chromputer
from chromputer_tracks.model.seeding import seed_motifs
from chromputer_tracks.model.sources import LabelledSample, Sources, sample_fitness
from chromputer_tracks.spec import Fitness, HeadSpec


class Experiment:
    """Fits, predicts and calibrates with open sources.

    Args:
        config: checked.
        sources: its files.

    Raises:
        ConfigError: a label that is to be learnt is nowhere on the training contigs.

    Attributes:
        training_sites: labels at the sites of the training contigs, with nothing predicted.
    """

    def __init__(self, config: TrainConfig, sources: Sources) -> None:
        self.config, self.sources = config, sources
        self._grid = config.network.grid
        self._names = [item.name for item in sources.inputs]
        self._states = sources.number("states")
        self._binary = [item.name for item in config.binary_labels()]
        self._continuous = [item.name for item in config.continuous_labels()]
        train = sources.training_samples
        self.training_sites = self.labels(config.splits.train)
        self._check_positives()
        self._plan = SegmentPlan(
            sources.sizes,
            config.splits.train,
            [sample.learnt for sample in train],
            len(self._binary),
            config.network.stride,
            config.segments,
            config.seed,
        )

    def _check_positives(self) -> None:
        """Nothing can be learnt of what is nowhere."""
        sites, contigs = self.training_sites, ", ".join(self.config.splits.train)
        if self._states and not (sites.states != UNKNOWN).any():
            raise ConfigError(
                f"no training bin has a known state ({contigs}): is all of it in the blacklist?"
            )
        for name, row in zip(self._binary, sites.binary, strict=True):
            if not (row == 1).any():
                raise ConfigError(
                    f"label {name!r} has no peak in any training bin ({contigs}): train on contigs "
                    f"where it has some, or leave the label out; chromputer dataset shows where "
                    f"peaks lie"
                )

    def summary(self) -> str:
        """What will be trained, in a line."""
        parts = [
            counted(number, what)
            for number, what in (
                (self._states, "state"),
                (len(self._binary), "binary label"),
                (len(self._continuous), "continuous label"),
                (len(self.sources.auxiliary), "auxiliary label"),
            )
            if number
        ]
        samples = self.sources.training_samples
        of = f" of {len(samples)} samples" if len(samples) > 1 else ""
        contigs = len(self.config.splits.train)
        return (
            f"training on {counted(contigs, 'contig')}{of}: "
            f"{counted(int(self.training_sites.labelled.sum()), 'site')}, "
            f"{counted(len(self._plan), 'segment')} an epoch; {', '.join(parts)}"
        )

    def network(self) -> Chromputer:
        """A new network with the auxiliary labels, its motif filters not yet seeded."""
        return Chromputer(
            self.sources.inputs,
            self._states,
            len(self._binary) + len(self.sources.auxiliary),
            len(self._continuous),
            self.config.network,
            self.sources.shape_table,
        )

    def loader(self) -> DataLoader[dict[str, torch.Tensor]]:
        """Batches of an epoch's training segments.

        Raises:
            ConfigError: they do not fill one batch.
        """
        train = self.sources.training_samples
        dataset = SegmentDataset(
            [sample.features for sample in train],
            [sample.learnt for sample in train],
            self.sources.sizes,
            self._grid,
        )
        fit = self.config.fit
        loader = DataLoader(
            dataset, fit.batch, sampler=self._plan, drop_last=True, num_workers=fit.workers
        )
        if len(loader) < 1:
            raise ConfigError(
                f"{len(self._plan)} segments do not fill one batch of {fit.batch}: lower fit.batch "
                f"or segments.outputs"
            )
        return loader

    def losses(self) -> Losses:
        """How a batch is scored."""
        config = self.config
        auxiliary = len(self.sources.auxiliary)
        weights = torch.full((len(self._binary) + auxiliary,), config.fit.binary_weight)
        if config.auxiliary is not None:
            weights[len(self._binary) :] *= config.auxiliary.weight
        transforms = tuple(
            head.transform
            for head in self.sources.heads
            for _ in head.labels
            if head.transform  # none but continuous heads have any
        )
        frequencies = None
        if self._states:
            known = self.training_sites.states[self.training_sites.states != UNKNOWN]
            frequencies = torch.from_numpy(np.bincount(known, minlength=self._states))
        return Losses(self._names, self._states, weights, frequencies, transforms)

    def fit(
        self,
        folder: Path,
        report: Report,
        *,
        resume: bool = False,
        fingerprint: str = "",
        progress: Steps | None = None,
    ) -> Chromputer:
        """Train; the network of the best validation epoch, without the auxiliary labels.

        Args:
            folder: where checkpoints and logs go.
            report: told what happens, a line at a time.
            resume: go on from the folder's last checkpoint.
            fingerprint: what the configuration and its files are; a resumed run must have the same.
            progress: told now and then which step training is at.
        """
        config = self.config
        network = self.network()
        if network.motifs is not None and network.motifs.bases and config.fit.kmers_per_label:
            seeded = seed_motifs(
                network.motifs,
                self.sources.fasta,
                self.sources.sizes,
                config.splits.train,
                self._pooled_peaks(),
                config.fit.kmers_per_label,
            )
            report(f"{seeded} of {config.network.motif_filters} motif filters start from k-mers")
        best = fit_network(
            network,
            self.loader(),
            self.losses(),
            config.fit,
            self._validate,
            folder,
            report,
            resume=resume,
            seed=config.seed,
            fingerprint=fingerprint,
            progress=progress,
        )
        best.keep_binary(len(self._binary))
        return best

    def _pooled_peaks(self) -> list[PeakLabels]:
        """Each binary label's training peaks, of all training samples."""
        pooled = []
        for row in range(len(self._binary)):
            rows = [
                (chrom, int(centre))
                for sample in self.sources.training_samples
                if (peaks := sample.scored.binary[row]) is not None
                for chrom, centres in peaks.centres.items()
                for centre in centres
            ]
            pooled.append(PeakLabels.from_peaks(rows, self.config.label_bin, 0))
        return pooled

    def _validate(self, network: Chromputer) -> dict[str, float]:
        """Figures on the validation contigs: ``score``, which picks the epoch, and its parts.

        The score is the mean of the AUPRCs of states and binary labels and of the correlations of
        continuous labels.
        """
        sites = self.sites(network, self.config.splits.validation)
        figures: dict[str, float] = {}
        scores = []
        if self._states or self._binary:
            mean = mean_average_precision(sites)
            scores += [mean] * (self._states + len(self._binary))
        ends = np.cumsum([self._states, len(self._binary)])
        states, binary, continuous = np.split(sites.logits, ends)
        if self._states:
            figures |= state_scores(states, sites.states)
        for name, truth, logits in zip(self._binary, sites.binary, binary, strict=True):
            figures[name] = average_precision(truth, logits)
        for name, values, logits in zip(
            self._continuous, sites.continuous, continuous, strict=True
        ):
            figures[name] = _correlation(values, logits)
            scores.append(figures[name])
        return {"score": float(np.nanmean(scores)), **figures}

    def sites(
        self,
        network: Chromputer,
        contigs: Sequence[str],
        samples: Sequence[LabelledSample] | None = None,
    ) -> LabelledSites:
        """Predictions and labels at every site of contigs; leaves the network evaluating.

        Args:
            network: the network, with or without the auxiliary labels.
            contigs: which to score.
            samples: which to score; None: the training samples.
        """
        predict = self._predictor(network)
        return self._pooled(
            lambda sample, *where: predict_sites(predict, sample.features, sample.scored, *where),
            contigs,
            samples,
        )

    def _predictor(self, network: Chromputer) -> Predict:
        """The network, from now on evaluating, as what scores take; without auxiliary labels."""
        network.eval()
        device = next(network.parameters()).device
        first = self._states + len(self._binary)

        def predict(arrays: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
            with torch.no_grad():
                inputs = (torch.from_numpy(arrays[name]).to(device) for name in self._names)
                logits = network(*inputs)[0][0].float().cpu().numpy()
            # Auxiliary rows lie between the binary and the continuous ones.
            last = len(logits) - len(self._continuous)
            kept: NDArray[np.float32] = np.concatenate([logits[:first], logits[last:]])
            return kept

        return predict

    def fitness(
        self,
        network: Chromputer,
        heads: tuple[HeadSpec, ...],
        tss: TssTable | None,
        report: Report,
    ) -> Fitness | None:
        """How the training samples look, and the network's accuracy with parts of them.

        Args:
            network: the network.
            heads: calibrated.
            tss: start sites, around which the samples are looked at.
            report: told what is done, a line at a time.
        """
        predict = self._predictor(network)
        return sample_fitness(self.config, self.sources, heads, predict, tss, report)

    def calibrated(self, validation: LabelledSites) -> tuple[HeadSpec, ...]:
        """The heads, calibrated on the validation contigs."""
        return calibrate(self.sources.heads, validation, self._prior_shifts())

    def labels(
        self, contigs: Sequence[str], samples: Sequence[LabelledSample] | None = None
    ) -> LabelledSites:
        """The labels at the sites of :meth:`sites`, with nothing predicted."""
        return self._pooled(
            lambda sample, *where: label_sites(sample.scored, *where), contigs, samples
        )

    def _pooled(
        self,
        sites: Callable[..., LabelledSites],
        contigs: Sequence[str],
        samples: Sequence[LabelledSample] | None,
    ) -> LabelledSites:
        """The sites of contigs in each sample, or in each training sample, as one set."""
        chosen = self.sources.training_samples if samples is None else samples
        where = (self.sources.sizes, contigs, self._grid, self.config.label_bin, self._states)
        parts = [sites(sample, *where) for sample in chosen]
        return pool_sites(parts, [item.name for item in chosen] if len(chosen) > 1 else None)

    def _prior_shifts(self) -> tuple[float, ...]:
        """Each binary label's log odds over the training sites minus those of the segments."""
        if not self._binary:
            return ()
        train = self.sources.training_samples
        # The auxiliary labels would only cost time here.
        labels = [
            dataclasses.replace(
                sample.learnt, binary=sample.learnt.binary[: len(self._binary)], continuous=()
            )
            for sample in train
        ]
        sampled = np.concatenate(
            [labels[s.sample].at(s.chrom, self._inside(s)).binary for s in self._plan.segments(0)],
            axis=1,
        )
        return tuple(
            prior_shift(_prevalence(known), _prevalence(drawn))
            for known, drawn in zip(self.training_sites.binary, sampled, strict=True)
        )

    def _inside(self, segment: Segment) -> NDArray[np.int64]:
        """The centres of a segment that lie on its contig, which alone have labels."""
        centres = segment.centres(self._grid.stride)
        return centres[(centres >= 0) & (centres < self.sources.sizes[segment.chrom])]


def _prevalence(truth: NDArray[np.int64]) -> float:
    """Share of positives among known labels, kept off 0 and 1 by one half count."""
    known = int((truth != UNKNOWN).sum())
    return (int((truth == 1).sum()) + 0.5) / (known + 1)


def _correlation(values: NDArray[np.float32], logits: NDArray[np.float32]) -> float:
    """Pearson's, of log1p of the values with the logits, which are on a log scale, too."""
    known = ~np.isnan(values)
    x, y = np.log1p(values[known].astype(np.float64)), logits[known].astype(np.float64)
    if len(x) < 2 or x.std() == 0 or y.std() == 0:
        return math.nan
    return float(np.corrcoef(x, y)[0, 1])
