"""ashiato request: ask suppliers for data of their parts, and answer what customers ask."""

from enum import StrEnum
from typing import Annotated

import typer

from ashiato.cli.commanding import Session, command, group
from ashiato.cli.documents import Id, Limit, instant_ms
from ashiato.cli.problems import UsageProblem
from ashiato.cli.texts import say

_COLUMNS = ("own_id", "side", "partner", "data_item", "part", "due_ms", "state", "is_overdue", "reason")

NeededItem = Annotated[str, typer.Option("--data-item", help=say("option.data_item_asked"))]
PartOption = Annotated[str, typer.Option("--part", help=say("option.part"))]
LinkOption = Annotated[str, typer.Option("--link", help=say("option.link"))]
Text = Annotated[str, typer.Option("--text", help=say("option.text"))]


class Side(StrEnum):
    """Which requests are meant."""

    ASKED = "asked"
    RECEIVED = "received"


class Kind(StrEnum):
    """What a trace begins at."""

    BATCH = "batch"
    ITEM = "item"


def add_to(app: typer.Typer) -> None:
    """Adds the group to the program."""
    made = group(app, "request")
    _asking(made)
    _looking(made)
    _tracing(made)
    _acting(made)
    _inbox(made)
    _rules(group(made, "rule"))


def _asking(app: typer.Typer) -> None:
    @command(app, "ask", "request.ask")
    def ask(
        session: Session,
        partners: Annotated[list[str], typer.Option("--with", help=say("option.supplier"))],
        data_item: NeededItem,
        due: Annotated[str, typer.Option("--due", help=say("option.due"))],
        part: PartOption = "",
        link: LinkOption = "",
        text: Text = "",
        hops: Annotated[int, typer.Option("--hops", help=say("option.hops"), min=0, max=32)] = 8,
        fetch: Annotated[bool, typer.Option("--fetch/--no-fetch", help=say("option.fetch"))] = True,
        in_answer_to: Annotated[str, typer.Option("--in-answer-to", help=say("option.in_answer_to"))] = "",
    ) -> None:
        named = {"part_id": part, "link": link}
        body: dict[str, object] = {
            "to": [{"partner": partner, "part": named} for partner in partners],
            "data_item": data_item,
            "due_ms": instant_ms(due),
            "text": text,
            "hops": hops,
            "fetch": fetch,
            "in_answer_to": in_answer_to,
        }
        session.output.table(session.post(body, "requests")["items"], _COLUMNS, None)


def _looking(app: typer.Typer) -> None:
    @command(app, "list", "request.list")
    def list_requests(
        session: Session,
        side: Annotated[Side | None, typer.Option("--side", help=say("option.side"))] = None,
        state: Annotated[str | None, typer.Option("--state", help=say("option.state"))] = None,
        tree: Annotated[str | None, typer.Option("--tree", help=say("option.tree"))] = None,
        limit: Limit = 100,
    ) -> None:
        session.list_all(session.path("requests"), _COLUMNS, limit, side=side, state=state, tree_id=tree)

    @command(app, "show", "request.show")
    def show(session: Session, request_id: Id) -> None:
        session.output.show(session.get("requests", request_id))

    @command(app, "tree", "request.tree")
    def tree(session: Session, tree_id: Id) -> None:
        session.output.show(session.get("request-trees", tree_id))


def _tracing(app: typer.Typer) -> None:
    @command(app, "trace", "request.trace")
    def trace(
        session: Session,
        about: Annotated[str, typer.Option("--about", help=say("option.about"))],
        part: Annotated[str, typer.Option("--part", help=say("option.own_part"))],
        serials: Annotated[list[str], typer.Option("--serial", help=say("option.serial_asked"))],
        due: Annotated[str, typer.Option("--due", help=say("option.due"))],
        hops: Annotated[int, typer.Option("--hops", help=say("option.hops"), min=0, max=32)] = 8,
    ) -> None:
        body: dict[str, object] = {
            "about": about,
            "part_id": part,
            "serials": serials,
            "due_ms": instant_ms(due),
            "hops": hops,
        }
        session.output.show(session.post(body, "traces"))

    @command(app, "follow", "request.follow")
    def follow(
        session: Session,
        kind: Annotated[Kind, typer.Argument(help=say("option.trace_kind"))],
        thing_id: Id,
        due: Annotated[str, typer.Option("--due", help=say("option.due"))],
        up: Annotated[bool, typer.Option("--up/--down", help=say("option.follow_up"))] = False,
        text: Text = "",
        hops: Annotated[int, typer.Option("--hops", help=say("option.hops"), min=0, max=32)] = 8,
    ) -> None:
        body: dict[str, object] = {
            "direction": "up" if up else "down",
            "due_ms": instant_ms(due),
            "text": text,
            "hops": hops,
        }
        session.output.show(session.post(body, "traces", kind, thing_id))

    @command(app, "reach", "request.reach")
    def reach(session: Session, request_id: Id) -> None:
        session.output.show(session.get("traces", request_id))

    @command(app, "walk", "request.walk")
    def walk(
        session: Session,
        kind: Annotated[Kind, typer.Argument(help=say("option.trace_kind"))],
        thing_id: Id,
        up: Annotated[bool, typer.Option("--up/--down", help=say("option.up"))] = False,
    ) -> None:
        session.output.show(session.get("traces", kind, thing_id, direction="up" if up else "down"))


