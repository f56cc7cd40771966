import base64
import json
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import NameOID

from ashiato.trust.did import did_document, parse_did_document
from ashiato.trust.keys import SigningKey, UnusableKey, chain_of
from ashiato.trust.organizations import BoundOrganization, UnboundKey, bind_key
from tests.sealing import (
    DAY,
    DAY_MS,
    NOW,
    ORGANIZATION,
    Authority,
    certify,
    distinguished,
    make_authority,
    seal_of,
    usage_of,
)
from tests.trust.parties import ACME, NOW_MS, Party


@pytest.fixture(scope="module")
def root() -> Authority:
    return make_authority("Root Authority")


@pytest.fixture(scope="module")
def middle(root: Authority) -> Authority:
    return make_authority("Seal Authority", root, path_count=0)


def _bound(acme: Party, chain: list[bytes], anchors: list[bytes], now_ms: int = NOW_MS) -> BoundOrganization:
    return bind_key(acme.key.verification_key(), chain, anchors, now_ms=now_ms)


def test_a_seal_tells_which_organisation_stands_behind_a_key(
    acme: Party, root: Authority, middle: Authority
) -> None:
    seal = seal_of(acme.private.public_key(), middle)
    bound = _bound(acme, [seal, middle.der], [root.der])
    assert bound.kid == acme.kid
    assert bound.name == "Acme Cells K.K."
    assert bound.identifier == "NTRJP-0100-01-000001"
    assert bound.country == "JP"
    assert bound.authority == "Seal Authority"
    assert bound.thumbprint == x509.load_der_x509_certificate(seal).fingerprint(hashes.SHA256())
    assert bound.valid_until_ms == (NOW_MS // 1000) * 1000 + 30 * DAY_MS + 1000


def test_an_identifier_and_a_country_are_optional(acme: Party, root: Authority) -> None:
    bound = _bound(
        acme,
        [seal_of(acme.private.public_key(), root, distinguished((NameOID.ORGANIZATION_NAME, "Acme")))],
        [root.der],
    )
    assert (bound.name, bound.identifier, bound.country) == ("Acme", None, None)


def test_a_chain_to_an_authority_that_nobody_trusts_binds_nothing(acme: Party, root: Authority) -> None:
    stranger = make_authority("Root Authority")
    seal = seal_of(acme.private.public_key(), stranger)
    for anchors in ([root.der], []):
        with pytest.raises(UnboundKey, match="authority"):
            _bound(acme, [seal, stranger.der], anchors)
    with pytest.raises(UnboundKey, match="authority"):
        _bound(acme, [seal_of(acme.private.public_key(), make_authority("Lost", root))], [root.der])


def test_a_certificate_of_another_key_binds_nothing(acme: Party, globex: Party, root: Authority) -> None:
    with pytest.raises(UnboundKey, match="another key"):
        _bound(acme, [seal_of(globex.private.public_key(), root)], [root.der])


def test_an_organisation_that_certifies_itself_binds_nothing(acme: Party, root: Authority) -> None:
    certificate = certify(
        acme.private.public_key(), ORGANIZATION, None, acme.private, usage=usage_of(digital_signature=True)
    )
    with pytest.raises(UnboundKey, match="authority"):
        _bound(acme, [certificate.public_bytes(serialization.Encoding.DER)], [root.der])


def test_a_seal_does_not_make_seals(acme: Party, globex: Party, root: Authority) -> None:
    holder = Authority(
        globex.private, x509.load_der_x509_certificate(seal_of(globex.private.public_key(), root))
    )
    with pytest.raises(UnboundKey, match="authority"):
        _bound(acme, [seal_of(acme.private.public_key(), holder), holder.der], [root.der])


def test_an_authority_goes_no_deeper_than_it_may(acme: Party, root: Authority, middle: Authority) -> None:
    deeper = make_authority("Deeper", middle)
    with pytest.raises(UnboundKey, match="authority"):
        _bound(acme, [seal_of(acme.private.public_key(), deeper), deeper.der, middle.der], [root.der])


def test_every_certificate_of_the_chain_must_hold_at_the_instant(acme: Party, root: Authority) -> None:
    seal = seal_of(acme.private.public_key(), root, end=NOW + DAY)
    assert _bound(acme, [seal], [root.der]).valid_until_ms == (NOW_MS // 1000) * 1000 + DAY_MS + 1000
    for now_ms in (NOW_MS + 2 * DAY_MS, NOW_MS - 2 * DAY_MS):
        with pytest.raises(UnboundKey, match="authority"):
            _bound(acme, [seal], [root.der], now_ms)
    short = make_authority("Short", root, end=NOW - timedelta(hours=1))
    with pytest.raises(UnboundKey, match="authority"):
        _bound(acme, [seal_of(acme.private.public_key(), short), short.der], [root.der])


@pytest.mark.parametrize(
    "usage", [None, usage_of(key_agreement=True), usage_of(digital_signature=True, key_cert_sign=True)]
)
def test_a_certificate_that_is_not_for_signatures_binds_nothing(
    usage: x509.KeyUsage | None, acme: Party, root: Authority
) -> None:
    with pytest.raises(UnboundKey, match="authority"):
        _bound(acme, [seal_of(acme.private.public_key(), root, usage=usage)], [root.der])


def test_a_certificate_must_name_one_organisation(acme: Party, root: Authority) -> None:
    person = distinguished((NameOID.COMMON_NAME, "Somebody"))
    with pytest.raises(UnboundKey, match="no organisation"):
        _bound(acme, [seal_of(acme.private.public_key(), root, person)], [root.der])
    two = distinguished((NameOID.ORGANIZATION_NAME, "Acme"), (NameOID.ORGANIZATION_NAME, "Globex"))
    with pytest.raises(UnboundKey, match="several"):
        _bound(acme, [seal_of(acme.private.public_key(), root, two)], [root.der])


def test_an_ed25519_key_cannot_be_bound(root: Authority) -> None:
    private = ed25519.Ed25519PrivateKey.generate()
    certificate = certify(
        private.public_key(), ORGANIZATION, root, root.private, usage=usage_of(digital_signature=True)
    )
    key = SigningKey(f"{ACME}#ed", private).verification_key()
    with pytest.raises(UnboundKey):
        bind_key(key, [certificate.public_bytes(serialization.Encoding.DER)], [root.der], now_ms=NOW_MS)


@pytest.mark.parametrize("chain", [[], [b""], [b"0" * 20_000], [b"\x30\x00"], [b"x"] * 9])
def test_what_is_no_chain_binds_nothing(chain: list[bytes], acme: Party, root: Authority) -> None:
    with pytest.raises(UnboundKey):
        _bound(acme, chain, [root.der])


def test_every_changed_byte_of_a_certificate_breaks_it(acme: Party, root: Authority) -> None:
    seal = seal_of(acme.private.public_key(), root)
    for position in range(0, len(seal), 7):
        changed = seal[:position] + bytes((seal[position] ^ 1,)) + seal[position + 1 :]
        with pytest.raises(UnboundKey):
            _bound(acme, [changed], [root.der])


@pytest.mark.parametrize("version", [1, 3, 127])
def test_a_certificate_of_an_unknown_version_binds_nothing(
    version: int, acme: Party, root: Authority, middle: Authority
) -> None:
    # RFC 5280, 4.1.2.1: the version stands in [0] EXPLICIT, and v3 is 2.
    seal = seal_of(acme.private.public_key(), middle)
    strange = seal.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01" + bytes((version,)), 1)
    assert strange != seal
    with pytest.raises(UnboundKey, match="no certificate"):
        _bound(acme, [strange, middle.der], [root.der])


def test_a_chain_whose_names_cannot_be_read_binds_nothing(
    acme: Party, root: Authority, middle: Authority
) -> None:
    # 0xFF is in no UTF-8 (RFC 3629, 3); the parser looks into a name only on the way to the authority.
    seal = seal_of(acme.private.public_key(), middle)
    strange = [der.replace(b"Seal Authority", b"\xffeal Authority") for der in (seal, middle.der)]
    with pytest.raises(UnboundKey):
        _bound(acme, strange, [root.der])


def test_the_chain_stands_in_the_jwk_in_base64(acme: Party, root: Authority) -> None:
    seal = seal_of(acme.private.public_key(), root)
    jwk: dict[str, object] = dict(acme.key.public_jwk())
    assert chain_of(jwk) == ()
    texts = [base64.b64encode(der).decode() for der in (seal, root.der)]
    assert chain_of(jwk | {"x5c": texts}) == (seal, root.der)


def test_a_chain_travels_in_the_document_of_a_did(acme: Party, root: Authority) -> None:
    seal = seal_of(acme.private.public_key(), root)
    texts = (base64.b64encode(seal).decode(),)
    data = did_document(ACME, [acme.key.verification_key()], [], {acme.kid: texts})
    document = parse_did_document(data, ACME)
    assert document.chains == {acme.kid: (seal,)}
    key = document.methods[acme.kid]
    assert bind_key(key, document.chains[key.kid], [root.der], now_ms=NOW_MS).name == "Acme Cells K.K."


def test_a_malformed_chain_in_a_document_binds_nobody_and_leaves_the_key(acme: Party) -> None:
    jwk = acme.key.public_jwk() | {"x5c": "AAAA"}
    method = {"id": acme.kid, "type": "JsonWebKey", "controller": ACME, "publicKeyJwk": jwk}
    document = parse_did_document(json.dumps({"id": ACME, "verificationMethod": [method]}).encode(), ACME)
    assert document.chains == {}
    assert acme.kid in document.methods


@pytest.mark.parametrize("value", ["AAAA", [], [5], ["*"], ["AA_A"], ["AAAA"] * 9, ["A" * 30_000]], ids=str)
def test_a_malformed_x5c_is_refused(value: object) -> None:
    with pytest.raises(UnusableKey):
        chain_of({"x5c": value})


def test_a_bound_organisation_cannot_be_made_by_hand() -> None:
    with pytest.raises(TypeError, match="bind_key"):
        BoundOrganization("k", "n", None, None, "a", b"", 0, object())
