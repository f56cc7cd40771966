"""What this company offers: assets, policies, offers, and the index of the catalog that follows from them."""

import re
from collections.abc import Callable, Iterable, Sequence
from urllib.parse import quote

import msgspec

from ashiato.connector.access import as_policy, check_access
from ashiato.connector.catalog import LISTING, rules_of
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import Invalid, NotFound
from ashiato.connector.records import (
    Approval,
    Asset,
    CatalogEntry,
    Event,
    OfferDefinition,
    PolicyDefinition,
    Visibility,
)
from ashiato.connector.sources import check_source
from ashiato.dsp import v2025_1 as wire
from ashiato.dsp.catalog import Distribution
from ashiato.dsp.errors import UnsendableMessage
from ashiato.outbox.deliveries import Delivery, DeliveryKind
from ashiato.policy.evaluation import unenforceable
from ashiato.policy.identity import same_rules
from ashiato.policy.index import ANY, audience_keys, window
from ashiato.policy.odrl import MalformedPolicy, Policy, parse_policy

LONGEST_ID_LENGTH_COUNT = 256
_URI_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
# No offer's own id comes out with this beginning, because a plus in it is escaped.
_NAMELESS_PREFIX = "offer+id:"
ENTRY_BATCH_COUNT = 1000

RECORD_SOURCE: dict[str, object] = {"kind": "record"}
"""The source of an asset that the connector holds itself."""


def check_id(what: str, value: str) -> None:
    """Refuse ids that could not stand in a URL path or a log line: 1 to 256 printable characters without space or slash."""
    if not value or len(value) > LONGEST_ID_LENGTH_COUNT:
        raise Invalid(f"The {what} id must have 1 to {LONGEST_ID_LENGTH_COUNT} characters.", id=value[:80])
    if not value.isprintable() or any(character in value for character in " /\\?#%") or value in (".", ".."):
        raise Invalid(
            f"The {what} id must not hold spaces, slashes, '?', '#', '%' or control characters, nor be '.' or '..'.",
            id=value,
        )


def note(
    uow: UnitOfWork,
    moment: Moment,
    event: str,
    subject_id: str,
    details: dict[str, object],
    peer_id: str = "",
) -> None:
    """Write down what the owner did, and tell it after the commit to whoever follows the history."""
    uow.records.add_history(moment.now_ms, event, subject_id, peer_id, details)
    uow.tell(
        Event(
            name=event,
            participant_id=uow.participant_id,
            process_id=subject_id,
            peer_id=peer_id,
            at_ms=moment.now_ms,
            details=details,
        )
    )


def put_asset(uow: UnitOfWork, asset: Asset, moment: Moment) -> Asset:
    """Create or replace an asset and its catalog entries; repeating the call changes nothing more."""
    check_id("asset", asset.asset_id)
    check_source(asset.source)
    _check_sendable({"permission": [{"action": "use"}]}, asset.properties)
    check_access(asset.access)
    before = uow.assets.asset(asset.asset_id)
    created_ms = before.created_ms if before else moment.now_ms
    asset = msgspec.structs.replace(asset, created_ms=created_ms, updated_ms=moment.now_ms)
    uow.assets.put_asset(asset)
    if before is None or _shown(before) != _shown(asset):
        index_asset(uow, asset, before)
    note(uow, moment, "asset.stored", asset.asset_id, {"title": asset.title})
    return asset


def put_record(uow: UnitOfWork, asset_id: str, content: bytes, moment: Moment) -> None:
    """Store what an asset whose source is the connector's own store holds."""
    uow.assets.put_record(asset_id, content)
    note(uow, moment, "record.stored", asset_id, {"size_bytes": len(content)})


def index_asset(uow: UnitOfWork, asset: Asset, before: Asset | None) -> None:
    """Make the catalog entries of one asset anew, from the offers that name it and those of its class."""
    named = _offers_naming(uow, asset, before)
    uow.assets.delete_entries(asset_id=asset.asset_id)
    if asset.visibility is Visibility.LISTED:
        uow.assets.put_entries([_listing(asset)])
    elif asset.visibility is Visibility.OFFERED:
        of_class = uow.assets.offers_for_class(asset.data_item, asset.part_group)
        found = {offer.offer_id: offer for offer in (*named, *of_class)}
        uow.assets.put_entries([_of_asset(_entry(uow, offer), asset) for offer in found.values()])


