"""Files of a configuration, opened: whose labels and arrays a sample has, and what is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from toy_training import CONFIG, LENGTHS, SAMPLES, Toy, make_samples, make_toy

from chromputer_tracks.data.labels import UNKNOWN, SignalLabels
from chromputer_tracks.data.negatives import MatchedConfig
from chromputer_tracks.errors import ConfigError, FormatError, InputError
from chromputer_tracks.intervals import Interval
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.model.config import AuxiliaryConfig, SitesConfig, TrainConfig
from chromputer_tracks.model.config_file import load_config
from chromputer_tracks.model.experiment import Experiment
from chromputer_tracks.model.sources import open_sources

EDGES = (20, 100, 200, 400)
CENTRES = np.arange(100, 12_000, 200)
PLACE = Interval("chr3", 4000, 6000)


@pytest.fixture(scope="module")
def toy(tmp_path_factory) -> Toy:
    return make_toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def samples(toy) -> TrainConfig:
    return load_config(make_samples(toy))


def bound(toy: Toy, chrom: str, start: int, step: int) -> np.ndarray:
    """1 for the bins of 200 bp with a planted word, counted over the genome: every ``step``-th."""
    every = [(c, at) for c in LENGTHS for at in toy.planted[c]][start::step]
    bins = {at // 200 for c, at in every if c == chrom}
    return np.array([int(k in bins) for k in range(len(CENTRES))])


def test_each_sample_has_its_own_labels(toy, samples):
    with open_sources(samples) as sources:
        assert [(s.name, s.train) for s in sources.samples] == [
            ("A", True),
            ("B", True),
            ("C", False),
        ]
        assert [s.name for s in sources.training_samples] == ["A", "B"]
        assert [sources.number(kind) for kind in ("states", "binary", "continuous")] == [2, 2, 2]
        for sample, start, step in zip(sources.samples, (0, 0, 1), (1, 2, 2), strict=True):
            found = sample.scored.at("chr3", CENTRES)
            assert found.binary[0].tolist() == bound(toy, "chr3", start, step).tolist()
            # In training, what is beside a positive is neither.
            learnt = sample.learnt.at("chr3", CENTRES)
            assert ((learnt.binary[0] == 1) == (found.binary[0] == 1)).all()
            if sample.name == "A":
                assert (found.states != UNKNOWN).all()
                assert found.binary[1].tolist() == bound(toy, "chr3", 1, 2).tolist()
                assert not np.isnan(found.continuous).any()
            else:
                assert (found.states == UNKNOWN).all()
                assert (found.binary[1] == UNKNOWN).all()
            # C has no RNA.
            assert np.isnan(found.continuous[1]).all() == (sample.name == "C")


def test_each_sample_has_arrays_of_its_own_files(toy, samples):
    arrays = []
    with open_sources(samples) as sources:
        for sample, name in zip(sources.samples, ("toy", "b", "c"), strict=True):
            found = sample.features.arrays(PLACE)
            arrays.append(found["vplot"])
            path = toy.folder / f"{name}.fragments.tsv"
            # Identical fragments count once.
            rows = [line.split("\t") for line in sorted(set(path.read_text().splitlines()))]
            inside = [(int(s), int(e)) for c, s, e in rows if c == PLACE.chrom]
            counts = np.zeros((3, 200))
            for start, end in inside:
                middle, length = start + (end - start) // 2, end - start
                if 4000 <= middle < 6000:
                    counts[np.searchsorted(EDGES, length, "right") - 1, (middle - 4000) // 10] += 1
            how = sources.inputs[1].normalisation
            density = sample.assays["atac"].length_density(EDGES)
            scale = [r / d if d else 0 for r, d in zip(how.reference, density, strict=True)]
            expected = np.log1p(counts * np.array(scale)[:, None])
            np.testing.assert_allclose(found["vplot"], expected, rtol=1e-5)
    assert not np.array_equal(arrays[0], arrays[1])
    assert not np.array_equal(arrays[1], arrays[2])


def test_length_classes_are_scaled_to_the_mean_profile_of_the_training_samples(toy, samples):
    shares = []
    with open_sources(samples) as sources:
        reference = np.array(sources.inputs[1].normalisation.reference)
        for name in ("toy", "b"):
            path = toy.folder / f"{name}.fragments.tsv"
            with FragmentStore.build(path, sources.sizes) as store:
                density = store.length_density(EDGES)
            shares.append(density / density.sum())
    assert shares[1][2] == 0  # B has no long fragments
    assert reference == pytest.approx(10 * np.mean(shares, axis=0), rel=1e-4)
    assert reference.sum() == pytest.approx(10, rel=1e-4)
    assert (reference > 0.5).all()


def with_inputs(config: TrainConfig, **changes: object) -> TrainConfig:
    return dataclasses.replace(config, inputs=dataclasses.replace(config.inputs, **changes))


def test_a_length_class_without_fragments_stays_without(samples):
    config = with_inputs(samples, length_edges=(*EDGES, 800))
    with open_sources(config) as sources:
        reference = sources.inputs[1].normalisation.reference
        assert reference[3] == pytest.approx(10 * 1e-6)
        assert sum(reference) == pytest.approx(10, rel=1e-4)
        found = sources.samples[0].features.arrays(PLACE)["vplot"]
        assert found[:3].max() > 0
        assert (found[3] == 0).all()


def test_lengths_that_no_fragment_has_are_refused(samples):
    config = with_inputs(samples, length_edges=(500, 600, 800))
    with (
        pytest.raises(ConfigError, match="toy.fragments.tsv has hardly any fragment of 500 to 799"),
        open_sources(config),
    ):
        pass


def test_signals_are_learnt_in_units_of_their_mean_and_scored_in_the_model_s(samples):
    with open_sources(samples) as sources:
        poisson, mse = sources.heads[-2:]
        assert (poisson.name, poisson.transform) == ("signal_poisson", "log")
        assert (mse.name, mse.transform) == ("signal_mse", "log1p")
        assert mse.labels[0].bias == 0
        densities, mean = [], np.exp(poisson.labels[0].bias)
        for sample in sources.samples:
            scored, learnt = sample.scored.continuous[0], sample.learnt.continuous[0]
            assert isinstance(scored, SignalLabels)
            assert isinstance(learnt, SignalLabels)
            density = scored.source.density
            raw = scored.source.means(Interval("chr2", 0, 12_000), 200)
            assert learnt.at("chr2", CENTRES) == pytest.approx(raw / density, rel=1e-4)
            assert scored.at("chr2", CENTRES) == pytest.approx(raw / density * mean, rel=1e-4)
            if sample.train:
                densities.append(density)
        assert densities[0] > 20 * densities[1]
        assert mean == pytest.approx(np.mean(densities), rel=1e-4)
        # The squared loss is of the file's own values, over a stride where no bin is given.
        for labels in (sources.samples[1].scored, sources.samples[1].learnt):
            rna = labels.continuous[1]
            raw = rna.source.means(Interval("chr2", 75, 11_975), 50)[::4]
            assert rna.at("chr2", CENTRES[:-1]) == pytest.approx(raw[:59], rel=1e-5)


def test_one_sample_s_signal_is_scored_in_its_own_unit(toy):
    with open_sources(toy.config()) as sources:
        (sample,) = sources.samples
        (signal,) = sample.scored.continuous
        assert signal.scale == 1
        assert sources.heads[-1].labels[0].bias == round(np.log(signal.source.density), 5)


def test_auxiliary_labels_come_last_and_for_training_samples_only(toy, samples):
    auxiliary = AuxiliaryConfig(toy.folder / "peaks", 3)
    with open_sources(dataclasses.replace(samples, auxiliary=auxiliary)) as sources:
        # What is a label of any sample is no auxiliary one.
        assert [path.name for path in sources.auxiliary] == ["Few.bed"]
        first = {at // 200 for at in toy.planted["chr1"][:5]}
        for sample in sources.samples:
            learnt = sample.learnt.at("chr1", np.arange(100, 36_000, 200)).binary
            assert learnt.shape[0] == 3
            assert len(sample.scored.binary) == 2
            if sample.train:
                assert set(np.flatnonzero(learnt[2] == 1)) == first
            else:
                assert (learnt[2] == UNKNOWN).all()


def test_a_blacklist_hides_bins_of_every_sample(toy, samples):
    data = dataclasses.replace(samples.data, blacklist=toy.folder / "blacklist.bed")
    with open_sources(dataclasses.replace(samples, data=data)) as sources:
        for sample in sources.samples:
            hidden = sample.scored.at("chr3", CENTRES).binary[0] == UNKNOWN
            assert np.flatnonzero(hidden).tolist() == [0, 1, 2, 3, 4]


def test_sites_limit_what_is_learnt_and_scored(toy, samples, tmp_path):
    (tmp_path / "sites.bed").write_text("chr3\t1150\t1401\nchr3\t12050\t12100\nchr1\t0\t1\n")
    sites = SitesConfig("peaks", tmp_path / "sites.bed")
    with open_sources(dataclasses.replace(samples, sites=sites)) as sources:
        for sample in sources.samples:
            known = sample.scored.at("chr3", CENTRES).binary[0] != UNKNOWN
            # The bins 1000-1200, 1200-1400 and 1400-1600 touch the first site.
            assert np.flatnonzero(known).tolist() == [5, 6, 7]
            learnt = sample.learnt.at("chr1", CENTRES[:5]).binary[0] != UNKNOWN
            assert np.flatnonzero(learnt).tolist() in ([0], [])


def test_matched_sites_are_each_sample_s_own(toy, samples):
    sites = SitesConfig("matched", matched=MatchedConfig(per_positive=1.0))
    with open_sources(dataclasses.replace(samples, sites=sites)) as sources:
        for sample, start, step in zip(sources.samples, (0, 0, 1), (1, 2, 2), strict=True):
            truth = sample.scored.at("chr3", CENTRES).binary[0]
            positive = bound(toy, "chr3", start, step) == 1
            assert (truth[positive] == 1).all()
            assert 0 < (truth == 0).sum() < (~positive).sum()
            learnt = sample.learnt.at("chr3", CENTRES).binary[0]
            assert ((learnt == 1) == positive).all()


def changed(toy: Toy, folder: Path, config: str, files: dict[str, str]) -> Path:
    """The toy's folder with other files."""
    for path in toy.folder.iterdir():
        if path.name not in files and path.name != "toy.toml":
            (folder / path.name).symlink_to(path)
    for name, text in files.items():
        (folder / name).write_text(text)
    (folder / "toy.toml").write_text(config)
    return folder / "toy.toml"


