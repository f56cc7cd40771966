"""What strangers send is kept only so far in memory."""

from ashiato.connector import catalog
from tests.connector.firms import ANY


def _policy(size_bytes: int, number: int) -> dict[str, object]:
    return {**ANY, "profile": f"https://stranger.example/{number}/" + "x" * size_bytes}


def test_large_policies_are_not_kept_in_the_cache() -> None:
    before = catalog._compiled.cache_info().currsize
    small, large = _policy(10, 1), _policy(catalog.LARGEST_CACHED_BYTES, 2)
    assert catalog.compiled(small) is catalog.compiled(small)
    assert catalog.compiled(large) == catalog.compiled(large)
    assert catalog._compiled.cache_info().currsize == before + 1
