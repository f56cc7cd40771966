"""The issuer's use cases: what it issues, who may have it, and how what it issued stands."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence

import msgspec

from ashiato.connector.node import Tenant
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import Invalid, NotFound, QuotaExceeded, WrongState
from ashiato.connector.records import Event
from ashiato.identity import dcp_v1_0 as dcp
from ashiato.identity.issuing import (
    DAY_MS,
    LONGEST_VALIDITY_DAYS_COUNT,
    CredentialGrant,
    CredentialType,
    IssuanceRequest,
    IssuedCredential,
    IssuedState,
    StatusListRecord,
    first_types,
    index_of,
)
from ashiato.identity.wallet import RequestState
from ashiato.outbox.deliveries import Delivery, DeliveryKind
from ashiato.trust.enveloping import (
    STATUS_LIST_BITS_COUNT,
    CredentialTerms,
    Profile,
    Purpose,
    StatusReference,
)
from ashiato.trust.status_lists import with_bits

MOST_TYPES_COUNT = 500
MOST_OPEN_REQUESTS_PER_HOLDER_COUNT = 100
# Of all holders together: identities cost nothing, and each would have a quota of its own.
MOST_OPEN_REQUESTS_COUNT = 10_000
MOST_GRANTS_PER_HOLDER_COUNT = 500
_LISTS_COUNT = 100
REJECTION = "CredentialRejection"
"""The name of a delivery whose body is the message itself; that of a CredentialMessage lists what is to be signed."""


def begin(uow: UnitOfWork) -> None:
    """Give a new issuer the types of the trade; those that it changed since stay as they are."""
    if not uow.wallet.types.page("", 1):
        for type_ in first_types():
            uow.wallet.types.put(type_)


def types(uow: UnitOfWork) -> list[CredentialType]:
    """Everything that this issuer issues."""
    return uow.wallet.types.page("", MOST_TYPES_COUNT)


def put_type(uow: UnitOfWork, type_: CredentialType) -> CredentialType:
    """Add or replace a type; what was issued stays as it is. Raises `Invalid`."""
    if not 0 < type_.validity_days_count <= LONGEST_VALIDITY_DAYS_COUNT:
        raise Invalid(
            f"A credential is valid for 1 to {LONGEST_VALIDITY_DAYS_COUNT} days.", path="validity_days_count"
        )
    if type_.profile is Profile.VC11 and type_.can_be_suspended:
        raise Invalid(
            "A credential of the older profile has one status, revocation: set can_be_suspended to false.",
            path="can_be_suspended",
        )
    if uow.wallet.types.get(type_.type_id) is None and len(types(uow)) >= MOST_TYPES_COUNT:
        raise QuotaExceeded(f"There are {MOST_TYPES_COUNT} credential types already.")
    uow.wallet.types.put(type_)
    return type_


def type_of(uow: UnitOfWork, type_id: str) -> CredentialType:
    """The type; raises `NotFound`."""
    type_ = uow.wallet.types.get(type_id)
    if type_ is None:
        raise NotFound(f"There is no credential type {type_id!r}.", id=type_id)
    return type_


def grant(
    uow: UnitOfWork,
    holder_id: str,
    type_id: str,
    claims: dict[str, object],
    moment: Moment,
    *,
    valid_until_ms: int | None = None,
    code: str = "",
) -> CredentialGrant:
    """Let a holder have a credential of a type without asking anybody again, and offer it to them.

    With a code nothing is offered: whoever presents the code gets it, once. Raises `NotFound`, `Invalid` or `QuotaExceeded`.
    """
    type_ = type_of(uow, type_id)
    if valid_until_ms is not None and valid_until_ms <= moment.now_ms:
        raise Invalid("The credential would be expired before it is issued.", path="valid_until_ms")
    if (
        len(uow.wallet.grants.page("", MOST_GRANTS_PER_HOLDER_COUNT, peer_id=holder_id))
        >= MOST_GRANTS_PER_HOLDER_COUNT
    ):
        raise QuotaExceeded(f"{holder_id} has {MOST_GRANTS_PER_HOLDER_COUNT} grants already.")
    granted = CredentialGrant(
        grant_id=moment.fresh_id(),
        holder_id=holder_id,
        type_id=type_id,
        claims=claims,
        created_ms=moment.now_ms,
        valid_until_ms=valid_until_ms,
        code_sha256=_sha256(code) if code else "",
    )
    uow.wallet.grants.put(granted)
    details: dict[str, object] = {"type_id": type_id}
    uow.records.add_history(moment.now_ms, "credential.granted", granted.grant_id, holder_id, details)
    if not code:
        body = msgspec.json.encode([type_.type_id])
        _deliver(uow, granted.grant_id, dcp.CREDENTIAL_OFFER_MESSAGE, holder_id, body, moment)
    return granted


def requested(
    uow: UnitOfWork, holder_id: str, message: dcp.RequestMessage, code: str | None, moment: Moment
) -> IssuanceRequest:
    """Take a holder's request (DCP 1.0, 6.4); what was granted before is issued at once, the rest waits for a person.

    Raises `Invalid` for a type that we do not issue, `QuotaExceeded` when that holder has too many requests waiting, or
    everybody together has. What is issued at once waits for nobody.
    """
    wanted = []
    for type_id in dict.fromkeys(message.type_ids):
        type_ = uow.wallet.types.get(type_id)
        if type_ is None:
            raise Invalid(f"We do not issue a credential {type_id!r}; see our metadata.", path="credentials")
        wanted.append(type_)
    request = IssuanceRequest(
        request_id=moment.fresh_id(),
        holder_id=holder_id,
        holder_pid=message.holder_pid,
        type_ids=tuple(type_.type_id for type_ in wanted),
        state=RequestState.RECEIVED,
        created_ms=moment.now_ms,
        updated_ms=moment.now_ms,
    )
    grants = [_grant_for(uow, holder_id, type_, code, moment.now_ms) for type_ in wanted]
    if all(
        found is not None or type_.unsafe_issue_to_anyone for found, type_ in zip(grants, wanted, strict=True)
    ):
        for found in grants:
            if found is not None:
                uow.wallet.grants.delete(found.grant_id)
        claims = {found.type_id: found.claims for found in grants if found is not None}
        until = {found.type_id: found.valid_until_ms for found in grants if found is not None}
        return _issue(uow, request, wanted, claims, until, moment)
    _check_quota(uow, holder_id)
    return _changed(uow, request, moment)


def _check_quota(uow: UnitOfWork, holder_id: str) -> None:
    most_count = MOST_OPEN_REQUESTS_PER_HOLDER_COUNT
    if uow.wallet.count_open_requests(most_count, peer_id=holder_id) >= most_count:
        raise QuotaExceeded("Too many of your requests are waiting for an answer.")
    if uow.wallet.count_open_requests(MOST_OPEN_REQUESTS_COUNT) >= MOST_OPEN_REQUESTS_COUNT:
        raise QuotaExceeded("Too many requests of all holders are waiting for an answer; try again later.")


def approve(
    uow: UnitOfWork,
    request_id: str,
    claims: Mapping[str, dict[str, object]],
    moment: Moment,
    *,
    valid_until_ms: int | None = None,
) -> IssuanceRequest:
    """Issue what was requested, with these claims for each type; raises `NotFound`, `WrongState` or `Invalid`."""
    request = _waiting(uow, request_id)
    wanted = [type_of(uow, type_id) for type_id in request.type_ids]
    strange = next((type_id for type_id in claims if type_id not in request.type_ids), None)
    if strange is not None:
        raise Invalid(f"{strange!r} was not requested.", path="claims")
    if valid_until_ms is not None and valid_until_ms <= moment.now_ms:
        raise Invalid("The credential would be expired before it is issued.", path="valid_until_ms")
    return _issue(uow, request, wanted, claims, dict.fromkeys(request.type_ids, valid_until_ms), moment)


def reject(uow: UnitOfWork, request_id: str, reason: str, moment: Moment) -> IssuanceRequest:
    """Say no, with a reason that the holder reads; raises `NotFound` or `WrongState`."""
    request = _waiting(uow, request_id)
    rejected = msgspec.structs.replace(request, state=RequestState.REJECTED, reason=reason)
    body = dcp.encode_rejection(request.request_id, request.holder_pid, reason)
    _deliver(uow, request.request_id, REJECTION, request.holder_id, body, moment)
    return _changed(uow, rejected, moment)


def request_of(uow: UnitOfWork, holder_id: str, request_id: str) -> IssuanceRequest:
    """The request, for the holder who made it (DCP 1.0, 6.8); raises `NotFound` for everybody else."""
    request = uow.wallet.requests.get(request_id)
    if request is None or request.holder_id != holder_id:
        raise NotFound("There is no such request of yours.", id=request_id)
    return request


def set_status(
    uow: UnitOfWork, credential_id: str, state: IssuedState, reason: str, moment: Moment
) -> IssuedCredential:
    """Suspend, resume or revoke a credential: its status list says so from the commit on.

    A revoked one stays revoked. Raises `NotFound` or `WrongState`.
    """
    credential = issued(uow, credential_id)
    if credential.state is IssuedState.REVOKED and state is not IssuedState.REVOKED:
        raise WrongState("A revoked credential stays revoked; issue another one.", id=credential_id)
    if state is IssuedState.SUSPENDED and Purpose.SUSPENSION not in credential.status_lists:
        raise WrongState("Credentials of this type can be revoked only.", id=credential_id)
    for purpose, list_id in credential.status_lists.items():
        wanted = state is (IssuedState.REVOKED if purpose is Purpose.REVOCATION else IssuedState.SUSPENDED)
        _set_bit(uow, list_id, credential.status_index, is_set=wanted)
    changed = msgspec.structs.replace(credential, state=state, reason=reason)
    uow.wallet.issued.put(changed)
    _tell(uow, f"credential.{state.value}", credential, {"reason": reason}, moment)
    return changed


def renew(uow: UnitOfWork, credential_id: str, valid_until_ms: int, moment: Moment) -> IssuedCredential:
    """Issue a credential again with a later end, under the same id and status; raises `NotFound`, `Invalid` or `WrongState`."""
    credential = issued(uow, credential_id)
    if credential.state is IssuedState.REVOKED:
        raise WrongState("A revoked credential is not renewed; issue another one.", id=credential_id)
    if valid_until_ms <= credential.valid_until_ms or valid_until_ms <= moment.now_ms:
        raise Invalid("The new end must lie behind the present one and in the future.", path="valid_until_ms")
    _check_end(valid_until_ms, moment)
    renewed = msgspec.structs.replace(
        credential, valid_from_ms=moment.now_ms, valid_until_ms=valid_until_ms, envelope=""
    )
    uow.wallet.issued.put(renewed)
    body = msgspec.json.encode([credential_id])
    _deliver(uow, credential.request_id, dcp.CREDENTIAL_MESSAGE, credential.holder_id, body, moment)
    _tell(uow, "credential.renewed", renewed, {"valid_until_ms": valid_until_ms}, moment)
    return renewed


def issued(uow: UnitOfWork, credential_id: str) -> IssuedCredential:
    """A credential that we issued; raises `NotFound`."""
    credential = uow.wallet.issued.get(credential_id)
    if credential is None:
        raise NotFound(f"There is no credential {credential_id!r} of ours.", id=credential_id)
    return credential


def signed(uow: UnitOfWork, envelopes: Mapping[str, str]) -> None:
    """Keep the envelopes of credentials that were signed just now, so that a repeated delivery brings the same bytes."""
    for credential_id, envelope in envelopes.items():
        credential = uow.wallet.issued.get(credential_id)
        if credential is not None and not credential.envelope:
            uow.wallet.issued.put(msgspec.structs.replace(credential, envelope=envelope))


def delivered(uow: UnitOfWork, request_id: str, moment: Moment) -> None:
    """The holder has what it asked for."""
    request = uow.wallet.requests.get(request_id)
    if request is not None:
        uow.wallet.requests.put(msgspec.structs.replace(request, delivered_ms=moment.now_ms))
        uow.records.add_history(moment.now_ms, "issuance.delivered", request_id, request.holder_id, {})


def undeliverable(uow: UnitOfWork, process_id: str, holder_id: str, why: str, moment: Moment) -> None:
    """A message to a holder was given up."""
    uow.records.add_history(moment.now_ms, "issuance.undeliverable", process_id, holder_id, {"why": why})


def terms_of(tenant: Tenant, credential: IssuedCredential) -> CredentialTerms:
    """What stands in the envelope of a credential that `tenant` issues."""
    return CredentialTerms(
        credential_id=credential.credential_id,
        profile=credential.profile,
        credential_type=credential.credential_type,
        issuer=tenant.participant_id,
        subject=credential.holder_id,
        claims=credential.claims,
        valid_from_ms=credential.valid_from_ms,
        valid_until_ms=credential.valid_until_ms,
        status=tuple(
            StatusReference(status_list_url(tenant, list_id), purpose, credential.status_index)
            for purpose, list_id in sorted(credential.status_lists.items())
        ),
    )


def status_list_url(tenant: Tenant, list_id: str) -> str:
    """Where a status list of that issuer is published."""
    return f"{tenant.root_url}/issuer/status/{list_id}"


def schema_url(tenant: Tenant) -> str:
    """The address below which the schemas of that issuer's credential types stand."""
    return f"{tenant.root_url}/issuer/schemas"


