"""``fetch_config_changes``: what was edited between two versions, or since one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

import polars as pl

from retab_analysis.checks.source import Source
from retab_analysis.comparison import Comparison
from retab_analysis.comparison.comparison import sides_of, with_sides
from retab_analysis.comparison.config_changes import Edits, compare_blocks
from retab_analysis.comparison.sides import Sides
from retab_analysis.errors import NotFoundError, RetabAnalysisError
from retab_analysis.fetch.default_client import client_or_default
from retab_analysis.fetch.lists import read_live_blocks, read_two_versions, resolve_versions
from retab_analysis.fetch.params import quote_id
from retab_analysis.markup import one_line
from retab_analysis.schema import BLOCKS, CONFIG_CHANGES, LIVE_BLOCKS
from retab_analysis.transport import Client
from retab_analysis.vocabulary import BLOCK_CODE, DRAFT, FLIPPED, MOMENT, is_draft

MOST_BLOCKS, _MOST_VERSIONS = 12, 6
_MOMENT = pl.Datetime("us", "UTC")
_EARLIER = ("workflow_version_id", "run_id", "run_created_at")
_OF_BLOCK = tuple(BLOCKS.schema)
# An era does not say what a block is inside of, which is no part of its configuration.
_OF_ERA = [
    *("block_id", "block_type", "config"),
    pl.col("block_label").alias("label"),
    pl.lit(None, pl.String).alias("parent_id"),
]


def fetch_config_changes(
    workflow_id: str, baseline: str, candidate: str = DRAFT, *, client: Client | None = None
) -> pl.DataFrame:
    """Fetch what was edited between two versions of a workflow: prompts, schemas, models.

    Takes two requests, which are under way at the same time. For an earlier draft it also reads
    the newest runs, to learn when that draft ran, and the history of each block.

    Args:
        workflow_id: The workflow.
        baseline: A published version, by its id, as ``"v5"`` or ``"published"``; or ``"draft"``;
            or the id of an earlier draft, if the API gives the history of blocks.
        candidate: Another one; ``"draft"`` for the blocks as they are now.
        client: The client to ask with; the default one if not given.

    Returns:
        One row per field that differs (String each): ``block_id, block_type, label``; ``change``:
        added, removed or changed; ``field``, a JSON path such as ``$.config.prompt`` or
        ``$.config.json_schema.properties.total.type``, ``$`` for a block that was added or removed
        as a whole; ``before, after``, JSON texts, null where there is nothing. No rows: nothing
        differs.

    Raises:
        ConfigError: An id cannot be used.
        NotFoundError: The API does not know one of the versions, for example because it is an
            earlier draft, and the API does not give the history of blocks.
        RetabAnalysisError: Any other failure, see :mod:`retab_analysis.errors`.

    Example:
        >>> edits = ra.fetch_config_changes("wf_invoices", "published", "draft")
        >>> edits.filter(pl.col("block_id") == "extract_lines")["field"].to_list()
        ['$.config.prompt', ...]
    """
    for name, value in (("baseline", baseline), ("candidate", candidate)):
        quote_id(name, value)
    chosen = client_or_default(client)
    try:
        blocks = read_two_versions(chosen, workflow_id, baseline, candidate)
    except NotFoundError as error:
        blocks = _read_other_versions(chosen, workflow_id, (baseline, candidate), error)
    return compare_blocks(*blocks)


def _read_other_versions(
    client: Client, workflow_id: str, asked: tuple[str, str], error: NotFoundError
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read versions that are not called by their ids, or are earlier drafts."""
    try:
        ids = resolve_versions(client, workflow_id, asked, error)
        return read_two_versions(client, workflow_id, *ids)
    except NotFoundError:
        source = Source(client, workflow_id)
        with contextlib.suppress(RetabAnalysisError):
            if (found := _read_past(source, asked)) is not None:
                return found
        raise


