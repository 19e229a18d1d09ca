"""The world: the same from the same seed, true to the contract, and sound in itself."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from support.inside import DAY, MILLI, parse_instant
from support.sandbox_api import ANCHOR, Api, past_of, plan_world, status_of

CONTRACT = Path(__file__).parents[2] / "data" / "openapi.yaml"
SEEDS = (0, 1, 20260518)


@pytest.fixture(scope="module", params=SEEDS)
def api(request: pytest.FixtureRequest) -> Api:
    return Api(plan_world(request.param))


@pytest.fixture(scope="module")
def everything(api: Api) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    return [(run, api.results(run["id"], order="asc")) for run in api.runs()]


def test_other_seed_other_ids() -> None:
    one, other = (Api(plan_world(seed)).runs() for seed in (0, 1))
    assert not {run["id"] for run in one} & {run["id"] for run in other}
    # The story does not hang on the seed: neither do the names.
    names = [
        sorted(str(e["name"]) for e in Api(plan_world(s)).evals("wf_invoices")) for s in (0, 1)
    ]
    assert names[0] == names[1]


def test_history_lies_between_five_months_ago_and_the_anchor(api: Api) -> None:
    created = [_instant(run["timing"]["created_at"]) for run in api.runs()[2:]]
    assert ANCHOR - 155 * DAY < min(created) < ANCHOR - 120 * DAY
    assert ANCHOR - DAY // 2 < max(created) < ANCHOR
    for run in api.runs(status="completed"):
        assert _instant(run["timing"]["completed_at"]) < ANCHOR


def _instant(text: str) -> int:
    instant = parse_instant(text)
    assert instant is not None
    return instant


def _validator(name: str) -> jsonschema_rs.Draft202012Validator:
    contract = yaml.safe_load(CONTRACT.read_text())
    schema = {"$ref": f"#/components/schemas/{name}", "components": contract["components"]}
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True)


def test_every_document_follows_the_contract(api: Api, everything: list[Any]) -> None:
    runs, results = _validator("WorkflowEvalRun"), _validator("WorkflowEvalResult")
    evals, workflows = _validator("WorkflowEval"), _validator("Workflow")
    versions, blocks = _validator("WorkflowGraphVersion"), _validator("WorkflowBlock")
    publications = _validator("PublishedWorkflowVersion")
    for run, children in everything:
        runs.validate(run)
        for child in children:
            results.validate(child)
    for workflow in api.all("/v1/workflows"):
        workflows.validate(workflow)
        for row in api.evals(workflow["id"]):
            evals.validate(row)
        for row in api.all("/v1/workflows/blocks", workflow_id=workflow["id"]):
            blocks.validate(row)
        for row in api.all("/v1/workflows/versions", workflow_id=workflow["id"]):
            publications.validate(row)
            path = f"/v1/workflows/versions/{row['workflow_version_id']}"
            versions.validate(api.get(path, workflow_id=workflow["id"]))


def test_verdicts_follow_from_values(everything: list[Any]) -> None:
    """Judge every result by its own condition, expected and actual value, as a person would."""
    judged: Counter[str] = Counter()
    for _, children in everything:
        for child in children:
            result = child["assertion_result"]
            if result is None or result["outcome"] == "blocked":
                continue
            kind = result["condition_kind"]
            if kind in _JUDGES:
                verdict = _JUDGES[kind](
                    result["actual_value"], result.get("expected_value"), result
                )
                assert verdict == (result["outcome"] == "passed"), result
                judged[kind] += 1
    assert set(judged) == set(_JUDGES)


def _contains(whole: Any, part: Any) -> bool:
    return all(whole.get(name) == value for name, value in part.items())


def _inner(condition: Any, item: Any) -> bool:
    if condition["kind"] == "object_contains":
        return _contains(item, condition["expected"])
    return set(condition["schema"]["required"]) <= set(item)


def _between(actual: Any, expected: Any, _: Any) -> bool:
    if expected["inclusive"]:
        return bool(expected["lower"] <= actual <= expected["upper"])
    return bool(expected["lower"] < actual < expected["upper"])


_JUDGES: dict[str, Any] = {
    "equals": lambda a, e, r: a == e,
    "not_equals": lambda a, e, r: a != e,
    "contains": lambda a, e, r: e in a,
    "not_contains": lambda a, e, r: e not in a,
    "starts_with": lambda a, e, r: a.startswith(e),
    "ends_with": lambda a, e, r: a.endswith(e),
    "matches_regex": lambda a, e, r: re.search(e, a) is not None,
    "exists": lambda a, e, r: a is not None,
    "not_exists": lambda a, e, r: a is None,
    "between": _between,
    "array_contains": lambda a, e, r: any(_contains(item, e) for item in a),
    "object_contains": lambda a, e, r: _contains(a, e),
    "all_items_match": lambda a, e, r: all(_inner(e, item) for item in a),
    "any_item_matches": lambda a, e, r: any(_inner(e, item) for item in a),
    "json_schema_valid": lambda a, e, r: set(e["required"]) <= set(a),
    "similarity_gte": lambda a, e, r: r["score"] >= r["threshold"],
    "split_iou_gte": lambda a, e, r: r["score"] >= r["threshold"],
}


def test_fingerprints_depend_on_what_they_name(everything: list[Any], api: Api) -> None:
    blocks: dict[Any, set[str]] = defaultdict(set)
    both: dict[Any, set[str]] = defaultdict(set)
    drafts: dict[Any, set[str]] = defaultdict(set)
    for run, children in everything:
        for child in children:
            block = child.get("block_execution_fingerprint")
            inputs = child.get("handle_inputs_fingerprint")
            drafts[run["workflow_version_id"]].add(child["workflow_draft_fingerprint"])
            if block is not None:
                blocks[run["workflow_version_id"], run["workflow_id"], child["block_id"]].add(block)
            if child["execution_fingerprint"] is not None:
                both[child["execution_fingerprint"]].add((block, inputs))
    assert all(len(found) == 1 for found in (*blocks.values(), *both.values()))
    order = [
        run["workflow_version_id"] for run, _ in everything if run["workflow_id"] == "wf_invoices"
    ]
    newest, good = list(dict.fromkeys(order))[:2]
    # One edit, told twice: the newest version is a draft, which has no diff.
    drafts_block, published = _configs(api, "wf_invoices", good)
    changed = [name for name in published if published[name] != drafts_block[name]]
    assert changed == ["extract_lines"]
    for block in ("extract_invoice", "extract_lines", "classify_document", "split_bundle"):
        same = blocks[newest, "wf_invoices", block] == blocks[good, "wf_invoices", block]
        assert same == (block not in changed)


def _configs(api: Api, workflow_id: str, version_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the blocks are set up with: in the draft, and in a published version."""
    draft = api.all("/v1/workflows/blocks", workflow_id=workflow_id)
    version = api.get(f"/v1/workflows/versions/{version_id}", workflow_id=workflow_id)
    now, then = ({row["id"]: row["config"] for row in rows} for rows in (draft, version["blocks"]))
    return now, then


