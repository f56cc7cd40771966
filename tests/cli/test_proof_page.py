"""The page that verifies a proof in the browser: its check runs here in Node.js, on the very text of the page."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ashiato.cli import proof_verifier
from tests.cli.proofs import LOG_KEY, STATEMENT, WITNESS_KEYS, proof

PAGE = Path(proof_verifier.__file__).with_name("proof_page.html")
DRIVER = """
const asked = JSON.parse(require("node:fs").readFileSync(0, "utf-8"));
(async () => {
  const told = [];
  for (const text of asked.proofs) {
    try {
      const logs = await Promise.all(asked.logs.map(readKey));
      const witnesses = await Promise.all(asked.witnesses.map(readKey));
      told.push(await verifyProof(text, logs, witnesses, asked.quorum));
    } catch (error) {
      if (!(error instanceof Broken)) throw error;
      told.push(error.message);
    }
  }
  console.log(JSON.stringify(told));
})();
"""


@pytest.fixture(scope="module")
def node() -> str:
    found = shutil.which("node")
    if found is None:
        reason = "NOT PROVED: the page's check needs Node.js 20 or newer, which is not installed"
        pytest.skip(reason)
    return found


def judged(
    node: str, proofs: list[str], *, logs: list[str], witnesses: list[str], quorum: int
) -> list[object]:
    script = re.search(r'<script id="verifier">(.*?)</script>', PAGE.read_text("utf-8"), re.DOTALL)
    assert script is not None
    # As in a browser, where these stand without a prefix.
    prelude = "if (!globalThis.crypto) globalThis.crypto = require('node:crypto').webcrypto;\n"
    given = {"proofs": proofs, "logs": logs, "witnesses": witnesses, "quorum": quorum}
    ended = subprocess.run(
        [node, "-e", prelude + script[1] + DRIVER],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    told: list[object] = json.loads(ended.stdout)
    return told


LOGS = [LOG_KEY.text()]
WITNESSES = [key.text() for key in WITNESS_KEYS.values()]


def test_the_page_finds_what_the_other_verifiers_find(node: str) -> None:
    places = [(0, 1), (5, 11), (7, 8), (255, 256), (256, 257)]
    proofs = [proof(index, size) for index, size in places]
    told = judged(node, proofs, logs=LOGS, witnesses=WITNESSES, quorum=2)
    for (index, size), found in zip(places, told, strict=True):
        assert isinstance(found, dict), found
        assert (found["index"], found["size"]) == (index, size)
        assert found["witnesses"] == ["cell.example", "pack.example"]
        assert found["statement"] == STATEMENT.decode()


def test_the_page_refuses_what_was_tampered_with(node: str) -> None:
    text, other = proof(), proof(statement=b"another")
    tampered = [
        text.replace("index 5", "index 4"),
        text.replace("index 5", "index 11"),
        text.replace("\n11\n", "\n12\n"),
        text.replace(text.split("\n")[1], other.split("\n")[1]),
        text.replace("@v1", "@v2"),
        text.replace("index 5", "index 05"),
        "\n".join(line for number, line in enumerate(text.split("\n")) if number != 3),
    ]
    told = judged(node, tampered, logs=LOGS, witnesses=WITNESSES, quorum=2)
    assert all(isinstance(one, str) for one in told), told
    # One witness twice is one, and the key of a witness is not that of a log.
    (twice,) = judged(node, [text], logs=LOGS, witnesses=[WITNESSES[0]] * 2, quorum=2)
    (stranger,) = judged(node, [text], logs=WITNESSES, witnesses=[], quorum=0)
    assert "1 of the witnesses" in str(twice)
    assert "no key that you believe" in str(stranger)


def test_the_page_asks_nobody() -> None:
    page = PAGE.read_text("utf-8")
    assert "default-src 'none'" in page
    assert not re.search(r"https?://|fetch\(|XMLHttpRequest|WebSocket|import\(| src=| href=", page)
