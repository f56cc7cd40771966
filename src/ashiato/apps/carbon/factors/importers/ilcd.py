"""ILCD 1.1 (ELCD, EF datasets of the European Commission): a zip archive with one XML file per dataset.

Amounts of exchanges are in the reference unit of the flow, as the format has it.
"""

from decimal import Decimal
from typing import IO

import msgspec

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
from ashiato.apps.carbon.factors.importers.archives import Archive, ArchiveBounds
from ashiato.apps.carbon.factors.importers.xml_tree import Element, parse_xml
from ashiato.apps.carbon.factors.numerals import UnreadableNumber, divided, log_of, parse_amount

_EVERYWHERE = "every dataset"
_READ = ("processes", "flows", "flowproperties", "unitgroups")
_TWO = Decimal(2)


class _KnownFlow(msgspec.Struct, frozen=True):
    flow: Flow
    waste: bool


def read_ilcd(file: IO[bytes], bounds: ArchiveBounds | None = None) -> Reading:
    """Every process of the archive. Raises `UnreadableSource` where the file as a whole is none of this format."""
    archive = Archive(file, bounds)
    processes = archive.named(r"(?:.*/)?processes/[^/]+\.xml")
    if not processes:
        raise UnreadableSource("format_missing", "the archive holds no processes/*.xml of ILCD")
    collector = Collector("ILCD")
    package = _Package(archive, collector)
    for name in archive.names:
        folder = name.split("/")[-2].lower() if "/" in name else ""
        if name.lower().endswith(".xml") and folder and folder not in _READ:
            collector.loss(folder, "files of a kind that is not read")
    for name in processes:
        try:
            package.take(name, parse_xml(archive.read(name)))
        except (UnreadableNumber, UnreadableSource) as unreadable:
            collector.fault(name, unreadable.code, unreadable.problem)
    return collector.reading()


class _Package:
    """What the processes refer to: flows with the reference units of their reference properties."""

    def __init__(self, archive: Archive, collector: Collector) -> None:
        self._collector = collector
        group_units = {
            _uuid(group, "unitGroupInformation"): _reference_unit(group)
            for group in self._all(archive, "unitgroups")
        }
        self._property_units = {}
        for found in self._all(archive, "flowproperties"):
            group = found.find(
                "flowPropertiesInformation", "quantitativeReference", "referenceToReferenceUnitGroup"
            )
            self._property_units[_uuid(found, "flowPropertiesInformation")] = (
                group_units.get(group.get("refObjectId"), "") if group is not None else ""
            )
        self._flows = {
            _uuid(flow, "flowInformation"): self._known(flow) for flow in self._all(archive, "flows")
        }

    def _all(self, archive: Archive, folder: str) -> list[Element]:
        found = []
        for name in archive.named(rf"(?:.*/)?{folder}/[^/]+\.xml"):
            try:
                found.append(parse_xml(archive.read(name)))
            except UnreadableSource as unreadable:
                self._collector.fault(name, unreadable.code, unreadable.problem)
        return found

    def _known(self, flow: Element) -> _KnownFlow:
        information = flow.find("flowInformation", "dataSetInformation")
        name = information.text_of("name", "baseName") if information is not None else ""
        categories = (
            information.find("classificationInformation", "elementaryFlowCategorization")
            if information is not None
            else None
        )
        form = flow.text_of("modellingAndValidation", "LCIMethod", "typeOfDataSet")
        wanted = flow.text_of("flowInformation", "quantitativeReference", "referenceToReferenceFlowProperty")
        unit = ""
        properties = flow.find("flowProperties")
        for found in properties.all("flowProperty") if properties is not None else ():
            reference = found.find("referenceToFlowPropertyDataSet")
            if found.get("dataSetInternalID") == wanted and reference is not None:
                unit = self._property_units.get(reference.get("refObjectId"), "")
        return _KnownFlow(
            Flow(
                _uuid(flow, "flowInformation"),
                name,
                unit,
                form == "Elementary flow",
                tuple(level.text for level in categories.all("category")) if categories is not None else (),
                information.text_of("CASNumber") if information is not None else "",
            ),
            waste=form == "Waste flow",
        )

    def take(self, where: str, process: Element) -> None:
        """Keeps the process, or raises before anything of it is kept."""
        information = process.find("processInformation")
        described = information.find("dataSetInformation") if information is not None else None
        if information is None or described is None or not described.text_of("UUID"):
            raise UnreadableSource("dataset_incomplete", "the process has no UUID")
        reference = information.find("quantitativeReference")
        references = (
            {element.text for element in reference.all("referenceToReferenceFlow")}
            if reference is not None
            else set()
        )
        exchanges = process.find("exchanges")
        read = [
            self._exchange(exchange, references)
            for exchange in (exchanges.all("exchange") if exchanges is not None else ())
        ]
        for flow, _ in read:
            self._collector.flow(flow)
        if information.find("mathematicalRelations") is not None:
            self._collector.loss(_EVERYWHERE, "parameters and formulas; the resulting amounts are kept")
        place = information.find("geography", "locationOfOperationSupplyOrProduction")
        owner = process.find("administrativeInformation", "publicationAndOwnership")
        self._collector.activity(
            Activity(
                id=described.text_of("UUID"),
                name=", ".join(
                    filter(
                        None,
                        (
                            described.text_of("name", part)
                            for part in ("baseName", "treatmentStandardsRoutes", "mixAndLocationTypes")
                        ),
                    )
                ),
                location=place.get("location") if place is not None else "",
                first_year=_year(information.text_of("time", "referenceYear")),
                last_year=_year(information.text_of("time", "dataSetValidUntil")),
                exchanges=tuple(exchange for _, exchange in read),
                results=tuple(_results(process)),
                version=owner.text_of("dataSetVersion") if owner is not None else "",
                copyright="protected" if owner is not None and owner.text_of("copyright") == "true" else "",
                restriction="; ".join(
                    filter(None, (owner.text_of("licenseType"), owner.text_of("accessRestrictions")))
                )
                if owner is not None
                else "",
            ),
            where,
        )

    def _exchange(self, exchange: Element, references: set[str]) -> tuple[Flow, Exchange]:
        reference = exchange.find("referenceToFlowDataSet")
        flow_id = reference.get("refObjectId") if reference is not None else ""
        known = self._flows.get(flow_id)
        if known is None:
            raise UnreadableSource(
                "flow_unknown", f"the flow {flow_id or 'without id'} is not in the archive"
            )
        amount = parse_amount(exchange.text_of("resultingAmount") or exchange.text_of("meanAmount"))
        told = exchange.text_of("exchangeDirection")
        if told not in {"Input", "Output"}:
            raise UnreadableSource("exchange_group", f"{known.flow.name!r} is neither input nor output")
        incoming = told == "Input"
        direction: Direction = "input" if incoming else "output"
        kind: ExchangeKind
        if known.flow.elementary:
            kind = "elementary"
        elif exchange.get("dataSetInternalID") in references:
            kind = "reference"
        elif known.waste is incoming:
            kind = "coproduct"
        else:
            kind = "waste" if known.waste else "product"
        return known.flow, Exchange(
            flow_id,
            kind,
            direction,
            amount,
            known.flow.unit,
            location=exchange.text_of("location"),
            uncertainty=_uncertainty(exchange, amount),
        )


