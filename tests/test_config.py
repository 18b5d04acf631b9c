"""Training configurations: read whole, and every error names its key."""

from pathlib import Path

import pytest

from chromputer_tracks.data.vplot import DEFAULT_BIN
from chromputer_tracks.errors import ConfigError
from chromputer_tracks.model.config import TrainConfig
from chromputer_tracks.model.config_file import load_config
from chromputer_tracks.model.network import FINE

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
        ("Reb1", tmp_path / "peaks" / "Reb1.bed")
    ]
    assert config.states is None
    assert config.auxiliary is None
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
    assert (vplot.normalisation.reference, vplot.normalisation.transform) == (10.0, "none")


def test_paths_start_from_the_given_root(tmp_path):
    path = write(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    moved = path.rename(elsewhere / "toy.toml")
    with pytest.raises(ConfigError, match=r"data.fasta: no such file: .*elsewhere/genome.fa"):
        load_config(moved)
    assert load_config(moved, tmp_path).data.fasta == tmp_path / "genome.fa"


@pytest.mark.parametrize(
    ("place", "text", "key", "what"),
    [
        ("top", "windoww = 3", "'windoww'", "unknown key"),
        ("data", 'bam = "x"', "'data.bam'", "known: fasta, fragments"),
        ("binary", "colour = [1, 2, 3]", r"'binary\[0\].colour'", "unknown key"),
        ("rest", "[netwrk]\nstride = 50", "'netwrk'", "unknown key"),
        ("top", 'seed = "1"', "seed must be of type int", "'1'"),
        ("top", "seed = true", "seed must be of type int", "True"),
        ("top", "seed = 1.5", "seed must be of type int", "1.5"),
        ("top", "description = 3", "description must be of type str", "3"),
        ("rest", "[inputs]\nsequence = 1", "inputs.sequence must be of type bool", "1"),
        (
            "rest",
            "[fit]\nlearning_rate = 'fast'",
            "fit.learning_rate must be of type float",
            "fast",
        ),
        ("top", "sites = 3", r"\[sites\] must be a table", "3"),
        ("top", "notes = 3", "notes must be a path", "3"),
        ("top", 'notes = "none.md"', "notes: no such file", "none.md"),
        ("data", 'blacklist = "gone.bed"', "data.blacklist: no such file", "gone.bed"),
        ("rest", '[sites]\nkind = "tiles"', "sites.kind is 'tiles'", "choose one of bins, peaks"),
        ("rest", '[fit]\nprecision = "16"', "fit.precision is '16'", "bf16-mixed, 32-true"),
        ("binary", "color = [1, 2]", r"binary\[0\].color must have 3 values", r"\[1, 2\]"),
        ("binary", "color = 'red'", r"binary\[0\].color must be a list", "red"),
        ("binary", "color = [1, 2, 'x']", r"binary\[0\].color\[2\] must be of type int", "x"),
        ("binary", "color = [1, 2, 256]", "Reb1", "256"),
        ("rest", "[network]\nvplot_channels = [4]", "network.vplot_channels must have 2", "4"),
        ("rest", "[network]\ndilations = [1, 2.5]", r"network.dilations\[1\]", "2.5"),
        ("top", "label_bin = 120", "label_bin 120", "multiple of the stride"),
        ("top", "label_bin = 0", "label_bin is 0", "at least 1"),
        ("top", "seed = -1", "seed is -1", "at least 0"),
        ("rest", "[fit]\nepochs = 0", "fit.epochs is 0", "at least 1"),
        ("rest", "[fit]\nbatch = 0", "fit.batch is 0", "at least 1"),
        ("rest", "[fit]\nlearning_rate = 0", "fit.learning_rate is 0", "above 0"),
        ("rest", "[fit]\nlearning_rate = nan", "fit.learning_rate is nan", "above 0"),
        ("rest", "[fit]\nflank = -5", "fit.flank is -5", "at least 0"),
        ("rest", "[segments]\noutputs = 0", "segments.outputs is 0", "at least 1"),
        ("rest", "[segments]\nbalanced = -1", "segments.balanced is -1", "at least 0"),
        ("rest", "[segments]\njitter = -1", "segments.jitter is -1", "at least 0"),
        ("rest", "[network]\nstride = 0", "network.stride is 0", "at least 1"),
        ("rest", "[network]\nstride = 4", "stride 4 ", "multiple of 10"),
        ("rest", "[network]\nstride = 40", "motif_context 11", "multiple of 8"),
        ("rest", "[network]\nwindow = 2030", "window 2030", "even number of strides"),
        ("rest", "[network]\nmotif_width = 20", "motif_width 20", "odd"),
        ("rest", "[network]\ndilations = [64]", "dilations", "too short"),
        ("rest", "[network]\ndilations = [1, 0]", "network.dilations is", "at least 1"),
        ("rest", "[network]\nvplot_channels = [0, 8]", "network.vplot_channels", "at least 1"),
        ("rest", "[network]\ndropout = 1", "network.dropout is 1", "1 excluded"),
        ("rest", "[inputs]\nsequence = false\nvplot = false", r"\[inputs\]", "off"),
        ("rest", "[inputs]\nbin = 25", "inputs.bin is 25", "bins of 10 bp"),
        ("rest", "[inputs]\nlength_edges = [50, 20]", "length_edges", "ascend"),
        ("rest", "[inputs]\nreference = 0", "reference 0", "above 0"),
        ("rest", '[sites]\nkind = "peaks"', "sites.peaks", "sites.kind is 'peaks'"),
        ("rest", '[sites]\npeaks = "states.bed"', "sites.peaks", "sites.kind is 'bins'"),
        ("rest", '[auxiliary]\nfolder = "states.bed"', "auxiliary.folder", "not a folder"),
        ("rest", "[auxiliary]", "'auxiliary.folder' is missing", ""),
        (
            "rest",
            '[[binary]]\nname = "Reb1"\npeaks = "peaks/Reb1.bed"',
            r"two \[\[binary\]\] tables",
            "Reb1",
        ),
        ("rest", '[[binary]]\nname = "a b"\npeaks = "peaks/Reb1.bed"', "'a b'", "letters, digits"),
    ],
)
def test_errors_name_the_key(tmp_path, place, text, key, what):
    path = write(tmp_path, **{place: text})
    with pytest.raises(ConfigError, match=key) as caught:
        load_config(path)
    assert str(path) in str(caught.value)
    caught.match(what)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "toy"\n', "", "key 'name' is missing"),
        ('fasta = "genome.fa"', "", "key 'data.fasta' is missing"),
        ('test = ["chr4"]', "", "key 'splits.test' is missing"),
        ('train = ["chr1", "chr2"]', "train = []", "splits.train names no contig"),
        ('["chr3"]', '["chr2"]', "chr2 is in splits.train and in splits.validation"),
        ('["chr4"]', '["chr3"]', "chr3 is in splits.validation and in splits.test"),
        ('"genome.fa"', '"no.fa"', "data.fasta: no such file"),
        ('[[binary]]\nname = "Reb1"\npeaks = "peaks/Reb1.bed"\n', "", "nothing to learn"),
        ('peaks = "peaks/Reb1.bed"', "", r"key 'binary\[0\].peaks' is missing"),
    ],
)
def test_errors_of_the_needed_parts(tmp_path, old, new, message):
    text = MINIMAL.format(top="", data="", binary="", rest="")
    assert text.count(old) == 1
    with pytest.raises(ConfigError, match=message):
        load_config(write(tmp_path, text.replace(old, new)))


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
