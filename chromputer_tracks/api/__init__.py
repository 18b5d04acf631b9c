"""The Python interface: predictions, contributions and V-plots as numpy arrays.

``import chromputer_tracks as ct`` gives all of it as ``ct.predict``, ``ct.explain`` and so on.
Nothing here prints: what a user should hear of is a warning, what they can mend is a
:class:`~chromputer_tracks.errors.ChromputerError`.
"""
