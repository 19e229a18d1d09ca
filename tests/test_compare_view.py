"""The comparison view: its state, what it says, its widgets, and what is saved of it."""

from __future__ import annotations

import subprocess
import sys
import threading
import types
from datetime import timedelta
from pathlib import Path
from typing import Any

import nbformat
import polars as pl
import pytest
from nbclient import NotebookClient
from support.drawn import walk
from support.frames import START, many, result, results

import retab_analysis as ra
from retab_analysis.widgets.compare import html
from retab_analysis.widgets.compare import state as versus
from retab_analysis.widgets.compare.controls import CompareNotebook
from retab_analysis.widgets.compare.html import in_lines
from retab_analysis.widgets.compare.state import Versus
from retab_analysis.widgets.compare.view import CompareView

HOSTILE = "<img src=x onerror=alert(1)>"


def suite(**versions: str) -> pl.DataFrame:
    """One run of each version, one eval per letter; a dot is none."""
    rows = [
        row | {"workflow_version_id": version, "workflow_draft_fingerprint": f"draft of {version}"}
        for day, (version, letters) in enumerate(versions.items(), 1)
        for at, letter in enumerate(letters)
        if letter != "."
        for row in many(f"e{at}", letter, day)
    ]
    return results(*rows)


THREE = suite(v1="PPPPPPP", v2="PPPPPFP", v3="FBEPPPP")


def sides(state: Versus) -> tuple[str, str, str]:
    return state.kind, state.baseline, state.candidate


def listed(state: Versus) -> list[str]:
    return [row["eval_id"] for row in state.listed]


# What is compared


def test_the_two_newest_versions_are_compared_and_the_others_are_the_history() -> None:
    state = Versus(THREE)
    assert sides(state) == ("version", "v2", "v3")
    direct = ra.compare_versions(THREE, "v2", "v3")
    assert state.comparison.evals.equals(direct.evals)
    assert state.comparison.explain() == direct.explain()
    assert [side.value for side in state.sides["version"]] == ["v3", "v2", "v1"]
    assert state.sides["version"][0].words == "v3 · since 2026-05-21 · 1 run"


def test_a_version_is_as_old_as_its_first_run() -> None:
    again = [result("e0", "passed", 9, workflow_version_id="v1")]
    assert sides(Versus(pl.concat([THREE, results(*again)]))) == ("version", "v2", "v3")


def test_the_order_of_rows_does_not_matter() -> None:
    for shuffled in (THREE.reverse(), THREE.sample(fraction=1.0, shuffle=True, seed=1)):
        state = Versus(shuffled.lazy())
        assert sides(state) == ("version", "v2", "v3")
        assert listed(state) == listed(Versus(THREE))


@pytest.mark.parametrize(
    ("baseline", "candidate", "expected"),
    [
        ("v1", "v3", ("version", "v1", "v3")),
        ("v3", "v1", ("version", "v3", "v1")),
        (None, "v2", ("version", "v1", "v2")),
        ("v1", None, ("version", "v1", "v3")),
        ("v2", None, ("version", "v2", "v3")),
        ("run_1", "run_3", ("run", "run_1", "run_3")),
        (None, "run_2", ("run", "run_1", "run_2")),
        ("draft of v1", None, ("draft", "draft of v1", "draft of v3")),
        ("v2", "v2", ("version", "v2", "v2")),
    ],
)
def test_sides_are_versions_runs_or_drafts(
    baseline: str | None, candidate: str | None, expected: tuple[str, str, str]
) -> None:
    assert sides(Versus(THREE, baseline, candidate)) == expected


def test_what_is_older_is_not_taken_for_a_candidate() -> None:
    with pytest.raises(ra.ConfigError, match="baseline='v3' is the newest version of these"):
        Versus(THREE, "v3")


def test_a_version_that_is_the_only_one_is_said_to_be() -> None:
    one = results(*many("e1", "PPF"))
    version = one["workflow_version_id"][0]
    with pytest.raises(ra.ConfigError, match=f"of one version only, '{version}'; without"):
        Versus(one, version, version)


