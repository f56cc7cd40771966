"""Keys, signatures, DIDs and tokens: bytes, instants and ids in; checked values out, verified by type."""
