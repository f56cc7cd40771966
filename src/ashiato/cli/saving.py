"""Downloads into a file: resumed where the line breaks, under its final name only when the hash is right."""

import hashlib
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from ashiato.cli.commanding import Session
from ashiato.cli.documents import STANDARD_INPUT
from ashiato.cli.problems import Failed, Unreachable, UsageProblem
from ashiato.cli.progress import Progress, shown_progress
from ashiato.cli.texts import say

CHUNK_BYTES = 256 * 1024
RETRY_DELAYS_S = (0.5, 1.0, 2.0, 4.0)

Purpose = Annotated[str, typer.Option("--purpose", help=say("option.purpose_of_use"))]
ToFile = Annotated[str, typer.Option("--to", help=say("option.to_file"))]
Overwrite = Annotated[bool, typer.Option("--overwrite", help=say("option.overwrite"))]


def save(
    session: Session,
    path: str,
    to: str,
    size_bytes: int,
    sha256: str,
    *,
    overwrite: bool,
    purpose: str = "",
) -> None:
    """Download what stands at `path` of the API into the file `to` and say so; raises `CliProblem`."""
    with shown_progress(session.output) as progress, opened(to, overwrite=overwrite) as file:
        progress.step("get.saving", path=to)
        download(session, path, file, size_bytes, sha256, progress, purpose)
    if to != STANDARD_INPUT:
        session.output.done("done.saved", path=to, size_bytes=size_bytes, sha256=sha256)


def check_target(to: str, *, overwrite: bool) -> None:
    """Raises `UsageProblem` for a file that must not be replaced: better before the data is fetched than after."""
    if to != STANDARD_INPUT and Path(to).exists() and not overwrite:
        raise UsageProblem("problem.exists", path=to)


@contextmanager
def opened(to: str, *, overwrite: bool) -> Iterator[BinaryIO]:
    """A file beside `to` that takes its name at the end of the block, or standard output for `-`."""
    if to == STANDARD_INPUT:
        yield sys.stdout.buffer
        return
    check_target(to, overwrite=overwrite)
    part = Path(f"{to}.part")
    try:
        file = part.open("w+b")
    except OSError as error:
        raise UsageProblem("problem.cannot_write", path=to, why=error.strerror) from None
    try:
        with file:
            yield file
        os.replace(part, to)
    finally:
        part.unlink(missing_ok=True)


def download(
    session: Session,
    path: str,
    file: BinaryIO,
    size_bytes: int,
    sha256: str,
    progress: Progress,
    purpose: str = "",
) -> None:
    """Write the whole data to `file`; raises `Failed` when it is not what it should be."""
    digest = hashlib.sha256()
    done_bytes = 0
    delays_s = list(RETRY_DELAYS_S)
    while done_bytes < size_bytes:
        try:
            for chunk in _rest(session, path, done_bytes, sha256, purpose):
                file.write(chunk)
                digest.update(chunk)
                done_bytes += len(chunk)
                progress.bytes_now(done_bytes, size_bytes)
            if done_bytes < size_bytes:
                raise Unreachable("problem.unreachable", url=session.settings.url, why="the data broke off")
        except Unreachable:
            if not delays_s:
                raise
            time.sleep(delays_s.pop(0))
    file.flush()
    if digest.hexdigest() != sha256:
        raise Failed("problem.wrong_hash", found=digest.hexdigest(), wanted=sha256)


def _rest(session: Session, path: str, done_bytes: int, sha256: str, purpose: str) -> Iterator[bytes]:
    headers = {"Range": f"bytes={done_bytes}-", "If-Range": f'"{sha256}"'} if done_bytes else {}
    with session.client.stream(path, query={"purpose": purpose}, headers=headers) as answer:
        if done_bytes and answer.status != 206:
            raise Unreachable("problem.not_ours", url=session.settings.url, status=answer.status)
        while chunk := session.client.read(answer, CHUNK_BYTES):
            yield chunk
