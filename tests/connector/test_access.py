"""The ways to permit a connection, alone and together, and how much of an asset is shown to those who are let in."""

from collections.abc import Mapping

import msgspec
import pytest

from ashiato.connector import agreements, catalog, declarations, negotiations, offers, transfers
from ashiato.connector.access import as_document
from ashiato.connector.catalog import Query
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import Invalid, NotFound, NotPermitted
from ashiato.connector.records import AccessForm, Approval, Asset, PartnerGroup, Visibility
from ashiato.connector.strategies import Act
from ashiato.dsp.messages import ContractRequestMessage, TransferRequestMessage
from ashiato.dsp.negotiation import ContractNegotiation
from ashiato.dsp.states import NegotiationState
from ashiato.policy.builder import compare
from ashiato.policy.vocabulary import Checkpoint
from ashiato.trust.standing import Standing
from tests.connector.firms import ANY, Firm, Street

NAMED = AccessForm(participants=("did:web:cells.example",))
RECYCLERS = AccessForm(claims=(("role", ("recycler", "collector")),))
TRUSTED = AccessForm(security_profile="trust")
FRIENDS = AccessForm(groups=("friends",))
RECYCLER = {"role": frozenset({"recycler"})}
TRUST = {"security_profile": frozenset({"base", "trust"})}


def knows(street: Street, firm: Firm, claims: Mapping[str, frozenset[str]]) -> None:
    street.identity.standings[firm.did] = Standing(firm.did, claims)


async def change(maker: Firm, **members: object) -> None:
    """Put the asset again with other members."""

    def work(uow: UnitOfWork, moment: Moment) -> None:
        asset = uow.assets.asset("nmc811")
        assert asset is not None
        offers.put_asset(uow, msgspec.structs.replace(asset, **members), moment)

    await maker.run(work)


async def seen(maker: Firm, firm: Firm) -> list[catalog.Dataset]:
    now_ms = maker.street.clock.now_ms
    page = await maker.read(lambda uow: catalog.page(uow, firm.standing, now_ms, Query()))
    try:
        alone = await maker.read(lambda uow: catalog.dataset(uow, firm.standing, now_ms, "nmc811"))
    except NotFound:
        assert page.datasets == ()
        return []
    assert page.datasets == (alone,)
    return [alone]


async def ask(maker: Firm, firm: Firm, offering_id: str, rules: Mapping[str, object]) -> ContractNegotiation:
    message = ContractRequestMessage(
        consumer_pid=maker.street.clock.moment().fresh_iri(),
        offer={"@id": offering_id, "@type": "Offer", "target": "nmc811", **rules},
        callback_address=firm.company.callback_address,
    )
    return await maker.run(
        lambda uow, moment: negotiations.requested(uow, maker.company, firm.standing, message, moment)
    )


OFFERING = offers.offering_id("offer", "nmc811")


@pytest.mark.parametrize(
    ("access", "claims", "is_let_in"),
    [
        ((NAMED,), {}, True),
        ((AccessForm(participants=("did:web:other.example",)),), RECYCLER, False),
        ((RECYCLERS,), RECYCLER, True),
        ((RECYCLERS,), {"role": frozenset({"dealer"})}, False),
        ((RECYCLERS,), {}, False),
        ((TRUSTED,), TRUST, True),
        ((TRUSTED,), {"security_profile": frozenset({"base"})}, False),
        ((AccessForm(claims=(("role", ("recycler",)),), security_profile="trust"),), {**RECYCLER, **TRUST}, True),
        ((AccessForm(claims=(("role", ("recycler",)),), security_profile="trust"),), RECYCLER, False),
        ((RECYCLERS, TRUSTED), TRUST, True),
        ((RECYCLERS, TRUSTED), {}, False),
        ((AccessForm(claims=(("CompanyCertificationCredential.scheme", ("ISO 9001",)),)),),
         {"CompanyCertificationCredential.scheme": frozenset({"ISO 9001"})}, True),
        ((FRIENDS,), {}, True),
        ((AccessForm(groups=("enemies",)),), {"group": frozenset({"enemies"})}, False),
    ],
)  # fmt: skip
async def test_the_forms_of_access_let_in_alone_and_together(
    street: Street,
    maker: Firm,
    cells: Firm,
    access: tuple[AccessForm, ...],
    claims: Mapping[str, frozenset[str]],
    is_let_in: bool,
) -> None:
    await maker.publish("nmc811")
    friends = PartnerGroup(group_id="friends", title="", members=(cells.did,))
    await maker.run(lambda uow, moment: declarations.put_group(uow, friends, moment))
    await change(maker, access=access)
    knows(street, cells, claims)
    assert bool(await seen(maker, cells)) is is_let_in
    if is_let_in:
        assert (await ask(maker, cells, OFFERING, ANY)).state is NegotiationState.AGREED
    else:
        with pytest.raises(Invalid, match="no such offer"):
            await ask(maker, cells, OFFERING, ANY)


