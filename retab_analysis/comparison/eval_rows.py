"""``Comparison.evals``: one row per eval, both sides beside each other, and why it is so."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import polars as pl

from retab_analysis.comparison.sides import choose_candidate, pick_rows, summarize_side
from retab_analysis.comparison.transitions import (
    DEFINITION_WORDS,
    EVALS_SCHEMA,
    LIKELY,
    find_transition,
    order_evals,
)
from retab_analysis.evidence.findings import Findings
from retab_analysis.evidence.outcomes import BASELINE, CANDIDATE, Flags, Outcomes
from retab_analysis.vocabulary import BROKEN, DECIDED, FAILING, SAME_EVAL

_SINCE = ("since_at", "since_version_id", "since_run_id")
_RERUNS = ("reruns_to_clear", "reruns_to_confirm")
_DATE = "%-d %b %Y"
_SIDE_COLUMNS = {
    "actual_value": "actual",
    "state": "state",
    "n": "n",
    "pass_rate": "pass_rate",
    "run_id": "run_id",
    "result_id": "result_id",
}


def describe_evals(
    results: pl.DataFrame,
    outcomes: Outcomes,
    findings: Findings,
    earlier: pl.DataFrame,
    after: pl.DataFrame,
    changed_blocks: frozenset[str] | None,
    after_gaps: frozenset[str] = frozenset(),
) -> pl.DataFrame:
    """One row per eval, what needs attention first.

    Args:
        results: What :func:`combine_sides` gives.
        outcomes: What is made of them.
        findings: What the model says of them.
        earlier: ``eval, at``: the results that each eval is held against.
        after: ``eval, after``: the row after which a worsening of the eval counts.
        changed_blocks: The blocks in which the versions differ, None where that is not known.
        after_gaps: The ids of the runs before which there are some that were not read.

    Returns:
        The columns of :data:`EVALS_SCHEMA`; ``p_improved``; ``expected_reruns``, how many an
        eval will get in the mean if it gets at most 0, 1, …; ``unknown`` (List(String)), of which
        parts of its definition it is not known whether they changed; and ``is_latest``, whether it
        may have broken earlier than it shows.
    """
    chosen = choose_candidate(outcomes)
    rows = pick_rows(results, pl.concat([earlier["at"], chosen["at"]]))
    before, now = summarize_side(earlier, rows), summarize_side(chosen, rows)
    both = before.join(
        now.rename({name: f"c_{name}" for name in now.columns if name != "eval"}),
        on="eval",
        how="full",
        coalesce=True,
    )
    listed = _listed(outcomes)
    facts = _facts(outcomes, results)
    joined = (
        outcomes.evals.filter(pl.col("eval").is_in(listed.implode()))
        .join(both.rename({"block_id": "earlier_block_id"}), on="eval", how="left")
        .join(facts, on="eval", how="left")
        .join(findings.of_each_eval(after), on="eval", how="left")
    )
    judged = joined.with_columns(
        transition=find_transition(),
        outage=pl.lit(outcomes.outage),
        is_latest=_is_remembered() | _is_beyond_gap(outcomes, joined, after_gaps),
        has_unread=pl.lit(_find_newest_gap(outcomes, after_gaps)) > pl.col("since_at"),
    ).with_columns(
        # Which of the runs that were not read was on edited code is not known.
        cause=pl.when("is_latest", cause="edit").then(pl.lit("unknown")).otherwise("cause"),
    )
    explained = judged.with_columns(
        *_concluded(),
        block_changed=_block_changed(changed_blocks),
    )
    reasoned = explained.with_columns(reason=_reason(), failure=_failure())
    return order_evals(_shaped(reasoned))


def _is_remembered() -> pl.Expr:
    """Whether only the saved eval remembers that it passed: other runs may lie between."""
    return ((pl.col("state") == "passed") & pl.col("run_id").is_null()).fill_null(False)


def _is_beyond_gap(
    outcomes: Outcomes, evals: pl.DataFrame, after_gaps: frozenset[str]
) -> pl.Series:
    """Whether runs that were not read lie between the last pass and that since which it is broken.

    Args:
        outcomes: What the runs are taken from.
        evals: One row per eval, with ``eval`` and ``since_row``.
        after_gaps: The ids of the runs before which there are some that were not read.
    """
    told = outcomes.histories
    rows = outcomes.results.filter(pl.col("run_id").is_in(list(after_gaps)))["row"]
    gaps = np.zeros(told.shape[1] + 1, dtype=np.int64)
    gaps[rows.to_numpy() + 1] = 1
    before = np.cumsum(gaps)  # how many gaps lie before the result of a row
    passed = told.passed
    places = np.where(passed, np.arange(told.shape[1]), -1)
    last = np.pad(np.maximum.accumulate(places, axis=1), ((0, 0), (1, 0)), constant_values=-1)
    eval_, since = evals["eval"].to_numpy(), evals["since_row"].fill_null(-1).to_numpy()
    passes = last[eval_, np.maximum(since, 0)]
    is_beyond = before[since + 1] > before[np.where(passes < 0, since, passes + 1)]
    return pl.Series(is_beyond & (since >= 0))


def _find_newest_gap(outcomes: Outcomes, after_gaps: frozenset[str]) -> datetime | None:
    """When the newest of the runs began before which there are some that were not read."""
    later = outcomes.results.filter(pl.col("run_id").is_in(list(after_gaps)))
    newest: datetime | None = later.select(pl.col("moment").max()).item()
    return newest


def _listed(outcomes: Outcomes) -> pl.Series:
    """The evals that are told of: those of both sides.

    Where no baseline was passed in, its place is taken by the newest earlier run of at least half
    as many evals. What only older runs have was removed long ago.
    """
    rows = outcomes.results
    now = rows["eval"].filter(rows["side"] == CANDIDATE).unique()
    before = rows.filter(rows["side"] == BASELINE)
    if before.is_empty():
        earlier = rows.filter(rows["side"] != CANDIDATE)
        sizes = earlier.group_by("row").agg(pl.col("eval").n_unique().alias("n"))
        whole = sizes.filter(pl.col("n") * 2 >= len(now))["row"].max()
        before = earlier.filter(row=whole) if whole is not None else earlier.clear()
    return pl.concat([now, before["eval"]]).unique()


def _facts(outcomes: Outcomes, results: pl.DataFrame) -> pl.DataFrame:
    """What the rules ask beside the states, one row per eval."""
    rows, told = outcomes.results, outcomes.histories
    is_now, state = rows["side"] == CANDIDATE, rows["state"]

    def count(which: pl.Series) -> pl.Series:
        evals = rows["eval"].filter(which).to_numpy()
        return pl.Series(np.bincount(evals, minlength=told.shape[0]))

    fails_now = pl.Series(told.fails[:, told.candidate :].any(axis=1))
    facts = pl.DataFrame(
        {
            "eval": outcomes.evals["eval"],
            "has_earlier": count(~is_now) > 0,
            "has_candidate": count(is_now) > 0,
            "is_comparable": count(~is_now & rows["comparable"]) > 0,
            "failed_before": told.fails[:, : told.candidate].any(axis=1),
            "passed_before": told.passes[:, : told.candidate].any(axis=1),
            "passes_now": count(is_now & (state == "passed")) > 0,
            "errors_repeat": (count(is_now & (state == "error")) > 1) & fails_now,
        }
    )
    facts = facts.with_columns(_unknown(outcomes, results))
    return facts.join(_differences(outcomes, results), on="eval", how="left")


def _unknown(outcomes: Outcomes, results: pl.DataFrame) -> pl.Series:
    """``unknown``: in words, what of each eval the comparable results of one side do not say.

    Only decided results count: an error does not say what it asserted. An expected value that
    neither side has is none that could have changed: not every condition has one.
    """
    rows, n = outcomes.results, outcomes.evals.height
    is_told = rows["comparable"] & rows["state"].is_in(DECIDED)
    sides = [is_told & (rows["side"] != CANDIDATE), is_told & (rows["side"] == CANDIDATE)]
    at, place = rows["at"].to_numpy(), rows["eval"].to_numpy()

    def have(known: Flags) -> list[Flags]:
        """Which evals have such a result before and now."""
        return [np.bincount(place[side.to_numpy() & known], minlength=n) > 0 for side in sides]

    before, now = have(np.ones(at.size, dtype=bool))
    is_known = np.zeros(1 + at.max(initial=-1), dtype=bool)
    words = {}
    for name, word in DEFINITION_WORDS.items():
        is_known[results["at"].to_numpy()] = results[name].is_not_null().to_numpy()
        said_before, said_now = have(is_known[at])
        is_one = said_before != said_now
        either = is_one if name == "expected_value" else ~(said_before & said_now)
        words[word] = before & now & either
    said = [pl.when(pl.lit(pl.Series(of))).then(pl.lit(word)) for word, of in words.items()]
    return pl.select(unknown=pl.concat_list(said).list.drop_nulls()).to_series()


def _differences(outcomes: Outcomes, results: pl.DataFrame) -> pl.DataFrame:
    """``eval, edited``: in words, what differs from the newest earlier result."""
    rows = outcomes.results
    edited = rows["eval"].filter(~rows["comparable"]).unique()
    rows = rows.filter(rows["eval"].is_in(edited.implode()))
    rows = rows.join(pick_rows(results, rows["at"]).select("at", *SAME_EVAL), on="at")
    ordered = rows.sort("row", "moment", "at", nulls_last=False)
    is_now = pl.col("side") == CANDIDATE

    def newest(name: str, side: pl.Expr) -> pl.Expr:
        return pl.col(name).filter(side).drop_nulls().last()

    words = [
        pl.when(newest(name, is_now) != newest(name, ~is_now)).then(pl.lit(word)).alias(name)
        for name, word in DEFINITION_WORDS.items()
    ]
    changed = ordered.group_by("eval").agg(words)
    joined = pl.concat_str(SAME_EVAL, separator=" and ", ignore_nulls=True)
    return changed.select("eval", edited=joined)


def _concluded() -> list[pl.Expr]:
    """Since when, and why, only of evals of which a worsening is said; no reruns of one gone."""
    worse = pl.col("transition").is_in((*BROKEN, "suspect"))
    still = (pl.col("transition") == "still_failing") & (pl.col("p_ever") >= 0.5)
    said = worse | (still & pl.col("passed_before"))
    return [
        *(pl.when(said).then(name).alias(name) for name in (*_SINCE, "cause")),
        (still & pl.col("passed_before")).fill_null(False).alias("still_broken"),
        *(pl.when("has_candidate").then(name).alias(name) for name in _RERUNS),
    ]


def _block_changed(changed_blocks: frozenset[str] | None) -> pl.Expr:
    if changed_blocks is None:
        # Codes of two blocks say nothing of either.
        return pl.when(~_is_moved()).then(pl.col("code") != pl.col("c_code"))
    return pl.coalesce("c_block_id", "block_id").is_in(sorted(changed_blocks))


def _failure() -> pl.Expr:
    """Why the candidate's result does not pass: code and message."""
    message = pl.coalesce("c_failure_message", "c_status_message")
    both = pl.concat_str("c_failure_code", message, separator=": ", ignore_nulls=True)
    failing = pl.col("c_state").is_in((*FAILING, "mixed"))
    return pl.when(failing & (both != "")).then(both)


