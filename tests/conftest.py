"""Shared fixtures."""

from pathlib import Path

import pytest
from hypothesis import settings

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
