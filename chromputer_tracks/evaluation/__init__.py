"""Scores, intervals, calibration and baselines at sites; no network in here."""
