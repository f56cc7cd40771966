"""Trees in tiles (C2SP tlog-tiles): 256 hashes wide, so that a tree of any size is a few immutable files and a short edge.

A tile at level L holds the hashes of consecutive complete subtrees of 256**L leaves. A partial tile is the beginning of the
full one that it becomes, so whoever keeps the newest has every older one.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ashiato.log.merkle import (
    EMPTY_ROOT,
    HASH_BYTES,
    consistency_ranges,
    inclusion_ranges,
    leaf_hash,
    node_hash,
    root_of,
)

WIDTH_COUNT = 256
TILE_BYTES = WIDTH_COUNT * HASH_BYTES
HIGHEST_LEVEL = 63
MOST_ENTRY_BYTES = 0xFFFF

_LEVELS_PER_TILE = 8
_PARTIAL = re.compile(r"\.p/([1-9][0-9]{0,2})\Z")
_INDEX = re.compile(r"(?:x[0-9]{3}/)*[0-9]{3}\Z")
_LEVEL = re.compile(r"(?:0|[1-9][0-9]?)\Z")


class MalformedTile(ValueError):
    """A path or content that is no tile; whoever asked or served must mend it. `problem` says why."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class TilePlace(NamedTuple):
    """Where a tile is: its level (None: a bundle of entries), its number in it, and how many hashes or entries it has."""

    level: int | None
    number: int
    width_count: int = WIDTH_COUNT

    def path(self) -> str:
        """The path below the log's prefix: `tile/<L>/<N>[.p/<W>]`, `tile/entries/<N>[.p/<W>]`."""
        level = "entries" if self.level is None else str(self.level)
        partial = "" if self.width_count == WIDTH_COUNT else f".p/{self.width_count}"
        return f"tile/{level}/{_encode_index(self.number)}{partial}"


def parse_path(path: str) -> TilePlace:
    """The place that `path` below the log's prefix names, in its one spelling; raises `MalformedTile`."""
    tile, _, rest = path.partition("/")
    level_text, _, index_text = rest.partition("/")
    if tile != "tile":
        raise MalformedTile("the path does not begin with tile/")
    level: int | None = None
    if level_text != "entries":
        if not _LEVEL.match(level_text) or int(level_text) > HIGHEST_LEVEL:
            raise MalformedTile(f"the level is neither 'entries' nor a number from 0 to {HIGHEST_LEVEL}")
        level = int(level_text)
    width_count = WIDTH_COUNT
    partial = _PARTIAL.search(index_text)
    if partial:
        width_count = int(partial[1])
        index_text = index_text[: partial.start()]
        if width_count >= WIDTH_COUNT:
            raise MalformedTile(f"a partial tile is 1 to {WIDTH_COUNT - 1} wide")
    if len(index_text) > 32 or not _INDEX.match(index_text):
        raise MalformedTile("the index is not written in groups of three digits, all but the last behind x")
    index = int(index_text.replace("x", "").replace("/", ""))
    if _encode_index(index) != index_text:
        raise MalformedTile("the index has another spelling")
    return TilePlace(level, index, width_count)


def width_count_of(place: TilePlace, size_count: int) -> int:
    """How many hashes or entries the tile at that level and index has in a tree of that size; 0 where there is none yet."""
    below_count: int = size_count >> (_LEVELS_PER_TILE * (place.level or 0))
    return max(0, min(WIDTH_COUNT, below_count - place.number * WIDTH_COUNT))


def encode_bundle(entries: Iterable[bytes]) -> bytes:
    """A bundle of entries: each behind its length in two bytes."""
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > MOST_ENTRY_BYTES:
            raise MalformedTile(f"an entry has {len(entry)} bytes; at most {MOST_ENTRY_BYTES} fit")
        parts += (len(entry).to_bytes(2), entry)
    return b"".join(parts)


