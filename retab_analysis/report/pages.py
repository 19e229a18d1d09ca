"""The pages of a report: a comparison with its origins, causes, edits, values and numbers.

Everything that a comparison says of itself comes from ``comparison/render``; a page adds what a
reader needs who was not there.
"""

from __future__ import annotations

import base64
import functools
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from retab_analysis import markup
from retab_analysis.comparison import Comparison
from retab_analysis.comparison.gate import Gate
from retab_analysis.comparison.render import (
    FEWER_ROWS,
    OPEN,
    VALUES,
    Document,
    Row,
    each_row,
    fit_markdown,
    html_code,
    html_table,
    markdown_code,
    markdown_lines,
    markdown_table,
    name_eval,
    say_room,
)
from retab_analysis.comparison.wording import count_noun, phrase
from retab_analysis.markup import Html, markdown, tag
from retab_analysis.report.differences import (
    PATH_HEADER,
    STYLE,
    html_change,
    html_edits,
    list_changes,
    markdown_change,
    markdown_edit_texts,
    markdown_edits,
)
from retab_analysis.report.facts import (
    Fact,
    list_causes,
    list_ids,
    list_left_out,
    list_numbers,
    list_origins,
)

LISTED = 500
"""So many evals are listed in a table."""

_SHORT = 100  # so much of a value stands in a table of Markdown
_PATHS_OPEN = 10  # so many differences are shown at once

# The figure looks the same whatever style its maker prefers; its ground is that of the page.
_LIGHT = "default"
_DARK = ("default", "dark_background", {"figure.facecolor": "#15191e", "axes.facecolor": "#15191e"})
_STYLE = (
    ".rta{max-width:none}.rta h1{font-size:1.7em}.rta h2{font-size:1.3em;margin:1.6em 0 .4em}"
    ".rta h3{font-size:1.05em;margin:1.4em 0 .2em}.rta p,.rta li{max-width:72em}"
    ".rta ul{padding-left:1.4em;margin:.4em 0}"
    ".rta-wide{overflow-x:auto}"
    ".rta-values,.rta-paths{table-layout:fixed;width:100%}"
    ".rta :is(.rta-values,.rta-paths) td code{min-width:0;max-height:30em}"
    ".rta-ids{font-size:.85em;overflow-wrap:anywhere}"
    ".rta-facts th{white-space:nowrap;font-weight:600}.rta-facts td{overflow-wrap:anywhere}"
    ".rta-more>summary{font-size:1.3em;font-weight:600;margin:1em 0 .4em}"
    ".rta-figure{max-width:100%;height:auto;border-radius:6px}"
    "@media (max-width:760px){.rta th,.rta td{padding:.2em .4em}.rta td code{min-width:6em}"
    ".rta-facts th{white-space:normal}"
    # Whether a block was edited is said in the last column, too.
    ".rta-evals tr>:nth-child(4){display:none}}"
    "@page{size:A4;margin:14mm}"
    "@media print{body{margin:0;padding:0;background:#fff;color:#000}"
    f".rta{{{markup.LIGHT_VARIABLES}font-size:9pt}}"
    ".rta td code,.rta :is(.rta-values,.rta-paths) td code{"
    "max-height:none;overflow:visible;min-width:0}"
    ".rta-wide{overflow:visible}.rta tr,.rta-figure{break-inside:avoid}"
    ".rta h2,.rta h3,.rta summary{break-after:avoid}"
    ".rta details::details-content{content-visibility:visible;height:auto}}"
)


def html_page(comparison: Comparison, gate: Gate, values: bool) -> str:
    """A comparison as one HTML file, which loads nothing from anywhere."""
    document = comparison.document()
    pieces = [
        tag("style", Html(_STYLE + STYLE)),
        tag("h1", document.title),
        tag("p", document.explanation, class_="rta-text"),
        _html_facts(list_origins(comparison, gate, datetime.now(UTC))),
        *_html_section("Causes", _html_causes(comparison, values)),
        *_html_section("What was edited", html_edits(comparison, values)),
    ]
    folded = []
    for title, evals in document.sections().items():
        listed = html_table(evals, values=False, limit=LISTED)
        table = tag("div", listed, class_="rta-wide rta-evals")
        if title in OPEN:
            pieces += [tag("h2", title), table]
        else:
            summary = tag("summary", f"{title}: {count_noun(evals.height, 'eval')}")
            folded.append(tag("details", summary, table, class_="rta-more"))
    if comparison.evals.height:
        pieces.append(_figure(comparison, document.title))
    if values:
        pieces += _html_section("Values", _html_values(comparison, document))
    left_out = [tag("li", said) for said in list_left_out(comparison, values, LISTED)]
    pieces += [*folded, *_html_section("Left out", [tag("ul", *left_out)] if left_out else [])]
    numbers = _html_facts(list_numbers(comparison, gate))
    return markup.page(document.title, *pieces, tag("h2", "Numbers"), numbers)


def _html_section(title: str, pieces: Iterable[Html]) -> list[Html]:
    """Pieces under their title; nothing where there is none."""
    listed = list(pieces)
    return [tag("h2", title), *listed] if listed else []


def _html_facts(facts: Iterable[Fact]) -> Html:
    rows = (tag("tr", tag("th", name, scope="row"), tag("td", said)) for name, said in facts)
    return tag("table", tag("tbody", *rows), class_="rta-facts")


def _html_causes(comparison: Comparison, values: bool) -> Iterator[Html]:
    sentences = list_causes(comparison, values)
    if len(sentences):
        yield tag("ul", *(tag("li", said) for said in sentences.head(LISTED)))


