"""The hub's issuer port over the issuer service of a participant, in the transaction of the hub's own unit of work."""

from collections.abc import Callable, Sequence

from ashiato.connector import issuance
from ashiato.facts.moments import Moment
from ashiato.hub.ports import MEMBERSHIP_TYPE, ROLE_TYPE
from ashiato.identity.issuing import CredentialGrant, IssuedCredential, IssuedState
from ashiato.stores.unit_of_work import SqlUnitOfWork

_PAGE_COUNT = 500
CERTIFICATE_CLAIM = "certificate"
Concerned = Callable[[IssuedCredential | CredentialGrant], bool]


class HubIssuer:
    """The port `hub.ports.Issuer`."""

    def __init__(self, uow: SqlUnitOfWork) -> None:
        self._uow = uow

    def grant(
        self,
        holder_id: str,
        grants: Sequence[tuple[str, dict[str, object]]],
        moment: Moment,
        *,
        valid_until_ms: int | None = None,
    ) -> None:
        """See `hub.ports.Issuer`."""
        issued = [one for one in self._issued(holder_id) if one.state is not IssuedState.REVOKED]
        standing = [(one.type_id, one.claims) for one in issued if one.valid_until_ms > moment.now_ms]
        standing += [(one.type_id, one.claims) for one in self._grants(holder_id)]
        for type_id, claims in grants:
            if not any(type_id == known and claims.items() <= told.items() for known, told in standing):
                issuance.grant(self._uow, holder_id, type_id, claims, moment, valid_until_ms=valid_until_ms)

    def suspend(self, holder_id: str, reason: str, moment: Moment, *, certificate_id: str = "") -> None:
        """See `hub.ports.Issuer`."""
        concerned = _of_certificate(certificate_id) if certificate_id else _of_membership
        self._withdraw_grants(holder_id, concerned)
        self._set(holder_id, IssuedState.ACTIVE, IssuedState.SUSPENDED, concerned, reason, moment)

    def resume(self, holder_id: str, reason: str, moment: Moment, *, certificate_id: str = "") -> None:
        """See `hub.ports.Issuer`."""
        concerned = _of_certificate(certificate_id) if certificate_id else _of_membership
        self._set(holder_id, IssuedState.SUSPENDED, IssuedState.ACTIVE, concerned, reason, moment)

    def revoke(self, holder_id: str, reason: str, moment: Moment, *, certificate_id: str = "") -> None:
        """See `hub.ports.Issuer`."""
        concerned = _of_certificate(certificate_id) if certificate_id else _of_membership
        self._withdraw_grants(holder_id, concerned)
        for state in (IssuedState.ACTIVE, IssuedState.SUSPENDED):
            self._set(holder_id, state, IssuedState.REVOKED, concerned, reason, moment)

    def _set(
        self,
        holder_id: str,
        before: IssuedState,
        after: IssuedState,
        concerned: Concerned,
        reason: str,
        moment: Moment,
    ) -> None:
        for one in self._issued(holder_id):
            if one.state is before and concerned(one):
                issuance.set_status(self._uow, one.credential_id, after, reason, moment)

    def _withdraw_grants(self, holder_id: str, concerned: Concerned) -> None:
        for one in self._grants(holder_id):
            if concerned(one):
                self._uow.wallet.grants.delete(one.grant_id)

    def _grants(self, holder_id: str) -> list[CredentialGrant]:
        return self._uow.wallet.grants.page("", issuance.MOST_GRANTS_PER_HOLDER_COUNT, peer_id=holder_id)

    def _issued(self, holder_id: str) -> list[IssuedCredential]:
        found: list[IssuedCredential] = []
        after_id = ""
        while page := self._uow.wallet.issued.page(after_id, _PAGE_COUNT, peer_id=holder_id):
            found += page
            after_id = page[-1].credential_id
        return found


def _of_membership(one: IssuedCredential | CredentialGrant) -> bool:
    return one.type_id in (MEMBERSHIP_TYPE, ROLE_TYPE)


def _of_certificate(certificate_id: str) -> Concerned:
    return lambda one: one.claims.get(CERTIFICATE_CLAIM) == certificate_id
