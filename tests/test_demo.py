from __future__ import annotations

import pytest

import retab_analysis as ra


def test_demo_is_the_default_of_everything() -> None:
    sandbox = ra.demo(speed=50)
    client = ra.Client(**sandbox.credentials, max_attempts=1)
    try:
        assert ra.fetch_runs("wf_invoices", limit=3).height == 3
        assert "wf_invoices" in ra.fetch_workflows()["workflow_id"]
    finally:
        sandbox.stop()
    with pytest.raises(ra.TransportError, match="refused"):
        ra.fetch_runs(client=client)


def test_demo_again_replaces_the_one_before() -> None:
    first = ra.demo(seed=1)
    client = ra.Client(**first.credentials, max_attempts=1)
    second = ra.demo(seed=2)
    try:
        assert client.base_url != second.base_url
        assert ra.fetch_runs(limit=1).height == 1
        with pytest.raises(ra.TransportError):
            ra.fetch_runs(client=client)
    finally:
        second.stop()


@pytest.mark.parametrize("speed", [0, -1, float("nan")])
def test_an_impossible_speed_leaves_the_one_before(speed: float) -> None:
    sandbox = ra.demo()
    try:
        with pytest.raises(ValueError, match="speed"):
            ra.demo(speed=speed)
        assert ra.fetch_runs(limit=1).height == 1
    finally:
        sandbox.stop()
