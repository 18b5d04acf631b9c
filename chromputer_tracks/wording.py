"""How messages and reports say things."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """``1 site``, ``12,345 sites``: a number and what it counts, in the plural but for one."""
    return f"{number:,} {noun}{'s' if number != 1 else ''}"
