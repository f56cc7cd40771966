"""The only rooms that know everybody: programs are put together here."""