def _reason() -> pl.Expr:
    """In words, and with numbers, why an eval has its transition."""
    transition = pl.col("transition")
    cases = {
        "suspect": _suspect(),
        "newly_errored": _errored(),
        "fixed": _fixed(),
        "flaky": _flaky(),
        "not_comparable": pl.concat_str(
            pl.when(pl.col("edited") != "").then("edited").otherwise(pl.lit("eval")),
            pl.lit(" edited: earlier results say nothing about it"),
        ),
        "incomplete": _incomplete(),
        "added": pl.format("no earlier result; {} now", "c_state"),
        "removed": pl.lit("not among the candidate's results"),
        "still_failing": _still_failing(),
    }
    said = [pl.when(transition == name).then(words) for name, words in cases.items()]
    return pl.coalesce(pl.when(transition.is_in(BROKEN)).then(_broken()), *said)


def _since() -> pl.Expr:
    version = pl.coalesce("since_version_id", "since_run_id", pl.lit("the candidate"))
    noun = pl.when(pl.col("runs_since") == 1).then(pl.lit("run")).otherwise(pl.lit("runs"))
    read = pl.when(pl.col("has_unread").fill_null(False)).then(pl.lit(" read"))
    day = pl.col("since_at").dt.strftime(_DATE)
    runs = pl.format("{} {}{}", "runs_since", noun, read.otherwise(pl.lit("")))
    when = pl.concat_str(day, runs, separator=", ", ignore_nulls=True)
    return pl.format("{} ({})", version, when)


