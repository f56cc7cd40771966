"""ashiato vault, receipt, app: data of others, what became of one's own, and who else uses it here."""

from typing import Annotated

import typer

from ashiato.cli.commanding import Session, command, group
from ashiato.cli.documents import Id, Limit, read_object
from ashiato.cli.texts import say

AgreementFilter = Annotated[str | None, typer.Option("--agreement", help=say("option.agreement"))]
OfAgreement = Annotated[str, typer.Option("--agreement", help=say("option.agreement"))]

ManifestFile = Annotated[str, typer.Option("--manifest", help=say("option.manifest"))]


def add_to(app: typer.Typer) -> None:
    """Adds the groups to the program."""
    _vault(group(app, "vault"))
    _receipts(group(app, "receipt"))
    _apps(group(app, "app"))


def _vault(app: typer.Typer) -> None:
    @command(app, "list", "vault.list")
    def list_vault(session: Session, agreement: AgreementFilter = None, limit: Limit = 100) -> None:
        if session.output.as_json:
            session.list_all(session.path("vault"), (), limit, agreement_id=agreement)
            return
        page = session.get("vault", agreement_id=agreement, limit=min(limit, 500))
        rows = [{**entry["received"], **entry} for entry in page["items"]]
        columns = ("received_id", "partner", "asset_id", "state", "uses_count", "delete_due_ms", "delete_why")
        session.output.table(rows, columns, page["next_cursor"])

    @command(app, "usage", "vault.usage")
    def show_usage(session: Session, agreement: AgreementFilter = None) -> None:
        found = session.get("vault", "usage", agreement_id=agreement)
        columns = ("agreement_id", "app", "purpose", "uses_count", "last_ms")
        session.output.table(found["items"], columns, None)

    @command(app, "delete", "vault.delete")
    def delete_received(session: Session, received_id: Id) -> None:
        session.output.show(session.client.document("DELETE", session.path("received", received_id)))


def _receipts(app: typer.Typer) -> None:
    @command(app, "list", "receipt.list")
    def list_other_sides(session: Session, limit: Limit = 100) -> None:
        columns = (
            "agreement_id",
            "partner",
            "asset_id",
            "standing",
            "uses_count",
            "findings_count",
            "answered_ms",
        )
        session.list_all(session.path("receipts"), columns, limit)

    @command(app, "show", "receipt.show")
    def show_other_side(session: Session, agreement_id: Id) -> None:
        side = session.get("receipts", agreement_id)
        if session.output.as_json:
            session.output.show(side)
            return
        findings = side.pop("findings")
        session.output.show(side)
        if findings:
            session.output.table(findings, ("at_ms", "sequence", "fault", "sentence_en", "sentence_ja"), None)

    @command(app, "ask", "receipt.ask")
    def ask_for_receipts(session: Session, agreement_id: Id) -> None:
        session.output.show(session.post({"agreement_id": agreement_id}, "receipts"))

    @command(app, "signed", "receipt.signed")
    def list_receipts(session: Session, agreement: OfAgreement, limit: Limit = 100) -> None:
        columns = ("sequence", "sha256", "payload", "compact")
        session.list_all(session.path("receipts", "signed"), columns, limit, agreement_id=agreement)


def _apps(app: typer.Typer) -> None:
    @command(app, "list", "app.list")
    def list_apps(session: Session, limit: Limit = 100) -> None:
        session.list_all(session.path("apps"), ("app_id", "state", "manifest", "approved_ms"), limit)

    @command(app, "show", "app.show")
    def show_app(session: Session, app_id: Id) -> None:
        session.output.show(session.get("apps", app_id))

    @command(app, "put", "app.put")
    def put_app(session: Session, app_id: Id, manifest: ManifestFile) -> None:
        session.output.show(session.put(read_object(manifest), "apps", app_id))

    @command(app, "approve", "app.approve")
    def approve_app(session: Session, app_id: Id) -> None:
        approved = session.post(None, "apps", app_id, "approve")
        if session.output.as_json:
            session.output.show(approved)
        else:
            session.output.done("done.token", app_id=app_id, token=approved["token"])

    @command(app, "revoke", "app.revoke")
    def revoke_app(session: Session, app_id: Id) -> None:
        session.output.show(session.post(None, "apps", app_id, "revoke"))

    @command(app, "run", "app.run")
    def run_app(session: Session, app_id: Id) -> None:
        session.output.show(session.post(None, "apps", app_id, "run"))
