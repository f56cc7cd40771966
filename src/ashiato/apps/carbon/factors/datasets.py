"""Life-cycle inventory datasets in one neutral form, whatever file they came in.

A matrix is read off them by one rule: output counts +, input counts −, times the amount as it is declared. So the column of an
activity has `signed_amount` of each of its product exchanges in the technosphere matrix and of its elementary exchanges in the
biosphere matrix (`linking.py` finds the rows).
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Literal

import msgspec

Direction = Literal["input", "output"]
ExchangeKind = Literal["reference", "product", "coproduct", "avoided", "waste", "elementary"]
Distribution = Literal["lognormal", "normal", "triangular", "uniform"]


class Uncertainty(msgspec.Struct, frozen=True):
    """How an amount scatters.

    `centre` is the median (lognormal), the mean (normal) or the mode (triangular), with the sign of the amount; `spread` is the
    standard deviation, for lognormal that of the natural logarithm. Uniform has only its ends.
    """

    distribution: Distribution
    centre: Decimal | None = None
    spread: Decimal | None = None
    minimum: Decimal | None = None
    maximum: Decimal | None = None


class Flow(msgspec.Struct, frozen=True):
    """What is exchanged: a product, a waste, or something taken from or given to nature.

    `compartment` is ("air", "low population density") and the like, empty for products and wastes. `unit` is the text of the
    source, untouched.
    """

    id: str
    name: str
    unit: str
    elementary: bool = False
    compartment: tuple[str, ...] = ()
    cas_number: str = ""


class Exchange(msgspec.Struct, frozen=True):
    """One line of an inventory.

    A "coproduct" is an output that shares the burden by a rule which the source does not carry out; an "avoided" one is an output
    that somebody else need not make. `amount` is signed as the source declares it, exact, in `unit`.

    `provider_id` is the activity that supplies the input, where the source says so; `location` is that of the flow, where the
    source gives one instead.
    """

    flow_id: str
    kind: ExchangeKind
    direction: Direction
    amount: Decimal
    unit: str
    provider_id: str = ""
    location: str = ""
    uncertainty: Uncertainty | None = None

    @property
    def signed_amount(self) -> Decimal:
        """The entry of a matrix: outputs count plus, inputs and avoided products as the source means them.

        An avoided product is an output that nobody else needs to make: it stands in the inventory as a negative input.
        """
        return self.amount if self.direction == "output" else -self.amount


class CalculatedResult(msgspec.Struct, frozen=True):
    """A figure that the source itself calculated for the reference amount: `amount` in `unit` by `method`/`category`."""

    method: str
    category: str
    amount: Decimal
    unit: str


class Activity(msgspec.Struct, frozen=True):
    """One unit or system process. `products` are its exchanges of kind "reference"; a matrix wants exactly one."""

    id: str
    name: str
    location: str = ""
    first_year: int | None = None
    last_year: int | None = None
    exchanges: tuple[Exchange, ...] = ()
    results: tuple[CalculatedResult, ...] = ()
    version: str = ""
    copyright: str = ""
    restriction: str = ""
    comment: str = ""

    @property
    def products(self) -> tuple[Exchange, ...]:
        return tuple(exchange for exchange in self.exchanges if exchange.kind == "reference")

    @property
    def reference(self) -> Exchange | None:
        """The one product; None where there is none or where the activity must be allocated first."""
        products = self.products
        return products[0] if len(products) == 1 else None


class Loss(msgspec.Struct, frozen=True):
    """Something in the source that has no place here; the rest was taken. `where` leads to it, `what` names it."""

    where: str
    what: str


class Fault(msgspec.Struct, frozen=True):
    """A dataset or line that was not taken. `where` leads to it, `code` names the fault, `problem` says what to mend."""

    where: str
    code: str
    problem: str


class Reading(msgspec.Struct, frozen=True):
    """What an importer made of a source. `format` names the form that was read ("ecoSpold2")."""

    format: str
    flows: tuple[Flow, ...] = ()
    activities: tuple[Activity, ...] = ()
    losses: tuple[Loss, ...] = ()
    faults: tuple[Fault, ...] = ()

    def flow(self, flow_id: str) -> Flow | None:
        """The flow of that id, by a walk over all of them; use `flows_by_id` for many."""
        return next((flow for flow in self.flows if flow.id == flow_id), None)

    def flows_by_id(self) -> dict[str, Flow]:
        return {flow.id: flow for flow in self.flows}


class UnreadableSource(ValueError):
    """The file as a whole cannot be read; who chose it must choose another. `problem` says what is wrong, `code` names it."""

    def __init__(self, code: str, problem: str) -> None:
        super().__init__(problem)
        self.code = code
        self.problem = problem


class Collector:
    """Gathers what an importer finds, one flow once; losses of one kind are counted, not repeated a hundred thousand times."""

    MOST_NOTES = 10_000

    def __init__(self, format_name: str) -> None:
        self._format = format_name
        self._flows: dict[str, Flow] = {}
        self._activities: dict[str, Activity] = {}
        self._losses: dict[Loss, None] = {}
        self._faults: list[Fault] = []
        self._left_out_count = 0

    def flow(self, flow: Flow) -> str:
        """Keeps `flow`; a second one of the same id that differs is a loss, and the first stays."""
        known = self._flows.setdefault(flow.id, flow)
        if known != flow:
            self.loss(
                f"flow {flow.id}", f"two descriptions ({known.name!r}, {flow.name!r}); the first is kept"
            )
        return flow.id

    def known_flow(self, flow_id: str) -> Flow | None:
        """The flow of that id, if one was kept."""
        return self._flows.get(flow_id)

    def activity(self, activity: Activity, where: str) -> None:
        """Keeps `activity`; a second one of the same id is a fault, and the first stays."""
        if activity.id in self._activities:
            self.fault(
                where, "dataset_twice", f"the dataset {activity.id} stands in the source a second time"
            )
            return
        self._activities[activity.id] = activity

    def loss(self, where: str, what: str) -> None:
        """Notes what could not be translated."""
        if len(self._losses) < self.MOST_NOTES:
            self._losses[Loss(where, what)] = None
        else:
            self._left_out_count += 1

    def fault(self, where: str, code: str, problem: str) -> None:
        """Notes what was not taken."""
        if len(self._faults) < self.MOST_NOTES:
            self._faults.append(Fault(where, code, problem))
        else:
            self._left_out_count += 1

    def reading(self) -> Reading:
        """Everything gathered so far."""
        losses = list(self._losses)
        if self._left_out_count:
            losses.append(Loss("the whole source", f"{self._left_out_count} further notes are left out here"))
        return Reading(
            self._format,
            tuple(self._flows.values()),
            tuple(self._activities.values()),
            tuple(losses),
            tuple(self._faults),
        )


def referenced_flow_ids(activities: Iterable[Activity]) -> Iterator[str]:
    """The flow of every exchange, repeated as often as it is exchanged."""
    return (exchange.flow_id for activity in activities for exchange in activity.exchanges)
