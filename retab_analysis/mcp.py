"""A server for coding assistants (Model Context Protocol): it reads, and starts nothing.

Five tools over the functions of the library: ``overview``, ``check``, ``why``, ``tries`` and
``history``. An answer has at most 3,000 tokens (10,000 characters) and counts its omissions.
Expected and actual values, and the words of prompts, are the customers' data. A tool gives them if
it is asked to and ``RETAB_ANALYSIS_VALUES`` does not forbid it.

``retab-analysis-mcp`` starts it on standard input and output; it needs the extra ``mcp``. The chat
of Jupyter AI finds the tools by itself, by ``LAB_TOOLS``, and needs no extra.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

import polars as pl

from retab_analysis.analysis import eval_history, summarize_evals
from retab_analysis.arguments import check_count, resolve
from retab_analysis.checks.overview import overview as look_at_workflows
from retab_analysis.checks.tries import list_tried
from retab_analysis.checks.tries import tries as list_tries
from retab_analysis.checks.verdict import check as check_workflow
from retab_analysis.comparison.accepted import name_by_id
from retab_analysis.comparison.comparison import Comparison, inside
from retab_analysis.comparison.detail import explain_eval
from retab_analysis.comparison.plain_values import list_rows
from retab_analysis.config import shows_values
from retab_analysis.errors import RetabAnalysisError
from retab_analysis.fetch import fetch_results, fetch_runs
from retab_analysis.render.brief import shorten
from retab_analysis.vocabulary import TRANSITIONS

if TYPE_CHECKING:
    from mcp.server import MCPServer

INSTRUCTIONS = """\
Did a change of a Retab workflow break anything, since when, and by which edit?
Begin with overview or check; why explains one eval, and history is its past. tries says which of
the last edits of a block mended what. Nothing here starts
a run or accepts a failure: that is for a person to do. What an answer had no room for is counted
in left_out. Ask for values only where they are needed: they are the customers' documents.
"""
_MOST_RUNS = 100
_URGENCY = {word: at for at, word in enumerate(TRANSITIONS)}
_LETTERS = {"passed": "P", "failed": "F", "blocked": "B", "error": "E", "cancelled": "C"}
_NOTABLE = (
    *("eval_name", "eval_id", "block_id", "transition", "last_states", "outcomes", "failures"),
    *("cause", "since_at", "since_run_id", "last_passed_at"),
)


def overview(workflow_id: str | None = None) -> dict[str, Any]:
    """How all Retab workflows stand, the worst first: the headline of each check and the last run.

    workflow_id: only this workflow, by its id or name. The answer then also lists its evals that do
    not pass, each with its transition and the reason.
    """
    shown = look_at_workflows(workflow_id, progress=False)
    if shown.workflow is not None:
        told = {"workflows": list_rows(shown.workflow), "evals": list_rows(shown.frame)}
        return shorten(told)
    return shorten({"workflows": list_rows(shown.frame)})


def check(
    workflow_id: str,
    candidate: str | None = None,
    baseline: str = "last_good",
    values: bool = False,
) -> dict[str, Any]:
    """The evals of a Retab workflow that a run broke: since when, by which edit, and how surely.

    candidate: a run or a version ("draft", "v5"); the newest run unless given. baseline: a run, a
    version, "published", "previous" or "last_good". Two versions are compared by all their runs;
    "last_good" holds each eval against its own past. values: also expected and actual values.
    p_regressed is the probability that an eval got worse to stay. gate.ok says whether a build may
    pass.
    """
    found = _compare(workflow_id, candidate, baseline)
    return found.to_dict(brief=True, values=values and shows_values())


def why(
    workflow_id: str, eval: str, candidate: str | None = None, values: bool = False
) -> dict[str, Any]:
    """One eval of a Retab workflow, by its id or name: its transition, why and since when.

    values: also its assertion.
    """
    found = _compare(workflow_id, candidate, "last_good")
    eval_id = resolve("eval", eval, name_by_id(inside(found).facts().stories), parts=True)
    shown = values and shows_values()
    row = list_rows(found.evals.filter(eval_id=eval_id), values=shown)[0]
    facts = inside(found).facts()
    story = next(each for each in facts.stories if each.id == eval_id)
    edits = found.config_changes.filter(block_id=row["block_id"])
    columns = ("field", "change", *(("before", "after") if shown else ()))
    told: dict[str, Any] = {name: value for name, value in row.items() if value is not None}
    told |= {
        "said": explain_eval(story, facts.year, values=shown),
        "edits": edits.select(columns).to_dicts() if row["cause"] == "edit" else [],
    }
    if shown:
        told |= {"differences": found.diff(eval_id).to_dicts()}
    return shorten(told)


def tries(workflow_id: str, block: str, last: int = 5, values: bool = False) -> dict[str, Any]:
    """The last edits of a block of a Retab workflow: what each of them mended and broke.

    The newest try comes first; the states of an eval are in the order of time. Evals that pass at
    every try are left out. values: also values, and the prompts. One eval more or less in one run
    of a try may be luck.
    """
    found = list_tries(workflow_id, block, last=last, progress=False)
    return shorten(list_tried(found, values=values and shows_values()))


def history(workflow_id: str, eval: str | None = None, runs: int = 20) -> dict[str, Any]:
    """The past of a Retab workflow's evals, in the newest runs of the whole workflow.

    Without eval: a row for each eval that does not always pass. It has the last ten outcomes, the
    newest last: P passed, F failed, B blocked, E error, C cancelled, U unscored. It has its
    transition and since when. With an eval, by its id or name: its state in each run, the newest
    first.
    """
    check_count("runs", runs, 1)
    chosen = fetch_runs(workflow_id, scope="workflow", limit=min(runs, _MOST_RUNS), progress=False)
    results = fetch_results(chosen, progress=False)
    if eval is None:
        letters = pl.col("last_states").list.eval(
            pl.element().replace_strict(_LETTERS, default="U")
        )
        rows = summarize_evals(results).with_columns(last_states=letters.list.join(""))
        urgency = pl.col("transition").replace_strict(_URGENCY, default=len(_URGENCY))
        told = rows.filter(pl.col("transition") != "still_passing")
        ordered = told.sort(urgency, maintain_order=True)
        steady = rows.height - ordered.height
        return shorten(
            {"runs": chosen.height, "steady": steady, "evals": list_rows(ordered.select(_NOTABLE))}
        )
    known = dict(results.select("eval_id", "eval_name").iter_rows())
    eval_id = resolve("eval", eval, known, parts=True)
    past = eval_history(results.filter(eval_id=eval_id)).reverse()
    columns = ("run_id", "run_created_at", "workflow_version_id", "state", "block_changed")
    return shorten({"eval_id": eval_id, "runs": list_rows(past.select(columns))})


def _compare(workflow_id: str, candidate: str | None, baseline: str) -> Comparison:
    return check_workflow(workflow_id, candidate=candidate, baseline=baseline, progress=False)


TOOLS = (overview, check, why, tries, history)
LAB_TOOLS = [f"{__name__}:{tool.__name__}" for tool in TOOLS]
"""For the entry points ``jupyter_server_mcp.tools``."""


def make_server() -> MCPServer:
    """The server with its tools; the client of each call is the default one."""
    # At first use: if the extra is missing, the error says how to install it.
    import mcp.server
    from mcp.types import ToolAnnotations

    # Jupyter AI needs mcp 1, in which the server had another name.
    is_old = not hasattr(mcp.server, "MCPServer")
    name, folder = ("FastMCP", "fastmcp") if is_old else ("MCPServer", "mcpserver")
    make = getattr(import_module(f"mcp.server.{folder}"), name)
    answer = import_module(f"mcp.server.{folder}.exceptions").ToolError
    server: MCPServer = make("retab_analysis", instructions=INSTRUCTIONS, log_level="WARNING")
    read_only = ToolAnnotations.model_validate({"readOnlyHint": True})
    for tool in TOOLS:
        about = inspect.getdoc(tool)
        server.tool(description=about, annotations=read_only)(_with_messages(tool, answer))
    return server


def _with_messages(
    tool: Callable[..., dict[str, Any]], answer: type[Exception]
) -> Callable[..., dict[str, Any]]:
    """The tool with our errors as answers; the protocol would hide them."""

    @functools.wraps(tool)
    def call(*args: Any, **kwargs: Any) -> dict[str, Any]:
        try:
            return tool(*args, **kwargs)
        except RetabAnalysisError as error:
            raise answer(str(error)) from None

    return call


def main() -> None:
    """Serve on standard input and output until the client goes."""
    try:
        server = make_server()
    except ModuleNotFoundError as error:
        raise SystemExit(f"{error}; it comes with: pip install 'retab_analysis[mcp]'") from None
    server.run()
