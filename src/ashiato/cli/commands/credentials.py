"""ashiato wallet, issuer: the credentials that the company holds, and those that it issues."""

import time
from typing import Annotated, Any

import typer

from ashiato.cli.client import Document
from ashiato.cli.commanding import Session, command, group
from ashiato.cli.documents import Id, Limit, Reason, given, given_object, instant_ms, read_object
from ashiato.cli.problems import Failed
from ashiato.cli.progress import shown_progress
from ashiato.cli.texts import say

WAIT_S = 20
STEPS = {"REQUESTED": "wallet.requested", "RECEIVED": "wallet.received"}

Issuer = Annotated[str, typer.Option("--issuer", help=say("option.issuer"))]
Holder = Annotated[str | None, typer.Option("--to", help=say("option.holder"))]
Claims = Annotated[str, typer.Option("--claims", help=say("option.claims"))]
End = Annotated[str | None, typer.Option("--until", help=say("option.credential_until"))]
Code = Annotated[str | None, typer.Option("--code", help=say("option.code"))]
Wait = Annotated[bool, typer.Option("--wait", help=say("option.wait_credential"))]
Timeout = Annotated[int, typer.Option("--timeout", help=say("option.timeout"), min=0)]


def add_to(app: typer.Typer) -> None:
    """Adds the groups to the program."""
    _wallet(group(app, "wallet"))
    issuer = group(app, "issuer")
    _types_and_grants(issuer)
    _requests_and_issued(issuer)


def _wallet(app: typer.Typer) -> None:
    @command(app, "list", "wallet.list")
    def list_held(session: Session, limit: Limit = 100) -> None:
        columns = ("held_id", "types", "issuer", "valid_until_ms")
        session.list_all(session.path("wallet", "credentials"), columns, limit)

    @command(app, "show", "wallet.show")
    def show_held(session: Session, held_id: Id) -> None:
        session.output.show(session.get("wallet", "credentials", held_id))

    @command(app, "remove", "wallet.remove")
    def remove_held(session: Session, held_id: Id) -> None:
        session.delete("wallet", "credentials", held_id)

    @command(app, "issuer", "wallet.issuer")
    def show_issuer(
        session: Session, issuer: Annotated[str, typer.Argument(help=say("option.issuer"))]
    ) -> None:
        found = session.post({"issuer": issuer}, "wallet", "issuers", "query")
        session.output.table(found["items"], ("credential_type", "profile", "id"), None)

    @command(app, "request", "wallet.request")
    def request(
        session: Session,
        credentials: Annotated[list[str], typer.Argument(help=say("option.credentials"))],
        issuer: Issuer,
        code: Code = None,
        wait: Wait = False,
        timeout_s: Timeout = 0,
    ) -> None:
        asked = session.post(
            given(issuer=issuer, credentials=list(credentials), code=code), "wallet", "requests"
        )
        _hand_over(session, asked, timeout_s, wait=wait)

    @command(app, "requests", "wallet.requests")
    def list_asked(session: Session, limit: Limit = 100) -> None:
        columns = ("request_id", "issuer", "state", "reason", "updated_ms")
        session.list_all(session.path("wallet", "requests"), columns, limit)

    @command(app, "follow", "wallet.follow")
    def follow(session: Session, request_id: Id, timeout_s: Timeout = 0) -> None:
        _hand_over(session, session.get("wallet", "requests", request_id), timeout_s, wait=True)

    @command(app, "offers", "wallet.offers")
    def list_offers(session: Session, limit: Limit = 100) -> None:
        columns = ("offer_id", "issuer", "credentials", "received_ms")
        session.list_all(session.path("wallet", "offers"), columns, limit)

    @command(app, "accept", "wallet.accept")
    def accept(session: Session, offer_id: Id, wait: Wait = False, timeout_s: Timeout = 0) -> None:
        asked = session.post(None, "wallet", "offers", offer_id, "accept")
        _hand_over(session, asked, timeout_s, wait=wait)

    @command(app, "decline", "wallet.decline")
    def decline(session: Session, offer_id: Id) -> None:
        session.delete("wallet", "offers", offer_id)


def _hand_over(session: Session, asked: Document, timeout_s: int, *, wait: bool) -> None:
    if wait:
        asked = _followed(session, asked, timeout_s)
    session.output.show(asked)
    if wait and asked["state"] != "ISSUED":
        raise Failed("wallet.not_issued", state=asked["state"], reason=asked["reason"])


