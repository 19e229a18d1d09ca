"""What is read, and what is refused, row and column named."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from itertools import dropwhile

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from support.csv_files import SIGNS, TEXT, is_active, is_passed_over, reread, rows_of
from support.examples import examples
from support.inside import RUNS, TABLES

from retab_analysis import ConfigError, SchemaError, read_csv

NAIVE = dt.datetime(2024, 5, 1, 10, 0, 0, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "^the file is empty, expected at least a header$"),
        ("\ufeff", "^the file is empty"),
        ("\n", r"^got the columns '', expected some of those of runs: run_id, status, .*…$"),
        ("\n\nrun_id\n", "^got the columns ''"),
        ("a;run_id\nx\n", r"^row 1: got 1 cell\(s\), expected 2 as in the header$"),
        ("a\trun_id\nx\n", r"^row 1: got 1 cell\(s\), expected 2"),
        ("a:run_id\n", "^got the columns 'a:run_id', expected some of those of runs"),
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
    """A cell of another writer, of which what looks escaped loses an apostrophe."""
    inner = re.sub(r"([;\t|])'(?=('*)(.*))", _unguard, cell, flags=re.DOTALL)
    return inner[1:] if inner.startswith("'") and is_active(inner.lstrip("'")) else inner


def _unguard(found: re.Match[str]) -> str:
    seen = "".join(dropwhile(is_passed_over, found[3]))
    return found[1] if seen.startswith(SIGNS) else found[0]


@examples(400)
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


@examples(100)
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
            r"^line 2: got the byte 0xe9, expected UTF-8 text \(in Excel: save as CSV UTF-8\)$",
        ),
        ("run_id\n".encode("utf-16"), "^line 1: got the byte 0xff, expected UTF-8"),
        (b"run_id\n\xed\xa0\x80\n", "^line 2: got the byte 0xed, expected UTF-8"),
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
        ("pass_rate", "1e-400", "expected a number$"),
        ("pass_rate", "9007199254740993", "expected a number$"),
        ("pass_rate", f"{10**40 + 1}", "expected a number$"),
        ("pass_rate", "-9007199254740993.0", "expected a number$"),
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


def test_numbers_that_are_floats_are_read() -> None:
    cells = ["0", "-0.0", "0e-400", "9007199254740992", "9007199254740994.0", "1e300", "0.1", "inf"]
    file = io.StringIO(newline="")
    csv.writer(file).writerows([["run_id", "pass_rate"], *(["r", cell] for cell in cells)])
    assert reread(file.getvalue())["pass_rate"].to_list() == list(map(float, cells))


def test_a_refusal_names_the_first_bad_row() -> None:
    with pytest.raises(SchemaError, match=r"^row 2, column 'passed': got 'x', expected a 64-bit"):
        reread("passed,failed\n1,\nx,\n,\ny,\n")


@pytest.mark.parametrize(
    ("end", "message"),
    [
        ("y,z", "row 60001, column 'passed': got 'z'"),
        ("y", r"row 60001: got 1 cell\(s\)"),
        ('y"', "row 60001: got a quote"),
    ],
)
def test_rows_of_a_large_file_are_counted_from_its_start(end: str, message: str) -> None:
    row = "x" * 100 + ',"1"\n'
    with pytest.raises(SchemaError, match=f"^{message}"):
        reread("run_id,passed\n" + row * 60_000 + end)


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_cells_may_be_separated_by_what_spreadsheets_separate_by(separator: str) -> None:
    text = '"run_id","a,b;|"\nx,y,"0,5"\n'.replace('",', f'"{separator}')
    text = text.replace("x,y,", f"x,y{separator}")
    assert reread(text).to_dict(as_series=False) == {"run_id": ["x,y"], "a,b;|": ["0,5"]}


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


@pytest.mark.parametrize("name", ["", '""'])
def test_a_column_may_have_no_name(name: str) -> None:
    frame = reread(f"{name},run_id\n0,run_1\n")
    assert frame.to_dict(as_series=False) == {"": ["0"], "run_id": ["run_1"]}


@pytest.mark.parametrize("text", ["run_id", '"run_id"', "run_id\r\n", '\ufeff"run_id"\n'])
def test_a_header_alone_is_an_empty_frame(text: str) -> None:
    assert_frame_equal(reread(text), pl.DataFrame(schema={"run_id": pl.String}))


@pytest.mark.parametrize("name", ["results", "evals", "workflows"])
def test_a_file_of_another_table_is_not_read_as_texts(name: str) -> None:
    text = ",".join(["note", *TABLES[name].schema]) + "\n"
    with pytest.raises(SchemaError, match=rf"columns of {name}, .* read_csv\(path, '{name}'\)"):
        reread(text)
    assert read_csv(io.StringIO(text), name).is_empty()
    # Who joined two tables has columns of both.
    for runs in (RUNS.schema, {"passed": None}):
        assert reread(",".join({**runs, **TABLES[name].schema}) + "\n").is_empty()


@pytest.mark.parametrize("table", ["run", "", None, 3, ["runs"]])
def test_an_unknown_table_is_refused(table: str) -> None:
    got = re.escape(repr(table))
    with pytest.raises(
        ConfigError, match=f"^table must be one of runs, results, evals, workflows, got {got}$"
    ):
        read_csv(io.StringIO("run_id\n"), table)
