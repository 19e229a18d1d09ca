"""Lists: filters and cursors against plain Python, and paging while runs arrive."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from support.inside import parse_instant
from support.sandbox_api import Api, status_of

RUNS = "/v1/workflows/evals/runs"
API = Api()
ALL = API.runs(order="asc")
SINGLE = [run["eval_id"] for run in ALL if run.get("eval_id")]
INSTANTS = [run["timing"]["created_at"] for run in ALL[::17]]


def created(run: dict[str, Any]) -> int:
    instant = parse_instant(run["timing"]["created_at"])
    assert instant is not None
    return instant


def block_of(run: dict[str, Any]) -> str | None:
    return (run.get("target") or {}).get("block_id")


STATES = st.sampled_from(["completed", "cancelled", "error", "queued"])

FILTERS: dict[str, tuple[st.SearchStrategy[Any], Any]] = {
    "workflow_id": (
        st.sampled_from(["wf_invoices", "wf_claims", "wf_nothing"]),
        lambda run, v: run["workflow_id"] == v,
    ),
    "eval_id": (st.sampled_from([*SINGLE, "eval_x"]), lambda run, v: run.get("eval_id") == v),
    "target_block_id": (
        st.sampled_from(["extract_lines", "classify_document", "x"]),
        lambda run, v: block_of(run) == v,
    ),
    "status": (STATES, lambda run, v: status_of(run) == v),
    "exclude_status": (STATES, lambda run, v: status_of(run) != v),
    "trigger_type": (
        st.sampled_from(["schedule", "manual", "api", "restart"]),
        lambda run, v: run["trigger"]["type"] == v,
    ),
    "from_date": (st.sampled_from(INSTANTS), lambda run, v: created(run) >= parse_instant(v)),
    "to_date": (st.sampled_from(INSTANTS), lambda run, v: created(run) <= parse_instant(v)),
}  # fmt: skip

NARROW = st.fixed_dictionaries({}, optional={name: values for name, (values, _) in FILTERS.items()})


@examples(150)
@given(NARROW, st.sampled_from(["asc", "desc"]), st.integers(1, 100))
def test_filters_and_pages(narrow: dict[str, Any], order: str, limit: int) -> None:
    wanted = [
        run["id"] for run in ALL if all(FILTERS[name][1](run, v) for name, v in narrow.items())
    ]
    if order == "desc":
        wanted.reverse()
    pages = list(API.pages(RUNS, **narrow, order=order, limit=limit))
    assert [run["id"] for page in pages for run in page] == wanted
    assert all(len(page) == limit for page in pages[:-1])


@examples(60)
@given(st.sampled_from(["asc", "desc"]), st.integers(1, 60), st.integers(0, 203))
def test_before_is_the_page_in_front(order: str, limit: int, place: int) -> None:
    ids = [run["id"] for run in (ALL if order == "asc" else ALL[::-1])]
    cursor = ids[place]
    page = API.get(RUNS, before=cursor, order=order, limit=limit)
    assert [run["id"] for run in page["data"]] == ids[max(0, place - limit) : place]
    metadata = page["list_metadata"]
    assert metadata["before"] == (ids[place - limit] if place > limit else None)
    assert metadata["after"] == (ids[place - 1] if place else None)
    if metadata["after"]:
        following = API.get(RUNS, after=metadata["after"], order=order, limit=1)
        assert following["data"][0]["id"] == cursor


@pytest.mark.parametrize("form", ["2026-09-01", "2026-09-01T02:00:00+02:00", "2026-09-01 00:00"])
def test_forms_of_a_date(form: str) -> None:
    edge = parse_instant("2026-09-01T00:00:00Z") or 0
    status, page = API.call("GET", RUNS, {"from_date": form, "limit": 100})
    assert status == 200
    wanted = [run["id"] for run in ALL[::-1] if created(run) >= edge][:100]
    assert [run["id"] for run in page["data"]] == wanted


def test_results_in_the_order_of_execution() -> None:
    suites = [run["id"] for run in API.runs(status="completed") if run["total_evals"] > 60]
    suite = suites[0]
    up, down = API.results(suite, order="asc", limit=9), API.results(suite, limit=13)
    assert up == down[::-1]
    starts = [child["timing"]["started_at"] for child in up]
    assert starts == sorted(starts)
    assert [API.get(f"/v1/workflows/evals/results/{c['id']}") for c in up[:5]] == up[:5]


@pytest.mark.parametrize(
    ("path", "query"),
    [
        (RUNS, {}),
        ("/v1/workflows", {}),
        ("/v1/workflows/evals", {"workflow_id": "wf_invoices"}),
        ("/v1/workflows/evals/results", {"run_id": ALL[0]["id"]}),
    ],
)
@pytest.mark.parametrize("direction", ["before", "after"])
def test_an_unknown_cursor(path: str, query: dict[str, str], direction: str) -> None:
    status, document = API.call("GET", path, {**query, direction: "nobody"})
    assert (status, document["detail"]["code"]) == (404, "cursor_not_found")


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_paging_while_runs_arrive_loses_and_doubles_nothing(order: str) -> None:
    api = Api(speed=50)
    there = {run["id"] for run in api.runs()}
    seen: list[str] = []
    for page in api.pages(RUNS, limit=10, order=order):
        seen += [run["id"] for run in page]
        if len(seen) < 200:
            api.create("wf_statements")
            api.clock.forward(3)
    assert len(seen) == len(set(seen))
    assert there <= set(seen)
