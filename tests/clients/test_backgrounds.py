"""The processes that read and compute: bounded against hostile files, ended with whoever waits for them."""

import asyncio
import io
import os
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ashiato.apps.carbon.databases.packing import unpacked
from ashiato.apps.carbon.databases.questions import (
    IntensityFound,
    IntensityQuestion,
    QuestionRefused,
    SimulationQuestion,
)
from ashiato.apps.carbon.databases.source_orders import SourceOrder, SourceOutcome
from ashiato.apps.carbon.factors.datasets import UnreadableSource
from ashiato.clients.backgrounds.working import BackgroundProcesses
from tests.apps.carbon.factors.importers.spold_files import GRAPHITE, POWER
from tests.apps.carbon.factors.test_backgrounds import FILE

ORDER = SourceOrder("auto", "background", "x", "A source")


def unheard(_stage: str, _done_ratio: float, /) -> None:
    """Nobody listens."""


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 1000):
        yield data[start : start + 1000]


async def read(data: bytes, order: SourceOrder = ORDER) -> tuple[SourceOutcome, bytes]:
    work = BackgroundProcesses()
    upload = await work.receive(pieces(data))
    try:
        return await work.read(upload, order, unheard)
    finally:
        upload.close()


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_", "."), content)
    return buffer.getvalue()


async def test_an_archive_is_read_packed_and_asked() -> None:
    outcome, content = await read(zipped(graphite_spold=GRAPHITE.encode(), power_spold=POWER.encode()))
    assert (outcome.format, outcome.products_count, outcome.uncertain_count) == ("ecoSpold2", 2, 1)
    database = unpacked(content)
    activity = next(product.id for product in database.products if product.name == "graphite making")
    found = await BackgroundProcesses().ask({"x": content}, IntensityQuestion(activity), unheard)
    assert isinstance(found, IntensityFound)
    # 2.5e-7 kg of carbon dioxide for a kilogram, and a power plant that emits nothing.
    assert found.kgco2e.value == pytest.approx(2.5e-7, rel=1e-12)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (zipped(a_spold=b"<" + b" " * 50_000_000), "archive_bomb"),
        (zipped(a_txt=b"hello"), "format_unknown"),
        (b"PK\x03\x04" + b"\0" * 100, "archive_broken"),
        (b'<ecoSpold xmlns="x">' + b"<a>" * 100_000, "xml_"),
        (b'<!DOCTYPE e [<!ENTITY a "b">]><ecoSpold>&a;</ecoSpold>', "xml_doctype"),
    ],
)
async def test_bombs_and_what_is_no_database_are_refused(data: bytes, code: str) -> None:
    with pytest.raises(UnreadableSource) as refused:
        await read(data)
    assert refused.value.code.startswith(code)


async def test_a_file_that_is_too_large_is_not_taken() -> None:
    with pytest.raises(UnreadableSource) as refused:
        await BackgroundProcesses(most_source_bytes=2000).receive(pieces(b"x" * 2001))
    assert refused.value.code == "file_too_large"


async def test_work_that_takes_too_long_is_ended_and_damaged_content_is_told() -> None:
    _, content = await read(FILE.encode())
    with pytest.raises(QuestionRefused) as slow:
        await BackgroundProcesses(timeout_s=0.01).ask({"x": content}, IntensityQuestion("POWER"), unheard)
    assert slow.value.code == "too_much"
    with pytest.raises(QuestionRefused) as broken:
        await BackgroundProcesses().ask({"x": content[:-8]}, IntensityQuestion("POWER"), unheard)
    assert broken.value.code == "background_broken"


async def test_who_stops_waiting_ends_the_process_and_the_next_gets_its_turn() -> None:
    _, content = await read(FILE.encode())
    work = BackgroundProcesses(at_once=1)
    drawing = asyncio.Event()

    def told(stage: str, _done_ratio: float) -> None:
        if stage == "drawing":
            drawing.set()

    long = asyncio.create_task(
        work.ask({"x": content}, SimulationQuestion("POWER", draws_count=100_000), told)
    )
    await asyncio.wait_for(drawing.wait(), 60)
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    running = set(children.read_text().split())
    long.cancel()
    with pytest.raises(asyncio.CancelledError):
        await long
    assert len(set(children.read_text().split())) < len(running)
    found = await work.ask({"x": content}, IntensityQuestion("STEEL"), unheard)
    assert isinstance(found, IntensityFound)
