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
    "ChromSizes": "intervals",
    "Contributions": "inference.explain",
    "Explanation": "api",
    "Fasta": "io.fasta",
    "FragmentOptions": "options.fields",
    "FragmentStore": "io.fragment_store",
    "ExplainOptions": "options.explain",
    "HubOptions": "options.predict",
    "Interval": "intervals",
    "Model": "inference.session",
    "ModelSpec": "spec",
    "PredictOptions": "options.predict",
    "SampleFiles": "options.fields",
    "explain": "api",
    "explain_tracks": "tracks.explain.run",
    "format_region": "intervals",
    "load_model": "inference.session",
    "make_hub": "tracks.hub.run",
    "open_fragments": "api",
    "open_genome": "api",
    "parse_region": "intervals",
    "predict": "api",
    "predict_tracks": "tracks.predict",
    "shipped_models": "inference.session",
    "vplot": "api",
} | dict.fromkeys(_ERRORS, "errors")
"""Public name to the module that has it."""

__all__ = ["__version__", *sorted(_MODULES)]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
