"""Training configurations: what is read, and what is made of it."""

import subprocess
import sys
from pathlib import Path

import pytest

from chromputer_tracks.data.features import DEFAULT_BIN
from chromputer_tracks.errors import ConfigError
from chromputer_tracks.model.config import FINE, SampleConfig, TrainConfig
from chromputer_tracks.model.config_file import load_config
from chromputer_tracks.spec import InputSpec, Normalisation

SHIPPED = Path(__file__).parents[1] / "models" / "yeast-atac.toml"

MINIMAL = """\
name = "toy"
assembly = "toy1"
{top}
[data]
fasta = "genome.fa"
fragments = "atac.tsv.gz"
{data}
[splits]
train = ["chr1", "chr2"]
validation = ["chr3"]
test = ["chr4"]

[[binary]]
name = "Reb1"
peaks = "peaks/Reb1.bed"
{binary}
{rest}
"""


def write(tmp_path: Path, text: str | None = None, **parts: str) -> Path:
    """A configuration beside its (empty) files; ``parts`` fill the places of ``MINIMAL``."""
    for name in ("genome.fa", "atac.tsv.gz", "states.bed", "states.tsv", "notes.md"):
        (tmp_path / name).touch()
    (tmp_path / "peaks").mkdir(exist_ok=True)
    (tmp_path / "peaks" / "Reb1.bed").touch()
    places = {"top": "", "data": "", "binary": "", "rest": ""} | parts
    path = tmp_path / "toy.toml"
    path.write_text(MINIMAL.format(**places) if text is None else text)
    return path


def test_a_minimal_configuration(tmp_path):
    config = load_config(write(tmp_path))
    assert (config.name, config.assembly) == ("toy", "toy1")
    assert config.data.fasta == tmp_path / "genome.fa"
    assert config.splits.train == ("chr1", "chr2")
    assert [(item.name, item.peaks) for item in config.binary] == [
        ("Reb1", (tmp_path / "peaks" / "Reb1.bed",))
    ]
    assert config.states is None
    assert config.auxiliary is None
    assert config.inputs.assays == ("atac",)
    assert config.all_samples() == (
        SampleConfig(
            "sample",
            {"atac": tmp_path / "atac.tsv.gz"},
            peaks={"Reb1": (tmp_path / "peaks" / "Reb1.bed",)},
        ),
    )
    # What is not given is the dataclasses' own default.
    default = TrainConfig(config.name, config.assembly, config.data, config.splits)
    for key in ("sites", "inputs", "network", "segments", "fit", "label_bin", "seed"):
        assert getattr(config, key) == getattr(default, key)


def test_a_full_configuration(tmp_path):
    config = load_config(
        write(
            tmp_path,
            top='label_bin = 100\nseed = 7\ndescription = "d"\nnotes = "notes.md"',
            data='blacklist = "peaks/Reb1.bed"\nmin_mapq = 10',
            binary='title = "Reb1 protein"\ncolor = [1, 2, 3]\nmotif = "MA0363.3"',
            rest="""
[states]
bed = "states.bed"
table = "states.tsv"
[auxiliary]
folder = "peaks"
weight = 1
[sites]
kind = "peaks"
peaks = "peaks/Reb1.bed"
[inputs]
length_edges = [20, 100, 200]
reference = 10
transform = "none"
[network]
vplot_channels = [4, 8]
dilations = [1, 2]
[segments]
balanced = 1
[fit]
precision = "32-true"
""",
        )
    )
    assert config.label_bin == 100
    assert config.notes == tmp_path / "notes.md"
    assert config.data.blacklist == tmp_path / "peaks" / "Reb1.bed"
    assert config.binary[0].color == (1, 2, 3)
    assert config.states is not None
    assert config.states.table == tmp_path / "states.tsv"
    assert config.auxiliary is not None
    assert config.auxiliary.weight == 1.0
    assert isinstance(config.auxiliary.weight, float)
    assert config.network.vplot_channels == (4, 8)
    assert config.network.dilations == (1, 2)
    assert config.fit.precision == "32-true"
    (_, vplot) = config.inputs.specs()
    assert vplot.length_edges == (20, 100, 200)
    assert vplot.normalisation is not None
    assert (vplot.normalisation.reference, vplot.normalisation.transform) == ((10.0,), "none")


