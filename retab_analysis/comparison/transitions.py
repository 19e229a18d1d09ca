"""The transition of each eval between two sides: the first rule that fits decides.

The rules are those below, in this order. *Earlier* is the state of the results that the eval is
held against; *p* is the probability that it got worse and was not mended. An eval is *broken* where
its last decided row calls it so, by the words of 5.

1. Not saved any more (without a list of saved evals: absent), and no result on the candidate's
   side: ``removed``. No earlier outcome at all: ``added``.
2. Inputs, condition or expected value differ from the present ones in every earlier outcome:
   ``not_comparable``.
3. No result on the candidate's side: where one is still to come, no row; where it was broken on
   that code it stays ``regressed`` or ``newly_blocked``; else, where a result was expected,
   ``incomplete``; else no row. Also ``incomplete``: a saved eval that was edited after it was run
   last.
4. An error now and no outcome: what is broken stays so; else ``newly_errored``.
5. Else the words of :func:`retab_analysis.evidence.words.find_word`: p ≥ 0.8 → ``regressed``, or
   ``newly_blocked`` where it is blocked; by its nature ``flaky``; worse than it was: by an edit and
   p ≥ 0.5 → ``regressed``, cleared → ``flaky`` or ``still_passing``, else ``suspect``; ``fixed``,
   ``still_passing``, ``flaky`` or ``still_failing``.
"""

from __future__ import annotations

import polars as pl

from retab_analysis.comparison.detail import FACTS, find_year, say_reasons
from retab_analysis.comparison.sides import (
    Sides,
    choose_baseline,
    choose_last_good,
    collect_facts,
    find_last_decided,
    is_beyond_gap,
    put_beside,
)
from retab_analysis.evidence.comparable import Ledger
from retab_analysis.evidence.since import Findings
from retab_analysis.evidence.words import find_word
from retab_analysis.schema import COMPARISON
from retab_analysis.vocabulary import (
    BROKEN,
    CERTAIN_ENOUGH,
    FAILING,
    LIKELY,
    SURE,
    TRANSITIONS,
    first_that_holds,
)

FURTHER = (
    "eval",  # its index in the ledger
    "rounds",  # with how many reruns left one may change what is said
    *("reruns", "reruns_in_row", "row_ends_at"),  # as Findings.of_each_eval says
    "errors_since",  # since when its newest rows, two or more, ended in errors
    "unknown",  # of which parts of its definition it is not known whether they changed
    "is_latest",  # whether it may have broken earlier than it shows
    "is_outage",  # whether it ended in an error of an outage
    "since_row",
    "p_worse",  # that it is worse, whenever that began
    "not_run_since",  # when it was decided last where it was not run now
    "passing_rows",  # how many of its newest rows passed, one after the other
    "is_flaky",  # by its nature
    *FACTS,
)
"""What a comparison keeps of each eval beside what it shows."""


