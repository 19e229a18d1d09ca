"""Bodies such as the API sends them, the same in every run."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from support.documents import result_document, run_document

Document = dict[str, Any]

BLOCKS = {
    "block_extract_invoice": ("extract", "extraction"),
    "block_split_bundle": ("split", "split"),
    "block_classify_document": ("classifier", "classification"),
    "block_check_totals": ("function", "function_invocation"),
}
START = datetime(2026, 1, 5, 8, tzinfo=UTC)


def page(documents: Iterable[Document]) -> bytes:
    """One page that holds them all, compact as the API sends it."""
    envelope = {"data": list(documents), "list_metadata": {"before": None, "after": None}}
    return json.dumps(envelope, separators=(",", ":"), ensure_ascii=False).encode()


def runs(count: int) -> list[Document]:
    """Runs of a workflow, of its blocks and of single evals; some failed to execute."""
    dice = random.Random(1)
    return [_run(number, dice) for number in range(count)]


def _run(number: int, dice: random.Random) -> Document:
    evals = dice.choice((1, 12, 80))
    crashed = number % 25 == 0
    failed = 0 if crashed else dice.randrange(evals)
    target = {"type": "block", "block_id": dice.choice(list(BLOCKS))} if evals < 80 else None
    details = {"error_code": "provider_timeout", "block_id": "block_extract_invoice"}
    crash = {"status": "error", "message": "The provider did not answer", "details": details}
    return run_document(
        f"wfevalrun_{number:012d}",
        workflow_id=f"wf_{number % 10:08d}",
        workflow_version_id=f"draft_2026_{1 + number % 12:02d}_18",
        trigger__type=dice.choice(("api", "manual", "schedule")),
        lifecycle=crash if crashed else {"status": "completed"},
        timing=_timing(number, dice),
        target=target,
        eval_id=f"wfnodeeval_{number % 80:021d}" if evals == 1 else None,
        total_evals=evals,
        counts__lifecycle_counts__completed=0 if crashed else evals,
        counts__lifecycle_counts__error=int(crashed),
        counts__lifecycle_counts__cancelled=evals - 1 if crashed else 0,
        counts__outcome__passed=0 if crashed else evals - failed,
        counts__outcome__failed=failed,
        freshness__status=dice.choice(("fresh", "stale")),
        freshness__reasons=dice.choice(([], ["inputs_changed"])),
        freshness__validity_fingerprint=f"{dice.getrandbits(256):064x}",
        freshness__input_fingerprint=f"{dice.getrandbits(256):064x}",
    )


def _timing(number: int, dice: random.Random) -> Document:
    created = START + timedelta(seconds=1200 * number, microseconds=dice.randrange(1_000_000))
    started = created + timedelta(milliseconds=dice.randrange(200, 60_000))
    took = dice.randrange(800, 240_000)
    return {
        "created_at": _iso(created),
        "started_at": _iso(started),
        "completed_at": _iso(started + timedelta(milliseconds=took)),
        "duration_ms": took,
    }


def _iso(instant: datetime) -> str:
    return instant.isoformat(timespec="microseconds").replace("+00:00", "Z")


def results(count: int) -> list[Document]:
    """Results of about 1.8 kB, four out of five passed."""
    dice = random.Random(2)
    return [_result(number, dice) for number in range(count)]


def _result(number: int, dice: random.Random) -> Document:
    block_id = dice.choice(list(BLOCKS))
    block_type, operation = BLOCKS[block_id]
    passed, expected = dice.random() < 0.8, round(dice.uniform(10, 9000), 2)
    outcome = "passed" if passed else "failed"
    lines = [{"position": at, "description": f"Item {at}", "amount": 12.5} for at in range(1, 5)]
    invoice = {
        "invoice_number": f"RE-2026-{number:05d}",
        "supplier": "Müller & Söhne GmbH",
        "currency": "EUR",
        "total": round(dice.uniform(10, 9000), 2),
        "lines": lines,
    }
    return result_document(
        f"wfevalresult_{number:012d}",
        workflow_eval_run_id=f"wfevalrun_{number // 40:012d}",
        eval_id=f"wfnodeeval_{number % 40:021d}",
        timing=_timing(number, dice),
        verdict=outcome,
        block_id=block_id,
        block_type=block_type,
        execution_fingerprint=f"{dice.getrandbits(256):064x}",
        handle_inputs_fingerprint=f"{number % 40:064x}",
        workflow_draft_fingerprint=f"{number // 400:064x}",
        block_execution_fingerprint=f"{number // 100:064x}",
        artifact={"operation": operation, "id": f"art_{dice.getrandbits(64):016x}"},
        handle_inputs__document__document__id=f"file_{number % 40:016d}",
        handle_inputs__document__document__filename=f"Müller & Söhne, invoice {number % 40}.pdf",
        handle_outputs={"output-json-0": {"type": "json", "data": invoice}},
        warnings=["Low contrast on page 2"] if number % 10 == 0 else [],
        assertion_result__assertion_id=f"as_{dice.getrandbits(48):012x}",
        assertion_result__outcome=outcome,
        assertion_result__actual_value=expected if passed else round(expected + 1, 2),
        assertion_result__expected_value=expected,
        assertion_result__assertion_label="Total of the invoice",
        **({"assertion_result__failure": None} if passed else {}),
    )
