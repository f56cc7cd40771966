import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from cryptography.exceptions import InvalidTag

from ashiato.stores.keys import KeyFileUnusable, SealBroken, open_safe
from ashiato.stores.participants import SealedKey
from ashiato.trust.keys import load_signing_key

KID = "did:web:maker.example#key-1"


def test_a_sealed_key_signs_after_a_restart(tmp_path: Path) -> None:
    sealed = open_safe(tmp_path / "safe").new_key(KID)
    key = open_safe(tmp_path / "safe").open(sealed)
    assert key.kid == KID
    assert key.verification_key().verify(key.sign(b"data"), b"data")


def test_the_key_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "safe"
    open_safe(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [found.name for found in tmp_path.iterdir()] == ["safe"]
    path.chmod(0o640)
    with pytest.raises(KeyFileUnusable, match="chmod 600"):
        open_safe(path)


def test_no_private_key_stands_in_what_is_stored(tmp_path: Path) -> None:
    safe = open_safe(tmp_path / "safe")
    sealed = safe.new_key(KID)
    assert b"PRIVATE" not in sealed.sealed_pem
    assert safe.new_key(KID).sealed_pem != sealed.sealed_pem
    assert b"PRIVATE" in safe.decrypt(sealed.sealed_pem, KID.encode())


def test_a_sealed_key_opens_under_its_own_id_alone(tmp_path: Path) -> None:
    safe = open_safe(tmp_path / "safe")
    sealed = safe.new_key(KID)
    with pytest.raises(SealBroken, match="other"):
        safe.open(SealedKey(kid="did:web:other.example#key-1", sealed_pem=sealed.sealed_pem))


@pytest.mark.parametrize("position", [0, 20, -1])
def test_a_sealed_key_that_was_changed_does_not_open(tmp_path: Path, position: int) -> None:
    safe = open_safe(tmp_path / "safe")
    damaged = bytearray(safe.new_key(KID).sealed_pem)
    damaged[position] ^= 1
    with pytest.raises(SealBroken):
        safe.open(SealedKey(kid=KID, sealed_pem=bytes(damaged)))
    with pytest.raises(SealBroken):
        safe.open(SealedKey(kid=KID, sealed_pem=b""))


def test_another_key_file_does_not_open_it(tmp_path: Path) -> None:
    sealed = open_safe(tmp_path / "safe").new_key(KID)
    with pytest.raises(SealBroken, match="restore the key file"):
        open_safe(tmp_path / "other").open(sealed)


def test_a_passphrase_is_needed_again_and_must_be_the_same(tmp_path: Path) -> None:
    path = tmp_path / "safe"
    sealed = open_safe(path, b"right").new_key(KID)
    assert open_safe(path, b"right").open(sealed).kid == KID
    with pytest.raises(KeyFileUnusable, match="check the passphrase"):
        open_safe(path, b"wrong")
    with pytest.raises(KeyFileUnusable, match="needs its passphrase"):
        open_safe(path)


def test_with_a_passphrase_the_key_file_alone_opens_nothing(tmp_path: Path) -> None:
    path = tmp_path / "safe"
    sealed = open_safe(path, b"right").new_key(KID)
    content = msgspec.json.decode(path.read_bytes())
    path.write_bytes(msgspec.json.encode({**content, "kind": "key"}))
    with pytest.raises(KeyFileUnusable):
        open_safe(path)
    assert b"right" not in path.read_bytes()
    assert sealed.sealed_pem


def test_a_passphrase_for_a_file_without_one_is_an_error(tmp_path: Path) -> None:
    open_safe(tmp_path / "safe")
    with pytest.raises(KeyFileUnusable, match="has no passphrase"):
        open_safe(tmp_path / "safe", b"some")


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"\xff", b'{"kind":"key","secret":"AAAA","proof":"AAAA"}']
)
def test_a_file_that_is_no_key_file_is_told_as_such(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "safe"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyFileUnusable):
        open_safe(path)


def test_a_folder_that_is_not_there_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(KeyFileUnusable, match="cannot be made"):
        open_safe(tmp_path / "no" / "safe")
    with pytest.raises(KeyFileUnusable, match="cannot be read"):
        open_safe(tmp_path)


def test_processes_that_start_together_share_one_key(tmp_path: Path) -> None:
    path = tmp_path / "safe"
    with ThreadPoolExecutor(8) as threads:
        safes = list(threads.map(lambda _: open_safe(path), range(8)))
    sealed = safes[0].encrypt(b"x", b"y")
    assert [safe.decrypt(sealed, b"y") for safe in safes] == [b"x"] * 8
    with pytest.raises(InvalidTag):
        safes[0].decrypt(sealed, b"z")


def test_a_key_from_elsewhere_can_be_sealed(tmp_path: Path) -> None:
    safe = open_safe(tmp_path / "safe")
    pem = safe.decrypt(safe.new_key(KID).sealed_pem, KID.encode())
    brought = safe.seal("did:web:maker.example#key-2", pem)
    assert safe.open(brought).public_jwk() == load_signing_key(pem, KID).public_jwk()
