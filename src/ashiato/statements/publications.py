"""What a connector publishes of one data asset for others to find: DCAT 3 as JSON-LD, read and written without an RDF library.

The document stands by itself: its context is written into it, so that no reader fetches one. What the catalog needs beside DCAT
(visibility, whom the owner lets see it, the classes of the scheme) are members of our own namespace. Nothing of the asset's
source is in it, and what an owner hides is never published at all.
"""

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from urllib.parse import quote

import msgspec

from ashiato.facts.instants import MalformedInstant, format_datetime, parse_datetime

NAMESPACE = "https://w3id.org/ashiato/catalog/v1#"
MOST_TEXTS_COUNT = 16
MOST_OFFERS_COUNT = 16
MOST_RULES_COUNT = 8
LONGEST_TEXT_CHARS = 2048
LONGEST_NAME_CHARS = 256
HIGHEST_REVISION = 2**53 - 1

CONTEXT: Mapping[str, object] = {
    "ashiato": NAMESPACE,
    "dcat": "http://www.w3.org/ns/dcat#",
    "dct": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "odrl": "http://www.w3.org/ns/odrl/2/",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "ashiato:access": {"@type": "@json"},
    "ashiato:rules": {"@type": "@json"},
}
_MEDIA_TYPES = "http://www.iana.org/assignments/media-types/"
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_MEDIA_TYPE = re.compile(r"[a-z0-9.+-]+/[a-z0-9.+-]+")
_REGION = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")
_SCHEME = re.compile(r"(urn|did|https?):[^\s\"<>\\^`{|}]+")


class Shown(StrEnum):
    """How much of a published asset is shown to those who may see it; what is hidden is not published."""

    LISTED = "listed"
    OFFERED = "offered"


class MalformedPublication(ValueError):
    """The publisher's document is no publication; `path` says where, `problem` what must be mended."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path} {problem}" if path else problem)
        self.path = path
        self.problem = problem


class PublishedOffer(msgspec.Struct, frozen=True, kw_only=True):
    """Terms under which the asset can be had: the rules as ODRL, and the policies that all let in whoever sees them."""

    offer_id: str
    rules: dict[str, object]
    access: tuple[dict[str, object], ...] = ()


class Publication(msgspec.Struct, frozen=True, kw_only=True):
    """One asset as it is published. `title` and `description` are texts by language (BCP 47).

    `revision` grows with every change that the owner makes, a withdrawal included; of two publications the higher one counts.
    `region` is ISO 3166 (`JP`, `JP-23`), `licence` an IRI, `parts` are part numbers or ids that the owner wants to be found by,
    `address` is the endpoint of its connector, `access` are ODRL policies that all must permit whoever may know of it.
    """

    asset_id: str
    publisher: str
    revision: int
    title: dict[str, str]
    address: str
    modified_ms: int
    description: dict[str, str] = {}
    shown: Shown = Shown.OFFERED
    keywords: tuple[str, ...] = ()
    data_item: str = ""
    part_group: str = ""
    parts: tuple[str, ...] = ()
    region: str = ""
    licence: str = ""
    certifications: tuple[str, ...] = ()
    conforms_to: tuple[str, ...] = ()
    media_type: str = "application/json"
    offers: tuple[PublishedOffer, ...] = ()
    access: tuple[dict[str, object], ...] = ()


def record_iri(publisher: str, asset_id: str) -> str:
    """The name of the asset in the whole data space: its id where that is an IRI, else one below the publisher's DID."""
    return asset_id if _SCHEME.fullmatch(asset_id) else f"{publisher}#asset-{quote(asset_id, safe='')}"


def is_own_name(publisher: str, asset_id: str) -> bool:
    """Whether the publisher may use that id: one that begins like a DID must begin with its own."""
    return not asset_id.startswith("did:") or asset_id.startswith(
        (f"{publisher}#", f"{publisher}:", f"{publisher}/")
    )


def content(publication: Publication) -> bytes:
    """All that the publication says, members in order: two say the same if and only if these bytes are the same."""
    return msgspec.json.encode(publication, order="sorted")


def as_dcat(publication: Publication) -> dict[str, object]:
    """The whole publication as a `dcat:Dataset`, as its owner sends it."""
    document: dict[str, object] = {
        "@context": CONTEXT,
        **described(publication, publication.offers),
        "ashiato:revision": publication.revision,
        "ashiato:visibility": publication.shown.value,
    }
    if publication.access:
        document["ashiato:access"] = list(publication.access)
    if publication.offers:
        document["odrl:hasPolicy"] = [
            _offer(one) | ({"ashiato:access": list(one.access)} if one.access else {})
            for one in publication.offers
        ]
    return document


