"""Texts as they are searched: Japanese has no spaces, so it is cut into pairs of characters, other scripts into words.

What is a hit is defined here, by `matches`; an index may use the keys of `keys_of_text` and `keys_of_term` to choose rows, which
are never too narrow.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator

# Kana, Han, Hangul and what belongs to them begin there; everything before is written with spaces.
_FIRST_UNSPACED, _FIRST_IDEOGRAPH = 0x2E80, 0x3400
_WORD = re.compile(r"[^\W_]+")
_ONE_KIND = re.compile(r"[\u2e80-\U0010ffff]+|[\0-\u2e7f]+")
PREFIXES_CHARS = (2, 4, 6, 8, 12, 16)


def normalized(text: str) -> str:
    """The text without what nobody searches by: width of characters, case (Unicode NFKC, full case folding)."""
    return unicodedata.normalize("NFKC", text).casefold()


def terms_of(query: str) -> tuple[str, ...]:
    """What a query asks for: each run of one kind of script, in order, each once."""
    return tuple(dict.fromkeys(run for run, _ in _runs(normalized(query))))


def matches(terms: Iterable[str], texts: Iterable[str]) -> bool:
    """Whether every term stands in the texts: in scripts without spaces anywhere, else at the beginning of a word."""
    searched = [normalized(text) for text in texts]
    return all(any(_stands_in(term, text) for text in searched) for term in terms)


def _stands_in(term: str, text: str) -> bool:
    # Most texts that are looked at in vain do not hold the term at all, and are not cut into words for that.
    if term not in text:
        return False
    return _is_unspaced(term[0]) or any(run.startswith(term) for run, _ in _runs(text))


def keys_of_text(text: str) -> set[str]:
    """Every key under which a text is found: few enough that a million texts fit an index."""
    found: set[str] = set()
    for run, is_unspaced in _runs(normalized(text)):
        if is_unspaced:
            found.update(filter(_stands_alone, run))
            found.update(_pairs(run))
        else:
            found.update(run[:length] for length in PREFIXES_CHARS if length <= len(run))
    return found


def keys_of_term(term: str) -> tuple[str, ...]:
    """Keys that every text has in which the term of `terms_of` stands; none for a single letter, which says too little."""
    if not _is_unspaced(term[0]):
        return tuple(term[:length] for length in reversed(PREFIXES_CHARS) if length <= len(term))[:1]
    if len(term) > 1:
        return tuple(dict.fromkeys(_pairs(term)))
    return (term,) if _stands_alone(term) else ()


def _pairs(run: str) -> Iterator[str]:
    return (run[start : start + 2] for start in range(len(run) - 1))


def _runs(text: str) -> Iterator[tuple[str, bool]]:
    """The runs of letters and digits, with whether their script has no spaces."""
    for word in _WORD.findall(text):
        for run in _ONE_KIND.findall(word):
            yield run, _is_unspaced(run[0])


def _is_unspaced(character: str) -> bool:
    return ord(character) >= _FIRST_UNSPACED


def _stands_alone(character: str) -> bool:
    # A single kana is no word; a single ideograph is.
    return ord(character) >= _FIRST_IDEOGRAPH
