"""Time stamps beside what is signed about footprints, by an authority of the tests' own."""

import base64
import hashlib
from datetime import UTC, datetime

import msgspec
import pytest
from cryptography.hazmat import asn1

from ashiato.apps.carbon.attestations import (
    DECLARATION_TYP,
    FootprintWithdrawal,
    VerificationStatement,
    sign,
    verify_declaration,
    verify_statement,
    verify_withdrawal,
)
from ashiato.apps.carbon.declarations import MalformedDeclaration, canonical
from ashiato.apps.carbon.stamped_words import (
    StampedWord,
    read,
    stamp_request,
    stamped,
    verify_stamp,
    written,
)
from ashiato.connector.time_stamps import stamped_text
from ashiato.trust import jws, timestamp_forms
from ashiato.trust.jws import TokenRefused
from ashiato.trust.signing import LocalSigner
from ashiato.trust.timestamps import TimeStampRefused
from tests.apps.carbon.suppliers import declaration
from tests.stamping import Answer, StampAuthority
from tests.trust.parties import ACME, GLOBEX, NOW_MS, new_party

ISSUER, VERIFIER = new_party(ACME), new_party(GLOBEX)
AUTHORITY = StampAuthority()
# 2026-11-24T10:20:30Z.
AT = Answer(at=datetime(2026, 11, 24, 10, 20, 30, tzinfo=UTC))
AT_MS = 1_795_515_630_000


async def words() -> tuple[str, str, str]:
    """A declaration, its withdrawal and what a verifier says of it, each signed."""
    declared = await sign(LocalSigner(ISSUER.key), declaration(issuer=ACME))
    of = verify_declaration(declared, ISSUER.document)
    withdrawal = FootprintWithdrawal(
        issuer=ACME,
        declaration_id=of.declaration.id,
        declaration_sha256=of.sha256,
        reason="a wrong meter",
        at_ms=NOW_MS,
    )
    statement = VerificationStatement(
        verifier=GLOBEX,
        issuer=ACME,
        declaration_sha256=of.sha256,
        standard="ISO 14067:2018",
        level="limited",
        party="third_party",
        scope="cradle to gate",
        finding="conforms",
        at_ms=NOW_MS,
    )
    return (
        declared,
        await sign(LocalSigner(ISSUER.key), withdrawal),
        await sign(LocalSigner(VERIFIER.key), statement),
    )


def stamp(compact: str, nonce: int = 7) -> StampedWord:
    answer = AUTHORITY.answer(stamp_request(compact, nonce), AT)
    return stamped(compact, answer, nonce, AUTHORITY.anchors)


async def test_each_word_comes_back_with_the_instant_of_the_authority_and_is_signed_as_before() -> None:
    declared, withdrawn, stated = await words()
    found = []
    for compact in (declared, withdrawn, stated):
        word = read(written(stamp(compact)))
        assert word.compact == compact
        told = verify_stamp(word, AUTHORITY.anchors)
        assert (told.at_ms, told.authority) == (AT_MS, "Test time")
        found.append(word.compact)
    of = verify_declaration(found[0], ISSUER.document)
    assert verify_withdrawal(found[1], ISSUER.document, of).withdrawal.reason == "a wrong meter"
    assert verify_statement(found[2], VERIFIER.document, of).statement.finding == "conforms"


async def test_what_is_asked_to_be_stamped_is_the_whole_signed_text_as_on_agreements() -> None:
    declared, _, _ = await words()
    asked = asn1.decode_der(timestamp_forms.Request, stamp_request(declared, 9))
    assert asked.imprint.digest == hashlib.sha256(declared.encode("ascii")).digest()
    assert asked.imprint.digest == hashlib.sha256(stamped_text(declared)).digest()
    assert (asked.nonce, asked.cert_req) == (9, True)


async def test_a_time_stamp_over_another_word_or_another_signature_is_refused() -> None:
    declared, withdrawn, _ = await words()
    # ES256 and EdDSA alike: the same document, signed by another key, is another word.
    again = jws.sign_compact(VERIFIER.key, DECLARATION_TYP, canonical(declaration(issuer=ACME)))
    for other in (withdrawn, again):
        moved = msgspec.structs.replace(stamp(declared), compact=other)
        with pytest.raises(TimeStampRefused) as refused:
            verify_stamp(moved, AUTHORITY.anchors)
        assert refused.value.fault == "wrong_imprint"


async def test_an_authority_that_the_reader_does_not_know_convinces_nobody() -> None:
    declared, _, _ = await words()
    stranger = StampAuthority()
    with pytest.raises(TimeStampRefused) as refused:
        verify_stamp(stamp(declared), stranger.anchors)
    assert refused.value.fault == "untrusted"
    with pytest.raises(TimeStampRefused) as refused:
        stamped(declared, stranger.answer(stamp_request(declared, 7), AT), 7, AUTHORITY.anchors)
    assert refused.value.fault == "untrusted"


async def test_an_answer_to_another_question_is_not_kept() -> None:
    declared, _, _ = await words()
    answer = AUTHORITY.answer(stamp_request(declared, 7), AT)
    with pytest.raises(TimeStampRefused) as refused:
        stamped(declared, answer, 8, AUTHORITY.anchors)
    assert refused.value.fault == "wrong_nonce"


async def test_nothing_but_a_word_about_a_footprint_is_stamped_or_believed() -> None:
    foreign = jws.sign_compact(ISSUER.key, "ashiato-receipt+jwt", b"{}")
    with pytest.raises(TokenRefused):
        stamp_request(foreign, 1)
    word = StampedWord(compact=foreign, time_stamp=AUTHORITY.stamp(foreign.encode(), AT))
    with pytest.raises(TokenRefused):
        verify_stamp(word, AUTHORITY.anchors)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"version": 2}, "version 2"),
        ({"type": "FootprintWithdrawal"}, "no StampedWord"),
        ({"takenAt": "2026-11-24T10:20:30Z"}, "no StampedWord"),
        ({"timeStamp": None}, "no StampedWord"),
        ({"timeStamp": "A" * 600_000}, "no StampedWord"),
    ],
)
async def test_a_document_of_another_shape_or_size_is_refused(changed: dict[str, object], why: str) -> None:
    declared, _, _ = await words()
    document = msgspec.to_builtins(stamp(declared)) | changed
    with pytest.raises(MalformedDeclaration, match=why):
        read(msgspec.json.encode(document))


async def test_a_time_stamp_that_is_none_is_refused() -> None:
    declared, _, _ = await words()
    for text in ("*", "é", "AAA"):
        with pytest.raises(MalformedDeclaration, match="base64"):
            verify_stamp(StampedWord(compact=declared, time_stamp=text), AUTHORITY.anchors)
    nothing = base64.b64encode(b"0").decode()
    with pytest.raises(TimeStampRefused) as refused:
        verify_stamp(StampedWord(compact=declared, time_stamp=nothing), AUTHORITY.anchors)
    assert refused.value.fault == "malformed"
