"""A table as a person uses it: which rows the search finds, in which order, on which page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from unicodedata import normalize

import polars as pl

from retab_analysis.markup import Html

PAGE = 15
# A column that no frame of a user has.
_NUMBER = "the number of the row"
# The columns whose values are ids of versions and blocks, which are shown by their names.
_IDS = ("workflow_version_id", "since_version_id", "block_id", "target_block_id")

Row = Mapping[str, Any]
Names = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TableColumn:
    """One column; the first click on its heading puts the largest on top if ``falling``."""

    name: str
    title: str
    width: float | None  # in em; None shares the rest
    text: Callable[[Row], str]
    html: Callable[[Row], Html] | None = None
    is_number: bool = False
    falling: bool = False
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """What is listed; ``noun`` is plural."""

    noun: str
    key: str
    columns: tuple[TableColumn, ...]
    sort: str  # the largest on top
    texts: tuple[str, ...] = ()  # columns that are searched
    lists: tuple[str, ...] = ()  # columns of several texts, which are searched, too


class TableState:
    """Which rows of a frame are seen, in which order, on which page, and which one is chosen."""

    def __init__(self, listing: Listing, frame: pl.DataFrame, names: Names | None = None) -> None:
        self.listing, self.text = listing, ""
        self.sort, self.descending = listing.sort, True
        self.page = 0
        self.names = {} if names is None else names
        self._take(frame, None)

    def _take(self, frame: pl.DataFrame, chosen: int | None) -> None:
        self._frame, self.chosen_number = frame, chosen
        # What stays the same from one step to the next is kept: the order of all rows, and which
        # of them the search finds.
        self._order: pl.Series | None = None
        self._found: tuple[object, pl.Series | None] = None, None
        self._numbers: pl.Series | None = None
        self._rows: pl.DataFrame | None = None

    @property
    def frame(self) -> pl.DataFrame:
        return self._frame

    @frame.setter
    def frame(self, frame: pl.DataFrame) -> None:
        chosen = self.chosen
        self._take(frame, None if chosen is None else frame[self.listing.key].index_of(chosen))
        self.go_to(self.page)

    @property
    def numbers(self) -> pl.Series:
        """The places in the frame of the rows that the search finds, sorted."""
        if self._numbers is None:
            if self._order is None:
                self._order = self._find_order()
            found = self._find()
            self._numbers = (
                self._order if found is None else self._order.filter(found.gather(self._order))
            )
        return self._numbers

    def _find_order(self) -> pl.Series:
        # The key comes last, so that equal rows keep their order from page to page.
        by = list(dict.fromkeys((self.sort, self.listing.key)))
        order = self._frame.select(by).with_row_index(_NUMBER)
        falling = [self.descending, False][: len(by)]
        return order.sort(by, descending=falling, nulls_last=True, maintain_order=True)[_NUMBER]

    def _find(self) -> pl.Series | None:
        """For each row of the frame whether the search finds it; None where it finds all."""
        if not self.text:
            return None
        # One letter may be one character or two: é, and e with an accent. NFKC makes them the same.
        text, listing = normalize("NFKC", self.text).lower(), self.listing
        # Versions and blocks are shown by their names, and found by them.
        named = [each for each, name in self.names.items() if text in name.lower()]
        if self._found[0] != (text, named):
            columns = [pl.col(*listing.texts)]
            columns += [pl.col(each).list.join(" ") for each in listing.lists]
            plain = (each.str.normalize("NFKC").str.to_lowercase() for each in columns)
            found = [each.str.contains(text, literal=True) for each in plain]
            if named:
                found += [pl.col(each).is_in(named) for each in listing.texts if each in _IDS]
            made = self._frame.select(found=pl.any_horizontal(found).fill_null(False))
            self._found = (text, named), made["found"]
        return self._found[1]

    @property
    def rows(self) -> pl.DataFrame:
        if self._rows is None:
            self._rows = self._frame[self.numbers]
        return self._rows

    @property
    def height(self) -> int:
        return len(self.numbers)

    def select(self, *names: str) -> pl.DataFrame:
        columns, found = self._frame.select(*names), self._find()
        return columns if found is None else columns.filter(found)

    @property
    def shown(self) -> pl.DataFrame:
        return self._frame[self.shown_numbers]

    @property
    def shown_numbers(self) -> list[int]:
        """The places in the frame of the rows of the page; a key may be there twice."""
        found: list[int] = self.numbers.slice(self.page * PAGE, PAGE).to_list()
        return found

    @property
    def pages(self) -> int:
        return max(1, -(-self.height // PAGE))

    def go_to(self, page: int) -> None:
        """Show a page, counted from 0; the nearest one that exists."""
        self.page = max(0, min(page, self.pages - 1))

    @property
    def position(self) -> str:
        noun, total, whole = self.listing.noun, self.height, self._frame.height
        if not total:
            return f"none of {whole:,} {noun}" if whole else f"no {noun}"
        first = self.page * PAGE + 1
        last = min(first + PAGE - 1, total)
        # Where the search hides something, it is said of how many.
        of = f" (of {whole:,})" if total < whole else ""
        return f"{first:,} to {last:,} of {total:,} {noun}{of}"

    @property
    def chosen_row(self) -> dict[str, Any] | None:
        """The row that was chosen, also where the search hides it."""
        return (
            None if self.chosen_number is None else self._frame.row(self.chosen_number, named=True)
        )

    @property
    def chosen(self) -> Any:
        return (
            None
            if self.chosen_number is None
            else self._frame[self.listing.key][self.chosen_number]
        )

    def choose(self, number: int | None) -> None:
        """Choose a row by its place in the frame, or none."""
        there = number is not None and 0 <= number < self._frame.height
        self.chosen_number = number if there else None

    def change(self, event: str, key: str | None, value: Any) -> None:
        """Do what a person did; what no page would send raises what the views suppress."""
        if event == "search":
            self.search(str(value).strip())
        elif event == "sort":
            self.sort_by(self.listing.columns[int(key or "")].name)
        elif event == "page":
            self.go_to(int(value) - 1)
        elif event == "turn":
            self.go_to(self.page + int(value))

    def search(self, text: str) -> None:
        """Show the rows that hold a text, from the first page on; an empty one shows all."""
        if text != self.text:
            self.text = text
            self._reset_rows()

    def sort_by(self, name: str) -> None:
        """Sort by a column; by the same one again, the other way round."""
        column = next(each for each in self.listing.columns if each.name == name)
        self.descending = not self.descending if self.sort == name else column.falling
        self.sort, self._order = name, None
        self._reset_rows()

    def _reset_rows(self) -> None:
        self._numbers = self._rows = None
        self.go_to(0)

    def with_names(self, row: Row) -> Row:
        """A row with names in the place of the ids of versions and blocks."""
        ids = {each: row[each] for each in _IDS if each in row}
        return {**row, **{each: self.names.get(id_, id_) for each, id_ in ids.items()}}
