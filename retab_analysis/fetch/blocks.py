"""The blocks of a workflow and what they are configured to do: of a version, or as they are now.

The API's endpoints for versions know published versions only. What the draft is now is another
list, and what it was at an earlier moment cannot be asked for.
"""

from __future__ import annotations

from functools import partial

import polars as pl

from retab_analysis import wire
from retab_analysis.decode import read_document, to_frame
from retab_analysis.errors import ProtocolError
from retab_analysis.fetch.paging import read_list
from retab_analysis.fetch.params import check_text, quote_id
from retab_analysis.fetch.threads import TaskOutcomes, run_all
from retab_analysis.progress import Silent
from retab_analysis.schema import BLOCKS, LIVE_BLOCKS
from retab_analysis.transport import Client
from retab_analysis.vocabulary import DRAFT


def read_blocks(client: Client, workflow_id: str, version: str) -> pl.DataFrame:
    """Read the blocks of a published version, or of the draft as it is now.

    Args:
        client: The client to ask with.
        workflow_id: The workflow.
        version: The id of a published version, or ``"draft"``.

    Returns:
        One row per block: ``block_id, block_type, label, config, parent_id`` (String); ``config``
        is compact JSON, null where there is none.

    Raises:
        ConfigError: An id cannot be used.
        NotFoundError: The API does not know the version or the workflow.
        SchemaError: A block does not decode.
        RetabAnalysisError: Any other failure, see :mod:`retab_analysis.errors`.
    """
    if version == DRAFT:
        return read_live_blocks(client, workflow_id).select(BLOCKS.schema.names())
    params = [("workflow_id", check_text("workflow_id", workflow_id))]
    path = f"/v1/workflows/versions/{quote_id('version', version)}"

    def parse(body: bytes) -> wire.GraphVersion:
        document = read_document(wire.GraphVersion, body)
        if document.workflow_id != workflow_id:
            raise ProtocolError(f"a version of workflow {document.workflow_id!r}")
        return document

    document = client.get(path, params, parse=parse)
    return to_frame(BLOCKS, document.blocks or [])


def read_live_blocks(client: Client, workflow_id: str) -> pl.DataFrame:
    """Read the blocks of the draft as it is now, each with when it was saved last.

    Returns:
        As :func:`read_blocks`, and ``updated_at`` (Datetime), null where that is not known.

    Raises:
        RetabAnalysisError: As :func:`read_blocks` does.
    """
    params = [("workflow_id", check_text("workflow_id", workflow_id))]
    path = "/v1/workflows/blocks"
    return read_list(client, path, params, LIVE_BLOCKS, strict=True, progress=Silent()).frame


def read_two_versions(
    client: Client, workflow_id: str, baseline: str, candidate: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read the blocks of two versions at the same time; see :func:`read_blocks`.

    Raises:
        RetabAnalysisError: As :func:`read_blocks` does.
    """
    outcomes: TaskOutcomes[pl.DataFrame] = TaskOutcomes()
    tasks = [partial(read_blocks, client, workflow_id, each) for each in (baseline, candidate)]
    run_all(tasks, client.max_concurrency, outcomes)
    if error := outcomes.error():
        raise error
    return outcomes.results[0], outcomes.results[1]
