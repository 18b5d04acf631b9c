"""All first layers of a model scanned over the same windows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from chromputer_tracks.analysis.filters.motifs import FilterMotifs, MotifLayer, MotifScan
from chromputer_tracks.analysis.filters.patches import FilterPatches, PatchLayer, PatchScan
from chromputer_tracks.analysis.filters.windows import ArraySource, owned_ranges, window_batches
from chromputer_tracks.inference.explain import FirstLayer
from chromputer_tracks.intervals import Interval
from chromputer_tracks.spec import ModelSpec


def scan_layers(
    spec: ModelSpec,
    layers: Mapping[str, FirstLayer],
    features: ArraySource,
    windows: Sequence[Interval],
    progress: Callable[[int, int], None],
) -> tuple[FilterMotifs | None, dict[str, tuple[PatchLayer, FilterPatches]]]:
    """Find what activates the filters of every input.

    The windows are gone through twice, as motifs are counted above half of a maximum that is known
    after the first time; once where the model reads no bases.

    Args:
        spec: of the model.
        layers: its first layers, by input name.
        features: makes its inputs.
        windows: sorted, distinct.
        progress: told the windows done, and in all.

    Returns:
        the motifs of the sequence's filters, None where no bases are read; layer and patterns of
        each V-plot and signal, by input name.
    """
    owned = owned_ranges(windows)
    motifs: MotifScan | None = None
    dna = ""
    patches: dict[str, tuple[PatchLayer, PatchScan]] = {}
    for item in spec.inputs:
        if item.kind != "sequence":
            layer = PatchLayer.of(layers[item.name], item)
            patches[item.name] = (layer, PatchScan(layer, item.channels))
        elif item.bases:
            dna, motifs = item.name, MotifScan(MotifLayer.of(layers[item.name], spec.stride))
    total = len(windows) * (1 + (motifs is not None))
    for part, arrays in window_batches(features, windows):
        if motifs is not None:
            motifs.measure(arrays[dna])
        for name, (_, scan) in patches.items():
            scan.add(arrays[name], windows[part], owned[part], part.start)
        progress(part.stop, total)
    if motifs is not None:
        for part, arrays in window_batches(features, windows):
            motifs.count(arrays[dna], windows[part], owned[part])
            progress(len(windows) + part.stop, total)
    found = {name: (layer, scan.result()) for name, (layer, scan) in patches.items()}
    return None if motifs is None else motifs.result(), found
