"""A contract as people read and print it: the text, and of an agreement its parties, data and signatures.

What is shown is gathered once, as data, and set as a page for a browser or for paper.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape

import msgspec

from ashiato.connector.records import AgreementRecord
from ashiato.law.contract_templates import Words
from ashiato.statements.contract_texts import ContractText

Rows = tuple[tuple[str, str], ...]

_STYLE = (
    "body{font-family:'Noto Sans JP','Hiragino Sans','Yu Gothic',sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;"
    "line-height:1.7}h1{font-size:1.5rem}h2{font-size:1.05rem;margin-bottom:.2rem}table{border-collapse:collapse;width:100%}"
    "td,th{border:1px solid #999;padding:.3rem .5rem;text-align:left;vertical-align:top;word-break:break-all}th{width:30%}"
    ".rules{color:#555;font-size:.8rem;word-break:break-all}@media print{body{margin:0;max-width:none}}"
)
# Nothing on the page runs or is fetched.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
PAPER = "contract.typ"

_SAID = {
    "particulars": Words(en="Particulars", ja="契約条件"),
    "agreement": Words(en="Agreement", ja="合意"),
    "provider": Words(en="Provider", ja="データ提供者"),
    "consumer": Words(en="Consumer", ja="データ利用者"),
    "data": Words(en="Data", ja="対象データ"),
    "agreed": Words(en="Agreed", ja="合意日時"),
    "signatures": Words(en="Signatures", ja="署名"),
    "unsigned": Words(en="Nobody has signed yet.", ja="署名はまだない。"),
    "signer": Words(en="Signer", ja="署名者"),
    "key": Words(en="Key", ja="鍵"),
    "when": Words(en="Signed", ja="署名日時"),
    "signature": Words(en="Signature", ja="署名値"),
    "hash": Words(en="Hash of the text (SHA-256)", ja="契約書本文のハッシュ(SHA-256)"),
    "template": Words(en="Template", ja="書式"),
    "held": Words(en="Held by the connectors", ja="コネクタが履行を確保する条件"),
    "other_rules": Words(
        en="The rules of the agreement are not those of this text.",
        ja="この合意の規則は本書の規則と一致しない。",
    ),
}


class ShownClause(msgspec.Struct, frozen=True):
    """A clause as it is read; `rules` is empty or says what the connectors hold of it."""

    heading: str
    words: str
    rules: str


class ContractPage(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a contract shows, in one language; `signatures` is None where no agreement is asked for."""

    language: str
    title: str
    parties: Rows
    warning: str
    particulars_title: str
    particulars: Rows
    clauses: tuple[ShownClause, ...]
    signatures_title: str
    signatures: tuple[Rows, ...] | None
    unsigned: str
    closing: Rows


def page_of(
    text: ContractText, language: str, agreement: AgreementRecord | None, *, is_said: bool, owner_id: str
) -> ContractPage:
    """What is shown in `en` or `ja`. `is_said` tells that the rules of the agreement are those of the text."""

    def in_language(words: Words) -> str:
        return words.ja if language == "ja" else words.en

    said = {key: in_language(words) for key, words in _SAID.items()}
    return ContractPage(
        language=language,
        title=in_language(text.title),
        parties=() if agreement is None else _parties(agreement, owner_id, said),
        warning="" if is_said else said["other_rules"],
        particulars_title=said["particulars"],
        particulars=tuple((in_language(one.label), one.value) for one in text.values),
        clauses=tuple(
            ShownClause(
                heading=f"{number}. {in_language(clause.title)}",
                words=clause.ja if language == "ja" else clause.en,
                rules=f"{said['held']}: {clause.rules}" if clause.rules else "",
            )
            for number, clause in enumerate(text.clauses, 1)
        ),
        signatures_title=said["signatures"],
        signatures=None if agreement is None else _signatures(agreement, said),
        unsigned=said["unsigned"],
        closing=((said["hash"], text.sha256), (said["template"], f"{text.template} {text.template_sha256}")),
    )


def html_of(page: ContractPage) -> str:
    """The page for a browser; everything on it is text."""
    parts = [f"<h1>{escape(page.title)}</h1>", _table(page.parties)]
    if page.warning:
        parts.append(f"<p><strong>{escape(page.warning)}</strong></p>")
    parts += [f"<h2>{escape(page.particulars_title)}</h2>", _table(page.particulars)]
    for clause in page.clauses:
        parts.append(f"<h2>{escape(clause.heading)}</h2><p>{escape(clause.words)}</p>")
        if clause.rules:
            parts.append(f'<p class="rules">{escape(clause.rules)}</p>')
    if page.signatures is not None:
        parts.append(f"<h2>{escape(page.signatures_title)}</h2>")
        parts += [_table(rows) for rows in page.signatures] or [f"<p>{escape(page.unsigned)}</p>"]
    parts.append(_table(page.closing))
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(page.title)}</title><style>{_STYLE}</style>"
    )
    return (
        f'<!doctype html><html lang="{page.language}"><head>{head}</head><body>{"".join(parts)}</body></html>'
    )


def _parties(agreement: AgreementRecord, owner_id: str, said: dict[str, str]) -> Rows:
    is_provider = agreement.role == "PROVIDER"
    provider, consumer = (owner_id, agreement.peer_id) if is_provider else (agreement.peer_id, owner_id)
    return (
        (said["agreement"], agreement.agreement_id),
        (said["provider"], provider),
        (said["consumer"], consumer),
        (said["data"], agreement.asset_id),
        (said["agreed"], _instant(agreement.agreed_ms)),
    )


def _signatures(agreement: AgreementRecord, said: dict[str, str]) -> tuple[Rows, ...]:
    return tuple(
        (
            (said["signer"], one.signer_id),
            (said["key"], one.kid),
            (said["when"], _instant(one.signed_ms)),
            (said["signature"], one.jws),
        )
        for one in agreement.signatures
    )


def _table(rows: Sequence[tuple[str, str]]) -> str:
    told = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows)
    return f"<table>{told}</table>" if rows else ""


def _instant(instant_ms: int) -> str:
    return datetime.fromtimestamp(instant_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
