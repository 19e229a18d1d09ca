"""All that a watcher knows at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from retab_analysis.schema import RESULTS, RUNS


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the watched runs are held against: the state of each eval then."""

    words: str
    states: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is known, and how well.

    Attributes:
        runs: The watched runs as last seen, a RUNS frame.
        results: Their results as last seen, a RESULTS frame.
        baseline: What to compare with, or None.
        usual_ms: How long each eval took in its newest run, by eval id.
        seen_at: When the API answered last, or None.
        trouble: Why it did not answer since, or None.
        gone: The runs that were there and are not found any more.
        failure: Why watching ended early, or None.
        phase: ``watching``, ``ended`` (all runs have), ``stopped`` (by hand) or ``failed``.
        notes: What else a person should know, for example of a callback that raised.
    """

    runs: pl.DataFrame = field(default_factory=RUNS.empty)
    results: pl.DataFrame = field(default_factory=RESULTS.empty)
    baseline: Baseline | None = None
    usual_ms: Mapping[str, int] = field(default_factory=dict)
    seen_at: datetime | None = None
    trouble: str | None = None
    gone: frozenset[str] = frozenset()
    failure: str | None = None
    phase: str = "watching"
    notes: tuple[str, ...] = ()
