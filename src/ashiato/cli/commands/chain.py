"""ashiato partner, plant, part, bill, batch, item, link, supply: a company's chain."""

from typing import Annotated, Any

import typer

from ashiato.cli.commanding import Session, command, group
from ashiato.cli.documents import (
    STANDARD_INPUT,
    Id,
    Limit,
    PartnerFilter,
    given,
    instant_ms,
    pairs,
    read_bytes,
    read_object,
)
from ashiato.cli.problems import CliProblem, UsageProblem
from ashiato.cli.saving import Overwrite, ToFile, opened
from ashiato.cli.texts import say

IMPORT_TIMEOUT_S = 600.0
WORKBOOK_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
WORKBOOK_ENDING = ".xlsx"

Name = Annotated[str, typer.Option("--name", help=say("option.thing_name"))]
Identifiers = Annotated[list[str] | None, typer.Option("--identifier", help=say("option.identifier"))]
PlantOption = Annotated[str, typer.Option("--plant", help=say("option.plant"))]
PlantFilter = Annotated[str | None, typer.Option("--plant", help=say("option.plant"))]
PartOption = Annotated[str, typer.Option("--part", help=say("option.own_part"))]
PartFilter = Annotated[str | None, typer.Option("--part", help=say("option.own_part"))]
PartId = Annotated[str, typer.Argument(help=say("option.own_part"))]
Made = Annotated[str | None, typer.Option("--made", help=say("option.made"))]
Unit = Annotated[str, typer.Option("--unit", help=say("option.unit"))]
Properties = Annotated[list[str] | None, typer.Option("--property", help=say("option.property"))]
Kind = Annotated[str, typer.Option("--kind", help=say("option.built_kind"))]
ComponentKind = Annotated[str, typer.Option("--component-kind", help=say("option.built_kind"))]
Component = Annotated[str, typer.Argument(help=say("option.component"))]
Instant = Annotated[str | None, typer.Option("--at", help=say("option.at"))]
Began = Annotated[str | None, typer.Option("--from", help=say("option.from_instant"))]
Ended = Annotated[str | None, typer.Option("--until", help=say("option.until_instant"))]
Why = Annotated[str, typer.Option("--reason", help=say("option.reason"))]


def add_to(app: typer.Typer) -> None:
    """Adds the groups to the program."""
    _partners(group(app, "partner"))
    _plants(group(app, "plant"))
    _parts(group(app, "part"))
    _bills(group(app, "bill"))
    _batches(group(app, "batch"))
    _items(group(app, "item"))
    _links(group(app, "link"))
    _supply(group(app, "supply"))


def _partners(app: typer.Typer) -> None:
    @command(app, "list", "partner.list")
    def list_partners(session: Session, limit: Limit = 100) -> None:
        columns = ("partner", "name", "is_supplier", "is_customer", "identifiers")
        session.list_all(session.path("trading-partners"), columns, limit)

    @command(app, "show", "partner.show")
    def show_partner(session: Session, partner: Id) -> None:
        session.output.show(session.get("trading-partners", partner))

    @command(app, "put", "partner.put")
    def put_partner(
        session: Session,
        partner: Id,
        name: Name = "",
        address: Annotated[str | None, typer.Option("--address", help=say("option.address"))] = None,
        is_supplier: Annotated[bool, typer.Option("--supplier", help=say("option.is_supplier"))] = False,
        is_customer: Annotated[bool, typer.Option("--customer", help=say("option.is_customer"))] = False,
        identifiers: Identifiers = None,
    ) -> None:
        body: dict[str, object] = {
            "name": name,
            "address": address,
            "is_supplier": is_supplier,
            "is_customer": is_customer,
            "identifiers": identifiers or [],
        }
        session.output.show(session.put(body, "trading-partners", partner))

    @command(app, "delete", "partner.delete")
    def delete_partner(session: Session, partner: Id) -> None:
        session.delete("trading-partners", partner)


def _plants(app: typer.Typer) -> None:
    @command(app, "list", "plant.list")
    def list_plants(session: Session, limit: Limit = 100) -> None:
        session.list_all(session.path("plants"), ("plant_id", "name", "country", "identifiers"), limit)

    @command(app, "show", "plant.show")
    def show_plant(session: Session, plant_id: Id) -> None:
        session.output.show(session.get("plants", plant_id))

    @command(app, "put", "plant.put")
    def put_plant(
        session: Session,
        plant_id: Id,
        name: Name = "",
        address: Annotated[str, typer.Option("--address", help=say("option.postal"))] = "",
        country: Annotated[str, typer.Option("--country", help=say("option.country"))] = "",
        identifiers: Identifiers = None,
    ) -> None:
        body: dict[str, object] = {
            "name": name,
            "address": address,
            "country": country,
            "identifiers": identifiers or [],
        }
        session.output.show(session.put(body, "plants", plant_id))

    @command(app, "delete", "plant.delete")
    def delete_plant(session: Session, plant_id: Id) -> None:
        session.delete("plants", plant_id)


