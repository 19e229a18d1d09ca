"""What Python says of the table of edits; in other words it does the same."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from dataclasses import fields
from functools import cache
from typing import Any

import polars as pl
import pytest
from golden.book import hold, write_entry
from support.doors import ask_for_text
from support.edited import TABLE
from support.inside import StateInWords, ViewState, WorkflowLook, document, errors, render_view
from support.lettered_api import FLOW
from support.situations import SITUATIONS

import retab_analysis as ra

WORDS = {
    "Span": ("text", "title"),
    "Heading": ("strong", "rest"),
    "Count": ("word",),
    "Change": ("label",),
    "Row": ("word",),
    "TableColumn": ("title",),
    "Folded": ("title",),
    "Head": ("brief", "badge"),
}
WITHOUT_ANSWER = [each for each in SITUATIONS if each.code > 2]


def replace_words(patch: pytest.MonkeyPatch) -> None:
    """From now on each piece of a document has other words, and each error another text."""

    def make(cls: Any, names: tuple[str, ...]) -> None:
        usual = cls.__init__

        def write(self: Any, *given: Any, **more: Any) -> None:
            usual(self, *given, **more)
            for name in names:
                if (text := getattr(self, name)) is not None:
                    object.__setattr__(self, name, codecs.encode(text, "rot13"))

        patch.setattr(cls, "__init__", write)

    for name, its in WORDS.items():
        cls = getattr(document, name)
        assert set(its) <= {each.name for each in fields(cls)}
        make(cls, its)
    shown = errors.as_shown
    patch.setattr(errors, "as_shown", lambda text: codecs.encode(shown(text), "rot13"))


def look(made: Any, checked: pl.DataFrame) -> list[Any]:
    """What a page shows of a verdict beside words: counts, and the rows that each filter leaves."""
    known = ViewState(FLOW, WorkflowLook(comparison=made, checked=checked, phase="ended"))
    facts = StateInWords(known, None)
    counts = [(each.key, each.number, each.tone) for each in facts.counts]
    page = "".join(render_view({"0": facts}, "0").values())
    rows = re.findall(r'data-key="([^"]*)" class="rv-row" data-kind="([^"]*)"', page)
    signs = re.findall(r'<span class="rtd-sign"[^>]*>(.)<', page)
    kinds = Counter(kind for _, kind in rows)
    assert kinds == {key: number for key, number, _ in counts}
    return [facts.heading.sign, facts.heading.tone, counts, rows, signs]


@cache
def ask(name: str) -> tuple[ra.Comparison, pl.DataFrame]:
    """The verdict of a row, and its newest run that has ended."""
    row = TABLE[name]
    with row.make() as api:
        runs = ra.fetch_runs(FLOW, client=api.client, progress=False)
        return api.check(**row.asks), runs.filter("is_terminal").head(1)


def test_what_python_says_of_each_row_of_the_table() -> None:
    entries = []
    for name in TABLE:
        made, _ = ask(name)
        step = made.next_step
        aspects = [("headline", made.headline)] + ([("next", step.code)] if step else [])
        entries.append(write_entry(name, aspects))
    hold("table.txt", "\n".join(entries))


@pytest.mark.parametrize("name", TABLE)
def test_a_verdict_in_other_words_has_the_same_rows_signs_and_filters(name: str) -> None:
    """No sentence is read back: every visible word is another."""
    made, checked = ask(name)
    usual, headline = look(made, checked), made.headline
    step, codes = made.next_step, (made.gate().exit_code, made.gate().failing)
    with pytest.MonkeyPatch.context() as patch:
        replace_words(patch)
        assert look(made, checked) == usual
        assert made.headline != headline
        assert (made.gate().exit_code, made.gate().failing) == codes
        assert made.next_step == step


@pytest.mark.parametrize("at", range(len(WITHOUT_ANSWER)))
def test_an_error_in_other_words_has_the_same_exit_code(at: int) -> None:
    situation = WITHOUT_ANSWER[at]
    with pytest.MonkeyPatch.context() as patch:
        replace_words(patch)
        assert ask_for_text(situation).code == situation.code
