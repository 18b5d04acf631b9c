"""What is wrong in a configuration: each message names the file, the line, the key and the value.

The line that a message should name ends in ``#!``; where there is none, no line can be named.
"""

from pathlib import Path

import pytest

from chromputer_tracks.errors import ConfigError
from chromputer_tracks.model.config_file import load_config

FILES = ("genome.fa", "a.bam", "b.bam", "h.bw", "shape.tsv", "states.bed", "states.tsv", "p.bed")

ONE = """\
name = "toy"
assembly = "toy1"
TOP
[data]
fasta = "genome.fa"
fragments = "a.bam"
DATA
[splits]
train = ["chr1", "chr2"]
validation = ["chr3"]
test = ["chr4"]

[[binary]]
name = "Reb1"
peaks = "p.bed"
BINARY
REST
"""

SEVERAL = """\
name = "toy"
assembly = "toy1"
[data]
fasta = "genome.fa"
DATA
[splits]
train = ["chr1"]
validation = ["chr2"]
test = ["chr3"]
[[binary]]
name = "Reb1"
BINARY
[[samples]]
name = "A"
assays = { atac = "a.bam" }
peaks = { Reb1 = "p.bed" }
FIRST
[[samples]]
name = "B"
SECOND
[samples.assays]
atac = "b.bam"
ASSAYS
[samples.peaks]
Reb1 = "p.bed"
PEAKS
REST
"""


def refused(tmp_path: Path, text: str, *messages: str) -> None:
    """The configuration is refused with the marked line and the messages, all in one line."""
    for name in FILES:
        (tmp_path / name).touch()
    path = tmp_path / "toy.toml"
    path.write_text(text)
    marked = [number for number, line in enumerate(text.splitlines(), 1) if line.endswith("#!")]
    assert len(marked) < 2
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    said = str(caught.value)
    assert said.startswith(f"{path} line {marked[0]}: " if marked else f"{path}: "), said
    for message in messages:
        assert message in said
    assert "\n" not in said


def filled(template: str, place: str, text: str) -> str:
    """The template with a text in one place and the others empty."""
    for name in ("TOP", "DATA", "BINARY", "FIRST", "SECOND", "ASSAYS", "PEAKS", "REST"):
        template = template.replace(f"{name}\n", f"{text if name == place else ''}\n")
    return template


def test_the_templates_are_right(tmp_path):
    for name in FILES:
        (tmp_path / name).touch()
    for template in (ONE, SEVERAL):
        (tmp_path / "toy.toml").write_text(filled(template, "", ""))
        assert load_config(tmp_path / "toy.toml").name == "toy"


