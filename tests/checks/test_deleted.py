"""Evals that are not saved any more: FAULTS.md 127 and 128, and what is remembered of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.faultserver import Reply, reply
from support.inside import shelves
from support.lettered_api import FLOW, LetteredApi, alike

import retab_analysis as ra

BAD = [f"bad {at}" for at in range(9)]
ONE_EVAL = "GET /v1/workflows/evals/"


def world(number: int = 9, **more: Any) -> LetteredApi:
    """So many evals that the edit before the seventh run broke, and nine that pass."""
    evals = {**alike(number, "P" * 6 + "FFF", "bad"), **alike(9, "P" * 9)}
    return LetteredApi(evals, codes="A" * 6 + "BBB", **more)


def count_asked(api: LetteredApi) -> int:
    """How many saved evals were asked for by their ids since the last count."""
    lists = (f"{ONE_EVAL}runs", f"{ONE_EVAL}results")
    asked = [e for e in api.asked if e.startswith(ONE_EVAL) and not e.startswith(lists)]
    api.asked.clear()
    return len(asked)


def look(api: LetteredApi) -> ra.Comparison:
    """A check of a client that keeps what it read."""
    return ra.check(FLOW, client=api.client, progress=False)


def test_127_a_deleted_eval_is_out_of_the_gate_at_once() -> None:
    with world(1) as api:
        assert api.check().gate().exit_code == 1
        api.remove("bad 0", "fine 0")
        made = api.check()
        assert (made.headline, made.gate().exit_code) == ("✓ Nothing broke: 8 of 8 pass", 0)
        said = "2 evals were deleted (1 was broken; last run 9 Apr): bad 0, fine 0."
        assert made.gate().notes == (said,)
        assert str(made).count(said) == made.to_html().count(said) == 1
        assert "8 evals" in made.to_html()
        assert {*made.removed["eval_id"]} == {"bad 0", "fine 0"}
        assert "deleted; it was broken; last run 9 Apr" in made.explain("bad 0")
        assert ra.overview(client=api.client, progress=False).frame["n_evals"][0] == 8
        # The next whole run changes nothing of what is known.
        api.run({f"fine {at}": "P" for at in range(1, 9)})
        made = api.check()
        assert made.gate().notes == (said,)
        assert made.gate().ok
        assert said not in str(made)


@pytest.mark.parametrize("remembers", ["nobody", "the client", "an archive"])
def test_127_their_results_are_gone_too(remembers: str, archive: ra.Archive) -> None:
    """Without any memory of it nobody can tell a deleted eval from a lost failure."""
    with world() as api:
        known = archive if remembers == "an archive" else None
        assert api.check(archive=known).gate().exit_code == 1
        if remembers == "nobody":
            shelves.pop(api.client)
        api.remove(*BAD, with_results=True)
        made = look(api) if known is None else api.check(archive=known)
        gate = made.gate()
        assert "missing" not in made.headline
        assert not gate.reasons
        if remembers == "nobody":
            assert gate.exit_code == 2
            assert made.headline.startswith("? 9 failures of the run are not there any more")
            api.run({f"fine {at}": "P" for at in range(9)})
            assert api.check().gate().ok
        else:
            assert made.headline == "✓ Nothing broke: 9 of 9 pass"
            said = "9 evals were deleted (9 were broken; last run 9 Apr): bad 0, bad 1, bad 2 and"
            assert gate.notes[0].startswith(said)
            assert {*made.removed["eval_name"]} == {*BAD}


def test_127_results_that_only_the_newest_run_lacks_are_of_deleted_evals() -> None:
    with world() as api:
        api.remove(*BAD)
        api.runs[-1].results = [each for each in api.runs[-1].letters if each not in BAD]
        assert api.check().gate().ok
        api.run({f"fine {at}": "P" for at in range(9)})
        counts = {"failed": 1, "passed": 9}
        api.change(
            "run_9", total_evals=10, **{f"counts__outcome__{k}": n for k, n in counts.items()}
        )
        assert api.check().gate().exit_code == 2, "they were deleted before this run"


@pytest.mark.parametrize(
    "answer", [None, reply(200, b"<html>"), reply(403, {}), reply(500, {})], ids=str
)
def test_128_the_list_of_saved_evals_is_not_whole(answer: Reply | None) -> None:
    """It lacks evals, and of one the API does not say that it is gone."""
    api = LetteredApi(alike(9, "P" * 9), max_attempts=1)
    with api:
        if answer is None:
            api.cut["/v1/workflows/evals"] = 4
        else:
            api.remove("fine 4")
            api.broken[f"{ONE_EVAL}fine%204"] = answer
        made = api.check()
        gate = made.gate()
        assert (gate.exit_code, gate.doubt) == (2, "the list of saved evals is not whole")
        assert made.headline.startswith("? The list of saved evals is not whole")
        assert made.removed.is_empty()
    with world() as api:
        api.cut["/v1/workflows/evals"] = 0
        assert api.check().gate().exit_code == 1, "broken, and nowhere deleted"


def test_ten_are_asked_for_at_a_look() -> None:
    with LetteredApi(alike(20, "P" * 9)) as api:
        api.remove(*(f"fine {at}" for at in range(15)))
        made = look(api)
        assert count_asked(api) == 10
        assert made.headline == "? 5 evals may have been deleted; nothing else broke"
        assert made.gate().exit_code == 2
        made = look(api)
        assert count_asked(api) == 5
        assert made.gate().ok
        assert made.removed.height == 15
        assert look(api).gate().ok
        assert count_asked(api) == 0
        # A whole run tells, too: it has each eval that was saved.
        api.run({f"fine {at}": "P" for at in range(15, 20)})
        assert api.check().gate().ok
        assert count_asked(api) == 10


def test_an_eval_with_the_name_of_a_deleted_one_is_new(tmp_path: Path) -> None:
    evals = {"old": "P" * 6 + "FFF", **alike(9, "P" * 9), "young": ""}
    names = {"old": "total", "young": "total"}
    with LetteredApi(evals, names=names, codes="A" * 6 + "BBB") as api:
        api.remove("young")
        look(api)
        api.remove("old")
        api.restore("young")
        told = look(api).evals.filter(eval_id="young").row(0, named=True)
        said = "an eval of this name was deleted on 9 Apr, broken"
        assert (told["transition"], told["reason"]) == ("stale", f"never run; {said}")
        api.run({"young": "F", **{f"fine {at}": "P" for at in range(9)}})
        made = look(api)
        told = made.evals.filter(eval_id="young").row(0, named=True)
        said = "no earlier result; failed now; an eval of this name was deleted since 9 Apr, broken"
        assert (told["transition"], told["reason"]) == ("added", said)
        assert made.explain("total").startswith("total (young)")
        made = made.accept(tmp_path / "accepted.toml", ["total"], reason="known")
        assert made.gate().accepted == ("young",)
