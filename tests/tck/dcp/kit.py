"""The kit's settings for each role of ours, and what its report says."""

import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from tests.tck.dcp.cases import PACKAGE, RELEASE, RUN, Role
from tests.tck.dcp.server_under_test import HOLDER_PID, Server
from tests.tck.report import Verdict, problem_of

HERE = Path(__file__).resolve().parent


def settings(server: Server, role: Role, kit_port: int) -> dict[str, str]:
    """The settings with which the kit tests our server in one role and plays the other parties itself."""
    prefix = "dataspacetck"
    return {
        f"{prefix}.launcher": "org.eclipse.dataspacetck.dcp.system.DcpSystemLauncher",
        f"{prefix}.debug": "true",
        f"{prefix}.host": "127.0.0.1",
        f"{prefix}.port": str(kit_port),
        f"{prefix}.callback.address": f"http://127.0.0.1:{kit_port}",
        f"{prefix}.did.{role.ours}": server.dids[role.ours],
        f"{prefix}.credentials.correlation.id": HOLDER_PID,
        **(
            {
                f"{prefix}.sts.url": server.sts_url,
                f"{prefix}.sts.client.id": "the-kit",
                f"{prefix}.sts.client.secret": "no-secret",
            }
            if role.ours == "holder"
            else {}
        ),
        **({f"{prefix}.vpp.trigger.endpoint": server.trigger_url} if role.ours == "verifier" else {}),
    }


def packages(role: Role) -> tuple[str, ...]:
    """The packages of the suites of a role."""
    return tuple(f"{PACKAGE}.{suite}" for suite in role.suites)


def parse(report: bytes) -> dict[str, str]:
    """Every test that was executed, by its suite and method, with its problem, "" for none; disabled ones are left out."""
    executed: dict[str, str] = {}
    for case in ElementTree.fromstring(report).iter("testcase"):
        if case.find("skipped") is not None:
            continue
        suite, _, class_name = str(case.get("classname")).removeprefix(f"{PACKAGE}.").rpartition(".")
        method = str(case.get("name")).partition("(")[0]
        id_ = f"{suite}:{class_name}.{method}"
        executed[id_] = executed.get(id_) or problem_of(case)
    return executed


def judge(store: str, executed: Mapping[str, str]) -> Verdict:
    """One line for each suite, then what did not pass, by its name in the kit."""
    counts = Counter(id_.partition(":")[0] for id_ in RUN)
    passed = Counter(id_.partition(":")[0] for id_ in RUN if executed.get(id_) == "")
    lines = [f"{store} {suite} {passed[suite]}/{count}" for suite, count in counts.items()]
    lines += [
        f"  {store} {id_} ({RUN.get(id_, 'no test of the release')}): {problem}"
        for id_, problem in sorted(executed.items())
        if problem
    ]
    missing = [id_ for id_ in RUN if id_ not in executed]
    if missing:
        lines.append(f"  {store} not executed: {' '.join(missing) if executed else 'all of them'}")
    unknown = [id_ for id_ in executed if id_ not in RUN]
    if unknown:
        lines.append(f"  {store} not among the tests of {RELEASE}: {' '.join(unknown)}")
    return Verdict(tuple(lines), passed.total(), len(RUN) - passed.total() + len(unknown))
