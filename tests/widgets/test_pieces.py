"""What a view shows: pure functions from a state to words and HTML."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from support.inside import (
    SCRIPT,
    STYLE,
    Door,
    Preview,
    StateInWords,
    View,
    ViewState,
    WorkflowLook,
    inside,
    list_rows,
    render_view,
    to_text,
)
from support.lettered_api import FLOW, LetteredApi, alike
from support.situations import SITUATIONS
from support.studied import with_studies

import retab_analysis as ra

HOSTILE = "<img src=x onerror=alert(1)>\"'& $x_$ \\(a\\) @me #1 _b_ \u202ecod.exe"


def facts_of(view: View) -> StateInWords:
    return view._tell(view._shown_id)


def with_state(view: View, **changes: Any) -> StateInWords:
    """What is told of a view's state with something changed, also of its last look."""
    looked = {each: changes.pop(each) for each in [*changes] if hasattr(view.state.look, each)}
    state = replace(view.state, look=replace(view.state.look, **looked), **changes)
    return StateInWords(state, facts_of(view).judged)


def pieces(facts: StateInWords) -> dict[str, str]:
    return dict(render_view({"0": facts}, ""))


def compose(made: dict[str, str], name: str = "root") -> str:
    """A piece with all others in their slots."""

    def fill(found: re.Match[str]) -> str:
        return f"{found[1]}{compose(made, html.unescape(found[2]))}</"

    return re.sub(r'(<\w+ data-slot="([^"]+)"[^>]*>)</', fill, made[name])


def text(piece: str) -> str:
    """The words of a piece of HTML; elements stand apart."""
    plain = re.sub(r"<(style|script)>.*?</\1>|<[^>]*>", " ", piece, flags=re.DOTALL)
    return re.sub(r" (?=[:;,])", "", " ".join(html.unescape(plain).split()))


def shown_of(api: LetteredApi, **more: Any) -> View:
    """A view of what letters say; a row is an eval."""
    view = ra.explore(FLOW, client=api.client, **more)
    view.wait(60)
    return view


# The frame of it


def test_a_page_is_made_of_pieces_that_each_have_one_slot(view: View) -> None:
    made = pieces(facts_of(view))
    slots = [each for of in made.values() for each in re.findall(r'data-slot="([^"]+)"', of)]
    assert sorted([*slots, "root"]) == sorted(made)
    names = {each.split(":")[1] for each in made if ":" in each}
    assert names >= {"top", "line", "now", "bar", "actions", "chips", "count", "body", "row", "in"}
    whole = compose(made)
    assert 'data-slot="0:body" class="rv-body"></' not in whole
    assert whole.count("<details data-slot") == 0, "a row keeps itself what is open"
    assert whole.count('class="rv-row"') == len([each for each in made if ":row:" in each]) == 95


def test_every_class_of_the_page_has_a_style_or_is_for_the_script(view: View) -> None:
    used = re.findall(r'class="([^"]*)"', compose(pieces(facts_of(view))))
    mine = {each for of in used for each in of.split() if each.startswith("rv-")}
    assert mine >= {"rv-head", "rv-opened", "rv-chip"}
    assert not {each for each in mine if f".{each}" not in STYLE + SCRIPT}


def test_a_page_of_many_evals_asks_for_what_passing_rows_show() -> None:
    with LetteredApi({"a": "PPPF", **alike(130, "P" * 4)}, codes="AAAB", published="A") as api:
        view = shown_of(api)
        made = pieces(facts_of(view))
        assert made["0:in:a"]
        assert not made["0:in:fine 7"]
        asks = re.findall(r'data-event="open" data-value="([^"]*)"', made["0:body"])
        assert len(asks) == 130
        after = pieces(with_state(view, opened=frozenset({"fine 7"})))
        changed = [each for each in after if after[each] != made.get(each)]
        assert sorted(changed) == ["0:doc:fine 7", "0:in:fine 7"]
        still = view._make_still()["text/html"]
    assert "and 120 passing evals, not in this page" in still
    assert "Run the cell again to see it." in still
    assert "data-event" not in still.partition("</style>")[2].partition("<script>")[0]


