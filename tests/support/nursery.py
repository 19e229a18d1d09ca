"""Processes that work on an archive and are killed, each forked from one that has loaded all.

Loading polars takes half a second, and a process that is killed a hundred times would spend most
of its life on that. As a module it reads orders, a line each: ``Nursery.run`` says what is in one.
"""

from __future__ import annotations

import itertools
import json
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from support.program import Program

TESTS = str(Path(__file__).parents[1])
NOBODY = 65_534


class Ended(NamedTuple):
    """What became of a process.

    Attributes:
        code: Its exit code; minus the signal's number where a signal ended it.
        said: What its work gave, or the error of ours that it raised; empty where it was killed.
        steps: How often it began or ended a statement of SQLite, or a change to a file.
        seconds: How long it worked.
    """

    code: int
    said: str
    steps: int
    seconds: float

    @property
    def is_killed(self) -> bool:
        return self.code == -signal.SIGKILL


class Nursery(Program):
    """Starts processes one after the other; a context manager."""

    def __init__(self) -> None:
        super().__init__("-m", "support.nursery", PYTHONPATH=os.pathsep.join([TESTS, *sys.path]))

    def run(
        self,
        work: str,
        *arguments: object,
        steps: int | None = None,
        seconds: float | None = None,
        limit: int | None = None,
        as_nobody: bool = False,
    ) -> Ended:
        """Have a process do a piece of work to its end, or to when it is killed.

        Args:
            work: What it does, see ``WORKS``.
            arguments: What that is called with.
            steps: So many of these are done before it kills itself.
            seconds: So long it works before it is killed.
            limit: No file that it writes becomes larger: the disk is full.
            as_nobody: As a user who may do nothing, where this one may do everything.
        """
        order = {"work": work, "arguments": [*map(str, arguments)], "steps": steps}
        order |= {"seconds": seconds, "limit": limit, "as_nobody": as_nobody}
        return Ended(*self.ask(**order))


def sync(path: str, workflows: str, key: str, url: str) -> str:
    """Bring an archive up to date; how many documents were not as they had been."""
    import retab_analysis as ra

    with ra.Client(key, url) as client, ra.Archive(path) as archive:
        return str(archive.sync(workflows.split(","), client=client, progress=False).height)


def scan(path: str) -> str:
    """Read all runs and results of an archive; how many results there are."""
    import retab_analysis as ra

    with ra.Archive(path) as archive:
        archive.scan_runs().collect()
        return str(archive.scan_results().collect().height)


def export(path: str, directory: str) -> str:
    """Export an archive; how many files there are now."""
    import retab_analysis as ra

    with ra.Archive(path) as archive:
        return str(archive.export_parquet(directory).height)


WORKS: dict[str, Callable[..., str]] = {each.__name__: each for each in (sync, scan, export)}
STEPS = {"execute", "open", "write", "fsync", "replace", "mkdir", "chmod", "utime", "unlink"}


def _work(order: dict[str, Any], told: int) -> None:
    """In the child: do what the order says, and tell about it through a pipe."""
    import retab_analysis as ra

    begun, numbers = time.monotonic(), itertools.count()

    def note(_: object, event: str, function: object) -> None:
        is_step = event[:2] == "c_" and getattr(function, "__name__", "") in STEPS
        if is_step and next(numbers) == order["steps"]:
            os.kill(os.getpid(), signal.SIGKILL)

    if order["limit"] is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["limit"], order["limit"]))
    if order["as_nobody"] and os.geteuid() == 0:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    threading.setprofile(note)
    sys.setprofile(note)
    try:
        said = WORKS[order["work"]](*order["arguments"])
    except ra.RetabAnalysisError as error:
        said = f"{type(error).__name__}: {error}"
    sys.setprofile(None)
    os.write(told, json.dumps([said, next(numbers), time.monotonic() - begun]).encode())


def main() -> None:
    import retab_analysis as ra

    for name in ra.__all__:
        getattr(ra, name)  # loaded once, for all who are forked
    for line in sys.stdin:
        order = json.loads(line)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                _work(order, writing)
            finally:
                os._exit(0)
        os.close(writing)
        if order["seconds"] is not None:
            time.sleep(order["seconds"])
            os.kill(child, signal.SIGKILL)  # nobody else, as it is not waited for yet
        with open(reading) as pipe:  # noqa: PTH123 - a descriptor
            told = json.loads(pipe.read() or '["", 0, 0.0]')
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        sys.stdout.write(json.dumps([code, *told]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
