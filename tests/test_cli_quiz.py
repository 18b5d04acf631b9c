"""``chromputer quiz`` on a toy genome and a tiny model whose logits are known exactly."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from quiz_toy import SIZES, SPLITS, Toy, make_toy, payload, pixels
from test_console import without
from tiny_models import tiny_spec, write_tiny_model

from chromputer_tracks.data.features import Features
from chromputer_tracks.intervals import Interval
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.fragment_store import FragmentStore

REGION = re.compile(r"(\w+):([\d,]+)-([\d,]+)")


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    return make_toy(tmp_path_factory.mktemp("quiz"))


@pytest.fixture(scope="module")
def page(toy: Toy) -> str:
    return toy.page("--choices", "all", "--tsv")


def place(region: str) -> tuple[str, int]:
    """Contig and start of a bin."""
    chrom, start, end = REGION.fullmatch(region).groups()  # type: ignore[union-attr]
    first, last = (int(text.replace(",", "")) for text in (start, end))
    assert last - first == 199
    return chrom, first - 1


def refused(toy: Toy, *more: object, states: bool = True) -> str:
    result = toy.quiz(*more, states=states, out="refused.html")
    assert result.exit_code == 1, result.output
    assert not (toy.folder / "refused.html").exists()
    assert result.stderr.splitlines()[-1].startswith("error: ")
    return result.stderr.splitlines()[-1]


def window_logits(toy: Toy, places: list[tuple[str, int]]) -> np.ndarray:
    """Calibrated by hand, float64 (n, 5): one window a bin."""
    spec = tiny_spec()
    session = ort.InferenceSession(str(toy.folder / "tiny" / "predict.onnx"))
    found = []
    with (
        Fasta(toy.folder / "toy.fa") as fasta,
        FragmentStore.build(toy.folder / "toy.fragments.tsv.gz", fasta.sizes) as store,
    ):
        features = Features(spec.inputs, fasta, {"atac": store})
        for chrom, start in places:
            arrays = features.arrays(Interval(chrom, start - 50, start + 250))
            (logits,) = session.run(["logits"], {k: v[None] for k, v in arrays.items()})
            found.append(logits[0, :, 0])
    labels = [label for head in spec.heads for label in head.labels]
    scale, bias = np.array([(label.scale, label.bias) for label in labels]).T
    return np.array(found, dtype=np.float64) * scale + bias


def state_probabilities(toy: Toy, places: list[tuple[str, int]]) -> np.ndarray:
    """Float64 (n, 3)."""
    odds = np.exp(window_logits(toy, places)[:, :3])
    return odds / odds.sum(axis=1, keepdims=True)


def shown(toy: Toy, chrom: str, start: int) -> list[tuple[int, int]]:
    """Length and offset from the picture's start of the fragments of a bin's picture."""
    genome, first = toy.genome, start - 50
    # Identical fragments count once.
    rows = set(zip(genome.starts[chrom].tolist(), genome.ends[chrom].tolist(), strict=True))
    return [
        (e - s, (s + e) // 2 - first)
        for s, e in rows
        if first <= (s + e) // 2 < first + 300 and 20 <= e - s < 400
    ]


def test_answers_are_the_labels_and_probabilities_those_of_the_graph(toy: Toy, page: str):
    data = payload(page)
    assert len(data["questions"]) == 20
    places = [place(item["answer"]["site"]) for item in data["questions"]]
    assert {chrom for chrom, _ in places} == {"chr3"}
    assert [item["answer"]["truth"] for item in data["questions"]] == [
        toy.states[where] for where in places
    ]
    expected = state_probabilities(toy, places)
    got = [item["answer"]["probabilities"] for item in data["questions"]]
    np.testing.assert_allclose(got, expected, atol=1e-4)
    # Frequencies of the classes among the training sites that show enough, one added to each.
    counts = Counter(
        code
        for (chrom, start), code in toy.states.items()
        if chrom == "chr1" and 50 <= start <= 60_000 - 250 and len(shown(toy, chrom, start)) >= 20
    )
    odds = expected / [counts[k] + 1 for k in range(3)]
    odds /= odds.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(
        [item["answer"]["odds"] for item in data["questions"]], odds, atol=1e-4
    )
    assert [item["answer"]["model"] for item in data["questions"]] == odds.argmax(1).tolist()
    assert {item["answer"]["commonest"] for item in data["questions"]} == {0}


def test_pictures_hold_the_fragments_around_the_site(toy: Toy, page: str):
    data = payload(page)
    assert (data["window"], data["bin"], data["edges"]) == (300, 10, [*range(20, 401, 10)])
    for item in data["questions"]:
        fragments = shown(toy, *place(item["answer"]["site"]))
        counts = np.zeros((38, 30), dtype=int)
        for length, offset in fragments:
            counts[(length - 20) // 10, offset // 10] += 1
        np.testing.assert_array_equal(pixels(item["picture"], data), counts)
        assert item["picture"]["fragments"] == len(fragments) >= 20


def test_classes_are_asked_equally_often_and_pictures_do_not_overlap(page: str):
    data = payload(page)
    asked = Counter(item["answer"]["truth"] for item in data["questions"])
    assert sorted(asked.values()) == [6, 7, 7]
    starts = sorted(place(item["answer"]["site"])[1] for item in data["questions"])
    assert min(np.diff(starts)) >= 300


def test_the_lesson_is_of_training_contigs(toy: Toy, page: str):
    lessons = payload(page)["lessons"]
    assert [lesson["code"] for lesson in lessons] == [0, 1, 2]
    for lesson in lessons:
        eligible = [
            fragments
            for (chrom, start), code in toy.states.items()
            if chrom == "chr1" and code == lesson["code"] and 50 <= start <= 60_000 - 250
            if len(fragments := shown(toy, chrom, start)) >= 20
        ]
        assert lesson["sites"] == len(eligible)
        cut = len(eligible) // 20
        middle = sorted(map(len, eligible))[cut : len(eligible) - cut]
        assert lesson["fragments"] == pytest.approx(np.mean(middle), abs=0.051)
        assert len(lesson["examples"]) == 3
    assert payload(toy.page("--no-lesson", out="bare.html"))["lessons"] == []


def test_sites_of_too_many_fragments_are_neither_asked_nor_shown(toy: Toy):
    many = {where: len(shown(toy, *where)) for where in toy.states}
    inside = {
        (chrom, start): count
        for (chrom, start), count in many.items()
        if chrom != "chr2" and 50 <= start <= SIZES[chrom] - 250
    }
    result = toy.quiz("--max-fragments", "26", "--questions", "6", "--tsv", out="most.html")
    assert result.exit_code == 0, result.output
    left_out = sum(count > 26 for count in inside.values())
    said = f"note: {left_out} sites of {len(inside)} left out, with more than 26 fragments"
    assert said in result.stderr
    page = (toy.folder / "most.html").read_text()
    data = payload(page)
    assert all(many[place(item["answer"]["site"])] <= 26 for item in data["questions"])
    assert "at most 26: more have repeats" in page
    assert f"({left_out} sites left out)" in page
    asked = [(where, count) for where, count in inside.items() if 20 <= count <= 26]
    for lesson in data["lessons"]:
        of_class = [where for where, _ in asked if toy.states[where] == lesson["code"]]
        assert lesson["sites"] == sum(chrom == "chr1" for chrom, _ in of_class)
    record = json.loads((toy.folder / "most.json").read_text())
    assert record["outliers"] == {"fragments_above": 26, "sites": left_out}


def test_a_seed_makes_the_page_and_threads_do_not(toy: Toy, page: str):
    again = toy.page("--choices", "all", "--threads", "2", out="again.html")
    assert again == page
    other = payload(toy.page("--choices", "all", "--seed", "1", out="other.html"))
    sites = [{i["answer"]["site"] for i in data["questions"]} for data in (payload(page), other)]
    assert len(sites[0] & sites[1]) < 15


def test_tables_say_what_the_page_says(toy: Toy, page: str):
    data = payload(page)
    with (toy.folder / "quiz.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert len(rows) == 20
    for row, item in zip(rows, data["questions"], strict=True):
        answer = item["answer"]
        assert (row["chrom"], int(row["start"])) == place(answer["site"])
        assert int(row["end"]) == int(row["start"]) + 200
        assert row["truth"] == f"S{answer['truth']}"
        assert row["model"] == f"S{answer['model']}"
        assert row["choices"] == "S0,S1,S2"
        for k in range(3):
            assert float(row[f"probability_S{k}"]) == pytest.approx(
                answer["probabilities"][k], abs=6e-5
            )
            assert float(row[f"quiz_S{k}"]) == pytest.approx(answer["odds"][k], abs=6e-5)
    record = json.loads((toy.folder / "quiz.json").read_text())
    right = sum(row["model"] == row["truth"] for row in rows)
    assert record["right"]["model"] == right
    assert record["right"]["most_common"] == sum(row["truth"] == "S0" for row in rows)
    assert record["model_on_all_sites"]["sites"] == sum(c["eligible"] for c in record["classes"])
    assert [c["asked"] for c in record["classes"]] == [
        sum(row["truth"] == f"S{k}" for row in rows) for k in range(3)
    ]
    assert set(record["inputs"]) == {"fasta", "states", "assay atac"}
    assert record["model"]["name"] == "tiny" and record["model"]["sha256"]


def test_the_terminal_tells_the_score(toy: Toy):
    result = toy.quiz("--choices", "all", "--tsv")
    record = json.loads((toy.folder / "quiz.json").read_text())
    accuracy = record["model_on_all_sites"]["accuracy"]
    text = " ".join(result.stderr.split())
    assert f"answers {record['right']['model']} of these 20 questions" in text
    assert f"right at {accuracy['value']:.3f} [{accuracy['low']:.3f}, " in text
    assert "chance at 0.333" in text
    assert "has no explain.onnx" in text
    for name in ("quiz.html", "quiz.tsv", "quiz.json"):
        assert name in text


class _Tags(HTMLParser):
    """Checks that elements are closed in order, and collects what is loaded and shown."""

    VOID = frozenset({"meta", "link", "input", "br", "img"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("src", "href", "action"):
                self.links.append(value or "")
            if name == "id":
                self.ids.append(value or "")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_is_whole_and_loads_nothing(toy: Toy, page: str):
    tags = _Tags()
    tags.feed(page)
    tags.close()
    assert tags.open == []
    assert len(set(tags.ids)) == len(tags.ids)
    assert all(link.startswith(("data:", "#")) for link in tags.links)
    assert not re.search(r"https?:|//[a-z]+\.", page)
    assert "default-src 'none'" in page
    assert str(toy.folder) not in page
    # Every element that the script asks for is there.
    asked = set(re.findall(r'\$\("([\w-]+)"\)', page)) | set(re.findall(r'replace\("(\w+)"', page))
    made_by_script = {"next"}
    only_with_lesson = {"lessons", "means", "study", "begin-now"}
    assert asked - made_by_script <= set(tags.ids)
    bare = _Tags()
    bare.feed(toy.page("--no-lesson", out="bare.html"))
    assert asked - made_by_script - only_with_lesson <= set(bare.ids)


def test_answers_do_not_stand_in_the_page(page: str):
    for item in payload(page)["questions"]:
        assert item["answer"]["site"] not in page
        assert set(item) == {"choices", "picture", "sealed", "answer"}


def test_four_choices_of_more(toy: Toy, page: str):
    # Three classes: as many choices, and no more.
    assert payload(toy.page(out="four.html"))["choices"] == 3
    assert [item["choices"] for item in payload(page)["questions"]] == [[0, 1, 2]] * 20


def test_a_label_instead_of_states(toy: Toy):
    rng = np.random.default_rng(8)
    chosen = [where for where in toy.states if where[0] != "chr2" and rng.random() < 0.15]
    peaks = toy.folder / "TF2.bed"
    peaks.write_text("".join(f"{c}\t{at + 90}\t{at + 91}\n" for c, at in chosen))
    data = payload(toy.page("--label", "TF2", "--peaks", peaks, states=False, out="binary.html"))
    assert [item["name"] for item in data["classes"]] == ["other", "TF2"]
    assert data["choices"] == 2
    assert Counter(i["answer"]["truth"] for i in data["questions"]) == {0: 10, 1: 10}
    for item in data["questions"]:
        chrom, start = place(item["answer"]["site"])
        near = [(c, at) for c, at in chosen if c == chrom and abs(at - start) <= 200]
        # Next to a peak is neither yes nor no.
        assert item["answer"]["truth"] == ((chrom, start) in chosen)
        assert item["answer"]["truth"] or not near
        (logit,) = window_logits(toy, [(chrom, start)])[:, 4]
        some = 1 / (1 + np.exp(-logit))
        assert item["answer"]["probabilities"] == pytest.approx([1 - some, some], abs=1e-4)
    # chr2 has no peak in the file: nothing is known of it.
    message = refused(toy, "--label", "TF2", "--peaks", peaks, "--chrom", "chr2", states=False)
    assert "0, 0 sites with enough fragments" in message
    assert "has no such binary label; it has TF1, TF2" in refused(
        toy, "--label", "Reb1", "--peaks", peaks, states=False
    )
    for more in (("--label", "TF2"), (), ("--label", "TF2", "--peaks", peaks)):
        with_states = more[-1:] == (peaks,)
        assert "--peaks" in refused(toy, *more, states=with_states)


def test_contigs_of_the_questions(toy: Toy):
    assert "was trained on chr1, so that it would only have to remember" in refused(
        toy, "--chrom", "chr1"
    )
    result = toy.quiz("--chrom", "chr1", "--allow-training-contigs", out="train.html")
    assert result.exit_code == 0
    assert "note: tiny was trained on chr1" in result.stderr
    assert "how frequent each class is, is taken from the contigs of the questions" in result.stderr
    data = payload((toy.folder / "train.html").read_text())
    assert {place(i["answer"]["site"])[0] for i in data["questions"]} == {"chr1"}
    assert "never seen" not in (toy.folder / "train.html").read_text()
    tuned = toy.quiz("--chrom", "chr2", "--chrom", "chr3", out="tuned.html")
    assert "note: tiny was tuned and calibrated on chr2" in tuned.stderr
    assert "--chrom: contig 'chr9' is not in" in refused(toy, "--chrom", "chr9")
    assert "0, 0, 0 sites with enough fragments" in refused(toy, "--chrom", "chr4")


def test_a_class_with_too_few_sites_is_left_out(toy: Toy, tmp_path: Path):
    rows = (toy.folder / "states.bed").read_text().splitlines()
    few = [r for r in rows if not (r.startswith("chr3") and r.endswith("S2"))]
    few += [r for r in rows if r.startswith("chr3\t4") and r.endswith("S2")][:4]
    bed = tmp_path / "few.bed"
    bed.write_text("\n".join(few) + "\n")
    result = toy.quiz("--states", bed, "--tsv", states=False, out="few.html")
    assert result.exit_code == 0, result.output
    assert "so not asked: S2 (" in result.stderr
    assert "2 classes are asked, so there are as many choices" in result.stderr
    data = payload((toy.folder / "few.html").read_text())
    assert data["offered"] == [0, 1]
    record = json.loads((toy.folder / "few.json").read_text())
    eligible = [item["eligible"] for item in record["classes"]]
    assert 0 < eligible[2] <= 4
    assert data["score"]["sites"] == sum(eligible[:2])
    assert [item["model_right"] is None for item in record["classes"]] == [False, False, True]
    assert {i["answer"]["truth"] for i in data["questions"]} == {0, 1}
    for item in data["questions"]:
        assert item["choices"] == [0, 1]
        assert item["answer"]["model"] in (0, 1)
        assert item["answer"]["odds"][2] == 0
        assert sum(item["answer"]["odds"]) == pytest.approx(1, abs=2e-4)
    message = refused(toy, "--min-fragments", "1000")
    assert "0, 0, 0 sites with enough fragments" in message
    assert "lower --min-fragments" in message


def test_states_that_do_not_fit(toy: Toy, tmp_path: Path):
    bed = tmp_path / "other.bed"
    bed.write_text("chr3\t0\t200\tE7\n")
    message = refused(toy, "--states", bed, states=False)
    assert "line 1: state 'E7' is not among the states (S0, S1" in message
    bed.write_text("chr3\t0\t200\tS0\nchr3\t100\t300\tS1\n")
    assert "overlap" in refused(toy, "--states", bed, states=False)
    table = tmp_path / "states.tsv"
    table.write_text("state\tname\tcolor\nS1\tone\t1,2,3\nS0\tzero\t4,5,6\n")
    assert "names the states S1, S0, but model tiny has S0, S1, S2" in refused(
        toy, "--state-table", table
    )
    table.write_text(table.read_text() + "S2\t<two>\t7,8,9\n")
    page = toy.page("--state-table", table, out="named.html")
    assert payload(page)["classes"] == [
        {"name": "S0", "title": "zero", "color": "#040506"},
        {"name": "S1", "title": "one", "color": "#010203"},
        {"name": "S2", "title": "<two>", "color": "#070809"},
    ]
    assert "<two>" not in page


def test_regions_not_to_ask(toy: Toy, tmp_path: Path):
    bed = tmp_path / "not.bed"
    bed.write_text("chr3\t0\t30000\n")
    data = payload(toy.page("--blacklist", bed, "--questions", "9", out="masked.html"))
    assert min(place(i["answer"]["site"])[1] for i in data["questions"]) >= 29_900


def test_models_that_cannot_play(toy: Toy, tmp_path: Path):
    spec = tiny_spec(sizes_digest=toy.genome.sizes.digest(), splits={**SPLITS, "test": ()})
    bare = Toy(tmp_path, toy.genome, toy.states)
    toy.genome.write(tmp_path)
    (tmp_path / "states.bed").write_text((toy.folder / "states.bed").read_text())
    write_tiny_model(tmp_path / "tiny", spec)
    assert "names no test contigs: name held-out contigs with --chrom" in refused(bare)
    assert bare.quiz("--chrom", "chr3").exit_code == 0


def test_the_command_line_is_checked_first(toy: Toy, monkeypatch: pytest.MonkeyPatch):
    result = toy.quiz(out="quiz.txt")
    assert result.exit_code == 2
    assert "no name of a page (.html)" in " ".join(result.stderr.split())
    (toy.folder / "nowhere").touch()
    result = toy.quiz(out="nowhere/quiz.html")
    assert result.exit_code == 1
    assert "nowhere: it is a file; name a folder" in result.stderr
    without(monkeypatch, "matplotlib")
    result = toy.quiz()
    assert result.stderr == (
        "error: a quiz needs matplotlib: pip install 'chromputer-tracks[analysis]'\n"
    )
