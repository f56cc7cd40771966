from tests.tck import report, scenarios


def case(test_id: str, outcome: str = "") -> str:
    return (
        f'<testcase name="a_test()" classname="org.example.ATest" time="0.9">{outcome}<system-out><![CDATA[\n'
        f"unique-id: [engine:junit-jupiter]/[class:org.example.ATest]/[method:a_test()]\n"
        f"display-name: {test_id}: Verify something: or other\n]]></system-out></testcase>"
    )


def document(*cases: str) -> bytes:
    return f'<?xml version="1.0"?><testsuite name="JUnit Jupiter">{"".join(cases)}</testsuite>'.encode()


ALL_PASSED = dict.fromkeys(scenarios.TESTS, "")


def test_the_release_runs_sixty_five_tests_in_six_suites() -> None:
    assert report.expected_counts() == {"MET": 1, "CAT": 3, "CN": 15, "CN_C": 16, "TP": 15, "TP_C": 15}


def test_the_kits_report_tells_what_was_executed_and_what_was_wrong() -> None:
    found = report.parse(
        document(
            case("MET:01-01"),
            case("CN_C:02-01", '<failure message="Unexpected 404&#10; received" type="AssertionError"/>'),
            case("TP:01-01", '<error type="java.lang.RuntimeException">at somewhere</error>'),
            case("TP:02-04", "<skipped>is @Disabled</skipped>"),
        )
    )
    assert found == {
        "MET:01-01": "",
        "CN_C:02-01": "Unexpected 404 received",
        "TP:01-01": "java.lang.RuntimeException",
    }


def test_a_test_that_failed_once_and_passed_once_has_failed() -> None:
    failure = '<failure message="late"/>'
    assert report.parse(document(case("CN:03-03", failure), case("CN:03-03"))) == {"CN:03-03": "late"}
    assert report.parse(document(case("CN:03-03"), case("CN:03-03", failure))) == {"CN:03-03": "late"}


def test_a_test_without_an_id_is_named_by_its_method() -> None:
    found = report.parse(document('<testcase name="other()" classname="org.example.OtherTest"/>'))
    assert found == {"org.example.OtherTest.other()": ""}


def test_each_suite_has_its_line() -> None:
    verdict = report.judge("sqlite", ALL_PASSED)
    assert verdict.lines == (
        "sqlite MET 1/1",
        "sqlite CAT 3/3",
        "sqlite CN 15/15",
        "sqlite CN_C 16/16",
        "sqlite TP 15/15",
        "sqlite TP_C 15/15",
    )
    assert (verdict.passed_count, verdict.failed_count) == (65, 0)


def test_a_failed_test_is_named_with_its_message() -> None:
    verdict = report.judge("postgresql", {**ALL_PASSED, "CN:01-04": "Timeout waiting for AGREED"})
    assert "postgresql CN 14/15" in verdict.lines
    assert verdict.lines[6:] == ("  postgresql CN:01-04: Timeout waiting for AGREED",)
    assert (verdict.passed_count, verdict.failed_count) == (64, 1)


def test_a_test_that_was_not_executed_did_not_pass() -> None:
    executed = {test_id: "" for test_id in ALL_PASSED if not test_id.startswith("TP_C:03")}
    verdict = report.judge("sqlite", executed)
    assert "sqlite TP_C 9/15" in verdict.lines
    assert verdict.lines[6].startswith("  sqlite not executed: TP_C:03-01 TP_C:03-02")
    assert (verdict.passed_count, verdict.failed_count) == (59, 6)


def test_a_test_too_many_is_a_fault_even_when_it_passed() -> None:
    verdict = report.judge("sqlite", {**ALL_PASSED, "TP:02-04": ""})
    assert (verdict.passed_count, verdict.failed_count) == (65, 1)
    assert verdict.lines[6:] == ("  sqlite not among the tests of 1.0.0-RC6: TP:02-04",)


def test_a_test_too_many_that_failed_counts_once() -> None:
    verdict = report.judge("sqlite", {**ALL_PASSED, "TP:02-04": "late"})
    assert (verdict.passed_count, verdict.failed_count) == (65, 1)


def test_a_run_that_proved_nothing_fails_every_test() -> None:
    verdict = report.judge("sqlite", {})
    assert (verdict.passed_count, verdict.failed_count) == (0, 65)


def test_the_closing_line_is_the_sum_over_the_stores() -> None:
    verdicts = [report.judge("sqlite", ALL_PASSED), report.judge("postgresql", {})]
    assert report.closing_line(verdicts) == "65 passed, 65 failed"
