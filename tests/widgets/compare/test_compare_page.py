"""The comparison view as a page: what it shows, what it sends, what its buttons do."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest
from support.compared import THREE, sides, suite
from support.frames import result, results
from support.html_elements import Elements
from support.inside import (
    STOPPED,
    CompareState,
    CompareView,
    Comparison,
    Progress,
    choose_reruns,
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
    shown._make_page().flush()


def rows(shown: CompareView, **wanted: str) -> list[str]:
    """The evals whose rows have some attributes."""
    evals = shown.comparison.evals["eval_id"]
    made = Elements(section(shown, "list")).attributes("tr")[1:]
    found = [each for each in made if wanted.items() <= each.items()]
    return [evals[int(each["data-key"] or "")] for each in found]


def listed(shown: CompareView) -> list[str]:
    return rows(shown)


def opened(shown: CompareView) -> str | None:
    """The eval whose row is marked."""
    marked = rows(shown, **{"aria-selected": "true"})
    return marked[0] if marked else None


def chips(shown: CompareView) -> dict[str | None, bool]:
    made = Elements(section(shown, "chips")).attributes("button")
    return {
        each["data-value"]: each["aria-pressed"] == "true"
        for each in made
        if "aria-pressed" in each
    }


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
    do(shown, "ask")
    there = [name for name in shown.widget.sections if "&lt;img" in section(shown, name)]
    assert {"said", "work", "list", "detail", "sides"} <= {*there}
    for text in (everything(shown), shown._make_still()["text/html"]):
        assert not Elements(text).attributes("img")


def test_what_is_shown_at_first() -> None:
    shown = page()
    assert chips(shown) == {
        "regressed": True,
        "newly_blocked": True,
        "newly_errored": True,
        "fixed": True,
        "still_passing": False,
    }
    assert listed(shown) == ["e0", "e1", "e2", "e5"]
    assert opened(shown) == "e0"
    assert sides(shown._state) == ("version", "v2", "v3")
    assert "name of e0" in section(shown, "detail")
    assert "1 of 4" in section(shown, "chips")


def test_the_causes_come_above_the_evals_and_lead_to_examples() -> None:
    made = [
        result(f"e{n}", state, run, workflow_version_id=f"v{run}", actual_value=f"{run}")
        for n in range(3)
        for run, state in ((1, "passed"), (2, "failed"))
    ]
    shown = page(CompareState(results(*made)))
    order: list[str] = shown.widget.sections
    assert order.index("causes") < order.index("list")
    assert "3 evals of block_1" in section(shown, "causes")
    do(shown, "reveal", "e1")
    assert opened(shown) == "e1"
    do(shown, "reveal", "nonsense")
    assert opened(shown) == "e1"


def test_next_previous_and_a_click() -> None:
    shown = page()
    do(shown, "step", "1")
    do(shown, "step", "1")
    assert opened(shown) == "e2"
    assert "name of e2" in section(shown, "detail")
    do(shown, "step", "-1")
    assert opened(shown) == "e1"
    do(shown, "open", key=str(shown.comparison.evals["eval_id"].index_of("e5")))
    assert opened(shown) == "e5"
    for nonsense in ("e5", "99999", None):
        do(shown, "open", key=nonsense)
    assert opened(shown) == "e5"
    assert "4 of 4" in section(shown, "chips")


def test_events_from_several_threads_leave_one_state() -> None:
    state = CompareState(suite(v1="P" * 40, v2="F" * 40))
    shown = page(state)

    def press(by: str) -> None:
        for number in range(30):
            content = {"id": f"{by}{number}", "event": "step", "value": by}
            shown.widget._handle_custom_msg(content, [])

    threads = [threading.Thread(target=press, args=(each,)) for each in ("1", "-1") * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    shown._make_page().flush()
    assert opened(shown) == state.table.chosen
    assert f"name of {state.table.chosen}<" in section(shown, "detail")


# What takes time


def wait_for_task(shown: CompareView) -> None:
    def names() -> list[str]:
        return [each.name for each in threading.enumerate()]

    until(lambda: "retab compare" not in names(), seconds=60)
    shown._make_page().flush()


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
    assert f"{plan.asked.height} eval" in section(shown, "work")
    do(shown, "ask")
    for words in (f"at most {plan.most}?", f"about {plan.mean} run", plan.asked["eval_name"][0]):
        assert words in section(shown, "work")
    do(shown, "step", "1")
    assert "Start" not in section(shown, "work"), "whatever else is done answers the question"
    do(shown, "ask")
    do(shown, "keep")
    assert state.comparison is before
    assert shown._task is None


def test_settling_ends_in_the_new_comparison(compared: tuple[CompareState, ra.Client]) -> None:
    state, client = compared
    shown = page(state, client)
    before = state.comparison
    undecided = choose_reruns(suite_of(before), 4)["eval_id"].to_list()
    do(shown, "reveal", undecided[0])
    do(shown, "ask")
    do(shown, "settle")
    assert shown._task is not None
    if shown._task.state.is_running:
        do(shown, "settle")  # once is enough
        do(shown, "baseline", state.baseline)
    wait_for_task(shown)
    assert shown._task.state.failure is None
    after = state.comparison
    assert after is not before
    known = sides_of(before).candidate["run_id"].implode()
    again = sides_of(after).candidate.filter(~pl.col("run_id").is_in(known))
    assert set(again["eval_id"]) == {*undecided}
    assert 1 <= again.height <= 4 * len(undecided)
    assert opened(shown) == undecided[0], "what is open stays open, whatever became of it"
    runs = sides_of(after).candidate["run_id"].n_unique()
    assert f"Compared {runs} runs of version version_CB" in section(shown, "said")
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
    assert state.edited_between is not None
    assert buttons(shown, "causes")["look_up"]
    do(shown, "look_up")
    wait_for_task(shown)
    assert state.comparison.config_changes.height
    assert "$.config.prompt" in section(shown, "causes")
    assert "<ins>" in section(shown, "causes")
    assert "look_up" not in buttons(shown, "causes")
    still = shown._make_still()["text/html"]
    assert "$.config.prompt" in still
    assert "<ins>" not in still, "what prompts say is saved only where that is asked for"


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


def wait_for_ever(comparison: Comparison, progress: Progress) -> Comparison:
    while True:
        progress.update(1, 4, "Running 1 eval again")
        time.sleep(0.01)


def test_nobody_has_to_wait_for_the_end() -> None:
    shown = page()
    do(shown, "leave")
    shown._start("Running evals again", wait_for_ever)
    until(lambda: "1 of at most 4" in section(shown, "work"))
    assert "Running 1 eval again" in section(shown, "work")
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
    until(lambda: "retab compare" not in [each.name for each in threading.enumerate()])
