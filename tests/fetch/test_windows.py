"""Long histories, read in several parts at once: the same runs in the same order as page by page.

Nothing here knows how the history is cut up: what is compared is the outcome, and how many
requests it took.
"""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from support.fakes import Recorder, client_for
from support.faultserver import FaultServer, Reply, reply
from support.history_api import (
    DATES,
    DAY,
    EPOCH,
    FOREVER,
    HOUR,
    PAGE,
    SECOND,
    TODAY,
    YEAR,
    HistoryApi,
    make_run,
    read_iso,
    runs_at,
)

import retab_analysis as ra


def fetched(api: HistoryApi, max_attempts: int = 5, **arguments: object) -> list[str]:
    with FaultServer([api]) as server:
        client = client_for(server.url, max_attempts=max_attempts)
        frame = ra.fetch_runs(client=client, **arguments)  # type: ignore[arg-type]
    return frame["run_id"].to_list()


def page_by_page(api: HistoryApi, **arguments: object) -> list[str]:
    """The same, by one connection; its requests are not counted."""
    with FaultServer([HistoryApi(api.runs, api.dates, api.largest_page)]) as server:
        client = client_for(server.url, max_concurrency=1)
        return ra.fetch_runs(client=client, **arguments)["run_id"].to_list()  # type: ignore[arg-type]


