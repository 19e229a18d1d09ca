"""The two sides of a comparison: for each eval what it is held against, and what it does now.

Which of the earlier results an eval is held against is chosen here, once. Everything that is shown
of a side (state, values, run) comes from the results that were chosen; what is *concluded* comes
from all comparable results, see :mod:`retab_analysis.evidence`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from retab_analysis.comparison.config_changes import Edits
from retab_analysis.errors import ConfigError
from retab_analysis.evidence.comparable import BASELINE, CANDIDATE, DEFINITION, NEEDED, Ledger
from retab_analysis.schema import RESULTS, checked
from retab_analysis.vocabulary import (
    BLOCK_CODE,
    DECIDED,
    NOT_PASSING,
    combined_state,
    eval_rate,
    first_that_holds,
    state_counts,
)

_DEFINITION_WORDS = dict(zip(DEFINITION, ("inputs", "condition", "expected value"), strict=True))
_FRAMES = (pl.DataFrame, pl.LazyFrame)
_SHOWN = (
    *("eval_name", "block_id", "document_names", "condition", "expected_value", "actual_value"),
    *("failure_code", "failure_message", "status_message", "run_id", "result_id"),
    *("workflow_version_id", "moment"),
)
_COUNTED = ("state", "moment", "score", "threshold", "duration_ms", BLOCK_CODE, "eval_name")
READ = tuple(
    dict.fromkeys(
        (
            *(*NEEDED, *_SHOWN[:-1], "path", "document_ids"),
            *("score", "threshold", "duration_ms", "created_at"),
        )
    )
)
"""The columns of a RESULTS frame that a comparison reads."""

_OPTIONAL = (
    *("condition", "path", "document_ids", "completed_at", "run_scope", "run_completed_at"),
    *("failure_code", "failure_message", "status_message"),
)
# What is only shown, or sharpens what is said; a frame that lacks one of them can be compared too.


PLAN = pl.Schema(
    {
        "run_id": pl.String(),
        "created_at": pl.Datetime("us", "UTC"),
        "scope": pl.String(),
        "why": pl.String(),
    }
)
"""Which runs were read and why, one row per run; the last row says where the list stopped."""

ReadLabels = Callable[[], Mapping[str, str | None] | None]
"""Gives the labels of a workflow's blocks by their ids, or None where nobody can be asked."""


@dataclass(frozen=True, eq=False)
class Sides:
    """What is compared: the frames, and what is known of the runs and evals beside them.

    Without a ``baseline`` each eval is held against its own last good result in the ``history``.
    ``unedited`` says what is left out where only what nobody edited is judged. None means: not
    known.
    """

    candidate: pl.DataFrame
    baseline: pl.DataFrame | None = None
    history: pl.DataFrame | None = None
    runs: pl.DataFrame | None = None
    saved: pl.DataFrame | None = None
    expected: frozenset[str] | None = None  # evals of which the candidate ought to have a result
    pending: frozenset[str] = frozenset()  # those of which one is still to come
    edited_since: frozenset[str] = frozenset()  # those that were edited after they were run last
    tried: pl.DataFrame | None = None  # on code that was edited after the candidate: judge nothing
    unnamed: int = 0  # results that are missing from the candidate's runs, or contradict these
    changed_blocks: frozenset[str] | None = None
    compared: str | None = None
    notes: tuple[str, ...] = ()
    plan: pl.DataFrame | None = None
    horizon: datetime | None = None  # rows before it only say since when
    after_gaps: frozenset[str] = frozenset()  # runs before which some were not read
    started: pl.DataFrame | None = None  # reruns whose results are not counted yet
    waiting: tuple[int, int] = (0, 0)  # how many results are still to come, of how many
    edits: Edits | None = None
    unedited: str | None = None
    workflow: pl.DataFrame | None = None
    versions: pl.DataFrame | None = None
    read_labels: ReadLabels | None = None

    def condition_kind(self, eval_id: str) -> str | None:
        """Which kind of condition an eval has, as the newest side that knows it says."""
        for side in (self.candidate, self.baseline, self.history):
            if side is not None:
                known = side.filter(pl.col("eval_id") == eval_id)["condition_kind"].drop_nulls()
                if len(known):
                    return str(known[-1])
        return None

    def asserted_paths(self) -> dict[str, str]:
        """Which part of its block's output each eval looks at, where that is known."""
        known = self.candidate.select("eval_id", "path").drop_nulls()
        return dict(known.unique("eval_id", keep="last", maintain_order=True).iter_rows())


