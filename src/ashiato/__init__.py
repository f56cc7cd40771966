"""Ashiato (足跡, "footprints"): the open battery data space."""
