"""What people call blocks and versions, in every door."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from matplotlib.figure import Figure
from support.faultserver import page, reply
from support.lettered_api import DAY, FLOW, LetteredApi, alike
from support.studied import with_studies

import retab_analysis as ra

ONE, OTHER = "blk_9fQ2", "blk_7aa0"
SECOND = timedelta(seconds=1)


def edited(labels: dict[str, str], published: str = "A") -> LetteredApi:
    """Two evals of a block break with its edit, and one of another block without one."""
    broken, fine = alike(2, "P" * 20 + "FF", "lines"), alike(9, "P" * 22)
    blocks = {**dict.fromkeys((*broken, *fine), ONE), "total": OTHER}
    return LetteredApi(
        {**broken, **fine, "total": "P" * 20 + "FF"},
        codes={ONE: "A" * 20 + "B", OTHER: "A"},
        blocks=blocks,
        published=[f"{letter}A" for letter in published],
        labels=labels,
    )


def test_a_block_is_called_by_its_label() -> None:
    made = edited({ONE: "Line items", OTHER: "Total"}).check()
    assert "the edit of Line items" in made.headline
    shown = str(made), made.to_markdown(), made.to_html(), made.explain()
    assert not [each for each in shown if ONE in each]
    assert "Line items was edited" in shown[0]
    labels = dict(made.evals.select("block_id", "block_label").iter_rows())
    assert labels == {ONE: "Line items", OTHER: "Total"}
    ax = ra.plot_comparison(made, ax=Figure().subplots())
    assert "Line items" in [each.get_text().split("\n")[0] for each in ax.get_yticklabels()]


def test_two_blocks_of_one_label_are_told_apart() -> None:
    made = edited({ONE: "Extract", OTHER: "Extract"}).check()
    assert f"the edit of Extract ({ONE})" in made.headline


def test_a_block_without_a_label_is_called_by_its_id() -> None:
    made = edited({ONE: "", OTHER: ONE}).check()
    assert f"the edit of {ONE}" in made.headline
    assert f"{ONE} ({OTHER})" in str(made)


def test_a_label_is_text() -> None:
    made = edited({ONE: "<b>$x_$</b>\n=1"}).check()
    assert "<b>$x" not in made.to_html()
    assert "\n=1" not in made.headline


def test_a_check_reads_the_blocks_once() -> None:
    with edited({ONE: "Line items"}) as api:
        api.check()
    with LetteredApi(alike(9, "P" * 9), labels={"extract": "Line items"}) as quiet:
        quiet.check()
    for each in (api, quiet):
        assert each.asked.count("GET /v1/workflows/blocks") == 1


def publish(api: LetteredApi, *versions: str) -> None:
    """List these as published by now, as v1 and so on; the newest is in production."""
    rows = [
        {
            "id": f"wph_{number}",
            "workflow_id": api.flow,
            "workflow_version_id": each,
            "version": number,
            "published_at": "2026-12-01T10:00:00Z",
            "is_current": number == len(versions),
        }
        for number, each in enumerate(versions, 1)
    ]
    path = f"GET /v1/workflows/{api.flow}/published-versions"
    api.broken[path] = reply(body=page(rows[::-1]))


def test_92_a_draft_that_was_published_later_has_the_name_of_the_version() -> None:
    api = LetteredApi(alike(6, "P" * 9))
    with api:
        assert "edit of 1 Apr 09:00" in str(api.check())
        publish(api, "version_Z", "version_A")
        for named in (None, "v2", "published", "version_A"):
            assert " v2 " in str(api.check(candidate=named)).splitlines()[0]


def test_92_how_an_id_begins_says_nothing() -> None:
    api = LetteredApi({"a": "P" * 9}, codes="A" * 8 + "B", published="AB")
    for run in api.runs:
        api.change(run.id, workflow_version_id=f"draft_{run.codes['extract']}")
    with api:
        publish(api, "draft_A", "draft_B")
        assert " v2 " in str(api.check()).splitlines()[0]
        assert "v1" in str(api.check(candidate="v1")).splitlines()[0]


def test_91_what_is_not_known_of_versions_is_said() -> None:
    api = LetteredApi(alike(6, "P" * 9), published="A", max_attempts=2)
    with api:
        for path in (f"{api.flow}/published-versions", "versions?"):
            api.broken[f"GET /v1/workflows/{path}"] = reply(403, {"detail": "no"})
        made = api.check()
        assert "version of 1 Apr" in str(made)
        assert "versions have no numbers" in str(made)
        api.broken[f"GET /v1/workflows/{api.flow}/published-versions"] = reply(500)
        assert "versions have no numbers" in str(api.check())
        assert made.gate().ok


@pytest.mark.parametrize("status", [403, 500])
def test_91_an_archive_without_versions_says_so(tmp_path: Path, status: int) -> None:
    api = LetteredApi(alike(6, "P" * 9), published="A", max_attempts=2)
    with api, ra.Archive(tmp_path / "a.sqlite") as archive:
        for path in (f"{api.flow}/published-versions", "versions?"):
            api.broken[f"GET /v1/workflows/{path}"] = reply(status, {"detail": "no"})
        api.broken[f"GET /v1/workflows/{api.flow} "] = reply(status, {"detail": "no"})
        made = api.check(archive=archive)
        assert "does not say which versions are published" in str(made)
        api.broken.clear()
        assert " v1 " in str(api.check(archive=archive)).splitlines()[0]


def test_what_an_archive_knows_of_labels_costs_no_request(tmp_path: Path) -> None:
    api = edited({ONE: "Line items", OTHER: "Total"})
    with api, ra.Archive(tmp_path / "a.sqlite") as archive:
        archive.sync(api.flow, client=api.client)
        assert set(archive.scan_evals().collect()["block_label"]) == {"Line items", "Total"}
        assert set(archive.scan_results().collect()["block_label"]) == {"Line items", "Total"}
        api.upto = 20
        made = api.check(archive=archive)
        labels = dict(made.evals.select("block_id", "block_label").iter_rows())
        assert labels == {ONE: "Line items", OTHER: "Total"}
        assert ra.fetch_evals(api.flow, client=api.client)["block_label"].null_count() == 12


# One name for ever


def edited_twice(seconds: int) -> LetteredApi:
    """Two edits, so many seconds apart, with a run between; the first one breaks nine evals."""
    bad, fine = alike(9, "P" * 10 + "FF", "bad"), alike(9, "P" * 12)
    api = LetteredApi({**bad, **fine}, "A" * 10 + "BC")
    for at in (10, 11):
        api.runs[at].at = api.runs[at - 1].at + timedelta(seconds=seconds)
    return api


TIMES = {80: ("10:00", "10:02"), 20: ("10:00", "10:00:30")}


@pytest.mark.parametrize("seconds", with_studies(TIMES, (20,)))
def test_129_two_edits_with_a_run_between_have_two_names_in_every_door(
    seconds: int,
) -> None:
    first, second = (f"edit of 10 Apr {each}" for each in TIMES[seconds])
    names = [second, first, "edit of 1 Apr 09:00"]
    with edited_twice(seconds) as api:
        asked: dict[str, Any] = {"client": api.client, "progress": False}
        for _ in ("today", "tomorrow"):
            made = api.check()
            edits = ra.fetch_edits(FLOW, client=api.client)
            runs = ra.fetch_runs(FLOW, **asked)
            tries = ra.tries(FLOW, "extract", **asked)
            assert edits["name"].to_list() == names
            assert edits["number"].to_list() == [3, 2, 1]
            assert tries.frame["name"].to_list() == names
            versions = ra.summarize_runs(runs, by="version", edits=edits)
            assert versions["version"].to_list()[:3] == names[::-1]
            figure = ra.plot_pass_rate(runs, edits=edits, ax=Figure().subplots())
            shown = [each.get_text().split("\n")[-1] for each in figure.get_xticklabels()]
            assert shown[-1] == f"10 Apr {TIMES[seconds][1]}"
            assert f"since the {first}; the {second} " in made.headline
            assert made.to_dict()["version"]["name"] == second
            assert made.last_try["name"] == second
            page = made.to_html()
            assert [page.count(f"{each}<") > 0 for each in names[:2]] == [True, True]
            api.now = api.runs[-1].at + DAY
        for at, name in enumerate(names):
            number = f"try {3 - at}"
            typed = [name, name.removeprefix("edit of "), f"the {name}", number]
            typed += [
                f"{number} of extract",
                time := name.rpartition(" ")[2],
                f"the edit of {time}",
            ]
            before = {str(api.check(baseline=each)).splitlines()[1] for each in typed}
            assert len(before) == 1, typed
            assert f" against the {name} · " in before.pop()
            prompts = {tries.prompt(each) for each in typed}
            assert prompts == {f"Prompt {'CBA'[at]}"}
            for each in typed:
                changed = ra.fetch_config_changes(FLOW, each, client=api.client)
                assert changed["before"].to_list() == [f'"Prompt {"BA"[at - 1]}"'] * (at > 0)
            # Nine broke by the first edit, so before the second.
            assert {made.gate(since=each).exit_code for each in typed} == {int(at > 0)}


@pytest.mark.parametrize("seed", with_studies(range(4), (0,)))
def test_a_code_has_one_name_at_every_later_look(seed: int) -> None:
    """Edits, put back too, of two blocks, runs at any distance, publications."""
    random = Random(seed)
    blocks = {"a": "extract", "b": "extract", "c": "classify"}
    api = LetteredApi(dict.fromkeys(blocks, ""), {"extract": "A", "classify": "A"}, blocks=blocks)
    codes, newest = {"extract": "A", "classify": "A"}, {"extract": "A", "classify": "A"}
    named: dict[tuple[str, str], str] = {}
    states: dict[tuple[str, ...], set[str]] = {}
    ran: dict[str, tuple[str, ...]] = {}
    api.run("PPP", codes=codes)
    with api:
        for _ in range(8):
            block = random.choice(("extract", "extract", "classify"))
            newest[block] = chr(ord(newest[block]) + 1)
            back = random.choice("ABCDEFGHI"[: ord(newest[block]) - ord("A") + 1])
            codes[block] = back if random.random() < 0.3 else newest[block]
            run = api.run("PPP", codes=codes, after=random.choice((20, 80, 7, 86_400)) * SECOND)
            ran[run.id] = tuple(codes.values())
            api.codes = {each: "".join(r.codes[each] for r in api.runs) for each in codes}
            edits = ra.fetch_edits(FLOW, client=api.client)
            for its in edits.iter_rows(named=True):
                key = its["block_id"], its["config_fingerprint"]
                assert named.setdefault(key, its["name"]) == its["name"]
            assert len({(key[0], name) for key, name in named.items()}) == len(named)
            its = ra.tries(FLOW, "extract", client=api.client, progress=False, last=20)
            own = edits.filter(block_id="extract")["name"]
            assert {*its.frame["name"]} <= {*own}
            runs = ra.fetch_runs(FLOW, client=api.client, progress=False)
            by = ra.summarize_runs(runs, ("run_id", "version"), edits=edits)
            for run_id, version in by.select("run_id", "version").iter_rows():
                states.setdefault(ran.get(run_id, ("A", "A")), set()).add(version)
            assert {len(each) for each in states.values()} == {1}
            name = api.check().to_dict()["version"]["name"]
            assert name == states[tuple(codes.values())].copy().pop()
        for (_, mark), name in named.items():
            changed = ra.fetch_config_changes(FLOW, name, name, client=api.client)
            assert changed.is_empty(), mark
