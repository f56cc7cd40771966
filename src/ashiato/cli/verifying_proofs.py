"""ashiato verify, for a proof that a statement stands in a log: what the verifier of one file found, in words."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

from ashiato.cli.problems import UsageProblem

Language = Literal["en", "ja"]

FIRST_LINE = b"c2sp.org/tlog-proof@v1\n"

PROOF_TEXTS: Mapping[str, Mapping[Language, str]] = {
    "holds": {
        "en": "The statement is entry {index} of the log {log}, which had {size} entries then.",
        "ja": "この記載は、ログ {log} (当時 {size} 件) の {index} 番の記録です。",
    },
    "broken": {"en": "The proof does not hold: {why}.", "ja": "証明が成り立ちません: {why}"},
    "witnessed": {
        "en": "Cosigned by {names}, the first at {at}.",
        "ja": "{names} が連署しています (最初は {at})。",
    },
    "unwitnessed": {
        "en": "No witness that you named has cosigned: a log alone can show others another history (--witness).",
        "ja": "指定された証人の連署がありません。ログだけでは、他者に別の履歴を示すことができます (--witness)。",
    },
    "not_checked": {
        "en": "Not checked: whether the statement is true, who signed it, and whether the keys that you gave are the right ones.",
        "ja": "未確認: 記載が真実か、誰が署名したか、渡された鍵が正しいか。",
    },
}


def tell_proof(
    data: bytes,
    log_keys: Sequence[str],
    witnesses: Sequence[str],
    quorum_count: int,
    *,
    as_json: bool,
    language: Language,
) -> bool:
    """Print what the proof in `data` shows; whether it holds. Raises `UsageProblem` for keys that cannot be read."""
    # Loaded here because every other command does without it.
    from ashiato.cli.proof_verifier import Broken, read_key, verify

    if not log_keys:
        raise UsageProblem("problem.no_log_key")
    try:
        logs, known = ([read_key(text) for text in texts] for texts in (log_keys, witnesses))
    except Broken as error:
        raise UsageProblem("problem.bad_log_key", why=error) from None
    document: dict[str, object]
    try:
        found = verify(data, logs, known, quorum_count)
    except Broken as error:
        lines = [PROOF_TEXTS["broken"][language].format(why=error)]
        document = {"verdict": "invalid", "why": str(error)}
    else:
        told = {"log": found.log, "index": found.index, "size": found.size_count}
        lines = [PROOF_TEXTS["holds"][language].format(**told)]
        if found.earliest_s is None:
            lines.append(PROOF_TEXTS["unwitnessed"][language])
        else:
            at = datetime.fromtimestamp(found.earliest_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            names = ", ".join(found.witnesses)
            lines.append(PROOF_TEXTS["witnessed"][language].format(names=names, at=at))
        lines += [found.statement.decode("utf-8", "replace"), PROOF_TEXTS["not_checked"][language]]
        document = {
            "verdict": "verified",
            **told,
            "witnesses": list(found.witnesses),
            "statement": found.statement.decode("utf-8", "replace"),
        }
    if as_json:
        sys.stdout.write(json.dumps({**document, "explanation": lines}, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write("\n".join(lines) + "\n")
    return document["verdict"] == "verified"