def _offers_naming(uow: UnitOfWork, asset: Asset, before: Asset | None) -> list[OfferDefinition]:
    if before is None:
        return []
    if before.visibility is not Visibility.OFFERED:
        # Its entries do not tell them: this is the one way that looks at every offer.
        return _offers_where(uow, lambda offer: asset.asset_id in offer.asset_ids)
    known = (uow.assets.offer(entry.offer_id) for entry in uow.assets.entries_of(asset.asset_id))
    return [offer for offer in known if offer is not None and asset.asset_id in offer.asset_ids]


def covers(offer: OfferDefinition, asset: Asset) -> bool:
    """Whether the asset is among those that the offer is about, shown or not."""
    if offer.asset_ids:
        return asset.asset_id in offer.asset_ids
    return offer.data_item in (None, asset.data_item) and offer.part_group in (None, asset.part_group)


def delete_asset(uow: UnitOfWork, asset_id: str, moment: Moment) -> None:
    """Withdraw an asset; agreements over it stay in the contract master, but reads find nothing any more."""
    if not uow.assets.delete_asset(asset_id):
        raise NotFound(f"There is no asset {asset_id!r}.", id=asset_id)
    uow.assets.delete_entries(asset_id=asset_id)
    note(uow, moment, "asset.withdrawn", asset_id, {})


def put_policy(uow: UnitOfWork, policy: PolicyDefinition, moment: Moment) -> PolicyDefinition:
    """Store a policy that this connector can enforce; refuses one whose owner would be told a lie."""
    check_id("policy", policy.policy_id)
    checked_policy(policy.document)
    policy = msgspec.structs.replace(policy, created_ms=moment.now_ms)
    uow.assets.put_policy(policy)
    for offer in offers_with_policy(uow, policy.policy_id):
        index_offer(uow, offer)
    note(uow, moment, "policy.stored", policy.policy_id, {})
    return policy


def checked_policy(document: dict[str, object]) -> Policy:
    """The parsed policy; raises `Invalid` when it is malformed or holds what this connector cannot enforce."""
    try:
        policy = parse_policy(document)
    except MalformedPolicy as error:
        raise Invalid(f"The policy is malformed at {error.path}: {error.problem}", path=error.path) from None
    gaps = unenforceable(policy)
    if gaps:
        raise Invalid(
            "This connector cannot enforce the policy: " + "; ".join(gap.text for gap in gaps),
            paths=[gap.path for gap in gaps],
        )
    _check_sendable(document, {})
    return policy


def delete_policy(uow: UnitOfWork, policy_id: str, moment: Moment) -> None:
    """Remove a policy that no offer uses."""
    users = offers_with_policy(uow, policy_id)
    if users:
        raise Invalid(
            f"The policy {policy_id!r} is used by the offer {users[0].offer_id!r}; withdraw the offer first.",
            offers=[offer.offer_id for offer in users],
        )
    if not uow.assets.delete_policy(policy_id):
        raise NotFound(f"There is no policy {policy_id!r}.", id=policy_id)
    note(uow, moment, "policy.withdrawn", policy_id, {})


def put_offer(
    uow: UnitOfWork, offer: OfferDefinition, moment: Moment, *, in_slices: bool = False
) -> OfferDefinition:
    """Publish an offer and index the assets under it; those of a large class `in_slices`, if the offer is new."""
    check_id("offer", offer.offer_id)
    is_of_class = offer.data_item is not None or offer.part_group is not None
    if bool(offer.asset_ids) is is_of_class or "" in (offer.data_item, offer.part_group):
        raise Invalid(
            "The offer must name either asset_ids, or a class by data_item, part_group or both.",
            id=offer.offer_id,
        )
    check_access(offer.access)
    wanted = [offer.contract_policy_id, *offer.alternative_policy_ids]
    wanted += [offer.access_policy_id] if offer.access_policy_id else []
    for policy_id in wanted:
        if uow.assets.policy(policy_id) is None:
            raise Invalid(f"There is no policy {policy_id!r}; store it first.", policy_id=policy_id)
    known = uow.assets.assets_by_id(offer.asset_ids)
    missing = [asset_id for asset_id in offer.asset_ids if asset_id not in known]
    if missing:
        raise Invalid(f"There is no asset {missing[0]!r}; store it first.", asset_ids=missing[:20])
    offer = msgspec.structs.replace(offer, created_ms=moment.now_ms)
    uow.assets.put_offer(offer)
    if in_slices:
        uow.assets.delete_entries(offer_id=offer.offer_id)
        index_slice(uow, offer.offer_id, "", moment)
    else:
        index_offer(uow, offer)
    note(uow, moment, "offer.published", offer.offer_id, {"assets": len(offer.asset_ids)})
    return offer


