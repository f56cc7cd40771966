"""The catalog as one caller may see it (DSP 2025-1, catalog protocol)."""

from collections.abc import Mapping
from functools import lru_cache

import msgspec

from ashiato.connector.ports import UnitOfWork
from ashiato.connector.problems import Invalid, NotFound
from ashiato.connector.records import AccessForm, Asset, CatalogEntry, OfferDefinition, Visibility
from ashiato.connector.rights import GROUP, before_agreement, judge, lets_in
from ashiato.facts.decisions import Decision
from ashiato.policy.evaluation import Checkpoint
from ashiato.policy.index import keys_of
from ashiato.policy.odrl import Policy, parse_policy
from ashiato.trust.standing import Standing

PAGE_SIZE_COUNT = 100
MOST_SCANNED_COUNT = 10_000
LARGEST_CACHED_BYTES = 8192
# Stands for the offer of a listed asset; no offer of an owner can have this id.
LISTING = "/listed"
LISTING_TERMS: Mapping[str, object] = {"prohibition": [{"action": "use"}]}
RULE_MEMBERS = ("profile", "conflict", "permission", "prohibition", "obligation")


class Dataset(msgspec.Struct, frozen=True):
    """One asset with the offers that its reader may see; of a listed one, only that it exists may be told."""

    asset: Asset
    offers: tuple[dict[str, object], ...]

    @property
    def is_listing(self) -> bool:
        """Whether only its existence is shown."""
        return self.asset.visibility is Visibility.LISTED


class CatalogPage(msgspec.Struct, frozen=True):
    """Datasets in the order of their id.

    `next_after` continues behind the last one looked at, None at the end; `previous_before` leads back to those before this
    page, None at the beginning.
    """

    datasets: tuple[Dataset, ...]
    next_after: str | None
    previous_before: str | None = None


class Query(msgspec.Struct, frozen=True):
    """What a CatalogRequestMessage may ask for: an id, a data item, a part group; all that are given must match.

    `skipped_count` datasets are left out at the beginning, and a page has at most `most_count`.
    """

    asset_id: str | None = None
    data_item: str = ""
    part_group: str = ""
    skipped_count: int = 0
    most_count: int = PAGE_SIZE_COUNT


class _Found(msgspec.Struct, frozen=True):
    """Entries by asset in the order in which they were read, the last asset that was looked at, and whether it was the last."""

    entries: dict[str, list[CatalogEntry]]
    reached: str
    is_exhausted: bool


def parse_filter(items: list[object]) -> Query:
    """The query in the `filter` of a CatalogRequestMessage; raises `Invalid` for a filter that we do not support.

    Each item is an object that maps `id`, `dataItem` or `partGroup` to a string, or EDC's criterion form
    {"operandLeft", "operator": "=", "operandRight"} over the same names, or EDC's QuerySpec, which every connector of that
    family sends: criteria in `filterExpression`, `offset` and `limit`.
    """
    wanted: dict[str, str] = {}
    window: dict[str, int] = {}
    for index, item in enumerate(items):
        path = f"filter[{index}]"
        members = _members(item, path)
        criteria: list[object] = [members]
        if not members.keys().isdisjoint(_QUERY_SPEC):
            criteria, window = _query_spec(members, path)
        for criterion in criteria:
            for name, value in _pairs(_members(criterion, path), path):
                if wanted.setdefault(name, value) != value:
                    raise Invalid(f"{path} compares one name with two values.", path=path)
    return msgspec.convert({**wanted, **window}, Query)


_QUERY_SPEC = frozenset({"filterExpression", "offset", "limit", "sortOrder", "sortField"})
_FILTER_NAMES = {"id": "asset_id", "dataItem": "data_item", "partGroup": "part_group"}


def _members(item: object, path: str) -> dict[str, object]:
    if not isinstance(item, Mapping):
        raise Invalid(f"{path} must be an object.", path=path)
    return {_plain(str(name)): value for name, value in item.items() if name != "@type"}


def _plain(name: str) -> str:
    return name.removeprefix("https://w3id.org/edc/v0.0.1/ns/").removeprefix("edc:")


def _query_spec(members: Mapping[str, object], path: str) -> tuple[list[object], dict[str, int]]:
    if not members.keys() <= _QUERY_SPEC:
        raise Invalid(f"{path} may hold nothing beside the members of a QuerySpec.", path=path)
    if members.get("sortField") is not None:
        raise Invalid(
            f"{path} cannot sort: datasets come in the order of their id.", path=f"{path}.sortField"
        )
    skipped, most = members.get("offset", 0), members.get("limit", PAGE_SIZE_COUNT)
    if type(skipped) is not int or not 0 <= skipped < MOST_SCANNED_COUNT:
        raise Invalid(
            f"{path}.offset must be less than {MOST_SCANNED_COUNT}; follow the Link header to go further.",
            path=f"{path}.offset",
        )
    if type(most) is not int or most < 1:
        raise Invalid(f"{path}.limit must be at least 1.", path=f"{path}.limit")
    criteria = members.get("filterExpression", [])
    window = {"skipped_count": skipped, "most_count": min(most, PAGE_SIZE_COUNT)}
    return (criteria if isinstance(criteria, list) else [criteria]), window


