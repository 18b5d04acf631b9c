"""A quiz on V-plots that reader and model answer."""