def _share(when: str) -> pl.Expr:
    return pl.format("{} of {}", f"passes_{when}", f"outcomes_{when}")


def _fixed() -> pl.Expr:
    # Where nothing was decided before, it ended in errors: a count would be "0 of 0".
    before = pl.when(pl.col("outcomes_earlier") > 0).then(_share("earlier"))
    said = before.otherwise(pl.lit("nothing but errors"))
    told = pl.format("passed {}; before, {}", _share("candidate"), said)
    doubt = pl.format(
        "; it may still fail now and then (with a probability of at least 0.{}): {} passed since "
        "it broke, {} before that; run it again",
        # Rounded down, and never certain: from 50 to 99.
        (100 * pl.col("p_ever")).floor().clip(upper_bound=99).cast(pl.Int64),
        _share("since"),
        _share("before"),
    )
    return pl.concat_str(told, pl.when(_is_worse_for_long()).then(doubt).otherwise(pl.lit("")))


def _still_worse() -> pl.Expr:
    """Of a flaky eval: that it passes less often than it did before it broke."""
    since, before = _share("since"), _share("before")
    words = pl.format("; probably still worse: {} since it broke, {} before that", since, before)
    return pl.when(_is_worse_for_long()).then(words).otherwise(pl.lit(""))


def _is_worse_for_long() -> pl.Expr:
    return (pl.col("p_ever") >= LIKELY).fill_null(False)