def describe_evals(
    results: pl.DataFrame, ledger: Ledger, findings: Findings, sides: Sides
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What became of each eval, by the rules above: a COMPARISON frame and :data:`FURTHER`.

    It also gives the results that each eval is held against, ``eval, at``.
    """
    facts = collect_facts(ledger, sides)
    facts = facts.join(findings.overall_of_each, on="eval")
    own_past = sides.baseline is None
    earlier = choose_baseline(ledger)
    if own_past:
        passing = facts.select("eval", passing=pl.col("is_passing") & ~_is_called_though_passing())
        earlier = choose_last_good(ledger, passing, findings.since)
    after = find_last_decided(earlier, ledger)
    if own_past:
        # For what does not pass now it does not matter how long ago that began: all rows count.
        after = after.join(passing.filter("passing"), on="eval", how="semi")
    stays = pl.col("is_broken") & ~pl.col("c_decided")
    decided = pl.col("c_decided") & pl.col("decided_before")
    known = facts.select(decided | stays).to_series()
    told = findings.of_each_eval(after, known)
    joined = (
        ledger.evals.drop("block", "block_id")
        .join(put_beside(earlier, results, ledger), on="eval", how="left")
        .join(facts.drop("p_worse", "is_flaky"), on="eval")
        .join(told, on="eval")
    )
    # What is called by its whole history is called although it passes now.
    p = pl.when(_is_called_though_passing()).then("p_worse").otherwise("p_regressed")
    worded = joined.with_columns(**_what_words_read()).with_columns(
        word=find_word(p if own_past else pl.col("p_regressed"))
    )
    judged = worded.with_columns(transition=_find_transition(own_past=own_past))
    listed = judged.drop_nulls("transition").with_columns(
        # Where only the saved eval remembers that it passed, other runs may lie between.
        is_latest=((pl.col("state") == "passed") & pl.col("run_id").is_null()).fill_null(False)
        | is_beyond_gap(ledger, judged, sides.after_gaps).gather(
            judged.with_row_index("place").drop_nulls("transition")["place"]
        ),
    )
    # Which of the runs that were not read was on edited code is not known.
    listed = listed.with_columns(
        cause=pl.when("is_latest", cause="edit").then(pl.lit("unknown")).otherwise("cause"),
    )
    concluded = listed.with_columns(
        *_concluded(), block_changed=_block_changed(sides), failure=_failure()
    )
    return order_evals(say_reasons(_shape(concluded), find_year(sides.candidate))), earlier


def _concluded() -> list[pl.Expr]:
    """Since when, and why, only of evals of which a worsening is said; no reruns of one gone."""
    still = (pl.col("transition") == "still_failing") & (pl.col("p_worse") >= LIKELY)
    said = pl.col("transition").is_in((*BROKEN, "suspect")) | (still & pl.col("passed_before"))
    gone = pl.col("transition") == "removed"
    # What has no result now has no p, unless it stays broken: then it keeps the last one.
    is_told = pl.col("c_decided") | pl.col("transition").is_in(BROKEN)
    edit = pl.col("cause") == "edit"
    unsure = pl.col("transition").is_in(BROKEN) & (pl.col("p_regressed") < SURE)
    unclear = unsure | (pl.col("transition") == "suspect")
    return [
        *(pl.when(said).then(name).alias(name) for name in ("since_at", "since_run_id", "cause")),
        *(pl.when(is_told).then(name).alias(name) for name in ("p_regressed", "p_improved")),
        # A drift has a run and a date, and no version.
        pl.when(said & edit).then("since_version_id").alias("since_version_id"),
        *(
            pl.when(~gone).then(name).alias(name)
            for name in ("reruns_to_clear", "reruns_to_confirm")
        ),
        pl.when(unclear).then("row_ends_at").alias("decides_at"),
        pl.when(~pl.col("c_decided") & ~pl.col("c_errored")).then("last_at").alias("not_run_since"),
    ]


def _block_changed(sides: Sides) -> pl.Expr:
    # Against each eval's own past the changed blocks are those since the newest earlier run, which
    # is not what the eval is held against.
    if sides.baseline is None or sides.changed_blocks is None:
        # Codes of two blocks say nothing of either.
        return pl.when(~_has_moved()).then(pl.col("code") != pl.col("c_code"))
    return pl.coalesce("c_block_id", "block_id").is_in(sorted(sides.changed_blocks))


def _has_moved() -> pl.Expr:
    return (pl.col("block_id") != pl.col("c_block_id")).fill_null(False)


def _failure() -> pl.Expr:
    message = pl.coalesce("c_failure_message", "c_status_message")
    both = pl.concat_str("c_failure_code", message, separator=": ", ignore_nulls=True)
    failing = pl.col("c_state").is_in((*FAILING, "mixed"))
    return pl.when(failing & (both != "")).then(both)


def _shape(judged: pl.DataFrame) -> pl.DataFrame:
    """The columns that are shown, in the order in which they are read."""
    either = [
        pl.coalesce(f"c_{name}", name).alias(name)
        for name in ("eval_name", "document_names", "condition", "expected_value")
    ]
    named = judged.with_columns(
        *either,
        pl.coalesce("c_block_id", "block_id").alias("block_id"),
        pl.lit(None).alias("block_label"),  # known later, if at all
        _has_moved().alias("has_moved"),
        pl.lit(None, pl.String).alias("reason"),
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
            f"{prefix}{name}": f"{side}_{name.removesuffix('_value')}"
            for prefix, side in (("", "baseline"), ("c_", "candidate"))
            for name in ("actual_value", "state", "n", "pass_rate", "run_id", "result_id")
        }
    )
    filled = named.with_columns(pl.col("baseline_n", "candidate_n").fill_null(0))
    return filled.select(
        *(pl.col(name).cast(dtype) for name, dtype in COMPARISON.schema.items()), *FURTHER
    )


def _find_transition(*, own_past: bool) -> pl.Expr:
    """The transition, over one row per eval; null where an eval has no row.

    The columns that it reads are those of :func:`collect_facts`, :func:`put_beside` (``c_…`` is
    what an eval does now) and :meth:`retab_analysis.evidence.since.Findings.of_each_eval`.
    """
    has_now = pl.col("c_decided") | pl.col("c_errored")
    is_gone = ~pl.col("is_saved").fill_null(False) & ~pl.col("has_candidate")
    was_blocked = pl.coalesce("last_state", "c_state") == "blocked"
    expected = pl.col("is_expected").fill_null(True) | pl.col("has_candidate")
    is_new = ~pl.col("has_earlier")
    return first_that_holds(
        (is_gone & pl.col("was_there"), "removed"),
        (is_gone, None),
        (is_new & pl.col("has_candidate") & ~pl.col("c_errored"), "added"),
        (is_new & ~pl.col("c_errored"), None),
        (~pl.col("is_comparable") & pl.col("c_decided"), "not_comparable"),
        (pl.col("is_edited_since"), "incomplete"),
        (~has_now & pl.col("is_pending"), None),
        (~has_now & pl.col("is_broken") & pl.col("same_code"), _broken(was_blocked)),
        (~has_now & expected, "incomplete"),
        (~has_now, None),
        (~pl.col("c_decided") & pl.col("is_broken") & own_past, _broken(was_blocked)),
        (~pl.col("c_decided"), "newly_errored"),
        (pl.col("word") == "broken", _broken(pl.col("c_state") == "blocked")),
        otherwise=pl.col("word"),
    )


def _what_words_read() -> dict[str, pl.Expr]:
    """The columns that :func:`find_word` reads beside those of the model."""
    less = (pl.col("c_state") == "mixed") & (pl.col("c_pass_rate") < pl.col("pass_rate"))
    return {
        "passed_once": pl.col("passed_before") | pl.col("passes_now"),
        "was_good": pl.col("state").is_in(("passed", "mixed")).fill_null(False),
        "has_pass": pl.col("c_state").is_in(("passed", "mixed")).fill_null(False),
        "passes": (pl.col("c_state") == "passed").fill_null(False),
        "less_often": less.fill_null(False),
    }


def _is_called_though_passing() -> pl.Expr:
    """Whether an eval is called broken although it may have passed when it was decided last."""
    return (pl.col("p_worse") >= CERTAIN_ENOUGH).fill_null(False)


def is_undecided() -> pl.Expr:
    """Whether one run cannot tell: it may have got worse, or ended in an isolated error."""
    isolated = is_isolated_error() & ~errs_always()
    return isolated | (pl.col("transition") == "suspect")


def is_isolated_error() -> pl.Expr:
    """Whether an eval ended in an error, and not in an outage."""
    return (pl.col("transition") == "newly_errored") & ~pl.col("is_outage")


def errs_always() -> pl.Expr:
    """Whether an eval that passed once ended in an error in its newest two rows, or more."""
    return is_isolated_error() & pl.col("errors_since").is_not_null() & pl.col("passed_before")


def is_failing() -> pl.Expr:
    """Whether an eval has a result on the candidate's side, and does not simply pass in it."""
    return pl.col("candidate_state").is_in((*FAILING, "mixed")).fill_null(False)


def _broken(is_blocked: pl.Expr) -> pl.Expr:
    return first_that_holds((is_blocked, "newly_blocked"), otherwise="regressed")


def order_evals(evals: pl.DataFrame) -> pl.DataFrame:
    """What needs attention first: by transition, the surest first, then by block, name and id."""
    place = pl.col("transition").replace_strict(
        TRANSITIONS, range(len(TRANSITIONS)), return_dtype=pl.Int8
    )
    return evals.sort(
        place,
        pl.col("p_regressed").fill_null(-1).round(3),
        "block_id",
        "eval_name",
        "eval_id",
        descending=[False, True, False, False, False],
        nulls_last=True,
    )
