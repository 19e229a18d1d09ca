"""Every word, cell and mark about one eval.

Nothing else in the library words an eval: reports, views, gates and test suites ask here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import polars as pl

from retab_analysis.comparison.json_diff import (
    ABSENT,
    diff_documents,
    parse_json,
    write_json,
    write_path,
)
from retab_analysis.evidence.story import Share, Side, Story
from retab_analysis.evidence.transitions import find_reason
from retab_analysis.markup import count_noun, one_line
from retab_analysis.render.document import (
    Cell,
    Change,
    Count,
    FailedTry,
    Line,
    Look,
    Span,
    Tone,
    plain,
    write_line,
)
from retab_analysis.render.marks import LONGEST_TEXT, is_tiny, mark_change, mark_words
from retab_analysis.render.text import mark_line
from retab_analysis.vocabulary import BROKEN, DECIDED, FAILING, SCORED, say_day

_RUNS = 12  # how many of an eval's last runs are told


class Word(NamedTuple):
    """A sign and a word, the tone of both, and the key under which evals are counted."""

    sign: str
    word: str
    tone: Tone
    key: str

    def make_count(self, number: int) -> Count:
        plural = "s" * (self.key == "error" and number > 1)
        return Count(self.key, number, f"{self.word}{plural}", self.tone)


WORDS: Mapping[str, Word] = {
    "regressed": Word("✗", "broke", "bad", "broke"),
    "newly_blocked": Word("⊘", "broke", "blocked", "broke"),
    "newly_errored": Word("!", "error", "error", "error"),
    "first failure": Word("✗", "fail", "bad", "fails"),  # of a first run
    "suspect": Word("?", "unclear", "doubt", "unclear"),
    "flaky": Word("≈", "flaky", "flaky", "flaky"),
    "still_failing": Word("×", "failing as before", "known", "failing_as_before"),
    "accepted": Word("×", "accepted", "known", "accepted"),  # whatever its transition
    "old": Word("×", "broke before: not counted", "known", "not_counted"),  # than the rule's moment
    "incomplete": Word("…", "no result", "other", "no_result"),
    "stale": Word("○", "not run since the edit", "other", "not_run"),
    "added": Word("+", "new", "new", "new"),
    "not_comparable": Word("≠", "edited", "other", "edited"),
    "removed": Word("−", "removed", "other", "removed"),
    "fixed": Word("✓", "fixed", "good", "fixed"),
    "still_passing": Word("·", "pass as before", "good", "pass_as_before"),
    "first pass": Word("·", "pass", "good", "passes"),  # of a first run
    "same_code": Word("=", "same code", "other", "same_code"),
    "not compared": Word("≠", "not compared", "other", "not_compared"),  # of two versions
    # Of a single result, where nothing is known of others.
    "passed": Word("·", "passed", "good", "passed"),
    "failed": Word("✗", "failed", "bad", "failed"),
    "blocked": Word("⊘", "blocked", "blocked", "blocked"),
    "error": Word("!", "error", "error", "error"),
    "cancelled": Word("…", "cancelled", "other", "cancelled"),
}
"""The sign and word of each transition, in the order of the counts."""

BROKE, UNCLEAR, FLAKY, FIXED, NO_RESULT, ACCEPTED = (
    WORDS[each].word
    for each in ("regressed", "suspect", "flaky", "fixed", "incomplete", "accepted")
)
"""Words that sentences use, too."""

WHOLE = ("equals", "similarity_gte", "split_iou_gte", None)
"""The conditions that compare the whole value with the expected one; None if not known."""

DOUBT = ", with some doubt"
"""Of an eval that broke with a probability below 0.95."""

MORE_THAN_LUCK = 0.2
"""Below this probability a failure is more likely luck than a break."""

LONGEST_NAME = 200
"""The longest name in a sentence."""
_LONGEST = 120  # of a value
_SHORT = 60  # an object up to this length is shown as it is
_PATHS, _DAYS, _NAMED = 20, 4, 3
_LONG_TEXT = 30  # in longer texts single words are marked, not the whole


# Names and marks

_ONE = {"have": "has", "are": "is", "were": "was", "do": "does", "pass": "passes"}


def agree(number: int, verb: str) -> str:
    """A verb that agrees with a number: ``fail``, of one ``fails``."""
    return verb if number != 1 else _ONE.get(verb, f"{verb}s")


def name_eval(story: Story) -> str:
    """An eval in one line: its name, or its id if it has no name."""
    return one_line(story.name, LONGEST_NAME) or one_line(story.id, LONGEST_NAME)


def name_block(story: Story) -> str:
    return story.block_name or one_line(story.block_id)


def say_invalid(saved: Mapping[str, Any]) -> str:
    """A sentence about a row of an EVALS frame that cannot run, with the reason."""
    issues = "; ".join(saved["validation_issues"] or ()) or saved["drift_detail"]
    why = one_line(issues or saved["validation_status"], 200)
    name = one_line(saved["eval_name"] or saved["eval_id"])
    return f"This saved eval cannot run: {name} ({why})."


def list_documents(story: Story) -> str:
    return ", ".join(one_line(each) for each in story.document_names or () if each)


def say_word(story: Story) -> str:
    return word_of(story).word


def find_sign(story: Story) -> tuple[str, Tone]:
    """The sign of an eval; for one that is blocked or broke, its present state."""
    is_error = story.transition in BROKEN and story.state == "error"
    word = WORDS["newly_errored"] if is_error else word_of(story)
    return word.sign, word.tone


def word_of(story: Story) -> Word:
    if story.standing == "not_comparable":
        return WORDS["not compared"]
    unknown = Word("?", one_line(story.transition), "other", story.transition)
    return WORDS.get(story.transition, unknown)


# In a table


def make_cells(story: Story, year: int | None, *, values: bool) -> tuple[Cell, ...]:
    asserts = Cell("asserts", (say_asserts(story, values=values),))
    return _make_name(story), asserts, *_make_sides(story, year, values)


def _make_name(story: Story) -> Cell:
    documents, doubt = list_documents(story), say_doubt(story)
    # Each is its own piece: a name that is written from right to left ends with it.
    sure = (Span(each, "quiet") for each in (" · " * bool(documents), doubt) if doubt)
    below = write_line(Span(documents, "quiet", title=documents), *sure)
    lines = (write_line(Span(name_eval(story), title=story.id)), below)
    return Cell("name", tuple(filter(None, lines)))


def say_asserts(story: Story, *, values: bool) -> Line:
    path = one_line(story.path)
    if not values:
        return write_line(Span(path, "code"))
    condition = one_line(story.condition, _LONGEST)
    gap = " " if path and condition else ""
    look: Look = "right" if story.condition_kind in WHOLE else "strong"
    return write_line(Span(path, "code"), gap, Span(condition, look))


def _make_sides(story: Story, year: int | None, values: bool) -> tuple[Cell, Cell]:
    before = story.was
    if not values:
        was = write_line(Span(before.state if before else "", "quiet"))
        share = f"passed {story.reading.now}"
        now = share if story.state == "mixed" else story.state or "not run"
        if (day := _say_other_day(story, year)) and story.shown is not None:
            now = f"{story.shown.state}{day}"
        return Cell("was", (was,) if was else ()), Cell("got", (write_line(now),))
    was = write_line(Span(_say_was(story), "quiet"))
    lines, message = [say_got(story, year)], say_message(story)
    if message and story.state != "error":
        lines.append(write_line(Span(one_line(message, 300), "quiet")))
    if value := say_value(story):
        lines.append(write_line(Span(value, "quiet")))
    # Without the words of the line above.
    inside = find_differences(story)[_is_told_inside(story) :]
    folded = tuple(inside) if story.failure or story.fails else ()
    return Cell("was", (was,) if was else ()), Cell("got", tuple(lines), folded)


def find_was(story: Story) -> str | None:
    """The value of its last pass."""
    return story.was.actual_value if story.was and story.was.has_passed else None


def _say_was(story: Story) -> str:
    text = find_was(story)
    score = _say_score(story, story.was) if text else None
    return ": ".join(filter(None, (score, summarize_value(text) if text else None)))


def _say_score(story: Story, side: Side | None) -> str | None:
    """A score with two digits, or with as many as tell it from the threshold."""
    if side is None or side.score is None or story.condition_kind not in SCORED:
        return None
    said, least = f"{side.score:.2f}", side.score - (side.margin or 0)
    return f"{side.score:.6g}" if said == f"{least:.2f}" != f"{side.score:.6g}" else said


def _say_other_day(story: Story, year: int | None) -> str:
    """The day of the result that made its word, if that is not the checked run's."""
    if story.shown is None or story.shown is story.now:
        return ""
    at = story.shown.at
    return " in an earlier run" if at is None else f" on {say_day(at, year)}"


