"""Every enforced term at every checkpoint of the table in docs/policies.md: granted once and refused once, by the use cases.

The cells are those of the vocabulary, so a term that is enforced anywhere and has no case here fails.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from ashiato.connector import catalog, data_access, declarations, negotiations, obligations, offers, transfers
from ashiato.connector.catalog import Query
from ashiato.connector.data_access import Admission, Found, Refusal, Wanted
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import NotFound, NotPermitted
from ashiato.connector.records import (
    AgreementRecord,
    Asset,
    DeclaredFact,
    ObligationState,
    OfferDefinition,
    PartnerGroup,
    PolicyDefinition,
)
from ashiato.dsp.messages import ContractRequestMessage, TransferRequestMessage
from ashiato.dsp.states import NegotiationState, Role, TransferState
from ashiato.dsp.transfer import TransferProcess
from ashiato.policy.obligations import Trigger
from ashiato.policy.terms import DUTY_ACTIONS, LEFT_OPERANDS, Kind
from ashiato.policy.vocabulary import Checkpoint, Enforcement, prohibition_enforcement
from ashiato.trust.standing import Standing
from tests.connector.checkpoints import CELLS, DUTIES, OPERANDS, PROHIBITIONS, Case, World
from tests.connector.firms import ANY, START_MS, Firm, Street, open_street

AGREEMENT = "urn:uuid:00000000-0000-4000-8000-00000000a9ee"
TRANSFER = "urn:uuid:00000000-0000-4000-8000-0000000007a5"
EVERYWHERE = tuple(Checkpoint)


class Grant(msgspec.Struct, frozen=True):
    """What a token of the agreement's consumer would say."""

    consumer: str = CELLS
    agreement_id: str = AGREEMENT
    transfer_pid: str = TRANSFER
    asset_id: str = "powder"


def cells_of_the_table() -> Iterator[tuple[str, Case, Checkpoint]]:
    """Every enforced cell, with its case."""
    for name, known in LEFT_OPERANDS.items():
        if known.enforcement is Enforcement.ENFORCED and known.kind is not Kind.DESCRIPTION:
            for checkpoint in known.checkpoints:
                yield name, OPERANDS[name], checkpoint
    for action, duty in DUTY_ACTIONS.items():
        if duty.enforcement is Enforcement.ENFORCED:
            for checkpoint in duty.checkpoints:
                yield f"duty {action}", DUTIES[action], checkpoint
    for action, case in PROHIBITIONS.items():
        assert prohibition_enforcement(action) is Enforcement.ENFORCED
        # To see an offer is asked in the catalog alone; what is prohibited there is no use.
        for checkpoint in (Checkpoint.CATALOG,) if action == "access" else EVERYWHERE:
            yield f"prohibition {action}", case, checkpoint


CELLS_OF_THE_TABLE = list(cells_of_the_table())
EACH = pytest.mark.parametrize(
    ("case", "checkpoint"),
    [
        pytest.param(case, checkpoint, id=f"{name} at {checkpoint}")
        for name, case, checkpoint in CELLS_OF_THE_TABLE
    ],
)


@pytest.fixture
async def maker(tmp_path: Path) -> AsyncIterator[Firm]:
    """The provider, whose checkpoints are tried."""
    async with open_street(f"sqlite:///{tmp_path}/connector.db") as street:
        yield street.firm("maker")


def standing_of(world: World) -> Standing:
    return Standing(CELLS, world.claims)


