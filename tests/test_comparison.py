"""The comparison: its numbers, verdict, gate, words and pages."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from support.frames import many, result, results
from test_markup import EVIL, Tags

from retab_analysis import markup, stats
from retab_analysis.analysis import eval_history
from retab_analysis.comparison import Comparison, compare, compare_versions
from retab_analysis.comparison.suite_test import SUMMARY_SCHEMA
from retab_analysis.errors import ConfigError, RegressionError, SchemaError

NOW = 90
CODE = "block_execution_fingerprint"


def suite(before: str, after: str, **more: Any) -> Comparison:
    """One eval per letter on either side; a dot is none."""
    sides = [
        [
            row
            for at, letter in enumerate(states)
            if letter != "."
            for row in many(f"e{at}", letter, run, **more)
        ]
        for states, run in ((before, 1), (after, NOW))
    ]
    return compare(results(*sides[0]), results(*sides[1]))


def numbers(comparison: Comparison) -> dict[str, Any]:
    return comparison.summary.row(0, named=True)


def test_the_summary() -> None:
    comparison = suite("PPPPPPPPFFP.UP", "FBEPPPPPPFPP P".replace(" ", "P"))
    assert comparison.summary.schema == SUMMARY_SCHEMA
    row = numbers(comparison)
    assert row["regressed"] == row["newly_blocked"] == row["newly_errored"] == row["fixed"] == 1
    assert (row["still_failing"], row["incomplete"], row["added"]) == (1, 1, 1)
    assert (row["n_pairs"], row["n_discordant"]) == (12, 4)
    assert row["delta"] == pytest.approx(-2 / 12)
    assert row["p_value"] == stats.mcnemar_exact(3, 1)
    assert (row["delta_low"], row["delta_high"]) == stats.paired_interval(3, 1, 12)
    assert row["detectable"] == 6 / 12
    assert row["baseline_pass_rate"] == pytest.approx(10 / 12)
    assert row["candidate_pass_rate"] == pytest.approx(10 / 14)


def test_a_result_that_is_there_twice_counts_once() -> None:
    sides = [results(*many("a", "PP"), *many("b", "PF")), results(*many("a", "F", NOW))]
    history = results(*many("a", "PFPP", NOW + 1))
    once = compare(sides[0], sides[1], history=history)
    repeated = [pl.concat([each, each.head(1)] * 3) for each in (*sides, history)]
    twice = compare(repeated[0], repeated[1], history=repeated[2])
    assert twice.evals.equals(once.evals)
    assert twice.summary.equals(once.summary)


def test_a_history_in_pieces_of_which_one_is_a_side() -> None:
    sides = results(*many("a", "P")), results(*many("a", "F", 2))
    history = pl.concat([sides[0], results(*many("a", "PFPFP", 3))], rechunk=False)
    assert numbers(compare(*sides, history=history))["flaky"] == 1


def test_flaky_changed_and_absent_evals_are_no_pairs() -> None:
    before = [*many("mixed", "PF"), *many("changed", "P"), *many("removed", "P")]
    after = [*many("mixed", "P", NOW), *many("changed", "F", NOW, expected_value="9")]
    row = numbers(compare(results(*before), results(*after)))
    assert (row["flaky"], row["not_comparable"], row["removed"]) == (1, 1, 1)
    assert (row["n_pairs"], row["delta"], row["p_value"]) == (0, None, None)


def test_mixed_evals_that_differ_are_pairs() -> None:
    before, after = many("e", "P" * 10), many("e", "PPFFFFFFFF", NOW)
    row = numbers(compare(results(*before), results(*after)))
    assert (row["n_pairs"], row["n_discordant"], row["delta"]) == (1, 1, -1.0)
    assert row["baseline_pass_rate"] == 1.0
    assert row["candidate_pass_rate"] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("before", "after", "alpha", "verdict"),
    [
        ("", "", 0.05, "inconclusive"),
        ("P.", ".P", 0.05, "inconclusive"),
        ("PPF", "PPF", 0.05, "no_change"),
        ("P" * 6, "F" * 6, 0.05, "regressed"),
        ("F" * 6, "P" * 6, 0.05, "improved"),
        ("P" * 5, "F" * 5, 0.05, "inconclusive"),
        ("P" * 5, "F" * 5, 0.0625, "regressed"),
        ("P" * 6, "F" * 6, 0.01, "inconclusive"),
        ("PPPPPPPPF", "FFFFFFFFP", 0.05, "regressed"),
        ("PF", "FP", 0.05, "inconclusive"),
    ],
)
def test_the_verdict(before: str, after: str, alpha: float, verdict: str) -> None:
    made = suite(before, after)
    found = compare(results(), results()) if not before else made
    assert Comparison.make(found.evals, found.compared, alpha).verdict == verdict


def test_what_cannot_be_detected_is_null() -> None:
    assert numbers(suite("PPPPP", "PPPPP"))["detectable"] is None
    assert numbers(suite("P" * 12, "P" * 12))["detectable"] == 0.5


GATE = suite("PPPPPP.P", "FBEUPPF.")


@pytest.mark.parametrize(
    ("arguments", "ok"),
    [
        ({}, False),
        ({"max_failures": 3}, False),
        ({"max_failures": 4}, True),
        ({"fail_on": "fixed"}, True),
        ({"fail_on": ()}, True),
        ({"fail_on": ["removed"]}, False),
        ({"fail_on": "regressed", "allow": ["e0"]}, True),
        ({"fail_on": "regressed", "allow": "name of e0"}, True),
        ({"fail_on": "regressed", "allow": "e1"}, False),
        ({"allow": ["e0", "e1", "e2", "e3", "unheard of"]}, True),
        ({"fail_on": (), "min_pass_rate": 0.3}, True),
        ({"fail_on": (), "min_pass_rate": 0.4}, False),
    ],
)
def test_the_gate(arguments: dict[str, Any], ok: bool) -> None:
    gate = GATE.gate(**arguments)
    assert gate.ok is bool(gate) is ok
    text = " ".join(gate.reasons)
    assert "removed: name of e7 (e7)" in text
    if "removed" not in arguments.get("fail_on", ()):
        assert "1 added and not passing: name of e6 (e6)." in gate.reasons


def test_the_reasons_of_the_gate() -> None:
    assert GATE.gate(min_pass_rate=0.5).reasons == (
        "1 regressed: name of e0 (e0).",
        "1 newly blocked: name of e1 (e1).",
        "1 newly errored: name of e2 (e2).",
        "1 incomplete: name of e3 (e3).",
        "The pass rate is 33.3%; at least 50.0% is asked for.",
        "1 removed: name of e7 (e7).",
        "1 added and not passing: name of e6 (e6).",
    )
    accepted = GATE.gate("regressed", max_failures=2).reasons
    assert "1 count against the gate; 2 are accepted." in accepted


def test_a_pass_rate_that_is_just_enough_is_enough() -> None:
    rows = [*many("e", "P" * 23 + "F" * 20), *many("f", "P" * 8 + "F" * 11)]  # 31 of 62
    assert compare(results(*rows), results(*rows)).gate(min_pass_rate=0.5).ok


def test_the_gate_of_an_unchanged_suite_has_nothing_to_say() -> None:
    gate = suite("PPF", "PPF").gate()
    assert (gate.ok, gate.reasons) == (True, ())
    nothing = compare(results(), results()).gate(min_pass_rate=0.5)
    assert (nothing.ok, len(nothing.reasons)) == (False, 1)


def test_changed_evals_that_fail_are_named() -> None:
    before = results(*many("e", "P"), *many("f", "P"))
    after = results(
        *many("e", "F", NOW, expected_value="9"), *many("f", "P", NOW, expected_value="9")
    )
    gate = compare(before, after).gate()
    assert (gate.ok, gate.reasons) == (True, ("1 changed and not passing: name of e (e).",))


def test_many_evals_are_named_in_part() -> None:
    (reason,) = suite("P" * 30, "F" * 30).gate().reasons
    assert reason.startswith("30 regressed: ")
    assert reason.endswith(" and 10 more.")


def test_raising() -> None:
    with pytest.raises(RegressionError, match="1 regressed: name of e0") as caught:
        GATE.raise_if_regressed(fail_on="regressed")
    assert caught.value.comparison is GATE
    assert caught.value.reasons[0] == "1 regressed: name of e0 (e0)."
    GATE.raise_if_regressed(max_failures=4)


@pytest.mark.parametrize(
    "arguments",
    [
        {"fail_on": "broken"},
        {"fail_on": 3},
        {"allow": [3]},
        {"max_failures": -1},
        {"max_failures": 1.5},
        {"max_failures": True},
        {"min_pass_rate": 95},
        {"min_pass_rate": "all"},
    ],
)
def test_a_gate_that_cannot_be(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(arguments))):
        GATE.gate(**arguments)


def test_what_is_undecided() -> None:
    before = [*many("a", "PF"), *many("b", "P"), *many("c", "P")]
    after = [*many("a", "P", NOW), *many("b", "U", NOW), *many("c", "F", NOW)]
    undecided = compare(results(*before), results(*after)).undecided
    assert undecided.select("eval_id", "transition").rows() == [("a", "flaky"), ("b", "incomplete")]


def diff_of(expected: str | None, before: str | None, after: str | None) -> list[Any]:
    made = compare(
        results(result("e", "passed", 1, expected_value=expected, actual_value=before)),
        results(result("e", "failed", NOW, expected_value=expected, actual_value=after)),
    )
    return made.diff("e").rows()


@pytest.mark.parametrize(
    ("expected", "before", "after", "rows"),
    [
        ("1", "1", "2", [("$", "1", "1", "2")]),
        ("1", "1", "1", []),
        (None, "1", "2", [("$", None, "1", "2")]),
        ("1", None, "2", [("$", "1", None, "2")]),
        (None, "1", None, []),
        # Numbers stay as they were written.
        ("1.10", "1.1", "1.10", [("$", "1.10", "1.1", "1.10")]),
        (f"{10**40}", f"{10**40}", "1e40", [("$", f"{10**40}", f"{10**40}", "1e40")]),
        (
            '{"a":{"b":[1,2]},"c":"x"}',
            '{"a":{"b":[1,2]},"c":"x"}',
            '{"a":{"b":[1,3,4]},"c":"x"}',
            [("$.a.b[1]", "2", "2", "3"), ("$.a.b[2]", None, None, "4")],
        ),
        ('{"a b":1}', '{"a b":1}', "{}", [('$["a b"]', "1", "1", None), ("$", None, None, "{}")]),
        # A count that is expected of a list says nothing about what is in it.
        ("3", "[1,2]", "[1,4]", [("$", "3", None, None), ("$[1]", None, "2", "4")]),
        ("[]", "{}", "null", [("$", "[]", "{}", "null")]),
        ('"é"', '"é"', '"\\u00e9"', []),
        ('"1"', "1", "true", [("$", '"1"', "1", "true")]),
        ('{"k":"\\ud800"}', "1", "1", [("$.k", '"\\ud800"', None, None), ("$", None, "1", "1")]),
    ],
)
def test_the_paths_at_which_values_differ(
    expected: str | None, before: str | None, after: str | None, rows: list[Any]
) -> None:
    assert diff_of(expected, before, after) == rows


def test_values_that_are_too_deep_are_compared_whole() -> None:
    deep = "[" * 100_000 + "]" * 100_000
    assert diff_of(None, deep, deep) == []
    assert diff_of(None, deep, "1") == [("$", None, deep, "1")]


def test_a_diff_of_an_eval_that_there_is_not() -> None:
    with pytest.raises(ConfigError, match=r"no eval 'nope' was compared; there are e0, e1"):
        suite("PP", "PP").diff("nope")


def sentences(text: str) -> list[str]:
    return re.findall(r"[^.]+(?:\.\d[^.]*)*\.", text)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("P" * 8, "F" * 7 + "P", ("7 evals passed before and do not now", "fell by 87.5 points")),
        ("F" * 8, "P" * 8, ("No eval that passed before fails now, 8 were fixed", "rose by 100.0")),
        ("P" * 9, "F" + "P" * 8, ("1 eval passed before and does not now", "may be chance")),
        ("PPPF", "PPPF", ("nothing flipped", "6 one-way flips are the least")),
        ("PFP", "FPP", ("stayed the same", "1 was fixed")),
        ("P.", "PP", ("not counted: 1 added",)),
        ("P.", ".P", ("nothing can be concluded",)),
    ],
)
def test_it_is_explained_in_three_sentences(
    before: str, after: str, words: tuple[str, ...]
) -> None:
    text = suite(before, after).explain()
    assert len(sentences(text)) == 3, sentences(text)
    assert text.startswith("Compared run run_90 of version v1")
    for each in words:
        assert each in text


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("a", "a", "(in a block that did not change, which may be noise)"),
        ("a", "b", "(in blocks that changed)"),
        (None, "b", "not now, none"),
    ],
)
def test_a_regression_in_a_block_that_did_not_change_is_suspect(
    old: str | None, new: str | None, words: str
) -> None:
    made = compare(
        results(*many("e", "P", **{CODE: old})), results(*many("e", "F", NOW, **{CODE: new}))
    )
    assert words in made.explain()


def evil() -> Comparison:
    """Everything that comes from outside tries to be markup, and every value is a secret."""
    more = {
        "eval_name": EVIL,
        "block_id": f"block {EVIL}",
        "document_names": [EVIL],
        "expected_value": json.dumps(f"secret {EVIL}"),
        "actual_value": json.dumps(f"secret {EVIL}"),
        "workflow_version_id": f"v {EVIL}",
        "run_id": f"run {EVIL}",
    }
    before = [result(f"e{EVIL}", "passed", **more), result("gone", "passed", **more)]
    after = [result(f"e{EVIL}", "failed", NOW, **more | {"run_id": f"now {EVIL}"})]
    return compare(results(*before), results(*after))


ALLOWED = {"div", "style", "span", "table", "thead", "tbody", "tr", "th", "td", "bdi", "code"}


@pytest.mark.parametrize("values", [False, True])
def test_html_escapes_everything_and_keeps_values_out(values: bool) -> None:
    html = evil().to_html(values=values)
    seen = Tags(html)
    assert set(seen.tags) <= ALLOWED | {"details", "summary"}
    assert {name for name, _ in seen.attributes} <= {"class", "scope", "title", "tabindex"}
    assert EVIL in seen.text
    assert ("secret" in html) is values


@pytest.mark.parametrize("values", [False, True])
def test_markdown_escapes_everything_and_keeps_values_out(values: bool) -> None:
    text = evil().to_markdown(values=values)
    assert "<img" not in text
    assert set(Tags(text).tags) <= ({"code"} if values else set())
    assert "$x" not in text.replace(r"\$x", "")
    assert ("secret" in text) is values
    rows = [line for line in text.splitlines() if line.startswith("|")]
    unescaped = [len(re.findall(r"(?<!\\)\|", row)) for row in rows]
    assert set(unescaped) == {10 if values else 7}


def test_what_is_displayed_holds_no_values() -> None:
    made = evil()
    assert made._repr_html_() == made.to_html()
    assert "secret" not in made._repr_html_() + repr(made)
    assert "secret" in json.dumps(made.to_dict())


def test_the_pages_lead_with_what_flipped() -> None:
    made = suite("PPPPPF", "PPUFPP")
    for page in (made.to_html(), made.to_markdown(), repr(made)):
        text = page.split("</style>")[-1]
        places = [text.index(word) for word in ("Inconclusive", "1 broke", "name of e3")]
        assert places == sorted(places)
    assert "name of e0" not in made.to_html()  # it still passes
    assert repr(made).splitlines()[1] == "  ✗ regressed: name of e3 (block_1, did not change)"


def test_meaning_does_not_hang_on_colour() -> None:
    seen = Tags(suite("PPPFP", "FBEPP").to_html())
    for word in ("✗ regressed", "⊘ newly blocked", "‼ newly errored", "✓ fixed"):
        assert word in seen.text


def test_long_lists_are_cut_and_say_so() -> None:
    made = suite("P" * 250, "F" * 250)
    assert "… and 50 more" in made.to_html()
    assert "… and 50 more" in made.to_markdown()
    assert "… and 238 more, see .evals" in repr(made)


def test_a_name_cannot_break_the_lines_of_a_terminal() -> None:
    made = compare(
        results(result("e", "passed", eval_name="a\x1b[2J\nb")),
        results(result("e", "failed", NOW, eval_name="a\x1b[2J\nb")),
    )
    assert "\x1b" not in repr(made) + made.to_markdown()
    assert len(repr(made).splitlines()) == 3


def test_everything_as_a_dict() -> None:
    made = suite("PP", "PF")
    whole = json.loads(json.dumps(made.to_dict()))
    assert whole["verdict"] == "inconclusive"
    assert whole["summary"]["regressed"] == 1
    assert [row["eval_id"] for row in whole["evals"]] == ["e1", "e0"]
    assert whole["explanation"] == made.explain()


def test_the_sides_are_named_by_run_and_version() -> None:
    before = [*many("e", "PP", workflow_version_id="old"), *many("f", "P", 3)]
    after = many("e", "P", NOW, workflow_version_id=None)
    assert compare(results(*before), results(*after)).compared == (
        "Compared run run_90 (1 eval) with 3 runs of versions old, v1 (2 evals)."
    )


VERSIONS = results(
    *many("e", "PFPFPF", 1, workflow_version_id="v0"),
    *many("e", "P", 20, workflow_version_id="v1", workflow_draft_fingerprint="d1"),
    *many("e", "F", 30, workflow_version_id="v2", workflow_draft_fingerprint="d2"),
)


@pytest.mark.parametrize(
    ("by", "old", "new"),
    [
        ("workflow_version_id", "v1", "v2"),
        ("run_id", "run_20", "run_30"),
        ("workflow_draft_fingerprint", "d1", "d2"),
    ],
)
def test_versions_of_one_frame_and_the_rest_is_history(by: str, old: str, new: str) -> None:
    for frame in (VERSIONS, VERSIONS.lazy()):
        row = compare_versions(frame, old, new, by=by).evals.row(0, named=True)  # type: ignore[arg-type]
        assert row["reason"] == "failed 3 of 6 earlier runs on identical code"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: compare_versions(VERSIONS, "v1", "v9"), ConfigError, "'v9'.* are v2, v1, v0"),
        (lambda: compare_versions(VERSIONS, None, "v1"), ConfigError, "baseline=None"),
        (lambda: compare_versions(VERSIONS, "v1", "v2", by="eval_id"), ConfigError, "by must be"),
        (lambda: compare_versions(results(), "v1", "v2"), ConfigError, "there are none"),
        (lambda: compare([], VERSIONS), ConfigError, "baseline must be a RESULTS frame"),
        (
            lambda: compare(VERSIONS, pl.DataFrame()),
            SchemaError,
            "candidate is not a RESULTS frame",
        ),
        (
            lambda: compare(VERSIONS, VERSIONS, history=VERSIONS.drop("state")),
            SchemaError,
            "history is not a RESULTS frame: it has no column state;",
        ),
        (
            lambda: compare(VERSIONS.with_columns(score=pl.lit("x")), VERSIONS),
            SchemaError,
            "column score is String, expected Float64",
        ),
        (lambda: compare(VERSIONS, VERSIONS, alpha=5), ConfigError, "alpha must be between"),
        (lambda: compare(VERSIONS, VERSIONS, alpha="5"), ConfigError, "alpha must be between"),
        (
            lambda: compare(VERSIONS, VERSIONS, version_diff=["block"]),
            ConfigError,
            "version_diff must be a frame",
        ),
    ],
)
def test_arguments_that_cannot_be_used(
    call: Callable[[], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call()


def test_the_style_is_in_the_fragment() -> None:
    assert markup.STYLE in suite("P", "F").to_html()


@pytest.mark.parametrize("eval_id", [1, None, ["a"]])
def test_an_eval_that_was_not_compared_has_no_diff(eval_id: Any) -> None:
    with pytest.raises(ConfigError, match=r"no eval .* was compared; there are e0"):
        suite("P", "F").diff(eval_id)


@pytest.mark.parametrize("blocks", [[1, 2], [["a"]]])
def test_a_version_diff_names_blocks(blocks: list[Any]) -> None:
    side = results(*many("a", "P"))
    with pytest.raises(ConfigError, match="a column block_id of texts"):
        compare(side, side, version_diff=pl.DataFrame({"block_id": blocks}))


def test_what_is_no_number_is_null_in_json() -> None:
    sides = (
        results(*many("a", "P", run, score=score)) for run, score in ((1, -1e308), (2, 1.7e308))
    )
    made = compare(*sides)
    assert made.evals["score_delta"].to_list() == [float("inf")]
    whole = json.loads(json.dumps(made.to_dict(), allow_nan=False))
    assert whole["evals"][0]["score_delta"] is None


def test_a_duration_that_cannot_be_told_stops_nothing() -> None:
    sides = (
        results(*many("a", "P", duration_ms=0)),
        results(*many("a", "F", 2, duration_ms=2**63 - 1)),
    )
    assert compare(*sides).evals["duration_delta_ms"].to_list() == [None]
    assert eval_history(pl.concat(sides))["duration_ms"].to_list() == [0, None]
