"""Answers questions about a database: which solves it takes, and what each figure's error bound is."""

from collections.abc import Mapping, Sequence
from math import fsum
from typing import TypeVar

import numpy as np

from ashiato.apps.carbon.background.changes import Recipe, mixed, of_another_year, recipe, swapped
from ashiato.apps.carbon.background.errors import (
    BackgroundRefused,
    EndlessLoop,
    TooLargeToEliminate,
    Undetermined,
)
from ashiato.apps.carbon.background.intensities import Intensities, agreement, intensities
from ashiato.apps.carbon.background.matrices import Floats
from ashiato.apps.carbon.background.scenarios import Scenarios
from ashiato.apps.carbon.background.simulation import simulate
from ashiato.apps.carbon.background.watch import Watch, unwatched
from ashiato.apps.carbon.databases.packing import Database
from ashiato.apps.carbon.databases.questions import (
    QUANTILES,
    Answer,
    Change,
    Figure,
    FindQuestion,
    Found,
    GasesFound,
    GasesQuestion,
    GasFound,
    Input,
    IntensityFound,
    IntensityQuestion,
    Mix,
    Quantile,
    Question,
    QuestionRefused,
    SimulationFound,
    SimulationQuestion,
    Subject,
    Swap,
    WhatIfFound,
    WhatIfQuestion,
    Year,
)
from ashiato.apps.carbon.factors.datasets import Loss
from ashiato.apps.carbon.factors.greenhouse import greenhouse_gas
from ashiato.apps.carbon.factors.gwp import Gas, GwpSet, Origin, UnknownGwpSet, UnknownPotential, find_gwp_set

MOST_UNWEIGHTED_COUNT = 20
_ROUNDING = 2.0**-52
T = TypeVar("T")


def answer(
    question: Question, database: Database, others: Mapping[str, Database], watch: Watch = unwatched
) -> Answer:
    """The answer; `others` are the databases that a change to another year names.

    Raises `QuestionRefused`, and `Cancelled` where the watch says stop.
    """
    try:
        match question:
            case FindQuestion():
                return _find(database, question)
            case IntensityQuestion():
                return _intensity(_Asked(database, question.activity, question.gwp_set), question, watch)
            case WhatIfQuestion():
                return _what_if(
                    _Asked(database, question.activity, question.gwp_set), question, others, watch
                )
            case SimulationQuestion():
                return _simulation(_Asked(database, question.activity, question.gwp_set), question, watch)
            case GasesQuestion():
                return _gases(_Asked(database, question.activity, question.gwp_set), watch)
    except BackgroundRefused as refused:
        raise QuestionRefused("background_refused", str(refused)) from None
    except EndlessLoop as loop:
        raise QuestionRefused("endless_loop", str(loop)) from None
    except Undetermined as undetermined:
        raise QuestionRefused("undetermined", str(undetermined)) from None
    except TooLargeToEliminate as large:
        raise QuestionRefused("too_large_to_eliminate", str(large)) from None


class _Asked:
    """One activity of a database under one set of potentials. `weights` are kg CO2e per unit of each flow."""

    def __init__(self, database: Database, activity: str, gwp_set: str) -> None:
        try:
            potentials = find_gwp_set(gwp_set)
        except UnknownGwpSet as unknown:
            raise QuestionRefused("background_refused", str(unknown)) from None
        self.database, self.likely = database, database.uncertain.likely
        self.at = _place(database, activity)
        self.own = float(self.likely.technosphere[self.at, self.at])
        # A treatment has its product with a minus sign: a unit treated is a unit of it less than nothing.
        self.sign = -1.0 if self.own < 0.0 else 1.0
        self.by_gas, unweighted = _masses(database, potentials)
        self.weights = np.zeros(len(database.flows))
        for (gas, origin), kg in self.by_gas.items():
            self.weights += kg * float(potentials.potential(gas, origin))
        self.unweighted = tuple(f"{loss.where}: {loss.what}" for loss in unweighted[:MOST_UNWEIGHTED_COUNT])
        self.gwp_set = gwp_set

    @property
    def subject(self) -> Subject:
        return _subject(self.database, self.at)

    def figure(self, found: Intensities) -> Figure:
        value, bound = float(found.per_unit[self.at]), float(found.error_bound[self.at])
        return Figure(self.sign * value + 0.0, bound, found.is_proved)