def test_runs_are_compared_where_there_is_one_version() -> None:
    one = results(*many("e1", "PPF"))
    state = Versus(one)
    assert sides(state) == ("run", "run_2", "run_3")
    assert list(state.sides) == ["run"]
    newest = state.sides["run"][0].words
    assert newest == "2026-05-21 00:00 · v1 · 1 eval · run_3"


def test_what_has_no_name_and_no_time_can_be_compared() -> None:
    unknown: dict[str, Any] = {"workflow_version_id": None, "run_created_at": None}
    rows = [result("e1", "passed", run, created_at=None, **unknown) for run in (1, 2)]
    state = Versus(results(*rows))
    assert sides(state) == ("run", "run_1", "run_2")
    assert [side.words for side in state.sides["run"]] == ["1 eval · run_2", "1 eval · run_1"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("v0", None),
            "baseline='v0' is no workflow_version_id of these results; there are v3, v2",
        ),
        ((None, "v0"), "candidate='v0' is no workflow_version_id"),
        (("v1", "run_3"), "candidate='run_3' is no workflow_version_id"),
        (("run_1", "v3"), "candidate='v3' is no run_id"),
        (("v0", "run_3"), "baseline='v0' is no run_id"),
        ((None, "v1"), "candidate='v1' is the oldest version of these results"),
        ((7, None), "baseline must be a string, got int"),
        ((None, THREE), "candidate must be a string, got DataFrame"),
    ],
)
def test_a_side_that_is_not_there(arguments: tuple[Any, Any], words: str) -> None:
    with pytest.raises(ra.ConfigError) as raised:
        ra.compare_view(THREE, *arguments)
    assert words in str(raised.value)


def test_what_cannot_be_compared() -> None:
    with pytest.raises(ra.ConfigError, match=r"at least two runs, or versions.* of 1 run"):
        ra.compare_view(results(*many("e1", "P")))
    with pytest.raises(ra.ConfigError, match="they are of 0 runs"):
        ra.compare_view(results(), "v1", "v2")
    with pytest.raises(ra.SchemaError, match="results is not a RESULTS frame"):
        ra.compare_view(THREE.drop("run_id"))
    with pytest.raises(ra.ConfigError, match=r"results must be a RESULTS frame .*got dict"):
        ra.compare_view({})  # type: ignore[arg-type]
    with pytest.raises(ra.ConfigError, match="alpha must be between 0 and 1"):
        ra.compare_view(THREE, alpha=2)
    with pytest.raises(ra.ConfigError, match="version_diff must be a frame"):
        ra.compare_view(THREE, version_diff="v2")  # type: ignore[arg-type]


def test_a_version_diff_is_of_two_versions_only() -> None:
    diff = pl.DataFrame({"block_id": ["block_1"]})
    state = Versus(THREE, version_diff=diff)
    assert state.comparison.evals["block_changed"].all()
    state.choose_side(baseline="v1")
    assert not state.comparison.evals["block_changed"].any()
    state.choose_side(baseline="v3")
    state.choose_side(candidate="v2")
    assert state.comparison.evals["block_changed"].all(), "the other way round it is the same"


def test_other_sides_are_compared_and_the_list_starts_anew() -> None:
    state = Versus(THREE)
    before, gate = state.comparison, state.gate
    state.show("still_passing", True)
    state.choose_side(baseline="v1", candidate="v2")
    assert sides(state) == ("version", "v1", "v2")
    assert state.comparison is not before
    assert state.gate is not gate
    assert state.shown == {"regressed"}
    assert listed(state) == [state.chosen] == ["e5"]
    now = state.comparison
    state.choose_side(baseline="v9")
    state.choose_side(candidate="v2")
    assert state.comparison is now


def test_the_same_on_both_sides_is_said() -> None:
    state = Versus(THREE)
    state.choose_side(candidate="v2")
    assert state.same
    assert html.SAME in html.head(state)
    assert html.SAME in html.plain(state)
    assert html.SAME in html.page(state)
    assert "Gate" not in html.page(state)


def test_another_kind_starts_with_what_was_compared() -> None:
    state = Versus(THREE, "v1", "v2")
    state.choose_kind("run")
    assert sides(state) == ("run", "run_1", "run_2")
    state.choose_kind("draft")
    assert sides(state) == ("draft", "draft of v1", "draft of v2")
    before = state.comparison
    state.choose_kind("draft")
    state.choose_kind("nonsense")
    assert state.comparison is before


