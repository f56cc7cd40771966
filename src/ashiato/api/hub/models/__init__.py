"""The documents of the hub's routes, one module per room."""
