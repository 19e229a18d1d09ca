"""The view as users hold it: what they ask, what a person does on its page, what is saved."""

from __future__ import annotations

import re
import sys
import types
from itertools import product
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.fakes import KEY
from support.faultserver import FaultServer, reply
from support.inside import View, apply_event
from support.lettered_api import FLOW, LetteredApi, alike
from support.watched import WatchedSandbox
from support.watching import ENDED, GOING, RESULTS, client, in_order, routes, until

import retab_analysis as ra


def do(view: View, event: str, value: Any = None, scope: str = "0") -> dict[str, Any]:
    """What a browser sends of a person, and the answer to it."""
    answers: list[dict[str, Any]] = []
    widget = view.widget
    widget.send = answers.append
    widget._handle_custom_msg({"id": "1", "event": event, "scope": scope, "value": value}, [])
    (answer,) = [each for each in answers if "answered" in each]
    return answer


def whole(view: View) -> str:
    return "".join(view._render().values())


# What is asked


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "either runs or workflow_id="),
        ({"runs": "r", "workflow_id": "w"}, "either runs or workflow_id="),
        ({"runs": "r", "interval": 0}, "interval must be"),
        ({"runs": "r", "interval": float("inf")}, "interval must be a number of seconds"),
        ({"runs": "r", "baseline": 7}, "baseline must be"),
        ({"runs": "r", "save_values": 1}, "save_values must be True or False, got 1"),
        ({"runs": "r", "allow_cancel": "no"}, "allow_cancel must be True or False"),
        ({"runs": 7}, "runs must be"),
        ({"workflow_id": ""}, "workflow_id is empty"),
        ({"workflow_id": []}, "names no workflow"),
    ],
)
def test_bad_arguments_of_watch_are_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ra.ConfigError, match=words):
        ra.watch(**arguments, client=client("http://127.0.0.1:9"))


def test_the_id_of_a_workflow_is_no_run(api: ra.Client) -> None:
    with pytest.raises(ra.ConfigError, match=r'ra\.watch\(workflow_id="wf_claims"\)'):
        ra.watch("wf_claims", client=api)


@pytest.mark.parametrize(
    ("given", "more", "words"),
    [
        (7, {}, "workflow_id must be"),
        ("", {}, "workflow_id is empty"),
        ([], {}, "names no workflow"),
        ("wf", {"candidate": 7}, "candidate must be"),
        ("wf", {"save_values": "no"}, "save_values must be True or False"),
        (pl.DataFrame({"a": [1]}), {}, r"ra\.compare\(baseline, candidate\)"),
    ],
)
def test_bad_arguments_of_explore_are_refused(given: Any, more: Any, words: str) -> None:
    with pytest.raises(ra.RetabAnalysisError, match=words):
        ra.explore(given, **more, client=client("http://127.0.0.1:9"))


@pytest.mark.parametrize(
    "call", [ra.explore, lambda each, **how: ra.watch(workflow_id=each, **how)]
)
def test_workflows_have_names_as_everywhere(api: ra.Client, call: Any) -> None:
    names = dict(ra.fetch_workflows(client=api)["name", "workflow_id"].iter_rows())
    name, workflow_id = next(iter(names.items()))
    with call([name, workflow_id], client=api) as view:
        assert [*view._states] == [workflow_id]
    with pytest.raises(ra.ConfigError, match="did you mean") as caught:
        call(f"{name}x", client=api)
    assert workflow_id in str(caught.value)


@pytest.mark.parametrize(
    "call", [ra.explore, lambda each, **how: ra.watch(workflow_id=each, **how)]
)
def test_accepted_failures_are_read_once_at_the_call(call: Any, tmp_path: Path) -> None:
    path = tmp_path / "accepted.toml"
    with LetteredApi({"a": "P" * 12 + "FF", **alike(5, "P" * 14)}, codes="A" * 12 + "BB") as api:
        api.check().accept(path, reason="known")
        ra.use(accepted=path)
        try:
            view = call(FLOW, client=api.client)
            path.write_text("[[")
            view.wait(60)
            assert view.comparison is not None
            assert view.comparison.headline == "✓ Nothing new broke: 5 of 6 pass, 1 accepted"
            with pytest.raises(ra.ConfigError, match="accepted"):
                call(FLOW, client=api.client)
        finally:
            ra.use(accepted=None)


