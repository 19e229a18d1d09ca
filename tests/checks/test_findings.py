"""What a verdict has found: one number through headline, frames, card and gate."""

from __future__ import annotations

import random
import re
from collections import Counter
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from support.inside import WORDS, Door, Finding, inside, to_text
from support.lettered_api import HOUR, LetteredApi, alike
from support.studied import with_studies

OLD = "P" * 10
ELEVEN = {**alike(9, f"{OLD}FFF", "nine"), **alike(2, f"{OLD}PPF", "two"), **alike(7, "P" * 13)}
TWO = {**alike(2, f"{OLD}FFPP", "bad"), **alike(4, "P" * 14)}
THREE = {**ELEVEN, **alike(3, f"{OLD}FFF", "split")}
BLOCKS = {each: "split" if each.startswith("split") else "extract" for each in THREE}
TWO_BLOCKS = {**alike(2, f"{OLD}FF", "bad"), **alike(2, f"{OLD}FF", "split"), **alike(6, "P" * 12)}
LONG = {"extract": "Extract the lines of each invoice, with all their prices"}
AGAIN = "extract was edited again and has not run"


def edited(evals: dict[str, str], codes: str, **more: Any) -> LetteredApi:
    return LetteredApi(evals, {"extract": "A" * 10 + codes}, **more)


def in_two_blocks(extract: str, split: str) -> LetteredApi:
    codes = {"extract": "A" * 10 + extract, "split": "A" * 10 + split}
    return LetteredApi(TWO_BLOCKS, codes, blocks=BLOCKS)


@pytest.mark.parametrize(
    ("api", "headline"),
    [
        (edited(ELEVEN, "BBB"), "✗ 11 evals broke since the edit of extract"),
        (
            edited(ELEVEN, "BBC"),
            "✗ 11 evals are broken: 9 since 11 Apr, 2 since the edit of 13 Apr, which mended none",
        ),
        (
            edited(ELEVEN, "BBCD"),
            f"✗ 11 evals are broken since 2 edits; {AGAIN}",
        ),
        (
            edited(ELEVEN, "BBCD", labels=LONG),
            "✗ 11 evals are broken since 2 edits; Extract the lines of each inv… was edited again "
            "and has not run",
        ),
        (
            LetteredApi(
                THREE, {"extract": "A" * 10 + "BBCD", "split": "A" * 10 + "B"}, blocks=BLOCKS
            ),
            f"✗ 14 evals are broken since 3 edits; {AGAIN}",
        ),
        (
            edited(TWO, "BBAAB"),
            "○ extract was edited and has not run yet; when it had this code, 2 of its evals were "
            "broken",
        ),
        (
            edited(TWO, "BBAAB", validity=True),
            "✗ 2 evals are broken again since the edit of 14 Apr, which has the code of 11 Apr",
        ),
        (
            in_two_blocks("B", "BBC"),
            f"✗ 4 evals are still broken since 2 edits; {AGAIN}".replace("extract", "split"),
        ),
        (
            in_two_blocks("B", "BC"),
            "✗ 4 evals are still broken since 2 edits; the edit of 12 Apr mended none",
        ),
        (
            LetteredApi(
                TWO_BLOCKS | alike(2, "P" * 12, "split"),
                {"extract": "A" * 10 + "B", "split": "A" * 12 + "B"},
                blocks=BLOCKS,
            ),
            "✗ 2 evals are still broken since the edit of extract on 11 Apr; split was edited and "
            "has not run",
        ),
        (
            edited({**alike(4, "P" * 12), "new": ""}, "AAB"),
            "○ extract was edited and has not run yet; before that nothing broke",
        ),
        (
            edited({**alike(2, "F" * 10 + "PFFF", "bad"), **alike(6, "P" * 14)}, "BCCA"),
            "✗ 2 evals are still broken since the edit of extract on 12 Apr",
        ),
    ],
    ids=range(12),
)
def test_the_headline_has_all_that_is_broken(api: LetteredApi, headline: str) -> None:
    verdict = api.check()
    assert verdict.headline == headline
    number = re.match(r"✗ (\d+)", headline)
    assert verdict.broken.height == (int(number[1]) if number else 0)
    assert "mended 2" not in str(verdict), "an earlier code mends nothing"


