"""Every rate that a page states is one that the study found; anything else ends the build."""

from __future__ import annotations

import copy
import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
from simulation.musts import LEAST_SUITES, LIMITS, list_figures
from support.inside import TRUE_IF_UNSURE

ROOT = Path(__file__).parents[2]


def load() -> Any:
    spec = importlib.util.spec_from_file_location("rates_of_pages", ROOT / "docs" / "rates.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


rates = load()
STUDY = rates.read_study()
PAGES = {
    page.relative_to(ROOT / "docs").with_suffix("").as_posix(): page.read_text("utf-8")
    for page in sorted((ROOT / "docs").glob("**/*.md"))
    if not {"generated", "skill"} & {*page.parts}
}
PAGES["README"] = (ROOT / "README.md").read_text("utf-8")
ONE = next(iter(STUDY["rates"]))


def test_the_file_has_the_rates_of_today_s_study() -> None:
    library = {name for name in STUDY["rates"] if not name.endswith(" | naive")}
    assert library.isdisjoint(STUDY["no_case"])
    assert library.union(STUDY["no_case"]) == {figure.name for figure in list_figures()}
    assert STUDY["suites"] >= LEAST_SUITES
    assert re.fullmatch("[0-9a-f]{40}", STUDY["commit"])
    assert STUDY["limits"] == LIMITS
    for rate in STUDY["rates"].values():
        assert rate["low"] <= rate["value"] <= rate["high"]
        assert rate["of"] > 0


@pytest.mark.parametrize("name", PAGES)
def test_a_page_states_the_file_s_rates(name: str) -> None:
    shown = rates.read_page(STUDY, name, PAGES[name])
    assert "<!-- rate:" not in shown
    assert rates.renew_numbers(STUDY, PAGES[name]) == PAGES[name]


def test_who_chooses_calm_or_strict_reads_the_same_rates_on_both_pages() -> None:
    procedures = re.compile("rate: ((?:edit|drift|nothing)[^>]*(?:calm|strict)[^>]*) -->")
    said, chosen = (set(procedures.findall(PAGES[page])) for page in ("how-sure", "ci"))
    assert {each for each in said if "exit code 1" not in each} == chosen
    assert len(chosen) == 20


def test_these_pages_are_about_rates() -> None:
    about = {name for name, text in PAGES.items() if rates.is_about_rates(name, text)}
    assert about >= {"README", "how-sure", "how-to/run-less", "ci"}


@pytest.mark.parametrize(
    ("more", "less"),
    [
        # Two worlds are harder than the worlds of which they are made.
        *(
            (
                f"nothing changed: exit code 1 {when} | repeating",
                f"nothing changed: exit code 1 {when} | B",
            )
            for when in ("after settle", "at a look")
        ),
        (
            "half benign by eval: called at sight that broke | A",
            "half benign by eval: called at sight that broke | shaky",
        ),
        ("edit: of these, called after settle | A", "edit: of these, called after settle | shaky"),
        # The naive rule finds more at first sight.
        *(
            (f"{what} | {world} | naive", f"{what} | {world}")
            for world in "AB"
            for what in (
                "edit: of these, called at sight",
                *(f"drift: called at sight, {runs} earlier runs" for runs in (3, 10, 20)),
            )
        ),
        (
            "drift: called after settle or then, 3 earlier runs | B | naive",
            "drift: called after settle or then, 3 earlier runs | B",
        ),
        # `settle` decides where a look is undecided.
        *(
            (
                f"nothing changed: exit code 0 after settle | {world}",
                f"nothing changed: exit code 0 at a look | {world}",
            )
            for world in "AB"
        ),
    ],
)
def test_the_pages_words_are_true_of_the_file(more: str, less: str) -> None:
    assert STUDY["rates"][more]["value"] > STUDY["rates"][less]["value"]


@pytest.mark.parametrize(
    "said",
    [
        "It is right in 98 % of cases.",
        "It is right in 97.5% of cases.",
        "75 to 86 in 100 are broken.",
        "It misses 3 out of 1,000.",
        "What an edit broke is called in about four of five cases.",
        "About one check in fifty is red.",
        "Nine times in ten it is true.",
        "The probability is 0.83.",
        "The probability is .83, mostly.",
        "ninety per\ncent",
        "| called | 92 % |",
        "```{note}\nIt is right in 98 % of cases.\n```",
        "```python\nx = 1\n```\nIt is right in 98 % of cases.\n```\ny\n```",
    ],
)
def test_a_page_about_rates_fails_that_states_a_number_by_itself(said: str) -> None:
    said = said.replace("ninety", "90")
    for name, text in {
        "how-sure": f"# How sure\n\n{said}\n",
        "start": f"{said}\n\n[How sure](how-sure.md#the-words)\n",
        "how-to/verdict": f"`code` it is.\n\n{said}\n\n[The figures](../how-sure.md)\n",
        "README": f"# retab\n\n{said}\n\n[How sure](docs/how-sure.md)\n",
    }.items():
        with pytest.raises(rates.RateError, match=r"^line \d.*is a number that"):
            rates.read_page(STUDY, name, text)


@pytest.mark.parametrize(
    "said",
    [
        "Python 3.11, version 0.31.0, 24 pages, 30 runs, 2026, 480 px",
        "`p >= 0.95` and `verdict.gate(pass_rate=.9)`",
        "```\n✗ 91 of 91 pass, 95 %\n```",
        "````{code-cell} python\nx = 0.95\n```\n````",
        "<!-- 98 % -->",
        "[a link](of/0.5/page.md)",
        "Half of them, and one of the two.",
    ],
)
def test_code_and_other_numbers_are_no_rates(said: str) -> None:
    page = f"# How sure\n\n{said}\n"
    assert rates.read_page(STUDY, "how-sure", page) == page


def test_a_page_that_is_not_about_rates_may_state_percentages() -> None:
    assert rates.read_page(STUDY, "gallery", "The 95 % interval.") == "The 95 % interval."


@pytest.mark.parametrize(
    "asked",
    [
        "98 %<!-- rate: no such thing | A -->",
        "0.8<!-- limit: no such thing | A -->",
    ],
)
def test_a_name_that_the_file_does_not_have_ends_the_build(asked: str) -> None:
    with pytest.raises(rates.RateError, match=re.escape("_rates.json")):
        rates.read_page(STUDY, "gallery", asked)


@pytest.mark.parametrize("bar", [" | ", " |\n", r" \| "])
def test_a_number_on_a_page_is_the_file_s(bar: str) -> None:
    """A reader sees the number, whether the name is broken into lines or stands in a table."""
    shown = rates.show_rate(STUDY["rates"][ONE])
    good = f"If nothing changed, it is {shown}<!-- rate: {ONE.replace(' | ', bar)} -->."
    assert rates.read_page(STUDY, "gallery", good) == f"If nothing changed, it is {shown}."
    other = copy.deepcopy(STUDY)
    other["rates"][ONE]["value"] /= 2
    with pytest.raises(rates.RateError, match=re.escape(f"it says {shown}")):
        rates.read_page(other, "gallery", good)
    assert rates.renew_numbers(STUDY, rates.renew_numbers(other, good)) == good


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (0, "0 %"),
        (0.0002, "0.1 %"),
        (0.008, "0.8 %"),
        (0.93, "93 %"),
        (0.9999, "99.9 %"),
        (1, "100 %"),
    ],
)
def test_a_share_is_never_rounded_to_none_or_all(share: float, shown: str) -> None:
    assert rates.show_share(share) == shown