def _is_told_inside(story: Story) -> bool:
    """Whether *got* is what differs inside the value: an object, or a list as long as before."""
    text, was = story.got or "", find_was(story)
    if find_missing(story.expected_value, was, text):
        return False
    is_alike = was is not None and summarize_value(was) == summarize_value(text)
    return text[:1] == "{" or (text[:1] == "[" and is_alike)


def say_got(story: Story, year: int | None) -> Line:
    """What made its word, with the day if another run than the checked ones shows it."""
    told = _say_value(story)
    again = " again" * (bool(told) and plain(told) == _say_was(story) and story.state != "passed")
    return (*told, *write_line(again, _say_other_day(story, year)))


def _say_value(story: Story) -> Line:
    side, text, expected = story.shown, story.got, story.expected_value
    state = None if side is None else side.state
    if state is None or (text is None and state not in ("error", "failed", "blocked", "mixed")):
        said = {"cancelled": "cancelled", "unscored": "no verdict"}.get(state or "", "not run")
        return write_line(Span(said, "quiet"))
    if state == "error" or text is None:
        again = " (also in the run before)" * (story.ended[-2:] == ("error", "error"))
        return write_line(f"{one_line(say_message(story), 300) or state}{again}")
    if state == "passed":
        return write_line(Span(summarize_value(text), "value"))
    if story.condition_kind == "equals" and _is_long_text(text) and _is_long_text(expected):
        segments = mark_words((expected or "")[1:-1], text[1:-1])
        looks: dict[str, Any] = {"equal": "value", "added": "wrong"}
        kept = [each for each in segments if each.kind in looks]
        if not is_tiny(segments):
            return write_line(*(Span(each.text, looks[each.kind]) for each in kept))
    score = _say_score(story, side)
    start = write_line(score and Span(score, "wrong"), score and ": ")
    was = find_was(story)
    missing = find_missing(expected, was, text)
    inside = find_differences(story) if _is_told_inside(story) else []
    if inside:
        more = f"; and {count_noun(len(inside) - 1, 'more place')}" if inside[1:] else ""
        head = Span(f"{inside[0].label}: ", "strong")
        return (*start, head, *inside[0].line, *write_line(more))
    if was and was != text and not missing and summarize_value(was) == summarize_value(text):
        return (*start, *mark_change(was, text))
    without = f", without {', '.join(missing[:3])}" if missing else ""
    return (*start, Span(f"{summarize_value(text)}{without}", "wrong"))


