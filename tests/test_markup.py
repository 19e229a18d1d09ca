"""Nothing from outside becomes markup."""

from __future__ import annotations

import re

import pytest
from support.html_elements import Elements
from support.inside import markup

EVIL = '<img src=x onerror="alert(1)"> & \'quoted\' "$x_$"'


def test_content_and_attributes_are_escaped() -> None:
    seen = Elements(markup.tag("b", EVIL, title=EVIL))
    assert (seen.made, seen.text) == ([("b", {"title": EVIL})], EVIL)


@pytest.mark.parametrize(
    "made",
    [
        markup.name(EVIL),
        markup.page(EVIL, EVIL),
        markup.join(EVIL, EVIL, by=", "),
    ],
)
def test_every_piece_is_escaped(made: markup.Html) -> None:
    seen = Elements(made)
    assert not seen.attributes("img")
    assert EVIL in seen.text


@pytest.mark.parametrize("number", [*range(0x202A, 0x202F), *range(0x2066, 0x206A)])
def test_68_what_turns_text_round_is_shown_by_its_number(number: int) -> None:
    name, shown = f"invoice{chr(number)}fdp.exe", f"invoice<U+{number:04X}>fdp.exe"
    assert markup.one_line(name) == shown
    assert markup.without_controls(f"{name}\n") == f"{shown}\n"
    seen = Elements(markup.tag("b", name, title=name))
    assert (seen.attributes("b"), seen.text) == ([{"title": shown}], shown)
    assert markup.markdown(name) == shown.replace("<", "&lt;").replace(">", "&gt;")
    assert Elements(markup.markdown_code(name)).text == shown


def test_an_element_without_content_has_no_end() -> None:
    assert markup.tag("img", src="x") == '<img src="x">'
    assert markup.tag("source", srcset="x") == '<source srcset="x">'
    assert markup.tag("br") == "<br>"
    assert markup.tag("td") == "<td></td>"


def test_what_is_html_stays() -> None:
    assert markup.tag("i", markup.tag("b", "x")) == "<i><b>x</b></i>"


def test_a_page_loads_nothing() -> None:
    seen = Elements(markup.page("t", "x"))
    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in seen.made}
    assert not [each for _, each in seen.made if {"src", "href"} & each.keys()]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", "plain"),
        (None, ""),
        ("a|b", r"a\|b"),
        ("_x_ *y* `z`", r"\_x\_ \*y\* \`z\`"),
        ("<b>", "&lt;b&gt;"),
        ("[a](b)", r"\[a\](b)"),
        ("$5 and $6", r"\$5 and \$6"),
        ("two\nlines", "two lines"),
        ("@home", "@&#8203;home"),
        ("#1", r"\#&#8203;1"),
        ("user/repo#1", r"user/repo\#&#8203;1"),
        ("gh-1 high-1", "gh-&#8203;1 high-1"),
        ("www.example.com", "www&#8203;.example.com"),
        ("_WWW.example.com", r"\_WWW&#8203;.example.com"),
        ("https://example.com", "https:&#8203;//example.com"),
        ("# 1: www, C#", r"\# 1: www, C\#"),
        ("\\", "\\\\"),
    ],
)
def test_markdown_is_text_in_one_line(value: object, expected: str) -> None:
    assert markup.markdown(value) == expected


def test_markdown_code_stays_in_its_cell() -> None:
    made = markup.markdown_code('{"a|b": "<x>\n`$1`"}')
    assert "|" not in made
    assert "\n" not in made
    assert [tag for tag, _ in Elements(made).made] == ["code"]


def test_markdown_code_holds_nothing_that_markdown_acts_upon() -> None:
    text = "[a](http://x) ![i](//y) *b* _c_ ~~d~~ `e` \\\\ @f &amp; &#33; <i> www.g.h WWW.i.j"
    made = markup.markdown_code(text)
    assert not set("[]*_~`\\\\@") & set(made)
    assert not re.search(r"www\.|://", made, re.IGNORECASE)
    assert Elements(made).text == text


@pytest.mark.parametrize(
    "text", ["می\u200cخواهم", "क्\u200dष", "👨\u200d👩\u200d👧", "Rech\u00adnung"]
)
def test_a_joiner_between_letters_stays(text: str) -> None:
    assert markup.one_line(text) == text
    assert markup.one_line(f"\u200d{text} \u200c") == f"\ufffd{text} \ufffd"
    assert markup.one_line("a\u200d\u200db") == "a\ufffd\ufffdb"
    assert markup.one_line(kept := "\u200eab 12\u200f c\u200bd") == kept


def test_a_line_has_nothing_that_a_terminal_acts_upon() -> None:
    line = markup.one_line("a\x1b[31mb\r\n\tc\x00\u202ed\ud800")
    assert line.isprintable()
    assert line == "a\ufffd[31mb\ufffd c\ufffd<U+202E>d\ufffd"
    assert line.encode()
    assert markup.one_line("  wide  space ") == "wide space"
    assert markup.one_line("x" * 50, 10) == "x" * 9 + "…"
