"""Assets, policies, offers and the catalog index in SQL."""

from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import product

import msgspec
from sqlalchemy import and_, bindparam, delete, func, literal_column, or_, select, update

from ashiato.connector.records import Asset, CatalogEntry, OfferDefinition, PolicyDefinition
from ashiato.stores.schema import (
    ASSET,
    ASSET_RECORD,
    CATALOG_AUDIENCE,
    CATALOG_ENTRY,
    OF_PARTICIPANT,
    OFFER,
    POLICY,
)
from ashiato.stores.sessions import Session, to_json
from ashiato.stores.statements import Row, Statement, Values, upsert

_IDS_AT_ONCE_COUNT = 100
_SLACK_COUNT = 20

_asset = msgspec.json.Decoder(Asset).decode
_policy = msgspec.json.Decoder(PolicyDefinition).decode
_offer = msgspec.json.Decoder(OfferDefinition).decode
_entry = msgspec.json.Decoder(CatalogEntry).decode

_P = OF_PARTICIPANT
_A, _R, _Y, _O, _E, _V = (
    ASSET.c,
    ASSET_RECORD.c,
    POLICY.c,
    OFFER.c,
    CATALOG_ENTRY.c,
    CATALOG_AUDIENCE.c,
)

_PUT_ASSET = upsert(ASSET)
_GET_ASSET = Statement(select(_A.body).where(_A.participant_id == _P, _A.asset_id == bindparam("asset_id")))
_GET_ASSETS = Statement(
    select(_A.body).where(
        _A.participant_id == _P,
        _A.asset_id.in_([bindparam(f"id_{number}") for number in range(_IDS_AT_ONCE_COUNT)]),
    )
)
_LIST_ASSETS = Statement(
    select(_A.body)
    .where(_A.participant_id == _P, _A.asset_id > bindparam("after_id"))
    .order_by(_A.asset_id)
    .limit(bindparam("limit_count"))
)
_IN_CLASS = (
    select(_A.asset_id)
    .where(_A.participant_id == _P, _A.asset_id > bindparam("after_id"))
    .order_by(_A.asset_id)
    .limit(bindparam("limit_count"))
)
_NO_LIMIT_COUNT = 2**31 - 1
_OF_ITEM = _A.data_item == bindparam("data_item")
_OF_GROUP = _A.part_group == bindparam("part_group")
_ASSETS_IN_CLASS = {
    (False, False): Statement(_IN_CLASS),
    (True, False): Statement(_IN_CLASS.where(_OF_ITEM)),
    (False, True): Statement(_IN_CLASS.where(_OF_GROUP)),
    (True, True): Statement(_IN_CLASS.where(_OF_ITEM, _OF_GROUP)),
}
_DELETE_ASSET = Statement(
    delete(ASSET).where(_A.participant_id == _P, _A.asset_id == bindparam("asset_id")).returning(_A.asset_id)
)
_DELETE_RECORD = Statement(
    delete(ASSET_RECORD).where(_R.participant_id == _P, _R.asset_id == bindparam("asset_id"))
)
_RECLASS = Statement(
    update(CATALOG_AUDIENCE)
    .where(
        _V.participant_id == _P,
        _V.asset_id == bindparam("of_asset_id"),
        or_(_V.data_item != bindparam("new_item"), _V.part_group != bindparam("new_group")),
    )
    .values(data_item=bindparam("new_item"), part_group=bindparam("new_group"))
)
_PUT_RECORD = upsert(ASSET_RECORD)
_GET_RECORD = Statement(select(_R.body).where(_R.participant_id == _P, _R.asset_id == bindparam("asset_id")))

_PUT_POLICY = upsert(POLICY)
_GET_POLICY = Statement(
    select(_Y.body).where(_Y.participant_id == _P, _Y.policy_id == bindparam("policy_id"))
)
_LIST_POLICIES = Statement(
    select(_Y.body)
    .where(_Y.participant_id == _P, _Y.policy_id > bindparam("after_id"))
    .order_by(_Y.policy_id)
    .limit(bindparam("limit_count"))
)
_DELETE_POLICY = Statement(
    delete(POLICY)
    .where(_Y.participant_id == _P, _Y.policy_id == bindparam("policy_id"))
    .returning(_Y.policy_id)
)

