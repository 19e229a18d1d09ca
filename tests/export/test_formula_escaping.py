"""Cells that a spreadsheet would execute, FAULTS.md 36 and 66."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from polars.testing import assert_frame_equal
from support.csv_files import frames, is_active, is_json_number, reread, rows_of, written
from support.examples import examples
from support.inside import TABLES


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
        ("\t=1", "'\t'=1", "\t=1"),
        ("\r=1", "'\r=1", "\r=1"),
        ("\n=1", "'\n=1", "\n=1"),
        ("'=1", "''=1", "''=1"),
        ("'''@", "''''@", "''''@"),
        ("'-1", "''-1", "''-1"),
        ("'x", "'x", "'x"),
        ("'", "'", "'"),
        ("''", "''", "''"),
        (" =1", "' =1", " =1"),
        ("\u00a0=1", "'\u00a0=1", "\u00a0=1"),
        ("\ufeff=1", "'\ufeff=1", "\ufeff=1"),
        ("\x0b=1", "'\x0b=1", "\x0b=1"),
        ("\x00\u200b \u3000\x0c@x", "'\x00\u200b \u3000\x0c@x", "\x00\u200b \u3000\x0c@x"),
        (" -1", "' -1", " -1"),  # no JSON number any more
        ("＝1+2", "'＝1+2", "＝1+2"),
        ("＋1", "'＋1", "＋1"),
        ("－1", "'－1", "－1"),
        (" ＠x", "' ＠x", " ＠x"),
        ("' =1", "'' =1", "'' =1"),
        ("'＝1", "''＝1", "''＝1"),
        (" '=1", " '=1", " '=1"),
        ("  x", "  x", "  x"),
        ("\u00a0", "\u00a0", "\u00a0"),
        ("a ＝1", "a ＝1", "a ＝1"),
        ("a=1", "a=1", "a=1"),
        ("a\n=1", "a\n=1", "a\n=1"),
        ("", "", ""),
        # Half of Europe's spreadsheets begin a cell behind a semicolon.
        ("a;=1+2", "a;'=1+2", "a;=1+2"),
        ("a; +1", "a;' +1", "a; +1"),
        ("a|-1", "a|'-1", "a|-1"),
        ("a\t@x", "a\t'@x", "a\t@x"),
        ("a;'=1", "a;''=1", "a;''=1"),
        ("=1;=2", "'=1;'=2", "=1;=2"),
        ("a;b", "a;b", "a;b"),
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


@examples(60)
@given(frame=frames(TABLES["results"].schema))
def test_no_safe_cell_is_active_unless_it_is_a_number(frame: pl.DataFrame) -> None:
    for row in rows_of(written(frame)):
        for cell in row:
            assert not is_active(cell) or is_json_number(cell)


@pytest.mark.parametrize("dtype", [pl.Categorical, pl.Enum(["=a", "b"]), pl.String])
def test_text_of_any_dtype_is_defused(dtype: pl.DataType) -> None:
    assert written(pl.DataFrame({"x": ["=a", "b"]}, schema={"x": dtype})) == "x\n'=a\nb\n"
