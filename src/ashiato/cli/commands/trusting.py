"""ashiato trust: which issuers count for what, and what is known of partners."""

from typing import Annotated, Any

import typer

from ashiato.cli.commanding import Session, command, group
from ashiato.cli.documents import Id, Limit
from ashiato.cli.texts import say

DescribedAsset = Annotated[str | None, typer.Option("--asset", help=say("option.described_asset"))]


def add_to(app: typer.Typer) -> None:
    """Adds the group to the program."""
    trust = group(app, "trust")

    @command(trust, "show", "trust.show")
    def show_trust(session: Session) -> None:
        shown = session.get("trust")
        if session.output.as_json:
            session.output.show(shown)
            return
        session.output.show({name: value for name, value in shown.items() if name != "lists"})
        columns = ("place", "publisher", "foreign", "in_force", "number", "expires", "problem")
        session.output.table(shown["lists"], columns, None)

    @command(trust, "issuers", "trust.issuers")
    def list_issuers(session: Session) -> None:
        rows = [row for known in session.get("trust")["lists"] for row in _issuers(known)]
        session.output.table(rows, ("issuer", "types", "constraints", "publisher"), None)

    @command(trust, "partners", "trust.partners")
    def list_partners(session: Session, limit: Limit = 100) -> None:
        session.list_all(session.path("partners"), ("partner", "asked_ms"), limit)

    @command(trust, "partner", "trust.partner")
    def show_partner(session: Session, partner: Id) -> None:
        known = session.get("partners", partner)
        if session.output.as_json:
            session.output.show(known)
            return
        session.output.show({name: value for name, value in known.items() if name != "credentials"})
        session.output.table(known["credentials"], ("types", "issuer", "counts", "why", "until_ms"), None)

    @command(trust, "forget", "trust.forget")
    def forget_partner(session: Session, partner: Id) -> None:
        session.delete("partners", partner)

    @command(trust, "own", "trust.own")
    def show_own(session: Session) -> None:
        _show_described(session, session.get("self-description"))

    @command(trust, "describe", "trust.describe")
    def describe_partner(session: Session, partner: Id, asset: DescribedAsset = None) -> None:
        _show_described(session, session.get("partners", partner, "self-description", asset_id=asset))


def _show_described(session: Session, shown: dict[str, Any]) -> None:
    if session.output.as_json:
        session.output.show(shown)
        return
    rows = [
        {"kind": one["kind"], "id": one["id"], **fact}
        for one in shown["descriptions"]
        for fact in one["facts"]
    ]
    session.output.table(rows, ("kind", "id", "name", "value", "weight", "credential_id", "issuer"), None)


def _issuers(known: dict[str, Any]) -> list[dict[str, object]]:
    own = [{**entry, "publisher": known["publisher"]} for entry in known["issuers"]]
    others = [
        {
            "issuer": say("trust.issuers_of", publisher=entry["publisher"]),
            "types": entry["types"],
            "constraints": {},
            "publisher": known["publisher"],
        }
        for entry in known["recognized"]
    ]
    return own + others
