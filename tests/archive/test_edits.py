"""An archive keeps how blocks were configured, whether the API tells it or only shows the draft."""

from __future__ import annotations

import json

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from support.archives import sync
from support.fakes import STILL
from support.faultserver import reply
from support.lettered_api import FIRST, FLOW, HOUR, LetteredApi, alike

import retab_analysis as ra

SOME = {"a": "P" * 9, **alike(2, "P" * 9)}


def prompts(frame: pl.DataFrame) -> list[str]:
    return [json.loads(each)["prompt"].removeprefix("Prompt ") for each in frame["config"]]


def unnamed(edits: pl.DataFrame) -> pl.DataFrame:
    """As an archive has them: it knows neither the name of a workflow nor all of its edits."""
    return edits.with_columns(number=pl.lit(None, pl.Int64), workflow_name=pl.lit(None, pl.String))


def test_it_has_what_fetch_edits_gives(archive: ra.Archive) -> None:
    with ra.Sandbox(speed=STILL) as sandbox, ra.Client(**sandbox.credentials) as client:
        archive.sync(["wf_invoices", "wf_claims"], results=False, client=client, progress=False)
        for flow in ("wf_invoices", "wf_claims"):
            edits = unnamed(ra.fetch_edits(flow, client=client))
            assert_frame_equal(archive.scan_edits(flow).collect(), edits)
        assert archive.scan_edits().collect()["workflow_id"].unique().sort().to_list() == [
            "wf_claims",
            "wf_invoices",
        ]
    counts = archive.info().filter(kind="edits")
    assert counts["documents"].sum() == archive.scan_edits().collect().height
    assert archive.scan_edits("wf_unknown").collect().schema == ra.schema.EDITS.schema
    assert archive.verify().is_empty()


def test_a_history_is_read_again_where_a_block_was_edited(archive: ra.Archive) -> None:
    blocks = {"a": "extract", "b": "classify"}
    codes = {"extract": "AAB", "classify": "A"}
    with LetteredApi(dict.fromkeys("ab", "PPP"), codes, blocks=blocks, upto=2) as api:
        sync(archive, api)
        assert prompts(archive.scan_edits().collect()) == ["A", "A"]
        api.asked.clear()
        api.upto = 3
        sync(archive, api)
        assert [each for each in api.asked if "config-history" in each] == [
            "GET /v1/workflows/blocks/extract/config-history"
        ]
        # Of a block that was not edited it is not read again when it was seen last.
        kept, now = archive.scan_edits().collect(), ra.fetch_edits(FLOW, client=api.client)
        later = ("last_seen_at", "run_count", "number", "workflow_name")
        assert_frame_equal(kept.drop(later), now.drop(later))
        api.asked.clear()
        assert sync(archive, api).is_empty()
        assert not [each for each in api.asked if "config-history" in each]
        api.asked.clear()
        sync(archive, api, refresh=True)
        assert len([each for each in api.asked if "config-history" in each]) == 2


def test_what_the_api_has_forgotten_stays(archive: ra.Archive) -> None:
    with LetteredApi(SOME, codes="AAABBBCCC") as api:
        sync(archive, api)
        before = archive.scan_edits().collect()
        api.history = False
        sync(archive, api, refresh=True)
        assert_frame_equal(archive.scan_edits().collect(), before)
        api.codes = "AAABBBCCCD"
        sync(archive, api)
        after = archive.scan_edits().collect()
        assert prompts(after) == ["D", "C", "B", "A"]
        assert after["is_draft"].to_list() == [True, False, False, False]


def test_without_histories_it_is_what_syncs_saw_of_the_draft(archive: ra.Archive) -> None:
    with LetteredApi(SOME, codes="AAABBBCCC", history=False, labels={"extract": "Extract"}) as api:
        for upto in (2, 3, 5, 9):
            api.upto = upto
            came = sync(archive, api)
            skipped = came.filter(pl.col("change") == "skipped")["kind"].to_list()
            assert skipped == ["edits"] * (upto != 3)  # nothing was edited, so nobody asks again
        api.asked.clear()
        found = archive.scan_edits().collect()
    assert found.schema == ra.schema.EDITS.schema
    assert prompts(found) == ["C", "B", "A"]
    assert found.select("is_draft", "is_published", "run_count").rows() == [
        (True, None, None),
        (False, None, None),
        (False, None, None),
    ]
    first = found["first_seen_at"]
    assert first.is_sorted(descending=True)
    # Before the first sync nobody saw it otherwise, so that it was as it is since it was saved.
    assert first[-1] == FIRST - HOUR
    assert found["block_label"].to_list() == ["Extract"] * 3


def test_a_block_that_is_gone_is_no_draft_any_more(archive: ra.Archive) -> None:
    blocks = {"a": "extract", "b": "classify"}
    with LetteredApi(dict.fromkeys("ab", "PP"), blocks=blocks) as api:
        sync(archive, api)
        api.broken["GET /v1/workflows/blocks?"] = reply(
            body={"data": [], "list_metadata": {"after": None}}
        )
        came = sync(archive, api)
        assert came.filter(kind="blocks")["change"].to_list() == ["gone", "gone"]
    assert archive.scan_edits().collect()["is_draft"].to_list() == [False, False]


@pytest.mark.parametrize("status", [403, 405, 500])
def test_edits_that_cannot_be_read_lose_nothing_else(archive: ra.Archive, status: int) -> None:
    with LetteredApi(SOME) as api:
        api.broken["GET /v1/workflows/blocks?"] = reply(status)
        if status == 500:
            with pytest.raises(ra.ServerError):
                sync(archive, api)
        else:
            came = sync(archive, api)
            assert came.filter(kind="blocks").rows() == [(FLOW, "blocks", None, "skipped")]
        assert archive.scan_results().collect().height == 27
        assert archive.scan_edits().collect().is_empty()
        api.broken.clear()
        sync(archive, api)
        edits = unnamed(ra.fetch_edits(FLOW, client=api.client))
        assert_frame_equal(archive.scan_edits().collect(), edits)
