"""ashiato hub billing …: the operator's work with tariffs, months and documents."""

from typing import Annotated

import typer

from ashiato.cli.client import segment
from ashiato.cli.commanding import Session, command, group
from ashiato.cli.documents import Limit, given, given_object
from ashiato.cli.problems import UsageProblem
from ashiato.cli.saving import Overwrite, ToFile, opened
from ashiato.cli.texts import say

BILLING = "/v1/operator/billing"
KINDS = ("parties", "tariffs", "schemes", "charges")

MonthText = Annotated[str, typer.Argument(help=say("option.month"))]
DocumentId = Annotated[str, typer.Argument(help=say("option.bill_document"))]
Body = Annotated[str, typer.Option("--body", help=say("option.bill_body"))]


def add_to(hub: typer.Typer) -> None:
    """Adds the group to that of the hub."""
    made = group(hub, "billing")
    _rules(made)
    _months(made)
    _documents(made)


def _rules(app: typer.Typer) -> None:
    @command(app, "rules", "billing.rules")
    def rules(session: Session) -> None:
        session.output.show(session.client.document("GET", f"{BILLING}/rules"))

    @command(app, "put", "billing.put")
    def put(
        session: Session,
        kind: Annotated[str, typer.Argument(help=say("option.bill_kind"))],
        rule_id: Annotated[str, typer.Argument(help=say("option.id"))],
        body: Body,
    ) -> None:
        if kind not in KINDS:
            raise UsageProblem("problem.bill_kind", kind=kind)
        told = given_object(body, "--body")
        session.output.show(session.client.document("PUT", f"{BILLING}/{kind}/{segment(rule_id)}", told))


def _months(app: typer.Typer) -> None:
    @command(app, "usage", "billing.usage")
    def usage(
        session: Session,
        state: Annotated[str, typer.Option("--state", help=say("option.usage_state"))] = "disputed",
        limit: Limit = 100,
    ) -> None:
        columns = ("usage", "state", "provider", "consumer", "billed_in")
        session.list_all(f"{BILLING}/usage", columns, limit, state=state)

    @command(app, "close", "billing.close")
    def close(session: Session, month: MonthText) -> None:
        path = f"{BILLING}/months/{segment(month)}/closing"
        # Ten million receipts are added up while we wait.
        session.output.show(session.client.document("POST", path, timeout_s=600))

    @command(app, "month", "billing.month")
    def shown_month(session: Session, month: MonthText) -> None:
        session.output.show(session.client.document("GET", f"{BILLING}/months/{segment(month)}"))


def _documents(app: typer.Typer) -> None:
    @command(app, "documents", "billing.documents")
    def documents(
        session: Session,
        month: Annotated[str | None, typer.Option("--month", help=say("option.month"))] = None,
        limit: Limit = 100,
    ) -> None:
        columns = ("document", "number", "kind", "recipient", "gross_yen")
        session.list_all(f"{BILLING}/documents", columns, limit, **given(month=month))

    @command(app, "show", "billing.show")
    def show(session: Session, document: DocumentId) -> None:
        session.output.show(session.client.document("GET", f"{BILLING}/documents/{segment(document)}"))

    @command(app, "save", "billing.save")
    def save(
        session: Session,
        document: DocumentId,
        to: ToFile,
        form: Annotated[str, typer.Option("--form", help=say("option.bill_form"))] = "pdf",
        language: Annotated[str, typer.Option("--lang", help=say("option.bill_language"))] = "ja",
        overwrite: Overwrite = False,
    ) -> None:
        path = f"{BILLING}/documents/{segment(document)}/{segment(form)}"
        with opened(to, overwrite=overwrite) as file:
            written = file.write(session.client.request("GET", path, query={"language": language}).body)
        session.output.done("done.written", path=to, size_bytes=written)

    @command(app, "pay", "billing.pay")
    def pay(session: Session, document: DocumentId, body: Body) -> None:
        told = given_object(body, "--body")
        path = f"{BILLING}/documents/{segment(document)}/payments"
        session.output.show(session.client.document("POST", path, told))
