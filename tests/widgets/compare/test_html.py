"""What the comparison view says, as HTML and text."""

from __future__ import annotations

import json
import re
from typing import Any

import polars as pl
import pytest
from support.compared import THREE, suite
from support.frames import many, result, results
from support.html_elements import Elements
from support.inside import CompareLook, CompareState, Html, format_probability, indent
from support.inside import compare_html as html


def sections(state: CompareState, **look: Any) -> dict[str, Html]:
    return html.render_sections(state, CompareLook(**look))


def detail(state: CompareState, **look: Any) -> str:
    return sections(state, **look)["detail"]


def test_the_head() -> None:
    shown = sections(CompareState(THREE))
    assert "✗ 2 evals broke since the edit of block_1" in shown["head"]
    assert "Compared run run_3 of version v3" in shown["said"]
    assert "✗ Gate does not hold" in shown["said"]
    assert "2 broke since 21 May: name of e0, name of e1." in shown["said"]
    held = sections(CompareState(suite(v1="PP", v2="PP")))["said"]
    assert "✓ Gate holds" in held
    assert "<details" not in held


def test_a_row_of_the_list() -> None:
    shown = sections(CompareState(THREE))["list"]
    rows = shown.split("<tr")[2:]
    for name, row in zip(("e0", "e1", "e2", "e5"), rows, strict=True):
        assert f"name of {name}" in row
    evals = CompareState(THREE).comparison.evals
    p = evals.row(by_predicate=pl.col("eval_id") == "e0", named=True)["p_regressed"]
    for words in ("✗ broke", ">name of e0<", 'title="name of e0"', f">{p:.2f}<"):
        assert words in rows[0]
    assert rows[0].index('title="passed"') < rows[0].index('title="failed"')
    assert "✓ fixed" in rows[3]


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
    shown = detail(state)
    for words in ("? unclear", "name of e1", "block_1", "a.pdf", "total"):
        assert words in shown
    for words in ("type_error: 2 is not 3", "asserted </span><bdi>&lt; 0", "took", "as long"):
        assert words in shown
    copied = [each["data-copy"] for each in Elements(shown).attributes("button")]
    ids = [before["result_id"], after["result_id"], "run_1", "run_2", "file_1"]
    assert copied == ["e1", "run_2", *ids]
    assert "Where they differ: 1 path<" in shown
    assert "<td><code>2</code></td><td><code><del>2</del>" in shown
    # Both columns hold both texts: which is seen in each depends on the room.
    marked = "  &quot;a&quot;: [\n    1.10,\n    <del>2</del><ins>3</ins>\n  ]"
    assert shown.count(marked) == 2
    assert shown.count("<pre>") == 3
    without = detail(state, values=False)
    for words in ("2 is not 3", "&lt; 0", "1.10", "total", "Where they differ"):
        assert words not in without


def test_an_eval_of_a_part_expects_nothing_of_the_rest() -> None:
    rows = [
        result("e1", state, run, workflow_version_id=f"v{run}", expected_value="1")
        | {"actual_value": f'{{"a":{run},"b":[]}}', "condition_kind": "length_compare"}
        for run, state in ((1, "passed"), (2, "failed"))
    ]
    shown = detail(CompareState(results(*rows)))
    headings = shown.split("<thead>")[1].split("</thead>")[0]
    assert re.findall(r">(\w+)</th>", headings) == ["Path"]


def test_the_history_of_an_eval_before_and_after_the_step() -> None:
    rows = [
        *many("e1", "PPFPP", 1, workflow_version_id="v1"),
        *many("e1", "FFF", 6, workflow_version_id="v2", block_execution_fingerprint="new"),
    ]
    shown = detail(CompareState(results(*rows)))
    signs = shown.split("ra-signs")[1].split("</div>")[0]
    before, now = signs.split(">now<")
    assert re.findall(r'title="(\w+) · [^"]*"', before) == ["passed"] * 2 + ["failed"] + (
        ["passed"] * 2
    )
    assert re.findall(r'title="([^"]*)" aria', now) == [
        f"failed · 2026-05-{day} 00:00 · v2 · run_{run}" for day, run in ((24, 6), (25, 7), (26, 8))
    ]
    assert now.index("ra-step") < now.index("run_6")
    assert "before passed, passed, failed, passed, passed; now failed, failed, failed" in shown
    assert "worse since run run_6" in shown
    assert "broken since 24 May" in shown
    state = CompareState(results(*rows))
    assert state.row is not None
    p = format_probability(state.row["p_regressed"])
    assert f"got worse </span><bdi>{p}" in shown


def test_what_would_decide_an_eval_is_told() -> None:
    state = CompareState(results(*many("e1", "P" * 16 + "F", 1)), "run_16", "run_17")
    shown = detail(state)
    assert re.search(r"p 0\.\d\d, \d more \w+ would clear it, \d more \w+ would confirm it", shown)


def test_what_is_not_known_is_left_out() -> None:
    before = result("e1", "passed", 1, workflow_version_id="v1", eval_name=None, block_id=None)
    after = result("e2", "failed", 2, workflow_version_id="v2", expected_value=None)
    state = CompareState(results(before, after | {"document_names": None, "actual_value": "7"}))
    removed = detail(state)
    assert "<bdi>e1</bdi>" in removed
    assert "absent" in removed
    assert ">block <" not in removed
    assert ">took <" not in removed
    state.reveal("e2")
    added = detail(state)
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
    assert "passed (all 3)" in detail(state)
    assert "failed (none of 3 passed)" in detail(state)
    state.show("suspect", True)
    state.reveal("e2")
    assert "mixed (2 of 3 passed)" in detail(state)
    assert "before, 3 of 3" in detail(state)


def test_long_values_are_cut_and_long_lists_of_paths_too() -> None:
    long = "x" * 30_000
    texts = [
        json.dumps({"long": value, **{f"k{at}": [value] for at in range(100)}})
        for value in (long, "short")
    ]
    before, after = (
        result("e1", state, run, workflow_version_id=f"v{run}", actual_value=texts[run - 1])
        | {"condition_kind": "contains"}
        for run, state in ((1, "passed"), (2, "failed"))
    )
    shown = detail(CompareState(results(before, after)))
    assert "characters more" in shown
    assert "Where they differ: 101 paths" in shown
    assert "… and 41 more" in shown


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("1.10", "1.10"),
        ('"a, {b}: [c]"', '"a, {b}: [c]"'),
        ("no JSON {", "no JSON {"),
        ("[" * 10_000, "[" * 10_000),
        ("x" * 20_007, "x" * 20_000 + "… and 7 characters more"),
        ("[]", "[]"),
        ('{"a":{},"b":[[],1e400]}', '{\n  "a": {},\n  "b": [\n    [],\n    1e400\n  ]\n}'),
        ('{"\\"{":"\\\\"}', '{\n  "\\"{": "\\\\"\n}'),
    ],
)
def test_json_in_lines(text: str, lines: str) -> None:
    assert indent(text) == lines