async def enter(maker: Firm, world: World) -> None:
    """Make it so: the owner's words, the asset, the uses, and the clock last."""
    street: Street = maker.street

    def work(uow: UnitOfWork, moment: Moment) -> None:
        asset = Asset(
            asset_id="powder",
            title="NMC811",
            source={"kind": "record"},
            media_type=world.media_type,
            classification=world.classification,
        )
        offers.put_asset(uow, asset, moment)
        for group in uow.declarations.list_groups():
            declarations.delete_group(uow, group.group_id, moment)
        for group_id in world.groups:
            group = PartnerGroup(group_id=group_id, title="", members=(CELLS,))
            declarations.put_group(uow, group, moment)
        for fact in uow.declarations.list_facts(None):
            declarations.delete_fact(uow, fact.name, fact.agreement_id, moment)
        for name, value in world.facts.items():
            declarations.put_fact(uow, DeclaredFact(name=name, values=(value,)), moment)
        agreement = uow.contracts.agreement(AGREEMENT)
        if agreement is not None:
            uow.contracts.put_agreement(msgspec.structs.replace(agreement, uses_count=world.uses_count))
        state = ObligationState.FULFILLED if world.is_settled else ObligationState.PENDING
        for owed in uow.obligations.page("", 10):
            if owed.state is not state:
                obligations.settle(uow, owed.obligation_id, state, "told", moment)

    await maker.run(work)
    street.clock.now_ms = START_MS + 1000 + world.passed_ms


async def agree(maker: Firm, rules: dict[str, object]) -> None:
    """An agreement that is in force, as if it had been made when the world was good, with a started transfer."""

    def work(uow: UnitOfWork, moment: Moment) -> None:
        agreement = AgreementRecord(
            agreement_id=AGREEMENT,
            role=Role.PROVIDER,
            peer_id=CELLS,
            asset_id="powder",
            negotiation_pid="urn:uuid:none",
            document={"@id": AGREEMENT, "assigner": maker.did, "assignee": CELLS, **rules},
            policy_hash="-",
            agreed_ms=START_MS,
            finalized=True,
        )
        is_new = uow.contracts.agreement(AGREEMENT) is None
        uow.contracts.put_agreement(agreement)
        if not is_new:
            return
        obligations.begin(uow, agreement, Trigger.AGREEMENT, "", moment)
        uow.transfers.insert(
            TransferProcess(
                role=Role.PROVIDER,
                own_pid=TRANSFER,
                peer_id=CELLS,
                peer_pid="urn:uuid:theirs",
                peer_address="https://cells.example/cells",
                state=TransferState.STARTED,
                agreement_id=AGREEMENT,
                format="HttpData-PULL",
                is_push=False,
                moved_by=Role.PROVIDER,
                created_ms=START_MS,
                updated_ms=START_MS,
            )
        )

    await maker.run(work)


async def publish(maker: Firm, *, contract: dict[str, object], access: dict[str, object] | None) -> None:
    def work(uow: UnitOfWork, moment: Moment) -> None:
        offers.put_policy(uow, PolicyDefinition(policy_id="contract", document=contract), moment)
        if access is not None:
            offers.put_policy(uow, PolicyDefinition(policy_id="access", document=access), moment)
        offer = OfferDefinition(
            offer_id="offer",
            contract_policy_id="contract",
            access_policy_id=None if access is None else "access",
            asset_ids=("powder",),
        )
        offers.put_offer(uow, offer, moment)

    await maker.run(work)


async def in_catalog(maker: Firm, case: Case, world: World, rules: dict[str, object]) -> bool:
    await enter(maker, world)
    await publish(maker, contract=dict(ANY), access=rules)
    now_ms, caller = maker.street.clock.now_ms, standing_of(world)
    page = await maker.read(lambda uow: catalog.page(uow, caller, now_ms, Query()))
    try:
        await maker.read(lambda uow: catalog.dataset(uow, caller, now_ms, "powder"))
    except NotFound:
        is_shown_alone = False
    else:
        is_shown_alone = True
    # One filter for the list and for the item (CVE-2024-9202).
    assert is_shown_alone is bool(page.datasets)
    return is_shown_alone


async def in_negotiation(maker: Firm, case: Case, world: World, rules: dict[str, object]) -> bool:
    await enter(maker, world)
    await publish(maker, contract=rules, access=None)
    message = ContractRequestMessage(
        consumer_pid="urn:uuid:00000000-0000-4000-8000-0000000000c0",
        offer={"@id": "offer:powder", "@type": "Offer", "target": "powder", **rules},
        callback_address="https://cells.example/cells",
    )
    offering_id = offers.offering_id("offer", "powder")
    message = msgspec.structs.replace(message, offer={**message.offer, "@id": offering_id})
    found = await maker.run(
        lambda uow, moment: negotiations.requested(uow, maker.company, standing_of(world), message, moment)
    )
    assert found.state in (NegotiationState.AGREED, NegotiationState.TERMINATED)
    return found.state is NegotiationState.AGREED


