"""`ashiato hub run` and `ashiato hub init`."""

import asyncio
import hashlib
import os
import secrets
import sys
import time
from pathlib import Path

import structlog

from ashiato.stores.hub import backups
from ashiato.stores.hub.backups import BackupRefused
from ashiato.stores.hub.rooms import HUB_CHAINS
from ashiato.stores.hub.upgrades import UpgradeFailed
from ashiato.wiring.hub_settings import LEDGER_KEY_FILE, HubSettings, key_file_of, load_hub_settings
from ashiato.wiring.serving import OPERATOR_ERRORS, configure_logs
from ashiato.wiring.settings import BadSettings
from ashiato.wiring.tenancy import did_of
from ashiato.wiring.until_told import serve_until_told, write_ready

HUB_OPERATOR_ERRORS = (*OPERATOR_ERRORS, BackupRefused, UpgradeFailed)

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
    except HUB_OPERATOR_ERRORS as error:
        return _told(error)
    return 0


def back_up(settings_file: Path, folder: Path) -> int:
    """Write a backup beside a running hub, or of one that is stopped; the exit code."""
    try:
        settings = load_hub_settings(settings_file)
        taken_ms = time.time_ns() // 1_000_000
        manifest = backups.back_up(
            settings.store.url, _key_files(settings), folder, _hub_id(settings), taken_ms, HUB_CHAINS
        )
    except HUB_OPERATOR_ERRORS as error:
        return _told(error)
    print(f"Wrote {folder}: {sum(manifest.rows.values())} rows. Whoever has it can sign as the hub.")
    return 0


def restore(settings_file: Path, folder: Path) -> int:
    """Bring a backup into the empty store that the settings name; the exit code."""
    try:
        settings = load_hub_settings(settings_file)
        manifest = backups.restore(
            folder, settings.store.url, _key_files(settings), _hub_id(settings), HUB_CHAINS
        )
    except HUB_OPERATOR_ERRORS as error:
        return _told(error)
    print(f"Restored {sum(manifest.rows.values())} rows from {folder}. Next: ashiato hub run")
    return 0


def _key_files(settings: HubSettings) -> dict[str, Path]:
    """By their names in a backup: the keys of the hub, and that of its log, which is never replaced."""
    return {
        "keys.json": key_file_of(settings),
        LEDGER_KEY_FILE: Path(settings.store.directory) / LEDGER_KEY_FILE,
    }


def _hub_id(settings: HubSettings) -> str:
    if not settings.public.public_url:
        raise BadSettings("Set public.public_url: it names the hub whose backup this is.")
    return did_of(settings.public.public_url, settings.slug)


def _told(error: Exception) -> int:
    print(f"ashiato: {error}", file=sys.stderr)
    return 1


async def _serve(settings: HubSettings, ready_file: Path | None) -> None:
    # Imported here, so that a wrong settings file is told of without a wait.
    from ashiato.wiring.hub_program import HubProgram

    program = HubProgram(settings)

    def ready() -> None:
        document = {
            "pid": os.getpid(),
            "public_url": program.public_url,
            "operator_url": program.operator_url,
            "hub": program.hub_id,
        }
        if ready_file is not None:
            write_ready(ready_file, document)
        structlog.get_logger().info("the hub serves", **document)

    await serve_until_told(program, ready)


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
