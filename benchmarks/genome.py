"""``chromputer predict`` on a synthetic genome: Mb/s end to end, shares by stage, peak memory.

python benchmarks/genome.py MODEL --size 250_000_000 --contigs 2 --scratch /tmp
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from synthetic import write_fragments, write_genome


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--size", type=int, default=250_000_000, help="bp of each contig")
    parser.add_argument("--contigs", type=int, default=1)
    parser.add_argument("--fragments", type=int, default=10_000_000, help="per contig")
    parser.add_argument("--scratch", type=Path, help="folder for the temporary files")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    parser.add_argument("options", nargs="*", help="after --: options for chromputer predict")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=args.scratch) as name:
        folder = Path(name)
        sizes = {f"chr{i + 1}": args.size for i in range(args.contigs)}
        begin = time.perf_counter()
        write_genome(folder / "genome.fa.gz", sizes)
        write_fragments(folder / "f.tsv.gz", sizes, args.fragments * args.contigs)
        print(f"input made in {time.perf_counter() - begin:.0f} s", flush=True)
        figures = run(args.model, folder, sizes, args.options)
    for key, value in figures.items():
        print(f"{key:32} {value}")
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + "\n")


def run(model: str, folder: Path, sizes: dict[str, int], options: list[str]) -> dict[str, object]:
    command = [
        *(sys.executable, "-c", "from chromputer_tracks.cli.main import run; run()"),
        *("predict", model, "--fragments", str(folder / "f.tsv.gz")),
        *("--fasta", str(folder / "genome.fa.gz"), "--out", str(folder / "out")),
        *("--scratch", str(folder), *options),
    ]
    begin = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    if status:
        sys.exit(f"predict failed with status {os.waitstatus_to_exitcode(status)}")
    record = json.loads((folder / "out" / "run.json").read_text())
    stages = record["stages"]
    megabases = sum(sizes.values()) / 1e6
    output = sum(f.stat().st_size for f in (folder / "out").rglob("*") if f.is_file())
    figures: dict[str, object] = {
        "contigs": len(sizes),
        "Mb": megabases,
        "provider": record["provider"]["name"],
        "threads": record["provider"]["threads"],
        "seconds": round(seconds, 1),
        "Mb/s": round(megabases / seconds, 3),
        "CPU seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak MiB": record["peak_mb"],
        "output MB": round(output / 1e6, 1),
    }
    for name, stage in stages["phases"].items():
        figures[f"{name}: s (share)"] = f"{stage['seconds']:.1f} ({stage['seconds'] / seconds:.0%})"
        figures[f"{name}: peak MiB"] = stage["peak_mb"]
    for name, stage in stages["parts_of_predicting"].items():
        figures[f"  {name}: s (share)"] = (
            f"{stage['seconds']:.1f} ({stage['seconds'] / seconds:.0%}), "
            f"{stage['cpu_seconds'] / megabases * 1000:.0f} ms CPU per Mb in its thread"
        )
    return figures


if __name__ == "__main__":
    main()
