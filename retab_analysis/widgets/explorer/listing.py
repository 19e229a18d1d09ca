"""What a list shows and by what it can be filtered, as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from retab_analysis.markup import Html

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
        hint: What it means, where the heading does not say it.
    """

    name: str
    title: str
    share: int
    text: Callable[[Row], str]
    html: Callable[[Row], Html] | None = None
    falling: bool = False
    hint: str = ""


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
