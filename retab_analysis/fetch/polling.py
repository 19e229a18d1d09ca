"""Poll runs until they have ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import polars as pl

from retab_analysis import wire
from retab_analysis.arguments import check_callable, check_seconds
from retab_analysis.decode import to_frame
from retab_analysis.errors import (
    APIError,
    DeadlineExceeded,
    NotFoundError,
    RetabAnalysisError,
    WaitTimeout,
    list_some,
)
from retab_analysis.fetch.lists import explain_missing_run
from retab_analysis.fetch.params import RunList, Runs, client_or_default
from retab_analysis.fetch.run_line import report
from retab_analysis.fetch.runs import read_run
from retab_analysis.fetch.threads import OutOfPatienceError, TaskOutcomes, is_away, run_all
from retab_analysis.progress import show_progress
from retab_analysis.schema import RUNS
from retab_analysis.transport import Client

# How many 404s in a row a run may have: the API may not know it just after its start.
GRACE = 3
_LEAST_PAUSE = 0.05
_LONGEST_PAUSE = 1e6  # not every operating system sleeps for a year at a time
# The last look gets this many seconds even if the time is up: an answer takes a moment.
_LEAST_PATIENCE = 1.0


def wait_for_runs(
    runs: Runs,
    *,
    timeout: float = 3600.0,
    interval: float = 2.0,
    on_poll: Callable[[pl.DataFrame], object] | None = None,
    client: Client | None = None,
) -> pl.DataFrame:
    """Wait until all runs have ended. This blocks; Ctrl-C ends the wait but cancels no run.

    Args:
        runs: An id, several, a RUNS frame or its ``run_id`` column.
        timeout: Seconds to wait at most.
        interval: Seconds between two polls; longer if the API asks for it (``Retry-After``).
        on_poll: A function that gets the RUNS frame after each poll. Without one, a notebook or a
            terminal shows a progress bar.
        client: The client to ask; by default the session's.

    Returns:
        A RUNS frame of the runs, all of them terminal, in the order given.

    Raises:
        ConfigError: An argument cannot be used.
        WaitTimeout: Some runs did not end in time; ``.runs`` is the last frame.
        NotFoundError: The API did not know a run four times in a row. It may need a moment after
            the start.
        RetabAnalysisError: The API refuses (400, 401, 403, 422) or its answer does not decode. If
            the API fails (5xx, 429) or cannot be reached, the wait goes on. ``.partial`` is the
            last frame.

    Example:
        >>> name = ra.fetch_evals("wf_claims")["eval_name"][0]
        >>> ended = ra.wait_for_runs(ra.start_runs("wf_claims", evals=name), timeout=60)
        >>> ended["status"].to_list()
        ['completed']
    """
    ids = RunList.make(runs).ids
    check_seconds("timeout", timeout, zero=True)
    check_seconds("interval", interval, zero=True)
    if on_poll is not None:
        check_callable("on_poll", on_poll)
    client = client_or_default(client)
    if on_poll is not None:
        return _wait(Poller(client, ids), client, timeout, interval, on_poll)
    with show_progress(None, "Waiting", "evals") as bar:
        show = partial(report, bar=bar, client=client)
        return _wait(Poller(client, ids), client, timeout, interval, show)


def _wait(
    poller: Poller,
    client: Client,
    timeout: float,
    interval: float,
    on_poll: Callable[[pl.DataFrame], object],
) -> pl.DataFrame:
    end, is_silent = client.now() + timeout, False
    while poller.pending():
        try:
            poller.poll(patience=max(end - client.now(), _LEAST_PATIENCE))
        except OutOfPatienceError:
            is_silent = True
            break
        on_poll(poller.frame())
        left = end - client.now()
        if not poller.pending() or left <= 0:
            break
        client.sleep(min(poller.pause(interval), left))
        # A last look would come sooner than the API allows.
        if _asked_pause(poller.away) > left:
            break
    if pending := poller.pending():
        reason = f"; the API was away, last: {poller.away}" if poller.away else ""
        if is_silent:
            reason = "; at last the API did not answer"
        count = "1 run has" if len(pending) == 1 else f"{len(pending)} runs have"
        raise WaitTimeout(
            f"{count} not ended after {timeout:g} s: {list_some(pending)}{reason}. The runs go "
            "on; .runs has their last known state",
            partial=poller.frame(),
        )
    return poller.frame()


class Poller:
    """The runs as they were last seen."""

    def __init__(self, client: Client, ids: Sequence[str]) -> None:
        self._client = client
        # Whether each has ended, None if it was not seen; in the order of the frame.
        self._seen: dict[str, bool | None] = dict.fromkeys(ids)
        self._missing: dict[str, int] = dict.fromkeys(ids, 0)
        self._frame = RUNS.empty()
        # The error of the last round, if the API failed or could not be reached.
        self.away: RetabAnalysisError | None = None

    def frame(self) -> pl.DataFrame:
        return self._frame

    def pending(self) -> list[str]:
        return [run_id for run_id, has_ended in self._seen.items() if not has_ended]

    def take(self, runs: pl.DataFrame) -> None:
        new = dict(zip(runs["run_id"], runs["is_terminal"], strict=True))
        self._seen.update(new)
        self._missing.update(dict.fromkeys(new, 0))
        rows = pl.concat([self._frame, runs])
        newest = {run_id: at for at, run_id in enumerate(rows["run_id"])}
        self._frame = rows[[newest[each] for each in self._seen if each in newest]]

    def poll(self, patience: float | None = None, ids: Sequence[str] | None = None) -> None:
        """Look once at each run that has not ended, or at the named ones.

        An OutOfPatienceError means that ``patience`` seconds have passed. Waiting does not cure any
        other error; its ``.partial`` is the last frame.
        """
        ids = self.pending() if ids is None else ids
        outcomes: TaskOutcomes[wire.Run] = TaskOutcomes()
        tasks = [partial(read_run, self._client, run_id) for run_id in ids]
        try:
            run_all(tasks, self._client.max_concurrency, outcomes, patience=patience)
        finally:
            # Also after an interrupt: the last frame has all earlier answers.
            if outcomes.results:
                self.take(to_frame(RUNS, list(outcomes.results.values())))
        self.away = None
        for index, error in sorted(outcomes.errors.items()):
            self._forgive(ids[index], error)

    def _forgive(self, run_id: str, error: RetabAnalysisError) -> None:
        if is_away(error):
            # If there are several, the longest pause counts.
            if self.away is None or _asked_pause(error) >= _asked_pause(self.away):
                self.away = error
            return
        self._missing[run_id] += 1
        if isinstance(error, NotFoundError):
            if self._missing[run_id] <= GRACE:
                return
            if self._seen[run_id] is None:
                explain_missing_run(self._client, run_id, error)
        error.partial = self.frame()
        self.give_up(run_id, error)

    def give_up(self, run_id: str, error: RetabAnalysisError) -> None:
        """The reaction to a run that cannot be read: here, raise."""
        raise error

    def pause(self, interval: float) -> float:
        """Seconds until the next round: longer if the API asked for it."""
        return min(max(interval, _asked_pause(self.away), _LEAST_PAUSE), _LONGEST_PAUSE)


def _asked_pause(error: RetabAnalysisError | None) -> float:
    return (error.retry_after or 0.0) if isinstance(error, APIError | DeadlineExceeded) else 0.0