SAMPLES = """\
name = "toy"
assembly = "toy1"
[data]
fasta = "genome.fa"
[splits]
train = ["chr1"]
validation = ["chr2"]
test = ["chr3"]
[states]
table = "states.tsv"
[[binary]]
name = "Reb1"
agreement = "rank"
idr = 0.1
[[binary]]
name = "CTCF"
head = "insulators"
[[binary]]
name = "Abf1"
[[continuous]]
name = "H3K4me3"
loss = "mse"
[[continuous]]
name = "RNA"
[[samples]]
name = "A"
assays = { atac = "a.bam", mnase = "m.tsv", h3 = "h.bw" }
states = "states.bed"
peaks.Reb1 = ["r1.bed", "r2.bed"]
peaks.CTCF = "c.bed"
signals = { RNA = "rna.bw" }
[[samples]]
name = "B"
use = "test"
[samples.assays]
atac = "b.bam"
mnase = "m.tsv"
h3 = "h.bw"
[samples.peaks]
Reb1 = "b.bed"
[[samples]]
name = "C"
assays = { atac = "a.bam", mnase = "m.tsv", h3 = "h.bw" }
peaks = { Abf1 = "c.bed" }
signals = { H3K4me3 = "h.bw" }
[inputs]
shape = ["MGW", "Roll"]
shape_table = "shape.tsv"
sequence = false
vplots = ["atac", "mnase"]
length_edges = [20, 100, 200]
reference = 10
background = 5000
prior = 500
per_length = true
[[inputs.signals]]
name = "cuts"
assay = "atac"
lengths = [20, 100]
smooth = 50
[[inputs.signals]]
name = "h3"
assay = "h3"
measure = "values"
"""


def test_several_samples(tmp_path):
    for name in ("a.bam", "b.bam", "m.tsv", "h.bw", "rna.bw", "shape.tsv"):
        (tmp_path / name).touch()
    for name in ("r1.bed", "r2.bed", "b.bed", "c.bed"):
        (tmp_path / name).touch()
    config = load_config(write(tmp_path, SAMPLES))

    def files(**names):
        return {name: tmp_path / file for name, file in names.items()}

    assays = files(atac="a.bam", mnase="m.tsv", h3="h.bw")
    peaks = {"Reb1": (tmp_path / "r1.bed", tmp_path / "r2.bed"), "CTCF": (tmp_path / "c.bed",)}
    assert config.all_samples() == (
        SampleConfig("A", assays, tmp_path / "states.bed", peaks, files(RNA="rna.bw")),
        SampleConfig(
            "B",
            assays | files(atac="b.bam"),
            peaks={"Reb1": (tmp_path / "b.bed",)},
            use="test",
        ),
        SampleConfig(
            "C", assays, peaks={"Abf1": (tmp_path / "c.bed",)}, signals=files(H3K4me3="h.bw")
        ),
    )
    # Head by head, in the order of each head's first label.
    assert {name: [b.name for b in of] for name, of in config.binary_heads().items()} == {
        "binary": ["Reb1", "Abf1"],
        "insulators": ["CTCF"],
    }
    assert [item.name for item in config.binary_labels()] == ["Reb1", "Abf1", "CTCF"]
    assert list(config.continuous_heads()) == ["signal_mse", "signal_poisson"]
    assert [item.name for item in config.continuous_labels()] == ["H3K4me3", "RNA"]
    assert (config.binary[0].agreement, config.binary[0].idr) == ("rank", 0.1)
    assert config.inputs.assays == ("atac", "mnase", "h3")

    edges = (20, 100, 200)
    each, cuts, values = (
        Normalisation(reference, "log1p", 5000, 500)
        for reference in ((2.5, 7.5), (1000.0,), (1.0,))
    )
    flat = Normalisation((10.0,), "log1p", 5000, 500)
    assert config.inputs.specs({"atac": (0.25, 0.75)}) == (
        InputSpec("sequence", "sequence", bases=False, shape=("MGW", "Roll")),
        InputSpec("vplot", "vplot_atac", 10, edges, each, "atac"),
        InputSpec("vplot", "vplot_mnase", 10, edges, flat, "mnase"),
        InputSpec("signal", "cuts", 10, (20, 100), cuts, "atac", "cuts", 50),
        InputSpec("signal", "h3", 10, (), values, "h3", "values"),
    )


def test_the_only_sample_has_all_files_of_the_configuration(tmp_path):
    for name in ("m.tsv", "rna.bw"):
        (tmp_path / name).touch()
    config = load_config(
        write(
            tmp_path,
            data='assays = { mnase = "m.tsv" }',
            rest="""
[states]
bed = "states.bed"
table = "states.tsv"
[[continuous]]
name = "RNA"
bigwig = "rna.bw"
""",
        )
    )
    assert config.all_samples() == (
        SampleConfig(
            "sample",
            {"atac": tmp_path / "atac.tsv.gz", "mnase": tmp_path / "m.tsv"},
            tmp_path / "states.bed",
            {"Reb1": (tmp_path / "peaks" / "Reb1.bed",)},
            {"RNA": tmp_path / "rna.bw"},
        ),
    )
    assert list(config.continuous_heads()) == ["signal"]


