"""Any frame can be written, or is refused before the file is touched."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest
from support.csv_files import DAY, column, reread, rows_of, written
from support.inside import Datetime

from retab_analysis import ConfigError, write_csv

UTC_TIME = dt.datetime(2024, 5, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=2)))


NAIVE = dt.datetime(2024, 5, 1, 10, 0, 0, 1)


@pytest.mark.parametrize(
    ("series", "cells"),
    [
        (pl.Series([dt.date(2024, 5, 1), None]), ["2024-05-01", ""]),
        (pl.Series([dt.date.min, dt.date.max]), ["0001-01-01", "9999-12-31"]),
        (pl.Series([dt.time(1, 2, 3, 4), dt.time(1)]), ["01:02:03.000004", "01:00:00"]),
        (pl.Series([NAIVE]), ["2024-05-01T10:00:00.000001"]),
        (
            pl.Series([UTC_TIME]).dt.convert_time_zone("Asia/Tokyo"),
            ["2024-05-01T10:00:00.000000Z"],
        ),
        (pl.Series([None, None]), ["", ""]),
        (pl.Series([True, None]), ["true", ""]),
        (pl.Series([0, 2**64 - 1], dtype=pl.UInt64), ["0", "18446744073709551615"]),
        (pl.Series([0.1, -1e-7], dtype=pl.Float32), ["0.1", "-1e-7"]),
        (pl.Series([[1, None], [], None]), ["[1,null]", "[]", ""]),
        (pl.Series([[1, 2], None], dtype=pl.Array(pl.UInt8, 2)), ["[1,2]", ""]),
        (pl.Series([{"a": 1, "b": [0.5]}, None]), ['{"a":1,"b":[0.5]}', ""]),
        (pl.Series([[{"a": dt.date(2024, 5, 1)}, None]]), ['[{"a":"2024-05-01"},null]']),
    ],
    ids=lambda value: str(value.dtype) if isinstance(value, pl.Series) else "",
)
def test_every_dtype_has_a_text(series: pl.Series, cells: list[str]) -> None:
    frame = pl.DataFrame({"x": series, "run_id": ["r"] * len(series)})
    text = written(frame)
    assert [row[0] for row in rows_of(text)] == ["x", *cells]
    assert reread(text)["x"].to_list() == [
        None if given is None else cell.removeprefix("'")
        for given, cell in zip(series, cells, strict=True)
    ]


@pytest.mark.parametrize(
    ("series", "message"),
    [
        (
            pl.Series([b"a"]),
            r"column 'x' \(Binary\) cannot be written: there is no form for Binary",
        ),
        (pl.Series([[b"a"]]), r"List\(Binary\)\) cannot be written: there is no form for Binary"),
        (pl.Series([object()], dtype=pl.Object), r"no form for Object, cast it to String first"),
        (pl.Series([dt.timedelta(1)]), "no form for Duration, cast it to String first"),
        (pl.Series([2**62]).cast(Datetime), "a year is outside of 1 to 9999"),
        (pl.Series([-719162 * DAY - 1]).cast(Datetime), "a year is outside of 1 to 9999"),
        (pl.Series([2932897], dtype=pl.Int32).cast(pl.Date), "a year is outside of 1 to 9999"),
    ],
    ids=lambda value: str(value.dtype) if isinstance(value, pl.Series) else "",
)
def test_what_has_no_text_is_refused_and_the_file_untouched(
    series: pl.Series, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("old")
    with pytest.raises(ConfigError, match=message):
        write_csv(pl.DataFrame({"x": series}), path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["runs.xlsx", "runs.XLS", "runs.ods", "runs.parquet", "r.csv.gz"])
def test_a_name_of_another_kind_of_file_is_refused(name: str, tmp_path: Path) -> None:
    for path in (tmp_path / name, f"{tmp_path}/{name}"):
        with pytest.raises(ConfigError, match=r"^path ends in \.\w+, but what is written is CSV"):
            write_csv(column("a"), path)
    assert list(tmp_path.iterdir()) == []


def test_frames_without_columns_or_rows_are_written() -> None:
    assert written(pl.DataFrame()) == "\n"
    assert written(pl.DataFrame({"": [None]})) == '""\n\n'
    assert written(pl.DataFrame(schema={"a": pl.Int8, "=b": pl.Time})) == "a,'=b\n"


def test_a_lazy_frame_is_collected() -> None:
    assert written(column("a").lazy()) == "run_id\na\n"


class PandasFrame:
    """Says that it is pandas'."""

    __module__ = "pandas.core.frame"


@pytest.mark.parametrize(
    ("given", "got"),
    [
        ({"a": [1]}, "dict"),
        ([1], "list"),
        (None, "NoneType"),
        (pl.Series([1]), r"polars\.series\.series\.Series"),
        (PandasFrame(), r"pandas\.core\.frame\.PandasFrame \(polars\.from_pandas converts it\)"),
    ],
)
def test_what_is_no_frame_is_refused(given: object, got: str) -> None:
    with pytest.raises(ConfigError, match=f"^frame: expected a polars DataFrame, got {got}$"):
        written(given)
