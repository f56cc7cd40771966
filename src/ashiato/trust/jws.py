"""Compact JWS (RFC 7515) for signed claims: read strictly before anything in it is believed."""

import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

import msgspec

from ashiato.facts.strict_json import MalformedJson, parse_strict
from ashiato.trust import base64url
from ashiato.trust.did import DidDocument, Relation
from ashiato.trust.keys import HEADER_OF, KIND_OF, Algorithm, KeyIdentity, SigningKey, VerificationKey

MAX_TOKEN_CHARS = 16_384
MAX_ID_CHARS = 256
MAX_DID_CHARS = 512
_MAX_DEPTH = 16
_MAX_PROBLEM_CHARS = 200
# The last second of the year 9999: a later date is a forgery or milliseconds taken for seconds.
_LAST_SECOND = 253_402_300_799

_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
# Each of these lets the sender choose the key or change what is signed; none is needed between participants.
_FORBIDDEN_HEADERS = ("crit", "b64", "jwk", "jku", "x5u", "x5c", "zip", "enc")

WhyCode = Literal[
    "too_large",
    "not_compact",
    "not_canonical",
    "not_json",
    "header_not_allowed",
    "alg_not_allowed",
    "wrong_typ",
    "missing_claim",
    "malformed_claim",
    "issuer_is_not_subject",
    "wrong_audience",
    "wrong_document",
    "no_key",
    "unknown_key",
    "foreign_key",
    "key_not_for_this_use",
    "wrong_signature",
    "not_yet_valid",
    "expired",
    "lives_too_long",
    "wrong_request",
    "wrong_access_token",
    "wrong_parties",
    "wrong_context",
    "wrong_type",
    "wrong_issuer",
    "wrong_subject",
    "wrong_holder",
    "wrong_nonce",
    "inconsistent_claim",
    "mixed_profiles",
    "not_presented",
    "wrong_status_entry",
    "wrong_status_list",
    "index_out_of_range",
]


class TokenRefused(Exception):
    """The sender of the token must mend it. `why_code` is stable for machines, `sentence` says what to do."""

    def __init__(self, why_code: WhyCode, sentence: str) -> None:
        super().__init__(sentence)
        self.why_code = why_code
        self.sentence = sentence


class MalformedToken(TokenRefused):
    """The text breaks the form of a token; nothing in it was believed."""


class UntrustedSignature(TokenRefused):
    """The key is not the named party's for this use, or did not make this signature."""


class OutOfTime(TokenRefused):
    """The token is expired, not yet valid or valid for too long; a fresh one, or a right clock, mends it."""


class MisdirectedToken(TokenRefused):
    """The token is real or may be, and was made for another party, request or purpose."""


class CompactJws(msgspec.Struct, frozen=True):
    """A well-formed JWS whose signature nobody has checked yet."""

    header: Mapping[str, object]
    payload: bytes
    signing_input: bytes
    signature: bytes

    @property
    def kid(self) -> str | None:
        kid = self.header.get("kid")
        return kid if isinstance(kid, str) else None


def sign_compact(key: SigningKey, typ: str, payload: bytes, *, cty: str | None = None) -> str:
    """The compact JWS of `payload` under `key`: `alg`, `typ` and `kid` in the protected header."""
    data = signing_input(key, typ, payload, cty=cty)
    return assemble(data, key.sign(data))


def signing_input(signer: KeyIdentity, typ: str, payload: bytes, *, cty: str | None = None) -> bytes:
    """The bytes that `signer` must sign for `payload` (RFC 7515, 5.1, step 8), for a key that signs elsewhere.

    Its signature over them (64 bytes, as `SigningKey.sign` makes it) goes to `assemble`.
    """
    return f"{_header_text(signer.kid, signer.algorithm, typ, cty)}.{base64url.encode(payload)}".encode(
        "ascii"
    )


def assemble(data: bytes, signature: bytes) -> str:
    """The compact JWS of a `signing_input` and the signature over it."""
    return f"{data.decode('ascii')}.{base64url.encode(signature)}"


@lru_cache(maxsize=4096)
def _header_text(kid: str, algorithm: Algorithm, typ: str, cty: str | None) -> str:
    header = {"alg": HEADER_OF[algorithm], "typ": typ} | ({"cty": cty} if cty else {}) | {"kid": kid}
    return base64url.encode(msgspec.json.encode(header))


def parse_compact(text: str, *, typs: frozenset[str | None], max_chars: int = MAX_TOKEN_CHARS) -> CompactJws:
    """The parts of `text`; `typs` are the accepted values of the header `typ` (`None`: it may be absent).

    Raises `MalformedToken` for everything that two readers could read differently or that lets the sender
    choose the key: size, padding, spare bits, duplicate keys, `alg` outside ES256 and EdDSA, `crit`, `b64`,
    `jwk`, `jku`, `x5u`, `x5c` (RFC 8725, 3.1 and 3.10 to 3.11).
    """
    if len(text) > max_chars:
        raise MalformedToken(
            "too_large", f"the token is longer than {max_chars} characters; send a smaller one"
        )
    match = _COMPACT.fullmatch(text)
    if match is None:
        raise MalformedToken(
            "not_compact", "the token is not three base64url parts with a dot between; send a JWS"
        )
    if match.end(1) > MAX_TOKEN_CHARS:
        raise MalformedToken("too_large", f"the token's header is longer than {MAX_TOKEN_CHARS} characters")
    try:
        header_bytes, payload, signature = (base64url.decode(part) for part in match.groups())
    except ValueError as error:
        raise MalformedToken(
            "not_canonical", f"a part of the token is not canonical base64url: {error}"
        ) from None
    header = parse_members(header_bytes, "header")
    _check_header(header, typs)
    return CompactJws(header, payload, text[: match.end(2)].encode("ascii"), signature)


