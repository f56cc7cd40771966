import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import given, settings
from hypothesis import strategies as st

from ashiato.trust.did import (
    RELATIONS,
    InvalidDid,
    InvalidDidDocument,
    Service,
    did_document,
    did_web_url,
    parse_did_document,
    service_endpoint,
)
from ashiato.trust.keys import SigningKey, UnusableKey
from ashiato.trust.multikey import encode_multikey
from tests.trust.parties import ACME, GLOBEX, Party, new_party


@pytest.mark.parametrize(
    ("did", "url"),
    [
        # The three examples of the did:web method specification, "Read (Resolve)" and "Optional Path".
        ("did:web:w3c-ccg.github.io", "https://w3c-ccg.github.io/.well-known/did.json"),
        ("did:web:w3c-ccg.github.io:user:alice", "https://w3c-ccg.github.io/user/alice/did.json"),
        ("did:web:example.com%3A3000", "https://example.com:3000/.well-known/did.json"),
        ("did:web:example.com%3a3000:a:b", "https://example.com:3000/a/b/did.json"),
        ("did:web:host", "https://host/.well-known/did.json"),
        ("did:web:xn--bcher-kva.example", "https://xn--bcher-kva.example/.well-known/did.json"),
        ("did:web:a.example:b%C3%A9.c_d-e", "https://a.example/b%C3%A9.c_d-e/did.json"),
        ("did:web:1.example", "https://1.example/.well-known/did.json"),
    ],
)
def test_a_did_gives_the_address_of_its_document(did: str, url: str) -> None:
    assert did_web_url(did) == url
    assert did_web_url(did, scheme="http") == url.replace("https", "http")


@pytest.mark.parametrize(
    "did",
    [
        "did:web:user@host.example",
        "did:web:user%40host.example",
        "did:web:user:pass@host.example",
        "did:web:good.example%40evil.example",
    ],
)
def test_user_information_in_a_did_is_refused(did: str) -> None:
    with pytest.raises(InvalidDid):
        did_web_url(did)


@pytest.mark.parametrize(
    "did",
    [
        "did:web:host.example:..",
        "did:web:host.example:a:..:b",
        "did:web:host.example:.",
        "did:web:host.example:...",
        "did:web:host.example:%2e%2e",
        "did:web:host.example:.%2E",
        "did:web:host.example:%252e%252e",
    ],
)
def test_path_traversal_in_a_did_is_refused(did: str) -> None:
    with pytest.raises(InvalidDid):
        did_web_url(did)


@pytest.mark.parametrize(
    "did",
    [
        "did:web:host.example%2Fpath",
        "did:web:host.example:a%2Fb",
        "did:web:host.example:a%2fb",
        "did:web:host.example:a%5Cb",
        "did:web:host.example:a/b",
        "did:web:host.example/a",
        "did:web:host.example:a\\b",
    ],
)
def test_a_slash_in_a_did_is_refused_in_any_spelling(did: str) -> None:
    with pytest.raises(InvalidDid):
        did_web_url(did)


@pytest.mark.parametrize(
    "did", ["did:web:", "did:web:host.example:", "did:web:host.example::a", "did:web::a", "did:web:%3A80"]
)
def test_an_empty_part_of_a_did_is_refused(did: str) -> None:
    with pytest.raises(InvalidDid):
        did_web_url(did)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "8.8.8.8",
        "10.0.0.1",
        "169.254.169.254",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "127.1",
        "0177.0.0.1",
        "1.2.3.999",
        "host.0x1",
        "host.1",
        "%5B%3A%3A1%5D",
        "[::1]",
    ],
)
def test_an_ip_host_in_a_did_is_refused_in_any_spelling(host: str) -> None:
    with pytest.raises(InvalidDid):
        did_web_url(f"did:web:{host}")


def test_only_a_plain_loopback_host_is_admitted_for_tests() -> None:
    assert (
        did_web_url("did:web:127.0.0.1%3A9000:acme", scheme="http", allow_loopback=True)
        == "http://127.0.0.1:9000/acme/did.json"
    )
    for host in ("8.8.8.8", "10.0.0.1", "127.1", "0x7f.1", "2130706433", "127.00.0.1", "%5B%3A%3A1%5D"):
        with pytest.raises(InvalidDid):
            did_web_url(f"did:web:{host}", allow_loopback=True)


