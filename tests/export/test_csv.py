from __future__ import annotations

import csv
import datetime as dt
import decimal
import errno
import gzip
import io
import json
import os
import random
import re
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from retab_analysis import read_csv, write_csv
from retab_analysis.errors import ConfigError, SchemaError
from retab_analysis.schema import RESULTS_WITH_PAYLOADS, TABLES, Datetime

# What a spreadsheet may execute, what CSV has to quote, what looks like nothing, what is not ASCII.
NASTY = [
    *(
        "",
        " ",
        "  x  ",
        '"',
        '""',
        'say "hi"',
        ",",
        "a,b",
        "\n",
        "\r",
        "\r\n",
        "a\nb",
        "a\rb",
        "\t",
    ),
    *("=1+2", "=cmd|' /C calc'!A0", "+1", "+a", "-1", "-1x", "-01", "-1\n", "-.5", "-1e5", "-inf"),
    *("@SUM(A1)", "'", "''", "'=1", "''=1", "'-1", "'x", "'\t", "''\r\n", "'\n=1", "=", "\t=1"),
    *("null", "None", "NaN", "NULL", "N/A", "true", "1e5", "007", "123456789012345678901234567890"),
    *(
        "\0",
        "a\0b",
        "\x1a",
        "\x85",
        "\u2028",
        "\ufeff",
        "\ufeffx",
        "žluťoučký",
        "統計",
        "👩‍🔬",
        "#x",
        "\\",
    ),
    *("[]", "{}", '["a"]', "run_id", ";", "|", "2024-05-01T10:00:00Z"),
]
ACTIVE = tuple("=+-@\t\r\n")
TEXT = st.one_of(
    st.sampled_from(NASTY),
    st.text(st.sampled_from("'=+-@\t\r\n\",0a\ufeff \0"), max_size=6),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
)
DAY = 86_400_000_000
VALUES: dict[pl.DataType, st.SearchStrategy[object]] = {
    pl.String(): TEXT,
    pl.Int64(): st.one_of(
        st.sampled_from([-(2**63), 2**63 - 1, 0, -1]), st.integers(-(2**63), 2**63 - 1)
    ),
    pl.Float64(): st.floats(),
    pl.Boolean(): st.booleans(),
    Datetime: st.integers(-719162 * DAY, 2932897 * DAY - 1),
    pl.List(pl.String()): st.lists(st.none() | TEXT, max_size=3),
}
SCHEMAS = {name: table.schema for name, table in TABLES.items()}
SCHEMAS["results with payloads"] = RESULTS_WITH_PAYLOADS.schema


@st.composite
def frames(draw: st.DrawFn, schema: pl.Schema) -> pl.DataFrame:
    height = draw(st.integers(0, 4))
    columns = []
    for name, dtype in schema.items():
        values = draw(st.lists(st.none() | VALUES[dtype], min_size=height, max_size=height))
        physical = pl.Int64() if dtype == Datetime else dtype
        columns.append(pl.Series(name, values, dtype=physical).cast(dtype))
    return pl.DataFrame(columns)


def written(frame: object, **options: bool) -> str:
    file = io.StringIO(newline="")
    write_csv(frame, file, **options)
    return file.getvalue()


def reread(text: str, table: str = "runs") -> pl.DataFrame:
    return read_csv(io.StringIO(text, newline=""), table)


def rows_of(text: str) -> list[list[str]]:
    """The cells as an independent reader sees them."""
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


def column(*values: object, name: str = "run_id") -> pl.DataFrame:
    return pl.DataFrame({name: values})


def is_json_number(text: str) -> bool:
    try:
        return text == text.strip() and isinstance(json.loads(text), int | float)
    except ValueError:
        return False


def as_written(text: str, *, safe: bool) -> str:
    """The rule of the design, in other words than the library's."""
    if text.lstrip("'").startswith(ACTIVE) and (
        text.startswith("'") or (safe and text not in ("-Infinity",) and not is_json_number(text))
    ):
        return "'" + text
    return text


# Round trip


