"""Turtle as subject, predicate and objects, with the short names that the published ODRL test suite uses."""

from collections import defaultdict
from collections.abc import Iterable

import pyoxigraph

Graph = dict[str, dict[str, list[str]]]

_PREFIXES = {
    "http://www.w3.org/ns/odrl/2/": "odrl",
    "http://example.org/": "ex",
    "http://example.com/request/": "temp",
    "http://purl.org/dc/terms/": "dct",
    "http://xmlns.com/foaf/0.1/": "foaf",
    "https://w3id.org/force/compliance-report#": "report",
}
_TYPE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"


def read_turtle(text: str) -> Graph:
    """Subject, predicate, objects in the order of the text; `a` is the type, a literal is its text."""
    graph: Graph = defaultdict(lambda: defaultdict(list))
    quads: Iterable[pyoxigraph.Quad] = pyoxigraph.parse(text, format=pyoxigraph.RdfFormat.TURTLE)
    for quad in quads:
        graph[_short(quad.subject)][_short(quad.predicate)].append(_short(quad.object))
    return graph


def _short(node: object) -> str:
    value = str(getattr(node, "value", node))
    if value == _TYPE:
        return "a"
    for address, prefix in _PREFIXES.items():
        if value.startswith(address):
            return f"{prefix}:{value[len(address) :]}"
    return value
