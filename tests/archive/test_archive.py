"""An archive holds what a fetch of everything gives, whatever happened on the way."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from support.archives import assert_same, opened, sync
from support.fakes import STILL
from support.faultserver import page, reply
from support.lettered_api import DAY, FIRST, FLOW, LetteredApi, alike
from support.studied import with_studies

import retab_analysis as ra

SOME = {"a": "PPFPP", "b": "PPPPF", **alike(3, "PPPPP")}


@contextmanager
def lettered(evals: dict[str, str] = SOME, **more: Any) -> Iterator[LetteredApi]:
    with LetteredApi(evals, **more) as api:
        yield api


def changes(frame: pl.DataFrame) -> dict[tuple[str, str], int]:
    rows = frame.group_by("kind", "change").len().iter_rows()
    return {(kind, change): count for kind, change, count in rows}


def named(frame: pl.DataFrame, change: str, kind: str = "runs") -> list[str]:
    is_meant = (pl.col("change") == change) & (pl.col("kind") == kind)
    return frame.filter(is_meant)["document_id"].sort().to_list()


def test_it_has_what_a_fetch_of_everything_gives(archive: ra.Archive) -> None:
    with ra.Sandbox(speed=STILL) as sandbox, ra.Client(**sandbox.credentials) as client:
        came = archive.sync("wf_invoices", client=client)
        assert_same(archive, client, "wf_invoices")
        assert set(came["change"]) == {"added"}
        assert came.height == archive.info()["documents"].sum()
        assert archive.sync("wf_invoices", client=client).is_empty()


def test_a_scan_of_some_workflows(archive: ra.Archive) -> None:
    flows = ["wf_claims", "wf_contracts"]
    with ra.Sandbox(speed=STILL) as sandbox, ra.Client(**sandbox.credentials) as client:
        archive.sync([*flows, "wf_invoices"], client=client)
    scans = archive.scan_runs, archive.scan_results, archive.scan_evals, archive.scan_versions
    for scan in (*scans, partial(archive.scan_evals, history=True)):
        all_of_them = scan().collect()
        assert all_of_them["workflow_id"].unique().sort().to_list() == [*flows, "wf_invoices"]
        is_asked = pl.col("workflow_id").is_in(flows)
        assert_frame_equal(scan(flows).collect(), all_of_them.filter(is_asked))
        assert_frame_equal(scan(reversed(flows)).collect(), all_of_them.filter(is_asked))
        assert scan("wf_unknown").collect().is_empty()
        assert scan([]).collect().schema == all_of_them.schema
        with pytest.raises(ra.ConfigError, match="workflow_id is empty"):
            scan("")


def test_a_scan_without_what_is_gone(archive: ra.Archive) -> None:
    with lettered() as api:
        api.run({"a": "P"}, scope="E")
        sync(archive, api)
        before = archive.scan_results().collect()
        api.remove("a")
        sync(archive, api)
        assert "run_5" in archive.scan_runs().collect()["run_id"]
        runs = ra.fetch_runs(FLOW, client=api.client)
        assert_frame_equal(archive.scan_runs(gone=False).collect(), runs)
        left = archive.scan_results(gone=False).collect()
        assert_frame_equal(left, before.filter(pl.col("run_id") != "run_5"))
        api.runs[2].results = ["b"]
        sync(archive, api, refresh=True)
        of_run = archive.scan_results(gone=False).filter(pl.col("run_id") == "run_2").collect()
        assert of_run["eval_id"].to_list() == ["b"]
        for scan in (archive.scan_runs, archive.scan_results):
            with pytest.raises(ra.ConfigError, match="gone must be True or False"):
                scan(gone=0)


@pytest.mark.parametrize("runs", [3, 330])
def test_with_nothing_new_four_requests_do(archive: ra.Archive, runs: int) -> None:
    with LetteredApi({"a": "P" * runs}) as api:
        sync(archive, api)
        api.asked.clear()
        assert sync(archive, api).is_empty()
        assert len(api.asked) == 4


def test_with_nothing_new_four_requests_do_for_many_evals(archive: ra.Archive) -> None:
    with lettered(alike(250, "PP"), published="A") as api:
        sync(archive, api)
        assert_same(archive, api.client)
        api.asked.clear()
        assert sync(archive, api).is_empty()
        assert len(api.asked) == 4
        api.remove("fine 3")
        assert named(sync(archive, api, refresh=True), "gone", "evals") == ["fine 3"]


def test_what_had_not_ended_is_asked_for_again(archive: ra.Archive) -> None:
    with lettered({"a": "U" + "P" * 150}) as api:
        sync(archive, api)
        api.runs[0].letters = {"a": "F"}
        came = sync(archive, api)
        assert named(came, "changed") == ["run_0"]
        assert named(came, "changed", "results") == ["res_run_0_a"]
        assert_same(archive, api.client)


def test_47_a_run_that_appears_late_is_found(archive: ra.Archive) -> None:
    with lettered({"a": "P" * 120}) as api:
        late = api.runs.pop(110)
        sync(archive, api)
        api.runs.insert(110, late)
        assert named(sync(archive, api), "added") == ["run_110"]
        assert_same(archive, api.client)


def test_48_a_run_whose_status_goes_back(archive: ra.Archive) -> None:
    with lettered() as api:
        sync(archive, api)
        api.runs[1].status = "running"
        assert named(sync(archive, api), "changed") == ["run_1"]
        assert_same(archive, api.client)
        api.runs[1].status = None
        assert named(sync(archive, api), "changed") == ["run_1"]
        assert_same(archive, api.client)


def test_48_a_run_that_is_deleted_is_kept_and_named(archive: ra.Archive) -> None:
    with lettered() as api:
        sync(archive, api)
        before = archive.scan_runs().collect()
        del api.runs[2]
        assert named(sync(archive, api), "gone") == ["run_2"]
        assert_frame_equal(archive.scan_runs().collect(), before)
        assert sync(archive, api).is_empty()
        assert archive.info().filter(pl.col("kind") == "runs")["gone"].to_list() == [1]


def test_a_saved_eval_that_is_deleted_is_kept_with_its_history(archive: ra.Archive) -> None:
    with lettered(names={"a": "Total"}) as api:
        api.run({"a": "P"}, scope="E")
        sync(archive, api)
        before = archive.scan_results().collect()
        api.remove("a")
        came = sync(archive, api)
        assert named(came, "gone", "evals") == ["a"]
        assert named(came, "gone", "runs") == ["run_5"]
        assert "a" not in archive.scan_evals().collect()["eval_id"]
        after = archive.scan_results().collect()
        assert_frame_equal(after, before)
        assert after.filter(pl.col("eval_id") == "a")["eval_name"].unique().to_list() == ["Total"]


def test_every_state_of_a_saved_eval_is_kept(archive: ra.Archive) -> None:
    with lettered() as api:
        sync(archive, api)
        for name in ("First", "Second"):
            api.change("a", name=name)
            assert named(sync(archive, api), "changed", "evals") == ["a"]
        seen = archive.scan_evals(history=True).filter(pl.col("eval_id") == "a").collect()
        assert seen["eval_name"].to_list() == ["Second", "First", "a"]
        assert seen["first_seen_at"].is_sorted(descending=True)
        assert (seen["first_seen_at"] <= seen["last_seen_at"]).all()
        assert seen["is_gone"].to_list() == [False] * 3
        api.remove("a")
        sync(archive, api)
        seen = archive.scan_evals(history=True).filter(pl.col("eval_id") == "a").collect()
        assert seen["is_gone"].to_list() == [True] * 3


def test_the_freshness_of_old_runs_has_no_results_read_again(archive: ra.Archive) -> None:
    with lettered({"a": "P" * 250}) as api:
        sync(archive, api)
        for run in api.runs:
            api.change(run.id, freshness__reasons=["validity_changed"])
        api.asked.clear()
        came = sync(archive, api)
        assert changes(came) == {("runs", "changed"): 100}
        assert len(api.asked) == 4


def test_since_is_where_it_begins_and_can_be_moved_back(archive: ra.Archive) -> None:
    with lettered({"a": "P" * 10}) as api:
        archive_runs = archive.scan_runs
        sync(archive, api, since=FIRST + 7 * DAY)
        assert archive_runs().collect()["run_id"].to_list() == ["run_9", "run_8", "run_7"]
        assert sync(archive, api, since=FIRST + 9 * DAY).is_empty()
        assert named(sync(archive, api, since=FIRST + 6 * DAY), "added") == ["run_6"]
        sync(archive, api)
        assert_same(archive, api.client)


@pytest.mark.parametrize("answered", with_studies(range(0, 34, 5), range(0, 34, 15)))
def test_an_interrupted_refresh_is_gone_on_with(archive: ra.Archive, answered: int) -> None:
    with lettered({"a": "P" * 25}, largest_page=5, published="A") as api:
        sync(archive, api)
        for each in ("res_run_0_a", "res_run_24_a"):
            api.change(each, warnings=["late"])
        late = api.run({"a": "F"}, after=-10 * DAY)
        deleted = api.runs.pop(3)
        api.fail("GET", reply(401), after=answered, times=10**6)
        with pytest.raises(ra.AuthenticationError) as caught:
            sync(archive, api, refresh=True)
        api.broken.clear()
        before, after = caught.value.partial, sync(archive, api)
        assert before is not None
        both = pl.concat([before, after])
        assert named(both, "changed", "results") == ["res_run_0_a", "res_run_24_a"]
        assert named(both, "added") == [late.id]
        assert named(both, "gone") == ["run_3"]
        api.runs.insert(3, deleted)
        assert named(sync(archive, api), "added") == ["run_3"]
        assert_same(archive, api.client)
        api.asked.clear()
        assert sync(archive, api).is_empty()
        assert len(api.asked) == 3 + len(api.runs) // 5 + 1


MISSING = reply(404, {"detail": "there is no such thing"})


@pytest.mark.parametrize("kind", ["evals", "versions"])
def test_a_list_that_is_not_there_is_skipped_and_said(archive: ra.Archive, kind: str) -> None:
    paths = {"evals": ["evals?"], "versions": ["wf_letters/published-versions", "versions?"]}[kind]
    missing = {f"GET /v1/workflows/{path}": MISSING for path in paths}
    with lettered(published="A" if kind == "evals" else "") as api:
        api.broken.update(missing)
        came = sync(archive, api)
        assert came.filter(pl.col("kind") == kind).rows() == [(FLOW, kind, None, "skipped")]
        assert archive.info().filter(pl.col("kind") == kind).is_empty()
        assert archive.scan_runs().collect().height == 5
        api.broken.clear()
        sync(archive, api)
        assert_same(archive, api.client)
        api.broken.update(missing)
        assert changes(sync(archive, api)) == {(kind, "skipped"): 1}
        api.broken.clear()
        assert_same(archive, api.client)


def test_runs_without_a_list_of_results_are_not_gone(archive: ra.Archive) -> None:
    with lettered(upto=3) as api:
        sync(archive, api)
        api.upto = None
        api.broken["GET /v1/workflows/evals/results"] = MISSING
        came = sync(archive, api)
        assert changes(came) == {("runs", "added"): 2, ("results", "skipped"): 1} | changes(
            came.filter(pl.col("kind") == "evals")
        )
        api.broken.clear()
        assert changes(sync(archive, api)) == {("results", "added"): 10}
        assert_same(archive, api.client)


def test_what_a_deleted_workflow_had_is_kept_and_named(archive: ra.Archive) -> None:
    with lettered(published="A", names={"a": "Total"}) as api:
        sync(archive, api)
        kept = [archive.scan_runs().collect(), archive.scan_results().collect()]
        api.broken["GET /v1/workflows/evals/runs?"] = reply(body=page([]))
        api.broken["GET"] = MISSING
        assert changes(sync(archive, api)) == {
            ("runs", "gone"): 5,
            ("evals", "gone"): 5,
            ("versions", "gone"): 1,
            ("blocks", "gone"): 1,
        }
        assert_frame_equal(archive.scan_runs().collect(), kept[0])
        assert_frame_equal(archive.scan_results().collect(), kept[1])
        assert archive.scan_evals(history=True).collect()["is_gone"].all()
        assert archive.scan_versions().collect().is_empty()
        assert sync(archive, api).is_empty()
        api.broken.clear()  # it was the key of somebody else
        assert set(sync(archive, api)["change"]) == {"added"}
        assert_same(archive, api.client)


def test_a_clock_that_was_put_back(archive: ra.Archive) -> None:
    with lettered() as api:
        for name in ("First", "Second", "Third"):
            api.change("a", name=name)
            sync(archive, api)
            # As if the clock had been a year ahead until now.
            with opened(archive.path) as db:
                for table in ("documents", "earlier"):
                    later = "state_seen = state_seen + 3e13, last_seen = last_seen + 3e13"
                    db.execute(f"UPDATE {table} SET {later} WHERE ? = 'First'", (name,))
        seen = archive.scan_evals(history=True).filter(pl.col("eval_id") == "a").collect()
        assert seen["eval_name"].to_list() == ["Third", "Second", "First"]
        assert (seen["first_seen_at"] <= seen["last_seen_at"]).all()
        assert (seen["last_seen_at"][1:] < seen["first_seen_at"][:-1]).all()
        assert_same(archive, api.client)


def test_what_happens_beyond_the_newest_hundred_needs_a_refresh(archive: ra.Archive) -> None:
    with lettered({"a": "P" * 220, **alike(150, "." * 219 + "P")}) as api:
        late = api.runs.pop(50)
        sync(archive, api)
        api.runs.insert(50, late)
        api.runs[60].status = "running"
        api.change("fine 120", name="Renamed")
        assert sync(archive, api).is_empty()
        came = sync(archive, api, refresh=True)
        assert named(came, "added") == ["run_50"]
        assert named(came, "changed") == ["run_60"]
        assert named(came, "changed", "evals") == ["fine 120"]
        api.runs[60].status = None  # what had not ended is asked for wherever it is
        assert named(sync(archive, api), "changed") == ["run_60"]
        assert_same(archive, api.client)


# So many requests are answered, and then none.
@pytest.mark.parametrize("answered", with_studies(range(1, 32, 3), range(1, 32, 9)))
def test_an_interrupted_sync_goes_on_where_it_stopped(archive: ra.Archive, answered: int) -> None:
    with lettered({"a": "P" * 25}, largest_page=5) as api:
        api.fail("GET", reply(401), after=answered, times=10**6)
        with pytest.raises(ra.AuthenticationError) as caught:
            sync(archive, api)
        before = caught.value.partial
        assert before.height == archive.info()["documents"].sum()
        api.broken.clear()
        api.asked.clear()
        both = pl.concat([before, sync(archive, api)])
        added = both.filter(pl.col("change") == "added")
        assert added.height == archive.info()["documents"].sum()
        assert_same(archive, api.client)


def test_a_gap_between_two_syncs_is_closed(archive: ra.Archive) -> None:
    with lettered({"a": "P" * 40}, largest_page=5, upto=10) as api:
        sync(archive, api)
        api.upto = 30
        api.fail("GET", reply(401), after=2, times=10**6)
        with pytest.raises(ra.AuthenticationError):
            sync(archive, api)
        api.broken.clear()
        api.upto = 40
        sync(archive, api)
        assert_same(archive, api.client)


def test_an_api_that_gives_the_oldest_first(archive: ra.Archive) -> None:
    with lettered({"a": "P" * 150}, upto=140) as api:
        api.broken["GET /v1/workflows/evals/runs?"] = lambda request: (
            None if "order=asc" in request else api(request.replace("order=desc", "order=asc"))
        )
        sync(archive, api)
        api.upto = 150
        assert len(named(sync(archive, api), "added")) == 10


def test_a_record_that_does_not_decode_is_kept(archive: ra.Archive) -> None:
    with lettered() as api:
        api.change("res_run_1_a", block_id=7)
        with pytest.warns(ra.ProblemsWarning, match="res_run_1_a.*block_id"):
            sync(archive, api)
        with pytest.warns(ra.ProblemsWarning, match="1 result left out"):
            assert archive.scan_results().collect().height == 24
        assert archive.verify().rows() == [
            ("results", "res_run_1_a", "$.block_id", "Expected `str`, got `int`; found 7")
        ]


def test_the_bytes_are_those_that_were_sent(archive: ra.Archive) -> None:
    sent = (
        b'{"workflow_id":"wf_letters",  "id" : "v", "new": 1.50e3, "workflow_version_id": "a",'
        b'"published_at": "2026-05-01T10:00:00Z", "description":"\\ud83d\\ude00 \xc3\xa9"}',
        b'{"id":"w", "workflow_id":"wf_letters", "workflow_version_id": "b",'
        b'"published_at": "2026-05-01T10:00:00Z", "description": "\\ud800"}',
    )
    with lettered() as api:
        body = b'{"data": [' + b" , ".join(sent) + b'], "list_metadata": {"after": null}}'
        api.broken["GET /v1/workflows/wf_letters/published-versions"] = reply(body=body)
        with pytest.warns(ra.ProblemsWarning, match="lone surrogate"):
            sync(archive, api)
    with contextlib.closing(sqlite3.connect(archive.path)) as db:
        rows = db.execute("SELECT body FROM documents WHERE kind = 'versions' ORDER BY id")
        assert tuple(zlib.decompress(body) for (body,) in rows) == sent


def test_an_unknown_workflow_is_said(archive: ra.Archive) -> None:
    with lettered() as api, pytest.raises(ra.ConfigError, match="did you mean 'wf_letters'"):
        archive.sync("wf_leters", client=api.client)
    with lettered() as api, pytest.raises(ra.ConfigError, match="workflow_id is None"):
        archive.sync(None, client=api.client)


def test_two_threads_sync_at_once(archive: ra.Archive) -> None:
    with lettered() as api:
        came: list[pl.DataFrame] = []
        threads = [
            threading.Thread(target=lambda: came.append(sync(archive, api))) for _ in range(2)
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join(60)
        assert sorted(each.height for each in came) == [0, 5 + 25 + 5 + 1 + 1]
        assert_same(archive, api.client)