def check_results(frame: object, name: str, also: Sequence[str] = ()) -> pl.LazyFrame:
    """The columns that a comparison reads, of a RESULTS frame; and ``also``, a user's own too."""
    columns = list(dict.fromkeys((*READ, *also)))
    there = set(frame.collect_schema()) if isinstance(frame, _FRAMES) else set(columns)
    absent = [each for each in _OPTIONAL if each not in there]
    needed = [each for each in columns if each in RESULTS.schema and each not in absent]
    known = checked(frame, RESULTS, needed, name)
    filled = [pl.lit(None, RESULTS.schema[each]).alias(each) for each in absent]
    return known.with_columns(filled).select(columns)


def check_one_workflow(*frames: pl.DataFrame | None) -> None:
    """Refuse results of two workflows: their evals have nothing to do with one another."""
    named = pl.concat([each["workflow_id"] for each in frames if each is not None])
    found = named.drop_nulls().unique().sort()
    if len(found) > 1:
        raise ConfigError(
            "these results are of different workflows, which cannot be compared: "
            f"{', '.join(found.head(5))}; filter the frames by workflow_id first"
        )


def choose_baseline(ledger: Ledger) -> pl.DataFrame:
    """The earlier results, ``eval, at``, that each eval is held against, if there is a baseline.

    These are the comparable decided results of the baseline, all of them; where it has none, those
    of the newest earlier run that has one.
    """
    is_baseline = pl.col("side") == BASELINE
    rows = ledger.results.filter(pl.col("side") != CANDIDATE)
    return _choose(rows, is_baseline & pl.col("state").is_in(DECIDED), all_of=is_baseline)


def choose_last_good(ledger: Ledger, passing: pl.DataFrame, since: pl.DataFrame) -> pl.DataFrame:
    """The earlier results that each eval is held against, where it is held against its own past.

    For an eval that passes now that is its newest earlier decided result. For one that does not, it
    is its newest pass before the run since which it is broken. An eval that never passed in its
    present definition is held against its newest result.

    ``passing`` has ``eval, passing``, whether each passes now; ``since`` has ``eval, since_row``,
    the row since which each is probably worse, or null. It gives what :func:`choose_baseline` does.
    """
    earlier = ledger.results.filter(pl.col("side") != CANDIDATE)
    rows = earlier.join(passing, on="eval", how="left").join(since, on="eval", how="left")
    is_before = pl.col("row") < pl.col("since_row").fill_null(ledger.histories.candidate)
    is_good = (pl.col("state") == "passed") & is_before
    return _choose(rows, ~pl.col("passing").fill_null(True) & is_good, all_of=pl.lit(False))


def _choose(rows: pl.DataFrame, best: pl.Expr, *, all_of: pl.Expr) -> pl.DataFrame:
    """Of each eval's earlier results the best ones: the newest, or all.

    What is best among the comparable ones, else those that were decided, else an error, else
    whatever there is, which then only says why the eval cannot be compared.
    """
    comparable, state = pl.col("comparable"), pl.col("state")
    rank = first_that_holds(
        (comparable & best, 0),
        (comparable & state.is_in(DECIDED), 1),
        (comparable & (state == "error"), 2),
        (comparable, 3),
        otherwise=4,
    )
    ranked = rows.with_columns(rank=rank)
    chosen = ranked.filter(pl.col("rank") == pl.col("rank").min().over("eval"))
    newest = pl.col("row") == pl.col("row").max().over("eval")
    return chosen.filter(newest | all_of).select("eval", "at")


