"""The page itself in a browser: pieces, patching, focus, keys, events, clipboard."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect
from support.inside import STYLE, Html, join, tag
from support.pages import Shown

pytestmark = pytest.mark.browser

FIELD = Html('<input type="search" data-event="search" value="" aria-label="Search">')


def button(words: str, event: str, value: str = "", **more: object) -> Html:
    return tag("button", words, data_event=event, data_value=value or None, **more)


def table(names: str, note: str = "") -> Html:
    head = tag("thead", tag("tr", tag("th", "Name", tabindex=-1), tag("th", "Rate", tabindex=-1)))
    rows = (
        tag(
            "tbody",
            tag(
                "tr",
                tag("td", button(f"{note}{each}", "open", each, tabindex=-1), tabindex=-1),
                tag("td", f"{ord(each)} %", tabindex=-1),
                data_event="open",
                data_value=each,
            ),
            data_key=each,
        )
        for each in names
    )
    return tag("table", head, *rows, role="grid", aria_label="Evals")


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


def test_slots_within_slots_and_rows(page: Page) -> None:
    rows = '<table><tbody data-slot="r:1"></tbody><tbody data-slot="r:2"></tbody></table>'
    pieces = {"root": '<div data-slot="body"></div>', "body": rows}
    shown = Shown(page, {**pieces, "r:1": "<tr><td>one</td></tr>", "r:2": "<tr><td>two</td></tr>"})
    shown.show(body=rows, r__2="<tr><td>2</td></tr><tr><td>below</td></tr>")
    assert page.locator("td").all_inner_texts() == ["one", "2", "below"]


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
    shown = Shown(page, {"root": table("abcd")})
    page.evaluate(
        "() => document.querySelectorAll('tbody').forEach((e) => (e.was = e.dataset.key))"
    )
    shown.show(root=table("dxab"))
    found = page.evaluate(
        "() => [...document.querySelectorAll('tbody')].map((e) => [e.dataset.key, e.was ?? null])"
    )
    assert found == [["d", "d"], ["x", None], ["a", "a"], ["b", "b"]]


def test_focus_caret_and_open_parts_stay(page: Page) -> None:
    def view(number: int, names: str) -> Html:
        lines = [tag("p", f"{each}{number}", data_key=each) for each in names]
        more = tag("details", tag("summary", f"more {number}"), tag("p", f"inside {number}"))
        return join(tag("b", number), FIELD, more, *lines)

    shown = Shown(page, {"root": view(0, "abcdef")})
    page.locator("summary").click()
    field = page.get_by_label("Search")
    field.fill("hello")
    field.evaluate("(each) => each.setSelectionRange(1, 3)")
    shown.show(root=view(1, "fedcba"))
    caret = "(each) => [each.value, each.selectionStart, each.selectionEnd]"
    assert field.evaluate(caret) == ["hello", 1, 3]
    expect(field).to_be_focused()
    expect(page.get_by_text("inside 1")).to_be_visible()
    # Text that somebody has marked, to copy it, stays marked while other lines change.
    page.evaluate("() => getSelection().selectAllChildren(document.querySelector('[data-key=c]'))")
    shown.show(root=view(1, "fedcbax"))
    assert page.evaluate("() => getSelection().toString().trim()") == "c1"


def test_a_field_that_is_typed_in_is_not_overwritten_and_escape_clears_it(page: Page) -> None:
    def view(value: str) -> Html:
        return Html(
            f'{FIELD.replace("value=" + chr(34), "value=" + chr(34) + value)}<a href="#">x</a>'
        )

    shown = Shown(page, {"root": view("")})
    field = page.get_by_label("Search")
    field.press_sequentially("ab")
    page.wait_for_function("() => window.sent.filter((each) => each.id).length === 1")
    field.press_sequentially("c")
    shown.show(root=view("ab"))
    assert field.input_value() == "abc"
    page.get_by_role("link").focus()
    page.wait_for_function("() => window.sent.filter((each) => each.id).length === 2")
    assert shown.sent() == [("search", None, "ab"), ("search", None, "abc")]
    for value in ("", "x"):
        shown.show(root=view(value))
        assert field.input_value() == value
    field.focus()
    page.keyboard.press("Escape")
    assert field.input_value() == ""
    assert shown.sent()[-1] == ("search", None, "")


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


def test_a_click_anywhere_in_a_row_opens_it_but_not_on_what_is_for_itself(page: Page) -> None:
    inner = Html('<a href="#">link</a><details><summary>more</summary>words</details>')
    row = tag("tr", tag("td", "cell"), tag("td", inner), data_event="open", data_value="e1")
    off = button("No", "no", disabled=True)
    shown = Shown(page, {"root": join(tag("table", tag("tbody", row), data_scope="0"), off)})
    page.get_by_text("cell").click()
    page.get_by_role("link").click()
    page.get_by_text("more").click()
    page.get_by_role("button", name="No").click(force=True)
    assert shown.sent() == [("open", "0", "e1")]
    # Who marks a word, to copy it, does not open the row a second time.
    page.get_by_text("cell").dblclick(position={"x": 18, "y": 12})
    assert page.evaluate("() => getSelection().toString().trim()") == "cell"
    assert len(shown.sent()) == 2


def test_a_grid_is_one_tab_stop_and_is_walked_with_keys(page: Page) -> None:
    shown = Shown(page, {"root": join(button("Before", "x"), table("abcd"))})
    page.get_by_role("button", name="Before").focus()
    page.keyboard.press("Tab")
    assert shown.focused() == "Name"
    for key, text in [
        ("ArrowDown", "a"),
        ("ArrowRight", "97 %"),
        ("ArrowRight", "97 %"),
        ("ArrowDown", "98 %"),
        ("Home", "b"),
        ("Control+End", "100 %"),
        ("Control+Home", "Name"),
        ("ArrowUp", "Name"),
        ("ArrowDown", "a"),
    ]:
        page.keyboard.press(key)
        assert shown.focused() == text, key
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert [each[2] for each in shown.sent()] == ["a", "b", "b"]
    page.keyboard.press("Tab")
    assert shown.focused() == "after"
    page.keyboard.press("Shift+Tab")
    assert shown.focused() == "98 %"


def test_the_focus_follows_its_row_and_falls_to_the_next_where_that_is_gone(page: Page) -> None:
    shown = Shown(page, {"root": table("abcd")})
    page.get_by_role("gridcell", name="98 %").focus()
    shown.show(root=table("dcba"))
    assert shown.focused() == "98 %"
    shown.show(root=table("dca"))
    assert shown.focused() == "97 %"
    assert page.locator("td[tabindex='0'],th[tabindex='0']").count() == 1
    shown.show(root="")
    assert page.evaluate("() => !!document.activeElement.closest('.rv')")


def test_chips_are_one_tab_stop(page: Page) -> None:
    chips = (button(each * 3, "show", each, tabindex=-1, aria_pressed="false") for each in "abc")
    shown = Shown(page, {"root": tag("div", *chips, role="toolbar", aria_label="Show only")})
    page.keyboard.press("Tab")
    for key, text in [("ArrowRight", "bbb"), ("End", "ccc"), ("ArrowLeft", "bbb")]:
        page.keyboard.press(key)
        assert shown.focused() == text
    page.keyboard.press("Space")
    assert shown.sent() == [("show", None, "b")]
    page.keyboard.press("Tab")
    assert shown.focused() == "after"


@pytest.mark.parametrize("secure", [True, False])
def test_a_text_is_copied_without_a_kernel(page: Page, secure: bool) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    Shown(page, {"root": tag("button", "Copy", data_copy='x = "1"\ny')})
    if not secure:  # as on a page that came over plain http
        page.evaluate(
            "() => { Object.defineProperty(navigator.clipboard, 'writeText', {value: undefined}) }"
        )
    page.get_by_role("button", name="Copy").click()
    expect(page.locator(".rv-notice")).to_have_text("Copied.")
    assert page.evaluate("() => navigator.clipboard.readText()") == 'x = "1"\ny'
    assert page.locator("textarea").count() == 0


def test_the_notebooks_shortcuts_are_kept_out_and_its_others_are_not(page: Page) -> None:
    Shown(page, {"root": join(button("One", "one"), table("ab"))})
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
    press.click()
    page.evaluate(answer, {"said": "9 evals written"})
    expect(notice).to_have_text("9 evals written")
    page.evaluate("() => (window.gone = true)")
    press.click()
    expect(notice).to_have_text("busy: await view")
    assert len(shown.sent()) == 3
    page.evaluate("() => model.emit('comm_live_update')")
    expect(notice).to_contain_text("The kernel has ended")


def test_in_a_shadow_root(page: Page) -> None:
    shown = Shown(page, {"root": table("abc")}, shadow=True)
    page.get_by_role("gridcell", name="98 %").focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    assert [each[2] for each in shown.sent()] == ["a"]
    shown.show(root=table("cab"))
    inside = "() => document.querySelector('#host').shadowRoot.activeElement.textContent"
    assert page.evaluate(inside) == "97 %"


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
