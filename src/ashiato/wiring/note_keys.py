"""Ed25519 keys for notes (checkpoints and cosignatures), in files of their own beside the database."""

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ashiato.connector.node import Tenant
from ashiato.log.notes import COSIGNATURE_V1, MalformedNote, NoteKey, Sign, parse_key
from ashiato.trust.keys import encode_private_key
from ashiato.wiring.settings import BadSettings


def key_in(path: Path, passphrase: bytes | None) -> Ed25519PrivateKey:
    """The key in that file; a new one, for its owner alone, where there is no file. Raises `BadSettings`."""
    try:
        private = load_pem_private_key(path.read_bytes(), passphrase)
    except FileNotFoundError:
        return _made(path, passphrase)
    except (ValueError, TypeError):
        raise BadSettings(f"{path} holds no key, or store.key_passphrase does not open it.") from None
    if not isinstance(private, Ed25519PrivateKey):
        raise BadSettings(f"{path} holds no Ed25519 key: put the one back that was there.")
    return private


def log_keys(texts: tuple[str, ...], setting: str) -> dict[str, NoteKey]:
    """Keys of logs by the names of the logs; raises `BadSettings`."""
    try:
        keys = [parse_key(text) for text in texts]
    except MalformedNote as error:
        raise BadSettings(f"{setting}: {error.problem}.") from None
    return {key.name: key for key in keys}


class WitnessKeyRing:
    """The witness keys of all participants, made from one secret: each cosigns under a key and a name of its own."""

    def __init__(self, secret: Ed25519PrivateKey, public_url: str) -> None:
        self._secret = secret.private_bytes_raw()
        self._host = public_url.partition("://")[2]
        self._made: dict[str, tuple[NoteKey, Sign]] = {}

    def of(self, tenant: Tenant) -> tuple[NoteKey, Sign]:
        """See `api.witness.WitnessKeys`."""
        made = self._made.get(tenant.participant_id)
        if made is None:
            info = b"ashiato witness v1\n" + tenant.participant_id.encode()
            seed = HKDF(SHA256(), 32, None, info).derive(self._secret)
            private = Ed25519PrivateKey.from_private_bytes(seed)
            name = f"{self._host}/{tenant.slug}/witness"
            key = NoteKey(name, COSIGNATURE_V1, private.public_key().public_bytes_raw())
            made = self._made[tenant.participant_id] = (key, private.sign)
        return made


def _made(path: Path, passphrase: bytes | None) -> Ed25519PrivateKey:
    private = Ed25519PrivateKey.generate()
    draft = path.with_suffix(".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(encode_private_key(private, passphrase=passphrase))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    return private
