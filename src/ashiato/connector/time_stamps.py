"""Time stamps of a third party on our own signatures: asked for when an agreement is final, and never waited for."""

import base64
import hashlib
from typing import TYPE_CHECKING

import msgspec

from ashiato.connector.company import Company
from ashiato.connector.offers import note
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.records import AgreementSignature, Event, Signedness
from ashiato.facts.instants import format_datetime
from ashiato.outbox.deliveries import Delivery, DeliveryKind

if TYPE_CHECKING:
    from ashiato.trust.timestamps import VerifiedTimeStamp

STAMPED = "agreement.time_stamped"
GIVEN_UP = "agreement.not_time_stamped"


def follow(uow: UnitOfWork, company: Company, event: Event, moment: Moment) -> None:
    """Reactor: put the question for a time stamp into the outbox, in the transaction that makes the agreement final."""
    if event.name != "negotiation.finalized":
        return
    agreement_id = str(event.details.get("agreement_id"))
    if unstamped(uow, agreement_id) is None:
        return
    process_id = f"time-stamp:{agreement_id}"
    uow.outbox.add(
        Delivery(
            delivery_id=moment.fresh_id(),
            participant_id=company.participant_id,
            kind=DeliveryKind.TIME_STAMP,
            process_id=process_id,
            sequence=0,
            message_name="TimeStampReq",
            # The authority is the operator's choice at the time of each try; the lane is one for all of them.
            address="time-stamp-authority",
            audience="",
            body=agreement_id.encode(),
            created_ms=moment.now_ms,
            due_ms=moment.now_ms,
        )
    )


def unstamped(uow: UnitOfWork, agreement_id: str) -> AgreementSignature | None:
    """Our signature on an agreement that both sides signed, when it has no time stamp yet."""
    agreement = uow.contracts.agreement(agreement_id)
    if agreement is None or agreement.signed is not Signedness.BOTH:
        return None
    return next(
        (
            signature
            for signature in agreement.signatures
            if signature.signer_id == uow.participant_id and not signature.time_stamp
        ),
        None,
    )


def stamped_text(jws: str) -> bytes:
    """What a time stamp on a signature is over: the detached JWS as it is kept."""
    return jws.encode("ascii")


def nonce_of(fresh_id: str) -> int:
    """64 bits that no other question has."""
    return int.from_bytes(hashlib.sha256(fresh_id.encode()).digest()[:8], "big")


def stamped(
    uow: UnitOfWork,
    agreement_id: str,
    signature: AgreementSignature,
    stamp: "VerifiedTimeStamp",
    moment: Moment,
) -> None:
    """Keep the time stamp with the signature that it is over, unless that has another by now."""
    agreement = uow.contracts.agreement(agreement_id)
    if agreement is None or signature not in agreement.signatures:
        return
    token = base64.b64encode(stamp.token).decode()
    signatures = tuple(
        msgspec.structs.replace(known, time_stamp=token) if known == signature else known
        for known in agreement.signatures
    )
    uow.contracts.put_agreement(msgspec.structs.replace(agreement, signatures=signatures))
    details: dict[str, object] = {"stamped_at": format_datetime(stamp.at_ms), "authority": stamp.authority}
    note(uow, moment, STAMPED, agreement_id, details, agreement.peer_id)


def given_up(uow: UnitOfWork, agreement_id: str, why: str, moment: Moment) -> None:
    """No time stamp came for three days; the agreement stands as it is, its hour on the word of its parties."""
    note(uow, moment, GIVEN_UP, agreement_id, {"reason": why})
