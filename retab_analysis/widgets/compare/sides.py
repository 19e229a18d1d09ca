"""What two sides a frame of results offers to be compared: versions, runs or drafts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from retab_analysis.comparison import compare_versions
from retab_analysis.comparison.sides import MOMENT
from retab_analysis.comparison.wording import counted
from retab_analysis.errors import ConfigError
from retab_analysis.markup import one_line
from retab_analysis.widgets.common.text import shorten

KINDS = {
    "version": "workflow_version_id",
    "run": "run_id",
    "draft": "workflow_draft_fingerprint",
}
"""What can stand on a side, and the column of RESULTS that has it."""


@dataclass(frozen=True, slots=True)
class Side:
    """What can be chosen as baseline or candidate.

    Attributes:
        value: What stands in the column.
        words: What to call it: when it appeared, and how much there is of it.
        evals: How many evals it has results of.
    """

    value: str
    words: str
    evals: int


def find_sides(results: pl.DataFrame) -> dict[str, tuple[Side, ...]]:
    """What can be chosen, by kind, the newest first; kinds of which there are not two are left out.

    A version is as old as its first run: a run of an old version that is started again today does
    not make that version new.

    Args:
        results: A RESULTS frame.
    """
    found = {kind: _sides(results, kind, column) for kind, column in KINDS.items()}
    return {kind: sides for kind, sides in found.items() if len(sides) > 1}


def _sides(results: pl.DataFrame, kind: str, column: str) -> tuple[Side, ...]:
    rows = (
        results.lazy()
        .filter(pl.col(column).is_not_null())
        .group_by(pl.col(column).alias("value"))
        .agg(
            MOMENT.min().alias("moment"),
            pl.col("run_id").n_unique().alias("runs"),
            pl.col("eval_id").n_unique().alias("evals"),
            pl.col("workflow_version_id").drop_nulls().sort().first().alias("version"),
        )
        .sort("moment", "value", descending=True, nulls_last=True)
        .collect()
    )
    return tuple(
        Side(value, _words(kind, value, moment, version, runs, evals), evals)
        for value, moment, runs, evals, version in rows.iter_rows()
    )


def _words(
    kind: str, value: str, moment: datetime | None, version: str | None, runs: int, evals: int
) -> str:
    when = "" if moment is None else f"{moment:%Y-%m-%d %H:%M}"
    named = shorten(one_line(value)) or "(no name)"
    if kind == "run":
        of = "" if version is None else shorten(one_line(version))
        parts = [when, of, counted(evals, "eval"), named]
    else:
        parts = [named, when and f"since {when[:10]}", counted(runs, "run")]
    return " · ".join(part for part in parts if part)


def choose_kind(sides: dict[str, tuple[Side, ...]], *wanted: str | None) -> str | None:
    """The kind whose sides hold all that is wanted; versions before runs before drafts."""
    for kind, offered in sides.items():
        values = {side.value for side in offered}
        if all(each is None or each in values for each in wanted):
            return kind
    return None


def choose_sides(
    results: pl.DataFrame,
    sides: dict[str, tuple[Side, ...]],
    baseline: str | None,
    candidate: str | None,
) -> tuple[str, str, str]:
    """The kind, the baseline and the candidate, each as wanted or else the newest that fits.

    Beside a run, one fits that has at least half of its evals, if there is any: one of a single
    eval says nothing about one of all.

    Args:
        results: A RESULTS frame.
        sides: What can be chosen in it.
        baseline: A version, run or draft, or None.
        candidate: The same, of the same kind.

    Raises:
        ConfigError: There is nothing of that name, or not enough to compare.
    """
    for name, value in (("baseline", baseline), ("candidate", candidate)):
        if not isinstance(value, str | None):
            raise ConfigError(f"{name} must be a string, got {type(value).__name__}")
    if not sides:
        raise ConfigError(_too_few(results))
    kind = choose_kind(sides, baseline, candidate)
    if kind is None:
        raise _unknown(results, sides, baseline, candidate)
    values = [side.value for side in sides[kind]]
    if candidate is None and baseline is not None:
        newer = values[: values.index(baseline)]
        if not newer:
            raise ConfigError(
                f"baseline={baseline!r} is the newest {kind} of these results; pass it as "
                "candidate=, or pass a candidate, too"
            )
        candidate = _partner(results, kind, baseline, newer)
    if candidate is None:
        candidate = values[0]
    if baseline is None:
        older = values[values.index(candidate) + 1 :]
        if not older:
            raise ConfigError(
                f"candidate={candidate!r} is the oldest {kind} of these results; "
                "pass a baseline, too"
            )
        baseline = _partner(results, kind, candidate, older)
    return kind, baseline, candidate


def _partner(results: pl.DataFrame, kind: str, value: str, offered: Sequence[str]) -> str:
    """The first one offered that fits beside a side."""
    if kind != "run":
        return offered[0]
    evals = results.filter(pl.col("run_id") == value)["eval_id"].unique()
    shared = dict(
        results.filter(pl.col("eval_id").is_in(evals.implode()))
        .group_by("run_id")
        .agg(pl.col("eval_id").n_unique())
        .iter_rows()
    )
    return next((each for each in offered if 2 * shared.get(each, 0) >= len(evals)), offered[0])


def _too_few(results: pl.DataFrame) -> str:
    runs = results["run_id"].drop_nulls().n_unique()
    return (
        "results must be of at least two runs, or versions, to be compared; "
        f"they are of {counted(runs, 'run')}"
    )


def _unknown(
    results: pl.DataFrame,
    sides: dict[str, tuple[Side, ...]],
    baseline: str | None,
    candidate: str | None,
) -> ConfigError:
    """The error for what is on no side, or for two that are not of one kind."""
    given = (baseline, candidate)
    wanted = [value for value in given if value is not None]
    only = results["workflow_version_id"].drop_nulls().unique()
    if len(only) == 1 and only[0] in wanted:
        return ConfigError(
            f"these results are of one version only, {only[0]!r}; without baseline and candidate "
            "its two newest runs are compared, or pass the ids of two runs"
        )
    # Of whichever kind the first one is; compare_versions says what there is of that kind.
    kinds = (choose_kind(sides, value) for value in wanted)
    kind = next((found for found in kinds if found), next(iter(sides)))
    known = [side.value for side in sides[kind]]
    pair = [known[0] if value is None else value for value in given]
    try:
        compare_versions(results, pair[0], pair[1], by=KINDS[kind])
    except ConfigError as error:
        return error
    raise AssertionError("both are there")  # pragma: no cover
