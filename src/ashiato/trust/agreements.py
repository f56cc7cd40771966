"""Agreements signed by both sides: a detached JWS (RFC 7515, appendix F) over canonical JSON (RFC 8785).

What is signed is not the message but a statement about the agreement: its document, and beside it, in plain members, what
both sides must have understood alike (id, parties, target, time, hash of the rules, framework). Both sides write the
statement themselves from the agreement that they hold, so a signature over anything else does not fit.
"""

from collections.abc import Mapping
from dataclasses import InitVar, dataclass

import msgspec
import rfc8785

from ashiato.trust import base64url, jws
from ashiato.trust.did import DidDocument
from ashiato.trust.jws import MalformedToken, TokenRefused, UntrustedSignature
from ashiato.trust.keys import VerificationKey
from ashiato.trust.signing import Signer

TYP = "ashiato-agreement+jws"
STATEMENT_TYPE = "SignedAgreement"
MAX_SIGNATURE_CHARS = 2048

_TYPS: frozenset[str | None] = frozenset({TYP})
# Parsed in the place of the payload, which is not sent: an empty JSON object.
_NO_PAYLOAD = "e30"
_DOOR = object()


class UnsignableAgreement(ValueError):
    """The agreement has no canonical form (a number beyond 2^53, a lone surrogate): its author must write it otherwise."""


class DetachedSignature(msgspec.Struct, frozen=True):
    """A well-formed signature that nobody has checked; `kid` says which key to fetch."""

    kid: str
    text: str
    head: str
    parsed: jws.CompactJws


@dataclass(frozen=True, slots=True)
class VerifiedAgreementSignature:
    """A signature of `signer_id` over one agreement, made by a key of its DID document. Only `verify` makes one."""

    signer_id: str
    kid: str
    jwk: Mapping[str, str]
    text: str
    door: InitVar[object]

    def __post_init__(self, door: object) -> None:
        if door is not _DOOR:
            raise TypeError("a VerifiedAgreementSignature comes from verify only")


def statement(document: Mapping[str, object], policy_hash: str, framework: str | None) -> bytes:
    """The canonical bytes that both parties sign for the ODRL Agreement `document`; raises `UnsignableAgreement`.

    Integer right operands are written as text, as the protocol sends them: so both sides write the same, whoever holds the
    message and whoever holds what was sent.
    """
    members: dict[str, object] = {
        "type": STATEMENT_TYPE,
        "agreementId": document.get("@id"),
        "assigner": document.get("assigner"),
        "assignee": document.get("assignee"),
        "target": document.get("target"),
        "timestamp": document.get("timestamp"),
        "policyHash": policy_hash,
        "agreement": as_sent(document),
    }
    if framework is not None:
        members["framework"] = framework
    try:
        return rfc8785.dumps(members)  # type: ignore[arg-type]  # typed for literal JSON only; it checks at run time
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError) as error:
        raise UnsignableAgreement(f"the agreement has no canonical form: {error}") from None


def as_sent(document: Mapping[str, object]) -> dict[str, object]:
    """The agreement as it goes over the wire: its integer right operands are text there."""
    return {member: _with_text_operands(value) for member, value in document.items()}


async def sign(signer: Signer, text: bytes) -> str:
    """The detached JWS of a statement; raises `SigningFailed`."""
    head = _head(signer)
    return _assembled(head, await signer.sign(_input(head, text)))


def sign_now(signer: Signer, text: bytes) -> str | None:
    """The same, when the key is at hand; None when it must be awaited."""
    head = _head(signer)
    signature = signer.sign_now(_input(head, text))
    return None if signature is None else _assembled(head, signature)


def parse(text: object) -> DetachedSignature:
    """The parts of a detached signature; raises `MalformedToken`."""
    if not isinstance(text, str) or len(text) > MAX_SIGNATURE_CHARS:
        raise MalformedToken(
            "too_large", f"the signature is not a text of at most {MAX_SIGNATURE_CHARS} characters"
        )
    head, dots, tail = text.partition("..")
    if not dots or "." in tail:
        raise MalformedToken(
            "not_compact", "the signature is not a detached JWS: header, two dots, signature"
        )
    parsed = jws.parse_compact(f"{head}.{_NO_PAYLOAD}.{tail}", typs=_TYPS)
    if parsed.kid is None:
        raise MalformedToken("no_key", "the signature names no key; set kid to the DID URL of the key")
    return DetachedSignature(parsed.kid, text, head, parsed)


def verify(
    signature: DetachedSignature, text: bytes, document: DidDocument, signer_id: str
) -> VerifiedAgreementSignature:
    """The signature as that of `signer_id` over the statement `text`; its key must stand in `assertionMethod`.

    Raises `TokenRefused`: the signer must sign again, over the agreement as it stands and with a key that it publishes.
    """
    if document.did != signer_id:
        raise UntrustedSignature("wrong_document", f"the DID document is not that of {signer_id}")
    key = jws.choose_key(signature.parsed, document, "assertionMethod")
    return verify_with_key(signature, text, key, signer_id)


def verify_with_key(
    signature: DetachedSignature, text: bytes, key: VerificationKey, signer_id: str
) -> VerifiedAgreementSignature:
    """The same under one key that the caller knows to be the signer's; raises `TokenRefused`."""
    if signature.kid != key.kid or not key.kid.startswith(signer_id + "#"):
        raise UntrustedSignature("foreign_key", f"the signature's key is not one of {signer_id}")
    signed = msgspec.structs.replace(signature.parsed, signing_input=_input(signature.head, text))
    jws.check_signature(signed, key)
    return VerifiedAgreementSignature(signer_id, key.kid, key.jwk(), signature.text, _DOOR)


__all__ = [
    "DetachedSignature",
    "TokenRefused",
    "UnsignableAgreement",
    "VerifiedAgreementSignature",
    "as_sent",
    "parse",
    "sign",
    "sign_now",
    "statement",
    "verify",
    "verify_with_key",
]


def _head(signer: Signer) -> str:
    header = {"alg": signer.algorithm, "typ": TYP, "kid": signer.kid}
    return base64url.encode(msgspec.json.encode(header))


def _input(head: str, text: bytes) -> bytes:
    return f"{head}.{base64url.encode(text)}".encode("ascii")


def _assembled(head: str, signature: bytes) -> str:
    return f"{head}..{base64url.encode(signature)}"


def _with_text_operands(node: object) -> object:
    if isinstance(node, Mapping):
        return {
            member: str(value)
            if member == "rightOperand" and type(value) is int
            else _with_text_operands(value)
            for member, value in node.items()
        }
    return [_with_text_operands(item) for item in node] if isinstance(node, list | tuple) else node
