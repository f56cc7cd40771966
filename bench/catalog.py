"""The hub's catalog: searches of callers who see different things, and publishing.

Keys: search_p95_ms_sqlite (100 000 records) and search_p95_ms_postgresql (1 000 000), each of 1 000 companies, half of them for
the callers of one role only: words, facets and both together, common ones and rare ones, first pages and later ones, each in one
transaction; publish_per_s: new publications in signed requests of 100 over HTTP into the larger catalog, durable. Seeding writes
the tables directly.
"""

import asyncio
import contextlib
import logging
import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from random import Random

import psycopg
import structlog

from ashiato.hub.catalog.indexing import Facet, Query, keys_of_record
from ashiato.hub.catalog.ports import CATALOG
from ashiato.hub.catalog.publishing import prepare
from ashiato.hub.catalog.searching import BEHIND_THE_LAST, Page, search
from ashiato.statements.publications import Publication, PublishedOffer, as_dcat, record_iri
from ashiato.stores.engine import SqlStore, open_store
from ashiato.stores.hub.rooms import hub_furnishing
from ashiato.stores.sessions import to_json
from ashiato.trust.standing import Standing
from tests.dcp_parties import Holder, dcp_world
from tests.hubs import running_hub
from tests.postgresql_server import fresh_database, running_postgresql

COMPANIES_COUNT = 1_000
SQLITE_COUNT, POSTGRESQL_COUNT = 100_000, 1_000_000
SEARCHES_COUNT, WARMING_COUNT = 600, 20
PUBLISHERS_COUNT, BATCHES_COUNT, BATCH_COUNT = 4, 10, 100
SEED_MS = 1_800_000_000_000
HUB = "did:web:hub.example"

Figures = dict[str, float]
Row = tuple[int, str, str, int, str, tuple[int, ...]]

_COPY_RECORDS = "COPY hub_catalog_record (record_no, iri, publisher, modified_ms, body) FROM STDIN"
_COPY_KEYS = "COPY hub_catalog_keys (record_no, modified_ms, keys) FROM STDIN"
_THINGS = (
    ("リチウムイオン電池セル", "lithium ion cell"),
    ("正極材", "cathode active material"),
    ("負極材", "anode material"),
    ("電解液", "electrolyte"),
    ("セパレータ", "separator"),
    ("電池パック", "battery pack"),
    ("使用済み蓄電池", "spent battery"),
    ("黒鉛", "natural graphite"),
    ("水酸化リチウム", "lithium hydroxide"),
    ("硫酸コバルト", "cobalt sulphate"),
)
_MATTERS = (
    ("カーボンフットプリント申告値", "declared carbon footprint", "D-01"),
    ("材料の含有量", "content of materials", "D-08"),
    ("残容量と残寿命", "remaining capacity", "D-11"),
    ("抵抗上昇率", "rise of resistance", "D-12"),
    ("製造プロセス情報", "process information", "D-06"),
    ("再生材の割合", "share of recycled content", "D-24"),
    ("安全性試験データ", "safety tests", "D-38"),
)
_REGIONS = ("JP", "JP-23", "KR", "DE", "CN", "US", "FR")
_ROLES = ("material_maker", "cell_maker", "car_maker", "recycler")
_FOR_ROLES: tuple[dict[str, object], ...] = tuple(
    {
        "permission": [
            {
                "action": "access",
                "constraint": [{"leftOperand": "role", "operator": "isAnyOf", "rightOperand": [role]}],
            }
        ]
    }
    for role in _ROLES
)


async def run() -> Figures:
    """Both engines, one after the other."""
    with tempfile.TemporaryDirectory(prefix="ashiato-bench-") as name:
        figures = {"search_p95_ms_sqlite": await _sqlite(Path(name) / "hub.db")}
        with running_postgresql(durable=True) as server, fresh_database(server) as url:
            figures |= await _postgresql(url, Path(name) / "hub")
    return {key: round(value, 2) for key, value in figures.items()}


