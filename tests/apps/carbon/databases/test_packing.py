import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ashiato.apps.carbon.background.distributions import Kind
from ashiato.apps.carbon.databases.packing import Database, PackingBroken, database_of, packed, unpacked
from ashiato.apps.carbon.factors.backgrounds import Incomplete
from ashiato.apps.carbon.factors.importers.simapro import read_simapro
from tests.apps.carbon.factors.test_backgrounds import FILE

# Steel has a spread of every kind, and an input that counts minus in the matrix.
SPREAD = (
    FILE.replace("\nSteel;kg;0.1;Undefined;0;0;0;", "\nSteel;kg;0.1;Lognormal;1.21;0;0;")
    .replace("Power;kWh;2;Undefined;0;0;0;", "Power;kWh;2;Triangle;0;1;4;")
    .replace("fossil;;g;500;Undefined;0;0;0;", "fossil;;g;500;Uniform;0;400;600;")
    .replace("fossil;;kg;1;Undefined;0;0;0;", "fossil;;kg;1;Normal;0.04;0;0;")
)


def database(text: str = SPREAD) -> Database:
    return database_of(read_simapro(text.encode()))


def bits(one: Database) -> list[bytes]:
    given = one.uncertain
    arrays: list[np.ndarray] = []
    for exchanged, spread in (
        (given.technosphere, given.technosphere_spread),
        (given.biosphere, given.biosphere_spread),
    ):
        arrays += [exchanged.row, exchanged.column, exchanged.amount, spread.kind, spread.sign]
        arrays += [spread.location, spread.scale, spread.low, spread.high]
    matrices = (given.likely.technosphere, given.likely.biosphere)
    arrays += [part for matrix in matrices for part in (matrix.data, matrix.indices, matrix.indptr)]
    return [array.tobytes() for array in arrays]


def test_a_database_is_packed_and_unpacked_to_the_last_bit() -> None:
    one = database()
    again = unpacked(packed(one))
    assert bits(again) == bits(one)
    assert (again.products, again.flows, again.missing) == (one.products, one.flows, one.missing)
    assert packed(again) == packed(one)


def test_declared_spreads_become_distributions_with_the_sign_of_the_matrix() -> None:
    given = database().uncertain
    spread = given.technosphere_spread
    found = {Kind(int(kind)): at for at, kind in enumerate(spread.kind)}
    steel, power = found[Kind.LOGNORMAL], found[Kind.TRIANGULAR]
    # An input of 0.1 kg: its median, and the squared geometric deviation of 1.21 that SimaPro writes.
    assert (spread.sign[steel], given.technosphere.amount[steel]) == (-1.0, -0.1)
    assert np.exp(spread.location[steel]) == pytest.approx(0.1)
    assert spread.scale[steel] == pytest.approx(np.log(1.1))
    assert (spread.sign[power], spread.low[power], spread.location[power], spread.high[power]) == (
        -1,
        1,
        2,
        4,
    )
    assert set(given.biosphere_spread.kind) == {Kind.CERTAIN, Kind.NORMAL, Kind.UNIFORM}


def test_a_gap_is_let_through_only_by_who_says_so_and_stays_known() -> None:
    gap = read_simapro(FILE.replace("\nSteel;kg;0.1", "\nGold;kg;0.1").encode())
    with pytest.raises(Incomplete):
        database_of(gap)
    one = unpacked(packed(database_of(gap, understating_what_is_missing=True)))
    assert (one.missing.unlinked_count, one.missing.count) == (1, 1)
    assert "POWER" in one.missing.told[0]


@settings(max_examples=60)
@given(st.data())
def test_a_damaged_packing_is_refused_or_reads_as_a_checked_database(data: st.DataObject) -> None:
    whole = packed(database())
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(PackingBroken):
        unpacked(whole[:cut])
    with pytest.raises(PackingBroken):
        unpacked(whole + b"\0" * (1 + cut))