def _read_past(source: Source, asked: tuple[str, str]) -> tuple[pl.DataFrame, pl.DataFrame] | None:
    """Read versions, of which some are drafts, as their blocks were when they ran last."""
    runs, _ = source.list_runs(None)
    ran = runs.drop_nulls("workflow_version_id").group_by("workflow_version_id")
    moments = dict(ran.agg(pl.col("created_at").max()).iter_rows())
    known = source.read_blocks([DRAFT, *(each for each in asked if each != DRAFT)])
    if not {*asked} <= {*known, *moments} or DRAFT not in known:
        return None
    draft = known[DRAFT]
    eras = source.read_edits(draft["block_id"].to_list())
    if eras is None:
        return None

    def as_it_was(version: str) -> pl.DataFrame:
        if version in known:
            return known[version].select(_OF_BLOCK)
        its = [find_era(each, moments[version]) for each in eras.partition_by("block_id")]
        then = pl.concat([each for each in its if each is not None])
        inside = draft.select("block_id", "parent_id")
        rows = then.select(_OF_ERA).drop("parent_id").join(inside, on="block_id", how="left")
        return rows.select(_OF_BLOCK)

    return as_it_was(asked[0]), as_it_was(asked[1])


def add_config_changes(comparison: Comparison, source: Source) -> Comparison:
    """Add what was edited, where something broke by an edit.

    The history of the blocks knows exactly that edit. If the API does not give it, the versions
    before and after may be known by their ids, or an archive remembers. Else the newest published
    version before is compared with the present one. If asking fails, the comparison says so.
    """
    spans = find_spans(comparison.evals, sides_of(comparison))
    if spans.is_empty():
        return comparison
    try:
        edits = _Search(source, comparison, spans).run()
    except RetabAnalysisError as error:
        edits = Edits(CONFIG_CHANGES.empty(), why=f"asking failed ({one_line(str(error), 200)})")
    return with_sides(comparison, edits=edits)


def find_spans(evals: pl.DataFrame, sides: Sides) -> pl.DataFrame:
    """Between which moments and versions edits broke something, what broke most first.

    One row each: ``block_id, before_at, after_at, before_version, after_version``, from the last
    pass to the first failure of some evals, and ``evals``, how many.
    """
    broken = _find_broken(evals)
    frames = [each for each in (sides.history, sides.baseline, sides.candidate) if each is not None]
    columns = ("eval_id", "run_id", "state", "workflow_version_id", BLOCK_CODE)
    rows = pl.concat([each.select(*columns, moment=MOMENT) for each in frames])
    began = rows.select("eval_id", since_run_id="run_id", after_code=BLOCK_CODE)
    first = sides.candidate.group_by("eval_id").agg(first_at=MOMENT.min())
    spans = (
        broken.select("eval_id", "block_id", "since_at", "since_run_id", "since_version_id")
        .join(began.unique(), on=("eval_id", "since_run_id"), how="left")
        .join(first, on="eval_id", how="left")
        .with_columns(after_at=pl.coalesce("since_at", "first_at"))
        .join(rows.filter(state="passed"), on="eval_id")
        .filter(
            pl.col("moment") < pl.col("after_at"),
            (pl.col(BLOCK_CODE) != pl.col("after_code")).fill_null(True),
        )
        .sort("moment")
        .unique("eval_id", keep="last", maintain_order=True)
    )
    found = (
        spans.select(
            "block_id",
            "after_at",
            before_at="moment",
            before_version="workflow_version_id",
            after_version="since_version_id",
        )
        .drop_nulls("block_id")
        .group_by(pl.all())
        .agg(evals=pl.len())
    )
    return found.sort("evals", *found.columns[:-1], descending=[True, *[False] * 5])


