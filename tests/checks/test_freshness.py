"""Whether what would run now is what the candidate ran, and whether what ran was."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from support.frames import START, result, results
from support.inside import (
    EVALS,
    LIVE_BLOCKS,
    check_results,
    find_edited,
    say_edited,
)

CODE, INPUTS = "code of the candidate", "inputs of the candidate"
RAN = START + timedelta(days=9)
CONDITION = '{"kind":"equals","expected":1}'


def candidate(*rows: dict[str, Any]) -> pl.DataFrame:
    return check_results(results(*(rows or (ran(),))), "candidate").collect()


def ran(eval_id: str = "e1", number: int = 9, **more: Any) -> dict[str, Any]:
    known = {
        "block_execution_fingerprint": CODE,
        "handle_inputs_fingerprint": INPUTS,
        "condition_kind": "equals",
        "condition": "= 1",
        "expected_value": "1",
    }
    return result(eval_id, "failed", number, **(known | more))


def saved(eval_id: str = "e1", **more: Any) -> pl.DataFrame:
    known = {
        "eval_id": eval_id,
        "latest_block_fingerprint": CODE,
        "latest_inputs_fingerprint": INPUTS,
        "condition_kind": "equals",
        "condition": CONDITION,
        "freshness_status": "fresh",
        "freshness_reasons": "",
    }
    row = dict.fromkeys(EVALS.schema) | known | more
    return pl.DataFrame([row], schema=EVALS.schema)


def blocks(days: float | None, block_id: str = "block_1") -> pl.DataFrame:
    """When the block was saved, in days after the candidate's run."""
    at = None if days is None else RAN + timedelta(days=days)
    row = dict.fromkeys(LIVE_BLOCKS.schema) | {"block_id": block_id, "updated_at": at}
    return pl.DataFrame([row], schema=LIVE_BLOCKS.schema)


def found(
    made: pl.DataFrame, now: pl.DataFrame, live: pl.DataFrame | None = None
) -> list[str | None]:
    return find_edited(made, now, live)["edited"].to_list()


STALE = {"freshness_status": "stale"}


@pytest.mark.parametrize(
    ("changes", "edited"),
    [
        ({}, []),
        ({"latest_block_fingerprint": "other"}, ["code"]),
        ({"latest_block_fingerprint": "other", **STALE}, ["code"]),
        ({**STALE, "freshness_reasons": "validity_changed"}, ["validity"]),
        ({**STALE, "freshness_reasons": "inputs_changed"}, ["inputs"]),
        ({"latest_inputs_fingerprint": "other"}, ["inputs"]),
        ({"condition": '{"kind":"exists"}'}, ["condition"]),
        ({"condition": '{"kind":"equals","expected":2}'}, ["condition"]),
        # It is Retab that changed, and not the workflow.
        ({**STALE, "freshness_reasons": "engine_changed, metrics_engine_changed"}, []),
        ({**STALE, "freshness_reasons": None}, []),
        ({"freshness_status": None}, []),
        # What is not known is no reason.
        ({"latest_block_fingerprint": None, "latest_inputs_fingerprint": None}, []),
        ({"condition": None, "condition_kind": None}, []),
        (
            {
                **STALE,
                "freshness_reasons": "validity_changed",
                "latest_block_fingerprint": None,
            },
            [],
        ),
    ],
)
def test_what_the_saved_eval_says(changes: dict[str, Any], edited: list[str]) -> None:
    assert found(candidate(), saved(**changes)) == edited


def test_what_the_candidate_does_not_know_is_no_reason() -> None:
    blind = ran(
        block_execution_fingerprint=None,
        handle_inputs_fingerprint=None,
        condition=None,
        condition_kind=None,
    )
    other = saved(latest_block_fingerprint="x", latest_inputs_fingerprint="y", condition_kind="z")
    assert found(candidate(blind), other) == []


def test_the_newest_result_of_the_candidate_says_its_code() -> None:
    both = (ran(number=9), ran(number=3, block_execution_fingerprint="older"))
    assert found(candidate(*both), saved()) == []
    assert found(candidate(*both), saved(latest_block_fingerprint="older")) == ["code"]


@pytest.mark.parametrize(
    ("status", "days", "edited"),
    [
        (None, 0.01, ["saved"]),
        ("unknown", 0.01, ["saved"]),
        ("unknown", -0.01, []),
        ("unknown", None, []),
        ("fresh", 0.01, []),
        ("stale", 0.01, []),
    ],
)
def test_where_nobody_says_whether_it_is_up_to_date_the_block_does(
    status: str | None, days: float | None, edited: list[str]
) -> None:
    now = saved(freshness_status=status)
    assert found(candidate(), now, blocks(days)) == edited
    assert found(candidate(), now, blocks(days, "another block")) == []
    assert found(candidate(), now) == []


def test_what_was_edited_in_words() -> None:
    many = candidate(*(ran(f"e{at}", block_id=f"b{at}") for at in range(5)))
    now = pl.concat(saved(f"e{at}", latest_block_fingerprint="new") for at in range(5))
    assert say_edited(find_edited(many, now)) == (
        "the workflow was edited since the candidate ran (block b0, block b1, block b2 and 2 more)"
    )
    one = candidate(ran(eval_name="Total\nof it"))
    stale = saved(freshness_status="stale", freshness_reasons="validity_changed")
    assert "(block block_1, or the assertion of eval Total of it)" in say_edited(
        find_edited(one, stale)
    )
    doubtful = find_edited(one, saved(freshness_status=None), blocks(1))
    assert say_edited(doubtful) == (
        "the workflow may have been edited since the candidate ran "
        "(block block_1, as it was saved again)"
    )
