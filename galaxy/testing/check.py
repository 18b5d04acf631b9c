"""Lint the Galaxy tools, and run all their tests in a real server: ``make test-galaxy``."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from galaxy_server import SLOTS, Galaxy, GalaxyError, running_galaxy

HERE = Path(__file__).resolve().parents[1]
TOOLS = sorted(HERE.glob("chromputer_*.xml"))
WORKFLOWS = sorted((HERE / "workflows").glob("*.gxwf.yml"))
SERVER = HERE.parent / "build/galaxy-test"
"""Folder of the server; kept where something fails, as it has the logs."""
HISTORY = "tests of the tools"
BUILD = "sacCer3"
_UCSC, _IGV = "display at UCSC", "display with IGV"
VIEWERS = {
    "bigwig": {_UCSC, _IGV},
    "bigbed": {_UCSC},
    "bed": {_UCSC, _IGV},
    "trackhub": {"display at Track Hub UCSC"},
}
"""What Galaxy offers to show a dataset of each type with."""
RUNS = ("predict", "explain")
"""What the records of the tools that run a model are of."""


def main() -> int:
    """Run all steps; 0 when all of them pass."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--galaxy", type=Path, required=True, help="bin with galaxy and planemo")
    parser.add_argument("--programs", type=Path, required=True, help="bin with chromputer")
    parser.add_argument("--tool", action="append", help="only this tool (predict); may be repeated")
    options = parser.parse_args()
    # The server ends with this process, also when that is told to end.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    programs = options.galaxy.absolute()
    tools = [
        path
        for path in TOOLS
        if not options.tool or path.stem.removeprefix("chromputer_") in options.tool
    ]
    failures: list[str] = []
    _step("lint")
    failures += _lint(programs, tools)
    _step("server")
    shutil.rmtree(SERVER, ignore_errors=True)
    SERVER.mkdir(parents=True)
    try:
        with running_galaxy(
            SERVER,
            programs,
            options.programs.absolute(),
            tools,
            HERE / "tool_data_table_conf.xml.test",
            HERE / "static/images/chromputer",
        ) as galaxy:
            for tool in tools:
                _step(f"tests of {tool.stem}")
                failures += _tool_tests(programs, galaxy, tool.stem)
            if len(tools) == len(TOOLS):
                for workflow in WORKFLOWS:
                    _step(f"workflow {workflow.name}")
                    failures += _workflow_test(programs, galaxy, workflow)
                _step("what the user sees")
                failures += _seen(galaxy) + _pictures(galaxy, tools)
    except GalaxyError as error:
        failures.append(str(error))
    _step("done")
    for failure in failures:
        sys.stdout.write(f"FAILED: {failure}\n")
    if failures:
        sys.stdout.write(f"the server's logs are in {SERVER}\n")
        return 1
    shutil.rmtree(SERVER)
    return 0


def _step(text: str) -> None:
    sys.stdout.write(f"== {text} ({time.monotonic() - STARTED:.0f} s)\n")
    sys.stdout.flush()


def _lint(programs: Path, tools: list[Path]) -> list[str]:
    # Without the step that asks the ToolShed for the last version.
    commands = [
        ["lint", "--fail_level", "warn", "--report_level", "warn", *map(str, tools)],
        ["shed_lint", "--fail_level", "warn", "--skip", "version_bumped", str(HERE)],
        ["workflow_lint", "--fail_level", "warn", *map(str, WORKFLOWS)],
    ]
    return [
        f"planemo {command[0]}"
        for command in commands
        if subprocess.run([str(programs / "planemo"), *command], check=False).returncode
    ]


