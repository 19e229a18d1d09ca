"""Which times can be read, and as which moment: held against what polars makes of the texts."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.documents import run_document
from support.faultserver import page
from support.inside import RUNS, read_page, to_frame

# RFC 3339 with 0 to 6 digits of fraction; the offset may be missing. polars would cut further
# digits, and move a sixtieth second. There is no year 0, though in UTC it may be the year 1.
YEAR = r"(?:[1-9]\d{3}|0[1-9]\d\d|00[1-9]\d|000[1-9])"
TIME = rf"^{YEAR}-\d\d-\d\d[T ]\d\d:\d\d:[0-5]\d(\.\d{{1,6}})?(Z|[+-]\d\d:\d\d)?$"
OFFSET = r"(Z|[+-]\d\d:\d\d)$"


def by_polars(texts: list[str]) -> list[int | None]:
    """The microseconds since 1970 of each text, None where it is not one of these times."""
    text = pl.col("text")
    complete = pl.when(text.str.contains(OFFSET)).then(text).otherwise(text + "Z")
    moment = (
        pl.when(text.str.contains(TIME))
        .then(complete)
        .str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
    )
    kept = pl.when(moment.dt.year().is_between(1, 9999)).then(moment.dt.epoch("us"))
    return (
        pl.DataFrame({"text": texts}, schema={"text": pl.String}).select(kept).to_series().to_list()
    )


def by_us(texts: list[str]) -> list[int | None]:
    """The same by the decoder: what it refuses is None."""
    runs = [run_document(str(at), timing__created_at=each) for at, each in enumerate(texts)]
    found = read_page(RUNS.record, json.dumps(page(runs)).encode())
    frame = to_frame(RUNS, found.structs)
    read = dict(zip(frame["run_id"], frame["created_at"].to_physical(), strict=True))
    refused = {each.record_id: each.path for each in found.problems}
    assert set(refused.values()) <= {f"$.data[{at}].timing.created_at" for at in range(len(texts))}
    assert read.keys() | refused.keys() == set(map(str, range(len(texts))))
    return [read.get(str(at)) for at in range(len(texts))]


def two(low: int, high: int) -> st.SearchStrategy[str]:
    return st.integers(low, high).map("{:02}".format)


YEARS = st.sampled_from(
    ["0000", "0001", "0002", "1582", "1900", "1969", "1970", "2000", "2024"]
) | (st.sampled_from(["2026", "9998", "9999"]) | st.integers(0, 9999).map("{:04}".format))
FRACTIONS = st.just("") | st.text("0123456789", max_size=8).map(".{}".format)
OFFSETS = st.sampled_from(
    ["", "Z", "z", "+00:00", "-00:00", "+0530", "+05", "+23:59", "-23:59"]
) | (st.builds("{}{}:{}".format, st.sampled_from("+-"), two(0, 26), two(0, 61)))
NEARLY = st.builds(
    "{}-{}-{}{}{}:{}:{}{}{}".format,
    YEARS,
    two(0, 13),
    two(0, 32),
    st.sampled_from("TT t_"),
    two(0, 25),
    two(0, 61),
    two(0, 61),
    FRACTIONS,
    OFFSETS,
)
EDGES = [
    *(
        "2026-06-30T23:59:60Z",
        "2026-06-30T24:00:00Z",
        "2026-02-30T10:00:00Z",
        "2026-02-29T00:00:00Z",
    ),
    *(
        "2024-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2000-02-29T00:00:00Z",
        "2026-04-31T00:00:00",
    ),
    *("0000-01-01T00:00:00Z", "0000-12-31T23:59:59-01:00", "0001-01-01T00:00:00+00:01"),
    *("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59-00:01"),
    *("9999-12-31T23:59:59+00:01", "2026-05-18T10:00:00.1234567Z", "2026-05-18T10:00:00.Z"),
    *("2026-05-18T10:00:00,5Z", "2026-05-18", "2026-05-18T10:00Z", "20260518T100000Z"),
    *("2026-W20-1T10:00:00Z", "2026-05-18T10:00:00+05:60", "2026-05-18T10:00:00+24:00"),
    *("2026-05-18T10:00:00Z\n", " 2026-05-18T10:00:00Z", "", "２026-05-18T10:00:00Z", "noon"),
    *("2026-05-18T10:00:00\u00a0Z", "2026-05-18T10:00:00+05:30:15", "2026-05-18T00:00:00", "-"),
]


@settings(deadline=None)
@example(EDGES)
@given(st.lists(NEARLY | st.text(max_size=30), min_size=20, max_size=200))
def test_the_same_texts_are_times_as_for_polars_and_mean_the_same(texts: list[str]) -> None:
    assert by_us(texts) == by_polars(texts)


@settings(deadline=None)
@given(
    st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29)),
    st.integers(-1439, 1439),
    st.sampled_from("T "),
)
def test_every_moment_is_read_to_the_microsecond(
    moment: datetime, minutes: int, between: str
) -> None:
    there = moment.replace(tzinfo=UTC) + timedelta(minutes=minutes)
    sign, (hours, rest) = "+" if minutes >= 0 else "-", divmod(abs(minutes), 60)
    text = f"{there.replace(tzinfo=None).isoformat(between)}{sign}{hours:02}:{rest:02}"
    since = moment.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    # Python reads the times of few records, polars those of many.
    for number in (1, 40):
        assert by_us([text] * number) == [since // timedelta(microseconds=1)] * number


@pytest.mark.parametrize("value", [1_790_000_000, 1.5, True, ["2026-05-18T10:00:00Z"], {}])
def test_what_is_not_a_text_is_not_a_time(value: object) -> None:
    body = json.dumps(page([run_document(timing__created_at=value)])).encode()
    found = read_page(RUNS.record, body)
    assert found.structs == []
    assert "Expected `str | null`" in found.problems[0].reason
