"""A check without histories or publications: FAULTS.md 91. The requests are counted."""

from __future__ import annotations

import pytest
from support.faultserver import reply
from support.lettered_api import FLOW, LetteredApi, alike

BLOCKS = {"total": "extract", "kind": "classify", "parts": "split", **alike(3, "extract")}
CODES = {"extract": "A" * 9 + "B", "classify": "A" * 9 + "B", "split": "A" * 9 + "B"}
HISTORIES = [f"GET /v1/workflows/blocks/{each}/config-history" for each in CODES]
PUBLICATIONS = f"GET /v1/workflows/{FLOW}/published-versions"
BROKE = dict.fromkeys(("total", "kind", "parts"), "P" * 9 + "F") | alike(3, "P" * 10)


@pytest.mark.parametrize(
    ("status", "times"), [(403, 1), (404, 1), (405, 1), (501, 1), (500, 2), (503, 2)]
)
def test_91_what_is_not_available_is_asked_once_a_check(status: int, times: int) -> None:
    with LetteredApi(BROKE, CODES, blocks=BLOCKS, published="A", max_attempts=5) as api:
        usual = api.check()
        for each in (*HISTORIES, PUBLICATIONS):
            api.broken[each] = reply(status)
        api.asked.clear()
        verdict = api.check()
        assert sum(each in HISTORIES for each in api.asked) == times
        assert sum(each == PUBLICATIONS for each in api.asked) == times
        assert (
            {*verdict.broken["eval_id"]} == {*usual.broken["eval_id"]} == {"total", "kind", "parts"}
        )
