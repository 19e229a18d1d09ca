"""``gate(since=…)``: what broke before a moment does not fail, and is said."""

from __future__ import annotations

import pickle
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.lettered_api import FLOW, LetteredApi, alike

import retab_analysis as ra

# A run each day from 1 April on; the newest is of 21 April.
FINE = alike(6, "P" * 21)
OLD = "P" * 17 + "FFFF"  # since 18 April
NEW = "P" * 20 + "F"  # since 21 April, by the edit of `mine`
EDITED = {"blocks": {"mine": "mine"}, "codes": {"extract": "A", "mine": "A" * 20 + "B"}}
UNRUN = {"blocks": {"mine": "mine"}, "codes": {"extract": "A", "mine": "A" * 21 + "B"}}


def headline(verdict: ra.Comparison, gate: Any, folder: Path) -> str:
    """The first line of a report, without marks of Markdown."""
    ra.write_report(verdict, folder / "r.md", gate=gate)
    return (folder / "r.md").read_text().splitlines()[0].lstrip("# ").replace("*", "")


@pytest.mark.parametrize(
    ("rows", "settings", "code", "said"),
    [
        ({"old": OLD}, {}, 0, "✓ Nothing new broke: 6 of 7 pass; {old}"),
        ({"old": OLD, "mine": NEW}, EDITED, 1, "✗ 1 eval broke since the edit of mine; {old}"),
        ({"mine": NEW}, EDITED, 1, "✗ 1 eval broke since the edit of mine"),
        ({"old": OLD, "due": "P" * 19 + "EE"}, {}, 1, "✗ 1 eval ended in an error at every run"),
        ({"due": "P" * 17 + "EEEE"}, {}, 0, "✓ Nothing new broke: 6 of 7 pass; 1 error before"),
        # What is undecided or has not run counts, whatever its age.
        ({"old": OLD, "due": NEW}, {}, 2, "? 1 eval may have broken; {old}"),
        ({"old": OLD, "due": "P" * 20 + "E"}, {}, 2, "? 1 eval ended in an error; {old}"),
        ({"old": OLD, "mine": "P" * 21}, UNRUN, 2, "○ mine was edited and has not run yet; {old}"),
        ({"mine": OLD}, UNRUN, 2, "○ mine was edited and has not run yet; {old}"),
        (
            {f"old {at}": OLD for at in range(6)},
            {},
            0,
            "✓ Nothing new broke: 6 of 12 pass; 6 broke",
        ),
    ],
)
def test_an_old_break_does_not_fail_the_gate_and_is_said(
    rows: dict[str, str], settings: dict[str, Any], code: int, said: str, tmp_path: Path
) -> None:
    verdict = LetteredApi({**FINE, **rows}, **settings).check()
    gate = verdict.gate(since="2026-04-20")
    found = headline(verdict, gate, tmp_path)
    assert found.startswith(said.format(old="1 broke before 20 Apr: not counted"))
    assert (gate.exit_code, len(found) <= 100) == (code, True)
    old = {each for each in rows if rows[each] == OLD}
    assert not old & {*gate.failing}
    # The verdict is the same; the gate names what it leaves out.
    assert old <= {*verdict.broken["eval_id"]}
    assert all(any(each in note for note in gate.notes) for each in old)
    assert verdict.gate().exit_code == 1 or not old


def test_a_moment_has_the_names_that_other_calls_give() -> None:
    rows = {**FINE, "old": OLD, "mine": "P" * 21}
    codes = {"extract": "A", "mine": "A" * 17 + "B" * 4}
    api = LetteredApi(rows, blocks={"mine": "mine"}, codes=codes)
    verdict = pickle.loads(pickle.dumps(api.check()))  # it needs no API
    runs = verdict.plan.drop_nulls("run_id").sort("created_at")
    then = datetime(2026, 4, 20, tzinfo=UTC)
    later = [then, then.replace(tzinfo=None), date(2026, 4, 20), "2026-04-20T02:00+02:00"]
    age = datetime.now(UTC) - then
    for since in (*later, age, f"{age.days}d", runs["run_id"][-1]):
        assert verdict.gate(since=since).exit_code == 0, since
    for since in ("2026-04-10", date(2026, 4, 18), "edit of 18 Apr", "18 Apr", runs["run_id"][0]):
        assert verdict.gate(since=since).exit_code == 1, since
    verdict.raise_if_regressed(since=then)
    assert "a break before 20 Apr does not count" in verdict.gate(since=then).rule
    with pytest.raises(ra.RegressionError):
        verdict.raise_if_regressed(since="2026-04-10")


@pytest.mark.parametrize(
    ("since", "told"),
    [
        ("soon", "a version, an edit or a run, got 'soon'"),
        ("v9", "got 'v9'"),
        ("2999-01-01", "since='2999-01-01' is in the future"),
        (5, "since must be a date"),
        (timedelta(days=-1), "since must not be a negative"),
    ],
)
def test_what_names_no_moment_is_refused(since: Any, told: str) -> None:
    verdict = LetteredApi({**FINE, "old": OLD}).check()
    with pytest.raises(ra.ConfigError, match=told):
        verdict.gate(since=since)


def test_frames_know_moments_and_their_runs() -> None:
    with LetteredApi({**FINE, "old": OLD}) as api:
        runs = ra.fetch_runs(FLOW, client=api.client, progress=False)
        results = ra.fetch_results(runs, client=api.client, progress=False)
    newest = results["run_id"] == runs["run_id"][0]
    verdict = ra.compare(results.filter(~newest), results.filter(newest))
    assert verdict.gate(since=runs["run_id"][0]).reasons == verdict.gate().reasons
