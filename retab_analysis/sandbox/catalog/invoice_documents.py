"""The documents of the invoices workflow: suppliers of all kinds, some with awkward names."""

# ruff: noqa: E501 (a table reads better with its rows unbroken)

from decimal import Decimal
from typing import Any

from retab_analysis.sandbox.catalog.specs import Doc
from retab_analysis.sandbox.catalog.words import splits
from retab_analysis.sandbox.encoding import number

_CENT = Decimal("0.01")
Line = tuple[str, str, str]


def _money(value: Decimal) -> float:
    return float(value.quantize(_CENT))


def _line(position: int, line: Line) -> dict[str, Any]:
    description, quantity, price = line
    return {
        "position": position,
        "description": description,
        "quantity": number(quantity),
        "unit_price": number(price),
        "amount": _money(Decimal(quantity) * Decimal(price)),
    }


def _invoice(
    key: str,
    supplier: str,
    filename: str,
    reference: str,
    dates: tuple[str, str],
    tax: tuple[str, str],
    currency: str,
    lines: tuple[Line, ...],
    terms: str,
    rate: str,
    order: str | None = None,
    mime_type: str = "application/pdf",
    category: str = "invoice",
    notes: str | None = None,
) -> Doc:
    amounts = [(Decimal(q) * Decimal(p)).quantize(_CENT) for _, q, p in lines]
    net = sum(amounts, Decimal(0))
    vat = (net * Decimal(rate)).quantize(_CENT)
    totals = {"net": _money(net), "vat": _money(vat), "gross": _money(net + vat)}
    header = {
        "invoice_number": reference,
        "invoice_date": dates[0],
        "due_date": dates[1],
        "purchase_order": order,
        "currency": currency,
        "supplier": {"name": supplier, "vat_id": tax[0], "iban": tax[1]},
        "totals": totals,
        "payment_terms": terms,
        "notes": notes,
    }
    rows = [_line(index, line) for index, line in enumerate(lines, 1)]
    checks = {
        "lines_match_net": True,
        "difference": 0.0,
        "vat_rate": float(rate),
        "issues": [],
        "approval": "automatic" if net < 2000 else "manager",
    }
    outputs = {
        "extract_invoice": header,
        "extract_lines": {"lines": rows},
        "classify_document": {"category": category, "confidence": 0.98},
        "check_totals": checks,
        "route_language": {"category": "latin" if supplier.isascii() else "other"},
    }
    data = {"invoice_number": reference, "currency": currency, "totals": totals, "lines": rows}
    return Doc(key, filename, outputs, mime_type, data)


def _bundle(key: str, filename: str, **pages: list[int]) -> Doc:
    return Doc(key, filename, {"split_bundle": splits(**pages)})


