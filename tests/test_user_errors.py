"""What a new user does wrong ends in one message that says where, what, and how to mend it."""

from __future__ import annotations

from pathlib import Path

import pytest

from chromputer_tracks.errors import ConfigError
from chromputer_tracks.model.config_file import load_config

CONFIG = """
name = "lab"
assembly = "toy"
TOP
[data]
fasta = "genome.fa"
[splits]
train = ["chr1"]
validation = ["chr2"]
test = ["chr3"]
[inputs]
vplots = []
[[binary]]
name = "Reb1"
peaks = ["one.bed"]
LABEL
"""


def config_error(folder: Path, text: str) -> str:
    """What loading the configuration says; each file that is named ``.bed`` or ``.fa`` is there."""
    for name in ("genome.fa", "one.bed", "two.bed"):
        (folder / name).touch()
    (folder / "peaks").mkdir(exist_ok=True)
    path = folder / "config.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    return str(caught.value)


def filled(top: str = "", label: str = "") -> str:
    return CONFIG.replace("TOP", top).replace("LABEL", label)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (filled("sead = 2"), "line 4: unknown key 'sead'; did you mean 'seed'?"),
        (filled("epochs = 2"), "notes; a key of this name belongs into [fit]"),
        (filled("bed = 'x'"), "belongs into [states]"),
        (filled(label="tilte = 'x'"), "unknown key 'binary[0].tilte'; did you mean 'title'?"),
        (filled("[fit]\nepochs = '8'"), "line 5: fit.epochs must be a whole number, got '8'"),
    ],
)
def test_a_wrong_key_or_value_is_told_what_is_meant(tmp_path, text, message):
    assert message in config_error(tmp_path, text)


def test_a_folder_is_no_file(tmp_path):
    text = filled().replace('"genome.fa"', '"peaks"')
    assert f"line 6: data.fasta: {tmp_path / 'peaks'} is a folder; name a file" in config_error(
        tmp_path, text
    )


def test_a_contig_twice_in_a_split(tmp_path):
    text = filled().replace('["chr3"]', '["chr3", "chr3"]')
    assert config_error(tmp_path, text).endswith("line 10: chr3 is twice in splits.test")


@pytest.mark.parametrize("how", ["rank", "intersection"])
def test_agreement_of_one_file(tmp_path, how):
    said = config_error(tmp_path, filled(label=f"agreement = '{how}'"))
    assert f"line 16: agreement '{how}' of label 'Reb1' needs the peaks of two replicates" in said


def test_one_file_as_two_replicates(tmp_path):
    text = filled(label="agreement = 'intersection'").replace("one.bed", 'one.bed", "one.bed')
    said = config_error(tmp_path, text)
    assert f"line 15: label 'Reb1' has the file {tmp_path / 'one.bed'} twice" in said


def test_two_files_may_agree(tmp_path):
    for name in ("genome.fa", "one.bed", "two.bed"):
        (tmp_path / name).touch()
    path = tmp_path / "config.toml"
    path.write_text(filled(label="agreement = 'rank'").replace("one.bed", 'one.bed", "two.bed'))
    assert len(load_config(path).binary[0].peaks) == 2


def test_an_unknown_motif_is_found_before_training(tmp_path):
    said = config_error(tmp_path, filled(label="motif = 'MA9999'"))
    assert "line 16: JASPAR has no motif 'MA9999'; give a matrix ID such as MA0363" in said


def test_peaks_of_matched_sites_go_into_their_table(tmp_path):
    said = config_error(tmp_path, filled("[sites]\nkind = 'matched'\npeaks = 'one.bed'"))
    assert said.endswith("accessible regions of the kind 'matched' are sites.matched.peaks")
    assert "line 6: " in said