def _summarize_side(chosen: pl.DataFrame, results: pl.DataFrame) -> pl.DataFrame:
    """One row per eval: its state, of how many decided results (``n``), and one result to show.

    That is the newest result that has the eval's state, or that did not pass where the state is
    ``mixed``; ``score, margin, duration_ms`` are medians.
    """
    rows = chosen.join(results.select("at", *_COUNTED), on="at")
    rows = rows.sort("moment", "at", nulls_last=False)
    counted = rows.group_by("eval").agg(
        *state_counts(),
        pl.col("score").median(),
        (pl.col("score") - pl.col("threshold")).median().alias("margin"),
        pl.col("duration_ms").median(),
        pl.col(BLOCK_CODE).drop_nulls().last().alias("code"),
        pl.col("eval_name").drop_nulls().last().alias("known_name"),
    )
    stated = counted.with_columns(combined_state().alias("state"), *eval_rate())
    own, state = pl.col("own"), pl.col("state")
    says_why = (own == state) | ((state == "mixed") & own.is_in(NOT_PASSING))
    newest = (
        rows.select("eval", "at", own="state")
        .join(stated, on="eval", maintain_order="left")
        .filter(says_why)
        .unique("eval", keep="last", maintain_order=True)
    )
    return newest.join(results.select("at", *_SHOWN), on="at").select(
        *("eval", "state", "n", "passed", "pass_rate", "score", "margin", "duration_ms", "code"),
        pl.coalesce("eval_name", "known_name").alias("eval_name"),
        *(name for name in _SHOWN if name != "eval_name"),
    )


def collect_facts(ledger: Ledger, sides: Sides) -> pl.DataFrame:
    """What the rules ask beside the states of both sides, one row per eval."""
    histories = ledger.histories
    is_now, state = pl.col("side") == CANDIDATE, pl.col("state")
    decided, error = state.is_in(DECIDED), state == "error"
    now = is_now & pl.col("comparable")
    found = ledger.results.group_by("eval").agg(
        has_earlier=(~is_now & decided).any(),
        has_candidate=is_now.any(),
        is_comparable=(~is_now & pl.col("comparable") & decided).any(),
        c_decided=(now & decided).any(),
        c_errored=(now & error).any(),
        is_outage=(now & error & pl.col("outage")).any(),
        passes_now=(now & (state == "passed")).any(),
        fails_now=(now & decided & (state != "passed")).any(),
    )

    def is_among(names: Iterable[str] | None) -> pl.Expr:
        if names is None:
            return pl.lit(None, pl.Boolean)
        return pl.col("eval_id").is_in(pl.Series(sorted(names), dtype=pl.String).implode())

    counted = pl.DataFrame(
        {
            "eval": ledger.evals["eval"],
            "decided_before": histories.observed[:, : histories.candidate].any(axis=1),
            "passed_before": histories.passes[:, : histories.candidate].any(axis=1),
            "was_there": _was_there(ledger),
        }
    )
    facts = ledger.evals.select("eval", "eval_id").join(found, on="eval", how="left")
    facts = facts.join(counted, on="eval").with_columns(
        is_passing=pl.col("passes_now") & ~pl.col("fails_now"),
        is_saved=is_among(None if sides.saved is None else sides.saved["eval_id"]),
        is_expected=is_among(sides.expected),
        is_pending=is_among(sides.pending),
        is_edited_since=is_among(sides.edited_since),
    )
    for more in (_find_last(ledger), _compare_definitions(ledger)):
        facts = facts.join(more, on="eval", how="left")
    return facts.drop("eval_id")


def _was_there(ledger: Ledger) -> pl.Series:
    """Which evals the baseline has; where there is none, the newest earlier run of most evals.

    What only older runs have was removed long ago.
    """
    rows = ledger.results
    before = rows.filter(side=BASELINE)
    if before.is_empty():
        now = rows.filter(side=CANDIDATE)["eval"].n_unique()
        earlier = rows.filter(pl.col("side") != CANDIDATE)
        sizes = earlier.group_by("run_id").agg(
            pl.col("eval").n_unique().alias("n"), pl.col("at").max()
        )
        newest = sizes.filter(2 * pl.col("n") >= now).sort("at")["run_id"].tail(1)
        before = earlier.filter(pl.col("run_id").is_in(newest.implode()))
    there = np.bincount(before["eval"].to_numpy(), minlength=ledger.evals.height) > 0
    return pl.Series(there)


def _find_last(ledger: Ledger) -> pl.DataFrame:
    """``eval, last_state, last_at, same_code``: what each eval did when it was decided last.

    ``same_code``: whether its block has the same code now; what is not known counts as the same,
    so that it makes nothing incomplete.
    """
    rows = ledger.results.sort("at")
    last = (
        rows.filter("comparable", pl.col("state").is_in(DECIDED))
        .group_by("eval")
        .agg(
            pl.col("state").last().alias("last_state"),
            pl.col("moment").last().alias("last_at"),
            pl.col("code").last().alias("last_code"),
        )
    )
    now = rows.filter(pl.col("side") == CANDIDATE, pl.col("state").is_in((*DECIDED, "error")))
    present = now.group_by("block_id").agg(present_code=pl.col("code").drop_nulls().last())
    evals = ledger.evals.select("eval", "block_id").join(present, on="block_id", how="left")
    same = (pl.col("last_code") == pl.col("present_code")).fill_null(True)
    joined = evals.join(last, on="eval", how="left").with_columns(same_code=same)
    return joined.select("eval", "last_state", "last_at", "same_code")


