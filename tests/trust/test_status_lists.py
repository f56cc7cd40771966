import gzip
import random

import pytest

from ashiato.trust.credentials import (
    StatusEntry,
    VerifiedCredential,
    issue_credential,
    verify_credential,
)
from ashiato.trust.status_lists import (
    MIN_LIST_BITS,
    StatusList,
    decode_bits,
    encode_bits,
    is_barred,
    new_bits,
    parse_status_list,
    status_list_draft,
    status_list_from,
    with_bits,
)
from tests.trust.credentials import DAY_MS, LIST_URL, draft
from tests.trust.parties import NOW_MS, Party, b64


def _verified(issuer: Party, compact: str) -> VerifiedCredential:
    return verify_credential(parse_status_list(compact), issuer.document, now_ms=NOW_MS)


def _list(issuer: Party, bits: bytes, *, kind: str = "BitstringStatusListEntry") -> StatusList:
    compact = issue_credential(
        issuer.key,
        status_list_draft(
            list_url=LIST_URL,
            purpose="revocation",
            bits=bits,
            issued_ms=NOW_MS,
            valid_until_ms=NOW_MS + DAY_MS,
            kind="StatusList2021Entry" if kind == "StatusList2021Entry" else "BitstringStatusListEntry",
        ),
    )
    return status_list_from(_verified(issuer, compact))


def _holding(issuer: Party, entry: StatusEntry) -> VerifiedCredential:
    return _verified(issuer, issue_credential(issuer.key, draft(statuses=(entry,))))


@pytest.mark.parametrize("kind", ["BitstringStatusListEntry", "StatusList2021Entry"])
def test_a_set_bit_bars_its_credential_and_no_other(kind: str, issuer: Party) -> None:
    status_list = _list(issuer, with_bits(new_bits(), on=[42]), kind=kind)
    for index, is_set in ((41, False), (42, True), (43, False)):
        entry = StatusEntry(status_list.kind, "revocation", LIST_URL, index)
        credential = _holding(issuer, entry)
        assert is_barred(entry, credential, status_list, now_ms=NOW_MS) is is_set


def test_the_first_bit_is_the_leftmost_of_the_first_byte(issuer: Party) -> None:
    # Bitstring Status List 1.0, 3.2: "the index 0 is the left-most bit".
    assert with_bits(new_bits(), on=[0, 9])[:2] == b"\x80\x40"
    status_list = _list(issuer, b"\x80\x40" + bytes(MIN_LIST_BITS // 8 - 2))
    assert [index for index in range(MIN_LIST_BITS) if status_list.is_set(index)] == [0, 9]


def test_a_cleared_bit_is_as_if_it_had_never_been_set() -> None:
    assert with_bits(with_bits(new_bits(), on=[7, 8]), off=[7, 8]) == new_bits()


def test_the_list_is_gzip_in_base64url_behind_the_multibase_sign() -> None:
    bits = with_bits(new_bits(), on=[1])
    assert decode_bits("u" + b64(gzip.compress(bits))) == bits
    text = encode_bits(bits)
    assert text.startswith("uH4sI")
    assert text == encode_bits(bits)
    assert encode_bits(bits, "StatusList2021Entry").startswith("H4sI")


def test_the_list_that_the_standard_prints_is_read() -> None:
    # Bitstring Status List 1.0, example 5: 131,072 bits, none set.
    text = "uH4sIAAAAAAAAA-3BMQEAAADCoPVPbQwfoAAAAAAAAAAAAAAAAAAAAIC3AYbSVKsAQAAA"
    assert decode_bits(text) == bytes(16_384)


@pytest.mark.parametrize("size_bits", [0, 8, 131_064, 131_073, 16 * 1_048_576 * 8 + 8])
def test_nobody_makes_a_list_that_no_verifier_accepts(size_bits: int) -> None:
    with pytest.raises(ValueError, match="multiple of 8"):
        new_bits(size_bits)


@pytest.mark.parametrize("index", [-1, MIN_LIST_BITS])
def test_nobody_sets_a_bit_outside_the_list(index: int) -> None:
    with pytest.raises(IndexError):
        with_bits(new_bits(), on=[index])


def test_a_status_list_cannot_be_made_by_hand() -> None:
    with pytest.raises(TypeError, match="status_list_from"):
        StatusList("BitstringStatusListEntry", LIST_URL, "i", frozenset(), b"", 0, None, object())


@pytest.mark.parametrize("kind", ["BitstringStatusListEntry", "StatusList2021Entry"])
def test_a_list_that_does_not_compress_is_issued_and_read(kind: str, issuer: Party) -> None:
    # A million credentials, every status drawn by a fixed generator.
    bits = random.Random(7).randbytes(131_072)
    assert _list(issuer, bits, kind=kind).bits == bits
