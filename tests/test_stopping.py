"""Ctrl-C and SIGTERM end a command in seconds, whatever its threads do, and leave no results."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from predict_command import toy_inputs
from tiny_models import linear_graph, tiny_spec
from toy_genome import toy_genome
from typer.testing import CliRunner

from chromputer_tracks.cli.main import app
from chromputer_tracks.inference.session import open_session
from chromputer_tracks.io import threads
from chromputer_tracks.io.threads import Workers, in_worker

RUN = "from chromputer_tracks.cli.main import run; run()"
SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
SECONDS = 12
"""More than a stopped command may take on a busy machine; the graphs take hours."""


def slow_model(folder: Path, *, nodes: int) -> Path:
    """Of operators that any model may have, many or one, each of little memory."""
    model = linear_graph(tiny_spec())
    *first, last = model.graph.node
    first[-1].output[0] = "m"
    # A running mean over a million places at a million places takes many minutes.
    width = 1_000_000 if nodes == 1 else 20_000
    made = [
        # Of the input, so that it is not computed when the graph is loaded.
        helper.make_node("ReduceMean", ["m"], ["one"], keepdims=1),
        helper.make_node("Expand", ["one", "shape"], ["m0"]),
        *(
            helper.make_node(
                *("AveragePool", [f"m{k}"], [f"m{k + 1}"]),
                kernel_shape=[width],
                pads=[width // 2, width - 1 - width // 2],
            )
            for k in range(nodes)
        ),
        helper.make_node("ReduceMean", [f"m{nodes}"], ["mean"], keepdims=1),
        helper.make_node("Add", ["m", "mean"], ["logits"]),
    ]
    shape = numpy_helper.from_array(np.array([1, 1, 2 * width]), "shape")
    model.graph.initializer.append(shape)
    del model.graph.node[:]
    model.graph.node.extend([*first, *made, last])
    folder.mkdir()
    onnx.save(model, folder / "predict.onnx")
    (folder / "model.json").write_text(tiny_spec().to_json())
    return folder


def started(folder: Path, *words: object, before: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", before + RUN, *map(str, words)],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
        # Shells start background jobs that ignore Ctrl-C, and children inherit it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def is_computing(process: subprocess.Popen[str], seconds: float) -> None:
    """Wait until a process has taken so much CPU time that it is beyond its start."""
    ticks = os.sysconf("SC_CLK_TCK")
    while True:
        assert process.poll() is None, process.stderr.read()
        used = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
        if sum(map(int, used)) / ticks > seconds:
            return
        time.sleep(0.1)


def ends(process: subprocess.Popen[str], number: int) -> None:
    begun = time.monotonic()
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert time.monotonic() - begun < SECONDS
    assert process.returncode == 128 + number
    assert said.splitlines()[-1] == (
        "Interrupted" if number == signal.SIGINT else "Stopped by SIGTERM"
    )
    assert "Traceback" not in said


UNTRIED = """
from chromputer_tracks.inference import session
from tiny_models import tiny_spec
session._check_graph = lambda path: tiny_spec()
"""
"""So that the network runs first where tracks are made."""


@pytest.mark.parametrize(
    ("before", "nodes", "number"),
    [
        ("", 2000, signal.SIGTERM),
        ("", 1, signal.SIGINT),
        (UNTRIED, 2000, signal.SIGINT),
        (UNTRIED, 1, signal.SIGTERM),
    ],
    ids=["trial, many", "trial, one", "tracks, many", "tracks, one"],
)
def test_a_network_that_takes_hours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, nodes: int, before: str
) -> None:
    """Of many nodes, or of a single one that nothing can end."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, sys.path)))
    inputs = toy_inputs(tmp_path, toy_genome())
    model = slow_model(tmp_path / "slow", nodes=nodes)
    found = sorted(tmp_path.rglob("*"))
    process = started(
        *(tmp_path, "predict", model, "--fasta", inputs["fasta"], "--provider", "cpu"),
        *("--fragments", inputs["fragments"], "--out", inputs["out"]),
        before=before,
    )
    is_computing(process, 2.5)
    ends(process, number)
    assert sorted(tmp_path.rglob("*")) == found