@pytest.mark.parametrize(
    "port", ["0", "65536", "99999", "080", "", "-1", "8a", "+80", " 80", "80%3A80", "٨٠"]
)
def test_a_port_that_is_no_port_is_refused(port: str) -> None:
    with pytest.raises(InvalidDid):
        did_web_url(f"did:web:host.example%3A{port}")


@pytest.mark.parametrize(
    "did",
    [
        "",
        "did:web",
        "did:key:z6Mk",
        "DID:web:host.example",
        "did:WEB:host.example",
        "https://host.example",
        "did:web:host.example#key-1",
        "did:web:host.example?x=y",
        "did:web:host.example:a?x",
        "did:web:host.example:a#b",
        "did:web:host.example.",
        "did:web:host..example",
        "did:web:-host.example",
        "did:web:host_a.example",
        "did:web:hôst.example",
        "did:web:host.example:ä",
        "did:web:host.example:a b",
        "did:web:host.example:a\r\nb",
        "did:web:host.example:a%0D%0Ab",
        "did:web:host.example:a%00",
        "did:web:host.example:a%2",
        "did:web:host.example:a%zz",
        "did:web:host.example\n",
        "did:web:" + "a" * 64 + ".example",
        "did:web:host.example:" + "a" * 600,
    ],
)
def test_what_is_no_did_web_is_refused(did: str) -> None:
    with pytest.raises(InvalidDid) as refusal:
        did_web_url(did)
    assert refusal.value.did == did
    assert len(str(refusal.value)) < 1500


@settings(deadline=None)
@given(st.text(alphabet="ab.:%/\\@#?[]0123456789ABCDEFx-_ \n", max_size=40))
def test_an_accepted_did_leads_to_its_own_host_and_below_no_other_path(rest: str) -> None:
    try:
        url = did_web_url(f"did:web:{rest}")
    except InvalidDid:
        return
    authority, _, path = url.removeprefix("https://").partition("/")
    assert authority == rest.split(":")[0].replace("%3a", ":").replace("%3A", ":")
    assert path.endswith("did.json")
    assert ".." not in path.split("/")
    assert not set(url) & set("@#?\\[] \n")


def _document(party: Party, **changes: object) -> bytes:
    method = {
        "id": party.kid,
        "type": "JsonWebKey2020",
        "controller": party.did,
        "publicKeyJwk": party.key.public_jwk(),
    }
    document: dict[str, object] = {
        "@context": ["https://www.w3.org/ns/did/v1"],
        "id": party.did,
        "verificationMethod": [method],
        "capabilityInvocation": [party.kid],
    }
    return json.dumps(document | changes).encode()


def _method(party: Party, **changes: object) -> dict[str, object]:
    document = json.loads(_document(party))
    method: dict[str, object] = document["verificationMethod"][0]
    return {name: value for name, value in (method | changes).items() if value is not None}


def test_a_built_document_is_read_back(acme: Party) -> None:
    second = new_party(ACME, "key-2")
    service = Service(f"{ACME}#dsp", "DataService", "https://acme.example/dsp")
    data = did_document(ACME, [acme.key.verification_key(), second.key.verification_key()], [service])
    document = parse_did_document(data, ACME)
    assert document.did == ACME
    assert set(document.methods) == {acme.kid, second.kid}
    assert document.methods[acme.kid].verify(acme.key.sign(b"data"), b"data")
    assert all(document.relations[relation] == {acme.kid, second.kid} for relation in RELATIONS)
    assert document.service("DataService") == service
    assert document.service("CredentialService") is None
    raw = json.loads(data)
    assert raw["id"] == ACME
    assert raw["verificationMethod"][0]["controller"] == ACME
    assert "d" not in raw["verificationMethod"][0]["publicKeyJwk"]


def test_a_document_is_not_built_with_a_key_of_another_did(acme: Party, globex: Party) -> None:
    with pytest.raises(UnusableKey, match="does not belong"):
        did_document(ACME, [globex.key.verification_key()], [])