def _tool_tests(programs: Path, galaxy: Galaxy, tool: str) -> list[str]:
    report = SERVER / f"{tool}.json"
    command = [
        str(programs / "galaxy-tool-test"),
        *("--galaxy-url", galaxy.url, "--key", galaxy.key, "--admin-key", galaxy.key),
        *("--tool-id", tool, "--test-data", str(HERE / "test-data")),
        *("--output-json", str(report), "--parallel-tests", "2"),
        *("--history-name", HISTORY, "--no-history-cleanup", "--with-reference-data"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    tests: list[dict[str, Any]] = json.loads(report.read_text())["tests"] if report.exists() else []
    failures = [] if tests and not done.returncode else [f"{tool}: galaxy-tool-test"]
    if failures:
        sys.stdout.write(done.stdout + done.stderr)
    for test in tests:
        data = test["data"]
        sys.stdout.write(f"{test['id']}: {data['status']} ({data.get('time_seconds', 0):.0f} s)\n")
        if data["status"] != "success":
            failures.append(test["id"])
            _tell(data)
            sys.stdout.write(f"{(data.get('job') or {}).get('stderr') or ''}\n")
    return failures


def _tell(data: dict[str, Any]) -> None:
    """Print what was wrong in a test."""
    problems = [*(data.get("output_problems") or []), data.get("execution_problem")]
    for problem in problems:
        if problem:
            sys.stdout.write(f"{problem}\n")


def _workflow_test(programs: Path, galaxy: Galaxy, workflow: Path) -> list[str]:
    command = [
        *(str(programs / "planemo"), "test", "--engine", "external_galaxy"),
        *("--galaxy_url", galaxy.url, "--galaxy_user_key", galaxy.key),
        *("--galaxy_admin_key", galaxy.key, "--no_shed_install", str(workflow)),
    ]
    # Planemo keeps its settings in the home folder.
    environment = os.environ | {"HOME": str(SERVER)}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=SERVER, env=environment
    )
    if not done.returncode:
        return []
    sys.stdout.write(done.stdout + done.stderr)
    report = SERVER / "tool_test_output.json"
    for test in json.loads(report.read_text())["tests"] if report.exists() else []:
        _tell(test["data"])
    return [f"planemo test {workflow.name}"]


def _seen(galaxy: Galaxy) -> list[str]:
    """What is wrong with what the user sees in the histories of the tests."""
    items = [
        item
        for history in galaxy.get("histories")
        if history["name"] == HISTORY
        for item in galaxy.get(f"histories/{history['id']}/contents?details=all&limit=10000")
        if item["history_content_type"] == "dataset"
    ]
    # There may be no call of a label in a part of a genome; Galaxy shows no empty file.
    made = [
        item
        for item in items
        if item["state"] == "ok" and item["genome_build"] == BUILD and item["file_size"]
    ]
    failures = []
    for extension, viewers in VIEWERS.items():
        tracks = [item for item in made if item["extension"] == extension]
        sys.stdout.write(f"{len(tracks)} {extension} datasets\n")
        if not tracks:
            failures.append(f"no {extension} dataset of {BUILD}")
        for item in tracks:
            offered = {app["label"] for app in item["display_apps"] + item["display_types"]}
            failures += [
                f"{item['name']} ({extension}): no {viewer!r}, only {sorted(offered)}"
                for viewer in sorted(viewers - offered)
            ]
    failed = [item for item in items if item["state"] == "error"]
    sys.stdout.write(f"{len(failed)} datasets of failed jobs\n")
    if not failed:
        failures.append("no job failed")
    for item in failed:
        job = galaxy.get(f"jobs/{item['creating_job']}?full=true")
        told = [message["desc"] for message in job["job_messages"] or []]
        if not item["misc_info"].startswith("error: ") or not any(
            "Fatal error: " in text for text in told
        ):
            failures.append(f"{item['name']}: the user is told {item['misc_info']!r}, {told}")
    records = [item for item in items if item["state"] == "ok" and item["extension"] == "json"]
    for item in records:
        record = json.loads(galaxy.read(f"/api/datasets/{item['id']}/display"))
        # A check runs no model.
        if record.get("kind") in RUNS and record["provider"]["threads"] != SLOTS:
            failures.append(f"{item['name']}: {record['provider']} in place of {SLOTS} threads")
    return failures


def _pictures(galaxy: Galaxy, tools: list[Path]) -> list[str]:
    """Pictures of the tools' help that the server does not have."""
    failures = []
    history = galaxy.get("histories")[0]["id"]
    for tool in tools:
        told = galaxy.get(f"tools/{tool.stem}/build?history_id={history}")["help"]
        addresses = re.findall(r'<img [^>]*src="([^"]+)"', told)
        sys.stdout.write(f"{len(addresses)} pictures in the help of {tool.stem}\n")
        for address in addresses:
            try:
                picture = galaxy.read(address) if address.startswith("/") else b""
            except GalaxyError:
                picture = b""
            if not picture.startswith(b"\x89PNG"):
                failures.append(f"{tool.stem}: no picture at {address}")
    return failures


STARTED = time.monotonic()
if __name__ == "__main__":
    sys.exit(main())
