"""What does not hold any more is told down the chain, between running companies: the fact, and neither reason nor name."""

from pathlib import Path

import pytest

from ashiato.connector import words
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import NotFound
from ashiato.connector.records import Approval
from ashiato.connector.words import WORDS, Basis, KeptNotice, OwnWord
from ashiato.statements.signed_words import WordStanding, read, written
from ashiato.supply import notices
from ashiato.supply.messages import StandingNotice
from ashiato.supply.offering import open_inbox
from tests.exchange import Member, port_of, running

PATIENCE_S = 60.0


def word(product: str, *rests_on: Basis) -> OwnWord:
    return OwnWord(
        sha256=product.encode().hex().ljust(64, "0"),
        kind="carbon-footprint",
        subject_id=f"{product}/1",
        compact=f"a.{product}.c",
        signed_ms=1,
        asset_id=f"carbon-footprint-{product}",
        rests_on=rests_on,
    )


async def offer(company: Member, own: OwnWord) -> None:
    """The company has signed the word and offers it, and its inbox is open."""
    await company.offer(own.asset_id, body=written(own.shown()))

    def keep(uow: UnitOfWork, moment: Moment) -> None:
        uow.room(WORDS).put(own)
        open_inbox(uow, (), Approval.AUTOMATIC, moment)

    await company.run(keep)


async def notice(company: Member, partner: Member, sha256: str, standing: WordStanding) -> KeptNotice:
    """What the partner said, once it says so."""

    def look(uow: UnitOfWork) -> KeptNotice | None:
        found = uow.room(WORDS).notice(partner.did, sha256)
        return found if found is not None and found.standing is standing else None

    return await company.until(look, PATIENCE_S)


async def worsen(company: Member, sha256: str, standing: WordStanding) -> None:
    def work(uow: UnitOfWork, moment: Moment) -> None:
        words.worsen(uow, company.tenant.company, words.known_word(uow, sha256), standing, moment)

    await company.run(work)


async def test_everything_downstream_learns_the_fact_also_who_was_off_line_and_nobody_learns_a_name(
    tmp_path: Path,
) -> None:
    async with (
        running(tmp_path / "nickel", "nickel") as (nickel,),
        running(tmp_path / "cathode", "cathode") as (cathode,),
    ):
        salt = word("nickel-sulphate")
        await offer(nickel, salt)
        assert (await cathode.fetch(nickel, salt.asset_id)).received_id
        powder = word("powder", Basis(nickel.did, salt.sha256))
        await offer(cathode, powder)
        async with running(tmp_path / "cells", "cells") as (cells,):
            port = port_of(cells)
            assert (await cells.fetch(cathode, powder.asset_id)).received_id
            await offer(cells, word("cell", Basis(cathode.did, powder.sha256)))
        await worsen(nickel, salt.sha256, WordStanding.SUPERSEDED)
        told = await notice(cathode, nickel, salt.sha256, WordStanding.SUPERSEDED)
        assert told.asset_id == salt.asset_id
        shown = await cathode.read(lambda uow: uow.assets.record(powder.asset_id))
        assert shown is not None
        assert read(shown).standing is WordStanding.RESTS_ON_STALE
        async with running(tmp_path / "cells", "cells", port=port) as (cells,):
            told = await notice(cells, cathode, powder.sha256, WordStanding.RESTS_ON_STALE)
            own = await cells.read(lambda uow: uow.room(WORDS).get(word("cell").sha256))
            assert own is not None
            assert own.standing is WordStanding.RESTS_ON_STALE
            # What came says nothing of who or what stands behind the cathode maker.
            heard = repr((told, await cells.history()))
            assert nickel.did not in heard
            assert "nickel-sulphate" not in heard
            # A graver fact about the same word is told again, the same one is not.
            await worsen(nickel, salt.sha256, WordStanding.WITHDRAWN)
            await notice(cathode, nickel, salt.sha256, WordStanding.WITHDRAWN)
            told_on = [entry for entry in await cathode.history() if entry.event == "word.stale"]
            assert len(told_on) == 1


async def test_nobody_tells_of_an_asset_that_was_never_agreed_over_with_it(tmp_path: Path) -> None:
    async with running(tmp_path / "all", "nickel", "cathode") as (nickel, cathode):
        await offer(cathode, word("powder", Basis(nickel.did, "ab" * 32)))
        message = StandingNotice(message_id="urn:x:1", asset_id="cfp", sha256="ab" * 32, standing="withdrawn")

        def work(uow: UnitOfWork, moment: Moment) -> None:
            notices.take(uow, cathode.tenant.company, nickel.did, message, moment)

        with pytest.raises(NotFound):
            await cathode.run(work)
        kept = await cathode.read(lambda uow: uow.room(WORDS).get(word("powder").sha256))
        assert kept is not None
        assert kept.standing is WordStanding.HOLDS
