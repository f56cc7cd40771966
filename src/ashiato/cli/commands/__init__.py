"""The commands, group by group."""
