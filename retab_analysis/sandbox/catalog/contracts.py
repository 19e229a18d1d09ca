"""The contracts workflow: small, and never quite green; some of its evals have always failed."""

# ruff: noqa: E501 (a table reads better with its rows unbroken)

from typing import Any

from retab_analysis.sandbox.catalog.specs import Doc, Event, Spec, VersionSpec, WorkflowSpec
from retab_analysis.sandbox.catalog.words import (
    blocks,
    breaks,
    equals,
    flaky,
    gives,
    iou,
    judged,
    kind,
    similarity,
    splits,
)
from retab_analysis.sandbox.world.model import Block, Incident

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def _contract(
    key: str,
    filename: str,
    parties: tuple[str, str],
    category: str,
    terms: dict[str, Any],
    pages: dict[str, list[int]],
    mime_type: str = "application/pdf",
) -> Doc:
    signatures = [
        {"party": party, "signed": True, "page": pages["contract"][-1]} for party in parties
    ]
    extracted = {"parties": list(parties), **terms}
    outputs = {
        "split_annexes": splits(**pages),
        "classify_contract": {"category": category, "confidence": 0.95},
        "extract_terms": extracted,
        "check_signatures": {"complete": True, "missing": [], "signatures": signatures},
    }
    return Doc(
        key, filename, outputs, mime_type, data={"parties": list(parties), "signatures": signatures}
    )


DOCS = (
    _contract(
        "frame", "Rahmenvertrag Nordwind 2025-11 (unterzeichnet).pdf", ("Nordwind Logistik GmbH", "Hollmann Foods SE"), "frame_agreement",
        {"effective_date": "2025-11-01", "term_months": 24, "notice_period_days": 90, "governing_law": "Deutschland", "penalty": None, "liability_cap": 250000, "renewal": "verlängert sich um jeweils 12 Monate"},
        {"contract": [1, 2, 3, 4, 5], "annex_prices": [6, 7], "annex_sla": [8]},
    ),
    _contract(
        "nda", "NDA_Sterling_&_Webb_v3_FINAL.docx", ("Sterling & Webb Solicitors LLP", "Hollmann Foods SE"), "nda",
        {"effective_date": "2026-02-16", "term_months": 36, "notice_period_days": 30, "governing_law": "England and Wales", "penalty": None, "liability_cap": None, "renewal": "none"},
        {"contract": [1, 2, 3]}, mime_type=DOCX,
    ),
    _contract(
        "lease", "Mietvertrag Lager Süd (Entwurf 2).pdf", ("Gewerbepark Süd KG", "Hollmann Foods SE"), "lease",
        {"effective_date": "2026-04-01", "term_months": 60, "notice_period_days": 180, "governing_law": "Deutschland", "penalty": "zwei Monatsmieten", "liability_cap": None, "renewal": "Option: 2 × 5 Jahre"},
        {"contract": [1, 2, 3, 4, 5, 6], "annex_plan": [7], "handover": [8, 9]},
    ),
    _contract(
        "saas", "MSA $x_$ Consulting — order form.pdf", ("$x_$ Consulting LLC", "Hollmann Foods SE"), "saas",
        {"effective_date": "2026-03-15", "term_months": 12, "notice_period_days": 60, "governing_law": "Delaware", "penalty": "1.5 % per month", "liability_cap": 120000, "renewal": "renews for successive terms of 12 months unless either party gives notice"},
        {"contract": [1, 2, 3, 4], "order_form": [5]},
    ),
    _contract(
        "supply", "Umowa dostawy Kowalczyk.pdf", ("Kowalczyk Metal Sp. z o.o.", "Hollmann Foods SE"), "supply",
        {"effective_date": "2026-01-12", "term_months": 18, "notice_period_days": 45, "governing_law": "Polska", "penalty": "0,2 % dziennie", "liability_cap": 80000, "renewal": "brak"},
        {"contract": [1, 2, 3, 4, 5, 6, 7], "annex_quality": [8, 9, 10]},
    ),
    _contract(
        "amendment", "Amendment no. 2 — 契約変更覚書.pdf", ("株式会社みどり商事", "Hollmann Foods SE"), "amendment",
        {"effective_date": "2026-05-01", "term_months": 12, "notice_period_days": 30, "governing_law": "日本", "penalty": None, "liability_cap": 5000000, "renewal": "自動更新"},
        {"contract": [1, 2]},
    ),
)  # fmt: skip

_AUTOMATIC = "Does the contract renew by itself?"
_STAMP = "Signature block is an image; the OCR engine raised IndexError in locate_stamp()"

