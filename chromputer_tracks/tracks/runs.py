"""What browsers are shown: folders of ``predict`` and ``explain``, by model and sample."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from chromputer_tracks.data.verdict import summary
from chromputer_tracks.errors import ContigError, FormatError, InputError
from chromputer_tracks.inference.session import load_model, read_spec, shipped_models
from chromputer_tracks.io.outputs import check_outputs, is_unchanged
from chromputer_tracks.io.record import (
    RUN_JSON,
    Finding,
    GenomeRecord,
    ModelRecord,
    RunRecord,
    Verdict,
    file_record,
)
from chromputer_tracks.options.fields import FragmentOptions
from chromputer_tracks.records import from_plain
from chromputer_tracks.spec import PREDICT, ModelSpec, find_label
from chromputer_tracks.tracks.explain.run import KIND as EXPLAIN_RUN
from chromputer_tracks.tracks.explain.run import ExplainRecord
from chromputer_tracks.tracks.predict import KIND as PREDICT_RUN
from chromputer_tracks.tracks.predict import Prediction

_ASSAY = "assay "
_EXPLAIN_OPTIONS = ("method", "references", "baseline", "merge")
"""Options of an explanation that are shown."""


@dataclass(frozen=True, slots=True)
class AssayInput:
    """A file of a sample that a run read.

    It is, or was then, at ``path``; ``options`` say which fragments counted, of which ``fragments``
    were kept, None for a bigWig; ``depth`` is fragments per kb, or the mean of a bigWig.
    """

    assay: str
    path: Path
    sha256: str
    bytes: int
    options: FragmentOptions
    depth: float
    fragments: int | None


@dataclass(frozen=True, slots=True, eq=False)
class RunFolder:
    """A folder of results: its ``run.json``, and what this names.

    These are the model that ran, with its spec, the genome and the sample's files that were read.
    """

    folder: Path
    record: RunRecord
    model: ModelRecord
    genome: GenomeRecord
    spec: ModelSpec
    inputs: tuple[AssayInput, ...]

    def file(self, name: str) -> Path:
        """A file of the run.

        Raises:
            InputError: it is not there, or is a link to a file elsewhere that the run did not make.
        """
        path = self.folder / name
        if name not in self.record.outputs or not path.is_file():
            raise InputError(
                f"{path} is missing, which belongs to the results in {self.folder}: copy the whole "
                f"folder, or run `chromputer {self.record.kind}` again"
            )
        target = path.resolve()
        if not target.is_relative_to(self.folder.resolve()):
            # Galaxy and git-annex keep a run's own files elsewhere; a stranger's folder may lead to
            # files of whoever opens it, which a hub would publish.
            made = self.record.checksums.get(name)
            if made is None or made.link is not None or not is_unchanged(target, made):
                raise InputError(
                    f"{path} leads to {target}, which is not the file that the run made (by its "
                    f"SHA-256 in {RUN_JSON}): copy that file in its place"
                )
        return path


@dataclass(frozen=True, slots=True, eq=False)
class PredictFolder(RunFolder):
    """Results of ``predict``; ``results`` says what is in the tracks."""

    results: Prediction


@dataclass(frozen=True, slots=True, eq=False)
class ExplainFolder(RunFolder):
    """Results of ``explain``; ``results`` has figures of each label, by the name of its folder."""

    results: ExplainRecord


@dataclass(frozen=True, slots=True, eq=False)
class SampleRuns:
    """A sample under one model: its prediction, and explaining runs of different labels."""

    name: str
    predict: PredictFolder | None
    explain: tuple[ExplainFolder, ...]

    @property
    def runs(self) -> tuple[RunFolder, ...]:
        """All of its runs."""
        return self.explain if self.predict is None else (self.predict, *self.explain)


@dataclass(frozen=True, slots=True, eq=False)
class ModelRuns:
    """What one model made, of samples in the order in which they were given."""

    spec: ModelSpec
    samples: tuple[SampleRuns, ...]


@dataclass(frozen=True, slots=True)
class ToldVerdict:
    """Whether a sample was fit for the model that made its tracks, as the run found it.

    Attributes:
        sample: its name.
        assay: of the fragments.
        model: the model's name.
        verdict: of the sample's prediction, else of its first explanation.
    """

    sample: str
    assay: str
    model: str
    verdict: Verdict

    @property
    def summary(self) -> str:
        """In one sentence, without the sample's name."""
        return summary(self.verdict, self.model).removeprefix("sample: ")

    @property
    def faults(self) -> tuple[Finding, ...]:
        """What is not ok, the worst first."""
        return self.verdict.faults


