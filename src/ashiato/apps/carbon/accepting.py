"""Which of the documents that came count as a supplier's declaration: what is checked before one enters a roll-up.

1. It is a signed word, and its declaration is signed by the company that it came from, by a key of its DID document now.
2. Its withdrawal, where it carries one, is signed by the same company.
3. Statements of verifiers count that are about this declaration, signed by who is named, and by one whom this company believes.
4. Whether it holds: by its withdrawal, by what its issuer says beside it, and by the notices that came. The gravest counts; what
   does not hold is computed with and marked, as the issuer's customers could not go on otherwise.

That it is about the product which was bought, and valid, is for `calculating`; that the part is the one which both sides agreed
in a trade link, for `require_agreed`.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from hashlib import sha256
from typing import NamedTuple

from ashiato.apps.carbon.attestations import (
    DECLARATION_TYP,
    MAX_COMPACT_CHARS,
    VerifiedDeclaration,
    speaker_of_statement,
    verify_declaration,
    verify_statement,
    verify_withdrawal,
)
from ashiato.apps.carbon.calculating import Attested, Received
from ashiato.apps.carbon.declarations import MalformedDeclaration, canonical
from ashiato.apps.carbon.inventory_documents import Part
from ashiato.statements import signed_words
from ashiato.statements.signed_words import MalformedSignedWord, SignedWord, WordStanding
from ashiato.trust import jws
from ashiato.trust.did import DidDocument
from ashiato.trust.jws import TokenRefused

DocumentOf = Callable[[str], DidDocument | None]
"""The DID document of a company, None where it cannot be had."""


class UnacceptableDeclaration(ValueError):
    """The supplier must mend what it offers; `problem` says what is wrong with it."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class UnagreedPart(LookupError):
    """A part of the inventory names a trade link that says something else; mend the inventory, or agree anew."""

    def __init__(self, part: str, link: str, problem: str) -> None:
        super().__init__(f"{part}: trade link {link!r}: {problem}")
        self.part = part
        self.link = link


class Accepted(NamedTuple):
    """A declaration that counts, and a sentence for each statement beside it that does not."""

    received: Received
    passed_over: tuple[str, ...]


class AgreedLink(NamedTuple):
    """A confirmed trade link: with whom, on which side this company stands, and what the partner calls the part."""

    partner: str
    side: str
    partner_part_id: str


def accept(
    partner: str,
    received_ms: int,
    content: bytes,
    document_of: DocumentOf,
    verifiers: Collection[str] = (),
    notices: Mapping[str, WordStanding] | None = None,
) -> Accepted:
    """The declaration in what came from `partner`; `notices` are what that partner said since, by hash of the declaration.

    Raises `UnacceptableDeclaration`. The steps are numbered as above.
    """
    try:
        # 1.
        word = signed_words.read(content)
        declaration = verify_declaration(word.word, _document(partner, document_of))
        # 2.
        if word.withdrawal:
            verify_withdrawal(word.withdrawal, _document(partner, document_of), declaration)
    except MalformedSignedWord as error:
        raise UnacceptableDeclaration(error.problem) from None
    except MalformedDeclaration as error:
        raise UnacceptableDeclaration(error.problem) from None
    except TokenRefused as error:
        raise UnacceptableDeclaration(f"its signature does not hold: {error.sentence}") from None
    # 3.
    attested, passed_over = _statements(word, declaration, document_of, verifiers)
    # 4.
    told = {
        word.standing,
        (notices or {}).get(declaration.sha256, WordStanding.HOLDS),
        WordStanding.WITHDRAWN if word.withdrawal else WordStanding.HOLDS,
    }
    received = Received(
        partner,
        received_ms,
        declaration.sha256,
        canonical(declaration.declaration),
        max(told, key=lambda one: one.gravity),
        attested,
    )
    return Accepted(received, passed_over)


def declaration_in(content: bytes) -> bytes | None:
    """The declaration in a signed word of one's own, which nobody needs to verify; None in what is none."""
    try:
        word = signed_words.read(content).word
        return jws.parse_compact(word, typs=frozenset({DECLARATION_TYP}), max_chars=MAX_COMPACT_CHARS).payload
    except (MalformedSignedWord, TokenRefused):
        return None


def require_agreed(parts: Iterable[Part], link_of: Callable[[str], AgreedLink | None]) -> None:
    """Raise `UnagreedPart` where a part names a trade link that is not confirmed, or is of another supplier or part."""
    for part in parts:
        document = part.document
        if not document.link:
            continue
        link = link_of(document.link)
        if link is None:
            raise UnagreedPart(document.key, document.link, "it is not confirmed by both sides")
        if (link.partner, link.side) != (document.supplier, "buyer"):
            raise UnagreedPart(document.key, document.link, f"it is no purchase from {document.supplier}")
        if link.partner_part_id != document.product:
            raise UnagreedPart(
                document.key, document.link, f"the supplier's part there is {link.partner_part_id!r}"
            )


def _document(did: str, document_of: DocumentOf) -> DidDocument:
    document = document_of(did)
    if document is None:
        raise UnacceptableDeclaration(f"the DID document of {did} cannot be had")
    return document


def _statements(
    word: SignedWord, declaration: VerifiedDeclaration, document_of: DocumentOf, verifiers: Collection[str]
) -> tuple[tuple[Attested, ...], tuple[str, ...]]:
    counting: list[Attested] = []
    passed_over: list[str] = []
    for compact in word.statements:
        try:
            verifier = speaker_of_statement(compact)
            if verifier not in verifiers:
                passed_over.append(f"{verifier} is no verifier whom this company believes")
                continue
            verified = verify_statement(compact, _document(verifier, document_of), declaration)
        except (MalformedDeclaration, UnacceptableDeclaration, TokenRefused) as error:
            passed_over.append(f"a verifier's statement does not hold: {error}")
            continue
        told = verified.statement
        if told.finding == "does_not_conform":
            passed_over.append(f"{verifier} found that it does not conform to {told.standard}")
            continue
        digest = sha256(canonical(told)).hexdigest()
        counting.append(Attested(verifier, told.party, told.at_ms, told.valid_until_ms, digest))
    return tuple(counting), tuple(passed_over)
