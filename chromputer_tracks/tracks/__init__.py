"""Browser tracks out of predictions."""
