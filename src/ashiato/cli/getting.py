"""ashiato get: one command from the catalog to the file."""

import time
import uuid
from typing import Annotated

import typer

from ashiato.cli.client import Document
from ashiato.cli.commanding import Session
from ashiato.cli.documents import Address, given
from ashiato.cli.problems import CliProblem, Failed, Refused, Unreachable
from ashiato.cli.progress import Progress, shown_progress
from ashiato.cli.saving import Overwrite, Purpose, check_target, download, opened
from ashiato.cli.texts import say

ENDED = frozenset({"done", "failed", "cancelled"})
STEPS = frozenset({"get.negotiating", "get.transferring", "get.done"})
WAIT_S = 20
RETRY_DELAYS_S = (0.5, 1.0, 2.0, 4.0, 8.0)


def get_dataset(
    session: Session,
    dataset: Annotated[str, typer.Argument(help=say("option.dataset"))],
    provider: Annotated[str, typer.Option("--from", help=say("option.from_company"))],
    to: Annotated[str | None, typer.Option("--to", help=say("option.to_file"))] = None,
    overwrite: Overwrite = False,
    offer: Annotated[str | None, typer.Option("--offer", help=say("option.offer_choice"))] = None,
    address: Address = None,
    detach: Annotated[bool, typer.Option("--detach", help=say("option.detach"))] = False,
    timeout_s: Annotated[int, typer.Option("--timeout", help=say("option.timeout"), min=0)] = 0,
    purpose: Purpose = "",
) -> None:
    """The command; Ctrl-C cancels the order at the node."""
    if to is not None:
        check_target(to, overwrite=overwrite)
    # Our own id: a repeated request, after the line broke, orders nothing twice.
    order = given(id=str(uuid.uuid4()), partner=provider, asset_id=dataset, offer_id=offer, address=address)
    with shown_progress(session.output) as progress:
        try:
            fetch = _ordered(session, order)
        except KeyboardInterrupt:
            # The order may have reached the node although its answer did not reach us.
            raise _cancelled(session, str(order["id"])) from None
        progress.step("get.begun", **fetch)
        if not detach:
            fetch = _carried(session, fetch, timeout_s, progress)
    if detach:
        session.output.note("get.detached", fetch_id=fetch["fetch_id"])
        if session.output.as_json:
            session.output.show(fetch)
        return
    _hand_over(session, fetch, to, purpose, overwrite=overwrite)


def await_end(session: Session, fetch: Document, timeout_s: int) -> Document:
    """The order once it has ended; Ctrl-C leaves it running."""
    with shown_progress(session.output) as progress:
        return _followed(session, fetch, timeout_s, progress)


def check_done(fetch: Document) -> None:
    """Raises `Failed` for an order that ended without the data."""
    if fetch["state"] == "cancelled":
        raise Failed("get.cancelled")
    if fetch["state"] == "failed":
        raise Failed("get.failed", asset_id=fetch["asset_id"], problem=fetch["problem"])


def _ordered(session: Session, order: dict[str, object]) -> Document:
    delays_s = list(RETRY_DELAYS_S[:2])
    while True:
        try:
            return session.post(order, "fetches")
        except Unreachable:
            if not delays_s:
                raise
            time.sleep(delays_s.pop(0))


def _carried(session: Session, fetch: Document, timeout_s: int, progress: Progress) -> Document:
    try:
        fetch = _followed(session, fetch, timeout_s, progress)
    except KeyboardInterrupt:
        raise _cancelled(session, fetch["fetch_id"]) from None
    check_done(fetch)
    return fetch


def _followed(session: Session, fetch: Document, timeout_s: int, progress: Progress) -> Document:
    deadline_s = time.monotonic() + timeout_s if timeout_s else None
    delays_s = list(RETRY_DELAYS_S)
    state = ""
    while True:
        if fetch["state"] != state:
            state = fetch["state"]
            if f"get.{state}" in STEPS:
                progress.step(f"get.{state}", **fetch)
        progress.bytes_now(fetch["received_bytes"], None)
        if state in ENDED:
            return fetch
        left_s = WAIT_S if deadline_s is None else deadline_s - time.monotonic()
        if left_s <= 0:
            raise Failed("get.still_running", timeout_s=timeout_s, fetch_id=fetch["fetch_id"])
        wait_s = max(1, min(WAIT_S, int(left_s)))
        try:
            fetch = session.client.document(
                "GET",
                session.path("fetches", fetch["fetch_id"]),
                query={"wait_s": wait_s},
                timeout_s=wait_s + 15,
            )
            delays_s = list(RETRY_DELAYS_S)
        except Unreachable as lost:
            if not delays_s:
                raise _lost(lost, fetch["fetch_id"]) from None
            time.sleep(delays_s.pop(0))


def _lost(lost: Unreachable, fetch_id: str) -> Unreachable:
    return Unreachable("get.lost", fetch_id=fetch_id, why=str(lost))


def _cancelled(session: Session, fetch_id: str) -> CliProblem:
    try:
        session.post(None, "fetches", fetch_id, "cancel")
    except Refused as refused:
        key = "get.interrupted_early" if refused.status_code == 404 else "get.interrupted_late"
        return Failed(key, fetch_id=fetch_id)
    except Unreachable as lost:
        return _lost(lost, fetch_id)
    return Failed("get.interrupted", fetch_id=fetch_id)


def _hand_over(session: Session, fetch: Document, to: str | None, purpose: str, *, overwrite: bool) -> None:
    received = session.get("received", fetch["received_id"])
    if to is not None:
        _save(session, received, to, purpose, overwrite=overwrite)
    if session.output.as_json and to != "-":
        session.output.show({"fetch": fetch, "received": received, "path": to})
    elif to is None:
        session.output.done("done.fetched", **received)
        session.output.note("get.save_hint", received_id=received["received_id"])
    elif to != "-":
        session.output.done(
            "done.saved", path=to, size_bytes=received["size_bytes"], sha256=received["sha256"]
        )


def _save(session: Session, received: Document, to: str, purpose: str, *, overwrite: bool) -> None:
    path = session.path("received", received["received_id"], "content")
    try:
        with shown_progress(session.output) as progress, opened(to, overwrite=overwrite) as file:
            progress.step("get.saving", path=to)
            download(session, path, file, received["size_bytes"], received["sha256"], progress, purpose)
    except KeyboardInterrupt:
        raise Failed("save.interrupted", received_id=received["received_id"]) from None
