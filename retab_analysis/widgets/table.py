"""A table as a person uses it: which rows pass the filters, in which order, on which page."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import reduce
from operator import and_
from typing import Any
from unicodedata import normalize

import polars as pl

from retab_analysis.markup import Html, one_line
from retab_analysis.widgets.elements import Option

PAGE = 15
# Of a facet with more values than that, the first ones are offered; the others can be searched.
MOST_OPTIONS = 100
# A column that no frame of a user has, and the names of the terms that are not of a facet.
_NUMBER = "the number of the row"
_DAYS, _TEXT = "the days of the filter", "the text of the filter"
# The columns whose values are ids of versions, which are shown by a shorter name.
_VERSIONS = ("workflow_version_id", "since_version_id")

Row = Mapping[str, Any]


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
    is_extra: bool = False  # shown only on request


@dataclass(frozen=True, slots=True)
class Facet:
    """A column of which values can be chosen, ordered by their last moment or by frequency."""

    title: str
    name: str
    newest_first: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """What is listed; ``noun`` is plural and also names the variable in code."""

    noun: str
    key: str
    columns: tuple[TableColumn, ...]
    facets: tuple[Facet, ...] = ()
    moment: tuple[str, str] = ("", "")  # title and column of the date filter
    texts: tuple[str, ...] = ()
    sort: str | None = None  # the largest on top; None: the list cannot be sorted
    lists: tuple[str, ...] = ()  # columns of several texts, which are searched, too


@dataclass(frozen=True, slots=True)
class Filters:
    """What passes the filters; the days are in UTC, both included."""

    facets: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    since: date | None = None
    until: date | None = None
    text: str = ""


class TableState:
    """Which rows of a frame are seen, in which order, on which page, and which one is chosen."""

    def __init__(self, listing: Listing, frame: pl.DataFrame, *, page_size: int = PAGE) -> None:
        self.listing, self.filters = listing, Filters()
        self.sort, self.descending = listing.sort, True
        self.hidden = {each.name for each in listing.columns if each.is_extra}
        self.page, self.page_size = 0, page_size
        self.versions: Mapping[str, str] = {}
        self._take(frame, None)

    def _take(self, frame: pl.DataFrame, chosen: int | None) -> None:
        self._frame, self.chosen_number = frame, chosen
        # What stays the same from one step to the next is kept: the order of all rows, which of
        # them fulfil each term of the filters, the values of the facets and their counts. So a
        # filter that changes costs as much as this filter alone.
        self._order: pl.Series | None = None
        self._fulfilled: dict[str, tuple[str, pl.Series]] = {}
        self._values: dict[str, list[Any]] = {}
        self._counts: dict[str, tuple[list[str], dict[Any, int]]] = {}
        self._numbers: pl.Series | None = None
        self._rows: pl.DataFrame | None = None

    @property
    def frame(self) -> pl.DataFrame:
        """All rows, as they were given."""
        return self._frame

    @frame.setter
    def frame(self, frame: pl.DataFrame) -> None:
        chosen = self.chosen
        self._take(frame, None if chosen is None else frame[self.listing.key].index_of(chosen))
        self.go_to(self.page)

    @property
    def numbers(self) -> pl.Series:
        """The places in the frame of the rows that pass the filters, sorted."""
        if self._numbers is None:
            if self._order is None:
                self._order = self._find_order()
            passing = self._passing()
            self._numbers = (
                self._order if passing is None else self._order.filter(passing.gather(self._order))
            )
        return self._numbers

    def _find_order(self) -> pl.Series:
        if self.sort is None:
            return pl.int_range(self._frame.height, dtype=pl.UInt32, eager=True)
        # The key comes last, so that equal rows keep their order from page to page.
        by = list(dict.fromkeys((self.sort, self.listing.key)))
        order = self._frame.select(by).with_row_index(_NUMBER)
        falling = [self.descending, False][: len(by)]
        return order.sort(by, descending=falling, nulls_last=True, maintain_order=True)[_NUMBER]

    @property
    def rows(self) -> pl.DataFrame:
        if self._rows is None:
            self._rows = self._frame[self.numbers]
        return self._rows

    @property
    def height(self) -> int:
        return len(self.numbers)

    def select(self, *names: str, but: str | None = None) -> pl.DataFrame:
        """Some columns of the rows that pass the filters but that of the facet ``but``."""
        found, passing = self._frame.select(*names), self._passing(but)
        return found if passing is None else found.filter(passing)

    def _passing(self, but: str | None = None) -> pl.Series | None:
        """For each row of the frame whether it passes the filters; None where all do."""
        wanted = list_terms(self.listing, self.filters, self.versions)
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

    @property
    def shown(self) -> pl.DataFrame:
        return self._frame[self.shown_numbers]

    @property
    def shown_numbers(self) -> list[int]:
        """The places in the frame of the rows of the page; a key may be there twice."""
        found: list[int] = self.numbers.slice(self.page * self.page_size, self.page_size).to_list()
        return found

    @property
    def pages(self) -> int:
        return max(1, -(-self.height // self.page_size))

    def go_to(self, page: int) -> None:
        """Show a page, counted from 0; the nearest one that exists."""
        self.page = max(0, min(page, self.pages - 1))

    @property
    def position(self) -> str:
        noun, total, whole = self.listing.noun, self.height, self._frame.height
        if not total:
            return f"none of {whole:,} {noun}" if whole else f"no {noun}"
        first = self.page * self.page_size + 1
        last = min(first + self.page_size - 1, total)
        # Where filters hide something, it is said of how many.
        of = f" (of {whole:,})" if total < whole else ""
        return f"{first:,} to {last:,} of {total:,} {noun}{of}"

    @property
    def columns(self) -> list[TableColumn]:
        return [each for each in self.listing.columns if each.name not in self.hidden]

    @property
    def chosen_row(self) -> dict[str, Any] | None:
        """The row that was chosen, also where the filters hide it."""
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
        columns = self.listing.columns
        if event == "search":
            self.filter(text=str(value).strip())
        elif event in ("since", "until"):
            self.filter(**{event: date.fromisoformat(value) if value else None})
        elif event == "clear":
            self.filter(facets={}, since=None, until=None, text="")
        elif event.startswith("facet-"):
            facet = self.listing.facets[int(event.removeprefix("facet-"))]
            self.toggle(facet, self.values(facet)[int(value)])
        elif event == "column":
            # One column at least is left.
            hidden = self.hidden ^ {columns[int(value)].name}
            self.hidden = hidden if len(hidden) < len(columns) else self.hidden
        elif event == "sort":
            self.sort_by(columns[int(key or "")].name)
        elif event == "page":
            self.go_to(int(value) - 1)
        elif event == "turn":
            self.go_to(self.page + int(value))

    def filter(self, **wanted: Any) -> bool:
        """Change fields of the filters, and go to the first page; whether that is different."""
        changed = replace(self.filters, **wanted)
        if changed == self.filters:
            return False
        self.filters = changed
        self._reset_rows()
        return True

    def toggle(self, facet: Facet, value: Any) -> bool:
        """Let a value of a facet pass, or no longer; where none is chosen, all pass."""
        chosen = self.filters.facets.get(facet.name, ())
        rest = tuple(each for each in chosen if each != value)
        values = rest if len(rest) < len(chosen) else (*chosen, value)
        facets = {**self.filters.facets, facet.name: values}
        return self.filter(facets={name: each for name, each in facets.items() if each})

    def sort_by(self, name: str) -> None:
        """Sort by a column; by the same one again, the other way round."""
        column = next(each for each in self.listing.columns if each.name == name)
        self.descending = not self.descending if self.sort == name else column.falling
        self.sort, self._order = name, None
        self._reset_rows()

    def _reset_rows(self) -> None:
        self._numbers = self._rows = None
        self.go_to(0)

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

    def choices(self, facet: Facet) -> list[Option]:
        """What can be chosen of a facet, with how many rows there would be."""
        name, chosen = facet.name, self.filters.facets.get(facet.name, ())
        terms = list_terms(self.listing, self.filters, self.versions)
        others = [term.code for each, term in terms.items() if each != name]
        if name not in self._counts or self._counts[name][0] != others:
            found = self.select(name, but=name)[name].value_counts()
            self._counts[name] = others, dict(found.iter_rows())
        counts, values = self._counts[name][1], self.values(facet)
        return [
            Option(str(at), self.label(name, each), counts.get(each, 0), each in chosen)
            for at, each in enumerate(values)
            if at < MOST_OPTIONS or each in chosen
        ]

    def label(self, column: str, value: Any) -> str:
        """What a value is called where it is offered."""
        named = {True: "yes", False: "no"} if isinstance(value, bool) else {None: "(none)"}
        return named.get(value) or self.version_name(column, value) or one_line(value)

    def version_name(self, column: str, value: Any) -> str | None:
        """The short name of a version, None where a column has none or it is not known."""
        return self.versions.get(value) if column in _VERSIONS else None

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

    def code(self, name: str = "rows") -> str:
        """The line that makes :attr:`rows`, by a name, of a frame named like the noun."""
        terms = list_terms(self.listing, self.filters, self.versions).values()
        lines = "".join(f"    {term.code},\n" for term in terms)
        filtered = f".filter(\n{lines})" if lines else ""
        order = f"{[self.sort, self.listing.key]!r}, descending={[self.descending, False]!r}"
        return f"{name} = {self.listing.noun}{filtered}.sort({order}, nulls_last=True)"


@dataclass(frozen=True, slots=True)
class Term:
    """What a row has to fulfil, as an expression, and as the code of *Copy code* that makes it."""

    expression: pl.Expr
    code: str


def list_terms(listing: Listing, filters: Filters, versions: Mapping[str, str]) -> dict[str, Term]:
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
        found[_DAYS] = Term(both, ",\n    ".join(each.code for each in days))
    if filters.text:
        found[_TEXT] = _match_text(listing, normalize("NFKC", filters.text).lower(), versions)
    return found


def _match_values(name: str, values: Collection[Any]) -> Term:
    if None in values:
        # Without nulls_equal a null is in no list, not even in one that has it.
        code = f"pl.col({name!r}).is_in({values!r}, nulls_equal=True)"
        return Term(pl.col(name).is_in(values, nulls_equal=True), code)
    return Term(pl.col(name).is_in(values), f"pl.col({name!r}).is_in({values!r})")


def _compare_day(name: str, sign: str, day: date) -> Term:
    # Days are days in UTC, as all dates here.
    moment, column = datetime.combine(day, time(), UTC), pl.col(name)
    code = f"pl.col({name!r}) {sign} datetime({day.year}, {day.month}, {day.day}, tzinfo=UTC)"
    return Term(column >= moment if sign == ">=" else column < moment, code)


def _match_text(listing: Listing, text: str, versions: Mapping[str, str]) -> Term:
    # One letter may be one character or two: é, and e with an accent. NFKC makes them the same.
    how = f'.str.normalize("NFKC").str.to_lowercase().str.contains({text!r}, literal=True)'
    sources = [f"pl.col({', '.join(map(repr, listing.texts))})"]
    sources += [f"pl.col({name!r}).list.join(' ')" for name in listing.lists]
    columns = [pl.col(*listing.texts), *(pl.col(name).list.join(" ") for name in listing.lists)]
    plain = [each.str.normalize("NFKC").str.to_lowercase() for each in columns]
    found = [each.str.contains(text, literal=True) for each in plain]
    codes = [f"{source}{how}" for source in sources]
    # Versions are shown by their short names, and found by them.
    named = sorted(each for each, name in versions.items() if text in name.lower())
    for column in (each for each in listing.texts if named and each in _VERSIONS):
        found.append(pl.col(column).is_in(named))
        codes.append(f"pl.col({column!r}).is_in({named!r})")
    code = ", ".join(codes)
    return Term(pl.any_horizontal(found), f"pl.any_horizontal({code})")
