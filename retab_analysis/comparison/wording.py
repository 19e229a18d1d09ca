"""What a comparison says in plain words: headline and explanation.

Every number here comes from the frames and the model. A sentence is left out where it does not
hold; no sentence speaks of all evals where some are left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from retab_analysis.markup import one_line
from retab_analysis.vocabulary import BROKEN, CERTAIN_ENOUGH, DECIDED, NOT_COUNTED, UNLIKELY

if TYPE_CHECKING:
    from datetime import datetime

_PHRASES = {
    "newly_blocked": "newly blocked",
    "newly_errored": "newly errored",
    "not_comparable": "not comparable",
    "still_failing": "still failing",
    "still_passing": "still passing",
}
_NAMED = 20
_ROUNDING = 1e-9
_WIDEST = 0.25  # a wider interval, or a larger fall, is of no use to anybody
_GROUPS = 3
_GOOD = ("passed", "mixed")
_APART = ("not_comparable", "added", "removed")

Row = Mapping[str, Any]


def phrase(transition: str) -> str:
    """A transition in words."""
    return _PHRASES.get(transition, transition)


def count_noun(number: int, noun: str) -> str:
    """A number and its noun."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def list_evals(evals: pl.DataFrame, limit: int = _NAMED) -> str:
    """The names of some evals, each with its id."""
    names = [
        one_line(eval_id if name is None else f"{name} ({eval_id})")
        for name, eval_id in evals.head(limit).select("eval_name", "eval_id").iter_rows()
    ]
    more = evals.height - limit
    return ", ".join(names) + (f" and {more} more" if more > 0 else "")


def label_side(frame: pl.DataFrame) -> str:
    """What a side is: its run, or how many, and its version."""
    runs = _distinct(frame, "run_id")
    versions = _distinct(frame, "workflow_version_id")
    what = f"run {one_line(runs[0])}" if len(runs) == 1 else count_noun(len(runs), "run")
    what = what if runs else "results of unknown runs"
    if not versions:
        return what
    named = ", ".join(one_line(version) for version in versions[:3])
    more = f" and {len(versions) - 3} more" if len(versions) > 3 else ""
    return f"{what} of version{'s' if len(versions) > 1 else ''} {named}{more}"


def _distinct(frame: pl.DataFrame, name: str) -> Sequence[str]:
    return frame[name].drop_nulls().unique().sort().to_list()


def describe_sides(baseline: pl.DataFrame, candidate: pl.DataFrame) -> str:
    """One sentence about what was compared with what."""
    now = f"{label_side(candidate)} ({count_noun(candidate['eval_id'].n_unique(), 'eval')})"
    before = f"{label_side(baseline)} ({count_noun(baseline['eval_id'].n_unique(), 'eval')})"
    return f"Compared {now} with {before}."


def describe_last_good(beginning: str | None, evals: pl.DataFrame, earlier: pl.DataFrame) -> str:
    """One sentence about which result each eval is held against, where it has its own.

    Args:
        beginning: How the sentence begins, or None.
        evals: ``Comparison.evals``.
        earlier: The results of the history: ``run_id, run_created_at``.
    """
    said = beginning or "Compared each eval with its own last good result"
    is_held = pl.col("baseline_state").is_not_null()
    held = evals.filter(is_held, ~pl.col("transition").is_in(_APART))
    runs = (
        held.group_by("baseline_run_id")
        .agg(pl.len().alias("n"))
        .join(
            earlier.group_by(baseline_run_id="run_id").agg(pl.col("run_created_at").min()),
            on="baseline_run_id",
            how="left",
            nulls_equal=True,
        )
        .sort("n", "run_created_at", "baseline_run_id", descending=[True, True, False])
    )
    if runs.is_empty():
        return f"{said}; there is none."
    known = runs.filter(pl.col("baseline_run_id").is_not_null())
    parts = [f"{row['n']} from {_dated_run(row)}" for row in known[:1].iter_rows(named=True)]
    older = known[1:]
    if older.height:
        oldest = older["run_created_at"].min()
        which = "of" if older.height == 1 else "the oldest of"
        when = f" ({which} {_day(oldest)})" if oldest is not None else ""  # type: ignore[arg-type]
        parts.append(f"{older['n'].sum()} from {count_noun(older.height, 'other run')}{when}")
    remembered = runs.filter(pl.col("baseline_run_id").is_null())["n"].sum()
    if remembered:
        parts.append(f"{remembered} from what the saved evals remember")
    return f"{said}: {', '.join(parts)}{_say_not_good(held)}."


