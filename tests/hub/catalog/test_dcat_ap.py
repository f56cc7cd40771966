"""What is published and found passes DCAT-AP 3: our shapes of its tables, and the official shapes where they lie."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import msgspec
import pyoxigraph
import pyshacl
import pytest
from rdflib import RDF, Graph, Literal, Namespace

from ashiato.hub.catalog.indexing import Query
from ashiato.hub.catalog.publishing import enter, prepare
from ashiato.hub.catalog.searching import search
from ashiato.hub.catalog.showing import as_catalog
from ashiato.statements.publications import as_dcat
from ashiato.trust.standing import Standing
from tests.hub.catalog.publishing_company import CELL_MAKERS, MAKER, NOW_MS, OTHER, Rows, offer, publication

OWN_SHAPES = Path(__file__).parent / "dcat_ap_3.ttl"
OFFICIAL_SHAPES = "dcat-ap/dcat-ap-SHACL.ttl"
DCAT = Namespace("http://www.w3.org/ns/dcat#")
DCT = Namespace("http://purl.org/dc/terms/")

FULL = publication(
    "full",
    description={"en": "per plant"},
    keywords=("CFP", "電池"),
    data_item="D-01",
    part_group="cells",
    parts=("LFP-50",),
    region="JP-23",
    licence="https://maker.example/terms",
    certifications=("CFB-EV",),
    conforms_to=("urn:samm:io.catenax.pcf:7.0.0#Pcf",),
    offers=(offer("o1"), offer("o2", CELL_MAKERS)),
    access=(),
)


@pytest.fixture(params=["ours", "official"])
def shapes(request: pytest.FixtureRequest) -> Graph:
    """The shapes that are held against the documents."""
    if request.param == "ours":
        return Graph().parse(OWN_SHAPES)
    folder = Path(os.environ.get("ASHIATO_CONFORMANCE", "../shared/conformance"))
    if not (folder / OFFICIAL_SHAPES).is_file():
        pytest.skip(f"the official shapes of DCAT-AP 3.0.0 are not at {folder / OFFICIAL_SHAPES}")
    return Graph().parse(folder / OFFICIAL_SHAPES)


def graph_of(document: object) -> Graph:
    """The triples of a document, read from its bytes alone."""
    quads = pyoxigraph.parse(msgspec.json.encode(document), pyoxigraph.RdfFormat.JSON_LD)
    text = pyoxigraph.serialize((quad.triple for quad in quads), format=pyoxigraph.RdfFormat.N_TRIPLES)
    return Graph().parse(data=text, format="nt")


def catalog() -> dict[str, object]:
    """A page with everything that a record can have, one of which little is known and one that is only listed."""
    rows = Rows()
    for one in (FULL, publication("plain"), publication("urn:x:listed", shown="listed")):
        enter(rows, prepare(one, {"role": frozenset({"cell_maker"})}, NOW_MS))
    hits = search(rows, Standing(OTHER), NOW_MS, Query()).hits
    assert len(hits) == 3
    return as_catalog("did:web:hub.example", hits, OTHER, NOW_MS)


def problems(document: object, shapes: Graph) -> str:
    """What a SHACL processor says of the document, empty where it conforms."""
    conforms, _, text = pyshacl.validate(graph_of(document), shacl_graph=shapes, inference="none")
    return "" if conforms else str(text)


@pytest.mark.parametrize("document", [lambda: as_dcat(FULL), lambda: as_dcat(publication()), catalog])
def test_it_conforms(document: Callable[[], dict[str, object]], shapes: Graph) -> None:
    assert problems(document(), shapes) == ""


def _without(member: str) -> dict[str, object]:
    document = as_dcat(FULL)
    del document[member]
    return document


def _without_address() -> dict[str, object]:
    document = cast(dict[str, Any], as_dcat(FULL))
    del document["dcat:distribution"][0]["dcat:accessURL"]
    return document


@pytest.mark.parametrize(
    "document",
    [
        lambda: _without("dct:title"),
        lambda: _without("dct:description"),
        _without_address,
        lambda: (
            as_dcat(FULL)
            | {
                "dct:modified": [
                    {"@type": "xsd:dateTime", "@value": d}
                    for d in ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
                ]
            }
        ),
    ],
)
def test_what_lacks_something_does_not_conform(
    document: Callable[[], dict[str, object]], shapes: Graph
) -> None:
    assert problems(document(), shapes)


def test_the_triples_say_what_was_published() -> None:
    graph = graph_of(as_dcat(FULL))
    (dataset,) = graph.subjects(RDF.type, DCAT.Dataset)
    assert str(dataset) == f"{MAKER}#asset-full"
    assert {(str(one), cast(Literal, one).language) for one in graph.objects(dataset, DCT.title)} == {
        ("Footprint of the cell LFP-50", "en"),
        ("リチウムイオン電池のCO2排出量", "ja"),
    }
    assert [str(one) for one in graph.objects(dataset, DCT.conformsTo)] == [
        "urn:samm:io.catenax.pcf:7.0.0#Pcf"
    ]