def _compare_definitions(ledger: Ledger) -> pl.DataFrame:
    """``eval, unknown, differs``, in words.

    ``unknown``: what of each eval the comparable results of one side do not say. An expected value
    that neither side has is none that could have changed: not every condition has one. ``differs``:
    what of its definition was edited.
    """
    same = pl.col("comparable")
    before, now = same & (pl.col("side") != CANDIDATE), same & (pl.col("side") == CANDIDATE)
    unknown, differs = [], []
    for name, word in _DEFINITION_WORDS.items():
        column = pl.col(name)
        says = [(side & column.is_not_null()).any() for side in (before, now)]
        lacks = says[0] != says[1] if name == "expected" else ~(says[0] & says[1])
        unknown.append(pl.when(before.any() & now.any() & lacks).then(pl.lit(word)))
        present, other = (column.filter(each).drop_nulls().last() for each in (same, ~same))
        differs.append(pl.when(present != other).then(pl.lit(word)))
    decided = ledger.results.filter(pl.col("state").is_in(DECIDED)).sort("at")
    told = decided.group_by("eval").agg(
        unknown=pl.concat_list(unknown).list.drop_nulls(),
        differs=pl.concat_str(differs, separator=" and ", ignore_nulls=True),
        is_edited=(~same).any(),
    )
    return told.select("eval", "unknown", pl.when("is_edited").then("differs").alias("differs"))


def find_last_decided(chosen: pl.DataFrame, ledger: Ledger) -> pl.DataFrame:
    """``eval, after``: the row of the newest decided result of those that were chosen."""
    rows = ledger.results.select("at", "row", "state", "comparable")
    decided = chosen.join(rows, on="at").filter("comparable", pl.col("state").is_in(DECIDED))
    return decided.group_by("eval").agg(pl.col("row").max().alias("after"))


def put_beside(earlier: pl.DataFrame, results: pl.DataFrame, ledger: Ledger) -> pl.DataFrame:
    """Both sides of each eval: ``eval``, what it is held against, and ``c_…``, what it does now."""
    chosen = ledger.results.filter("comparable", side=CANDIDATE).select("eval", "at")
    picked = pl.concat([earlier.select("at"), chosen.select("at")])
    rows = results.join(picked, on="at", how="semi")
    before, now = _summarize_side(earlier, rows), _summarize_side(chosen, rows)
    named = now.rename({name: f"c_{name}" for name in now.columns if name != "eval"})
    return before.join(named, on="eval", how="full", coalesce=True)


def is_beyond_gap(ledger: Ledger, evals: pl.DataFrame, after_gaps: frozenset[str]) -> pl.Series:
    """Whether runs that were not read lie between the last pass and that since which it is broken.

    ``evals`` have ``eval`` and ``since_row``; before the runs ``after_gaps`` some were not read.
    """
    told = ledger.histories
    rows = ledger.results.filter(
        pl.col("run_id").is_in(list(after_gaps)), pl.col("row").is_not_null()
    )
    gaps = np.zeros((told.shape[0], told.shape[1] + 1), dtype=np.int64)
    gaps[rows["eval"].to_numpy(), rows["row"].to_numpy() + 1] = 1
    before = np.cumsum(gaps, axis=1)  # how many gaps lie before the result of a row
    passed = told.passed
    places = np.where(passed, np.arange(told.shape[1]), -1)
    last = np.pad(np.maximum.accumulate(places, axis=1), ((0, 0), (1, 0)), constant_values=-1)
    eval_, since = evals["eval"].to_numpy(), evals["since_row"].fill_null(-1).to_numpy()
    passes = last[eval_, np.maximum(since, 0)]
    start = np.where(passes < 0, since, passes + 1)
    return pl.Series((before[eval_, since + 1] > before[eval_, start]) & (since >= 0))
