"""Endpoints that fail, each in several ways, over worlds that no whole API calls well."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from itertools import product

import retab_analysis as ra
from support.edited import EXTRACT, made, silent
from support.faultserver import Reply, page, reply
from support.lettered_api import FLOW, HOUR, LetteredApi

ENDPOINTS = {
    "key": "/v1/auth/status",
    "workflow": f"/v1/workflows/{FLOW} ",
    "blocks": "/v1/workflows/blocks?",
    "histories": "/v1/workflows/blocks/",
    "publications": f"/v1/workflows/{FLOW}/published-versions",
    "graphs": "/v1/workflows/versions",
    "evals": "/v1/workflows/evals?",
    "runs": "/v1/workflows/evals/runs",
    "results": "/v1/workflows/evals/results",
}
WAYS = ("403", "404", "500", "HTML", "empty", "half", "slow")
Outage = tuple[str, str]
OUTAGES: list[Outage] = [*product(ENDPOINTS, WAYS)]
AS_DELETED: set[Outage] = {("evals", "half"), ("results", "half")}
"""Together these are the answers of an API after half of the evals were deleted."""


def put_back_and_edited() -> LetteredApi:
    """A, an edit, A put back, and another edit that never ran."""
    return made(codes={"classify": "A", "extract": "AABBAA" + "C"}, published=["AA", "AB"])


def one_ran() -> LetteredApi:
    """An edit was put back, and of another one a single eval ran."""
    api = made(codes={"classify": "A", "extract": "ABABAA" + "C"}, validity=True)
    api.run({EXTRACT[0]: "P"}, scope="E", codes={"extract": "C"}, after=HOUR)
    return api


def saved_again() -> LetteredApi:
    api = made(codes={"classify": "A", "extract": "AABBAA"})
    api.resave(EXTRACT[0], api.runs[-1].at + HOUR, assertion__target__path="total.net")
    return api


def broken() -> LetteredApi:
    """The edit breaks an eval; its old code ran twice before."""
    return made({EXTRACT[0]: "P" * 6 + "FFF"}, {"classify": "A", "extract": "AABBAABBB"})


WORLDS: dict[str, Callable[[], LetteredApi]] = {
    "put back and edited": put_back_and_edited,
    "put back and edited, silent": lambda: silent(put_back_and_edited()),
    "put back and edited, without codes": lambda: _without_codes(put_back_and_edited()),
    "one ran": one_ran,
    "one ran, silent": lambda: silent(one_ran()),
    "an eval was saved again": saved_again,
    "broken": broken,
    "broken, silent": lambda: silent(broken()),
}


def _without_codes(api: LetteredApi) -> LetteredApi:
    api.fingerprints = False
    return silent(api)


def break_down(api: LetteredApi, outages: Iterable[Outage]) -> None:
    """From now on some endpoints fail."""
    for endpoint, way in outages:
        path = ENDPOINTS[endpoint]
        if way == "half":
            piece = "config-history" if endpoint == "histories" else path.rstrip("?")
            api.cut[piece] = 4
        elif way == "slow":
            api.broken[f"GET {path}"] = _wait
        else:
            answers = {"HTML": reply(200, b"<html>"), "empty": reply(200, page([]))}
            api.broken[f"GET {path}"] = answers.get(way) or reply(int(way), {})


def _wait(_: str) -> Reply | None:
    time.sleep(0.01)
    return None


def is_green(world: str, outages: Iterable[Outage] = ()) -> bool:
    """Whether a check of a world holds, while some endpoints fail."""
    api = WORLDS[world]()
    api.max_attempts = 1
    break_down(api, outages)
    with api:
        try:
            return bool(api.check().gate().ok)
        except ra.RetabAnalysisError:
            return False
