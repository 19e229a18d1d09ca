"""``fetch_edits``: the configurations of a workflow's blocks, from one edit to the next.

The API's history of a block is in no SDK and may not be available. Then the published versions and
the present draft are read instead, without earlier drafts.
"""

from __future__ import annotations

import contextlib
import hashlib
import warnings
from collections.abc import Sequence
from functools import partial

import polars as pl

from retab_analysis import wire
from retab_analysis.arguments import resolve
from retab_analysis.decode import read_document, to_frame
from retab_analysis.errors import (
    InvalidRequestError,
    ProblemsWarning,
    ProtocolError,
    RetabAnalysisError,
)
from retab_analysis.evidence.names import name_edits
from retab_analysis.fetch.lists import (
    find_workflow,
    of_workflow,
    read_live_blocks,
    refuse_unknown,
    resolve_workflow,
)
from retab_analysis.fetch.params import (
    OneOrSeveral,
    check_text,
    client_or_default,
    list_values,
    quote_id,
)
from retab_analysis.fetch.publications import (
    GRAPHS_PATH,
    is_unavailable,
    read_newest_versions,
    read_optional,
)
from retab_analysis.fetch.threads import run_all
from retab_analysis.schema import BLOCKS, EDITS, ERAS, PROBLEMS, Datetime, write_by_value
from retab_analysis.transport import Client
from retab_analysis.vocabulary import DRAFT

SIGHTINGS = pl.Schema(
    {
        **dict.fromkeys(("block_id", "block_label", "block_type", "config"), pl.String()),
        **dict.fromkeys(("first_seen_at", "last_seen_at"), Datetime),
        "version": pl.Int64(),
        **dict.fromkeys(("is_draft", "is_published"), pl.Boolean()),
    }
)
"""The place of a configuration: in a published version, or in the draft for a while."""

_NO_HISTORY = (
    "The API does not give the history of blocks: these are the published versions and the draft "
    "as it is now. Earlier drafts are not known"
)


def fetch_edits(
    workflow_id: str, *, blocks: OneOrSeveral = None, client: Client | None = None
) -> pl.DataFrame:
    """Fetch the configurations of a workflow's blocks, from one edit to the next.

    It sends one request for the blocks, one for the workflow's name, and one for the history of
    each block. If the API does not give histories, it reads the newest published versions instead,
    with one request each.

    Args:
        workflow_id: The workflow, its id or its name.
        blocks: Only these, by id or label; by default all blocks of the draft.
        client: The client to ask; by default the session's.

    Returns:
        An EDITS frame, one row per era of a block, the newest first. An era lasts from one edit to
        the next, in drafts and published versions alike. ``name`` is the first version that has it,
        else its edit: ``v5``, ``edit of 29 Nov 19:26``. ``number`` is its place among the eras of
        its block, null without histories. ``versions`` are the numbers of the published versions
        that have this configuration; ``is_draft`` and ``is_published`` tell whether the draft and
        production have it now; ``config`` is JSON.

    Raises:
        ConfigError: An argument cannot be used, or there is no such workflow or block.
        NotFoundError: The API does not know the workflow.
        RetabAnalysisError: Any other failure, see :mod:`retab_analysis.errors`.

    Warns:
        ProblemsWarning: The API does not give histories; earlier drafts are missing.

    Example:
        >>> edits = ra.fetch_edits("wf_invoices", blocks="extract_lines")
        >>> edits.select("versions", "is_draft", "is_published").rows()
        [([], True, False), ([3, 4, 5], False, True), ([1, 2], False, False)]
    """
    check_text("workflow_id", workflow_id)
    asked = list_values("blocks", blocks)
    chosen = client_or_default(client)
    workflow_id = resolve_workflow(chosen, workflow_id)
    draft = read_live_blocks(chosen, workflow_id)
    if draft.is_empty():
        refuse_unknown(chosen, {"workflow_id": [workflow_id]}, EDITS.empty())
    known = dict(draft.select("block_id", "label").iter_rows())
    ids = list(known)
    if asked is not None:
        ids = list(dict.fromkeys(resolve("block", each, known, parts=True) for each in asked))
    edits = read_history(chosen, workflow_id, ids)
    if edits is None:
        warnings.warn(ProblemsWarning(_NO_HISTORY, PROBLEMS.to_frame()), stacklevel=3)
        saved = see_blocks(draft, first_seen_at="updated_at", last_seen_at="updated_at")
        seen = pl.concat([saved, _see_publications(chosen, workflow_id)])
        edits = find_eras(seen, workflow_id)
        edits = edits if asked is None else edits.filter(pl.col("block_id").is_in(ids))
    label = pl.col("block_id").replace_strict(known, default=None, return_dtype=pl.String)
    with contextlib.suppress(RetabAnalysisError):  # then the name is not known
        newest = find_workflow(chosen, workflow_id)["name"]
        edits = edits.with_columns(workflow_name=pl.lit(newest.first(), pl.String))
    edits = edits.with_columns(pl.coalesce("block_label", label))
    return name_newest_first(edits).select(EDITS.schema.names())