@pytest.mark.parametrize(
    ("rate", "shown"),
    [
        ((0.93, 0.9, 0.95, "share"), "93 % (90–95)"),
        ((0.62, 0.52, 0.71, "share"), "60 % (52–71)"),
        ((0.07, 0.03, 0.14, "share"), "7 % (3–14)"),
        ((1.8167, 1.156, 2.4773, "a suite"), "1.8 (1.2–2.5)"),
    ],
)
def test_a_rate_has_its_interval_and_no_digit_that_the_interval_does_not_carry(
    rate: tuple[Any, ...], shown: str
) -> None:
    its = dict(zip(("value", "low", "high", "unit"), rate, strict=True))
    assert rates.show_rate(its) == shown


def test_a_paragraph_names_the_pool_of_its_rates() -> None:
    rate = "90 %<!-- rate: half benign by suite: red at sight in which something broke | A -->"
    rates.check_pools(f"In suites in which every second edit breaks something, {rate}.")
    rates.check_pools("5 %<!-- limit: broke -->")
    with pytest.raises(rates.RateError, match="every second edit"):
        rates.check_pools(f"If every second edit breaks something:\n\n- After an edit, {rate}.")


@pytest.mark.parametrize("world", ["A", "B"])
def test_a_verdict_says_how_often_a_doubtful_call_is_true(world: str) -> None:
    name = f"half benign by eval: called at sight with some doubt that broke | {world}"
    assert "about 7 of 10" in TRUE_IF_UNSURE
    assert STUDY["rates"][name]["value"] == pytest.approx(0.7, abs=0.15)
