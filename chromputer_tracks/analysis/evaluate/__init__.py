"""Models, baselines and replicates scored on the same held-out sites."""