def _say_not_good(held: pl.DataFrame) -> str:
    """That some evals had no good result, or pass now and did not before."""
    not_good = held.filter(~pl.col("baseline_state").is_in(_GOOD)).height
    return f"; in {not_good} of these results the eval did not pass" if not_good else ""


def _dated_run(row: Row) -> str:
    when = f" of {_day(row['run_created_at'])}" if row["run_created_at"] is not None else ""
    return f"run {one_line(row['baseline_run_id'])}{when}"


def write_headline(
    summary: Row,
    evals: pl.DataFrame,
    verdict: str,
    *,
    outage: tuple[int, int] | None,
    own_past: bool = False,
    waiting: tuple[int, int] = (0, 0),
) -> str:
    """In one line: what broke, what is not sure, what is not counted, what stayed.

    The counts add up to the number of evals, but for a first run.

    Args:
        summary: The row of ``Comparison.summary``.
        evals: ``Comparison.evals``.
        verdict: The verdict.
        outage: How many evals have nothing but errors of an outage, of how many that ended.
        own_past: Whether each eval is held against its own earlier results.
        waiting: How many evals are still to come, of how many.
    """
    ended = evals.filter(pl.col("candidate_state").is_in((*DECIDED, "mixed")))
    is_first = own_past and evals.height == summary["added"]
    if is_first and ended.height and not waiting[0] and outage is None:
        passed = ended.filter(candidate_state="passed").height
        return f"first run: {passed} of {evals.height} pass"
    broken = evals.filter(pl.col("transition").is_in(BROKEN))
    parts = [f"{broken.height} broke{_where(broken)}"] if broken.height else []
    if outage is not None:
        parts.append(f"an outage: errors in {outage[0]} of the {count_noun(outage[1], 'eval')}")
    for name in ("newly_errored", "suspect", "fixed", *NOT_COUNTED):
        if summary[name]:
            parts.append(f"{summary[name]} {phrase(name)}")
    passing, failing = summary["still_passing"], summary["still_failing"]
    if passing + failing:
        which = f" ({passing} passing, {failing} failing)" if failing else ""
        parts.append(f"{passing + failing} unchanged{which}")
    if not broken.height and outage is None:
        is_open = ended.is_empty() and not waiting[0]
        parts.insert(
            0, "nothing was decided" if is_open else _nothing_broke(summary, verdict, evals)
        )
    if waiting[0]:
        parts.insert(0, say_waiting(waiting))
    return ", ".join(part for part in parts if part)


def say_unknown(unknown: pl.Series) -> str:
    """That it is not known of some evals whether they are what they were; empty for none."""
    n, found = (unknown.list.len() > 0).sum(), unknown.explode().to_list()
    what = " or ".join(word for word in ("inputs", "condition", "expected value") if word in found)
    said = f"Whether the {what} of {n:,} of {count_noun(len(unknown), 'eval')} changed is not known"
    they = "it is" if n == 1 else "they are"
    return f"{said}; {they} compared as if nothing had." if n else ""


def say_bad_hour(undecided: pl.DataFrame) -> str:
    """That evals failed in what is probably a bad hour; empty for none."""
    if undecided.is_empty():
        return ""
    n, they = undecided.height, "it" if undecided.height == 1 else "them"
    return (
        f"{count_noun(n, 'eval')} failed in what is probably a bad hour, as shaky evals failed at "
        f"once and solid ones did not: run {they} again half an hour later."
    )


def say_started(started: pl.DataFrame | None) -> str:
    """That reruns were started and are not counted; empty for none."""
    if started is None:
        return ""
    verb = "was" if started.height == 1 else "were"
    return f"{count_noun(started.height, 'rerun')} {verb} started and not waited for."


def say_waiting(waiting: tuple[int, int]) -> str:
    """That the candidate has not ended."""
    verb = "is" if waiting[0] == 1 else "are"
    return f"not ended yet: {waiting[0]} of {waiting[1]} {verb} still to come"


