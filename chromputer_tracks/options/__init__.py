"""Options of the commands, written once: name, type, default, limits and help.

A command's options are a frozen dataclass. The command line is made from its fields
(:mod:`chromputer_tracks.cli.flags`), Python users make it themselves, and the record of a run
(``run.json``) lists it. The modules here load nothing but the standard library, so that help is
fast.
"""
