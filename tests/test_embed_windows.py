"""The network over sites, and the elements that stand in for sites where none are given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tiny_models import WINDOW, tiny_spec, write_tiny_model
from toy_genome import ToyGenome, toy_genome

from chromputer_tracks.analysis.embed.windows import chosen_strands, find_elements, read_windows
from chromputer_tracks.data.features import Features, probabilities
from chromputer_tracks.errors import InputError
from chromputer_tracks.inference.genome import Prediction, region_bins
from chromputer_tracks.inference.session import Session, load_model, open_session
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.bed import SiteTable
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.spec import HeadSpec, Label

# ---- The network over sites: each row is its window's, whatever stands beside it.

SPEC = tiny_spec()


@pytest.fixture(scope="module")
def toy() -> ToyGenome:
    return toy_genome()


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    return open_session(write_tiny_model(tmp_path_factory.mktemp("m")) / "predict.onnx", "cpu", 2)


def sites(strand: int = 0) -> SiteTable:
    """Some in the middle, some whose windows leave their contig, one longer than its contig."""
    places = [("chr1", 3000), ("chr1", 10), ("chr1", 6149), ("tiny", 20), ("chr2", 777)]
    places += [("edge", at) for at in range(0, 300, 50)]
    contigs = tuple(dict.fromkeys(name for name, _ in places))
    centre = np.array([at for _, at in places])
    n = len(places)
    return SiteTable(
        contigs,
        np.array([contigs.index(name) for name, _ in places]),
        centre,
        centre + 1,
        centre,
        np.where(np.arange(n) % 2, strand, abs(strand)),
        ("",) * n,
    )


class Graph:
    """The graph run by ONNX Runtime itself, one window at a time, as the genome has it."""

    def __init__(self, path: Path, features: Features) -> None:
        self.session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        self.features = features

    def window(self, where: Interval, reverse: bool) -> tuple[NDArray[np.float32], ...]:
        arrays = self.features.arrays(where)
        if reverse:
            # A, C, G, T in reverse order are their complements.
            arrays = {
                name: values[::-1, ::-1] if len(values) == 4 else values[:, ::-1]
                for name, values in arrays.items()
            }
        feed = {name: np.ascontiguousarray(values[None]) for name, values in arrays.items()}
        embedding, logits = self.session.run(["embedding", "logits"], feed)
        return embedding[0, :, 0], logits


@pytest.mark.parametrize("mode", ["forward", "site", "both"])
def test_rows_are_those_of_single_windows(session: Session, toy: ToyGenome, mode: str) -> None:
    features = toy.features(SPEC)
    graph = Graph(session._model, features)
    given = sites(-1)
    found = read_windows(session, SPEC, features, given, mode, batch=3)
    assert found.strands == mode
    assert found.embedding.dtype == found.probabilities.dtype == np.float32
    for row in range(len(given)):
        at = int(given.centre[row])
        where = Interval(given.chroms[row], at - WINDOW // 2, at + WINDOW // 2)
        turned = [False, True] if mode == "both" else [mode == "site" and given.strand[row] < 0]
        runs = [graph.window(where, bool(turn)) for turn in turned]
        np.testing.assert_allclose(
            found.embedding[row], np.mean([e for e, _ in runs], axis=0), rtol=1e-6, atol=1e-6
        )
        expected = np.mean([probabilities(x, SPEC.heads)[0, :, 0] for _, x in runs], axis=0)
        np.testing.assert_allclose(found.probabilities[row], expected, rtol=1e-6)
    # The toy's windows are not their own mirror images.
    forward = read_windows(session, SPEC, features, given, "forward")
    differs = (forward.embedding != found.embedding).any(axis=1)
    assert (
        differs.tolist()
        == {
            "forward": [False] * len(given),
            "site": (given.strand < 0).tolist(),
            "both": [True] * len(given),
        }[mode]
    )


@pytest.mark.parametrize("batch", [1, 2, 4, 11, 100])
def test_rows_depend_neither_on_batch_nor_on_order(
    session: Session, toy: ToyGenome, batch: int
) -> None:
    features, given = toy.features(SPEC), sites()
    whole = read_windows(session, SPEC, features, given)
    order = np.random.default_rng(batch).permutation(len(given))
    told: list[int] = []
    again = read_windows(
        session, SPEC, features, given.select(order), batch=batch, progress=told.append
    )
    assert (again.embedding == whole.embedding[order]).all()
    assert (again.probabilities == whole.probabilities[order]).all()
    assert told[-1] == len(given) and len(told) == -(-len(given) // batch)


def test_auto_reads_sites_on_their_strand_where_all_have_one() -> None:
    assert chosen_strands(sites(-1), "auto") == "site"
    assert chosen_strands(sites(), "auto") == "both"
    assert chosen_strands(sites(-1), "forward") == "forward"
    mixed = sites(-1)
    mixed.strand[3] = 0
    assert chosen_strands(mixed, "auto") == "both"


def test_a_failure_in_a_worker_is_raised(toy: ToyGenome) -> None:
    class Broken:
        workers = 2

        def fetch(self, names: Sequence[str], arrays: Mapping[str, NDArray[np.float32]]) -> None:
            raise RuntimeError("no memory")

    with pytest.raises(RuntimeError, match="no memory"):
        read_windows(Broken(), SPEC, toy.features(SPEC), sites(), batch=2)


def test_the_shipped_model_on_real_sites(example: Path) -> None:
    model = load_model("yeast-atac")
    with ExitStack() as stack:
        fasta = stack.enter_context(Fasta(example / "sacCer3.fa.gz"))
        store = stack.enter_context(
            FragmentStore.build(example / "atac.fragments.tsv.gz", fasta.sizes)
        )
        features = Features(model.spec.inputs, fasta, {"atac": store})
        centre = np.array([30, 100_321, 207_007, 230_200, 45_678, 99_999])
        strand = np.array([1, -1, 1, -1, 1, -1])
        given = SiteTable(
            ("chrI",), np.zeros(6, int), centre, centre + 1, centre, strand, ("",) * 6
        )
        session = open_session(model.path, "cpu", 2)
        found = read_windows(session, model.spec, features, given, batch=4)
        graph = Graph(model.path, features)
        for row, at in enumerate(centre.tolist()):
            where = Interval("chrI", at - 1000, at + 1000)
            embedding, logits = graph.window(where, strand[row] < 0)
            np.testing.assert_allclose(found.embedding[row], embedding, rtol=1e-5, atol=1e-5)
            expected = probabilities(logits, model.spec.heads)[0, :, 0]
            np.testing.assert_allclose(found.probabilities[row], expected, atol=1e-5)
        one = read_windows(session, model.spec, features, given, batch=1)
        assert (one.embedding == found.embedding).all()


# ---- Elements that stand in for sites where no BED of them is given.

SIZES = ChromSizes({"chr1": 5000, "chr2": 3000}, "toy.fa")


def predictions(values: np.ndarray, cuts: list[int], chrom: str = "chr1") -> list[Prediction]:
    """Bins of 50 bp of one contig of 5,000 bp, handed over in parts."""
    edges = [0, *sorted(set(cuts) - {0, values.shape[1]}), values.shape[1]]
    return [
        Prediction(chrom, 50 * a, min(50 * b, SIZES[chrom]), values[:, a:b])
        for a, b in zip(edges[:-1], edges[1:], strict=True)
    ]


def slow_elements(states: list[int], tops: list[float]) -> list[tuple[int, int, int, int]]:
    """Start bin, end bin, state and bin of the first maximum of each run."""
    runs, at = [], 0
    while at < len(states):
        end = at
        while end < len(states) and states[end] == states[at]:
            end += 1
        best = max(range(at, end), key=lambda k: (tops[k], -k))
        runs.append((at, end, states[at], best))
        at = end
    return runs


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3)), min_size=2, max_size=60),
    st.integers(1, 9),
)
def test_elements_are_runs_whatever_the_tiles(bins: list[tuple[int, int]], step: int) -> None:
    values = np.zeros((5, len(bins)), np.float32)
    for k, (state, height) in enumerate(bins):
        values[:3, k] = 0.05
        values[state, k] = 0.3 + height / 10
    states, tops = [s for s, _ in bins], values[:3].max(axis=0).tolist()
    runs = slow_elements(states, tops)
    bases = [sum(b - a for a, b, s, _ in runs if s == state) for state in range(3)]
    background = bases.index(max(bases))
    kept = [run for run in runs if run[2] != background]
    spec = tiny_spec()
    tiles = predictions(values, list(range(step, len(bins), step)))
    if not kept:
        with pytest.raises(InputError, match="predicts no element here .* --regions"):
            find_elements(spec, tiles, {}, SIZES)
        return
    found = find_elements(spec, tiles, {}, SIZES)
    assert found.rule == f"runs of one most likely state, without S{background}"
    sites = found.sites
    got = zip(sites.start, sites.end, sites.names, sites.centre, strict=True)
    assert [(int(a), int(b), n, int(c)) for a, b, n, c in got] == [
        (50 * a, 50 * b, f"S{state}", 50 * best + 25) for a, b, state, best in kept
    ]


def test_elements_end_with_their_contig_and_stay_on_it() -> None:
    spec = tiny_spec()
    values = np.full((5, 2), 0.1, np.float32)
    values[1] = 0.6
    tiles = [
        Prediction("chr1", 4900, 5000, values),
        Prediction("chr2", 0, 90, values),
        Prediction("chr2", 500, 8000, np.repeat(np.eye(5, dtype=np.float32)[:, :1], 150, 1)),
    ]
    sites = find_elements(spec, tiles, {}, SIZES).sites
    assert sites.chroms == ["chr1", "chr2"]
    assert list(zip(sites.start, sites.end, strict=True)) == [(4900, 5000), (0, 90)]
    assert sites.centre.tolist() == [4925, 25]


def test_without_states_an_element_is_a_run_of_calls() -> None:
    spec = tiny_spec(heads=tiny_spec().heads[1:])
    threshold = [label.threshold for label in spec.heads[0].labels]
    assert threshold == [0.6, 0.5]
    tf1 = [0.1, 0.7, 0.65, 0.1, 0.0, 0.6]
    tf2 = [0.2, 0.4, 0.90, 0.4, 0.4, 0.4]
    values = np.array([tf1, tf2], np.float32)
    found = find_elements(spec, predictions(values, [2]), {}, SIZES)
    sites = found.sites
    assert list(zip(sites.start, sites.end, sites.names, sites.centre, strict=True)) == [
        (50, 150, "TF2", 125), (250, 300, "TF1", 275),
    ]  # fmt: skip


def test_of_continuous_labels_alone_all_bins_are_sites() -> None:
    head = HeadSpec("continuous", "signals", (Label("X", "x", (0, 0, 0)),), "log1p")
    spec = tiny_spec(heads=(head,))
    bins = region_bins([Interval("chr2", 2450, 3000), Interval("chr1", 0, 50)], SIZES, spec.grid)
    found = find_elements(spec, iter(()), bins, SIZES)
    assert found.rule == "all bins of 200 bp"
    assert list(zip(found.sites.chroms, found.sites.start, found.sites.end, strict=True)) == [
        ("chr1", 0, 50), ("chr2", 2450, 2650), ("chr2", 2650, 2850), ("chr2", 2850, 3000),
    ]  # fmt: skip