@pytest.mark.parametrize(
    ("place", "text", "key", "value"),
    [
        ("TOP", "windoww = 3 #!", "unknown key 'windoww'; known: name, assembly, data", ""),
        ("DATA", 'bam = "x" #!', "'data.bam'", "known: fasta, fragments"),
        ("BINARY", "colour = [1, 2, 3] #!", "'binary[0].colour'", "unknown key"),
        ("REST", "[netwrk] #!\nstride = 50", "'netwrk'", "unknown key"),
        ("REST", "[network]\nstride = 50\nstrid = 3 #!", "'network.strid'", "unknown key"),
        ("TOP", 'seed = "1" #!', "seed must be a whole number", "'1'"),
        ("TOP", "seed = true #!", "seed must be a whole number", "True"),
        ("TOP", "seed = 1.5 #!", "seed must be a whole number", "1.5"),
        ("TOP", "description = 3 #!", "description must be text in quotes", "3"),
        ("REST", "[inputs]\nsequence = 1 #!", "inputs.sequence must be true or false", "1"),
        ("REST", "[fit]\nlearning_rate = 'x' #!", "fit.learning_rate must be a number", "x"),
        ("TOP", "sites = 3 #!", "[sites] must be a table", "3"),
        ("TOP", "continuous = 3 #!", "continuous must be a list", "3"),
        ("REST", "[samples] #!\nname = 'A'", "samples must be a list", "'A'"),
        ("TOP", "notes = 3 #!", "notes must be a path", "3"),
        ("TOP", 'notes = "none.md" #!', "notes: no such file", "none.md"),
        ("DATA", 'blacklist = "gone.bed" #!', "data.blacklist: no such file", "gone.bed"),
        ("DATA", "assays = 'a.bam' #!", "data.assays must be a table", "'a.bam'"),
        ("REST", '[sites]\nkind = "tiles" #!', "sites.kind is 'tiles'", "one of bins, peaks"),
        ("REST", '[fit]\nprecision = "16" #!', "fit.precision is '16'", "bf16-mixed"),
        ("BINARY", "agreement = 'idr' #!", "binary[0].agreement is 'idr'", "union, intersection"),
        ("BINARY", "color = [1, 2] #!", "binary[0].color must have 3 values", "[1, 2]"),
        ("BINARY", "color = 'red' #!", "binary[0].color must be a list", "red"),
        ("BINARY", "color = [1, 2, 'x'] #!", "binary[0].color[2] must be a whole number", "'x'"),
        ("BINARY", "color = [1, 2, 256] #!", "label 'Reb1'", "256"),
        ("BINARY", "idr = 1.0 #!", "idr 1.0", "0 to 1"),
        ("BINARY", "within = -1 #!", "within -1", ">= 0 bp"),
        ("BINARY", "head = 'states' #!", "head 'states' is taken", "choose another"),
        ("BINARY", "head = 'a b' #!", "head name 'a b'", "letters"),
        ("REST", "[network]\nvplot_channels = [4] #!", "network.vplot_channels must have 2", "4"),
        ("REST", "[network]\ndilations = [1, 2.5] #!", "network.dilations[1]", "2.5"),
        ("TOP", "label_bin = 120 #!", "label_bin 120", "multiple of the stride (50)"),
        ("TOP", "label_bin = 0 #!", "label_bin is 0", "at least 1"),
        ("TOP", "seed = -1 #!", "seed is -1", "in 0 to 4,294,967,295"),
        ("TOP", f"seed = {2**70} #!", f"seed is {2**70}", "in 0 to"),
        ("DATA", "min_mapq = -1 #!", "data.min_mapq is -1", "at least 0"),
        ("REST", "[fit]\nepochs = 0 #!", "fit.epochs is 0", "at least 1"),
        ("REST", "[fit]\nbatch = 0 #!", "fit.batch is 0", "at least 1"),
        ("REST", "[fit]\nlearning_rate = 0 #!", "fit.learning_rate is 0", "above 0"),
        ("REST", "[fit]\nlearning_rate = nan #!", "fit.learning_rate is nan", "above 0"),
        ("REST", "[fit]\nflank = -5 #!", "fit.flank is -5", "at least 0"),
        ("REST", "[fit]\naverage = 1 #!", "fit.average is 1", "1 excluded"),
        ("REST", "[segments]\noutputs = 0 #!", "segments.outputs is 0", "at least 1"),
        ("REST", "[segments]\nbalanced = -1 #!", "segments.balanced is -1", "at least 0"),
        ("REST", "[segments]\njitter = -1 #!", "segments.jitter is -1", "at least 0"),
        ("REST", "[segments]\noutputs = 8\njitter = 201 #!", "segments.jitter 201", "200 bp"),
        ("REST", "[network]\nstride = 0 #!", "network.stride is 0", "at least 1"),
        ("REST", "[network]\nstride = 4 #!", "stride 4 ", "multiple of 10"),
        ("REST", "[network]\nmotif_context = 11 #!\nstride = 40", "motif_context 11", "of 8"),
        ("REST", "[network] #!\nwindow = 2030", "window 2030", "even number of strides"),
        ("REST", "[network]\nmotif_width = 20 #!", "motif_width 20", "odd"),
        ("REST", "[network]\ndilations = [1, 0] #!", "network.dilations is (1, 0)", "at least 1"),
        ("REST", "[network]\nvplot_channels = [0, 8] #!", "network.vplot_channels", "at least 1"),
        ("REST", "[network]\nlocal_extent = 240 #!", "local_extent 240", "odd number"),
        ("REST", "[network]\ndropout = 1 #!", "network.dropout is 1", "1 excluded"),
        ("REST", "[inputs] #!\nsequence = false\nvplots = []", "[inputs] turns every", "off"),
        ("REST", "[inputs]\nbin = 25 #!", "inputs.bin is 25", "bins of 10 bp"),
        ("REST", "[inputs]\nlength_edges = [50, 20] #!", "length_edges must", "(50, 20)"),
        ("REST", "[inputs]\nreference = 0 #!", "reference (0.0,)", "above 0"),
        ("REST", "[inputs]\nbackground = -1 #!", "inputs.background is -1", "at least 0"),
        ("REST", "[inputs]\nbackground = 9\nprior = 0 #!", "prior must be above 0", "background"),
        ("REST", "[inputs]\nshape = ['MGW'] #!", "inputs.shape needs inputs.shape_table", ""),
        (
            "REST",
            "[inputs]\nshape_table = 'shape.tsv'\nshape = ['mgw'] #!",
            "unknown shape 'mgw'",
            "known: MGW, ProT, Roll, HelT",
        ),
        ("REST", "[inputs]\nvplots = ['atac', 'atac'] #!", "two inputs are named", "'vplot_atac'"),
        ("REST", '[sites] #!\nkind = "peaks"', "sites.peaks", "sites.kind is 'peaks'"),
        ("REST", '[sites] #!\npeaks = "p.bed"', "sites.peaks", "sites.kind is 'bins'"),
        ("REST", "[sites.matched] #!\nflank_to = 900", "[sites.matched] goes with", "'bins'"),
        (
            "REST",
            "[sites]\nkind = 'matched'\n[sites.matched]\nquantile = 1.5 #!",
            "sites.matched.quantile is 1.5",
            "0 to 1",
        ),
        ("REST", '[auxiliary]\nfolder = "p.bed" #!', "auxiliary.folder", "not a folder"),
        ("REST", "[auxiliary] #!", "key 'auxiliary.folder' is missing", ""),
        ("REST", "[auxiliary]\nfolder = '.'\nweight = -1 #!", "auxiliary.weight is -1", "least 0"),
        (
            "REST",
            '[[binary]]\npeaks = "p.bed"\nname = "Reb1" #!',
            "two [[binary]] tables",
            "'Reb1'",
        ),
        ("REST", '[[binary]]\npeaks = "p.bed"\nname = "a b" #!', "'a b'", "letters, digits"),
        ("REST", "[[binary]] #!\nname = 'Abf1'", "label 'Abf1' has no peaks", ""),
        ("REST", "[[continuous]] #!\nname = 'RNA'", "label 'RNA' has no bigwig", ""),
        (
            "REST",
            "[[continuous]]\nname = 'RNA'\nbigwig = 'h.bw'\nbin = 25 #!",
            "continuous[0].bin 25",
            "multiple of 10 bp",
        ),
        (
            "REST",
            "[[continuous]]\nname = 'RNA'\nbigwig = 'h.bw'\nloss = 'l1' #!",
            "continuous[0].loss is 'l1'",
            "poisson, mse",
        ),
        (
            "REST",
            "[[continuous]]\nname = 'RNA'\nbigwig = 'h.bw'\n"
            "[[binary]]\nname = 'x'\npeaks = 'p.bed'\nhead = 'signal' #!",
            "head 'signal' is taken",
            "",
        ),
        ("REST", "[states] #!\ntable = 'states.tsv'", "key 'states.bed' is missing", ""),
        ("TOP", "inputs.vplots = ['mnase']", "no file of the assay 'mnase'", "it has: atac"),
        ("DATA", "assays.atac = 'b.bam' #!", "data.fragments and data.assays.atac", "one of"),
    ],
)
def test_errors_of_one_sample(tmp_path, place, text, key, value):
    text = filled(ONE, place, text)
    if "#!" not in text:
        text = text.replace("[data]", "[data] #!")
    refused(tmp_path, text, key, value)


