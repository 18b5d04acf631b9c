"""chromputer-tracks: chromatin-state, TF-binding and importance tracks from ATAC-seq and DNA."""

__version__ = "0.1.0"