def index_offer(uow: UnitOfWork, offer: OfferDefinition) -> None:
    """Make the catalog entries of one offer anew."""
    uow.assets.delete_entries(offer_id=offer.offer_id)
    template = _entry(uow, offer)
    for asset_ids in _batches(_assets_of(uow, offer)):
        _put_entries(uow, template, asset_ids)


def index_slice(uow: UnitOfWork, offer_id: str, after_id: str, moment: Moment) -> None:
    """Index the next assets of an offer's class behind `after_id`; a delivery to ourselves goes on behind them.

    So nobody else's work waits for a large class, and what a crash interrupts goes on. An asset that is stored meanwhile
    finds the offer by itself; an offer that is withdrawn meanwhile ends it.
    """
    offer = uow.assets.offer(offer_id)
    if offer is None:
        return
    asset_ids = uow.assets.assets_in_class(offer.data_item, offer.part_group, after_id, ENTRY_BATCH_COUNT)
    _put_entries(uow, _entry(uow, offer), asset_ids)
    if len(asset_ids) < ENTRY_BATCH_COUNT:
        return
    process_id = f"index:{offer_id}"
    uow.outbox.add(
        Delivery(
            delivery_id=moment.fresh_id(),
            participant_id=uow.participant_id,
            kind=DeliveryKind.INDEX,
            process_id=process_id,
            sequence=0,
            message_name="index.slice",
            address=process_id,
            audience="",
            body=slice_order(offer_id, asset_ids[-1]),
            created_ms=moment.now_ms,
            due_ms=moment.now_ms,
        )
    )


def slice_order(offer_id: str, after_id: str) -> bytes:
    """The body of a delivery that goes on behind `after_id`; neither id holds a space."""
    return f"{offer_id} {after_id}".encode()


def read_slice_order(body: bytes) -> tuple[str, str]:
    """Offer and asset of `slice_order`."""
    offer_id, _, after_id = body.decode().partition(" ")
    return offer_id, after_id


def _put_entries(uow: UnitOfWork, template: CatalogEntry, asset_ids: Sequence[str]) -> None:
    found = uow.assets.assets_by_id(asset_ids).values()
    shown = [asset for asset in found if asset.visibility is Visibility.OFFERED]
    uow.assets.put_entries([_of_asset(template, asset) for asset in shown])


def delete_offer(uow: UnitOfWork, offer_id: str, moment: Moment) -> None:
    """Withdraw an offer; what was agreed under it stays agreed."""
    if not uow.assets.delete_offer(offer_id):
        raise NotFound(f"There is no offer {offer_id!r}.", id=offer_id)
    note(uow, moment, "offer.withdrawn", offer_id, {})


def offering_id(offer_id: str, asset_id: str) -> str:
    """The `@id` of the Offer on the wire: a URI (DSP 2025-1, 7.2), one for each offer and asset, opaque to others."""
    named = quote(offer_id, safe=":")
    prefix = "" if _URI_SCHEME.match(f"{named}:") else _NAMELESS_PREFIX
    # The last colon separates the two, because those of the asset are escaped.
    return f"{prefix}{named}:{quote(asset_id, safe='')}"


def is_automatic(offer: OfferDefinition) -> bool:
    """Whether a request that meets the offered terms is agreed without a person."""
    return offer.approval is Approval.AUTOMATIC


