"""An eval that is open in a view: its row in the document, and all that is told of it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from support.compared import THREE, compare_in
from support.frames import many, result, results
from support.html_elements import Elements
from support.inside import (
    Comparison,
    DetailLook,
    Door,
    Html,
    OpenEval,
    Preview,
    make_document,
    render_result,
    results_of,
    to_piece,
)


def document(comparison: Comparison, opened: str | None = None) -> Html:
    """A verdict's document, with an eval that is open in it."""
    one = OpenEval(None, lambda: None)
    one.toggle(opened)
    made = make_document(comparison, comparison.gate(), Door(values=True))
    return to_piece(one.render(comparison, made))


def detail(rows: list[dict[str, Any]], **look: Any) -> str:
    """The newest of some results of one eval."""
    frame = results(*rows)
    return render_result(frame.row(-1, named=True), frame, DetailLook(**look))


def text(page: str) -> str:
    return " ".join(Elements(page).text.split())


def test_each_listed_eval_can_be_opened_and_closed() -> None:
    comparison = compare_in(THREE, "v2", "v3")
    made = Elements(document(comparison)).attributes("button")
    opens = [each["data-value"] for each in made if each.get("data-event") == "eval"]
    assert opens == ["e0", "e1", "e2"]
    opened = document(comparison, "e1")
    assert opened.count("rtd-below") == 1
    row, below = opened.split("rtd-below")
    assert row.rindex("name of e1") > row.rindex("name of e0"), "it stands below its own row"
    assert "3 runs, the newest first" in below
    one = OpenEval(None, lambda: None)
    for wanted, now in (("e1", "e1"), ("e0", "e0"), ("e0", None), (7, None)):
        one.toggle(wanted)
        assert one.eval_id == now


def test_an_eval_with_its_values_and_what_differs() -> None:
    before = result("e1", "passed", 1, workflow_version_id="v1", actual_value='{"a":[1.10,2]}')
    after = result("e1", "blocked", 2, workflow_version_id="v2", actual_value='{"a":[1.10,3]}')
    expected = {
        "expected_value": "0",
        "failure_code": "type_error",
        "failure_message": "2 is not 3",
        "condition": "< 0",
        "document_ids": ["file_1"],
    }
    rows = [before | expected, after | expected]
    shown = detail(rows)
    for words in ("total < 0", "2 is not 3", "a.pdf", "blocked", "2 runs, the newest first"):
        assert words in text(shown)
    copied = [each.get("data-copy") for each in Elements(shown).attributes("button")]
    assert [each for each in copied if each] == ["file_1", "e1", after["result_id"]]
    assert '<pre class="ra-whole" tabindex="0">{&quot;a&quot;:[1.10,<del>2</del>]}</pre>' in shown
    assert '<pre class="ra-whole" tabindex="0">{&quot;a&quot;:[1.10,<ins>3</ins>]}</pre>' in shown
    without = detail(rows, values=False)
    for words in ("2 is not 3", "&lt; 0", "1.10"):
        assert words not in without
    assert "type_error" in without


def test_what_is_held_against_what_is_expected() -> None:
    """Where nothing passed before, what came is held against what is expected of the whole."""
    alike = {
        "expected_value": '"Acme Ltd"',
        "actual_value": '"Acme Inc"',
        "condition_kind": "equals",
    }
    shown = detail([result("e1", "failed") | alike])
    assert "<del>Ltd</del>" in shown
    assert "<ins>Inc</ins>" in shown
    part = detail([result("e1", "failed") | alike | {"condition_kind": "contains"}])
    assert "<del>" not in part, "a part that is looked for is not what is expected of the whole"


def test_the_history_of_an_eval() -> None:
    rows = [
        *many("e1", "PPFPP", 1, workflow_version_id="v1"),
        *many("e1", "FFF", 6, workflow_version_id="v2", block_execution_fingerprint="new"),
    ]
    comparison = compare_in(results(*rows), "v1", "v2")
    assert results_of(comparison, "e1").height == 8
    opened = document(comparison, "e1")
    shown = opened.split("8 runs, the newest first")[-1]
    states = re.findall(r' aria-label="(\w+)"', shown)
    assert states == ["failed"] * 3 + ["passed"] * 2 + ["failed"] + ["passed"] * 2
    assert "broken since 24 May" in opened


def test_long_values_are_cut_and_what_is_not_known_is_left_out() -> None:
    long = result("e1", "failed", eval_name=None, actual_value=f'"{"x" * 30_000}"')
    shown = detail([long | {"expected_value": None, "document_names": None}])
    assert "… and 10,002 characters more" in shown
    assert "Expected" not in text(shown)
    assert "Document" not in text(shown)


@pytest.mark.parametrize(
    ("preview", "there"),
    [
        (None, ""),
        (Preview("file_1", "a.pdf"), "Asking for the document"),
        (Preview("file_1", "a.pdf", failure="404: gone"), "404: gone"),
        (Preview("file_2", "b.pdf", "https://files.example/b"), ""),
        (Preview("file_1", "a.pdf", "https://files.example/a"), "Open in a new tab"),
    ],
)
def test_a_document_is_shown_below_its_name(preview: Preview | None, there: str) -> None:
    shown = detail([result("e1", "failed", document_ids=["file_1"])], preview=preview)
    assert ("ra-preview" in shown) is bool(there)
    assert there in text(shown)
    assert ("application/pdf" in shown) is there.startswith("Open")
