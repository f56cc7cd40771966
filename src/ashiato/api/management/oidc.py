"""Bearer tokens of an OpenID provider (RFC 9068, OpenID Connect Core 1.0): read strictly, believed after every check."""

import asyncio
from collections.abc import Mapping
from typing import Protocol

import msgspec
import structlog

from ashiato.api.management.gate import Principal
from ashiato.api.management.problems import IdentityProviderUnavailable, NotAuthenticated
from ashiato.clients.egress import Egress, EgressError
from ashiato.facts.strict_json import MalformedJson, parse_strict
from ashiato.trust import base64url

ALGORITHMS = ("RS256", "ES256")
TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})
MOST_DOCUMENT_BYTES = 262_144
DISCOVERY_PATH = "/.well-known/openid-configuration"
FRESH_MS = 300_000
STALE_MS = 86_400_000
REFETCH_MS = 30_000
FIRST_REFETCH_MS = 2_000
MOST_TRIED_KEYS_COUNT = 8
LEEWAY_S = 10

log = structlog.get_logger(__name__)


class FetchFailed(Exception):
    """The document cannot be had now; `why` is for the operator's log."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Fetch(Protocol):
    """Port: gets a document over HTTP."""

    async def __call__(self, url: str) -> bytes:
        """The body of a 200; raises `FetchFailed`."""


class OidcRules(msgspec.Struct, frozen=True, kw_only=True):
    """Which tokens are believed.

    Without `jwks_url` it is read from the issuer's discovery document. `participants_claim` names the claim with the slugs that
    a token opens (a list, or words between spaces); a token with `operator_scope` in `scope` or `scp` opens the operator's
    routes.
    """

    issuer: str
    audience: str
    jwks_url: str = ""
    participants_claim: str = "ashiato_participants"
    operator_scope: str = "ashiato:operator"


class Oidc:
    """Verifies tokens against the provider's keys.

    Keys are fresh for five minutes and used for a day while the provider cannot be reached; an unknown `kid` fetches them anew.
    The provider is asked at most every 30 seconds, every 2 seconds until its first answer.
    """

    def __init__(self, rules: OidcRules, fetch: Fetch) -> None:
        self._rules = rules
        self._fetch = fetch
        self._keys: list[dict[str, object]] = []
        self._fetched_ms: int | None = None
        self._tried_ms: int | None = None
        self._lock = asyncio.Lock()

    async def verify(self, token: str, now_ms: int) -> Principal:
        """What the token opens; raises `NotAuthenticated` or `IdentityProviderUnavailable`.

        1. The text is three canonical base64url parts, header and payload strict JSON, the header without `crit`, `jwk`, `jku`
           and the like.
        2. `alg` is RS256 or ES256, `typ` is absent, JWT or at+jwt.
        3. A key of the provider with this `kid`, of the kind of `alg`, made the signature.
        4. `iss`, `aud`, `exp`, `nbf` and `iat` hold.
        """
        parts = token.split(".")
        header, claims = _members(parts[0], "header"), _members(parts[1], "payload")
        _check_header(header)
        kid = header.get("kid")
        keys = await self._keys_for(kid if isinstance(kid, str) else None, now_ms)
        if not any(_is_signed(token, str(header["alg"]), key) for key in keys):
            raise NotAuthenticated("The token is not signed with a key of the configured OpenID provider.")
        self._check_claims(claims, now_ms)
        slugs = _words(claims.get(self._rules.participants_claim))
        scopes = _words(claims.get("scope")) | _words(claims.get("scp"))
        return Principal(slugs, self._rules.operator_scope in scopes, f"sub:{claims.get('sub', '')}"[:200])

    def _check_claims(self, claims: dict[str, object], now_ms: int) -> None:
        from joserfc import jwt
        from joserfc.errors import JoseError

        registry = jwt.JWTClaimsRegistry(
            now=now_ms // 1000,
            leeway=LEEWAY_S,
            iss={"essential": True, "value": self._rules.issuer},
            aud={"essential": True, "value": self._rules.audience},
            exp={"essential": True},
        )
        try:
            registry.validate(claims)
        except JoseError as error:
            raise NotAuthenticated(
                f"The token does not hold here: {error.description or error.error}."
            ) from error

    async def _keys_for(self, kid: str | None, now_ms: int) -> list[dict[str, object]]:
        async with self._lock:
            is_fresh = _is_within(self._fetched_ms, now_ms, FRESH_MS)
            if not (is_fresh and self._matching(kid)):
                await self._refresh(now_ms)
            if not _is_within(self._fetched_ms, now_ms, STALE_MS):
                raise IdentityProviderUnavailable(
                    "The keys of the OpenID provider cannot be had now; try again in a moment."
                )
        return self._matching(kid)

    def _matching(self, kid: str | None) -> list[dict[str, object]]:
        # A token without kid is tried with every key, as long as there are few.
        return [key for key in self._keys if kid is None or key.get("kid") == kid][:MOST_TRIED_KEYS_COUNT]

    async def _refresh(self, now_ms: int) -> None:
        pause_ms = FIRST_REFETCH_MS if self._fetched_ms is None else REFETCH_MS
        if _is_within(self._tried_ms, now_ms, pause_ms):
            return
        self._tried_ms = now_ms
        try:
            self._keys = _key_set(await self._fetch(await self._key_set_url()))
            self._fetched_ms = now_ms
        except FetchFailed as error:
            log.warning("oidc keys unavailable", issuer=self._rules.issuer, why=error.why)

    async def _key_set_url(self) -> str:
        """From the settings, or as the issuer publishes it (OpenID Connect Discovery 1.0, 4.3)."""
        if self._rules.jwks_url:
            return self._rules.jwks_url
        document = _document(
            await self._fetch(self._rules.issuer.rstrip("/") + DISCOVERY_PATH), "discovery document"
        )
        if document.get("issuer") != self._rules.issuer:
            raise FetchFailed("the discovery document is of another issuer")
        url = document.get("jwks_uri")
        if not isinstance(url, str):
            raise FetchFailed("the discovery document names no jwks_uri")
        return url


def _is_within(since_ms: int | None, now_ms: int, limit_ms: int) -> bool:
    return since_ms is not None and 0 <= now_ms - since_ms < limit_ms


# Only what is public is handed to the library, whatever else a provider publishes by mistake.
_RSA_MEMBERS = ("kty", "n", "e")
_EC_MEMBERS = ("kty", "crv", "x", "y")
_FORBIDDEN_HEADERS = frozenset({"crit", "b64", "jwk", "jku", "x5u", "x5c", "zip", "enc"})


def egress_fetch(egress: Egress) -> Fetch:
    """The `Fetch` through the one way out of the program."""

    async def fetch(url: str) -> bytes:
        try:
            response = await egress.request(
                "GET", url, headers={"Accept": "application/json"}, max_response_bytes=MOST_DOCUMENT_BYTES
            )
        except EgressError as error:
            raise FetchFailed(str(error)) from error
        if response.status != 200:
            raise FetchFailed(f"the provider answers {response.status}")
        return response.body

    return fetch


def _check_header(header: Mapping[str, object]) -> None:
    if not _FORBIDDEN_HEADERS.isdisjoint(header):
        raise NotAuthenticated("The token's header holds a member that is not accepted.")
    if header.get("alg") not in ALGORITHMS:
        raise NotAuthenticated("The token's alg is not accepted; use RS256 or ES256.")
    typ = header.get("typ")
    if not (typ is None or (isinstance(typ, str) and typ.lower() in TYPES)):
        raise NotAuthenticated("The token's typ is not accepted; use an access token.")
    if "kid" in header and not isinstance(header["kid"], str):
        raise NotAuthenticated("The token's kid is not a string.")


def _is_signed(token: str, alg: str, jwk: Mapping[str, object]) -> bool:
    # Loaded here because most nodes use API keys and need not pay for it.
    from joserfc import jws
    from joserfc.errors import JoseError
    from joserfc.jwk import ECKey, RSAKey

    kind, members = (RSAKey, _RSA_MEMBERS) if alg == "RS256" else (ECKey, _EC_MEMBERS)
    public: dict[str, str | list[str]] = {name: str(jwk[name]) for name in members if name in jwk}
    try:
        return jws.deserialize_compact(token, kind.import_key(public), algorithms=[alg]) is not None
    except (JoseError, ValueError, KeyError) as error:
        log.info("oidc signature refused", why=str(error), kid=jwk.get("kid"))
        return False


def _members(part: str, what: str) -> dict[str, object]:
    try:
        members = parse_strict(base64url.decode(part), max_bytes=16_384, max_depth=16)
    except ValueError:
        raise NotAuthenticated(f"The token's {what} is malformed.") from None
    if not isinstance(members, dict):
        raise NotAuthenticated(f"The token's {what} is malformed.")
    return members


def _key_set(body: bytes) -> list[dict[str, object]]:
    keys = _document(body, "key set").get("keys")
    if not isinstance(keys, list):
        raise FetchFailed("the key set has no keys")
    return [key for key in keys if isinstance(key, dict) and key.get("use", "sig") == "sig"]


def _document(body: bytes, what: str) -> dict[str, object]:
    try:
        document = parse_strict(body, max_bytes=MOST_DOCUMENT_BYTES, max_depth=16)
    except MalformedJson as error:
        raise FetchFailed(f"the {what} is malformed: {error.problem}") from error
    if not isinstance(document, dict):
        raise FetchFailed(f"the {what} is no object")
    return document


def _words(claim: object) -> frozenset[str]:
    if isinstance(claim, str):
        return frozenset(claim.split())
    if isinstance(claim, list):
        return frozenset(word for word in claim if isinstance(word, str))
    return frozenset()
