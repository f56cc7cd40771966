"""ecoSpold2 (ecoinvent, EcoSpold02.xsd 2.0): single `.spold` files or a zip archive of them.

Read are unit processes, allocated or not, and system processes with their own impact results. The names of amounts are those of
the schema: `mu` and `variance` of a lognormal are of the natural logarithm.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import IO

from ashiato.apps.carbon.factors.datasets import (
    Activity,
    CalculatedResult,
    Collector,
    Direction,
    Exchange,
    ExchangeKind,
    Flow,
    Reading,
    Uncertainty,
    UnreadableSource,
)
from ashiato.apps.carbon.factors.importers.archives import Archive, ArchiveBounds, is_archive, read_bounded
from ashiato.apps.carbon.factors.importers.xml_tree import Element, XmlBounds, parse_xml
from ashiato.apps.carbon.factors.numerals import UnreadableNumber, parse_amount, root_of

_REFERENCE_GROUP = "0"
_TREATMENT_GROUP = "3"
_EVERYWHERE = "every dataset"
# EcoSpold02: 0 public, 1 licensees, 2 results only, 3 restricted.
_RESTRICTIONS = {"0": "public", "1": "licensees", "2": "results only", "3": "restricted"}


def read_ecospold2(file: IO[bytes], bounds: ArchiveBounds | None = None) -> Reading:
    """Every dataset of the file. Raises `UnreadableSource` where the file as a whole is none of this format."""
    collector = Collector("ecoSpold2")
    if not is_archive(file):
        _take(collector, "the file", read_bounded(file, XmlBounds().most_bytes), alone=True)
        return collector.reading()
    archive = Archive(file, bounds)
    names = archive.named(r"(?:.*/)?[^/]+\.(?:spold|xml)")
    if not names:
        raise UnreadableSource("format_missing", "the archive holds no .spold file")
    for name in names:
        _take(collector, name, archive.read(name), alone=False)
    return collector.reading()


def _take(collector: Collector, where: str, data: bytes, *, alone: bool) -> None:
    try:
        root = parse_xml(data)
    except UnreadableSource as unreadable:
        if alone:
            raise
        collector.fault(where, unreadable.code, unreadable.problem)
        return
    datasets = [child for child in root.children if child.name in {"activityDataset", "childActivityDataset"}]
    if root.name != "ecoSpold" or not datasets:
        if alone:
            raise UnreadableSource("format_missing", "the document holds no ecoSpold2 activity dataset")
        if not where.endswith(".xml"):
            collector.fault(where, "format_missing", "the document holds no ecoSpold2 activity dataset")
        return
    for dataset in datasets:
        try:
            _take_dataset(collector, where, dataset)
        except UnreadableNumber as unreadable:
            collector.fault(where, unreadable.code, unreadable.problem)
        except UnreadableSource as unreadable:
            collector.fault(where, unreadable.code, unreadable.problem)


def _take_dataset(collector: Collector, where: str, dataset: Element) -> None:
    description = dataset.find("activityDescription")
    activity = description.find("activity") if description is not None else None
    flow_data = dataset.find("flowData")
    if description is None or activity is None or flow_data is None:
        raise UnreadableSource("dataset_incomplete", "activityDescription or flowData is missing")
    flows: list[Flow] = []
    exchanges = [
        exchange
        for element in flow_data.all("intermediateExchange")
        if (exchange := _intermediate(element, flows.append)) is not None
    ]
    exchanges += [_elementary(element, flows.append) for element in flow_data.all("elementaryExchange")]
    results = tuple(_result(element) for element in flow_data.all("impactIndicator"))
    _note_losses(collector, flow_data)
    products = [exchange.flow_id for exchange in exchanges if exchange.kind == "reference"]
    if not activity.get("id"):
        raise UnreadableSource("dataset_incomplete", "the activity has no id")
    for flow in flows:
        collector.flow(flow)
    first_year, last_year = _years(description.find("timePeriod"))
    publication = dataset.find("administrativeInformation", "dataGeneratorAndPublication")
    collector.activity(
        Activity(
            # The product is part of the identity: an allocated activity is one dataset for each of its products.
            id="_".join([activity.get("id"), *products[:1]]),
            name=activity.text_of("activityName"),
            location=description.text_of("geography", "shortname"),
            first_year=first_year,
            last_year=last_year,
            exchanges=tuple(exchanges),
            results=results,
            version=_version(dataset.find("administrativeInformation", "fileAttributes")),
            copyright="protected"
            if publication is not None and publication.get("isCopyrightProtected") == "true"
            else "",
            restriction=_RESTRICTIONS.get(publication.get("accessRestrictedTo"), "")
            if publication is not None
            else "",
        ),
        where,
    )


def _intermediate(element: Element, keep: Callable[[Flow], object]) -> Exchange | None:
    """None for a product of nothing: an allocated dataset lists its siblings with the amount 0."""
    amount = parse_amount(element.get("amount"))
    output_group, input_group = element.text_of("outputGroup"), element.text_of("inputGroup")
    if not output_group and not input_group:
        raise UnreadableSource("exchange_group", f"{element.text_of('name')!r} is neither input nor output")
    kind: ExchangeKind = "product"
    if output_group == _REFERENCE_GROUP:
        if not amount:
            return None
        kind = "reference"
    elif output_group:
        kind = "waste" if output_group == _TREATMENT_GROUP else "coproduct"
    flow_id = _required(element, "intermediateExchangeId")
    keep(
        Flow(
            flow_id, element.text_of("name"), element.text_of("unitName"), cas_number=element.get("casNumber")
        )
    )
    link = element.get("activityLinkId")
    return Exchange(
        flow_id,
        kind,
        "output" if output_group else "input",
        amount,
        element.text_of("unitName"),
        provider_id=f"{link}_{flow_id}" if link and kind != "reference" else "",
        uncertainty=_uncertainty(element, amount),
    )


def _elementary(element: Element, keep: Callable[[Flow], object]) -> Exchange:
    amount = parse_amount(element.get("amount"))
    direction: Direction = "output" if element.text_of("outputGroup") else "input"
    flow_id = _required(element, "elementaryExchangeId")
    compartment = element.find("compartment")
    places = (
        tuple(text for name in ("compartment", "subcompartment") if (text := compartment.text_of(name)))
        if compartment is not None
        else ()
    )
    unit = element.text_of("unitName")
    keep(Flow(flow_id, element.text_of("name"), unit, True, places, element.get("casNumber")))
    return Exchange(flow_id, "elementary", direction, amount, unit, uncertainty=_uncertainty(element, amount))


def _required(element: Element, attribute: str) -> str:
    value = element.get(attribute)
    if not value:
        raise UnreadableSource("dataset_incomplete", f"{element.text_of('name')!r} has no {attribute}")
    return value


def _result(element: Element) -> CalculatedResult:
    return CalculatedResult(
        element.text_of("impactMethodName"),
        f"{element.text_of('impactCategoryName')}, {element.text_of('name')}",
        parse_amount(element.get("amount")),
        element.text_of("unitName"),
    )


def _uncertainty(exchange: Element, amount: Decimal) -> Uncertainty | None:
    """The spread with the pedigree in it, where both are given. Beta, gamma, binomial and undefined ones have no place."""
    found = exchange.find("uncertainty")
    if found is None:
        return None
    for shape in found.children:
        if shape.name in {"lognormal", "normal"}:
            variance = shape.get("varianceWithPedigreeUncertainty") or shape.get("variance")
            if not variance:
                return None
            return Uncertainty(
                "lognormal" if shape.name == "lognormal" else "normal",
                centre=amount,
                spread=root_of(parse_amount(variance)),
            )
        if shape.name == "triangular":
            return Uncertainty(
                "triangular",
                centre=parse_amount(shape.get("mostLikelyValue")),
                minimum=parse_amount(shape.get("minValue")),
                maximum=parse_amount(shape.get("maxValue")),
            )
        if shape.name == "uniform":
            return Uncertainty(
                "uniform",
                minimum=parse_amount(shape.get("minValue")),
                maximum=parse_amount(shape.get("maxValue")),
            )
    return None


def _note_losses(collector: Collector, flow_data: Element) -> None:
    for exchange in flow_data.children:
        if exchange.find("property") is not None:
            collector.loss(_EVERYWHERE, "properties of exchanges (price, dry mass, carbon content)")
        if exchange.get("mathematicalRelation"):
            collector.loss(_EVERYWHERE, "formulas behind amounts; the amounts that they gave are kept")
        if exchange.name == "parameter":
            collector.loss(_EVERYWHERE, "parameters of formulas")
        for shape in ("beta", "gamma", "binomial", "undefined"):
            if exchange.find("uncertainty", shape) is not None:
                collector.loss(_EVERYWHERE, f"uncertainties of the form {shape}")


def _years(period: Element | None) -> tuple[int | None, int | None]:
    if period is None:
        return None, None
    years = [period.get(end)[:4] for end in ("startDate", "endDate")]
    first, last = (int(year) if year.isdecimal() and year.isascii() else None for year in years)
    return first, last


def _version(attributes: Element | None) -> str:
    if attributes is None:
        return ""
    return ".".join(filter(None, (attributes.get("majorRelease"), attributes.get("minorRelease"))))
