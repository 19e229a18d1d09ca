"""What the model says, as rows: which run, what was counted, and what stays unsaid."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from support.frames import START, many, result, results
from support.inside import (
    ROUNDS,
    Findings,
    answer,
    collect_outcomes,
    combine_sides,
    expect_reruns,
    weigh,
)

Row = dict[str, Any]
NOW = 50
SINCE = ["since_row", "since_at", "since_run_id", "since_version_id"]
COUNTED = ["passes_before", "outcomes_before", "passes_since", "outcomes_since", "runs_since"]


def found(history: list[Row], now: list[Row]) -> Findings:
    return weigh(collect_outcomes(combine_sides(results(*now), None, results(*history))))


def suite(*rows: str, steady: int = 10) -> Findings:
    """Evals e0, e1, …, the last letter of each the candidate's, beside some that always pass."""
    length = len(rows[0])
    named = {f"e{at}": row for at, row in enumerate(rows)}
    named |= {f"steady {n}": "P" * length for n in range(steady)}
    history = [row for name, row in named.items() for row in runs_of(name, row[:-1])]
    return found(
        history, [row for name, row in named.items() for row in runs_of(name, row[-1], NOW)]
    )


def runs_of(name: str, letters: str, first: int = 1) -> list[Row]:
    """One run per letter, on a version of its own; a dot is no result."""
    return [
        row | {"workflow_version_id": f"v{row['run_id']}"}
        for at, letter in enumerate(letters)
        if letter != "."
        for row in many(name, letter, first + at)
    ]


def of(findings: Findings, eval_id: str = "e0", after: int | None = None) -> Row:
    ids = findings.outcomes.evals.select("eval", "eval_id")
    given = None if after is None else ids.select("eval", after=pl.lit(after, pl.Int64))
    told = findings.of_each_eval(given).join(ids, on="eval")
    return told.row(by_predicate=pl.col("eval_id") == eval_id, named=True)


def test_each_eval_has_one_row_in_order() -> None:
    findings = suite("PPPF", "PPFP")
    told = findings.of_each_eval()
    assert told["eval"].to_list() == list(range(12))
    assert told.schema["expected_reruns"] == pl.Array(pl.Float64, ROUNDS + 1)
    assert told.schema["since_runs"] == pl.List(pl.String)


def test_what_is_said_is_what_the_model_says() -> None:
    findings = suite("PPPPPPFFF", "PFPPFPPPF", "PPPPPPPPP", "FFFFFFFFF")
    told = findings.of_each_eval()
    answers = answer(findings.outcomes.histories, findings.posterior)
    for name in ("p_regressed", "p_improved", "rate"):
        np.testing.assert_array_equal(told[name].to_numpy(), getattr(answers, name))
    for name in ("reruns_to_clear", "reruns_to_confirm"):
        np.testing.assert_array_equal(told[name].fill_null(-1).to_numpy(), getattr(answers, name))
    decided = findings.outcomes.histories.decided
    expected = expect_reruns(findings.posterior, np.full(told.height, -1), decided)
    np.testing.assert_array_equal(told["expected_reruns"].to_numpy(), expected.T)


def test_the_run_since_which_it_is_worse_is_named() -> None:
    row = of(suite("PPPPPPFFF"))
    assert row["since_row"] == 6
    assert row["since_run_id"] == "run_7"
    assert row["since_version_id"] == "vrun_7"
    assert row["since_at"] == START + timedelta(days=7)
    assert "run_7" in row["since_runs"]
    assert [row[name] for name in COUNTED] == [6, 6, 0, 3, 3]


def test_the_candidate_itself_may_be_since_when() -> None:
    row = of(suite("PPPPPPPPF"))
    assert (row["since_run_id"], row["runs_since"]) == (f"run_{NOW}", 1)
    assert [row[name] for name in COUNTED] == [8, 8, 0, 1, 1]


def test_a_run_in_which_the_eval_was_cancelled_is_not_since_when() -> None:
    row = of(suite("PPPPPCCFF"))
    assert row["since_run_id"] == "run_8"
    assert [row[name] for name in COUNTED] == [5, 5, 0, 2, 2]


