"""The options that say which fragments of a file count, the same in every command."""

from __future__ import annotations

from typing import Annotated

import typer

MinMapq = Annotated[
    int, typer.Option(min=0, max=255, help="BAM: least mapping quality of both mates.")
]
DropDuplicates = Annotated[
    bool,
    typer.Option(
        "--drop-duplicates/--keep-duplicates",
        help="Drop pairs flagged as duplicates; count identical fragments once.",
    ),
]
ExcludeContig = Annotated[
    list[str] | None,
    typer.Option(help="Leave out the fragments of this contig; may be repeated."),
]
Tn5Shift = Annotated[
    bool | None,
    typer.Option(
        "--tn5-shift/--no-tn5-shift",
        help="Shift ends by +4/-5 bp; default: on for BAM, off for fragment files and BEDPE.",
    ),
]
