"""The comparison view as a page: what it shows, what it sends, what its buttons do."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest
from support.compared import THREE, sides
from support.frames import result, results
from support.html_elements import Elements
from support.inside import (
    STOPPED,
    CompareState,
    CompareView,
    Comparison,
    Progress,
    list_reruns,
    sides_of,
    suite_of,
)
from support.small_world import FLOW, small_api
from support.watching import until

import retab_analysis as ra

HOSTILE = "<img src=x onerror=alert(1)>"


def page(state: CompareState | None = None, client: ra.Client | None = None) -> CompareView:
    return CompareView(state or CompareState(THREE), client)


def section(shown: CompareView, name: str) -> str:
    found: str = getattr(shown.widget, f"html_{name}")
    return found


def everything(shown: CompareView) -> str:
    return "".join(section(shown, each) for each in shown.widget.sections)


def do(shown: CompareView, event: str, value: Any = None, key: str | None = None) -> None:
    """What the browser sends; what follows another change within a tenth of a second waits."""
    content = {"id": "1", "event": event, "key": key, "value": value}
    shown.widget._handle_custom_msg(content, [])
    shown._flush()


def opened(shown: CompareView) -> bool:
    return "rtd-below" in section(shown, "document")


def buttons(shown: CompareView, name: str) -> dict[str | None, bool]:
    """Whether each button of a section can be pressed."""
    made = Elements(section(shown, name)).attributes("button")
    return {each.get("data-event"): "disabled" not in each for each in made}


def test_hostile_names_are_escaped_everywhere() -> None:
    made = [
        result(HOSTILE, state, run, workflow_version_id=f"{HOSTILE}{run}", eval_name=HOSTILE)
        | dict.fromkeys(("block_id", "expected_value", "path", "failure_message"), HOSTILE)
        | {"actual_value": f'{{"{HOSTILE}":{run}}}', "document_names": [HOSTILE]}
        for run, state in ((1, "passed"), (2, "failed"))
    ]
    shown = page(CompareState(results(*made)))
    do(shown, "eval", HOSTILE)
    do(shown, "ask")
    assert opened(shown)
    there = [name for name in shown.widget.sections if "&lt;img" in section(shown, name)]
    assert {*there} == {"work", "document", "sides"}
    for text in (everything(shown), shown._make_still()["text/html"]):
        assert not Elements(text).attributes("img")


def test_an_eval_opens_below_its_row_and_closes() -> None:
    shown = page()
    assert sides(shown._state) == ("version", "v2", "v3")
    do(shown, "eval", "e1")
    assert opened(shown)
    do(shown, "eval", "e1")
    assert not opened(shown)
    do(shown, "eval", "e5")
    for nonsense in ("99999", None, 7):
        do(shown, "eval", nonsense)
        assert not opened(shown)
    do(shown, "document", "nonsense")


def test_events_from_several_threads_leave_one_state() -> None:
    shown = page()

    def press(eval_id: str) -> None:
        for number in range(30):
            content = {"id": f"{eval_id}{number}", "event": "eval", "value": eval_id}
            shown.widget._handle_custom_msg(content, [])

    threads = [threading.Thread(target=press, args=(each,)) for each in ("e0", "e1") * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    shown._flush()
    assert opened(shown) == (shown._opened.eval_id is not None)


# What takes time


def wait_for_task(shown: CompareView) -> None:
    until(lambda: not is_going_on(), seconds=60)
    shown._flush()


def is_going_on() -> bool:
    return "retab_analysis-compare" in [each.name for each in threading.enumerate()]


@pytest.fixture
def compared() -> Iterator[tuple[CompareState, ra.Client]]:
    """A world in which the last edit came today, and left three evals undecided; and its API."""
    with small_api(unsure=True) as api:
        runs = ra.fetch_runs(FLOW, client=api.client, progress=False)
        results = ra.fetch_results(runs, client=api.client, progress=False)
        yield CompareState(results), api.client


def test_settling_shows_its_plan_first(compared: tuple[CompareState, ra.Client]) -> None:
    state, client = compared
    shown = page(state, client)
    before, plan = state.comparison, state.plan
    assert f"{len(plan.asked)} eval" in section(shown, "work")
    do(shown, "ask")
    for words in ("Run 3 undecided evals again, once?", plan.asked[0].name):
        assert words in section(shown, "work")
    do(shown, "eval", "nonsense")
    assert "Start" not in section(shown, "work"), "whatever else is done answers the question"
    do(shown, "ask")
    do(shown, "keep")
    assert state.comparison is before
    assert not is_going_on()


def test_settling_ends_in_the_new_comparison(compared: tuple[CompareState, ra.Client]) -> None:
    state, client = compared
    shown = page(state, client)
    before = state.comparison
    undecided = [each.id for each in list_reruns(suite_of(before).stories, 4)]
    do(shown, "eval", undecided[0])
    do(shown, "ask")
    do(shown, "settle")
    if is_going_on():
        do(shown, "settle")  # once is enough
        do(shown, "baseline", state.baseline)
    wait_for_task(shown)
    assert "ra-alert" not in section(shown, "work")
    after = state.comparison
    assert after is not before
    known = sides_of(before).candidate["run_id"].implode()
    again = sides_of(after).candidate.filter(~pl.col("run_id").is_in(known))
    assert set(again["eval_id"]) == {*undecided}
    assert again.height == len(undecided)
    assert shown._opened.eval_id == undecided[0], "what is open stays open"
    runs = sides_of(after).candidate["run_id"].n_unique()
    assert f"Compared {runs} runs (version_CB)" in section(shown, "document")
    # Who looks at something else, and comes back, finds it again.
    do(shown, "kind", "run")
    assert state.comparison is not after
    do(shown, "kind", "version")
    assert state.comparison is after


def test_what_was_edited_is_looked_up_when_asked(
    compared: tuple[CompareState, ra.Client],
) -> None:
    state, client = compared
    shown = page(state, client)
    assert state.can_look_up
    assert buttons(shown, "work")["look_up"]
    do(shown, "look_up")
    wait_for_task(shown)
    assert state.comparison.config_changes.height
    assert ">prompt<" in section(shown, "document")
    assert "<ins>" in section(shown, "document")
    assert "look_up" not in buttons(shown, "work")
    still = shown._make_still()["text/html"]
    assert ">prompt<" in still
    assert "<ins>" not in still, "what prompts say is saved only where that is asked for"


def test_other_results_forget_neither_reruns_nor_edits(
    compared: tuple[CompareState, ra.Client],
) -> None:
    state, client = compared
    shown = page(state, client)
    results, known = state.results, {*sides_of(state.comparison).candidate["result_id"]}
    do(shown, "look_up")
    wait_for_task(shown)
    edits = state.comparison.config_changes
    do(shown, "settle")
    shown.update(results.head(-1))  # while they run
    wait_for_task(shown)
    assert state.results.height == results.height - 1
    for frame in (results, pl.concat([results, results.tail(1)]).unique("result_id")):
        shown.update(frame)
        counted = sides_of(state.comparison).candidate
        again = counted.filter(~pl.col("result_id").is_in(known))
        assert set(again["run_id"].str.head(8)) == {"started_"}
        assert counted.height == len(known) + again.height
        assert state.comparison.config_changes.equals(edits)
        assert f"{again.height + 1} runs" in section(shown, "document")


def test_what_fails_is_said(compared: tuple[CompareState, ra.Client]) -> None:
    state, _ = compared
    shown = page(
        state, ra.Client(api_key="key_12345678", max_attempts=1, base_url="http://127.0.0.1:9")
    )
    before = state.comparison
    do(shown, "settle")
    wait_for_task(shown)
    assert "127.0.0.1:9" in section(shown, "work")
    assert 'role="alert"' in section(shown, "work")
    assert buttons(shown, "work")["ask"], "it can be tried again"
    assert state.comparison.evals.equals(before.evals)


def test_what_came_before_an_error_is_kept_and_warnings_are_said() -> None:
    shown = page()
    found = ra.compare_versions(THREE, "v1", "v3")

    def work(comparison: Comparison, progress: Progress) -> Comparison:
        warnings.warn("2 evals could not be run again", stacklevel=1)
        error = ra.RetabAnalysisError("the API refuses")
        error.partial = found  # type: ignore[assignment]
        raise error

    shown._start("Running evals again", work)
    wait_for_task(shown)
    assert shown.comparison is found
    assert "the API refuses\n2 evals could not be run again" in section(shown, "work")


def wait_for_ever(comparison: Comparison, progress: Progress) -> Comparison:
    while True:
        progress.update(1, 4, "one eval")
        time.sleep(0.01)


def test_nobody_has_to_wait_for_the_end() -> None:
    shown = page()
    do(shown, "leave")
    shown._start("Running evals again", wait_for_ever)
    until(lambda: "Running evals again: 1 of 4 · one eval" in section(shown, "work"))
    assert buttons(shown, "work") == {"leave": True}
    assert section(shown, "sides").count("disabled") == 3
    do(shown, "leave")
    wait_for_task(shown)
    assert STOPPED in section(shown, "work")
    assert "disabled" not in section(shown, "sides")
    do(shown, "candidate", "v1")
    assert STOPPED not in section(shown, "work")


def test_closing_ends_what_goes_on() -> None:
    view = ra.compare_view(THREE)
    assert view.widget is not None
    view._start("Running evals again", wait_for_ever)
    view.close()
    until(lambda: not is_going_on())