def parse_bundle(data: bytes) -> list[bytes]:
    """The entries of a bundle; raises `MalformedTile` for one that is cut short or has more than 256."""
    entries: list[bytes] = []
    start = 0
    while start < len(data):
        end = start + 2 + int.from_bytes(data[start : start + 2])
        if start + 2 > len(data) or end > len(data):
            raise MalformedTile("the bundle is cut short")
        entries.append(data[start + 2 : end])
        start = end
    if len(entries) > WIDTH_COUNT:
        raise MalformedTile(f"the bundle has {len(entries)} entries")
    return entries


@dataclass(frozen=True, slots=True)
class Edge:
    """The right edge of a tree: its size, and at each level the hashes of the tile that is not full yet.

    With it the tree grows and its root is known; at most 255 hashes for each power of 256 in the size.
    """

    size_count: int = 0
    levels: tuple[tuple[bytes, ...], ...] = ()

    def root(self) -> bytes:
        """The root of the tree."""
        reached: list[bytes] = []
        for hashes in self.levels:
            if hashes or reached:
                reached = [root_of([*hashes, *reached])]
        return reached[0] if reached else EMPTY_ROOT

    def extended(self, leaves: Sequence[bytes]) -> "Growth":
        """The edge behind further leaf hashes, and every tile whose content is new."""
        tiles: list[tuple[TilePlace, bytes]] = []
        levels: list[tuple[bytes, ...]] = []
        coming: Sequence[bytes] = leaves
        level, size_count = 0, self.size_count
        while coming or level < len(self.levels):
            kept = self.levels[level] if level < len(self.levels) else ()
            hashes = [*kept, *coming]
            index = size_count // WIDTH_COUNT
            above: list[bytes] = []
            for start in range(0, len(hashes) if coming else 0, WIDTH_COUNT):
                tile = hashes[start : start + WIDTH_COUNT]
                place = TilePlace(level, index + start // WIDTH_COUNT, len(tile))
                tiles.append((place, b"".join(tile)))
                if len(tile) == WIDTH_COUNT:
                    above.append(_root_of_full(tile))
            levels.append(tuple(hashes[len(hashes) - len(hashes) % WIDTH_COUNT :]))
            coming, level, size_count = above, level + 1, size_count // WIDTH_COUNT
        return Growth(Edge(self.size_count + len(leaves), tuple(levels)), tiles)


def bundles_of(size_count: int, tail: Sequence[bytes], entries: Sequence[bytes]) -> "Bundles":
    """The bundles to write when `entries` follow in a log of that size, whose last bundle began with `tail`."""
    whole = [*tail, *entries]
    first = size_count // WIDTH_COUNT
    bundles: list[tuple[TilePlace, bytes]] = []
    for start in range(0, len(whole) if entries else 0, WIDTH_COUNT):
        held = whole[start : start + WIDTH_COUNT]
        bundles.append((TilePlace(None, first + start // WIDTH_COUNT, len(held)), encode_bundle(held)))
    return Bundles(tuple(whole[len(whole) - len(whole) % WIDTH_COUNT :]), bundles)


@dataclass(frozen=True, slots=True)
class Bundles:
    """The entries of the bundle that is not full yet, and the bundles to write."""

    tail: tuple[bytes, ...]
    bundles: Sequence[tuple[TilePlace, bytes]]


@dataclass(frozen=True, slots=True)
class Growth:
    """What an edge became, and the tiles to write: new ones, and the partial ones that they continue."""

    edge: Edge
    tiles: Sequence[tuple[TilePlace, bytes]] = field(default=())


def edge_tiles(size_count: int) -> list[TilePlace]:
    """The partial tiles on the right edge of a tree, the lowest level first; a level whose tile is full or empty has none."""
    places: list[TilePlace] = []
    level = 0
    while size_count >> (_LEVELS_PER_TILE * level):
        count = size_count >> (_LEVELS_PER_TILE * level)
        if count % WIDTH_COUNT:
            places.append(TilePlace(level, count // WIDTH_COUNT, count % WIDTH_COUNT))
        level += 1
    return places


def edge_from(size_count: int, read: "ReadTile") -> Edge:
    """The edge of a tree of that size, read from its tiles."""
    levels: dict[int, tuple[bytes, ...]] = {}
    for place in edge_tiles(size_count):
        levels[place.level or 0] = tuple(_hashes_of(read(place), place.width_count))
    return Edge(size_count, tuple(levels.get(level, ()) for level in range(max(levels, default=-1) + 1)))


ReadTile = Callable[[TilePlace], bytes]
"""From the place of a tile of hashes to at least that many of them; raises whatever the keeper raises."""


def inclusion_from_tiles(index: int, size_count: int, read: ReadTile) -> tuple[bytes, ...]:
    """The inclusion proof of leaf `index` in the tree of that size; IndexError for a leaf that is not there."""
    return tuple(
        _range_hash(start, end, size_count, read) for start, end in inclusion_ranges(index, size_count)
    )


def consistency_from_tiles(old_count: int, new_count: int, read: ReadTile) -> tuple[bytes, ...]:
    """The consistency proof between the trees of two sizes; IndexError for an old one that is larger."""
    return tuple(
        _range_hash(start, end, new_count, read) for start, end in consistency_ranges(old_count, new_count)
    )


def root_from_tiles(size_count: int, read: ReadTile) -> bytes:
    """The root of the tree of that size, which may be older than the tiles."""
    return _range_hash(0, size_count, size_count, read) if size_count else EMPTY_ROOT


def tiles_needed(ranges: Iterable[tuple[int, int]], size_count: int) -> list[TilePlace]:
    """The tiles that give the hashes of these ranges in a tree of that size, each once: what must be fetched beforehand."""
    asked: dict[TilePlace, None] = {}

    def remember(place: TilePlace) -> bytes:
        asked[place] = None
        return bytes(place.width_count * HASH_BYTES)

    for start, end in ranges:
        _range_hash(start, end, size_count, remember)
    return list(asked)


def leaf_tile_of(bundle: bytes) -> bytes:
    """The tile of level 0 over a bundle of entries."""
    return b"".join(leaf_hash(entry) for entry in parse_bundle(bundle))


def _range_hash(start: int, end: int, size_count: int, read: ReadTile) -> bytes:
    """The hash of the subtree over these leaves; `start` is a multiple of the power of two that holds them."""
    perfect: list[bytes] = []
    while start < end:
        level = (end - start).bit_length() - 1
        perfect.append(_perfect_hash(level, start >> level, size_count, read))
        start += 1 << level
    reached = perfect.pop()
    while perfect:
        reached = node_hash(perfect.pop(), reached)
    return reached


def _perfect_hash(level: int, index: int, size_count: int, read: ReadTile) -> bytes:
    """The hash of the complete subtree with that index among those of 2**level leaves."""
    tile_level, within = divmod(level, _LEVELS_PER_TILE)
    first = index << within
    place = TilePlace(tile_level, first // WIDTH_COUNT)
    place = place._replace(width_count=width_count_of(place, size_count))
    offset = first % WIDTH_COUNT
    return root_of(_hashes_of(read(place), place.width_count)[offset : offset + (1 << within)])


def _hashes_of(tile: bytes, width_count: int) -> list[bytes]:
    if len(tile) < width_count * HASH_BYTES or len(tile) % HASH_BYTES:
        raise MalformedTile(f"the tile has {len(tile)} bytes; {width_count} hashes are needed")
    return [tile[at : at + HASH_BYTES] for at in range(0, width_count * HASH_BYTES, HASH_BYTES)]


def _root_of_full(hashes: list[bytes]) -> bytes:
    """`root_of` for a power of two, without recursion: a log does it for every tile it fills."""
    while len(hashes) > 1:
        hashes = [node_hash(hashes[at], hashes[at + 1]) for at in range(0, len(hashes), 2)]
    return hashes[0]


def _encode_index(index: int) -> str:
    groups = [f"{index % 1000:03d}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03d}")
    return "/".join(reversed(groups))
