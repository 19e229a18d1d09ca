"""Several workflows over the last weeks: what their runs used, and how their blocks did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from retab_analysis.analysis import summarize_runs
from retab_analysis.analysis.periods import PERIOD, Length, end_of_day
from retab_analysis.analysis.result_summaries import count_results
from retab_analysis.checks.source import Source
from retab_analysis.checks.verdict import Memory
from retab_analysis.comparison.detail import ACCEPTED, BROKE, list_names
from retab_analysis.evidence.story import Story
from retab_analysis.markup import count_noun, one_line
from retab_analysis.render.document import (
    Card,
    Cell,
    Document,
    DocumentTable,
    Head,
    Heading,
    Note,
    Part,
    Row,
    Span,
    TableColumn,
    Tone,
    Trend,
    write_line,
)
from retab_analysis.render.door import Door
from retab_analysis.schema import ERAS, RUNS

PERIODS = 13
_ONE_DAY = timedelta(days=1)
_ABREAST = 5  # blocks in a line
USUAL = "1w"
UNREAD = "–"
"""The mark of a workflow that could not be read."""
BLOCKS = pl.Schema(
    {
        **dict.fromkeys(("workflow_id", "block_id", "block_label"), pl.String()),
        **dict.fromkeys(("n_evals", "broken"), pl.Int64()),
        **dict.fromkeys(("pass_rate", "pass_rate_before"), pl.Float64()),
    }
)
"""The columns of ``Overview.blocks``."""
TITLES = ("p95 duration", "runs · evals used", f"{ACCEPTED} failures")
_TRIGGERS = {"manual": "by hand", "api": "API", "schedule": "scheduled"}


def _no_runs() -> pl.DataFrame:
    return RUNS.empty().with_columns(pl.lit(None, pl.Int64).alias(PERIOD))


@dataclass(frozen=True, eq=False)
class Seen:
    """A workflow: its row of an overview, what broke, and its runs of the last periods.

    ``unwell`` are its evals that do not pass, ``notes`` those of its verdict.
    """

    told: Mapping[str, Any]
    heading: Heading
    broken: Sequence[Story] = ()
    until: date | None = None  # the earliest last day of an accepted failure
    unwell: pl.DataFrame | None = None
    notes: tuple[str, ...] = ()
    labels: Mapping[str, str | None] = field(default_factory=dict)
    runs: pl.DataFrame = field(default_factory=_no_runs)  # with the number of their period
    rates: pl.DataFrame | None = None  # by block and period; None without trends
    eras: pl.DataFrame = field(default_factory=ERAS.empty)
    read: tuple[int, int] = (0, 0)  # whole runs whose results were read, of all
    deleted: Sequence[tuple[str | None, str]] = ()  # evals of the last two periods: name and id


@dataclass(frozen=True)
class Periods:
    """Some periods of one length; the last one ends with the day of the newest run."""

    every: str
    starts: tuple[datetime, ...]
    end: datetime

    @classmethod
    def until(cls, newest: datetime, every: str) -> Periods:
        end_of = end_of_day(pl.lit(newest, pl.Datetime("us", "UTC")))
        back = pl.int_range(PERIODS, -1, -1, eager=True)
        *starts, end = pl.select(Length.read(every).go_back(end_of, pl.lit(back))).to_series()
        return cls(every, tuple(starts), end)

    def number(self, moment: str) -> pl.Expr:
        """The number of the period of a moment, from 0; null outside of all."""
        begun = pl.sum_horizontal((pl.col(moment) >= each).cast(pl.Int64) for each in self.starts)
        is_within = (pl.col(moment) < self.end) & (begun > 0)
        return pl.when(is_within).then(begun - 1).alias(PERIOD)

    def place(self, moment: datetime) -> float:
        return (moment - self.starts[0]) / (self.end - self.starts[0])

    def pick(self, rates: pl.DataFrame, column: str, before: int = 0) -> Any:
        found = rates.filter(pl.col(PERIOD) == len(self.starts) - 1 - before)[column]
        return found[0] if len(found) else None

    def draw(
        self, rates: pl.DataFrame, edits: Iterable[datetime | None], outages: pl.Series, what: str
    ) -> Trend:
        ends = (*self.starts[1:], self.end)
        known = rates.drop_nulls((PERIOD, "pass_rate")).sort(PERIOD).select(PERIOD, "pass_rate")
        points = [
            (self.place(self.starts[at] + (ends[at] - self.starts[at]) / 2), rate)
            for at, rate in known.iter_rows()
        ]
        within = sorted({at for at in edits if at and self.starts[0] <= at <= self.end})
        off = [at for at in outages if self.starts[0] <= at <= self.end]
        now = f"now {points[-1][1]:.0%}" if points else "no runs"
        marks, outages_at = (tuple(map(self.place, each)) for each in (within, off))
        return Trend(tuple(points), marks, outages_at, said=f"{what}: {now}")


def add_runs(seen: Seen, kept: Memory, span: Periods, gone: list[str], *, trends: bool) -> Seen:
    """Add the runs of these periods; with trends also the rates of blocks, and all edits.

    ``gone`` are the ids of deleted evals.
    """
    listing, source = kept.listing, kept.source
    listing.reach(span.starts[0] if trends else span.starts[-2])
    numbered = listing.present.with_columns(span.number("created_at"))
    runs = numbered.drop_nulls(PERIOD)
    if not trends:
        return replace(seen, runs=runs)
    whole = runs.filter(pl.col("is_terminal"), scope="workflow")
    chosen = _choose_runs(source, whole)
    results = source.read_results(chosen.drop(PERIOD)).with_columns(span.number("run_created_at"))
    keys = ("block_id", PERIOD)
    rates = count_results(results.lazy(), keys, [PERIOD], None, None).collect()
    evals = results.group_by(keys).agg(n_evals=pl.col("eval_id").n_unique().cast(pl.Int64))
    blocks = source.saved["block_id"].drop_nulls().unique(maintain_order=True).to_list()
    eras = source.read_eras(blocks)
    its = results.filter(pl.col("eval_id").is_in(gone), pl.col(PERIOD) >= len(span.starts) - 2)
    return replace(
        seen,
        runs=runs,
        rates=rates.join(evals, on=keys, nulls_equal=True),
        eras=ERAS.empty() if eras is None else eras,
        read=(chosen.height, whole.height),
        deleted=its.select("eval_name", "eval_id").unique().sort("eval_name", "eval_id").rows(),
    )


def _choose_runs(source: Source, whole: pl.DataFrame) -> pl.DataFrame:
    """Runs that were read anyway, and one of each other period; of an archive all."""
    if source.most_results:
        return whole
    is_read, is_outage = pl.col("run_id").is_in([*source.read_ids]), pl.col("is_outage")
    usable = whole.filter(~is_outage.fill_null(False)).sort("created_at")
    newest = usable.group_by(PERIOD).agg(pl.col("run_id").last())
    lacking = newest.filter(~pl.col(PERIOD).is_in(usable.filter(is_read)[PERIOD].implode()))
    return whole.filter(is_read | pl.col("run_id").is_in(lacking["run_id"].implode()))


def sum_up(seen: Seen, span: Periods) -> dict[str, Any]:
    """The figures of this period and the one before."""
    rates = summarize_runs(seen.runs, PERIOD)
    now = seen.runs.filter(pl.col(PERIOD) == len(span.starts) - 1)
    used = now.select(pl.sum_horizontal("passed", "failed", "blocked", "error").sum()).item()
    told: dict[str, Any] = {"runs": now.height, "evals_used": used}
    for name in ("pass_rate", "duration_ms_p95"):
        told[name], told[f"{name}_before"] = (span.pick(rates, name, at) for at in (0, 1))
    for name in ("duration_ms_p95", "duration_ms_p95_before"):
        told[name] = None if told[name] is None else round(told[name])
    return told


def list_blocks(seen: Seen, span: Periods) -> pl.DataFrame:
    """One row per block that ran in this period or is broken: those that fell most come first."""
    rows, broken = [], Counter(each.block_id for each in seen.broken)
    parts = {} if seen.rates is None else seen.rates.partition_by("block_id", as_dict=True)
    for (block,), its in parts.items():
        now, before = (span.pick(its, "pass_rate", at) for at in (0, 1))
        n = span.pick(its, "n_evals")
        if block is not None and (n is not None or broken[block]):
            about = seen.told["workflow_id"], block, seen.labels.get(block)
            rows.append((*about, n, broken[block], now, before))
    frame = pl.DataFrame(rows, schema=BLOCKS, orient="row")
    fell = (pl.col("pass_rate") - pl.col("pass_rate_before")).fill_null(0.0)
    return frame.sort(-pl.col("broken"), fell, "block_id")


def make_board(seen: Sequence[Seen], span: Periods, door: Door, more: Sequence[Part]) -> Document:
    """Some workflows as they stand, and their weeks; below them ``more``."""
    rows = [each.told for each in seen]
    has_trends = any(each.rates is not None for each in seen)
    asked = [each for each in rows if each["exit_code"] in (0, 1, 2)]
    failing = sum(each["exit_code"] == 1 for each in asked)
    unsure = sum(each["exit_code"] == 2 for each in asked)
    badge = f"{count_noun(failing, 'gate')} fail{'s' * (failing == 1)}"
    if not failing:
        badge = f"{unsure} undecided" if unsure else "all gates hold" if asked else ""
    tone: Tone = "bad" if failing else "doubt" if unsure else "good" if asked else "other"
    read_at = [each["read_at"] for each in rows if each["read_at"] is not None]
    as_of = f"as of {_say_day(max(read_at))}, {max(read_at):%H:%M} UTC" if read_at else ""
    context = write_line(_say_context(rows, span))
    head = Head(
        head_up(seen),
        context,
        badge,
        badge,
        tone,
        seen=as_of,
        judged=write_line(_say_news(seen, span) if seen else ""),
    )
    length, last = _say_length(span), name_failing(seen)
    days = f"{_say_day(span.starts[0])} to {_say_day(span.end, last=True)}"
    trend = [TableColumn(f"pass rate by {length}, {days}", "trend", in_text=False)] * has_trends
    figures = [TableColumn(each, "figure", in_text=False) for each in (f"this {length}", *TITLES)]
    name = TableColumn("workflow", "name"), TableColumn("as it is now", "name", in_text=False)
    told = tuple(_make_row(each, span, has_trends=has_trends) for each in seen)
    parts: list[Part] = [DocumentTable((*name, *trend, *figures), told), *more]
    if has_trends and door.passing:
        parts += _make_blocks(seen, span)
        parts += [Note(write_line(Span(each, "quiet"))) for each in (_LEGEND, _say_read(seen))]
    parts += [Note(write_line(last))] if last else []
    return Document(head, parts=tuple(parts))


def name_failing(seen: Sequence[Seen]) -> str:
    """The workflows whose gates fail."""
    codes = [each.told["exit_code"] for each in seen]
    failing = [_name(each.told) for each in seen if each.told["exit_code"] == 1]
    asked = any(each is not None for each in codes)
    return f"Failing: {'; '.join(failing)}." if failing else "No gate fails." if asked else ""


_LEGEND = (
    "A line is the pass rate of whole runs, between 50 and 100 %. A dashed mark is an edit of the "
    "block (above: of any block). A square is an outage, which is left out."
)


def head_up(seen: Sequence[Seen]) -> Heading:
    """One line about all workflows."""
    codes = [each.told["exit_code"] for each in seen]
    broken = [each.told["broken"] or 0 for each in seen]
    unread = sum(each.heading.sign == UNREAD for each in seen)
    return sum_up_all(len(seen), broken, [e for e in codes if e in (0, 1, 2)], unread=unread)


def sum_up_all(
    total: int, broken: Sequence[int], codes: Sequence[int], reading: int = 0, unread: int = 0
) -> Heading:
    """One line about so many workflows: it sums only what was read, and claims nothing else.

    ``broken`` are numbers of broken evals, ``codes`` those of the gates that were asked.
    """
    flows, which = count_noun(total, "workflow"), sum(each > 0 for each in broken)
    rest = f", reading {reading}" * bool(reading) + f", {unread} could not be read" * bool(unread)
    if which:
        strong = f"{flows}: {which} with broken evals"
        return Heading("✗", "bad", strong, f" ({count_noun(sum(broken), 'eval')}){rest}")
    if failing := codes.count(1):
        gates = f"{count_noun(failing, 'gate')} fail{'s' * (failing == 1)}"
        return Heading("✗", "bad", f"{flows}: {gates}", rest)
    if reading:
        return Heading("…", "other", flows, f": {rest.removeprefix(', ')}")
    if unsure := codes.count(2):
        return Heading("?", "doubt", f"{flows}: {unsure} undecided", f", nothing {BROKE}{rest}")
    if not codes:
        said = f"{flows}: nothing to judge yet" if total else "There is no workflow"
        return Heading("○", "other", said, rest)
    sign: tuple[str, Tone] = ("?", "doubt") if unread else ("✓", "good")
    return Heading(*sign, f"{flows}: nothing {BROKE}", rest)


def _say_context(rows: Sequence[Mapping[str, Any]], span: Periods) -> str:
    first, last = _say_day(span.starts[-1]), _say_day(span.end, last=True)
    what = "Week of " if span.every == USUAL else ""
    runs, used = (sum(each[name] or 0 for each in rows) for name in ("runs", "evals_used"))
    counted = f"{count_noun(runs, 'run')}, {count_noun(used, 'eval')} used"
    when = f"{what}{first} to {last} {span.starts[-1].year}"
    return " · ".join((when, count_noun(len(rows), "workflow"), counted))


def _say_news(seen: Sequence[Seen], span: Periods) -> str:
    broke_at = (its.since_at for each in seen for its in each.broken if its.since_at is not None)
    new = sum(at >= span.starts[-1] for at in broke_at)
    said = [f"new this {_say_length(span)}: {new or 'nothing'} {BROKE}"]
    off = pl.concat([_no_runs(), *(each.runs for each in seen)]).filter(
        pl.col("is_outage").fill_null(False), pl.col("created_at") >= span.starts[-1]
    )
    if off.height:
        days = ", ".join(dict.fromkeys(map(_say_day, off["created_at"].sort())))
        said.append(
            f"{count_noun(off.height, 'outage')} on {days}, left out of rates and durations"
        )
    if gone := [named for each in seen for named in each.deleted]:
        said.append(f"{count_noun(len(gone), 'deleted eval')}: {list_names(gone, 3)}")
    return " · ".join(said)


def _say_read(seen: Sequence[Seen]) -> str:
    read, whole = (sum(each) for each in zip(*(each.read for each in seen), strict=True))
    which = "those that a check reads, and one for each other week"
    return f"Blocks: from {read} of {count_noun(whole, 'whole run')}" + (
        f": {which}." if read < whole else "."
    )


def _make_row(seen: Seen, span: Periods, *, has_trends: bool) -> Row:
    row, heading = seen.told, seen.heading
    evals = count_noun(row["n_evals"], "eval") if row["n_evals"] else None
    about = " · ".join(filter(None, (row["version"], evals)))
    strong = Span(heading.strong, "strong")
    named = write_line(Span(_name(row), title=row["workflow_id"]))
    brief = write_line(f"{heading.strong}{heading.rest}")
    name = Cell("name", tuple(filter(None, (named, write_line(Span(about, "quiet"))))))
    says = Cell("headline", (write_line(strong, heading.rest),))
    cells = [Cell("trend", trend=_draw_rates(seen, span))] if has_trends else []
    if not row["runs"] and row["pass_rate_before"] is None:
        cells += [Cell("figure")] * (1 + len(TITLES))
    else:
        n, last = row["accepted"] or 0, f"last day {_say_day(seen.until)}" if seen.until else ""
        took, before = (_say_time(row[f"duration_ms_p95{each}"]) for each in ("", "_before"))
        used = f"{row['runs']} · {row['evals_used']:,}"
        cells += [
            _figure(_say_rate(row["pass_rate"]), _say_change(row)),
            _figure(took, f"before: {before}"),
            _figure(used, _say_triggers(seen.runs, span)),
            _figure(str(n or "none"), last * bool(n)),
        ]
    word = {0: "holds", 1: "fails", 2: "undecided"}.get(row["exit_code"], "not judged")
    cells = [name, says, *cells]
    return Row(row["workflow_id"], heading.sign, heading.tone, word, tuple(cells), brief)


def _figure(strong: str, below: str) -> Cell:
    lines = write_line(Span(strong, "strong")), write_line(Span(below, "quiet"))
    return Cell("figure", tuple(filter(None, lines)))


def _draw_rates(seen: Seen, span: Periods) -> Trend | None:
    if seen.rates is None:
        return None
    weekly = summarize_runs(seen.runs, PERIOD)
    off = seen.runs.filter(pl.col("is_outage").fill_null(False))["created_at"]
    drawn = span.draw(weekly, seen.eras["first_seen_at"], off, "pass rate")
    return replace(drawn, tone="bad" if seen.told["broken"] else "other")


def _make_blocks(seen: Sequence[Seen], span: Periods) -> Iterator[Part]:
    """The blocks as columns: those with broken evals first, then those that fell most."""
    none = pl.Series([], dtype=pl.Datetime("us", "UTC"))
    for workflow in seen:
        if (rates := workflow.rates) is None:
            continue
        known, tables = list_blocks(workflow, span).to_dicts(), list[Part]()
        for at in range(0, len(known), _ABREAST):
            columns, cells = [], []
            for each in known[at : at + _ABREAST]:
                its = {"block_id": each["block_id"]}
                label = one_line(each["block_label"] or each["block_id"], 80)
                edits = workflow.eras.filter(**its)["first_seen_at"]
                drawn = span.draw(rates.filter(**its), edits, none, label)
                trend = replace(drawn, tone="bad" if each["broken"] else "other")
                rate = Span(_say_rate(each["pass_rate"]), "wrong" if each["broken"] else "strong")
                of = "–" if each["n_evals"] is None else each["n_evals"]
                columns.append(TableColumn(label, "trend"))
                cells.append(Cell("trend", (write_line(rate, f" of {of}"),), trend=trend))
            tables.append(DocumentTable(tuple(columns), (Row("", "", "other", "", tuple(cells)),)))
        title = write_line(Span(_name(workflow.told), "strong"), ": its blocks")
        yield Card("other", title, (), tuple(tables))


def _name(row: Mapping[str, Any]) -> str:
    return one_line(row["name"] or row["workflow_id"], 80)


def _say_length(span: Periods) -> str:
    return "week" if span.every == USUAL else "period"


def _say_day(moment: date, *, last: bool = False) -> str:
    """A day, or the last one before a moment."""
    day = moment - _ONE_DAY if last else moment
    return f"{day.day} {day:%b}"


def _say_rate(rate: float | None) -> str:
    return "–" if rate is None else f"{100 * rate:.0f} %"


def _say_change(row: Mapping[str, Any]) -> str:
    now, before = row["pass_rate"], row["pass_rate_before"]
    if now is None:
        return "" if before is None else f"before: {_say_rate(before)}"
    if before is None:
        return ""
    points = round(100 * now) - round(100 * before)
    if not points:
        return "as before"
    return f"{'+' if points > 0 else '−'}{count_noun(abs(points), 'point')}"


def _say_time(milliseconds: int | None) -> str:
    if milliseconds is None:
        return "–"
    seconds = milliseconds / 1000
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _say_triggers(runs: pl.DataFrame, span: Periods) -> str:
    now = runs.filter(pl.col("created_at") >= span.starts[-1])
    counted = Counter(_TRIGGERS.get(each or "", each or "unknown") for each in now["trigger_type"])
    if len(counted) == 1 and now.height > 1:
        return f"all {next(iter(counted))}"
    return ", ".join(f"{n} {word}" for word, n in counted.most_common(3))
