"""Arguments: what is sent for them, and what is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import polars as pl
import pytest
from support.documents import run_document
from support.fakes import client_for
from support.faultserver import FaultServer, page, reply
from support.inside import RUNS

import retab_analysis as ra

NOWHERE = "http://127.0.0.1:9"


def test_all_filters_are_sent() -> None:
    with FaultServer([reply(403), reply(body=page([]))]) as server:  # names cannot be looked up
        frame = ra.fetch_runs(
            "wf & co",
            eval_id="e",
            target_block_id="b",
            status="completed",
            exclude_status="error",
            trigger_type="api",
            order="asc",
            limit=7,
            after="c+/=",
            client=client_for(server.url),
        )
        assert server.queries[-1] == {
            "workflow_id": "wf & co",
            "eval_id": "e",
            "target_block_id": "b",
            "status": "completed",
            "exclude_status": "error",
            "trigger_type": "api",
            "order": "asc",
            "limit": "7",
            "after": "c+/=",
        }
    assert frame.equals(RUNS.empty())


@pytest.mark.parametrize(
    ("start", "end", "asked_start", "asked_end"),
    [
        (
            date(2026, 5, 18),
            date(2026, 5, 18),
            "2026-05-17T23:59:59Z",
            "2026-05-19T00:00:00.999999Z",
        ),
        ("2026-05-18", "2026-05-18", "2026-05-17T23:59:59Z", "2026-05-19T00:00:00.999999Z"),
        (
            datetime(2026, 5, 18, 12),
            datetime(2026, 5, 18, 14, tzinfo=timezone(timedelta(hours=2))),
            "2026-05-18T11:59:59Z",
            "2026-05-18T12:00:01Z",
        ),
        (
            "2026-05-18T12:00:00+02:00",
            " 2026-05-18T12:00:00.5Z",
            "2026-05-18T09:59:59Z",
            "2026-05-18T12:00:01.500000Z",
        ),
        (date.min, date.max, "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_dates_are_sent_a_second_wider(
    start: object, end: object, asked_start: str, asked_end: str
) -> None:
    with FaultServer([reply(body=page([]))]) as server:
        ra.fetch_runs(from_date=start, to_date=end, client=client_for(server.url))  # type: ignore[arg-type]
        assert (server.queries[-1]["from_date"], server.queries[-1]["to_date"]) == (
            asked_start,
            asked_end,
        )


def test_a_timedelta_is_that_long_ago() -> None:
    with FaultServer([reply(body=page([]))]) as server:
        ra.fetch_runs(from_date=timedelta(days=7), client=client_for(server.url))
        sent = datetime.fromisoformat(server.queries[-1]["from_date"])
    assert abs(datetime.now(UTC) - timedelta(days=7, seconds=1) - sent) < timedelta(minutes=1)


def test_the_answer_is_cut_to_exactly_the_dates() -> None:
    times = {
        "early": "2026-05-17T23:59:59.999999Z",
        "first": "2026-05-18T00:00:00Z",
        "last": "2026-05-18T23:59:59.999999Z",
        "late": "2026-05-19T00:00:00Z",
        "never": None,
    }
    runs = [run_document(name, timing__created_at=when) for name, when in times.items()]
    with FaultServer([reply(body=page(runs))]) as server:
        client = client_for(server.url)
        day = ra.fetch_runs(from_date="2026-05-18", to_date="2026-05-18", client=client)
        one = ra.fetch_runs(
            from_date=datetime(2026, 5, 18), to_date=datetime(2026, 5, 18), client=client
        )
    assert day["run_id"].to_list() == ["last", "first", "never"]
    assert one["run_id"].to_list() == ["first", "never"]


def test_rows_that_the_dates_cut_off_do_not_count_for_the_limit() -> None:
    old = [run_document(f"old{i}", timing__created_at="2020-01-01T00:00:00Z") for i in range(3)]
    answers = [
        reply(body=page([old[0], run_document("a")], "c1")),
        reply(body=page([old[1], old[2]], "c2")),
        reply(body=page([run_document("b"), run_document("c")], "c3")),
    ]
    with FaultServer(answers) as server:
        frame = ra.fetch_runs(from_date="2026-01-01", limit=2, client=client_for(server.url))
        assert frame["run_id"].to_list() == ["a", "b"]
        assert len(server.requests) == 3


def test_the_partial_rows_are_cut_too() -> None:
    old = run_document("old", timing__created_at="2020-01-01T00:00:00Z")
    with FaultServer([reply(body=page([run_document("a"), old], "c")), reply(400)]) as server:
        with pytest.raises(ra.InvalidRequestError) as caught:
            ra.fetch_runs(from_date="2026-01-01", client=client_for(server.url))
    assert caught.value.partial["run_id"].to_list() == ["a"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"from_date": "yesterday"}, "from_date 'yesterday' is not an ISO 8601 date"),
        ({"to_date": 7}, "to_date must be a date"),
        ({"from_date": "2026-05-19", "to_date": "2026-05-18"}, "is after to_date"),
        ({"workflow_id": ""}, "workflow_id is empty"),
        ({"workflow_id": 7}, "workflow_id must be a string or several strings, got int"),
        ({"workflow_id": b"wf"}, "workflow_id must be a string or several strings, got bytes"),
        ({"workflow_id": ["a", None]}, "workflow_id must be a string, got NoneType"),
        ({"workflow_id": pl.Series([1, 2])}, "workflow_id must be a string, got int"),
        ({"eval_id": ["a", "b"]}, "eval_id must be a string, got list"),
        ({"exclude_status": ["a"]}, "exclude_status must be a string"),
        ({"target_block_id": "\ud800"}, "target_block_id .* lone surrogate"),
        ({"after": ""}, "after is empty"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_asked(
    arguments: dict[str, object], words: str
) -> None:
    with pytest.raises(ra.ConfigError, match=words):
        ra.fetch_runs(client=client_for(NOWHERE), **arguments)  # type: ignore[arg-type]


def test_a_date_before_all_dates_is_refused() -> None:
    first = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    for value in (first, first.isoformat()):
        with pytest.raises(ra.ConfigError, match=r"from_date=0001-01-01T00:00:00.02:00 is beyond"):
            ra.fetch_runs(client=client_for(NOWHERE), from_date=value)
