"""The hub's tables: a chain of migrations of its own beside that of a connector, one module per room."""
