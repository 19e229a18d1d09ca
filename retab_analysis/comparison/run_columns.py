"""The runs of a verdict as columns, and what each eval did in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from types import MappingProxyType
from typing import Any

import polars as pl

from retab_analysis.evidence.cells import read_codes
from retab_analysis.markup import one_line
from retab_analysis.render.document import Change, TableColumn
from retab_analysis.render.text import mark_line
from retab_analysis.schema import RESULTS
from retab_analysis.vocabulary import MOMENT, say_day

COLUMNS, YOUNGER, EACH_SIDE = 30, 3, 6
"""So many runs are columns; so many of them may be newer than the checked; of two versions each."""

LETTERS: Mapping[str, str] = MappingProxyType(
    {
        **{"passed": "p", "failed": "f", "blocked": "b", "error": "e", "cancelled": "c"},
        **{"running": "r", "queued": "n", "pending": "n"},
    }
)
"""The letter of a result by its state, or else by its status; others did not run."""
NOT_RUN = "o"

_NO_NAMES: Mapping[str, str] = MappingProxyType({})

SayEdit = Callable[[str, datetime | None, datetime | None], tuple[Change, ...]]


@dataclass(frozen=True, eq=False)
class KnownRuns:
    """Results and their runs: the checked ones, and those before it that it is compared with.

    ``going`` are the runs that go on, which share a column, with the evals whose result is ``due``.
    ``names`` are the versions of the runs, ``labels`` the names of blocks. ``say_edit`` tells what
    was edited in a block between two moments.
    """

    results: pl.DataFrame
    checked: frozenset[str]
    before: frozenset[str] = frozenset()
    names: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    year: int | None = None
    are_versions: bool = False
    say_edit: SayEdit | None = None
    going: frozenset[str] = frozenset()
    due: frozenset[str] = frozenset()

    @cached_property
    def past(self) -> pl.DataFrame:
        """The results without those of runs that go on."""
        going = pl.col("run_id").is_in([*self.going]).fill_null(False)
        return self.results.filter(~going) if self.going else self.results

    def add_now(
        self, columns: tuple[TableColumn, ...], cells: Mapping[str, str]
    ) -> tuple[tuple[TableColumn, ...], dict[str, str]]:
        """Add the column of the runs that go on."""
        found = dict.fromkeys(self.due, LETTERS["queued"])
        for each in _read_letters(self.results, [*self.going]).values():
            is_open = {LETTERS["queued"], NOT_RUN}
            found |= {k: letter for k, letter in each.items() if letter not in is_open}
        blank = "".join("-" if "gap" in each.marks else NOT_RUN for each in columns)
        evals = {*cells, *found}
        whole = {k: f"{cells.get(k, blank)}{found.get(k, NOT_RUN)}" for k in evals}
        return (*columns, TableColumn("now", marks=frozenset({"now"}))), whole

    def make_columns(self) -> tuple[tuple[TableColumn, ...], dict[str, str]]:
        """The columns, and the letters of each eval by its id."""
        runs = self._choose()
        letters = _read_letters(self.past, [each["run_id"] for each in runs])
        columns = [*self._columns(runs)]
        cells = [letters.get(each["run_id"], _NO_NAMES) for each in runs]
        gap = sum(each["run_id"] in self.before for each in runs) if self.are_versions else 0
        if gap and gap < len(columns):
            columns.insert(gap, TableColumn("", marks=frozenset({"gap"})))
            cells.insert(gap, _NO_NAMES)
        evals = self.past["eval_id"].unique().drop_nulls()
        empty = ["-" if "gap" in each.marks else NOT_RUN for each in columns]
        found = {
            eval_id: "".join(its.get(eval_id, no) for its, no in zip(cells, empty, strict=True))
            for eval_id in evals
        }
        return tuple(columns), found

    def _choose(self) -> list[dict[str, Any]]:
        """The newest runs; few of them newer than the checked one."""
        each = self.past.drop_nulls("run_id").group_by("run_id", maintain_order=True)
        runs = each.agg(
            MOMENT.min().alias("at"),
            pl.col("run_scope").first(),
            *(pl.col("state").eq(name).sum().alias(name) for name in ("passed", "cancelled")),
            pl.col("state").is_in(("passed", "failed", "blocked", "error")).sum().alias("of"),
        ).sort("at", "run_id", nulls_last=True)
        sides = self.checked, self.before
        is_asked, is_before = (pl.col("run_id").is_in([*each]) for each in sides)
        is_whole = pl.col("run_scope").fill_null("workflow") != "eval"
        if runs.filter(is_asked & is_whole).height:  # reruns are counted, and have no column
            is_asked &= is_whole
        if self.are_versions:
            both = (runs.filter(is_before & is_whole), runs.filter(is_asked))
            return pl.concat([each.tail(EACH_SIDE) for each in both]).to_dicts()
        runs = runs.filter(is_asked | is_whole)
        newest = runs.filter(is_asked)["at"].max()
        is_younger = pl.lit(False) if newest is None else (pl.col("at") > newest).fill_null(False)
        younger = runs.filter(is_younger, ~is_asked)
        runs = runs.join(younger.tail(-YOUNGER), on="run_id", how="anti")
        rest = runs.head(-COLUMNS).filter(is_before).tail(1)
        return pl.concat([rest, runs.tail(COLUMNS - rest.height)]).to_dicts()

    def _columns(self, runs: list[dict[str, Any]]) -> Iterator[TableColumn]:
        known: dict[str, tuple[str, datetime | None]] = {}  # codes of blocks, and when they ran
        asked = [each["run_id"] for each in runs if each["run_id"] in self.checked]
        checked = asked if self.are_versions else asked[-1:]
        codes = read_codes(self.results) if "code" in self.results.columns else {}
        for run in runs:
            now, at = codes.get(run["run_id"], {}), run["at"]
            edited = {k: known[k][1] for k, code in now.items() if known.get(k, (code,))[0] != code}
            known |= {block: (code, at) for block, code in now.items()}
            is_its = {"checked": run["run_id"] in checked, "baseline": run["run_id"] in self.before}
            yield TableColumn(
                one_line(self.names.get(run["run_id"])),
                run["run_id"],
                told=("" if at is None else say_day(at, self.year), say_moment(at, self.year)),
                marks=frozenset(mark for mark, is_so in is_its.items() if is_so),
                about=self._say_title(run, edited),
                edited=frozenset(edited),
            )

    def _say_title(self, run: Mapping[str, Any], edited: Mapping[str, datetime | None]) -> str:
        """What a run was; of edited blocks, by when they ran before, what was edited."""
        when = say_moment(run["at"], self.year)
        passing = f"{run['passed']} of {run['of']} pass" if run["of"] else ""
        if run["cancelled"]:
            passing = f"{run['passed']} passed, {run['cancelled']} did not run"
        about = (f"{when} UTC" * bool(when), self.names.get(run["run_id"]), passing)
        lines = [" · ".join(map(one_line, filter(None, about)))]
        for block, before in sorted(edited.items()):
            words = () if self.say_edit is None else self.say_edit(block, before, run["at"])
            named = one_line(self.labels.get(block) or block)
            lines.append(f"{named} was edited before this run{':' * bool(words)}")
            lines += [f"{each.label}: {one_line(mark_line(each.line), 300)}" for each in words]
        return "\n".join(lines)


def _read_letters(results: pl.DataFrame, run_ids: list[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    has_status = "status" in results.columns
    status = pl.col("status") if has_status else pl.lit(None, RESULTS.schema["status"])
    shown = results.filter(pl.col("run_id").is_in(run_ids))
    names = "run_id", "eval_id", "state", status.alias("status")
    for run_id, eval_id, state, now in shown.select(names).iter_rows():
        letter = LETTERS.get(state) or LETTERS.get(now) or NOT_RUN
        found.setdefault(run_id, {})[eval_id] = letter
    return found


def say_span(moments: Sequence[datetime | None], year: int | None) -> str:
    """``28 Nov 23:05``, or ``24 to 27 Nov`` of several runs, the newest first."""
    newest, oldest = moments[0], moments[-1]
    if len(moments) == 1 or newest is None or oldest is None:
        return say_moment(newest, year)
    last, first = say_day(newest, year), say_day(oldest, year)
    if first == last:
        return last
    is_one_month = (newest.year, newest.month) == (oldest.year, oldest.month)
    return f"{oldest.day if is_one_month else first} to {last}"


def say_moment(moment: datetime | None, year: int | None) -> str:
    """A moment as ``28 Nov 23:05``; with its year if that is another one."""
    return "" if moment is None else f"{say_day(moment, year)} {moment:%H:%M}"
