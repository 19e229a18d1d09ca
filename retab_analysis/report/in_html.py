"""A comparison as one HTML file, which loads nothing from anywhere."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any

import polars as pl

from retab_analysis import markup
from retab_analysis.comparison import Comparison
from retab_analysis.comparison.suite_test import BROKEN
from retab_analysis.comparison.wording import counted, phrase
from retab_analysis.markup import Html, tag
from retab_analysis.report import facts
from retab_analysis.report.facts import HEADER, PATH_HEADER, VALUES, Row

# The figure looks the same whatever style its maker prefers; its ground is that of the page.
_LIGHT = "default"
_DARK = ("default", "dark_background", {"figure.facecolor": "#15191e", "axes.facecolor": "#15191e"})
_STYLE = (
    ".rta{max-width:none}.rta h1{font-size:1.7em}.rta h2{font-size:1.3em;margin:1.6em 0 .4em}"
    ".rta h3{font-size:1.05em;margin:1.4em 0 .2em}.rta p{max-width:72em}"
    ".rta-wide{overflow-x:auto}.rta-values{table-layout:fixed;width:100%}"
    ".rta .rta-values td code{min-width:0;max-height:30em}"
    ".rta-more>summary{font-size:1.3em;font-weight:600;margin:1em 0 .4em}"
    ".rta-figure{max-width:100%;height:auto;border-radius:6px}"
)


def as_html(comparison: Comparison, values: bool) -> str:
    """The text of the file."""
    title = facts.title(comparison)
    parts = facts.parts(comparison)
    pieces = [tag("style", Html(_STYLE)), tag("h1", title), tag("p", comparison.explain())]
    flipped = parts.pop("What flipped", None)
    if flipped is not None:
        pieces += [tag("h2", "What flipped"), _html_evals(flipped)]
    if comparison.evals.height:
        pieces.append(_figure(comparison, title))
    if values and flipped is not None:
        pieces += [tag("h2", "Values"), *_html_values(comparison, flipped)]
    for name, evals in parts.items():
        opened = tag("summary", f"{name}: {counted(evals.height, 'eval')}")
        pieces.append(tag("details", opened, _html_evals(evals), class_="rta-more"))
    pieces += [tag("h2", "Numbers"), _html_numbers(comparison)]
    return markup.page(title, *pieces)


def _html_evals(evals: pl.DataFrame) -> Html:
    shown = markup.table(HEADER, (_html_cells(row) for row in facts.rows(evals)))
    return tag("div", shown, facts.more(evals), class_="rta-wide")


def _html_cells(row: Row) -> list[object]:
    what, name, block, code, documents, _, why = facts.cells(row)
    sides = (markup.sign(facts.state(row, side)) for side in ("baseline", "candidate"))
    return [
        tag("span", what, class_=f"rta-tag rta-{_kind(row['transition'])}"),
        tag("span", markup.name(name), title=row["eval_id"]),
        markup.name(markup.one_line(block)),
        "" if code is None else code,
        markup.name(documents),
        tag("span", markup.join(*sides, by=" → "), class_="rta-tag"),
        markup.one_line(why),
    ]


def _kind(transition: str) -> str:
    known = {**dict.fromkeys(BROKEN, "bad"), "fixed": "good", "flaky": "doubt"}
    return known.get(transition, "other")


def _html_values(comparison: Comparison, evals: pl.DataFrame) -> Iterator[Html]:
    for row in facts.rows(evals):
        yield tag("h3", markup.name(facts.name(row)))
        yield tag("div", phrase(row["transition"]), " · ", markup.name(facts.documents(row)))
        values = [_html_code(row[name]) for name in VALUES.values()]
        yield markup.table(list(VALUES), [values], class_="rta-values")
        if changes := facts.changes(comparison, row):
            cells = ([_html_code(each) for each in change] for change in changes)
            opened = tag("summary", "Where it differs")
            yield tag("details", opened, markup.table(PATH_HEADER, cells))


def _html_code(value: str | None) -> object:
    return "–" if value is None else tag("code", value)


def _html_numbers(comparison: Comparison) -> Html:
    cells = (
        tag("tr", tag("th", name, scope="row"), tag("td", said))
        for name, said in facts.numbers(comparison)
    )
    return tag("table", tag("tbody", *cells))


def _figure(comparison: Comparison, title: str) -> Html:
    """The plot of what flipped, once for light and once for dark pages."""
    light, dark = (_image(comparison, style) for style in (_LIGHT, _DARK))
    source = tag("source", srcset=dark, media="(prefers-color-scheme: dark)")
    image = tag("img", src=light, alt=f"What flipped, by block. {title}", class_="rta-figure")
    # Neither has an end tag.
    shown = markup.join(source, image).replace("</source>", "").replace("</img>", "")
    return tag("p", tag("picture", Html(shown)))


def _image(comparison: Comparison, style: Any) -> str:
    from matplotlib import style as styles
    from matplotlib.figure import Figure

    from retab_analysis.plots import plot_comparison

    with styles.context(style):
        height = min(2.5 + 0.4 * comparison.evals["block_id"].n_unique(), 12)
        figure = Figure(figsize=(9, height), layout="constrained")
        plot_comparison(comparison, ax=figure.subplots())
        png = io.BytesIO()
        figure.savefig(png, format="png", dpi=160, metadata={"Software": None})
    return f"data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}"
