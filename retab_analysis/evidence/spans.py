"""The spans in which an edit broke something: from the last pass to the first failure."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from retab_analysis.evidence.story import Story
from retab_analysis.vocabulary import BROKEN, DRAFT, MOMENT, is_draft

_OF_ROWS = ("eval_id", "run_id", "state", "workflow_version_id", "code")
_BROKEN = pl.Schema(
    {
        **dict.fromkeys(("eval_id", "block_id"), pl.String()),
        "since_at": pl.Datetime("us", "UTC"),
        **dict.fromkeys(("since_run_id", "since_version_id"), pl.String()),
    }
)
_SPAN = ("block_id", "before_at", "after_at", "before_version", "after_version")


def find_spans(
    stories: Iterable[Story], candidate: pl.DataFrame, *earlier: pl.DataFrame | None
) -> pl.DataFrame:
    """The moments and versions between which edits broke evals, most broken evals first.

    One row each: ``block_id, before_at, after_at, before_version, after_version``, from the last
    pass on other code to the first failure of some evals. ``evals`` is their number.
    """
    broken = pl.DataFrame(map(_tell, filter(_is_broken, stories)), schema=_BROKEN, orient="row")
    frames = (each for each in (*earlier, candidate) if each is not None)
    rows = pl.concat([each.select(*_OF_ROWS, moment=MOMENT) for each in frames])
    began = rows.select("eval_id", since_run_id="run_id", after_code="code")
    first = candidate.group_by("eval_id").agg(first_at=MOMENT.min())
    spans = (
        broken.join(began.unique(), on=("eval_id", "since_run_id"), how="left")
        .join(first, on="eval_id", how="left")
        .with_columns(after_at=pl.coalesce("since_at", "first_at"))
        .join(rows.filter(state="passed"), on="eval_id")
        .filter(
            pl.col("moment") < pl.col("after_at"),
            (pl.col("code") != pl.col("after_code")).fill_null(True),
        )
        .sort("moment")
        .unique("eval_id", keep="last", maintain_order=True)
    )
    names = {"workflow_version_id": "before_version", "since_version_id": "after_version"}
    named = spans.rename({"moment": "before_at"} | names)
    found = named.group_by(_SPAN).agg(evals=pl.len())
    return found.sort("evals", *_SPAN, descending=[True, *[False] * len(_SPAN)])


def _is_broken(story: Story) -> bool:
    got_worse = story.transition in (*BROKEN, "newly_errored", "suspect")
    return got_worse and story.cause == "edit" and story.block_id is not None


def _tell(story: Story) -> tuple[object, ...]:
    run_id = story.reading.since_run_id if story.is_said_worse else None
    version = story.reading.since_version_id if story.reading.cause == "edit" else None
    return story.id, story.block_id, story.since_at, run_id, version


def choose_versions(
    spans: pl.DataFrame, candidate: pl.DataFrame, versions: pl.DataFrame | None
) -> tuple[str, str] | None:
    """Two versions that the API has, between which an edit broke something; None if it has none.

    From the version in which most evals passed last; if that is a draft, from the version that was
    published then. To the candidate's version, or to the draft as it is now.
    """
    now = candidate["workflow_version_id"].drop_nulls().unique()
    if spans.is_empty() or len(now) != 1:
        return None
    published = list_published(versions)
    to = DRAFT if is_draft(now.item(), published) else now.item()
    good, before_at = spans.row(0, named=True)["before_version"], spans["before_at"][0]
    if good is None or is_draft(good, published):
        if versions is None:
            return None
        then = versions.filter(pl.col("published_at") <= pl.lit(before_at))
        ids: Iterable[str] = then.sort("published_at")["workflow_version_id"].tail(1)
        good = next(iter(ids), None)
    return None if good in (None, to) else (good, to)


def list_published(versions: pl.DataFrame | None) -> set[str] | None:
    """The ids of the published versions; None if they are not known."""
    return None if versions is None else {*versions["workflow_version_id"]}