def test_a_run_of_a_few_evals_is_not_taken_for_its_version() -> None:
    few = [result("e0", "passed", 8, workflow_version_id="v3")]
    state = Versus(pl.concat([THREE, results(*few)]))
    state.choose_kind("run")
    assert sides(state) == ("run", "run_2", "run_3")


def test_beside_a_run_of_all_stands_one_of_all() -> None:
    later = START + timedelta(days=2, hours=1)
    single = result("a", "passed", run_id="single", run_created_at=later)
    frame = results(*(row for each in "abc" for row in many(each, "PPF")), single)
    assert sides(Versus(frame)) == ("run", "run_2", "run_3")
    assert sides(Versus(frame, candidate="run_3")) == ("run", "run_2", "run_3")
    before = frame.filter(pl.col("run_id") != "run_3")
    assert sides(Versus(before, baseline="run_1")) == ("run", "run_1", "run_2")
    assert sides(Versus(frame, candidate="single")) == ("run", "run_2", "single")
    apart = frame.filter(pl.col("run_id").is_in(["single", "run_3"]))
    assert sides(Versus(apart)) == ("run", "single", "run_3")


def test_another_kind_of_which_both_sides_have_the_same_starts_with_its_newest() -> None:
    drafts = {"run_1": "old", "run_2": "new", "run_3": "new"}
    frame = results(*many("e1", "PPF")).with_columns(
        workflow_draft_fingerprint=pl.col("run_id").replace_strict(drafts)
    )
    state = Versus(frame, "run_2", "run_3")
    state.choose_kind("draft")
    assert sides(state) == ("draft", "old", "new")


# What is listed


def test_what_flipped_is_listed_first() -> None:
    state = Versus(THREE)
    assert state.counts == {
        "regressed": 1,
        "newly_blocked": 1,
        "newly_errored": 1,
        "fixed": 1,
        "still_passing": 3,
    }
    assert state.shown == {"regressed", "newly_blocked", "newly_errored", "fixed"}
    assert listed(state) == ["e0", "e1", "e2", "e5"]
    assert (state.chosen, state.place) == ("e0", 0)


def test_where_nothing_flipped_all_are_listed() -> None:
    state = Versus(suite(v1="PF", v2="PF"))
    assert state.shown == {"still_passing", "still_failing"}
    assert listed(state) == ["e1", "e0"]


def test_an_open_eval_stays_open_while_it_is_listed() -> None:
    state = Versus(THREE)
    state.choose("e5")
    state.show("regressed", False)
    assert (state.chosen, state.place) == ("e5", 2)
    state.show("fixed", False)
    assert state.chosen == "e1"
    state.show("regressed", True)
    assert (listed(state), state.chosen, state.place) == (["e0", "e1", "e2"], "e1", 1)
    for each in tuple(state.shown):
        state.show(each, False)
    assert (listed(state), state.chosen, state.place, state.row) == ([], None, None, None)
    state.step(1)
    state.move_to(3)
    assert state.chosen is None
    assert html.NOTHING in html.detail(state)
    assert html.position(state) == "none listed"
    assert state.told("candidate") == {"path": None, "failure_message": None}


def test_steps_end_at_the_ends() -> None:
    state = Versus(THREE)
    seen = [state.chosen]
    for _ in range(5):
        state.step(1)
        seen.append(state.chosen)
    assert seen == ["e0", "e1", "e2", "e5", "e5", "e5"]
    assert html.position(state) == "4 of 4"
    state.step(-1)
    assert state.chosen == "e2"
    state.move_to(-7)
    state.step(-1)
    assert state.chosen == "e0"
    state.choose("e4")
    assert state.chosen == "e0", "it is not in the list"


def test_a_long_list_is_cut_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versus, "LISTED", 3)
    state = Versus(THREE)
    assert len(state.listed) == 3
    assert html.position(state) == "1 of 3 (the first of 4)"


