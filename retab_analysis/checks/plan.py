"""Which runs a check reads, and why: only this module decides it.

listed
    The newest 100; more pages, ten at most, until ``history`` earlier whole runs are known.
checked
    The runs that were asked for. Else the newest run of the whole workflow that completed,
    or has a result of each eval all the same. Else the newest that decided something. Without one,
    the newest run of each block.
since it
    Runs of blocks and of single evals, and runs of the workflow that were cut short: the newest 40,
    up to the next whole run. Each block's newest run comes first, runs of evals that simply pass
    come last.
the baseline
    If one was asked for.
earlier
    ``history`` whole runs that decided something: four fifths are the newest. Half of the rest are
    the oldest that are listed, the other half are spread between.
earlier, of a block or an eval
    The oldest and the newest of each and of each version, 12 at most. If no whole run is checked,
    also the runs since the whole run before: an eval that broke there stays broken.

A version
    Of the whole workflow: the newest 9 before the next publication, and the newest 15 that carry
    its id. Around its moment: the newest 3 before it, the oldest 3 after it. Of blocks and evals, 6
    of each kind. Of ``"previous"``, only what is read anyway. If a version is checked
    without a baseline, also what a check of the draft reads.

No other run displaces a whole run. The last pass that a saved eval remembers is one more row, see
:mod:`retab_analysis.checks.read`. An eval that failed in all of these is failing as before.

With an archive the list is whole. A check reads all runs that decided something, up to a million
results.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import polars as pl

from retab_analysis.arguments import naming
from retab_analysis.checks.moments import find_following, find_moment, say_newest, say_unknown
from retab_analysis.checks.source import Source
from retab_analysis.comparison.sides import PLAN
from retab_analysis.errors import ConfigError, NotFoundError
from retab_analysis.evidence.comparable import HORIZON
from retab_analysis.evidence.versions import Moment
from retab_analysis.fetch.lists import refuse_unknown
from retab_analysis.fetch.params import RunList, Runs
from retab_analysis.fetch.runs import fetch_run
from retab_analysis.fetch.starts import SAVE_FIRST, count
from retab_analysis.schema import RUNS

HISTORY = 30
"""How many earlier runs of the whole workflow a check reads by default."""

LAST_GOOD = "last_good"
"""Compare each eval with its own last good result."""

MOST_PAGES = 10
MOST_SINCE, MOST_PARTS = 40, 12
CARRYING, OF_VERSION, AROUND, PARTS_OF_VERSION = 15, 9, 3, 6
OLD = timedelta(days=30)
AHEAD = timedelta(hours=1)
_MOMENT = pl.Datetime("us", "UTC")

Asked = Runs | date | None
"""Runs, or a version by one of its names."""

WHOLE = pl.col("scope") == "workflow"
DECIDED = pl.sum_horizontal("passed", "failed", "blocked")
DECIDED_ANY = pl.col("is_terminal") & (
    # If a run does not count, only reading it tells.
    (DECIDED > 0) | pl.any_horizontal(pl.col("passed", "failed", "blocked").is_null())
)
SAYS_SOMETHING = DECIDED_ANY | (pl.col("is_terminal") & (pl.col("error") > 0))
STANDS = (
    WHOLE
    & pl.col("is_terminal")
    & (
        (pl.col("status") == "completed")
        | (DECIDED + pl.col("error") >= pl.col("total_evals")).fill_null(False)
    )
)
"""Runs of the whole workflow that completed, or ended with a result of each eval all the same."""


@dataclass(slots=True)
class RunListing:
    """The newest runs of a workflow; it lists older ones if needed."""

    source: Source
    runs: pl.DataFrame = field(default_factory=RUNS.empty)
    pages_left: int = MOST_PAGES
    is_whole: bool = False  # whether there are no other runs
    skipped: bool = False  # whether runs between the listed ones are missing
    shown: frozenset[str] = frozenset()  # runs that a page shows beside the verdict

    @classmethod
    def read(cls, source: Source) -> RunListing:
        """Read the newest runs, and at the same time the other lists of the source."""
        listing = cls(source)
        source.read_workflow(listing.read_older)
        return listing

    def _read_page(self, to_date: datetime | None) -> None:
        page, is_last = self.source.list_runs(to_date)
        before = self.runs.height
        self.add(page)
        self.pages_left -= 1
        if is_last or self.runs.height == before:
            self.pages_left, self.is_whole = 0, True

    def read_older(self) -> bool:
        before = self.runs.height
        if self.pages_left > 0:
            self._read_page(self.oldest)
        return self.runs.height > before

    def reach(self, moment: datetime | None) -> None:
        def is_beyond() -> bool:
            return moment is not None and self.oldest is not None and moment < self.oldest

        while is_beyond() and self.read_older():
            pass
        if is_beyond() and not self.is_whole:
            self._read_page(moment)
            self.skipped = True

    @property
    def oldest(self) -> datetime | None:
        moment: datetime | None = self.runs.select(pl.col("created_at").min()).item()
        return moment

    def add(self, runs: pl.DataFrame) -> None:
        merged = pl.concat([runs, self.runs]).unique("run_id", keep="first", maintain_order=True)
        self.runs = merged.sort("created_at", "run_id", descending=True, nulls_last=True)

    @property
    def is_future(self) -> pl.Expr:
        """Whether a run is dated in the future."""
        latest = self.source.client.api_time + AHEAD
        return (pl.col("created_at") > latest).fill_null(False)

    @property
    def present(self) -> pl.DataFrame:
        return self.runs.filter(~self.is_future)

    def __str__(self) -> str:
        return say_newest(self.runs, self.source.client.api_time.year)


@dataclass(frozen=True, eq=False)
class Choice:
    """Some runs, and why these."""

    runs: pl.DataFrame
    why: str


DRAFT_NOW = Moment("", "draft")


@dataclass(frozen=True, eq=False)
class ReadingPlan:
    """The runs to read: a RUNS frame with ``why``, the candidate included."""

    candidate: Choice
    follow: bool  # whether later runs of a block may take the candidate's place
    baseline: Choice | None  # None if each eval is compared with its own past
    read: pl.DataFrame
    listing: RunListing
    horizon: datetime | None = None  # rows before it only tell since when
    after_gaps: frozenset[str] = frozenset()  # there are unread whole runs before these
    open_runs: pl.DataFrame = field(default_factory=RUNS.empty)  # newer ones that have not ended
    now: Moment | None = DRAFT_NOW  # the checked version; None if runs were asked for
    before: Moment | None = None  # the version it is compared with
    notes: tuple[str, ...] = ()

    @property
    def past(self) -> Moment | None:
        """The checked version, if it is not the draft."""
        return None if self.now is None or self.now.kind == "draft" else self.now

    def tabulate(self) -> pl.DataFrame:
        """The plan as a frame; its last row says where the list ends, and how many are not kept."""
        listing = self.listing
        where = listing.source.say_where(self.read, is_whole=listing.is_whole)
        last = (None, listing.oldest, None, f"{listing.runs.height} runs are {where}")
        rows = self.read.sort("created_at", "run_id", descending=True, nulls_last=True)
        end = pl.DataFrame([last], schema=PLAN, orient="row")
        return pl.concat([rows.select(PLAN.names()), end])


@dataclass(frozen=True, slots=True)
class Limits:
    """How many runs are read: whole ones before the checked one, and runs of blocks and evals.

    ``since`` is the limit of the latter after the checked run. ``parts`` is theirs before it: the
    oldest and the newest of each block, or eval, and version; ``of_all``: all of them.
    """

    whole: int
    since: int = MOST_SINCE
    parts: int = MOST_PARTS
    of_all: bool = False

    @classmethod
    def choose(cls, history: int, source: Source) -> Limits:
        """The limits of a check: by default all runs that need no request."""
        if not source.most_results or history != HISTORY:
            return cls(history)
        most = max(HISTORY, source.most_results // max(source.saved.height, 1))
        return cls(most, most, most, of_all=True)


def make_plan(
    listing: RunListing, candidate: Asked | Choice, baseline: Asked, limits: Limits
) -> ReadingPlan:
    wanted = None if isinstance(candidate, Choice) else _name("candidate", candidate, listing)
    before = _name("baseline", baseline, listing)
    past = None if wanted is None or wanted.kind == "draft" else wanted
    if wanted is not None and before is not None and wanted.place == before.place:
        raise ConfigError(
            f"baseline={baseline!r} and candidate={candidate!r} are the same version; name two"
        )
    if past is not None and past.kind == "previous":
        raise ConfigError('candidate="previous": only a baseline can be the previous code')
    if past is not None and before is not None:
        return _plan_versions(listing, before, past)
    if isinstance(candidate, Choice):
        now = candidate
    else:
        now = _find_candidate(listing, None if wanted is not None else candidate)
    created = pl.col("created_at")
    begun, newest = now.runs.select(created.min(), newest=created.max()).row(0)
    listing.reach(begun)
    while _earlier(listing, begun).height < limits.whole and listing.read_older():
        pass
    against = None
    with naming("baseline"):
        if before is not None:
            against = _choose_of_version(listing, before)
        elif not (isinstance(baseline, str) and baseline == LAST_GOOD):
            against = _find_baseline(listing, now, baseline)
    with naming("candidate"):
        of_past = None if past is None else _choose_of_version(listing, past)
    is_own = pl.col("run_id").is_in(now.runs["run_id"].implode())
    newer = listing.runs.filter(~is_own, (created > newest).fill_null(True))
    since = _choose_since(listing, newer, newest, limits)
    earlier = _earlier(listing, begun)
    chosen = _choose_earlier(earlier, limits.whole)
    parts = _choose_parts(listing, now.runs, limits)
    reasons = (
        (now.runs, f"checked: {now.why}"),
        *([(against.runs, f"the baseline{f': {before}' if before else ''}")] if against else []),
        *([(of_past.runs, of_past.why)] if of_past else []),
        (since, "since the checked run"),
        (chosen, "an earlier run of the whole workflow"),
        (parts, "an earlier run of a block or of single evals"),
    )
    read = _join(reasons)
    return ReadingPlan(
        candidate=now,
        follow=wanted is not None,
        baseline=against,
        read=read,
        listing=listing,
        horizon=earlier["created_at"][HORIZON - 1] if earlier.height >= HORIZON else None,
        after_gaps=_find_gaps(earlier, read["run_id"], now.runs),
        open_runs=newer.filter(~pl.col("is_terminal") | listing.is_future, pl.lit(past is None)),
        now=wanted,
        before=before,
        notes=() if past else _note_left_out(listing, newer.filter(created > newest)),
    )


def _name(name: str, asked: Asked, listing: RunListing) -> Moment | None:
    """The version that an argument names; None if it names runs."""
    if asked is None:
        return DRAFT_NOW
    if isinstance(asked, str) and (
        asked == LAST_GOOD or asked in listing.runs["run_id"] or not asked.strip()
    ):
        return None
    return find_moment(name, asked, listing.source, listing.runs)


def _join(reasons: Sequence[tuple[pl.DataFrame, str]]) -> pl.DataFrame:
    every = pl.concat([runs.with_columns(why=pl.lit(why)) for runs, why in reasons])
    return every.unique("run_id", keep="first", maintain_order=True)


def _plan_versions(listing: RunListing, before: Moment, now: Moment) -> ReadingPlan:
    against, checked = (_choose_of_version(listing, each) for each in (before, now))
    read = _join([(checked.runs, f"checked: {now}"), (against.runs, f"the baseline: {before}")])
    return ReadingPlan(
        candidate=checked,
        follow=False,
        baseline=against,
        read=read,
        listing=listing,
        now=now,
        before=before,
    )


def _choose_of_version(listing: RunListing, moment: Moment) -> Choice:
    """The runs that may have results on the code of a version."""
    following, created = find_following(listing.source, moment), pl.col("created_at")
    if moment.kind == "previous":
        return Choice(listing.runs.clear(), f"the runs of {moment}")
    at = pl.lit(moment.at, _MOMENT)
    carries = pl.col("workflow_version_id") == pl.lit(moment.version, pl.String)
    is_before = pl.lit(True) if following is None else created < following

    def choose() -> tuple[pl.DataFrame, list[pl.DataFrame]]:
        runs = listing.present.filter(SAYS_SOMETHING)
        its, own = runs.filter(is_before), runs.filter(carries.fill_null(False))
        around = its.filter(created <= at), its.filter(created > at)
        near = pl.concat([its.filter(WHOLE).head(OF_VERSION), *around])
        if moment.kind == "run id":
            its, around = own, (own.clear(), own.clear())
        elif not near.filter(carries).is_empty():
            own = own.clear()
        whole = its.filter(WHOLE).head(OF_VERSION), own.filter(WHOLE).head(CARRYING)
        beside = around[0].filter(WHOLE).head(AROUND), around[1].filter(WHOLE).tail(AROUND)
        parts = [each.filter(~WHOLE).head(PARTS_OF_VERSION) for each in (its, own, around[0])]
        if moment.kind == "edit":  # its runs come after it
            parts.append(around[1].filter(~WHOLE).tail(PARTS_OF_VERSION))
        return beside[0], [*whole, *beside, *parts]

    listing.reach(moment.at)
    while choose()[0].height < AROUND and moment.kind != "run id" and listing.read_older():
        pass
    if moment.kind == "time" and listing.present.filter(created <= at).is_empty():
        first = f"; the first listed run is of {listing.oldest:%-d %b %Y}" if listing.oldest else ""
        raise ConfigError(f"{moment}: nothing had run then{first}")
    every = pl.concat(choose()[1]).unique("run_id").sort("created_at", "run_id", descending=True)
    return Choice(every, f"the runs of {moment}")


def _find_candidate(listing: RunListing, wanted: Asked) -> Choice:
    if wanted is not None:
        with naming("candidate"):
            return _find(listing, "candidate", wanted)
    while (found := listing.present.filter(STANDS).head(1)).is_empty() and listing.read_older():
        pass
    if not found.is_empty():
        return Choice(found, "the newest run of the whole workflow")
    runs = listing.present
    if runs.is_empty():
        raise ConfigError(_say_nothing_ran(listing.source))
    cut = runs.filter(WHOLE, DECIDED_ANY).head(1)
    if not cut.is_empty():
        return Choice(cut, "the newest run of the whole workflow that decided something")
    parts = runs.filter(~WHOLE, DECIDED_ANY)
    if not parts.is_empty():
        newest = _newest_parts(parts)
        return Choice(newest, "the newest run of each block: none of the whole workflow stands")
    ended = runs.filter(WHOLE, "is_terminal")
    return Choice((runs if ended.is_empty() else ended).head(1), "the newest run")


def _find_baseline(listing: RunListing, candidate: Choice, wanted: Asked) -> Choice:
    found = _find(listing, "baseline", wanted)
    if set(found.runs["run_id"]) & set(candidate.runs["run_id"]):
        raise ConfigError(
            f"baseline={wanted!r} is the run that is checked; name an earlier one. {listing}"
        )
    return found


def _find(listing: RunListing, name: str, wanted: Asked) -> Choice:
    assert wanted is not None
    assert not isinstance(wanted, date)
    if isinstance(wanted, str) and not wanted.strip():
        raise ConfigError(f"{name} is empty; give a run, a version or a date")
    listed = RunList.make(wanted, name)
    if not listed.ids:
        raise ConfigError(f"{name} names no run")
    known = listed.known
    # A frame from the start of the runs does not show how they are now.
    if known is None or known.columns != listing.runs.columns or not known["is_terminal"].all():
        known = pl.concat([_find_run(listing, name, each, wanted) for each in listed.ids])
    workflow_id = listing.source.workflow_id
    if others := set(known["workflow_id"].drop_nulls()) - {workflow_id}:
        raise ConfigError(f"{name} is of workflow {', '.join(sorted(others))}, not {workflow_id}")
    return Choice(known, "as given")


def _find_run(listing: RunListing, name: str, run_id: str, wanted: Asked) -> pl.DataFrame:
    known = listing.runs.filter(pl.col("run_id") == run_id)
    if not known.is_empty():
        return known
    try:
        return fetch_run(run_id, client=listing.source.client)
    except NotFoundError:
        told = f"{name}: {run_id!r} is not a run of this workflow. {listing}"
        if isinstance(wanted, str):  # which may be a version, too
            told = say_unknown(name, run_id, listing.source, listing.runs)
        raise ConfigError(told) from None


def _say_nothing_ran(source: Source) -> str:
    name = source.workflow_id
    refuse_unknown(source.client, {"workflow_id": [name]}, source.saved)
    if source.saved.is_empty():
        return f"workflow {name} has no saved eval; {SAVE_FIRST.format(name)}"
    start = f"run = ra.start_runs({name!r}), or check --start, runs all of them"
    evals = f"its {count(source.saved.height, 'saved eval')} never ran"
    return (
        f"workflow {name} has no run yet, {evals}: {start}. {source.client.describe_environment()}"
    )


def _newest_parts(runs: pl.DataFrame) -> pl.DataFrame:
    blocks = runs.filter(scope="block").unique("target_block_id", keep="first")
    is_known = pl.col("target_block_id").is_in(blocks["target_block_id"].drop_nulls().implode())
    singles = runs.filter(~is_known.fill_null(False), scope="eval").unique("eval_id", keep="first")
    return pl.concat([blocks, singles]).sort("created_at", "run_id", descending=True)


def _earlier(listing: RunListing, begun: datetime | None) -> pl.DataFrame:
    return listing.present.filter(WHOLE, DECIDED_ANY, pl.col("created_at") < begun)


def _choose_earlier(earlier: pl.DataFrame, history: int) -> pl.DataFrame:
    """Choose four fifths the newest; half of the rest the oldest, half spread between."""
    if earlier.height <= history:
        return earlier
    others = history // 5
    oldest = others - others // 2
    newest = history - others
    between = range(newest, earlier.height - oldest)
    spread = others - oldest
    step = len(between) / spread if spread else 0
    places = [between[int((at + 0.5) * step)] for at in range(spread)]
    kept = [*range(newest), *places, *range(earlier.height - oldest, earlier.height)]
    return earlier[kept]


def _choose_since(
    listing: RunListing, newer: pl.DataFrame, newest: datetime | None, limits: Limits
) -> pl.DataFrame:
    """The runs since the candidate, up to the next whole run that stands."""
    if listing.skipped:
        return newer.clear()
    later = newer.filter(pl.col("created_at") > newest, ~listing.is_future)
    following = later.filter(STANDS)["created_at"].min()
    if following is not None:
        later = later.filter(pl.col("created_at") < following)
    return _list_since(later, newest, listing.source.saved, limits.since)


def _list_since(
    runs: pl.DataFrame, moment: datetime | None, saved: pl.DataFrame, most: int
) -> pl.DataFrame:
    """The newest runs since a moment: the newest of each block, then the others."""
    passes = saved.filter(
        pl.col("latest_run_outcome") == "passed",
        (pl.col("last_failed_at") < pl.lit(moment, _MOMENT)).fill_null(True),
    )["eval_id"]
    is_plain = pl.col("eval_id").is_in(passes.implode()).fill_null(False)
    is_first = pl.struct("scope", "target_block_id").is_first_distinct()
    is_present = (pl.col("scope") == "block") & is_first
    ended = runs.filter(SAYS_SOMETHING)
    # A run that was cancelled, or goes on, still tells its code.
    others = runs.join(ended, on="run_id", how="anti")
    kinds = ("scope", "target_block_id", "eval_id", "is_terminal")
    named = others.unique(kinds, keep="first", maintain_order=True)
    chosen = ended.sort(~is_present, is_plain, maintain_order=True).head(most)
    return pl.concat([chosen, named.head(MOST_PARTS)])


def _choose_parts(listing: RunListing, candidate: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    """Runs of blocks and evals before the candidate, see :class:`Limits`.

    If no whole run is checked, also the runs since the one before: no other run tells how the evals
    that broke there stand now.
    """
    begun = candidate["created_at"].min()
    before = listing.present.filter(pl.col("created_at") < begun)
    parts = before.filter(~WHOLE, DECIDED_ANY)
    keys = ("target_block_id", "eval_id", "workflow_version_id")
    ends = [parts.unique(keys, keep=end, maintain_order=True) for end in ("first", "last")]
    both = parts if limits.of_all else pl.concat(ends).unique("run_id", maintain_order=True)
    order = pl.col("scope") != "block", "created_at"
    chosen = both.sort(order, descending=[False, True], nulls_last=True).head(limits.parts)
    if not candidate.filter(WHOLE).is_empty():
        return chosen
    last: datetime | None = before.filter(STANDS)["created_at"].max()  # type: ignore[assignment]
    since = (pl.col("created_at") > pl.lit(last, _MOMENT)).fill_null(last is None)
    saved = listing.source.saved
    newest = _list_since(before.filter(~WHOLE, since), last, saved, limits.since)
    return pl.concat([newest, chosen]).unique("run_id", keep="first", maintain_order=True)


def _find_gaps(earlier: pl.DataFrame, read: pl.Series, candidate: pl.DataFrame) -> frozenset[str]:
    """The ids of runs to read whose previous whole run is not read."""
    is_read = earlier["run_id"].is_in(read.implode())
    after = earlier["run_id"].filter(is_read & ~is_read.shift(-1, fill_value=True))
    is_next = is_read.head(1).all()
    return frozenset(after) | (frozenset() if is_next else frozenset(candidate["run_id"]))


def _note_left_out(listing: RunListing, newer: pl.DataFrame) -> tuple[str, ...]:
    """Notes about newer runs of the whole workflow than the checked one."""
    notes, whole = [], newer.filter(WHOLE)
    is_shown = pl.col("run_id").is_in([*listing.shown])
    for run in whole.filter(~is_shown, ~listing.is_future).head(1).iter_rows(named=True):
        done = sum(run[name] or 0 for name in ("passed", "failed", "blocked", "error"))
        how_far = f"{done} of {run['total_evals']} evals"
        if not run["is_terminal"]:
            notes.append(f"A newer run goes on ({how_far} so far) and is left out.")
        elif run["status"] != "completed":
            word = "was cancelled" if run["status"] == "cancelled" else "broke off"
            notes.append(f"The newest run {word} after {how_far}.")
    if whole.filter(listing.is_future).height:
        notes.append("A run that is dated in the future is left out.")
    return tuple(notes)
