"""The details below the row of an open eval."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import polars as pl

from retab_analysis.checks.open_document import embed
from retab_analysis.comparison.detail import WORDS, find_differences, summarize_value
from retab_analysis.evidence.story import Story
from retab_analysis.markup import Html, join, name, one_line, tag
from retab_analysis.render.document import ChangeList
from retab_analysis.render.html import write_part
from retab_analysis.vocabulary import MOMENT, say_day
from retab_analysis.widgets.facts import Facts, say_moment
from retab_analysis.widgets.state import Preview

LINES = 8  # of runs that are shown; equal ones are joined

_LONG = 4_000  # characters of a value that are shown
_VALUE = 120


def button(words: object, event: str | None, value: str | None = None, **more: object) -> Html:
    given = {"type": "button", "data_event": event, "data_value": value, "class_": "rv-button"}
    return tag("button", words, **{**given, **more})


def render_opened(eval_id: str, facts: Facts) -> Html:
    """The reason, the differences, the runs, and the document at the right."""
    assert facts.judged is not None
    reason, results = facts.judged.say_reason(eval_id), list_results(facts, eval_id)
    left = (
        tag("p", f"{reason[0].upper()}{reason[1:]}.") if reason else None,
        *(_render_differences(facts.judged.stories[eval_id]) if facts.state.values else ()),
        _render_runs(results, facts),
        tag(
            "p", "Id ", tag("code", one_line(eval_id)), " ", button("Copy", None, data_copy=eval_id)
        ),
    )
    right = _render_document(eval_id, list_documents(results), facts.state.preview)
    parts = tag("div", *left), tag("div", *right, class_="rv-document")
    return tag("div", *parts, class_="rv-opened")


def list_results(facts: Facts, eval_id: str) -> pl.DataFrame:
    its = facts.look.results.filter(eval_id=eval_id)
    return its.sort(MOMENT, "completed_at", descending=True, nulls_last=True)


def list_documents(results: pl.DataFrame) -> list[tuple[str, str]]:
    """The documents of the newest result that has any: their ids and names."""
    for ids, names in results.select("document_ids", "document_names").iter_rows():
        named = names if names and len(names) == len(ids or ()) else ids
        if found := [(each, named[at] or each) for at, each in enumerate(ids or ()) if each]:
            return found
    return []


def _render_differences(story: Story) -> Iterator[Html]:
    """The differences from the last pass; else whole values if the row cuts them."""
    was = story.was.actual_value if story.was is not None and story.was.has_passed else None
    if changes := find_differences(story):
        title = "What differs from the last pass" if was else "What differs from what is expected"
        yield tag("p", tag("b", title))
        yield from write_part(ChangeList(tuple(changes)))
        return
    values = (("expected", story.expected_value), ("was", was), ("got", story.got))
    for title, value in values:
        if value is not None and summarize_value(value) != one_line(value):
            yield tag("p", tag("b", title), " ", tag("code", value[:_LONG]))


def _render_runs(results: pl.DataFrame, facts: Facts) -> Html:
    """Its runs, the newest first; equal neighbours share a line."""
    look, values, runs = facts.look, facts.state.values, []
    for row in results.iter_rows(named=True):
        at, ended = row["run_created_at"] or row["created_at"], row["state"]
        named = facts.names.get(row["run_id"], "")
        word = WORDS[ended].word if ended in WORDS else one_line(row["status"] or ended)
        value = row["status_message"] or row["failure_message"] or row["failure_code"]
        said = one_line(value, _VALUE)
        if row["actual_value"] is not None and ended != "error":
            said = summarize_value(row["actual_value"])
        runs.append((at, named, word, said if values else ""))
    lines = []
    for (version, word, value), several in groupby(runs, key=lambda each: each[1:]):
        moments = [each[0] for each in several]
        said = f"{word} × {len(moments)}" if len(moments) > 1 else word
        lines.append((_say_span(moments, look.year), version, said, len(moments), value))
    rows = [
        join(
            *(tag("span", name(each)) for each in (when, version, said)),
            tag("span", tag("code", value)),
        )
        for when, version, said, _, value in lines[:LINES]
    ]
    left = sum(each[3] for each in lines[LINES:])
    more = tag("p", f"and {left} earlier", class_="rtd-quiet") if left else None
    return join(tag("div", *rows, class_="rv-runs"), more)


def _say_span(moments: Sequence[Any], year: int | None) -> str:
    """``28 Nov 23:05``, or ``24 to 27 Nov`` of several runs, the newest first."""
    newest, oldest = moments[0], moments[-1]
    if len(moments) == 1 or newest is None or oldest is None:
        return say_moment(newest, year)
    last, first = say_day(newest, year), say_day(oldest, year)
    if first == last:
        return last
    is_one_month = (newest.year, newest.month) == (oldest.year, oldest.month)
    return f"{oldest.day if is_one_month else first} to {last}"


def _render_document(
    eval_id: str, documents: Sequence[tuple[str, str]], preview: Preview | None
) -> Iterator[Html]:
    if not documents:
        yield tag("p", "It has no document.", class_="rtd-quiet")
        return
    if preview is not None and preview.failure is not None:
        yield tag("p", one_line(preview.failure, 300))
    elif preview is not None and preview.url is not None:
        yield embed(preview.url, preview.name)
    else:
        yield tag("p", "Asking for the document …", class_="rtd-quiet")
    shown = None if preview is None else preview.document_id
    for at, (document_id, called) in enumerate(documents) if len(documents) > 1 else ():
        pressed = str(document_id == shown).lower()
        words, value = name(one_line(called)), f"{eval_id} {at}"
        yield join(button(words, "document", value, aria_pressed=pressed), " ")
