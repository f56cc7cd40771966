"""A contract as one page that people read and print: the text, and of an agreement its parties, data and signatures."""

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape

from ashiato.connector.records import AgreementRecord
from ashiato.law.contract_templates import Words
from ashiato.statements.contract_texts import ContractText

_STYLE = (
    "body{font-family:'Noto Sans JP','Hiragino Sans','Yu Gothic',sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;"
    "line-height:1.7}h1{font-size:1.5rem}h2{font-size:1.05rem;margin-bottom:.2rem}table{border-collapse:collapse;width:100%}"
    "td,th{border:1px solid #999;padding:.3rem .5rem;text-align:left;vertical-align:top}"
    "code{word-break:break-all;font-size:.8rem}.rules{color:#555;font-size:.8rem}@media print{body{margin:0;max-width:none}}"
)
# Nothing on the page runs or is fetched.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

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
    "held": Words(en="held by the connectors", ja="コネクタが履行を確保する条件"),
    "other_rules": Words(
        en="The rules of the agreement are not those of this text.",
        ja="この合意の規則は本書の規則と一致しない。",
    ),
}


def page(
    text: ContractText, language: str, agreement: AgreementRecord | None, *, is_said: bool, owner_id: str
) -> str:
    """The page in `en` or `ja`. `is_said` tells that the rules of the agreement are those of the text."""

    def say(words: Words) -> str:
        return escape(words.ja if language == "ja" else words.en)

    parts = [f"<h1>{say(text.title)}</h1>"]
    if agreement is not None:
        parts.append(_agreement(agreement, owner_id, language))
        if not is_said:
            parts.append(f"<p><strong>{say(_SAID['other_rules'])}</strong></p>")
    parts.append(f"<h2>{say(_SAID['particulars'])}</h2>")
    parts.append(_table([(say(one.label), escape(one.value)) for one in text.values]))
    for number, clause in enumerate(text.clauses, 1):
        words = escape(clause.ja if language == "ja" else clause.en)
        parts.append(f"<h2>{number}. {say(clause.title)}</h2><p>{words}</p>")
        if clause.rules:
            parts.append(f'<p class="rules">{say(_SAID["held"])}: <code>{escape(clause.rules)}</code></p>')
    if agreement is not None:
        parts.append(f"<h2>{say(_SAID['signatures'])}</h2>" + _signatures(agreement, language))
    parts.append(
        _table(
            [
                (say(_SAID["hash"]), f"<code>{text.sha256}</code>"),
                (
                    say(_SAID["template"]),
                    f"{escape(text.template)} <code>{escape(text.template_sha256)}</code>",
                ),
            ]
        )
    )
    head = (
        f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{say(text.title)}</title>'
        f"<style>{_STYLE}</style>"
    )
    return f'<!doctype html><html lang="{language}"><head>{head}</head><body>{"".join(parts)}</body></html>'


def _agreement(agreement: AgreementRecord, owner_id: str, language: str) -> str:
    is_provider = agreement.role == "PROVIDER"
    provider, consumer = (owner_id, agreement.peer_id) if is_provider else (agreement.peer_id, owner_id)
    return _table(
        [
            (_said("agreement", language), f"<code>{escape(agreement.agreement_id)}</code>"),
            (_said("provider", language), f"<code>{escape(provider)}</code>"),
            (_said("consumer", language), f"<code>{escape(consumer)}</code>"),
            (_said("data", language), f"<code>{escape(agreement.asset_id)}</code>"),
            (_said("agreed", language), _instant(agreement.agreed_ms)),
        ]
    )


def _signatures(agreement: AgreementRecord, language: str) -> str:
    if not agreement.signatures:
        return f"<p>{_said('unsigned', language)}</p>"
    return "".join(
        _table(
            [
                (_said("signer", language), f"<code>{escape(one.signer_id)}</code>"),
                (_said("key", language), f"<code>{escape(one.kid)}</code>"),
                (_said("when", language), _instant(one.signed_ms)),
                (_said("signature", language), f"<code>{escape(one.jws)}</code>"),
            ]
        )
        for one in agreement.signatures
    )


def _said(key: str, language: str) -> str:
    words = _SAID[key]
    return escape(words.ja if language == "ja" else words.en)


def _table(rows: Sequence[tuple[str, str]]) -> str:
    return (
        "<table>" + "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in rows) + "</table>"
    )


def _instant(instant_ms: int) -> str:
    return datetime.fromtimestamp(instant_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
