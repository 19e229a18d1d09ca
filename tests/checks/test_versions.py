"""Two versions: results on the code of either, whatever run they are of, in every door."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.doors import ask_command_line, ask_pytest
from support.faultserver import Reply, page, reply
from support.inside import Session, StoreServer, inside, main
from support.lettered_api import DAY, FLOW, HOUR, MINUTE, LetteredApi, alike
from support.sandbox_api import KEY, Clock, make_store, plan_world
from support.situations import Situation
from support.watched import WatchedSandbox

import retab_analysis as ra

V1, V2 = 5, 3
FINE = alike(7, "P" * (V1 + V2))
THIRD = {"extract": "C"}
AGREED = ("headline", "counts", "gate", "summary")
DEMO, EDITED = "wf_invoices", "extract_lines"


def world(since: str = "FFF", before: str = "P" * V1, **more: Any) -> LetteredApi:
    """Five runs of v1 and three of v2, which edits the block."""
    settings = {"codes": "A" * V1 + "B", "published": ("A", "B")} | more
    return LetteredApi({"total": before + since, **FINE}, **settings)


def two_blocks(one: str = "PPPPPFFF", two: str = "PPPPPPPP", **more: Any) -> LetteredApi:
    """Two blocks, of which v2 edits the first."""
    evals = {"one": alike(4, one, "one"), "two": alike(4, two, "two")}
    blocks = {each: block for block, its in evals.items() for each in its}
    codes = {"one": "A" * V1 + "B", "two": "A"}
    settings = {"blocks": blocks, "published": ("AA", "BA"), "published_after": HOUR} | more
    return LetteredApi(evals["one"] | evals["two"], codes, **settings)


def said(made: ra.Comparison) -> dict[str, Any]:
    """What doors have to agree in."""
    found = made.to_dict()
    return {each: found[each] for each in AGREED}


def ask_both(
    api: LetteredApi,
    capsys: pytest.CaptureFixture[str],
    baseline: str = "v1",
    candidate: str = "v2",
) -> dict[str, Any]:
    """What ``check`` and the command line say, which is the same."""
    checked = api.check(baseline=baseline, candidate=candidate)
    found = said(checked)
    capsys.readouterr()
    names = ["--baseline", baseline, "--candidate", candidate]
    code = main(["check", FLOW, *names, "--json", "--quiet"], Session(api.client))
    printed = json.loads(capsys.readouterr().out)
    assert code == checked.gate().exit_code
    assert {each: printed[each] for each in AGREED} == {each: found[each] for each in AGREED}
    return found | {"evals": checked.evals.to_dicts()}


# What counts


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
        plain = ask_both(api, capsys)
        assert (plain["headline"], plain["gate"]["exit_code"]) == (headline, code)
        # A draft, which ran between their runs and after them, was cancelled, fails and goes on.
        for letters in ("C" * 8, "FFCCCCCC", "F" * 8, "U" * 8):
            api.run(letters, codes=THIRD)
        api.run({"total": "F"}, scope="E", codes=THIRD)
        api.runs[-3].at = api.runs[V1].at + timedelta(minutes=5)
        assert ask_both(api, capsys) == plain


def test_how_the_evals_are_saved_now_says_nothing_of_two_versions(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with world("PPP") as api:
        plain = ask_both(api, capsys)
        api.edit("extract")
        api.change("total", validation_status="invalid")
        assert ask_both(api, capsys) == plain
        assert not api.check().gate().ok


def test_an_archive_gives_the_same(tmp_path: Path) -> None:
    with world() as api, ra.Archive(tmp_path / "runs.sqlite") as archive:
        for names in (("v1", "v2"), ("v1", None), ("previous", None), ("v1", "draft")):
            asked = dict(zip(("baseline", "candidate"), names, strict=True))
            assert said(api.check(archive, **asked)) == said(api.check(**asked))


def test_a_result_counts_for_its_code_whatever_run_it_is_of() -> None:
    """Runs of the block, of an eval, and of a draft that has the code of v1 again."""
    with world() as api:
        api.run({"total": "P"}, scope="E", after=MINUTE)
        api.run("PPPPPPPP", scope="B", after=MINUTE)
        api.run("PPPPPPPP", codes={"extract": "A"})
        made = api.check(baseline="v1", candidate="v2")
    row = made.evals.filter(eval_id="total")
    assert row.select("baseline_n", "candidate_n").row(0) == (V1 + 1, V2 + 2)
    assert "v2 by 5 runs" in str(made)
    assert "v1 by 6 runs" in str(made)
    sides = inside(made).sides
    assert sides.candidate.join(sides.baseline, on="result_id", how="semi").is_empty()


def test_either_version_may_have_run_later() -> None:
    with world() as api:
        made = api.check(baseline="v2", candidate="v1")
    assert made.headline == "✓ 1 eval is fixed from v2 to v1, nothing broke"


def test_failures_that_a_run_counts_and_nobody_shows_are_no_pass() -> None:
    with world("PPP") as api:
        api.change(api.runs[-1].id, counts__outcome__failed=2)
        made = api.check(baseline="v1", candidate="v2")
    assert not made.gate().ok
    assert not made.headline.startswith("✓")


def test_a_run_may_be_held_against_a_version() -> None:
    with world() as api:
        made = api.check(baseline="v1", candidate="run_7")
    assert made.headline == "✗ 1 eval broke from v1 to the run"
    assert inside(made).sides.candidate["run_id"].unique().to_list() == ["run_7"]


# The same code


def test_evals_of_the_same_code_are_rows_and_count_nowhere() -> None:
    with two_blocks("PPPPPPPP", "PPPPPPPF") as api:
        made = api.check(baseline="v1", candidate="draft")
        with pytest.raises(ra.ConfigError, match="fail_on: 'same_code' is not one of"):
            made.gate(fail_on="same_code")
    assert made.headline == "✓ Nothing broke from v1 to the draft: 4 of 4 pass"
    assert made.to_dict()["counts"] == {"pass_as_before": 4, "same_code": 4}
    assert made.evals.filter(transition="same_code").height == 4
    assert made.gate(min_pass_rate=1.0).ok
    assert "4 evals of 1 block have the same code in v1 and the draft; 4 of them fail" in str(made)
    assert made.summary["n_evals"].item() == 4
    assert made.next_step is None


def test_what_never_ran_on_a_version_is_said_once() -> None:
    with two_blocks(".....PPP") as api:
        made = api.check(baseline="v1")
    assert made.evals.filter(transition="not_comparable").height == 4
    assert str(made).count("4 evals never ran on v1") == 1
    assert made.gate().exit_code == 2


def test_two_versions_with_the_same_code() -> None:
    with world("PPP") as api:
        made = api.check(baseline="v2", candidate="draft")
        assert made.headline == "✓ Same code: v2 and the draft do not differ (8 evals)"
        assert made.gate().exit_code == 0
        assert api.check(baseline="v2").headline == made.headline
        dated = api.check(baseline="v1", candidate="2026-04-03")
    assert dated.headline.startswith("✓ Same code: v1 and the code of 2026-04-03")


def test_a_version_that_was_only_cancelled_has_no_result() -> None:
    with LetteredApi(alike(3, "PPPC"), codes="AAAB", published=("A", "B")) as api:
        made = api.check(baseline="v1", candidate="v2")
    assert made.headline == "○ Nothing to compare: 3 evals never ran on one of v1 and v2"
    assert made.gate().exit_code == 2


# What cannot be known


@pytest.mark.parametrize("pair", [("v1", "v2"), ("v1", None), ("v1", "draft"), ("previous", None)])
@pytest.mark.parametrize("since", ["FFF", "PPP"])
def test_113_without_a_proof_nothing_is_the_same(pair: tuple[str, str | None], since: str) -> None:
    """No fingerprints, no histories, no graphs."""
    with world(since, history=False, fingerprints=False) as api:
        api.broken["GET /v1/workflows/versions"] = reply(404)
        made = api.check(baseline=pair[0], candidate=pair[1])
    assert made.headline.startswith("○ It is not known whether ")
    assert made.gate().exit_code == 2


# An era without a beginning and an end.
ENDLESS = page([{"id": None, "config_snapshot": {}, "first_seen_at": None, "last_seen_at": None}])


@pytest.mark.parametrize(
    ("answer", "asked"),
    [(reply(500), 2), (reply(404), 1), (reply(403), 1), (reply(405), 1), (reply(200, ENDLESS), 2)],
)
def test_114_a_history_that_fails_is_none(answer: Reply, asked: int) -> None:
    """The first block's is asked again once, and then no block's."""
    with two_blocks(max_attempts=2) as api:
        api.broken["GET /v1/workflows/blocks/"] = answer
        made = api.check(baseline="v1")
        assert sum(each.endswith("config-history") for each in api.asked) <= asked
    assert (made.headline, made.gate().exit_code) == ("✗ 4 evals broke from v1 to v2", 1)


def test_114_half_a_history() -> None:
    """Its newest era alone, without a cursor to more."""
    with two_blocks() as api:
        api.cut["config-history"] = 1
        made = api.check(baseline="v1")
    assert made.headline == "○ It is not known whether v1 and v2 differ"


# Names


@pytest.mark.parametrize(
    ("baseline", "candidate", "message"),
    [
        *(
            (
                name,
                None,
                rf"baseline='{name}': there is no such .*v2 \(6 Apr\), v1 \(1 Apr\);.*run_7",
            )
            for name in ("v9", "9", "ver_nothing")
        ),
        ("v1", "v7", "candidate='v7': there is no such"),
        ("2031-01-01", None, "in the future; it is 2026-04-08"),
        ("2020-01-01", None, "nothing had run then; the first listed run is of 1 Apr 2026"),
        ("v1", "previous", "only a baseline can be the previous code"),
        ("v1", "1", "are the same version; name two"),
        ("published", "version_B", "are the same version; name two"),
        ("draft", None, "are the same version; name two"),
        ("draft", date(2026, 4, 8), "are the same version; name two"),
        ("v1", "", "candidate is empty"),
    ],
)
def test_what_does_not_name_two_versions_is_refused(
    baseline: str, candidate: Any, message: str
) -> None:
    with world() as api, pytest.raises(ra.ConfigError, match=message):
        api.check(baseline=baseline, candidate=candidate)


@pytest.mark.parametrize(
    ("baseline", "candidate", "names"),
    [
        ("version_A", "published", ("v1", "v2")),
        ("1", "V2", ("v1", "v2")),
        ("production", "draft", ("v2", "the draft")),
        ("version_C", "v1", ("the edit of 8 Apr", "v1")),
        ("2026-04-03", "v2", ("v1", "v2")),
        (date(2026, 4, 3), None, ("v1", "the edit of 8 Apr")),
        ("previous", "draft", ("v2", "the draft")),
    ],
)
def test_versions_are_called_as_people_call_them(
    baseline: str, candidate: str, names: tuple[str, str]
) -> None:
    with world("PPP", codes="AAAAABBC") as api:
        made = api.check(baseline=baseline, candidate=candidate)
    assert " from {} to {}".format(*names) in made.headline
    whole = "{1} against {0} · ".format(*names).replace("8 Apr", "8 Apr 09:00")
    assert whole in str(made), "the context has the whole name"


def test_a_name_does_not_move_by_a_rerun() -> None:
    with world(codes="AAAAABBC", published=("A",)) as api:
        first = api.check(baseline="v1").headline
        api.run("FPPPPPPP", after=DAY)
        assert api.check(baseline="v1").headline == first


# The demo


def test_of_the_demo_77_of_95_evals_have_the_code_of_v5(
    still_sandbox: WatchedSandbox,
) -> None:
    client = ra.Client(**still_sandbox.credentials)
    made = ra.check(DEMO, baseline="v5", client=client, progress=False)
    assert made.evals.height == 95
    assert made.evals.filter(transition="same_code").height == 77
    assert made.headline.startswith("✗ 9 evals broke from v5 to the edit of ")
    assert sum(made.to_dict()["counts"].values()) == 95


@pytest.mark.parametrize(("candidate", "most"), [("draft", 90), ("v4", 60)])
def test_so_many_requests_at_most(still_sandbox: WatchedSandbox, candidate: str, most: int) -> None:
    still_sandbox.requests.clear()
    client = ra.Client(**still_sandbox.credentials)
    ra.check(DEMO, baseline="v3", candidate=candidate, client=client, progress=False)
    assert len(still_sandbox.requests) <= most


def test_nothing_broke_by_an_edit_that_has_not_run() -> None:
    store = make_store(plan_world(0), clock=Clock())
    with StoreServer(store, key=KEY) as server, ra.Client(**server.credentials) as client:
        store.edit(EDITED, {"prompt": f"{store.prompt(EDITED)} Take care."})
        asked = ({}, {"baseline": "v5"}, {"baseline": "v4", "candidate": "draft"})
        plain, *between = (ra.check(DEMO, client=client, progress=False, **each) for each in asked)
    assert plain.headline.endswith("; extract_lines was edited again and has not run")
    assert [each.headline.partition(";")[2] for each in between] == [
        plain.headline.partition(";")[2]
    ] * 2
    assert not any(" from v" in each.headline for each in between)
    assert {each.next_step.code for each in between} == {plain.next_step.code}


def test_after_a_mend_nothing_broke() -> None:
    clock = Clock()
    store = make_store(plan_world(0), clock=clock)
    with StoreServer(store, key=KEY) as server, ra.Client(**server.credentials) as client:
        store.put_back(EDITED)
        store.edit(EDITED, {"prompt": f"{store.prompt(EDITED)} Keep notes."})
        ra.start_runs(DEMO, client=client)
        clock.forward(3_600)
        made = ra.check(DEMO, baseline="v5", candidate="draft", client=client, progress=False)
    assert made.headline.startswith("✓ ")
    assert made.gate().exit_code == 0


@pytest.mark.parametrize("dialect", [{}, {"history": False}, {"fingerprints": False}])
def test_every_door_in_three_dialects(dialect: dict[str, bool]) -> None:
    """The command line, JSON, JUnit and pytest: evals of the same code are skipped."""
    options = "--baseline v1 --candidate v2"
    situation = Situation("two versions", 1, two_blocks(**dialect), options)
    answer = ask_command_line(situation)
    assert answer.code == 1
    assert answer.document["headline"] == "✗ 4 evals broke from v1 to v2"
    assert answer.document["counts"] == {"broke": 4, "same_code": 4}
    assert answer.junit == {"failure": 5, "skipped": 4}  # with the suite's own case
    assert ask_pytest(situation)[:2] == (1, {"failed": 5, "skipped": 4})  # type: ignore[index]


# The next step


@pytest.mark.parametrize(
    "sides",
    [
        {},
        {"baseline": "previous"},
        {"baseline": "v1"},
        {"baseline": "v1", "candidate": "v2"},
        {"baseline": "run_3"},
        {"candidate": "run_7"},
        {"baseline": ["run_3", "run_4"], "candidate": "run_7"},
    ],
)
def test_the_next_step_repeats_the_verdict_that_it_stands_in(sides: dict[str, Any]) -> None:
    with world() as api:
        made = api.check(**sides)
        step = made.next_step
        assert step is not None
        call = re.search(r"ra\.check\([^)]*\)", step.call)
        assert call
        ra.use(api.client)
        assert eval(call[0], {"ra": ra}).evals.equals(made.evals)  # a line of our own page
        ra.use(None)
    told = [f" --{name} {its}" for name, its in sides.items()]
    assert all(each in step.command for each in told) or (len(sides) == 2 and not step.command)
