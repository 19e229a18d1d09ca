"""Six workflows looked at together, on few groups at a fixed seed; ``shared.py`` has the table."""

from __future__ import annotations

import pytest

from simulation.shared import count_groups

GROUPS, SEED = 25, 3
pytestmark = pytest.mark.study


def test_a_thin_upgrade_is_found_twice_as_often_in_six_workflows_together() -> None:
    counts = count_groups("second", "upgrade", SEED, GROUPS)
    assert counts["planted"] > 100
    assert counts["found together"] >= 2 * counts["found alone"]
    precision = {
        name: counts[f"found {name}"] / counts[f"called {name}"] for name in ("alone", "together")
    }
    assert precision["together"] >= precision["alone"]


@pytest.mark.parametrize("world", ["first", "second"])
@pytest.mark.parametrize("kind", ["same", "benign"])
def test_nothing_is_said_to_have_changed_for_all_where_nothing_did(world: str, kind: str) -> None:
    counts = count_groups(world, kind, SEED, 8)
    assert counts["said"] / counts["groups"] <= 0.2
    assert counts["red together"] <= counts["red alone"] + 0.2 * counts["groups"]
