"""Random policies and requests over a small world, so that rules meet, contradict and run out often."""

from datetime import timedelta

from hypothesis import strategies as st

from ashiato.facts.instants import format_datetime
from ashiato.policy.evaluation import Checkpoint, DutyState, Request, Side
from tests.policy.asking import NOW_MS

HOUR_MS = 3_600_000
PARTIES = ["did:web:a", "did:web:b"]
ACTIONS = ["use", "read", "present", "display", "access", "distribute", "https://x.example/act"]
DUTY_ACTIONS = ["delete", "inform", "compensate", "obtainConsent", "anonymize", "https://x.example/dance"]
ORDER = ["lt", "lteq", "gt", "gteq", "eq", "neq"]
SETS = ["isAnyOf", "isNoneOf", "isAllOf"]
INSTANTS = [format_datetime(NOW_MS + hours * HOUR_MS) for hours in range(-3, 4)]
# A day, with and without its zone, and an instant without one.
DATES = ["2026-11-24", "2026-11-24Z", "2026-11-25+09:00", "2026-11-24T12:00:00"]
DURATIONS = {f"PT{hours}H": timedelta(hours=hours) for hours in range(4)}
PLACES = ["JP", "JP-13", "DE", "cx.region.asia:1", "cx.region.all:1", "Atlantis", "EU"]
PURPOSES = ["cx.circular.dpp:1", "cx.circular.smc:1", "cx.circular", "research"]
LEVELS = ["base", "trust", "trust+"]
EURO = "http://dbpedia.org/resource/Euro"
DELETION = {"leftOperand": "delayPeriod", "operator": "eq", "rightOperand": "PT1H"}
BEFORE_USE = {"leftOperand": "event", "operator": "lt", "rightOperand": "odrl:policyUsage"}
DROP = [
    {"leftOperand": "jsonPath", "operator": "eq", "rightOperand": "$.price"},
    {"leftOperand": "method", "operator": "eq", "rightOperand": "drop"},
]

Document = dict[str, object]


def _compare(
    left: str | list[str], operators: list[str], right: st.SearchStrategy[object]
) -> st.SearchStrategy[Document]:
    lefts = [left] if isinstance(left, str) else left
    return st.fixed_dictionaries(
        {"leftOperand": st.sampled_from(lefts), "operator": st.sampled_from(operators), "rightOperand": right}
    )


def _some(values: list[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), max_size=2, unique=True)


_times = st.one_of(
    _compare("dateTime", ORDER, st.sampled_from(INSTANTS)),
    _compare("dateTime", ORDER, st.sampled_from(DATES)),
    _compare("DataUsageEndDate", ["eq"], st.sampled_from(INSTANTS)),
    _compare("elapsedTime", ORDER, st.sampled_from(sorted(DURATIONS))),
    _compare("DataUsageEndDurationDays", ["eq"], st.sampled_from([0, "1"])),
    _compare("count", ORDER, st.sampled_from(["0", "1", "2", "3"])),
    _compare(
        "DataFrequency", ["eq"], st.sampled_from(["cx.dataFrequency.once:1", "cx.dataFrequency.unlimited:1"])
    ),
)
atoms = st.one_of(
    _times,
    _compare(["ashiato:participant", "recipient", "idsc:CONNECTOR"], ["isAnyOf", "isNoneOf"], _some(PARTIES)),
    _compare("assignee", ["eq", "neq"], st.sampled_from(PARTIES)),
    _compare(["moonPhase", "role", "BusinessPartnerGroup"], SETS, _some(["gold", "tin"])),
    _compare(["moonPhase", "role"], ["eq", "neq", "lteq"], st.sampled_from(["gold", "7"])),
    _compare(["idsc:SECURITY_LEVEL", "security_profile"], [*ORDER, "isPartOf"], st.sampled_from(LEVELS)),
    _compare(["location", "spatial"], [*SETS, "isPartOf"], _some(PLACES)),
    _compare(["purpose", "UsagePurpose"], [*SETS, "isA"], _some(PURPOSES)),
    _compare("idsc:APPLICATION", SETS, _some(["app:1", "app:2"])),
    _compare(["event", "state", "classification"], SETS, _some(["x", "y"])),
    _compare("payAmount", ORDER, st.sampled_from(["5.00", "7"])).map(lambda node: {**node, "unit": EURO}),
    _compare("UsageRestriction", ["isAllOf"], st.just(["cx.thirdParty.forbidden:1"])),
    _compare("count", ["lteq", "isA"], st.sampled_from(["2", "two"])),
    st.just({"leftOperand": "count", "operator": "lteq", "rightOperandReference": "https://x.example/n"}),
    st.just({"leftOperand": "count", "operator": "lteq", "rightOperand": "9", "unit": EURO}),
)


