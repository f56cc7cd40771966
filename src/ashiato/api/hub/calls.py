"""What a route of the hub is given: one request of one caller, with its moment, and the hub around it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import Depends, Request

from ashiato.facts.moments import Moment
from ashiato.hub.node import Hub, Party
from ashiato.hub.parties import PartyRecord
from ashiato.hub.ports import UnitOfWork

S = TypeVar("S")
T = TypeVar("T")
OPERATOR_LANE = "operator"


@dataclass(frozen=True, slots=True)
class HubCall:
    """One request; `services` are what the rooms run beside the store, by their types."""

    hub: Hub
    moment: Moment
    services: Mapping[type, object]
    lane: str

    async def run(self, work: Callable[[UnitOfWork], T]) -> T:
        """One transaction."""
        return await self.hub.store.run(self.lane, work)

    async def read(self, work: Callable[[UnitOfWork], T]) -> T:
        """A look that changes nothing."""
        return await self.hub.store.read(self.lane, work)

    def service(self, kind: type[S]) -> S:
        """The service of that type which a room brought."""
        found = self.services[kind]
        if not isinstance(found, kind):
            raise TypeError(f"no {kind.__name__} stands behind its own name")
        return found


@dataclass(frozen=True, slots=True)
class PartyCall(HubCall):
    """A request of an admitted party."""

    party: Party


@dataclass(frozen=True, slots=True)
class OnboardingCall(HubCall):
    """A request of whoever proved the DID `caller_id`; `record` is its party, if there is one."""

    caller_id: str
    record: PartyRecord | None


@dataclass(frozen=True, slots=True)
class OperatorCall(HubCall):
    """A request of the operator; `subject` names the key, never the key itself."""

    subject: str


async def open_call(request: Request) -> HubCall:
    """The call of anybody."""
    return HubCall(request.app.state.hub, request.state.moment, request.app.state.services, "")


async def party_call(request: Request) -> PartyCall:
    """The call of the party that the admission let through."""
    party: Party = request.state.party
    around = request.app.state
    return PartyCall(around.hub, request.state.moment, around.services, party.party_id, party)


async def onboarding_call(request: Request) -> OnboardingCall:
    """The call of the DID that the admission let through."""
    around, state = request.app.state, request.state
    caller_id: str = state.caller.participant_id
    return OnboardingCall(around.hub, state.moment, around.services, caller_id, caller_id, state.record)


async def operator_call(request: Request) -> OperatorCall:
    """The call of the operator that the admission let through."""
    around, state = request.app.state, request.state
    return OperatorCall(around.hub, state.moment, around.services, OPERATOR_LANE, state.subject)


OpenCallOf = Annotated[HubCall, Depends(open_call)]
PartyCallOf = Annotated[PartyCall, Depends(party_call)]
OnboardingCallOf = Annotated[OnboardingCall, Depends(onboarding_call)]
OperatorCallOf = Annotated[OperatorCall, Depends(operator_call)]