@dataclass(frozen=True)
class _MarkdownPage:
    """What a page of Markdown is put together of; values are what it can do without.

    A page is put together again and again until it is short enough, so that what costs time is
    made once.
    """

    comparison: Comparison
    gate: Gate
    values: bool

    @functools.cached_property
    def document(self) -> Document:
        """What is said of the comparison."""
        return self.comparison.document()

    @functools.cached_property
    def head(self) -> list[str]:
        """What comes first: the verdict, what is said, and where it comes from."""
        origins = _markdown_facts(list_origins(self.comparison, self.gate, datetime.now(UTC)))
        document = self.document
        said = markdown_lines(document.explanation)
        return [f"# {markdown(document.title)}", *said, origins]

    @functools.cached_property
    def causes(self) -> list[str]:
        """A line for each cause."""
        return [f"- {markdown(said)}" for said in list_causes(self.comparison, self.values)]

    @functools.cached_property
    def edits(self) -> list[str]:
        """The texts that were edited."""
        return list(markdown_edit_texts(self.comparison)) if self.values else []

    @functools.cached_property
    def evals(self) -> list[str]:
        """What is said of each eval with its values."""
        return list(_markdown_values(self.comparison, self.document)) if self.values else []

    @functools.cached_property
    def numbers(self) -> str:
        """The numbers of the suite, and what the gate makes of them."""
        return _markdown_facts(list_numbers(self.comparison, self.gate))

    def write(self, rows: int, shown: int) -> str:
        """The page with so many rows in a table, and so many texts of edits and values of evals."""
        causes = "\n".join(self.causes[:rows])
        edited = [*markdown_edits(self.comparison), *self.edits[:shown]]
        pieces = [
            *self.head,
            *_section("Causes", [causes] if causes else []),
            *_section("What was edited", edited),
        ]
        for title, flipped in self.document.sections().items():
            pieces += _section(title, markdown_table(flipped, rows))
        missing = len(self.edits) + len(self.evals) - shown
        left_out = [*list_left_out(self.comparison, self.values, rows), *_say_missing(missing)]
        listed = "\n".join(f"- {markdown(said)}" for said in left_out)
        pieces += _section("Values", self.evals[: max(0, shown - len(self.edits))])
        pieces += _section("Left out", [listed] if listed else [])
        pieces += _section("Numbers", [self.numbers])
        return "\n\n".join(piece for piece in pieces if piece) + "\n"


def markdown_page(comparison: Comparison, gate: Gate, values: bool) -> str:
    """A comparison as Markdown that reads well on GitHub, and fits into a pull request."""
    page = _MarkdownPage(comparison, gate, values)
    return fit_markdown(page.write, FEWER_ROWS, len(page.edits) + len(page.evals))


def _say_missing(missing: int) -> Iterator[str]:
    if missing:
        last = "last piece" if missing == 1 else f"last {missing:,} pieces"
        yield f"{say_room(f'the {last} of values and texts')} The report as .html has all of them."


def _section(title: str, pieces: Iterable[str]) -> list[str]:
    listed = list(pieces)
    return [f"## {title}", *listed] if listed else []


def _markdown_facts(facts: Iterable[Fact]) -> str:
    rows = [[markdown(name), markdown(said)] for name, said in facts]
    return markup.markdown_table(("", ""), rows)


def _shown_values(document: Document) -> Iterator[Row]:
    """The evals whose values are shown: those of the sections that are open."""
    for title, evals in document.sections().items():
        if title in OPEN:
            yield from each_row(evals, LISTED)


def _about(row: Row) -> list[str]:
    """What is said of an eval above its values."""
    documents = markup.one_line(", ".join(each for each in row["document_names"] or () if each))
    said = (phrase(row["transition"]), documents, row["condition"], row["failure"], row["reason"])
    return [markup.one_line(each) for each in said if each]


def _html_values(comparison: Comparison, document: Document) -> Iterator[Html]:
    ids = list_ids(comparison)
    for row in _shown_values(document):
        yield tag("h3", markup.name(name_eval(row)))
        yield tag("div", markup.join(*map(markup.name, _about(row)), by=" · "))
        if said := ids[row["eval_id"]]:
            yield tag("div", said, class_="rta-other rta-ids")
        values = [html_code(row[name]) for name in VALUES.values()]
        yield markup.table(list(VALUES), [values], class_="rta-values")
        if changes := list_changes(comparison, row):
            summary = tag("summary", "Where it differs")
            table = markup.table(PATH_HEADER, map(html_change, changes), class_="rta-paths")
            yield tag("details", summary, table, open=len(changes) <= _PATHS_OPEN)


def _markdown_values(comparison: Comparison, document: Document) -> Iterator[str]:
    """What is said of each eval with its values, one text each."""
    ids = list_ids(comparison)
    for row in _shown_values(document):
        pieces = [
            f"### {markdown(name_eval(row))}",
            " · ".join(map(markdown, [*_about(row), *filter(None, [ids[row["eval_id"]]])])),
            markup.markdown_table(list(VALUES), [_short(row)]),
        ]
        if changes := list_changes(comparison, row):
            table = markup.markdown_table(PATH_HEADER, map(markdown_change, changes))
            pieces += ["<details><summary>Where it differs</summary>", table, "</details>"]
        yield "\n\n".join(pieces)


def _short(row: Row) -> list[str]:
    values = (row[name] for name in VALUES.values())
    return [
        markdown_code(None if value is None else markup.one_line(value, _SHORT)) for value in values
    ]


def _figure(comparison: Comparison, title: str) -> Html:
    """The plot of what flipped, once for light and once for dark pages."""
    light, dark = (_image(comparison, style) for style in (_LIGHT, _DARK))
    source = tag("source", srcset=dark, media="screen and (prefers-color-scheme: dark)")
    image = tag("img", src=light, alt=f"What flipped, by block. {title}", class_="rta-figure")
    return tag("p", tag("picture", source, image))


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