async def at_transfer(maker: Firm, case: Case, world: World, rules: dict[str, object]) -> bool:
    await agree(maker, rules)
    await enter(maker, world)
    message = TransferRequestMessage(
        consumer_pid="urn:uuid:00000000-0000-4000-8000-0000000000c1",
        agreement_id=AGREEMENT,
        format="HttpData-PULL",
        callback_address="https://cells.example/cells",
    )
    try:
        started = await maker.run(
            lambda uow, moment: transfers.requested(uow, maker.company, standing_of(world), message, moment)
        )
    except NotPermitted:
        return False
    assert started.state is TransferState.STARTED
    return True


async def admitted(maker: Firm, world: World) -> Admission | Refusal:
    """As the data plane does it: look, describe, admit."""
    found = await maker.run(
        lambda uow, moment: data_access.look_up(uow, Grant(), standing_of(world), "GET", moment.now_ms)
    )
    if isinstance(found, Refusal):
        return found
    assert isinstance(found, Found)
    wanted = Wanted(method="GET", changes=found.changes)
    return await maker.run(
        lambda uow, moment: data_access.admit(uow, Grant(), standing_of(world), wanted, moment)
    )


async def at_read(maker: Firm, case: Case, world: World, rules: dict[str, object]) -> bool:
    await agree(maker, rules)
    await enter(maker, world)
    answer = await admitted(maker, world)
    records = await maker.read(lambda uow: uow.transfers.list_accesses("", 10))
    assert bool(records) is isinstance(answer, Admission)
    return isinstance(answer, Admission)


async def while_running(maker: Firm, case: Case, world: World, rules: dict[str, object]) -> bool:
    """The read begins while the world is good; then it becomes `world`, and the agreement says `rules`."""
    await agree(maker, case.rules)
    await enter(maker, case.good)
    admission = await admitted(maker, case.good)
    assert isinstance(admission, Admission)
    changed = rules
    if world.media_type != case.good.media_type:
        # What a stream was altered by is settled when it begins: another demand ends it.
        changed = {"permission": [{"action": "use"}]}
    if changed != case.rules:
        await agree(maker, changed)
    await enter(maker, world)
    answer = await maker.run(
        lambda uow, moment: data_access.recheck(uow, admission, standing_of(world), moment.now_ms)
    )
    return not isinstance(answer, Refusal)


Driver = Callable[[Firm, Case, World, dict[str, object]], Awaitable[bool]]
DRIVERS: dict[Checkpoint, Driver] = {
    Checkpoint.CATALOG: in_catalog,
    Checkpoint.NEGOTIATION: in_negotiation,
    Checkpoint.TRANSFER: at_transfer,
    Checkpoint.READ: at_read,
    Checkpoint.RUNNING: while_running,
}


@EACH
async def test_what_the_policy_asks_for_is_granted_where_it_holds(
    maker: Firm, case: Case, checkpoint: Checkpoint
) -> None:
    assert await DRIVERS[checkpoint](maker, case, case.good, case.rules)


@EACH
async def test_what_the_policy_asks_for_is_refused_where_it_does_not_hold(
    maker: Firm, case: Case, checkpoint: Checkpoint
) -> None:
    assert not await DRIVERS[checkpoint](maker, case, case.bad, case.bad_rules or case.rules)


def test_every_enforced_term_has_its_case_and_no_two_ask_the_same() -> None:
    enforced = {
        name
        for name, known in LEFT_OPERANDS.items()
        if known.enforcement is Enforcement.ENFORCED and known.kind is not Kind.DESCRIPTION
    }
    assert set(OPERANDS) == enforced
    duties = {action for action, duty in DUTY_ACTIONS.items() if duty.enforcement is Enforcement.ENFORCED}
    assert set(DUTIES) == duties
    policies = [str(case.rules) for case in (*OPERANDS.values(), *DUTIES.values(), *PROHIBITIONS.values())]
    assert len(policies) == len(set(policies))
