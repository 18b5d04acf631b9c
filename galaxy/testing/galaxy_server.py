"""A Galaxy server on loopback with this project's tools and nothing else."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SLOTS = 2
"""What the server sets ``GALAXY_SLOTS`` to."""
_BOOTSTRAP = "only-on-loopback"
_FACTORY = "galaxy.webapps.galaxy.fast_factory:factory"
_START, _STOP, _ANSWER, _LOCK = 300.0, 20.0, 60.0, 120
_MAIL = "tester@example.org"

_BUILDS = "?\tunspecified\nsacCer3\tS. cerevisiae Apr. 2011 (sacCer3)\n"
_UCSC = "main\thttps://genome.ucsc.edu/cgi-bin/hgTracks?\tsacCer3\n"
_IGV = "local_default\tlocal\thttp://localhost:60151/load\tsacCer3\tsacCer3\n"
_SITES = """\
- {{type: ucsc, file: {folder}/ucsc.txt, display: [main]}}
- {{type: igv, file: {folder}/igv.txt}}
"""


class GalaxyError(Exception):
    """The server did not start, or refused what it was asked."""


@dataclass(frozen=True, slots=True)
class Galaxy:
    """A server that answers.

    Attributes:
        url: of the server.
        key: API key of an administrator who is a user, too.
        log: what it printed.
    """

    url: str
    key: str
    log: Path

    def get(self, path: str) -> Any:
        """The answer, from JSON, to a GET request of ``/api/PATH``.

        Raises:
            GalaxyError: it is refused.
        """
        return json.loads(self.read(f"/api/{path}"))

    def read(self, path: str) -> bytes:
        """The answer to a GET request of ``PATH``, which starts with a slash.

        Raises:
            GalaxyError: it is refused.
        """
        return _request(f"{self.url}{path}", self.key)


@contextmanager
def running_galaxy(
    folder: Path,
    programs: Path,
    first_on_path: Path,
    tools: Sequence[Path],
    tables: Path,
    pictures: Path,
) -> Iterator[Galaxy]:
    """Start a server, and end it when the block ends.

    Args:
        folder: empty; for its configuration, database and files.
        programs: ``bin`` of the environment in which Galaxy is installed.
        first_on_path: ``bin`` of the environment in which the tools' programs are.
        tools: XML files.
        tables: configuration of the tool data tables.
        pictures: folder that is served under ``/static`` by its name.

    Raises:
        GalaxyError: it does not start.
    """
    config = _configure(folder, tools, tables)
    (folder / "static").mkdir()
    (folder / "static" / pictures.name).symlink_to(pictures)
    port = _free_port()
    url, log = f"http://127.0.0.1:{port}", folder / "galaxy.log"
    environment = os.environ | {
        "PATH": f"{first_on_path}:{programs}:{os.environ['PATH']}",
        "GALAXY_CONFIG_FILE": str(config),
    }
    listen = ("--host", "127.0.0.1", "--port", str(port))
    queues = ("--queues", "galaxy.internal,galaxy.external")
    commands = {
        "galaxy.log": ("uvicorn", "--factory", _FACTORY, *listen),
        # Uploads and metadata run in a process that has loaded Galaxy: a sixth of the time.
        "worker.log": ("celery", "--app", "galaxy.celery", "worker", "--pool", "threads", *queues),
    }
    with ExitStack() as stack:
        server, _ = (
            stack.enter_context(_running((str(programs / name), *more), folder, environment, file))
            for file, (name, *more) in commands.items()
        )
        _await(server, url, log)
        yield Galaxy(url, _new_user(url), log)


@contextmanager
def _running(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], log: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends with the block."""
    with (folder / log).open("w") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _configure(folder: Path, tools: Sequence[Path], tables: Path) -> Path:
    listed = "".join(f'<tool file="{path}"/>' for path in tools)
    _write(
        folder,
        {
            "tool_conf.xml": f'<toolbox><section id="s" name="S">{listed}</section></toolbox>',
            "builds.txt": _BUILDS,
            "ucsc.txt": _UCSC,
            "igv.txt": _IGV,
            "build_sites.yml": _SITES.format(folder=folder),
        },
    )
    job_config = {
        "runners": {"local": {"load": "galaxy.jobs.runners.local:LocalJobRunner", "workers": 2}},
        "execution": {
            "default": "local",
            "environments": {"local": {"runner": "local", "local_slots": SLOTS}},
        },
    }
    settings = {
        "root": str(folder),
        "data_dir": str(folder / "data"),
        "config_dir": str(folder),
        "tool_data_path": str(folder),
        "static_dir": str(folder / "static"),
        "database_connection": _database(folder, "galaxy"),
        "tool_config_file": str(folder / "tool_conf.xml"),
        "tool_data_table_config_path": str(tables),
        "builds_file_path": str(folder / "builds.txt"),
        "build_sites_config_file": str(folder / "build_sites.yml"),
        "admin_users": _MAIL,
        "bootstrap_admin_api_key": _BOOTSTRAP,
        "conda_auto_init": False,
        "conda_auto_install": False,
        "dependency_resolvers": [],
        "enable_mulled_containers": False,
        "enable_celery_tasks": True,
        "celery_conf": {
            "broker_url": f"sqla+{_database(folder, 'tasks')}",
            "result_backend": f"db+{_database(folder, 'results')}",
            "worker_concurrency": 2,
        },
        "metadata_strategy": "directory_celery",
        "outputs_to_working_directory": True,
        "job_config": job_config,
    }
    config = folder / "galaxy.yml"
    # JSON is YAML, too.
    config.write_text(json.dumps({"galaxy": settings}, indent=2))
    return config


def _database(folder: Path, name: str) -> str:
    # Several processes write: they wait for each other.
    return f"sqlite:///{folder}/{name}.sqlite?isolation_level=IMMEDIATE&timeout={_LOCK}"


def _write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).write_text(text)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _await(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + _START
    while time.monotonic() < end and server.poll() is None:
        try:
            _request(f"{url}/api/version", "")
        except (GalaxyError, OSError):
            time.sleep(1)
        else:
            return
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-40:])
    raise GalaxyError(f"Galaxy did not start within {_START:.0f} s; its log ends with:\n{tail}")


def _new_user(url: str) -> str:
    """API key of a new user; the bootstrap key is nobody's."""
    user = {"username": "tester", "email": _MAIL, "password": "only-on-loopback"}
    made = json.loads(_request(f"{url}/api/users", _BOOTSTRAP, json.dumps(user).encode()))
    key = json.loads(_request(f"{url}/api/users/{made['id']}/api_key", _BOOTSTRAP, b""))
    return str(key)


def _request(url: str, key: str, body: bytes | None = None) -> bytes:
    """GET, or POST where there is a body."""
    headers = {"x-api-key": key, "Content-Type": "application/json"}
    request = urllib.request.Request(url, data=body, headers=headers)  # noqa: S310 loopback
    try:
        with urllib.request.urlopen(request, timeout=_ANSWER) as answer:  # noqa: S310
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        told = error.read(500).decode(errors="replace")
        raise GalaxyError(f"{url} answered {error.code}: {told}") from error
