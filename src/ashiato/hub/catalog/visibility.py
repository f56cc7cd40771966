"""Whom the owner of a record lets see it: decided exactly for each record, and chosen by claims before that.

The same engine as in every connector decides, on verified claims only. What a rule asks and the hub cannot know (the owner's
own groups of partners, facts that it declares) is not met.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache

import msgspec

from ashiato.hub.catalog.records import CatalogRecord
from ashiato.policy.evaluation import decide
from ashiato.policy.index import ANY, audience_keys, keys_of
from ashiato.policy.odrl import MalformedPolicy, Policy, parse_policy
from ashiato.policy.request import Request
from ashiato.policy.vocabulary import Checkpoint
from ashiato.statements.publications import MalformedPublication, Publication, PublishedOffer
from ashiato.trust.standing import Standing

LARGEST_RULE_BYTES = 8192

Document = Mapping[str, object]


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller may be told of a record: nothing, that it exists, or it with these offers."""

    is_seen: bool
    offers: tuple[PublishedOffer, ...] = ()


UNSEEN = Sight(is_seen=False)


class Judge:
    """Decides for one caller at one instant; each rule once, however many records carry it."""

    def __init__(self, caller: Standing, now_ms: int) -> None:
        self._caller = caller
        self._now_ms = now_ms
        self._known: dict[bytes, bool] = {}

    def sight(self, record: CatalogRecord) -> Sight:
        """What the caller may be told. The owner sees all of its own."""
        publication = record.publication
        if publication.publisher == self._caller.participant_id:
            return Sight(is_seen=True, offers=publication.offers)
        if not self._passes(publication.access):
            return UNSEEN
        if record.is_listing:
            return Sight(is_seen=True)
        offers = tuple(one for one in publication.offers if self._passes(one.access))
        return Sight(is_seen=bool(offers), offers=offers)

    def _passes(self, documents: Iterable[Document]) -> bool:
        return all(self._permits(document) for document in documents)

    def _permits(self, document: Document) -> bool:
        text = msgspec.json.encode(document)
        known = self._known.get(text)
        if known is None:
            request = Request(
                checkpoint=Checkpoint.CATALOG,
                action="access" if _asks_access(document) else "use",
                participant_id=self._caller.participant_id,
                now_ms=self._now_ms,
                claims=self._caller.claims,
            )
            known = self._known[text] = decide(_compiled(text), request).permitted
        return known


def check_rules(publication: Publication) -> None:
    """Refuse rules of access that cannot be read, or are so long that keeping them costs; raises `MalformedPublication`."""
    places = [("ashiato:access", publication.access)]
    places += [
        (f"odrl:hasPolicy[{index}].ashiato:access", one.access)
        for index, one in enumerate(publication.offers)
    ]
    for path, documents in places:
        for document in documents:
            text = msgspec.json.encode(document)
            if len(text) > LARGEST_RULE_BYTES:
                raise MalformedPublication(path, f"has a rule of more than {LARGEST_RULE_BYTES} bytes")
            try:
                _compiled(text)
            except MalformedPolicy as error:
                raise MalformedPublication(path, f"is no ODRL: {error}") from None


def audiences_of(record: CatalogRecord) -> frozenset[str]:
    """Keys of which everybody who could see the record has at least one; only the owner's where nobody can."""
    publication = record.publication
    owner = frozenset(keys_of(publication.publisher, {})) - {ANY}
    if record.is_listing:
        return owner | _narrowest(publication.access)
    return owner.union(*(_narrowest((*publication.access, *one.access)) for one in publication.offers))


def keys_of_caller(caller: Standing) -> tuple[str, ...]:
    """The keys by which the caller is looked up."""
    return keys_of(caller.participant_id, caller.claims)


def _narrowest(documents: Iterable[Document]) -> frozenset[str]:
    """Of rules that must all permit, the keys of the one that lets in the fewest."""
    everybody = frozenset((ANY,))
    found = [_audience(msgspec.json.encode(document)) for document in documents]
    return min((keys for keys in found if keys != everybody), key=len, default=everybody)


@lru_cache(maxsize=4096)
def _audience(text: bytes) -> frozenset[str]:
    return audience_keys(_compiled(text))


def _asks_access(document: Document) -> bool:
    permissions = document.get("permission")
    rules = permissions if isinstance(permissions, list) else [permissions]
    return any(isinstance(rule, Mapping) and str(rule.get("action")).endswith("access") for rule in rules)


@lru_cache(maxsize=4096)
def _compiled(text: bytes) -> Policy:
    return parse_policy(msgspec.json.decode(text, type=dict[str, object]))
