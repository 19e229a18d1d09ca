r"""The rates that pages state come from ``_rates.json``, which ``make rates`` writes.

A number stands in the text, and its name in a comment behind it. So GitHub shows it, too:

- ``93 % (90–95)<!-- rate: half benign by eval: called at sight that broke | A -->`` is a rate, with
  its 90 % interval. Where the interval reaches five points or more to a side, the rate has one
  digit: ``60 % (52–71)``.
- ``0.8<!-- limit: broke -->`` is a number that no study measures, such as a threshold.

In a table, write a bar of the name as ``\|``. ``python docs/rates.py`` renews these numbers in
README.md and in all pages.

The build fails if a name is not in the file, or if a number is another one than the file's. It also
fails if the paragraph around a rate does not name its pool: the edits, the evals or the suites that
it was counted over. And it fails if a page about rates states a number in its prose that looks like
a rate: a percentage, "9 of 10", "nine in ten", a decimal below 1. A page is about rates if it is,
or links to, ``how-sure``, and if somebody wrote it. So README.md is one. Code is no prose. Nothing
finds "half of all".
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

HERE = Path(__file__).parent
FILE = HERE / "_rates.json"
README = HERE.parent / "README.md"

WIDE = 0.05
"""An interval that reaches so far to a side leaves a share one digit."""

Study = dict[str, Any]

_MARKED = re.compile(
    r"([\w.,−]+(?: %)?(?: \([\d.]+–[\d.]+\))?)<!-- (rate|limit): (.+?) -->", re.DOTALL
)

_NO_PROSE = [
    re.compile(r"\A---\n.*?\n---\n", re.DOTALL),
    # A directive is prose, unless it is code.
    re.compile(
        r"^[ >]*(`{3,}|~{3,})(?!\{(?!code|toctree)).*?^[ >]*\1[`~]*$", re.DOTALL | re.MULTILINE
    ),
    re.compile(r"<!--.*?-->", re.DOTALL),
    re.compile(r"(?:\{\w+\})?(?<!`)(`{1,2})(?!`).+?(?<!`)\1(?!`)", re.DOTALL),
    re.compile(r"\]\([^)]*\)"),
]
_WORDS = (
    "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|sixty"
    "|seventy|eighty|ninety|hundred|thousand"
)
_NUMBER = rf"(?:\d[\d,]*|{_WORDS})"
_POOLS = {
    "half benign by eval": ("every second edit breaks something",),
    "half benign by suite": ("every second edit breaks something",),
    "broken suites": ("something broke",),
    "benign edit": ("breaks nothing",),
    "bad hour": ("bad hour",),
    "nothing changed": ("nothing changed",),
    "edit": ("an edit broke", "edit that broke"),
    "drift": ("without an edit",),
    "drift of 1 eval": ("single eval", "one eval"),
    "small suites": ("small suite",),
}
"""What a paragraph says that states a rate of these evals or suites."""
_LOOKS_LIKE_A_RATE = re.compile(
    rf"\d[\d.,]*\s*(?:%|percent\b|per\s+cent\b)"
    rf"|(?<![\w.])0?\.\d+(?!\w|\.\d)"
    rf"|\b{_NUMBER}(?:\s+[a-z]+)?\s+(?:in|of|out\s+of)\s+(?:an?\s+)?{_NUMBER}\b",
    re.IGNORECASE,
)


class RateError(ValueError):
    """A page states a number that the study did not find."""


def read_study() -> Study:
    """The file."""
    study: Study = json.loads(FILE.read_text(encoding="utf-8"))
    return study


def show_share(share: float) -> str:
    """A share in percent; 0 % and 100 % are exact."""
    percent = 100 * share
    if 0 < percent < 1 or 99 < percent < 100:
        return f"{min(max(percent, 0.1), 99.9):.1f} %"
    return f"{percent:.0f} %"


def show_rate(rate: Study) -> str:
    """A share in percent, or a mean with one decimal; each with its interval.

    A share of which the interval reaches five points or more to a side has one digit.
    """
    value, low, high = (float(rate[each]) for each in ("value", "low", "high"))
    if rate["unit"] != "share":
        return f"{value:.1f} ({max(low, 0):.1f}–{high:.1f})"
    is_wide = max(value - low, high - value) >= WIDE and 0.1 <= value <= 0.9
    shown = show_share(round(value, 1) if is_wide else value)
    digits = 1 if "." in shown else 0
    return f"{shown} ({100 * low:.{digits}f}–{100 * high:.{digits}f})"


def find(study: Study, part: str, name: str) -> Any:
    """What the file has by that name, which may be broken into lines or stand in a table."""
    name = " ".join(name.replace("\\|", "|").split())
    if name not in study[part]:
        raise RateError(f"there is nothing called {name!r} among the {part} of {FILE.name}")
    return study[part][name]


def show_number(study: Study, kind: str, name: str) -> str:
    """The file's number for a comment ``kind: name``."""
    if kind == "rate":
        return show_rate(find(study, "rates", name))
    return f"{find(study, 'limits', name):g}"


