"""The only package that imports torch: network, training, evaluation and export."""
