"""Clauses about negotiations and transfers, tried at a running program in the bytes of its counterparty (DSP 2025-1, 7 to 10)."""

import uuid
from typing import Any
from urllib.parse import unquote

import pytest

from ashiato.dsp.states import NegotiationState, TransferState
from tests.api.speaking import JSON, USE, Heard, Pair, message, opening, transfer_request
from tests.dsp_schemas import DspSchemas
from tests.exchange import Member

PIDS = ("providerPid", "consumerPid")
PUSH = "HttpData-PUSH"
ADDRESS = {"@type": "DataAddress", "endpointType": "https://w3id.org/idsa/v4.1/HTTP"}


async def sent(member: Member, pair: Pair, count: int) -> list[tuple[str, dict[str, Any]]]:
    """The first `count` messages that arrived at the ear."""

    def look(_: object) -> list[tuple[str, dict[str, Any]]] | None:
        return pair.ear.messages[:count] if len(pair.ear.messages) >= count else None

    return await member.until(look)


def problem(heard: Heard) -> tuple[int, str, str, str]:
    """Status, type and both pids of an error object."""
    return (heard.status, heard.said["@type"], *(heard.said[pid] for pid in PIDS))


async def agreed(pair: Pair, **offered: Any) -> str:
    """The id of a finalized agreement over nmc811, made by the two programs."""
    await pair.maker.offer("nmc811", **offered)
    negotiation = await pair.cells.negotiate(pair.maker, "nmc811")
    ended = await pair.cells.negotiation(negotiation.own_pid, NegotiationState.FINALIZED)
    assert ended.agreement is not None
    await pair.maker.negotiation(ended.peer_pid or "", NegotiationState.FINALIZED)
    return str(ended.agreement["@id"])


# Contract negotiation (7 and 8).


async def test_a_request_is_answered_201_with_the_state_that_it_led_to(
    pair: Pair, dsp_schemas: DspSchemas
) -> None:
    await pair.maker.offer("nmc811")
    asked = opening(pair.ear.address)
    heard = await pair.as_cells.post("negotiations/request", asked)
    assert (heard.status, heard.headers["Content-Type"]) == (201, JSON)
    assert dsp_schemas.faults(heard.body) == []
    assert (heard.said["state"], heard.said["consumerPid"]) == ("REQUESTED", asked["consumerPid"])
    assert uuid.UUID(heard.said["providerPid"].removeprefix("urn:uuid:")).urn == heard.said["providerPid"]
    again = await pair.as_cells.post("negotiations/request", asked)
    assert (again.status, again.said) == (201, heard.said)


async def test_an_offer_of_a_provider_s_own_accord_is_answered_201_with_offered(
    pair: Pair, dsp_schemas: DspSchemas
) -> None:
    offer = {"@id": "urn:uuid:o", "@type": "Offer", "target": "urn:uuid:d", "permission": USE}
    asked = message(
        "ContractOfferMessage", providerPid="urn:uuid:p", offer=offer, callbackAddress=pair.ear.address
    )
    heard = await pair.as_maker.post("negotiations/offers", asked)
    assert dsp_schemas.faults(heard.body) == []
    assert (heard.status, heard.said["state"], heard.said["providerPid"]) == (201, "OFFERED", "urn:uuid:p")
    state = await pair.as_maker.get(f"negotiations/{heard.said['consumerPid']}")
    assert (state.status, state.said) == (200, heard.said)


async def test_callbacks_go_below_the_address_with_or_without_a_slash_at_its_end(
    pair: Pair, dsp_schemas: DspSchemas
) -> None:
    await pair.maker.offer("nmc811")
    for number, callback in enumerate((pair.ear.address, f"{pair.ear.address}/"), 1):
        asked = opening(callback)
        await pair.as_cells.post("negotiations/request", asked)
        path, said = (await sent(pair.maker, pair, number))[-1]
        assert path == f"/own/callback/negotiations/{asked['consumerPid']}/agreement"
        assert dsp_schemas.faults(said) == []
    for request in pair.ear.server.asked:
        assert request.headers["content-type"] == JSON
        assert request.headers["authorization"].startswith("Bearer ")


async def test_an_agreement_names_the_parties_the_dataset_and_the_time_and_keeps_the_rules(
    pair: Pair,
) -> None:
    await pair.maker.offer("nmc811")
    await pair.as_cells.post("negotiations/request", opening(pair.ear.address))
    ((_, said),) = await sent(pair.maker, pair, 1)
    agreement = said["agreement"]
    assert (agreement["@type"], agreement["target"], agreement["permission"]) == ("Agreement", "nmc811", USE)
    assert (agreement["assigner"], agreement["assignee"]) == (pair.maker.did, pair.cells.did)
    assert agreement["@id"].startswith("urn:uuid:")
    assert agreement["timestamp"].endswith("Z")