@pytest.mark.parametrize("name", SCHEMAS)
@hypothesis_settings(max_examples=40, deadline=None)
@given(data=st.data(), safe=st.booleans())
def test_every_table_comes_back_identical(name: str, data: st.DataObject, safe: bool) -> None:
    frame = data.draw(frames(SCHEMAS[name]))
    text = written(frame, spreadsheet_safe=safe)
    assert_frame_equal(reread(text, name.split()[0]), frame, check_exact=True)


@pytest.mark.parametrize("name", SCHEMAS)
@hypothesis_settings(max_examples=20, deadline=None)
@given(data=st.data(), safe=st.booleans())
def test_excel_cuts_to_milliseconds_and_changes_nothing_else(
    name: str, data: st.DataObject, safe: bool
) -> None:
    frame = data.draw(frames(SCHEMAS[name]))
    text = written(frame, spreadsheet_safe=safe, excel=True)
    cut = frame.with_columns(pl.col(Datetime).dt.truncate("1ms"))
    assert_frame_equal(reread(text, name.split()[0]), cut, check_exact=True)


@hypothesis_settings(max_examples=60, deadline=None)
@given(frame=frames(TABLES["workflows"].schema), safe=st.booleans(), excel=st.booleans())
def test_another_reader_finds_the_same_cells(frame: pl.DataFrame, safe: bool, excel: bool) -> None:
    text = written(frame, spreadsheet_safe=safe, excel=excel)
    header, *body = rows_of(text.removeprefix("\ufeff") if excel else text)
    assert header == frame.columns
    texts = frame.select(pl.col(pl.String))
    expected = [[as_written(cell or "", safe=safe) for cell in row] for row in texts.rows()]
    indices = [header.index(name) for name in texts.columns]
    assert [[row[index] for index in indices] for row in body] == expected


@hypothesis_settings(max_examples=200, deadline=None)
@given(names=st.lists(TEXT, unique=True, max_size=6), safe=st.booleans(), excel=st.booleans())
@example(names=["\ufeff"], safe=True, excel=False)
@example(names=["*", "^.*$", "1", "0"], safe=True, excel=False)
def test_any_column_names_come_back(names: list[str], safe: bool, excel: bool) -> None:
    names = [*(name for name in names if name not in SCHEMAS["runs"]), "run_id"]
    frame = pl.DataFrame({name: [str(n)] for n, name in enumerate(names)})
    text = written(frame, spreadsheet_safe=safe, excel=excel)
    assert_frame_equal(reread(text), frame)
    header, _ = rows_of(text.removeprefix("\ufeff") if excel else text)
    assert header == [as_written(name, safe=safe) for name in names]


@hypothesis_settings(max_examples=200, deadline=None)
@given(values=st.lists(st.none() | TEXT, max_size=5), safe=st.booleans(), excel=st.booleans())
def test_a_single_column_comes_back(values: list[str | None], safe: bool, excel: bool) -> None:
    frame = pl.DataFrame({"run_id": values}, schema={"run_id": pl.String})
    assert_frame_equal(reread(written(frame, spreadsheet_safe=safe, excel=excel)), frame)


@pytest.mark.parametrize("excel", [False, True])
def test_many_rows_come_back_whatever_the_threads_make_of_them(excel: bool) -> None:
    dice = random.Random(5)
    texts = [None, *NASTY, "x" * 300, '",\n"' * 20]
    frame = pl.DataFrame(
        {name: dice.choices(texts, k=60_000) for name in ("run_id", "status", "other")},
        schema=dict.fromkeys(("run_id", "status", "other"), pl.String),
    )
    assert_frame_equal(reread(written(frame, excel=excel)), frame)


@pytest.mark.parametrize("name", SCHEMAS)
@pytest.mark.parametrize("excel", [False, True])
def test_a_table_without_rows_has_a_header_and_its_dtypes(name: str, excel: bool) -> None:
    empty = pl.DataFrame(schema=SCHEMAS[name])
    text = written(empty, excel=excel)
    assert text == ("\ufeff" if excel else "") + ",".join(empty.columns) + (
        "\r\n" if excel else "\n"
    )
    assert_frame_equal(reread(text, name.split()[0]), empty)


