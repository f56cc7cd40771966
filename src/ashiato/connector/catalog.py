"""The catalog as one caller may see it (DSP 2025-1, catalog protocol)."""

from collections.abc import Mapping
from functools import lru_cache

import msgspec

from ashiato.connector.ports import UnitOfWork
from ashiato.connector.problems import Invalid, NotFound
from ashiato.connector.records import Asset, CatalogEntry, OfferDefinition
from ashiato.facts.decisions import Decision
from ashiato.policy.evaluation import Checkpoint, Request, decide
from ashiato.policy.odrl import Policy, parse_policy

PAGE_SIZE_COUNT = 100
MOST_SCANNED_COUNT = 10_000
RULE_MEMBERS = ("profile", "conflict", "permission", "prohibition", "obligation")


class Dataset(msgspec.Struct, frozen=True):
    """One asset with the offers that its reader may see."""

    asset: Asset
    offers: tuple[dict[str, object], ...]


class CatalogPage(msgspec.Struct, frozen=True):
    """Datasets in the order of their id; `next_after` continues behind the last one looked at, None at the end."""

    datasets: tuple[Dataset, ...]
    next_after: str | None


class Query(msgspec.Struct, frozen=True):
    """What a CatalogRequestMessage may ask for: an id, a data item, a part group; all that are given must match."""

    asset_id: str | None = None
    data_item: str = ""
    part_group: str = ""


def parse_filter(items: list[object]) -> Query:
    """The query in the `filter` of a CatalogRequestMessage; raises `Invalid` for a filter that we do not support.

    Each item is an object that maps `id`, `dataItem` or `partGroup` to a string, or EDC's criterion form
    {"operandLeft", "operator": "=", "operandRight"} over the same names.
    """
    wanted: dict[str, str] = {}
    for index, item in enumerate(items):
        if not isinstance(item, Mapping):
            raise Invalid(f"filter[{index}] must be an object.", path=f"filter[{index}]")
        pairs = (
            _criterion(item, index)
            if "operandLeft" in item
            else {k: v for k, v in item.items() if k != "@type"}
        )
        for name, value in pairs.items():
            key = {"id": "asset_id", "dataItem": "data_item", "partGroup": "part_group"}.get(str(name))
            if key is None or not isinstance(value, str):
                raise Invalid(
                    f"filter[{index}] may only compare id, dataItem or partGroup with a string.",
                    path=f"filter[{index}]",
                )
            wanted[key] = value
    return Query(**wanted)


def _criterion(item: Mapping[str, object], index: int) -> dict[str, object]:
    if item.get("operator") not in ("=", "eq"):
        raise Invalid(f"filter[{index}] knows only the operator '='.", path=f"filter[{index}].operator")
    left = str(item.get("operandLeft")).removeprefix("https://w3id.org/edc/v0.0.1/ns/")
    return {left: item.get("operandRight")}


def page(
    uow: UnitOfWork,
    caller_id: str,
    now_ms: int,
    query: Query,
    after_asset_id: str = "",
    size_count: int = PAGE_SIZE_COUNT,
) -> CatalogPage:
    """One page of what `caller_id` may see. Assets without a visible offer look as if they did not exist."""
    if query.asset_id is not None:
        found = _dataset_or_none(uow, caller_id, now_ms, query.asset_id)
        return CatalogPage((found,) if found and _matches(found.asset, query) else (), None)
    judge = _Judge(uow, caller_id, now_ms)
    visible: dict[str, list[CatalogEntry]] = {}
    scanned_count = 0
    after = after_asset_id
    exhausted = False
    while len(visible) < size_count and scanned_count < MOST_SCANNED_COUNT and not exhausted:
        wanted_count = size_count - len(visible)
        entries = uow.assets.visible_entries(
            audiences_of(caller_id), now_ms, after, wanted_count, (query.data_item, query.part_group)
        )
        seen = {entry.asset_id for entry in entries}
        exhausted = len(seen) < wanted_count
        scanned_count += len(entries)
        for entry in entries:
            after = entry.asset_id
            if judge.sees(entry.offer_id):
                visible.setdefault(entry.asset_id, []).append(entry)
    assets = uow.assets.assets_by_id(list(visible))
    datasets = [
        Dataset(assets[asset_id], tuple(judge.wire_offer(entry) for entry in entries))
        for asset_id, entries in visible.items()
        if asset_id in assets
    ]
    return CatalogPage(tuple(datasets), None if exhausted else after)


