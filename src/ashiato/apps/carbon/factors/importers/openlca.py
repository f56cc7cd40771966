"""openLCA JSON-LD (olca-schema 1 and 2): a zip archive with one JSON file per dataset.

Amounts are brought to the reference unit of their flow, so that supplier and user count in the same unit.
"""

from decimal import Decimal
from typing import IO

from ashiato.apps.carbon.factors.datasets import (
    Activity,
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
from ashiato.apps.carbon.factors.importers.members import (
    Object,
    amount_of,
    flag_at,
    object_at,
    objects_at,
    parse_object,
    text_at,
)
from ashiato.apps.carbon.factors.numerals import UnreadableNumber, divided, log_of, times

_READ = ("processes", "flows", "flow_properties", "unit_groups", "locations")
_EVERYWHERE = "every dataset"
_ONE = Decimal(1)


def read_openlca(file: IO[bytes], bounds: ArchiveBounds | None = None) -> Reading:
    """Every process of the archive. Raises `UnreadableSource` where the file as a whole is none of this format."""
    archive = Archive(file, bounds)
    processes = archive.named(r"(?:.*/)?processes/[^/]+\.json")
    if not processes:
        raise UnreadableSource("format_missing", "the archive holds no processes/*.json of openLCA")
    collector = Collector("openLCA JSON-LD")
    package = _Package(archive, collector)
    _note_folders(archive, collector)
    for name in processes:
        try:
            package.take(name, parse_object(archive.read(name)))
        except (UnreadableNumber, UnreadableSource) as unreadable:
            collector.fault(name, unreadable.code, unreadable.problem)
    return collector.reading()


def _note_folders(archive: Archive, collector: Collector) -> None:
    folders: dict[str, int] = {}
    for name in archive.names:
        folder = name.split("/")[-2] if "/" in name else ""
        if folder and folder not in _READ:
            folders[folder] = folders.get(folder, 0) + 1
    for folder, count in folders.items():
        collector.loss(folder, f"{count} files of a kind that is not read")


class _Package:
    """What the processes refer to: flows with their reference units, units with their factors, places."""

    def __init__(self, archive: Archive, collector: Collector) -> None:
        self._collector = collector
        self._flows = {text_at(flow, "@id"): flow for flow in self._all(archive, "flows")}
        self._places = {
            text_at(place, "@id"): text_at(place, "code") for place in self._all(archive, "locations")
        }
        groups = {text_at(group, "@id"): group for group in self._all(archive, "unit_groups")}
        self._factors: dict[str, Decimal] = {}
        reference_units: dict[str, str] = {}
        for group_id, group in groups.items():
            for unit in objects_at(group, "units"):
                factor = amount_of(unit, "conversionFactor")
                self._factors[text_at(unit, "@id")] = _ONE if factor is None else factor
                if flag_at(unit, "isRefUnit", "referenceUnit"):
                    reference_units[group_id] = text_at(unit, "name")
        self._property_units = {
            text_at(found, "@id"): reference_units.get(text_at(found, "unitGroup", "@id"), "")
            for found in self._all(archive, "flow_properties")
        }

    def _all(self, archive: Archive, folder: str) -> list[Object]:
        found = []
        for name in archive.named(rf"(?:.*/)?{folder}/[^/]+\.json"):
            try:
                found.append(parse_object(archive.read(name)))
            except UnreadableSource as unreadable:
                self._collector.fault(name, unreadable.code, unreadable.problem)
        return found

    def take(self, where: str, process: Object) -> None:
        """Keeps the process, or raises before anything of it is kept."""
        process_id = text_at(process, "@id")
        if not process_id:
            raise UnreadableSource("dataset_incomplete", "the process has no @id")
        read = [self._exchange(exchange) for exchange in objects_at(process, "exchanges")]
        for flow, _ in read:
            self._collector.flow(flow)
        if next(objects_at(process, "allocationFactors"), None) is not None:
            self._collector.loss(
                _EVERYWHERE, "allocation factors; co-products are kept and must be allocated"
            )
        if next(objects_at(process, "parameters"), None) is not None:
            self._collector.loss(_EVERYWHERE, "parameters and formulas; the amounts that they gave are kept")
        documents = object_at(process, "processDocumentation")
        place = object_at(process, "location")
        self._collector.activity(
            Activity(
                id=process_id,
                name=text_at(process, "name"),
                location=self._places.get(text_at(place, "@id")) or text_at(place, "name"),
                first_year=_year(text_at(documents, "validFrom")),
                last_year=_year(text_at(documents, "validUntil")),
                exchanges=tuple(exchange for _, exchange in read),
                version=text_at(process, "version"),
                copyright="protected" if flag_at(documents, "isCopyrightProtected", "copyright") else "",
                restriction=text_at(documents, "restrictionsDescription"),
            ),
            where,
        )

    def _exchange(self, exchange: Object) -> tuple[Flow, Exchange]:
        flow, elementary, waste = self._flow(object_at(exchange, "flow"))
        amount = amount_of(exchange, "amount")
        if amount is None:
            raise UnreadableSource("exchange_amount", f"{flow.name!r} has no amount")
        scale, unit = self._scale(exchange, flow)
        if not flow.unit:
            flow = Flow(flow.id, flow.name, unit, flow.elementary, flow.compartment, flow.cas_number)
        incoming = flag_at(exchange, "isInput", "input")
        direction: Direction = "input" if incoming else "output"
        kind: ExchangeKind
        if elementary:
            kind = "elementary"
        elif flag_at(exchange, "isQuantitativeReference", "quantitativeReference"):
            kind = "reference"
        elif flag_at(exchange, "isAvoidedProduct", "avoidedProduct"):
            kind, direction = "avoided", "output"
        elif waste is incoming:
            # A product that leaves, or a waste that comes in, beside the reference: one more thing that the process does.
            kind = "coproduct"
        else:
            kind = "waste" if waste else "product"
        return flow, Exchange(
            flow.id,
            kind,
            direction,
            times(amount, scale),
            unit,
            provider_id=text_at(exchange, "defaultProvider", "@id"),
            uncertainty=_uncertainty(object_at(exchange, "uncertainty"), times(amount, scale), scale),
        )

    def _flow(self, reference: Object) -> tuple[Flow, bool, bool]:
        """The flow, and whether it is elementary and whether it is a waste."""
        flow_id = text_at(reference, "@id")
        if not flow_id:
            raise UnreadableSource("dataset_incomplete", "an exchange names no flow")
        full = self._flows.get(flow_id, reference)
        form = text_at(full, "flowType")
        if form not in {"ELEMENTARY_FLOW", "PRODUCT_FLOW", "WASTE_FLOW"}:
            raise UnreadableSource(
                "flow_unknown", f"the flow {flow_id} is not in the archive and has no flowType"
            )
        category = full.get("category")
        path = category if isinstance(category, str) else text_at(object_at(full, "category"), "name")
        elementary = form == "ELEMENTARY_FLOW"
        places = tuple(part for part in path.split("/") if part and part != "Elementary flows")
        flow = Flow(
            flow_id,
            text_at(full, "name"),
            self._property_units.get(self._reference_property(full)[0], ""),
            elementary,
            places if elementary else (),
            text_at(full, "cas"),
        )
        return flow, elementary, form == "WASTE_FLOW"

    @staticmethod
    def _reference_property(flow: Object) -> tuple[str, dict[str, Decimal]]:
        factors: dict[str, Decimal] = {}
        reference = ""
        for found in objects_at(flow, "flowProperties"):
            property_id = text_at(found, "flowProperty", "@id")
            factors[property_id] = amount_of(found, "conversionFactor") or _ONE
            if flag_at(found, "isRefFlowProperty", "referenceFlowProperty"):
                reference = property_id
        return reference, factors

    def _scale(self, exchange: Object, flow: Flow) -> tuple[Decimal, str]:
        """By what the amount is multiplied to stand in the flow's reference unit, and that unit."""
        unit_name = text_at(exchange, "unit", "name")
        if not unit_name and not text_at(exchange, "unit", "@id"):
            return _ONE, flow.unit
        unit_factor = self._factors.get(text_at(exchange, "unit", "@id"))
        reference, factors = self._reference_property(self._flows.get(flow.id, {}))
        property_id = text_at(exchange, "flowProperty", "@id") or reference
        if unit_factor is None or not flow.unit or property_id not in factors:
            self._collector.loss(
                _EVERYWHERE, "units that the archive does not define; amounts stay as they are"
            )
            return _ONE, unit_name
        return divided(unit_factor, factors[property_id]), flow.unit


def _uncertainty(found: Object, amount: Decimal, scale: Decimal) -> Uncertainty | None:
    form = text_at(found, "distributionType")
    spread = amount_of(found, "geomSd" if form == "LOG_NORMAL_DISTRIBUTION" else "sd")
    ends = [amount_of(found, name) for name in ("minimum", "mode", "maximum")]
    least, mode, most = (None if value is None else times(value, scale) for value in ends)
    match form:
        case "LOG_NORMAL_DISTRIBUTION" if spread is not None:
            return Uncertainty("lognormal", centre=amount, spread=log_of(spread))
        case "NORMAL_DISTRIBUTION" if spread is not None:
            return Uncertainty("normal", centre=amount, spread=abs(times(spread, scale)))
        case "TRIANGLE_DISTRIBUTION":
            return Uncertainty("triangular", centre=mode, minimum=least, maximum=most)
        case "UNIFORM_DISTRIBUTION":
            return Uncertainty("uniform", minimum=least, maximum=most)
    return None


def _year(date: str) -> int | None:
    return int(date[:4]) if date[:4].isascii() and date[:4].isdecimal() else None
