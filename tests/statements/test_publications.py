"""What a connector publishes: DCAT 3 in JSON-LD, read strictly."""

import json
from copy import deepcopy
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ashiato.statements.publications import (
    MalformedPublication,
    Publication,
    PublishedOffer,
    Shown,
    as_dcat,
    content,
    is_own_name,
    read_dcat,
    record_iri,
)

MAKER = "did:web:maker.example"


def published(**members: object) -> Publication:
    """A publication with everything in it, with these members in the place of its own."""
    given_members: dict[str, Any] = {
        "asset_id": "cells",
        "publisher": MAKER,
        "revision": 3,
        "title": {"en": "Footprint", "ja": "排出量"},
        "description": {"en": "per plant"},
        "address": "https://maker.example/maker",
        "modified_ms": 1_800_000_000_000,
        "shown": Shown.OFFERED,
        "keywords": ("CFP",),
        "data_item": "D-01",
        "part_group": "cells",
        "parts": ("LFP-50",),
        "region": "JP-23",
        "licence": "https://maker.example/terms",
        "certifications": ("CFB-EV",),
        "conforms_to": ("urn:samm:io.catenax.pcf:7.0.0#Pcf",),
        "offers": (PublishedOffer(offer_id="o1", rules={"permission": []}, access=({"permission": []},)),),
        "access": ({"permission": [{"action": "use"}]},),
        **members,
    }
    return Publication(**given_members)


def wire(publication: Publication) -> Any:
    """The document as it goes over the wire."""
    return json.loads(msgspec.json.encode(as_dcat(publication)))


def test_what_was_written_is_read() -> None:
    assert read_dcat(wire(published()), MAKER) == published()


_LINES = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=20)


@settings(max_examples=50)
@given(
    title=st.dictionaries(st.sampled_from(("en", "ja", "zh-Hans")), _LINES, min_size=1),
    asset_id=_LINES,
    parts=st.lists(_LINES, max_size=3).map(tuple),
    revision=st.integers(1, 2**53 - 1),
    modified_ms=st.integers(0, 4_000_000_000_000),
)
def test_whatever_was_written_is_read(**members: object) -> None:
    assert read_dcat(wire(published(**members)), MAKER) == published(**members)


def test_the_document_names_every_prefix_that_it_uses() -> None:
    document = wire(published())
    prefixes: set[str] = set()

    def collect(value: Any) -> None:
        if isinstance(value, dict):
            for name, member in value.items():
                if name not in ("ashiato:rules", "ashiato:access"):
                    collect(member)
                if ":" in name:
                    prefixes.add(name.partition(":")[0])
                if name == "@type" and isinstance(member, str):
                    prefixes.add(member.partition(":")[0])
        elif isinstance(value, list):
            for one in value:
                collect(one)

    collect({name: value for name, value in document.items() if name != "@context"})
    assert prefixes <= set(document["@context"])


@pytest.mark.parametrize(
    ("member", "value", "path"),
    [
        ("@type", "dcat:Catalog", "@type"),
        ("@id", "urn:x:other", "@id"),
        ("dct:publisher", {"@id": "did:web:other.example"}, "dct:publisher"),
        ("dct:identifier", "a\nb", "dct:identifier"),
        ("dct:identifier", "did:web:other.example:cells", "dct:identifier"),
        ("dct:title", [], "dct:title"),
        ("dct:title", [{"@value": "x", "@language": "en"}] * 2, "dct:title"),
        ("dct:title", "Footprint", "dct:title"),
        ("dct:modified", {"@value": "yesterday"}, "dct:modified"),
        ("dct:spatial", {"dct:identifier": "Japan"}, "dct:spatial"),
        ("ashiato:revision", 0, "ashiato:revision"),
        ("ashiato:revision", True, "ashiato:revision"),
        ("ashiato:revision", 2**53, "ashiato:revision"),
        ("ashiato:visibility", "hidden", "ashiato:visibility"),
        ("ashiato:visibility", ["listed"], "ashiato:visibility"),
        ("ashiato:access", [{"permission": []}] * 9, "ashiato:access"),
        ("ashiato:access", ["everybody"], "ashiato:access"),
        ("dcat:keyword", "CFP", "dcat:keyword"),
        ("dcat:distribution", [], "dcat:distribution"),
        ("odrl:hasPolicy", [{"dct:identifier": "o1"}], "odrl:hasPolicy[0].ashiato:rules"),
        ("dct:conformsTo", [{"@id": "no iri"}], "dct:conformsTo"),
    ],
)
def test_what_is_not_as_it_should_be_is_refused_with_its_place(member: str, value: object, path: str) -> None:
    document = deepcopy(wire(published()))
    document[member] = value
    with pytest.raises(MalformedPublication) as refusal:
        read_dcat(document, MAKER)
    assert refusal.value.path == path


@pytest.mark.parametrize("document", [None, [], "x", 1])
def test_what_is_no_object_is_refused(document: object) -> None:
    with pytest.raises(MalformedPublication):
        read_dcat(document, MAKER)


@pytest.mark.parametrize(
    ("member", "value", "path"),
    [
        ("dcat:accessURL", {"@id": "ftp://maker.example"}, "dcat:accessURL"),
        ("dct:license", {"@id": "CC BY"}, "dct:license"),
        ("dcat:mediaType", {"@id": "application/json"}, "dcat:mediaType"),
    ],
)
def test_a_distribution_is_read_as_strictly(member: str, value: object, path: str) -> None:
    document = deepcopy(wire(published()))
    document["dcat:distribution"][0][member] = value
    with pytest.raises(MalformedPublication) as refusal:
        read_dcat(document, MAKER)
    assert refusal.value.path == path


def test_a_short_id_is_named_below_its_publisher_and_an_iri_stays() -> None:
    assert record_iri(MAKER, "a b/c") == "did:web:maker.example#asset-a%20b%2Fc"
    assert record_iri(MAKER, "urn:uuid:1") == "urn:uuid:1"
    assert record_iri(MAKER, "https://maker.example/x") == "https://maker.example/x"
    assert record_iri(MAKER, "urn:not an iri").startswith(MAKER)


def test_only_ids_that_begin_like_a_did_belong_to_it() -> None:
    assert is_own_name(MAKER, "cells")
    assert is_own_name(MAKER, f"{MAKER}:cells")
    assert not is_own_name(MAKER, f"{MAKER}x:cells")
    assert not is_own_name(MAKER, "did:web:other.example")


def test_two_publications_have_the_same_content_if_they_say_the_same() -> None:
    titles = [{"en": "Footprint", "ja": "排出量"}, {"ja": "排出量", "en": "Footprint"}]
    first, second = (content(published(title=title)) for title in titles)
    assert first == second
    assert content(published(revision=4)) != first
