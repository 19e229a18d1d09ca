"""The eras of a workflow's blocks: from their history, or from what else the API has."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from support.contract import schema_of
from support.fakes import STILL, FakeTime, client_for
from support.faultserver import FaultServer, page, reply
from support.lettered_api import DAY, FIRST, FLOW, HOUR, LetteredApi, alike

import retab_analysis as ra

EDITS = ra.schema.EDITS
SOME = {"a": "P" * 9, **alike(2, "P" * 9)}


@pytest.fixture
def api() -> Iterator[LetteredApi]:
    with LetteredApi(
        SOME, codes="AAABBBCCC", published="AC", labels={"extract": "Extract"}, max_attempts=2
    ) as made:
        yield made


def test_an_era_lasts_from_one_edit_to_the_next(api: LetteredApi) -> None:
    found = ra.fetch_edits(FLOW, client=api.client)
    assert found.schema == EDITS.schema
    assert found.drop("config").rows(named=True) == [
        {
            "block_id": "extract",
            "block_label": "Extract",
            "name": ["v1", "edit of 4 Apr 09:00", "v2"][at],
            "number": at + 1,
            "first_seen_at": FIRST + 3 * at * DAY - HOUR,
            "last_seen_at": FIRST + (3 * at + 2) * DAY + HOUR * (at == 2),
            "config_fingerprint": f"mark extract {'ABC'[at]}",
            "versions": [[1], [], [2]][at],
            "is_draft": at == 2,
            "is_published": at == 2,
            "run_count": 3,
            "workflow_id": FLOW,
            "workflow_name": "Letters",
        }
        for at in (2, 1, 0)  # the last of them is the draft now, an hour after the newest run
    ]
    assert [json.loads(each)["prompt"][-1] for each in found["config"]] == ["C", "B", "A"]
    assert api.asked == [
        *("GET /v1/workflows/blocks", f"GET {history('extract')}", f"GET /v1/workflows/{FLOW}")
    ]


def history(block: str) -> str:
    return f"/v1/workflows/blocks/{block}/config-history"


def test_all_blocks_or_some_by_id_or_label() -> None:
    blocks = {"a": "extract", "b": "classify", "c": "split"}
    codes = {"extract": "AB", "classify": "AAB", "split": "A"}
    with LetteredApi(
        dict.fromkeys("abc", "PPP"), codes, blocks=blocks, labels={"split": "Split"}
    ) as api:
        every = ra.fetch_edits(FLOW, client=api.client)
        assert every["block_id"].value_counts().sort("block_id").rows() == [
            ("classify", 2),
            ("extract", 2),
            ("split", 1),
        ]
        assert every["first_seen_at"].is_sorted(descending=True)
        api.asked.clear()
        some = ra.fetch_edits(FLOW, blocks=["Split", "classify", "split"], client=api.client)
        assert_frame_equal(some, every.filter(pl.col("block_id") != "extract"))
        assert [each for each in api.asked if "history" in each] == [
            f"GET {history('split')}",
            f"GET {history('classify')}",
        ]
        with pytest.raises(ra.ConfigError, match="there is no block 'splitt'; did you mean"):
            ra.fetch_edits(FLOW, blocks="splitt", client=api.client)
        with pytest.raises(ra.ConfigError, match="blocks"):
            ra.fetch_edits(FLOW, blocks=7, client=api.client)  # type: ignore[arg-type]


@pytest.mark.parametrize("status", [403, 404, 405, 501, 500, "html"])
def test_91_without_histories_it_is_the_versions_and_the_draft(
    api: LetteredApi, status: int | str
) -> None:
    api.broken[f"GET {history('extract')}"] = (
        reply(body=b"<html>Not here</html>") if status == "html" else reply(int(status))
    )
    with pytest.warns(ra.ProblemsWarning, match="does not give the history.* are not known"):
        found = ra.fetch_edits(FLOW, client=api.client)
    assert found.schema == EDITS.schema
    # The draft between the two publications is not among them.
    assert [json.loads(each)["prompt"] for each in found["config"]] == ["Prompt C", "Prompt A"]
    assert found.select("versions", "is_draft", "is_published", "run_count").rows() == [
        ([2], True, True, None),
        ([1], False, False, None),
    ]
    asked = [each for each in api.asked if "config-history" in each]
    assert len(set(asked)) == 1
    # Another attempt may mend the last two.
    assert len(asked) == (2 if status in (500, "html") else 1)


def test_only_the_draft_is_known_where_nothing_was_published() -> None:
    with LetteredApi(SOME, codes="AAB", history=False) as api:
        with pytest.warns(ra.ProblemsWarning):
            found = ra.fetch_edits(FLOW, client=api.client)
        assert found.select("versions", "is_draft", "is_published").rows() == [([], True, False)]
        api.broken["GET /v1/workflows/versions"] = reply(403)
        with pytest.warns(ra.ProblemsWarning):
            assert_frame_equal(ra.fetch_edits(FLOW, client=api.client), found)


def test_what_goes_wrong_is_raised(api: LetteredApi) -> None:
    with pytest.raises(ra.ConfigError, match="workflow_id"):
        ra.fetch_edits("", client=api.client)
    api.broken[f"GET {history('extract')}"] = reply(401)
    with pytest.raises(ra.AuthenticationError):
        ra.fetch_edits(FLOW, client=api.client)
    api.broken[f"GET {history('extract')}"] = reply(body=page([{"id": "x"}]))
    with pytest.raises(ra.SchemaError, match="block_config_version_fingerprint"):
        ra.fetch_edits(FLOW, client=api.client)


def test_an_id_that_is_not_simple_is_quoted() -> None:
    draft = {"id": "a/b c", "type": "extract", "label": "", "config": {}}
    era = {"block_config_version_fingerprint": "f", "config_snapshot": None}
    answers = [reply(body=page([draft])), reply(body=page([era]))]
    with FaultServer(answers) as server:
        found = ra.fetch_edits("wf", client=client_for(server.url, FakeTime()))
        assert server.paths[1].startswith("/v1/workflows/blocks/a%2Fb%20c/config-history?")
    assert found.select("block_id", "config", "versions", "first_seen_at").rows() == [
        ("a/b c", None, None, None)
    ]


def test_all_pages_are_read_and_eras_of_one_configuration_stay_apart() -> None:
    moments = [datetime(2026, 1, day, tzinfo=UTC).isoformat() for day in range(1, 8)]
    eras = [{"block_config_version_fingerprint": "f", "first_seen_at": at} for at in moments]
    draft = {"id": "b", "type": "extract", "label": "", "config": {}}
    answers = [
        reply(body=page([draft])),
        reply(body=page(eras[4:], "next")),
        reply(body=page(eras[:4])),
    ]
    with FaultServer(answers) as server:
        assert ra.fetch_edits("wf", client=client_for(server.url)).height == 7


def test_the_history_of_the_sandbox_is_in_the_contract() -> None:
    with ra.Sandbox(speed=STILL) as sandbox, ra.Client(**sandbox.credentials) as client:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = ra.fetch_edits("wf_invoices", client=client)
        versions = ra.fetch_versions("wf_invoices", client=client)
    current = versions.filter("is_current")["version"].item()
    for _, eras in found.group_by("block_id"):
        assert eras["is_draft"].sum() == 1
        assert eras["is_published"].sum() == 1
        assert eras.filter("is_published")["versions"].item()[-1] == current
        published = eras["versions"].explode().drop_nulls().sort().to_list()
        assert published == list(range(published[0], current + 1))
    assert {*schema_of("BlockConfigEra")["required"]} == {"block_config_version_fingerprint"}