def test_null_and_empty_and_lists_are_told_apart() -> None:
    frame = pl.DataFrame(
        {"run_id": ["", None, "null"], "freshness_reasons": [[], None, ["", None, 'a "b"\n']]}
    )
    text = written(frame)
    assert text.startswith('run_id,freshness_reasons\n"",[]\n,\nnull,"[')
    assert rows_of(text)[3] == ["null", r'["",null,"a \"b\"\n"]']
    assert_frame_equal(reread(text), frame)


def test_values_have_one_form() -> None:
    second = 1_714_557_600_000_000
    frame = pl.DataFrame(
        {
            "passed": [-1, 2**63 - 1, None],
            "pass_rate": [0.1 + 0.2, -float("inf"), float("nan")],
            "ok": [True, False, None],
            "created_at": pl.Series([second, second + 1, second + 1999]).cast(Datetime),
        }
    )
    rows = [
        ["passed", "pass_rate", "ok", "created_at"],
        ["-1", "0.30000000000000004", "true", "2024-05-01T10:00:00.000000Z"],
        ["9223372036854775807", "'-inf", "false", "2024-05-01T10:00:00.000001Z"],
        ["", "NaN", "", "2024-05-01T10:00:00.001999Z"],
    ]
    assert rows_of(written(frame)) == rows
    excel = [row[3] for row in rows_of(written(frame, excel=True)[1:])[1:]]
    assert excel == ["2024-05-01 10:00:00", "2024-05-01 10:00:00", "2024-05-01 10:00:00.001"]


def test_excel_writes_a_mark_and_crlf_and_keeps_line_ends_inside_cells() -> None:
    file = io.BytesIO()
    write_csv(column("é\nb", "c\r"), file, excel=True)
    assert file.getvalue() == '\ufeffrun_id\r\n"é\nb"\r\n"c\r"\r\n'.encode()


# Spreadsheets (FAULTS 36)


@pytest.mark.parametrize(
    ("text", "safe", "plain"),
    [
        ("=1+2", "'=1+2", "=1+2"),
        ("+1", "'+1", "+1"),  # no JSON number
        ("-1", "-1", "-1"),
        ("-1.50e+7", "-1.50e+7", "-1.50e+7"),
        ("-0", "-0", "-0"),
        ("-01", "'-01", "-01"),
        ("-.5", "'-.5", "-.5"),
        ("-5.", "'-5.", "-5."),
        ("-1_000", "'-1_000", "-1_000"),
        ("-1\n", "'-1\n", "-1\n"),
        ("-1 ", "'-1 ", "-1 "),
        ("-١", "'-١", "-١"),
        ("-inf", "'-inf", "-inf"),
        ("-Infinity", "'-Infinity", "-Infinity"),
        ("@SUM(A1)", "'@SUM(A1)", "@SUM(A1)"),
        ("\t=1", "'\t=1", "\t=1"),
        ("\r=1", "'\r=1", "\r=1"),
        ("\n=1", "'\n=1", "\n=1"),
        ("'=1", "''=1", "''=1"),
        ("'''@", "''''@", "''''@"),
        ("'-1", "''-1", "''-1"),
        ("'x", "'x", "'x"),
        ("'", "'", "'"),
        ("''", "''", "''"),
        (" =1", " =1", " =1"),
        ("a=1", "a=1", "a=1"),
        ("a\n=1", "a\n=1", "a\n=1"),
        ("", "", ""),
    ],
)
def test_cells_and_headers_that_a_spreadsheet_would_execute(
    text: str, safe: str, plain: str
) -> None:
    frame = pl.DataFrame({"run_id": [text], text: ["x"]})
    for expected, mode in [(safe, True), (plain, False)]:
        out = written(frame, spreadsheet_safe=mode)
        assert rows_of(out) == [["run_id", expected], [expected, "x"]]
        assert_frame_equal(reread(out), frame)