HEADER = "state\tname\tcolor\n"


@pytest.mark.parametrize(
    ("files", "error", "message"),
    [
        ({"states.tsv": "state\tname\n"}, FormatError, "states.tsv: the header"),
        (
            {"states.tsv": f"{HEADER}open\to\tred\n"},
            FormatError,
            r"states.tsv line 2: color 'red' is not R,G,B",
        ),
        (
            {"states.tsv": f"{HEADER}open\to\t1,2,3\nopen\tp\t1,2,4\n"},
            FormatError,
            r"states.tsv line 3: state 'open' is there twice",
        ),
        (
            {"states.tsv": f"{HEADER}open\to\t1,2,3\na b\tp\t1,2,4\n"},
            FormatError,
            r"states.tsv line 3: label name 'a b'",
        ),
        ({"states.tsv": f"{HEADER}open\to\t1,2,3\n"}, FormatError, "at least two"),
        (
            {"states.bed": "chr1\t0\t200\tajar\n"},
            InputError,
            r"states.bed line 1: state 'ajar' is not among the states \(open, closed\): add",
        ),
        (
            {"states.bed": "chr1\t0\t200\topen\nchr1\t100\t300\topen\n"},
            FormatError,
            r"states.bed: segments chr1:1-200 and chr1:101-300 overlap",
        ),
        (
            {"states.bed": "chr1\t0\t200\topen\nchr2\t0\t200\topen\n"},
            ConfigError,
            r"splits.test: no state in .*states.bed lies on chr3",
        ),
        ({"pol2.bw": "chr1\t0\t36000\t1\n"}, FormatError, "pol2.bw"),
        ({"blacklist.bed": "chr4\t0\t100\n"}, InputError, "blacklist.bed.*chr4"),
        ({"toy.fragments.tsv": "chr4\t0\t100\n"}, InputError, "toy.fragments.tsv.*chr4"),
    ],
)
def test_wrong_files(toy, tmp_path, files, error, message):
    config = load_config(changed(toy, tmp_path, CONFIG, files))
    with pytest.raises(error, match=message), open_sources(config):
        pass


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        (
            '["chr3"]',
            '["3"]',
            InputError,
            r"splits.test: contig '3' is not in .*which calls it 'chr3'",
        ),
        ("minimum = 10", "minimum = 900", ConfigError, "no peak set with 900 peaks"),
        (
            "[inputs]",
            '[[inputs.signals]]\nname = "x"\nassay = "atac"\nmeasure = "values"\n[inputs]',
            InputError,
            "input 'x'.*bigWig",
        ),
    ],
)
def test_wrong_settings(toy, tmp_path, old, new, error, message):
    assert CONFIG.count(old) == 1
    path = changed(toy, tmp_path, CONFIG.replace(old, new), {})
    with pytest.raises(error, match=message), open_sources(load_config(path)):
        pass


