"""What signs for a participant: a key in memory, or one that lies elsewhere and may be slow."""

from typing import Literal, Protocol

from ashiato.trust.keys import SigningKey

SignatureAlgorithm = Literal["ES256", "Ed25519"]


class SigningFailed(Exception):
    """The keeper of the key did not sign now; whoever runs it must look, and the act may be tried again."""

    def __init__(self, kid: str, why: str) -> None:
        super().__init__(f"the key {kid} did not sign: {why}")
        self.kid = kid
        self.why = why


class Signer(Protocol):
    """Port: signs with one key under its full DID URL `kid`.

    A key store of hardware or of a cloud (PKCS#11, KMS) is another implementation: it answers `sign_now` with None.
    """

    @property
    def kid(self) -> str: ...
    @property
    def did(self) -> str: ...
    @property
    def algorithm(self) -> SignatureAlgorithm: ...
    def sign_now(self, data: bytes) -> bytes | None:
        """The signature when it takes nothing but computing (as inside a unit of work), else None."""

    async def sign(self, data: bytes) -> bytes:
        """The signature (64 bytes); raises `SigningFailed`."""


class LocalSigner:
    """A key in the memory of this process: it signs at once, and always the same."""

    __slots__ = ("_key", "algorithm", "did", "kid")

    def __init__(self, key: SigningKey) -> None:
        self._key = key
        self.kid = key.kid
        self.did = key.did
        self.algorithm: SignatureAlgorithm = "ES256" if key.public_jwk()["kty"] == "EC" else "Ed25519"

    def sign_now(self, data: bytes) -> bytes | None:
        """See `Signer`."""
        return self._key.sign(data)

    async def sign(self, data: bytes) -> bytes:
        """See `Signer`."""
        return self._key.sign(data)
