"""A run, an evaluation or a dataset as one HTML file that opens offline."""
