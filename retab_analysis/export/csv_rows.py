"""The rows of a CSV file: pieces of whole rows, whose form is checked, and every cell as text.

A file is split piece by piece, so that its text is never in memory beside all that is made of it.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterable, Iterator

import polars as pl

from retab_analysis.errors import SchemaError
from retab_analysis.export.formula_escaping import unescape_formulas

# A whole cell in quotes, with quotes doubled inside. It starts with the quote, and looks back from
# there, because the regular expression engine searches for a literal start at full speed.
_QUOTED_CELL = re.compile(rb'"(?<![^,\n]")[^"]*+(?:""[^"]*+)*+"(?![^,\r\n])')


def split_cells(pieces: Iterable[bytes]) -> Iterator[pl.DataFrame]:
    """Every cell as text, in a frame for each piece; the header is the first row of the first one.

    Args:
        pieces: The text of the file, cut anywhere.

    Raises:
        SchemaError: The file is empty, is not UTF-8, has a quote or a carriage return in a wrong
            place, another separator than the comma, or rows of different lengths.
    """
    place = before = width = 0
    for text in _whole_rows(_without_mark(pieces)):
        try:
            text.decode("utf-8")
        except UnicodeDecodeError as error:
            wrong = text[error.start : error.start + 1].hex()
            raise SchemaError(
                f"byte {place + error.start} is 0x{wrong}, expected UTF-8 text (in Excel: save as "
                "CSV UTF-8)"
            ) from None
        header = text.partition(b"\n")[0].decode()
        separator = next((each for each in (";", "\t", "|") if each in header), None)
        if not place and separator is not None and "," not in header:
            raise SchemaError(
                f"the header is {header[:80].strip()!r}: got cells separated by {separator!r}, "
                "expected commas; write the file anew with commas, for example with polars: "
                f"pl.read_csv(path, separator={separator!r}, infer_schema=False)"
                ".write_csv(new_path)"
            )
        width = _check_rows(text, before, width)
        cells = _split(text, width)
        place += len(text)
        before += cells.height
        yield cells
    if not place:
        raise SchemaError("the file is empty, expected at least a header")


def _without_mark(pieces: Iterable[bytes]) -> Iterator[bytes]:
    start = b""
    whole = iter(pieces)
    for piece in whole:
        start += piece
        if len(start) >= len(codecs.BOM_UTF8):
            break
    yield start.removeprefix(codecs.BOM_UTF8)
    yield from whole


def _whole_rows(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same text, cut behind newlines that end a row."""
    waiting: list[bytes] = []
    quotes = 0  # in what waits
    for piece in pieces:
        end = _end_of_rows(piece, quotes)
        if end:
            yield b"".join([*waiting, piece[:end]])
            waiting, quotes, piece = [], 0, piece[end:]
        waiting.append(piece)
        quotes += piece.count(b'"')
    if any(waiting):
        yield b"".join(waiting)


def _end_of_rows(piece: bytes, quotes: int) -> int:
    """Where the last row that ends in a piece has ended, or 0; so many quotes came before it.

    In a file with quotes in the right places, a newline ends a row where it has an even number of
    them before it. Other files are refused, however they are cut.
    """
    quotes += piece.count(b'"')
    end = len(piece)
    while (newline := piece.rfind(b"\n", 0, end)) >= 0:
        quotes -= piece.count(b'"', newline, end)
        if quotes % 2 == 0:
            return newline + 1
        end = newline
    return 0


def _check_rows(text: bytes, before: int, width: int) -> int:
    """How many cells every row has: as many as those before, where there were any.

    polars fills a row that is too short with nulls, so this is checked before it reads. Without
    the quoted cells, a newline always ends a row, a comma a cell, and a quote is misplaced.
    """
    skeleton = _QUOTED_CELL.sub(b"_", text)
    _check_stray(
        skeleton, before, b'"', "a quote", "quotes around a whole cell, and doubled inside it"
    )
    if b"\r" in skeleton:
        skeleton = skeleton.replace(b"\r\n", b"\n")
        _check_stray(skeleton, before, b"\r", "a carriage return", "rows that end in LF or CRLF")
    for number, row in enumerate(io.BytesIO(skeleton), before):
        got = row.count(b",") + 1
        width = width or got
        if got != width:
            raise SchemaError(f"row {number}: got {got} cell(s), expected {width} as in the header")
    return width


def _check_stray(skeleton: bytes, before: int, character: bytes, got: str, expected: str) -> None:
    place = skeleton.find(character)
    if place >= 0:
        row = before + skeleton.count(b"\n", 0, place)
        where = f"row {row}" if row else "the header"
        raise SchemaError(f"{where}: got {got} in the middle of a cell, expected {expected}")


def _split(text: bytes, width: int) -> pl.DataFrame:
    # polars takes a mark away wherever it begins to read; here it would be part of a cell.
    if text.startswith(codecs.BOM_UTF8):
        text = codecs.BOM_UTF8 + text
    cells = pl.read_csv(
        text, has_header=False, schema={str(n): pl.String() for n in range(width)}, eol_char="\n"
    )
    # Most columns have no apostrophe in front of anything, and are taken as they are.
    marked = cells.select(pl.all().str.starts_with("'").any()).row(0)
    return cells.with_columns(
        unescape_formulas(pl.col(name)).alias(name)
        for name, is_marked in zip(cells.columns, marked, strict=True)
        if is_marked
    )
