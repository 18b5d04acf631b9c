"""Threads that a program can leave when it is stopped, and how Ctrl-C and signals stop it.

Python acts on a signal in its main thread, between two of its own steps: not while that thread is
in native code, and a program ends only when all of its worker threads have. A network with a step
that takes hours, or a pipe that nobody writes to, would so be stopped by SIGKILL alone. Therefore
native code that may take long runs in workers (:func:`in_worker`) while the main thread waits where
signals reach it; what is under way is asked to end (:func:`on_stop`); what does not end within
:data:`GRACE` is left, the main thread cleans up, and the process ends without it.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any, TypeVar

from chromputer_tracks.errors import OutputError

T = TypeVar("T")

GRACE = 2.0
"""Seconds that workers have to end once the program is stopped."""
_DEAF = 10.0
"""Seconds after which a main thread that takes no notice of a signal is not waited for."""

_NO_THREAD = "can't start new thread"
"""What Python says then."""

_stopped = threading.Event()
_heard = threading.Event()
_to_stop: list[Callable[[], None]] = []


def on_stop(call: Callable[[], None]) -> None:
    """Have a function called when the program is stopped: it asks what is under way to end."""
    _to_stop.append(call)


def stopped() -> bool:
    """Whether a signal has stopped the program."""
    return _stopped.is_set()


def _is_leaving() -> bool:
    """Whether the program is stopped, or this thread is on its way out by Ctrl-C or an exit."""
    error: BaseException | None = sys.exception()
    while error is not None:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            return True
        error = error.__context__
    return stopped()


class Workers(ThreadPoolExecutor):
    """Worker threads; who leaves them by Ctrl-C or a signal waits for them no longer than GRACE."""

    def __init__(self, workers: int, name: str = "chromputer") -> None:
        super().__init__(workers, name)
        self._submitted: set[Future[Any]] = set()

    def submit(self, call: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
        """Begin with a call as soon as a thread is free."""
        future = super().submit(call, *args, **named)
        self._submitted.add(future)
        future.add_done_callback(self._submitted.discard)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for what is under way, unless the program is stopped."""
        if not (wait and _is_leaving()):
            super().shutdown(wait, cancel_futures=cancel_futures)
            return
        super().shutdown(wait=False, cancel_futures=True)
        _ask_all()
        if not _pending(list(self._submitted)):
            super().shutdown()


def shortage(error: BaseException) -> OutputError | None:
    """What to say of an error that tells of too little memory or too few threads; None of others.

    It names the limits of this process, as schedulers set them.
    """
    if isinstance(error, MemoryError):
        what = "memory ran out"
    elif isinstance(error, RuntimeError) and _NO_THREAD in str(error):
        what = "the system gives this process no further thread"
    else:
        return None
    limits = []
    for kind, name, ask in (
        (resource.RLIMIT_AS, "address space", "more virtual memory (ulimit -v, h_vmem)"),
        (resource.RLIMIT_NPROC, "number of processes", "more processes (ulimit -u)"),
    ):
        most, _ = resource.getrlimit(kind)
        if most != resource.RLIM_INFINITY:
            shown = f"{most / 2**30:.1f} GiB" if kind == resource.RLIMIT_AS else f"{most:,}"
            limits.append(f"its {name} is limited to {shown}: ask the scheduler for {ask}")
    return OutputError(f"{what}; {'; '.join(limits) or 'use --threads 1, or a larger machine'}")


def _pending(futures: list[Future[Any]]) -> bool:
    """Whether some have not ended after a while."""
    return bool(wait(futures, timeout=GRACE).not_done)


def _ask_all() -> None:
    for call in list(_to_stop):
        call()


def in_worker(call: Callable[[], T]) -> T:
    """What a call gives that may be long in native code; Ctrl-C and signals end the wait for it."""
    if threading.current_thread() is not threading.main_thread():
        return call()
    with Workers(1, "chromputer-native") as pool:
        found: T = pool.submit(call).result()
    return found


# Signals.

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def hear_signals() -> None:
    """Let Ctrl-C, SIGTERM and SIGHUP stop this program, as a command line's entry point does.

    Those that are ignored (under nohup, in a shell's background jobs) stay so. A thread hears of a
    signal although the main thread is in native code, and ends the process when that does not
    return.
    """
    for number in STOPPING:
        usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        if signal.getsignal(number) is usual:
            signal.signal(number, _stop)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    listener = threading.Thread(
        target=_listen, args=(reader,), name="chromputer-signals", daemon=True
    )
    # Where there is no thread for it, the first one that is needed tells of it.
    with suppress(RuntimeError):
        listener.start()
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)


def _listen(reader: int) -> None:
    while number := os.read(reader, 1):
        if number[0] in STOPPING and signal.getsignal(number[0]) in (_stop, signal.SIG_IGN):
            _stopped.set()
            _ask_all()
            if not _heard.wait(_DEAF):
                _say(f"Stopped by {signal.Signals(number[0]).name}")
                os._exit(128 + number[0])


def _stop(number: int, _: object) -> None:
    """End as on Ctrl-C, so that unfinished and scratch files go; a scheduler's cancel does this."""
    _stopped.set()
    _heard.set()
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    signal.signal(number, signal.SIG_IGN)
    _say(f"Stopped by {signal.Signals(number).name}")
    sys.exit(128 + number)


def _say(text: str) -> None:
    with suppress(OSError, ValueError):
        sys.stderr.write(f"\n{text}\n")
        sys.stderr.flush()


def end_process(status: int) -> None:
    """End a program that was stopped, without the workers that did not end; else return.

    Python itself would wait for them for ever.
    """
    if not stopped():
        return
    deadline = time.monotonic() + GRACE
    main = threading.main_thread()
    for thread in threading.enumerate():
        if thread is not main and not thread.daemon:
            thread.join(max(0.0, deadline - time.monotonic()))
    if any(
        item.is_alive() and item is not main and not item.daemon for item in threading.enumerate()
    ):
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(status)
