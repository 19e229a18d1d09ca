"""``check`` by the sandbox's story and a small one: what it finds, what it asks for, what fails."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from support.fakes import Recorder
from support.faultserver import reply
from support.inside import BROKEN, StoreServer, build_world, parse_instant
from support.lettered_api import HOUR, MINUTE, LetteredApi, alike
from support.sandbox_api import KEY, START, Clock, make_store
from support.small_world import (
    EDITED,
    EVALS,
    Small,
    small_api,
)
from support.watched import WatchedSandbox

import retab_analysis as ra

WORKFLOW, PLANTED = "wf_invoices", "extract_lines"
"""The sandbox's workflow, and its block whose prompt the newest version changed."""


MODULES = """
import sys, threading
import retab_analysis as ra

used = set()

def note(frame, event, _):
    name = frame.f_globals.get("__name__") or ""
    if event == "call" and name.startswith("retab_analysis."):
        used.add(name)

with ra.Sandbox(speed=0.001) as sandbox:
    client = ra.Client(**sandbox.credentials)
    threading.setprofile(note)  # before the threads begin that the second check uses, too
    ra.check("wf_invoices", client=client, progress=False)
    used.clear()
    sys.setprofile(note)
    ra.check("wf_invoices", client=client, progress=False)
    sys.setprofile(None)
print(*sorted(each for each in used if not each.startswith("retab_analysis.sandbox")))
"""
"""A program that names the modules of which one check executes a function."""


@pytest.fixture(scope="module")
def small() -> Iterator[Small]:
    with small_api() as api:
        yield api


def checked(api: Small, day: int | None = None, **more: Any) -> ra.Comparison:
    """Check the run of a day, the newest if None."""
    return api.check(candidate=None if day is None else api.run_of(day), **more)


def broken(made: ra.Comparison) -> pl.DataFrame:
    return made.evals.filter(pl.col("transition").is_in(BROKEN)).sort("eval_name")


def names(evals: pl.DataFrame) -> list[str]:
    return sorted(evals["eval_name"])


def told(made: ra.Comparison) -> list[tuple[Any, ...]]:
    """What is said of each eval that is called broken."""
    shown = ("eval_id", "transition", "cause", "since_at", "since_run_id")
    return sorted(broken(made).select(shown).iter_rows())


# The sandbox's own story


def test_the_story_stays_the_same_while_time_goes_on() -> None:
    """Runs of blocks and of single evals, cancelled ones and hours change no break and no date."""
    today = parse_instant(f"{datetime.now(UTC):%Y-%m-%d}") or 0
    clock = Clock(today + START % (24 * 3_600_000_000))
    store = make_store(build_world(0, today), clock=clock, speed=60.0)
    with StoreServer(store, key=KEY) as server:
        client = ra.Client(**server.credentials)

        def look() -> list[tuple[Any, ...]]:
            return told(ra.check(WORKFLOW, client=client, progress=False))

        first = look()
        assert len(first) == 9
        for seconds in (5, 45, 150):
            clock.forward(seconds)
            assert look() == first
        started = ra.start_runs(WORKFLOW, client=client)
        clock.forward(1)
        ra.cancel_runs(started, client=client)
        clock.forward(1)
        assert look() == first
        for at in range(15):
            ra.start_runs(WORKFLOW, blocks=(PLANTED, "check_totals")[at % 2], client=client)
            clock.forward(10)
        assert look() == first


# The requests


def requests(last: str, *, parts: int = 10, evals: int = 100, runs: int = 100) -> int:
    """How many requests a check takes, where so many runs of blocks and evals came after it."""
    rows = {"a": "P" * (runs - 1) + last, **alike(evals - 1, "P" * runs)}
    with LetteredApi(rows, "A" * (runs - 1) + "B") as api:
        for at in range(parts):
            name = f"fine {at}"
            api.run({name: "P"}, scope="E", after=HOUR)
            api.change(name, latest_run_summary=None, latest_passing_run_summary=None)
        api.asked.clear()
        made = api.check()
    assert made.gate().ok == (last == "P")
    return len(api.asked)


def test_it_asks_as_often_whether_red_or_green_and_not_more_than_needed() -> None:
    green, red = requests("P"), requests("F")
    assert green <= red <= green + 2  # what broke by an edit costs the configs of both versions
    assert red <= 64


def test_each_further_part_costs_a_request_up_to_forty() -> None:
    ten, twenty, fifty, seventy = (
        requests("P", parts=parts, evals=80, runs=20) for parts in (10, 20, 50, 70)
    )
    assert twenty <= ten + 10
    assert fifty <= ten + 30
    assert seventy == fifty


def test_of_everything_it_asks_once(still_sandbox: WatchedSandbox) -> None:
    still_sandbox.requests.clear()
    made = ra.check(WORKFLOW, client=ra.Client(**still_sandbox.credentials), progress=False)
    results = [each.path for each in still_sandbox.requests.matching("/evals/results")]
    assert len(results) == len(set(results)) == made.plan["run_id"].drop_nulls().len()
    assert len(still_sandbox.requests.matching("/workflows/evals?")) == 1


def test_one_progress_tells_of_all_that_is_read(still_sandbox: WatchedSandbox) -> None:
    client, bar = ra.Client(**still_sandbox.credentials), Recorder()
    read = ra.check(WORKFLOW, client=client, progress=bar).plan["run_id"].drop_nulls().len()
    assert bar.seen == sorted(bar.seen)
    assert bar.told[-1][:2] == (read, read)
    assert bar.closed == 1


# Checks in a row


def test_a_date_is_at_the_latest_only_where_runs_lie_unread_before_it(small: Small) -> None:
    # Ten runs after the break, of which three are read; the saved eval remembers its pass.
    made = checked(small, history=3)
    (row,) = broken(made).iter_rows(named=True)
    assert (row["eval_name"], row["cause"], row["baseline_run_id"]) == (
        "classify 1",
        "unknown",
        None,
    )
    assert "at the latest" in row["reason"]
    (same,) = broken(checked(small)).iter_rows(named=True)
    assert same["cause"] == "edit"
    assert "at the latest" not in same["reason"]


# What fails


def test_without_a_version_diff_the_fingerprints_do() -> None:
    with small_api() as api:
        api.fail("GET /v1/workflows/versions/diff", reply(404), times=9)
        made = checked(api, EDITED, baseline="previous")
    assert broken(made)["block_changed"].all()


def test_that_the_saved_evals_cannot_be_read_is_a_failure_and_names_are_none() -> None:
    with small_api() as api:
        api.fail(f"GET /v1/workflows/{api.flow} ", reply(403), times=9)
        assert checked(api).evals.height == 2 * EVALS
        api.fail("GET /v1/workflows/evals?", reply(403), times=9)
        with pytest.raises(ra.PermissionDeniedError):
            checked(api)


def test_of_a_new_failing_eval_it_is_said_whether_it_ever_passed() -> None:
    fine = alike(6, "P" * 21)
    with LetteredApi({"new": "." * 20 + "F", **fine}, memory=False) as api:
        assert "New and failing: new." in str(api.check())
        # A rerun passed, which is newer than what the saved eval remembers.
        api.run({"new": "P"}, scope="E", after=MINUTE)
        assert "never passed" not in str(api.check())


def test_who_changes_check_has_few_modules_to_know() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", MODULES], capture_output=True, text=True, check=True
    )
    modules = ran.stdout.split()
    assert "retab_analysis.checks.verdict" in modules
    assert "retab_analysis.transport.request" in modules, "threads are counted, too"
    assert len(modules) <= 59, modules
