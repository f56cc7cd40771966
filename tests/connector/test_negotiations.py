"""Contract negotiations between companies, step by step, on each kind of store."""

import pytest

from ashiato.connector import negotiations, offers
from ashiato.connector.problems import Invalid, NotFound, QuotaExceeded, WrongState
from ashiato.connector.records import Approval
from ashiato.connector.strategies import Act
from ashiato.dsp.errors import IllegalTransition
from ashiato.dsp.messages import (
    ContractAgreementMessage,
    ContractNegotiationTerminationMessage,
    ContractOfferMessage,
)
from ashiato.dsp.negotiation import ContractNegotiation
from ashiato.dsp.states import NegotiationState as State
from ashiato.dsp.states import Role
from ashiato.policy.builder import permit
from ashiato.trust.standing import Standing
from tests.connector.bargains import FOR_A_MONTH, FOR_A_WEEK, THREE_TIMES, Silent, ask, both, opening, receive
from tests.connector.firms import ANY, START_MS, Firm, Street


async def test_a_request_for_what_is_offered_becomes_one_agreement_on_both_sides(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await maker.publish("nmc811", rules=FOR_A_MONTH)
    pid = await cells.request(maker, await cells.catalog_offer(maker, "nmc811"))
    await street.deliver()
    own, theirs = await both(pid, cells, maker)
    assert (own.state, theirs.state) == (State.FINALIZED, State.FINALIZED)
    (ours,), (provided,) = await cells.agreements(), await maker.agreements()
    assert ours.agreement_id == provided.agreement_id
    assert ours.document == provided.document
    assert ours.policy_hash == provided.policy_hash
    assert (ours.role, ours.peer_id, ours.finalized) == (Role.CONSUMER, maker.did, True)
    assert (provided.role, provided.peer_id, provided.finalized) == (Role.PROVIDER, cells.did, True)
    assert (ours.document["assigner"], ours.document["assignee"]) == (maker.did, cells.did)
    assert ours.document["target"] == "nmc811"
    assert ours.document["permission"] == FOR_A_MONTH["permission"]
    assert await cells.events() == [
        "negotiation.requested",
        "negotiation.agreed",
        "negotiation.verified",
        "negotiation.finalized",
    ]


async def test_no_agreement_gives_a_right_before_the_negotiation_is_final(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await maker.publish("nmc811")
    await cells.request(maker, await cells.catalog_offer(maker, "nmc811"))
    moves = 0
    while await street.deliver_one():
        moves += 1
        for firm in (maker, cells):
            (negotiation,) = await firm.negotiations()
            is_final = negotiation.state is State.FINALIZED
            assert len(await firm.usable_agreements()) == (1 if is_final else 0)
            assert len(await firm.agreements()) <= 1
    assert moves == 4
    assert [len(await firm.usable_agreements()) for firm in (maker, cells)] == [1, 1]


async def test_a_provider_makes_an_offer_and_a_person_accepts_it(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await maker.publish("nmc811", rules=FOR_A_MONTH)
    document = {"@id": "offer:nmc811", "target": "nmc811", **FOR_A_MONTH}
    offered = await maker.run(
        lambda uow, moment: negotiations.offer(uow, maker.company, cells.partner, document, "offer", moment)
    )
    await street.deliver()
    (waiting,) = await cells.inbox()
    assert waiting.choices == ("accept", "counter", "terminate")
    assert (waiting.role, waiting.peer_id, waiting.asset_id) == (Role.CONSUMER, maker.did, "nmc811")
    assert waiting.offer["permission"] == FOR_A_MONTH["permission"]
    await cells.do(waiting.negotiation_pid, Act.ACCEPT)
    assert await cells.inbox() == []
    await street.deliver()
    own, theirs = await both(offered.own_pid, maker, cells)
    assert (own.state, theirs.state) == (State.FINALIZED, State.FINALIZED)
    assert [len(await firm.usable_agreements()) for firm in (maker, cells)] == [1, 1]


async def test_a_provider_answers_other_terms_down_its_own_list_and_the_consumer_takes_the_first_it_may(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await maker.publish("nmc811", rules=THREE_TIMES, alternatives=(FOR_A_WEEK, FOR_A_MONTH))
    offer = {**await cells.catalog_offer(maker, "nmc811"), **ANY}
    pid = await cells.request(maker, offer, acceptable=(FOR_A_WEEK,))
    await street.deliver()
    own, theirs = await both(pid, cells, maker)
    # The consumer asks for more than is offered; the provider proposes its first terms; the consumer counters with the
    # only other terms that it may accept; those are on the provider's list.
    assert (own.state, own.rounds) == (State.FINALIZED, 3)
    assert theirs.state is State.FINALIZED
    (agreement,) = await cells.agreements()
    assert agreement.document["permission"] == FOR_A_WEEK["permission"]


async def test_a_provider_without_further_terms_ends_the_negotiation_and_says_why(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await maker.publish("nmc811", rules=THREE_TIMES)
    offer = {**await cells.catalog_offer(maker, "nmc811"), **ANY}
    pid = await cells.request(maker, offer, acceptable=(FOR_A_WEEK,))
    await street.deliver()
    own, theirs = await both(pid, cells, maker)
    assert (own.state, theirs.state) == (State.TERMINATED, State.TERMINATED)
    assert own.reason is not None
    assert "no other terms are left" in negotiations.in_words(own.reason)
    assert await cells.agreements() == []


async def test_a_consumer_counters_down_its_list_until_a_person_must_decide(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await maker.publish("nmc811", rules=THREE_TIMES, alternatives=(FOR_A_MONTH,))
    offer = {**await cells.catalog_offer(maker, "nmc811"), **ANY}
    await cells.request(maker, offer, acceptable=(FOR_A_WEEK,))
    await street.deliver()
    # ANY -> THREE_TIMES -> FOR_A_WEEK -> FOR_A_MONTH, which the consumer did not name: its person is asked.
    (waiting,) = await cells.inbox()
    assert waiting.offer["permission"] == FOR_A_MONTH["permission"]
    await cells.do(waiting.negotiation_pid, Act.COUNTER, rules=THREE_TIMES)
    await street.deliver()
    (agreement,) = await maker.usable_agreements()
    assert agreement.document["permission"] == THREE_TIMES["permission"]


async def test_a_request_for_a_manual_offer_is_held_and_approved_by_a_person(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await maker.publish("nmc811", approval=Approval.MANUAL)
    pid = await cells.request(maker, await cells.catalog_offer(maker, "nmc811"))
    await street.deliver()
    (waiting,) = await maker.inbox()
    assert waiting.choices == ("agree", "offer", "terminate")
    assert (await cells.negotiation(pid)).state is State.REQUESTED
    assert "approval.needed" in await maker.events()
    await maker.do(waiting.negotiation_pid, Act.AGREE)
    assert await maker.inbox() == []
    await street.deliver()
    assert (await cells.negotiation(pid)).state is State.FINALIZED


async def test_a_held_request_is_answered_with_other_terms_by_a_person(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await maker.publish("nmc811", approval=Approval.MANUAL)
    pid = await cells.request(maker, await cells.catalog_offer(maker, "nmc811"), acceptable=(FOR_A_WEEK,))
    await street.deliver()
    (waiting,) = await maker.inbox()
    await maker.do(waiting.negotiation_pid, Act.OFFER, rules=FOR_A_WEEK)
    await street.deliver()
    assert (await cells.negotiation(pid)).state is State.FINALIZED
    (agreement,) = await cells.agreements()
    assert agreement.document["permission"] == FOR_A_WEEK["permission"]


async def test_a_held_request_is_rejected_by_a_person_with_the_reason(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await maker.publish("nmc811", approval=Approval.MANUAL)
    pid = await cells.request(maker, await cells.catalog_offer(maker, "nmc811"))
    await street.deliver()
    (waiting,) = await maker.inbox()
    await maker.do(waiting.negotiation_pid, Act.TERMINATE, reason="We do not supply you any more.")
    await street.deliver()
    own, theirs = await both(pid, cells, maker)
    assert (own.state, theirs.state) == (State.TERMINATED, State.TERMINATED)
    assert own.reason is not None
    assert negotiations.in_words(own.reason) == "We do not supply you any more."
    assert await maker.inbox() == []


async def test_an_inbox_entry_goes_when_the_counterparty_withdraws(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await maker.publish("nmc811", approval=Approval.MANUAL)
    pid = await cells.request(maker, await cells.catalog_offer(maker, "nmc811"))
    await street.deliver()
    (waiting,) = await maker.inbox()
    await cells.do(pid, Act.TERMINATE, reason="No need any more.")
    await street.deliver()
    assert await maker.inbox() == []
    with pytest.raises(WrongState):
        await maker.do(waiting.negotiation_pid, Act.AGREE)


async def test_an_offer_under_terms_that_this_connector_cannot_enforce_is_not_made(
    street: Street, maker: Firm, cells: Firm
) -> None:
    unknown = {
        "permission": [
            {
                "action": "use",
                "constraint": [{"leftOperand": "moonPhase", "operator": "eq", "rightOperand": "full"}],
            }
        ]
    }
    document = {"@id": "offer:nmc811", "target": "nmc811", **unknown}
    with pytest.raises(Invalid, match="cannot enforce"):
        await maker.run(
            lambda uow, moment: negotiations.offer(
                uow, maker.company, cells.partner, document, "offer", moment
            )
        )
    await maker.publish("nmc811", approval=Approval.MANUAL)
    await cells.request(maker, await cells.catalog_offer(maker, "nmc811"))
    await street.deliver()
    (waiting,) = await maker.inbox()
    with pytest.raises(Invalid, match="cannot enforce"):
        await maker.do(waiting.negotiation_pid, Act.OFFER, rules=unknown)
    assert await maker.inbox() == [waiting]


# What may be asked for.


async def test_what_may_not_be_seen_is_refused_like_what_does_not_exist(
    street: Street, maker: Firm, cells: Firm, rival: Firm
) -> None:
    await maker.publish("nmc811", access=permit("use", participants=[cells.did]))
    await maker.publish("lfp", offer_id="late", access=permit("use", not_before_ms=START_MS + 10**9))
    await maker.publish("lco", offer_id="gone")
    await maker.run(lambda uow, moment: offers.delete_offer(uow, "gone", moment))
    wanted: list[dict[str, object]] = [
        {"@id": "offer:nmc811", "target": "nmc811", **ANY},
        {"@id": "offer:nmc811", **ANY},
        {"@id": "late:lfp", "target": "lfp", **ANY},
        {"@id": "gone:lco", "target": "lco", **ANY},
        {"@id": "never:was", "target": "nmc811", **ANY},
        {"@id": "never:was", **ANY},
        {"@id": "late:lfp", "target": "nmc811", **ANY},
    ]
    sentences = set()
    for number, offer in enumerate(wanted):
        with pytest.raises(Invalid) as refusal:
            await ask(maker, rival, opening(offer, f"c-{number}"))
        sentences.add((refusal.value.sentence, refusal.value.fields["path"]))
    assert len(sentences) == 1
    assert await maker.negotiations() == []
    assert await maker.events() == [
        "asset.stored",
        "policy.stored",
        "policy.stored",
        "offer.published",
    ] * 2 + [
        "asset.stored",
        "policy.stored",
        "offer.published",
        "offer.withdrawn",
    ]


async def test_an_offer_without_target_is_known_by_its_id(street: Street, maker: Firm, cells: Firm) -> None:
    await maker.publish("nmc811")
    negotiation = await ask(maker, cells, opening({"@id": "offer:nmc811", **ANY}))
    assert (negotiation.dataset_id, negotiation.state) == ("nmc811", State.AGREED)


async def test_a_policy_that_denies_ends_the_negotiation_with_the_reason_in_words(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await maker.publish("nmc811", rules=permit("use", until_ms=START_MS - 1))
    pid = await cells.request(maker, await cells.catalog_offer(maker, "nmc811"))
    await street.deliver()
    own, theirs = await both(pid, cells, maker)
    assert (own.state, theirs.state) == (State.TERMINATED, State.TERMINATED)
    assert own.reason is not None
    words = negotiations.in_words(own.reason)
    # 1 800 000 000 000 ms is 2027-01-15T08:00:00Z; the limit lies one millisecond before.
    assert "2027-01-15T07:59:59.999" in words
    assert await maker.agreements() == []


async def test_terms_for_somebody_else_are_not_agreed_with_this_one(
    street: Street, maker: Firm, cells: Firm, rival: Firm
) -> None:
    await maker.publish("nmc811", rules={**ANY, "assignee": cells.did})
    refused = await rival.request(maker, await rival.catalog_offer(maker, "nmc811"))
    await street.deliver()
    assert (await rival.negotiation(refused)).state is State.TERMINATED
    agreed = await cells.request(maker, await cells.catalog_offer(maker, "nmc811"))
    await street.deliver()
    assert (await cells.negotiation(agreed)).state is State.FINALIZED
    assert await rival.agreements() == []


async def test_an_offer_whose_time_ends_before_it_is_accepted_is_not_agreed(
    street: Street, maker: Firm, cells: Firm
) -> None:
    rules = permit("use", until_ms=START_MS + 1000)
    await maker.publish("nmc811", rules=rules)
    document = {"@id": "offer:nmc811", "target": "nmc811", **rules}
    await maker.run(
        lambda uow, moment: negotiations.offer(uow, maker.company, cells.partner, document, "offer", moment)
    )
    await street.deliver()
    (waiting,) = await cells.inbox()
    street.clock.now_ms = START_MS + 5000
    await cells.do(waiting.negotiation_pid, Act.ACCEPT)
    await street.deliver()
    ended = await cells.negotiation(waiting.negotiation_pid)
    assert ended.state is State.TERMINATED
    assert ended.reason is not None
    assert "2027-01-15T08:00:01" in negotiations.in_words(ended.reason)


@pytest.mark.parametrize(
    "rules",
    [
        {"permission": [{"action": "use", "constraint": [{"and": []}]}]},
        {"permission": [{"action": "use", "target": "another"}]},
        {
            "permission": [
                {
                    "action": "use",
                    "constraint": [{"leftOperand": "count", "operator": "lteq", "rightOperand": 2**60}],
                }
            ]
        },
        {"permission": [{"action": "use"}], "conflict": "sometimes"},
    ],
)
async def test_terms_that_cannot_be_read_are_refused_before_anything_is_kept(
    street: Street, maker: Firm, cells: Firm, rules: dict[str, object]
) -> None:
    await maker.publish("nmc811")
    offer = {"@id": "offer:nmc811", "target": "nmc811", **rules}
    with pytest.raises(Invalid, match="malformed"):
        await ask(maker, cells, opening(offer))
    with pytest.raises(Invalid, match="malformed"):
        await cells.request(maker, offer)
    made = ContractOfferMessage(
        provider_pid="p", offer={"@type": "Offer", **offer}, callback_address="https://maker.example/dsp"
    )
    with pytest.raises(Invalid, match="malformed"):
        await cells.run(
            lambda uow, moment: negotiations.offered(uow, cells.company, Standing(maker.did), made, moment)
        )
    assert await maker.negotiations() == await cells.negotiations() == []


async def test_a_callback_that_may_not_be_called_is_refused(street: Street, maker: Firm, cells: Firm) -> None:
    await maker.publish("nmc811")
    with pytest.raises(Invalid, match="does not call"):
        await ask(
            maker, cells, opening(await cells.catalog_offer(maker, "nmc811"), callback="https://forbidden/")
        )
    assert await maker.negotiations() == []


async def test_a_partner_has_a_quota_of_open_negotiations(street: Street) -> None:
    maker = street.firm("maker", strategy=Silent(), most_open_processes_count=2)
    cells, rival = street.firm("cells"), street.firm("rival")
    await maker.publish("nmc811")
    offer = await cells.catalog_offer(maker, "nmc811")
    first = await ask(maker, cells, opening(offer, "c-1"))
    await ask(maker, cells, opening(offer, "c-2"))
    with pytest.raises(QuotaExceeded):
        await ask(maker, cells, opening(offer, "c-3"))
    # Another partner has its own; a repeated request is none more; one that ended gives room.
    await ask(maker, rival, opening(offer, "c-1"))
    await ask(maker, cells, opening(offer, "c-1"))
    await maker.do(first.own_pid, Act.TERMINATE)
    await ask(maker, cells, opening(offer, "c-3"))
    assert len(await maker.negotiations()) == 4


# Once and again.


async def test_the_first_message_again_gives_the_same_negotiation(
    street: Street, maker: Firm, cells: Firm, rival: Firm
) -> None:
    await maker.publish("nmc811")
    message = opening(await cells.catalog_offer(maker, "nmc811"))
    first = await ask(maker, cells, message)
    again = await ask(maker, cells, message)
    assert again == first
    assert len(await maker.agreements()) == 1
    # The same pid from somebody else is another negotiation.
    other = await ask(maker, rival, message)
    assert other.own_pid != first.own_pid
    made = ContractOfferMessage(
        provider_pid="p",
        offer={"@id": "o", "@type": "Offer", "target": "nmc811", **ANY},
        callback_address="https://maker.example/dsp",
    )

    async def offer() -> ContractNegotiation:
        return await cells.run(
            lambda uow, moment: negotiations.offered(uow, cells.company, Standing(maker.did), made, moment)
        )

    assert await offer() == await offer()
    assert len(await cells.inbox()) == 1


async def test_a_pid_that_we_gave_cannot_be_used_to_open_another_negotiation(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await maker.publish("nmc811")
    pid = await cells.request(maker, await cells.catalog_offer(maker, "nmc811"))
    await street.deliver()
    own = await cells.negotiation(pid)
    assert own.peer_pid is not None
    made = ContractOfferMessage(
        provider_pid=own.peer_pid,
        offer={"@id": "o", "@type": "Offer", "target": "nmc811", **ANY},
        callback_address="https://maker.example/dsp",
    )
    with pytest.raises(IllegalTransition):
        await cells.run(
            lambda uow, moment: negotiations.offered(uow, cells.company, Standing(maker.did), made, moment)
        )
    assert await cells.negotiation(pid) == own


async def test_another_ones_negotiation_looks_as_if_there_were_none(
    street: Street, maker: Firm, cells: Firm, rival: Firm
) -> None:
    await maker.publish("nmc811", approval=Approval.MANUAL)
    pid = await cells.request(maker, await cells.catalog_offer(maker, "nmc811"))
    await street.deliver()
    own, theirs = await both(pid, cells, maker)
    ending = ContractNegotiationTerminationMessage(provider_pid=theirs.own_pid, consumer_pid=own.own_pid)
    with pytest.raises(NotFound) as hidden:
        await receive(maker, rival, theirs.own_pid, ending)
    with pytest.raises(NotFound) as absent:
        await maker.read(lambda uow: negotiations.of_peer(uow, rival.did, "never-was"))
    assert hidden.value.sentence.replace(theirs.own_pid, "") == absent.value.sentence.replace("never-was", "")
    assert (await maker.negotiation(theirs.own_pid)).state is State.REQUESTED


async def test_an_agreement_with_the_id_of_another_is_refused(
    street: Street, maker: Firm, cells: Firm, rival: Firm
) -> None:
    await maker.publish("nmc811")
    agreement = await cells.agree(maker, "nmc811")
    await rival.publish("lfp", approval=Approval.MANUAL)
    pid = await cells.request(rival, await cells.catalog_offer(rival, "lfp"))
    await street.deliver()
    own, theirs = await both(pid, cells, rival)
    for wrong_id in (agreement.agreement_id, "", "a\u0000b", "x" * 1001):
        stolen = ContractAgreementMessage(
            provider_pid=theirs.own_pid,
            consumer_pid=own.own_pid,
            agreement={
                "@id": wrong_id,
                "@type": "Agreement",
                "target": "lfp",
                "assigner": rival.did,
                "assignee": cells.did,
                **ANY,
            },
        )
        with pytest.raises(Invalid):
            await receive(cells, rival, own.own_pid, stolen)
    assert await cells.agreements() == [agreement]
    assert await cells.negotiation(pid) == own
