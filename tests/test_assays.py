"""A sample's files told apart by what they hold, whatever their names."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyBigWig
import pytest
from toy_genome import ToyGenome, toy_genome

from chromputer_tracks.errors import InputError
from chromputer_tracks.intervals import Interval
from chromputer_tracks.io.assays import BigWigSource, is_bigwig, open_assay
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.io.fragments import FragmentOptions

OPTIONS = FragmentOptions()


@pytest.fixture
def toy() -> ToyGenome:
    return toy_genome()


@pytest.fixture
def bigwig(tmp_path: Path, toy: ToyGenome) -> Path:
    path = tmp_path / "signal.bw"
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader(sorted(toy.sizes.items()))
        file.addEntries(["chr1"], [100], ends=[300], values=[2.5])
    return path


@pytest.fixture
def fragments(tmp_path: Path, toy: ToyGenome) -> Path:
    return toy.write(tmp_path)[1]


def test_the_content_counts_not_the_name(tmp_path, toy, bigwig, fragments):
    misnamed = tmp_path / "coverage.tsv"
    shutil.copy(bigwig, misnamed)
    shutil.copy(fragments, tmp_path / "fragments.bw")
    with ExitStack() as stack:
        source = open_assay(stack, misnamed, toy.sizes, OPTIONS)
        assert isinstance(source, BigWigSource)
        assert source.means(Interval("chr1", 90, 110), 10).tolist() == [0, 2.5]
        store = open_assay(stack, tmp_path / "fragments.bw", toy.sizes, OPTIONS)
        assert isinstance(store, FragmentStore)
        assert store.total == sum(map(len, toy.starts.values()))


def test_both_byte_orders_and_other_files(tmp_path, bigwig, fragments):
    assert is_bigwig(bigwig)
    assert not is_bigwig(fragments)
    for head, expected in ((b"\x88\x8f\xfc\x26", True), (b"\x88\x8f", False), (b"", False)):
        path = tmp_path / "head"
        path.write_bytes(head)
        assert is_bigwig(path) is expected
    with pytest.raises(InputError, match="cannot read .*none: No such file"):
        is_bigwig(tmp_path / "none")
    with pytest.raises(InputError, match="cannot read .*: Is a directory"):
        is_bigwig(tmp_path)


def test_options_and_progress_are_passed_on(toy, fragments):
    told: list[int] = []
    kept = sum(map(len, toy.starts.values())) - len(toy.starts["chr2"])
    with ExitStack() as stack:
        options = FragmentOptions(exclude=("chr2",))
        store = open_assay(stack, fragments, toy.sizes, options, told.append)
        assert store.total == kept
        assert not len(store.fetch(Interval("chr2", 0, 4000)).starts)
    assert told[-1] == kept


def test_scratch_files_are_where_they_should_be_until_the_end(tmp_path, toy, fragments):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with ExitStack() as stack:
        store = open_assay(stack, fragments, toy.sizes, OPTIONS, None, scratch)
        assert list(scratch.iterdir())
        middle = np.sort((toy.starts["chr1"] + toy.ends["chr1"]) // 2)
        found = store.midpoints(Interval("chr1", 0, 6150)).midpoints
        assert found.tolist() == middle.tolist()
    assert list(scratch.iterdir()) == []
