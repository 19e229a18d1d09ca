"""The report: what it says first, what it leaves out, and that it is a file of its own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from comparison.cases import of_every_transition
from support.fakes import STILL
from support.frames import result, results
from support.html_elements import Elements
from support.inside import BROKEN, Comparison, compare, markup

import retab_analysis as ra
from retab_analysis import write_report

KINDS = ("md", "html")
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=http://evil.example/x onerror=alert(1)>',
    "a | b\n# not a heading\n\n| c |",
    "@octocat $x_1$ `code` [link](http://evil.example) ![i](http://evil.example/i.png)",
    "turned\u202eround\x1b[31m\x00",
    "www.evil.example user/repo#1 #2 GH-3 https://evil.example name@evil.example",
    "</style></title><base href=//evil.example>",
    "\u0627\u0644\u0646\u062e\u064a\u0644",
    "",
)


@pytest.fixture(scope="module")
def invoices() -> Comparison:
    with ra.Sandbox(speed=STILL) as sandbox, ra.Client(**sandbox.credentials) as client:
        return ra.check("wf_invoices", client=client, progress=False)


def written(comparison: Comparison, folder: Path, kind: str, **options: Any) -> str:
    target = folder / f"report.{kind}"
    write_report(comparison, target, **options)
    return target.read_bytes().decode()


def without_figure(report: str) -> str:
    return re.sub(r"data:image/png;base64,[^\"]+", "", report)


def pair(**values: Any) -> Comparison:
    """One eval that passed before and does not now."""
    old = {"expected_value": "1", "actual_value": "1"} | values.pop("old", {})
    new = {"expected_value": "1", "actual_value": "2"} | values.pop("new", {})
    return compare(
        results(result("e", "passed", **(values | old))),
        results(result("e", "failed", 2, **(values | new))),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_verdict_comes_first_then_what_flipped(
    invoices: Comparison, tmp_path: Path, kind: str
) -> None:
    report = written(invoices, tmp_path, kind)
    body = report[report.find("<body") if kind == "html" else 0 :]
    broken = invoices.evals.filter(pl.col("transition").is_in(BROKEN))
    first = markup.one_line(broken["eval_name"][0])
    said = markup.markdown(first) if kind == "md" else str(markup.escape(first))
    wanted = (f"✗ {broken.height} broke", "Compared run", "Broke", said, "Suspects")
    places = [body.index(wanted[0])]
    for each in wanted[1:]:
        places.append(body.index(each, places[-1]))
    assert body.rindex("Not counted") > places[-1]
    assert body.rindex("Numbers") > places[-1]


@pytest.mark.parametrize("kind", KINDS)
def test_values_stand_side_by_side_with_their_document(tmp_path: Path, kind: str) -> None:
    comparison = pair(
        document_names=["Rüegg.pdf", None],
        old={"expected_value": "1.10", "actual_value": "1.100"},
        new={"expected_value": "1.10", "actual_value": '"a|b"'},
    )
    report = written(comparison, tmp_path, kind)
    values = report[report.index("Values") :]
    bar = "|" if kind == "html" else "&#124;"
    cells = ("Rüegg.pdf", "1.10<", "1.100<", f"&quot;a{bar}b&quot;")
    places = [values.index(each) for each in cells]
    assert places == sorted(places)


@pytest.mark.parametrize("kind", KINDS)
def test_without_values_there_are_none(tmp_path: Path, kind: str) -> None:
    secret = [f"secret{number}secret" for number in range(5)]
    long = '"' + 200 * "x" + '"'
    shared = {"path": secret[0], "failure_message": secret[1], "status_message": secret[1]}
    sides = [
        [
            result(eval_id, state, run, **shared, expected_value=f'"{want}"', actual_value=actual)
            for eval_id, state, want in (("e", mine, secret[2]), ("c", mine, secret[2 + run]))
        ]
        for run, mine, actual in ((1, "passed", f'"{secret[3]}"'), (2, "failed", long))
    ]
    comparison = compare(results(*sides[0]), results(*sides[1]))
    assert set(comparison.evals["transition"]) == {"suspect", "not_comparable"}
    report = without_figure(written(comparison, tmp_path, kind, values=False))
    assert "secret" not in report
    assert "xxx" not in report
    assert "name of e" in report
    assert secret[2] in written(comparison, tmp_path, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_no_value_of_the_sandbox_is_left_without_values(
    invoices: Comparison, tmp_path: Path, kind: str
) -> None:
    report = without_figure(written(invoices, tmp_path, kind, values=False))
    text = Elements(report).text if kind == "html" else report
    evals = invoices.evals
    columns = ("expected_value", "baseline_actual", "candidate_actual")
    values = pl.concat([evals[name].alias("value") for name in columns]).drop_nulls().unique()
    # What names and documents are called stays; there are values among those words.
    words = " ".join(
        [*evals["eval_name"].drop_nulls(), *evals["document_names"].explode().drop_nulls()]
    )
    bare = [value.strip('"') for value in values if len(value) > 8]
    telling = [value for value in bare if value not in f"{words} delivery_note"]
    assert len(telling) > 40
    assert [value for value in telling if value in text] == []


def test_hostile_names_stay_text_in_html(tmp_path: Path) -> None:
    for hostile in HOSTILE:
        made = pair(
            eval_name=hostile,
            block_id=hostile,
            document_names=[hostile],
            workflow_version_id=hostile,
            new={"actual_value": '"</code><script>"'},
        )
        elements = Elements(written(made, tmp_path, "html"))
        tags = {tag for tag, _ in elements.made}
        assert not tags & {"script", "base", "link", "iframe", "object"}
        assert all(key[:2] != "on" for _, attributes in elements.made for key in attributes)
        assert "</code><script>" in elements.text
        assert "\x1b" not in elements.text
        assert "\u202e" not in elements.text


def test_hostile_names_stay_one_cell_in_markdown(tmp_path: Path) -> None:
    plain = written(pair(), tmp_path, "md")
    for hostile in HOSTILE:
        report = written(
            pair(eval_name=hostile, block_id=hostile, document_names=[hostile]), tmp_path, "md"
        )
        assert len(report.splitlines()) == len(plain.splitlines())
        assert "<script" not in report
        assert "<img" not in report
        assert not re.search(r"(?<!\\)\]\(http", report)
        assert not re.search(r"www\.|://|@\w|(?<!&)#\d|GH-\d", report)
        assert "\u202e" not in report
        columns = [len(re.findall(r"(?<!\\)\|", line)) for line in report.splitlines()]
        assert columns == [len(re.findall(r"(?<!\\)\|", line)) for line in plain.splitlines()]


def test_the_html_loads_nothing_and_holds_its_figure(invoices: Comparison, tmp_path: Path) -> None:
    page = written(invoices, tmp_path, "html")
    elements = Elements(page)
    loaded = [
        attributes[key]
        for _, attributes in elements.made
        for key in ("src", "srcset", "href", "data", "action")
        if key in attributes
    ]
    assert len(loaded) == 2
    assert all(str(each).startswith("data:image/png;base64,iVBOR") for each in loaded)
    assert loaded[0] != loaded[1]
    assert "//" not in without_figure(page)
    assert "url(" not in page
    assert "@import" not in page
    assert page.count("prefers-color-scheme") >= 3
    assert [tag for tag, _ in elements.made].count("img") == 1
    assert not re.search("</(img|source|meta)>", page)
    assert all(each[1].get("alt") for each in elements.made if each[0] == "img")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_transition_has_its_place(tmp_path: Path, kind: str) -> None:
    comparison = of_every_transition()
    report = without_figure(written(comparison, tmp_path, kind))
    text = Elements(report).text if kind == "html" else report.replace("\\", "")
    titles = ("Broke", "Suspects", "Fixed", "Not counted", "Still failing")
    assert all(title in text for title in titles)
    listed = comparison.evals.filter(pl.col("transition") != "still_passing")
    assert all(name in text for name in listed["eval_name"])
    assert "name of fine0" not in text
    # Values are shown of what broke, is suspect or was mended.
    values = report[report.index("Values") :]
    for eval_id in ("broken", "doubtful", "mended"):
        assert f"name of {eval_id}" in values


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    for name in ("report.pdf", "report", "report.htm", ".html"):
        with pytest.raises(ra.ConfigError, match=r"\.md or \.html"):
            write_report(pair(), tmp_path / name)
    for given in (None, {}, pair().evals, "run_1"):
        with pytest.raises(ra.ConfigError, match="expected what check or compare gives"):
            write_report(given, tmp_path / "r.md")  # type: ignore[arg-type]
    with pytest.raises(ra.ConfigError, match="path: expected a str or a Path, got int"):
        write_report(pair(), 3)  # type: ignore[arg-type]
    with pytest.raises(ra.ConfigError, match="values must be True or False"):
        write_report(pair(), tmp_path / "r.md", values="no")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
