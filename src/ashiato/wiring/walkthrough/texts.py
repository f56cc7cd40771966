"""The words of the demonstration, in both languages, from the package's own file."""

import os
import string
import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Any, Literal

Language = Literal["en", "ja"]

TEXTS_FILE = "texts.toml"


class Texts:
    """The texts in one language."""

    def __init__(self, language: Language) -> None:
        self.language: Language = language
        self._texts: Mapping[str, Any] = load_texts()

    @property
    def heading(self) -> str:
        """What stands above everything."""
        return str(self._texts["heading"][self.language])

    def title(self, step_name: str) -> str:
        """What a step does."""
        return str(self._texts[step_name]["title"][self.language])

    def lines(self, step_name: str, facts: Mapping[str, object]) -> list[str]:
        """What a step showed, with its facts filled in."""
        shown = {name: _shown(fact) for name, fact in facts.items()}
        return [line.format_map(shown) for line in self._texts[step_name]["lines"][self.language]]

    def event(self, name: str) -> str:
        """An entry of a history in words; one without words is shown by its name."""
        words = self._texts["event"].get(name)
        return name if words is None else str(words[self.language])

    def ended(self, how: str, **facts: object) -> str:
        """The closing lines."""
        return str(self._texts["ended"][how][self.language]).format_map(facts)


def load_texts() -> Mapping[str, Any]:
    """The file of the texts, both languages."""
    file = resources.files("ashiato.wiring") / "demo_data" / TEXTS_FILE
    return tomllib.loads(file.read_text(encoding="utf-8"))


def facts_named_in(text: str) -> frozenset[str]:
    """The names in braces."""
    return frozenset(name for _, name, _, _ in string.Formatter().parse(text) if name)


def language_of(environment: Mapping[str, str] | None = None) -> Language:
    """The language of the terminal, as POSIX finds it: LC_ALL, LC_MESSAGES, LANG; English when it is none of ours."""
    known = os.environ if environment is None else environment
    locale = next((text for name in ("LC_ALL", "LC_MESSAGES", "LANG") if (text := known.get(name))), "")
    return "ja" if locale.startswith("ja") else "en"


def _shown(fact: object) -> str:
    return ", ".join(str(item) for item in fact) if isinstance(fact, list | tuple) else str(fact)
