"""Who may use the management API. Nothing is open by default: without a configured key the program does not start."""

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from typing import Protocol

import msgspec

from ashiato.api.management.problems import NotAuthenticated

KEY_PREFIX = "ashiato_"
LONGEST_CREDENTIAL_LENGTH_COUNT = 16_384


class NoKeyConfigured(Exception):
    """The operator must configure an API key or an OpenID provider before the management API is served."""


class Principal(msgspec.Struct, frozen=True):
    """What a credential opens: participants by slug, the operator's routes, or both."""

    slugs: frozenset[str]
    is_operator: bool
    subject: str


class ParticipantKeys(Protocol):
    """Port: hashes of the participants' API keys, as this node knows them now."""

    def candidates(self, key_sha256: str) -> Iterable[tuple[str, str]]:
        """(slug, hexadecimal SHA-256) of the keys that may have this hash; the gate compares them."""

    def has_any(self) -> bool:
        """Whether any participant has a key."""


class BearerTokens(Protocol):
    """Port: verifies the tokens of an OpenID provider."""

    async def verify(self, token: str, now_ms: int) -> Principal:
        """What the token opens; raises `NotAuthenticated` or `IdentityProviderUnavailable`."""


class KeyList:
    """API keys from the configuration and those of participants that were added since; only hashes are held."""

    def __init__(self, keys: Mapping[str, Iterable[str]]) -> None:
        self._slugs: dict[str, str] = {sha256: slug for slug, hashes in keys.items() for sha256 in hashes}

    def add(self, slug: str, key_sha256: str) -> None:
        """From now on the key with this hash opens the participant."""
        self._slugs[key_sha256] = slug

    def remove(self, slug: str) -> None:
        """From now on no key opens the participant."""
        self._slugs = {sha256: owner for sha256, owner in self._slugs.items() if owner != slug}

    def candidates(self, key_sha256: str) -> Iterable[tuple[str, str]]:
        """See `ParticipantKeys`."""
        slug = self._slugs.get(key_sha256)
        return () if slug is None else ((slug, key_sha256),)

    def has_any(self) -> bool:
        """See `ParticipantKeys`."""
        return bool(self._slugs)


class Gate:
    """Admits a request by an API key (`X-Api-Key` or `Authorization: Bearer`) or by a token of the OpenID provider.

    An operator's key opens the operator's routes and no participant; a participant's key opens that participant alone.
    """

    def __init__(
        self,
        *,
        operator_key_hashes: Iterable[str] = (),
        participant_keys: ParticipantKeys | None = None,
        tokens: BearerTokens | None = None,
    ) -> None:
        self._operator_key_hashes = tuple(operator_key_hashes)
        self._participant_keys = participant_keys or KeyList({})
        self._tokens = tokens

    def check(self) -> None:
        """Raises `NoKeyConfigured` when nobody could ever be admitted."""
        if not (self._operator_key_hashes or self._participant_keys.has_any() or self._tokens):
            raise NoKeyConfigured(
                "The management API has no key: configure an operator key, a participant key or an OpenID provider."
            )

    async def admit(self, headers: Iterable[tuple[bytes, bytes]], now_ms: int) -> Principal:
        """What the request's credential opens; raises `NotAuthenticated` or `IdentityProviderUnavailable`."""
        credential = _credential(headers)
        principal = self._by_key(credential)
        if principal is not None:
            return principal
        if self._tokens is not None and credential.count(".") == 2:
            return await self._tokens.verify(credential, now_ms)
        raise NotAuthenticated("This API key is not known here.")

    def _by_key(self, key: str) -> Principal | None:
        digest = key_sha256(key)
        # Every operator key is compared, so that the time does not tell which one came near.
        is_operator = False
        for known in self._operator_key_hashes:
            is_operator |= hmac.compare_digest(known, digest)
        slugs = frozenset(
            slug
            for slug, known in self._participant_keys.candidates(digest)
            if hmac.compare_digest(known, digest)
        )
        if not (is_operator or slugs):
            return None
        return Principal(slugs, is_operator, f"key:{digest[:8]}")


def key_sha256(key: str) -> str:
    """The hexadecimal SHA-256 under which an API key is known. Keys are random, so no slow hash is needed."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def fresh_key() -> str:
    """A new API key with 256 random bits."""
    return KEY_PREFIX + secrets.token_urlsafe(32)


def _credential(headers: Iterable[tuple[bytes, bytes]]) -> str:
    found = []
    for name, value in headers:
        lowered = name.lower()
        if lowered == b"x-api-key":
            found.append(value.decode("latin-1").strip())
        elif lowered == b"authorization":
            scheme, _, rest = value.decode("latin-1").strip().partition(" ")
            if scheme.lower() != "bearer":
                raise NotAuthenticated("Send the key as 'Authorization: Bearer KEY' or as 'X-Api-Key: KEY'.")
            found.append(rest.strip())
    if not found:
        raise NotAuthenticated("An API key is needed: 'Authorization: Bearer KEY' or 'X-Api-Key: KEY'.")
    # Two credentials leave open whose request it is.
    if len(found) > 1:
        raise NotAuthenticated("The request brings more than one credential; send one.")
    if not found[0] or len(found[0]) > LONGEST_CREDENTIAL_LENGTH_COUNT:
        raise NotAuthenticated("The credential is empty or too long.")
    return found[0]