def find_differences(story: Story) -> list[Change]:
    """The differences inside the value from the last pass, or else from the expected value."""
    got, was = story.got, find_was(story)
    held = story.expected_value if was is None and story.condition_kind in WHOLE else was
    if got is None or held is None or got[:1] != held[:1] or got[:1] not in ("[", "{"):
        return []
    return list_differences(held, got)


def say_message(story: Story) -> str:
    """Why it does not pass, in the API's words; the code only if there are none."""
    side = story.now if story.fails else story.shown
    if side is None or story.failure is None:
        return ""
    said = side.status_message if side.failure_message is None else side.failure_message
    return said or side.failure_code or ""


# In words


def say_short(story: Story, year: int | None, *, values: bool) -> str:
    """Why it does not pass, in a line: ``expected 18.5, got 1``."""
    got = one_line(mark_line(say_got(story, year)), 200)
    state = None if story.shown is None else story.shown.state
    if not values or state is None:
        return say_word(story) if state in (None, "failed", "mixed") else str(state)
    if state == "error":
        return got
    if story.condition_kind == "equals" and story.expected_value is not None:
        return f"expected {summarize_value(story.expected_value)}, got {got}"
    condition = one_line(story.condition, _LONGEST)
    return f"expected {condition}, got {got}" if condition else f"got {got}"


