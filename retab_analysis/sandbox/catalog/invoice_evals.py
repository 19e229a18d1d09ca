"""The saved evals of the invoices workflow."""

# ruff: noqa: E501 (a table reads better with its rows unbroken)

from typing import Any

from retab_analysis.sandbox.catalog.specs import Condition, Fails, Spec
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
from retab_analysis.sandbox.encoding import number

# The incident names are those of `invoices.INCIDENTS`; "final" is the tag of the last nightly run.


def _header(
    doc: str, path: str | None, condition: Condition, name: str | None, *fails: Fails, **more: Any
) -> Spec:
    return Spec(doc, "extract_invoice", path, condition, name, fails, **more)


def _lines(
    doc: str, path: str | None, condition: Condition, name: str | None, *fails: Fails, **more: Any
) -> Spec:
    return Spec(doc, "extract_lines", path, condition, name, fails, **more)


def _class(
    doc: str, path: str, condition: Condition, name: str | None, *fails: Fails, **more: Any
) -> Spec:
    return Spec(doc, "classify_document", path, condition, name, fails, **more)


def _split(
    doc: str, path: str | None, condition: Condition, name: str | None, *fails: Fails, **more: Any
) -> Spec:
    return Spec(doc, "split_bundle", path, condition, name, fails, **more)


def _check(
    doc: str, path: str, condition: Condition, name: str | None, *fails: Fails, **more: Any
) -> Spec:
    return Spec(doc, "check_totals", path, condition, name, fails, **more)


def _merged(*rows: tuple[str, float, float]) -> list[dict[str, Any]]:
    """Write the line items that the newest prompt makes when it joins wrapped descriptions."""
    return [
        {
            "position": index,
            "description": text,
            "quantity": quantity,
            "unit_price": price,
            "amount": round(quantity * price, 2),
        }
        for index, (text, quantity, price) in enumerate(rows, 1)
    ]


_DISCOUNT = "Does the text grant a cash discount, and say until when?"
_MONTH_END = "Is the invoice payable at the end of a month?"

