"""How ``make docs`` builds the pages: every cell is executed against the sandbox."""

from __future__ import annotations

import os
import re
import shutil
import sys
import warnings
from pathlib import Path

from sphinx.application import Sphinx

import retab_analysis as ra
from retab_analysis import schema

HERE = Path(__file__).parent
MADE = HERE / "generated"  # not in git: copies of the notebooks, and a page for each frame

project = "retab_analysis"
author = copyright = "The retab_analysis developers"
version = release = ra.__version__
language = "en"

sys.path.insert(0, str(HERE))
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "rates"]
# A program writes a part of the tables, below another heading than here.
suppress_warnings = ["myst.header"]
exclude_patterns = ["skill"]  # for programs
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

# A page is as true as its cells: each is executed, and an error ends the build. There is no key in
# the environment.
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_execution_in_temp = True
nb_merge_streams = True
os.environ |= {
    "JUPYTER_PREFER_ENV_PATH": "1",
    # Frames as short as a page wants them.
    "POLARS_FMT_MAX_ROWS": "12",
    "POLARS_FMT_STR_LEN": "60",
    "POLARS_FMT_TABLE_HIDE_COLUMN_DATA_TYPES": "1",
    "POLARS_FMT_TABLE_HIDE_DATAFRAME_SHAPE_INFORMATION": "1",
}
for name in [name for name in os.environ if name.startswith("RETAB_")]:
    del os.environ[name]

# A widget needs a kernel and, in a page, a script from a CDN. Our views give the same as HTML,
# which goes first. A progress bar leaves nothing: its text at some moment has the priority 100.
nb_ipywidgets_js: dict[str, object] = {}
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", 95)]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
maximum_signature_line_length = 88  # a longer one has a line for each parameter
autodoc_preserve_defaults = False
napoleon_google_docstring = True
napoleon_use_rtype = False

nitpicky = True
nitpick_ignore_regex = [("py:class", r"(?!retab_analysis\.[A-Z]).*")]  # in signatures
nitpick_ignore = [
    ("py:class", "polars.dataframe.frame.DataFrame"),  # a field of Comparison
    ("py:class", "retab_analysis.comparison.gate.GateRule"),  # a field of Gate
    ("py:func", "settle"),  # Gate names it from another module
]

html_theme = "furo"
html_title = f"retab_analysis {version}"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False

# Sphinx and its extensions warn of one another's old names, and we cannot fix that.
warnings.filterwarnings("ignore", module=r"(sphinx|myst_nb|myst_parser|jupyter_cache)\b")


def _copy_notebooks() -> None:
    for notebook in sorted((HERE.parent / "notebooks").glob("*.ipynb")):
        target = MADE / notebook.name
        if not target.exists() or target.read_bytes() != notebook.read_bytes():
            shutil.copyfile(notebook, target)


# Each frame: its rows, the functions that return it, and where to read on.
FRAMES = {
    "RUNS": (
        "eval run",
        "`fetch_runs`, `fetch_run`, `start_runs` and `wait_for_runs` return it.",
        ["[Fetch runs and results](../reference/fetch.md)", "[RESULTS](results.md)"],
    ),
    "RESULTS": (
        "eval in a run",
        "`fetch_results`, `fetch_result` and `decode_results` return it.",
        ["[Fetch runs and results](../reference/fetch.md)", "[RUNS](runs.md)"],
    ),
    "EVALS": (
        "saved eval",
        "`fetch_evals` and `decode_evals` return it.",
        ["[Fetch evals](../reference/workflows.md)", "[RESULTS](results.md)"],
    ),
    "WORKFLOWS": (
        "workflow",
        "`fetch_workflows` returns it.",
        ["[Fetch workflows](../reference/workflows.md)", "[VERSIONS](versions.md)"],
    ),
    "VERSIONS": (
        "publication of a version",
        "`fetch_versions` returns it.",
        ["[Fetch versions](../reference/workflows.md)", "[EDITS](edits.md)"],
    ),
    "EDITS": (
        "era of a block, from one edit to the next",
        "`fetch_edits` returns it.",
        ["[Which edit did it?](../how-to/verdict.md#which-edit-did-it)", "[VERSIONS](versions.md)"],
    ),
    "CONFIG_CHANGES": (
        "field that was edited",
        "`fetch_config_changes` returns it, and so does `verdict.config_changes`.",
        ["[Which edit did it?](../how-to/verdict.md#which-edit-did-it)", "[EDITS](edits.md)"],
    ),
    "TRIES": (
        "code of a block in time",
        "`Tries.frame` is such a frame, the newest try first; `tries` returns it.",
        ["[From red to green](../how-to/red-to-green.md)", "[EDITS](edits.md)"],
    ),
    "COMPARISON": (
        "eval that was compared",
        "`verdict.evals` is such a frame. `verdict.broken`, `unclear`, `flaky`, `fixed`, `new`, "
        "`stale` and `near` hold a part of its rows.",
        ["[The verdict](../reference/verdict.md)", "[How sure is it?](../how-sure.md)"],
    ),
}


def _write_frames() -> None:
    """A page of columns for each frame, from the table that the package itself uses."""
    for old in {*MADE.glob("*.md")} - {MADE / f"{name.lower()}.md" for name in FRAMES}:
        old.unlink()  # of an earlier build, which Sphinx would find
    for name, (row, given, also) in FRAMES.items():
        table = getattr(schema, name).describe()
        shown = ["name", "meaning", "dtype", *["source"] * table["source"].ne("").any()]
        text = [
            f"# {name}: one row for each {row}\n",
            f"{given} In Python, `ra.schema.{name}.describe()` returns this table as a frame.",
            "*Source* is the path in the API's document.\n" if "source" in shown else "",
            f"| {' | '.join(shown)} |",
            "|-" * len(shown) + "|",
        ]
        for each in table.iter_rows(named=True):
            each["dtype"] = each["dtype"].replace("(time_unit='us', time_zone='UTC')", "(us, UTC)")
            coded = {column: f"`{each[column]}`" for column in ("name", "dtype")}
            if each["dtype"].startswith("List"):
                each["meaning"] += " (a list: for a CSV, `ra.write_csv`)"
            cells = [(each | coded)[at].replace("|", r"\|").replace("<", "&lt;") for at in shown]
            text.append(f"| {' | '.join(cells)} |")
        text += ["", "**See also**", "", *(f"- {link}" for link in also)]
        text += ["- [The other frames](../reference/index.md#frames)", ""]
        page, made = MADE / f"{name.lower()}.md", "\n".join(text)
        if not page.exists() or page.read_text(encoding="utf-8") != made:
            page.write_text(made, encoding="utf-8")


def _write_entries(app: Sphinx, name: str, source: list[str]) -> None:
    """Entries of the index, which the search puts first; GitHub shows nothing of a comment."""

    def write(comment: re.Match[str]) -> str:
        entries = ", ".join(f"! {each}" for each in comment[1].split(", "))
        return f"```{{index}} {entries}\n```"

    source[0] = re.sub(r"<!-- index: (.+) -->", write, source[0])


def _keep_colons(
    app: Sphinx, what: str, name: str, it: object, how: object, lines: list[str]
) -> None:
    """In the first line of a property, napoleon takes the words before a colon for a type."""
    if what == "property":
        lines[0] = lines[0].replace(": ", " – ")


def setup(app: Sphinx) -> None:
    """Sphinx calls this."""
    app.connect("source-read", _write_entries)
    app.connect("autodoc-process-docstring", _keep_colons, priority=100)  # before napoleon


MADE.mkdir(exist_ok=True)
_copy_notebooks()
_write_frames()
