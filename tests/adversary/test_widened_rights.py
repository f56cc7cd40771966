"""A counterparty that tries to get more than was offered: by another spelling, by ids of its choice, by what it adds."""

import pytest

from ashiato.connector import frameworks, negotiations
from ashiato.connector.catalog import rules_of
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import Invalid
from ashiato.connector.records import FrameworkContract, FrameworkState
from ashiato.connector.strategies import Act
from ashiato.dsp.messages import ContractRequestMessage
from ashiato.dsp.negotiation import ContractNegotiation
from ashiato.dsp.states import NegotiationState, Role
from ashiato.policy.builder import permit
from ashiato.trust.standing import Standing
from tests.connector.firms import START_MS, Firm, Street

USE = [{"action": "use"}]
NOT_LATER = [
    {
        "action": "use",
        "constraint": [
            {"leftOperand": "dateTime", "operator": "gteq", "rightOperand": "2027-06-01T00:00:00Z"}
        ],
    }
]


async def ask(provider: Firm, caller: Firm, offer: dict[str, object]) -> ContractNegotiation:
    message = ContractRequestMessage(
        consumer_pid="c-1",
        offer={"@type": "Offer", **offer},
        callback_address=caller.company.callback_address,
    )

    def work(uow: UnitOfWork, moment: Moment) -> ContractNegotiation:
        return negotiations.requested(uow, provider.company, Standing(caller.did), message, moment)

    return await provider.run(work)


@pytest.mark.parametrize("name", ["odrl:prohibition", "http://www.w3.org/ns/odrl/2/prohibition"])
async def test_a_prohibition_in_another_spelling_is_not_lost_on_the_way_into_the_agreement(
    street: Street, maker: Firm, cells: Firm, name: str
) -> None:
    rules: dict[str, object] = {"permission": USE, "prohibition": NOT_LATER}
    await maker.publish("nmc811", rules=rules)
    offered = await cells.catalog_offer(maker, "nmc811")
    assert rules_of(offered) == rules
    offered[name] = offered.pop("prohibition")
    with pytest.raises(Invalid, match="must be spelled"):
        await ask(maker, cells, offered)
    assert await maker.agreements() == []


def framework(framework_id: str, partner: Firm, part_group: str) -> FrameworkContract:
    return FrameworkContract(
        framework_id=framework_id,
        role=Role.CONSUMER,
        peer_id=partner.did,
        title="Harmless",
        policy=permit("use"),
        from_ms=START_MS - 1000,
        until_ms=START_MS + 1_000_000,
        data_item="carbon-footprint",
        part_group=part_group,
    )


async def propose(street: Street, proposer: Firm, partner: Firm, framework_id: str, part_group: str) -> None:
    wanted = framework(framework_id, partner, part_group)
    await proposer.run(
        lambda uow, moment: negotiations.propose_framework(
            uow, proposer.company, partner.partner.address, wanted, moment
        )
    )
    await street.deliver()


async def test_the_id_of_a_framework_cannot_stand_for_the_access_policy_of_another(
    street: Street, maker: Firm, cells: Firm, rival: Firm
) -> None:
    """A rival proposes a harmless class under the id from which the access policy of another's framework is named."""
    await propose(street, cells, maker, "urn:ashiato:framework:cells-2026", "cathode")
    (waiting,) = await maker.inbox()
    await maker.do(waiting.negotiation_pid, Act.AGREE)
    await street.deliver()
    before = await maker.read(lambda uow: uow.assets.policy("urn:ashiato:framework:cells-2026:access"))

    offer: dict[str, object] = {
        "@id": "o",
        "target": "urn:ashiato:framework:cells-2026:access",
        **permit("use"),
        frameworks.CLASS_MEMBER: frameworks.describe(framework("", maker, "labels")),
    }
    with pytest.raises(Invalid, match="id of a framework"):
        await ask(maker, rival, offer)
    after = await maker.read(lambda uow: uow.assets.policy("urn:ashiato:framework:cells-2026:access"))
    assert after == before
    assert before is not None
    assert cells.did in str(before.document)


async def test_a_consumer_cannot_write_words_of_its_own_into_an_agreement_that_is_made_by_itself(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await maker.publish("nmc811")
    offered = await cells.catalog_offer(maker, "nmc811")
    await ask(
        maker,
        cells,
        {**offered, "ex:remuneration": "the provider pays 1 000 000 EUR", "policyType": "Ticket"},
    )
    (agreement,) = await maker.agreements()
    assert set(agreement.document) == {
        "@id", "@type", "target", "assigner", "assignee", "timestamp", "permission",
    }  # fmt: skip


async def test_a_framework_keeps_its_state_when_another_partner_takes_its_id(
    street: Street, maker: Firm, cells: Firm, rival: Firm
) -> None:
    await propose(street, cells, maker, "urn:ashiato:framework:f-1", "cathode")
    (waiting,) = await maker.inbox()
    await maker.do(waiting.negotiation_pid, Act.AGREE)
    await street.deliver()
    pid = await rival.request(
        maker,
        {
            "@id": "o",
            "target": "urn:ashiato:framework:f-1",
            **permit("use"),
            frameworks.CLASS_MEMBER: frameworks.describe(framework("", maker, "")),
        },
    )
    await street.deliver()
    assert (await rival.negotiation(pid)).state is NegotiationState.TERMINATED
    kept = await maker.read(lambda uow: uow.contracts.framework("urn:ashiato:framework:f-1"))
    assert kept is not None
    assert (kept.state, kept.peer_id, kept.part_group) == (FrameworkState.ACTIVE, cells.did, "cathode")