def describe(story: Story, year: int | None, *, values: bool) -> list[str]:
    was = None if story.was is None else story.was.actual_value
    facts = {
        "why": say_reason(story, year),
        "block": name_block(story),
        "outcome": f"{story.was.state if story.was else 'absent'} → {story.state or 'absent'}",
        "documents": list_documents(story),
    }
    if values:
        facts |= {"path": story.path, "asserts": story.condition, "message": story.failure}
        facts |= {"was": was, "got": story.got, "value": say_value(story)}
    width = max(map(len, facts))
    told = [f"  {name:<{width}}  {one_line(said, 500)}" for name, said in facts.items() if said]
    said = f"{name_eval(story)} ({one_line(story.id)}): {say_short(story, year, values=values)}"
    inside = []
    if values and was is not None and story.got is not None:
        inside = list_differences(was, story.got)
    marked = ((each.label, mark_line(each.line)) for each in inside if each.label)
    return [said, *told, *(f"    {label}: {one_line(line, 500)}" for label, line in marked)]


def explain_eval(story: Story, year: int | None, *, values: bool) -> list[str]:
    """All about one eval: its sentence, its facts and differences, and its last runs."""
    told = describe(story, year, values=values)
    if story.transition == "still_passing" and story.state == "passed":
        told = [f"{name_eval(story)} ({one_line(story.id)}): It passes as before."]
    ended = [each for each in story.outcomes if each.state in (*DECIDED, "error") and each.moment]
    runs = []
    for state, several in groupby(ended[-_RUNS:], key=lambda each: each.state):
        its = [*several]
        days = dict.fromkeys(say_day(at, year) for each in (its[0], its[-1]) if (at := each.moment))
        times = f" × {len(its)}" if len(its) > 1 else ""
        runs.append(f"{' to '.join(days)} {state}{times}")
    more = f"{len(ended) - _RUNS} earlier, " if len(ended) > _RUNS else ""
    return [*told, f"  runs  {more}{', '.join(runs)}"] if runs else told


def list_attempts(story: Story, *, values: bool) -> tuple[FailedTry, ...]:
    """Its failed tries on the candidate's side, except the one that is shown."""
    failed = [each for each in reversed(story.present) if each.state in FAILING]
    shown = failed[not story.passes_in_the_end :]
    said = (story.look_up(name, shown) for name in ("failure_message", "status_message"))
    return tuple(
        FailedTry(
            "error" if each.state == "error" else "failure",
            one_line(failure or status, 500) if values and (failure or status) else each.state,
        )
        for each, failure, status in zip(shown, *said, strict=True)
    )


def find_day(evals: Sequence[Story], year: int | None) -> str:
    """The day since which some evals are broken; empty if there are several."""
    days = {say_day(at, year) for each in evals if (at := each.since_at)}
    return days.pop() if len(days) == 1 else ""


def say_since(evals: Sequence[Story], year: int | None, *, is_new: bool = False) -> str:
    """``since 12 Nov at the latest``; of new ones ``on 12 Nov``; empty if that is not one day."""
    day, latest = find_day(evals, year), " at the latest" * any(each.is_latest for each in evals)
    return f"{'on' if is_new and not latest else 'since'} {day}{latest}" if day else ""


def say_reason(story: Story, year: int | None) -> str | None:
    reason = find_reason(story)
    if reason is None:
        return None
    kind, now, before, at = reason
    day = "" if at is None else say_day(at, year)
    state, more = story.state, _say_more(story, year)
    if story.transition == "suspect" or (kind == "still_failing" and story.fails_repeatedly):
        doubt = say_doubt(story) or f"passed {now}; before, {before}"
        return f"{doubt}{more}"
    if kind in ("broken", "comes and goes"):
        return (
            f"{f'{kind} {say_since([story], year)}'.rstrip()}: {now} passed; before, {before}{more}"
        )
    said = {
        "always an error": f"error at every run since {day}",
        "outage": "ended in an error of an outage",
        "error": "ended in an error",
        "fixed": f"{FIXED}: passed {now}; before, {before}",
        "passes again": f"passes again: passed {now}; before, {before}",
        "flaky": f"comes and goes: passed {before} before and {now} now",
        "failed once": f"failed once: passed {before} before and {now} now",
        "still_failing": f"passed {before} before and {now} now",
        "never passed": f"never passed{' since it was edited' if story.edited else ''}",
        "not_comparable": f"{story.edited or 'eval'} edited: earlier results say nothing about it",
        "same_code": "its block has the same code in both versions",
        "not compared": "no known result on the code of both versions",
        "added": f"no earlier result; {state} now{_say_namesake(story, year)}",
        "removed": f"deleted; {_say_were([story], year)}"
        if story.standing == "removed"
        else "not among the results",
        "incomplete": _say_missing(story),
        "stale": f"{_say_stale(story)}{_say_namesake(story, year)}",
    }
    return said[kind]