def most_requests(runs: int) -> float:
    """The pages, and of each window one that is not full; what lies in two windows comes twice."""
    return 1.5 * -(-runs // PAGE) + 36


def scattered(number: int, span: int, seed: int = 0) -> list[int]:
    chance = random.Random(seed)
    return [TODAY - chance.randrange(span) for _ in range(number)]


HISTORIES: dict[str, list[int]] = {
    "even": [TODAY - number * HOUR for number in range(3000)],
    "by chance": scattered(3000, YEAR),
    "one day of a year, the newest": [*scattered(2900, DAY), *scattered(30, YEAR)],
    "one day of a year, the oldest": [at - YEAR for at in scattered(2900, DAY)]
    + scattered(600, 30 * DAY),
    "one day in the middle of a year": [at - YEAR // 2 for at in scattered(2400, DAY)]
    + scattered(600, YEAR),
    "three seconds": scattered(2000, 3 * SECOND),
    "one a microsecond": [TODAY - number for number in range(2000)],
    "all at once": [TODAY] * 2000,
    "all but two at once": [TODAY, *[TODAY - 1] * 1500, TODAY - YEAR],
    "nights of 250 at once": [TODAY - number // 250 * DAY for number in range(3000)],
    "days of 130 at once": [TODAY - number // 130 * DAY for number in range(2600)],
    "the first pages at once": [*[TODAY] * 700, *scattered(2000, YEAR)],
    "ever fewer": [TODAY - int(1.006**number * SECOND) for number in range(2500)],
    "ever more": [TODAY - YEAR + int(1.006**number * SECOND) for number in range(2500)],
    "one in the year 1": [*scattered(2000, DAY), -62_135_596_800 * SECOND],
    "one in the year 9999": [*scattered(2000, DAY), 253_402_300_799 * SECOND + 999_999],
    "just a row more than the first pages": [TODAY - number * HOUR for number in range(501)],
}


@pytest.mark.parametrize("order", ["desc", "asc"])
@pytest.mark.parametrize("name", HISTORIES)
def test_the_same_runs_in_the_same_order_with_few_requests_more(name: str, order: str) -> None:
    api = HistoryApi(runs_at(HISTORIES[name]))
    expected = [run.id for run in api.chosen({"order": order})]
    assert fetched(api, order=order) == expected
    assert len(api.queries) <= most_requests(len(expected))


@pytest.mark.parametrize("status", [400, 404, 422, 500, 504])
@pytest.mark.parametrize("refused", [{"to_date"}, {"asc"}, {"to_date", "after"}])
def test_a_server_that_refuses_the_dates_is_read_page_by_page(
    refused: set[str], status: int
) -> None:
    def refuse(api: HistoryApi, number: int, query: dict[str, str]) -> Reply | None:
        return reply(status) if refused <= {*query, query["order"]} else None

    api = HistoryApi(runs_at(HISTORIES["by chance"][:1500]), before_each=refuse)
    assert fetched(api, max_attempts=1) == [run.id for run in api.chosen({"order": "desc"})]


@pytest.mark.parametrize("order", ["desc", "asc"])
@pytest.mark.parametrize("places", [[0], [250], [499], [-1], [0, 1200, -1]])
def test_runs_without_a_date_on_the_first_pages_or_at_the_end(
    places: list[int], order: str
) -> None:
    times = [TODAY - number * HOUR for number in range(1500)]
    if order == "asc":
        times.reverse()
    runs = runs_at(times)
    for place in places:
        old = runs[place]
        runs[place] = make_run(old.id, None, sort_by=old.key[0])
    api = HistoryApi(runs)
    assert fetched(api, order=order) == page_by_page(api, order=order)


@pytest.mark.parametrize("order", ["desc", "asc"])
def test_new_runs_arrive_meanwhile(order: str) -> None:
    def arrive(api: HistoryApi, number: int, query: dict[str, str]) -> None:
        if number < 60:
            with api.lock:
                at = TODAY + number * SECOND
                new = [make_run(f"new{number}-{each}", at) for each in range(30)]
                api.runs = [*api.runs, *new]

    api = HistoryApi(runs_at(HISTORIES["by chance"]), before_each=arrive)  # type: ignore[arg-type]
    known = [run.id for run in api.chosen({"order": order})]
    ids = fetched(api, order=order)
    assert [run_id for run_id in ids if not run_id.startswith("new")] == known
    assert len(ids) == len(set(ids))
    if order == "desc":  # those that came after the first page belong to the next fetch
        assert ids[30:] == known


@pytest.mark.parametrize("order", ["desc", "asc"])
@pytest.mark.parametrize("seed", range(4))
def test_runs_are_deleted_meanwhile(seed: int, order: str) -> None:
    chance = random.Random(seed)

    def delete(api: HistoryApi, number: int, query: dict[str, str]) -> None:
        with api.lock:
            gone = {run.id for run in chance.sample(api.runs, 15)}
            api.runs = [run for run in api.runs if run.id not in gone]

    api = HistoryApi(runs_at(HISTORIES["by chance"][:1500]), before_each=delete)  # type: ignore[arg-type]
    before = [run.id for run in api.chosen({"order": order})]
    ids = fetched(api, order=order)
    assert {run.id for run in api.runs} <= set(ids), "what was there all the time is missing"
    place = {run_id: at for at, run_id in enumerate(before)}
    assert sorted(ids, key=place.__getitem__) == ids
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("order", ["desc", "asc"])
@pytest.mark.parametrize("name", ["by chance", "days of 130 at once"])
def test_the_callers_own_filters_stay(name: str, order: str) -> None:
    times = HISTORIES[name]
    statuses = ("completed", "completed", "completed", "error")
    runs = [
        make_run(f"r{index:05}", at, status=statuses[index % 4]) for index, at in enumerate(times)
    ]
    start, end = sorted(times)[150], sorted(times)[-150]
    for dates in ({"from_date": start}, {"to_date": end}, {"from_date": start, "to_date": end}):
        api = HistoryApi(runs)
        moments = {key: EPOCH + timedelta(microseconds=at) for key, at in dates.items()}
        low, high = dates.get("from_date", -FOREVER), dates.get("to_date", FOREVER)
        expected = [
            run.id
            for run in api.chosen({"order": order, "status": "completed"})
            if run.created is not None and low <= run.created <= high
        ]
        assert fetched(api, order=order, status="completed", **moments) == expected
        assert len(api.queries) <= most_requests(len(expected))
        assert {query["status"] for query in api.queries} == {"completed"}
        if "from_date" in dates:
            assert min(read_iso(query["from_date"]) for query in api.queries) >= low - 3 * SECOND
        if "to_date" in dates:
            assert max(read_iso(query["to_date"]) for query in api.queries) <= high + 3 * SECOND


@pytest.mark.parametrize("number", [0, 1, 100, 499, 500])
def test_up_to_five_pages_are_read_one_after_the_other(number: int) -> None:
    api = HistoryApi(runs_at(HISTORIES["even"][:number]))
    assert len(fetched(api)) == number
    assert len(api.queries) == max(1, -(-number // PAGE))
    assert not any({"from_date", "to_date"} & set(query) for query in api.queries)


@pytest.mark.parametrize("arguments", [{"limit": 1200}, {"after": f"{TODAY - 9 * HOUR}~r00009"}])
def test_a_limit_or_a_cursor_is_read_one_after_the_other(arguments: dict[str, object]) -> None:
    api = HistoryApi(runs_at(HISTORIES["even"][:1500]))
    ids = fetched(api, **arguments)
    everything = [run.id for run in api.chosen({"order": "desc"})]
    assert ids == (everything[:1200] if "limit" in arguments else everything[10:])
    assert not any({"from_date", "to_date"} & set(query) for query in api.queries)


@pytest.mark.parametrize("order", ["desc", "asc"])
@pytest.mark.parametrize("first", [1, 4, 6, 8, 20])
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (reply(500), ra.ServerError),
        (Reply(b"", "reset"), ra.TransportError),
        (reply(401), ra.AuthenticationError),
    ],
)
def test_27_a_failure_can_be_resumed(
    fault: Reply, error: type[ra.RetabAnalysisError], first: int, order: str
) -> None:
    def fail(api: HistoryApi, number: int, query: dict[str, str]) -> Reply | None:
        return fault if number >= first else None

    runs = runs_at(HISTORIES["by chance"][:2200])
    everything = [run.id for run in HistoryApi(runs).chosen({"order": order})]
    with FaultServer([HistoryApi(runs, before_each=fail)]) as server:
        with pytest.raises(error) as caught:
            ra.fetch_runs(order=order, client=client_for(server.url, max_attempts=1))
    partial, cursor = caught.value.partial, caught.value.cursor
    got = partial["run_id"].to_list()
    assert got == everything[: len(got)], "not a gap-free prefix"
    assert len(got) >= PAGE * min(4, first - 1)
    rest = fetched(HistoryApi(runs), order=order, **({"after": cursor} if cursor else {}))
    assert got + rest == everything


@pytest.mark.parametrize("name", ["even", "one a microsecond", "nights of 250 at once"])
def test_bad_runs_are_reported_once_each(name: str) -> None:
    runs = runs_at(HISTORIES[name])
    bad = set(range(5, len(runs), 11))
    for index in bad:
        old = runs[index]
        runs[index] = make_run(old.id, old.created, total_evals="many")
    with FaultServer([HistoryApi(runs)]) as server:
        with pytest.warns(ra.ProblemsWarning, match=f"{len(bad)} runs left out") as caught:
            frame = ra.fetch_runs(client=client_for(server.url), strict=False)
    assert len(caught) == 1
    problems = caught[0].message.problems  # type: ignore[union-attr]
    assert sorted(problems["record_id"]) == sorted(runs[index].id for index in bad)
    good = [run.id for run in HistoryApi(runs).chosen({"order": "desc"})]
    assert frame["run_id"].to_list() == [each for each in good if int(each[1:]) not in bad]


@pytest.mark.parametrize("dates", ["inclusive", "ignored", "cut to days"])
def test_progress_rises_to_the_number_of_runs(dates: str) -> None:
    recorder = Recorder()
    api = HistoryApi(runs_at(HISTORIES["by chance"]), DATES[dates])
    fetched(api, progress=recorder)
    assert recorder.seen == sorted(recorder.seen)
    assert recorder.seen[-1] == len(api.runs)
    assert len(recorder.seen) > 6  # the first pages, and then as they come


CLUSTERS = st.lists(
    st.tuples(
        st.integers(0, YEAR),  # how long ago
        st.sampled_from([0, 1, SECOND, HOUR, 30 * DAY]),  # how wide
        st.integers(1, 700),  # how many
    ),
    min_size=1,
    max_size=6,
)


@examples(25)
@given(CLUSTERS, st.sampled_from(["desc", "asc"]), st.sampled_from(list(DATES)), st.integers(1, 9))
def test_any_history_is_read_as_page_by_page(
    clusters: list[tuple[int, int, int]], order: str, dates: str, workers: int
) -> None:
    chance = random.Random(repr(clusters))
    times = [
        TODAY - ago - (chance.randrange(width) if width else 0)
        for ago, width, number in clusters
        for _ in range(number)
    ]
    api = HistoryApi(runs_at(times), DATES[dates])
    with FaultServer([api]) as server:
        client = client_for(server.url, max_concurrency=workers)
        ids = ra.fetch_runs(order=order, client=client)["run_id"].to_list()
    assert ids == [run.id for run in api.chosen({"order": order})]
    if dates in ("inclusive", "exclusive", "cut to seconds"):
        assert len(api.queries) <= most_requests(len(times)) + workers
