"""The chain of eight companies from the refiners to the car: what each makes, from what, and where each number comes from.

The file in the package is read strictly: every number is a figure with a published source and its year, or with the reason why
it is assumed. Amounts are exact decimals as text.
"""

import tomllib
from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import cache
from importlib import resources
from typing import Annotated, Any, Literal

import msgspec

from ashiato.facts.footprints import Stage
from ashiato.facts.quantities import Quantity, find_unit, parse_decimal

CHAIN_FILE = "battery_chain.toml"
RATE = "kgCO2e/"

Text = Annotated[str, msgspec.Meta(min_length=1)]
Link = Annotated[str, msgspec.Meta(pattern=r"^https://[!-~]+$")]
Year = Annotated[int, msgspec.Meta(ge=1990, le=2100)]


class BadChain(Exception):
    """Whoever edits the data file must mend it; the sentence names the place."""


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Figure(_Table, frozen=True, kw_only=True):
    """One number: printed by a source at a place, or assumed for a reason; `how` says how it follows from what is printed."""

    value: Text
    unit: Text
    source: str = ""
    place: str = ""
    assumption: str = ""
    how: str = ""

    @property
    def number(self) -> Fraction:
        return parse_decimal(self.value)

    @property
    def assumed(self) -> bool:
        return bool(self.assumption)

    @property
    def quantity(self) -> Quantity:
        """The figure as an amount; raises `quantities.UnknownUnit` for a rate."""
        return Quantity(self.number, find_unit(self.unit))


class Source(_Table, frozen=True, kw_only=True):
    """A publication."""

    id: Text
    author: Text
    title: Text
    year: Year
    url: Link


class Factor(_Table, frozen=True, kw_only=True):
    """Something that a company buys outside of the chain or burns, in kgCO2e per unit."""

    name: Text
    intensity: Figure


class Grid(_Table, frozen=True, kw_only=True):
    """The electricity of a country, in kgCO2e per kWh."""

    intensity: Figure


class Recycling(_Table, frozen=True, kw_only=True):
    """How a metal is recycled: the kind that names the ruleset's A, the share R2, and the factor of the recycled metal."""

    kind: Text
    r2: Figure
    recycled: Text


class Company(_Table, frozen=True, kw_only=True):
    """One of the eight. `country` is the one of its plant, whose electricity it takes."""

    slug: Text
    name: Text
    name_ja: Text
    country: Text
    role: Text


class Part(_Table, frozen=True, kw_only=True):
    """What a product holds of another company's product."""

    product: Text
    amount: Figure


class Line(_Table, frozen=True, kw_only=True):
    """One line of a company's own inventory; `in_balance` is false for what does not become part of the product."""

    key: Text
    kind: Literal["material", "electricity", "fuel", "fuel_supply", "transport", "direct"]
    amount: Figure
    factor: str = ""
    gas: str = ""
    stage: Stage | None = None
    recycling: str = ""
    in_balance: bool = True


class Flow(_Table, frozen=True, kw_only=True):
    """Mass that enters from the air or leaves without becoming the product; it carries no emissions of its own."""

    key: Text
    direction: Literal["in", "out"]
    amount: Figure


class Product(_Table, frozen=True, kw_only=True):
    """What a company sells, with its bill for one declared unit. `stage` is that of lines which name none."""

    id: Text
    company: Text
    name: Text
    name_ja: Text
    unit: Text
    stage: Stage
    mass_kg: Figure
    chemistry: str = ""
    parts: tuple[Part, ...] = ()
    lines: tuple[Line, ...] = ()
    flows: tuple[Flow, ...] = ()


class Battery(_Table, frozen=True, kw_only=True):
    """What the functional unit needs of a battery."""

    vehicle_category: Text
    rated_kwh: Figure
    usable_kwh: Figure
    warranty_years: Figure
    warranty_km: Figure
    warranty_capacity: Figure


class Band(_Table, frozen=True, kw_only=True):
    """A published distribution, cradle to gate, in kgCO2e per kWh of capacity."""

    low: Figure
    median: Figure
    high: Figure


class Check(_Table, frozen=True, kw_only=True):
    """A published value of a product like one of the chain's."""

    value: Figure