def _broken() -> pl.Expr:
    cause = (
        pl.when(pl.col("cause") == "edit")
        .then(pl.lit("; its block was edited then"))
        .when(pl.col("cause") == "drift")
        .then(pl.lit("; nobody edited its block then"))
        .when(pl.col("is_latest") & pl.col("block_changed"))
        .then(pl.lit("; its block was edited since that pass"))
        .otherwise(pl.lit(""))
    )
    # What still passes now and then is not broken altogether.
    word = pl.when(pl.col("passes_since") > 0).then(pl.lit("worse")).otherwise(pl.lit("broken"))
    latest = pl.when("is_latest").then(pl.lit(" at the latest")).otherwise(pl.lit(""))
    return pl.format(
        "{} since {}{}: {} passed; before, {}{}{}",
        word,
        _since(),
        latest,
        _share("since"),
        _share("before"),
        cause,
        _say_definition(),
    )


def _say_definition() -> pl.Expr:
    """That the eval was moved, and of what it is not known whether it is still the same."""
    what = pl.col("unknown").list.join(" or ")
    words = pl.format("; whether the eval's {} changed is not known", what)
    return pl.concat_str(
        pl.when(_is_moved())
        .then(pl.lit("; it was moved to another block since"))
        .otherwise(pl.lit("")),
        pl.when(what != "").then(words).otherwise(pl.lit("")),
    )


def _is_moved() -> pl.Expr:
    """Whether the eval's earlier result is of another block."""
    return (pl.col("earlier_block_id") != pl.col("c_block_id")).fill_null(False)


