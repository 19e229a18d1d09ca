"""A list that is filtered, sorted and read page by page: what is chosen, and what follows."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import polars as pl

from retab_analysis.markup import one_line
from retab_analysis.widgets.explorer.filters import Wanted, label, terms
from retab_analysis.widgets.explorer.listing import Facet, Listing

PAGE = 15
_NUMBER = "the number of the row"


class ListState:
    """Which rows of a frame are seen, in which order, on which page, and which one is chosen."""

    def __init__(self, listing: Listing, frame: pl.DataFrame) -> None:
        self.listing, self.wanted = listing, Wanted()
        self.sort, self.descending = listing.sort, True
        self.page = 0
        self._chosen: int | None = None
        self._frame = frame
        self._rows: pl.DataFrame | None = None
        self._numbers = pl.Series(dtype=pl.UInt32)

    @property
    def frame(self) -> pl.DataFrame:
        """All rows, as they were given."""
        return self._frame

    @frame.setter
    def frame(self, frame: pl.DataFrame) -> None:
        chosen = self.chosen
        self._frame = frame
        self._chosen = None if chosen is None else frame[self.listing.key].index_of(chosen)
        self._changed(self.page)

    @property
    def rows(self) -> pl.DataFrame:
        """The rows that pass the filters, sorted."""
        if self._rows is None:
            passing = [expression for expression, _ in terms(self.listing, self.wanted)]
            order = [self.sort, self.listing.key]
            numbered = self._frame.with_row_index(_NUMBER)
            found = numbered.filter(passing) if passing else numbered
            ordered = found.sort(
                order, descending=[self.descending, False], nulls_last=True, maintain_order=True
            )
            self._numbers, self._rows = ordered[_NUMBER], ordered.drop(_NUMBER)
        return self._rows

    @property
    def shown(self) -> pl.DataFrame:
        """The rows of the page."""
        return self.rows.slice(self.page * PAGE, PAGE)

    @property
    def pages(self) -> int:
        """How many pages there are, at least one."""
        return max(1, -(-self.rows.height // PAGE))

    @property
    def chosen_row(self) -> dict[str, Any] | None:
        """The row that was chosen, also where the filters hide it."""
        return None if self._chosen is None else self._frame.row(self._chosen, named=True)

    @property
    def chosen(self) -> Any:
        """The key of the row that was chosen, or None."""
        return None if self._chosen is None else self._frame[self.listing.key][self._chosen]

    def filter(self, **wanted: Any) -> bool:
        """Change what passes the filters, and go to the first page.

        Args:
            **wanted: Fields of :class:`Wanted`; a facet without values lets all pass.

        Returns:
            Whether that is any different.
        """
        if "facets" in wanted:
            wanted["facets"] = {name: values for name, values in wanted["facets"].items() if values}
        changed = replace(self.wanted, **wanted)
        if changed == self.wanted:
            return False
        self.wanted = changed
        self._changed(0)
        return True

    def sort_by(self, name: str) -> None:
        """Sort by a column; by the same one again, the other way round."""
        column = next(each for each in self.listing.columns if each.name == name)
        self.descending = not self.descending if self.sort == name else column.falling
        self.sort = name
        self._changed(0)

    def go_to(self, page: int) -> None:
        """Show a page, counted from 0; the nearest one that exists."""
        self.page = max(0, min(page, self.pages - 1))

    def choose(self, at: int | None) -> None:
        """Choose a row of the page, counted from 0, or none."""
        numbers = self._shown_numbers()
        self._chosen = numbers[at] if at is not None and 0 <= at < len(numbers) else None

    @property
    def chosen_at(self) -> int | None:
        """The place of the chosen row on the page, or None."""
        numbers = self._shown_numbers()
        return numbers.index(self._chosen) if self._chosen in numbers else None

    def _shown_numbers(self) -> list[int]:
        """The places in the frame of the rows of the page: a key may be there twice."""
        assert self.rows is not None
        return self._numbers.slice(self.page * PAGE, PAGE).to_list()

    def options(self, facet: Facet) -> list[tuple[str, Any]]:
        """What can be chosen of a facet: label and value, the most frequent or newest first."""
        counted = self._frame.group_by(facet.name).agg(
            pl.len(), last=pl.col(self.listing.moment[1]).max()
        )
        order = ["last" if facet.newest_first else "len", facet.name]
        ordered = counted.sort(order, descending=[True, False], nulls_last=True)
        counts = dict(ordered.select(facet.name, "len").iter_rows())
        # What was chosen stays to be seen, and to be given up.
        counts |= {each: 0 for each in self.wanted.facets.get(facet.name, ()) if each not in counts}
        short = Counter(map(label, counts))
        return [
            (f"{label(value) if short[label(value)] == 1 else one_line(value)} ({count:,})", value)
            for value, count in counts.items()
        ]

    @property
    def position(self) -> str:
        """Which rows are seen, in words."""
        noun, total = self.listing.noun, self.rows.height
        if not total:
            return f"none of {self._frame.height:,} {noun}" if self._frame.height else f"no {noun}"
        first = self.page * PAGE + 1
        whole = f" (of {self._frame.height:,})" if total < self._frame.height else ""
        return f"{first:,} to {first + self.shown.height - 1:,} of {total:,} {noun}{whole}"

    def code(self, name: str = "rows") -> str:
        """The polars expression that makes :attr:`rows` of a frame named like the noun.

        Args:
            name: The variable that it is given to.
        """
        lines = "".join(f"    {code},\n" for _, code in terms(self.listing, self.wanted))
        filtered = f".filter(\n{lines})" if lines else ""
        order = f"{[self.sort, self.listing.key]!r}, descending={[self.descending, False]!r}"
        return f"{name} = {self.listing.noun}{filtered}.sort({order}, nulls_last=True)"

    def _changed(self, page: int) -> None:
        self._rows = None
        self.go_to(page)
