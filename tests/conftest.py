"""Shared fixtures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from toy_runs import HubRuns, ViewRuns

# A busy machine is no failure.
settings.register_profile("chromputer", deadline=None)
settings.load_profile("chromputer")

SHARED = Path(__file__).resolve().parents[1].parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_yeast() -> Path:
    """The folder of real yeast data that is not committed; the test skips where it is absent."""
    folder = SHARED / "yeast"
    if not folder.is_dir():
        pytest.skip(f"real data not found: {folder.name} beside the checkout")
    return folder


@pytest.fixture(scope="session")
def example() -> Path:
    """The yeast example that ships: the genome and real ATAC-seq fragments."""
    return Path(__file__).resolve().parents[1] / "examples" / "yeast"


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> HubRuns:
    """Two samples and two models on a toy genome, to make hubs of."""
    from toy_runs import hub_runs

    return hub_runs(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> ViewRuns:
    """A prediction and an explanation of three labels on a toy genome, to look at."""
    from toy_runs import view_runs

    return view_runs(tmp_path_factory.mktemp("a folder"))
