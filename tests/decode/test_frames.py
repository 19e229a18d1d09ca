"""From documents to frames: FAULTS.md 38 to 42, and any document that the contract allows."""

from __future__ import annotations

import copy
import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.contract import JSON, documents, schema_of
from support.documents import (
    eval_document,
    result_document,
    run_document,
)
from support.faultserver import page
from support.oracle import RefusedError, run_row

import retab_analysis as ra
from retab_analysis.decode import parse_one, parse_page, report, to_frame
from retab_analysis.schema import EVALS, RESULTS, RESULTS_WITH_PAYLOADS, RUNS, WORKFLOWS, Table

RUN_DOCUMENTS = documents(schema_of("WorkflowEvalRun"))


def decode(table: Table, *records: Any) -> pl.DataFrame:
    found = parse_page(table, json.dumps(page(records)).encode())
    report(table, found.problems, strict=True)
    return to_frame(table, [found.rows])


def row(table: Table, document: Any) -> dict[str, Any]:
    return decode(table, document).row(0, named=True)


def test_a_run_column_by_column() -> None:
    assert row(RUNS, run_document()) == run_row(run_document())
    assert decode(RUNS, run_document()).schema == RUNS.schema


@given(RUN_DOCUMENTS)
def test_any_run_that_the_contract_allows(document: dict[str, Any]) -> None:
    assert row(RUNS, document) == run_row(document)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else []
    )
    return [path, *(place for key, each in inner for place in places(each, (*path, key)))]


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A good run with one thing in it replaced by anything, or taken away."""
    document = copy.deepcopy(draw(st.just(run_document()) | RUN_DOCUMENTS))
    *parents, last = draw(st.sampled_from(places(document)[1:]))
    part = document
    for key in parents:
        part = part[key]
    if draw(st.booleans()) and isinstance(part, dict):
        del part[last]
    else:
        odd = [2**63, -(2**63) - 1, 10**30, 1.5, 28000.0, True, "5", "2026-02-30T00:00:00Z", "noon"]
        part[last] = draw(st.sampled_from(odd) | JSON)
    return document


@given(mutated())
@settings(max_examples=300)
def test_a_mutated_run_is_refused_or_read_as_it_is(document: Any) -> None:
    try:
        expected = run_row(document)
    except RefusedError:
        with pytest.raises(ra.SchemaError, match="run"):
            decode(RUNS, run_document("good"), document)
        lenient = parse_page(RUNS, json.dumps(page([run_document("good"), document])).encode())
        assert lenient.rows["id"].to_list() == ["good"]
        assert [problem.path[:9] for problem in lenient.problems] == ["$.data[1]"]
    else:
        assert row(RUNS, document) == expected


NEVER_IN_SILENCE = {
    "a fraction": ("timing__duration_ms", 1.5, "found 1.5"),
    "a whole fraction": ("timing__duration_ms", 28000.0, "found 28000.0"),
    "beyond 64 bits": ("total_evals", 2**63, "found 9223372036854775808"),
    "far beyond": ("total_evals", 10**30, "found 1000000000000000000000000000000"),
    "below 64 bits": ("counts__outcome__passed", -(2**63) - 1, "-9223372036854775809"),
    "a word": ("counts__outcome__passed", "five", 'found "five"'),
    "a numeral": ("counts__outcome__passed", "5", 'found "5"'),
    "a truth": ("counts__outcome__passed", True, "found true"),
    "no id": ("id", ..., "missing required field `id`"),
    "a null id": ("id", None, "found null"),
    "no time": ("timing__created_at", "yesterday", "found 'yesterday'"),
    "nanoseconds": ("timing__created_at", "2026-05-18T10:00:00.1234567Z", "microsecond"),
    "a day that is not": ("timing__started_at", "2026-02-30T10:00:00Z", "ISO 8601"),
    "a leap second": ("timing__started_at", "2026-06-30T23:59:60Z", "ISO 8601"),
    "hour 24": ("timing__started_at", "2026-06-30T24:00:00Z", "ISO 8601"),
    "year 0": ("timing__completed_at", "0000-01-01T00:00:00Z", "ISO 8601"),
    "year 10000 in UTC": ("timing__completed_at", "9999-12-31T23:59:59-01:00", "ISO 8601"),
    "a date only": ("timing__completed_at", "2026-05-18", "ISO 8601"),
    "a number for a time": ("timing__completed_at", 1_790_000_000, "found 1790000000"),
    "a lone surrogate": ("workflow_id", "\ud800", "lone surrogate"),
    "a list for a part": ("counts", [], "Expected `object | null`"),
    "a target without a block": ("target", {}, "missing required field `block_id`"),
    "a number among reasons": ("freshness__reasons", ["a", 1], "found 1"),
}


@pytest.mark.parametrize(
    ("path", "value", "words"), NEVER_IN_SILENCE.values(), ids=NEVER_IN_SILENCE
)
def test_39_strict_names_record_path_and_value(path: str, value: Any, words: str) -> None:
    with pytest.raises(ra.SchemaError) as caught:
        decode(RUNS, run_document("good"), run_document("bad", **{path: value}))
    assert words in str(caught.value)
    assert caught.value.record_id == ("bad" if not path.startswith("id") else None)
    assert caught.value.path is not None
    assert caught.value.path.startswith("$.data[1]")
    assert caught.value.problems is not None
    assert caught.value.problems.columns == ["record_id", "path", "reason", "raw"]


@pytest.mark.parametrize(
    ("path", "value", "words"), NEVER_IN_SILENCE.values(), ids=NEVER_IN_SILENCE
)
def test_39_lenient_keeps_the_others(path: str, value: Any, words: str) -> None:
    records = [run_document("a"), run_document("bad", **{path: value}), run_document("b")]
    found = parse_page(RUNS, json.dumps(page(records)).encode())
    assert to_frame(RUNS, [found.rows])["run_id"].to_list() == ["a", "b"]
    assert len(found.problems) == 1
    assert words in found.problems[0].reason


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("2026-05-18T10:00:00Z", "2026-05-18T10:00:00+00:00"),
        ("2026-05-18T10:00:00", "2026-05-18T10:00:00+00:00"),
        ("2026-05-18 10:00:00.5", "2026-05-18T10:00:00.500000+00:00"),
        ("2026-05-18T10:00:00.123456+02:00", "2026-05-18T08:00:00.123456+00:00"),
        ("2026-05-18T00:30:00-05:30", "2026-05-18T06:00:00+00:00"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999+00:00"),
    ],
)
def test_times_are_read_to_the_microsecond(sent: str, read: str) -> None:
    found = row(RUNS, run_document(timing__created_at=sent))["created_at"]
    assert found.isoformat() == read


@pytest.mark.parametrize("value", [b"NaN", b"Infinity", b"-Infinity", b"01", b"'x'", b"{", b"tru"])
def test_38_what_is_not_json_is_a_protocol_error(value: bytes) -> None:
    body = json.dumps(page([run_document()])).encode().replace(b"28000", value)
    with pytest.raises(ra.ProtocolError):
        parse_page(RUNS, body)
    bad_record_too = body.replace(b'"draft_2026_05_18"', b"7")
    with pytest.raises(ra.ProtocolError):
        parse_page(RUNS, bad_record_too)


DEEP = b"[" * 100_000 + b"]" * 100_000


def test_40_depth_spoils_its_record_only() -> None:
    records = [run_document("a"), run_document("deep", extra="DEEP"), run_document("b")]
    body = json.dumps(page(records)).encode().replace(b'"DEEP"', DEEP)
    found = parse_page(RUNS, body)
    assert found.rows["id"].to_list() == ["a", "b"]
    assert [(each.record_id, each.reason) for each in found.problems] == [
        ("deep", "nested too deeply")
    ]


@pytest.mark.parametrize(
    "body", [DEEP, b'{"data":' + DEEP + b"}", b'{"x":' + DEEP + b',"data":[]}']
)
def test_40_depth_anywhere_is_an_error_of_ours(body: bytes) -> None:
    for parse in (parse_page, parse_one):
        with pytest.raises(ra.SchemaError, match="expected") as caught:
            report(RUNS, parse(RUNS, body).problems, strict=True)
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
    found = parse_page(RUNS, body)
    assert found.rows["id"].to_list() == ["a", "b"]
    assert found.problems[0].record_id == "bad"
    assert reason in found.problems[0].reason
    found.problems[0].raw.encode()


def test_41_bad_text_in_an_id_is_shown_escaped() -> None:
    body = json.dumps(page([run_document("\ud800")])).encode()
    assert parse_page(RUNS, body).problems[0].record_id == "\\ud800"


def test_42_what_is_new_keeps_working() -> None:
    document = run_document(
        lifecycle__status="paused",
        trigger__type="carrier_pigeon",
        freshness__status="ripe",
        target={"type": "workflow", "workflow_id": "wf"},
        brand_new={"field": [1, {"deep": None}]},
    )
    found = row(RUNS, document)
    assert (found["status"], found["is_terminal"], found["ok"]) == ("paused", False, None)
    assert (found["trigger_type"], found["freshness_status"]) == ("carrier_pigeon", "ripe")
    assert (found["target_type"], found["target_block_id"]) == ("workflow", None)


COUNTS = [
    "pending",
    "queued",
    "running",
    "completed",
    "error",
    "cancelled",
    "passed",
    "failed",
    "blocked",
]


@pytest.mark.parametrize("counts", [None, ...])
def test_counts_that_are_not_there_are_null(counts: Any) -> None:
    found = row(RUNS, run_document(counts=counts))
    assert [found[name] for name in COUNTS] == [None] * 9
    assert (found["total_evals"], found["pass_rate"], found["ok"]) == (4, None, None)
    for status in ("error", "cancelled"):
        assert row(RUNS, run_document(counts=counts, lifecycle={"status": status}))["ok"] is False


def test_parts_of_counts_that_are_not_there_null_their_own() -> None:
    found = row(RUNS, run_document(counts__outcome=None))
    assert [found[name] for name in COUNTS] == [0, 0, 0, 4, 0, 0, None, None, None]
    assert found["ok"] is None
    assert (
        row(RUNS, run_document(counts__outcome=None, counts__lifecycle_counts__error=1))["ok"]
        is False
    )
    found = row(RUNS, run_document(counts__outcome={"passed": 2, "failed": None}))
    assert [found[name] for name in ("passed", "failed", "blocked")] == [2, None, 0]


def test_a_result_column_by_column() -> None:
    assert row(RESULTS, result_document()) == {
        "eval_name": None,
        "eval_id": "wfnodeeval_1",
        "state": "failed",
        "block_id": "block_extract_invoice",
        "document_names": ["invoice 1.pdf"],
        "duration_ms": 1750,
        "expected_value": '{"total":2}',
        "actual_value": "1.5",
        "path": None,
        "condition_kind": "equals",
        "failure_code": "not_equal",
        "failure_message": "1.5 is not 2",
        "score": None,
        "threshold": None,
        "run_id": "wfevalrun_1",
        "workflow_version_id": None,
        "run_created_at": None,
        "result_id": "res_1",
        "workflow_id": "wf_invoices",
        "block_type": "extract",
        "status": "completed",
        "status_message": None,
        "verdict": "failed",
        "created_at": pl.Series(["2026-05-18T10:00:00Z"]).str.to_datetime()[0],
        "started_at": pl.Series(["2026-05-18T10:00:01.250Z"]).str.to_datetime()[0],
        "completed_at": pl.Series(["2026-05-18T10:00:03Z"]).str.to_datetime()[0],
        "queue_ms": 1250,
        "assertion_id": "as_1",
        "assertion_label": "total",
        "metric_kind": None,
        "warnings": ["low contrast"],
        "document_ids": ["file_1"],
        "artifact_operation": "extraction",
        "artifact_id": "ext_1",
        "handle_inputs_fingerprint": "in_1",
        "block_execution_fingerprint": "bl_1",
        "workflow_draft_fingerprint": "dr_1",
        "execution_fingerprint": "ex_1",
    }


@given(documents(schema_of("WorkflowEvalResult")))
def test_any_result_that_the_contract_allows(document: dict[str, Any]) -> None:
    found = row(RESULTS, document)
    assert found["eval_id"] == document["eval_id"]
    assert found["verdict"] == document.get("verdict")
    for column in ("actual_value", "expected_value"):
        assertion = document.get("assertion_result")
        if assertion is None or column not in assertion:
            assert found[column] is None
        else:
            assert json.loads(found[column]) == assertion[column]
    payloads = row(RESULTS_WITH_PAYLOADS, document)
    for column in ("handle_inputs", "handle_outputs"):
        text = payloads.pop(column)
        assert (text is None) == (column not in document)
        assert text is None or json.loads(text) == document[column]
    assert payloads == found


@pytest.mark.parametrize(
    "literal", ["12345678901234567890", "1.10", "1e400", "-0.0", '"\\u00e9"', "null"]
)
def test_values_are_the_json_that_was_sent(literal: str) -> None:
    body = json.dumps(page([result_document()])).replace("1.5,", f"  {literal} ,", 1)
    found = to_frame(RESULTS, [parse_page(RESULTS, body.encode()).rows])
    assert found["actual_value"].to_list() == [literal]


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"verdict": "passed"}, "passed"),
        ({"verdict": "blocked"}, "blocked"),
        ({"verdict": None}, "unscored"),
        ({"verdict": "skipped"}, "unscored"),
        ({"verdict": None, "lifecycle": {"status": "running"}}, "unscored"),
        ({"verdict": None, "lifecycle": {"status": "error", "message": "boom"}}, "error"),
        ({"verdict": None, "lifecycle": {"status": "cancelled", "reason": "stop"}}, "cancelled"),
        ({"verdict": "passed", "lifecycle": None}, "passed"),
    ],
)
def test_the_state_of_a_result(changes: dict[str, Any], state: str) -> None:
    found = row(RESULTS, result_document(**changes))
    assert found["state"] == state
    assert found["verdict"] == changes["verdict"]


@pytest.mark.parametrize(
    ("lifecycle", "message"),
    [
        ({"status": "error", "message": "boom"}, "boom"),
        ({"status": "error", "message": "(no message)"}, None),
        ({"status": "error"}, None),
        ({"status": "cancelled", "reason": "by hand"}, "by hand"),
        ({"status": "completed"}, None),
    ],
)
def test_the_message_of_a_status(lifecycle: dict[str, Any], message: str | None) -> None:
    assert row(RUNS, run_document(lifecycle=lifecycle))["status_message"] == message
    assert row(RESULTS, result_document(lifecycle=lifecycle))["status_message"] == message


def test_an_eval_column_by_column() -> None:
    found = row(EVALS, eval_document())
    times = {
        name: str(found.pop(name))
        for name in ("created_at", "updated_at", "latest_run_completed_at")
    }
    assert set(times.values()) == {
        "2026-01-01 08:00:00+00:00",
        "2026-01-02 08:00:00+00:00",
        "2026-05-18 10:00:03+00:00",
    }
    assert found == {
        "eval_id": "wfnodeeval_1",
        "name": "Total of invoice 1",
        "target_block_id": "block_extract_invoice",
        "output_handle_id": "out",
        "path": "total.amount",
        "condition_kind": "equals",
        "assertion_label": "total",
        "condition": '{"kind":"equals","expected":2}',
        "source_type": "run_step",
        "source_run_id": "run_1",
        "source_step_id": "step_1",
        "assertion_drift_status": "valid",
        "schema_drift": "none",
        "drift_status": "none",
        "freshness_status": "fresh",
        "validation_status": "valid",
        "latest_run_status": "completed",
        "latest_run_outcome": "passed",
        "latest_run_duration_ms": 2000,
        "workflow_id": "wf_invoices",
    }


@given(documents(schema_of("WorkflowEval")))
def test_any_eval_that_the_contract_allows(document: dict[str, Any]) -> None:
    found = row(EVALS, document)
    assertion = document.get("assertion")
    assert found["condition_kind"] == (assertion and assertion["condition"]["kind"])
    assert (found["condition"] and json.loads(found["condition"])) == (
        assertion and assertion["condition"]
    )


def test_a_condition_without_a_kind_is_refused() -> None:
    with pytest.raises(ra.SchemaError, match=r"missing required field `kind`"):
        decode(EVALS, eval_document(assertion__condition={"expected": 1}))


@given(documents(schema_of("Workflow")))
def test_any_workflow_that_the_contract_allows(document: dict[str, Any]) -> None:
    found = row(WORKFLOWS, document)
    assert found["name"] == document.get("name", "Untitled Workflow")
    assert found["description"] == document.get("description", "")


FORMS = {
    "one": lambda run: run,
    "a list": lambda run: [run],
    "a page": lambda run: page([run]),
    "a page without metadata": lambda run: {"data": [run]},
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize(
    "as_what", [lambda x: x, json.dumps, lambda x: json.dumps(x, indent=2).encode()]
)
def test_decode_takes_any_form(form: Any, as_what: Any) -> None:
    for function, document in (
        (ra.decode_runs, run_document()),
        (ra.decode_results, result_document()),
        (ra.decode_evals, eval_document()),
    ):
        frame = function(as_what(form(document)))
        assert frame.height == 1
        assert frame.equals(function([document]))
        assert function([]).equals(frame.clear())


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (7, ra.SchemaError, "expected bytes, str, a dict or a list of documents; got int"),
        (None, ra.SchemaError, "got NoneType"),
        (b"7", ra.SchemaError, "expected an object, a list of objects, or a page; got 7"),
        ([7], ra.SchemaError, r"\$\[0\]: Expected `object`, got `int`; found 7"),
        ({"a": 1}, ra.SchemaError, "missing required field `id`"),
        ("", ra.ProtocolError, "Expecting value"),
        ({"a": {1, 2}}, ra.ProtocolError, "not JSON serializable"),
        ([float("nan")], ra.ProtocolError, "not JSON"),
        ("\ud800", ra.ProtocolError, "Expecting value"),
        ('{"data": [{}', ra.ProtocolError, "Expecting"),
        (
            [run_document(total_evals="x"), run_document("r2", id=...)],
            ra.SchemaError,
            r"run wfevalrun_1: at \$\[0\]\.total_evals.*\(and 1 more, see \.problems\)",
        ),
        ([run_document(timing__created_at="x" * 500)], ra.SchemaError, "ISO 8601"),
        ([run_document(total_evals=["a", "b"])], ra.SchemaError, "got `array`"),
        ([run_document(total_evals="y" * 500)], ra.SchemaError, "y{70,80}…"),
    ],
)
def test_decode_refuses_the_rest(data: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        ra.decode_runs(data)


def test_a_duplicate_in_decode_stays() -> None:
    assert ra.decode_runs([run_document(), run_document()]).height == 2


@pytest.mark.parametrize("before", ["", "[", "{GOOD},"])
@pytest.mark.parametrize("depth", [500, 1_100, 100_000])
def test_40_what_is_cut_off_in_the_deep_is_not_dropped(before: str, depth: int) -> None:
    good = json.dumps(run_document())
    text = f'[{before.replace("{GOOD}", good)}{{"id":"r2","x":{"[" * depth}'
    for broken in (text, "[" * depth):
        with pytest.raises(ra.ProtocolError):
            ra.decode_runs(broken)