EVALS = (
    Spec("frame", "split_annexes", None, iou(0.95), "Nordwind frame agreement: annexes apart"),
    Spec("lease", "split_annexes", None, iou(0.9), "Lease: handover protocol apart", (flaky(0.3, splits(contract=[1, 2, 3, 4, 5, 6], annex_plan=[7, 8], handover=[9])),)),
    Spec("supply", "split_annexes", "splits", kind("length_compare", op="gte", expected=2), "Umowa dostawy: annex found"),
    Spec("nda", "split_annexes", "splits.0.name", equals, "NDA is one document", run_step=True),
    Spec("frame", "classify_contract", "category", equals, "Nordwind: frame agreement"),
    Spec("nda", "classify_contract", "category", equals, "NDA"),
    Spec("saas", "classify_contract", "category", kind("not_equals", expected="lease"), "$x_$: software is not leased"),
    Spec("amendment", "classify_contract", "category", equals, "契約変更覚書 is an amendment", (gives("confused", "supply"),)),
    Spec("supply", "classify_contract", "category", equals, "Umowa dostawy is a supply contract", (gives("confused", "frame_agreement"),)),
    Spec("frame", "extract_terms", "notice_period_days", equals, "Nordwind: 90 days' notice", (gives("terms", 3),)),
    Spec("nda", "extract_terms", "term_months", kind("between", lower=30, upper=40, inclusive=True), "NDA: three years"),
    Spec("lease", "extract_terms", "notice_period_days", equals, "Lease: notice of six months in days", (gives("always", 6),), extras={"schema_drift": "partial", "schema_drift_detail": "notice_period_days was notice_period until June", "drift": {"status": "drifted", "affected_targets": ["output-json-0:notice_period_days"], "detail": "The field was renamed"}, "assertion_drift_status": "drifted"}),
    Spec("lease", "extract_terms", "penalty", equals, "Lease: penalty in words"),
    Spec("saas", "extract_terms", "renewal", judged(_AUTOMATIC, "yes"), "$x_$: renewal is automatic", (flaky(0.2, "renews for successive terms of 12 months"),), label="automatic renewal"),
    Spec("saas", "extract_terms", "liability_cap", kind("number_compare", op="lte", expected=120000), "$x_$: liability cap"),
    Spec("supply", "extract_terms", "penalty", similarity(0.9), "Umowa dostawy: kary umowne (penalty)", (gives("terms", "0,2 %"),)),
    Spec("nda", "extract_terms", "penalty", kind("not_exists"), "NDA: no penalty is invented"),
    Spec("nda", "extract_terms", "liability_cap", equals, "NDA: cap is null"),
    Spec("amendment", "extract_terms", "governing_law", equals, "覚書: 準拠法 (governing law)"),
    Spec("frame", "extract_terms", None, kind("json_schema_valid", schema={"type": "object", "required": ["parties", "effective_date", "term_months"]}), "Nordwind: terms follow the schema"),
    Spec("supply", "extract_terms", "effective_date", kind("matches_regex", pattern=r"^\d{4}-\d\d-\d\d$"), "Umowa dostawy: date is ISO 8601"),
    Spec("frame", "check_signatures", "complete", equals, "Nordwind: both have signed"),
    Spec("lease", "check_signatures", "missing", kind("length_compare", op="eq", expected=0), "Lease: stamp counts as a signature", (blocks("always", "block_execution_failed", _STAMP, attempts=1),), extras={"validation_status": "invalid", "validation_issues": [{"code": "block_failing", "message": "The block has failed on this input since the eval was saved"}]}),
    Spec("saas", "check_signatures", "signatures", kind("all_items_match", condition=kind("object_contains", expected={"signed": True})), "$x_$: every party has signed"),
    Spec("amendment", "check_signatures", "complete", equals, "覚書: seals count as signatures", (breaks("always", "unsupported_script", "Seal matcher has no model for script 'Hani'", script="Hani"),)),
)  # fmt: skip

VERSIONS = (
    VersionSpec(-140, (), draft=False),
    VersionSpec(-112, ("extract_terms",), draft=False),
    VersionSpec(-77, ("classify_contract",)),
    VersionSpec(-63, ("classify_contract",), draft=False),
    VersionSpec(-34, ("extract_terms",)),
    VersionSpec(-6, ("extract_terms", "split_annexes")),
)

_SUNDAYS = tuple(Event(day, 22 * 60 + 20, "schedule") for day in range(-136, -1, 7))

_OTHERS = (
    Event(-139, 660, "manual"),
    Event(-112, 671, "api"),
    Event(-77, 700, "manual", block="classify_contract"),
    Event(-77, 731, "api"),
    Event(-70, 640, "manual", only="confused"),
    Event(-63, 655, "manual", block="classify_contract"),
    Event(-63, 690, "api"),
    Event(-52, 810, "email"),
    Event(-34, 612, "manual", block="extract_terms"),
    Event(-34, 650, "api", end="cancelled", note="Superseded by a newer run"),
    Event(-33, 545, "api"),
    Event(
        -21,
        930,
        "custom",
        end="withdrawn",
        note="Cancelled by system: queue drained for a redeploy",
    ),
    Event(-20, 560, "restart"),
    Event(-14, 880, "manual", only="lease"),
    Event(-6, 620, "manual", block="extract_terms"),
    Event(-6, 655, "api"),
    Event(-5, 590, "manual", only="frame"),
)

CONTRACT_WORKFLOW = WorkflowSpec(
    id="wf_contracts",
    name="Supplier contracts: terms & signatures",
    description='For "Legal & Procurement"; see the wiki page <Contracts/Intake>',
    project_id="proj_legal",
    published=4,
    published_note="",
    blocks=(
        Block("split_annexes", "split", "Split off the annexes"),
        Block("classify_contract", "classifier", "Classify the contract"),
        Block("extract_terms", "extract", "Extract the terms"),
        Block("check_signatures", "function", "Check the signatures"),
    ),
    versions=VERSIONS,
    incidents={
        "always": Incident(1),
        "confused": Incident(3, 3),
        "terms": Incident(6),
    },
    docs=DOCS,
    specs=EVALS,
    events=_SUNDAYS + _OTHERS,
)
