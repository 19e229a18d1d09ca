"""CSV: every value comes back identical and has one text; what is no table is refused.

Cells that a spreadsheet would execute are those of FAULTS.md 36 and 66.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import random
import re
from itertools import dropwhile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from support.csv_files import (
    DAY,
    NASTY,
    SCHEMAS,
    SIGNS,
    TEXT,
    as_written,
    column,
    frames,
    is_active,
    is_passed_over,
    reread,
    rows_of,
    written,
)
from support.examples import examples
from support.frames import ArrowFrame
from support.inside import RUNS, TABLES, Datetime

from retab_analysis import ConfigError, SchemaError, read_csv, write_csv

NAIVE = dt.datetime(2024, 5, 1, 10, 0, 0, 1)
UTC_TIME = dt.datetime(2024, 5, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=2)))


@pytest.mark.parametrize("name", SCHEMAS)
@examples(60)
@given(data=st.data(), safe=st.booleans(), excel=st.booleans())
def test_every_table_comes_back_identical_but_for_what_excel_cuts(
    name: str, data: st.DataObject, safe: bool, excel: bool
) -> None:
    frame = data.draw(frames(SCHEMAS[name]))
    text = written(frame, spreadsheet_safe=safe, excel=excel)
    same = frame.with_columns(pl.col(Datetime).dt.truncate("1ms")) if excel else frame
    assert_frame_equal(reread(text, name.split()[0]), same, check_exact=True)


@examples(60)
@given(frame=frames(TABLES["workflows"].schema), safe=st.booleans(), excel=st.booleans())
def test_another_reader_finds_the_same_cells(frame: pl.DataFrame, safe: bool, excel: bool) -> None:
    text = written(frame, spreadsheet_safe=safe, excel=excel)
    header, *body = rows_of(text[1:], ";") if excel else rows_of(text)
    assert header == frame.columns
    texts = frame.select(pl.col(pl.String))
    expected = [[as_written(cell or "", safe=safe) for cell in row] for row in texts.rows()]
    indices = [header.index(name) for name in texts.columns]
    assert [[row[index] for index in indices] for row in body] == expected


@examples(200)
@given(names=st.lists(TEXT, unique=True, max_size=6), safe=st.booleans(), excel=st.booleans())
@example(names=["\ufeff"], safe=True, excel=False)
@example(names=["*", "^.*$", "1", "0"], safe=True, excel=False)
def test_any_column_names_come_back(names: list[str], safe: bool, excel: bool) -> None:
    names = [*(name for name in names if name not in SCHEMAS["runs"]), "run_id"]
    frame = pl.DataFrame({name: [str(n)] for n, name in enumerate(names)})
    text = written(frame, spreadsheet_safe=safe, excel=excel)
    assert_frame_equal(reread(text), frame)
    header, _ = rows_of(text[1:], ";") if excel else rows_of(text)
    assert header == [as_written(name, safe=safe) for name in names]


@examples(200)
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
    excel = [row[1::2] for row in rows_of(written(frame, excel=True)[1:], ";")[1:]]
    assert excel == [
        ["0,30000000000000004", "2024-05-01 10:00:00"],
        ["'-inf", "2024-05-01 10:00:00"],
        ["NaN", "2024-05-01 10:00:00.001"],
    ]


def test_a_european_excel_sees_cells_and_numbers() -> None:
    """It separates by ``;``, and would take ``1.5`` for the first of May."""
    given = {"run_id": ["a;b", "c,d"], "passed": [3, None], "pass_rate": [-0.95, 1.5e-7]}
    frame = pl.DataFrame(given)
    text = written(frame, excel=True)
    lines = ["run_id;passed;pass_rate", '"a;b";3;"-0,95"', '"c,d";;"1,5e-7"']
    assert text == "\ufeff" + "".join(f"{line}\r\n" for line in lines)
    assert reread(text).equals(frame)
    alone = frame.select("pass_rate")
    assert reread(written(alone, excel=True)).equals(alone)


@pytest.mark.parametrize(
    ("series", "cells"),
    [
        (pl.Series([dt.date(2024, 5, 1), None]), ["2024-05-01", ""]),
        (pl.Series([dt.date.min, dt.date.max]), ["0001-01-01", "9999-12-31"]),
        (pl.Series([dt.time(1, 2, 3, 4), dt.time(1)]), ["01:02:03.000004", "01:00:00"]),
        (pl.Series([NAIVE]), ["2024-05-01T10:00:00.000001"]),
        (pl.Series([UTC_TIME]).dt.convert_time_zone("Asia/Tokyo"), ["2024-05-01T10:00:00.000000Z"]),
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
        with pytest.raises(ConfigError, match=r"^path ends in \.\w+, but the content is CSV"):
            write_csv(column("a"), path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_runs_from_before_their_newest_column_has_nulls_in_it() -> None:
    older = RUNS.empty().vstack(pl.DataFrame([{"run_id": "r1"}], schema=RUNS.schema))
    noted = older.drop("validity_fingerprint").with_columns(note=pl.lit("x"))
    frame = read_csv(io.StringIO(written(noted)))
    assert frame.drop("note").equals(older)
    assert frame.columns[-1] == "note"


def test_lazy_frames_and_those_without_columns_or_rows_are_written() -> None:
    for same in (column("a").lazy(), ArrowFrame(column("a"))):
        assert written(same) == "run_id\na\n"
    assert written(pl.DataFrame()) == "\n"
    assert written(pl.DataFrame({"": [None]})) == '""\n\n'
    assert written(pl.DataFrame(schema={"a": pl.Int8, "=b": pl.Time})) == "a,'=b\n"


# What gets an apostrophe where safe, what never does, and what gets one more in either mode.
ESCAPED = [
    *("=1+2", "+1", "-01", "-.5", "-5.", "-1_000", "-1\n", "-1 ", "-١", "-inf", "-Infinity"),
    *("@SUM(A1)", "\r=1", "\n=1", " =1", "\u00a0=1", "\ufeff=1", "\x0b=1", " -1"),
    *("\x00\u200b \u3000\x0c@x", "＝1+2", "＋1", "－1", " ＠x"),
]
KEPT = ["-1", "-1.50e+7", "-0", "'x", "'", "''", " '=1", "  x", "\u00a0", "a ＝1", "a=1"]
KEPT += ["a\n=1", "", "a;b"]
ESCAPED_ALREADY = ["'=1", "'''@", "'-1", "' =1", "'＝1"]


@pytest.mark.parametrize(
    ("text", "safe", "plain"),
    [
        *((text, f"'{text}", text) for text in ESCAPED),
        *((text, text, text) for text in KEPT),
        *((text, f"'{text}", f"'{text}") for text in ESCAPED_ALREADY),
        ("\t=1", "'\t'=1", "\t=1"),
        # Half of Europe's spreadsheets begin a cell behind a semicolon.
        ("a;=1+2", "a;'=1+2", "a;=1+2"),
        ("a; +1", "a;' +1", "a; +1"),
        ("a|-1", "a|'-1", "a|-1"),
        ("a\t@x", "a\t'@x", "a\t@x"),
        ("a;'=1", "a;''=1", "a;''=1"),
        ("=1;=2", "'=1;'=2", "=1;=2"),
        (";;=1", ";;'=1", ";;=1"),
        (";\t=1", ";'\t=1", ";\t=1"),
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


@pytest.mark.parametrize("safe", [True, False])
@pytest.mark.parametrize("sign", [";", "\t", "|"])
def test_85_a_cell_that_another_separator_would_cut_is_in_quotes(sign: str, safe: bool) -> None:
    text = written(
        pl.DataFrame({"run_id": [f"a{sign}=1"], f"b{sign}c": ["x"]}), spreadsheet_safe=safe
    )
    mark = "'" * safe
    assert text == f'run_id,"b{sign}c"\n"a{sign}{mark}=1",x\n'


NO_TABLES = {
    "the file is empty, expected at least a header$": ["", "\ufeff"],
    r"got the columns '', expected some of runs: run_id, .*…$": ["\n", "\n\nrun_id\n"],
    "got the columns 'a:run_id', expected some of runs": ["a:run_id\n"],
    r"row 1: got 'x', expected 2 cell\(s\) as in the header": ["a;run_id\nx\n", "a\trun_id\nx\n"],
    r"row 2: got 'y', expected 2": ["run_id,passed\nx,1\ny\n"],
    r"row 2: got '', expected 2": ["run_id,passed\nx,1\n\n"],
    r"row 2: got 'z,1,2', expected 2": ['run_id,passed\n"x\ny",1\nz,1,2\n'],
    "column 'run_id': got it 2 times, expected it once$": ["run_id,a,run_id\n"],
    "column '=a': got it 2 times": ["run_id,'=a,=a\n"],
    "row 2: got '\"y', expected 1 .*, with quotes around whole cells only$": ['run_id\nx\n"y'],
    "row 1: got '.*\".*', expected 1": [
        *('run_id\nx"y\n', 'run_id\n"x"y\n', 'run_id\n"x" \n', 'run_id\n"x"""y"\n')
    ],
    "the header: got '\"run_id', expected": ['"run_id\n'],
    r"the header: got 'run_id\\ra\\r', expected": ["run_id\ra\r"],
    r"row 1: got '.*\\r": ["run_id\na\rb\n", 'run_id,a\n"a"\rb,\n'],
}


