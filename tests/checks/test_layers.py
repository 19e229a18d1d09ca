"""Which requests wait for others, and lists that are read by what is known of them."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from support.fakes import KEY
from support.faultserver import Reply, page, reply
from support.inside import Request, Response, StoreServer, inside, kept
from support.lettered_api import FLOW, LetteredApi, alike
from support.sandbox_api import make_store
from support.studied import with_studies

import retab_analysis as ra

EVALS = "GET /v1/workflows/evals?"
RESULTS = "GET /v1/workflows/evals/results?"
RUNS = 12
SIZE = 5
"""The rows of a page."""


@pytest.fixture
def api() -> Iterator[LetteredApi]:
    evals = {"broken": "P" * 9 + "FFF", **alike(18, "P" * RUNS)}
    with LetteredApi(evals, codes="A" * 9 + "BBB", largest_page=SIZE) as made:
        yield made


class Meeting:
    """Gives no answer to some requests before so many of them are under way at once."""

    def __init__(self, api: LetteredApi, number: int, *requests: str) -> None:
        self._seen, self._lock = set[str](), threading.Lock()
        self._number, self._all, self.failed = number, threading.Event(), False
        for each in requests:
            api.broken[each] = self._wait

    def _wait(self, request: str) -> None:
        with self._lock:
            self._seen.add(request.split(" ", 2)[1])
            if len(self._seen) >= self._number:
                self._all.set()
        if not self._all.wait(10):
            self.failed = True

    @property
    def took_place(self) -> bool:
        return self._all.is_set() and not self.failed


def look(api: LetteredApi, client: ra.Client | None = None) -> ra.Comparison:
    """A check by a client that keeps what it read."""
    return ra.check(FLOW, client=client or api.client, progress=False)


def another(api: LetteredApi) -> ra.Client:
    made = ra.Client(KEY, api.client.base_url)
    made._set_time(api.client._source)
    return made


def test_lists_do_not_wait_for_each_other(api: LetteredApi) -> None:
    own = f"GET /v1/workflows/{FLOW}"
    lists = ("GET /v1/workflows/evals/runs?", EVALS, "GET /v1/workflows/blocks?", own)
    meeting = Meeting(api, 5, *lists)
    look(api)
    assert meeting.took_place


def test_histories_come_beside_the_results(api: LetteredApi) -> None:
    """So many results as there are connections are under way with the history."""
    meeting = Meeting(api, 9, RESULTS, "GET /v1/workflows/blocks/extract/config-history")
    look(api)
    assert meeting.took_place


class Watched(StoreServer):
    """The sandbox's world; it notes what it is asked for."""

    asked: list[str]

    def _answer(self, request: Request) -> Response:
        self.asked.append(request.target)
        return super()._answer(request)


def test_an_overview_reads_the_lists_of_all_workflows_first() -> None:
    server = Watched(make_store(), key=KEY)
    server.asked = []
    with server, ra.Client(**server.credentials) as client:
        board = ra.overview(client=client, progress=False)
    asked = server.asked
    results = [
        at for at, each in enumerate(asked) if each.startswith("/v1/workflows/evals/results")
    ]
    saved = [at for at, each in enumerate(asked) if each.startswith("/v1/workflows/evals?")]
    assert max(saved) < min(results)
    flows = board.frame["workflow_id"]
    assert len(saved) == len(flows) == 5
    # The list of workflows is enough, and so are the lists of their runs.
    assert not [each for each in asked if each.removeprefix("/v1/workflows/") in {*flows}]
    assert sum(each.startswith("/v1/workflows/evals/runs") for each in asked) == 5


# The pages of the saved evals


def pages(api: LetteredApi, client: ra.Client) -> list[str | None]:
    """The cursors of the pages of saved evals that a check asks for."""
    found: list[str | None] = []

    def note(request: str) -> None:
        query = dict(parse_qsl(urlsplit(request.split(" ", 2)[1]).query))
        found.append(query.get("after"))

    api.broken[EVALS] = note
    look(api, client)
    del api.broken[EVALS]
    return found


def test_a_second_look_asks_for_the_pages_of_saved_evals_at_once(api: LetteredApi) -> None:
    first = look(api)
    meeting = Meeting(api, 4, EVALS)
    assert look(api).evals.equals(first.evals)
    assert meeting.took_place
    assert len(pages(api, api.client)) == 4


def saved(api: LetteredApi) -> list[str]:
    """The ids of the saved evals, in the order of the list."""
    return [*ra.fetch_evals(FLOW, client=another(api))["eval_id"]]


CHANGES: dict[str, Callable[[LetteredApi], None]] = {
    "none": lambda api: None,
    "one is new, at the beginning": lambda api: api.restore("broken"),
    "one is new, in between": lambda api: api.restore("fine 7"),
    "one is new, at the end": lambda api: api.restore("fine 17"),
    "several are new": lambda api: [api.restore(each) for each in ("broken", "fine 7", "fine 17")],
    "the end of a page is deleted": lambda api: api.remove(saved(api)[SIZE - 1]),
    "the ends of all pages are deleted": lambda api: api.remove(*saved(api)[SIZE - 1 :: SIZE]),
    "one is deleted": lambda api: api.remove("fine 2"),
    "a page is deleted": lambda api: api.remove(*saved(api)[SIZE : 2 * SIZE]),
    "most are deleted": lambda api: api.remove(*saved(api)[2:]),
    "one is deleted, another is new": lambda api: (api.remove("fine 2"), api.restore("fine 7")),
}
OFTEN = ("one is new, at the end", "several are new", "the ends of all pages are deleted")


