"""No participant reaches what belongs to another, by any method of any port, also where all keys are the same."""

from collections.abc import Callable
from typing import Any, Protocol, get_type_hints

import pytest

from ashiato.connector import ports
from ashiato.connector.ports import UnitOfWork
from ashiato.connector.records import AgreementState
from ashiato.dsp.states import Role
from ashiato.stores.engine import SqlStore
from tests.stores.samples import (
    DOCUMENT,
    MAKER,
    OTHER,
    TAKER,
    access,
    account,
    agreement,
    app,
    app_token,
    approvable,
    asset,
    contract_text,
    delivery,
    entry,
    fact,
    fetch,
    framework,
    kept_receipt,
    negotiation,
    obligation,
    offer,
    paper,
    partner_group,
    policy,
    presentation,
    received,
    transfer,
    vault_item,
    vault_use,
    watch,
    webhook,
)

ROOMS = (
    "assets",
    "negotiations",
    "contracts",
    "transfers",
    "outbox",
    "records",
    "vault",
    "apps",
    "standings",
    "declarations",
    "obligations",
)


class _Room:
    """A room that remembers which of its methods were called."""

    def __init__(self, name: str, room: object, called: set[str]) -> None:
        self._name = name
        self._room = room
        self._called = called

    def __getattr__(self, method: str) -> Callable[..., Any]:
        self._called.add(f"{self._name}.{method}")
        found: Callable[..., Any] = getattr(self._room, method)
        return found


class _Watched:
    """A unit of work whose rooms are watched."""

    def __init__(self, uow: UnitOfWork, called: set[str]) -> None:
        for name in ROOMS:
            setattr(self, name, _Room(name, getattr(uow, name), called))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


def _fill(uow: Any, mark: str) -> None:
    """Write with every method; the keys are the same for every mark."""
    uow.assets.put_asset(asset(mark=mark, data_item="item", part_group="group"))
    if mark == MAKER:
        uow.assets.put_asset(asset("asset-2", mark=mark, data_item="item", part_group="group"))
        uow.records.add_history(0, "first", "own-1", TAKER, {})
    uow.assets.put_record("asset-1", mark.encode())
    uow.assets.put_policy(policy(mark=mark))
    uow.assets.put_offer(offer(mark=mark, data_item="item"))
    uow.assets.put_entries([entry(mark=mark)])
    uow.negotiations.insert(negotiation())
    if mark == MAKER:
        uow.negotiations.insert(negotiation("own-2", peer_pid="peer-2"))
    uow.negotiations.update(negotiation(mark=mark))
    uow.negotiations.put_context("own-1", {"mark": mark})
    uow.negotiations.put_approvable(approvable(mark=mark))
    uow.contracts.insert_agreement(agreement(mark=mark))
    uow.contracts.put_agreement(agreement(mark=mark))
    uow.contracts.insert_framework(framework(mark=mark))
    uow.contracts.put_framework(framework(mark=mark))
    uow.contracts.put_paper(paper(mark=mark), mark.encode())
    uow.contracts.put_text(contract_text(mark=mark))
    uow.transfers.insert(transfer())
    if mark == MAKER:
        uow.transfers.insert(transfer("transfer-2", peer_pid="peer-2"))
    uow.transfers.update(transfer(mark=mark))
    uow.transfers.put_context("transfer-1", {"mark": mark})
    uow.transfers.put_access(access(mark=mark))
    uow.transfers.put_received(received(mark=mark))
    uow.transfers.put_fetch(fetch(mark=mark, negotiation_pid="own-1"))
    uow.outbox.add(delivery(mark=mark))
    uow.records.add_history(1, mark, "own-1", TAKER, DOCUMENT)
    uow.records.put_webhook(webhook(mark=mark))
    uow.vault.put_item(vault_item(mark=mark))
    uow.vault.add_use(vault_use(mark=mark, app=mark))
    uow.vault.put_account(account(mark=mark))
    uow.vault.put_receipt(kept_receipt(mark=mark))
    uow.vault.put_watch(watch(mark=mark))
    uow.apps.put_app(app(mark=mark))
    uow.apps.put_token(app_token(app_id=mark))
    uow.standings.put(presentation(mark=mark))
    group_id = f"group of {mark}"
    uow.declarations.put_group(partner_group(mark=mark))
    uow.declarations.put_group(partner_group(group_id, mark=mark))
    uow.declarations.put_fact(fact(mark=mark))
    uow.obligations.put(obligation(mark=mark))


