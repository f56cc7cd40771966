"""Merkle trees: one hash that commits to many entries, and proofs that open a single one."""
