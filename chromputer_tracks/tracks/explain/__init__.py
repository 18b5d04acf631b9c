"""Contributions at sites, as tracks and arrays."""
