"""What the fetch functions ask for, and what they refuse to ask."""

from __future__ import annotations

import io
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from urllib.parse import parse_qs, urlsplit

import polars as pl
import pytest
from support.documents import run_document
from support.fakes import client_for
from support.faultserver import FaultServer, page, reply

import retab_analysis as ra
from retab_analysis import progress
from retab_analysis.schema import RUNS, WORKFLOWS

NOWHERE = "http://127.0.0.1:9"


def asked(server: FaultServer) -> dict[str, str]:
    query = parse_qs(urlsplit(server.paths[-1]).query, keep_blank_values=True)
    return {name: value for name, (value,) in query.items()}


def test_one_run() -> None:
    with FaultServer([reply(body=run_document("r1"))]) as server:
        frame = ra.fetch_run("r1", client=client_for(server.url))
        assert server.paths == ["/v1/workflows/evals/runs/r1"]
    assert frame.schema == RUNS.schema
    assert frame.height == 1


def test_one_run_of_the_wrong_shape() -> None:
    with FaultServer([reply(body=run_document("r1", total_evals=1.5))]) as server:
        with pytest.raises(ra.SchemaError, match=r"run r1: at \$\.total_evals.*found 1\.5") as got:
            ra.fetch_run("r1", client=client_for(server.url))
    assert (got.value.record_id, got.value.path) == ("r1", "$.total_evals")


@pytest.mark.parametrize(
    ("run_id", "path"),
    [
        ("a/b", "a%2Fb"),
        ("a?b", "a%3Fb"),
        ("a#b", "a%23b"),
        ("../x", "..%2Fx"),
        ("é %", "%C3%A9%20%25"),
    ],
)
def test_37_an_id_is_quoted(run_id: str, path: str) -> None:
    with FaultServer([reply(body=run_document())]) as server:
        ra.fetch_run(run_id, client=client_for(server.url))
        assert server.paths == [f"/v1/workflows/evals/runs/{path}"]


@pytest.mark.parametrize("run_id", [".", "..", "", None, 7, b"x", ["a"], "\ud800"])
def test_37_an_impossible_id_is_refused(run_id: object) -> None:
    with pytest.raises(ra.ConfigError, match="run_id"):
        ra.fetch_run(run_id, client=client_for(NOWHERE))  # type: ignore[arg-type]


def test_all_filters_are_sent() -> None:
    with FaultServer([reply(body=page([]))]) as server:
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
        assert asked(server) == {
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
        assert (asked(server)["from_date"], asked(server)["to_date"]) == (asked_start, asked_end)


def test_a_timedelta_is_that_long_ago() -> None:
    with FaultServer([reply(body=page([]))]) as server:
        ra.fetch_runs(from_date=timedelta(days=7), client=client_for(server.url))
        sent = datetime.fromisoformat(asked(server)["from_date"])
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
    assert day["run_id"].to_list() == ["first", "last", "never"]
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
    assert caught.value.partial is not None
    assert caught.value.partial["run_id"].to_list() == ["a"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"from_date": "yesterday"}, "from_date 'yesterday' is no ISO 8601 date"),
        ({"to_date": 7}, "to_date must be a date"),
        ({"from_date": "2026-05-19", "to_date": "2026-05-18"}, "is after to_date"),
        ({"order": "newest"}, "order must be 'asc' or 'desc', got 'newest'"),
        ({"limit": -1}, "limit must be a whole number of at least 0, got -1"),
        ({"limit": 1.5}, "limit must be"),
        ({"limit": True}, "limit must be"),
        ({"workflow_id": ""}, "workflow_id is empty"),
        ({"workflow_id": 7}, "workflow_id must be a string or several, got int"),
        ({"workflow_id": b"wf"}, "workflow_id must be a string or several, got bytes"),
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


def test_frames_without_rows_have_all_columns() -> None:
    with FaultServer([reply(body=page([]))]) as server:
        client = client_for(server.url)
        assert ra.fetch_runs(client=client).equals(RUNS.empty())
        assert ra.fetch_workflows(client=client).schema == WORKFLOWS.schema


def test_the_query_of_workflows() -> None:
    with FaultServer([reply(body=page([]))]) as server:
        ra.fetch_workflows(client=client_for(server.url))
        assert server.paths[0].startswith("/v1/workflows?")
        assert asked(server) == {"sort_by": "created_at", "order": "desc", "limit": "100"}


def test_progress_that_is_none_is_refused() -> None:
    with pytest.raises(ra.ConfigError, match="progress must be None, True, False or an object"):
        ra.fetch_runs(client=client_for(NOWHERE), progress="yes")  # type: ignore[arg-type]


def test_a_bar_shows_after_a_second(capsys: pytest.CaptureFixture[str]) -> None:
    bar = progress.choose_progress(True, "eval runs", "runs")
    bar.update(100)
    assert capsys.readouterr().err == ""
    bar._bar.start_t -= 2  # type: ignore[attr-defined]
    bar._bar.last_print_t -= 2  # type: ignore[attr-defined]
    bar.update(300, 500, "3 of 5")
    assert "300/500" in (shown := capsys.readouterr().err)
    assert "eval runs" in shown
    assert "3 of 5" in shown
    bar.close()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_is_for_somebody_who_sees_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert isinstance(progress.choose_progress(None, "a", "b"), progress.Silent)
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert isinstance(progress.choose_progress(None, "a", "b"), progress.Bar)
    assert isinstance(progress.choose_progress(False, "a", "b"), progress.Silent)


def test_a_date_before_all_dates_is_refused() -> None:
    first = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    for value in (first, first.isoformat()):
        with pytest.raises(ra.ConfigError, match=r"from_date=0001-01-01T00:00:00.02:00 is beyond"):
            ra.fetch_runs(client=client_for(NOWHERE), from_date=value)