SIGNAL = "[[inputs.signals]]\nname = 'cuts'\nassay = 'atac'\n"


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        (
            SIGNAL + "[[inputs.signals]]\nassay = 'atac'\nname = 'cuts' #!",
            "two inputs are named",
            "'cuts'",
        ),
        ("[[inputs.signals]]\nassay = 'atac'\nname = 'vplot' #!", "two inputs", "'vplot'"),
        ("[[inputs.signals]]\nassay = 'atac'\nname = 'states' #!", "'states' is taken", ""),
        ("[[inputs.signals]]\nassay = 'atac'\nname = 'logits' #!", "'logits' is taken", ""),
        ("[[inputs.signals]]\nassay = 'atac'\nname = 'a b' #!", "input 'a b'", "letters"),
        ("[[inputs.signals]] #!\nname = 'cuts'", "key 'inputs.signals[0].assay' is missing", ""),
        (SIGNAL + "measure = 'ends' #!", "inputs.signals[0].measure is 'ends'", "cuts, coverage"),
        (SIGNAL + "lengths = [100] #!", "inputs.signals[0].lengths [100]", "two fragment lengths"),
        (SIGNAL + "lengths = [90, 20] #!", "length_edges", "(90, 20)"),
        (
            SIGNAL + "measure = 'values'\nlengths = [20, 90] #!",
            "inputs.signals[0].lengths [20, 90]",
            "a bigWig's values have none",
        ),
        (SIGNAL + "smooth = 20 #!", "smooth 20", "odd number of bins of 10 bp"),
        (SIGNAL + "smooth = -50 #!", "smooth -50", "odd number of bins of 10 bp"),
    ],
)
def test_errors_of_signals(tmp_path, text, key, value):
    text = filled(ONE, "REST", text)
    if key == "length_edges":  # the spec's name of it
        text = text.replace("[[inputs.signals]]", "[[inputs.signals]] #!")
        text = text.replace("lengths = [90, 20] #!", "lengths = [90, 20]")
    refused(tmp_path, text, key, value)