def told_verdicts(models: Sequence[ModelRuns]) -> tuple[ToldVerdict, ...]:
    """The verdicts on the samples; of runs of releases that gave none, none."""
    return tuple(
        ToldVerdict(sample.name, assay, model.spec.name, verdict)
        for model in models
        for sample in model.samples
        for assay, verdict in sample.runs[0].record.verdicts.items()
    )


def verdict_lines(models: Sequence[ModelRuns]) -> list[str]:
    """Warnings for the terminal of samples that are not fit in every respect."""
    return [
        f"warning: {item.sample} ({item.assay}): "
        + "; ".join([item.summary, *(f"{found.subject}: {found.text}" for found in item.faults)])
        for item in told_verdicts(models)
        if item.faults
    ]


def read_runs(
    folders: Sequence[Path],
    named: Sequence[tuple[str, Path]],
    models: Sequence[str | Path] = (),
    *,
    contents: bool = False,
) -> tuple[ModelRuns, ...]:
    """Read folders and sort them by model and sample.

    A folder without a name belongs to the sample whose files it read (by their checksums); a
    sample that has no other name is called as the folder of its first prediction. ``named`` are
    sample and folder; ``models`` names or paths of those whose figures are told, beside shipped
    ones.

    Files are held against their record, with ``contents`` byte by byte however large they are; see
    :func:`~chromputer_tracks.io.outputs.check_outputs`.

    Raises:
        InputError: a folder is no such run, has a file that its run did not make, or may belong to
            two samples; two folders hold the same tracks of a sample, or two samples have the same
            name.
        ContigError: the runs are of different genomes.
        SpecError: a model cannot be found or used.
    """
    found = _Models(models)
    runs = [("", _read(folder, found, contents)) for folder in folders]
    runs += [(name, _read(folder, found, contents)) for name, folder in named]
    _check_genome([run for _, run in runs])
    names = _sample_names(runs)
    grouped: dict[str, dict[str, list[RunFolder]]] = {}
    for name, (_, run) in zip(names, runs, strict=True):
        grouped.setdefault(run.model.sha256, {}).setdefault(name, []).append(run)
    return tuple(
        ModelRuns(
            next(iter(samples.values()))[0].spec,
            tuple(_sample(name, members) for name, members in samples.items()),
        )
        for samples in grouped.values()
    )


def _check_genome(runs: Sequence[RunFolder]) -> None:
    for run in runs[1:]:
        if run.genome.digest != runs[0].genome.digest:
            raise ContigError(
                f"{run.folder} is of another genome than {runs[0].folder} (names or lengths of "
                "their contigs differ): show one genome at a time"
            )


def _sample_names(runs: Sequence[tuple[str, RunFolder]]) -> list[str]:
    """The sample of each run."""

    def key(run: RunFolder) -> tuple[tuple[str, str], ...]:
        return tuple((item.assay, item.sha256) for item in run.inputs)

    by_inputs = {key(run): name for name, run in runs if name}
    named = {(key(run), name) for name, run in runs if name}
    # A prediction names its sample before what else was made of it.
    order = sorted(
        (run for name, run in runs if not name), key=lambda run: isinstance(run, ExplainFolder)
    )
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


def _sample(name: str, runs: Sequence[RunFolder]) -> SampleRuns:
    predictions = [run for run in runs if isinstance(run, PredictFolder)]
    explaining = [run for run in runs if isinstance(run, ExplainFolder)]
    if len(predictions) > 1:
        first, second = (run.folder for run in predictions[:2])
        raise InputError(
            f"{first} and {second} are both predictions of sample {name!r} by the same model: "
            "leave one out, or name them apart with --sample NAME=DIR"
        )
    explained: dict[str, RunFolder] = {}
    for run in explaining:
        for label in run.results.labels:
            if label in explained:
                raise InputError(
                    f"{explained[label].folder} and {run.folder} both explain {label} in sample "
                    f"{name!r}: leave one out, or name them apart with --sample NAME=DIR"
                )
            explained[label] = run
    return SampleRuns(name, predictions[0] if predictions else None, tuple(explaining))


