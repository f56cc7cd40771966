"""Who acts in a unit of work: one participant with its addresses, its strategy and its limits."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import Invalid
from ashiato.connector.records import Event
from ashiato.connector.strategies import Strategy
from ashiato.dsp.messages import DataAddress, Message
from ashiato.dsp.states import Role
from ashiato.dsp.transfer import TransferProcess
from ashiato.outbox.deliveries import Delivery, DeliveryKind

MOST_OPEN_PROCESSES_COUNT = 20_000
MOST_OPEN_TRANSFERS_COUNT = 5_000


class Wire(Protocol):
    """Port: one version of the protocol on the wire."""

    def encode(self, message: Message) -> bytes:
        """The bytes of the message."""

    def delivery_path(self, message: Message, receiver_role: Role, receiver_pid: str | None) -> str:
        """Where the message goes, relative to the receiver's base or callback address."""


class DataDoor(Protocol):
    """Port: the addresses and tokens of this participant's own data plane."""

    def pull_address(self, transfer: TransferProcess, asset_id: str, moment: Moment) -> DataAddress:
        """What a consumer needs to pull: endpoint, short-lived token, where to renew it."""

    def push_address(
        self, transfer_pid: str, peer_id: str, agreement_id: str, asset_id: str, moment: Moment
    ) -> DataAddress:
        """What a provider needs to push to us."""


class AgreementSigner(Protocol):
    """Port: signs statements about agreements with this participant's present key; the text is a detached JWS."""

    def sign_now(self, text: bytes) -> str | None:
        """The signature when the key is at hand, None when it must be awaited."""

    async def sign(self, text: bytes) -> str:
        """The signature; raises `trust.signing.SigningFailed`."""

    def public_jwk(self, kid: str) -> dict[str, str]:
        """The public half of the key with that id, which signed just now."""


class Company(msgspec.Struct, frozen=True):
    """A participant as its use cases need it. `vet_address` raises `Invalid` for an address of a counterparty that we would
    not call, `vet_own_address` for one of the company's own systems.
    """

    participant_id: str
    callback_address: str
    wire: Wire
    strategy: Strategy
    data_door: DataDoor
    vet_address: Callable[[str], None]
    vet_own_address: Callable[[str], None]
    reactors: tuple["Reactor", ...] = ()
    most_open_processes_count: int = MOST_OPEN_PROCESSES_COUNT
    most_open_transfers_count: int = MOST_OPEN_TRANSFERS_COUNT
    signer: AgreementSigner | None = None
    requires_signatures: bool = False


class Reactor(Protocol):
    """Something above that acts on an event inside the same transaction; wiring connects it."""

    def __call__(self, uow: UnitOfWork, company: Company, event: Event, moment: Moment) -> None: ...


def vet_callback(company: Company, address: str | None) -> None:
    """Refuse a callback address that is none, that we would not call, or that no path can be put behind."""
    if not address or "?" in address:
        raise Invalid("The callbackAddress must be a base URL, without a query.", path="callbackAddress")
    company.vet_address(address)


def tell(
    uow: UnitOfWork,
    company: Company,
    moment: Moment,
    name: str,
    process_id: str,
    peer_id: str,
    **details: object,
) -> None:
    """Write what happened into the history, publish it after the commit, and let the reactors act on it now."""
    event = Event(
        name=name,
        participant_id=company.participant_id,
        process_id=process_id,
        peer_id=peer_id,
        at_ms=moment.now_ms,
        details=details,
    )
    uow.records.add_history(moment.now_ms, name, process_id, peer_id, details)
    uow.tell(event)
    for reactor in company.reactors:
        reactor(uow, company, event, moment)


def send(
    uow: UnitOfWork,
    company: Company,
    moment: Moment,
    message: Message,
    process: "Process",
    receiver_role: Role,
) -> None:
    """Put a message to the counterparty of a process into the outbox; the courier goes on from the commit."""
    message = msgspec.structs.replace(message, message_id=moment.fresh_iri())
    path = company.wire.delivery_path(message, receiver_role, process.peer_pid)
    uow.outbox.add(
        Delivery(
            delivery_id=moment.fresh_id(),
            participant_id=company.participant_id,
            kind=DeliveryKind.MESSAGE,
            process_id=process.own_pid,
            sequence=0,
            message_name=type(message).__name__,
            address=f"{process.peer_address}/{path}",
            audience=process.peer_id,
            body=company.wire.encode(message),
            created_ms=moment.now_ms,
            due_ms=moment.now_ms,
        )
    )


class Process(Protocol):
    """What a negotiation and a transfer have in common for the outbox."""

    @property
    def own_pid(self) -> str: ...
    @property
    def peer_pid(self) -> str | None: ...
    @property
    def peer_id(self) -> str: ...
    @property
    def peer_address(self) -> str: ...
