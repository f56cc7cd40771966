"""What the company keeps of databases, and who may do what with it: every figure stands under the licence of its database."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Literal

import msgspec

from ashiato.apps.carbon.databases.ports import BACKGROUNDS, KeptBackground
from ashiato.apps.carbon.databases.source_orders import SourceOrder, SourceOutcome
from ashiato.apps.carbon.factors.datasets import Fault
from ashiato.apps.carbon.factors.licences import ENGLISH, Act, Person, may
from ashiato.apps.carbon.factors.plausibility import Warned
from ashiato.apps.carbon.factors.tables import EMPTY, Cell, Table
from ashiato.apps.carbon.templates.columns import Language
from ashiato.apps.carbon.templates.factor_rows import FACTORS
from ashiato.apps.carbon.templates.importing import Report
from ashiato.apps.carbon.templates.keeping import bring_in, kept_licences
from ashiato.connector.offers import note
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import Invalid, NotFound, NotPermitted
from ashiato.facts.decisions import Decision, Reason

Outcome = Literal["new", "changed", "same", "none"]
_HEADINGS = tuple(column.key for column in FACTORS.columns)


class SourceReport(msgspec.Struct, frozen=True, kw_only=True):
    """What came, or in a trial would come, of a file. Unless `is_good` nothing was stored, neither database nor factors."""

    is_good: bool
    background: Outcome = "none"
    factors: Report | None = None
    faults: tuple[Fault, ...] = ()
    warnings: tuple[Warned, ...] = ()


def check_licence(uow: UnitOfWork, licence_id: str) -> None:
    """Raises `Invalid` unless the licence was entered: without one nobody would have a right to anything."""
    if licence_id not in kept_licences(uow):
        raise Invalid(f"No licence {licence_id} is known here; enter the licence first.", path="licence")


def known(uow: UnitOfWork, background_id: str) -> KeptBackground:
    """What is known of the database; raises `NotFound`."""
    found = uow.room(BACKGROUNDS).get(background_id)
    if found is None:
        raise NotFound(f"There is no background database {background_id}.", id=background_id)
    return found


def right_to(uow: UnitOfWork, kept: KeptBackground, act: Act, person: Person, now_ms: int) -> Decision:
    """Whether the person may do that with what the database says. A licence that was taken away allows nothing."""
    licence = kept_licences(uow).get(kept.licence_id)
    if licence is None:
        return Decision(
            permitted=False,
            reasons=(Reason("licence_gone", satisfied=False, fields=(("licence", kept.licence_id),)),),
        )
    return may(act, licence, person, now_ms)


def reasons_in_words(decision: Decision) -> list[str]:
    """Why, in English."""
    return [reason.text_in(ENGLISH) for reason in decision.reasons]


def opened(
    uow: UnitOfWork, background_ids: Sequence[str], act: Act, person: Person, now_ms: int
) -> dict[str, bytes]:
    """The packed databases, for somebody who may do `act` with each. Raises `NotFound` and `NotPermitted`."""
    found: dict[str, bytes] = {}
    for background_id in dict.fromkeys(background_ids):
        kept = known(uow, background_id)
        decision = right_to(uow, kept, act, person, now_ms)
        if not decision.permitted:
            reasons = reasons_in_words(decision)
            raise NotPermitted(
                f"What {background_id} says is not for you: {'; '.join(reasons)}.",
                id=background_id,
                reasons=reasons,
            )
        found[background_id] = uow.room(BACKGROUNDS).content(background_id)
    return found


def is_same_source(kept: KeptBackground, source_sha256: str, order: SourceOrder) -> bool:
    """Whether the file was imported before in the same way, so that reading it again would change nothing."""
    return (
        order.use == "background"
        and kept.source_sha256 == source_sha256
        and (kept.title, kept.version, kept.year) == (order.title, order.version, order.year)
        and (kept.licence_id, kept.allows_missing) == (order.licence_id, order.allows_missing)
    )


def keep_source(
    uow: UnitOfWork,
    background_id: str,
    source_sha256: str,
    order: SourceOrder,
    outcome: SourceOutcome,
    content: bytes,
    person: Person,
    moment: Moment,
    *,
    language: Language = "en",
    is_trial: bool = False,
) -> SourceReport:
    """Store what the file holds, or nothing where anything of it is at fault; a trial only says what would come of it.

    One unit of work does all of it. The history notes the file by its hash, and no figure.
    """
    check_licence(uow, order.licence_id)
    faults = _faults(order, outcome)
    report: Report | None = None
    if order.use != "background" and not faults:
        report = bring_in(uow, FACTORS, _table(outcome.factors), person, moment, is_trial=is_trial)
        faults = [
            Fault(outcome.factors[one.row - 2]["factor_id"], one.code, one.text(language))
            for one in report.faults
        ]
    if faults:
        return SourceReport(is_good=False, factors=report, faults=tuple(faults))
    change: Outcome = "none"
    if order.use != "factors":
        kept = _kept(background_id, source_sha256, order, outcome, content, moment.now_ms)
        change = _put(uow, kept, content, moment, is_trial=is_trial)
    warnings = () if report is None else report.warnings
    return SourceReport(is_good=True, background=change, factors=report, warnings=warnings)


def keep_factor(
    uow: UnitOfWork, texts: Mapping[str, str], person: Person, moment: Moment, language: Language
) -> Report:
    """Store the one factor; raises `Invalid` where it cannot be one."""
    report = bring_in(uow, FACTORS, _table([texts]), person, moment)
    if report.faults:
        raise Invalid(f"Nothing was stored: {report.faults[0].text(language)}", reason=report.faults[0].code)
    return report


def forget(uow: UnitOfWork, background_id: str, moment: Moment) -> None:
    """Delete the database. Factors that were made of it stay, with their source. Raises `NotFound`."""
    if not uow.room(BACKGROUNDS).delete(background_id):
        raise NotFound(f"There is no background database {background_id}.", id=background_id)
    note(uow, moment, "carbon.background_deleted", background_id, {})


def _put(uow: UnitOfWork, kept: KeptBackground, content: bytes, moment: Moment, *, is_trial: bool) -> Outcome:
    room = uow.room(BACKGROUNDS)
    before = room.get(kept.background_id)
    if before is not None and msgspec.structs.replace(before, imported_ms=kept.imported_ms) == kept:
        return "same"
    if not is_trial:
        room.put(kept, content)
        details: dict[str, object] = {
            "sha256": kept.source_sha256,
            "activities": kept.products_count,
            "licence": kept.licence_id,
        }
        note(uow, moment, "carbon.background_imported", kept.background_id, details)
    return "new" if before is None else "changed"


def _faults(order: SourceOrder, outcome: SourceOutcome) -> list[Fault]:
    """Why nothing of the file may be stored, faulty datasets first."""
    faults: list[Fault] = []
    if not order.allows_missing:
        faults += outcome.faults
        if order.use != "factors" and outcome.missing.count:
            faults += [Fault("", "missing", sentence) for sentence in outcome.missing.told]
    if outcome.refusal is not None and order.use != "factors":
        faults.append(outcome.refusal)
    if order.use == "factors" and not outcome.factors:
        faults.append(
            Fault("", "no_factor", "the file holds no system process, of which alone a factor can be made")
        )
    return faults


def _kept(
    background_id: str,
    source_sha256: str,
    order: SourceOrder,
    outcome: SourceOutcome,
    content: bytes,
    now_ms: int,
) -> KeptBackground:
    return KeptBackground(
        background_id=background_id,
        title=order.title,
        version=order.version,
        year=order.year,
        licence_id=order.licence_id,
        format=outcome.format,
        source_sha256=source_sha256,
        packed_sha256=sha256(content).hexdigest(),
        packed_bytes=len(content),
        products_count=outcome.products_count,
        flows_count=outcome.flows_count,
        exchanges_count=outcome.exchanges_count,
        uncertain_count=outcome.uncertain_count,
        missing_count=outcome.missing.count + outcome.faults_count,
        allows_missing=order.allows_missing,
        imported_ms=now_ms,
    )


def _table(factors: Sequence[Mapping[str, str]]) -> Table:
    head = tuple(Cell(key, "text") for key in _HEADINGS)
    rows = [tuple(Cell(row[key], "text") if key in row else EMPTY for key in _HEADINGS) for row in factors]
    return Table(FACTORS.key, (head, *rows))
