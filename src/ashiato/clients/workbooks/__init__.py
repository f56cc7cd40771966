"""Excel workbooks: read in a process of their own, written without formulas and links."""
