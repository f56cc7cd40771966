"""Filled-in answers given to the requests that they answer: a declaration under an offer, or a rejection with its reason."""

from hashlib import sha256
from typing import Literal

import msgspec

from ashiato.apps.carbon.calculating import FOOTPRINT
from ashiato.apps.carbon.declarations import (
    LEAST_VALIDITY_MS,
    DeclaredQuality,
    DeclaredRounding,
    DeclaredVerification,
    FootprintDeclaration,
    MalformedDeclaration,
    NamedRuleset,
    canonical,
    read_declaration,
)
from ashiato.apps.carbon.rulesets import EXACT, Ruleset, counted, ruleset
from ashiato.apps.carbon.templates.answer_rows import ANSWERS, AnswerFigures, AnswerRow, read_answers
from ashiato.apps.carbon.templates.importing import table_of
from ashiato.apps.carbon.templates.keeping import every_row
from ashiato.apps.carbon.templates.ports import CARBON_ROWS
from ashiato.connector import offers
from ashiato.connector.company import Company
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import Invalid
from ashiato.connector.records import Asset, OfferDefinition, Visibility
from ashiato.facts.footprints import STAGES, Origin, StageVector
from ashiato.facts.quantities import decimal_text
from ashiato.law.provisions import UnknownRulebook
from ashiato.supply import answering
from ashiato.supply.requests import Act, RequestState, Side, step
from ashiato.supply.telling import known

Outcome = Literal["answered", "rejected", "same"]
# What the form makes is told apart by its id from what the app computed.
_MADE_HERE = "form:"


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one row."""

    request_id: str
    part_id: str
    outcome: Outcome
    asset_id: str = ""


def give_answers(
    uow: UnitOfWork,
    company: Company,
    request_ids: tuple[str, ...],
    policy_id: str,
    moment: Moment,
    *,
    is_trial: bool = False,
) -> list[Given]:
    """Answer the requests that the kept rows of these ids (or all of them) are about; all of them, or none.

    A figure becomes a declaration in the asset `carbon-footprint-{part}`, offered under the policy. A row that was given before
    and did not change is "same". Raises `Problem` naming the row.
    """
    rows = _rows(uow, request_ids)
    return [_give(uow, company, row, policy_id, moment, is_trial=is_trial) for row in rows]


def _rows(uow: UnitOfWork, request_ids: tuple[str, ...]) -> list[AnswerRow]:
    room = uow.room(CARBON_ROWS)
    if request_ids:
        kept = [row for request_id in request_ids if (row := room.get(ANSWERS.key, request_id)) is not None]
        missing = set(request_ids) - {row.row_id for row in kept}
        if missing:
            raise Invalid(f"No answer to {min(missing)} was filled in; import it first.", path="request_ids")
    else:
        kept = list(every_row(uow, ANSWERS))
    return [row.value for row in read_answers(table_of(ANSWERS, kept)).rows]


def _give(
    uow: UnitOfWork, company: Company, row: AnswerRow, policy_id: str, moment: Moment, *, is_trial: bool
) -> Given:
    request = known(uow, row.request_id, Side.RECEIVED)
    if row.figures is None:
        outcome: Outcome = "rejected"
        if request.state is RequestState.REJECTED and request.reason == row.reason:
            outcome = "same"
        elif is_trial:
            step(request, Act.REJECT)
        else:
            answering.reject(uow, company, row.request_id, row.reason, moment)
        return Given(request_id=row.request_id, part_id=row.part_id, outcome=outcome)
    asset_id = FOOTPRINT + row.part_id
    offers.check_id("asset", asset_id)
    before = _before(uow, asset_id)
    declaration = _declaration(row, row.figures, company.participant_id, before, moment.now_ms)
    is_same = before is not None and before.id == declaration.id
    if is_same and request.state is RequestState.ANSWERED:
        return Given(request_id=row.request_id, part_id=row.part_id, outcome="same", asset_id=asset_id)
    if uow.assets.policy(policy_id) is None:
        raise Invalid(f"There is no policy {policy_id}; put it first.", path="policy_id")
    if is_trial:
        step(request, Act.ANSWER)
    else:
        if not is_same:
            _offer(uow, asset_id, canonical(declaration), policy_id, moment)
        given = answering.GivenAnswer(asset_id=asset_id)
        answering.answer(uow, company, row.request_id, given, moment)
    return Given(request_id=row.request_id, part_id=row.part_id, outcome="answered", asset_id=asset_id)


def _before(uow: UnitOfWork, asset_id: str) -> FootprintDeclaration | None:
    """The declaration that stands there, if the form made it; raises `Invalid` for one of another hand."""
    record = uow.assets.record(asset_id)
    if record is None:
        return None
    try:
        found, _ = read_declaration(record)
    except MalformedDeclaration:
        found = None
    if found is None or not found.id.startswith(_MADE_HERE):
        raise Invalid(
            f"{asset_id} holds what a form did not make; answer the request with that asset instead.",
            id=asset_id,
        )
    return found


def _declaration(
    row: AnswerRow,
    figures: AnswerFigures,
    issuer: str,
    before: FootprintDeclaration | None,
    now_ms: int,
) -> FootprintDeclaration:
    """The figures as a declaration; its id is that of the row's content, so the same row makes the same declaration."""
    rules = _rules(row, figures)
    if figures.from_ms is None or figures.until_ms is None or figures.valid_until_ms is None:
        raise Invalid(
            f"{row.request_id}: an answer needs its reference period and how long it is valid.",
            path=row.request_id,
        )
    named = sha256(msgspec.json.encode([row.part_id, _texts(figures)], order="deterministic")).hexdigest()
    declaration_id = f"{_MADE_HERE}{row.part_id}:{named[:32]}"
    if before is not None and before.id == declaration_id:
        return before
    if figures.valid_until_ms - now_ms < LEAST_VALIDITY_MS:
        raise Invalid(
            f"{row.request_id}: a declaration is valid for at least 90 days from now.", path=row.request_id
        )
    emissions = counted(figures.emissions, rules)
    return FootprintDeclaration(
        id=declaration_id,
        issuer=issuer,
        product=row.part_id,
        supersedes="" if before is None else before.id,
        amount=decimal_text(figures.declared.value),
        unit=figures.declared.unit.symbol,
        product_mass_kg="" if figures.mass_kg is None else decimal_text(figures.mass_kg),
        emissions_kg={
            stage: {Origin.FOSSIL: decimal_text(kg)} for stage in STAGES if (kg := emissions.stage_kg(stage))
        },
        total_kg=decimal_text(emissions.excluding_uptake_kg),
        total_with_uptake_kg=decimal_text(emissions.including_uptake_kg),
        gwp_set=figures.gwp_set_id,
        basis=rules.basis,
        ruleset=NamedRuleset(id=rules.id, edition=rules.edition),
        rounding=DeclaredRounding(kind=EXACT.kind, digits=0, bound_kg="0"),
        primary_data_share=""
        if figures.primary_data_share is None
        else decimal_text(figures.primary_data_share),
        quality=_quality(figures),
        verification=DeclaredVerification(program="0", third_party="0", second_party="0", first_party="0"),
        headline="market" if rules.words("electricity.headline")[0] == ("market",) else "location",
        reference_from_ms=figures.from_ms,
        reference_until_ms=figures.until_ms,
        valid_from_ms=now_ms,
        valid_until_ms=figures.valid_until_ms,
    )