HEADER = (
    _header("nordwind", "invoice_number", equals, "Nordwind: invoice number"),
    _header("nordwind", "invoice_date", equals, "Nordwind: invoice date, day and month ambiguous", gives("dates", "2026-04-03")),
    _header("nordwind", "totals.gross", equals, "Nordwind: gross total", edits=((-2, {"doc": "nordwind_rescan"}),)),
    _header("nordwind", "purchase_order", kind("starts_with", expected="PO-"), "Nordwind: order number keeps its prefix", edits=((-2, {"doc": "nordwind_rescan", "fails": (gives("always", "77120"),)}),)),
    _header(
        "lefevre", "invoice_number", kind("matches_regex", pattern=r"^F-\d{4}/(\d{4}$"), "Lefèvre: invoice number has the F-year/number form",
        blocks("always", "invalid_regex", "The pattern is not a regular expression: missing ), unterminated subpattern at position 9", pattern=r"^F-\d{4}/(\d{4}$"),
        edits=((-33, {"condition": kind("matches_regex", pattern=r"^F-\d{4}/\d{4}$"), "fails": ()}),),
    ),
    _header("lefevre", "due_date", equals, "Lefèvre: due date, day and month ambiguous", gives("dates", "2026-07-03")),
    _header("lefevre", "supplier.name", similarity(0.85), "Lefèvre: supplier name close to the register", gives("final", "Maison Lefèvre & Fils"), flaky(0.3, "Maison Lefèvre & Fils", "Maison Lefevre & Fils"), right=("Maison Lefèvre & Fils SARL", "Maison Lefevre & Fils SARL", "Maison Lefèvre & Fils S."), label="supplier as in the register"),
    _header("lefevre", "payment_terms", judged(_MONTH_END, "yes"), "Lefèvre: terms are understood as end of month"),
    _header("brightwater", "invoice_date", equals, "Brightwater: invoice date (UK order)", gives("dates", "2026-09-01")),
    _header("brightwater", "supplier.vat_id", equals, "Brightwater: VAT number", run_step=True),
    _header("brightwater", "purchase_order", equals, "Brightwater: our order number"),
    _header("brightwater", "totals.gross", kind("between", lower=1000, upper=1100, inclusive=True), "Brightwater: gross total is plausible", edits=((-2, {"condition": kind("between", lower=1030, upper=1040, inclusive=True)}),)),
    _header("kowalczyk", "invoice_date", equals, "Kowalczyk: invoice date, day and month ambiguous", gives("dates", "2026-06-05")),
    _header("kowalczyk", "currency", equals, "Kowalczyk: currency is PLN, not EUR"),
    _header("kowalczyk", "supplier.iban", kind("starts_with", expected="PL"), "Kowalczyk: IBAN", edits=((-2, {"condition": kind("starts_with", expected="PL61")}),)),
    _header("ostergaard", "due_date", equals, "Østergaard: due date, day and month ambiguous", gives("dates", "2026-08-05")),
    _header("ostergaard", "supplier.name", similarity(0.95), "Østergaard: the Ø survives", extras={"warnings": ("Page 1 is rotated by 90°",)}),
    _header("ohara", "invoice_date", equals, "O'Hara \"The Crate\": invoice date", gives("dates", "2026-02-03")),
    _header("ohara", "supplier.name", kind("contains", expected='"The Crate"'), "O'Hara \"The Crate\": quotes in the name survive"),
    _header("midori", "currency", equals, "みどり商事: 通貨 (currency)"),
    _header("midori", "supplier.name", equals, "みどり商事: supplier name in kanji", run_step=True),
    _header("severny", "invoice_number", equals, "Северный ветер: номер счёта"),
    _header(
        "severny", "due_date", equals, "Северный ветер: срок оплаты",
        blocks("dates", "schema_invalid", "'17/06/2026' is not a 'date' (at $.due_date)", "17/06/2026", schema_path="properties.due_date.format"),
    ),
    _header("nakheel", "totals.gross", kind("number_compare", op="gt", expected=0), "النخيل: gross total is positive"),
    _header(
        "nakheel", "due_date", equals, "النخيل: due date with Arabic digits",
        breaks("dates", "date_normalisation_failed", "Normaliser raised ValueError: unconverted data remains: '٣٠ يوماً'", digits="eastern_arabic", attempt=3),
    ),
    _header("sum_analytics", "supplier.name", kind("starts_with", expected="=SUM"), "=SUM Analytics: the name is text, not a formula"),
    _header("plus_energie", "supplier.name", kind("starts_with", expected="+"), "+Plus Energie: leading plus is kept"),
    _header("kaelte", "payment_terms", judged(_DISCOUNT, "yes"), "-40° Kältetechnik: discount terms are understood", flaky(0.25, "14 Tage", "14 Tage, 2 % Skonto"), label="cash discount"),
    _header("at_home", "payment_terms", kind("not_contains", expected="\n"), "@home Cleaning: terms in one line"),
    _header("underscore", "notes", kind("contains", expected="_intern_"), "_underscore studio: internal note is kept"),
    _header("underscore", "notes", similarity(0.95, "intern: Freigabe durch C. Huber"), "_underscore studio: note without markup", gives("always", "_intern_: Freigabe durch C. Huber, siehe __Angebot 7__"), until=-30),
    _header("bold_signs", "supplier.name", kind("contains", expected="<b>Signs</b>"), "Bold <b>Signs</b>: tags in the name are text"),
    _header("onerror", "invoice_number", kind("ends_with", expected="-7"), "<img src=x onerror=alert(1)>: invoice number"),
    _header("dollar", "supplier.name", equals, "$x_$ Consulting: name is not mathematics"),
    _header("dollar", "due_date", equals, "$x_$ Consulting: due date (duplicate)", until=-2),
    _header("cafe_zoe", "invoice_date", kind("not_equals", expected="2026-01-04"), "Café Zoë ☕: first of April, not fourth of January"),
    _header("cafe_zoe", "due_date", equals, "Café Zoë ☕: due date", edits=((-2, {"condition": kind("equals", expected="2026-04-16"), "fails": (gives("always", "2026-04-15"),)}),)),
    _header("costa", "invoice_date", equals, "Costa Verde: invoice date, day and month ambiguous", gives("dates", "2026-09-06")),
    _header("alpine", "purchase_order", kind("exists"), "Alpine: an order number is found"),
    _header("harbour", "purchase_order", kind("not_exists"), "Harbour & Pine: no order number is invented"),
    _header("harbour", "purchase_order", equals, "Harbour & Pine: order number is null"),
    _header("blueridge", "payment_terms", similarity(0.8, "2 % discount within 10 days, net 30 days", "embeddings"), "Blue Ridge: 2/10 net 30 is recognised", score=0.91),
    _header("quickparts", None, kind("json_schema_valid", schema={"type": "object", "required": ["invoice_number", "invoice_date", "totals"]}), "QuickParts: header follows the schema"),
    _header("sterling", "payment_terms", judged("Do the terms threaten legal action?", None, negated=True), "Sterling & Webb: terms are not a threat", run_step=True),
    _header("saraswati", "supplier.name", kind("length_compare", op="lte", expected=60), "Saraswati (सरस्वती): name without the address"),
    _header("hofer_credit", "totals.net", kind("number_compare", op="lt", expected=0), "Hofer credit note: net is negative"),
    _header("ruegg", "supplier", kind("object_contains", expected={"vat_id": "CHE-108.416.294 MWST"}), "Rüegg: supplier has the VAT number"),
    _header("handwritten", "totals.gross", equals, "Lindenhof: handwritten total (known gap)", gives("always", 93.0), since=-2),
    _header("at_home", "supplier.vat_id", equals, "@home Cleaning: BTW number", since=-2),
)  # fmt: skip

