"""What signs for a participant: a key in memory, or one that lies elsewhere and may be slow."""

from typing import Protocol

from ashiato.trust.keys import KeyIdentity, SigningKey


class SigningFailed(Exception):
    """The keeper of the key did not sign now; whoever runs it must look, and the act may be tried again."""

    def __init__(self, kid: str, why: str) -> None:
        super().__init__(f"the key {kid} did not sign: {why}")
        self.kid = kid
        self.why = why


class Signer(KeyIdentity, Protocol):
    """Port: signs with one key of a participant.

    A key store of hardware or of a cloud (PKCS#11, KMS) is another implementation: it answers `sign_now` with None.
    """

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
        self.algorithm = key.algorithm

    def sign_now(self, data: bytes) -> bytes | None:
        """See `Signer`."""
        return self._key.sign(data)

    async def sign(self, data: bytes) -> bytes:
        """See `Signer`."""
        return self._key.sign(data)
