"""As much Turtle as the published ODRL test suite uses: prefixed names, addresses and texts, no blank nodes."""

import re
from collections import defaultdict

Graph = dict[str, dict[str, list[str]]]

_TOKEN = re.compile(
    r'\s*(?:#[^\n]*|(@prefix\s+\S+\s+<[^>]*>\s*\.)|<([^>]*)>|"([^"]*)"(?:\^\^[\w:]+|@\w+)?|([\w-]*:[\w.-]*\w|a\b)|([;,.]))'
)


def read_turtle(text: str) -> Graph:
    """Subject, predicate, objects. Prefixed names stay as they are written; `a` is the type."""
    graph: Graph = defaultdict(lambda: defaultdict(list))
    sentence: list[str] = []
    offset_count = 0
    while match := _TOKEN.match(text, offset_count):
        offset_count = match.end()
        _, address, literal, name, mark = match.groups()
        term = next((part for part in (address, literal, name) if part is not None), None)
        if term is not None:
            sentence.append(term)
        if len(sentence) == 3:
            graph[sentence[0]][sentence[1]].append(sentence[2])
            sentence.pop()
        if mark in (";", "."):
            del sentence[1 if mark == ";" else 0 :]
    if text[offset_count:].strip():
        raise ValueError(f"not understood: {text[offset_count : offset_count + 60]!r}")
    return graph
