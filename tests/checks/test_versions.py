"""Two named versions: all results of their runs and nothing else, in every door."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.inside import Session, inside, main
from support.lettered_api import FLOW, MINUTE, LetteredApi, alike

import retab_analysis as ra

V1, V2 = 5, 3
FINE = alike(7, "P" * (V1 + V2))
THIRD = {"extract": "C"}
AGREED = ("headline", "counts", "gate", "summary")


def world(since: str = "FFF", before: str = "P" * V1, **more: Any) -> LetteredApi:
    """Five runs of v1 and three of v2, which edits the block."""
    settings = {"codes": "A" * V1 + "B", "published": ("A", "B")} | more
    return LetteredApi({"total": before + since, **FINE}, **settings)


def said(made: ra.Comparison) -> dict[str, Any]:
    """What doors have to agree in."""
    found = made.to_dict()
    return {each: found[each] for each in AGREED}


def ask_all(api: LetteredApi, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What ``check``, ``compare_versions`` and the command line say, which is the same."""
    checked = api.check(baseline="v1", candidate="v2")
    found = said(checked)
    compared = ra.compare_versions(FLOW, "v1", "v2", client=api.client, progress=False)
    assert said(compared) == found
    assert checked.evals.equals(compared.evals)
    assert str(checked) == str(compared)
    capsys.readouterr()
    arguments = ["check", FLOW, "--baseline", "v1", "--candidate", "v2", "--json", "--quiet"]
    code = main(arguments, Session(api.client))
    printed = json.loads(capsys.readouterr().out)
    assert code == checked.gate().exit_code
    assert {each: printed[each] for each in AGREED} == {each: found[each] for each in AGREED}
    return found | {"evals": checked.evals.to_dicts()}