async def test_a_callback_address_that_is_not_understood_is_refused_for_good(pair: Pair) -> None:
    await pair.maker.offer("nmc811")
    agreement_id = await agreed(pair)
    for callback in (
        "",
        "callback",
        "/callback",
        "ftp://a.example/cb",
        "mailto:a@a.example",
        "https://user@a.example/cb",
        "https://169.254.169.254/latest",
        "https://10.0.0.1/cb",
        "https://a.example/cb?token=1",
        "https://a.example/cb#x",
    ):
        negotiation = await pair.as_cells.post("negotiations/request", opening(callback))
        transfer = await pair.as_cells.post("transfers/request", transfer_request(callback, agreement_id))
        told = (negotiation.status, negotiation.said["@type"], transfer.status, transfer.said["@type"])
        assert (callback, *told) == (callback, 400, "ContractNegotiationError", 400, "TransferError")


async def test_an_offer_that_the_provider_does_not_know_is_an_error(pair: Pair) -> None:
    await pair.maker.offer("nmc811")
    for changed in (
        {"@id": "urn:uuid:unknown"},
        {"target": "another"},
        {"permission": [{"action": "use", "target": "another"}]},
        {"permission": [{"action": "use", "target": "nmc811"}]},
    ):
        asked = opening(pair.ear.address)
        offer = asked["offer"]
        assert isinstance(offer, dict)
        heard = await pair.as_cells.post("negotiations/request", {**asked, "offer": {**offer, **changed}})
        assert (changed, *problem(heard)) == (
            changed,
            400,
            "ContractNegotiationError",
            "",
            asked["consumerPid"],
        )


async def test_a_message_out_of_turn_gets_400_and_the_state_stays(pair: Pair) -> None:
    await pair.maker.offer("nmc811", approval=pair.manual)
    opened = (await pair.as_cells.post("negotiations/request", opening(pair.ear.address))).said
    pids = {pid: opened[pid] for pid in PIDS}
    own = f"negotiations/{pids['providerPid']}"
    for path, kind, members in (
        # The current offer is the consumer's own.
        ("events", "ContractNegotiationEventMessage", {"eventType": "ACCEPTED"}),
        # A consumer may not finalize.
        ("events", "ContractNegotiationEventMessage", {"eventType": "FINALIZED"}),
        ("agreement/verification", "ContractAgreementVerificationMessage", {}),
    ):
        heard = await pair.as_cells.post(f"{own}/{path}", message(kind, **pids, **members))
        assert problem(heard) == (400, "ContractNegotiationError", *pids.values())
    assert (await pair.as_cells.get(own)).said["state"] == "REQUESTED"


async def test_nothing_moves_a_negotiation_out_of_its_end(pair: Pair) -> None:
    await pair.maker.offer("nmc811", approval=pair.manual)
    opened = (await pair.as_cells.post("negotiations/request", opening(pair.ear.address))).said
    pids = {pid: opened[pid] for pid in PIDS}
    own = f"negotiations/{pids['providerPid']}"
    ended = await pair.as_cells.post(
        f"{own}/termination", message("ContractNegotiationTerminationMessage", **pids)
    )
    assert ended.status == 200
    for path, kind, members in (
        ("events", "ContractNegotiationEventMessage", {"eventType": "ACCEPTED"}),
        ("agreement/verification", "ContractAgreementVerificationMessage", {}),
    ):
        heard = await pair.as_cells.post(f"{own}/{path}", message(kind, **pids, **members))
        assert problem(heard) == (400, "ContractNegotiationError", *pids.values())
    assert (await pair.as_cells.get(own)).said["state"] == "TERMINATED"


async def test_a_termination_needs_no_reason_and_may_have_any(pair: Pair) -> None:
    await pair.maker.offer("nmc811", approval=pair.manual)
    for members in ({}, {"code": "7", "reason": ["no", {"more": 1}]}):
        opened = (await pair.as_cells.post("negotiations/request", opening(pair.ear.address))).said
        pids = {pid: opened[pid] for pid in PIDS}
        body = message("ContractNegotiationTerminationMessage", **pids, **members)
        own = f"negotiations/{pids['providerPid']}"
        assert (await pair.as_cells.post(f"{own}/termination", body)).status == 200


