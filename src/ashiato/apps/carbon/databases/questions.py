"""What a background database can be asked, and what it answers: plain values that travel to the process that computes.

Figures are binary floating point, in kg CO2e per one unit of the activity's product (for a waste treatment: per unit treated),
each with the most by which it can be wrong. Nothing here is declared; what is to be declared becomes a factor first.
"""

from typing import Literal

import msgspec

DEFAULT_GWP_SET = "AR6"
MOST_DRAWS_COUNT = 100_000
MOST_CHANGES_COUNT = 50
QUANTILES = (0.025, 0.25, 0.5, 0.75, 0.975)


class Missing(msgspec.Struct, frozen=True):
    """What is not in the matrices, so that footprints are too small: `told` are the first of all of them, as sentences."""

    unlinked_count: int = 0
    left_out_count: int = 0
    told: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        return self.unlinked_count + self.left_out_count


class FindQuestion(msgspec.Struct, frozen=True, tag="find", forbid_unknown_fields=True):
    """The activities whose id, name and location hold all of these words."""

    words: str = ""
    limit_count: int = 50


class IntensityQuestion(msgspec.Struct, frozen=True, tag="intensity", forbid_unknown_fields=True):
    """One activity's intensity, and what of it comes by which of its inputs (the `most_inputs_count` largest)."""

    activity: str
    gwp_set: str = DEFAULT_GWP_SET
    most_inputs_count: int = 20


class Swap(msgspec.Struct, frozen=True, tag="swap", forbid_unknown_fields=True):
    """`activity` takes this share of what came from `supplier` from `instead`, `ratio` units for each unit."""

    activity: str
    supplier: str
    instead: str
    share: float = 1.0
    ratio: float = 1.0


class Mix(msgspec.Struct, frozen=True, tag="mix", forbid_unknown_fields=True):
    """`activity` is a market in which these suppliers have these shares."""

    activity: str
    shares: dict[str, float]


class Year(msgspec.Struct, frozen=True, tag="year", forbid_unknown_fields=True):
    """`activity` works as the activity of the same id does in the database `background_id`, which is of another year."""

    activity: str
    background_id: str


Change = Swap | Mix | Year


class WhatIfQuestion(msgspec.Struct, frozen=True, tag="what-if", forbid_unknown_fields=True):
    """The intensity of `activity` as it is and with all of `changes`, which are made one after the other."""

    activity: str
    changes: tuple[Change, ...]
    gwp_set: str = DEFAULT_GWP_SET


class SimulationQuestion(msgspec.Struct, frozen=True, tag="simulation", forbid_unknown_fields=True):
    """The intensity of `activity` when every amount of the database is drawn anew, `draws_count` times from `first_draw` on."""

    activity: str
    gwp_set: str = DEFAULT_GWP_SET
    draws_count: int = 1000
    seed: int = 0
    first_draw: int = 0


class GasesQuestion(msgspec.Struct, frozen=True, tag="gases", forbid_unknown_fields=True):
    """The kilograms of each greenhouse gas per unit of `activity`, to make a factor of."""

    activity: str
    gwp_set: str = DEFAULT_GWP_SET


Question = FindQuestion | IntensityQuestion | WhatIfQuestion | SimulationQuestion | GasesQuestion


class Figure(msgspec.Struct, frozen=True):
    """A value and the most by which it can be wrong: a theorem with `is_proved`, else an estimate."""

    value: float
    error_bound: float
    is_proved: bool = True


class Subject(msgspec.Struct, frozen=True):
    """What was asked about. `is_treatment`: the activity takes its product in, and figures are per unit that it treats."""

    activity: str
    name: str
    unit: str
    location: str = ""
    year: int | None = None
    is_treatment: bool = False


class Found(msgspec.Struct, frozen=True, tag="find"):
    """Activities in the order of their ids, and how many more there are."""

    activities: tuple[Subject, ...]
    further_count: int


class Input(msgspec.Struct, frozen=True):
    """What one input adds: `amount` of it per unit of the activity, times its intensity."""

    activity: str
    name: str
    unit: str
    location: str
    amount: float
    kgco2e: Figure


class IntensityFound(msgspec.Struct, frozen=True, tag="intensity"):
    """`kgco2e` = `own` (emitted by the activity itself) + the `inputs` + `further_inputs` (all smaller ones together).

    `agreement` is the relative difference to the same figure computed from the other side (primal), `method` how it was solved.
    """

    subject: Subject
    gwp_set: str
    kgco2e: Figure
    own: Figure
    inputs: tuple[Input, ...]
    further_inputs: Figure
    further_inputs_count: int
    method: str
    agreement: float
    missing_count: int
    unweighted: tuple[str, ...]


class WhatIfFound(msgspec.Struct, frozen=True, tag="what-if"):
    """Before, after, and the difference."""

    subject: Subject
    gwp_set: str
    before: Figure
    after: Figure
    difference: Figure
    missing_count: int
    unweighted: tuple[str, ...]


class Quantile(msgspec.Struct, frozen=True):
    """`share` of all draws lie below `kgco2e`."""

    share: float
    kgco2e: float


class SimulationFound(msgspec.Struct, frozen=True, tag="simulation"):
    """The draws as numbers of a distribution; `kgco2e` is the figure of the amounts as they are, without drawing.

    `error_bound` is the largest of a single draw. `unsolved_count` draws had no answer and count nowhere. Draw number i is the
    same in every run of one seed, so a run goes on where another ended (`next_draw`).
    """

    subject: Subject
    gwp_set: str
    kgco2e: Figure
    mean: float
    standard_deviation: float
    quantiles: tuple[Quantile, ...]
    error_bound: float
    is_proved: bool
    draws_count: int
    unsolved_count: int
    next_draw: int
    seed: int
    uncertain_exchanges_count: int
    missing_count: int
    unweighted: tuple[str, ...]


class GasFound(msgspec.Struct, frozen=True):
    """Kilograms of one gas of one origin per unit."""

    gas: str
    origin: str
    kg: Figure


class GasesFound(msgspec.Struct, frozen=True, tag="gases"):
    """Every greenhouse gas, and the total of the same potentials."""

    subject: Subject
    gwp_set: str
    kgco2e: Figure
    gases: tuple[GasFound, ...]
    missing_count: int
    unweighted: tuple[str, ...]


Answer = Found | IntensityFound | WhatIfFound | SimulationFound | GasesFound

RefusalCode = Literal[
    "activity_unknown",
    "background_refused",
    "background_broken",
    "background_incomplete",
    "endless_loop",
    "undetermined",
    "too_large_to_eliminate",
    "too_much",
    "source_unreadable",
]


class QuestionRefused(ValueError):
    """There is no answer; who asked, or who imported the database, must mend what `problem` says. `code` names it."""

    def __init__(self, code: RefusalCode, problem: str) -> None:
        super().__init__(problem)
        self.code = code
        self.problem = problem
