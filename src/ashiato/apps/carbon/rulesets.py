"""One edition of a calculation rule, and the record of which of its values a result rests on."""

from fractions import Fraction
from typing import Literal

import msgspec

from ashiato.facts.footprints import ZERO, EndOfLifeBasis, Stage, StageVector
from ashiato.facts.quantities import decimal_exponent, exact_text, round_decimals
from ashiato.law.provisions import Provision, Rulebook, Standing, rulebook

MOST_PLACES_COUNT = 24
"""Smaller parts of a kilogram than 10^-24 are not declared."""


class NotInRuleset(LookupError):
    """The ruleset sets no such value; the caller must give one, or choose another ruleset."""

    def __init__(self, ruleset: str, key: str) -> None:
        super().__init__(
            f"{ruleset} sets no {key}; give the value with its reason, or choose another ruleset"
        )
        self.ruleset = ruleset
        self.key = key


class Assumption(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One value that a result rests on and that was not measured: what it is, where it comes from, how far that is known."""

    key: str
    value: str
    unit: str
    source: str
    year: int
    standing: Standing


class Rounding(msgspec.Struct, frozen=True):
    """How a scheme's figures are rounded, once, from the exact value: not at all, to decimals or to significant digits."""

    kind: Literal["none", "decimals", "significant"]
    digits_count: int = 0

    def of(self, value: Fraction) -> Fraction:
        """The rounded figure; a tie goes to the even digit."""
        return value if self.kind == "none" or not value else round_decimals(value, self._places(value))

    def unit_of(self, value: Fraction) -> Fraction:
        """One in the last place that `value` keeps; zero where nothing is rounded away."""
        if self.kind == "none" or not value:
            return ZERO
        return 1 / Fraction(10) ** self._places(value)

    def of_vector(self, vector: StageVector) -> tuple[StageVector, Fraction]:
        """The vector with each cell rounded, and the most by which that can have moved any sum of its cells, in kgCO2e."""
        bound_kg = sum((self.unit_of(kg) / 2 for kg in vector.cells_kg), ZERO)
        return StageVector(tuple(self.of(kg) for kg in vector.cells_kg)), bound_kg

    def _places(self, value: Fraction) -> int:
        """How many decimals `value` keeps."""
        if self.kind == "decimals":
            return self.digits_count
        return min(self.digits_count - 1 - decimal_exponent(value), MOST_PLACES_COUNT)


EXACT = Rounding("none")


class Ruleset(msgspec.Struct, frozen=True):
    """A rulebook read as rules of calculation. Each value comes with the assumption to note in the result."""

    book: Rulebook

    @property
    def id(self) -> str:
        return self.book.id

    @property
    def edition(self) -> str:
        return self.book.edition

    def number(self, key: str) -> tuple[Fraction, Assumption]:
        """The number under `key` and its note; raises `NotInRuleset`."""
        provision = self._provision(key)
        if provision.number is None:
            raise NotInRuleset(self.id, f"number for {key}")
        return provision.number, note_of(provision)

    def words(self, key: str) -> tuple[tuple[str, ...], Assumption]:
        """The words under `key` and their note; raises `NotInRuleset`."""
        provision = self._provision(key)
        return provision.words, note_of(provision)

    def has(self, key: str) -> bool:
        """Whether the ruleset sets a value under `key`."""
        return key in self.book.provisions

    def keys(self, prefix: str) -> tuple[str, ...]:
        """The keys below `prefix`, without it."""
        return tuple(
            key.removeprefix(f"{prefix}.") for key in self.book.provisions if key.startswith(f"{prefix}.")
        )

    @property
    def basis(self) -> EndOfLifeBasis:
        return EndOfLifeBasis(self.words("basis")[0][0])

    @property
    def gwp_set(self) -> str:
        return self.words("gwp_set")[0][0]

    @property
    def stages(self) -> frozenset[Stage]:
        """The stages that the scheme's figure counts."""
        return frozenset(Stage(word) for word in self.words("stages")[0])

    @property
    def weighed_stages(self) -> frozenset[Stage]:
        """The stages by whose emissions shares and ratings are weighted: those of the scheme's figure before the end of life,
        whose credits would make shares of it senseless (`primaryDataShare` of PACT 3: the share in the figure itself)."""
        return self.stages - {Stage.END_OF_LIFE}

    @property
    def rounding(self) -> Rounding:
        kind = self.words("rounding.kind")[0][0]
        if kind not in {"decimals", "significant"}:
            raise NotInRuleset(self.id, f"rounding of the kind {kind!r}")
        return Rounding(
            "decimals" if kind == "decimals" else "significant", int(self.number("rounding.digits")[0])
        )

    @property
    def excluded_flows(self) -> frozenset[str]:
        return frozenset(self.words("excluded_flows")[0]) if self.has("excluded_flows") else frozenset()

    def base_notes(self) -> tuple[Assumption, ...]:
        """The notes of what every result under the ruleset rests on: basis, gases, stages, rounding."""
        keys = ("basis", "gwp_set", "stages", "rounding.kind", "rounding.digits")
        return tuple(self.note(key) for key in keys)

    def note(self, key: str) -> Assumption:
        """The note of the value under `key`; raises `NotInRuleset`."""
        return note_of(self._provision(key))

    def _provision(self, key: str) -> Provision:
        provision = self.book.provisions.get(key)
        if provision is None:
            raise NotInRuleset(self.id, key)
        return provision


def ruleset(identifier: str) -> Ruleset:
    """The ruleset of that id (`CFB-EV-2023JRC`, `PACT-3`, ...); raises `law.provisions.UnknownRulebook`."""
    return Ruleset(rulebook(identifier))


def counted(vector: StageVector, rules: Ruleset) -> StageVector:
    """The cells of the stages that the ruleset counts."""
    return vector.only(rules.stages)


def note_of(provision: Provision) -> Assumption:
    """The provision as a note in a result."""
    value = ", ".join(provision.words) if provision.number is None else exact_text(provision.number)
    return Assumption(
        key=provision.key,
        value=value,
        unit=provision.unit,
        source=provision.source,
        year=provision.year,
        standing=provision.standing,
    )