def _trees(leaves: st.SearchStrategy[Document]) -> st.SearchStrategy[Document]:
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            [
                st.fixed_dictionaries({name: st.lists(inner, min_size=1, max_size=3)})
                for name in ("and", "or", "xone", "andSequence")
            ]
        ),
        max_leaves=6,
    )


constraints = _trees(atoms)


def some_duties() -> st.SearchStrategy[list[Document]]:
    said = st.one_of(
        st.lists(_trees(st.one_of(_times, atoms)), max_size=1),
        st.lists(_times, min_size=1, max_size=2),
        st.just([DELETION]),
        st.just([BEFORE_USE]),
        st.just([{"and": [BEFORE_USE, *DROP]}]),
        st.just(DROP),
    )
    duty: st.SearchStrategy[Document] = st.fixed_dictionaries(
        {"action": st.sampled_from(DUTY_ACTIONS)}, optional={"constraint": said}
    )
    change: st.SearchStrategy[Document] = st.fixed_dictionaries(
        {"action": st.just("anonymize"), "constraint": st.sampled_from([DROP, [*DROP, BEFORE_USE]])}
    )
    return st.lists(st.one_of(duty, duty, change), max_size=2)


def _obligations() -> st.SearchStrategy[list[Document]]:
    provision = _compare(
        ["DataProvisioningEndDate", "DataUsageEndDate"], ["eq"], st.sampled_from(INSTANTS)
    ).map(lambda node: [{"action": "use", "constraint": [node]}])
    return st.one_of(some_duties(), provision)


def _rules(
    actions: list[str], duties: st.SearchStrategy[list[Document]], *, least: int = 0, most: int = 2
) -> st.SearchStrategy[list[Document]]:
    collection = st.fixed_dictionaries(
        {"source": st.sampled_from(PARTIES), "refinement": st.lists(constraints, max_size=1)}
    )
    rule: st.SearchStrategy[Document] = st.fixed_dictionaries(
        {"action": st.sampled_from(actions)},
        optional={
            "constraint": st.lists(constraints, max_size=2),
            "assignee": st.one_of(st.sampled_from(PARTIES), collection),
            "duty": duties,
        },
    )
    return st.lists(rule, min_size=least, max_size=most)


documents: st.SearchStrategy[Document] = st.fixed_dictionaries(
    {"permission": _rules(["use", "use", "read", *ACTIONS], some_duties(), least=1, most=3)},
    optional={
        "prohibition": _rules(ACTIONS, st.just([])),
        "obligation": _obligations(),
        "conflict": st.sampled_from(["perm", "prohibit", "invalid"]),
        "assignee": st.sampled_from(PARTIES),
    },
)


def _known(values: dict[str, list[str]], sizes: int) -> st.SearchStrategy[dict[str, frozenset[str]]]:
    return st.fixed_dictionaries(
        {},
        optional={
            name: st.lists(st.sampled_from(found), max_size=sizes).map(frozenset)
            for name, found in values.items()
        },
    )


claims = _known(
    {"moonPhase": ["gold", "tin"], "role": ["gold", "tin", "3"], "group": ["gold"], "location": PLACES[:3]}
    | {"security_profile": LEVELS},
    2,
)
facts = _known(
    {"location": PLACES[:3], "purpose": PURPOSES, "application": ["app:1", "app:2"], "event": ["x", "y"]}
    | {"state": ["x", "y"], "classification": ["x", "y"], f"payAmount in {EURO}": ["5", "7.0", "much"]},
    2,
)
_duty_paths = [f"permission[{rule}].duty[{at}]" for rule in (0, 1, 2) for at in (0, 1)] + ["obligation[0]"]
requests: st.SearchStrategy[Request] = st.builds(
    Request,
    checkpoint=st.sampled_from(list(Checkpoint)),
    action=st.sampled_from(["read", "read", "use", "display", "access"]),
    participant_id=st.sampled_from(PARTIES),
    now_ms=st.builds(
        lambda hours, step: NOW_MS + hours * HOUR_MS + step, st.integers(-3, 3), st.integers(-1, 1)
    ),
    agreed_at_ms=st.sampled_from([None, NOW_MS - 2 * HOUR_MS, NOW_MS - HOUR_MS, NOW_MS]),
    uses_count=st.integers(0, 3),
    claims=claims,
    facts=facts,
    duties=st.dictionaries(st.sampled_from(_duty_paths), st.sampled_from(list(DutyState)), max_size=3),
    side=st.sampled_from(list(Side)),
    is_open_world=st.booleans(),
)
