"""The template of licences: what the owner of a database allows, each row a licence under which factors stand."""

import re

from ashiato.apps.carbon.factors.licences import Licence
from ashiato.apps.carbon.factors.tables import Table
from ashiato.apps.carbon.templates.columns import Column, Template, choice, day, identifier, text
from ashiato.apps.carbon.templates.reading import Found, Members, read_table

_YES_OR_NO = {"yes": ("yes", "はい"), "no": ("no", "いいえ")}
_BETWEEN = re.compile(r"[;；\n]")

LICENCES = Template(
    "licences",
    "Licences",
    "ライセンス",
    (
        Column("licence_id", "Licence ID", "ライセンスID", identifier, True),
        Column("title", "Title", "名称", text),
        Column("terms", "Terms", "条件", text),
        choice("open", "Open to all", "公開", _YES_OR_NO),
        Column("holders", "Holders (separated by ;)", "保有者（;区切り）", text),
        Column("seats", "Persons who may see (separated by ;)", "閲覧者（;区切り）", text),
        choice("everybody", "All people of the holder may see", "保有者の全員が閲覧可", _YES_OR_NO),
        choice("export", "May be passed on", "提供可", _YES_OR_NO),
        Column("attribution", "Attribution", "出典表示", text),
        Column("expires", "Expires", "終了日", day),
    ),
    id_key="licence_id",
)


def read_licences(table: Table) -> Found[Licence]:
    """Every licence of the table; what is left empty is not allowed. Raises `UnreadableSource`."""
    return read_table(table, LICENCES, _licence)


def _licence(members: Members) -> Licence:
    return Licence(
        id=members.text("licence_id"),
        title=members.text("title"),
        terms=members.text("terms"),
        open_to_all=members.text("open") == "yes",
        holders=_several(members.text("holders")),
        seats=_several(members.text("seats")),
        everybody=members.text("everybody") == "yes",
        may_export=members.text("export") == "yes",
        attribution=members.text("attribution"),
        expires_ms=members.whole("expires"),
    )


def _several(written: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in _BETWEEN.split(written) if word.strip())
