"""Messages that mean one thing as plain JSON and another as JSON-LD, or that cost more to read than to write."""

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any

import pytest

from ashiato.connector.records import Approval
from ashiato.dsp.states import NegotiationState
from ashiato.dsp.v2025_1 import CONTEXT_URL
from tests.api.speaking import USE, Heard, Pair, opening
from tests.clients.loopback_server import loopback_server, respond

ALL = [{"action": "use"}, {"action": "distribute"}]
SOON_S = 2.0


def asking(pair: Pair, **of_offer: object) -> dict[str, Any]:
    """A request for what the maker offers, with these members beside those of the offer."""
    request = opening(pair.ear.address)
    offer = request["offer"]
    assert isinstance(offer, dict)
    return {**request, "offer": {**offer, **of_offer}}


async def ask(pair: Pair, body: object) -> Heard:
    """The answer of a maker that agrees to what it offers without a person."""
    await pair.maker.offer("nmc811")
    return await pair.as_cells.post("negotiations/request", body)


async def nothing_is_kept(pair: Pair) -> bool:
    return await pair.maker.read(lambda uow: uow.negotiations.page("", 10)) == []


async def agreed(pair: Pair) -> Mapping[str, object]:
    """The agreement that came of the request."""

    def look(uow: Any) -> Any:
        return next(iter(uow.contracts.list_agreements("", 10)), None)

    found = await pair.maker.until(look)
    document = found.document
    assert isinstance(document, dict)
    return document


async def test_an_unknown_context_url_is_not_fetched(pair: Pair) -> None:
    async with loopback_server(respond(b"{}")) as server:
        url = server.url("/context.jsonld")
        heard = await ask(pair, asking(pair) | {"@context": [CONTEXT_URL, url]})
        assert heard.status == 201
        await agreed(pair)
        assert server.connections == 0


REDEFINED: dict[str, dict[str, object]] = {
    "odrl:permission": {"permission": {"@id": "http://www.w3.org/ns/odrl/2/prohibition"}},
    "@type": {"kind": "@type", "Offer": "https://evil.example/Gift"},
    "@vocab": {"@vocab": "https://evil.example/"},
    "@import": {"@import": "https://evil.example/context.jsonld"},
    "@propagate": {"@propagate": False, "action": "https://evil.example/action"},
}


@pytest.mark.parametrize("what", REDEFINED)
async def test_a_context_that_redefines_terms_is_refused(pair: Pair, what: str) -> None:
    for context in ([CONTEXT_URL, REDEFINED[what]], [REDEFINED[what], CONTEXT_URL], REDEFINED[what]):
        heard = await ask(pair, asking(pair) | {"@context": context})
        assert (heard.status, heard.said["code"]) == (400, "malformed-message")
    assert await nothing_is_kept(pair)


async def test_a_context_url_that_redefines_terms_changes_nothing_of_what_is_agreed(pair: Pair) -> None:
    context = json.dumps({"@context": REDEFINED["odrl:permission"]}).encode()
    async with loopback_server(respond(context)) as server:
        heard = await ask(pair, asking(pair) | {"@context": [server.url("/redefining.jsonld"), CONTEXT_URL]})
        assert heard.status == 201
        assert (await agreed(pair))["permission"] == USE
        assert server.connections == 0


@pytest.mark.parametrize(
    "of_offer",
    [
        {"permission": [{"action": "use", "@context": REDEFINED["@vocab"]}]},
        {"permission": [{"action": "use", "@context": {"action": "@type"}}]},
    ],
)
async def test_a_context_inside_a_rule_is_not_agreed_to(pair: Pair, of_offer: dict[str, object]) -> None:
    heard = await ask(pair, asking(pair, **of_offer))
    assert heard.status == 201
    # What was asked for is not what is offered: the maker answers with its own terms, and those hold no context.
    countered = await pair.maker.until(
        lambda uow: next(iter(uow.negotiations.page("", 1, state=NegotiationState.OFFERED)), None)
    )
    assert countered.offer["permission"] == USE
    assert await pair.maker.read(lambda uow: uow.contracts.list_agreements("", 10)) == []


async def test_a_context_inside_an_offer_does_not_reach_the_agreement(pair: Pair) -> None:
    heard = await ask(pair, asking(pair, **{"@context": REDEFINED["odrl:permission"]}))
    assert heard.status == 201
    assert "@context" not in await agreed(pair)


@pytest.mark.parametrize("hiding", ["@graph", "@reverse", "@included", "@nest", "@set"])
async def test_a_term_that_is_hidden_is_not_read(pair: Pair, hiding: str) -> None:
    hidden = asking(pair)
    heard = await ask(pair, {"@context": hidden["@context"], hiding: [hidden]})
    assert (heard.status, heard.said["code"]) == (400, "malformed-message")
    assert await nothing_is_kept(pair)


