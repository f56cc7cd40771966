"""`ashiato connector serve` and `ashiato connector init`."""

import asyncio
import hashlib
import logging
import os
import secrets
import sys
from pathlib import Path

import structlog

from ashiato.connector.problems import Problem
from ashiato.stores.errors import BadStoreUrl, NodeIdTaken, StoreInUse, StoreTooNew, StoreUnavailable
from ashiato.stores.keys import KeyFileUnusable, SealBroken
from ashiato.wiring.settings import BadSettings, Settings, load_settings
from ashiato.wiring.until_told import serve_until_told, write_ready

OPERATOR_ERRORS = (
    BadSettings,
    BadStoreUrl,
    KeyFileUnusable,
    NodeIdTaken,
    Problem,
    SealBroken,
    StoreInUse,
    StoreTooNew,
    StoreUnavailable,
)

TEMPLATE = """\
# Ashiato connector. Every setting is described in docs/settings.md.

[store]
url = "sqlite:///{directory}/connector.db"
directory = "{directory}"

[protocol]
# How other companies reach this connector: https, without a trailing slash.
public_url = "{public_url}"
host = "0.0.0.0"
port = {port}
certificate_file = ""
private_key_file = ""

[management]
# For your own people and programs; keep it away from the public network.
host = "127.0.0.1"
port = {management_port}
operator_key_sha256 = ["{operator_sha256}"]

[[participants]]
slug = "{slug}"
name = "{name}"
api_key_sha256 = ["{participant_sha256}"]
"""


def serve(settings_file: Path, ready_file: Path | None) -> int:
    """Serve until SIGTERM or SIGINT; the exit code."""
    configure_logs()
    try:
        settings = load_settings(settings_file)
        return run(settings, ready_file)
    except OPERATOR_ERRORS as error:
        print(f"ashiato: {error}", file=sys.stderr)
        return 1


def run(settings: Settings, ready_file: Path | None) -> int:
    """Serve with these settings until SIGTERM or SIGINT; raises what the operator must mend."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(settings, ready_file))


async def _serve(settings: Settings, ready_file: Path | None) -> int:
    # Imported here, so that a wrong settings file is told of without a wait.
    from ashiato.api.management.gate import NoKeyConfigured
    from ashiato.wiring.program import Program

    program = Program(settings)

    def ready() -> None:
        if ready_file is not None:
            write_ready(
                ready_file,
                {
                    "pid": os.getpid(),
                    "public_url": program.public_url,
                    "management_url": program.management_url,
                    "participants": {tenant.slug: tenant.participant_id for tenant in program.tenancy.all()},
                },
            )
        structlog.get_logger().info(
            "serving", protocol=program.public_url, management=program.management_url, pid=os.getpid()
        )

    try:
        await serve_until_told(program, ready)
    except NoKeyConfigured as error:
        raise BadSettings(str(error)) from None
    return 0


def init(settings_file: Path, slug: str, name: str, public_url: str) -> int:
    """Write a settings file with fresh keys, which are shown once; the exit code."""
    if settings_file.exists():
        print(f"ashiato: {settings_file} exists already; remove it or name another file.", file=sys.stderr)
        return 1
    operator_key, participant_key = (f"ashiato_{secrets.token_urlsafe(32)}" for _ in range(2))
    text = TEMPLATE.format(
        directory="ashiato-data",
        public_url=public_url,
        port=8443,
        management_port=8444,
        operator_sha256=hashlib.sha256(operator_key.encode()).hexdigest(),
        participant_sha256=hashlib.sha256(participant_key.encode()).hexdigest(),
        slug=slug,
        name=name.replace('"', "'"),
    )
    settings_file.write_text(text, encoding="utf-8")
    print(f"Wrote {settings_file}. These keys are shown once; only their hashes are in the file.")
    print(f"operator key:    {operator_key}")
    print(f"participant key: {participant_key}")
    print(f"Next: ashiato connector serve --settings {settings_file}")
    return 0


def configure_logs() -> None:
    """One JSON object a line on standard error; every line of a request names its participant."""
    level = logging.getLevelNamesMapping().get(
        os.environ.get("ASHIATO_LOG_LEVEL", "INFO").upper(), logging.INFO
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
