"""The page of ``chromputer view``, and the server on loopback that it reads from."""
