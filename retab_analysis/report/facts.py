"""What a report says of where it comes from: workflow, versions, runs, the rule, what is left out.

Only what the comparison knows is said. Nothing is fetched for a report.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from importlib.metadata import version as installed_version

import polars as pl

from retab_analysis.comparison import Comparison
from retab_analysis.comparison.causes import group_causes
from retab_analysis.comparison.comparison import sides_of
from retab_analysis.comparison.gate import Gate
from retab_analysis.comparison.render import Row
from retab_analysis.comparison.sides import Sides
from retab_analysis.comparison.wording import count_noun
from retab_analysis.markup import one_line
from retab_analysis.vocabulary import DRAFT

Fact = tuple[str, str]

_RUNS = 3


def list_origins(comparison: Comparison, gate: Gate, made: datetime) -> list[Fact]:
    """What was compared, when and by what rule it is judged, each with its name.

    Args:
        comparison: The comparison.
        gate: What its gate says.
        made: When the report is made, in UTC.
    """
    sides = sides_of(comparison)
    now = _list_runs(sides.candidate)
    before = _list_runs(_held_against(comparison))
    facts = [
        ("Workflow", _name_workflow(sides)),
        ("Checked", _say_runs(now)),
        ("Held against", _say_runs(before)),
        *(("Version", _say_version(each, sides)) for each in _list_versions(now, before)),
        ("Rule of the gate", gate.rule),
        ("The gate", "holds" if gate else "does not hold; the reasons are among the numbers below"),
        ("Made", f"{_moment(made)} by retab_analysis {installed_version('retab_analysis')}"),
    ]
    return [(name, said) for name, said in facts if said]


def _name_workflow(sides: Sides) -> str:
    ids = sides.candidate["workflow_id"].drop_nulls().unique().to_list()
    known = sides.workflow
    name = None if known is None or known.is_empty() else known["name"][0]
    shown = ", ".join(map(one_line, ids))
    return f"{one_line(name)} ({shown})" if name else shown


def _held_against(comparison: Comparison) -> pl.DataFrame:
    """The results of the runs that the evals are held against."""
    sides = sides_of(comparison)
    if sides.baseline is not None:
        return sides.baseline
    history = sides.candidate.clear() if sides.history is None else sides.history
    held = comparison.evals["baseline_run_id"].drop_nulls().unique()
    return history.filter(pl.col("run_id").is_in(held.implode()))


def _list_runs(results: pl.DataFrame) -> pl.DataFrame:
    """The runs of some results, the newest first."""
    known = results.filter(pl.col("run_id").is_not_null())
    runs = known.group_by("run_id").agg(
        pl.col("run_created_at").min(),
        pl.col("workflow_version_id").drop_nulls().last(),
    )
    order = ("run_created_at", "run_id")
    return runs.sort(order, descending=True, nulls_last=True)


def _say_runs(runs: pl.DataFrame) -> str:
    said = [_say_run(row) for row in runs.head(_RUNS).iter_rows(named=True)]
    if runs.height > _RUNS:
        oldest = runs["run_created_at"].min()
        since = f", the oldest of {_moment(oldest)}" if isinstance(oldest, datetime) else ""
        said.append(f"{count_noun(runs.height - _RUNS, 'further run')}{since}")
    return "; ".join(said)


def _say_run(row: Row) -> str:
    at = row["run_created_at"]
    when = f" of {_moment(at)}" if at is not None else ""
    version = row["workflow_version_id"]
    return f"run {one_line(row['run_id'])}{when}" + (
        f", version {one_line(version)}" if version else ""
    )


def _list_versions(*runs: pl.DataFrame) -> Sequence[str]:
    versions = (each for frame in runs for each in frame["workflow_version_id"].drop_nulls())
    return list(dict.fromkeys(versions))[: 2 * _RUNS]


def _say_version(version: str, sides: Sides) -> str:
    """A version with its date and its release note, where they are known."""
    if sides.versions is None:
        return ""
    found = sides.versions.filter(pl.col("workflow_version_id") == version)
    if found.is_empty():
        # The list holds what was published; a draft is known by its id.
        is_draft = version.startswith(DRAFT)
        return f"{one_line(version)}: {'a draft' if is_draft else 'not among the published ones'}"
    row = found.row(0, named=True)
    number = "" if row["version"] is None else f"number {row['version']}, "
    when = "published" + (f" {_moment(row['published_at'])}" if row["published_at"] else "")
    note = one_line(row["description"])
    current = ", in production" if row["is_current"] else ""
    return f"{one_line(version)}: {number}{when}{current}" + (f" – {note}" if note else "")


def list_causes(comparison: Comparison, values: bool) -> pl.Series:
    """What the flips have in common, a sentence each; without values also without eval's paths."""
    causes = comparison.causes if values else group_causes(comparison.evals)
    return causes["sentence"]