def described(publication: Publication, offers: Sequence[PublishedOffer]) -> dict[str, object]:
    """What everybody reads who may see these offers: DCAT and the offers, without context and without the owner's rules."""
    iri = record_iri(publication.publisher, publication.asset_id)
    document: dict[str, object] = {
        "@id": iri,
        "@type": "dcat:Dataset",
        "dct:identifier": publication.asset_id,
        "dct:title": _literals(publication.title),
        "dct:description": _literals(publication.description or publication.title),
        "dct:publisher": {
            "@id": publication.publisher,
            "@type": "foaf:Agent",
            "foaf:name": publication.publisher,
        },
        "dct:modified": {"@type": "xsd:dateTime", "@value": format_datetime(publication.modified_ms)},
        "dcat:distribution": [_distribution(publication)],
    }
    for member, values in (
        ("dcat:keyword", publication.keywords),
        ("ashiato:part", publication.parts),
        ("ashiato:certification", publication.certifications),
    ):
        if values:
            document[member] = list(values)
    if publication.conforms_to:
        document["dct:conformsTo"] = [
            {"@id": one, "@type": "dct:Standard"} for one in publication.conforms_to
        ]
    if publication.region:
        document["dct:spatial"] = {"@type": "dct:Location", "dct:identifier": publication.region}
    if publication.data_item:
        document["ashiato:dataItem"] = publication.data_item
    if publication.part_group:
        document["ashiato:partGroup"] = publication.part_group
    if offers:
        document["odrl:hasPolicy"] = [_offer(one) for one in offers]
    return document


def _offer(offer: PublishedOffer) -> dict[str, object]:
    return {"@type": "odrl:Offer", "dct:identifier": offer.offer_id, "ashiato:rules": offer.rules}


def _distribution(publication: Publication) -> dict[str, object]:
    address = publication.address
    written: dict[str, object] = {
        "@type": "dcat:Distribution",
        "dcat:accessURL": {"@id": address, "@type": "rdfs:Resource"},
        "dcat:accessService": {
            "@id": address,
            "@type": "dcat:DataService",
            "dct:title": [{"@language": "en", "@value": "Dataspace Protocol"}],
            "dcat:endpointURL": {"@id": address, "@type": "rdfs:Resource"},
        },
        "dcat:mediaType": {"@id": f"{_MEDIA_TYPES}{publication.media_type}", "@type": "dct:MediaType"},
    }
    if publication.licence:
        written["dct:license"] = {"@id": publication.licence, "@type": "dct:LicenseDocument"}
    return written


def _literals(texts: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"@language": language, "@value": text} for language, text in sorted(texts.items())]


def read_dcat(document: object, publisher: str) -> Publication:
    """The publication of that publisher in `document`, strictly as `as_dcat` writes it; raises `MalformedPublication`.

    One that names another publisher, or an id below the DID of another, is refused: nobody publishes for somebody else.
    """
    members = _object(document, "")
    if members.get("@type") != "dcat:Dataset":
        raise MalformedPublication("@type", "must be dcat:Dataset")
    named = _object(members.get("dct:publisher"), "dct:publisher").get("@id")
    if named != publisher:
        raise MalformedPublication("dct:publisher", f"must be {publisher}, who sends it")
    asset_id = _text(members.get("dct:identifier"), "dct:identifier", LONGEST_NAME_CHARS)
    if not is_own_name(publisher, asset_id):
        raise MalformedPublication("dct:identifier", "is below the DID of somebody else")
    if members.get("@id") != record_iri(publisher, asset_id):
        raise MalformedPublication("@id", f"must be {record_iri(publisher, asset_id)}")
    distribution = _only(members.get("dcat:distribution"), "dcat:distribution")
    shown = members.get("ashiato:visibility")
    if not isinstance(shown, str) or shown not in set(Shown):
        raise MalformedPublication("ashiato:visibility", "must be listed or offered")
    revision = members.get("ashiato:revision")
    if type(revision) is not int or not 0 < revision <= HIGHEST_REVISION:
        raise MalformedPublication("ashiato:revision", "must be a positive integer")
    return Publication(
        asset_id=asset_id,
        publisher=publisher,
        revision=revision,
        title=_texts(members.get("dct:title"), "dct:title"),
        description=_texts(members.get("dct:description"), "dct:description"),
        address=_named(distribution.get("dcat:accessURL"), "dcat:accessURL", ("https://", "http://")),
        modified_ms=_instant_ms(members.get("dct:modified"), "dct:modified"),
        shown=Shown(shown),
        keywords=_names(members, "dcat:keyword"),
        data_item=_name(members, "ashiato:dataItem"),
        part_group=_name(members, "ashiato:partGroup"),
        parts=_names(members, "ashiato:part"),
        region=_region(members.get("dct:spatial")),
        licence=_named(distribution["dct:license"], "dct:license") if "dct:license" in distribution else "",
        certifications=_names(members, "ashiato:certification"),
        conforms_to=tuple(
            _named(one, "dct:conformsTo")
            for one in _items(members.get("dct:conformsTo", []), "dct:conformsTo", MOST_TEXTS_COUNT)
        ),
        media_type=_media_type(distribution.get("dcat:mediaType")),
        offers=tuple(
            _read_offer(one, f"odrl:hasPolicy[{index}]")
            for index, one in enumerate(
                _items(members.get("odrl:hasPolicy", []), "odrl:hasPolicy", MOST_OFFERS_COUNT)
            )
        ),
        access=_rules(members.get("ashiato:access", []), "ashiato:access"),
    )


