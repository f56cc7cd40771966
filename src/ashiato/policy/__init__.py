"""Usage policies in ODRL 2.2: read, judge with reasons, look up, compare and build."""