@dataclass(eq=False)
class _Search:
    """Looks for the edits of some spans, in one place after the other."""

    source: Source
    comparison: Comparison
    spans: pl.DataFrame
    changes: list[pl.DataFrame] = field(default_factory=list)
    edited_at: dict[str, datetime | None] = field(default_factory=dict)
    graphs: dict[str, pl.DataFrame] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)

    def run(self) -> Edits:
        eras = self.source.read_edits(self._missing()[:MOST_BLOCKS])
        if eras is not None:
            self._look_into(eras)
        if self._missing():
            self._look_at_versions()
        if self._missing():
            self._look_into(self.source.read_kept_edits())
        versions = self._compare_published() if self._missing() else None
        found = pl.concat([CONFIG_CHANGES.empty(), *self.changes]).unique(maintain_order=True)
        unknown = [each for each in self._missing() if each not in found["block_id"]]
        before, now = versions or ("", "")
        return Edits(found, before, now, edited_at=self.edited_at, unknown=tuple(unknown))

    def _missing(self) -> list[str]:
        blocks = self.spans["block_id"].unique(maintain_order=True)
        return [each for each in blocks if each not in self.edited_at]

    def _spans(self) -> list[dict[str, Any]]:
        return self.spans.filter(pl.col("block_id").is_in(self._missing())).to_dicts()

    def _look_into(self, eras: pl.DataFrame) -> None:
        """Find the edits in the eras of blocks, by the moments of the spans."""
        for span in self._spans():
            its = eras.filter(block_id=span["block_id"])
            before, after = (find_era(its, span[at]) for at in ("before_at", "after_at"))
            if before is not None and after is not None:
                began = after["first_seen_at"][0]
                at = began if began > span["before_at"] else None  # it was put back
                self._add(span["block_id"], before.select(_OF_ERA), after.select(_OF_ERA), at)

    def _look_at_versions(self) -> None:
        """Find edits in the versions before and after; the draft is known as it is now."""
        spans = [
            each
            for each in self._spans()
            if None not in (before := each["before_version"], after := each["after_version"])
            and before != after
        ]
        drafts = {each for span in spans if self._is_draft(each := span["after_version"])}
        befores = [span["before_version"] for span in spans]
        afters = [span["after_version"] for span in spans]
        self._ask([*befores, *(DRAFT if each in drafts else each for each in afters)])
        # The draft was edited again, but may have been published before that.
        self._ask(
            span["after_version"]
            for span in spans
            if span["after_version"] in drafts
            and span["before_version"] in self.graphs
            and not self._is_as_then(span)
        )
        for span in spans:
            block, version = span["block_id"], span["after_version"]
            if version in drafts and self._is_as_then(span):
                version = DRAFT
            pair = [self.graphs.get(each) for each in (span["before_version"], version)]
            both = [
                each.filter(block_id=block).select(_OF_BLOCK) for each in pair if each is not None
            ]
            if len(both) == 2:
                self._add(block, both[0], both[1], None)

    def _is_as_then(self, span: dict[str, Any]) -> bool:
        """Whether the draft's block is now as it was at the first failure of a span."""
        draft = self.graphs.get(DRAFT, LIVE_BLOCKS.empty())
        its = draft.filter(pl.col("updated_at") <= span["after_at"], block_id=span["block_id"])
        return not its.is_empty()

    def _ask(self, versions: Iterable[str]) -> None:
        asked = [each for each in dict.fromkeys(versions) if each not in self.asked]
        self.asked.update(asked[:_MOST_VERSIONS])
        self.graphs |= self.source.read_blocks(asked[:_MOST_VERSIONS])

    def _add(
        self, block: str, before: pl.DataFrame, after: pl.DataFrame, at: datetime | None
    ) -> None:
        differing = compare_blocks(before, after)
        if not differing.is_empty():
            self.changes.append(differing)
            self.edited_at.setdefault(block, at)

    @cached_property
    def _sides(self) -> Sides:
        """The sides with the publications, which tell a draft from what was published."""
        sides = sides_of(self.comparison)
        if sides.versions is not None:
            return sides
        with contextlib.suppress(RetabAnalysisError):
            return replace(sides, versions=self.source.read_versions())
        return sides

    def _is_draft(self, version: str) -> bool:
        return is_not_published(version, self._sides.versions)

    def _compare_published(self) -> tuple[str, str] | None:
        """Compare a published version from before with the present one, and say which."""
        versions = choose_versions(self.comparison.evals, self._sides)
        if versions is None:
            return None
        self._ask(versions)
        if not {*versions} <= self.graphs.keys():
            return None
        both = compare_blocks(*(self.graphs[each].select(_OF_BLOCK) for each in versions))
        self.changes.append(both.filter(~pl.col("block_id").is_in([*self.edited_at])))
        return versions


def find_era(eras: pl.DataFrame, moment: datetime) -> pl.DataFrame | None:
    """How a block was configured at a moment: a row of its eras.

    If none was seen at that very moment, it is what was seen last before. A configuration that was
    put back is one era with another one inside of it.
    """
    begun = eras.filter(pl.col("first_seen_at") <= moment)
    at_that_time = begun.filter(pl.col("last_seen_at") >= moment).sort("first_seen_at")
    before = begun.sort("last_seen_at", "first_seen_at", nulls_last=False)
    found = before if at_that_time.is_empty() else at_that_time
    return None if found.is_empty() else found.tail(1)


