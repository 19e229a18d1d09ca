"""``compare`` and ``compare_versions``: what they take, what they refuse, what is the history."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest
from comparison.cases import Rows, history, many_evals, runs
from support.frames import result, results
from support.frames import run as run_row
from support.frames import runs as runs_frame
from support.inside import Comparison, ReadRuns, Sides, compare, compare_sides, sides_of

from retab_analysis import ConfigError, SchemaError, compare_versions

ROWS: Rows = [
    *many_evals(3, "PPPPF", "AAAAB"),
    *history("shaky", "PFPPF", "AAAAB"),
    *history("steady", "PPPPP", "AAAAB"),
]
NAMED = [
    row | {"workflow_draft_fingerprint": f"draft of {row['workflow_version_id']}"} for row in ROWS
]
FRAME = results(*NAMED)


def same(one: Comparison, other: Comparison) -> bool:
    return one.evals.equals(other.evals) and one.summary.equals(other.summary)


@pytest.mark.parametrize(
    ("by", "old", "new", "baseline"),
    [
        ("run_id", "run_4", "run_5", (4, 4)),
        ("workflow_version_id", "vA", "vB", (1, 4)),
        ("workflow_draft_fingerprint", "draft of vA", "draft of vB", (1, 4)),
    ],
)
def test_versions_of_one_frame_are_two_sides_and_the_rest_is_history(
    by: str, old: str, new: str, baseline: tuple[int, int]
) -> None:
    versions = compare_versions(FRAME, old, new, by=by)
    sides = compare(runs(NAMED, *baseline), runs(NAMED, 5), history=FRAME)
    assert same(versions, sides)
    assert versions.evals["baseline_run_id"].drop_nulls().unique().to_list() != []


def test_rows_without_the_version_are_history() -> None:
    name = pl.when(pl.col("run_id") != "run_1").then("workflow_draft_fingerprint")
    frame = FRAME.with_columns(workflow_draft_fingerprint=name)
    made = compare_versions(frame, "draft of vA", "draft of vB", by="workflow_draft_fingerprint")
    assert sides_of(made).history is not None
    assert sides_of(made).history["run_id"].to_list() == ["run_1"] * 5


def test_arguments_are_handed_on() -> None:
    made = compare_versions(FRAME, "vA", "vB", alpha=0.1, margin=0.2)
    assert (made.alpha, made.margin) == (0.1, 0.2)


def test_lazy_frames_are_taken_anywhere() -> None:
    eager = compare(runs(NAMED, 4), runs(NAMED, 5), history=FRAME)
    lazy = compare(runs(NAMED, 4).lazy(), runs(NAMED, 5).lazy(), history=FRAME.lazy())
    assert same(eager, lazy)
    assert same(compare_versions(FRAME.lazy(), "vA", "vB"), compare_versions(FRAME, "vA", "vB"))


def test_columns_of_ones_own_do_not_disturb() -> None:
    mine = FRAME.with_columns(mine=pl.lit(1), at=pl.lit(2), side=pl.lit("x"), moment=pl.lit(0))
    assert same(compare_versions(mine, "vA", "vB"), compare_versions(FRAME, "vA", "vB"))


def test_frames_that_converted_without_loss_are_taken() -> None:
    floats = FRAME.with_columns(pl.col("duration_ms").cast(pl.Float64))
    zoned = FRAME.with_columns(pl.col("run_created_at").dt.convert_time_zone("Etc/UTC"))
    for frame in (floats, zoned):
        assert compare_versions(frame, "vA", "vB").evals.height == 5


OTHER = results(result("e", "passed", 1, workflow_id="elsewhere"))
EMPTY = results()


@pytest.mark.parametrize(
    "sides", [(OTHER, FRAME, None), (FRAME, OTHER, None), (FRAME, FRAME, OTHER)]
)
def test_results_of_two_workflows_are_refused(sides: tuple[Any, Any, Any]) -> None:
    with pytest.raises(ConfigError, match=r"different workflows.*elsewhere, wf"):
        compare(sides[0], sides[1], history=sides[2])


def test_an_unknown_workflow_is_not_another_one() -> None:
    blind = FRAME.with_columns(workflow_id=pl.lit(None, pl.String))
    assert compare(blind, FRAME).evals.height == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("vA", "v9"), r"candidate='v9' is not a workflow_version_id .* there are vB, vA$"),
        (("v9", "vB"), r"baseline='v9' is not a workflow_version_id"),
        (("vA", None), r"candidate=None is not a workflow_version_id"),
        (("vA", 3), r"candidate=3 is not"),
    ],
)
def test_versions_that_are_not_there(arguments: tuple[Any, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        compare_versions(FRAME, *arguments)


def test_many_versions_are_listed_in_part() -> None:
    rows = [result("e", "passed", at, workflow_version_id=f"v{at:02}") for at in range(30)]
    with pytest.raises(ConfigError, match=r"there are v29, v28, .*v10 and 10 more$"):
        compare_versions(results(*rows), "v00", "nope")
    with pytest.raises(ConfigError, match="there are none"):
        compare_versions(EMPTY, "v1", "v2")


def test_versions_whose_time_is_not_known_are_listed_last() -> None:
    rows = [result("e", "passed", at, workflow_version_id=f"v{at}") for at in range(3)]
    rows[0] |= {"run_created_at": None}
    with pytest.raises(ConfigError, match=r"there are v2, v1, v0$"):
        compare_versions(results(*rows), "v0", "nope")


@pytest.mark.parametrize(
    "by", ["eval_id", "version", "labels", "^own$", "*", None, 3, ["run_id"], pl.Series(["a"])]
)
def test_other_columns_do_not_tell_versions_apart(by: Any) -> None:
    labelled = FRAME.with_columns(pl.lit(1).alias("^own$"), labels=pl.lit(["prompt"]))
    with pytest.raises(ConfigError, match=r"one of workflow_version_id, .*a column of your own"):
        compare_versions(labelled, "vA", "vB", by=by)


@pytest.mark.parametrize(
    ("values", "candidate"),
    [
        (["old", "new"], "new"),
        ([7, 8], 8),
        ([7, 8], np.int64(8)),
        ([0, 1], True),
        ([False, True], 1),
        ([date(2026, 1, 1), date(2026, 2, 1)], date(2026, 2, 1)),
    ],
)
def test_versions_may_be_told_apart_by_a_column_of_ones_own(
    values: list[Any], candidate: Any
) -> None:
    rows = [result("e", "passed", 0), result("e", "passed", 1), result("e", "failed", 2)]
    frame = results(*rows).with_columns(prompt=pl.Series([None, *values]))
    expected = compare(frame[1:2], frame[2:], history=frame[:1])
    for given in (frame, frame.lazy()):
        found = compare_versions(given, values[0], candidate, by="prompt")
        assert same(found, expected)
    with pytest.raises(
        ConfigError, match=f"'gone' is not a value of prompt .* there are {values[1]}, "
    ):
        compare_versions(frame, values[0], "gone", by="prompt")
    for wrong in ([8], pl.Series([8]), pl.lit(8), None):
        with pytest.raises(ConfigError, match=r"(?s)candidate=.* is not a value of prompt"):
            compare_versions(frame, values[0], wrong, by="prompt")


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: compare([], FRAME), ConfigError, "baseline must be a RESULTS frame"),
        (lambda: compare(FRAME, None), ConfigError, "candidate must be a RESULTS frame"),
        (lambda: compare(FRAME, FRAME, history=[]), ConfigError, "history must be a RESULTS frame"),
        (lambda: compare_versions("x", "a", "b"), ConfigError, "results must be a RESULTS frame"),
        (lambda: compare(FRAME, pl.DataFrame()), SchemaError, "candidate is not a RESULTS frame"),
        (
            lambda: compare(FRAME, FRAME, history=FRAME.drop("state")),
            SchemaError,
            "history is not a RESULTS frame: it has no column state",
        ),
        (
            lambda: compare(FRAME.with_columns(score=pl.lit("x")), FRAME),
            SchemaError,
            "baseline .*score",
        ),
        (lambda: compare(FRAME, runs_frame(run_row("r", 1))), SchemaError, "candidate is not"),
    ],
)
def test_what_is_not_a_results_frame_is_refused(make: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def compare_knowing(
    baseline: pl.DataFrame, candidate: pl.DataFrame, changed: set[str]
) -> Comparison:
    """Compare as a check does that was told by the API which blocks differ."""
    read = ReadRuns(changed_blocks=frozenset(changed))
    sides = Sides(candidate, baseline, read=read)
    return compare_sides(sides, 0.05, 0.05)


def test_where_no_block_changed_nothing_is_by_an_edit() -> None:
    blind = [row | {"block_execution_fingerprint": None} for row in ROWS]
    made = compare_knowing(runs(blind, 4), runs(blind, 5), set())
    assert made.evals["block_changed"].to_list() == [False] * 5
    assert "edit" not in made.evals["cause"].drop_nulls().to_list()


def test_what_the_api_says_tells_the_cause_where_the_results_do_not() -> None:
    blind = [
        row | {"block_execution_fingerprint": None, "workflow_version_id": None}
        for row in many_evals(3, "P" * 9 + "F")
    ]
    edited = compare_knowing(runs(blind, 1, 9), runs(blind, 10), {"block_1"}).evals
    assert edited["cause"].unique().to_list() == ["edit"]
    same_code = compare_knowing(runs(blind, 1, 9), runs(blind, 10), set()).evals
    assert same_code["cause"].unique().to_list() == ["drift"]
    unknown = compare(runs(blind, 1, 9), runs(blind, 10)).evals
    assert unknown["cause"].unique().to_list() == ["unknown"]
    p = [each["p_regressed"][0] for each in (same_code, unknown, edited)]
    assert p == sorted(p)
