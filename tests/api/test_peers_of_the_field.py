"""Messages as connectors of the EDC family write them, exchanged with a running program in either role."""

from typing import Any

from ashiato.connector import negotiations
from ashiato.connector.negotiations import Partner
from ashiato.dsp.negotiation import ContractNegotiation
from ashiato.dsp.states import NegotiationState
from ashiato.dsp.v2025_1 import CONTEXT_URL
from tests.api.speaking import Heard, Pair
from tests.dsp_schemas import DspSchemas

# The second one does not resolve; nobody may ask for it.
CONTEXTS = [
    CONTEXT_URL,
    "https://w3id.org/edc/dspace/v0.0.1",
    "https://w3id.org/catenax/2025/9/policy/context.jsonld",
]
OPAQUE_ID = "Y2QxMjM=:bm1jODEx:MGY4ZmFkNWItZDljYi00NjlmLWExNjUtNzA4Njc3Mjg5NTBl"
TERMS = {
    "permission": [
        {
            "action": "use",
            "constraint": [
                {"and": [{"leftOperand": "Membership", "operator": "eq", "rightOperand": "active"}]}
            ],
        }
    ]
}


def written(kind: str, number: int, **members: object) -> dict[str, object]:
    """A message with the contexts of the family and an id of its own."""
    return {"@context": CONTEXTS, "@type": kind, "@id": f"11111111-0000-4000-8000-{number:012}", **members}


async def heard(pair: Pair, ending: str) -> dict[str, Any]:
    """The first message that came to the callback with this ending."""

    def look(_: object) -> dict[str, Any] | None:
        return next((said for path, said in pair.ear.messages if path.endswith(ending)), None)

    return await pair.maker.until(look)


def assert_taken(answer: Heard, status: int = 200) -> None:
    assert (answer.status, answer.body if answer.status != status else b"") == (status, b"")


async def test_a_consumer_of_the_family_gets_a_contract(pair: Pair, dsp_schemas: DspSchemas) -> None:
    await pair.maker.offer("nmc811")
    query = {"@type": "QuerySpec", "limit": 50, "offset": 0, "sortOrder": "ASC", "filterExpression": []}
    catalog = await pair.as_cells.post("catalog/request", written("CatalogRequestMessage", 1, filter=[query]))
    (dataset,) = catalog.said["dataset"]
    (offer,) = dataset["hasPolicy"]
    consumer_pid = "3f0d9a0e-0000-4000-8000-000000000001"
    request = written(
        "ContractRequestMessage",
        2,
        consumerPid=consumer_pid,
        callbackAddress=pair.ear.address,
        offer={**offer, "assigner": pair.maker.did, "target": dataset["@id"]},
    )
    answer = await pair.as_cells.post("negotiations/request", request)
    assert_taken(answer, 201)
    pids = {"consumerPid": consumer_pid, "providerPid": answer.said["providerPid"]}
    agreement = await heard(pair, f"negotiations/{consumer_pid}/agreement")
    assert dsp_schemas.faults(agreement) == []
    own = f"negotiations/{pids['providerPid']}"
    verification = written("ContractAgreementVerificationMessage", 3, **pids)
    assert_taken(await pair.as_cells.post(f"{own}/agreement/verification", verification))
    # A retry with the same id is the same message, however far the other side has gone.
    assert_taken(await pair.as_cells.post(f"{own}/agreement/verification", verification))
    assert (await heard(pair, f"negotiations/{consumer_pid}/events"))["eventType"] == "FINALIZED"
    assert (await pair.as_cells.get(own)).said == {
        "@context": [CONTEXT_URL],
        "@type": "ContractNegotiation",
        **pids,
        "state": "FINALIZED",
    }


async def test_a_provider_of_the_family_is_asked_under_its_own_opaque_offer_id(pair: Pair) -> None:
    cells, maker = pair.cells, pair.maker
    offer: dict[str, object] = {"@id": OPAQUE_ID, "target": "nmc811", **TERMS}

    def ask(uow: Any, moment: Any) -> ContractNegotiation:
        partner = Partner(maker.did, f"{pair.ear.address}/")
        return negotiations.request(uow, cells.tenant.company, partner, offer, moment)

    opened = await cells.run(ask)
    request = await heard(pair, "/own/callback/negotiations/request")
    assert (request["offer"]["@id"], request["offer"]["target"]) == (OPAQUE_ID, "nmc811")
    assert request["offer"]["permission"] == TERMS["permission"]
    pids = {"consumerPid": opened.own_pid, "providerPid": pair.ear.pid}
    parties = {"assigner": maker.did, "assignee": cells.did, "target": "nmc811"}
    agreement = {
        "@type": "Agreement",
        "@id": "0f8fad5b",
        "timestamp": "2026-01-01T00:00:00Z",
        **parties,
        **TERMS,
    }
    own = f"negotiations/{opened.own_pid}"
    said = written("ContractAgreementMessage", 4, **pids, agreement=agreement)
    assert_taken(await pair.as_maker.post(f"{own}/agreement", said))
    await heard(pair, f"negotiations/{pair.ear.pid}/agreement/verification")
    final = written("ContractNegotiationEventMessage", 5, **pids, eventType="FINALIZED")
    assert_taken(await pair.as_maker.post(f"{own}/events", final))
    ended = await cells.negotiation(opened.own_pid, NegotiationState.FINALIZED)
    assert ended.agreement == agreement
