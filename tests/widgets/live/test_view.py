"""The live view as users hold it: in a kernel, outside one, saved."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from support.faultserver import FaultServer, reply
from support.html_elements import Elements
from support.watching import ENDED, GOING, RESULTS, client, in_order, routes, until

import retab_analysis as ra


def shown(view: ra.widgets.LiveView) -> str:
    """All that the page shows."""
    widget = view.widget
    return " ".join(getattr(widget, f"html_{name}") for name in widget.sections)


def press(view: ra.widgets.LiveView, event: str) -> None:
    """A click, as the browser sends it."""
    assert f'data-event="{event}"' in shown(view)
    view.widget._handle_custom_msg({"id": "1", "event": event}, [])


def test_the_page_follows_the_watcher_and_its_last_state_arrives() -> None:
    with FaultServer([routes(in_order(GOING, GOING, ENDED), RESULTS)]) as server:
        view = ra.watch("r1", interval=0.05, client=client(server.url))
        widget = view.widget
        assert view.widget is widget
        view.wait(10)
    assert "completed, 1 does not pass" in widget.html_total
    assert "e2" in widget.html_news


def test_buttons_of_a_real_view() -> None:
    with ra.Sandbox(speed=0.01) as sandbox:
        mine = ra.Client(**sandbox.credentials)
        run = ra.start_runs("wf_claims", client=mine)
        with ra.watch(run, interval=0.1, client=mine) as view:
            until(lambda: view.frame.height and 'data-event="ask"' in shown(view))
            press(view, "refresh")
            press(view, "ask")
            until(lambda: 'data-event="cancel"' in shown(view))
            press(view, "cancel")
            assert view.wait(10)["status"].to_list() == ["cancelled"]
        assert "cancelled" in repr(view)
        other = ra.watch(ra.start_runs("wf_claims", client=mine), interval=0.1, client=mine)
        press(other, "stop")
        until(lambda: other.done)
        assert other.state.phase == "stopped"
        followed = ra.watch(workflow_id="wf_claims", interval=0.1, client=mine)
        assert "Cancel run" not in shown(followed)
        followed.stop()


def test_a_cancel_that_is_refused_is_told() -> None:
    def answer(request: str) -> Any:
        if request.startswith("POST"):
            return reply(403, {"detail": "not yours"})
        return routes(in_order(GOING))(request)

    with FaultServer([answer]) as server:
        with ra.watch("r1", interval=0.05, client=client(server.url)) as view:
            until(lambda: view.frame.height)
            view._cancel()
            until(lambda: view._watcher.snapshot.notes)
            assert "cancel: " in view.state.notes[0]
            assert "not yours" in view.state.notes[0]


def test_outside_a_kernel_there_is_html_and_text(monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultServer([routes(in_order(ENDED), RESULTS)]) as server:
        view = ra.watch("r1", interval=0.05, baseline=None, client=client(server.url))
        view.wait(10)
        more = {"interval": 0.05, "baseline": None, "client": client(server.url)}
        saving = ra.watch("r1", save_values=True, **more)
        saving.wait(10)
    bundle = view._repr_mimebundle_()
    assert sorted(bundle) == ["text/html", "text/plain"]
    assert ">1.5<" not in bundle["text/html"]
    assert ">1.5<" in saving._repr_mimebundle_()["text/html"]
    # A message may quote the values; what is printed outside a notebook is not kept.
    assert "1.5 is not 2" not in bundle["text/html"] + bundle["text/plain"]
    assert "got 1.5" in saving._repr_mimebundle_()["text/plain"]
    assert "got 1.5" in repr(view)
    monkeypatch.setenv("RETAB_ANALYSIS_VALUES", "0")
    assert "1.5" not in repr(view)
    monkeypatch.delenv("RETAB_ANALYSIS_VALUES")
    kernel = types.SimpleNamespace(get_ipython=lambda: types.SimpleNamespace(kernel=object()))
    monkeypatch.setitem(sys.modules, "IPython", kernel)  # type: ignore[arg-type]
    assert "application/vnd.jupyter.widget-view+json" in view._repr_mimebundle_()
    assert "1.5" not in repr(view)


DONE = re.compile(r"([1-9]\d*) of \1 done")
CELLS = [
    "import retab_analysis as ra\nra.demo(speed=300)\nrun = ra.start_runs('wf_invoices')",
    "view = ra.watch(run, interval=0.2)\nview",
    "runs = view.wait(60)\nassert runs['status'].to_list() == ['completed']\nview",
]


@pytest.fixture(scope="module")
def executed() -> nbformat.NotebookNode:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    quiet = ["--IPKernelApp.log_level=40"]
    return NotebookClient(
        notebook, timeout=600, startup_timeout=600, extra_arguments=quiet
    ).execute()


def test_the_stored_widget_has_the_final_state(executed: nbformat.NotebookNode) -> None:
    models = executed.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    (page,) = [each["state"] for each in models.values() if each["model_name"] == "AnyModel"]
    assert DONE.search(page["html_total"])
    assert "still broken" in page["html_head"]


def test_what_was_displayed_first_has_the_final_state_too(
    executed: nbformat.NotebookNode,
) -> None:
    widget, stands = (each["data"] for each in executed.cells[1].outputs)
    assert widget["text/html"] == ""
    assert DONE.search(stands["text/html"])
    assert DONE.search(stands["text/plain"])
    assert "Looking for" not in stands["text/html"] + stands["text/plain"]


def test_the_static_page_needs_no_network_and_holds_no_values(
    executed: nbformat.NotebookNode, tmp_path: Path
) -> None:
    last = executed.cells[-1].outputs[1]["data"]
    assert DONE.search(last["text/html"])
    assert DONE.search(last["text/plain"])
    stateless = nbformat.from_dict({**executed, "metadata": {}})
    for notebook in (executed, stateless):
        html, _ = HTMLExporter(template_name="lab").from_notebook_node(notebook)
        # With the state of widgets, their viewer would come from the network, and be blank without.
        seen = Elements(re.sub(r"<script\b.*?</script>", "", html, flags=re.DOTALL)).text
        assert DONE.search(seen)
        assert "Looking for" not in seen
        assert notebook is executed or "Buffet lunch" not in html


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "either runs or workflow_id="),
        ({"runs": "r", "workflow_id": "w"}, "either runs or workflow_id="),
        ({"runs": "r", "interval": 0}, "interval must be"),
        ({"runs": "r", "interval": float("inf")}, "interval must be a number of seconds"),
        ({"runs": "r", "interval": "1"}, "interval must be"),
        ({"runs": "r", "baseline": 7}, "baseline must be"),
        ({"runs": "r", "save_values": 1}, "save_values must be True or False, got 1"),
        ({"runs": "r", "allow_cancel": "no"}, "allow_cancel must be True or False"),
        ({"runs": 7}, "runs must be"),
        ({"workflow_id": ""}, "workflow_id is empty"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ra.ConfigError, match=words):
        ra.watch(**arguments, client=client("http://127.0.0.1:9"))


def test_closing_stops_it_and_takes_the_widgets_away() -> None:
    with FaultServer([routes(in_order(GOING))]) as server:
        view = ra.watch("r1", interval=0.05, client=client(server.url))
        until(lambda: view.frame.height)
        widget = view.widget
        view.close()
        assert view.done
        assert view.state.phase == "stopped"
        assert widget.comm is widget.layout.comm is None
        assert "running" in repr(view)
        view.close()