async def test_a_negotiation_is_shown_to_its_counterparty_alone(pair: Pair) -> None:
    await pair.maker.offer("nmc811", approval=pair.manual)
    opened = await pair.as_cells.post("negotiations/request", opening(pair.ear.address))
    path = f"negotiations/{opened.said['providerPid']}"
    assert (await pair.as_cells.get(path)).said == opened.said
    assert (await pair.as_cells.ask("HEAD", path)).status == 200
    unknown = await pair.as_rival.get("negotiations/urn:uuid:none")
    assert problem(unknown) == (404, "ContractNegotiationError", "", "")
    foreign = await pair.as_rival.get(path)
    assert (foreign.status, foreign.said["code"]) == (unknown.status, unknown.said["code"])
    pids = {pid: opened.said[pid] for pid in PIDS}
    body = message("ContractNegotiationTerminationMessage", **pids)
    assert (await pair.as_rival.post(f"{path}/termination", body)).status == 404
    assert (await pair.as_cells.get(path)).said == opened.said
    for trick in ("%2e%2e", "a%2Fb", "%00"):
        assert (await pair.as_cells.get(f"negotiations/{trick}")).status == 404


async def test_an_error_object_names_the_pids_that_a_broken_message_names(pair: Pair) -> None:
    told = {
        b'{"providerPid": "p", "consumerPid": "c"}': ("p", "c"),
        b'{"providerPid": 1, "consumerPid": "c"}': ("", "c"),
        b'["providerPid"]': ("", ""),
        b"{": ("", ""),
        b"\xff": ("", ""),
    }
    for body, pids in told.items():
        for path, kind in (
            ("negotiations/p/events", "ContractNegotiationError"),
            ("transfers/p/start", "TransferError"),
        ):
            assert (body, *problem(await pair.as_cells.post(path, body))) == (body, 400, kind, *pids)


# Transfer process (9 and 10).


async def test_a_transfer_is_answered_201_and_started_by_a_message_that_says_where_the_data_is(
    pair: Pair, dsp_schemas: DspSchemas
) -> None:
    asked = transfer_request(f"{pair.ear.address}/", await agreed(pair))
    heard = await pair.as_cells.post("transfers/request", asked)
    assert dsp_schemas.faults(heard.body) == []
    assert (heard.status, heard.said["state"], heard.said["consumerPid"]) == (
        201,
        "REQUESTED",
        asked["consumerPid"],
    )
    ((path, said),) = await sent(pair.maker, pair, 1)
    assert path == f"/own/callback/transfers/{asked['consumerPid']}/start"
    assert dsp_schemas.faults(said) == []
    assert [said[pid] for pid in PIDS] == [heard.said[pid] for pid in PIDS]
    properties = {item["name"]: item["value"] for item in said["dataAddress"]["endpointProperties"]}
    assert (properties["authType"], bool(properties["authorization"])) == ("bearer", True)
    state = await pair.as_cells.get(f"transfers/{heard.said['providerPid']}")
    assert (state.status, state.said) == (200, {**heard.said, "state": "STARTED"})


async def test_the_start_of_a_push_names_no_address(pair: Pair) -> None:
    address = {**ADDRESS, "endpoint": pair.ear.server.url("/data")}
    asked = transfer_request(pair.ear.address, await agreed(pair), format=PUSH, dataAddress=address)
    await pair.as_cells.post("transfers/request", asked)

    def look(_: object) -> dict[str, Any] | None:
        return next((said for path, said in pair.ear.messages if path.endswith("/start")), None)

    assert "dataAddress" not in await pair.maker.until(look)


async def test_a_transfer_request_that_cannot_be_carried_out_is_refused(pair: Pair) -> None:
    agreement_id = await agreed(pair)
    for changed in (
        {"agreementId": "urn:uuid:unknown"},
        {"format": "HttpData-PUSH"},
        {"format": "HttpData-PUSH", "dataAddress": ADDRESS},
        {"format": "HttpData-PUSH", "dataAddress": {**ADDRESS, "endpoint": "https://10.0.0.1/"}},
        {"format": "AmazonS3-PULL"},
        {"dataAddress": {**ADDRESS, "endpoint": "https://a.example/"}},
    ):
        asked = transfer_request(pair.ear.address, agreement_id, **changed)
        heard = await pair.as_cells.post("transfers/request", asked)
        assert (changed, *problem(heard)) == (changed, 400, "TransferError", "", asked["consumerPid"])


