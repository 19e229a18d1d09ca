"""What passes the filters of a list: in words, as polars expressions, and as the same in code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from unicodedata import normalize

import polars as pl

from retab_analysis.markup import one_line
from retab_analysis.widgets.explorer.listing import Listing

NO_VALUE = "(none)"
_LONGEST = 18


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


def label(value: Any) -> str:
    """A value as a person chooses it; of a long one, both ends."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = NO_VALUE if value is None else one_line(value)
    return text if len(text) <= _LONGEST else f"{text[:10]}…{text[-6:]}"


def terms(listing: Listing, wanted: Wanted) -> list[tuple[pl.Expr, str]]:
    """What a row has to fulfil, each as an expression and as the code that makes it."""
    found = [_one_of(name, list(values)) for name, values in wanted.facets.items()]
    moment = listing.moment[1]
    if wanted.since is not None:
        found.append(_compared(moment, ">=", wanted.since))
    if wanted.until is not None and wanted.until < date.max:
        found.append(_compared(moment, "<", wanted.until + timedelta(days=1)))
    if wanted.text:
        found.append(_containing(listing, normalize("NFKC", wanted.text).lower()))
    return found


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
    how = f'.str.normalize("NFKC").str.to_lowercase().str.contains({text!r}, literal=True)'
    texts = [pl.col(*listing.texts), *(pl.col(name).list.join(" ") for name in listing.lists)]
    plain = [each.str.normalize("NFKC").str.to_lowercase() for each in texts]
    found = [each.str.contains(text, literal=True) for each in plain]
    code = ", ".join(f"{source}{how}" for source in sources)
    return pl.any_horizontal(found), f"pl.any_horizontal({code})"
