"""``Archive``: a file of the API's records, to read them without asking again."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import product
from pathlib import Path
from typing import Self, TypeVar

import polars as pl

from retab_analysis.archive import records
from retab_analysis.archive.cache import Cache
from retab_analysis.archive.database import alone, connected, prepare, reporting
from retab_analysis.archive.hive import PARTITION_COLUMNS, claim, refuse_older, write_table
from retab_analysis.archive.mirror import Mirror, to_micros
from retab_analysis.arguments import Guided, When, check_choice, check_flag, check_path, read_moment
from retab_analysis.config import ARCHIVE_VARIABLE
from retab_analysis.decode import Problems, report_problems
from retab_analysis.errors import (
    ArchiveError,
    ConfigError,
    ProblemsWarning,
    RetabAnalysisError,
    mask_keys,
)
from retab_analysis.fetch.lists import WORKFLOW_ID, resolve_workflow
from retab_analysis.fetch.params import (
    OneOrSeveral,
    client_or_default,
    list_values,
)
from retab_analysis.fetch.threads import apart
from retab_analysis.progress import Progress, show_progress
from retab_analysis.schema import EDITS, EVALS, RESULTS, RUNS, VERSIONS, Table
from retab_analysis.schema.conversion import check_polars_threads
from retab_analysis.transport import Client

T = TypeVar("T")

_CHANGES = "workflow_id kind document_id change"
Reader = Callable[[Table, sqlite3.Connection, Sequence[str]], tuple[T, Problems]]


class Archive(Guided, called="archive"):
    """Runs, results, saved evals, versions and edits of workflows, in one local file.

    On the server, deleting a saved eval deletes its history, and edits change evals and blocks in
    place. The archive keeps that history, and every state of a saved eval or of a block of the
    draft that a sync has seen. It keeps each document as the API sent it, byte by byte: a later
    version of this library finds its new columns in old documents.

    The file is SQLite, for any number of threads and processes. A second sync waits for the first,
    for ten minutes at most. The file holds customers' data, and only its owner may read it. Scans
    leave out a document that does not decode, or is damaged, with a ``ProblemsWarning``. They read
    runs and results from Parquet files, in a folder next to the file, with its name and
    ``-tables``, and write missing, stale or damaged ones again. You may delete them.

    Args:
        path: The file, which is created if it does not exist. By default the path in the variable
            ``RETAB_ANALYSIS_ARCHIVE``, or ``~/.retab_analysis/archive.sqlite``.

    Attributes:
        path: The file.

    Raises:
        ConfigError: The path cannot be used.
        ArchiveError: The file is not an archive, is damaged, or has the format of a later version;
            it stays as it is. An earlier format is upgraded, at once or not at all.

    Example:
        >>> with ra.Archive("kept.sqlite") as archive:
        ...     changes = archive.sync("wf_claims")
        ...     runs = archive.scan_runs().filter(pl.col("scope") == "workflow").collect()
        >>> sorted(changes["kind"].unique())
        ['blocks', 'edits', 'evals', 'results', 'runs', 'versions']
        >>> ra.summarize_runs(runs).height > 0
        True
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path = _default_path() if path is None else check_path("path", path)
        self._is_closed = False
        self._cache = Cache(self.path)
        prepare(self.path)

    def sync(
        self,
        workflow_id: OneOrSeveral,
        *,
        results: bool = True,
        since: When = None,
        refresh: bool = False,
        client: Client | None = None,
        progress: Progress | bool | None = None,
    ) -> pl.DataFrame:
        """Bring the archive up to date: first all of a workflow, later only changes.

        Later syncs fetch only new runs and runs that were still going on, with their results. They
        list runs until a hundred in a row are known. If nothing changed, a sync takes four requests
        per workflow: runs, saved evals, versions, and the draft's blocks. It reads the history of a
        block again after an edit of the block or a publication. An interrupted sync resumes.

        Only ``refresh`` finds some rare changes. A run appears late, is deleted or goes on behind a
        hundred newer ones. A result changes, but its run does not. A saved eval is edited or
        deleted behind a hundred newer ones, before another run comes.

        Args:
            workflow_id: The workflow, or several, by id or name.
            results: Also the results of the runs. False leaves them for a later sync.
            since: Only runs created then or later, as ``from_date`` of :func:`fetch_runs`. Older
                records stay in the archive; a later sync with None reads the rest.
            refresh: Read everything again, also the results of runs that have ended.
            client: The client to ask; by default the session's.
            progress: False for no progress bar; by default a notebook or a terminal shows one.

        Returns:
            A frame of ``workflow_id, kind, document_id, change`` (String), one row per changed
            document: ``added``, ``changed``, or ``gone`` from the server; then the archive keeps
            its last state. ``skipped``, without an id, is a list that the API does not have.

        Raises:
            ConfigError: An argument cannot be used. Or there are no records and one more request
                finds no such workflow.
            ArchiveError: The file cannot be written. Its earlier content is intact.
            RetabAnalysisError: The API failed, see :mod:`retab_analysis.errors`. The archive keeps
                the records that came; the error's ``.partial`` has their changes.

        Warns:
            ProblemsWarning: Documents did not decode; those without an id are not kept.

        Example:
            >>> archive = ra.Archive("claims.sqlite")
            >>> changes = archive.sync("wf_claims", results=False)
            >>> changes.filter(pl.col("kind") == "runs").height > 0
            True
        """
        self._check_usable()
        workflows = list_values("workflow_id", workflow_id)
        if workflows is None:
            raise ConfigError("workflow_id is None; expected the id of a workflow, or several")
        check_flag("results", results)
        check_flag("refresh", refresh)
        moment = read_moment("since", since, datetime.now(UTC))
        start = None if moment is None else to_micros(moment)
        with self._mirroring(client, progress) as mirror:
            for each in workflows:
                mirror.sync(
                    resolve_workflow(mirror.client, each), start, results=results, refresh=refresh
                )
                if mirror.failed is not None:
                    raise mirror.failed
        return records.make_frame(mirror.changes, _CHANGES)

    @contextlib.contextmanager
    def _mirroring(
        self, client: Client | None, progress: Progress | bool | None, *, to_check: bool = False
    ) -> Iterator[Mirror]:
        """A sync while no other goes on; at its end it warns of documents that do not decode."""
        shown = show_progress(progress, "archive", "documents")
        with shown as bar, connected(self.path) as db, alone(self.path):
            mirror = Mirror(db, client_or_default(client), bar, to_check=to_check)
            try:
                yield mirror
            except RetabAnalysisError as error:
                error.partial, error.cursor = records.make_frame(mirror.changes, _CHANGES), None
                raise
        if problems := mirror.problems:
            told = (
                f"{problems.total:,} documents do not decode, see .problems; they are kept, except "
                f"where they have no id; the first: {problems[0].record_id or '(no id)'} "
                f"at {problems[0].path}: {problems[0].reason}"
            )
            warnings.warn(ProblemsWarning(told, problems.frame()), stacklevel=5)

    def scan_runs(self, workflow_id: OneOrSeveral = None, *, gone: bool = True) -> pl.LazyFrame:
        """The runs in the archive: by workflow, the newest first.

        Args:
            workflow_id: The id of the workflow, or several ids (no names); by default all.
            gone: Also runs that are gone from the server.

        Returns:
            A LazyFrame of RUNS, like the frame of :func:`fetch_runs` for each workflow.

        Raises:
            ConfigError: An argument cannot be used.
            ArchiveError: The file is damaged; :meth:`verify` says where.

        Example:
            >>> archive = ra.Archive("claims.sqlite")
            >>> changes = archive.sync("wf_claims", results=False)
            >>> archive.scan_runs("wf_claims").select(pl.col("duration_ms").max()).collect().height
            1
        """
        read = partial(self._cache.scan, gone=check_flag("gone", gone))
        return self._scan([RUNS], workflow_id, read)[0]

    def scan_results(self, workflow_id: OneOrSeveral = None, *, gone: bool = True) -> pl.LazyFrame:
        """The results in the archive: by workflow, the newest run first, then in the API's order.

        ``eval_name``, ``block_label`` and ``path`` are the last ones seen.

        Args:
            workflow_id: As in :meth:`scan_runs`.
            gone: Also results that are gone from the server, or whose runs are.

        Returns:
            A LazyFrame of RESULTS, like the frame of :func:`fetch_results` for each workflow.

        Raises:
            ConfigError, ArchiveError: As :meth:`scan_runs`.

        Example:
            >>> archive = ra.Archive("claims.sqlite")
            >>> changes = archive.sync("wf_claims", since="2026-01-01")
            >>> failed = archive.scan_results().filter(pl.col("state") == "failed").collect()
            >>> failed["workflow_id"].unique().to_list()
            ['wf_claims']
        """
        read = partial(self._cache.scan, gone=check_flag("gone", gone))
        return self._scan([RESULTS], workflow_id, read)[0]

    def scan_evals(
        self, workflow_id: OneOrSeveral = None, *, history: bool = False
    ) -> pl.LazyFrame:
        """The evals that were saved at the last sync: by workflow, the newest first.

        Args:
            workflow_id: As in :meth:`scan_runs`.
            history: Every state of every eval that a sync has seen, gone evals included, the latest
                state of each first.

        Returns:
            A LazyFrame of EVALS, with ``block_label``. With ``history``, three columns more:
            ``first_seen_at`` and ``last_seen_at`` of the state (Datetime), and ``is_gone``, whether
            the eval is not saved any more (Boolean).

        Raises:
            ConfigError, ArchiveError: As :meth:`scan_runs`.

        Example:
            >>> archive = ra.Archive("claims.sqlite")
            >>> changes = archive.sync("wf_claims", results=False)
            >>> archive.scan_evals().collect().height == ra.fetch_evals("wf_claims").height
            True
        """
        read = records.read_states if check_flag("history", history) else records.read_saved
        return self._scan([EVALS], workflow_id, read)[0].lazy()

    def scan_versions(self, workflow_id: OneOrSeveral = None) -> pl.LazyFrame:
        """The published versions in the archive: by workflow, the newest first.

        Args:
            workflow_id: As in :meth:`scan_runs`.

        Returns:
            A LazyFrame of VERSIONS, like the frame of :func:`fetch_versions` for each workflow.

        Raises:
            ConfigError, ArchiveError: As :meth:`scan_runs`.

        Example:
            >>> archive = ra.Archive("claims.sqlite")
            >>> changes = archive.sync("wf_claims", results=False)
            >>> archive.scan_versions().filter(pl.col("is_current")).collect().height
            1
        """
        return self._scan([VERSIONS], workflow_id, records.read_saved)[0].lazy()

    def scan_edits(self, workflow_id: OneOrSeveral = None) -> pl.LazyFrame:
        """The edits in the archive: by workflow, the eras of its blocks, the newest first.

        If the API does not give the history of blocks, syncs record the draft's states.

        Args:
            workflow_id: As in :meth:`scan_runs`.

        Returns:
            A LazyFrame of EDITS, like the frame of :func:`fetch_edits`, also of removed blocks;
            ``workflow_name`` is null, as no run has it.

        Raises:
            ConfigError, ArchiveError: As :meth:`scan_runs`.

        Example:
            >>> archive = ra.Archive("claims.sqlite")
            >>> changes = archive.sync("wf_claims", results=False)
            >>> archive.scan_edits().filter(pl.col("is_draft")).collect().height
            4
        """
        return self._scan([EDITS], workflow_id, records.read_eras)[0].lazy()

    def export_parquet(
        self,
        directory: str | os.PathLike[str],
        *,
        tables: OneOrSeveral = tuple(records.KINDS),
        partition_by: OneOrSeveral = PARTITION_COLUMNS,
    ) -> pl.DataFrame:
        """Write tables as Parquet files for other engines, partitioned as in Hive.

        Each folder, for example ``runs/workflow_id=wf_claims/month=2026-10``, has one
        ``data.parquet``. ``month`` is the month, in UTC, of ``created_at``; for results of
        ``run_created_at``, for versions of ``published_at``, for edits of ``first_seen_at``. The
        keys in a folder's name are no columns of its file: declare them as text when you read it
        (``hive_schema`` in polars). Later calls replace the files whose rows have changed, and
        remove those without rows. A query that runs meanwhile may fail: run it again.

        Args:
            directory: An empty or new folder, or the folder of an earlier export.
            tables: Some of ``runs, results, evals, versions, edits``; others stay as they are.
            partition_by: ``workflow_id``, ``month``, both, or ``()`` for one file a table.

        Returns:
            A frame of ``table, path`` (String), ``rows`` (Int64) and ``change`` (String), one row
            per file: ``written``, ``unchanged`` or ``removed``.

        Raises:
            ConfigError: An argument cannot be used, or the directory has other content, such as a
                table with the columns of another version that is not exported now.
            ArchiveError: The archive is damaged; :meth:`verify` says where.
            OSError: A file cannot be written; the old file is still there.

        Example:
            >>> archive = ra.Archive("claims.sqlite")
            >>> changes = archive.sync("wf_claims", results=False)
            >>> files = archive.export_parquet("lake", tables="runs")
            >>> types = {"workflow_id": pl.String, "month": pl.String}
            >>> runs = pl.scan_parquet("lake/runs", hive_partitioning=True, hive_schema=types)
            >>> ra.summarize_runs(runs).collect()["n_runs"].sum() == files["rows"].sum()
            True
        """
        into = check_path("directory", directory)
        kinds = [records.KINDS[each] for each in _choose("tables", tables, records.KINDS)]
        by = _choose("partition_by", partition_by, PARTITION_COLUMNS)
        self._check_usable()
        claim(into, by)
        refuse_older(into, [each for each in records.KINDS.values() if each not in kinds], by)
        found = zip(kinds, self._scan(kinds, None, self._cache.read), strict=True)
        tasks = [partial(write_table, into / each.name, each, rows, by) for each, rows in found]
        files = apart(lambda: [file for task in tasks for file in task()])
        return records.make_frame(files, "table path rows change")

    def info(self) -> pl.DataFrame:
        """Count the documents in the archive.

        Returns:
            One row per workflow and kind: ``workflow_id, kind`` String; ``documents`` and how many
            of them are ``gone`` from the server (Int64); ``newest``, when the newest was created
            (Datetime); ``bytes`` in the file (Int64). ``blocks`` are the blocks of the draft.

        Raises:
            ArchiveError: The file is damaged.

        Example:
            >>> archive = ra.Archive("claims.sqlite")
            >>> changes = archive.sync("wf_claims", results=False)
            >>> archive.info()["kind"].to_list()
            ['blocks', 'edits', 'evals', 'runs', 'versions']
        """
        names = "workflow_id kind documents gone newest bytes"
        query = (
            "SELECT workflow, kind, count(*), count(gone), max(created), sum(length(body))"
            " FROM documents GROUP BY workflow, kind ORDER BY workflow, kind"
        )
        return records.make_frame(self._read(lambda db: db.execute(query).fetchall()), names)

    def verify(self) -> pl.DataFrame:
        """Check the whole file, and decode every document in it.

        Returns:
            The problems, one row each: ``kind, document_id, path, reason`` (String). ``kind`` is
            ``file`` for the file itself, and ``tables`` for a Parquet file of the scans. ``path``
            is the JSON path in a document that does not decode.

        Example:
            >>> ra.Archive("claims.sqlite").verify().height
            0
        """
        found: list[tuple[str | None, ...]] = []

        def look(db: sqlite3.Connection) -> None:
            lines = [line for (line,) in db.execute("PRAGMA integrity_check")]
            found.extend(("file", None, None, line) for line in lines if line != "ok")
            for (name, table), source in product(records.STORED.items(), ("documents", "earlier")):
                query = f"SELECT id, NULL, body FROM {source} WHERE kind = ?"
                _, problems = records.decode(table, db.execute(query, (name,)))
                found.extend((name, each.record_id, each.path, each.reason) for each in problems)

        self._check_usable()
        try:
            self._read(look)
        except ArchiveError as error:
            found.append(("file", None, None, str(error)))
        for path in self._cache.list_damaged():
            reason = f"{path} is damaged: scans ignore it, and write another"
            found.append(("tables", None, None, reason))
        return records.make_frame(found, "kind document_id path reason")

    def close(self) -> None:
        """Close the archive: using it again is an error. No connection is open between two uses.

        Example:
            >>> archive = ra.Archive("claims.sqlite")
            >>> archive.close()
        """
        self._is_closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Archive({mask_keys(str(self.path))!r})"

    def _check_usable(self) -> None:
        check_polars_threads()
        if self._is_closed:
            raise ArchiveError(f"{self!r} is closed; make a new one of the same path")

    def _read(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Read with one view of the file, whatever a sync writes meanwhile."""

        def read() -> T:
            with connected(self.path) as db:
                db.execute("BEGIN")
                return function(db)

        self._check_usable()
        return apart(read)

    def _scan(self, tables: Sequence[Table], workflow_id: OneOrSeveral, read: Reader[T]) -> list[T]:
        asked = list_values("workflow_id", workflow_id)

        def read_all(db: sqlite3.Connection) -> list[tuple[T, Problems]]:
            workflows = records.list_workflows(db, asked)
            for each in {*(asked or ())}.difference(workflows):
                if not WORKFLOW_ID.fullmatch(each):
                    raise ConfigError(f"an archive keeps no names: give the id, not {each!r}")
            return [read(each, db, workflows) for each in tables]

        found = self._read(read_all)
        for table, (_, problems) in zip(tables, found, strict=True):
            report_problems(table, problems, strict=False)
        return [rows for rows, _ in found]


def sync_to_check(
    archive: Archive, workflow_id: str, client: Client, progress: Progress | bool | None
) -> tuple[frozenset[str], bool]:
    """Return the runs whose results the API did not give, and whether it gave versions."""
    archive._check_usable()
    with archive._mirroring(client, progress, to_check=True) as mirror:
        mirror.sync(workflow_id, None, results=True, refresh=False)
    is_skipped = (workflow_id, VERSIONS.name, None, "skipped") in mirror.changes
    return frozenset(mirror.absent), mirror.failed is None and not is_skipped


def list_states(archive: Archive, eval_id: str) -> list[bytes]:
    """The states of a saved eval, each as the API sent it, the latest first."""
    rows = archive._read(lambda db: db.execute(records.STATES, {"id": eval_id}).fetchall())
    return [records.unpack(packed) for packed, _ in rows]


def _default_path() -> Path:
    if given := os.environ.get(ARCHIVE_VARIABLE):
        return check_path(ARCHIVE_VARIABLE, given)
    path = Path.home() / ".retab_analysis" / "archive.sqlite"
    with reporting(path, OSError):
        path.parent.mkdir(mode=0o700, exist_ok=True)
    return path


def _choose(name: str, given: OneOrSeveral, choices: Collection[str]) -> list[str]:
    return [check_choice(name, each, choices) for each in list_values(name, given) or ()]
