"""A web server on loopback for a browser page: its files by byte ranges, and answers.

It knows the files that it may send by their URL; no URL is ever turned into a path, so that none
leads to another file. Requests that name another host are refused: a page elsewhere on the web
could else point its own host name at this machine and read the files (DNS rebinding).

Other users of the machine reach the port, too. With a token, nothing is sent but to who has it:
``/?token=TOKEN`` leads to ``/TOKEN/``, below which all lies that the page names relative to itself.
A cookie would not do: browsers send it to every port of the machine, whoever serves there.
"""

from __future__ import annotations

import os
import re
import secrets
import socketserver
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any
from urllib.parse import parse_qs, parse_qsl, unquote

from chromputer_tracks.errors import OutputError

# ---- The ``Range`` header of an HTTP request (RFC 9110, section 14).

_ONE_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.IGNORECASE)


class UnsatisfiableRangeError(Exception):
    """A well-formed range that holds no byte of the file; the answer is 416."""


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """The bytes that a request asks for.

    Args:
        header: the value of ``Range``, or None where there is none.
        size: bytes of the file.

    Returns:
        first byte, 0-based, and the one after the last; None: the whole file is to be sent, as
        there is no header, or one to be ignored: of another unit, malformed, or of several ranges,
        which a server need not support.

    Raises:
        UnsatisfiableRangeError: the range lies beyond the file, or asks for its last 0 bytes.
    """
    match = _ONE_RANGE.fullmatch(header) if header else None
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        wanted = min(int(last), size)
        start, end = size - wanted, size
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    if start >= min(end, size):
        raise UnsatisfiableRangeError
    return start, end


LOOPBACK = "127.0.0.1"
_HOST = re.compile(r"(?:127\.0\.0\.1|localhost|\[::1\])(?::[0-9]+)?")
_CHUNK = 1 << 18
_IDLE_SECONDS = 60
_STOP_SECONDS = 0.1
"""Between two looks at whether to stop."""
_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self' data: blob:; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'none'"
)
"""Nothing is loaded from elsewhere, nor sent there; igv.js sets styles in elements."""

Log = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Content:
    """What is sent for a URL that is no file, and its media type."""

    body: bytes
    type: str


Answer = Callable[[Mapping[str, str]], Content]
"""Answers the query of a URL; it is called in the thread of the connection."""
Resource = Path | Content | Answer

_TOKEN_BYTES = 24
_QUERY_TOKEN = re.compile(r"([?&]token=)[^&\s]*")


def new_token() -> str:
    """What none can guess, in letters that stand in an address as they are."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


class ViewServer(ThreadingHTTPServer):
    """Serves resources on loopback; a context manager that closes the port.

    Resources are by URL path, not percent-encoded. Port 0 takes a free one; ``log`` is called with
    a line for each answer: request without the token, status, and the range asked for. Without a
    ``token`` it answers everybody on this machine. ``closing`` is called when the port is closed.

    Raises:
        OutputError: the port is taken or may not be used.
    """

    request_queue_size = 64

    def __init__(
        self,
        resources: Mapping[str, Resource],
        port: int = 0,
        log: Log | None = None,
        token: str | None = None,
        closing: Callable[[], None] | None = None,
    ) -> None:
        self.resources = dict(resources)
        self._closing = closing
        self.log = log
        self.token = token
        self._once: set[str] = set()
        self._lock = threading.Lock()
        try:
            super().__init__((LOOPBACK, port), _Handler)
        except (OSError, OverflowError) as error:
            raise OutputError(
                f"cannot serve on port {port} of {LOOPBACK} ({error}): name another with --port, "
                "or 0 for any free one"
            ) from error

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        """The page's address, with the token where there is one."""
        return self._address(self.token)

    def url_once(self) -> str:
        """The page's address, to be opened once.

        For the command that starts a browser: all users of the machine see the words of a command.
        """
        if self.token is None:
            return self.url
        word = new_token()
        self._once.add(word)
        return self._address(word)

    def _address(self, token: str | None) -> str:
        return f"http://{LOOPBACK}:{self.port}/" + (f"?token={token}" if token else "")

    def admits(self, word: str) -> bool:
        """Whether a word is the token, or of an address that nobody has opened yet."""
        if self.token is None or _same(word, self.token):
            return True
        with self._lock:
            found = next((item for item in self._once if _same(word, item)), None)
            self._once.discard(found or "")
        return found is not None

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Answer in a thread while the context is open.

        Ctrl-C reaches the main thread only, so that it never comes between the acceptance of a
        connection and its answer.
        """
        thread = threading.Thread(target=self.serve_forever, args=(_STOP_SECONDS,))
        thread.start()
        try:
            yield
        finally:
            self.shutdown()
            thread.join()

    def server_bind(self) -> None:
        """Bind without asking a name server for this machine's name."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = LOOPBACK, self.port

    def server_close(self) -> None:
        """Close the port, and what the answers need."""
        super().server_close()
        if self._closing is not None:
            self._closing()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Show what failed, but for a browser that hangs up before its answer is whole."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