@pytest.mark.parametrize(
    ("place", "text", "key", "value"),
    [
        ("FIRST", "nam = 'x' #!", "unknown key 'samples[0].nam'", "mean 'name'?"),
        ("SECOND", "nam = 'x' #!", "unknown key 'samples[1].nam'", "mean 'name'?"),
        ("FIRST", "states = 3 #!", "samples[0].states must be a path", "3"),
        ("SECOND", "use = 'both' #!", "samples[1].use is 'both'", "one of train, test"),
        ("ASSAYS", "mnase = 'gone.bam' #!", "samples[1].assays.mnase: no such file", "gone.bam"),
        ("PEAKS", "Abf1 = 'p.bed' #!", "samples[1].peaks names 'Abf1'", "known: Reb1"),
        ("FIRST", "signals.RNA = 'h.bw' #!", "samples[0].signals names 'RNA'", "known: none"),
        ("FIRST", "states = 'states.bed' #!", "samples[0].states needs [states]", ""),
        ("PEAKS", "[[samples]]\nname = 'A' #!", "two [[samples]] tables are named", "'A'"),
        ("BINARY", "peaks = 'p.bed' #!", "binary[0].peaks is given beside [[samples]]", "move"),
        ("DATA", "fragments = 'a.bam' #!", "data.fragments is given beside [[samples]]", ""),
        ("DATA", "assays.atac = 'a.bam' #!", "data.assays is given beside [[samples]]", ""),
        (
            "REST",
            "[[continuous]]\nname = 'RNA'\nbigwig = 'h.bw' #!",
            "continuous[0].bigwig is given beside [[samples]]",
            "",
        ),
        (
            "REST",
            "[states]\ntable = 'states.tsv'\nbed = 'states.bed' #!",
            "states.bed is given beside [[samples]]",
            "",
        ),
        ("REST", "[states] #!\ntable = 'states.tsv'", "[states] is given, but no", "states"),
        ("REST", "[[binary]] #!\nname = 'x'", "label 'x' has no peaks in any", "peaks.x"),
        ("REST", "[[continuous]] #!\nname = 'x'", "label 'x' has no signals in any", "signals.x"),
        (
            "REST",
            "[[samples]] #!\nname = 'C'\n",
            "sample 'C' has no file of the assay 'atac'",
            "it has: none",
        ),
        (
            "REST",
            "[inputs]\nvplots = ['mnase']",
            "sample 'A' has no file of the assay 'mnase', which [inputs] reads",
            "it has: atac",
        ),
    ],
)
def test_errors_of_several_samples(tmp_path, place, text, key, value):
    text = filled(SEVERAL, place, text)
    if text.count("#!") == 0:
        text = text.replace("[[samples]]", "[[samples]] #!", 1)
    refused(tmp_path, text, key, value)


