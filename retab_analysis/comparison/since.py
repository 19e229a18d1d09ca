"""The moment of ``gate(since=…)``: what broke before it does not fail the gate."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple, cast

import polars as pl

from retab_analysis.arguments import When, find_named, naming, read_moment, suggest
from retab_analysis.comparison.detail import BROKE
from retab_analysis.comparison.sides import Sides
from retab_analysis.errors import ConfigError
from retab_analysis.evidence.names import Edit, find_edits, split_state
from retab_analysis.evidence.story import Story
from retab_analysis.markup import count_noun, one_line
from retab_analysis.vocabulary import BROKEN, MOMENT, say_day

CURRENT = ("published", "production", "live", "latest")
"""The names of the version that is published now."""
_NUMBER = re.compile(r"[vV]?([0-9]{1,9})")
_NAME = re.compile(r"v[0-9]|edit of ")
_EXPECTED = "a date or time such as '2026-12-01', an age such as '7d', a version, an edit or a run"


Known = tuple[Mapping[str, datetime], Sequence[Edit]]
"""Moments by their names, and the edits among them, which have further forms."""


class Since(NamedTuple):
    """A moment, and what a sentence calls it: ``1 Dec 12:00``, ``v5``."""

    at: datetime
    said: str
    asked: str

    def covers(self, story: Story) -> bool:
        """Whether an eval is broken, or ends in an error at every run, since before."""
        at = story.errors_since if story.errs_always else story.since_at
        is_broken = story.errs_always or story.transition in BROKEN
        return is_broken and at is not None and at < self.at

    def say(self, stories: Iterable[Story]) -> str:
        """``9 broke before 1 Dec 12:00: not counted``."""
        errs = [each.errs_always for each in stories]
        broke = f"{len(errs) - sum(errs)} {BROKE}" * (not all(errs))
        erred = f"{count_noun(sum(errs), 'error')}" * any(errs)
        return f"{' and '.join(filter(None, (broke, erred)))} before {self.said}: not counted"


def find_since(asked: object, list_known: Callable[[], Known], now: date) -> Since:
    """The moment that an argument names; a date is the beginning of its day.

    ``list_known`` gives the names of versions, edits and runs. It is called only if the argument is
    no date and no age.
    """
    if isinstance(asked, Since):
        return asked
    text = str(asked).strip()
    with naming("since"):
        try:
            at = read_moment("since", cast(When, asked), datetime.now(UTC))
        except ConfigError:
            if not isinstance(asked, str):
                raise
            (known, edits), number = list_known(), _NUMBER.fullmatch(text)
            word = f"v{int(number[1])}" if number else text
            is_whole = number is not None or word in known
            main, beside = split_state(text, edits)
            fitting = () if is_whole else (*find_edits(main, edits), *beside)
            texts = {each.edit.text for each in fitting}
            # A state is as old as its newest edit.
            is_one = bool(beside) or len(texts) == 1
            asked_for = max(texts, key=known.__getitem__) if is_one else word
            found = find_named("moment", asked_for, dict.fromkeys(known), parts=True)
            if found is None:
                named = dict.fromkeys(filter(_NAME.match, known))
                told = f"since must be {_EXPECTED}, got {asked[:80]!r}; {suggest(text, named)}"
                raise ConfigError(told) from None
            at = known[found]
            said = found if found.startswith("v") else f"the {found}"
        else:
            found = said = ""
        if at is None or at.date() > now:
            raise ConfigError(f"since={asked!r} is in the future; today is {now} (UTC)")
        if not _NAME.match(found):
            hour = "" if at.time() == datetime.min.time() else f" {at:%H:%M}"
            said = f"{say_day(at, now.year)}{hour}"
        return Since(at, one_line(said, 40), text)


def list_moments(versions: pl.DataFrame | None, edits: Sequence[Edit], runs: pl.DataFrame) -> Known:
    """The names of versions (a VERSIONS frame), of edits and of runs.

    ``runs`` has two columns: an id, and when the run was created.
    """
    found = dict[str, datetime]()
    rows = [] if versions is None else versions.drop_nulls("published_at").iter_rows(named=True)
    for row in rows:
        called = [f"v{row['version']}"] if row["version"] is not None else []
        called += [row["workflow_version_id"], *(CURRENT if row["is_current"] else ())]
        found |= {each: row["published_at"] for each in called if each is not None}
    found |= {each.edit.text: each.era.first for each in edits}
    return {**found, **dict(runs.drop_nulls().iter_rows())}, edits


def list_known(sides: Sides) -> Known:
    """The names of moments that the two sides of a comparison know."""
    told, plan = sides.told, sides.read.plan
    edits, versions = ([], None) if told is None else (told.edits, told.timeline.facts.publications)
    runs = [sides.results.select("run_id", at=MOMENT)]
    runs += [] if plan is None else [plan.select("run_id", at="created_at")]
    return list_moments(versions, edits, pl.concat(runs))
