"""The timeline: which code of its block each result ran on, and whether it is of now.

No other module compares codes or times of saves. A *code* is the fingerprint of a block that a
result carries. A result without one has the one code of its block in its run. If that does not
tell, the block's history may: where one era alone covers the moment, the result has the code that
ran nearest to it in that era, else a mark of the era. Two codes are the *same* if they are equal,
and *edited* if they differ. If one is unknown, so is the answer, which is no edit.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

import polars as pl
from msgspec import Struct
from msgspec.structs import replace

from retab_analysis.evidence.cells import BEGAN, BlockInRun, list_cells, make_cells
from retab_analysis.evidence.definition import FindRenamed, mark_definitions
from retab_analysis.evidence.facts import Facts
from retab_analysis.evidence.presence import (
    Presence,
    SavedWord,
    Word,
    find_presence,
    read_word,
)
from retab_analysis.schema import BLOCKS
from retab_analysis.vocabulary import BLOCK_CODE, ERA, MOMENT

CODE = "code"
"""The column that :func:`mark_codes` adds to results."""

OF_CODES = ("block_id", "run_id", "workflow_version_id", BLOCK_CODE)
"""The columns of results that tell codes and versions."""


class Era(Struct, frozen=True):
    """A configuration of a block, from its first day to its last.

    ``config`` is the block as it was, a row of BLOCKS; its parent is no part of it.
    """

    mark: str
    first: datetime
    last: datetime | None
    is_draft: bool
    versions: frozenset[int] = frozenset()  # the publications that have it
    number: int | None = None  # its place among the eras of its block, if all of them are known
    config: Mapping[str, Any] = {}

    @property
    def code(self) -> str:
        """The code of a result of this era that carries none."""
        return f"{ERA}{self.mark}"

    def covers(self, moment: datetime) -> bool:
        return self.first <= moment and (self.is_draft or (self.last or self.first) >= moment)


class BlockHistory:
    """The eras of a block, and the codes that were first seen in each."""

    def __init__(self, eras: Sequence[Era], first_seen: Mapping[str, datetime]) -> None:
        self.eras = eras
        self._seen: dict[str, dict[str, datetime]] = {}
        for code, moment in first_seen.items():
            if (era := self.find(moment)) is not None:
                self._seen.setdefault(era.mark, {})[code] = moment

    def find(self, moment: datetime, code: str | None = None) -> Era | None:
        """The era at a moment: the one that began last, or else the last one seen before.

        If an edit was put back, several eras cover a moment. Then ``code``, which ran at about that
        moment, tells the era.
        """
        covering = [each for each in self.eras if each.covers(moment)]
        told = [each for each in covering if code in self._seen.get(each.mark, {})]
        if covering:
            return max(told or covering, key=lambda each: each.first)
        begun = [each for each in self.eras if each.first <= moment]
        return max(begun, key=lambda each: (each.last or each.first, each.first), default=None)

    def codes_of(self, era: Era) -> list[str]:
        """The codes that were first seen in an era, and the one of its results without any."""
        return [*self._seen.get(era.mark, {}), era.code]

    def code_at(self, moment: datetime) -> str | None:
        """The code that the one era of a moment had then, if results showed one; else its mark."""
        eras = [each for each in self.eras if each.covers(moment)]
        if len(eras) != 1:
            return None
        seen = self._seen.get(eras[0].mark, {})
        codes = sorted(seen, key=lambda code: (seen[code], code))
        before = [code for code in codes if seen[code] <= moment]
        return (before[-1:] or codes[:1] or [eras[0].code])[0]

    @property
    def draft(self) -> Era | None:
        """The era of the draft as it is now."""
        return next((each for each in self.eras if each.is_draft), None)


def list_histories(
    eras: pl.DataFrame, results: pl.DataFrame | None = None
) -> dict[str, BlockHistory]:
    """The history of each block of an ERAS frame, with the codes that ``results`` show."""
    parts: dict[str, list[Era]] = {}
    for row in eras.drop_nulls("first_seen_at").iter_rows(named=True):
        about = row["config_fingerprint"], row["first_seen_at"], row["last_seen_at"]
        config = {name: row.get(name) for name in BLOCKS.schema} | {"label": row["block_label"]}
        versions = frozenset(row["versions"] or ())
        era = Era(*about, bool(row["is_draft"]), versions, row["number"], config)
        parts.setdefault(row["block_id"], []).append(era)
    if results is None:
        return {block: BlockHistory(its, {}) for block, its in parts.items()}
    coded = results.filter(pl.col("block_id").is_in(list(parts))).drop_nulls(BLOCK_CODE)
    seen = coded.group_by("block_id", BLOCK_CODE).agg(BEGAN.min().alias("first"))
    shown: dict[str, dict[str, datetime]] = {}
    for block, code, moment in seen.drop_nulls().iter_rows():
        shown.setdefault(block, {})[code] = moment
    return {block: BlockHistory(its, shown.get(block, {})) for block, its in parts.items()}


def mark_codes(
    results: pl.DataFrame, histories: Mapping[str, BlockHistory] | None = None
) -> pl.DataFrame:
    """Add ``code``, see the module; without histories it is the code that results tell."""
    coded = results.with_columns(code=pl.col(BLOCK_CODE))
    if 0 < coded["code"].null_count() < coded.height:
        one, of = pl.col("code").drop_nulls(), ("run_id", "block_id")
        is_one = (one.n_unique().over(of) == 1) & pl.col("run_id").is_not_null()
        lent = pl.when(is_one).then(one.first().over(of))
        coded = coded.with_columns(code=pl.coalesce("code", lent))
    return _code_by_era(coded, histories) if histories else coded


def _code_by_era(coded: pl.DataFrame, histories: Mapping[str, BlockHistory]) -> pl.DataFrame:
    """Fill in the codes of the eras, where one alone covers the moment."""
    unnamed = coded.filter(pl.col("code").is_null()).select("block_id", told_at=MOMENT)
    keys = unnamed.drop_nulls().unique()
    known = (block in histories and histories[block].code_at(at) for block, at in keys.rows())
    told = keys.with_columns(told=pl.Series([each or None for each in known], dtype=pl.String))
    dated = coded.with_columns(told_at=MOMENT)
    named = dated.join(told, on=keys.columns, how="left", maintain_order="left")
    return named.with_columns(pl.coalesce("code", "told").alias("code")).drop("told", "told_at")


def lacks_codes(results: pl.DataFrame) -> bool:
    """Whether there are results, and none of them carries the fingerprint of its code."""
    return 0 < results.height == results[BLOCK_CODE].null_count()


def may_be_same(code: str | None, other: str | None) -> bool:
    """Whether a block had one code in two runs; if that is not known, whether it may have."""
    return not (code and other) or code == other


class Timeline(Struct, frozen=True, eq=False, dict=True):
    """The codes of each block of a workflow, and the definition of each saved eval, as of now.

    ``results`` are all read results with ``code, on_code, is_own, defined``. The words
    ``on_code`` and ``defined`` tell whether a result is of its block's present code and of its
    eval's present definition. ``cells`` are those of :func:`make_cells`.
    """

    facts: Facts
    results: pl.DataFrame
    presences: Mapping[str, Presence]
    saved_again: Mapping[str, datetime]  # saves of evals that may be edits
    histories: Mapping[str, BlockHistory]
    cells: pl.DataFrame

    @cached_property
    def ran(self) -> dict[str, list[BlockInRun]]:
        """The cells of each block, in the order of time."""
        return list_cells(self.cells)

    @staticmethod
    def make(
        results: pl.DataFrame,
        facts: Facts,
        going: Collection[str] = (),
        find_renamed: FindRenamed | None = None,
    ) -> Timeline:
        """Read the timeline off results and facts.

        ``going`` are the runs that go on. ``find_renamed`` tells which of some evals were only
        renamed since they ran.
        """
        histories = {} if facts.eras is None else list_histories(facts.eras, results)
        told = mark_codes(results)
        presences = _find_presences(told, facts.saved, facts.saved_at)
        # Histories name codes, and vouch for none.
        coded = _code_by_era(_mark_presence(told, presences), histories)
        marked, saved_again = mark_definitions(coded, facts.saved, going, find_renamed)
        named, cells = _add_names(presences, coded), make_cells(coded, facts.saved)
        return Timeline(facts, marked, named, saved_again, histories, cells)

    def code(self, results: pl.DataFrame) -> pl.DataFrame:
        """Other results of the workflow with their codes, see :func:`mark_codes`."""
        return mark_codes(results, self.histories)


def _find_presences(
    coded: pl.DataFrame, saved: pl.DataFrame, saved_at: Mapping[str, datetime | None]
) -> dict[str, Presence]:
    ran = list_cells(make_cells(coded.with_columns(on_code=pl.lit("unknown")), saved))
    own = coded.join(saved, on=("eval_id", "block_id"), how="semi")
    newest = own.sort(MOMENT, BEGAN).select("eval_id", "code", MOMENT.alias("at")).drop_nulls("at")
    newest = newest.unique("eval_id", keep="last", maintain_order=True)
    last, told = {row[0]: row[1:] for row in newest.iter_rows()}, dict[str, list[SavedWord]]()
    for row in saved.iter_rows(named=True):
        word = read_word(row, *last.get(row["eval_id"], (None, None)))
        told.setdefault(row["block_id"], []).append(word)
    return {
        block: find_presence(told.get(block, ()), ran.get(block, ()), saved_at.get(block))
        for block in {**told, **ran}
    }


def _mark_presence(coded: pl.DataFrame, presences: Mapping[str, Presence]) -> pl.DataFrame:
    """Add ``on_code``, a :data:`Word`; results of a block without saved evals are ``unknown``."""
    # Where a code is known, it alone decides.
    told = coded.with_columns(told_at=pl.when(pl.col("code").is_null()).then(MOMENT))
    keys = told.select("block_id", "eval_id", "code", "told_at").unique()
    words: list[Word] = [
        its.judge(*key) if (its := presences.get(block)) is not None else "unknown"
        for block, *key in keys.iter_rows()
    ]
    marked = keys.with_columns(on_code=pl.Series(words, dtype=pl.String))
    joined = told.join(marked, on=keys.columns, how="left", nulls_equal=True, maintain_order="left")
    return joined.drop("told_at")


def _add_names(presences: Mapping[str, Presence], coded: pl.DataFrame) -> dict[str, Presence]:
    """Add the codes that histories name of results on present code."""
    its = coded.filter(on_code="is_now").drop_nulls("code").group_by("block_id").agg("code")
    named = dict(its.iter_rows())
    return {
        block: replace(each, codes=each.codes.union(named.get(block, ())))
        for block, each in presences.items()
    }
