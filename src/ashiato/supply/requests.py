"""A request for a data item of a part, as one of its two sides keeps it, and what may become of it.

`step` is the whole state machine: a table of (side, act) over states. It knows no clock and no store; who may act, and what
else follows, stands in `supply.asking` and `supply.answering`.
"""

from enum import StrEnum

import msgspec

from ashiato.connector.problems import Invalid, WrongState
from ashiato.supply.messages import Counts, Declaration, Part, TraceResult


class Side(StrEnum):
    """Which side of a request we are on."""

    ASKED = "asked"
    """We asked a supplier."""
    RECEIVED = "received"
    """A customer asked us."""


class RequestState(StrEnum):
    """How far a request is."""

    ASKED = "asked"
    """On its way to the supplier."""
    RECEIVED = "received"
    IN_PROGRESS = "in-progress"
    ASKED_ON = "asked-on"
    """The supplier asked its own suppliers and waits for them."""
    ANSWERED = "answered"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    WITHDRAWN = "withdrawn"
    """What was answered was taken back."""
    ALREADY_ASKED = "already-asked"
    """The supplier is asked already in this tree: the request went in a circle, or twice."""
    UNDELIVERED = "undelivered"
    """The supplier's inbox could not be reached, or refused the request."""


class Act(StrEnum):
    """What happens to a request, whoever does it."""

    DELIVER = "deliver"
    BEGIN = "begin"
    ASK_ON = "ask-on"
    ANSWER = "answer"
    REJECT = "reject"
    WITHDRAW = "withdraw"
    CANCEL = "cancel"
    REPEAT = "repeat"
    FAIL = "fail"


S = RequestState
OPEN = frozenset({S.ASKED, S.RECEIVED, S.IN_PROGRESS, S.ASKED_ON})
ENDED_WITHOUT_ANSWER = frozenset({S.REJECTED, S.CANCELLED, S.WITHDRAWN, S.ALREADY_ASKED, S.UNDELIVERED})
# A message of the supplier shows that the request reached it, whatever became of our own delivery.
_HEARD = OPEN | {S.UNDELIVERED}

_STEPS: dict[tuple[Side, Act], tuple[frozenset[RequestState], RequestState]] = {
    (Side.ASKED, Act.DELIVER): (frozenset({S.ASKED, S.UNDELIVERED}), S.RECEIVED),
    (Side.ASKED, Act.BEGIN): (_HEARD - {S.ASKED_ON}, S.IN_PROGRESS),
    (Side.ASKED, Act.ASK_ON): (_HEARD, S.ASKED_ON),
    (Side.ASKED, Act.ANSWER): (_HEARD | {S.ANSWERED, S.WITHDRAWN}, S.ANSWERED),
    (Side.ASKED, Act.REJECT): (_HEARD, S.REJECTED),
    (Side.ASKED, Act.WITHDRAW): (frozenset({S.ANSWERED}), S.WITHDRAWN),
    (Side.ASKED, Act.CANCEL): (OPEN, S.CANCELLED),
    (Side.ASKED, Act.REPEAT): (frozenset({S.ASKED, S.RECEIVED, S.UNDELIVERED}), S.ALREADY_ASKED),
    (Side.ASKED, Act.FAIL): (frozenset({S.ASKED}), S.UNDELIVERED),
    (Side.RECEIVED, Act.BEGIN): (frozenset({S.RECEIVED}), S.IN_PROGRESS),
    (Side.RECEIVED, Act.ASK_ON): (frozenset({S.RECEIVED, S.IN_PROGRESS, S.ASKED_ON}), S.ASKED_ON),
    (Side.RECEIVED, Act.ANSWER): (OPEN | {S.ANSWERED, S.WITHDRAWN}, S.ANSWERED),
    (Side.RECEIVED, Act.REJECT): (OPEN, S.REJECTED),
    (Side.RECEIVED, Act.WITHDRAW): (frozenset({S.ANSWERED}), S.WITHDRAWN),
    (Side.RECEIVED, Act.CANCEL): (OPEN, S.CANCELLED),
}


class SupplyRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request. `own_id` is ours; `request_id` is the asker's, which both sides write into messages.

    Where we asked: `mark` is the one by which we know the request again when it comes back in a circle, `above_tree_id` the
    tree as the request that we ask on for named it ("" for a tree of our own). Where we received: `marks` are those that came
    with it, `told` is what our last status told the asker, `names` lets the answer to a trace name things of ours. `counts` are
    those below this request. `version` is that of the last answer, 0 before the first.
    """

    own_id: str
    side: Side
    peer_id: str
    request_id: str
    tree_id: str
    data_item: str
    part: Part
    due_ms: int
    hops: int
    text: str = ""
    peer_address: str = ""
    mark: str = ""
    marks: tuple[str, ...] = ()
    above_tree_id: str = ""
    state: RequestState = RequestState.RECEIVED
    counts: Counts = Counts()
    told: tuple[str, Counts] | None = None
    version: int = 0
    reason: str = ""
    rule_id: str = ""
    fetches: bool = False
    about: str = ""
    among: tuple[str, ...] = ()
    lots: tuple[str, ...] = ()
    names: bool = False
    is_overdue: bool = False
    created_ms: int
    updated_ms: int

    @property
    def is_open(self) -> bool:
        """Whether an answer may still come."""
        return self.state in OPEN


class KeptAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One version of an answer. A late one came when nobody wanted it any more: it is kept and does nothing."""

    own_id: str
    version: int
    asset_id: str = ""
    declaration: Declaration | None = None
    trace: TraceResult | None = None
    text: str = ""
    is_late: bool = False
    withdrawn_ms: int | None = None
    at_ms: int
    fetch_id: str = ""
    received_id: str = ""
    problem: str = ""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A part at a supplier's, whose data item is to be asked for."""

    partner: str
    part: Part
    data_item: str = ""
    address: str = ""
    among: tuple[str, ...] = ()
    lots: tuple[str, ...] = ()


class AnswerRule(msgspec.Struct, frozen=True, kw_only=True):
    """What is answered without a person: `asset_id` for a data item of a part ("" = of every part).

    With `ask_on`, these suppliers are asked first, and the answer goes out when all of them have answered; one that does not
    leaves the request to a person. `partners` are those whom it answers (empty = whoever may write to the inbox). `names` lets a
    trace name things of ours; without it, it says how many they are.
    """

    rule_id: str
    data_item: str
    part_id: str = ""
    asset_id: str
    ask_on: tuple[Wanted, ...] = ()
    partners: tuple[str, ...] = ()
    names: bool = False
    created_ms: int = 0

    def answers(self, partner_id: str) -> bool:
        """Whether it answers that partner."""
        return not self.partners or partner_id in self.partners


def step(request: SupplyRequest, act: Act) -> SupplyRequest:
    """The request after the act; raises `WrongState` where the act is not possible, and nothing was changed."""
    found = _STEPS.get((request.side, act))
    if found is None or request.state not in found[0]:
        raise WrongState(
            f"The request is {request.state}; to {act} is not possible then.", state=request.state, act=act
        )
    return msgspec.structs.replace(request, state=found[1])


def possible_acts(request: SupplyRequest) -> tuple[Act, ...]:
    """The acts that `step` takes now."""
    return tuple(
        act for (side, act), (states, _) in _STEPS.items() if side is request.side and request.state in states
    )


def total(request: SupplyRequest) -> Counts:
    """This request and everything below it."""
    below = request.counts
    is_closed = request.state in ENDED_WITHOUT_ANSWER
    return Counts(
        trades=below.trades + 1,
        completed=below.completed + int(request.state is RequestState.ANSWERED),
        closed=below.closed + int(is_closed),
    )


def check_version(request: SupplyRequest, version: int) -> None:
    """Refuse an answer that does not come behind the last one; raises `WrongState`."""
    if version <= request.version:
        raise WrongState(
            f"Version {request.version} of the answer is here already; a correction has a higher one.",
            version=request.version,
        )


def check_part(asked: Part, answered: Part) -> None:
    """Refuse an answer about another part than was asked about; raises `Invalid`."""
    if asked != answered:
        raise Invalid("The answer is about another part than the request.", path="part")
