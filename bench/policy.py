"""How long one decision takes: ten constraints, nothing cached, the whole tree of reasons built."""

import gc
import statistics
import time

from ashiato.facts.instants import DAY_MS, parse_datetime
from ashiato.policy.evaluation import Checkpoint, Request, decide
from ashiato.policy.odrl import Policy, parse_policy
from bench import identities

DECISIONS_COUNT = 20_000
THROUGHPUT_S = 2.0
NOW_MS = parse_datetime("2026-11-24T12:00:00Z")
MAKER = "did:web:cells.example"


def _compare(left: str, operator: str, right: str | list[str]) -> dict[str, object]:
    return {"leftOperand": left, "operator": operator, "rightOperand": right}


# One of each kind that a battery maker's offer has: ten comparisons, one duty, one prohibition.
POLICY: dict[str, object] = {
    "permission": [
        {
            "action": "use",
            "constraint": [
                _compare("Membership", "eq", "active"),
                _compare("FrameworkAgreement", "eq", "DataExchangeGovernance:1.0"),
                _compare("recipient", "isAnyOf", [MAKER, "did:web:pack.example"]),
                _compare("dateTime", "lteq", "2027-12-31T00:00:00Z"),
                _compare("elapsedTime", "lteq", "P1Y"),
                _compare("count", "lteq", "1000"),
                {
                    "or": [
                        _compare("role", "isAnyOf", ["cell maker", "pack maker"]),
                        _compare("security_profile", "gteq", "trust"),
                    ]
                },
                _compare("location", "isAnyOf", ["JP", "cx.region.europe:1"]),
                _compare("UsagePurpose", "isAnyOf", ["cx.pcf.base:1", "cx.circular.dpp:1"]),
            ],
            "duty": [{"action": "delete", "constraint": [_compare("delayPeriod", "eq", "P30D")]}],
        }
    ],
    "prohibition": [{"action": "distribute"}],
}


def _request(uses_count: int) -> Request:
    """A request as no other before it, so that nothing could have been remembered."""
    return Request(
        Checkpoint.READ,
        "read",
        MAKER,
        NOW_MS + uses_count,
        NOW_MS - DAY_MS,
        uses_count % 900,
        claims={
            "membership": frozenset(("active",)),
            "framework_agreement": frozenset(("DataExchangeGovernance:1.0",)),
            "role": frozenset(("pack maker", "operator")),
            "security_profile": frozenset(("base", "trust")),
            "location": frozenset(("JP",)),
        },
        facts={"purpose": frozenset(("cx.pcf.base:1",))},
    )


async def run() -> dict[str, float]:
    """The middle time of one decision, its 99th percentile, decisions per second on one core, the time to read a policy, and
    the memory that 10 000 known identities take."""
    policy = parse_policy(POLICY)
    requests = [_request(index) for index in range(DECISIONS_COUNT)]
    if not decide(policy, requests[0]).permitted:
        raise SystemExit("the measured decision must be a permit: it is the one that looks at everything")
    for request in requests[:2000]:
        decide(policy, request)
    gc.collect()
    took_ns = []
    for request in requests:
        start_ns = time.perf_counter_ns()
        decide(policy, request)
        took_ns.append(time.perf_counter_ns() - start_ns)
    took_ns.sort()
    return {
        "decision_p50_us": round(statistics.median(took_ns) / 1000, 1),
        "decision_p99_us": round(took_ns[len(took_ns) * 99 // 100] / 1000, 1),
        "decisions_per_s": _per_second(policy, requests),
        "policy_read_p50_us": _reading_us(),
        "identity_cache_mb": await identities.cache_mb(),
    }


def _per_second(policy: Policy, requests: list[Request]) -> int:
    done_count = 0
    start_s = time.process_time()
    while (spent_s := time.process_time() - start_s) < THROUGHPUT_S:
        for request in requests[:1000]:
            decide(policy, request)
        done_count += 1000
    return int(done_count / spent_s)


def _reading_us() -> float:
    took_ns = []
    for _ in range(500):
        start_ns = time.perf_counter_ns()
        parse_policy(POLICY)
        took_ns.append(time.perf_counter_ns() - start_ns)
    return round(statistics.median(took_ns) / 1000, 1)
