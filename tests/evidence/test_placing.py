"""The place of a result, and the rule that gave it."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
from comparison.cases import history
from support.frames import START, results
from support.inside import EVALS, Timeline, place_results


def placed(letters: str, codes: str, **more: frozenset[str]) -> list[tuple[str, str]]:
    """The place of each result of two evals, a run a day, the newest code being the present one."""
    rows = history("a", letters, codes) + history("b", "P" * len(codes), codes)
    frame = results(*rows)
    ids = frame["run_id"].unique(maintain_order=True)
    runs = pl.DataFrame(
        {
            "run_id": ids,
            "created_at": [START + timedelta(days=int(each[4:])) for each in ids],
            "ended_at": [START + timedelta(days=int(each[4:]), minutes=5) for each in ids],
            "scope": ["workflow"] * len(ids),
            "is_completed": [True] * len(ids),
            "stands": [True] * len(ids),
            "eval_id": [None] * len(ids),
            "target_block_id": [None] * len(ids),
        }
    )
    known = frame.select("eval_id", "block_id").unique()
    saved = pl.concat([EVALS.empty(), known], how="diagonal")
    marked = Timeline.make(frame, saved).results
    told = place_results(marked, runs, saved, **more).filter(eval_id="a").sort("run_created_at")
    return [*told.select("place", "why").iter_rows()]


def test_the_newest_whole_run_on_the_present_code_is_the_candidate() -> None:
    assert placed("PPP", "ABB") == [
        ("earlier", "before"),
        ("earlier", "before"),
        ("candidate", "present code"),
    ]


def test_runs_that_were_asked_for_say_so() -> None:
    assert placed("PPP", "AAA", named=frozenset(("run_2",))) == [
        ("earlier", "before"),
        ("candidate", "asked for"),
        ("tried", "later"),
    ]


def test_a_result_that_a_later_whole_run_lacks_is_earlier() -> None:
    rows = placed("P.", "AA")
    assert rows == [("earlier", "missed")]