def _read_offer(value: object, path: str) -> PublishedOffer:
    members = _object(value, path)
    return PublishedOffer(
        offer_id=_text(members.get("dct:identifier"), f"{path}.dct:identifier", LONGEST_TEXT_CHARS),
        rules=_object(members.get("ashiato:rules"), f"{path}.ashiato:rules"),
        access=_rules(members.get("ashiato:access", []), f"{path}.ashiato:access"),
    )


def _object(value: object, path: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise MalformedPublication(path, "must be an object")
    return value


def _items(value: object, path: str, most_count: int) -> list[object]:
    if not isinstance(value, list) or len(value) > most_count:
        raise MalformedPublication(path, f"must be a list of at most {most_count}")
    return value


def _only(value: object, path: str) -> dict[str, object]:
    items = _items(value, path, 1)
    if not items:
        raise MalformedPublication(path, "is missing")
    return _object(items[0], path)


def _text(value: object, path: str, longest_chars: int) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= longest_chars or not value.isprintable():
        raise MalformedPublication(path, f"must be printable text of at most {longest_chars} characters")
    return value


def _name(members: Mapping[str, object], name: str) -> str:
    return _text(members[name], name, LONGEST_NAME_CHARS) if name in members else ""


def _names(members: Mapping[str, object], name: str) -> tuple[str, ...]:
    items = _items(members.get(name, []), name, MOST_TEXTS_COUNT)
    return tuple(_text(one, name, LONGEST_NAME_CHARS) for one in items)


def _texts(value: object, path: str) -> dict[str, str]:
    texts: dict[str, str] = {}
    for one in _items(value, path, MOST_TEXTS_COUNT):
        members = _object(one, path)
        language = members.get("@language")
        if not isinstance(language, str) or not _LANGUAGE.fullmatch(language) or language in texts:
            raise MalformedPublication(path, "must have one text for each language")
        texts[language] = _text(members.get("@value"), path, LONGEST_TEXT_CHARS)
    if not texts:
        raise MalformedPublication(path, "must have at least one text")
    return texts


def _named(
    value: object, path: str, beginnings: tuple[str, ...] = ("urn:", "did:", "https://", "http://")
) -> str:
    iri = _object(value, path).get("@id")
    if not isinstance(iri, str) or not _SCHEME.fullmatch(iri) or len(iri) > LONGEST_TEXT_CHARS:
        raise MalformedPublication(path, "must have an IRI as its @id")
    if not iri.startswith(beginnings):
        raise MalformedPublication(path, f"must begin with {' or '.join(beginnings)}")
    return iri


def _instant_ms(value: object, path: str) -> int:
    text = _object(value, path).get("@value")
    try:
        return parse_datetime(text if isinstance(text, str) else "")
    except MalformedInstant:
        raise MalformedPublication(path, "must be an xsd:dateTime") from None


def _region(value: object) -> str:
    if value is None:
        return ""
    region = _object(value, "dct:spatial").get("dct:identifier")
    if not isinstance(region, str) or not _REGION.fullmatch(region):
        raise MalformedPublication("dct:spatial", "must name a country or part of one as ISO 3166 does")
    return region


def _media_type(value: object) -> str:
    iri = _object(value, "dcat:mediaType").get("@id")
    media_type = iri[len(_MEDIA_TYPES) :] if isinstance(iri, str) and iri.startswith(_MEDIA_TYPES) else ""
    if not _MEDIA_TYPE.fullmatch(media_type) or len(media_type) > LONGEST_NAME_CHARS:
        raise MalformedPublication("dcat:mediaType", f"must be an IRI below {_MEDIA_TYPES}")
    return media_type


def _rules(value: object, path: str) -> tuple[dict[str, object], ...]:
    return tuple(_object(one, path) for one in _items(value, path, MOST_RULES_COUNT))