@pytest.mark.parametrize(
    ("text", "message"), [(text, said) for said, texts in NO_TABLES.items() for text in texts]
)
def test_what_is_not_this_table_is_refused(text: str, message: str) -> None:
    with pytest.raises(SchemaError, match=f"^{message}"):
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


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            b"run_id\n\xe9\n",
            r"can't decode byte 0xe9 in .*; expected UTF-8 text \(in Excel: save as CSV UTF-8\)$",
        ),
        ("run_id\n".encode("utf-16"), "decode byte 0xff .*; expected UTF-8"),
        (b"run_id\n\xed\xa0\x80\n", "decode byte 0xed .*; expected UTF-8"),
    ],
)
def test_text_that_is_not_utf8_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        read_csv(io.BytesIO(data))


NO_VALUES = {
    ("passed", "expected a 64-bit integer$"): [
        *("1.5", "1.0", "1e3", " 1", "one", "", "9223372036854775808", "true")
    ],
    ("pass_rate", "expected a number$"): [
        *("half", "0,5", "1e400", "-1e400", "1e-400", "9007199254740993", f"{10**40 + 1}"),
        "-9007199254740993.0",
    ],
    ("ok", "expected true or false$"): ["1", "yes"],
    ("created_at", r"expected a time like 2024-05-01T10:00:00\.123456Z or"): [
        *("2024-05-01", "2024-05-01T10:00Z", "2024-02-30T10:00:00Z", "2024-05-01T24:00:00Z"),
        *("2024-05-01T10:00:60Z", "2024-05-01T10:00:00.1234567Z", "2024-05-01T10:00:00+99:00"),
        *("2024-05-01T10:00:00Z\n", "0001-01-01T00:00:00+01:00", "01.05.2024 10:00"),
    ],
    ("document_names", "expected a JSON array of strings$"): [
        *("stale", "null", "[1]", '["a",true]', '{"a":1}', '["\\ud800"]', '["a"] ["b"]')
    ],
}