def _check_sendable(document: dict[str, object], properties: dict[str, object]) -> None:
    # One dataset that the protocol forbids would make the whole page of a catalog unsendable.
    offer = {"@id": "offer", "@type": "Offer", **rules_of(document)}
    try:
        wire.encode_dataset("asset", [offer], [Distribution(format="any", access_service="any")], properties)
    except UnsendableMessage as error:
        raise Invalid(
            f"The protocol cannot carry it: {error.path} {error.problem}.", path=error.path
        ) from None
    if not same_rules(document, offer):
        raise Invalid(
            "Write the rules as the protocol does: permission, prohibition and obligation, each with its action.",
            path="permission",
        )


def _shown(asset: Asset) -> tuple[object, ...]:
    return asset.data_item, asset.part_group, asset.visibility, asset.access, asset.classification


def _listing(asset: Asset) -> CatalogEntry:
    template = CatalogEntry(asset_id="", offer_id=LISTING, offering_id="", audiences=(ANY,))
    return _of_asset(template, asset)


def _of_asset(template: CatalogEntry, asset: Asset) -> CatalogEntry:
    """The entry of this asset under the offer of `template`, for those whom both let in."""
    audiences = template.audiences
    if asset.access:
        of_asset = tuple(sorted(audience_keys(as_policy(asset.access))))
        audiences = _narrower(audiences, of_asset)
    return msgspec.structs.replace(
        template,
        asset_id=asset.asset_id,
        offering_id=offering_id(template.offer_id, asset.asset_id),
        audiences=audiences,
        access=asset.access,
        classification=asset.classification,
    )


def _narrower(left: tuple[str, ...], right: tuple[str, ...]) -> tuple[str, ...]:
    """Whoever meets both conditions has a key of each: the side with fewer keys finds fewer rows."""
    if ANY in left or ANY in right:
        return right if ANY in left else left
    return min(left, right, key=len)


def _entry(uow: UnitOfWork, offer: OfferDefinition) -> CatalogEntry:
    audiences: tuple[str, ...] = (ANY,)
    from_ms: int | None = None
    until_ms: int | None = None
    if offer.access_policy_id is not None:
        definition = uow.assets.policy(offer.access_policy_id)
        if definition is None:
            raise Invalid(f"There is no policy {offer.access_policy_id!r}; store it first.")
        policy = parse_policy(definition.document)
        audiences = tuple(sorted(audience_keys(policy)))
        from_ms, last_ms = window(policy)
        until_ms = None if last_ms is None else last_ms + 1
    if offer.access:
        audiences = _narrower(audiences, tuple(sorted(audience_keys(as_policy(offer.access)))))
    return CatalogEntry(
        asset_id="",
        offer_id=offer.offer_id,
        offering_id="",
        audiences=audiences,
        from_ms=from_ms,
        until_ms=until_ms,
    )


def _assets_of(uow: UnitOfWork, offer: OfferDefinition) -> list[str]:
    if offer.asset_ids:
        known = uow.assets.assets_by_id(offer.asset_ids)
        return [asset_id for asset_id in offer.asset_ids if asset_id in known]
    return uow.assets.assets_in_class(offer.data_item, offer.part_group)


def offers_with_policy(uow: UnitOfWork, policy_id: str) -> list[OfferDefinition]:
    """The offers that use a policy, for whatever."""

    def uses(offer: OfferDefinition) -> bool:
        return policy_id in (
            offer.contract_policy_id,
            offer.access_policy_id,
            *offer.alternative_policy_ids,
        )

    return _offers_where(uow, uses)


def _offers_where(uow: UnitOfWork, holds: Callable[[OfferDefinition], bool]) -> list[OfferDefinition]:
    found: list[OfferDefinition] = []
    after_id = ""
    while offers := uow.assets.list_offers(after_id, ENTRY_BATCH_COUNT):
        after_id = offers[-1].offer_id
        found += [offer for offer in offers if holds(offer)]
    return found


def _batches(ids: Sequence[str]) -> Iterable[Sequence[str]]:
    for start in range(0, len(ids), ENTRY_BATCH_COUNT):
        yield ids[start : start + ENTRY_BATCH_COUNT]