def _where(broken: pl.DataFrame) -> str:
    """The block and the cause that the broken evals have in common, or those of an edit."""
    causes, blocks = broken["cause"].unique(), broken["block_id"].unique()
    if len(causes) != 1:
        edited = broken.filter(cause="edit")
        return f" ({edited.height}{_where(edited)})" if edited.height else ""
    block = one_line(blocks[0]) if len(blocks) == 1 and blocks[0] is not None else None
    if causes[0] == "edit":
        return f" since an edit of {block}" if block else " since an edit of their blocks"
    if causes[0] == "drift":
        return f" in {block} without an edit" if block else " without an edit of their blocks"
    return f" in {block}" if block else ""


def _nothing_broke(summary: Row, verdict: str, evals: pl.DataFrame) -> str:
    """What leads the headline where no single eval is called broken."""
    if verdict == "regressed":
        is_sure = (summary["p_any_regressed"] or 0) >= CERTAIN_ENOUGH
        if not (is_sure and summary["suspect"]) and (summary["delta"] or 0) < 0:
            all_evals = summary["n_evals"] == evals.height
            over = (
                "all evals together" if all_evals else "the evals that were decided on both sides"
            )
            return f"the pass rate fell by {say_points(summary['delta'])} over {over}"
        return "something probably broke, but it is not certain which"
    undecided = _undecided(evals).height if verdict == "inconclusive" else 0
    if undecided and undecided * 2 >= evals.height:
        return f"not decided: {_have(undecided, evals.height)} no verdict to compare"
    return ""


def _undecided(evals: pl.DataFrame) -> pl.DataFrame:
    """Those that have no verdict on one of the sides, of those that both sides have."""
    state = pl.concat_list("baseline_state", "candidate_state")
    errored = state.list.contains("error") & ~pl.col("transition").is_in(_APART)
    return evals.filter((pl.col("transition") == "incomplete") | errored)


def _have(number: int, total: int) -> str:
    """Some of all evals, and the verb that goes with them."""
    return f"{number} of {count_noun(total, 'eval')} {'has' if number == 1 else 'have'}"


def explain(compared: str, summary: Row, evals: pl.DataFrame, verdict: str, test: Row) -> str:
    """Some lines: what was compared, what broke and since when, what the numbers say.

    Args:
        compared: What was compared with what, one sentence.
        summary: The row of ``Comparison.summary``.
        evals: ``Comparison.evals``.
        verdict: The verdict.
        test: ``alpha``, ``margin``; ``significant``: whether test and interval say that the pass
            rate changed; ``not_worse``: whether it did not fall by the margin; ``own_past``:
            whether each eval was held against its own earlier results.
    """
    sentences = [
        compared,
        *_broken(evals),
        _suspects(evals, verdict),
        *_errors(evals),
        _fixed(summary),
        _flaky(evals),
        _not_counted(summary, evals),
        _suite(summary, verdict, test),
    ]
    return "\n".join(sentence for sentence in sentences if sentence)


def add_since(evals: pl.DataFrame) -> pl.DataFrame:
    """``since`` (String): since which version or run, and which day; empty where not known.

    Args:
        evals: ``Comparison.evals`` with ``is_latest``.
    """
    known = evals.select("since_version_id", "since_run_id", "since_at", "is_latest").iter_rows()
    said = [_since(version or run, moment, latest) for version, run, moment, latest in known]
    return evals.with_columns(pl.Series("since", said, pl.String))


def _since(name: str | None, moment: datetime | None, is_latest: bool) -> str:
    if not name:
        return ""
    day = f" ({_day(moment)})" if moment is not None else ""
    return f" since {one_line(name)}{day}{' at the latest' if is_latest else ''}"


def _broken(evals: pl.DataFrame) -> list[str]:
    """One sentence for each beginning of what is broken, the largest group first.

    Reruns are runs of their own: evals that broke on one day, with one version, are told together.
    """
    broken = add_since(evals.filter(pl.col("transition").is_in(BROKEN)))
    if broken.is_empty():
        return []
    groups = (
        broken.group_by("since", "cause", maintain_order=True)
        .agg(
            pl.col("block_id").unique().sort(),
            pl.col("since_at").min(),
            pl.len().alias("n"),
            pl.col("p_regressed").min().alias("least"),
            pl.col("not_run_since").count().alias("not_run"),
        )
        .sort("n", "since_at", "since", descending=[True, False, False], nulls_last=True)
    )
    said = [_broken_group(row) for row in groups.head(_GROUPS).iter_rows(named=True)]
    rest = int(groups["n"][_GROUPS:].sum())
    return [*said, f"{count_noun(rest, 'more eval')} broke in other runs."] if rest else said