async def test_a_dataset_without_an_end_is_not_pushed(pair: Pair) -> None:
    address = {**ADDRESS, "endpoint": pair.ear.server.url("/data")}
    agreement_id = await agreed(pair, finite=False)
    asked = transfer_request(pair.ear.address, agreement_id, format=PUSH, dataAddress=address)
    heard = await pair.as_cells.post("transfers/request", asked)
    assert problem(heard) == (400, "TransferError", "", asked["consumerPid"])
    pulled = await pair.as_cells.post("transfers/request", transfer_request(pair.ear.address, agreement_id))
    assert pulled.status == 201


async def test_a_request_that_comes_again_gives_the_same_transfer_and_its_start_again(pair: Pair) -> None:
    asked = transfer_request(pair.ear.address, await agreed(pair))
    first = await pair.as_cells.post("transfers/request", asked)
    await sent(pair.maker, pair, 1)
    assert await pair.maker.outbox_is_empty()
    again = await pair.as_cells.post("transfers/request", asked)
    assert (again.status, again.said) == (201, first.said)
    _, (path, said) = await sent(pair.maker, pair, 2)
    assert (path, said["@type"]) == (
        f"/own/callback/transfers/{asked['consumerPid']}/start",
        "TransferStartMessage",
    )
    assert unquote(said["dataAddress"]["endpoint"]).endswith(f"/data/{first.said['providerPid']}")
    state = await pair.as_cells.get(f"transfers/{first.said['providerPid']}")
    assert state.said["state"] == "STARTED"


async def test_a_pull_that_starts_without_saying_where_the_data_is_is_refused(pair: Pair) -> None:
    agreement_id = await agreed(pair)
    # A provider that never starts by itself: its callbacks are lost, and we speak for it.
    opened = await pair.consume(agreement_id)
    pids = {"providerPid": "urn:uuid:t", "consumerPid": opened}
    heard = await pair.as_maker.post(f"transfers/{opened}/start", message("TransferStartMessage", **pids))
    assert problem(heard) == (400, "TransferError", *pids.values())
    state = await pair.as_maker.get(f"transfers/{opened}")
    assert (state.status, state.said["state"]) == (200, "REQUESTED")


async def test_a_transfer_out_of_turn_gets_400_and_the_state_stays(pair: Pair) -> None:
    asked = transfer_request(pair.ear.address, await agreed(pair))
    opened = (await pair.as_cells.post("transfers/request", asked)).said
    pids = {pid: opened[pid] for pid in PIDS}
    own = f"transfers/{pids['providerPid']}"
    await pair.maker.transfer(pids["providerPid"], TransferState.STARTED)
    assert (
        await pair.as_cells.post(f"{own}/suspension", message("TransferSuspensionMessage", **pids))
    ).status == 200
    refused = await pair.as_cells.post(f"{own}/completion", message("TransferCompletionMessage", **pids))
    assert problem(refused) == (400, "TransferError", *pids.values())
    assert (await pair.as_cells.get(own)).said["state"] == "SUSPENDED"
    assert (
        await pair.as_cells.post(f"{own}/termination", message("TransferTerminationMessage", **pids))
    ).status == 200
    for path, kind in (
        ("start", "TransferStartMessage"),
        ("suspension", "TransferSuspensionMessage"),
        ("completion", "TransferCompletionMessage"),
    ):
        heard = await pair.as_cells.post(f"{own}/{path}", message(kind, **pids))
        assert problem(heard) == (400, "TransferError", *pids.values())
    assert (await pair.as_cells.get(own)).said["state"] == "TERMINATED"


@pytest.mark.parametrize("kind", ["negotiations", "transfers"])
async def test_a_pid_that_is_not_the_message_s_own_is_refused(pair: Pair, kind: str) -> None:
    if kind == "negotiations":
        await pair.maker.offer("nmc811", approval=pair.manual)
        heard = await pair.as_cells.post("negotiations/request", opening(pair.ear.address))
        path, name = "termination", "ContractNegotiationTerminationMessage"
    else:
        asked = transfer_request(pair.ear.address, await agreed(pair))
        heard = await pair.as_cells.post("transfers/request", asked)
        path, name = "termination", "TransferTerminationMessage"
    pids = {pid: heard.said[pid] for pid in PIDS}
    for pid in PIDS:
        wrong = message(name, **{**pids, pid: "urn:uuid:other"})
        refused = await pair.as_cells.post(f"{kind}/{pids['providerPid']}/{path}", wrong)
        assert refused.status == 400