def test_a_label_known_in_a_test_sample_only_cannot_be_learnt(tmp_path):
    text = filled(SEVERAL, "BINARY", '[[binary]] #!\nname = "Abf1"')
    text = filled(text, "PEAKS", "").replace("[samples.peaks]", "[samples.peaks]\nAbf1 = 'p.bed'")
    text = text.replace('name = "B"', 'name = "B"\nuse = "test"')
    refused(tmp_path, text, "label 'Abf1' has no peaks in any [[samples]] table to train on")


def test_no_sample_to_train_on(tmp_path):
    text = filled(SEVERAL, "", "").replace("[[samples]]", "[[samples]]\nuse = 'test'")
    text = text.replace("[[samples]]", "[[samples]] #!", 1)
    refused(tmp_path, text, "no [[samples]] table has use = 'train'")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "toy"\n', "", "key 'name' is missing"),
        ('[data]\nfasta = "genome.fa"', "[data] #!", "key 'data.fasta' is missing"),
        ('[data]\nfasta = "genome.fa"\nfragments = "a.bam"\n', "", "key 'data' is missing"),
        (
            '[splits]\ntrain = ["chr1", "chr2"]\nvalidation = ["chr3"]\ntest = ["chr4"]',
            '[splits] #!\ntrain = ["chr1", "chr2"]\nvalidation = ["chr3"]',
            "key 'splits.test' is missing",
        ),
        ('["chr1", "chr2"]', "[] #!", "splits.train names no contig"),
        ('["chr3"]', '["chr2"] #!', "chr2 is in splits.train and in splits.validation"),
        ('["chr4"]', '["chr3"] #!', "chr3 is in splits.validation and in splits.test"),
        ('["chr1", "chr2"]', '["chr1", "chr1"] #!', "chr1 is twice in splits.train"),
        ('"genome.fa"', '"no.fa" #!', "data.fasta: no such file"),
        ('[[binary]]\nname = "Reb1"\npeaks = "p.bed"\n', "", "there is nothing to learn"),
        ('[[binary]]\nname = "Reb1"', "[[binary]] #!", "key 'binary[0].name' is missing"),
    ],
)
def test_errors_of_the_needed_parts(tmp_path, old, new, message):
    text = filled(ONE, "", "")
    assert text.count(old) == 1
    refused(tmp_path, text.replace(old, new), message)


def test_a_key_in_a_description_is_no_key(tmp_path):
    text = filled(ONE, "TOP", 'description = """\n[fit]\nepochs = 12\n"""')
    refused(tmp_path, f"{text}\n[fit]\nepochs = 0 #!\n", "fit.epochs is 0")
