import json
from fractions import Fraction

import msgspec
import pytest

from ashiato.apps.carbon.attestations import (
    DECLARATION_TYP,
    FootprintWithdrawal,
    VerificationStatement,
    VerifiedDeclaration,
    VerifiedStatement,
    VerifiedWithdrawal,
    sign,
    verify_declaration,
    verify_statement,
    verify_withdrawal,
    with_verification,
)
from ashiato.apps.carbon.commitments import Commitment
from ashiato.apps.carbon.declarations import FootprintDeclaration, MalformedDeclaration, canonical, hash_of
from ashiato.trust import jws
from ashiato.trust.jws import TokenRefused
from ashiato.trust.signing import LocalSigner
from tests.apps.carbon.suppliers import declaration
from tests.trust.parties import ACME, GLOBEX, NOW_MS, new_party

ISSUER, VERIFIER = new_party(ACME), new_party(GLOBEX)
ROOT = Commitment("ab" * 32, 3)


async def declared(**changes: object) -> VerifiedDeclaration:
    document = msgspec.structs.replace(declaration(issuer=ACME, inventory=ROOT), **changes)
    return verify_declaration(await sign(LocalSigner(ISSUER.key), document), ISSUER.document)


def finding(of: VerifiedDeclaration, **changes: object) -> VerificationStatement:
    statement = VerificationStatement(
        verifier=GLOBEX,
        issuer=ACME,
        declaration_sha256=of.sha256,
        inventory_root=ROOT.root,
        opened_lines=(0, 2),
        standard="ISO 14067:2018",
        level="limited",
        party="third_party",
        scope="cradle to gate",
        finding="conforms",
        at_ms=NOW_MS,
    )
    return msgspec.structs.replace(statement, **changes)


async def stated(of: VerifiedDeclaration, statement: VerificationStatement) -> VerifiedStatement:
    return verify_statement(await sign(LocalSigner(VERIFIER.key), statement), VERIFIER.document, of)


async def test_a_declaration_comes_back_as_its_issuer_signed_it() -> None:
    found = await declared()
    assert found.sha256 == hash_of(found.declaration)
    assert found.footprint.footprint.emissions.excluding_uptake_kg == Fraction("6.5")


async def test_nobody_declares_for_another_and_no_figure_can_be_changed() -> None:
    document = declaration(issuer=GLOBEX)
    with pytest.raises(TokenRefused):
        verify_declaration(await sign(LocalSigner(ISSUER.key), document), ISSUER.document)
    with pytest.raises(TokenRefused):
        verify_declaration(await sign(LocalSigner(ISSUER.key), document), VERIFIER.document)
    compact = await sign(LocalSigner(ISSUER.key), declaration(issuer=ACME))
    changed = canonical(msgspec.structs.replace(declaration(issuer=ACME), total_kg="1"))
    head, _, tail = compact.split(".")
    forged = jws.sign_compact(ISSUER.key, DECLARATION_TYP, changed).split(".")[1]
    with pytest.raises(TokenRefused):
        verify_declaration(f"{head}.{forged}.{tail}", ISSUER.document)


async def test_only_canonical_bytes_are_taken() -> None:
    loose = json.dumps(msgspec.to_builtins(declaration(issuer=ACME)), indent=1).encode()
    with pytest.raises(MalformedDeclaration, match="canonical"):
        verify_declaration(jws.sign_compact(ISSUER.key, DECLARATION_TYP, loose), ISSUER.document)


async def test_another_kind_of_statement_is_no_declaration() -> None:
    of = await declared()
    with pytest.raises(TokenRefused):
        verify_declaration(await sign(LocalSigner(VERIFIER.key), finding(of)), VERIFIER.document)


async def test_a_verifiers_finding_counts_for_the_declaration_that_it_names() -> None:
    of = await declared()
    told = await stated(of, finding(of))
    assert with_verification(of, told).verification.third_party == 1
    second = await stated(of, finding(of, party="second_party"))
    assert with_verification(of, second).verification.second_party == 1
    against = await stated(of, finding(of, finding="does_not_conform"))
    assert with_verification(of, against) == of.footprint
    other = await declared(id="urn:uuid:other")
    assert with_verification(other, told) == other.footprint


async def test_a_statement_that_does_not_fit_is_refused() -> None:
    of = await declared()
    misfits: list[dict[str, object]] = [
        {"declaration_sha256": "00" * 32},
        {"issuer": GLOBEX},
        {"inventory_root": "cd" * 32},
        {"opened_lines": (3,)},
        {"opened_lines": (-1,)},
        {"version": 2},
        {"scope": "x" * 3000},
        {"remarks": "a\u0000b"},
    ]
    for misfit in misfits:
        with pytest.raises(MalformedDeclaration):
            await stated(of, finding(of, **misfit))


async def test_nobody_verifies_its_own_declaration() -> None:
    of = await declared()
    own = await sign(LocalSigner(ISSUER.key), finding(of, verifier=ACME))
    with pytest.raises(MalformedDeclaration, match="somebody else"):
        verify_statement(own, ISSUER.document, of)


async def test_a_verifier_speaks_with_its_own_key() -> None:
    of = await declared()
    with pytest.raises(TokenRefused):
        verify_statement(await sign(LocalSigner(ISSUER.key), finding(of)), VERIFIER.document, of)


async def test_only_the_issuer_withdraws() -> None:
    of = await declared()
    withdrawal = FootprintWithdrawal(
        issuer=ACME,
        declaration_id=of.declaration.id,
        declaration_sha256=of.sha256,
        reason="a meter was wrong",
        at_ms=NOW_MS,
    )
    compact = await sign(LocalSigner(ISSUER.key), withdrawal)
    assert verify_withdrawal(compact, ISSUER.document, of).withdrawal == withdrawal
    by_another = await sign(LocalSigner(VERIFIER.key), withdrawal)
    with pytest.raises(TokenRefused):
        verify_withdrawal(by_another, VERIFIER.document, of)
    with pytest.raises(MalformedDeclaration):
        verify_withdrawal(compact, ISSUER.document, await declared(id="urn:uuid:other"))


def test_verified_things_come_from_their_doors_only() -> None:
    document: FootprintDeclaration = declaration()
    with pytest.raises(TypeError):
        VerifiedDeclaration(document, None, "", "", object())  # type: ignore[arg-type]  # the door refuses first
    with pytest.raises(TypeError):
        VerifiedStatement(None, "", object())  # type: ignore[arg-type]  # the door refuses first
    with pytest.raises(TypeError):
        VerifiedWithdrawal(None, object())  # type: ignore[arg-type]  # the door refuses first
