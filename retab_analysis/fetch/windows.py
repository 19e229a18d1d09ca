"""Read a long history of runs in windows of time, several at once.

A cursor is sequential by nature. So after the first pages the rest of the history is cut at dates.
Each window is a list of its own. Neighbours overlap by a second, and a run in two of them counts
once: no run is lost, however an API treats fractions of a second.

An API may take the dates for something else. Then rows are outside their window, or known rows are
missing from one. In this case the list is read on in sequence, as if there had been no windows. The
same happens if a date is missing, an error comes, or there is no gap to cut.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from retab_analysis import wire
from retab_analysis.arguments import shift
from retab_analysis.decode import Page
from retab_analysis.errors import RetabAnalysisError
from retab_analysis.fetch.paging import Collected, Gathering
from retab_analysis.fetch.params import format_moment
from retab_analysis.fetch.threads import TaskOutcomes, run_all
from retab_analysis.progress import Progress
from retab_analysis.transport.request import Params

_FIRST_PAGES = 5
# A window costs at least one request. Its number of rows is a guess from the first pages.
_ROWS_OF_A_WINDOW = 250
_MOST_WINDOWS_OF_A_WORKER = 4
_SECOND = 1_000_000
_SHORTEST_WINDOW = 10  # seconds
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# ``read_pages`` for one list of one client.
ReadPages = Callable[..., Iterator[Page]]


def read_history(
    read: ReadPages, workers: int, params: Params, into: Collected, progress: Progress
) -> None:
    """Read a list of runs in windows of time; an error comes again in the sequential read."""
    pages, runs, most = read(params, into), dict[str, wire.Run](), 0

    def tell(count: int) -> None:
        nonlocal most
        most = max(most, count)
        progress.update(most)

    for page in itertools.islice(pages, _FIRST_PAGES):
        tell(len(into.ids))
        runs.update({each.id: each for each in page.structs})
    if into.cursor is None or (
        workers > 1 and _read_windows(read, workers, params, list(runs.values()), into, tell)
    ):
        return
    for _ in pages:
        tell(len(into.ids))


def _read_windows(
    read: ReadPages,
    workers: int,
    params: Params,
    runs: Sequence[wire.Run],
    into: Collected,
    tell: Callable[[int], None],
) -> bool:
    last = _find_last_run(read, params, into) if _is_in_order(runs) else None
    windows = [] if last is None else _cut_history([*runs, last], workers)
    filters = [each for each in params if each[0] not in ("from_date", "to_date")]
    parts = [Collected(into.gathering, number=at) for at in range(1, len(windows) + 1)]
    does_not_fit = threading.Event()

    def read_window(begin: int, end: int, part: Collected) -> None:
        dates = [("from_date", _format(begin)), ("to_date", _format(end + _SECOND))]
        try:
            for page in read([*filters, *dates], part):
                times = [each.created for each in page.structs]
                # The API may take the last second as a whole.
                if any(at is None or not begin <= at < end + 2 * _SECOND for at in times):
                    does_not_fit.set()
                if does_not_fit.is_set():
                    return
        except RetabAnalysisError:
            does_not_fit.set()

    def found() -> set[str]:
        return set[str]().union(*(each.ids for each in parts))

    tasks = [partial(read_window, *each, part) for each, part in zip(windows, parts, strict=True)]
    run_all(tasks, workers, TaskOutcomes[None](), lambda: tell(len(into.ids | found())))
    # The runs at both ends of the cut are known, so they have to be there again.
    if last is None or does_not_fit.is_set() or not {runs[-1].id, last.id} <= found():
        return False
    into.join(parts)
    return True


def _find_last_run(read: ReadPages, params: Params, into: Collected) -> wire.Run | None:
    opposite = {"desc": "asc", "asc": "desc"}
    turned = [(name, opposite[each] if name == "order" else each) for name, each in params]
    try:
        page = next(read(turned, Collected(Gathering(into.gathering.table))))
    except RetabAnalysisError:
        return None
    return page.structs[0] if page.structs else None


def _is_in_order(runs: Sequence[wire.Run]) -> bool:
    """Whether some runs all have a date, and lie in order of time, not all at one moment."""
    times = [at for each in runs if (at := each.created) is not None]
    is_sorted = times in (sorted(times), sorted(times, reverse=True))
    return is_sorted and len(times) == len(runs) and times[:1] != times[-1:]


def _cut_history(runs: Sequence[wire.Run], workers: int) -> list[tuple[int, int]]:
    """Cut the time between the last two of some runs into windows, in microseconds since 1970.

    They begin and end at whole seconds, because an API may cut dates to those. There are none if
    the last run is not where the list should end, or if that time is too short.
    """
    if not _is_in_order(runs):
        return []
    times = [each.created or 0 for each in runs]
    low, high = sorted(times[-2:])
    begin, end = (low // _SECOND - 1) * _SECOND, (high // _SECOND + 1) * _SECOND
    rows = len(runs) * (high - low) / max(abs(times[0] - times[-2]), 1)
    wanted = max(workers, min(rows // _ROWS_OF_A_WINDOW, _MOST_WINDOWS_OF_A_WORKER * workers))
    seconds = (end - begin) // _SECOND
    number = int(min(wanted, seconds // _SHORTEST_WINDOW))
    edges = [begin + seconds * at // number * _SECOND for at in range(number + 1) if number > 1]
    return list(itertools.pairwise(edges))


def _format(moment: int) -> str:
    return format_moment(shift(_EPOCH, timedelta(microseconds=moment)))
