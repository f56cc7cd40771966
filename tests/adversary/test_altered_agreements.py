"""A provider that agrees to something else than was asked for: the consumer's door compares, and stays where it was."""

from collections.abc import Mapping
from typing import Any

import pytest

from ashiato.connector.records import Approval
from ashiato.dsp.states import NegotiationState
from tests.api.speaking import Pair, message

CHEAPER = [
    {"action": "use", "constraint": [{"leftOperand": "count", "operator": "lteq", "rightOperand": "1"}]}
]


async def asked(pair: Pair) -> tuple[str, str, dict[str, Any]]:
    """Both pids of a request that waits at the maker, and the agreement that it would honestly send."""
    await pair.maker.offer("nmc811", approval=Approval.MANUAL)
    ours = await pair.cells.negotiate(pair.maker, "nmc811")
    theirs = await pair.maker.until(
        lambda uow: next(iter(uow.negotiations.page("", 1, state=NegotiationState.REQUESTED)), None)
    )
    honest = {
        "@id": "urn:uuid:agreement",
        "@type": "Agreement",
        "target": "nmc811",
        "assigner": pair.maker.did,
        "assignee": pair.cells.did,
        "timestamp": "2026-11-24T00:00:00Z",
        "permission": theirs.offer["permission"],
    }
    return ours.own_pid, theirs.own_pid, honest


ALTERED: dict[str, Mapping[str, object]] = {
    "another assignee": {"assignee": "did:web:rival.example"},
    "another assigner": {"assigner": "did:web:rival.example"},
    "assigner and assignee exchanged": {"assigner": "{cells}", "assignee": "{maker}"},
    "another target": {"target": "another"},
    "a constraint added to the policy": {"permission": CHEAPER},
    "a permission added to the policy": {"permission": [{"action": "use"}, {"action": "distribute"}]},
    "a prohibition added to the policy": {"prohibition": [{"action": "use"}]},
    "a duty added to the policy": {"obligation": [{"action": "compensate"}]},
    "no policy at all": {"permission": None},
}


@pytest.mark.parametrize("what", ALTERED)
async def test_an_agreement_that_was_altered_is_refused(pair: Pair, what: str) -> None:
    own_pid, peer_pid, honest = await asked(pair)
    names = {"{cells}": pair.cells.did, "{maker}": pair.maker.did}
    changed = {**honest, **{key: names.get(str(value), value) for key, value in ALTERED[what].items()}}
    document = {key: value for key, value in changed.items() if value is not None}
    pids = {"providerPid": peer_pid, "consumerPid": own_pid}
    heard = await pair.as_maker.post(
        f"negotiations/{own_pid}/agreement",
        message("ContractAgreementMessage", **pids, agreement=document),
    )
    assert (heard.status, heard.said["@type"]) == (400, "ContractNegotiationError")
    assert await pair.cells.read(lambda uow: uow.contracts.list_agreements("", 10)) == []
    assert (await pair.cells.negotiation(own_pid, NegotiationState.REQUESTED)).agreement is None
    # The honest one is taken still.
    heard = await pair.as_maker.post(
        f"negotiations/{own_pid}/agreement",
        message("ContractAgreementMessage", **pids, agreement=honest),
    )
    assert heard.status == 200


async def test_both_sides_terminate_at_the_same_moment(pair: Pair) -> None:
    own_pid, peer_pid, _ = await asked(pair)
    pids = {"providerPid": peer_pid, "consumerPid": own_pid}
    ending = message("ContractNegotiationTerminationMessage", **pids, code="over")
    # Both messages are under way before either side has heard of the other's.
    first = await pair.as_maker.post(f"negotiations/{own_pid}/termination", ending)
    second = await pair.as_cells.post(f"negotiations/{peer_pid}/termination", ending)
    assert (first.status, second.status) == (200, 200)
    for member, pid in ((pair.cells, own_pid), (pair.maker, peer_pid)):
        assert (await member.negotiation(pid, NegotiationState.TERMINATED)).own_pid == pid
    for voice, pid in ((pair.as_maker, own_pid), (pair.as_cells, peer_pid)):
        assert (await voice.post(f"negotiations/{pid}/termination", ending)).status == 200
    assert await pair.maker.outbox_is_empty()
    assert await pair.cells.outbox_is_empty()
