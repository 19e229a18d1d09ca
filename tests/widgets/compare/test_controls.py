"""The widgets of the comparison view, by their attributes and messages."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.compared import THREE, sides, suite
from support.drawn import walk
from support.frames import result, results

from retab_analysis.widgets.compare import html
from retab_analysis.widgets.compare.controls import CompareControls
from retab_analysis.widgets.compare.state import CompareState

HOSTILE = "<img src=x onerror=alert(1)>"


def test_hostile_names_are_escaped_everywhere() -> None:
    rows = [
        result(HOSTILE, state, run, workflow_version_id=f"{HOSTILE}{run}", eval_name=HOSTILE)
        | dict.fromkeys(("block_id", "expected_value", "path", "failure_message"), HOSTILE)
        | {"actual_value": f'{{"{HOSTILE}":{run}}}', "document_names": [HOSTILE]}
        for run, state in ((1, "passed"), (2, "failed"))
    ]
    state = CompareState(results(*rows))
    notebook = CompareControls(state)
    opened(notebook, "Plot by block")
    opened(notebook, "Plot by eval")
    control(notebook, "File").value = f"/nowhere/{HOSTILE}.md"
    control(notebook, "Write report").click()
    shown = [each.value for each in walk(notebook.box) if type(each).__name__ == "HTML"]
    assert sum("&lt;img" in html for html in shown) >= 4
    assert all("<img" not in html for html in [*shown, html.static_page(state, values=False)])


def control(notebook: CompareControls, words: str) -> Any:
    found = [
        each for each in walk(notebook.box) if getattr(each, "description", "").startswith(words)
    ]
    exact = [each for each in found if each.description == words]
    (one,) = exact or found
    return one


def opened(notebook: CompareControls, words: str) -> None:
    control(notebook, words).value = True


def html_of(notebook: CompareControls, css_class: str) -> str:
    (one,) = [
        each.value
        for each in walk(notebook.box)
        if type(each).__name__ == "HTML" and css_class in each.value and "<style" not in each.value
    ]
    return str(one)


def chips(notebook: CompareControls) -> dict[str, bool]:
    """What is written on each button that is seen, and whether it is pressed."""
    (box,) = [each for each in walk(notebook.box) if "ra-chips" in each._dom_classes]
    return {each.description: each.value for each in box.children if each.layout.display != "none"}


def test_every_control_has_a_label_and_a_hint() -> None:
    notebook = CompareControls(CompareState(THREE))
    controls = [each for each in walk(notebook.box) if "disabled" in each.keys]
    seen = [each for each in controls if each.layout.display != "none"]
    assert len(seen) >= 15
    for each in seen:
        assert each.description, each
        if type(each).__name__ != "Checkbox":
            assert each.tooltip, each


def test_what_is_shown_at_first() -> None:
    notebook = CompareControls(CompareState(THREE))
    assert chips(notebook) == {
        "✗ regressed 1": True,
        "⊘ newly blocked 1": True,
        "‼ newly errored 1": True,
        "✓ fixed 1": True,
        "· still passing 3": False,
    }
    assert control(notebook, "Evals").value == "e0"
    assert len(control(notebook, "Evals").options) == 4
    assert (control(notebook, "Baseline").value, control(notebook, "Candidate").value) == (
        "v2",
        "v3",
    )
    assert "name of e0" in html_of(notebook, "ra-detail")


def test_next_and_previous() -> None:
    notebook = CompareControls(CompareState(THREE))
    control(notebook, "Next").click()
    control(notebook, "Next").click()
    assert control(notebook, "Evals").value == "e2"
    assert control(notebook, "Eval").value == 3
    assert "name of e2" in html_of(notebook, "ra-detail")
    control(notebook, "Previous").click()
    assert control(notebook, "Evals").value == "e1"
    control(notebook, "Eval").value = 4
    assert control(notebook, "Evals").value == "e5"
    control(notebook, "Evals").value = "e0"
    assert control(notebook, "Eval").value == 1
    assert "1 of 4" in html_of(notebook, "1 of 4")


def test_one_step_is_one_message_for_each_part_that_changed(sent: list[dict[str, Any]]) -> None:
    notebook = CompareControls(CompareState(THREE))
    sent.clear()
    control(notebook, "Next").click()
    parts = [sorted(message) for message in sent]
    assert sorted(parts) == [["index"], ["value"], ["value"], ["value"]]
    sent.clear()
    notebook.draw()
    assert sent == []


def test_other_sides_are_one_redraw(sent: list[dict[str, Any]]) -> None:
    state = CompareState(THREE)
    notebook = CompareControls(state)
    sent.clear()
    control(notebook, "Baseline").value = "v1"
    assert sides(state) == ("version", "v1", "v3")
    lists = [message for message in sent if "_options_labels" in message]
    assert len(lists) == 1
    assert len([message for message in sent if "ra-detail" in str(message.get("value"))]) <= 1
    assert [name for name, on in chips(notebook).items() if on] == [
        "✗ regressed 1",
        "⊘ newly blocked 1",
        "‼ newly errored 1",
    ]


def test_another_kind_offers_other_sides() -> None:
    state = CompareState(THREE)
    notebook = CompareControls(state)
    assert [value for _, value in control(notebook, "Compare").options] == [
        "version",
        "run",
        "draft",
    ]
    control(notebook, "Compare").value = "run"
    assert sides(state) == ("run", "run_2", "run_3")
    assert control(notebook, "Baseline").value == "run_2"
    assert [value for _, value in control(notebook, "Candidate").options] == [
        "run_3",
        "run_2",
        "run_1",
    ]


def test_chips_filter_the_list() -> None:
    notebook = CompareControls(CompareState(THREE))
    control(notebook, "· still passing").value = True
    assert len(control(notebook, "Evals").options) == 7
    for words in list(chips(notebook)):
        control(notebook, words).value = words.startswith("✓")
    assert [value for _, value in control(notebook, "Evals").options] == ["e5"]
    assert control(notebook, "Next").disabled
    assert control(notebook, "Eval").disabled
    control(notebook, "✓ fixed").value = False
    assert control(notebook, "Evals").options == ()
    assert html.NOTHING in html_of(notebook, "ra-detail")
    control(notebook, "✗ regressed").value = True
    assert control(notebook, "Evals").value == "e0"


def test_the_same_on_both_sides_has_no_report() -> None:
    notebook = CompareControls(CompareState(THREE))
    control(notebook, "Candidate").value = "v2"
    assert html.SAME in html_of(notebook, "ra-alert")
    assert control(notebook, "Write report").disabled
    control(notebook, "Baseline").value = "v1"
    assert not control(notebook, "Write report").disabled


def test_plots_are_drawn_when_they_are_opened() -> None:
    notebook = CompareControls(CompareState(THREE))
    plots = [each for each in walk(notebook.box) if "ra-plots" in each._dom_classes]
    assert [(each.value, each.layout.display) for each in plots] == [("", "none")] * 2
    opened(notebook, "Plot by block")
    assert "currentColor" in plots[0].value
    assert plots[1].value == ""
    opened(notebook, "Plot by eval")
    assert 'aria-label="The verdicts of 4 evals in 3 versions"' in plots[1].value
    before = plots[0].value, plots[1].value
    control(notebook, "Next").click()
    assert (plots[0].value, plots[1].value) == before
    control(notebook, "✓ fixed").value = False
    assert "3 evals" in plots[1].value
    control(notebook, "Plot by eval").value = False
    assert plots[1].layout.display == "none"


def test_the_report_is_written_where_it_is_said(tmp_path: Path) -> None:
    frame = THREE.with_columns(actual_value=pl.lit('"secret"'))
    notebook = CompareControls(CompareState(frame))
    form = next(each for each in walk(notebook.box) if control(notebook, "File") in _children(each))
    assert form.layout.display == "none"
    opened(notebook, "Write report…")
    assert form.layout.display == ""
    path = tmp_path / "report.md"
    control(notebook, "File").value = f" {path} "
    control(notebook, "Write report").click()
    assert f"Written to {path}" in html_of(notebook, "Written")
    assert "secret" not in path.read_text()
    control(notebook, "with expected").value = True
    control(notebook, "Write report").click()
    assert "secret" in path.read_text()
    control(notebook, "Baseline").value = "v1"
    assert not [each for each in walk(form) if "Written" in str(getattr(each, "value", ""))]


def _children(widget: Any) -> tuple[Any, ...]:
    return getattr(widget, "children", ())


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("report.pdf", "must end in .md or .html"),
        ("", "must end in"),
        ("no/such/r.md", "there is no folder"),
    ],
)
def test_a_report_that_cannot_be_written(path: str, words: str, tmp_path: Path) -> None:
    notebook = CompareControls(CompareState(THREE))
    control(notebook, "File").value = path and str(tmp_path / path)
    control(notebook, "Write report").click()
    assert words in html_of(notebook, "Not written")


def test_callbacks_from_several_threads_leave_one_state() -> None:
    state = CompareState(suite(v1="P" * 40, v2="F" * 40))
    notebook = CompareControls(state)

    def press(words: str) -> None:
        for _ in range(30):
            control(notebook, words).click()

    threads = [threading.Thread(target=press, args=(each,)) for each in ("Next", "Previous") * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert control(notebook, "Evals").value == state.chosen
    assert control(notebook, "Eval").value == (state.place or 0) + 1
    assert f"name of {state.chosen}<" in html_of(notebook, "ra-detail")