LINES = (
    _lines("quickparts", "lines", kind("length_compare", op="eq", expected=6), "QuickParts: six lines, three of them wrapped", gives("newest", _merged(("Bearing 6204-2RS, sealed, steel Bearing 6305-2RS, sealed, steel", 350, 1.1), ("O-ring kit, NBR 70, 419 pcs Hex bolt M8×40", 1003, 0.085), ("Washer M8", 1000, 0.012), ("Express shipping", 1, 38.0)))),
    _lines("ruegg", "lines.0.unit_price", equals, "Rüegg: unit price 1.10, not 110", gives("newest", 110)),
    _lines("harbour", "lines.0.description", kind("contains", expected="42 persons"), "Harbour & Pine:\nfirst line keeps its second row", gives("newest", "Buffet lunch")),
    _lines("blueridge", "lines.0.quantity", equals, "Blue Ridge: fractional quantity", gives("newest", 1)),
    _lines("sterling", "lines", kind("any_item_matches", condition=kind("object_contains", expected={"description": "Land Registry fees"})), "Sterling & Webb: disbursement is a line of its own", gives("newest", _merged(("Partner, M. Webb: lease review", 3.25, 385.0), ("Associate: drafting and correspondence Land Registry fees", 11.5, 240.0)))),
    _lines("costa", "lines.2.amount", kind("number_compare", op="lt", expected=0), "Costa Verde: returned crates are negative", gives("newest", 72.0)),
    _lines("brightwater", "lines", kind("all_items_match", condition=kind("json_schema_valid", schema={"type": "object", "required": ["description", "quantity", "unit_price"]})), "Brightwater: every line has quantity and price", gives("newest", [{"position": 1, "description": "A4 copier paper 80 gsm, box of 5 reams Lever arch file, blue", "quantity": 25}])),
    _lines("kowalczyk", "lines", kind("length_compare", op="eq", expected=2), "Kowalczyk: two lines", blocks("newest", "type_error", "length_compare needs a list, a string or an object, not null", None, actual_type="null")),
    _lines("saraswati", "lines.0.quantity", equals, "Saraswati: 20,000 sheets", breaks("newest", "output_limit_exceeded", "The model's answer was cut off at 8192 tokens before the JSON ended", tokens=8192, model="retab-large")),
    _lines("nordwind", "lines", kind("length_compare", op="eq", expected=3), "Nordwind: three lines", gives("newest", _merged(("Stückguttransport Hamburg–Lyon Maut- und Dieselzuschlag", 3, 412.5), ("Palettentausch", 14, 1.85))), edits=((-2, {"doc": "nordwind_rescan"}),)),
    _lines("lefevre", "lines", kind("array_contains", expected={"description": "Levure fraîche"}), "Lefèvre: yeast is among the lines"),
    _lines("ostergaard", "lines.1.quantity", kind("between", lower=4, upper=5, inclusive=False), "Østergaard: kilograms of refrigerant"),
    _lines("midori", "lines.0.description", equals, "みどり商事: 品目 (description)"),
    _lines("dollar", "lines.0.description", kind("contains", expected="$5 and $6"), "$5 and $6 in a description"),
    _lines("onerror", "lines.1.description", kind("contains", expected="<script>"), "Pixel Fourteen: <script> in a description is text"),
    _lines("cafe_zoe", "lines.0.description", kind("contains", expected="🥐"), "Café Zoë 🥐: emoji in a description"),
    _lines("plus_energie", "lines.0.unit_price", equals, "+Plus Energie: four decimals of the tariff"),
    _lines("lefevre", "lines.2.unit_price", kind("equals", expected=number("1.10")), "Lefèvre: 1.10 a piece"),
)  # fmt: skip

