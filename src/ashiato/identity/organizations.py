"""Which organisation stands behind a counterparty, by the certificate of the key with which it proved itself (RFC 7517, 4.7)."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from ashiato.facts.instants import parse_datetime
from ashiato.trust.did import DidDocument
from ashiato.trust.organizations import UnboundKey, bind_key
from ashiato.trust.trust_list import ORGANIZATION_CERTIFICATE, TrustBook, TrustList, authorities_of

ORGANIZATION_CLAIM = "organization"
IDENTIFIER_CLAIM = "organization_identifier"


class JudgedOrganization(msgspec.Struct, frozen=True, kw_only=True):
    """The organisation that an accredited authority names, or why none counts; judged again at `until_ms`.

    `identifier` is the organizationIdentifier, such as `NTRJP-…`; it and `country` are empty where the certificate is silent.
    """

    name: str = ""
    identifier: str = ""
    country: str = ""
    authority: str = ""
    why: str = ""
    until_ms: int | None = None

    @property
    def claims(self) -> Mapping[str, frozenset[str]]:
        """What policies may ask for."""
        told = {ORGANIZATION_CLAIM: self.name, IDENTIFIER_CLAIM: self.identifier}
        return {name: frozenset((value,)) for name, value in told.items() if value}


def judge_organization(
    document: DidDocument,
    key_thumbprint: str,
    books: Sequence[TrustBook],
    now_ms: int,
    fresh_until_ms: int,
) -> JudgedOrganization | None:
    """The organisation behind the key with that thumbprint; None where its owner publishes no certificate for it.

    1. The key stands in the document still, with a chain. Only the key whose possession was proved is asked: anybody can
       publish the key and the certificate of somebody else.
    2. A trust list in force names the authority to which the chain leads (`trust.organizations.bind_key`).

    `fresh_until_ms` is until when the document may be relied on.
    """
    # 1.
    chained = (
        key
        for kid, key in document.methods.items()
        if kid in document.chains and key.thumbprint() == key_thumbprint
    )
    key = next(chained, None)
    if key is None:
        return None
    # 2.
    until_ms = min([fresh_until_ms, *_changes_ms(books, now_ms)])
    anchors = [entry.certificate for book in books for entry in authorities_of(book, now_ms)]
    try:
        bound = bind_key(key, document.chains[key.kid], anchors, now_ms=now_ms)
    except UnboundKey as error:
        return JudgedOrganization(why=error.problem, until_ms=until_ms)
    return JudgedOrganization(
        name=bound.name,
        identifier=bound.identifier or "",
        country=bound.country or "",
        authority=bound.authority,
        until_ms=min(until_ms, bound.valid_until_ms),
    )


def _changes_ms(books: Sequence[TrustBook], now_ms: int) -> Iterator[int]:
    """The instants to come at which other authorities may count."""
    for one in (one for book in books for one in _lists(book)):
        dates = [one.issued_ms, one.expires_ms]
        for entry in one.content.authorities:
            dates += [
                parse_datetime(text) for text in (entry.valid_from, entry.valid_until) if text is not None
            ]
        yield from (date_ms for date_ms in dates if date_ms > now_ms)


def _lists(book: TrustBook) -> Iterator[TrustList]:
    yield book.own
    yield from (one for one, types in book.recognized if ORGANIZATION_CERTIFICATE in types)
