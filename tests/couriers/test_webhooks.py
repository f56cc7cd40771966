"""Webhooks: signed by the participant, repeated under the same id, given up only for good reasons."""

import msgspec
import pytest

from ashiato.couriers.delivering import Verdict
from ashiato.couriers.webhooks import WebhookCourier
from ashiato.outbox.deliveries import Delivery, DeliveryKind
from ashiato.trust.webhooks import DELIVERY_HEADER, verify_webhook
from tests.clients.loopback_server import loopback_server, respond, send
from tests.data_plane import PROVIDER, STRANGER, Parties, Side

BODY = b'{"event": "transfer.completed"}'


def webhook(side: Side, url: str) -> Delivery:
    return Delivery(
        delivery_id="d-1",
        participant_id=PROVIDER,
        kind=DeliveryKind.WEBHOOK,
        process_id="webhook:h1",
        sequence=0,
        message_name="transfer.completed",
        address=url,
        audience="",
        body=BODY,
        created_ms=side.clock.now_ms(),
        due_ms=side.clock.now_ms(),
    )


def courier_of(side: Side, parties: Parties) -> WebhookCourier:
    return WebhookCourier(
        side.node, lambda participant_id: side.egress, lambda participant_id: parties.keys[participant_id]
    )


async def test_a_webhook_can_be_verified_by_who_gets_it(provider: Side, parties: Parties) -> None:
    async with loopback_server(respond(b"", status="204 No Content")) as server:
        delivery = webhook(provider, server.url("/hook"))
        for _ in range(2):
            assert (await courier_of(provider, parties).deliver(delivery)).verdict is Verdict.DONE
    document = await parties.resolve(PROVIDER, 0)
    for asked in server.asked:
        assert (asked.method, asked.target, asked.body) == ("POST", "/hook", BODY)
        assert asked.headers["content-type"] == "application/json"
        verified = verify_webhook(asked.headers, asked.body, document, now_ms=provider.clock.now_ms())
        assert (verified.sender, verified.delivery_id) == (PROVIDER, "d-1")
    assert len({asked.headers[DELIVERY_HEADER.lower()] for asked in server.asked}) == 1


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ("200 OK", Verdict.DONE),
        ("202 Accepted", Verdict.DONE),
        ("400 Bad Request", Verdict.AGAIN),
        ("404 Not Found", Verdict.AGAIN),
        ("410 Gone", Verdict.NEVER),
        ("429 Slow down", Verdict.AGAIN),
        ("500 Oops", Verdict.AGAIN),
        ("302 Found", Verdict.NEVER),
    ],
)
async def test_what_the_receiver_answers_decides(
    provider: Side, parties: Parties, status: str, verdict: Verdict
) -> None:
    async with loopback_server(respond(b"", status=status)) as server:
        outcome = await courier_of(provider, parties).deliver(webhook(provider, server.url("/hook")))
    assert outcome.verdict is verdict


async def test_a_receiver_that_is_away_is_told_again(provider: Side, parties: Parties) -> None:
    async with loopback_server(send(b"")) as server:
        outcome = await courier_of(provider, parties).deliver(webhook(provider, server.url("/hook")))
    assert outcome.verdict is Verdict.AGAIN


async def test_an_address_that_may_not_be_called_is_never_called(provider: Side, parties: Parties) -> None:
    for url in ("http://10.0.0.1/hook", "ftp://hooks.example/", "http://169.254.169.254/latest"):
        outcome = await courier_of(provider, parties).deliver(webhook(provider, url))
        assert outcome.verdict is Verdict.NEVER


async def test_a_participant_that_is_not_served_here_waits(provider: Side, parties: Parties) -> None:
    delivery = msgspec.structs.replace(webhook(provider, "http://127.0.0.1:1/"), participant_id=STRANGER)
    assert (await courier_of(provider, parties).deliver(delivery)).verdict is Verdict.AGAIN
