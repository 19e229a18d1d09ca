"""Did this try help? What a verdict and ``tries`` say while a block is edited again and again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import polars as pl
import pytest
from support.dialects import DIALECTS, HISTORY, spoken
from support.inside import Session, StoreServer, main
from support.lettered_api import FLOW, LetteredApi, alike
from support.sandbox_api import KEY, Clock, ask, make_store, plan_world
from support.studied import with_studies

import retab_analysis as ra

INVOICES, LINES = "wf_invoices", "extract_lines"
HELPS = "A row with a price is a line of its own."
SPOKEN = [name for name in DIALECTS if name != "another environment"]
CORE = {"as documented"}


class Loop:
    """A person who edits, runs and checks, in a sandbox whose time is set by hand."""

    def __init__(self, dialect: str, stack: ExitStack) -> None:
        speaks = DIALECTS[dialect]()
        # Nothing but fingerprints tells that the inputs of a further eval were edited.
        self.others = int(dialect == "no fingerprints")
        self.has_history = HISTORY not in speaks.refused
        self.has_freshness = dialect != "no freshness"  # without it, a run that goes on comes first
        self.clock = Clock()
        world = plan_world(0)
        self.store = make_store(world, clock=self.clock, frozen_at=speaks.frozen_at)
        self.server = stack.enter_context(StoreServer(self.store, key=KEY))
        url = stack.enter_context(spoken(speaks, self.server.base_url))
        self.client = stack.enter_context(ra.Client(KEY, url, max_attempts=1))
        self.prompt = self.store.prompt(LINES)

    def edit(self, added: str) -> Any:
        self.clock.forward(300)
        self.store.edit(LINES, {"prompt": f"{self.prompt} {added}"})
        return self.check()

    def run(self) -> Any:
        self.clock.forward(60)
        body = {"workflow_id": INVOICES, "scope": {"type": "block", "block_id": LINES}}
        ask(self.server, "/v1/workflows/evals/runs", "POST", json.dumps(body).encode())
        self.clock.forward(600)
        return self.check()

    def check(self, **more: Any) -> Any:
        return ra.check(INVOICES, client=self.client, progress=False, **more)

    def tries(self) -> Any:
        return ra.tries(INVOICES, LINES, client=self.client, progress=False)


@pytest.fixture(params=with_studies(SPOKEN, CORE))
def loop(request: pytest.FixtureRequest) -> Iterator[Loop]:
    with ExitStack() as stack:
        yield Loop(request.param, stack)


def test_from_red_to_green_in_every_dialect(loop: Loop) -> None:
    for added in ("Read every row.", "Read every column."):
        unrun = loop.edit(added)
        assert "extract_lines wa" in unrun.headline
        verdict = loop.run()
        assert verdict.headline.startswith(f"✗ {9 + loop.others} evals are still broken")
        assert loop.others or " since the edit of 23 Nov; " in verdict.headline
        assert verdict.headline.endswith(" mended none")
        assert counts(verdict.last_try) == (0, 9, 0, 18)
        assert verdict.gate().exit_code == 1
        word = added.split()[-1].rstrip(".")
        _, _, beneath = str(verdict).partition("(18 evals ran on it)")
        assert bool(re.search(rf"{word}\.?\+\}}", beneath)) == loop.has_history
    loop.edit(HELPS)
    helped = loop.run()
    assert helped.headline.startswith(f"✗ {4 + loop.others} evals are still broken")
    assert helped.headline.endswith(" mended 5 of 9")
    assert counts(helped.last_try) == (5, 9, 0, 18)
    step = loop.check(baseline="previous").headline
    if loop.has_history and loop.has_freshness and not loop.others:
        at = r"the edit of 24 Nov \d\d:\d\d"
        assert re.match(rf"✓ 5 evals (are fixed|pass again) from {at} to {at}, nothing broke", step)
    assert re.match(r"ra.tries\(|view = ra.watch\(", helped.next_step.code)
    unrun = loop.edit("Leave out empty rows.")
    assert "extract_lines wa" in unrun.headline
    assert counts(unrun.last_try) == (5, 9, 0, 18)
    assert "the edit before it" in str(unrun).replace("\n", " ")

    its = loop.tries()
    passed = its.frame["passed"].to_list()
    if loop.has_history:
        assert passed[0] is None, "it has not run"
        assert its.headline.startswith("○ ")
        assert [each for each in its.frame["words"].drop_nulls() if HELPS.rstrip(".") in each]
        passed = passed[1:]
    assert passed[:4] == [14, 9, 9, 9]
    assert passed[4] >= 17
    assert its.frame["words"].drop_nulls().is_empty() != loop.has_history

    loop.clock.forward(300)
    loop.store.put_back(LINES)
    vouched = loop.check()
    if loop.has_history and vouched.gate().ok:
        assert vouched.headline == "✓ 4 evals are fixed, nothing broke"
        assert re.search(r" (v5|version of 8 Nov) · ", str(vouched)), "that all blocks are of"
    green = loop.run()
    assert loop.others or green.headline[0] in "✓○"  # a run goes on where freshness is lacking
    assert green.last_try is None
    back = loop.check(baseline="previous").headline
    if loop.has_history and loop.has_freshness and not loop.others:
        to = "(v5|the version of 8 Nov), nothing broke"
        assert re.match(rf"✓ 4 evals .* from the edit of 24 Nov \d\d:\d\d to {to}", back)
    its = loop.tries()
    assert loop.others or its.frame.filter("is_present")["failed"].item() == 0
    assert loop.others or its.headline.partition(" was put back")[1]


def counts(told: Any) -> tuple[int, ...]:
    return tuple(told[each] for each in ("mended", "of", "broke", "n"))


def world(bad: str, codes: str, mid: str = "", **more: Any) -> LetteredApi:
    """Evals of extract that break in the eleventh run; a letter a run, and one for its code."""
    evals = {**alike(4, bad, "bad"), **alike(5, mid or bad, "mid"), **alike(9, "P" * len(bad))}
    blocks = {**dict.fromkeys(evals, "extract"), "other": "split"}
    its = {"extract": codes, "split": "A"}
    return LetteredApi({**evals, "other": "P" * len(bad)}, its, blocks=blocks, **more)


OLD = "P" * 10
STILL = "✗ 9 evals are still broken since the edit of 11 Apr"


@pytest.mark.parametrize(
    ("api", "headline", "told"),
    [
        (world(f"{OLD}FFF", "A" * 10 + "BBB"), "✗ 9 evals are still broken since the", None),
        (
            world(f"{OLD}FFFF", "A" * 10 + "BCDE"),
            f"{STILL}; the edit of 14 Apr mended none",
            (0, 9, 0, 18),
        ),
        (
            world(f"{OLD}FFFF", "A" * 10 + "BCDE", f"{OLD}FFPF"),
            f"{STILL}; the edit of 14 Apr broke 5 again",
            (0, 4, 5, 18),
        ),
        (
            world(f"{OLD}FFFF", "A" * 10 + "BCDE", f"{OLD}FFFP"),
            "✗ 4 evals are still broken since the edit of 11 Apr; the edit of 14 Apr mended 5 of 9",
            (5, 9, 0, 18),
        ),
        (
            world(f"{OLD}FF", "A" * 10 + "BCD"),
            f"{STILL}; extract was edited again and has not run",
            (0, 9, 0, 18),
        ),
    ],
    ids=["run again", "three failures", "broke again", "five of nine", "not run"],
)
def test_the_newest_edit_that_ran_is_in_the_headline(
    api: LetteredApi, headline: str, told: tuple[int, ...] | None
) -> None:
    verdict = api.check()
    assert verdict.headline.startswith(headline)
    assert verdict.last_try is None if told is None else counts(verdict.last_try) == told
    assert verdict.to_dict()["last_try"] == verdict.last_try
    for page in (verdict.to_markdown(), verdict.to_html()):
        assert headline.partition("; ")[2] in page


def test_the_card_of_a_block_that_was_edited_again_has_a_column_for_each_try() -> None:
    with world(f"{OLD}FFFFF", "A" * 10 + "BCDEF", f"{OLD}FFFPF") as api:
        page = api.check().to_html(values=True)
        best = ra.tries(FLOW, "extract", client=api.client, progress=False)._repr_html_()
    card = page.partition("extract was edited")[2].partition("</section>")[0]
    assert card.count("rv-moment") == 6
    assert "broke 9" in card
    assert "mended 5 of 9" in card
    assert "broke 5 again" in card
    assert ", best" in card
    assert [f"<ins>{code}</ins>" in card for code in "BCDEF"] == [True] * 5, "each has its words"
    for said in (page, best):
        assert "Copy the prompt of try 5" in said
        assert 'data-copy="Prompt E"' in said


def test_edits_of_one_minute_are_told_apart() -> None:
    with ExitStack() as stack:
        loop = Loop(SPOKEN[0], stack)
        for seconds in (60 - loop.clock() // 1_000_000 % 60, 20):
            loop.clock.forward(seconds)
            loop.store.edit(LINES, {"prompt": f"{loop.prompt} {seconds}", "model": "retab-small"})
        loop.edit("Read on.")
        its = loop.tries()
    assert its.frame["name"].n_unique() == len(its.frame) == 6
    assert its.frame["name"].str.contains(r"\d\d:\d\d:20$").any()
    assert "model: retab-small" in its._repr_html_()


def test_a_try_that_breaks_others() -> None:
    api = world(f"{OLD}FFFF", "A" * 10 + "BCDE", f"{OLD}FFFP")
    api.evals = {**api.evals, **alike(3, "P" * 13 + "F")}
    api.write(api.evals)
    with api:
        verdict = api.check()
        its = ra.tries(FLOW, "extract", client=api.client, progress=False)
    mended = "the edit of 14 Apr, which mended 5 of 9"
    assert verdict.headline == f"✗ 7 evals are broken: 4 since 11 Apr, 3 since {mended}"
    assert counts(verdict.last_try) == (5, 9, 3, 18)
    assert its.headline == "✗ The edit of 14 Apr mended 5 of 9 and broke 3: 11 of 18 pass"
    broke = its.evals.filter("broke", name="edit of 14 Apr 09:00")["eval_id"]
    assert {*broke} == {*alike(3, "")}


def test_two_blocks() -> None:
    """The newest edit is in the headline, each on its card, and JSON has a list."""
    evals = {**alike(4, f"{OLD}FFF", "bad"), **alike(3, f"{OLD}FFF", "split"), **alike(9, "P" * 13)}
    blocks = {each: "split" if each.startswith("split") else "extract" for each in evals}
    codes = {"extract": "A" * 10 + "BBC", "split": "A" * 10 + "BCC"}
    verdict = LetteredApi(evals, codes, blocks=blocks).check()
    assert verdict.headline.endswith("; the edit of 13 Apr mended none")
    assert [each["block"] for each in verdict.last_try] == ["extract", "split"]
    assert str(verdict).count(" and broke none (") == 2


def test_an_edit_during_a_run() -> None:
    """A run of two codes: what it has of each is a try."""
    api = world(f"{OLD}FF", "A" * 10 + "BC", f"{OLD}FP")
    early = [each for each in api.evals if each.startswith(("bad", "fine"))]
    for each in early:  # they ran before the edit
        api.change(f"res_{api.runs[-1].id}_{each}", block_execution_fingerprint="code B")
    verdict = api.check()
    with api:
        its = ra.tries(FLOW, "extract", client=api.client, progress=False)
    assert counts(verdict.last_try) == (5, 5, 0, 5)
    assert its.frame.select("n_evals", "mended", "mended_of").rows()[:2] == [(5, 5, 5), (18, 0, 0)]


def test_the_last_tries_and_their_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    with world(f"{OLD}FFFFF", "A" * 10 + "BCDEF", f"{OLD}FFFPF") as api:
        verdict = api.check()
        before = len(api.asked)
        its = ra.tries(FLOW, "extract", last=3, client=api.client, progress=False)
        asked = len(api.asked) - before
        with pytest.raises(ra.ConfigError, match=r"there is no block .*did you mean"):
            ra.tries(FLOW, "extrct", client=api.client)
    assert asked <= before, "results that a check read are not read again"
    assert verdict.headline.endswith("the edit of 15 Apr broke 5 again")
    days = [f"edit of {day} Apr 09:00" for day in (15, 14, 13)]
    assert its.frame["name"].to_list() == [*days, "edit of 1 Apr 09:00"], "and the last good code"
    assert dict(its.frame.schema) == dict(ra.schema.TRIES.schema)
    assert its.evals.height == 4 * 18
    assert its.prompt("13 Apr") == "Prompt D"
    assert its.prompt() == "Prompt E", "the best after the last good code"
    for name, why in (("Apr", "fits 6 tries"), ("19:05", "there is no try '19:05'")):
        with pytest.raises(ra.ConfigError, match=why):
            its.prompt(name)
    assert "red" not in its.to_markdown()
    assert "Prompt" in its.to_markdown(values=True)
    assert str(its).startswith("✗ Try 6 passes 9 of 18: try 5 passes 14 of the same 18")
    page = its._repr_html_()
    heads = re.findall(r'class="rv-moment([^"]*)"><b>([^<]*)</b>', page)
    times = [f"try {n} · {day} Apr 09:00" for n, day in ((1, 1), (4, 13), (5, 14), (6, 15))]
    assert [named for _, named in heads[:4]] == [f"{times[0]}, the last good", *times[1:]]
    assert ["rv-last" in looks for looks, _ in heads[:4]] == [False] * 3 + [True]
    assert re.search(r"9 of 18 pass.*total\.amount", page, re.DOTALL)
    monkeypatch.setenv("RETAB_ANALYSIS_VALUES", "0")
    hidden = its._repr_html_().partition("</style>")[2].partition("<script>")[0]
    assert not re.search("red|Prompt", hidden)


def unchanged() -> LetteredApi:
    """Three evals come and go; the edit changes nothing, and ran once."""
    evals = {**alike(3, "PPFPPFPFPPP", "flaky"), **alike(9, "P" * 11), **alike(2, "F" * 11, "bad")}
    return LetteredApi(evals, "A" * 10 + "B")


def rerun() -> LetteredApi:
    """A run of the nine broken evals mends five, then a whole run of an edit mends none."""
    api = world(f"{OLD}FF", "A" * 10 + "BCDE", f"{OLD}FF")
    broken = [each for each in api.evals if not each.startswith(("fine", "other"))]
    letters = {each: "P" if each.startswith("mid") else "F" for each in broken}
    api.run(letters, scope="B")
    api.run({each: "F" if each in letters else "P" for each in api.evals})
    return api


def half() -> LetteredApi:
    """Two blocks are edited at once; one of them is put back, and does not run."""
    evals = {**alike(5, f"{OLD}FF", "bad"), **alike(3, "P" * 12), **alike(12, "P" * 12, "split")}
    blocks = {each: "split" if each.startswith("split") else "extract" for each in evals}
    codes = {"extract": "A" * 10 + "BBA", "split": "A" * 10 + "BB"}
    return LetteredApi(evals, codes, blocks=blocks, validity=True)


@pytest.mark.parametrize(
    ("api", "verdict", "headline", "expected"),
    [
        (
            world(f"{OLD}FFPP", "A" * 10 + "BBAAB"),
            "○ extract was edited and has not run yet; when it had this code, 9 of its evals were "
            "broken",
            "○ The edit of 11 Apr was put back at 10:30 and has not run since",
            (2, "Prompt B"),
        ),
        (
            rerun(),
            "✗ 9 evals are still broken since the edit of 11 Apr; the edit of 14 Apr broke 5 again",
            "✗ Try 5 passes 0 of 9: try 4 passes 5 of the same 9",
            (5, "Prompt D"),
        ),
        (
            unchanged(),
            "✓ Nothing broke",
            "○ The edit of 11 Apr broke nothing: 12 of 14 pass",
            (2, "Prompt B"),
        ),
        (
            world(f"{OLD}FFP", "A" * 10 + "BCA"),
            "✓ 9 evals are fixed, nothing broke",
            "○ The edit of 1 Apr was put back",
            (3, "Prompt A"),
        ),
        (
            world(f"{OLD}FF", "A" * 10 + "BBA", validity=True),
            "✓ 9 evals are fixed, nothing broke",
            "○ The edit of 1 Apr was put back at 10:30 and has not run since: 18 of 18 pass",
            (2, "Prompt A"),
        ),
        (
            half(),
            "✓ 5 evals are fixed, nothing broke",
            "○ The edit of 1 Apr was put back at 10:30 and has not run since: 8 of 8 pass",
            (2, "Prompt A"),
        ),
    ],
    ids=["131", "132", "ran least", "put back", "put back by its validity", "half put back"],
)
def test_a_sequence_is_told_alike_at_every_door(
    api: LetteredApi,
    verdict: str,
    headline: str,
    expected: tuple[int, str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    made, numbers, prompt = api.check(), [*range(expected[0], 0, -1)], expected[1]
    with api:
        its = ra.tries(FLOW, "extract", client=api.client, progress=False)
        assert main(["tries", FLOW, "extract", "--json"], Session(api.client)) == 0
    told, shown = json.loads(capsys.readouterr().out), made.to_dict()["version"]["name"]
    assert made.headline.startswith(verdict)
    assert its.headline.startswith(headline)
    assert told["headline"] == its.headline
    assert its.frame["number"].to_list() == [each["number"] for each in told["tries"]] == numbers
    assert its.prompt() == prompt
    (chosen,) = [n for n in numbers if its.prompt(n) == prompt]
    best, named = its.frame.filter("is_best")["number", "name"].to_dict(as_series=False).values()
    assert (best, named) in (([], []), ([chosen], [told["best"]]))
    page = its._repr_html_()
    assert (f"best: try {chosen}" in page) == bool(best)
    is_present = its.frame.filter("is_present")["number"].to_list() == [chosen]
    assert (f"Copy the prompt of try {chosen}" in page) != is_present
    if headline.partition("put back")[1]:
        assert "mended" not in f"{made.headline}{its.headline}"
        assert made.last_try is None
        assert ("edit of 1 Apr 09:00, again" in made.to_html()) == ("fixed" in verdict)
        assert its.prompt(shown) == "Prompt A", "the code that was judged"
    # Every name that is shown is taken wherever one types a version.
    for each in {*its.frame["name"], shown}:
        assert its.prompt(each) in its.frame["config"].str.json_path_match("$.prompt")
        assert made.gate(since=each).exit_code in (0, 1, 2)
        version = api.check(candidate=each)
        assert version.to_dict()["version"]["name"] == each
        assert "broken again" not in version.headline
        with api:
            assert main(["check", FLOW, "--baseline", each], Session(api.client)) in (0, 1, 2)


def test_133_saves_that_never_ran_stand_beside_what_ran() -> None:
    with ExitStack() as stack:
        loop = Loop(SPOKEN[0], stack)
        loop.edit("Read every row.")
        loop.run()
        loop.edit(HELPS)
        loop.run()
        for word in ("one", "two", "three", "four", "five"):
            loop.edit(f"Read {word}.")
        its = loop.tries()
        number = its.frame["number"].to_list()
        heads = re.findall(r"rv-moment[^>]*><b>([^<]*)</b>", its._repr_html_())
        assert number == sorted(number, reverse=True)
        assert its.frame["passed"].null_count() == 5
        assert [heads[-1], len({*heads})] == ["5 saves, not run", 5], "and what ran"
        assert its.prompt().endswith(HELPS)
        assert its.prompt(number[0]).endswith("Read five.")
        assert f"try {number[0]} · " in str(its), "the newest is named"
        assert "with a price is a line of its own" in its.explain(number[5])
        assert "mended: " in its.explain(number[5])

        loop.edit(HELPS)  # put back, and not run
        again = loop.tries()
        assert " was put back at " in again.headline
        assert again.frame.filter("is_present")["number"].item() == number[5]
        assert again.prompt() == its.prompt()
        assert loop.check().headline.startswith("✗ 4 evals are broken again since")
        assert ra.start_runs(INVOICES, only="edited", client=loop.client).is_empty()
        before = loop.check(baseline=f"try {number[6]} of {LINES}")
        assert before.headline.startswith("✓ 5 evals")


def test_an_older_run_knows_nothing_of_later_tries() -> None:
    with world(f"{OLD}FFF", "A" * 10 + "BCD") as api:
        tried = [api.check(candidate=each).last_try for each in (None, "run_10")]
    assert [each is None for each in tried] == [False, True]


def test_a_workflow_without_runs() -> None:
    with LetteredApi({"one": ""}) as api, pytest.raises(ra.ConfigError, match="no run"):
        ra.tries(FLOW, "extract", client=api.client, progress=False)


def test_what_has_not_run_is_null() -> None:
    with world(f"{OLD}F", "A" * 10 + "BC") as api:
        its = ra.tries(FLOW, "extract", client=api.client, progress=False)
    newest = its.frame.select("is_present", "n_evals", "passed", "mended", "mended_of").row(0)
    assert newest == (True, None, None, None, None)
    assert its.evals.head(18).select("state", "mended").null_count().row(0) == (18, 18)
    assert its.evals.select(pl.col("name").n_unique()).item() == 3
