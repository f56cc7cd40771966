"""What a run of the kit proved: its report, held against the list of tests that the release runs."""

import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from tests.tck import scenarios

_DISPLAY_NAME = re.compile(r"^display-name: ([A-Z_]+:\d\d-\d\d)\b", re.MULTILINE)


class Verdict(NamedTuple):
    """What is printed for one store, and the counts for the closing line."""

    lines: tuple[str, ...]
    passed_count: int
    failed_count: int


def parse(report: bytes) -> dict[str, str]:
    """Every test that was executed, by its id, with its problem, "" for none; disabled ones are left out.

    A test that the report names twice keeps its problem.
    """
    executed: dict[str, str] = {}
    for case in ElementTree.fromstring(report).iter("testcase"):
        if case.find("skipped") is not None:
            continue
        named = _DISPLAY_NAME.search("\n".join(out.text or "" for out in case.iter("system-out")))
        test_id = named.group(1) if named else f"{case.get('classname')}.{case.get('name')}"
        executed[test_id] = executed.get(test_id) or problem_of(case)
    return executed


def problem_of(case: ElementTree.Element) -> str:
    """What was wrong with one test case of a report, "" for nothing."""
    for kind in ("failure", "error"):
        found = case.find(kind)
        if found is not None:
            message = found.get("message") or found.get("type") or kind
            return " ".join(message.split())
    return ""


def suite_of(test_id: str) -> str:
    """The suite of a test: CN_C for CN_C:01-01."""
    return test_id.partition(":")[0]


def expected_counts() -> dict[str, int]:
    """How many tests the release runs in each suite, in the order in which they are reported."""
    return dict(Counter(suite_of(test_id) for test_id in scenarios.TESTS))


def judge(store: str, executed: Mapping[str, str]) -> Verdict:
    """One line for each suite, then what did not pass: tests with a problem, missing tests and tests too many."""
    passed = Counter(suite_of(test_id) for test_id in scenarios.TESTS if executed.get(test_id) == "")
    lines = [f"{store} {suite} {passed[suite]}/{count}" for suite, count in expected_counts().items()]
    lines += [f"  {store} {test_id}: {problem}" for test_id, problem in sorted(executed.items()) if problem]
    missing = [test_id for test_id in scenarios.TESTS if test_id not in executed]
    if missing:
        lines.append(f"  {store} not executed: {' '.join(missing) if executed else 'all of them'}")
    unknown = [test_id for test_id in executed if test_id not in scenarios.TESTS]
    if unknown:
        lines.append(f"  {store} not among the tests of {scenarios.RELEASE}: {' '.join(unknown)}")
    unproved_count = len(scenarios.TESTS) - passed.total()
    return Verdict(tuple(lines), passed.total(), unproved_count + len(unknown))


def closing_line(verdicts: Iterable[Verdict]) -> str:
    """The sum over all stores: `N passed, N failed`."""
    counted = list(verdicts)
    passed_count = sum(verdict.passed_count for verdict in counted)
    failed_count = sum(verdict.failed_count for verdict in counted)
    return f"{passed_count} passed, {failed_count} failed"
