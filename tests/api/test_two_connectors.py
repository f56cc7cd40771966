"""Two connector processes with their own stores, driven by the people of each: all ways of a contract and of a transfer."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.companies import Company, ManagementError, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

USE = {"permission": [{"action": "use"}]}
ONCE = {
    "permission": [
        {"action": "use", "constraint": [{"leftOperand": "count", "operator": "lteq", "rightOperand": "1"}]}
    ]
}
BODY = b'{"kg_co2e_per_kg": "16.1"}'
PULL, PUSH = "HttpData-PULL", "HttpData-PUSH"
PATIENCE_S = 15.0
Firms = tuple[Company, Company]
Shown = dict[str, Any]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def firms(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Firms]:
    """The cathode maker and the cell maker."""
    folder: Path = tmp_path_factory.mktemp("firms")
    maker, cells = Company(folder / "maker", ["maker"]), Company(folder / "cells", ["cells"])
    async with running(maker, cells):
        yield maker, cells


async def offered(
    maker: Company, asset_id: str, *, approval: str = "automatic", finite: bool = True, **offer: object
) -> None:
    await maker.call("PUT", "/policies/use", {"document": USE})
    await maker.call("PUT", "/policies/once", {"document": ONCE})
    asset = {"title": asset_id, "source": {"kind": "record"}, "finite": finite}
    await maker.call("PUT", f"/assets/{asset_id}", asset)
    await maker.call_bytes("PUT", f"/assets/{asset_id}/record", BODY)
    body = {"contract_policy_id": "use", "asset_ids": [asset_id], "approval": approval, **offer}
    await maker.call("PUT", f"/offers/offer-{asset_id}", body)


async def until(company: Company, path: str, **members: object) -> Shown:
    """What stands at `path` once it has these members."""
    deadline_s = asyncio.get_running_loop().time() + PATIENCE_S
    while True:
        found: Shown = await company.call("GET", path)
        if all(found.get(name) == value for name, value in members.items()):
            return found
        if asyncio.get_running_loop().time() > deadline_s:
            raise AssertionError(f"{path} is {found}, not {members}\n{company.log_tail()}")
        await asyncio.sleep(0.02)


async def waiting(company: Company, asset_id: str) -> Shown:
    """What waits for a person of the company, about that asset."""
    for _ in range(int(PATIENCE_S * 50)):
        items = (await company.call("GET", "/approvals"))["items"]
        found = [item for item in items if item["asset_id"] == asset_id]
        if found:
            entry: Shown = found[0]
            return entry
        await asyncio.sleep(0.02)
    raise AssertionError(f"nothing about {asset_id} waits for a person\n{company.log_tail()}")


async def asked(cells: Company, maker: Company, asset_id: str, **members: object) -> str:
    body = {"role": "CONSUMER", "partner": maker.did, "asset_id": asset_id, **members}
    return str((await cells.call("POST", "/negotiations", body))["negotiation_pid"])


async def finalized(company: Company, pid: str) -> Shown:
    return await until(company, f"/negotiations/{pid}", state="FINALIZED")


async def assert_same_agreement(firms: Firms, cells_pid: str, terms: Shown) -> str:
    """Both sides hold the same final agreement on these terms; returns its id."""
    maker, cells = firms
    ours = await finalized(cells, cells_pid)
    theirs = await finalized(maker, ours["partner_pid"])
    assert ours["agreement_id"] == theirs["agreement_id"]
    documents = [
        (await company.call("GET", f"/agreements/{ours['agreement_id']}"))["document"] for company in firms
    ]
    assert documents[0] == documents[1]
    assert documents[0]["permission"] == terms["permission"]
    assert (documents[0]["assigner"], documents[0]["assignee"]) == (maker.did, cells.did)
    return str(ours["agreement_id"])


async def transferring(cells: Company, agreement_id: str, wire_format: str) -> Shown:
    body = {"agreement_id": agreement_id, "format": wire_format}
    begun = await cells.call("POST", "/transfers", body)
    return await until(cells, f"/transfers/{begun['transfer_pid']}", state="STARTED")


async def both(firms: Firms, transfer: Shown, state: str) -> None:
    maker, cells = firms
    await until(cells, f"/transfers/{transfer['transfer_pid']}", state=state)
    await until(maker, f"/transfers/{transfer['partner_pid']}", state=state)


# Contracts.


async def test_a_consumer_asks_for_what_is_offered(firms: Firms) -> None:
    maker, cells = firms
    await offered(maker, "plain")
    await assert_same_agreement(firms, await asked(cells, maker, "plain"), USE)


async def test_a_provider_opens_with_an_offer_and_a_person_of_the_consumer_accepts(firms: Firms) -> None:
    maker, cells = firms
    await offered(maker, "proposed")
    body = {"role": "PROVIDER", "partner": cells.did, "asset_id": "proposed", "offer_id": "offer-proposed"}
    opened = await maker.call("POST", "/negotiations", body)
    question = await waiting(cells, "proposed")
    assert question["role"] == "CONSUMER"
    await cells.call("POST", f"/approvals/{question['negotiation_pid']}/approve")
    await assert_same_agreement(firms, question["negotiation_pid"], USE)
    assert (await finalized(maker, opened["negotiation_pid"]))["role"] == "PROVIDER"


async def test_a_consumer_counters_a_provider_s_opening_offer(firms: Firms) -> None:
    maker, cells = firms
    await offered(maker, "haggled", approval="manual")
    body = {"role": "PROVIDER", "partner": cells.did, "asset_id": "haggled", "offer_id": "offer-haggled"}
    await maker.call("POST", "/negotiations", body)
    question = await waiting(cells, "haggled")
    await cells.call("POST", f"/approvals/{question['negotiation_pid']}/counter", {"policy": ONCE})
    answer = await waiting(maker, "haggled")
    assert (answer["role"], answer["offer"]["permission"]) == ("PROVIDER", ONCE["permission"])
    await maker.call("POST", f"/approvals/{answer['negotiation_pid']}/approve")
    await assert_same_agreement(firms, question["negotiation_pid"], ONCE)


async def test_a_provider_counters_a_consumer_s_request_and_each_side_counters_again(firms: Firms) -> None:
    maker, cells = firms
    await offered(maker, "countered", approval="manual")
    pid = await asked(cells, maker, "countered")
    question = await waiting(maker, "countered")
    await maker.call("POST", f"/approvals/{question['negotiation_pid']}/counter", {"policy": ONCE})
    back = await waiting(cells, "countered")
    assert (back["negotiation_pid"], back["offer"]["permission"]) == (pid, ONCE["permission"])
    await cells.call("POST", f"/approvals/{pid}/counter", {"policy": USE})
    last = await waiting(maker, "countered")
    await maker.call("POST", f"/approvals/{last['negotiation_pid']}/approve")
    await assert_same_agreement(firms, pid, USE)
    assert (await finalized(cells, pid))["rounds"] == 3


async def test_a_provider_goes_down_its_list_of_terms_without_a_person(firms: Firms) -> None:
    maker, cells = firms
    await offered(maker, "listed", contract_policy_id="once", alternative_policy_ids=["use"])
    days = {"leftOperand": "elapsedTime", "operator": "lteq", "rightOperand": "P1D"}
    wish = {"permission": [{"action": "use", "constraint": [days]}]}
    offer = {"@id": "offer-listed:listed", **wish}
    pid = await asked(cells, maker, "listed", offer=offer, acceptable=[ONCE])
    await assert_same_agreement(firms, pid, ONCE)


async def test_either_side_says_no_and_the_other_reads_why(firms: Firms) -> None:
    maker, cells = firms
    await offered(maker, "refused", approval="manual")
    pid = await asked(cells, maker, "refused")
    question = await waiting(maker, "refused")
    await maker.call("POST", f"/approvals/{question['negotiation_pid']}/reject", {"reason": "Not this year."})
    ended = await until(cells, f"/negotiations/{pid}", state="TERMINATED")
    assert "Not this year." in str(ended["reason"])
    pid = await asked(cells, maker, "refused")
    question = await waiting(maker, "refused")
    await cells.call("POST", f"/negotiations/{pid}/terminate", {"reason": "Found elsewhere."})
    ended = await until(maker, f"/negotiations/{question['negotiation_pid']}", state="TERMINATED")
    assert "Found elsewhere." in str(ended["reason"])


# Transfers.


async def test_a_finite_pull_is_completed_by_the_consumer_once_the_data_is_stored(firms: Firms) -> None:
    maker, cells = firms
    await offered(maker, "pulled")
    agreement_id = await assert_same_agreement(firms, await asked(cells, maker, "pulled"), USE)
    begun = await cells.call("POST", "/transfers", {"agreement_id": agreement_id, "format": PULL})
    done = await until(cells, f"/transfers/{begun['transfer_pid']}", state="COMPLETED")
    await both(firms, done, "COMPLETED")
    received = (await cells.call("GET", "/received"))["items"]
    (one,) = [item for item in received if item["asset_id"] == "pulled"]
    assert await cells.call_bytes("GET", f"/received/{one['received_id']}/content") == BODY


async def test_a_finite_push_is_completed_on_both_sides_once_the_data_is_stored(firms: Firms) -> None:
    maker, cells = firms
    await offered(maker, "pushed")
    agreement_id = await assert_same_agreement(firms, await asked(cells, maker, "pushed"), USE)
    begun = await cells.call("POST", "/transfers", {"agreement_id": agreement_id, "format": PUSH})
    done = await until(cells, f"/transfers/{begun['transfer_pid']}", state="COMPLETED")
    await both(firms, done, "COMPLETED")
    received = (await cells.call("GET", "/received"))["items"]
    (one,) = [item for item in received if item["asset_id"] == "pushed"]
    assert await cells.call_bytes("GET", f"/received/{one['received_id']}/content") == BODY


async def test_data_without_an_end_is_read_again_and_again_until_somebody_ends_it(firms: Firms) -> None:
    maker, cells = firms
    await offered(maker, "feed", finite=False)
    agreement_id = await assert_same_agreement(firms, await asked(cells, maker, "feed"), USE)
    transfer = await transferring(cells, agreement_id, PULL)
    path = f"/transfers/{transfer['transfer_pid']}"
    assert await cells.call_bytes("GET", f"{path}/data") == BODY
    await maker.call_bytes("PUT", "/assets/feed/record", b'{"next": 1}')
    assert await cells.call_bytes("GET", f"{path}/data") == b'{"next": 1}'
    await both(firms, transfer, "STARTED")
    await maker.call("POST", f"/transfers/{transfer['partner_pid']}/complete", {})
    await both(firms, transfer, "COMPLETED")
    with pytest.raises(ManagementError):
        await cells.call_bytes("GET", f"{path}/data")


@pytest.mark.parametrize("suspender", ["maker", "cells"])
@pytest.mark.parametrize("resumer", ["maker", "cells"])
async def test_either_side_suspends_and_either_side_resumes(
    firms: Firms, suspender: str, resumer: str
) -> None:
    maker, cells = firms
    asset_id = f"paused-by-{suspender}-resumed-by-{resumer}"
    await offered(maker, asset_id, finite=False)
    agreement_id = await assert_same_agreement(firms, await asked(cells, maker, asset_id), USE)
    transfer = await transferring(cells, agreement_id, PULL)
    paths = {
        "maker": f"/transfers/{transfer['partner_pid']}",
        "cells": f"/transfers/{transfer['transfer_pid']}",
    }
    of_slug = {"maker": maker, "cells": cells}
    data = f"{paths['cells']}/data"
    await of_slug[suspender].call("POST", f"{paths[suspender]}/suspend", {"reason": "night"})
    await both(firms, transfer, "SUSPENDED")
    with pytest.raises(ManagementError):
        await cells.call_bytes("GET", data)
    act = "start" if resumer == "maker" else "resume"
    await of_slug[resumer].call("POST", f"{paths[resumer]}/{act}", {})
    await both(firms, transfer, "STARTED")
    assert await cells.call_bytes("GET", data) == BODY
    await of_slug[suspender].call("POST", f"{paths[suspender]}/terminate", {"reason": "enough"})
    await both(firms, transfer, "TERMINATED")
