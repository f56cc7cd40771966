"""What can be wrong with a background database, and who must act."""


class BackgroundRefused(ValueError):
    """The matrices cannot be a background database. Whoever imported them must mend what `where` names."""

    def __init__(self, reason: str, *, where: str) -> None:
        super().__init__(f"{reason} ({where}); mend the import of this database")
        self.reason = reason
        self.where = where


class EndlessLoop(ArithmeticError):
    """Products that consume as much of themselves as they make, so that no amount of them is ever enough.

    Whoever keeps the database must correct an exchange between `products`; `gain` is how much of itself one turn of the
    loop takes (at least 1).
    """

    def __init__(self, products: tuple[str, ...], gain: float) -> None:
        named = ", ".join(products)
        super().__init__(
            f"each turn of a loop takes {gain:.6g} of what it makes; correct an exchange between {named}"
        )
        self.products = products
        self.gain = gain


class Undetermined(ArithmeticError):
    """The loops between `products` have no single answer (a singular block). Whoever keeps the database must correct one of
    their exchanges."""

    def __init__(self, products: tuple[str, ...]) -> None:
        super().__init__(
            f"the exchanges between {', '.join(products)} have no single answer; correct one of them"
        )
        self.products = products


class TooLargeToEliminate(ArithmeticError):
    """The iteration did not settle and the loops are too many to be eliminated within the memory that was allowed.

    The operator of this node may allow more (`needed_bytes`)."""

    def __init__(self, needed_bytes: int, allowed_bytes: int) -> None:
        super().__init__(
            f"the iteration does not settle, and elimination takes {needed_bytes} bytes where {allowed_bytes} are allowed; "
            "allow more, or correct the loops of the database"
        )
        self.needed_bytes = needed_bytes
        self.allowed_bytes = allowed_bytes


class Cancelled(Exception):
    """The caller's watch said stop. Nothing was kept."""

    def __init__(self, stage: str, done_ratio: float) -> None:
        super().__init__(f"stopped by its caller while {stage}, {done_ratio:.0%} done")
        self.stage = stage
        self.done_ratio = done_ratio
