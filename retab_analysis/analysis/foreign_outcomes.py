"""A door for outcomes of other checks: any frame of them becomes a RESULTS frame."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from retab_analysis.errors import ConfigError, described
from retab_analysis.schema import RESULTS, Datetime, as_polars, checked
from retab_analysis.vocabulary import DECIDED, STATES, TERMINAL

Source = str | pl.Expr | None


def outcomes(
    frame: object,
    *,
    eval: str | pl.Expr,
    passed: str | pl.Expr,
    run: Source = None,
    at: Source = None,
    version: Source = None,
    block: Source = None,
    document: Source = None,
) -> pl.DataFrame:
    """Make a RESULTS frame of outcomes that are not Retab's: of pytest, promptfoo, your own.

    What takes a RESULTS frame works on it: :func:`compare`, :func:`compare_versions`,
    :func:`blame`, :func:`flaky_evals`, :func:`summarize_evals`, :func:`plot_verdicts`.

    Args:
        frame: A frame of polars, pandas, pyarrow or duckdb, one row for each outcome. Its columns
            that bear the name and dtype of a RESULTS column (``duration_ms``, ``expected_value``,
            ``actual_value``, ``failure_message``, ``score`` …) are taken as those; all others but
            the ones that are made here stay beside ours.
        eval: What was checked: a column that holds the same text in every run, or a polars
            expression, as in all that follow.
        passed: Whether it passed: booleans, where null is not decided yet, or the words passed,
            failed, blocked, error, cancelled, unscored.
        run: What was executed together. Without it the frame is one run.
        at: When it was: times with a time zone, or dates. A run is as old as its first outcome, and
            the order of runs is what history means. Without it, it was now; several runs need it.
        version: What names the code that was checked, such as a commit. Where it is the same, an
            eval that comes out otherwise is flaky or drifts; where it is not, it may be an edit.
        block: The part of the system that is checked; what shares it is likely to break together.
        document: The input, a text or a list of texts: evals that share it are not independent.

    Returns:
        A RESULTS frame, then your own columns, in the frame's order of rows. ``state``, ``verdict``
        and ``status`` follow from ``passed``; ``eval_id`` and ``eval_name`` are both the eval.

    Raises:
        ConfigError: It is not a frame, or an argument does not name such a column.
        SchemaError: A column bears the name of a RESULTS column, and does not hold its dtype.

    Example:
        >>> nightly = pl.DataFrame({
        ...     "test": ["parses", "totals", "parses", "totals"],
        ...     "ok": [True, True, True, False],
        ...     "commit": ["a1f", "a1f", "b7c", "b7c"],
        ...     "day": pl.Series(["2026-11-01", "2026-11-01", "2026-11-02", "2026-11-02"]),
        ... })
        >>> results = ra.outcomes(
        ...     nightly, eval="test", passed="ok", run="commit", version="commit",
        ...     at=pl.col("day").str.to_date(),
        ... )
        >>> verdict = ra.compare_versions(results, "a1f", "b7c")
        >>> verdict.evals.filter(candidate_state="failed")["eval_name"].to_list()
        ['totals']
    """
    given = as_polars(frame, "frame")
    if given is None:
        raise ConfigError(f"frame must be a frame of outcomes, got {described(frame)}")
    rows = given.lazy().collect()
    texts = {"eval": eval, "run": run, "version": version, "block": block}
    read = pl.DataFrame(
        [
            *(_read_text(rows, name, source) for name, source in texts.items()),
            _read_state(rows, passed),
            _read_time(rows, at),
            _read_documents(rows, document),
        ]
    )
    if nameless := read["eval"].null_count():
        raise ConfigError(f"eval is null in {nameless} rows: say what was checked there")
    if at is None and read["run"].n_unique() > 1:
        raise ConfigError("several runs need at=, since what came first is what history means")
    ours = _name_as_results(read)
    own = rows.select(name for name in rows.columns if name not in ours.columns)
    both = pl.concat([ours, own], how="horizontal")
    absent = [pl.lit(None, dtype).alias(n) for n, dtype in RESULTS.schema.items() if n not in both]
    declared = RESULTS.schema.names()
    whole = both.with_columns(absent).select(*declared, pl.exclude(declared))
    return checked(whole, RESULTS, declared, "frame").collect()


def _name_as_results(read: pl.DataFrame) -> pl.DataFrame:
    """The columns of a RESULTS frame that follow from what the arguments name."""
    when, state = pl.col("created_at"), pl.col("state")
    number = pl.int_range(1, pl.len() + 1).over("run_id", "eval")
    return read.with_columns(
        run_id=pl.coalesce("run", "run of " + when.min().dt.to_string("iso"))
    ).select(
        "state",
        "document_names",
        "run_id",
        "created_at",
        eval_name="eval",
        eval_id="eval",
        block_id="block",
        workflow_version_id="version",
        run_created_at=when.min().over("run_id"),
        result_id=pl.format("{}/{}/{}", "run_id", "eval", number),
        status=pl.when(state.is_in(TERMINAL)).then(state).otherwise(pl.lit("completed")),
        verdict=pl.when(state.is_in(DECIDED)).then(state),
    )


def _read(rows: pl.DataFrame, name: str, source: Source) -> pl.Series:
    """What an argument names, as long as the frame; nulls where it was not given."""
    if isinstance(source, str) and source in rows.columns:
        return rows[source].alias(name)
    is_needed = name in ("eval", "passed")
    if not isinstance(source, pl.Expr) and (source is not None or is_needed):
        there = ", ".join(rows.columns) or "none"
        raise ConfigError(
            f"{name} must be a column of the frame or a polars expression, got {source!r}; "
            f"the columns are {there}"
        )
    value = pl.lit(None) if source is None else source
    try:
        # Beside a column that is as long as the frame, so that a single value becomes as long, too.
        return rows.select(pl.int_range(pl.len()).alias("row"), value.alias(name))[name]
    except pl.exceptions.PolarsError as error:
        raise ConfigError(f"{name} cannot be computed from this frame: {error}") from None


def _read_text(rows: pl.DataFrame, name: str, source: Source) -> pl.Series:
    found = _read(rows, name, source)
    if found.dtype.is_nested() or found.dtype == pl.Object:
        raise ConfigError(f"{name} must hold single values, got {found.dtype}")
    return found.cast(pl.String)


def _read_state(rows: pl.DataFrame, source: Source) -> pl.Series:
    found = _read(rows, "passed", source)
    if found.dtype in (pl.Boolean, pl.Null):
        words = {True: "passed", False: "failed"}
        found = found.cast(pl.Boolean).replace_strict(words, return_dtype=pl.String)
    elif not isinstance(found.dtype, pl.String | pl.Categorical | pl.Enum):
        raise ConfigError(
            f"passed must hold booleans or states, got {found.dtype}: say from where on it passes, "
            'for example passed=pl.col("score") >= 0.8'
        )
    state = found.cast(pl.String).fill_null("unscored").alias("state")
    unknown = state.filter(~state.is_in(STATES)).unique(maintain_order=True).head(3).to_list()
    if unknown:
        raise ConfigError(
            f"passed holds {', '.join(map(repr, unknown))}; the states are {', '.join(STATES)}"
        )
    return state


def _read_time(rows: pl.DataFrame, source: Source) -> pl.Series:
    if source is None:
        source = pl.lit(datetime.now(UTC), Datetime)
    found = _read(rows, "at", source).alias("created_at")
    if found.dtype == pl.Date:
        return found.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    if isinstance(found.dtype, pl.Datetime) and found.dtype.time_zone:
        return found.dt.convert_time_zone("UTC").dt.cast_time_unit("us")
    raise ConfigError(
        f"at must hold dates, or times with a time zone, got {found.dtype}: "
        'pl.col(…).str.to_datetime(time_zone="UTC") reads texts, '
        '.dt.replace_time_zone("UTC") names the zone of times'
    )


def _read_documents(rows: pl.DataFrame, source: Source) -> pl.Series:
    found = _read(rows, "document", source)
    if not isinstance(found.dtype, pl.List):
        found = _read_text(rows, "document", source).reshape((-1, 1)).arr.to_list()
    return found.cast(pl.List(pl.String)).list.drop_nulls().alias("document_names")
