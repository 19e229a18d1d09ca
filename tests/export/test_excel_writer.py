"""Excel files, opened with a reader that knows nothing of ours."""

from __future__ import annotations

import datetime as dt
import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest
from support.frames import run, runs

import retab_analysis as ra
from retab_analysis import ConfigError, write_excel


def opened(frames: Any) -> Any:
    file = io.BytesIO()
    write_excel(frames, file)
    return openpyxl.load_workbook(file)


def as_shown(value: Any) -> Any:
    """A value of a frame as a sheet has it."""
    if isinstance(value, dt.datetime):
        # Excel keeps milliseconds.
        kept = value.astimezone(dt.UTC).replace(tzinfo=None)
        rounded = dt.timedelta(microseconds=round(kept.microsecond, -3))
        return kept.replace(microsecond=0) + rounded
    if isinstance(value, list):
        value = ", ".join(value)
    return value if value != "" else None


@pytest.fixture(scope="module")
def tables() -> Iterator[dict[str, pl.DataFrame]]:
    with ra.Sandbox() as sandbox, ra.Client(**sandbox.credentials) as client:
        found = ra.fetch_runs("wf_invoices", limit=30, client=client)
        yield {
            "runs": found,
            "results": ra.fetch_results(found.head(3), client=client),
            "evals": ra.fetch_evals("wf_invoices", client=client),
            "workflows": ra.fetch_workflows(client=client),
            "versions": ra.fetch_versions("wf_invoices", client=client),
        }


def test_a_sheet_of_each_table_equals_its_frame(tables: dict[str, pl.DataFrame]) -> None:
    book = opened(tables)
    assert book.sheetnames == list(tables)
    for name, frame in tables.items():
        sheet = book[name]
        header, *rows = sheet.iter_rows(values_only=True)
        assert list(header) == frame.columns
        assert rows == [tuple(map(as_shown, row)) for row in frame.rows()]
        assert sheet.freeze_panes == "A2"


def test_dates_are_dates_and_widths_fit() -> None:
    frame = runs(run("run_of_a_long_name_" * 2, 1)).with_columns(day=pl.lit(dt.date(2026, 5, 1)))
    sheet = opened(frame)["Sheet1"]
    at = {cell.value: cell.column_letter for cell in sheet[1]}
    assert sheet[f"{at['created_at']}2"].is_date
    assert sheet[f"{at['created_at']}2"].number_format == "yyyy-mm-dd hh:mm:ss"
    assert sheet[f"{at['day']}2"].value == dt.datetime(2026, 5, 1)
    assert sheet.column_dimensions[at["run_id"]].width > 30


@pytest.mark.parametrize(
    "text", ["=1+2", "+1", "-1x", "@SUM(A1)", "\t=1", "007", "http://a.example", "{=1}", "1e5"]
)
def test_texts_stay_texts(text: str) -> None:
    cell = opened(pl.DataFrame({"x": [text]}))["Sheet1"]["A2"]
    assert (cell.value, cell.data_type, cell.hyperlink) == (text, "s", None)


@pytest.mark.parametrize(
    ("series", "shown"),
    [
        (pl.Series([2**53 + 1]), str(2**53 + 1)),
        (pl.Series([10**15]), 10**15),
        (pl.Series([dt.datetime(1899, 1, 1)]), "1899-01-01T00:00:00.000000"),
        (pl.Series([dt.datetime(1900, 1, 1)]), "1900-01-01T00:00:00.000000"),
        (pl.Series([dt.datetime(1901, 1, 1)]), dt.datetime(1901, 1, 1)),
        (pl.Series([[1, None]]), "[1,null]"),
        (pl.Series([{"a": 1}]), '{"a":1}'),
        (pl.Series([True]), True),
        (pl.Series([None]), None),
    ],
)
def test_what_a_sheet_cannot_hold_is_text(series: pl.Series, shown: object) -> None:
    frame = pl.DataFrame({"x": series, "y": [1]})
    assert opened(frame.lazy())["Sheet1"]["A2"].value == shown


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ({}, "at least one frame"),
        ([1], r"frames\['Sheet1'\]: expected a frame, got list"),
        ({"a:b": pl.DataFrame()}, "frames: Invalid Excel character"),
        ({"a" * 32: pl.DataFrame()}, "31 chars"),
        ({"a" * 30 + "🧾": pl.DataFrame()}, "31 chars"),
        ({"a\ud800": pl.DataFrame()}, r"got 'a\\ud800', which is no name of a sheet"),
        ({"": pl.DataFrame()}, "which is no name of a sheet"),
        ({"History": pl.DataFrame()}, "which is no name of a sheet"),
        (
            {"a": pl.DataFrame({"x": [1]}), "A": pl.DataFrame({"x": [1]})},
            "Sheetname 'A', with case ignored, is already in use",
        ),
        ({"a": pl.DataFrame({"x": ["y" * 32_768]})}, "a text has 32,768 characters"),
        ({"a": pl.DataFrame({"x": [b"y"]})}, "there is no form for Binary"),
        (pl.select(x=pl.int_range(1_048_576)), "has 1,048,576 rows and 1 columns"),
    ],
)
def test_what_excel_does_not_take_is_refused(frames: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_text("old")
    with pytest.raises(ConfigError, match=message):
        write_excel(frames, path)
    assert path.read_text() == "old"


def test_a_path_is_an_xlsx_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"path must end in \.xlsx, got 'a\.csv'"):
        write_excel(runs(), tmp_path / "a.csv")
    write_excel(runs(run("r", 1)), tmp_path / "a.xlsx")
    assert openpyxl.load_workbook(tmp_path / "a.xlsx")["Sheet1"]["A2"].value == "r"


def test_without_xlsxwriter_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['xlsxwriter'] = None\n"
        "import polars as pl, retab_analysis as ra\n"
        "try: ra.write_excel(pl.DataFrame(), 'a.xlsx')\n"
        "except ra.ConfigError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "write_excel needs xlsxwriter: pip install 'retab_analysis[excel]'\n"
