"""What browsers are shown: folders of ``predict`` and ``explain``, by model and sample."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chromputer_tracks.errors import ContigError, InputError
from chromputer_tracks.inference.registry import find_label, load_model, shipped_models
from chromputer_tracks.inference.run import RUN_JSON, SPEC
from chromputer_tracks.io.fragments import FragmentOptions
from chromputer_tracks.io.text import open_input
from chromputer_tracks.spec import PREDICT, ModelSpec
from chromputer_tracks.tracks.explain.run import KIND as EXPLAIN_RUN
from chromputer_tracks.tracks.predict import KIND as PREDICT_RUN

_ASSAY = "assay "


@dataclass(frozen=True, slots=True)
class AssayInput:
    """A file of a sample that a run read.

    Attributes:
        assay: as the model names it.
        path: where it was then.
        sha256: of its content.
        bytes: its size.
        options: which fragments counted.
        depth: fragments per kb, or the mean of a bigWig.
        fragments: how many were kept; None for a bigWig.
    """

    assay: str
    path: Path
    sha256: str
    bytes: int
    options: FragmentOptions
    depth: float
    fragments: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One folder.

    Attributes:
        folder: with ``run.json``.
        kind: ``predict`` or ``explain``.
        record: what ``run.json`` holds.
        spec: of the model.
        model: SHA-256 of the model's graph.
        digest: of the genome's contigs.
        outputs: the files, relative to the folder.
        inputs: files of the sample.
    """

    folder: Path
    kind: str
    record: dict[str, Any]
    spec: ModelSpec
    model: str
    digest: str
    outputs: frozenset[str]
    inputs: tuple[AssayInput, ...]

    def file(self, name: str) -> Path:
        """A file of the run.

        Raises:
            InputError: it is not there.
        """
        path = self.folder / name
        if name not in self.outputs or not path.is_file():
            raise InputError(
                f"{path} is missing, which belongs to the results in {self.folder}: copy the whole "
                f"folder, or run `chromputer {self.kind}` again"
            )
        return path

    def labels(self) -> tuple[str, ...]:
        """The labels that a run of ``explain`` explained, as it names their folders."""
        return tuple(self.record["labels"]) if self.kind == EXPLAIN_RUN else ()


@dataclass(frozen=True, slots=True, eq=False)
class SampleRuns:
    """A sample under one model.

    Attributes:
        name: of the sample.
        predict: its prediction.
        explain: explaining runs of different labels.
    """

    name: str
    predict: Run | None
    explain: tuple[Run, ...]

    @property
    def runs(self) -> tuple[Run, ...]:
        """All of its runs."""
        return (*([self.predict] if self.predict is not None else []), *self.explain)


@dataclass(frozen=True, slots=True, eq=False)
class ModelRuns:
    """What one model made, of samples in the order in which they were given."""

    spec: ModelSpec
    samples: tuple[SampleRuns, ...]


def read_runs(
    folders: Sequence[Path], named: Sequence[tuple[str, Path]], models: Sequence[str | Path] = ()
) -> tuple[ModelRuns, ...]:
    """Read folders and sort them by model and sample.

    A folder without a name belongs to the sample whose files it read (by their checksums); a
    sample that has no other name is called as the folder of its first prediction.

    Args:
        folders: of runs, without names.
        named: sample and folder.
        models: where models lie that are not where the runs found them.

    Raises:
        InputError: a folder is no such run or may belong to two samples, two folders hold the same
            tracks of a sample, or two samples have the same name.
        ContigError: the runs are of different genomes.
        SpecError: a model cannot be found or used.
    """
    found = _Models(models)
    runs = [("", _read(folder, found)) for folder in folders]
    runs += [(name, _read(folder, found)) for name, folder in named]
    _check_genome([run for _, run in runs])
    names = _sample_names(runs)
    grouped: dict[str, dict[str, list[Run]]] = {}
    for name, (_, run) in zip(names, runs, strict=True):
        grouped.setdefault(run.model, {}).setdefault(name, []).append(run)
    return tuple(
        ModelRuns(
            next(iter(samples.values()))[0].spec,
            tuple(_sample(name, members) for name, members in samples.items()),
        )
        for samples in grouped.values()
    )


def _check_genome(runs: Sequence[Run]) -> None:
    for run in runs[1:]:
        if run.digest != runs[0].digest:
            raise ContigError(
                f"{run.folder} is of another genome than {runs[0].folder} (names or lengths of "
                "their contigs differ): show one genome at a time"
            )


def _sample_names(runs: Sequence[tuple[str, Run]]) -> list[str]:
    """The sample of each run."""

    def key(run: Run) -> tuple[tuple[str, str], ...]:
        return tuple((item.assay, item.sha256) for item in run.inputs)

    by_inputs = {key(run): name for name, run in runs if name}
    named = {(key(run), name) for name, run in runs if name}
    # A prediction names its sample before what else was made of it.
    order = sorted((run for name, run in runs if not name), key=lambda run: run.kind != PREDICT_RUN)
    for run in order:
        samples = sorted(name for k, name in named if k == key(run))
        if len(samples) > 1:
            raise InputError(
                f"{run.folder} was made of the same files as samples {samples[0]!r} and "
                f"{samples[1]!r}: say whose it is with --sample NAME={run.folder}"
            )
        other = by_inputs.setdefault(key(run), run.folder.resolve().name)
        taken = [k for k, name in by_inputs.items() if name.casefold() == other.casefold()]
        if len(taken) > 1:
            raise InputError(
                f"{run.folder} and another folder are of different samples, and both would be "
                f"called {other!r}: name samples with --sample NAME=DIR"
            )
    return [name or by_inputs[key(run)] for name, run in runs]