def test_nothing_on_it_is_a_heading_of_the_host_or_a_formula(view: View) -> None:
    for whole in (compose(pieces(facts_of(view))), view._make_still()["text/html"]):
        assert not re.search(r"<h[1-6]\b", whole)
        for element in re.findall(r"<(\w+)([^>]*aria-label=[^>]*)>", whole):
            native = ("button", "input", "select")
            assert element[0] in native or "role=" in element[1], element
    assert 'class="rv rtd mathjax_ignore tex2jax_ignore"' in view._make_still()["text/html"]
    made = ra.check("wf_invoices", client=view._client, progress=False)
    assert not re.search(r"<h[1-6]\b", made.to_html())


# The head


def test_head_bar_and_counts_are_those_of_the_document(view: View) -> None:
    made = ra.check("wf_invoices", client=view._client, progress=False)
    facts = facts_of(view)
    head = text(pieces(facts)["0:line"])
    assert head == made.headline
    assert [str(each) for each in facts.counts] == [
        str(each)
        for each in facts.judged.document.counts  # type: ignore[union-attr]
    ]
    assert sum(each.number for each in facts.counts) == made.evals.height - made.removed.height
    bar = pieces(facts)["0:bar"]
    assert f'aria-label="{", ".join(map(str, facts.counts))}"' in bar
    assert bar.count("<") == 2, "one element"
    assert "gate fails" in pieces(facts)["0:top"]


def test_the_only_thing_that_is_read_out_is_how_many_broke(view: View) -> None:
    whole = compose(pieces(facts_of(view)))
    assert re.findall(r'role="status"[^>]*>([^<]*)<', whole) == ["9 broke"]


def test_without_a_comparison_it_says_what_it_does() -> None:
    reading = pieces(StateInWords(ViewState("wf_a"), None))
    assert "Reading the runs and their results" in text(compose(reading))
    failed = StateInWords(ViewState("wf_a", WorkflowLook(phase="failed", trouble="x" * 300)), None)
    assert failed.heading.sign == "‼"
    assert len(str(failed.heading)) <= 100
    assert "x" * 300 in text(compose(pieces(failed))), "all of it stands below"


def test_a_run_that_could_not_run_says_why_first() -> None:
    with LetteredApi(alike(6, "P" * 9)) as api:
        api.run("PPE...", id="bad", status="error")
        facts = facts_of(shown_of(api, candidate="bad"))
    assert facts.heading.strong == "This run could not run"
    assert (facts.head.badge, facts.head.badge_tone) == ("gate fails", "bad")
    notes = ["".join(span.text for span in each) for each in facts.notes]
    assert notes[0] == "lost its worker"


# Actions


def right(facts: StateInWords) -> str:
    """The question in the control line, else what stands at its right end."""
    line = pieces(facts)["0:actions"]
    asked = line.partition('data-is="ask"')[2].partition(">")[2].partition("</div>")[0]
    return text(asked or line.rpartition("\u22ef</button>")[2])


def test_at_the_right_stands_one_thing(view: View) -> None:
    n = view.state.look.reruns
    runs = f"{n} run{'s' * (n != 1)}"
    assert right(facts_of(view)) == f"Settle ({runs}, billed)"
    assert right(with_state(view, asking="settle")).endswith("billed. Yes, start No")
    assert right(with_state(view, job="Comparing …", asking="settle")) == "Comparing …"
    assert right(with_state(view, reruns=0)) == ""
    going = view.state.look.checked.with_columns(is_terminal=pl.lit(False))
    live = {"watched": going, "phase": "going", "can_cancel": True, "is_watched": True}
    assert right(with_state(view, **live)) == "Cancel run"
    assert right(with_state(view, **live, asking="cancel")).endswith("Yes, end it No")
    assert right(with_state(view, **{**live, "can_cancel": False})) == ""
    two = pl.concat([going, going])
    assert right(with_state(view, **{**live, "watched": two})) == "Cancel 2 runs"