def test_a_document_is_not_built_under_a_did_that_nobody_could_resolve(acme: Party) -> None:
    with pytest.raises(InvalidDid):
        did_document("did:web:8.8.8.8", [], [])


@pytest.mark.parametrize(
    "other", [GLOBEX, ACME + ":x", ACME.upper(), ACME + "#", "", None, 5, [ACME]], ids=repr
)
def test_a_document_with_another_id_is_refused(other: object, acme: Party) -> None:
    with pytest.raises(InvalidDidDocument, match="another DID"):
        parse_did_document(_document(acme, id=other), ACME)


def test_a_document_over_64_kib_is_refused(acme: Party) -> None:
    filler = "x" * (65_536 - len(_document(acme, note="")))
    assert parse_did_document(_document(acme, note=filler), ACME).did == ACME
    with pytest.raises(InvalidDidDocument, match="65536"):
        parse_did_document(_document(acme, note=filler + "x"), ACME)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"null", b"{", b"\xff", b'{"id":"a","id":"b"}', b"[" * 40 + b"]" * 40]
)
def test_a_document_that_is_no_strict_json_object_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidDidDocument):
        parse_did_document(data, ACME)


def test_a_document_with_duplicate_keys_is_refused(acme: Party) -> None:
    data = _document(acme)[:-1] + b', "capabilityInvocation": []}'
    with pytest.raises(InvalidDidDocument, match="twice"):
        parse_did_document(data, ACME)


def test_a_document_with_the_same_method_twice_is_refused(acme: Party) -> None:
    other = new_party(ACME)
    for second in (_method(other), _method(other, id="#key-1"), _method(other, type="Multikey")):
        with pytest.raises(InvalidDidDocument, match="twice"):
            parse_did_document(_document(acme, verificationMethod=[_method(acme), second]), ACME)
    with pytest.raises(InvalidDidDocument, match="twice"):
        parse_did_document(_document(acme, capabilityInvocation=[_method(other)]), ACME)


@pytest.mark.parametrize("name", ["verificationMethod", "service", *RELATIONS])
def test_a_document_with_something_else_than_an_array_is_refused(name: str, acme: Party) -> None:
    values: tuple[object, ...] = ({}, "x", None, 5)
    for value in values:
        with pytest.raises(InvalidDidDocument, match="array"):
            parse_did_document(_document(acme, **{name: value}), ACME)


def test_relative_ids_are_those_of_the_document(acme: Party) -> None:
    data = _document(acme, verificationMethod=[_method(acme, id="#key-1")], capabilityInvocation=["#key-1"])
    document = parse_did_document(data, ACME)
    assert set(document.methods) == {acme.kid}
    assert document.relations["capabilityInvocation"] == {acme.kid}


def test_an_embedded_method_serves_only_its_relation(acme: Party) -> None:
    data = _document(acme, verificationMethod=[], capabilityInvocation=[_method(acme)])
    document = parse_did_document(data, ACME)
    assert set(document.methods) == {acme.kid}
    assert document.relations["capabilityInvocation"] == {acme.kid}
    assert document.relations["assertionMethod"] == frozenset()


@pytest.mark.parametrize(
    "changes",
    [
        {"controller": GLOBEX},
        {"controller": None},
        {"type": "Multikey"},
        {"type": None},
        {"publicKeyJwk": None},
        {"publicKeyJwk": "x"},
        {"publicKeyJwk": {"kty": "RSA"}},
        {"id": None},
        {"id": 5},
        {"id": f"{GLOBEX}#key-1"},
        {"id": f"{ACME}.evil.example#key-1"},
    ],
    ids=repr,
)
def test_a_method_that_is_not_understood_or_not_its_own_is_passed_over(
    changes: dict[str, Any], acme: Party
) -> None:
    good = _method(acme, id=f"{ACME}#good")
    document = parse_did_document(_document(acme, verificationMethod=[_method(acme, **changes), good]), ACME)
    assert set(document.methods) == {f"{ACME}#good"}
    assert document.method_count == 2


