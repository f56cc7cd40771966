"""ashiato carbon: tables, background databases and what they are asked, as far as the node keeps them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, BinaryIO

import typer

from ashiato.cli.client import Document
from ashiato.cli.commanding import Session, command, group
from ashiato.cli.commands.chain import IMPORT_TIMEOUT_S, WORKBOOK_ENDING, WORKBOOK_TYPE, BadRows
from ashiato.cli.documents import STANDARD_INPUT, Id, Limit, given, read_bytes, read_object
from ashiato.cli.problems import CliProblem, UsageProblem
from ashiato.cli.progress import shown_progress
from ashiato.cli.saving import Overwrite, ToFile, opened
from ashiato.cli.texts import say

Activity = Annotated[str, typer.Argument(help=say("option.activity"))]
GwpSet = Annotated[str | None, typer.Option("--gwp-set", help=say("option.gwp_set"))]
Language = Annotated[str, typer.Option("--lang", help=say("option.language"))]
DryRun = Annotated[bool, typer.Option("--dry-run", help=say("option.dry_run"))]
Ownership = Annotated[str | None, typer.Option("--ownership", help=say("option.ownership"))]


def add_to(app: typer.Typer) -> None:
    """Adds the group to the program; who mounts it may add commands to the group."""
    carbon = group(app, "carbon")
    _tables(carbon)
    _handed_on(carbon)
    _databases(carbon)
    _import(carbon)
    _questions(carbon)
    _links(carbon)


def _tables(app: typer.Typer) -> None:
    @command(app, "template", "carbon.template")
    def template(
        session: Session,
        template: Annotated[str, typer.Argument(help=say("option.carbon_template"))],
        lang: Language = "en",
        encoding: Annotated[str, typer.Option("--encoding", help=say("option.encoding"))] = "utf-8",
        to: ToFile = STANDARD_INPUT,
        is_replacing: Overwrite = False,
    ) -> None:
        query = {"template": template, "lang": lang, "encoding": encoding}
        if to.lower().endswith(WORKBOOK_ENDING):
            query["form"] = "xlsx"
        answer = session.client.request("GET", session.path("carbon", "template"), query=query)
        with opened(to, overwrite=is_replacing) as made:
            made.write(answer.body)
        if to != STANDARD_INPUT:
            session.output.done("done.written", path=to, size_bytes=len(answer.body))

    @command(app, "import", "carbon.import")
    def import_table(
        session: Session,
        template: Annotated[str, typer.Argument(help=say("option.carbon_template"))],
        file: Annotated[str, typer.Argument(help=say("option.table"))],
        lang: Language = "en",
        gwp_set: GwpSet = None,
        is_dry_run: DryRun = False,
    ) -> None:
        report = session.client.document(
            "POST",
            session.path("carbon", "import"),
            query=given(
                template=template, lang=lang, gwp_set=gwp_set, dry_run="true" if is_dry_run else None
            ),
            body=read_bytes(file),
            media_type=WORKBOOK_TYPE if file.lower().endswith(WORKBOOK_ENDING) else "text/csv",
            timeout_s=IMPORT_TIMEOUT_S,
        )
        if not report["is_good"]:
            raise BadRows(report)
        _shown(session, report)

    @command(app, "factors", "carbon.factors")
    def list_factors(session: Session, limit: Limit = 100) -> None:
        columns = ("factor_id", "name", "reference", "kgco2e", "region", "source", "licence", "is_usable")
        session.list_all(session.path("carbon", "factors"), columns, limit)


def _handed_on(app: typer.Typer) -> None:
    @command(app, "inventory", "carbon.inventory")
    def make_inventory(
        session: Session,
        head: Annotated[str, typer.Argument(help=say("option.inventory_head"))],
        lang: Language = "en",
        is_dry_run: DryRun = False,
    ) -> None:
        query = given(lang=lang, dry_run="true" if is_dry_run else None)
        path = session.path("carbon", "inventories")
        _shown(session, session.client.document("POST", path, read_object(head), query=query))

    @command(app, "answer", "carbon.answer")
    def give_answers(
        session: Session,
        request_ids: Annotated[list[str] | None, typer.Argument(help=say("option.request_ids"))] = None,
        policy_id: Annotated[str, typer.Option("--policy", help=say("option.answer_policy"))] = "",
        is_dry_run: DryRun = False,
    ) -> None:
        body = {"policy_id": policy_id, "request_ids": request_ids or [], "dry_run": is_dry_run}
        found = session.post(body, "carbon", "answers")
        session.output.table(found["items"], ("request_id", "part_id", "outcome", "asset_id"), None)


def _databases(app: typer.Typer) -> None:
    @command(app, "databases", "carbon.databases")
    def list_databases(session: Session, limit: Limit = 100) -> None:
        columns = ("background_id", "title", "version", "activities", "missing", "licence", "is_shown")
        session.list_all(session.path("carbon", "backgrounds"), columns, limit)

    @command(app, "database", "carbon.database")
    def show_database(session: Session, background_id: Id) -> None:
        session.output.show(session.get("carbon", "backgrounds", background_id))

    @command(app, "forget", "carbon.forget")
    def forget_database(session: Session, background_id: Id) -> None:
        session.delete("carbon", "backgrounds", background_id)

    @command(app, "find", "carbon.find")
    def find_activities(
        session: Session,
        background_id: Id,
        words: Annotated[list[str] | None, typer.Argument(help=say("option.words"))] = None,
        limit: Limit = 50,
    ) -> None:
        path = session.path("carbon", "backgrounds", background_id, "activities")
        found = _work(session, "GET", path, query={"words": " ".join(words or ()), "limit": limit})
        columns = ("activity", "name", "unit", "location", "year", "is_treatment")
        if session.output.as_json:
            session.output.show(found)
            return
        session.output.table(found["activities"], columns, None)
        if found["further_count"]:
            session.output.note("list.further", count=found["further_count"])


def _import(app: typer.Typer) -> None:
    @command(app, "import-database", "carbon.import_database")
    def import_database(
        session: Session,
        background_id: Id,
        file: Annotated[str, typer.Argument(help=say("option.database_file"))],
        licence: Annotated[str, typer.Option("--licence", help=say("option.licence"))],
        title: Annotated[str, typer.Option("--title", help=say("option.source_title"))],
        version: Annotated[
            str | None, typer.Option("--source-version", help=say("option.source_version"))
        ] = None,
        year: Annotated[int | None, typer.Option("--year", help=say("option.source_year"))] = None,
        form: Annotated[str | None, typer.Option("--format", help=say("option.database_format"))] = None,
        use: Annotated[str | None, typer.Option("--use", help=say("option.database_use"))] = None,
        ownership: Ownership = None,
        gwp_set: GwpSet = None,
        allows_missing: Annotated[
            bool, typer.Option("--allow-missing", help=say("option.allow_missing"))
        ] = False,
        lang: Language = "en",
        is_dry_run: DryRun = False,
    ) -> None:
        query = given(
            licence=licence,
            title=title,
            version=version,
            year=year,
            format=form,
            use=use,
            ownership=ownership,
            gwp_set=gwp_set,
            allow_missing="true" if allows_missing else None,
            lang=lang,
            dry_run="true" if is_dry_run else None,
        )
        with _source(file) as source:
            path = session.path("carbon", "backgrounds", background_id)
            report = _work(session, "PUT", path, query=query, file=source)
        if not report["is_good"]:
            raise BadSource(report)
        _shown(session, report)


def _questions(app: typer.Typer) -> None:
    @command(app, "intensity", "carbon.intensity")
    def intensity(
        session: Session,
        background_id: Id,
        activity: Activity,
        gwp_set: GwpSet = None,
        most_inputs_count: Annotated[int, typer.Option("--inputs", min=0, help=say("option.inputs"))] = 20,
    ) -> None:
        body = given(activity=activity, gwp_set=gwp_set, most_inputs_count=most_inputs_count)
        found = _asked(session, background_id, "intensity", body)
        if session.output.as_json:
            session.output.show(found)
            return
        session.output.show(_flat(found, "inputs"))
        rows = [{**one, **_flat_figure("kgco2e", one["kgco2e"])} for one in found["inputs"]]
        columns = ("activity", "name", "location", "amount", "unit", "kgco2e", "kgco2e_error")
        if rows:
            session.output.table(rows, columns, None)

    @command(app, "what-if", "carbon.what_if")
    def what_if(
        session: Session,
        background_id: Id,
        activity: Activity,
        swaps: Annotated[list[str] | None, typer.Option("--swap", help=say("option.swap"))] = None,
        mixes: Annotated[list[str] | None, typer.Option("--mix", help=say("option.mix"))] = None,
        years: Annotated[list[str] | None, typer.Option("--year-of", help=say("option.year_of"))] = None,
        file: Annotated[str | None, typer.Option("--changes", help=say("option.changes"))] = None,
        gwp_set: GwpSet = None,
    ) -> None:
        changes = [
            *([] if file is None else read_object(file).get("changes", [])),
            *map(_swap, swaps or ()),
            *map(_mix, mixes or ()),
            *map(_year, years or ()),
        ]
        body = given(activity=activity, gwp_set=gwp_set, changes=changes)
        found = _asked(session, background_id, "what-if", body)
        session.output.show(found if session.output.as_json else _flat(found))

    @command(app, "monte-carlo", "carbon.monte_carlo")
    def monte_carlo(
        session: Session,
        background_id: Id,
        activity: Activity,
        draws_count: Annotated[int, typer.Option("--draws", min=2, help=say("option.draws"))] = 1000,
        seed: Annotated[int, typer.Option("--seed", min=0, help=say("option.seed"))] = 0,
        first_draw: Annotated[int, typer.Option("--first-draw", min=0, help=say("option.first_draw"))] = 0,
        gwp_set: GwpSet = None,
    ) -> None:
        body = given(
            activity=activity, gwp_set=gwp_set, draws_count=draws_count, seed=seed, first_draw=first_draw
        )
        found = _asked(session, background_id, "simulation", body)
        session.output.show(found if session.output.as_json else _flat(found))


def _links(app: typer.Typer) -> None:
    @command(app, "link", "carbon.link")
    def link_factor(
        session: Session,
        background_id: Id,
        activity: Activity,
        factor_id: Annotated[str, typer.Option("--factor", help=say("option.factor_id"))],
        material: Annotated[str | None, typer.Option("--material", help=say("option.material"))] = None,
        ownership: Ownership = None,
        gwp_set: GwpSet = None,
        lang: Language = "en",
    ) -> None:
        body = given(
            activity=activity,
            factor_id=factor_id,
            material=material,
            ownership=ownership,
            gwp_set=gwp_set,
            lang=lang,
        )
        _shown(session, _asked(session, background_id, "factors", body))


class BadSource(CliProblem):
    """What a dry run found: the datasets that must be mended."""

    def __init__(self, report: dict[str, Any]) -> None:
        errors = [{**one, "path": one["where"] or "-"} for one in report["errors"]]
        count = len(errors) + report["further_errors"]
        first = f"{errors[0]['path']}: {errors[0]['problem']}"
        super().__init__("problem.bad_source", count=count, first=first)
        self.fields = {"count": count, "errors": errors, "further_errors": report["further_errors"]}


def _work(session: Session, method: str, path: str, **given: Any) -> Document:
    """What comes of long work at the node. Ctrl-C hangs up, which ends the work; nothing was stored then."""
    with shown_progress(session.output) as progress:
        return session.client.last_line(
            method,
            path,
            lambda line: progress.part_now(str(line.get("stage", "")), float(line.get("done_ratio", 0.0))),
            **given,
        )


def _asked(session: Session, background_id: str, question: str, body: dict[str, object]) -> Document:
    path = session.path("carbon", "backgrounds", background_id, question)
    return _work(session, "POST", path, document=body)


@contextmanager
def _source(path: str) -> Iterator[BinaryIO]:
    try:
        file: BinaryIO = open(path, "rb")  # noqa: SIM115  closed below
    except OSError as error:
        raise UsageProblem("problem.bad_file", path=path, why=error.strerror) from None
    with file:
        yield file


def _shown(session: Session, report: Document) -> None:
    """The report; a person reads the warnings as sentences beside it."""
    if session.output.as_json:
        session.output.show(report)
        return
    kept = {name: value for name, value in report.items() if "error" not in name and name not in _BESIDE}
    session.output.show(kept)
    for warning in report.get("warnings", ()):
        session.output.note("list.warning", problem=warning["sentence"])


_BESIDE = ("warnings", "losses")


def _flat(found: Document, *without: str) -> Document:
    """The members in lines: figures with their bounds beside them."""
    lines: Document = {}
    for name, value in found.items():
        if name in without:
            continue
        if name == "quantiles":
            lines |= {f"{one['share']:.1%} below": one["kgco2e"] for one in value}
        elif name == "subject":
            lines |= value
        elif isinstance(value, dict) and "error_bound" in value:
            lines |= _flat_figure(name, value)
        elif value != []:
            lines[name] = value
    return lines


def _flat_figure(name: str, figure: Document) -> Document:
    return {name: figure["value"], f"{name}_error": f"{figure['error_bound']:.2g}"}


def _swap(text: str) -> Document:
    """ACTIVITY:SUPPLIER:INSTEAD, with a share behind a fourth colon."""
    activity, supplier, instead, *share = _parts(text, 3, 4)
    change: Document = {"type": "swap", "activity": activity, "supplier": supplier, "instead": instead}
    return change | ({"share": _number(share[0], text)} if share else {})


def _mix(text: str) -> Document:
    """ACTIVITY:SUPPLIER=SHARE,SUPPLIER=SHARE."""
    activity, shares = _parts(text, 2, 2)
    pairs = [one.rpartition("=") for one in shares.split(",")]
    return {
        "type": "mix",
        "activity": activity,
        "shares": {name: _number(share, text) for name, _, share in pairs},
    }


def _year(text: str) -> Document:
    """ACTIVITY:DATABASE."""
    activity, background_id = _parts(text, 2, 2)
    return {"type": "year", "activity": activity, "background_id": background_id}


def _parts(text: str, fewest_count: int, most_count: int) -> list[str]:
    parts = text.split(":")
    if not fewest_count <= len(parts) <= most_count or not all(parts):
        raise UsageProblem("problem.bad_change", text=text)
    return parts


def _number(text: str, whole: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageProblem("problem.bad_change", text=whole) from None