def test_a_card_has_a_part_for_each_edit_that_broke_something() -> None:
    verdict = edited(ELEVEN, "BBCD").check()
    live = f"✗ 11 evals are broken: 9 since 11 Apr, 2 since 09:00; {AGAIN}\n"
    assert str(verdict).startswith(live), "without the day of the newest run"
    for said in (str(verdict), verdict.to_markdown(values=True), verdict.to_html(values=True)):
        text = re.sub(r"<[^>]*>|\*|\\", " ", said)
        first, second = (text.index(f"{each} evals") for each in ("· 9", "· 2"))
        assert first < second
        assert [text[first:second].count(f"nine {at}") > 0 for at in range(9)] == [True] * 9
        assert "two 0" not in text[first:second]
        assert "two 0" in text[second:]
    assert re.search(
        r"edit of 11 Apr 09:00 · 9 evals\n +prompt +Prompt \[-A-\] \{\+B\+\}", str(verdict)
    )
    assert re.search(
        r"edit of 13 Apr.* · 2 evals\n +prompt +Prompt \[-B-\] \{\+C\+\}", str(verdict)
    )
    assert "0 of 0" not in str(verdict)


def test_a_run_that_goes_on_is_the_run_of_what_it_tests() -> None:
    new = LetteredApi({**alike(3, OLD + "PU"), "new": "." * 11 + "U"}).check()
    assert new.headline == "○ 1 new eval has not run yet; its run goes on (0 of 4)"
    assert new.next_step.code.startswith("view = ra.watch(")
    evals = {**alike(3, f"{OLD}U", "extract"), **alike(3, f"{OLD}U", "split")}
    blocks = {each: each[:-2] for each in evals}
    codes = dict.fromkeys(("extract", "split"), "A" * 10 + "B")
    api = LetteredApi(evals, codes, blocks=blocks)
    both = api.check()
    assert both.headline == "○ 2 blocks were edited; their run goes on (0 of 6)"
    api.saved_at["split"] = api.runs[-1].at + timedelta(minutes=10)
    verdict = api.check()
    said = "split was edited and has not run yet; the run of extract goes on (0 of 6)"
    assert verdict.headline == f"○ {said}"
    assert verdict.next_step.code.endswith('only="edited")')


def test_what_has_not_run_is_counted_in_the_blocks_that_are_named() -> None:
    """Of extract one eval ran; a run of split goes on."""
    edits = {"extract": "A" * 10 + "BBC", "split": "A" * 12 + "B"}
    rows = alike(2, f"{OLD}FF", "bad") | alike(6, "P" * 12) | alike(3, "P" * 12, "split")
    api = LetteredApi(rows, edits, blocks=BLOCKS)
    api.run({"fine 0": "P"}, scope="E", after=HOUR)
    api.run({each: "U" for each in rows if each.startswith("split")}, scope="B", after=HOUR)
    verdict = api.check()
    said = "extract was edited again: 7 of 8 have not run"
    assert verdict.headline == f"✗ 2 evals are still broken since the edit of 11 Apr; {said}"
    assert verdict.next_step.code.endswith('only="edited")')


def test_accepted_evals_are_in_a_frame_of_their_own() -> None:
    suspect = {**ELEVEN, "once": "P" * 12 + "F"}
    api = LetteredApi(suspect, {"extract": "A" * 10 + "BBB"}, blocks={"once": "split"})
    verdict = api.check(accepted=["nine 0", "once", "fine 0"])
    assert {*verdict.accepted["eval_id"]} == {"nine 0", "once"}, "fine 0 passes"
    assert verdict.broken.height == 10
    assert verdict.unclear.is_empty()
    assert verdict.evals.columns.index("is_accepted") == 1 + verdict.evals.columns.index(
        "decides_at"
    )
    assert verdict.evals["is_accepted"].sum() == 2
    assert verdict.headline.startswith("✗ 10 evals ")
    eleven = [each for each in ELEVEN if "fine" not in each]
    assert api.check(accepted=eleven).headline == "? 1 eval may have broken; nothing new did"
    assert verdict.to_dict()["counts"]["accepted"] == 2


def test_there_are_at_most_sixteen_classes() -> None:
    assert len(Finding.__subclasses__()) <= 16


# The numbers of sentences

DAY = r"(?:\d+ (?:Apr|May)(?: at the latest)?(?:, \d\d:\d\d)?|\d\d:\d\d)"
EDIT = rf"(?:the (?:edit|draft) of )?(?:{DAY}|extract|split)|v\d"


