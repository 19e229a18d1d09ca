"""What each door says in the recorded situations."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
from golden.book import describe_verdict, hold, write_entry
from support.doors import HEADER, Answer, ask_command_line, ask_pytest, row_of
from support.inside import WORDS, Finding
from support.situations import SITUATIONS, Situation
from support.studied import with_studies

NAMES, KINDS = (
    {each.key: each.word for each in WORDS.values()},
    {each.__struct_config__.tag for each in Finding.__subclasses__()},
)
IDS = [f"{at} {each.about}" for at, each in enumerate(SITUATIONS)]


ABOVE_TABLE = """\
# The same answer in a terminal, in JUnit and in pytest

A dash means that pytest has no such option.
"""


@cache
def ask(at: int) -> Answer:
    return ask_command_line(SITUATIONS[at])


@cache
def ask_tests(at: int) -> tuple[int, Mapping[str, int], str] | None:
    return ask_pytest(SITUATIONS[at])


def test_there_are_forty_with_all_exit_codes() -> None:
    assert len(SITUATIONS) >= 40
    assert {each.code for each in SITUATIONS} == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("at", range(len(SITUATIONS)), ids=IDS)
def test_all_files_say_what_the_command_line_says(at: int) -> None:
    situation, answer = SITUATIONS[at], ask(at)
    assert answer.code == situation.code, (answer.out, answer.err)
    _check_json(situation, answer)
    _check_junit(answer)
    _check_forms(answer.document, answer.properties, answer.out, *answer.reports)


# Every third one, the others with the studies.
@pytest.mark.parametrize("at", with_studies(range(len(SITUATIONS)), range(0, len(SITUATIONS), 3)))
def test_pytest_says_what_the_command_line_says(at: int) -> None:
    if (told := ask_tests(at)) is not None:
        answer, (code, _, terminal) = ask(at), told
        assert code == {2: 1}.get(answer.code, answer.code)
        _check_forms(answer.document, answer.properties, terminal)


def _check_json(situation: Situation, answer: Answer) -> None:
    document = answer.document
    if answer.code == 4:
        assert answer.out == ""
        return
    assert document["exit_code"] == answer.code
    if "gate" in document:
        code = document["gate"]["exit_code"]
        assert document["gate"]["ok"] is (code == 0)
        assert code == answer.code or (code == 2 and "--undecided" in situation.options)
        told = answer.out.splitlines()
        assert told[0].startswith(document["headline"])
        assert document["findings"][0]["kind"] in KINDS
        assert sum(document["counts"].values()) == len(document["evals"])
        assert all("actual" not in name for row in document["evals"] for name in row)
    else:
        assert document["error"]


def _check_junit(answer: Answer) -> None:
    if answer.junit is None:
        assert "gate" not in answer.document
        return
    gate = answer.document["gate"]
    is_lenient = gate["exit_code"] == 2 and answer.code == 0
    assert bool(answer.junit.get("failure")) is (gate["exit_code"] != 0 and not is_lenient)
    # And one for reasons and doubts that are of no single eval.
    assert answer.junit.get("failure", 0) - len(gate["failing"]) in (0, 1)
    assert sum(answer.junit.values()) == len(answer.document["evals"]) + 1


def _check_forms(document: Any, said: Mapping[str, str], text: str, *reports: str) -> None:
    """Headline, counts, gate and next step are in each form what they are as JSON."""
    if "gate" not in document:
        assert not reports
        return
    word = ("gate holds", "gate fails", "gate undecided")[document["gate"]["exit_code"]]
    counts = [f"{number} {NAMES[key]}" for key, number in document["counts"].items()]
    step = document["next_step"] or {"sentence": "", "code": ""}
    assert (step["sentence"] == "") is (document["gate"]["exit_code"] == 0)
    assert (said["headline"], said["gate"]) == (document["headline"], word)
    assert said["counts"].replace("errors", "error") == " · ".join(counts)
    assert step["sentence"] in said["next step"]
    for form in (text, *reports):
        bare = re.sub("<[^>]*>|[\\\\*`]|&#8203;", "", form)
        shown = " ".join(html.unescape(bare).split())
        assert document["headline"] in shown
        assert all(re.search(rf"(?<!\d){re.escape(each)}", shown) for each in counts), counts
        assert word in shown
        assert f"Next: {step['sentence']}" in shown or not step["sentence"]
        # A report has its own words for what to type.
        assert " ".join(step["code"].split()) in shown or form is not text


def test_the_recorded_situations() -> None:
    hold("situations.txt", "\n".join(map(_write_situation, range(len(SITUATIONS)))))


@pytest.mark.study
def test_the_table_of_doors() -> None:
    rows = [row_of(each, ask(at), ask_tests(at)) for at, each in enumerate(SITUATIONS)]
    head = [ABOVE_TABLE, f"| {' | '.join(HEADER)} |", f"|{' --- |' * len(HEADER)}"]
    hold("doors.md", "\n".join([*head, *rows]) + "\n")


def _write_situation(at: int) -> str:
    situation, answer = SITUATIONS[at], ask(at)
    document = answer.document
    aspects = [("exit", f"{answer.code}")]
    if "gate" in document:
        told = [document[each] for each in ("headline", "verdict", "evals", "gate")]
        aspects += [*describe_verdict(*told), ("text", answer.out)]
    else:
        # What it prints of an error has ports and numbers that are not the same everywhere.
        error = document.get("error") or answer.err
        aspects += [("error", Answer(answer.code, "", error).says)]
    return write_entry(f"{situation.about}: {situation.command}", aspects)
