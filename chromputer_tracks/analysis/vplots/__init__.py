"""Aggregate V-plots: counted, normalised, explained and drawn."""
