"""Results: one, or the results of many runs, several runs at once."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import polars as pl

from retab_analysis import wire
from retab_analysis.arguments import check_flag
from retab_analysis.decode import Problem, Problems, to_frame
from retab_analysis.errors import (
    ConfigError,
    NotFoundError,
    ProblemsWarning,
    RetabAnalysisError,
    SchemaError,
    described,
    list_some,
)
from retab_analysis.fetch.lists import explain_missing_run, read_saved
from retab_analysis.fetch.paging import (
    Collected,
    Fetched,
    Gathering,
    read_pages,
    read_record,
    refuse_other,
)
from retab_analysis.fetch.params import RunList, Runs, client_or_default, quote_id
from retab_analysis.fetch.runs import RUNS_PATH, read_run
from retab_analysis.fetch.threads import TaskOutcomes, apart, run_all
from retab_analysis.progress import Progress, show_progress
from retab_analysis.schema import (
    EVALS,
    RESULTS,
    RESULTS_WITH_PAYLOADS,
    RUNS,
    Table,
    as_polars,
    checked,
    complete_words,
)
from retab_analysis.transport import Client

RESULTS_PATH = "/v1/workflows/evals/results"


def fetch_result(result_id: str, *, client: Client | None = None) -> pl.DataFrame:
    """Fetch one result.

    Args:
        result_id: The result.
        client: The client to ask; by default the session's.

    Returns:
        A RESULTS frame of one row; ``eval_name`` and ``path`` are null.

    Raises:
        ConfigError: The id cannot be in a URL.
        NotFoundError: The result does not exist. Or its run is gone; then the result is in
            ``.partial``.
        RetabAnalysisError: Any other failure, see :mod:`retab_analysis.errors`.

    Example:
        >>> run_id = ra.fetch_runs("wf_claims", status="completed", limit=1)["run_id"][0]
        >>> result_id = ra.fetch_results(run_id)["result_id"][0]
        >>> ra.fetch_result(result_id)["result_id"][0] == result_id
        True
    """
    client = client_or_default(client)
    try:
        result = read_result(client, result_id)
    except NotFoundError as error:
        client.explain_absence(error)
        raise
    run_id, workflow_id = result["run_id"][0], result["workflow_id"][0]
    if run_id is None:
        return result
    try:
        run = read_run(client, run_id)
        refuse_other("workflow", "workflow_id", workflow_id, [run])
        return with_runs(result, to_frame(RUNS, [run]))
    except RetabAnalysisError as error:
        error.partial = result
        raise


def read_result(client: Client, result_id: str) -> pl.DataFrame:
    path = f"{RESULTS_PATH}/{quote_id('result_id', result_id)}"
    return to_frame(RESULTS, [read_record(client, RESULTS, path, result_id)])


def fetch_results(
    runs: Runs,
    *,
    evals: bool | pl.DataFrame | Any = True,
    payloads: bool = False,
    client: Client | None = None,
    progress: Progress | bool | None = None,
    strict: bool = True,
) -> pl.DataFrame:
    """Fetch the results of eval runs, several runs at once.

    Args:
        runs: An id, several, a RUNS frame or its ``run_id`` column. With the frame, the runs
            themselves need no request. Runs of several ids come from the newest pages of the list
            of runs, while a page has several of them.
        evals: The source of ``eval_name`` and ``path``, which no result has. It also completes
            ``condition``: the operator of a number or a length, the rubric of a judgement, if the
            saved eval still has the result's expected value. True reads the saved evals of each
            workflow, one list each. False, or None, leaves the two columns null. An EVALS frame
            costs no request. Both columns are null for deleted evals.
        payloads: Also the columns ``handle_inputs`` and ``handle_outputs``, the blocks' inputs and
            outputs as compact JSON. They can be large.
        client: The client to ask, with ``max_concurrency`` requests at once; by default the
            session's.
        progress: False for no progress bar, or an object with ``update`` and ``close``. By default
            a notebook or a terminal shows a bar after a second.
        strict: Raise for a result that does not decode. False keeps the good ones and warns once.
            The results of a run that does not decode have null in the columns about the run.

    Returns:
        A RESULTS frame, one row per eval and run: the runs in the order given, each run's results
        in the API's order. ``expected_value`` and ``actual_value`` are the API's JSON without white
        space.

    Raises:
        ConfigError: An argument cannot be used.
        SchemaError: A result does not decode, with its id and JSON path.
        RetabAnalysisError: Any other failure. ``fetch_results`` still fetches the other runs:
            ``.partial`` has their rows, and the message names the missing runs.
        KeyboardInterrupt: After Ctrl-C, within a second. Its ``.partial`` has the rows so far; in a
            notebook it is ``sys.last_value.partial``.

    Warns:
        ProblemsWarning: With ``strict=False``, some did not decode; see its ``.problems``. Or saved
            evals could not be read: then all results are there, without the columns from saved
            evals.

    Example:
        >>> runs = ra.fetch_runs("wf_invoices", scope="workflow", limit=2)
        >>> results = ra.fetch_results(runs)
        >>> results["run_id"].n_unique()
        2
        >>> not_passing = results.filter(pl.col("state").is_in(["failed", "blocked", "error"]))
    """
    check_flag("strict", strict)
    chosen, known = RunList.make(runs), _check_evals(evals)
    table = RESULTS_WITH_PAYLOADS if check_flag("payloads", payloads) else RESULTS
    client = client_or_default(client)
    reading = _Reading(client, chosen, table, known)
    try:
        with show_progress(progress, "results", "runs") as bar:
            reading.read(strict=strict, progress=bar)
            fetched, unread = (
                _add_evals(client, reading) if evals is True else (reading.give(), Problems())
            )
    except KeyboardInterrupt as interrupt:
        interrupt.partial = reading.frame()  # type: ignore[attr-defined]
        raise
    if unread:
        first = unread[0]
        told = (
            "saved evals could not be read, so eval_name and path of their results are null, see "
            f".problems; the first: {first.record_id}: {first.reason}"
        )
        warnings.warn(ProblemsWarning(told, unread.frame()), stacklevel=3)
    return fetched.deliver(table)


def _check_evals(evals: object) -> pl.DataFrame | None:
    if evals is None or isinstance(evals, bool):
        return None
    if as_polars(evals, "evals") is None:
        call = 'of one eval: results.filter(eval_name="…")'
        told = f"evals must be True, False or an EVALS frame, got {described(evals)}"
        raise ConfigError(f"{told}; {call}")
    needed = ("eval_id", "eval_name", "path", "condition")
    return checked(evals, EVALS, needed, "evals").collect()


class _Reading:
    def __init__(
        self, client: Client, runs: RunList, table: Table, evals: pl.DataFrame | None = None
    ) -> None:
        self._client, self._evals = client, evals
        self._known = runs.known if _is_of_runs(runs.known) else None
        # The workflow of each run, if the frame has it.
        self._workflows: dict[str, str | None] = {}
        if self._known is not None and "workflow_id" in self._known.columns:
            self._workflows = dict(self._known["run_id", "workflow_id"].iter_rows())
        # A list for each run: the order does not depend on the order of answers, and the rows so
        # far survive an error or Ctrl-C.
        self._gathering = Gathering(table)
        self._lists = {
            run_id: Collected(self._gathering, number=number)
            for number, run_id in enumerate(runs.ids)
        }
        self._runs: dict[str, wire.Run] = {}  # those that are not known

    def read(self, *, strict: bool, progress: Progress) -> None:
        outcomes: TaskOutcomes[None] = TaskOutcomes()

        def tell() -> None:
            done = len(outcomes.results) + len(outcomes.errors)
            progress.update(done, len(self._lists), f"{self._gathering.count} results")

        if self._known is None and len(self._lists) > 3:  # for fewer a page saves no request
            run_all([self._find_runs], 1)
        tasks = [partial(self._read_list, run_id, strict) for run_id in self._lists]
        run_all(tasks, self._client.max_concurrency, outcomes, tell)
        error = outcomes.error()
        if error is not None:
            # Runs that failed, and runs that were not tried because every run would have failed.
            missing = [each for at, each in enumerate(self._lists) if at not in outcomes.results]
            if isinstance(error, NotFoundError):
                explain_missing_run(self._client, missing[0], error)
            error.args = (
                f"{error}. The results of {len(missing)} of {len(self._lists)} runs are missing "
                f"or incomplete: {list_some(missing)}; .partial has the others",
            )
            error.partial, error.cursor = self.frame(), None
            raise error

    def _read_list(self, run_id: str, strict: bool) -> None:
        if self._known is None and run_id not in self._runs:
            self._read_run(run_id, strict)
        run = self._runs.get(run_id)
        workflow_id = self._workflows.get(run_id) if run is None else run.workflow_id

        def accept(results: Sequence[Any]) -> None:
            refuse_other("run", "workflow_eval_run_id", run_id, results)
            if workflow_id is not None:
                refuse_other("workflow", "workflow_id", workflow_id, results)
            # The list is of one run, so the run of a result without it is known.
            for each in results:
                each.workflow_eval_run_id = run_id

        params, into = [("run_id", run_id), ("order", "desc")], self._lists[run_id]
        # The pages are in ``into``, where other threads see them before the end.
        for _ in read_pages(self._client, RESULTS_PATH, params, into, strict=strict, accept=accept):
            pass

    def _find_runs(self) -> None:
        """Take runs from the newest pages of the list of runs, while a page has several of them.

        A run that is missing, or that could not be read here, is asked for by its id.
        """
        params, into = [("order", "desc")], Collected(Gathering(RUNS))
        for page in read_pages(self._client, RUNS_PATH, params, into, strict=False, tries=1):
            its = {e.id: e for e in page.structs if e.id in self._lists and e.id not in self._runs}
            self._runs |= its
            if len(its) < 2 or len(self._runs) == len(self._lists):
                return

    def _read_run(self, run_id: str, strict: bool) -> None:
        try:
            self._runs[run_id] = read_run(self._client, run_id)
        except SchemaError as error:
            if strict or error.problems is None:
                raise
            for record_id, path, reason, raw in error.problems.iter_rows():
                words = f"in the document of the run: {reason}"
                self._lists[run_id].problems.add(Problem(record_id, path, words, raw))

    def workflow_ids(self) -> list[str]:
        found = self._gathering.rows()["workflow_id"].unique(maintain_order=True)
        return found.drop_nulls().to_list()

    def frame(self) -> pl.DataFrame:
        def make_frame() -> pl.DataFrame:
            known = self._known
            if known is None:
                # Every run was read, or none: a RUNS frame has all of them.
                known = to_frame(RUNS, [*self._runs.values()])
            frame = with_runs(self._gathering.frame(), known)
            return frame if self._evals is None else frame.with_columns(eval_columns(self._evals))

        return apart(make_frame)

    def give(self) -> Fetched:
        problems = Problems()
        for each in self._lists.values():
            problems.add_all(each.problems)
        return Fetched(self.frame(), problems)


def list_results(client: Client, runs: RunList, *, strict: bool, progress: Progress) -> Fetched:
    reading = _Reading(client, runs, RESULTS)
    reading.read(strict=strict, progress=progress)
    return reading.give()


def _is_of_runs(frame: pl.DataFrame | None) -> bool:
    """Whether it is a RUNS frame: in a RESULTS frame, ``created_at`` is the result's."""
    if frame is None or "result_id" in frame.columns:
        return False
    wanted = ("run_id", "workflow_version_id", "scope", "is_outage", "created_at", "completed_at")
    return all(frame.schema.get(name) == RUNS.schema[name] for name in wanted)


