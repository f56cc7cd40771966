"""The applications of the data space; none imports another."""
