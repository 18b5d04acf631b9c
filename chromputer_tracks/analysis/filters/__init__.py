"""First-layer filters of a model: their motifs, their patterns, what they add to each class."""
