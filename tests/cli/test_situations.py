"""What each door says in the recorded situations, and that tests/data/doors.md says the same."""

from __future__ import annotations

import html
import re

import pytest
from support.doors import (
    BEGIN,
    DOCS,
    END,
    HEADER,
    Answer,
    ask_all_doors,
    row_of,
)
from support.inside import WORDS, Finding
from support.situations import SITUATIONS, Situation

TABLE = DOCS.read_text().partition(BEGIN)[2].partition(END)[0].strip().splitlines()
NAMES, KINDS = (
    {each.key: each.word for each in WORDS.values()},
    {each.__struct_config__.tag for each in Finding.__subclasses__()},
)
IDS = [f"{at} {each.about}" for at, each in enumerate(SITUATIONS)]


def test_there_are_forty_and_as_many_rows_as_situations() -> None:
    assert len(SITUATIONS) >= 40
    assert TABLE[0] == f"| {' | '.join(HEADER)} |"
    assert len(TABLE) == len(SITUATIONS) + 2
    assert {each.code for each in SITUATIONS} == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("at", range(len(SITUATIONS)), ids=IDS)
def test_all_doors_say_the_same(at: int) -> None:
    situation = SITUATIONS[at]
    answer = ask_all_doors(situation)
    assert answer.code == situation.code, (answer.out, answer.err)
    assert TABLE[at + 2] == row_of(situation, answer)
    _check_json(situation, answer)
    _check_junit(answer)
    _check_reports(answer)
    if answer.pytest is not None:
        assert answer.pytest[0] == {2: 1}.get(answer.code, answer.code)


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


def _check_reports(answer: Answer) -> None:
    """Headline, counts, gate and next step are in each form what they are as JSON."""
    document = answer.document
    if "gate" not in document:
        assert not answer.reports
        return
    word = ("gate holds", "gate fails", "gate undecided")[document["gate"]["exit_code"]]
    counts = [f"{number} {NAMES[key]}" for key, number in document["counts"].items()]
    step = document["next_step"] or {"sentence": "", "code": ""}
    assert (step["sentence"] == "") is (document["gate"]["exit_code"] == 0)
    said = answer.properties
    assert (said["headline"], said["gate"]) == (document["headline"], word)
    assert said["counts"].replace("errors", "error") == " · ".join(counts)
    assert step["sentence"] in said["next step"]
    for at, form in enumerate((answer.out, answer.terminal, *answer.reports)):
        if form:
            bare = re.sub("<[^>]*>|[\\\\*`]|&#8203;", "", form)
            text = " ".join(html.unescape(bare).split())
            assert document["headline"] in text
            assert all(re.search(rf"(?<!\d){re.escape(each)}", text) for each in counts), counts
            assert word in text
            assert f"Next: {step['sentence']}" in text or not step["sentence"]
            # A report has its own words for what to type.
            assert " ".join(step["code"].split()) in text or at > 1