def _followed(session: Session, asked: Document, timeout_s: int) -> Document:
    """The request once the issuer has decided; Ctrl-C leaves it running."""
    deadline_s = time.monotonic() + timeout_s if timeout_s else None
    state = ""
    with shown_progress(session.output) as progress:
        while asked["state"] in STEPS:
            if asked["state"] != state:
                state = asked["state"]
                progress.step(STEPS[state], issuer=asked["issuer"])
            left_s = WAIT_S if deadline_s is None else int(deadline_s - time.monotonic())
            if left_s <= 0:
                raise Failed("wallet.still_waiting", timeout_s=timeout_s, request_id=asked["request_id"])
            wait_s = min(WAIT_S, left_s)
            path = session.path("wallet", "requests", asked["request_id"])
            asked = session.client.document("GET", path, query={"wait_s": wait_s}, timeout_s=wait_s + 15)
    return asked


def _types_and_grants(app: typer.Typer) -> None:
    @command(app, "types", "issuer.types")
    def list_types(session: Session, limit: Limit = 100) -> None:
        columns = ("type_id", "credential_type", "profile", "validity_days_count")
        session.list_all(session.path("issuer", "types"), columns, limit)

    @command(app, "put-type", "issuer.put_type")
    def put_type(
        session: Session,
        type_id: Id,
        file: Annotated[str, typer.Option("--file", help=say("option.type_file"))],
    ) -> None:
        session.output.show(session.put(read_object(file), "issuer", "types", type_id))

    @command(app, "delete-type", "issuer.delete_type")
    def delete_type(session: Session, type_id: Id) -> None:
        session.delete("issuer", "types", type_id)

    @command(app, "grant", "issuer.grant")
    def grant(
        session: Session,
        type_id: Id,
        holder: Holder = None,
        claims: Claims = "{}",
        until: End = None,
        code: Code = None,
    ) -> None:
        order = given(
            holder=holder,
            type_id=type_id,
            claims=given_object(claims, "--claims"),
            valid_until_ms=None if until is None else instant_ms(until),
            code=code,
        )
        session.output.show(session.post(order, "issuer", "grants"))

    @command(app, "grants", "issuer.grants")
    def list_grants(session: Session, limit: Limit = 100) -> None:
        columns = ("grant_id", "holder_id", "type_id", "created_ms")
        session.list_all(session.path("issuer", "grants"), columns, limit)

    @command(app, "ungrant", "issuer.ungrant")
    def ungrant(session: Session, grant_id: Id) -> None:
        session.delete("issuer", "grants", grant_id)


def _requests_and_issued(app: typer.Typer) -> None:
    @command(app, "requests", "issuer.requests")
    def list_requests(session: Session, limit: Limit = 100) -> None:
        columns = ("request_id", "holder_id", "type_ids", "state", "updated_ms")
        session.list_all(session.path("issuer", "requests"), columns, limit)

    @command(app, "approve", "issuer.approve")
    def approve(session: Session, request_id: Id, claims: Claims = "{}", until: End = None) -> None:
        order: dict[str, Any] = {"claims": given_object(claims, "--claims")}
        if until is not None:
            order["valid_until_ms"] = instant_ms(until)
        session.output.show(session.post(order, "issuer", "requests", request_id, "approve"))

    @command(app, "reject", "issuer.reject")
    def reject(session: Session, request_id: Id, reason: Reason = "") -> None:
        session.output.show(session.post({"reason": reason}, "issuer", "requests", request_id, "reject"))

    @command(app, "list", "issuer.list")
    def list_issued(session: Session, limit: Limit = 100) -> None:
        columns = ("credential_id", "holder_id", "credential_type", "state", "valid_until_ms")
        session.list_all(session.path("issuer", "credentials"), columns, limit)

    @command(app, "show", "issuer.show")
    def show_issued(session: Session, credential_id: Id) -> None:
        session.output.show(session.get("issuer", "credentials", credential_id))

    for act, text in (
        ("suspend", "issuer.suspend"),
        ("resume", "issuer.resume"),
        ("revoke", "issuer.revoke"),
    ):
        _add_act(app, act, text)

    @command(app, "renew", "issuer.renew")
    def renew(
        session: Session,
        credential_id: Id,
        until: Annotated[str, typer.Option("--until", help=say("option.credential_until"))],
    ) -> None:
        order = {"valid_until_ms": instant_ms(until)}
        session.output.show(session.post(order, "issuer", "credentials", credential_id, "renew"))

    @command(app, "lists", "issuer.lists")
    def list_status_lists(session: Session, limit: Limit = 100) -> None:
        columns = ("list_id", "purpose", "used_count", "changes_count", "url")
        session.list_all(session.path("issuer", "status-lists"), columns, limit)


def _add_act(app: typer.Typer, act: str, text: str) -> None:
    @command(app, act, text)
    def change(session: Session, credential_id: Id, reason: Reason = "") -> None:
        session.output.show(session.post({"reason": reason}, "issuer", "credentials", credential_id, act))