def read_history(client: Client, workflow_id: str, blocks: Sequence[str]) -> pl.DataFrame | None:
    """ERAS of blocks, or None; asks for the first alone, to ask an API without them once."""
    found = []
    for several in filter(None, (blocks[:1], blocks[1:])):
        tasks = [partial(_read_eras, client, workflow_id, each) for each in several]
        outcomes = run_all(tasks, client.max_concurrency)
        if error := outcomes.error():
            raise error
        found += [outcomes.results[at] for at in range(len(tasks))]
        if found[0] is None:
            return None
    return pl.concat([ERAS.empty(), *(each for each in found if each is not None)])


def _read_eras(client: Client, workflow_id: str, block_id: str) -> pl.DataFrame | None:
    where = client, history_path(block_id), of_workflow(workflow_id), ERAS
    if (eras := read_optional(*where)) is None:
        return None
    about = {"block_id": pl.lit(block_id), "workflow_id": pl.lit(workflow_id)}
    place = pl.col("first_seen_at").rank("ordinal")
    return eras.frame.with_columns(**about, number=place.cast(pl.Int64))


def history_path(block_id: str) -> str:
    return f"/v1/workflows/blocks/{quote_id('block_id', block_id)}/config-history"


def read_graphs(
    client: Client, workflow_id: str, versions: Sequence[str]
) -> dict[str, pl.DataFrame]:
    """BLOCKS of the available versions; LIVE_BLOCKS for ``"draft"``.

    The API has graphs of published versions only, and a list of the draft's blocks as they are now.
    Earlier drafts are only in the history of a block.
    """

    def parse(body: bytes) -> wire.GraphVersion:
        document = read_document(wire.GraphVersion, body)
        if document.workflow_id != workflow_id:
            raise ProtocolError(f"a version of workflow {document.workflow_id!r}")
        return document

    def read(version: str) -> pl.DataFrame:
        if version == DRAFT:
            return read_live_blocks(client, workflow_id)
        path = f"{GRAPHS_PATH}/{quote_id('version', version)}"
        document = client.get(path, of_workflow(workflow_id), parse=parse)
        return to_frame(BLOCKS, document.blocks or [])

    outcomes = run_all([partial(read, each) for each in versions], client.max_concurrency)
    for error in outcomes.errors.values():
        if not (is_unavailable(error) or isinstance(error, InvalidRequestError)):
            raise error
    return {versions[at]: blocks for at, blocks in outcomes.results.items()}