def _quality(figures: AnswerFigures) -> DeclaredQuality | None:
    """The ratings, if all three were given."""
    technological, geographical, temporal = figures.ratings
    if technological is None or geographical is None or temporal is None:
        return None
    return DeclaredQuality(
        technological=decimal_text(technological),
        geographical=decimal_text(geographical),
        temporal=decimal_text(temporal),
    )


def _rules(row: AnswerRow, figures: AnswerFigures) -> Ruleset:
    try:
        rules = ruleset(figures.ruleset)
    except UnknownRulebook as unknown:
        raise Invalid(f"{row.request_id}: {unknown}.", path=row.request_id) from None
    if rules.gwp_set != figures.gwp_set_id:
        raise Invalid(
            f"{row.request_id}: {rules.id} wants the potentials {rules.gwp_set}, not {figures.gwp_set_id}.",
            path=row.request_id,
        )
    return rules


def _texts(figures: AnswerFigures) -> list[str]:
    vector: StageVector = figures.emissions
    numbers = [
        figures.declared.value,
        *vector.cells_kg,
        figures.mass_kg,
        figures.primary_data_share,
        *figures.ratings,
    ]
    instants = (figures.from_ms, figures.until_ms, figures.valid_until_ms)
    return [
        figures.declared.unit.symbol,
        figures.gwp_set_id,
        figures.ruleset,
        *("" if one is None else decimal_text(one) for one in numbers),
        *map(str, instants),
    ]


def _offer(uow: UnitOfWork, asset_id: str, content: bytes, policy_id: str, moment: Moment) -> None:
    try:
        read_declaration(content)
    except MalformedDeclaration as malformed:
        raise Invalid(f"{asset_id}: {malformed.problem}.", id=asset_id) from None
    offers.put_asset(
        uow,
        Asset(
            asset_id=asset_id,
            title=asset_id,
            source=offers.RECORD_SOURCE,
            data_item="carbon-footprint",
            visibility=Visibility.OFFERED,
        ),
        moment,
    )
    offers.put_record(uow, asset_id, content, moment)
    if uow.assets.offer(asset_id) is None:
        offers.put_offer(
            uow,
            OfferDefinition(offer_id=asset_id, contract_policy_id=policy_id, asset_ids=(asset_id,)),
            moment,
        )
