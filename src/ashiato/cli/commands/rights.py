"""ashiato group, fact, obligation: what the owner says for policies, and what is owed."""

from enum import StrEnum
from typing import Annotated

import typer

from ashiato.cli.commanding import Session, command, group
from ashiato.cli.documents import Id, Limit
from ashiato.cli.texts import say


class ObligationAct(StrEnum):
    """What the owner can say of an obligation."""

    FULFIL = "fulfil"
    VOID = "void"
    REOPEN = "reopen"


def add_to(app: typer.Typer) -> None:
    """Adds the groups to the program."""
    _groups(group(app, "group"))
    _facts(group(app, "fact"))
    _obligations(group(app, "obligation"))


def _groups(app: typer.Typer) -> None:
    @command(app, "list", "group.list")
    def list_groups(session: Session, limit: Limit = 100) -> None:
        session.list_all(session.path("groups"), ("group_id", "title", "members", "updated_ms"), limit)

    @command(app, "show", "group.show")
    def show_group(session: Session, group_id: Id) -> None:
        session.output.show(session.get("groups", group_id))

    @command(app, "put", "group.put")
    def put_group(
        session: Session,
        group_id: Id,
        members: Annotated[list[str] | None, typer.Option("--member", help=say("option.member"))] = None,
        title: Annotated[str, typer.Option("--title", help=say("option.title"))] = "",
    ) -> None:
        body: dict[str, object] = {"title": title, "members": members or []}
        session.output.show(session.put(body, "groups", group_id))

    @command(app, "delete", "group.delete")
    def delete_group(session: Session, group_id: Id) -> None:
        session.delete("groups", group_id)


def _facts(app: typer.Typer) -> None:
    @command(app, "list", "fact.list")
    def list_facts(session: Session, limit: Limit = 100) -> None:
        columns = ("name", "values", "agreement_id", "note", "declared_ms")
        session.list_all(session.path("facts"), columns, limit)

    @command(app, "put", "fact.put")
    def put_fact(
        session: Session,
        name: Annotated[str, typer.Argument(help=say("option.fact"))],
        values: Annotated[list[str], typer.Option("--value", help=say("option.value"))],
        agreement: Annotated[str, typer.Option("--agreement", help=say("option.of_agreement"))] = "",
        note: Annotated[str, typer.Option("--note", help=say("option.note"))] = "",
    ) -> None:
        body: dict[str, object] = {"values": values, "agreement_id": agreement, "note": note}
        session.output.show(session.put(body, "facts", name))

    @command(app, "delete", "fact.delete")
    def delete_fact(
        session: Session,
        name: Annotated[str, typer.Argument(help=say("option.fact"))],
        agreement: Annotated[str, typer.Option("--agreement", help=say("option.of_agreement"))] = "",
    ) -> None:
        session.client.request("DELETE", session.path("facts", name), query={"agreement_id": agreement})
        session.output.done("done.deleted", what=name)


def _obligations(app: typer.Typer) -> None:
    @command(app, "list", "obligation.list")
    def list_obligations(
        session: Session,
        agreement: Annotated[str | None, typer.Option("--agreement", help=say("option.agreement"))] = None,
        state: Annotated[str | None, typer.Option("--state", help=say("option.state"))] = None,
        limit: Limit = 100,
    ) -> None:
        columns = ("obligation_id", "partner", "action", "is_own", "due_ms", "state", "reason")
        session.list_all(session.path("obligations"), columns, limit, agreement_id=agreement, state=state)

    @command(app, "show", "obligation.show")
    def show_obligation(session: Session, obligation_id: Id) -> None:
        session.output.show(session.get("obligations", obligation_id))

    @command(app, "act", "obligation.act")
    def act_on_obligation(
        session: Session,
        obligation_id: Id,
        act: Annotated[ObligationAct, typer.Argument(help=say("option.obligation_act"))],
        reason: Annotated[str, typer.Option("--reason", help=say("option.note"))] = "",
    ) -> None:
        session.output.show(session.post({"reason": reason}, "obligations", obligation_id, act))
