"""Walks over directed graphs of ids: what lies below, and whether something lies below itself."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

Below = Mapping[str, Sequence[str]]


def reachable(starts: Iterable[str], below: Callable[[Sequence[str]], Below]) -> dict[str, Sequence[str]]:
    """The edges of everything that lies below `starts`, asked for level by level; what has nothing below is left out."""
    found: dict[str, Sequence[str]] = {}
    seen = set(starts)
    level = list(seen)
    while level:
        edges = below(level)
        found |= edges
        level = [
            one for one in dict.fromkeys(one for many in edges.values() for one in many) if one not in seen
        ]
        seen.update(level)
    return found


def find_cycle(starts: Iterable[str], below: Below) -> tuple[str, ...]:
    """A path from some id back to itself among what can be reached from `starts`, its first id repeated last; () = none."""
    done: set[str] = set()
    for start in starts:
        if start in done:
            continue
        path: dict[str, Iterator[str]] = {start: iter(below.get(start, ()))}
        while path:
            here = next(reversed(path))
            following = next(path[here], None)
            if following is None:
                done.add(here)
                del path[here]
            elif following in path:
                way = list(path)
                return (*way[way.index(following) :], following)
            elif following not in done:
                path[following] = iter(below.get(following, ()))
    return ()
