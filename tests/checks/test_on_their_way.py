"""Results of runs that have not ended judge nothing, unless these runs were asked for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from support.lettered_api import HOUR, LetteredApi

SUITE = {"broken": "P" * 7 + "FF", "ill": "P" * 8 + "E", "flaky": "PFPPFPPFP"} | {
    f"fine {at}": "P" * 9 for at in range(5)
}
TOLD = ("eval_id", "transition", "p_regressed", "since_run_id", "candidate_n", "candidate_run_id")
# What has ended so far of each scope: where the past passes these fail, and the reverse.
SCOPES = {
    "W": {"broken": "P", "ill": "F", "flaky": "F", "fine 0": "F", "fine 1": "B", "fine 2": "E"},
    "B": {"broken": "P", "fine 0": "F", "fine 1": "F"},
    "E": {"fine 0": "F"},
}


def told(made: Any) -> Any:
    return made.evals.select(TOLD).sort("eval_id")


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("is_edited", [False, True])
def test_a_run_in_flight_judges_nothing_unless_it_was_asked_for(
    scope: str, *, is_edited: bool
) -> None:
    with LetteredApi(SUITE, codes="A" * 9 + "B" * is_edited) as api:
        before = api.check()
        letters = {each: "U" for each in SUITE} | SCOPES[scope]
        its = letters if scope != "E" else SCOPES["E"]
        run = api.run(its, scope=scope, after=HOUR, id="going", looks=0, status="running")
        now = api.check()
        assert told(now).equals(told(before)), "no count, no date, no eval"
        assert now.summary.equals(before.summary)
        assert now.gate().failing == before.gate().failing
        assert "going" not in now.evals["candidate_run_id"].to_list()
        assert "going" not in now.evals["since_run_id"].to_list()
        asked = api.check(candidate="going")
        of_run = asked.evals.drop_nulls("candidate_run_id").filter(candidate_run_id="going")
        assert {*of_run["eval_id"]} >= {*SCOPES[scope]}, "it was asked for"
        run.letters = dict.fromkeys(its, "F")
        run.status = "completed"
        after = api.check()
        assert "going" in after.evals["candidate_run_id"].to_list(), "it has ended"


@pytest.mark.parametrize("is_edited", [False, True])
def test_runs_of_all_scopes_in_flight_at_once(*, is_edited: bool) -> None:
    with LetteredApi(SUITE, codes="A" * 9 + "B" * is_edited) as api:
        before = told(api.check())
        for scope, ended in SCOPES.items():
            its = ended if scope == "E" else {each: "U" for each in SUITE} | ended
            minute = timedelta(minutes=1)
            api.run(its, scope=scope, after=minute, id=f"going {scope}", status="running")
        assert told(api.check()).equals(before)