def test_what_can_be_checked_and_held_against(view: View) -> None:
    actions = html.unescape(pieces(facts_of(view))["0:actions"])
    checked, against = re.findall(r"<select.*?</select>", actions, flags=re.DOTALL)
    options = re.findall(r">([^<>]+)</option>", checked)
    assert options[:6] == ["as it is now", "v5, published", "v4", "v3", "v2", "v1"]
    look = view.state.look
    read = look.runs.filter("is_terminal", pl.col("run_id").is_in([*look.read]))
    assert len(options) == 6 + read.filter(pl.col("scope") != "eval").height, "all that were read"
    assert len({*options}) == len(options)
    assert re.fullmatch(r"\d+ \w+ \d\d:\d\d · edit of \d+ \w+ \d\d:\d\d", options[6])
    held = re.findall(r">([^<>]+)</option>", against)
    assert held[:3] == ["each eval's last good", "the code before", "v5, published"]
    assert 'aria-label="Refresh"' in actions
    assert "As it is now against each eval's last good" in text(actions)
    watched = pieces(with_state(view, is_watched=True))["0:actions"]
    assert re.findall(r">([^<>]+)</option>", watched)[:2] == ["as it is now", "the watched run"]
    assert "Refresh" not in watched


# The matrix


def test_the_matrix_has_the_newest_thirty_runs_and_says_what_each_was() -> None:
    letters = {"a": "P" * 14 + "PPFBEC" + "P" * 13 + "F", **alike(5, "P" * 34)}
    with LetteredApi(letters, codes="A" * 33 + "B", published="AB") as api:
        view = shown_of(api)
        page = facts_of(view).document
        assert {row.key: row.letters for row in list_rows(page.parts)}[
            "a"
        ] == "p" * 12 + "fbec" + "p" * 13 + "f"
        assert ["checked" in each.marks for each in page.runs] == [False] * 29 + [True]
        assert [at for at, each in enumerate(page.runs) if "extract" in each.edited] == [29]
        title = page.runs[-1].about.splitlines()
        assert re.fullmatch(r"4 May 10:00 UTC · \S.* · 5 of 6 pass", title[0])
        assert "was edited before this run" in title[1]
        row = pieces(facts_of(view))["0:row:a"]
        assert 'class="f x"' in row
        assert 'class="p" style="--k:13"' in row, "alike neighbours are one element"
        assert "title=" not in row.partition("rv-m")[2], "the script makes it from the column's"
        hidden = StateInWords(replace(view.state, values=False), None).document
        assert len(hidden.runs[-1].about.splitlines()) == 2


def test_few_columns_are_newer_than_what_is_checked_and_the_baseline_stands_first() -> None:
    with LetteredApi(alike(4, "P" * 40)) as api:
        view = shown_of(api)
        view._stream.ask(replace(view.state, candidate="run_35", baseline="run_2"))
        columns = facts_of(view).document.runs
    assert [at for at, each in enumerate(columns) if "checked" in each.marks] == [26]
    assert [each.told[0] for each in columns][-4:] == ["6 May", "7 May", "8 May", "9 May"]
    assert [at for at, each in enumerate(columns) if "baseline" in each.marks] == [0]


def test_two_versions_show_six_runs_of_each_side(api: ra.Client) -> None:
    made = ra.check("wf_invoices", baseline="v4", candidate="v5", client=api, progress=False)
    columns = inside(made).document(Door(True, passing=100)).runs
    sides = "".join(
        "-" if "gap" in e.marks else "b" if "baseline" in e.marks else "c" for e in columns
    )
    assert sides == "bbbbbb-cccccc"


def test_while_a_run_goes_on_its_cells_fill() -> None:
    with LetteredApi({**alike(3, "P" * 5), "b": "F" * 5}) as api:
        api.run("PUU" + "F", id="r9")
        api.change("res_r9_fine 1", lifecycle__status="running")
        view = ra.watch("r9", client=api.client, interval=0.05)
        while view.comparison is None:
            view._stream.has_looked.wait(1)  # type: ignore[union-attr]
        facts = facts_of(view)
        last = {row.key: row.letters[-1] for row in list_rows(facts.document.parts)}
        assert last == {"fine 0": "p", "fine 1": "r", "fine 2": "n", "b": "f"}
        assert "now" in facts.document.runs[-1].marks
        assert [str(each) for each in facts.counts] == ["1 failing as before", "3 pass as before"]
        assert [str(each) for each in facts.progress] == ["2 done", "2 not yet"]
        assert facts.head.badge, "as check says it"
        view.stop()


