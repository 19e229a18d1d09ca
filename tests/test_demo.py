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


@pytest.mark.parametrize("again", [False, True])
def test_72_after_its_stop_the_next_call_says_so_at_once(again: bool) -> None:
    sandbox = ra.demo()
    sandbox.stop()
    if again:
        sandbox.start()
    try:
        for call in (
            lambda: ra.fetch_runs(),
            lambda: ra.watch("r"),
            lambda: ra.explore("wf_invoices"),
        ):
            with pytest.raises(
                ra.ConfigError, match=r"demo\(\) started was stopped: call demo\(\)"
            ):
                call()
    finally:
        sandbox.stop()


def test_72_another_default_is_used_after_a_demo_was_stopped() -> None:
    ra.demo().stop()
    with ra.Sandbox() as other:
        ra.use(ra.Client(**other.credentials))
        assert ra.fetch_runs(limit=1).height == 1
    ra.use(None)
    with pytest.raises(ra.ConfigError, match="no API key"):
        ra.fetch_runs()


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
