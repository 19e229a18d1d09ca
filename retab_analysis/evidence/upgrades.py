"""An upgrade that all workflows share, which hits each of them too thinly to be seen in one.

A provider puts another model behind the same name, and a few evals of nearly every block fail from
then on, on code that nobody edited. In one workflow that looks like bad luck. So one hidden event
is weighed over the histories of all: it happened at one moment m or never, and shows in each block
in the first row from m on. With L(m) the sum over blocks of how much likelier, as a logarithm, that
row is after an upgrade than without (:attr:`inference.Posterior.of_event`), and B(m) the same of an
hour that is bad for all,

    P(upgrade at m) = (U / n) e^L(m) / (1 − U − H + Σ over moments of (U / n) e^L + (H / n) e^B),

U and H being the priors in ``rates``, and n the number of moments, which are those of all rows. A
block that was edited just then says nothing of it. Where an upgrade is likely, each workflow is
asked again with its rows at the likeliest moment marked as ``rates.UPGRADED``, and the probability
that an eval got worse there is averaged over what was said with the upgrade and without.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from retab_analysis.evidence.inference import infer
from retab_analysis.evidence.rates import HOUR_OF_ALL, SAME, UPGRADE, UPGRADED
from retab_analysis.evidence.since import CREDIBLE, Findings
from retab_analysis.vocabulary import CERTAIN_ENOUGH, LIKELY

BAD_HOURS_LAST = timedelta(hours=4)


@dataclass(frozen=True, eq=False)
class Upgrade:
    """Something changed for all workflows.

    Attributes:
        p: How probable that is.
        begins: It happened after this moment and at the latest at ``ends``, with a probability of
            90 %, if it did.
        ends: The first row that shows it, at the latest.
        evals: What got worse then, ``ledger`` (which of those that were asked), ``eval``, ``p``,
            ``since_at`` and ``since_run_id``.
        may_be_hour: Whether only the newest rows show it, all within a few hours: then a bad hour
            of the provider looks much the same.
    """

    p: float
    begins: datetime
    ends: datetime
    evals: pl.DataFrame
    may_be_hour: bool


def find_upgrade(found: Sequence[Findings]) -> Upgrade | None:
    """Find out whether something changed for all of several workflows.

    Args:
        found: What the model makes of each of them, with ``events``.

    Returns:
        None where that is not likely, or evals of fewer than two workflows got worse by it.
    """
    if len(found) < 2:
        return None
    rows = pl.concat(_list_rows(each, at) for at, each in enumerate(found))
    moments = rows.select(pl.col("moment").unique()).sort("moment")
    shown = rows.select("ledger", "block").unique().join(moments, how="cross").sort("moment")
    shown = shown.join_asof(
        rows.sort("moment").with_columns(began="moment"),
        on="moment",
        by=["ledger", "block"],
        strategy="forward",
        check_sortedness=False,
    )
    told = shown.group_by("moment").agg(pl.col("upgrade", "hour").sum()).sort("moment")
    n = told.height
    upgrade = told["upgrade"].to_numpy() + np.log(UPGRADE / max(n, 1))
    hour = told["hour"].to_numpy() + np.log(HOUR_OF_ALL / max(n, 1))
    chances = np.concatenate([upgrade, hour, [np.log(1 - UPGRADE - HOUR_OF_ALL)]])
    chances = np.exp(chances - chances.max())
    upgrade = chances[:n] / chances.sum()
    p = float(upgrade.sum())
    if p < LIKELY:
        return None
    order = np.argsort(-upgrade)
    credible = order[np.cumsum(upgrade[order]) - upgrade[order] < CREDIBLE * p]
    likeliest = shown.filter(moment=told["moment"][int(order[0])]).drop_nulls("row")
    evals = pl.concat(
        _find_worse(each, likeliest.filter(ledger=at), p).with_columns(ledger=at)
        for at, each in enumerate(found)
    )
    if evals["ledger"].n_unique() < 2:
        return None
    began = likeliest["began"]
    span: timedelta = began.max() - began.min()  # type: ignore[operator, assignment]
    return Upgrade(
        p=p,
        begins=told["moment"][max(int(credible.min()) - 1, 0)],
        ends=told["moment"][int(credible.max())],
        evals=evals,
        may_be_hour=span < BAD_HOURS_LAST and bool(likeliest["is_newest"].all()),
    )


def _list_rows(findings: Findings, at: int) -> pl.DataFrame:
    """One line per block and row of a ledger: when it began, and what it says of an event."""
    ledger = findings.ledger
    told = ledger.results.filter("comparable", pl.col("row").is_not_null())
    rows = (
        told.join(ledger.evals.select("eval", "block"), on="eval")
        .group_by("block", "row")
        .agg(pl.col("moment").min(), pl.col("eval").first())
        .drop_nulls("moment")
    )
    of_event = findings.posterior.of_event[rows["row"].to_numpy(), :, rows["eval"].to_numpy()]
    return rows.select(
        "block",
        "row",
        "moment",
        ledger=pl.lit(at, pl.Int64),
        is_newest=pl.col("row") == pl.col("row").max().over("block"),
        upgrade=pl.Series(of_event[:, 0]),
        hour=pl.Series(of_event[:, 1]),
    )


def _find_worse(findings: Findings, marked: pl.DataFrame, p_upgrade: float) -> pl.DataFrame:
    """What probably got worse by the upgrade: ``eval, p, since_at, since_run_id``.

    ``marked`` has ``block, row``, where the upgrade shows first.
    """
    ledger, histories = findings.ledger, findings.ledger.histories
    row = pl.Series(histories.block).replace_strict(
        marked["block"], marked["row"], default=-1, return_dtype=pl.Int64
    )
    is_hit = np.arange(histories.shape[1]) == row.to_numpy()[:, None]
    is_hit &= histories.edited == SAME
    edited = np.where(is_hit, UPGRADED, histories.edited)
    lifted = infer(replace(histories, edited=edited))
    p, p_lifted = (
        np.where(is_hit, each.worse, 0.0).sum(axis=1) for each in (findings.posterior, lifted)
    )
    worse = findings.overall_of_each.with_columns(
        p=pl.Series((1 - p_upgrade) * p + p_upgrade * p_lifted), row=row
    )
    called = worse.filter(
        (pl.col("p") >= LIKELY) & (pl.col("fails_last") | (pl.col("p") >= CERTAIN_ENOUGH))
    )
    shows = (
        ledger.results.filter("comparable")
        .join(called, on="eval", suffix="_hit")
        .filter(pl.col("row") >= pl.col("row_hit"))
        .unique("eval", keep="first", maintain_order=True)
    )
    return shows.select("eval", "p", since_at="moment", since_run_id="run_id")
