import pytest

from ashiato.apps.carbon.factors.datasets import UnreadableSource
from ashiato.apps.carbon.factors.importers.xml_tree import XmlBounds, parse_xml

LAUGHS = b"""<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><l>&b;</l>"""
OUTSIDE = b"""<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><x>&f;</x>"""
REMOTE = b"""<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd"><x/>"""


@pytest.mark.parametrize("document", [LAUGHS, OUTSIDE, REMOTE, b"<!DOCTYPE x><x/>"])
def test_a_document_type_is_refused_before_any_entity_is_read(document: bytes) -> None:
    with pytest.raises(UnreadableSource) as refused:
        parse_xml(document)
    assert refused.value.code == "xml_doctype"


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b"<a>" * 49 + b"</a>" * 49, "xml_too_deep"),
        (b"<a>" + b"<b/>" * 100 + b"</a>", "xml_too_large"),
        (b"<a " + b" ".join(b'k%d="1"' % n for n in range(201)) + b"/>", "xml_too_large"),
        (b"<a>" + b"x" * 5000 + b"</a>", "xml_too_large"),
        (b"<a>&nothing;</a>", "xml_broken"),
        (b'<?xml version="1.0" encoding="klingon"?><a/>', "xml_broken"),
        (b"", "xml_broken"),
    ],
)
def test_each_bound_is_held(document: bytes, code: str) -> None:
    with pytest.raises(UnreadableSource) as refused:
        parse_xml(document, XmlBounds(most_bytes=4096, most_elements_count=100))
    assert refused.value.code == code


def test_names_lose_their_namespace_and_text_is_chosen_by_language() -> None:
    root = parse_xml(
        '<n:a xmlns:n="urn:x" n:k="1"><n:t xml:lang="ja">鉄</n:t><n:t xml:lang="en">iron</n:t><u> x </u></n:a>'.encode()
    )
    assert (root.name, root.get("k"), root.text_of("t"), root.text_of("u")) == ("a", "1", "iron", "x")
    assert root.text_of("missing", "t") == ""


def test_utf_16_is_read() -> None:
    assert parse_xml('<?xml version="1.0" encoding="UTF-16"?><a>足跡</a>'.encode("utf-16")).text == "足跡"
