"""ashiato keys, did: the company's own signing keys, and what became of its DID document."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ashiato.cli.commanding import Session, command, group
from ashiato.cli.documents import Limit, given, read_bytes
from ashiato.cli.texts import say

COLUMNS = (
    "name", "kind", "state", "created_ms", "signs_from_ms", "retire_ms", "revoked_ms", "certificates_count",
)  # fmt: skip
Name = Annotated[str, typer.Argument(help=say("option.key_name"))]


class KeyKind(StrEnum):
    """The kinds of keys."""

    P_256 = "P-256"
    ED25519 = "Ed25519"


def add_to(app: typer.Typer) -> None:
    """Adds the groups to the program."""
    _keys(group(app, "keys"))
    _did(group(app, "did"))


def _keys(app: typer.Typer) -> None:
    @command(app, "list", "keys.list")
    def list_keys(session: Session) -> None:
        _show(session, session.get("keys"))

    @command(app, "rotate", "keys.rotate")
    def rotate_key(
        session: Session,
        kind: Annotated[KeyKind, typer.Option("--kind", help=say("option.key_kind"))] = KeyKind.P_256,
        overlap_s: Annotated[int | None, typer.Option("--overlap", help=say("option.overlap"), min=0)] = None,
        keep_s: Annotated[int | None, typer.Option("--keep", help=say("option.keep"), min=0)] = None,
    ) -> None:
        body = given(kind=kind.value, overlap_s=overlap_s, keep_s=keep_s)
        _show(session, session.post(body, "keys", "rotate"))

    @command(app, "retire", "keys.retire")
    def retire_key(session: Session, name: Name) -> None:
        _show(session, session.post(None, "keys", name, "retire"))

    @command(app, "revoke", "keys.revoke")
    def revoke_key(session: Session, name: Name) -> None:
        _show(session, session.post(None, "keys", name, "revoke"))

    @command(app, "certify", "keys.certify")
    def certify_key(
        session: Session,
        name: Name,
        chain: Annotated[Path, typer.Argument(help=say("option.certificates"))],
    ) -> None:
        body = {"pem": read_bytes(str(chain)).decode("ascii", "replace")}
        _show(session, session.put(body, "keys", name, "certificates"))


def _did(app: typer.Typer) -> None:
    @command(app, "changes", "did.changes")
    def list_changes(session: Session, limit: Limit = 100) -> None:
        columns = ("sequence", "at_ms", "actor", "what", "before_sha256", "after_sha256")
        session.list_all(session.path("did", "changes"), columns, limit)


def _show(session: Session, keys: dict[str, list[dict[str, object]]]) -> None:
    session.output.table(keys["items"], COLUMNS, None)