def test_variety(everything: list[Any], api: Api) -> None:
    runs = [run for run, _ in everything]
    children = [child for _, found in everything for child in found]
    assert {run["trigger"]["type"] for run in runs} == {
        "manual", "api", "schedule", "webhook", "email", "custom", "restart",
    }  # fmt: skip
    assert {child["block_type"] for child in children} == {
        "extract",
        "split",
        "classifier",
        "function",
    }
    messages = [run["lifecycle"].get("message") for run in runs if status_of(run) == "error"]
    assert "(no message)" in messages
    assert len(messages) > 1
    assert any(run["lifecycle"].get("details") for run in runs if status_of(run) == "error")
    cancelled = [run for run in runs if status_of(run) == "cancelled"]
    assert any(run["timing"]["started_at"] is None for run in cancelled)
    assert any(run["timing"]["started_at"] for run in cancelled)
    assert any(run.get("eval_id") for run in runs)
    assert any(run.get("target") and not run.get("eval_id") for run in runs)
    codes = {
        (c["assertion_result"] or {}).get("failure") and c["assertion_result"]["failure"]["code"]
        for c in children
    }
    assert {
        "type_error", "invalid_regex", "schema_invalid", "execution_error",
        "block_execution_failed",
    } <= codes  # fmt: skip
    waits = [
        _instant(r["timing"]["started_at"]) - _instant(r["timing"]["created_at"])
        for r in runs
        if r["timing"]["started_at"]
    ]
    assert max(waits) > 300_000 * MILLI
    assert min(waits) < 3_000 * MILLI