def _parts(app: typer.Typer) -> None:
    @command(app, "list", "part.list")
    def list_parts(session: Session, plant: PlantFilter = None, limit: Limit = 100) -> None:
        columns = ("part_id", "name", "sourcing", "unit", "revision", "plant_id", "identifiers")
        session.list_all(session.path("parts"), columns, limit, plant_id=plant)

    @command(app, "show", "part.show")
    def show_part(session: Session, part_id: Id) -> None:
        session.output.show(session.get("parts", part_id))

    @command(app, "put", "part.put")
    def put_part(
        session: Session,
        part_id: Id,
        name: Name = "",
        is_purchased: Annotated[bool, typer.Option("--purchased", help=say("option.purchased"))] = False,
        unit: Unit = "piece",
        revision: Annotated[str, typer.Option("--revision", help=say("option.revision"))] = "",
        plant: PlantOption = "",
        identifiers: Identifiers = None,
        properties: Properties = None,
    ) -> None:
        body: dict[str, object] = {
            "name": name,
            "sourcing": "purchased" if is_purchased else "own",
            "unit": unit,
            "revision": revision,
            "plant_id": plant,
            "identifiers": identifiers or [],
            "properties": pairs(properties),
        }
        session.output.show(session.put(body, "parts", part_id))

    @command(app, "delete", "part.delete")
    def delete_part(session: Session, part_id: Id) -> None:
        session.delete("parts", part_id)

    @command(app, "users", "part.users")
    def list_users(session: Session, part_id: Id, limit: Limit = 100) -> None:
        session.list_all(session.path("parts", part_id, "users"), ("part_id",), limit)


def _bills(app: typer.Typer) -> None:
    @command(app, "list", "bill.list")
    def list_bills(session: Session, part: PartFilter = None, limit: Limit = 100) -> None:
        columns = ("part_id", "version", "output", "lines", "valid_from_ms", "valid_until_ms")
        session.list_all(session.path("bills"), columns, limit, part_id=part)

    @command(app, "show", "bill.show")
    def show_bill(
        session: Session,
        part_id: PartId,
        version: Annotated[str | None, typer.Option("--version", help=say("option.version"))] = None,
        at: Instant = None,
    ) -> None:
        if version is not None:
            session.output.show(session.get("parts", part_id, "bills", version))
        else:
            at_ms = None if at is None else instant_ms(at)
            session.output.show(session.get("parts", part_id, "bill", at_ms=at_ms))

    @command(app, "put", "bill.put")
    def put_bill(
        session: Session,
        part_id: PartId,
        version: Annotated[str, typer.Argument(help=say("option.version"))],
        lines: Annotated[list[str] | None, typer.Option("--line", help=say("option.line"))] = None,
        file: Annotated[str | None, typer.Option("--file", help=say("option.bill_file"))] = None,
        began: Began = None,
        ended: Ended = None,
    ) -> None:
        if (file is None) == (not lines):
            raise UsageProblem("problem.one_bill")
        body: dict[str, Any] = {"lines": [_line(text) for text in lines or ()]}
        if file is not None:
            body = read_object(file)
        if began is not None:
            body["valid_from_ms"] = instant_ms(began)
        if ended is not None:
            body["valid_until_ms"] = instant_ms(ended)
        session.output.show(session.put(body, "parts", part_id, "bills", version))

    @command(app, "delete", "bill.delete")
    def delete_bill(
        session: Session,
        part_id: PartId,
        version: Annotated[str, typer.Argument(help=say("option.version"))],
    ) -> None:
        session.delete("parts", part_id, "bills", version)


def _line(text: str) -> dict[str, str]:
    """COMPONENT=QUANTITY, COMPONENT=QUANTITY UNIT or COMPONENT=QUANTITY UNIT LOSS."""
    component_id, _, rest = text.rpartition("=")
    words = rest.split()
    if not component_id or not 1 <= len(words) <= 3:
        raise UsageProblem("problem.bad_line", text=text)
    names = ("quantity", "unit", "loss")
    return {"component_id": component_id, "unit": "piece", **dict(zip(names, words, strict=False))}


