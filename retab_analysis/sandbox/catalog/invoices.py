"""The invoices workflow: twelve versions in five months, with a regression, a fix, and the news.

Version 6 swaps day and month in ambiguous dates, version 8 mends it. The newest, version 12,
joins wrapped descriptions in the line items, and loses lines, prices and signs by it.
"""

from retab_analysis.sandbox.catalog.invoice_documents import BUNDLES, INVOICES
from retab_analysis.sandbox.catalog.invoice_evals import EVALS
from retab_analysis.sandbox.catalog.specs import Event, VersionSpec, WorkflowSpec
from retab_analysis.sandbox.world.model import Block, Incident

INCIDENTS = {
    "always": Incident(1),
    "dates": Incident(6, 7),
    "newest": Incident(12),
}

BLOCKS = (
    Block("split_bundle", "split", "Split the mail bundle"),
    Block("classify_document", "classifier", "Classify the document"),
    Block("route_language", "classifier", "Route by script", until=4),
    Block("extract_invoice", "extract", "Extract the header"),
    Block("extract_lines", "extract", "Extract the line items"),
    Block("check_totals", "function", "Check the totals", since=3),
)

VERSIONS = (
    VersionSpec(-152, ()),
    VersionSpec(-138, ("classify_document",), draft=False),
    VersionSpec(-124, ("check_totals",)),
    VersionSpec(-109, ("extract_invoice",), draft=False),
    VersionSpec(-95, ("extract_lines", "split_bundle")),
    VersionSpec(-80, ("extract_invoice",)),
    VersionSpec(-76, ("check_totals",), draft=False),
    VersionSpec(-73, ("extract_invoice",)),
    VersionSpec(-49, ("classify_document", "split_bundle"), draft=False),
    VersionSpec(-31, ("extract_invoice",)),
    VersionSpec(-16, ("check_totals",), draft=False),
    VersionSpec(-1, ("extract_lines",), minute=850),
)

NIGHT = 23 * 60 + 5
_QUIET = frozenset({"quiet"})
_QUIET_NIGHTS = {-27, -20, -12, -7, -3}

_NIGHTLY = tuple(
    Event(day, NIGHT, "schedule", tags=_QUIET if day in _QUIET_NIGHTS else frozenset())
    for day in (*range(-149, -30, 4), *range(-29, -1))
)

_EDITING = (
    Event(-138, 610, "manual", block="classify_document"),
    Event(-124, 655, "manual", block="check_totals"),
    Event(-109, 602, "manual", block="extract_invoice"),
    Event(-95, 640, "manual", block="split_bundle"),
    Event(-95, 662, "manual", block="extract_lines"),
    Event(-80, 580, "manual", block="classify_document"),
    Event(-79, 553, "manual", only="dates"),
    Event(-79, 561, "manual", only="lefevre"),
    Event(-78, 700, "manual", only="dates"),
    Event(-76, 615, "manual", block="check_totals"),
    Event(-75, 540, "email", only="dates"),
    Event(-73, 571, "manual", only="dates"),
    Event(-73, 588, "manual", block="extract_invoice"),
    Event(-73, 640, "manual", only="nordwind"),
    Event(-60, 820, "custom", block="extract_lines"),
    Event(-49, 603, "manual", block="split_bundle"),
    Event(-49, 630, "manual", block="classify_document"),
    Event(-44, 480, "webhook"),
    Event(-31, 577, "manual", block="extract_invoice"),
    Event(-31, 655, "manual", only="kaelte"),
    Event(-25, 530, "webhook", block="classify_document"),
    Event(-22, 850, "api", only="handwritten"),
    Event(-22, 853, "api", only="handwritten"),
    Event(-22, 857, "api", only="handwritten"),
    Event(-18, 790, "custom", block="extract_invoice"),
    Event(-16, 602, "manual", block="check_totals"),
    Event(-10, 880, "manual", only="scan_0412"),
    Event(-2, 905, "manual", only="freight"),
    Event(-1, 861, "manual", only="quickparts"),
    Event(-1, 883, "manual", block="extract_lines"),
    Event(-1, 912, "manual", only="ruegg"),
)

_TROUBLE = (
    Event(-41, 700, "api", end="error", note="(no message)"),
    Event(-41, 725, "restart"),
    Event(
        -19,
        845,
        "manual",
        block="extract_lines",
        end="error",
        note="Block 'extract_lines' could not be loaded: prompt template has an unclosed {{ at 214",
        details={
            "message": "TemplateSyntaxError: unclosed '{{' in 'line_items.j2', character 214",
            "stack_trace": None,
            "block_id": "extract_lines",
            "block_name": "Extract the line items",
            "error_code": "block_config_invalid",
            "context": {"template": "line_items.j2", "position": 214, "stage": "prepare"},
        },
    ),
    Event(-19, 866, "restart", block="extract_lines"),
    Event(-9, 660, "manual", end="cancelled", note="Cancelled by k.brandt: wrong version"),
    Event(-1, 905, "manual", end="cancelled", note="Cancelled by user"),
)

# Whole-workflow runs by the build server, minutes after each version was made.
_BUILDS = tuple(Event(version.day, 735, "api") for version in VERSIONS[:-1])

_LAST_NIGHT = Event(-1, NIGHT, "schedule", tags=frozenset({"final"}))

INVOICE_WORKFLOW = WorkflowSpec(
    id="wf_invoices",
    name="Invoices: header, lines, checks",
    description="Supplier invoices from the AP mailbox → ERP. Owner: K. Brandt, <ap@example.com>",
    project_id="proj_accounts_payable",
    published=11,
    published_note="Rounding tolerance of one cent in check_totals",
    blocks=BLOCKS,
    versions=VERSIONS,
    incidents=INCIDENTS,
    docs=INVOICES + BUNDLES,
    specs=EVALS,
    events=_NIGHTLY + _EDITING + _TROUBLE + _BUILDS + (_LAST_NIGHT,),
)