@hypothesis_settings(max_examples=60, deadline=None)
@given(frame=frames(TABLES["results"].schema))
def test_no_safe_cell_is_active_unless_it_is_a_number(frame: pl.DataFrame) -> None:
    for row in rows_of(written(frame)):
        for cell in row:
            assert not cell.startswith(ACTIVE) or is_json_number(cell)


@pytest.mark.parametrize("dtype", [pl.Categorical, pl.Enum(["=a", "b"]), pl.String])
def test_text_of_any_dtype_is_defused(dtype: pl.DataType) -> None:
    assert written(pl.DataFrame({"x": ["=a", "b"]}, schema={"x": dtype})) == "x\n'=a\nb\n"


# Any frame


UTC_TIME = dt.datetime(2024, 5, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=2)))
NAIVE = dt.datetime(2024, 5, 1, 10, 0, 0, 1)


@pytest.mark.parametrize(
    ("series", "cells"),
    [
        (pl.Series([dt.date(2024, 5, 1), None]), ["2024-05-01", ""]),
        (pl.Series([dt.date.min, dt.date.max]), ["0001-01-01", "9999-12-31"]),
        (pl.Series([dt.time(1, 2, 3, 4), dt.time(1)]), ["01:02:03.000004", "01:00:00"]),
        (
            pl.Series([dt.timedelta(days=1, microseconds=1), -dt.timedelta(seconds=1)]),
            ["P1DT0.000001S", "'-PT1S"],
        ),
        (pl.Series([NAIVE]), ["2024-05-01T10:00:00.000001"]),
        (pl.Series([NAIVE], dtype=pl.Datetime("ms")), ["2024-05-01T10:00:00.000"]),
        (
            pl.Series([UTC_TIME])
            .dt.convert_time_zone("Asia/Tokyo")
            .cast(pl.Datetime("ns", "Asia/Tokyo")),
            ["2024-05-01T10:00:00.000000000Z"],
        ),
        (pl.Series([None, None]), ["", ""]),
        (pl.Series([True, None]), ["true", ""]),
        (pl.Series([0, 2**64 - 1], dtype=pl.UInt64), ["0", "18446744073709551615"]),
        (pl.Series([0.1, -1e-7], dtype=pl.Float32), ["0.1", "-1e-7"]),
        (pl.Series([decimal.Decimal("-1.50"), None]), ["-1.50", ""]),
        (pl.Series([[1, None], [], None]), ["[1,null]", "[]", ""]),
        (pl.Series([[1, 2], None], dtype=pl.Array(pl.UInt8, 2)), ["[1,2]", ""]),
        (pl.Series([["=a"]], dtype=pl.List(pl.Categorical)), ['["=a"]']),
        (pl.Series([[decimal.Decimal("1.50")]]), ['["1.50"]']),
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
        (pl.Series([b"a"]), r"column 'x' \(Binary\) cannot be written: CSV has no form for Binary"),
        (pl.Series([[b"a"]]), r"List\(Binary\)\) cannot be written: CSV has no form for Binary"),
        (pl.Series([object()], dtype=pl.Object), r"no form for Object, cast it to String first"),
        (pl.Series([[1.0, float("nan")]]), "JSON has no NaN and no infinity"),
        (pl.Series([{"a": [float("inf")]}]), "JSON has no NaN and no infinity"),
        (pl.Series([2**62]).cast(Datetime), "a year is outside of 1 to 9999"),
        (pl.Series([-719162 * DAY - 1]).cast(Datetime), "a year is outside of 1 to 9999"),
        (pl.Series([2932897], dtype=pl.Int32).cast(pl.Date), "a year is outside of 1 to 9999"),
        (pl.Series([[-719163]], dtype=pl.List(pl.Int32)).cast(pl.List(pl.Date)), "1 to 9999"),
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


# Reading


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "^the file is empty, expected at least a header$"),
        ("\ufeff", "^the file is empty"),
        ("\n", r"^got the columns '', expected some of those of runs: run_id, status, .*…$"),
        ("\n\nrun_id\n", "^got the columns ''"),
        ("a;run_id\n", "^got the columns 'a;run_id', expected some of those of runs"),
        ("run_id,a,run_id\n", "^column 'run_id': got it 2 times, expected it once$"),
        ("run_id,'=a,=a\n", "^column '=a': got it 2 times"),
        ("run_id,passed\nx,1\ny\n", r"^row 2: got 1 cell\(s\), expected 2 as in the header$"),
        ('run_id,passed\n"x\ny",1\nz,1,2\n', r"^row 2: got 3 cell\(s\), expected 2"),
        ("run_id,passed\nx,1\n\n", r"^row 2: got 1 cell\(s\), expected 2"),
        ('run_id\nx\n"y', "^row 2: got a quote in the middle of a cell, expected quotes around"),
        ('run_id\nx"y\n', "^row 1: got a quote in the middle"),
        ('run_id\n"x"y\n', "^row 1: got a quote in the middle"),
        ('run_id\n"x" \n', "^row 1: got a quote in the middle"),
        ('run_id\n"x"""y"\n', "^row 1: got a quote in the middle"),
        ('"run_id\n', "^the header: got a quote in the middle"),
        (
            "run_id\ra\r",
            "^the header: got a carriage return in the middle of a cell, expected rows",
        ),
        ("run_id\na\rb\n", "^row 1: got a carriage return"),
        ('run_id,a\n"a"\rb,\n', "^row 1: got a carriage return"),
    ],
)
def test_what_is_not_this_table_is_refused(text: str, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        reread(text)


def unguarded(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell.lstrip("'").startswith(ACTIVE) else cell


@hypothesis_settings(max_examples=400, deadline=None)
@given(
    start=st.sampled_from(["run_id\n", "run_id,x\n", '"run_id",x,\r\n']),
    rest=st.text(st.sampled_from('""",,\r\n\na\'= \0\ufeffé'), max_size=20),
)
def test_any_text_is_refused_or_read_as_another_reader_does(start: str, rest: str) -> None:
    try:
        frame = reread(start + rest)
    except SchemaError:
        return
    header, *body = rows_of(start + rest)
    assert frame.columns == header
    assert [[cell or "" for cell in row] for row in frame.rows()] == [
        [unguarded(cell) for cell in row] or [""] for row in body
    ]


@hypothesis_settings(max_examples=100, deadline=None)
@given(
    body=st.lists(st.tuples(TEXT, TEXT), max_size=5),
    # Not minimal with LF: Python's csv of 3.11 leaves a carriage return unquoted there.
    style=st.sampled_from([(csv.QUOTE_MINIMAL, "\r\n"), (csv.QUOTE_ALL, "\n")]),
)
def test_what_another_writer_writes_is_read(
    body: list[tuple[str, str]], style: tuple[int, str]
) -> None:
    quoting, end = style
    file = io.StringIO(newline="")
    csv.writer(file, quoting=quoting, lineterminator=end).writerows([("run_id", "x"), *body])
    frame = reread(file.getvalue())
    assert frame.columns == ["run_id", "x"]
    assert [tuple(cell or "" for cell in row) for row in frame.rows()] == [
        tuple(map(unguarded, row)) for row in body
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            b"run_id\n\xe9\n",
            r"^byte 7 is 0xe9, expected UTF-8 text \(in Excel: save as CSV UTF-8\)$",
        ),
        ("run_id\n".encode("utf-16"), "^byte 0 is 0xff, expected UTF-8"),
        (b"run_id\n\xed\xa0\x80\n", "^byte 7 is 0xed, expected UTF-8"),
    ],
)
def test_text_that_is_not_utf8_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        read_csv(io.BytesIO(data))


