"""One eval on a page, the same in every view: what it got, its documents, its history."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from retab_analysis.analysis import eval_history
from retab_analysis.checks.open_document import embed
from retab_analysis.comparison.comparison import Comparison, sides_of
from retab_analysis.comparison.detail import (
    find_sign,
    make_cells,
    name_documents,
    say_asserts,
    say_message,
    say_word,
    tell_result,
)
from retab_analysis.config import shows_values
from retab_analysis.errors import RetabAnalysisError
from retab_analysis.evidence.story import Story
from retab_analysis.fetch.default_client import client_or_default
from retab_analysis.fetch.lists import read_link
from retab_analysis.markup import Html, count_noun, join, name, one_line, tag
from retab_analysis.render.document import (
    Card,
    Cell,
    ColumnTitle,
    Document,
    DocumentTable,
    Folded,
    Part,
    Row,
    Span,
)
from retab_analysis.render.html import write_html_line
from retab_analysis.transport import Client
from retab_analysis.vocabulary import MOMENT
from retab_analysis.widgets.elements import GridColumn, GridRow, button, copy_button, grid
from retab_analysis.widgets.explorer.lists import HISTORY_COLUMNS
from retab_analysis.widgets.jobs import run_beside
from retab_analysis.widgets.phrases import shorten_version
from retab_analysis.widgets.values import render_values

# Further runs are counted.
SHOWN_RUNS = 50

Result = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Preview:
    """A document that somebody asked to see; its ``url`` is None while it is asked for."""

    document_id: str
    name: str
    url: str | None = None
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class DetailLook:
    """How an eval is shown, for who can click or not, and which one of a document is open."""

    values: bool = field(default_factory=shows_values)
    is_live: bool = True
    preview: Preview | None = None
    eval_id: str | None = None


def find_passed(result: Result, results: pl.DataFrame) -> Result | None:
    """The result of the same eval that passed last before a result."""
    earlier = results.filter(pl.col("state") == "passed").sort(MOMENT, nulls_last=False)
    at = result["run_created_at"] or result["created_at"]
    if at is not None:
        earlier = earlier.filter(at > MOMENT)
    return next(earlier.tail(1).iter_rows(named=True), None)


def results_of(comparison: Comparison, eval_id: str) -> pl.DataFrame:
    """All results of an eval that a comparison has read, those of the candidate last."""
    known = sides_of(comparison).known
    frames = [each.filter(pl.col("eval_id") == eval_id) for each in known]
    return pl.concat(frames, how="diagonal").unique("result_id", keep="last", maintain_order=True)


def list_documents(row: Result) -> list[tuple[str, str]]:
    ids, names = row["document_ids"] or (), row["document_names"] or ()
    named = len(ids) == len(names)
    return [(each, (names[at] if named else "") or each) for at, each in enumerate(ids) if each]


def render_result(
    result: Result,
    results: pl.DataFrame,
    look: DetailLook,
    *,
    why: str | None = None,
    facts: Iterable[tuple[str, object]] = (),
    versions: Mapping[str, str] | None = None,
) -> Html:
    """All that is told of a result, and of ``results``, which are all known ones of its eval."""
    passed = find_passed(result, results)
    story = tell_result(result, passed)
    was = None if passed is None or result["state"] == "passed" else passed["actual_value"]
    told: list[tuple[str, object]] = [
        ("Asserts", write_html_line(say_asserts(story, values=look.values))),
        *(render_values(result, was) if look.values else ()),
        ("Says", one_line(say_message(story)) if look.values else one_line(result["failure_code"])),
        ("Why", why),
        ("Document", _render_documents(result, look)),
        *facts,
        ("Eval", render_id(result["eval_id"], look)),
        ("Result", render_id(result["result_id"], look)),
    ]
    return join(render_facts(told), _render_history(results, versions or {}))


def render_facts(facts: Iterable[tuple[str, object]]) -> Html:
    """What is known, a line for each; what is empty is left out."""
    lines = (
        tag(
            "tr",
            tag("th", title, scope="row"),
            tag("td", shown if isinstance(shown, Html) else name(shown)),
            data_key=title,
        )
        for title, shown in facts
        if shown
    )
    return tag("table", tag("tbody", *lines), class_="ra-facts")


def render_id(text: str | None, look: DetailLook, before: str = "") -> Html | None:
    """An id, with what it is called, and a button that copies it."""
    if not text:
        return None
    called = before if before and before != text else None
    copy = copy_button("Copy", text, hint=f"Copy {one_line(text)}") if look.is_live else None
    parts = (called, tag("code", one_line(text), class_="ra-id"), copy)
    return join(*(each for each in parts if each is not None), by=" ")


def _render_documents(row: Result, look: DetailLook) -> Html | None:
    """The documents of a result, and the one that somebody asked to see."""
    documents = list_documents(row)
    if not documents:
        return name(name_documents(row)) if name_documents(row) else None
    lines = []
    for at, (document_id, called) in enumerate(documents):
        key = f"{row['eval_id']} {at}"
        hint = "Ask for the document, and show it here"
        show = button("Show", "document", value=key, hint=hint) if look.is_live else None
        preview = look.preview
        shown = None
        if preview is not None and preview.document_id == document_id:
            shown = tag("div", _render_preview(preview), data_key=document_id, class_="ra-preview")
        about = (name(one_line(called)), " ", show, " ", render_id(document_id, look))
        lines.append(tag("div", *about, shown))
    return join(*lines)


def _render_preview(preview: Preview) -> Html:
    if preview.failure is not None:
        return tag("div", preview.failure, class_="ra-alert", role="alert")
    if preview.url is None:
        return tag("div", "Asking for the document …", class_="ra-soft", role="status")
    return embed(preview.url, preview.name)


def _render_history(results: pl.DataFrame, versions: Mapping[str, str]) -> Html:
    """What became of an eval run by run, the newest first."""
    history = eval_history(results).reverse()
    columns = [
        GridColumn(each.name, each.title, each.is_number, width=each.width)
        for each in HISTORY_COLUMNS
    ]
    rows = []
    for number, run in enumerate(history.head(SHOWN_RUNS).iter_rows(named=True)):
        version = run["workflow_version_id"] or ""
        run["workflow_version_id"] = versions.get(version, shorten_version(version))
        cells = [each.html(run) if each.html else name(each.text(run)) for each in HISTORY_COLUMNS]
        rows.append(GridRow(str(number), cells))
    words = f"{count_noun(history.height, 'run')}, the newest first"
    left = history.height - len(rows)
    more = tag("div", f"and {left:,} earlier ones", class_="ra-soft") if left else None
    heading = tag("div", words, class_="ra-title")
    return join(heading, grid(columns, rows, label=words), more)


def list_details(stories: Iterable[Story], *, values: bool) -> DocumentTable:
    """Results as a table of a document has them, where no comparison makes one."""
    rows = []
    for each in stories:
        called, asserts, _, got = make_cells(each, values=values)
        rows.append(Row(*find_sign(each), say_word(each), (called, asserts, got)))
    columns = ColumnTitle("eval"), ColumnTitle("asserts"), ColumnTitle("got", named=True)
    return DocumentTable(columns, tuple(rows))


def open_part(part: Part, opened: str | None = None, below: Html | None = None) -> Part:
    """A part of which evals and documents can be opened, and what stands below the one that is."""
    if isinstance(part, Card | Folded):
        return replace(part, parts=tuple(open_part(each, opened, below) for each in part.parts))
    if not isinstance(part, DocumentTable):
        return part
    rows = []
    for row in part.rows:
        cell = row.cells[0]
        first, *more = cell.lines[0]
        # The first words of a row open what their title names: an eval; those below its document.
        lines = [(Span(first.text, "open", first.title), *more), *cell.lines[1:]]
        if len(lines) > 1 and lines[1][0].title:
            lines[1] = Span(lines[1][0].text, "show", f"{first.title} 0"), *lines[1][1:]
        its = below if first.title == opened else None
        named = Cell(tuple(lines), cell.folded)
        rows.append(replace(row, cells=(named, *row.cells[1:]), below=its))
    return replace(part, rows=tuple(rows))


class OpenEval:
    """Which eval of a document is open, and which of its documents; ``redraw`` shows it."""

    def __init__(self, client: Client | None, redraw: Callable[[], object]) -> None:
        self._client, self._redraw = client, redraw
        self.eval_id: str | None = None
        self.preview: Preview | None = None

    def toggle(self, eval_id: object) -> None:
        """Open an eval, or close it where it is open."""
        is_other = isinstance(eval_id, str) and eval_id != self.eval_id
        self.eval_id, self.preview = (str(eval_id) if is_other else None), None

    def show(self, eval_id: str, document_id: str, called: str) -> None:
        """Open an eval with a document, asked for in a thread: no click waits for the network."""
        self.eval_id = eval_id
        self.preview = asked = Preview(document_id, called)

        def work() -> None:
            try:
                link = read_link(client_or_default(self._client), document_id)
                found = replace(asked, url=link.download_url)
            except RetabAnalysisError as error:
                found = replace(asked, failure=str(error))
            # Somebody may look at something else meanwhile.
            if self.preview is asked:
                self.preview = found
                self._redraw()

        run_beside(work, "document")

    def show_of(self, comparison: Comparison, key: object) -> None:
        """Open an eval with one of its documents; ``key`` is what its button sends."""
        eval_id, _, at = str(key).rpartition(" ")
        results = results_of(comparison, eval_id)
        if results.height:
            documents = list_documents(_choose_result(comparison, eval_id, results))
            self.show(eval_id, *documents[int(at)])

    def render(self, comparison: Comparison, document: Document) -> Document:
        below = None
        if self.eval_id is not None:
            reasons = comparison.evals.filter(eval_id=self.eval_id)["reason"]
            results = results_of(comparison, self.eval_id)
            if results.height and len(reasons):
                below = render_result(
                    _choose_result(comparison, self.eval_id, results),
                    results,
                    DetailLook(preview=self.preview),
                    why=reasons[0],
                    versions=_number_versions(comparison),
                )
        parts = (open_part(part, self.eval_id, below) for part in document.parts)
        return replace(document, parts=tuple(parts))


def _choose_result(comparison: Comparison, eval_id: str, results: pl.DataFrame) -> Result:
    row = comparison.evals.filter(eval_id=eval_id).row(0, named=True)
    wanted = row["candidate_result_id"] or row["baseline_result_id"]
    chosen = results.filter(result_id=wanted)
    return (chosen if chosen.height else results).row(-1, named=True)


def _number_versions(comparison: Comparison) -> dict[str, str]:
    """What a person calls the versions that were published."""
    published = sides_of(comparison).around.versions
    if published is None:
        return {}
    known = published.select("workflow_version_id", "version").drop_nulls()
    return {version: f"v{number}" for version, number in known.iter_rows()}
