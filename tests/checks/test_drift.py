"""What changed for all workflows, found by ``overview(history=…)`` over a real server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import polars as pl
import pytest
from support.documents import workflow_document
from support.fakes import client_for
from support.faultserver import FaultServer, Reply, page, reply
from support.inside import DRIFT, OVERVIEW, Overview
from support.lettered_api import DAY, FIRST, HOUR, LetteredApi

import retab_analysis as ra

FLOWS = ("invoices", "claims", "contracts")
BLOCKS = ("extract", "classify", "split")


class Provider:
    """Several lettered workflows behind one address.

    Each has three blocks of evals that pass in ten runs. Then come the letters of ``tails``, by the
    number of the eval in its block, and ``fine`` for the others. The last ``shaky`` ones of each
    block failed now and then.
    """

    def __init__(
        self,
        tails: Mapping[int, str],
        fine: str,
        *,
        evals: int = 20,
        shaky: int = 0,
        codes: str = "A",
    ) -> None:
        self.apis: list[LetteredApi] = []
        self.asked: list[str] = []
        past = ["PPPPPPPPPP"] * (evals - shaky)
        past += ["PFPPFPPPFP"[at:] + "PFPPFPPPFP"[:at] for at in range(shaky)]
        for hours, flow in enumerate(FLOWS):
            places = [(block, at) for block in BLOCKS for at in range(evals)]
            api = LetteredApi(
                {f"{flow} {block} {at}": past[at] + tails.get(at, fine) for block, at in places},
                blocks={f"{flow} {block} {at}": block for block, at in places},
                codes=codes,
                flow=flow,
            )
            for run in api.runs:
                run.id = f"{flow}_{run.id}"
                run.at += hours * HOUR
            self.apis.append(api)

    def __call__(self, request: str) -> Reply:
        self.asked.append(request.split(" ", 2)[1])
        if request.startswith("GET /v1/workflows?"):
            return reply(200, page([workflow_document(flow, name=flow) for flow in FLOWS], None))
        line = request.split("\r\n", 1)[0]
        # A run's id begins with that of its workflow.
        (api,) = (each for each in self.apis if f"={each.flow}" in line)
        return api(request)


@contextmanager
def look(provider: Provider, history: int = 10, *workflows: str) -> Iterator[Overview]:
    with FaultServer([provider]) as server:
        yield ra.overview(
            workflows or None, history=history, client=client_for(server.url), progress=False
        )


def test_what_fails_from_then_on_in_every_workflow_is_something_that_changed_for_all() -> None:
    with look(Provider({0: "FF"}, "PP")) as board:
        pass
    assert board.drift.schema == DRIFT
    assert board.drift["eval_id"].sort().to_list() == sorted(
        f"{flow} {block} 0" for flow in FLOWS for block in BLOCKS
    )
    found = board.drift.filter(eval_id="claims split 0").row(0, named=True)
    assert (found["workflow_id"], found["block_id"]) == ("claims", "split")
    assert found["since_run_id"] == "claims_run_10"
    assert found["since_at"] == FIRST + 10 * DAY + HOUR
    assert 0.5 <= found["p"] <= 1
    assert board.changed.startswith("Between 10 Apr 2026 and 11 Apr 2026 something changed for all")
    assert "9 evals of 3 workflows, none of them edited" in board.changed
    assert "bad hour" not in board.changed
    assert repr(board).startswith(board.changed)
    assert board.changed in board._repr_html_()


def check_alone(api: LetteredApi) -> pl.DataFrame:
    with api:
        return api.check().broken


def test_together_they_say_what_none_says_alone() -> None:
    tails = {0: "F", 1: "F"}
    provider = Provider(tails, "P", evals=60, shaky=8)
    with look(provider) as board:
        pass
    assert all(check_alone(api).is_empty() for api in provider.apis)
    assert board.drift.height == len(FLOWS) * len(BLOCKS) * len(tails)
    # All of it was seen in one run of each workflow, within three hours.
    assert board.changed.endswith(
        "A bad hour of the provider looks much the same: the next runs tell."
    )


@pytest.mark.parametrize(
    ("tails", "fine", "more"),
    [
        ({}, "PP", {}),
        ({0: "FP"}, "PP", {}),  # it passed again
        ({0: "FF"}, "PP", {"codes": "A" * 10 + "B"}),  # everything was edited just then
    ],
)
def test_nothing_is_said_where_nothing_changed_for_all(
    tails: dict[int, str], fine: str, more: dict[str, Any]
) -> None:
    with look(Provider(tails, fine, **more)) as board:
        pass
    assert board.drift.equals(DRIFT.to_frame())
    assert board.changed == ""


def test_what_broke_in_one_workflow_is_not_something_that_changed_for_all() -> None:
    provider = Provider({}, "PP")
    only = provider.apis[0]
    for run in only.runs[10:]:
        run.letters |= {name: "F" for name in run.letters if name.endswith((" 0", " 1", " 2"))}
    with look(provider) as board:
        assert board.drift.is_empty()
    with look(Provider({0: "FF"}, "PP"), 10, "claims") as board:
        assert board.drift.is_empty()


def test_without_history_no_result_is_read_and_the_frame_is_the_same() -> None:
    provider = Provider({0: "FF"}, "PP")
    with look(provider, history=0) as plain:
        asked = list(provider.asked)
    assert not [each for each in asked if "/results" in each]
    assert len(asked) == 1 + 2 * len(FLOWS)
    assert plain.drift.equals(DRIFT.to_frame())
    with look(provider) as board:
        assert board.frame.equals(plain.frame)
        assert board.frame.schema == OVERVIEW


def test_a_workflow_whose_results_cannot_be_read_leaves_the_frame() -> None:
    provider = Provider({}, "P")
    provider.apis[1].broken["GET /v1/workflows/evals/results"] = reply(403, {"detail": "no"})
    with pytest.raises(ra.PermissionDeniedError) as caught, look(provider):
        pass
    assert caught.value.partial is not None
    assert set(caught.value.partial["workflow_id"]) == set(FLOWS)


@pytest.mark.parametrize("history", [-1, 1.5, True, "10"])
def test_history_is_a_whole_number(history: Any) -> None:
    with pytest.raises(ra.ConfigError, match="history must be a whole number of at least 0"):
        ra.overview(history=history)


def test_progress_counts_each_workflow_twice() -> None:
    told: list[tuple[int, int | None]] = []

    class Told:
        def update(self, done: int, total: int | None = None, note: str = "") -> None:
            told.append((done, total))

        def close(self) -> None:
            told.append((-1, None))

    with FaultServer([Provider({}, "P")]) as server:
        ra.overview(history=10, client=client_for(server.url), progress=Told())
    assert told[-2:] == [(6, 6), (-1, None)]
    assert {total for _, total in told[:-1]} == {6}
