"""What is checked of a supplier's signed word before it enters a roll-up, with lying suppliers and lying verifiers."""

from fractions import Fraction

import msgspec
import pytest

from ashiato.apps.carbon.accepting import (
    Accepted,
    AgreedLink,
    UnacceptableDeclaration,
    UnagreedPart,
    accept,
    require_agreed,
)
from ashiato.apps.carbon.attestations import (
    FootprintWithdrawal,
    Spoken,
    VerificationStatement,
    VerifiedDeclaration,
    sign,
)
from ashiato.apps.carbon.declarations import canonical
from ashiato.apps.carbon.inventory_documents import AmountDocument, Part, PartDocument
from ashiato.facts.quantities import KILOGRAM, Quantity
from ashiato.statements.signed_words import SignedWord, WordStanding, written
from ashiato.trust.did import DidDocument
from ashiato.trust.signing import LocalSigner
from tests.apps.carbon.suppliers import declaration
from tests.apps.carbon.test_attestations import ISSUER, VERIFIER, declared, finding
from tests.trust.parties import ACME, GLOBEX, Party, new_party

STRANGER = new_party("did:web:stranger.example")
DOCUMENTS = {party.did: party.document for party in (ISSUER, VERIFIER, STRANGER)}


def document_of(did: str) -> DidDocument | None:
    return DOCUMENTS.get(did)


async def signed(party: Party, document: Spoken) -> str:
    return await sign(LocalSigner(party.key), document)


async def word(of: VerifiedDeclaration, **beside: object) -> bytes:
    return written(msgspec.structs.replace(SignedWord(word=of.compact), **beside))


async def attested(
    of: VerifiedDeclaration, *statements: str, verifiers: tuple[str, ...] = (GLOBEX,)
) -> Accepted:
    return accept(ACME, 1, await word(of, statements=statements), document_of, verifiers)


async def test_what_counts_is_the_declaration_as_it_was_signed() -> None:
    of = await declared()
    accepted = accept(ACME, 7, await word(of), document_of)
    received = accepted.received
    assert (received.partner, received.received_ms, received.sha256) == (ACME, 7, of.sha256)
    assert received.content == canonical(of.declaration)
    assert (received.standing, received.attested, accepted.passed_over) == (WordStanding.HOLDS, (), ())


async def test_only_who_it_came_from_declares_for_itself_with_a_key_that_it_has_now() -> None:
    of = await declared()
    with pytest.raises(UnacceptableDeclaration, match="signature"):
        accept(GLOBEX, 1, await word(of), document_of)
    other_key = new_party(ACME, "key-2")
    with pytest.raises(UnacceptableDeclaration, match="signature"):
        accept(ACME, 1, await word(of), {ACME: other_key.document}.get)
    with pytest.raises(UnacceptableDeclaration, match="cannot be had"):
        accept(ACME, 1, await word(of), lambda did: None)
    forged = await signed(STRANGER, declaration(issuer=ACME))
    with pytest.raises(UnacceptableDeclaration, match="signature"):
        accept(ACME, 1, written(SignedWord(word=forged)), document_of)


async def test_what_is_not_signed_does_not_count() -> None:
    of = await declared()
    for content in (canonical(of.declaration), b"", of.compact.encode(), written(SignedWord(word="a.b.c"))):
        with pytest.raises(UnacceptableDeclaration):
            accept(ACME, 1, content, document_of)
    statement = await signed(VERIFIER, finding(of))
    with pytest.raises(UnacceptableDeclaration):
        accept(ACME, 1, written(SignedWord(word=statement)), document_of)


@pytest.mark.parametrize(
    ("beside", "noticed", "standing"),
    [
        ("", "", ""),
        ("superseded", "", "superseded"),
        ("", "rests-on-stale", "rests-on-stale"),
        ("rests-on-stale", "superseded", "superseded"),
        ("superseded", "withdrawn", "withdrawn"),
    ],
)
async def test_the_gravest_of_what_is_known_counts(beside: str, noticed: str, standing: str) -> None:
    of = await declared()
    content = await word(of, standing=WordStanding(beside))
    notices = {of.sha256: WordStanding(noticed), "00" * 32: WordStanding.WITHDRAWN}
    accepted = accept(ACME, 1, content, document_of, (), notices)
    assert accepted.received.standing is WordStanding(standing)


async def test_a_withdrawal_is_the_issuers_own_word_about_this_declaration() -> None:
    of = await declared()
    withdrawal = FootprintWithdrawal(
        issuer=ACME,
        declaration_id=of.declaration.id,
        declaration_sha256=of.sha256,
        reason="a wrong meter",
        at_ms=1,
    )
    content = await word(of, withdrawal=await signed(ISSUER, withdrawal))
    assert accept(ACME, 1, content, document_of).received.standing is WordStanding.WITHDRAWN
    of_another = msgspec.structs.replace(withdrawal, declaration_sha256="00" * 32)
    for party, document in ((STRANGER, withdrawal), (ISSUER, of_another)):
        with pytest.raises(UnacceptableDeclaration):
            accept(ACME, 1, await word(of, withdrawal=await signed(party, document)), document_of)


async def test_a_statement_counts_of_a_verifier_whom_the_company_believes() -> None:
    of = await declared()
    statement = await signed(VERIFIER, finding(of))
    accepted = await attested(of, statement)
    (one,) = accepted.received.attested
    assert (one.verifier, one.party, accepted.passed_over) == (GLOBEX, "third_party", ())


async def test_a_statement_that_does_not_hold_is_passed_over_with_its_reason() -> None:
    of, other = await declared(), await declared(id="urn:example:other")
    good = finding(of)
    beyond: VerificationStatement = msgspec.structs.replace(good, opened_lines=(3,))
    wrong_root: VerificationStatement = msgspec.structs.replace(good, inventory_root="cd" * 32)
    cases = [
        (await signed(VERIFIER, good), (), "no verifier whom this company believes"),
        (await signed(STRANGER, good), (GLOBEX,), "does not hold"),
        (await signed(VERIFIER, finding(other)), (GLOBEX,), "another declaration"),
        (await signed(VERIFIER, beyond), (GLOBEX,), "lines that the inventory does not have"),
        (await signed(VERIFIER, wrong_root), (GLOBEX,), "another inventory"),
        (
            await signed(VERIFIER, finding(of, finding="does_not_conform")),
            (GLOBEX,),
            "does not conform to ISO 14067:2018",
        ),
        ("a.b.c", (GLOBEX,), "does not hold"),
    ]
    for statement, verifiers, reason in cases:
        accepted = await attested(of, statement, verifiers=verifiers)
        assert accepted.received.attested == ()
        (sentence,) = accepted.passed_over
        assert reason in sentence


def part(link: str, supplier: str = ACME, product: str = "cell") -> Part:
    document = PartDocument(
        key="cell",
        product=product,
        supplier=supplier,
        quantity=AmountDocument(value="2", unit="kg"),
        link=link,
    )
    return Part(document, Quantity(Fraction(2), KILOGRAM), Fraction(0))


def test_a_part_is_the_one_that_both_sides_agreed_in_the_link_that_it_names() -> None:
    links = {"ours": AgreedLink(ACME, "buyer", "cell"), "sold": AgreedLink(ACME, "supplier", "cell")}
    require_agreed([part("ours"), part("")], links.get)
    for link, supplier, product in (
        ("none", ACME, "cell"),
        ("sold", ACME, "cell"),
        ("ours", GLOBEX, "cell"),
        ("ours", ACME, "another cell"),
    ):
        with pytest.raises(UnagreedPart):
            require_agreed([part(link, supplier, product)], links.get)