def list_ids(comparison: Comparison) -> Mapping[str, str]:
    """Of each eval the ids by which its results and documents are asked for, in one line."""
    sides = sides_of(comparison)
    known = (sides.candidate, sides.baseline, sides.history)
    frames = [each.select("eval_id", "document_ids") for each in known if each is not None]
    with_documents = pl.concat(frames).filter(pl.col("document_ids").list.len() > 0)
    documents = dict(with_documents.unique("eval_id", keep="first", maintain_order=True).rows())
    columns = ("eval_id", "baseline_result_id", "candidate_result_id")
    return {
        eval_id: _say_ids(results, documents.get(eval_id, ()))
        for eval_id, *results in comparison.evals.select(columns).iter_rows()
    }


def _say_ids(results: Sequence[str | None], documents: Sequence[str | None]) -> str:
    groups = {"results": (results, " → "), "documents": (documents, ", ")}
    said = [
        f"{title} {by.join(one_line(each) for each in ids if each)}"
        for title, (ids, by) in groups.items()
        if any(ids)
    ]
    return " · ".join(said)


def list_numbers(comparison: Comparison, gate: Gate) -> list[Fact]:
    """The numbers of the suite, each with its name; and what the gate makes of them."""
    row = comparison.summary.row(0, named=True)
    return [
        ("Pass rate before", _share(row["baseline_pass_rate"])),
        ("Pass rate now", _share(row["candidate_pass_rate"])),
        ("Evals decided on both sides", f"{row['n_evals']}"),
        ("Independent documents", f"{row['n_documents']}"),
        ("Change over them", _change(row, comparison.alpha)),
        ("p of the suite's test", "–" if row["p_value"] is None else f"{row['p_value']:.2g}"),
        ("Probability that any eval got worse", _share(row["p_any_regressed"])),
        ("The gate", "holds" if gate else " ".join(gate.reasons)),
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


def list_left_out(comparison: Comparison, values: bool, listed: int) -> Iterator[str]:
    """What the report does not show, and why; one sentence each.

    Args:
        comparison: The comparison.
        values: Whether values are shown.
        listed: How many evals a table holds at most.
    """
    row = comparison.summary.row(0, named=True)
    if passing := row["still_passing"]:
        verb = "passes" if passing == 1 else "pass"
        yield f"{count_noun(passing, 'eval')} that still {verb}: only counted, nothing is to do."
    longest = max((evals.height for evals in comparison.document().sections().values()), default=0)
    if longest > listed:
        yield f"What comes after the first {listed} evals of a table, to keep the report short."
    if not values:
        yield (
            "Expected and actual values, conditions, failure messages, and what prompts and "
            "schemas say: the report was written without values, because they are the customers'."
        )
    if sides_of(comparison).edits is None and (comparison.evals["cause"] == "edit").any():
        yield "What was edited: the API could not be asked for it, or was not asked."


def _moment(moment: datetime) -> str:
    return f"{moment.day} {moment:%b %Y, %H:%M} UTC"