_PUT_OFFER = upsert(OFFER)
_GET_OFFER = Statement(select(_O.body).where(_O.participant_id == _P, _O.offer_id == bindparam("offer_id")))
_LIST_OFFERS = Statement(
    select(_O.body)
    .where(_O.participant_id == _P, _O.offer_id > bindparam("after_id"))
    .order_by(_O.offer_id)
    .limit(bindparam("limit_count"))
)
_DELETE_OFFER = Statement(
    delete(OFFER).where(_O.participant_id == _P, _O.offer_id == bindparam("offer_id")).returning(_O.offer_id)
)
_OFFERS_FOR_CLASS = Statement(
    select(_O.body)
    .where(
        _O.participant_id == _P,
        or_(_O.data_item.is_not(None), _O.part_group.is_not(None)),
        or_(_O.data_item.is_(None), _O.data_item == bindparam("data_item")),
        or_(_O.part_group.is_(None), _O.part_group == bindparam("part_group")),
    )
    .order_by(_O.offer_id)
)

_PUT_ENTRY = upsert(CATALOG_ENTRY)
_PUT_AUDIENCE = Statement(
    CATALOG_AUDIENCE.insert().values(
        participant_id=_P,
        audience=bindparam("audience"),
        asset_id=bindparam("asset_id"),
        offer_id=bindparam("offer_id"),
        from_ms=bindparam("from_ms"),
        until_ms=bindparam("until_ms"),
        **{
            column: func.coalesce(
                select(_A[column])
                .where(_A.participant_id == _P, _A.asset_id == bindparam("asset_id"))
                .scalar_subquery(),
                literal_column("''"),
            )
            for column in ("data_item", "part_group")
        },
    )
)
_OF_ASSET = bindparam("asset_id", type_=_E.asset_id.type)
_OF_OFFER = bindparam("offer_id", type_=_E.offer_id.type)
_DELETE_ENTRIES = {
    (False, False): Statement(delete(CATALOG_ENTRY).where(_E.participant_id == _P)),
    (True, False): Statement(delete(CATALOG_ENTRY).where(_E.participant_id == _P, _E.asset_id == _OF_ASSET)),
    (False, True): Statement(delete(CATALOG_ENTRY).where(_E.participant_id == _P, _E.offer_id == _OF_OFFER)),
    (True, True): Statement(
        delete(CATALOG_ENTRY).where(
            _E.participant_id == _P, _E.asset_id == _OF_ASSET, _E.offer_id == _OF_OFFER
        )
    ),
}
_ASSETS_OF_OFFER = select(_E.asset_id).where(_E.participant_id == _P, _E.offer_id == _OF_OFFER)
_DELETE_AUDIENCES = {
    (False, False): Statement(delete(CATALOG_AUDIENCE).where(_V.participant_id == _P)),
    (True, False): Statement(
        delete(CATALOG_AUDIENCE).where(_V.participant_id == _P, _V.asset_id == _OF_ASSET)
    ),
    (False, True): Statement(
        delete(CATALOG_AUDIENCE).where(
            _V.participant_id == _P, _V.asset_id.in_(_ASSETS_OF_OFFER), _V.offer_id == _OF_OFFER
        )
    ),
    (True, True): Statement(
        delete(CATALOG_AUDIENCE).where(
            _V.participant_id == _P, _V.asset_id == _OF_ASSET, _V.offer_id == _OF_OFFER
        )
    ),
}
_ENTRIES_OF = Statement(
    select(_E.body).where(_E.participant_id == _P, _E.asset_id == _OF_ASSET).order_by(_E.offer_id)
)
# With its offer and its asset, because whoever is asked for an offering needs all three.
_GET_ENTRY = Statement(
    select(_E.body, _E.offer_id, _O.body, _E.asset_id, _A.body)
    .select_from(CATALOG_ENTRY)
    .join(OFFER, and_(_O.participant_id == _P, _O.offer_id == _E.offer_id), isouter=True)
    .join(ASSET, and_(_A.participant_id == _P, _A.asset_id == _E.asset_id), isouter=True)
    .where(_E.participant_id == _P, _E.offering_id == bindparam("offering_id"))
)