@pytest.mark.parametrize("what", with_studies(CHANGES, (*OFTEN, [*CHANGES][-1])))
def test_pages_that_do_not_meet_lose_and_double_nothing(api: LetteredApi, what: str) -> None:
    api.remove("broken", "fine 7", "fine 17")
    other = another(api)
    look(api), look(api, other)
    CHANGES[what](api)
    # The other client reads one page after the other.
    for _ in range(2):
        kept.shelves[other].cursors.clear()
        again, usual = look(api), look(api, other)
        told = inside(again).sides.told
        assert told is not None
        assert [*told.timeline.facts.saved["eval_id"]] == saved(api)
        assert again.evals.equals(usual.evals)
        assert (str(again), again.gate()) == (str(usual), usual.gate())
    # What was known is good for the next look, too.
    asked = pages(api, api.client)
    assert len(asked) == len({*asked}) <= -(-len(saved(api)) // SIZE) + 2


@pytest.mark.parametrize("at_first", [True, False])
def test_a_new_eval_costs_one_more_page(api: LetteredApi, *, at_first: bool) -> None:
    new = "broken" if at_first else "fine 7"
    api.remove(new)
    usual = pages(api, api.client)
    api.restore(new)
    # The page that ends before a known one begins, and no other.
    assert [len(pages(api, api.client)) for _ in range(3)] == [len(usual) + 1] * 3


FAULTS = {
    "slow down": reply(429, headers={"Retry-After": "1"}),
    "away": reply(503),
    "a page of HTML": reply(200, b"<html>"),
    "no such cursor": reply(404, {"detail": "no such cursor"}),
    "broken off": reply(body=page([]), length=10_000, then="close"),
}


@pytest.mark.parametrize(
    ("fault", "after"),
    with_studies(product(FAULTS, range(3)), [*zip(FAULTS, (0, 1, 2, 0, 1), strict=True)]),
)
def test_a_page_that_fails_once_is_no_other_answer(
    api: LetteredApi, fault: str, after: int
) -> None:
    first, seen = look(api), itertools.count()

    def fail(request: str) -> Reply | None:
        """Of the pages that a cursor names, one fails."""
        return FAULTS[fault] if "after=" in request and next(seen) == after else None

    api.broken[EVALS] = fail
    for _ in range(2):
        assert look(api).evals.equals(first.evals)
    assert next(seen) > after


def test_a_list_that_breaks_off_is_not_completed_from_memory(api: LetteredApi) -> None:
    look(api)
    api.cut["/v1/workflows/evals"] = 2 * SIZE
    made = look(api)
    assert (made.gate().exit_code, made.headline) == (1, look(api, another(api)).headline)
    api.cut["/v1/workflows/evals"] = 0
    assert look(api).headline == look(api, another(api)).headline


@pytest.mark.parametrize("expire", [True, False])
def test_cursors_of_one_listing_only(api: LetteredApi, *, expire: bool) -> None:
    """Cursors of an earlier listing are refused, or show the list as it was then."""
    listings: list[list[dict[str, Any]]] = []

    def give(request: str) -> Reply:
        query = dict(parse_qsl(urlsplit(request.split(" ", 2)[1]).query))
        begin, _, number = query.get("after", "").partition("@")
        if not begin:
            listings.append([api._eval(each) for each in api._saved()])
        at = int(number or len(listings) - 1)
        if expire and at < len(listings) - 1:
            return reply(400, {"detail": "The cursor has expired"})
        rows, first = listings[at], int(begin or 0)
        end = first + SIZE
        return reply(body=page(rows[first:end], f"{end}@{at}" if end < len(rows) else None))

    api.broken[EVALS] = give
    for gone in ([], ["fine 16"], ["fine 2"], []):
        api.remove(*gone)
        told = inside(look(api)).sides.told
        assert told is not None
        assert [*told.timeline.facts.saved["eval_id"]] == api._saved()


# The results that are kept


def read_again(api: LetteredApi, **how: str) -> list[str]:
    """The runs whose results a check asks for."""
    found: list[str] = []
    api.broken[RESULTS] = lambda request: found.append(
        dict(parse_qsl(urlsplit(request.split(" ", 2)[1]).query))["run_id"]
    )
    ra.check(FLOW, client=api.client, progress=False, **how)
    return sorted({*found}, key=lambda each: int(each.removeprefix("run_")))


def test_what_decides_is_kept_first(api: LetteredApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST_RUNS", 4)
    assert len(read_again(api)) == RUNS
    assert read_again(api) == [f"run_{at}" for at in range(RUNS - 4)]
    read_again(api, baseline="run_2")
    again = read_again(api, baseline="run_2")
    assert len(again) == RUNS - 4
    assert not {"run_2", f"run_{RUNS - 1}"} & {*again}


def test_the_plan_says_which_results_are_not_kept(
    api: LetteredApi, monkeypatch: pytest.MonkeyPatch, archive: ra.Archive
) -> None:
    usual = look(api).plan["why"][-1]
    assert usual == f"{RUNS} runs are listed; the list ends here"
    client = another(api)
    monkeypatch.setattr(kept, "MOST_BYTES", sum(_sizes(api)) // 2)
    for _ in range(2):
        why = look(api, client).plan["why"][-1]
        assert why.startswith(f"{usual}; a client keeps the results of 300 runs, ")
        asked = why.partition("the next check reads ")[2]
        assert 0 < int(asked.removesuffix(" of these runs again")) < RUNS
    monkeypatch.setattr(kept, "MOST_BYTES", 64 * 2**20)
    look(api, client)
    assert look(api, client).plan["why"][-1] == usual
    # An archive has them all.
    assert "keeps" not in api.check(archive=archive).plan["why"][-1]


def _sizes(api: LetteredApi) -> list[int]:
    return [its.size for its in kept.shelves[api.client].runs.values()]
