"""`ashiato hub run` and `ashiato hub init`."""

import asyncio
import gc
import hashlib
import json
import os
import secrets
import signal
import sys
from pathlib import Path

import structlog

from ashiato.wiring.hub_settings import HubSettings, load_hub_settings
from ashiato.wiring.serving import OPERATOR_ERRORS, configure_logs

TEMPLATE = """\
# Ashiato hub. Every setting is described in docs/hub.md.
name = "{name}"

[store]
url = "sqlite:///{directory}/hub.db"
directory = "{directory}"

[public]
# How parties reach this hub: https, without a trailing slash.
public_url = "{public_url}"
host = "0.0.0.0"
port = 8543
certificate_file = ""
private_key_file = ""

[operator]
# For the operator's own people and programs; keep it away from the public network.
host = "127.0.0.1"
port = 8544
operator_key_sha256 = ["{operator_sha256}"]
"""


def run(settings_file: Path, ready_file: Path | None) -> int:
    """Serve until SIGTERM or SIGINT; the exit code."""
    configure_logs()
    try:
        settings = load_hub_settings(settings_file)
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(settings, ready_file))
    except OPERATOR_ERRORS as error:
        print(f"ashiato: {error}", file=sys.stderr)
        return 1
    return 0


async def _serve(settings: HubSettings, ready_file: Path | None) -> None:
    # Imported here, so that a wrong settings file is told of without a wait.
    from ashiato.wiring.hub_program import HubProgram

    program = HubProgram(settings)
    try:
        await program.open()
        program.start()
        # What is loaded now stays: the collector need not look through it again and again.
        gc.freeze()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, program.stop)
        document = {
            "pid": os.getpid(),
            "public_url": program.public_url,
            "operator_url": program.operator_url,
            "hub": program.hub_id,
        }
        if ready_file is not None:
            draft = ready_file.with_suffix(".new")
            draft.write_text(json.dumps(document), encoding="utf-8")
            draft.replace(ready_file)
        structlog.get_logger().info("the hub serves", **document)
        await program.serve()
    finally:
        await program.close()


def init(settings_file: Path, name: str, public_url: str) -> int:
    """Write a settings file with a fresh operator's key, which is shown once; the exit code."""
    if settings_file.exists():
        print(f"ashiato: {settings_file} exists already; remove it or name another file.", file=sys.stderr)
        return 1
    key = f"ashiato_{secrets.token_urlsafe(32)}"
    text = TEMPLATE.format(
        directory="ashiato-hub",
        name=name.replace('"', "'"),
        public_url=public_url,
        operator_sha256=hashlib.sha256(key.encode()).hexdigest(),
    )
    settings_file.write_text(text, encoding="utf-8")
    print(f"Wrote {settings_file}. The key is shown once; only its hash is in the file.")
    print(f"operator key: {key}")
    print(f"Next: ashiato hub run --settings {settings_file}")
    return 0