# What a person does


def test_events_change_the_state_and_odd_ones_nothing(view: View) -> None:
    state = view.state
    assert view.comparison is not None
    assert view.frame.equals(view.comparison.evals)
    first = view.frame["eval_id"][0]
    assert apply_event(state, "open", first).opened == {first}
    assert apply_event(state, "ask", "settle").asking == "settle"
    assert apply_event(state, "ask", "other").asking == ""
    compared = apply_event(state, "candidate", "v4")
    assert (compared.candidate, compared.job) == ("v4", "Comparing …")
    odd = (7, ["a"], {"a": 1}, 1.5, True)
    for name in ("open", "ask", "candidate", "baseline", "nothing"):
        for value in odd:
            assert apply_event(state, name, value) is state
    for name, value in (("open", "nope"), ("nothing", "a"), ("baseline", "")):
        assert apply_event(state, name, value) is state


@pytest.mark.parametrize("event", ["open", "document", "fold-view", "cancel", "settle", "odd"])
def test_events_from_nowhere_do_nothing(view: View, event: str) -> None:
    before = view.state
    for scope, value in product((None, "7", "x", "-9"), (None, "nope", "nope 0", 7, {"a": []})):
        assert "error" not in do(view, event, value, scope), (scope, value)
    assert view.state.look.comparison is before.look.comparison
    assert not view.state.job


def test_a_document_is_shown_when_it_is_asked_for(view: View) -> None:
    assert view.comparison is not None
    eval_id = view.comparison.broken["eval_id"][0]
    for odd in (f"{eval_id} 9", f"{eval_id} x", f"{eval_id} -1"):
        do(view, "document", odd)
        assert view.state.preview is None
    do(view, "document", f"{eval_id} 0")
    until(lambda: view.state.preview is not None and view.state.preview.url)
    assert "Open in a new tab" in view._render()[f"0:doc:{eval_id}"]


def test_the_checked_run_and_the_baseline_can_be_chosen(api: ra.Client) -> None:
    view = ra.explore("wf_invoices", client=api)
    view.wait(120)
    runs = view.state.look.runs.filter(pl.col("scope") == "workflow", status="completed")
    chosen = runs["run_id"][5]
    do(view, "candidate", chosen)
    assert view.state.job == "Comparing …"
    until(lambda: not view.state.job)
    checked = ra.check("wf_invoices", candidate=chosen, client=api, progress=False)
    assert view.comparison is not None
    assert view.comparison.headline == checked.headline
    assert view.state.look.checked["run_id"].to_list() == [chosen]
    do(view, "candidate", "")
    until(lambda: not view.state.job)
    assert view.state.candidate is None
    # Who chooses again while a comparison is made gets the last choice.
    do(view, "candidate", "v5")
    do(view, "baseline", "v4")
    until(lambda: not view.state.job)
    versions = ra.check("wf_invoices", baseline="v4", candidate="v5", client=api, progress=False)
    assert view.comparison.headline == versions.headline
    do(view, "candidate", "")
    do(view, "baseline", "last_good")
    until(lambda: not view.state.job)
    do(view, "candidate", "no_such_run")
    until(lambda: not view.state.job)
    assert view.state.candidate is None
    assert "no_such_run" in view.state.failures[0]


