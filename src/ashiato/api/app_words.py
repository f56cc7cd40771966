"""What the app interface does about signed words: it has one signed for an app, and shows what an app verifies others' by.

The app itself verifies what it computes with. From here it gets the keys of companies that its own deals with, the notices of
what does not hold any more, whom the company believes as a verifier, and a trade link by its id.
"""

from collections.abc import Awaitable, Callable, Mapping

import msgspec
from starlette.requests import Request

from ashiato.connector import apps, words
from ashiato.connector.apps import AppGrant
from ashiato.connector.certification import Certification
from ashiato.connector.node import Node, Tenant
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import Invalid, NotFound
from ashiato.connector.records import Asset
from ashiato.connector.words import WORDS, Basis, CheckedWord, Declared, OwnWord, WordKind, WordSigner
from ashiato.identity.signed_tokens import CannotResolve
from ashiato.statements.signed_words import SignedWord
from ashiato.supply.ports import SUPPLY
from ashiato.supply.records import LinkState
from ashiato.trust.did import did_document

VERIFIERS_GROUP = "verifiers"
LINKS_ASSET_ID = "urn:ashiato:supply:trade-links"
"""An app whose manifest reads this of its own company sees the trade links of which it knows the id."""
MOST_NOTICES_COUNT = 500

WordKinds = Mapping[str, Callable[[], Awaitable[WordKind]]]
"""The kinds of words that this connector signs for apps, each loaded when it is first wanted."""


class AppCall(msgspec.Struct, frozen=True):
    """One request of one app."""

    request: Request
    tenant: Tenant
    grant: AppGrant
    moment: Moment
    token_sha256: str
    certification: Certification | None


class _Basis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    partner: str
    sha256: str


class _DeclaredBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    kind: str
    title: str
    document: dict[str, object]
    data_item: str = ""
    part_group: str = ""
    policy: dict[str, object] | None = None
    rests_on: tuple[_Basis, ...] = ()


class Prepared(msgspec.Struct, frozen=True):
    """A word that is signed and not kept yet."""

    declared: Declared
    word: CheckedWord
    signed: SignedWord


class AppWords:
    """Words for apps. What is awaited (keys, a time stamp) is awaited before the one transaction that keeps the word."""

    def __init__(self, node: Node, signer: WordSigner, kinds: WordKinds) -> None:
        self._node = node
        self._signer = signer
        self._kinds = kinds

    async def prepare(self, call: AppCall, asset_id: str, document: object) -> Prepared:
        """Check what the app hands over and sign it; raises a `Problem`, and nothing was signed or changed."""
        try:
            body = msgspec.convert(document, _DeclaredBody, strict=True)
        except msgspec.ValidationError as error:
            raise Invalid(f"The declaration is not what it should be: {error}.") from None
        load = self._kinds.get(body.kind)
        if load is None:
            raise Invalid(f"This connector signs no words of the kind {body.kind!r}.", path="kind")
        word = (await load())(body.document)
        declared = Declared(
            kind=body.kind,
            title=body.title,
            data_item=body.data_item,
            part_group=body.part_group,
            policy=body.policy,
            rests_on=tuple(Basis(one.partner, one.sha256) for one in body.rests_on),
        )
        owner, company = call.tenant.participant_id, call.tenant.company
        known = await self._node.store.read(
            owner, lambda uow: words.check(uow, company, call.grant, asset_id, declared, word)
        )
        compact = await self._signer.sign(owner, word.typ, word.body)
        if known is not None and _header(known.compact) == _header(compact):
            compact = known.compact
        time_stamp = known.time_stamp if known is not None and known.compact == compact else ""
        if not time_stamp:
            time_stamp = await self._signer.stamp(compact, call.moment)
        return Prepared(declared, word, SignedWord(word=compact, time_stamp=time_stamp))

    def keep(
        self, uow: UnitOfWork, call: AppCall, asset_id: str, prepared: Prepared
    ) -> tuple[OwnWord, Asset]:
        """One transaction: the word, its asset, and what it supersedes."""
        return words.keep(
            uow,
            call.tenant.company,
            call.grant,
            asset_id,
            prepared.declared,
            prepared.word,
            prepared.signed,
            call.moment,
        )

    async def did_document(self, call: AppCall, did: str) -> bytes:
        """The keys by which a company of whom the app may ask asserts; raises `NotFound` for all others."""
        owner = call.tenant.participant_id
        documents = self._node.documents
        is_known = did == owner or await self._node.store.read(owner, lambda uow: _deals_with(uow, did))
        if documents is None or not is_known:
            raise NotFound(f"This company has no dealings with {did!r}.", id=did)
        try:
            document = await documents.resolve(did, call.moment.now_ms)
        except CannotResolve as error:
            raise NotFound(f"The DID document of {did!r} cannot be read now: {error}.", id=did) from None
        asserting = document.relations.get("assertionMethod", frozenset())
        keys = [document.methods[kid] for kid in sorted(asserting) if kid in document.methods]
        return did_document(did, [key for key in keys if key.kid.startswith(f"{did}#")], [])

    def notices(
        self, uow: UnitOfWork, call: AppCall, after: tuple[str, str], limit_count: int
    ) -> dict[str, object]:
        """A page of what partners said of words that the app may read."""
        page = uow.room(WORDS).notices(after, limit_count)
        items = [
            {
                "partner": notice.peer_id,
                "asset_id": notice.asset_id,
                "sha256": notice.sha256,
                "standing": notice.standing.value,
                "at_ms": notice.at_ms,
            }
            for notice in page
            if apps.may_read_of(call.grant.app, notice.asset_id, notice.peer_id)
        ]
        is_last = len(page) < limit_count
        return {
            "items": items,
            "next_cursor": None if is_last else f"{page[-1].peer_id} {page[-1].sha256}",
        }

    def verifiers(self, uow: UnitOfWork) -> list[str]:
        """Whom the company believes as verifiers: the members of its group of that name."""
        group = uow.declarations.group(VERIFIERS_GROUP)
        return [] if group is None else list(group.members)

    def trade_link(self, uow: UnitOfWork, call: AppCall, link_id: str) -> dict[str, object]:
        """A trade link that both sides confirmed; raises `NotFound`."""
        link = uow.room(SUPPLY).links.get(link_id)
        if (
            link is None
            or link.state is not LinkState.CONFIRMED
            or not apps.may_read_own(call.grant.app, LINKS_ASSET_ID)
        ):
            raise NotFound(f"There is no confirmed trade link {link_id!r} for this app.", id=link_id)
        return {
            "link_id": link.link_id,
            "partner": link.partner_id,
            "side": link.side.value,
            "own_part_id": link.own_part_id,
            "partner_part_id": link.partner_part_id,
        }


def _deals_with(uow: UnitOfWork, did: str) -> bool:
    if uow.contracts.list_agreements("", 1, peer_id=did):
        return True
    return VERIFIERS_GROUP in uow.declarations.groups_of(did)


def _header(compact: str) -> str:
    """The protected header, which names the key."""
    return compact.partition(".")[0]
