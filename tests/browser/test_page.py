"""The page itself in a browser: patching, focus, keys, events, clipboard."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from support.inside import (
    GridColumn,
    GridRow,
    Html,
    Option,
    button,
    chips,
    copy_button,
    grid,
    join,
    scroll_area,
    tag,
)
from support.pages import Shown

pytestmark = pytest.mark.browser

COLUMNS = (
    GridColumn("name", "Name", sort="sort"),
    GridColumn("rate", "Rate", is_number=True, width=8),
    GridColumn("note", "Note"),
)


FIELD = Html('<input data-event="search" value="" aria-label="Search">')


def table(names: str, *, note: str = "", selected: str = "") -> Html:
    rows = [
        GridRow(each, (each, f"{ord(each)} %", f"{note}{each}"), each == selected) for each in names
    ]
    return grid(COLUMNS, rows, label="Runs", event="open")


def test_only_what_differs_is_touched(page: Page) -> None:
    shown = Shown(page, {"top": "<p>a <b>1</b></p><p>same</p>", "rest": "<i>rest</i>"})
    page.evaluate("() => document.querySelectorAll('#host *').forEach((e, i) => (e.was = i))")
    shown.show(top="<p>a <b>2</b></p><p>same</p><p>new</p>")
    expect(page.locator("#host b")).to_have_text("2")
    was = page.evaluate("() => [...document.querySelectorAll('#host p,#host b')].map((e) => e.was)")
    assert [each is not None for each in was] == [True, True, True, False]
    shown.show(top="<p>a</p>")
    assert page.locator("[data-section=top]").inner_html() == "<p>a</p>"


def test_a_patch_that_fails_is_not_the_last(page: Page) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    shown = Shown(page, {"top": "<p>1</p>", "rest": "<i>1</i>"})
    page.evaluate(
        """() => {
          const create = document.createElement;
          document.createElement = (name) => {
            document.createElement = create;
            throw new Error("no memory");
          };
        }"""
    )
    shown.show(top="<p>2</p>")
    shown.show(top="<p>3</p>", rest="<i>3</i>")
    expect(page.locator("[data-section=top]")).to_have_text("3")
    expect(page.locator("[data-section=rest]")).to_have_text("3")
    assert len(errors) == 1
    assert "no memory" in errors[0]


def test_elements_with_a_key_are_moved_and_not_made_anew(page: Page) -> None:
    shown = Shown(page, {"list": table("abcd")})
    page.evaluate(
        "() => document.querySelectorAll('tbody tr').forEach((e) => (e.was = e.dataset.key))"
    )
    shown.show(list=table("dxab"))
    rows = "[...document.querySelectorAll('tbody tr')]"
    found = page.evaluate(f"() => {rows}.map((e) => [e.dataset.key, e.was ?? null])")
    assert found == [["d", "d"], ["x", None], ["a", "a"], ["b", "b"]]


def test_focus_caret_selection_scroll_and_open_parts_stay(page: Page) -> None:
    def view(number: int, names: str) -> dict[str, Html]:
        lines = [tag("p", f"{each}{number}", data_key=each) for each in names]
        more = tag("details", tag("summary", f"more {number}"), tag("p", f"inside {number}"))
        box = scroll_area(*lines, label="Lines")
        return {
            "top": join(tag("b", number), FIELD),
            "rest": join(more, box),
        }

    names = "abcdefghijklmnopqrstuvwxyz"
    shown = Shown(page, view(0, names))
    page.locator("summary").click()
    page.locator(".ra-scroll").evaluate("(box) => (box.scrollTop = 120)")
    field = page.get_by_label("Search")
    field.fill("hello")
    field.evaluate("(each) => each.setSelectionRange(1, 3)")
    shown.show(**view(1, names[::-1]))
    assert page.evaluate("() => document.activeElement.getAttribute('aria-label')") == "Search"
    assert field.evaluate("(each) => [each.value, each.selectionStart, each.selectionEnd]") == [
        "hello",
        1,
        3,
    ]
    expect(page.get_by_text("inside 1")).to_be_visible()
    assert page.locator(".ra-scroll").evaluate("(box) => box.scrollTop") == 120
    # Text that somebody has marked, to copy it, stays marked while other lines change.
    page.evaluate("() => getSelection().selectAllChildren(document.querySelector('[data-key=k]'))")
    shown.show(**view(1, names))
    assert page.evaluate("() => getSelection().toString().trim()") == "k1"


def test_a_field_that_is_typed_in_is_not_overwritten_and_one_that_is_left_is(page: Page) -> None:
    def view(value: str) -> Html:
        return Html(f'<input aria-label="q" data-event="search" value="{value}"><a href="#">x</a>')

    shown = Shown(page, {"top": view("")})
    field = page.get_by_label("q")
    field.press_sequentially("ab")
    page.wait_for_function("() => window.sent.length === 1")
    field.press_sequentially("c")
    shown.show(top=view("ab"))
    assert field.input_value() == "abc"
    page.get_by_role("link").focus()
    page.wait_for_function("() => window.sent.length === 2")
    assert shown.sent() == [("search", None, "ab"), ("search", None, "abc")]
    for value in ("", "x"):
        shown.show(top=view(value))
        assert field.input_value() == value


def test_events_are_sent_with_the_nearest_key(page: Page) -> None:
    go = tag("div", button("Go", "go", value="7"), data_key="r1")
    shown = Shown(page, {"top": join(go, table("ab"))})
    page.get_by_role("button", name="Go").click()
    page.get_by_role("gridcell", name="98 %").click()
    page.get_by_role("button", name="Name").click()
    assert shown.sent() == [
        ("go", "r1", "7"),
        ("open", "b", None),
        ("sort", "name", None),
    ]


def test_a_disabled_button_and_marked_text_send_nothing(page: Page) -> None:
    shown = Shown(page, {"top": join(button("No", "no", disabled=True), table("a", note="word "))})
    page.get_by_role("button", name="No").click(force=True)
    page.get_by_text("word a").dblclick(position={"x": 15, "y": 9})  # marks a word
    assert [each[0] for each in shown.sent()] == ["open"]  # the first of the two clicks


def test_a_grid_is_one_tab_stop_and_is_walked_with_keys(page: Page) -> None:
    shown = Shown(page, {"top": button("Before", "x"), "list": table("abcdefghijklmnopqrst")})
    page.get_by_role("button", name="Before").focus()
    page.keyboard.press("Tab")
    assert shown.focused().startswith("Name")
    for key, text in [
        ("ArrowDown", "a"),
        ("ArrowRight", "97 %"),
        ("End", "a"),
        ("ArrowDown", "b"),
        ("Home", "b"),
        ("ArrowUp", "a"),
        ("Control+End", "t"),
        ("ArrowDown", "t"),
        ("Control+Home", "Name"),
        ("ArrowDown", "a"),
    ]:
        page.keyboard.press(key)
        assert shown.focused().strip() == text, key
    page.keyboard.press("PageDown")
    below = shown.focused()
    assert below > "d"
    page.keyboard.press("PageUp")
    assert shown.focused() == "a"
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    assert shown.sent() == [("open", "a", None), ("open", "b", None)]
    page.keyboard.press("Control+Home")
    page.keyboard.press("Enter")
    assert shown.sent()[-1] == ("sort", "name", None)
    page.keyboard.press("Tab")
    assert shown.focused() == "after"
    page.keyboard.press("Shift+Tab")
    assert shown.focused().startswith("Name")


def test_a_grid_that_is_not_seen_yet_has_its_tab_stop(page: Page) -> None:
    Shown(page, {"list": table("abc")}, before="<style>#host { display: none }</style>")
    assert page.locator("[tabindex='0']").count() == 1
    page.evaluate("() => document.querySelector('main style').remove()")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("gridcell", name="a", exact=True).first).to_be_focused()


def test_the_focus_follows_its_row_and_falls_to_the_next_where_that_is_gone(page: Page) -> None:
    shown = Shown(page, {"list": table("abcd")})
    page.get_by_role("gridcell", name="98 %").focus()
    shown.show(list=table("dcba"))
    assert shown.focused() == "98 %"
    shown.show(list=table("dca"))
    assert shown.focused() == "97 %"
    assert page.locator("td[tabindex='0'],th[tabindex='0']").count() == 1
    shown.show(list=table(""))
    assert page.evaluate("() => !!document.activeElement.closest('.ra-page')")


def test_a_row_that_has_become_selected_is_scrolled_to(page: Page) -> None:
    names = "abcdefghijklmnopqrstuvwxyz"
    shown = Shown(page, {"list": table(names)})
    box = page.locator(".ra-scroll")

    def is_seen(name: str) -> bool:
        found: bool = page.locator(f"tr[data-key={name}]").evaluate("""(row) => {
            const area = row.closest(".ra-scroll").getBoundingClientRect();
            const head = row.closest("table").tHead.rows[0].cells[0].getBoundingClientRect();
            const {top, bottom} = row.getBoundingClientRect();
            return top >= head.bottom - 1 && bottom <= area.bottom + 1;
        }""")
        return found

    assert not is_seen("y")
    shown.show(list=table(names, selected="y"))
    assert is_seen("y")
    box.evaluate("(box) => (box.scrollTop = 300)")
    shown.show(list=table(names, selected="y", note="new"))
    assert box.evaluate("(box) => box.scrollTop") == 300, "who scrolls away is left there"
    shown.show(list=table(names, selected="b"))
    assert is_seen("b")


def test_chips_are_one_tab_stop_and_stay_pressed(page: Page) -> None:
    def view(*chosen: str) -> Html:
        choices = [Option(each, each * 3, ord(each), each in chosen) for each in "abc"]
        return chips(choices, "chip", label="States")

    shown = Shown(page, {"chips": view("b")})
    page.keyboard.press("Tab")
    for key, text in [("ArrowRight", "bbb 98"), ("End", "ccc 99"), ("ArrowRight", "aaa 97")]:
        page.keyboard.press(key)
        assert shown.focused() == text
    page.keyboard.press("Space")
    assert shown.sent() == [("chip", "a", "a")]
    assert page.get_by_role("button", name="bbb").get_attribute("aria-pressed") == "true"
    shown.show(chips=view("a", "b"))
    assert page.locator("[aria-pressed=true]").count() == 2
    assert shown.focused() == "aaa 97"
    page.keyboard.press("Tab")
    assert shown.focused() == "after"


@pytest.mark.parametrize("secure", [True, False])
def test_a_text_is_copied_without_a_kernel(page: Page, secure: bool) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    Shown(page, {"top": copy_button("Copy", 'x = "1"\ny')})
    if not secure:  # as on a page that came over plain http
        page.evaluate(
            "() => { Object.defineProperty(navigator.clipboard, 'writeText', {value: undefined}) }"
        )
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("status")).to_have_text("Copied.")
    assert page.evaluate("() => navigator.clipboard.readText()") == 'x = "1"\ny'
    assert page.locator("textarea").count() == 0


def test_the_notebooks_shortcuts_are_kept_out_and_its_others_are_not(page: Page) -> None:
    Shown(page, {"top": button("One", "one"), "list": table("ab")})
    page.evaluate("""() => {
        window.seen = [];
        document.addEventListener("keydown", (event) => window.seen.push(event.key), true);
    }""")
    page.get_by_role("button", name="One").focus()
    for key in ("d", "d", "Enter", "Control+s", "Shift+Enter"):
        page.keyboard.press(key)
    page.get_by_role("gridcell").first.focus()
    for key in ("d", "ArrowDown", "a"):
        page.keyboard.press(key)
    seen = page.evaluate("() => window.seen")
    assert [each for each in seen if each not in ("Control", "Shift")] == ["s", "Enter"]
    page.locator("#after").focus()
    page.keyboard.press("d")
    page.evaluate("() => window.dispose()")
    assert page.evaluate("() => window.seen")[-1] == "d"


def test_nothing_stays_when_it_is_taken_away(page: Page) -> None:
    Shown(page, {"top": button("One", "one")}, before='<p data-stands-for="t0">stands</p>')
    expect(page.get_by_text("stands")).to_be_hidden()
    page.evaluate("() => window.dispose()")
    assert page.evaluate("() => model.listening()") == 0
    assert page.locator(".ra-page").count() == 0
    expect(page.get_by_text("stands")).to_be_visible()


def test_a_kernel_that_does_not_answer_is_told(page: Page) -> None:
    shown = Shown(page, {"top": button("One", "one")})
    page.evaluate("() => (window.silent = true)")
    page.get_by_role("button", name="One").click()
    expect(page.get_by_role("status")).to_have_text("busy: await view")
    page.evaluate("() => model.emit('msg:custom', {answered: sent[0].id})")
    expect(page.get_by_role("status")).to_have_text("")
    page.get_by_role("button", name="One").click()
    page.evaluate("() => model.emit('msg:custom', {answered: sent[1].id, error: 'ValueError: no'})")
    expect(page.get_by_role("status")).to_have_text("ValueError: no")
    page.evaluate("() => (window.gone = true)")
    page.get_by_role("button", name="One").click()
    expect(page.get_by_role("status")).to_have_text("busy: await view")
    assert len(shown.sent()) == 2


def test_in_a_shadow_root(page: Page) -> None:
    shown = Shown(page, {"list": table("abc")}, shadow=True)
    page.get_by_role("gridcell", name="98 %").focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    assert shown.sent() == [("open", "a", None)]
    shown.show(list=table("cab"))
    inside = "() => document.querySelector('#host').shadowRoot.activeElement.textContent"
    assert page.evaluate(inside) == "97 %"


def test_a_kernel_that_has_ended_is_told_and_covers_nothing(page: Page) -> None:
    shown = Shown(page, {"top": "<button>Press</button>"})
    shown.tab.evaluate("() => model.emit('comm_live_update')")
    notice = page.locator(".ra-notice")
    expect(notice).to_contain_text("The kernel has ended")
    button, below = page.get_by_role("button", name="Press").bounding_box(), notice.bounding_box()
    assert button
    assert below
    assert below["y"] >= button["y"] + button["height"]


def test_a_message_that_was_lost_is_asked_for_again(page: Page) -> None:
    shown = Shown(page, {"top": "a"})
    tell = """(number) => {
        const get = model.get;
        model.get = (name) => name === "revision" ? number : get(name);
        model.emit("change:revision");
    }"""
    for number, asked in ((1, 0), (2, 0), (4, 1), (5, 1)):
        shown.tab.evaluate(tell, number)
        found = shown.tab.evaluate("() => sent.filter((each) => each.event === 'resync').length")
        assert found == asked