def _masses(
    database: Database, potentials: GwpSet
) -> tuple[dict[tuple[Gas, Origin], Floats], tuple[Loss, ...]]:
    """Kilograms of each gas per unit of each flow, and the flows that may warm and have no potential."""
    masses: dict[tuple[Gas, Origin], Floats] = {}
    losses: list[Loss] = []
    for at, flow in enumerate(database.flows):
        found = greenhouse_gas(flow)
        if isinstance(found, Loss):
            losses.append(found)
        elif found is not None:
            try:
                potentials.potential(found.gas, found.origin)
            except UnknownPotential as unknown:
                losses.append(Loss(f"flow {flow.id}", str(unknown)))
                continue
            masses.setdefault((found.gas, found.origin), np.zeros(len(database.flows)))[at] = float(found.kg)
    return masses, tuple(losses)


def _place(database: Database, activity: str) -> int:
    try:
        return database.uncertain.likely.products.index(activity)
    except ValueError:
        raise QuestionRefused(
            "activity_unknown", f"there is no activity {activity!r}; find it first"
        ) from None


def _subject(database: Database, place: int) -> Subject:
    product = database.products[place]
    treats = bool(database.uncertain.likely.technosphere[place, place] < 0.0)
    return Subject(product.id, product.name, product.unit, product.location, product.year, treats)


def _find(database: Database, question: FindQuestion) -> Found:
    words = question.words.lower().split()
    places = [
        at
        for at, product in enumerate(database.products)
        if all(word in f"{product.id} {product.name} {product.location}".lower() for word in words)
    ]
    places.sort(key=lambda at: database.products[at].id)
    shown = places[: question.limit_count]
    return Found(tuple(_subject(database, at) for at in shown), len(places) - len(shown))


def _intensity(asked: _Asked, question: IntensityQuestion, watch: Watch) -> IntensityFound:
    found = intensities(asked.likely, asked.weights, watch=watch)
    both = agreement(asked.likely, asked.weights, {asked.at: 1.0}, found, watch=watch)
    own, inputs = _contributions(asked, found)
    shown, rest = inputs[: question.most_inputs_count], inputs[question.most_inputs_count :]
    return IntensityFound(
        subject=asked.subject,
        gwp_set=asked.gwp_set,
        kgco2e=asked.figure(found),
        own=own,
        inputs=tuple(shown),
        further_inputs=_summed([one.kgco2e for one in rest], found.is_proved),
        further_inputs_count=len(rest),
        method=found.method.name.lower(),
        agreement=both.relative_difference,
        missing_count=asked.database.missing.count,
        unweighted=asked.unweighted,
    )


def _contributions(asked: _Asked, found: Intensities) -> tuple[Figure, list[Input]]:
    """What the activity emits itself and what each input adds, the largest first, all per unit."""
    old = recipe(asked.likely, asked.at)
    size = abs(asked.own)
    emitted = [amount * asked.weights[at] / size for at, amount in old.flows.items()]
    gross = fsum(abs(one) for one in emitted)
    own = Figure(fsum(emitted), gross * 4 * _ROUNDING)
    inputs = []
    for at, taken in old.products.items():
        if at == asked.at:
            continue
        amount = -taken / size
        value = amount * float(found.per_unit[at])
        bound = abs(amount) * float(found.error_bound[at]) + abs(value) * 4 * _ROUNDING
        supplier = _subject(asked.database, at)
        # A treatment takes waste that is handed over: its amount counts per unit treated, as its figures do.
        shown = -amount if supplier.is_treatment else amount
        inputs.append(
            Input(
                supplier.activity,
                supplier.name,
                supplier.unit,
                supplier.location,
                shown,
                Figure(value, bound, found.is_proved),
            )
        )
    return own, sorted(inputs, key=lambda one: -abs(one.kgco2e.value))


