"""``start_runs``: start eval runs of the draft, or only of what is not tested as it is now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from retab_analysis.arguments import check_count
from retab_analysis.checks.defaults import open_source
from retab_analysis.checks.sides import read_as_it_is_now
from retab_analysis.checks.source import Source
from retab_analysis.errors import ConfigError, list_some, shown
from retab_analysis.evidence.story import STALE
from retab_analysis.fetch.lists import refuse_unknown, resolve_workflow
from retab_analysis.fetch.params import OneOrSeveral, check_text, client_or_default, list_values
from retab_analysis.fetch.starts import (
    SAVE_FIRST,
    Scope,
    Selection,
    count,
    say_start,
    say_starts,
    select,
    start_each,
)
from retab_analysis.progress import say, say_together
from retab_analysis.transport import Client

_LISTED = 5
_WORDS = {"never": "new", "eval": "edited", "saved": "saved again"}


def start_runs(
    workflow_id: str,
    *,
    evals: OneOrSeveral = None,
    blocks: OneOrSeveral = None,
    only: str | None = None,
    repeat: int = 1,
    client: Client | None = None,
) -> pl.DataFrame:
    """Start eval runs of a workflow's draft.

    Retab executes all evals of an organization one after the other, on one shared queue. A run of
    more than about 25 evals is large: it takes minutes, and other people's runs wait behind it. To
    try a change, run only the affected evals: ``only="edited"`` finds them. Before the first start,
    ``start_runs`` prints how many runs it starts, with how many evals. A notebook shows the line in
    the cell's output, a terminal on standard error.

    Args:
        workflow_id: The workflow, its id or its name.
        evals: Run only this saved eval, or these, by id or name: a run for each.
        blocks: Run only the evals of this block, or these, by id or label: a run for each.
        only: ``"edited"``: the evals without a result as they and their blocks are now. If half
            of a block's evals lack one, the block is started as a whole, else each eval on its
            own. It leaves out evals that a run tests at this moment, and evals of blocks whose
            edits cannot be seen. It reads as much as :func:`check`. If there are none, it starts
            nothing.
        repeat: How often to start each run, for example to see whether an eval is flaky.
        client: The client to ask; by default the session's.

    Returns:
        A RUNS frame, one row per started run, in that order. The runs have only just been created.

    Raises:
        ConfigError: An argument cannot be used. Or the workflow, block or eval does not exist (the
            message names the nearest), several have that name, or there is no saved eval. Then
            nothing was started.
        ProtocolError: Among others, the answer names another run: one of another workflow or
            scope, or one created before the request. That run is in ``.unconfirmed``, too.
        RetabAnalysisError: Any other failure. ``start_runs`` does not try a start again, because it
            may have happened; ``.partial`` has the runs started before. If there was no readable
            answer, it looks for new runs of that workflow and scope. If there is not exactly one,
            the message names them, and they are in ``.unconfirmed``.
        KeyboardInterrupt: After Ctrl-C, and after SIGTERM in a program that does not handle it.
            ``start_runs`` looks at most five seconds for a run whose start was not answered, and
            names it. ``.partial`` has it too; in a notebook it is ``sys.last_value.partial``.
            Started runs go on.

    Warns:
        UserWarning: There was no readable answer to a start, and exactly one new run of that
            workflow and scope. The warning names it. ``start_runs`` takes it and goes on.

    Example:
        >>> name = ra.fetch_evals("wf_claims")["eval_name"][0]
        >>> runs = ra.start_runs("wf_claims", evals=name, repeat=2)
        >>> runs.select("scope", "total_evals").rows()
        [('eval', 1), ('eval', 1)]
    """
    check_text("workflow_id", workflow_id)
    wanted, of_blocks = list_values("evals", evals), list_values("blocks", blocks)
    check_count("repeat", repeat, 1)
    is_whole = wanted is None and of_blocks is None
    if only is not None:
        if not isinstance(only, str) or only != "edited":
            told = f"blocks={shown(only)} runs a block, evals={shown(only)} an eval"
            raise ConfigError(f"only must be one of edited, got {shown(only)}; {told}")
        if not is_whole:
            raise ConfigError("only='edited' chooses what to start: leave evals and blocks out")
    chosen = client_or_default(client)
    workflow_id = resolve_workflow(chosen, workflow_id, parts=False)
    if only is not None:
        selected = select_edited(chosen, workflow_id, repeat=repeat)
    else:
        selected = select(chosen, workflow_id, wanted, of_blocks, repeat)
    note = " This is production." * chosen.is_production
    if only is None:
        start = workflow_id, selected.sizes
        say_together(f"start{note}", start, lambda starts: say_starts(starts) + note)
    else:
        say(f"{selected.said}{note}")
    return start_each(chosen, workflow_id, selected.scopes)


@dataclass(frozen=True, eq=False)
class _Block:
    """A block, and which of its valid evals are not tested: the reason of each, by its name."""

    id: str
    name: str
    size: int
    is_there: bool
    open: Mapping[str, str] = field(default_factory=dict)
    is_on_way: bool = False  # an eval of it at least

    @property
    def is_whole(self) -> bool:
        return 2 * len(self.open) >= self.size > 0 and not self.is_on_way

    def say_why(self) -> str:
        kinds = {*self.open.values()}
        if kinds == {"never"}:
            return "its evals were never run"
        if len(self.open) == self.size and kinds == {"block"}:
            return "it was edited and has not run since"
        have = "has" if len(self.open) == 1 else "have"
        return f"{len(self.open)} of its {count(self.size, 'eval')} {have} no result as it is now"

    def say_left_out(self) -> str:
        n = count(self.size, "eval")
        return n if self.is_there else f"{n}; the workflow does not have this block any more"


def select_edited(client: Client, workflow_id: str, *, repeat: int = 1) -> Selection:
    """The runs of the evals that are not tested as they and their blocks are now."""
    source = open_source(client, workflow_id, progress=False)
    if source.saved.is_empty():
        refuse_unknown(client, {"workflow_id": [workflow_id]}, source.saved)
        raise ConfigError(f"{workflow_id} has no saved eval: {SAVE_FIRST.format(workflow_id)}")
    known = read_as_it_is_now(source)
    stale, unseen = known.list(*STALE), known.list("unseen")
    blocks = _list_blocks(source, stale, known.on_way)
    whole = [each for each in blocks if each.is_whole]
    single = {k: v for each in blocks if not each.is_whole for k, v in each.open.items()}
    names = dict(source.saved["eval_id", "eval_name"].iter_rows())
    sized: list[tuple[Scope, int]] = []
    sized += [({"type": "block", "block_id": each.id}, each.size) for each in whole]
    sized += [({"type": "single", "eval_id": each}, 1) for each in single]
    runs = [each for each in sized for _ in range(repeat)]
    sizes = [size for _, size in runs]
    what = [f"block {each.name!r} ({each.say_why()})" for each in whole]
    if single:
        what.append(
            f"{count(len(single), 'eval')} that {_say_kinds(single)} "
            f"({list_some((repr(names[each] or each) for each in single), _LISTED)})"
        )
    said = f"{say_start(workflow_id, sizes)}: {'; '.join(what)}."
    waiting = {k: v for k, v in known.on_way.items() if k in stale}
    if not runs:
        which = "every other eval" if waiting or unseen else "every eval"
        said = f"No run is started: {which} has a result as it is now."
    left_out = [f"{each.name!r} ({each.say_left_out()})" for each in blocks if not each.open]
    said += f" Left out: {list_some(left_out, _LISTED)}." if left_out else ""
    if unseen:
        its = count(len(unseen), "eval")
        said += f" Left out: {its}, because edits of their blocks cannot be seen."
    if waiting:
        are = "is" if len(waiting) == 1 else "are"
        its = list_some(sorted({*waiting.values()}), _LISTED)
        said += f" {count(len(waiting), 'eval')} {are} on the way in {its}."
    return Selection([scope for scope, _ in runs], sizes, said)


def _say_kinds(single: Mapping[str, str]) -> str:
    words = dict.fromkeys(_WORDS.get(why, "not tested") for why in single.values())
    return f"{'is' if len(single) == 1 else 'are'} {' or '.join(words)}"


def _list_blocks(
    source: Source, stale: Mapping[str, str], on_way: Mapping[str, str]
) -> Sequence[_Block]:
    labels, saved = source.labels, source.saved
    alike = Counter(labels.values())
    valid = (pl.col("validation_status") == "valid").fill_null(True)
    parts = saved.sort("block_id", "created_at", "eval_id").partition_by("block_id", as_dict=True)
    blocks = []
    for (block,), its in parts.items():
        label, is_there = labels.get(str(block)) or str(block), block in labels or not labels
        name = label if alike[label] < 2 else f"{label} ({block})"
        ids = its.filter(valid)["eval_id"].to_list()
        open_ones = {k: stale[k] for k in ids if k in stale and k not in on_way and is_there}
        is_on_way = not on_way.keys().isdisjoint(ids)
        blocks.append(_Block(str(block), name, len(ids), is_there, open_ones, is_on_way))
    return blocks
