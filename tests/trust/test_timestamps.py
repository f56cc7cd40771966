"""RFC 3161 time stamps: one made by OpenSSL, honest ones of our own authority, and every lie by its name."""

import base64
import hashlib
import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from ashiato.trust import timestamp_forms as forms
from ashiato.trust.timestamps import (
    MAX_RESPONSE_BYTES,
    Anchors,
    TimeStampRefused,
    UnusableAnchors,
    VerifiedTimeStamp,
    load_anchors,
    request,
    verify_response,
    verify_token,
)
from tests.stamping import DATA, DAY, POLICY, SHA1, START, Answer, StampAuthority

TEXT = b"eyJ..c2ln"
NONCE = 0xFEDC_BA98_7654_3210
QUERY = request(TEXT, NONCE)
VECTOR = json.loads((Path(__file__).parent / "vectors" / "time_stamp_by_openssl.json").read_text("utf-8"))
RESPONSE = base64.b64decode(VECTOR["response"])
AUTHORITY = StampAuthority()


def verify(response: bytes, authority: StampAuthority = AUTHORITY) -> VerifiedTimeStamp:
    return verify_response(response, TEXT, NONCE, authority.anchors)


def fault_of(response: bytes, authority: StampAuthority = AUTHORITY) -> str:
    with pytest.raises(TimeStampRefused) as refused:
        verify(response, authority)
    return refused.value.fault


def test_a_request_is_byte_for_byte_what_openssl_reads_and_answers() -> None:
    assert request(VECTOR["text"].encode(), VECTOR["nonce"]) == base64.b64decode(VECTOR["request"])


def test_a_time_stamp_of_openssl_is_verified_from_its_answer_and_from_its_kept_token() -> None:
    text, anchors = VECTOR["text"].encode(), load_anchors(VECTOR["anchors"].encode())
    stamp = verify_response(RESPONSE, text, VECTOR["nonce"], anchors)
    at_ms = int(datetime.fromisoformat(VECTOR["at"]).timestamp()) * 1000
    expected = (at_ms, VECTOR["serial"], VECTOR["policy"], VECTOR["authority"])
    assert (stamp.at_ms, stamp.serial, stamp.policy, stamp.authority) == expected
    assert verify_token(stamp.token, text, anchors) == stamp


@pytest.mark.parametrize("position", range(0, len(RESPONSE), 37))
def test_no_bit_of_a_time_stamp_of_openssl_can_be_changed_in_a_way_that_changes_what_it_says(
    position: int,
) -> None:
    text, anchors = VECTOR["text"].encode(), load_anchors(VECTOR["anchors"].encode())
    honest = verify_response(RESPONSE, text, VECTOR["nonce"], anchors)
    for bit in range(8):
        changed = bytearray(RESPONSE)
        changed[position] ^= 1 << bit
        try:
            stamp = verify_response(bytes(changed), text, VECTOR["nonce"], anchors)
        except TimeStampRefused:
            continue
        assert (stamp.at_ms, stamp.serial, stamp.policy) == (honest.at_ms, honest.serial, honest.policy)


def test_an_honest_answer_is_verified_with_the_hour_in_milliseconds() -> None:
    at = START + timedelta(milliseconds=250)
    stamp = verify(AUTHORITY.answer(QUERY, Answer(at=at)))
    assert stamp.at_ms == 1_795_510_800_250
    assert (stamp.serial, stamp.policy, stamp.authority) == (2**120 + 7, POLICY.dotted_string, "Test time")


def test_granted_with_changes_and_the_older_name_of_the_certificate_are_taken() -> None:
    sha1 = AUTHORITY.certificate.fingerprint(hashes.SHA1())
    for answer in (
        Answer(status=1),
        Answer(named_v1=sha1),
        Answer(named_v1=sha1, names_certificate=False),
    ):
        assert verify(AUTHORITY.answer(QUERY, answer)).at_ms == 1_795_510_800_000


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (Answer(status=2, has_token=False), "not_granted"),
        (Answer(status=0, has_token=False), "not_granted"),
        (Answer(status=3), "not_granted"),
        (Answer(status=5), "not_granted"),
        (Answer(digest=hashlib.sha256(b"another").digest()), "wrong_imprint"),
        (Answer(digest=hashlib.sha256(TEXT).digest()[:20]), "wrong_imprint"),
        (Answer(imprint_kind=SHA1), "wrong_imprint"),
        (Answer(nonce=NONCE + 1), "wrong_nonce"),
        (Answer(content_type=DATA), "wrong_content"),
        (Answer(attribute_type=DATA), "wrong_content"),
        (Answer(message_digest=bytes(32)), "wrong_digest"),
        (Answer(digest_kind=SHA1), "unsupported_algorithm"),
        (Answer(signature_kind=DATA), "unsupported_algorithm"),
        (Answer(signature_kind=forms.RSA), "unsupported_algorithm"),
        (Answer(names_certificate=False), "wrong_signing_certificate"),
        (Answer(named_v2=bytes(32)), "wrong_signing_certificate"),
        (Answer(named_v1=bytes(20)), "wrong_signing_certificate"),
        (Answer(named_v2=AUTHORITY.root.fingerprint(hashes.SHA256())), "wrong_signing_certificate"),
        (Answer(serial_of_signer=5), "wrong_signing_certificate"),
        (Answer(has_certificates=False), "wrong_signer"),
        (Answer(signers_count=0), "wrong_signer"),
        (Answer(signers_count=2), "wrong_signer"),
        (Answer(signed_by=ec.generate_private_key(ec.SECP256R1())), "wrong_signature"),
        (Answer(at=START - 3 * DAY), "untrusted"),
        (Answer(at=START + 366 * DAY), "untrusted"),
    ],
)
def test_every_lie_in_the_answer_is_refused_by_its_name(answer: Answer, fault: str) -> None:
    assert fault_of(AUTHORITY.answer(QUERY, answer)) == fault


