"""The version document: where a connector's endpoints of this version begin."""

import json
from pathlib import Path

import pytest

from ashiato.dsp.errors import MalformedMessage
from ashiato.dsp.v2025_1 import ProtocolVersion, VersionAuth, base_path, decode_versions, encode_versions
from tests.dsp_schemas import DspSchemas

DCP = VersionAuth(protocol="DCP", version="1.0", profile=("vc20-bssl/jwt",))


def test_our_document_says_path_binding_and_how_it_is_secured(dsp_schemas: DspSchemas) -> None:
    data = encode_versions("/dsp/2025-1", service_id="urn:uuid:s", identifier_type="did:web", auth=DCP)
    assert dsp_schemas.faults(data) == []
    assert json.loads(data) == {
        "protocolVersions": [
            {
                "version": "2025-1",
                "path": "/dsp/2025-1",
                "binding": "HTTPS",
                "serviceId": "urn:uuid:s",
                "identifierType": "did:web",
                "auth": {"protocol": "DCP", "version": "1.0", "profile": ["vc20-bssl/jwt"]},
            }
        ]
    }


def test_what_is_optional_may_be_left_out(dsp_schemas: DspSchemas) -> None:
    data = encode_versions("/dsp", auth=VersionAuth(protocol="OAuth", version="2"))
    assert dsp_schemas.faults(data) == []
    assert decode_versions(data) == (
        ProtocolVersion(version="2025-1", path="/dsp", auth=VersionAuth(protocol="OAuth", version="2")),
    )


def test_the_official_example_is_read(conformance: Path) -> None:
    versions = decode_versions((conformance / "dsp/common/example/protocol-version.json").read_bytes())
    assert [entry.version for entry in versions] == ["2025-1", "2024-1", "2025-1"]
    assert versions[2].auth == VersionAuth(protocol="DCP", version="1.0", profile=("vc11-sl2021/jwt",))
    assert base_path(versions) == "/some/path/2025-1"


def test_a_peer_of_other_versions_has_no_base() -> None:
    assert base_path((ProtocolVersion(version="2024-1", path="/old"),)) is None
    assert base_path((ProtocolVersion(version="2025-1", path="/new/"),)) == "/new"


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({}, "protocolVersions"),
        ({"protocolVersions": []}, "protocolVersions"),
        (
            {"protocolVersions": [{"version": "2025-1", "path": "/", "binding": "HTTP"}]},
            "protocolVersions[0].binding",
        ),
        ({"protocolVersions": [{"version": "2025-1", "binding": "HTTPS"}]}, "protocolVersions[0].path"),
    ],
)
def test_a_document_without_a_usable_entry_is_refused(document: dict[str, object], path: str) -> None:
    with pytest.raises(MalformedMessage) as refused:
        decode_versions(json.dumps(document).encode())
    assert refused.value.path == path