def _look_at_texts(uow: Any) -> dict[str, object]:
    return {"text": uow.contracts.text("ab"), "list_texts": uow.contracts.list_texts("", 9)}


def _look(uow: Any) -> dict[str, object]:
    """The answer of every method that reads."""
    return {
        **_look_at_texts(uow),
        "asset": uow.assets.asset("asset-1"),
        "assets_by_id": uow.assets.assets_by_id(["asset-1"]),
        "list_assets": uow.assets.list_assets("", 10),
        "assets_in_class": uow.assets.assets_in_class("item", "group"),
        "record": uow.assets.record("asset-1"),
        "policy": uow.assets.policy("policy-1"),
        "list_policies": uow.assets.list_policies("", 10),
        "offer": uow.assets.offer("offer-1"),
        "list_offers": uow.assets.list_offers("", 10),
        "offers_for_class": uow.assets.offers_for_class("item", "group"),
        "visible_entries": uow.assets.visible_entries(["any"], 1, "", 10, ("item", "group")),
        "entries_of": uow.assets.entries_of("asset-1"),
        "entry": uow.assets.entry("offer-1:asset-1"),
        "negotiation": uow.negotiations.get("own-1"),
        "negotiation by peer": uow.negotiations.find_by_peer(Role.PROVIDER, TAKER, "peer-1"),
        "negotiations": uow.negotiations.page("", 10),
        "count_open": uow.negotiations.count_open(TAKER),
        "count_open_transfers": uow.transfers.count_open(TAKER, 1000),
        "negotiation context": uow.negotiations.context("own-1"),
        "approvable": uow.negotiations.approvable("own-1"),
        "list_approvables": uow.negotiations.list_approvables("", 100),
        "agreement": uow.contracts.agreement("agreement-1"),
        "list_agreements": uow.contracts.list_agreements("", 10),
        "find_usable": uow.contracts.find_usable(Role.PROVIDER, TAKER, "asset-1"),
        "framework": uow.contracts.framework("framework-1"),
        "list_frameworks": uow.contracts.list_frameworks(None),
        "paper": uow.contracts.paper("paper-1"),
        "paper_scan": uow.contracts.paper_scan("paper-1"),
        "list_papers": uow.contracts.list_papers(None),
        "transfer": uow.transfers.get("transfer-1"),
        "transfer by peer": uow.transfers.find_by_peer(Role.PROVIDER, TAKER, "peer-1"),
        "transfers": uow.transfers.page("", 10),
        "transfer context": uow.transfers.context("transfer-1"),
        "list_accesses": uow.transfers.list_accesses("", 10),
        "accesses_of_transfer": uow.transfers.accesses_of_transfer("transfer-1", 10),
        "received": uow.transfers.received("received-1"),
        "list_received": uow.transfers.list_received("", 10),
        "fetch": uow.transfers.fetch("fetch-1"),
        "fetch_of_process": uow.transfers.fetch_of_process("own-1"),
        "list_fetches": uow.transfers.list_fetches("", 10),
        "delivery": uow.outbox.get("delivery-1"),
        "of_process": uow.outbox.of_process("own-1"),
        "history": uow.records.list_history(0, 10),
        "last_sequence": uow.records.last_sequence(),
        "webhooks": uow.records.list_webhooks(),
        "vault item": uow.vault.item("received-1"),
        "vault items": uow.vault.list_items("", 10),
        "last_uses": uow.vault.last_uses("agreement-1", 10),
        "usage": uow.vault.usage("agreement-1"),
        "account": uow.vault.account("agreement-1"),
        "receipts": uow.vault.list_receipts("agreement-1", 0, 10),
        "watch": uow.vault.watch("agreement-1"),
        "watches": uow.vault.list_watches("", 10),
        "app": uow.apps.app("app-1"),
        "apps": uow.apps.list_apps("", 10),
        "token": uow.apps.token("00"),
        "presentation": uow.standings.get(TAKER),
        "presentations": uow.standings.page("", 10),
        "group": uow.declarations.group("group-1"),
        "groups": uow.declarations.list_groups(),
        "groups_of": uow.declarations.groups_of(TAKER),
        "fact": uow.declarations.fact("event", ""),
        "facts": uow.declarations.list_facts(None),
        "obligation": uow.obligations.get("obligation-1"),
        "obligations": uow.obligations.page("", 10),
        "of_agreement": uow.obligations.of_agreement("agreement-1"),
    }


