"""ashiato hub …: the operator's work with the parties of a hub."""

from typing import Annotated

import typer

from ashiato.cli.client import segment
from ashiato.cli.commanding import Session, command, group
from ashiato.cli.commands import hub_billing
from ashiato.cli.documents import Limit, given, given_object
from ashiato.cli.texts import say

PARTIES = "/v1/operator/parties"

PartyId = Annotated[str, typer.Argument(help=say("option.party"))]
Reason = Annotated[str, typer.Option("--reason", help=say("option.step_reason"))]
GrantedRoles = Annotated[list[str] | None, typer.Option("--role", help=say("option.granted_role"))]


def add_to(app: typer.Typer) -> None:
    """Adds the group to the program."""
    made = group(app, "hub")
    _looks(made)
    _steps(made)
    hub_billing.add_to(made)


def _looks(app: typer.Typer) -> None:
    @command(app, "list", "hub.list")
    def list_parties(
        session: Session,
        state: Annotated[str | None, typer.Option("--state", help=say("option.party_state"))] = None,
        limit: Limit = 100,
    ) -> None:
        session.list_all(PARTIES, ("party", "state", "roles", "updated_ms"), limit, **given(state=state))

    @command(app, "show", "hub.show")
    def show_party(session: Session, party: PartyId) -> None:
        session.output.show(session.client.document("GET", f"{PARTIES}/{segment(party)}"))


def _steps(app: typer.Typer) -> None:
    @command(app, "apply", "hub.apply")
    def apply(
        session: Session,
        party: PartyId,
        told: Annotated[str, typer.Option("--company-data", help=say("option.company_data"))],
    ) -> None:
        body = {"party": party, "company": given_object(told, "--company-data")}
        session.output.show(session.client.document("POST", "/v1/operator/applications", body))

    @command(app, "review", "hub.review")
    def review(session: Session, party: PartyId, reason: Reason = "") -> None:
        _step(session, party, "review", reason)

    @command(app, "admit", "hub.admit")
    def admit(session: Session, party: PartyId, reason: Reason = "", roles: GrantedRoles = None) -> None:
        _step(session, party, "admit", reason, roles or None)

    @command(app, "refuse", "hub.refuse")
    def refuse(session: Session, party: PartyId, reason: Reason) -> None:
        _step(session, party, "refuse", reason)

    @command(app, "suspend", "hub.suspend")
    def suspend(session: Session, party: PartyId, reason: Reason) -> None:
        _step(session, party, "suspend", reason)

    @command(app, "reinstate", "hub.reinstate")
    def reinstate(session: Session, party: PartyId, reason: Reason) -> None:
        _step(session, party, "reinstate", reason)

    @command(app, "expel", "hub.expel")
    def expel(session: Session, party: PartyId, reason: Reason) -> None:
        _step(session, party, "expel", reason)


def _step(session: Session, party: str, act: str, reason: str, roles: list[str] | None = None) -> None:
    body = given(act=act, reason=reason, roles=roles)
    session.output.show(session.client.document("POST", f"{PARTIES}/{segment(party)}/steps", body))
