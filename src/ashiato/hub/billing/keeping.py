"""Entering what bills follow: parties, tariffs, cost schemes and charges. What a month that was cut followed stays as it was."""

from collections.abc import Callable

import msgspec

from ashiato.facts.problems import Invalid, NotFound, WrongState
from ashiato.hub.billing.closing import LARGEST_CHARGE_YEN, Charge
from ashiato.hub.billing.documents import Document, Payment
from ashiato.hub.billing.months import Month
from ashiato.hub.billing.parties import Party, UnusableParty, check_party
from ashiato.hub.billing.ports import BILLING, Billing
from ashiato.hub.billing.schemes import CostScheme, UnusableScheme, check_scheme
from ashiato.hub.billing.tariffs import Tariff, UnusableTariff, check_tariff
from ashiato.hub.ports import UnitOfWork


def keep_party(uow: UnitOfWork, party: Party) -> None:
    """Enter a party, or what is new of it; raises `Invalid`."""
    _checked(lambda: check_party(party), UnusableParty)
    uow.room(BILLING).put_party(party)


def keep_tariff(uow: UnitOfWork, tariff: Tariff) -> None:
    """Enter a tariff, or the day on which one ends; raises `Invalid`, and `WrongState` for what would change a closed month."""
    billing = uow.room(BILLING)
    others = billing.tariffs()
    _checked(lambda: check_tariff(tariff, others), UnusableTariff)
    known = next((each for each in others if each.tariff_id == tariff.tariff_id), None)
    opened = billing.open_month()
    if opened is None or known == tariff:
        billing.put_tariff(tariff)
        return
    if known is None or known.from_day >= opened.first:
        is_new = tariff.from_day >= opened.first
    else:
        ends = (known.until_day, tariff.until_day)
        same = _as_ended(known, tariff) == tariff
        is_new = same and all(end is None or end >= opened.first for end in ends)
    if not is_new:
        raise _closed(opened, "end this tariff and enter another that begins then or later")
    billing.put_tariff(tariff)


def keep_scheme(uow: UnitOfWork, scheme: CostScheme) -> None:
    """Enter a cost scheme; raises `Invalid`, and `WrongState` for what would change a closed month."""
    billing = uow.room(BILLING)
    _checked(lambda: check_scheme(scheme), UnusableScheme)
    opened = billing.open_month()
    known = next((each for each in billing.schemes() if each.scheme_id == scheme.scheme_id), None)
    if opened is not None and known != scheme:
        begins = [each.from_day for each in (known, scheme) if each is not None]
        if min(begins) < opened.first:
            raise _closed(opened, "enter another scheme that begins then or later")
    billing.put_scheme(scheme)


def keep_charge(uow: UnitOfWork, charge: Charge) -> None:
    """Enter a charge or, below 0, a reduction; raises `Invalid`, and `WrongState` where its month is closed."""
    billing = uow.room(BILLING)
    if not charge.charge_id or not charge.title or not charge.title_ja or charge.seller == charge.buyer:
        raise Invalid(
            "A charge needs an id, a title in both languages, and two parties.", id=charge.charge_id
        )
    if not charge.amount_yen or abs(charge.amount_yen) > LARGEST_CHARGE_YEN:
        raise Invalid(
            f"A charge lies within {LARGEST_CHARGE_YEN} yen and is not 0.", amount_yen=charge.amount_yen
        )
    opened = billing.open_month()
    known = next((each for each in billing.charges() if each.charge_id == charge.charge_id), None)
    if opened is not None and known != charge:
        days = [each.day for each in (known, charge) if each is not None]
        if min(days) < opened.first:
            raise _closed(opened, "enter it with a day of then or later")
    billing.put_charge(charge)


def keep_payment(uow: UnitOfWork, digest: str, payment: Payment) -> None:
    """Say that a document was paid, or a part of it; the same payment again changes nothing.

    Raises `NotFound`, `Invalid`, and `WrongState` where another payment has that id.
    """
    billing = uow.room(BILLING)
    document = billing.document(digest)
    if document is None:
        raise NotFound(f"There is no document {digest!r}.", id=digest)
    if not payment.payment_id or not payment.amount_yen or abs(payment.amount_yen) > LARGEST_CHARGE_YEN:
        raise Invalid(f"A payment needs an id, and lies within {LARGEST_CHARGE_YEN} yen and is not 0.")
    known = next((each for each in billing.payments(digest) if each.payment_id == payment.payment_id), None)
    if known is None:
        billing.put_payment(digest, payment)
    elif known != payment:
        raise WrongState("Another payment of this document has that id.", id=payment.payment_id)


def document_of(billing: Billing, digest: str, party_id: str) -> Document:
    """The document, where that party issued or receives it; an empty party sees every one. Raises `NotFound`."""
    document = billing.document(digest)
    if document is None or party_id not in ("", document.recipient_id, document.draft.issuer.party_id):
        raise NotFound(f"There is no document {digest!r} of yours.", id=digest)
    return document


def _as_ended(known: Tariff, wanted: Tariff) -> Tariff:
    return msgspec.structs.replace(known, until_day=wanted.until_day)


def _closed(opened: Month, instead: str) -> WrongState:
    return WrongState(f"Months before {opened} are closed; {instead}.", open_month=str(opened))


def _checked(check: Callable[[], None], fault: type[Exception]) -> None:
    try:
        check()
    except fault as error:
        raise Invalid(f"{error}.") from None
