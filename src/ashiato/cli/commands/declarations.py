"""ashiato declaration: what was declared, taking it back, and the visit of an independent verifier."""

from enum import StrEnum
from typing import Annotated

import typer

from ashiato.cli.commanding import Session, command, group
from ashiato.cli.documents import Id, Limit, instant_ms, read_object
from ashiato.cli.texts import say

_COLUMNS = ("sha256", "id", "asset_id", "signed_ms", "standing", "statements")

Sha256 = Annotated[str, typer.Argument(help=say("option.declaration_sha256"))]
Signed = Annotated[str, typer.Argument(help=say("option.signed_declaration"))]
Opened = Annotated[str, typer.Option("--lines", help=say("option.opened_lines"))]


class Level(StrEnum):
    """How sure the verifier is (ISO 14064-3)."""

    LIMITED = "limited"
    REASONABLE = "reasonable"


class Finding(StrEnum):
    """What the verifier found."""

    CONFORMS = "conforms"
    CONFORMS_WITH_REMARKS = "conforms_with_remarks"
    DOES_NOT_CONFORM = "does_not_conform"


class Party(StrEnum):
    """Whether the verifier stands on nobody's side, or on the customer's."""

    SECOND = "second_party"
    THIRD = "third_party"


def add_to(app: typer.Typer) -> None:
    """Adds the group to the program."""
    made = group(app, "declaration")
    _declarer(made)
    _verifier(made)


def _declarer(app: typer.Typer) -> None:
    @command(app, "list", "declaration.list")
    def list_declarations(session: Session, limit: Limit = 100) -> None:
        session.list_all(session.path("declarations"), _COLUMNS, limit)

    @command(app, "withdraw", "declaration.withdraw")
    def withdraw(
        session: Session,
        sha256: Sha256,
        reason: Annotated[str, typer.Option("--reason", help=say("option.withdrawal_reason"))],
    ) -> None:
        session.output.show(session.post({"reason": reason}, "declarations", sha256, "withdraw"))

    @command(app, "open-lines", "declaration.open_lines")
    def open_lines(session: Session, request_id: Id) -> None:
        session.output.show(session.post({}, "line-requests", request_id, "open"))

    @command(app, "attach", "declaration.attach")
    def attach(
        session: Session,
        sha256: Sha256,
        statement: Annotated[str, typer.Argument(help=say("option.statement"))],
    ) -> None:
        session.output.show(session.post(read_object(statement), "declarations", sha256, "statements"))


def _verifier(app: typer.Typer) -> None:
    @command(app, "ask-lines", "declaration.ask_lines")
    def ask_lines(
        session: Session,
        sha256: Sha256,
        partner: Annotated[str, typer.Option("--with", help=say("option.declarer"))],
        product: Annotated[str, typer.Option("--product", help=say("option.declared_product"))],
        lines: Annotated[list[int], typer.Option("--line", help=say("option.line_index"), min=0)],
        due: Annotated[str, typer.Option("--due", help=say("option.due"))],
        text: Annotated[str, typer.Option("--text", help=say("option.text"))] = "",
    ) -> None:
        body: dict[str, object] = {
            "partner": partner,
            "product": product,
            "declaration_sha256": sha256,
            "lines": lines,
            "due_ms": instant_ms(due),
            "text": text,
        }
        session.output.show(session.post(body, "line-requests"))

    @command(app, "check", "declaration.check")
    def check(session: Session, declaration: Signed, lines: Opened = "") -> None:
        session.output.show(session.post(_received(declaration, lines), "opened-lines"))

    @command(app, "state", "declaration.state")
    def state(
        session: Session,
        declaration: Signed,
        standard: Annotated[str, typer.Option("--standard", help=say("option.standard"))],
        level: Annotated[Level, typer.Option("--level", help=say("option.assurance"))],
        finding: Annotated[Finding, typer.Option("--finding", help=say("option.finding"))],
        scope: Annotated[str, typer.Option("--scope", help=say("option.verified_scope"))],
        lines: Opened = "",
        party: Annotated[Party, typer.Option("--party", help=say("option.verifying_party"))] = Party.THIRD,
        remarks: Annotated[str, typer.Option("--remarks", help=say("option.remarks"))] = "",
        until: Annotated[str, typer.Option("--until", help=say("option.statement_until"))] = "",
    ) -> None:
        body = _received(declaration, lines) | {
            "standard": standard,
            "level": level.value,
            "finding": finding.value,
            "scope": scope,
            "party": party.value,
            "remarks": remarks,
            "valid_until_ms": instant_ms(until) if until else 0,
        }
        session.output.show(session.post(body, "statements"))


def _received(declaration: str, lines: str) -> dict[str, object]:
    return {"declaration": read_object(declaration), "opened": read_object(lines) if lines else None}
