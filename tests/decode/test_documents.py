"""Bodies that are not what they should be, FAULTS.md 38, 40 and 41."""

from __future__ import annotations

import json
import tracemalloc

import pytest
from support.documents import (
    run_document,
)
from support.faultserver import page
from support.inside import RUNS, read_one, read_page, report_problems

import retab_analysis as ra


@pytest.mark.parametrize("value", [b"NaN", b"Infinity", b"-Infinity", b"01", b"'x'", b"{", b"tru"])
def test_38_what_is_not_json_is_a_protocol_error(value: bytes) -> None:
    body = json.dumps(page([run_document()])).encode().replace(b"28000", value)
    with pytest.raises(ra.ProtocolError):
        read_page(RUNS.record, body)
    bad_record_too = body.replace(b'"draft_2026_05_18"', b"7")
    with pytest.raises(ra.ProtocolError):
        read_page(RUNS.record, bad_record_too)


DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(page([run_document(extra="DEEP")])).encode().replace(b'"DEEP"', DEEP),
        *(DEEP, b'{"data":' + DEEP + b"}", b'{"x":' + DEEP + b',"data":[]}', DEEP[:50_000]),
    ],
)
def test_40_depth_anywhere_is_an_error_of_ours(body: bytes) -> None:
    for parse in (read_page, read_one):
        with pytest.raises(ra.SchemaError, match="too deeply") as caught:
            parse(RUNS.record, body)
        assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("raw", "reason"),
    [(b"\xff", "not UTF-8"), (b"\\ud800", "lone surrogate"), (b"\xed\xa0\x80", "not UTF-8")],
)
@pytest.mark.parametrize("place", [b"api", b"only-skipped"])
def test_41_bad_text_in_one_record(raw: bytes, reason: str, place: bytes) -> None:
    records = [run_document("a"), run_document("bad", skipped="only-skipped"), run_document("b")]
    body = json.dumps(page(records)).encode()
    head, _, tail = body.partition(b'"bad"')
    body = head + b'"bad"' + tail.replace(place, place + raw, 1)
    found = read_page(RUNS.record, body)
    assert [each.id for each in found.structs] == ["a", "b"]
    assert found.problems[0].record_id == "bad"
    assert reason in found.problems[0].reason
    found.problems[0].raw.encode()


def test_looking_for_bad_text_takes_little_memory() -> None:
    text = "a" * 300_001 + "\N{GRINNING FACE}" * 100_000
    body = json.dumps({**page([]), "skipped": text}, ensure_ascii=False).encode()
    read_page(RUNS.record, body)  # what is made at first use
    tracemalloc.start()
    try:
        assert not read_page(RUNS.record, body).problems
        assert tracemalloc.get_traced_memory()[1] < len(body) / 2
    finally:
        tracemalloc.stop()


def test_41_bad_text_in_an_id_is_shown_escaped() -> None:
    body = json.dumps(page([run_document("\ud800")])).encode()
    assert read_page(RUNS.record, body).problems[0].record_id == "\\ud800"


GOOD = json.dumps(run_document("good")).encode()


def many_bad(number: int, bad: bytes = b"{}") -> bytes:
    """A page with so many bad records and a good one behind them."""
    return b'{"data":[' + (bad + b",") * number + GOOD + b'],"list_metadata":{"after":"c"}}'


def test_59_a_thousand_problems_are_described_and_the_others_counted() -> None:
    found = read_page(RUNS.record, many_bad(5_000))
    assert (len(found.problems), found.problems.total) == (1_000, 5_000)
    assert found.problems[-1].path == "$.data[999]"
    assert ([each.id for each in found.structs], found.after) == (["good"], "c")
    words = r"\(and 4,999 more, the first 1,000 are in \.problems\)"
    with pytest.raises(ra.SchemaError, match=words) as caught:
        report_problems(RUNS, found.problems, strict=True)
    assert caught.value.problems.height == 1_000
    with pytest.warns(ra.ProblemsWarning, match=r"5,000 runs left out, the first 1,000 are in"):
        report_problems(RUNS, found.problems, strict=False)


def test_59_what_is_only_counted_has_to_be_json_as_well() -> None:
    body = many_bad(1_500).replace(b"{}," + GOOD, b"{]," + GOOD)
    with pytest.raises(ra.ProtocolError, match="not JSON"):
        read_page(RUNS.record, body)


def test_59_memory_is_in_proportion_to_the_body() -> None:
    body = many_bad(20_000)
    tracemalloc.start()
    try:
        read_page(RUNS.record, body)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # It was 116 times the body.
    assert peak < 10 * len(body)


def test_59_who_calls_can_end_it() -> None:
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise ra.DeadlineExceeded("no time left")

    with pytest.raises(ra.DeadlineExceeded):
        read_page(RUNS.record, many_bad(100_000), check)