def _issue(
    uow: UnitOfWork,
    request: IssuanceRequest,
    wanted: Sequence[CredentialType],
    claims: Mapping[str, dict[str, object]],
    until: Mapping[str, int | None],
    moment: Moment,
) -> IssuanceRequest:
    made = []
    for type_ in wanted:
        # Whole seconds, as they stand in the envelope.
        begin_ms = moment.now_ms // 1000 * 1000
        end_ms = until.get(type_.type_id) or begin_ms + type_.validity_days_count * DAY_MS
        _check_end(end_ms, moment)
        status_lists, index = _status(uow, type_, moment)
        credential = IssuedCredential(
            credential_id=moment.fresh_iri(),
            request_id=request.request_id,
            holder_id=request.holder_id,
            type_id=type_.type_id,
            credential_type=type_.credential_type,
            profile=type_.profile,
            claims={**claims.get(type_.type_id, {}), **type_.claims},
            valid_from_ms=begin_ms,
            valid_until_ms=end_ms,
            status_lists=status_lists,
            status_index=index,
            issued_ms=moment.now_ms,
        )
        uow.wallet.issued.put(credential)
        _tell(uow, "credential.issued", credential, {"type_id": type_.type_id}, moment)
        made.append(credential.credential_id)
    # The envelopes are signed when they are delivered: a key may be slow, and a transaction must not wait for it.
    body = msgspec.json.encode(made)
    _deliver(uow, request.request_id, dcp.CREDENTIAL_MESSAGE, request.holder_id, body, moment)
    return _changed(uow, msgspec.structs.replace(request, state=RequestState.ISSUED), moment)