def _say_more(story: Story, year: int | None) -> str:
    """About a worse eval: whether its block was edited, and its unknown parts."""
    edits = {"edit": "; its block was edited then", "drift": "; without an edit of its block"}
    said, on_code = edits.get(story.cause or "", ""), story.reading.on_code
    if story.saved_again_at is not None:
        since = "it fails since it was " * (story.cause == "saved_again")
        said += f"; {since}saved again on {say_day(story.saved_again_at, year)}"
    if story.cause == "drift" and on_code.passed:
        said += f"; it passed {on_code} on this very code before"
    if story.cause == "edit" and (failed := on_code.of - on_code.passed):
        said += f"; it failed {failed} of {on_code.of} on this code before"
    said += "; it was moved to another block since" * story.has_moved
    if story.unknown:
        said += f"; whether the eval's {' or '.join(story.unknown)} changed is not known"
    last = story.not_run_since
    return said if last is None else f"{said}; not run since {say_day(last, year)}"


def say_saved_again(evals: Sequence[Story], year: int | None) -> str:
    """Since when evals fail that fail since their last save."""
    days = {say_day(at, year) for each in evals if (at := each.saved_again_at)}
    on_day = f" on {days.pop()}" if len(days) == 1 else ""
    return f"since {'it was' if len(evals) == 1 else 'they were'} saved again{on_day}"


def _say_stale(story: Story) -> str:
    where = name_block(story) or "its block"
    said = {
        "never": "never run",
        "eval": "was edited and has not run since",
        "saved": "was saved again and has not run since",
    }
    return said.get(story.standing, f"has not run since the edit of {where}")


def say_removed(evals: Sequence[Story], year: int | None) -> str:
    """The evals that were deleted, and what they were; or those that a candidate lacks."""
    n, names = len(evals), list_stories(evals, _NAMED)
    if evals[0].standing != "removed":
        return f"{n} {WORDS['removed'].word}: {names}."
    were = f"{count_noun(n, 'eval')} {agree(n, 'were')} deleted"
    return f"{were} ({_say_were(evals, year)}): {names}."


def _say_were(deleted: Sequence[Story], year: int | None) -> str:
    """What deleted evals were, and when they ran last."""
    n = sum(each.reading.is_broken for each in deleted)
    moments = [at for each in deleted if (at := each.last_at) is not None]
    broken = f"{n if deleted[1:] else 'it'} {agree(n, 'were')} broken; " if n else ""
    return f"{broken}last run {say_day(max(moments), year) if moments else 'not known'}"


def _say_namesake(story: Story, year: int | None) -> str:
    """The deleted eval that had the name of a new one; it was deleted after its last run."""
    if (other := story.namesake) is None:
        return ""
    at, until, day = other.last_at, story.read_at, ""
    if at is not None and until is not None:
        day = f" {'on' if at.date() == until.date() else 'since'} {say_day(at, year)}"
    return f"; an eval of this name was deleted{day}{', broken' * other.reading.is_broken}"


def _say_missing(story: Story) -> str:
    if story.standing == "not valid":
        return f"does not fit {name_block(story) or 'its block'} any more since its edit"
    why = {"cancelled": "cancelled", "unscored": "no verdict", "error": "ended in an error"}
    said = why.get(story.state or "", f"{NO_RESULT} came" if story.state else "not run")
    return f"{said}; it was broken on the code before" if story.reading.is_broken else said


def list_stories(stories: Iterable[Story], limit: int = 20) -> str:
    """The names of some evals; where two have one name, with their ids."""
    return list_names([(each.name, each.id) for each in stories], limit)


def list_evals(evals: pl.DataFrame, limit: int = 20) -> str:
    return list_names(evals.select("eval_name", "eval_id").rows(), limit)


def list_names(named: Sequence[tuple[str | None, str]], limit: int = 20) -> str:
    counts = Counter(name for name, _ in named)
    said = []
    for name, eval_id in named[:limit]:
        also = f" ({one_line(eval_id)})" if name and counts[name] > 1 else ""
        said.append(f"{one_line(name or eval_id, LONGEST_NAME)}{also}")
    more = len(named) - limit
    return ", ".join(said) + (f" and {more} more" if more > 0 else "")


