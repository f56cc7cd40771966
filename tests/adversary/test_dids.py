"""Callers whose DID leads somewhere else than it seems to: what the door believes, and whom it asks."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from ashiato.clients import did_web
from ashiato.connector.records import Approval
from ashiato.dsp.states import NegotiationState
from ashiato.trust.did import did_document
from ashiato.trust.keys import SigningKey
from ashiato.wiring.adapters import Documents
from tests.adversary.stranger import Stranger, stranger
from tests.api.speaking import message, opening
from tests.clients.loopback_server import HEAD, drip, loopback_server, respond
from tests.exchange import Member, running

DATASET = "catalog/datasets/nmc811"


@pytest.fixture
async def maker(tmp_path: Path) -> AsyncIterator[Member]:
    """A company that asks servers on this machine too."""
    async with running(tmp_path / "maker", "maker") as (found,):
        await found.offer("nmc811", approval=Approval.MANUAL)
        yield found


@pytest.fixture
async def strict(tmp_path: Path) -> AsyncIterator[Member]:
    """A company as on a server: nobody on this machine and on private nets is asked."""
    public = "https://maker.example"
    async with running(tmp_path / "strict", "maker", public_url=public, unsafe_allow_loopback=False) as (
        found,
    ):
        yield found


@pytest.fixture
async def acme() -> AsyncIterator[Stranger]:
    async with stranger() as found:
        found.publish()
        yield found


async def test_a_did_with_a_port_is_legal(maker: Member, acme: Stranger) -> None:
    assert (await acme.say(maker, DATASET)).status == 200
    assert [asked.target for asked in acme.server.asked] == ["/acme/did.json"]


# Each is of a server that would give a document with the right key, were it asked.
ELSEWHERE = {
    "user information": "did:web:someone%40{host}:acme",
    "user information and password": "did:web:a%3Ab%40{host}:acme",
    "a percent-encoded slash": "did:web:{host}%2Facme",
    "a slash": "did:web:{host}/acme",
    "a backslash": "did:web:{host}%5Cacme",
    "path traversal": "did:web:{host}:..:acme",
    "encoded path traversal": "did:web:{host}:%2e%2e:acme",
    "doubly encoded path traversal": "did:web:{host}:%252e%252e:acme",
    "a query": "did:web:{host}:acme%3Fdid.json",
    "a fragment": "did:web:{host}:acme%23",
    "a line break": "did:web:{host}:acme%0d%0aX:y",
    "an empty part": "did:web:{host}::acme",
    "another method": "did:key:{host}:acme",
    "no port behind the colon": "did:web:127.0.0.1%3A:acme",
    "a port that is none": "did:web:127.0.0.1%3A99999:acme",
}


@pytest.mark.parametrize("what", ELSEWHERE)
async def test_a_did_that_leads_elsewhere_is_refused_without_a_request(
    maker: Member, acme: Stranger, what: str
) -> None:
    did = ELSEWHERE[what].format(host=acme.host)
    assert acme.key is not None
    key = SigningKey(f"{did}#key-1", acme.key._private)
    heard = await acme.say(maker, DATASET, token=acme.token(maker, key=key))
    assert (heard.status, heard.said["code"]) == (401, "unauthorized")
    assert acme.server.connections == 0


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1%3A{port}",
        "10.0.0.1",
        "169.254.169.254",
        "2130706433",
        "0x7f.1",
        "127.1",
        "%5B%3A%3A1%5D",
        "%5B%3A%3A1%5D%3A{port}",
        "localhost%3A{port}",
        "93.184.216.34",
    ],
)
async def test_a_did_with_an_ip_host_is_refused_without_a_request(
    strict: Member, acme: Stranger, host: str
) -> None:
    did = f"did:web:{host.format(port=acme.server.port)}:acme"
    heard = await acme.say(strict, DATASET, token=acme.token(strict, did))
    assert (heard.status, heard.said["code"]) == (401, "unauthorized")
    assert acme.server.connections == 0


async def test_a_redirect_of_a_did_document_to_another_host_is_not_followed(
    maker: Member, acme: Stranger
) -> None:
    assert acme.key is not None
    document = did_document(acme.did, [acme.key.verification_key()], [])
    async with loopback_server(respond(document)) as other:
        for status in ("301 Moved", "302 Found", "307 Temporary", "308 Permanent"):
            headers = {"Location": other.url("/acme/did.json")}
            acme.answer = respond(b"", status=status, headers=headers)
            heard = await acme.say(maker, DATASET)
            assert heard.status in (401, 503)
        assert other.connections == 0


async def test_a_document_with_the_id_of_another_did_is_refused(maker: Member, acme: Stranger) -> None:
    key = acme.publish(did=f"did:web:{acme.host}:globex")
    heard = await acme.say(maker, DATASET, token=acme.token(maker, acme.did, key))
    assert (heard.status, heard.said["code"]) == (401, "unauthorized")


async def test_a_document_of_ten_megabytes_is_refused(maker: Member, acme: Stranger) -> None:
    acme.answer = respond(b'{"id": "' + b"x" * 10_000_000 + b'"}')
    heard = await acme.say(maker, DATASET)
    assert heard.status in (401, 503)
    acme.answer = drip(HEAD + b"Content-Type: application/json\r\n\r\n", b"x" * 65_536, every_s=0)
    heard = await acme.say(maker, "catalog/datasets/other")
    assert heard.status in (401, 503)


async def test_a_slow_loris_that_serves_a_document_is_given_up(
    maker: Member, acme: Stranger, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = did_web.DidCacheRules(timeout_s=0.5)
    documents = maker.program._documents
    assert isinstance(documents, Documents)
    monkeypatch.setattr(documents._resolver, "_rules", rules)
    acme.answer = drip(HEAD + b"Content-Length: 1000\r\n\r\n", b"x", every_s=0.05)
    began_s = time.monotonic()
    heard = await acme.say(maker, DATASET)
    assert (heard.status, heard.said["code"]) == (503, "identity-unavailable")
    assert time.monotonic() - began_s < 2


async def test_a_key_that_is_rotated_in_the_middle_of_a_negotiation_goes_on_with_the_new_one(
    maker: Member, acme: Stranger, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = opening(acme.server.url("/callback"))
    opened = await acme.say(maker, "negotiations/request", request)
    assert opened.status == 201
    pid = opened.said["providerPid"]
    former = acme.key
    acme.publish("key-2")
    pids = {"providerPid": pid, "consumerPid": request["consumerPid"]}
    ending = message("ContractNegotiationTerminationMessage", **pids)
    # Unknown keys make the door ask again at most every thirty seconds; until then the partner is asked to come again.
    assert (await acme.say(maker, f"negotiations/{pid}/termination", ending)).status == 401
    real_ns = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real_ns() + 31 * 10**9)
    heard = await acme.say(maker, f"negotiations/{pid}/termination", ending)
    assert heard.status == 200
    await maker.negotiation(pid, NegotiationState.TERMINATED)
    # The key that is gone proves nothing any more, from the moment at which its end is known.
    heard = await acme.say(maker, f"negotiations/{pid}", token=acme.token(maker, key=former))
    assert (heard.status, heard.said["code"]) == (401, "unauthorized")


async def test_a_key_that_was_never_published_does_not_go_on_in_the_middle_of_a_negotiation(
    maker: Member, acme: Stranger
) -> None:
    request = opening(acme.server.url("/callback"))
    opened = await acme.say(maker, "negotiations/request", request)
    pid = opened.said["providerPid"]
    forged = SigningKey(f"{acme.did}#key-2", ec.generate_private_key(ec.SECP256R1()))
    pids = {"providerPid": pid, "consumerPid": request["consumerPid"]}
    ending = message("ContractNegotiationTerminationMessage", **pids)
    heard = await acme.say(
        maker, f"negotiations/{pid}/termination", ending, token=acme.token(maker, key=forged)
    )
    assert (heard.status, heard.said["code"]) == (401, "unauthorized")
    assert (await maker.negotiation(pid, NegotiationState.REQUESTED)).own_pid == pid
