"""Participants with keys of their own, and a forger who writes tokens that no honest mint would make."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from ashiato.trust.did import DidDocument, did_document, parse_did_document
from ashiato.trust.keys import SigningKey, VerificationKey, encode_private_key, load_signing_key

ACME = "did:web:acme.example"
GLOBEX = "did:web:globex.example%3A9000:connector"
NOW_MS = 1_764_000_000_500
NOW_S = 1_764_000_000


@dataclass(frozen=True)
class Party:
    """A participant: `private` and `key` are the same P-256 key under `kid`."""

    did: str
    kid: str
    private: ec.EllipticCurvePrivateKey
    key: SigningKey
    document: DidDocument


def new_party(did: str, fragment: str = "key-1") -> Party:
    """A participant with one fresh key that its DID document lists in every relation."""
    private = ec.generate_private_key(ec.SECP256R1())
    kid = f"{did}#{fragment}"
    key = load_signing_key(encode_private_key(private), kid)
    document = parse_did_document(did_document(did, [key.verification_key()], []), did)
    return Party(did, kid, private, key, document)


def b64(data: bytes) -> str:
    """Unpadded base64url, by the standard library alone."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def raw_signature(private: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    """ES256 as r||s."""
    r, s = decode_dss_signature(private.sign(data, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def forge(
    signer: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey,
    header: Mapping[str, object] | bytes,
    payload: Mapping[str, object] | bytes,
) -> str:
    """A compact JWS of exactly this header and payload, rightly signed by `signer`."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload)]
    signing_input = ".".join(b64(part) for part in parts)
    if isinstance(signer, ed25519.Ed25519PrivateKey):
        signature = signer.sign(signing_input.encode())
    else:
        signature = raw_signature(signer, signing_input.encode())
    return f"{signing_input}.{b64(signature)}"


def document_with(
    did: str, keys: Mapping[str, VerificationKey], relations: Mapping[str, list[str]]
) -> DidDocument:
    """A DID document whose relations are written out by the test."""
    methods = [
        {"id": kid, "type": "JsonWebKey2020", "controller": did, "publicKeyJwk": key.jwk()}
        for kid, key in keys.items()
    ]
    data = json.dumps({"id": did, "verificationMethod": methods, **relations}).encode()
    return parse_did_document(data, did)
