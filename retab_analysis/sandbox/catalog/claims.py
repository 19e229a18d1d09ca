"""The claims workflow: motor insurance, started by mail and webhook as well as by schedule."""

# ruff: noqa: E501 (a table reads better with its rows unbroken)

from typing import Any

from retab_analysis.sandbox.catalog.specs import Doc, Event, Spec, VersionSpec, WorkflowSpec
from retab_analysis.sandbox.catalog.words import (
    blocks,
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


def _claim(
    key: str,
    filename: str,
    category: str,
    claim: dict[str, Any],
    pages: dict[str, list[int]],
    score: int,
    mime_type: str = "application/pdf",
) -> Doc:
    rules = {
        "score": score,
        "flags": ["late_report"] if score > 50 else [],
        "decision": "review" if score > 50 else "pay",
    }
    outputs = {
        "split_file": splits(**pages),
        "triage_claim": {"category": category, "confidence": 0.97},
        "extract_claim": claim,
        "fraud_rules": rules,
    }
    return Doc(key, filename, outputs, mime_type, data=claim)


DOCS = (
    _claim(
        "hail", "Schaden 4471-2026 Hagel.pdf", "weather",
        {"claim_number": "4471-2026", "loss_date": "2026-05-27", "plate": "B-KT 2291", "estimate": 3480.5, "currency": "EUR", "injured": 0, "narrative": "Hagelkörner bis 4 cm, Dach und Motorhaube beschädigt", "third_parties": []},
        {"report": [1], "photos": [2, 3, 4], "estimate": [5, 6]}, 12,
    ),
    _claim(
        "rear", "claim_88-1204 rear-end.pdf", "collision",
        {"claim_number": "88-1204", "loss_date": "2026-04-02", "plate": "LK19 OXF", "estimate": 2140.0, "currency": "GBP", "injured": 1, "narrative": 'Third party braked "without reason"; whiplash reported two days later', "third_parties": [{"plate": "YB22 KRE", "insurer": "Harrow Mutual"}]},
        {"report": [1, 2], "police": [3], "photos": [4, 5]}, 64,
    ),
    _claim(
        "glass", "IMG_7741 windscreen 🚗.jpg", "glass",
        {"claim_number": "G-20931", "loss_date": "2026-06-01", "plate": "ZH 418 220", "estimate": 890.0, "currency": "CHF", "injured": 0, "narrative": "Steinschlag auf der A1", "third_parties": []},
        {"report": [1]}, 5, mime_type="image/jpeg",
    ),
    _claim(
        "theft", "déclaration_vol_AB-123-CD.pdf", "theft",
        {"claim_number": "V26-0339", "loss_date": "2026-03-06", "plate": "AB-123-CD", "estimate": 17250.0, "currency": "EUR", "injured": 0, "narrative": "Véhicule volé sur le parking de la gare, clés en possession de l'assuré", "third_parties": []},
        {"report": [1, 2], "police": [3, 4], "registration": [5]}, 71,
    ),
    _claim(
        "pileup", "Massenkarambolage A9 (12 Fahrzeuge).pdf", "collision",
        {"claim_number": "4502-2026", "loss_date": "2026-02-10", "plate": "M-AX 7710", "estimate": 9920.75, "currency": "EUR", "injured": 3, "narrative": "Nebel, 12 Fahrzeuge beteiligt\nPosition 7 in der Kolonne", "third_parties": [{"plate": "PAF-L 93", "insurer": None}, {"plate": "IN-QQ 812", "insurer": "Donau Assekuranz"}]},
        {"report": [1, 2, 3], "police": [4, 5, 6, 7], "photos": [8, 9, 10, 11], "estimate": [12]}, 38,
    ),
)  # fmt: skip

_CHAIN = "Does the narrative say that several vehicles were involved?"

EVALS = (
    Spec("hail", "split_file", "splits", kind("length_compare", op="gte", expected=3), "Hail: report, photos, estimate", edits=((-1, {"doc": "pileup"}),)),
    Spec("pileup", "split_file", None, iou(0.85), "A9 pile-up: police report apart from photos", (flaky(0.25, splits(report=[1, 2, 3], police=[4, 5], photos=[6, 7, 8, 9, 10, 11], estimate=[12])),)),
    Spec("theft", "split_file", "splits", kind("array_contains", expected={"name": "registration"}), "Vol: carte grise trouvée", run_step=True),
    Spec("hail", "triage_claim", "category", equals, "Hail is weather"),
    Spec("glass", "triage_claim", "category", equals, "🚗 Windscreen is glass"),
    Spec("rear", "triage_claim", "category", equals, "Rear-end is a collision"),
    Spec("theft", "triage_claim", "confidence", kind("number_compare", op="gt", expected=0.9), "Vol: confidence above 0.9"),
    Spec("rear", "extract_claim", "loss_date", equals, "Rear-end: date of loss (UK order)", (gives("reports", "2026-02-04"),)),
    Spec("hail", "extract_claim", "estimate", equals, "Hail: estimate 3480.50"),
    Spec("glass", "extract_claim", "plate", kind("matches_regex", pattern="^ZH "), "Windscreen: canton in the plate"),
    Spec("theft", "extract_claim", "narrative", similarity(0.8, "Véhicule volé au parking de la gare; les clés sont chez l'assuré", "embeddings"), "Vol: récit fidèle", score=0.88),
    Spec("pileup", "extract_claim", "injured", equals, "A9 pile-up: three injured", (gives("reports", 12),)),
    Spec("pileup", "extract_claim", "narrative", judged(_CHAIN, "yes"), "A9 pile-up: chain is understood"),
    Spec("pileup", "extract_claim", "third_parties", kind("any_item_matches", condition=kind("object_contains", expected={"plate": "IN-QQ 812"})), "A9 pile-up: third parties by plate"),
    Spec("rear", "extract_claim", "third_parties.0", kind("object_contains", expected={"insurer": "Harrow Mutual"}), "Rear-end: insurer of the third party"),
    Spec("rear", "fraud_rules", "decision", equals, "Rear-end goes to review", (blocks("always", "execution_error", "KeyError: 'injury_reported_at'", line=88),), extras={"assertion_drift_status": "broken", "schema_drift": "drifted", "drift": {"status": "broken", "affected_targets": ["input-json-0"], "detail": "The block reads a field that is no longer extracted"}}),
    Spec("hail", "fraud_rules", "score", kind("between", lower=0, upper=30, inclusive=True), "Hail: low score"),
    Spec("theft", "fraud_rules", "flags", kind("contains", expected="late_report"), "Vol: late report is flagged"),
    Spec("glass", "fraud_rules", "decision", equals, "Windscreen is paid", since=-1),
)  # fmt: skip

VERSIONS = (
    VersionSpec(-118, ()),
    VersionSpec(-84, ("extract_claim",)),
    VersionSpec(-47, ("fraud_rules", "triage_claim"), draft=False),
    VersionSpec(-12, ("split_file",)),
)

_SCHEDULED = tuple(Event(day, 4 * 60 + 30, "schedule") for day in range(-116, -1, 6))

_OTHERS = (
    Event(-118, 700, "manual"),
    Event(-84, 655, "manual", block="extract_claim"),
    Event(-80, 640, "email"),
    Event(-66, 905, "email"),
    Event(-58, 512, "webhook"),
    Event(-47, 690, "api"),
    Event(-40, 512, "webhook"),
    Event(-29, 733, "custom", block="fraud_rules"),
    Event(-12, 610, "manual", block="split_file"),
    Event(-11, 702, "manual", only="pileup"),
    Event(-11, 706, "manual", only="pileup"),
    Event(-3, 512, "webhook"),
)

CLAIM_WORKFLOW = WorkflowSpec(
    id="wf_claims",
    name="Motor claims intake 🚗",
    description="",
    project_id="proj_insurance",
    published=3,
    published_note="Fraud rules 2026-Q4",
    blocks=(
        Block("split_file", "split", "Split the claim file"),
        Block("triage_claim", "classifier", "Triage"),
        Block("extract_claim", "extract", "Extract the claim"),
        Block("fraud_rules", "function", "Fraud rules"),
    ),
    versions=VERSIONS,
    incidents={"always": Incident(1), "reports": Incident(2, 2)},
    docs=DOCS,
    specs=EVALS,
    events=_SCHEDULED + _OTHERS,
)
