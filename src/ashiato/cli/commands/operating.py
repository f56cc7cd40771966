"""ashiato participant, history, catalog, fetch: the node, what happened, and what partners offer."""

import json
from typing import Annotated

import typer

from ashiato.cli.client import segment
from ashiato.cli.commanding import Session, command, group
from ashiato.cli.commands.processes import FromCompany
from ashiato.cli.documents import Address, Id, Limit, given
from ashiato.cli.getting import await_end, check_done
from ashiato.cli.texts import say

SILENCE_S = 60.0

Slug = Annotated[str, typer.Argument(help=say("option.slug"))]


def add_to(app: typer.Typer) -> None:
    """Adds the groups to the program."""
    _participants(group(app, "participant"))
    _history(group(app, "history"))
    _catalog(group(app, "catalog"))
    _fetches(group(app, "fetch"))


def _participants(app: typer.Typer) -> None:
    @command(app, "list", "participant.list")
    def list_participants(session: Session, limit: Limit = 100) -> None:
        session.list_all("/v1/participants", ("slug", "name", "participant_id", "address"), limit)

    @command(app, "show", "participant.show")
    def show_participant(session: Session, slug: Slug) -> None:
        session.output.show(session.client.document("GET", f"/v1/participants/{segment(slug)}"))

    @command(app, "add", "participant.add")
    def add_participant(
        session: Session,
        slug: Slug,
        name: Annotated[str, typer.Option("--name", help=say("option.name"))],
        did: Annotated[str | None, typer.Option("--did", help=say("option.did"))] = None,
    ) -> None:
        created = session.client.document("POST", "/v1/participants", given(slug=slug, name=name, did=did))
        if session.output.as_json:
            session.output.show(created)
            return
        session.output.show(created["participant"])
        session.output.done("done.key", slug=slug, api_key=created["api_key"])

    @command(app, "suspend", "participant.suspend")
    def suspend_participant(session: Session, slug: Slug) -> None:
        session.client.request("DELETE", f"/v1/participants/{segment(slug)}")
        session.output.done("done.suspended", what=slug)

    @command(app, "self", "participant.self")
    def show_self(session: Session) -> None:
        session.output.show(session.client.document("GET", session.path()))


def _history(app: typer.Typer) -> None:
    @command(app, "list", "history.list")
    def list_history(
        session: Session,
        process: Annotated[str | None, typer.Option("--process", help=say("option.process"))] = None,
        limit: Limit = 100,
    ) -> None:
        columns = ("sequence", "at_ms", "event", "process_id", "partner", "details")
        session.list_all(session.path("history"), columns, limit, process_id=process)

    @command(app, "follow", "history.follow")
    def follow_history(
        session: Session,
        last_sequence: Annotated[int | None, typer.Option("--after", help=say("option.after"), min=0)] = None,
    ) -> None:
        with session.client.stream(
            session.path("events"), query=given(after=last_sequence), timeout_s=SILENCE_S
        ) as events:
            for line in events:
                if line.startswith(b"data: "):
                    session.output.event(json.loads(line[len(b"data: ") :]))


def _catalog(app: typer.Typer) -> None:
    @command(app, "show", "catalog.show")
    def show_catalog(
        session: Session,
        partner: FromCompany,
        data_item: Annotated[str | None, typer.Option("--data-item", help=say("option.data_item"))] = None,
        part_group: Annotated[str | None, typer.Option("--part-group", help=say("option.part_group"))] = None,
        address: Address = None,
        limit: Limit = 100,
    ) -> None:
        wanted = given(partner=partner, data_item=data_item, part_group=part_group, address=address)
        items: list[dict[str, object]] = []
        cursor: str | None = ""
        while cursor is not None and len(items) < limit:
            page = session.post({**wanted, "cursor": cursor}, "catalog", "query")
            items += page["items"]
            cursor = page["next_cursor"]
        shown = items if session.output.as_json else [_dataset_row(item) for item in items]
        session.output.table(shown, ("asset_id", "title", "offers", "formats"), cursor)


def _dataset_row(dataset: dict[str, object]) -> dict[str, object]:
    offers = dataset.get("offers")
    ids = (
        [str(offer.get("@id")) for offer in offers if isinstance(offer, dict)]
        if isinstance(offers, list)
        else []
    )
    return {**dataset, "offers": ids}


def _fetches(app: typer.Typer) -> None:
    @command(app, "list", "fetch.list")
    def list_fetches(session: Session, limit: Limit = 100) -> None:
        columns = ("fetch_id", "state", "partner", "asset_id", "received_id", "problem", "updated_ms")
        session.list_all(session.path("fetches"), columns, limit)

    @command(app, "show", "fetch.show")
    def show_fetch(
        session: Session,
        fetch_id: Id,
        wait: Annotated[bool, typer.Option("--wait", help=say("option.wait"))] = False,
    ) -> None:
        fetch = session.get("fetches", fetch_id)
        if not wait:
            session.output.show(fetch)
            return
        fetch = await_end(session, fetch, 0)
        session.output.show(fetch)
        check_done(fetch)

    @command(app, "cancel", "fetch.cancel")
    def cancel_fetch(session: Session, fetch_id: Id) -> None:
        session.output.show(session.post(None, "fetches", fetch_id, "cancel"))
