"""What a person has chosen of a list, and which rows follow: filters, order, page, one row."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import reduce
from operator import and_
from typing import Any, TypeVar
from unicodedata import normalize

import polars as pl

from retab_analysis.markup import one_line
from retab_analysis.widgets.explorer.lists import VERSIONS, Facet, ListColumn, Listing

PAGE = 15
NO_VALUE = "(none)"
# Of a facet with more values than that, the first ones are offered; the others can be searched.
MOST_OPTIONS = 100
# A column that no frame of a user has.
_NUMBER = "the number of the row"

Kept = TypeVar("Kept")


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


@dataclass(frozen=True, slots=True)
class FacetValue:
    """A value of a facet that can be chosen.

    Attributes:
        number: Its place among the values of the facet.
        value: The value.
        count: How many rows have it, of those that pass all other filters.
        chosen: Whether it is chosen.
    """

    number: int
    value: Any
    count: int
    chosen: bool


class ListState:
    """Which rows of a frame are seen, in which order, on which page, and which one is chosen.

    Attributes:
        listing: What is listed.
        filters: What passes.
        sort: The column by which the rows are sorted.
        descending: Whether the largest stands on top.
        hidden: The columns that are not shown.
        page: Which page of the rows is seen, counted from 0.
        versions: What versions are called, by their ids.
    """

    def __init__(self, listing: Listing, frame: pl.DataFrame) -> None:
        self.listing, self.filters = listing, Filters()
        self.sort, self.descending = listing.sort, True
        self.hidden = {each.name for each in listing.columns if each.is_extra}
        self.page = 0
        self.versions: Mapping[str, str] = {}
        self._chosen: int | None = None
        self._frame = frame
        self._forget()

    def _forget(self) -> None:
        """Nothing is known of the rows yet. What stays the same from one step to the next is kept.

        The order of all rows, which of them fulfil each term of the filters, and the values of the
        facets: so a filter that changes costs as much as this filter alone.
        """
        self._order: pl.Series | None = None
        self._fulfilled: dict[str, tuple[Any, pl.Series]] = {}
        self._values: dict[str, list[Any]] = {}
        self._kept: dict[str, tuple[list[str], Any]] = {}
        self._numbers: pl.Series | None = None
        self._rows: pl.DataFrame | None = None

    @property
    def frame(self) -> pl.DataFrame:
        """All rows, as they were given."""
        return self._frame

    @frame.setter
    def frame(self, frame: pl.DataFrame) -> None:
        chosen = self.chosen
        self._frame = frame
        self._chosen = None if chosen is None else frame[self.listing.key].index_of(chosen)
        self._forget()
        self.go_to(self.page)

    # Rows

    @property
    def numbers(self) -> pl.Series:
        """The places in the frame of the rows that pass the filters, sorted."""
        if self._numbers is None:
            if self._order is None:
                # The key comes last, so that equal rows keep their order from page to page.
                by = list(dict.fromkeys((self.sort, self.listing.key)))
                falling = [self.descending, False][: len(by)]
                order = self._frame.select(by).with_row_index(_NUMBER)
                self._order = order.sort(
                    by, descending=falling, nulls_last=True, maintain_order=True
                )[_NUMBER]
            passing = self._passing()
            self._numbers = (
                self._order if passing is None else self._order.filter(passing.gather(self._order))
            )
        return self._numbers

    @property
    def rows(self) -> pl.DataFrame:
        """The rows that pass the filters, sorted."""
        if self._rows is None:
            self._rows = self._frame[self.numbers]
        return self._rows

    @property
    def height(self) -> int:
        """How many rows pass the filters."""
        return len(self.numbers)

    def select(self, *names: str) -> pl.DataFrame:
        """Some columns of the rows that pass the filters, as they lie in the frame."""
        return self._select(self._passing(), names)

    def _select(self, passing: pl.Series | None, names: Collection[str]) -> pl.DataFrame:
        found = self._frame.select(*names)
        return found if passing is None else found.filter(passing)

    def _passing(self, but: str | None = None) -> pl.Series | None:
        """For each row of the frame whether it passes the filters; None where all do.

        Args:
            but: One term that does not count.
        """
        wanted = list_terms(self.listing, self.filters)
        fresh = {
            name: term.expression.fill_null(False)
            for name, term in wanted.items()
            if name not in self._fulfilled or self._fulfilled[name][0] != term.code
        }
        if fresh:
            found = self._frame.select(**fresh)
            self._fulfilled |= {name: (wanted[name].code, found[name]) for name in fresh}
        masks = [self._fulfilled[name][1] for name in wanted if name != but]
        return reduce(and_, masks) if masks else None

    # The page

    @property
    def shown(self) -> pl.DataFrame:
        """The rows of the page."""
        return self._frame[self.shown_numbers]

    @property
    def shown_numbers(self) -> list[int]:
        """The places in the frame of the rows of the page; a key may be there twice."""
        found: list[int] = self.numbers.slice(self.page * PAGE, PAGE).to_list()
        return found

    @property
    def pages(self) -> int:
        """How many pages there are, at least one."""
        return max(1, -(-self.height // PAGE))

    def go_to(self, page: int) -> None:
        """Show a page, counted from 0; the nearest one that exists."""
        self.page = max(0, min(page, self.pages - 1))

    @property
    def position(self) -> str:
        """Which rows are seen, in words."""
        noun, total, whole = self.listing.noun, self.height, self._frame.height
        if not total:
            return f"none of {whole:,} {noun}" if whole else f"no {noun}"
        first = self.page * PAGE + 1
        last = min(first + PAGE - 1, total)
        # Where filters hide something, it is said of how many.
        of = f" (of {whole:,})" if total < whole else ""
        return f"{first:,} to {last:,} of {total:,} {noun}{of}"

    @property
    def columns(self) -> list[ListColumn]:
        """The columns that are shown."""
        return [each for each in self.listing.columns if each.name not in self.hidden]

    # The row that is chosen

    @property
    def chosen_row(self) -> dict[str, Any] | None:
        """The row that was chosen, also where the filters hide it."""
        return None if self._chosen is None else self._frame.row(self._chosen, named=True)

    @property
    def chosen(self) -> Any:
        """The key of the row that was chosen, or None."""
        return None if self._chosen is None else self._frame[self.listing.key][self._chosen]

    @property
    def chosen_number(self) -> int | None:
        """The place in the frame of the row that was chosen, or None."""
        return self._chosen

    def choose(self, number: int | None) -> None:
        """Choose a row by its place in the frame, or none."""
        there = number is not None and 0 <= number < self._frame.height
        self._chosen = number if there else None

    # What a person changes

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
        self._reset_rows()
        return True

    def toggle(self, facet: Facet, value: Any) -> bool:
        """Let a value of a facet pass, or no longer."""
        chosen = self.filters.facets.get(facet.name, ())
        rest = tuple(each for each in chosen if each != value)
        values = rest if len(rest) < len(chosen) else (*chosen, value)
        return self.filter(facets={**self.filters.facets, facet.name: values})

    def sort_by(self, name: str) -> None:
        """Sort by a column; by the same one again, the other way round."""
        column = next(each for each in self.listing.columns if each.name == name)
        self.descending = not self.descending if self.sort == name else column.falling
        self.sort, self._order = name, None
        self._reset_rows()

    def _reset_rows(self) -> None:
        self._numbers = self._rows = None
        self.go_to(0)

    # What there is to choose from

    def values(self, facet: Facet) -> list[Any]:
        """The values of a facet in the frame, the most frequent or the newest first."""
        if facet.name not in self._values:
            last = pl.col(self.listing.moment[1]).max()
            order = ["last" if facet.newest_first else "len", facet.name]
            counted = self._frame.group_by(facet.name).agg(pl.len(), last=last)
            ordered = counted.sort(order, descending=[True, False], nulls_last=True)
            self._values[facet.name] = ordered[facet.name].to_list()
        # A value that was chosen and has gone must still be there to be given up.
        here = self._values[facet.name]
        gone = [each for each in self.filters.facets.get(facet.name, ()) if each not in here]
        return here + gone

    def choices(self, facet: Facet) -> list[FacetValue]:
        """What can be chosen of a facet, with how many rows there would be."""
        chosen = self.filters.facets.get(facet.name, ())

        def count() -> dict[Any, int]:
            found = self._select(self._passing(but=facet.name), [facet.name])[facet.name]
            return dict(found.value_counts().iter_rows())

        counts = self.keep(f"counts of {facet.name}", facet.name, count)
        return [
            FacetValue(number, value, counts.get(value, 0), value in chosen)
            for number, value in enumerate(self.values(facet))
            if number < MOST_OPTIONS or value in chosen
        ]

    def label(self, column: str, value: Any) -> str:
        """What a value is called where it is offered."""
        if isinstance(value, bool):
            return "yes" if value else "no"
        if value is None:
            return NO_VALUE
        return self.versions.get(value, one_line(value)) if column in VERSIONS else one_line(value)

    def describe_filters(self) -> str:
        """What passes the filters in words, empty where all do."""
        filters = self.filters
        parts = [
            f"{each.title}: {', '.join(self.label(each.name, value) for value in chosen)}"
            for each in self.listing.facets
            if (chosen := filters.facets.get(each.name))
        ]
        parts += [f"since {filters.since}"] if filters.since else []
        parts += [f"until {filters.until}"] if filters.until else []
        parts += [f"with “{one_line(filters.text)}”"] if filters.text else []
        return ", ".join(parts)

    def rows_of_all_days(self, *names: str) -> pl.DataFrame:
        """Some columns of the rows that pass all filters but that of the dates."""
        return self._select(self._passing(but=DAYS), names)

    def keep(self, what: str, but: str, make: Callable[[], Kept]) -> Kept:
        """What was made of the rows that pass, or make it where other ones pass now.

        Args:
            what: What it is.
            but: The term of the filters that makes no difference to it.
            make: Makes it.
        """
        terms = list_terms(self.listing, self.filters)
        passing = [each.code for name, each in terms.items() if name != but]
        before = self._kept.get(what)
        if before is None or before[0] != passing:
            before = self._kept[what] = passing, make()
        kept: Kept = before[1]
        return kept

    def code(self, name: str = "rows") -> str:
        """The polars expression that makes :attr:`rows` of a frame named like the noun.

        Args:
            name: The variable that it is given to.
        """
        terms = list_terms(self.listing, self.filters).values()
        lines = "".join(f"    {term.code},\n" for term in terms)
        filtered = f".filter(\n{lines})" if lines else ""
        order = f"{[self.sort, self.listing.key]!r}, descending={[self.descending, False]!r}"
        return f"{name} = {self.listing.noun}{filtered}.sort({order}, nulls_last=True)"


# The names of the terms that are not of a facet; no column of a user is called so.
DAYS, _TEXT = "the days of the filter", "the text of the filter"


@dataclass(frozen=True, slots=True)
class Term:
    """What a row has to fulfil, as an expression and as the code that makes it.

    Both are made side by side, so that *Copy code* gives the same rows: a property test holds them
    against each other.
    """

    expression: pl.Expr
    code: str


def list_terms(listing: Listing, filters: Filters) -> dict[str, Term]:
    """What a row has to fulfil, by the column of the facet or else by what it is about."""
    found = {name: _match_values(name, list(each)) for name, each in filters.facets.items()}
    moment, days = listing.moment[1], []
    if filters.since is not None:
        days.append(_compare_day(moment, ">=", filters.since))
    # After the last day of the calendar there is no day to compare with; all rows pass.
    if filters.until is not None and filters.until < date.max:
        days.append(_compare_day(moment, "<", filters.until + timedelta(days=1)))
    if days:
        both = reduce(and_, (each.expression for each in days))
        found[DAYS] = Term(both, ",\n    ".join(each.code for each in days))
    if filters.text:
        found[_TEXT] = _match_text(listing, normalize("NFKC", filters.text).lower())
    return found


def _match_values(name: str, values: list[Any]) -> Term:
    if None in values:
        # Without nulls_equal a null is in no list, not even in one that has it.
        code = f"pl.col({name!r}).is_in({values!r}, nulls_equal=True)"
        return Term(pl.col(name).is_in(values, nulls_equal=True), code)
    return Term(pl.col(name).is_in(values), f"pl.col({name!r}).is_in({values!r})")


def _compare_day(name: str, sign: str, day: date) -> Term:
    # Days are days in UTC, as all dates here.
    moment = datetime.combine(day, time(), UTC)
    column = pl.col(name)
    code = f"pl.col({name!r}) {sign} datetime({day.year}, {day.month}, {day.day}, tzinfo=UTC)"
    return Term(column >= moment if sign == ">=" else column < moment, code)


def _match_text(listing: Listing, text: str) -> Term:
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
    return Term(pl.any_horizontal(found), f"pl.any_horizontal({code})")
