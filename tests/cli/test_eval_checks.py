"""What the gate makes of each eval, and the JUnit file that says it."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as Xml

from comparison.cases import TRANSITION_OF, held_against, history, of_every_transition
from support.inside import SUITE, TRANSITIONS, EvalCheck, list_checks, write_junit

COMES_OUT = {
    "broken": "failed",
    "blocked": "failed",
    "crashed": "skipped",
    "stopped": "failed",
    "doubtful": "skipped",
    "changed": "skipped",
    "gone": "skipped",
    "new": "skipped",
    "shaky": "xfailed",
    "gap": "xfailed",
    "mended": "passed",
    **{f"fine{at}": "passed" for at in range(8)},
    SUITE: "passed",
}


def by_id(values: bool = False, **rule: object) -> dict[str, EvalCheck]:
    comparison = of_every_transition()
    checks = list_checks(comparison, comparison.gate(**rule), values=values)  # type: ignore[arg-type]
    return {each.eval_id: each for each in checks}


def test_every_transition_comes_out_as_something() -> None:
    assert set(TRANSITION_OF.values()) == set(TRANSITIONS)
    assert {name: check.outcome for name, check in by_id().items()} == COMES_OUT


def test_what_is_accepted_is_expected_to_fail() -> None:
    check = by_id(allow=["broken", "doubtful"])
    assert (check["broken"].outcome, check["doubtful"].outcome) == ("xfailed", "xfailed")
    assert check["broken"].reason.startswith("accepted: regressed: ")


def test_the_suite_fails_only_where_no_eval_does() -> None:
    assert by_id()[SUITE].outcome == "passed"
    suite = by_id(fail_on=(), min_pass_rate=1.0, verdict=False)[SUITE]
    assert (suite.outcome, suite.reason) == (
        "failed",
        "The pass rate is 64.3%; at least 100.0% is asked for.",
    )


def test_values_and_the_words_that_differ_are_shown_where_asked_for() -> None:
    rows = history("e", "P" * 20, block_id="b", expected_value='{"a":"two red apples"}')
    rows = [row | {"actual_value": row["expected_value"]} for row in rows]
    last = history("e", "." * 20 + "F", "A" * 20 + "B", block_id="b")
    rows += [
        row
        | {
            "expected_value": '{"a":"two red apples"}',
            "actual_value": '{"a":"two green apples"}',
            "condition": '= "x"',
        }
        for row in last
    ]
    comparison = held_against(rows, 20, 21)
    gate = comparison.gate()
    assert gate.failing == ("e",)
    shown = list_checks(comparison, gate, values=True)[0].details
    assert '.a: "two [-red-]{+green+} apples"' in shown
    assert '  condition    = "x"' in shown
    assert "outcome      passed → failed" in shown
    hidden = list_checks(comparison, gate, values=False)[0].details
    assert "apples" not in hidden
    assert '"x"' not in hidden
    assert "outcome      passed → failed" in hidden


HOSTILE = "a\x00b\x1b[2J\ud800\ufffe <&\"'>]]>"


def test_junit_holds_what_xml_cannot(tmp_path: Path) -> None:
    checks = [
        EvalCheck("e1", HOSTILE, "block", "failed", HOSTILE, f"{HOSTILE}\nmore"),
        EvalCheck("e2", "e2", "", "xfailed", "known"),
        EvalCheck("e3", "three", "block", "skipped", "suspect"),
        EvalCheck(SUITE, SUITE, "", "passed"),
    ]
    path = tmp_path / "junit.xml"
    write_junit(path, "wf", checks)
    root = Xml.parse(path).getroot()
    suite = root[0]
    assert root.tag == "testsuites"
    assert dict(suite.attrib) == {
        "name": "retab wf",
        "tests": "4",
        "failures": "1",
        "errors": "0",
        "skipped": "2",
    }
    shown = "a#x00b#x1B[2J#xD800#xFFFE <&\"'>]]>"
    assert [case.get("name") for case in suite] == [f"{shown} (e1)", "e2", "three (e3)", "suite"]
    assert [case.get("classname") for case in suite] == [
        "retab.wf.block",
        "retab.wf",
        "retab.wf.block",
        "retab.wf",
    ]
    failure = suite[0][0]
    assert (failure.tag, failure.get("message")) == ("failure", shown)
    assert failure.text == f"{shown}\nmore"
    assert [case[0].tag for case in suite if len(case)] == ["failure", "skipped", "skipped"]
