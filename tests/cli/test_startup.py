import resource
import subprocess
import sys

import pytest

HEAVY = (
    "rich",
    "fastapi",
    "starlette",
    "pydantic",
    "sqlalchemy",
    "aiohttp",
    "uvicorn",
    "cryptography",
    "joserfc",
    "asyncio",
)


def imported(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_a_command_loads_nothing_heavy_before_it_needs_it() -> None:
    assert imported("import ashiato.cli.app") & set(HEAVY) == set()


def test_the_api_room_loads_nothing_heavy() -> None:
    assert imported("import ashiato.api, ashiato.api.management") & set(HEAVY) == set()


def test_the_gate_is_built_before_the_web_framework_is_loaded() -> None:
    loaded = imported("import ashiato.api.management.gate, ashiato.api.management.oidc")
    assert loaded & {"fastapi", "starlette", "pydantic", "joserfc", "aiohttp", "sqlalchemy"} == set()


def test_the_connector_listens_before_it_loads_what_the_protocol_does_not_need() -> None:
    loaded = imported("import ashiato.wiring.program, ashiato.wiring.serving")
    assert loaded & {"fastapi", "pydantic", "numpy", "scipy", "xlsxwriter", "python_calamine"} == set()


def test_help_comes_at_once() -> None:
    """CPU time, because others may use the machine: 0.25 s where this was written, and the promise is 0.4 s."""
    script = "from ashiato.cli.app import app; app(prog_name='ashiato')"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", script, "--help"], capture_output=True, text=True, check=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert "Usage: ashiato" in done.stdout
    assert (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime) < 0.8


@pytest.mark.parametrize("command", ["asset", "get", "contract"])
def test_every_group_says_what_it_does(command: str) -> None:
    script = "from ashiato.cli.app import app; app(prog_name='ashiato')"
    done = subprocess.run(
        [sys.executable, "-c", script, command, "--help"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"Usage: ashiato {command}")