INTEGER, TIME = (
    "expected a 64-bit integer$",
    r"expected a time like 2024-05-01T10:00:00\.123456Z or",
)


@pytest.mark.parametrize(
    ("name", "cell", "expected"),
    [
        ("passed", "1.5", INTEGER),
        ("passed", "1.0", INTEGER),
        ("passed", "1e3", INTEGER),
        ("passed", " 1", INTEGER),
        ("passed", "one", INTEGER),
        ("passed", "", INTEGER),
        ("passed", "9223372036854775808", INTEGER),
        ("passed", "true", INTEGER),
        ("pass_rate", "half", "expected a number$"),
        ("pass_rate", "0,5", "expected a number$"),
        ("pass_rate", "1e400", "expected a number$"),
        ("pass_rate", "-1e400", "expected a number$"),
        ("ok", "1", "expected true or false$"),
        ("ok", "yes", "expected true or false$"),
        ("created_at", "2024-05-01", TIME),
        ("created_at", "2024-05-01T10:00Z", TIME),
        ("created_at", "2024-02-30T10:00:00Z", TIME),
        ("created_at", "2024-05-01T24:00:00Z", TIME),
        ("created_at", "2024-05-01T10:00:60Z", TIME),
        ("created_at", "2024-05-01T10:00:00.1234567Z", TIME),
        ("created_at", "2024-05-01T10:00:00+99:00", TIME),
        ("created_at", "2024-05-01T10:00:00Z\n", TIME),
        ("created_at", "0001-01-01T00:00:00+01:00", TIME),
        ("created_at", "01.05.2024 10:00", TIME),
        ("freshness_reasons", "stale", "expected a JSON array of strings$"),
        ("freshness_reasons", "null", "expected a JSON array of strings$"),
        ("freshness_reasons", "[1]", "expected a JSON array of strings$"),
        ("freshness_reasons", '["a",true]', "expected a JSON array of strings$"),
        ("freshness_reasons", '{"a":1}', "expected a JSON array of strings$"),
        ("freshness_reasons", '["\\ud800"]', "expected a JSON array of strings$"),
        ("freshness_reasons", '["a"] ["b"]', "expected a JSON array of strings$"),
    ],
)
def test_a_cell_that_is_no_value_is_refused(name: str, cell: str, expected: str) -> None:
    file = io.StringIO(newline="")
    csv.writer(file, quoting=csv.QUOTE_ALL).writerows([["run_id", name], ["r", cell]])
    where = f"row 1, column '{name}'"
    with pytest.raises(
        SchemaError, match=f"^{where}: got {re.escape(repr(cell))}, {expected}"
    ) as caught:
        reread(file.getvalue())
    assert caught.value.path == where


