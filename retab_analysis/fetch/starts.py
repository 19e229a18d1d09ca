"""Start and cancel eval runs: requests that change something, and so are sent only once.

Each start has an ``Idempotency-Key``. No page of Retab says that eval runs honour it, so a start is
not sent again because of it.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import polars as pl

from retab_analysis import wire
from retab_analysis.arguments import add_sentence, resolve
from retab_analysis.decode import to_frame
from retab_analysis.errors import (
    APIError,
    ConfigError,
    ConflictError,
    NotFoundError,
    ProtocolError,
    RetabAnalysisError,
    SchemaError,
    ServerError,
    TransportError,
)
from retab_analysis.fetch.lists import explain_missing_run, read_known, refuse_unknown
from retab_analysis.fetch.paging import PAGE_SIZE, record_parser, refuse_other
from retab_analysis.fetch.params import RunList, RunQuery, Runs, client_or_default, quote_id
from retab_analysis.fetch.runs import RUNS_PATH, list_runs, read_run
from retab_analysis.fetch.threads import OutOfPatienceError, TaskOutcomes, run_all
from retab_analysis.schema import RUNS
from retab_analysis.transport import Client

# Problems of one run, which say nothing about the others.
_OF_ONE_RUN = (ConflictError, NotFoundError)
# After these, and after a 408, it is not known whether the API acted on the request.
_UNANSWERED = (KeyboardInterrupt, TransportError, ProtocolError, ServerError, SchemaError)
# The ``Date`` of an answer has whole seconds, and an answer takes a while.
_SLACK = timedelta(seconds=5)
# By how much a server's ``Date`` may be ahead of the time that it gives to a run.
_AHEAD = timedelta(seconds=60)
_TIME = "%Y-%m-%d %H:%M:%S UTC"
# The name of a request's scope in RUNS.
_SCOPES = {"workflow": "workflow", "block": "block", "single": "eval"}
# Seconds that you wait after Ctrl-C to hear which run goes on.
_LOOK = 5.0


SAVE_FIRST = "save an eval in Retab first, then start a run: ra.start_runs({!r}) or check --start"
"""The next step if a workflow has no evals."""

Scope = dict[str, str]


@dataclass(frozen=True, eq=False)
class Selection:
    """The runs to start, their numbers of evals, and the sentences about them."""

    scopes: Sequence[Scope]
    sizes: Sequence[int]
    said: str


def select(
    client: Client,
    workflow_id: str,
    evals: Sequence[str] | None = None,
    blocks: Sequence[str] | None = None,
    repeat: int = 1,
) -> Selection:
    """The runs that were asked for, with their numbers of evals; by default the whole workflow."""
    saved, known = read_known(client, workflow_id)
    single = dict.fromkeys(resolve("eval", each, known) for each in evals or ())
    sized: list[tuple[Scope, int]] = [({"type": "single", "eval_id": each}, 1) for each in single]
    for named in blocks or ():
        asked = {"workflow_id": [workflow_id], "target_block_id": [named]}
        meant = refuse_unknown(client, asked, saved.filter(block_id=named), parts=False)
        (block,) = meant["target_block_id"]
        its = saved.filter(block_id=block)
        sized.append(({"type": "block", "block_id": block}, its.height))
    if evals is None and blocks is None:
        sized = [({"type": "workflow"}, len(known))]
    for scope, size in sized:
        if not size and len(known) == saved.height:
            where = f"block {scope['block_id']!r}" if "block_id" in scope else workflow_id
            raise ConfigError(f"{where} has no saved eval: {SAVE_FIRST.format(workflow_id)}")
    runs = [each for each in sized for _ in range(repeat)]
    sizes = [size for _, size in runs]
    return Selection([scope for scope, _ in runs], sizes, say_start(workflow_id, sizes) + ".")


def say_starts(starts: Sequence[tuple[str, Sequence[int]]]) -> str:
    """One sentence about the starts of a cell."""
    flows = {workflow_id for workflow_id, _ in starts}
    where = starts[0][0] if len(flows) == 1 else f"{len(flows)} workflows"
    return say_start(where, [size for _, sizes in starts for size in sizes]) + "."


def say_start(workflow_id: str, sizes: Sequence[int]) -> str:
    """How many runs are started, and with how many evals; ``sizes`` has the number for each run."""
    if not sizes:
        return "No run is started: no eval was named"
    is_equal = len({*sizes}) == 1
    evals = count(sizes[0] if is_equal else sum(sizes), "eval")
    each = "" if len(sizes) == 1 else " each" if is_equal else " together"
    return f"Starting {count(len(sizes), 'run')} of {evals}{each} in {workflow_id}"


def count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def start_each(
    client: Client, workflow_id: str, scopes: Sequence[Mapping[str, str]]
) -> pl.DataFrame:
    started = RUNS.empty()
    with _terminating_as_interrupt():
        # One after the other: the frame has the order of the queue.
        for scope in scopes:
            start = _Start(client, workflow_id, scope)
            try:
                start.send({*started["run_id"]})
                run = start.named
            except (RetabAnalysisError, KeyboardInterrupt) as error:
                error.partial = started  # type: ignore[union-attr]
                client.explain_absence(error)
                is_unclear = isinstance(error, _UNANSWERED) or _is_unclear(error)
                if not is_unclear or (found := start.look_for_run(error)) is None:
                    raise
                run = found
            started = pl.concat([started, run])
    return started


def _is_unclear(error: BaseException) -> bool:
    """Whether the API may have acted on the request, although it answered with a 4xx."""
    return isinstance(error, APIError) and error.status_code in (408, 409)


@contextlib.contextmanager
def _terminating_as_interrupt() -> Iterator[None]:
    """Make SIGTERM end the block like Ctrl-C, if it would end Python in silence."""
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt("terminated (SIGTERM)")

    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@dataclass
class _Start:
    """One start: its request, and the run that the answer names."""

    client: Client
    workflow_id: str
    scope: Mapping[str, str]
    named: pl.DataFrame = field(default_factory=RUNS.empty)
    key: str = field(default_factory=lambda: str(uuid4()))

    def send(self, known: Collection[str]) -> None:
        """Start the run; refuse an answer that names another one, or one of the ``known``."""
        self.began, sent = datetime.now(UTC), self.client.now()

        def accept(run: wire.Run, now: datetime) -> None:
            self.named = to_frame(RUNS, [run])
            asked_at = now - timedelta(seconds=self.client.now() - sent)
            if (why := self._find_mismatch(self.named.row(0, named=True), asked_at)) is not None:
                raise ProtocolError(f"run {run.id!r} {why}")
            if run.id in known:
                raise ProtocolError(f"run {run.id!r}, which an earlier request started")

        body = {"workflow_id": self.workflow_id, "scope": self.scope}
        parse = record_parser(RUNS, lambda structs: None)
        self.client.post(RUNS_PATH, body, parse=parse, accept=accept, key=self.key)

    def _find_mismatch(self, run: Mapping[str, Any], asked_at: datetime) -> str | None:
        """Why a run is not the one that was asked for, if so; a proxy may repeat an answer."""
        created, of_run = (
            run["created_at"],
            (run["scope"], run["eval_id"] or run["target_block_id"]),
        )
        asked = _SCOPES[self.scope["type"]], self.scope.get("eval_id") or self.scope.get("block_id")
        if run["workflow_id"] != self.workflow_id:
            return (
                f"of workflow {run['workflow_id']!r}, but the request was for {self.workflow_id!r}"
            )
        if of_run != asked:
            found, wanted = (_name_scope(*each) for each in (of_run, asked))
            return f"of {found}, but the request was for {wanted}"
        if created is not None and created < asked_at - _AHEAD:
            return f"of {created:{_TIME}}, but the request was sent at {asked_at:{_TIME}}"
        return None

    def look_for_run(self, error: RetabAnalysisError | KeyboardInterrupt) -> pl.DataFrame | None:
        """The one run that the start began, with a warning; else name those it may have begun."""
        is_interrupt = isinstance(error, KeyboardInterrupt)
        outcomes: TaskOutcomes[pl.DataFrame] = TaskOutcomes()
        reason: object = None
        try:
            run_all([self._list_new], 1, outcomes, patience=_LOOK if is_interrupt else None)
        except OutOfPatienceError:
            reason = f"the API did not say so within {_LOOK:g} s"
        except KeyboardInterrupt:
            reason = "interrupted again"
        else:
            reason = outcomes.error()
        known: pl.DataFrame = error.partial  # type: ignore[union-attr, assignment]
        seen = pl.concat([self.named, *outcomes.results.values()]).unique(
            "run_id", maintain_order=True
        )
        found = seen.filter(~pl.col("run_id").is_in(known["run_id"].implode()))
        names = ", ".join(found["run_id"])
        if found.height == 1 and self.named.is_empty() and not is_interrupt:
            warnings.warn(
                f"{error}. start_runs takes {names} for the run that it started: it is the only "
                "new one of this workflow and scope",
                stacklevel=5,  # the line that called start_runs
            )
            return found
        told = f"{str(error) or 'interrupted'}. Whether the run was started is not known"
        if reason is None or names:
            error.unconfirmed = found  # type: ignore[union-attr]
        if is_interrupt:
            error.partial = pl.concat([known, found])  # type: ignore[union-attr]
        which = f"it may be {names}, see .unconfirmed" if names else "no such run has appeared yet"
        error.args = (f"{told}; {which}" if names or reason is None else f"{told}: {reason}",)
        return None

    def _list_new(self) -> pl.DataFrame:
        query = RunQuery.make(
            workflow_id=self.workflow_id,
            eval_id=self.scope.get("eval_id"),
            target_block_id=self.scope.get("block_id"),
            trigger_type="api",
        )
        # The newest ones, cut here: this machine's clock may be wrong by minutes, and the answer
        # tells by how much.
        fetched = list_runs(self.client, query, limit=PAGE_SIZE, strict=False)
        since = self.began + timedelta(seconds=self.client.clock_offset) - _SLACK
        is_new = (pl.col("created_at") >= since).fill_null(value=True)
        return fetched.frame.filter(
            pl.col("scope") == _SCOPES[self.scope["type"]], is_new
        ).reverse()


def _name_scope(scope: str, of: str | None) -> str:
    return "the whole workflow" if scope == "workflow" else f"{scope} {of!r}"


def cancel_runs(runs: Runs, *, client: Client | None = None) -> pl.DataFrame:
    """Cancel eval runs.

    A run that has ended meanwhile is no error. If the API does not answer, ``cancel_runs`` reads
    the run to see whether it was cancelled.

    Args:
        runs: An id, several, a RUNS frame or its ``run_id`` column.
        client: The client to ask; by default the session's.

    Returns:
        A RUNS frame of the runs after that, in the order given; ``status`` tells how each ended.

    Raises:
        NotFoundError: A run does not exist. The other runs are still cancelled, and are in
            ``.partial``. The message names every run that was not cancelled.
        ConflictError: The API refuses to cancel a run that has not ended; otherwise as above.
        ConfigError: An argument cannot be used, or there is no key.
        RetabAnalysisError: Any other failure, which ends the cancelling; ``.partial`` has the runs
            cancelled before, and the message names the others.

    Example:
        >>> going = ra.start_runs("wf_contracts")
        >>> ra.cancel_runs(going).select("run_id").equals(going.select("run_id"))
        True
    """
    chosen = client_or_default(client)
    ids = RunList.make(runs).ids
    cancelled: list[wire.Run] = []
    failed: dict[str, RetabAnalysisError] = {}
    for run_id in ids:
        try:
            cancelled.append(_cancel(chosen, run_id))
        except RetabAnalysisError as error:
            failed[run_id] = error
            if not isinstance(error, _OF_ONE_RUN):
                break
    frame = to_frame(RUNS, cancelled)
    if not failed:
        return frame
    errors = list(failed.values())
    # The error that ended the cancelling, if any, tells more than a run that could not be
    # cancelled.
    told = errors[0] if isinstance(errors[-1], _OF_ONE_RUN) else errors[-1]
    if isinstance(told, NotFoundError):
        explain_missing_run(chosen, next(each for each in failed if failed[each] is told), told)
    untried = ids[len(cancelled) + len(failed) :]
    if len(ids) > 1:
        why = [getattr(each, "status_code", type(each).__name__) for each in errors]
        names = ", ".join(f"{run_id} ({each})" for run_id, each in zip(failed, why, strict=True))
        rest = f"; not tried: {', '.join(untried)}" if untried else ""
        told.args = (f"{told}. Not cancelled: {names}{rest}; the others are in .partial",)
    told.partial = frame
    raise told


def _cancel(client: Client, run_id: str) -> wire.Run:
    """Cancel a run; if only the answer was lost, or the run has ended, read it."""
    path = f"{RUNS_PATH}/{quote_id('run_id', run_id)}"
    parse = record_parser(RUNS, partial(refuse_other, RUNS.noun, "id", run_id))
    try:
        cancelled: wire.Run = client.post(f"{path}/cancel", None, parse=parse)
        return cancelled
    except RetabAnalysisError as error:
        if isinstance(error, (ConflictError, *_UNANSWERED)) or _is_unclear(error):
            with contextlib.suppress(RetabAnalysisError):
                run = read_run(client, run_id)
                status, has_ended = to_frame(RUNS, [run])["status", "is_terminal"].row(0)
                if has_ended:
                    return run
                error.args = (add_sentence(error, f"The run is {status} now"),)
        raise