def _visible(of_item: bool, of_group: bool, backwards: bool) -> Statement:
    """Entries of one audience along its index, so that the engine stops at the limit and sorts nothing."""
    order = (_V.asset_id, _V.offer_id)
    statement = (
        select(_V.asset_id, _V.offer_id, _E.body)
        .join(
            CATALOG_ENTRY,
            and_(
                _E.participant_id == _V.participant_id,
                _E.asset_id == _V.asset_id,
                _E.offer_id == _V.offer_id,
            ),
        )
        .where(
            _V.participant_id == _P,
            _V.audience == bindparam("audience"),
            _V.asset_id < bindparam("after_id") if backwards else _V.asset_id > bindparam("after_id"),
            or_(_V.from_ms.is_(None), _V.from_ms <= bindparam("now_ms")),
            or_(_V.until_ms.is_(None), _V.until_ms > bindparam("now_ms")),
        )
        .order_by(*(column.desc() if backwards else column for column in order))
        .limit(bindparam("limit_count"))
    )
    if of_item:
        statement = statement.where(_V.data_item == bindparam("data_item"))
    if of_group:
        statement = statement.where(_V.part_group == bindparam("part_group"))
    return Statement(statement)


_VISIBLE = {given: _visible(*given) for given in product((False, True), repeat=3)}