def _batches(app: typer.Typer) -> None:
    @command(app, "list", "batch.list")
    def list_batches(session: Session, part: PartFilter = None, limit: Limit = 100) -> None:
        columns = ("batch_id", "part_id", "quantity", "plant_id", "made_ms", "identifiers")
        session.list_all(session.path("batches"), columns, limit, part_id=part)

    @command(app, "show", "batch.show")
    def show_batch(session: Session, batch_id: Id) -> None:
        session.output.show(session.get("batches", batch_id))

    @command(app, "put", "batch.put")
    def put_batch(
        session: Session,
        batch_id: Id,
        part: PartOption,
        quantity: Annotated[str | None, typer.Option("--quantity", help=say("option.quantity"))] = None,
        plant: PlantOption = "",
        made: Made = None,
        identifiers: Identifiers = None,
    ) -> None:
        body = given(
            part_id=part,
            plant_id=plant,
            quantity=quantity,
            made_ms=None if made is None else instant_ms(made),
            identifiers=identifiers or [],
        )
        session.output.show(session.put(body, "batches", batch_id))

    @command(app, "delete", "batch.delete")
    def delete_batch(session: Session, batch_id: Id) -> None:
        session.delete("batches", batch_id)

    @command(app, "items", "batch.items")
    def list_items_of_batch(session: Session, batch_id: Id, limit: Limit = 100) -> None:
        columns = ("item_id", "part_id", "serial", "made_ms", "identifiers")
        session.list_all(session.path("batches", batch_id, "items"), columns, limit)


def _items(app: typer.Typer) -> None:
    @command(app, "list", "item.list")
    def list_items(session: Session, part: PartFilter = None, limit: Limit = 100) -> None:
        columns = ("item_id", "part_id", "serial", "batch_id", "plant_id", "made_ms", "identifiers")
        session.list_all(session.path("items"), columns, limit, part_id=part)

    @command(app, "show", "item.show")
    def show_item(session: Session, item_id: Id) -> None:
        session.output.show(session.get("items", item_id))

    @command(app, "put", "item.put")
    def put_item(
        session: Session,
        item_id: Id,
        part: PartOption,
        serial: Annotated[str, typer.Option("--serial", help=say("option.serial"))],
        batch: Annotated[str, typer.Option("--batch", help=say("option.batch"))] = "",
        plant: PlantOption = "",
        made: Made = None,
        identifiers: Identifiers = None,
    ) -> None:
        body = given(
            part_id=part,
            serial=serial,
            batch_id=batch,
            plant_id=plant,
            made_ms=None if made is None else instant_ms(made),
            identifiers=identifiers or [],
        )
        session.output.show(session.put(body, "items", item_id))

    @command(app, "delete", "item.delete")
    def delete_item(session: Session, item_id: Id) -> None:
        session.delete("items", item_id)

    _building(app)


def _building(app: typer.Typer) -> None:
    @command(app, "holds", "item.holds")
    def list_holds(
        session: Session, thing_id: Id, kind: Kind = "item", at: Instant = None, limit: Limit = 100
    ) -> None:
        columns = ("component_kind", "component_id", "quantity", "unit", "from_ms", "until_ms")
        _relations(session, (kind, thing_id, "holds"), columns, at, limit)

    @command(app, "held-in", "item.held_in")
    def list_held_in(
        session: Session, thing_id: Id, kind: Kind = "item", at: Instant = None, limit: Limit = 100
    ) -> None:
        columns = ("holder_kind", "holder_id", "quantity", "unit", "from_ms", "until_ms")
        _relations(session, (kind, thing_id, "held-in"), columns, at, limit)

    @command(app, "build-in", "item.build_in")
    def build_in(
        session: Session,
        thing_id: Id,
        component: Component,
        kind: Kind = "item",
        component_kind: ComponentKind = "item",
        quantity: Annotated[str, typer.Option("--quantity", help=say("option.quantity"))] = "1",
        unit: Unit = "piece",
        began: Began = None,
        ended: Ended = None,
    ) -> None:
        body = given(
            quantity=quantity,
            unit=unit,
            from_ms=None if began is None else instant_ms(began),
            until_ms=None if ended is None else instant_ms(ended),
        )
        place = ("built", kind, thing_id, "holds", component_kind, component)
        session.output.show(session.put(body, *place))

    @command(app, "undo", "item.undo")
    def undo(
        session: Session,
        thing_id: Id,
        component: Component,
        kind: Kind = "item",
        component_kind: ComponentKind = "item",
        began: Began = None,
    ) -> None:
        path = session.path("built", kind, thing_id, "holds", component_kind, component)
        query = {"from_ms": 0 if began is None else instant_ms(began)}
        session.client.request("DELETE", path, query=query)
        session.output.done("done.deleted", what=component)