def _check_end(end_ms: int, moment: Moment) -> None:
    if end_ms > moment.now_ms + LONGEST_VALIDITY_DAYS_COUNT * DAY_MS:
        raise Invalid(
            f"A credential is valid for at most {LONGEST_VALIDITY_DAYS_COUNT} days.", path="valid_until_ms"
        )


def _status(uow: UnitOfWork, type_: CredentialType, moment: Moment) -> tuple[dict[Purpose, str], int]:
    """The lists in which the status of a new credential stands, and its index in each of them."""
    purposes = (Purpose.REVOCATION, *([Purpose.SUSPENSION] if type_.can_be_suspended else []))
    revocation = _list_with_room(uow, type_.profile)
    if revocation is None:
        revocation = _new_list(uow, moment.fresh_id(), Purpose.REVOCATION, type_.profile)
    index = index_of(revocation)
    uow.wallet.status_lists.put(msgspec.structs.replace(revocation, used_count=revocation.used_count + 1))
    found = {Purpose.REVOCATION: revocation.list_id}
    if Purpose.SUSPENSION in purposes:
        # The twin of a list has the same indexes, so that one number serves both.
        twin_id = f"{revocation.list_id}-s"
        if uow.wallet.status_lists.get(twin_id) is None:
            _new_list(uow, twin_id, Purpose.SUSPENSION, type_.profile)
        found[Purpose.SUSPENSION] = twin_id
    return found, index


