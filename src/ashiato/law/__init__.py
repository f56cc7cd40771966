"""Dated rules as data: what a law, guideline or rulebook sets, each value with its source, year and standing."""
