"""A file may be cut anywhere: the same rows come of it, and the same refusals."""

from __future__ import annotations

import io
import itertools

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from support.csv_files import reread
from support.examples import examples
from support.inside import split_cells

from retab_analysis import SchemaError, read_csv


def rows_of_pieces(pieces: list[bytes]) -> list[tuple[object, ...]] | None:
    """All rows, None where they are refused; which of several faults is named may differ."""
    try:
        return [row for cells in split_cells(pieces) for row in cells.rows()]
    except SchemaError:
        return None


@examples(400)
@given(
    text=st.text(st.sampled_from('""",,\r\n\n\na\'= \0\ufeffé'), max_size=24),
    tail=st.sampled_from([b"", b"", b"\xff\n", b"\xed\xa0\x80"]),
    cuts=st.sets(st.integers(0, 40)),
)
def test_where_a_file_is_cut_makes_no_difference(text: str, tail: bytes, cuts: set[int]) -> None:
    data = text.encode() + tail
    ends = [0, *sorted(cuts), len(data)]
    pieces = [data[start:end] for start, end in itertools.pairwise(ends)]
    assert rows_of_pieces(pieces) == rows_of_pieces([data])


@pytest.mark.parametrize("cut", range(14))
def test_a_wrong_byte_is_named_by_its_place_in_the_file(cut: int) -> None:
    data = b'a\n"\n"\n\xc3\xa9\nb\n\xff\n'
    with pytest.raises(SchemaError, match=r"^byte 11 is 0xff, expected UTF-8"):
        list(split_cells([data[:cut], data[cut:]]))


class Dripping(io.BytesIO):
    """Gives a few bytes at a time, and keeps how many were asked for."""

    asked: int | None = None

    def read(self, size: int | None = None, /) -> bytes:
        self.asked = size
        return super().read(7)


def test_a_long_file_is_not_read_at_once() -> None:
    body = "".join(f'run_{n},{n},"é\n,""{n}"\n' for n in range(20))
    text = "run_id,passed,note\n" + body
    file = Dripping(text.encode())
    assert_frame_equal(read_csv(file), reread(text))
    assert file.asked is not None
    assert 0 < file.asked < 2**26


def test_a_mark_is_taken_away_at_the_start_only() -> None:
    pieces = [b"\xef", b"\xbb\xbf\xef\xbb\xbfa\n", b"\xef\xbb\xbfb\n"]
    assert pl.concat(split_cells(pieces)).rows() == [("\ufeffa",), ("\ufeffb",)]