async def _sqlite(path: Path) -> float:
    async with _opened(f"sqlite:///{path}"):
        pass
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for number, iri, publisher, modified_ms, body, keys in rows(SQLITE_COUNT):
            connection.execute(
                "INSERT INTO hub_catalog_record VALUES (?, ?, ?, ?, ?)",
                (number, iri, publisher, modified_ms, body),
            )
            connection.execute(
                "INSERT INTO hub_catalog_keys VALUES (?, ?, ?)", (number, modified_ms, _array_of(keys))
            )
        connection.commit()
    async with _opened(f"sqlite:///{path}") as store:
        return await searched_p95_ms(store)


async def _postgresql(url: str, folder: Path) -> Figures:
    async with _opened(url):
        pass
    seed_postgresql(url, POSTGRESQL_COUNT)
    async with _opened(url) as store:
        p95_ms = await searched_p95_ms(store)
    return {"search_p95_ms_postgresql": p95_ms, "publish_per_s": await published_per_s(folder, url)}


async def published_per_s(folder: Path, url: str) -> float:
    """Companies that publish at the same time, each batch with a token of its own; the clients are in this process too."""
    folder.mkdir(exist_ok=True)
    # The firms take no credentials, and the bench prints one line.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    draw = Random(13)
    async with dcp_world(0) as world, running_hub(folder, url) as hub:
        firms = [world.holder(f"firm-{number}") for number in range(PUBLISHERS_COUNT)]
        for number, firm in enumerate(firms):
            await hub.admitted(firm, number + 1)
        batches = [
            [
                as_dcat(publication(draw, firm.did, f"b-{batch}-{number}", f"Q{batch}-{number}", SEED_MS))
                for number in range(BATCH_COUNT)
            ]
            for firm in firms
            for batch in range(BATCHES_COUNT)
        ]

        async def publish(firm: Holder, documents: list[dict[str, object]]) -> None:
            told = await hub.party(
                firm, "POST", "/v1/party/catalog/publications", {"publications": documents}
            )
            if {one["outcome"] for one in told.document["publications"]} != {"entered"}:
                raise AssertionError(told)

        await publish(firms[0], batches.pop(0))
        began_s = time.perf_counter()
        places = [firm for firm in firms for _ in range(BATCHES_COUNT)][1:]
        await asyncio.gather(*(publish(*pair) for pair in zip(places, batches, strict=True)))
        return len(batches) * BATCH_COUNT / (time.perf_counter() - began_s)


