"""The roles of an owner that its credentials prove: what is shown beside the existence of a listed asset."""

from ashiato.connector.node import Node, Tenant
from ashiato.identity.wallet import MOST_HELD_COUNT

ROLE_TYPE = "RoleCredential"
ROLE_CLAIM = "role"
MOST_JUDGED_COUNT = 50


async def roles_of(node: Node, tenant: Tenant, now_ms: int) -> tuple[str, ...]:
    """The roles of the participant by its own role credentials that count here, in order; none where none is asked for.

    The newest count when more are held than are judged.
    """
    own = node.own_credentials
    if own is None:
        return ()
    owner = tenant.participant_id
    held = await node.store.read(owner, lambda uow: uow.wallet.held.page("", MOST_HELD_COUNT))
    roles = [one for one in held if ROLE_TYPE in one.types and one.holds_at(now_ms)]
    roles.sort(key=lambda one: (-one.received_ms, one.held_id))
    if not roles:
        return ()
    texts = [one.envelope for one in roles[:MOST_JUDGED_COUNT]]
    judgement = await own.judgement(owner, owner, texts, now_ms)
    return tuple(sorted(judgement.claims.get(ROLE_CLAIM, ())))
