"""Framework contracts: proposed and agreed by either side, and what then is agreed under them by itself."""

from typing import Any

import msgspec
import pytest

from ashiato.connector import catalog, frameworks, negotiations, offers
from ashiato.connector.catalog import Query
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import Invalid, NotFound, WrongState
from ashiato.connector.records import Approval, Asset, FrameworkContract, FrameworkState
from ashiato.connector.strategies import Act
from ashiato.dsp.messages import ContractAgreementMessage, ContractOfferMessage, ContractRequestMessage
from ashiato.dsp.negotiation import ContractNegotiation
from ashiato.dsp.states import NegotiationState as State
from ashiato.dsp.states import Role
from ashiato.policy.builder import permit
from ashiato.trust.standing import Standing
from tests.connector.firms import ANY, START_MS, Firm, Street

FRAMEWORK_ID = "urn:ashiato:framework:f-1"
FROM_MS = START_MS - 1000
UNTIL_MS = START_MS + 1_000_000
TERMS = permit("use", elapsed="P30D")


def contract(role: Role, partner: Firm, **changed: Any) -> FrameworkContract:
    return msgspec.structs.replace(
        FrameworkContract(
            framework_id=FRAMEWORK_ID,
            role=role,
            peer_id=partner.did,
            title="Footprints of cathode powders",
            policy=TERMS,
            from_ms=FROM_MS,
            until_ms=UNTIL_MS,
            data_item="carbon-footprint",
            part_group="cathode",
            purpose="battery passport",
        ),
        **changed,
    )


async def propose(proposer: Firm, partner: Firm, role: Role, **changed: Any) -> ContractNegotiation:
    framework = contract(role, partner, **changed)
    return await proposer.run(
        lambda uow, moment: negotiations.propose_framework(
            uow, proposer.company, partner.partner.address, framework, moment
        )
    )


async def framework_of(firm: Firm, framework_id: str = FRAMEWORK_ID) -> FrameworkContract:
    found = await firm.read(lambda uow: uow.contracts.framework(framework_id))
    assert found is not None
    return found


async def in_force(street: Street, maker: Firm, cells: Firm, **changed: Any) -> None:
    """A framework that the consumer proposed and the provider's person approved."""
    await propose(cells, maker, Role.CONSUMER, **changed)
    await street.deliver()
    (waiting,) = await maker.inbox()
    await maker.do(waiting.negotiation_pid, Act.AGREE)
    await street.deliver()
    assert (await framework_of(maker)).state is FrameworkState.ACTIVE


async def stock(
    firm: Firm, asset_id: str, data_item: str = "carbon-footprint", part_group: str = "cathode"
) -> None:
    """An asset that no offer names."""
    asset = Asset(
        asset_id=asset_id,
        title=asset_id,
        source={"kind": "record"},
        data_item=data_item,
        part_group=part_group,
    )
    await firm.run(lambda uow, moment: offers.put_asset(uow, asset, moment))


async def seen(firm: Firm, provider: Firm) -> list[str]:
    now_ms = firm.street.clock.now_ms
    found = await provider.read(lambda uow: catalog.page(uow, Standing(firm.did), now_ms, Query()))
    return [dataset.asset.asset_id for dataset in found.datasets]


async def shown(provider: Firm, caller: Firm, now_ms: int, query: Query) -> tuple[catalog.Dataset, ...]:
    found = await provider.read(lambda uow: catalog.page(uow, Standing(caller.did), now_ms, query))
    return found.datasets


async def ask(
    provider: Firm, caller: Firm, offer: dict[str, object], pid: str = "c-1"
) -> ContractNegotiation:
    message = ContractRequestMessage(
        consumer_pid=pid,
        offer={"@type": "Offer", **offer},
        callback_address=caller.company.callback_address,
    )
    return await provider.run(
        lambda uow, moment: negotiations.requested(
            uow, provider.company, Standing(caller.did), message, moment
        )
    )


