"""The hub's issuer port over the issuer service of a participant, in the transaction of the hub's own unit of work."""

from collections.abc import Sequence

from ashiato.connector import issuance
from ashiato.facts.moments import Moment
from ashiato.identity.issuing import IssuedCredential, IssuedState
from ashiato.stores.unit_of_work import SqlUnitOfWork

_PAGE_COUNT = 500


class HubIssuer:
    """The port `hub.ports.Issuer`."""

    def __init__(self, uow: SqlUnitOfWork) -> None:
        self._uow = uow

    def grant(self, holder_id: str, grants: Sequence[tuple[str, dict[str, object]]], moment: Moment) -> None:
        """See `hub.ports.Issuer`."""
        standing = [
            (one.type_id, one.claims)
            for one in self._issued(holder_id)
            if one.state is not IssuedState.REVOKED and one.valid_until_ms > moment.now_ms
        ]
        for type_id, claims in grants:
            if not any(type_id == known and claims.items() <= told.items() for known, told in standing):
                issuance.grant(self._uow, holder_id, type_id, claims, moment)

    def suspend(self, holder_id: str, reason: str, moment: Moment) -> None:
        """See `hub.ports.Issuer`."""
        self._withdraw_grants(holder_id)
        self._set(holder_id, IssuedState.ACTIVE, IssuedState.SUSPENDED, reason, moment)

    def resume(self, holder_id: str, reason: str, moment: Moment) -> None:
        """See `hub.ports.Issuer`."""
        self._set(holder_id, IssuedState.SUSPENDED, IssuedState.ACTIVE, reason, moment)

    def revoke(self, holder_id: str, reason: str, moment: Moment) -> None:
        """See `hub.ports.Issuer`."""
        self._withdraw_grants(holder_id)
        for state in (IssuedState.ACTIVE, IssuedState.SUSPENDED):
            self._set(holder_id, state, IssuedState.REVOKED, reason, moment)

    def _set(
        self, holder_id: str, before: IssuedState, after: IssuedState, reason: str, moment: Moment
    ) -> None:
        for one in self._issued(holder_id):
            if one.state is before:
                issuance.set_status(self._uow, one.credential_id, after, reason, moment)

    def _withdraw_grants(self, holder_id: str) -> None:
        for one in self._uow.wallet.grants.page("", _PAGE_COUNT, peer_id=holder_id):
            self._uow.wallet.grants.delete(one.grant_id)

    def _issued(self, holder_id: str) -> list[IssuedCredential]:
        found: list[IssuedCredential] = []
        after_id = ""
        while page := self._uow.wallet.issued.page(after_id, _PAGE_COUNT, peer_id=holder_id):
            found += page
            after_id = page[-1].credential_id
        return found
