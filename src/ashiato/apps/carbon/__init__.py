"""Carbon footprints: inventories, factors, rulesets, roll-up and declarations."""
