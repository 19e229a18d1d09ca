"""What tabular functions answer, asked in SQL of ``runs`` and ``results``.

Each question is written by hand from what the function's documentation says, in what DuckDB and
Spark have in common; ``data/questions`` has them.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parents[1] / "data" / "questions"
# When a result's run was created, or the result itself where that is not known.
MOMENT = "coalesce(run_created_at, created_at)"


def _read(name: str, **parts: str) -> str:
    return (FOLDER / f"{name}.sql").read_text().format(moment=MOMENT, **parts)


def _read_combined(name: str, by: str) -> str:
    """A question of what several results of an eval in a group say together."""
    return _read(name, combined=_read("combined", key=by), key=by)


def summarize_runs() -> str:
    return _read("summarize_runs")


def states(by: str = "run_id") -> str:
    return _read_combined("states", by)


def summarize_results(*by: str) -> str:
    order = ", ".join(f"{each} NULLS LAST" for each in by)
    return _read("summarize_results", keys=", ".join(by), order=order)


def failures(*columns: str) -> str:
    return _read("failures", columns=", ".join(columns))


def eval_history() -> str:
    return _read_combined("eval_history", "run_id")
