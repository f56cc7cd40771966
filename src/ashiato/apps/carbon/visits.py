"""The independent verifier's visit: it asks for sampled lines, the declarer opens them to it alone, its statement comes back.

The question is a request like any other (`footprint:lines`, about a declaration by its hash, among line indexes); the answer is
an asset that only the asker may see. Nothing is opened without the word of a person of the declarer, and what was opened to whom
stands in its history under the hash of the declaration.
"""

from collections.abc import Sequence
from hashlib import sha256

import msgspec
import rfc8785

from ashiato.apps.carbon.attestations import FootprintWithdrawal, VerificationStatement
from ashiato.apps.carbon.calculating import LINES
from ashiato.apps.carbon.commitments import KeptLines, commit
from ashiato.apps.carbon.declarations import MalformedDeclaration, canonical, read_declaration
from ashiato.apps.carbon.opened_lines import MOST_LINES_COUNT, opened, read_kept
from ashiato.connector import offers
from ashiato.connector.company import Company, tell
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import Invalid, NotFound, WrongState
from ashiato.connector.records import AccessForm, Asset, OfferDefinition, PolicyDefinition, Visibility
from ashiato.connector.words import OwnWord, known_word
from ashiato.policy.builder import permit
from ashiato.supply import answering, asking
from ashiato.supply.messages import Part
from ashiato.supply.offering import ensure_open
from ashiato.supply.requests import Side, SupplyRequest, Wanted
from ashiato.supply.telling import known
from ashiato.trust import base64url

LINES_ITEM = "footprint:lines"
OPENED = "carbon-opened-"
STATEMENT = "carbon-statement-"
LINES_OPENED, STATED = "declaration.lines-opened", "declaration.stated"


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """What a verifier wants to see: lines of a declaration of a company's product, by their indexes, until a date."""

    partner: str
    product: str
    declaration_sha256: str
    lines: tuple[int, ...]
    due_ms: int
    text: str = ""
    address: str = ""


def ask_lines(uow: UnitOfWork, company: Company, sample: Sample, moment: Moment) -> SupplyRequest:
    """Ask the declarer to open these lines; raises `Invalid`."""
    if not 1 <= len(set(sample.lines)) <= MOST_LINES_COUNT:
        raise Invalid(f"Ask for 1 to {MOST_LINES_COUNT} lines.", path="lines")
    terms = asking.Terms(
        data_item=LINES_ITEM, due_ms=sample.due_ms, text=sample.text, hops=0, about=sample.declaration_sha256
    )
    wanted = Wanted(
        partner=sample.partner,
        part=Part(part_id=sample.product),
        address=sample.address,
        among=tuple(str(index) for index in sorted(set(sample.lines))),
    )
    ensure_open(uow, moment)
    (request,) = asking.ask(uow, company, [wanted], terms, moment)
    return request


def open_lines(uow: UnitOfWork, company: Company, own_id: str, moment: Moment) -> SupplyRequest:
    """A person opens the lines that a verifier asked for, to that verifier alone.

    Raises `NotFound` for a declaration that is not of this company or whose lines were not kept, `Invalid` for lines that it does
    not have, `WrongState` for a request that is no question of a verifier or was answered before.
    """
    request = known(uow, own_id, Side.RECEIVED)
    if request.data_item != LINES_ITEM or not request.is_open:
        raise WrongState("It is no question for lines that waits for you.", state=request.state)
    word = known_word(uow, request.about)
    kept = _kept(uow, word)
    indexes = _indexes(request.among, len(kept.lines))
    asset_id = f"{OPENED}{sha256(own_id.encode()).hexdigest()[:32]}"
    content = opened(kept, indexes)
    show_alone(uow, asset_id, f"Lines of {word.subject_id}", LINES_ITEM, content, request.peer_id, moment)
    tell(
        uow, company, moment, LINES_OPENED, word.sha256, request.peer_id,
        id=word.subject_id, asset_id=asset_id, request_id=own_id, lines=list(indexes),
    )  # fmt: skip
    return answering.answer(uow, company, own_id, answering.GivenAnswer(asset_id=asset_id), moment)


