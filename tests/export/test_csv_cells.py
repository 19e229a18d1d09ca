"""Every value comes back identical, and has one text."""

from __future__ import annotations

import io
import random

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from support.csv_files import (
    NASTY,
    SCHEMAS,
    TEXT,
    as_written,
    column,
    frames,
    reread,
    rows_of,
    written,
)
from support.examples import examples
from support.inside import TABLES, Datetime

from retab_analysis import write_csv


@pytest.mark.parametrize("name", SCHEMAS)
@examples(40)
@given(data=st.data(), safe=st.booleans())
def test_every_table_comes_back_identical(name: str, data: st.DataObject, safe: bool) -> None:
    frame = data.draw(frames(SCHEMAS[name]))
    text = written(frame, spreadsheet_safe=safe)
    assert_frame_equal(reread(text, name.split()[0]), frame, check_exact=True)


@pytest.mark.parametrize("name", SCHEMAS)
@examples(20)
@given(data=st.data(), safe=st.booleans())
def test_excel_cuts_to_milliseconds_and_changes_nothing_else(
    name: str, data: st.DataObject, safe: bool
) -> None:
    frame = data.draw(frames(SCHEMAS[name]))
    text = written(frame, spreadsheet_safe=safe, excel=True)
    cut = frame.with_columns(pl.col(Datetime).dt.truncate("1ms"))
    assert_frame_equal(reread(text, name.split()[0]), cut, check_exact=True)


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


@pytest.mark.parametrize("name", SCHEMAS)
@pytest.mark.parametrize("excel", [False, True])
def test_a_table_without_rows_has_a_header_and_its_dtypes(name: str, excel: bool) -> None:
    empty = pl.DataFrame(schema=SCHEMAS[name])
    text = written(empty, excel=excel)
    mark, separator, end = ("\ufeff", ";", "\r\n") if excel else ("", ",", "\n")
    assert text == mark + separator.join(empty.columns) + end
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


def test_excel_writes_a_mark_and_crlf_and_keeps_line_ends_inside_cells() -> None:
    file = io.BytesIO()
    write_csv(column("é\nb", "c\r"), file, excel=True)
    assert file.getvalue() == '\ufeffrun_id\r\n"é\nb"\r\n"c\r"\r\n'.encode()