def say_doubt(story: Story) -> str:
    """How sure the word of an eval is, without a number for it; empty if there is no doubt.

    Many failures in a row are counted instead: that is true whatever they mean.
    """
    reading = story.reading
    known = Share(*map(sum, zip(reading.earlier, reading.now, strict=True)))
    if story.is_unsure:
        return f"{BROKE}{DOUBT}"
    if story.fails_repeatedly:
        failed = reading.failing_rows
        return f"failed its last {failed} runs; passed {known.passed} of {known.of - failed} before"
    if story.transition != "suspect":
        return ""
    if story.p is None or story.p >= MORE_THAN_LUCK:
        return ""
    return f"failed {known.of - known.passed} of its last {known.of} runs; more likely luck"


def say_value(story: Story) -> str | None:
    """Whether an eval that fails failed with this very value before; None if there is nothing."""
    got = story.got
    if got is None or not (story.seen_at or story.is_new_value):
        return None
    value = summarize_value(got)
    if story.is_new_value:
        return f"never got {value} before"
    year = None if story.last is None or story.last.moment is None else story.last.moment.year
    days = list(dict.fromkeys(say_day(each, year) for each in story.seen_at))
    return f"got {value}, as on {list_days(days)}, and passed after"


def list_days(days: Sequence[str]) -> str:
    """Days in words, the month once where it is the same.

    Example:
        >>> list_days(["3 Apr", "9 Apr", "2 May"])
        '3 and 9 Apr and 2 May'
    """
    months: dict[str, list[str]] = {}
    for each in days[-_DAYS:]:
        day, _, month = each.partition(" ")
        months.setdefault(month, []).append(day)
    said = [f"{' and '.join(its)} {month}" for month, its in months.items()]
    more = len(days) - _DAYS
    return f"{' and '.join(said)}{f' and {more} more days' if more > 0 else ''}"


# Values


def summarize_value(text: str) -> str:
    """A JSON value in a few words: a list by its length, a long object by its members.

    Other values stay as they are.

    Example:
        >>> summarize_value('[1, 2]'), summarize_value('"Ltd"'), summarize_value('{"a":1}')
        ('2 items', '"Ltd"', '{"a":1}')
    """
    parsed = parse_json(text) if text.startswith(("[", "{")) else None
    if isinstance(parsed, list):
        return f"{len(parsed):,} item{'' if len(parsed) == 1 else 's'}"
    if isinstance(parsed, dict) and len(text) > _SHORT:
        return one_line(f"object with {', '.join(map(str, parsed))}", _LONGEST)
    return one_line(text, _LONGEST)


def _is_long_text(text: str | None) -> bool:
    return text is not None and text.startswith('"') and _LONG_TEXT < len(text) < LONGEST_TEXT


def find_missing(expected: str | None, was: str | None, got: str) -> list[str]:
    """The members that some list item lacks, but that the schema requires or all items had."""
    items = parse_json(got) if got.startswith("[") else None
    if not isinstance(items, list) or not all(isinstance(each, dict) for each in items):
        return []
    asked = _find_required(parse_json(expected)) if expected is not None else []
    if not asked and was is not None:
        earlier = parse_json(was)
        if isinstance(earlier, list) and earlier and all(isinstance(e, dict) for e in earlier):
            asked = [key for key in earlier[0] if all(key in each for each in earlier)]
    return [one_line(key, 40) for key in asked if any(key not in each for each in items)]


def _find_required(value: object) -> list[str]:
    """The members that the nearest ``required`` of a schema names."""
    level = [value]
    while level:
        for each in level:
            if isinstance(each, dict) and isinstance(named := each.get("required"), list):
                return [key for key in named if isinstance(key, str)]
        inner = [each for each in level if isinstance(each, dict)]
        level = [value for each in inner for value in each.values()]
    return []


def list_differences(before: str, after: str) -> list[Change]:
    """The first places where two JSON values differ inside, with their pieces marked."""
    found: list[Change] = []
    for each in diff_documents(parse_json(before), parse_json(after)):
        if len(found) == _PATHS:
            found.append(Change("…", ()))
            break
        label = write_path(each.path).removeprefix("$").removeprefix(".")
        if each.is_moved:
            found.append(Change(label, write_line("moved")))
        else:
            sides = (None if v is ABSENT else write_json(v) for v in each.values)
            found.append(Change(label, mark_change(*sides)))
    return found
