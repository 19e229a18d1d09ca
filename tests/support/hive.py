"""Frames as an archive exports them, and questions in SQL asked of such files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

DATED_BY = {"runs": "created_at", "results": "run_created_at", "evals": "created_at"}
TYPES = {"workflow_id": pl.String, "month": pl.String}


def write_hive(folder: Path, frames: Mapping[str, pl.DataFrame]) -> None:
    """Write frames by workflow and month: ``folder/runs/workflow_id=…/month=2026-10/``."""
    for name, frame in frames.items():
        month = pl.col(DATED_BY[name]).dt.strftime("%Y-%m").fill_null("__HIVE_DEFAULT_PARTITION__")
        parts = frame.with_columns(month=month).partition_by(
            "workflow_id", "month", as_dict=True, include_key=False
        )
        for (flow, of_month), part in parts.items():
            path = folder / name / f"workflow_id={flow}" / f"month={of_month}" / "data.parquet"
            path.parent.mkdir(parents=True)
            part.write_parquet(path)


def scan(folder: Path, name: str) -> pl.LazyFrame:
    return pl.scan_parquet(folder / name, hive_schema=TYPES)


def open_views(connection: Any, folder: Path) -> None:
    """Have DuckDB read the tables that are in a folder."""
    for path in filter(Path.is_dir, folder.iterdir()):
        connection.sql(
            f"CREATE VIEW {path.name} AS FROM read_parquet('{path}/**/*.parquet',"
            " hive_partitioning = true, hive_types_autocast = false)"
        )


def ask(connection: Any, question: str) -> pl.DataFrame:
    return in_utc(pl.DataFrame(connection.sql(question)))


def in_utc(frame: pl.DataFrame) -> pl.DataFrame:
    """Moments in UTC and microseconds, whatever an engine calls the zone."""
    times = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.Datetime)]
    return frame.with_columns(pl.col(times).dt.convert_time_zone("UTC").dt.cast_time_unit("us"))