def test_settling_asks_first_says_its_price_and_shows_how_far_it_is() -> None:
    with WatchedSandbox(speed=60) as sandbox:
        mine = ra.Client(**sandbox.credentials)
        view = ra.explore("wf_invoices", client=mine)
        view.wait(60)
        said: list[str] = []
        view.on_update(lambda each: said.append(each.state.job))
        n = view.state.look.reruns
        assert n > 0
        do(view, "settle")
        assert not view.state.job, "it asks first"
        do(view, "ask", "settle")
        assert f"Start {n} run" in whole(view)
        sandbox.requests.clear()
        do(view, "settle")
        assert view.state.job.startswith("Running again")
        until(lambda: not view.state.job)
        started = [each for each in sandbox.requests if each.method == "POST"]
        assert len(started) == n
        assert view.comparison is not None
        assert view.state.look.reruns == 0
        assert not view.comparison.reruns.height or view.state.look.reruns == 0


UNSURE = {"a": "P" * 20 + "F", **alike(5, "P" * 21)}


def settle(view: View) -> None:
    do(view, "ask", "settle")
    do(view, "settle")
    until(lambda: not view.state.job)


@pytest.mark.parametrize("watched", [False, True])
def test_what_was_settled_counts_in_all_that_follows(watched: bool) -> None:
    with LetteredApi(UNSURE) as api:
        how: dict[str, Any] = {"client": api.client}
        view = ra.watch("run_20", **how) if watched else ra.explore(FLOW, **how)
        view.wait(60)
        assert view.state.look.reruns == 1
        settle(view)
        (rerun,) = api.started
        for candidate in ("run_10", "", "run_20"):
            do(view, "candidate", candidate)
            until(lambda: not view.state.job)
            assert view.comparison is not None
            of_a = view.comparison.evals.filter(eval_id="a")
            assert of_a["candidate_n"].item() == 1 + (candidate != "run_10")
            assert view.state.look.checked["run_id"].to_list() == [candidate or "run_20"]
            assert view.state.look.reruns == 0
        said = re.sub(r"<[^>]*>", " ", view._render()["0:in:a"])
        assert f"{rerun.at:%-d %b %H:%M}" in said, "the opened row shows the rerun"


def test_why_a_job_failed_is_shown_until_the_next() -> None:
    with LetteredApi(UNSURE) as api:
        view = ra.explore(FLOW, client=ra.Client(KEY, api.client.base_url, max_attempts=1))
        view.wait(60)
        for broken, words in (("POST ", "not now"), ("GET /v1/workflows/evals/runs?", "away")):
            api.broken = {broken: reply(422, {"detail": words})}
            settle(view)
            assert words in view.state.failures[0]
            assert words in whole(view)
        assert len(api.started) == 1
        api.broken = {}
        do(view, "candidate", "nope")
        until(lambda: not view.state.job)
        assert "&#x27;nope&#x27;: there is no such version or run" in whole(view)
        assert "away" not in whole(view)
        do(view, "candidate", "run_10")
        until(lambda: not view.state.job)
        assert view.state.failures == ()
        assert "nope" not in whole(view)


def test_choices_while_a_run_goes_on_are_made_one_after_another() -> None:
    with LetteredApi(alike(8, "P" * 12)) as api:
        run = api.run("U" * 8, id="r9")
        with ra.watch("r9", client=api.client, interval=0.02) as view:
            until(lambda: view.comparison is not None)
            for at in range(8):
                run.letters = {**run.letters, f"fine {at}": "PF"[at % 2]}
                do(view, "candidate", f"run_{at}")
                do(view, "baseline", ("previous", "last_good")[at % 2])
                assert whole(view)
            do(view, "candidate", "")
            until(lambda: not view.state.job)
            assert view.wait(60)["status"].to_list() == ["completed"]
        assert view.state.failures == ()
        assert view.comparison is not None
        assert view.comparison.headline == api.check().headline


