"""Charts and their style, drawn with matplotlib as SVG that lives inside a page."""
