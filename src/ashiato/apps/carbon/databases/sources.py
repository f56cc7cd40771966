"""From an open file of whichever known form to what the company can keep of it: a packed database, factors, and every fault."""

from collections.abc import Callable, Mapping, Sequence
from typing import IO

import msgspec

from ashiato.apps.carbon.background.errors import BackgroundRefused
from ashiato.apps.carbon.databases.factor_texts import factor_texts
from ashiato.apps.carbon.databases.packing import database_of, missing_of, packed
from ashiato.apps.carbon.databases.source_orders import MOST_TOLD_COUNT, Format, SourceOrder, SourceOutcome
from ashiato.apps.carbon.factors.backgrounds import Incomplete
from ashiato.apps.carbon.factors.datasets import Fault, Loss, Reading, UnreadableSource
from ashiato.apps.carbon.factors.greenhouse import NoReference, NotAggregated, factor_of
from ashiato.apps.carbon.factors.importers.archives import Archive, is_archive, read_bounded
from ashiato.apps.carbon.factors.importers.brightway import read_brightway
from ashiato.apps.carbon.factors.importers.ecospold2 import read_ecospold2
from ashiato.apps.carbon.factors.importers.ilcd import read_ilcd
from ashiato.apps.carbon.factors.importers.openlca import read_openlca
from ashiato.apps.carbon.factors.importers.simapro import read_simapro
from ashiato.apps.carbon.factors.licences import Licence
from ashiato.apps.carbon.factors.model import ContradictoryFactor, FactorSource
from ashiato.apps.carbon.factors.tables import MOST_BYTES, Table, csv_table

_SIMAPRO = (b"{SimaPro", b"\xef\xbb\xbf{SimaPro", b"{CSV", b"\xef\xbb\xbf{CSV")

Workbook = Callable[[bytes], Sequence[Table]]


def outcome_of(file: IO[bytes], order: SourceOrder, workbook: Workbook) -> tuple[SourceOutcome, bytes]:
    """What the file holds, and the packed database (nothing where none is wanted or it was refused).

    `workbook` reads an Excel file. Raises `UnreadableSource` where the file as a whole cannot be read.
    """
    reading = read_source(file, order.format, workbook)
    outcome = SourceOutcome(
        format=reading.format,
        activities_count=len(reading.activities),
        faults_count=len(reading.faults),
        faults=reading.faults[:MOST_TOLD_COUNT],
        losses_count=len(reading.losses),
        losses=reading.losses[:MOST_TOLD_COUNT],
    )
    if order.use != "background":
        outcome = _with_factors(outcome, reading, order)
    if order.use == "factors":
        return outcome, b""
    try:
        database = database_of(reading, understating_what_is_missing=order.allows_missing)
    except Incomplete as incomplete:
        missing = missing_of(incomplete.unlinked, incomplete.left_out)
        return msgspec.structs.replace(outcome, missing=missing), b""
    except BackgroundRefused as refused:
        fault = Fault(refused.where, "background_refused", refused.reason)
        return msgspec.structs.replace(outcome, refusal=fault), b""
    given = database.uncertain
    uncertain_count = sum(
        int((spread.kind > 1).sum()) for spread in (given.technosphere_spread, given.biosphere_spread)
    )
    done = msgspec.structs.replace(
        outcome,
        missing=database.missing,
        products_count=len(database.products),
        flows_count=len(database.flows),
        exchanges_count=given.technosphere.count + given.biosphere.count,
        uncertain_count=uncertain_count,
    )
    return done, packed(database)


def read_source(file: IO[bytes], wanted: Format, workbook: Workbook) -> Reading:
    """The file by the reader of its form, which "auto" recognises. Raises `UnreadableSource`."""
    match _recognised(file) if wanted == "auto" else wanted:
        case "ecospold2":
            return read_ecospold2(file)
        case "openlca":
            return read_openlca(file)
        case "ilcd":
            return read_ilcd(file)
        case "simapro":
            return read_simapro(read_bounded(file, MOST_BYTES))
        case _:
            data = read_bounded(file, MOST_BYTES)
            return read_brightway(workbook(data) if is_archive(file) else [csv_table(data)])


def _recognised(file: IO[bytes]) -> Format:
    if not is_archive(file):
        begins = file.read(1024)
        file.seek(0)
        if begins.startswith(_SIMAPRO):
            return "simapro"
        return "ecospold2" if b"ecoSpold" in begins else "brightway"
    archive = Archive(file)
    forms: tuple[tuple[str, Format], ...] = (
        (r"xl/workbook\.xml", "brightway"),
        (r"(?:.*/)?processes/[^/]+\.json", "openlca"),
        (r"(?:.*/)?ILCD/.*", "ilcd"),
        (r"(?:.*/)?processes/[^/]+\.xml", "ilcd"),
        (r"(?:.*/)?[^/]+\.(?:spold|xml)", "ecospold2"),
    )
    for pattern, form in forms:
        if archive.named(pattern):
            file.seek(0)
            return form
    raise UnreadableSource(
        "format_unknown", "the archive is of no known form: ecoSpold2, openLCA JSON-LD, ILCD or Excel"
    )


def _with_factors(outcome: SourceOutcome, reading: Reading, order: SourceOrder) -> SourceOutcome:
    """System processes as rows of the template of factors; unit processes are counted, one without one product is a fault."""
    flows = reading.flows_by_id()
    source = FactorSource(order.title, order.version, order.year)
    rows: list[Mapping[str, str]] = []
    losses: list[Loss] = []
    faults: list[Fault] = []
    unit_processes_count = 0
    for activity in reading.activities:
        try:
            factor, lost = factor_of(
                activity,
                flows,
                source=source,
                ownership=order.ownership,
                licence=Licence(order.licence_id),
                gwp_set_id=order.gwp_set_id,
            )
        except NotAggregated:
            unit_processes_count += 1
            continue
        except (NoReference, ContradictoryFactor) as fault:
            faults.append(Fault(activity.id, "factor_refused", fault.problem))
            continue
        losses += lost
        rows.append({**factor_texts(factor), "factor_id": f"{order.prefix}:{activity.id}"})
    return msgspec.structs.replace(
        outcome,
        factors=tuple(rows),
        unit_processes_count=unit_processes_count,
        faults_count=outcome.faults_count + len(faults),
        faults=(*outcome.faults, *faults)[:MOST_TOLD_COUNT],
        losses_count=outcome.losses_count + len(losses),
        losses=(*outcome.losses, *dict.fromkeys(losses))[:MOST_TOLD_COUNT],
    )