def _list_with_room(uow: UnitOfWork, profile: Profile) -> StatusListRecord | None:
    """A list that has an index to give away, locked until the commit."""
    after_id = ""
    while page := uow.wallet.status_lists.page(after_id, _LISTS_COUNT):
        after_id = page[-1].list_id
        for one in page:
            if one.purpose is Purpose.REVOCATION and one.profile is profile and not one.is_full:
                # Read anew behind the lock: another process may just have given away the last index.
                locked = uow.wallet.status_lists.get(one.list_id)
                if locked is not None and not locked.is_full:
                    return locked
    return None


def _new_list(uow: UnitOfWork, list_id: str, purpose: Purpose, profile: Profile) -> StatusListRecord:
    made = StatusListRecord(list_id=list_id, purpose=purpose, profile=profile)
    uow.wallet.status_lists.put(made)
    uow.wallet.put_bits(list_id, bytes(STATUS_LIST_BITS_COUNT // 8))
    return made


def _set_bit(uow: UnitOfWork, list_id: str, index: int, *, is_set: bool) -> None:
    record = uow.wallet.status_lists.get(list_id)
    bits = uow.wallet.bits(list_id)
    if record is None or bits is None:
        raise NotFound(f"The status list {list_id!r} is gone.", id=list_id)
    changed = with_bits(bits, on=[index]) if is_set else with_bits(bits, off=[index])
    if changed != bits:
        uow.wallet.put_bits(list_id, changed)
        uow.wallet.status_lists.put(msgspec.structs.replace(record, changes_count=record.changes_count + 1))


def _grant_for(
    uow: UnitOfWork, holder_id: str, type_: CredentialType, code: str | None, now_ms: int
) -> CredentialGrant | None:
    candidates = uow.wallet.grants.page("", MOST_GRANTS_PER_HOLDER_COUNT, peer_id=holder_id)
    anyone = uow.wallet.grants.page("", MOST_GRANTS_PER_HOLDER_COUNT, peer_id="") if code else []
    for one in [*candidates, *anyone]:
        ended = one.valid_until_ms is not None and one.valid_until_ms <= now_ms
        if one.type_id != type_.type_id or ended:
            continue
        if not one.code_sha256 or (code and hmac.compare_digest(one.code_sha256, _sha256(code))):
            return one
    return None


def _waiting(uow: UnitOfWork, request_id: str) -> IssuanceRequest:
    request = uow.wallet.requests.get(request_id)
    if request is None:
        raise NotFound(f"There is no request {request_id!r}.", id=request_id)
    if request.state is not RequestState.RECEIVED:
        raise WrongState(
            f"The request is {request.state.value} already.", id=request_id, state=request.state.value
        )
    return request


def _deliver(uow: UnitOfWork, process_id: str, name: str, audience: str, body: bytes, moment: Moment) -> None:
    uow.outbox.add(
        Delivery(
            delivery_id=moment.fresh_id(),
            participant_id=uow.participant_id,
            kind=DeliveryKind.ISSUANCE,
            process_id=process_id,
            sequence=0,
            message_name=name,
            address="",
            audience=audience,
            body=body,
            created_ms=moment.now_ms,
            due_ms=moment.now_ms,
        )
    )


def _changed(uow: UnitOfWork, request: IssuanceRequest, moment: Moment) -> IssuanceRequest:
    changed = msgspec.structs.replace(request, updated_ms=moment.now_ms)
    uow.wallet.requests.put(changed)
    name = f"issuance.{request.state.value.lower()}"
    details: dict[str, object] = {"type_ids": list(request.type_ids), "reason": request.reason}
    uow.records.add_history(moment.now_ms, name, request.request_id, request.holder_id, details)
    uow.tell(
        Event(
            name=name,
            participant_id=uow.participant_id,
            process_id=request.request_id,
            peer_id=request.holder_id,
            at_ms=moment.now_ms,
        )
    )
    return changed


def _tell(
    uow: UnitOfWork, name: str, credential: IssuedCredential, details: dict[str, object], moment: Moment
) -> None:
    uow.records.add_history(moment.now_ms, name, credential.credential_id, credential.holder_id, details)
    uow.tell(
        Event(
            name=name,
            participant_id=uow.participant_id,
            process_id=credential.credential_id,
            peer_id=credential.holder_id,
            at_ms=moment.now_ms,
            details=details,
        )
    )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
