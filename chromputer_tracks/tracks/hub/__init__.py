"""A UCSC track hub from runs of ``predict`` and ``explain``."""