def test_what_fails_in_a_run_that_goes_on_comes_at_once_and_is_not_called_broken() -> None:
    with LetteredApi(alike(8, "P" * 12) | {"old": "P" * 6 + "F" * 6}) as api:
        run = api.run("FP" + "U" * 6 + "F", id="r9")
        view = ra.watch("r9", client=api.client, interval=0.05)
        while view.comparison is None:
            view._stream.has_looked.wait(1)
        facts = facts_of(view)
        body = text(compose(pieces(facts), "0:body"))
        assert facts.news == ["fine 0"]
        assert body.startswith("Fails in this run 1 \u00b7 fine 0: it fails: ")
        assert "now the same again" in body, "on the card of what is broken"
        assert "it fails: " in body
        assert facts.count("broke") == 1
        assert "Pass 8 · 2 done, 1 fails" in body, "its row stays where it stands"
        run.letters = dict.fromkeys(run.letters, "P") | {"fine 0": "F", "old": "F"}
        view.wait(60)
        assert "Fails in this run" not in text(pieces(facts_of(view))["0:body"])


def test_in_a_card_of_tries_the_mark_stands_under_the_newest_one() -> None:
    evals = alike(3, "P" * 10 + "FFF", "bad") | alike(9, "P" * 13)
    with LetteredApi(evals, codes="A" * 10 + "BCD") as api:
        api.run("PFU" + "U" * 9, id="r9")
        view = ra.watch("r9", client=api.client, interval=0.05)
        while view.comparison is None:
            view._stream.has_looked.wait(1)
        made = pieces(facts_of(view))
        rows = [compose(made, f"0:row:bad {at}").rpartition("rv-last")[2] for at in range(3)]
        assert "it passes: " in rows[0]
        assert "the same again" in rows[1]
        assert " it " not in text(rows[2])
        assert "Copy the prompt of" not in compose(made), "each try passed as many"
        view.stop()


# Several workflows, two versions, nothing


def test_of_several_workflows_one_is_open_and_the_worst_stands_first(api: ra.Client) -> None:
    view = ra.explore(["wf_claims", "wf_invoices"], client=api)
    view.wait(120)
    made = view._render()
    assert text(made["several"]).startswith("✗ 2 workflows: 2 with broken evals (11 evals)")
    assert re.findall(r'data-slot="(\d)"', made["root"]) == ["1", "0"], "names stay"
    assert "1:body" in made
    assert "0:body" not in made
    assert 'data-event="fold-view"' in made["0:line"]
    assert repr(view).splitlines()[0] == "✗ 2 workflows: 2 with broken evals (11 evals)"
    view.close()


def test_sums_over_workflows_are_only_of_what_was_read(api: ra.Client) -> None:
    named = ["wf_untitled", "wf_claims", "wf_statements", "wf_contracts", "wf_invoices"]
    seen: list[tuple[str, dict[str, Any]]] = []

    def note(view: View) -> None:
        if above := view._sum_up():
            broken = {
                k: len(c.broken)
                for k in named
                if (c := view._states[k].look.comparison) is not None
            }
            seen.append((str(above.heading), {"broken": broken, "order": [*view._order]}))

    view = ra.explore(named, client=api)
    view.on_update(note)
    note(view)
    view.wait(120)
    note(view)
    for said, facts in seen:
        broken = [each for each in facts["broken"].values() if each]
        assert (f"{sum(broken)} eval" in said) == bool(broken)
        assert "nothing broke" not in said or len(facts["broken"]) == 4
        first = facts["order"][0]
        assert not broken or facts["broken"][first] == max(broken), "the worst stands first"
    assert "reading" in seen[0][0]
    assert "reading" not in seen[-1][0]
    assert seen[-1][1]["order"][-1] == "wf_untitled", "without evals"
    view.close()


def test_two_versions_say_what_was_edited_block_by_block(api: ra.Client) -> None:
    view = ra.explore("wf_invoices", candidate="v5", baseline="v4", client=api)
    view.wait(120)
    facts = facts_of(view)
    body = text(compose(pieces(facts)))
    assert "Edited between v4 and v5 extract_invoice schema: supplier.name" in body
    assert ra.check(
        "wf_invoices", baseline="v4", candidate="v5", client=api, progress=False
    ).headline == str(facts.heading)
    assert "0:fold:flaky" in pieces(facts)
    assert view.state.look.reruns == 0
    assert "<ins" in pieces(facts)["0:body"]
    assert "<ins" not in view._make_still()["text/html"], "a saved page keeps no words of prompts"
    view.close()


