"""Background databases as matrices: what one unit of each product emits, how sure that is, and what a change would do."""