def _broken_group(group: Row) -> str:
    n, p, not_run = group["n"], group["least"], group["not_run"]
    verb = "is" if n == 1 else "are"
    known = [one_line(block) for block in group["block_id"] if block is not None]
    where = f" in {', '.join(known[:3])}" if known and len(known) <= 3 else ""
    who = "it" if n == 1 else "each"
    sure = "" if p is None else f"; the probability that {who} got worse is {at_least(p)}"
    why = _cause(group["cause"], len(group["block_id"]))
    told = f"{count_noun(n, 'eval')}{where} {verb} broken{group['since']}{why}"
    return f"{told}{sure}{_missing(n, not_run)}."


def _missing(n: int, not_run: int) -> str:
    """How many of some broken evals stay broken because they were not run."""
    if not_run == n:
        return "; it was not run now" if n == 1 else "; none of them was run now"
    return f"; {not_run} of them {'was' if not_run == 1 else 'were'} not run now" * (not_run > 0)


def at_least(p: float) -> str:
    """A probability, rounded down, so that nothing seems surer than it is; never certain.

    Example:
        >>> at_least(0.9999), at_least(1.0)
        ('at least 0.99', 'at least 0.99')
    """
    return f"at least {min(math.floor(100 * p), 99) / 100:.2f}"


def _cause(cause: str | None, blocks: int) -> str:
    if cause == "edit":
        return f", when {'the block was' if blocks == 1 else 'their blocks were'} edited"
    if cause == "drift":
        return f", although nobody edited {'the block' if blocks == 1 else 'their blocks'} then"
    return ""


def _suspects(evals: pl.DataFrame, verdict: str) -> str | None:
    suspects = evals.filter(transition="suspect")
    still_open = suspects.filter(pl.col("p_regressed").fill_null(1.0) > UNLIKELY)
    if suspects.is_empty():
        return None
    if suspects.height == 1 and still_open.height == 1:
        row = suspects.row(0, named=True)
        name = one_line(row["eval_name"] or row["eval_id"], 80)
        return f"1 suspect, {name}: {row['reason']}."
    always = "" if "mixed" not in suspects["candidate_state"] else " always"
    luck = "" if verdict == "regressed" else ", which may be bad luck"
    said = f"{count_noun(suspects.height, 'suspect')} did not{always} pass{luck}"
    if still_open.is_empty():
        most = max(suspects["p_regressed"].to_list())
        return (
            f"{said}; a lasting break is unlikely (p is at most {math.ceil(1000 * most) / 1000:g})."
        )
    likelier = "the likelier one" if still_open.height == 1 else f"the {still_open.height} likelier"
    which = "them" if still_open.height == suspects.height else likelier
    return f"{said}; run {which} again (.reruns says how often)."


def _errors(evals: pl.DataFrame) -> list[str]:
    errored = evals.filter(pl.col("candidate_state") == "error")
    said, down = [], errored.filter("is_outage")
    if down.height:
        blocks = count_noun(down["block_id"].n_unique(), "block")
        said.append(
            f"{count_noun(down.height, 'eval')} in {blocks} ended in errors of an outage, which "
            "says nothing of the evals: run them again."
        )
    if new := errored.filter(~pl.col("is_outage"), transition="newly_errored").height:
        again = "it again" if new == 1 else "them again"
        said.append(
            f"{count_noun(new, 'eval')} ended in an error, which is not a verdict; run {again}."
        )
    return said


def _fixed(summary: Row) -> str | None:
    fixed = summary["fixed"]
    one = "1 eval that did not pass before passes now."
    several = f"{fixed:,} evals that did not pass before pass now."
    return (one if fixed == 1 else several) if fixed else None