def test_a_method_that_publishes_its_private_part_is_not_used(acme: Party) -> None:
    jwk = acme.key.public_jwk() | {"d": "AAAA"}
    document = parse_did_document(_document(acme, verificationMethod=[_method(acme, publicKeyJwk=jwk)]), ACME)
    assert document.methods == {}


def test_services_that_are_not_understood_are_passed_over(acme: Party) -> None:
    services = [
        {"id": "#a", "type": ["CredentialService", "Other"], "serviceEndpoint": "https://a.example"},
        {"id": "#b", "type": "B", "serviceEndpoint": {"uri": "https://b.example"}},
        {"id": "#c", "type": 5, "serviceEndpoint": "https://c.example"},
        {"type": "D", "serviceEndpoint": "https://d.example"},
        "text",
    ]
    document = parse_did_document(_document(acme, service=services), ACME)
    assert document.services == (
        Service(f"{ACME}#a", "CredentialService", "https://a.example"),
        Service(f"{ACME}#a", "Other", "https://a.example"),
    )


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["id", "type", "controller", "publicKeyJwk", "kty", "x"]), inner
            )
        ),
        max_leaves=8,
    )
)
def test_no_content_breaks_the_reader(content: object) -> None:
    for name in ("verificationMethod", "service", *RELATIONS):
        data = json.dumps({"id": ACME, name: content}).encode()
        try:
            document = parse_did_document(data, ACME)
        except InvalidDidDocument:
            continue
        assert document.methods == {}


def test_each_kind_of_method_and_of_key_is_read(acme: Party) -> None:
    ed25519_key = SigningKey(f"{ACME}#ed", ed25519.Ed25519PrivateKey.generate()).verification_key()
    p256_key = acme.key.verification_key()
    methods = [
        {"id": f"{ACME}#a", "type": "JsonWebKey2020", "controller": ACME, "publicKeyJwk": p256_key.jwk()},
        {"id": f"{ACME}#b", "type": "JsonWebKey", "controller": ACME, "publicKeyJwk": ed25519_key.jwk()},
        {
            "id": f"{ACME}#c",
            "type": "Multikey",
            "controller": ACME,
            "publicKeyMultibase": encode_multikey(ed25519_key),
        },
        {"id": "#d", "type": "Multikey", "controller": ACME, "publicKeyMultibase": encode_multikey(p256_key)},
        {"id": f"{ACME}#e", "type": "Multikey", "controller": ACME, "publicKeyMultibase": "zQ3sh"},
        {
            "id": f"{ACME}#f",
            "type": "Multikey",
            "controller": ACME,
            "publicKeyMultibase": encode_multikey(p256_key),
            "publicKeyJwk": ed25519_key.jwk(),
        },
    ]
    document = parse_did_document(json.dumps({"id": ACME, "verificationMethod": methods}).encode(), ACME)
    assert {kid: key.jwk() for kid, key in document.methods.items()} == {
        f"{ACME}#a": p256_key.jwk(),
        f"{ACME}#b": ed25519_key.jwk(),
        f"{ACME}#c": ed25519_key.jwk(),
        f"{ACME}#d": p256_key.jwk(),
    }
    assert document.method_count == 6


def test_our_document_names_several_keys_of_both_kinds(acme: Party) -> None:
    other = SigningKey(f"{ACME}#ed", ed25519.Ed25519PrivateKey.generate()).verification_key()
    data = did_document(ACME, [acme.key.verification_key(), other], [])
    document = parse_did_document(data, ACME)
    assert {kid: key.kind for kid, key in document.methods.items()} == {
        acme.kid: "P-256",
        other.kid: "Ed25519",
    }
    assert all(document.relations[relation] == {acme.kid, other.kid} for relation in RELATIONS)


def test_the_services_of_the_claims_protocol_are_found() -> None:
    services = [
        Service(f"{ACME}#cs", "CredentialService", "https://acme.example/dcp/"),
        Service(f"{ACME}#is", "IssuerService", "https://acme.example/issuer"),
    ]
    document = parse_did_document(did_document(ACME, [], services), ACME)
    assert service_endpoint(document, "CredentialService") == "https://acme.example/dcp"
    assert service_endpoint(document, "IssuerService") == "https://acme.example/issuer"
    assert service_endpoint(document, "OtherService") is None