@SIGNALS
def test_a_pipe_that_nobody_writes_to(
    tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, sys.path)))
    os.mkfifo(tmp_path / "pipe")
    process = started(tmp_path, "fragments", "pipe", "-o", "out.fragments.tsv.gz")
    writer = None
    while writer is None:
        # Nobody reads yet.
        with suppress(OSError):
            writer = os.open(tmp_path / "pipe", os.O_WRONLY | os.O_NONBLOCK)
        time.sleep(0.1)
    ends(process, number)
    os.close(writer)
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


@SIGNALS
def test_a_main_thread_that_is_in_native_code(tmp_path: Path, number: int) -> None:
    """Which returns neither on a signal nor by itself."""
    code = (
        "import ctypes\n"
        "from chromputer_tracks.io import threads\n"
        "threads._DEAF = 0.5\n"
        "threads.hear_signals()\n"
        "mutex = (ctypes.c_char * 64)()\n"
        "print('deaf', flush=True)\n"
        "for _ in range(2):\n"
        "    ctypes.CDLL(None).pthread_mutex_lock(mutex)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None and process.stdout.readline() == b"deaf\n"
    time.sleep(0.2)
    process.send_signal(number)
    process.stdout.close()
    assert process.wait(SECONDS) == 128 + number


def test_in_a_notebook_ctrl_c_ends_a_run_and_the_next_one_works(tmp_path: Path) -> None:
    slow = open_session(slow_model(tmp_path / "slow", nodes=2000) / "predict.onnx", "cpu", 1)
    spec = tiny_spec()
    arrays = {
        item.name: np.zeros((1, item.channels, spec.window // item.bin), np.float32)
        for item in spec.inputs
    }
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        slow.run(arrays)
    assert time.monotonic() - begun < SECONDS
    path = tmp_path / "quick.onnx"
    onnx.save(linear_graph(spec), path)
    assert open_session(path, "cpu", 1).run(arrays).shape == (1, spec.outputs, 1)


def test_workers_wait_for_each_other_unless_stopped() -> None:
    done = []
    with Workers(2) as pool:
        for number in range(5):
            pool.submit(lambda number=number: (time.sleep(0.02), done.append(number)))
    assert sorted(done) == list(range(5))
    release = threading.Event()
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        with Workers(1) as pool:
            waiting = [pool.submit(release.wait) for _ in range(3)]
            raise KeyboardInterrupt
    assert threads.GRACE <= time.monotonic() - begun < threads.GRACE + 5
    assert [future.cancelled() for future in waiting] == [False, True, True]
    release.set()


def test_errors_of_a_worker_are_its_callers() -> None:
    with pytest.raises(ZeroDivisionError):
        in_worker(lambda: 1 // 0)
    assert in_worker(lambda: threading.current_thread() is threading.main_thread()) is False
    with Workers(1) as pool:
        assert pool.submit(lambda: in_worker(threading.get_ident)).result() != threading.get_ident()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MemoryError(), "memory ran out; "),
        (
            RuntimeError("can't start new thread"),
            "the system gives this process no further thread; ",
        ),
    ],
)
def test_a_system_that_gives_no_more(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, told: str
) -> None:
    """As under ulimit -v, h_vmem or VSizeFactor."""
    limits = {resource.RLIMIT_AS: 3 << 29}

    def limit(kind: int) -> tuple[int, int]:
        return limits.get(kind, resource.RLIM_INFINITY), resource.RLIM_INFINITY

    def failing(options: object) -> None:
        raise error

    monkeypatch.setattr("resource.getrlimit", limit)
    monkeypatch.setattr("chromputer_tracks.tracks.view.run.read_view", failing)
    result = CliRunner().invoke(app, ["view", "x"])
    assert result.exit_code == 1
    assert " ".join(result.stderr.split()) == (
        f"error: {told}its address space is limited to 1.5 GiB: ask the scheduler for more virtual "
        "memory (ulimit -v, h_vmem)"
    )
    limits.clear()
    assert str(threads.shortage(error)) == f"{told}use --threads 1, or a larger machine"
    assert threads.shortage(RuntimeError("a bug")) is None
    with pytest.raises(RuntimeError, match="a bug"):
        error = RuntimeError("a bug")
        CliRunner().invoke(app, ["view", "x"], catch_exceptions=False)