def renew_numbers(study: Study, text: str) -> str:
    """A page with the file's numbers before their names."""

    def renew(match: re.Match[str]) -> str:
        return match[0].replace(match[1], show_number(study, match[2], match[3]), 1)

    return _MARKED.sub(renew, text)


def check_numbers(study: Study, text: str) -> None:
    """Raise a RateError if a number is not the file's."""
    for stated, kind, name in _MARKED.findall(text):
        number = show_number(study, kind, name)
        if stated != number:
            raise RateError(f"it says {stated} of {name!r}, and {FILE.name} {number}")


def check_pools(text: str) -> None:
    """Raise a RateError if a paragraph states a rate and does not name its pool."""
    for paragraph in re.split(r"\n\s*\n|\n(?=- )", text):
        prose = " ".join(_MARKED.sub("", paragraph).lower().split())
        for _, kind, name in _MARKED.findall(paragraph):
            part = " ".join(name.split()).partition(":")[0]
            words = _POOLS.get(part, ()) if kind == "rate" else ()
            if words and not any(each in prose for each in words):
                raise RateError(f"{name!r} is a rate of {words[0]!r}, and its paragraph is not")


def is_about_rates(name: str, text: str) -> bool:
    """Whether a page is about rates: it is, or links to, ``how-sure``."""
    if name.startswith("generated/"):  # conf.py makes it from the package
        return False
    return name == "how-sure" or bool(re.search(r"\]\([^)]*how-sure\.md", text))


def check_prose(text: str) -> None:
    """Raise a RateError if the prose states a number that looks like a rate."""
    prose = _MARKED.sub("·", text)
    for each in _NO_PROSE:
        prose = each.sub(lambda match: "·" + "\n" * match[0].count("\n"), prose)
    for match in _LOOKS_LIKE_A_RATE.finditer(prose):
        line = prose[: match.start()].count("\n") + 1
        number = " ".join(match[0].split())
        raise RateError(
            f"line {line}: {number!r} is a number that {FILE.name} does not give the page. "
            f"Name it as {Path(__file__).name} says, or say it in other words."
        )


def read_page(study: Study, name: str, text: str) -> str:
    """A page as Sphinx reads it: checked, and without the names."""
    check_numbers(study, text)
    check_pools(text)
    if is_about_rates(name, text):
        check_prose(text)
    return _MARKED.sub(lambda match: match[1], text)


def setup(app: Sphinx) -> dict[str, bool]:
    """What Sphinx asks of an extension."""
    from sphinx.errors import ExtensionError

    def on_start(app: Sphinx) -> None:
        try:
            read_page(read_study(), "README", README.read_text(encoding="utf-8"))
        except RateError as error:
            raise ExtensionError(f"README.md: {error}") from None

    def on_source(app: Sphinx, name: str, source: list[str]) -> None:
        if Path(app.env.doc2path(name)).suffix == ".md":
            app.env.note_dependency(str(FILE), docname=name)
            try:
                source[0] = read_page(read_study(), name, source[0])
            except RateError as error:
                raise ExtensionError(f"{name}: {error}") from None

    app.connect("builder-inited", on_start)
    app.connect("source-read", on_source)
    return {"parallel_read_safe": True}


if __name__ == "__main__":
    for page in (README, *HERE.glob("**/*.md")):
        page.write_text(renew_numbers(read_study(), page.read_text("utf-8")), "utf-8")
