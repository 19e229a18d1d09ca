"""A list that is filtered, sorted and read page by page: what is chosen, and what follows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import polars as pl

from retab_analysis.markup import Html, one_line

PAGE = 15
NO_VALUE = "(none)"
_LONGEST = 18

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """One column as it is shown.

    Attributes:
        name: The column of the frame by which a click on the heading sorts.
        title: The heading.
        share: How wide, in relation to the others.
        text: What a row shows there.
        html: The same with signs and colours, where that differs.
        falling: Whether the first click puts the largest on top.
    """

    name: str
    title: str
    share: int
    text: Callable[[Row], str]
    html: Callable[[Row], Html] | None = None
    falling: bool = False


@dataclass(frozen=True, slots=True)
class Facet:
    """What can be chosen from a list.

    Attributes:
        title: What it is called.
        name: The column.
        newest_first: Whether its values are ordered by their last moment, else by frequency.
    """

    title: str
    name: str
    newest_first: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """What is listed, as data.

    Attributes:
        noun: Of its rows, in the plural; also the variable's name in code.
        key: The column that tells rows apart.
        columns: What is shown.
        facets: What can be chosen from lists.
        moment: Title and column of what dates cut.
        texts: The columns that are searched.
        sort: The column by which it is sorted at first, the largest on top.
        lists: The columns of several texts that are searched, too.
    """

    noun: str
    key: str
    columns: tuple[Column, ...]
    facets: tuple[Facet, ...]
    moment: tuple[str, str]
    texts: tuple[str, ...]
    sort: str
    lists: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
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

    def words(self, listing: Listing) -> str:
        """In words, empty where all pass."""
        parts = [
            f"{each.title}: {', '.join(label(value) for value in self.facets[each.name])}"
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
        self.listing, self.wanted = listing, Wanted()
        self.sort, self.descending = listing.sort, True
        self.page = 0
        self.chosen: Any = None
        self._frame = frame
        self._rows: pl.DataFrame | None = None

    @property
    def frame(self) -> pl.DataFrame:
        """All rows, as they were given."""
        return self._frame

    @frame.setter
    def frame(self, frame: pl.DataFrame) -> None:
        self._frame = frame
        self._changed(self.page)

    @property
    def rows(self) -> pl.DataFrame:
        """The rows that pass the filters, sorted."""
        if self._rows is None:
            terms = [expression for expression, _ in _terms(self.listing, self.wanted)]
            order = [self.sort, self.listing.key]
            rows = self._frame.filter(terms) if terms else self._frame
            self._rows = rows.sort(order, descending=[self.descending, False], nulls_last=True)
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
        if self.chosen is None:
            return None
        found = self._frame.filter(pl.col(self.listing.key) == self.chosen)
        return found.row(0, named=True) if found.height else None

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
        keys = self.shown[self.listing.key]
        self.chosen = keys[at] if at is not None and 0 <= at < len(keys) else None

    @property
    def chosen_at(self) -> int | None:
        """The place of the chosen row on the page, or None."""
        keys = self.shown[self.listing.key].to_list()
        return keys.index(self.chosen) if self.chosen in keys else None

    def options(self, facet: Facet) -> list[tuple[str, Any]]:
        """What can be chosen of a facet: label and value, the most frequent or newest first."""
        counted = self._frame.group_by(facet.name).agg(
            pl.len(), last=pl.col(self.listing.moment[1]).max()
        )
        order = ["last" if facet.newest_first else "len", facet.name]
        ordered = counted.sort(order, descending=[True, False], nulls_last=True)
        rows = ordered.select(facet.name, "len").iter_rows()
        return [(f"{label(value)} ({count:,})", value) for value, count in rows]

    @property
    def position(self) -> str:
        """Which rows are seen, in words."""
        noun, total = self.listing.noun, self.rows.height
        if not total:
            return f"none of {self._frame.height:,} {noun}" if self._frame.height else f"no {noun}"
        first = self.page * PAGE + 1
        whole = f" (of {self._frame.height:,})" if total < self._frame.height else ""
        return f"{first:,} to {first + self.shown.height - 1:,} of {total:,} {noun}{whole}"

    def code(self) -> str:
        """The polars expression that makes :attr:`rows` of a frame named like the noun."""
        terms = [code for _, code in _terms(self.listing, self.wanted)]
        lines = "".join(f"    {term},\n" for term in terms)
        filtered = f".filter(\n{lines})" if terms else ""
        order = f"{[self.sort, self.listing.key]!r}, descending={[self.descending, False]!r}"
        return f"rows = {self.listing.noun}{filtered}.sort({order}, nulls_last=True)"

    def _changed(self, page: int) -> None:
        self._rows = None
        self.go_to(page)


def label(value: Any) -> str:
    """A value as a person chooses it; of a long one, both ends."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = NO_VALUE if value is None else one_line(value)
    return text if len(text) <= _LONGEST else f"{text[:10]}…{text[-6:]}"


def _terms(listing: Listing, wanted: Wanted) -> list[tuple[pl.Expr, str]]:
    """What a row has to fulfil, each as an expression and as the code that makes it."""
    terms = [_one_of(name, list(values)) for name, values in wanted.facets.items()]
    moment = listing.moment[1]
    if wanted.since is not None:
        terms.append(_compared(moment, ">=", wanted.since))
    if wanted.until is not None and wanted.until < date.max:
        terms.append(_compared(moment, "<", wanted.until + timedelta(days=1)))
    if wanted.text:
        terms.append(_containing(listing, wanted.text.lower()))
    return terms


def _one_of(name: str, values: list[Any]) -> tuple[pl.Expr, str]:
    if None in values:
        code = f"pl.col({name!r}).is_in({values!r}, nulls_equal=True)"
        return pl.col(name).is_in(values, nulls_equal=True), code
    return pl.col(name).is_in(values), f"pl.col({name!r}).is_in({values!r})"


def _compared(name: str, sign: str, day: date) -> tuple[pl.Expr, str]:
    moment = datetime.combine(day, time(), UTC)
    column = pl.col(name)
    code = f"pl.col({name!r}) {sign} datetime({day.year}, {day.month}, {day.day}, tzinfo=UTC)"
    return (column >= moment if sign == ">=" else column < moment), code


def _containing(listing: Listing, text: str) -> tuple[pl.Expr, str]:
    columns = ", ".join(map(repr, listing.texts))
    sources = [
        f"pl.col({columns})",
        *(f"pl.col({name!r}).list.join(' ')" for name in listing.lists),
    ]
    how = f".str.to_lowercase().str.contains({text!r}, literal=True)"
    texts = [pl.col(*listing.texts), *(pl.col(name).list.join(" ") for name in listing.lists)]
    found = [each.str.to_lowercase().str.contains(text, literal=True) for each in texts]
    code = ", ".join(f"{source}{how}" for source in sources)
    return pl.any_horizontal(found), f"pl.any_horizontal({code})"
