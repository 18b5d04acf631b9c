"""Numbers and what they count."""

from __future__ import annotations

import pytest

from chromputer_tracks.errors import counted


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 sites"), (1, "1 site"), (2, "2 sites"), (12_345, "12,345 sites")]
)
def test_the_plural_is_for_all_but_one(number: int, said: str) -> None:
    assert counted(number, "site") == said
