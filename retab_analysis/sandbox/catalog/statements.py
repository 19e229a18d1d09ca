"""The bank statements workflow: numbers of every kind, and a workflow that is not published."""

# ruff: noqa: E501 (a table reads better with its rows unbroken)

from typing import Any

from retab_analysis.sandbox.catalog.specs import Doc, Event, Spec, VersionSpec, WorkflowSpec
from retab_analysis.sandbox.catalog.words import equals, flaky, gives, iou, kind, similarity, splits
from retab_analysis.sandbox.encoding import number
from retab_analysis.sandbox.world.model import Block, Incident


def _entry(reference: int, day: str, amount: str, text: str) -> dict[str, Any]:
    return {"reference": reference, "booked": day, "amount": number(amount), "text": text}


def _statement(
    key: str,
    filename: str,
    bank: str,
    currency: str,
    entries: list[dict[str, Any]],
    closing: str,
    pages: dict[str, list[int]],
) -> Doc:
    extracted = {
        "bank": bank,
        "currency": currency,
        "transactions": entries,
        "closing_balance": number(closing),
    }
    outputs = {
        "split_statements": splits(**pages),
        "classify_account": {
            "category": "current" if currency == "EUR" else "foreign",
            "confidence": 0.99,
        },
        "extract_transactions": extracted,
        "reconcile": {"balanced": True, "unmatched": [], "rounding": number("0.00")},
    }
    return Doc(key, filename, outputs, data=extracted)


DOCS = (
    _statement(
        "hansebank", "Kontoauszug 2026-05 Hansebank.pdf", "Hansebank AG", "EUR",
        [_entry(12345678901234567890, "2026-05-04", "-1031.70", "BRIGHTWATER INV-10482"), _entry(12345678901234567891, "2026-05-05", "1.10", "Zinsen"), _entry(12345678901234567892, "2026-05-11", "-4200.00", "=SUM ANALYTICS 0071")],
        "48213.07", {"account": [1, 2], "terms": [3]},
    ),
    _statement(
        "ny", "statement #7 (USD) 10 May.pdf", "Hudson & Pearl Trust", "USD",
        [_entry(900719925474099267, "2026-05-08", "-8288.00", "BLUE RIDGE TIMBER $5 and $6"), _entry(900719925474099268, "2026-05-09", "2500000.00", "INTERCO_FUNDING_Q2")],
        "2611904.55", {"account": [1], "advice": [2, 3]},
    ),
    _statement(
        "tokyo", "取引明細_2026年5月.pdf", "みなと銀行", "JPY",
        [_entry(20260512000417, "2026-05-12", "-66440", "ﾐﾄﾞﾘｼﾖｳｼﾞ"), _entry(20260513000018, "2026-05-13", "1.5e6", "入金")],
        "9120034", {"account": [1, 2, 3]},
    ),
)  # fmt: skip

EVALS = (
    Spec("hansebank", "split_statements", None, iou(1.0), "Hansebank: terms apart from the account"),
    Spec("ny", "split_statements", None, iou(0.9), "Hudson & Pearl: payment advice apart", (flaky(0.4, splits(account=[1, 2], advice=[3])),)),
    Spec("hansebank", "classify_account", "category", equals, "Hansebank is a current account"),
    Spec("tokyo", "classify_account", "category", equals, "みなと銀行 is a foreign account"),
    Spec("hansebank", "extract_transactions", "transactions.0.reference", equals, "Hansebank: reference of 20 digits"),
    Spec("hansebank", "extract_transactions", "transactions.1.amount", equals, "Hansebank: interest of 1.10", (gives("cents", 110),)),
    Spec("hansebank", "extract_transactions", "transactions.2.text", kind("starts_with", expected="="), "Hansebank: text that looks like a formula"),
    Spec("hansebank", "extract_transactions", "transactions", kind("length_compare", op="eq", expected=3), "Hansebank: three bookings"),
    Spec("ny", "extract_transactions", "transactions.0.amount", kind("number_compare", op="lt", expected=0), "Hudson & Pearl: debit is negative", (gives("cents", number("8288.00")),)),
    Spec("ny", "extract_transactions", "transactions.1.text", similarity(0.9, "INTERCO FUNDING Q2", "levenshtein"), "Hudson & Pearl: INTERCO_FUNDING_Q2", (gives("always", "INTERCO_FUNDING"),), right=("INTERCO FUNDING Q2",)),
    Spec("ny", "extract_transactions", "closing_balance", kind("between", lower=2000000, upper=3000000, inclusive=True), "Hudson & Pearl: closing balance"),
    Spec("tokyo", "extract_transactions", "transactions.1.amount", equals, "みなと銀行: 1.5e6 as printed by the export"),
    Spec("tokyo", "extract_transactions", None, kind("object_contains", expected={"currency": "JPY"}), "みなと銀行: currency"),
    Spec("hansebank", "reconcile", "balanced", equals, "Hansebank reconciles"),
    Spec("ny", "reconcile", "unmatched", equals, "Hudson & Pearl: nothing unmatched"),
    Spec("tokyo", "reconcile", "rounding", equals, "みなと銀行: no rounding difference"),
)  # fmt: skip

_EVERY = tuple(Event(day, 5 * 60 + 10, "schedule") for day in range(-88, -1, 4))

STATEMENT_WORKFLOW = WorkflowSpec(
    id="wf_statements",
    name="Bank statements → ledger",
    description=None,
    project_id="proj_treasury",
    published=None,
    published_note="",
    blocks=(
        Block("split_statements", "split", "Split the statements"),
        Block("classify_account", "classifier", "Classify the account"),
        Block("extract_transactions", "extract", "Extract the transactions"),
        Block("reconcile", "function", "Reconcile"),
    ),
    versions=(
        VersionSpec(-90, ()),
        VersionSpec(-58, ("extract_transactions",)),
        VersionSpec(-50, ("extract_transactions",), draft=False),
        VersionSpec(-9, ("reconcile",)),
        VersionSpec(-1, ("split_statements",)),
    ),
    incidents={"always": Incident(1), "cents": Incident(2, 2)},
    docs=DOCS,
    specs=EVALS,
    events=(
        *_EVERY,
        Event(-90, 720, "manual"),
        Event(-58, 640, "manual", block="extract_transactions"),
        Event(-57, 900, "manual", only="cents"),
        Event(-50, 660, "api"),
        Event(-22, 760, "manual", only="ny"),
        Event(-9, 655, "manual", block="reconcile"),
    ),
)  # fmt: skip

UNTITLED_WORKFLOW = WorkflowSpec(
    id="wf_untitled",
    name="Untitled Workflow",
    description="",
    project_id="proj_accounts_payable",
    published=None,
    published_note="",
    blocks=(Block("document", "extract", "Document"),),
    versions=(VersionSpec(-27, ()),),
    incidents={},
    docs=(),
    specs=(),
    events=(),
)
