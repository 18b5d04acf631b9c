"""A sample's files, opened by what they hold: fragments or a bigWig."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.io.bbi import BIGWIG_MAGIC
from chromputer_tracks.io.bgzf import open_input
from chromputer_tracks.io.bigwig_source import BigWigSource
from chromputer_tracks.io.fragment_batch import FragmentOptions
from chromputer_tracks.io.fragment_store import FragmentStore


def is_bigwig(path: Path) -> bool:
    """Whether a file starts as a bigWig does, of either byte order.

    Raises:
        InputError: it cannot be read.
    """
    with open_input(path) as file:
        head = file.read(4)
    return BIGWIG_MAGIC in (int.from_bytes(head, "little"), int.from_bytes(head, "big"))


def open_assay(
    stack: ExitStack,
    path: Path,
    sizes: ChromSizes,
    options: FragmentOptions,
    progress: Callable[[int], None] | None = None,
    scratch: Path | None = None,
) -> FragmentStore | BigWigSource:
    """Open a file of fragments or a bigWig, told apart by content.

    Args:
        stack: closes it.
        path: BAM, fragment file, BEDPE or bigWig.
        sizes: the genome's contigs.
        options: which fragments to keep.
        progress: called with the number of fragments kept so far.
        scratch: folder for scratch files; None: TMPDIR.

    Raises:
        ChromputerError: the file cannot be used.
    """
    if is_bigwig(path):
        return stack.enter_context(BigWigSource.open(path, sizes, scratch))
    return stack.enter_context(FragmentStore.build(path, sizes, options, progress, scratch))
