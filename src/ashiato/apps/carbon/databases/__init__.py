"""Databases of others as the company keeps them: read from a file, packed, and asked for intensities, changes and draws."""