def _summed(figures: Sequence[Figure], is_proved: bool) -> Figure:
    gross = fsum(abs(one.value) for one in figures)
    return Figure(
        fsum(one.value for one in figures),
        fsum(one.error_bound for one in figures) + gross * _ROUNDING,
        is_proved,
    )


def _what_if(
    asked: _Asked, question: WhatIfQuestion, others: Mapping[str, Database], watch: Watch
) -> WhatIfFound:
    if not question.changes:
        raise QuestionRefused("background_refused", "name at least one change")
    recipes: dict[int, Recipe] = {}
    for change in question.changes:
        at = _place(asked.database, change.activity)
        recipes[at] = _changed(asked.database, others, change, recipes.get(at) or recipe(asked.likely, at))
    scenarios = Scenarios(asked.likely, asked.weights, watch=watch)
    before = asked.figure(scenarios.base)
    after = asked.figure(scenarios.changed(list(recipes.values())))
    difference = after.value - before.value
    bound = before.error_bound + after.error_bound + abs(difference) * _ROUNDING
    return WhatIfFound(
        subject=asked.subject,
        gwp_set=asked.gwp_set,
        before=before,
        after=after,
        difference=Figure(difference, bound, before.is_proved and after.is_proved),
        missing_count=asked.database.missing.count,
        unweighted=asked.unweighted,
    )


def _changed(database: Database, others: Mapping[str, Database], change: Change, old: Recipe) -> Recipe:
    match change:
        case Swap():
            supplier, instead = _place(database, change.supplier), _place(database, change.instead)
            return swapped(old, supplier, instead, change.share, change.ratio)
        case Mix():
            return mixed(old, {_place(database, name): share for name, share in change.shares.items()})
        case Year():
            later = others[change.background_id].uncertain.likely
            return of_another_year(later, old.activity, database.uncertain.likely)


def _simulation(asked: _Asked, question: SimulationQuestion, watch: Watch) -> SimulationFound:
    base = asked.figure(intensities(asked.likely, asked.weights, watch=watch))
    drawn = simulate(
        asked.database.uncertain,
        asked.weights,
        [{asked.at: asked.sign}],
        iterations_count=question.draws_count,
        seed=question.seed,
        first_iteration=question.first_draw,
        watch=watch,
    )
    solved = np.isfinite(drawn.scores[:, 0])
    scores, bounds = drawn.scores[solved, 0], drawn.error_bounds[solved, 0]
    if not scores.size:
        raise QuestionRefused("undetermined", "no draw has an answer; correct the loops of the database")
    given = asked.database.uncertain
    uncertain_count = sum(
        int(np.count_nonzero(spread.kind > 1))
        for spread in (given.technosphere_spread, given.biosphere_spread)
    )
    return SimulationFound(
        subject=asked.subject,
        gwp_set=asked.gwp_set,
        kgco2e=base,
        mean=float(scores.mean()),
        standard_deviation=float(scores.std(ddof=1)) if scores.size > 1 else 0.0,
        quantiles=tuple(Quantile(share, float(np.quantile(scores, share))) for share in QUANTILES),
        error_bound=float(bounds.max()),
        is_proved=drawn.is_proved,
        draws_count=int(scores.size),
        unsolved_count=len(drawn.unsolved),
        next_draw=question.first_draw + question.draws_count,
        seed=question.seed,
        uncertain_exchanges_count=uncertain_count,
        missing_count=asked.database.missing.count,
        unweighted=asked.unweighted,
    )


def _gases(asked: _Asked, watch: Watch) -> GasesFound:
    total = asked.figure(intensities(asked.likely, asked.weights, watch=watch))
    gases = []
    for (gas, origin), masses in sorted(asked.by_gas.items()):
        kg = asked.figure(intensities(asked.likely, masses, watch=watch))
        if kg.value:
            gases.append(GasFound(gas.value, origin.value, kg))
    return GasesFound(
        asked.subject, asked.gwp_set, total, tuple(gases), asked.database.missing.count, asked.unweighted
    )
