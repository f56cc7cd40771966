"""Contract texts in the contract master: our own, filled from templates, and those that partners offer under.

A text is known by its hash, which the rules of an offer name. A partner that saw the offer asks for the text by it.
"""

from ashiato.connector.company import Company, tell
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import Invalid, NotFound
from ashiato.connector.records import AgreementRecord, KeptText
from ashiato.policy.identity import same_rules
from ashiato.statements.contract_texts import (
    ContractText,
    MalformedText,
    read_text,
    referenced_by,
    rules_of,
)


def keep(
    uow: UnitOfWork, company: Company, text: ContractText, moment: Moment, *, peer_id: str = ""
) -> KeptText:
    """Keep a text; one that is here already stays as it came, but what we fill ourselves too becomes our own.

    Else whoever sent us the same words before would keep our customers from reading what we offer under.
    """
    known = uow.contracts.text(text.sha256)
    if known is not None and (peer_id or not known.peer_id):
        return known
    kept = KeptText(
        text_sha256=text.sha256,
        canonical=text.canonical().decode(),
        peer_id=peer_id,
        created_ms=moment.now_ms,
    )
    uow.contracts.put_text(kept)
    tell(uow, company, moment, "contract_text.kept", kept.text_sha256, peer_id, template=text.template)
    return kept


def received(text_sha256: str, data: bytes) -> ContractText:
    """The text that a partner sent for a hash; raises `Invalid` when it is another one or none."""
    try:
        text = read_text(data)
    except MalformedText as error:
        raise Invalid(f"The partner's contract text cannot be read: {error}.") from None
    if text.sha256 != text_sha256:
        raise Invalid(f"The partner sent another text than the offer names: {text.sha256}.")
    return text


def text_of(uow: UnitOfWork, text_sha256: str) -> tuple[KeptText, ContractText]:
    """A text that is here; raises `NotFound`."""
    kept = uow.contracts.text(text_sha256)
    if kept is None:
        raise NotFound(
            f"The contract text {text_sha256!r} is not here; fetch it from the partner.", id=text_sha256
        )
    return kept, read_text(kept.canonical.encode())


def shown_to(uow: UnitOfWork, text_sha256: str) -> bytes:
    """Our own text for a partner that names its hash; raises `NotFound`, also for what another partner sent us."""
    kept = uow.contracts.text(text_sha256)
    if kept is None or kept.peer_id:
        raise NotFound("There is no such contract text here.")
    return kept.canonical.encode()


def text_of_agreement(uow: UnitOfWork, agreement: AgreementRecord) -> ContractText:
    """The text that the rules of an agreement name; raises `NotFound`."""
    named = referenced_by(agreement.document)
    if named is None:
        raise NotFound("The agreement names no contract text.", id=agreement.agreement_id)
    return text_of(uow, named)[1]


def is_said_by(text: ContractText, rules: dict[str, object]) -> bool:
    """Whether the rules are those of the text, no more and no less."""
    return same_rules(rules, rules_of(text))