def test_every_condition_kind_is_there(api: Api) -> None:
    contract = yaml.safe_load(CONTRACT.read_text())
    wanted = contract["components"]["schemas"]["Condition"]["properties"]["kind"]["enum"]
    evals = [e for w in api.all("/v1/workflows") for e in api.evals(w["id"])]
    assert {e["assertion"]["condition"]["kind"] for e in evals} == set(wanted)
    for name in ("assertion_drift_status", "schema_drift", "validation_status"):
        assert len({e[name] for e in evals}) > 1
    assert {e["source"]["type"] for e in evals} == {"manual", "run_step"}
    assert {e["freshness"]["status"] for e in evals} == {"fresh", "stale", "unknown"}
    assert any(e["name"] is None for e in evals)
    assert any(e["latest_run_summary"] is None for e in evals)


def test_awkward_strings_and_numbers_are_served() -> None:
    world = plan_world()
    blob = b"".join(run.json(ANCHOR) + b"".join(run.results_json(ANCHOR)) for run in past_of(world))
    blob += json.dumps(Api(world).evals("wf_invoices"), ensure_ascii=False).encode()
    for piece in (
        "<img src=x onerror=alert(1)>", "<b>Signs</b>", "$x_$", "$5 and $6", "🥐",
        "株式会社", "النخيل",
        "=SUM Analytics", "+Plus", "-40°", "@home", "_underscore", 'The Crate', "Северный",
    ):  # fmt: skip
        assert piece.encode() in blob, piece
    for literal in (
        b":1.10,",
        b":12345678901234567890,",
        b":1.5e6",
        b'"expected_value":null',
        b"\\n",
    ):
        assert literal in blob, literal
    assert re.search(rb"[:,\[](NaN|-?Infinity)", blob) is None
    assert re.search(rb"\\ud[89a-f]", blob) is None


def test_summaries_are_of_the_newest_results(api: Api) -> None:
    newest: dict[str, dict[str, Any]] = {}
    passing: dict[str, dict[str, Any]] = {}
    for run in reversed(api.runs(workflow_id="wf_contracts")):
        for child in api.results(run["id"]):
            if status_of(child) in ("completed", "error") and child["timing"]["started_at"]:
                newest[child["eval_id"]] = child
                if child["verdict"] == "passed":
                    passing[child["eval_id"]] = child
    for row in api.evals("wf_contracts"):
        summary, child = row["latest_run_summary"], newest[row["id"]]
        assert summary["run_record_id"] == child["id"]
        assert summary["status"] == status_of(child)
        assert summary["outcome"] == child["verdict"]
        assert summary["duration_ms"] == child["timing"]["duration_ms"]
        ok = row["latest_passing_run_summary"]
        assert (ok and ok["run_record_id"]) == passing.get(row["id"], {}).get("id")


def test_history_does_not_depend_on_when_it_is_read() -> None:
    """The same history whenever the store is opened."""
    early, late = Api(now=ANCHOR + DAY // 24), Api(now=ANCHOR + DAY)
    assert early.runs(status="completed") == late.runs(status="completed", to_date="2026-11-24")
