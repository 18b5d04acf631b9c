"""Reading and writing files: one module a format, coordinates converted once, at the edge."""