async def test_a_consumer_proposes_and_the_provider_approves(
    street: Street, maker: Firm, cells: Firm, rival: Firm
) -> None:
    await stock(maker, "nmc811")
    await propose(cells, maker, Role.CONSUMER)
    await street.deliver()
    (waiting,) = await maker.inbox()
    assert waiting.choices == ("agree", "terminate")
    assert waiting.offer[frameworks.CLASS_MEMBER] == {
        "title": "Footprints of cathode powders",
        "dataItem": "carbon-footprint",
        "partGroup": "cathode",
        "purpose": "battery passport",
        "from": "2027-01-15T07:59:59Z",
        "until": "2027-01-15T08:16:40Z",
    }
    assert await seen(cells, maker) == []
    await maker.do(waiting.negotiation_pid, Act.AGREE)
    await street.deliver()
    ours, theirs = await framework_of(cells), await framework_of(maker)
    assert (ours.state, theirs.state) == (FrameworkState.ACTIVE, FrameworkState.ACTIVE)
    assert (ours.role, ours.peer_id) == (Role.CONSUMER, maker.did)
    assert (theirs.role, theirs.peer_id) == (Role.PROVIDER, cells.did)
    described = (
        theirs.title,
        theirs.data_item,
        theirs.part_group,
        theirs.purpose,
        theirs.from_ms,
        theirs.until_ms,
    )
    assert described == (
        "Footprints of cathode powders", "carbon-footprint", "cathode", "battery passport", FROM_MS, UNTIL_MS,
    )  # fmt: skip
    assert (await seen(cells, maker), await seen(rival, maker)) == (["nmc811"], [])
    assert "framework.active" in await maker.events()
    assert "framework.active" in await cells.events()


async def test_a_provider_proposes_and_the_consumer_accepts(street: Street, maker: Firm, cells: Firm) -> None:
    await stock(maker, "nmc811")
    await propose(maker, cells, Role.PROVIDER)
    await street.deliver()
    (waiting,) = await cells.inbox()
    await cells.do(waiting.negotiation_pid, Act.ACCEPT)
    await street.deliver()
    assert (await framework_of(cells)).state is FrameworkState.ACTIVE
    assert (await framework_of(maker)).state is FrameworkState.ACTIVE
    agreement = await cells.agree(maker, "nmc811")
    assert agreement.framework_id == FRAMEWORK_ID


