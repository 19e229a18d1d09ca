"""Saved evals, workflows, versions, blocks and documents: short lists, and single documents.

:func:`retab_analysis.fetch.paging.read_list` reads all lists. If a list is empty, the given id may
be misspelled: see :func:`refuse_unknown`.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import polars as pl

from retab_analysis import wire
from retab_analysis.arguments import add_sentence, check_flag, resolve, suggest
from retab_analysis.decode import read_document, to_frame
from retab_analysis.errors import ConfigError, NotFoundError, RetabAnalysisError
from retab_analysis.fetch.paging import PAGE_SIZE, Fetched, read_list, read_record
from retab_analysis.fetch.params import check_text, client_or_default, quote_id
from retab_analysis.progress import Progress, show_progress
from retab_analysis.schema import EVALS, LIVE_BLOCKS, WORKFLOWS, Table
from retab_analysis.transport import Client
from retab_analysis.transport.request import Params

BLOCKS_PATH = "/v1/workflows/blocks"
# The path of each list, and the parameter for the newest first, if the list needs one.
LISTS = {
    EVALS.name: ("/v1/workflows/evals", [("order", "desc")]),
    LIVE_BLOCKS.name: (BLOCKS_PATH, []),
    WORKFLOWS.name: ("/v1/workflows", [("sort_by", "created_at"), ("order", "desc")]),
}
# All documented ids of workflows begin so. Another text may be a name.
WORKFLOW_ID = re.compile(r"wf[\w-]*", re.ASCII)


def fetch_evals(
    workflow_id: str,
    *,
    target_block_id: str | None = None,
    client: Client | None = None,
    progress: Progress | bool | None = None,
    strict: bool = True,
) -> pl.DataFrame:
    """Fetch the saved evals of a workflow, the newest first.

    Args:
        workflow_id: The workflow, its id or its name.
        target_block_id: Only evals of this block.
        client: The client to ask; by default the session's.
        progress: False for no progress bar; by default a notebook or a terminal shows one.
        strict: Raise for an eval that does not decode. False keeps the good ones and warns once.

    Returns:
        An EVALS frame, one row per saved eval; ``condition`` is the JSON that was sent.

    Raises:
        ConfigError: An id cannot be used. Or there are no evals and one more request finds no such
            workflow or block; the message names the nearest.
        SchemaError: An eval does not decode.
        RetabAnalysisError: Any other failure, with the rows so far as ``.partial``.

    Warns:
        ProblemsWarning: With ``strict=False``, some did not decode; see its ``.problems``.

    Example:
        >>> evals = ra.fetch_evals("wf_invoices")
        >>> evals.height
        95
        >>> evals.select("eval_name", "block_id", "last_passed_at").width
        3
    """
    check_text("workflow_id", workflow_id)
    if target_block_id is not None:
        check_text("target_block_id", target_block_id)
    check_flag("strict", strict)
    chosen = client_or_default(client)
    params = of_workflow(resolve_workflow(chosen, workflow_id))
    params += [] if target_block_id is None else [("target_block_id", target_block_id)]
    return _fetch_list(EVALS, params, chosen, progress, strict).deliver(EVALS)


def _fetch_list(
    table: Table,
    filters: Params,
    client: Client,
    progress: Progress | bool | None,
    strict: bool,
) -> Fetched:
    with show_progress(progress, table.name, table.name) as bar:
        read = partial(_read_all, client, table=table, strict=strict, progress=bar)
        fetched = read(filters)
        if not fetched.problems:
            asked = {name: [each] for name, each in filters}
            meant = refuse_unknown(client, asked, fetched.frame)
            if meant != asked:
                fetched = read([(name, each) for name, (each,) in meant.items()])
    return fetched


def read_saved(client: Client, workflow_id: str, **how: Any) -> Fetched:
    return _read_all(client, of_workflow(workflow_id), EVALS, **{"strict": False} | how)


def read_eval(client: Client, eval_id: str) -> object:
    path = f"{LISTS[EVALS.name][0]}/{quote_id('eval_id', eval_id)}"
    return read_record(client, EVALS, path, eval_id)


def _read_all(client: Client, filters: Params, table: Table, **how: Any) -> Fetched:
    path, order = LISTS[table.name]
    try:
        return read_list(client, path, [*filters, *order], table, **how)
    except NotFoundError as error:
        suggest_workflow(client, dict(filters).get("workflow_id"), error)
        raise


def suggest_workflow(client: Client, asked: str | None, error: RetabAnalysisError) -> None:
    if not isinstance(error, NotFoundError):
        return
    known = _name_workflows(client)
    if known and asked is not None and asked not in known:
        error.args = (f"{error}; {suggest(asked, known)}",)
    client.explain_absence(error)


def fetch_workflows(
    *,
    project_id: str | None = None,
    client: Client | None = None,
    progress: Progress | bool | None = None,
    strict: bool = True,
) -> pl.DataFrame:
    """Fetch the workflows, the newest first.

    Args:
        project_id: Only workflows of this project.
        client: The client to ask; by default the session's.
        progress: False for no progress bar; by default a notebook or a terminal shows one.
        strict: Raise for a workflow that does not decode. False keeps the good ones and warns once.

    Returns:
        A WORKFLOWS frame, one row per workflow.

    Raises:
        ConfigError: The id cannot be used. Or there are no workflows and one more request finds no
            such project; the message names the nearest.
        SchemaError: A workflow does not decode.
        RetabAnalysisError: Any other failure, with the rows so far as ``.partial``.

    Warns:
        ProblemsWarning: With ``strict=False``, some did not decode; see its ``.problems``.

    Example:
        >>> ra.fetch_workflows().sort("workflow_id")["workflow_id"].to_list()
        ['wf_claims', 'wf_contracts', 'wf_invoices', 'wf_statements', 'wf_untitled']
    """
    params = []
    if project_id is not None:
        params.append(("project_id", check_text("project_id", project_id)))
    check_flag("strict", strict)
    chosen = client_or_default(client)
    return _fetch_list(WORKFLOWS, params, chosen, progress, strict).deliver(WORKFLOWS)


def resolve_workflow(client: Client, asked: str, *, parts: bool = True) -> str:
    """The id of a workflow by its id or name, or by a part of its name, for calls that read."""
    if WORKFLOW_ID.fullmatch(check_text("workflow_id", asked)):
        return asked
    try:
        known = dict(
            _read_all(client, [], WORKFLOWS, strict=False).frame["workflow_id", "name"].iter_rows()
        )
    except RetabAnalysisError:
        return asked  # the next endpoint tells the problem
    return resolve_named(client, "workflow", asked, known, parts=parts)


def resolve_named(
    client: Client, noun: str, asked: str, known: Mapping[str, str | None], *, parts: bool
) -> str:
    """As :func:`resolve`; if nothing has this name, the error also names the environment."""
    try:
        return resolve(noun, asked, known, parts=parts)
    except ConfigError as error:
        error.args = (add_sentence(error, client.describe_environment()),)
        raise


def find_workflow(client: Client, workflow_id: str) -> pl.DataFrame:
    """A WORKFLOWS frame of the workflow, empty if there is none."""
    path = f"{LISTS[WORKFLOWS.name][0]}/{quote_id('workflow_id', workflow_id)}"
    try:
        return to_frame(WORKFLOWS, [read_record(client, WORKFLOWS, path, workflow_id)])
    except NotFoundError:
        return WORKFLOWS.empty()


def read_live_blocks(client: Client, workflow_id: str) -> pl.DataFrame:
    return read_list(client, BLOCKS_PATH, of_workflow(workflow_id), LIVE_BLOCKS).frame


def read_link(client: Client, document_id: str) -> wire.FileLink:
    """The temporary address of a document; it does not contain the document's id."""
    path = f"/v1/files/{quote_id('document_id', document_id)}/download-link"
    return client.get(path, parse=lambda body: read_document(wire.FileLink, body))


