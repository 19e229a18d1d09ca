"""The explorer as HTML and text for where nothing drives it, and what is told of one row."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from support.explored import RUNS
from support.frames import result, results
from support.html_elements import Elements
from support.inside import (
    PAGE,
    DetailLook,
    ExplorerState,
    describe_evidence,
    render_panel,
    render_values,
)
from support.inside import explorer_html as html


@pytest.fixture
def runs() -> ExplorerState:
    return ExplorerState(RUNS, None)


def told(**fields: object) -> str:
    """What the panel tells of a result."""
    explored = ExplorerState(None, results(result("e1", "failed", **fields)))
    explored.listed.choose(0)
    return render_panel(explored, DetailLook())


def test_names_that_begin_alike_are_told_apart_where_they_are_cut() -> None:
    begins = "Saraswati Trading Company, invoice with many lines: the amount of line "
    rows = (result(f"e{at}", "passed", eval_name=f"{begins}{at}") for at in (1, 2))
    explored = ExplorerState(None, results(*rows))
    shown = html.render_sections(explored, html.ExplorerLook("2 results"))["list"]
    ends = [each for each in (f"line {at}</span></bdi>" for at in (1, 2)) if each in shown]
    assert len(ends) == 2
    assert shown.count(f'title="{begins}') == 2
    # What fits is not cut into two.
    assert shown.count('class="ra-cut"') == 2


def test_where_nothing_drives_it_nothing_can_be_clicked(runs: ExplorerState) -> None:
    runs.listed.search("run_0")
    runs.listed.choose(3)
    look = html.ExplorerLook("40 runs", panel=DetailLook(is_live=False))
    shown = html.render_still_view(runs, look, "token")
    assert shown.count("<tr") >= 1 + PAGE
    assert "Those with “run_0”" in shown
    assert "1 to 15 of 40 runs" in shown
    for live in ("<button", "<input", "data-event", 'role="option"'):
        assert live not in shown.partition("</style>")[2]


def test_a_result_says_what_was_asserted_why_it_fails_and_its_ids() -> None:
    known = {
        "condition": "< 0",
        "path": "lines.0.total",
        "failure_code": "type_error",
        "failure_message": "a text",
        "document_ids": ["file_1", "file_2"],
        "document_names": ["a.pdf", "b.pdf"],
    }
    shown = told(**known)
    for words in (
        "<bdi>a text</bdi>",
        "<bdi>a.pdf</bdi>",
        '<code class="ra-id">file_2</code>',
    ):
        assert words in shown
    assert "Assertslines.0.total < 0" in Elements(shown).text
    less = told(**known | dict.fromkeys(known))
    assert "type_error" not in less
    assert "Document" not in less


def values(**fields: object) -> dict[str, str]:
    (row,) = results(result("e1", "failed", **fields)).iter_rows(named=True)
    return dict(render_values(row))


def test_what_differs_between_two_values_is_marked() -> None:
    shown = values(expected_value='"two red apples"', actual_value='"two green apples"')
    assert "two <del>red</del> apples" in shown["Expected"]
    assert "two <ins>green</ins> apples" in shown["Got"]


@pytest.mark.parametrize(
    "fields",
    [
        {"expected_value": "3", "actual_value": "[1,2]"},
        {"expected_value": '"a"', "actual_value": '"b"', "condition_kind": "not_equals"},
        {"expected_value": '"a"', "actual_value": None},
    ],
)
def test_nothing_is_marked_where_one_is_not_held_against_the_other(fields: dict[str, str]) -> None:
    shown = "".join(values(**fields).values())
    assert "<pre" in shown
    assert "<del>" not in shown
    assert "<ins>" not in shown


def test_long_json_has_a_line_for_each_member_and_numbers_as_they_were_sent() -> None:
    shown = values(expected_value='{"total":1.10,"items":["%s"],"n":{}}' % ("x" * 60))["Expected"]
    assert "&quot;total&quot;: 1.10,\n" in shown
    assert "&quot;n&quot;: {}\n}" in shown
    assert "not json" in values(expected_value="not json")["Expected"]


def test_evidence_in_words() -> None:
    row = {
        **{"kind": "broken", "since_at": datetime(2026, 5, 18, tzinfo=UTC), "cause": "edit"},
        **{"since_version_id": "ver_5", "outcomes": 42, "failures": 3},
        **{"rate": 3 / 42, "rate_low": 0.0246, "rate_high": 0.19},
    }
    assert describe_evidence(row, {"ver_5": "v5"}) == (
        "✗ broken since 2026-05-18 by an edit (v5); failed 3 of 42: 7.1% (95 %: 2.5% to 19.0%)"
    )
    steady = row | {"kind": "steady", "since_at": None, "outcomes": 0}
    assert describe_evidence(steady, {}) == "steady"
    assert describe_evidence(None, {}) == ""
