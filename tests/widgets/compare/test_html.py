"""What the comparison view says, as HTML and text."""

from __future__ import annotations

import json

import pytest
from support.compared import THREE, suite
from support.frames import many, result, results

from retab_analysis.widgets.compare import html
from retab_analysis.widgets.compare.html import indent_json
from retab_analysis.widgets.compare.state import CompareState


def test_the_head() -> None:
    head = html.render_head(CompareState(THREE))
    assert "? Inconclusive" in head
    assert "2 broke since an edit of block_1" in head
    assert "Compared run run_3 of version v3" in head
    assert "✗ Gate does not hold" in head
    assert "1 regressed since v3: name of e0 (e0)." in head
    held = html.render_head(CompareState(suite(v1="PP", v2="PP")))
    assert "✓ Gate holds" in held
    assert "<details" not in held


def test_a_chip_and_an_option() -> None:
    state = CompareState(THREE)
    assert html.label_chip("newly_blocked", 7) == "⊘ newly blocked 7"
    assert html.list_options(state)[3] == ("✓  name of e5", "e5")


def test_an_eval_with_its_values_and_where_they_differ() -> None:
    before = result("e1", "passed", 1, workflow_version_id="v1", actual_value='{"a":[1.10,2]}')
    after = result("e1", "blocked", 2, workflow_version_id="v2", actual_value='{"a":[1.10,3]}')
    expected = {
        "expected_value": '{"a":[1.10,2]}',
        "failure_code": "type_error",
        "failure_message": "2 is not 3",
        "condition": "< 0",
        "document_ids": ["file_1"],
    }
    state = CompareState(results(before | expected, after | expected))
    shown = html.render_detail(state)
    for words in ("? suspect", "name of e1", "block_1", "a.pdf", "total"):
        assert words in shown
    for words in ("type_error: 2 is not 3", "asserted </span><bdi>&lt; 0", "<code>file_1</code>"):
        assert words in shown
    ids = (f"<code>{each['result_id']}</code>" for each in (before, after))
    assert f"results {' → '.join(ids)}" in shown
    assert shown.count("<pre>") == 3
    assert "  &quot;a&quot;: [\n    1.10,\n    3\n  ]" in shown
    assert "Where they differ: 1 path<" in shown
    assert 'data-label="Candidate" class="ra-moved"><code>3</code>' in shown
    assert "took" in shown
    assert "as long" in shown


def test_what_is_not_known_is_left_out() -> None:
    before = result("e1", "passed", 1, workflow_version_id="v1", eval_name=None, block_id=None)
    after = result("e2", "failed", 2, workflow_version_id="v2", expected_value=None)
    state = CompareState(results(before, after | {"document_names": None, "actual_value": "7"}))
    removed = html.render_detail(state)
    assert "<bdi>e1</bdi>" in removed
    assert "absent" in removed
    assert ">block <" not in removed
    assert ">took <" not in removed
    state.choose("e2")
    added = html.render_detail(state)
    assert ">document <" not in added
    assert added.count("no value") == 2


def test_the_side_of_several_results() -> None:
    rows = [
        *many("e1", "PPP", 1, workflow_version_id="v1"),
        *many("e1", "FFF", 4, workflow_version_id="v2", block_execution_fingerprint="new"),
        *many("e2", "PPP", 1, workflow_version_id="v1"),
        *many("e2", "PFP", 4, workflow_version_id="v2"),
    ]
    state = CompareState(results(*rows))
    assert "passed (all 3)" in html.render_detail(state)
    assert "failed (none of 3 passed)" in html.render_detail(state)
    state.show("suspect", True)
    state.choose("e2")
    assert "mixed (2 of 3 passed)" in html.render_detail(state)
    assert "before, 3 of 3" in html.render_detail(state)


def test_durations() -> None:
    times = {"v1": 1000, "v2": 1700}
    rows = [
        result("e1", "passed", at, workflow_version_id=version, duration_ms=ms)
        for at, (version, ms) in enumerate(times.items(), 1)
    ]
    assert "700 ms longer" in html.render_detail(CompareState(results(*rows)))
    assert "700 ms less" in html.render_detail(CompareState(results(*rows), "v2", "v1"))
    slow = results(*rows, result("e1", "passed", 3, workflow_version_id="v3", duration_ms=63_700))
    assert "1 min 2 s longer" in html.render_detail(CompareState(slow))


def test_long_values_are_cut_and_long_lists_of_paths_too() -> None:
    long = "x" * 30_000
    texts = [
        json.dumps({"long": value, **{f"k{at}": [value] for at in range(100)}})
        for value in (long, "short")
    ]
    before = result("e1", "passed", 1, workflow_version_id="v1", actual_value=texts[0])
    after = result("e1", "failed", 2, workflow_version_id="v2", actual_value=texts[1])
    shown = html.render_detail(CompareState(results(before, after)))
    assert "characters more" in shown
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
def test_json_indent_json(text: str, lines: str) -> None:
    assert indent_json(text) == lines


def test_a_plot_of_many_evals_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "_PLOTTED_EVALS", 2)
    assert "The first 2 of the listed evals." in html.plot_by_eval(CompareState(THREE))