def test_cancelling_asks_first_and_is_only_there_where_it_is_allowed() -> None:
    with ra.Sandbox(speed=0.01) as sandbox:
        mine = ra.Client(**sandbox.credentials)
        run = ra.start_runs("wf_claims", client=mine)
        with ra.watch(run, interval=0.1, client=mine) as view:
            until(lambda: "Cancel run" in whole(view))
            do(view, "cancel")
            assert not view.state.job
            do(view, "ask", "cancel")
            assert "Yes, end it" in whole(view)
            do(view, "cancel")
            assert view.state.job == "ending the run …"
            until(lambda: not view.state.job)
            assert not view.state.look.is_going, "it is said until the run has ended"
            assert view.wait(20)["status"].to_list() == ["cancelled"]
        followed = ra.watch(workflow_id="wf_claims", interval=0.1, client=mine)
        until(lambda: followed.comparison is not None)
        assert followed.state.look.is_going
        assert "Cancel run" not in whole(followed)
        followed.stop()


def test_a_cancel_that_is_refused_is_told() -> None:
    def answer(request: str) -> Any:
        if request.startswith("POST"):
            return reply(403, {"detail": "not yours"})
        return routes(in_order(GOING))(request)

    with FaultServer([answer]) as server:
        with ra.watch("r1", interval=0.05, client=client(server.url)) as view:
            until(lambda: "Cancel run" in whole(view))
            do(view, "ask", "cancel")
            said: list[str] = []
            view.on_update(lambda each: said.extend(each.state.failures))
            do(view, "cancel")
            until(lambda: any("not yours" in each for each in said))


def test_one_of_several_workflows_is_open(api: ra.Client) -> None:
    view = ra.explore(["wf_invoices", "wf_claims"], client=api)
    view.wait(120)
    assert view.state.workflow_id == "wf_invoices"
    do(view, "fold-view", "1")
    assert view.state.workflow_id == "wf_claims"
    do(view, "fold-view", "1")
    assert "0:body" not in view._render()
    view.close()


# What is saved