def test_paths_start_from_the_given_root(tmp_path):
    path = write(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    moved = path.rename(elsewhere / "toy.toml")
    with pytest.raises(ConfigError, match=r"data.fasta: no such file: .*elsewhere/genome.fa"):
        load_config(moved)
    assert load_config(moved, tmp_path).data.fasta == tmp_path / "genome.fa"


def test_a_file_that_is_not_toml(tmp_path):
    with pytest.raises(ConfigError, match=r"toy.toml is not TOML: .*line 1"):
        load_config(write(tmp_path, "name = \n"))
    path = tmp_path / "binary.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="binary.toml is not TOML"):
        load_config(path)
    with pytest.raises(ConfigError, match=r"cannot read .*gone.toml: No such file"):
        load_config(tmp_path / "gone.toml")


def test_the_default_bin_is_what_the_network_reads():
    assert DEFAULT_BIN == FINE


def test_a_key_s_name_of_earlier_releases_is_still_read(tmp_path, capsys):
    old = write(tmp_path, rest="[fit]\nwords_per_label = 3")
    assert load_config(old).fit.kmers_per_label == 3
    said = capsys.readouterr().err
    assert said == f"note: {old}: fit.words_per_label is now called fit.kmers_per_label\n"
    for text, line, message in (
        ("[fit]\nbatch = 2\nwords_per_label = -1", 19, "fit.kmers_per_label is -1"),
        ("[fit]\nwords_per_label = 1\nkmers_per_label = 1", 18, "is now called fit.kmers_per"),
    ):
        with pytest.raises(ConfigError, match=rf"toy.toml line {line}: .*{message}"):
            load_config(write(tmp_path, rest=text))
    assert capsys.readouterr().err == ""


def test_an_error_carries_its_key(tmp_path):
    for rest, key in {
        "[fit]\nepochs = 0": "fit.epochs",
        "[network]\nmotif_width = 20": "network.motif_width",
        "[[binary]]\nname = 'a b'\npeaks = 'peaks/Reb1.bed'": "binary[1].name",
    }.items():
        with pytest.raises(ConfigError) as caught:
            load_config(write(tmp_path, rest=rest))
        assert caught.value.key == key


def test_a_configuration_s_classes_load_no_torch():
    code = "import sys, chromputer_tracks.model.config; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_shipped_configuration_loads(shared_yeast):
    config = load_config(SHIPPED, shared_yeast.parent)
    assert config.name == "yeast-atac"
    held_out = set(config.splits.validation) | set(config.splits.test)
    assert held_out == {"chrII", "chrVII", "chrXIII"}
    # The final test chromosomes are never touched.
    assert {"chrIV", "chrXV"}.isdisjoint(held_out | set(config.splits.train))
    names = {item.name for item in config.binary}
    assert names >= {"Reb1", "Abf1", "Rap1", "Cbf1", "Mcm1", "Gcn4", "Fkh1", "Htz1"}
    assert names >= {"Sua7", "Taf1", "Spt7", "Tup1"}
    assert config.states is not None


# ---- Paths with the home folder and the environment's variables.


def with_fasta(tmp_path: Path, path: str) -> Path:
    text = write(tmp_path).read_text().replace('"genome.fa"', f"'{path}'")
    (tmp_path / "toy.toml").write_text(text)
    return tmp_path / "toy.toml"


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("~/ref/g.fa", "home/ref/g.fa"),
        ("$REFERENCES/g.fa", "home/ref/g.fa"),
        ("${REFERENCES}/g.fa", "home/ref/g.fa"),
        ("$BELOW/g.fa", "home/ref/g.fa"),
        ("$price.fa", "$price.fa"),  # a file of that very name is meant
    ],
)
def test_paths_are_read_as_a_shell_would(tmp_path, monkeypatch, path, where):
    (tmp_path / "home" / "ref").mkdir(parents=True)
    (tmp_path / "home" / "ref" / "g.fa").touch()
    (tmp_path / "$price.fa").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("REFERENCES", str(tmp_path / "home" / "ref"))
    monkeypatch.setenv("BELOW", "home/ref")  # relative, from the configuration's folder
    assert load_config(with_fasta(tmp_path, path)).data.fasta == tmp_path / where


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("$NOT_SET/g.fa", r"line 5: data.fasta: '\$NOT_SET/g.fa' names the variable \$NOT_SET, "),
        ("${NOT_SET}.fa", r"names the variable \$\{NOT_SET\}, which is not set"),
        ("~nobody-of-this-name/g.fa", "the home of a user who is not here"),
        ("$REFERENCES/no.fa", r"no such file: /refs/no.fa \(\$REFERENCES/no.fa\); relative"),
    ],
)
def test_paths_that_lead_nowhere_say_what_was_written(tmp_path, monkeypatch, path, message):
    monkeypatch.setenv("REFERENCES", "/refs")
    monkeypatch.delenv("NOT_SET", raising=False)
    with pytest.raises(ConfigError, match=message):
        load_config(with_fasta(tmp_path, path))
