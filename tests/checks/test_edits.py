"""A check shows exactly the edit that broke something, wherever that is known."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.archives import opened, sync
from support.faultserver import reply
from support.lettered_api import FLOW, LetteredApi, alike

import retab_analysis as ra

UNKNOWN = "The edit is not known: the API does not keep earlier drafts."


@contextmanager
def broken_at(
    fails_from: int, codes: str, published: str = "", **more: Any
) -> Iterator[LetteredApi]:
    """Three evals that break in a run; a letter per run is the code of their block."""
    letters = "P" * fails_from + "F" * (len(codes) - fails_from)
    evals = {**alike(3, letters, "bad"), **alike(4, "P" * len(codes))}
    blocks = {each: "extract" if each.startswith("bad") else "split" for each in evals}
    versions = [f"{letter}A" for letter in published]  # by the letters of both blocks
    own = {"extract": codes, "split": "A"}
    with LetteredApi(evals, own, blocks=blocks, published=versions, **more) as api:
        yield api


def shown(verdict: Any) -> list[tuple[str, str, str]]:
    changes = verdict.config_changes.select("block_id", "before", "after")
    return [(block, was[-2], now[-2]) for block, was, now in changes.iter_rows()]


def histories(api: LetteredApi) -> list[str]:
    return [each for each in api.asked if each.endswith("config-history")]


def looked_up(api: LetteredApi) -> list[str]:
    """What was asked of versions."""
    return [each for each in api.asked if "/versions/" in each]


@pytest.mark.parametrize(
    ("codes", "published"),
    [
        ("A" * 20 + "BBBCCCDDD", ""),  # three drafts ago
        ("A" * 20 + "BBB", ""),
        ("A" * 20 + "BBBCCC", "AC"),  # a draft between two published versions
        ("A" * 20 + "BBB", "AB"),
        ("Z" * 10 + "A" * 10 + "BBBCCC", "Z"),
    ],
)
def test_it_is_exactly_that_edit(codes: str, published: str) -> None:
    with broken_at(20, codes, published=published) as api:
        verdict = api.check()
        assert set(verdict.broken["cause"]) == {"edit"}
        assert shown(verdict) == [("extract", "A", "B")]
        names = ("extract", "split")
        assert [*histories(api)] == [f"GET /v1/workflows/blocks/{e}/config-history" for e in names]
        assert not looked_up(api)
    assert UNKNOWN not in verdict.to_markdown()


def test_an_edit_that_was_not_run_since_is_not_it() -> None:
    with broken_at(20, "A" * 20 + "BBB" + "C") as api:
        api.evals = {each: row[:23] for each, row in api.evals.items()}
        api.write(api.evals)
        assert shown(api.check()) == [("extract", "A", "B")]


def test_a_configuration_that_was_put_back() -> None:
    """A, then B, then A again: the break by B, and one on A, which no edit explains."""
    with broken_at(20, "A" * 10 + "B" * 10 + "AAA") as api:
        assert shown(api.check()) == []  # it had passed on A, so no edit broke it
    with broken_at(10, "A" * 10 + "BBB") as api:
        assert shown(api.check()) == [("extract", "A", "B")]


@pytest.mark.parametrize("history", [True, False])
def test_no_request_more_than_where_nothing_broke(history: bool) -> None:
    """Histories are read whatever broke, and no further one if the API refuses the first."""
    asked = []
    for fails_from in (23, 20):
        with broken_at(fails_from, "A" * 20 + "BBB", "A", history=history) as api:
            api.check()
            asked.append(len(api.asked))
    assert asked[1] == asked[0]


@pytest.mark.parametrize(
    ("codes", "published"), [("A" * 20 + "BBBCCC", ""), ("A" * 20 + "BBB", "AB")]
)
def test_without_a_history_one_line_says_that_it_is_not_known(codes: str, published: str) -> None:
    with broken_at(20, codes, published, history=False) as api:
        verdict = api.check()
        assert not looked_up(api)
    assert shown(verdict) == []
    for text in (verdict.to_markdown(), verdict.to_html(), " ".join(str(verdict).split())):
        assert UNKNOWN in text
    assert "The edit in extract is not known" in verdict.explain()


def test_an_archive_remembers_it(tmp_path: Path) -> None:
    """Which was synced between the edits, while nothing else keeps drafts."""
    path = tmp_path / "a.sqlite"
    with broken_at(20, "A" * 20 + "BBBCCC", history=False) as api, ra.Archive(path) as archive:
        for api.upto in (20, 22, 25):
            sync(archive, api)
            synced_at(path, api.runs[api.upto - 1].at)
        api.upto = 26
        with_it, without = api.check(archive), api.check()
    assert shown(without) == []
    assert UNKNOWN in without.to_markdown()
    assert shown(with_it) == [("extract", "A", "B")]
    assert UNKNOWN not in with_it.to_markdown()


def synced_at(path: Path, moment: datetime) -> None:
    """Put back the clock of the newest sync, as far as it is of blocks."""
    at, today = (int(each.timestamp()) * 1_000_000 for each in (moment, datetime.now(UTC)))
    with opened(path) as db:
        for column in ("first_seen", "state_seen", "last_seen"):
            is_new = f"kind = 'blocks' AND {column} > {today - 600_000_000}"
            db.execute(f"UPDATE documents SET {column} = {at} WHERE {is_new}")


def test_the_histories_of_twelve_blocks_are_asked_for_at_most() -> None:
    bad = {f"bad {at}": "P" * 20 + "FFF" for at in range(15)}
    blocks = {each: f"block {at}" for at, each in enumerate(bad)}
    codes = {block: "A" * 20 + "B" for block in blocks.values()}
    with LetteredApi(bad | alike(30, "P" * 23), codes, blocks=blocks) as api:
        verdict = api.check()
        assert verdict.broken.height == 15
        assert len(histories(api)) == len({*histories(api)}) == 12
    assert len(shown(verdict)) == 12


def test_a_draft_of_before_is_compared_with_what_is_now() -> None:
    with broken_at(20, "A" * 20 + "BBBCCC") as api:
        changes = ra.fetch_config_changes(FLOW, "version_AA", "version_BA", client=api.client)
        assert changes.select("block_id", "field", "before", "after").rows() == [
            ("extract", "$.config.prompt", '"Prompt A"', '"Prompt B"')
        ]
        now = ra.fetch_config_changes(FLOW, "version_BA", client=api.client)
        assert now["after"].to_list() == ['"Prompt C"']
        with pytest.raises(ra.ConfigError, match="'version_XX': there is no such version"):
            ra.fetch_config_changes(FLOW, "version_XX", client=api.client)
    with broken_at(20, "A" * 20 + "BBBCCC", history=False) as api:
        with pytest.raises(ra.NotFoundError):
            ra.fetch_config_changes(FLOW, "version_AA", "version_BA", client=api.client)


def test_that_asking_fails_is_said_and_loses_nothing() -> None:
    with broken_at(20, "A" * 20 + "BBB", max_attempts=2) as api:
        api.broken["GET /v1/workflows/blocks/extract"] = reply(500)
        verdict = api.check()
    assert verdict.broken.height == 3
    assert "The edit is not known" in verdict.to_markdown()
    assert verdict.config_changes.is_empty()
    assert isinstance(verdict.config_changes, pl.DataFrame)
