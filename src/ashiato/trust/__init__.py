"""Keys, signatures, DIDs and tokens:

bytes, instants and ids in; checked values and `Verified` types out. No I/O.
"""
