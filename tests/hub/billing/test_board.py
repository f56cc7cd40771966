"""Only who consented stands on the board, and nothing on it says who took the data."""

import msgspec

from ashiato.hub.billing.board import Contribution, contributions
from ashiato.statements.usage import UsageKind
from tests.hub.billing.street import CAR, CELL, MINE, PARTIES, total


def test_the_board_counts_what_those_who_consented_shared() -> None:
    parties = {**PARTIES, CELL: msgspec.structs.replace(PARTIES[CELL], shows_contribution=True)}
    usage = [
        total(CELL, CAR, 3),
        total(CELL, MINE, 2, item="D-02"),
        total(CELL, CAR, 7, kind=UsageKind.USED),
        total(MINE, CELL, 900),
    ]
    assert contributions(usage, parties) == (
        Contribution(
            party_id=CELL,
            name=PARTIES[CELL].name,
            deliveries_count=5,
            uses_count=7,
            consumers_count=2,
            items_count=2,
        ),
    )


def test_the_one_who_shared_most_stands_first_and_nobody_without_consent() -> None:
    parties = {
        name: msgspec.structs.replace(party, shows_contribution=name != CAR)
        for name, party in PARTIES.items()
    }
    board = contributions([total(CELL, CAR, 1), total(MINE, CAR, 2), total(CAR, CELL, 99)], parties)
    assert [each.party_id for each in board] == [MINE, CELL]
