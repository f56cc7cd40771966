"""ashiato asset, policy, offer, webhook: what the company offers and who is told."""

from typing import Annotated

import typer

from ashiato.cli.commanding import Session, command, group
from ashiato.cli.documents import (
    Allow,
    DataItem,
    Elapsed,
    Id,
    Limit,
    NotBefore,
    PartGroup,
    PolicyFile,
    Until,
    Uses,
    given,
    given_object,
    pairs,
    policy_of,
    read_bytes,
)
from ashiato.cli.problems import UsageProblem
from ashiato.cli.texts import say


def add_to(app: typer.Typer) -> None:
    """Adds the groups to the program."""
    assets = group(app, "asset")
    _assets(assets)
    _put_assets(assets)
    _policies(group(app, "policy"))
    _offers(group(app, "offer"))
    _webhooks(group(app, "webhook"))


def _assets(app: typer.Typer) -> None:
    @command(app, "list", "asset.list")
    def list_assets(session: Session, limit: Limit = 100) -> None:
        session.list_all(
            session.path("assets"), ("asset_id", "title", "data_item", "part_group", "updated_ms"), limit
        )

    @command(app, "show", "asset.show")
    def show_asset(session: Session, asset_id: Id) -> None:
        session.output.show(session.get("assets", asset_id))

    @command(app, "delete", "asset.delete")
    def delete_asset(session: Session, asset_id: Id) -> None:
        session.delete("assets", asset_id)

    @command(app, "record", "asset.record")
    def record_of_asset(
        session: Session,
        asset_id: Id,
        put: Annotated[str | None, typer.Option("--put", help=say("option.put"))] = None,
    ) -> None:
        if put is not None:
            receipt = _put_record(session, asset_id, read_bytes(put))
            session.output.done("done.recorded", **receipt)
            return
        typer.echo(session.client.request("GET", session.path("assets", asset_id, "record")).body)


def _put_assets(app: typer.Typer) -> None:
    @command(app, "put", "asset.put")
    def put_asset(
        session: Session,
        asset_id: Id,
        title: Annotated[str, typer.Option("--title", help=say("option.title"))],
        record: Annotated[str | None, typer.Option("--record", help=say("option.record_file"))] = None,
        file: Annotated[str | None, typer.Option("--file", help=say("option.file_path"))] = None,
        source: Annotated[str | None, typer.Option("--source", help=say("option.source"))] = None,
        media_type: Annotated[
            str, typer.Option("--media-type", help=say("option.media_type"))
        ] = "application/json",
        data_item: DataItem = "",
        part_group: PartGroup = "",
        properties: Annotated[
            list[str] | None, typer.Option("--property", help=say("option.property"))
        ] = None,
        methods: Annotated[list[str] | None, typer.Option("--method", help=say("option.method"))] = None,
        endless: Annotated[bool, typer.Option("--endless", help=say("option.endless"))] = False,
        visibility: Annotated[str | None, typer.Option("--visibility", help=say("option.visibility"))] = None,
        access: Annotated[str | None, typer.Option("--access", help=say("option.access"))] = None,
        classification: Annotated[
            str | None, typer.Option("--classification", help=say("option.classification"))
        ] = None,
    ) -> None:
        if sum(given is not None for given in (record, file, source)) != 1:
            raise UsageProblem("problem.one_source")
        content = None if record is None else read_bytes(record)
        place = {"kind": "record"} if record is not None else {"kind": "file", "path": file}
        body = given(
            title=title,
            source=place if source is None else given_object(source, "--source"),
            media_type=media_type,
            data_item=data_item,
            part_group=part_group,
            properties=pairs(properties),
            methods=methods or None,
            finite=not endless,
            visibility=visibility,
            access=None if access is None else given_object(access, "--access"),
            classification=classification,
        )
        stored = session.put(body, "assets", asset_id)
        if content is not None:
            _put_record(session, asset_id, content)
        session.output.show(stored)


def _put_record(session: Session, asset_id: str, content: bytes) -> dict[str, object]:
    path = session.path("assets", asset_id, "record")
    return session.client.document("PUT", path, body=content, media_type="application/json")


