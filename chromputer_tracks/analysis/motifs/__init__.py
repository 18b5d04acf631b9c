"""Motifs in contributions: discovery, known names, instances."""
