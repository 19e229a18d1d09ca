"""What a report says of where it comes from, what was edited, and what it leaves out."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.frames import many, result, results
from support.inside import (
    CONFIG_CHANGES,
    LONGEST_MARKDOWN,
    VERSIONS,
    WORKFLOWS,
    Comparison,
    Edits,
    list_origins,
    with_sides,
)

import retab_analysis as ra

KINDS = ("md", "html")
MADE = datetime(2026, 5, 20, 9, 5, tzinfo=UTC)
PROMPT = ("Read the invoice.\nSums are secret.", "Read the invoice.\nTotals are secret.")


class Page(HTMLParser):
    """The text of a page, and the text inside of each kind of element."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text = ""
        self.inside: dict[str, list[str]] = {}
        self.titles: list[str] = []
        self._open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "br", "hr", "img", "source", "col"):
            self._open.append(tag)
            self.inside.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            while self._open.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.text += data
            for tag in self._open:
                self.inside[tag][-1] += data


def changes(*rows: tuple[str | None, ...]) -> pl.DataFrame:
    made = [("block_1", "extract", "Lines", *row) for row in rows]
    return pl.DataFrame(made, schema=CONFIG_CHANGES, orient="row")


EDITED = changes(
    ("changed", "$.config.prompt", *(json.dumps(each) for each in PROMPT)),
    ("added", "$.config.votes", None, "3"),
)
WORKFLOW = pl.DataFrame(
    [dict.fromkeys(WORKFLOWS.schema) | {"workflow_id": "wf", "name": "Invoices | <b>"}],
    schema=WORKFLOWS.schema,
)
PUBLISHED = pl.DataFrame(
    [
        {
            "workflow_version_id": "ver_1",
            "version": 7,
            "description": "Cents are rounded",
            "published_at": datetime(2026, 5, 2, 11, 30, tzinfo=UTC),
            "is_current": True,
            "workflow_id": "wf",
        }
    ],
    schema=VERSIONS.schema,
)


def broken(count: int = 1, *, now: str = "2", **more: Any) -> Comparison:
    """Evals that an edit broke, with all that may be known beside the results."""
    names = [f"e{number:03}" for number in range(count)]
    before = [
        row
        for name in names
        for row in many(name, "PPPP", workflow_version_id="ver_1", block_execution_fingerprint="a")
    ]
    values = {"actual_value": now, "failure_code": "mismatch", "failure_message": "secret message"}
    after = [
        result(
            name,
            "failed",
            9,
            workflow_version_id="draft_9",
            block_execution_fingerprint="b",
            condition='= "secret condition"',
            **(values | more),
        )
        for name in names
    ]
    made = ra.compare(results(*before), results(*after))
    edits = Edits(EDITED, "ver_1", "draft")
    return with_sides(made, edits=edits, workflow=WORKFLOW, versions=PUBLISHED)


def written(comparison: Comparison, folder: Path, kind: str, **options: Any) -> str:
    target = folder / f"report.{kind}"
    ra.write_report(comparison, target, **options)
    return re.sub(r"data:image/png;base64,[^\"]+", "", target.read_text(encoding="utf-8"))


def plain(report: str, kind: str) -> str:
    """The text of a report, whichever form it has."""
    if kind == "html":
        return Page(report).text
    return Page(re.sub(r"\\(.)", r"\1", report)).text


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("values", [True, False])
def test_the_report_is_not_anonymous(tmp_path: Path, kind: str, values: bool) -> None:
    said = plain(written(broken(), tmp_path, kind, values=values), kind)
    assert "Invoices | <b> (wf)" in said
    assert "run run_9 of 27 May 2026, 00:00 UTC, version draft_9" in said
    assert "run run_4 of 22 May 2026, 00:00 UTC, version ver_1" in said
    assert (
        "ver_1: number 7, published 2 May 2026, 11:30 UTC, in production – Cents are rounded"
        in said
    )
    assert "draft_9: a draft" in said
    assert f"by retab_analysis {ra.__version__}" in said
    assert broken().gate().rule in said


@pytest.mark.parametrize("kind", KINDS)
def test_the_report_shows_the_gate_that_was_asked(tmp_path: Path, kind: str) -> None:
    made = broken()
    usual, lenient = made.gate(), made.gate(allow=made.evals["eval_id"], min_pass_rate=0.0)
    assert (usual.ok, lenient.ok) == (False, True)
    asked = plain(written(made, tmp_path, kind, gate=lenient), kind)
    assert lenient.rule in asked
    assert "does not hold" not in asked
    assert lenient.notes[-1] in asked
    assert usual.reasons[0] in plain(written(made, tmp_path, kind), kind)
    with pytest.raises(ra.ConfigError, match=r"gate: expected what comparison\.gate\(\) gives"):
        written(made, tmp_path, kind, gate=True)


