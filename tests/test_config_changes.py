"""What was edited: two versions compared field by field."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fakes import client_for
from support.faultserver import Reply, page, reply
from support.frames import many, results
from support.inside import (
    BLOCKS,
    CONFIG_CHANGES,
    compare_blocks,
    readable,
)
from support.lettered_api import LetteredApi

import retab_analysis as ra

NOWHERE = "http://127.0.0.1:9"
CONFIG = {"prompt": "Read.\nQuickly.", "temperature": 0.10, "json_schema": {"type": "object"}}


def block(ident: str | None, config: Any = CONFIG, **more: Any) -> dict[str, Any]:
    return {"id": ident, "type": "extract", "label": f"Label of {ident}", "config": config} | more


def live(*blocks: dict[str, Any], after: str | None = None) -> Reply:
    common = {"workflow_id": "wf", "updated_at": "2026-05-18T10:00:00Z"}
    return reply(body=page([each | common for each in blocks], after))


def version(ident: str, *blocks: dict[str, Any], of: str = "wf") -> Reply:
    created = "2026-05-18T10:00:00Z"
    return reply(body={"id": ident, "workflow_id": of, "blocks": [*blocks], "created_at": created})


def serving(flow: str = "wf", **answers: Reply) -> LetteredApi:
    """Answers with the blocks of the draft, or with a version by its id."""
    paths = {each: each if each == "blocks" else f"versions/{each}" for each in answers}
    broken = {f"GET /v1/workflows/{paths[each]}": answer for each, answer in answers.items()}
    return LetteredApi({}, flow=flow, broken=broken)  # type: ignore[arg-type]


def fetched(*versions: str, **answers: Reply) -> pl.DataFrame:
    with serving(**answers) as api:
        return ra.fetch_config_changes("wf", *versions, client=api.client)


def test_the_fields_that_differ_between_two_published_versions() -> None:
    now = {**CONFIG, "prompt": "Read.\nSlowly.", "json_schema": {"type": "array"}, "votes": 3}
    before, after = version("a", block("b"), of="w f"), version("c", block("b", now), of="w f")
    with serving("w f", a=before, c=after) as api:
        frame = ra.fetch_config_changes("w f", "a", "c", client=api.client)
        queries = zip(api.asked, api.server.queries, strict=True)
    told = {asked[-1]: query for asked, query in queries if "/versions/" in asked}
    assert told == {"a": {"workflow_id": "w f"}, "c": {"workflow_id": "w f"}}
    assert frame.schema == CONFIG_CHANGES.schema
    assert set(frame.select("block_id", "block_type", "label").rows()) == {
        ("b", "extract", "Label of b")
    }
    told = {row[0]: row[1:] for row in frame.select("field", "change", "before", "after").rows()}
    assert told == {
        "$.config.prompt": ("changed", r'"Read.\nQuickly."', r'"Read.\nSlowly."'),
        "$.config.json_schema.type": ("changed", '"object"', '"array"'),
        "$.config.votes": ("added", None, "3"),
    }


def test_a_draft_is_the_blocks_as_they_are_now_page_by_page() -> None:
    pages = [live(block("x"), after="next"), live(block("y", {"prompt": "New"}))]
    with serving(a=version("a", block("x"), block("y", {"prompt": "Old"}))) as api:
        api.broken["GET /v1/workflows/blocks"] = lambda _: pages.pop(0)
        frame = ra.fetch_config_changes("wf", "a", client=api.client)
        listed = [query for query in api.server.queries if "after" in query]
    assert [query["after"] for query in listed] == ["next"]
    assert frame.select("block_id", "field", "before", "after").rows() == [
        ("y", "$.config.prompt", '"Old"', '"New"')
    ]


def test_blocks_that_came_and_went_are_one_row_each() -> None:
    frame = fetched("a", "c", a=version("a", block("old")), c=version("c", block("new", None)))
    assert frame.select("block_id", "change", "field").rows() == [
        ("new", "added", "$"),
        ("old", "removed", "$"),
    ]
    assert frame["before"][0] is None
    assert frame["after"][1] is None
    assert json.loads(frame["before"][1])["config"] == CONFIG


def test_a_block_that_was_renamed_is_a_change_of_its_label() -> None:
    old, new = (version(at, block("x", label=label)) for at, label in (("a", "Old"), ("c", "New")))
    frame = fetched("a", "c", a=old, c=new)
    assert frame.select("label", "field", "before", "after").rows() == [
        ("New", "$.label", '"Old"', '"New"')
    ]


def test_blocks_without_an_id_are_told_apart_by_what_they_are() -> None:
    twins = [block(None, {"n": n}, label="Twin") for n in (1, 2)]
    changed = [block(None, {"n": n}, label="Twin") for n in (1, 3)]
    frame = fetched("a", "c", a=version("a", *twins), c=version("c", *changed))
    assert frame.select("block_id", "field", "before", "after").rows() == [
        (None, "$.config.n", "2", "3")
    ]


@pytest.mark.parametrize("versions", [("a", "gone"), ("gone", "a"), ("draft_2026_05_18", "a")])
def test_a_version_that_the_api_does_not_know(versions: tuple[str, str]) -> None:
    with pytest.raises(ra.ConfigError, match="there is no such version"):
        fetched(*versions, a=version("a", block("b")))


def test_what_cannot_be_asked_for() -> None:
    client = client_for(NOWHERE)
    for arguments in (("", "a"), ("wf", ""), ("wf", "a", ""), ("wf", ".."), ("wf", "a", None)):
        with pytest.raises(ra.ConfigError):
            ra.fetch_config_changes(*arguments, client=client)  # type: ignore[arg-type]
    wrong = reply(body={"id": "a", "workflow_id": "wf", "blocks": [{"id": "b"}]})
    with pytest.raises(ra.SchemaError):
        fetched("a", a=wrong, blocks=live())


def blocks(config: object) -> list[dict[str, str | None]]:
    row = ("b", "extract", "", json.dumps(config), None)
    return [dict(zip(BLOCKS.schema, row, strict=True))]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("xy", max_size=2), inner),
    max_leaves=8,
)


@given(JSON, JSON)
def test_there_are_rows_exactly_where_something_differs(old: object, new: object) -> None:
    frame = compare_blocks(blocks(old), blocks(new))
    same = json.dumps(old, sort_keys=True) == json.dumps(new, sort_keys=True)
    assert frame.is_empty() == same
    moved = frame["field"].str.contains("→[0-9]+]$")
    rows = frame.filter(~moved)
    assert rows.filter(pl.col("before").eq_missing(pl.col("after"))).is_empty()
    assert ((frame["change"] == "added") == frame["before"].is_null()).all()
    assert ((frame["change"] == "removed") == frame["after"].is_null()).all()


@given(JSON)
def test_what_is_readable_is_still_the_same_json(document: object) -> None:
    text = json.dumps(document)
    if not isinstance(document, str):
        assert json.loads(readable(text)) == document


def test_a_comparison_of_frames_says_that_nobody_looked() -> None:
    old, new = ({"block_execution_fingerprint": each} for each in ("old", "new"))
    made = ra.compare(results(*many("e", "PPPPPP", **old)), results(*many("e", "FF", 8, **new)))
    assert made.evals["cause"].to_list() == ["edit"]
    assert "The edit was not looked up" in made.to_markdown()


def test_62_a_version_of_another_workflow_is_not_taken_for_this_ones() -> None:
    answers = {"a": version("a", block("b"), of="wf_other"), "c": version("c", block("b"))}
    with pytest.raises(ra.ProtocolError, match="a version of workflow 'wf_other'"):
        fetched("a", "c", **answers)
