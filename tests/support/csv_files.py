"""Frames, cells and values that a CSV file has to survive."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from itertools import dropwhile

import polars as pl
from hypothesis import strategies as st

from retab_analysis import read_csv, write_csv
from support.inside import RESULTS_WITH_PAYLOADS, TABLES, Datetime

# What a spreadsheet may execute, what CSV has to quote, what looks like nothing, what is not ASCII.
NASTY = [
    *("", " ", "  x  ", '"', '""', 'say "hi"', ",", "a,b"),
    *("\n", "\r", "\r\n", "a\nb", "a\rb", "\t"),
    *("=1+2", "=cmd|' /C calc'!A0", "+1", "+a", "-1", "-1x", "-01", "-1\n", "-.5", "-1e5", "-inf"),
    *(
        " =1",
        "\u00a0=1",
        "\ufeff@",
        "\x0b+1",
        "\u200b\x00 -1",
        "＝1",
        "' ＋1",
        "－",
        " ＠x",
        " '=1",
    ),
    *("@SUM(A1)", "'", "''", "'=1", "''=1", "'-1", "'x", "'\t", "''\r\n", "'\n=1", "=", "\t=1"),
    *("null", "None", "NaN", "NULL", "N/A", "true", "1e5", "007", "123456789012345678901234567890"),
    *("\0", "a\0b", "\x1a", "\x85", "\u2028", "\ufeff", "\ufeffx"),
    *("žluťoučký", "統計", "👩‍🔬", "#x", "\\"),
    *("[]", "{}", '["a"]', "run_id", ";", "|", "2024-05-01T10:00:00Z"),
]


SIGNS = tuple("=+-@＝＋－＠")


def is_active(text: str) -> bool:
    """Whether a spreadsheet would see more in it than text."""
    seen = "".join(dropwhile(is_passed_over, text))
    return text.startswith(tuple("\t\r\n")) or seen.startswith(SIGNS)


def is_passed_over(character: str) -> bool:
    return character.isspace() or unicodedata.category(character) in ("Cc", "Cf")


TEXT = st.one_of(
    st.sampled_from(NASTY),
    st.text(st.sampled_from(";|'=+-@\t\r\n\",0a\ufeff \0＝＠\xa0\x0b\u2066"), max_size=6),
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


def rows_of(text: str, separator: str = ",") -> list[list[str]]:
    """The cells as an independent reader sees them."""
    return list(csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=separator))


def column(*values: object, name: str = "run_id") -> pl.DataFrame:
    return pl.DataFrame({name: values})


def is_json_number(text: str) -> bool:
    try:
        return text == text.strip() and isinstance(json.loads(text), int | float)
    except ValueError:
        return False


def as_written(text: str, *, safe: bool) -> str:
    """The rule of the design, in other words than the library's."""
    if is_active(text.lstrip("'")) and (
        text.startswith("'") or (safe and text not in ("-Infinity",) and not is_json_number(text))
    ):
        text = "'" + text
    out, rest = "", text
    while rest:
        letter, rest = rest[0], rest[1:]
        out += letter
        seen = "".join(dropwhile(is_passed_over, rest.lstrip("'")))
        if letter in ";\t|" and (safe or rest.startswith("'")) and seen.startswith(SIGNS):
            # All that was passed over belongs to it.
            passed = len(rest) - len(seen) + 1
            out += "'" + rest[:passed]
            rest = rest[passed:]
    return out
