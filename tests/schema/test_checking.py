"""Frames that a user passes: what is taken as it is, what converts, what is refused and how."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from support.inside import EVALS, RESULTS, RUNS, TABLES, WORKFLOWS, Table, checked

from retab_analysis import ConfigError, SchemaError

NOON = datetime(2026, 5, 18, 12, 0, 0, 123456, UTC)


def run_rows() -> pl.DataFrame:
    """A RUNS frame of two rows with values and nulls in every kind of column."""
    return RUNS.empty().vstack(
        pl.DataFrame(
            [
                {
                    "run_id": "r1",
                    "status": "completed",
                    "passed": 3,
                    "pass_rate": 0.75,
                    "ok": False,
                    "created_at": NOON,
                    "freshness_reasons": "a, b",
                },
                {"run_id": "r2", "freshness_reasons": ""},
            ],
            schema=RUNS.schema,
        )
    )


def taken(frame: object, table: Table = RUNS, columns: Any = None) -> pl.DataFrame:
    return checked(frame, table, table.schema if columns is None else columns).collect()


def test_a_frame_of_ours_is_taken_as_it_is_without_being_read() -> None:
    def read(frame: pl.DataFrame) -> pl.DataFrame:
        raise AssertionError("it was read")

    frame = run_rows().with_columns(note=pl.lit("mine"))
    assert_frame_equal(taken(frame), frame)
    unread = frame.lazy().map_batches(read, schema=frame.schema)
    assert checked(unread, RUNS, RUNS.schema).collect_schema() == frame.schema


CONVERTED = {
    "floats for integers": pl.col("passed", "total_evals", "duration_ms").cast(pl.Float64),
    "NaN for null": pl.col("passed", "queue_ms").cast(pl.Float64).fill_null(float("nan")),
    "short floats": pl.col("passed").cast(pl.Float32),
    "short integers": pl.col("passed").cast(pl.Int8),
    "unsigned integers": pl.col("passed", "failed").cast(pl.UInt64),
    "a sum of duckdb": pl.col("passed").cast(pl.Decimal(38, 0)),
    "a decimal for a rate": pl.col("pass_rate").cast(pl.Decimal(18, 3)),
    "a short rate": pl.col("pass_rate").cast(pl.Float32),
    "Etc/UTC": pl.col("created_at", "started_at").dt.convert_time_zone("Etc/UTC"),
    "another zone": pl.col("created_at").dt.convert_time_zone("Asia/Kathmandu"),
    "nanoseconds": pl.col("created_at", "started_at").dt.cast_time_unit("ns"),
    "categories": pl.col("run_id", "status").cast(pl.Categorical),
    "an enum": pl.col("status").cast(pl.Enum(["completed"])),
    "nulls without a dtype": pl.lit(None).alias("error_code"),
}


def test_lists_of_texts_are_taken_and_others_refused() -> None:
    names = pl.Series("document_names", [["a.pdf"], []], pl.List(pl.String))
    of_categories = pl.DataFrame([names.cast(pl.List(pl.Categorical))])
    assert taken(of_categories, RESULTS, ["document_names"]).equals(pl.DataFrame([names]))
    with pytest.raises(SchemaError, match=r"is List\(Int64\), expected List\(String\)"):
        taken(pl.DataFrame({"document_names": [[1]]}), RESULTS, ["document_names"])


@pytest.mark.parametrize("change", CONVERTED.values(), ids=CONVERTED)
@pytest.mark.parametrize("lazy", [False, True], ids=["eager", "lazy"])
def test_what_converts_without_loss_is_taken(change: pl.Expr, lazy: bool) -> None:
    frame = run_rows()
    changed = frame.with_columns(change)
    assert changed.schema != frame.schema
    assert_frame_equal(taken(changed.lazy() if lazy else changed), frame)


@given(
    st.lists(
        st.none()
        | st.integers(-(2**63), 2**63 - 1)
        | st.sampled_from([2**each + more for each in (24, 53, 63) for more in (-2, -1)])
        | st.sampled_from([2**each + more for each in (24, 53) for more in (0, 1, 2)]),
        min_size=1,
    ),
    st.sampled_from([pl.Float64, pl.Float32]),
)
def test_integers_that_became_floats_are_taken_only_where_they_are_what_they_were(
    counts: list[int | None], dtype: type[pl.DataType]
) -> None:
    column = pl.Series("passed", counts, pl.Int64)
    as_floats = pl.DataFrame(column.cast(dtype))
    try:
        assert taken(as_floats, columns=["passed"])["passed"].equals(column)
    except SchemaError:
        limit = 2**53 if dtype == pl.Float64 else 2**24
        assert any(each is not None and abs(each) >= limit for each in counts)


LOST = {
    "a fraction": (pl.lit(2.5).alias("passed"), "column passed is Float64 and holds 2.5, which is"),
    "infinity": (pl.lit(float("inf")).alias("passed"), "holds inf"),
    "a rounded integer": (pl.lit(2.0**53 + 2).alias("passed"), "holds 9007199254740994.0"),
    "too large": (pl.lit(2**64 - 1, pl.UInt64).alias("passed"), "holds 18446744073709551615"),
    "a fine decimal": (
        pl.lit("2.001").cast(pl.Decimal(18, 3)).alias("passed"),
        r"is Decimal.* and holds 2\.001",
    ),
    "nanoseconds": (
        pl.lit(1).cast(pl.Datetime("ns", "UTC")).alias("created_at"),
        r"column created_at .* holds 1970-01-01 00:00:00\.000000001",
    ),
    "an integer no float has": (pl.lit(2**53 + 1).alias("pass_rate"), "holds 9007199254740993"),
}


@pytest.mark.parametrize(("change", "words"), LOST.values(), ids=LOST)
def test_what_would_be_rounded_is_refused_where_it_is_needed(change: pl.Expr, words: str) -> None:
    frame = run_rows().with_columns(change)
    with pytest.raises(SchemaError, match=f"^runs is not a RUNS frame: .*{words}"):
        checked(frame, RUNS, RUNS.schema, "runs")
    assert taken(frame, columns=["run_id"]).schema == frame.schema


REFUSED = {
    "no zone": (
        pl.col("created_at").dt.replace_time_zone(None),
        r"column created_at is Datetime.*None.*, expected .*UTC.*\.dt\.replace_time_zone\('UTC'\)",
    ),
    "a date": (pl.col("created_at").dt.date(), "column created_at is Date, expected Datetime"),
    "text": (pl.col("passed").cast(pl.String), "column passed is String.*read_csv"),
    "a number for a text": (pl.lit(1).alias("run_id"), "column run_id is Int32, expected String"),
    "a number for a truth": (pl.lit(1).alias("ok"), "column ok is Int32, expected Boolean"),
    "lists for texts": (
        pl.lit(["a"], pl.List(pl.String)).alias("freshness_reasons"),
        r"column freshness_reasons is List\(String\), expected String",
    ),
}


@pytest.mark.parametrize(("change", "words"), REFUSED.values(), ids=REFUSED)
def test_what_would_be_guessed_is_refused(change: pl.Expr, words: str) -> None:
    frame = run_rows().with_columns(change)
    with pytest.raises(SchemaError, match=f"^this is not a RUNS frame: .*{words}"):
        taken(frame)
    assert taken(frame.clear(), columns=["status"]).height == 0


class PandasFrame:
    """Stands for a frame of pandas, which the tests do without."""


def pretend_pandas(monkeypatch: pytest.MonkeyPatch, read: Any) -> None:
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=PandasFrame))
    monkeypatch.setattr(pl, "from_pandas", read)


def test_a_frame_of_pandas_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = run_rows()
    # What polars makes of it: floats for integers, some dtype where there are nulls alone.
    read = frame.with_columns(
        pl.col("passed").cast(pl.Float64),
        pl.lit(None, pl.String).alias("started_at"),
        pl.lit(None, pl.Float64).alias("error_code"),
    )
    pretend_pandas(monkeypatch, lambda _: read)
    assert_frame_equal(taken(PandasFrame()), frame)
    pretend_pandas(monkeypatch, lambda _: read.clear().cast(pl.String, strict=False))
    assert_frame_equal(taken(PandasFrame()), frame.clear())


@pytest.mark.parametrize(
    ("error", "raised", "words"),
    [
        (
            ModuleNotFoundError("No module named 'pyarrow'"),
            ConfigError,
            r"^this is a .* needs pyarrow to be read: pip install 'retab_analysis\[pandas\]'; No",
        ),
        (
            ValueError("could not convert 'x'"),
            SchemaError,
            "^this, a .* frame, cannot be read: could not convert 'x'",
        ),
        (pl.exceptions.DuplicateError("twice"), SchemaError, "cannot be read: twice"),
    ],
)
def test_a_frame_of_pandas_that_cannot_be_read(
    error: Exception, raised: type[Exception], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(frame: object) -> None:
        raise error

    pretend_pandas(monkeypatch, read)
    with pytest.raises(raised, match=words):
        taken(PandasFrame())


@pytest.mark.parametrize(
    ("given_", "got"),
    [
        ([1], "got list"),
        (None, "got NoneType"),
        ("run_1", "got str"),
        (pl.Series("run_id", ["a"]), "got polars.*Series"),
    ],
)
def test_what_is_not_a_frame_is_refused(given_: object, got: str) -> None:
    with pytest.raises(ConfigError, match=rf"^expected a RUNS frame \(of polars, pandas, .*{got}"):
        taken(given_)
    with pytest.raises(ConfigError, match=r"^evals must be an EVALS frame"):
        checked(given_, EVALS, ["eval_name"], "evals")


@pytest.mark.parametrize("other", TABLES.values(), ids=TABLES)
def test_a_frame_of_another_table_is_refused_although_the_columns_are_there(other: Table) -> None:
    shared = ["workflow_id"]
    if other is WORKFLOWS:
        assert checked(other.empty(), WORKFLOWS, shared).collect().is_empty()
        return
    named = f"is not a WORKFLOWS frame, but {other.frame_name}$"
    with pytest.raises(SchemaError, match=named):
        checked(other.empty(), WORKFLOWS, shared)
