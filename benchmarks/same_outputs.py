"""Whether two checkouts give the same results: every command on real data, file by file.

``python benchmarks/same_outputs.py OLD NEW DATA OUT`` runs the commands with the package of each
checkout (in the Python that runs this script) into OUT/old and OUT/new, and lists the files that
differ. DATA is the folder that holds ``yeast``. Records are compared without what no two runs
share: times, paths, versions, memory. Exit status 1 where anything else differs.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path

START = "import sys; from chromputer_tracks.cli.main import run; run()"
CHROMOSOMES = ["--chrom", "chrII", "--chrom", "chrVII"]

VOLATILE = {
    *("command", "directory", "started", "seconds", "versions", "peak_mb", "stages", "path"),
    *("date", "created", "package_version", "generated", "options", "fragment_options"),
}
"""Keys of records that no two runs share, or that are said elsewhere in another release."""
TEXTS = (
    (re.compile(rb"(?:/[\w.-]+)+/(?:old|new)\b"), b"OUT"),
    (re.compile(rb"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:\.\d+)?(?:\+00:00|Z)?)?"), b"DATE"),
    (re.compile(rb"[0-9a-f]{64}"), b"SHA256"),
)


def commands(root: Path, data: Path, out: Path) -> list[tuple[str, list[str]]]:
    """Name of the results and words of each command, later ones on the results of earlier ones."""
    yeast, example = data / "yeast", root / "examples" / "yeast"
    sample = ["--fasta", str(example / "sacCer3.fa.gz")]
    sample += ["--fragments", str(example / "atac.fragments.tsv.gz")]
    model = [str(root / "models" / "yeast-atac"), *sample, "--threads", "1"]
    peaks = str(yeast / "peaks" / "Reb1.bed")
    config = str(root / "models" / "yeast-atac.toml")
    runs = [str(out / name) for name in ("predict", "explain")]
    quiz = ["--states", str(yeast / "states8.bed"), "--questions", "6", "--draws", "50", "--tsv"]
    return [
        ("reads.fragments.tsv.gz", ["fragments", str(yeast / "atac_nucleoatac_19loci.bam")]),
        ("predict", ["predict", *model]),
        ("strands", ["predict", *model, "--chrom", "chrI", "--average-strands"]),
        (
            "explain",
            ["explain", *model, "--head", "Reb1", "--head", "S5", "--regions", peaks]
            + [*CHROMOSOMES, "--max-sites", "120", "--images", "2", "--references", "5"],
        ),
        ("calls", ["explain", *model, "--head", "Abf1", "--calls", *CHROMOSOMES[:2]]
                  + ["--method", "gradient*input", "--images", "0"]),
        ("motifs", ["motifs", runs[1], "--head", "Reb1", "--jaspar", "fungi", "--threads", "1"]),
        ("filters", ["filters", *model, *CHROMOSOMES[:2], "--sites", "20", "--sample-sites", "50"]
                    + ["--references", "2", "--jaspar", "fungi"]),
        ("embed", ["embed", *model, "--regions", peaks, "--max-sites", "300", "--clusters", "3"]),
        ("vplot.svg", ["vplot", *sample, "--regions", peaks]),
        ("states.svg", ["vplot", *model[1:], "--model", model[0], "--max-sites", "10"]
                       + ["--references", "2", "--states", str(yeast / "states8.bed")]
                       + CHROMOSOMES[:2]),
        ("quiz.html", ["quiz", *model, *quiz]),
        ("hub", ["hub", *runs, "--assembly", "sacCer3", "--email", "me@example.org"]
                + ["--url", "https://example.org/hub"]),
        ("session", ["view", *runs, "--write-session"]),
        ("evaluate", ["evaluate", model[0], "--config", config, "--data", str(data)]
                     + ["--contigs", "chrVII", "--draws", "50", "--threads", "1"]),
        ("dataset", ["dataset", config, "--data", str(data)]),
        ("simulate", ["simulate", "--size", "400000", "--no-optimum"]),
        ("trained", ["train", str(out / "simulate" / "config.toml"), "--epochs", "1"]),
    ]  # fmt: skip


def run(root: Path, data: Path, out: Path) -> None:
    """All commands with the package of one checkout."""
    out.mkdir(parents=True)
    environment = os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    for name, words in commands(root, data, out):
        place = [str(out / name)] if words[0] == "view" else ["--out", str(out / name)]
        done = subprocess.run(
            [sys.executable, "-c", START, *words, *place],
            cwd=root, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        sys.stderr.write(f"{root} {words[0]} -> {name}: exit {done.returncode}\n")
        if done.returncode:
            sys.stderr.write(done.stdout + done.stderr)


def plain(path: Path) -> object:
    """What of a file must be the same."""
    content = path.read_bytes()
    if path.suffix == ".json":
        return stable(json.loads(content))
    for pattern, stands_for in TEXTS:
        content = pattern.sub(stands_for, content)
    return content


def stable(value: object) -> object:
    """A record without its volatile keys and texts."""
    if isinstance(value, dict):
        return {key: stable(item) for key, item in value.items() if key not in VOLATILE}
    if isinstance(value, list):
        return [stable(item) for item in value]
    if isinstance(value, str):
        text = value.encode()
        for pattern, stands_for in TEXTS:
            text = pattern.sub(stands_for, text)
        return text.decode()
    return value


def files(folder: Path) -> dict[str, Path]:
    return {str(p.relative_to(folder)): p for p in sorted(folder.rglob("*")) if p.is_file()}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name in ("old", "new", "data", "out"):
        parser.add_argument(name, type=lambda text: Path(text).resolve())
    parser.add_argument("--only", choices=("old", "new"), help="run one, compare with the other")
    given = parser.parse_args()
    for name in ("old", "new"):
        if given.only in (None, name):
            run(getattr(given, name), given.data, given.out / name)
    old, new = files(given.out / "old"), files(given.out / "new")
    differ = [name for name in old.keys() & new.keys() if plain(old[name]) != plain(new[name])]
    for what, names in (
        ("only in the old results", old.keys() - new.keys()),
        ("only in the new results", new.keys() - old.keys()),
        ("different", differ),
    ):
        for name in sorted(names):
            sys.stdout.write(f"{what}: {name}\n")
    same = len(old.keys() & new.keys()) - len(differ)
    sys.stdout.write(f"{same} of {len(old.keys() | new.keys())} files are the same\n")
    return int(same < len(old.keys() | new.keys()))


if __name__ == "__main__":
    sys.exit(main())
