"""Frozen values and the checks that make them: no behaviour but arithmetic and validation."""
