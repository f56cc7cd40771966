"""Readers of other programs' files: one module per format, from an open file to a `Reading` that names every loss.

A dataset is taken whole or not at all: one exchange that cannot be read would make the footprint smaller than it is.
"""
