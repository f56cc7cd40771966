"""Gives tests of any room the judge of what may go over the protocol's wire."""

from pathlib import Path

import pytest

from tests.dsp_schemas import DspSchemas


@pytest.fixture(scope="session")
def dsp_schemas(conformance: Path) -> DspSchemas:
    """The official message schemas: `assert dsp_schemas.faults(body) == []`."""
    return DspSchemas(conformance / "dsp")