def _policies(app: typer.Typer) -> None:
    @command(app, "list", "policy.list")
    def list_policies(session: Session, limit: Limit = 100) -> None:
        session.list_all(session.path("policies"), ("policy_id", "created_ms", "document"), limit)

    @command(app, "show", "policy.show")
    def show_policy(session: Session, policy_id: Id) -> None:
        session.output.show(session.get("policies", policy_id))

    @command(app, "put", "policy.put")
    def put_policy(
        session: Session,
        policy_id: Id,
        policy: PolicyFile = None,
        allow: Allow = None,
        not_before: NotBefore = None,
        until: Until = None,
        elapsed: Elapsed = None,
        uses: Uses = None,
    ) -> None:
        document = policy_of(policy, allow, not_before, until, elapsed, uses)
        session.output.show(session.put({"document": document}, "policies", policy_id))

    @command(app, "delete", "policy.delete")
    def delete_policy(session: Session, policy_id: Id) -> None:
        session.delete("policies", policy_id)


def _offers(app: typer.Typer) -> None:
    @command(app, "list", "offer.list")
    def list_offers(session: Session, limit: Limit = 100) -> None:
        columns = (
            "offer_id",
            "contract_policy_id",
            "access_policy_id",
            "asset_ids",
            "data_item",
            "part_group",
            "approval",
        )
        session.list_all(session.path("offers"), columns, limit)

    @command(app, "show", "offer.show")
    def show_offer(session: Session, offer_id: Id) -> None:
        session.output.show(session.get("offers", offer_id))

    @command(app, "put", "offer.put")
    def put_offer(
        session: Session,
        offer_id: Id,
        policy: Annotated[str, typer.Option("--policy", help=say("option.contract_policy"))],
        access_policy: Annotated[
            str | None, typer.Option("--access-policy", help=say("option.access_policy"))
        ] = None,
        assets: Annotated[list[str] | None, typer.Option("--asset", help=say("option.asset"))] = None,
        data_item: Annotated[str | None, typer.Option("--data-item", help=say("option.data_item"))] = None,
        part_group: Annotated[str | None, typer.Option("--part-group", help=say("option.part_group"))] = None,
        manual: Annotated[bool, typer.Option("--manual", help=say("option.manual"))] = False,
        alternatives: Annotated[
            list[str] | None, typer.Option("--alternative", help=say("option.alternative"))
        ] = None,
        access: Annotated[str | None, typer.Option("--access", help=say("option.access"))] = None,
    ) -> None:
        body = given(
            contract_policy_id=policy,
            access_policy_id=access_policy,
            asset_ids=assets or [],
            data_item=data_item,
            part_group=part_group,
            approval="manual" if manual else "automatic",
            alternative_policy_ids=alternatives or [],
            access=None if access is None else given_object(access, "--access"),
        )
        session.output.show(session.put(body, "offers", offer_id))

    @command(app, "delete", "offer.delete")
    def delete_offer(session: Session, offer_id: Id) -> None:
        session.delete("offers", offer_id)


def _webhooks(app: typer.Typer) -> None:
    @command(app, "list", "webhook.list")
    def list_webhooks(session: Session, limit: Limit = 100) -> None:
        session.list_all(session.path("webhooks"), ("webhook_id", "url", "events", "created_ms"), limit)

    @command(app, "show", "webhook.show")
    def show_webhook(session: Session, webhook_id: Id) -> None:
        session.output.show(session.get("webhooks", webhook_id))

    @command(app, "put", "webhook.put")
    def put_webhook(
        session: Session,
        webhook_id: Id,
        to: Annotated[str, typer.Option("--to", help=say("option.webhook_url"))],
        events: Annotated[list[str], typer.Option("--event", help=say("option.event"))],
    ) -> None:
        session.output.show(session.put({"url": to, "events": events}, "webhooks", webhook_id))

    @command(app, "delete", "webhook.delete")
    def delete_webhook(session: Session, webhook_id: Id) -> None:
        session.delete("webhooks", webhook_id)