CLASSES = (
    _class("nordwind", "category", equals, "Nordwind is an invoice"),
    _class("hofer_credit", "category", equals, "Hofer is a credit note", run_step=True),
    _class("alpine_reminder", "category", equals, "Alpine: second reminder is not an invoice"),
    _class("handwritten", "category", equals, "Lindenhof: handwritten delivery note", gives("final", "invoice"), flaky(0.4, "invoice")),
    _class("saraswati", "category", kind("not_equals", expected="statement"), "Saraswati is no bank statement"),
    _class("onerror", "category", equals, "Pixel Fourteen is an invoice"),
    _class("cafe_zoe", "confidence", kind("number_compare", op="gte", expected=0.9), "Café Zoë: photo is classified with confidence", flaky(0.3, 0.87, 0.89), right=(0.91, 0.93, 0.9)),
    _class("midori", "category", equals, None),
    _class("nakheel", "category", equals, "النخيل is an invoice", gives("final", "statement")),
    _class("costa", "category", kind("matches_regex", pattern="^(invoice|credit_note)$"), "Costa Verde: invoice or credit note"),
    _class("underscore", "category", equals, "_underscore studio is an invoice", edits=((-2, {"condition": kind("matches_regex", pattern="^invoice$")}),)),
    _class("bold_signs", "category", judged("Would an accountant book this as a cost?", "yes"), "Bold <b>Signs</b> is a cost"),
)  # fmt: skip

SPLITS = (
    _split("mail_0512", None, iou(1.0), "Morning mail: invoice and delivery note apart"),
    _split("scan_0412", None, iou(0.9), "scan_0412: three documents in six pages", gives("final", splits(invoice=[1], credit_note=[2], invoice_2=[3, 4, 5, 6])), flaky(0.35, splits(invoice=[1], credit_note=[2], invoice_2=[3, 4, 5, 6])), label="pages per document"),
    _split("batch_june", "splits", kind("length_compare", op="eq", expected=2), "AP batch June: two documents"),
    _split("crates", None, iou(0.8), 'crates "mixed": packing list of seven pages', right=(splits(invoice=[1], packing_list=[2, 3, 4, 5, 6, 7, 8]), splits(invoice=[1], packing_list=[2, 3, 4, 5, 6, 7])), extras={"warnings": ("Page 8 is blank",)}),
    _split("fax", "splits.0.name", equals, "Fax: cover page comes first"),
    _split("freight", "splits", kind("any_item_matches", condition=kind("object_contains", expected={"name": "cmr"})), "Freight papers: CMR is found"),
    _split("mail_0512", "splits", kind("all_items_match", condition=kind("json_schema_valid", schema={"type": "object", "required": ["name", "pages"]})), "Morning mail: every part has pages"),
    _split("freight", None, iou(0.9), "Freight papers: customs sheet apart (known gap)", gives("always", splits(cmr=[1, 2], invoice=[3, 4, 5, 6])), since=-2),
)  # fmt: skip

CHECKS = (
    _check("nordwind", "lines_match_net", equals, "Nordwind: lines add up to net"),
    _check("lefevre", "difference", equals, "Lefèvre: no difference"),
    _check("brightwater", "vat_rate", equals, "Brightwater: VAT at 20 %"),
    _check("kowalczyk", "approval", equals, "Kowalczyk: needs a manager's approval"),
    _check("costa", "issues", kind("length_compare", op="eq", expected=0), "Costa Verde: returns raise no issue"),
    _check("harbour", "lines_match_net", equals, "Harbour & Pine: lines add up to net"),
    _check("ruegg", "difference", kind("between", lower=-0.01, upper=0.01, inclusive=True), "Rüegg: difference within a cent"),
    _check("hofer_credit", "approval", kind("equals", expected="automatic"), "Hofer credit note: no approval needed"),
    _check("sterling", "issues", equals, "Sterling & Webb: no issues"),
    _check("dollar", "approval", equals, "$x_$ Consulting: above the limit"),
)  # fmt: skip

LANGUAGES = (
    Spec(
        "midori",
        "route_language",
        "category",
        equals,
        "みどり商事 goes to the CJK model",
        until=-95,
    ),
    Spec(
        "severny", "route_language", "category", equals, "Северный ветер: other script", until=-95
    ),
    Spec("nordwind", "route_language", "category", equals, "Nordwind: latin script", until=-95),
)

EVALS = HEADER + LINES + CLASSES + SPLITS + CHECKS + LANGUAGES
