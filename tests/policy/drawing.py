"""Random policies and requests over a small world, so that rules meet, contradict and run out often."""

from datetime import timedelta

from hypothesis import strategies as st

from ashiato.facts.instants import format_datetime
from ashiato.policy.evaluation import Checkpoint, Request
from tests.policy.asking import NOW_MS

HOUR_MS = 3_600_000
PARTIES = ["did:web:a", "did:web:b", "did:web:c"]
ACTIONS = ["use", "read", "present", "display", "access", "distribute", "https://x.example/act"]
DUTY_ACTIONS = ["delete", "inform", "https://x.example/dance"]
CLAIMS = ["Membership", "Group"]
ORDER = ["lt", "lteq", "gt", "gteq", "eq", "neq"]
INSTANTS = [format_datetime(NOW_MS + hours * HOUR_MS) for hours in range(-3, 4)]
DURATIONS = {f"PT{hours}H": timedelta(hours=hours) for hours in range(4)}

Document = dict[str, object]


def _compare(
    left: str | list[str], operators: list[str], right: st.SearchStrategy[object]
) -> st.SearchStrategy[Document]:
    lefts = [left] if isinstance(left, str) else left
    return st.fixed_dictionaries(
        {"leftOperand": st.sampled_from(lefts), "operator": st.sampled_from(operators), "rightOperand": right}
    )


_groups = st.lists(st.sampled_from(["gold", "tin"]), max_size=2, unique=True)
_some_parties = st.lists(st.sampled_from(PARTIES), max_size=2, unique=True)
_atoms = st.one_of(
    _compare(["ashiato:participant", "recipient"], ["isAnyOf", "isNoneOf"], _some_parties),
    _compare("assignee", ["eq", "neq"], st.sampled_from(PARTIES)),
    _compare("dateTime", ORDER, st.sampled_from(INSTANTS)),
    _compare("elapsedTime", ORDER, st.sampled_from(sorted(DURATIONS))),
    _compare("count", ORDER, st.sampled_from(["0", "1", "2", "3"])),
    _compare(CLAIMS, ["isAnyOf", "isNoneOf", "isAllOf"], _groups),
    _compare("count", ["lteq", "isA"], st.sampled_from(["2", "two"])),
)
constraints = st.recursive(
    _atoms,
    lambda inner: st.one_of(
        [
            st.fixed_dictionaries({name: st.lists(inner, min_size=1, max_size=3)})
            for name in ("and", "or", "xone", "andSequence")
        ]
    ),
    max_leaves=5,
)


def _rules(
    actions: list[str], duties: st.SearchStrategy[list[Document]]
) -> st.SearchStrategy[list[Document]]:
    rule: st.SearchStrategy[Document] = st.fixed_dictionaries(
        {"action": st.sampled_from(actions)},
        optional={
            "constraint": st.lists(constraints, max_size=2),
            "assignee": st.sampled_from(PARTIES),
            "duty": duties,
        },
    )
    return st.lists(rule, max_size=2)


def _duties() -> st.SearchStrategy[list[Document]]:
    return st.lists(
        st.fixed_dictionaries(
            {"action": st.sampled_from(DUTY_ACTIONS)},
            optional={"constraint": st.lists(constraints, max_size=1)},
        ),
        max_size=1,
    )


documents: st.SearchStrategy[Document] = st.fixed_dictionaries(
    {"permission": _rules(ACTIONS, _duties())},
    optional={
        "prohibition": _rules(ACTIONS, st.just([])),
        "obligation": _duties(),
        "conflict": st.sampled_from(["perm", "prohibit", "invalid"]),
        "assignee": st.sampled_from(PARTIES),
    },
)
requests: st.SearchStrategy[Request] = st.builds(
    Request,
    checkpoint=st.sampled_from(list(Checkpoint)),
    action=st.sampled_from(["use", "read", "display", "access"]),
    participant_id=st.sampled_from(PARTIES),
    now_ms=st.builds(
        lambda hours, step: NOW_MS + hours * HOUR_MS + step, st.integers(-3, 3), st.integers(-1, 1)
    ),
    agreed_at_ms=st.sampled_from([None, NOW_MS - 2 * HOUR_MS, NOW_MS - HOUR_MS, NOW_MS]),
    uses_count=st.integers(0, 3),
    claims=st.dictionaries(st.sampled_from(CLAIMS), _groups.map(frozenset), max_size=2),
)
