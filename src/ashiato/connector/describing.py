"""What a participant says of itself, before it is signed: its node, services, instance, and an asset."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from ashiato.connector.node import Tenant
from ashiato.connector.ports import UnitOfWork
from ashiato.connector.records import Asset
from ashiato.identity.wallet import MOST_HELD_COUNT, HeldCredential
from ashiato.statements.self_descriptions import (
    CERTIFICATION,
    LOCATION,
    MOST_LEVELS_COUNT,
    SECURITY_PROFILE,
    Described,
    Level,
)
from ashiato.trust.claims import values_of
from ashiato.trust.credentials import parse_credential
from ashiato.trust.did import parse_did_document
from ashiato.trust.jws import TokenRefused

LONGEST_CREDENTIAL_ID_CHARS = 256
# Only what is made to be shown to everybody: membership and roles are for those who are presented them.
_LEVEL_OF: Mapping[str, tuple[str, str]] = {
    "SecurityProfileCredential": (SECURITY_PROFILE, "profile"),
    "CompanyCertificationCredential": (CERTIFICATION, "scheme"),
}


class Instance(msgspec.Struct, frozen=True):
    """What answers: the name and version of the program, the hash of the node's id, the protocols that it speaks."""

    program: str
    node_id_sha256: str
    protocols: str


class Fact(msgspec.Struct, frozen=True):
    """One thing and what is said of it."""

    kind: Described
    id: str
    about: Mapping[str, str]
    levels: tuple[Level, ...] = ()


def of_participant(uow: UnitOfWork, tenant: Tenant, instance: Instance, now_ms: int) -> tuple[Fact, ...]:
    """What everybody may know: the node, its services, the instance."""
    document = parse_did_document(tenant.did_document, tenant.participant_id)
    node = {"name": tenant.name, "address": tenant.root_url, LOCATION: tenant.location}
    services = (
        Fact(Described.SERVICE, one.id, {"type": one.type, "endpoint": one.endpoint})
        for one in document.services
    )
    levels = levels_of(uow.wallet.held.page("", MOST_HELD_COUNT), now_ms)
    return (
        Fact(Described.NODE, tenant.participant_id, node, levels),
        *services,
        Fact(Described.INSTANCE, tenant.root_url, msgspec.structs.asdict(instance)),
    )


def of_asset(asset: Asset) -> Fact:
    """What the catalog tells of an asset, and nothing of its source."""
    about = {
        "title": asset.title,
        "data_item": asset.data_item,
        "part_group": asset.part_group,
        "media_type": asset.media_type,
    }
    return Fact(Described.ASSET, asset.asset_id, about)


def levels_of(held: Sequence[HeldCredential], now_ms: int) -> tuple[Level, ...]:
    """The levels for which a credential is held whose dates hold, the newest first and not more than fit."""
    valid = sorted(
        (one for one in held if one.holds_at(now_ms)), key=lambda one: (-one.received_ms, one.held_id)
    )
    found = [level for one in valid if not _LEVEL_OF.keys().isdisjoint(one.types) for level in _levels(one)]
    return tuple(found[:MOST_LEVELS_COUNT])


def _levels(held: HeldCredential) -> Iterable[Level]:
    try:
        credential = parse_credential(held.envelope)
    except TokenRefused:
        # The wallet keeps what was issued; nobody could verify this one.
        return
    if len(credential.credential_id) > LONGEST_CREDENTIAL_ID_CHARS:
        return
    for type_ in credential.types:
        name, member = _LEVEL_OF.get(type_, ("", ""))
        for value in values_of(credential.claims.get(member)):
            if len(value) <= LONGEST_CREDENTIAL_ID_CHARS and value.isprintable():
                yield Level(
                    name=name,
                    value=value,
                    credential_id=credential.credential_id,
                    issuer=credential.issuer,
                )
