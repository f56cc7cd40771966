"""ashiato footprint: the company's own footprints, as the footprint app computed them."""

from enum import StrEnum
from typing import Annotated

import typer

from ashiato.cli.commanding import Session, command, group
from ashiato.cli.documents import Limit
from ashiato.cli.texts import say

Product = Annotated[str, typer.Argument(help=say("option.product"))]
_COLUMNS = ("product", "standing", "total_kg", "amount", "unit", "primary_data_share", "revision", "warning")
_SCOPES = (
    "plant", "year", "scope1_kg", "scope2_by_location_kg", "scope2_by_market_kg", "scope3_kg", "products",
)  # fmt: skip


class Language(StrEnum):
    """The language of the sentences of an answer."""

    ENGLISH = "en"
    JAPANESE = "ja"


Lang = Annotated[Language, typer.Option("--lang", help=say("option.answer_lang"))]


class Look(StrEnum):
    """What of an explanation is printed."""

    ALL = "all"
    HOT_SPOTS = "hot-spots"
    TREE = "tree"
    SANKEY = "sankey"
    GAPS = "gaps"
    CHANGES = "changes"


_TABLES = {
    Look.HOT_SPOTS: ("hot_spots", ("key", "kg", "share", "cumulated_share")),
    Look.SANKEY: ("sankey", ("source", "target", "kg")),
    Look.GAPS: ("gaps", ("key", "kg", "share")),
    Look.CHANGES: ("changes", ("key", "amount_kg", "intensity_kg", "joint_kg", "total_kg")),
}


def add_to(app: typer.Typer) -> None:
    """Adds the group to the program."""
    made = group(app, "footprint")

    @command(made, "list", "footprint.list")
    def list_footprints(session: Session, limit: Limit = 100) -> None:
        session.list_all(session.path("carbon", "footprints"), _COLUMNS, limit)

    @command(made, "show", "footprint.show")
    def show_footprint(session: Session, product: Product, lang: Lang = Language.ENGLISH) -> None:
        session.output.show(session.get("carbon", "footprints", product, lang=lang.value))

    @command(made, "explain", "footprint.explain")
    def explain_footprint(
        session: Session,
        product: Product,
        look: Annotated[Look, typer.Option("--look", help=say("option.look"))] = Look.ALL,
    ) -> None:
        found = session.get("carbon", "footprints", product, "explanation")
        if look in _TABLES:
            member, columns = _TABLES[look]
            session.output.table(found[member], columns, None)
        else:
            session.output.show(found["tree"] if look is Look.TREE else found)

    @command(made, "handover", "footprint.handover")
    def hand_over_footprint(session: Session, product: Product, lang: Lang = Language.ENGLISH) -> None:
        session.output.show(session.get("carbon", "footprints", product, "handover", lang=lang.value))

    @command(made, "scopes", "footprint.scopes")
    def show_scopes(
        session: Session,
        plant: Annotated[str, typer.Option("--plant", help=say("option.plant"))] = "",
        year: Annotated[int | None, typer.Option("--year", help=say("option.year"))] = None,
        lang: Lang = Language.ENGLISH,
    ) -> None:
        wanted: dict[str, object] = {"plant": plant, "lang": lang.value}
        if year is not None:
            wanted["year"] = year
        session.output.table(session.get("carbon", "scopes", **wanted)["items"], _SCOPES, None)
