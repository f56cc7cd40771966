"""Trust lists from files and addresses; the clock is the test's."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ashiato.clients.egress import Egress
from ashiato.clients.trust_lists import (
    EditionsUnavailable,
    LoadedTrustList,
    SignerUnknown,
    TrustListBook,
    TrustListSource,
)
from ashiato.trust.did import DidDocument, parse_did_document
from tests.clients.loopback_server import respond
from tests.dcp_parties import Issuer, World, dcp_world

T0_MS = 1_764_000_000_000
MEMBERS = ("MembershipCredential",)


class Kept:
    """Editions as a store keeps them, that may be away."""

    def __init__(self) -> None:
        self.highest: dict[tuple[str, str], tuple[int, str]] = {}
        self.is_away = False

    async def enter(self, signer: str, place: str, number: int, sha256: str) -> tuple[int, str]:
        """See `Editions`."""
        if self.is_away:
            raise EditionsUnavailable("the store does not answer")
        known = self.highest.get((signer, place), (0, ""))
        highest = self.highest[signer, place] = (number, sha256) if number > known[0] else known
        return highest


class Desk:
    """A book of lists with a signer whose document the test can take away."""

    def __init__(self, world: World, egress: Egress) -> None:
        self.world = world
        self.hub = world.issuer("hub")
        self.is_signer_away = False
        self.changes_count = 0
        self.editions = Kept()
        self._egress = egress

    def open(self, *sources: TrustListSource) -> TrustListBook:
        return TrustListBook(
            sources,
            self._egress,
            self,
            self.editions,
            clock_ms=lambda: self.world.now_ms,
            fresh_s=300,
            on_change=self._changed,
        )

    async def document(self, did: str, now_ms: int, *, needs_kid: str | None) -> DidDocument:
        """See `Signers`."""
        if self.is_signer_away:
            raise SignerUnknown("its host is away")
        return parse_did_document(self.hub.document(), did)

    async def _changed(self) -> None:
        self.changes_count += 1


@pytest.fixture
async def desk(egress: Egress) -> AsyncIterator[Desk]:
    async with dcp_world(T0_MS) as world:
        yield Desk(world, egress)


def _recognised(book: TrustListBook, hub: Issuer, slug: str = "maker") -> set[str]:
    return {
        type_
        for known in book.of(slug)
        for entry in known.own.content.issuers
        for type_ in entry.types
        if entry.issuer == hub.did and hub.world.now_ms < known.own.expires_ms
    }


def _only(book: TrustListBook) -> LoadedTrustList:
    (loaded,) = book.shown("maker")
    return loaded


def _write(file: Path, text: str, age_ns: int = 0) -> None:
    file.write_text(text, encoding="ascii")
    os.utime(file, ns=(age_ns, age_ns))


async def test_a_file_is_in_force_and_a_changed_one_replaces_it(desk: Desk, tmp_path: Path) -> None:
    file, hub = tmp_path / "list.jwt", desk.hub
    _write(file, hub.trust_list((hub.did, MEMBERS)) + "\n", 1)
    book = desk.open(TrustListSource(hub.did, file=str(file)))
    await book.read()
    before = book.of("maker")
    assert _recognised(book, hub) == {"MembershipCredential"}
    await book.read(everything=False)
    assert book.of("maker") is before
    _write(file, hub.trust_list((hub.did, ["RoleCredential"]), number=2), 2)
    await book.read(everything=False)
    assert _recognised(book, hub) == {"RoleCredential"}
    assert desk.changes_count == 2


async def test_a_list_counts_only_for_those_for_whom_it_is_meant(desk: Desk, tmp_path: Path) -> None:
    file, hub = tmp_path / "list.jwt", desk.hub
    _write(file, hub.trust_list((hub.did, MEMBERS)))
    book = desk.open(TrustListSource(hub.did, file=str(file), participants=("maker",)))
    await book.read()
    assert _recognised(book, hub, "maker") == {"MembershipCredential"}
    assert book.of("buyer") == ()
    assert book.shown("buyer") == []


async def test_a_list_behind_an_address_is_fetched_again_every_five_minutes(desk: Desk) -> None:
    hub = desk.hub
    desk.world.answers["/list"] = respond(hub.trust_list((hub.did, MEMBERS)).encode())
    book = desk.open(TrustListSource(hub.did, url=desk.world.server.url("/list")))
    await book.read()
    desk.world.answers["/list"] = respond(hub.trust_list((hub.did, ["RoleCredential"]), number=2).encode())
    desk.world.now_ms += 299_999
    await book.read(everything=False)
    assert _recognised(book, hub) == {"MembershipCredential"}
    desk.world.now_ms += 1
    await book.read(everything=False)
    assert _recognised(book, hub) == {"RoleCredential"}


async def test_a_list_that_cannot_be_read_stays_in_force_until_its_own_end(desk: Desk) -> None:
    hub = desk.hub
    desk.world.answers["/list"] = respond(hub.trust_list((hub.did, MEMBERS), ttl_s=3_600).encode())
    book = desk.open(TrustListSource(hub.did, url=desk.world.server.url("/list")))
    await book.read()
    desk.world.answers["/list"] = respond(status="503 Busy")
    desk.world.now_ms += 3_599_999
    await book.read(everything=False)
    assert _recognised(book, hub) == {"MembershipCredential"}
    assert _only(book).problem == "the server answers 503"
    desk.world.now_ms += 1
    assert _recognised(book, hub) == set()
    desk.world.now_ms += 300_000
    await book.read(everything=False)
    assert book.of("maker") == ()


async def test_a_list_whose_signer_cannot_be_asked_waits_for_it(desk: Desk, tmp_path: Path) -> None:
    file, hub = tmp_path / "list.jwt", desk.hub
    _write(file, hub.trust_list((hub.did, MEMBERS)))
    book = desk.open(TrustListSource(hub.did, file=str(file)))
    desk.is_signer_away = True
    await book.read()
    assert book.of("maker") == ()
    assert _only(book).problem == "its host is away"
    desk.is_signer_away = False
    await book.read(everything=False)
    assert _recognised(book, hub) == {"MembershipCredential"}
    assert _only(book).problem == ""


async def test_a_list_that_another_signed_ends_the_one_before(desk: Desk, tmp_path: Path) -> None:
    file, hub, forger = tmp_path / "list.jwt", desk.hub, desk.world.issuer("forger")
    _write(file, hub.trust_list((hub.did, MEMBERS)), 1)
    book = desk.open(TrustListSource(hub.did, file=str(file)))
    await book.read()
    _write(file, forger.trust_list((forger.did, MEMBERS)), 2)
    await book.read(everything=False)
    assert book.of("maker") == ()
    assert "not that of the list's publisher" in _only(book).problem


async def test_a_list_of_a_key_that_its_signer_withdrew_ends_at_the_next_reading(
    desk: Desk, tmp_path: Path
) -> None:
    file, hub = tmp_path / "list.jwt", desk.hub
    _write(file, hub.trust_list((hub.did, MEMBERS)))
    book = desk.open(TrustListSource(hub.did, file=str(file)))
    await book.read()
    hub.rotate()
    desk.world.now_ms += 300_000
    await book.read(everything=False)
    assert book.of("maker") == ()


@pytest.mark.parametrize("text", ["", "a.b.c", "\u00e9", "x" * 2_000_000])
async def test_a_file_that_is_no_list_says_so(text: str, desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "list.jwt"
    file.write_text(text, encoding="utf-8")
    book = desk.open(TrustListSource(desk.hub.did, file=str(file)))
    await book.read()
    assert _only(book).problem
    assert book.of("maker") == ()


async def test_a_missing_file_says_so_and_is_taken_up_when_it_comes(desk: Desk, tmp_path: Path) -> None:
    file, hub = tmp_path / "list.jwt", desk.hub
    book = desk.open(TrustListSource(hub.did, file=str(file)))
    await book.read()
    assert "cannot be read" in _only(book).problem
    _write(file, hub.trust_list((hub.did, MEMBERS)), 5)
    await book.read(everything=False)
    assert _recognised(book, hub) == {"MembershipCredential"}


async def test_watching_takes_up_a_changed_file_without_being_asked(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ashiato.clients.trust_lists.LOOK_EVERY_S", 0.01)
    file, hub = tmp_path / "list.jwt", desk.hub
    _write(file, hub.trust_list((hub.did, MEMBERS)), 1)
    book = desk.open(TrustListSource(hub.did, file=str(file)))
    watching = asyncio.create_task(book.watch())
    try:
        async with asyncio.timeout(5):
            while not book.of("maker"):
                await asyncio.sleep(0.01)
    finally:
        watching.cancel()
    assert _recognised(book, hub) == {"MembershipCredential"}


async def test_a_list_of_the_operators_own_needs_no_signature(desk: Desk, tmp_path: Path) -> None:
    file, hub = tmp_path / "own.json", desk.hub
    content = {
        "publisher": "did:web:maker.example",
        "number": 1,
        "issued": "2025-01-01T00:00:00Z",
        "expires": "2099-01-01T00:00:00Z",
        "issuers": [{"issuer": hub.did, "types": ["MembershipCredential"]}],
    }
    file.write_text(json.dumps(content), encoding="utf-8")
    book = desk.open(TrustListSource(file=str(file)))
    await book.read()
    assert _recognised(book, hub) == {"MembershipCredential"}


async def test_an_older_edition_does_not_come_back(desk: Desk, tmp_path: Path) -> None:
    file, hub = tmp_path / "list.jwt", desk.hub
    old = hub.trust_list((hub.did, MEMBERS), number=1)
    _write(file, hub.trust_list((hub.did, ["RoleCredential"]), number=2), 1)
    book = desk.open(TrustListSource(hub.did, file=str(file)))
    await book.read()
    _write(file, old, 2)
    await book.read(everything=False)
    assert _recognised(book, hub) == set()
    assert "edition 1 is older than 2" in _only(book).problem
    # Nor does it at a later reading, when nothing is in force any more.
    for everything in (False, True):
        await book.read(everything=everything)
        assert _recognised(book, hub) == set()
        assert "edition 1 is older than 2" in _only(book).problem


async def test_an_older_edition_does_not_come_back_after_a_restart_either(desk: Desk, tmp_path: Path) -> None:
    file, hub = tmp_path / "list.jwt", desk.hub
    _write(file, hub.trust_list((hub.did, ["RoleCredential"]), number=2), 1)
    source = TrustListSource(hub.did, file=str(file))
    await desk.open(source).read()
    _write(file, hub.trust_list((hub.did, MEMBERS), number=1), 2)
    restarted = desk.open(source)
    await restarted.read()
    assert _recognised(restarted, hub) == set()
    assert "edition 1 is older than 2" in _only(restarted).problem
    # The same edition and later ones are taken.
    for number, type_ in ((2, "RoleCredential"), (3, "MembershipCredential")):
        _write(file, hub.trust_list((hub.did, [type_]), number=number), number + 1)
        await restarted.read(everything=False)
        assert _recognised(restarted, hub) == {type_}


async def test_another_text_under_the_number_of_the_edition_in_force_is_refused(
    desk: Desk, tmp_path: Path
) -> None:
    file, hub = tmp_path / "list.jwt", desk.hub
    _write(file, hub.trust_list((hub.did, ["RoleCredential"]), number=2), 1)
    source = TrustListSource(hub.did, file=str(file))
    book = desk.open(source)
    await book.read()
    # Another signature on the same words is the same edition.
    _write(file, hub.trust_list((hub.did, ["RoleCredential"]), number=2), 2)
    await book.read(everything=False)
    assert _recognised(book, hub) == {"RoleCredential"}
    _write(file, hub.trust_list((hub.did, MEMBERS), number=2), 3)
    for reading in (book, desk.open(source)):
        await reading.read()
        assert _recognised(reading, hub) == set()
        assert "edition 2 says something else than before" in _only(reading).problem
    _write(file, hub.trust_list((hub.did, MEMBERS), number=3), 4)
    await book.read(everything=False)
    assert _recognised(book, hub) == {"MembershipCredential"}


async def test_an_edition_that_cannot_be_kept_is_not_in_force_and_leaves_the_one_before(
    desk: Desk, tmp_path: Path
) -> None:
    file, hub = tmp_path / "list.jwt", desk.hub
    _write(file, hub.trust_list((hub.did, MEMBERS), number=1), 1)
    book = desk.open(TrustListSource(hub.did, file=str(file)))
    await book.read()
    desk.editions.is_away = True
    _write(file, hub.trust_list((hub.did, ["RoleCredential"]), number=2), 2)
    await book.read(everything=False)
    assert _recognised(book, hub) == {"MembershipCredential"}
    assert _only(book).problem == "the store does not answer"
    desk.editions.is_away = False
    await book.read()
    assert _recognised(book, hub) == {"RoleCredential"}