def test_outside_a_kernel_there_is_html_and_text(monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultServer([routes(in_order(ENDED), RESULTS)]) as server:
        more: dict[str, Any] = {"interval": 0.05, "client": client(server.url)}
        view = ra.watch("r1", **more)
        view.wait(10)
        saving = ra.watch("r1", save_values=True, **more)
        saving.wait(10)
    bundle = view._repr_mimebundle_()
    assert sorted(bundle) == ["text/html", "text/plain"]
    assert "1.5" not in bundle["text/html"].partition("</style>")[2]
    assert "1.5" in saving._repr_mimebundle_()["text/html"].partition("</style>")[2]
    # A message may quote the values; what is printed outside a notebook is not kept.
    assert "1.5 is not 2" not in bundle["text/html"] + bundle["text/plain"]
    monkeypatch.setenv("RETAB_ANALYSIS_VALUES", "0")
    assert "1.5" not in repr(view)
    monkeypatch.delenv("RETAB_ANALYSIS_VALUES")
    kernel = types.SimpleNamespace(get_ipython=lambda: types.SimpleNamespace(kernel=object()))
    monkeypatch.setitem(sys.modules, "IPython", kernel)  # type: ignore[arg-type]
    assert "application/vnd.jupyter.widget-view+json" in view._repr_mimebundle_()
    assert "1.5" not in repr(view)


def test_what_a_widget_keeps_has_no_values_and_what_it_sends_has(view: View) -> None:
    kept = view.widget.get_state()["pieces"]
    assert "Buffet lunch" not in "".join(kept.values())
    assert "Blue Ridge" in "".join(kept.values())
    sent: list[Any] = []
    view.widget.send = sent.append
    view.widget._handle_custom_msg({"event": "resync"}, [])
    assert "Buffet lunch" in str(sent[-1]["pieces"])


HEADLINE = "9 evals are still broken"
CELLS = [
    "import retab_analysis as ra\nra.demo(speed=300)\nrun = ra.start_runs('wf_invoices')",
    "view = ra.watch(run, interval=0.2)\nview",
    "runs = view.wait(60)\nassert runs['status'].to_list() == ['completed']\nview",
    "several = ra.watch(workflow_id=ra.fetch_workflows()['workflow_id'])\nseveral",
]


@pytest.fixture(scope="module")
def executed() -> Any:
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    quiet = ["--IPKernelApp.log_level=40"]
    return NotebookClient(
        notebook, timeout=600, startup_timeout=600, extra_arguments=quiet
    ).execute()


def test_the_stored_widget_has_the_final_state_and_no_value(
    executed: Any,
) -> None:
    models = executed.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    pages = [each["state"] for each in models.values() if each["model_name"] == "AnyModel"]
    assert any(HEADLINE in each["pieces"]["0:line"] for each in pages)
    assert "Buffet lunch" not in str(models)


def test_what_was_displayed_first_has_the_final_state_too(
    executed: Any,
) -> None:
    widget, stands = (each["data"] for each in executed.cells[1].outputs)
    assert widget["text/html"] == ""
    assert HEADLINE in stands["text/html"]
    assert HEADLINE in stands["text/plain"]
    assert "Reading the runs" not in stands["text/html"] + stands["text/plain"]


def test_where_nobody_looks_all_workflows_are_read_before_they_are_displayed(
    executed: Any,
) -> None:
    _, stands = (each["data"] for each in executed.cells[3].outputs)
    first, second, *_ = stands["text/plain"].splitlines()
    assert re.match(r"✗ 5 workflows: 3 with broken evals \(\d+ evals\)$", first)
    assert re.search(r"as of \d+ \w+ \d\d:\d\d UTC", second)
    assert first.removeprefix("✗ ").partition(" (")[0] in stands["text/html"]


def test_closing_stops_it_and_takes_the_widget_away() -> None:
    with FaultServer([routes(in_order(GOING))]) as server:
        view = ra.watch("r1", interval=0.05, client=client(server.url))
        until(lambda: view.state.look.checked.height)
        widget = view.widget
        view.close()
        assert view.done
        assert view.state.look.phase == "stopped"
        assert widget.comm is widget.layout.comm is None
        assert "0 of 2 done" in repr(view)
        view.close()


def test_colab_is_told_where_its_widget_manager_is(
    api: ra.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As anywidget tells it; without that a page that is shown again stays empty there."""
    import IPython.display

    colab = types.ModuleType("google.colab.output")
    vars(colab)["enable_custom_widget_manager"] = lambda: None
    vars(colab)["_widgets"] = types.SimpleNamespace(_installed_url="https://manager.example")
    monkeypatch.setitem(sys.modules, "google.colab.output", colab)
    shown: list[tuple[dict[str, Any], dict[str, Any]]] = []

    def display(bundle: dict[str, Any], *, metadata: Any = None, **how: Any) -> None:
        shown.append((bundle, metadata))

    monkeypatch.setattr(IPython.display, "display", display)
    view = ra.explore("wf_claims", client=api)
    kernel = types.SimpleNamespace(kernel=object())
    monkeypatch.setattr(IPython, "get_ipython", lambda: kernel)
    view._ipython_display_()
    bundle, metadata = shown[0]
    (kind,) = metadata
    assert bundle[kind]["model_id"] == view.widget.model_id
    assert metadata[kind]["colab"]["custom_widget_manager"]["url"] == "https://manager.example"


def test_an_explored_workflow_is_read_again_on_request() -> None:
    with LetteredApi(alike(4, "P" * 9)) as api:
        run = api.run("PPUU", id="late")
        view = ra.explore(FLOW, client=api.client)
        view.wait(60)
        before = view.state.look
        assert view.comparison is not None
        assert view.comparison.headline.startswith("✓")
        run.letters = dict.fromkeys(run.letters, "F")
        asked = len(api.asked)
        view._on_event("refresh", "0", None)
        view._on_event("refresh", "0", None)
        view._join(60)
        assert api.asked[asked:].count("GET /v1/workflows/evals/runs") == 1, "it happens once"
        assert view.comparison is not None
        assert view.comparison.headline == api.check().headline
        assert view.comparison.evals["candidate_run_id"].unique().to_list() == ["late"]
        assert before.seen_at is not None
        assert view.state.look.seen_at is not None
        assert view.state.look.seen_at >= before.seen_at
        view.close()
