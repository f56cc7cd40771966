import re
from pathlib import Path

from tests.api.management.program import Program

PAGE = Path(__file__).resolve().parents[3] / "docs" / "management_api.md"
ROUTE = re.compile(r"^\| `((?:GET|PUT|POST|DELETE) /v1/[^` ?]*)` \|", re.MULTILINE)


async def test_every_route_is_described_and_nothing_else(program: Program) -> None:
    told = ROUTE.findall(PAGE.read_text("utf-8"))
    real = [
        f"{method.upper()} {path}"
        for path, methods in program.app.openapi()["paths"].items()
        for method in methods
    ]
    assert sorted(told) == sorted(real)
