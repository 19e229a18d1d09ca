"""A comparison as HTML, Markdown and text: what is shown, and that nothing in it acts."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import polars as pl
import pytest
from comparison.cases import hand_made, history, many_evals, of_every_transition, runs
from support.frames import results
from support.inside import TRANSITIONS, VERDICTS, Comparison, compare, markup, render

from retab_analysis import ConfigError

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=http://evil.example/x onerror=alert(1)>',
    "a | b\n# not a heading\n\n| c |",
    "@octocat $x_1$ `code` [link](http://evil.example) ![i](http://evil.example/i.png)",
    "turned\u202eround\x1b[31m\x00",
    "</style></title><base href=//evil.example>",
    "{{ template }} ${shell} %s \\",
    "",
)


class Page(HTMLParser):
    """What a browser would see."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text += data


def pair(**values: Any) -> Comparison:
    """One eval that passed before and does not now."""
    rows = history("e", "P" * 9 + "F", "A" * 9 + "B", **values)
    return compare(runs(rows, 1, 9), runs(rows, 10))


def forms(comparison: Comparison) -> dict[str, str]:
    return {
        "html": comparison.to_html(),
        "markdown": comparison.to_markdown(),
        "text": repr(comparison),
    }


@pytest.mark.parametrize("form", ["html", "markdown", "text"])
def test_the_verdict_leads_then_what_is_said_then_what_broke(form: str) -> None:
    comparison = of_every_transition()
    shown = forms(comparison)[form]
    shown = Page(shown).text if form == "html" else shown.replace("\\", "")
    places = [
        shown.index("✗"),
        shown.index(comparison.headline),
        shown.index("name of broken"),
    ]
    assert places == sorted(places)
    explained = shown.index("Compared run run")
    assert explained < places[2] or form == "text"


def test_every_section_and_sign_is_there_once() -> None:
    document = of_every_transition().document()
    assert list(document.sections()) == [
        *("Broke", "Suspects", "Ended in an error", "Fixed", "Not counted", "Still failing")
    ]
    shown = pl.concat(list(document.sections().values()))
    assert sorted(shown["transition"].unique()) == sorted({*TRANSITIONS} - {"still_passing"})
    assert shown["eval_id"].is_unique().all()
    assert set(render.SIGNS) == set(TRANSITIONS)
    assert set(render.VERDICTS) == set(VERDICTS)
    signs = [sign for sign, _ in render.SIGNS.values()]
    assert len(set(signs)) == len(signs)


def test_what_needs_attention_is_open_under_its_heading() -> None:
    page = of_every_transition().to_html()
    for heading in ("Broke: 2", "Suspects: 1", "Ended in an error: 1", "Fixed: 1"):
        assert f'<div class="rta-title">{heading}</div><div class="rta-scroll"' in page


def test_what_is_folded_stays_readable() -> None:
    page = of_every_transition().to_html()
    assert page.count("<details>") == 2
    assert "<summary>Not counted: 5</summary>" in page
    assert "<summary>Still failing: 1</summary>" in page
    assert of_every_transition()._repr_html_() == of_every_transition().to_html(values=True)


def test_nothing_of_an_empty_comparison_is_listed() -> None:
    nothing = compare(results(), results())
    shown = forms(nothing)
    assert "<table" not in shown["html"]
    assert "|" not in shown["markdown"]
    assert all("Inconclusive" in each for each in shown.values())


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_texts_stay_text(hostile: str) -> None:
    made = pair(
        eval_name=hostile,
        block_id=hostile,
        document_names=[hostile],
        workflow_version_id=hostile,
        failure_message=hostile,
        failure_code=hostile,
        condition=hostile,
        expected_value=hostile,
        actual_value=hostile,
    )
    for values in (False, True):
        page = Page(made.to_html(values=values))
        assert not {*page.tags} & {"script", "img", "base", "link", "iframe", "object", "a"}
        assert not any(name.startswith("on") for name, _ in page.attributes)
        assert "\x1b" not in page.text.replace(markup.show_turning(hostile), "")
        plain = pair(expected_value="1").to_markdown(values=values)
        said = made.to_markdown(values=values)
        assert len(said.splitlines()) == len(plain.splitlines())
        assert "<script" not in said
        assert "<img" not in said
        assert "@octocat" not in said
        assert not re.search(r"(?<!\\)\]\(http", said)
        bars = [len(re.findall(r"(?<!\\)\|", line)) for line in said.splitlines()]
        assert bars == [len(re.findall(r"(?<!\\)\|", line)) for line in plain.splitlines()]
    text = repr(made)
    assert "\x1b" not in text
    assert "\x00" not in text
    assert len(text.splitlines()) == len(repr(pair()).splitlines())


def test_values_are_shown_only_when_asked_for() -> None:
    secret = {"expected_value": '"secret1"', "actual_value": '"secret2"'}
    more = {"failure_message": "secret3", "failure_details": "secret4", "path": "secret5"}
    made = pair(**secret, **more)
    for shown in (made.to_html(), made.to_markdown(), repr(made)):
        assert "secret" not in shown
        assert "name of e" in shown
    for shown in (made.to_html(values=True), made.to_markdown(values=True)):
        assert "secret1" in shown
        assert shown.count("secret2") == 2
        assert "secret4" not in shown


def test_with_its_values_stands_what_is_asserted_of_them() -> None:
    made = pair(condition="< 0", expected_value="0", actual_value="72.0")
    for shown in (made.to_html(values=True), made.to_markdown(values=True)):
        assert "Asserted" in shown
        assert "<code>&lt; 0</code>" in shown
    for shown in (made.to_html(), made.to_markdown()):
        assert "Asserted" not in shown
        assert "&lt; 0" not in shown


