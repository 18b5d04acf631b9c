"""The examples of the documentation's pages do what is shown, on the yeast data."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from docs_pages import DOCS, ROOT, blocks, run_page

from chromputer_tracks.data.label_files import read_states
from chromputer_tracks.errors import ConfigError
from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.io.state_table import read_state_table
from chromputer_tracks.model.config_file import load_config

ROADMAP = (
    *("1_TssA", "2_TssAFlnk", "3_TxFlnk", "4_Tx", "5_TxWk", "6_EnhG", "7_Enh", "8_ZNF/Rpts"),
    *("9_Het", "10_TssBiv", "11_BivFlnk", "12_EnhBiv", "13_ReprPC", "14_ReprPCWk", "15_Quies"),
)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that looks like the root of a checkout, to write into."""
    for name in ("examples", "models"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def undocumented(run: dict[str, object], text: str) -> list[str]:
    """Outputs of a run whose kind a page does not name."""
    outputs = run["outputs"]
    assert isinstance(outputs, list)
    names = {
        "states": "states/STATE",
        "binary": "binary/NAME",
    }
    missing = []
    for output in outputs:
        folder, _, rest = output.partition("/")
        if folder in names:
            shown = f"{names[folder]}.{rest.rpartition('.')[2]}"
        else:
            shown = rest.partition("/")[0] if run["kind"] == "explain" else output
            shown += "/" if "/" in rest else ""
        if f"`{shown}`" not in text:
            missing.append(output)
    return missing


def test_quickstart_reading_and_browsers(checkout: Path) -> None:
    wrong = [
        message
        for name in ("quickstart.md", "reading-tracks.md", "browsers.md")
        for message in run_page(name, page(name), checkout)
    ]
    assert wrong == []
    for folder in ("tracks", "reb1"):
        run = json.loads((checkout / folder / "run.json").read_text())
        assert undocumented(run, page("reading-tracks.md")) == []
    assert undocumented({"kind": "predict", "outputs": ["new.bed"]}, "") == ["new.bed"]


def test_cluster(checkout: Path) -> None:
    assert list(run_page("cluster.md", page("cluster.md"), checkout)) == []
    assert (checkout / "predicted" / "wt" / "run.json").is_file()


def test_a_wrong_example_is_seen(tmp_path: Path) -> None:
    text = "```console\n$ echo one\none\n$ echo two\n2\n$ exit 3\n```\n"
    text += "```pycon\n>>> 1 + 1\n3\n```\n"
    two, exited, added = run_page("page.md", text, tmp_path)
    assert two.startswith("page.md:2: echo two")
    assert "exit code 3" in exited
    assert "Expected:\n    3" in added


@pytest.fixture
def human(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files of human.md, with stand-ins for what is downloaded."""
    monkeypatch.chdir(tmp_path)
    rows = [f"chr1\t{n * 1000}\t{n * 1000 + 1000}\t{state}\n" for n, state in enumerate(ROADMAP)]
    with gzip.open("E116_15_coreMarks_hg38lift_mnemonics.bed.gz", "wt") as file:
        file.writelines(rows)
    assert list(run_page("human.md", page("human.md"), tmp_path)) == []
    return tmp_path


def test_states_of_the_human_page_can_be_read(human: Path) -> None:
    sizes = ChromSizes({"chr1": 20_000}, "hg38.fa.gz")
    for bed, table, count in (("states", "states15", 15), ("states8", "states8", 8)):
        labels = read_state_table(human / f"{table}.tsv")
        states = read_states(human / f"gm12878.{bed}.bed", labels, sizes, "")
        assert len(labels) == count
        assert {labels[code].name for code in states.at("chr1", range(500, 15_000, 1000))} == {
            label.name for label in labels
        }


def test_the_configuration_of_the_human_page_is_right(human: Path) -> None:
    (text,) = (block.text for block in blocks(page("human.md")) if block.kind == "toml")
    path = human / "config.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="no such file"):
        load_config(path)
    for name in (
        *("hg38.fa.gz", "blacklist.bed.gz", "genes.bed.gz", "accessible.narrowPeak.gz"),
        *("gm12878.fragments.tsv.gz", "k562.fragments.tsv.gz", "k562.states8.bed"),
        *("gm12878.ctcf.idr.narrowPeak.gz", "k562.ctcf.idr.narrowPeak.gz"),
        *("gm12878.rest.rep1.narrowPeak.gz", "gm12878.rest.rep2.narrowPeak.gz"),
        "gm12878.h3k27ac.narrowPeak.gz",
    ):
        (human / name).touch()
    config = load_config(path)
    assert [(sample.name, sample.use) for sample in config.samples] == [
        ("GM12878", "train"),
        ("K562", "test"),
    ]
    assert {name: len(labels) for name, labels in config.binary_heads().items()} == {
        "binary": 2,
        "marks": 1,
    }
    held_out = {*config.splits.train, *config.splits.validation, *config.splits.test}
    assert {f"chr{n}" for n in (19, 20, 21, 22, "X", "Y")}.isdisjoint(held_out)
    assert len(held_out) == 18
