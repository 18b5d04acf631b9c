"""``chromputer view`` as a process: its address, Ctrl-C, sessions, and what it refuses."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, nullcontext

import pytest
from typer.testing import CliRunner

from chromputer_tracks.cli import view as command
from chromputer_tracks.cli.main import app
from chromputer_tracks.inference.session import load_model


def invoke(*args):
    return CliRunner().invoke(app, ["view", *map(str, args)])


@contextmanager
def started(*args, env=None):
    """The running command, and its first line; killed at the end if it still runs."""
    code = "from chromputer_tracks.cli.main import run; run()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "view", *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"COLUMNS": "200"} | (env or {}),
        # Shells start background jobs that ignore Ctrl-C, and children inherit it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        yield process, process.stderr.readline()
    finally:
        process.kill()
        process.communicate()


def address(line):
    """Below which the page and its files lie for who has the printed address."""
    place, token = re.search(r"(http://127\.0\.0\.1:\d+/)\?token=([\w-]{32})(?!\S)", line).groups()
    return f"{place}{token}/"


def stopped(process, number):
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    return process.returncode, out, err


def test_it_serves_until_ctrl_c(demo):
    args = (demo.predicted, demo.explained, "--no-browser", "--log-requests")
    with started(*args) as (process, line):
        assert line.startswith("33 tracks at http://127.0.0.1:")
        request = urllib.request.Request(
            address(line) + "tracks/0/states.bb", headers={"Range": "bytes=0-3"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert (answer.status, answer.read()) == (206, b"\xeb\xf2\x89\x87")
        # A connection that a browser keeps open does not hold it up.
        with urllib.request.urlopen(address(line), timeout=10):
            begun = time.monotonic()
            code, out, err = stopped(process, signal.SIGINT)
        assert time.monotonic() - begun < 5
    assert (code, out) == (0, "")
    assert "'GET /tracks/0/states.bb HTTP/1.1' 206 bytes=0-3" in err
    assert address(line).rsplit("/", 2)[1] not in err
    assert err.endswith("\nStopped\n")
    assert "Traceback" not in err
    with pytest.raises(OSError):
        urllib.request.urlopen(address(line), timeout=2)


def test_who_has_no_token_gets_nothing_unless_asked_for(demo):
    with started(demo.predicted, "--no-browser") as (_, line):
        place = address(line).rsplit("/", 2)[0] + "/"
        for name in ("", "view.json", "tracks/0/states.bb", "?token=" + "a" * 32):
            with pytest.raises(urllib.error.HTTPError, match="403"):
                urllib.request.urlopen(place + name, timeout=10)
    with started(demo.predicted, "--no-browser", "--no-token") as (_, line):
        place = re.search(r"http://\S+", line)[0]
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", place)
        with urllib.request.urlopen(place + "view.json", timeout=10) as answer:
            assert json.load(answer)["title"] == "predicted"


def test_requests_are_not_shown_unasked(demo):
    with started(demo.predicted, "--no-browser") as (process, line):
        with urllib.request.urlopen(re.search(r"http://\S+", line)[0], timeout=10) as answer:
            assert (answer.status, answer.url) == (200, address(line))
        code, out, err = stopped(process, signal.SIGTERM)
    assert (code, out) == (128 + signal.SIGTERM, "")
    assert err == "\nStopped by SIGTERM\n"


def test_it_tells_how_to_reach_it_through_ssh(demo):
    env = {"SSH_CONNECTION": "10.0.0.1 5 10.0.0.2 22", "DISPLAY": ":9"}
    with started(demo.predicted, env=env) as (process, line):
        port = re.search(r"1:(\d+)/", line)[1]
        assert f"ssh -L {port}:localhost:{port} " in process.stderr.readline()


class Served(nullcontext):
    """Stands for a server."""

    url = "http://127.0.0.1:1/?token=kept"
    port = 1
    serving = nullcontext

    def url_once(self):
        return "http://127.0.0.1:1/?token=once"

    def __enter__(self):
        return self


def ctrl_c(*_):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("args", "env", "opened"),
    [
        ([], {"DISPLAY": ":0"}, 1),
        ([], {"WAYLAND_DISPLAY": "wayland-0"}, 1),
        (["--no-browser"], {"DISPLAY": ":0"}, 0),
        ([], {}, 0),
        ([], {"DISPLAY": ":0", "SSH_CONNECTION": "a b c d"}, 0),
    ],
)
def test_a_browser_is_opened_where_there_is_a_display(demo, monkeypatch, args, env, opened):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("chromputer_tracks.tracks.view.run.open_server", lambda *_: Served())
    monkeypatch.setattr("time.sleep", ctrl_c)
    urls = []
    monkeypatch.setattr("webbrowser.open", urls.append)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SSH_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert invoke(demo.predicted, *args).exit_code == 0
    # Other users of the machine see what a browser is started with.
    assert urls == ["http://127.0.0.1:1/?token=once"] * opened


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_other_systems_always_have_a_display(monkeypatch, platform):
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.delenv("DISPLAY", raising=False)
    assert command._has_display()


def test_sessions_are_written_in_place_of_serving(demo, tmp_path):
    genes = tmp_path / "genes.bed"
    genes.write_text("chr1\t10\t90\tTHR1\n")
    out = tmp_path / "out"
    result = invoke(
        *(demo.predicted, "--track", genes, "--fasta", demo.fasta),
        *("--locus", "chr1:101-300", "--write-session", out),
    )
    assert (result.exit_code, result.stdout) == (0, "")
    assert "10 tracks in" in result.stderr
    session = json.loads((out / "session.json").read_text())
    assert session["locus"] == "chr1:101-300"
    assert session["tracks"][0]["name"] == "genes"
    assert sorted(path.name for path in out.iterdir()) == ["session.json", "session.xml"]


def test_named_samples(demo, tmp_path):
    result = invoke(
        *("--sample", f"wild type={demo.predicted}", "--sample", f"other={demo.explained}"),
        *("--write-session", tmp_path / "out"),
    )
    assert result.exit_code == 0, result.stderr
    names = [
        track["name"] for track in json.loads((tmp_path / "out/session.json").read_text())["tracks"]
    ]
    assert names[0] == "wild type Chromatin states"
    assert names[-1] == "other H3 explained sites"


@pytest.mark.parametrize("text", ["plain", "=dir", "name="])
def test_a_sample_needs_a_name_and_a_folder(text):
    result = invoke("--sample", text)
    assert result.exit_code == 2
    assert "is not NAME=DIR" in result.stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "name a folder that `chromputer predict`"),
        (["nowhere"], "nowhere"),
        (["{predicted}", "--fasta", "nowhere.fa"], "nowhere.fa"),
        (["{predicted}", "--track", "reads.bam"], "reads.bam: a track must be"),
        (["{predicted}", "--locus", "chrZ:1-10"], "chrZ"),
    ],
)
def test_what_cannot_be_shown_is_an_error(demo, args, message):
    result = invoke(*(arg.format(predicted=demo.predicted) for arg in args))
    assert result.exit_code == 1
    assert result.stdout == ""
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_a_port_that_is_taken_is_an_error(demo):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = invoke(demo.predicted, "--port", port)
    assert result.exit_code == 1
    assert f"cannot serve on port {port} of 127.0.0.1" in result.stderr


def test_the_demo_says_how_to_look_at_its_tracks(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("chromputer_tracks.cli.predict.run_predict", asked.append)
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/chromputer")
    out = tmp_path / "my tracks"
    result = CliRunner().invoke(app, ["demo", "--out", str(out)])
    assert result.stderr.splitlines()[-1] == f"look at them: chromputer view '{out}'"
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("sys.argv", [".venv/bin/chromputer", "demo"])
    result = CliRunner().invoke(app, ["demo", "--out", "demo-output", "--whole-genome"])
    assert result.stderr.splitlines()[-1] == "look at them: .venv/bin/chromputer view demo-output"
    assert [options.chroms for options in asked] == [("chrVII", "chrXIII"), ()]


def test_the_demo_says_what_the_model_was_trained_on(tmp_path, monkeypatch):
    monkeypatch.setattr("chromputer_tracks.cli.predict.run_predict", lambda options: None)
    told = [
        CliRunner().invoke(app, ["demo", "--out", str(tmp_path / "out"), *more]).stderr
        for more in ((), ("--whole-genome",))
    ]
    for text in told:
        assert "note: yeast-atac was trained on this very sample: " in text
    assert "chrVII and chrXIII were kept out of its training; --whole-genome" in told[0]
    assert "only chrVII and chrXIII were kept out of its training and tuning" in told[1]
    spec = load_model("yeast-atac").spec
    assert spec.splits["test"] == ("chrVII", "chrXIII")
