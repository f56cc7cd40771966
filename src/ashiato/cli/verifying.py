"""ashiato verify: what an agreement file or a proof of a log proves, told without asking anybody."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import typer

from ashiato.cli.documents import object_in, read_bytes, read_object
from ashiato.cli.output import Output
from ashiato.cli.problems import CliProblem, ExitCode, UsageProblem
from ashiato.cli.texts import say
from ashiato.cli.verifying_proofs import FIRST_LINE, tell_proof

if TYPE_CHECKING:
    from ashiato.connector.agreement_files import Examination
    from ashiato.trust.did import DidDocument
    from ashiato.trust.timestamps import Anchors

Language = Literal["en", "ja"]

TEXTS: Mapping[str, Mapping[Language, str]] = {
    "verified": {
        "en": "Both parties signed exactly this agreement.",
        "ja": "両当事者がこの契約にこのとおり署名しています。",
    },
    "incomplete": {
        "en": "Nothing is wrong, but not everything is proved.",
        "ja": "誤りはありませんが、すべては証明されていません。",
    },
    "invalid": {
        "en": "Something in this file does not hold.",
        "ja": "このファイルには成り立たない記載があります。",
    },
    "party.valid": {
        "en": "{role} {party}: signed with {kid}, which its DID document lists for assertions.",
        "ja": "{role} {party}: DID文書に記載の鍵 {kid} による署名が有効です。",
    },
    "party.missing": {"en": "{role} {party}: has not signed.", "ja": "{role} {party}: 署名がありません。"},
    "party.no-document": {
        "en": "{role} {party}: the signature is not checked, because its DID document was not given (--did-document).",
        "ja": "{role} {party}: DID文書が渡されていないため署名は未確認です (--did-document)。",
    },
    "party.seen": {
        "en": "{role} {party}: the signature holds by the key {kid} of a DID document that this file brings, as its writer "
        "says to have seen it at {seen_at}. That is evidence of what the writer saw, and no proof. {why}",
        "ja": "{role} {party}: 署名は、このファイルに同梱されたDID文書の鍵 {kid} に合致します "
        "(作成者が {seen_at} に確認したとする文書)。これは作成者が見たものの証拠であり、証明ではありません。{why}",
    },
    "party.invalid": {
        "en": "{role} {party}: the signature does not hold: {why}",
        "ja": "{role} {party}: 署名が無効です: {why}",
    },
    "hash.holds": {"en": "The rules have the hash {hash}.", "ja": "条件のハッシュは {hash} です。"},
    "hash.broken": {
        "en": "The rules have the hash {hash}, not the one that the file states.",
        "ja": "条件のハッシュは {hash} で、ファイルの記載と異なります。",
    },
    "not_checked": {
        "en": "Not checked: whether the agreement is still in force, whether the DID documents are genuine and of the time "
        "of the signature, who stands behind a DID, whether a certificate of a time stamp authority was revoked, and the hour "
        "where no time stamp holds.",
        "ja": "未確認: 契約が現在も有効か、DID文書が真正で署名時のものか、DIDの主体が誰か、"
        "タイムスタンプ局の証明書が失効していないか、有効なタイムスタンプがない場合の署名時刻。",
    },
    "stamp.valid": {
        "en": "{role} {party}: {authority} stamped the signature: it existed at {at}.",
        "ja": "{role} {party}: {authority} のタイムスタンプが有効です。署名は {at} に存在しました。",
    },
    "stamp.missing": {
        "en": "{role} {party}: no time stamp on the signature.",
        "ja": "{role} {party}: 署名にタイムスタンプがありません。",
    },
    "stamp.no-anchors": {
        "en": "{role} {party}: the time stamp on the signature is not checked, because nobody said which authorities are "
        "believed (--time-stamp-anchors).",
        "ja": "{role} {party}: 信頼するタイムスタンプ局が指定されていないため、タイムスタンプは未確認です "
        "(--time-stamp-anchors)。",
    },
    "stamp.invalid": {
        "en": "{role} {party}: the time stamp on the signature does not hold: {why}",
        "ja": "{role} {party}: 署名のタイムスタンプが無効です: {why}",
    },
}


def verify(
    file: Annotated[str, typer.Argument(help=say("option.agreement_file"))],
    did_document: Annotated[
        list[Path] | None, typer.Option("--did-document", help=say("option.did_document"))
    ] = None,
    time_stamp_anchors: Annotated[
        Path | None, typer.Option("--time-stamp-anchors", help=say("option.time_stamp_anchors"))
    ] = None,
    log_key: Annotated[list[str] | None, typer.Option("--log-key", help=say("option.log_key"))] = None,
    witness: Annotated[list[str] | None, typer.Option("--witness", help=say("option.witness"))] = None,
    quorum: Annotated[int, typer.Option("--quorum", help=say("option.quorum"), min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help=say("option.json"))] = False,
    language: Annotated[Language | None, typer.Option("--language", help=say("option.language"))] = None,
) -> None:
    """The command; it exits with 0 only when both signatures hold, and a time stamp where anchors are given.

    For a proof of a log: when it holds under a log key that is given, with as many witnesses as the quorum says.
    """
    output = Output(as_json=as_json)
    told_in = language or _language()
    try:
        data = read_bytes(file)
        if data.startswith(FIRST_LINE):
            is_good = tell_proof(
                data, log_key or [], witness or [], quorum, as_json=as_json, language=told_in
            )
        else:
            found = _examined(file, data, did_document or [], time_stamp_anchors)
            _tell(found, as_json, told_in)
            is_good = found.verdict.value == "verified"
    except CliProblem as problem:
        output.problem(problem)
        raise typer.Exit(problem.exit_code) from None
    if not is_good:
        raise typer.Exit(ExitCode.REFUSED)


def _examined(file: str, data: bytes, paths: list[Path], anchors_path: Path | None) -> "Examination":
    # Loaded here because every other command does without it.
    from ashiato.connector.agreement_files import NoAgreementFile, examine

    anchors = None if anchors_path is None else _anchors(anchors_path)
    try:
        return examine(object_in(data, file), dict(_document(path) for path in paths), anchors)
    except NoAgreementFile as error:
        raise UsageProblem("problem.no_agreement_file", path=file, why=error) from None


def _tell(found: "Examination", as_json: bool, language: Language) -> None:
    lines = [TEXTS[found.verdict.value][language]]
    for party in found.parties:
        text = TEXTS[f"party.{party.finding.value}"][language]
        told = {"kid": party.kid, "why": party.why, "seen_at": party.seen_at}
        lines.append(text.format(role=party.role, party=party.party, **told).rstrip())
        if party.finding.value != "missing":
            stamp = party.time_stamp
            text = TEXTS[f"stamp.{stamp.finding.value}"][language]
            told = {"at": stamp.at, "authority": stamp.authority, "why": stamp.why}
            lines.append(text.format(role=party.role, party=party.party, **told))
    text = TEXTS["hash.holds" if found.policy_hash_holds else "hash.broken"][language]
    lines += [text.format(hash=found.policy_hash), TEXTS["not_checked"][language]]
    if as_json:
        document = {**msgspec.to_builtins(found), "explanation": lines}
        sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write("\n".join(lines) + "\n")


def _anchors(path: Path) -> "Anchors":
    from ashiato.trust.timestamps import UnusableAnchors, load_anchors

    try:
        return load_anchors(read_bytes(str(path)))
    except UnusableAnchors as error:
        raise UsageProblem("problem.bad_anchors", path=str(path), why=error) from None


def _document(path: Path) -> tuple[str, "DidDocument"]:
    from ashiato.trust.did import InvalidDidDocument, parse_did_document

    did = read_object(str(path)).get("id")
    try:
        return str(did), parse_did_document(read_bytes(str(path)), str(did))
    except InvalidDidDocument as error:
        raise UsageProblem("problem.bad_did_document", path=str(path), why=error.problem) from None


def _language() -> Language:
    return "ja" if os.environ.get("LC_ALL", os.environ.get("LANG", "")).startswith("ja") else "en"
