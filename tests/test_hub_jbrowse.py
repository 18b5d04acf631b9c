"""JBrowse's parsers (npm @gmod/ucsc-hub, @gmod/bbi, @gmod/twobit) read a hub and all of its data.

They are looked for in ``.node/node_modules`` of the checkout, or of the folder that the environment
variable ``CHROMPUTER_NODE`` names.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pyBigWig
import pytest
from hub_spec_check import stanzas
from toy_runs import HubRuns, hub

ROOT = Path(__file__).parents[1]
NODE = Path(os.environ.get("CHROMPUTER_NODE", ROOT / ".node"))
PACKAGES = ("@gmod/ucsc-hub", "@gmod/bbi", "@gmod/twobit")
INSTALL = f"npm install --no-save --prefix .node {' '.join(PACKAGES)}"

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None
    or not all((NODE / "node_modules" / name).is_dir() for name in PACKAGES),
    reason=f"node or JBrowse's parsers are not installed: {INSTALL}",
)


def jbrowse(folder: Path) -> subprocess.CompletedProcess[str]:
    node = shutil.which("node")
    assert node is not None
    script = Path(__file__).with_name("hub_jbrowse.cjs")
    command = [node, str(script), str(NODE), str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def read(folder: Path) -> dict[str, Any]:
    done = jbrowse(folder)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("one_file", [False, True])
def test_settings_and_data_are_read(runs, tmp_path, one_file):
    out = tmp_path / "hub"
    _, folder = hub(runs, out, one_file=one_file, fasta=runs.fasta)
    found = read(out)
    assert found["head"]["hub"] == "chromputer_toy1"
    assert found["genome"]["genome"] == "toy1"
    if one_file:
        _, _, *tracks = stanzas((out / "hub.txt").read_text())
    else:
        tracks = stanzas((folder / "trackDb.txt").read_text())
    assert found["tracks"] == {item["track"]: item for item in tracks}
    base = out if one_file else folder
    shown = [item for item in tracks if "bigDataUrl" in item]
    assert list(found["data"]) == [item["track"] for item in shown]
    for item in shown:
        _compare(base / item["bigDataUrl"], found["data"][item["track"]], runs)
    assert found["sequence"] == {
        name: row.tobytes().decode() for name, row in runs.toy.bases.items()
    }


def _compare(path: Path, data: dict[str, Any], runs: HubRuns) -> None:
    """What JBrowse read of a file against what pyBigWig reads."""
    with pyBigWig.open(str(path)) as file:
        assert {name: entry["length"] for name, entry in data["found"].items()} == file.chroms()
        assert data["zooms"] >= 1 or file.isBigBed()
        for name, size in file.chroms().items():
            assert size == runs.toy.sizes[name]
            rows = data["found"][name]["rows"]
            if file.isBigBed():
                assert rows == [list(entry) for entry in file.entries(name, 0, size) or ()]
                continue
            values = np.full(size, np.nan)
            for start, end, score in rows:
                values[start:end] = score
            np.testing.assert_array_equal(values, file.values(name, 0, size))


def test_a_hub_without_an_address_is_refused(runs, tmp_path):
    """That the parsers do check."""
    out = tmp_path / "hub"
    hub(runs, out)
    path = out / "hub.txt"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line.startswith("email")))
    done = jbrowse(out)
    assert done.returncode == 1
    assert "email" in done.stderr
