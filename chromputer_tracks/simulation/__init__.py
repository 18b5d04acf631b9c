"""Simulated genomes and fragments whose best possible accuracy is known."""