def parse_members(data: bytes, what: str, *, max_bytes: int = MAX_TOKEN_CHARS) -> Mapping[str, object]:
    """The JSON object in a part of a token, read-only; raises `MalformedToken`."""
    try:
        members = parse_strict(data, max_bytes=max_bytes, max_depth=_MAX_DEPTH)
    except MalformedJson as error:
        problem = error.problem[:_MAX_PROBLEM_CHARS]
        raise MalformedToken("not_json", f"the token's {what} is not strict JSON: {problem}") from None
    if not isinstance(members, dict):
        raise MalformedToken("not_json", f"the token's {what} is not a JSON object")
    return MappingProxyType(members)


def _check_header(header: Mapping[str, object], typs: frozenset[str | None]) -> None:
    for name in _FORBIDDEN_HEADERS:
        if name in header:
            raise MalformedToken("header_not_allowed", f"the token's header holds {name!r}; leave it out")
    alg = header.get("alg")
    if not isinstance(alg, str) or alg not in KIND_OF:
        raise MalformedToken("alg_not_allowed", "the token's alg is not accepted; sign with ES256 or EdDSA")
    typ = header.get("typ")
    if not isinstance(typ, str | None) or typ not in typs or ("typ" in header and typ is None):
        wanted = " or ".join(sorted(name for name in typs if name is not None))
        raise MalformedToken("wrong_typ", f"the token's typ is not {wanted}; a token serves one purpose only")
    if "kid" in header and not isinstance(header["kid"], str):
        raise MalformedToken(
            "header_not_allowed", "the token's kid is not a string; name the key by its DID URL"
        )


def choose_key(jws: CompactJws, document: DidDocument, relation: Relation) -> VerificationKey:
    """The key of `document` that must have signed `jws`: by `kid`, or the only one (DCP 1.0, 4.3.3, step 3).

    Raises `UntrustedSignature` when there is no such key or it does not stand in `relation`.
    """
    kid = jws.kid
    if kid is None:
        if len(document.methods) != 1 or document.method_count != 1:
            raise UntrustedSignature(
                "no_key", f"the token names no key and {document.did} has several; set kid"
            )
        kid = next(iter(document.methods))
    return key_named(kid, document, relation)


def key_named(kid: str, document: DidDocument, relation: Relation) -> VerificationKey:
    """The key of `document` with this full DID URL, if it stands in `relation`; raises `UntrustedSignature`."""
    if not kid.startswith(document.did + "#"):
        raise UntrustedSignature(
            "foreign_key", f"the key that is named does not belong to {document.did}; sign with its key"
        )
    key = document.methods.get(kid)
    if key is None:
        raise UntrustedSignature(
            "unknown_key", f"the DID document of {document.did} has no usable key {kid[:256]!r}"
        )
    if kid not in document.relations[relation]:
        raise UntrustedSignature(
            "key_not_for_this_use", f"the key {kid} lacks {relation} in its DID document"
        )
    return key


def check_signature(jws: CompactJws, key: VerificationKey) -> None:
    """Raises `UntrustedSignature` unless `key` fits the header's `alg` and made the signature."""
    if KIND_OF.get(jws.header["alg"]) != key.kind:
        raise UntrustedSignature("wrong_signature", f"the token's alg does not fit the key {key.kid}")
    if not key.verify(jws.signature, jws.signing_input):
        raise UntrustedSignature(
            "wrong_signature", f"the signature was not made by the key {key.kid} over this token"
        )


def text_claim(claims: Mapping[str, object], name: str, *, max_chars: int = MAX_ID_CHARS) -> str:
    """The claim as text of 1 to `max_chars` characters; raises `MalformedToken`."""
    value = claims.get(name)
    if value is None:
        raise MalformedToken("missing_claim", f"the token lacks the claim {name!r}; add it")
    if not isinstance(value, str) or not 0 < len(value) <= max_chars:
        raise MalformedToken(
            "malformed_claim", f"the claim {name!r} is not a text of 1 to {max_chars} characters"
        )
    return value


def single_audience(claims: Mapping[str, object]) -> str:
    """The one audience: a token for several could be replayed by one of them to another."""
    value = claims.get("aud")
    if isinstance(value, list):
        if len(value) != 1:
            raise MalformedToken("malformed_claim", "the token must have exactly one audience")
        return text_claim({"aud": value[0]}, "aud", max_chars=MAX_DID_CHARS)
    return text_claim(claims, "aud", max_chars=MAX_DID_CHARS)


def date_claim(claims: Mapping[str, object], name: str) -> int:
    """The NumericDate claim in whole seconds of the Unix epoch; raises `MalformedToken`.

    RFC 7519, 2 also allows fractions; whole seconds are what issuers write, and a float invites rounding
    tricks.
    """
    value = claims.get(name)
    if value is None:
        raise MalformedToken("missing_claim", f"the token lacks the claim {name!r}; add it")
    if type(value) is not int or not 0 <= value <= _LAST_SECOND:
        raise MalformedToken(
            "malformed_claim", f"the claim {name!r} is not a whole number of seconds of the Unix epoch"
        )
    return value
