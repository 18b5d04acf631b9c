"""A sample's files, opened by what they hold: fragments or a bigWig."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.io.bgzf import open_input
from chromputer_tracks.io.bigwig_source import BigWigSource
from chromputer_tracks.io.fragment_batch import FragmentOptions
from chromputer_tracks.io.fragment_store import FragmentStore

_BIGWIG = (b"\x26\xfc\x8f\x88", b"\x88\x8f\xfc\x26")


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
        scratch: folder for the fragments' scratch files; None: TMPDIR.

    Raises:
        ChromputerError: the file cannot be used.
    """
    with open_input(path) as file:
        magic = file.read(4)
    if magic in _BIGWIG:
        return stack.enter_context(BigWigSource.open(path, sizes))
    return stack.enter_context(FragmentStore.build(path, sizes, options, progress, scratch))