def _pairs(members: Mapping[str, object], path: str) -> list[tuple[str, str]]:
    if "operandLeft" in members:
        if members.get("operator") not in ("=", "eq"):
            raise Invalid(f"{path} knows only the operator '='.", path=f"{path}.operator")
        members = {_plain(str(members["operandLeft"])): members.get("operandRight")}
    pairs: list[tuple[str, str]] = []
    for name, value in members.items():
        key = _FILTER_NAMES.get(name)
        if key is None or not isinstance(value, str):
            raise Invalid(f"{path} may only compare id, dataItem or partGroup with a string.", path=path)
        pairs.append((key, value))
    return pairs


def page(
    uow: UnitOfWork,
    caller: Standing,
    now_ms: int,
    query: Query,
    after_asset_id: str = "",
    size_count: int = PAGE_SIZE_COUNT,
    *,
    before_asset_id: str | None = None,
) -> CatalogPage:
    """One page of what `caller` may see. Assets without a visible offer look as if they did not exist.

    With `before_asset_id` the page is the one that ends before that id.
    """
    judge = _Judge(uow, caller, now_ms)
    size_count = min(size_count, query.most_count)
    if query.asset_id is not None:
        found = judge.dataset(query.asset_id)
        is_wanted = found is not None and _matches(found, query) and not query.skipped_count
        return CatalogPage((found,) if found is not None and is_wanted else (), None)
    if before_asset_id is not None:
        read = _read(uow, judge, query, before_asset_id, size_count, backwards=True)
        datasets = judge.datasets({key: read.entries[key][::-1] for key in reversed(read.entries)})
        last = datasets[-1].asset.asset_id if datasets else "" if read.is_exhausted else read.reached
        return CatalogPage(datasets, last, None if read.is_exhausted else read.reached)
    # A page that is reached by a link begins where the link says.
    skipped_count = 0 if after_asset_id else query.skipped_count
    read = _read(uow, judge, query, after_asset_id, skipped_count + size_count)
    datasets = judge.datasets({key: read.entries[key] for key in list(read.entries)[skipped_count:]})
    previous_before = _behind(after_asset_id) if after_asset_id else None
    if skipped_count and datasets:
        previous_before = datasets[0].asset.asset_id
    return CatalogPage(datasets, None if read.is_exhausted else read.reached, previous_before)


def _behind(asset_id: str) -> str:
    # The least text behind an id that no id can have: ids hold printable characters other than the space.
    return f"{asset_id} "


def _read(
    uow: UnitOfWork,
    judge: "_Judge",
    query: Query,
    start: str,
    wanted_count: int,
    *,
    backwards: bool = False,
) -> _Found:
    visible: dict[str, list[CatalogEntry]] = {}
    scanned_count = 0
    reached = start
    is_exhausted = False
    is_of_class = bool(query.data_item or query.part_group)
    while len(visible) < wanted_count and scanned_count < MOST_SCANNED_COUNT and not is_exhausted:
        missing_count = wanted_count - len(visible)
        entries = uow.assets.visible_entries(
            judge.audiences,
            judge.now_ms,
            reached,
            missing_count,
            (query.data_item, query.part_group),
            backwards=backwards,
        )
        is_exhausted = len({entry.asset_id for entry in entries}) < missing_count
        scanned_count += len(entries)
        for entry in entries:
            reached = entry.asset_id
            if is_of_class and entry.offer_id == LISTING:
                continue
            if judge.sees(entry):
                visible.setdefault(entry.asset_id, []).append(entry)
    return _Found(visible, reached, is_exhausted)


def dataset(uow: UnitOfWork, caller: Standing, now_ms: int, asset_id: str) -> Dataset:
    """One dataset, by the same rule as the catalog; raises `NotFound` when it is not visible to the caller."""
    found = _Judge(uow, caller, now_ms).dataset(asset_id)
    if found is None:
        raise NotFound(f"There is no dataset {asset_id!r}.", id=asset_id)
    return found


def audiences_of(uow: UnitOfWork, caller: Standing) -> tuple[str, ...]:
    """The keys of the catalog index that stand for what is known of the caller."""
    groups = uow.declarations.groups_of(caller.participant_id)
    return keys_of(caller.participant_id, {**caller.claims, GROUP: groups} if groups else caller.claims)


