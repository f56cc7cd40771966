"""What billing needs from the store."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from ashiato.facts.transactions import Room
from ashiato.hub.billing.board import Contribution
from ashiato.hub.billing.closing import Charge, Closing, Rules, UsageTotal
from ashiato.hub.billing.documents import Document, DocumentKind, Payment
from ashiato.hub.billing.months import Month
from ashiato.hub.billing.parties import Party
from ashiato.hub.billing.schemes import CostScheme
from ashiato.hub.billing.tariffs import Tariff
from ashiato.hub.billing.usage import Usage


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """A month that takes no more usage: when it was cut, and the rules by which it is closed whenever its closing is run."""

    month: Month
    cut_ms: int
    rules: Rules


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """How a closed month came out: the hash of its lines, how many documents it made, and the contribution board."""

    month: Month
    digest: str
    lines_count: int
    documents_count: int
    closed_ms: int
    board: tuple[Contribution, ...] = ()


class Billing(Protocol):
    """The rows of billing. Nothing that was issued is ever changed."""

    def open_month(self) -> Month | None:
        """The month after the last one that was cut; None before the first.

        Locked where the store has concurrent writers, so that no usage is billed in a month that is being cut.
        """

    def put_cut(self, cut: Cut) -> None:
        """Raises `Conflict` when the month is cut already."""

    def cut(self, month: Month) -> Cut | None: ...

    def first_month_with_usage(self) -> Month | None:
        """The first month in which any confirmed usage is billed."""

    def usage(self, usage_id: str) -> Usage | None: ...

    def put_usage(self, usage: Usage) -> None:
        """Insert or replace. It counts where it says in which month it is billed."""

    def take_back(self, usage: Usage, billed_in: Month) -> None:
        """Count the confirmed usage once below zero in the closing of that month. Raises `Conflict` the second time."""

    def usages(self, after_id: str, limit_count: int, *, state: str, party_id: str = "") -> list[Usage]:
        """In the order of their ids; with a party, those to which it is one of the sides."""

    def totals(
        self, first_day: int, last_day: int, first_billed: Month | None, last_billed: Month
    ) -> list[UsageTotal]:
        """What happened between two days, both included, and is billed between two months, both included; None: since ever."""

    def days_billed_late(self, month: Month) -> list[int]:
        """The numbers of the days before that month on which something happened that is billed in it."""

    def put_party(self, party: Party) -> None: ...
    def party(self, party_id: str) -> Party | None: ...
    def parties(self) -> list[Party]:
        """All, in the order of their DIDs."""

    def put_tariff(self, tariff: Tariff) -> None: ...
    def tariffs(self) -> list[Tariff]: ...
    def put_scheme(self, scheme: CostScheme) -> None: ...
    def schemes(self) -> list[CostScheme]: ...
    def put_charge(self, charge: Charge) -> None: ...
    def charges(self) -> list[Charge]: ...

    def put_closing(self, closing: Closing, counted: Counted) -> None:
        """Raises `Conflict` when the month has a closing already."""

    def closing(self, month: Month) -> Closing | None: ...
    def counted(self, month: Month) -> Counted | None: ...

    def last_sequence(self, issuer: str, kind: DocumentKind) -> int:
        """The number of the last document of that issuer and kind, 0 before the first; locked as `open_month` is."""

    def put_documents(self, documents: Sequence[Document]) -> None:
        """Raises `Conflict` for a number that was given."""

    def document(self, digest: str) -> Document | None: ...

    def documents(
        self, after_digest: str, limit_count: int, *, party_id: str = "", month: str = ""
    ) -> list[Document]:
        """In the order of their digests; with a party, those that it issued or receives."""

    def put_payment(self, digest: str, payment: Payment) -> None:
        """Raises `Conflict` for a payment id that is there."""

    def payments(self, digest: str) -> list[Payment]: ...


BILLING: Room[Billing] = Room("billing")
