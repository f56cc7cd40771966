"""The command line: the same things as the management API, for people and scripts."""
