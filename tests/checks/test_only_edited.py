"""What ``check`` says after a run of what was edited alone: the gate keeps all the rest."""

from __future__ import annotations

import warnings
from typing import Any

import polars as pl
import pytest
from support.lettered_api import LetteredApi

import retab_analysis as ra

P = "P" * 20
EVALS = {f"{block} {at}": P for block in ("classify", "extract", "split") for at in range(4)}
OF_BLOCK = {each: each.split()[0] for each in EVALS}
EDITED = {"classify": "A", "extract": "A" * 20 + "B", "split": "A"}


def made(evals: dict[str, str] | None = None, **settings: Any) -> LetteredApi:
    return LetteredApi({**EVALS, **(evals or {})}, blocks=OF_BLOCK, **{"codes": EDITED} | settings)


def run_edited(api: LetteredApi, **more: Any) -> pl.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ra.ProblemsWarning)
        started = ra.start_runs(api.flow, only="edited", client=api.client, **more)
    return ra.wait_for_runs(started, client=api.client)


def test_what_was_broken_elsewhere_stays_in_the_gate_and_nothing_is_missing() -> None:
    broken = {"split 0": "P" * 15 + "F" * 5}
    with made(broken, reruns={"extract 0": "F", "extract 1": "F"}) as api:
        runs = run_edited(api)
        assert runs["total_evals"].to_list() == [4]
        own, newest = api.check(candidate=runs), api.check()
        # The newest run of the whole workflow is older than the edit.
        for verdict in (own, newest):
            assert sorted(verdict.gate().failing) == ["extract 0", "extract 1", "split 0"]
            assert verdict.summary["incomplete"].item() == 0
            causes = dict(verdict.broken.select("eval_id", "cause").iter_rows())
            assert causes == {"extract 0": "edit", "extract 1": "edit", "split 0": "drift"}
        assert sorted(own.evals["eval_id"]) == [*(f"extract {at}" for at in range(4)), "split 0"]
        assert newest.evals.height == len(EVALS)
        assert run_edited(api).is_empty()
        assert api.check().gate() == newest.gate()


@pytest.mark.parametrize("weeks", [0, 3])
def test_what_broke_in_a_block_stays_however_often_another_one_is_edited(weeks: int) -> None:
    """Only a run of its block showed it, and each edit gives the draft another name."""
    codes = {
        **EDITED,
        "extract": "A" * 20 + "BCDEFGHIJKLMNOPQRSTUVWXYZ" * 3,
        "split": "A" * 20 + "B",
    }
    with made(codes=codes) as api:
        api.run({"split 0": "F", "split 1": "F", "split 2": "P", "split 3": "P"}, scope="B")
        for _ in range(14 + 10 * weeks):
            newest = api.run({f"extract {at}": "P" for at in range(4)}, scope="B")
        verdict = api.check(candidate=newest.id)
        assert sorted(verdict.gate().failing) == ["split 0", "split 1"]
        api.run({f"split {at}": "P" for at in range(4)}, scope="B")
        newest = api.run({f"extract {at}": "P" for at in range(4)}, scope="B")
        assert api.check(candidate=newest.id).gate().ok
