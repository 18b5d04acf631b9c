"""Networks and random forests against the best possible accuracy, on simulated genomes.

python benchmarks/simulation.py --work FOLDER --out docs/simulation.md

Two questions. How does accuracy rise with depth, for networks, a random forest and the exact
posterior? And what is lost when a network is used on another cell type, with depth normalisation
alone and with local normalisation? Every figure is of all 200-bp bins of the test contigs, which
nothing was fitted, stopped or chosen on. Results go to FOLDER/results.json as they come, and what
is there is not computed again, so that a stopped study goes on; ``--out`` writes the tables into
docs/simulation.md and the pictures beside it. One thread; about half an hour on
a quiet machine.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from numpy.typing import NDArray

from chromputer_tracks.evaluation.baselines import fragment_features, random_forest
from chromputer_tracks.evaluation.metrics import bootstrap
from chromputer_tracks.evaluation.sites import LabelledSites
from chromputer_tracks.io.atomic import atomic_path
from chromputer_tracks.io.record import Silent
from chromputer_tracks.model.config import TrainConfig
from chromputer_tracks.model.config_file import load_config
from chromputer_tracks.model.experiment import Experiment
from chromputer_tracks.model.sources import LabelledSample, open_sources
from chromputer_tracks.simulation.files import CONFIG, TRUTH, write_simulation
from chromputer_tracks.simulation.genome import GenomePlan, equal_contigs, first_cell, second_cell
from chromputer_tracks.simulation.optimum import bin_posteriors

DEPTHS = (2.0, 5.0, 10.0, 25.0, 100.0, 400.0)
SEQUENCE_DEPTHS = (2.0, 100.0)
LARGE, LARGE_DEPTH = 4, 5.0
"""How many times more genome is trained on, at one depth, to see what is lacking."""
CROSS_DEPTHS = (100.0, 60.0)
CONTIGS, STATES = 8, 6
SEED = 1
DRAWS = 1000
BACKGROUND = 10_000
THINNING = 0.5
Right = NDArray[np.bool_]
"""Whether each test bin's state was called right, in the order of the sites."""


class Results:
    """Figures by name in a JSON file, each computed once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.values: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def add(self, name: str, value: Any) -> None:
        self.values[name] = value
        with atomic_path(self._path) as path:
            path.write_text(json.dumps(self.values, indent=1) + "\n")
        print(f"{name}: {value['accuracy']['value']:.4f}", flush=True)


def plan_at(size: int, depth: float) -> GenomePlan:
    return GenomePlan(equal_contigs(size, CONTIGS), STATES, (first_cell(depth),), seed=SEED)


def cross_plan(size: int) -> GenomePlan:
    cells = (first_cell(CROSS_DEPTHS[0]), second_cell(CROSS_DEPTHS[1]))
    return GenomePlan(equal_contigs(size, CONTIGS), STATES, cells, seed=SEED)


def simulated(plan: GenomePlan, folder: Path) -> TrainConfig:
    if not (folder / TRUTH).exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_simulation(plan, folder, Silent(), optimum=False)
    return load_config(folder / CONFIG)


def vplot_only(config: TrainConfig) -> TrainConfig:
    """Without sequence and the labels that only sequence can tell; no motifs, less to overfit."""
    return replace(
        config,
        inputs=replace(config.inputs, sequence=False),
        samples=tuple(replace(sample, peaks={}) for sample in config.samples),
        binary=(),
        network=replace(config.network, dropout=0.1, cell_dropout=0.1),
        fit=replace(config.fit, epochs=8, weight_decay=0.01),
    )


@contextmanager
def fitted(config: TrainConfig, folder: Path) -> Iterator[tuple[Experiment, Any, float]]:
    """A trained network with its open experiment, and the seconds that training took."""
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    begin = time.perf_counter()
    with open_sources(config) as sources:
        experiment = Experiment(config, sources)
        network = experiment.fit(folder, lambda line: print("   ", line, flush=True))
        yield experiment, network, time.perf_counter() - begin


def network_right(
    experiment: Experiment, network: Any, sample: LabelledSample
) -> tuple[LabelledSites, Right]:
    sites = experiment.sites(network, experiment.config.splits.test, [sample])
    return sites, called(sites) == sites.states


def called(sites: LabelledSites) -> NDArray[np.intp]:
    return sites.logits[: sites.number_of_states].argmax(axis=0)


def forest_right(
    experiment: Experiment, network: Any, sample: LabelledSample, test: LabelledSites
) -> Right:
    """A forest on the same sites; the network only lends its labels."""
    config = experiment.config
    contigs = config.splits.train + config.splits.validation
    train = experiment.sites(network, contigs, [sample])
    store = sample.assays["atac"]
    found = random_forest(
        train, fragment_features(train, store), test, fragment_features(test, store), config.seed
    )
    return np.asarray(called(found) == test.states)


def best_right(plan: GenomePlan, name: str, contigs: tuple[str, ...]) -> dict[str, Right]:
    """The exact posterior's calls on the contigs, in the order of the sites."""
    cell = next(item for item in plan.cells if item.name == name)
    found = [bin_posteriors(plan, cell, contig) for contig in contigs]
    return {
        key: np.concatenate([getattr(each, key).argmax(axis=0) == each.truth for each in found])
        for key in ("fragments", "sequence", "both")
    }


