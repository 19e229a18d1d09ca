"""Periods of time: all of one length, and the last ends with the day of the newest run."""

from __future__ import annotations

import re
from dataclasses import dataclass

import polars as pl

from retab_analysis.errors import ConfigError, shown

PERIOD, PERIOD_END = "period_start", "period_end"
# Six digits are enough for any period; more overflow inside polars without an error.
_DURATION = re.compile(r"(?:[1-9]\d{0,5}(?:us|ms|s|m|h|d|w|mo|q|y))+")
_PART = re.compile(r"(\d+)(\D+)")
_UNITS = {"us": 1, "ms": 10**3, "s": 10**6, "m": 6 * 10**7, "h": 36 * 10**8}
_UNITS |= {"d": 864 * 10**8, "w": 6048 * 10**8}
_MONTHS = {"mo": 1, "q": 3, "y": 12}
_LONGEST = 1_000  # years; twice as long would begin before the year 1


@dataclass(frozen=True, slots=True)
class Length:
    """The length of a period: a number of microseconds, or of months."""

    n: int
    is_months: bool

    @classmethod
    def read(cls, every: str) -> Length:
        """``every`` as polars writes it, such as ``"1w"``."""
        if not isinstance(every, str) or not _DURATION.fullmatch(every):
            raise ConfigError(
                f"every must be a duration such as '1d', '1w' or '1mo', got {shown(every)}"
            )
        parts = [(int(n), unit) for n, unit in _PART.findall(every)]
        months = [unit in _MONTHS for _, unit in parts]
        if len({*months}) > 1:
            raise ConfigError(f"every={every!r} is not a period: months do not mix with days")
        n = sum(n * (_MONTHS | _UNITS)[unit] for n, unit in parts)
        if n > _LONGEST * (12 if months[0] else 365 * _UNITS["d"]):
            raise ConfigError(f"every={every!r} is longer than {_LONGEST:,} years")
        return cls(n, months[0])

    def go_back(self, end: pl.Expr, times: pl.Expr) -> pl.Expr:
        """The moment so many periods before an end; a month before 31 March is 28 February."""
        if self.is_months:
            return end.dt.offset_by(pl.format("-{}mo", times * self.n))
        return end - pl.duration(microseconds=times * self.n)

    def place(self, moment: str) -> list[pl.Expr]:
        """``period_start`` and ``period_end`` of the moments in a column; null without one.

        The newest moment of all rows makes the end: call this before a filter.
        """
        at = pl.col(moment)
        end = end_of_day(at.max())
        if self.is_months:
            back = (12 * (end.dt.year() - at.dt.year()) + end.dt.month() - at.dt.month()) // self.n
            back += (self.go_back(end, back) > at).cast(pl.Int32)
        else:
            back = -((at - end).dt.total_microseconds() // self.n)
        starts, ends = self.go_back(end, back), self.go_back(end, back - 1)
        return [starts.alias(PERIOD), ends.alias(PERIOD_END)]


def end_of_day(moment: pl.Expr) -> pl.Expr:
    return moment.dt.truncate("1d").dt.offset_by("1d")
