"""The server over real sockets: ranges, what it refuses, many at once, files that change."""

from __future__ import annotations

import http.client
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chromputer_tracks.errors import OutputError
from chromputer_tracks.tracks.view.server import (
    Content,
    UnsatisfiableRangeError,
    ViewServer,
    new_token,
    parse_range,
)

DATA = bytes(range(256)) * 4000 + b"end"
"""More than one block of the server's."""
NAME = "tracks/0/a b%20#?ü.bw"


@contextmanager
def serving(resources, log=None, token=None):
    with ViewServer(resources, log=log, token=token) as server, server.serving():
        yield server


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    (folder / "data.bw").write_bytes(DATA)
    (folder / "empty.bed").write_bytes(b"")
    (folder / "secret.txt").write_text("not served")
    return folder


@pytest.fixture(scope="module")
def lines():
    return []


@pytest.fixture(scope="module")
def server(folder, lines):
    resources = {
        "/": Content(b"<!DOCTYPE html>", "text/html; charset=utf-8"),
        "/data.bw": folder / "data.bw",
        "/empty.bed": folder / "empty.bed",
        "/" + NAME: folder / "data.bw",
    }
    with serving(resources, lines.append) as server:
        yield server


def ask(server, path, method="GET", host=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if host is not None:
            given["Host"] = host
        connection.request(method, path, headers=given)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def raw(server, text):
    """Send bytes as they are: clients mend paths before they send them."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(text)
        received = b""
        while block := connection.recv(65536):
            received += block
    return received


def test_a_whole_file(server):
    status, headers, body = ask(server, "/data.bw")
    assert (status, body) == (200, DATA)
    assert headers["Content-Length"] == str(len(DATA))
    assert headers["Accept-Ranges"] == "bytes"
    assert headers["Content-Type"] == "application/octet-stream"
    assert "Content-Range" not in headers
    assert "Content-Encoding" not in headers


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(first=st.integers(0, len(DATA) - 1), count=st.integers(1, 600_000))
def test_ranges_are_slices(server, first, count):
    status, headers, body = ask(server, "/data.bw", Range=f"bytes={first}-{first + count - 1}")
    expected = DATA[first : first + count]
    assert (status, body) == (206, expected)
    last = first + len(expected) - 1
    assert headers["Content-Range"] == f"bytes {first}-{last}/{len(DATA)}"
    assert headers["Content-Length"] == str(len(expected))


def test_the_last_bytes(server):
    status, headers, body = ask(server, "/data.bw", Range="bytes=-3")
    assert (status, body) == (206, b"end")
    size = len(DATA)
    assert headers["Content-Range"] == f"bytes {size - 3}-{size - 1}/{size}"


def test_a_range_beyond_the_file(server):
    status, headers, body = ask(server, "/data.bw", Range=f"bytes={len(DATA)}-")
    assert (status, body) == (416, b"")
    assert headers["Content-Range"] == f"bytes */{len(DATA)}"


@pytest.mark.parametrize("validator", ['"tag"', "Tue, 24 Nov 2026 12:00:00 GMT"])
def test_a_condition_that_cannot_hold_gives_the_whole_file(server, validator):
    asked = {"Range": "bytes=0-9", "If-Range": validator}
    assert ask(server, "/data.bw", **asked)[::2] == (200, DATA)


def test_an_empty_file(server):
    assert ask(server, "/empty.bed")[::2] == (200, b"")
    assert ask(server, "/empty.bed", Range="bytes=0-9")[0] == 416


def test_several_ranges_give_the_whole_file(server):
    assert ask(server, "/data.bw", Range="bytes=0-1,5-6")[::2] == (200, DATA)


def test_head_gives_headers_alone(server):
    status, headers, body = ask(server, "/data.bw", "HEAD", Range="bytes=0-9")
    assert (status, body) == (200, b"")
    assert headers["Content-Length"] == str(len(DATA))
    assert ask(server, "/", "HEAD")[::2] == (200, b"")
    assert ask(server, "/nothing", "HEAD")[::2] == (404, b"")


def test_content_and_query(server):
    for path in ("/", "/?", "/?a=b"):
        assert ask(server, path)[::2] == (200, b"<!DOCTYPE html>")


def test_names_are_percent_decoded_once(server):
    assert ask(server, "/" + quote(NAME), Range="bytes=0-3")[::2] == (206, DATA[:4])
    assert ask(server, "/" + quote(quote(NAME)))[0] == 404


@pytest.mark.parametrize(
    "path",
    [
        "/secret.txt",
        "/../secret.txt",
        "/data.bw/../secret.txt",
        "/./data.bw",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/%2fetc%2fpasswd",
        "//etc/passwd",
        "/etc/passwd",
        "/data.bw%00.txt",
        "/data.bw/",
        "\\..\\secret.txt",
        "http://127.0.0.1/data.bw",
        "http://[bad/data.bw",
        "data.bw",
        "*",
    ],
)
def test_nothing_else_is_sent(server, path):
    answer = raw(
        server, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
    )
    assert answer.split(b" ", 2)[1] in (b"404", b"400"), answer[:200]
    assert b"not served" not in answer
    assert DATA[:64] not in answer


@pytest.mark.parametrize("request_line", ["GET /data.bw", "GET  HTTP/1.1", "HEAD /data.bw"])
def test_requests_without_a_version_get_nothing(server, request_line):
    assert DATA[:64] not in raw(server, f"{request_line}\r\n\r\n".encode())


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(server, method):
    status, headers, body = ask(server, "/data.bw", method)
    assert (status, body) == (405, b"")
    assert headers["Allow"] == "GET, HEAD"


def test_a_body_is_not_taken_for_a_request(server):
    smuggled = b"GET /data.bw HTTP/1.1\r\nHost: localhost\r\n\r\n"
    head = f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(smuggled)}\r\n\r\n"
    answer = raw(server, head.encode() + smuggled)
    assert answer.count(b"HTTP/1.1") == 1
    assert answer.startswith(b"HTTP/1.1 405")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8000", "localhost", "[::1]:9"])
def test_this_machine_may_be_named_with_any_port(server, host):
    assert ask(server, "/", host=host)[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "", "10.0.0.1"]
)
def test_other_hosts_are_refused(server, host):
    assert ask(server, "/data.bw", host=host)[0] == 403


def test_pages_load_nothing_from_elsewhere(server):
    _, headers, _ = ask(server, "/")
    policy = dict(
        part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == policy["script-src"] == "'self'"
    assert "http" not in headers["Content-Security-Policy"]
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert headers["X-Content-Type-Options"] == "nosniff"


TOKEN = "secret-Token_123"


@pytest.fixture(scope="module")
def guarded(folder, lines):
    resources = {
        "/": Content(b"<!DOCTYPE html>", "text/html; charset=utf-8"),
        "/view.json": Content(b"{}", "application/json"),
        "/data.bw": folder / "data.bw",
    }
    with serving(resources, lines.append, TOKEN) as server:
        yield server


@pytest.mark.parametrize("path", ["/", "/data.bw", f"/{TOKEN}/", f"/{TOKEN}/data.bw"])
@pytest.mark.parametrize(
    "wrong", ["", "?token=", f"?token={TOKEN}x", f"?TOKEN={TOKEN}", "?token=%FF"]
)
def test_without_the_token_nothing_is_sent(guarded, path, wrong):
    path = path.replace(TOKEN, TOKEN.swapcase())
    for method in ("GET", "HEAD"):
        status, headers, body = ask(guarded, path + wrong, method, Range="bytes=0-3")
        assert status == 403
        assert DATA[:4] not in body
        assert TOKEN not in body.decode() + str(headers)
    # Whether there is such a file is not told, either.
    assert ask(guarded, "/nothing" + wrong)[0] == 403


def test_the_token_leads_to_the_page_and_all_that_lies_below(guarded):
    assert guarded.url == f"http://127.0.0.1:{guarded.port}/?token={TOKEN}"
    status, headers, body = ask(guarded, f"/?token={TOKEN}")
    assert (status, headers["Location"], body) == (303, f"/{TOKEN}/", b"")
    assert headers["Referrer-Policy"] == "no-referrer"
    assert ask(guarded, f"/{TOKEN}/")[::2] == (200, b"<!DOCTYPE html>")
    assert ask(guarded, f"/{TOKEN}/view.json")[::2] == (200, b"{}")
    assert ask(guarded, f"/{TOKEN}/data.bw", Range="bytes=5-8")[::2] == (206, DATA[5:9])
    assert ask(guarded, f"/data.bw?token={TOKEN}", Range="bytes=5-8")[::2] == (206, DATA[5:9])
    assert ask(guarded, f"/{TOKEN}/nothing")[0] == 404
    assert ask(guarded, f"/{TOKEN}/", host="evil.example")[0] == 403
    assert ask(guarded, f"/{TOKEN}/", "POST")[0] == 405


def test_an_address_to_be_opened_once_is_opened_once(guarded):
    once = guarded.url_once().removeprefix(f"http://127.0.0.1:{guarded.port}")
    other = guarded.url_once().removeprefix(f"http://127.0.0.1:{guarded.port}")
    assert TOKEN not in once
    assert once != other
    answers = [ask(guarded, path) for path in (once, once, other)]
    assert [status for status, *_ in answers] == [303, 403, 303]
    assert answers[0][1]["Location"] == f"/{TOKEN}/"


def test_the_log_keeps_the_token_to_itself(guarded, lines):
    lines.clear()
    ask(guarded, f"/?a=b&token={TOKEN}&c=d")
    ask(guarded, f"/{TOKEN}/data.bw", Range="bytes=0-3")
    assert lines == [
        "'GET /?a=b&token=...&c=d HTTP/1.1' 303",
        "'GET /data.bw HTTP/1.1' 206 bytes=0-3",
    ]


def test_tokens_are_long_and_never_the_same():
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert {len(token) for token in tokens} == {32}
    assert all(quote(token, safe="") == token for token in tokens)


def test_many_connections_at_once(server):
    def slow_client(first):
        return ask(server, "/data.bw", Range=f"bytes={first}-{first + 99_999}")[2]

    # One that says nothing must not hold up the others.
    with socket.create_connection(("127.0.0.1", server.port)):
        starts = range(0, 800_000, 20_000)
        with ThreadPoolExecutor(16) as pool:
            for first, body in zip(starts, pool.map(slow_client, starts), strict=True):
                assert body == DATA[first : first + 100_000]


def test_a_connection_serves_several_requests(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    for first in (0, 5, 10**6):
        connection.request("GET", "/data.bw", headers={"Range": f"bytes={first}-{first + 2}"})
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (206, DATA[first : first + 3])
    connection.close()


def test_the_log_names_request_status_and_range(server, lines):
    lines.clear()
    ask(server, "/data.bw", Range="bytes=0-63")
    ask(server, "/none")
    raw(server, b"nonsense\x1b[2J\r\n\r\n")
    assert lines[:2] == ["'GET /data.bw HTTP/1.1' 206 bytes=0-63", "'GET /none HTTP/1.1' 404"]
    assert lines[2].startswith("'nonsense\\x1b[2J' 400")


def test_a_browser_that_hangs_up_is_no_error(server, capfd):
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"GET /data.bw HTTP/1.1\r\nHost: localhost\r\n\r\n")
        # Close with data unread: the server is told at its next write.
        connection.recv(1)
    assert ask(server, "/")[0] == 200
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("name", ["track.bw", "染色体.bw"])
def test_files_may_change_and_vanish(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"old")
    with serving({"/t": path}) as server:
        status, headers, body = ask(server, "/t")
        assert (status, body, headers["Cache-Control"]) == (200, b"old", "no-store")
        path.write_bytes(b"longer")
        assert ask(server, "/t", Range="bytes=3-")[::2] == (206, b"ger")
        path.unlink()
        assert ask(server, "/t")[0] == 404


def test_a_file_that_shrinks_while_it_is_sent_ends_the_answer(tmp_path, monkeypatch):
    path = tmp_path / "track.bw"
    path.write_bytes(bytes(1000))
    monkeypatch.setattr("os.fstat", lambda handle: type("Stat", (), {"st_size": 2000})())
    with serving({"/t": path}) as server, pytest.raises(http.client.IncompleteRead):
        ask(server, "/t")


def test_connections_are_accepted_where_ctrl_c_does_not_reach(monkeypatch):
    threads = []
    accept = ViewServer.process_request

    def noted(*args):
        threads.append(threading.current_thread())
        accept(*args)

    monkeypatch.setattr(ViewServer, "process_request", noted)
    with serving({"/": Content(b"", "text/html")}) as server:
        assert ask(server, "/")[0] == 200
    assert threads[0] is not threading.main_thread()
    assert not threads[0].is_alive()


def test_the_port_is_on_loopback_and_free_afterwards(tmp_path):
    with serving({}) as server:
        assert server.server_address == ("127.0.0.1", server.port)
        assert server.url == f"http://127.0.0.1:{server.port}/"
        with pytest.raises(OutputError, match=f"port {server.port} of 127.0.0.1 .*--port"):
            ViewServer({}, port=server.port)
        port = server.port
    with ViewServer({}, port=port) as again:
        assert again.port == port


# ---- The ``Range`` header against slicing byte by byte, and cases from RFC 9110.

SIZES = st.integers(0, 40)
PLACES = st.integers(0, 60)


def sliced(data: bytes, header: str) -> bytes | None:
    """What a header of one well-formed range asks for, byte by byte; None: nothing of the file."""
    first, last = header.removeprefix("bytes=").split("-")
    if first:
        wanted = [i for i in range(len(data)) if i >= int(first) and (not last or i <= int(last))]
    else:
        wanted = [i for i in range(len(data)) if i >= len(data) - int(last)]
    return bytes(data[i] for i in wanted) or None


def answered(data: bytes, header: str) -> bytes | None:
    try:
        span = parse_range(header, len(data))
    except UnsatisfiableRangeError:
        return None
    assert span is not None
    start, end = span
    assert 0 <= start < end <= len(data)
    return data[start:end]


@given(SIZES, PLACES, PLACES)
def test_a_range_is_what_slicing_byte_by_byte_gives(size, one, other):
    data = bytes(range(size))
    first, last = sorted((one, other))
    for header in (f"bytes={first}-{last}", f"bytes={first}-", f"bytes=-{last}"):
        assert answered(data, header) == sliced(data, header)


@given(st.integers(1, 40), st.data())
def test_consecutive_ranges_cover_each_byte_once(size, draw):
    data = bytes(range(size))
    cuts = sorted({0, size, *draw.draw(st.lists(st.integers(0, size)))})
    parts = [answered(data, f"bytes={a}-{b - 1}") for a, b in zip(cuts, cuts[1:], strict=False)]
    assert b"".join(parts) == data


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-499", (0, 500)),
        ("bytes=500-999", (500, 1000)),
        ("bytes=-500", (9500, 10000)),
        ("bytes=9500-", (9500, 10000)),
        ("bytes=0-0", (0, 1)),
        ("bytes=-1", (9999, 10000)),
        ("bytes=-20000", (0, 10000)),
        ("bytes=9999-123456", (9999, 10000)),
        ("BYTES= 5-6 ", (5, 7)),
    ],
)
def test_examples(header, expected):
    assert parse_range(header, 10000) == expected


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=5-4",
        "bytes=0-1,4-5",
        "bytes=1.5-3",
        "bytes=+1-3",
        "bytes=0x1-3",
        "bytes=\N{ARABIC-INDIC DIGIT ONE}-3",
        "lines=0-4",
        "bytes=0-4; x",
        f"bytes=0-{'9' * 5000}",
    ],
)
def test_other_headers_ask_for_the_whole_file(header):
    assert parse_range(header, 10) is None


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-10", "bytes=99-100", "bytes=-0"])
def test_ranges_beyond_the_file_cannot_be_satisfied(header):
    with pytest.raises(UnsatisfiableRangeError):
        parse_range(header, 10)


@pytest.mark.parametrize("header", ["bytes=0-", "bytes=0-0", "bytes=-5"])
def test_nothing_of_an_empty_file_can_be_sent(header):
    with pytest.raises(UnsatisfiableRangeError):
        parse_range(header, 0)
