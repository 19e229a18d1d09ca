"""Arguments from callers: checked, and made ready for a URL; and the client, or the default one."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from urllib.parse import quote

import polars as pl

from retab_analysis.arguments import When, check_choice, read_moment, shift
from retab_analysis.errors import ConfigError, described
from retab_analysis.schema import RUNS, as_polars, converted, read_ids
from retab_analysis.schema.conversion import check_polars_threads
from retab_analysis.transport import Client
from retab_analysis.transport.request import Params

Runs = (
    str
    | Mapping[str, Any]
    | Iterable[str | Mapping[str, Any]]
    | pl.Series
    | pl.DataFrame
    | pl.LazyFrame
)
OneOrSeveral = str | Iterable[str] | pl.Series | None

# The filters of runs that take only one value.
_SINGLE = ("eval_id", "target_block_id", "exclude_status")
# New users take these for statuses of a run: the states of its results, which it counts.
COUNTED = {"failed": "failures", "passed": "passes", "blocked": "blocked evals"}


@dataclass(frozen=True, slots=True)
class RunQuery:
    """The requested runs; several values of a filter mean several requests."""

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
        for name, sign in (("status", ">"), ("exclude_status", "==")):
            for each in COUNTED.keys() & {*given.get(name, ())}:
                which = f"{'with' if sign == '>' else 'without'} {COUNTED[each]}"
                code = f'runs.filter(pl.col("{each}") {sign} 0)'
                raise ConfigError(f"a run has no status {each!r}; for runs {which}: {code}")
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

        The dates are sent a second wider than asked: the API may or may not include them, or cut
        their fractions. :meth:`cut` then makes it exact.
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
        # A row without a date may lie between them: it is not dropped in silence.
        created = pl.col("created_at")
        if self.start is not None:
            runs = runs.filter((created >= self.start) | created.is_null())
        if self.end is not None:
            runs = runs.filter((created <= self.end) | created.is_null())
        return runs if self.scope is None else runs.filter(pl.col("scope") == self.scope)

    def sort(self, runs: pl.DataFrame) -> pl.DataFrame:
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
    """Some runs, however the caller named them: each id once, in the order given.

    ``known`` is their RUNS frame, if one was given.
    """

    ids: Sequence[str]
    known: pl.DataFrame | None

    @classmethod
    def make(cls, runs: Runs, name: str = "runs") -> RunList:
        """Read an id, a dict of a run, several, a RUNS frame of any library, or its column."""
        frame = as_polars(runs, name)
        if frame is None:
            # Iterating over a foreign frame would give the names of its columns.
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
    if not isinstance(run, Mapping):
        return run
    if "run_id" not in run and "id" not in run:
        raise ConfigError(f"{name} has a dict without a run_id; it has {', '.join(map(str, run))}")
    return run.get("run_id", run.get("id"))


def quote_id(name: str, value: str) -> str:
    # No character is safe: an id with a slash would name another path.
    return quote(check_text(name, value), safe="")


def check_text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"{name} must be a string, got {described(value)}")
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
    """The values of a filter that takes one or several, each once; None if it is not set."""
    if values is None:
        return None
    # An iteration over a text gives characters, over bytes numbers.
    if isinstance(values, str):
        return [check_text(name, values)]
    if (frame := as_polars(values, name)) is not None:
        values = read_ids(frame, name, f"{name.removesuffix('s').removesuffix('_id')}_id")
    if not isinstance(values, Iterable) or isinstance(values, bytes):
        raise ConfigError(f"{name} must be a string or several strings, got {described(values)}")
    return list(dict.fromkeys(check_text(name, value) for value in values))


def format_moment(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


# The client that every function asks by default

_default: Client | None = None
# Tells why the default cannot be used any more, if that is known without asking it.
_find_problem: Callable[[], str | None] | None = None
_default_lock = threading.Lock()


def use_while(client: Client | None, find_problem: Callable[[], str | None] | None) -> None:
    """Set the default; before each use ``find_problem`` tells why it cannot be used any more."""
    global _default, _find_problem
    with _default_lock:
        _default, _find_problem = client, find_problem


def check_client(client: Client | None) -> Client | None:
    """Check a client for later use, without making one from the environment."""
    if client is not None and not isinstance(client, Client):
        told = f"client must be a Client or None, got {described(client)}"
        raise ConfigError(f"{told}: ra.Client(api_key=…, base_url=…) makes one")
    return client


def client_or_default(client: Client | None) -> Client:
    """The given client, or the default, made from the environment at first use."""
    global _default
    check_polars_threads()
    check_client(client)
    if client is not None:
        return client
    # Under the lock: threads that come together share one client and its limit of requests.
    with _default_lock:
        problem = _find_problem and _find_problem()
        if problem:
            raise ConfigError(problem)
        if _default is None:
            _default = Client()
        return _default