def _acting(app: typer.Typer) -> None:
    @command(app, "answer", "request.answer")
    def answer(
        session: Session,
        request_id: Id,
        asset: Annotated[str, typer.Option("--asset", help=say("option.answer_asset"))] = "",
        declaration: Annotated[str, typer.Option("--declaration", help=say("option.declaration"))] = "",
        text: Text = "",
    ) -> None:
        named: dict[str, str] | None = None
        if declaration:
            declaration_id, separator, sha256 = declaration.rpartition("=")
            if not separator:
                raise UsageProblem("problem.bad_property", text=declaration)
            named = {"declaration_id": declaration_id, "sha256": sha256}
        body: dict[str, object] = {"asset_id": asset, "declaration": named, "text": text}
        session.output.show(session.post(body, "requests", request_id, "answer"))

    @command(app, "begin", "request.begin")
    def begin(session: Session, request_id: Id) -> None:
        _act(session, request_id, "begin", "")

    @command(app, "reject", "request.reject")
    def reject(session: Session, request_id: Id, text: Text) -> None:
        _act(session, request_id, "reject", text)

    @command(app, "withdraw", "request.withdraw")
    def withdraw(session: Session, request_id: Id, text: Text) -> None:
        _act(session, request_id, "withdraw", text)

    @command(app, "let-trace", "request.let_trace")
    def let_trace(
        session: Session,
        request_id: Id,
        names: Annotated[bool, typer.Option("--names", help=say("option.names"))] = False,
    ) -> None:
        session.output.show(session.post({"names": names}, "requests", request_id, "trace"))

    @command(app, "remind", "request.remind")
    def remind(session: Session, request_id: Id, text: Text = "") -> None:
        _act(session, request_id, "remind", text)

    @command(app, "cancel", "request.cancel")
    def cancel(session: Session, request_id: Id, text: Text = "") -> None:
        _act(session, request_id, "cancel", text)


def _inbox(app: typer.Typer) -> None:
    @command(app, "open", "request.open")
    def open_inbox(
        session: Session,
        manual: Annotated[bool, typer.Option("--manual", help=say("option.manual"))] = False,
    ) -> None:
        body: dict[str, object] = {"approval": "manual" if manual else "automatic"}
        session.output.show(session.put(body, "request-inbox"))

    @command(app, "inbox", "request.inbox")
    def show_inbox(session: Session) -> None:
        session.output.show(session.get("request-inbox"))

    @command(app, "close", "request.close")
    def close_inbox(session: Session) -> None:
        session.delete("request-inbox")


def _rules(app: typer.Typer) -> None:
    @command(app, "list", "request.rule.list")
    def list_rules(session: Session, limit: Limit = 100) -> None:
        session.list_all(
            session.path("request-rules"), ("rule_id", "data_item", "part_id", "asset_id", "ask_on"), limit
        )

    @command(app, "show", "request.rule.show")
    def show_rule(session: Session, rule_id: Id) -> None:
        session.output.show(session.get("request-rules", rule_id))

    @command(app, "put", "request.rule.put")
    def put_rule(
        session: Session,
        rule_id: Id,
        data_item: NeededItem,
        asset: Annotated[str, typer.Option("--asset", help=say("option.answer_asset"))] = "",
        part: PartOption = "",
        ask_on: Annotated[list[str] | None, typer.Option("--ask-on", help=say("option.ask_on"))] = None,
        partners: Annotated[list[str] | None, typer.Option("--with", help=say("option.rule_partner"))] = None,
        names: Annotated[bool, typer.Option("--names", help=say("option.names"))] = False,
    ) -> None:
        wanted = []
        for text in ask_on or []:
            partner, separator, part_id = text.partition("=")
            if not separator:
                raise UsageProblem("problem.bad_property", text=text)
            wanted.append({"partner": partner, "part": {"part_id": part_id}})
        body: dict[str, object] = {
            "data_item": data_item,
            "part_id": part,
            "asset_id": asset,
            "ask_on": wanted,
            "partners": partners or [],
            "names": names,
        }
        session.output.show(session.put(body, "request-rules", rule_id))

    @command(app, "delete", "request.rule.delete")
    def delete_rule(session: Session, rule_id: Id) -> None:
        session.delete("request-rules", rule_id)


def _act(session: Session, request_id: str, act: str, text: str) -> None:
    session.output.show(session.post({"text": text}, "requests", request_id, act))
