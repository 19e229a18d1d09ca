"""What changed for all workflows at once, which is too thin to be seen in one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import polars as pl

from retab_analysis.checks.plan import LAST_GOOD, Limits, RunListing, make_plan
from retab_analysis.checks.read import ResultReader, make_sides
from retab_analysis.comparison.detail import say_p
from retab_analysis.evidence.comparable import collect, combine_sides
from retab_analysis.evidence.since import Findings, weigh
from retab_analysis.evidence.upgrades import Upgrade, find_upgrade
from retab_analysis.markup import count_noun

DRIFT = pl.Schema(
    {
        "workflow_id": pl.String(),
        "eval_name": pl.String(),
        "eval_id": pl.String(),
        "block_id": pl.String(),
        "p": pl.Float64(),
        "since_at": pl.Datetime("us", "UTC"),
        "since_run_id": pl.String(),
    }
)
"""The columns of ``Overview.drift``, one row per eval."""


def find_drift(
    seen: Sequence[tuple[RunListing, pl.DataFrame]], history: int, tell: Callable[[int], None]
) -> tuple[pl.DataFrame, str]:
    """Read the newest runs of some workflows, and find what changed for all of them.

    Args:
        seen: The runs of each workflow that are listed, and its saved evals.
        history: How many runs to read before the newest of each.
        tell: Is told how many workflows were read.

    Returns:
        A frame with the columns of :data:`DRIFT`, and what it means in words; no rows and no words
        where nothing was found.

    Raises:
        RetabAnalysisError: Something cannot be read.
    """
    found, known = [], []
    for done, (listing, saved) in enumerate(seen, 1):
        if not listing.runs.is_empty():
            found.append(_weigh_history(listing, saved, history))
            known.append(saved.select("workflow_id", "eval_id", "eval_name", "block_id"))
        tell(done)
    upgrade = find_upgrade(found)
    if upgrade is None:
        return DRIFT.to_frame(), ""
    parts = []
    for at, (findings, saved) in enumerate(zip(found, known, strict=True)):
        worse = upgrade.evals.filter(ledger=at)
        named = worse.join(findings.ledger.evals.select("eval", "eval_id"), on="eval")
        parts.append(named.join(saved, on="eval_id"))
    drift = pl.concat(parts).select(DRIFT.names())
    drift = drift.sort(-pl.col("p"), "workflow_id", "eval_name", "eval_id")
    return drift, _say(upgrade, drift)


def _weigh_history(listing: RunListing, saved: pl.DataFrame, history: int) -> Findings:
    """What the model makes of a workflow's newest runs, read as :func:`check` does."""
    plan = make_plan(listing, None, LAST_GOOD, Limits(history), saved)
    sides = make_sides(plan, ResultReader(listing.client, saved, listing.kept))
    results = combine_sides(sides.candidate, sides.baseline, sides.history)
    return weigh(collect(results, sides.runs), events=True)


def _say(upgrade: Upgrade, drift: pl.DataFrame) -> str:
    """When it was, what it hit, and how sure that is."""
    first, last = (f"{each.day} {each:%b %Y}" for each in (upgrade.begins, upgrade.ends))
    when = f"On {last}" if first == last else f"Between {first} and {last}"
    evals = count_noun(drift.height, "eval")
    told = (
        f"{when} something changed for all (p {say_p(upgrade.p)}): {evals} of "
        f"{count_noun(drift['workflow_id'].n_unique(), 'workflow')}, none of them edited; about "
        f"{round(drift['p'].sum())} of these {drift.height} are probably broken by it."
    )
    if not upgrade.may_be_hour:
        return told
    return f"{told} A bad hour of the provider looks much the same: the next runs tell."