def heights(verdict: Any) -> dict[str, list[int]]:
    """How many rows the frames have that each phrase counts."""
    evals = verdict.evals
    counted = evals.filter(~pl.col("is_accepted"))
    of = {name: counted.filter(transition=name).height for name in evals["transition"].unique()}
    ran = evals.filter(pl.col("candidate_state").is_not_null())
    passing = ran.filter(candidate_state="passed").height
    lost = counted.filter(pl.col("transition").is_in(("incomplete", "stale")))
    last = verdict.last_try or {}
    tried = last if isinstance(last, list) else [last]
    blocks = [its.height for its in evals.partition_by("block_id")]
    unrun = [its["candidate_state"].null_count() for its in evals.partition_by("block_id")]
    return {
        "broke": [verdict.broken.height],
        "unclear": [verdict.unclear.height],
        "fixed": [verdict.fixed.height],
        "stale": [verdict.stale.height, *verdict.stale["block_id"].value_counts()["count"], *unrun],
        "incomplete": [of.get("incomplete", 0)],
        "error": [of.get("newly_errored", 0)],
        "as before": [of.get("still_failing", 0)],
        "flaky": [of.get("flaky", 0)],
        "new": [of.get("added", 0)],
        "edited": [of.get("not_comparable", 0)],
        "accepted": [verdict.accepted.height],
        "passing": [passing],
        "ran": [ran.height, ran.height + lost.height, evals.height, *blocks],
        "mended": [each.get("mended", 0) for each in tried],
        "tried": [each.get("of", 0) for each in tried],
        "entries": [sum("Remove the entry" in each for each in verdict.gate().reasons)],
        "again": [each.get("broke", 0) for each in tried],
    }


PHRASES = [
    (r"(\d+) (?:evals? )?(?:broke|(?:is|are) (?:still )?broken)", ["broke"]),
    (r"(\d+) (?:evals? )?may have broken", ["unclear"]),
    (r"(\d+) (?:evals? )?(?:(?:is|are) fixed|pass(?:es)? again)", ["fixed"]),
    (r"(\d+) of (?:its |their )?(\d+)(?: evals)? ha(?:s|ve) not run", ["stale", "ran"]),
    (
        r"(\d+) (?:(?:new |edited )?evals? )?(?:was |were saved again and )?ha(?:s|ve) not run",
        ["stale"],
    ),
    (r"(\d+) of (\d+) evals? ha(?:s|ve) no result", ["incomplete", "ran"]),
    (r"(\d+) ha(?:s|ve) no result", ["incomplete"]),
    (r"(\d+) evals? ended in an error", ["error"]),
    (r"(\d+) of (\d+) evals? ended in an error", ["error", "ran"]),
    (r"(\d+) ended in an error", ["error"]),
    (r"(\d+) fails? as before", ["as before"]),
    (r"(\d+) flaky", ["flaky"]),
    (r"(\d+) new and failing", ["new"]),
    (r"(\d+) edited and failing", ["edited"]),
    (r"(\d+) accepted", ["accepted"]),
    (r"(?:broke|yet|passes): (\d+) of (\d+)(?: pass)?", ["passing", "ran"]),
    (r"mended (\d+) of (\d+)", ["mended", "tried"]),
    (r"broke (\d+) again", ["again"]),
    (r"(\d+) entries of accepted", ["entries"]),
]


def check_numbers(verdict: Any) -> None:
    """Each number of the headline is the height of a frame, and no number is left."""
    said, known = verdict.headline, heights(verdict)
    parts = re.findall(
        rf"(\d+) (?:since (?:{EDIT})|without an edit|for an unknown reason|otherwise)", said
    )
    if parts:
        assert sum(map(int, parts)) == verdict.broken.height, said
        said = re.sub(rf"(\d+) (?=since (?:{EDIT})|without an edit|for an un|otherwise)", "", said)
    for pattern, names in PHRASES:
        for found in re.findall(pattern, said):
            numbers = found if isinstance(found, tuple) else (found,)
            for number, name in zip(map(int, numbers), names, strict=True):
                assert number in known[name], (verdict.headline, name, known)
        said = re.sub(pattern, "", said)
    said = re.sub(
        rf"{DAY}|its last \d+ runs, and passed \d+ of \d+|: eval \d+|\d+ %|\d+ edits", "", said
    )
    assert not re.search(r"\d", said), verdict.headline
    counts = verdict.to_dict()["counts"]
    assert counts.get(WORDS["regressed"].key, 0) == verdict.broken.height
    assert counts.get(WORDS["suspect"].key, 0) == verdict.unclear.height


