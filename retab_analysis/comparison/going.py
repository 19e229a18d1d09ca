"""What the results of runs that go on add to a verdict: a mark for each eval, and a headline.

They judge nothing: words, counts and gate stay those of the verdict, which is of what has ended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import polars as pl

from retab_analysis.comparison.breaks import say_breaks
from retab_analysis.comparison.conclusion import LONGEST
from retab_analysis.comparison.detail import agree, name_block, say_since, summarize_value
from retab_analysis.comparison.verdict_facts import VerdictFacts
from retab_analysis.evidence.story import Story
from retab_analysis.markup import count_noun, one_line
from retab_analysis.render.document import (
    Card,
    Cell,
    Count,
    Document,
    DocumentTable,
    Folded,
    Heading,
    Line,
    Note,
    Part,
    Row,
    Span,
    TableColumn,
    change_rows,
    list_rows,
    plain,
    write_line,
)
from retab_analysis.vocabulary import BROKEN, say_day

Outcome = Literal["passes", "fails", "error"]
_OUTCOMES: Mapping[str, Outcome] = {
    "passed": "passes",
    "failed": "fails",
    "blocked": "fails",
    "error": "error",
}
ENDED = (*_OUTCOMES, "cancelled")
"""The states of results that have ended."""
_LONGEST = 120  # of a message
_NEWS = TableColumn("eval", "name"), TableColumn("asserts", "asserts"), TableColumn("now", "got")
_UNTESTED = ("stale", "incomplete")  # what such evals do now is news, whatever it is


class Mark(NamedTuple):
    """What an eval does in a run that goes on, beside what is known of it.

    ``is_news``: it passed by what is known, and does not pass in this run.
    """

    outcome: Outcome
    is_same: bool
    is_news: bool
    line: Line


def make_marks(
    stories: Mapping[str, Story], results: pl.DataFrame, *, values: bool
) -> dict[str, Mark]:
    """The marks of evals by their ids; the newest of several results counts."""
    ended = results.filter(pl.col("state").is_in([*_OUTCOMES]))
    newest = ended.sort("completed_at", nulls_last=False).unique(
        "eval_id", keep="last", maintain_order=True
    )
    rows = newest.iter_rows(named=True)
    return {row["eval_id"]: _mark(stories.get(row["eval_id"]), row, values) for row in rows}


def _mark(story: Story | None, row: Mapping[str, Any], values: bool) -> Mark:
    now = _OUTCOMES[row["state"]]
    before = None if story is None else _find_outcome(story)
    is_same = story is not None and now == before and story.transition not in _UNTESTED
    calm = story is None or story.transition == "flaky"
    is_news = before == "passes" and now != "passes" and not calm
    value = row["actual_value"] if values else None
    if is_same and story is not None and (not values or value == story.got or now == "error"):
        return Mark(now, True, is_news, write_line("the same again"))
    again = " again" * is_same
    if now == "error":
        message = one_line(row["status_message"], _LONGEST) if values else ""
        said = f": {message}" if message else ""
        return Mark(now, is_same, is_news, write_line(f"error{again}{said}"))
    look: Literal["right", "wrong"] = "right" if now == "passes" else "wrong"
    told = write_line(": ", Span(summarize_value(value), look)) if value is not None else ()
    return Mark(now, is_same, is_news, (*write_line(f"it {now}{again}"), *told))


def _find_outcome(story: Story) -> Outcome | None:
    """What an eval did by what is known."""
    if story.transition in BROKEN:
        return "fails"
    if story.passes_in_the_end:
        return "passes"
    return _OUTCOMES.get(story.ended[-1]) if story.ended else None


def add_marks(
    document: Document,
    marks: Mapping[str, Mark],
    again: Mapping[str, str],
    news: Collection[str],
    progress: Sequence[Count],
) -> Document:
    """A document with what runs that go on add to it.

    ``again`` is how far each eval is, the key of a count in ``progress``. The ``news`` fail in
    these runs; the verdict at the end says whether they broke. Their line is always there.
    """
    due = {key for key, each in again.items() if each == "not_yet"}

    def mark(row: Row) -> Row:
        made = marks.get(row.key)
        if made is not None and not made.is_same:
            row = replace(row, now="good" if made.outcome == "passes" else "bad")
        return replace(row, mark=() if made is None else made.line, progress=again.get(row.key, ""))

    parts = change_rows(document.parts, mark)
    rows = {each.key: each for each in list_rows(parts)}
    marked = (_make_news([rows[key] for key in news]), *(_mark_part(e, marks, due) for e in parts))
    return replace(document, parts=marked, progress=tuple(progress))


def _make_news(rows: Sequence[Row]) -> Folded:
    """What fails in the runs that go on; each row also stands in its place."""
    title, made, line = "Fails in this run", list[Row](), list[str | Span]()
    for each in rows:
        asserts = next((its for its in each.cells if its.key == "asserts"), Cell("asserts"))
        cells = Cell("name", each.cells[0].lines[:1]), asserts, Cell("got", (each.mark,))
        made.append(Row(each.key, "?", "doubt", "fails in this run", cells, now=each.now))
        line += [" \u00b7 " * bool(line), plain(each.cells[0].lines[0]), ": ", *each.mark]
    told = write_line(*line)
    table = DocumentTable(_NEWS, tuple(made)) if made else Note(write_line("Nothing so far."))
    brief = write_line(f"{title}: ", *told) if told else None
    return Folded("news", title, len(made), (table,), brief, told)


def _mark_part(part: Part, marks: Mapping[str, Mark], due: Collection[str]) -> Part:
    """A part with the marks of its evals; ``due`` are those whose result is to come."""
    evals = [each.key for each in list_rows((part,))]
    counts = Counter("same" if m.is_same else m.outcome for e in evals if (m := marks.get(e)))
    waiting, kinds = sum(each in due for each in evals), [each for each in _ONE if counts[each]]
    if isinstance(part, Folded) and counts:  # ``22 done, the same again``
        others = ", ".join(_count(each, counts[each]) for each in kinds if each != "same")
        return replace(part, now=write_line(f"{counts.total()} done, {others or _ONE['same']}"))
    if not isinstance(part, Card) or not (counts or waiting):
        return part
    said = [_count(each, counts[each]) for each in kinds]
    said = [_ONE[kinds[0]]] if kinds and len(evals) == 1 else said
    said += [f"{waiting} not yet"] * (waiting > 0)
    return replace(part, now=write_line("now ", ", ".join(said)))


_ONE = {
    "passes": "it passes",
    "fails": "it fails",
    "error": "it ended in an error",
    "same": "the same again",
}
_SEVERAL = {"passes": "pass", "fails": "fail", "error": "in error", "same": "the same again"}


def _count(kind: str, number: int) -> str:
    is_verb = number == 1 and kind in ("passes", "fails")
    return f"{number} {kind if is_verb else _SEVERAL[kind]}"


def write_going(
    facts: VerdictFacts, marks: Mapping[str, Mark], done: tuple[int, int], *, is_queued: bool
) -> Heading:
    """The headline while runs go on: what they add to what is known."""
    ended, total = done
    strong = "Queued" if is_queued else f"{ended} of {total} done"
    # The blocks that were edited, and that the run tests now.
    edited = {name_block(each) for each in facts.unrun if each.id in facts.sides.saved.on_way}
    said = _say_known(facts) if is_queued else "; ".join(_say_news(facts, marks, bool(edited)))
    rest, since = f": {said}" if said else "", ""
    if not is_queued and edited:
        name = one_line(next(iter(edited)), 40)
        since = f" since the edit of {name}" if len(edited) == 1 else " since the edits"
    # The news is worth more than the name of the block.
    fits = len(f"… {strong}{since}{rest}") <= LONGEST
    return Heading("…", "other", f"{strong}{since * fits}", rest[: LONGEST - 2 - len(strong)])


def write_beside(heading: Heading, marks: Mapping[str, Mark]) -> Heading:
    """A headline of what is known, with what runs that go on add to it."""
    news = _count_news((each for each in marks.values() if each.is_news), "", " more")
    return replace(heading, rest=f"{heading.rest}; {news or 'nothing new so far'}")


def _say_known(facts: VerdictFacts) -> str:
    if broken := facts.of(*BROKEN):
        evals = f"{count_noun(len(broken), 'eval')} {agree(len(broken), 'are')}"
        return f"{evals} broken{say_breaks(facts.breaks, facts.year, is_new=False)}"
    return _say_passed(facts)


def _say_passed(facts: VerdictFacts) -> str:
    passed, of = facts.passing
    day = "" if facts.newest_day is None else f" on {say_day(facts.newest_day, facts.year)}"
    return f"{passed} of {of} passed{day}" if of else ""


def _say_news(facts: VerdictFacts, marks: Mapping[str, Mark], is_edited: bool) -> Iterator[str]:
    """What is new, and what is known of the broken evals, or of all if none is."""
    broken = facts.of(*BROKEN)
    news = [each for each in marks.values() if each.is_news]
    if not facts.there:
        yield _count_news(marks.values(), " so far") or "nothing fails so far"
        return
    before = " that passed before" if is_edited else " that passed"
    if broken:
        said = _count_news(news, before) if is_edited else _count_news(news, "", " more")
        yield said or "nothing new fails"
    else:
        yield _count_news(news, before) or f"nothing fails so far{before}"
    yield _say_broken(broken, marks, facts) if broken else _say_passed(facts)


def _say_broken(broken: Collection[Story], marks: Mapping[str, Mark], facts: VerdictFacts) -> str:
    passing = sum(each.id in marks and marks[each.id].outcome == "passes" for each in broken)
    if passing and len(broken) == 1:
        return "the broken one passes now"
    if passing == len(broken):
        return f"all {passing} broken pass now"
    if passing:
        return f"{passing} of the {len(broken)} broken pass{'es' * (passing == 1)} now"
    since = say_since([*broken], facts.year)
    return f"{len(broken)} {agree(len(broken), 'are')} broken {since}".rstrip()


def _count_news(marks: Iterable[Mark], after: str, before: str = "") -> str:
    """``1 more fails, 2 more ended in an error``; empty if none does."""
    counts = Counter(each.outcome for each in marks)
    fail, errors = counts["fails"], counts["error"]
    said = [f"{fail}{before} fail{'s' * (fail == 1)}{after}"] if fail else []
    return ", ".join([*said, *([f"{errors}{before} ended in an error"] if errors else [])])