def withdrawal_of(word: OwnWord, reason: str, now_ms: int, issuer: str) -> FootprintWithdrawal:
    """What is signed to take the word back; raises `Invalid` and `WrongState`."""
    if not reason.strip():
        raise Invalid("A withdrawal needs a reason.", path="reason")
    if word.withdrawal:
        raise WrongState("The declaration is withdrawn already.", id=word.sha256)
    return FootprintWithdrawal(
        issuer=issuer,
        declaration_id=word.subject_id,
        declaration_sha256=word.sha256,
        reason=reason,
        at_ms=now_ms,
    )


def keep_statement(
    uow: UnitOfWork, company: Company, statement: VerificationStatement, compact: str, moment: Moment
) -> str:
    """The verifier keeps its signed statement and offers it to the declarer alone; the id of the asset."""
    asset_id = f"{STATEMENT}{sha256(canonical(statement)).hexdigest()[:32]}"
    content = rfc8785.dumps({"type": "SignedStatement", "statement": compact})
    show_alone(uow, asset_id, statement.standard, "footprint:statement", content, statement.issuer, moment)
    tell(
        uow, company, moment, STATED, statement.declaration_sha256, statement.issuer,
        asset_id=asset_id, standard=statement.standard, level=statement.level, finding=statement.finding,
        lines=list(statement.opened_lines),
    )  # fmt: skip
    return asset_id


def show_alone(
    uow: UnitOfWork, asset_id: str, title: str, data_item: str, content: bytes, partner: str, moment: Moment
) -> None:
    """Keep a document and offer it to that partner alone."""
    asset = Asset(
        asset_id=asset_id,
        title=title,
        source=offers.RECORD_SOURCE,
        data_item=data_item,
        visibility=Visibility.OFFERED,
        access=(AccessForm(participants=(partner,)),),
    )
    offers.put_asset(uow, asset, moment)
    offers.put_record(uow, asset_id, content, moment)
    terms = permit(participants=[partner])
    offers.put_policy(uow, PolicyDefinition(policy_id=asset_id, document=terms), moment)
    offer = OfferDefinition(
        offer_id=asset_id,
        contract_policy_id=asset_id,
        asset_ids=(asset_id,),
        access=(AccessForm(participants=(partner,)),),
    )
    offers.put_offer(uow, offer, moment)


def _kept(uow: UnitOfWork, word: OwnWord) -> KeptLines:
    """The lines behind the word, if they are what it commits to."""
    content = uow.assets.record(f"{LINES}{word.sha256}")
    kept = None if content is None else read_kept(content)
    if kept is None:
        raise NotFound(f"No lines were kept of {word.subject_id!r}.", id=word.sha256)
    try:
        declaration, _ = read_declaration(base64url.decode(word.compact.split(".")[1]))
    except MalformedDeclaration as error:
        raise NotFound(f"{word.subject_id!r} is no declaration: {error.problem}.", id=word.sha256) from None
    found = commit([line.encode() for line in kept.lines], bytes.fromhex(kept.secret))
    if kept.declaration_sha256 != word.sha256 or found != declaration.inventory:
        raise NotFound(f"What was kept is not what {word.subject_id!r} commits to.", id=word.sha256)
    return kept


def _indexes(among: Sequence[str], lines_count: int) -> tuple[int, ...]:
    if not 1 <= len(among) <= MOST_LINES_COUNT:
        raise Invalid(f"A verifier asks for 1 to {MOST_LINES_COUNT} lines; reject this.", path="among")
    wrong = [text for text in among if not (text.isascii() and text.isdigit() and int(text) < lines_count)]
    if wrong:
        raise Invalid(
            f"The declaration has lines 0 to {lines_count - 1}, and none {wrong[0]!r}; reject this.",
            path="among",
        )
    return tuple(sorted({int(text) for text in among}))