def _read(folder: Path, models: _Models, contents: bool) -> RunFolder:
    path = folder / RUN_JSON
    if not path.is_file():
        what = f"it has no {RUN_JSON}"
        if not folder.is_dir():
            what = "it is a file, no folder" if folder.exists() else "there is no such folder"
        raise InputError(
            f"{folder} does not hold results of `chromputer predict` or `explain`: {what}"
        )
    record = RunRecord.read(path)
    if record.kind not in (PREDICT_RUN, EXPLAIN_RUN):
        raise InputError(
            f"{folder} holds results of `chromputer {record.kind}`; browsers are shown those of "
            "`chromputer predict` and `chromputer explain`"
        )
    check_outputs(folder, record.checksums, record.kind, contents=contents)
    explained = record.kind == EXPLAIN_RUN
    needed = [
        *((key, record.options) for key in (_EXPLAIN_OPTIONS if explained else ())),
        ("chromputer-tracks", record.versions),
    ]
    missing = [key for key, where in needed if key not in where]
    if record.model is None or record.genome is None or missing:
        what = missing[0] if missing else "the model and the genome"
        raise _not_a_record(path, f"{what}: missing")
    try:
        inputs = tuple(_inputs(record))
    except (KeyError, TypeError, FormatError) as error:
        raise _not_a_record(path, repr(error)) from error
    spec = models.spec(folder, record.model)
    shared = (folder, record, record.model, record.genome, spec, inputs)
    if not explained:
        return PredictFolder(*shared, record.results_as(Prediction, path))
    run = ExplainFolder(*shared, record.results_as(ExplainRecord, path))
    for label in run.results.labels:
        find_label(spec, label)
    return run


def _not_a_record(path: Path, why: str) -> InputError:
    return InputError(
        f"{path} is not the record of a run of this release ({why}): run the command again"
    )


def _inputs(record: RunRecord) -> Iterable[AssayInput]:
    given = {item.name: record.options[item.name] for item in fields(FragmentOptions)}
    options = from_plain(FragmentOptions, given)
    for role, file in record.inputs.items():
        if role.startswith(_ASSAY):
            assay = role.removeprefix(_ASSAY)
            found = record.assays[assay]
            depth = found.mean if found.per_kb is None else found.per_kb
            yield AssayInput(
                assay,
                recorded_path(record, file.path),
                file.sha256,
                file.bytes,
                options,
                float("nan") if depth is None else depth,
                found.kept,
            )


def recorded_path(record: RunRecord, path: str) -> Path:
    """Where a file lies that a run read, and that its command named.

    A relative path starts from the folder in which the command ran, or where there is no such file
    (any more) from the current one.
    """
    there = Path(record.directory, path)
    return there if there.exists() else Path(path)


class _Models:
    """Finds the models of runs by their checksums: as given, or as shipped.

    Never the file that a record names: results may come from anybody, and a graph is a program.
    """

    def __init__(self, given: Sequence[str | Path]) -> None:
        self._specs: dict[str, ModelSpec] = {}
        for name in given:
            model = load_model(name)
            self._specs[file_record(model.path).sha256] = model.spec

    def spec(self, folder: Path, record: ModelRecord) -> ModelSpec:
        """The spec of a run's model; without figures where that is neither given nor shipped."""
        name, sha256 = record.name, record.sha256
        if sha256 not in self._specs:
            shipped = shipped_models().get(name)
            if shipped is not None and file_record(shipped / PREDICT).sha256 == sha256:
                self._specs[sha256] = read_spec(shipped)
            else:
                source = f"{folder / RUN_JSON} (model.spec)"
                self._specs[sha256] = ModelSpec.from_json(json.dumps(record.spec), source)
        return self._specs[sha256]
