"""Look at runs again and again until they have ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import polars as pl

from retab_analysis.errors import APIError, NotFoundError, RetabAnalysisError, WaitTimeout
from retab_analysis.fetch.run_endpoints import get_run
from retab_analysis.fetch.threads import Outcomes, OutOfPatienceError, is_away, run_all
from retab_analysis.schema import RUNS
from retab_analysis.transport import Client

# How many 404s in a row a run is forgiven: it is there a moment after it was created.
GRACE = 3
LEAST_PAUSE = 0.05
LONGEST_PAUSE = 1e6  # the system does not sleep for ever
# An answer takes a moment, also when the time is up.
LEAST_PATIENCE = 1.0


class Poller:
    """The runs as they were last seen.

    Attributes:
        away: The error of the last round, where the API failed or could not be reached.
    """

    def __init__(self, client: Client, ids: Sequence[str]) -> None:
        self._client = client
        self._seen: dict[str, pl.DataFrame | None] = dict.fromkeys(ids)
        self._missing: dict[str, int] = dict.fromkeys(ids, 0)
        self.away: RetabAnalysisError | None = None

    def frame(self) -> pl.DataFrame:
        """A RUNS frame of the runs seen so far, in the order given."""
        return pl.concat([RUNS.empty(), *(run for run in self._seen.values() if run is not None)])

    def pending(self) -> list[str]:
        """The runs that are not known to have ended."""
        return [
            run_id
            for run_id, run in self._seen.items()
            if run is None or not run["is_terminal"].item()
        ]

    def take(self, run_id: str, run: pl.DataFrame) -> None:
        """Remember a run as it was just seen."""
        self._seen[run_id], self._missing[run_id] = run, 0

    def poll(self, patience: float | None = None, ids: Sequence[str] | None = None) -> None:
        """Look once at each run that has not ended.

        Args:
            patience: Seconds to wait for the answers, or None.
            ids: Look at these runs rather than at those.

        Raises:
            OutOfPatienceError: They did not come in that time.
            RetabAnalysisError: One that waiting does not cure; ``.partial`` is the last frame.
        """
        ids = self.pending() if ids is None else ids
        outcomes: Outcomes[pl.DataFrame] = Outcomes()
        tasks = [partial(get_run, self._client, run_id) for run_id in ids]
        try:
            run_all(tasks, self._client.max_concurrency, outcomes, patience=patience)
        finally:
            for index, run in outcomes.results.items():
                self.take(ids[index], run)
        self.away = None
        for index, error in sorted(outcomes.errors.items()):
            self._forgive(ids[index], error)

    def _forgive(self, run_id: str, error: RetabAnalysisError) -> None:
        if is_away(error):
            if self.away is None or _asked(error) >= _asked(self.away):
                self.away = error
            return
        self._missing[run_id] += 1
        if isinstance(error, NotFoundError) and self._missing[run_id] <= GRACE:
            return
        error.partial = self.frame()
        self.give_up(run_id, error)

    def give_up(self, run_id: str, error: RetabAnalysisError) -> None:
        """What to do about a run that cannot be read: here, raise.

        Raises:
            RetabAnalysisError: The error.
        """
        raise error

    def pause(self, interval: float) -> float:
        """Seconds until the next round: longer where the API asked for it."""
        return min(max(interval, _asked(self.away), LEAST_PAUSE), LONGEST_PAUSE)


def _asked(error: RetabAnalysisError | None) -> float:
    """The seconds that the API asked to be left alone."""
    return (error.retry_after or 0.0) if isinstance(error, APIError) else 0.0


def wait_for(
    client: Client,
    ids: Sequence[str],
    timeout: float,
    interval: float,
    on_poll: Callable[[pl.DataFrame], object] | None,
) -> pl.DataFrame:
    """Poll until all runs have ended, see ``fetch.wait_for_runs``."""
    poller = Poller(client, ids)
    end = client.now() + timeout
    is_silent = False
    while poller.pending() and not is_silent:
        try:
            poller.poll(patience=max(end - client.now(), LEAST_PATIENCE))
        except OutOfPatienceError:
            is_silent = True
            continue
        if on_poll is not None:
            on_poll(poller.frame())
        left = end - client.now()
        if not poller.pending() or left <= 0:
            break
        client.sleep(min(poller.pause(interval), left))
        if _asked(poller.away) > left:
            break
    if poller.pending():
        raise _timeout(poller, timeout, is_silent)
    return poller.frame()


def _timeout(poller: Poller, timeout: float, is_silent: bool) -> WaitTimeout:
    pending, runs = poller.pending(), poller.frame()
    reason = f"; the API was away, last: {poller.away}" if poller.away else ""
    if is_silent:
        reason = "; at last the API did not answer"
    count = "1 run has" if len(pending) == 1 else f"{len(pending)} runs have"
    return WaitTimeout(
        f"{count} not ended after {timeout:g} s: {', '.join(pending[:20])}"
        f"{'…' if len(pending) > 20 else ''}{reason}. They go on; .runs is how they were last seen",
        runs=runs,
    )
