"""The protocol's addresses at a running program: where they are found, what they take, how they refuse (DSP 2025-1, 4 and 6)."""

import gzip
import json
import re
from urllib.parse import urlsplit

from ashiato.dsp.v2025_1 import CONTEXT_URL
from tests.api.speaking import JSON, Heard, Pair, message, opening
from tests.dsp_schemas import DspSchemas

CATALOG = message("CatalogRequestMessage")
MANY = [f"a-{number:03}" for number in range(230)]


def links(heard: Heard) -> dict[str, str]:
    found = re.findall(r'<([^>]*)>; rel="(\w+)"', heard.headers.get("Link", ""))
    return {relation: url for url, relation in found}


def listed(heard: Heard) -> list[str]:
    return [dataset["@id"] for dataset in heard.said.get("dataset", [])]


# Discovery (4.3 and 4.4).


async def test_the_versions_are_told_to_everybody_and_lead_to_the_base(
    pair: Pair, dsp_schemas: DspSchemas
) -> None:
    root = pair.maker.tenant.root_url
    heard = await pair.as_cells.ask(
        "GET", ".well-known/dspace-version?unknown=1", below=root, is_signed=False
    )
    assert (heard.status, heard.headers["Content-Type"]) == (200, JSON)
    assert dsp_schemas.faults(heard.body) == []
    (version,) = heard.said["protocolVersions"]
    assert (version["version"], version["binding"]) == ("2025-1", "HTTPS")
    assert f"{root}{version['path']}" == pair.maker.address
    assert (await pair.as_cells.post("catalog/request", CATALOG)).status == 200
    head = await pair.as_cells.ask("HEAD", ".well-known/dspace-version", below=root, is_signed=False)
    assert (head.status, head.body) == (200, b"")


async def test_the_did_document_names_both_services(pair: Pair, dsp_schemas: DspSchemas) -> None:
    root = pair.maker.tenant.root_url
    heard = await pair.as_cells.ask("GET", "did.json", below=root, is_signed=False)
    assert (heard.status, heard.headers["Content-Type"]) == (200, "application/did+json")
    assert heard.said["id"] == pair.maker.did
    services = {service["type"]: service for service in heard.said["service"]}
    assert dsp_schemas.faults(services["CatalogService"], as_type="DidService") == []
    # Services of other protocols are explained by other vocabularies.
    for service in (services["CatalogService"], services["DataService"]):
        assert service["@context"] == [CONTEXT_URL, "https://www.w3.org/ns/did/v1"]
        assert service["id"].startswith(f"{pair.maker.did}#")
    assert services["DataService"]["serviceEndpoint"] == f"{root}/.well-known/dspace-version"
    catalog = await pair.as_cells.post(f"{services['CatalogService']['serviceEndpoint']}/request", CATALOG)
    assert (catalog.status, catalog.said["participantId"]) == (200, pair.maker.did)


async def test_a_partner_is_found_by_its_did_alone(pair: Pair) -> None:
    assert await pair.cells.program.partners.locate(pair.maker.did) == pair.maker.address


# The catalog (5 and 6).


async def test_a_catalog_names_its_service_and_each_distribution_refers_to_it(pair: Pair) -> None:
    await pair.maker.offer("nmc811")
    catalog = (await pair.as_cells.post("catalog/request", CATALOG)).said
    (service,) = catalog["service"]
    assert (service["@type"], service["endpointURL"]) == ("DataService", pair.maker.address)
    (dataset,) = catalog["dataset"]
    assert {item["accessService"] for item in dataset["distribution"]} == {service["@id"]}
    (offer,) = dataset["hasPolicy"]
    assert (offer["@type"], "target" in offer) == ("Offer", False)


async def test_a_catalog_without_a_dataset_for_the_caller_is_still_a_catalog(
    pair: Pair, dsp_schemas: DspSchemas
) -> None:
    heard = await pair.as_cells.post("catalog/request", CATALOG)
    assert (heard.status, listed(heard), "dataset" in heard.said) == (200, [], False)
    assert dsp_schemas.faults(heard.body) == []


