"""What can go wrong with a store, by who must act."""


class StoreUnavailable(Exception):
    """The database cannot be reached or cannot write: the operator must act, and the caller may try again.

    `outcome_unknown` is true when the connection broke during the commit: the work may or may not have taken effect.
    """

    def __init__(self, problem: str, *, outcome_unknown: bool = False) -> None:
        super().__init__(
            f"The store is not available ({problem}); check that the database runs and has space."
        )
        self.problem = problem
        self.outcome_unknown = outcome_unknown


class StoreTooNew(Exception):
    """The database was written by a newer program: the operator must start that one, or restore an older copy."""

    def __init__(self, found_version: int, known_version: int) -> None:
        super().__init__(
            f"The database has schema version {found_version}, this program knows up to {known_version}; "
            "start a newer program."
        )
        self.found_version = found_version
        self.known_version = known_version


class StoreInUse(Exception):
    """Another running process has the SQLite file open: the operator must stop one of them, or use PostgreSQL."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"Another process uses {path}; stop it, or let both stand on one PostgreSQL database."
        )
        self.path = path


class NodeIdTaken(Exception):
    """Another running process has the same node id on this database: the operator must give each its own."""

    def __init__(self, node_id: str) -> None:
        super().__init__(
            f"Another process with the node id {node_id!r} uses this database; give each process its own."
        )
        self.node_id = node_id


class StatementRefused(Exception):
    """The database refuses a statement or a value: the programmer must act."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"The store refuses a statement: {problem}")
        self.problem = problem


class BadStoreUrl(ValueError):
    """The operator gave an address of a store that this program cannot open."""

    def __init__(self, scheme: str) -> None:
        super().__init__(
            f"A store is named sqlite:///folder/file.db or postgresql://user@host/database, not {scheme!r}…"
        )
        self.scheme = scheme