def _suspect() -> pl.Expr:
    block = (
        pl.when(pl.col("cause") == "edit")
        .then(pl.lit(" in a block that was edited"))
        .when((pl.col("cause") == "drift") & pl.col("block_changed").fill_null(False))
        .then(pl.lit("; nobody had edited its block then"))
        .when(pl.col("cause") == "drift")
        .then(pl.lit(" in a block that nobody edited"))
        .otherwise(pl.lit(""))
    )
    counts = pl.format("passed {}; before, {}{}", _share("since"), _share("before"), block)
    told = pl.concat_str(counts, _say_definition())
    return pl.concat_str(told, _reruns(), separator="; ", ignore_nulls=True)


def _reruns() -> pl.Expr:
    """What further results would settle it, where that can be said."""

    def times(name: str, one: str, several: str) -> pl.Expr:
        n = pl.col(name)
        noun = pl.when(n == 1).then(pl.lit(one)).otherwise(pl.lit(several))
        return pl.when(n > 0).then(pl.format("{} more {}", n, noun))

    confirm = times("reruns_to_confirm", "failure confirms it", "failures confirm it")
    clear = times("reruns_to_clear", "pass clears it", "passes clear it")
    both = pl.concat_str(confirm, clear, separator=", ", ignore_nulls=True)
    return pl.when(both != "").then(both)


def _errored() -> pl.Expr:
    why = pl.when("outage").then(
        pl.lit("ended in an error, as many evals of several blocks did: an outage; run it again")
    )
    return why.otherwise(pl.lit("ended in an error, which is not a verdict; run it again"))


def _flaky() -> pl.Expr:
    both = pl.format("passed {} before and {} now", _share("earlier"), _share("candidate"))
    # What never passed before and passes now and then did change; how far, nobody knows yet.
    is_better = (pl.col("p_improved") > LIKELY).fill_null(False)
    is_same = pl.col("passed_before") & ~is_better & ~_is_worse_for_long()
    same = pl.when(is_same).then(pl.lit(": this eval alone shows no lasting change"))
    return pl.concat_str(both, same.otherwise(pl.lit("")), _still_worse())


def _incomplete() -> pl.Expr:
    """Which side was not decided."""
    undecided = ("unscored", "cancelled")
    now = pl.when(pl.col("c_state").is_in(undecided)).then(pl.format("{} now", "c_state"))
    before = pl.when(pl.col("state").is_in(undecided)).then(pl.format("only {} before", "state"))
    return pl.concat_str(now, before, separator=", ", ignore_nulls=True)


def _still_failing() -> pl.Expr:
    never = pl.when(pl.col("edited_at").is_not_null()).then(
        pl.format("never passed since it was edited on {}", pl.col("edited_at").dt.strftime(_DATE))
    )
    return (
        pl.when("still_broken")
        .then(_broken())
        .when(pl.col("c_state") == "error")
        .then(pl.lit("did not pass before, and ended in an error now"))
        .when(~pl.col("passed_before"))
        .then(never.otherwise(pl.lit("never passed")))
        .otherwise(pl.format("passed {} before and {} now", _share("earlier"), _share("candidate")))
    )


def _shaped(judged: pl.DataFrame) -> pl.DataFrame:
    """The columns that are shown, in the order in which they are read."""
    either = [
        pl.coalesce(f"c_{name}", name).alias(name)
        for name in ("eval_name", "block_id", "document_names", "condition", "expected_value")
    ]
    named = judged.with_columns(
        *either,
        *(
            (pl.col(f"c_{name}") - pl.col(name)).alias(f"{name}_delta")
            for name in ("score", "margin")
        ),
        # A difference that overflows Int64 (300 million years) becomes null.
        duration_delta_ms=(pl.col("c_duration_ms") - pl.col("duration_ms"))
        .round()
        .cast(pl.Int64, strict=False),
    ).rename(
        {
            f"{prefix}{name}": f"{side}_{short}"
            for prefix, side in (("", "baseline"), ("c_", "candidate"))
            for name, short in _SIDE_COLUMNS.items()
        }
    )
    filled = named.with_columns(pl.col("baseline_n", "candidate_n").fill_null(0))
    return filled.select(
        *(pl.col(name).cast(dtype) for name, dtype in EVALS_SCHEMA.items()),
        "p_improved",
        "expected_reruns",
        "unknown",
        "is_latest",
    )