def _matches(dataset: Dataset, query: Query) -> bool:
    if dataset.is_listing:
        # Its class is not told, so nobody finds it out by asking for one after the other.
        return not (query.data_item or query.part_group)
    asset = dataset.asset
    return query.data_item in ("", asset.data_item) and query.part_group in ("", asset.part_group)


class _Judge:
    """Decides per offer, not per asset: ten thousand assets under one offer cost one decision a page."""

    def __init__(self, uow: UnitOfWork, caller: Standing, now_ms: int) -> None:
        self.caller = caller
        self.now_ms = now_ms
        self._uow = uow
        self._offers: dict[str, OfferDefinition | None] = {}
        self._seen: dict[tuple[str, tuple[AccessForm, ...], str], bool] = {}
        self.audiences = audiences_of(uow, caller)
        self._rules: dict[str, dict[str, object]] = {}

    def sees(self, entry: CatalogEntry) -> bool:
        key = (entry.offer_id, entry.access, entry.classification)
        if key not in self._seen:
            if entry.offer_id not in self._offers:
                self._offers[entry.offer_id] = self._uow.assets.offer(entry.offer_id)
            offer = self._offers[entry.offer_id]
            self._seen[key] = sees_entry(self._uow, entry, offer, self.caller, self.now_ms)
        return self._seen[key]

    def dataset(self, asset_id: str) -> Dataset | None:
        """One dataset, None where the caller sees no offer for it."""
        entries = [entry for entry in self._uow.assets.entries_of(asset_id) if self.sees(entry)]
        asset = self._uow.assets.asset(asset_id)
        if asset is None or not entries:
            return None
        return Dataset(asset, tuple(self._wire_offer(entry) for entry in entries))

    def datasets(self, entries: Mapping[str, list[CatalogEntry]]) -> tuple[Dataset, ...]:
        """The assets that still exist, each with its offers."""
        assets = self._uow.assets.assets_by_id(list(entries))
        return tuple(
            Dataset(assets[asset_id], tuple(self._wire_offer(entry) for entry in found))
            for asset_id, found in entries.items()
            if asset_id in assets
        )

    def _wire_offer(self, entry: CatalogEntry) -> dict[str, object]:
        if entry.offer_id == LISTING:
            return {"@id": entry.offering_id, "@type": "Offer", **LISTING_TERMS}
        offer = self._offers[entry.offer_id]
        if entry.offer_id not in self._rules:
            definition = self._uow.assets.policy(offer.contract_policy_id) if offer else None
            self._rules[entry.offer_id] = rules_of(definition.document) if definition else {}
        return {"@id": entry.offering_id, "@type": "Offer", **self._rules[entry.offer_id]}


def sees_entry(
    uow: UnitOfWork, entry: CatalogEntry, offer: OfferDefinition | None, caller: Standing, now_ms: int
) -> bool:
    """Whether the caller may know of this asset under this offer: one rule for catalog, dataset and negotiation."""
    if not lets_in(uow, entry.access, caller, now_ms, entry.classification).permitted:
        return False
    if entry.offer_id == LISTING:
        return True
    return offer is not None and sees_offer(uow, offer, caller, now_ms, entry.classification).permitted


def sees_offer(
    uow: UnitOfWork, offer: OfferDefinition, caller: Standing, now_ms: int, classification: str = ""
) -> Decision:
    """Whether the caller may know of this offer: its access and its access policy, or everybody when it has none."""
    let_in = lets_in(uow, offer.access, caller, now_ms, classification)
    if not let_in.permitted or offer.access_policy_id is None:
        return let_in
    definition = uow.assets.policy(offer.access_policy_id)
    if definition is None:
        return Decision(permitted=False, reasons=())
    return passes(uow, definition.document, caller, now_ms, classification)


def passes(
    uow: UnitOfWork, document: dict[str, object], caller: Standing, now_ms: int, classification: str = ""
) -> Decision:
    """What an access policy says of the caller."""
    action = "access" if _asks_access(document) else "use"
    request = before_agreement(caller, Checkpoint.CATALOG, action, now_ms)
    return judge(uow, compiled(document), request, classification=classification)


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
    text = msgspec.json.encode(document)
    # Strangers send policies too: what they write may cost them time, but not this program its memory.
    return (_compiled if len(text) <= LARGEST_CACHED_BYTES else _compiled.__wrapped__)(text)


@lru_cache(maxsize=4096)
def _compiled(text: bytes) -> Policy:
    return parse_policy(msgspec.json.decode(text, type=dict[str, object]))