def seed_postgresql(url: str, count: int) -> None:
    """Fill the tables as fast as they go in; the index over the keys is made again at the end."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP INDEX hub_catalog_by_keys")
        connection.execute("SET maintenance_work_mem = '1GB'")
        with connection.transaction(), connection.cursor() as cursor:
            # Twice the same rows: each table takes its columns in one go.
            with cursor.copy(_COPY_RECORDS) as copy:
                for number, iri, publisher, modified_ms, body, _ in rows(count):
                    copy.write_row((number, iri, publisher, modified_ms, body))
            with cursor.copy(_COPY_KEYS) as copy:
                for number, _, _, modified_ms, _, keys in rows(count):
                    copy.write_row((number, modified_ms, _array_of(keys)))
        connection.execute("CREATE INDEX hub_catalog_by_keys ON hub_catalog_keys USING gin (keys)")
        connection.execute(f"ALTER TABLE hub_catalog_record ALTER record_no RESTART WITH {count + 1}")
        connection.execute("VACUUM ANALYZE hub_catalog_record, hub_catalog_keys")


_arrays: dict[tuple[int, ...], str] = {}


def _array_of(keys: tuple[int, ...]) -> str:
    text = _arrays.get(keys)
    if text is None:
        text = _arrays[keys] = f"{{{','.join(map(str, keys))}}}"
    return text


def rows(count: int) -> Iterator[Row]:
    """Rows of number, name, publisher, last change, record and keys: ten kinds of data of each company, again and again."""
    bases = _bases()
    for number in range(1, count + 1):
        publisher, body, keys = bases[number % len(bases)]
        asset_id = f"a-{number:08d}"
        yield (
            number,
            record_iri(publisher, asset_id),
            publisher,
            SEED_MS + number % len(bases),
            body.replace("a-00000000", asset_id),
            keys,
        )


_made: list[tuple[str, str, tuple[int, ...]]] = []


def _bases() -> list[tuple[str, str, tuple[int, ...]]]:
    if not _made:
        draw = Random(7)
        for number in range(COMPANIES_COUNT * 10):
            publisher = f"did:web:c{number % COMPANIES_COUNT:04d}.example"
            claims = {"role": frozenset({_ROLES[number % len(_ROLES)]})}
            kind = publication(draw, publisher, "a-00000000", f"P{number}-{number % 97}", SEED_MS + number)
            record = prepare(kind, claims, SEED_MS).record
            _made.append((publisher, to_json(record), keys_of_record(record)))
    return _made


def publication(draw: Random, publisher: str, asset_id: str, part: str, modified_ms: int) -> Publication:
    """One kind of data of a company, half of it for everybody and the rest for one role."""
    (thing_ja, thing), (matter_ja, matter, data_item) = draw.choice(_THINGS), draw.choice(_MATTERS)
    rule = () if draw.random() < 0.5 else (draw.choice(_FOR_ROLES),)
    return Publication(
        asset_id=asset_id,
        publisher=publisher,
        revision=1,
        title={"ja": f"{thing_ja}の{matter_ja}", "en": f"{matter} of {thing}"},
        description={
            "ja": f"{thing_ja} {part} の{matter_ja}(工場別、月次)",
            "en": f"{matter} of {thing} {part} per plant, monthly",
        },
        address=f"https://{publisher.rpartition(':')[2]}/maker",
        modified_ms=modified_ms,
        data_item=data_item,
        part_group=thing,
        parts=(part,),
        region=draw.choice(_REGIONS),
        licence=f"https://{publisher.rpartition(':')[2]}/terms",
        offers=(PublishedOffer(offer_id="o1", rules={"permission": [{"action": "use"}]}, access=rule),),
    )


def _query(draw: Random) -> Query:
    (thing_ja, thing), (matter_ja, matter, data_item) = draw.choice(_THINGS), draw.choice(_MATTERS)
    number = draw.randrange(COMPANIES_COUNT * 10)
    company = f"https://c{number % COMPANIES_COUNT:04d}.example/terms"
    return draw.choice(
        (
            Query(),
            Query(text=thing_ja),
            Query(text=thing_ja[:2]),
            Query(text=f"{thing_ja} {matter_ja}"),
            Query(text=f"{matter} {thing}"),
            Query(text=f"P{number}"),
            Query(
                text=matter_ja, facets=((Facet.REGION, draw.choice(_REGIONS)), (Facet.DATA_ITEM, data_item))
            ),
            Query(text=thing, facets=((Facet.LICENCE, company),)),
            Query(facets=((Facet.PART, f"P{number}-{number % 97}"),)),
            Query(facets=((Facet.ROLE, draw.choice(_ROLES)), (Facet.PART_GROUP, thing))),
            Query(text="存在しない言葉"),
            Query(text=thing, modified_since_ms=SEED_MS + draw.randrange(10 * COMPANIES_COUNT)),
        )
    )


async def searched_p95_ms(store: SqlStore) -> float:
    """Each search by another of the thousand companies, the second page in one of four."""
    draw = Random(11)
    spans_ms: list[float] = []
    for _ in range(SEARCHES_COUNT + WARMING_COUNT):
        caller = Standing(
            f"did:web:c{draw.randrange(COMPANIES_COUNT):04d}.example",
            {"role": frozenset({draw.choice(_ROLES)})},
        )
        query = _query(draw)
        span_ms, page = await _searched(store, caller, query, BEHIND_THE_LAST)
        if page.next_below is not None and draw.random() < 0.25:
            span_ms, _ = await _searched(store, caller, query, page.next_below)
        spans_ms.append(span_ms)
    return sorted(spans_ms[WARMING_COUNT:])[int(SEARCHES_COUNT * 0.95)]


async def _searched(store: SqlStore, caller: Standing, query: Query, below: int) -> tuple[float, Page]:
    """Milliseconds, and the page."""
    began_s = time.perf_counter()
    page = await store.read(HUB, lambda uow: search(uow.room(CATALOG), caller, SEED_MS, query, below))
    return (time.perf_counter() - began_s) * 1000, page


@contextlib.asynccontextmanager
async def _opened(url: str) -> AsyncIterator[SqlStore]:
    store = await open_store(url, "hub-1", hub_furnishing(HUB))
    try:
        yield store
    finally:
        await store.close()