async def test_an_agreement_over_an_asset_of_the_class_names_the_framework_on_both_sides(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await stock(maker, "nmc811")
    await in_force(street, maker, cells)
    # An asset of the class that comes later is covered too.
    await stock(maker, "nmc622")
    for asset_id in ("nmc811", "nmc622"):
        agreement = await cells.agree(maker, asset_id)
        assert agreement.framework_id == FRAMEWORK_ID
        assert agreement.document[frameworks.NAMED_MEMBER] == FRAMEWORK_ID
        assert agreement.document["permission"] == TERMS["permission"]
    assert await maker.inbox() == []
    under = await maker.read(lambda uow: uow.contracts.list_agreements("", 10, framework_id=FRAMEWORK_ID))
    assert {found.asset_id for found in under} == {"nmc811", "nmc622"}


async def test_an_asset_outside_of_the_class_is_not_covered(street: Street, maker: Firm, cells: Firm) -> None:
    await stock(maker, "other-item", data_item="due-diligence")
    await stock(maker, "other-group", part_group="anode")
    await stock(maker, "moves")
    await in_force(street, maker, cells)
    assert await seen(cells, maker) == ["moves"]
    await stock(maker, "moves", part_group="anode")
    assert await seen(cells, maker) == []
    for asset_id in ("other-item", "other-group", "moves"):
        with pytest.raises(Invalid, match="no such offer"):
            await ask(maker, cells, {"@id": f"{FRAMEWORK_ID}:{asset_id}", "target": asset_id, **TERMS})


async def test_outside_of_its_period_a_framework_covers_nothing(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await stock(maker, "nmc811")
    await in_force(street, maker, cells, from_ms=START_MS + 50_000)
    covered = {}
    for now_ms in (START_MS + 49_990, START_MS + 50_000, UNTIL_MS - 1, UNTIL_MS):
        found = await shown(maker, cells, now_ms, Query())
        assert found == await shown(maker, cells, now_ms, Query(asset_id="nmc811"))
        covered[now_ms] = len(found)
    assert list(covered.values()) == [0, 1, 1, 0]
    offer = {"@id": f"{FRAMEWORK_ID}:nmc811", "target": "nmc811", **TERMS}
    street.clock.now_ms = UNTIL_MS
    with pytest.raises(Invalid, match="no such offer"):
        await ask(maker, cells, offer)


async def test_on_other_terms_nothing_is_agreed_under_the_framework(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await stock(maker, "nmc811")
    await in_force(street, maker, cells)
    offer = {**await cells.catalog_offer(maker, "nmc811"), **ANY}
    pid = await cells.request(maker, offer)
    await street.deliver()
    # The provider answers with the terms of the framework, which this consumer's request did not name.
    assert (await cells.negotiation(pid)).state is State.OFFERED
    assert await maker.agreements() == [
        found for found in await maker.agreements() if found.asset_id == FRAMEWORK_ID
    ]


async def test_a_manual_offer_is_agreed_without_a_person_where_a_framework_covers_it(
    street: Street, maker: Firm, cells: Firm, rival: Firm
) -> None:
    await maker.publish(
        "nmc811", rules=TERMS, approval=Approval.MANUAL, data_item="carbon-footprint", part_group="cathode"
    )
    await in_force(street, maker, cells)
    offer = {"@id": "offer:nmc811", "target": "nmc811", **TERMS}
    covered, asked = await cells.request(maker, offer), await rival.request(maker, offer)
    await street.deliver()
    assert (await cells.negotiation(covered)).state is State.FINALIZED
    assert (await rival.negotiation(asked)).state is State.REQUESTED
    agreement = next(found for found in await cells.agreements() if found.asset_id == "nmc811")
    assert agreement.framework_id == FRAMEWORK_ID


async def test_outside_of_its_period_a_framework_answers_for_nobody(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await maker.publish(
        "nmc811", rules=TERMS, approval=Approval.MANUAL, data_item="carbon-footprint", part_group="cathode"
    )
    await in_force(street, maker, cells)
    street.clock.now_ms = UNTIL_MS
    await cells.request(maker, {"@id": "offer:nmc811", "target": "nmc811", **TERMS})
    await street.deliver()
    # The provider's person is asked as if there were no framework, and so is the consumer's.
    assert [waiting.peer_id for waiting in await maker.inbox()] == [cells.did]
    await _offer_under(maker, cells, "nmc811")
    await street.deliver()
    assert [waiting.peer_id for waiting in await cells.inbox()] == [maker.did]


async def test_of_two_frameworks_that_cover_it_the_one_that_was_asked_is_named(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await stock(maker, "nmc811")
    await in_force(street, maker, cells)
    second_id = "urn:ashiato:framework:a-0"
    await propose(cells, maker, Role.CONSUMER, framework_id=second_id)
    await street.deliver()
    (waiting,) = await maker.inbox()
    await maker.do(waiting.negotiation_pid, Act.AGREE)
    await street.deliver()
    for framework_id in (FRAMEWORK_ID, second_id):
        pid = await cells.request(maker, {"@id": f"{framework_id}:nmc811", "target": "nmc811", **TERMS})
        await street.deliver()
        agreement = next(found for found in await cells.agreements() if found.negotiation_pid == pid)
        assert agreement.framework_id == framework_id


async def test_a_framework_that_ended_covers_no_new_agreement_and_leaves_the_old_ones(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await stock(maker, "nmc811")
    await in_force(street, maker, cells)
    offer = await cells.catalog_offer(maker, "nmc811")
    agreement = await cells.agree(maker, "nmc811")
    await maker.run(lambda uow, moment: frameworks.end(uow, FRAMEWORK_ID, "The year is over.", moment))
    assert await seen(cells, maker) == []
    pid = await cells.request(maker, offer)
    await street.deliver()
    assert (await cells.negotiation(pid)).state is State.TERMINATED
    usable = {found.agreement_id for found in await cells.usable_agreements()}
    assert agreement.agreement_id in usable
    assert usable == {found.agreement_id for found in await maker.usable_agreements()}
    with pytest.raises(WrongState):
        await maker.run(lambda uow, moment: frameworks.end(uow, FRAMEWORK_ID, "again", moment))
    ended = await framework_of(maker)
    assert (ended.state, ended.end_reason) == (FrameworkState.ENDED, "The year is over.")
    assert "framework.ended" in await maker.events()


async def test_a_proposal_that_is_rejected_never_covers_anything(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await stock(maker, "nmc811")
    await propose(cells, maker, Role.CONSUMER)
    await street.deliver()
    (waiting,) = await maker.inbox()
    await maker.do(waiting.negotiation_pid, Act.TERMINATE, reason="No frameworks this year.")
    await street.deliver()
    assert (await framework_of(cells)).state is FrameworkState.ENDED
    assert (await framework_of(maker)).state is FrameworkState.ENDED
    assert await seen(cells, maker) == []


@pytest.mark.parametrize("ends", [Role.CONSUMER, Role.PROVIDER])
async def test_a_proposal_that_its_side_ended_is_not_agreed_any_more(
    street: Street, maker: Firm, cells: Firm, ends: Role
) -> None:
    await stock(maker, "nmc811")
    negotiation = await propose(cells, maker, Role.CONSUMER)
    await street.deliver()
    (waiting,) = await maker.inbox()
    firm = cells if ends is Role.CONSUMER else maker
    await firm.run(lambda uow, moment: frameworks.end(uow, FRAMEWORK_ID, "changed our minds", moment))
    await maker.do(waiting.negotiation_pid, Act.AGREE)
    await street.deliver()
    assert (await cells.negotiation(negotiation.own_pid)).state is State.TERMINATED
    assert (await maker.negotiation(waiting.negotiation_pid)).state is State.TERMINATED
    assert [await firm.usable_agreements() for firm in (maker, cells)] == [[], []]
    assert (await framework_of(maker)).state is FrameworkState.ENDED
    assert (await framework_of(cells)).state is FrameworkState.ENDED
    assert await seen(cells, maker) == []


async def test_a_framework_whose_proposal_was_ended_at_the_last_moment_is_not_revived(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await propose(cells, maker, Role.CONSUMER)
    await street.deliver()
    (waiting,) = await maker.inbox()
    await maker.do(waiting.negotiation_pid, Act.AGREE)
    # The consumer has verified, so only the provider's finalization is still to come.
    while (await cells.negotiations())[0].state is not State.VERIFIED:
        assert await street.deliver_one()
    await cells.run(lambda uow, moment: frameworks.end(uow, FRAMEWORK_ID, "changed our minds", moment))
    await street.deliver()
    assert (await framework_of(cells)).state is FrameworkState.ENDED


async def test_a_person_may_counter_with_other_terms_but_not_with_another_class(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await stock(maker, "nmc811")
    await propose(maker, cells, Role.PROVIDER)
    await street.deliver()
    (offered,) = await cells.inbox()
    shorter = permit("use", elapsed="P7D")
    await cells.do(offered.negotiation_pid, Act.COUNTER, rules=shorter)
    await street.deliver()
    (countered,) = await maker.inbox()
    assert countered.offer[frameworks.CLASS_MEMBER] == offered.offer[frameworks.CLASS_MEMBER]
    await maker.do(countered.negotiation_pid, Act.AGREE)
    await street.deliver()
    assert (await framework_of(maker)).policy == (await framework_of(cells)).policy == shorter
    agreement = await cells.agree(maker, "nmc811")
    assert agreement.framework_id == FRAMEWORK_ID
    assert agreement.document["permission"] == shorter["permission"]


@pytest.mark.parametrize(
    "changed",
    [
        {frameworks.CLASS_MEMBER: {"title": "all", "dataItem": "", "partGroup": "cathode"}},
        {frameworks.CLASS_MEMBER: None},
        {
            "permission": [
                {
                    "action": "use",
                    "constraint": [{"leftOperand": "moonPhase", "operator": "eq", "rightOperand": "full"}],
                }
            ]
        },
    ],
)
async def test_a_counter_offer_that_widens_the_class_or_cannot_be_held_is_refused(
    street: Street, maker: Firm, cells: Firm, changed: dict[str, object]
) -> None:
    await propose(maker, cells, Role.PROVIDER)
    await street.deliver()
    (offered,) = await cells.inbox()
    (proposal,) = await maker.negotiations()
    counter = ContractRequestMessage(
        provider_pid=proposal.own_pid,
        consumer_pid=offered.negotiation_pid,
        offer={**offered.offer, "@id": "counter", **changed},
    )
    with pytest.raises(Invalid):
        await maker.run(
            lambda uow, moment: negotiations.received(
                uow, maker.company, Standing(cells.did), proposal.own_pid, counter, moment
            )
        )
    assert await maker.negotiations() == [proposal]


async def test_an_agreement_over_another_class_is_refused(street: Street, maker: Firm, cells: Firm) -> None:
    await propose(cells, maker, Role.CONSUMER)
    await street.deliver()
    (own,) = await cells.negotiations()
    (theirs,) = await maker.negotiations()
    wider = ContractAgreementMessage(
        provider_pid=theirs.own_pid,
        consumer_pid=own.own_pid,
        agreement={
            "@id": "urn:uuid:a",
            "@type": "Agreement",
            "target": FRAMEWORK_ID,
            "assigner": maker.did,
            "assignee": cells.did,
            **TERMS,
            frameworks.CLASS_MEMBER: {"title": "nothing", "dataItem": "none"},
        },
    )
    with pytest.raises(Invalid, match="class"):
        await cells.run(
            lambda uow, moment: negotiations.received(
                uow, cells.company, Standing(maker.did), own.own_pid, wider, moment
            )
        )
    assert await cells.agreements() == []


async def test_an_offer_under_a_framework_is_accepted_without_a_person(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await stock(maker, "nmc811")
    await in_force(street, maker, cells)
    offered = await _offer_under(maker, cells, "nmc811")
    await street.deliver()
    assert (await maker.negotiation(offered.own_pid)).state is State.FINALIZED
    agreement = next(found for found in await cells.agreements() if found.asset_id == "nmc811")
    assert agreement.framework_id == FRAMEWORK_ID


async def test_a_consumer_does_not_verify_an_agreement_that_leaves_out_the_framework(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await stock(maker, "lfp", part_group="anode")
    await in_force(street, maker, cells)
    # The provider names the framework for an asset outside of its class; its own agreement then does not name it.
    offered = await _offer_under(maker, cells, "lfp")
    await street.deliver()
    assert (await maker.negotiation(offered.own_pid)).state is State.TERMINATED
    assert [found.asset_id for found in await cells.usable_agreements()] == [FRAMEWORK_ID]


async def test_another_company_cannot_offer_under_a_framework_that_is_not_its_own(
    street: Street, maker: Firm, cells: Firm, rival: Firm
) -> None:
    await in_force(street, maker, cells)
    made = ContractOfferMessage(
        provider_pid="p",
        offer={
            "@id": "o",
            "@type": "Offer",
            "target": "x",
            **TERMS,
            frameworks.NAMED_MEMBER: FRAMEWORK_ID,
        },
        callback_address="https://rival.example/dsp",
    )
    held = await cells.run(
        lambda uow, moment: negotiations.offered(uow, cells.company, Standing(rival.did), made, moment)
    )
    assert held.state is State.OFFERED
    assert [waiting.peer_id for waiting in await cells.inbox()] == [rival.did]


@pytest.mark.parametrize(
    "changed",
    [
        {"framework_id": "f-1"},
        {"framework_id": "urn:ashiato:framework:a b"},
        {"until_ms": FROM_MS},
        {"data_item": "", "part_group": ""},
        {"policy": {"permission": []}},
        {"policy": {}},
    ],
)
async def test_a_framework_that_could_cover_nothing_or_everything_is_not_proposed(
    street: Street, maker: Firm, cells: Firm, changed: dict[str, object]
) -> None:
    with pytest.raises(Invalid):
        await propose(cells, maker, Role.CONSUMER, **changed)
    assert await cells.negotiations() == []
    assert await cells.read(lambda uow: uow.contracts.list_frameworks(None)) == []


@pytest.mark.parametrize(
    "described",
    [
        None,
        "cathode",
        {},
        {"dataItem": "x", "from": "2027-01-01T00:00:00Z", "until": "soon"},
        {"dataItem": "x", "from": "2027-01-02T00:00:00Z", "until": "2027-01-01T00:00:00Z"},
        {"dataItem": 7, "from": "2027-01-01T00:00:00Z", "until": "2028-01-01T00:00:00Z"},
        {"dataItem": "x" * 501, "from": "2027-01-01T00:00:00Z", "until": "2028-01-01T00:00:00Z"},
        {"title": "all", "from": "2027-01-01T00:00:00Z", "until": "2028-01-01T00:00:00Z"},
    ],
)
async def test_a_proposal_that_does_not_describe_its_class_is_refused(
    street: Street, maker: Firm, cells: Firm, described: object
) -> None:
    offer = {"@id": "o", "target": FRAMEWORK_ID, **TERMS, frameworks.CLASS_MEMBER: described}
    with pytest.raises(Invalid):
        await ask(maker, cells, offer)
    assert await maker.negotiations() == []


async def test_a_framework_is_proposed_once(street: Street, maker: Firm, cells: Firm) -> None:
    await propose(cells, maker, Role.CONSUMER)
    with pytest.raises(Invalid, match="exists already"):
        await propose(cells, maker, Role.CONSUMER)
    await street.deliver()
    offer = {**(await maker.inbox())[0].offer}
    with pytest.raises(Invalid, match="proposed before"):
        await ask(maker, cells, offer, "c-2")
    with pytest.raises(NotFound):
        await cells.run(lambda uow, moment: frameworks.end(uow, "urn:ashiato:framework:none", "", moment))


async def _offer_under(maker: Firm, cells: Firm, asset_id: str) -> ContractNegotiation:
    document = {"@id": f"{FRAMEWORK_ID}:{asset_id}", "target": asset_id, **TERMS}

    def work(uow: UnitOfWork, moment: Moment) -> ContractNegotiation:
        return negotiations.offer(uow, maker.company, cells.partner, document, FRAMEWORK_ID, moment)

    return await maker.run(work)
