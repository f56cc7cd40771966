from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from tests.api.management.program import OPERATOR_KEY, Program, key_of, running_program


@pytest.fixture
async def program(tmp_path: Path) -> AsyncIterator[Program]:
    """A program that serves `maker` and `cells`."""
    async with running_program(tmp_path) as running:
        yield running


@pytest.fixture
async def maker(program: Program) -> AsyncIterator[httpx2.AsyncClient]:
    """A client with the key of `maker`."""
    async with program.client(key_of("maker")) as client:
        yield client


@pytest.fixture
async def cells(program: Program) -> AsyncIterator[httpx2.AsyncClient]:
    """A client with the key of `cells`."""
    async with program.client(key_of("cells")) as client:
        yield client


@pytest.fixture
async def operator(program: Program) -> AsyncIterator[httpx2.AsyncClient]:
    """A client with the operator's key."""
    async with program.client(OPERATOR_KEY) as client:
        yield client