def test_what_the_shown_results_say() -> None:
    rows = [
        *many("e1", "P", 1, workflow_version_id="v1"),
        *many("e1", "FPF", 2, workflow_version_id="v2"),
    ]
    for at, row in enumerate(rows):
        row["failure_message"] = f"message {at}"
    state = Versus(results(*rows))
    state.show("flaky", True)
    assert state.row is not None
    assert (state.row["candidate_state"], state.row["candidate_run_id"]) == ("mixed", "run_4")
    assert state.told("candidate") == {"path": "total", "failure_message": "message 3"}
    assert state.told("baseline")["failure_message"] == "message 0"
    without = Versus(results(*rows).drop("path", "failure_message"))
    assert without.told("candidate") == {"path": None, "failure_message": None}


# What is said


def test_the_head() -> None:
    head = html.head(Versus(THREE))
    assert "? Inconclusive" in head
    assert "3 broke" in head
    assert "Compared run run_3 of version v3" in head
    assert "✗ Gate does not hold" in head
    assert "1 regressed: name of e0 (e0)." in head
    held = html.head(Versus(suite(v1="PP", v2="PP")))
    assert "✓ Gate holds" in held
    assert "<details" not in held


def test_a_chip_and_an_option() -> None:
    state = Versus(THREE)
    assert html.chip("newly_blocked", 7) == "⊘ newly blocked 7"
    assert html.options(state)[3] == ("✓  name of e5", "e5")


def test_an_eval_with_its_values_and_where_they_differ() -> None:
    before = result("e1", "passed", 1, workflow_version_id="v1", actual_value='{"a":[1.10,2]}')
    after = result("e1", "failed", 2, workflow_version_id="v2", actual_value='{"a":[1.10,3]}')
    expected = {"expected_value": '{"a":[1.10,2]}', "failure_message": "2 is not 3"}
    state = Versus(results(before | expected, after | expected))
    shown = html.detail(state)
    for words in ("✗ regressed", "name of e1", "block_1", "a.pdf", "total", "2 is not 3"):
        assert words in shown
    assert shown.count("<pre>") == 3
    assert "  &quot;a&quot;: [\n    1.10,\n    3\n  ]" in shown
    assert "Where they differ: 1 path<" in shown
    assert 'data-label="Candidate" class="ra-moved"><code>3</code>' in shown
    assert "took" in shown
    assert "as long" in shown


def test_what_is_not_known_is_left_out() -> None:
    before = result("e1", "passed", 1, workflow_version_id="v1", eval_name=None, block_id=None)
    after = result("e2", "failed", 2, workflow_version_id="v2", expected_value=None)
    state = Versus(results(before, after | {"document_names": None, "actual_value": "7"}))
    removed = html.detail(state)
    assert "<bdi>e1</bdi>" in removed
    assert "absent" in removed
    assert ">block <" not in removed
    assert ">took <" not in removed
    state.choose("e2")
    added = html.detail(state)
    assert ">document <" not in added
    assert added.count("no value") == 2


def test_the_side_of_several_results() -> None:
    rows = [
        *many("e1", "PPP", 1, workflow_version_id="v1"),
        *many("e1", "FFF", 4, workflow_version_id="v2"),
        *many("e2", "PPP", 1, workflow_version_id="v1"),
        *many("e2", "PFP", 4, workflow_version_id="v2"),
    ]
    state = Versus(results(*rows))
    assert "passed (all 3)" in html.detail(state)
    assert "failed (none of 3 passed)" in html.detail(state)
    state.show("flaky", True)
    state.choose("e2")
    assert "mixed (2 of 3 passed)" in html.detail(state)
    assert "passed 3 of 3, then 2 of 3" in html.detail(state)


def test_durations() -> None:
    times = {"v1": 1000, "v2": 1700}
    rows = [
        result("e1", "passed", at, workflow_version_id=version, duration_ms=ms)
        for at, (version, ms) in enumerate(times.items(), 1)
    ]
    assert "700 ms longer" in html.detail(Versus(results(*rows)))
    assert "700 ms less" in html.detail(Versus(results(*rows), "v2", "v1"))
    slow = results(*rows, result("e1", "passed", 3, workflow_version_id="v3", duration_ms=63_700))
    assert "1 min 2 s longer" in html.detail(Versus(slow))


