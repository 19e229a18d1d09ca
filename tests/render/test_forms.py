"""A verdict as HTML, Markdown and text: what is shown, and that nothing in it acts."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from comparison.cases import history, many_evals, of_every_transition, runs
from support.fakes import STILL
from support.frames import results
from support.inside import (
    BROKEN,
    CONFIG_CHANGES,
    LONGEST_MARKDOWN,
    Comparison,
    Edits,
    compare,
    inside,
    markup,
)
from support.lettered_api import LetteredApi

import retab_analysis as ra
from retab_analysis import ConfigError, write_report

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=http://evil.example/x onerror=alert(1)>',
    "a | b\n# not a heading\n\n| c |",
    "@octocat $x_1$ `code` [link](http://evil.example) ![i](http://evil.example/i.png)",
    "turned\u202eround\x1b[31m\x00",
    "www.evil.example user/repo#1 #2 GH-3 https://evil.example name@evil.example",
    "</style></title><base href=//evil.example>",
    "{{ template }} ${shell} %s \\",
    "",
)
KINDS = ("md", "html")


class Page(HTMLParser):
    """What a browser would see."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.inside: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag != "input":  # it holds nothing
            self.open.append(tag)
        self.inside.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] not in (["style"], ["script"]):
            self.text += data
            for tag in self.open:
                self.inside[tag][-1] += data


@pytest.fixture(scope="module")
def invoices() -> Comparison:
    with ra.Sandbox(speed=STILL) as sandbox, ra.Client(**sandbox.credentials) as client:
        return ra.check("wf_invoices", client=client, progress=False)


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
def test_the_headline_leads_then_the_counts_then_what_broke(form: str) -> None:
    comparison = of_every_transition()
    shown = forms(comparison)[form]
    text = Page(shown).text if form == "html" else re.sub(r"[\\*#]", "", shown)
    heading = comparison.headline
    places = [text.index(heading), text.index("2 broke"), text.index("name of broken")]
    assert places == sorted(places)


def test_nothing_of_an_empty_comparison_is_listed() -> None:
    shown = forms(compare(results(), results()))
    assert 'class="rv-row"' not in shown["html"]
    assert "|" not in shown["markdown"]
    assert all("No result yet" in each for each in shown.values())


def test_a_first_run_shows_its_failures_with_their_blocks() -> None:
    with LetteredApi({"broken": "F", "fine": "P"}) as api:
        made = api.check()
    assert made.headline == "○ First run: 1 of 2 fails; the next check compares with it"
    assert made.to_dict()["counts"] == {"fails": 1, "passes": 1}
    page = made.to_html(values=True)
    text = " ".join(Page(page).text.split())
    assert "1 eval fails: look at each once" in text
    assert "The next run is compared with this one." in text
    assert re.findall(r'class="rv-row" data-kind="(\w+)"', page) == ["fails", "passes"]
    heads = re.search(r'class="rv-heads"[^>]*>(.*?)</div>', page)
    assert heads is not None
    assert re.findall(r">(\w+)<", heads[1]) == ["eval", "asserts", "block", "got"]
    assert 'rv-m"' not in page.partition("</style>")[2].partition("<script>")[0]
    assert "1 eval fails: look at each once" in repr(made)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_texts_stay_text(hostile: str) -> None:
    names = ("eval_name", "block_id", "workflow_version_id", "failure_message", "failure_code")
    values = {"condition": hostile, "expected_value": hostile, "actual_value": hostile}
    made = pair(**dict.fromkeys(names, hostile), document_names=[hostile], **values)
    for shown in (False, True):
        page = Page(made.to_html(values=shown))
        assert not {*page.tags} & {"img", "base", "link", "iframe", "object", "a"}
        assert page.tags.count("script") == 1, "its own"
        assert not any(name.startswith("on") for name, _ in page.attributes)
        assert "\x1b" not in page.text
        assert "\u202e" not in page.text
        said = made.to_markdown(values=shown)
        assert "<script" not in said
        assert "<img" not in said
        outside = re.sub("<code>.*?</code>", "", said)
        assert not re.search(r"www\.|://|@\w|(?<!&)#\d|GH-\d", outside)
        assert not re.search(r"(?<!\\)\]\(http", said)
        rows = [line for line in said.splitlines() if line.startswith("| ")]
        assert {len(re.findall(r"(?<!\\)\|", line)) for line in rows} <= {4, 5, 6}
    text = repr(made)
    assert "\x1b" not in text
    assert "\x00" not in text


def test_values_are_shown_only_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = {"expected_value": '"secret1"', "actual_value": '"secret2"'}
    made = pair(**secret, failure_message="secret3", failure_details="secret4")
    for shown in (made.to_html(), made.to_markdown(), json.dumps(made.to_dict())):
        assert "secret" not in shown
        assert "name of e" in shown
    shows = (made.to_html(values=True), made.to_markdown(values=True), made._repr_html_())
    for shown in (*shows, repr(made)):
        assert "secret2" in shown
        assert "secret4" not in shown
    monkeypatch.setenv("RETAB_ANALYSIS_VALUES", "0")
    assert "secret" not in made._repr_html_() + repr(made)


@pytest.mark.parametrize(
    ("kind", "was", "got", "said"),
    [
        ("equals", "18.5", "1", "got 1"),
        ("length_compare", "[1,2,3,4,5,6]", "[1,2,3,4]", "got 4 items"),
        ("every", '[{"a":1,"b":2}]', '[{"a":1}]', "got 1 item, without b"),
        ("equals", '{"a":{"b":1}}', '{"a":{"b":2}}', "got a.b: [-1-] {+2+}"),
    ],
)
def test_got_says_what_differs(kind: str, was: str, got: str, said: str) -> None:
    rows = [
        row | {"actual_value": was if row["state"] == "passed" else got}
        for row in history("e", "P" * 9 + "F", "A" * 9 + "B", condition_kind=kind)
    ]
    made = compare(runs(rows, 1, 9), runs(rows, 10))
    assert said in repr(made)


