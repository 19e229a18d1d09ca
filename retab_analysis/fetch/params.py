"""What callers may pass: checked, and made ready for a URL."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, cast
from urllib.parse import quote

import polars as pl

from retab_analysis.arguments import check_choice
from retab_analysis.errors import ConfigError, described
from retab_analysis.schema import RUNS, as_polars, converted
from retab_analysis.transport.request import Params

When = date | datetime | timedelta | str | None
Runs = (
    str
    | Mapping[str, Any]
    | Iterable[str | Mapping[str, Any]]
    | pl.Series
    | pl.DataFrame
    | pl.LazyFrame
)
OneOrSeveral = str | Iterable[str] | pl.Series | None

# The filters of runs that take one value only.
_SINGLE = ("eval_id", "target_block_id", "exclude_status")


@dataclass(frozen=True, slots=True)
class RunQuery:
    """Which runs are asked for; several values of a filter mean several requests."""

    filters: dict[str, Sequence[str]]
    start: datetime | None
    end: datetime | None
    order: str
    scope: str | None = None

    @classmethod
    def make(
        cls,
        *,
        scope: str | None = None,
        from_date: When = None,
        to_date: When = None,
        order: str = "desc",
        **filters: OneOrSeveral,
    ) -> RunQuery:
        given = {
            name: [check_text(name, value)] if name in _SINGLE else list_values(name, value) or []
            for name, value in filters.items()
            if value is not None
        }
        now = datetime.now(UTC)
        start = read_moment("from_date", from_date, now)
        end = read_moment("to_date", to_date, now, last=True)
        if start is not None and end is not None and start > end:
            raise ConfigError(f"from_date ({start}) is after to_date ({end})")
        check_choice("order", order, ("asc", "desc"))
        if scope is not None:
            check_choice("scope", scope, ("workflow", "block", "eval"))
        return cls(given, start, end, order, scope)

    def requests(self) -> list[Params]:
        """The parameters of each request: one for each combination of values.

        The dates are sent a second wider than asked, so that it does not matter whether the API
        takes them as inclusive or cuts their fractions; :meth:`cut` then makes it exact.
        """
        slack = timedelta(seconds=1)
        common = [("order", self.order)]
        if self.start is not None:
            common.append(("from_date", format_moment(shift(self.start, -slack))))
        if self.end is not None:
            common.append(("to_date", format_moment(shift(self.end, slack))))
        combinations = itertools.product(*self.filters.values())
        return [[*zip(self.filters, values, strict=True), *common] for values in combinations]

    def cut(self, runs: pl.DataFrame) -> pl.DataFrame:
        """The rows of the scope and between the dates, both included; rows without a date stay."""
        # A row without a date may lie between them: what the API gave is not dropped in silence.
        created = pl.col("created_at")
        if self.start is not None:
            runs = runs.filter((created >= self.start) | created.is_null())
        if self.end is not None:
            runs = runs.filter((created <= self.end) | created.is_null())
        return runs if self.scope is None else runs.filter(pl.col("scope") == self.scope)

    def sort(self, runs: pl.DataFrame) -> pl.DataFrame:
        """The rows in the order that was asked for, also where the API ignores it."""
        is_desc = self.order == "desc"
        if runs["created_at"].drop_nulls().is_sorted(descending=is_desc):
            return runs
        return runs.sort("created_at", descending=is_desc, nulls_last=True, maintain_order=True)

    def is_turned(self, runs: pl.DataFrame) -> bool:
        created = runs["created_at"].drop_nulls()
        ends = [*created.head(1), *created.tail(1)]
        return ends != sorted(ends, reverse=self.order == "desc")


@dataclass(frozen=True, slots=True)
class RunList:
    """Some runs, in whichever way the caller named them: each id once, in the order given.

    ``known`` is their RUNS frame where one was given.
    """

    ids: Sequence[str]
    known: pl.DataFrame | None

    @classmethod
    def make(cls, runs: Runs, name: str = "runs") -> RunList:
        """Read an id, a dict of a run, several, a RUNS frame of any library, or its column."""
        frame = as_polars(runs, name)
        if frame is None:
            # Iterating over a frame that cannot be read would give the names of its columns.
            if hasattr(runs, "columns"):
                raise ConfigError(f"{name} must be ids or a RUNS frame, got {described(runs)}")
            several = [runs] if isinstance(runs, str | Mapping) else runs
            if isinstance(several, Iterable) and not isinstance(several, bytes):
                several = [_id_of_run(name, each) for each in several]
            ids = list_values(name, cast(OneOrSeveral, several))
            if ids is None:
                raise ConfigError(f"{name} is None; expected an id, ids or a RUNS frame")
            return cls(ids, None)
        known = frame.lazy().collect()
        if "run_id" not in known.columns:
            raise ConfigError(f"{name} has no column run_id; it has {', '.join(known.columns)}")
        known = converted(known, RUNS.schema)
        return cls(list_values(name, known["run_id"]) or [], known)


def _id_of_run(name: str, run: Any) -> Any:
    """The id of a run that may be given as a row of a RUNS frame or as a document of the API."""
    if not isinstance(run, Mapping):
        return run
    if "run_id" not in run and "id" not in run:
        raise ConfigError(f"{name} has a dict without a run_id; it has {', '.join(map(str, run))}")
    return run.get("run_id", run.get("id"))


def quote_id(name: str, value: str) -> str:
    """Quote an id for the path of a URL, once it is checked."""
    # Nothing is safe: an id with a slash in it would name another path.
    return quote(check_text(name, value), safe="")


def check_text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"{name} must be a string, got {type(value).__name__} ({value!r})")
    if not value:
        raise ConfigError(f"{name} is empty")
    # Servers and clients resolve these before they look at the path, quoted or not.
    if value in (".", ".."):
        raise ConfigError(f"{name} {value!r} cannot be in a URL")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ConfigError(
            f"{name} {value!r} holds a lone surrogate, which cannot be sent"
        ) from None
    return value


def list_values(name: str, values: OneOrSeveral) -> Sequence[str] | None:
    """The values of a filter that takes one or several, each once; None where it is not set."""
    if values is None:
        return None
    # A text is several characters, and bytes are several numbers, to whoever iterates over them.
    if isinstance(values, str):
        return [check_text(name, values)]
    if not isinstance(values, Iterable) or isinstance(values, bytes):
        kind = type(values).__name__
        raise ConfigError(f"{name} must be a string or several strings, got {kind}")
    return list(dict.fromkeys(check_text(name, value) for value in values))


def read_moment(name: str, value: When, now: datetime, *, last: bool = False) -> datetime | None:
    """Read a date as a moment in UTC; ``last`` where a date means the end of its day."""
    if isinstance(value, str):
        value = _parsed(name, value)
    if isinstance(value, timedelta):
        if value < timedelta(0):
            raise ConfigError(
                f"{name} must not be a negative timedelta: it is how long ago, got {value!r}"
            )
        return shift(now, -value)
    # Before ``date``: every datetime is one.
    if isinstance(value, datetime):
        try:
            return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        except OverflowError:
            raise ConfigError(f"{name}={value.isoformat()} is beyond the years 1 to 9999") from None
    if isinstance(value, date):
        return datetime.combine(value, time.max if last else time.min, UTC)
    if value is not None:
        raise ConfigError(
            f"{name} must be a date, datetime, timedelta or ISO string, got {type(value).__name__}"
        )
    return None


def _parsed(name: str, value: str) -> date:
    # The date first, since a datetime reads '2026-05-18' too, as the midnight at its beginning, and
    # then the day would not be part of what ends with it.
    for read in (date.fromisoformat, datetime.fromisoformat):
        try:
            return read(value.strip())
        except ValueError:
            continue
    raise ConfigError(
        f"{name} {value!r} is not an ISO 8601 date; expected for example '2026-05-18'"
    )


def shift(moment: datetime, by: timedelta) -> datetime:
    # "A million days ago" means from the beginning, so it is not worth an error.
    try:
        return moment + by
    except OverflowError:
        return (datetime.max if by > timedelta(0) else datetime.min).replace(tzinfo=UTC)


def format_moment(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