def test_a_batch_larger_than_an_epoch(toy):
    config = toy.config()
    config = dataclasses.replace(config, fit=dataclasses.replace(config.fit, batch=800))
    with (
        open_sources(config) as sources,
        pytest.raises(ConfigError, match="65 segments do not fill one batch of 800"),
    ):
        Experiment(config, sources).loader()


def test_a_contig_whose_peaks_are_withheld_is_no_contig_without_peaks(toy, tmp_path):
    lines = (toy.folder / "peaks" / "TF.bed").read_text().splitlines(keepends=True)
    peaks = "".join(line for line in lines if not line.startswith("chr3"))
    make_samples(toy)
    text = SAMPLES.replace('peaks = { TF = "peaks/Even.bed" }', 'peaks = { TF = "TF.bed" }')
    config = load_config(changed(toy, tmp_path, text, {"TF.bed": peaks}))
    message = r"splits.test: no peak of any label of sample 'B' lies on chr3"
    with pytest.raises(ConfigError, match=message), open_sources(config):
        pass


def test_a_sample_to_train_on_needs_a_label(toy, tmp_path):
    make_samples(toy)
    text = f'{SAMPLES}\n[[samples]]\nname = "D"\nassays = {{ atac = "toy.fragments.tsv" }}\n'
    config = load_config(changed(toy, tmp_path, text, {}))
    with pytest.raises(ConfigError, match="sample 'D' has no labels"), open_sources(config):
        pass
