"""Training: a configuration in, a model folder out."""

from __future__ import annotations

import hashlib
import logging
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from chromputer_tracks import __version__
from chromputer_tracks.data.labels import UNKNOWN, LabelSet
from chromputer_tracks.errors import ConfigError
from chromputer_tracks.io.atomic import atomic_path, check_parent, output_errors
from chromputer_tracks.model.baselines import jaspar_matrix, motif_scan
from chromputer_tracks.model.calibration import calibrate, prior_shift
from chromputer_tracks.model.card import model_card
from chromputer_tracks.model.config import TrainConfig
from chromputer_tracks.model.dataset import (
    Segment,
    SegmentDataset,
    SegmentPlan,
    site_segments,
)
from chromputer_tracks.model.evaluation import (
    Sites,
    average_precision,
    mean_average_precision,
    predict_sites,
    score_sites,
    state_scores,
)
from chromputer_tracks.model.export import export_network
from chromputer_tracks.model.fitting import Losses, Report, fit_network
from chromputer_tracks.model.network import Chromputer
from chromputer_tracks.model.seeding import seed_motifs
from chromputer_tracks.model.sources import Sources, open_sources
from chromputer_tracks.spec import ModelSpec


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training run gave.

    Attributes:
        spec: of the exported model, with its figures on the test contigs.
        folder: the model folder.
        parity: largest difference between ONNX Runtime and PyTorch, relative.
    """

    spec: ModelSpec
    folder: Path
    parity: float


def train_model(config: TrainConfig, out: Path, report: Report, command: str = "") -> Trained:
    """Train, calibrate, score on the test contigs, export.

    Args:
        config: checked.
        out: the model folder; made if its parent exists. Training logs and checkpoints go to
            ``out/training``.
        report: told what happens, a line at a time.
        command: recorded in the model's provenance.

    Raises:
        ChromputerError: a file, a setting or the export is not right.
    """
    check_parent(out)
    notes = config.notes.read_text() if config.notes else ""
    matrices = {item.name: jaspar_matrix(item.motif) for item in config.binary if item.motif}
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    if config.fit.threads:
        torch.set_num_threads(config.fit.threads)
    with open_sources(config) as sources:
        with output_errors(out):
            out.mkdir(exist_ok=True)
        run = _Run(config, sources)
        report(run.summary())
        network = run.fit(out / "training", report)
        validation = run.sites(network, config.splits.validation)
        heads = calibrate(sources.heads, validation, run.prior_shifts())
        report("scoring the validation and test contigs")
        scored = {
            "validation": run.figures(validation, config.splits.validation, matrices),
            "test": run.figures(
                run.sites(network, config.splits.test), config.splits.test, matrices
            ),
        }
        spec = ModelSpec(
            name=config.name,
            window=config.network.window,
            stride=config.network.stride,
            label_bin=config.label_bin,
            inputs=config.inputs.specs(),
            heads=heads,
            assembly=config.assembly,
            sizes_digest=sources.sizes.digest(),
            splits={
                "train": config.splits.train,
                "validation": config.splits.validation,
                "test": config.splits.test,
            },
            metrics=scored,
            provenance=_provenance(config, sources, command),
        )
        parity = export_network(network, spec, out)
        with atomic_path(out / "README.md") as path:
            path.write_text(model_card(spec, config.description, notes))
    return Trained(spec, out, parity)


class _Run:
    """A configuration with its open sources."""

    def __init__(self, config: TrainConfig, sources: Sources) -> None:
        self._config, self._sources = config, sources
        network = config.network
        spec_inputs = config.inputs.specs()
        self._names = [item.name for item in spec_inputs]
        self._grid = network.grid
        self._states = sum(len(h.labels) for h in sources.heads if h.kind == "states")
        self._binary = [h.name for h in config.binary]
        labels = self._labels(sources.scored, config.splits.train)
        self._train_states = np.concatenate([states for states, _ in labels])
        self._train_binary = np.concatenate([binary for _, binary in labels], axis=1)
        self._plan = SegmentPlan(
            sources.sizes,
            config.splits.train,
            sources.learnt,
            network.stride,
            config.segments,
            config.seed,
        )

    def summary(self) -> str:
        """What will be trained, in a line."""
        labelled = (self._train_states != UNKNOWN) | (self._train_binary != UNKNOWN).any(axis=0)
        known = int(labelled.sum())
        auxiliary = len(self._sources.learnt.binary) - len(self._binary)
        return (
            f"training on {len(self._config.splits.train)} contigs: {known:,} sites, "
            f"{len(self._plan):,} segments an epoch; {self._states} states, {len(self._binary)} "
            f"binary labels, {auxiliary} auxiliary ones"
        )

    def fit(self, folder: Path, report: Report) -> Chromputer:
        """Train; the network of the best validation epoch."""
        config = self._config
        lengths = len(config.inputs.length_edges) - 1 if config.inputs.vplot else 0
        network = Chromputer(
            config.inputs.sequence,
            lengths,
            self._states,
            len(self._sources.learnt.binary),
            config.network,
        )
        if network.sequence is not None and config.fit.words_per_label:
            seeded = seed_motifs(
                network.sequence.motifs,
                self._sources.fasta,
                self._sources.sizes,
                config.splits.train,
                self._sources.learnt.binary[: len(self._binary)],
                config.fit.words_per_label,
            )
            report(f"{seeded} of {config.network.motif_filters} motif filters start from words")
        dataset = SegmentDataset(
            self._sources.features, self._sources.learnt, self._sources.sizes, self._grid
        )
        loader = DataLoader(dataset, config.fit.batch, sampler=self._plan, drop_last=True)
        if len(loader) < 1:
            raise ConfigError(
                f"{len(self._plan)} segments do not fill one batch of {config.fit.batch}: "
                f"lower fit.batch or segments.outputs"
            )
        weights = torch.full((len(self._sources.learnt.binary),), config.fit.binary_weight)
        if config.auxiliary is not None:
            weights[len(self._binary) :] *= config.auxiliary.weight
        losses = Losses(self._names, self._states, weights)
        best = fit_network(network, loader, losses, config.fit, self._validate, folder, report)
        best.keep_binary(len(self._binary))
        return best

    def _validate(self, network: Chromputer) -> dict[str, float]:
        """Figures on the validation contigs: ``score``, which picks the epoch, and its parts."""
        sites = self.sites(network, self._config.splits.validation)
        figures = {"score": mean_average_precision(sites)}
        if self._states:
            figures |= state_scores(sites.logits[: self._states], sites.states)
        for row, name in enumerate(self._binary):
            figures[name] = average_precision(sites.binary[row], sites.logits[self._states + row])
        return figures

    def sites(self, network: Chromputer, contigs: tuple[str, ...]) -> Sites:
        """Predictions and labels at every site of contigs."""
        dataset = SegmentDataset(
            self._sources.features, self._sources.scored, self._sources.sizes, self._grid
        )
        return predict_sites(
            network,
            dataset,
            self._segments(contigs),
            self._names,
            self._grid.stride,
            self._config.label_bin,
            self._states,
        )

    def scan(self, matrix: NDArray[np.float32], contigs: tuple[str, ...]) -> NDArray[np.float32]:
        """Motif-scan scores at the sites that :meth:`sites` gives."""
        step = self._config.label_bin // self._grid.stride
        return np.concatenate(
            [
                motif_scan(
                    self._sources.fasta,
                    segment.chrom,
                    segment.centres(self._grid.stride)[::step],
                    matrix,
                    self._config.label_bin,
                )
                for segment in self._segments(contigs)
            ]
        )

    def figures(
        self,
        sites: Sites,
        contigs: tuple[str, ...],
        matrices: dict[str, NDArray[np.float32]],
    ) -> dict[str, dict[str, object]]:
        """All figures at the sites that :meth:`sites` gives for contigs."""
        lenient = [b for _, b in self._labels(self._sources.lenient, contigs)]
        names = {head.kind: [label.name for label in head.labels] for head in self._sources.heads}
        return score_sites(
            sites,
            np.concatenate(lenient, axis=1),
            names.get("states", []),
            names.get("binary", []),
            self.majority(),
            {name: self.scan(matrix, contigs) for name, matrix in matrices.items()},
        )

    def majority(self) -> int | None:
        """The most frequent state of the training contigs."""
        if not self._states:
            return None
        states = self._train_states
        return int(np.bincount(states[states != UNKNOWN]).argmax())

    def prior_shifts(self) -> tuple[float, ...]:
        """Each binary label's log odds over the training sites minus those of the segments."""
        if not self._binary:
            return ()
        sampled = np.concatenate(
            [self._sources.learnt.at(s.chrom, self._inside(s))[1] for s in self._plan.segments(0)],
            axis=1,
        )
        # The auxiliary labels come last in ``sampled`` and are not calibrated.
        return tuple(
            prior_shift(_prevalence(known), _prevalence(drawn))
            for known, drawn in zip(self._train_binary, sampled[: len(self._binary)], strict=True)
        )

    def _inside(self, segment: Segment) -> NDArray[np.int64]:
        """The centres of a segment that lie on its contig, which alone have labels."""
        centres = segment.centres(self._grid.stride)
        return centres[(centres >= 0) & (centres < self._sources.sizes[segment.chrom])]

    def _segments(self, contigs: tuple[str, ...]) -> list[Segment]:
        return site_segments(
            self._sources.sizes, contigs, self._config.label_bin, self._grid.stride
        )

    def _labels(
        self, labels: LabelSet, contigs: tuple[str, ...]
    ) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        step = self._config.label_bin // self._grid.stride
        return [
            labels.at(segment.chrom, segment.centres(self._grid.stride)[::step])
            for segment in self._segments(contigs)
        ]


def _prevalence(truth: NDArray[np.int64]) -> float:
    """Share of positives among known labels, kept off 0 and 1 by one half count."""
    known = int((truth != UNKNOWN).sum())
    return (int((truth == 1).sum()) + 0.5) / (known + 1)


def _provenance(config: TrainConfig, sources: Sources, command: str) -> dict[str, Any]:
    files = {"fasta": config.data.fasta, "fragments": config.data.fragments}
    if config.data.blacklist is not None:
        files["blacklist"] = config.data.blacklist
    if config.states is not None:
        files |= {"states": config.states.bed, "state table": config.states.table}
    files |= {item.name: item.peaks for item in config.binary}
    files |= {f"auxiliary {path.name.split('.')[0]}": path for path in sources.auxiliary}
    return {
        "chromputer_tracks": __version__,
        "torch": torch.__version__,
        "lightning": lightning.__version__,
        "python": platform.python_version(),
        "date": datetime.now(UTC).date().isoformat(),
        "seed": config.seed,
        "command": command,
        "inputs": {
            name: {"file": path.name, "sha256": _sha256(path)} for name, path in files.items()
        },
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
