from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ashiato.log.merkle import inclusion_proof, inclusion_ranges, is_consistent, leaf_hash, root_of
from ashiato.log.tiles import (
    Edge,
    MalformedTile,
    TilePlace,
    consistency_from_tiles,
    edge_from,
    edge_tiles,
    encode_bundle,
    inclusion_from_tiles,
    leaf_tile_of,
    parse_bundle,
    parse_path,
    root_from_tiles,
    tiles_needed,
    width_count_of,
)

LEAVES = [leaf_hash(number.to_bytes(4)) for number in range(70_000)]


class Shelf:
    """Tiles as a log keeps them: the newest of each place."""

    def __init__(self) -> None:
        self.tiles: dict[tuple[int | None, int], bytes] = {}
        self.edge = Edge()

    def add(self, leaves: Sequence[bytes]) -> None:
        growth = self.edge.extended(leaves)
        for place, tile in growth.tiles:
            before = self.tiles.get((place.level, place.number), b"")
            assert tile.startswith(before), "a tile only grows"
            assert len(tile) == place.width_count * 32
            self.tiles[place.level, place.number] = tile
        self.edge = growth.edge

    def read(self, place: TilePlace) -> bytes:
        return self.tiles[place.level, place.number][: place.width_count * 32]


@pytest.fixture(scope="module")
def grown() -> Shelf:
    """The tree of the worked example of the specification: 70 000 leaves, added in uneven steps."""
    shelf = Shelf()
    for step in (1, 255, 1, 511, 65_000, 4_000, 232):
        shelf.add(LEAVES[shelf.edge.size_count :][:step])
    assert shelf.edge.size_count == len(LEAVES)
    return shelf


def test_a_tree_of_70_000_has_the_tiles_that_the_specification_counts(grown: Shelf) -> None:
    full = [place for place, tile in grown.tiles.items() if len(tile) == 8192]
    assert sum(level == 0 for level, _ in full) == 273
    assert [place for place in full if place[0] == 1] == [(1, 0)]
    assert edge_tiles(70_000) == [TilePlace(0, 273, 112), TilePlace(1, 1, 17), TilePlace(2, 0, 1)]
    assert edge_tiles(256) == [TilePlace(1, 0, 1)]
    assert width_count_of(TilePlace(0, 0), 256) == 256
    assert width_count_of(TilePlace(1, 0), 256) == 1
    assert width_count_of(TilePlace(0, 1), 256) == 0


def test_the_edge_that_is_read_again_is_the_one_that_grew(grown: Shelf) -> None:
    assert edge_from(70_000, grown.read) == grown.edge
    assert grown.edge.root() == root_of(LEAVES)
    assert edge_from(0, grown.read) == Edge()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 700), max_size=8))
def test_a_tree_grown_in_steps_has_the_root_of_the_naive_tree_at_each(steps: list[int]) -> None:
    shelf = Shelf()
    for step in steps:
        shelf.add(LEAVES[shelf.edge.size_count : shelf.edge.size_count + step])
        assert shelf.edge.root() == root_of(LEAVES[: shelf.edge.size_count])
        assert edge_from(shelf.edge.size_count, shelf.read) == shelf.edge


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 70_000), st.data())
def test_proofs_from_tiles_are_those_of_the_naive_tree(
    grown: Shelf, size_count: int, data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, size_count - 1))
    assert inclusion_from_tiles(index, size_count, grown.read) == inclusion_proof(index, LEAVES[:size_count])
    older_count = data.draw(st.integers(0, size_count))
    proof = consistency_from_tiles(older_count, size_count, grown.read)
    root = root_from_tiles(size_count, grown.read)
    assert root == root_of(LEAVES[:size_count])
    older = root_from_tiles(older_count, grown.read)
    assert is_consistent(older_count, size_count, older, root, proof) is (older_count > 0)


def test_the_tiles_to_fetch_are_exactly_those_that_a_proof_reads(grown: Shelf) -> None:
    read: list[TilePlace] = []

    def keep(place: TilePlace) -> bytes:
        read.append(place)
        return grown.read(place)

    inclusion_from_tiles(300, 70_000, keep)
    assert tiles_needed(inclusion_ranges(300, 70_000), 70_000) == list(dict.fromkeys(read))


def test_a_place_has_the_path_of_the_specification() -> None:
    assert TilePlace(0, 1_234_067).path() == "tile/0/x001/x234/067"
    assert TilePlace(2, 0, 1).path() == "tile/2/000.p/1"
    assert TilePlace(None, 273, 112).path() == "tile/entries/273.p/112"


@given(st.one_of(st.none(), st.integers(0, 63)), st.integers(0, 10**9), st.integers(1, 256))
def test_each_path_leads_back_to_its_place(level: int | None, index: int, width_count: int) -> None:
    place = TilePlace(level, index, width_count)
    assert parse_path(place.path()) == place


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/1",
        "tile/0/0000",
        "tile/0/x000/001",
        "tile/00/001",
        "tile/64/001",
        "tile/0/001.p/0",
        "tile/0/001.p/256",
        "tile/0/001.p/01",
        "tile/0/001/002",
        "tile/0/x001",
        "tile/entries",
        "tile/data/000",
        "tiles/0/000",
        "tile/0/../000",
        "tile/0/000\n",
        "tile/0/\u0661\u0661\u0661",
    ],
)
def test_a_path_with_another_spelling_is_refused(path: str) -> None:
    with pytest.raises(MalformedTile):
        parse_path(path)


def test_a_bundle_holds_its_entries_and_hashes_to_its_tile() -> None:
    entries = [b"", b"a", bytes(65_535)]
    bundle = encode_bundle(entries)
    assert bundle[:5] == b"\x00\x00\x00\x01a"
    assert parse_bundle(bundle) == entries
    assert leaf_tile_of(bundle) == b"".join(leaf_hash(entry) for entry in entries)
    with pytest.raises(MalformedTile):
        encode_bundle([bytes(65_536)])


@pytest.mark.parametrize("data", [b"\x00", b"\x00\x02a", b"\x00\x00" * 257])
def test_a_bundle_that_is_cut_or_too_long_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedTile):
        parse_bundle(data)


def test_a_tile_that_is_too_short_gives_no_proof() -> None:
    with pytest.raises(MalformedTile):
        inclusion_from_tiles(0, 300, lambda place: bytes(32))