INVOICES = (
    _invoice(
        "nordwind", "Nordwind Logistik GmbH", "Nordwind_RE-2026-04417.pdf", "RE-2026-04417",
        ("2026-03-04", "2026-04-03"), ("DE811907980", "DE02120300000000202051"), "EUR",
        (("Stückguttransport Hamburg–Lyon", "2", "412.50"),
         ("Maut- und Dieselzuschlag", "1", "87.40"), ("Palettentausch", "14", "1.85")),
        "30 Tage netto", "0.19", order="PO-77120",
    ),
    _invoice(
        "lefevre", "Maison Lefèvre & Fils SARL", "facture_lefevre_0388.pdf", "F-2026/0388",
        ("2026-02-05", "2026-03-07"), ("FR40303265045", "FR1420041010050500013M02606"), "EUR",
        (("Farine de blé T65, sac 25 kg", "40", "23.80"), ("Beurre AOP 82 %, 10 kg", "12", "61.20"),
         ("Levure fraîche", "30", "1.10")),
        "30 jours fin de mois", "0.055",
    ),
    _invoice(
        "brightwater", "Brightwater Office Supplies Ltd", "INV-10482 Brightwater.pdf", "INV-10482",
        ("2026-01-09", "2026-02-08"), ("GB927165380", "GB33BUKB20201555555555"), "GBP",
        (("A4 copier paper 80 gsm, box of 5 reams", "25", "18.49"),
         ("Lever arch file, blue", "60", "2.15"), ("Toner TN-2420", "4", "64.00"),
         ("Delivery before noon", "1", "12.50")),
        "Net 30 days from date of invoice", "0.20", order="4500018833",
    ),
    _invoice(
        "kowalczyk", "Kowalczyk Metal Sp. z o.o.", "FV_2026_05_117.pdf", "FV/2026/05/117",
        ("2026-05-06", "2026-06-05"), ("PL7010003453", "PL61109010140000071219812874"), "PLN",
        (("Profil stalowy 40×40×3, 6 m", "120", "74.30"), ("Cięcie i gratowanie", "6.5", "145.00")),
        "przelew 30 dni", "0.23", order="PO-77341",
    ),
    _invoice(
        "ostergaard", "Østergaard Køl ApS", "2026-1188_Østergaard.pdf", "1188",
        ("2026-04-08", "2026-05-08"), ("DK13585628", "DK5000400440116243"), "DKK",
        (("Service af kølerum, 3 enheder", "3", "1450.00"), ("Kølemiddel R-290, kg", "4.2", "385.00")),
        "Netto 30 dage", "0.25",
    ),
    _invoice(
        "ohara", 'O\'Hara "The Crate" Packaging', "CRT 5512.pdf", "CRT 5512",
        ("2026-03-02", "2026-04-01"), ("IE6388047V", "IE29AIBK93115212345678"), "EUR",
        (('Pine crate 24" × 18" "Export"', "80", "21.75"), ("Corner guards, bag of 100", "5", "9.95")),
        "Payment due within 30 days", "0.23", order="PO-76904",
    ),
    _invoice(
        "midori", "株式会社みどり商事", "請求書_みどり商事_2026-05.pdf", "MS-2026-0512",
        ("2026-05-12", "2026-06-30"), ("T7010401089998", "普通 1234567"), "JPY",
        (("再生コピー用紙 A4 5000枚", "10", "4280"), ("名刺印刷 100枚", "8", "2200")),
        "月末締め翌月末払い", "0.10",
    ),
    _invoice(
        "severny", "ТОО «Северный ветер»", "Счёт №1187 от 03.06.2026.pdf", "1187",
        ("2026-06-03", "2026-06-17"), ("600900148612", "KZ86125KZT5004100100"), "KZT",
        (("Перевозка контейнера 40 фут, Алматы–Актау", "1", "845000.00"),
         ("Хранение на складе, сутки", "6", "12500.00")),
        "14 календарных дней", "0.12",
    ),
    _invoice(
        "nakheel", "شركة النخيل للتوريدات", "فاتورة 2026-0093.pdf", "TAX-2026-0093",
        ("2026-06-11", "2026-07-11"), ("100354812300003", "AE070331234567890123456"), "AED",
        (("خدمات صيانة شهرية", "1", "6400.00"), ("قطع غيار", "12", "185.50")),
        "خلال ٣٠ يوماً", "0.05",
    ),
    _invoice(
        "sum_analytics", "=SUM Analytics Inc.", "=SUM_invoice_0071.pdf", "0071",
        ("2026-05-29", "2026-06-28"), ("US47-2810093", "021000021 / 4451180"), "USD",
        (("Dashboard licence, annual", "25", "96.00"), ("Onboarding workshop", "1", "1800.00")),
        "Net 30", "0.00",
    ),
    _invoice(
        "plus_energie", "+Plus Energie AG", "Stromrechnung Q1 2026.pdf", "10-556-2026-Q1",
        ("2026-04-03", "2026-04-24"), ("CHE-116.281.710 MWST", "CH9300762011623852957"), "CHF",
        (("Netznutzung HT, kWh", "18450", "0.0894"), ("Energie HT, kWh", "18450", "0.1372"),
         ("Grundpreis, Monate", "3", "42.00")),
        "21 Tage", "0.081",
    ),
    _invoice(
        "kaelte", "-40° Kältetechnik GmbH", "Wartung_Tiefkühlhaus.pdf", "26-0419",
        ("2026-04-19", "2026-05-03"), ("DE276452187", "DE75512108001245126199"), "EUR",
        (("Wartung Verdichter, Std.", "7.5", "98.00"), ("Anfahrtspauschale Zone 2", "1", "65.00")),
        "14 Tage, 2 % Skonto bei Zahlung innerhalb von 7 Tagen", "0.19",
    ),
    _invoice(
        "at_home", "@home Cleaning B.V.", "factuur-20260529.pdf", "20260529-4",
        ("2026-05-29", "2026-06-12"), ("NL854502130B01", "NL91ABNA0417164300"), "EUR",
        (("Schoonmaak kantoor, week 18–22", "5", "310.00"), ("Glasbewassing", "1", "145.00")),
        "Betaling binnen 14 dagen", "0.21",
    ),
    _invoice(
        "underscore", "_underscore studio", "_underscore_2026_018.pdf", "2026_018",
        ("2026-02-11", "2026-03-13"), ("ATU67813005", "AT611904300234573201"), "EUR",
        (("Verpackungsdesign, 2. Rate", "1", "3250.00"),), "30 Tage", "0.20",
        notes="_intern_: Freigabe durch C. Huber, siehe __Angebot 7__",
    ),
    _invoice(
        "bold_signs", "Bold <b>Signs</b> & Displays", "signs & displays #44.pdf", "BSD-44",
        ("2026-06-18", "2026-07-18"), ("GB415288167", "GB29NWBK60161331926819"), "GBP",
        (("Fascia sign 3 m, <i>illuminated</i>", "1", "1120.00"), ("Fitting & permit", "1", "340.00")),
        "30 days", "0.20",
    ),
    _invoice(
        "onerror", "Pixel Fourteen Media", "<img src=x onerror=alert(1)>.pdf", "PFM-2026-7",
        ("2026-05-20", "2026-06-19"), ("DE319847551", "DE44500105175407324931"), "EUR",
        (("Videoschnitt, Std.", "16", "85.00"), ("<script>alert('Bannerset')</script>", "1", "240.00")),
        "30 Tage", "0.19",
    ),
    _invoice(
        "dollar", "$x_$ Consulting LLC", "SOW-12 $5 and $6.pdf", "SOW-12/3",
        ("2026-03-14", "2026-04-13"), ("US88-3310245", "026009593 / 8830021"), "USD",
        (("Seats at $5 and $6 per month", "220", "5.50"), ("Retainer (March)", "1", "2400.00")),
        "Net 30, late fee 1.5 % per month", "0.00",
    ),
    _invoice(
        "cafe_zoe", "Café Zoë ☕ Berlin", "Café Zoë 🥐 Frühstück.jpg", "Z-0093",
        ("2026-04-01", "2026-04-15"), ("DE325551909", "DE27100777770209299700"), "EUR",
        (("Frühstücksbuffet 🥐 für 24 Personen", "24", "14.90"), ("Anlieferung", "1", "25.00")),
        "14 Tage", "0.07", mime_type="image/jpeg",
    ),
    _invoice(
        "harbour", "Harbour & Pine Catering", "H&P catering - board meeting.pdf", "HP-3391",
        ("2026-06-24", "2026-07-24"), ("GB318654420", "GB94BARC10201530093459"), "GBP",
        (("Buffet lunch\n(42 persons, two vegan)", "42", "23.50"), ("Service staff, hours", "9", "26.00"),
         ("Linen hire", "7", "8.40")),
        "30 days net", "0.20",
    ),
    _invoice(
        "alpine", "Alpine Facility Services AG", "Rechnung 88120 Alpine.pdf", "88120",
        ("2026-03-11", "2026-04-10"), ("CHE-105.869.117 MWST", "CH5604835012345678009"), "CHF",
        (("Hauswartung Februar", "1", "1980.00"), ("Winterdienst-Pikett", "1", "260.00")),
        "30 Tage netto", "0.081", order="PO-77590",
    ),
    _invoice(
        "costa", "Costa Verde Frutas S.L.", "Factura 26-00912.pdf", "26-00912",
        ("2026-06-09", "2026-07-09"), ("ESB63272603", "ES9121000418450200051332"), "EUR",
        (("Naranja Valencia cal. 4, caja 15 kg", "96", "13.20"), ("Aguacate Hass, caja 4 kg", "48", "17.85"),
         ("Devolución de envases", "-30", "2.40")),
        "30 días fecha factura", "0.04", order="PO-77418",
    ),
    _invoice(
        "sterling", "Sterling & Webb Solicitors LLP", "SW fee note 2026-204.pdf", "2026/204",
        ("2026-05-03", "2026-05-17"), ("GB239174563", "GB82WEST12345698765432"), "GBP",
        (("Partner, M. Webb: lease review", "3.25", "385.00"),
         ("Associate: drafting and correspondence", "11.5", "240.00"), ("Land Registry fees", "1", "46.00")),
        "Payable within 14 days", "0.20",
    ),
    _invoice(
        "quickparts", "QuickParts EU B.V.", "QP-559201.pdf", "QP-559201",
        ("2026-05-10", "2026-06-09"), ("NL810462783B01", "NL02ABNA0123456789"), "EUR",
        (("Bearing 6204-2RS,\nsealed, steel", "200", "1.10"), ("Bearing 6305-2RS,\nsealed, steel", "150", "1.95"),
         ("O-ring kit,\nNBR 70, 419 pcs", "3", "24.90"), ("Hex bolt M8×40", "1000", "0.085"),
         ("Washer M8", "1000", "0.012"), ("Express shipping", "1", "38.00")),
        "30 days", "0.21", order="PO-77702",
    ),
    _invoice(
        "ruegg", "Rüegg Werkzeuge AG", "Rüegg_Lieferung_71.pdf", "LR-71-2026",
        ("2026-05-21", "2026-06-20"), ("CHE-108.416.294 MWST", "CH3908704016075473007"), "CHF",
        (("Spiralbohrer HSS 4,2 mm", "50", "1.10"), ("Gewindebohrer M5", "20", "8.60"),
         ("Kühlschmierstoff,\n20-l-Kanister", "2", "118.00")),
        "30 Tage", "0.081", order="PO-77655",
    ),
    _invoice(
        "blueridge", "Blue Ridge Timber Co.", "BRT_88_April.pdf", "BRT-88-04",
        ("2026-04-07", "2026-05-07"), ("US56-1190327", "053000196 / 237004418"), "USD",
        (("Douglas fir 2×10, 16 ft, per m³", "18.5", "412.00"), ("Kiln drying surcharge", "18.5", "36.00")),
        "2/10 net 30", "0.00", order="PO-77488",
    ),
    _invoice(
        "saraswati", "Saraswati Prints Pvt. Ltd. (सरस्वती)", "SPPL 0226 invoice.pdf", "SPPL/0226",
        ("2026-04-16", "2026-05-16"), ("27AAPFU0939F1ZV", "HDFC0000060 / 50100123456789"), "INR",
        (("Offset printing, 4+4, 20,000 sheets", "20000", "3.15"), ("Die cutting", "20000", "0.40"),
         ("Packing and forwarding", "1", "1450.00")),
        "Net 30 days", "0.18",
    ),
    _invoice(
        "hofer_credit", "Hofer Verpackung KG", "Gutschrift_GS-2026-031.pdf", "GS-2026-031",
        ("2026-05-04", "2026-05-04"), ("ATU37675002", "AT483200000012345864"), "EUR",
        (("Rücknahme Wellpappe B-Welle", "-400", "0.62"),), "wird verrechnet", "0.20",
        category="credit_note",
    ),
    _invoice(
        "alpine_reminder", "Alpine Facility Services AG", "2. Mahnung 88120.pdf", "M2-88120",
        ("2026-05-22", "2026-06-01"), ("CHE-105.869.117 MWST", "CH5604835012345678009"), "CHF",
        (("Offener Betrag Rechnung 88120", "1", "2421.44"), ("Mahnspesen", "1", "20.00")),
        "10 Tage", "0.00", category="reminder",
    ),
    _invoice(
        "handwritten", "Gärtnerei Lindenhof", "IMG_2231.jpeg", "ohne",
        ("2026-06-02", "2026-06-16"), ("DE158334209", "DE89370400440532013000"), "EUR",
        (("Rosen, Bund", "18", "4.50"), ("Lieferung", "1", "12.00")), "14 Tage", "0.07",
        mime_type="image/jpeg", category="delivery_note",
    ),
    _invoice(
        "nordwind_rescan", "Nordwind Logistik GmbH", "Nordwind_RE-2026-04417_600dpi.pdf",
        "RE-2026-04417", ("2026-03-04", "2026-04-03"), ("DE811907980", "DE02120300000000202051"),
        "EUR", (("Stückguttransport Hamburg–Lyon", "2", "412.50"),
                ("Maut- und Dieselzuschlag", "1", "87.40"), ("Palettentausch", "14", "1.85")),
        "30 Tage netto", "0.19", order="PO-77120",
    ),
)  # fmt: skip

BUNDLES = (
    _bundle("mail_0512", "Posteingang_2026-05-12.pdf", invoice=[1, 2], delivery_note=[3]),
    _bundle("scan_0412", "scan_0412.tif", invoice=[1], credit_note=[2, 3], invoice_2=[4, 5, 6]),
    _bundle("batch_june", "AP batch June (final) v2.pdf", invoice=[1, 2, 3], statement=[4, 5]),
    _bundle("crates", 'crates "mixed" 17.pdf', invoice=[1], packing_list=[2, 3, 4, 5, 6, 7, 8]),
    _bundle("fax", "fax_0049_40_8831.pdf", cover=[1], invoice=[2, 3]),
    _bundle("freight", "freight papers Rotterdam.pdf", cmr=[1, 2], invoice=[3, 4, 5], customs=[6]),
)
