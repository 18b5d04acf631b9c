"""``chromputer embed`` for tests: sites, the command, and what it wrote."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from chromputer_tracks.cli.main import app

FILES = (
    "clusters.bed", "clusters.npz", "clusters.png", "clusters.svg", "clusters.tsv",
    "embedding.npz", "map.html", "map.png", "map.svg", "sites.tsv",
)  # fmt: skip
"""What the command writes."""
BED = (
    "#chrom\tstart\tend\tname\tscore\tstrand\tkind\n"
    "chr1\t3000\t3001\ta\t5\t+\tx\n"
    "chr1\t100\t140\tb\t7\t-\tx\n"
    "chr10\t500\t503\tc\t9\t-\ty\n"
    "chr2\t4300\t4321\td\t1\t+\t.\n"
    "edge\t0\t300\t<b>&\"'</script>\t2\t+\ty\n"
    "tiny\t1\t30\tf\t3\t-\tx\n"
)


def embed(inputs: dict[str, Path], *more: str) -> Result:
    args = ["embed", str(inputs["model"]), "--provider", "cpu"]
    for name in ("fasta", "fragments", "out"):
        if name in inputs:
            args += [f"--{name}", str(inputs[name])]
    return CliRunner().invoke(app, [*args, *more])


def runs(inputs: dict[str, Path], *more: str) -> Path:
    result = embed(inputs, *more)
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    return inputs["out"]


def fails(inputs: dict[str, Path], *more: str) -> str:
    """The message of a run that must fail cleanly."""
    result = embed(inputs, *more)
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.stderr
    assert not inputs["out"].exists()
    message = result.stderr.strip().splitlines()[-1]
    assert message.startswith("error: ")
    return message


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def payload(out: Path) -> dict[str, Any]:
    page = (out / "map.html").read_text(encoding="utf-8")
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)
    found: dict[str, Any] = json.loads(text)
    return found
