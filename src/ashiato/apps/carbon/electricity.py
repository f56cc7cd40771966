"""Electricity by location and by market (GHG Protocol Scope 2 Guidance, 2015): both are always computed.

By location every kilowatt-hour has the intensity of the grid's consumption mix. By market it has that of the instrument which
covers it, where the ruleset allows its kind; the rest has the residual mix, or the grid's where no residual mix is known or
allowed. Each instrument is kept with its evidence, and counts once.
"""

from collections.abc import Sequence
from enum import StrEnum
from fractions import Fraction

import msgspec

from ashiato.apps.carbon.rulesets import Assumption, Ruleset
from ashiato.facts.footprints import ZERO, Intensity, Stage, StageVector
from ashiato.facts.quantities import KILOWATT_HOUR, Quantity
from ashiato.law.provisions import Standing


class MarketBasis(StrEnum):
    """What stands behind an intensity by market."""

    DIRECTLY_CONNECTED = "directly_connected"
    SUPPLIER_SPECIFIC = "supplier_specific"
    """Contracts and certificates: power purchase agreements, guarantees of origin, 非化石証書."""
    RESIDUAL = "residual"
    NATIONAL_CONSUMPTION = "national_consumption"


class DisputedElectricity(ValueError):
    """Certificates and consumption do not fit; whoever keeps the inventory must mend `field`."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """What assigns an intensity to an amount of electricity: a direct line, a contract or a certificate.

    `certificate` is the id under which the amount is cancelled (with a direct line, the meter), `evidence_sha256` its document.
    It is valid from `from_ms` until `until_ms` in the grid `region`.
    """

    certificate: str
    basis: MarketBasis
    energy: Quantity
    intensity: Intensity
    region: str
    from_ms: int
    until_ms: int
    evidence_sha256: str


class ElectricityUse(msgspec.Struct, frozen=True, kw_only=True):
    """The electricity that a process took from `from_ms` until `until_ms` in the grid `region`.

    `grid` is the intensity of the region's consumption mix, `residual` that of what its certificates leave over.
    """

    energy: Quantity
    region: str
    from_ms: int
    until_ms: int
    grid: Intensity
    residual: Intensity | None = None
    instruments: tuple[Instrument, ...] = ()


class ElectricityShare(msgspec.Struct, frozen=True):
    """A part of the electricity with the basis of its intensity; `certificate` is "" where none covers it."""

    energy: Quantity
    basis: MarketBasis
    intensity: Intensity
    certificate: str = ""


class ElectricityResult(msgspec.Struct, frozen=True):
    """Both figures for the same electricity. `refused` are certificates of a basis that the ruleset does not allow."""

    by_location: StageVector
    by_market: StageVector
    market_shares: tuple[ElectricityShare, ...]
    refused: tuple[str, ...]
    assumptions: tuple[Assumption, ...]

    @property
    def supplier_share(self) -> Fraction:
        """Which part of the emissions by market has the intensity of a supplier or of a direct line, not of a mix."""
        total_kg = suppliers_kg = ZERO
        for share in self.market_shares:
            kg = share.intensity.of(share.energy, Stage.MAIN_PRODUCTION).excluding_uptake_kg
            total_kg += kg
            if share.basis in _OF_SUPPLIERS:
                suppliers_kg += kg
        return suppliers_kg / total_kg if total_kg else ZERO


def electricity(use: ElectricityUse, stage: Stage, rules: Ruleset) -> ElectricityResult:
    """Both figures under the ruleset; raises `DisputedElectricity`."""
    total_kwh = use.energy.value_in(KILOWATT_HOUR)
    if total_kwh < 0:
        raise DisputedElectricity("energy", "a consumption is not negative")
    _check_instruments(use)
    bases, note = rules.words("electricity.bases")
    notes = [note]
    allowed = [one for one in use.instruments if one.basis in bases]
    shares = [ElectricityShare(one.energy, one.basis, one.intensity, one.certificate) for one in allowed]
    rest = use.energy.to(KILOWATT_HOUR)
    for share in shares:
        rest = rest - share.energy
    if rest.value < 0:
        raise DisputedElectricity(
            "instruments", f"they cover {float(-rest.value):.6g} kWh more than was used"
        )
    if rest.value:
        if use.residual is not None and MarketBasis.RESIDUAL in bases:
            shares.append(ElectricityShare(rest, MarketBasis.RESIDUAL, use.residual))
        else:
            shares.append(ElectricityShare(rest, MarketBasis.NATIONAL_CONSUMPTION, use.grid))
            if MarketBasis.RESIDUAL in bases:
                notes.append(_NO_RESIDUAL)
    by_market = StageVector()
    for share in shares:
        by_market = by_market + share.intensity.of(share.energy, stage)
    return ElectricityResult(
        by_location=use.grid.of(use.energy, stage),
        by_market=by_market,
        market_shares=tuple(shares),
        refused=tuple(one.certificate for one in use.instruments if one.basis not in bases),
        assumptions=tuple(notes),
    )


_OF_SUPPLIERS = frozenset({MarketBasis.DIRECTLY_CONNECTED, MarketBasis.SUPPLIER_SPECIFIC})
_NO_RESIDUAL = Assumption(
    key="electricity.residual",
    value="no residual mix is known, so the consumption mix of the grid stands for it",
    unit="",
    source="inventory",
    year=0,
    standing=Standing.ASSUMPTION,
)


def require_single_use(uses: Sequence[ElectricityUse]) -> None:
    """Raise `DisputedElectricity` for a certificate that stands behind two uses."""
    seen: set[str] = set()
    for use in uses:
        for one in use.instruments:
            if one.certificate in seen:
                raise DisputedElectricity(one.certificate, "it already covers other electricity")
            seen.add(one.certificate)


def _check_instruments(use: ElectricityUse) -> None:
    require_single_use((use,))
    for one in use.instruments:
        if one.energy.value_in(KILOWATT_HOUR) <= 0:
            raise DisputedElectricity(one.certificate, "the amount that it covers must be positive")
        if one.region != use.region:
            raise DisputedElectricity(
                one.certificate, f"it is for the grid of {one.region}, not of {use.region}"
            )
        if one.from_ms > use.from_ms or one.until_ms < use.until_ms:
            raise DisputedElectricity(one.certificate, "its period does not cover that of the consumption")
        if len(one.evidence_sha256) != 64:
            raise DisputedElectricity(one.certificate, "name the document that proves it by its SHA-256")
