"""``fetch_config_changes``: what was edited between two versions, or since one."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from retab_analysis.checks.source import Source
from retab_analysis.comparison import Comparison
from retab_analysis.comparison.comparison import sides_of, with_sides
from retab_analysis.comparison.config_changes import Edits, compare_blocks
from retab_analysis.comparison.sides import Sides
from retab_analysis.errors import NotFoundError, RetabAnalysisError
from retab_analysis.fetch.default_client import client_or_default
from retab_analysis.fetch.lists import read_live_blocks, read_two_versions
from retab_analysis.fetch.params import quote_id
from retab_analysis.fetch.publications import resolve_versions
from retab_analysis.transport import Client
from retab_analysis.vocabulary import DRAFT, FLIPPED, is_draft

_MOMENT = pl.Datetime("us", "UTC")
_EARLIER = ("workflow_version_id", "run_id", "run_created_at")


def fetch_config_changes(
    workflow_id: str, baseline: str, candidate: str = DRAFT, *, client: Client | None = None
) -> pl.DataFrame:
    """Fetch what was edited between two versions of a workflow: prompts, schemas, models.

    Takes two requests, which are under way at the same time.

    Args:
        workflow_id: The workflow.
        baseline: A published version, by its id, as ``"v5"`` or ``"published"``; or ``"draft"``.
        candidate: Another one; ``"draft"`` for the blocks as they are now. What a draft was at an
            earlier moment cannot be asked for.
        client: The client to ask with; the default one if not given.

    Returns:
        One row per field that differs (String each): ``block_id, block_type, label``; ``change``:
        added, removed or changed; ``field``, a JSON path such as ``$.config.prompt`` or
        ``$.config.json_schema.properties.total.type``, ``$`` for a block that was added or removed
        as a whole; ``before, after``, JSON texts, null where there is nothing. No rows: nothing
        differs.

    Raises:
        ConfigError: An id cannot be used.
        NotFoundError: The API does not know one of the versions, for example because it is the id
            of a draft.
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
        ids = resolve_versions(chosen, workflow_id, (baseline, candidate), error)
        blocks = read_two_versions(chosen, workflow_id, *ids)
    return compare_blocks(*blocks)


def add_config_changes(comparison: Comparison, source: Source) -> Comparison:
    """Add what was edited, where something broke by an edit; as it was where that is not known.

    Two requests, or none. That they fail is not worth losing a comparison for.
    """
    versions = choose_versions(comparison.evals, sides_of(comparison))
    if versions is None:
        return comparison
    try:
        return with_sides(comparison, edits=read_edits(source, versions))
    except RetabAnalysisError:
        return comparison


def read_edits(source: Source, versions: tuple[str, str]) -> Edits:
    """What was edited between two versions."""
    blocks = source.read_blocks(*versions)
    labels = dict(pl.concat(blocks).select("block_id", "label").drop_nulls().iter_rows())
    return Edits(compare_blocks(*blocks), *versions, labels)


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


def choose_versions(evals: pl.DataFrame, sides: Sides) -> tuple[str, str] | None:
    """The version that was and the one that is, between which an edit broke something; or None.

    From the version that most of the evals that an edit broke passed in last. Where that is a
    draft, which the API does not keep, it is the newest published version that ran before the
    break; and where none did among the runs that were read, the newest that had been published when
    these evals passed last.
    """
    broken = evals.filter(
        pl.col("transition").is_in(FLIPPED),
        pl.col("transition") != "fixed",
        pl.col("cause") == "edit",
    )
    candidates = sides.candidate["workflow_version_id"].drop_nulls().unique()
    if broken.is_empty() or len(candidates) != 1:
        return None
    published = None if sides.versions is None else {*sides.versions["workflow_version_id"]}
    candidate = DRAFT if is_draft(candidates.item(), published) else candidates.item()
    baseline = _last_good_version(broken, sides, published)
    return None if baseline is None or baseline == candidate else (baseline, candidate)


def _last_good_version(
    broken: pl.DataFrame, sides: Sides, published: set[str] | None
) -> str | None:
    known = [frame for frame in (sides.history, sides.baseline) if frame is not None]
    earlier = pl.concat([frame.select(_EARLIER) for frame in (sides.candidate.clear(), *known)])
    runs = earlier.drop_nulls("workflow_version_id").unique("run_id")
    held = broken.join(runs, left_on="baseline_run_id", right_on="run_id")
    counted = held.group_by("workflow_version_id").agg(pl.len(), pl.col("run_created_at").max())
    good = counted.sort("len", "run_created_at", descending=True)["workflow_version_id"]
    if len(good) and not is_draft(good[0], published):
        return str(good[0])
    began = broken["since_at"].min()
    ran = runs.filter(
        pl.col("workflow_version_id").is_in([*(published or ())]),
        (pl.col("run_created_at") < pl.lit(began, dtype=_MOMENT)).fill_null(True),
    ).sort("run_created_at", descending=True, nulls_last=True)
    if ran.is_empty():
        return _published_by(held["run_created_at"].max(), sides.versions)
    return str(ran["workflow_version_id"][0])


def _published_by(moment: object, versions: pl.DataFrame | None) -> str | None:
    """The version that was in production at a moment."""
    if versions is None or moment is None:
        return None
    earlier = versions.filter(pl.col("published_at") <= pl.lit(moment, dtype=_MOMENT))
    newest = earlier.sort("published_at", descending=True)["workflow_version_id"].drop_nulls()
    return str(newest[0]) if len(newest) else None