def edited() -> Comparison:
    """Evals that an edit of a prompt broke."""
    texts = ("Read the invoice.\nSums are secret.", "Read the invoice.\nTotals are secret.")
    block = pair().evals["block_id"][0]
    row = (block, "extract", "Lines", "changed", "$.config.prompt", *map(json.dumps, texts))
    changes = pl.DataFrame([row], schema=CONFIG_CHANGES.schema, orient="row")
    return Comparison(inside(pair()).with_edits(Edits(changes)))


def test_the_words_of_an_edit_are_marked_and_hidden_with_the_values() -> None:
    made = edited()
    page = Page(made.to_html(values=True))
    assert ("Sums" in page.inside["del"], "Totals" in page.inside["ins"]) == (True, True)
    assert "[-Sums-] {+Totals+} are secret." in repr(made)
    hidden = made.to_markdown()
    assert "prompt" in hidden
    assert "secret" not in hidden


def test_a_prompt_cannot_leave_its_place() -> None:
    hostile = "```\n# Heading\n@octocat\n````\n</details><script>\x1b"
    changes = pl.DataFrame(
        [(pair().evals["block_id"][0], "extract", "", "changed", "$.config.prompt")],
        schema=["block_id", "block_type", "label", "change", "field"],
        orient="row",
    ).with_columns(before=pl.lit('"Read."'), after=pl.lit(json.dumps(hostile)))
    made = Comparison(inside(pair()).with_edits(Edits(changes)))
    said = made.to_markdown(values=True)
    assert "\n# Heading" not in said
    assert "<script" not in said
    assert "@octocat" not in said
    assert Page(made.to_html(values=True)).tags.count("script") == 1


def broken(count: int, *, value: str = "1", name: str = "") -> Comparison:
    """Evals that passed before and do not now, with a long value or a long name."""
    rows = many_evals(count, "P" * 9 + "F", "A" * 9 + "B")
    long = [row | {"actual_value": value, "eval_name": row["eval_name"] + name} for row in rows]
    return compare(runs(long, 1, 9), runs(long, 10))


@pytest.mark.parametrize("count", [1, 30, 400])
def test_markdown_fits_into_a_pull_request_and_says_what_it_leaves_out(count: int) -> None:
    said = broken(count, name="n" * 500).to_markdown()
    assert len(said) <= LONGEST_MARKDOWN < 65_536
    listed = sum(line.startswith("| ✗") for line in said.splitlines())
    assert listed == count or f"… and {count - listed} more" in said


def test_names_without_end_cost_lines_and_no_more() -> None:
    said = broken(6, name="n" * 30_000).to_markdown(values=True)
    assert len(said) <= LONGEST_MARKDOWN
    assert said.splitlines()[0].startswith("### ✗ **6 evals broke**")
    assert "n" * 160 in said
    assert "n" * 201 not in said


@pytest.mark.parametrize("width", [80, 100])
def test_a_terminal_shows_twelve_of_a_card_in_its_width(
    monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    lines = repr(broken(15, name="n" * 100)).splitlines()
    assert max(map(len, lines)) <= width
    assert sum(line.startswith("  ✗ ") for line in lines) == 12
    assert "    … 3 more" in lines


def test_the_demo_fits_on_one_screen(invoices: Comparison) -> None:
    lines = repr(invoices).splitlines()
    assert len(lines) <= 30
    assert max(map(len, lines)) <= 100
    names = invoices.evals.filter(pl.col("transition").is_in(BROKEN))["eval_name"]
    starts = [markup.one_line(name)[:18] for name in names]
    assert [sum(start in line for line in lines) for start in starts] == [1] * 9
    assert not re.search(r"eval(run|res)?_\w{9}|ver_\w{9}", repr(invoices))
    assert "{+Join" in repr(invoices)
    assert len(json.dumps(invoices.to_dict(brief=True, values=True))) < 12_000


@pytest.mark.parametrize("kind", KINDS)
def test_a_report_shows_the_gate_that_was_asked(tmp_path: Path, kind: str) -> None:
    made = pair()
    lenient = made.gate(accepted=made.evals["eval_id"], min_pass_rate=0.0)
    path = tmp_path / f"r.{kind}"
    write_report(made, path, gate=lenient)
    assert "gate undecided" in path.read_text(encoding="utf-8")  # no eval passes
    write_report(made, path)
    assert "gate fails" in path.read_text(encoding="utf-8")
    with pytest.raises(ConfigError, match=r"gate: expected comparison\.gate\(\)"):
        write_report(made, path, gate=True)  # type: ignore[arg-type]


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    for name in ("report.pdf", "report", "report.htm", ".html"):
        with pytest.raises(ConfigError, match=r"\.md or \.html"):
            write_report(pair(), tmp_path / name)
    for given in (None, {}, pair().evals, "run_1"):
        with pytest.raises(ConfigError, match=r"expected a comparison from ra\.check"):
            write_report(given, tmp_path / "r.md")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="path: expected a str or a Path, got int"):
        write_report(pair(), 3)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="values must be True or False"):
        write_report(pair(), tmp_path / "r.md", values="no")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_a_folded_part_is_known_by_its_key() -> None:
    # So that it stays open in a page where another one comes before it.
    shown = re.findall(r'<details data-key="([^"]+)" class="rtd-more"><summary>', pair().to_html())
    assert "how" in shown