@pytest.mark.parametrize("hiding", ["@graph", "@reverse", "@included", "@nest"])
async def test_a_permission_that_is_hidden_in_an_offer_is_not_agreed_to(pair: Pair, hiding: str) -> None:
    heard = await ask(pair, asking(pair, **{hiding: [{"permission": ALL}]}))
    assert heard.status == 201
    document = await agreed(pair)
    assert document["permission"] == USE
    assert hiding not in document


@pytest.mark.parametrize(
    "of_offer",
    [
        {"permission": {"action": "use"}},
        {"permission": {"0": {"action": "use"}}},
        {"permission": [[{"action": "use"}]]},
        {"permission": [{"action": ["use", "distribute"]}]},
        {"permission": [{"action": "use", "constraint": {"leftOperand": "count", "operator": "eq"}}]},
        {"permission": [{"action": {"@list": ["use"]}}]},
        {"target": ["nmc811"]},
        {"target": {"@id": "nmc811"}},
        {"@id": ["offer:nmc811"]},
        {"@type": ["Offer"]},
    ],
)
async def test_a_list_for_an_object_and_an_object_for_a_list_are_refused(
    pair: Pair, of_offer: dict[str, object]
) -> None:
    heard = await ask(pair, asking(pair, **of_offer))
    assert (heard.status, heard.said["code"]) == (400, "malformed-message")
    assert await nothing_is_kept(pair)


async def test_a_graph_that_poisons_canonicalisation_costs_no_more_than_its_length(pair: Pair) -> None:
    """Blank nodes that all refer to all others: an RDF canonicalisation tries every order of them."""
    nodes = [f"_:b{number}" for number in range(60)]
    graph = [{"@id": one, "odrl:assigner": [{"@id": other} for other in nodes]} for one in nodes]
    heard: list[Heard] = []
    for of_offer in ({"@graph": graph}, {"permission": [{"action": "use", "odrl:part": graph}]}):
        began_s = time.monotonic()
        heard.append(await ask(pair, asking(pair, **of_offer)))
        assert time.monotonic() - began_s < SOON_S
    assert [answer.status for answer in heard] == [201, 201]


async def test_a_hundred_thousand_levels_of_nesting_are_refused(pair: Pair) -> None:
    for nested in (b"[" * 100_000, b'{"a":' * 20_000, b'{"offer":{"permission":' + b"[" * 100_000):
        heard = await ask(pair, nested)
        assert (heard.status, heard.said["code"]) == (400, "malformed-message")
    assert await nothing_is_kept(pair)


@pytest.mark.parametrize("text", ["\\ud800", "\\udfff", "\\udc00\\ud800", "a\\ud83d"])
async def test_a_lone_surrogate_is_refused(pair: Pair, text: str) -> None:
    whole = json.dumps(asking(pair)).replace("offer:nmc811", text).encode()
    assert text.encode() in whole
    heard = await ask(pair, whole)
    assert (heard.status, heard.said["code"]) == (400, "malformed-message")
    assert await nothing_is_kept(pair)


@pytest.mark.parametrize("number", ["9" * 400, "1e400", "-1e400", "9" * 5000, "18446744073709551616"])
async def test_a_big_integer_is_refused_or_kept_exactly(pair: Pair, number: str) -> None:
    """Never rounded: a number that another reader would read differently is no operand of an agreement."""
    constraint = {"leftOperand": "count", "operator": "lteq", "rightOperand": "NUMBER"}
    request = asking(pair, permission=[{"action": "use", "constraint": [constraint]}])
    heard = await ask(pair, json.dumps(request).replace('"NUMBER"', number).encode())
    assert heard.status in (201, 400)
    kept = await pair.maker.read(lambda uow: uow.negotiations.page("", 10))
    if heard.status == 400:
        assert kept == []
    else:
        assert number in json.dumps(kept[0].offer)
    assert await pair.maker.read(lambda uow: uow.contracts.list_agreements("", 10)) == []


async def test_twenty_copies_of_one_request_at_once_open_one_negotiation(pair: Pair) -> None:
    await pair.maker.offer("nmc811", approval=Approval.MANUAL)
    request = asking(pair)
    heard = await asyncio.gather(*(pair.as_cells.post("negotiations/request", request) for _ in range(20)))
    assert {answer.status for answer in heard} == {201}
    assert len({answer.said["providerPid"] for answer in heard}) == 1
    assert len(await pair.maker.read(lambda uow: uow.negotiations.page("", 50))) == 1