def test_long_values_are_cut_and_long_lists_of_paths_too() -> None:
    long = '"' + "x" * 30_000 + '"'
    before = result("e1", "passed", 1, workflow_version_id="v1", actual_value=long)
    numbers = ",".join(map(str, range(100)))
    after = result("e1", "failed", 2, workflow_version_id="v2", actual_value=f"[{numbers}]")
    shown = html.detail(Versus(results(before, after)))
    assert "… and 10,002 characters more" in shown
    assert "Where they differ: 101 paths" in shown
    assert "… and 41 more" in shown


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("1.10", "1.10"),
        ('"a, {b}: [c]"', '"a, {b}: [c]"'),
        ("no JSON {", "no JSON {"),
        ("[" * 100_000, "[" * 100_000),
        ("[]", "[]"),
        ('{"a":{},"b":[[],1e400]}', '{\n  "a": {},\n  "b": [\n    [],\n    1e400\n  ]\n}'),
        ('{"\\"{":"\\\\"}', '{\n  "\\"{": "\\\\"\n}'),
    ],
)
def test_json_in_lines(text: str, lines: str) -> None:
    assert in_lines(text) == lines


def test_hostile_names_are_escaped_everywhere() -> None:
    rows = [
        result(HOSTILE, state, run, workflow_version_id=f"{HOSTILE}{run}", eval_name=HOSTILE)
        | dict.fromkeys(("block_id", "expected_value", "path", "failure_message"), HOSTILE)
        | {"actual_value": f'{{"{HOSTILE}":{run}}}', "document_names": [HOSTILE]}
        for run, state in ((1, "passed"), (2, "failed"))
    ]
    state = Versus(results(*rows))
    notebook = CompareNotebook(state)
    opened(notebook, "Plot by block")
    opened(notebook, "Plot by eval")
    control(notebook, "File").value = f"/nowhere/{HOSTILE}.md"
    control(notebook, "Write report").click()
    shown = [each.value for each in walk(notebook.box) if type(each).__name__ == "HTML"]
    assert sum("&lt;img" in html for html in shown) >= 4
    assert all("<img" not in html for html in [*shown, html.page(state)])


# The widgets


def control(notebook: CompareNotebook, words: str) -> Any:
    found = [
        each for each in walk(notebook.box) if getattr(each, "description", "").startswith(words)
    ]
    exact = [each for each in found if each.description == words]
    (one,) = exact or found
    return one


def opened(notebook: CompareNotebook, words: str) -> None:
    control(notebook, words).value = True


def html_of(notebook: CompareNotebook, css_class: str) -> str:
    (one,) = [
        each.value
        for each in walk(notebook.box)
        if type(each).__name__ == "HTML" and css_class in each.value and "<style" not in each.value
    ]
    return str(one)


def chips(notebook: CompareNotebook) -> dict[str, bool]:
    """What is written on each button that is seen, and whether it is pressed."""
    (box,) = [each for each in walk(notebook.box) if "ra-chips" in each._dom_classes]
    return {each.description: each.value for each in box.children if each.layout.display != "none"}


def test_every_control_has_a_label_and_a_hint() -> None:
    notebook = CompareNotebook(Versus(THREE))
    controls = [each for each in walk(notebook.box) if "disabled" in each.keys]
    seen = [each for each in controls if each.layout.display != "none"]
    assert len(seen) >= 15
    for each in seen:
        assert each.description, each
        if type(each).__name__ != "Checkbox":
            assert each.tooltip, each


def test_what_is_shown_at_first() -> None:
    notebook = CompareNotebook(Versus(THREE))
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
    notebook = CompareNotebook(Versus(THREE))
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
    notebook = CompareNotebook(Versus(THREE))
    sent.clear()
    control(notebook, "Next").click()
    parts = [sorted(message) for message in sent]
    assert sorted(parts) == [["index"], ["value"], ["value"], ["value"]]
    sent.clear()
    notebook.draw()
    assert sent == []


def test_other_sides_are_one_redraw(sent: list[dict[str, Any]]) -> None:
    state = Versus(THREE)
    notebook = CompareNotebook(state)
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
    state = Versus(THREE)
    notebook = CompareNotebook(state)
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
    notebook = CompareNotebook(Versus(THREE))
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
    notebook = CompareNotebook(Versus(THREE))
    control(notebook, "Candidate").value = "v2"
    assert html.SAME in html_of(notebook, "ra-alert")
    assert control(notebook, "Write report").disabled
    control(notebook, "Baseline").value = "v1"
    assert not control(notebook, "Write report").disabled


