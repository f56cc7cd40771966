"""The hub's tables as the statements see them; `stores.hub.migrations` makes them. Rooms add theirs in modules of their own."""

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, Text

HUB_METADATA = MetaData()


def key(name: str) -> Column[str]:
    """A text that is part of the primary key."""
    return Column(name, Text, primary_key=True)


def number_key(name: str) -> Column[int]:
    """A number that is part of the primary key."""
    return Column(name, BigInteger, primary_key=True, autoincrement=False)


def text(name: str, *, nullable: bool = False) -> Column[str]:
    """A text."""
    return Column(name, Text, nullable=nullable)


def count(name: str) -> Column[int]:
    """A small whole number."""
    return Column(name, Integer, nullable=False)


def instant(name: str, *, nullable: bool = False) -> Column[int]:
    """Epoch milliseconds, or any whole number that may be large."""
    return Column(name, BigInteger, nullable=nullable)


def blob(name: str) -> Column[bytes]:
    """Bytes."""
    return Column(name, LargeBinary, nullable=False)


def blob_key(name: str) -> Column[bytes]:
    """Bytes that are part of the primary key."""
    return Column(name, LargeBinary, primary_key=True)