def _uuid(dataset: Element, information: str) -> str:
    return dataset.text_of(information, "dataSetInformation", "UUID")


def _reference_unit(group: Element) -> str:
    wanted = group.text_of("unitGroupInformation", "quantitativeReference", "referenceToReferenceUnit")
    units = group.find("units")
    return next(
        (
            unit.text_of("name")
            for unit in (units.all("unit") if units is not None else ())
            if unit.get("dataSetInternalID") == wanted
        ),
        "",
    )


def _results(process: Element) -> list[CalculatedResult]:
    """The figures of LCIAResults. The format names the method; its unit stands elsewhere and is left empty."""
    found = process.find("LCIAResults")
    return [
        CalculatedResult(
            "",
            result.text_of("referenceToLCIAMethodDataSet", "shortDescription"),
            parse_amount(result.text_of("meanAmount")),
            "",
        )
        for result in (found.all("LCIAResult") if found is not None else ())
    ]


def _uncertainty(exchange: Element, amount: Decimal) -> Uncertainty | None:
    """`relativeStandardDeviation95In` is the squared geometric deviation (log-normal) or twice the deviation (normal)."""
    wide = exchange.text_of("relativeStandardDeviation95In")
    least, most = exchange.text_of("minimumAmount"), exchange.text_of("maximumAmount")
    match exchange.text_of("uncertaintyDistributionType"):
        case "log-normal" if wide:
            return Uncertainty("lognormal", centre=amount, spread=divided(log_of(parse_amount(wide)), _TWO))
        case "normal" if wide:
            return Uncertainty("normal", centre=amount, spread=divided(parse_amount(wide), _TWO))
        case "triangular" if least and most:
            return Uncertainty(
                "triangular", centre=amount, minimum=parse_amount(least), maximum=parse_amount(most)
            )
        case "uniform" if least and most:
            return Uncertainty("uniform", minimum=parse_amount(least), maximum=parse_amount(most))
    return None


def _year(text: str) -> int | None:
    return int(text[:4]) if text[:4].isascii() and text[:4].isdecimal() else None