def test_names_and_values_of_others_stay_text() -> None:
    with LetteredApi({HOSTILE: "PPPPPPFF", **alike(3, "P" * 8)}, codes="AAAAAABB") as api:
        view = shown_of(api, save_values=True)
        live = compose(pieces(facts_of(view)))
        for whole in (live, view._make_still()["text/html"]):
            assert "<img" not in whole
            assert "\u202e" not in whole
        seen = text(compose(pieces(facts_of(view))))
        assert "$x_$ \\(a\\) @me #1 _b_" in seen


JUDGED = [
    each
    for each in SITUATIONS
    if re.fullmatch(r"(--candidate \S+)?", each.options) and each.code < 3
]


# Every fourth one, because its neighbours have the same sentences; the others with the studies.
@pytest.mark.parametrize("at", with_studies(range(len(JUDGED)), range(0, len(JUDGED), 4)))
def test_the_page_says_what_the_text_says(at: int) -> None:
    """Headline, counts, notes and every row of a recorded situation, live and saved."""
    situation = JUDGED[at]
    if situation.arguments or situation.accepted or situation.address or not situation.key:
        pytest.skip("it is not about a verdict alone")
    candidate = situation.options.removeprefix("--candidate ") or None
    with situation.api as api:
        checked = api.check(**({} if candidate is None else {"candidate": candidate}))
        view = shown_of(api, candidate=candidate, save_values=True)
        facts = facts_of(view)
        live, saved = text(compose(pieces(facts))), text(view._make_still()["text/html"])
    made = facts.judged.document  # type: ignore[union-attr]
    head = inside(checked).document(Door(True, is_live=True)).head
    assert (facts.heading, facts.head.context) == (head.heading, head.context)
    for page in (live, saved):
        assert " ".join(str(head.heading).split()) in page
        assert ", ".join(map(str, facts.counts)) in page
        for note in made.notes:
            assert " ".join("".join(span.text for span in note).split()) in page
    said = (live + saved).replace(" ", "")
    parts = [inner for part in made.parts for inner in getattr(part, "parts", (part,))]
    tables = [part for part in parts if hasattr(part, "rows")]
    for table in tables:
        for row in table.rows:
            # What is folded has the reason in the place of the document.
            lines = [
                row.cells[0].lines[0],
                *(line for cell in row.cells[1:] for line in cell.lines),
            ]
            # A card of tries has values in the place of what was got.
            lines = lines[:1] if facts.judged.facts.tries else lines  # type: ignore[union-attr]
            for line in lines if not view.state.look.is_going else ():
                assert "".join("".join(span.text for span in line).split()) in said
    assert to_text(made).splitlines()[0].startswith(str(head.heading))


# What stands below an open row


def below(view: View, eval_id: str, **changes: Any) -> str:
    made = pieces(with_state(view, **changes))
    return text(compose(made, f"0:in:{eval_id}"))


def test_an_open_eval_says_why_and_lists_its_runs_joined() -> None:
    with LetteredApi(
        {"a": "PPPPPCPPFF", **alike(3, "P" * 10)}, codes="AAAAAAAABB", published="A"
    ) as api:
        view = shown_of(api)
        said = below(view, "a")
        assert said.count("Broken since 9 Apr: 0 of 2 passed") == 1
        for words in (
            "7 to 8 Apr v1 passed × 2",
            "6 Apr 10:00 v1 cancelled",
            "1 to 5 Apr v1 passed × 5",
        ):
            assert words in said
        assert "a.pdf · Copy id" in said
        assert "a total" not in said, "no line of the row again"


def test_values_are_hidden_where_asked() -> None:
    with LetteredApi({"a": "PPPF", **alike(2, "PPPP")}, codes="AAAB") as api:
        view = shown_of(api)
        shown = below(view, "a")
        hidden = compose(pieces(StateInWords(replace(view.state, values=False), None)))
    assert "two red" in shown
    assert "two red" not in hidden
    assert "red apples" not in hidden


@pytest.mark.parametrize(
    ("preview", "said"),
    [
        ({}, "Asking for the document …"),
        ({"url": "https://files.example/a"}, "Open in a new tab"),
        ({"failure": "404: gone"}, "404: gone"),
    ],
)
def test_a_document_that_was_asked_for_stands_below_its_name(
    view: View, preview: Any, said: str
) -> None:
    eval_id = next(k for k, key in facts_of(view).keys.items() if key == "broke")
    made = Preview(eval_id, "file_1", "a.pdf", **preview)
    assert said in below(view, eval_id, preview=made)