def _flaky(evals: pl.DataFrame) -> str | None:
    flaky = evals.filter(transition="flaky")
    is_new = (pl.col("candidate_state") == "mixed") & ~pl.col("baseline_state").is_in(_GOOD)
    new = flaky.filter(is_new).height
    same = flaky.height - new
    said = []
    if same:
        verb = "does" if same == 1 else "do"
        said.append(f"{count_noun(same, 'eval')} {verb} not always pass, without a lasting change.")
    if new:
        verb = "passes" if new == 1 else "pass"
        said.append(f"{count_noun(new, 'eval')} did not pass before and {verb} sometimes now.")
    return " ".join(said) or None


def _not_counted(summary: Row, evals: pl.DataFrame) -> str | None:
    """What is not among the evals of the suite's test, which are all the others."""
    said = []
    apart = sum(summary[name] for name in _APART)
    if (n := evals.height - apart - summary["n_evals"]) > 0:
        verb = "was" if n == 1 else "were"
        who = f"{n} of {count_noun(evals.height, 'eval')}"
        said.append(f"{who} {verb} not decided on both sides")
    if n := summary["not_comparable"]:
        said.append(
            f"{n} {'was' if n == 1 else 'were'} edited, so that earlier results do not count"
        )
    if n := summary["added"]:
        said.append(f"{n} {'is' if n == 1 else 'are'} new")
    if n := summary["removed"]:
        said.append(f"{n} {'was' if n == 1 else 'were'} removed")
    return f"Not counted: {'; '.join(said)}." if said else None


def _suite(summary: Row, verdict: str, test: Row) -> str:
    """What the test of the suite as a whole says."""
    n = summary["n_evals"]
    if not n:
        return (
            "No eval was decided on both sides, so that nothing can be concluded about the suite."
        )
    was = "was" if n == 1 else "were"
    over = f"Over the {count_noun(n, 'eval')} that {was} decided on both sides"
    if summary["delta_low"] is None:
        who = "Only one eval was" if n == 1 else "The evals that were"
        why = "" if n == 1 else " all share documents: they are one observation"
        return f"{who} decided on both sides{why}, which says nothing about the suite as a whole."
    moved = f"{over} ({count_noun(summary['n_documents'], 'independent document')}) the pass rate "
    moved += _moved(summary, test["alpha"])
    if test["own_past"]:
        moved += ", against their earlier results"
    if test["significant"]:
        p = say_p(summary["p_value"])
        return f"{moved}, more than chance explains (p value {p})."
    margin = f"{100 * test['margin']:g} points or more"
    known = "excluded" if test["not_worse"] else "not excluded"
    return f"{moved}; a fall of {margin} is {known}.{_detectable(summary)}"


def _moved(summary: Row, alpha: float) -> str:
    delta, low, high = (summary[name] for name in ("delta", "delta_low", "delta_high"))
    ends = " to ".join(f"{100 * each:+z.1f}".replace("-", "−") for each in (low, high))
    is_said = high - low <= 2 * _WIDEST
    interval = f" ({100 - 100 * alpha:.4g} % interval {ends} points)" if is_said else ""
    if abs(delta) < _ROUNDING:
        return f"stayed the same{interval}"
    return f"{'fell' if delta < 0 else 'rose'} by {say_points(delta)}{interval}"


def say_points(delta: float) -> str:
    """A change of a rate without its sign; of a small one the first digit that is not zero.

    Example:
        >>> say_points(-0.123), say_points(0.0004)
        ('12.3 points', '0.04 points')
    """
    points = abs(100 * delta)
    return f"{points:.1f} points" if points >= 0.05 else f"{points:.1g} points"


def _detectable(summary: Row) -> str:
    """Which fall the suite would show, rounded up; only where that is small enough to be of use."""
    share = summary["detectable"]
    if share is None or share > _WIDEST:
        return ""
    points = max(math.ceil(100 * share - _ROUNDING), 1)
    noun = "point" if points == 1 else "points"
    return f" A fall of {points} {noun} or more would show in the suite as a whole."


def say_p(p: float) -> str:
    """A p-value in words that fit behind its letter."""
    return f"= {p:.2g}" if p >= 0.001 else "< 0.001"


def _day(moment: datetime) -> str:
    return f"{moment.day} {moment:%b %Y}"