async def test_pages_are_linked_in_both_directions(pair: Pair) -> None:
    await pair.maker.offer(*MANY)
    first = await pair.as_cells.post("catalog/request", CATALOG)
    assert (sorted(links(first)), listed(first)) == (["next"], MANY[:100])
    second = await pair.as_cells.post(links(first)["next"], CATALOG)
    assert (sorted(links(second)), listed(second)) == (["next", "previous"], MANY[100:200])
    third = await pair.as_cells.post(links(second)["next"], CATALOG)
    assert (sorted(links(third)), listed(third)) == (["previous"], MANY[200:])
    back = await pair.as_cells.post(links(third)["previous"], CATALOG)
    assert listed(back) == MANY[100:200]
    again = await pair.as_cells.post(links(back)["previous"], CATALOG)
    assert listed(again) == MANY[:100]
    assert listed(await pair.as_cells.post(links(again)["next"], CATALOG)) == MANY[100:200]
    assert urlsplit(links(first)["next"]).netloc == urlsplit(pair.maker.address).netloc


async def test_our_own_client_reads_all_pages(pair: Pair) -> None:
    await pair.maker.offer(*MANY)
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await pair.cells.program.partners.catalog(
            pair.cells.tenant, pair.maker.did, None, [], cursor or None
        )
        seen += [dataset.dataset_id for dataset in page.catalog.datasets]
        cursor = page.cursor
    assert seen == MANY


async def test_a_cursor_that_is_none_of_ours_is_refused(pair: Pair) -> None:
    cursors = ("%00", "AA", "w6Q", "!", "w6Q=", "w6Q!", "\N{SNOWMAN}")
    for parameter in ("after", "before"):
        statuses = {
            cursor: (await pair.as_cells.post(f"catalog/request?{parameter}={cursor}", CATALOG)).status
            for cursor in cursors
        }
        assert statuses == dict.fromkeys(cursors, 400) | {"w6Q": 200, "w6Q=": 200}


async def test_a_catalog_is_compressed_for_who_wants_it(pair: Pair) -> None:
    await pair.maker.offer(*MANY[:50])
    wishes = {
        "gzip": True,
        "br, GZIP;q=0.5": True,
        "identity": False,
        "": False,
        "gzip;q=0": False,
        "br;q=1.0, gzip; q=0.000": False,
    }
    for accepted, is_wanted in wishes.items():
        heard = await pair.as_cells.ask(
            "POST", "catalog/request", CATALOG, headers={"Accept-Encoding": accepted}
        )
        assert (accepted, heard.headers.get("Content-Encoding") == "gzip") == (accepted, is_wanted)
        assert heard.headers["Vary"] == "Accept-Encoding"
        body = gzip.decompress(heard.body) if is_wanted else heard.body
        assert len(json.loads(body)["dataset"]) == 50


async def test_a_filter_that_is_not_supported_gets_400_and_one_that_is_narrows(pair: Pair) -> None:
    await pair.maker.offer("a", "b")
    refused = await pair.as_cells.post("catalog/request", {**CATALOG, "filter": ["SELECT *"]})
    assert (refused.status, refused.said["@type"]) == (400, "CatalogError")
    narrowed = await pair.as_cells.post("catalog/request", {**CATALOG, "filter": [{"id": "b"}]})
    assert listed(narrowed) == ["b"]
    every_edc = {"@type": "QuerySpec", "offset": 0, "limit": 50, "sortOrder": "ASC", "filterExpression": []}
    assert listed(await pair.as_cells.post("catalog/request", {**CATALOG, "filter": [every_edc]})) == [
        "a",
        "b",
    ]


async def test_a_dataset_alone_says_by_itself_where_it_is_had(pair: Pair, dsp_schemas: DspSchemas) -> None:
    await pair.maker.offer("urn:uuid:a")
    heard = await pair.as_cells.get("catalog/datasets/urn:uuid:a?unknown=1")
    assert (heard.status, heard.headers["Content-Type"]) == (200, JSON)
    assert dsp_schemas.faults(heard.body) == []
    services = [item["accessService"] for item in heard.said["distribution"]]
    assert {service["endpointURL"] for service in services} == {pair.maker.address}


async def test_a_dataset_that_is_not_there_gets_404_with_an_error_object(pair: Pair) -> None:
    heard = await pair.as_cells.get("catalog/datasets/nothing")
    assert (heard.status, heard.said["@type"]) == (404, "CatalogError")


async def test_what_has_no_end_is_offered_for_pulling_only(pair: Pair) -> None:
    await pair.maker.offer("file", offer_id="1")
    await pair.maker.offer("feed", offer_id="2", finite=False)
    formats = {
        dataset["@id"]: [item["format"] for item in dataset["distribution"]]
        for dataset in (await pair.as_cells.post("catalog/request", CATALOG)).said["dataset"]
    }
    assert formats == {"feed": ["HttpData-PULL"], "file": ["HttpData-PULL", "HttpData-PUSH"]}


# What every address takes, and how it refuses (6.1, 8.1, 10.1).


