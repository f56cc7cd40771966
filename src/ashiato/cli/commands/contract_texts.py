"""ashiato text: contract templates, and the texts that are filled from them."""

import hashlib
from enum import StrEnum
from typing import Annotated

import typer

from ashiato.cli.commanding import Session, command, group
from ashiato.cli.documents import STANDARD_INPUT, Id, Limit, WithPartner, given, pairs, read_object
from ashiato.cli.saving import Overwrite, ToFile, opened
from ashiato.cli.texts import say


class Language(StrEnum):
    """The languages of the templates."""

    ENGLISH = "en"
    JAPANESE = "ja"


def add_to(app: typer.Typer) -> None:
    """Adds the group to the program."""
    texts = group(app, "text")
    _templates(texts)
    _texts(texts)


def _templates(app: typer.Typer) -> None:
    @command(app, "templates", "text.templates")
    def list_templates(session: Session, limit: Limit = 100) -> None:
        columns = ("name", "kind", "effective_from", "sha256")
        session.list_all(session.path("contract-templates"), columns, limit)

    @command(app, "template", "text.template")
    def show_template(session: Session, name: Id) -> None:
        session.output.show(session.get("contract-templates", name))

    @command(app, "fill", "text.fill")
    def fill_text(
        session: Session,
        template: Id,
        values: Annotated[list[str] | None, typer.Option("--set", help=say("option.text_value"))] = None,
        changes: Annotated[str | None, typer.Option("--changes", help=say("option.text_changes"))] = None,
        policy: Annotated[str | None, typer.Option("--policy", help=say("option.text_policy"))] = None,
    ) -> None:
        body = given(
            template=template,
            values=pairs(values),
            changes=None if changes is None else read_object(changes),
            policy_id=policy,
        )
        session.output.show(session.post(body, "contract-texts"))


def _texts(app: typer.Typer) -> None:
    @command(app, "list", "text.list")
    def list_texts(session: Session, limit: Limit = 100) -> None:
        columns = ("text_sha256", "template", "partner", "created_ms")
        session.list_all(session.path("contract-texts"), columns, limit)

    @command(app, "show", "text.show")
    def show_text(session: Session, text_sha256: Id) -> None:
        session.output.show(session.get("contract-texts", text_sha256))

    @command(app, "fetch", "text.fetch")
    def fetch_text(session: Session, text_sha256: Id, partner: WithPartner) -> None:
        session.output.show(session.post(None, "partners", partner, "contract-texts", text_sha256))

    @command(app, "print", "text.print")
    def print_text(
        session: Session,
        text_sha256: Id,
        to: ToFile,
        language: Annotated[Language, typer.Option("--language", help=say("option.text_language"))] = (
            Language.JAPANESE
        ),
        agreement: Annotated[
            str | None, typer.Option("--agreement", help=say("option.text_agreement"))
        ] = None,
        overwrite: Overwrite = False,
    ) -> None:
        path = session.path("contract-texts", text_sha256, "page")
        form = "pdf" if to.lower().endswith(".pdf") else "html"
        query = given(language=language, agreement_id=agreement, format=form)
        answer = session.client.request("GET", path, query=query)
        with opened(to, overwrite=overwrite) as file:
            file.write(answer.body)
        if to != STANDARD_INPUT:
            digest = hashlib.sha256(answer.body).hexdigest()
            session.output.done("done.saved", path=to, size_bytes=len(answer.body), sha256=digest)
