"""``chromputer check``: how a sample looks, and whether it is fit for a model."""