async def test_who_was_let_in_must_still_be_at_each_transfer(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await maker.publish("nmc811")
    await change(maker, access=(RECYCLERS,))
    knows(street, cells, RECYCLER)
    agreement = await cells.agree(maker, "nmc811")

    async def transfer() -> None:
        message = TransferRequestMessage(
            consumer_pid=street.clock.moment().fresh_iri(),
            agreement_id=agreement.agreement_id,
            format="HttpData-PULL",
            callback_address=cells.company.callback_address,
        )
        await maker.run(
            lambda uow, moment: transfers.requested(uow, maker.company, cells.standing, message, moment)
        )

    await transfer()
    knows(street, cells, {})
    with pytest.raises(NotPermitted, match="role"):
        await transfer()
    # The owner opens the asset to everybody: those who have a contract have it too.
    await change(maker, access=())
    await transfer()


@pytest.mark.parametrize("own_offer", [False, True])
async def test_an_offer_that_is_withdrawn_before_the_agreement_still_says_whom_it_let_in(
    street: Street, maker: Firm, cells: Firm, own_offer: bool
) -> None:
    rules = {"permission": [{"action": "use"}]}
    access = {"permission": [{"action": "access", "constraint": [compare("role", "eq", "recycler")]}]}
    await maker.publish("nmc811", rules=rules, access=access, approval=Approval.MANUAL)
    knows(street, cells, RECYCLER)
    if own_offer:
        document = {"@id": "urn:uuid:1", "target": "nmc811", **rules}
        await maker.run(
            lambda uow, moment: negotiations.offer(
                uow, maker.company, cells.partner, document, "offer", moment
            )
        )
        await street.deliver()
        (waiting,) = await cells.inbox()
    else:
        await cells.request(maker, {"@id": OFFERING, "target": "nmc811", **rules})
        await street.deliver()
        (waiting,) = await maker.inbox()

    def withdraw(uow: UnitOfWork, moment: Moment) -> None:
        offers.delete_offer(uow, "offer", moment)
        for policy_id in ("offer-access", "offer-rules"):
            offers.delete_policy(uow, policy_id, moment)

    await maker.run(withdraw)
    await (cells if own_offer else maker).do(waiting.negotiation_pid, Act.ACCEPT if own_offer else Act.AGREE)
    await street.deliver()
    (agreement,) = await maker.agreements()
    assert agreement.access_policy == access
    asset = await maker.read(lambda uow: uow.assets.asset("nmc811"))

    async def is_served() -> bool:
        now_ms = street.clock.now_ms
        served = await maker.read(
            lambda uow: agreements.decide_served(
                uow, agreement, asset, cells.standing, Checkpoint.TRANSFER, "read", now_ms
            )
        )
        return served.decision.permitted

    assert await is_served()
    knows(street, cells, {})
    assert not await is_served()


async def test_forms_of_access_of_a_withdrawn_offer_go_on_into_the_agreement(
    maker: Firm, cells: Firm, street: Street
) -> None:
    await maker.publish("nmc811", approval=Approval.MANUAL)

    def narrow(uow: UnitOfWork, moment: Moment) -> None:
        offer = uow.assets.offer("offer")
        assert offer is not None
        offers.put_offer(uow, msgspec.structs.replace(offer, access=(RECYCLERS, TRUSTED)), moment)

    await maker.run(narrow)
    knows(street, cells, TRUST)
    asked = await ask(maker, cells, OFFERING, ANY)
    await maker.run(lambda uow, moment: offers.delete_offer(uow, "offer", moment))
    await maker.do(asked.own_pid, Act.AGREE)
    (agreement,) = await maker.agreements()
    assert agreement.access == (RECYCLERS, TRUSTED)


async def test_a_hidden_asset_looks_at_every_route_as_if_it_did_not_exist(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await maker.publish("nmc811")
    assert len(await seen(maker, cells)) == 1
    await change(maker, visibility=Visibility.HIDDEN)
    assert await seen(maker, cells) == []
    with pytest.raises(Invalid) as hidden:
        await ask(maker, cells, OFFERING, ANY)
    with pytest.raises(Invalid) as missing:
        await ask(maker, cells, offers.offering_id("offer", "nothing"), ANY)
    assert hidden.value.sentence == missing.value.sentence
    # Also an offer that is published later does not show it, until its owner does.
    await maker.publish("other", offer_id="later")
    await change(maker, visibility=Visibility.OFFERED)
    (shown,) = [dataset for dataset in await seen_all(maker, cells) if dataset.asset.asset_id == "nmc811"]
    assert [offer["@id"] for offer in shown.offers] == [OFFERING]


async def seen_all(maker: Firm, firm: Firm) -> tuple[catalog.Dataset, ...]:
    now_ms = maker.street.clock.now_ms
    return (await maker.read(lambda uow: catalog.page(uow, firm.standing, now_ms, Query()))).datasets


async def test_a_listed_asset_shows_that_it_exists_and_a_person_answers(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await maker.publish("nmc811", rules=ANY)
    await change(maker, visibility=Visibility.LISTED)
    (shown,) = await seen(maker, cells)
    assert shown.is_listing
    (listing,) = shown.offers
    # It grants nothing as it stands, and says nothing of the terms.
    assert {name: listing[name] for name in ("permission", "prohibition") if name in listing} == {
        "prohibition": [{"action": "use"}]
    }
    with pytest.raises(Invalid, match="no such offer"):
        await ask(maker, cells, OFFERING, ANY)
    pid = await cells.request(maker, {**listing, "target": "nmc811"}, ({**ANY},))
    await street.deliver()
    (waiting,) = await maker.inbox()
    assert (waiting.asset_id, waiting.choices) == ("nmc811", ("offer", "terminate"))
    await maker.do(waiting.negotiation_pid, Act.OFFER, rules=dict(ANY))
    await street.deliver()
    assert (await cells.negotiation(pid)).state is NegotiationState.FINALIZED
    (agreement,) = await cells.usable_agreements()
    assert agreement.document["permission"] == ANY["permission"]


@pytest.mark.parametrize(
    "query", [Query(data_item="cfp"), Query(part_group="cells"), Query(asset_id="nmc811", data_item="cfp")]
)
async def test_a_listed_asset_is_not_found_by_a_class_that_nobody_is_told(
    maker: Firm, cells: Firm, query: Query
) -> None:
    await maker.publish("nmc811", data_item="cfp", part_group="cells")

    async def found() -> int:
        now_ms = maker.street.clock.now_ms
        page = await maker.read(lambda uow: catalog.page(uow, cells.standing, now_ms, query))
        backwards = await maker.read(
            lambda uow: catalog.page(uow, cells.standing, now_ms, query, before_asset_id="z")
        )
        assert len(page.datasets) == len(backwards.datasets)
        return len(page.datasets)

    assert await found() == 1
    await change(maker, visibility=Visibility.LISTED)
    assert await found() == 0
    assert len(await seen(maker, cells)) == 1


async def test_a_listed_asset_is_shown_only_to_those_who_are_let_in(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await maker.publish("nmc811")
    await change(maker, visibility=Visibility.LISTED, access=(RECYCLERS,))
    assert await seen(maker, cells) == []
    knows(street, cells, RECYCLER)
    assert len(await seen(maker, cells)) == 1


@pytest.mark.parametrize(
    ("form", "path"),
    [
        (AccessForm(), "access[0]"),
        (AccessForm(claims=(("shoe_size", ("42",)),)), "access[0].claims.shoe_size"),
        (AccessForm(claims=(("dateTime", ("2027-01-01",)),)), "access[0].claims.dateTime"),
        (AccessForm(claims=(("group", ("friends",)),)), "access[0].claims.group"),
        (AccessForm(claims=(("role", ()),)), "access[0].claims.role"),
    ],
)
async def test_access_that_would_let_in_everybody_or_nobody_by_mistake_is_refused(
    maker: Firm, form: AccessForm, path: str
) -> None:
    asset = Asset(asset_id="nmc811", title="x", source={"kind": "record"}, access=(form,))
    with pytest.raises(Invalid) as refused:
        await maker.run(lambda uow, moment: offers.put_asset(uow, asset, moment))
    assert refused.value.fields["path"] == path


def test_what_an_owner_writes_in_short_is_the_policy_that_it_says() -> None:
    form = AccessForm(
        participants=("did:web:a.example",),
        claims=(("role", ("recycler",)),),
        groups=("friends",),
        security_profile="trust",
    )
    assert as_document((form, TRUSTED)) == {
        "permission": [
            {
                "action": "use",
                "constraint": [
                    {
                        "leftOperand": "ashiato:participant",
                        "operator": "isAnyOf",
                        "rightOperand": ["did:web:a.example"],
                    },
                    {"leftOperand": "role", "operator": "isAnyOf", "rightOperand": ["recycler"]},
                    {"leftOperand": "group", "operator": "isAnyOf", "rightOperand": ["friends"]},
                    {"leftOperand": "security_profile", "operator": "gteq", "rightOperand": "trust"},
                ],
            },
            {
                "action": "use",
                "constraint": [
                    {"leftOperand": "security_profile", "operator": "gteq", "rightOperand": "trust"}
                ],
            },
        ]
    }