def with_runs(results: pl.DataFrame, runs: pl.DataFrame) -> pl.DataFrame:
    once = runs if runs["run_id"].n_unique() == runs.height else runs.unique("run_id", keep="last")
    known = once.select(
        "run_id",
        "workflow_version_id",
        run_scope="scope",
        run_is_outage="is_outage",
        run_created_at="created_at",
        run_completed_at="completed_at",
    )
    # From the left and in its order: a result of an unknown run stays, with nulls.
    without = results.drop(known.columns[1:])
    joined = without.join(known, on="run_id", how="left", maintain_order="left")
    return joined.select(results.columns)


def eval_columns(evals: pl.DataFrame) -> list[pl.Expr]:
    """The parts that results lack, from an EVALS frame: names, paths, and parts of conditions."""
    once = evals.drop_nulls("eval_id").unique("eval_id", keep="first")
    eval_id = pl.col("eval_id")
    words = pl.struct("eval_id", "condition_kind", "expected_value", "threshold", "condition")
    return [
        *(
            eval_id.replace_strict(once["eval_id"], once[name], default=None).alias(name)
            for name in ("eval_name", "path", "block_label")
            if name in once.columns
        ),
        words.map_batches(
            lambda rows: complete_words(rows.struct.unnest(), once), pl.String, is_elementwise=True
        ).alias("condition"),
    ]


def _add_evals(client: Client, reading: _Reading) -> tuple[Fetched, Problems]:
    """Read the saved evals of the results' workflows, and fill in their columns.

    Unreadable evals must not lose the results. They are returned second: whole lists (the record is
    the workflow), or single evals.
    """
    workflow_ids = apart(reading.workflow_ids)
    # Rows are made while the answers are on their way.
    asks: list[Callable[[], Fetched]] = [partial(read_saved, client, e) for e in workflow_ids]
    outcomes = run_all([reading.give, *asks], client.max_concurrency)
    fetched, evals, unread = outcomes.results[0], [EVALS.empty()], Problems()
    for at, workflow_id in enumerate(workflow_ids, 1):
        if (found := outcomes.results.get(at)) is not None:
            evals.append(found.frame)
            unread.add_all(found.problems)
        else:  # it failed, or it was not tried after others failed
            reason = str(outcomes.errors.get(at, outcomes.error()))
            unread.add(Problem(workflow_id, "$", reason, ""))

    def fill_in() -> pl.DataFrame:
        return fetched.frame.with_columns(eval_columns(pl.concat(evals)))

    return Fetched(apart(fill_in), fetched.problems), unread
