"""Which earlier runs are read, and what is said of those that are not."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta

import polars as pl
import pytest
from support.frames import START, run, runs
from support.inside import EVALS, EarlierRuns, find_gaps

NO_EVALS = EVALS.empty()
NO_RERUNS = runs().with_columns(rerun_of=pl.lit(None, pl.String))


def past(number: int) -> pl.DataFrame:
    """So many runs, one a day, the newest first."""
    return runs(*(run(f"run_{day}", day) for day in reversed(range(number))))


def passed_on(*days: int) -> pl.DataFrame:
    """Saved evals that passed last on those days, an hour after the run began."""
    at = [START + timedelta(days=day, hours=1) for day in days]
    columns = {name: [None] * len(at) for name in EVALS.schema.names()}
    return pl.DataFrame({**columns, "last_passed_at": at}, schema=EVALS.schema)


def days(chosen: pl.DataFrame) -> list[int]:
    return [int(each.removeprefix("run_")) for each in chosen["run_id"]]


def choose(
    known: pl.DataFrame,
    *,
    reruns: pl.DataFrame = NO_RERUNS,
    evals: pl.DataFrame = NO_EVALS,
    most: int = 20,
    reach_back: bool = True,
) -> tuple[list[int], set[int]]:
    """The days of what is read, and of those before which some are not."""
    chosen = EarlierRuns.of(known, reruns, evals, most).choose(reach_back=reach_back)
    after_gaps = find_gaps(known, chosen["run_id"])
    return days(chosen), {int(each.removeprefix("run_")) for each in after_gaps}


@pytest.mark.parametrize("reach_back", [False, True])
@pytest.mark.parametrize("number", [0, 1, 9, 10, 19, 20])
def test_all_are_read_where_they_are_not_too_many(number: int, reach_back: bool) -> None:
    assert choose(past(number), reach_back=reach_back) == (list(range(number))[::-1], set())


def test_the_newest_are_read_where_nothing_asks_for_older_ones() -> None:
    assert choose(past(50), reach_back=False) == (list(range(49, 29, -1)), {30})


@pytest.mark.parametrize("most", [1, 3, 9])
def test_a_few_are_the_newest(most: int) -> None:
    assert choose(past(50), most=most)[0] == list(range(49, 49 - most, -1))


@pytest.mark.parametrize("number", [21, 25, 40, 99, 500])
def test_the_others_reach_back_to_the_oldest(number: int) -> None:
    read, after_gaps = choose(past(number))
    assert read == sorted(set(read), reverse=True)
    assert read[:12] == list(range(number - 1, number - 13, -1))
    assert read[15:] == [4, 3, 2, 1, 0]
    stretch = (number - 17) / 3
    assert max(one - other for one, other in itertools.pairwise(read)) <= 2 * stretch + 1
    assert after_gaps == {
        day for at, day in enumerate(read) if day > 0 and read[at + 1 : at + 2] != [day - 1]
    }


def test_one_run_more_leaves_most_of_the_choice_as_it_was() -> None:
    same = []
    for number in range(60, 99):
        before, after = (set(choose(past(each))[0][12:]) for each in (number, number + 1))
        same.append(len(before & after))
    assert sum(same) / len(same) > 6


def test_those_around_the_last_passes_are_read() -> None:
    read, after_gaps = choose(past(60), evals=passed_on(59, 20, 5), reach_back=False)
    assert len(read) == 20
    assert {3, 4, 5, 6, 20, 21} <= set(read)
    assert not {4, 5, 6, 21} & after_gaps


def test_half_of_the_others_are_read_first() -> None:
    earlier = EarlierRuns.of(past(60), NO_RERUNS, passed_on(59, 20, 5), 20)
    assert days(earlier.first) == [*range(59, 47, -1), 5, 4, 3, 21]
    assert earlier.rest == 4
    read = days(earlier.choose(reach_back=True))
    assert set(days(earlier.first)) | {0, 1, 2} < set(read)
    assert len(read) == 20


def test_runs_of_blocks_are_not_around_a_pass() -> None:
    blocks = [
        run(f"block_{day}", day, scope="block", created_at=START + timedelta(days=day, hours=2))
        for day in (19, 20)
    ]
    known = pl.concat([past(60), runs(*blocks)]).sort("created_at", descending=True)
    earlier = EarlierRuns.of(known, NO_RERUNS, passed_on(20), 20)
    assert earlier.telling["run_id"].to_list() == ["run_20", "run_19", "run_18", "run_21"]


def test_what_passed_before_all_runs_that_are_known_is_left_to_the_saved_evals() -> None:
    long_ago = passed_on(-3)
    assert choose(past(60), evals=long_ago, reach_back=False)[0] == list(range(59, 39, -1))


def rerun_of(day: int, number: int) -> pl.DataFrame:
    """So many reruns of a run, the newest first."""
    again = runs(*(run(f"again_{day}_{at}", day, eval_id="e") for at in range(number)))
    return again.with_columns(rerun_of=pl.lit(f"run_{day}"))


@pytest.mark.parametrize(
    ("number", "most", "expected"), [(50, 20, 4), (50, 5, 1), (50, 2, 0), (12, 20, 8), (0, 20, 0)]
)
def test_reruns_are_read_too(number: int, most: int, expected: int) -> None:
    reruns = pl.concat([rerun_of(number - 1, 9), rerun_of(number - 3, 9)])
    earlier = EarlierRuns.of(past(number), reruns, NO_EVALS, most)
    read = earlier.choose(reach_back=True)
    assert earlier.reruns["run_id"].to_list() == [
        f"again_{number - 1}_{at}" for at in range(expected)
    ]
    assert read.height + expected == min(number + expected, most)


def test_reruns_of_what_is_not_read_are_not_read() -> None:
    earlier = EarlierRuns.of(past(50), rerun_of(20, 3), NO_EVALS, 20)
    assert earlier.reruns.is_empty()
    assert days(earlier.choose(reach_back=False)) == list(range(49, 29, -1))


def test_times_that_are_not_known_are_no_last_passes() -> None:
    unknown: datetime | None = None
    evals = passed_on(3).with_columns(last_passed_at=pl.lit(unknown, pl.Datetime("us", "UTC")))
    assert choose(past(50), evals=evals, reach_back=False)[0] == list(range(49, 29, -1))