def figures(sites: LabelledSites, right: Right, best: Right) -> dict[str, Any]:
    """Accuracy, and how far it is below the best possible, paired, with block bootstrap."""
    blocks = sites.blocks
    return {
        "right": np.packbits(right).tobytes().hex(),
        "bins_by_block": np.bincount(blocks).tolist(),
        "accuracy": asdict(bootstrap(blocks, lambda i: float(right[i].mean()), DRAWS)),
        "below_best": asdict(
            bootstrap(blocks, lambda i: float(best[i].mean() - right[i].mean()), DRAWS)
        ),
    }


def depth_study(results: Results, work: Path, size: int) -> None:
    for depth in DEPTHS:
        study_point(results, work, size, depth, f"depth {depth:g}", sequence=False)
    for depth in SEQUENCE_DEPTHS:
        study_point(results, work, size, depth, f"depth {depth:g}", sequence=True)
    name = f"large, depth {LARGE_DEPTH:g}"
    study_point(results, work, LARGE * size, LARGE_DEPTH, name, sequence=False)


def study_point(
    results: Results, work: Path, size: int, depth: float, name: str, *, sequence: bool
) -> None:
    """One network at one depth; without sequence also the forest and the best possible."""
    model = f"{name}: V-plot" + " + sequence" * sequence
    if model in results:
        return
    plan = plan_at(size, depth)
    config = simulated(plan, work / name.replace(", ", "-").replace(" ", "-"))
    best = best_right(plan, "A", config.splits.test)
    settings = config if sequence else vplot_only(config)
    with fitted(settings, work / "training") as (experiment, network, seconds):
        sample = experiment.sources.samples[0]
        sites, right = network_right(experiment, network, sample)
        if not sequence:
            forest = forest_right(experiment, network, sample, sites)
            results.add(f"{name}: random forest", figures(sites, forest, best["fragments"]))
    for key, value in best.items():
        results.add(f"{name}: best {key}", figures(sites, value, value))
    found = figures(sites, right, best["both" if sequence else "fragments"])
    results.add(model, {**found, "seconds": round(seconds)})


def conditions(config: TrainConfig) -> dict[str, TrainConfig]:
    """Depth or local normalisation, each as it is and with training V-plots thinned."""
    local = replace(config.inputs, background=BACKGROUND, per_length=True)
    thinned = replace(config.network, pixel_dropout=THINNING)
    return {
        "depth": config,
        "depth, thinned": replace(config, network=thinned),
        "local": replace(config, inputs=local),
        "local, thinned": replace(config, inputs=local, network=thinned),
    }


def cross_study(results: Results, work: Path, size: int) -> None:
    plan = cross_plan(size)
    config = vplot_only(simulated(plan, work / "cross"))
    best: dict[str, Right] = {}
    for kind, changed in conditions(config).items():
        for source in ("A", "B"):
            names = {item.name: f"{kind}: {source} on {item.name}" for item in config.samples}
            if all(name in results for name in names.values()):
                continue
            samples = tuple(
                replace(item, use="train" if item.name == source else "test")
                for item in config.samples
            )
            settings = replace(changed, samples=samples)
            with fitted(settings, work / "training") as (experiment, network, seconds):
                for sample in experiment.sources.samples:
                    if sample.name not in best:
                        test = config.splits.test
                        best[sample.name] = best_right(plan, sample.name, test)["fragments"]
                    sites, right = network_right(experiment, network, sample)
                    found = figures(sites, right, best[sample.name])
                    results.add(names[sample.name], {**found, "seconds": round(seconds)})
                    at_best = figures(sites, best[sample.name], best[sample.name])
                    results.add(f"best on {sample.name}", at_best)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="for genomes and results.json")
    parser.add_argument("--out", type=Path, help="page to write the tables into")
    parser.add_argument("--size", type=int, default=4_000_000, help="bp of each genome")
    args = parser.parse_args()
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="lightning")
    torch.set_num_threads(1)
    args.work.mkdir(exist_ok=True)
    results = Results(args.work / "results.json")
    cross_study(results, args.work, args.size)
    depth_study(results, args.work, args.size)
    if args.out:
        from simulation_tables import write_tables

        write_tables(results.values, args.out)


if __name__ == "__main__":
    main()