def dataset(uow: UnitOfWork, caller_id: str, now_ms: int, asset_id: str) -> Dataset:
    """One dataset, by the same rule as the catalog; raises `NotFound` when it is not visible to the caller."""
    found = _dataset_or_none(uow, caller_id, now_ms, asset_id)
    if found is None:
        raise NotFound(f"There is no dataset {asset_id!r}.", id=asset_id)
    return found


def audiences_of(caller_id: str) -> tuple[str, ...]:
    """The keys of the catalog index that stand for what is known of the caller."""
    return ("any", f"participant:{caller_id}")


def _dataset_or_none(uow: UnitOfWork, caller_id: str, now_ms: int, asset_id: str) -> Dataset | None:
    judge = _Judge(uow, caller_id, now_ms)
    entries = [entry for entry in uow.assets.entries_of(asset_id) if judge.sees(entry.offer_id)]
    asset = uow.assets.asset(asset_id)
    if asset is None or not entries:
        return None
    return Dataset(asset, tuple(judge.wire_offer(entry) for entry in entries))


def _matches(asset: Asset, query: Query) -> bool:
    return query.data_item in ("", asset.data_item) and query.part_group in ("", asset.part_group)


class _Judge:
    """Decides per offer, not per asset: ten thousand assets under one offer cost one decision a page."""

    def __init__(self, uow: UnitOfWork, caller_id: str, now_ms: int) -> None:
        self._uow = uow
        self._caller_id = caller_id
        self._now_ms = now_ms
        self._offers: dict[str, OfferDefinition | None] = {}
        self._seen: dict[str, bool] = {}
        self._rules: dict[str, dict[str, object]] = {}

    def sees(self, offer_id: str) -> bool:
        if offer_id not in self._seen:
            offer = self._offers[offer_id] = self._uow.assets.offer(offer_id)
            self._seen[offer_id] = (
                offer is not None and sees_offer(self._uow, offer, self._caller_id, self._now_ms).permitted
            )
        return self._seen[offer_id]

    def wire_offer(self, entry: CatalogEntry) -> dict[str, object]:
        offer = self._offers[entry.offer_id]
        if entry.offer_id not in self._rules:
            definition = self._uow.assets.policy(offer.contract_policy_id) if offer else None
            self._rules[entry.offer_id] = rules_of(definition.document) if definition else {}
        return {"@id": entry.offering_id, "@type": "Offer", **self._rules[entry.offer_id]}


def sees_offer(uow: UnitOfWork, offer: OfferDefinition, caller_id: str, now_ms: int) -> Decision:
    """Whether the caller may know of this offer: its access policy, or everybody when it has none."""
    if offer.access_policy_id is None:
        return Decision(permitted=True, reasons=())
    definition = uow.assets.policy(offer.access_policy_id)
    if definition is None:
        return Decision(permitted=False, reasons=())
    action = "access" if _asks_access(definition.document) else "use"
    return decide(
        compiled(definition.document),
        Request(
            checkpoint=Checkpoint.CATALOG,
            action=action,
            participant_id=caller_id,
            now_ms=now_ms,
            agreed_at_ms=None,
            uses_count=0,
            claims={},
        ),
    )


def _asks_access(document: dict[str, object]) -> bool:
    # Catena-X writes access policies with the action `access`, most others with `use`: the owner's word decides.
    permissions = document.get("permission")
    rules = permissions if isinstance(permissions, list) else [permissions]
    return any(isinstance(rule, Mapping) and str(rule.get("action")).endswith("access") for rule in rules)


def rules_of(document: Mapping[str, object]) -> dict[str, object]:
    """Only the rules of a policy, without what binds it to a target or to parties."""
    return {member: document[member] for member in RULE_MEMBERS if document.get(member)}


def compiled(document: dict[str, object]) -> Policy:
    """The parsed policy, from a cache by content: parsing costs more than deciding."""
    return _compiled(msgspec.json.encode(document))


@lru_cache(maxsize=4096)
def _compiled(text: bytes) -> Policy:
    return parse_policy(msgspec.json.decode(text, type=dict[str, object]))