def test_runs_that_may_be_it_are_in_the_order_of_time() -> None:
    findings = suite("PPPFPPFPFF", "PPPPPPPPPF")
    rows = findings.outcomes.runs_of_rows()
    for told in findings.of_each_eval().drop_nulls("since_row").iter_rows(named=True):
        named = rows.filter(eval=told["eval"]).sort("row")["run_id"].to_list()
        assert told["since_runs"] == [each for each in named if each in told["since_runs"]]
        assert told["since_run_id"] in told["since_runs"]


def test_without_an_outcome_on_either_side_nothing_is_said() -> None:
    findings = suite("...F", "PPPC", "CUEF", "PPPE")
    for name in ("e0", "e1", "e2", "e3"):
        row = of(findings, name)
        unsaid = ("p_regressed", "p_improved", "p_ever", "cause", *SINCE, "since_runs")
        assert [row[each] for each in unsaid] == [None] * len(unsaid), name
    assert [of(findings, "e1")[name] for name in COUNTED] == [3, 3, 0, 0, 0]
    assert [of(findings, "e0")[name] for name in COUNTED] == [0, 0, 0, 1, 1]


def test_results_of_another_definition_are_not_counted() -> None:
    history = many("e0", "FFF", 1, expected_value="old") + many("e0", "PP", 4)
    row = of(found(history, many("e0", "F", NOW)))
    assert [row[name] for name in COUNTED] == [2, 2, 0, 1, 1]


def test_only_what_began_after_the_row_counts() -> None:
    findings = suite("PPPPPPFFFFFF")
    whole, late = of(findings), of(findings, after=9)
    assert whole["p_regressed"] > 0.9 > 0.05 > late["p_regressed"]
    assert late["p_ever"] == whole["p_regressed"] == whole["p_ever"]
    unsaid = findings.of_each_eval(pl.DataFrame({"eval": [0], "after": [None]}))
    assert unsaid.equals(findings.of_each_eval())


def test_since_is_named_of_what_is_probably_worse() -> None:
    findings = suite("PPPPPPFFF", "PPPPPPPPF", "PPPPPPPPP", "PPPPPPPPC")
    ids = findings.outcomes.evals["eval_id"].to_list()
    since = dict(zip(ids, findings.since["since_row"], strict=True))
    p = dict(zip(ids, findings.overall.p_regressed, strict=True))
    assert since["e0"] == 6
    assert all((row is not None) == (p[name] >= 0.5) for name, row in since.items())
    assert since["e2"] is since["e3"] is None


def test_reruns_of_an_eval_without_a_verdict_are_told_from_its_history() -> None:
    told = of(suite("P" * 12 + "E"))
    plain = suite("P" * 12)  # the same history, whose candidate passes once more
    assert told["reruns_to_clear"] == 1  # whatever it may be, without a result it is not known
    assert told["reruns_to_confirm"] is None or told["reruns_to_confirm"] >= 1
    assert of(plain)["reruns_to_clear"] == 0


@pytest.mark.parametrize("length", [1, 2, 12, 40])
def test_what_needs_more_than_five_reruns_stays_unsaid(length: int) -> None:
    for outcome, name in (("F", "reruns_to_confirm"), ("P", "reruns_to_clear")):
        told = of(suite("P" * length + "E"))[name]
        decided = []
        for k in range(1, 6):
            now = [result("e0", "error", NOW), *many("e0", outcome * k, NOW + 1)]
            others = [each for n in range(10) for each in many(f"s{n}", "P", NOW)]
            before = [each for n in range(10) for each in many(f"s{n}", "P" * length)]
            p = of(found(many("e0", "P" * length) + before, now + others))["p_regressed"]
            decided.append(p >= 0.95 if outcome == "F" else p <= 0.05)
        assert told == (decided.index(True) + 1 if any(decided) else None), (outcome, decided)


def test_nothing_is_said_of_nothing() -> None:
    told, full = found([], []).of_each_eval(), suite("PPF").of_each_eval()
    assert told.is_empty()
    assert told.schema == full.schema
    assert found([], []).since.schema == suite("PPF").since.schema


def test_causes_are_null_or_words() -> None:
    edited = "block_execution_fingerprint"
    history = [row for name in "abcdef" for row in many(name, "P" * 8)]
    now = [row for name in "abcdef" for row in many(name, "P", NOW, **{edited: "new"})]
    now[0] = result("a", "failed", NOW, **{edited: "new"})
    assert of(found(history, now), "a")["cause"] == "edit"
    assert of(suite("PPPPPPPPF"))["cause"] == "drift"
    assert of(suite("PPPPPPPPC"))["cause"] is None
