"""Old place of what :mod:`chromputer_tracks.io.run` has; gone when all commands use that."""

from chromputer_tracks.io.run import Stage, Stages, peak_mb, reset_peak

__all__ = ["Stage", "Stages", "peak_mb", "reset_peak"]
