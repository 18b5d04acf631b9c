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
_MODULES = {
    "ablate": "analysis.ablate.run",
    "AblateOptions": "options.train",
    "ChromSizes": "intervals",
    "Contributions": "inference.explain",
    "DatasetOptions": "options.train",
    "draw_vplots": "analysis.vplots.run",
    "embed_sites": "analysis.embed.run",
    "EmbedOptions": "options.explain",
    "evaluate": "analysis.evaluate.run",
    "EvaluateOptions": "options.train",
    "explain": "api",
    "explain_tracks": "tracks.explain.run",
    "ExplainOptions": "options.explain",
    "Explanation": "api",
    "Fasta": "io.fasta",
    "FiltersOptions": "options.explain",
    "find_motifs": "analysis.motifs.run",
    "format_region": "intervals",
    "FragmentOptions": "options.fields",
    "FragmentStore": "io.fragment_store",
    "HubOptions": "options.predict",
    "Interval": "intervals",
    "load_model": "inference.session",
    "make_hub": "tracks.hub.run",
    "make_quiz": "analysis.quiz.run",
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
    "rank_filters": "analysis.filters.run",
    "RunRecord": "io.run",
    "SampleFiles": "options.fields",
    "shipped_models": "inference.session",
    "show_dataset": "analysis.dataset.report",
    "simulate": "simulation.files",
    "SimulateOptions": "options.train",
    "train_model": "model.training",
    "TrainOptions": "options.train",
    "vplot": "api",
    "VplotOptions": "options.explain",
} | dict.fromkeys(_ERRORS, "errors")
"""Public name to the module that has it."""

# What needs an extra (train, analysis) is not imported with a star.
__all__ = ["__version__"] + sorted(
    name for name, module in _MODULES.items() if not module.startswith(("analysis.", "model."))
)


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(["__version__", *_MODULES])