class Ratings(_Table, frozen=True, kw_only=True):
    """Data quality of published and of assumed figures: technological, geographical, temporal."""

    published: tuple[str, str, str]
    assumed: tuple[str, str, str]
    assumption: Text


class Swap(_Table, frozen=True, kw_only=True):
    """A company buys other products than before: new ones by old ones."""

    company: Text
    products: dict[str, str]


class Chain(_Table, frozen=True, kw_only=True):
    """The whole file."""

    sources: tuple[Source, ...]
    bands: dict[str, Band]
    checks: dict[str, Check]
    quality: Ratings
    grids: dict[str, Grid]
    factors: dict[str, Factor]
    recycling: dict[str, Recycling]
    companies: tuple[Company, ...]
    products: tuple[Product, ...]
    batteries: dict[str, Battery]
    swap: Swap

    def source(self, source_id: str) -> Source:
        """The publication of that id."""
        return next(source for source in self.sources if source.id == source_id)

    def company(self, slug: str) -> Company:
        """The company of that slug."""
        return next(company for company in self.companies if company.slug == slug)

    def product(self, product_id: str) -> Product:
        """The product of that id."""
        return next(product for product in self.products if product.id == product_id)

    def made_by(self, slug: str) -> tuple[Product, ...]:
        """The products of a company."""
        return tuple(product for product in self.products if product.company == slug)

    def intensity(self, product: Product, line: Line) -> Figure:
        """kgCO2e per unit of the line's activity; a line of direct emissions has none."""
        if line.kind == "electricity":
            return self.grids[self.company(product.company).country].intensity
        return self.factors[line.factor].intensity


def figures(value: object) -> Iterator[Figure]:
    """Every figure in a part of the chain."""
    if isinstance(value, Figure):
        yield value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from figures(getattr(value, name))
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from figures(inner)
    elif isinstance(value, tuple):
        for inner in value:
            yield from figures(inner)


def read_chain(content: bytes) -> Chain:
    """The chain in `content`; raises `BadChain` when it has another shape or names what is not in it."""
    try:
        chain = msgspec.convert(tomllib.loads(content.decode("utf-8")), Chain)
    except (ValueError, msgspec.ValidationError) as error:
        raise BadChain(f"The data of the chain do not have their shape: {error}") from None
    sources = {source.id for source in chain.sources}
    for figure in figures(chain):
        if bool(figure.source) is figure.assumed:
            raise BadChain(f"{figure} must name its source or say that it is assumed, and not both.")
        if figure.source and (figure.source not in sources or not figure.place):
            raise BadChain(f"{figure} must name a source of the list and the place in it.")
        parse_decimal(figure.value)
    _require(
        "company", {product.company for product in chain.products}, {one.slug for one in chain.companies}
    )
    products = {product.id for product in chain.products}
    _require("product", {part.product for product in chain.products for part in product.parts}, products)
    _require("battery", set(chain.batteries), products)
    _require("swapped product", {*chain.swap.products, *chain.swap.products.values()}, products)
    _require("grid", {company.country for company in chain.companies}, set(chain.grids))
    for product in chain.products:
        _check_lines(chain, product)
    return chain


@cache
def battery_chain() -> Chain:
    """The chain in the package."""
    return read_chain((resources.files("ashiato.wiring") / "demo_data" / CHAIN_FILE).read_bytes())


def _check_lines(chain: Chain, product: Product) -> None:
    """Each line names a factor, or needs none, and its amount is counted in the factor's unit."""
    for line in product.lines:
        where = f"{product.id}, {line.key}"
        if line.kind == "direct":
            if not line.gas or line.amount.unit != "kg":
                raise BadChain(f"{where}: direct emissions name their gas and are given in kg.")
            continue
        if line.kind != "electricity":
            _require(f"factor of {where}", {line.factor}, set(chain.factors))
        if line.recycling:
            _require(f"recycling of {where}", {line.recycling}, set(chain.recycling))
        unit = chain.intensity(product, line).unit
        if unit != RATE + line.amount.unit:
            raise BadChain(f"{where}: the amount is in {line.amount.unit}, its intensity in {unit}.")


def _require(what: str, named: set[str], there: set[Any]) -> None:
    if missing := sorted(named - there):
        raise BadChain(f"There is no such {what}: {missing}.")
