import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ashiato.cli import proof_verifier
from ashiato.cli.app import make_app
from ashiato.cli.proof_verifier import Broken, read_key, verify
from tests.cli.proofs import LOG_KEY, SEEN_S, STATEMENT, WITNESS_KEYS, proof

LOGS = [read_key(LOG_KEY.text())]
WITNESSES = [read_key(key.text()) for key in WITNESS_KEYS.values()]


@pytest.mark.parametrize("size_count", [1, 2, 3, 7, 8, 9, 255, 256])
def test_every_entry_of_a_log_is_proved(size_count: int) -> None:
    for index in {0, size_count // 2, size_count - 1}:
        found = verify(proof(index, size_count).encode(), LOGS, WITNESSES, 2)
        assert (found.statement, found.index, found.size_count) == (STATEMENT, index, size_count)
        assert (found.witnesses, found.earliest_s) == (("cell.example", "pack.example"), SEEN_S)


def flipped(text: str, line: int, position: int) -> str:
    """The text with another character in one place."""
    lines = text.split("\n")
    old = lines[line][position]
    lines[line] = lines[line][:position] + ("B" if old != "B" else "C") + lines[line][position + 1 :]
    return "\n".join(lines)


def test_a_change_in_any_line_is_noticed() -> None:
    text = proof()
    lines = text.split("\n")
    noticed = 0
    for number, line in enumerate(lines):
        if not line:
            continue
        for position in {0, len(line) // 2, max(0, len(line) - 6)}:
            with pytest.raises(Broken):
                verify(flipped(text, number, position).encode(), LOGS, WITNESSES, 2)
            noticed += 1
    assert noticed > 20


def test_another_index_or_statement_is_refused() -> None:
    with pytest.raises(Broken, match="not the entry"):
        verify(proof().replace("index 5", "index 4").encode(), LOGS, WITNESSES, 2)
    with pytest.raises(Broken, match="not the entry"):
        verify(proof().replace("index 5", "index 11").encode(), LOGS, WITNESSES, 2)
    mine, other = proof(), proof(statement=b"another")
    swapped = mine.replace(mine.split("\n")[1], other.split("\n")[1])
    with pytest.raises(Broken, match="not the entry"):
        verify(swapped.encode(), LOGS, WITNESSES, 2)


def test_witnesses_that_are_not_believed_do_not_count() -> None:
    assert verify(proof().encode(), LOGS, [], 0).witnesses == ()
    with pytest.raises(Broken, match="1 of the witnesses"):
        verify(proof().encode(), LOGS, WITNESSES[:1], 2)
    # The same key twice is one witness.
    with pytest.raises(Broken, match="1 of the witnesses"):
        verify(proof().encode(), LOGS, [WITNESSES[0], WITNESSES[0]], 2)


def test_a_log_that_is_not_believed_proves_nothing() -> None:
    with pytest.raises(Broken, match="no key that you believe"):
        verify(proof().encode(), WITNESSES, WITNESSES, 0)
    with pytest.raises(Broken, match="another id"):
        read_key(LOG_KEY.text().replace("+" + LOG_KEY.key_id.hex(), "+00000000"))


def test_it_shares_no_code_with_the_log_and_runs_alone(tmp_path: Path) -> None:
    source = Path(proof_verifier.__file__).read_text("utf-8")
    imported = {
        (node.module or "" if isinstance(node, ast.ImportFrom) else node.names[0].name).partition(".")[0]
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert imported - sys.stdlib_module_names == {"cryptography"}

    alone = tmp_path / "alone.py"
    alone.write_text(source, encoding="utf-8")
    file = tmp_path / "a.tlog-proof"
    file.write_text(proof(), encoding="utf-8")
    command = [sys.executable, str(alone), str(file), "--log-key", LOG_KEY.text(), "--quorum", "1"]
    command += ["--witness", WITNESS_KEYS["cell.example"].text()]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert (told["holds"], told["witnesses"], told["statement"]) == (
        True,
        ["cell.example"],
        STATEMENT.decode(),
    )
    file.write_text(proof().replace("index 5", "index 6"), encoding="utf-8")
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False)
    assert ended.returncode == 1
    assert json.loads(ended.stdout)["holds"] is False


def asked(file: Path, *options: str) -> tuple[int, str]:
    result = CliRunner().invoke(make_app(), ["verify", str(file), *options])
    return result.exit_code, result.output


def test_ashiato_verify_tells_what_a_proof_shows(tmp_path: Path) -> None:
    file = tmp_path / "a.tlog-proof"
    file.write_text(proof(), encoding="utf-8")
    keys = ["--log-key", LOG_KEY.text(), "--witness", WITNESS_KEYS["cell.example"].text()]
    code, told = asked(file, *keys, "--quorum", "1", "--language", "en")
    assert code == 0
    assert "entry 5 of the log hub.example/v1/open/ledger, which had 11 entries" in told
    # 1 790 000 000 s since 1970.
    assert "Cosigned by cell.example, the first at 2026-09-21T14:13:20Z." in told
    assert STATEMENT.decode() in told
    assert "連署" in asked(file, *keys, "--language", "ja")[1]
    code, told = asked(file, *keys, "--json")
    assert (code, json.loads(told)["verdict"]) == (0, "verified")
    assert "No witness that you named" in asked(file, *keys[:2], "--language", "en")[1]


def test_ashiato_verify_refuses_a_tampered_proof(tmp_path: Path) -> None:
    file = tmp_path / "a.tlog-proof"
    file.write_text(proof().replace("index 5", "index 6"), encoding="utf-8")
    code, told = asked(file, "--log-key", LOG_KEY.text(), "--language", "en")
    assert code == 1
    assert "The proof does not hold" in told
    assert asked(file)[0] == 2
    assert asked(file, "--log-key", "nonsense")[0] == 2
    file.write_text(proof(), encoding="utf-8")
    assert asked(file, "--log-key", LOG_KEY.text(), "--quorum", "1")[0] == 1
