"""The arguments of commands that read a training configuration, the same in each of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[Path, typer.Argument(help="Training configuration (TOML).")]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="Folder that relative paths in the configuration start from; "
        "default: the configuration's own folder.",
    ),
]
Epochs = Annotated[
    int | None, typer.Option("--epochs", min=1, help="Instead of the configuration's.")
]
