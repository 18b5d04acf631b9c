"""A map of sites as a model sees them."""
