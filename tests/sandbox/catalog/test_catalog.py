"""The catalogue's files: all of them are read, and their figures add up."""

from __future__ import annotations

from decimal import Decimal
from importlib import resources
from typing import Any

import pytest
from support.inside import read_catalog, to_json

NAMES = read_catalog("world")["workflows"]


@pytest.fixture(params=NAMES)
def spec(request: pytest.FixtureRequest) -> Any:
    nothing: dict[str, Any] = {"incidents": {}, "runs": [], "evals": {}, "documents": []}
    return nothing | read_catalog(request.param)


def test_every_file_is_used() -> None:
    folder = resources.files("retab_analysis.sandbox.catalog")
    files = {each.name for each in folder.iterdir() if each.name.endswith(".json")}
    assert files == {f"{name}.json" for name in (*NAMES, "world")}


def test_what_is_named_is_there(spec: Any) -> None:
    blocks = {block["id"] for block in spec["blocks"]}
    documents = {document["key"]: document for document in spec["documents"]}
    assert len(documents) == len(spec["documents"])
    assert set(spec["evals"]) <= blocks
    for version in spec["versions"]:
        assert set(version["changed"]) <= blocks
    for run in spec["runs"]:
        assert run.get("block") in {None, *blocks}
        assert run.get("only") in {None, *documents, *spec["incidents"]}
    for block_id, saved_evals in spec["evals"].items():
        for saved in saved_evals:
            assert block_id in documents[saved["document"]]["outputs"]


def test_each_incident_is_named(spec: Any) -> None:
    """By an eval that fails in it, then or after an edit."""
    forms = [
        form
        for saved_evals in spec["evals"].values()
        for saved in saved_evals
        for form in (saved, *saved.get("edits", ()))
    ]
    named = {failure.get("when") for form in forms for failure in form.get("fails", ())}
    assert {name for name, each in spec["incidents"].items() if "every_eval" not in each} <= named
    assert named - {None} <= spec["incidents"].keys()
    assert all(set(run.get("incidents", ())) <= spec["incidents"].keys() for run in spec["runs"])


def test_each_incident_is_of_its_kind(spec: Any) -> None:
    """An edit has versions; drifts and episodes have days, of which those of a drift do not end."""
    for incident in spec["incidents"].values():
        versions, days = incident.get("versions"), incident.get("days")
        assert incident["about"].endswith(".")
        if incident["kind"] == "outage":
            assert "every_eval" in incident
            continue
        found = {
            "gap": days is None and versions == [1, None],
            "edit": days is None and versions is not None and versions[0] > 1,
            "drift": versions is None and days is not None and days[1] is None,
            "episode": versions is None and days is not None and days[1] is not None,
            "chance": versions is None and days is None,
        }
        assert [kind for kind, fits in found.items() if fits] == [incident["kind"]]


def test_an_edit_and_its_repair_edit_the_block(spec: Any) -> None:
    """What breaks by an edit is tested in a block that the version edits, and so is its mending."""
    for name, incident in spec["incidents"].items():
        if incident["kind"] != "edit":
            continue
        first, last = incident["versions"]
        hit = {
            block
            for block, saved_evals in spec["evals"].items()
            for saved in saved_evals
            if any(failure.get("when") == name for failure in saved.get("fails", ()))
        }
        assert hit <= set(spec["versions"][first - 1]["changed"])
        assert last is None or hit <= set(spec["versions"][last]["changed"])


def exact(value: Any) -> Decimal:
    return Decimal(to_json(value).decode())


def test_invoices_add_up() -> None:
    cent = Decimal("0.01")
    checked = 0
    for document in read_catalog("invoices")["documents"]:
        if "extract_invoice" not in document["outputs"]:
            continue
        totals = {
            name: exact(value)
            for name, value in document["outputs"]["extract_invoice"]["totals"].items()
        }
        lines = document["outputs"]["extract_lines"]["lines"]
        for line in lines:
            amount = exact(line["quantity"]) * exact(line["unit_price"])
            assert exact(line["amount"]) == amount.quantize(cent)
        rate = exact(document["outputs"]["check_totals"]["vat_rate"])
        assert totals["net"] == sum(exact(line["amount"]) for line in lines)
        assert totals["vat"] == (totals["net"] * rate).quantize(cent)
        assert totals["gross"] == totals["net"] + totals["vat"]
        checked += 1
    assert checked == 30