def test_a_refusal_names_the_first_bad_row_and_counts_them() -> None:
    with pytest.raises(
        SchemaError, match=r"^row 2, column 'passed': got 'x', .* \(2 such cells in all\)$"
    ):
        reread("passed,failed\n1,\nx,\n\ny,\n".replace("\n\n", "\n,\n"))


def test_a_long_bad_cell_is_shortened_and_a_deep_one_survived() -> None:
    with pytest.raises(SchemaError, match=r"got '\[{79}…', expected a JSON array of strings$"):
        reread("freshness_reasons\n" + "[" * 100_000 + "\n")


@pytest.mark.parametrize(
    ("cell", "moment"),
    [
        ("2024-05-01T10:00:00.000001Z", NAIVE),
        ("2024-05-01 10:00:00.000001", NAIVE),
        ("2024-05-01T10:00:00.000001", NAIVE),
        ("2024-05-01 12:00:00.000001+02:00", NAIVE),
        ("2024-05-01T08:30:00.000001-0130", NAIVE),
        ("2024-05-01T10:00:00.000001000000000Z", NAIVE),
        ("2024-05-01 10:00:00", NAIVE.replace(microsecond=0)),
        ("2024-05-01 10:00:00.1", NAIVE.replace(microsecond=100_000)),
    ],
)
def test_a_time_may_have_any_iso_form_and_is_utc_without_an_offset(
    cell: str, moment: dt.datetime
) -> None:
    assert reread(f"created_at\n{cell}\n")["created_at"].to_list() == [
        moment.replace(tzinfo=dt.UTC)
    ]


