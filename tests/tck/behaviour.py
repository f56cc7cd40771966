"""How the connector under test behaves where the product would decide by itself: it holds, and a script acts for it."""

import asyncio
import uuid
from collections import Counter

import msgspec
import structlog

from ashiato.connector import negotiations, transfers
from ashiato.connector.company import Company
from ashiato.connector.node import Node, Tenant
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.records import Event
from ashiato.connector.strategies import HOLD, Reaction
from ashiato.connector.strategies import Act as NegotiationAct
from ashiato.dsp.negotiation import ContractNegotiation
from ashiato.dsp.transfer import TransferProcess
from ashiato.identity.signed_tokens import NotAuthenticated
from ashiato.trust.standing import Standing
from tests.tck import scenarios
from tests.tck.scenarios import Act, State

AUTHORIZATION = "Bearer of-the-kit"
RULES: dict[str, object] = {"permission": [{"action": "use"}]}
REASON = "The script of the official kit says so."
TOKEN_LIFETIME_MS = 60_000

log = structlog.get_logger()


class Holding:
    """A strategy that leaves every act to the script, as if a person had to decide."""

    def negotiate(
        self,
        uow: UnitOfWork,
        negotiation: ContractNegotiation,
        context: dict[str, object],
        peer: Standing,
        now_ms: int,
    ) -> Reaction:
        """See `Strategy`."""
        return HOLD

    def hand_over(self, uow: UnitOfWork, transfer: TransferProcess, now_ms: int) -> bool:
        """See `Strategy`."""
        return False


class KitCaller(msgspec.Struct, frozen=True):
    """The kit, known by its header."""

    participant_id: str
    token_id: str
    expires_ms: int
    standing: Standing


class KitIdentity:
    """The identity of a network with one other member: the kit sends one constant header and looks at none."""

    async def authenticate(self, participant_id: str, authorization: str | None, now_ms: int) -> KitCaller:
        """See `Identity`."""
        if authorization != AUTHORIZATION:
            raise NotAuthenticated("this is not the header of the kit")
        # The header is always the same, so what stands for its token id must not be.
        kit_id = scenarios.KIT_PARTICIPANT_ID
        return KitCaller(kit_id, uuid.uuid4().hex, now_ms + TOKEN_LIFETIME_MS, Standing(kit_id))

    async def standing(self, participant_id: str, peer_id: str, now_ms: int) -> Standing:
        """See `Identity`."""
        return Standing(peer_id)

    async def token_for(self, participant_id: str, audience: str, now_ms: int, token_id: str) -> str:
        """See `Identity`."""
        return AUTHORIZATION


class Script:
    """Does, a moment after a commit, what the table says; through the use cases that a person's call would take."""

    def __init__(self, node: Node, tenant: Tenant) -> None:
        self._node = node
        self._tenant = tenant
        self._reached: Counter[tuple[str, State]] = Counter()
        self._acting: set[asyncio.Task[None]] = set()

    def listen(self, event: Event) -> None:
        """Note that a process has reached a state; for `Store.subscribe`."""
        kind, _, name = event.name.partition(".")
        about, state = _ABOUT.get(kind), _STATES.get(name)
        if about is None or state is None:
            return
        reached = (event.process_id, state)
        self._reached[reached] += 1
        act = scenarios.reaction(str(event.details.get(about)), state, self._reached[reached])
        if act is None:
            return
        task = asyncio.get_running_loop().create_task(self._act(kind, event.process_id, act))
        self._acting.add(task)
        task.add_done_callback(self._acting.discard)

    async def _act(self, kind: str, pid: str, act: Act) -> None:
        await asyncio.sleep(scenarios.REACTION_DELAY_MS / 1000)
        do = _negotiate if kind == "negotiation" else _transfer
        company, moment = self._tenant.company, self._node.moment()
        try:
            await self._node.store.run(
                self._tenant.participant_id, lambda uow: do(uow, company, pid, act, moment)
            )
        except Exception:
            # The border of one act: the kit will miss it and fail its test, and the log must say why.
            log.exception("the script could not act", process=pid, act=act)


_ABOUT = {"negotiation": "asset_id", "transfer": "agreement_id"}
_STATES = {state.value: state for state in State}


def _negotiate(uow: UnitOfWork, company: Company, pid: str, act: Act, moment: Moment) -> None:
    reaction = Reaction(act=NegotiationAct(act.value), rules=RULES, reason=REASON)
    negotiations.do(uow, company, pid, reaction, moment)


def _transfer(uow: UnitOfWork, company: Company, pid: str, act: Act, moment: Moment) -> None:
    match act:
        case Act.START:
            transfers.start(uow, company, pid, Standing(transfers.own(uow, pid).peer_id), moment)
        case Act.SUSPEND:
            transfers.suspend(uow, company, pid, REASON, moment)
        case Act.COMPLETE:
            transfers.complete(uow, company, pid, moment)
        case Act.TERMINATE:
            transfers.terminate(uow, company, pid, REASON, moment)
        case _:
            raise ValueError(f"{act} is no act of a transfer")
