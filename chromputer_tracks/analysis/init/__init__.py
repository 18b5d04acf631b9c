"""``chromputer init``: a training configuration of the files at hand."""