def _sample(name: str, runs: Sequence[Run]) -> SampleRuns:
    predictions = [run for run in runs if run.kind == PREDICT_RUN]
    explaining = [run for run in runs if run.kind == EXPLAIN_RUN]
    if len(predictions) > 1:
        first, second = (run.folder for run in predictions[:2])
        raise InputError(
            f"{first} and {second} are both predictions of sample {name!r} by the same model: "
            "leave one out, or name them apart with --sample NAME=DIR"
        )
    explained: dict[str, Run] = {}
    for run in explaining:
        for label in run.labels():
            if label in explained:
                raise InputError(
                    f"{explained[label].folder} and {run.folder} both explain {label} in sample "
                    f"{name!r}: leave one out, or name them apart with --sample NAME=DIR"
                )
            explained[label] = run
    return SampleRuns(name, predictions[0] if predictions else None, tuple(explaining))


def _read(folder: Path, models: _Models) -> Run:
    path = folder / RUN_JSON
    if not path.is_file():
        what = f"it has no {RUN_JSON}"
        if not folder.is_dir():
            what = "it is a file, no folder" if folder.exists() else "there is no such folder"
        raise InputError(
            f"{folder} does not hold results of `chromputer predict` or `explain`: {what}"
        )
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        kind = record["kind"]
        if kind not in (PREDICT_RUN, EXPLAIN_RUN):
            raise InputError(
                f"{folder} holds results of `chromputer {kind}`; browsers are shown those of "
                "`chromputer predict` and `chromputer explain`"
            )
        model = record["model"]
        run = Run(
            folder,
            kind,
            record,
            models.spec(folder, model),
            model["sha256"],
            record["genome"]["digest"],
            frozenset(record["outputs"]),
            tuple(_inputs(record)),
        )
        _check_record(record)
        for label in run.labels():
            find_label(run.spec, label)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is not the record of a run of this release ({error!r}): run the command again"
        ) from error
    return run


def _check_record(record: Mapping[str, Any]) -> None:
    """Raise ``KeyError`` where a figure is missing that is shown."""
    needed: list[tuple[Mapping[str, Any], tuple[str, ...]]] = [
        (record["versions"], ("chromputer-tracks",)),
        (record, ("started",)),
    ]
    if record["kind"] == PREDICT_RUN:
        needed.append((record["summary"], ("states", "calls")))
    else:
        needed.append((record, ("sites", "labels")))
        needed.append((record["options"], ("method", "references", "baseline", "merge")))
        figures = ("sites", "candidates", "bases", "mean_logit", "shares")
        needed += [(about, figures) for about in record["labels"].values()]
    for about, keys in needed:
        missing = [key for key in keys if key not in about]
        if missing:
            raise KeyError(missing[0])


def _inputs(record: Mapping[str, Any]) -> Iterable[AssayInput]:
    given = record["options"]
    options = FragmentOptions(
        given["min_mapq"], given["drop_duplicates"], tuple(given["exclude"]), given["tn5_shift"]
    )
    for role, entry in record["inputs"].items():
        if role.startswith(_ASSAY):
            assay = role.removeprefix(_ASSAY)
            about = record["assays"][assay]
            is_bigwig = about["format"] == "bigwig"
            yield AssayInput(
                assay,
                recorded_path(record, entry["path"]),
                entry["sha256"],
                entry["bytes"],
                options,
                float(about["mean" if is_bigwig else "per_kb"]),
                None if is_bigwig else int(about["kept"]),
            )


def recorded_path(record: Mapping[str, Any], path: str) -> Path:
    """Where a file lies that a run read.

    Args:
        record: the run's.
        path: as the command named it; a relative one starts from the folder in which the command
            ran, or where there is no such file (any more) from the current one.
    """
    there = Path(record.get("directory", ""), path)
    return there if there.exists() else Path(path)


def file_digest(path: Path) -> str:
    """SHA-256 of a file.

    Raises:
        InputError: it cannot be read.
    """
    with open_input(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Models:
    """Finds the models of runs by their checksums: as recorded, as given, or as shipped."""

    def __init__(self, given: Sequence[str | Path]) -> None:
        self._specs: dict[str, ModelSpec] = {}
        for name in given:
            model = load_model(name)
            self._specs[file_digest(model.path)] = model.spec

    def spec(self, folder: Path, record: Mapping[str, Any]) -> ModelSpec:
        """The spec of a run's model; without its figures where the model itself is gone."""
        name, path, sha256 = record["name"], Path(record["path"]), record["sha256"]
        if sha256 not in self._specs:
            shipped = shipped_models().get(name)
            places = [path, *([shipped / PREDICT] if shipped else [])]
            for place in places:
                if place.is_file() and file_digest(place) == sha256:
                    self._specs[sha256] = load_model(place).spec
                    break
            else:
                source = f"{folder / RUN_JSON} (model.{SPEC})"
                self._specs[sha256] = ModelSpec.from_json(json.dumps(record[SPEC]), source)
        return self._specs[sha256]
