"""The tracks of runs as IGV and igv.js show them, and sessions that open them."""
