"""No participant reaches another's: every route of the OpenAPI document is tried, with the right key in the wrong place."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ashiato.apps.carbon.databases.ports import BACKGROUNDS, KeptBackground
from ashiato.connector.ports import UnitOfWork
from ashiato.connector.records import ObligationRecord
from ashiato.identity.issuing import CredentialGrant, IssuanceRequest, IssuedCredential
from ashiato.identity.presentations import StoredPresentation
from ashiato.identity.wallet import (
    CredentialOffer,
    CredentialRequest,
    HeldCredential,
    OfferedCredential,
    RequestState,
)
from ashiato.supply.messages import Part
from ashiato.supply.request_ports import REQUESTS
from ashiato.supply.requests import AnswerRule, Side, SupplyRequest
from ashiato.trust.enveloping import Profile
from tests.api.management.offering import (
    CELLS,
    FRAMEWORK,
    MAKER,
    PDF,
    SCAN,
    USE,
    fetched,
    first_approval,
    offered,
    ok,
    proposal,
    until,
)
from tests.api.management.program import OPERATOR_KEY, Program, did_of, key_of
from tests.footprints_kept import activity, calculated, keep, records

MANIFEST = {"name": "App", "version": "1", "digest": "ab" * 32}
SECRET = "geheim-4711"  # stands in everything that `cells` owns

DATABASE = KeptBackground(
    background_id="secret",
    title=SECRET,
    licence_id="secret",
    format=SECRET,
    source_sha256="ab" * 32,
    packed_sha256="cd" * 32,
    packed_bytes=1,
    products_count=1,
    flows_count=1,
    exchanges_count=1,
    uncertain_count=0,
    missing_count=0,
    allows_missing=False,
)

# Good bodies, so that nothing but the foreign id can be the reason of a refusal. A new route must be added here.
BODIES: dict[str, dict[str, Any]] = {
    "put_asset": {"json": {"title": "t", "source": {"kind": "record"}}},
    "put_record": {"json": {}},
    "put_policy": {"json": {"document": USE}},
    "put_offer": {"json": {"contract_policy_id": "secret-terms", "data_item": "x"}},
    "put_paper": {
        "params": {"partner": MAKER, "title": "t", "signed_on": "2026-01-01"},
        "content": SCAN,
        "headers": PDF,
    },
    "put_webhook": {"json": {"url": "https://erp.example/", "events": ["transfer."]}},
    "propose_framework": {"json": proposal(framework_id=f"{FRAMEWORK}-other")},
    "end_framework": {"json": {}},
    "terminate_agreement": {"json": {"reason": "x"}},
    "start_negotiation": {
        "json": {"role": "PROVIDER", "partner": MAKER, "asset_id": "secret", "offer_id": "secret"}
    },
    "act_in_negotiation": {"json": {}},
    "approve": {},
    "counter": {"json": {"policy": USE}},
    "reject": {"json": {}},
    "request_transfer": {"json": {"agreement_id": "filled in"}},
    "act_in_transfer": {"json": {}},
    "post_data": {"content": b"x"},
    "put_data": {"content": b"x"},
    "query_catalog": {"json": {"partner": MAKER}},
    "begin_fetch": {"json": {"partner": MAKER, "asset_id": "secret"}},
    "cancel_fetch": {},
    "ask_for_receipts": {"json": {"agreement_id": "filled in"}},
    "put_app": {"json": MANIFEST},
    "approve_app": {},
    "revoke_app": {},
    "run_app": {},
    "query_issuer": {"json": {"issuer": MAKER}},
    "ask": {"json": {"issuer": MAKER, "credentials": ["MembershipCredential"]}},
    "accept_credential_offer": {},
    "fill_contract_text": {
        "json": {
            "template": "platform-usage-1",
            "values": {"operator_name": "o", "participant_name": "p", "cost_scheme": "s"},
        }
    },
    "fetch_contract_text": {},
    "put_type": {"json": {"credential_type": "MembershipCredential"}},
    "grant_credential": {"json": {"holder": MAKER, "type_id": "secret"}},
    "approve_request": {"json": {}},
    "reject_request": {"json": {"reason": "x"}},
    "renew_issued": {"json": {"valid_until_ms": 4_000_000_000_000}},
    "act_on_issued": {"json": {}},
    "put_group": {"json": {"members": [MAKER]}},
    "put_fact": {"json": {"values": ["recall"]}},
    "act_on_obligation": {"json": {}},
    "renew_agreement": {"json": {}},
    "retire_agreement": {},
    "rotate_key": {"json": {}},
    "retire_key": {},
    "revoke_key": {},
    "bind_certificates": {"json": {"pem": ""}},
    "ask_suppliers": {
        "json": {
            "to": [{"partner": MAKER, "part": {"part_id": "x"}}],
            "data_item": "footprint",
            "due_ms": 4_000_000_000_000,
            "in_answer_to": "secret",
        }
    },
    "ask_trace": {"json": {"about": "x", "part_id": "secret", "serials": ["1"], "due_ms": 4_000_000_000_000}},
    "ask_reach": {"json": {"direction": "up", "due_ms": 4_000_000_000_000}},
    "act_on_data_request": {"json": {"text": "x"}},
    "put_rule": {"json": {"data_item": "footprint", "asset_id": "secret"}},
    "open_inbox": {"json": {}},
    "put_trading_partner": {"json": {}},
    "put_plant": {"json": {}},
    "put_part": {"json": {}},
    "put_bill": {"json": {"lines": [{"component_id": "secret-cell", "quantity": "1", "unit": "piece"}]}},
    "put_batch": {"json": {"part_id": "secret-cell"}},
    "put_item": {"json": {"part_id": "secret-cell", "serial": "1"}},
    "put_holding": {"json": {}},
    "propose_link": {"json": {"side": "buyer", "partner": MAKER, "own_part_id": "secret-cell"}},
    "act_on_link": {"json": {}},
    "import_rows": {"content": b"part_id\nmine\n", "headers": {"Content-Type": "text/csv"}},
    "put_background": {
        "params": {"licence": "secret", "title": "t"},
        "content": b"x",
        "headers": {"Content-Type": "application/octet-stream"},
    },
    "make_carbon_inventory": {"json": {"ruleset": "PACT-3", "product": "secret"}},
    "give_carbon_answers": {"json": {"policy_id": "secret", "request_ids": ["secret"]}},
    "withdraw_declaration": {"json": {"reason": "x"}},
    "attach_statement": {"json": {"statement": "x"}},
    "ask_for_lines": {
        "json": {
            "partner": MAKER,
            "product": "secret",
            "declaration_sha256": "ab" * 32,
            "lines": [0],
            "due_ms": 4_000_000_000_000,
        }
    },
    "open_lines": {"json": {}},
    "check_opened_lines": {"json": {"declaration": {}}},
    "make_statement": {
        "json": {
            "declaration": {},
            "standard": "x",
            "level": "limited",
            "scope": "x",
            "finding": "conforms",
        }
    },
    "ask_intensity": {"json": {"activity": "secret"}},
    "ask_what_if": {
        "json": {"activity": "a", "changes": [{"type": "mix", "activity": "a", "shares": {"secret": 1}}]}
    },
    "ask_simulation": {"json": {"activity": "secret"}},
    "link_factor": {"json": {"activity": "secret", "factor_id": "secret"}},
    "import_carbon_rows": {
        "params": {"template": "licences"},
        "content": b"licence_id\nmine\n",
        "headers": {"Content-Type": "text/csv"},
    },
}
# These make or ask for something of the caller's own, so they succeed; to forget what one does not know is done at once,
# and a partner describes itself to everybody.
OWN_BUSINESS = {
    "query_catalog",
    "propose_framework",
    "ask_for_lines",
    "fill_contract_text",
    "get_contract_template",
    "get_own",
    "rotate_key",
    "forget_partner",
    "import_rows",
    "import_carbon_rows",
    "get_self_description_of_partner",
}
# These go to a company outside, which issues nothing, whoever asks.
OF_A_PARTNER = {"query_issuer", "ask"}
# These name in their bodies what only `cells` has: to the stranger it is not there.
OF_UNKNOWN_PARTS = {
    "check_opened_lines",
    "make_statement",
    "make_carbon_inventory",
    "give_carbon_answers",
    "put_background",
    "put_bill",
    "put_batch",
    "put_item",
    "put_holding",
    "propose_link",
}
# What a query asks for, beside the path.
QUERIES = {
    "get_identified": {"identifier": "local:secret@erp"},
    "get_template": {"sheet": "parts"},
    "get_carbon_template": {"template": "factors"},
}
IDS_OF_CHAIN = {
    "plant_id": "secret",
    "part_id": "secret-pack",
    "version": "secret",
    "batch_id": "secret",
    "item_id": "secret-1",
    "kind": "item",
    "thing_id": "secret-1",
    "component_kind": "item",
    "component_id": "secret-2",
    "link_id": "secret",
    "sha256": "ab" * 32,
}
# Of two routes with a parameter of the same name.
NAME_OF_FACT = "event"


async def keep_text(cells: httpx2.AsyncClient) -> str:
    """The hash of a contract text of `cells`."""
    filling = {"operator_name": SECRET, "participant_name": "p", "cost_scheme": "s"}
    body = {"template": "platform-usage-1", "values": filling}
    text = await ok(cells.post("/v1/cells/contract-texts", json=body), 201)
    return str(text["text_sha256"])


@pytest.fixture
async def ids(program: Program, maker: httpx2.AsyncClient, cells: httpx2.AsyncClient) -> dict[str, str]:
    """What `cells` has, by the names of the path parameters; `maker` is its partner, and waits for a person."""
    await offered(maker)
    await offered(maker, asset_id="asked", offer_id="slow", approval="manual")
    await ok(cells.put("/v1/cells/policies/secret-terms", json={"document": {**USE, "note": SECRET}}))
    asset = {"title": SECRET, "source": {"kind": "record"}, "data_item": SECRET}
    await ok(cells.put("/v1/cells/assets/secret", json=asset))
    await ok(cells.put("/v1/cells/assets/secret/record", json={"secret": SECRET}))
    offer = {"contract_policy_id": "secret-terms", "asset_ids": ["secret"], "approval": "manual"}
    await ok(cells.put("/v1/cells/offers/secret", json=offer))
    await ok(
        cells.put("/v1/cells/webhooks/secret", json={"url": f"https://{SECRET}.example/", "events": ["a."]})
    )
    await ok(cells.put("/v1/cells/apps/secret", json={**MANIFEST, "name": SECRET}))
    told = {"partner": MAKER, "title": SECRET, "signed_on": "2026-01-01"}
    await ok(cells.put("/v1/cells/papers/secret", params=told, content=SECRET.encode(), headers=PDF))
    await ok(cells.post("/v1/cells/frameworks", json=proposal(title=SECRET)), 201)
    ask = {"role": "CONSUMER", "partner": CELLS, "asset_id": "secret"}
    await ok(maker.post("/v1/maker/negotiations", json=ask), 201)
    waiting = await first_approval(cells, "cells")
    done = await fetched(program, cells)
    running = await ok(
        cells.post(
            "/v1/cells/transfers", json={"agreement_id": done["agreement_id"], "format": "HttpData-PUSH"}
        ),
        201,
    )
    await until(cells, f"/v1/cells/transfers/{running['transfer_pid']}", "state", "STARTED")
    going = await ok(cells.post("/v1/cells/fetches", json={"partner": MAKER, "asset_id": "asked"}), 202)
    await settled(program)
    await ok(cells.put("/v1/cells/groups/secret", json={"title": SECRET, "members": [MAKER]}))
    await ok(cells.put("/v1/cells/facts/event", json={"values": [SECRET], "note": SECRET}))
    await ok(cells.put("/v1/cells/issuer/types/secret", json={"credential_type": "Secret"}))
    for _ in range(2):
        keys = await ok(cells.post("/v1/cells/keys/rotate", json={"overlap_s": 0, "keep_s": 600}))
    await program.store.run(did_of("cells"), lambda uow: keep_secrets(uow, done["agreement_id"]))
    await keep_chain(cells)
    lines = [activity(SECRET, "material", "1", "kg", "1")]
    await keep(cells, "cells", records(calculated("secret", lines, plant=SECRET), problem=SECRET))
    return {
        **IDS_OF_CHAIN,
        "asset_id": "secret",
        "policy_id": "secret-terms",
        "offer_id": "secret",
        "webhook_id": "secret",
        "paper_id": "secret",
        "text_sha256": await keep_text(cells),
        "template_name": "platform-usage-1",
        "framework_id": FRAMEWORK,
        "negotiation_pid": waiting["negotiation_pid"],
        "agreement_id": done["agreement_id"],
        "transfer_pid": running["transfer_pid"],
        "received_id": done["received_id"],
        "fetch_id": going["fetch_id"],
        "app_id": "secret",
        "held_id": "secret",
        "request_id": "secret",
        "type_id": "secret",
        "grant_id": "secret",
        "credential_id": "secret",
        "group_id": "secret",
        "obligation_id": "secret",
        "partner": MAKER,
        "name": keys["items"][-1]["name"],
        "own_id": "secret",
        "tree_id": "secret",
        "rule_id": "secret",
        "background_id": "secret",
        "product": "secret",
    }


async def keep_chain(cells: httpx2.AsyncClient) -> None:
    """Parts, what was built of them, and whom they are bought from."""
    root = "/v1/cells"
    await ok(cells.put(f"{root}/trading-partners/{MAKER}", json={"name": SECRET}))
    await ok(cells.put(f"{root}/plants/secret", json={"name": SECRET}))
    named = {"name": SECRET, "identifiers": ["local:secret@erp"]}
    await ok(cells.put(f"{root}/parts/secret-pack", json=named))
    await ok(cells.put(f"{root}/parts/secret-cell", json={"sourcing": "purchased"}))
    line = {"component_id": "secret-cell", "quantity": "1", "unit": "piece", "position": SECRET}
    await ok(cells.put(f"{root}/parts/secret-pack/bills/secret", json={"lines": [line]}))
    await ok(cells.put(f"{root}/batches/secret", json={"part_id": "secret-cell"}))
    for number, part_id in ((1, "secret-pack"), (2, "secret-cell")):
        body = {"part_id": part_id, "serial": SECRET}
        await ok(cells.put(f"{root}/items/secret-{number}", json=body))
    await ok(cells.put(f"{root}/built/item/secret-1/holds/item/secret-2", json={}))
    link = {"side": "buyer", "partner": MAKER, "own_part_id": "secret-cell", "message": SECRET}
    await ok(cells.put(f"{root}/trade-links/secret", json=link))


def keep_secrets(uow: UnitOfWork, agreement_id: str) -> None:
    """What comes to `cells` by the messages of others: a debt, credentials, requests, offers, a presentation."""
    uow.obligations.put(
        ObligationRecord(
            obligation_id="secret",
            agreement_id=agreement_id,
            peer_id=MAKER,
            asset_id="cfp-1",
            path="permission[0].duty[0]",
            action="compensate",
            enforcement="enforced",
            trigger="agreement",
            is_own=True,
            details={"note": SECRET},
        )
    )
    uow.standings.put(StoredPresentation(MAKER, (SECRET,), 1))
    held = HeldCredential(
        held_id="secret",
        credential_id=SECRET,
        profile=Profile.VC20,
        types=("MembershipCredential",),
        issuer=MAKER,
        valid_from_ms=None,
        valid_until_ms=None,
        envelope=SECRET,
        request_id="secret",
        received_ms=1,
    )
    uow.wallet.held.put(held)
    state = RequestState.RECEIVED
    uow.wallet.asked.put(
        CredentialRequest(
            request_id="secret",
            issuer=MAKER,
            credential_ids=(SECRET,),
            state=state,
            created_ms=1,
            updated_ms=1,
        )
    )
    uow.wallet.offers.put(
        CredentialOffer(
            offer_id="secret", issuer=MAKER, credentials=(OfferedCredential(SECRET),), received_ms=1
        )
    )
    keep_secrets_of_the_issuer(uow)
    asked = SupplyRequest(
        own_id="secret",
        side=Side.ASKED,
        peer_id=MAKER,
        request_id="secret",
        tree_id="secret",
        data_item=SECRET,
        part=Part(part_id=SECRET),
        due_ms=4_000_000_000_000,
        hops=1,
        text=SECRET,
        created_ms=1,
        updated_ms=1,
    )
    uow.room(REQUESTS).put(asked)
    uow.room(BACKGROUNDS).put(DATABASE, SECRET.encode())
    uow.room(REQUESTS).put_rule(AnswerRule(rule_id="secret", data_item=SECRET, asset_id="secret"))


def keep_secrets_of_the_issuer(uow: UnitOfWork) -> None:
    """A grant, a request and a credential that `cells` issued."""
    uow.wallet.grants.put(
        CredentialGrant(
            grant_id="secret", holder_id=MAKER, type_id="secret", claims={"note": SECRET}, created_ms=1
        )
    )
    uow.wallet.requests.put(
        IssuanceRequest(
            request_id="secret",
            holder_id=MAKER,
            holder_pid="1",
            type_ids=("secret",),
            state=RequestState.RECEIVED,
            created_ms=1,
            updated_ms=1,
            reason=SECRET,
        )
    )
    uow.wallet.issued.put(
        IssuedCredential(
            credential_id="secret",
            request_id="secret",
            holder_id=MAKER,
            type_id="secret",
            credential_type="Secret",
            profile=Profile.VC20,
            claims={"note": SECRET},
            valid_from_ms=1,
            valid_until_ms=4_000_000_000_000,
            status_lists={},
            status_index=0,
        )
    )


async def settled(program: Program) -> None:
    """Returns when every message has reached the other side."""
    for _ in range(1500):
        waiting = await program.store.next_due_ms()
        if waiting is None:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("messages are still on their way")


def routes(program: Program) -> list[tuple[str, str, str]]:
    """(method, path, operation id) of every route below a participant."""
    return [
        (method.upper(), path, operation["operationId"])
        for path, methods in program.app.openapi()["paths"].items()
        for method, operation in methods.items()
        if "{slug}" in path
    ]


def filled(path: str, operation_id: str, slug: str, ids: dict[str, str]) -> str:
    act = {
        "act_in_negotiation": "terminate",
        "act_in_transfer": "terminate",
        "act_on_issued": "revoke",
        "act_on_obligation": "void",
        "act_on_data_request": "cancel",
        "act_on_link": "withdraw",
    }.get(operation_id, "")
    values = {"slug": slug, "act": act, "rest": "below", **ids}
    if "/facts/" in path:
        values["name"] = NAME_OF_FACT
    for name, value in values.items():
        path = path.replace(f"{{{name}}}", value)
    assert "{" not in path, f"{path} has a parameter of which this test has no example"
    return path


def body_of(method: str, operation_id: str, ids: dict[str, str]) -> dict[str, Any]:
    if operation_id == "list_receipts":
        return {"params": {"agreement_id": ids["agreement_id"]}}
    if operation_id in QUERIES:
        return {"params": QUERIES[operation_id]}
    if method not in ("PUT", "POST"):
        return {}
    body = dict(BODIES[operation_id])
    if operation_id in ("request_transfer", "ask_for_receipts"):
        body["json"] = {"agreement_id": ids["agreement_id"]}
    return body


def rows_of(folder: Path, participant_id: str) -> dict[str, list[tuple[object, ...]]]:
    """Everything that the store holds of a participant; the outbox moves by itself and is left out."""
    with sqlite3.connect(folder / "connector.db") as connection:
        tables = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        found: dict[str, list[tuple[object, ...]]] = {}
        for table in tables:
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            if "participant_id" in columns and table not in ("outbox", "seen_token"):
                query = f"SELECT * FROM {table} WHERE participant_id = ?"
                found[table] = sorted(connection.execute(query, (participant_id,)).fetchall(), key=repr)
    connection.close()
    return found


async def test_a_good_key_opens_nothing_below_another_slug(
    program: Program, ids: dict[str, str], tmp_path: Path
) -> None:
    tried = routes(program)
    assert len(tried) > 50
    before = rows_of(tmp_path, did_of("cells"))
    for key in (key_of("maker"), OPERATOR_KEY):
        async with program.client(key) as client:
            nothing = (await client.get("/v1/nobody")).text
            for method, path, operation_id in tried:
                if key == OPERATOR_KEY and path.startswith("/v1/participants"):
                    continue
                answer = await client.request(
                    method, filled(path, operation_id, "cells", ids), **body_of(method, operation_id, ids)
                )
                assert answer.status_code == 404, (method, path, answer.text)
                assert answer.text == nothing
    assert rows_of(tmp_path, did_of("cells")) == before


async def test_foreign_ids_below_the_own_slug_are_not_found(
    program: Program, operator: httpx2.AsyncClient, ids: dict[str, str], tmp_path: Path
) -> None:
    created = await ok(operator.post("/v1/participants", json={"slug": "stranger", "name": "Stranger"}), 201)
    before = rows_of(tmp_path, did_of("cells"))
    async with program.client(created["api_key"]) as stranger:
        # PUT comes last: under an id of its own choice the stranger then makes things of its own.
        for method, path, operation_id in sorted(routes(program), key=lambda route: route[0] == "PUT"):
            if path.startswith("/v1/participants") or operation_id == "follow_events":
                continue
            answer = await stranger.request(
                method, filled(path, operation_id, "stranger", ids), **body_of(method, operation_id, ids)
            )
            is_list = method == "GET" and path.count("{") == 1 and operation_id != "get_identified"
            is_put = method == "PUT" and operation_id not in ("put_data", "bind_certificates")
            is_own = is_list or is_put or operation_id in OWN_BUSINESS
            if operation_id in OF_UNKNOWN_PARTS:
                assert answer.status_code == 422, (path, answer.text)
            elif operation_id in OF_A_PARTNER:
                assert answer.status_code == 502, (path, answer.text)
            else:
                assert (answer.status_code < 300) if is_own else (answer.status_code == 404), (
                    method,
                    path,
                    answer.text,
                )
            assert SECRET not in answer.text, (method, path)
            assert did_of("cells") not in answer.text, (method, path)
    assert rows_of(tmp_path, did_of("cells")) == before


async def test_each_participant_sees_its_own_side_only(
    program: Program, ids: dict[str, str], maker: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    theirs = {item["negotiation_pid"] for item in (await ok(maker.get("/v1/maker/negotiations")))["items"]}
    ours = {item["negotiation_pid"] for item in (await ok(cells.get("/v1/cells/negotiations")))["items"]}
    assert theirs
    assert ours
    assert theirs.isdisjoint(ours)
    for pid in theirs:
        assert (await cells.get(f"/v1/cells/negotiations/{pid}")).status_code == 404


async def test_a_webhook_id_and_an_asset_id_may_be_the_same_for_two_participants(
    program: Program, ids: dict[str, str], maker: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    await ok(maker.put("/v1/maker/assets/secret", json={"title": "mine", "source": {"kind": "record"}}))
    assert (await maker.delete("/v1/maker/assets/secret")).status_code == 204
    assert (await ok(cells.get("/v1/cells/assets/secret")))["title"] == SECRET