async def test_a_request_may_name_the_derived_media_types(pair: Pair) -> None:
    for media_type in (
        "application/json; charset=utf-8",
        "application/ld+json",
        'application/ld+json; profile="x"',
    ):
        heard = await pair.as_cells.ask(
            "POST", "catalog/request", CATALOG, headers={"Content-Type": media_type}
        )
        assert (media_type, heard.status, heard.headers["Content-Type"]) == (media_type, 200, JSON)


async def test_unknown_contexts_and_query_parameters_do_no_harm(pair: Pair) -> None:
    contexts = ["https://w3id.org/edc/dspace/v0.0.1", CONTEXT_URL, "https://nothing.invalid/context.jsonld"]
    heard = await pair.as_cells.post("catalog/request?profile=x&profile=y", {**CATALOG, "@context": contexts})
    assert heard.status == 200


async def test_a_message_without_the_context_of_this_version_is_refused(pair: Pair) -> None:
    wrong: list[object] = [
        CONTEXT_URL,
        [],
        ["https://w3id.org/dspace/2024/1/context.json"],
        [CONTEXT_URL, {"a": "b"}],
    ]
    for context in wrong:
        heard = await pair.as_cells.post("catalog/request", {**CATALOG, "@context": context})
        assert (context, heard.status, heard.said["@type"]) == (context, 400, "CatalogError")


async def test_a_wrong_method_gets_405_with_the_right_one_and_an_error_object(pair: Pair) -> None:
    for method, path, allowed, kind in (
        ("GET", "catalog/request", "POST", "CatalogError"),
        ("POST", "catalog/datasets/a", "GET, HEAD", "CatalogError"),
        ("PUT", "negotiations/request", "POST", "ContractNegotiationError"),
        ("GET", "negotiations/offers", "POST", "ContractNegotiationError"),
        ("DELETE", "negotiations/p", "GET, HEAD", "ContractNegotiationError"),
        ("GET", "negotiations/p/agreement/verification", "POST", "ContractNegotiationError"),
        ("OPTIONS", "negotiations/p/events", "POST", "ContractNegotiationError"),
        ("PATCH", "transfers/p/start", "POST", "TransferError"),
        ("OPTIONS", "transfers/p", "GET, HEAD", "TransferError"),
    ):
        heard = await pair.as_cells.ask(method, path)
        told = (heard.status, heard.headers["Allow"], heard.headers["Content-Type"], heard.said["@type"])
        assert (method, path, *told) == (method, path, 405, allowed, JSON, kind)


async def test_an_address_that_the_protocol_does_not_know_gets_404_with_an_error_object(pair: Pair) -> None:
    for path, kind in (
        ("catalog/nothing", "CatalogError"),
        ("negotiations/p/nothing", "ContractNegotiationError"),
        ("negotiations/p/agreement/nothing", "ContractNegotiationError"),
        ("transfers/p/request", "TransferError"),
        ("transfers/", "TransferError"),
    ):
        for method in ("GET", "POST"):
            heard = await pair.as_cells.ask(method, path)
            assert (method, path, heard.status, heard.said["@type"]) == (method, path, 404, kind)


async def test_elsewhere_there_is_nothing(pair: Pair) -> None:
    assert (await pair.as_cells.get("elsewhere")).status == 404
    heard = await pair.as_cells.ask("GET", "x/dsp/2025-1/negotiations/p", below=pair.maker.program.public_url)
    assert (heard.status, heard.body) == (404, b"")


async def test_a_request_without_a_token_gets_401_whatever_it_asks_for(pair: Pair) -> None:
    asked: list[tuple[str, str, object, str]] = [
        ("POST", "catalog/request", CATALOG, "CatalogError"),
        ("GET", "negotiations/p", None, "ContractNegotiationError"),
        ("POST", "negotiations/request", opening("https://a.example"), "ContractNegotiationError"),
        ("POST", "transfers/p/start", message("TransferStartMessage"), "TransferError"),
    ]
    for method, path, body, kind in asked:
        heard = await pair.as_cells.ask(method, path, body, is_signed=False)
        told = (heard.status, heard.headers["WWW-Authenticate"], heard.said["@type"])
        assert (path, *told) == (path, 401, "Bearer", kind)


async def test_a_token_is_good_for_one_request(pair: Pair) -> None:
    token = await pair.as_cells.token()
    first = await pair.as_cells.ask("POST", "catalog/request", CATALOG, headers={"Authorization": token})
    second = await pair.as_cells.ask("POST", "catalog/request", CATALOG, headers={"Authorization": token})
    assert (first.status, second.status, second.said["code"]) == (200, 401, "token-replayed")
