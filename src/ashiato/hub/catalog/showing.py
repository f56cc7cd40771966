"""Hits as DCAT 3: a `dcat:Catalog` of datasets, each with the offers that its reader may see and nothing of the owner's rules."""

from collections.abc import Sequence

from ashiato.hub.catalog.searching import Hit
from ashiato.statements.publications import CONTEXT, described

OFFLINE_AFTER_MS = 900_000
_CATALOG_TITLES = [
    {"@language": "en", "@value": "Catalog of the hub"},
    {"@language": "ja", "@value": "ハブのデータカタログ"},
]
_LISTED_TITLES = [
    {"@language": "en", "@value": "Data of which only the existence is shown"},
    {"@language": "ja", "@value": "存在のみを示すデータ"},
]


def as_catalog(hub_id: str, hits: Sequence[Hit], reader: str, now_ms: int) -> dict[str, object]:
    """The page as one JSON-LD document that stands by itself."""
    return {
        "@context": CONTEXT,
        "@id": f"{hub_id}#catalog",
        "@type": "dcat:Catalog",
        "dct:title": _CATALOG_TITLES,
        "dct:description": _CATALOG_TITLES,
        "dct:publisher": {"@id": hub_id, "@type": "foaf:Agent", "foaf:name": hub_id},
        "dcat:dataset": [as_dataset(hub_id, hit, reader, now_ms) for hit in hits],
    }


def as_dataset(hub_id: str, hit: Hit, reader: str, now_ms: int) -> dict[str, object]:
    """One hit inside a catalog. Of a listed one there are only its owner's roles and a name that says nothing.

    `ashiato:online` tells whether the owner's connector was heard of lately.
    """
    record = hit.found.record
    published = record.publication
    shared: dict[str, object] = {
        "ashiato:visibility": published.shown.value,
        "ashiato:ownerRole": list(record.owner_roles),
    }
    if record.is_listing and published.publisher != reader:
        return {
            "@id": f"{hub_id}#listed-{hit.found.number}",
            "@type": "dcat:Dataset",
            "dct:title": _LISTED_TITLES,
            "dct:description": _LISTED_TITLES,
            **shared,
        }
    document = described(published, hit.sight.offers) | shared
    document["ashiato:online"] = now_ms - hit.found.seen_ms < OFFLINE_AFTER_MS
    if record.owner_certifications:
        document["ashiato:ownerCertification"] = list(record.owner_certifications)
    if record.crawled_from:
        document["ashiato:crawledFrom"] = {"@id": record.crawled_from}
    if published.publisher == reader:
        document["ashiato:revision"] = published.revision
    return document
