import itertools
from collections.abc import Mapping, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from ashiato.supply.graphs import find_cycle, reachable

NODES = [str(number) for number in range(7)]
GRAPHS = st.lists(st.tuples(st.sampled_from(NODES), st.sampled_from(NODES)), max_size=14)


def edges_of(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    below: dict[str, list[str]] = {}
    for one, other in pairs:
        below.setdefault(one, []).append(other)
    return below


def comes_back(start: str, below: Mapping[str, Sequence[str]]) -> bool:
    """Whether `start` lies below itself: by taking the closure step by step."""
    found: set[str] = set()
    for _ in NODES:
        found |= {other for one in (found | {start}) for other in below.get(one, ())}
    return start in found


@settings(max_examples=200)
@given(GRAPHS)
def test_a_cycle_is_found_if_and_only_if_something_lies_below_itself(pairs: list[tuple[str, str]]) -> None:
    below = edges_of(pairs)
    cycle = find_cycle(NODES, below)
    assert bool(cycle) == any(comes_back(start, below) for start in NODES)
    if cycle:
        assert cycle[0] == cycle[-1]
        assert all(other in below[one] for one, other in itertools.pairwise(cycle))


@settings(max_examples=100)
@given(GRAPHS, st.sampled_from(NODES))
def test_what_lies_below_is_asked_for_once_each(pairs: list[tuple[str, str]], start: str) -> None:
    below = edges_of(pairs)
    asked: list[str] = []

    def ask(ids: Sequence[str]) -> dict[str, list[str]]:
        asked.extend(ids)
        return {one: below[one] for one in ids if one in below}

    found = reachable([start], ask)
    assert len(asked) == len(set(asked))
    assert found == {one: below[one] for one in asked if one in below}
    closure = {start}
    for _ in NODES:
        closure |= {other for one in closure for other in below.get(one, ())}
    assert set(asked) == closure


def test_a_chain_of_a_hundred_thousand_levels_is_walked() -> None:
    below = {str(number): [str(number + 1)] for number in range(100_000)}
    assert find_cycle(["0"], below) == ()
    below["100000"] = ["99999"]
    assert find_cycle(["0"], below) == ("99999", "100000", "99999")