def test_an_edited_expectation_is_no_way_for_values_to_get_out() -> None:
    rows = [
        *history("e", "P.", expected_value='"secret1"', actual_value='"secret1"'),
        *history("e", ".F", expected_value='"secret2"', actual_value='"secret3"'),
    ]
    made = compare(runs(rows, 1), runs(rows, 2))
    assert made.evals["transition"].to_list() == ["not_comparable"]
    assert "secret" not in made.to_html() + made.to_markdown() + repr(made)


@pytest.mark.parametrize("values", ["no", 1, None])
def test_whether_values_are_shown_is_a_flag(values: Any) -> None:
    for write in (pair().to_html, pair().to_markdown):
        with pytest.raises(ConfigError, match="values must be True or False"):
            write(values=values)


def test_long_tables_are_cut_and_say_so() -> None:
    rows = many_evals(render.ROWS + 7, "P" * 9 + "F", "A" * 9 + "B")
    made = compare(runs(rows, 1, 9), runs(rows, 10))
    broken = made.evals["transition"].is_in(("regressed", "newly_blocked")).sum()
    assert broken == render.ROWS + 7
    assert "… and 7 more" in made.to_html()
    assert "… and 7 more" in made.to_markdown()
    assert made.to_html().count("name of e") == render.ROWS
    assert repr(made).splitlines()[13] == f"  … and {render.ROWS + 7 - 12} more, see .evals"


def broken(count: int, *, value: str = "1", name: str = "") -> Comparison:
    """Evals that passed before and do not now, with a long value or a long name."""
    rows = many_evals(count, "P" * 9 + "F", "A" * 9 + "B")
    long = [row | {"actual_value": value, "eval_name": row["eval_name"] + name} for row in rows]
    return compare(runs(long, 1, 9), runs(long, 10))


LONG = '"' + "y" * 3_000 + '"'


@pytest.mark.parametrize("count", [1, 5, 30, 400])
def test_markdown_fits_into_a_pull_request_and_says_what_it_leaves_out(count: int) -> None:
    made = broken(count, value=LONG)
    said = made.to_markdown(values=True)
    assert len(said) <= render.LONGEST_MARKDOWN < 65_536
    assert ("Left out: the values of the last" in said) == (count > 5)
    # No row is given up for a value.
    assert said.count("name of e") == made.to_markdown().count("name of e")
    assert "Left out" not in made.to_markdown()


def test_values_are_left_out_from_the_end() -> None:
    made = broken(30, value=LONG)
    said = made.to_markdown(values=True)
    rows = [line for line in said.splitlines() if "name of e" in line]
    assert len(rows) == 30
    shown = ["yyy" in row for row in rows]
    assert shown == sorted(shown, reverse=True)
    assert f"the values of the last {30 - sum(shown)} evals" in said
    # The next one would not have fitted.
    assert len(said) + 2 * len(LONG) > render.LONGEST_MARKDOWN
    assert all(row.endswith("| … | … | … |") for row in rows[sum(shown) :])


def test_all_values_are_there_where_they_fit() -> None:
    said = of_every_transition().to_markdown(values=True)
    assert "Left out" not in said
    assert "| … |" not in said


def test_rows_are_left_out_where_names_are_long() -> None:
    made = broken(150, name="n" * 900)
    said = made.to_markdown()
    assert len(said) <= render.LONGEST_MARKDOWN
    assert said.count("name of e") == 50
    assert "… and 100 more" in said


@pytest.mark.parametrize("length", [30_000, 300_000])
def test_names_without_end_cost_lines_and_no_more(length: int) -> None:
    said = broken(6, name="n" * length).to_markdown(values=True)
    assert len(said) <= render.LONGEST_MARKDOWN
    assert said.splitlines()[0].startswith("**✗ 6 broke")
    assert "Left out: the rest, because a pull request has room for" in said.splitlines()[-1]


def test_a_page_is_as_long_as_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "LONGEST_MARKDOWN", 100)
    tried: list[tuple[int, int]] = []

    def write(rows: int, values: int) -> str:
        tried.append((rows, values))
        return "x" * (rows + 9 * values)

    assert render.fit_markdown(write, (200, 50, 10), 3) == "x" * 77
    assert render.fit_markdown(write, (200, 50, 10), 20) == "x" * 95
    assert {rows for rows, _ in tried} == {200, 50}
    assert render.fit_markdown(write, (10,), 10) == "x" * 100


def test_the_lines_of_a_terminal() -> None:
    lines = repr(of_every_transition()).splitlines()
    assert lines[1:6] == [
        "  ✗ regressed: name of broken (edited, edited)",
        "  ⊘ newly blocked: name of blocked (edited, edited)",
        "  ‼ newly errored: name of crashed (edited, edited)",
        "  ? suspect: name of doubtful (steady, not edited)",
        "  ✓ fixed: name of mended (edited, edited)",
    ]
    assert lines[6].startswith("Compared run run_21")


def test_one_row_in_words() -> None:
    (row,) = hand_made(
        {
            "transition": "newly_blocked",
            "eval_name": "Total\nof it",
            "block_changed": None,
            "candidate_state": "blocked",
            "reason": "why",
        }
    ).iter_rows(named=True)
    assert render.describe(row) == [
        "⊘ newly blocked",
        "Total of it",
        "extract",
        "",
        "absent → blocked",
        "why",
    ]
    assert render.name_eval(row | {"eval_name": None}) == "e0"


def test_the_page_is_well_formed() -> None:
    page = Page(of_every_transition().to_html(values=True))
    assert page.open == []
    assert page.tags.count("table") == 6
