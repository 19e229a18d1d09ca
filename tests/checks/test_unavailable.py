"""A check while endpoints fail: FAULTS.md 91, where the requests are counted, and 125."""

from __future__ import annotations

from random import Random

import pytest
from support.faultserver import reply
from support.lettered_api import FLOW, LetteredApi, alike
from support.outages import OUTAGES, WORLDS, is_green
from support.studied import with_studies

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


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("number", with_studies([3, len(OUTAGES)], [3]))
def test_125_no_outage_makes_a_world_green(world: str, number: int) -> None:
    """A code came back in them, and something did not run as it is now, or is broken."""
    assert not is_green(world)
    green = [each for each in Random(world).sample(OUTAGES, number) if is_green(world, [each])]
    assert not green