def _see_publications(client: Client, workflow_id: str) -> pl.DataFrame:
    try:
        versions = read_newest_versions(client, workflow_id)
    except RetabAnalysisError as error:
        if not is_unavailable(error):
            raise
        return SIGHTINGS.to_frame()
    rows = {each["workflow_version_id"]: each for each in versions.to_dicts()}
    seen = [SIGHTINGS.to_frame()]
    for version_id, blocks in read_graphs(client, workflow_id, list(rows)).items():
        row = rows[version_id]
        at = pl.lit(row["published_at"], Datetime)
        seen.append(
            see_blocks(
                blocks.drop_nulls("block_id"),
                first_seen_at=at,
                last_seen_at=at,
                version=pl.lit(row["version"], pl.Int64),
                is_draft=pl.lit(False),
                is_published=pl.lit(row["is_current"], pl.Boolean).fill_null(False),
            )
        )
    return pl.concat(seen)


def see_blocks(blocks: pl.DataFrame, **columns: str | pl.Expr) -> pl.DataFrame:
    of_draft: dict[str, str | pl.Expr] = {
        "block_label": "label",
        "version": pl.lit(None, pl.Int64),
        "is_draft": pl.lit(True),
        "is_published": pl.lit(False),
    }
    rows = blocks.with_columns(**(of_draft | columns))
    return rows.select(SIGHTINGS.names())


def mark_configs(configs: pl.Series) -> pl.Series:
    """A mark for each configuration; configurations of equal value have the same mark."""
    texts = (write_by_value(each or "").encode() for each in configs)
    marks = [hashlib.sha256(each).hexdigest()[:16] for each in texts]
    return pl.Series(marks, dtype=pl.String)


def find_eras(seen: pl.DataFrame, workflow_id: str) -> pl.DataFrame:
    rows = seen.with_columns(config_fingerprint=mark_configs(seen["config"]))
    eras = rows.group_by("block_id", "config_fingerprint", maintain_order=True).agg(
        pl.col("block_label", "block_type", "config").last(),
        pl.col("first_seen_at").min(),
        pl.col("last_seen_at").max(),
        pl.col("is_draft", "is_published").any(ignore_nulls=False),
        versions=pl.col("version").drop_nulls().unique().sort(),
        run_count=pl.lit(None, pl.Int64),
        name=pl.lit(None, pl.String),
        number=pl.lit(None, pl.Int64),
        workflow_id=pl.lit(workflow_id),
        workflow_name=pl.lit(None, pl.String),
    )
    return eras.select(ERAS.schema.names())


def join_eras(told: pl.DataFrame, states: pl.DataFrame, workflow_id: str) -> pl.DataFrame:
    """Join the API's eras with the seen states of the draft: an ERAS frame.

    ``states`` is a LIVE_BLOCKS frame with ``first_seen_at, last_seen_at, is_gone``. The latest
    state of each block comes first: it is the draft's.
    """
    seen, saved = pl.col("first_seen_at"), pl.col("updated_at")
    # A block was saved before a sync saw it so, but after a sync saw it otherwise.
    before = pl.col("last_seen_at").shift(-1).over("block_id")
    is_since = (saved < seen) & (saved > before).fill_null(True)
    is_now = pl.int_range(pl.len()).over("block_id") == 0
    sightings = see_blocks(
        states,
        first_seen_at=pl.when(is_since).then(saved).otherwise(seen),
        is_draft=is_now & ~pl.col("is_gone"),
        is_published=pl.lit(None, pl.Boolean),
    )
    key = ("block_id", "mark")
    drafts = find_eras(sightings, workflow_id).with_columns(mark="config_fingerprint")
    told = told.with_columns(mark=mark_configs(told["config"]))
    now = drafts.filter("is_draft").select(*key, is_now=pl.lit(True))
    marked = told.join(now, on=key, how="left").with_columns(
        is_draft=pl.col("is_now").fill_null(False)
    )
    others = drafts.join(told, on=key, how="anti")
    both = pl.concat([each.select(ERAS.schema.names()) for each in (marked, others)])
    return name_newest_first(both)


def name_newest_first(edits: pl.DataFrame) -> pl.DataFrame:
    """The eras of a workflow with their names, the newest first."""
    by = ("first_seen_at", "last_seen_at", "block_id")
    order = {"descending": [True, True, False], "nulls_last": True, "maintain_order": True}
    return name_edits(edits).sort(by, **order)  # type: ignore[arg-type]