def _same(one: str, other: str) -> bool:
    """Whether two words are equal; takes as long wherever they differ."""
    return secrets.compare_digest(one.encode("utf-8", "surrogateescape"), other.encode())


class _Handler(BaseHTTPRequestHandler):
    server: ViewServer
    protocol_version = "HTTP/1.1"
    server_version = "chromputer"
    sys_version = ""
    timeout = _IDLE_SECONDS
    # Small answers are not held back for more.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:  # noqa: N802
        self._answer()

    def do_HEAD(self) -> None:  # noqa: N802
        self._answer()

    def _refuse_method(self) -> None:
        self.send_response(HTTPStatus.METHOD_NOT_ALLOWED)
        self.send_header("Allow", "GET, HEAD")
        self.send_header("Content-Length", "0")
        # A body that is not read would be taken for the next request.
        self.send_header("Connection", "close")
        self.end_headers()

    do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_TRACE = do_CONNECT = _refuse_method  # noqa: N815

    def _answer(self) -> None:
        # Any port: it may be forwarded from another machine.
        if not _HOST.fullmatch(self.headers.get("Host", "")):
            self.send_error(HTTPStatus.FORBIDDEN, "This server answers on this machine only")
            return
        place = self._admitted()
        if place is None:
            return
        found = self.server.resources.get(unquote(place))
        if callable(found):
            found = found(dict(parse_qsl(self.path.partition("?")[2])))
        if found is None:
            self.send_error(HTTPStatus.NOT_FOUND)
        elif isinstance(found, Content):
            self._headers(HTTPStatus.OK, len(found.body), found.type)
            if self.command == "GET":
                self.wfile.write(found.body)
        else:
            self._send_file(found)

    def _admitted(self) -> str | None:
        """The path of a resource that may be asked for; None where the answer is given already."""
        path, _, query = self.path.partition("?")
        token = self.server.token
        if token is None:
            return path
        first, slash, rest = path.removeprefix("/").partition("/")
        if path.startswith("/") and slash and _same(first, token):
            return f"/{rest}"
        word = parse_qs(query).get("token", [""])[-1]
        if not self.server.admits(word):
            self.send_error(
                HTTPStatus.FORBIDDEN,
                "Open the address that chromputer view printed: it has a token",
            )
            return None
        if path != "/":
            return path
        self.send_response(HTTPStatus.SEE_OTHER)
        self.send_header("Location", f"/{token}/")
        self.send_header("Content-Length", "0")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        return None

    def _send_file(self, path: Path) -> None:
        try:
            file = path.open("rb")
        except OSError:
            self.send_error(HTTPStatus.NOT_FOUND, "The file is not there any more")
            return
        with file:
            size = os.fstat(file.fileno()).st_size
            # A HEAD has no ranges, and a condition that cannot hold, as no answer has a validator,
            # means the whole file (RFC 9110, sections 14.2 and 13.1.5).
            ranged = self.command == "GET" and "If-Range" not in self.headers
            header = self.headers.get("Range") if ranged else None
            try:
                span = parse_range(header, size)
            except UnsatisfiableRangeError:
                self.send_response(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
                self.send_header("Content-Range", f"bytes */{size}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            kind = "application/octet-stream"
            if span is None:
                start, end = 0, size
                self._headers(HTTPStatus.OK, size, kind)
            else:
                start, end = span
                self._headers(
                    HTTPStatus.PARTIAL_CONTENT, end - start, kind, f"bytes {start}-{end - 1}/{size}"
                )
            if self.command == "GET":
                self._copy(file, start, end - start)

    def _copy(self, file: IO[bytes], start: int, count: int) -> None:
        file.seek(start)
        while count:
            block = file.read(min(_CHUNK, count))
            if not block:
                # The file shrank: the browser must not wait for the rest.
                self.close_connection = True
                return
            self.wfile.write(block)
            count -= len(block)

    def _headers(
        self, status: HTTPStatus, length: int, kind: str, content_range: str | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.send_header("Accept-Ranges", "bytes")
        # A run may be repeated while its page is open.
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Content-Security-Policy", _POLICY)
        if content_range is not None:
            self.send_header("Content-Range", content_range)
        self.end_headers()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """One line for each answer: ``'GET /states.bb HTTP/1.1' 206 bytes=0-63``."""
        if self.server.log is not None:
            status = code.value if isinstance(code, HTTPStatus) else code
            # A request that cannot be read has no headers.
            asked = self.headers.get("Range", "") if hasattr(self, "headers") else ""
            line = self.requestline
            if self.server.token is not None:
                line = _QUERY_TOKEN.sub(r"\1...", line.replace(f"/{self.server.token}/", "/"))
            self.server.log(f"{line!r} {status} {asked}".rstrip())

    def log_message(self, format: str, *args: object) -> None:
        """Errors are in the answers that :meth:`log_request` tells of."""