class SqlAssets:
    """The port `Assets` of one participant. A unit of work sees a record as it saw it first, or wrote it."""

    __slots__ = ("_assets", "_offers", "_participant_id", "_policies", "_session")

    def __init__(self, session: Session, participant_id: str) -> None:
        self._session = session
        self._participant_id = participant_id
        self._assets: dict[str, str] = {}
        self._offers: dict[str, str] = {}
        self._policies: dict[str, str] = {}

    def put_asset(self, asset: Asset) -> None:
        """The classes in the catalog index follow the asset's."""
        body = self._assets[asset.asset_id] = to_json(asset)
        self._session.write(
            _PUT_ASSET,
            {
                "participant_id": self._participant_id,
                "asset_id": asset.asset_id,
                "data_item": asset.data_item,
                "part_group": asset.part_group,
                "body": body,
            },
        )
        self._session.write(
            _RECLASS,
            {
                "participant_id": self._participant_id,
                "of_asset_id": asset.asset_id,
                "new_item": asset.data_item,
                "new_group": asset.part_group,
            },
        )

    def asset(self, asset_id: str) -> Asset | None:
        body = self._assets.get(asset_id)
        if body is None:
            values = {"participant_id": self._participant_id, "asset_id": asset_id}
            row = self._session.one(_GET_ASSET, values)
            if row is None:
                return None
            body = self._assets[asset_id] = row[0]
        return _asset(body)

    def assets_by_id(self, asset_ids: Sequence[str]) -> dict[str, Asset]:
        found: dict[str, Asset] = {}
        for start in range(0, len(asset_ids), _IDS_AT_ONCE_COUNT):
            wanted = asset_ids[start : start + _IDS_AT_ONCE_COUNT]
            values: dict[str, object] = {"participant_id": self._participant_id}
            for number in range(_IDS_AT_ONCE_COUNT):
                values[f"id_{number}"] = wanted[number] if number < len(wanted) else wanted[0]
            for (body,) in self._session.all(_GET_ASSETS, values):
                asset = _asset(body)
                found[asset.asset_id] = asset
        return found

    def list_assets(self, after_id: str, limit_count: int) -> list[Asset]:
        return [_asset(body) for (body,) in self._page(_LIST_ASSETS, after_id, limit_count)]

    def assets_in_class(
        self,
        data_item: str | None,
        part_group: str | None,
        after_id: str = "",
        limit_count: int | None = None,
    ) -> list[str]:
        statement = _ASSETS_IN_CLASS[data_item is not None, part_group is not None]
        values = {
            "participant_id": self._participant_id,
            "data_item": data_item,
            "part_group": part_group,
            "after_id": after_id,
            "limit_count": _NO_LIMIT_COUNT if limit_count is None else limit_count,
        }
        return [asset_id for (asset_id,) in self._session.all(statement, values)]

    def delete_asset(self, asset_id: str) -> bool:
        """Its record in the connector's own store goes with it."""
        self._assets.pop(asset_id, None)
        values = {"participant_id": self._participant_id, "asset_id": asset_id}
        self._session.write(_DELETE_RECORD, values)
        return self._session.one(_DELETE_ASSET, values) is not None

    def put_record(self, asset_id: str, body: bytes) -> None:
        self._session.write(
            _PUT_RECORD, {"participant_id": self._participant_id, "asset_id": asset_id, "body": body}
        )

    def record(self, asset_id: str) -> bytes | None:
        row = self._session.one(_GET_RECORD, {"participant_id": self._participant_id, "asset_id": asset_id})
        return None if row is None else bytes(row[0])

    def put_policy(self, policy: PolicyDefinition) -> None:
        body = self._policies[policy.policy_id] = to_json(policy)
        self._session.write(
            _PUT_POLICY,
            {
                "participant_id": self._participant_id,
                "policy_id": policy.policy_id,
                "body": body,
            },
        )

    def policy(self, policy_id: str) -> PolicyDefinition | None:
        body = self._policies.get(policy_id)
        if body is None:
            values = {"participant_id": self._participant_id, "policy_id": policy_id}
            row = self._session.one(_GET_POLICY, values)
            if row is None:
                return None
            body = self._policies[policy_id] = row[0]
        return _policy(body)

    def list_policies(self, after_id: str, limit_count: int) -> list[PolicyDefinition]:
        return [_policy(body) for (body,) in self._page(_LIST_POLICIES, after_id, limit_count)]

    def delete_policy(self, policy_id: str) -> bool:
        self._policies.pop(policy_id, None)
        values = {"participant_id": self._participant_id, "policy_id": policy_id}
        return self._session.one(_DELETE_POLICY, values) is not None

    def put_offer(self, offer: OfferDefinition) -> None:
        body = self._offers[offer.offer_id] = to_json(offer)
        self._session.write(
            _PUT_OFFER,
            {
                "participant_id": self._participant_id,
                "offer_id": offer.offer_id,
                "data_item": offer.data_item,
                "part_group": offer.part_group,
                "body": body,
            },
        )

    def offer(self, offer_id: str) -> OfferDefinition | None:
        body = self._offers.get(offer_id)
        if body is None:
            values = {"participant_id": self._participant_id, "offer_id": offer_id}
            row = self._session.one(_GET_OFFER, values)
            if row is None:
                return None
            body = self._offers[offer_id] = row[0]
        return _offer(body)

    def list_offers(self, after_id: str, limit_count: int) -> list[OfferDefinition]:
        return [_offer(body) for (body,) in self._page(_LIST_OFFERS, after_id, limit_count)]

    def delete_offer(self, offer_id: str) -> bool:
        self._offers.pop(offer_id, None)
        self.delete_entries(offer_id=offer_id)
        values = {"participant_id": self._participant_id, "offer_id": offer_id}
        return self._session.one(_DELETE_OFFER, values) is not None

    def offers_for_class(self, data_item: str, part_group: str) -> list[OfferDefinition]:
        values = {"participant_id": self._participant_id, "data_item": data_item, "part_group": part_group}
        return [_offer(body) for (body,) in self._session.all(_OFFERS_FOR_CLASS, values)]

    def put_entries(self, entries: Sequence[CatalogEntry]) -> None:
        keys = [
            {"participant_id": self._participant_id, "asset_id": entry.asset_id, "offer_id": entry.offer_id}
            for entry in entries
        ]
        self._session.write_many(_DELETE_AUDIENCES[True, True], keys)
        self._session.write_many(
            _PUT_ENTRY,
            [
                {**key, "offering_id": entry.offering_id, "body": to_json(entry)}
                for key, entry in zip(keys, entries, strict=True)
            ],
        )
        self._session.write_many(
            _PUT_AUDIENCE,
            [
                {**key, "audience": audience, "from_ms": entry.from_ms, "until_ms": entry.until_ms}
                for key, entry in zip(keys, entries, strict=True)
                for audience in dict.fromkeys(entry.audiences)
            ],
        )

    def delete_entries(self, *, asset_id: str | None = None, offer_id: str | None = None) -> None:
        given = (asset_id is not None, offer_id is not None)
        values = {"participant_id": self._participant_id, "asset_id": asset_id, "offer_id": offer_id}
        # The audiences first: those of an offer are found through its entries.
        self._session.write(_DELETE_AUDIENCES[given], values)
        self._session.write(_DELETE_ENTRIES[given], values)

    def visible_entries(
        self,
        audiences: Sequence[str],
        now_ms: int,
        after_asset_id: str,
        limit_count: int,
        asset_class: tuple[str, str],
        *,
        backwards: bool = False,
    ) -> list[CatalogEntry]:
        """One walk along the index for each audience, merged: an IN over the audiences would sort the whole catalog."""
        data_item, part_group = asset_class
        values = {
            "participant_id": self._participant_id,
            "now_ms": now_ms,
            "data_item": data_item,
            "part_group": part_group,
        }
        statement = _VISIBLE[bool(data_item), bool(part_group), backwards]
        walks = [
            self._walk(
                statement, {**values, "audience": audience}, after_asset_id, limit_count + _SLACK_COUNT
            )
            for audience in dict.fromkeys(audiences)
        ]
        page: dict[tuple[str, str], str] = {}
        asset_ids: set[str] = set()
        for asset_id, offer_id, body in merge(*walks, reverse=backwards):
            asset_ids.add(asset_id)
            if len(asset_ids) > limit_count:
                break
            page[asset_id, offer_id] = body
        return [_entry(body) for body in page.values()]

    def _walk(self, statement: Statement, values: Values, after_id: str, chunk_count: int) -> Iterator[Row]:
        while True:
            rows = self._session.all(statement, {**values, "after_id": after_id, "limit_count": chunk_count})
            if len(rows) < chunk_count:
                yield from rows
                return
            # The last asset may go on behind the limit: it is read again, whole, by the next statement.
            whole = [row for row in rows if row[0] != rows[-1][0]]
            yield from whole
            if whole:
                after_id = whole[-1][0]
            else:
                chunk_count *= 4

    def entries_of(self, asset_id: str) -> list[CatalogEntry]:
        values = {"participant_id": self._participant_id, "asset_id": asset_id}
        return [_entry(body) for (body,) in self._session.all(_ENTRIES_OF, values)]

    def entry(self, offering_id: str) -> CatalogEntry | None:
        row = self._session.one(
            _GET_ENTRY, {"participant_id": self._participant_id, "offering_id": offering_id}
        )
        if row is None:
            return None
        entry, offer_id, offer, asset_id, asset = row
        if offer is not None:
            self._offers.setdefault(offer_id, offer)
        if asset is not None:
            self._assets.setdefault(asset_id, asset)
        return _entry(entry)

    def _page(self, statement: Statement, after_id: str, limit_count: int) -> list[Row]:
        values = {"participant_id": self._participant_id, "after_id": after_id, "limit_count": limit_count}
        return self._session.all(statement, values)
