"""The cellar: what a connector remembers, on SQLite or PostgreSQL, through the same statements."""