def refuse_unknown(
    client: Client,
    filters: Mapping[str, Sequence[str]],
    found: pl.DataFrame,
    *,
    parts: bool = True,
) -> Mapping[str, Sequence[str]]:
    """Raise a ConfigError if a list is empty because an id is misspelled.

    Returns the filters with the id of a block instead of its label, or of a part of that.
    """
    there = set(found["workflow_id"])
    if "project_id" in filters and not there:
        newest = _read_newest_workflows(client)
        projects = None if newest is None else dict.fromkeys(newest["project_id"].drop_nulls())
        _refuse(client, "project", filters["project_id"], projects)
    empty = [each for each in filters.get("workflow_id", ()) if each not in there]
    if not empty:
        return filters
    if "target_block_id" in filters:
        try:
            blocks = dict(read_live_blocks(client, empty[0])["block_id", "label"].iter_rows())
        except NotFoundError:
            blocks = {}  # the workflow itself may be unknown
        except RetabAnalysisError:
            return filters  # the user asked for the other list, which is there
        if blocks:
            asked = filters["target_block_id"]
            ids = [resolve("block", each, blocks, parts=parts) for each in asked]
            return {**filters, "target_block_id": ids}
    _refuse(client, "workflow", empty, _name_workflows(client))
    return filters


def read_known(client: Client, workflow_id: str) -> tuple[pl.DataFrame, dict[str, str | None]]:
    """The saved evals of an existing workflow, and the names of all runnable evals by id."""
    fetched = read_saved(client, workflow_id)
    if not fetched.problems:
        refuse_unknown(client, {"workflow_id": [workflow_id]}, fetched.frame)
    # An eval that does not decode can still run.
    known = dict.fromkeys(each.record_id for each in fetched.problems if each.record_id)
    return fetched.frame, known | dict(fetched.frame["eval_id", "eval_name"].iter_rows())


def explain_missing_run(client: Client, run_id: str, error: NotFoundError) -> None:
    with contextlib.suppress(RetabAnalysisError):
        if find_workflow(client, run_id).height:
            told = f"{run_id!r} is a workflow; ra.fetch_runs({run_id!r}) gives its runs"
            error.args = (f"{error}. {told} (in a terminal: retab-analysis runs {run_id})",)
            return
    client.explain_absence(error)


def _read_newest_workflows(client: Client) -> pl.DataFrame | None:
    """All workflows; None if they cannot be read, or are more than one request gives."""
    path, order = LISTS[WORKFLOWS.name]
    try:
        newest = read_list(client, path, order, WORKFLOWS, strict=False, most_pages=1).frame
    except RetabAnalysisError:
        return None
    return newest if newest.height < PAGE_SIZE else None


def _name_workflows(client: Client) -> dict[str, str | None] | None:
    newest = _read_newest_workflows(client)
    return None if newest is None else dict(newest["workflow_id", "name"].iter_rows())


def _refuse(
    client: Client, noun: str, asked: Sequence[str], known: Mapping[str, str | None] | None
) -> None:
    for each in asked if known is not None else ():
        resolve_named(client, noun, each, known or {}, parts=False)


def of_workflow(workflow_id: str) -> list[tuple[str, str]]:
    return [("workflow_id", check_text("workflow_id", workflow_id))]
