"""The demonstration: companies as processes, and the steps that they take together, one function each."""