def test_what_other_programs_write_is_understood() -> None:
    text = 'passed,pass_rate,ok,note\r\n+7,.5,TRUE,\r\n007,1,False,""\n-0,-Infinity,true,x'
    frame = reread(text)
    assert frame.schema == {
        "passed": pl.Int64,
        "pass_rate": pl.Float64,
        "ok": pl.Boolean,
        "note": pl.String,
    }
    assert frame.rows() == [
        (7, 0.5, True, None),
        (7, 1.0, False, ""),
        (0, -float("inf"), True, "x"),
    ]


@pytest.mark.parametrize("text", ["run_id", '"run_id"', "run_id\r\n", '\ufeff"run_id"\n'])
def test_a_header_alone_is_an_empty_frame(text: str) -> None:
    assert_frame_equal(reread(text), pl.DataFrame(schema={"run_id": pl.String}))


@pytest.mark.parametrize("table", ["run", "", None, 3, ["runs"]])
def test_an_unknown_table_is_refused(table: str) -> None:
    got = re.escape(repr(table))
    with pytest.raises(
        ConfigError, match=f"^table: got {got}, expected one of runs, results, evals, workflows$"
    ):
        read_csv(io.StringIO("run_id\n"), table)


# Files

FRAME, OTHER = column("new", "frame"), column("a", "longer", "frame")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "runs.csv"
    path.write_text("run_id\nold\n")
    return path


def values(path: Path) -> list[str]:
    return read_csv(path)["run_id"].to_list()


class Place:
    """A path of somebody else's making."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return str(self.path)


@pytest.mark.parametrize("kind", [str, Path, Place])
def test_a_path_is_written_and_read(path: Path, kind: type) -> None:
    assert write_csv(FRAME, kind(path)) is None
    assert_frame_equal(read_csv(kind(path)), FRAME)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("call", ["os.fsync", "os.replace", "os.chmod"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_file_and_nothing_else(
    path: Path, monkeypatch: pytest.MonkeyPatch, call: str, error: BaseException
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(call, fail)
    with pytest.raises(type(error)):
        write_csv(FRAME, path)
    monkeypatch.undo()
    assert values(path) == ["old"]
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("mode", [0o600, 0o664, 0o444])
def test_the_permissions_stay(path: Path, mode: int) -> None:
    path.chmod(mode)
    before = os.umask(0o077)
    try:
        write_csv(FRAME, path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert values(path) == ["new", "frame"]


def test_a_new_file_obeys_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_csv(FRAME, tmp_path / "new.csv")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new.csv").stat().st_mode) == 0o640


@pytest.mark.parametrize("dangling", [False, True])
def test_a_link_is_followed(path: Path, dangling: bool) -> None:
    link = path.parent / "links" / "latest.csv"
    link.parent.mkdir()
    link.symlink_to("../runs.csv")
    if dangling:
        path.unlink()
    write_csv(FRAME, link)
    assert link.is_symlink()
    assert not path.is_symlink()
    assert values(path) == values(link) == ["new", "frame"]
    assert list(link.parent.iterdir()) == [link]


def test_a_folder_that_cannot_be_synced_is_no_failure(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync, folders = os.fsync, []

    def files_only(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            folders.append(descriptor)
            raise OSError(errno.EINVAL, "Invalid argument")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", files_only)
    write_csv(FRAME, path)
    assert len(folders) == 1
    assert values(path) == ["new", "frame"]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"No such folder to write the file into: '.*nowhere'$"
    ):
        write_csv(FRAME, tmp_path / "nowhere" / "runs.csv")
    with pytest.raises(FileNotFoundError, match=r"runs\.csv"):
        read_csv(tmp_path / "runs.csv")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match="Is a folder, not a file"):
        write_csv(FRAME, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_device_stays_one() -> None:
    with pytest.raises(OSError, match="No space left"):
        write_csv(FRAME, "/dev/full")
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[pl.DataFrame] = []
    reader = threading.Thread(target=lambda: got.append(read_csv(pipe)))
    reader.start()
    write_csv(FRAME, pipe)
    reader.join(10)
    assert_frame_equal(got[0], FRAME)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_concurrent_reader_sees_one_or_the_other(path: Path) -> None:
    write_csv(FRAME, path)
    done = threading.Event()

    def write() -> None:
        for turn in range(60):
            write_csv([OTHER, FRAME][turn % 2], path)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = set()
    while not done.is_set():
        seen.add(tuple(values(path)))
    writer.join()
    assert seen <= {tuple(FRAME["run_id"]), tuple(OTHER["run_id"])}


KILLED = """
import os, signal, sys
import polars as pl
from retab_analysis import write_csv

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

