"""The page itself in a browser: pieces, patching, focus, keys, events, clipboard."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect
from support.inside import STYLE, Html, join, tag
from support.pages import Shown

pytestmark = pytest.mark.browser

FIELD = Html('<input type="search" class="rv-search" aria-label="Search">')


def button(words: str, event: str, value: str = "", **more: object) -> Html:
    return tag("button", words, data_event=event, data_value=value or None, **more)


def row(name: str, kind: str = "broke", inside: object = "inside", **more: object) -> Html:
    summary = tag("summary", tag("span", tag("span", name), class_="c rv-name"))
    how = {"class_": "rv-row", "data_key": name, "data_kind": kind, **more}
    return tag("details", summary, tag("div", inside, class_="rv-open"), **how)


def rows(names: str) -> Html:
    """A view of rows, with a search and counts."""
    chips = (
        tag("button", each, class_="rv-chip", data_kind=each, aria_pressed="false")
        for each in ("broke", "flaky", "pass")
    )
    bar = tag("div", *chips, role="toolbar", aria_label="Show only")
    found = tag("div", class_="rv-found")
    listed = (row(each, "flaky" if each in "xyz" else "broke") for each in names)
    card = tag("section", *listed, class_="rtd-card")
    body = tag("div", tag("p", "a note", class_="rv-aside"), card, class_="rv-body")
    return tag("div", FIELD, bar, found, body, class_="rv-view", data_scope="0", data_name="flow")


def body(listed: str) -> dict[str, str]:
    """A page whose rows are a piece of their own: its root waits while somebody is at it."""
    return {"root": '<div data-slot="body"></div>', "body": rows(listed)}


def test_a_piece_that_changes_is_patched_in_its_slot(page: Page) -> None:
    slots = '<p data-slot="a:top"></p><div data-slot="a:rest"></div>'
    shown = Shown(page, {"root": slots, "a:top": "a <b>1</b>", "a:rest": "<i>same</i>"})
    page.evaluate("() => document.querySelectorAll('#host *').forEach((e, i) => (e.was = i))")
    shown.show(a__top="a <b>2</b><u>new</u>")
    expect(page.locator("#host b")).to_have_text("2")
    was = page.evaluate(
        "() => [...document.querySelectorAll('#host b,#host u,#host i')].map((e) => e.was)"
    )
    assert [each is not None for each in was] == [True, False, True]
    shown.show(root='<div data-slot="a:rest"></div>')
    assert page.locator("#host b").count() == 0
    # A piece that has no slot yet is there once there is one.
    shown.show(a__late="<s>late</s>")
    shown.show(root='<div data-slot="a:late"></div>')
    expect(page.locator("#host s")).to_have_text("late")
    shown.show("a:late", root='<div data-slot="a:late"></div><em>x</em>')
    assert page.locator("#host s").count() == 0


def test_a_message_that_was_lost_is_asked_for_again(page: Page) -> None:
    shown = Shown(page, {"root": "<p>0</p>"})
    asked = "() => sent.filter((each) => each.event === 'resync').length"
    before = shown.tab.evaluate(asked)
    shown.show(root="<p>1</p>")
    assert shown.tab.evaluate(asked) == before
    shown.revision += 1
    shown.show(root="<p>3</p>")
    assert shown.tab.evaluate(asked) == before + 1
    shown.emit({"pieces": {"root": "<p>all</p>"}, "revision": 9})
    expect(page.locator("p")).to_have_text("all")
    shown.emit({"patch": {"root": "<p>old</p>"}, "gone": [], "revision": 8})
    expect(page.locator("p")).to_have_text("all")


def test_elements_with_a_key_are_moved_and_not_made_anew(page: Page) -> None:
    shown = Shown(page, body("abcd"))
    page.evaluate("() => document.querySelectorAll('.rv-row').forEach((e) => (e.was = 1))")
    page.get_by_text("b", exact=True).click()
    shown.show(body=rows("dxab"))
    found = page.evaluate("""() => [...document.querySelectorAll('.rv-row')].map(
        (each) => [each.dataset.key, each.was ?? 0, each.open])""")
    assert found == [["d", 1, False], ["x", 0, False], ["a", 1, False], ["b", 1, True]]


def test_focus_caret_and_open_parts_stay(page: Page) -> None:
    def view(number: int, names: str) -> Html:
        lines = [tag("p", f"{each}{number}", data_key=each) for each in names]
        more = tag("details", tag("summary", f"more {number}"), tag("p", f"inside {number}"))
        return join(tag("b", number), FIELD, more, *lines)

    shown = Shown(page, {**body(""), "body": view(0, "abcdef")})
    page.locator("summary").click()
    field = page.get_by_label("Search")
    field.fill("hello")
    field.evaluate("(each) => each.setSelectionRange(1, 3)")
    shown.show(body=view(1, "fedcba"))
    caret = "(each) => [each.value, each.selectionStart, each.selectionEnd]"
    assert field.evaluate(caret) == ["hello", 1, 3]
    expect(field).to_be_focused()
    expect(page.get_by_text("inside 1")).to_be_visible()
    # Text that somebody has marked, to copy it, stays marked while other lines change.
    page.evaluate("() => getSelection().selectAllChildren(document.querySelector('[data-key=c]'))")
    shown.show(body=view(1, "fedcbax"))
    assert page.evaluate("() => getSelection().toString().trim()") == "c1"


def test_what_is_searched_and_pressed_stays_in_the_browser(page: Page) -> None:
    shown = Shown(page, body("abxy"))
    names = page.locator(".rv-row:visible .rv-name")
    page.get_by_role("button", name="flaky").click()
    assert names.all_inner_texts() == ["x", "y"]
    expect(page.locator(".rv-found")).to_contain_text("2 of 4 evals")
    field = page.get_by_label("Search")
    field.fill("X")
    assert names.all_inner_texts() == ["x"]
    shown.show(body=rows("xabyz"))
    assert names.all_inner_texts() == ["x"], "also what comes later"
    assert field.input_value() == "X"
    expect(page.get_by_text("a note")).to_be_hidden()
    field.fill("nothing like it")
    expect(page.locator(".rv-found")).to_contain_text("No eval has this.")
    field.press("Escape")
    assert names.all_inner_texts() == ["x", "a", "b", "y", "z"]
    assert field.input_value() == ""
    assert page.locator("[aria-pressed=true]").count() == 0
    page.get_by_role("button", name="pass").click()
    page.get_by_role("button", name="Show all").click()
    assert len(names.all_inner_texts()) == 5
    assert shown.sent() == []


def test_a_choice_follows_python(page: Page) -> None:
    def view(chosen: str) -> Html:
        options = (tag("option", each, value=each, selected=each == chosen) for each in "abc")
        return tag("select", *options, data_event="candidate", aria_label="Checked")

    shown = Shown(page, {"root": tag("div", view("a"), data_scope="3")})
    choice = page.get_by_label("Checked")
    choice.select_option("b")
    assert shown.sent() == [("candidate", "3", "b")]
    shown.show(root=tag("div", view("c"), data_scope="3"))
    assert choice.input_value() == "c"


def test_a_row_asks_for_what_the_page_does_not_hold_once(page: Page) -> None:
    asks = {"data_event": "open", "data_value": "e1"}
    view = tag("div", row("far", inside="", **asks), row("near"), data_scope="0", class_="rv-view")
    off = button("No", "no", disabled=True)
    shown = Shown(page, {"root": join(view, off)})
    for name in ("near", "far"):
        page.get_by_text(name, exact=True).click()
    page.get_by_role("button", name="No").click(force=True)
    page.wait_for_function("() => window.sent.filter((each) => each.id).length > 0")
    assert shown.sent() == [("open", "0", "e1")]
    expect(page.get_by_text("inside")).to_be_visible()


def test_rows_are_one_tab_stop_and_are_walked_with_keys(page: Page) -> None:
    shown = Shown(page, {"root": join(button("Before", "x"), rows("abcd"))})
    page.get_by_role("button", name="Before").focus()
    for _ in range(3):  # the search, the counts, the rows
        page.keyboard.press("Tab")
    assert shown.focused() == "a"
    for key, text in [
        ("ArrowDown", "b"),
        ("End", "d"),
        ("ArrowDown", "d"),
        ("ArrowUp", "c"),
        ("Home", "a"),
    ]:
        page.keyboard.press(key)
        assert shown.focused() == text, key
    page.keyboard.press("Enter")
    expect(page.get_by_text("inside").first).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    assert shown.focused() == "after"
    page.keyboard.press("Shift+Tab")
    assert shown.focused() == "b"


def test_the_focus_follows_its_row_and_falls_to_the_next_where_that_is_gone(page: Page) -> None:
    shown = Shown(page, body("abcd"))
    page.locator(".rv-row > summary").nth(1).focus()
    shown.show(body=rows("dcba"))
    assert shown.focused() == "b"
    shown.show(body=rows("dca"))
    assert shown.focused() == "a"
    assert page.locator("summary[tabindex='0']").count() == 1
    shown.show(body="")
    assert page.evaluate("() => !!document.activeElement.closest('.rv')")


@pytest.mark.parametrize("by", ["pointer", "focus"])
def test_workflows_keep_their_order_while_somebody_is_at_them(page: Page, by: str) -> None:
    def order(numbers: str) -> Html:
        return join(*(tag("div", data_slot=each, data_scope=each) for each in numbers))

    lines = {each: button(f"line {each}", "fold-view", each) for each in "012"}
    shown, views = Shown(page, {"root": order("012"), **lines}), page.locator("#host button")
    at = views.nth(1)
    at.hover() if by == "pointer" else at.focus()
    shown.show(root=order("210"), **{"2": button("worse", "fold-view", "2")})
    assert views.all_inner_texts() == ["line 0", "line 1", "worse"], "only the order waits"
    away = page.locator("#after")
    away.hover() if by == "pointer" else away.focus()
    expect(views).to_have_text(["worse", "line 1", "line 0"])


def test_chips_are_one_tab_stop(page: Page) -> None:
    shown = Shown(page, body("ab"))
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    for key, text in [("ArrowRight", "flaky"), ("End", "pass"), ("ArrowLeft", "flaky")]:
        page.keyboard.press(key)
        assert shown.focused() == text
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="flaky")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    assert shown.focused() == "flaky"


def test_two_pages_have_landmarks_of_their_own_names(page: Page) -> None:
    Shown(page, {"root": "one"})
    page.evaluate("() => window.again()")
    names = page.evaluate(
        "() => [...document.querySelectorAll('.rv')].map((each) => each.getAttribute('aria-label'))"
    )
    assert names == ["A page", "A page 2"]


@pytest.mark.parametrize("secure", [True, False])
def test_a_text_is_copied_without_a_kernel(page: Page, secure: bool) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    copies = tag("button", "Copy", data_copy='x = "1"\ny')
    Shown(page, {"root": tag("div", copies, class_="rv-view")})
    if not secure:  # as on a page that came over plain http
        page.evaluate(
            "() => { Object.defineProperty(navigator.clipboard, 'writeText', {value: undefined}) }"
        )
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button")).to_contain_text(["Copied", "after"])
    assert page.evaluate("() => navigator.clipboard.readText()") == 'x = "1"\ny'
    assert page.locator("textarea").count() == 0


def test_the_notebooks_shortcuts_are_kept_out_and_its_others_are_not(page: Page) -> None:
    Shown(page, {"root": join(button("One", "one"), rows("ab"))})
    page.evaluate("""() => {
        window.seen = [];
        document.addEventListener("keydown", (event) => window.seen.push(event.key), true);
    }""")
    page.get_by_role("button", name="One").focus()
    for key in ("d", "d", "Enter", "Control+s", "Shift+Enter"):
        page.keyboard.press(key)
    page.locator("summary").first.focus()
    for key in ("d", "ArrowDown", "a"):
        page.keyboard.press(key)
    seen = page.evaluate("() => window.seen")
    assert [each for each in seen if each not in ("Control", "Shift")] == ["s", "Enter"]
    page.locator("#after").focus()
    page.keyboard.press("d")
    page.evaluate("() => window.dispose()")
    assert page.evaluate("() => window.seen")[-1] == "d"


def test_nothing_stays_when_it_is_taken_away(page: Page) -> None:
    Shown(page, {"root": button("One", "one")}, before='<p data-stands-for="t0">stands</p>')
    expect(page.get_by_text("stands")).to_be_hidden()
    page.evaluate("() => window.dispose()")
    assert page.evaluate("() => model.listening()") == 0
    assert page.locator(".rv").count() == 0
    expect(page.get_by_text("stands")).to_be_visible()


def test_a_kernel_that_does_not_answer_is_told(page: Page) -> None:
    shown = Shown(page, {"root": button("One", "one")})
    notice, press = page.locator(".rv-notice"), page.get_by_role("button", name="One")
    page.evaluate("() => (window.silent = true)")
    press.click()
    expect(notice).to_have_text("busy: await view")
    answer = (
        "(more) => model.emit('msg:custom', {answered: sent.findLast((e) => e.id).id, ...more})"
    )
    page.evaluate(answer, {})
    expect(notice).to_have_text("")
    press.click()
    page.evaluate(answer, {"error": "ValueError: no"})
    expect(notice).to_have_text("ValueError: no")
    page.evaluate("() => (window.gone = true)")
    press.click()
    expect(notice).to_have_text("busy: await view")
    assert len(shown.sent()) == 2


def test_without_a_kernel_exactly_what_needs_it_is_off(page: Page) -> None:
    asks = {"data_event": "open", "data_value": "e1"}
    choice = tag("select", tag("option", "x"), data_event="candidate", aria_label="Checked")
    far = tag("div", row("far", inside="", **asks), class_="rv-view")
    Shown(page, {"root": join(button("One", "one"), choice, rows("ab"), far)})
    page.evaluate("() => model.emit('comm_live_update')")
    expect(page.locator(".rv-notice")).to_contain_text("The kernel has ended")
    off = page.evaluate("() => [...document.querySelectorAll(':disabled')].map((e) => e.tagName)")
    assert off == ["BUTTON", "SELECT", "OPTION"] or off == ["BUTTON", "SELECT"]
    page.get_by_text("far", exact=True).click()
    expect(page.get_by_text("Run the cell again to see it.")).to_be_visible()
    page.get_by_label("Search").fill("a")
    expect(page.locator(".rv-view").first.locator(".rv-row:visible")).to_have_count(1)


def test_in_a_shadow_root(page: Page) -> None:
    shown = Shown(page, body("abc"), shadow=True)
    page.locator("summary").nth(1).focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    shown.show(body=rows("cab"))
    inside = "() => document.querySelector('#host').shadowRoot.activeElement.textContent"
    assert page.evaluate(inside) == "a"
    expect(page.get_by_text("inside").nth(1)).to_be_visible()


def test_the_style_is_one_file_of_its_own_names() -> None:
    plain = re.sub(r"/\*.*?\*/", "", STYLE, flags=re.DOTALL)
    classes = {each for each in re.findall(r"\.([a-zA-Z][\w-]*)", plain) if len(each) > 1}
    foreign = {"vscode-dark", "vscode-light", "vscode-high-contrast"}
    foreign |= {"jp-OutputArea-child", "jp-OutputArea-output"}
    assert {each for each in classes - foreign if not each.startswith(("rv", "rtd"))} == set()
    assert "url(" not in STYLE
    assert "@import" not in STYLE
    assert STYLE.isascii()  # a page may be read in whatever encoding
    assert "<" not in STYLE  # it stands in an element, which nothing in it may end