def test_what_is_not_known_is_not_said() -> None:
    made = ra.compare(results(result("e", "passed")), results(result("e", "failed", 2)))
    facts = dict(list_origins(made, made.gate(), MADE))
    assert facts["Workflow"] == "wf"
    assert "Version" not in facts
    assert facts["Made"].startswith("20 May 2026, 09:05 UTC by")
    alone = ra.compare(
        results(result("e", "passed", run_id=None, workflow_version_id=None)),
        results(result("e", "failed", 2, run_created_at=None)),
    )
    facts = dict(list_origins(alone, alone.gate(), MADE))
    assert "Held against" not in facts
    assert facts["Checked"] == "run run_2, version v1"


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_edited_with_its_words_marked(tmp_path: Path, kind: str) -> None:
    report = written(broken(), tmp_path, kind)
    said = plain(report, kind)
    assert "Between version ver_1 and the draft as it is now: 2 fields of 1 block differ." in said
    assert "$.config.prompt" in said
    if kind == "html":
        page = Page(report)
        assert "Sums" in page.inside["del"]
        assert "Totals" in page.inside["ins"]
    else:
        assert "-Sums are secret.\n+Totals are secret." in report


@pytest.mark.parametrize("kind", KINDS)
def test_without_values_no_prompt_no_condition_no_message(tmp_path: Path, kind: str) -> None:
    report = written(broken(), tmp_path, kind, values=False)
    assert "secret" not in report
    assert "$.config.prompt" in plain(report, kind)
    assert "written without values" in plain(report, kind)
    assert "secret" in written(broken(), tmp_path, kind)


def test_changed_words_inside_of_a_value_are_marked(tmp_path: Path) -> None:
    texts = [
        json.dumps(f"The quick {colour} fox jumps over {'x' * 300}.") for colour in ("red", "blue")
    ]
    made = ra.compare(
        results(result("e", "passed", actual_value=texts[0])),
        results(result("e", "failed", 2, actual_value=texts[1])),
    )
    page = Page(written(made, tmp_path, "html"))
    assert page.inside["del"] == ["red"]
    assert page.inside["ins"] == ["blue"]
    report = written(made, tmp_path, "md")
    assert "<del>red</del>" in report
    assert "<ins>blue</ins>" in report
    (line,) = [each for each in report.splitlines() if "<del>" in each]
    assert len(line) < 600  # what both have is cut


def test_a_prompt_cannot_leave_its_block_of_code(tmp_path: Path) -> None:
    hostile = "```\n# Heading\n@octocat\n````\n</details><script>\x1b"
    made = broken()
    edit = changes(("changed", "$.config.prompt", json.dumps("Read."), json.dumps(hostile)))
    made = with_sides(made, edits=Edits(edit, "ver_1", "draft"))
    report = written(made, tmp_path, "md")
    opened = re.search(r"^(`{3,})diff\n(.*?)\n\1\n", report, re.DOTALL | re.MULTILINE)
    assert opened is not None
    assert len(opened[1]) == 5
    assert "+# Heading" in opened[2]
    assert "\x1b" not in report
    page = Page(written(made, tmp_path, "html"))
    assert "script" not in page.inside
    assert "</details><script>" in page.text


LONG = 3_000


@pytest.mark.parametrize("count", [1, 60, 600])
def test_markdown_stays_short_enough_for_a_pull_request(tmp_path: Path, count: int) -> None:
    report = written(broken(count, now=json.dumps("y" * LONG)), tmp_path, "md")
    assert len(report) <= LONGEST_MARKDOWN
    assert ("a pull request has room for" in report) == (count > 1)
    assert "## Numbers" in report
    bare = written(broken(count), tmp_path, "md", values=False)
    assert len(bare) <= LONGEST_MARKDOWN
    assert ("evals of a table, to keep the report short" in bare) == (count == 600)


def test_what_is_left_out_is_said_with_its_reason(tmp_path: Path) -> None:
    rows = [result(f"p{at}", "passed", 9) for at in range(3)]
    made = ra.compare(
        results(*many("e", "PPPP"), *(row | {"run_id": "run_1"} for row in rows)),
        results(result("e", "failed", 9, block_execution_fingerprint="new"), *rows),
    )
    said = plain(written(made, tmp_path, "md"), "md")
    assert "3 evals that still pass: only counted" in said
    assert made.evals["cause"][0] == "edit"
    assert "What was edited: the API could not be asked for it" in said
