"""Notices: whoever holds a word of ours that no longer holds as it did learns the fact, and tells it to its own customers.

A notice names the word by its hash and says what became of it: neither a reason nor the name of anybody behind us. It goes into
the inbox of everybody with whom there is or was an agreement over the word's asset, waits in the outbox for those who are off
line, and marks there what was computed from the word, which is told on in the same transaction. A word is told of once for each
step down, so a circle of companies ends.
"""

from ashiato.connector.company import Company
from ashiato.connector.offers import note
from ashiato.connector.ports import Moment
from ashiato.connector.ports import UnitOfWork as ConnectorUnitOfWork
from ashiato.connector.problems import NotFound
from ashiato.connector.records import Event
from ashiato.connector.words import NO_LONGER, WORDS, KeptNotice, hear
from ashiato.dsp.states import Role
from ashiato.outbox.deliveries import Delivery, DeliveryKind
from ashiato.statements.signed_words import WordStanding
from ashiato.supply.messages import StandingNotice, encode

PROCESS_PREFIX = "notice:"


def follow(uow: ConnectorUnitOfWork, company: Company, event: Event, moment: Moment) -> None:
    """Reactor: tell everybody who has it what became of a word of ours."""
    if event.name not in NO_LONGER:
        return
    word = uow.room(WORDS).get(event.process_id)
    if word is None or not word.asset_id:
        return
    for peer_id in uow.contracts.partners_of_asset(Role.PROVIDER, word.asset_id):
        message = StandingNotice(
            message_id=moment.fresh_iri(),
            asset_id=word.asset_id,
            sha256=word.sha256,
            standing=word.standing.value,  # type: ignore[arg-type]  # an event of NO_LONGER comes with one of these three
        )
        uow.outbox.add(
            Delivery(
                delivery_id=moment.fresh_id(),
                participant_id=uow.participant_id,
                kind=DeliveryKind.SUPPLY,
                process_id=f"{PROCESS_PREFIX}{word.sha256} {peer_id}",
                sequence=0,
                message_name=StandingNotice.__name__,
                address="",
                audience=peer_id,
                body=encode(message),
                created_ms=moment.now_ms,
                due_ms=moment.now_ms,
            )
        )


def take(
    uow: ConnectorUnitOfWork, company: Company, sender_id: str, message: StandingNotice, moment: Moment
) -> bool:
    """What a partner's notice does; False where it was known. Raises `NotFound` for an asset that we never had of it."""
    if sender_id not in uow.contracts.partners_of_asset(Role.CONSUMER, message.asset_id):
        raise NotFound(f"There is no agreement between us over {message.asset_id!r}.", id=message.asset_id)
    notice = KeptNotice(
        peer_id=sender_id,
        sha256=message.sha256,
        asset_id=message.asset_id,
        standing=WordStanding(message.standing),
        at_ms=moment.now_ms,
    )
    return hear(uow, company, notice, moment)


def not_taken(uow: ConnectorUnitOfWork, delivery: Delivery, why: str, moment: Moment) -> None:
    """The partner's inbox refused a notice, or was not reached in time: its people must be told in another way."""
    sha256 = delivery.process_id.removeprefix(PROCESS_PREFIX).partition(" ")[0]
    note(uow, moment, "word.notice-undelivered", sha256, {"reason": why}, delivery.audience)
