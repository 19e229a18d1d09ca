"""Whether polars can compute in this process.

The threads of polars do not survive a fork: in a process that was forked after their start, every
use of them would wait for ever. So functions that take a client or a frame check this first.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from retab_analysis.errors import ConfigError


class _PolarsThreads:
    def __init__(self) -> None:
        self._are_used = self._are_lost = False

    def check(self) -> None:
        """Raise a ConfigError if polars' threads stayed in the process before the fork."""
        if self._are_lost:
            raise ConfigError(
                "this process was forked from one in which polars had been used, and polars' "
                "threads do not survive that: start processes with spawn or forkserver, for "
                "example multiprocessing.get_context('spawn'), or fork before the first frame"
            )
        self._are_used = True

    def before_fork(self) -> None:
        """Check whether polars has threads, from any use; only Linux shows that."""
        if not self._are_used and "polars" in sys.modules:
            with contextlib.suppress(OSError):
                names = [each.read_text() for each in Path("/proc/self/task").glob("*/comm")]
                self._are_used = any(each.removeprefix("polars-")[:1].isdigit() for each in names)

    def enter_child(self) -> None:
        self._are_lost = self._are_lost or self._are_used


_threads = _PolarsThreads()
check_polars_threads = _threads.check
before_fork = _threads.before_fork  # called by ``retab_analysis``, which is loaded before this is
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.enter_child)
