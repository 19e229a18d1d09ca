"""``plan_runs`` and ``qualify``: what to run before money is spent, and which evals to trust."""

from __future__ import annotations

import polars as pl
import pytest
from support.lettered_api import FLOW, LetteredApi, alike

import retab_analysis as ra

RUNS = "POST /v1/workflows/evals/runs"


def planned(api: LetteredApi, **more: float) -> ra.checks.run_plan.RunPlan:
    return ra.plan_runs(FLOW, client=api.client, **more)


def past() -> LetteredApi:
    """Solid evals, a shaky one, one that is broken and one that never passed."""
    rows = {"shaky": "PFPPPPFPPPPPPPFPPPPP", "broken": "P" * 15 + "F" * 5, "gap": "F" * 20}
    return LetteredApi({**rows, **alike(6, "P" * 20)})


def test_what_comes_and_goes_needs_more_runs_and_nothing_is_started() -> None:
    with past() as api:
        plan = planned(api, detect=0.6)
        assert RUNS not in api.asked
    rows = {row["eval_id"]: row for row in plan.frame.iter_rows(named=True)}
    assert rows["fine 0"]["repeats"] == 2
    assert (rows["shaky"]["repeats"] or 6) > 2
    for name in ("broken", "gap"):
        assert (rows[name]["repeats"], rows[name]["why_not"]) == (None, "not passing now")
        assert rows[name]["found"] is None
    enough = plan.frame.drop_nulls("repeats")
    assert (enough["found"] >= 0.8).all()
    assert (enough["found_by_one"] <= 0.6).all()
    assert plan.executions == enough["repeats"].sum()
    ordered = plan.frame["repeats"].drop_nulls()
    assert ordered.to_list() == sorted(ordered)


def test_what_it_costs_and_what_one_run_finds_is_said() -> None:
    with past() as api:
        plan, thin = planned(api, detect=0.9), planned(api, detect=0.3)
    text = str(plan)
    assert "7 evals: 1 run each" in text or "6 evals: 1 run each" in text
    assert f"Together {plan.executions} executions, about" in text
    assert "2 evals left out: not passing now" in text
    assert "No single run" not in text
    assert plan.minutes == pytest.approx(
        plan.frame.select(pl.col("duration_ms_p50") * pl.col("repeats")).sum().item() / 60_000
    )
    assert "5 runs do not suffice, they find it with" in str(thin)
    assert "passes a run with a probability of 0.7." in str(thin)
    assert thin.executions == 0
    assert thin.minutes is None


@pytest.mark.parametrize(
    "given", [{"detect": 0.0}, {"detect": 1.2}, {"power": 1.0}, {"power": "x"}]
)
def test_what_is_no_share_is_refused(given: dict[str, float]) -> None:
    with past() as api, pytest.raises(ra.ConfigError, match="must be a number between 0 and 1"):
        planned(api, **given)


def test_new_evals_are_run_several_times_and_only_they(
    capsys: pytest.CaptureFixture[str],
) -> None:
    reruns = {"shaky": "PFPPF", "gap": "FFFFF", "broken": "PPEPP"}
    with past() as api:
        api.reruns = reruns
        found = ra.qualify(FLOW, ["shaky", "gap", "broken"], client=api.client)
        assert [run.eval_id for run in api.started] == [
            each for each in ("shaky", "gap", "broken") for _ in range(5)
        ]
    said = f"Starting 15 runs of {FLOW}, 3 evals, each 5 times.\n"
    assert capsys.readouterr().err == said
    assert found.select("eval_id", "kind", "outcomes", "failures", "errors", "rate").rows() == [
        ("shaky", "flaky", 5, 2, 0, 0.4),
        ("gap", "never_passed", 5, 5, 0, 1.0),
        ("broken", "steady", 4, 0, 1, 0.0),
    ]
    low, high = found.filter(eval_id="shaky").select("rate_low", "rate_high").row(0)
    assert 0.1 < low < 0.4 < high < 0.8


def test_what_was_never_decided_is_not_trusted() -> None:
    with past() as api:
        api.reruns = {"shaky": "EE"}
        row = ra.qualify(FLOW, "shaky", repeat=2, client=api.client).row(0, named=True)
    assert (row["kind"], row["outcomes"], row["errors"], row["rate"]) == (None, 0, 2, None)
    assert (row["rate_low"], row["rate_high"]) == (None, None)


def test_nothing_is_started_where_an_argument_is_wrong() -> None:
    with past() as api:
        for evals, more in (([], {}), ("shaky", {"repeat": 1}), ("shakey", {})):
            with pytest.raises(ra.ConfigError):
                ra.qualify(FLOW, evals, client=api.client, **more)
        assert RUNS not in api.asked


def test_what_has_no_result_now_is_left_out() -> None:
    with LetteredApi({"gone": "P" * 20 + ".", **alike(3, "P" * 21)}) as api:
        frame = planned(api, detect=0.9).frame
    row = frame.filter(eval_id="gone").row(0, named=True)
    assert (row["repeats"], row["why_not"]) == (None, "without a result now")
    assert frame["repeats"].drop_nulls().to_list() == [1, 1, 1]