def test_an_answer_without_the_nonce_is_that_to_another_request() -> None:
    token = AUTHORITY.token(hashlib.sha256(TEXT).digest(), Answer())
    assert verify_token(token, TEXT, AUTHORITY.anchors).at_ms == 1_795_510_800_000
    honest = AUTHORITY.answer(QUERY)
    with pytest.raises(TimeStampRefused) as refused:
        verify_response(honest, TEXT, NONCE + 1, AUTHORITY.anchors)
    assert refused.value.fault == "wrong_nonce"


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"purposes": ()}, "wrong_use"),
        ({"purposes": (ExtendedKeyUsageOID.CODE_SIGNING,)}, "wrong_use"),
        (
            {"purposes": (ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.CLIENT_AUTH)},
            "wrong_use",
        ),
        ({"is_critical": False}, "wrong_use"),
        ({"extra": x509.InhibitAnyPolicy(0)}, "wrong_use"),
        ({"end": START - timedelta(seconds=1)}, "untrusted"),
        ({"start": START + timedelta(seconds=1)}, "untrusted"),
    ],
)
def test_a_certificate_for_another_use_or_another_time_stamps_nothing(
    options: dict[str, Any], fault: str
) -> None:
    authority = StampAuthority(**options)
    assert fault_of(authority.answer(QUERY), authority) == fault


def test_a_certificate_that_expired_after_the_hour_proves_it_for_ever() -> None:
    authority = StampAuthority(end=START + timedelta(hours=1))
    assert verify(authority.answer(QUERY), authority).at_ms == 1_795_510_800_000


def test_an_authority_that_nobody_trusts_stamps_nothing() -> None:
    answer = AUTHORITY.answer(QUERY)
    assert fault_of(answer, StampAuthority()) == "untrusted"
    with pytest.raises(TimeStampRefused) as refused:
        verify_response(answer, TEXT, NONCE, Anchors(()))
    assert refused.value.fault == "untrusted"


def test_a_token_over_one_text_proves_nothing_about_another() -> None:
    token = verify(AUTHORITY.answer(QUERY)).token
    with pytest.raises(TimeStampRefused) as refused:
        verify_token(token, TEXT + b"x", AUTHORITY.anchors)
    assert refused.value.fault == "wrong_imprint"


def test_what_is_too_large_or_no_der_is_refused_before_anything_is_read() -> None:
    assert fault_of(bytes(MAX_RESPONSE_BYTES + 1)) == "too_large"
    honest = AUTHORITY.answer(QUERY)
    for broken in (
        b"",
        b"\x30\x00",
        b"<html>",
        honest[:-1],
        honest + b"\x00",
        b"\x30\x80" + honest[4:] + b"\x00\x00",
    ):
        assert fault_of(broken) == "malformed"


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.integers(0, len(RESPONSE)), st.integers(0, len(RESPONSE)))
def test_any_bytes_are_refused_and_never_break_anything(noise: bytes, start: int, end: int) -> None:
    for data in (noise, RESPONSE[:start] + noise + RESPONSE[end:]):
        if data == RESPONSE:
            continue
        with pytest.raises(TimeStampRefused):
            verify_response(data, TEXT, NONCE, AUTHORITY.anchors)


def test_a_certificate_of_an_unknown_version_is_refused() -> None:
    # RFC 5280, 4.1.2.1: the version stands in [0] EXPLICIT before the serial number, and v3 is 2.
    strange = RESPONSE.replace(b"\xa0\x03\x02\x01\x02\x02", b"\xa0\x03\x02\x01\x05\x02")
    assert strange != RESPONSE
    anchors = load_anchors(VECTOR["anchors"].encode())
    with pytest.raises(TimeStampRefused) as refused:
        verify_response(strange, VECTOR["text"].encode(), VECTOR["nonce"], anchors)
    assert refused.value.fault == "malformed"


def test_a_verified_time_stamp_has_one_door() -> None:
    with pytest.raises(TypeError):
        replace(verify(AUTHORITY.answer(QUERY)), at_ms=0, door=object())


@pytest.mark.parametrize("pem", [b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_anchors_are_certificates_in_pem(pem: bytes) -> None:
    with pytest.raises(UnusableAnchors):
        load_anchors(pem)
