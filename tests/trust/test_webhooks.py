import hashlib
import json

import pytest

from ashiato.trust.jws import TokenRefused
from ashiato.trust.webhooks import VerifiedDelivery, sign_webhook, verify_webhook
from tests.trust.parties import ACME, NOW_MS, NOW_S, Party, b64, document_with, forge, raw_signature

BODY = b'{"event": "transfer.started"}'


def _why(headers: dict[str, str], body: bytes, party: Party, *, now_ms: int = NOW_MS) -> str:
    with pytest.raises(TokenRefused) as refusal:
        verify_webhook(headers, body, party.document, now_ms=now_ms)
    return refusal.value.why_code


def test_a_signed_webhook_names_its_sender(acme: Party) -> None:
    headers = sign_webhook(acme.key, BODY, NOW_MS, "delivery-1")
    delivery = verify_webhook(headers, BODY, acme.document, now_ms=NOW_MS)
    assert delivery.sender == ACME
    assert delivery.delivery_id == "delivery-1"
    assert delivery.sent_ms == NOW_S * 1000


def test_a_receiver_can_check_it_from_the_written_rule_alone(acme: Party) -> None:
    digest = hashlib.sha256(BODY).hexdigest()
    payload = b64(f"{NOW_S}.delivery-1.{digest}".encode())
    header = b64(json.dumps({"alg": "ES256", "typ": "ashiato-webhook+jws", "kid": acme.kid}).encode())
    signature = b64(raw_signature(acme.private, f"{header}.{payload}".encode()))
    headers = {
        "ashiato-delivery": "delivery-1",
        "ASHIATO-TIMESTAMP": str(NOW_S),
        "Ashiato-Signature": f"{header}..{signature}",
    }
    assert verify_webhook(headers, BODY, acme.document, now_ms=NOW_MS).sender == ACME


def test_a_delivery_cannot_be_made_by_hand() -> None:
    with pytest.raises(TypeError, match="verify_webhook"):
        VerifiedDelivery(ACME, "d", 0, object())


def test_a_changed_body_id_or_time_is_refused(acme: Party) -> None:
    headers = sign_webhook(acme.key, BODY, NOW_MS, "delivery-1")
    assert _why(headers, BODY + b" ", acme) == "wrong_signature"
    assert _why(headers | {"Ashiato-Delivery": "delivery-2"}, BODY, acme) == "wrong_signature"
    assert _why(headers | {"Ashiato-Timestamp": str(NOW_S + 1)}, BODY, acme) == "wrong_signature"


def test_an_old_or_early_webhook_is_refused(acme: Party) -> None:
    headers = sign_webhook(acme.key, BODY, NOW_MS, "delivery-1")
    sent_ms = NOW_S * 1000
    for distance_ms in (-300_000, 300_000):
        assert verify_webhook(headers, BODY, acme.document, now_ms=sent_ms + distance_ms)
    for distance_ms in (-300_001, 300_001):
        assert _why(headers, BODY, acme, now_ms=sent_ms + distance_ms) == "expired"


def test_a_webhook_of_another_sender_is_refused(acme: Party, globex: Party) -> None:
    headers = sign_webhook(globex.key, BODY, NOW_MS, "delivery-1")
    assert _why(headers, BODY, acme) == "foreign_key"


def test_a_key_that_may_not_assert_is_refused(acme: Party) -> None:
    document = document_with(
        ACME, {acme.kid: acme.key.verification_key()}, {"capabilityInvocation": [acme.kid]}
    )
    headers = sign_webhook(acme.key, BODY, NOW_MS, "delivery-1")
    with pytest.raises(TokenRefused, match="assertionMethod"):
        verify_webhook(headers, BODY, document, now_ms=NOW_MS)


def test_a_signature_with_its_payload_in_the_middle_is_refused(acme: Party) -> None:
    headers = sign_webhook(acme.key, BODY, NOW_MS, "delivery-1")
    header, _, signature = headers["Ashiato-Signature"].partition("..")
    for text in (f"{header}.eA.{signature}", f"{header}...{signature}", header, "", f"..{signature}"):
        assert _why(headers | {"Ashiato-Signature": text}, BODY, acme) == "not_compact"


@pytest.mark.parametrize("name", ["Ashiato-Delivery", "Ashiato-Timestamp", "Ashiato-Signature"])
def test_a_missing_header_is_refused(name: str, acme: Party) -> None:
    headers = sign_webhook(acme.key, BODY, NOW_MS, "delivery-1")
    del headers[name]
    assert _why(headers, BODY, acme) in ("malformed_claim", "not_compact")


@pytest.mark.parametrize("timestamp", ["", "0", "-5", "1e9", "1764000000.0", " 1764000000", "٣", "9" * 13])
def test_a_timestamp_that_is_no_number_of_seconds_is_refused(timestamp: str, acme: Party) -> None:
    headers = sign_webhook(acme.key, BODY, NOW_MS, "delivery-1")
    assert _why(headers | {"Ashiato-Timestamp": timestamp}, BODY, acme) == "malformed_claim"


@pytest.mark.parametrize("delivery_id", ["", "a.b", "a b", "a\n", "x" * 129, "é"])
def test_a_delivery_id_outside_its_alphabet_is_not_signed_and_not_read(delivery_id: str, acme: Party) -> None:
    with pytest.raises(ValueError, match="delivery id"):
        sign_webhook(acme.key, BODY, NOW_MS, delivery_id)
    headers = sign_webhook(acme.key, BODY, NOW_MS, "delivery-1")
    assert _why(headers | {"Ashiato-Delivery": delivery_id}, BODY, acme) == "malformed_claim"


def test_a_signature_made_for_another_purpose_is_refused(acme: Party) -> None:
    digest = hashlib.sha256(BODY).hexdigest()
    payload = f"{NOW_S}.delivery-1.{digest}".encode()
    for typ in ("JWT", "at+jwt", "dpop+jwt"):
        text = forge(acme.private, {"alg": "ES256", "typ": typ, "kid": acme.kid}, payload)
        header, _, signature = text.split(".")
        headers = sign_webhook(acme.key, BODY, NOW_MS, "delivery-1")
        assert _why(headers | {"Ashiato-Signature": f"{header}..{signature}"}, BODY, acme) == "wrong_typ"
