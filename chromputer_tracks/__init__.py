"""chromputer-tracks: chromatin-state, TF-binding and importance tracks from ATAC-seq and DNA.

>>> import chromputer_tracks as ct
>>> model = ct.load_model("yeast-atac")
>>> for interval, probs in ct.predict(model, fragments="atac.bam", fasta="sacCer3.fa"):
...     print(interval, probs["Reb1"].max())

The public names are those of :data:`__all__`; the page "Python" of the documentation
(``docs/python-api.md``) tells how to use them. They are imported when they are first asked for
(PEP 562), so that the command's help stays fast; their types are in ``__init__.pyi``.
"""

import importlib
import os

# ONNX Runtime reports its use to its makers (since 1.29) unless told not to before its import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"

_ERRORS = (
    "BoundsError",
    "ChromputerError",
    "ConfigError",
    "ContigError",
    "DependencyError",
    "ExportError",
    "FileIndexError",
    "FormatError",
    "InputError",
    "OptionError",
    "OutputError",
    "ProviderError",
    "SpecError",
)
_WITH_EXTRA = {
    "ablate": "analysis.ablate.run",
    "draw_vplots": "analysis.vplots.run",
    "embed_sites": "analysis.embed.run",
    "evaluate": "analysis.evaluate.run",
    "find_motifs": "analysis.motifs.run",
    "make_quiz": "analysis.quiz.run",
    "measure_model": "analysis.evaluate.measure",
    "rank_filters": "analysis.filters.run",
    "show_dataset": "analysis.dataset.report",
    "train_model": "model.training",
}
"""What needs an extra (train, analysis) and is not imported with a star."""
_MODULES = (
    {
        "AblateOptions": "options.train",
        "check_sample": "analysis.check.run",
        "CheckOptions": "options.predict",
        "ChromSizes": "intervals",
        "Contributions": "inference.explain",
        "DatasetOptions": "options.train",
        "EmbedOptions": "options.explain",
        "EvaluateOptions": "options.train",
        "explain": "api",
        "explain_tracks": "tracks.explain.run",
        "ExplainOptions": "options.explain",
        "Explanation": "api",
        "Fasta": "io.fasta",
        "FiltersOptions": "options.explain",
        "format_region": "intervals",
        "FragmentOptions": "options.fields",
        "FragmentStore": "io.fragment_store",
        "HubOptions": "options.predict",
        "init_config": "analysis.init.run",
        "InitOptions": "options.train",
        "Interval": "intervals",
        "load_model": "inference.session",
        "make_hub": "tracks.hub.run",
        "Model": "inference.session",
        "ModelSpec": "spec",
        "MotifsOptions": "options.explain",
        "open_fragments": "api",
        "open_genome": "api",
        "parse_region": "intervals",
        "predict": "api",
        "predict_tracks": "tracks.predict",
        "PredictOptions": "options.predict",
        "QuizOptions": "options.explain",
        "RunRecord": "io.record",
        "SampleFiles": "options.fields",
        "shipped_models": "inference.session",
        "simulate": "simulation.files",
        "SimulateOptions": "options.train",
        "TrainOptions": "options.train",
        "vplot": "api",
        "VplotOptions": "options.explain",
    }
    | _WITH_EXTRA
    | dict.fromkeys(_ERRORS, "errors")
)
"""Public name to the module that has it."""

__all__ = ["__version__", *sorted(_MODULES.keys() - _WITH_EXTRA.keys())]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(["__version__", *_MODULES])