setattr(os, sys.argv[2], die)
write_csv(pl.DataFrame({"run_id": ["new", "frame"]}), sys.argv[1])
"""


@pytest.mark.parametrize(
    ("call", "expected"), [("fsync", ["old"]), ("replace", ["old"]), ("close", ["new", "frame"])]
)
def test_a_killed_process_leaves_the_old_file_or_the_new(
    path: Path, call: str, expected: list[str]
) -> None:
    # The only os.close is the folder's, after the new file has its name.
    done = subprocess.run([sys.executable, "-c", KILLED, str(path), call], check=False)
    assert done.returncode == -signal.SIGKILL
    assert values(path) == expected
    write_csv(OTHER, path)
    assert_frame_equal(read_csv(path), OTHER)


# Open files


def test_open_files_are_written_and_stay_open(tmp_path: Path) -> None:
    for mode, options in [
        ("w+", {"newline": "", "encoding": "utf-8"}),
        ("w+b", {}),
        ("w+b", {"buffering": 0}),
    ]:
        with (tmp_path / "open.csv").open(mode, **options) as file:
            file.write(file.read())
            write_csv(FRAME, file, excel=True)
            file.seek(0)
            assert_frame_equal(read_csv(file), FRAME)
            assert not file.closed


def test_line_ends_inside_cells_survive_a_text_file_that_would_translate_them(path: Path) -> None:
    frame = column("a\r\nb", "\r", "\n")
    write_csv(frame, path)
    with path.open(encoding="utf-8") as file:
        assert_frame_equal(read_csv(file), frame)
    path.write_bytes(b"# a remark\n" + path.read_bytes())
    with path.open(encoding="utf-8") as file:
        assert file.readline() == "# a remark\n"
        assert read_csv(file)["run_id"].to_list() == ["a\nb", "\n", "\n"]


def test_a_compressed_file_and_standard_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with gzip.open(tmp_path / "runs.csv.gz", "wb") as file:
        write_csv(FRAME, file)
    with gzip.open(tmp_path / "runs.csv.gz", "rb") as file:
        assert_frame_equal(read_csv(file), FRAME)
    write_csv(FRAME, sys.stdout)
    assert capsys.readouterr().out == "run_id\nnew\nframe\n"


class Sink:
    """A binary file of somebody else's making, which takes a little at a time or says nothing."""

    def __init__(self, size: int | None) -> None:
        self.size, self.data = size, b""

    def write(self, data: memoryview) -> int | None:
        taken = bytes(memoryview(data)[: self.size])
        self.data += taken
        return None if self.size is None else len(taken)


@pytest.mark.parametrize("size", [1, 4, None])
def test_a_file_that_takes_little_gets_everything(size: int | None) -> None:
    sink = Sink(size)
    write_csv(FRAME, sink)
    assert sink.data == b"run_id\nnew\nframe\n"


@pytest.mark.parametrize("given", [1, None, b"runs.csv", object()])
def test_what_is_neither_a_path_nor_a_file_is_refused(given: object) -> None:
    kind = type(given).__name__
    for purpose, call in [
        ("writing", lambda: write_csv(FRAME, given)),
        ("reading", lambda: read_csv(given)),
    ]:
        with pytest.raises(
            ConfigError,
            match=f"^path: expected a str, a Path or a file open for {purpose}, got {kind}$",
        ):
            call()


def test_an_error_of_an_open_file_is_its_own(path: Path) -> None:
    with path.open() as file, pytest.raises(io.UnsupportedOperation, match="not writable"):
        write_csv(FRAME, file)