def is_not_published(version: str, versions: pl.DataFrame | None) -> bool:
    """Whether a version is a draft: not among the publications, if they are known."""
    if versions is None:
        return is_draft(version)
    return version not in versions["workflow_version_id"]


@dataclass(eq=False)
class BlockLabels:
    """The labels of a workflow's blocks, which are asked for when they are needed, and once.

    A pickle of it has what is known, and asks nobody: a client does not leave its process.
    """

    client: Client | None
    workflow_id: str
    known: dict[str, str | None] | None = None

    def __call__(self) -> dict[str, str | None] | None:
        """The labels by the ids of the blocks; None where they are not known."""
        if self.known is None and self.client is not None:
            try:
                blocks = read_live_blocks(self.client, self.workflow_id)
            except RetabAnalysisError as error:
                told = "It was asked for the labels of the blocks, of which a tier names one"
                error.args = (f"{error}. {told}",)
                raise
            self.known = dict(blocks["block_id", "label"].iter_rows())
        return self.known

    def __deepcopy__(self, memo: object) -> BlockLabels:
        return self

    def __getstate__(self) -> dict[str, object]:
        return {**vars(self), "client": None}


def _find_broken(evals: pl.DataFrame) -> pl.DataFrame:
    """The evals that an edit broke, or may have."""
    got_worse = pl.col("transition").is_in(FLIPPED), pl.col("transition") != "fixed"
    return evals.filter(*got_worse, pl.col("cause") == "edit")


def choose_versions(evals: pl.DataFrame, sides: Sides) -> tuple[str, str] | None:
    """The version that was and the one that is, between which an edit broke something; or None.

    From the version that most of the evals that an edit broke passed in last. Where that is a
    draft, which the API does not keep, it is the newest published version that ran before the
    break; and where none did among the runs that were read, the newest that had been published when
    these evals passed last.
    """
    broken = _find_broken(evals)
    candidates = sides.candidate["workflow_version_id"].drop_nulls().unique()
    if broken.is_empty() or len(candidates) != 1:
        return None
    is_live = is_not_published(candidates.item(), sides.versions)
    candidate = DRAFT if is_live else candidates.item()
    baseline = _last_good_version(broken, sides)
    return None if baseline is None or baseline == candidate else (baseline, candidate)


def _last_good_version(broken: pl.DataFrame, sides: Sides) -> str | None:
    known = [frame for frame in (sides.history, sides.baseline) if frame is not None]
    earlier = pl.concat([frame.select(_EARLIER) for frame in (sides.candidate.clear(), *known)])
    runs = earlier.drop_nulls("workflow_version_id").unique("run_id")
    held = broken.join(runs, left_on="baseline_run_id", right_on="run_id")
    counted = held.group_by("workflow_version_id").agg(pl.len(), pl.col("run_created_at").max())
    good = counted.sort("len", "run_created_at", descending=True)["workflow_version_id"]
    if len(good) and not is_not_published(good[0], sides.versions):
        return str(good[0])
    began = broken["since_at"].min()
    drafts = [
        e for e in runs["workflow_version_id"].unique() if is_not_published(e, sides.versions)
    ]
    published = runs.filter(
        ~pl.col("workflow_version_id").is_in(drafts),
        (pl.col("run_created_at") < pl.lit(began, dtype=_MOMENT)).fill_null(True),
    ).sort("run_created_at", descending=True, nulls_last=True)
    if published.is_empty():
        return _published_by(held["run_created_at"].max(), sides.versions)
    return str(published["workflow_version_id"][0])


def _published_by(moment: object, versions: pl.DataFrame | None) -> str | None:
    """The version that was in production at a moment."""
    if versions is None or moment is None:
        return None
    earlier = versions.filter(pl.col("published_at") <= pl.lit(moment, dtype=_MOMENT))
    newest = earlier.sort("published_at", descending=True)["workflow_version_id"].drop_nulls()
    return str(newest[0]) if len(newest) else None