@pytest.mark.parametrize(
    ("since", "before", "headline", "code"),
    [
        ("PPP", "P" * V1, "✓ Nothing broke from v1 to v2: 8 of 8 pass", 0),
        ("FFF", "P" * V1, "✗ 1 eval broke from v1 to v2", 1),
        ("PPP", "F" * V1, "✓ 1 eval is fixed from v1 to v2, nothing broke", 0),
    ],
)
def test_104_of_two_named_versions_nothing_else_counts(
    since: str, before: str, headline: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with world(since, before) as api:
        plain = ask_all(api, capsys)
        assert (plain["headline"], plain["gate"]["exit_code"]) == (headline, code)
        # A draft, which ran between their runs and after them, was cancelled, fails and goes on.
        for letters in ("C" * 8, "FFCCCCCC", "F" * 8, "U" * 8):
            api.run(letters, codes=THIRD)
        api.run({"total": "F"}, scope="E", codes=THIRD)
        api.runs[-3].at = api.runs[V1].at + timedelta(minutes=5)
        assert ask_all(api, capsys) == plain


def test_how_the_evals_are_saved_now_says_nothing_of_two_versions(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with world("PPP") as api:
        plain = ask_all(api, capsys)
        api.edit("extract")
        api.change("total", validation_status="invalid")
        assert ask_all(api, capsys) == plain
        assert not api.check().gate().ok


def test_an_archive_gives_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with world() as api, ra.Archive(tmp_path / "runs.sqlite") as archive:
        plain = ask_all(api, capsys)
        assert said(api.check(archive, baseline="v1", candidate="v2")) == said(
            api.check(baseline="v1", candidate="v2")
        )
        assert plain["gate"]["exit_code"] == 1


def test_the_context_names_both_and_how_many_runs_each_has() -> None:
    with world() as api:
        made = api.check(baseline="v1", candidate="v2")
    assert "v1 → v2 · 5 and 3 runs · 7 of 8 pass" in str(made)
    assert "v1 → v2 · 5 and 3 runs · 8 evals" in made.to_markdown()
    assert "Compared 3 runs (v2) with 5 runs (v1) and nothing else." in made.explain()


def test_all_runs_that_say_anything_are_read_and_are_in_the_plan() -> None:
    with world() as api:
        api.run({"total": "P"}, scope="E", after=MINUTE)
        api.run("PPPPPPPP", scope="B", after=MINUTE)
        api.run("C" * 8)
        api.run("U" * 8)
        made = api.check(baseline="v1", candidate="v2")
    whys = dict(made.plan.drop_nulls("run_id").select("run_id", "why").iter_rows())
    assert {run for run, why in whys.items() if why == "checked: all runs of v2"} == {
        f"run_{at}" for at in range(V1, V1 + V2 + 2)
    }
    assert {run for run, why in whys.items() if why == "the baseline: all runs of v1"} == {
        f"run_{at}" for at in range(V1)
    }
    row = made.evals.filter(eval_id="total")
    assert row.select("baseline_n", "candidate_n").row(0) == (5, 5)


def test_either_version_may_have_run_later() -> None:
    with world() as api:
        made = ra.compare_versions(FLOW, "v2", "v1", client=api.client, progress=False)
    assert made.headline == "✓ 1 eval is fixed from v2 to v1, nothing broke"


@pytest.mark.parametrize(
    ("baseline", "candidate", "headline"),
    [
        ("version_A", "published", "from v1 to v2"),
        ("published", "draft", "from v2 to the draft of 8 Apr"),
        ("version_C", "v1", "from the draft of 8 Apr to v1"),
    ],
)
def test_versions_are_called_as_people_call_them(
    baseline: str, candidate: str, headline: str
) -> None:
    with world("PPP", codes="AAAAABBC") as api:
        made = ra.compare_versions(FLOW, baseline, candidate, client=api.client, progress=False)
    assert headline in made.headline


def test_two_drafts_of_one_day_are_called_by_their_ids() -> None:
    with LetteredApi(alike(3, "PPPP"), codes="AABB", scopes="Wwww", published="Z") as api:
        made = api.check(baseline="version_A", candidate="version_B")
    assert "from version_A to version_B" in made.headline


def test_failures_that_a_run_counts_and_nobody_shows_are_no_pass() -> None:
    with world("PPP") as api:
        api.change(api.runs[-1].id, counts__outcome__failed=2)
        made = api.check(baseline="v1", candidate="v2")
    assert not made.gate().ok
    assert not made.headline.startswith("✓")


def test_a_version_that_was_only_cancelled_has_no_result() -> None:
    with LetteredApi(alike(3, "PPPC"), codes="AAAB", published=("A", "B")) as api:
        made = api.check(baseline="v1", candidate="v2")
    assert made.headline == "? extract was edited; its run was cancelled before a result"
    assert made.gate().exit_code == 1


@pytest.mark.parametrize(
    ("baseline", "candidate", "message"),
    [
        ("v1", "v1", "baseline='v1' and the candidate are the same version"),
        ("published", "version_B", "are the same version"),
        ("v1", "v7", "candidate='v7' is not a run or a version .*versions: version_B, version_A"),
        ("v7", "v1", r"baseline='v7' is not a run or a version of this workflow that was run\."),
        ("run_1", "v2", "baseline='run_1' and candidate='v2' do not both name a version"),
        ("v1", "run_7", "do not both name a version"),
        ("previous", "v2", "do not both name a version"),
        ("last_good", "v2", "do not both name a version"),
        ("v1", "", "candidate"),
    ],
)
def test_what_does_not_name_two_versions_is_refused(
    baseline: str, candidate: str, message: str
) -> None:
    with world() as api, pytest.raises(ra.ConfigError, match=message):
        ra.compare_versions(FLOW, baseline, candidate, client=api.client, progress=False)


def test_one_side_named_by_a_version_is_its_newest_run() -> None:
    with world() as api:
        made = api.check(baseline="v1", candidate="run_7")
        assert inside(made).sides.candidate["run_id"].unique().to_list() == ["run_7"]
        assert inside(made).sides.baseline["run_id"].unique().to_list() == ["run_4"]
        assert " to v2" not in made.headline