def random_world(seed: int) -> tuple[LetteredApi, list[str]]:
    draw = random.Random(seed)
    runs, evals, blocks = draw.randint(9, 13), {}, {}
    codes = {"extract": "A", "split": "A"}
    for block in codes:
        for _ in range(runs - 1 + draw.randint(0, 1)):
            edit = draw.random() < 0.25
            row = codes[block]
            codes[block] += draw.choice([chr(ord(max(row)) + 1), "A"]) if edit else row[-1]
    for at in range(draw.randint(6, 12)):
        block = draw.choice([*codes])
        bad = {code: draw.random() < 0.35 for code in codes[block]} | {"A": draw.random() < 0.1}
        row = "".join(
            draw.choices(
                "FPEC.",
                [8, 1, 0.2, 0.2, 0.2] if bad[codes[block][each]] else [0.4, 9, 0.1, 0.1, 0.1],
            )[0]
            for each in range(min(runs, len(codes[block])))
        )
        evals[f"eval {at}"], blocks[f"eval {at}"] = row, block
    accepted = [each for each in evals if draw.random() < 0.15]
    return LetteredApi(evals, codes, blocks=blocks, validity=draw.random() < 0.5), accepted


def check_gate(verdict: Any, gate: Any) -> None:
    """The numbers of reasons, doubts, legend and cards under a rule are those of its evals."""
    words = dict(verdict.evals.select("eval_id", "transition").iter_rows())
    reasons = [re.fullmatch(r"(\d+) [^:]+: (.+)\.", each) for each in gate.reasons]
    named = [(int(each[1]), each[2].split(", ")) for each in reasons if each]
    assert all(n == len(evals) for n, evals in named), gate
    assert sum(n for n, _ in named) == len(gate.failing), gate
    left = Counter(words[each] for each in gate.undecided)
    told = dict(re.findall(r"(\d+) evals? (may|ended|ha)", gate.doubt))
    for number, verb in told.items():
        n = left["suspect"] if verb == "may" else left["newly_errored"]
        n = n if verb != "ha" else len(gate.undecided) - left["suspect"] - left["newly_errored"]
        assert int(number) == n, gate
    judged = inside(verdict)
    counts = judged.values(Door(False), gate, brief=True)["counts"]
    assert sum(counts.values()) == verdict.evals.height
    text = to_text(judged.document(Door(True), gate), 1000)
    assert gate.exit_code in {"✗": (1,), "‼": (1,), "✓": (0,)}.get(text[0], (0, 1, 2))
    titles = re.findall(r"^  \S.*?\b(\d+)(?: of its \d+)? evals? broke\b", text, re.MULTILINE)
    broke = counts.get(WORDS["regressed"].key, 0)
    assert sum(map(int, titles)) == broke or text.startswith("…"), text
    for card in text.split("\n\n"):
        if heads := re.findall(r"· (\d+) evals?$", card, re.MULTILINE):
            title = re.search(r"(\d+) of its \d+ evals broke", card)
            assert title, card
            assert sum(map(int, heads)) == int(title[1]) == card.count("\n  ✗"), card


@pytest.mark.parametrize("seed", with_studies(range(40), range(12)))
def test_every_number_of_a_sentence_is_the_height_of_a_frame(seed: int) -> None:
    api, accepted = random_world(seed)
    verdict = api.check(accepted=accepted)
    check_numbers(verdict)
    assert len(verdict.headline) <= 100
    check_gate(verdict, verdict.gate())
    check_gate(verdict, verdict.gate(since=api.runs[len(api.runs) // 2].at))


def test_a_card_has_the_words_of_its_own_edit() -> None:
    """An older edit broke what is accepted, or what the gate does not count."""
    api = edited(ELEVEN, "BBC")
    nine = [each for each in ELEVEN if each.startswith("nine")]
    verdict = api.check()
    since = inside(verdict).document(Door(True), verdict.gate(since=api.runs[12].at - HOUR))
    for said in (str(api.check(accepted=nine)), to_text(since, 100)):
        assert "2 of its 18 evals broke" in said
        assert re.findall(r"Prompt .*", said) == ["Prompt [-B-] {+C+}"]
