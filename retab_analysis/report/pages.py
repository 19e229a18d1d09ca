"""The pages of a report: a comparison with its figure, its values and its numbers.

Everything that a comparison says of itself comes from ``comparison/render``; a page adds what a
reader needs who was not there: where values differ, the numbers of the suite, the gate.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any

import polars as pl

from retab_analysis import markup
from retab_analysis.comparison import Comparison
from retab_analysis.comparison.render import (
    OPEN,
    VALUES,
    Document,
    Row,
    each_row,
    html_code,
    html_table,
    markdown_code,
    markdown_table,
    name_eval,
)
from retab_analysis.comparison.wording import count_noun, phrase
from retab_analysis.markup import Html, markdown, tag

LISTED = 500
"""So many evals are listed in a table."""

_PATHS = 30
_SHORT = 100  # so much of a value stands in a table of Markdown
_PATH_HEADER = ("Path", "Before", "Now")

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


def html_page(comparison: Comparison, values: bool) -> str:
    """A comparison as one HTML file, which loads nothing from anywhere."""
    document = comparison.document()
    pieces = [
        tag("style", Html(_STYLE)),
        tag("h1", document.title),
        tag("p", document.explanation),
    ]
    folded = []
    for title, evals in document.sections().items():
        table = tag("div", html_table(evals, values=False, limit=LISTED), class_="rta-wide")
        if title in OPEN:
            pieces += [tag("h2", title), table]
        else:
            summary = tag("summary", f"{title}: {count_noun(evals.height, 'eval')}")
            folded.append(tag("details", summary, table, class_="rta-more"))
    if comparison.evals.height:
        pieces.append(_figure(comparison, document.title))
    if values:
        pieces += _html_values(comparison, document)
    numbers = _html_numbers(comparison)
    return markup.page(document.title, *pieces, *folded, tag("h2", "Numbers"), numbers)


def markdown_page(comparison: Comparison, values: bool) -> str:
    """A comparison as Markdown that reads well on GitHub."""
    document = comparison.document()
    pieces = [f"# {markdown(document.title)}", markdown(document.explanation)]
    for title, evals in document.sections().items():
        pieces += [f"## {title}", *markdown_table(evals, values=False, limit=LISTED)]
    if values:
        pieces += _markdown_values(comparison, document)
    numbers = [[markdown(name), markdown(said)] for name, said in list_numbers(comparison)]
    pieces += ["## Numbers", markup.markdown_table(("", ""), numbers)]
    return "\n\n".join(piece for piece in pieces if piece) + "\n"


def list_numbers(comparison: Comparison) -> list[tuple[str, str]]:
    """The numbers of the suite, each with its name."""
    row = comparison.summary.row(0, named=True)
    gate = comparison.gate()
    return [
        ("Pass rate before", _share(row["baseline_pass_rate"])),
        ("Pass rate now", _share(row["candidate_pass_rate"])),
        ("Evals decided on both sides", f"{row['n_evals']}"),
        ("Independent documents", f"{row['n_documents']}"),
        ("Change over them", _change(row, comparison.alpha)),
        ("p of the suite's test", "–" if row["p_value"] is None else f"{row['p_value']:.2g}"),
        ("Probability that any eval got worse", _share(row["p_any_regressed"])),
        ("Gate with its default rule", "holds" if gate else " ".join(gate.reasons)),
        *(("Note", note) for note in gate.notes),
    ]


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _change(row: Row, alpha: float) -> str:
    if row["delta"] is None:
        return "–"
    said = f"{100 * row['delta']:+z.1f} points"
    if row["delta_low"] is not None:
        low, high = 100 * row["delta_low"], 100 * row["delta_high"]
        said += f" ({100 - 100 * alpha:.4g} % interval {low:+z.1f} to {high:+z.1f})"
    return said.replace("-", "−")


def _shown_values(document: Document) -> Iterator[Row]:
    """The evals whose values are shown: those of the sections that are open."""
    for title, evals in document.sections().items():
        if title in OPEN:
            yield from each_row(evals, LISTED)


def _changes(comparison: Comparison, row: Row) -> list[tuple[str | None, ...]]:
    """Where long values of the two sides differ: path, before, now."""
    if max(len(row[name] or "") for name in VALUES.values()) <= _SHORT:
        return []
    differing = comparison.diff(row["eval_id"])
    moved = pl.col("path").str.ends_with("])")  # both texts are equal, and it stands elsewhere
    sides = differing.filter(pl.col("baseline").ne_missing(pl.col("candidate")) | moved)
    listed = sides.select("path", "baseline", "candidate").head(_PATHS).rows()
    more = sides.height - _PATHS
    return listed if more <= 0 else [*listed, (f"… and {more:,} more", None, None)]


def _documents(row: Row) -> str:
    return markup.one_line(", ".join(each for each in row["document_names"] or () if each))


def _html_values(comparison: Comparison, document: Document) -> Iterator[Html]:
    rows = list(_shown_values(document))
    if rows:
        yield tag("h2", "Values")
    for row in rows:
        yield tag("h3", markup.name(name_eval(row)))
        about = [phrase(row["transition"]), _documents(row), row["condition"], row["failure"]]
        yield tag("div", markup.join(*(markup.name(each) for each in about if each), by=" · "))
        values = [html_code(row[name]) for name in VALUES.values()]
        yield markup.table(list(VALUES), [values], class_="rta-values")
        if changes := _changes(comparison, row):
            cells = ([html_code(each) for each in change] for change in changes)
            summary = tag("summary", "Where it differs")
            yield tag("details", summary, markup.table(_PATH_HEADER, cells))


def _html_numbers(comparison: Comparison) -> Html:
    cells = (
        tag("tr", tag("th", name, scope="row"), tag("td", said))
        for name, said in list_numbers(comparison)
    )
    return tag("table", tag("tbody", *cells))


def _markdown_values(comparison: Comparison, document: Document) -> Iterator[str]:
    rows = list(_shown_values(document))
    if not rows:
        return
    yield "## Values"
    yield markup.markdown_table(
        ("Eval", "Document", *VALUES),
        ([markdown(name_eval(row)), markdown(_documents(row)), *_short(row)] for row in rows),
    )
    for row in rows:
        if changes := _changes(comparison, row):
            # The name is code, because Markdown's own escapes mean nothing inside of HTML, and
            # GitHub would still look for an @ to notify somebody.
            name = markup.markdown_code(name_eval(row))
            yield f"<details><summary>Where it differs: {name}</summary>"
            cells = ([markdown_code(each) for each in change] for change in changes)
            yield markup.markdown_table(_PATH_HEADER, cells)
            yield "</details>"


def _short(row: Row) -> list[str]:
    values = (row[name] for name in VALUES.values())
    return [
        markdown_code(None if value is None else markup.one_line(value, _SHORT)) for value in values
    ]


def _figure(comparison: Comparison, title: str) -> Html:
    """The plot of what flipped, once for light and once for dark pages."""
    light, dark = (_image(comparison, style) for style in (_LIGHT, _DARK))
    source = tag("source", srcset=dark, media="(prefers-color-scheme: dark)")
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
