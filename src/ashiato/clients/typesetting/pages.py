"""Filling a page with texts and setting it as PDF.

What comes in is data and never markup. The font is that of a package, so that a page looks the same on every machine; a
character that it lacks would be an empty box on a document, so it is told before anything is set.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import as_file, files
from struct import unpack_from
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typst

TEMPLATE = "page.typ"
_ROOT = files("ashiato.clients.typesetting")


class UnprintablePage(ValueError):
    """The page cannot be set; whoever wrote the texts must mend them. `characters` are those that the font lacks."""

    def __init__(self, problem: str, characters: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.characters = characters


def pdf_of(page: Mapping[str, object], at_s: int, template: str = TEMPLATE) -> bytes:
    """The page as PDF, the same bytes for the same page and instant; raises `UnprintablePage`."""
    import typst

    lacking = "".join(sorted({each for each in _characters(page) if ord(each) not in glyphs()}))
    if lacking:
        codes = ", ".join(f"U+{ord(each):04X}" for each in lacking)
        raise UnprintablePage(f"the font has no glyph for {lacking} ({codes}); write them otherwise", lacking)
    with as_file(_ROOT) as root:
        try:
            set_page = typst.compile(
                root / template,
                root=root,
                font_paths=_fonts(),
                sys_inputs={"page": json.dumps(page, ensure_ascii=False)},
                format="pdf",
                timestamp=at_s,
            )
        except typst.TypstError as error:
            raise UnprintablePage(f"the page cannot be set: {error}") from None
    if not isinstance(set_page, bytes):
        raise UnprintablePage("the page fills no single document")
    return set_page


@cache
def glyphs() -> frozenset[int]:
    """The code points for which the font has a glyph: its character map in format 12 (OpenType 1.9, cmap)."""
    from noto_cjk_sans_jp_regular import FONT_PATH  # type: ignore[import-untyped]  # the package ships no types

    return frozenset(_mapped(FONT_PATH.read_bytes()))


@cache
def _fonts() -> "typst.Fonts":
    import noto_cjk_sans_jp_regular as font
    import typst

    # The typesetter reads folders; that of the package holds this one font.
    with as_file(files(font)) as folder:
        return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(folder)])


def _mapped(font: bytes) -> Iterator[int]:
    (tables_count,) = unpack_from(">H", font, 4)
    for place in range(12, 12 + 16 * tables_count, 16):
        if font[place : place + 4] == b"cmap":
            (cmap,) = unpack_from(">I", font, place + 8)
            break
    else:
        raise UnprintablePage("the font has no character map")
    (maps_count,) = unpack_from(">H", font, cmap + 2)
    for place in range(cmap + 4, cmap + 4 + 8 * maps_count, 8):
        (offset,) = unpack_from(">I", font, place + 4)
        if unpack_from(">H", font, cmap + offset) == (12,):
            (groups_count,) = unpack_from(">I", font, cmap + offset + 12)
            for group in range(groups_count):
                first, last, glyph = unpack_from(">III", font, cmap + offset + 16 + 12 * group)
                yield from range(first + (glyph == 0), last + 1)
            return
    raise UnprintablePage("the font has no character map of format 12")


def _characters(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield from value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _characters(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _characters(each)
