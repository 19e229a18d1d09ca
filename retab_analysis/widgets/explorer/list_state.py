"""What a person has chosen of a list, and which rows follow: filters, order, page, one row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from unicodedata import normalize

import polars as pl

from retab_analysis.markup import one_line
from retab_analysis.widgets.explorer.lists import Facet, Listing

PAGE = 15
NO_VALUE = "(none)"
# Pixels are few in the lists of values: of a longer one, both ends are shown.
_LONGEST = 18
# A column that no frame of a user has.
_NUMBER = "the number of the row"


@dataclass(frozen=True, slots=True)
class Filters:
    """What passes the filters.

    Attributes:
        facets: The values of each column that pass; a column that is not named lets all pass.
        since: The first day, in UTC.
        until: The last day, included.
        text: What one of the texts has to contain, in whatever case.
    """

    facets: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    since: date | None = None
    until: date | None = None
    text: str = ""

    def describe(self, listing: Listing) -> str:
        """In words, empty where all pass."""
        parts = [
            f"{each.title}: {', '.join(label_value(value) for value in self.facets[each.name])}"
            for each in listing.facets
            if self.facets.get(each.name)
        ]
        parts += [f"since {self.since}"] if self.since else []
        parts += [f"until {self.until}"] if self.until else []
        parts += [f"with “{one_line(self.text)}”"] if self.text else []
        return ", ".join(parts)


class ListState:
    """Which rows of a frame are seen, in which order, on which page, and which one is chosen."""

    def __init__(self, listing: Listing, frame: pl.DataFrame) -> None:
        self.listing, self.filters = listing, Filters()
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
        self._reset_rows(self.page)

    @property
    def rows(self) -> pl.DataFrame:
        """The rows that pass the filters, sorted."""
        if self._rows is None:
            passing = [expression for expression, _ in list_terms(self.listing, self.filters)]
            # The key comes last, so that equal rows keep their order from page to page.
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
            **wanted: Fields of :class:`Filters`; a facet without values lets all pass.

        Returns:
            Whether that is any different.
        """
        # An empty choice lets all pass, and must not count as a filter.
        if "facets" in wanted:
            wanted["facets"] = {name: values for name, values in wanted["facets"].items() if values}
        changed = replace(self.filters, **wanted)
        if changed == self.filters:
            return False
        self.filters = changed
        self._reset_rows(0)
        return True

    def sort_by(self, name: str) -> None:
        """Sort by a column; by the same one again, the other way round."""
        column = next(each for each in self.listing.columns if each.name == name)
        self.descending = not self.descending if self.sort == name else column.falling
        self.sort = name
        self._reset_rows(0)

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
        """The places in the frame of the rows of the page; a key may be there twice."""
        # Looking at the rows brings the numbers up to date.
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
        # A value that was chosen and has gone must still be there to be given up.
        counts |= {
            each: 0 for each in self.filters.facets.get(facet.name, ()) if each not in counts
        }
        alike = Counter(map(label_value, counts))

        def tell_apart(value: Any) -> str:
            short = label_value(value)
            return short if alike[short] == 1 else one_line(value)

        return [(f"{tell_apart(value)} ({count:,})", value) for value, count in counts.items()]

    @property
    def position(self) -> str:
        """Which rows are seen, in words."""
        noun, total = self.listing.noun, self.rows.height
        if not total:
            return f"none of {self._frame.height:,} {noun}" if self._frame.height else f"no {noun}"
        first = self.page * PAGE + 1
        # Where filters hide something, it is said of how many.
        whole = f" (of {self._frame.height:,})" if total < self._frame.height else ""
        return f"{first:,} to {first + self.shown.height - 1:,} of {total:,} {noun}{whole}"

    def code(self, name: str = "rows") -> str:
        """The polars expression that makes :attr:`rows` of a frame named like the noun.

        Args:
            name: The variable that it is given to.
        """
        lines = "".join(f"    {code},\n" for _, code in list_terms(self.listing, self.filters))
        filtered = f".filter(\n{lines})" if lines else ""
        order = f"{[self.sort, self.listing.key]!r}, descending={[self.descending, False]!r}"
        return f"{name} = {self.listing.noun}{filtered}.sort({order}, nulls_last=True)"

    def _reset_rows(self, page: int) -> None:
        self._rows = None
        self.go_to(page)


def label_value(value: Any) -> str:
    """A value as it is offered; of a long one, both ends."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = NO_VALUE if value is None else one_line(value)
    return text if len(text) <= _LONGEST else f"{text[:10]}…{text[-6:]}"


def list_terms(listing: Listing, filters: Filters) -> list[tuple[pl.Expr, str]]:
    """What a row has to fulfil, each as an expression and as the code that makes it.

    Both are made side by side, so that *Copy code* gives the same rows: a property test holds them
    against each other.
    """
    found = [_match_values(name, list(values)) for name, values in filters.facets.items()]
    moment = listing.moment[1]
    if filters.since is not None:
        found.append(_compare_day(moment, ">=", filters.since))
    # After the last day of the calendar there is no day to compare with; all rows pass.
    if filters.until is not None and filters.until < date.max:
        found.append(_compare_day(moment, "<", filters.until + timedelta(days=1)))
    if filters.text:
        found.append(_match_text(listing, normalize("NFKC", filters.text).lower()))
    return found


def _match_values(name: str, values: list[Any]) -> tuple[pl.Expr, str]:
    if None in values:
        # Without nulls_equal a null is in no list, not even in one that has it.
        code = f"pl.col({name!r}).is_in({values!r}, nulls_equal=True)"
        return pl.col(name).is_in(values, nulls_equal=True), code
    return pl.col(name).is_in(values), f"pl.col({name!r}).is_in({values!r})"


def _compare_day(name: str, sign: str, day: date) -> tuple[pl.Expr, str]:
    # Days are days in UTC, as all dates here.
    moment = datetime.combine(day, time(), UTC)
    column = pl.col(name)
    code = f"pl.col({name!r}) {sign} datetime({day.year}, {day.month}, {day.day}, tzinfo=UTC)"
    return (column >= moment if sign == ">=" else column < moment), code


def _match_text(listing: Listing, text: str) -> tuple[pl.Expr, str]:
    # One letter may be one character or two: é, and e with an accent. NFKC makes them the same.
    columns = ", ".join(map(repr, listing.texts))
    sources = [
        f"pl.col({columns})",
        *(f"pl.col({name!r}).list.join(' ')" for name in listing.lists),
    ]
    how = f'.str.normalize("NFKC").str.to_lowercase().str.contains({text!r}, literal=True)'
    texts = [pl.col(*listing.texts), *(pl.col(name).list.join(" ") for name in listing.lists)]
    plain = [each.str.normalize("NFKC").str.to_lowercase() for each in texts]
    found = [each.str.contains(text, literal=True) for each in plain]
    code = ", ".join(f"{source}{how}" for source in sources)
    return pl.any_horizontal(found), f"pl.any_horizontal({code})"