def test_plots_are_drawn_when_they_are_opened() -> None:
    notebook = CompareNotebook(Versus(THREE))
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


def test_a_plot_of_many_evals_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    from retab_analysis.widgets.compare import plots as compare_plots

    monkeypatch.setattr(compare_plots, "_EVALS", 2)
    assert "The first 2 of the listed evals." in compare_plots.by_eval(Versus(THREE))


def test_the_report_is_written_where_it_is_said(tmp_path: Path) -> None:
    frame = THREE.with_columns(actual_value=pl.lit('"secret"'))
    notebook = CompareNotebook(Versus(frame))
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
    [("report.pdf", "must end in .md or .html"), ("", "must end in"), ("no/such/r.md", "No such")],
)
def test_a_report_that_cannot_be_written(path: str, words: str, tmp_path: Path) -> None:
    notebook = CompareNotebook(Versus(THREE))
    control(notebook, "File").value = path and str(tmp_path / path)
    control(notebook, "Write report").click()
    assert words in html_of(notebook, "Not written")


def test_callbacks_from_several_threads_leave_one_state() -> None:
    state = Versus(suite(v1="P" * 40, v2="F" * 40))
    notebook = CompareNotebook(state)

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


# What users hold, and what is saved


def test_outside_a_kernel_there_is_html_and_text(monkeypatch: pytest.MonkeyPatch) -> None:
    view = ra.compare_view(THREE.with_columns(actual_value=pl.lit('"secret"')), "v1", "v3")
    assert isinstance(view, CompareView)
    assert view.comparison.summary["newly_blocked"].item() == 1
    bundle = view._repr_mimebundle_()
    assert sorted(bundle) == ["text/html", "text/plain"]
    assert bundle["text/plain"] == repr(view)
    assert "secret" not in bundle["text/html"] + bundle["text/plain"]
    for words in ("Inconclusive", "Gate does not hold", "name of e0"):
        assert words in bundle["text/html"]
        assert words in bundle["text/plain"]
    assert view.widget is view.widget
    kernel = types.SimpleNamespace(get_ipython=lambda: types.SimpleNamespace(kernel=object()))
    monkeypatch.setitem(sys.modules, "IPython", kernel)  # type: ignore[arg-type]
    live = view._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in live
    assert live["text/plain"] == repr(view)


def test_the_view_says_what_is_chosen_at_present() -> None:
    view = ra.compare_view(THREE)
    (baseline,) = [
        each for each in walk(view.widget) if getattr(each, "description", "") == "Baseline"
    ]
    baseline.value = "v1"
    assert "of version v1" in repr(view)
    assert "of version v1" in view.comparison.explain()


def test_a_terminal_loads_no_widgets() -> None:
    code = (
        "import retab_analysis as ra, sys\n"
        "with ra.Sandbox(speed=100) as sandbox:\n"
        "    client = ra.Client(**sandbox.credentials)\n"
        "    runs = ra.fetch_runs('wf_claims', limit=12, client=client)\n"
        "    view = ra.compare_view(ra.fetch_results(runs, client=client))\n"
        "    print(view)\n"
        "    view._repr_mimebundle_()\n"
        "print(sorted({'ipywidgets', 'matplotlib', 'IPython'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.endswith("[]\n")
    assert "Compared" in run.stdout


def test_an_executed_notebook_keeps_a_page_without_values() -> None:
    cells = [
        "import retab_analysis as ra\nra.demo(speed=300)\n"
        "runs = ra.fetch_runs('wf_invoices', status='completed', limit=25)\n"
        "results = ra.fetch_results(runs, evals=ra.fetch_evals('wf_invoices'))",
        "view = ra.compare_view(results)\nassert view.comparison.evals.height > 80\nview",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    quiet = ["--IPKernelApp.log_level=40"]
    NotebookClient(notebook, timeout=120, extra_arguments=quiet).execute()
    data = notebook.cells[-1].outputs[0]["data"]
    assert "application/vnd.jupyter.widget-view+json" in data
    assert "Regressed" in data["text/html"]
    assert "Buffet lunch" not in data["text/html"] + data["text/plain"]
