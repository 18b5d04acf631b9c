"""The report: a page that stands alone, says what the data say, and lets no markup through."""

import csv
import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files

import numpy as np
import pytest
from report_example import (
    EVIL,
    FOREST,
    MAJORITY,
    MODEL,
    NAN,
    STATES,
    TFS,
    binary,
    full,
    sites,
    spec,
)

from chromputer_tracks.analysis.report.blocks import (
    HeadlinesBlock,
    ReportData,
    ScoredModel,
    TableBlock,
    TextBlock,
    interval,
    label_cell,
    number,
    read_history,
    share,
    signed,
    strip,
)
from chromputer_tracks.analysis.report.page import render_report, sections, write_report
from chromputer_tracks.errors import FormatError, OutputError
from chromputer_tracks.evaluation.metrics import Estimate
from chromputer_tracks.evaluation.scores import Scores
from chromputer_tracks.spec import HeadSpec

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """Tags checked for nesting; attributes, texts and headings collected."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.text = [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.text.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())


@pytest.fixture(scope="module")
def html():
    return render_report(full())


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_it_stands_alone(html, page):
    assert html.startswith('<!DOCTYPE html>\n<html lang="en">')
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    for tag, attributes in page.tags:
        assert tag not in ("script", "iframe", "object", "embed", "form")
        assert "src" not in attributes
        assert "srcset" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
        href = attributes.get("href", "data:")
        assert href.startswith("data:") or href[1:] in ids, href
        for value in attributes.values():
            assert all(target[1:] in ids for target in re.findall(r"url\((.*?)\)", value or ""))
    style = html[html.index("<style>") : html.index("</style>")]
    assert "@import" not in style
    assert "url(" not in style
    assert "http" not in html.replace("http://www.w3.org/2000/svg", "").replace("http-equiv", "")
    policy = next(a for a in page.all("meta") if a.get("http-equiv"))["content"]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert len(html) < 3_000_000


def test_nothing_brings_markup_in(html, page):
    assert "<script" not in html
    assert "alert(" in html  # shown as text
    assert f"Run {EVIL}" in page.words


def test_it_can_be_read_aloud_and_navigated(page):
    assert page.all("title") and "Run" in page.words
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:], strict=False))
    for attributes in page.all("svg"):
        assert attributes.get("aria-hidden") == "true" or (
            attributes["role"] == "img" and attributes["aria-label"]
        )
    assert len(page.all("table")) == len(page.all("caption"))
    assert all(a["scope"] in ("col", "row") for a in page.all("th"))
    assert len(page.all("figure")) == len(page.all("figcaption"))
    anchors = [a["href"] for a in page.all("a")]
    assert anchors[1:] == [f"#{a['id']}" for a in page.all("section")]
    assert {a["name"] for a in page.all("meta") if "name" in a} >= {"viewport", "color-scheme"}


def test_every_section_is_there(page):
    assert [a["id"] for a in page.all("section")] == (
        "summary comparison paired states labels signals vplots transfer training dataset "
        "notes configuration provenance"
    ).split()


def test_numbers_of_the_tables(page):
    words = page.words
    for shown in (
        "0.750 [0.700, 0.800]",  # accuracy
        "+0.050 [+0.010, +0.090]",  # paired
        "−0.040 [−0.100, +0.020] 0.3",
        "Reb1 a factor 0.560 [0.510, 0.610]",
        "0.0200",  # prevalence of Reb1
        "−0.010 [−0.060, 0.040]",  # explained
        "1,234,567",
        "12,345",
        "ab" * 32,
        "chromputer train x.toml",
        "V-plot (ATAC) and DNA sequence with DNA shape (MGW)",
        "1 bins of 200 bp",
        "2, epoch 2 chosen",
        "First part.",
        "Second part.",
        "replicates ceiling 0.950",
    ):
        assert shown in words, shown
    assert not re.search(r"\bnan\b", words.lower())


def test_the_best_of_a_row_is_bold(html):
    row = next(row for row in html.split("<tr>") if re.search(r"</span>\s*Reb1\s+<span", row))
    # The forest reaches 0.600, the network 0.560.
    assert row.count("<strong>0.600</strong>") == 2  # the other model and the baseline
    assert "<strong>0.560</strong>" not in row


@pytest.mark.parametrize(
    ("data", "anchors"),
    [
        (ReportData("t", "dataset"), []),
        (ReportData("t", "dataset", dataset=full().dataset), ["summary", "dataset"]),
        (
            ReportData("t", "evaluation", models=(ScoredModel("m", Scores(None, (), ())),)),
            ["summary"],
        ),
        (
            ReportData("t", "ablation", models=(ScoredModel("m", MAJORITY),)),
            ["summary", "states"],
        ),
        (ReportData("t", "training", config="a = 1"), ["configuration"]),
    ],
)
def test_sections_without_data_are_left_out(data, anchors):
    page = Page(render_report(data))
    assert [a["id"] for a in page.all("section")] == anchors


def test_labels_that_a_rival_did_not_score_leave_the_colours_in_step(page):
    # Abf1: the forest and the other model have no curve.
    assert "Abf1" in page.words
    row = page.words[page.words.index("Abf1 0.300") :]
    assert row.startswith("Abf1 0.300 [0.250, 0.350] – – 0.900")


def test_dataset_counts(page):
    words = page.words
    assert "chrI (train) chrVII (test)" in words
    assert "all sites 140 100 40" in words
    assert "Reb1 a factor 7 5 2" in words
    assert "Sites by label and contig. (5 rows)" in words


def test_long_tables_of_provenance_are_folded(page):
    assert "Files. (20 rows)" in page.words
    assert len(page.all("details")) == 2
    assert "Inputs. (" not in page.words


def test_write_report_is_whole_or_nothing(tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    write_report(path, ReportData("Größe µ", "dataset", config="a = 1"))
    assert "Größe µ" in path.read_text(encoding="utf-8")
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == ["report.html", "report.tables.tsv"]
    with pytest.raises(OutputError, match="does not exist"):
        write_report(tmp_path / "no" / "report.html", ReportData("t", "dataset"))


def test_every_cell_of_a_table_is_in_the_tsv(page, tmp_path):
    write_report(tmp_path / "report.html", full())
    with (tmp_path / "report.tables.tsv").open(newline="", encoding="utf-8") as file:
        cells = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    tables = [
        block
        for section in sections(full())
        for block in section.blocks
        if isinstance(block, TableBlock)
    ]
    shown = [
        (table.caption, row[0].text, column.title, cell.text, cell.note)
        for table in tables
        for row in table.rows
        for column, cell in list(zip(table.columns, row, strict=True))[1:]
        if cell.text or cell.strip
    ]
    captions = {table.caption for table in tables}
    keys = ("table", "row", "column", "text", "note")
    found = [tuple(c[key] for key in keys) for c in cells if c["table"] in captions]
    assert [tuple(" ".join(part.split()) for part in line) for line in found] == [
        tuple(" ".join(part.split()) for part in line) for line in shown
    ]
    for cell in cells:
        assert " ".join(cell["text"].split()) in page.words
    (accuracy,) = [c for c in cells if c["section"] == "Summary" and "accuracy" in c["row"]]
    assert accuracy["text"] == "0.750"
    assert [float(accuracy[key]) for key in ("value", "low", "high")] == [0.75, 0.7, 0.8]


def test_history_is_read_from_metrics_csv(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("epoch,train_loss,validation_score\n1,2.5,0.25\n2,1.5,\n")
    first, second = read_history(path)
    assert first == {"epoch": 1.0, "train_loss": 2.5, "validation_score": 0.25}
    assert np.isnan(second["validation_score"])
    path.write_text("epoch,loss\n1,2\n2,x\n")
    with pytest.raises(FormatError, match=r"metrics.csv: line 3: .*'x'"):
        read_history(path)
    path.write_text("step\n1\n")
    with pytest.raises(FormatError, match="no column 'epoch'"):
        read_history(path)


def test_the_template_and_the_style_sheet_are_package_data():
    folder = files("chromputer_tracks.analysis") / "templates"
    assert {item.name for item in folder.iterdir()} >= {"report.html.j2", "report.css"}


# ---- The first section of a report: headlines, and how its parts are said.


def headlines(**changes):
    fields = {"title": "t", "kind": "evaluation", **changes}
    for section in sections(ReportData(**fields)):
        for block in section.blocks:
            if isinstance(block, HeadlinesBlock):
                return [(h.name, h.text, h.gain, h.against, h.better) for h in block.headlines]
    return []


def test_headlines_stand_beside_the_best_baseline():
    models = (ScoredModel("net", MODEL),)
    assert headlines(
        models=models, baselines=(ScoredModel("forest", FOREST), ScoredModel("majority", MAJORITY))
    ) == [
        ("States: accuracy", "0.750", "+0.050", "forest 0.700", True),
        ("States: macro-F1", "0.400", "+0.000", "forest 0.400", False),
        # No baseline scored Abf1, the lower of two: its prevalence stands in.
        ("Abf1: AUPRC (median label)", "0.300", "+0.295", "a random ranking 0.005", True),
    ]


def test_headlines_without_states_are_the_weakest_the_median_and_the_strongest_label():
    found = Scores(None, tuple(binary(n, v) for n, v in (("A", 0.5), ("B", 0.9), ("C", 0.1))), ())
    assert [name for name, *_ in headlines(models=(ScoredModel("m", found),))] == [
        "C: AUPRC (weakest label)",
        "A: AUPRC (median label)",
        "B: AUPRC (strongest label)",
    ]
    one = Scores(None, (binary("A", 0.01, 20),), ())
    (found,) = headlines(models=(ScoredModel("m", one),))
    assert found == ("A: AUPRC", "0.010", "−0.010", "a random ranking 0.020", False)


def test_one_label_is_one_label():
    one = replace(
        spec(), heads=(HeadSpec("states", "states", STATES), HeadSpec("binary", "tf", TFS[:1]))
    )
    data = ReportData("t", "training", models=(ScoredModel("m", MAJORITY, one),))
    assert "2 chromatin states and 1 label<" in render_report(data)


@pytest.mark.parametrize(
    ("contigs", "words"),
    [
        (("chrVII",), []),
        (("chrI", "chrVII"), ["include chrI. The model was trained on them"]),
        (("chrII",), ["include chrII. They chose the epoch"]),
    ],
)
def test_scoring_what_was_trained_on_is_said(contigs, words):
    data = ReportData("t", "evaluation", models=(ScoredModel("m", MODEL, spec(), sites(*contigs)),))
    found = [b.text for b in sections(data)[0].blocks if isinstance(b, TextBlock) and b.warning]
    assert len(found) == len(words)
    assert all(one in text for one, text in zip(words, found, strict=True))


def test_forms_of_numbers():
    assert (number(0.74951), number(-0.02), number(NAN)) == ("0.750", "−0.020", "–")
    assert (signed(0.0525), signed(-1.0)) == ("+0.052", "−1.000")
    assert (share(0.0203), share(0.00060), share(0.5), share(NAN)) == (
        "0.0203",
        "0.000600",
        "0.500",
        "–",
    )
    assert interval(Estimate(0.5, 0.4, 0.6)) == "[0.400, 0.600]"
    assert interval(Estimate(0.5, NAN, 0.6)) == ""
    cut = strip(Estimate(0.5, -0.2, NAN), (NAN, 1.5))
    assert (cut.value, cut.low, cut.high, cut.marks) == (0.5, 0.0, 0.5, (1.0,))


def test_full_names_do_not_repeat_the_short_one():
    assert label_cell("Reb1", "Reb1 (a factor)", (1, 2, 3)).note == "a factor"
    assert label_cell("S5", "Active promoter (PIC)", (1, 2, 3)).note == "Active promoter (PIC)"
    assert label_cell("S5", "S5", (1, 2, 3)).note == ""
    assert label_cell("S5", "S5", (1, 2, 255)).color == "#0102ff"
