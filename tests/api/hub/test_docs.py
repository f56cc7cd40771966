import re
from pathlib import Path

from ashiato.wiring.hub_serving import HUB_OPERATOR_ERRORS
from ashiato.wiring.hub_settings import HubSettings
from ashiato.wiring.serving import OPERATOR_ERRORS
from tests import documents
from tests.hubs import Hub

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "hub.md").read_text("utf-8")
ROUTE = re.compile(r"^\| `((?:GET|PUT|POST|DELETE) /v1/[^` ?]*)` \|", re.MULTILINE)


async def test_every_route_is_described_and_nothing_else(hub: Hub) -> None:
    documents_of_both = [
        (await hub.anyone("GET", "/v1/openapi.json")).document,
        (await hub.operator("GET", "/v1/openapi.json")).document,
    ]
    real = [
        f"{method.upper()} {path}"
        for document in documents_of_both
        for path, methods in document["paths"].items()
        for method in methods
    ]
    assert sorted(ROUTE.findall(PAGE)) == sorted(real)


def test_every_setting_is_described_with_its_type_and_default() -> None:
    told = documents.rows(PAGE, "setting", "type", "default")
    assert documents.differences([row[:3] for row in told], documents.settings(HubSettings)) == []


def test_every_error_of_a_hub_that_its_operator_mends_is_described() -> None:
    told = documents.rows(PAGE, "error", "who must act")
    real = [error.__name__ for error in HUB_OPERATOR_ERRORS if error not in OPERATOR_ERRORS]
    assert documents.differences([row[0] for row in told], real) == []