def _wipe(uow: Any) -> None:
    """Change or delete with every method that can."""
    uow.outbox.reschedule("delivery-1", 5, 99)
    uow.outbox.renew_lease("delivery-1", 99_999_999)
    uow.outbox.remove("delivery-1")
    uow.outbox.remove_of_process("own-1")
    uow.negotiations.update(negotiation(mark="wiped"))
    uow.negotiations.delete_approvable("own-1")
    uow.transfers.update(transfer(mark="wiped"))
    uow.contracts.put_agreement(agreement(mark="wiped", state=AgreementState.TERMINATED))
    uow.records.delete_webhook("webhook-1")
    uow.vault.put_item(vault_item(mark="wiped"))
    uow.vault.put_account(account(mark="wiped"))
    uow.vault.put_receipt(kept_receipt(mark="wiped"))
    uow.vault.put_watch(watch(mark="wiped"))
    uow.apps.put_app(app(mark="wiped"))
    uow.apps.delete_token("00")
    uow.apps.delete_tokens(MAKER)
    uow.standings.delete(TAKER)
    uow.declarations.delete_group("group-1")
    uow.declarations.delete_fact("event", "")
    uow.obligations.put(obligation(mark="wiped"))
    uow.assets.delete_entries(asset_id="asset-1")
    uow.assets.delete_entries(offer_id="offer-1")
    uow.assets.delete_offer("offer-1")
    uow.assets.delete_policy("policy-1")
    uow.assets.delete_asset("asset-1")


@pytest.fixture
def watched() -> set[str]:
    """The methods that were called."""
    return set()


async def _run(store: SqlStore, participant_id: str, work: Callable[[Any], Any], called: set[str]) -> Any:
    return await store.run(participant_id, lambda uow: work(_Watched(uow, called)))


async def test_two_participants_with_the_same_ids_see_only_their_own(
    store: SqlStore, watched: set[str]
) -> None:
    await _run(store, MAKER, lambda uow: _fill(uow, MAKER), watched)
    nothing = await _run(store, OTHER, _look, watched)
    assert not any(nothing.values())

    mine = await _run(store, MAKER, _look, watched)
    await _run(store, OTHER, lambda uow: _fill(uow, OTHER), watched)
    theirs = await _run(store, OTHER, _look, watched)
    assert await _run(store, MAKER, _look, watched) == mine
    # An answer that were the same for both would prove nothing.
    assert [name for name in mine if mine[name] == theirs[name]] == []

    await _run(store, OTHER, _wipe, watched)
    assert await _run(store, MAKER, _look, watched) == mine

    # Both have the same partner, so a third, who has none, shows it.
    assert not await _run(
        store, TAKER, lambda uow: uow.contracts.partners_of_asset(Role.PROVIDER, "asset-1"), watched
    )

    assert await _run(store, MAKER, lambda uow: uow.records.remember_token(TAKER, "t", 1), watched)
    assert await _run(store, OTHER, lambda uow: uow.records.remember_token(TAKER, "t", 1), watched)
    assert watched == _methods_of_the_ports()


async def test_a_participant_whose_id_begins_like_another_is_another(store: SqlStore) -> None:
    await store.run(MAKER, lambda uow: uow.assets.put_asset(asset()))
    for neighbour in (MAKER[:-1], MAKER + "x", "", MAKER.upper(), MAKER + " "):
        assert await store.read(neighbour, lambda uow: uow.assets.list_assets("", 10)) == []


def _methods_of_the_ports() -> set[str]:
    found: set[str] = set()
    for name in ROOMS:
        room = getattr(UnitOfWork, name).fget
        port: type[Protocol] = get_type_hints(room, vars(ports))["return"]  # type: ignore[valid-type]  # a Protocol's type
        found |= {f"{name}.{method}" for method in vars(port) if not method.startswith("_")}
    return found
