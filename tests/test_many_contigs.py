"""Files of draft genomes: what grows with the square of the contigs is counted, not timed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pybigtools
import pyBigWig
import pytest

from chromputer_tracks.errors import OutputError
from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.io import bbi, bigbed, bigwig
from chromputer_tracks.io.bigbed import write_bigbed
from chromputer_tracks.io.bigwig import BigWigWriter
from chromputer_tracks.spec import Label
from chromputer_tracks.tracks.predict import states_autosql

LABELS = (Label("S0", "none", (0, 0, 0)),)
AUTOSQL = states_autosql(LABELS, "x")


class Counted:
    """A file of a library, whose look-ups of a contig are counted."""

    def __init__(self, file: Any, asked: list[str]) -> None:
        self.file, self.asked = file, asked

    def __enter__(self) -> Counted:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.file, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            if args:
                self.asked.append(name)
            return value(*args, **kwargs)

        return call


def scaffolds(count: int) -> ChromSizes:
    return ChromSizes({f"scaffold_{i}": 1_000 + i for i in range(count)}, "draft.fa")


def signal(path: Path, sizes: ChromSizes) -> None:
    with BigWigWriter(path, sizes, 50) as writer:
        for name in sorted(sizes):
            writer.add(name, 0, 1_000, np.linspace(0, len(name), 20, dtype=np.float32))


def states(path: Path, sizes: ChromSizes) -> None:
    rows = [
        (name, start, start + 100, f"S0\t9\t.\t{start}\t{start + 100}\t0,0,0")
        for name in sorted(sizes)
        for start in range(0, 1_000 if name.endswith("7") else 200, 100)
    ]
    write_bigbed(path, sizes, rows, AUTOSQL)


@pytest.mark.parametrize("how", ["bigWig", "bigBed"])
def test_look_ups_do_not_grow_with_the_contigs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    asked: list[str] = []
    blocks: list[int] = []
    library, module = (
        (pyBigWig, bigwig.pyBigWig) if how == "bigWig" else (pybigtools, bigbed.pybigtools)
    )
    real_open, real_blocks = library.open, bbi.read_blocks
    opened = lambda path, *mode: (  # noqa: E731
        real_open(path, *mode) if mode else Counted(real_open(path), asked)
    )
    monkeypatch.setattr(module, "open", opened)

    def read(path: Path) -> Any:
        for block in real_blocks(path):
            blocks.append(len(block))
            yield block

    monkeypatch.setattr(bbi, "read_blocks", read)
    counts = []
    for number in (bbi.LOOKED_UP, 300, 600):
        asked.clear()
        blocks.clear()
        (signal if how == "bigWig" else states)(
            tmp_path / f"{number}.{'bw' if how == 'bigWig' else 'bb'}", scaffolds(number)
        )
        counts.append((len(asked), len(blocks)))
    each = 3 if how == "bigWig" else 1
    # Few contigs are looked up one by one; of more, as few, and all are read in one pass.
    assert counts == [(64 * each, 0), (64 * each, 300), (64 * each, 600)]


def test_every_contig_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those that no library is asked for."""
    sizes = scaffolds(300)
    names = sorted(sizes)
    odd = next(name for name in names if name not in bbi.spread(names) and name.endswith("7"))
    real = bigwig._RUN.pack

    class Run:
        size, unpack_from = bigwig._RUN.size, bigwig._RUN.unpack_from

        @staticmethod
        def pack(rank: int, start: int, end: int, *rest: int) -> bytes:
            return real(rank, start, end - 50 * (rank == names.index(odd)), *rest)

    with monkeypatch.context() as patch:
        patch.setattr(bigwig, "_RUN", Run)
        with pytest.raises(OutputError, match=f"{odd} read back as "):
            signal(tmp_path / "x.bw", sizes)
    signal(tmp_path / "x.bw", sizes)
    real_rows = bigbed._CheckedRows.__iter__

    def dropping(self: Any) -> Any:
        seen = 0
        for row in real_rows(self):
            seen += row[0] == odd
            if row[0] != odd or seen != 3:
                yield row

    monkeypatch.setattr(bigbed._CheckedRows, "__iter__", dropping)
    with pytest.raises(OutputError, match="rows read back of"):
        states(tmp_path / "x.bb", sizes)


@pytest.mark.parametrize("count", [1, 255, 256, 257, 70_000])
def test_contigs_are_read_as_they_were_written(tmp_path: Path, count: int) -> None:
    """Trees of one, two and three levels, against pyBigWig."""
    sizes = scaffolds(count)
    path = tmp_path / "x.bw"
    path.write_bytes(
        bbi.header(tree=64, data=0, index=0, summary=0, buffer=0, zooms=())
        + bbi.contig_tree(sorted(sizes.items(), key=lambda item: item[0].encode()), 64)
    )
    ranked = sorted(sizes, key=str.encode)
    assert bbi.read_contigs(path) == {name: (i, sizes[name]) for i, name in enumerate(ranked)}
    if count == 257:
        for write, kind in ((signal, "bw"), (states, "bb")):
            made = tmp_path / f"real.{kind}"
            write(made, sizes)
            with pyBigWig.open(str(made)) as file:
                assert file.chroms() == {n: size for n, (_, size) in bbi.read_contigs(made).items()}
