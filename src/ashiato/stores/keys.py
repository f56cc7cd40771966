"""Private keys at rest: made here, sealed with AES-GCM before they reach a database, opened only in memory.

The safe's own key lies in a file that only its owner can read, or is derived from a passphrase, and then the file holds the
salt. Whoever has the database without that file (and passphrase) has no key.
"""

import os
import stat
from pathlib import Path
from typing import Literal

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from ashiato.stores.participants import SealedKey
from ashiato.stores.received_files import sync_folder
from ashiato.trust.keys import KeyKind, SigningKey, encode_private_key, load_signing_key

KEY_BYTES = 32
NONCE_BYTES = 12
SCRYPT_COST = 2**15
_PROOF = b"the safe opens"


class KeyFileUnusable(Exception):
    """The key file cannot be used: the operator must act."""


class SealBroken(Exception):
    """A sealed key was not sealed with this key file, for this id, or was changed: the operator must restore the right one."""

    def __init__(self, kid: str) -> None:
        super().__init__(
            f"The key {kid} does not open with this key file; restore the key file that belongs to the database."
        )
        self.kid = kid


class _KeyFile(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in the key file. `secret` is the key itself or, for `scrypt`, the salt; `proof` tells a wrong passphrase."""

    kind: Literal["key", "scrypt"]
    secret: bytes
    proof: bytes


class KeySafe:
    """Seals and opens signing keys. A sealed key opens only under the `kid` for which it was sealed."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def new_key(self, kid: str, kind: KeyKind = "P-256") -> SealedKey:
        """A fresh key, sealed."""
        if kind == "Ed25519":
            return self.seal(kid, encode_private_key(Ed25519PrivateKey.generate()))
        return self.seal(kid, encode_private_key(ec.generate_private_key(ec.SECP256R1())))

    def seal(self, kid: str, pem: bytes) -> SealedKey:
        """Seal the PEM of a key that comes from elsewhere."""
        return SealedKey(kid=kid, sealed_pem=self.encrypt(pem, kid.encode()))

    def open(self, sealed: SealedKey) -> SigningKey:
        """The key, ready to sign; raises `SealBroken`."""
        try:
            pem = self.decrypt(sealed.sealed_pem, sealed.kid.encode())
        except InvalidTag:
            raise SealBroken(sealed.kid) from None
        return load_signing_key(pem, sealed.kid)

    def encrypt(self, plain: bytes, bound_to: bytes) -> bytes:
        """Nonce and ciphertext of `plain`, which opens only together with `bound_to`."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, bound_to)

    def decrypt(self, sealed: bytes, bound_to: bytes) -> bytes:
        """What was encrypted; raises `cryptography.exceptions.InvalidTag`."""
        if len(sealed) < NONCE_BYTES:
            raise InvalidTag
        return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound_to)


def open_safe(path: Path, passphrase: bytes | None = None) -> KeySafe:
    """The safe of the key file at `path`, which is made when there is none. Raises `KeyFileUnusable`."""
    try:
        found = _read(path)
    except FileNotFoundError:
        return _make(path, passphrase)
    except OSError as error:
        raise KeyFileUnusable(f"The key file {path} cannot be read: {error.strerror}.") from None
    safe = KeySafe(_key(found, path, passphrase))
    try:
        safe.decrypt(found.proof, _PROOF)
    except InvalidTag:
        raise KeyFileUnusable(f"The key file {path} does not open; check the passphrase.") from None
    return safe


def _read(path: Path) -> _KeyFile:
    with path.open("rb") as file:
        if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
            raise KeyFileUnusable(f"Others may read the key file {path}; run: chmod 600 {path}")
        text = file.read()
    try:
        found = msgspec.json.decode(text, type=_KeyFile)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise KeyFileUnusable(f"{path} is no key file of this program.") from None
    if len(found.secret) != KEY_BYTES:
        raise KeyFileUnusable(f"{path} is a damaged key file; restore it from a backup.")
    return found


def _key(found: _KeyFile, path: Path, passphrase: bytes | None) -> bytes:
    if found.kind == "key":
        if passphrase is not None:
            raise KeyFileUnusable(f"The key file {path} has no passphrase, but one is set; remove it.")
        return found.secret
    if passphrase is None:
        raise KeyFileUnusable(f"The key file {path} needs its passphrase.")
    return _derived(passphrase, found.secret)


def _derived(passphrase: bytes, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=KEY_BYTES, n=SCRYPT_COST, r=8, p=1).derive(passphrase)


def _make(path: Path, passphrase: bytes | None) -> KeySafe:
    secret = os.urandom(KEY_BYTES)
    safe = KeySafe(secret if passphrase is None else _derived(passphrase, secret))
    content = _KeyFile(
        kind="key" if passphrase is None else "scrypt",
        secret=secret,
        proof=safe.encrypt(b"", _PROOF),
    )
    draft = path.with_name(f"{path.name}.{os.urandom(8).hex()}.new")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(content))
            file.flush()
            os.fsync(file.fileno())
        try:
            # A link, because it refuses to replace: of two processes that start at once one makes the key, both use it.
            os.link(draft, path)
        finally:
            draft.unlink()
        sync_folder(path.parent)
    except FileExistsError:
        return open_safe(path, passphrase)
    except OSError as error:
        raise KeyFileUnusable(f"The key file {path} cannot be made: {error.strerror}.") from None
    return safe
