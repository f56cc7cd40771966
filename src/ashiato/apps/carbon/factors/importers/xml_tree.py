"""XML of strangers as a bounded tree of elements: no document type, no entities, nothing fetched."""

from collections.abc import Iterator
from typing import Never
from xml.parsers import expat

import msgspec

from ashiato.apps.carbon.factors.datasets import UnreadableSource

_LANGUAGE = "http://www.w3.org/XML/1998/namespace}lang"


class XmlBounds(msgspec.Struct, frozen=True):
    """How much one document may hold; real datasets have some ten thousand elements, twelve levels deep."""

    most_bytes: int = 64 * 1024**2
    most_levels: int = 48
    most_elements_count: int = 1_000_000
    most_attributes_count: int = 200


class Element:
    """One element: `name` and the keys of `attributes` are local names, without namespace; `text` is stripped."""

    __slots__ = ("attributes", "children", "name", "text")

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name = name
        self.attributes = attributes
        self.children: list[Element] = []
        self.text = ""

    def get(self, attribute: str) -> str:
        """The attribute's value, empty where there is none."""
        return self.attributes.get(attribute, "")

    def all(self, name: str) -> Iterator["Element"]:
        """The children of that name."""
        return (child for child in self.children if child.name == name)

    def find(self, *path: str) -> "Element | None":
        """The first element down that path of names."""
        found: Element | None = self
        for name in path:
            found = next(found.all(name), None) if found is not None else None
        return found

    def text_of(self, *path: str) -> str:
        """The text of the last element of the path: in English where it is given in several languages, else the first."""
        above = self.find(*path[:-1])
        if above is None:
            return ""
        found = list(above.all(path[-1]))
        english = next((element for element in found if element.get("lang").startswith("en")), None)
        chosen = english or next(iter(found), None)
        return chosen.text if chosen is not None else ""


def parse_xml(data: bytes, bounds: XmlBounds | None = None) -> Element:
    """The root element of the document. Raises `UnreadableSource`."""
    limits = bounds or XmlBounds()
    if len(data) > limits.most_bytes:
        raise UnreadableSource("xml_too_large", f"the document has more than {limits.most_bytes} bytes")
    builder = _Builder(limits)
    try:
        builder.parser.Parse(data, True)
    except expat.ExpatError as error:
        raise UnreadableSource("xml_broken", f"the document is no well-formed XML: {error}") from None
    except (LookupError, ValueError) as error:
        if isinstance(error, UnreadableSource):
            raise
        raise UnreadableSource("xml_broken", f"the document's encoding is not read here: {error}") from None
    if builder.root is None:
        raise UnreadableSource("xml_broken", "the document holds no element")
    return builder.root


class _Builder:
    def __init__(self, bounds: XmlBounds) -> None:
        self.root: Element | None = None
        self._bounds = bounds
        self._open: list[Element] = []
        self._text: list[list[str]] = []
        self._elements_count = 0
        self.parser = expat.ParserCreate(namespace_separator="}")
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._refuse_doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters

    def _refuse_doctype(self, *_declaration: object) -> Never:
        raise UnreadableSource("xml_doctype", "the document declares a type; entities are not read here")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements_count += 1
        if self._elements_count > self._bounds.most_elements_count:
            raise UnreadableSource("xml_too_large", "the document has more elements than may be read")
        if len(self._open) >= self._bounds.most_levels:
            raise UnreadableSource("xml_too_deep", f"nested deeper than {self._bounds.most_levels} levels")
        if len(attributes) > self._bounds.most_attributes_count:
            raise UnreadableSource("xml_too_large", "an element has more attributes than may be read")
        local = {
            "lang" if key == _LANGUAGE else key.rpartition("}")[2]: value for key, value in attributes.items()
        }
        element = Element(name.rpartition("}")[2], local)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)
        self._text.append([])

    def _end(self, _name: str) -> None:
        self._open.pop().text = "".join(self._text.pop()).strip()

    def _characters(self, text: str) -> None:
        self._text[-1].append(text)
