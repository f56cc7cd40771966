"""Emission factors and life-cycle inventories of others: what they are, where they come from, who may see them."""