def _relations(
    session: Session, place: tuple[str, ...], columns: tuple[str, ...], at: str | None, limit_count: int
) -> None:
    as_of_ms = None if at is None else instant_ms(at)
    session.list_all(session.path("built", *place), columns, limit_count, as_of_ms=as_of_ms)


def _links(app: typer.Typer) -> None:
    @command(app, "list", "link.list")
    def list_links(session: Session, partner: PartnerFilter = None, limit: Limit = 100) -> None:
        columns = ("link_id", "side", "partner", "own_part_id", "partner_part_id", "is_ours", "state")
        session.list_all(session.path("trade-links"), columns, limit, partner=partner)

    @command(app, "show", "link.show")
    def show_link(session: Session, link_id: Id) -> None:
        session.output.show(session.get("trade-links", link_id))

    @command(app, "propose", "link.propose")
    def propose_link(
        session: Session,
        link_id: Id,
        partner: Annotated[str, typer.Option("--with", help=say("option.partner"))],
        part: PartOption,
        is_supplier: Annotated[bool, typer.Option("--as-supplier", help=say("option.as_supplier"))] = False,
        partner_part: Annotated[str, typer.Option("--partner-part", help=say("option.partner_part"))] = "",
        message: Annotated[str, typer.Option("--message", help=say("option.message"))] = "",
    ) -> None:
        body: dict[str, object] = {
            "side": "supplier" if is_supplier else "buyer",
            "partner": partner,
            "own_part_id": part,
            "partner_part_id": partner_part,
            "message": message,
        }
        session.output.show(session.put(body, "trade-links", link_id))

    @command(app, "confirm", "link.confirm")
    def confirm_link(session: Session, link_id: Id, part: PartOption) -> None:
        session.output.show(session.post({"own_part_id": part}, "trade-links", link_id, "confirm"))

    @command(app, "refuse", "link.refuse")
    def refuse_link(session: Session, link_id: Id, reason: Why = "") -> None:
        session.output.show(session.post({"reason": reason}, "trade-links", link_id, "refuse"))

    @command(app, "withdraw", "link.withdraw")
    def withdraw_link(session: Session, link_id: Id, reason: Why = "") -> None:
        session.output.show(session.post({"reason": reason}, "trade-links", link_id, "withdraw"))


def _supply(app: typer.Typer) -> None:
    @command(app, "find", "supply.find")
    def find(
        session: Session, identifier: Annotated[str, typer.Argument(help=say("option.identifier"))]
    ) -> None:
        session.output.show(session.get("identified", identifier=identifier))

    @command(app, "template", "supply.template")
    def template(
        session: Session,
        sheet: Annotated[str, typer.Argument(help=say("option.sheet"))],
        lang: Annotated[str, typer.Option("--lang", help=say("option.language"))] = "en",
        to: ToFile = STANDARD_INPUT,
        is_replacing: Overwrite = False,
    ) -> None:
        query = {"sheet": sheet, "lang": lang}
        if to.lower().endswith(WORKBOOK_ENDING):
            query["form"] = "xlsx"
        answer = session.client.request("GET", session.path("supply", "template"), query=query)
        with opened(to, overwrite=is_replacing) as made:
            made.write(answer.body)
        if to != STANDARD_INPUT:
            session.output.done("done.written", path=to, size_bytes=len(answer.body))

    @command(app, "import", "supply.import")
    def import_table(
        session: Session,
        file: Annotated[str, typer.Argument(help=say("option.table"))],
        is_dry_run: Annotated[bool, typer.Option("--dry-run", help=say("option.dry_run"))] = False,
    ) -> None:
        report = session.client.document(
            "POST",
            session.path("supply", "import"),
            query={"dry_run": "true"} if is_dry_run else {},
            body=read_bytes(file),
            media_type=WORKBOOK_TYPE if file.lower().endswith(WORKBOOK_ENDING) else "text/csv",
            timeout_s=IMPORT_TIMEOUT_S,
        )
        if report["is_good"]:
            session.output.show({name: value for name, value in report.items() if "error" not in name})
        else:
            raise BadRows(report)


class BadRows(CliProblem):
    """What a dry run found: the cells that must be mended."""

    def __init__(self, report: dict[str, Any]) -> None:
        errors = report["errors"]
        cells = [{**one, "path": f"{one['row']}:{one['column']}".rstrip(":")} for one in errors]
        count = len(errors) + report["further_errors"]
        first = f"{cells[0]['path']}: {cells[0]['problem']}"
        super().__init__("problem.bad_rows", count=count, first=first)
        self.fields = {"count": count, "errors": cells, "further_errors": report["further_errors"]}
