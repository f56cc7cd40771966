"""Whatever others send: a typed answer that the official schemas accept, no change where it is refused, never a failure."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ashiato.api.protocol import BASE
from ashiato.clients.egress import EgressResponse
from ashiato.connector import transfers
from ashiato.connector.records import AgreementRecord
from ashiato.dsp.transfer import TransferProcess
from ashiato.dsp.v2025_1 import CONTEXT_URL
from tests.connector.firms import Firm, Street, open_street
from tests.dsp_schemas import DspSchemas

PIDS = ("negotiation", "transfer")
PROVIDER_PATHS = (
    "catalog/request",
    "negotiations/request",
    "negotiations/offers",
    "transfers/request",
    *(
        f"negotiations/{{negotiation}}/{path}"
        for path in ("request", "offers", "agreement", "agreement/verification", "events", "termination")
    ),
    *(f"transfers/{{transfer}}/{path}" for path in ("start", "suspension", "completion", "termination")),
)
KINDS = {
    "catalog/request": "CatalogRequestMessage",
    "request": "ContractRequestMessage",
    "offers": "ContractOfferMessage",
    "agreement": "ContractAgreementMessage",
    "verification": "ContractAgreementVerificationMessage",
    "events": "ContractNegotiationEventMessage",
    "start": "TransferStartMessage",
    "suspension": "TransferSuspensionMessage",
    "completion": "TransferCompletionMessage",
}
TEXTS = st.sampled_from(
    ["", ".", "..", "a/b", "%2e%2e", "\u0000", "a\u0000b", "\u202e", "é", "x" * 3000, "null"]
) | st.text(max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
WHERE = st.lists(st.integers(min_value=0, max_value=30), min_size=1, max_size=3)


class Target:
    """A provider with a negotiation that waits, an agreement and a transfer, all of the same consumer."""

    def __init__(self, street: Street, maker: Firm, cells: Firm) -> None:
        self.street, self.maker, self.cells = street, maker, cells
        self.agreement: AgreementRecord
        self.pids: dict[str, tuple[str, str]] = {}

    async def prepare(self) -> None:
        """Bring it there."""
        await self.maker.publish("nmc811")
        self.agreement = await self.cells.agree(self.maker, "nmc811")

        def request(uow: Any, moment: Any) -> TransferProcess:
            address = self.maker.company.callback_address
            return transfers.request(
                uow, self.cells.company, self.agreement.agreement_id, transfers.PULL_FORMAT, address, moment
            )

        transfer = await self.cells.run(request)
        await self.street.deliver()
        (theirs,) = await self.maker.transfers()
        (negotiation,) = await self.maker.negotiations()
        assert negotiation.peer_pid is not None
        self.pids = {
            "negotiation": (negotiation.own_pid, negotiation.peer_pid),
            "transfer": (theirs.own_pid, transfer.own_pid),
        }

    def message(self, path: str) -> dict[str, Any]:
        """A message that the schema of this address accepts."""
        last = "catalog/request" if path == "catalog/request" else path.rpartition("/")[2]
        is_transfer = path.startswith("transfers")
        kind = KINDS.get(
            last, "TransferTerminationMessage" if is_transfer else "ContractNegotiationTerminationMessage"
        )
        if path == "transfers/request":
            kind = "TransferRequestMessage"
        provider_pid, consumer_pid = self.pids["transfer" if is_transfer else "negotiation"]
        callback = self.cells.company.callback_address
        offer = {
            "@id": "offer:nmc811",
            "@type": "Offer",
            "target": "nmc811",
            "permission": [{"action": "use"}],
        }
        members: dict[str, Any] = {"providerPid": provider_pid, "consumerPid": consumer_pid}
        match path:
            case "catalog/request":
                members = {"filter": [{"id": "nmc811"}]}
            case "negotiations/request":
                members = {"consumerPid": "c-new", "offer": offer, "callbackAddress": callback}
            case "negotiations/offers":
                members = {"providerPid": "p-new", "offer": offer, "callbackAddress": callback}
            case "transfers/request":
                members = {
                    "consumerPid": "t-new",
                    "agreementId": self.agreement.agreement_id,
                    "format": transfers.PULL_FORMAT,
                    "callbackAddress": callback,
                }
        all_more: dict[str, dict[str, Any]] = {
            "ContractNegotiationEventMessage": {"eventType": "ACCEPTED"},
            "ContractAgreementMessage": {"agreement": dict(self.agreement.document)},
            "TransferSuspensionMessage": {"code": "x", "reason": ["wait"]},
            "ContractRequestMessage": {"offer": offer},
            "ContractOfferMessage": {"offer": offer},
        }
        return {"@context": [CONTEXT_URL], "@type": kind, **members, **all_more.get(kind, {})}

    async def post(self, path: str, body: bytes) -> EgressResponse:
        """Send it in the name of the consumer."""
        pids = {name: self.pids[name][0] for name in PIDS}
        moment = self.street.clock.moment()
        token = await self.street.node.identity.token_for(
            self.cells.did, self.maker.did, moment.now_ms, moment.fresh_id()
        )
        url = f"https://maker.example/maker/{BASE}/{path.format(**pids)}"
        return await self.street.channel.request("POST", url, headers={"Authorization": token}, body=body)

    async def seen(self) -> tuple[object, ...]:
        """All that a refused message must leave as it is."""
        return (
            await self.maker.negotiations(),
            await self.maker.transfers(),
            await self.maker.agreements(),
            await self.maker.inbox(),
            await self.maker.events(),
            [delivery.delivery_id for delivery in await self.street.due(100)],
        )


def changed(document: Any, where: list[int], value: object) -> Any:
    """The document with one of its members, or items, replaced."""
    if not where or not isinstance(document, dict | list) or not document:
        return value
    if isinstance(document, list):
        index = where[0] % len(document)
        return [*document[:index], changed(document[index], where[1:], value), *document[index + 1 :]]
    name = sorted(document)[where[0] % len(document)]
    return {**document, name: changed(document[name], where[1:], value)}


@pytest.fixture
def schemas(conformance: Path) -> DspSchemas:
    return DspSchemas(conformance / "dsp")


def test_the_messages_that_are_broken_here_are_good_before(street_url: str, schemas: DspSchemas) -> None:
    async def run() -> None:
        async with open_street(street_url) as street:
            target = Target(street, street.firm("maker"), street.firm("cells"))
            await target.prepare()
            for path in PROVIDER_PATHS:
                assert schemas.faults(target.message(path)) == [], path

    asyncio.run(run())


def test_no_message_that_somebody_invents_does_harm(street_url: str, schemas: DspSchemas) -> None:
    """One member of a good message is replaced by anything at all, for every address."""
    statuses: set[int] = set()
    with asyncio.Runner() as runner:
        opened = open_street(street_url)
        street = runner.run(opened.__aenter__())
        target = Target(street, street.firm("maker"), street.firm("cells"))
        runner.run(target.prepare())

        async def send(path: str, where: list[int], value: object) -> None:
            body = json.dumps(changed(target.message(path), where, value)).encode("utf-8", "surrogatepass")
            before = await target.seen()
            heard = await target.post(path, body)
            statuses.add(heard.status)
            assert heard.status in (200, 201, 400, 403, 404, 413, 429), heard
            assert schemas.faults(heard.body) == [], heard
            if heard.status >= 400:
                assert await target.seen() == before

        @settings(
            max_examples=int(os.environ.get("ASHIATO_FUZZ_EXAMPLES", "120")),
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(st.sampled_from(PROVIDER_PATHS), WHERE, VALUES)
        @example("negotiations/request", [3], "a\u0000b")
        @example("negotiations/request", [3], "x" * 3000)
        @example("transfers/request", [4], "x" * 3000)
        @example("negotiations/offers", [2, 3], "x" * 3000)
        @example("negotiations/offers", [3], "a\u0000b")
        @example("catalog/request", [2, 0, 0], "a\u0000b")
        @example("transfers/request", [2], "a\u0000b")
        def run(path: str, where: list[int], value: object) -> None:
            runner.run(send(path, where, value))

        run()
        runner.run(opened.__aexit__(None, None, None))
    assert {200, 201, 400} <= statuses
