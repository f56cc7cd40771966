"""Attacks on status lists, each named by what is tried; those on fetching them stand where they are fetched."""

import gzip
import tracemalloc
import zlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ashiato.trust.credentials import (
    StatusEntry,
    VerifiedCredential,
    issue_credential,
    verify_credential,
)
from ashiato.trust.jws import TokenRefused
from ashiato.trust.status_lists import (
    MAX_LIST_BYTES,
    MIN_LIST_BITS,
    StatusList,
    decode_bits,
    is_barred,
    new_bits,
    parse_status_list,
    status_list_draft,
    status_list_from,
    with_bits,
)
from tests.trust.credentials import DAY_MS, ISSUER, LIST_URL, REVOCATION, V2, draft, signed, vc20
from tests.trust.parties import NOW_MS, Party, b64

ENCODED = "u" + b64(gzip.compress(bytes(MIN_LIST_BITS // 8)))


def _payload(subject: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    members: dict[str, Any] = {
        "id": f"{LIST_URL}#list",
        "type": "BitstringStatusList",
        "statusPurpose": "revocation",
        "encodedList": ENCODED,
    } | (subject or {})
    return vc20(
        id=LIST_URL,
        type=["VerifiableCredential", "BitstringStatusListCredential"],
        credentialSubject={name: value for name, value in members.items() if value is not None},
    ) | {name: value for name, value in changes.items() if value is not None}


def _list(issuer: Party, payload: dict[str, Any], *, now_ms: int = NOW_MS) -> StatusList:
    unverified = parse_status_list(signed(issuer, payload))
    return status_list_from(verify_credential(unverified, issuer.document, now_ms=now_ms))


def _list_why(issuer: Party, payload: dict[str, Any]) -> str:
    with pytest.raises(TokenRefused) as refusal:
        _list(issuer, payload)
    return refusal.value.why_code


def _holding(issuer: Party, *entries: StatusEntry) -> VerifiedCredential:
    compact = issue_credential(issuer.key, draft(statuses=entries))
    return verify_credential(parse_status_list(compact), issuer.document, now_ms=NOW_MS)


def _status_why(
    entry: StatusEntry,
    credential: VerifiedCredential,
    status_list: StatusList,
    *,
    now_ms: int = NOW_MS,
    delegates: frozenset[str] = frozenset(),
) -> str:
    with pytest.raises(TokenRefused) as refusal:
        is_barred(entry, credential, status_list, now_ms=now_ms, delegates=delegates)
    return refusal.value.why_code


def test_gzip_bomb_is_stopped_at_sixteen_megabytes() -> None:
    engine = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = bytes(1_048_576)
    bomb = b"".join(engine.compress(block) for _ in range(256)) + engine.flush()
    text = "u" + b64(bomb)
    assert len(text) < 400_000
    tracemalloc.start()
    try:
        with pytest.raises(TokenRefused) as refusal:
            decode_bits(text)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert refusal.value.why_code == "wrong_status_list"
    assert "more than 16777216 bytes" in refusal.value.sentence
    # The output is held twice for a moment while it grows, and never the 256 MiB of the bomb.
    assert peak_bytes < 3 * MAX_LIST_BYTES


def test_list_of_exactly_sixteen_megabytes_is_read() -> None:
    assert len(decode_bits("u" + b64(gzip.compress(bytes(MAX_LIST_BYTES))))) == MAX_LIST_BYTES


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x1f\x8b",
        bytes(100),
        gzip.compress(bytes(16_384))[:-1],
        gzip.compress(bytes(16_384)) + b"\0",
        gzip.compress(bytes(16_384)) * 2,
        zlib.compress(bytes(16_384)),
        gzip.compress(bytes(16_384))[:-8] + bytes(8),
    ],
    ids=["empty", "header only", "no gzip", "cut", "trailing", "two members", "zlib", "wrong checksum"],
)
def test_list_that_is_not_one_whole_gzip_member(data: bytes) -> None:
    with pytest.raises(TokenRefused) as refusal:
        decode_bits("u" + b64(data))
    assert refusal.value.why_code == "wrong_status_list"


@pytest.mark.parametrize(
    "text",
    ["u", "z" + ENCODED[1:], "U" + ENCODED[1:], ENCODED + "=", ENCODED + "\n", "uü"],
    ids=["nothing", "base58", "padded base64", "padding", "line end", "not ASCII"],
)
def test_list_in_another_encoding(text: str) -> None:
    with pytest.raises(TokenRefused) as refusal:
        decode_bits(text)
    assert refusal.value.why_code == "wrong_status_list"


@pytest.mark.parametrize("index", [MIN_LIST_BITS, MIN_LIST_BITS + 1, 134_217_727])
def test_index_out_of_range(index: int, issuer: Party) -> None:
    entry = StatusEntry("BitstringStatusListEntry", "revocation", LIST_URL, index)
    assert _status_why(entry, _holding(issuer, entry), _list(issuer, _payload())) == "index_out_of_range"


def test_negative_index_does_not_count_from_the_end(issuer: Party) -> None:
    bits = with_bits(new_bits(), on=[MIN_LIST_BITS - 1])
    status_list = _list(issuer, _payload({"encodedList": "u" + b64(gzip.compress(bits))}))
    with pytest.raises(TokenRefused) as refusal:
        status_list.is_set(-1)
    assert refusal.value.why_code == "index_out_of_range"


def test_purpose_of_the_list_is_another_than_that_of_the_entry(issuer: Party) -> None:
    credential = _holding(issuer, REVOCATION)
    status_list = _list(issuer, _payload({"statusPurpose": "suspension"}))
    assert _status_why(REVOCATION, credential, status_list) == "wrong_status_list"
    both = _list(issuer, _payload({"statusPurpose": ["suspension", "revocation"]}))
    assert is_barred(REVOCATION, credential, both, now_ms=NOW_MS) is False


def test_list_signed_by_somebody_else(issuer: Party, globex: Party) -> None:
    credential = _holding(issuer, REVOCATION)
    foreign = _list(globex, _payload(issuer=globex.did))
    assert _status_why(REVOCATION, credential, foreign) == "wrong_issuer"
    # Only the trust list of this node can admit another, and then just whom it names.
    assert _status_why(REVOCATION, credential, foreign, delegates=frozenset({ISSUER})) == "wrong_issuer"
    delegates = frozenset({globex.did})
    assert is_barred(REVOCATION, credential, foreign, now_ms=NOW_MS, delegates=delegates) is False
    with pytest.raises(TokenRefused):
        _list(globex, _payload())


def test_list_that_expired_since_it_was_verified(issuer: Party) -> None:
    credential = _holding(issuer, REVOCATION)
    compact = issue_credential(
        issuer.key,
        status_list_draft(
            list_url=LIST_URL,
            purpose="revocation",
            bits=new_bits(),
            issued_ms=NOW_MS,
            valid_until_ms=NOW_MS + DAY_MS,
        ),
    )
    unverified = parse_status_list(compact)
    status_list = status_list_from(verify_credential(unverified, issuer.document, now_ms=NOW_MS))
    assert is_barred(REVOCATION, credential, status_list, now_ms=NOW_MS + DAY_MS - 1) is False
    assert _status_why(REVOCATION, credential, status_list, now_ms=NOW_MS + DAY_MS) == "expired"
    assert _status_why(REVOCATION, credential, status_list, now_ms=NOW_MS - 1) == "not_yet_valid"
    with pytest.raises(TokenRefused):
        verify_credential(unverified, issuer.document, now_ms=NOW_MS + DAY_MS)


@pytest.mark.parametrize("size_bits", [0, 8, 16_384, MIN_LIST_BITS - 8])
def test_list_so_short_that_the_index_tells_whose_it_is(size_bits: int, issuer: Party) -> None:
    payload = _payload({"encodedList": "u" + b64(gzip.compress(bytes(size_bits // 8)))})
    assert _list_why(issuer, payload) == "wrong_status_list"


def test_another_list_of_the_same_issuer_put_in_the_place_of_the_named_one(issuer: Party) -> None:
    credential = _holding(issuer, REVOCATION)
    other = _list(issuer, _payload(id="https://issuer.example/status/2"))
    assert _status_why(REVOCATION, credential, other) == "wrong_status_list"


def test_address_does_not_overrule_the_id_of_a_list(issuer: Party) -> None:
    credential = _holding(issuer, REVOCATION)
    for list_id, is_read in (
        (LIST_URL, True),
        ("urn:uuid:1", True),
        (None, True),
        ("https://issuer.example/2", False),
    ):
        payload = _payload() | {"id": list_id}
        compact = signed(issuer, {name: value for name, value in payload.items() if value is not None})
        verified = verify_credential(parse_status_list(compact), issuer.document, now_ms=NOW_MS)
        status_list = status_list_from(verified, fetched_from=LIST_URL)
        if is_read:
            assert is_barred(REVOCATION, credential, status_list, now_ms=NOW_MS) is False
        else:
            assert _status_why(REVOCATION, credential, status_list) == "wrong_status_list"


def test_entry_of_another_credential(issuer: Party) -> None:
    credential = _holding(issuer, REVOCATION)
    other = StatusEntry("BitstringStatusListEntry", "revocation", LIST_URL, 43)
    assert _status_why(other, credential, _list(issuer, _payload())) == "wrong_status_entry"


def test_list_of_another_kind_than_the_entry(issuer: Party) -> None:
    entry = StatusEntry("StatusList2021Entry", "revocation", LIST_URL, 42)
    assert _status_why(entry, _holding(issuer, entry), _list(issuer, _payload())) == "wrong_status_list"


@pytest.mark.parametrize(
    "subject",
    [
        {"type": None},
        {"type": "StatusList2021"},
        {"type": ["BitstringStatusList"]},
        {"statusPurpose": None},
        {"statusPurpose": []},
        {"statusPurpose": ["revocation", 5]},
        {"statusPurpose": ""},
        {"statusSize": 2},
        {"statusSize": "1"},
        {"statusSize": True},
        {"encodedList": None},
        {"encodedList": 5},
        {"encodedList": ""},
    ],
    ids=repr,
)
def test_credential_that_is_no_list_of_single_bits(subject: dict[str, Any], issuer: Party) -> None:
    assert _list_why(issuer, _payload(subject)) in ("wrong_status_list", "missing_claim", "malformed_claim")


def test_ordinary_credential_in_the_place_of_the_list(issuer: Party) -> None:
    assert _list_why(issuer, _payload(type=["VerifiableCredential"])) == "wrong_status_list"


def test_unsigned_list(issuer: Party) -> None:
    for text in ("{}", '{"@context":["' + V2 + '"]}', signed(issuer, _payload()).rpartition(".")[0] + "."):
        with pytest.raises(TokenRefused):
            parse_status_list(text)


def test_time_to_live_does_not_make_an_old_list_young(issuer: Party) -> None:
    # DCP 1.0, "Profiles": ttl is ignored, validUntil counts.
    payload = _payload({"ttl": 10**15}, validUntil="2025-11-24T16:00:00Z")
    with pytest.raises(TokenRefused) as refusal:
        _list(issuer, payload, now_ms=NOW_MS + DAY_MS)
    assert refusal.value.why_code == "expired"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(0, 100_000), st.characters(codec="ascii"), st.sampled_from(["replace", "insert", "delete"])
)
def test_no_mutation_of_a_list_verifies(issuer: Party, place: int, character: str, kind: str) -> None:
    compact = signed(issuer, _payload())
    at = place % len(compact)
    middle = "" if kind == "delete" else character
    changed = compact[:at] + middle + compact[at + (kind != "insert") :]
    if changed != compact:
        with pytest.raises(TokenRefused):
            verify_credential(parse_status_list(changed), issuer.document, now_ms=NOW_MS)


@settings(max_examples=100, deadline=None)
@given(st.sets(st.integers(0, MIN_LIST_BITS - 1), max_size=20))
def test_what_was_set_is_set_and_nothing_else(indexes: set[int]) -> None:
    bits = with_bits(new_bits(), on=indexes)
    shown = {
        index
        for position, byte in enumerate(bits)
        if byte
        for index in range(position * 8, position * 8 + 8)
        if byte & (1 << (7 - index % 8))
    }
    assert shown == indexes
