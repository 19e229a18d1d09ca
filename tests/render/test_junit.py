"""What the gate makes of each eval, and the JUnit file that says it."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as Xml

from comparison.cases import TRANSITION_OF, of_every_transition
from support.frames import many, result, results
from support.inside import SUITE, TRANSITIONS, Case, FailedTry, inside, write_junit

import retab_analysis as ra

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
    SUITE: "failed",
}


def by_id(values: bool = False, **rule: object) -> dict[str, Case]:
    comparison = of_every_transition()
    cases = inside(comparison).cases(comparison.gate(**rule), values=values)  # type: ignore[arg-type]
    return {each.key: each for each in cases}


def test_every_transition_comes_out_as_something() -> None:
    assert {*TRANSITION_OF.values(), "stale", "same_code"} == {*TRANSITIONS}
    cases = by_id()
    assert {name: case.outcome for name, case in cases.items()} == COMES_OUT
    assert all(case.message for case in cases.values() if case.outcome != "passed")


def test_what_is_accepted_is_expected_to_fail() -> None:
    cases = by_id(accepted=["broken", "doubtful"])
    assert (cases["broken"].outcome, cases["doubtful"].outcome) == ("xfailed", "xfailed")
    assert cases["broken"].message.startswith("accepted; broke: ")


def test_the_suite_fails_for_reasons_that_are_of_no_single_eval() -> None:
    assert "pass rate fell" in by_id()[SUITE].message
    assert by_id(accepted=["broken", "blocked"])[SUITE].outcome == "passed"
    suite = by_id(accepted=["broken", "blocked"], min_pass_rate=1.0)[SUITE]
    assert (suite.outcome, suite.message) == (
        "failed",
        "The pass rate is 53 %, 9 of 17 that ended; the rule asks for at least 100 %.",
    )


def test_tries_are_written_as_surefire_does(tmp_path: Path) -> None:
    code = {"block_execution_fingerprint": "B"}
    before = [*many("flaky", "PPFPPFPFPP"), *many("bad", "PPPPPPPPPP")]
    now = [
        result("flaky", "failed", 12, failure_message="not yet"),
        result("flaky", "passed", 13),
        result("bad", "failed", 12, failure_message="first", **code),
        result("bad", "failed", 13, failure_message="again", **code),
    ]
    made = ra.compare(results(*before), results(*now))
    assert made.gate().failing == ("bad",)
    path = tmp_path / "junit.xml"
    write_junit(path, "wf", inside(made).cases(made.gate(), values=True), {})
    found = {case.get("name"): case for case in Xml.parse(path).getroot()[0]}
    tags = {
        name: [(each.tag, each.get("message")) for each in case] for name, case in found.items()
    }
    assert tags["name of flaky (flaky)"] == [("flakyFailure", "not yet")]
    (_, message), again = tags["name of bad (bad)"]
    assert message is not None
    assert again == ("rerunFailure", "first")


HOSTILE = "a\x00b\x1b[2J\ud800\ufffe <&\"'>]]>"


def test_junit_holds_what_xml_cannot(tmp_path: Path) -> None:
    tries = (FailedTry("error", HOSTILE),)
    cases = [
        Case(HOSTILE, "e1", "block", "failed", HOSTILE, f"{HOSTILE}\nmore", tries),
        Case("e2", "e2", "", "xfailed", "known"),
        Case("three", "e3", "block", "skipped", "suspect"),
        Case(SUITE, SUITE, "", "passed", attempts=tries),
    ]
    path = tmp_path / "junit.xml"
    write_junit(path, "wf", cases, {})
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
    failure, again = suite[0]
    assert (failure.tag, failure.get("message")) == ("failure", shown)
    assert failure.text == f"{shown}\nmore"
    assert (again.tag, again.get("message")) == ("rerunError", shown)
    assert [case[0].tag for case in suite if len(case)] == [
        *("failure", "skipped", "skipped", "flakyError"),
    ]