@pytest.mark.parametrize(
    ("name", "cell", "expected"),
    [(name, cell, said) for (name, said), cells in NO_VALUES.items() for cell in cells],
)
def test_a_cell_that_is_no_value_is_refused(name: str, cell: str, expected: str) -> None:
    file = io.StringIO(newline="")
    csv.writer(file, quoting=csv.QUOTE_ALL).writerows([["run_id", name], ["r", cell]])
    where = f"row 1, column '{name}'"
    with pytest.raises(
        SchemaError, match=f"^{where}: got {re.escape(repr(cell))}, {expected}"
    ) as caught:
        reread(file.getvalue(), "results" if name == "document_names" else "runs")
    assert caught.value.path == where


def test_numbers_that_are_floats_are_read() -> None:
    cells = ["0", "-0.0", "0e-400", "9007199254740992", "9007199254740994.0", "1e300", "0.1", "inf"]
    file = io.StringIO(newline="")
    csv.writer(file).writerows([["run_id", "pass_rate"], *(["r", cell] for cell in cells)])
    assert reread(file.getvalue())["pass_rate"].to_list() == list(map(float, cells))


@pytest.mark.parametrize(
    ("end", "message"),
    [
        ("y,z", "row 60001, column 'passed': got 'z'"),
        ("y", "row 60001: got 'y'"),
        ('y"', "row 60001: got 'y\"'"),
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
        reread("document_names\n" + "[" * 100_000 + "\n", "results")


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
